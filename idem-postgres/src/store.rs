//! The store.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use deadpool_postgres::Pool;
use idem_core::{
    transition, Change, Claim, Claimed, Completion, Cursor, Ending, Finish, Grant, Key, List, Listed, Owner, Ownership,
    Page, Payload, Record, Renew, SaveStep, Settle, Settled, Settlement, Store, StoreError, Verb,
};

use crate::backend::Backend;
use crate::builder::PgStoreBuilder;
use crate::error::PgError;
use crate::id;
use crate::listen::Listener;
use crate::row::{micros, Row};
use crate::sql::{self, Param, Statement, Statements};

/// Keeps records in a PostgreSQL table. A clone is the same store.
#[derive(Clone)]
pub struct PgStore {
    backend: Arc<dyn Backend>,
    statements: Arc<Statements>,
    listener: Option<Arc<Listener>>,
}

impl PgStore {
    /// Connects to a server, with the store's own pool of at most 16 connections, opened when verbs need them. Creates missing
    /// tables in the schema `idem`.
    ///
    /// # Errors
    /// As [`PgStoreBuilder::build`].
    pub async fn connect(url: &str) -> Result<Self, PgError> {
        Self::builder(url).build().await
    }

    /// A store with other settings.
    pub fn builder(url: &str) -> PgStoreBuilder {
        PgStoreBuilder::url(url)
    }

    /// A store on the service's pool.
    pub fn with_pool(pool: Pool) -> PgStoreBuilder {
        PgStoreBuilder::pool(pool)
    }

    /// A store on the service's sqlx pool.
    #[cfg(feature = "sqlx")]
    pub fn with_sqlx(pool: sqlx::PgPool) -> PgStoreBuilder {
        PgStoreBuilder::sqlx(pool)
    }

    /// The SQL that creates the tables in a schema, for your own migrations.
    #[must_use]
    pub fn schema(schema: &str) -> String {
        sql::schema(&sql::quoted(schema))
    }

    pub(crate) fn new(backend: Arc<dyn Backend>, statements: Statements, listener: Option<Arc<Listener>>) -> Self {
        Self { backend, statements: Arc::new(statements), listener }
    }

