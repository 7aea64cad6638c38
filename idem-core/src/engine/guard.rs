//! What stands between a body and its caller.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::begin::Begin;
use super::call::Call;
use super::observe::{self, CameTo};
use super::rules::Rules;
use super::wait::Patience;
use super::Engine;
use crate::clock::timer;
use crate::context::{refused, report};
use crate::error::Error;
use crate::key::Key;
use crate::operation::{Operation, Request};
use crate::outcome::Kind;
use crate::record::Payload;

/// A call that was not answered at once, or one without a key, which nothing guards.
///
/// However a call ends before its time, dropping its guard ends it in the store. So it is made before the body is, that it
/// may be dropped after it.
#[derive(Debug)]
pub struct Guard {
    pub(super) engine: Arc<Engine>,
    pub(super) name: Cow<'static, str>,
    pub(super) call: Option<Box<Call>>,
}

/// What a guarded call came to: an outcome and where it came from, or a refusal.
pub(crate) type Answer<T, E> = Result<Answered<T, E>, Error>;

/// An outcome and where it came from.
pub(crate) type Answered<T, E> = (Result<T, E>, Kind);

/// Says how a call was answered, to the `with_outcome` and the body around it. Every answer passes here, once, where its
/// caller is polled.
#[inline]
pub(crate) fn told<T, E>(answer: Answer<T, E>) -> Answer<T, E> {
    match &answer {
        Ok((_, kind)) => report(Some(*kind)),
        Err(_) => refused(),
    }
    answer
}

/// A call after its first, synchronous look.
#[derive(Debug)]
pub(crate) enum Started<'a> {
    /// The result of its key is at hand.
    Recorded(&'a Key, Payload),
    /// It goes on.
    Guarded(Guard),
}

/// A call that was never more than a look, and its answer.
#[inline]
pub(crate) fn replay<T, E>(
    engine: &Engine,
    request: Request<'_>,
    payload: &Payload,
    rules: &Rules<T, E>,
) -> Answer<T, E> {
    match decode(engine, request, rules, payload) {
        Ok(recorded) => {
            observe::came_to_at(request.name, CameTo::Answered(Kind::Replayed));
            Ok((recorded, Kind::Replayed))
        }
        Err(error) => Err(turned_away(error)),
    }
}

/// A call that ends before it began.
pub(crate) fn turned_away(error: Error) -> Error {
    // Whatever was told before is of another call.
    report(None);
    observe::refused(&error);
    error
}

impl Guard {
    /// Prepares a call that has no answer at hand.
    pub(crate) fn new(engine: Arc<Engine>, op: Operation) -> Result<Self, Error> {
        if timer::is_missing() {
            return Err(Error::config(op.name, "this tokio runtime has no timers: build it with `enable_time`"));
        }
        let (name, call) = (op.name.clone(), Call::new(Arc::clone(&engine), op));
        Ok(Self { engine, name, call: Some(Box::new(call)) })
    }

    /// A call without a key.
    pub(crate) const fn unguarded(engine: Arc<Engine>, name: Cow<'static, str>) -> Self {
        Self { engine, name, call: None }
    }

    /// The call, from its claim to its record.
    pub(crate) async fn execute<F, T, E>(&mut self, rules: &Rules<T, E>, body: Pin<&mut F>) -> Answer<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        // No `match`: it would keep its answer, empty, beside the body.
        if let Some(answer) = self.begin(rules).await? {
            return Ok(answer);
        }
        Ok(self.run(rules, body).await)
    }

    /// The first half: an answer, or `None` to run the body.
    pub(crate) async fn begin<T, E>(&mut self, rules: &Rules<T, E>) -> Result<Option<Answered<T, E>>, Error> {
        let Some(call) = &mut self.call else {
            return Ok(None);
        };
        let begin: Boxed<'_, _> = Box::pin(call.begin_with(Patience::new(call.op.wait)));
        let begun = begin.await.and_then(|begun| match begun {
            Begin::Run | Begin::RunUnguarded => Ok(None),
            Begin::Answer(payload, kind) => Ok(Some((decode(&call.engine, call.op.request(), rules, &payload)?, kind))),
        });
        match &begun {
            Ok(Some((_, kind))) => call.came_to(CameTo::Answered(*kind)),
            Err(error) => call.refused(error),
            Ok(None) => {}
        }
        begun
    }

    /// The first half again, if the second one comes so late that the lease is over.
    pub(super) async fn resume<T, E>(&mut self, rules: &Rules<T, E>) -> Result<Option<Answered<T, E>>, Error> {
        let Some(lease) = self.call.as_ref().filter(|call| call.is_stale()).and_then(|call| call.lease()) else {
            return Ok(None);
        };
        let answer = self.begin(rules).await?;
        match &mut self.call {
            // Another attempt went by, and what became of that one was not asked.
            Some(call) if call.must_ask() && call.lease().is_some_and(|now| now.fence != lease.fence) => {
                let error = call.op.in_progress(Duration::ZERO, call.op.lease);
                call.refused(&error);
                Err(error)
            }
            _ => Ok(answer),
        }
    }

    /// The second half: the body and its record.
    pub(crate) async fn run<F, T, E>(&mut self, rules: &Rules<T, E>, body: Pin<&mut F>) -> Answered<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let Some(call) = &mut self.call else {
            let _under_way = self.engine.calls.enter_unguarded();
            self.engine.unguarded();
            observe::came_to_at(&self.name, CameTo::Answered(Kind::Unguarded));
            return (body.await, Kind::Unguarded);
        };
        let outcome = call.drive(body).await;
        call.conclude(&outcome, rules);
        if call.unguarded {
            call.came_to(CameTo::Answered(Kind::Unguarded));
            return (outcome, Kind::Unguarded);
        }
        let record: Boxed<'_, _> = Box::pin(call.record());
        let theirs = record.await;
        call.answer_with(rules, theirs, outcome, Kind::Executed)
    }
}

impl Call {
    /// What the caller gets: the recorded result where somebody else's goes before this call's own.
    pub(super) fn answer_with<T, E>(
        &mut self,
        rules: &Rules<T, E>,
        theirs: Option<Payload>,
        own: Result<T, E>,
        kind: Kind,
    ) -> Answered<T, E> {
        let theirs = theirs.map(|theirs| rules.replay(&theirs, self.engine.form(&self.op.key)));
        let (outcome, kind, came_to) = match theirs {
            Some(Ok(recorded)) => (recorded, Kind::Replayed, CameTo::Answered(Kind::Replayed)),
            _ if own.is_ok() => (own, kind, CameTo::Answered(kind)),
            _ => (own, kind, CameTo::Failed),
        };
        self.came_to(came_to);
        (outcome, kind)
    }
}

/// What the engine waits for lies outside the caller's future, which holds the user's body and result and little more.
pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[inline]
fn decode<T, E>(
    engine: &Engine,
    Request { name, key, .. }: Request<'_>,
    rules: &Rules<T, E>,
    payload: &Payload,
) -> Result<Result<T, E>, Error> {
    let replayed = rules.replay(payload, engine.form(key));
    replayed.map_err(|error| Error::Decode { operation: name.clone(), source: error.into() })
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            call.wind_up();
        }
    }
}
