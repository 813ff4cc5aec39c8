//! What the API server and the validating webhook refuse of a LeaderWorkerSet, in their words.
//!
//! First the CRD's schema (HTTP 422), then the webhook (403; upstream `pkg/webhooks/leaderworkerset_webhook.go`, commit
//! 060ab4d). Both see the object after `defaults`. Which file and line an error belongs to is for the caller to find.
//!
//! # Differs from the real thing
//! A missing or zero `subGroupSize` makes upstream's validator panic (HTTP 500); here it is an invalid value like any other.

use super::defaults::{
    DEPRECATED_RESTART, LEADER_CREATED, LEADER_EXCLUDED, LEADER_READY, LEADER_WORKER, NO_RESTART,
    RECREATE_GROUP_AFTER_START, RECREATE_GROUP_ON_POD_RESTART, ROLLING_UPDATE, SHARED,
    UNIQUE_PER_REPLICA,
};
use super::keys::SUBGROUP_EXCLUSIVE_TOPOLOGY;
use super::lws::{LeaderWorkerSet, RollingUpdateConfiguration, SubGroupPolicy};
use super::names::{Round, percent, scaled};
use super::{object_meta, wire};
use indexmap::IndexSet;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// Most groups of a set (CRD schema and webhook).
pub const REPLICAS_MAX: i32 = 1_000_000;

const REPLICAS: &str = "spec.replicas";
const SIZE: &str = "spec.leaderWorkerTemplate.size";
const SUBGROUP_SIZE: &str = "spec.leaderWorkerTemplate.SubGroupPolicy.subGroupSize";
const PARTITION: &str = "spec.rolloutStrategy.rollingUpdateConfiguration.partition";
const MAX_UNAVAILABLE: &str = "spec.rolloutStrategy.rollingUpdateConfiguration.maxUnavailable";
const MAX_SURGE: &str = "spec.rolloutStrategy.rollingUpdateConfiguration.maxSurge";

/// What kind of fault a [`FieldError`] is; apimachinery's `field.ErrorType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldErrorKind {
    /// The value breaks a rule.
    Invalid,
    /// The field must be set.
    Required,
    /// The value is none of an enumeration.
    Unsupported,
    /// The value is longer than allowed.
    TooLong,
}

/// One fault of one field; displayed exactly as the API server words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field as the API server prints it; not always that of the manifest (`SubGroupPolicy`).
    pub path: String,
    /// The value as JSON text; empty where it plays no part.
    pub value: String,
    /// What is wrong.
    pub message: String,
    /// Kind of fault.
    pub kind: FieldErrorKind,
}

impl FieldError {
    /// Returns the error that `value` breaks a rule.
    pub fn invalid(path: &str, value: impl Serialize, message: impl Into<String>) -> Self {
        let value = serde_json::to_string(&value).expect("field values are plain JSON");
        Self {
            path: path.to_owned(),
            value,
            message: message.into(),
            kind: FieldErrorKind::Invalid,
        }
    }

    /// Returns the error that the field must be set.
    pub fn required(path: &str, message: &str) -> Self {
        let kind = FieldErrorKind::Required;
        Self { path: path.to_owned(), value: String::new(), message: message.to_owned(), kind }
    }

    /// Returns the error that `value` is none of `supported`.
    pub fn unsupported(path: &str, value: &str, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|value| format!("{value:?}")).collect();
        let message = format!("supported values: {}", supported.join(", "));
        Self { kind: FieldErrorKind::Unsupported, ..Self::invalid(path, value, message) }
    }

    /// Returns the error that the value takes more than `bytes_max` bytes.
    pub fn too_long(path: &str, bytes_max: usize) -> Self {
        let message = format!("may not be more than {bytes_max} bytes");
        Self { path: path.to_owned(), value: String::new(), message, kind: FieldErrorKind::TooLong }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, value, message, kind } = self;
        match kind {
            FieldErrorKind::Invalid => {
                write!(formatter, "{path}: Invalid value: {value}: {message}")
            }
            FieldErrorKind::Required if message.is_empty() => {
                write!(formatter, "{path}: Required value")
            }
            FieldErrorKind::Required => write!(formatter, "{path}: Required value: {message}"),
            FieldErrorKind::Unsupported => {
                write!(formatter, "{path}: Unsupported value: {value}: {message}")
            }
            FieldErrorKind::TooLong => write!(formatter, "{path}: Too long: {message}"),
        }
    }
}

