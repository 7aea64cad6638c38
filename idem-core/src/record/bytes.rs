//! The record as bytes, for stores that keep it whole. `docs/design.md` has an example.
//!
//! ```text
//! version 1 | state 1 | flags 1 | checksum 8 | owner 16 | fence 8 | attempt 4 | lease 8 | ttl 8 | expires_at 8
//!     | fingerprint 32, if flagged | length 4 and steps, if flagged
//!     | running: since 8, lease_until 8; completed with a result: the payload
//! ```
//! Numbers are big-endian. Times and durations are in microseconds; a duration of more than 2^64 µs is written as 2^64 - 1 µs.
//! The [checksum](super::checksum) covers the record's key and everything but the payload, which has its own. So a record with
//! a damaged result can still be read, and an operator can resolve it. Without the checksum, a completed body would run again
//! if its record was copied to another key or its `expires_at` was damaged into the past.

use std::time::Duration;

use super::checksum::{checksum, Domain, LENGTH};
use super::{Completion, Owner, Payload, Record, State, Steps};
use crate::clock::Timestamp;
use crate::fingerprint::Fingerprint;
use crate::key::Key;

const VERSION: u8 = 1;
/// The bytes before the checksum: version, state and flags.
const HEAD: usize = 3;

const RUNNING: u8 = 1;
const RESULT: u8 = 2;
const UNREPLAYABLE: u8 = 3;
const FAILED: u8 = 4;
const UNKNOWN: u8 = 5;

const FINGERPRINT: u8 = 1;
const AT_MOST_ONCE: u8 = 2;
const AFTER_UNKNOWN: u8 = 4;
const SET_FINGERPRINT: u8 = 8;
const SET_AT_MOST_ONCE: u8 = 16;
const STEPS: u8 = 32;
const KNOWN_FLAGS: u8 = FINGERPRINT | AT_MOST_ONCE | AFTER_UNKNOWN | SET_FINGERPRINT | SET_AT_MOST_ONCE | STEPS;

/// Why this build cannot read a stored record. A store must leave such bytes as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A newer build wrote the bytes, or they are not a record.
    #[error("the record has an unknown format (version {0:?})")]
    Version(Option<u8>),
    /// The record is cut short, damaged, or belongs to another key.
    #[error("the record is damaged or belongs to another key")]
    Damaged,
}

