//! actix-web. Its handlers' futures are not `Send`, and each worker is a thread with a runtime of its own.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::Service;
use actix_web::http::header::RETRY_AFTER;
use actix_web::http::StatusCode;
use actix_web::{web, App, HttpRequest, HttpResponse, HttpServer};
use idem::{with_outcome, Idem, Kind};

use crate::service::{charge, Order};
use crate::status::{Refusal, REPLAYED};
use crate::till::Till;

/// Serves until its thread ends.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(listener: TcpListener, idem: Idem, till: Arc<Till>) -> io::Result<()> {
    let till = web::Data::from(till);
    let app = move || {
        let idem = idem.clone();
        App::new()
            .app_data(till.clone())
            .route("/charges", web::post().to(handle))
            .wrap_fn(move |req, srv| idem.scope(srv.call(req)))
    };
    HttpServer::new(app)
        .workers(2)
        .disable_signals()
        // A handler is dropped when its client hangs up, as in the other frameworks; actix-web lets it run on by default.
        .h1_allow_half_closed(false)
        .listen(listener)?
        .run()
        .await
}

/// Keeps its request, which is an `Rc`, over the charge.
async fn handle(_request: HttpRequest, till: web::Data<Till>, order: web::Json<Order>) -> HttpResponse {
    let call = charge(Arc::clone(&till), order.into_inner());
    let (result, kind) = till.attend(with_outcome(call)).await;
    match result {
        Ok(receipt) => {
            let mut response = HttpResponse::Created();
            if kind.is_some_and(Kind::is_replayed) {
                response.insert_header((REPLAYED, "true"));
            }
            response.json(receipt)
        }
        Err(error) => {
            let refusal = Refusal::from(&error);
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = HttpResponse::build(status);
            if let Some(seconds) = refusal.retry_after {
                response.insert_header((RETRY_AFTER, seconds.to_string()));
            }
            response.body(refusal.text)
        }
    }
}
