//! A store's settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::{Client, IntoConnectionInfo};

use crate::error::Error;
use crate::link::{tcp_settings, Connection, Connector, Failure, Link, Reconnecting, ServerConnector};
use crate::look::{look, Demands, Found};
use crate::store::{Inner, RedisStore};
use crate::subscriptions::Subscriptions;

const PREFIX: &[u8] = b"idem:";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Configures a [`RedisStore`].
#[derive(Clone)]
pub struct RedisStoreBuilder {
    prefix: Vec<u8>,
    push: bool,
    subscribe_at: Vec<String>,
    demands: Demands,
    connect_timeout: Duration,
    #[cfg(feature = "tls")]
    root_certificate: Option<Vec<u8>>,
}

impl Default for RedisStoreBuilder {
    fn default() -> Self {
        Self {
            prefix: PREFIX.to_vec(),
            push: true,
            subscribe_at: Vec::new(),
            demands: Demands::default(),
            connect_timeout: CONNECT_TIMEOUT,
            #[cfg(feature = "tls")]
            root_certificate: None,
        }
    }
}

impl RedisStoreBuilder {
    /// The prefix of all records' names, and of the channels for [`push`](Self::push). Stores with different prefixes share
    /// nothing. A prefix with `{` and `}` puts all records of a cluster into one slot. Default: `idem:`.
    #[must_use]
    pub fn key_prefix(mut self, prefix: impl Into<Vec<u8>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Whether the store publishes outcomes, so that waiting calls of other processes are woken at once and not at their next
    /// request to the store (10 to 500 ms later). It costs one `PUBLISH` per outcome, and one more connection in a process whose
    /// calls wait; the first waiting call opens it. Without permission for the channels only the notifications are missing.
    /// Default: yes.
    #[must_use]
    pub const fn push(mut self, push: bool) -> Self {
        self.push = push;
        self
    }

    /// The server at which [`from_connection`](Self::from_connection) subscribes, because the service's connection cannot. Use
    /// any server of a cluster. Default: none; the store then publishes outcomes and receives no notifications.
    #[must_use]
    pub fn subscribe_at(mut self, url: impl Into<String>) -> Self {
        self.subscribe_at.push(url.into());
        self
    }

    /// Accepts a server that evicts (`maxmemory-policy` is not `noeviction`), with a warning: the server may delete leases and
    /// records, and their keys then run again. Default: the store refuses such a server.
    #[must_use]
    pub const fn allow_eviction(mut self) -> Self {
        self.demands.allow_eviction = true;
        self
    }

    /// Refuses a server without append-only file: its crash loses leases and records, and their keys then run again. Default: a
    /// warning.
    #[must_use]
    pub const fn require_persistence(mut self) -> Self {
        self.demands.require_persistence = true;
        self
    }

    /// How long one attempt to connect may take, including the login. Default: 2 s.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The certificate, as PEM, of the authority that signed the server's certificate. Default: the authorities that the host
    /// trusts.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificate = Some(pem.into());
        self
    }

    /// Connects to one server, such as `redis://user:password@host:6379/0`; `rediss://` with the feature `tls`. The next verb
    /// opens a lost connection again. The verb whose connection was lost fails; the store does not send it again.
    ///
    /// # Errors
    /// [`Error`] if the store cannot connect, or if the server must not keep records: it is too old, a replica, or evicts.
    pub async fn connect(self, url: &str) -> Result<RedisStore, Error> {
        let connector: Arc<dyn Connector> =
            Arc::new(ServerConnector::new(vec![self.client(url)?], self.connect_timeout));
        let link = Link::Reconnecting(Arc::new(Reconnecting::new(connector.clone())));
        self.build(link, Some(connector)).await
    }

    /// Connects to a cluster, by the addresses of some of its servers. After a redirection or a lost connection the client sends
    /// a verb again, up to three times within six seconds.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), for each of its masters.
    #[cfg(feature = "cluster")]
    pub async fn connect_cluster<U: AsRef<str>>(self, urls: impl IntoIterator<Item = U>) -> Result<RedisStore, Error> {
        let urls: Vec<String> = urls.into_iter().map(|url| url.as_ref().to_owned()).collect();
        let clients = urls.iter().map(|url| self.client(url)).collect::<Result<Vec<_>, Error>>()?;
        let cluster = redis::cluster::ClusterClient::builder(urls)
            .retries(3)
            .min_retry_wait(20)
            .max_retry_wait(500)
            .connection_timeout(self.connect_timeout)
            .response_timeout(Duration::from_secs(3))
            .overall_response_timeout(Some(Duration::from_secs(6)))
            .tcp_settings(tcp_settings());
        #[cfg(feature = "tls")]
        let cluster = match &self.root_certificate {
            Some(pem) => cluster.certs(redis::TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) }),
            None => cluster,
        };
        let connection = async { cluster.build()?.get_async_connection().await };
        let connection = connection.await.map_err(|error| Error::of(&Failure::unsent(error)))?;
        let connector: Arc<dyn Connector> = Arc::new(ServerConnector::new(clients, self.connect_timeout));
        self.build(Link::Cluster(connection), Some(connector)).await
    }

    /// Connects to the master that the sentinels name, and to the next one after a failover.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    #[cfg(feature = "sentinel")]
    pub async fn connect_sentinel(self, sentinels: redis::sentinel::SentinelClient) -> Result<RedisStore, Error> {
        let connector: Arc<dyn Connector> =
            Arc::new(crate::link::SentinelConnector::new(sentinels, self.connect_timeout));
        let link = Link::Reconnecting(Arc::new(Reconnecting::new(connector.clone())));
        self.build(link, Some(connector)).await
    }

    /// Uses the service's connection, with its time-outs: a `ConnectionManager` waits half a second for an answer by default.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn from_connection(self, connection: impl Into<Connection>) -> Result<RedisStore, Error> {
        let clients = self.subscribe_at.iter().map(|url| self.client(url)).collect::<Result<Vec<_>, Error>>()?;
        let connector = (!clients.is_empty())
            .then(|| Arc::new(ServerConnector::new(clients, self.connect_timeout)) as Arc<dyn Connector>);
        self.build(connection.into().0, connector).await
    }

    async fn build(self, link: Link, connector: Option<Arc<dyn Connector>>) -> Result<RedisStore, Error> {
        let found = look(&link, self.demands).await?;
        let subscriptions = self.push.then(|| Subscriptions::new(connector));
        let Found { warnings, limit } = found;
        Ok(RedisStore::new(Inner { link, prefix: self.prefix, limit, warnings, subscriptions }))
    }

    fn client(&self, url: &str) -> Result<Client, Error> {
        let unusable = |error| Error::of(&Failure::unsent(error));
        let info = url.into_connection_info().map_err(unusable)?.set_tcp_settings(tcp_settings());
        #[cfg(feature = "tls")]
        if let Some(pem) = &self.root_certificate {
            let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) };
            return Client::build_with_tls(info, certificates).map_err(unusable);
        }
        Client::open(info).map_err(unusable)
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("key_prefix", &String::from_utf8_lossy(&self.prefix))
            .field("push", &self.push)
            .field("demands", &self.demands)
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}
