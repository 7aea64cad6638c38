//! poem.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use idem::{with_outcome, Idem, Kind};
use poem::http::{header, StatusCode};
use poem::listener::TcpAcceptor;
use poem::web::{Data, Json};
use poem::{handler, post, Endpoint, EndpointExt, IntoResponse, Response, Route, Server};

use crate::service::{charge, Order};
use crate::status::{Refusal, REPLAYED};
use crate::till::Till;

/// Serves until the runtime ends.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(listener: TcpListener, idem: Idem, till: Arc<Till>) -> io::Result<()> {
    let app = Route::new()
        .at("/charges", post(handle))
        .data(till)
        .around(move |app, req| idem.scope(async move { app.call(req).await }));
    listener.set_nonblocking(true)?;
    Server::new_with_acceptor(TcpAcceptor::from_std(listener)?).run(app).await
}

#[handler]
async fn handle(Data(till): Data<&Arc<Till>>, Json(order): Json<Order>) -> Response {
    let (result, kind) = till.attend(with_outcome(charge(Arc::clone(till), order))).await;
    match result {
        Ok(receipt) => {
            let response = Json(receipt).with_status(StatusCode::CREATED);
            if kind.is_some_and(Kind::is_replayed) {
                return response.with_header(REPLAYED, "true").into_response();
            }
            response.into_response()
        }
        Err(error) => {
            let refusal = Refusal::from(&error);
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let response = refusal.text.with_status(status);
            match refusal.retry_after {
                Some(seconds) => response.with_header(header::RETRY_AFTER, seconds).into_response(),
                None => response.into_response(),
            }
        }
    }
}
