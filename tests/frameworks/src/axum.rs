//! axum.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{header, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use idem::{with_outcome, Idem, Kind};

use crate::service::{charge, Order};
use crate::status::{Refusal, REPLAYED};
use crate::till::Till;

/// Serves until the runtime ends.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(listener: TcpListener, idem: Idem, till: Arc<Till>) -> io::Result<()> {
    let app = Router::new()
        .route("/charges", post(handle))
        .with_state(till)
        .layer(middleware::from_fn(move |req: Request, next: Next| idem.scope(next.run(req))));
    listener.set_nonblocking(true)?;
    axum::serve(tokio::net::TcpListener::from_std(listener)?, app).await
}

async fn handle(State(till): State<Arc<Till>>, Json(order): Json<Order>) -> Response {
    let (result, kind) = till.attend(with_outcome(charge(Arc::clone(&till), order))).await;
    match result {
        Ok(receipt) => {
            let mut response = (StatusCode::CREATED, Json(receipt)).into_response();
            if kind.is_some_and(Kind::is_replayed) {
                response.headers_mut().insert(HeaderName::from_static(REPLAYED), HeaderValue::from_static("true"));
            }
            response
        }
        Err(error) => {
            let refusal = Refusal::from(&error);
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = (status, refusal.text).into_response();
            if let Some(seconds) = refusal.retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            response
        }
    }
}
