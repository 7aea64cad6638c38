//! What stands between a body and its caller.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::begin::{at_once, Begin};
use super::call::Call;
use super::rules::Rules;
use super::wait::Patience;
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
pub struct Guard {
    pub(super) engine: Arc<Engine>,
    pub(super) name: Cow<'static, str>,
    call: Option<Box<Call>>,
}

/// What a guarded call came to.
pub(crate) type Answer<T, E> = Result<(T, Kind), Failed<E>>;

/// A call after its first, synchronous look.
pub(crate) enum Started<T, E> {
    /// It has its answer.
    Answered(Result<T, E>),
    /// It goes on.
    Guarded(Guard),
}

impl Guard {
    /// Answers from memory, or prepares the call.
    pub(crate) fn start<T, E>(engine: Arc<Engine>, op: Operation, rules: &Rules<T, E>) -> Result<Started<T, E>, Error> {
        if let Some(payload) = at_once(&engine, &op)? {
            return Ok(Started::Answered(decode(&op, rules, &payload, Kind::Replayed)?));
        }
        let (name, call) = (op.name.clone(), Call::new(Arc::clone(&engine), op));
        Ok(Started::Guarded(Self { engine, name, call: Some(Box::new(call)) }))
    }

    /// A call without a key.
    pub(crate) fn unguarded<T, E>(engine: Arc<Engine>, name: Cow<'static, str>) -> Started<T, E> {
        Started::Guarded(Self { engine, name, call: None })
    }

    pub(super) const fn is_guarded(&self) -> bool {
        self.call.is_some()
    }

    /// The call, from its claim to its record.
    pub(crate) async fn execute<F, T, E>(&mut self, rules: &Rules<T, E>, body: Pin<&mut F>) -> Answer<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        // No `match`: it would keep its answer, empty, beside the body.
        if let Some(answer) = self.begin(rules).await? {
            return answer;
        }
        self.run(rules, body).await
    }

    /// The first half: an answer, or `None` to run the body.
    pub(super) async fn begin<T, E>(&mut self, rules: &Rules<T, E>) -> Result<Option<Answer<T, E>>, Error> {
        let Some(call) = &mut self.call else {
            return Ok(None);
        };
        let begin: Boxed<'_, _> = Box::pin(call.begin_with(Patience::new(call.op.wait)));
        match begin.await? {
            Begin::Run => Ok(None),
            Begin::Answer(payload, kind) => Ok(Some(answer(decode(&call.op, rules, &payload, kind)?, kind))),
        }
    }

    /// The first half again, if the second one comes so late that the lease is over.
    pub(super) async fn resume<T, E>(&mut self, rules: &Rules<T, E>) -> Result<Option<Answer<T, E>>, Error> {
        if self.call.as_ref().is_some_and(|call| call.is_stale()) {
            self.begin(rules).await
        } else {
            Ok(None)
        }
    }

    /// The second half: the body and its record.
    pub(super) async fn run<F, T, E>(&mut self, rules: &Rules<T, E>, body: Pin<&mut F>) -> Answer<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let Some(call) = &mut self.call else {
            let outcome = body.await;
            return answer(outcome, Kind::Unguarded);
        };
        let outcome = call.drive(body).await;
        call.conclude(&outcome, rules);
        let record: Boxed<'_, _> = Box::pin(call.record());
        match record.await.map(|theirs| rules.replay(&theirs)) {
            Some(Ok(recorded)) => answer(recorded, Kind::Replayed),
            _ => answer(outcome, Kind::Executed),
        }
    }
}

/// What the engine waits for lies outside the caller's future, which holds the user's body and result and little more.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

fn answer<T, E>(outcome: Result<T, E>, kind: Kind) -> Answer<T, E> {
    report(Some(kind));
    match outcome {
        Ok(value) => Ok((value, kind)),
        Err(error) => Err(Failed::Body(error)),
    }
}

fn decode<T, E>(op: &Operation, rules: &Rules<T, E>, payload: &Payload, kind: Kind) -> Result<Result<T, E>, Error> {
    let recorded =
        rules.replay(payload).map_err(|error| Error::Decode { operation: op.name.clone(), source: error.into() })?;
    report(Some(kind));
    Ok(recorded)
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            call.wind_up();
        }
    }
}
