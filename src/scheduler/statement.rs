//! A list of placements and removals that can be taken back as a whole, for decisions about several pods.

use super::cluster::{Cluster, NodeIndex};
use super::pod::{PodKey, PodView};

#[derive(Clone, Debug)]
enum Operation {
    Assumed(PodKey),
    Forgotten { key: PodKey, pod: Box<PodView>, node: NodeIndex, is_terminating: bool },
}

/// Changes that were made to a cluster since the statement began.
#[must_use = "a statement is committed or rolled back"]
#[derive(Clone, Debug, Default)]
pub struct Statement {
    operations: Vec<Operation>,
}

impl Statement {
    /// Begins a statement.
    pub fn new() -> Self {
        Self::default()
    }

    /// Places a pod.
    pub fn assume(&mut self, cluster: &mut Cluster, key: PodKey, pod: &PodView, node: NodeIndex) {
        cluster.add_pod(key, pod, node);
        self.operations.push(Operation::Assumed(key));
    }

    /// Takes a pod off its node, as if it had been evicted. Nothing happens where it is not placed.
    pub fn forget(&mut self, cluster: &mut Cluster, key: PodKey) {
        let Some(pod) = cluster.remove_pod(key) else { return };
        let (node, is_terminating) = (pod.node, pod.is_terminating);
        self.operations.push(Operation::Forgotten {
            key,
            pod: Box::new(pod.into_view()),
            node,
            is_terminating,
        });
    }

    /// Returns a mark to which [`Self::roll_back_to`] returns.
    pub fn mark(&self) -> usize {
        self.operations.len()
    }

    /// Takes back what was done since a mark, last first.
    pub fn roll_back_to(&mut self, cluster: &mut Cluster, mark: usize) {
        for operation in self.operations.drain(mark..).rev() {
            match operation {
                Operation::Assumed(key) => drop(cluster.remove_pod(key)),
                Operation::Forgotten { key, pod, node, is_terminating } => {
                    cluster.add_pod(key, &pod, node);
                    if is_terminating {
                        cluster.set_terminating(key);
                    }
                }
            }
        }
    }

    /// Takes everything back.
    pub fn roll_back(mut self, cluster: &mut Cluster) {
        self.roll_back_to(cluster, 0);
    }

    /// Lets everything stand.
    pub fn commit(self) {
        drop(self);
    }
}
