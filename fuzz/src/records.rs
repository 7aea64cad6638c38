//! Bytes are the record that was written for their key, or an error: as the core writes it, as Redis has it, as a row.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use idem_core::{Completion, Record, RecordError, State, Steps};

use crate::damage::damaged;
use crate::golden::{self, Golden};
use crate::row::Row;
use crate::text;

pub fn check(bytes: &[u8]) {
    let golden = golden::all();
    for golden in golden {
        reads(bytes, golden);
    }
    steps(bytes);
    texts(bytes);
    let _ = accidents(&mut Unstructured::new(bytes), golden);
}

fn accidents(u: &mut Unstructured<'_>, golden: &[Golden]) -> Result<()> {
    let of = u.choose(golden)?;
    let others: Vec<&[u8]> = golden.iter().map(|golden| &*golden.bytes).collect();
    reads(&damaged(u, &of.bytes, &others)?, of);
    let texts: Vec<String> = TEXTS.iter().map(|(head, body)| format!("{head}{OF_ALL}{body}")).collect();
    let others: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    let text = u.choose(&texts)?;
    self::texts(&damaged(u, text.as_bytes(), &others)?);
    row(&arbitrary_row(u)?);
    Ok(())
}

/// What is read is written as it was read, and everything but the result is as it was.
fn reads(bytes: &[u8], golden: &Golden) {
    let read = Record::from_bytes(bytes, &golden.key);
    if bytes == golden.bytes {
        assert!(read.is_ok());
    }
    let Ok(record) = read else { return };
    let written = record.to_bytes(&golden.key);
    assert_eq!(Record::from_bytes(&written, &golden.key).as_ref(), Ok(&record));
    assert_eq!(written, bytes, "there is one way to write it");
    let result = |record: &Record| match &record.state {
        State::Completed(Completion::Result(payload)) => payload.as_bytes().len(),
        _ => 0,
    };
    let whole = &golden.bytes;
    let of_whole = result(&Record::from_bytes(whole, &golden.key).expect("a record"));
    let head = &whole[..whole.len() - of_whole];
    assert_eq!(&bytes[..bytes.len() - result(&record)], head, "nobody else's, and not damaged");
    for other in golden::all().iter().filter(|other| other.key != golden.key) {
        assert_eq!(Record::from_bytes(bytes, &other.key), Err(RecordError::Damaged), "it is of one key");
    }
}

/// Steps are one behind the other, and nothing else is there.
fn steps(bytes: &[u8]) {
    let Ok(steps) = Steps::from_bytes(bytes) else { return };
    let back: Vec<u8> = steps.iter().flat_map(|step| step.to_bytes()).collect();
    assert_eq!((back.as_slice(), steps.as_bytes()), (bytes, bytes));
    assert_eq!(steps.iter().count(), steps.count() as usize);
}

const OF_ALL: &str =
    " owner=07070707070707070707070707070707 fence=1700000000000000 attempt=2 flags=fmbu lease=15000000 \
                      ttl=60000000 expires=9000000000000000 since=1700000000000000 until=1700000015000000";
const TEXTS: [(&str, &str); 4] = [
    ("idem1 running", " fp=- steps=1:9\n\0\0\0\x01s\0\0\0\0"),
    (
        "idem1 completed",
        " fp=0909090909090909090909090909090909090909090909090909090909090909 steps=0:0\n\x01\x01\0checksum7",
    ),
    ("idem1 failed", " fp=- steps=0:0\n"),
    ("idem1 unreplayable", " fp=- steps=0:0\n"),
];

/// What is read of a text is what it says.
fn texts(bytes: &[u8]) {
    let Ok(record) = text::parse(bytes) else { return };
    let text = written(&record);
    assert_eq!(text::parse(&text).as_ref(), Ok(&record));
    let name = |text: &[u8]| text.split(|byte| *byte == b' ').nth(1).map(<[u8]>::to_vec);
    assert_eq!(name(&text), name(bytes));
    assert!(bytes.starts_with(b"idem1 "));
}

