//! Nodes in the world: hands the kubelets and the node life cycle what they see and carries out what they say.
//!
//! How a pod starts is decided in `start` and `kubelet`, what becomes of a silent node in `node_life`.

use super::kubelet::{KubeletEvent, NodeId, Output, PodId, PodStart, Probe};
use super::node_life::{NodeLifeEvent, NodeOutput, NodeTaint, Toleration, Tolerations};
use super::object::{Kind, NameId, NodeRecord, Object, PodRecord};
use super::store::{Change, Deletion};
use super::world::{Event, Events, World};
use crate::backend::record::{NodeChange, PodChange, What};
use crate::controller::Phase;
use crate::engine::{Span, entity2};
use k8s_openapi::api::core::v1::Taint;
use std::sync::Arc;

/// Returns the number by which the kubelets know a pod: its UID, which no other incarnation has.
pub(super) fn pod_id(pod: &PodRecord) -> PodId {
    PodId(u64::try_from(pod.meta.uid.0).expect("simulated UIDs count from 1"))
}

impl World<'_> {
    /// Adds a node that is there before the run.
    pub(super) fn node_added(&mut self, node: &NodeRecord) {
        let zone = zone_of(node);
        self.node_names.push(node.meta.name);
        self.kubelets.add_node(NodeId(node.index));
        self.node_life.add_node(NodeId(node.index), self.store.names.hash(node.meta.name), &zone);
    }

    /// Brings the caches in step with the store before the run begins.
    pub(super) fn prime(&mut self) {
        for change in self.store.take_changes() {
            self.lws_cache.apply(&change);
            self.set_cache.apply(&change);
            self.prime_scheduling(&change);
        }
    }

    /// Hands the kubelets what they see of a pod.
    pub(super) fn deliver_kubelets(&mut self, change: &Change, events: &mut Events) {
        let mut out = Vec::new();
        let (old, new) = (as_pod(change.old.as_ref()), as_pod(change.new.as_ref()));
        match (old, new) {
            _ if self.setup.params.kubelet.is_by_hand => {}
            (_, Some(pod)) if pod.node.is_some() && old.and_then(|old| old.node).is_none() => {
                // A pod that is bound at creation was there before the run and needs no start.
                if pod.phase == Phase::Pending {
                    self.kubelet_bind(pod, &mut out);
                } else {
                    self.kubelets.adopt(self.now, pod_id(pod), &self.pod_start(pod), &mut out);
                }
                if pod.meta.deleting.is_some() {
                    self.kubelets.delete(self.now, pod_id(pod), pod.template.grace, &mut out);
                }
            }
            (Some(old), Some(pod))
                if old.meta.deleting.is_none()
                    && pod.meta.deleting.is_some()
                    && pod.node.is_some() =>
            {
                self.kubelets.delete(self.now, pod_id(pod), pod.template.grace, &mut out);
            }
            (Some(pod), None) if pod.node.is_some() => {
                self.kubelets.force_gone(self.now, pod_id(pod), &mut out);
            }
            _ => {}
        }
        self.kubelet_outputs(out, events);
        self.node_life_pod(old, new, events);
    }

    fn kubelet_bind(&mut self, pod: &PodRecord, out: &mut Vec<Output>) {
        let start = self.pod_start(pod);
        self.kubelets.bind(self.now, pod_id(pod), &start, out);
    }

    fn pod_start(&self, pod: &PodRecord) -> PodStart {
        let names = &self.store.names;
        let node = pod
            .node
            .and_then(|node| self.store.get::<NodeRecord>(node))
            .map_or(0, |node| node.index);
        let (group, size) = match self.groups.place_of(pod.meta.name) {
            Some((set, index)) => (
                entity2(u64::from(set.0), u64::from(index)),
                self.groups.group_of(pod.meta.name).map_or(1, |group| group.size),
            ),
            None => (pod_id(pod).0, 1),
        };
        PodStart {
            node: NodeId(node),
            profile: Arc::clone(&pod.template.profile),
            group,
            group_size: size,
            is_leader: pod.is_leader || pod.group.is_none(),
            image: Arc::clone(&pod.template.image),
            probe: pod
                .template
                .probe
                .map(|(initial_delay, period)| Probe { initial_delay, period }),
            entity: entity2(names.hash(pod.meta.name), u64::from(pod.incarnation)),
        }
    }

    /// Runs a kubelet's timer.
    pub(super) fn kubelet_event(&mut self, event: KubeletEvent, events: &mut Events) {
        let mut out = Vec::new();
        self.kubelet_timers.remove(&event);
        self.kubelets.handle(self.now, event, &mut out);
        self.kubelet_outputs(out, events);
    }

    fn kubelet_outputs(&mut self, out: Vec<Output>, events: &mut Events) {
        for output in out {
            self.kubelet_output(output, events);
        }
    }

    fn kubelet_output(&mut self, output: Output, events: &mut Events) {
        match output {
            Output::At(at, event) => {
                let ticket = events.at(at, Event::Kubelet(event));
                self.kubelet_timers.insert(event, ticket);
            }
            Output::Cancel(event) => {
                if let Some(ticket) = self.kubelet_timers.remove(&event) {
                    events.cancel(ticket);
                }
            }
            Output::Stage { pod, stage } => self.pod_stage(pod, stage),
            Output::PhaseRunning { pod } => {
                let now = self.now;
                self.write_pod(pod, |pod| {
                    pod.phase = Phase::Running;
                    pod.started_at = now;
                });
            }
            Output::Ready { pod } => {
                let now = self.now;
                self.write_pod(pod, |pod| {
                    pod.is_ready = true;
                    pod.ready_at = now;
                });
            }
            Output::Unready { pod } => self.write_pod(pod, |pod| pod.is_ready = false),
            Output::ContainerRestarted { pod } => {
                let now = self.now;
                self.write_pod(pod, |pod| {
                    pod.restarts += 1;
                    pod.is_ready = false;
                    pod.started_at = now;
                });
            }
            Output::Failed { pod } => self.write_pod(pod, |pod| {
                pod.phase = Phase::Failed;
                pod.is_ready = false;
            }),
            Output::Terminated { pod } => {
                if let Some(name) = self.pod_name(pod) {
                    self.remove_pod(name);
                }
            }
        }
    }

    pub(super) fn pod_name(&self, pod: PodId) -> Option<NameId> {
        let (kind, name) = self.store.find(crate::api::Uid(u128::from(pod.0)))?;
        (kind == Kind::Pod).then_some(name)
    }

    fn write_pod(&mut self, pod: PodId, change: impl FnOnce(&mut PodRecord)) {
        let Some(name) = self.pod_name(pod) else { return };
        let _taken = self.api_server.take(self.now);
        let result = self.store.update::<PodRecord>(name, None, change);
        debug_assert!(result.is_ok(), "a pod with a UID exists: {result:?}");
    }

    fn remove_pod(&mut self, name: NameId) {
        let how = Deletion { is_forced: true, ..Deletion::default() };
        let result = self.store.delete::<PodRecord>(self.now, name, how);
        debug_assert!(result.is_ok(), "the pod was looked up: {result:?}");
    }

    fn pod_stage(&mut self, pod: PodId, stage: usize) {
        let Some(record) = self.pod_name(pod).and_then(|name| self.pod(name)).cloned() else {
            return;
        };
        let Some(stage) = record.template.profile.stages.get(stage).cloned() else { return };
        self.record_pod(&record, PodChange::Stage(Arc::clone(&stage.name)));
        self.groups.update(record.meta.name, |member| member.stage = Some(stage.kind));
        self.refresh_group(record.meta.name);
    }

    /// Ends a container of a pod.
    pub(super) fn kubelet_kill(&mut self, name: NameId, events: &mut Events) {
        let Some(pod) = self.pod(name).cloned() else { return };
        let mut out = Vec::new();
        self.kubelets.kill_container(self.now, pod_id(&pod), &mut out);
        self.kubelet_outputs(out, events);
    }

    fn node_id(&self, name: NameId) -> Option<NodeId> {
        self.store.get::<NodeRecord>(name).map(|node| NodeId(node.index))
    }

    /// Stops a node.
    pub(super) fn node_down(&mut self, name: NameId, events: &mut Events) {
        let Some(node) = self.node_id(name) else { return };
        self.record_node(name, NodeChange::Down);
        let mut out = Vec::new();
        self.kubelets.node_down(self.now, node, &mut out);
        self.kubelet_outputs(out, events);
        let mut out = Vec::new();
        self.node_life.node_down(self.now, node, &mut out);
        self.node_outputs(out, events);
    }

    /// Starts a node.
    pub(super) fn node_up(&mut self, name: NameId, events: &mut Events) {
        let Some(node) = self.node_id(name) else { return };
        self.record_node(name, NodeChange::Up);
        let mut out = Vec::new();
        self.kubelets.node_up(self.now, node, &mut out);
        self.kubelet_outputs(out, events);
        let mut out = Vec::new();
        self.node_life.node_up(self.now, node, &mut out);
        self.node_outputs(out, events);
    }

    /// Tells the node life cycle that a Node object goes.
    pub(super) fn node_removed(&mut self, name: NameId, events: &mut Events) {
        let Some(node) = self.node_id(name) else { return };
        let mut out = Vec::new();
        self.node_life.node_removed(self.now, node, &mut out);
        self.node_outputs(out, events);
    }

    /// Tells the node life cycle that a node is out of service.
    pub(super) fn node_out_of_service(&mut self, name: NameId, events: &mut Events) {
        let Some(node) = self.node_id(name) else { return };
        let mut out = Vec::new();
        self.node_life.out_of_service(self.now, node, &mut out);
        self.node_outputs(out, events);
    }

    fn record_node(&mut self, name: NameId, change: NodeChange) {
        let node: Arc<str> = self.store.names.name(name).into();
        self.record(What::Node { node, change });
    }

    /// Runs a timer of the node life cycle.
    pub(super) fn node_life_event(&mut self, event: NodeLifeEvent, events: &mut Events) {
        let mut out = Vec::new();
        self.node_timers.remove(&event);
        self.node_life.handle(self.now, event, &mut out);
        self.node_outputs(out, events);
    }

    fn node_outputs(&mut self, out: Vec<NodeOutput>, events: &mut Events) {
        for output in out {
            self.node_output(output, events);
        }
    }

    fn node_output(&mut self, output: NodeOutput, events: &mut Events) {
        match output {
            NodeOutput::At(at, event) => {
                let ticket = events.at(at, Event::NodeLife(event));
                self.node_timers.insert(event, ticket);
            }
            NodeOutput::Cancel(event) => {
                if let Some(ticket) = self.node_timers.remove(&event) {
                    events.cancel(ticket);
                }
            }
            NodeOutput::NotReady { node } => self.set_node_ready(node, false),
            NodeOutput::Ready { node } => self.set_node_ready(node, true),
            NodeOutput::PodUnready { pod } => self.write_pod(pod, |pod| pod.is_ready = false),
            NodeOutput::Taint { node, taint } => {
                if let Some(name) = self.node_name(node) {
                    self.add_taint(name, taint_of(taint));
                }
            }
            NodeOutput::Untaint { node, taint } => {
                if let Some(name) = self.node_name(node) {
                    self.remove_taint(name, &taint_of(taint));
                }
            }
            NodeOutput::Evict { pod } => self.delete_pod(pod, false),
            NodeOutput::ForceDelete { pod } => self.delete_pod(pod, true),
        }
    }

    fn delete_pod(&mut self, pod: PodId, is_forced: bool) {
        let Some(name) = self.pod_name(pod) else { return };
        let how = Deletion { is_forced, ..Deletion::default() };
        let result = self.store.delete::<PodRecord>(self.now, name, how);
        debug_assert!(result.is_ok(), "the pod was looked up: {result:?}");
    }

    fn node_name(&self, node: NodeId) -> Option<NameId> {
        self.node_names
            .get(node.0 as usize)
            .copied()
            .filter(|name| self.store.get::<NodeRecord>(*name).is_some())
    }

    fn set_node_ready(&mut self, node: NodeId, is_ready: bool) {
        let Some(name) = self.node_name(node) else { return };
        let result =
            self.store.update::<NodeRecord>(name, None, |record| record.is_ready = is_ready);
        debug_assert!(result.is_ok(), "the node was looked up: {result:?}");
    }

    /// Tells the node life cycle what it sees of a pod.
    fn node_life_pod(
        &mut self,
        old: Option<&PodRecord>,
        new: Option<&PodRecord>,
        events: &mut Events,
    ) {
        let mut out = Vec::new();
        let was_bound = old.is_some_and(|old| old.node.is_some());
        match new {
            Some(pod) if pod.node.is_some() => {
                let node = pod.node.and_then(|node| self.node_id(node));
                if let Some(node) = node.filter(|_| !was_bound) {
                    let tolerations = self.tolerations(pod);
                    self.node_life.pod_bound(self.now, pod_id(pod), node, tolerations, &mut out);
                }
                let was_deleting = was_bound && old.is_some_and(|old| old.meta.deleting.is_some());
                if pod.meta.deleting.is_some() && !was_deleting {
                    self.node_life.pod_deleting(self.now, pod_id(pod), &mut out);
                }
            }
            _ if was_bound => {
                if let Some(pod) = old {
                    self.node_life.pod_gone(pod_id(pod), &mut out);
                }
            }
            _ => {}
        }
        self.node_outputs(out, events);
    }

    /// Returns how long a pod stays on a silent node. Admission gives it 300 s where it states nothing
    /// (`DefaultTolerationSeconds`, Kubernetes 1.36).
    fn tolerations(&self, pod: &PodRecord) -> Tolerations {
        let spec = pod.template.base.spec.as_ref();
        let stated = spec.and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
        let of = |key: &str, default: Toleration| {
            let matching = stated.iter().filter(|toleration| {
                toleration.key.as_deref().is_none_or(|stated| stated.is_empty() || stated == key)
                    && toleration
                        .effect
                        .as_deref()
                        .is_none_or(|effect| effect.is_empty() || effect == "NoExecute")
            });
            let mut found = default;
            let mut is_stated = false;
            for toleration in matching {
                let this = match toleration.toleration_seconds {
                    None => Toleration::Forever,
                    Some(seconds) => {
                        Toleration::For(Span::from_secs(u64::try_from(seconds).unwrap_or(0)))
                    }
                };
                found = if is_stated { shorter(found, this) } else { this };
                is_stated = true;
            }
            found
        };
        Tolerations {
            unreachable: of(
                "node.kubernetes.io/unreachable",
                Toleration::For(self.setup.params.eviction_toleration),
            ),
            out_of_service: of("node.kubernetes.io/out-of-service", Toleration::None),
        }
    }
}

fn shorter(one: Toleration, other: Toleration) -> Toleration {
    match (one, other) {
        (Toleration::For(one), Toleration::For(other)) => Toleration::For(one.min(other)),
        (Toleration::Forever, other) => other,
        (one, _) => one,
    }
}

fn taint_of(taint: NodeTaint) -> Taint {
    let (key, effect) = match taint {
        NodeTaint::UnreachableNoSchedule => ("node.kubernetes.io/unreachable", "NoSchedule"),
        NodeTaint::UnreachableNoExecute => ("node.kubernetes.io/unreachable", "NoExecute"),
        NodeTaint::OutOfService => ("node.kubernetes.io/out-of-service", "NoExecute"),
    };
    Taint { key: key.to_owned(), effect: effect.to_owned(), value: None, time_added: None }
}

fn zone_of(node: &NodeRecord) -> String {
    let label = |key| super::lws_shell::node_label(node, key).unwrap_or_default();
    format!("{}/{}", label("topology.kubernetes.io/region"), label("topology.kubernetes.io/zone"))
}

fn as_pod(object: Option<&Object>) -> Option<&PodRecord> {
    match object {
        Some(Object::Pod(record)) => Some(record),
        _ => None,
    }
}
