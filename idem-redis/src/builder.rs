//! How a store is made.

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
    /// What the names of all records begin with, and those of the channels for [`push`](Self::push). Stores with different
    /// prefixes share nothing. A prefix with `{` and `}` puts a cluster's records all into one slot. Default: `idem:`.
    #[must_use]
    pub fn key_prefix(mut self, prefix: impl Into<Vec<u8>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Whether endings are published, so that those who wait in other processes hear of them at once and not at their next
    /// question (10 to 500 ms). It costs one `PUBLISH` an ending, and in a process that waits one more connection, made when
    /// somebody first waits. A missing permission for the channels costs the hint and nothing else. Default: yes.
    #[must_use]
    pub const fn push(mut self, push: bool) -> Self {
        self.push = push;
        self
    }

    /// Where [`from_connection`](Self::from_connection) listens to what is published: a connection of the service's cannot. Any
    /// server of a cluster will do. Default: nowhere, so that endings are published and not heard here.
    #[must_use]
    pub fn subscribe_at(mut self, url: impl Into<String>) -> Self {
        self.subscribe_at.push(url.into());
        self
    }

    /// Takes a server that evicts (`maxmemory-policy` is not `noeviction`), with a warning: it may throw away live locks and
    /// records, whose keys then run again. Default: refused.
    #[must_use]
    pub const fn allow_eviction(mut self) -> Self {
        self.demands.allow_eviction = true;
        self
    }

    /// Refuses a server without append-only file: one that crashes forgets locks and records, whose keys then run again. Default:
    /// a warning.
    #[must_use]
    pub const fn require_persistence(mut self) -> Self {
        self.demands.require_persistence = true;
        self
    }

    /// How long one attempt to connect may take, password and all. Default: 2 s.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The certificate, as PEM, of the authority that signed the server's. Default: those that the host trusts.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificate = Some(pem.into());
        self
    }

    /// Connects to one server, such as `redis://user:password@host:6379/0`; `rediss://` with the feature `tls`. A connection
    /// that is lost is made again when it is next needed; a verb fails then, or is refused at once, and is not sent again by
    /// the store.
    ///
    /// # Errors
    /// [`Error`] when there is no connection to be had, or the server is one that must not keep records: too old, a replica, one
    /// that evicts.
    pub async fn connect(self, url: &str) -> Result<RedisStore, Error> {
        let connector: Arc<dyn Connector> =
            Arc::new(ServerConnector::new(vec![self.client(url)?], self.connect_timeout));
        let link = Link::Reconnecting(Arc::new(Reconnecting::new(connector.clone())));
        self.build(link, Some(connector)).await
    }

    /// Connects to a cluster, by the addresses of some of its servers. Verbs that meet a redirection or a lost connection are
    /// sent again up to three times, within six seconds.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), of any of its masters.
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

    /// Uses a connection that the service has already. Its own time-outs apply: a `ConnectionManager`'s default is half a second
    /// for an answer.
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
