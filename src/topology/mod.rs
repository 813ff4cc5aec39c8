//! Cluster shapes as plain data, and the domains that nodes form.
//!
//! [`Shape`] describes a kind of cluster and lists its nodes; [`Domains`] holds the tree of domains as dense arrays;
//! [`domain_path`] reads a node's place from its labels. Never knows Kubernetes types: `scenario` turns
//! descriptions into Node objects.

mod domains;
mod node;
mod path;
mod shape;

pub use domains::{Domain, Domains};
pub use node::{NodeDescription, Taint, TaintEffect};
pub use path::domain_path;
pub use shape::{NodeResources, Nodes, Nvl72, Racks, Shape, ShapeError, Superpod, TpuSlices};
