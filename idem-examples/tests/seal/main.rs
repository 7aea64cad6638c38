//! Sealed results: what is stored cannot be read, moved or forged, and keys can be changed.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod aes_gcm;

use std::future::ready;
use std::time::Duration;

use aes_gcm::AesGcm;
use idem::{
    idempotent, CallError, Claim, Completion, Ending, Error, Finish, Idem, Key, Kind, MokaStore, Owner, Payload, Seal,
    SealError, State, Store,
};

const OLD: (u8, [u8; 32]) = (1, [1; 32]);
const NEW: (u8, [u8; 32]) = (2, [2; 32]);

fn sealed(store: &MokaStore, seal: impl Seal) -> Idem {
    Idem::builder(store.clone()).seal(seal).build().unwrap()
}

async fn call(idem: &Idem, key: u8, value: &str) -> Result<(String, Kind), Error> {
    let answer = idem.operation("op").key(key).run(ready(Ok::<_, ()>(value.to_owned()))).await;
    match answer {
        Ok(outcome) => Ok((outcome.clone().into_inner(), outcome.kind())),
        Err(CallError::Idem(error)) => Err(error),
        Err(CallError::Body(())) => panic!("the body succeeds"),
    }
}

fn key(key: u8) -> Key {
    Key::new("", "op", &key).unwrap()
}

async fn stored(store: &MokaStore, n: u8) -> Vec<u8> {
    match store.load(&key(n)).await.unwrap().unwrap().state {
        State::Completed(Completion::Result(payload)) => payload.as_bytes().to_vec(),
        other => panic!("{other:?}"),
    }
}

/// Puts bytes under a key, as somebody might who can write to the store.
async fn put(store: &MokaStore, n: u8, bytes: &[u8]) {
    let owner = Owner::random();
    let hour = Duration::from_secs(3600);
    store.claim(&key(n), &Claim::new(owner, hour, hour)).await.unwrap();
    let ending = Ending::Completed(Completion::Result(Payload::from_bytes(bytes)));
    store.finish(&key(n), &Finish::new(owner, ending)).await.unwrap();
}

#[tokio::test]
async fn what_is_stored_cannot_be_read_and_is_replayed() {
    let store = MokaStore::new();
    let idem = sealed(&store, AesGcm::new(&[NEW]));
    assert_eq!(call(&idem, 1, "a secret").await.unwrap(), ("a secret".into(), Kind::Executed));
    assert_eq!(call(&idem, 1, "no").await.unwrap(), ("a secret".into(), Kind::Replayed));
    let bytes = stored(&store, 1).await;
    assert!(!bytes.windows(6).any(|window| window == b"secret"));
    call(&idem, 2, "a secret").await.unwrap();
    assert_ne!(stored(&store, 2).await, bytes, "the same result twice does not look the same");
}

#[tokio::test]
async fn a_record_moved_to_another_key_does_not_open() {
    let store = MokaStore::new();
    let idem = sealed(&store, AesGcm::new(&[NEW]));
    call(&idem, 1, "one's").await.unwrap();
    let bytes = stored(&store, 1).await;
    put(&store, 2, &bytes).await;
    assert!(matches!(call(&idem, 2, "no").await, Err(Error::Decode { .. })));
    assert_eq!(call(&idem, 1, "no").await.unwrap().0, "one's");
    for bit in [16, 8 * bytes.len() / 2, 8 * bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        put(&store, bit as u8, &damaged).await;
        assert!(matches!(call(&idem, bit as u8, "no").await, Err(Error::Decode { .. })));
    }
    for cut in [2, 3, 10, bytes.len() - 1] {
        put(&store, 100 + cut as u8, &bytes[..cut]).await;
        assert!(matches!(call(&idem, 100 + cut as u8, "no").await, Err(Error::Decode { .. })));
    }
}

