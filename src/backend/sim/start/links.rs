//! The links that transfers cross: registry, object store and shared file system for all, NIC and disk for each node.
//!
//! Who gets how much is decided by `engine::Sharing`; here transfers belong to stages of pods.
//!
//! # Differs from the real thing
//! The network between is never the bottleneck, and what arrives over a NIC is not also limited by the node's disk: the rate
//! that a profile states for one transfer has been measured with whatever it wrote to.

use crate::backend::sim::kubelet::{NodeId, PodId};
use crate::backend::sim::setup::{Params, Source};
use crate::engine::{LinkId, Sharing, Time, TransferId};
use rustc_hash::FxHashMap;

/// All links and what goes over them.
#[derive(Debug)]
pub(in crate::backend::sim) struct Links {
    sharing: Sharing,
    registry: LinkId,
    object_store: LinkId,
    nfs: LinkId,
    nodes: Vec<NodeLinks>,
    owners: FxHashMap<TransferId, Done>,
    transfers: FxHashMap<Done, TransferId>,
}

#[derive(Clone, Copy, Debug)]
struct NodeLinks {
    nic: LinkId,
    disk: LinkId,
}

/// A stage whose transfer is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::backend::sim) struct Done {
    /// The pod.
    pub(in crate::backend::sim) pod: PodId,
    /// The stage.
    pub(in crate::backend::sim) stage: u8,
}

impl Links {
    /// Returns the links that all nodes share.
    pub(in crate::backend::sim) fn new(params: &Params) -> Self {
        let mut sharing = Sharing::new();
        Self {
            registry: sharing.add_link(params.registry_bytes_per_s),
            object_store: sharing.add_link(params.object_store_bytes_per_s),
            nfs: sharing.add_link(params.nfs_bytes_per_s),
            sharing,
            nodes: Vec::new(),
            owners: FxHashMap::default(),
            transfers: FxHashMap::default(),
        }
    }

    /// Adds the links of the next node.
    pub(in crate::backend::sim) fn add_node(&mut self, params: &Params) {
        let nic = self.sharing.add_link(params.nic_bytes_per_s);
        let disk = self.sharing.add_link(params.disk_bytes_per_s);
        self.nodes.push(NodeLinks { nic, disk });
    }

    /// Starts the transfer of a stage that alone would reach `rate` bytes per second.
    pub(in crate::backend::sim) fn start(
        &mut self,
        now: Time,
        stage: Done,
        node: NodeId,
        from: Source,
        bytes: u64,
        rate: f64,
    ) {
        let NodeLinks { nic, disk } = self.nodes[node.0 as usize];
        let path = match from {
            Source::Registry => &[self.registry, nic][..],
            Source::ObjectStore => &[self.object_store, nic],
            Source::Nfs => &[self.nfs, nic],
            Source::NodeDisk => &[disk],
        };
        let transfer = self.sharing.start(now, bytes, path, whole_rate(rate));
        self.owners.insert(transfer, stage);
        self.transfers.insert(stage, transfer);
    }

    /// Gives up the transfer of a stage, if one goes on.
    pub(in crate::backend::sim) fn cancel(&mut self, now: Time, pod: PodId, stage: u8) {
        if let Some(transfer) = self.transfers.remove(&Done { pod, stage }) {
            self.owners.remove(&transfer);
            self.sharing.cancel(now, transfer);
        }
    }

    /// Returns when the next transfer is over if none is started or given up before.
    pub(in crate::backend::sim) fn next(&mut self) -> Option<Time> {
        self.sharing.next()
    }

    /// Returns the stages whose transfers are over at `now`, in the order in which these were started.
    pub(in crate::backend::sim) fn finish(&mut self, now: Time) -> Vec<Done> {
        let over = self.sharing.finish(now);
        let stages = over
            .into_iter()
            .map(|transfer| self.owners.remove(&transfer).expect("each transfer is a stage's"));
        let stages: Vec<Done> = stages.collect();
        for stage in &stages {
            self.transfers.remove(stage);
        }
        stages
    }
}

/// Returns a drawn rate in whole bytes per second; no transfer stands still.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer casts saturate, which is what is wanted"
)]
fn whole_rate(rate: f64) -> u64 {
    (rate as u64).max(1)
}
