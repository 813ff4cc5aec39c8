//! Full Kubernetes objects as the API server would return them, drawn from the store's records.
//!
//! Records keep what controllers read; here is everything else: type, metadata, what the API server and its admission
//! fill in (Kubernetes 1.36.3), status. UIDs are the simulated ones; times and resource versions are left out, since no
//! reader of an object may depend on them.

mod defaults;

use super::object::{
    ClaimRecord, Kind, LwsRecord, Meta, Names, Object, OwnerRef, PodRecord, RevisionContent,
    RevisionRecord, ServiceRecord, SetRecord,
};
use super::world::World;
use crate::api::{keys, wire};
use crate::controller::Phase;
use crate::controller::admission::apply_to_pod;
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaimVolumeSource, Pod, PodSpec, PodTemplateSpec, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Node labels that admission copies to a pod when it is bound (`PodTopologyLabels`, on by default from 1.35).
const TOPOLOGY_LABELS: [&str; 2] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];
/// First minor version of Kubernetes that copies them.
const TOPOLOGY_LABELS_SINCE: u32 = 35;
/// Label of a StatefulSet's revision with its hash.
const HASH_LABEL: &str = "controller.kubernetes.io/hash";

impl World<'_> {
    /// Returns an object as JSON.
    pub(super) fn show(&self, object: &Object) -> Value {
        let mut shown = match object {
            Object::LeaderWorkerSet(record) => show_lws(record),
            Object::StatefulSet(record) => self.show_set(record),
            Object::Pod(record) => self.show_pod(record),
            Object::Service(record) => show_service(record),
            Object::ControllerRevision(record) => self.show_revision(record),
            Object::PersistentVolumeClaim(record) => show_claim(record),
            Object::Node(record) => plain(&*record.node),
        };
        shown["kind"] = object.kind().as_str().into();
        shown["apiVersion"] = api_version(object.kind()).into();
        self.show_meta(object, &mut shown["metadata"]);
        shown
    }

    fn show_meta(&self, object: &Object, shown: &mut Value) {
        let meta = object.meta();
        let names = &self.store.names;
        shown["name"] = names.name(meta.name).into();
        if object.kind() != Kind::Node {
            shown["namespace"] = names.namespace(meta.name).into();
        }
        shown["uid"] = meta.uid.to_string().into();
        if matches!(object.kind(), Kind::LeaderWorkerSet | Kind::StatefulSet | Kind::Pod) {
            shown["generation"] = meta.generation.into();
        }
        if let Some(at) = meta.deleting {
            shown["deletionTimestamp"] = super::timeline::clock(at).to_string().into();
        }
        put(shown, "finalizers", finalizers(meta));
        let owners = meta.owner.map(|owner| json!([show_owner(&owner, names)]));
        put(shown, "ownerReferences", owners);
        for pairs in ["labels", "annotations"] {
            if shown[pairs].as_object().is_none_or(Map::is_empty) {
                shown.as_object_mut().expect("metadata is an object").remove(pairs);
            }
        }
    }

    fn show_set(&self, record: &SetRecord) -> Value {
        let set = &record.spec;
        let mut shown = plain(&set.body.to_stateful_set());
        let spec = &mut shown["spec"];
        spec["podManagementPolicy"] =
            if set.is_ordered { "OrderedReady" } else { "Parallel" }.into();
        fill(spec, "replicas", || json!(1));
        fill(spec, "revisionHistoryLimit", || json!(10));
        let retention = &mut spec["persistentVolumeClaimRetentionPolicy"];
        fill(retention, "whenDeleted", || json!("Retain"));
        fill(retention, "whenScaled", || json!("Retain"));
        let has_gate = self.setup.kubernetes.max_unavailable_stateful_set;
        if set.is_on_delete {
            spec["updateStrategy"] = json!({"type": "OnDelete"});
        } else {
            let strategy = &mut spec["updateStrategy"];
            fill(strategy, "type", || json!("RollingUpdate"));
            let update = &mut strategy["rollingUpdate"];
            fill(update, "partition", || json!(0));
            if has_gate {
                let limit = set.max_unavailable.as_ref().map_or(json!(1), plain);
                update["maxUnavailable"] = limit;
            } else if let Some(update) = update.as_object_mut() {
                update.remove("maxUnavailable");
            }
        }
        if set.min_ready.0 > 0 {
            spec["minReadySeconds"] = json!(set.min_ready.0 / 1_000_000_000);
        }
        defaults::template(&mut spec["template"]);
        for claim in spec["volumeClaimTemplates"].as_array_mut().into_iter().flatten() {
            claim["apiVersion"] = "v1".into();
            claim["kind"] = "PersistentVolumeClaim".into();
            fill(&mut claim["spec"], "volumeMode", || json!("Filesystem"));
            claim["status"] = json!({"phase": "Pending"});
        }
        if spec["volumeClaimTemplates"].is_null() {
            spec.as_object_mut().expect("made above").remove("volumeClaimTemplates");
        }
        shown["status"] = show_set_status(record);
        shown
    }

    fn show_revision(&self, record: &RevisionRecord) -> Value {
        let mut shown = json!({"metadata": {}, "revision": record.number});
        match &record.content {
            RevisionContent::Lws(lws, revision) => {
                shown["metadata"]["labels"] =
                    json!({keys::NAME: self.store.names.name(*lws), keys::REVISION: revision.key});
                shown["data"] = serde_json::from_str(&revision.data).unwrap_or(Value::Null);
            }
            RevisionContent::Set(template, annotations) => {
                let mut labels = template.labels.clone();
                let name = self.store.names.name(record.meta.name);
                let hash = name.rsplit('-').next().unwrap_or_default();
                labels.insert(HASH_LABEL.to_owned(), hash.to_owned());
                shown["metadata"]["labels"] = json!(labels);
                shown["metadata"]["annotations"] = json!(annotations);
                let pod = PodTemplateSpec {
                    metadata: Some(ObjectMeta {
                        labels: Some(template.labels.clone()),
                        annotations: Some(template.annotations.clone()),
                        ..ObjectMeta::default()
                    }),
                    spec: Some(with_node_selector(
                        template.base.spec.clone().unwrap_or_default(),
                        &template.node_selector,
                    )),
                };
                let mut pod = plain(&pod);
                fill_template(&mut pod);
                pod["$patch"] = "replace".into();
                shown["data"] = json!({"spec": {"template": pod}});
            }
        }
        shown
    }

    fn show_pod(&self, record: &PodRecord) -> Value {
        let names = &self.store.names;
        let template = &record.template;
        let name = names.name(record.meta.name);
        let mut labels = template.labels.clone();
        let mut spec = with_node_selector(
            template.base.spec.clone().unwrap_or_default(),
            &template.node_selector,
        );
        let mut generate_name = None;
        if record.ordinal >= 0 {
            labels.insert("statefulset.kubernetes.io/pod-name".to_owned(), name.to_owned());
            labels.insert("apps.kubernetes.io/pod-index".to_owned(), record.ordinal.to_string());
            labels.insert("controller-revision-hash".to_owned(), record.set_revision.to_string());
            generate_name = name.rsplit_once('-').map(|(set, _)| format!("{set}-"));
            spec.hostname = Some(name.to_owned());
            spec.subdomain = Some(record.subdomain.to_string());
            self.mount_claims(record, &mut spec);
        }
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(names.namespace(record.meta.name).to_owned()),
            generate_name,
            labels: Some(labels),
            annotations: Some(template.annotations.clone()),
            ..ObjectMeta::default()
        };
        let mut pod = Pod { metadata, spec: Some(spec), status: None };
        let denial = apply_to_pod(&mut pod, false);
        debug_assert!(denial.is_ok(), "a stored pod was admitted: {denial:?}");
        self.add_topology_labels(record, &mut pod.metadata);
        let mut shown = plain(&pod);
        defaults::pod(&mut shown["spec"]);
        if let Some(node) = record.node {
            shown["spec"]["nodeName"] = names.name(node).into();
        }
        shown["status"] = self.show_pod_status(record);
        shown
    }

    fn mount_claims(&self, record: &PodRecord, spec: &mut PodSpec) {
        let set = record.meta.owner.and_then(|owner| self.store.get::<SetRecord>(owner.name));
        let Some(set) = set.filter(|set| !set.spec.body.claims.is_empty()) else { return };
        let pod = self.store.names.name(record.meta.name);
        let claims = set.spec.body.claims.iter().filter_map(|claim| claim.metadata.name.clone());
        let mut volumes: Vec<Volume> = claims
            .map(|name| Volume {
                persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                    claim_name: format!("{name}-{pod}"),
                    read_only: None,
                }),
                name,
                ..Volume::default()
            })
            .collect();
        // Claims replace volumes of the same name and stand before the others (`updateStorage`, StatefulSet controller).
        let others = spec.volumes.take().into_iter().flatten();
        let others: Vec<Volume> =
            others.filter(|other| volumes.iter().all(|volume| volume.name != other.name)).collect();
        volumes.extend(others);
        spec.volumes = Some(volumes);
    }

    fn add_topology_labels(&self, record: &PodRecord, metadata: &mut ObjectMeta) {
        if self.setup.kubernetes.minor < TOPOLOGY_LABELS_SINCE {
            return;
        }
        let node = record.node.and_then(|node| {
            self.store.get::<super::object::NodeRecord>(node).map(|node| &node.node.metadata)
        });
        let Some(labels) = node.and_then(|metadata| metadata.labels.as_ref()) else { return };
        for key in TOPOLOGY_LABELS {
            if let Some(value) = labels.get(key) {
                metadata.labels.get_or_insert_default().insert(key.to_owned(), value.clone());
            }
        }
    }

    fn show_pod_status(&self, record: &PodRecord) -> Value {
        let phase = match record.phase {
            Phase::Pending => "Pending",
            Phase::Running => "Running",
            Phase::Succeeded => "Succeeded",
            Phase::Failed => "Failed",
            Phase::Unknown => "Unknown",
        };
        let mut status = json!({"phase": phase});
        let mut conditions = Vec::new();
        if record.node.is_some() {
            conditions.push(json!({"type": "PodScheduled", "status": "True"}));
        } else if let Some(message) = self.scheduling.message(record.meta.name) {
            conditions.push(json!({
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": &**message,
            }));
        }
        if record.phase != Phase::Pending {
            let text = if record.is_ready { "True" } else { "False" };
            conditions.push(json!({"type": "Ready", "status": text}));
            let names = record.template.base.spec.iter().flat_map(|spec| &spec.containers);
            let containers: Vec<Value> = names
                .map(|container| {
                    json!({"name": container.name, "ready": record.is_ready, "restartCount": record.restarts})
                })
                .collect();
            status["containerStatuses"] = json!(containers);
        }
        status["conditions"] = json!(conditions);
        status
    }
}

