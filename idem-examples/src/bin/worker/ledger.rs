//! The effect: a line in a ledger, which is appended whenever that is asked for.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::events::Event;
use crate::AnyError;

/// A ledger that knows nothing of idempotency.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    file: Option<Mutex<File>>,
    /// What this process appended, by event. Never locked together with the file, which may hang.
    credits: Mutex<HashMap<String, Vec<u64>>>,
}

impl Ledger {
    /// The ledger in a file that may have lines already, or one in memory.
    pub(crate) fn open(file: Option<&Path>) -> Result<Self, AnyError> {
        let Some(path) = file else {
            return Ok(Self::default());
        };
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { file: Some(Mutex::new(file)), ..Self::default() })
    }

    /// Credits an account. After an error the line may be there, whole or in part, or not.
    pub(crate) async fn append(self: Arc<Self>, event: Event) -> io::Result<()> {
        // A slow disk must not keep the lease from being renewed.
        tokio::task::spawn_blocking(move || self.write(event)).await.map_err(io::Error::other)?
    }

    fn write(&self, event: Event) -> io::Result<()> {
        if let Some(file) = &self.file {
            let mut line = serde_json::to_vec(&event)?;
            line.push(b'\n');
            file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)?;
        }
        self.credits().entry(event.id).or_default().push(event.cents);
        Ok(())
    }

    /// How many cents were credited in all.
    pub(crate) fn cents(&self) -> u128 {
        self.credits().values().flatten().copied().map(u128::from).sum()
    }

    /// How many times an event was credited.
    pub(crate) fn times(&self, id: &str) -> usize {
        self.credits().get(id).map_or(0, Vec::len)
    }

    fn credits(&self) -> MutexGuard<'_, HashMap<String, Vec<u64>>> {
        self.credits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
