//! The cases, by what they are about. A refusal always stands beside its honest counterpart.

mod claims;
mod clocks;
mod drops;
mod endings;
mod keys;
mod looking;
mod payloads;
mod races;
mod renewals;
mod settling;
mod steps;
mod time;
mod walks;

use super::case::Named;

pub(super) const ALL: &[&[Named]] = &[
    claims::ALL,
    renewals::ALL,
    endings::ALL,
    drops::ALL,
    payloads::ALL,
    keys::ALL,
    settling::ALL,
    steps::ALL,
    looking::ALL,
    time::ALL,
    races::ALL,
    walks::ALL,
    clocks::ALL,
];
