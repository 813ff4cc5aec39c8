//! What a simulated run is made of: plain data that `scenario` lowers to and `world` starts from.
//!
//! Nothing here knows YAML. All times are virtual; all rates are bytes per second; sizes are bytes.

use crate::api::lws::LeaderWorkerSet;
use crate::controller::Fixes;
use crate::engine::{Distribution, Span};
use crate::scheduler;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Node, Pod, PodSpec, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use std::sync::Arc;

/// Everything that a run needs but its seed.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Version and gates.
    pub kubernetes: Kubernetes,
    /// Nodes, in the order in which they joined.
    pub nodes: Vec<Arc<Node>>,
    /// What is applied at time zero, in order.
    pub workloads: Vec<Workload>,
    /// What happens later, in the scenario's order.
    pub timeline: Vec<Entry>,
    /// Priority classes beside the system's own.
    pub priority_classes: Vec<PriorityClass>,
    /// Profiles of the scheduler, the first for pods whose scheduler is not known; the default one where empty.
    pub scheduler: Vec<scheduler::Profile>,
    /// PodDisruptionBudgets.
    pub budgets: Vec<Arc<PodDisruptionBudget>>,
    /// Upstream bugs that are repaired.
    pub fixes: Fixes,
    /// Delays and limits.
    pub params: Params,
    /// End of the run at the latest.
    pub horizon: Span,
    /// Engine events at the most; reaching it ends the run with an error.
    pub events_max: u64,
}

impl Setup {
    /// Resolves a pod's priority class, as the admission plugin `Priority` does (kube-apiserver 1.36).
    pub fn priority_of(&self, spec: &mut PodSpec) {
        let known = |name: &str| self.priority_classes.iter().find(|class| class.name == name);
        let class = match spec.priority_class_name.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => {
                let system = SYSTEM_CLASSES.iter().find(|class| class.0 == name);
                spec.priority = system.map(|class| class.1).or(spec.priority);
                known(name)
            }
            None => self.priority_classes.iter().find(|class| class.is_global_default),
        };
        if let Some(class) = class {
            spec.priority = Some(class.value);
            if class.never_preempts {
                spec.preemption_policy = Some("Never".to_owned());
            }
        }
    }
}

/// Classes that every cluster has (`scheduling.SystemPriorityClasses`).
pub const SYSTEM_CLASSES: [(&str, i32); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// A priority class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorityClass {
    /// Name.
    pub name: String,
    /// Value.
    pub value: i32,
    /// Whether it is for pods that name none.
    pub is_global_default: bool,
    /// Whether `preemptionPolicy` is Never.
    pub never_preempts: bool,
}

/// Version of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// Minor version, 33 to 37.
    pub minor: u32,
    /// Patch version.
    pub patch: u32,
    /// Gate `MaxUnavailableStatefulSet`: by default on in 1.35.0–1.35.3 and 1.37.
    pub max_unavailable_stateful_set: bool,
}

/// A manifest's object and how its pods start.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The object, defaulted and valid.
    pub object: Object,
    /// How its pods start and end.
    pub profile: Arc<Profile>,
}

/// An object that the simulator can apply.
#[derive(Clone, Debug)]
pub enum Object {
    /// A LeaderWorkerSet.
    LeaderWorkerSet(Arc<LeaderWorkerSet>),
    /// A StatefulSet of the user's.
    StatefulSet(Arc<StatefulSet>),
    /// A pod of the user's; one with a node name is there from the start.
    Pod(Arc<Pod>),
    /// A Service of the user's: counts for default spreading.
    Service(Arc<Service>),
}

/// How pods of a workload start and end.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Name, for output.
    pub name: Arc<str>,
    /// Stages in topological order; the pod is ready when all are done and its readiness probe has seen it.
    pub stages: Vec<Stage>,
    /// Seconds from SIGTERM to exit; cut at the grace period.
    pub stop: Distribution,
    /// Seconds after which a container that has met its group exits when another member of the group is lost, as engines
    /// do whose collectives time out. `None`: it goes on and its group never meets again, a silent death of the engine.
    pub peer_loss: Option<Distribution>,
}

/// One stage of a pod's start.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Name, unique within the profile.
    pub name: Arc<str>,
    /// Indices of the stages that must be done first, all smaller than its own.
    pub after: Vec<usize>,
    /// What it is, for phases and pictures.
    pub kind: StageKind,
    /// Which pods of a group run it.
    pub by: Members,
    /// Whether it begins only when all pods of the group that run it have reached it, and then takes the same time for all.
    pub waits_for_group: bool,
    /// How long a pod waits for its group at this stage before its container exits; for ever where `None`.
    pub group_timeout: Option<Span>,
    /// What it takes.
    pub work: Work,
    /// Where its result is kept, and what it takes then.
    pub cache: Option<StageCache>,
}

