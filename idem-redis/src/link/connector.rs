//! How a connection is made.

use std::time::Duration;

use async_trait::async_trait;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::{socket2::TcpKeepalive, TcpSettings};
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult};

/// Makes connections to whoever is the master now.
#[async_trait]
pub(crate) trait Dial: Send + Sync + 'static {
    async fn client(&self) -> RedisResult<Client>;

    /// How long one attempt may take.
    fn timeout(&self) -> Duration;

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        // No limit on answers: whoever asks sets one.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connect = async { self.client().await?.get_multiplexed_async_connection_with_config(&config).await };
        within(self.timeout(), connect).await
    }

    async fn subscribe(&self) -> RedisResult<PubSub> {
        within(self.timeout(), async { self.client().await?.get_async_pubsub().await }).await
    }
}

async fn within<T>(limit: Duration, attempt: impl std::future::Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let timed_out = |_| Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)));
    tokio::time::timeout(limit, attempt).await.unwrap_or_else(timed_out)
}

/// To one of these, in turn.
pub(crate) struct ToServers {
    clients: Vec<Client>,
    turn: std::sync::atomic::AtomicUsize,
    timeout: Duration,
}

impl ToServers {
    pub(crate) fn new(clients: Vec<Client>, timeout: Duration) -> Self {
        Self { clients, turn: std::sync::atomic::AtomicUsize::new(0), timeout }
    }
}

#[async_trait]
impl Dial for ToServers {
    async fn client(&self) -> RedisResult<Client> {
        let turn = self.turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let client = self.clients.get(turn % self.clients.len().max(1));
        client.cloned().ok_or_else(|| (redis::ErrorKind::InvalidClientConfig, "no address").into())
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}

/// To the master that the sentinels name.
#[cfg(feature = "sentinel")]
pub(crate) struct BySentinel {
    sentinel: tokio::sync::Mutex<redis::sentinel::SentinelClient>,
    timeout: Duration,
}

#[cfg(feature = "sentinel")]
impl BySentinel {
    pub(crate) fn new(client: redis::sentinel::SentinelClient, timeout: Duration) -> Self {
        Self { sentinel: tokio::sync::Mutex::new(client), timeout }
    }
}

#[cfg(feature = "sentinel")]
#[async_trait]
impl Dial for BySentinel {
    async fn client(&self) -> RedisResult<Client> {
        self.sentinel.lock().await.async_get_client().await
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}

/// A connection whose other end has vanished is given up within some ten seconds.
pub(crate) fn settings() -> TcpSettings {
    const PATIENCE: Duration = Duration::from_secs(5);
    let keepalive = TcpKeepalive::new().with_time(PATIENCE);
    #[cfg(not(any(target_os = "openbsd", target_os = "redox", target_os = "solaris")))]
    let keepalive = keepalive.with_interval(Duration::from_secs(1));
    #[cfg(not(any(target_os = "openbsd", target_os = "redox", target_os = "solaris", target_os = "windows")))]
    let keepalive = keepalive.with_retries(3);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(PATIENCE);
    settings
}
