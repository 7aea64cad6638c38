//! Changing things under live records: what a new build of a service meets.
#![allow(non_snake_case)]

use std::borrow::Cow;
use std::future::ready;

use idem::{hash, idempotent, Codec, Error, Idem, Kind, MokaStore};
use serde::{Deserialize, Serialize};

use crate::support::{refusal, Answer};

const NAME: &str = "changes.charge";

/// Runs a body that succeeds with `value`, or replays.
async fn call<T, K>(idem: &Idem, key: K, value: T) -> Result<(T, Kind), Error>
where
    T: Serialize + serde::de::DeserializeOwned + std::fmt::Debug,
    K: idem::IntoKey,
{
    let answer: Answer<T> = idem.operation(NAME).key(key).run(ready(Ok(value))).await;
    match answer {
        Ok(outcome) => Ok((outcome.kind(), outcome.into_inner())).map(|(kind, value)| (value, kind)),
        refused => Err(refusal(refused)),
    }
}

/// Two modules with one function each, as before and after a move.
mod before {
    use super::*;

    #[idempotent(key = id, idem = idem)]
    pub(super) async fn charge(idem: &Idem, id: u64) -> Result<String, Error> {
        Ok(format!("before {id}"))
    }

    #[idempotent(name = "changes.named", key = id, idem = idem)]
    pub(super) async fn named(idem: &Idem, id: u64) -> Result<String, Error> {
        Ok(format!("before {id}"))
    }
}

mod after {
    use super::*;

    #[idempotent(key = id, idem = idem)]
    pub(super) async fn charge(idem: &Idem, id: u64) -> Result<String, Error> {
        Ok(format!("after {id}"))
    }
}

#[tokio::test]
async fn function_moved__default_name_lost_and_a_name_of_its_own_kept() {
    let idem = Idem::new(MokaStore::new());
    assert_eq!(before::charge(&idem, 1).await.unwrap(), "before 1");
    assert_eq!(after::charge(&idem, 1).await.unwrap(), "after 1", "another record: the retry runs again");
    before::named(&idem, 1).await.unwrap();
    // The moved function, in a build that has only it.
    let moved: Answer<String> = idem.operation("changes.named").key(1).run(ready(Ok("after 1".into()))).await;
    assert_eq!(moved.unwrap().into_inner(), "before 1");
}

#[tokio::test]
async fn key_width_ownership_and_references__same_key() {
    let idem = Idem::new(MokaStore::new());
    call(&idem, 7_u8, 1).await.unwrap();
    for kind in [
        call(&idem, 7_u16, 2).await,
        call(&idem, 7_i64, 2).await,
        call(&idem, 7_u128, 2).await,
        call(&idem, &7_usize, 2).await,
        call(&idem, Some(7), 2).await,
    ] {
        assert_eq!(kind.unwrap(), (1, Kind::Replayed));
    }
    call(&idem, "text", 1).await.unwrap();
    let owned = "text".to_owned();
    for kind in [
        call(&idem, &owned, 2).await,
        call(&idem, owned.clone(), 2).await,
        call(&idem, Cow::Borrowed("text"), 2).await,
        call(&idem, std::sync::Arc::<str>::from("text"), 2).await,
    ] {
        assert_eq!(kind.unwrap(), (1, Kind::Replayed));
    }
}

#[tokio::test]
async fn key_of_another_type_or_a_grown_tuple__another_key() {
    let idem = Idem::new(MokaStore::new());
    call(&idem, 7, 1).await.unwrap();
    call(&idem, (7, "a"), 1).await.unwrap();
    for other in [
        call(&idem, "7", 2).await,
        call(&idem, '7', 2).await,
        call(&idem, (7,), 2).await,
        call(&idem, ("a", 7), 2).await,
        call(&idem, (7, "a", 0), 2).await,
        call(&idem, hash(&7), 2).await,
    ] {
        assert_eq!(other.unwrap(), (2, Kind::Executed));
    }
    assert_eq!(call(&idem, 7, 3).await.unwrap(), (1, Kind::Replayed));
}

#[tokio::test]
async fn fingerprint_added_or_removed__same_request() {
    let idem = Idem::new(MokaStore::new());
    let op = || idem.operation(NAME);
    let run = |op: idem::OperationBuilder| async move {
        let answer: Answer<u8> = op.run(ready(Ok(1))).await;
        answer.unwrap().kind()
    };
    assert_eq!(run(op().key("added")).await, Kind::Executed);
    assert_eq!(run(op().key("added").fingerprint("f")).await, Kind::Replayed);
    assert_eq!(run(op().key("removed").fingerprint("f")).await, Kind::Executed);
    assert_eq!(run(op().key("removed")).await, Kind::Replayed);
}

