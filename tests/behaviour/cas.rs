//! A store made of compare and set: what stands under a key and is no record of this build.

use idem::{CasStore, ConditionalStore, Error, Idem, Key, Kind, Store};
use idem_testing::Clock;

use crate::support::{refusal, value, Answer, Versions};

async fn call(idem: &Idem, text: &str) -> Answer<String> {
    idem.operation("op").key("k").run(async { Ok(text.to_owned()) }).await
}

#[tokio::test(start_paused = true)]
async fn a_record_newer_than_this_build_is_decode_and_stays_as_it_is() {
    let key = Key::new("", "op", "k").unwrap();
    let versions = std::sync::Arc::new(Versions::new(Clock::new()));
    let store = CasStore::new(versions.clone());
    let idem = Idem::new(store.clone());
    let open = Idem::builder(store.clone()).fail_open().build().unwrap();
    assert_eq!(value(call(&idem, "honest").await), ("honest".into(), Kind::Executed));
    assert_eq!(value(call(&idem, "no").await), ("honest".into(), Kind::Replayed));
    let honest = versions.get(&key).await.unwrap().0.unwrap();
    for foreign in [&b"\x02 of a later version"[..], b"", b"not ours", &honest.0[..40]] {
        let version = versions.get(&key).await.unwrap().0.map(|(_, version)| version);
        assert!(versions.put_if_version(&key, version.as_ref(), foreign, crate::support::TTL).await.unwrap());
        for idem in [&idem, &open] {
            assert!(matches!(refusal(call(idem, "no").await), Error::Decode { .. }));
            assert!(matches!(idem.operation("op").key("k").inspect().await, Err(Error::Decode { .. })));
            assert!(matches!(idem.operation("op").key("k").forget().await, Err(Error::Decode { .. })));
        }
        assert_eq!(versions.get(&key).await.unwrap().0.unwrap().0, foreign);
        assert!(store.load(&key).await.unwrap_err().is_unreadable());
    }
    let version = versions.get(&key).await.unwrap().0.map(|(_, version)| version);
    assert!(versions.put_if_version(&key, version.as_ref(), &honest.0, crate::support::TTL).await.unwrap());
    assert_eq!(value(call(&idem, "no").await), ("honest".into(), Kind::Replayed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_claims_at_once_one_is_granted() {
    let store = CasStore::new(std::sync::Arc::new(Versions::new(Clock::new())));
    let calls: Vec<_> = (0..64)
        .map(|n| {
            let idem = Idem::new(store.clone());
            tokio::spawn(async move { value(call(&idem, &n.to_string()).await) })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|(_, kind)| *kind == Kind::Executed).count(), 1);
    assert!(answers.iter().all(|(text, _)| *text == answers[0].0));
}

/// Never agrees, and never waits.
#[derive(Debug)]
struct Stubborn;

#[async_trait::async_trait]
impl ConditionalStore for Stubborn {
    type Version = u64;

    async fn get(&self, _: &Key) -> Result<(Option<(Vec<u8>, u64)>, idem::Timestamp), idem::StoreError> {
        Ok((None, idem::Timestamp::from_micros(1)))
    }

    async fn put_if_version(
        &self,
        _: &Key,
        _: Option<&u64>,
        _: &[u8],
        _: std::time::Duration,
    ) -> Result<bool, idem::StoreError> {
        Ok(false)
    }
}

#[tokio::test]
async fn a_backend_that_never_agrees_is_given_up_after_the_stores_time_out() {
    let timeout = std::time::Duration::from_millis(50);
    let idem = Idem::builder(CasStore::new(Stubborn)).store_timeout(timeout).build().unwrap();
    assert!(matches!(refusal(call(&idem, "no").await), Error::Store { .. }));
}
