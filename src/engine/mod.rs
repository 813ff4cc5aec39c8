//! The discrete-event engine: virtual time, the event queue, named random streams, distributions on portable math,
//! and fair sharing of bandwidth.
//!
//! Never knows Kubernetes, and has no wall clock, I/O, threads or entropy.

mod time;

pub use time::{Span, Time};
mod distribution;
pub use distribution::Distribution;
