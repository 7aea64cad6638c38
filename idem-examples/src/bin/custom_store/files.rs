//! A store of compare and set: a file for each record.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use idem::{Clock, ConditionalStore, Fingerprint, Key, StoreError, Timestamp};

use crate::hex;

/// Records for any number of processes on one machine, as [`CasStore`](idem::CasStore) wants them.
///
/// A key's file is written anew under the lock of its directory, one of 256, and only if it is what it was when it was
/// read: that is all there is to a version.
///
/// What it does not promise:
/// - **It is one machine.** Its processes share the time of day and the locks of its file system; those of a network
///   often do not.
/// - **A process that is stopped** (not one that is killed) while it has the lock keeps others from the keys of that
///   directory. They get [`Error::Store`](idem::Error::Store), and nothing runs twice.
/// - **It cannot list or sweep**: what is over stays on the disk until somebody deletes old files, with all processes stopped.
#[derive(Debug)]
pub(crate) struct Files {
    dir: PathBuf,
    clock: Box<dyn Clock>,
}

/// Where a key's value is.
struct Place {
    dir: PathBuf,
    file: PathBuf,
}

/// Whether there are records in the directory.
pub(crate) fn are_in(dir: &Path) -> bool {
    dir.join("00").exists()
}

impl Files {
    /// The records in a directory. The clock has to be the same for all processes.
    pub(crate) fn open(dir: &Path, clock: impl Clock) -> io::Result<Self> {
        for first in 0..=u8::MAX {
            match fs::create_dir(dir.join(hex::encode(&[first]))) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        File::open(dir)?.sync_all()?;
        Ok(Self { dir: dir.to_owned(), clock: Box::new(clock) })
    }

    /// Keys may be longer than a file's name, or a path, and may be anything; a hash of them is neither.
    fn place(&self, key: &Key) -> Result<Place, StoreError> {
        let hash = Fingerprint::of(key.as_bytes()).map_err(StoreError::refused)?;
        let [first, rest @ ..] = hash.as_bytes();
        let dir = self.dir.join(hex::encode(&[*first]));
        Ok(Place { file: dir.join(hex::encode(rest)), dir })
    }
}

#[async_trait]
impl ConditionalStore for Files {
    /// What was read.
    type Version = Vec<u8>;

    async fn get(&self, key: &Key) -> Result<(Option<(Vec<u8>, Vec<u8>)>, Timestamp), StoreError> {
        let place = self.place(key)?;
        let found = blocking(move || {
            // What is read is on the disk: nobody is told of what a power cut could undo.
            let _lock = place.lock(File::lock_shared).map_err(StoreError::not_applied)?;
            place.read().map_err(StoreError::not_applied)
        });
        Ok((found.await?.map(|bytes| (bytes.clone(), bytes)), self.clock.now()))
    }

    async fn put_if_version(
        &self,
        key: &Key,
        version: Option<&Vec<u8>>,
        bytes: &[u8],
        _: Duration,
    ) -> Result<bool, StoreError> {
        let (place, version, bytes) = (self.place(key)?, version.cloned(), bytes.to_vec());
        blocking(move || {
            let lock = place.lock(File::lock).map_err(StoreError::not_applied)?;
            if place.read().map_err(StoreError::not_applied)? != version {
                return Ok(false);
            }
            let new = place.prepare(&bytes).map_err(StoreError::not_applied)?;
            // A process that dies before this has changed nothing, and its lock goes with it.
            fs::rename(new, &place.file).and_then(|()| lock.sync_all()).map_err(StoreError::unknown)?;
            Ok(true)
        })
        .await
    }
}

/// Waits for locks and disks on a thread that is there for it: on a runtime's own it would keep leases from being renewed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(StoreError::unknown(error)))
}

impl Place {
    /// The directory, locked. Each opening is another holder, also within a process.
    fn lock(&self, how: fn(&File) -> io::Result<()>) -> io::Result<File> {
        let dir = File::open(&self.dir)?;
        how(&dir)?;
        Ok(dir)
    }

    /// The file as it is, if there is one.
    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(&self.file) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Brings a value to the disk, in a file that has not its name yet. Only whoever has the lock writes it.
    fn prepare(&self, value: &[u8]) -> io::Result<PathBuf> {
        let new = self.dir.join("new");
        let mut file = File::create(&new)?;
        file.write_all(value)?;
        file.sync_all()?;
        Ok(new)
    }
}

#[cfg(test)]
mod tests;