/// What a stage is, for phases and pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageKind {
    /// Fetching the image.
    Pull,
    /// Anything between image and readiness.
    Load,
}

/// Which pods of a group run a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    /// All.
    All,
    /// The leader.
    Leader,
    /// The workers.
    Workers,
}

/// What a stage takes.
#[derive(Clone, Debug)]
pub enum Work {
    /// A time in seconds.
    Delay(Distribution),
    /// Bytes over shared links.
    Transfer {
        /// Bytes for each pod.
        bytes: u64,
        /// Links that it crosses beside the node's NIC.
        from: Source,
        /// Bytes per second that one transfer reaches alone on idle links.
        rate: Distribution,
    },
}

/// Where bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The image registry.
    Registry,
    /// An object store or model hub.
    ObjectStore,
    /// A shared file system.
    Nfs,
    /// The node's own disk; crosses no NIC.
    NodeDisk,
}

/// Where the result of a stage is kept, and what the stage takes when it is there.
#[derive(Clone, Debug)]
pub struct StageCache {
    /// What is kept: stages with equal keys share it. `None` means the image of the pod's first container.
    pub key: Option<Arc<str>>,
    /// What the stage takes on a hit.
    pub hit: Work,
    /// Lost when the node restarts (page cache); else kept on disk.
    pub is_volatile: bool,
}

/// Something that happens in a run.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When.
    pub when: When,
    /// Waits this long after `when` holds.
    pub delay: Span,
    /// What.
    pub action: Action,
    /// The entry in the scenario's words, for records.
    pub text: String,
}

/// When an entry happens. Entries with other forms than `At` happen one after another, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// At a time since the start.
    At(Span),
    /// After the entry before it has happened.
    AfterPrevious,
    /// When nothing is left that can change the state.
    Settled,
    /// When this many groups of a set are ready (all that are wanted, if `None`).
    Ready {
        /// Name of the set, `namespace/name`.
        set: Arc<str>,
        /// Groups.
        groups: Option<u32>,
    },
    /// When this many groups are on the newest revision and ready (all that are wanted, if `None`).
    Updated {
        /// Name of the set, `namespace/name`.
        set: Arc<str>,
        /// Groups.
        groups: Option<u32>,
    },
    /// When a condition of the set is True.
    Condition {
        /// Name of the set, `namespace/name`.
        set: Arc<str>,
        /// `Available`, `Progressing` or `UpdateInProgress`.
        condition: Arc<str>,
    },
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Action {
    /// Applies objects.
    Apply(Vec<Workload>),
    /// Writes a changed set: merge patch, image or scale, computed by `scenario` from the set as it then is.
    Patch {
        /// `Kind/namespace/name`.
        target: Target,
        /// JSON merge patch (RFC 7386) on the object.
        merge: serde_json::Value,
    },
    /// Sets the image of containers, as `kubectl set image` does.
    SetImage {
        /// The set.
        target: Target,
        /// Container name; all containers where `None`.
        container: Option<String>,
        /// Image.
        image: String,
    },
    /// Writes `spec.replicas` through the scale subresource.
    Scale {
        /// The set.
        target: Target,
        /// Replicas.
        replicas: i32,
    },
    /// Deletes an object.
    Delete {
        /// The object.
        target: Target,
        /// How its dependents go.
        propagation: Propagation,
    },
    /// Marks nodes unschedulable.
    Cordon(NodeChoice),
    /// Makes nodes schedulable again.
    Uncordon(NodeChoice),
    /// Cordons nodes and evicts their pods.
    Drain(NodeChoice),
    /// Ends a container; the kubelet starts it anew.
    KillContainer(PodChoice),
    /// Deletes a pod, as `kubectl delete pod` does.
    KillPod(PodChoice),
    /// Stops nodes, for a time if given.
    NodeDown {
        /// Which.
        nodes: NodeChoice,
        /// How long; for ever where `None`.
        lasts: Option<Span>,
    },
    /// Starts nodes that are down.
    NodeUp(NodeChoice),
    /// Removes Node objects.
    NodeRemove(NodeChoice),
    /// Taints nodes `node.kubernetes.io/out-of-service`.
    OutOfService(NodeChoice),
    /// Replaces the LWS controller by a later version, whose leaders have one more label in their template.
    UpgradeLws,
}

