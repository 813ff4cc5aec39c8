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
            labels: pairs([
                (keys::NAME, name),
                (keys::REVISION, &apply.key),
                (keys::WORKER_INDEX, "0"),
            ]),
            annotations: template_annotations,
            node_selector: Pairs::new(),
        },
        claims: claims(live),
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
        claims: claims(template),
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
fn claims(template: &LeaderWorkerTemplate) -> Vec<PersistentVolumeClaim> {
    template.volume_claim_templates.iter().flatten().map(reduced).collect()
}

fn reduced(claim: &ClaimTemplate) -> PersistentVolumeClaim {
    let spec = claim.spec.as_ref();
    let resources =
        spec.and_then(|spec| spec.resources.as_ref()).map(|resources| VolumeResourceRequirements {
            limits: resources.limits.clone(),
            requests: resources.requests.clone(),
        });
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: claim.metadata.name.clone(),
            namespace: claim.metadata.namespace.clone(),
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