#[tokio::test]
async fn keys_can_be_changed() {
    let store = MokaStore::new();
    let before = sealed(&store, AesGcm::new(&[OLD]));
    let between = sealed(&store, AesGcm::new(&[NEW, OLD]));
    let after = sealed(&store, AesGcm::new(&[NEW]));
    call(&before, 1, "old").await.unwrap();
    call(&between, 2, "new").await.unwrap();
    assert_eq!(call(&between, 1, "no").await.unwrap(), ("old".into(), Kind::Replayed));
    assert_eq!(call(&after, 2, "no").await.unwrap(), ("new".into(), Kind::Replayed));
    assert!(matches!(call(&after, 1, "no").await, Err(Error::Decode { .. })), "never a re-run");
    assert!(matches!(call(&before, 2, "no").await, Err(Error::Decode { .. })));
}

#[tokio::test]
async fn a_seal_begun_or_given_up_under_live_records() {
    let store = MokaStore::new();
    let (plain, sealing) = (Idem::new(store.clone()), sealed(&store, AesGcm::new(&[NEW])));
    call(&plain, 1, "plain").await.unwrap();
    call(&sealing, 2, "sealed").await.unwrap();
    assert_eq!(call(&sealing, 1, "no").await.unwrap(), ("plain".into(), Kind::Replayed));
    assert!(matches!(call(&plain, 2, "no").await, Err(Error::Decode { .. })));
    assert_eq!(call(&sealing, 2, "no").await.unwrap(), ("sealed".into(), Kind::Replayed));
}

#[tokio::test]
async fn operators_and_recorded_errors_are_sealed_too() {
    let store = MokaStore::new();
    let idem = sealed(&store, AesGcm::new(&[NEW]));
    let op = idem.operation("op").key(1).record_err(|_: &String| true);
    let failed = || async {
        match op.run(ready(Err::<u8, _>("a secret failure".to_owned()))).await {
            Err(CallError::Body(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((failed().await, failed().await), ("a secret failure".into(), "a secret failure".into()));
    assert!(!stored(&store, 1).await.windows(6).any(|window| window == b"secret"));
    assert!(idem.operation("op").key(1).resolve(&"a secret".to_owned()).await.unwrap());
    assert!(!stored(&store, 1).await.windows(6).any(|window| window == b"secret"));
    assert_eq!(call(&idem, 1, "no").await.unwrap(), ("a secret".into(), Kind::Replayed));
}

/// What a bad seal does.
#[derive(Debug, Clone, Copy)]
enum Bad {
    Fails,
    Panics,
    CannotOpenItsOwn,
    Loses,
    Swells,
}

impl Seal for Bad {
    fn seal(&self, plain: &[u8], _: &[u8]) -> Result<Vec<u8>, SealError> {
        match self {
            Self::Fails => Err("no key service".into()),
            Self::Panics => panic!("the seal's own"),
            Self::CannotOpenItsOwn => Ok(plain.to_vec()),
            Self::Loses => Ok(plain[..plain.len() - 1].to_vec()),
            Self::Swells => Ok([plain, &[0; 1024 * 1024]].concat()),
        }
    }

    fn open(&self, sealed: &[u8], _: &[u8]) -> Result<Vec<u8>, SealError> {
        match self {
            Self::CannotOpenItsOwn => Err("wrong".into()),
            Self::Swells => Ok(sealed[..sealed.len() - 1024 * 1024].to_vec()),
            _ => Ok(sealed.to_vec()),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_sealed_is_done_and_unreplayable() {
    for bad in [Bad::Fails, Bad::Panics, Bad::CannotOpenItsOwn, Bad::Loses, Bad::Swells] {
        let idem = sealed(&MokaStore::new(), bad);
        assert_eq!(call(&idem, 1, "the caller's").await.unwrap().0, "the caller's", "{bad:?}");
        assert!(matches!(call(&idem, 1, "no").await, Err(Error::Unreplayable { .. })), "{bad:?}");
    }
}

#[idempotent(name = "op", key = id, idem = idem)]
async fn remembered(idem: &Idem, id: u8) -> Result<String, Error> {
    Ok(format!("value {id}"))
}

#[tokio::test]
async fn a_result_at_hand_in_memory_needs_not_be_opened() {
    let store = MokaStore::new();
    let idem = sealed(&store, AesGcm::new(&[NEW]));
    remembered(&idem, 1).await.unwrap();
    assert_eq!(remembered(&idem, 1).await.unwrap(), "value 1");
    assert_eq!(call(&idem, 1, "no").await.unwrap(), ("value 1".into(), Kind::Replayed), "nor does it have to be there");
}
