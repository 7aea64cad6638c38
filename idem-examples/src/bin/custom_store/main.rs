//! Two stores of one's own, and a program that mails a letter once, in whichever of its processes.
//!
//! ```text
//! custom_store DIR ID         mail the letter ID; what is known of it is kept in a journal in DIR
//! custom_store DIR ID --cas   the same with a file for each record, for many processes at once
//! ```
//!
//! - `journal` is a store by its verbs: each of them applies `idem::transition`.
//! - `files` is one made of compare and set, by `idem::CasStore`.
//!
//! It ends with 0 when the letter was mailed, now or before, with 1 when not, with 2 when it could not start.

mod clock;
mod files;
mod hex;
mod journal;
mod letters;
mod options;
#[cfg(test)]
mod reopening;
#[cfg(test)]
mod temp;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use idem::{with_outcome, CasStore, Idem, Kind, Store, SystemClock};

use clock::TimeOfDay;
use files::Files;
use journal::Journal;
use options::Options;

type AnyError = Box<dyn Error + Send + Sync>;

/// How long an ending that the store would not take is sent again before the process goes.
const DRAIN: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let ended = tokio::runtime::Runtime::new().map_err(AnyError::from).and_then(|runtime| {
        let ended = runtime.block_on(run());
        // A disk that hangs does not keep the process.
        runtime.shutdown_background();
        ended
    });
    ended.unwrap_or_else(|error| {
        complain(&*error);
        ExitCode::from(2)
    })
}

async fn run() -> Result<ExitCode, AnyError> {
    let Some(options) = Options::from_env()? else {
        std::io::stdout().write_all(options::HELP.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    };
    let store = open(&options).map_err(|error| format!("{}: {error}", options.dir.display()))?;
    let idem = Idem::new(store);
    idem::install(idem.clone())?;

    let (answer, kind) = with_outcome(letters::mail(&options.dir, &options.id)).await;
    if idem.drain(DRAIN).await > 0 {
        complain(&*AnyError::from("the store was not told how it ended"));
    }
    Ok(match answer {
        Ok(receipt) => {
            let how = match kind {
                Some(Kind::Executed) => "executed",
                Some(Kind::Attached) => "attached",
                _ => "replayed",
            };
            // Nobody may be reading; the letter is mailed all the same.
            let _ = writeln!(std::io::stdout(), "{how}: {:?} {receipt}", options.id);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    })
}

/// The store that was asked for. The two know nothing of each other's records, so one directory is never used by both.
fn open(options: &Options) -> Result<Arc<dyn Store>, AnyError> {
    let dir = &*options.dir;
    let other = if options.cas { journal::is_in(dir) } else { files::are_in(dir) };
    match (other, options.cas) {
        (true, true) => Err("there is a journal in it: leave --cas out".into()),
        (true, false) => Err("there are records of --cas in it".into()),
        (false, true) => Ok(Arc::new(CasStore::new(Files::open(dir, TimeOfDay)?))),
        (false, false) => Ok(Arc::new(Journal::open(dir, SystemClock::new())?)),
    }
}

/// Says what is wrong, and what that came from in the end.
fn complain(error: &dyn Error) {
    let cause = std::iter::successors(error.source(), |&cause| cause.source()).last();
    let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
    let _ = writeln!(std::io::stderr(), "custom_store: {error}{cause}");
}
