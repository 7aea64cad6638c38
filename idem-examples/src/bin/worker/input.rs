//! Reading lines, in a thread of its own: a read of standard input cannot be cancelled, and the process does not wait
//! for it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use tokio::sync::mpsc;

use crate::AnyError;

/// A line that is not blank, with its number.
pub(crate) type Line = (u64, Vec<u8>);
/// Lines, and perhaps the error that ended them.
pub(crate) type Lines = mpsc::Receiver<io::Result<Line>>;

/// Where lines come from, opened.
pub(crate) struct Source(Box<dyn Read + Send>);

/// Opens a file, or standard input.
pub(crate) fn open(file: Option<&Path>) -> Result<Source, AnyError> {
    let Some(path) = file else {
        return Ok(Source(Box::new(io::stdin())));
    };
    let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let file = File::open(path).map_err(|error| wrong(&error))?;
    if file.metadata().map_err(|error| wrong(&error))?.is_dir() {
        return Err(wrong(&"it is a directory").into());
    }
    Ok(Source(Box::new(file)))
}

impl Source {
    /// Reads on, never far ahead of whoever takes the lines.
    pub(crate) fn read(self) -> Result<Lines, AnyError> {
        let (sender, lines) = mpsc::channel(1);
        std::thread::Builder::new().name("input".into()).spawn(move || {
            let mut source = BufReader::new(self.0);
            for number in 1.. {
                let mut line = Vec::new();
                let sent = match source.read_until(b'\n', &mut line) {
                    Ok(0) => return,
                    Ok(_) if line.trim_ascii().is_empty() => continue,
                    Ok(_) => sender.blocking_send(Ok((number, line))),
                    Err(error) => {
                        let _ = sender.blocking_send(Err(error));
                        return;
                    }
                };
                // Nobody takes lines any more.
                if sent.is_err() {
                    return;
                }
            }
        })?;
        Ok(lines)
    }
}
