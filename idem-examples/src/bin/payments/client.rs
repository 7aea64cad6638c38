//! An HTTP client that can be made to suffer. Every request is a new connection.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{header, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::orders::Order;
use crate::AnyError;

/// How a request ends for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It waits for the answer.
    Waits,
    /// It hangs up while the handler runs.
    HangsUp(Duration),
    /// The answer comes as far as its head and is lost.
    LosesTheAnswer,
}

/// Asks for an order to be charged; `None` when the client cannot know whether it was.
pub(crate) async fn charge(address: SocketAddr, order: &Order, patience: Patience) -> Option<StatusCode> {
    let request = send(address, order, patience);
    match patience {
        Patience::HangsUp(after) => tokio::time::timeout(after, request).await.ok()?.ok()?,
        Patience::Waits | Patience::LosesTheAnswer => request.await.ok()?,
    }
}

async fn send(address: SocketAddr, order: &Order, patience: Patience) -> Result<Option<StatusCode>, AnyError> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Driven here, so that hanging up closes it.
    let exchange = async {
        let request = Request::post("/charges")
            .header(header::HOST, address.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(serde_json::to_vec(order)?)))?;
        let response = sender.send_request(request).await?;
        if patience == Patience::LosesTheAnswer {
            return Ok(None);
        }
        let status = response.status();
        response.into_body().collect().await?;
        Ok(Some(status))
    };
    let mut connection = std::pin::pin!(connection);
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => { ended?; exchange.await }
    }
}
