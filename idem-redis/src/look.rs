//! Checks the server once when the store connects.

use redis::{cmd, FromRedisValue, Value};

use crate::error::Error;
use crate::link::{Failure, Link};

/// A risk to leases or records that the store accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// The server may delete leases and records; their keys then run again.
    #[error(
        "Redis evicts live locks and records when its memory is full (maxmemory-policy {policy}): keys then run again. \
         Set it to noeviction"
    )]
    Evicts {
        /// Its `maxmemory-policy`.
        policy: String,
    },
    /// A crash of the server loses leases and records; their keys then run again.
    #[error(
        "Redis keeps no append-only file: a crash forgets locks and records, and keys run again. Set appendonly yes"
    )]
    Forgets,
    /// The store may not read the server's `INFO`.
    #[error("this Redis user may not read INFO, so version, maxmemory-policy and persistence were not checked")]
    Unchecked,
}

/// Which servers the store refuses.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Demands {
    pub(crate) allow_eviction: bool,
    pub(crate) require_persistence: bool,
}

/// The largest argument of a server that does not tell its limit.
const DEFAULT_LIMIT: usize = 512 * 1024 * 1024;

pub(crate) struct Found {
    pub(crate) warnings: Vec<Warning>,
    pub(crate) limit: usize,
}

/// Checks every server that holds records.
pub(crate) async fn look(link: &Link, demands: Demands) -> Result<Found, Error> {
    let mut found = Found { warnings: Vec::new(), limit: DEFAULT_LIMIT };
    for node in link.nodes().await.map_err(|failure| Error::of(&failure))? {
        let mut request = redis::pipe();
        request.add_command(cmd("INFO")).cmd("CONFIG").arg("GET").arg("proto-max-bulk-len");
        let answers = link.send_all(&request, &node).await.map_err(|failure| Error::of(&failure))?;
        let [info, config] = <[Value; 2]>::try_from(answers).map_err(|_| Error::answer())?;
        match info.extract_error().and_then(|info| Ok(String::from_redis_value(info)?)) {
            Ok(info) => check_info(&info, link.is_cluster(), demands, &mut found.warnings)?,
            Err(error) => {
                let error = Error::of(&Failure::sent(error));
                if !matches!(error, Error::Permission) {
                    return Err(error);
                }
                add(&mut found.warnings, Warning::Unchecked);
            }
        }
        // Many hosted servers do not answer CONFIG.
        let limit = config.extract_error().and_then(|pair| Ok(<(String, usize)>::from_redis_value(pair)?));
        found.limit = found.limit.min(limit.map_or(DEFAULT_LIMIT, |(_, limit)| limit));
    }
    Ok(found)
}

fn check_info(info: &str, cluster: bool, demands: Demands, warnings: &mut Vec<Warning>) -> Result<(), Error> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let version = field("redis_version").unwrap_or_default();
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or_default());
    if (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default()) < (6, 2) {
        return Err(Error::TooOld { version: version.to_owned() });
    }
    if field("arch_bits").is_some_and(|bits| bits != "64") {
        return Err(Error::TooNarrow);
    }
    if field("role") == Some("slave") {
        return Err(Error::ReadOnly);
    }
    if field("cluster_enabled") == Some("1") && !cluster {
        return Err(Error::Cluster);
    }
    if let Some(policy) = field("maxmemory_policy").filter(|policy| *policy != "noeviction").map(str::to_owned) {
        if !demands.allow_eviction {
            return Err(Error::Evicts { policy });
        }
        add(warnings, Warning::Evicts { policy });
    }
    if field("aof_enabled") != Some("1") {
        if demands.require_persistence {
            return Err(Error::Forgets);
        }
        add(warnings, Warning::Forgets);
    }
    Ok(())
}

fn add(warnings: &mut Vec<Warning>, warning: Warning) {
    if !warnings.contains(&warning) {
        #[cfg(feature = "tracing")]
        tracing::warn!(target: "idem", "{warning}");
        warnings.push(warning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\narch_bits:64\r\naof_enabled:1\r\nrole:master\r\n\
                        maxmemory_policy:noeviction\r\ncluster_enabled:0\r\n";

    fn checked(wrong: &str, right: &str) -> (Result<(), Error>, Vec<Warning>) {
        let mut warnings = Vec::new();
        (check_info(&GOOD.replace(wrong, right), false, Demands::default(), &mut warnings), warnings)
    }

    #[test]
    fn servers_that_cannot_be_had_for_tests() {
        assert!(matches!(checked("", ""), (Ok(()), warnings) if warnings.is_empty()));
        for old in ["2.8.0", "5.0.14", "6.0.20", "6.1.240", "unstable", ""] {
            let error = checked("7.0.15", old).0.unwrap_err();
            assert!(matches!(&error, Error::TooOld { version } if version == old), "{old}: {error:?}");
        }
        for new in ["6.2.0", "7.2.4", "8.0.0", "10.0.1", "255.255.255"] {
            assert!(checked("7.0.15", new).0.is_ok(), "{new}");
        }
        assert!(matches!(checked("bits:64", "bits:32").0, Err(Error::TooNarrow)));
        assert!(matches!(checked("role:master", "role:slave").0, Err(Error::ReadOnly)));
        assert!(matches!(checked("enabled:0", "enabled:1").0, Err(Error::Cluster)));
    }
}
