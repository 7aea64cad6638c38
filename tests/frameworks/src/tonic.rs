//! tonic.

#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]
#[rustfmt::skip]
mod generated;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use idem::{with_outcome, Idem, Kind};
use tonic::metadata::MetadataValue;
use tonic::transport::server::TcpIncoming;
use tonic::transport::Server;
use tonic::{async_trait, Code, Request, Response, Status};
use tower::util::MapFutureLayer;

pub use generated::payments_client::PaymentsClient;
use generated::payments_server::{Payments, PaymentsServer};
pub use generated::{Order, Receipt};

use crate::service::{self, charge};
use crate::status::{Refusal, REPLAYED};
use crate::till::Till;

/// When a client may call again, in milliseconds: what gRPC has for `Retry-After`.
pub const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Serves until the runtime ends.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(listener: TcpListener, idem: Idem, till: Arc<Till>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    Server::builder()
        .layer(MapFutureLayer::new(move |call| idem.scope(call)))
        .add_service(PaymentsServer::new(Service { till }))
        .serve_with_incoming(TcpIncoming::from(listener))
        .await
        .map_err(io::Error::other)
}

struct Service {
    till: Arc<Till>,
}

#[async_trait]
impl Payments for Service {
    async fn charge(&self, request: Request<Order>) -> Result<Response<Receipt>, Status> {
        let Order { id, cents } = request.into_inner();
        let call = charge(Arc::clone(&self.till), service::Order { id, cents });
        let (result, kind) = self.till.attend(with_outcome(call)).await;
        let service::Receipt { order, cents, number } = result.map_err(|error| refused(&Refusal::from(&error)))?;
        let mut response = Response::new(Receipt { order, cents, number });
        if kind.is_some_and(Kind::is_replayed) {
            response.metadata_mut().insert(REPLAYED, MetadataValue::from_static("true"));
        }
        Ok(response)
    }
}

fn refused(refusal: &Refusal) -> Status {
    let mut status = Status::new(Code::from_i32(refusal.code), refusal.text.as_str());
    if let Some(seconds) = refusal.retry_after {
        status.metadata_mut().insert(PUSHBACK, seconds.saturating_mul(1000).into());
    }
    status
}
