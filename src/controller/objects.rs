//! Bodies of the objects that LWS makes, light enough to make by the thousand.
//!
//! A body shares the user's pod template; `to_stateful_set` and the like make the full Kubernetes object on demand.

use super::observed::{PodSeen, Revision};
use super::plan::LeaderSetApply;
use super::spec;
use crate::api::lws::{ClaimRetentionPolicy, ClaimTemplate, LeaderWorkerSet, LeaderWorkerTemplate};
use crate::api::{Uid, keys};
use k8s_openapi::api::apps::v1::{
    RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetOrdinals,
    StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, PodTemplateSpec, Service, ServiceSpec,
    VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Labels, annotations or selectors.
type Pairs = BTreeMap<String, String>;

/// Controller owner of a body; `blockOwnerDeletion` is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// `apiVersion` of the owner.
    pub api_version: &'static str,
    /// Kind of the owner.
    pub kind: &'static str,
    /// Name of the owner.
    pub name: String,
    /// UID of the owner.
    pub uid: Uid,
}

/// A StatefulSet that LWS applies or creates.
#[derive(Clone, Debug, PartialEq)]
pub struct SetBody {
    /// Object name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Metadata labels.
    pub labels: BTreeMap<String, String>,
    /// Metadata annotations.
    pub annotations: BTreeMap<String, String>,
    /// Controller owner.
    pub owner: Owner,
    /// `spec.serviceName`.
    pub service_name: String,
    /// `spec.replicas`.
    pub replicas: i32,
    /// `spec.ordinals.start`, where set.
    pub start: Option<i32>,
    /// `spec.selector.matchLabels`.
    pub selector: BTreeMap<String, String>,
    /// `spec.updateStrategy.rollingUpdate` as (partition, maxUnavailable), where set.
    pub rolling_update: Option<(i32, i32)>,
    /// Pod template.
    pub template: TemplateBody,
    /// Claim templates, reduced as upstream does (B24).
    pub claims: Vec<PersistentVolumeClaim>,
    /// Claim retention, where set.
    pub claim_retention: Option<ClaimRetentionPolicy>,
}

/// The user's pod template and what LWS adds to it.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateBody {
    /// The user's template, shared.
    pub base: Arc<PodTemplateSpec>,
    /// Labels to add; they win over the template's.
    pub labels: BTreeMap<String, String>,
    /// Annotations to add; they win over the template's.
    pub annotations: BTreeMap<String, String>,
    /// Node selector entries to add; they win over the template's.
    pub node_selector: BTreeMap<String, String>,
}

/// A headless Service that LWS creates: no cluster IP, publishes addresses that are not ready, no ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceBody {
    /// Object name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Metadata labels.
    pub labels: BTreeMap<String, String>,
    /// `spec.selector`.
    pub selector: BTreeMap<String, String>,
    /// Controller owner.
    pub owner: Owner,
}

/// Returns the leader StatefulSet as the controller applies it (`LC:constructLeaderStatefulSetApplyConfiguration`).
pub fn leader_set(lws: &LeaderWorkerSet, apply: &LeaderSetApply) -> SetBody {
    let name = spec::name(lws);
    let live = &lws.spec.leader_worker_template;
    let mut labels = lws.metadata.labels.clone().unwrap_or_default();
    labels.extend(pairs([(keys::NAME, name), (keys::REVISION, &apply.key)]));
    let mut annotations = lws.metadata.annotations.clone().unwrap_or_default();
    annotations.insert(keys::REPLICAS.to_owned(), spec::replicas(lws).to_string());
    if let Some(kept) = apply.surge_kept {
        annotations.insert(keys::SURGE_KEPT.to_owned(), format!("{}/{kept}", apply.key));
    }
    let mut template_labels =
        pairs([(keys::NAME, name), (keys::REVISION, &apply.key), (keys::WORKER_INDEX, "0")]);
    if apply.has_later_label {
        template_labels.extend(pairs([(keys::LATER_VERSION, "true")]));
    }
    let mut template_annotations = group_annotations(lws, live);
    if spec::is_unique_per_replica(lws.spec.network_config.as_ref()) {
        template_annotations.extend(pairs([(keys::SUBDOMAIN_POLICY, spec::UNIQUE_PER_REPLICA)]));
    }
    SetBody {
        name: name.to_owned(),
        namespace: spec::namespace(lws).to_owned(),
        labels,
        annotations,
        owner: owner_set(lws),
        service_name: name.to_owned(),
        replicas: apply.replicas,
        start: None,
        selector: pairs([(keys::NAME, name), (keys::WORKER_INDEX, "0")]),
        rolling_update: Some((apply.partition, apply.max_unavailable)),
        template: TemplateBody {
            base: Arc::clone(live.leader_template.as_ref().unwrap_or(&live.worker_template)),
            labels: template_labels,
            annotations: template_annotations,
            node_selector: Pairs::new(),
        },
        claims: claims(live, spec::namespace(lws)),
        claim_retention: live.persistent_volume_claim_retention_policy.clone(),
    }
}

