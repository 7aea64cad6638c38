//! Deletes expired records.

use idem_core::StoreError;
use tokio::sync::oneshot;

use crate::error::SqliteError;
use crate::writer::{Job, Transaction};

/// The most records of one transaction, so that no other connection waits long for the lock.
const MAX_BATCH: usize = 1000;

pub(crate) struct Sweep {
    limit: usize,
    swept: usize,
    reply: oneshot::Sender<Result<usize, StoreError>>,
}

impl Sweep {
    pub(crate) fn new(limit: usize, reply: oneshot::Sender<Result<usize, StoreError>>) -> Self {
        Self { limit: limit.min(MAX_BATCH), swept: 0, reply }
    }

    /// Answers without a transaction.
    pub(crate) fn reply(self, answer: Result<usize, StoreError>) {
        let _ = self.reply.send(answer);
    }
}

impl Job for Sweep {
    fn is_dropped(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, transaction: &mut Transaction<'_, '_>) -> Result<usize, SqliteError> {
        // Under the lock: no owner can renew a record that is expired now.
        self.swept = transaction.rows.sweep(transaction.clock.now(), self.limit)?;
        Ok(self.swept)
    }

    fn answer(self: Box<Self>, end: Result<(), StoreError>) {
        let _ = self.reply.send(end.map(|()| self.swept));
    }
}
