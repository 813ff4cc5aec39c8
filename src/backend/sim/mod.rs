//! The simulated control plane.
//!
//! Owns the store with its watches, the controllers' queues and clients, the StatefulSet controller, garbage collection,
//! the node life cycle, the kubelet and the scheduler loop. Never holds an LWS rule or a scheduling rule: it asks
//! `controller` and `scheduler`.

pub mod budgets;
mod cache;
pub mod check;
mod client;
mod collector;
mod contest;
mod crash;
#[cfg(test)]
mod end_to_end;
pub mod explore;
mod fingerprint;
mod groups;
mod kubelet;
mod lws_shell;
mod node_life;
mod nodes;
mod object;
pub mod order;
pub mod play;
mod preempting;
mod queue;
mod repairs;
#[cfg(test)]
mod rollout_cost;
mod run;
mod schedule;
mod set_shell;
pub mod setup;
mod show;
mod start;
pub mod statefulset;
mod store;
mod templates;
mod timeline;
mod track;
#[cfg(test)]
mod trial;
mod user;
mod waits;
mod watch;
mod world;

pub use run::{Finished, Options, run, run_with};
