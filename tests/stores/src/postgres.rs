//! One PostgreSQL server for all rows.

use std::sync::OnceLock;

use idem_postgres::PgStore;
use idem_test_servers::Postgres;
use idem_testing::Clock;
use tokio_postgres::{Client, NoTls};

use crate::timed::{apart, Timed, START};
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
    apart(client.batch_execute("DELETE FROM idem.records")).expect("emptied");
    (Timed::new(store.clone(), clock, |now| server.set_clock(now)), turn)
}

fn start() -> Server {
    let server = Postgres::builder().clock(START).start();
    let url = server.url();
    let (store, client) = apart(async {
        let store = PgStore::connect(&url).await.expect("a store");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        (store, client)
    });
    Server { server, store, client }
}