/// Returns the errors as one text, as apimachinery aggregates them: `[a, b]`, equal texts once.
pub fn aggregate(errors: &[FieldError]) -> String {
    let texts: IndexSet<String> = errors.iter().map(ToString::to_string).collect();
    match texts.len() {
        0 | 1 => texts.into_iter().next().unwrap_or_default(),
        _ => format!("[{}]", texts.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
    }
}

/// A refused write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status: 422 from the schema, 403 from the webhook.
    pub status: u16,
    /// `status.reason`.
    pub reason: &'static str,
    /// `status.message`, with the prefix that the API server puts before the errors.
    pub message: String,
    /// What is wrong, field by field.
    pub errors: Vec<FieldError>,
}

impl Refusal {
    fn by_schema(lws: &LeaderWorkerSet) -> Option<Self> {
        let errors = schema_errors(lws);
        let name = lws.metadata.name.as_deref().unwrap_or_default();
        let message = format!(
            "LeaderWorkerSet.leaderworkerset.x-k8s.io {name:?} is invalid: {}",
            aggregate(&errors)
        );
        (!errors.is_empty()).then_some(Self { status: 422, reason: "Invalid", message, errors })
    }

    fn by_webhook(errors: Vec<FieldError>) -> Option<Self> {
        let message = format!(
            "admission webhook \"vleaderworkerset.kb.io\" denied the request: {}",
            aggregate(&errors)
        );
        (!errors.is_empty()).then_some(Self { status: 403, reason: "Forbidden", message, errors })
    }
}

/// Returns why the API server would not create `lws`, which has its defaults, or `None` if it would.
pub fn refusal_of_create(lws: &LeaderWorkerSet) -> Option<Refusal> {
    Refusal::by_schema(lws).or_else(|| Refusal::by_webhook(webhook_errors(lws)))
}

/// Returns why the API server would not replace `old` by `new`, which has its defaults, or `None` if it would.
pub fn refusal_of_update(new: &LeaderWorkerSet, old: &LeaderWorkerSet) -> Option<Refusal> {
    Refusal::by_schema(new).or_else(|| Refusal::by_webhook(webhook_update_errors(new, old)))
}

/// Returns why the scale subresource of the set `name` would not take `replicas`, or `None` if it would.
///
/// The Scale object is checked before the set is (apiextensions-apiserver 1.36, `scale_rest.go`), and no webhook is called.
pub fn refusal_of_scale(name: &str, replicas: i32) -> Option<Refusal> {
    let (message, status) = if replicas < 0 {
        ("must be greater than or equal to 0", 422)
    } else if replicas > REPLICAS_MAX {
        ("spec.replicas in body should be less than or equal to 1000000", 422)
    } else {
        return None;
    };
    let errors = vec![FieldError::invalid(REPLICAS, replicas, message)];
    let object = if replicas < 0 {
        format!("Scale.autoscaling {name:?}")
    } else {
        format!("LeaderWorkerSet.leaderworkerset.x-k8s.io {name:?}")
    };
    let message = format!("{object} is invalid: {}", aggregate(&errors));
    Some(Refusal { status, reason: "Invalid", message, errors })
}

/// Returns all that is wrong with a new `lws`, which has its defaults: the schema's errors or, without any, the webhook's.
pub fn validate_create(lws: &LeaderWorkerSet) -> Vec<FieldError> {
    refusal_of_create(lws).map_or_else(Vec::new, |refusal| refusal.errors)
}

/// Returns all that is wrong with replacing `old` by `new`, which has its defaults.
pub fn validate_update(new: &LeaderWorkerSet, old: &LeaderWorkerSet) -> Vec<FieldError> {
    refusal_of_update(new, old).map_or_else(Vec::new, |refusal| refusal.errors)
}

/// Returns the required fields that a LeaderWorkerSet, as it was read, lacks; a typed object cannot tell.
pub fn missing_fields(lws: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let Some(spec) = lws.get("spec").filter(|spec| spec.is_object()) else { return errors };
    match spec.get("leaderWorkerTemplate").filter(|group| !group.is_null()) {
        None => errors.push(FieldError::required("spec.leaderWorkerTemplate", "")),
        Some(group) => wire::missing_fields(
            group,
            "LeaderWorkerTemplate",
            "spec.leaderWorkerTemplate",
            &mut |path| {
                errors.push(FieldError::required(&path, ""));
            },
        ),
    }
    errors
}

