//! The calls themselves: by the builder, and by the macro.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use idem::{idempotent, with_outcome, CallError, Idem, Key, Outcome};

use crate::body::{ask, body};
use crate::history::{Answer, Fault, Refusal, Value};
use crate::path::{By, Path, PATIENT};
use crate::stage::Stage;

pub(crate) type Calling = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What one call asks for.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) stage: Arc<Stage>,
    pub(crate) idem: Idem,
    pub(crate) call: usize,
    pub(crate) waits: bool,
    pub(crate) other: bool,
}

impl Desk {
    fn wait(&self) -> Duration {
        if self.waits {
            PATIENT
        } else {
            Duration::ZERO
        }
    }

    fn print(&self) -> &'static str {
        print(self.other)
    }

    fn body(&self) -> impl Future<Output = Result<Value, Fault>> + Send + 'static {
        body(Arc::clone(&self.stage), self.call)
    }

    fn ask(&self) -> impl Future<Output = Result<Option<Value>, Fault>> + Send + 'static {
        ask(Arc::clone(&self.stage), self.call)
    }
}

/// What a request looks like.
pub(crate) const fn print(other: bool) -> &'static str {
    if other {
        "another request"
    } else {
        "a request"
    }
}

const fn is_yes(value: &Value) -> bool {
    value.yes
}

const fn is_recorded(fault: &Fault) -> bool {
    matches!(fault, Fault::Recorded(_))
}

const fn is_unknown(fault: &Fault) -> bool {
    matches!(fault, Fault::Unknown(_))
}

/// The call that the desk's world wants.
pub(crate) fn calling(desk: Desk) -> Calling {
    match desk.stage.world.path.by {
        By::Builder => by_builder(desk),
        By::Macro => by_macro(desk),
    }
}

/// The key of a path's calls.
pub(crate) fn key(path: Path) -> Key {
    let operation = match path.by {
        By::Builder => "awaits".into(),
        By::Macro => format!("{} {}::{}", env!("CARGO_PKG_NAME"), module_path!(), function(path)),
    };
    Key::new("", &operation, &1).expect("a valid key")
}

/// The name of the function that [`by_macro`] calls.
const fn function(path: Path) -> &'static str {
    match (path.asks.is_some(), path.at_most_once, path.detached) {
        (false, false, false) => "plain",
        (false, false, true) => "plain_detached",
        (false, true, false) => "once",
        (false, true, true) => "once_detached",
        (true, _, false) => "asking",
        (true, _, true) => "asking_detached",
    }
}

fn by_builder(desk: Desk) -> Calling {
    let path = desk.stage.world.path;
    let op = desk.idem.operation("awaits").key(1).wait(desk.wait());
    let mut op = op.record_if(is_yes).record_err(is_recorded).unknown_err(is_unknown);
    if path.prints {
        op = op.fingerprint(desk.print());
    }
    if path.at_most_once {
        op = op.at_most_once();
    }
    let (asks, body) = (desk.clone(), desk.body());
    match (path.asks, path.detached) {
        (None, false) => Box::pin(async move { answer(op.run(body).await) }),
        (None, true) => Box::pin(async move { answer(op.detached().run(body).await) }),
        (Some(_), false) => Box::pin(async move { answer(op.reconcile(move || asks.ask()).run(body).await) }),
        (Some(_), true) => Box::pin(async move { answer(op.reconcile(move || asks.ask()).detached().run(body).await) }),
    }
}

fn answer(answer: Result<Outcome<Value>, CallError<Fault>>) -> Answer {
    match answer {
        Ok(outcome) => {
            let kind = outcome.kind();
            Answer::Value(outcome.into_inner(), kind)
        }
        Err(CallError::Body(fault)) => Answer::Body(fault, None),
        Err(CallError::Idem(error)) => Answer::Refused(Refusal::from(&error)),
    }
}

/// Makes a function of each set of options.
macro_rules! functions {
    ($desk:ident: $($name:ident $(, $option:ident $(= $value:expr)?)*;)*) => {$(
        #[idempotent(
            key = 1, idem = $desk.idem, wait = $desk.wait(), fingerprint = $desk.print(),
            record_if = is_yes, record_err = is_recorded, unknown_err = is_unknown $(, $option $(= $value)?)*
        )]
        async fn $name($desk: Desk) -> Result<Value, Fault> {
            $desk.body().await
        }
    )*};
}

functions! { desk:
    plain;
    plain_detached, detached;
    once, at_most_once;
    once_detached, at_most_once, detached;
    asking, reconcile = desk.ask();
    asking_detached, reconcile = desk.ask(), detached;
}

fn by_macro(desk: Desk) -> Calling {
    let path = desk.stage.world.path;
    match (path.asks.is_some(), path.at_most_once, path.detached) {
        (false, false, false) => Box::pin(async move { told(with_outcome(plain(desk)).await) }),
        (false, false, true) => Box::pin(async move { told(with_outcome(plain_detached(desk)).await) }),
        (false, true, false) => Box::pin(async move { told(with_outcome(once(desk)).await) }),
        (false, true, true) => Box::pin(async move { told(with_outcome(once_detached(desk)).await) }),
        (true, _, false) => Box::pin(async move { told(with_outcome(asking(desk)).await) }),
        (true, _, true) => Box::pin(async move { told(with_outcome(asking_detached(desk)).await) }),
    }
}

fn told((result, kind): (Result<Value, Fault>, Option<idem::Kind>)) -> Answer {
    match (result, kind) {
        (Ok(value), Some(kind)) => Answer::Value(value, kind),
        (Err(Fault::Refused(refused)), _) => Answer::Refused(Refusal::from(&*refused.0)),
        (Err(fault), kind) => Answer::Body(fault, kind),
        (Ok(_), None) => Answer::Refused(Refusal::Other),
    }
}
