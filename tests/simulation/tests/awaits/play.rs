//! Plays a world from its beginning until nothing moves in it any more, an honest retry included.

use std::time::Duration;

use idem::{
    private, transition, Change, Claim, Codec, Completion, Ending, Fingerprint, Finish, Owner, Payload, Record,
};
use tokio::runtime::Builder;
use tokio::time::Instant;

use crate::body::EXACT;
use crate::calls::{key, print};
use crate::exec::Exec;
use crate::history::{Event, Happened, Value};
use crate::path::{Before, Body, Path, LEASE, PAUSE, TTL};
use crate::stage::Stage;
use crate::world::{What, World, OUTAGE, STRAY};

/// How long a world lasts at most. Nothing in it takes as long.
pub(crate) const END: Duration = Duration::from_secs(60);
/// The run whose result was recorded before the world began.
pub(crate) const EARLIER: usize = 900;

/// What became of a world.
pub(crate) struct Played {
    pub(crate) events: Vec<Event>,
    /// Which of what was to happen did.
    pub(crate) fired: Vec<bool>,
    pub(crate) second_came: bool,
    pub(crate) second_left: bool,
    /// Whether it mattered what becomes of requests whose sender is gone.
    pub(crate) wired: bool,
    /// Tasks, and slots and calls under way, that were left over.
    pub(crate) left: Vec<String>,
    pub(crate) before: Option<Record>,
}

impl Played {
    /// Whether all happened that was to happen.
    pub(crate) fn all_fired(&self) -> bool {
        self.fired.iter().all(|fired| *fired)
    }
}

pub(crate) fn play(world: &World, seed: u64) -> Played {
    private::seed_jitter(seed);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(tokio::task::unconstrained(played(world)))
}

async fn played(world: &World) -> Played {
    let stage = Stage::new(world.clone());
    let before = earlier(world.path, &stage);
    stage.state().record.clone_from(&before);
    let mut exec = Exec::new(stage.clone());
    let end = Instant::now() + END;
    exec.call(0, 0, world.path.waits, false);
    loop {
        exec.run(end, Exec::all_over).await;
        let outage = world.whats.iter().any(|what| matches!(what, What::Outage(..)));
        // A detached body goes on without its call.
        let body = if world.path.detached && world.path.body == Body::Slow { PAUSE } else { Duration::ZERO };
        let rest = LEASE + STRAY + Duration::from_millis(5) + body + if outage { OUTAGE } else { Duration::ZERO };
        exec.run(Instant::now() + rest, |exec| !exec.all_over()).await;
        if exec.all_over() || end <= Instant::now() {
            break;
        }
    }
    // Nothing more happens, and the parent retries: in a process of its own, in the first one if it is there, and again.
    stage.state().open = false;
    for (call, node) in [(2, 2), (3, if exec.is_crashed(0) { 4 } else { 0 }), (4, 2)] {
        if exec.left() == 0 {
            stage.note(Happened::Quiet);
        }
        exec.call(call, node, false, false);
        exec.run(Instant::now() + END, Exec::all_over).await;
    }
    exec.run(Instant::now() + END, |exec| exec.left() == 0).await;
    let mut left = Vec::new();
    if exec.left() > 0 {
        left.push(format!("{} tasks", exec.left()));
    }
    for (node, idem) in exec.living() {
        let shown = format!("{idem:?}");
        if !shown.contains("slots: 0,") || !shown.contains("under_way: 0,") {
            left.push(format!("in process {node}: {shown}"));
        }
    }
    let (second_came, second_left) = (exec.second_came, exec.second_left);
    let mut state = stage.state();
    let (events, fired, wired) = (std::mem::take(&mut state.events), state.fired.clone(), state.wired);
    drop(state);
    exec.bury();
    Played { events, fired, second_came, second_left, wired, left, before }
}

/// What the first call finds.
fn earlier(path: Path, stage: &Stage) -> Option<Record> {
    let ago = |millis: u64| idem::Timestamp::from_micros(stage.now().as_micros() - millis * 1000);
    let (began, ending) = match path.before {
        Before::Nothing => return None,
        Before::Failed | Before::ReleasedOther => (10, Some(Ending::Failed)),
        Before::Unknown | Before::AbandonedOnce | Before::AbandonedOther => (10, Some(Ending::Unknown)),
        Before::Lapsed => (400, None),
        Before::Running | Before::RunningOther => (100, None),
        Before::Done | Before::DoneOther => {
            let value = Value { run: EARLIER, yes: true, exact: EXACT };
            let bytes = private::recorded(&value, Codec::Json, &key(path))?;
            (10, Some(Ending::Completed(Completion::Result(Payload::from_bytes(bytes)))))
        }
        Before::DoneUnreplayable => (10, Some(Ending::Completed(Completion::Unreplayable))),
    };
    let owner = Owner::random();
    let fingerprint = path.prints.then(|| Fingerprint::of(print(path.before.is_others())).ok()).flatten();
    let once = path.before == Before::AbandonedOnce;
    let claim = Claim::new(owner, LEASE, TTL).fingerprint(fingerprint).at_most_once(once);
    let (Change::Write(record), _) = transition(None, &claim, ago(began)) else { return None };
    let Some(ending) = ending else { return Some(record) };
    match transition(Some(&record), &Finish::new(owner, ending), ago(began / 2)) {
        (Change::Write(record), _) => Some(record),
        (Change::Keep, _) => None,
    }
}
