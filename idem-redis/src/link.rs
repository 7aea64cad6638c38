//! The connections over which a store sends its scripts.

#[cfg(feature = "cluster")]
mod cluster;
mod connector;
mod reconnecting;

use std::fmt;
use std::sync::Arc;

use redis::aio::ConnectionManager;
use redis::{Cmd, Pipeline, RedisError, Value};

#[cfg(feature = "sentinel")]
pub(crate) use connector::SentinelConnector;
pub(crate) use connector::{tcp_settings, Connector, ServerConnector};
pub(crate) use reconnecting::Reconnecting;

/// A verb that the server did not answer, or refused.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: RedisError,
    /// Whether the verb may have reached the server.
    pub(crate) sent: bool,
    /// Whether the client may have sent the verb several times. Then `error` is the answer to the last attempt only.
    pub(crate) resent: bool,
}

impl Failure {
    pub(crate) fn unsent(error: RedisError) -> Self {
        Self { error, sent: false, resent: false }
    }

    pub(crate) fn sent(error: RedisError) -> Self {
        Self { error, sent: true, resent: false }
    }
}

/// A connection that the service already has, for [`RedisStore::from_connection`](crate::RedisStore::from_connection).
#[derive(Clone)]
pub struct Connection(pub(crate) Link);

/// The connection to one server or to a cluster.
#[derive(Clone)]
pub(crate) enum Link {
    /// The store's own connection.
    Reconnecting(Arc<Reconnecting>),
    /// The service's connection.
    Managed(ConnectionManager),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

/// A server of a cluster; `None` without a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node(pub(crate) Option<(String, u16)>);

impl From<ConnectionManager> for Connection {
    fn from(manager: ConnectionManager) -> Self {
        Self(Link::Managed(manager))
    }
}

#[cfg(feature = "cluster")]
impl From<redis::cluster_async::ClusterConnection> for Connection {
    fn from(cluster: redis::cluster_async::ClusterConnection) -> Self {
        Self(Link::Cluster(cluster))
    }
}

impl Link {
    /// Sends a command to the server that has its key.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, Failure> {
        match self {
            Self::Reconnecting(connection) => connection.send(command).await,
            Self::Managed(manager) => {
                let mut manager = manager.clone();
                manager.send_packed_command(command).await.and_then(Value::extract_error).map_err(Failure::sent)
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => cluster::send(connection, command).await,
        }
    }

    /// Sends several commands to one server. The answers include the errors of refused commands.
    pub(crate) async fn send_all(&self, commands: &Pipeline, node: &Node) -> Result<Vec<Value>, Failure> {
        let count = commands.len();
        #[cfg(not(feature = "cluster"))]
        let Node(_only_one) = node;
        match self {
            Self::Reconnecting(connection) => connection.send_all(commands).await,
            Self::Managed(manager) => {
                let mut manager = manager.clone();
                manager.send_packed_commands(commands, 0, count).await.map_err(Failure::sent)
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => cluster::send_all(connection, commands, node).await,
        }
    }

    /// The servers that hold records, in a stable order.
    pub(crate) async fn nodes(&self) -> Result<Vec<Node>, Failure> {
        match self {
            Self::Reconnecting(_) | Self::Managed(_) => Ok(vec![Node::default()]),
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => cluster::nodes(connection).await,
        }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        !matches!(self, Self::Reconnecting(_) | Self::Managed(_))
    }
}

impl fmt::Debug for Link {
    /// Without the address, which may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reconnecting(_) => "Reconnecting",
            Self::Managed(_) => "Managed",
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => "Cluster",
        })
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.0).finish()
    }
}
