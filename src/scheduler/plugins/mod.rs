//! The plugins of kube-scheduler's default profile, one file each.
//!
//! # Differs from the real thing
//! The volume plugins and `DynamicResources` are missing: simulated pods have neither volumes that bind them nor claims.

pub(super) mod image_locality;
pub(super) mod inter_pod_affinity;
pub(super) mod node_affinity;
pub(super) mod node_name;
pub(super) mod node_ports;
pub(super) mod node_resources_balanced_allocation;
pub(super) mod node_resources_fit;
pub(super) mod node_unschedulable;
pub(super) mod pod_topology_spread;
pub(super) mod taint_toleration;
