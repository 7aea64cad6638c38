//! A cluster: verbs go to the master that has their key, lists from one to the next.

use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{cmd, Cmd, FromRedisValue, Pipeline, RedisError, Value};

use super::{Failure, Node};

/// The client follows redirections and sends again what was lost. Verbs can be sent again; but only the last sending's end is
/// told.
fn failed(error: RedisError) -> Failure {
    Failure { error, sent: true, resent: true }
}

pub(super) async fn send(connection: &ClusterConnection, command: &Cmd) -> Result<Value, Failure> {
    use redis::aio::ConnectionLike;
    connection.clone().req_packed_command(command).await.and_then(Value::extract_error).map_err(failed)
}

pub(super) async fn send_all(
    connection: &ClusterConnection,
    commands: &Pipeline,
    node: &Node,
) -> Result<Vec<Value>, Failure> {
    let routing = match &node.0 {
        Some((host, port)) => SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port },
        None => SingleNodeRoutingInfo::RandomPrimary,
    };
    connection.clone().route_pipeline(commands.clone(), 0, commands.len(), routing).await.map_err(failed)
}

pub(super) async fn nodes(connection: &ClusterConnection) -> Result<Vec<Node>, Failure> {
    let mut command = cmd("CLUSTER");
    command.arg("SLOTS");
    let routing = RoutingInfo::SingleNode(SingleNodeRoutingInfo::RandomPrimary);
    let answer = connection.clone().route_command(command, routing).await.and_then(Value::extract_error);
    let ranges = answer.and_then(|answer| Ok(Vec::<Vec<Value>>::from_redis_value(answer)?)).map_err(failed)?;
    // Of each range: where it begins, where it ends, its master, and that one's replicas.
    let mut nodes: Vec<Node> = ranges.into_iter().filter_map(|range| master(range.into_iter().nth(2)?)).collect();
    nodes.sort();
    nodes.dedup();
    Ok(nodes)
}

fn master(node: Value) -> Option<Node> {
    let mut parts = Vec::<Value>::from_redis_value(node).ok()?.into_iter();
    let host = String::from_redis_value(parts.next()?).ok()?;
    let port = u16::from_redis_value(parts.next()?).ok()?;
    Some(Node(Some((host, port))))
}
