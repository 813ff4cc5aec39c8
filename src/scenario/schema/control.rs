//! Delays and limits of the control plane, the nodes and shared links.

use super::values::{DistributionSpec, Duration, Size};
use schemars::JsonSchema;
use serde::Deserialize;

/// Delays and limits. Defaults are the real components'.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Control {
    /// From a write to its effect in the store. Default: lognormal with median 1.5 ms and sigma 0.4, and 1 % stalls of 100
    /// to 300 ms, a fit to timed traces recorded from Kubernetes 1.36.3.
    pub api_write: Option<DistributionSpec<Duration>>,
    /// From a write to its arrival in a cache. Default: lognormal with median 8 ms and sigma 0.25, from
    /// the same traces; larger and busier clusters are slower.
    pub watch_delay: Option<DistributionSpec<Duration>>,
    /// Writes that the API server with its etcd takes, of all clients together. Default: 86 per second, burst 2, as fits
    /// traces recorded from Kubernetes 1.36.3 on two cores; a cluster in production takes many times as much.
    pub api_server: Option<ClientSpec>,
    /// How many writes the creation of a pod costs the API server beside its own, for the webhooks that it calls. Default: 1,
    /// from the same traces.
    pub admission_writes: Option<u32>,
    /// Requests of the LWS manager. Default: 500 per second, burst 500, as LWS v0.10 ships.
    pub lws_client: Option<ClientSpec>,
    /// Requests of each controller of `kube-controller-manager`. Default: 20 per second, burst 30 (`--kube-api-qps`).
    pub controller_client: Option<ClientSpec>,
    /// Requests of `kube-scheduler`. Default: 50 per second, burst 100 (`clientConnection`).
    pub scheduler_client: Option<ClientSpec>,
    /// StatefulSets synced at a time. Default: 5 (`--concurrent-statefulset-syncs`).
    pub statefulset_workers: Option<u32>,
    /// Objects that the garbage collector works on at a time. Default: 20 (`--concurrent-gc-syncs`).
    pub gc_workers: Option<u32>,
    /// What one pass of the LWS controller computes. Default: uniform between 2.5 ms and 7.5 ms, from the same traces.
    pub reconcile: Option<DistributionSpec<Duration>>,
    /// What one sync of a StatefulSet computes. Default: uniform between 0.25 ms and 0.75 ms, from the same traces.
    pub statefulset_sync: Option<DistributionSpec<Duration>>,
    /// Fixed part of a scheduling cycle. Default: 250us, a fit to the thresholds of `scheduler_perf`.
    pub schedule_base: Option<Duration>,
    /// Part of a scheduling cycle for each node that is filtered. Default: 2us, a fit to the thresholds of `scheduler_perf`.
    pub schedule_per_node: Option<Duration>,
    /// First back-off of an unschedulable pod. Default: 1s (`podInitialBackoffSeconds`).
    pub schedule_backoff: Option<Duration>,
    /// Longest back-off of an unschedulable pod. Default: 10s (`podMaxBackoffSeconds`).
    pub schedule_backoff_max: Option<Duration>,
    /// The binding call. Default: lognormal with median 3.2 ms and sigma 0.4, from the same traces.
    pub bind: Option<DistributionSpec<Duration>>,
    /// From the binding to a running sandbox with its network. Default: lognormal with median 1 s and sigma 0.5, an
    /// assumption.
    pub sandbox: Option<DistributionSpec<Duration>>,
    /// Period of readiness probes that state none. Default: 10s (Kubernetes API).
    pub probe_period: Option<Duration>,
    /// Whether nodes pull one image at a time. Default: true (kubelet `serializeImagePulls`).
    pub serialize_image_pulls: Option<bool>,
    /// Bytes per second of the image registry, shared by all pulls. Default: 5G, an assumption.
    pub registry_rate: Option<Size>,
    /// Bytes per second of the object store, shared by all. Default: 100G, an assumption.
    pub object_store_rate: Option<Size>,
    /// Bytes per second of the shared file system, shared by all. Default: 10G, an assumption.
    pub nfs_rate: Option<Size>,
    /// Bytes per second of a node's storage NIC. Default: 25G (200 Gbit/s), an assumption.
    pub nic_rate: Option<Size>,
    /// Bytes per second of a node's disks. Default: 26G, as fastsafetensors measures eight `NVMe` disks.
    pub disk_rate: Option<Size>,
    /// Silence after which a node is `NotReady`. Default: 50s (`--node-monitor-grace-period` since 1.32).
    pub node_monitor_grace: Option<Duration>,
    /// How often the node controller looks. Default: 5s (`--node-monitor-period`).
    pub node_monitor_period: Option<Duration>,
    /// How long pods tolerate a node that is not ready. Default: 300s (admission plugin `DefaultTolerationSeconds`).
    pub eviction_toleration: Option<Duration>,
    /// First delay before a container starts anew. Default: 10s (kubelet).
    pub restart_backoff: Option<Duration>,
    /// Longest delay before a container starts anew. Default: 300s (kubelet).
    pub restart_backoff_max: Option<Duration>,
    /// What the garbage collector takes for one object. Default: lognormal with median 100 ms and sigma 0.6, from the same
    /// traces.
    pub gc_delay: Option<DistributionSpec<Duration>>,
    /// What the kubelets take beside sandbox and back-off.
    pub kubelet: KubeletSpec,
    /// The controllers that watch nodes.
    pub node_life: NodeLifeSpec,
    /// Events of the engine at most; reaching it ends a run with an error. Default: 200000000, an assumption.
    pub events_max: Option<u64>,
}

/// What the kubelets take beside sandbox and back-off.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KubeletSpec {
    /// Period at which it lists containers, and so sees that one has exited. Default: 1s (`genericPlegRelistPeriod`).
    pub relist: Option<Duration>,
    /// From the exit of the last container to the confirmation of the deletion. Default: uniform between 1 s and 2 s.
    pub cleanup: Option<DistributionSpec<Duration>>,
    /// Whether pods that were on a node when it went down fail when it is back, since their devices are not registered
    /// in time. Default: false, an assumption.
    pub failing_readmission: Option<bool>,
}

/// The controllers that watch nodes. Defaults are the flags and constants of `kube-controller-manager`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NodeLifeSpec {
    /// Period at which a node renews its Lease. Default: 10s.
    pub lease_renewal: Option<Duration>,
    /// Nodes tainted `NoExecute` per second in a zone. Default: 0.1 (`--node-eviction-rate`).
    pub eviction_rate: Option<f64>,
    /// The same in a large zone that is partly down. Default: 0.01 (`--secondary-node-eviction-rate`).
    pub secondary_eviction_rate: Option<f64>,
    /// A zone of more nodes is large. Default: 50 (`--large-cluster-size-threshold`).
    pub large_zone_nodes: Option<u32>,
    /// Share of nodes not ready from which a zone is partly down. Default: 0.55 (`--unhealthy-zone-threshold`).
    pub unhealthy_zone_share: Option<f64>,
    /// Period of the pod garbage collector. Default: 20s.
    pub pod_gc_period: Option<Duration>,
    /// How long it waits after it found pods of a node that does not exist. Default: 40s.
    pub pod_gc_quarantine: Option<Duration>,
}

/// Token bucket of a client.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientSpec {
    /// Requests per second; 0 is unlimited.
    pub qps: f64,
    /// Burst.
    pub burst: u32,
}
