//! The tables: the first process creates them; an older build never changes a newer build's tables.

use crate::backend::Backend;
use crate::error::PgError;
use crate::sql;

/// The version that this build creates and knows.
const VERSION: i32 = 1;

/// Checks that the tables exist and have a version that this build knows.
pub(crate) async fn check(backend: &dyn Backend, schema: &str) -> Result<(), PgError> {
    let found = backend.text(&format!("SELECT max(version)::text FROM {schema}.version")).await?;
    match found.and_then(|found| found.parse().ok()) {
        Some(VERSION) => Ok(()),
        Some(found) if found > VERSION => Err(PgError::NewerSchema { found, known: VERSION }),
        _ => Err(PgError::Schema(format!("{schema}.version has no version"))),
    }
}

/// Creates missing tables. Several processes may do so at once: the first one creates the tables while the others wait.
pub(crate) async fn migrate(backend: &dyn Backend, schema: &str, name: &str) -> Result<(), PgError> {
    match check(backend, schema).await {
        Err(PgError::Schema(_)) => {}
        answer => return answer,
    }
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let mut tables = sql::schema(schema);
    // A user that may use a schema may lack the permission to create one.
    let existing = backend.text(&format!("SELECT to_regnamespace({})::text", literal(schema))).await?;
    if existing.is_some() {
        tables = tables.replacen(&format!("CREATE SCHEMA IF NOT EXISTS {schema};"), "", 1);
    }
    // All statements are one transaction; its end releases the lock.
    let lock = format!("SELECT pg_advisory_xact_lock(hashtextextended({}, 0));", literal(&format!("idem {name}")));
    backend.batch(&format!("{lock}\n{tables}")).await?;
    check(backend, schema).await
}
