//! A store beside the bare calls that move the same bytes over the same client.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use idem::{Claim, Claimed, Idem, Key, Owner, Payload, Store};
use idem_benches::compare::{compare, Contender, Rounds};
use idem_benches::effort::Effort;
use idem_benches::fan::{fan, two_threads};
use idem_benches::ids::Ids;
use idem_benches::report::{Report, Row};
use idem_benches::subject::{blob, elsewhere};
use idem_benches::unit::{bytes, count, who};
use tokio::runtime::Runtime;

/// What somebody would do who wants nothing but to move the bytes.
pub(crate) trait Bare: Send + Sync + 'static {
    /// Reads what is done.
    fn replay(&self, id: u64) -> impl Future<Output = ()> + Send;
    /// Writes a claim and its result.
    fn fresh(&self, id: u64) -> impl Future<Output = ()> + Send;
}

/// A server, a store on it, and the bare calls.
pub(crate) trait Setting {
    type Bare: Bare;
    const NAME: &'static str;
    /// What a call may cost of the bare one; and in words what these are.
    const BUDGET: Option<f64>;
    fn store(&self) -> Arc<dyn Store>;
    /// Of results as long as the sample's, as many of them from its key on.
    fn bare(&self, runtime: &Runtime, sample: Sample, keys: u64) -> Self::Bare;
}

/// A call that has ended, for a look at what it left.
pub(crate) struct Sample {
    /// Of the first caller's key.
    pub(crate) id: u64,
    pub(crate) key: Key,
    pub(crate) payload: Payload,
}

/// A key of the operation that is measured.
pub(crate) fn key(id: u64) -> Key {
    Key::new("", "payments.charge", &id).expect("a key")
}

fn sample(id: u64, size: usize) -> Sample {
    let json = serde_json::to_string(&blob(id, size)).expect("it encodes");
    // As the engine has it: version, codec, side, and a checksum of 8 bytes.
    let payload = Payload::from_bytes([&[b'?'; 11], json.as_bytes()].concat());
    Sample { id, key: key(id), payload }
}

fn claim() -> Claim {
    Claim::new(Owner::random(), Duration::from_secs(15), Duration::from_secs(86_400))
}

/// The tables of a store.
pub(crate) fn run<S: Setting>(report: &mut Report, make: impl FnOnce(&Runtime) -> S) {
    let runtime = two_threads();
    let setting = make(&runtime);
    let idem = Idem::builder(setting.store()).build().expect("an Idem");
    let stage = Stage { runtime, setting, idem, effort: report.effort };
    // While there are only small records.
    let keys = stage.keys();
    let (mut replays, mut fresh_runs) = (Vec::new(), Vec::new());
    for size in [100, 4 << 10, 256 << 10] {
        for callers in [1, 2, 8, 64] {
            let (replay, fresh) = stage.values(size, callers);
            replays.extend(replay);
            fresh_runs.extend(fresh);
        }
    }
    report.compared(replays);
    report.compared(fresh_runs);
    report.compared(keys);
}

/// What all rows of a store have in common.
struct Stage<S> {
    runtime: Runtime,
    setting: S,
    idem: Idem,
    effort: Effort,
}

impl<S: Setting> Stage<S> {
    /// The bare replays of these keys, once all of them are done.
    fn done(&self, first: u64, keys: u64, size: usize) -> Arc<S::Bare> {
        let (all, idem) = (Ids::list(first..first + keys), self.idem.clone());
        let callers = u32::try_from(keys.min(64)).expect("few");
        let calls = u32::try_from(keys).expect("so many").next_multiple_of(callers);
        fan(&self.runtime, callers, calls, &all, move |id| elsewhere(idem.clone(), id, size));
        Arc::new(self.setting.bare(&self.runtime, sample(first, size), keys))
    }

    fn replay_bare(&self, bare: &Arc<S::Bare>, callers: u32, calls: u32, ids: &Ids) -> Duration {
        let bare = Arc::clone(bare);
        fan(&self.runtime, callers, calls, ids, move |id| {
            let bare = Arc::clone(&bare);
            async move { bare.replay(id).await }
        })
    }

