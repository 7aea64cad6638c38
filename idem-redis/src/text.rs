//! A record as text: what the scripts write, read back.

use std::str::Split;
use std::time::Duration;

use idem_core::{Completion, Fingerprint, Owner, Payload, Phase, Record, Steps, Timestamp};

use crate::error::Unreadable;

/// Beyond this a number of the scripts loses digits.
const LIMIT: u64 = 1 << 53;
/// How long a head is at most; the scripts look no further either.
const LONGEST_HEAD: usize = 512;

/// Reads a stored value; what is wrong with it, if this build cannot. The scripts refuse as much, but for a step whose
/// name is not UTF-8, which nobody writes.
pub(crate) fn parse(bytes: &[u8]) -> Result<Record, Unreadable> {
    let head =
        bytes.iter().take(LONGEST_HEAD).position(|byte| *byte == b'\n').and_then(|end| bytes.split_at_checked(end));
    let (head, rest) = match head {
        Some((head, rest)) => (std::str::from_utf8(head).unwrap_or_default(), rest.get(1..).unwrap_or_default()),
        None => ("", bytes),
    };
    let mut fields = head.split(' ');
    match fields.next() {
        Some("idem1") => read(fields, rest).ok_or(Unreadable::Damaged),
        Some(version) if is_version(version) => Err(Unreadable::Newer),
        _ => Err(Unreadable::Foreign),
    }
}

fn is_version(word: &str) -> bool {
    word.strip_prefix("idem")
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The record, of its head's fields and what is behind them.
fn read(mut fields: Split<'_, char>, rest: &[u8]) -> Option<Record> {
    let state = fields.next()?;
    let owner = hex::<16>(value(&mut fields, "owner=")?)?;
    let fence = number(value(&mut fields, "fence=")?)?;
    let attempt = value(&mut fields, "attempt=").filter(|digits| digits.len() <= 10)?;
    let attempt = u32::try_from(number(attempt)?).ok()?;
    let flags = value(&mut fields, "flags=")?;
    let [lease, ttl, expires, since, until] =
        ["lease=", "ttl=", "expires=", "since=", "until="].map(|name| value(&mut fields, name).and_then(number));
    let fingerprint = match value(&mut fields, "fp=")? {
        "-" => None,
        print => Some(hex::<32>(print)?),
    };
    let (count, length) = value(&mut fields, "steps=")?
        .split_once(':')
        .filter(|(count, length)| count.len() <= 10 && length.len() <= 10)?;
    let (steps, payload) = rest.split_at_checked(number(length)?.try_into().ok()?)?;
    if fields.next().is_some() || (state != "completed" && !payload.is_empty()) {
        return None;
    }
    // Also where they do not count: the scripts read them all.
    let (since, until) = (since?, until?);
    let phase = match state {
        "running" => Phase::running(Timestamp::from_micros(since), Timestamp::from_micros(until)),
        "completed" => Phase::Completed(Completion::Result(Payload::from_bytes(payload))),
        "unreplayable" => Phase::Completed(Completion::Unreplayable),
        "released" => Phase::Released,
        "abandoned" => Phase::Abandoned,
        _ => return None,
    };
    let mut record = Record::new(phase, Owner::from_bytes(owner), Timestamp::from_micros(expires?));
    record.fence = fence;
    record.attempt = attempt;
    record.fingerprint = fingerprint.map(Fingerprint::from_bytes);
    read_flags(flags, &mut record)?;
    record.steps = Steps::from_bytes(steps).ok()?;
    record.lease = Duration::from_micros(lease?);
    record.ttl = Duration::from_micros(ttl?);
    (number(count)? == u64::from(record.steps.count())).then_some(record)
}

/// The value of the next field, which must have this name.
fn value<'a>(fields: &mut Split<'a, char>, name: &str) -> Option<&'a str> {
    fields.next()?.strip_prefix(name)
}

fn number(digits: &str) -> Option<u64> {
    let plain = (1..=16).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| plain && *number <= LIMIT)
}

/// f and b are what this owner brought, m is at-most-once, u an unknown outcome before; in this order.
fn read_flags(flags: &str, record: &mut Record) -> Option<()> {
    let mut rest = flags;
    let mut flag = |flag| {
        let others = rest.strip_prefix(flag);
        rest = others.unwrap_or(rest);
        others.is_some()
    };
    record.brought_fingerprint = flag('f');
    record.at_most_once = flag('m');
    record.brought_at_most_once = flag('b');
    record.after_unknown = flag('u');
    rest.is_empty().then_some(())
}

/// Lower-case hexadecimal digits.
fn hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    let mut pairs = digits.as_bytes().chunks_exact(2);
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
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests;
