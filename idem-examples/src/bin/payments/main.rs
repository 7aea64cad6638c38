//! A payment service and its clients in trouble: nobody is charged twice, nobody is forgotten.
//!
//! ```text
//! payments                    drive the service over real HTTP and print a table
//! payments --unguarded        the same traffic without #[idempotent]: see the damage
//! payments --orders FILE      orders of your own, one JSON object a line: {"id": "o-1", "cents": 500}
//! payments --serve ADDR       only serve, until SIGTERM or Ctrl-C
//! payments --store STORE      keep records in redis://…, postgres://… or sqlite:FILE
//! ```
//!
//! It ends with 0 when everybody was charged exactly once, with 1 when not, with 2 when it could not start.

mod client;
mod gateway;
mod options;
mod orders;
mod report;
mod server;
mod service;
mod traffic;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use idem::Idem;

use gateway::Gateway;
use options::Options;
use service::Service;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("payments: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<ExitCode, AnyError> {
    let Some(options) = Options::from_env()? else {
        std::io::stdout().write_all(options::HELP.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    };
    // Once, at start-up: the store that every annotated function of this process uses.
    let store = idem_examples::store::open(options.store.as_deref().unwrap_or("memory")).await?;
    // The gateway here is a new one each time, and knows nothing of charges that a store remembers of an earlier run.
    let namespace = match options.serve {
        Some(_) => "payments".to_owned(),
        None => format!("payments of {}.{:?}", std::process::id(), SystemTime::now().duration_since(UNIX_EPOCH)?),
    };
    let idem = Idem::builder(store).namespace(&namespace).build()?;
    idem::install(idem.clone())?;

    if let Some(address) = &options.serve {
        let service = Arc::new(Service::new(Gateway::reliable(), options.unguarded));
        server::serve_until_told(address, service, &idem).await?;
        return Ok(ExitCode::SUCCESS);
    }

    let orders = match &options.orders {
        Some(file) => orders::read(file)?,
        None => orders::generate(),
    };
    let service = Arc::new(Service::new(Gateway::troubled(&orders), options.unguarded));
    let address = server::start(Arc::clone(&service)).await?;
    let sent = traffic::drive(address, &orders).await;
    // Bodies whose callers have left still count.
    idem.drain(std::time::Duration::from_secs(10)).await;
    let report = report::Report::new(&orders, &service, sent);
    writeln!(std::io::stdout(), "{report}")?;
    Ok(if report.everybody_was_charged_once() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
