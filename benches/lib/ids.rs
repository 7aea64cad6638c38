//! Which keys are called.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// The keys of a run's calls. A clone goes on where this is.
#[derive(Debug, Clone)]
pub enum Ids {
    /// Always the same.
    Hot(u64),
    /// Each caller has its own, from this one on.
    Own(u64),
    /// Never one twice.
    Fresh(Arc<AtomicU64>),
    /// These, over and over; each caller goes on where the last one was to end.
    List(Arc<[u64]>, Arc<AtomicU64>),
}

impl Ids {
    /// Fresh ones from here on.
    pub fn fresh(from: u64) -> Self {
        Self::Fresh(Arc::new(AtomicU64::new(from)))
    }

    /// Each of so many as often as any other.
    pub fn uniform(of: u64) -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        Self::list((0..DRAWN).map(|_| random.next() % of))
    }

    /// These.
    pub fn list(ids: impl IntoIterator<Item = u64>) -> Self {
        Self::List(ids.into_iter().collect(), Arc::default())
    }

    /// The first half as often as all of the next two, three and so on: Zipf's law with an exponent of 1.
    pub fn zipf(of: u64) -> Self {
        let mut sum = 0.0;
        let sums: Vec<f64> = (1..=of)
            .map(|rank| {
                sum += 1.0 / rank as f64;
                sum
            })
            .collect();
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let draw = |_| {
            let at = random.next() as f64 / u64::MAX as f64 * sum;
            // Ranks are strewn over the keys.
            sums.partition_point(|sum| *sum < at) as u64 * 7_919 % of
        };
        Self::list((0..DRAWN).map(draw))
    }

    /// The same of a list's keys, counted from there.
    pub fn from(self, first: u64) -> Self {
        match self {
            Self::List(list, _) => Self::list(list.iter().map(|id| first + id)),
            other => other,
        }
    }

    /// The keys of a caller that makes so many calls.
    pub fn of_caller(&self, caller: u32, calls: u32) -> impl FnMut() -> u64 + Send + 'static {
        let (ids, mut next) = (self.clone(), 0);
        let first = match self {
            Self::Hot(id) => *id,
            Self::Own(id) => id + u64::from(caller),
            Self::Fresh(next) | Self::List(_, next) => next.fetch_add(u64::from(calls), Ordering::Relaxed),
        };
        move || {
            next += 1;
            match &ids {
                Self::Hot(_) | Self::Own(_) => first,
                Self::Fresh(_) => first + next,
                Self::List(list, _) => list[((first + next) % list.len() as u64) as usize],
            }
        }
    }
}

const DRAWN: usize = 1 << 20;

/// xorshift64*.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
