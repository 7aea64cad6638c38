//! A cluster: a verb goes to the master that holds its key; a list goes from one master to the next.

use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{cmd, Cmd, FromRedisValue, Pipeline, RedisError, Value};

use super::{Failure, Node};

/// The client follows redirections and sends lost commands again. A verb may be sent twice, but the client reports the result
/// of the last attempt only.
fn failure(error: RedisError) -> Failure {
    Failure { error, sent: true, resent: true }
}

pub(super) async fn send(connection: &ClusterConnection, command: &Cmd) -> Result<Value, Failure> {
    use redis::aio::ConnectionLike;
    connection.clone().req_packed_command(command).await.and_then(Value::extract_error).map_err(failure)
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
    connection.clone().route_pipeline(commands.clone(), 0, commands.len(), routing).await.map_err(failure)
}

pub(super) async fn nodes(connection: &ClusterConnection) -> Result<Vec<Node>, Failure> {
    let mut command = cmd("CLUSTER");
    command.arg("SLOTS");
    let routing = RoutingInfo::SingleNode(SingleNodeRoutingInfo::RandomPrimary);
    let answer = connection.clone().route_command(command, routing).await.and_then(Value::extract_error);
    let ranges = answer.and_then(|answer| Ok(Vec::<Vec<Value>>::from_redis_value(answer)?)).map_err(failure)?;
    // Each range is its first slot, its last slot, its master and the master's replicas.
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
