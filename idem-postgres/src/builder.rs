//! The settings of a store.

use std::fmt;
use std::sync::Arc;

use deadpool_postgres::Pool;

use crate::backend::{Backend, Deadpool};
use crate::connect::{self, Tls};
use crate::error::PgError;
use crate::listen::Listener;
use crate::schema;
use crate::sql::{self, Statements};
use crate::store::PgStore;

/// Settings of a [`PgStore`]; made by [`PgStore::builder`], [`PgStore::with_pool`] and, with feature `sqlx`, `PgStore::with_sqlx`.
#[must_use = "a builder does nothing until it builds"]
pub struct PgStoreBuilder {
    source: Source,
    schema: String,
    migrate: bool,
    push: bool,
    prepared: Option<bool>,
    tls: Tls,
}

enum Source {
    Url(String),
    Pool(Pool),
    #[cfg(feature = "sqlx")]
    Sqlx(sqlx::PgPool),
}

impl PgStoreBuilder {
    fn new(source: Source) -> Self {
        Self { source, schema: "idem".into(), migrate: true, push: false, prepared: None, tls: Tls::None }
    }

    pub(crate) fn url(url: &str) -> Self {
        Self::new(Source::Url(url.to_owned()))
    }

    pub(crate) fn pool(pool: Pool) -> Self {
        Self::new(Source::Pool(pool))
    }

    #[cfg(feature = "sqlx")]
    pub(crate) fn sqlx(pool: sqlx::PgPool) -> Self {
        Self::new(Source::Sqlx(pool))
    }

    /// The schema that the tables are in. Default: `idem`.
    pub fn schema(self, schema: impl Into<String>) -> Self {
        Self { schema: schema.into(), ..self }
    }

    /// Whether the store creates missing tables. Default: yes. If its database user may not, create them with the SQL of
    /// [`PgStore::schema`].
    pub fn migrate(self, migrate: bool) -> Self {
        Self { migrate, ..self }
    }

    /// Whether the store sends a `NOTIFY` when it records an outcome, and waiting calls listen on a connection of the store's
    /// own. Default: no. Without it a waiting call sees an outcome at most half a second late. With it the call is woken at
    /// once, and each commit of an outcome takes a lock that all notifying commits of the database share. It needs a URL: with
    /// a pool it has no effect.
    pub fn push(self, push: bool) -> Self {
        Self { push, ..self }
    }

    /// Whether each connection prepares a statement once, which is faster. Default with a URL: yes, unless the store finds a
    /// proxy such as PgBouncer that assigns a server connection per transaction. Default with a pool: no.
    ///
    /// Behind such a proxy another client's statement may have the same name and would run instead of the store's. Set it only
    /// for a pool that connects to the server directly.
    pub fn prepared(self, prepared: bool) -> Self {
        Self { prepared: Some(prepared), ..self }
    }

    /// Secures connections by URL with TLS. Default: no TLS. The store then refuses a server without TLS, except if the URL says
    /// `sslmode=disable` or names a Unix socket, which is not secured.
    #[cfg(feature = "tls")]
    pub fn tls(self, config: Arc<rustls::ClientConfig>) -> Self {
        Self { tls: Tls::Rustls(config), ..self }
    }

    /// Connects, and creates missing tables.
    ///
    /// # Errors
    /// [`PgError`] if the server cannot be reached or refuses, if the tables are missing and `migrate` is off, if a newer build
    /// created them, or if the sessions' transactions are stricter than READ COMMITTED.
    ///
    /// # Cancel safety
    /// A dropped future leaves either all tables or none.
    pub async fn build(self) -> Result<PgStore, PgError> {
        if self.schema.is_empty() || self.schema.len() > MAX_NAME || self.schema.contains('\0') {
            return Err(PgError::Name);
        }
        let schema = sql::quoted(&self.schema);
        let mut listener = None;
        let channel = self.push.then(|| channel(&self.schema));
        let backend: Arc<dyn Backend> = match self.source {
            Source::Url(url) => {
                let config = connect::config(&url, &self.tls)?;
                listener = channel.clone().map(|channel| Listener::new(config.clone(), self.tls.clone(), channel));
                Arc::new(connect_by_url(&config, &self.tls, self.prepared).await?)
            }
            Source::Pool(pool) => Arc::new(Deadpool::new(pool, self.prepared.unwrap_or(false))),
            #[cfg(feature = "sqlx")]
            Source::Sqlx(pool) => Arc::new(crate::backend::Sqlx { pool, prepared: self.prepared.unwrap_or(false) }),
        };
        let level = backend.text("SELECT current_setting('transaction_isolation')").await?.unwrap_or_default();
        // The server treats READ UNCOMMITTED as READ COMMITTED.
        if level != "read committed" && level != "read uncommitted" {
            return Err(PgError::Isolation(level));
        }
        if self.migrate {
            schema::migrate(&*backend, &schema, &self.schema).await?;
        } else {
            schema::check(&*backend, &schema).await?;
        }
        let statements = Statements::new(&schema, listener.as_ref().and(channel.as_deref()));
        Ok(PgStore::new(backend, statements, listener))
    }
}

/// The most bytes of a name in PostgreSQL.
const MAX_NAME: usize = 63;

/// The notification channel of a schema. Two schemas may share a channel; then each wakes some waiters of the other early.
fn channel(schema: &str) -> String {
    let mut channel = String::from("idem ");
    for char in schema.chars() {
        if channel.len() + char.len_utf8() > MAX_NAME {
            break;
        }
        channel.push(if matches!(char, '"' | '\'' | '\\' | '{') { '_' } else { char });
    }
    channel
}

/// Connects, and finds out whether a proxy drops the session's settings.
async fn connect_by_url(
    config: &tokio_postgres::Config,
    tls: &Tls,
    prepared: Option<bool>,
) -> Result<Deadpool, PgError> {
    let direct = Deadpool::new(connect::pool(connect::direct(config), tls)?, false);
    match direct.text("SELECT current_setting('idem.direct', true)").await {
        Ok(Some(set)) if set == "on" => Ok(Deadpool::new(direct.pool, prepared.unwrap_or(true))),
        Err(error) if !is_refused_setting(&error) => Err(error),
        // A proxy dropped or refused the settings: a session is not the store's alone.
        _ => Ok(Deadpool::new(connect::pool(config.clone(), tls)?, prepared.unwrap_or(false))),
    }
}

fn is_refused_setting(error: &PgError) -> bool {
    // PgBouncer names the startup parameter; other proxies answer with other errors.
    matches!(error, PgError::Other(_)) || error.to_string().contains("startup parameter")
}

impl fmt::Debug for PgStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the URL, which may contain a password.
        f.debug_struct("PgStoreBuilder").field("schema", &self.schema).field("push", &self.push).finish_non_exhaustive()
    }
}
