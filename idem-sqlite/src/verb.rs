//! The verbs that the threads run.

use idem_core::{
    transition, Change, Claim, Claimed, Clock, Finish, Key, Owner, Ownership, Record, Renew, SaveStep, Settle, Settled,
    StoreError, Timestamp,
};
use tokio::sync::oneshot;

use crate::error::SqliteError;
use crate::rows::Rows;
use crate::writer::{Job, Transaction};

/// A verb of [`transition`] that can be applied several times.
pub(crate) trait Apply: Send + 'static {
    type Answer: Send + 'static;

    fn apply(&self, found: Option<&Record>, now: Timestamp) -> (Change, Self::Answer);
}

macro_rules! apply {
    ($($verb:ty => $answer:ty, |$this:ident| $given:expr;)*) => {$(
        impl Apply for $verb {
            type Answer = $answer;

            fn apply(&self, found: Option<&Record>, now: Timestamp) -> (Change, $answer) {
                let $this = self;
                transition(found, $given, now)
            }
        }
    )*};
}

apply! {
    Claim => Claimed, |claim| claim;
    Renew => Ownership, |renew| *renew;
    Finish => Ownership, |finish| finish;
    SaveStep => Ownership, |save| save;
    Settle => Settled, |settle| settle.clone();
}

/// A verb and the channel for its answer.
#[derive(Debug)]
pub(crate) struct Asked<V: Apply> {
    pub(crate) key: Key,
    pub(crate) verb: V,
    pub(crate) answer: Option<V::Answer>,
    pub(crate) reply: oneshot::Sender<Result<V::Answer, StoreError>>,
}

impl<V: Apply> Asked<V> {
    /// Answers a verb that changes nothing, without a lock. Returns a verb that has to write.
    pub(crate) fn answer_unchanged(self, rows: &mut Rows<'_>, clock: &dyn Clock) -> Option<Self> {
        // Read the clock before the record: otherwise a claim could see a lease as expired that was renewed in between.
        let now = clock.now();
        let answer = match rows.get(&self.key) {
            Ok(found) => match self.verb.apply(found.as_ref(), now) {
                (Change::Keep, answer) => Ok(answer),
                (Change::Write(_), _) => return Some(self),
            },
            Err(error) => Err(error.not_applied()),
        };
        // The caller may have dropped the future.
        let _ = self.reply.send(answer);
        None
    }
}

impl<V: Apply> Job for Asked<V> {
    fn is_dropped(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, transaction: &mut Transaction<'_, '_>) -> Result<usize, SqliteError> {
        let Transaction { rows, clock, fence_floor } = transaction;
        let found = rows.get(&self.key)?.or_else(|| deleted(*fence_floor));
        // Read the clock under the lock: waiting for the lock may have taken long.
        let (change, answer) = self.verb.apply(found.as_ref(), clock.now());
        let written = match change {
            Change::Write(record) => rows.put(&self.key, &record)?,
            Change::Keep => 0,
        };
        self.answer = Some(answer);
        Ok(written)
    }

    fn answer(mut self: Box<Self>, end: Result<(), StoreError>) {
        let missing = || StoreError::unknown(SqliteError::NoThread(None));
        let answer = end.and_then(|()| self.answer.take().ok_or_else(missing));
        let _ = self.reply.send(answer);
    }
}

/// Stands for a missing record: an expired one whose fence is the highest that a deleted record can have had.
fn deleted(fence_floor: u64) -> Option<Record> {
    let placeholder = Claim::new(Owner::from_bytes([0; 16]), std::time::Duration::ZERO, std::time::Duration::ZERO);
    match transition(None, &placeholder, Timestamp::from_micros(fence_floor)) {
        (Change::Write(mut record), _) if fence_floor > 0 => {
            record.expires_at = Timestamp::from_micros(0);
            Some(record)
        }
        _ => None,
    }
}