/// Returns the worker StatefulSet of a leader (`PC:constructWorkerStatefulSetApplyConfiguration`).
///
/// The leader's revision decides, but metadata and the topology annotations are the live set's. `domain` is the
/// exclusive topology key and the leader's value of it.
pub fn worker_set(
    live: &LeaderWorkerSet,
    revision: &Revision,
    leader: &PodSeen<'_>,
    domain: Option<(&str, &str)>,
) -> SetBody {
    let template = &*revision.template;
    let selector = pairs([
        (keys::GROUP_INDEX, leader.group_index),
        (keys::GROUP_KEY, leader.group_key),
        (keys::NAME, leader.lws_name),
    ]);
    let mut template_labels = selector.clone();
    template_labels.extend(pairs([(keys::REVISION, leader.key)]));
    let mut labels = live.metadata.labels.clone().unwrap_or_default();
    labels.extend(template_labels.clone());
    let mut template_annotations = group_annotations(live, template);
    template_annotations.extend(pairs([(keys::LEADER_NAME, leader.name)]));
    if leader.requests_tpus {
        template_annotations.extend(pairs([(keys::LEADER_REQUESTS_TPUS, "true")]));
    }
    let service_name = if spec::is_unique_per_replica(revision.network_config.as_ref()) {
        leader.name.to_owned()
    } else {
        spec::name(live).to_owned()
    };
    SetBody {
        name: leader.name.to_owned(),
        namespace: leader.namespace.to_owned(),
        labels,
        annotations: live.metadata.annotations.clone().unwrap_or_default(),
        owner: owner_pod(leader),
        service_name,
        replicas: spec::size(template) - 1,
        start: Some(1),
        selector,
        rolling_update: None,
        template: TemplateBody {
            base: Arc::clone(&template.worker_template),
            labels: template_labels,
            annotations: template_annotations,
            node_selector: domain.map(|domain| pairs([domain])).unwrap_or_default(),
        },
        claims: claims(template, leader.namespace),
        claim_retention: template.persistent_volume_claim_retention_policy.clone(),
    }
}

/// Returns the headless Service that all groups share (`LC:reconcileHeadlessServices`).
pub(super) fn shared_service(lws: &LeaderWorkerSet) -> ServiceBody {
    let name = spec::name(lws);
    ServiceBody {
        name: name.to_owned(),
        namespace: spec::namespace(lws).to_owned(),
        labels: pairs([(keys::NAME, name)]),
        selector: pairs([(keys::NAME, name)]),
        owner: owner_set(lws),
    }
}

/// Returns the headless Service of the group that `leader` leads.
pub(super) fn group_service(lws: &LeaderWorkerSet, leader: &PodSeen<'_>) -> ServiceBody {
    let name = spec::name(lws);
    ServiceBody {
        name: leader.name.to_owned(),
        namespace: leader.namespace.to_owned(),
        labels: pairs([(keys::NAME, name)]),
        selector: pairs([(keys::GROUP_INDEX, leader.group_index), (keys::NAME, name)]),
        owner: owner_pod(leader),
    }
}

impl Owner {
    fn to_reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: self.api_version.to_owned(),
            block_owner_deletion: Some(true),
            controller: Some(true),
            kind: self.kind.to_owned(),
            name: self.name.clone(),
            uid: self.uid.to_string(),
        }
    }
}

