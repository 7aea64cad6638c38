//! A node's way to the store.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use idem::{
    Claim, Claimed, ConditionalStore, Finish, Key, Owner, Ownership, Record, Settle, Settled, Store, StoreError,
    Timestamp,
};

use super::note::{Heard, Note};
use super::server::{Ask, Told};
use super::Wire;
use crate::tasks::{current_call, Tasks};

/// A node's way to the store. Once the node is gone, nothing is sent on it.
#[derive(Clone)]
pub struct Line {
    /// The network.
    pub wire: Wire,
    /// Who can be gone.
    pub tasks: Tasks,
    /// The place in the network.
    pub slot: u32,
    /// The node.
    pub node: u32,
    /// Whether the store hints at news.
    pub hints: bool,
}

impl Line {
    async fn ask(&self, key: &Key, ask: Ask) -> Result<Told, StoreError> {
        let key = self.wire.number(key);
        self.send(key, ask).await
    }

    async fn send(&self, key: u32, ask: Ask) -> Result<Told, StoreError> {
        if self.tasks.is_gone(self.node) {
            return std::future::pending().await;
        }
        let owner = match &ask {
            Ask::Claim(claim) => Some(claim.owner),
            _ => None,
        };
        let call = current_call();
        if let Some(owner) = owner {
            self.wire.note(Note::Claims { call, owner });
        }
        let answer = self.wire.inner().send(self.slot, key, call, ask);
        match answer.await {
            Ok(answer) => {
                let claimed = match &answer {
                    Ok(Told::Claimed(claimed)) => Ok(claimed),
                    Ok(_) => return answer,
                    Err(error) => Err(error),
                };
                if let (Some(owner), Some(heard)) = (owner, Heard::of(claimed)) {
                    self.wire.note(Note::Told { call, owner, heard });
                }
                answer
            }
            Err(_) => std::future::pending().await,
        }
    }
}

fn other<T>(told: &Told) -> Result<T, StoreError> {
    Err(StoreError::refused(format!("an answer to something else: {told:?}")))
}

#[async_trait]
impl Store for Line {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        match self.ask(key, Ask::Claim(*claim)).await? {
            Told::Claimed(claimed) => Ok(claimed),
            told => other(&told),
        }
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        match self.ask(key, Ask::Renew(owner)).await? {
            Told::Held(held) => Ok(held),
            told => other(&told),
        }
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        match self.ask(key, Ask::Finish(finish.clone())).await? {
            Told::Held(held) => Ok(held),
            told => other(&told),
        }
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        match self.ask(key, Ask::Load).await? {
            Told::Loaded(record) => Ok(record),
            told => other(&told),
        }
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        match self.ask(key, Ask::Settle(settle.clone())).await? {
            Told::Settled(settled) => Ok(settled),
            told => other(&told),
        }
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        match self.send(0, Ask::Sweep(limit)).await? {
            Told::Swept(swept) => Ok(swept),
            told => other(&told),
        }
    }

    async fn changed(&self, key: &Key) {
        if !self.hints {
            std::future::pending().await
        }
        let hint = {
            let inner = self.wire.inner();
            inner.server.hint(inner.server.number(key))
        };
        hint.notified().await;
    }
}

#[async_trait]
impl ConditionalStore for Line {
    type Version = u64;

    async fn get(&self, key: &Key) -> Result<(Option<(Vec<u8>, u64)>, Timestamp), StoreError> {
        match self.ask(key, Ask::Get).await? {
            Told::Got(found, now) => Ok((found, now)),
            told => other(&told),
        }
    }

    async fn put_if_version(
        &self,
        key: &Key,
        version: Option<&u64>,
        bytes: &[u8],
        _keep_for: Duration,
    ) -> Result<bool, StoreError> {
        match self.ask(key, Ask::Put(version.copied(), bytes.to_vec())).await? {
            Told::Put(put) => Ok(put),
            told => other(&told),
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({})", self.node)
    }
}
