//! Payments under keys, and what a call over a damaged one came to.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use idem::{CallError, Error, Fingerprint, Idem, Key, Kind, OperationBuilder, Store};
use serde::{Deserialize, Serialize};

pub(crate) const NAME: &str = "payments.charge";
const TTL: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) of: String,
    pub(crate) cents: u64,
}

/// What is recorded under a key.
pub(crate) fn receipt(part: &str) -> Receipt {
    Receipt { of: part.to_owned(), cents: 7000 + part.len() as u64 }
}

pub(crate) fn key(part: &str) -> Key {
    Key::new("", NAME, part).expect("a key")
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// The true result was replayed.
    Right,
    /// It was refused: the record is not to be read, or reads as another request's or as that of a call under way.
    Refused,
    /// The body ran again.
    Ran,
}

pub(crate) struct Till {
    idem: Idem,
}

impl Till {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        let idem = Idem::builder(store).ttl(TTL).wait(Duration::ZERO).build().expect("an idem");
        Self { idem }
    }

    pub(crate) fn op(&self, part: &str) -> OperationBuilder {
        self.idem.operation(NAME).at(&key(part)).fingerprint(&"charge")
    }

    /// Records the receipt of a key.
    pub(crate) async fn charge(&self, part: &str) {
        let outcome = self.op(part).run(async { Ok::<_, ()>(receipt(part)) }).await.expect("it runs");
        assert_eq!(outcome.kind(), Kind::Executed);
    }

    /// Leaves a record whose call failed.
    pub(crate) async fn fail(&self, part: &str) {
        self.op(part).run(async { Err::<Receipt, _>(()) }).await.expect_err("it fails");
    }

    /// Calls again. A result that is not the key's own fails the test.
    pub(crate) async fn call(&self, part: &str) -> Came {
        let again = Receipt { of: "again".to_owned(), cents: 1 };
        match self.op(part).run(async { Ok::<_, ()>(again) }).await {
            Ok(outcome) if outcome.kind() == Kind::Executed => Came::Ran,
            Ok(outcome) => {
                assert_eq!(outcome.into_inner(), receipt(part), "somebody else's result, or a damaged one");
                Came::Right
            }
            Err(CallError::Idem(error)) => {
                assert!(!matches!(error, Error::Config { .. } | Error::InvalidKey { .. }), "{error:?}");
                Came::Refused
            }
            Err(CallError::Body(())) => panic!("the body does not fail"),
        }
    }

    /// An operator says what the result is, and everybody gets it.
    pub(crate) async fn mend(&self, part: &str) {
        assert!(self.op(part).resolve(&receipt(part)).await.expect("it can be mended"));
        assert_eq!(self.call(part).await, Came::Right);
    }
}

/// How often each came.
#[derive(Debug, Default)]
pub(crate) struct Count {
    pub(crate) right: usize,
    pub(crate) refused: usize,
    pub(crate) ran: Vec<String>,
}

impl Count {
    pub(crate) fn add(&mut self, came: Came, what: impl FnOnce() -> String) {
        match came {
            Came::Right => self.right += 1,
            Came::Refused => self.refused += 1,
            Came::Ran => self.ran.push(what()),
        }
    }

    pub(crate) fn print(&self, what: &str) {
        let Self { right, refused, ran } = self;
        let all = right + refused + ran.len();
        println!("damaged {what}: {all} changes, {refused} refused, {right} the true result, {} ran again", ran.len());
    }
}

pub(crate) fn with_bit(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// A fingerprint that is not the calls'.
pub(crate) fn other_fingerprint() -> Fingerprint {
    Fingerprint::of("refund").expect("a fingerprint")
}

pub(crate) fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test);
}
