//! The service over HTTP.

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

use crate::orders::Order;
use crate::service::{ChargeError, Service};
use crate::AnyError;

/// How long SIGTERM waits for charges under way.
const DRAIN: Duration = Duration::from_secs(30);

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
    println!("listening on http://{}", listener.local_addr()?);
    let told = told_to_stop()?;
    axum::serve(listener, router(service)).with_graceful_shutdown(told).await?;
    // Clients may have left; their charges go on.
    match idem.drain(DRAIN).await {
        0 => println!("drained"),
        left => eprintln!("payments: {left} charges had not ended after {DRAIN:?}"),
    }
    Ok(())
}

fn told_to_stop() -> Result<impl std::future::Future<Output = ()>, AnyError> {
    use tokio::signal::unix::{signal, SignalKind};
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn router(service: Arc<Service>) -> Router {
    Router::new().route("/charges", post(charge)).with_state(service)
}

async fn charge(State(service): State<Arc<Service>>, Json(order): Json<Order>) -> Response {
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
