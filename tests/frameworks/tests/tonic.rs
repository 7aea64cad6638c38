//! The service in tonic, called by tonic's own client.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::net::SocketAddr;
use std::sync::LazyLock;

use common::{check, Answer, Call, Framework, Verdicts};
use idem::Idem;
use idem_frameworks::tonic::{Order, PaymentsClient, Receipt, PUSHBACK};
use prost::Message;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tonic::{Code, Response, Status};

/// The client's own.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

struct Grpc(Option<JoinHandle<Result<Response<Receipt>, Status>>>);

impl Call for Grpc {
    const VERDICTS: Verdicts = Verdicts {
        charged: Code::Ok as i32,
        declined: Code::FailedPrecondition as i32,
        in_progress: Code::Aborted as i32,
        key_reused: Code::FailedPrecondition as i32,
        invalid_key: Code::InvalidArgument as i32,
        shutting_down: Code::Unavailable as i32,
    };

    fn send(address: SocketAddr, id: &str, cents: u64) -> Self {
        let order = Order { id: id.to_owned(), cents };
        Self(Some(RUNTIME.spawn(async move {
            let mut client = PaymentsClient::connect(format!("http://{address}")).await.unwrap();
            client.charge(order).await
        })))
    }

    fn answer(mut self) -> Answer {
        let (verdict, body, metadata) = match RUNTIME.block_on(self.0.take().unwrap()).unwrap() {
            Ok(response) => {
                let (metadata, receipt, _) = response.into_parts();
                (Code::Ok, receipt.encode_to_vec(), metadata)
            }
            Err(status) => (status.code(), status.message().as_bytes().to_vec(), status.metadata().clone()),
        };
        let text = |name| metadata.get(name).map(|value| value.to_str().unwrap());
        Answer {
            verdict: verdict as i32,
            replayed: text("idempotent-replayed") == Some("true"),
            retry_after: text(PUSHBACK).map(|millis| millis.parse::<u64>().unwrap() / 1000),
            body,
        }
    }
}

/// Hangs up: the stream is reset.
impl Drop for Grpc {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call.abort();
        }
    }
}

#[test]
fn tonic_charges_once() {
    check::<Grpc>(&Framework {
        idem: |store| Idem::new(store),
        serve: |listener, idem, till| {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(idem_frameworks::tonic::serve(listener, idem, till)).unwrap();
        },
        drops_handlers: true,
    });
}
