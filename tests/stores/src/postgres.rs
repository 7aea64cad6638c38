//! One PostgreSQL server for all rows.

use std::sync::OnceLock;

use idem_postgres::PgStore;
use idem_test_servers::Postgres;
use idem_testing::Clock;
use tokio_postgres::{Client, NoTls};

use crate::timed::{runtime, Timed};
use crate::turn::{Turn, Turns};

struct Server {
    server: Postgres,
    store: PgStore,
    client: Client,
}

static TURNS: Turns = Turns::new();

pub(crate) fn store(clock: Clock) -> (Timed, Turn) {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let turn = TURNS.take();
    let Server { server, store, client } = SERVER.get_or_init(start);
    apart(|| runtime().block_on(client.batch_execute("DELETE FROM idem.records"))).expect("emptied");
    (Timed::new(store.clone(), clock, |now| server.set_clock(now)), turn)
}

fn start() -> Server {
    let server = Postgres::builder().clock(1_700_000_000_000_000).start();
    let url = server.url();
    let (store, client) = apart(|| {
        runtime().block_on(async {
            let store = PgStore::connect(&url).await.expect("a store");
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
            tokio::spawn(connection);
            (store, client)
        })
    });
    Server { server, store, client }
}

/// On a thread of its own, for a runtime must not wait for another on one.
fn apart<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(run).join().expect("it does not panic"))
}
