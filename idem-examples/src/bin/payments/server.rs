//! The service over HTTP.

use std::future::IntoFuture;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{header, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use idem::{Error, Idem, Kind};
use tokio::net::TcpListener;
use tokio::signal::unix::{signal, Signal, SignalKind};
use tokio::sync::Notify;

use crate::orders::Order;
use crate::service::{ChargeError, Service};
use crate::AnyError;

/// How long SIGTERM waits for charges under way.
const DRAIN: Duration = Duration::from_secs(30);
/// How long it then waits for answers to be read.
const LINGER: Duration = Duration::from_secs(1);

/// Serves in the background on a free loopback port.
pub(crate) async fn start(service: Arc<Service>) -> Result<SocketAddr, AnyError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router(service)).await {
            eprintln!("payments: the server stopped: {error}");
        }
    });
    Ok(address)
}

/// Serves until SIGTERM or Ctrl-C, and then until the charges under way have their records.
pub(crate) async fn serve_until_told(address: &str, service: Arc<Service>, idem: &Idem) -> Result<(), AnyError> {
    let listener = TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
    writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    let told = Arc::new(Notify::new());
    let serving = axum::serve(listener, router(service)).with_graceful_shutdown({
        let told = Arc::clone(&told);
        async move { told.notified().await }
    });
    let mut serving = tokio::spawn(serving.into_future());
    let mut signals = told_to_stop()?;
    signals.recv().await;
    told.notify_one();
    // Clients may have left, and their charges go on; others may never finish their requests, and are not waited for.
    let ended = async {
        let left = idem.drain(DRAIN).await;
        let _ = tokio::time::timeout(LINGER, &mut serving).await;
        left
    };
    tokio::select! {
        left = ended => match left {
            0 => writeln!(std::io::stdout(), "drained")?,
            left => eprintln!("payments: {left} charges had not ended after {DRAIN:?}"),
        },
        // Told twice, it goes at once.
        () = signals.recv() => eprintln!("payments: not drained"),
    }
    Ok(())
}

/// SIGTERM and Ctrl-C.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

fn told_to_stop() -> Result<Signals, AnyError> {
    Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
}

impl Signals {
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn router(service: Arc<Service>) -> Router {
    Router::new().route("/charges", post(charge)).with_state(service)
}

async fn charge(State(service): State<Arc<Service>>, Json(order): Json<Order>) -> Response {
    if let Err(why) = order.check() {
        return (StatusCode::BAD_REQUEST, why).into_response();
    }
    let (answer, kind) = service.charge(order).await;
    match answer {
        Ok(receipt) => {
            let mut response = (StatusCode::CREATED, Json(receipt)).into_response();
            if kind.is_some_and(Kind::is_replayed) {
                response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            }
            response
        }
        Err(ChargeError::Gateway(error)) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
        Err(ChargeError::Idempotency(error)) => refusal(&error),
    }
}

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The error table of the README, as HTTP.
fn refusal(error: &Error) -> Response {
    let status = match error {
        Error::InProgress { .. } | Error::Indeterminate { .. } | Error::Unreplayable { .. } => StatusCode::CONFLICT,
        Error::KeyReused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Error::InvalidKey { .. } => StatusCode::BAD_REQUEST,
        Error::Store { .. } | Error::ShuttingDown { .. } => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut response = (status, error.to_string()).into_response();
    if let Some(after) = error.retry_after() {
        // Whole seconds, and never too early.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
