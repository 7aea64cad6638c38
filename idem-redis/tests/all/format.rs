//! The stored format, frozen; and that nothing foreign is overwritten.

use std::time::Duration;

use idem_core::{
    Claim, Completion, Ending, Fingerprint, Finish, Key, List, Owner, SaveStep, Settle, Settlement, State, Store,
};
use idem_redis::{Error, Unreadable};
use idem_test_servers::Redis;

use crate::support::{builder, claim, completed, granted, key, prefix, replayed, step, why};

const GOLDEN: &str = include_str!("../golden/records.v1");

fn owner(n: u8) -> Owner {
    Owner::from_bytes([n; 16])
}

fn request(n: u8) -> Claim {
    Claim::new(owner(n), Duration::from_secs(15), Duration::from_secs(86_400))
        .fingerprint(Some(Fingerprint::from_bytes([9; 32])))
}

/// A connection to look behind the store.
async fn raw() -> redis::aio::MultiplexedConnection {
    redis::Client::open(Redis::shared().url()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

async fn get(name: &[u8]) -> Vec<u8> {
    redis::cmd("GET").arg(name).query_async(&mut raw().await).await.unwrap()
}

async fn set(name: &[u8], value: &[u8]) {
    redis::cmd("SET").arg(name).arg(value).query_async(&mut raw().await).await.unwrap()
}

/// With the server's times in it replaced by a sign.
fn timeless(value: &[u8]) -> String {
    let text = value.escape_ascii().to_string();
    let field = |field: &str| match field.split_once('=') {
        Some((name @ ("fence" | "expires" | "since" | "until"), time)) if time != "0" => format!("{name}=#"),
        _ => field.to_owned(),
    };
    text.split(' ').map(field).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn records_are_written_as_version_1_wrote_them() {
    let prefix = prefix();
    let store = builder().key_prefix(&*prefix).connect(&Redis::shared().url()).await.unwrap();
    let name = |key: &Key| [prefix.as_bytes(), key.as_bytes()].concat();
    let mut seen = Vec::new();
    let mut see = async |what: &str, key: &Key| seen.push(format!("{what}: {}", timeless(&get(&name(key)).await)));

    let (first, second) = (key("first"), key("second"));
    granted(&store, &first, &request(1)).await;
    see("running", &first).await;
    store.save_step(&first, &SaveStep::new(owner(1), 0, step("reserve", b"\x01\x01\x00\"seat\""))).await.unwrap();
    see("running, a step finished", &first).await;
    store.finish(&first, &Finish::new(owner(1), Ending::Unknown)).await.unwrap();
    see("unknown", &first).await;
    granted(&store, &first, &request(2).at_most_once(true).reconciling(true)).await;
    see("taken over, at most once", &first).await;
    store.finish(&first, &Finish::new(owner(2), completed(b"\x01\x01\x00{\"id\":1}"))).await.unwrap();
    see("completed", &first).await;
    granted(&store, &second, &Claim::new(owner(3), Duration::from_secs(15), Duration::from_secs(60))).await;
    see("running, without a fingerprint", &second).await;
    store.finish(&second, &Finish::new(owner(3), Ending::Failed)).await.unwrap();
    see("failed", &second).await;
    store.finish(&second, &Finish::new(owner(3), Ending::Completed(Completion::Unreplayable))).await.unwrap();
    see("unreplayable", &second).await;
    let record = store.load(&second).await.unwrap().unwrap();
    store.settle(&second, &Settle::new(&record, owner(4), Settlement::Forgotten)).await.unwrap();
    see("forgotten", &second).await;

    let seen = seen.join("\n") + "\n";
    if std::env::var_os("IDEM_GOLDEN").is_some_and(|told| told == "write") {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/records.v1"), &seen).unwrap();
    }
    assert_eq!(seen, GOLDEN);
}

#[tokio::test]
async fn records_of_version_1_are_read_and_gone_on_with() {
    let prefix = prefix();
    let store = builder().key_prefix(&*prefix).connect(&Redis::shared().url()).await.unwrap();
    let name = |key: &Key| [prefix.as_bytes(), key.as_bytes()].concat();
    let value = b"idem1 completed owner=02020202020202020202020202020202 fence=1764163000000000 attempt=2 flags=mb \
        lease=15000000 ttl=86400000000 expires=9000000000000000 since=0 until=0 \
        fp=0909090909090909090909090909090909090909090909090909090909090909 steps=0:0\n\x01\x01\x00{\"id\":1}";
    let done = key("done");
    set(&name(&done), value).await;
    let record = store.load(&done).await.unwrap().unwrap();
    assert_eq!((record.owner, record.fence, record.attempt), (owner(2), 1_764_163_000_000_000, 2));
    assert_eq!(record.fingerprint, Some(Fingerprint::from_bytes([9; 32])));
    assert_eq!((record.at_most_once, record.set_at_most_once), (true, true));
    assert_eq!((record.after_unknown, record.set_fingerprint), (false, false));
    assert_eq!((record.lease, record.ttl), (Duration::from_secs(15), Duration::from_secs(86_400)));
    assert_eq!(record.expires_at.as_micros(), 9_000_000_000_000_000);
    assert_eq!(replayed(&store, &done).await, b"\x01\x01\x00{\"id\":1}");
    let running = key("running");
    let text = b"idem1 running owner=01010101010101010101010101010101 fence=7 attempt=1 flags=fbu lease=15000000 \
        ttl=60000000 expires=9000000000000000 since=1764163000000000 until=8000000000000000 fp=- steps=1:17\n\
        \0\0\0\x07reserve\0\0\0\x02ok";
    set(&name(&running), text).await;
    let record = store.load(&running).await.unwrap().unwrap();
    let State::Running { since, lease_until, .. } = record.state else { panic!("{record:?}") };
    assert_eq!((since.as_micros(), lease_until.as_micros()), (1_764_163_000_000_000, 8_000_000_000_000_000));
    assert_eq!(record.steps.iter().collect::<Vec<_>>(), [step("reserve", b"ok")]);
    assert!(record.after_unknown);
    store.finish(&running, &Finish::new(owner(1), completed(b"late"))).await.unwrap();
    assert_eq!(replayed(&store, &running).await, b"late");
}

#[tokio::test]
async fn what_is_no_record_of_ours_is_left_as_it_is() {
    let prefix = prefix();
    let store = builder().key_prefix(&*prefix).connect(&Redis::shared().url()).await.unwrap();
    let (right, mine) = (key("right"), owner(1));
    granted(&store, &right, &request(1)).await;
    let name = |key: &Key| [prefix.as_bytes(), key.as_bytes()].concat();
    let whole = get(&name(&right)).await;
    let text = String::from_utf8(whole.clone()).unwrap();
    let cases: Vec<(Vec<u8>, Unreadable)> = vec![
        (b"hello".to_vec(), Unreadable::Foreign),
        (b"".to_vec(), Unreadable::Foreign),
        (vec![0xff; 600], Unreadable::Foreign),
        (text.replace("idem1", "idem2").into_bytes(), Unreadable::Newer),
        (text.replace("lease=", "lease=x").into_bytes(), Unreadable::Damaged),
        (text.replace("flags=", "flags=q").into_bytes(), Unreadable::Damaged),
        (text.replace("steps=0:0", "steps=1:4").into_bytes(), Unreadable::Damaged),
        ([&*whole, b"more"].concat(), Unreadable::Damaged),
        (text.replace("steps=0:0\n", "steps=1:6\n\0\0\0\x09ab").into_bytes(), Unreadable::Damaged),
        (text.replace("running", "sleeping").into_bytes(), Unreadable::Damaged),
    ];
    for (n, (value, right)) in cases.into_iter().enumerate() {
        let key = key(&format!("wrong {n}"));
        set(&name(&key), &value).await;
        let record = store.load(&self::key("right")).await.unwrap().unwrap();
        let settle = Settle::new(&record, owner(5), Settlement::Failed);
        let errors = [
            store.claim(&key, &request(1)).await.unwrap_err(),
            store.renew(&key, mine).await.unwrap_err(),
            store.finish(&key, &Finish::new(mine, completed(b"x"))).await.unwrap_err(),
            store.save_step(&key, &SaveStep::new(mine, 0, step("s", b""))).await.unwrap_err(),
            store.settle(&key, &settle).await.unwrap_err(),
            store.load(&key).await.unwrap_err(),
        ];
        for error in errors {
            assert!(error.is_unreadable() && !error.is_retryable(), "{error:?}");
            assert!(matches!(why(&error), Error::Unreadable(what) if what == right), "{error:?} for {right:?}");
        }
        assert_eq!(get(&name(&key)).await, value);
    }
    let hash = key("hash");
    let () = redis::cmd("HSET").arg(name(&hash)).arg("f").arg("v").query_async(&mut raw().await).await.unwrap();
    let error = store.claim(&hash, &claim()).await.unwrap_err();
    assert!(error.is_unreadable() && matches!(why(&error), Error::Unreadable(Unreadable::Type)), "{error:?}");
    assert!(store.finish(&hash, &Finish::new(mine, completed(b"x"))).await.unwrap_err().is_unreadable());
    let left: String = redis::cmd("HGET").arg(name(&hash)).arg("f").query_async(&mut raw().await).await.unwrap();
    assert_eq!(left, "v");
    // An operator sees them, beside the one that is right.
    let mut records = std::collections::HashMap::new();
    let mut after = None;
    loop {
        let page = store.list(&List::new(right.scope()).after(after)).await.unwrap();
        records.extend(page.records.into_iter().map(|listed| (listed.key, listed.record)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(records.values().filter(|record| record.is_ok()).count(), 1);
    assert_eq!(records.len(), 12);
}