impl SetBody {
    /// Returns the full object; the only place that copies the pod template.
    pub fn to_stateful_set(&self) -> StatefulSet {
        let update_strategy =
            self.rolling_update.map(|(partition, max_unavailable)| StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateStatefulSetStrategy {
                    partition: Some(partition),
                    max_unavailable: Some(IntOrString::Int(max_unavailable)),
                }),
            });
        let retention = self.claim_retention.as_ref().map(|policy| {
            StatefulSetPersistentVolumeClaimRetentionPolicy {
                when_deleted: policy.when_deleted.clone(),
                when_scaled: policy.when_scaled.clone(),
            }
        });
        let spec = StatefulSetSpec {
            service_name: Some(self.service_name.clone()),
            replicas: Some(self.replicas),
            pod_management_policy: Some("Parallel".to_owned()),
            ordinals: self.start.map(|start| StatefulSetOrdinals { start: Some(start) }),
            selector: LabelSelector {
                match_labels: Some(self.selector.clone()),
                match_expressions: None,
            },
            update_strategy,
            template: self.template.to_pod_template(),
            volume_claim_templates: (!self.claims.is_empty()).then(|| self.claims.clone()),
            persistent_volume_claim_retention_policy: retention,
            ..StatefulSetSpec::default()
        };
        let metadata = metadata(
            &self.name,
            &self.namespace,
            &self.labels,
            Some(&self.annotations),
            &self.owner,
        );
        StatefulSet { metadata, spec, status: None }
    }
}

impl TemplateBody {
    /// Returns the pod template with everything merged in.
    pub fn to_pod_template(&self) -> PodTemplateSpec {
        let mut template = PodTemplateSpec::clone(&self.base);
        let metadata = template.metadata.get_or_insert_default();
        extend(&mut metadata.labels, &self.labels);
        extend(&mut metadata.annotations, &self.annotations);
        if !self.node_selector.is_empty() {
            extend(&mut template.spec.get_or_insert_default().node_selector, &self.node_selector);
        }
        template
    }
}

impl ServiceBody {
    /// Returns the full object (`CU:CreateHeadlessServiceIfNotExists`).
    pub fn to_service(&self) -> Service {
        let spec = ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(self.selector.clone()),
            ..ServiceSpec::default()
        };
        Service {
            metadata: metadata(&self.name, &self.namespace, &self.labels, None, &self.owner),
            spec: Some(spec),
            status: None,
        }
    }
}

/// Returns the annotations that the pods of a group get, leader or worker.
fn group_annotations(live: &LeaderWorkerSet, template: &LeaderWorkerTemplate) -> Pairs {
    let mut annotations = Pairs::from([(keys::SIZE.to_owned(), spec::size(template).to_string())]);
    let mut copy = |key: &str| {
        if let Some(value) = spec::annotation(live, key).filter(|value| !value.is_empty()) {
            annotations.insert(key.to_owned(), value.to_owned());
        }
    };
    copy(keys::EXCLUSIVE_TOPOLOGY);
    if let Some(policy) = &template.sub_group_policy {
        copy(keys::SUBGROUP_EXCLUSIVE_TOPOLOGY);
        if let Some(type_) = &policy.type_ {
            annotations.insert(keys::SUBGROUP_POLICY_TYPE.to_owned(), type_.clone());
        }
        if let Some(size) = policy.sub_group_size {
            annotations.insert(keys::SUBGROUP_SIZE.to_owned(), size.to_string());
        }
    }
    annotations
}

/// Returns the claim templates as upstream copies them: most of a claim is lost (B24).
/// Returns the claim templates as upstream passes them on: in the namespace of the set (`GetPVCApplyConfiguration`).
fn claims(template: &LeaderWorkerTemplate, namespace: &str) -> Vec<PersistentVolumeClaim> {
    let claims = template.volume_claim_templates.iter().flatten();
    claims.map(|claim| reduced(claim, namespace)).collect()
}

