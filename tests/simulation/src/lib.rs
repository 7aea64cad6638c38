//! What the simulations share.
