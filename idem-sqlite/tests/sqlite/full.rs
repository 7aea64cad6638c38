//! Disks that are full, and disks that fail, in a process of their own.

use std::path::PathBuf;
use std::process::Command;

use idem_core::{Applied, Claimed, Finish, Ownership, Store};
use idem_sqlite::{SqliteError, SqliteStore};

use crate::child::{say, Process};
use crate::errors::source;
use crate::support::{claim, completed, granted, key, result, Dir};

/// This program in a mount namespace of its own, with a file system of 400 KiB on `dir`.
fn on_a_small_disk(dir: &Dir) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", r#"mount -t tmpfs -o size=400k none "$0" && exec "$@""#]);
    command.arg(dir.path()).arg(std::env::current_exe().unwrap());
    command
}

/// Records until the disk is full, then something that fits yet.
pub(crate) async fn fill(file: PathBuf) {
    let store = SqliteStore::open(file).await.unwrap();
    let mut done = 0_u32;
    let error = loop {
        let claim = claim();
        let answer = match store.claim(&key(done), &claim).await {
            Ok(_) => store.finish(&key(done), &Finish::new(claim.owner, completed(&[7; 20_000]))).await.map(drop),
            Err(error) => Err(error),
        };
        match answer {
            Ok(()) => done += 1,
            Err(error) => break error,
        }
    };
    assert!(done > 3, "{done}");
    assert!(matches!(source(&error), SqliteError::Full(_)), "{error:?}");
    assert_eq!((error.applied(), error.is_retryable()), (Applied::No, false));
    assert!(error.source_text().contains("full"), "{}", error.source_text());
    for n in 0..done {
        assert_eq!(result(&store, &key(n)).await.map(|result| result.len()), Some(20_000), "what was answered stays");
    }
    say(format!("full after {done}"));
}

trait SourceText {
    fn source_text(&self) -> String;
}

impl SourceText for idem_core::StoreError {
    fn source_text(&self) -> String {
        source(self).to_string()
    }
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let dir = Dir::new();
    let mut process = Process::start_with(on_a_small_disk(&dir), "fill", &dir.file());
    let said = process.says().expect("it may mount something: needs root, or user namespaces");
    assert!(said.starts_with("full after"), "{said}");
    process.ends_well();
}

/// Files may not grow above a limit: what is written beyond fails as on a broken disk.
pub(crate) async fn breaks(file: PathBuf) {
    let store = SqliteStore::open(file).await.unwrap();
    let claim = claim();
    granted(&store, &key("k"), &claim).await;
    let error = store.finish(&key("k"), &Finish::new(claim.owner, completed(&vec![7; 600_000]))).await.unwrap_err();
    assert!(matches!(source(&error), SqliteError::Io(_)), "{error:?}");
    assert!(error.is_retryable());
    say(format!("{:?}", error.applied()));
    // Nobody knows, so whoever asked asks again.
    assert!(matches!(store.claim(&key("k"), &self::claim()).await.unwrap(), Claimed::Running { .. }));
    assert_eq!(store.finish(&key("k"), &Finish::new(claim.owner, completed(b"small"))).await.unwrap(), Ownership::Held);
    assert_eq!(result(&store, &key("k")).await.as_deref(), Some(&b"small"[..]));
}

#[test]
fn a_disk_that_fails_at_the_commit_leaves_it_unknown() {
    let dir = Dir::new();
    let mut command = Command::new("sh");
    // In blocks of 512 bytes. The signal that comes with the failure is not for us.
    command.args(["-c", r#"trap '' XFSZ; ulimit -f 600; exec "$0" "$@""#]).arg(std::env::current_exe().unwrap());
    let mut process = Process::start_with(command, "break", &dir.file());
    assert_eq!(process.says().expect("it says"), "Unknown");
    process.ends_well();
}
