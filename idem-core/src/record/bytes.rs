//! A record as bytes, for stores that keep it whole.
//!
//! ```text
//! version 1 | phase 1 | flags 1 | checksum 8 | owner 16 | fence 8 | attempt 4 | lease 8 | ttl 8 | expires_at 8
//!     | fingerprint 32, if flagged | length 4 and steps, if flagged | running: since 8, lease_until 8; completed with a result: the payload
//! ```
//! Numbers are big-endian, times and durations in microseconds; a duration too long to count is the longest that can be. The
//! checksum is of the record's key and all of the rest but the payload, which has its own: a damaged result can be mended by an
//! operator, for the record around it is read. Version 1 had no checksum, and is read as it is. Without one a record that was copied
//! to another key, or whose end was damaged into the past, would let a body run again that is done.

use std::time::Duration;

use super::check::{check, Of, LENGTH};
use super::{Completion, Owner, Payload, Phase, Record, Steps};
use crate::clock::Timestamp;
use crate::fingerprint::Fingerprint;
use crate::key::Key;

const VERSION: u8 = 2;
/// The same without a checksum. No single flipped bit makes it of the other one.
const UNCHECKED: u8 = 1;
/// Before the checksum stand version, phase and flags.
const HEAD: usize = 3;

const RUNNING: u8 = 1;
const RESULT: u8 = 2;
const UNREPLAYABLE: u8 = 3;
const RELEASED: u8 = 4;
const ABANDONED: u8 = 5;

const FINGERPRINT: u8 = 1;
const AT_MOST_ONCE: u8 = 2;
const AFTER_UNKNOWN: u8 = 4;
const BROUGHT_FINGERPRINT: u8 = 8;
const BROUGHT_AT_MOST_ONCE: u8 = 16;
const STEPS: u8 = 32;
const KNOWN_FLAGS: u8 = FINGERPRINT | AT_MOST_ONCE | AFTER_UNKNOWN | BROUGHT_FINGERPRINT | BROUGHT_AT_MOST_ONCE | STEPS;

/// Why bytes are no record that this build can read. Whatever they are, they must be left as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A newer build wrote them, or they are no record at all.
    #[error("the record has an unknown format (version {0:?})")]
    Version(Option<u8>),
    /// They are cut short, damaged, or another key's.
    #[error("the record is damaged, or another key's")]
    Damaged,
}

impl Record {
    /// The record as bytes, which are that of `key` and of no other.
    #[must_use]
    pub fn to_bytes(&self, key: &Key) -> Vec<u8> {
        let payload = match &self.phase {
            Phase::Completed(Completion::Result(payload)) => payload.as_bytes(),
            _ => &[],
        };
        let steps = self.steps.as_bytes();
        let mut bytes = Vec::with_capacity(115 + steps.len() + payload.len());
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let phase = match &self.phase {
            Phase::Running { .. } => RUNNING,
            Phase::Completed(Completion::Result(_)) => RESULT,
            Phase::Completed(Completion::Unreplayable) => UNREPLAYABLE,
            Phase::Released => RELEASED,
            Phase::Abandoned => ABANDONED,
        };
        let flags = flag(self.fingerprint.is_some(), FINGERPRINT)
            | flag(self.at_most_once, AT_MOST_ONCE)
            | flag(self.after_unknown, AFTER_UNKNOWN)
            | flag(self.brought_fingerprint, BROUGHT_FINGERPRINT)
            | flag(self.brought_at_most_once, BROUGHT_AT_MOST_ONCE)
            | flag(!self.steps.is_empty(), STEPS);
        let head = [VERSION, phase, flags];
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
        if let Phase::Running { since, lease_until } = &self.phase {
            bytes.extend(since.as_micros().to_be_bytes());
            bytes.extend(lease_until.as_micros().to_be_bytes());
        }
        let check = check(Of::Record, key, &head, bytes.get(HEAD + LENGTH..).unwrap_or_default());
        bytes.iter_mut().skip(HEAD).zip(check).for_each(|(byte, check)| *byte = check);
        bytes.extend(payload);
        bytes
    }

    /// The record of `key`, read back from bytes.
    ///
    /// # Errors
    /// [`RecordError`] when they are not a record that this build can read, or not one of this key.
    pub fn from_bytes(bytes: &[u8], key: &Key) -> Result<Self, RecordError> {
        let (version, mut reader) = match bytes.split_first() {
            Some((version @ &(VERSION | UNCHECKED), rest)) => (*version, Reader(rest)),
            other => return Err(RecordError::Version(other.map(|(version, _)| *version))),
        };
        let [phase, flags] = reader.take()?;
        let head = [version, phase, flags];
        let found = match version {
            UNCHECKED => None,
            _ => Some(reader.take()?),
        };
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
        let times = match phase {
            RUNNING => Some((reader.number()?, reader.number()?)),
            _ => None,
        };
        let checked = checked.get(..checked.len() - reader.0.len()).unwrap_or_default();
        if found.is_some_and(|found| found != check(Of::Record, key, &head, checked)) {
            return Err(RecordError::Damaged);
        }
        let phase = match (phase, times) {
            (RUNNING, Some((since, lease_until))) => Phase::Running {
                since: Timestamp::from_micros(since),
                lease_until: Timestamp::from_micros(lease_until),
            },
            (RESULT, _) => Phase::Completed(Completion::Result(Payload::from_bytes(reader.rest()))),
            (UNREPLAYABLE, _) => Phase::Completed(Completion::Unreplayable),
            (RELEASED, _) => Phase::Released,
            (ABANDONED, _) => Phase::Abandoned,
            _ => return Err(RecordError::Damaged),
        };
        if !reader.rest().is_empty() {
            return Err(RecordError::Damaged);
        }
        let flag = |flag: u8| flags & flag != 0;
        Ok(Self {
            phase,
            owner,
            fence,
            attempt,
            fingerprint,
            at_most_once: flag(AT_MOST_ONCE),
            after_unknown: flag(AFTER_UNKNOWN),
            brought_fingerprint: flag(BROUGHT_FINGERPRINT),
            brought_at_most_once: flag(BROUGHT_AT_MOST_ONCE),
            steps,
            lease,
            ttl,
            expires_at,
        })
    }
}