/// Returns what breaks the bounds and enumerations of the CRD's schema.
pub fn schema_errors(lws: &LeaderWorkerSet) -> Vec<FieldError> {
    let spec = &lws.spec;
    let group = &spec.leader_worker_template;
    let mut errors = Vec::new();
    if let Some(replicas) = spec.replicas {
        if replicas < 0 {
            let message = "spec.replicas in body should be greater than or equal to 0";
            errors.push(FieldError::invalid(REPLICAS, replicas, message));
            // The scale subresource checks once more, with a path of its own.
            errors.push(FieldError::invalid(
                ".spec.replicas",
                replicas,
                "should be a non-negative integer",
            ));
        }
        if replicas > REPLICAS_MAX {
            let message = "spec.replicas in body should be less than or equal to 1000000";
            errors.push(FieldError::invalid(REPLICAS, replicas, message));
        }
    }
    let subgroup_type = group.sub_group_policy.as_ref().and_then(|policy| policy.type_.as_deref());
    let subdomain_policy =
        spec.network_config.as_ref().and_then(|network| network.subdomain_policy.as_deref());
    let rollout_type = spec.rollout_strategy.as_ref().and_then(|rollout| rollout.type_.as_deref());
    let restart_policies =
        [DEPRECATED_RESTART, RECREATE_GROUP_ON_POD_RESTART, RECREATE_GROUP_AFTER_START, NO_RESTART];
    for (path, value, supported) in [
        (
            "spec.startupPolicy",
            spec.startup_policy.as_deref(),
            &[LEADER_CREATED, LEADER_READY] as &[&str],
        ),
        ("spec.rolloutStrategy.type", rollout_type, &[ROLLING_UPDATE]),
        ("spec.networkConfig.subdomainPolicy", subdomain_policy, &[SHARED, UNIQUE_PER_REPLICA]),
        (
            "spec.leaderWorkerTemplate.restartPolicy",
            group.restart_policy.as_deref(),
            &restart_policies,
        ),
        (
            "spec.leaderWorkerTemplate.subGroupPolicy.subGroupPolicyType",
            subgroup_type,
            &[LEADER_WORKER, LEADER_EXCLUDED],
        ),
    ] {
        if let Some(value) = value.filter(|value| !supported.contains(value)) {
            errors.push(FieldError::unsupported(path, value, supported));
        }
    }
    errors
}

/// Returns what the validating webhook refuses of a new set (`generalValidate`), in its order.
pub fn webhook_errors(lws: &LeaderWorkerSet) -> Vec<FieldError> {
    let mut errors = Vec::new();
    object_meta::check(&lws.metadata, &mut errors);
    let spec = &lws.spec;
    let replicas = spec.replicas.unwrap_or(super::defaults::REPLICAS);
    let size = spec.leader_worker_template.size.unwrap_or(super::defaults::SIZE);
    if replicas < 0 {
        errors.push(FieldError::invalid(
            REPLICAS,
            replicas,
            "replicas must be equal or greater than 0",
        ));
    }
    if replicas > REPLICAS_MAX {
        errors.push(FieldError::invalid(
            REPLICAS,
            replicas,
            "replicas must be equal or less than 1000000",
        ));
    }
    if size < 1 {
        errors.push(FieldError::invalid(SIZE, size, "size must be equal or greater than 1"));
    }
    if i64::from(replicas) * i64::from(size) > i64::from(i32::MAX) {
        let message = "the product of replicas and worker replicas must not exceed 2147483647";
        errors.push(FieldError::invalid(REPLICAS, replicas, message));
    }
    if let Some(budget) = spec
        .rollout_strategy
        .as_ref()
        .and_then(|rollout| rollout.rolling_update_configuration.as_ref())
    {
        check_budget(budget, replicas, &mut errors);
    }
    let annotations = lws.metadata.annotations.as_ref();
    match (
        &spec.leader_worker_template.sub_group_policy,
        annotations.and_then(|all| all.get(SUBGROUP_EXCLUSIVE_TOPOLOGY)),
    ) {
        (Some(policy), _) => check_subgroups(policy, size, &mut errors),
        (None, Some(key)) => errors.push(FieldError::invalid(
            &format!("metadata.annotations.{SUBGROUP_EXCLUSIVE_TOPOLOGY}"),
            key,
            "cannot have subgroup-exclusive-topology without subGroupSize set",
        )),
        (None, None) => {}
    }
    errors
}

