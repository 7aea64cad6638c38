//! What runs: a body with an effect, and what is asked in its place. Both write down how they fare.

use std::sync::Arc;

use idem::current;

use crate::history::{End, Fault, Found, Happened, Value};
use crate::path::{Body, Ends, Says, PAUSE};
use crate::stage::{breath, panics, Stage};
use crate::world::What;

/// What runs of `reconcile` are counted from.
pub(crate) const ASKED: usize = 1000;
/// What a result must keep to the last bit.
pub(crate) const EXACT: f64 = 0.913_614_977_317_635_9;

/// Says that it is gone, unless it was over before.
struct Alive<'a>(&'a Stage, Option<Happened>);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        if let Some(gone) = self.1.take() {
            self.0.note(gone);
        }
    }
}

pub(crate) async fn body(stage: Arc<Stage>, call: usize) -> Result<Value, Fault> {
    let run = {
        let mut state = stage.state();
        state.runs += 1;
        state.runs - 1
    };
    let (fence, attempt) = current().map_or((0, 0), |current| (current.fencing_token(), current.attempt()));
    stage.note(Happened::Begins { fence, attempt });
    let mut alive = Alive(&stage, Some(Happened::Gone(run)));
    let length = stage.world.path.body;
    let how = match (call, stage.world.second) {
        (0, _) => stage.world.path.ends,
        (1, Some(second)) if second.fails => Ends::Err,
        _ => Ends::Ok,
    };
    let point = |point| {
        if call == 0 && stage.fires(|what| what == What::Panic(point)).is_some() {
            panics();
        }
    };
    point(0);
    if length != Body::Quick {
        breath().await;
    }
    point(1);
    if length == Body::Slow {
        tokio::time::sleep(PAUSE).await;
    }
    point(2);
    // What failed for sure had no effect.
    if matches!(how, Ends::Ok | Ends::UnknownErr | Ends::Unreplayable) {
        stage.state().effects += 1;
        stage.note(Happened::Effect);
    }
    point(3);
    if length != Body::Quick {
        breath().await;
    }
    point(4);
    let value = |yes, exact| End::Ok(Value { run, yes, exact });
    let end = match how {
        Ends::Ok => value(true, EXACT),
        Ends::No => value(false, EXACT),
        Ends::Unreplayable => value(true, f64::NAN),
        Ends::Err => End::Err(Fault::Known(run)),
        Ends::UnknownErr => End::Err(Fault::Unknown(run)),
        Ends::RecordedErr => End::Err(Fault::Recorded(run)),
    };
    alive.1 = None;
    stage.note(Happened::Ends(run, end.clone()));
    match end {
        End::Ok(value) => Ok(value),
        End::Err(fault) => Err(fault),
    }
}

pub(crate) async fn ask(stage: Arc<Stage>, call: usize) -> Result<Option<Value>, Fault> {
    stage.note(Happened::Asks { fence: current().map_or(0, |current| current.fencing_token()) });
    let mut alive = Alive(&stage, Some(Happened::AskGone));
    let point = |point| {
        if call == 0 && stage.fires(|what| what == What::AskPanic(point)).is_some() {
            panics();
        }
    };
    point(0);
    breath().await;
    point(1);
    let some = || Found::Some(Value { run: ASKED + call, yes: true, exact: EXACT });
    let found = match stage.world.path.asks {
        Some(Says::Some) => some(),
        Some(Says::Truth) if stage.state().effects > 0 => some(),
        Some(Says::Err) if call == 0 => Found::Err(Fault::Asking(call)),
        Some(Says::Err) => some(),
        _ => Found::None,
    };
    alive.1 = None;
    stage.note(Happened::Found(found.clone()));
    match found {
        Found::Some(value) => Ok(Some(value)),
        Found::None => Ok(None),
        Found::Err(fault) => Err(fault),
    }
}