/// What is left to read.
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

    fn record(phase: Phase) -> Record {
        Record {
            phase,
            owner: Owner::from_bytes([7; 16]),
            fence: 0x0102_0304,
            attempt: 2,
            fingerprint: None,
            at_most_once: false,
            after_unknown: false,
            brought_fingerprint: false,
            brought_at_most_once: false,
            steps: Steps::default(),
            lease: Duration::from_secs(15),
            ttl: Duration::from_secs(86_400),
            expires_at: Timestamp::from_micros(0x0a0b_0c0d),
        }
    }

    fn every_kind() -> Vec<Record> {
        let running =
            record(Phase::Running { since: Timestamp::from_micros(1), lease_until: Timestamp::from_micros(u64::MAX) });
        let result = Completion::Result(Payload::from_bytes(&b"\x01\x01\x00\"a\""[..]));
        let flagged = Record {
            fingerprint: Some(Fingerprint::from_bytes([9; 32])),
            at_most_once: true,
            after_unknown: true,
            brought_fingerprint: true,
            brought_at_most_once: true,
            ..record(Phase::Completed(result.clone()))
        };
        vec![
            running,
            record(Phase::Completed(result)),
            record(Phase::Completed(Completion::Unreplayable)),
            record(Phase::Released),
            record(Phase::Abandoned),
            flagged,
            Record { steps: Steps::from_bytes(b"\0\0\0\x01s\0\0\0\x01r").expect("a step"), ..record(Phase::Abandoned) },
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

    /// As a build of version 1 wrote it.
    fn unchecked(record: &Record) -> Vec<u8> {
        let bytes = to_bytes(record);
        [&[UNCHECKED], &bytes[1..HEAD], &bytes[HEAD + LENGTH..]].concat()
    }

    #[test]
    fn records_come_back_as_they_were() {
        for record in every_kind() {
            assert_eq!(from_bytes(&unchecked(&record)), Ok(record.clone()));
            assert_eq!(from_bytes(&to_bytes(&record)), Ok(record));
        }
        let endless = Record { lease: Duration::MAX, ..record(Phase::Released) };
        let back = from_bytes(&to_bytes(&endless)).expect("a record");
        assert_eq!(back.lease, Duration::from_micros(u64::MAX));
    }

    #[test]
    fn the_format_is_frozen() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let head = |phase: &str, flags: &str| {
            let times = "0000000000e4e1c0".to_owned() + "000000141dd76000" + "000000000a0b0c0d";
            format!("01{phase}{flags}{}0000000001020304{}{times}", "07".repeat(16), "00000002")
        };
        let kinds = every_kind();
        let [running, result, unreplayable, released, abandoned, flagged, stepped] = &kinds[..] else {
            panic!("seven kinds")
        };
        assert_eq!(hex(&unchecked(running)), head("01", "00") + "0000000000000001" + "ffffffffffffffff");
        assert_eq!(hex(&unchecked(result)), head("02", "00") + "010100226122");
        assert_eq!(hex(&unchecked(unreplayable)), head("03", "00"));
        assert_eq!(hex(&unchecked(released)), head("04", "00"));
        assert_eq!(hex(&unchecked(abandoned)), head("05", "00"));
        assert_eq!(hex(&unchecked(stepped)), head("05", "20") + "0000000a" + "00000001730000000172");
        assert_eq!(hex(&unchecked(flagged)), head("02", "1f") + &"09".repeat(32) + "010100226122");
        let checked = [(running, "7833c7ed5d670a94"), (result, "17cbc3fba74826a9")];
        for (record, check) in checked {
            assert_eq!(hex(&to_bytes(record)[HEAD..HEAD + LENGTH]), check);
        }
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        assert_eq!(from_bytes(b""), Err(RecordError::Version(None)));
        for record in every_kind() {
            let bytes = unchecked(&record);
            let newer = [&[3], &bytes[1..]].concat();
            assert_eq!(from_bytes(&newer), Err(RecordError::Version(Some(3))));
            let head =
                bytes.len() - if matches!(record.phase, Phase::Completed(Completion::Result(_))) { 6 } else { 0 };
            for cut in 1..head {
                assert_eq!(from_bytes(&bytes[..cut]), Err(RecordError::Damaged), "{cut} of {record:?}");
            }
            let unknown_flag = [&bytes[..2], &[0x80], &bytes[3..]].concat();
            assert_eq!(from_bytes(&unknown_flag), Err(RecordError::Damaged));
            let unknown_phase = [&bytes[..1], &[0], &bytes[2..]].concat();
            assert_eq!(from_bytes(&unknown_phase), Err(RecordError::Damaged));
        }
        let longer = [unchecked(&record(Phase::Released)), vec![0]].concat();
        assert_eq!(from_bytes(&longer), Err(RecordError::Damaged));
    }

    #[test]
    fn a_record_is_of_one_key_and_whole() {
        for record in every_kind() {
            let whole = to_bytes(&record);
            assert_eq!(Record::from_bytes(&whole, &key(2)), Err(RecordError::Damaged), "{record:?}");
            // A result says for itself whether it is whole.
            let result = match &record.phase {
                Phase::Completed(Completion::Result(payload)) => payload.as_bytes().len(),
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