fn reduced(claim: &ClaimTemplate, namespace: &str) -> PersistentVolumeClaim {
    let spec = claim.spec.as_ref();
    let resources =
        spec.and_then(|spec| spec.resources.as_ref()).map(|resources| VolumeResourceRequirements {
            limits: resources.limits.clone(),
            requests: resources.requests.clone(),
        });
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: claim.metadata.name.clone(),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: spec.and_then(|spec| spec.access_modes.clone()),
            storage_class_name: spec.and_then(|spec| spec.storage_class_name.clone()),
            volume_mode: spec.and_then(|spec| spec.volume_mode.clone()),
            resources,
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

fn owner_set(lws: &LeaderWorkerSet) -> Owner {
    Owner {
        api_version: keys::API_VERSION,
        kind: keys::KIND,
        name: spec::name(lws).to_owned(),
        uid: spec::uid(lws),
    }
}

fn owner_pod(pod: &PodSeen<'_>) -> Owner {
    Owner { api_version: "v1", kind: "Pod", name: pod.name.to_owned(), uid: pod.uid }
}

fn metadata(
    name: &str,
    namespace: &str,
    labels: &Pairs,
    annotations: Option<&Pairs>,
    owner: &Owner,
) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        labels: Some(labels.clone()),
        annotations: annotations.filter(|annotations| !annotations.is_empty()).cloned(),
        owner_references: Some(vec![owner.to_reference()]),
        ..ObjectMeta::default()
    }
}

