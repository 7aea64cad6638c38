//! What a call owns while it is on its way.

use std::sync::Arc;

use super::drain::UnderWay;
use super::flight::Slot;
use super::lease::{self, Lease, Renewal};
use super::observe::{self, CameTo, Happened, Watch};
use super::spawn::Task;
use super::Engine;
use crate::clock::Instant;
use crate::context::Run;
use crate::error::Error;
use crate::operation::Operation;
use crate::record::Owner;
use crate::transition::Ending;

/// A guarded call that was not answered at once.
#[derive(Debug)]
pub(crate) struct Call {
    pub(super) engine: Arc<Engine>,
    pub(super) op: Operation,
    pub(super) run: Arc<Run>,
    pub(super) slot: Option<Arc<Slot>>,
    /// Counts this call as long as it may hold a key.
    pub(super) under_way: Option<UnderWay>,
    pub(super) stage: Stage,
    /// The store did not answer, and the body runs all the same.
    pub(super) unguarded: bool,
    /// The key was granted beside a success of this process and given back, and that was not answered.
    pub(super) given_back: bool,
    pub(super) renewal: Renewal,
    /// How the body ended, once it has, until the record knows or needs not.
    pub(super) ending: Option<Ending>,
    /// The token under which a success that has lost its key asks for it again.
    pub(super) way_back: Option<Owner>,
    /// The ending was also sent without its result. Which of the two landed, only the store knows.
    pub(super) in_doubt: bool,
    pub(super) watch: Watch,
    /// What it came to was told.
    pub(super) told: bool,
    /// A part of it is being polled. Found so in a drop, it has panicked.
    pub(super) polling: bool,
}

/// How far a call has come, as far as the store is concerned.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// The key is not this call's.
    Outside,
    /// A claim was sent, for the last time at this moment, and not answered.
    Claiming(Owner, Instant),
    /// The key is this call's and the body was not polled yet.
    Granted(Lease),
    /// The body was polled.
    Running(Lease),
}

impl Call {
    pub(crate) fn new(engine: Arc<Engine>, op: Operation) -> Self {
        let run = Run::new(engine.id(), op.key.clone());
        let watch = Watch::new(op.name.clone(), &op.key);
        Self {
            engine,
            op,
            run,
            slot: None,
            under_way: None,
            stage: Stage::Outside,
            unguarded: false,
            given_back: false,
            renewal: Renewal::NotYet,
            ending: None,
            way_back: None,
            in_doubt: false,
            watch,
            told: false,
            polling: false,
        }
    }

    /// What the call came to.
    pub(super) fn came_to(&mut self, came_to: CameTo) {
        self.told = true;
        self.watch.came_to(came_to);
    }

    /// The call was refused.
    pub(super) fn refused(&mut self, error: &Error) {
        self.told = true;
        observe::refused(error);
    }

    /// The lease is gone; said once.
    pub(super) fn lost(&self) {
        lost(&self.run, &self.watch);
    }

    pub(super) const fn owner(&self) -> Option<Owner> {
        match self.stage {
            Stage::Outside => None,
            Stage::Claiming(owner, _) | Stage::Granted(Lease { owner, .. }) | Stage::Running(Lease { owner, .. }) => {
                Some(owner)
            }
        }
    }

    /// Whether the key was granted, and lost again before the body began, as far as this process knows.
    pub(super) fn is_stale(&self) -> bool {
        let until = self.slot.as_ref().and_then(|slot| slot.lease_until());
        let is_held = !self.run.is_lost() && until.is_some_and(|until| Instant::now() < until);
        matches!(self.stage, Stage::Granted(_)) && !is_held
    }

    /// The lease of a body that has not begun.
    pub(super) const fn lease(&self) -> Option<Lease> {
        match self.stage {
            Stage::Granted(lease) => Some(lease),
            _ => None,
        }
    }

    /// Whether this call was granted the key only to find out what became of the attempt before it.
    pub(super) const fn must_ask(&self) -> bool {
        self.op.reconciling && matches!(self.stage, Stage::Granted(lease) if lease.after_unknown)
    }

    /// The lease's renewal, beside whatever the borrowed parts are used for.
    pub(super) fn renewing(&mut self) -> (&mut Renewal, impl Fn() -> Option<Task> + '_) {
        let Self { engine, op, run, slot, stage, renewal, watch, .. } = self;
        let make = || match (&*stage, &*slot) {
            (Stage::Granted(lease) | Stage::Running(lease), Some(slot)) => {
                let (engine, op, run, slot) = (Arc::clone(engine), op.clone(), Arc::clone(run), Arc::clone(slot));
                Some(Box::pin(lease::renew(engine, op, run, *lease, slot, watch.clone())) as Task)
            }
            _ => None,
        };
        (renewal, make)
    }
}

/// The lease is gone; said once.
pub(super) fn lost(run: &Run, watch: &Watch) {
    if run.lose() {
        watch.happened(Happened::LeaseLost);
    }
}
