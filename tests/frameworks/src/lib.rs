//! One annotated function in every framework. [`service`] knows none of them, [`status`] is the one table of refusals, and
//! each framework's module is the smallest service that is idiomatic there: `POST /charges`, with the `Idem` made ambient by
//! one line of middleware.
//!
//! ```sh
//! cargo test --manifest-path tests/frameworks/Cargo.toml --features axum
//! ```

pub mod service;
pub mod status;
pub mod till;

#[cfg(feature = "actix")]
pub mod actix;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(any(feature = "hyper", feature = "smol"))]
mod handle;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(feature = "poem")]
pub mod poem;
#[cfg(feature = "smol")]
pub mod smol;
#[cfg(feature = "tonic")]
pub mod tonic;
