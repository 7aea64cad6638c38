//! Why Redis did not do what it was asked to.

use std::io;
use std::sync::Arc;

use idem_core::StoreError;
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::link::Failure;

/// Why Redis did not do what it was asked to, and what mends it: the source of each [`StoreError`] of a
/// [`RedisStore`](crate::RedisStore), and what connecting fails with.
///
/// It never says a key, a password or an address with one.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no connection to be had.
    #[error("cannot connect to Redis ({0}): check the address, and that the server runs")]
    Unreachable(#[source] Arc<io::Error>),
    /// The connection ended before the answer came.
    #[error("the connection to Redis was lost before its answer came ({0})")]
    Lost(#[source] Arc<io::Error>),
    /// The address is none.
    #[error("this is no address of Redis: it should read redis://[user:password@]host[:port][/database]")]
    Address,
    /// The address asks for TLS, or a certificate was given, and this build has none.
    #[error("the address asks for TLS (rediss://): switch on the feature `tls` of idem-redis")]
    NoTls,
    /// The certificates do not go together, or there are none.
    #[error("no TLS connection to Redis ({0}): check its certificate, and the authority that signed it")]
    Tls(#[source] Arc<io::Error>),
    /// User or password is wrong or missing.
    #[error("Redis does not take the user or password: check those in the address")]
    Credentials,
    /// The user may not do what is needed.
    #[error(
        "the Redis user lacks a permission: it needs ~<prefix>* &<prefix>* +eval +evalsha +get +set +time +publish \
         +subscribe +unsubscribe +info +scan +ping"
    )]
    Permission,
    /// The server, or what is left of it, takes no writes: it is a replica.
    #[error("this Redis is a read-only replica: connect to the master, or through Sentinel or the cluster")]
    ReadOnly,
    /// The server has no memory left, and rightly evicts nothing.
    #[error("the memory of Redis is full: raise maxmemory, or shorten the TTLs")]
    Full,
    /// The server cannot write its data to disk, and takes no writes for that.
    #[error("Redis cannot write to its disk and refuses writes (MISCONF): see its log")]
    Disk,
    /// The server is busy with something else for a while.
    #[error("Redis cannot answer just now ({code})")]
    Busy {
        /// What it says, such as `LOADING` or `CLUSTERDOWN`.
        code: String,
    },
    /// Results over this size cannot be stored.
    #[error("{bytes} bytes are more than Redis takes at once ({limit}): raise proto-max-bulk-len, or record less")]
    TooLarge {
        /// How many bytes were to be written.
        bytes: usize,
        /// How many the server takes.
        limit: usize,
    },
    /// What is under the key is left as it is.
    #[error("under the key there is {0}; it is left as it is")]
    Unreadable(Unreadable),
    /// The server is too old.
    #[error("Redis {version} is too old: 6.2 is needed, or any Valkey")]
    TooOld {
        /// Its version.
        version: String,
    },
    /// The server counts in 32 bits, and the scripts need 64.
    #[error("this Redis is a 32-bit build, which cannot count microseconds: use a 64-bit one")]
    TooNarrow,
    /// The server may throw away live locks and records.
    #[error(
        "Redis would evict live locks and records when its memory is full (maxmemory-policy {policy}): set it to \
         noeviction, or say `allow_eviction()`"
    )]
    Evicts {
        /// Its `maxmemory-policy`.
        policy: String,
    },
    /// The server forgets all when it dies.
    #[error(
        "Redis keeps no append-only file, so a crash forgets locks and records: set appendonly yes, or leave out \
         `require_persistence()`"
    )]
    Forgets,
    /// The server is a node of a cluster, and this connection knows of one node only.
    #[error("this Redis is a node of a cluster: use `connect_cluster`, with the feature `cluster`")]
    Cluster,
    /// The server's answer is none that this version knows.
    #[error("Redis gave an answer that this version of idem-redis does not know{}", code_of(.code))]
    Answer {
        /// The code of its error, if it was one.
        code: Option<String>,
    },
}

