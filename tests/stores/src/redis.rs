//! One Redis server for all rows.

use std::sync::OnceLock;

use idem_redis::RedisStore;
use idem_test_servers::Redis;
use idem_testing::Clock;

use crate::timed::{apart, Timed, START};
use crate::turn::{Turn, Turns};

static TURNS: Turns = Turns::new();

pub(crate) fn store(clock: Clock) -> (Timed, Turn) {
    static SERVER: OnceLock<(Redis, RedisStore)> = OnceLock::new();
    let turn = TURNS.take();
    let (server, store) = SERVER.get_or_init(|| {
        let server = Redis::builder().clock(START).start();
        let url = server.url();
        let store = apart(async { RedisStore::connect(&url).await.expect("a store") });
        (server, store)
    });
    server.cli(&["FLUSHALL"]);
    (Timed::new(store.clone(), clock, |now| server.set_clock(now)), turn)
}
