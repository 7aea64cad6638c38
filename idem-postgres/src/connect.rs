//! A pool of this store's own.

use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};

use crate::error::PgError;

/// How long a connection may take to be made.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long what was sent may go unacknowledged before a connection counts as lost.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);
/// How many connections there are at most.
const CONNECTIONS: usize = 16;

/// Said at the start of each session. A proxy that lends connections out for a transaction only cannot take it along: so one
/// is known by it.
///
/// All statements find their rows by an index. A plan that was made while the table was small must not be to read it whole:
/// it would be kept while the table grows.
const SETTINGS: &str = "-c idem.direct=on -c default_transaction_isolation=read\\ committed -c synchronous_commit=on \
                        -c enable_seqscan=off";

/// What a URL says.
pub(crate) fn config(url: &str, tls: &Tls) -> Result<Config, PgError> {
    let mut config = Config::from_str(url).map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        PgError::Url(source.into())
    })?;
    config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(UNACKNOWLEDGED);
    // A connection that nobody uses is found dead within nine seconds.
    config.keepalives_idle(UNACKNOWLEDGED).keepalives_interval(Duration::from_secs(1)).keepalives_retries(4);
    #[cfg(feature = "tls")]
    if matches!(tls, Tls::Rustls(_)) && config.get_ssl_mode() == SslMode::Prefer && !is_local(&config) {
        // Whoever stands between could say that the server has no TLS.
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

/// The same, with settings for each session.
pub(crate) fn direct(config: &Config) -> Config {
    let mut direct = config.clone();
    let options = config.get_options().map_or_else(|| SETTINGS.to_owned(), |own| format!("{own} {SETTINGS}"));
    direct.options(options);
    direct
}

/// Connections by `config`, which are made when they are needed.
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
    // The client's own limit ends where the server's end accepts: what follows can be swallowed, too.
    let pool = Pool::builder(manager)
        .max_size(CONNECTIONS)
        .runtime(Runtime::Tokio1)
        .create_timeout(Some(CONNECT_TIMEOUT))
        .build();
    pool.map_err(|error| PgError::Connect(error.into()))
}

/// How connections are secured.
#[derive(Debug, Clone, Default)]
pub(crate) enum Tls {
    /// Not at all.
    #[default]
    None,
    /// By rustls.
    #[cfg(feature = "tls")]
    Rustls(std::sync::Arc<rustls::ClientConfig>),
}
