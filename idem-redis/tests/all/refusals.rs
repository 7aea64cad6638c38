//! What a server that cannot or must not says, and what it is taken for.

use idem_core::{Applied, Finish, Store};
use idem_redis::{Error, RedisStore};
use idem_test_servers::{Mode, Proxy, Redis};

use crate::support::{at, builder, claim, completed, granted, key, replayed, why};

fn text(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text += &format!(" {error} {error:?}");
        source = error.source();
    }
    text
}

#[tokio::test]
async fn a_wrong_address() {
    let refused = RedisStore::connect("redis://127.0.0.1:1").await.unwrap_err();
    assert!(matches!(refused, Error::Unreachable(_)) && refused.to_string().contains("refused"), "{refused}");
    let nowhere = RedisStore::connect("redis://no-such-host.invalid").await.unwrap_err();
    assert!(matches!(nowhere, Error::Unreachable(_)), "{nowhere}");
    for url in ["", "http://127.0.0.1", "redis://:geheim@:x"] {
        let error = RedisStore::connect(url).await.unwrap_err();
        assert!(matches!(error, Error::Address), "{url}: {error:?}");
        assert!(!text(&error).contains("geheim"));
    }
}

#[tokio::test]
async fn a_wrong_password() {
    let redis = Redis::builder().password("geheim").start();
    let store = builder().connect(&redis.url()).await.unwrap();
    granted(&store, &key("right"), &claim()).await;
    assert!(!format!("{store:?}").contains("geheim"));
    for url in [redis.url_as("default", "falsch"), format!("redis://127.0.0.1:{}", redis.port())] {
        let error = RedisStore::connect(&url).await.unwrap_err();
        assert!(matches!(error, Error::Credentials), "{error:?}");
        assert!(!text(&error).contains("falsch"));
    }
}

#[tokio::test]
async fn a_password_that_was_changed_is_mended_by_changing_it_back() {
    let redis = Redis::builder().password("geheim").start();
    let store = builder().connect(&redis.url()).await.unwrap();
    let (key, claim) = (key("k"), claim());
    granted(&store, &key, &claim).await;
    assert!(redis.cli(&["CONFIG", "SET", "requirepass", "anders"]).contains("OK"));
    let other = |args: &[&str]| redis.cli(&[&["-a", "anders", "--no-auth-warning"], args].concat());
    other(&["CLIENT", "KILL", "TYPE", "normal"]);
    let lost = store.renew(&key, claim.owner).await.unwrap_err();
    assert_eq!(lost.applied(), Applied::Unknown, "{lost:?}");
    let error = store.renew(&key, claim.owner).await.unwrap_err();
    assert!(matches!(why(&error), Error::Credentials) && error.applied() == Applied::No, "{error:?}");
    assert!(other(&["CONFIG", "SET", "requirepass", "geheim"]).contains("OK"));
    assert_eq!(store.renew(&key, claim.owner).await.unwrap(), idem_core::Ownership::Held);
}

#[tokio::test]
async fn a_missing_permission() {
    // All that the documentation says is needed; and then less.
    let full =
        "on >s ~idem:* &idem:* +eval +evalsha +get +set +pttl +time +publish +subscribe +unsubscribe +info +scan +ping";
    let redis = Redis::builder()
        .user("full", full)
        .user("quiet", "on >s ~idem:* +eval +evalsha +get +set +time")
        .user("reader", "on >s ~idem:* +eval +evalsha +get +time +info")
        .user("elsewhere", "on >s ~app:* +eval +evalsha +get +set +time +info")
        .user("mute", "on >s ~idem:* +info")
        .start();
    let connect = async |user: &str| RedisStore::connect(&redis.url_as(user, "s")).await.unwrap();
    let store = connect("full").await;
    assert_eq!(store.warnings(), []);
    let (done, claimed) = (key("done"), claim());
    granted(&store, &done, &claimed).await;
    store.finish(&done, &Finish::new(claimed.owner, completed(b"done"))).await.unwrap();
    assert_eq!(store.list(&idem_core::List::new(done.scope())).await.unwrap().records.len(), 1);
    // Without INFO and channels it works, says so, and gives no hints.
    let quiet = connect("quiet").await;
    assert_eq!(quiet.warnings(), [idem_redis::Warning::Unchecked]);
    let claimed = claim();
    granted(&quiet, &key("quiet"), &claimed).await;
    quiet.finish(&key("quiet"), &Finish::new(claimed.owner, completed(b"quiet"))).await.unwrap();
    assert_eq!(replayed(&store, &key("quiet")).await, b"quiet");
    for user in ["reader", "elsewhere", "mute"] {
        let error = connect(user).await.claim(&key("secret-part"), &claim()).await.unwrap_err();
        assert!(matches!(why(&error), Error::Permission) && !error.is_retryable(), "{user}: {error:?}");
        assert_eq!(error.applied(), Applied::No);
        assert!(!text(&why(&error)).contains("secret-part"));
    }
    assert_eq!(store.load(&key("secret-part")).await.unwrap(), None);
    assert_eq!(replayed(&connect("reader").await, &done).await, b"done", "who may read replays");
}

