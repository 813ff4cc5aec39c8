//! What a user does to the cluster: applies, patches, scales, deletes, cordons, drains, and breaks things.
//!
//! A user's write goes through the admission that the API server would call (defaults, validation) and takes effect at the
//! instant that the scenario states. Errors are the server's words.

use super::object::{
    Kind, LwsRecord, Meta, NameId, NodeRecord, PodRecord, ServiceRecord, SetRecord,
};
use super::setup::{NodeChoice, Object, PodChoice, Profile, Propagation, Target, Workload};
use super::store::{ApiError, Deletion};
use super::timeline::{CHOICE, kind_of};
use super::world::{Events, World};
use crate::api::lws::LeaderWorkerSet;
use crate::api::{defaults, merge, validation};
use crate::controller::revision;
use crate::engine::{Span, entity2};
use k8s_openapi::api::core::v1::{PodTemplateSpec, Taint};
use std::sync::Arc;

impl World<'_> {
    /// Applies a manifest's object: creates it, or replaces what the user owns of it.
    pub(super) fn apply(&mut self, workload: &Workload) -> Result<(), String> {
        match &workload.object {
            Object::LeaderWorkerSet(lws) => {
                self.apply_lws(lws, &workload.profile).map_err(|error| error.to_string())
            }
            Object::StatefulSet(set) => self.apply_set(set, workload),
            Object::Pod(pod) => self.apply_pod(pod, workload),
            Object::Service(service) => {
                let metadata = &service.metadata;
                let name = self.intern(metadata.namespace.as_deref(), metadata.name.as_deref());
                let selector = service
                    .spec
                    .as_ref()
                    .and_then(|spec| spec.selector.clone())
                    .unwrap_or_default();
                let record = ServiceRecord {
                    meta: Meta::new(name, None),
                    body: None,
                    selector: Arc::new(selector),
                };
                self.store.create(self.now, record).map(drop).map_err(|error| error.to_string())
            }
        }
    }

    pub(super) fn intern(&mut self, namespace: Option<&str>, name: Option<&str>) -> NameId {
        self.store.names.intern(namespace.unwrap_or("default"), name.unwrap_or_default())
    }

    /// Creates an LWS, or replaces what the user owns of it.
    pub(super) fn apply_lws(
        &mut self,
        lws: &Arc<LeaderWorkerSet>,
        profile: &Arc<Profile>,
    ) -> Result<(), ApiError> {
        let name = self.intern(lws.metadata.namespace.as_deref(), lws.metadata.name.as_deref());
        if self.store.get::<LwsRecord>(name).is_some() {
            let lws = Arc::clone(lws);
            self.write_lws(name, |current| {
                current.spec = lws.spec.clone();
                current.metadata.labels.clone_from(&lws.metadata.labels);
                current.metadata.annotations.clone_from(&lws.metadata.annotations);
            })?;
            let profile = Arc::clone(profile);
            return self
                .store
                .update::<LwsRecord>(name, None, |record| record.profile = profile)
                .map(drop);
        }
        let mut lws = LeaderWorkerSet::clone(lws);
        defaults::apply(&mut lws);
        if let Some(refusal) = validation::refusal_of_create(&lws) {
            return Err(ApiError::Refused(Box::new(refusal)));
        }
        let encoded: Arc<str> = revision::encode(&lws).into();
        let record = LwsRecord {
            meta: Meta::new(name, None),
            lws: Arc::new(lws),
            encoded,
            writes: 1,
            profile: Arc::clone(profile),
        };
        self.store.create(self.now, record).map(drop)
    }

    /// Writes a changed set as a user: defaults, validation against the old one, generation.
    fn write_lws(
        &mut self,
        name: NameId,
        change: impl FnOnce(&mut LeaderWorkerSet),
    ) -> Result<(), ApiError> {
        let Some(record) = self.store.get::<LwsRecord>(name).cloned() else {
            return Err(ApiError::NotFound(format!(
                "leaderworkersets.leaderworkerset.x-k8s.io \"{}\" not found",
                self.store.names.name(name)
            )));
        };
        let mut lws = LeaderWorkerSet::clone(&record.lws);
        change(&mut lws);
        defaults::apply(&mut lws);
        if let Some(refusal) = validation::refusal_of_update(&lws, &record.lws) {
            return Err(ApiError::Refused(Box::new(refusal)));
        }
        if lws.spec == record.lws.spec && lws.metadata == record.lws.metadata {
            return Ok(());
        }
        let has_other_spec = lws.spec != record.lws.spec;
        let encoded: Arc<str> = revision::encode(&lws).into();
        let result = self.store.update::<LwsRecord>(name, None, |record| {
            record.meta.generation += i64::from(has_other_spec);
            record.writes += 1;
            record.encoded = encoded;
            record.lws = Arc::new(lws);
        });
        result.map(drop)
    }

    /// Applies a JSON merge patch.
    pub(super) fn patch(
        &mut self,
        target: &Target,
        patch: &serde_json::Value,
    ) -> Result<(), ApiError> {
        let name = self.target_name(target);
        if target.kind != Kind::LeaderWorkerSet.as_str() {
            return self.patch_set(name, patch).map_err(ApiError::Invalid);
        }
        let Some(record) = self.store.get::<LwsRecord>(name).cloned() else {
            return self.write_lws(name, |_| {});
        };
        let unreadable = |error: serde_json::Error| ApiError::Invalid(error.to_string());
        let mut value = serde_json::to_value(&*record.lws).map_err(unreadable)?;
        merge::merge(&mut value, patch);
        let patched: LeaderWorkerSet = serde_json::from_value(value).map_err(unreadable)?;
        self.write_lws(name, |lws| {
            lws.spec = patched.spec;
            lws.metadata.labels = patched.metadata.labels;
            lws.metadata.annotations = patched.metadata.annotations;
        })
    }

    /// Sets the image of containers, as `kubectl set image` does.
    pub(super) fn set_image(
        &mut self,
        target: &Target,
        container: Option<&str>,
        image: &str,
    ) -> Result<(), String> {
        let name = self.target_name(target);
        if target.kind == Kind::StatefulSet.as_str() {
            return self.rewrite_set(name, |set| {
                let template = Arc::make_mut(&mut set.template.base);
                set_images(template, container, image)
            });
        }
        let mut has_hit = false;
        self.write_lws(name, |lws| {
            let template = &mut lws.spec.leader_worker_template;
            has_hit = set_images(Arc::make_mut(&mut template.worker_template), container, image);
            if let Some(leader) = &mut template.leader_template {
                has_hit |= set_images(Arc::make_mut(leader), container, image);
            }
        })
        .map_err(|error| error.to_string())?;
        match (has_hit, container) {
            (false, Some(container)) => {
                Err(format!("unable to find container named \"{container}\""))
            }
            _ => Ok(()),
        }
    }

    /// Writes `spec.replicas` through the scale subresource, which calls no webhook.
    pub(super) fn scale(&mut self, target: &Target, replicas: i32) -> Result<(), ApiError> {
        let name = self.target_name(target);
        if target.kind == Kind::StatefulSet.as_str() {
            let result = self.rewrite_set(name, |set| {
                set.replicas = replicas;
                true
            });
            return result.map_err(ApiError::Invalid);
        }
        if let Some(refusal) = validation::refusal_of_scale(self.store.names.name(name), replicas) {
            return Err(ApiError::Refused(Box::new(refusal)));
        }
        let result = self.store.update::<LwsRecord>(name, None, |record| {
            if record.lws.spec.replicas != Some(replicas) {
                Arc::make_mut(&mut record.lws).spec.replicas = Some(replicas);
                record.meta.generation += 1;
                record.writes += 1;
            }
        });
        result.map(drop)
    }

    /// Deletes an object.
    pub(super) fn delete_target(
        &mut self,
        target: &Target,
        propagation: Propagation,
    ) -> Result<(), String> {
        let name = self.target_name(target);
        let Some(kind) = kind_of(target) else {
            return Err(format!("the kind {} is not simulated", target.kind));
        };
        let how = Deletion { propagation, ..Deletion::default() };
        self.delete_any(kind, name, how).map_err(|error| error.to_string())
    }

    /// Marks nodes unschedulable, or schedulable again.
    pub(super) fn cordon(
        &mut self,
        nodes: &NodeChoice,
        is_cordoned: bool,
        draw: usize,
    ) -> Result<(), String> {
        for name in self.choose_nodes(nodes, draw)? {
            let result = self.store.update::<NodeRecord>(name, None, |record| {
                let node = Arc::make_mut(&mut record.node);
                node.spec.get_or_insert_default().unschedulable = is_cordoned.then_some(true);
            });
            result.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Cordons nodes and evicts their pods.
    pub(super) fn drain(&mut self, nodes: &NodeChoice, draw: usize) -> Result<(), String> {
        let chosen = self.choose_nodes(nodes, draw)?;
        self.cordon(nodes, true, draw)?;
        for pod in self.pods_on(&chosen) {
            self.store
                .delete::<PodRecord>(self.now, pod, Deletion::default())
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Returns the pods on nodes that are not being deleted, in the order in which their names were first used.
    pub(super) fn pods_on(&self, nodes: &[NameId]) -> Vec<NameId> {
        let pods = self.store.list::<PodRecord>().into_iter();
        pods.filter(|pod| {
            pod.meta.deleting.is_none() && pod.node.is_some_and(|node| nodes.contains(&node))
        })
        .map(|pod| pod.meta.name)
        .collect()
    }

    /// Ends a container.
    pub(super) fn kill_container(
        &mut self,
        pod: &PodChoice,
        draw: usize,
        events: &mut Events,
    ) -> Result<(), String> {
        let name = self.choose_pod(pod, draw)?;
        self.kubelet_kill(name, events);
        Ok(())
    }

    /// Deletes a pod.
    pub(super) fn kill_pod(&mut self, pod: &PodChoice, draw: usize) -> Result<(), String> {
        let name = self.choose_pod(pod, draw)?;
        self.store
            .delete::<PodRecord>(self.now, name, Deletion::default())
            .map_err(|error| error.to_string())
    }

    /// Stops nodes.
    pub(super) fn nodes_down(
        &mut self,
        nodes: &NodeChoice,
        lasts: Option<Span>,
        draw: usize,
        events: &mut Events,
    ) -> Result<(), String> {
        for name in self.choose_nodes(nodes, draw)? {
            self.node_down(name, events);
            if let Some(lasts) = lasts {
                events.after(lasts, super::world::Event::NodeBack(name));
            }
        }
        Ok(())
    }

    /// Starts nodes.
    pub(super) fn nodes_up(
        &mut self,
        nodes: &NodeChoice,
        draw: usize,
        events: &mut Events,
    ) -> Result<(), String> {
        for name in self.choose_nodes(nodes, draw)? {
            self.node_up(name, events);
        }
        Ok(())
    }

    /// Removes Node objects.
    pub(super) fn remove_nodes(
        &mut self,
        nodes: &NodeChoice,
        draw: usize,
        events: &mut Events,
    ) -> Result<(), String> {
        for name in self.choose_nodes(nodes, draw)? {
            self.node_removed(name, events);
            self.store
                .delete::<NodeRecord>(self.now, name, Deletion::default())
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Taints nodes as out of service.
    pub(super) fn out_of_service(
        &mut self,
        nodes: &NodeChoice,
        draw: usize,
        events: &mut Events,
    ) -> Result<(), String> {
        for name in self.choose_nodes(nodes, draw)? {
            let taint = Taint {
                key: "node.kubernetes.io/out-of-service".into(),
                value: Some("nodeshutdown".into()),
                effect: "NoExecute".into(),
                time_added: None,
            };
            self.add_taint(name, taint);
            self.node_out_of_service(name, events);
        }
        Ok(())
    }

    /// Adds a taint to a node, unless it has it.
    pub(super) fn add_taint(&mut self, name: NameId, taint: Taint) {
        let result = self.store.update::<NodeRecord>(name, None, |record| {
            let taints = Arc::make_mut(&mut record.node)
                .spec
                .get_or_insert_default()
                .taints
                .get_or_insert_default();
            if !taints.iter().any(|known| known.key == taint.key && known.effect == taint.effect) {
                taints.push(taint);
            }
        });
        debug_assert!(result.is_ok(), "a tainted node exists: {result:?}");
    }

    /// Removes a taint from a node.
    pub(super) fn remove_taint(&mut self, name: NameId, taint: &Taint) {
        let result = self.store.update::<NodeRecord>(name, None, |record| {
            let spec = Arc::make_mut(&mut record.node).spec.get_or_insert_default();
            if let Some(taints) = spec.taints.as_mut() {
                taints.retain(|known| known.key != taint.key || known.effect != taint.effect);
            }
        });
        debug_assert!(result.is_ok(), "an untainted node exists: {result:?}");
    }

    fn choose_nodes(&mut self, choice: &NodeChoice, draw: usize) -> Result<Vec<NameId>, String> {
        match choice {
            NodeChoice::Named(nodes) => {
                let names: Vec<NameId> =
                    nodes.iter().map(|node| self.store.names.intern("", node)).collect();
                match names.iter().position(|name| self.store.get::<NodeRecord>(*name).is_none()) {
                    Some(at) => Err(format!("nodes \"{}\" not found", nodes[at])),
                    None => Ok(names),
                }
            }
            NodeChoice::Random(count) => {
                let mut up: Vec<NameId> = self
                    .store
                    .list::<NodeRecord>()
                    .iter()
                    .filter(|node| node.is_ready)
                    .map(|node| node.meta.name)
                    .collect();
                let mut stream = self.streams.stream(CHOICE, draw as u64);
                stream.shuffle(&mut up);
                up.truncate(*count as usize);
                Ok(up)
            }
            NodeChoice::Domain { key, value } => Ok(self.domain(key, value.as_deref(), draw)),
            NodeChoice::Of(pod) => {
                let name = self.choose_pod(pod, draw)?;
                let node = self.pod(name).and_then(|pod| pod.node);
                node.map(|node| vec![node])
                    .ok_or_else(|| "the pod is not bound to a node".to_owned())
            }
        }
    }

    fn domain(&self, key: &str, value: Option<&str>, draw: usize) -> Vec<NameId> {
        let nodes = self.store.list::<NodeRecord>();
        let value_of = |node: &NodeRecord| {
            node.node.metadata.labels.as_ref().and_then(|labels| labels.get(key)).cloned()
        };
        let drawn = value.map(str::to_owned).or_else(|| {
            let mut values: Vec<String> = nodes.iter().filter_map(|node| value_of(node)).collect();
            values.sort_unstable();
            values.dedup();
            let mut stream = self.streams.stream(CHOICE, entity2(draw as u64, 1));
            (!values.is_empty()).then(|| values.swap_remove(stream.index(values.len())))
        });
        nodes
            .iter()
            .filter(|node| value_of(node) == drawn && drawn.is_some())
            .map(|node| node.meta.name)
            .collect()
    }

    fn choose_pod(&mut self, choice: &PodChoice, draw: usize) -> Result<NameId, String> {
        match choice {
            PodChoice::Named(text) => {
                let name = self.store.names.intern_text(text);
                let is_there = self.pod(name).is_some();
                if is_there {
                    Ok(name)
                } else {
                    Err(format!("pods \"{}\" not found", self.store.names.name(name)))
                }
            }
            PodChoice::RandomOf(set) => {
                let set = self.store.names.intern_text(set);
                let members: Vec<NameId> = self
                    .groups
                    .sets
                    .get(&set)
                    .into_iter()
                    .flat_map(|track| track.groups.values())
                    .flat_map(|group| group.members.iter().map(|member| member.pod))
                    .collect();
                let mut stream = self.streams.stream(CHOICE, entity2(draw as u64, 2));
                if members.is_empty() {
                    return Err(format!("the set {} has no pods", self.store.names.text(set)));
                }
                Ok(members[stream.index(members.len())])
            }
        }
    }

    fn patch_set(&mut self, name: NameId, patch: &serde_json::Value) -> Result<(), String> {
        let Some(record) = self.store.get::<SetRecord>(name).cloned() else {
            return Err(format!("statefulsets.apps \"{}\" not found", self.store.names.name(name)));
        };
        let mut value = serde_json::to_value(record.spec.body.to_stateful_set())
            .map_err(|error| error.to_string())?;
        merge::merge(&mut value, patch);
        let set: k8s_openapi::api::apps::v1::StatefulSet =
            serde_json::from_value(value).map_err(|error| error.to_string())?;
        self.write_set(&set, name, &Arc::clone(&record.spec.template.profile))
    }
}

fn set_images(template: &mut PodTemplateSpec, container: Option<&str>, image: &str) -> bool {
    let Some(spec) = &mut template.spec else { return false };
    let mut has_hit = false;
    let containers = spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten());
    for entry in containers.filter(|entry| container.is_none_or(|name| name == entry.name)) {
        entry.image = Some(image.to_owned());
        has_hit = true;
    }
    has_hit
}
