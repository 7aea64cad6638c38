//! The command line.

use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

pub(crate) const HELP: &str = "\
custom_store: mails a letter once, and keeps what it did in a store of its own

  custom_store DIR ID         mail the letter ID; what is known of it is kept in a journal in DIR
  custom_store DIR ID --cas   the same with a file for each record, for many processes at once

DIR has to exist: a store under a mistyped name would know of nothing. Letters go to the file DIR/letters.
Ends with 0 when the letter was mailed, now or before, with 1 when not, with 2 when it could not start.
";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) dir: PathBuf,
    pub(crate) id: String,
    pub(crate) cas: bool,
}

impl Options {
    /// `None` when only help was asked for.
    pub(crate) fn from_env() -> Result<Option<Self>, lexopt::Error> {
        let (mut dir, mut id, mut cas) = (None, None, false);
        let mut parser = Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Value(value) if dir.is_none() => dir = Some(PathBuf::from(value)),
                Arg::Value(value) if id.is_none() => id = Some(value.string()?),
                Arg::Long("cas") => cas = true,
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                _ => return Err(arg.unexpected()),
            }
        }
        match (dir, id) {
            (Some(dir), Some(id)) => Ok(Some(Self { dir, id, cas })),
            (None, _) => Err("it needs a directory, and the id of a letter".into()),
            (Some(_), None) => Err("it needs the id of a letter".into()),
        }
    }
}
