//! The errors of the store.

use std::io;
use std::sync::Arc;

use idem_core::StoreError;
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::link::Failure;

/// Why a request to Redis failed, and what to do: the source of each [`StoreError`] of a [`RedisStore`](crate::RedisStore), and
/// the error of connecting.
///
/// It never contains a key, a password or an address with one.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store cannot connect.
    #[error("cannot connect to Redis ({0}): check the address, and that the server runs")]
    Unreachable(#[source] Arc<io::Error>),
    /// The connection ended before the answer came.
    #[error("the connection to Redis was lost before its answer came ({0})")]
    Lost(#[source] Arc<io::Error>),
    /// The address is invalid.
    #[error("this is no address of Redis: it should read redis://[user:password@]host[:port][/database]")]
    Address,
    /// The address needs TLS, or a certificate was given, and this build has no TLS.
    #[error("the address asks for TLS (rediss://): switch on the feature `tls` of idem-redis")]
    NoTls,
    /// TLS failed: the certificates do not match, or one is missing.
    #[error("no TLS connection to Redis ({0}): check its certificate, and the authority that signed it")]
    Tls(#[source] Arc<io::Error>),
    /// User or password is wrong or missing.
    #[error("Redis does not take the user or password: check those in the address")]
    Credentials,
    /// The Redis user lacks a permission.
    #[error(
        "the Redis user lacks a permission: it needs ~<prefix>* &<prefix>* +eval +evalsha +get +set +time +publish \
         +subscribe +unsubscribe +info +scan +ping"
    )]
    Permission,
    /// The server is a replica and refuses writes.
    #[error("this Redis is a read-only replica: connect to the master, or through Sentinel or the cluster")]
    ReadOnly,
    /// The server's memory is full, and it evicts nothing.
    #[error("the memory of Redis is full: raise maxmemory, or shorten the TTLs")]
    Full,
    /// The server cannot write to its disk and therefore refuses writes.
    #[error("Redis cannot write to its disk and refuses writes (MISCONF): see its log")]
    Disk,
    /// The server cannot answer for a while.
    #[error("Redis cannot answer just now ({code})")]
    Busy {
        /// The server's error code, such as `LOADING` or `CLUSTERDOWN`.
        code: String,
    },
    /// The result is larger than the server's limit.
    #[error("{bytes} bytes are more than Redis takes at once ({limit}): raise proto-max-bulk-len, or record less")]
    TooLarge {
        /// The size of the result.
        bytes: usize,
        /// The server's limit.
        limit: usize,
    },
    /// This version cannot read what the key holds, and does not change it.
    #[error("under the key there is {0}; it is left as it is")]
    Unreadable(Unreadable),
    /// The server is too old.
    #[error("Redis {version} is too old: 6.2 is needed, or any Valkey")]
    TooOld {
        /// Its version.
        version: String,
    },
    /// The server is a 32-bit build, and the scripts need 64 bits.
    #[error("this Redis is a 32-bit build, which cannot count microseconds: use a 64-bit one")]
    TooNarrow,
    /// The server may delete leases and records.
    #[error(
        "Redis would evict live locks and records when its memory is full (maxmemory-policy {policy}): set it to \
         noeviction, or say `allow_eviction()`"
    )]
    Evicts {
        /// Its `maxmemory-policy`.
        policy: String,
    },
    /// A crash of the server loses its records.
    #[error(
        "Redis keeps no append-only file, so a crash forgets locks and records: set appendonly yes, or leave out \
         `require_persistence()`"
    )]
    Forgets,
    /// The server is a node of a cluster, and this connection knows only one node.
    #[error("this Redis is a node of a cluster: use `connect_cluster`, with the feature `cluster`")]
    Cluster,
    /// This version does not know the server's answer.
    #[error("Redis gave an answer that this version of idem-redis does not know{}", code_of(.code))]
    Answer {
        /// The error code, if the answer was an error.
        code: Option<String>,
    },
}

/// What a key holds that this version cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// A value of another type, such as a hash.
    #[error("a value of another type than string")]
    Type,
    /// A string that is not a record.
    #[error("a value that is no record of idem's")]
    Foreign,
    /// A record of a newer version.
    #[error("a record of a newer version of idem-redis")]
    Newer,
    /// A record that was cut short or changed.
    #[error("a damaged record")]
    Damaged,
}

fn code_of(code: &Option<String>) -> String {
    code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default()
}

/// Whether a failed verb may have been applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    NotApplied,
    Unknown,
    Refused,
}

impl Error {
    pub(crate) fn unreadable(what: Unreadable) -> StoreError {
        StoreError::unreadable(Self::Unreadable(what))
    }

