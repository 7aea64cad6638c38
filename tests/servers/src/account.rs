//! Who a server runs as: PostgreSQL and PgBouncer refuse to be root.

use std::process::Command;

/// A user and its group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// `postgres` for root, and nobody else for everybody else.
    pub(crate) fn unprivileged() -> Option<Self> {
        rustix::process::geteuid().is_root().then(|| Self { uid: id("-u"), gid: id("-g") })
    }
}

fn id(which: &str) -> u32 {
    let output = Command::new("id").args([which, "postgres"]).output().expect("id runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().expect("PostgreSQL refuses root, and there is no user postgres: apt-get install postgresql")
}