    /// Sends a verb until it has an answer. If the server wrote the record, `written` gives the answer. If not, [`transition`]
    /// of the record that it found gives the answer; if that says `Write`, another call changed the record in between, and the
    /// verb is sent again. Without a record, `absent` gives the answer.
    async fn decide<V: Verb + Clone>(
        &self,
        statement: &Statement,
        params: &[Param<'_>],
        verb: V,
        written: impl Fn(&Row) -> Result<V::Answer, StoreError>,
        absent: impl Fn() -> Option<V::Answer>,
    ) -> Result<V::Answer, StoreError> {
        loop {
            let rows = self.backend.rows(statement, params).await?;
            match rows.first() {
                Some(row) if row.written => return written(row),
                Some(row) => {
                    let record = row.readable()?;
                    if let (Change::Keep, answer) = transition(Some(&record), verb.clone(), row.now()) {
                        return Ok(answer);
                    }
                }
                None => {
                    if let Some(answer) = absent() {
                        return Ok(answer);
                    }
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

/// The answer for an owner whose record does not exist.
fn lost() -> Option<Ownership> {
    Some(Ownership::Lost)
}

fn held(_: &Row) -> Result<Ownership, StoreError> {
    Ok(Ownership::Held)
}

const fn result(completion: &Completion) -> (&'static str, Option<&Payload>) {
    match completion {
        Completion::Result(payload) => ("completed", Some(payload)),
        _ => ("unreplayable", None),
    }
}

#[async_trait]
impl Store for PgStore {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        let id = id::of(key);
        let granted = |row: &Row| {
            let record = row.readable()?;
            let grant = Grant::new(record.fence, record.attempt, record.fingerprint, record.after_unknown);
            Ok(Claimed::Granted(grant.steps(record.steps)))
        };
        // PostgreSQL's text cannot contain a zero byte; the column is for operators.
        let operation = key.operation().replace('\0', "\u{fffd}");
        let params = [
            Param::Bytes(Some(&id)),
            Param::Bytes(Some(key.as_bytes())),
            Param::Bytes(Some(claim.owner.as_bytes())),
            Param::Bytes(claim.fingerprint.as_ref().map(|print| print.as_bytes().as_slice())),
            Param::Bool(claim.at_most_once),
            Param::Bool(claim.reconciling),
            Param::Number(micros(claim.lease)),
            Param::Number(micros(claim.ttl)),
            Param::Text(&operation),
        ];
        // No row: another call created the record in the meantime, so send the claim again.
        self.decide(&self.statements.claim, &params, claim, granted, || None).await
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        let id = id::of(key);
        let params = [Param::Bytes(Some(&id)), Param::Bytes(Some(owner.as_bytes()))];
        self.decide(&self.statements.renew, &params, Renew::new(owner), held, lost).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        let id = id::of(key);
        let (state, rank, result) = match &finish.ending {
            Ending::Completed(completion) => {
                let (state, result) = result(completion);
                (state, 3, result)
            }
            Ending::Unknown => ("unknown", 2, None),
            _ => ("failed", 1, None),
        };
        let params = [
            Param::Bytes(Some(&id)),
            Param::Bytes(Some(finish.owner.as_bytes())),
            Param::Text(state),
            Param::Number(rank),
            Param::Bytes(result.map(Payload::as_bytes)),
            Param::Bool(finish.ending == Ending::Withdrawn),
            // -1: the owner does not know its fence.
            Param::Number(finish.fence.map_or(-1, |fence| i64::try_from(fence).unwrap_or(i64::MAX))),
        ];
        self.decide(&self.statements.finish, &params, finish, held, lost).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let id = id::of(key);
        let rows = self.backend.rows(&self.statements.load, &[Param::Bytes(Some(&id))]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(row.readable()?).filter(|record| !record.is_expired(row.now())))
    }

    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        let (id, step) = (id::of(key), save.step.to_bytes());
        let params = [
            Param::Bytes(Some(&id)),
            Param::Bytes(Some(save.owner.as_bytes())),
            Param::Number(i64::from(save.index)),
            Param::Bytes(Some(&step)),
        ];
        self.decide(&self.statements.save_step, &params, save, held, lost).await
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        let id = id::of(key);
        let (state, result) = match &settle.settlement {
            Settlement::Completed(completion) => result(completion),
            _ => ("failed", None),
        };
        let params = [
            Param::Bytes(Some(&id)),
            Param::Bytes(Some(settle.owner.as_bytes())),
            Param::Text(state),
            Param::Number(i64::try_from(settle.fence).unwrap_or(i64::MAX)),
            Param::Bytes(result.map(Payload::as_bytes)),
            Param::Bool(settle.done),
            Param::Bool(settle.settlement == Settlement::Forgotten),
        ];
        let settled = |_: &Row| Ok(Settled::Applied);
        self.decide(&self.statements.settle, &params, settle.clone(), settled, || Some(Settled::Changed)).await
    }

    /// In the order of the records' ids. A page is one range of the primary key.
    async fn list(&self, list: &List) -> Result<Page, StoreError> {
        let (first, last) = (id::first(&list.prefix), id::last(&list.prefix));
        let after = list.after.as_ref().map(Cursor::as_bytes).unwrap_or_default();
        let limit = i64::try_from(list.limit).unwrap_or(i64::MAX);
        let params = [
            Param::Bytes(Some(&first)),
            Param::Bytes(Some(after)),
            Param::Bytes(Some(&last)),
            Param::Bytes(Some(&list.prefix)),
            Param::Number(limit),
        ];
        let rows = self.backend.rows(&self.statements.list, &params).await?;
        let records = rows.iter().filter_map(|row| Some(Listed::new(row.key()?, row.record()))).collect();
        // The cursor is the last row's id, even if that row has no valid key.
        let next = rows.last().filter(|_| rows.len() >= list.limit).and_then(Row::id);
        Ok(Page::new(records, next.map(Cursor::from_bytes)))
    }

    /// Reads at most twice `limit` rows, skips locked rows, and holds its locks for one statement.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let batch = i64::try_from(limit.min(1000)).unwrap_or(1000);
        if batch == 0 {
            return Ok(0);
        }
        for _ in 0..2 {
            let swept = self.backend.numbers(&self.statements.sweep, &[Param::Number(batch)]).await?;
            let (deleted, later) = match swept[..] {
                [deleted, later] => (deleted, later),
                _ => (0, 0),
            };
            // If every record of a full batch lives longer, the next batch may have expired records.
            if deleted > 0 || later < batch {
                return Ok(usize::try_from(deleted).unwrap_or(0));
            }
        }
        Ok(0)
    }

    async fn changed(&self, key: &Key) {
        match &self.listener {
            Some(listener) => {
                let id: String = id::of(key).iter().map(|byte| format!("{byte:02x}")).collect();
                listener.wait(id).await;
            }
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for PgStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgStore").field("backend", &self.backend).field("pushed", &self.listener.is_some()).finish()
    }
}