impl Record {
    /// Encodes the record of `key`. The bytes can be read back for that key only.
    #[must_use]
    pub fn to_bytes(&self, key: &Key) -> Vec<u8> {
        let payload = match &self.state {
            State::Completed(Completion::Result(payload)) => payload.as_bytes(),
            _ => &[],
        };
        let steps = self.steps.as_bytes();
        let mut bytes = Vec::with_capacity(115 + steps.len() + payload.len());
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let state = match &self.state {
            State::Running { .. } => RUNNING,
            State::Completed(Completion::Result(_)) => RESULT,
            State::Completed(Completion::Unreplayable) => UNREPLAYABLE,
            State::Failed => FAILED,
            State::Unknown => UNKNOWN,
        };
        let flags = flag(self.fingerprint.is_some(), FINGERPRINT)
            | flag(self.at_most_once, AT_MOST_ONCE)
            | flag(self.after_unknown, AFTER_UNKNOWN)
            | flag(self.set_fingerprint, SET_FINGERPRINT)
            | flag(self.set_at_most_once, SET_AT_MOST_ONCE)
            | flag(!self.steps.is_empty(), STEPS);
        let head = [VERSION, state, flags];
        bytes.extend(head);
        bytes.extend([0; LENGTH]);
        bytes.extend(self.owner.as_bytes());
        bytes.extend(self.fence.to_be_bytes());
        bytes.extend(self.attempt.to_be_bytes());
        for duration in [self.lease, self.ttl] {
            bytes.extend(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).to_be_bytes());
        }
        bytes.extend(self.expires_at.as_micros().to_be_bytes());
        bytes.extend(self.fingerprint.iter().flat_map(Fingerprint::as_bytes));
        if !steps.is_empty() {
            bytes.extend(u32::try_from(steps.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(steps);
        }
        if let State::Running { since, lease_until } = &self.state {
            bytes.extend(since.as_micros().to_be_bytes());
            bytes.extend(lease_until.as_micros().to_be_bytes());
        }
        let sum = checksum(Domain::Record, key, &head, bytes.get(HEAD + LENGTH..).unwrap_or_default());
        bytes.iter_mut().skip(HEAD).zip(sum).for_each(|(byte, sum)| *byte = sum);
        bytes.extend(payload);
        bytes
    }

    /// Reads the record of `key` back.
    ///
    /// # Errors
    /// [`RecordError`] when this build cannot read the bytes, or they are the record of another key.
    pub fn from_bytes(bytes: &[u8], key: &Key) -> Result<Self, RecordError> {
        let mut reader = match bytes.split_first() {
            Some((&VERSION, rest)) => Reader(rest),
            other => return Err(RecordError::Version(other.map(|(version, _)| *version))),
        };
        let [state, flags] = reader.take()?;
        let sum = reader.take()?;
        let checked = reader.0;
        if flags & !KNOWN_FLAGS != 0 {
            return Err(RecordError::Damaged);
        }
        let owner = Owner::from_bytes(reader.take()?);
        let fence = reader.number()?;
        let attempt = u32::from_be_bytes(reader.take()?);
        let lease = Duration::from_micros(reader.number()?);
        let ttl = Duration::from_micros(reader.number()?);
        let expires_at = Timestamp::from_micros(reader.number()?);
        let fingerprint = match flags & FINGERPRINT {
            0 => None,
            _ => Some(Fingerprint::from_bytes(reader.take()?)),
        };
        let steps = match flags & STEPS {
            0 => Steps::default(),
            _ => Steps::from_bytes(reader.counted()?)?,
        };
        let times = match state {
            RUNNING => Some((reader.number()?, reader.number()?)),
            _ => None,
        };
        let checked = checked.get(..checked.len() - reader.0.len()).unwrap_or_default();
        if sum != checksum(Domain::Record, key, &[VERSION, state, flags], checked) {
            return Err(RecordError::Damaged);
        }
        let state = match (state, times) {
            (RUNNING, Some((since, lease_until))) => State::Running {
                since: Timestamp::from_micros(since),
                lease_until: Timestamp::from_micros(lease_until),
            },
            (RESULT, _) => State::Completed(Completion::Result(Payload::from_bytes(reader.rest()))),
            (UNREPLAYABLE, _) => State::Completed(Completion::Unreplayable),
            (FAILED, _) => State::Failed,
            (UNKNOWN, _) => State::Unknown,
            _ => return Err(RecordError::Damaged),
        };
        if !reader.rest().is_empty() {
            return Err(RecordError::Damaged);
        }
        let flag = |flag: u8| flags & flag != 0;
        Ok(Self {
            state,
            owner,
            fence,
            attempt,
            fingerprint,
            at_most_once: flag(AT_MOST_ONCE),
            after_unknown: flag(AFTER_UNKNOWN),
            set_fingerprint: flag(SET_FINGERPRINT),
            set_at_most_once: flag(SET_AT_MOST_ONCE),
            steps,
            lease,
            ttl,
            expires_at,
        })
    }
}

/// The bytes that are still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(RecordError::Damaged)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn number(&mut self) -> Result<u64, RecordError> {
        Ok(u64::from_be_bytes(self.take()?))
    }

    fn counted(&mut self) -> Result<&'a [u8], RecordError> {
        let length = u32::from_be_bytes(self.take()?) as usize;
        let taken = self.0.get(..length).ok_or(RecordError::Damaged)?;
        self.0 = self.0.get(length..).unwrap_or_default();
        Ok(taken)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(state: State) -> Record {
        Record {
            state,
            owner: Owner::from_bytes([7; 16]),
            fence: 0x0102_0304,
            attempt: 2,
            fingerprint: None,
            at_most_once: false,
            after_unknown: false,
            set_fingerprint: false,
            set_at_most_once: false,
            steps: Steps::default(),
            lease: Duration::from_secs(15),
            ttl: Duration::from_secs(86_400),
            expires_at: Timestamp::from_micros(0x0a0b_0c0d),
        }
    }

    fn every_kind() -> Vec<Record> {
        let running =
            record(State::Running { since: Timestamp::from_micros(1), lease_until: Timestamp::from_micros(u64::MAX) });
        let result = Completion::Result(Payload::from_bytes(&b"\x01\x01\x00\"a\""[..]));
        let flagged = Record {
            fingerprint: Some(Fingerprint::from_bytes([9; 32])),
            at_most_once: true,
            after_unknown: true,
            set_fingerprint: true,
            set_at_most_once: true,
            ..record(State::Completed(result.clone()))
        };
        vec![
            running,
            record(State::Completed(result)),
            record(State::Completed(Completion::Unreplayable)),
            record(State::Failed),
            record(State::Unknown),
            flagged,
            Record { steps: Steps::from_bytes(b"\0\0\0\x01s\0\0\0\x01r").expect("a step"), ..record(State::Unknown) },
        ]
    }

    fn key(part: u8) -> Key {
        Key::new("ns", "op", &part).expect("a valid key")
    }

    fn to_bytes(record: &Record) -> Vec<u8> {
        record.to_bytes(&key(1))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Record, RecordError> {
        Record::from_bytes(bytes, &key(1))
    }

    /// The bytes without the checksum.
    fn unchecked(record: &Record) -> Vec<u8> {
        let bytes = to_bytes(record);
        [&bytes[..HEAD], &bytes[HEAD + LENGTH..]].concat()
    }

    /// Adds the right checksum to bytes that `unchecked` made and a test then changed.
    fn checked(unchecked: &[u8], payload: usize) -> Vec<u8> {
        let head: [u8; HEAD] = unchecked[..HEAD].try_into().expect("a head");
        let rest = &unchecked[HEAD..unchecked.len() - payload];
        [&head[..], &checksum(Domain::Record, &key(1), &head, rest), &unchecked[HEAD..]].concat()
    }

    #[test]
    fn records_come_back_as_they_were() {
        for record in every_kind() {
            assert_eq!(from_bytes(&to_bytes(&record)), Ok(record));
        }
        let endless = Record { lease: Duration::MAX, ..record(State::Failed) };
        let back = from_bytes(&to_bytes(&endless)).expect("a record");
        assert_eq!(back.lease, Duration::from_micros(u64::MAX));
    }

    #[test]
    fn the_format_is_frozen() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let head = |state: &str, flags: &str| {
            let times = "0000000000e4e1c0".to_owned() + "000000141dd76000" + "000000000a0b0c0d";
            format!("01{state}{flags}{}0000000001020304{}{times}", "07".repeat(16), "00000002")
        };
        let kinds = every_kind();
        let [running, result, unreplayable, failed, unknown, flagged, stepped] = &kinds[..] else {
            panic!("seven kinds")
        };
        assert_eq!(hex(&unchecked(running)), head("01", "00") + "0000000000000001" + "ffffffffffffffff");
        assert_eq!(hex(&unchecked(result)), head("02", "00") + "010100226122");
        assert_eq!(hex(&unchecked(unreplayable)), head("03", "00"));
        assert_eq!(hex(&unchecked(failed)), head("04", "00"));
        assert_eq!(hex(&unchecked(unknown)), head("05", "00"));
        assert_eq!(hex(&unchecked(stepped)), head("05", "20") + "0000000a" + "00000001730000000172");
        assert_eq!(hex(&unchecked(flagged)), head("02", "1f") + &"09".repeat(32) + "010100226122");
        for (record, sum) in [(running, "196735c0c68af4f2"), (result, "03de4a81b306340d")] {
            assert_eq!(hex(&to_bytes(record)[HEAD..HEAD + LENGTH]), sum);
        }
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        assert_eq!(from_bytes(b""), Err(RecordError::Version(None)));
        for record in every_kind() {
            let (whole, bytes) = (to_bytes(&record), unchecked(&record));
            let payload = if matches!(record.state, State::Completed(Completion::Result(_))) { 6 } else { 0 };
            assert_eq!(checked(&bytes, payload), whole);
            let newer = [&[2], &whole[1..]].concat();
            assert_eq!(from_bytes(&newer), Err(RecordError::Version(Some(2))));
            for cut in 1..whole.len() - payload {
                assert_eq!(from_bytes(&whole[..cut]), Err(RecordError::Damaged), "{cut} of {record:?}");
            }
            let unknown_flag = checked(&[&bytes[..2], &[0x80], &bytes[3..]].concat(), payload);
            assert_eq!(from_bytes(&unknown_flag), Err(RecordError::Damaged));
            let unknown_state = checked(&[&bytes[..1], &[0], &bytes[2..]].concat(), payload);
            assert_eq!(from_bytes(&unknown_state), Err(RecordError::Damaged));
        }
        let longer = [to_bytes(&record(State::Failed)), vec![0]].concat();
        assert_eq!(from_bytes(&longer), Err(RecordError::Damaged));
    }

    #[test]
    fn a_record_is_of_one_key_and_whole() {
        for record in every_kind() {
            let whole = to_bytes(&record);
            assert_eq!(Record::from_bytes(&whole, &key(2)), Err(RecordError::Damaged), "{record:?}");
            // The result has its own checksum.
            let result = match &record.state {
                State::Completed(Completion::Result(payload)) => payload.as_bytes().len(),
                _ => 0,
            };
            for cut in 0..whole.len() - result {
                assert!(from_bytes(&whole[..cut]).is_err(), "{cut} of {record:?}");
            }
            for bit in 0..(whole.len() - result) * 8 {
                let mut bytes = whole.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(from_bytes(&bytes).is_err(), "bit {bit} of {record:?}");
            }
        }
    }
}
