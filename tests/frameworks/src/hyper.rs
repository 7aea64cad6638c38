//! hyper on tokio, without a framework.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use idem::Idem;

use crate::handle::handle;
use crate::till::Till;

/// Serves until the runtime ends.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(listener: TcpListener, idem: Idem, till: Arc<Till>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (idem, till) = (idem.clone(), Arc::clone(&till));
        let service = service_fn(move |req| idem.scope(handle(Arc::clone(&till), req)));
        // It fails when its client hangs up.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