fn pairs<const N: usize>(entries: [(&str, &str); N]) -> Pairs {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn extend(target: &mut Option<Pairs>, added: &Pairs) {
    if !added.is_empty() {
        target
            .get_or_insert_default()
            .extend(added.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::model::{NAME, sample, template};
    use crate::controller::revision;
    use crate::vectors;
    use serde::Deserialize;
    use serde_json::{Value, json};

    const PREFIX: &str = "leaderworkerset.sigs.k8s.io/";
    /// Keys of the vectors that stand for LWS keys; all others are the user's own.
    const OWN: [&str; 2] = ["app", "owner"];

    #[derive(Deserialize)]
    struct SubGroup {
        size: i32,
        #[serde(rename = "type")]
        type_: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    struct LeaderRow {
        id: String,
        replicas: i32,
        size: i32,
        #[serde(default)]
        leader_template: bool,
        sts_replicas: Option<i32>,
        want_sts_replicas: Option<i32>,
        #[serde(default)]
        lws_labels: Pairs,
        lws_annotations: Pairs,
        sts_labels: Option<Pairs>,
        sts_annotations: Pairs,
        pod_annotations: Option<Pairs>,
        container: Option<String>,
        sub_group: Option<SubGroup>,
        pvc_templates: Option<Value>,
        pvc_retention: Option<Value>,
    }

    #[derive(Deserialize)]
    struct WorkerRow {
        id: String,
        size: i32,
        #[serde(default)]
        lws_labels: Pairs,
        lws_annotations: Pairs,
        sub_group: Option<SubGroup>,
        want: WorkerWant,
    }

    #[derive(Deserialize)]
    struct WorkerWant {
        replicas: Option<i32>,
        sts_labels: Option<Pairs>,
        sts_annotations: Option<Pairs>,
        pod_annotations: Option<Pairs>,
        pvc_templates: Option<Value>,
        pvc_retention: Option<Value>,
    }

    fn prefixed(pairs: &Pairs) -> Pairs {
        let full = |key: &String| {
            if OWN.contains(&&**key) { key.clone() } else { format!("{PREFIX}{key}") }
        };
        pairs.iter().map(|(key, value)| (full(key), value.clone())).collect()
    }

    /// The claim that the vectors describe, with the fields that upstream drops besides.
    fn claim() -> Value {
        json!([{
            "metadata": {"name": "pvc1", "labels": {"lost": "yes"}},
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "standard", "volumeMode": "Filesystem",
                "volumeName": "lost", "resources": {"requests": {"storage": "1Gi"}, "limits": {"storage": "2Gi"}},
            },
        }])
    }

    fn check_claims(set: &Value, templates: Option<&Value>, retention: Option<&Value>, id: &str) {
        let spec = &set["spec"];
        assert_eq!(spec.get("volumeClaimTemplates").is_some(), templates.is_some(), "{id}");
        assert_eq!(spec.get("persistentVolumeClaimRetentionPolicy"), retention, "{id}");
        if templates.is_some() {
            let claim = &spec["volumeClaimTemplates"][0];
            assert_eq!(claim["metadata"], json!({"name": "pvc1", "namespace": "default"}), "{id}");
            let mut kept = self::claim()[0]["spec"].clone();
            kept.as_object_mut().unwrap().remove("volumeName");
            assert_eq!(claim["spec"], kept, "{id}");
        }
    }

    fn with_claims(lws: &mut LeaderWorkerSet, retention: &Value) {
        let live = &mut lws.spec.leader_worker_template;
        live.volume_claim_templates = serde_json::from_value(claim()).unwrap();
        live.persistent_volume_claim_retention_policy =
            serde_json::from_value(retention.clone()).unwrap();
    }

    fn set_sub_group(lws: &mut LeaderWorkerSet, sub_group: Option<&SubGroup>) {
        lws.spec.leader_worker_template.sub_group_policy =
            sub_group.map(|policy| crate::api::lws::SubGroupPolicy {
                type_: Some(policy.type_.clone()),
                sub_group_size: Some(policy.size),
            });
    }

    fn apply(replicas: i32) -> LeaderSetApply {
        LeaderSetApply {
            name: NAME.to_owned(),
            key: "revision-1".into(),
            replicas,
            partition: 0,
            max_unavailable: 1,
            surge_kept: None,
            has_later_label: false,
            exists: false,
        }
    }

    #[test]
    fn a_leader_set_holds_what_upstream_applies() {
        vectors::each("leader-statefulset.yaml", "", |row: LeaderRow| {
            let id = &row.id;
            let mut lws = sample(row.replicas);
            lws.metadata.labels = Some(prefixed(&row.lws_labels));
            lws.metadata.annotations = Some(prefixed(&row.lws_annotations));
            lws.spec.leader_worker_template.size = Some(row.size);
            lws.spec.leader_worker_template.leader_template =
                row.leader_template.then(|| template("leader", "v1"));
            set_sub_group(&mut lws, row.sub_group.as_ref());
            if let Some(retention) = &row.pvc_retention {
                with_claims(&mut lws, retention);
            }
            let body = leader_set(&lws, &apply(row.sts_replicas.unwrap_or(row.replicas)));
            let set = serde_json::to_value(body.to_stateful_set()).unwrap();
            let key_pairs = json!({format!("{PREFIX}name"): NAME, format!("{PREFIX}template-revision-hash"): "revision-1"});
            let labels =
                row.sts_labels.as_ref().map_or(key_pairs, |labels| json!(prefixed(labels)));
            assert_eq!(set["metadata"]["labels"], labels, "{id}");
            assert_eq!(
                set["metadata"]["annotations"],
                json!(prefixed(&row.sts_annotations)),
                "{id}"
            );
            let pod_labels = json!({
                format!("{PREFIX}name"): NAME,
                format!("{PREFIX}template-revision-hash"): "revision-1",
                format!("{PREFIX}worker-index"): "0",
            });
            let template = &set["spec"]["template"];
            assert_eq!(template["metadata"]["labels"], pod_labels, "{id}");
            if let Some(annotations) = &row.pod_annotations {
                assert_eq!(
                    template["metadata"]["annotations"],
                    json!(prefixed(annotations)),
                    "{id}"
                );
            }
            if let Some(container) = &row.container {
                assert_eq!(template["spec"]["containers"][0]["name"], **container, "{id}");
            }
            let replicas = row.want_sts_replicas.unwrap_or(row.replicas);
            assert_eq!(set["spec"]["replicas"], replicas, "{id}");
            assert_eq!(set["spec"]["podManagementPolicy"], "Parallel", "{id}");
            assert_eq!(set["spec"]["serviceName"], NAME, "{id}");
            let selector =
                json!({format!("{PREFIX}name"): NAME, format!("{PREFIX}worker-index"): "0"});
            assert_eq!(set["spec"]["selector"]["matchLabels"], selector, "{id}");
            let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0, "maxUnavailable": 1}});
            assert_eq!(set["spec"]["updateStrategy"], rolling, "{id}");
            check_claims(&set, row.pvc_templates.as_ref(), row.pvc_retention.as_ref(), id);
        });
    }

    fn leader() -> PodSeen<'static> {
        PodSeen {
            namespace: "default",
            name: NAME,
            uid: Uid(9),
            lws_name: NAME,
            worker_index: Some("0"),
            group_index: "1",
            group_key: "test-key",
            key: "<key>",
            has_leader_name: false,
            is_deleting: false,
            phase: crate::controller::Phase::Running,
            is_ready: true,
            has_restarted: false,
            node: "",
            owner: None,
            requests_tpus: false,
        }
    }

    fn revision_of(lws: &LeaderWorkerSet) -> Revision {
        revision::from_parts("r", 1, "<key>", &revision::encode(lws), Some(Uid(7))).unwrap()
    }

    #[test]
    fn a_worker_set_holds_what_upstream_creates() {
        vectors::each("worker-statefulset.yaml", "", |row: WorkerRow| {
            let id = &row.id;
            let mut lws = sample(1);
            lws.metadata.labels = Some(prefixed(&row.lws_labels));
            lws.metadata.annotations = Some(prefixed(&row.lws_annotations));
            lws.spec.leader_worker_template.size = Some(row.size);
            set_sub_group(&mut lws, row.sub_group.as_ref());
            if let Some(retention) = &row.want.pvc_retention {
                with_claims(&mut lws, retention);
            }
            let revision = revision_of(&lws);
            // Only metadata is the live set's.
            lws.spec.leader_worker_template.size = Some(17);
            lws.spec.leader_worker_template.worker_template = template("live", "live");
            lws.spec.leader_worker_template.volume_claim_templates = None;
            let set = serde_json::to_value(
                worker_set(&lws, &revision, &leader(), None).to_stateful_set(),
            )
            .unwrap();
            let group = json!({
                format!("{PREFIX}name"): NAME, format!("{PREFIX}group-index"): "1", format!("{PREFIX}group-key"): "test-key",
            });
            let mut labels = group.clone();
            labels[format!("{PREFIX}template-revision-hash")] = "<key>".into();
            let wanted = row
                .want
                .sts_labels
                .as_ref()
                .map_or_else(|| labels.clone(), |labels| json!(prefixed(labels)));
            assert_eq!(set["metadata"]["labels"], wanted, "{id}");
            if let Some(annotations) = &row.want.sts_annotations {
                assert_eq!(set["metadata"]["annotations"], json!(prefixed(annotations)), "{id}");
            }
            if let Some(annotations) = &row.want.pod_annotations {
                assert_eq!(
                    set["spec"]["template"]["metadata"]["annotations"],
                    json!(prefixed(annotations)),
                    "{id}"
                );
            }
            if let Some(replicas) = row.want.replicas {
                assert_eq!(set["spec"]["replicas"], replicas, "{id}");
            }
            assert_eq!(set["metadata"]["name"], NAME, "{id}");
            assert_eq!(set["spec"]["template"]["metadata"]["labels"], labels, "{id}");
            assert_eq!(set["spec"]["template"]["spec"]["containers"][0]["name"], "worker", "{id}");
            assert_eq!(set["spec"]["selector"]["matchLabels"], group, "{id}");
            assert_eq!(set["spec"]["serviceName"], NAME, "{id}");
            assert_eq!(set["spec"]["podManagementPolicy"], "Parallel", "{id}");
            assert_eq!(set["spec"]["ordinals"], json!({"start": 1}), "{id}");
            assert_eq!(set["spec"].get("updateStrategy"), None, "{id}");
            check_claims(
                &set,
                row.want.pvc_templates.as_ref(),
                row.want.pvc_retention.as_ref(),
                id,
            );
        });
    }

    #[derive(Deserialize)]
    struct ClaimRow {
        id: String,
        given: Option<Vec<Value>>,
        want: Vec<Value>,
    }

    #[test]
    fn claims_are_passed_on_in_the_namespace_of_the_set() {
        // The rows write names, requests and limits without the levels of the API around them.
        let nested = |flat: &Value| -> Value {
            let mut claim = json!({"metadata": {}, "spec": {}});
            for (key, value) in flat.as_object().unwrap() {
                match key.as_str() {
                    "name" | "namespace" => claim["metadata"][key] = value.clone(),
                    "requests" | "limits" => {
                        claim["spec"]["resources"][key] = json!({"storage": value});
                    }
                    _ => claim["spec"][key] = value.clone(),
                }
            }
            claim
        };
        vectors::each("lws-utils.yaml", "pvc_templates", |row: ClaimRow| {
            // Without a set there is nothing to pass on; here that is a set without claims.
            let given: Vec<Value> = row.given.iter().flatten().map(nested).collect();
            let template = LeaderWorkerTemplate {
                volume_claim_templates: serde_json::from_value(json!(given)).unwrap(),
                ..LeaderWorkerTemplate::default()
            };
            let plain = |claim: PersistentVolumeClaim| {
                let mut claim = serde_json::to_value(claim).unwrap();
                claim.as_object_mut().unwrap().retain(|key, _| key == "metadata" || key == "spec");
                claim
            };
            let passed: Vec<Value> = claims(&template, "default").into_iter().map(plain).collect();
            let wanted: Vec<Value> = row.want.iter().map(nested).collect();
            assert_eq!(passed, wanted, "{}", row.id);
        });
    }

    #[test]
    fn the_domain_of_the_leader_wins_over_the_templates_node_selector() {
        let mut lws = sample(1);
        let mut base = PodTemplateSpec::clone(&template("worker", "v1"));
        let selector = pairs([("rack", "user"), ("zone", "a")]);
        base.spec.get_or_insert_default().node_selector = Some(selector);
        lws.spec.leader_worker_template.worker_template = Arc::new(base);
        let body = worker_set(&lws, &revision_of(&lws), &leader(), Some(("rack", "r7")));
        let merged = body.template.to_pod_template().spec.unwrap().node_selector.unwrap();
        assert_eq!(merged, pairs([("rack", "r7"), ("zone", "a")]));
    }

    #[test]
    fn the_revision_decides_which_service_the_workers_use() {
        let mut lws = sample(1);
        let unique = Some("UniquePerReplica".to_owned());
        lws.spec.network_config = Some(crate::api::lws::NetworkConfig { subdomain_policy: unique });
        let revision = revision_of(&lws);
        lws.spec.network_config = None;
        let leader = PodSeen { name: "test-sample-1", requests_tpus: true, ..leader() };
        let body = worker_set(&lws, &revision, &leader, None);
        assert_eq!(body.service_name, "test-sample-1");
        assert_eq!(&body.template.annotations[keys::LEADER_REQUESTS_TPUS], "true");
    }

    #[test]
    fn bodies_share_the_users_template() {
        let lws = sample(1);
        let body = leader_set(&lws, &apply(1));
        assert!(Arc::ptr_eq(
            &body.template.base,
            lws.spec.leader_worker_template.leader_template.as_ref().unwrap()
        ));
        let revision = revision_of(&lws);
        let body = worker_set(&lws, &revision, &leader(), None);
        assert!(Arc::ptr_eq(&body.template.base, &revision.template.worker_template));
    }

    #[test]
    fn services_are_headless_and_publish_addresses_early() {
        let lws = sample(1);
        let leader = PodSeen { name: "test-sample-1", ..leader() };
        let check = |body: ServiceBody, name: &str, selector: Value, owner: &str| {
            let service = serde_json::to_value(body.to_service()).unwrap();
            let spec = json!({"clusterIP": "None", "publishNotReadyAddresses": true, "selector": selector});
            assert_eq!(service["spec"], spec, "{name}");
            let metadata = &service["metadata"];
            assert_eq!(
                (&metadata["name"], &metadata["namespace"]),
                (&json!(name), &json!("default"))
            );
            assert_eq!(metadata["labels"], json!({format!("{PREFIX}name"): NAME}), "{name}");
            let reference = &metadata["ownerReferences"][0];
            assert_eq!(
                (&reference["kind"], &reference["controller"]),
                (&json!(owner), &json!(true)),
                "{name}"
            );
        };
        let mut selector = json!({format!("{PREFIX}name"): NAME});
        check(shared_service(&lws), NAME, selector.clone(), "LeaderWorkerSet");
        selector[format!("{PREFIX}group-index")] = "1".into();
        check(group_service(&lws, &leader), "test-sample-1", selector, "Pod");
    }
}