/// What can be under a key that is no record of this version's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// A value of another type, such as a hash.
    #[error("a value of another type than string")]
    Type,
    /// A string that is no record.
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

/// What a failure means for the verb.
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

    /// What the client says of a failure to connect, or to be answered.
    pub(crate) fn of(failure: &Failure) -> Self {
        judge(failure).0
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        let (error, fate) = judge(&failure);
        match (error, fate) {
            (Error::Unreadable(what), _) => Error::unreadable(what),
            (error, Fate::NotApplied) => Self::not_applied(error),
            (error, Fate::Unknown) => Self::unknown(error),
            (error, Fate::Refused) => Self::refused(error),
        }
    }
}

fn judge(failure: &Failure) -> (Error, Fate) {
    let error = &failure.error;
    match error.kind() {
        // A server with too many clients says so in place of an answer to the password, and the client cannot tell.
        ErrorKind::AuthenticationFailed if !failure.sent => (Error::Credentials, Fate::NotApplied),
        ErrorKind::AuthenticationFailed => (Error::Credentials, Fate::Refused),
        ErrorKind::InvalidClientConfig if error.to_string().contains("TLS") => (Error::NoTls, Fate::Refused),
        ErrorKind::InvalidClientConfig => (Error::Address, Fate::Refused),
        ErrorKind::Server(_) | ErrorKind::Extension => said(error, failure.resent),
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

/// Of a verb that is sent again silently the last sending tells nothing of those before.
fn unsent(failure: &Failure) -> Fate {
    if failure.resent {
        Fate::Unknown
    } else {
        Fate::NotApplied
    }
}

/// What the server said.
fn said(error: &RedisError, resent: bool) -> (Error, Fate) {
    let code = error.code().unwrap_or("ERR").to_owned();
    let detail = error.detail().unwrap_or_default();
    let busy = |code| (Error::Busy { code }, if resent { Fate::Unknown } else { Fate::NotApplied });
    match (code.as_str(), error.kind()) {
        ("NOAUTH" | "WRONGPASS", _) => (Error::Credentials, Fate::Refused),
        (_, ErrorKind::Server(ServerErrorKind::NoPerm)) => (Error::Permission, Fate::Refused),
        ("OOM", _) => (Error::Full, Fate::Refused),
        ("MISCONF", _) => (Error::Disk, Fate::Refused),
        ("WRONGTYPE", _) => (Error::Unreadable(Unreadable::Type), Fate::Refused),
        // A former master during a failover: the next connection finds the new one.
        ("READONLY", _) => (Error::ReadOnly, if resent { Fate::Unknown } else { Fate::NotApplied }),
        (
            "LOADING" | "BUSY" | "CLUSTERDOWN" | "MASTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" | "NOREPLICAS"
            | "NOSCRIPT",
            _,
        ) => busy(code),
        // Over the number of connections, for one.
        ("ERR", _) if detail.contains("max number of clients") => busy("max number of clients".to_owned()),
        // A script's commands are checked one by one, and are not refused as others are.
        ("ERR", _) if detail.contains("The user executing the script") => (Error::Permission, Fate::Refused),
        ("ERR", _) if detail.contains("OOM command not allowed") => (Error::Full, Fate::Refused),
        _ => (Error::Answer { code: Some(code) }, Fate::Refused),
    }
}

fn unreachable_because(error: &RedisError) -> Error {
    Error::Unreachable(io_error(error))
}

/// The operating system's word on it: it has no secrets.
fn io_error(error: &RedisError) -> Arc<io::Error> {
    let kind = io_kind(error).unwrap_or(io::ErrorKind::Other);
    Arc::new(io::Error::new(kind, error.to_string()))
}

fn io_kind(error: &RedisError) -> Option<io::ErrorKind> {
    type Shared = Arc<dyn std::error::Error + Send + Sync>;
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<Shared>()?.downcast_ref::<io::Error>().map(io::Error::kind)
}
