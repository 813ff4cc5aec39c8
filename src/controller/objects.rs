//! Bodies of the objects that LWS makes, light enough to make by the thousand.
//!
//! A body shares the user's pod template; `to_stateful_set` and the like make the full Kubernetes object on demand.

use crate::api::Uid;
use crate::api::lws::ClaimRetentionPolicy;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodTemplateSpec};
use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// Metadata labels.
    pub labels: BTreeMap<String, String>,
    /// `spec.selector`.
    pub selector: BTreeMap<String, String>,
    /// Controller owner.
    pub owner: Owner,
}