#[tokio::test]
async fn a_read_only_replica() {
    let (master, other) = (Redis::start(), Redis::start());
    let store = at(&other.url()).await;
    let (done, claimed) = (key("done"), claim());
    granted(&store, &done, &claimed).await;
    assert_eq!(other.cli(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]), "OK");
    let error = store.claim(&key("new"), &claim()).await.unwrap_err();
    // It may be a failover that goes on: whoever asks again finds the new master.
    assert!(matches!(why(&error), Error::ReadOnly) && error.is_retryable(), "{error:?}");
    assert_eq!(error.applied(), Applied::No);
    assert!(matches!(RedisStore::connect(&other.url()).await.unwrap_err(), Error::ReadOnly));
    assert_eq!(other.cli(&["REPLICAOF", "NO", "ONE"]), "OK");
    granted(&store, &key("new"), &claim()).await;
}

#[tokio::test]
async fn a_full_memory() {
    let redis = Redis::start();
    let store = at(&redis.url()).await;
    let (done, running) = (key("done"), key("running"));
    let (first, second) = (claim(), claim());
    granted(&store, &done, &first).await;
    granted(&store, &running, &second).await;
    store.finish(&done, &Finish::new(first.owner, completed(b"done"))).await.unwrap();
    assert_eq!(redis.cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    let errors = [
        store.claim(&key("new"), &claim()).await.unwrap_err(),
        store.finish(&running, &Finish::new(second.owner, completed(b"late"))).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(why(&error), Error::Full) && !error.is_retryable(), "{error:?}");
        assert_eq!(error.applied(), Applied::No);
    }
    assert_eq!(replayed(&store, &done).await, b"done", "reading goes on, and nothing was evicted");
    assert_eq!(redis.cli(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    store.finish(&running, &Finish::new(second.owner, completed(b"late"))).await.unwrap();
    assert_eq!(replayed(&store, &running).await, b"late");
}

#[tokio::test]
async fn a_disk_that_cannot_be_written() {
    let redis = Redis::builder().config("save 3600 1").config("appendonly no").start();
    let store = at(&redis.url()).await;
    granted(&store, &key("before"), &claim()).await;
    // A directory under the file's name: saving fails, and the server then refuses writes.
    std::fs::create_dir(redis.dir().join("dump.rdb")).unwrap();
    redis.cli(&["BGSAVE"]);
    crate::support::eventually("saving fails", || async {
        redis.cli(&["INFO", "persistence"]).contains("rdb_last_bgsave_status:err")
    })
    .await;
    let error = store.claim(&key("new"), &claim()).await.unwrap_err();
    assert!(matches!(why(&error), Error::Disk) && !error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn a_value_over_the_servers_limit() {
    let redis = Redis::builder().config("proto-max-bulk-len 1mb").start();
    let store = at(&redis.url()).await;
    let (key, claim) = (key("k"), claim());
    granted(&store, &key, &claim).await;
    let error = store.finish(&key, &Finish::new(claim.owner, completed(&[7; 1024 * 1024 + 1]))).await.unwrap_err();
    assert!(matches!(why(&error), Error::TooLarge { bytes: 1_048_577, limit: 1_048_576 }), "{error:?}");
    assert!(!error.is_retryable() && error.applied() == Applied::No);
    store.finish(&key, &Finish::new(claim.owner, completed(&[7; 1024 * 1024]))).await.unwrap();
    assert_eq!(replayed(&store, &key).await.len(), 1024 * 1024);
}

#[tokio::test]
async fn a_server_that_is_busy() {
    let redis = Redis::builder().config("busy-reply-threshold 20").start();
    let store = at(&redis.url()).await;
    let (key, claim) = (key("k"), claim());
    granted(&store, &key, &claim).await;
    let mut raw = redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let endless = tokio::spawn(async move {
        redis::cmd("EVAL").arg("while true do end").arg(0).query_async::<()>(&mut raw).await.unwrap_err()
    });
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let error = loop {
        match store.renew(&key, claim.owner).await {
            Err(error) => break error,
            Ok(_) => assert!(std::time::Instant::now() < until, "it is never busy"),
        }
    };
    assert!(matches!(why(&error), Error::Busy { code } if code == "BUSY"), "{error:?}");
    assert!(error.is_retryable() && error.applied() == Applied::No);
    assert_eq!(redis.cli(&["SCRIPT", "KILL"]), "OK");
    endless.await.unwrap();
    assert_eq!(store.renew(&key, claim.owner).await.unwrap(), idem_core::Ownership::Held);
}

#[tokio::test]
async fn a_refused_connection_was_not_applied_and_a_lost_one_may_have_been() {
    let redis = Redis::shared();
    let proxy = Proxy::start(redis.port());
    let store = at(&proxy.url(&redis.url())).await;
    let (key, claim) = (key("k"), claim());
    granted(&store, &key, &claim).await;
    proxy.set(Mode::Refuse);
    let lost = store.renew(&key, claim.owner).await.unwrap_err();
    assert!(matches!(why(&lost), Error::Lost(_)) && lost.applied() == Applied::Unknown, "{lost:?}");
    let refused = store.renew(&key, claim.owner).await.unwrap_err();
    assert!(matches!(why(&refused), Error::Unreachable(_)) && refused.applied() == Applied::No, "{refused:?}");
    assert!(lost.is_retryable() && refused.is_retryable());
    proxy.set(Mode::Pass);
    assert_eq!(store.renew(&key, claim.owner).await.unwrap(), idem_core::Ownership::Held);
}
