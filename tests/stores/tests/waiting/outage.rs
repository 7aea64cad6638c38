//! A server that is killed and started again: calls go on asking it meanwhile.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use idem::{Idem, Kind, Store};
use idem_postgres::PgStore;
use idem_redis::RedisStore;
use idem_test_servers::{Postgres, Redis};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// A server of the test's own, which keeps its records when it is killed.
#[derive(Clone)]
enum Server {
    Redis(Arc<Redis>),
    Postgres(Arc<Postgres>),
}

impl Server {
    fn redis() -> Self {
        Self::Redis(Arc::new(Redis::builder().config("appendonly yes").config("appendfsync always").start()))
    }

    fn postgres() -> Self {
        Self::Postgres(Arc::new(Postgres::start()))
    }

    async fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Redis(server) => Arc::new(RedisStore::connect(&server.url()).await.unwrap()),
            Self::Postgres(server) => Arc::new(PgStore::connect(&server.url()).await.unwrap()),
        }
    }

    /// The server is away for a second and a half while `meanwhile` begins. Returns when the server is back.
    async fn restarts<T: Send + 'static>(&self, meanwhile: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        let server = self.clone();
        let change = move |start: bool| match (&server, start) {
            (Self::Redis(server), false) => server.kill(),
            (Self::Redis(server), true) => server.restart(),
            (Self::Postgres(server), false) => server.kill(),
            (Self::Postgres(server), true) => server.restart(),
        };
        let change = Arc::new(change);
        let kill = Arc::clone(&change);
        tokio::task::spawn_blocking(move || kill(false)).await.unwrap();
        let meanwhile = tokio::spawn(meanwhile);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(!meanwhile.is_finished(), "it waits for the server");
        tokio::task::spawn_blocking(move || change(true)).await.unwrap();
        meanwhile
    }
}

async fn charge(idem: Idem, value: u64) -> (u64, Kind) {
    let outcome = idem.operation("charge").key(1).run(async { Ok::<_, ()>(value) }).await.unwrap();
    let kind = outcome.kind();
    (outcome.into_inner(), kind)
}

async fn a_new_call_runs(server: Server) {
    let idem = Idem::new(server.store().await);
    let call = server.restarts(charge(idem.clone(), 1)).await;
    assert_eq!(call.await.unwrap(), (1, Kind::Executed));
    assert_eq!(charge(idem, 2).await, (1, Kind::Replayed));
}

async fn a_waiting_call_gets_the_result(server: Server) {
    let (owning, waiting) = (Idem::new(server.store().await), Idem::new(server.store().await));
    let (begun, end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let owner = tokio::spawn({
        let (begun, end) = (Arc::clone(&begun), Arc::clone(&end));
        async move {
            let body = async {
                begun.add_permits(1);
                end.acquire().await.unwrap().forget();
                Ok::<_, ()>(1_u64)
            };
            owning.operation("charge").key(1).run(body).await.unwrap().kind()
        }
    });
    begun.acquire().await.unwrap().forget();
    let waits = tokio::spawn(charge(waiting, 2));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let waits = server.restarts(async { waits.await.unwrap() }).await;
    end.add_permits(1);
    assert_eq!(waits.await.unwrap(), (1, Kind::Attached));
    assert_eq!(owner.await.unwrap(), Kind::Executed);
}

async fn a_call_that_fails_open_replays(server: Server) {
    let idem = Idem::builder(server.store().await).fail_open().build().unwrap();
    assert_eq!(charge(idem.clone(), 1).await, (1, Kind::Executed));
    let again = server.restarts(charge(idem.clone(), 2)).await;
    assert_eq!((again.await.unwrap(), idem.unguarded()), ((1, Kind::Replayed), 0));
}

macro_rules! during_a_restart {
    ($($name:ident),*) => {$(
        mod $name {
            use super::Server;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn redis() {
                super::$name(Server::redis()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$name(Server::postgres()).await;
            }
        }
    )*};
}

during_a_restart!(a_new_call_runs, a_waiting_call_gets_the_result, a_call_that_fails_open_replays);
