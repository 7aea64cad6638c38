//! What a case works with.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use idem_core::{
    Claim, Claimed, Completion, Ending, Fingerprint, Finish, Grant, Key, KeyPart, Owner, Ownership, Payload, Record,
    Settle, Settled, Settlement, Store, StoreError,
};

use super::Suite;
use crate::clock::Clock;

/// A lease that does not run out while the suite is running.
pub(super) const LIVE: Duration = Duration::from_secs(600);
pub(super) const TTL: Duration = Duration::from_secs(3600);

/// Why a case failed.
#[derive(Debug)]
pub(super) struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        Self(format!("the store did not answer: {error}{source}"))
    }
}

pub(super) type Outcome = Result<(), Failure>;

/// A case of the suite.
pub(super) struct Named {
    pub(super) name: &'static str,
    pub(super) needs_clock: bool,
    pub(super) run: fn(Case) -> Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

/// Makes functions cases, for a list of them.
macro_rules! cases {
    ($(async fn $name:ident($case:ident) $body:block)*) => {
        cases!(needs_clock = false; $(async fn $name($case) $body)*);
    };
    (needs_clock = $needs_clock:literal; $(async fn $name:ident($case:ident) $body:block)*) => {
        pub(super) const ALL: &[crate::conformance::case::Named] = &[$(crate::conformance::case::Named {
            name: stringify!($name),
            needs_clock: $needs_clock,
            run: |case| Box::pin($name(case)),
        }),*];

        $(async fn $name($case: crate::conformance::case::Case) -> crate::conformance::case::Outcome {
            $body
            Ok(())
        })*
    };
}
pub(super) use cases;

/// Says what was seen where something else was right.
pub(super) fn same<T: PartialEq + fmt::Debug>(what: &str, seen: T, right: T) -> Outcome {
    holds(seen == right, || format!("{what}: {seen:?} in place of {right:?}"))
}

pub(super) fn holds(right: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if right {
        Ok(())
    } else {
        Err(Failure(otherwise()))
    }
}

/// One case: the store's handles, and keys that nobody else uses.
#[derive(Debug, Clone)]
pub(super) struct Case {
    operation: Arc<str>,
    first: Arc<dyn Store>,
    others: Arc<[Arc<dyn Store>]>,
    turn: Arc<AtomicUsize>,
    clock: Option<Clock>,
    short: Duration,
}

impl Case {
    pub(super) fn new(name: &'static str, suite: &Suite) -> Self {
        // The same store may have seen this suite before.
        let this_time: String = Owner::random().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let operation = format!("{name}.{this_time}").into();
        let Suite { first, others, clock, short } = suite;
        let (first, others, clock) = (first.clone(), others.as_slice().into(), clock.clone());
        Self { operation, first, others, turn: Arc::default(), clock, short: *short }
    }

    /// A lease, or a TTL, that can be waited for.
    pub(super) const fn short(&self) -> Duration {
        self.short
    }

    /// The next handle.
    pub(super) fn store(&self) -> &dyn Store {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % (self.others.len() + 1);
        self.others.get(turn).unwrap_or(&self.first)
    }

    pub(super) fn operation(&self) -> &str {
        &self.operation
    }

    pub(super) fn key(&self) -> Result<Key, Failure> {
        self.key_of("k")
    }

    pub(super) fn key_of(&self, part: impl KeyPart) -> Result<Key, Failure> {
        Key::new("conformance", &self.operation, &part).map_err(|error| Failure(error.to_string()))
    }

    /// Lets a lease or a TTL run out, by the store's clock.
    pub(super) async fn passes(&self, time: Duration) {
        match &self.clock {
            Some(clock) => clock.step(time),
            None => tokio::time::sleep(time + self.short / 2).await,
        }
    }

    /// The store's clock; cases that need one are not run without.
    pub(super) fn turned(&self) -> Result<&Clock, Failure> {
        self.clock.as_ref().ok_or_else(|| Failure("this case needs a clock".into()))
    }

    pub(super) async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, Failure> {
        Ok(self.store().claim(key, claim).await?)
    }

    /// A claim that must be granted.
    pub(super) async fn granted(&self, key: &Key, claim: &Claim) -> Result<Grant, Failure> {
        match self.claim(key, claim).await? {
            Claimed::Granted(grant) => Ok(grant),
            other => Err(Failure(format!("a claim that had to be granted: {other:?}"))),
        }
    }

    /// A new owner of the key.
    pub(super) async fn owner(&self, key: &Key) -> Result<Owner, Failure> {
        let claim = new_claim();
        self.granted(key, &claim).await?;
        Ok(claim.owner)
    }

    /// An owner whose lease has run out.
    pub(super) async fn lapsed(&self, key: &Key) -> Result<Owner, Failure> {
        let claim = Claim::new(Owner::random(), self.short, TTL);
        self.granted(key, &claim).await?;
        self.passes(self.short).await;
        Ok(claim.owner)
    }

    pub(super) async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, Failure> {
        Ok(self.store().renew(key, owner).await?)
    }

    pub(super) async fn finish(&self, key: &Key, owner: Owner, ending: Ending) -> Result<Ownership, Failure> {
        Ok(self.store().finish(key, &Finish::new(owner, ending)).await?)
    }

    /// An ending that must be held.
    pub(super) async fn end(&self, key: &Key, owner: Owner, ending: Ending) -> Outcome {
        same("an owner's ending", self.finish(key, owner, ending).await?, Ownership::Held)
    }

    /// Whoever asks must get this result.
    pub(super) async fn answers(&self, key: &Key, result: &[u8]) -> Outcome {
        match self.claim(key, &new_claim()).await? {
            Claimed::Completed(completed) => same("the recorded result", completed.completion, completion(result)),
            other => Err(Failure(format!("a key that is done: {other:?}"))),
        }
    }

    pub(super) async fn load(&self, key: &Key) -> Result<Option<Record>, Failure> {
        Ok(self.store().load(key).await?)
    }

    pub(super) async fn record(&self, key: &Key) -> Result<Record, Failure> {
        self.load(key).await?.ok_or_else(|| Failure("there is no record".into()))
    }

    /// Settles a record that was looked at.
    pub(super) async fn settle(&self, key: &Key, seen: &Record, settlement: Settlement) -> Result<Settled, Failure> {
        Ok(self.store().settle(key, &Settle::new(seen, Owner::random(), settlement)).await?)
    }
}

pub(super) fn new_claim() -> Claim {
    Claim::new(Owner::random(), LIVE, TTL)
}

pub(super) fn print(n: u8) -> Option<Fingerprint> {
    Some(Fingerprint::from_bytes([n; 32]))
}

pub(super) fn completion(bytes: &[u8]) -> Completion {
    Completion::Result(Payload::from_bytes(bytes))
}

pub(super) fn completed(bytes: &[u8]) -> Ending {
    Ending::Completed(completion(bytes))
}
