//! News from the server: a connection that listens, made when somebody first waits.

use std::future::{poll_fn, Future};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use crate::hints::Hints;
use tokio::task::AbortHandle;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Config, NoTls, Socket};

use crate::connect::{Tls, CONNECT};
use crate::error::PgError;

/// How long to wait before a lost connection is made again. Whoever waits for news asks meanwhile all the same.
const AGAIN: Duration = Duration::from_secs(1);

/// Where news comes from.
#[derive(Debug)]
pub(crate) struct Listener {
    config: Config,
    tls: Tls,
    channel: String,
    hints: Hints,
    task: Mutex<Option<AbortHandle>>,
}

impl Listener {
    pub(crate) fn new(config: Config, tls: Tls, channel: String) -> Arc<Self> {
        Arc::new(Self { config, tls, channel, hints: Hints::default(), task: Mutex::default() })
    }

    /// Waits for news of a record.
    pub(crate) async fn wait(&self, id: &str) {
        self.listen();
        self.hints.wait(id.as_bytes()).await;
    }

    fn listen(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (config, tls, hints) = (self.config.clone(), self.tls.clone(), self.hints.clone());
        let listen = format!("LISTEN \"{}\"", self.channel);
        let listening = async move {
            // Once nobody waits a lost connection is not made again.
            loop {
                let _ = connected(&config, &tls, &listen, &hints).await;
                hints.news_of_all();
                tokio::time::sleep(AGAIN).await;
                if hints.is_empty() {
                    return;
                }
            }
        };
        *task = Some(runtime.spawn(listening).abort_handle());
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

async fn connected(config: &Config, tls: &Tls, listen: &str, hints: &Hints) -> Result<(), PgError> {
    match tls {
        #[cfg(feature = "tls")]
        Tls::Rustls(tls) => {
            let connector = tokio_postgres_rustls::MakeRustlsConnect::new((**tls).clone());
            listening(config, connector, listen, hints).await
        }
        Tls::None => listening(config, NoTls, listen, hints).await,
    }
}

/// Hands news on until the connection is lost.
async fn listening<T>(config: &Config, tls: T, listen: &str, hints: &Hints) -> Result<(), PgError>
where
    T: MakeTlsConnect<Socket>,
    T::TlsConnect: TlsConnect<Socket>,
{
    let connecting = tokio::time::timeout(CONNECT, config.connect(tls)).await;
    let connection = connecting.map_err(|elapsed| PgError::Connect(elapsed.into()))?;
    let (client, mut connection) = connection.map_err(|error| crate::backend::not_connected(&error))?;
    let messages = async {
        loop {
            match poll_fn(|cx| connection.poll_message(cx)).await {
                Some(Ok(AsyncMessage::Notification(news))) => hints.news(news.payload().as_bytes()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
        }
    };
    let kept = async {
        // What came before this is heard of by asking.
        if client.batch_execute(listen).await.is_ok() {
            hints.news_of_all();
            std::future::pending::<()>().await;
        }
    };
    let (mut messages, mut kept) = (pin!(messages), pin!(kept));
    poll_fn(|cx| match (messages.as_mut().poll(cx), kept.as_mut().poll(cx)) {
        (Poll::Pending, Poll::Pending) => Poll::Pending,
        _ => Poll::Ready(()),
    })
    .await;
    Ok(())
}
