//! The record's life under a model checker: a few calls of one key, each a small engine; a store that applies
//! `idem_core::transition`; and a network on which every message may be lost, doubled or late.
//!
//! Every state within a world's bound is visited. Each change is held against the contract's laws ([`Law`]), and each
//! record that is met is asked what anybody may ask next. What must not be missing ([`Event`]) is looked for, too.

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
pub use world::{Policy, World};
