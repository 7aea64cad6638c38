//! The store's own connection pool.

use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};

use crate::error::PgError;

/// How long connecting may take.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long sent data may stay unacknowledged before the connection counts as lost.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// The most connections the pool opens.
const MAX_CONNECTIONS: usize = 16;

/// The startup settings of each session. A proxy that assigns a server connection per transaction drops or refuses them; the
/// builder recognizes such a proxy by the missing `idem.direct`.
///
/// `enable_seqscan=off`: all statements find their rows by an index. A plan that was made while the table was small would
/// read the whole table, and the session would keep that plan while the table grows.
const SETTINGS: &str = "-c idem.direct=on -c default_transaction_isolation=read\\ committed -c synchronous_commit=on \
                        -c enable_seqscan=off";

/// Parses a URL and sets the time-outs.
pub(crate) fn config(url: &str, tls: &Tls) -> Result<Config, PgError> {
    let mut config = Config::from_str(url).map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        PgError::Url(source.into())
    })?;
    config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(ACK_TIMEOUT);
    // A lost idle connection is detected within nine seconds.
    config.keepalives_idle(ACK_TIMEOUT).keepalives_interval(Duration::from_secs(1)).keepalives_retries(4);
    #[cfg(feature = "tls")]
    if matches!(tls, Tls::Rustls(_)) && config.get_ssl_mode() == SslMode::Prefer && !is_local(&config) {
        // With `prefer`, an attacker on the network could claim that the server has no TLS.
        config.ssl_mode(SslMode::Require);
    }
    #[cfg(not(feature = "tls"))]
    let _ = tls;
    if config.get_application_name().is_none() {
        config.application_name("idem");
    }
    Ok(config)
}

#[cfg(all(feature = "tls", unix))]
fn is_local(config: &Config) -> bool {
    config.get_hosts().iter().any(|host| matches!(host, tokio_postgres::config::Host::Unix(_)))
}

#[cfg(all(feature = "tls", not(unix)))]
const fn is_local(_: &Config) -> bool {
    false
}

/// Adds [`SETTINGS`] to the session's options.
pub(crate) fn direct(config: &Config) -> Config {
    let mut direct = config.clone();
    let options = config.get_options().map_or_else(|| SETTINGS.to_owned(), |own| format!("{own} {SETTINGS}"));
    direct.options(options);
    direct
}

/// A pool that opens its connections when verbs need them.
pub(crate) fn pool(config: Config, tls: &Tls) -> Result<Pool, PgError> {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match tls {
        #[cfg(feature = "tls")]
        Tls::Rustls(tls) if config.get_ssl_mode() != SslMode::Disable => {
            let connector = tokio_postgres_rustls::MakeRustlsConnect::new((**tls).clone());
            Manager::from_config(config, connector, recycling)
        }
        _ if config.get_ssl_mode() == SslMode::Require => {
            return Err(PgError::Url(
                "the URL asks for TLS: give the builder a rustls configuration (feature `tls`)".into(),
            ));
        }
        _ => Manager::from_config(config, NoTls, recycling),
    };
    // The client's own time-out ends when the server accepts the connection; this one includes the login.
    let pool = Pool::builder(manager)
        .max_size(MAX_CONNECTIONS)
        .runtime(Runtime::Tokio1)
        .create_timeout(Some(CONNECT_TIMEOUT))
        .build();
    pool.map_err(|error| PgError::Connect(error.into()))
}

/// How connections are secured.
#[derive(Debug, Clone, Default)]
pub(crate) enum Tls {
    /// Without TLS.
    #[default]
    None,
    /// With rustls.
    #[cfg(feature = "tls")]
    Rustls(std::sync::Arc<rustls::ClientConfig>),
}
