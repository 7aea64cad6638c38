//! The store of a world: `transition` on one record, and what the world has in mind for each verb.

use std::fmt;
use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use idem::{Claim, Claimed, Completed, Finish, Key, Owner, Ownership, Record, Store, StoreError};

use crate::history::{Ask, Happened, Said};
use crate::path::Kind;
use crate::stage::{breath, panics, Stage};
use crate::world::{Fate, AGAIN, LATE, SLOW, STRAY};

/// The store as one process sees it.
#[derive(Clone)]
pub(crate) struct Scripted {
    pub(crate) stage: Arc<Stage>,
    pub(crate) node: usize,
}

/// A request on its way. Its sender may leave it there.
struct OnItsWay<'a>(&'a Arc<Stage>, usize);

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        self.0.unattended(self.1);
    }
}

impl Scripted {
    async fn ask(&self, ask: Ask) -> Result<Said, StoreError> {
        let (verb, fate) = self.stage.send(self.node, &ask);
        let answer = self.meet(verb, fate).await;
        self.stage.note(Happened::Answered(verb, answer.is_ok()));
        answer
    }

    /// Before a verb is applied and after, whoever asks has to wait.
    async fn meet(&self, verb: usize, fate: Option<Fate>) -> Result<Said, StoreError> {
        let stage = &self.stage;
        let (way, call) = (OnItsWay(stage, verb), stage.call());
        if let Some(Fate::NotApplied | Fate::Refused | Fate::Late | Fate::Silent | Fate::Panics | Fate::Strays) = fate {
            stage.settled(verb);
        }
        if fate == Some(Fate::Late) {
            stage.later(call, LATE, move |stage| drop(stage.apply(verb)));
        }
        if fate == Some(Fate::Strays) {
            stage.later(call, STRAY, move |stage| drop(stage.apply(verb)));
        }
        breath().await;
        match fate {
            Some(Fate::Strays) => return Err(StoreError::unknown("reset")),
            Some(Fate::NotApplied) => return Err(StoreError::not_applied("not applied")),
            Some(Fate::Refused) => return Err(StoreError::refused("refused")),
            Some(Fate::Late | Fate::Silent) => return pending().await,
            Some(Fate::Panics) => panics(),
            _ => {}
        }
        let said = stage.apply(verb);
        match fate {
            Some(Fate::Twice) => stage.later(call, STRAY, move |stage| drop(stage.apply_again(verb))),
            Some(Fate::TwiceLate) => {
                stage.later(call, AGAIN, move |stage| drop(stage.apply_again(verb)));
            }
            Some(Fate::Slow) => tokio::time::sleep(SLOW).await,
            _ => {}
        }
        breath().await;
        drop(way);
        match (fate, said) {
            (Some(Fate::Lost), _) | (_, None) => Err(StoreError::unknown("lost")),
            (Some(Fate::PanicsLate), _) => panics(),
            (_, Some(said)) => Ok(said),
        }
    }

    async fn held(&self, ask: Ask) -> Result<Ownership, StoreError> {
        match self.ask(ask).await? {
            Said::Held(held) => Ok(held),
            Said::Claimed(_) => Err(StoreError::refused("answered something else")),
        }
    }
}

#[async_trait]
impl Store for Scripted {
    async fn claim(&self, _: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        match self.ask(Ask::Claim(*claim)).await? {
            Said::Claimed(claimed) => Ok(claimed),
            Said::Held(_) => Err(StoreError::refused("answered something else")),
        }
    }

    async fn renew(&self, _: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        self.held(Ask::Renew(owner)).await
    }

    async fn finish(&self, _: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        self.held(Ask::Finish(finish.clone())).await
    }

    async fn load(&self, _: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.stage.state().record.clone())
    }

    fn peek(&self, _: &Key) -> Option<Completed> {
        let peeks = self.stage.world.path.store == Kind::Peeking;
        peeks.then(|| self.stage.state().record.as_ref()?.completed(self.stage.now())).flatten()
    }

    async fn changed(&self, _: &Key) {
        if self.stage.world.path.store == Kind::Hinting {
            self.stage.news.notified().await;
        } else {
            pending().await
        }
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}
