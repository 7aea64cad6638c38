//! Converts a row to a record.

use std::time::Duration;

use idem_core::{
    Completion, Fingerprint, Key, Owner, Payload, Record, RecordError, State, Steps, StoreError, Timestamp,
};

use crate::error::PgError;
use crate::id;

/// The row that every statement about records returns.
#[derive(Debug)]
pub(crate) struct Row {
    /// Whether the statement wrote this row, or only found it.
    pub(crate) written: bool,
    pub(crate) now: i64,
    /// The id and then the key; empty unless the row is from a page of a list.
    pub(crate) key: Vec<u8>,
    pub(crate) format: i64,
    pub(crate) state: String,
    pub(crate) owner: Vec<u8>,
    pub(crate) fence: i64,
    pub(crate) attempt: i64,
    pub(crate) fingerprint: Option<Vec<u8>>,
    pub(crate) at_most_once: bool,
    pub(crate) after_unknown: bool,
    pub(crate) set_fingerprint: bool,
    pub(crate) set_at_most_once: bool,
    pub(crate) steps: Option<Vec<u8>>,
    pub(crate) step_count: i64,
    pub(crate) lease: i64,
    pub(crate) ttl: i64,
    pub(crate) since: Option<i64>,
    pub(crate) lease_until: Option<i64>,
    pub(crate) expires_at: i64,
    pub(crate) result: Option<Vec<u8>>,
}

/// Reads the row of any client: all clients call the method `try_get`.
macro_rules! read {
    ($row:expr) => {{
        let row = $row;
        Ok($crate::row::Row {
            written: row.try_get(0)?,
            now: row.try_get(1)?,
            key: row.try_get(2)?,
            format: row.try_get(3)?,
            state: row.try_get(4)?,
            owner: row.try_get(5)?,
            fence: row.try_get(6)?,
            attempt: row.try_get(7)?,
            fingerprint: row.try_get(8)?,
            at_most_once: row.try_get(9)?,
            after_unknown: row.try_get(10)?,
            set_fingerprint: row.try_get(11)?,
            set_at_most_once: row.try_get(12)?,
            steps: row.try_get(13)?,
            step_count: row.try_get(14)?,
            lease: row.try_get(15)?,
            ttl: row.try_get(16)?,
            since: row.try_get(17)?,
            lease_until: row.try_get(18)?,
            expires_at: row.try_get(19)?,
            result: row.try_get(20)?,
        })
    }};
}
pub(crate) use read;

/// The format that this build writes.
const FORMAT: i64 = 1;

impl Row {
    /// The server's time.
    pub(crate) fn now(&self) -> Timestamp {
        time(self.now)
    }

    /// The record, if this build can read it.
    pub(crate) fn record(&self) -> Result<Record, RecordError> {
        if self.format != FORMAT {
            return Err(RecordError::Version(u8::try_from(self.format).ok()));
        }
        let damaged = || RecordError::Damaged;
        let completion = || match &self.result {
            Some(result) => Ok(Completion::Result(Payload::from_bytes(result.as_slice()))),
            None => Err(damaged()),
        };
        let state = match self.state.as_str() {
            "running" => {
                State::running(time(self.since.ok_or_else(damaged)?), time(self.lease_until.ok_or_else(damaged)?))
            }
            "completed" => State::Completed(completion()?),
            "unreplayable" => State::Completed(Completion::Unreplayable),
            "failed" => State::Failed,
            "unknown" => State::Unknown,
            _ => return Err(damaged()),
        };
        let owner = <[u8; 16]>::try_from(self.owner.as_slice()).map_err(|_| damaged())?;
        let mut record = Record::new(state, Owner::from_bytes(owner), time(self.expires_at));
        record.fence = number(self.fence)?;
        record.attempt = u32::try_from(self.attempt).map_err(|_| damaged())?;
        record.fingerprint = match &self.fingerprint {
            Some(bytes) => Some(Fingerprint::from_bytes(bytes.as_slice().try_into().map_err(|_| damaged())?)),
            None => None,
        };
        record.at_most_once = self.at_most_once;
        record.after_unknown = self.after_unknown;
        record.set_fingerprint = self.set_fingerprint;
        record.set_at_most_once = self.set_at_most_once;
        record.steps = Steps::from_bytes(self.steps.as_deref().unwrap_or_default())?;
        if i64::from(record.steps.count()) != self.step_count {
            return Err(damaged());
        }
        record.lease = Duration::from_micros(number(self.lease)?);
        record.ttl = Duration::from_micros(number(self.ttl)?);
        Ok(record)
    }

    /// The record, or the store error of a record that this build cannot read.
    pub(crate) fn readable(&self) -> Result<Record, StoreError> {
        self.record().map_err(|error| StoreError::unreadable(PgError::Record(error)))
    }

    /// The record's id, in a row of a page.
    pub(crate) fn id(&self) -> Option<&[u8]> {
        self.key.get(..id::LENGTH)
    }

    /// The record's key, in a row of a page.
    pub(crate) fn key(&self) -> Option<Key> {
        Key::from_bytes(self.key.get(id::LENGTH..)?)
    }
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(u64::try_from(micros).unwrap_or(0))
}

fn number(number: i64) -> Result<u64, RecordError> {
    u64::try_from(number).map_err(|_| RecordError::Damaged)
}

/// A duration as the table stores it.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
