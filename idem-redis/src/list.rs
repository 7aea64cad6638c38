//! Lists records, page by page.

use idem_core::{Cursor, Key, List, Listed, Page, RecordError, StoreError, Timestamp};
use redis::{cmd, pipe, FromRedisValue, Value};

use crate::error::{Error, Unreadable};
use crate::link::{Failure, Link, Node};
use crate::script::stored;

/// How many names Redis scans in one step.
const SCAN_COUNT: usize = 100;
/// The most steps of a page.
const MAX_SCANS: usize = 10;

/// A position in the list: a server and its SCAN cursor.
struct Position {
    node: Node,
    cursor: String,
}

pub(crate) async fn page(link: &Link, prefix: &[u8], list: &List) -> Result<Page, StoreError> {
    let nodes = link.nodes().await.map_err(read_only)?;
    let after = list.after.as_ref().map(|cursor| position(cursor).ok_or_else(|| StoreError::refused(Error::answer())));
    let first = || nodes.first().map(|node| Position { node: node.clone(), cursor: "0".to_owned() });
    let Some(mut position) = after.transpose()?.or_else(first) else {
        return Ok(Page::new(Vec::new(), None));
    };
    let pattern = [&*escaped(prefix), &*escaped(&list.prefix), b"*"].concat();
    let mut names: Vec<Vec<u8>> = Vec::new();
    for _ in 0..MAX_SCANS {
        let mut scan = pipe();
        scan.cmd("SCAN").arg(&position.cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT);
        let answers = link.send_all(&scan, &position.node).await.map_err(read_only)?;
        let answer = answers.into_iter().next().unwrap_or(Value::Nil);
        let (cursor, found) = answer
            .extract_error()
            .and_then(|answer| Ok(<(String, Vec<Vec<u8>>)>::from_redis_value(answer)?))
            .map_err(|error| StoreError::from(Failure::sent(error)))?;
        names.extend(found);
        position.cursor = cursor;
        if position.cursor == "0" || names.len() >= list.limit {
            break;
        }
    }
    let records = read(link, prefix, &position.node, names).await?;
    let next = if position.cursor == "0" {
        let next = nodes.into_iter().find(|node| *node > position.node);
        next.map(|node| Position { node, cursor: "0".to_owned() })
    } else {
        Some(position)
    };
    Ok(Page::new(records, next.as_ref().map(cursor)))
}

/// Reads the records of these names, all of them from one server.
async fn read(link: &Link, prefix: &[u8], node: &Node, names: Vec<Vec<u8>>) -> Result<Vec<Listed>, StoreError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut get = pipe();
    get.add_command(cmd("TIME"));
    names.iter().for_each(|name| {
        get.cmd("GET").arg(name);
    });
    let mut answers = link.send_all(&get, node).await.map_err(read_only)?.into_iter();
    let now = answers.next().and_then(|time| <(u64, u64)>::from_redis_value(time).ok());
    let now = now.map(|(seconds, micros)| Timestamp::from_micros(seconds * 1_000_000 + micros));
    let now = now.ok_or_else(|| StoreError::not_applied(Error::answer()))?;
    let keys = names.iter().map(|name| name.strip_prefix(prefix).and_then(Key::from_bytes));
    let mut records = Vec::new();
    for (key, value) in keys.zip(answers) {
        // Another program may store names under the prefix that are not keys.
        let Some(key) = key else { continue };
        match stored(value) {
            Ok(None) => {}
            Ok(Some(record)) if record.is_expired(now) => {}
            Ok(Some(record)) => records.push(Listed::new(key, Ok(record))),
            Err(Unreadable::Newer) => records.push(Listed::new(key, Err(RecordError::Version(None)))),
            Err(_) => records.push(Listed::new(key, Err(RecordError::Damaged))),
        }
    }
    Ok(records)
}

/// The error of a request that changes nothing.
fn read_only(failure: Failure) -> StoreError {
    StoreError::from(failure)
}

fn cursor(position: &Position) -> Cursor {
    let node = position.node.0.as_ref().map(|(host, port)| format!(" {port} {host}")).unwrap_or_default();
    Cursor::from_bytes(format!("{}{node}", position.cursor))
}

fn position(cursor: &Cursor) -> Option<Position> {
    let text = std::str::from_utf8(cursor.as_bytes()).ok()?;
    let mut parts = text.splitn(3, ' ');
    let cursor = parts.next()?.to_owned();
    let node = match (parts.next(), parts.next()) {
        (Some(port), Some(host)) => Node(Some((host.to_owned(), port.parse().ok()?))),
        _ => Node(None),
    };
    Some(Position { node, cursor })
}

/// A pattern that matches exactly these bytes.
fn escaped(bytes: &[u8]) -> Vec<u8> {
    let special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'^' | b'-');
    bytes.iter().flat_map(|byte| special(byte).then_some(b'\\').into_iter().chain([*byte])).collect()
}