#[tokio::test]
async fn fields_of_the_fingerprinted_value_changed__key_reused() {
    #[derive(Serialize)]
    struct Old {
        cents: u64,
    }
    #[derive(Serialize)]
    struct New {
        cents: u64,
        currency: &'static str,
    }
    let idem = Idem::new(MokaStore::new());
    let op = || idem.operation(NAME).key(1);
    let run = |op: idem::OperationBuilder| async move {
        let answer: Answer<u8> = op.run(ready(Ok(1))).await;
        answer
    };
    run(op().fingerprint(&Old { cents: 5 })).await.unwrap();
    assert!(matches!(
        refusal(run(op().fingerprint(&New { cents: 5, currency: "EUR" })).await),
        Error::KeyReused { .. }
    ));
    assert_eq!(run(op().fingerprint(&Old { cents: 5 })).await.unwrap().kind(), Kind::Replayed);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Old {
    id: u8,
    note: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct FieldRemoved {
    id: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct FieldAdded {
    id: u8,
    note: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct FieldRequired {
    id: u8,
    note: String,
    amount: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct FieldOfAnotherType {
    id: String,
    note: String,
}

#[tokio::test]
async fn fields_of_the_result_removed_or_defaulted__replays_and_anything_else__decode() {
    for codec in [Codec::Json, Codec::MessagePack] {
        let idem = Idem::builder(MokaStore::new()).codec(codec).build().unwrap();
        let old = || Old { id: 7, note: "n".into() };
        call(&idem, 1, old()).await.unwrap();
        assert_eq!(call(&idem, 1, FieldRemoved { id: 0 }).await.unwrap(), (FieldRemoved { id: 7 }, Kind::Replayed));
        let added = |id, note: &str| FieldAdded { id, note: note.into(), tags: vec![] };
        assert_eq!(call(&idem, 1, added(0, "")).await.unwrap(), (added(7, "n"), Kind::Replayed));
        let required = || FieldRequired { id: 7, note: "n".into(), amount: 1 };
        assert!(matches!(call(&idem, 1, required()).await, Err(Error::Decode { .. })));
        let other = FieldOfAnotherType { id: String::new(), note: String::new() };
        assert!(matches!(call(&idem, 1, other).await, Err(Error::Decode { .. })));
        assert_eq!(call(&idem, 1, old()).await.unwrap(), (old(), Kind::Replayed), "untouched");
        assert!(idem.operation(NAME).key(1).resolve(&required()).await.unwrap());
        assert_eq!(call(&idem, 1, required()).await.unwrap(), (required(), Kind::Replayed), "mended");
    }
}

#[tokio::test]
async fn codec_switched__old_records_are_read() {
    let store = MokaStore::new();
    let json = Idem::new(store.clone());
    let messagepack = Idem::builder(store).codec(Codec::MessagePack).build().unwrap();
    call(&json, "json", 1.5).await.unwrap();
    call(&messagepack, "messagepack", 2.5).await.unwrap();
    for idem in [&json, &messagepack] {
        assert_eq!(call(idem, "json", 0.0).await.unwrap(), (1.5, Kind::Replayed));
        assert_eq!(call(idem, "messagepack", 0.0).await.unwrap(), (2.5, Kind::Replayed));
    }
}

/// The record itself stands in `cas.rs`; this is its result.
#[tokio::test]
async fn result_newer_than_this_build__decode_and_untouched() {
    use idem::{Claim, Completion, Ending, Key, Owner, Payload, Store};
    let store = MokaStore::new();
    let idem = Idem::new(store.clone());
    for (n, bytes) in [
        &b"\x02\x01\x00checksum1"[..],
        b"\x01\x01\x00another1",
        b"\x01\x09\x001",
        b"\x01\x01\x007 7",
        b"\x01\x02\x00\x07\x07",
        b"\x01\xff sealed",
        b"",
        b"\x01",
    ]
    .into_iter()
    .enumerate()
    {
        let (key, owner) = (Key::new("", NAME, &n).unwrap(), Owner::random());
        store.claim(&key, &Claim::new(owner, crate::support::LEASE, crate::support::TTL)).await.unwrap();
        let newer = Ending::Completed(Completion::Result(Payload::from_bytes(bytes)));
        store.finish(&key, &idem::Finish::new(owner, newer)).await.unwrap();
        let record = store.load(&key).await.unwrap();
        for _ in 0..2 {
            assert!(matches!(call(&idem, n, 7_u8).await, Err(Error::Decode { .. })));
        }
        assert_eq!(store.load(&key).await.unwrap(), record);
        assert!(idem.operation(NAME).key(n).resolve(&7_u8).await.unwrap());
        assert_eq!(call(&idem, n, 0_u8).await.unwrap(), (7, Kind::Replayed));
    }
}