    fn call(&self, size: usize, callers: u32, calls: u32, ids: &Ids) -> Duration {
        let idem = self.idem.clone();
        fan(&self.runtime, callers, calls, ids, move |id| elsewhere(idem.clone(), id, size))
    }

    /// The verb, without the engine.
    fn claim(&self, calls: u32, ids: &Ids) -> Duration {
        let store = self.setting.store();
        fan(&self.runtime, 1, calls, ids, move |id| {
            let store = Arc::clone(&store);
            async move {
                let claimed = store.claim(&key(id), &claim()).await;
                assert!(matches!(claimed, Ok(Claimed::Completed(_))), "it is done");
            }
        })
    }

    /// By size of the result and callers at a time, each with a key of its own: replays, and fresh runs.
    fn values(&self, size: usize, callers: u32) -> (Vec<Row>, Vec<Row>) {
        let first = (size as u64) << 40 | u64::from(callers) << 32;
        let how = Rounds::of(self.effort).callers(callers);
        let how = Rounds { slice: how.slice * 2, ..how }.most(((4 << 20) / size as u32).clamp(callers, 20_000));
        let bare = self.done(first, u64::from(callers), size);
        let name = format!("{}, {}, {}", S::NAME, bytes(size), who(callers));
        let stands = |row: Row| if size == 100 && callers == 1 { row.stands() } else { row };
        let own = &Ids::Own(first);
        let mut contenders = vec![
            Contender::new("bare", |calls| self.replay_bare(&bare, callers, calls, own)),
            Contender::new("the whole call", |calls| self.call(size, callers, calls, own)),
        ];
        if callers == 1 {
            contenders.push(Contender::new("the store alone", |calls| self.claim(calls, own)));
        }
        let timed = compare(how, contenders);
        let mut replays = vec![stands(Row::of(&format!("replay, {name}"), &timed[1], &timed[0], S::BUDGET))];
        if let Some(alone) = timed.get(2) {
            replays.push(Row::of(&format!("replay, {name}, the store alone"), alone, &timed[0], None));
        }
        let (one, two) = (Ids::fresh(first + (1 << 20)), Ids::fresh(first + (1 << 20)));
        let contenders = vec![
            Contender::new("bare", |calls| {
                let bare = Arc::clone(&bare);
                fan(&self.runtime, callers, calls, &one, move |id| {
                    let bare = Arc::clone(&bare);
                    async move { bare.fresh(id).await }
                })
            }),
            Contender::new("the whole call", |calls| self.call(size, callers, calls, &two)),
        ];
        let timed = compare(how, contenders);
        (replays, vec![stands(Row::of(&format!("fresh, {name}"), &timed[1], &timed[0], S::BUDGET))])
    }

    /// By how the keys are drawn; 8 callers. What is called by several at a time is asked for once.
    fn keys(&self) -> Vec<Row> {
        let (first, size, callers) = (1 << 56, 100, 8);
        let bare = self.done(first, KEYS, size);
        let how = Rounds::of(self.effort).callers(callers).most(20_000);
        let drawn = [
            ("one key".to_owned(), Ids::Hot(first)),
            (format!("{} keys, uniform", count(KEYS)), Ids::uniform(KEYS).from(first)),
            (format!("{} keys, Zipf", count(KEYS)), Ids::zipf(KEYS).from(first)),
        ];
        let row = |(drawn, ids): (String, Ids)| {
            let contenders = vec![
                Contender::new("bare", |calls| self.replay_bare(&bare, callers, calls, &ids)),
                Contender::new("the whole call", |calls| self.call(size, callers, calls, &ids)),
            ];
            let timed = compare(how, contenders);
            Row::of(&format!("replay, {}, {}, {drawn}", S::NAME, who(callers)), &timed[1], &timed[0], None)
        };
        drawn.into_iter().map(row).collect()
    }
}

/// Of how many keys they are drawn.
const KEYS: u64 = 10_000;
