//! The guarded function, and its effect: a line in a file.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use idem::idempotent;
use serde::{Deserialize, Serialize};

/// What is known of a letter that was mailed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    process: u32,
    attempt: u32,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "was mailed by process {} in attempt {}", self.process, self.attempt)
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    #[error("the letter may have been mailed or not")]
    Post(#[source] io::Error),
    #[error(transparent)]
    Idempotency(#[from] idem::Error),
}

impl MailError {
    const fn leaves_it_open(&self) -> bool {
        matches!(self, Self::Post(_))
    }
}

/// A process that is killed in here keeps its letter for five seconds more. Nobody knows then whether it was mailed, and
/// whoever asks next mails it; with `at_most_once` that would be refused.
#[idempotent(name = "letters.mail", key = id, lease = "5s", unknown_err = MailError::leaves_it_open)]
pub(crate) async fn mail(dir: &Path, id: &str) -> Result<Receipt, MailError> {
    let _ = writeln!(io::stdout(), "mailing {id:?}");
    let (letters, letter) = (dir.join("letters"), format!("{id:?}\n"));
    // A slow disk must not keep the lease from being renewed.
    let mailed = tokio::task::spawn_blocking(move || {
        OpenOptions::new().append(true).create(true).open(letters)?.write_all(letter.as_bytes())
    });
    mailed.await.map_err(io::Error::other).flatten().map_err(MailError::Post)?;
    Ok(Receipt { process: std::process::id(), attempt: idem::current().map_or(1, |call| call.attempt()) })
}
