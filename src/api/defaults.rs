//! What the API server and the mutating webhook make of a LeaderWorkerSet before it is stored.
//!
//! Schema defaults of the CRD, the webhook's `Default` (upstream `pkg/webhooks/leaderworkerset_webhook.go`, commit 060ab4d)
//! and what the webhook's typed round trip leaves behind. Refuses nothing: that is `validation`.

use super::lws::{
    ClaimTemplate, LeaderWorkerSet, LeaderWorkerTemplate, NetworkConfig,
    RollingUpdateConfiguration, RolloutStrategy,
};
use super::wire;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Groups of a set by schema default.
pub const REPLICAS: i32 = 1;
/// Pods of a group by schema default.
pub const SIZE: i32 = 1;
/// `startupPolicy` by schema default: workers are made as soon as the leader exists.
pub const LEADER_CREATED: &str = "LeaderCreated";
/// `startupPolicy` under which workers wait for the leader to be ready.
pub const LEADER_READY: &str = "LeaderReady";
/// `restartPolicy` by schema and webhook default.
pub const RECREATE_GROUP_ON_POD_RESTART: &str = "RecreateGroupOnPodRestart";
/// `restartPolicy` that recreates a group only once all of its pods have started.
pub const RECREATE_GROUP_AFTER_START: &str = "RecreateGroupAfterStart";
/// `restartPolicy` that leaves groups alone.
pub const NO_RESTART: &str = "None";
/// Deprecated `restartPolicy`, which the webhook rewrites to `None`.
pub const DEPRECATED_RESTART: &str = "Default";
/// The only `rolloutStrategy.type`.
pub const ROLLING_UPDATE: &str = "RollingUpdate";
/// `subdomainPolicy` by webhook default: one headless Service for the set.
pub const SHARED: &str = "Shared";
/// `subdomainPolicy` with one headless Service a group.
pub const UNIQUE_PER_REPLICA: &str = "UniquePerReplica";
/// `subGroupPolicyType` by schema default: the leader belongs to subgroup 0.
pub const LEADER_WORKER: &str = "LeaderWorker";
/// `subGroupPolicyType` under which the leader belongs to no subgroup.
pub const LEADER_EXCLUDED: &str = "LeaderExcluded";

/// Makes `lws` what would be stored; doing it again changes nothing.
pub fn apply(lws: &mut LeaderWorkerSet) {
    fill_schema_defaults(lws);
    if default_as_webhook(lws) {
        // The webhook's patch then brings along all that Go writes of its own accord, such as `resources: {}`. Without a
        // change there is no patch, and what the user left out stays away.
        each_template(&mut lws.spec.leader_worker_template, Completion::GoRoundTrip);
    }
}

/// Sets what the CRD's schema fills in.
fn fill_schema_defaults(lws: &mut LeaderWorkerSet) {
    let spec = &mut lws.spec;
    spec.replicas.get_or_insert(REPLICAS);
    spec.startup_policy.get_or_insert_with(|| LEADER_CREATED.to_owned());
    let group = &mut spec.leader_worker_template;
    group.size.get_or_insert(SIZE);
    group.restart_policy.get_or_insert_with(|| RECREATE_GROUP_ON_POD_RESTART.to_owned());
    if let Some(subgroups) = &mut group.sub_group_policy {
        subgroups.type_.get_or_insert_with(|| LEADER_WORKER.to_owned());
    }
    each_template(group, Completion::SchemaDefaults);
    if let Some(rollout) = &mut spec.rollout_strategy {
        rollout.type_.get_or_insert_with(|| ROLLING_UPDATE.to_owned());
        if let Some(budget) = &mut rollout.rolling_update_configuration {
            fill_budget(budget);
        }
    }
}

fn fill_budget(budget: &mut RollingUpdateConfiguration) {
    budget.partition.get_or_insert(0);
    budget.max_unavailable.get_or_insert(IntOrString::Int(1));
    budget.max_surge.get_or_insert(IntOrString::Int(0));
}

/// Does what the webhook's `Default` does; returns whether it changed anything.
fn default_as_webhook(lws: &mut LeaderWorkerSet) -> bool {
    let spec = &mut lws.spec;
    let mut is_changed = true;
    let policy = spec.leader_worker_template.restart_policy.get_or_insert_default();
    match policy.as_str() {
        "" => RECREATE_GROUP_ON_POD_RESTART.clone_into(policy),
        DEPRECATED_RESTART => NO_RESTART.clone_into(policy),
        _ => is_changed = false,
    }
    let rollout: &mut RolloutStrategy = spec.rollout_strategy.get_or_insert_default();
    let type_ = rollout.type_.get_or_insert_default();
    if type_.is_empty() {
        ROLLING_UPDATE.clone_into(type_);
        is_changed = true;
    }
    if type_ == ROLLING_UPDATE && rollout.rolling_update_configuration.is_none() {
        fill_budget(rollout.rolling_update_configuration.get_or_insert_default());
        is_changed = true;
    }
    let network: &mut NetworkConfig = spec.network_config.get_or_insert_default();
    if network.subdomain_policy.is_none() {
        network.subdomain_policy = Some(SHARED.to_owned());
        is_changed = true;
    }
    is_changed
}

