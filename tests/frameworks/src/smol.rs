//! hyper on smol: no tokio runtime anywhere, so the `Idem` is told how to spawn.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use idem::{Error, Idem, Store};
use smol::Async;
use smol_hyper::rt::FuturesIo;

use crate::handle::handle;
use crate::till::Till;

/// An `Idem` whose detached bodies run on smol's executor.
///
/// # Errors
/// As [`Builder::build`](idem::Builder::build).
pub fn idem(store: impl Store) -> Result<Idem, Error> {
    Idem::builder(store).spawner(|task| smol::spawn(task).detach()).build()
}

/// Serves until the listener fails.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(listener: TcpListener, idem: Idem, till: Arc<Till>) -> io::Result<()> {
    let listener = Async::new(listener)?;
    loop {
        let (stream, _): (Async<TcpStream>, _) = listener.accept().await?;
        let (idem, till) = (idem.clone(), Arc::clone(&till));
        let service = service_fn(move |req| idem.scope(handle(Arc::clone(&till), req)));
        // It fails when its client hangs up.
        smol::spawn(http1::Builder::new().serve_connection(FuturesIo::from(stream), service)).detach();
    }
}
