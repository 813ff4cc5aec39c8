//! Label, annotation and environment keys of LeaderWorkerSet (upstream `api/leaderworkerset/v1`, commit 060ab4d).

/// API group and version of LeaderWorkerSet.
pub const API_VERSION: &str = "leaderworkerset.x-k8s.io/v1";
/// Kind of LeaderWorkerSet.
pub const KIND: &str = "LeaderWorkerSet";
/// Field manager of the controller's server-side apply.
pub const FIELD_MANAGER: &str = "lws";

/// Label: name of the set an object belongs to.
pub const NAME: &str = "leaderworkerset.sigs.k8s.io/name";
/// Label: index of the pod in its group, `"0"` for the leader.
pub const WORKER_INDEX: &str = "leaderworkerset.sigs.k8s.io/worker-index";
/// Label: index of the group.
pub const GROUP_INDEX: &str = "leaderworkerset.sigs.k8s.io/group-index";
/// Label: SHA-1 of namespace and leader pod name.
pub const GROUP_KEY: &str = "leaderworkerset.sigs.k8s.io/group-key";
/// Label: key of the revision in force.
pub const REVISION: &str = "leaderworkerset.sigs.k8s.io/template-revision-hash";
/// Label: index of the subgroup.
pub const SUBGROUP_INDEX: &str = "leaderworkerset.sigs.k8s.io/subgroup-index";
/// Label: SHA-1 of leader pod name and subgroup index.
pub const SUBGROUP_KEY: &str = "leaderworkerset.sigs.k8s.io/subgroup-key";

/// Annotation: node label whose domains are each given to one group only.
pub const EXCLUSIVE_TOPOLOGY: &str = "leaderworkerset.sigs.k8s.io/exclusive-topology";
/// Annotation: node label whose domains are each given to one subgroup only.
pub const SUBGROUP_EXCLUSIVE_TOPOLOGY: &str =
    "leaderworkerset.sigs.k8s.io/subgroup-exclusive-topology";
/// Annotation: number of pods in the group.
pub const SIZE: &str = "leaderworkerset.sigs.k8s.io/size";
/// Annotation of the leader StatefulSet: `spec.replicas` at the last apply, without surge.
pub const REPLICAS: &str = "leaderworkerset.sigs.k8s.io/replicas";
/// Annotation of workers: name of the leader pod.
pub const LEADER_NAME: &str = "leaderworkerset.sigs.k8s.io/leader-name";
/// Annotation: pods in a subgroup.
pub const SUBGROUP_SIZE: &str = "leaderworkerset.sigs.k8s.io/subgroup-size";
/// Annotation: how subgroups are formed.
pub const SUBGROUP_POLICY_TYPE: &str = "leaderworkerset.sigs.k8s.io/subgroup-policy-type";
/// Annotation: `UniquePerReplica` where each group has a Service of its own.
pub const SUBDOMAIN_POLICY: &str = "leaderworkerset.sigs.k8s.io/subdomainPolicy";
/// Annotation of workers: `"true"` if the leader asks for TPUs.
pub const LEADER_REQUESTS_TPUS: &str = "leaderworkerset.sigs.k8s.io/leader-requests-tpus";
/// Annotation of a set: recreate a group only once all of its pods have started.
pub const RECREATE_AFTER_START: &str =
    "leaderworkerset.sigs.k8s.io/experimental-recreate-group-after-start";

/// Annotation of the leader StatefulSet under fix B8, `<revision key>/<groups>`: how many surge groups the rollout to this
/// revision keeps, as there was no room for more. Upstream has no such annotation.
pub const SURGE_KEPT: &str = "leaderworkerset.sigs.k8s.io/surge-kept";
/// Label that a later version of the controller adds to the template of leaders; stands for what upstream #1002 added.
pub const LATER_VERSION: &str = "leaderworkerset.sigs.k8s.io/later-version";

/// Environment: DNS name of the leader.
pub const ENV_LEADER_ADDRESS: &str = "LWS_LEADER_ADDRESS";
/// Environment: pods in the group.
pub const ENV_GROUP_SIZE: &str = "LWS_GROUP_SIZE";
/// Environment: index of the pod in its group.
pub const ENV_WORKER_INDEX: &str = "LWS_WORKER_INDEX";
/// Resource name of Cloud TPU chips.
pub const TPU_RESOURCE: &str = "google.com/tpu";
