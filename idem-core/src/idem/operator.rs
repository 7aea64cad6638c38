//! What operators do with a call's record: look at it, and settle what nobody else can.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::Serialize;

use super::OperationBuilder;
use crate::context::refused;
use crate::error::Error;
use crate::key::Key;
use crate::operation::Operation;
use crate::record::{Completion, Owner, Record};
use crate::results::ResultCodec;
use crate::store::{Cursor, List, Page};
use crate::transition::{Settle, Settled, Settlement};

impl<P: Clone> OperationBuilder<P> {
    /// The key's record; `None` when there is none, or its retention is over.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::InvalidKey`] and [`Error::Config`], as [`run`](Self::run).
    pub async fn inspect(&self) -> Result<Option<Record>, Error> {
        told(self.look().await)
    }

    /// Says that the call is done and this is its result: callers get it from now on, whatever was recorded before. Mends
    /// a result that this build cannot read, and an outcome that was unknown. Returns whether there was a record.
    ///
    /// # Errors
    /// [`Error::InProgress`] while somebody has the key, and when the record changed under one's eyes: look at it again.
    /// [`Error::Config`] when the result cannot be recorded.
    pub async fn resolve<T: Serialize + DeserializeOwned>(&self, result: &T) -> Result<bool, Error> {
        told(self.resolve_with(result).await)
    }

    async fn resolve_with<T: Serialize + DeserializeOwned>(&self, result: &T) -> Result<bool, Error> {
        let op = self.keyed()?;
        match ResultCodec::decoding().record(result, self.options.idem.engine.encoding(&op.key)) {
            completion @ Completion::Result(_) => self.settle(&op, Settlement::Completed(completion)).await,
            Completion::Unreplayable => Err(Error::config(
                op.name,
                "the result cannot be recorded: it does not come back as it was, or is too large",
            )),
        }
    }

    /// Says that the call had no effect: the next one runs. Returns whether there was a record.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub async fn retry(&self) -> Result<bool, Error> {
        told(self.settle_as(Settlement::Failed).await)
    }

    /// Deletes the record, its attempts and its fingerprint. Returns whether there was one.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub async fn forget(&self) -> Result<bool, Error> {
        told(self.settle_as(Settlement::Forgotten).await)
    }

    /// The operation's records, about a hundred at a time; the key is not asked for. `after` is the
    /// [`next`](Page::next) of the page before.
    ///
    /// # Errors
    /// [`Error::Store`], also when the store cannot list.
    pub async fn list(&self, after: Option<Cursor>) -> Result<Page, Error> {
        let engine = &self.options.idem.engine;
        let list = List::new(Key::prefix(&engine.settings.namespace, &self.options.name)).after(after);
        told(engine.list(self.options.name.clone(), &list).await)
    }

    async fn look(&self) -> Result<Option<Record>, Error> {
        self.options.idem.engine.load(&self.keyed()?).await
    }

    async fn settle_as(&self, settlement: Settlement) -> Result<bool, Error> {
        self.settle(&self.keyed()?, settlement).await
    }

    async fn settle(&self, op: &Operation, settlement: Settlement) -> Result<bool, Error> {
        let engine = &self.options.idem.engine;
        let Some(record) = engine.load(op).await? else {
            return Ok(false);
        };
        match engine.settle(op, &Settle::new(&record, Owner::random(), settlement)).await? {
            Settled::Applied => Ok(true),
            Settled::Running { lease_left } => Err(op.in_progress(Duration::ZERO, lease_left)),
            // What was known of the record that was looked at need not be true of this one.
            Settled::Changed => Err(op.in_progress(Duration::ZERO, op.lease)),
        }
    }

    fn keyed(&self) -> Result<Operation, Error> {
        let name = self.options.name.clone();
        self.options.build()?.ok_or_else(|| Error::config(name, "an operation without a key has no record"))
    }
}

/// Says to the body around, if there is one, that it was refused something.
fn told<T>(answer: Result<T, Error>) -> Result<T, Error> {
    if answer.is_err() {
        refused();
    }
    answer
}
