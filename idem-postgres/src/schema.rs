//! The tables: made once, by whoever comes first, and never changed under a newer build.

use crate::backend::Backend;
use crate::error::PgError;
use crate::sql;

/// The version that this build makes and knows.
const VERSION: i32 = 1;

/// Looks whether the tables are there, and of a version that this build knows.
pub(crate) async fn check(backend: &dyn Backend, schema: &str) -> Result<(), PgError> {
    let found = backend.text(&format!("SELECT max(version)::text FROM {schema}.version")).await?;
    match found.and_then(|found| found.parse().ok()) {
        Some(VERSION) => Ok(()),
        Some(found) if found > VERSION => Err(PgError::NewerSchema { found, known: VERSION }),
        _ => Err(PgError::Schema(format!("{schema}.version has no version"))),
    }
}

/// Makes the tables where they are missing. Any number of processes may do so at once: the first one makes them, the others
/// wait for it.
pub(crate) async fn migrate(backend: &dyn Backend, schema: &str, name: &str) -> Result<(), PgError> {
    match check(backend, schema).await {
        Err(PgError::Schema(_)) => {}
        answer => return answer,
    }
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let mut tables = sql::schema(schema);
    // Whoever may use a schema need not be allowed to make one.
    let there = backend.text(&format!("SELECT to_regnamespace({})::text", literal(schema))).await?;
    if there.is_some() {
        tables = tables.replacen(&format!("CREATE SCHEMA IF NOT EXISTS {schema};"), "", 1);
    }
    // The lock goes with the transaction, which all of it is.
    let lock = format!("SELECT pg_advisory_xact_lock(hashtextextended({}, 0));", literal(&format!("idem {name}")));
    backend.batch(&format!("{lock}\n{tables}")).await?;
    check(backend, schema).await
}
