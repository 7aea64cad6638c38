//! The journal's file: read once, then only written to.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, ErrorKind, IntoInnerError, Write};
use std::path::{Path, PathBuf};

use idem::StoreError;

use super::{line, Records};
use crate::AnyError;

/// The first line: what this is, and in which format.
const HEAD: &[u8] = b"idem journal 1\n";
const NAME: &str = "journal";

/// The journal of whoever holds its lock.
pub(super) struct JournalFile {
    dir: PathBuf,
    file: File,
    lines: usize,
    /// Why nothing can be written any more.
    broken: Option<String>,
    /// A file of its own: the journal is replaced by a shorter one now and then. However the process ends, it lets go.
    _lock: File,
}

/// Whether there is a journal in the directory.
pub(crate) fn is_in(dir: &Path) -> bool {
    dir.join(NAME).exists()
}

impl JournalFile {
    /// Opens the journal, and writes it anew without the records that are over. That leaves out lines that others went over
    /// and a torn one, and brings to the disk what a process that was killed may only have written.
    ///
    /// It is an error, and the journal stays as it is, when another process has it or a line is damaged.
    pub(super) fn open(dir: &Path, is_over: impl Fn(&[u8], &[u8]) -> bool) -> Result<(Self, Records), AnyError> {
        let lock = File::create(dir.join("journal.lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => "another process has the journal".into(),
            TryLockError::Error(error) => AnyError::from(error),
        })?;
        let mut records = match fs::read(dir.join(NAME)) {
            Ok(text) => read(&text)?,
            Err(error) if error.kind() == ErrorKind::NotFound => Records::new(),
            Err(error) => return Err(error.into()),
        };
        records.retain(|key, record| !is_over(key, record));
        let file = rewrite(dir, &records)?;
        Ok((Self { dir: dir.to_owned(), file, lines: records.len(), broken: None, _lock: lock }, records))
    }

    /// Adds a line, and returns when it is on the disk.
    pub(super) fn append(&mut self, key: &[u8], record: &[u8]) -> Result<(), StoreError> {
        self.refuse_if_broken()?;
        let line = line::write(key, record);
        match self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data()) {
            Ok(()) => self.lines += 1,
            Err(error) => return Err(self.broken(error)),
        }
        Ok(())
    }

    /// Writes it anew, if that leaves out most of its lines.
    pub(super) fn shorten(&mut self, records: &Records) -> Result<(), StoreError> {
        if self.lines / 2 > records.len() {
            self.refuse_if_broken()?;
            self.file = rewrite(&self.dir, records).map_err(|error| self.broken(error))?;
            self.lines = records.len();
        }
        Ok(())
    }

    /// After a write that failed nobody knows how the file ends, nor, after a sync that failed, what of it is on the disk:
    /// asked again, the system may say that all is well. So there is no second one.
    fn broken(&mut self, error: io::Error) -> StoreError {
        self.broken = Some(error.to_string());
        StoreError::unknown(error)
    }

    fn refuse_if_broken(&self) -> Result<(), StoreError> {
        match &self.broken {
            Some(why) => Err(StoreError::refused(format!("a write to the journal failed ({why}): open it again"))),
            None => Ok(()),
        }
    }
}

/// The records of a journal. A later line goes over an earlier one.
fn read(text: &[u8]) -> Result<Records, AnyError> {
    let lines = text.strip_prefix(HEAD).ok_or("the file `journal` is none, or of another version")?;
    // What comes after the last end of a line was torn off, and never answered.
    let whole = lines.iter().rposition(|byte| *byte == b'\n').and_then(|last| lines.get(..last));
    let mut records = Records::new();
    for (number, line) in (2_u64..).zip(whole.into_iter().flat_map(|whole| whole.split(|byte| *byte == b'\n'))) {
        let (key, record) = line::read(line).ok_or_else(|| format!("line {number} of the journal is damaged"))?;
        records.insert(key, record);
    }
    Ok(records)
}

/// Puts a journal of these records in the place of the one there is, whole or not at all.
fn rewrite(dir: &Path, records: &Records) -> io::Result<File> {
    let new = dir.join("journal.new");
    let mut file = BufWriter::new(File::create(&new)?);
    file.write_all(HEAD)?;
    for (key, record) in records {
        file.write_all(line::write(key, record).as_bytes())?;
    }
    let file = file.into_inner().map_err(IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(new, dir.join(NAME))?;
    // The name is the directory's.
    File::open(dir)?.sync_all()?;
    Ok(file)
}
