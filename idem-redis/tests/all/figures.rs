//! Figures for the documentation.

use std::time::{Duration, Instant};

use idem_core::{Fingerprint, Finish, Key, Store};
use idem_redis::RedisStore;
use idem_test_servers::Redis;

use crate::support::{at, claim, completed, granted, info, key};

/// What a receipt is like: 130 bytes, under a key of a UUID's length.
const RESULT: [u8; 130] = [b'x'; 130];

fn order(n: usize) -> Key {
    Key::new("", "payments.charge", &format!("{n:036}")).unwrap()
}

async fn run(store: &RedisStore, key: &Key, print: Option<Fingerprint>) {
    let claim = claim().fingerprint(print);
    granted(store, key, &claim).await;
    store.finish(key, &Finish::new(claim.owner, completed(&RESULT))).await.unwrap();
}

#[tokio::test]
async fn a_record_is_small() {
    let redis = Redis::start();
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    const COUNT: u64 = 5_000;
    for (what, print) in [("without a fingerprint", None), ("with one", Some(Fingerprint::from_bytes([1; 32])))] {
        assert_eq!(redis.cli(&["FLUSHALL"]), "OK");
        let before = info(&redis, "memory", "used_memory");
        for n in 0..COUNT as usize {
            run(&store, &order(n), print).await;
        }
        let each = (info(&redis, "memory", "used_memory") - before) / COUNT;
        let name = redis.cli(&["--raw", "RANDOMKEY"]);
        let usage: u64 = redis
            .cli(&["--raw", "EVAL", "return redis.call('MEMORY', 'USAGE', redis.call('RANDOMKEY'))", "0"])
            .parse()
            .unwrap();
        let length: u64 =
            redis.cli(&["--raw", "EVAL", "return #redis.call('GET', redis.call('RANDOMKEY'))", "0"]).parse().unwrap();
        println!(
            "{what}: a value of {length} bytes, MEMORY USAGE {usage}, {each} bytes of used_memory each, {} a GiB (name of {} bytes)",
            (1 << 30) / each,
            name.len()
        );
        assert!(usage < 600 && each < 700, "{what}: {usage}, {each}");
    }
}

/// One bare script call that moves the same bytes.
async fn bare(connection: &mut redis::aio::MultiplexedConnection, sha: &str, name: &[u8], args: &[&[u8]]) {
    let mut command = redis::cmd("EVALSHA");
    command.arg(sha).arg(1).arg(name);
    args.iter().for_each(|arg| {
        command.arg(*arg);
    });
    let _: redis::Value = command.query_async(connection).await.unwrap();
}

/// `cargo test --release -p idem-redis --test all -- --ignored --nocapture speed`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn speed_beside_bare_scripts_that_move_the_same_bytes() {
    let redis = Redis::start();
    let store = at(&redis.url()).await;
    let mut connection = redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut load = async |script: &str| -> String {
        redis::cmd("SCRIPT").arg("LOAD").arg(script).query_async(&mut connection).await.unwrap()
    };
    let read = load("return { 0, redis.call('GET', KEYS[1]), 0 }").await;
    let write = load("redis.call('SET', KEYS[1], ARGV[1], 'PX', 3600000) return { 1, ARGV[1], 0 }").await;
    let ended = load("redis.call('SET', KEYS[1], ARGV[1], 'PX', 3600000) return 1").await;
    let value = vec![b'x'; 312];
    let done = key("done");
    run(&store, &done, None).await;
    let name = [b"bare:", done.as_bytes()].concat();
    bare(&mut connection, &ended, &name, &[&value]).await;
    const ROUNDS: usize = 21;
    const EACH: u32 = 500;
    let (mut replays, mut bare_reads, mut fresh, mut bare_writes) = (vec![], vec![], vec![], vec![]);
    let mut serial = 0;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..EACH {
            store.claim(&done, &claim()).await.unwrap();
        }
        replays.push(begun.elapsed() / EACH);
        let begun = Instant::now();
        for _ in 0..EACH {
            bare(&mut connection, &read, &name, &[&[b'o'; 32], b"-", b"0", b"0", b"600000000", b"3600000000"]).await;
        }
        bare_reads.push(begun.elapsed() / EACH);
        let begun = Instant::now();
        for _ in 0..EACH {
            serial += 1;
            run(&store, &order(serial), None).await;
        }
        fresh.push(begun.elapsed() / EACH);
        let begun = Instant::now();
        for _ in 0..EACH {
            serial += 1;
            let name = [b"bare:", order(serial).as_bytes()].concat();
            bare(&mut connection, &write, &name, &[&value[..182]]).await;
            bare(&mut connection, &ended, &name, &[&value]).await;
        }
        bare_writes.push(begun.elapsed() / EACH);
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let (replay, bare_read) = (median(&mut replays), median(&mut bare_reads));
    let (fresh, bare_write) = (median(&mut fresh), median(&mut bare_writes));
    let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
    println!("replay {replay:?}, bare {bare_read:?}: {:.2}", ratio(replay, bare_read));
    println!("fresh {fresh:?}, bare {bare_write:?}: {:.2}", ratio(fresh, bare_write));
}
