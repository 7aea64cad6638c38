//! The verbs for operators: inspect, list, resolve, retry, forget.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::Serialize;

use super::OperationBuilder;
use crate::context::note_refusal;
use crate::error::Error;
use crate::key::Key;
use crate::operation::Operation;
use crate::record::{Completion, Owner, Record};
use crate::results::ResultCodec;
use crate::store::{Cursor, List, Page};
use crate::transition::{Settle, Settled, Settlement};

impl<P: Clone> OperationBuilder<P> {
    /// Returns the key's record. `None` when there is no record, it has expired, or it was forgotten.
    ///
    /// # Errors
    /// [`Error::Store`] when the store fails, [`Error::Decode`] when this build cannot read the record, [`Error::InvalidKey`]
    /// and [`Error::Config`] as [`run`](Self::run).
    pub async fn inspect(&self) -> Result<Option<Record>, Error> {
        report_refusal(self.load().await)
    }

    /// Records that the operation completed with `result`. Returns whether there was a record.
    ///
    /// Callers get `result` from now on, whatever was recorded before: it replaces an unknown outcome, and a result that this
    /// build cannot read.
    ///
    /// # Errors
    /// [`Error::InProgress`] while a call holds the lease, and when the record has changed since this function loaded it:
    /// inspect it again. [`Error::Config`] when the result cannot be recorded. Otherwise as [`inspect`](Self::inspect).
    ///
    /// ```
    /// use idem_core::{Idem, MokaStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), idem_core::CallError<String>> {
    /// let idem = Idem::new(MokaStore::new());
    /// let charge = idem.operation("payments.charge").key(7).unknown_err(|_: &String| true).at_most_once();
    /// assert!(charge.run(async { Err::<u32, _>("time-out".to_owned()) }).await.is_err());
    /// // The operator finds that the customer was charged.
    /// assert!(charge.resolve(&500).await?);
    /// assert_eq!(charge.run(async { Ok(0) }).await?.into_inner(), 500);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn resolve<T: Serialize + DeserializeOwned>(&self, result: &T) -> Result<bool, Error> {
        report_refusal(self.resolve_with(result).await)
    }

    async fn resolve_with<T: Serialize + DeserializeOwned>(&self, result: &T) -> Result<bool, Error> {
        let op = self.keyed()?;
        match ResultCodec::decoding().record(result, self.options.idem.engine.encoding(&op.key)) {
            completion @ Completion::Result(_) => self.settle(&op, Settlement::Completed(completion)).await,
            Completion::Unreplayable => Err(Error::config(
                op.name,
                "the result cannot be recorded: it does not decode to the same value, or is over 1 MiB",
            )),
        }
    }

    /// Records that the operation had no effect: the next call runs. Returns whether there was a record.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub async fn retry(&self) -> Result<bool, Error> {
        report_refusal(self.settle_as(Settlement::Failed).await)
    }

    /// Deletes the record's result, attempts and fingerprint. Returns whether there was a record.
    ///
    /// The store keeps a blank record with the fencing token until it expires.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub async fn forget(&self) -> Result<bool, Error> {
        report_refusal(self.settle_as(Settlement::Forgotten).await)
    }

    /// Lists the operation's records, about 100 a page. It needs no key.
    ///
    /// `after` is the [`next`](Page::next) of the page before, `None` for the first page. A page may be empty although it has a
    /// next one.
    ///
    /// # Errors
    /// [`Error::Store`] when the store fails or does not support `list`.
    pub async fn list(&self, after: Option<Cursor>) -> Result<Page, Error> {
        let engine = &self.options.idem.engine;
        let list = List::new(Key::prefix(&engine.settings.namespace, &self.options.name)).after(after);
        report_refusal(engine.list(self.options.name.clone(), &list).await)
    }

    async fn load(&self) -> Result<Option<Record>, Error> {
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
            // The operator's decision was about the record that was loaded, not about this one.
            Settled::Changed => Err(op.in_progress(Duration::ZERO, op.lease)),
        }
    }

    fn keyed(&self) -> Result<Operation, Error> {
        let name = self.options.name.clone();
        self.options.build()?.ok_or_else(|| Error::config(name, "an operation without a key has no record"))
    }
}

/// If this call is made inside a guarded body and was refused, notes that in the body's run, so that the refusal is not
/// recorded as the body's error.
fn report_refusal<T>(answer: Result<T, Error>) -> Result<T, Error> {
    if answer.is_err() {
        note_refusal();
    }
    answer
}
