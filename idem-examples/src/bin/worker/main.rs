//! A worker that is given its events at least once, and handles each of them once.
//!
//! ```text
//! worker [FILE]               handle the events of FILE, or of standard input; print a table
//! worker --ledger FILE        append what is credited to FILE, one JSON object a line
//! worker --concurrency N      deliveries in flight at once; 8 if it is not said
//! worker --attempts N         after so many failed attempts an event is set aside as poison; 5 if it is not said
//! worker --store STORE        where what is known of events is kept: in memory if it is not said
//! worker --lease SECONDS      how long a worker that is gone keeps its events; 15 if it is not said
//! ```
//!
//! It ends with 0 when every event was handled once or set aside as poison, with 1 when not, with 2 when it could not
//! start.

mod complain;
mod events;
mod handler;
mod input;
mod ledger;
mod options;
mod report;
mod signals;
mod tally;
mod worker;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use idem::Idem;

use complain::complain;
use handler::Handler;
use ledger::Ledger;
use options::Options;
use report::Report;
use signals::Signals;
use tally::Tally;
use worker::Worker;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let ended = tokio::runtime::Runtime::new().map_err(AnyError::from).and_then(|runtime| {
        let ended = runtime.block_on(run());
        // Whatever was worth waiting for was waited for: a ledger that hangs does not keep the process.
        runtime.shutdown_background();
        ended
    });
    ended.unwrap_or_else(|error| {
        complain(format_args!("worker: {error}"));
        ExitCode::from(2)
    })
}

async fn run() -> Result<ExitCode, AnyError> {
    let Some(options) = Options::from_env()? else {
        std::io::stdout().write_all(options::HELP.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    };
    let idem = guard(&options).await?;
    idem::install(idem.clone())?;

    let ledger = Arc::new(Ledger::open(options.ledger.as_deref())?);
    let handler = Arc::new(Handler::new(Arc::clone(&ledger), options.attempts));
    // Opened before signals are caught: whoever gives it a pipe that nobody writes to can still stop it.
    let source = input::open(options.events.as_deref())?;
    let mut signals = Signals::catch()?;
    let lines = source.read()?;

    let mut worker = Worker::new(Arc::clone(&handler), options.concurrency, Tally::new(options.source()));
    worker.work(lines, &mut signals).await;
    let tally = worker.finish(&idem, &mut signals).await;

    let report = Report::new(tally, &handler, &ledger);
    report.complain();
    // Nobody may be reading; the exit code says it too.
    let _ = writeln!(std::io::stdout(), "{report}");
    Ok(if report.every_event_was_handled_once() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where what is known of events is kept: in this process, if nothing else is said, and no longer than it lives.
async fn guard(options: &Options) -> Result<Idem, AnyError> {
    let store = idem_examples::store::open(&options.store).await?;
    Ok(Idem::builder(store).lease(Duration::from_secs(u64::from(options.lease.get()))).build()?)
}
