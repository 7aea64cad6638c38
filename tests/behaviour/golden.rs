//! The stored format is frozen: `tests/golden` holds a key and a record of each kind, in hexadecimal.
//!
//! A new format gets new files beside the old ones. `IDEM_GOLDEN=write cargo test --all-features --test behaviour golden` writes
//! the files that are missing and overwrites none.

use std::path::{Path, PathBuf};

use idem::{
    transition, CasStore, Change, Claim, Clock as _, Codec, Completion, ConditionalStore, Ending, Fingerprint, Finish,
    Idem, Key, Kind, MokaStore, Owner, Payload, Record, State, Store, Timestamp,
};
use idem_testing::Clock;
use serde::{Deserialize, Serialize};

use crate::support::{refusal, Answer, Versions, LEASE, TTL};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Receipt {
    id: u64,
    cents: i64,
    rate: f64,
    note: Option<String>,
}

fn receipt() -> Receipt {
    Receipt { id: 7, cents: -500, rate: 0.913_614_977_317_635_9, note: None }
}

const NAME: &str = "payments.charge";

fn key(kind: &str) -> Key {
    Key::new("billing", NAME, &(kind, 7_u8, -1, true, 'x', &b"\xff"[..], idem::hash(&receipt()))).unwrap()
}

/// A record of each kind; `Clock` starts where they were written.
fn records() -> Vec<(&'static str, Record)> {
    let now = Timestamp::from_micros(1_700_000_000_000_000);
    let owner = Owner::from_bytes(*b"sixteen bytes...");
    let claim =
        Claim::new(owner, LEASE, TTL).fingerprint(Some(Fingerprint::of(&receipt()).unwrap())).at_most_once(true);
    let write = |found: Option<&Record>, ending: Option<Ending>| {
        let change = match ending {
            None => transition(found, &claim, now).0,
            Some(ending) => transition(found, &Finish::new(owner, ending), now).0,
        };
        match change {
            Change::Write(record) => record,
            Change::Keep => panic!("it is written"),
        }
    };
    let running = write(None, None);
    let ended = |ending| write(Some(&running), Some(ending));
    let unreplayable = ended(Ending::Completed(Completion::Unreplayable));
    // The engine makes the results: see `recorded`.
    vec![
        ("running", running.clone()),
        ("json", unreplayable.clone()),
        ("messagepack", unreplayable.clone()),
        ("error", unreplayable.clone()),
        ("unreplayable", unreplayable),
        ("failed", ended(Ending::Failed)),
        ("unknown", ended(Ending::Unknown)),
    ]
}

fn file(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{kind}.v1"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap()).collect()
}

/// The key's and the record's bytes.
fn golden(kind: &str) -> (Vec<u8>, Vec<u8>) {
    let text = std::fs::read_to_string(file(kind)).expect("the golden file");
    let mut lines = text.lines();
    let mut line = || unhex(lines.next().expect("two lines"));
    (line(), line())
}

#[tokio::test(start_paused = true)]
async fn keys_and_records_are_written_and_read_as_the_golden_files_say() {
    for (kind, mut record) in records() {
        if let Some(payload) = recorded(kind).await {
            record.state = State::Completed(Completion::Result(payload));
        }
        let text = format!("{}\n{}\n", hex(key(kind).as_bytes()), hex(&record.to_bytes(&key(kind))));
        if std::env::var_os("IDEM_GOLDEN").is_some() && !file(kind).exists() {
            std::fs::write(file(kind), &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(file(kind)).expect("the golden file"), text, "{kind}");
        let (key_bytes, record_bytes) = golden(kind);
        assert_eq!(Key::from_bytes(&key_bytes), Some(key(kind)));
        assert_eq!(Record::from_bytes(&record_bytes, &key(kind)), Ok(record), "{kind}");
        assert!(Record::from_bytes(&record_bytes, &key("another")).is_err(), "{kind}");
    }
}

/// The result that an engine records.
async fn recorded(kind: &str) -> Option<Payload> {
    let (key, store) = (key(kind), MokaStore::builder().clock(Clock::new()).build());
    let (body, codec): (Result<Receipt, String>, _) = match kind {
        "json" => (Ok(receipt()), Codec::Json),
        "messagepack" => (Ok(receipt()), Codec::MessagePack),
        "error" => (Err("declined".into()), Codec::Json),
        _ => return None,
    };
    let idem = Idem::builder(store.clone()).namespace("billing").codec(codec).build().unwrap();
    let op = idem.operation(NAME).at(&key).record_err(|_: &String| true);
    let _ = op.run(std::future::ready(body)).await;
    match store.load(&key).await.unwrap().unwrap().state {
        State::Completed(Completion::Result(payload)) => Some(payload),
        state => panic!("{state:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn golden_records_are_answered() {
    let clock = Clock::new();
    assert_eq!(clock.now(), Timestamp::from_micros(1_700_000_000_000_000));
    let stored = std::sync::Arc::new(Versions::new(clock.clone()));
    let idem = Idem::builder(CasStore::new(stored.clone())).namespace("billing").build().unwrap();
    for (kind, _) in records() {
        let (key, record) = golden(kind);
        let key = Key::from_bytes(&key).unwrap();
        let before = stored.get(&key).await.unwrap().0.map(|(_, version)| version);
        assert!(stored.put_if_version(&key, before.as_ref(), &record, TTL).await.unwrap());
        let op = idem.operation(NAME).at(&key).fingerprint(&receipt()).wait(std::time::Duration::ZERO);
        let answer: Answer<Receipt> = op.run(std::future::ready(Ok(receipt()))).await;
        match kind {
            "json" | "messagepack" => {
                let outcome = answer.unwrap();
                assert_eq!((outcome.kind(), outcome.into_inner()), (Kind::Replayed, receipt()), "{kind}");
            }
            "error" => {
                let op = op.record_err(|_: &String| true);
                let failed: Result<idem::Outcome<Receipt>, _> = op.run(std::future::ready(Err("no".into()))).await;
                assert!(matches!(failed, Err(idem::CallError::Body(error)) if error == "declined"));
            }
            "unreplayable" => assert!(matches!(refusal(answer), idem::Error::Unreplayable { .. })),
            "running" => assert!(matches!(refusal(answer), idem::Error::InProgress { .. })),
            "unknown" => assert!(matches!(refusal(answer), idem::Error::Indeterminate { attempt: 1, .. })),
            _ => assert_eq!(answer.unwrap().kind(), Kind::Executed, "{kind}"),
        }
    }
}
