//! What tests need of services and stores that are built on `idem`.
//!
//! - [`conformance`] asks a store all that `idem` relies on, in some sixty named cases.
//! - [`Faulty`] puts any store in trouble: answers that are lost, late or refused.
//! - [`Clock`] is a clock to turn, for stores that take one.

mod clock;
mod conformance;
mod faulty;

pub use clock::Clock;
pub use conformance::{conformance, Report, Suite};
pub use faulty::{Faulty, Trouble, Verb};
