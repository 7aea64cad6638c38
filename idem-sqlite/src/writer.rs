//! The thread that writes.
//!
//! Verbs queue up while a COMMIT writes to the disk. All of them go into the next transaction and share one COMMIT.

use std::sync::mpsc::Receiver;
use std::sync::Arc;

use idem_core::{Clock, StoreError};
use rusqlite::Connection;

use crate::error::SqliteError;
use crate::rows::Rows;
use crate::schema;
use crate::watch::Watch;

/// The most jobs and bytes of one transaction, so that other connections get the lock and the log does not grow without limit.
const MAX_JOBS: usize = 256;
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A job for a transaction. It runs again if its transaction fails.
pub(crate) trait Job: Send {
    /// Whether the caller dropped the future that waits for the answer.
    fn is_dropped(&self) -> bool;

    /// Runs the job; returns how many bytes it wrote.
    fn run(&mut self, transaction: &mut Transaction<'_, '_>) -> Result<usize, SqliteError>;

    /// Sends the answer after the end of the transaction.
    fn answer(self: Box<Self>, end: Result<(), StoreError>);
}

/// A transaction that holds the lock.
pub(crate) struct Transaction<'t, 'c> {
    pub(crate) rows: &'t mut Rows<'c>,
    pub(crate) clock: &'t dyn Clock,
    /// No deleted record had a fence above this one.
    pub(crate) fence_floor: u64,
}

/// Runs the thread until the store is dropped and all jobs are done.
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

/// Why a transaction failed.
struct Failed {
    error: SqliteError,
    in_commit: bool,
}

impl<'c> Writer<'c> {
    /// Runs as many jobs as fit into one transaction; returns whether it wrote something.
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
            // One job may be too large for the database while the others fit, so run them one by one.
            Err(failed) if jobs.len() > 1 && matches!(failed.error, SqliteError::Full(_)) => {
                let one_by_one = jobs.into_iter().map(|job| self.alone(job));
                one_by_one.fold(false, |any, written| any | written)
            }
            Err(failed) => {
                Self::fail(jobs, failed);
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
            Err(failed) => {
                Self::fail(jobs, failed);
                false
            }
        }
    }

    fn fail(jobs: Vec<Box<dyn Job>>, Failed { error, in_commit }: Failed) {
        let error = if in_commit { error.of_commit() } else { error.not_applied() };
        jobs.into_iter().for_each(|job| job.answer(Err(error.clone())));
    }

    /// Moves the jobs to `done` whose answer depends on the end of the transaction.
    fn transaction(
        &mut self,
        mut queue: impl Iterator<Item = Box<dyn Job>>,
        done: &mut Vec<Box<dyn Job>>,
    ) -> Result<bool, Failed> {
        let connection = self.rows.connection();
        let failed = |error, in_commit| {
            if !connection.is_autocommit() {
                // The caller gets the error that came first.
                let _ = connection.execute_batch("ROLLBACK");
            }
            Failed { error, in_commit }
        };
        let begun = self.begin();
        let mut written = 0;
        match begun {
            Ok(fence_floor) => {
                let mut transaction = Transaction { rows: &mut self.rows, clock: self.clock, fence_floor };
                while let Some(mut job) = (done.len() < MAX_JOBS && written < MAX_BYTES).then(|| queue.next()).flatten()
                {
                    match job.run(&mut transaction) {
                        Ok(bytes) => written += bytes,
                        // SQLite undid this job's statement only, and the transaction continues.
                        Err(error) if !connection.is_autocommit() => {
                            job.answer(Err(error.not_applied()));
                            continue;
                        }
                        Err(error) => {
                            done.push(job);
                            return Err(failed(error, false));
                        }
                    }
                    done.push(job);
                }
            }
            Err(error) => {
                // The other jobs would only wait as long for the same lock, so they fail, too.
                done.extend(queue.take(MAX_JOBS));
                return Err(failed(error, false));
            }
        }
        match connection.execute_batch("COMMIT") {
            Ok(()) => Ok(written > 0),
            Err(error) => Err(failed(SqliteError::of_sqlite(error), true)),
        }
    }

    /// Takes the lock, and checks that this build still knows the version of the tables.
    fn begin(&mut self) -> Result<u64, SqliteError> {
        self.rows.connection().execute_batch("BEGIN IMMEDIATE").map_err(SqliteError::of_sqlite)?;
        match self.rows.schema()? {
            (schema::VERSION, fence_floor) => Ok(fence_floor),
            (found, _) => Err(SqliteError::NewerSchema { found, known: schema::VERSION }),
        }
    }
}
