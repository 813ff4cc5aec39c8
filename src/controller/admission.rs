//! What the pod webhook does to a pod that is being created: labels, exclusive placement, environment.
//!
//! Follows upstream `pkg/webhooks/pod_webhook.go` (commit 060ab4d). [`admit`] is cheap and enough to place and run a
//! simulated pod; [`env()`] and [`apply_to_pod`] build what containers see, on demand. Which node a pod gets is the
//! business of `scheduler`.
//!
//! # Differs from the real thing
//! A subgroup size of 0 makes upstream's webhook panic; here the pod is denied with the text of that panic.

mod env;
mod pod;
mod tpu;

pub use env::{PodEnv, env};
pub use pod::apply_to_pod;
pub use tpu::requests_tpus;

use super::fixes::{Fix, Fixes};
use crate::api::defaults::{LEADER_EXCLUDED, UNIQUE_PER_REPLICA};
use crate::api::{hash, keys, names};
use k8s_openapi::api::core::v1::{PodAffinityTerm, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use smallvec::SmallVec;
use std::fmt;

/// Annotation with the name of the PodGroup a pod belongs to, in gang mode.
pub const GROUP_NAME: &str = "scheduling.k8s.io/group-name";

/// Looks up a label or annotation by its key.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// A pod as its creator sent it: what admission reads of it.
#[derive(Clone, Copy)]
pub struct PodIdentity<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Object name.
    pub name: &'a str,
    /// `spec.subdomain`, which is the Service name of the StatefulSet; `""` where absent.
    pub subdomain: &'a str,
    /// Labels, those of the StatefulSet controller included.
    pub labels: Lookup<'a>,
    /// Annotations.
    pub annotations: Lookup<'a>,
    /// The pod's spec: containers for TPUs and environment, affinity for terms that are there already.
    pub spec: &'a PodSpec,
    /// Whether a gang scheduler is configured, so that pods name their PodGroup.
    pub is_gang: bool,
    /// Upstream bugs that are repaired; only B4 concerns admission.
    pub fixes: Fixes,
}

/// What admission adds to a pod; nothing for a pod that belongs to no set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// Labels to set; they replace labels of the same key.
    pub labels: SmallVec<[(&'static str, String); 5]>,
    /// Value of [`GROUP_NAME`], in gang mode.
    pub group_name: Option<String>,
    /// New `spec.subdomain`, where it changes.
    pub subdomain: Option<String>,
    /// Exclusive placement to add, in order.
    pub exclusive: SmallVec<[ExclusiveTerm; 2]>,
}

/// A required affinity to pods of the same group or subgroup, and anti-affinity to those of all others, over one
/// topology. Only pods of the same namespace count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExclusiveTerm {
    /// Label that tells groups or subgroups apart.
    pub label_key: &'static str,
    /// The pod's own value of that label.
    pub value: String,
    /// Node label whose values are the domains.
    pub topology_key: String,
    /// The set whose groups alone the anti-affinity is about (fix B4); upstream's is about all sets of the namespace.
    pub set_name: Option<String>,
}

/// Why a pod was not admitted; the creation fails and is retried by the StatefulSet controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial(pub String);

impl fmt::Display for Denial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "admission webhook \"mpod.kb.io\" denied the request: {}", self.0)
    }
}

impl Admitted {
    /// Returns the value of a label that admission sets.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str())
    }
}

impl<'a> PodIdentity<'a> {
    /// Returns the value of a label once `admitted` is applied.
    fn label_after<'b>(&self, admitted: &'b Admitted, key: &str) -> Option<&'b str>
    where
        'a: 'b,
    {
        admitted.label(key).or_else(|| (self.labels)(key))
    }

    fn subdomain_after<'b>(&self, admitted: &'b Admitted) -> &'b str
    where
        'a: 'b,
    {
        admitted.subdomain.as_deref().unwrap_or(self.subdomain)
    }

    /// Returns the subgroup size if a subgroup index is still to be given.
    fn open_subgroup_size(&self) -> Option<&'a str> {
        let has_index = (self.labels)(keys::SUBGROUP_INDEX).is_some_and(|index| !index.is_empty());
        if has_index { None } else { (self.annotations)(keys::SUBGROUP_SIZE) }
    }
}

