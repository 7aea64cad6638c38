//! What operators do with a call's record: look at it, and settle what nobody else can.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::Serialize;

use super::OperationBuilder;
use crate::engine::replay::Replay;
use crate::error::Error;
use crate::key::Key;
use crate::operation::Operation;
use crate::record::{Completion, Owner, Record};
use crate::store::{Cursor, List, Page};
use crate::transition::{Settle, Settled, Settlement};

/// How often a record that changes under the operator's eyes is looked at again.
const LOOKS: usize = 3;

impl<P: Clone> OperationBuilder<P> {
    /// The key's record; `None` when there is none, or its retention is over.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::InvalidKey`] and [`Error::Config`], as [`run`](Self::run).
    pub async fn inspect(&self) -> Result<Option<Record>, Error> {
        let op = self.keyed()?;
        self.idem.engine.load(&op).await
    }

    /// Says that the call is done and this is its result: callers get it from now on, whatever was recorded before. Mends
    /// a record that this build cannot read, and an outcome that was unknown. Returns whether there was a record.
    ///
    /// # Errors
    /// [`Error::InProgress`] while somebody has the key. [`Error::Config`] when the result cannot be recorded.
    pub async fn resolve<T: Serialize + DeserializeOwned>(&self, result: &T) -> Result<bool, Error> {
        let op = self.keyed()?;
        match Replay::decoding().record(result, self.idem.engine.form(&op.key)) {
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
    /// [`Error::InProgress`] while somebody has the key.
    pub async fn retry(&self) -> Result<bool, Error> {
        self.settle(&self.keyed()?, Settlement::Released).await
    }

    /// Deletes the record, its attempts and its fingerprint. Returns whether there was one.
    ///
    /// # Errors
    /// [`Error::InProgress`] while somebody has the key.
    pub async fn forget(&self) -> Result<bool, Error> {
        self.settle(&self.keyed()?, Settlement::Forgotten).await
    }

    /// The operation's records, about a hundred at a time; the key is not asked for. `after` is the
    /// [`next`](Page::next) of the page before.
    ///
    /// # Errors
    /// [`Error::Store`], also when the store cannot list.
    pub async fn list(&self, after: Option<Cursor>) -> Result<Page, Error> {
        let engine = &self.idem.engine;
        let list = List::new(Key::prefix(&engine.settings.namespace, &self.name)).after(after);
        engine.list(self.name.clone(), &list).await
    }

    async fn settle(&self, op: &Operation, settlement: Settlement) -> Result<bool, Error> {
        let engine = &self.idem.engine;
        let owner = Owner::random();
        for _ in 0..LOOKS {
            let Some(record) = engine.load(op).await? else {
                return Ok(false);
            };
            let settle = Settle::new(record.fence, owner, settlement.clone());
            match engine.settle(op, &settle).await? {
                Settled::Settled => return Ok(true),
                Settled::Running { lease_left } => return Err(op.in_progress(Duration::ZERO, lease_left)),
                Settled::Changed => {}
            }
        }
        Err(op.in_progress(Duration::ZERO, op.lease))
    }

    fn keyed(&self) -> Result<Operation, Error> {
        let name = self.name.clone();
        self.clone().build()?.ok_or_else(|| Error::config(name, "an operation without a key has no record"))
    }
}
