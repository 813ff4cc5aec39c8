//! The links that transfers cross: registry, object store and shared file system for all, NIC and disk for each node.
//!
//! Who gets how much is decided by `engine::Sharing`; here transfers belong to stages of pods. Disks share no link with
//! anything else, so each is a sharing of its own, and one start there costs nothing elsewhere.
//!
//! # Differs from the real thing
//! Transfers over the network begin at multiples of [`GRID`]: those that begin together share alike and end together, which
//! keeps a thousand pulls from a full registry at some hundred changes of rates instead of some thousand.
//! The network between is never the bottleneck, and what arrives over a NIC is not also limited by the node's disk: the rate
//! that a profile states for one transfer has been measured with whatever it wrote to.

use crate::backend::sim::kubelet::{NodeId, PodId};
use crate::backend::sim::setup::{Params, Source};
use crate::engine::{LinkId, Sharing, Span, Time, TransferId};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Transfers over the network begin at multiples of this; short beside what they take, which is seconds to minutes.
const GRID: Span = Span::from_millis(100);

/// All links and what goes over them.
#[derive(Debug)]
pub(in crate::backend::sim) struct Links {
    network: Sharing,
    registry: LinkId,
    object_store: LinkId,
    nfs: LinkId,
    nodes: Vec<Node>,
    /// Stages whose transfers over the network go on.
    owners: FxHashMap<TransferId, Done>,
    moving: FxHashMap<(PodId, u8), Moving>,
    /// Transfers that begin at the next multiple of the grid, and when that is.
    waiting: Vec<Transfer>,
    begins: Time,
    /// When the next transfer of each disk ends.
    disks: BTreeSet<(Time, u32)>,
}

#[derive(Debug)]
struct Node {
    nic: LinkId,
    disk: Sharing,
    disk_link: LinkId,
    disk_next: Option<Time>,
    /// Stages whose transfers from the disk go on; as few as the node's pods.
    readers: Vec<(TransferId, Done)>,
}

/// A transfer over the network that has not begun.
#[derive(Clone, Copy, Debug)]
struct Transfer {
    owner: Done,
    path: [LinkId; 2],
    bytes: u64,
    rate: u64,
}

/// Where the transfer of a stage is.
#[derive(Clone, Copy, Debug)]
enum Moving {
    /// It waits for the grid.
    Waiting,
    Network(TransferId),
    Disk(u32, TransferId),
}

/// A stage whose transfer is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backend::sim) struct Done {
    /// The pod.
    pub(in crate::backend::sim) pod: PodId,
    /// The stage.
    pub(in crate::backend::sim) stage: u8,
}

impl Links {
    /// Returns the links that all nodes share.
    pub(in crate::backend::sim) fn new(params: &Params) -> Self {
        let mut network = Sharing::new();
        Self {
            registry: network.add_link(params.registry_bytes_per_s),
            object_store: network.add_link(params.object_store_bytes_per_s),
            nfs: network.add_link(params.nfs_bytes_per_s),
            network,
            nodes: Vec::new(),
            owners: FxHashMap::default(),
            moving: FxHashMap::default(),
            waiting: Vec::new(),
            begins: Time::ZERO,
            disks: BTreeSet::new(),
        }
    }

    /// Adds the links of the next node.
    pub(in crate::backend::sim) fn add_node(&mut self, params: &Params) {
        let nic = self.network.add_link(params.nic_bytes_per_s);
        let mut disk = Sharing::new();
        let disk_link = disk.add_link(params.disk_bytes_per_s);
        self.nodes.push(Node { nic, disk, disk_link, disk_next: None, readers: Vec::new() });
    }

    /// Starts the transfer of a stage that alone would reach `rate` bytes per second.
    pub(in crate::backend::sim) fn start(
        &mut self,
        now: Time,
        owner: Done,
        node: NodeId,
        from: Source,
        bytes: u64,
        rate: f64,
    ) {
        let rate = whole_rate(rate);
        let at = &mut self.nodes[node.0 as usize];
        let shared = match from {
            Source::Registry => self.registry,
            Source::ObjectStore => self.object_store,
            Source::Nfs => self.nfs,
            Source::NodeDisk => {
                let id = at.disk.start(now, bytes, &[at.disk_link], rate);
                at.readers.push((id, owner));
                self.moving.insert((owner.pod, owner.stage), Moving::Disk(node.0, id));
                return self.rearm_disk(node.0);
            }
        };
        if self.waiting.is_empty() {
            self.begins = Time(now.0.next_multiple_of(GRID.0));
        }
        self.waiting.push(Transfer { owner, path: [shared, at.nic], bytes, rate });
        self.moving.insert((owner.pod, owner.stage), Moving::Waiting);
    }

    /// Gives up the transfer of a stage, if one goes on.
    pub(in crate::backend::sim) fn cancel(&mut self, now: Time, pod: PodId, stage: u8) {
        match self.moving.remove(&(pod, stage)) {
            None => {}
            Some(Moving::Waiting) => {
                self.waiting.retain(|transfer| transfer.owner != Done { pod, stage });
            }
            Some(Moving::Network(id)) => {
                self.owners.remove(&id);
                self.network.cancel(now, id);
            }
            Some(Moving::Disk(node, id)) => {
                let at = &mut self.nodes[node as usize];
                at.readers.retain(|(reader, _)| *reader != id);
                at.disk.cancel(now, id);
                self.rearm_disk(node);
            }
        }
    }

    /// Returns when something happens next if no transfer is started or given up before.
    pub(in crate::backend::sim) fn next(&mut self) -> Option<Time> {
        let begins = (!self.waiting.is_empty()).then_some(self.begins);
        let disk = self.disks.first().map(|(at, _)| *at);
        [begins, disk, self.network.next_done()].into_iter().flatten().min()
    }

    /// Lets happen what is due at `now`; returns the stages whose transfers are over.
    pub(in crate::backend::sim) fn run(&mut self, now: Time) -> Vec<Done> {
        let mut done = Vec::new();
        for id in self.network.finish(now) {
            done.push(self.owners.remove(&id).expect("each transfer belongs to a stage"));
        }
        while let Some((at, node)) = self.disks.first().copied()
            && at <= now
        {
            let at = &mut self.nodes[node as usize];
            for id in at.disk.finish(now) {
                let index = at.readers.iter().position(|(reader, _)| *reader == id);
                done.push(at.readers.remove(index.expect("each transfer belongs to a stage")).1);
            }
            self.rearm_disk(node);
        }
        for Done { pod, stage } in &done {
            self.moving.remove(&(*pod, *stage));
        }
        if self.begins <= now {
            for Transfer { owner, path, bytes, rate } in std::mem::take(&mut self.waiting) {
                let id = self.network.start(now, bytes, &path, rate);
                self.owners.insert(id, owner);
                self.moving.insert((owner.pod, owner.stage), Moving::Network(id));
            }
        }
        done
    }

    fn rearm_disk(&mut self, node: u32) {
        let at = &mut self.nodes[node as usize];
        let next = at.disk.next_done();
        if let Some(old) = std::mem::replace(&mut at.disk_next, next) {
            self.disks.remove(&(old, node));
        }
        if let Some(next) = next {
            self.disks.insert((next, node));
        }
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
