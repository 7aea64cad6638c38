//! Settings of a store.

use std::fmt;
use std::sync::Arc;

use deadpool_postgres::Pool;
use sha2::{Digest, Sha256};

use crate::backend::{Backend, Deadpool};
use crate::connect::{self, Tls};
use crate::error::PgError;
use crate::listen::Listener;
use crate::schema;
use crate::sql::Statements;
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

    /// How connections by URL are secured. They are unless the URL says `sslmode=disable`; with `sslmode=require` always.
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
        let schema = format!("\"{}\"", self.schema.replace('"', "\"\""));
        let mut listener = None;
        let channel = self.push.then(|| channel(&self.schema));
        let backend: Arc<dyn Backend> = match self.source {
            Source::Url(url) => {
                let config = connect::config(&url)?;
                listener = channel.clone().map(|channel| Listener::new(config.clone(), self.tls.clone(), channel));
                Arc::new(by_url(&config, &self.tls, self.prepared).await?)
            }
            Source::Pool(pool) => Arc::new(Deadpool { pool, prepared: self.prepared.unwrap_or(false) }),
            #[cfg(feature = "sqlx")]
            Source::Sqlx(pool) => Arc::new(crate::backend::Sqlx { pool, prepared: self.prepared.unwrap_or(false) }),
        };
        let level = backend.text("SELECT current_setting('transaction_isolation')").await?.unwrap_or_default();
        if level != "read committed" {
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

/// Where a schema's endings are told. A name of over 63 bytes would be an error of `pg_notify`, and so of the ending.
fn channel(schema: &str) -> String {
    let digest = Sha256::digest(schema);
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("idem {hex}")
}

/// Finds out whether there is a proxy between.
async fn by_url(config: &tokio_postgres::Config, tls: &Tls, prepared: Option<bool>) -> Result<Deadpool, PgError> {
    let direct = Deadpool { pool: connect::pool(connect::direct(config), tls)?, prepared: false };
    match direct.text("SELECT current_setting('idem.direct', true)").await {
        Ok(Some(set)) if set == "on" => Ok(Deadpool { prepared: prepared.unwrap_or(true), ..direct }),
        Err(error @ (PgError::Connect(_) | PgError::Login(_) | PgError::NotNow(_))) if !is_refused_setting(&error) => {
            Err(error)
        }
        // It swallowed the settings, or refused them: so sessions are not ours.
        _ => Ok(Deadpool { pool: connect::pool(config.clone(), tls)?, prepared: prepared.unwrap_or(false) }),
    }
}

fn is_refused_setting(error: &PgError) -> bool {
    error.to_string().contains("startup parameter")
}

impl fmt::Debug for PgStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may have a password.
        f.debug_struct("PgStoreBuilder").field("schema", &self.schema).field("push", &self.push).finish_non_exhaustive()
    }
}
