//! Why groups are not ready when nothing can change any more: the chain of waits from each group to its cause.
//!
//! Reads the store's truth at the end of a run. Explains only; whether a run is stuck is decided in `run`.

use super::groups::{Group, SetTrack};
use super::object::{Kind, LwsRecord, NameId, NodeRecord, PodRecord, SetRecord};
use super::schedule::Scheduling;
use super::world::World;
use crate::backend::record::{GroupPhase, Wait, WaitChain};
use crate::controller::Phase;

/// Links of one chain at the most; the cause is always the last.
const CHAIN_MAX: usize = 12;

impl World<'_> {
    /// Returns a chain for each group that wants to be ready and is not, and for each rollout that cannot end.
    pub(super) fn waits(&self) -> Vec<WaitChain> {
        let mut chains = Vec::new();
        for (name, track) in &self.groups.sets {
            let mut has_unready = false;
            let last = track.groups.keys().next_back().map_or(0, |index| index + 1);
            for index in 0..track.replicas.max(last) {
                let group = track.groups.get(&index);
                let is_wanted =
                    index < track.replicas || group.is_some_and(|group| !is_going(group));
                if !is_wanted || group.is_some_and(|group| group.phase == Some(GroupPhase::Ready)) {
                    continue;
                }
                has_unready = true;
                let chain = self.group_chain(*name, index, group, track);
                chains.push(WaitChain { group: self.group_name(*name, index, group), chain });
            }
            if track.is_rolling && !has_unready {
                chains.push(WaitChain {
                    group: self.store.names.text(*name).to_string(),
                    chain: self.rollout_chain(*name, track),
                });
            }
        }
        chains
    }

    fn group_name(&self, set: NameId, index: u32, group: Option<&Group>) -> String {
        group.map_or_else(
            || format!("{}-{index}", self.store.names.text(set)),
            |group| self.store.names.text(group.name).to_string(),
        )
    }

    fn link(&self, kind: Kind, name: NameId, waits_for: impl Into<String>) -> Wait {
        Wait { object: self.reference(kind, name).to_string(), waits_for: waits_for.into() }
    }

    fn group_chain(
        &self,
        set: NameId,
        index: u32,
        group: Option<&Group>,
        track: &SetTrack,
    ) -> Vec<Wait> {
        let mut chain = Vec::new();
        let Some(group) = group else {
            self.missing_group(set, index, track, &mut chain);
            return chain;
        };
        let lws = self.store.get::<LwsRecord>(set).is_some();
        let ready = group.members.iter().filter(|member| member.is_ready).count();
        if lws {
            chain.push(Wait {
                object: format!("Group/{}", self.store.names.text(group.name)),
                waits_for: format!("{ready} of its {} pods are ready", group.size),
            });
        }
        for member in &group.members {
            if let Some(pod) = self.pod(member.pod)
                && (!pod.is_ready || pod.meta.deleting.is_some())
            {
                self.pod_chain(pod, &mut chain);
            }
            if chain.len() >= CHAIN_MAX {
                break;
            }
        }
        if lws && group.members.len() < group.size as usize && chain.len() < CHAIN_MAX {
            self.missing_workers(group, &mut chain);
        }
        chain
    }

    fn missing_group(&self, set: NameId, index: u32, track: &SetTrack, chain: &mut Vec<Wait>) {
        let Some(leader_set) = self.store.get::<SetRecord>(set) else {
            chain.push(self.link(
                Kind::LeaderWorkerSet,
                set,
                "its leader StatefulSet, which does not exist",
            ));
            return;
        };
        let text = if leader_set.meta.deleting.is_some() {
            "its own deletion, which its dependents hold up".to_owned()
        } else if leader_set.spec.body.replicas <= i32::try_from(index).unwrap_or(i32::MAX) {
            format!(
                "the controller to raise its replicas from {} to {}",
                leader_set.spec.body.replicas, track.replicas
            )
        } else {
            format!(
                "pod {}-{index}, whose creation the API server refuses or another object of that name holds up",
                self.store.names.name(set)
            )
        };
        chain.push(self.link(Kind::StatefulSet, set, text));
    }

    fn missing_workers(&self, group: &Group, chain: &mut Vec<Wait>) {
        let Some(leader) = self.pod(group.name) else { return };
        if self.store.get::<SetRecord>(group.name).is_some() {
            chain.push(self.link(
                Kind::StatefulSet,
                group.name,
                "worker pods that it has not been able to create",
            ));
            return;
        }
        let text = if leader.node.is_none() {
            "its leader to be bound: only then does exclusive placement know the domain of the workers"
        } else if !leader.is_ready {
            "its leader to become ready: startupPolicy LeaderReady makes the workers only then"
        } else {
            "its worker StatefulSet, which the pod controller has not been able to create"
        };
        chain.push(Wait {
            object: format!("Group/{}", self.store.names.text(group.name)),
            waits_for: format!(
                "{} workers, which wait for {text}",
                group.size as usize - group.members.len()
            ),
        });
    }

    fn pod_chain(&self, pod: &PodRecord, chain: &mut Vec<Wait>) {
        let name = pod.meta.name;
        if pod.meta.deleting.is_some() {
            let node = pod.node.and_then(|node| self.store.get::<NodeRecord>(node));
            match node {
                Some(node) if !node.is_ready && !pod.is_confirmed => {
                    let text = format!(
                        "the kubelet of node {} to confirm its deletion",
                        self.store.names.name(node.meta.name)
                    );
                    chain.push(self.link(Kind::Pod, name, text));
                    chain.push(self.link(Kind::Node, node.meta.name, "nothing: it is NotReady, and stays until it returns, is removed or is tainted out-of-service"));
                }
                _ if pod.meta.finalizers.foreground => {
                    chain.push(self.link(
                        Kind::Pod,
                        name,
                        "its dependents to go first (foreground deletion)",
                    ));
                    for (kind, dependent) in self.store.dependents(pod.meta.uid) {
                        self.dependent_chain(*kind, *dependent, chain);
                    }
                }
                _ => chain.push(self.link(Kind::Pod, name, "its deletion to end")),
            }
            return;
        }
        match (pod.node, pod.phase) {
            (None, _) => self.unbound_chain(pod, chain),
            (Some(_), Phase::Failed) => chain.push(self.link(
                Kind::Pod,
                name,
                "its StatefulSet to replace it: its phase is Failed",
            )),
            (Some(node), _) => {
                let record = self.store.get::<NodeRecord>(node);
                if record.is_some_and(|record| !record.is_ready) {
                    let text =
                        format!("its node {}, which is NotReady", self.store.names.name(node));
                    chain.push(self.link(Kind::Pod, name, text));
                } else {
                    self.started_chain(pod, chain);
                }
            }
        }
    }

    /// Why a pod on a node that is ready is not ready itself, and who holds it up.
    fn started_chain(&self, pod: &PodRecord, chain: &mut Vec<Wait>) {
        let waiting = self.kubelets.waiting(super::nodes::pod_id(pod));
        let text = waiting
            .as_ref()
            .map_or_else(|| "its containers to become ready".to_owned(), ToString::to_string);
        chain.push(self.link(Kind::Pod, pod.meta.name, text));
        let mut others = waiting.iter().flat_map(super::kubelet::Waiting::pods);
        let Some(other) = others.find_map(|other| self.pod(self.pod_name(*other)?)) else {
            return;
        };
        let object = self.reference(Kind::Pod, other.meta.name);
        // Two members that wait for each other at different stages are a cause of their own.
        if chain.len() < CHAIN_MAX && chain.iter().all(|wait| wait.object != *object) {
            self.pod_chain(other, chain);
        }
    }

    fn dependent_chain(&self, kind: Kind, name: NameId, chain: &mut Vec<Wait>) {
        if chain.len() >= CHAIN_MAX {
            return;
        }
        let Some(object) = self.store.object(kind, name) else { return };
        if let super::object::Object::Pod(pod) = &object {
            self.pod_chain(pod, chain);
            return;
        }
        let dependents = self.store.dependents(object.meta().uid);
        chain.push(self.link(kind, name, format!("{} dependents to go first", dependents.len())));
        for (kind, dependent) in dependents {
            self.dependent_chain(*kind, *dependent, chain);
        }
    }

    /// Why a pod has no node, and who holds what it asks for.
    fn unbound_chain(&self, pod: &PodRecord, chain: &mut Vec<Wait>) {
        let name = pod.meta.name;
        let Some(message) = self.scheduling.message(name) else {
            chain.push(self.link(Kind::Pod, name, Scheduling::why_not_queued(pod)));
            return;
        };
        chain.push(self.link(Kind::Pod, name, format!("a node: {message}")));
        if !message.contains("Insufficient") {
            return;
        }
        for holder in self.holders(pod) {
            if chain.len() >= CHAIN_MAX {
                return;
            }
            chain.push(holder);
        }
    }

    /// The groups whose pods hold accelerators, those that are not ready first: they could give way.
    fn holders(&self, waiting: &PodRecord) -> Vec<Wait> {
        if waiting.template.accelerators == 0 {
            return Vec::new();
        }
        let own = self.groups.place_of(waiting.meta.name);
        let mut holders: Vec<(bool, String, u32, usize)> = Vec::new();
        for (set, track) in &self.groups.sets {
            for (index, group) in &track.groups {
                let bound: Vec<&PodRecord> = group
                    .members
                    .iter()
                    .filter_map(|member| self.pod(member.pod))
                    .map(AsRef::as_ref)
                    .filter(|pod| pod.node.is_some())
                    .collect();
                let held: u32 = bound.iter().map(|pod| pod.template.accelerators).sum();
                if held > 0 && own != Some((*set, *index)) {
                    let is_ready = group.phase == Some(GroupPhase::Ready);
                    holders.push((
                        is_ready,
                        self.store.names.text(group.name).to_string(),
                        held,
                        bound.len(),
                    ));
                }
            }
        }
        holders.sort();
        holders.truncate(4);
        let link = |(is_ready, name, held, pods): (bool, String, u32, usize)| Wait {
            object: format!("Group/{name}"),
            waits_for: if is_ready {
                format!("nothing: it is ready and keeps {held} accelerators on {pods} pods")
            } else {
                format!("pods of its own, while {pods} bound pods keep {held} accelerators")
            },
        };
        holders.into_iter().map(link).collect()
    }

    fn rollout_chain(&self, set: NameId, track: &SetTrack) -> Vec<Wait> {
        let mut chain = Vec::new();
        let text = format!(
            "its rollout: {} of {} groups are ready on the new revision",
            track.updated(),
            track.replicas.saturating_sub(track.partition)
        );
        chain.push(self.link(Kind::LeaderWorkerSet, set, text));
        if let Some(leader_set) = self.store.get::<SetRecord>(set) {
            let partition =
                leader_set.spec.body.rolling_update.map_or(0, |(partition, _)| partition);
            chain.push(self.link(
                Kind::StatefulSet,
                set,
                format!("the controller to lower its partition, which stands at {partition}: the budget of maxUnavailable and maxSurge allows no step"),
            ));
        }
        chain
    }
}

fn is_going(group: &Group) -> bool {
    group.phase == Some(GroupPhase::Terminating)
}
