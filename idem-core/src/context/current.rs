//! What a body can read about its own call.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Run, CONTEXT};
use crate::key::Key;
#[cfg(shuttle)]
use crate::sync::Local as _;

/// The guarded call whose body is running; see [`current`].
#[derive(Debug, Clone)]
pub struct Current(Arc<Run>);

/// The guarded call whose body this code is part of. `None` outside of one, and in tasks that a body spawns.
#[must_use]
pub fn current() -> Option<Current> {
    CONTEXT.with_borrow(|context| context.run.clone()).map(Current)
}

impl Current {
    /// The call's key.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.0.key
    }

    /// Which attempt this is, counted from 1; 0 if the body runs unguarded because the store did not answer
    /// ([`Builder::fail_open`](crate::Builder::fail_open)).
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.granted().attempt
    }

    /// The fencing token, which rises with each grant of the key; 0 if the body runs unguarded. Send it to downstream systems
    /// that refuse a token below the largest one they have seen.
    #[must_use]
    pub fn fencing_token(&self) -> u64 {
        self.0.granted().fence
    }

    /// An idempotency key for a downstream system: 32 hexadecimal digits. It is the same in every attempt of this operation and
    /// in every process. It differs for each key and each `label`.
    #[must_use]
    pub fn derived_key(&self, label: &str) -> String {
        let key = self.0.key.as_bytes();
        let digest = Sha256::new()
            .chain_update(b"idem derived key 1")
            .chain_update((key.len() as u64).to_be_bytes())
            .chain_update(key)
            .chain_update(label)
            .finalize();
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Completes when the lease is lost: another call took over, or the store did not acknowledge a renewal before the lease
    /// expired. The body keeps running; a body that has not had its effect yet should stop.
    ///
    /// # Cancel safety
    /// Dropping it has no effect.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + 'static {
        let run = Arc::clone(&self.0);
        async move {
            loop {
                let mut lost = pin!(run.lost.notified());
                lost.as_mut().enable();
                if run.is_lost() {
                    return;
                }
                lost.await;
            }
        }
    }
}
