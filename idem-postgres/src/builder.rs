//! Settings of a store.

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

    /// Whether missing tables are made. Default: yes; a user that may not do that has them made with
    /// [`PgStore::schema`].
    pub fn migrate(self, migrate: bool) -> Self {
        Self { migrate, ..self }
    }

    /// Whether endings are told by `NOTIFY`, and waiting calls listen, on a connection of the store's own. Default: no.
    /// Without it a waiting call hears of an ending half a second late at most; with it at once, and each ending's commit
    /// takes a lock that all notifying commits of the database share. Of effect with a URL only: a pool's connections are the
    /// pool's.
    pub fn push(self, push: bool) -> Self {
        Self { push, ..self }
    }

    /// Whether statements are prepared once a connection, which is faster. Default: with a URL, unless a proxy such as
    /// PgBouncer is between that lends connections out for a transaction; with a pool, no.
    ///
    /// Behind such a proxy another client's statement may have the same name, and would be run in place of ours: so say so
    /// only of a pool that reaches its server directly.
    pub fn prepared(self, prepared: bool) -> Self {
        Self { prepared: Some(prepared), ..self }
    }

    /// How connections by URL are secured; without, they are not. A server that speaks no TLS is then refused, whatever the URL
    /// says, except for `sslmode=disable`, and except over a Unix socket, which is not secured.
    #[cfg(feature = "tls")]
    pub fn tls(self, config: Arc<rustls::ClientConfig>) -> Self {
        Self { tls: Tls::Rustls(config), ..self }
    }

    /// Connects, and makes the tables where they are missing.
    ///
    /// # Errors
    /// [`PgError`] when the server cannot be reached or refuses, when the tables are missing and are not to be made, are a newer
    /// build's, or the sessions' transactions are stricter than READ COMMITTED.
    ///
    /// # Cancellation
    /// Tables that are being made are made or not, as a whole.
    pub async fn build(self) -> Result<PgStore, PgError> {
        if self.schema.is_empty() || self.schema.len() > NAME || self.schema.contains('\0') {
            return Err(PgError::Name);
        }
        let schema = sql::quoted(&self.schema);
        let mut listener = None;
        let channel = self.push.then(|| channel(&self.schema));
        let backend: Arc<dyn Backend> = match self.source {
            Source::Url(url) => {
                let config = connect::config(&url, &self.tls)?;
                listener = channel.clone().map(|channel| Listener::new(config.clone(), self.tls.clone(), channel));
                Arc::new(by_url(&config, &self.tls, self.prepared).await?)
            }
            Source::Pool(pool) => Arc::new(Deadpool::new(pool, self.prepared.unwrap_or(false))),
            #[cfg(feature = "sqlx")]
            Source::Sqlx(pool) => Arc::new(crate::backend::Sqlx { pool, prepared: self.prepared.unwrap_or(false) }),
        };
        let level = backend.text("SELECT current_setting('transaction_isolation')").await?.unwrap_or_default();
        // The server takes the lower of the two for the higher.
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

/// How many bytes a name of the server's has at most.
const NAME: usize = 63;

/// Where a schema's endings are told. Two schemas that share a channel take each other's news for hints.
fn channel(schema: &str) -> String {
    let mut channel = String::from("idem ");
    for char in schema.chars() {
        if channel.len() + char.len_utf8() > NAME {
            break;
        }
        channel.push(if matches!(char, '"' | '\'' | '\\' | '{') { '_' } else { char });
    }
    channel
}

/// Finds out whether there is a proxy between.
async fn by_url(config: &tokio_postgres::Config, tls: &Tls, prepared: Option<bool>) -> Result<Deadpool, PgError> {
    let direct = Deadpool::new(connect::pool(connect::direct(config), tls)?, false);
    match direct.text("SELECT current_setting('idem.direct', true)").await {
        Ok(Some(set)) if set == "on" => Ok(Deadpool::new(direct.pool, prepared.unwrap_or(true))),
        Err(error) if !is_refused_setting(&error) => Err(error),
        // It swallowed the settings, or refused them: so sessions are not ours.
        _ => Ok(Deadpool::new(connect::pool(config.clone(), tls)?, prepared.unwrap_or(false))),
    }
}

fn is_refused_setting(error: &PgError) -> bool {
    // As PgBouncer says it; others say that they do not have such a thing.
    matches!(error, PgError::Other(_)) || error.to_string().contains("startup parameter")
}

impl fmt::Debug for PgStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may have a password.
        f.debug_struct("PgStoreBuilder").field("schema", &self.schema).field("push", &self.push).finish_non_exhaustive()
    }
}
