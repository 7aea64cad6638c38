//! Parses the text of a record, which the scripts write.

use std::time::Duration;

use idem_core::{Completion, Fingerprint, Owner, Payload, Record, State, Steps, Timestamp};

use crate::error::Unreadable;

/// A larger number loses digits in the scripts, which count with doubles.
const LIMIT: u64 = 1 << 53;
/// The most bytes of a record's first line.
const LONGEST_HEAD: usize = 512;

/// Parses a stored value. The scripts refuse the same values, except for a step whose name is not UTF-8, which no store
/// writes.
pub(crate) fn parse(bytes: &[u8]) -> Result<Record, Unreadable> {
    let start = bytes.get(..LONGEST_HEAD).unwrap_or(bytes);
    let (head, rest) = match start.iter().position(|byte| *byte == b'\n') {
        Some(end) => bytes.split_at_checked(end).unwrap_or_default(),
        None => (&[][..], bytes),
    };
    let (head, rest) = (std::str::from_utf8(head).unwrap_or_default(), rest.get(1..).unwrap_or_default());
    // Split bytes, not text, which is faster: each replay parses thirteen fields.
    let mut fields = head.as_bytes().split(|byte| *byte == b' ');
    match fields.next() {
        Some(b"idem1") => read(fields, rest).ok_or(Unreadable::Damaged),
        Some(version) if is_version(version) => Err(Unreadable::Newer),
        _ => Err(Unreadable::Foreign),
    }
}

fn is_version(word: &[u8]) -> bool {
    word.strip_prefix(b"idem").is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

/// The value of the next field, which must have this name.
fn value<'a>(fields: &mut impl Iterator<Item = &'a [u8]>, name: &str) -> Option<&'a [u8]> {
    fields.next()?.strip_prefix(name.as_bytes())
}

/// Builds the record from the fields of its first line and the bytes after it.
fn read<'a>(mut fields: impl Iterator<Item = &'a [u8]>, rest: &[u8]) -> Option<Record> {
    let state = fields.next()?;
    let owner = hex::<16>(value(&mut fields, "owner=")?)?;
    let fence = number(value(&mut fields, "fence=")?)?;
    let attempt = value(&mut fields, "attempt=").filter(|digits| digits.len() <= 10)?;
    let attempt = u32::try_from(number(attempt)?).ok()?;
    let flags = value(&mut fields, "flags=")?;
    let [lease, ttl, expires, since, until] =
        ["lease=", "ttl=", "expires=", "since=", "until="].map(|name| value(&mut fields, name).and_then(number));
    let fingerprint = match value(&mut fields, "fp=")? {
        b"-" => None,
        print => Some(hex::<32>(print)?),
    };
    let mut size = value(&mut fields, "steps=")?.splitn(2, |byte| *byte == b':');
    let (count, length) = (size.next()?, size.next()?);
    if count.len() > 10 || length.len() > 10 {
        return None;
    }
    let (steps, payload) = rest.split_at_checked(number(length)?.try_into().ok()?)?;
    if fields.next().is_some() || (state != b"completed" && !payload.is_empty()) {
        return None;
    }
    // Required in every state, as in the scripts.
    let (since, until) = (since?, until?);
    let state = match state {
        b"running" => State::running(Timestamp::from_micros(since), Timestamp::from_micros(until)),
        b"completed" => State::Completed(Completion::Result(Payload::from_bytes(payload))),
        b"unreplayable" => State::Completed(Completion::Unreplayable),
        b"failed" => State::Failed,
        b"unknown" => State::Unknown,
        _ => return None,
    };
    let mut record = Record::new(state, Owner::from_bytes(owner), Timestamp::from_micros(expires?));
    record.fence = fence;
    record.attempt = attempt;
    record.fingerprint = fingerprint.map(Fingerprint::from_bytes);
    read_flags(flags, &mut record)?;
    record.steps = Steps::from_bytes(steps).ok()?;
    record.lease = Duration::from_micros(lease?);
    record.ttl = Duration::from_micros(ttl?);
    (number(count)? == u64::from(record.steps.count())).then_some(record)
}

fn number(digits: &[u8]) -> Option<u64> {
    if !(1..=16).contains(&digits.len()) {
        return None;
    }
    // Sixteen digits fit into a u64.
    let add = |number: u64, digit: &u8| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'));
    digits.iter().try_fold(0, add).filter(|number| *number <= LIMIT)
}

/// In this order: f, this owner was the first to set the fingerprint; m, at-most-once; b, this owner was the first to set it;
/// u, an unknown outcome before.
fn read_flags(flags: &[u8], record: &mut Record) -> Option<()> {
    let mut rest = flags;
    let mut flag = |flag| {
        let others = rest.strip_prefix(&[flag]);
        rest = others.unwrap_or(rest);
        others.is_some()
    };
    record.set_fingerprint = flag(b'f');
    record.at_most_once = flag(b'm');
    record.set_at_most_once = flag(b'b');
    record.after_unknown = flag(b'u');
    rest.is_empty().then_some(())
}

/// Lower-case hexadecimal digits.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    let mut pairs = digits.chunks_exact(2);
    if digits.len() != N * 2 {
        return None;
    }
    for byte in &mut bytes {
        let [high, low] = pairs.next()? else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble });
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

#[cfg(test)]
mod tests;