    pub(crate) fn answer() -> Self {
        Self::Answer { code: None }
    }

    /// The error of a failed request.
    pub(crate) fn of(failure: &Failure) -> Self {
        classify(failure).0
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        let (error, fate) = classify(&failure);
        match (error, fate) {
            (Error::Unreadable(what), _) => Error::unreadable(what),
            (error, Fate::NotApplied) => Self::not_applied(error),
            (error, Fate::Unknown) => Self::unknown(error),
            (error, Fate::Refused) => Self::refused(error),
        }
    }
}

fn classify(failure: &Failure) -> (Error, Fate) {
    let error = &failure.error;
    match error.kind() {
        // A server with too many clients answers the login with that error; the client reports it as a failed login.
        ErrorKind::AuthenticationFailed if !failure.sent => (Error::Credentials, Fate::NotApplied),
        ErrorKind::AuthenticationFailed => (Error::Credentials, Fate::Refused),
        ErrorKind::InvalidClientConfig if error.to_string().contains("TLS") => (Error::NoTls, Fate::Refused),
        ErrorKind::InvalidClientConfig => (Error::Address, Fate::Refused),
        ErrorKind::Server(_) | ErrorKind::Extension => classify_answer(error, failure.resent),
        ErrorKind::MasterNameNotFoundBySentinel => {
            (Error::Unreachable(Arc::new(io::Error::other("the sentinels know no such master"))), Fate::NotApplied)
        }
        ErrorKind::ClusterConnectionNotFound => (unreachable_because(error), unsent(failure)),
        _ if !failure.sent => match io_kind(error) {
            Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
                (Error::Tls(Arc::new(io::Error::other(error.to_string()))), Fate::Refused)
            }
            _ => (unreachable_because(error), Fate::NotApplied),
        },
        ErrorKind::Io if error.is_connection_refusal() => (unreachable_because(error), unsent(failure)),
        ErrorKind::Io => (Error::Lost(io_error(error)), Fate::Unknown),
        _ => (Error::answer(), Fate::Unknown),
    }
}

/// The fate of a verb whose last attempt was not sent. An earlier attempt may have been applied.
fn unsent(failure: &Failure) -> Fate {
    if failure.resent {
        Fate::Unknown
    } else {
        Fate::NotApplied
    }
}

/// Classifies an error answer of the server.
fn classify_answer(error: &RedisError, resent: bool) -> (Error, Fate) {
    let code = error.code().unwrap_or("ERR").to_owned();
    let detail = error.detail().unwrap_or_default();
    let busy = |code| (Error::Busy { code }, if resent { Fate::Unknown } else { Fate::NotApplied });
    match (code.as_str(), error.kind()) {
        ("NOAUTH" | "WRONGPASS", _) => (Error::Credentials, Fate::Refused),
        (_, ErrorKind::Server(ServerErrorKind::NoPerm)) => (Error::Permission, Fate::Refused),
        ("OOM", _) => (Error::Full, Fate::Refused),
        ("MISCONF", _) => (Error::Disk, Fate::Refused),
        ("WRONGTYPE", _) => (Error::Unreadable(Unreadable::Type), Fate::Refused),
        // A former master during a failover: the next connection goes to the new one.
        ("READONLY", _) => (Error::ReadOnly, if resent { Fate::Unknown } else { Fate::NotApplied }),
        (
            "LOADING" | "BUSY" | "CLUSTERDOWN" | "MASTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" | "NOREPLICAS"
            | "NOSCRIPT",
            _,
        ) => busy(code),
        // The server has no free connection.
        ("ERR", _) if detail.contains("max number of clients") => busy("max number of clients".to_owned()),
        // A script's commands are refused with an error of their own.
        ("ERR", _) if detail.contains("The user executing the script") => (Error::Permission, Fate::Refused),
        ("ERR", _) if detail.contains("OOM command not allowed") => (Error::Full, Fate::Refused),
        _ => (Error::Answer { code: Some(code) }, Fate::Refused),
    }
}

fn unreachable_because(error: &RedisError) -> Error {
    Error::Unreachable(io_error(error))
}

/// The operating system's error, which contains no secret.
fn io_error(error: &RedisError) -> Arc<io::Error> {
    let kind = io_kind(error).unwrap_or(io::ErrorKind::Other);
    Arc::new(io::Error::new(kind, error.to_string()))
}

fn io_kind(error: &RedisError) -> Option<io::ErrorKind> {
    type Shared = Arc<dyn std::error::Error + Send + Sync>;
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<Shared>()?.downcast_ref::<io::Error>().map(io::Error::kind)
}
