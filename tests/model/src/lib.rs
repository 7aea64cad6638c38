//! The record's life under a model checker: a few calls of one key, each with the engine's own `Phase`; a store that applies
//! `idem_core::transition`; and a network on which every message may be lost, doubled or late.
//!
//! Every state within a world's bound is visited. Each change is held against the contract's laws ([`Law`]), and each
//! record that is met is asked what anybody may ask next. What must not be missing ([`Event`]) is looked for, too.

/// The engine's state machine as it ships, on the model's time.
#[allow(dead_code)] // `fail_open` and calls of one process are the simulation's and the threads'.
#[path = "../../../idem-core/src/engine/phase.rs"]
mod phase;

/// What `phase` names: time is counted in ticks here.
mod clock {
    pub(crate) type Instant = u32;
}
mod record {
    pub(crate) use idem_core::Owner;
}
mod transition {
    pub(crate) use idem_core::{Ending, Ownership};
}

mod acts;
mod deliver;
mod judge;
mod law;
mod met;
mod model;
mod probe;
mod seen;
mod state;
mod time;
mod world;

pub use acts::Act;
pub use law::Law;
pub use met::Event;
pub use state::State;
pub use world::{Mistake, Policy, World};
