//! A store beside the bare calls that move the same bytes over the same client.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use idem::{Claim, Claimed, Completion, Ending, Finish, Idem, Key, Owner, Payload, Store};
use idem_benches::compare::{compare, Contender, Rounds};
use idem_benches::fan::{fan, two_threads};
use idem_benches::ids::Ids;
use idem_benches::report::{Report, Row};
use idem_benches::subject::{blob, elsewhere};
use idem_benches::unit::bytes;
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
    /// Of results as long as the sample's.
    fn bare(&self, runtime: &Runtime, sample: Sample) -> Self::Bare;
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

/// A fresh run, by the store's verbs alone.
pub(crate) async fn verbs(store: &Arc<dyn Store>, key: &Key, payload: Payload) {
    let claim = claim();
    assert!(matches!(store.claim(key, &claim).await, Ok(Claimed::Granted(_))), "it is free");
    let ending = Ending::Completed(Completion::Result(payload));
    store.finish(key, &Finish::new(claim.owner, ending)).await.expect("it lands");
}

fn claim() -> Claim {
    Claim::new(Owner::random(), Duration::from_secs(15), Duration::from_secs(86_400))
}

/// The tables of a store.
pub(crate) fn run<S: Setting>(report: &mut Report, make: impl FnOnce(&Runtime) -> S) {
    let runtime = two_threads();
    let setting = make(&runtime);
    let store = setting.store();
    let idem = Idem::builder(Arc::clone(&store)).build().expect("an Idem");
    let (mut replays, mut fresh_runs) = (Vec::new(), Vec::new());
    for size in [100, 4 << 10, 256 << 10] {
        for callers in [1, 8, 64] {
            let first = (size as u64) << 40 | u64::from(callers) << 32;
            let how = Rounds::of(report.effort).callers(callers);
            let how = Rounds { slice: how.slice * 2, ..how }.most(((4 << 20) / size as u32).clamp(callers, 20_000));
            runtime.block_on(async {
                for caller in 0..u64::from(callers) {
                    elsewhere(idem.clone(), first + caller, size).await.expect("it runs");
                }
            });
            let bare = Arc::new(setting.bare(&runtime, sample(first, size)));
            let name = format!("{}, {}", S::NAME, bytes(size));
            let name = format!("{name}, {callers} caller{}", if callers == 1 { "" } else { "s" });
            let stands = |row: Row| if size == 100 && callers == 1 { row.stands() } else { row };
            let timed = {
                let (bare, own, idem) = (&bare, &Ids::Own(first), &idem);
                let mut contenders = vec![
                    Contender::new("bare", |calls| {
                        let bare = Arc::clone(bare);
                        fan(&runtime, callers, calls, own, move |id| {
                            let bare = Arc::clone(&bare);
                            async move { bare.replay(id).await }
                        })
                    }),
                    Contender::new("the whole call", |calls| {
                        let idem = idem.clone();
                        fan(&runtime, callers, calls, own, move |id| elsewhere(idem.clone(), id, size))
                    }),
                ];
                if callers == 1 {
                    let (store, runtime) = (&store, &runtime);
                    contenders.push(Contender::new("the store alone", move |calls| {
                        let store = Arc::clone(store);
                        fan(runtime, 1, calls, own, move |id| {
                            let store = Arc::clone(&store);
                            async move {
                                let claimed = store.claim(&key(id), &claim()).await;
                                assert!(matches!(claimed, Ok(Claimed::Completed(_))), "it is done");
                            }
                        })
                    }));
                }
                compare(how, contenders)
            };
            replays.push(stands(Row::of(&format!("replay, {name}"), &timed[1], &timed[0], S::BUDGET)));
            if let Some(alone) = timed.get(2) {
                replays.push(Row::of(&format!("replay, {name}, the store alone"), alone, &timed[0], None));
            }
            let timed = {
                let (one, two) = (Ids::fresh(first + (1 << 20)), Ids::fresh(first + (1 << 20)));
                let contenders = vec![
                    Contender::new("bare", |calls| {
                        let bare = Arc::clone(&bare);
                        fan(&runtime, callers, calls, &one, move |id| {
                            let bare = Arc::clone(&bare);
                            async move { bare.fresh(id).await }
                        })
                    }),
                    Contender::new("the whole call", |calls| {
                        let idem = idem.clone();
                        fan(&runtime, callers, calls, &two, move |id| elsewhere(idem.clone(), id, size))
                    }),
                ];
                compare(how, contenders)
            };
            fresh_runs.push(stands(Row::of(&format!("fresh, {name}"), &timed[1], &timed[0], S::BUDGET)));
        }
    }
    report.compared(replays);
    report.compared(fresh_runs);
}
