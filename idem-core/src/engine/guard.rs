//! What stands between a body and its caller.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::begin::{at_once, Begin};
use super::call::Call;
use super::replay::Replay;
use super::Engine;
use crate::context::report;
use crate::error::Error;
use crate::operation::Operation;
use crate::outcome::{Failed, Kind};
use crate::record::Payload;

/// A call that was not answered at once, or one without a key, which nothing guards.
///
/// However a call ends before its time, dropping its guard ends it in the store. So it is made before the body is, that it
/// may be dropped after it.
#[derive(Debug)]
pub struct Guard(Option<Box<Call>>);

/// What a guarded call came to.
pub(crate) type Answer<T, E> = Result<(T, Kind), Failed<E>>;

impl Guard {
    /// Answers from memory, or prepares the call.
    pub(crate) fn start<T>(
        engine: &Arc<Engine>,
        op: Option<Operation>,
        replay: Replay<T>,
    ) -> Result<Started<T>, Error> {
        let Some(op) = op else {
            return Ok(Started::Guarded(Self(None)));
        };
        match at_once(engine, &op)? {
            Some(payload) => Ok(Started::Answered(decode(&op, replay, &payload, Kind::Replayed)?)),
            None => Ok(Started::Guarded(Self(Some(Box::new(Call::new(Arc::clone(engine), op)))))),
        }
    }

    /// The call, from its claim to its record.
    pub(crate) async fn execute<F, T, E>(&mut self, replay: Replay<T>, body: Pin<&mut F>) -> Answer<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        match self.begin(replay).await? {
            Some(answer) => Ok(answer),
            None => self.run(replay, body).await,
        }
    }

    /// The first half: an answer, or `None` to run the body.
    pub(super) async fn begin<T>(&mut self, replay: Replay<T>) -> Result<Option<(T, Kind)>, Error> {
        let Some(call) = &mut self.0 else {
            return Ok(None);
        };
        match Box::pin(call.begin()).await? {
            Begin::Run => Ok(None),
            Begin::Answer(payload, kind) => Ok(Some((decode(&call.op, replay, &payload, kind)?, kind))),
        }
    }

    /// The second half: the body and its record.
    pub(super) async fn run<F, T, E>(&mut self, replay: Replay<T>, body: Pin<&mut F>) -> Answer<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let (outcome, kind) = match &mut self.0 {
            None => (body.await, Kind::Unguarded),
            Some(call) => {
                let outcome = call.drive(body).await;
                call.finish(outcome, replay).await
            }
        };
        report(kind);
        match outcome {
            Ok(value) => Ok((value, kind)),
            Err(error) => Err(Failed::Body(error)),
        }
    }

    pub(super) fn call(&self) -> Option<(&Arc<Engine>, &Operation)> {
        self.0.as_ref().map(|call| (&call.engine, &call.op))
    }
}

/// A call after its first, synchronous look.
pub(crate) enum Started<T> {
    /// It has its answer.
    Answered(T),
    /// It goes on.
    Guarded(Guard),
}

fn decode<T>(op: &Operation, replay: Replay<T>, payload: &Payload, kind: Kind) -> Result<T, Error> {
    let value =
        replay.replay(payload).map_err(|error| Error::Decode { operation: op.name.clone(), source: error.into() })?;
    report(kind);
    Ok(value)
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call.wind_up();
        }
    }
}
