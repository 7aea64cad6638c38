//! Standard error.

use std::error::Error;
use std::fmt::Arguments;
use std::io::Write;

/// Says what is wrong. Nobody may be listening, and the work goes on all the same: `eprintln!` would panic.
pub(crate) fn complain(what: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// An error and what it came from.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"))
}