/// Returns what the validating webhook refuses of an update (`ValidateUpdate`).
pub fn webhook_update_errors(new: &LeaderWorkerSet, old: &LeaderWorkerSet) -> Vec<FieldError> {
    let mut errors = webhook_errors(new);
    let size = |lws: &LeaderWorkerSet| {
        lws.spec
            .leader_worker_template
            .sub_group_policy
            .as_ref()
            .map(|policy| policy.sub_group_size)
    };
    match (size(old), size(new)) {
        (Some(old), Some(new)) if old != new => {
            errors.push(FieldError::invalid(SUBGROUP_SIZE, new, "field is immutable"));
        }
        (None, Some(new)) => errors.push(FieldError::invalid(
            SUBGROUP_SIZE,
            new,
            "cannot enable subGroupSize after the lws is already created",
        )),
        (Some(old), None) => {
            errors.push(FieldError::invalid(
                SUBGROUP_SIZE,
                old,
                "cannot remove subGroupSize after enabled",
            ));
        }
        _ => {}
    }
    errors
}

fn check_budget(budget: &RollingUpdateConfiguration, replicas: i32, errors: &mut Vec<FieldError>) {
    let (unavailable, surge) = (budget.max_unavailable.as_ref(), budget.max_surge.as_ref());
    let unset = IntOrString::Int(0);
    let (unavailable, surge) = (unavailable.unwrap_or(&unset), surge.unwrap_or(&unset));
    check_int_or_percent(MAX_UNAVAILABLE, unavailable, errors);
    check_int_or_percent(MAX_SURGE, surge, errors);
    if let Some(partition) = budget.partition.filter(|partition| *partition < 0) {
        errors.push(FieldError::invalid(
            PARTITION,
            partition,
            "must be greater than or equal to 0",
        ));
    }
    let unavailable_count = scaled(unavailable, replicas, Round::Down);
    let surge_count = scaled(surge, replicas, Round::Up);
    if unavailable_count.is_none() {
        errors.push(FieldError::invalid(MAX_UNAVAILABLE, unavailable, "invalid value"));
    }
    if surge_count.is_none() {
        errors.push(FieldError::invalid(MAX_SURGE, surge, "invalid value"));
    }
    // What cannot be scaled counts as 0 upstream as well.
    if unavailable_count.unwrap_or(0) == 0 && surge_count.unwrap_or(0) == 0 && replicas != 0 {
        errors.push(FieldError::invalid(
            MAX_UNAVAILABLE,
            unavailable,
            "must not be 0 when `maxSurge` is 0",
        ));
    }
}

fn check_int_or_percent(path: &str, value: &IntOrString, errors: &mut Vec<FieldError>) {
    let message = match value {
        IntOrString::Int(count) if *count < 0 => "must be greater than or equal to 0",
        IntOrString::Int(_) => return,
        IntOrString::String(text) => match percent(text) {
            None => {
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
                 regex used for validation is '[0-9]+%')"
            }
            Some(0..=100) => return,
            Some(_) => "must not be greater than 100%",
        },
    };
    errors.push(FieldError::invalid(path, value, message));
}

