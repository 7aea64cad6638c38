//! The installed `Idem`, which is the process's own: so this test is a process of its own.
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

use idem::{idempotent, Error, Idem, MokaStore};

#[idempotent(key = id)]
async fn charge(id: u64, answer: &str) -> Result<String, Error> {
    let _ = id;
    Ok(answer.to_owned())
}

#[tokio::test]
async fn one_is_installed_and_scopes_go_before_it() {
    assert!(matches!(charge(1, "none").await, Err(Error::NotInstalled { .. })));
    let installed = Idem::new(MokaStore::new());
    idem::install(installed.clone()).expect("the first one");
    assert_eq!(charge(1, "installed").await.unwrap(), "installed");

    let other = Idem::new(MokaStore::new());
    assert!(matches!(idem::install(other.clone()), Err(Error::Config { .. })), "the second one");
    assert_eq!(charge(1, "again").await.unwrap(), "installed", "the first one stays");

    assert_eq!(other.scope(charge(1, "scoped")).await.unwrap(), "scoped");
    assert_eq!(installed.scope(charge(1, "again")).await.unwrap(), "installed");
    let spawned = other.scope(async { tokio::spawn(charge(1, "spawned")).await.unwrap() });
    assert_eq!(spawned.await.unwrap(), "installed", "tasks are outside the scope");
}
