//! A guarded call by hand: what it sends, in which order, and what it believes.

use idem::*;

use crate::world::{Broken, Step, World, LEASE, TTL};
use crate::Mistake;

/// The first call of a story. It has the mistake, if a call has it.
#[derive(Debug)]
pub(crate) struct Call {
    claim: Claim,
    fence: u64,
    run: usize,
    sent: Option<Finish>,
}

pub(crate) fn claim_of(owner: Owner) -> Claim {
    Claim::new(owner, LEASE, TTL)
}

/// The result of a body.
pub(crate) fn result(run: usize) -> Completion {
    let number = u8::try_from(run).expect("a story has few bodies");
    Completion::Result(Payload::from_bytes([number]))
}

impl Call {
    /// Claims the key until an answer comes, and begins the body. No other call has come yet.
    pub(crate) fn begin(world: &mut World) -> Step<Self> {
        let mut claim = claim_of(world.token());
        let mut answer = world.claim(&claim)?;
        let answer_lost = world.chance();
        if answer_lost {
            if world.mistake == Mistake::TokenPerSending {
                claim = claim_of(world.token());
            }
            answer = world.claim(&claim)?;
        }
        let Claimed::Granted(grant) = answer else {
            return Err(Broken(5, "the only caller of a key is refused"));
        };
        world.renewing = Some(claim.owner);
        Ok(Self { claim, fence: grant.fence, run: world.begin(false)?, sent: None })
    }

    /// The body ends, and the call records how.
    pub(crate) fn end(&mut self, world: &mut World) -> Step {
        let has_failed = world.chance();
        let ending = if has_failed { Ending::Failed } else { Ending::Completed(result(self.run)) };
        if has_failed {
            world.failed(self.run);
        } else if world.mistake == Mistake::AnsweredBeforeRecorded {
            world.tell(&result(self.run))?;
        }
        world.renewing = None;
        let is_killed = world.chance();
        if is_killed {
            return Ok(());
        }
        let mut held = self.send(world, ending.clone())?;
        let answer_lost = world.chance();
        if answer_lost {
            held = self.send(world, ending.clone())?;
        }
        match (held, has_failed) {
            (_, true) => Ok(()),
            (Ownership::Held, false) => world.tell(&result(self.run)),
            (_, false) => self.reclaim(world, ending),
        }
    }

    /// A success whose lease another call took over claims the key again, in order to be recorded.
    fn reclaim(&mut self, world: &mut World, ending: Ending) -> Step {
        self.claim = claim_of(world.token()).reconciling(true);
        match insist(world, &self.claim.clone())? {
            Claimed::Granted(grant) => {
                self.fence = grant.fence;
                self.send(world, ending)?;
                world.tell(&result(self.run))
            }
            Claimed::Completed(theirs) => world.tell(&theirs.completion),
            _ => Err(Broken(4, "a success that is never recorded")),
        }
    }

    /// The call is dropped in the middle of its body.
    pub(crate) fn dropped(&mut self, world: &mut World) -> Step {
        world.renewing = None;
        let ending = if world.mistake == Mistake::FailedOnDrop { Ending::Failed } else { Ending::Unknown };
        self.send(world, ending).map(drop)
    }

    fn send(&mut self, world: &mut World, ending: Ending) -> Step<Ownership> {
        let fence = (world.mistake != Mistake::EndsWithoutFence).then_some(self.fence);
        let finish = Finish::new(self.claim.owner, ending).fence(fence);
        let held = world.finish(&finish)?;
        self.sent = Some(finish);
        Ok(held)
    }

    /// The process stood still for a lease: it does not renew, and does not hear of another call.
    pub(crate) fn stalls(&self, world: &mut World) -> Step {
        world.renewing = None;
        world.pass(LEASE)
    }

    /// The process goes on, and renews.
    pub(crate) fn wakes(&self, world: &mut World) -> Step {
        world.renewing = Some(self.claim.owner);
        world.pass(LEASE / 3)
    }

    /// The network delivers what it had kept: a copy of the claim, then one of the ending.
    pub(crate) fn copies(&self, world: &mut World) -> Step {
        world.claim(&self.claim)?;
        match &self.sent {
            Some(finish) => world.copy(finish, self.fence),
            None => Ok(()),
        }
    }
}

/// Claims until the key is free: three times at most, each after the lease that it was told of.
pub(crate) fn insist(world: &mut World, claim: &Claim) -> Step<Claimed> {
    let mut answer = world.claim(claim)?;
    for _ in 0..2 {
        if let Claimed::Running { lease_left, .. } = answer {
            world.pass(lease_left)?;
            answer = world.claim(claim)?;
        }
    }
    let is_owned = world.renewing.is_some() && !world.heard_loss;
    if matches!(answer, Claimed::Running { .. }) && !is_owned {
        return Err(Broken(5, "a key that stays in progress without an owner"));
    }
    Ok(answer)
}
