//! Runs of a scenario and what their results mean.
//!
//! Owns variants × seeds (the only threads of lwsim), metrics, statistics, gates, and the result files, which are the only
//! thing that `report` reads. Never knows how a backend works: a run is a set-up and a seed in, records and a
//! [`RunEnd`](crate::backend::record::RunEnd) out.

pub mod directory;
pub mod events;
pub mod explain;
pub mod explore;
pub mod gates;
pub mod history;
pub mod metrics;
pub mod orders;
pub mod prepare;
pub mod result;
pub mod run;
pub mod stats;
