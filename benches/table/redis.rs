//! Redis, beside bare scripts.

use std::sync::Arc;

use idem::Store;
use idem_benches::report::Report;
use idem_redis::RedisStore;
use idem_test_servers::Redis;
use redis::aio::ConnectionManager;
use tokio::runtime::Runtime;

use crate::remote::{self, Bare, Sample, Setting};

pub(crate) fn run(report: &mut Report) {
    report.part(
        "Redis",
        "A whole call of the annotated function beside bare `EVALSHA`s over the same connection, which do a `GET` or two `SET`s of as \
         many bytes and nothing else; callers have keys of their own. *The store alone* is the verb without the engine.",
    );
    remote::run(report, |runtime| runtime.block_on(OnRedis::start()));
}

pub(crate) struct OnRedis {
    pub(crate) server: Redis,
    pub(crate) manager: ConnectionManager,
    store: Arc<dyn Store>,
    scripts: [String; 3],
}

impl OnRedis {
    pub(crate) async fn start() -> Self {
        // What is appended is not rewritten meanwhile: a fork in some of the rounds.
        let server = Redis::builder().config("auto-aof-rewrite-percentage 0").start();
        let manager = connect(&server).await;
        let store = Arc::new(RedisStore::from_connection(manager.clone()).await.expect("a store"));
        let mut scripts = [String::new(), String::new(), String::new()];
        for (script, text) in scripts.iter_mut().zip([
            "return { 0, redis.call('GET', KEYS[1]), 0 }",
            "redis.call('SET', KEYS[1], ARGV[1], 'PX', 3600000) return { 1, ARGV[1], 0 }",
            "redis.call('SET', KEYS[1], ARGV[1], 'PX', 3600000) return 1",
        ]) {
            let load = redis::cmd("SCRIPT").arg("LOAD").arg(text).query_async(&mut manager.clone()).await;
            *script = load.expect("it loads");
        }
        Self { server, manager, store, scripts }
    }
}

pub(crate) async fn connect(server: &Redis) -> ConnectionManager {
    let client = redis::Client::open(server.url()).expect("a URL");
    client.get_connection_manager().await.expect("it answers")
}

impl Setting for OnRedis {
    type Bare = Scripts;
    const NAME: &'static str = "Redis";
    const BUDGET: Option<f64> = Some(1.15);

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    fn bare(&self, runtime: &Runtime, sample: Sample, keys: u64) -> Scripts {
        let mut manager = self.manager.clone();
        let name = [b"idem:", sample.key.as_bytes()].concat();
        let value: Vec<u8> =
            runtime.block_on(redis::cmd("GET").arg(&name).query_async(&mut manager)).expect("its record");
        let line = value.iter().position(|byte| *byte == b'\n').expect("a line");
        let bare = Scripts {
            manager,
            scripts: self.scripts.clone(),
            width: name.len() - 1,
            // Running it has two times of 16 digits instead of two zeroes.
            running: vec![b'r'; line + 30],
            done: value,
        };
        runtime.block_on(async {
            for id in sample.id..sample.id + keys {
                bare.write(id).await;
            }
        });
        bare
    }
}

/// Bare scripts.
pub(crate) struct Scripts {
    manager: ConnectionManager,
    scripts: [String; 3],
    width: usize,
    running: Vec<u8>,
    done: Vec<u8>,
}

impl Scripts {
    async fn send(&self, script: usize, id: u64, args: &[&[u8]]) -> redis::Value {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.scripts[script]).arg(1).arg(format!("b{id:0>width$}", width = self.width));
        args.iter().for_each(|arg| {
            command.arg(*arg);
        });
        command.query_async(&mut self.manager.clone()).await.expect("an answer")
    }

    async fn write(&self, id: u64) {
        self.send(2, id, &[&self.done]).await;
    }
}

impl Bare for Scripts {
    async fn replay(&self, id: u64) {
        let answer = self.send(0, id, &[&[b'o'; 32], b"-", b"0", b"0", b"15000000", b"86400000000"]).await;
        let redis::Value::Array(parts) = answer else { panic!("{answer:?}") };
        assert!(matches!(&parts[1], redis::Value::BulkString(bytes) if bytes.len() == self.done.len()));
    }

    async fn fresh(&self, id: u64) {
        self.send(1, id, &[&self.running]).await;
        self.write(id).await;
    }
}
