//! The start of a pod as a graph of stages: which stage may begin, what it takes, what a cache saves, and who shares links.
//!
//! The parts know single pods only by number and never the control plane: `kubelet` moves pods through their states and
//! asks here. The rules are those of docs/model: stages run as soon as all stages before them are done, several at
//! once; images are pulled one at a time on a node; what is cached costs its hit; transfers share links fairly; a stage
//! that waits for its group begins when all pods of the group that run it have reached it.

mod cache;
mod graph;
mod groups;
mod links;
mod pulls;

pub(super) use cache::{Cache, CacheKey, Keys};
pub(super) use graph::{Class, Classes};
pub(super) use groups::{Arrival, Groups, Pods};
pub(super) use links::{Done, Links};
pub(super) use pulls::{Pull, Pulls};