/// An object of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Kind.
    pub kind: &'static str,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

/// How dependents of a deleted object go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// After it.
    #[default]
    Background,
    /// Before it.
    Foreground,
    /// Not at all.
    Orphan,
}

/// Which nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeChoice {
    /// By name.
    Named(Vec<Arc<str>>),
    /// This many of those that are up, drawn from the run's stream.
    Random(u32),
    /// All with a label value: a domain.
    Domain {
        /// Label key.
        key: Arc<str>,
        /// Label value; drawn where `None`.
        value: Option<Arc<str>>,
    },
    /// The node of a pod.
    Of(PodChoice),
}

/// Which pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodChoice {
    /// By namespace and name.
    Named(Arc<str>),
    /// Any pod of a set, drawn from the run's stream.
    RandomOf(Arc<str>),
}

/// Delays and limits of the control plane and the nodes. Defaults are the real components'; each says its source.
#[derive(Clone, Debug)]
pub struct Params {
    /// Seconds from a write to its effect in the store.
    pub api_write: Distribution,
    /// Seconds from a write to its arrival in a cache, for each watcher.
    pub watch_delay: Distribution,
    /// Writes per second and burst that the API server with its etcd takes, of all clients together.
    pub api_server: ClientLimit,
    /// Writes that the creation of a pod is worth beside its own: it calls the webhooks of LWS.
    pub admission_writes: u32,
    /// Requests per second and burst of the LWS manager (500/500, spec/lws-api.md §10).
    pub lws_client: ClientLimit,
    /// Requests per second and burst of each kube-controller-manager controller (20/30, scheduling.md B5).
    pub controller_client: ClientLimit,
    /// Requests per second and burst of kube-scheduler (50/100, scheduling.md A1).
    pub scheduler_client: ClientLimit,
    /// Parallel syncs of the StatefulSet controller (5).
    pub statefulset_workers: u32,
    /// Parallel syncs of the garbage collector (20).
    pub gc_workers: u32,
    /// Seconds that one pass of the LWS or pod controller computes.
    pub reconcile: Distribution,
    /// Seconds that one StatefulSet sync computes.
    pub statefulset_sync: Distribution,
    /// Seconds of a scheduling cycle: fixed part.
    pub schedule_base: Span,
    /// Seconds of a scheduling cycle for each node that was filtered.
    pub schedule_per_node: Span,
    /// Initial and largest back-off of an unschedulable pod (1 s, 10 s).
    pub schedule_backoff: (Span, Span),
    /// Seconds of the binding call.
    pub bind: Distribution,
    /// Seconds from bind to the kubelet's start of the sandbox, sandbox and CNI included.
    pub sandbox: Distribution,
    /// Period of readiness probes where the pod states none but has a probe (10 s).
    pub probe_period: Span,
    /// Whether nodes pull one image at a time (kubelet `serializeImagePulls`, true).
    pub serialize_image_pulls: bool,
    /// Bytes per second of the registry.
    pub registry_bytes_per_s: u64,
    /// Bytes per second of the object store.
    pub object_store_bytes_per_s: u64,
    /// Bytes per second of the shared file system.
    pub nfs_bytes_per_s: u64,
    /// Bytes per second of a node's storage NIC.
    pub nic_bytes_per_s: u64,
    /// Bytes per second of a node's disk.
    pub disk_bytes_per_s: u64,
    /// `--node-monitor-grace-period` (50 s; 40 s before 1.32).
    pub node_monitor_grace: Span,
    /// `--node-monitor-period` (5 s).
    pub node_monitor_period: Span,
    /// `tolerationSeconds` that admission gives for not-ready and unreachable (300 s).
    pub eviction_toleration: Span,
    /// First container restart delay and its cap (10 s, 300 s).
    pub restart_backoff: (Span, Span),
    /// Whether claims get volumes; without a storage class or volumes that fit they never do, and their pods get no node.
    pub binds_claims: bool,
    /// How long the garbage collector takes to see and act on one object.
    pub gc_delay: Distribution,
    /// Who gets freed capacity.
    pub contest: RaceParams,
    /// What the kubelets take beside sandbox and back-off.
    pub kubelet: KubeletParams,
    /// What the node life-cycle controllers take beside the monitor's times.
    pub node_life: NodeLifeParams,
    /// Who is slow and who is first.
    pub races: Races,
    /// What is wished of every order, and how far to look.
    pub explore: Explore,
}