fn check_subgroups(policy: &SubGroupPolicy, size: i32, errors: &mut Vec<FieldError>) {
    let subgroup_size = policy.sub_group_size;
    let mut report =
        |message: &str| errors.push(FieldError::invalid(SUBGROUP_SIZE, subgroup_size, message));
    let divisor = subgroup_size.unwrap_or(0);
    if divisor < 1 {
        report("subGroupSize must be equal or greater than 1");
        if divisor == 0 {
            return; // Upstream panics at the division below, or already above where the field is absent.
        }
    }
    // 64 bits, as the least 32-bit number cannot be divided by -1 or made smaller.
    let (size, divisor) = (i64::from(size), i64::from(divisor));
    let is_leader_extra = (size - 1) % divisor == 0;
    if size % divisor != 0 && !is_leader_extra {
        report("size or size - 1 must be divisible by subGroupSize");
    }
    if size < divisor {
        report("subGroupSize cannot be larger than size");
    }
    if policy.type_.as_deref() == Some(LEADER_EXCLUDED) && !is_leader_extra {
        report("size-1 must be divisible by subGroupSize when using LeaderExcluded");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{defaults, merge};
    use crate::vectors;
    use serde_json::json;

    fn stored(manifest: &Value) -> LeaderWorkerSet {
        let mut lws = serde_json::from_value(manifest.clone()).unwrap();
        defaults::apply(&mut lws);
        lws
    }

    #[test]
    fn recorded_sets_are_refused_in_the_same_words() {
        // Recorded with Kubernetes 1.36.3 and LWS 060ab4d.
        let cases: Value =
            serde_json::from_str(include_str!("../../tests/vectors/golden-refusals.json")).unwrap();
        for case in cases.as_array().unwrap() {
            let refusal = refusal_of_create(&stored(&case["manifest"])).unwrap();
            let answer = json!([refusal.status, refusal.reason, refusal.message]);
            assert_eq!(answer, case["refused"], "{}", case["case"]);
        }
    }

    /// The set of upstream's tests with `changes` merged into it; keys are those of the vectors.
    fn changed(base: &Value, changes: &Value) -> Value {
        let mut manifest = base.clone();
        for (key, value) in changes.as_object().unwrap() {
            let budget = |field: &str| json!({"rolloutStrategy": {"rollingUpdateConfiguration": {field: value}}});
            let group = |field: &str| json!({"leaderWorkerTemplate": {field: value}});
            let spec = match key.as_str() {
                "name" => {
                    manifest["metadata"]["name"] = value.clone();
                    continue;
                }
                "size" | "restartPolicy" | "subGroupPolicy" => group(key),
                "subGroupSize" | "subGroupPolicyType" => {
                    json!({"leaderWorkerTemplate": {"subGroupPolicy": {key: value}}})
                }
                "partition" | "maxUnavailable" | "maxSurge" => budget(key),
                "rolloutStrategyType" => json!({"rolloutStrategy": {"type": value}}),
                "subdomainPolicy" => json!({"networkConfig": {key: value}}),
                "templates" => json!({"leaderWorkerTemplate": {
                    "leaderTemplate": base["spec"]["leaderWorkerTemplate"]["workerTemplate"],
                    "workerTemplate": base["spec"]["leaderWorkerTemplate"]["leaderTemplate"]}}),
                _ => json!({key: value}),
            };
            merge::merge(&mut manifest["spec"], &spec);
        }
        manifest
    }

    fn base() -> Value {
        json!({"metadata": {"name": "s"}, "spec": {
            "replicas": 2, "startupPolicy": "LeaderCreated", "networkConfig": {"subdomainPolicy": "Shared"},
            "rolloutStrategy": {"type": "RollingUpdate", "rollingUpdateConfiguration": {"partition": 0, "maxUnavailable": 1, "maxSurge": 0}},
            "leaderWorkerTemplate": {"size": 2, "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": {"spec": {"containers": [{"name": "leader", "image": "i"}]}},
                "workerTemplate": {"spec": {"containers": [{"name": "worker", "image": "i"}]}}}}})
    }

    #[test]
    fn upstreams_webhook_tests_are_answered_the_same() {
        vectors::each("lws-webhook.yaml", "validation", |case: Value| {
            let manifest = changed(&base(), &case["create"]);
            let created = stored(&manifest);
            let refusal = if case["update"].is_null() {
                refusal_of_create(&created)
            } else {
                assert_eq!(refusal_of_create(&created), None, "{case}");
                let update = changed(&serde_json::to_value(&created).unwrap(), &case["update"]);
                refusal_of_update(&stored(&update), &created)
            };
            assert_eq!(refusal.is_none(), case["ok"] == true, "{case}: {refusal:?}");
            let Some(refusal) = refusal else { return };
            assert_eq!(refusal.errors[0].path, case["path"], "{case}");
            assert_eq!(refusal.status, if case["by"] == "schema" { 422 } else { 403 }, "{case}");
            let message = case["message"].as_str().unwrap_or_default();
            if case["by"] == "webhook"
                && !message.contains("rule")
                && !message.starts_with("two errors")
            {
                assert!(refusal.message.ends_with(message), "{case}: {}", refusal.message);
            }
        });
    }

    /// What is said of a number or percentage.
    fn said(value: &Value) -> Option<String> {
        let mut errors = Vec::new();
        check_int_or_percent("x", &serde_json::from_value(value.clone()).unwrap(), &mut errors);
        errors.pop().map(|error| error.message)
    }

    #[test]
    fn numbers_and_percentages_are_judged_as_upstream_does() {
        vectors::each("lws-webhook.yaml", "percent_value", |row: Value| {
            let number = row["value"].as_str().and_then(percent);
            assert_eq!(json!([number.unwrap_or(0), number.is_some()]), row["want"], "{row}");
        });
        let check = |row: Value| {
            assert_eq!(said(&row["value"]).as_deref(), row["want"].as_str(), "{row}");
        };
        vectors::each("lws-webhook.yaml", "non_negative", check);
        vectors::each("lws-webhook.yaml", "at_most_100_percent", check);
    }

    #[test]
    fn upstreams_defaulting_tests_are_answered_the_same() {
        vectors::each("lws-webhook.yaml", "defaulting", |case: Value| {
            let mut manifest = base();
            for (key, value) in case["given"].as_object().unwrap() {
                if key == "rolloutStrategy" {
                    manifest["spec"]["rolloutStrategy"] = json!({});
                    manifest = changed(&manifest, &budget_fields(value));
                } else {
                    manifest = changed(&manifest, &json!({key: value}));
                }
            }
            let lws = serde_json::to_value(stored(&manifest)).unwrap();
            let mut wanted = lws.clone();
            for (key, value) in case["want"].as_object().unwrap() {
                let fields = if key == "rolloutStrategy" {
                    budget_fields(value)
                } else {
                    json!({key: value})
                };
                wanted = changed(&wanted, &fields);
            }
            assert_eq!(lws, wanted, "{case}");
        });
    }

    /// The vectors write the budget of a rollout beside its type.
    fn budget_fields(rollout: &Value) -> Value {
        let name = |key: &String| {
            if key == "type" { "rolloutStrategyType".to_owned() } else { key.clone() }
        };
        rollout.as_object().unwrap().iter().map(|(key, value)| (name(key), value.clone())).collect()
    }

    #[test]
    fn a_subgroup_size_that_upstream_panics_at_is_invalid() {
        for (size, shown) in [(Value::Null, "null"), (json!(0), "0")] {
            let manifest = changed(
                &base(),
                &json!({"subGroupPolicy": {"subGroupSize": size, "subGroupPolicyType": "LeaderWorker"}}),
            );
            let refusal = refusal_of_create(&stored(&manifest)).unwrap();
            let text = format!(
                "admission webhook \"vleaderworkerset.kb.io\" denied the request: {SUBGROUP_SIZE}: Invalid value: {shown}: subGroupSize must be equal or greater than 1"
            );
            assert_eq!(refusal.message, text);
        }
    }

    #[test]
    fn extreme_numbers_are_refused_without_overflow() {
        for changes in [
            json!({"size": i32::MIN, "subGroupSize": -1}),
            json!({"size": i32::MIN, "subGroupSize": i32::MIN}),
            json!({"size": i32::MAX, "replicas": 1_000_000}),
            json!({"maxSurge": "99999999999999999999%", "maxUnavailable": i32::MIN}),
        ] {
            assert_eq!(
                refusal_of_create(&stored(&changed(&base(), &changes))).unwrap().status,
                403,
                "{changes}"
            );
        }
    }

    #[test]
    fn equal_errors_are_told_once() {
        let error = FieldError::invalid("a", 1, "b");
        assert_eq!(aggregate(&[error.clone(), error.clone()]), "a: Invalid value: 1: b");
        assert_eq!(
            aggregate(&[error.clone(), FieldError::required("c", ""), error]),
            "[a: Invalid value: 1: b, c: Required value]"
        );
        assert_eq!(aggregate(&[]), "");
    }

    #[test]
    fn missing_required_fields_are_named() {
        let lws = json!({"spec": {"leaderWorkerTemplate": {"workerTemplate": {"spec": {"volumes": [{"emptyDir": {}}]}}}}});
        assert_eq!(
            aggregate(&missing_fields(&lws)),
            "[spec.leaderWorkerTemplate.workerTemplate.spec.containers: Required value, \
             spec.leaderWorkerTemplate.workerTemplate.spec.volumes[0].name: Required value]"
        );
        assert_eq!(
            aggregate(&missing_fields(&json!({"spec": {}}))),
            "spec.leaderWorkerTemplate: Required value"
        );
        assert_eq!(missing_fields(&base()), []);
    }
}
