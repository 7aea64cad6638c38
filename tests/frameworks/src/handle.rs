//! `POST /charges` with nothing but hyper, on whatever executor.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderValue, CONTENT_TYPE, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use idem::{with_outcome, Kind};

use crate::service::{charge, Order};
use crate::status::{Refusal, REPLAYED};
use crate::till::Till;

type Answer = Response<Full<Bytes>>;

/// The longest request that is read, in bytes.
const LIMIT: usize = 64 * 1024;

pub(crate) async fn handle(till: Arc<Till>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    if (request.method(), request.uri().path()) != (&Method::POST, "/charges") {
        return Ok(answer(StatusCode::NOT_FOUND, Bytes::new()));
    }
    Ok(match read(request).await {
        Some(order) => charged(&till, order).await,
        None => answer(StatusCode::BAD_REQUEST, Bytes::from_static(b"no order")),
    })
}

async fn read(request: Request<Incoming>) -> Option<Order> {
    let body = Limited::new(request.into_body(), LIMIT).collect().await.ok()?.to_bytes();
    serde_json::from_slice(&body).ok()
}

async fn charged(till: &Arc<Till>, order: Order) -> Answer {
    let (result, kind) = till.attend(with_outcome(charge(Arc::clone(till), order))).await;
    match result.map(|receipt| serde_json::to_vec(&receipt)) {
        Ok(Ok(receipt)) => {
            let mut response = answer(StatusCode::CREATED, receipt.into());
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            if kind.is_some_and(Kind::is_replayed) {
                response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            }
            response
        }
        Ok(Err(error)) => answer(StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into()),
        Err(error) => {
            let refusal = Refusal::from(&error);
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = answer(status, refusal.text.into());
            if let Some(seconds) = refusal.retry_after {
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            response
        }
    }
}

fn answer(status: StatusCode, body: Bytes) -> Answer {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}
