//! The one thread that writes.
//!
//! While a COMMIT is on its way to the disk, verbs queue up; all of them go into the next transaction, and share its way to
//! the disk.

use std::sync::mpsc::Receiver;
use std::sync::Arc;

use idem_core::{Clock, StoreError};
use rusqlite::Connection;

use crate::error::SqliteError;
use crate::rows::Rows;
use crate::schema;
use crate::watch::Watch;

/// How much goes into one transaction: others must get at the lock, and the log must not grow without end.
const JOBS: usize = 256;
const BYTES: usize = 4 * 1024 * 1024;

/// Something to be done in a transaction. It may have to be done again, when that transaction comes to nothing.
pub(crate) trait Job: Send {
    /// Whether nobody waits for the answer any more.
    fn is_dropped(&self) -> bool;

    /// Does it, and says how many bytes it wrote.
    fn run(&mut self, transaction: &mut Transaction<'_, '_>) -> Result<usize, SqliteError>;

    /// Says how it ended.
    fn answer(self: Box<Self>, end: Result<(), StoreError>);
}

/// A transaction that has the lock.
pub(crate) struct Transaction<'t, 'c> {
    pub(crate) rows: &'t mut Rows<'c>,
    pub(crate) clock: &'t dyn Clock,
    /// No record that was deleted had a fence above this one.
    pub(crate) fence_floor: u64,
}

/// The thread's work, until nobody can send jobs any more and all are done.
pub(crate) fn work(connection: &Connection, clock: &dyn Clock, jobs: &Receiver<Box<dyn Job>>, watch: &Arc<Watch>) {
    let mut writer = Writer { rows: Rows::new(connection), clock };
    while let Ok(first) = jobs.recv() {
        if writer.batch(std::iter::once(first).chain(jobs.try_iter())) {
            watch.committed();
        }
    }
}

struct Writer<'c> {
    rows: Rows<'c>,
    clock: &'c dyn Clock,
}

/// How a transaction ended that could not be committed.
struct Lost {
    error: SqliteError,
    in_commit: bool,
}

impl<'c> Writer<'c> {
    /// Does jobs in one transaction, as many as go into one; says whether something was written.
    fn batch(&mut self, queue: impl Iterator<Item = Box<dyn Job>>) -> bool {
        let mut queue = queue.filter(|job| !job.is_dropped());
        let Some(first) = queue.next() else {
            return false;
        };
        let mut jobs = Vec::new();
        match self.transaction(std::iter::once(first).chain(queue), &mut jobs) {
            Ok(written) => {
                jobs.into_iter().for_each(|job| job.answer(Ok(())));
                written
            }
            // One of them was too much for the database. It need not be so for the others.
            Err(lost) if jobs.len() > 1 && matches!(lost.error, SqliteError::Full(_)) => {
                let one_by_one = jobs.into_iter().map(|job| self.alone(job));
                one_by_one.fold(false, |any, written| any | written)
            }
            Err(lost) => {
                Self::fail(jobs, lost);
                false
            }
        }
    }

    fn alone(&mut self, job: Box<dyn Job>) -> bool {
        let mut jobs = Vec::new();
        match self.transaction(std::iter::once(job), &mut jobs) {
            Ok(written) => {
                jobs.into_iter().for_each(|job| job.answer(Ok(())));
                written
            }
            Err(lost) => {
                Self::fail(jobs, lost);
                false
            }
        }
    }

    fn fail(jobs: Vec<Box<dyn Job>>, Lost { error, in_commit }: Lost) {
        let error = if in_commit { error.of_commit() } else { error.not_applied() };
        jobs.into_iter().for_each(|job| job.answer(Err(error.clone())));
    }

    /// Leaves those jobs in `done` whose answer the end of the transaction decides.
    fn transaction(
        &mut self,
        mut queue: impl Iterator<Item = Box<dyn Job>>,
        done: &mut Vec<Box<dyn Job>>,
    ) -> Result<bool, Lost> {
        let connection = self.rows.connection();
        let lost = |error, in_commit| {
            if !connection.is_autocommit() {
                // The error before this one is what there is to tell; a connection without a transaction refuses it.
                let _ = connection.execute_batch("ROLLBACK");
            }
            Lost { error, in_commit }
        };
        let begun = self.begin();
        let mut written = 0;
        match begun {
            Ok(fence_floor) => {
                let mut transaction = Transaction { rows: &mut self.rows, clock: self.clock, fence_floor };
                while let Some(mut job) = (done.len() < JOBS && written < BYTES).then(|| queue.next()).flatten() {
                    match job.run(&mut transaction) {
                        Ok(bytes) => written += bytes,
                        // It alone: SQLite has undone its statement, and the transaction goes on.
                        Err(error) if !connection.is_autocommit() => {
                            job.answer(Err(error.not_applied()));
                            continue;
                        }
                        Err(error) => {
                            done.push(job);
                            return Err(lost(error, false));
                        }
                    }
                    done.push(job);
                }
            }
            Err(error) => {
                // Whoever waits behind the lock would only wait as long again.
                done.extend(queue.take(JOBS));
                return Err(lost(error, false));
            }
        }
        match connection.execute_batch("COMMIT") {
            Ok(()) => Ok(written > 0),
            Err(error) => Err(lost(SqliteError::said(error), true)),
        }
    }

    /// Takes the lock, and looks whether the tables are still those that this build knows.
    fn begin(&mut self) -> Result<u64, SqliteError> {
        self.rows.connection().execute_batch("BEGIN IMMEDIATE").map_err(SqliteError::said)?;
        match self.rows.schema()? {
            (schema::VERSION, fence_floor) => Ok(fence_floor),
            (found, _) => Err(SqliteError::NewerSchema { found, known: schema::VERSION }),
        }
    }
}
