//! The finished steps of an operation, in order.

use std::fmt;
use std::sync::Arc;

use super::{Payload, RecordError};

/// The finished steps of an operation. The next attempt continues after them.
///
/// Encoded, a step is its name and its result, each after its length (4 bytes, big-endian). Steps are concatenated: a store
/// appends [`Step::to_bytes`] and does not need to decode the steps that it has.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Steps {
    bytes: Option<Arc<[u8]>>,
    count: u32,
}

/// One finished step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The step's name.
    pub name: Box<str>,
    /// The step's result.
    pub payload: Payload,
}

impl Step {
    /// Makes a step of its name and result.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>, payload: Payload) -> Self {
        Self { name: name.into(), payload }
    }

    /// The bytes that a store appends.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.name.len() + self.payload.as_bytes().len());
        for part in [self.name.as_bytes(), self.payload.as_bytes()] {
            bytes.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(part);
        }
        bytes
    }
}

impl Steps {
    /// Reads steps back from a store.
    ///
    /// # Errors
    /// [`RecordError::Damaged`] when the bytes are not encoded steps.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let (mut rest, mut count) = (bytes, 0);
        while !rest.is_empty() {
            (_, rest) = step(rest).ok_or(RecordError::Damaged)?;
            count += 1;
        }
        Ok(Self { bytes: (count > 0).then(|| bytes.into()), count })
    }

    /// The bytes that a store writes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }

    /// How many steps there are.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Whether there are no steps.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The steps, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Step> + '_ {
        let mut rest = self.as_bytes();
        std::iter::from_fn(move || {
            let (found, left) = step(rest)?;
            rest = left;
            Some(found)
        })
    }

    /// These steps and one more.
    #[must_use]
    pub(crate) fn with(&self, step: &Step) -> Self {
        Self { bytes: Some([self.as_bytes(), &step.to_bytes()].concat().into()), count: self.count + 1 }
    }
}

/// Reads the first step; also returns the bytes after it.
fn step(bytes: &[u8]) -> Option<(Step, &[u8])> {
    let (name, bytes) = part(bytes)?;
    let (payload, bytes) = part(bytes)?;
    Some((Step::new(std::str::from_utf8(name).ok()?, Payload::from_bytes(payload)), bytes))
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, bytes) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length) as usize;
    Some((bytes.get(..length)?, bytes.get(length..)?))
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|step| step.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> Steps {
        let step = |name, payload: &[u8]| Step::new(name, Payload::from_bytes(payload));
        Steps::default().with(&step("reserve", b"seat 7")).with(&step("", b""))
    }

    #[test]
    fn the_format_is_frozen() {
        assert_eq!(steps().as_bytes(), b"\0\0\0\x07reserve\0\0\0\x06seat 7\0\0\0\0\0\0\0\0");
        assert_eq!(Steps::default().as_bytes(), b"");
    }

    #[test]
    fn steps_come_back_as_they_were() {
        let back = Steps::from_bytes(steps().as_bytes()).expect("steps");
        assert_eq!((back.count(), back.clone()), (2, steps()));
        let names: Vec<_> = back.iter().map(|step| step.name).collect();
        assert_eq!(names, ["reserve".into(), Box::from("")]);
        assert_eq!(Steps::from_bytes(b""), Ok(Steps::default()));
    }

    #[test]
    fn what_are_no_steps_is_damaged() {
        let whole = steps();
        let first = 8 + "reserveseat 7".len();
        for cut in (1..whole.as_bytes().len()).filter(|cut| *cut != first) {
            assert_eq!(Steps::from_bytes(&whole.as_bytes()[..cut]), Err(RecordError::Damaged), "{cut}");
        }
        assert_eq!(Steps::from_bytes(b"\0\0\0\x01\xff\0\0\0\0"), Err(RecordError::Damaged), "a name that is no text");
    }
}
