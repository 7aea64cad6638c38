//! All that `idem` relies on in a store, asked of one.

mod case;
mod cases;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use idem_core::Store;

use crate::clock::Clock;
use case::{Case, Named};

/// How long one case may take before it counts as failed, in short leases.
const PATIENCE: u32 = 1200;

/// How long a short lease is.
const SHORT: Duration = Duration::from_millis(50);

/// Asks `store` all that `idem` relies on: this one line is the test of a store of your own. See [`Suite`] for a store with a
/// clock to turn, or with several handles.
///
/// Each case uses keys of its own, so the store may hold other records, and the suite can be run again and again on the
/// same one. A few cases wait for leases of some 50 ms to run out, by the store's clock. Run it on a runtime with several
/// threads, or the races are none:
///
/// ```
/// # #[derive(Debug)] struct MyStore;
/// # impl MyStore { fn new() -> idem_core::MokaStore { idem_core::MokaStore::new() } }
/// #[tokio::test(flavor = "multi_thread")]
/// async fn my_store_conforms() {
///     idem_testing::conformance(MyStore::new()).await;
/// }
/// ```
///
/// # Panics
/// When a case fails, with the names of all that did and what they saw.
pub async fn conformance(store: impl Store) {
    Suite::new(store).run().await.assert();
}

/// The conformance suite, with all that a store can offer it.
#[derive(Debug)]
pub struct Suite {
    first: Arc<dyn Store>,
    others: Vec<Arc<dyn Store>>,
    clock: Option<Clock>,
    short: Duration,
}

impl Suite {
    /// The suite for one handle on a store.
    #[must_use]
    pub fn new(store: impl Store) -> Self {
        Self { first: Arc::new(store), others: Vec::new(), clock: None, short: SHORT }
    }

    /// Adds another handle on the same records, such as another connection: the cases' owners use them in turn.
    #[must_use]
    pub fn handle(mut self, store: impl Store) -> Self {
        self.others.push(Arc::new(store));
        self
    }

    /// Adds the store's own clock: the cases with a clock that steps are asked, too, and nothing has to be waited for.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// How long the leases and TTLs are that cases wait for. For a slow store, choose some twenty times what a verb takes.
    /// Default: 50 ms.
    #[must_use]
    pub const fn short(mut self, short: Duration) -> Self {
        self.short = short;
        self
    }

    /// Asks every case, one after the other.
    pub async fn run(self) -> Report {
        let patience = self.short * PATIENCE;
        let mut report = Report { passed: Vec::new(), skipped: Vec::new(), failed: Vec::new() };
        for Named { name, needs_clock, run } in cases::ALL.iter().copied().flatten() {
            if *needs_clock && self.clock.is_none() {
                report.skipped.push(name);
                continue;
            }
            let case = Case::new(name, &self);
            // In a task of its own: a store that panics fails the case and not the suite.
            match tokio::time::timeout(patience, tokio::spawn(run(case))).await {
                Ok(Ok(Ok(()))) => report.passed.push(name),
                Ok(Ok(Err(failure))) => report.failed.push((name, failure.to_string())),
                Ok(Err(panic)) => report.failed.push((name, panic.to_string())),
                Err(_) => report.failed.push((name, format!("no end after {patience:?}"))),
            }
        }
        report
    }
}

/// What became of each case.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The cases that the store passed.
    pub passed: Vec<&'static str>,
    /// Those that need a clock and were given none.
    pub skipped: Vec<&'static str>,
    /// Those that it failed, and what was seen.
    pub failed: Vec<(&'static str, String)>,
}

impl Report {
    /// Whether the store failed this case.
    #[must_use]
    pub fn has_failed(&self, name: &str) -> bool {
        self.failed.iter().any(|(failed, _)| *failed == name)
    }

    /// # Panics
    /// When a case failed.
    #[allow(clippy::panic)] // This is how a test fails.
    pub fn assert(&self) {
        assert!(self.failed.is_empty(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, skipped, failed } = self;
        writeln!(f, "{} cases passed, {} skipped, {} failed", passed.len(), skipped.len(), failed.len())?;
        failed.iter().try_for_each(|(name, why)| writeln!(f, "  {name}: {why}"))
    }
}