/// Returns what admission adds to `pod`, or why it is denied.
pub fn admit(pod: &PodIdentity<'_>) -> Result<Admitted, Denial> {
    let mut admitted = Admitted::default();
    let Some(set_name) = (pod.labels)(keys::NAME) else { return Ok(admitted) };
    let Some(size) = (pod.annotations)(keys::SIZE) else {
        return Err(Denial(format!(
            "size annotation is unexpectedly missing for pod {}",
            pod.name
        )));
    };
    let size = atoi(size)?;
    if (pod.labels)(keys::WORKER_INDEX) == Some("0") {
        admit_leader(pod, &mut admitted)?;
    } else {
        admit_worker(pod, size, &mut admitted)?;
    }
    let group_index = pod.label_after(&admitted, keys::GROUP_INDEX);
    if pod.is_gang {
        let revision = (pod.labels)(keys::REVISION).unwrap_or_default();
        admitted.group_name =
            Some(format!("{set_name}-{}-{revision}", group_index.unwrap_or_default()));
    }
    // Both only to find out whether the pod is denied; `env` builds the variables.
    tpu::place(&tpu::Facts::of(pod, &admitted))?;
    env::lws_variables(pod, &admitted).map(|_| ())?;
    Ok(admitted)
}

fn admit_leader(pod: &PodIdentity<'_>, admitted: &mut Admitted) -> Result<(), Denial> {
    if (pod.labels)(keys::GROUP_INDEX).is_none() {
        admitted.labels.push((keys::GROUP_INDEX, ordinal(pod.name)?.to_string()));
    }
    if (pod.annotations)(keys::SUBDOMAIN_POLICY) == Some(UNIQUE_PER_REPLICA) {
        admitted.subdomain = Some(pod.name.to_owned());
    }
    let group_key = if let Some(group_key) = (pod.labels)(keys::GROUP_KEY) {
        group_key.to_owned()
    } else {
        let group_key = hash::group_key(pod.namespace, pod.name);
        admitted.labels.push((keys::GROUP_KEY, group_key.clone()));
        group_key
    };
    if let Some(topology_key) = (pod.annotations)(keys::EXCLUSIVE_TOPOLOGY) {
        add_exclusive(pod, admitted, keys::GROUP_KEY, group_key, topology_key);
    }
    let is_excluded = (pod.annotations)(keys::SUBGROUP_POLICY_TYPE) == Some(LEADER_EXCLUDED);
    if pod.open_subgroup_size().is_some() && !is_excluded {
        add_subgroup(pod, admitted, pod.name, "0".to_owned());
    }
    Ok(())
}

fn admit_worker(pod: &PodIdentity<'_>, size: i64, admitted: &mut Admitted) -> Result<(), Denial> {
    let worker = ordinal(pod.name)?;
    admitted.labels.push((keys::WORKER_INDEX, worker.to_string()));
    if let Some(subgroup_size) = pod.open_subgroup_size() {
        let subgroup_size = atoi(subgroup_size)?;
        if subgroup_size == 0 {
            return Err(division_by_zero());
        }
        let index = names::subgroup_index(size, subgroup_size, worker.into());
        let leader = (pod.annotations)(keys::LEADER_NAME).unwrap_or_default();
        add_subgroup(pod, admitted, leader, index.to_string());
    }
    Ok(())
}