/// What is added to a pod template or claim.
#[derive(Clone, Copy)]
enum Completion {
    SchemaDefaults,
    GoRoundTrip,
}

fn each_template(group: &mut LeaderWorkerTemplate, completion: Completion) {
    for template in group.leader_template.iter_mut().chain([&mut group.worker_template]) {
        if let Some(completed) =
            completed::<PodTemplateSpec>(template, "PodTemplateSpec", completion)
        {
            *template = Arc::new(completed);
        }
    }
    for claim in group.volume_claim_templates.iter_mut().flatten() {
        if let Some(completed) =
            completed::<ClaimTemplate>(claim, "PersistentVolumeClaim", completion)
        {
            *claim = completed;
        }
    }
}

/// Returns `object` with what is added to it, or `None` if that is nothing: what was shared stays shared then.
fn completed<T: Serialize + DeserializeOwned>(
    object: &T,
    type_name: &str,
    completion: Completion,
) -> Option<T> {
    let given = serde_json::to_value(object).ok()?;
    let mut completed = given.clone();
    match completion {
        Completion::SchemaDefaults => wire::fill_defaults(&mut completed, type_name),
        Completion::GoRoundTrip => wire::complete(&mut completed, type_name),
    }
    // A typed object that was written can be read again.
    if completed == given { None } else { serde_json::from_value(completed).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(spec: &Value, stored: &Value) {
        let mut lws: LeaderWorkerSet = serde_json::from_value(json!({"spec": spec})).unwrap();
        apply(&mut lws);
        assert_eq!(serde_json::to_value(&lws.spec).unwrap(), *stored, "{spec}");
        let once = lws.clone();
        apply(&mut lws);
        assert_eq!(lws, once, "a second time");
        assert!(Arc::ptr_eq(
            &lws.spec.leader_worker_template.worker_template,
            &once.spec.leader_worker_template.worker_template
        ));
    }

    #[test]
    fn an_empty_spec_becomes_what_a_real_cluster_stores() {
        // Recorded with Kubernetes 1.36.3 and LWS 060ab4d.
        check(
            &json!({"leaderWorkerTemplate": {"workerTemplate": {"spec": {"containers": [{"image": "img:1", "name": "main"}]}}}}),
            &json!({
                "leaderWorkerTemplate": {"restartPolicy": "RecreateGroupOnPodRestart", "size": 1,
                    "workerTemplate": {"metadata": {}, "spec": {"containers": [{"image": "img:1", "name": "main", "resources": {}}]}}},
                "networkConfig": {"subdomainPolicy": "Shared"},
                "replicas": 1,
                "rolloutStrategy": {"rollingUpdateConfiguration": {"maxSurge": 0, "maxUnavailable": 1, "partition": 0}, "type": "RollingUpdate"},
                "startupPolicy": "LeaderCreated",
            }),
        );
    }

    #[test]
    fn given_values_stay_and_deprecated_ones_are_rewritten() {
        let group = json!({"restartPolicy": "Default", "size": 2, "subGroupPolicy": {"subGroupSize": 2}, "workerTemplate": {
            "metadata": {"creationTimestamp": null, "labels": {}},
            "spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "1000m"}}, "env": [{"name": "E", "value": ""}]}]}}});
        check(
            &json!({"leaderWorkerTemplate": group, "replicas": 0, "startupPolicy": "LeaderReady", "networkConfig": {},
                "rolloutStrategy": {"type": "", "rollingUpdateConfiguration": {"maxUnavailable": "50%"}}}),
            &json!({
                "leaderWorkerTemplate": {"restartPolicy": "None", "size": 2,
                    "subGroupPolicy": {"subGroupPolicyType": "LeaderWorker", "subGroupSize": 2},
                    "workerTemplate": {"metadata": {"labels": {}}, "spec": {"containers": [
                        {"name": "a", "resources": {"limits": {"cpu": "1"}}, "env": [{"name": "E", "value": ""}]}]}}},
                "networkConfig": {"subdomainPolicy": "Shared"},
                "replicas": 0,
                "rolloutStrategy": {"rollingUpdateConfiguration": {"maxSurge": 0, "maxUnavailable": "50%", "partition": 0}, "type": "RollingUpdate"},
                "startupPolicy": "LeaderReady",
            }),
        );
    }

    #[test]
    fn a_complete_set_is_stored_as_it_was_written() {
        // Recorded: a patch that replaces the containers of a stored set leaves it without `resources: {}`.
        let spec = json!({
            "leaderWorkerTemplate": {"restartPolicy": "RecreateGroupOnPodRestart", "size": 2,
                "workerTemplate": {"metadata": {}, "spec": {"containers": [{"image": "img:2", "name": "main"}]}}},
            "networkConfig": {"subdomainPolicy": "Shared"},
            "replicas": 5,
            "rolloutStrategy": {"rollingUpdateConfiguration": {"maxSurge": 2, "maxUnavailable": 1, "partition": 0}, "type": "RollingUpdate"},
            "startupPolicy": "LeaderCreated",
        });
        check(&spec, &spec);
    }
}
