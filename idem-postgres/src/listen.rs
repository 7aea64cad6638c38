//! Hints for [`Store::changed`](idem_core::Store::changed): one connection that listens, opened when the first call waits.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use idem_core::KeyedNotify;
use tokio::task::AbortHandle;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Config, NoTls, Socket};

use crate::connect::{Tls, CONNECT_TIMEOUT};
use crate::error::PgError;

/// The pause before a lost connection is opened again. Waiting calls go on asking the store meanwhile.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// The listening connection and the calls that wait for its notifications.
#[derive(Debug)]
pub(crate) struct Listener {
    config: Config,
    tls: Tls,
    channel: String,
    /// By record id in hexadecimal digits, as the notifications carry it.
    waiters: KeyedNotify<String>,
    task: Mutex<Option<AbortHandle>>,
}

impl Listener {
    pub(crate) fn new(config: Config, tls: Tls, channel: String) -> Arc<Self> {
        Arc::new(Self { config, tls, channel, waiters: KeyedNotify::new(), task: Mutex::default() })
    }

    /// Waits for a notification of a record.
    pub(crate) async fn wait(&self, id: String) {
        // Register first: the task ends when it reconnects and sees no waiter.
        let mut waiter = self.waiters.waiter(id);
        self.listen();
        waiter.notified().await;
    }

    /// Starts the task that listens, unless it runs. Outside of a tokio runtime there are no hints.
    fn listen(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (config, tls, waiters) = (self.config.clone(), self.tls.clone(), self.waiters.clone());
        let statement = format!("LISTEN \"{}\"", self.channel);
        let listen = async move {
            loop {
                let _ = listen_once(&config, &tls, &statement, &waiters).await;
                // Notifications are lost until the next LISTEN, so waiting calls ask the store.
                waiters.notify_all();
                tokio::time::sleep(RECONNECT_PAUSE).await;
                if waiters.is_empty() {
                    return;
                }
            }
        };
        *task = Some(runtime.spawn(listen).abort_handle());
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

/// Connects and passes notifications on until the connection is lost.
async fn listen_once(
    config: &Config,
    tls: &Tls,
    statement: &str,
    waiters: &KeyedNotify<String>,
) -> Result<(), PgError> {
    match tls {
        #[cfg(feature = "tls")]
        Tls::Rustls(tls) => {
            let connector = tokio_postgres_rustls::MakeRustlsConnect::new((**tls).clone());
            listen_with(connector, config, statement, waiters).await
        }
        Tls::None => listen_with(NoTls, config, statement, waiters).await,
    }
}

async fn listen_with<T>(tls: T, config: &Config, statement: &str, waiters: &KeyedNotify<String>) -> Result<(), PgError>
where
    T: MakeTlsConnect<Socket>,
    T::TlsConnect: TlsConnect<Socket>,
{
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, config.connect(tls)).await;
    let connected = connecting.map_err(|elapsed| PgError::Connect(elapsed.into()))?;
    let (client, mut connection) = connected.map_err(|error| crate::backend::connect_error(&error))?;
    let receive = async {
        loop {
            match poll_fn(|cx| connection.poll_message(cx)).await {
                Some(Ok(AsyncMessage::Notification(notification))) => waiters.notify(notification.payload()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
        }
    };
    let subscribe = async {
        if client.batch_execute(statement).await.is_ok() {
            // Notifications before the LISTEN were not received, so waiting calls ask the store.
            waiters.notify_all();
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = receive => {}
        () = subscribe => {}
    }
    Ok(())
}