/// What is wished of every order of events, and how far exploration goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Explore {
    /// What must hold always or never.
    pub wishes: Vec<Wish>,
    /// How far after the first due event another may lie to come before it.
    pub window: Span,
    /// How late a watch event may come.
    pub late: Span,
    /// How long the LWS manager is away after a crash.
    pub restart: Span,
    /// Steps before this time are as usual.
    pub from: Span,
}

impl Default for Explore {
    fn default() -> Self {
        Self {
            wishes: Vec::new(),
            // Some latencies of the control plane: an assumption.
            window: Span::from_millis(20),
            // A watch that broke and was opened again after client-go's first back-off of 800 ms (reflector, v0.36).
            late: Span::from_millis(800),
            // Start of a process and its caches: an assumption. A lease that was not given up would take 15 s more.
            restart: Span::from_secs(2),
            from: Span::ZERO,
        }
    }
}

/// Something that must hold always, or never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Once this many groups of a set are ready, never fewer are.
    GroupsReady {
        /// The set, `namespace/name`.
        set: Arc<str>,
        /// Groups.
        at_least: u32,
    },
    /// There are never more groups of a set than this.
    GroupsAtMost {
        /// The set, `namespace/name`.
        set: Arc<str>,
        /// Groups.
        at_most: u32,
    },
    /// The pods of one group that are not being deleted are of one revision.
    OneRevision {
        /// The set, `namespace/name`.
        set: Arc<str>,
    },
    /// The run does not end stuck.
    NotStuck,
}

/// Who is slow and who is first among the components that act on what they have seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Races {
    /// Seconds from a write to its arrival in a component's caches, where they differ from `watch_delay`.
    pub cache_lag: Vec<(Actor, Distribution)>,
    /// Who acts first of those that act at the same instant; the others follow in the order of scheduling.
    pub first: Vec<Actor>,
}

/// A component that watches the API server and acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// The LWS manager.
    Lws,
    /// The StatefulSet controller.
    StatefulSets,
    /// The garbage collector.
    GarbageCollector,
    /// The scheduler.
    Scheduler,
    /// The kubelets.
    Kubelets,
}

/// Who gets freed capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RaceParams {
    /// Who gets capacity that several pods want at nearly the same time.
    pub freed_capacity: FreedCapacity,
    /// How far apart they may come and still contend, where timing does not decide.
    pub window: Span,
}

/// Who gets capacity that several pods want at nearly the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FreedCapacity {
    /// Whoever the scheduler happens to look at first.
    #[default]
    ByTiming,
    /// The group with the highest index: in a rollout the waiting surge group.
    HighestIndex,
    /// The group with the lowest index: in a rollout the one that was just deleted.
    LowestIndex,
}

impl Default for RaceParams {
    fn default() -> Self {
        // Longer than a replacement takes to be created, shorter than any start-up: an assumption.
        Self { freed_capacity: FreedCapacity::ByTiming, window: Span::from_secs(1) }
    }
}

/// Delays of the kubelet that scenarios seldom touch.
#[derive(Clone, Debug, PartialEq)]
pub struct KubeletParams {
    /// Whether kubelets do nothing by themselves: pods change only as somebody says, as in recorded clusters without nodes.
    pub is_by_hand: bool,
    /// Period at which it lists containers, and so sees that one has exited.
    pub relist: Span,
    /// Seconds from the last container's exit to the confirmation of the deletion.
    pub cleanup: Distribution,
    /// Whether pods that were on a node when it went down fail when it is back, since their devices are not registered
    /// in time (reason `UnexpectedAdmissionError`); else their containers start anew.
    pub has_failing_readmission: bool,
}

impl Default for KubeletParams {
    fn default() -> Self {
        Self {
            is_by_hand: false,
            // kubelet 1.36 `genericPlegRelistPeriod`.
            relist: Span::from_secs(1),
            // One to two seconds after the containers (research on kubelet timings): unmounts, cgroups, one status sync.
            cleanup: Distribution::Uniform { min: 1.0, max: 2.0 },
            // An assumption: clusters with a device plugin show both.
            has_failing_readmission: false,
        }
    }
}