/// Makes a pod template what the API server stores of it: defaults filled in, written as Go writes it.
pub(super) fn fill_template(template: &mut Value) {
    defaults::template(template);
    wire::normalize(template, "PodTemplateSpec");
}

fn api_version(kind: Kind) -> &'static str {
    match kind {
        Kind::LeaderWorkerSet => keys::API_VERSION,
        Kind::StatefulSet | Kind::ControllerRevision => "apps/v1",
        Kind::Pod | Kind::Service | Kind::PersistentVolumeClaim | Kind::Node => "v1",
    }
}

fn plain(object: &impl Serialize) -> Value {
    serde_json::to_value(object).expect("objects are plain data")
}

/// Sets a field, or leaves it out.
fn put(object: &mut Value, field: &str, value: Option<Value>) {
    let fields = object.as_object_mut().expect("only objects have fields");
    match value {
        Some(value) => drop(fields.insert(field.to_owned(), value)),
        None => drop(fields.remove(field)),
    }
}

/// Sets a field that is absent or null.
fn fill(object: &mut Value, field: &str, value: impl FnOnce() -> Value) {
    if object[field].is_null() {
        object[field] = value();
    }
}

fn show_owner(owner: &OwnerRef, names: &Names) -> Value {
    json!({
        "apiVersion": api_version(owner.kind), "blockOwnerDeletion": true, "controller": true,
        "kind": owner.kind.as_str(), "name": names.name(owner.name), "uid": owner.uid.to_string(),
    })
}

