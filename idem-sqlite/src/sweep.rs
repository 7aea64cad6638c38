//! Deleting what is over.

use idem_core::StoreError;
use tokio::sync::oneshot;

use crate::error::SqliteError;
use crate::writer::{Job, Transaction};

/// So many at a time at the most, that nobody waits long for the lock.
const LIMIT: usize = 1000;

pub(crate) struct Sweep {
    limit: usize,
    swept: usize,
    reply: oneshot::Sender<Result<usize, StoreError>>,
}

impl Sweep {
    pub(crate) fn new(limit: usize, reply: oneshot::Sender<Result<usize, StoreError>>) -> Self {
        Self { limit: limit.min(LIMIT), swept: 0, reply }
    }

    /// The answer, where none is to be waited for.
    pub(crate) fn reply(self, answer: Result<usize, StoreError>) {
        let _ = self.reply.send(answer);
    }
}

impl Job for Sweep {
    fn is_dropped(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, transaction: &mut Transaction<'_, '_>) -> Result<usize, SqliteError> {
        // Under the lock: what is over now cannot be renewed any more.
        self.swept = transaction.rows.sweep(transaction.clock.now(), self.limit)?;
        Ok(self.swept)
    }

    fn answer(self: Box<Self>, end: Result<(), StoreError>) {
        let _ = self.reply.send(end.map(|()| self.swept));
    }
}