/// As the scripts write it.
fn written(record: &Record) -> Vec<u8> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (state, since, until, payload) = match &record.state {
        State::Running { since, lease_until, .. } => ("running", since.as_micros(), lease_until.as_micros(), &b""[..]),
        State::Completed(Completion::Result(payload)) => ("completed", 0, 0, payload.as_bytes()),
        State::Completed(_) => ("unreplayable", 0, 0, &b""[..]),
        State::Failed => ("failed", 0, 0, &b""[..]),
        State::Unknown => ("unknown", 0, 0, &b""[..]),
        other => panic!("{other:?}"),
    };
    let flag = |set: bool, flag: &'static str| if set { flag } else { "" };
    let flags = [
        flag(record.set_fingerprint, "f"),
        flag(record.at_most_once, "m"),
        flag(record.set_at_most_once, "b"),
        flag(record.after_unknown, "u"),
    ];
    let head = format!(
        "idem1 {state} owner={} fence={} attempt={} flags={} lease={} ttl={} expires={} since={since} until={until} fp={} steps={}:{}\n",
        hex(record.owner.as_bytes()),
        record.fence,
        record.attempt,
        flags.concat(),
        record.lease.as_micros(),
        record.ttl.as_micros(),
        record.expires_at.as_micros(),
        record.fingerprint.map_or_else(|| "-".to_owned(), |print| hex(print.as_bytes())),
        record.steps.count(),
        record.steps.as_bytes().len(),
    );
    [head.as_bytes(), record.steps.as_bytes(), payload].concat()
}

fn arbitrary_row(u: &mut Unstructured<'_>) -> Result<Row> {
    let bytes = |u: &mut Unstructured<'_>, length: usize| -> Result<Vec<u8>> {
        let length = if u.ratio(7, 8)? { length } else { u.int_in_range(0..=40)? };
        (0..length).map(|_| u.arbitrary()).collect()
    };
    let number = |u: &mut Unstructured<'_>| -> Result<i64> {
        if u.arbitrary()? {
            Ok(u.int_in_range(-2..=2)?)
        } else {
            u.arbitrary()
        }
    };
    let maybe = |u: &mut Unstructured<'_>| -> Result<Option<i64>> {
        if u.arbitrary()? {
            Ok(Some(number(u)?))
        } else {
            Ok(None)
        }
    };
    let state = *u.choose(&["running", "completed", "unreplayable", "failed", "unknown", "sleeping", ""])?;
    Ok(Row {
        written: u.arbitrary()?,
        now: number(u)?,
        key: bytes(u, 60)?,
        format: *u.choose(&[1, 1, 1, 2, -1])?,
        state: state.to_owned(),
        owner: bytes(u, 16)?,
        fence: number(u)?,
        attempt: number(u)?,
        fingerprint: if u.arbitrary()? { Some(bytes(u, 32)?) } else { None },
        at_most_once: u.arbitrary()?,
        after_unknown: u.arbitrary()?,
        set_fingerprint: u.arbitrary()?,
        set_at_most_once: u.arbitrary()?,
        steps: if u.ratio(1, 4)? { Some(bytes(u, 8)?) } else { None },
        step_count: u.int_in_range(-1..=2)?,
        lease: number(u)?,
        ttl: number(u)?,
        since: maybe(u)?,
        lease_until: maybe(u)?,
        expires_at: number(u)?,
        result: if u.arbitrary()? { Some(bytes(u, 12)?) } else { None },
    })
}

/// A row is read as what stands in it, or not at all.
fn row(row: &Row) {
    let Ok(record) = row.record() else { return };
    assert_eq!(row.format, 1);
    assert_eq!(record.owner.as_bytes().as_slice(), row.owner);
    assert_eq!((record.fence, i64::from(record.attempt)), (row.fence as u64, row.attempt));
    assert!(row.fence >= 0 && row.lease >= 0 && row.ttl >= 0);
    assert_eq!(record.fingerprint.map(|print| print.as_bytes().to_vec()), row.fingerprint);
    assert_eq!(record.lease, Duration::from_micros(row.lease as u64));
    assert_eq!(record.steps.as_bytes(), row.steps.as_deref().unwrap_or_default());
    assert_eq!(i64::from(record.steps.count()), row.step_count);
    match (&record.state, &*row.state) {
        (State::Completed(Completion::Result(payload)), "completed") => {
            assert_eq!(Some(payload.as_bytes()), row.result.as_deref());
        }
        (State::Running { .. }, "running") => assert!(row.since.is_some() && row.lease_until.is_some()),
        (State::Completed(_), "unreplayable") | (State::Failed, "failed") | (State::Unknown, "unknown") => {}
        (found, state) => panic!("{found:?} of {state}"),
    }
    let _ = (row.id(), row.key(), row.readable());
}