fn finalizers(meta: &Meta) -> Option<Value> {
    let finalizers = &meta.finalizers;
    let mut all: Vec<&str> = Vec::new();
    if finalizers.claim {
        all.push("kubernetes.io/pvc-protection");
    }
    all.extend(finalizers.other.iter().flat_map(|other| other.iter()).map(String::as_str));
    if finalizers.orphan {
        all.push("orphan");
    }
    if finalizers.foreground {
        all.push("foregroundDeletion");
    }
    (!all.is_empty()).then(|| json!(all))
}

fn show_lws(record: &LwsRecord) -> Value {
    let lws = &record.lws;
    let mut spec = plain(&lws.spec);
    let group = &mut spec["leaderWorkerTemplate"];
    if let Some(group) = group.as_object_mut() {
        group.retain(|_, field| !field.is_null());
    }
    let metadata = json!({
        "labels": lws.metadata.labels, "annotations": lws.metadata.annotations,
    });
    let mut shown = json!({"metadata": metadata, "spec": spec});
    put(&mut shown, "status", lws.status.as_ref().map(plain));
    shown
}

fn show_set_status(record: &SetRecord) -> Value {
    let status = &record.status;
    let mut shown = json!({"replicas": status.replicas, "availableReplicas": status.available});
    if status.observed_generation == 0 {
        return shown;
    }
    shown["observedGeneration"] = status.observed_generation.into();
    shown["collisionCount"] = 0.into();
    shown["currentRevision"] = (&*status.current_revision).into();
    shown["updateRevision"] = (&*status.update_revision).into();
    for (field, count) in [
        ("readyReplicas", status.ready),
        ("currentReplicas", status.current_replicas),
        ("updatedReplicas", status.updated_replicas),
    ] {
        if count != 0 {
            shown[field] = count.into();
        }
    }
    shown
}

fn show_service(record: &ServiceRecord) -> Value {
    let mut shown = match &record.body {
        Some(body) => plain(&body.to_service()),
        None => json!({"metadata": {}, "spec": {"selector": record.selector}}),
    };
    let spec = &mut shown["spec"];
    if spec["clusterIP"] == "None" {
        spec["clusterIPs"] = json!(["None"]);
    }
    fill(spec, "internalTrafficPolicy", || json!("Cluster"));
    fill(spec, "ipFamilies", || json!(["IPv4"]));
    fill(spec, "ipFamilyPolicy", || json!("SingleStack"));
    fill(spec, "sessionAffinity", || json!("None"));
    fill(spec, "type", || json!("ClusterIP"));
    shown
}

fn show_claim(record: &ClaimRecord) -> Value {
    let mut shown = plain(&*record.body);
    fill(&mut shown["spec"], "volumeMode", || json!("Filesystem"));
    shown["status"] = json!({"phase": "Pending"});
    shown
}

fn with_node_selector(mut spec: PodSpec, added: &BTreeMap<String, String>) -> PodSpec {
    if !added.is_empty() {
        spec.node_selector.get_or_insert_default().extend(added.clone());
    }
    spec
}
