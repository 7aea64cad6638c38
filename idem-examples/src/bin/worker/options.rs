//! The command line.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::{Arg, Parser, ValueExt};

pub(crate) const HELP: &str = "\
worker: handles events that are delivered at least once, each of them once

  worker [FILE]            the events of FILE, or of standard input (also -), one JSON object a line:
                           {\"id\": \"e-1\", \"account\": \"ada\", \"cents\": 500}
      --ledger FILE        append what is credited to FILE, one JSON object a line
      --concurrency N      deliveries in flight at once [8]
      --attempts N         after so many failed attempts an event is set aside as poison [5]
      --store STORE        where what is known of events is kept [memory]: redis://HOST, postgres://USER@HOST/DATABASE or
                           sqlite:FILE, if it was built with --features stores
      --lease SECONDS      how long a worker that is gone keeps the events that it had in flight [15]

Credits to the account \"closed\" fail. SIGTERM or Ctrl-C lets what is in flight finish; told twice, it goes at once.
Ends with 0 when every event was handled once or set aside as poison, with 1 when not, with 2 when it could not start.
";

#[derive(Debug)]
pub(crate) struct Options {
    /// `None` is standard input.
    pub(crate) events: Option<PathBuf>,
    pub(crate) ledger: Option<PathBuf>,
    pub(crate) concurrency: NonZeroUsize,
    pub(crate) attempts: NonZeroU32,
    pub(crate) store: String,
    pub(crate) lease: NonZeroU32,
}

const CONCURRENCY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);
const ATTEMPTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);
const LEASE: NonZeroU32 = NonZeroU32::MIN.saturating_add(14);

impl Options {
    /// `None` when only help was asked for.
    pub(crate) fn from_env() -> Result<Option<Self>, lexopt::Error> {
        let mut options = Self {
            events: None,
            ledger: None,
            concurrency: CONCURRENCY,
            attempts: ATTEMPTS,
            store: "memory".into(),
            lease: LEASE,
        };
        let mut file = None;
        let mut parser = Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Value(value) if file.is_none() => file = Some(PathBuf::from(value)),
                Arg::Long("ledger") => options.ledger = Some(parser.value()?.into()),
                Arg::Long("concurrency") => options.concurrency = number(&mut parser, "--concurrency")?,
                Arg::Long("attempts") => options.attempts = number(&mut parser, "--attempts")?,
                Arg::Long("store") => options.store = parser.value()?.string()?,
                Arg::Long("lease") => options.lease = number(&mut parser, "--lease")?,
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                _ => return Err(arg.unexpected()),
            }
        }
        options.events = file.filter(|file| file.as_os_str() != "-");
        Ok(Some(options))
    }

    /// What the events come from, by its name.
    pub(crate) fn source(&self) -> String {
        self.events.as_ref().map_or_else(|| "standard input".into(), |file| file.display().to_string())
    }
}

fn number<N: FromStr>(parser: &mut Parser, option: &str) -> Result<N, lexopt::Error> {
    let value = parser.value()?.string()?;
    value.parse().map_err(|_| format!("{option} takes a number from 1, not {value:?}").into())
}
