//! The connections that a store sends its scripts over.

#[cfg(feature = "cluster")]
mod cluster;
mod dial;
mod dialed;

use std::fmt;
use std::sync::Arc;

use redis::aio::ConnectionManager;
use redis::{Cmd, Pipeline, RedisError, Value};

#[cfg(feature = "sentinel")]
pub(crate) use dial::BySentinel;
pub(crate) use dial::{settings, Dial, ToServers};
pub(crate) use dialed::Dialed;

/// A verb that got no answer, or a refusal.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: RedisError,
    /// Whether it may have reached the server.
    pub(crate) sent: bool,
    /// Whether the client sends again silently, so that this is what became of the last sending.
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

/// A connection that the service has already, for [`RedisStore::from_connection`](crate::RedisStore::from_connection).
#[derive(Clone)]
pub struct Connection(pub(crate) Link);

/// What commands go through.
#[derive(Clone)]
pub(crate) enum Link {
    /// A connection of the store's own.
    Dialed(Arc<Dialed>),
    /// The service's.
    Managed(ConnectionManager),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

/// A server of a cluster; nothing where there is one only.
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
            Self::Dialed(dialed) => dialed.send(command).await,
            Self::Managed(manager) => {
                let mut manager = manager.clone();
                manager.send_packed_command(command).await.and_then(Value::extract_error).map_err(Failure::sent)
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => cluster::send(connection, command).await,
        }
    }

    /// Sends several commands to one server; a refusal is among the answers.
    pub(crate) async fn send_all(&self, commands: &Pipeline, node: &Node) -> Result<Vec<Value>, Failure> {
        let count = commands.len();
        #[cfg(not(feature = "cluster"))]
        let Node(_one) = node;
        match self {
            Self::Dialed(dialed) => dialed.send_all(commands).await,
            Self::Managed(manager) => {
                let mut manager = manager.clone();
                manager.send_packed_commands(commands, 0, count).await.map_err(Failure::sent)
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => cluster::send_all(connection, commands, node).await,
        }
    }

    /// The servers that have records, in an order that stays.
    pub(crate) async fn nodes(&self) -> Result<Vec<Node>, Failure> {
        match self {
            Self::Dialed(_) | Self::Managed(_) => Ok(vec![Node::default()]),
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => cluster::nodes(connection).await,
        }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        !matches!(self, Self::Dialed(_) | Self::Managed(_))
    }
}

impl fmt::Debug for Link {
    /// Without the address: a password may be part of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dialed(_) => "Dialed",
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
