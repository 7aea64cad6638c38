//! How a connection is made.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::{socket2::TcpKeepalive, TcpSettings};
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult};

/// Connects to the current master.
#[async_trait]
pub(crate) trait Connector: Send + Sync + 'static {
    async fn client(&self) -> RedisResult<Client>;

    /// How long one attempt may take.
    fn timeout(&self) -> Duration;

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        // The caller limits how long an answer may take.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connect = async { self.client().await?.get_multiplexed_async_connection_with_config(&config).await };
        within(self.timeout(), connect).await
    }

    async fn subscribe(&self) -> RedisResult<PubSub> {
        within(self.timeout(), async { self.client().await?.get_async_pubsub().await }).await
    }
}

async fn within<T>(limit: Duration, attempt: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let timed_out = |_| Err(RedisError::from(io::Error::from(io::ErrorKind::TimedOut)));
    tokio::time::timeout(limit, attempt).await.unwrap_or_else(timed_out)
}

/// Connects to these servers in turn.
pub(crate) struct ServerConnector {
    clients: Vec<Client>,
    next: AtomicUsize,
    timeout: Duration,
}

impl ServerConnector {
    pub(crate) fn new(clients: Vec<Client>, timeout: Duration) -> Self {
        Self { clients, next: AtomicUsize::new(0), timeout }
    }
}

#[async_trait]
impl Connector for ServerConnector {
    async fn client(&self) -> RedisResult<Client> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let client = self.clients.get(next % self.clients.len().max(1));
        client.cloned().ok_or_else(|| (redis::ErrorKind::InvalidClientConfig, "no address").into())
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}

/// Connects to the master that the sentinels name.
#[cfg(feature = "sentinel")]
pub(crate) struct SentinelConnector {
    sentinel: tokio::sync::Mutex<redis::sentinel::SentinelClient>,
    timeout: Duration,
}

#[cfg(feature = "sentinel")]
impl SentinelConnector {
    pub(crate) fn new(client: redis::sentinel::SentinelClient, timeout: Duration) -> Self {
        Self { sentinel: tokio::sync::Mutex::new(client), timeout }
    }
}

#[cfg(feature = "sentinel")]
#[async_trait]
impl Connector for SentinelConnector {
    async fn client(&self) -> RedisResult<Client> {
        self.sentinel.lock().await.async_get_client().await
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}

/// Settings by which the operating system closes a connection about ten seconds after its other end has vanished.
pub(crate) fn tcp_settings() -> TcpSettings {
    const UNANSWERED: Duration = Duration::from_secs(5);
    let keepalive = TcpKeepalive::new().with_time(UNANSWERED);
    #[cfg(not(any(target_os = "openbsd", target_os = "redox", target_os = "solaris")))]
    let keepalive = keepalive.with_interval(Duration::from_secs(1));
    #[cfg(not(any(target_os = "openbsd", target_os = "redox", target_os = "solaris", target_os = "windows")))]
    let keepalive = keepalive.with_retries(3);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(UNANSWERED);
    settings
}
