//! The command line.

use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

pub(crate) const HELP: &str = "\
payments: a payment service and its clients in trouble

  payments                 drive the service over real HTTP and print a table
  payments --unguarded     the same traffic without #[idempotent]: see the damage
  payments --orders FILE   orders of your own, one JSON object a line: {\"id\": \"o-1\", \"cents\": 500}
  payments --serve ADDR    only serve, until SIGTERM or Ctrl-C: payments --serve 127.0.0.1:8080
  payments --store STORE   keep records in redis://HOST, postgres://USER@HOST/DATABASE or sqlite:FILE, if it was built with
                           --features stores; in memory if it is not said

Ends with 0 when everybody was charged exactly once, with 1 when not, with 2 when it could not start.
";

#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) unguarded: bool,
    pub(crate) orders: Option<PathBuf>,
    pub(crate) serve: Option<String>,
    /// Memory, if it is not said.
    pub(crate) store: Option<String>,
}

impl Options {
    /// `None` when only help was asked for.
    pub(crate) fn from_env() -> Result<Option<Self>, lexopt::Error> {
        let mut options = Self::default();
        let mut parser = Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Long("unguarded") => options.unguarded = true,
                Arg::Long("orders") => options.orders = Some(parser.value()?.into()),
                Arg::Long("serve") => options.serve = Some(parser.value()?.string()?),
                Arg::Long("store") => options.store = Some(parser.value()?.string()?),
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                _ => return Err(arg.unexpected()),
            }
        }
        if options.serve.is_some() && options.orders.is_some() {
            return Err("--serve takes its orders over HTTP: leave --orders out".into());
        }
        Ok(Some(options))
    }
}
