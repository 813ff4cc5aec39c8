//! The simulated control plane.
//!
//! Owns the store with its watches, the controllers' queues and clients, the StatefulSet controller, garbage collection,
//! the node life cycle, the kubelet and the scheduler loop. Never holds an LWS rule or a scheduling rule: it asks
//! `controller` and `scheduler`.

mod kubelet;
pub mod setup;
mod start;
pub mod statefulset;