fn add_subgroup(pod: &PodIdentity<'_>, admitted: &mut Admitted, leader: &str, index: String) {
    let subgroup_key = hash::subgroup_key(leader, &index);
    admitted.labels.push((keys::SUBGROUP_INDEX, index));
    admitted.labels.push((keys::SUBGROUP_KEY, subgroup_key.clone()));
    if let Some(topology_key) = (pod.annotations)(keys::SUBGROUP_EXCLUSIVE_TOPOLOGY) {
        add_exclusive(pod, admitted, keys::SUBGROUP_KEY, subgroup_key, topology_key);
    }
}

/// Adds an exclusive term, unless the pod has terms over the same topology already, be they the user's or the group's.
fn add_exclusive(
    pod: &PodIdentity<'_>,
    admitted: &mut Admitted,
    label_key: &'static str,
    value: String,
    topology_key: &str,
) {
    let set_name =
        pod.fixes.has(Fix::B4).then(|| (pod.labels)(keys::NAME)).flatten().map(str::to_owned);
    let is_added = admitted.exclusive.iter().any(|term| term.topology_key == topology_key);
    if !is_added && !has_exclusive_terms(pod.spec, topology_key) {
        admitted.exclusive.push(ExclusiveTerm {
            label_key,
            value,
            topology_key: topology_key.to_owned(),
            set_name,
        });
    }
}

/// Whether required affinity and required anti-affinity both have a term over the topology.
fn has_exclusive_terms(spec: &PodSpec, topology_key: &str) -> bool {
    let has = |terms: Option<&Vec<PodAffinityTerm>>| {
        terms.into_iter().flatten().any(|term| term.topology_key == topology_key)
    };
    let Some(affinity) = &spec.affinity else { return false };
    let near = affinity.pod_affinity.as_ref();
    let far = affinity.pod_anti_affinity.as_ref();
    has(near.and_then(|near| near.required_during_scheduling_ignored_during_execution.as_ref()))
        && has(far.and_then(|far| far.required_during_scheduling_ignored_during_execution.as_ref()))
}

impl ExclusiveTerm {
    /// Returns the required affinity: pods with the same label value.
    pub fn affinity(&self) -> PodAffinityTerm {
        self.term(vec![self.requirement("In", true)])
    }

    /// Returns the required anti-affinity: pods with the label and another value.
    pub fn anti_affinity(&self) -> PodAffinityTerm {
        let mut requirements =
            vec![self.requirement("Exists", false), self.requirement("NotIn", true)];
        requirements.extend(self.set_name.as_ref().map(|name| LabelSelectorRequirement {
            key: keys::NAME.to_owned(),
            operator: "In".to_owned(),
            values: Some(vec![name.clone()]),
        }));
        self.term(requirements)
    }

    fn term(&self, requirements: Vec<LabelSelectorRequirement>) -> PodAffinityTerm {
        PodAffinityTerm {
            label_selector: Some(LabelSelector {
                match_expressions: Some(requirements),
                match_labels: None,
            }),
            topology_key: self.topology_key.clone(),
            ..PodAffinityTerm::default()
        }
    }

    fn requirement(&self, operator: &str, has_value: bool) -> LabelSelectorRequirement {
        LabelSelectorRequirement {
            key: self.label_key.to_owned(),
            operator: operator.to_owned(),
            values: has_value.then(|| vec![self.value.clone()]),
        }
    }
}

fn ordinal(pod_name: &str) -> Result<i32, Denial> {
    match names::parent_and_ordinal(pod_name).1 {
        -1 => Err(Denial(format!("parsing pod ordinal for pod {pod_name}"))),
        ordinal => Ok(ordinal),
    }
}

/// Parses an integer as Go's `strconv.Atoi` does, with its errors.
fn atoi(text: &str) -> Result<i64, Denial> {
    text.parse().map_err(|error: std::num::ParseIntError| {
        let problem = match error.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
                "value out of range"
            }
            _ => "invalid syntax",
        };
        Denial(format!("strconv.Atoi: parsing {text:?}: {problem}"))
    })
}

fn division_by_zero() -> Denial {
    Denial("panic: runtime error: integer divide by zero [recovered]".to_owned())
}
