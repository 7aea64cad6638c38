//! What measures: contenders in interleaved rounds, their spread, tables and plots. The rows are in `table/`.
// A benchmark ends when something is wrong.
#![allow(clippy::missing_panics_doc)]

pub mod compare;
pub mod effort;
pub mod fan;
pub mod ids;
pub mod plot;
pub mod report;
pub mod spread;
pub mod subject;
pub mod unit;
