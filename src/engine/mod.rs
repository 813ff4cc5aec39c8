//! The discrete-event engine: virtual time, the event queue, named random streams, distributions on portable math,
//! and fair sharing of bandwidth.
//!
//! Never knows Kubernetes, and has no wall clock, I/O, threads or entropy.

mod distribution;
pub mod math;
mod queue;
mod random;
mod run;
mod sharing;
mod time;

pub use distribution::{Distribution, EmpiricalError, VALUES_MAX, empirical_from_csv};
pub use queue::{PENDING_MAX, Queue, SCHEDULED_MAX, Ticket};
pub use random::{Purpose, Stream, Streams, entity, entity2};
pub use run::{Model, Stop, run, run_by};
pub use sharing::{LinkId, Sharing, TransferId, UNLIMITED};
pub use time::{Span, Time};