/// Limits of the controllers that watch nodes; the flags and constants of kube-controller-manager 1.36.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeLifeParams {
    /// Renewal period of a node's Lease: a quarter of the kubelet's `nodeLeaseDurationSeconds`, 40.
    pub lease_renewal: Span,
    /// `--node-eviction-rate`: nodes tainted `NoExecute` per second in a zone.
    pub eviction_rate: f64,
    /// `--secondary-node-eviction-rate`: the same in a large zone that is partly down.
    pub secondary_eviction_rate: f64,
    /// `--large-cluster-size-threshold`: a zone of more nodes is large; in others a partial disruption stops eviction.
    pub large_zone_nodes: u32,
    /// `--unhealthy-zone-threshold`: share of nodes not ready from which a zone is partly down.
    pub unhealthy_zone_share: f64,
    /// Period of the pod garbage collector.
    pub pod_gc_period: Span,
    /// How long the pod garbage collector waits after it found pods of a node that does not exist.
    pub pod_gc_quarantine: Span,
}

impl Default for NodeLifeParams {
    fn default() -> Self {
        Self {
            lease_renewal: Span::from_secs(10),
            eviction_rate: 0.1,
            secondary_eviction_rate: 0.01,
            large_zone_nodes: 50,
            unhealthy_zone_share: 0.55,
            pod_gc_period: Span::from_secs(20),
            pod_gc_quarantine: Span::from_secs(40),
        }
    }
}

/// Token bucket of a client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientLimit {
    /// Requests per second; 0 is unlimited.
    pub qps: f64,
    /// Burst.
    pub burst: u32,
}

impl Default for Params {
    /// Returns the real components' defaults; where no source is named the number is an assumption.
    fn default() -> Self {
        let ms =
            |min: f64, max: f64| Distribution::Uniform { min: min / 1000.0, max: max / 1000.0 };
        Self {
            // Fits to the ten timed traces of Kubernetes 1.36.3, recorded on two cores: see docs/fidelity.md. One write in a
            // hundred stalls.
            api_write: Distribution::Mixture(
                vec![
                    (0.99, Distribution::LogNormal { median: 0.0015, sigma: 0.4 }),
                    (0.01, ms(100.0, 300.0)),
                ]
                .into(),
            ),
            // A longer tail would lose wake-ups: a pass that a StatefulSet's status brings would often not see the pod yet.
            watch_delay: Distribution::LogNormal { median: 0.008, sigma: 0.25 },
            // What two cores take. A cluster in production takes many times as much.
            api_server: ClientLimit { qps: 86.0, burst: 2 },
            admission_writes: 1,
            lws_client: ClientLimit { qps: 500.0, burst: 500 },
            controller_client: ClientLimit { qps: 20.0, burst: 30 },
            scheduler_client: ClientLimit { qps: 50.0, burst: 100 },
            statefulset_workers: 5,
            gc_workers: 20,
            // From the same fit.
            reconcile: ms(2.5, 7.5),
            statefulset_sync: ms(0.25, 0.75),
            // A fit to the thresholds of scheduler_perf: 0.25 ms, and 2 µs for each node that was filtered.
            schedule_base: Span::from_micros(250),
            schedule_per_node: Span::from_micros(2),
            schedule_backoff: (Span::from_secs(1), Span::from_secs(10)),
            bind: Distribution::LogNormal { median: 0.0032, sigma: 0.4 },
            // Sandbox and CNI take 0.5–3 s; sigma puts 3 s at the 98th percentile.
            sandbox: Distribution::LogNormal { median: 1.0, sigma: 0.5 },
            probe_period: Span::from_secs(10),
            serialize_image_pulls: true,
            // Caps of storage classes: assumptions.
            registry_bytes_per_s: 5_000_000_000,
            object_store_bytes_per_s: 100_000_000_000,
            nfs_bytes_per_s: 10_000_000_000,
            // One 200 Gbit/s port for storage: an assumption.
            nic_bytes_per_s: 25_000_000_000,
            // fastsafetensors reads 26.4 GB/s from a node's NVMe disks (its README).
            disk_bytes_per_s: 26_000_000_000,
            node_monitor_grace: Span::from_secs(50),
            node_monitor_period: Span::from_secs(5),
            eviction_toleration: Span::from_secs(300),
            restart_backoff: (Span::from_secs(10), Span::from_secs(300)),
            // A provisioner is taken for granted, and that it takes no time: an assumption.
            binds_claims: true,
            // Three requests, two of them reads, through a queue of its own: from the same fit.
            gc_delay: Distribution::LogNormal { median: 0.1, sigma: 0.6 },
            contest: RaceParams::default(),
            kubelet: KubeletParams::default(),
            node_life: NodeLifeParams::default(),
            races: Races::default(),
            explore: Explore::default(),
        }
    }
}
