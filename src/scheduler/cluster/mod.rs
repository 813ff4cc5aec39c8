//! The scheduler's picture of the cluster: nodes as columns, placed and assumed pods, and counters that follow them.
//!
//! Invariant: after each call every counter equals what a scan over all pods would give. Nothing here decides anything.

mod carried;
mod index;
mod matchers;
mod nodes;
mod pods;
mod topology;

pub use matchers::Counted;
pub use nodes::{NodeChange, NodeIndex};
pub use pods::{Cluster, PlacedPod};
pub(super) use topology::NO_DOMAIN;
pub use topology::TopologyId;
