//! Cluster shapes: a few numbers in, a list of nodes out.
//!
//! Sizes of nodes and of domains follow public reference designs; each default names its source. What people label
//! nodes with differs from site to site, so keys are parameters where no standard exists.

use super::{NodeDescription, domain_path};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// Nodes that a cluster may have at most; Kubernetes itself is tested to 5,000.
const NODES_MAX: u64 = 200_000;
const HOSTNAME: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

/// A kind of cluster with its size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Shape {
    /// Equal nodes without any topology.
    Nodes(Nodes),
    /// Zones of blocks of racks of equal nodes.
    Racks(Racks),
    /// An NVIDIA DGX H100 `SuperPOD`: scalable units of nodes with 8 GPUs on a rail-optimised fabric.
    H100Superpod(Superpod),
    /// GB200 NVL72: racks of 18 trays with 4 GPUs each, one NVLink domain a rack.
    Nvl72(Nvl72),
    /// Google TPU slices: each slice is a node pool that serves one group at a time.
    TpuSlices(TpuSlices),
}

/// What a node offers. Quantities as in Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NodeResources {
    /// Allocatable CPUs. Default: 192, as an AWS p5 has; H100 `SuperPOD` 224; GB200 tray 144; TPU VM 112.
    pub cpu: Option<String>,
    /// Allocatable memory. Default: 2000Gi (2 TiB less what the system keeps); GB200 tray 860Gi; TPU VM 170Gi.
    pub memory: Option<String>,
    /// Allocatable ephemeral storage. Default: 20Ti (a DGX H100 has 30 TB of `NVMe`; part of it for pods is an assumption).
    pub ephemeral_storage: Option<String>,
    /// Pods at most. Default: 110, as the kubelet's.
    pub pods: Option<u32>,
}

/// Equal nodes without any topology.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nodes {
    /// Number of nodes.
    pub count: u32,
    /// Accelerators of each node. Default: 0.
    #[serde(default)]
    pub gpus: u32,
    /// Resource name of the accelerators. Default: `nvidia.com/gpu`.
    #[serde(default = "nvidia_gpu")]
    pub accelerator: String,
    /// Zone label of all nodes. Default: none.
    pub zone: Option<String>,
    /// Other resources.
    #[serde(default)]
    pub resources: NodeResources,
}

/// Zones of blocks of racks of equal nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Racks {
    /// Zones; with more than one, nodes carry `topology.kubernetes.io/zone`. Default: 1.
    #[serde(default = "one")]
    pub zones: u32,
    /// Blocks of each zone; with more than one, nodes carry the block's label. Default: 1.
    #[serde(default = "one")]
    pub blocks: u32,
    /// Racks of each block.
    pub racks: u32,
    /// Nodes of each rack. Default: 4, as a 40 kW rack holds four DGX H100.
    #[serde(default = "four")]
    pub nodes_per_rack: u32,
    /// Accelerators of each node. Default: 8.
    #[serde(default = "eight")]
    pub gpus: u32,
    /// Resource name of the accelerators. Default: `nvidia.com/gpu`.
    #[serde(default = "nvidia_gpu")]
    pub accelerator: String,
    /// Label key of blocks. Default: `cloud.provider.com/topology-block`, as in Kueue's examples.
    #[serde(default = "block_key")]
    pub block_key: String,
    /// Label key of racks. Default: `cloud.provider.com/topology-rack`, as in Kueue's examples.
    #[serde(default = "rack_key")]
    pub rack_key: String,
    /// Other resources.
    #[serde(default)]
    pub resources: NodeResources,
}

/// An NVIDIA DGX H100 `SuperPOD`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Superpod {
    /// Scalable units. Default: 1. The reference architecture has 4, 16 or 64.
    #[serde(default = "one")]
    pub scalable_units: u32,
    /// Nodes of each scalable unit. Default: 32, as in the reference architecture.
    #[serde(default = "thirty_two")]
    pub nodes: u32,
    /// Nodes of each rack. Default: 4, as a 40 kW rack holds four.
    #[serde(default = "four")]
    pub nodes_per_rack: u32,
    /// Label key of racks. Default: `cloud.provider.com/topology-rack`, as in Kueue's examples.
    #[serde(default = "rack_key")]
    pub rack_key: String,
    /// Other resources.
    #[serde(default)]
    pub resources: NodeResources,
}

/// GB200 NVL72 racks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nvl72 {
    /// Racks.
    pub racks: u32,
    /// Trays (nodes) of each rack. Default: 18.
    #[serde(default = "eighteen")]
    pub trays_per_rack: u32,
    /// Racks of each block; with more than one block, nodes carry the block's label. Default: 8, a scalable unit.
    #[serde(default = "eight")]
    pub racks_per_block: u32,
    /// Label key of blocks. Default: `cloud.provider.com/topology-block`, as in Kueue's examples.
    #[serde(default = "block_key")]
    pub block_key: String,
    /// Other resources.
    #[serde(default)]
    pub resources: NodeResources,
}

/// Google TPU slices, each a node pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TpuSlices {
    /// Slices.
    pub slices: u32,
    /// Chips of a slice along each axis, for example `4x4`.
    pub topology: String,
    /// Value of the accelerator label. Default: `tpu-v5-lite-podslice` (TPU v5e).
    #[serde(default = "tpu_v5e")]
    pub accelerator: String,
    /// Chips of each VM (node). Default: 4, as multi-host slices have.
    #[serde(default = "four")]
    pub chips_per_node: u32,
    /// Other resources.
    #[serde(default)]
    pub resources: NodeResources,
}

fn one() -> u32 {
    1
}
fn four() -> u32 {
    4
}
fn eight() -> u32 {
    8
}
fn eighteen() -> u32 {
    18
}
fn thirty_two() -> u32 {
    32
}
fn nvidia_gpu() -> String {
    "nvidia.com/gpu".to_owned()
}
fn block_key() -> String {
    "cloud.provider.com/topology-block".to_owned()
}
fn rack_key() -> String {
    "cloud.provider.com/topology-rack".to_owned()
}
fn tpu_v5e() -> String {
    "tpu-v5-lite-podslice".to_owned()
}

/// What is wrong with a shape.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ShapeError {
    /// A number must not be zero.
    #[error("`{0}` must be at least 1")]
    Zero(&'static str),
    /// More nodes than a cluster may have.
    #[error("{0} nodes are more than the {NODES_MAX} that a cluster may have")]
    TooManyNodes(u64),
    /// A TPU topology that cannot be read.
    #[error("`topology` must be two or three numbers such as `4x4` or `2x2x4`")]
    Topology,
    /// A slice that cannot be divided into VMs.
    #[error("a slice of {chips} chips cannot be divided into VMs of {per_node}")]
    Chips {
        /// Chips of the slice.
        chips: u64,
        /// Chips of a VM.
        per_node: u32,
    },
}

impl Shape {
    /// Returns the nodes, named `<prefix>-…`, in the order of their topology.
    pub fn nodes(&self, prefix: &str) -> Result<Vec<NodeDescription>, ShapeError> {
        match self {
            Self::Nodes(shape) => shape.nodes(prefix),
            Self::Racks(shape) => shape.nodes(prefix),
            Self::H100Superpod(shape) => shape.nodes(prefix),
            Self::Nvl72(shape) => shape.nodes(prefix),
            Self::TpuSlices(shape) => shape.nodes(prefix),
        }
    }

    /// Returns the word that names of nodes begin with where the user gives none.
    pub fn prefix(&self) -> &'static str {
        match self {
            Self::Nodes(_) | Self::Racks(_) => "node",
            Self::H100Superpod(_) => "dgx",
            Self::Nvl72(_) => "tray",
            Self::TpuSlices(_) => "tpu",
        }
    }
}

impl Nodes {
    fn nodes(&self, prefix: &str) -> Result<Vec<NodeDescription>, ShapeError> {
        check_size(&[("count", self.count)])?;
        let resources =
            self.resources.with_defaults(&Defaults::GPU_NODE, &self.accelerator, self.gpus);
        let width = digits(self.count);
        let node = |index: u32| {
            let mut labels = BTreeMap::new();
            if let Some(zone) = &self.zone {
                labels.insert(ZONE.to_owned(), zone.clone());
            }
            describe(format!("{prefix}-{index:0width$}"), labels, &resources)
        };
        Ok((1..=self.count).map(node).collect())
    }
}

impl Racks {
    fn nodes(&self, prefix: &str) -> Result<Vec<NodeDescription>, ShapeError> {
        check_size(&[
            ("zones", self.zones),
            ("blocks", self.blocks),
            ("racks", self.racks),
            ("nodesPerRack", self.nodes_per_rack),
        ])?;
        let resources =
            self.resources.with_defaults(&Defaults::GPU_NODE, &self.accelerator, self.gpus);
        let mut nodes = Vec::new();
        let mut rack_number = 0;
        let rack_width = digits(self.zones * self.blocks * self.racks);
        let node_width = digits(self.nodes_per_rack);
        for zone in 1..=self.zones {
            for block in 1..=self.blocks {
                for _ in 1..=self.racks {
                    rack_number += 1;
                    for node in 1..=self.nodes_per_rack {
                        let mut labels = BTreeMap::new();
                        if self.zones > 1 {
                            labels.insert(ZONE.to_owned(), format!("zone-{zone}"));
                        }
                        if self.blocks > 1 {
                            let block = (zone - 1) * self.blocks + block;
                            labels.insert(self.block_key.clone(), format!("block-{block}"));
                        }
                        let rack = format!("rack-{rack_number:0rack_width$}");
                        labels.insert(self.rack_key.clone(), rack);
                        let name =
                            format!("{prefix}-{rack_number:0rack_width$}-{node:0node_width$}");
                        nodes.push(describe(name, labels, &resources));
                    }
                }
            }
        }
        Ok(nodes)
    }
}

impl Superpod {
    fn nodes(&self, prefix: &str) -> Result<Vec<NodeDescription>, ShapeError> {
        // One leaf switch for each of the eight GPUs of a node, shared by all nodes of the scalable unit.
        const RAILS: u32 = 8;
        check_size(&[
            ("scalableUnits", self.scalable_units),
            ("nodes", self.nodes),
            ("nodesPerRack", self.nodes_per_rack),
        ])?;
        let resources = self.resources.with_defaults(&Defaults::DGX_H100, "nvidia.com/gpu", RAILS);
        let width = digits(self.scalable_units * self.nodes);
        let mut nodes = Vec::new();
        for unit in 1..=self.scalable_units {
            for place in 0..self.nodes {
                let number = (unit - 1) * self.nodes + place + 1;
                let rack = (unit - 1) * self.nodes.div_ceil(self.nodes_per_rack)
                    + place / self.nodes_per_rack
                    + 1;
                let mut labels = BTreeMap::from([
                    ("fabric.topograph.run/tier-0".to_owned(), format!("su-{unit}")),
                    (self.rack_key.clone(), format!("rack-{rack}")),
                ]);
                labels.extend(gpu_labels("NVIDIA-H100-80GB-HBM3", RAILS));
                let mut node = describe(format!("{prefix}-{number:0width$}"), labels, &resources);
                node.rails = (0..RAILS).map(|rail| format!("su-{unit}-leaf-{rail}")).collect();
                nodes.push(node);
            }
        }
        Ok(nodes)
    }
}

impl Nvl72 {
    fn nodes(&self, prefix: &str) -> Result<Vec<NodeDescription>, ShapeError> {
        const GPUS: u32 = 4;
        check_size(&[
            ("racks", self.racks),
            ("traysPerRack", self.trays_per_rack),
            ("racksPerBlock", self.racks_per_block),
        ])?;
        let resources = self.resources.with_defaults(&Defaults::GB200_TRAY, "nvidia.com/gpu", GPUS);
        let rack_width = digits(self.racks);
        let tray_width = digits(self.trays_per_rack);
        let mut nodes = Vec::new();
        for rack in 1..=self.racks {
            for tray in 1..=self.trays_per_rack {
                // Feature discovery writes `<cluster UUID>.<clique>`: one UUID for each NVLink domain, one clique in it.
                let clique = format!("00000000-0000-4000-8000-{rack:012}.1");
                let mut labels = BTreeMap::from([("nvidia.com/gpu.clique".to_owned(), clique)]);
                if self.racks > self.racks_per_block {
                    let block = (rack - 1) / self.racks_per_block + 1;
                    labels.insert(self.block_key.clone(), format!("block-{block}"));
                }
                labels.insert("kubernetes.io/arch".to_owned(), "arm64".to_owned());
                labels.extend(gpu_labels("NVIDIA-GB200", GPUS));
                let name = format!("{prefix}-{rack:0rack_width$}-{tray:0tray_width$}");
                nodes.push(describe(name, labels, &resources));
            }
        }
        Ok(nodes)
    }
}

impl TpuSlices {
    fn nodes(&self, prefix: &str) -> Result<Vec<NodeDescription>, ShapeError> {
        check_size(&[("slices", self.slices), ("chipsPerNode", self.chips_per_node)])?;
        let chips = self.chips()?;
        let per_node = self.chips_per_node;
        if chips % u64::from(per_node) != 0 {
            return Err(ShapeError::Chips { chips, per_node });
        }
        let hosts = u32::try_from(chips / u64::from(per_node))
            .map_err(|_| ShapeError::TooManyNodes(chips))?;
        check_size(&[("slices", self.slices), ("topology", hosts)])?;
        let resources = self.resources.with_defaults(&Defaults::TPU_VM, "google.com/tpu", per_node);
        let slice_width = digits(self.slices);
        let host_width = digits(hosts);
        let mut nodes = Vec::new();
        for slice in 1..=self.slices {
            for host in 1..=hosts {
                let labels = BTreeMap::from([
                    (
                        "cloud.google.com/gke-nodepool".to_owned(),
                        format!("{prefix}-{slice:0slice_width$}"),
                    ),
                    ("cloud.google.com/gke-tpu-topology".to_owned(), self.topology.clone()),
                    ("cloud.google.com/gke-tpu-accelerator".to_owned(), self.accelerator.clone()),
                ]);
                let name = format!("{prefix}-{slice:0slice_width$}-{host:0host_width$}");
                nodes.push(describe(name, labels, &resources));
            }
        }
        Ok(nodes)
    }

    fn chips(&self) -> Result<u64, ShapeError> {
        let axes: Option<Vec<u64>> = self
            .topology
            .split('x')
            .map(|axis| axis.parse().ok().filter(|length| *length > 0))
            .collect();
        match axes.as_deref() {
            Some([x, y]) => x.checked_mul(*y),
            Some([x, y, z]) => x.checked_mul(*y).and_then(|area| area.checked_mul(*z)),
            _ => None,
        }
        .ok_or(ShapeError::Topology)
    }
}

/// What nodes of a kind offer where the user says nothing (scheduling research F1; allocatable, so less than the sum).
struct Defaults {
    cpu: &'static str,
    memory: &'static str,
    ephemeral_storage: &'static str,
}

impl Defaults {
    /// AWS p5 and its like: 192 vCPUs, 2 TiB.
    const GPU_NODE: Self = Self { cpu: "192", memory: "2000Gi", ephemeral_storage: "20Ti" };
    /// DGX H100: 2 × 56 cores with two threads each, 2 TiB.
    const DGX_H100: Self = Self { cpu: "224", memory: "2000Gi", ephemeral_storage: "20Ti" };
    /// GB200 tray: 144 Arm cores, 960 GB.
    const GB200_TRAY: Self = Self { cpu: "144", memory: "860Gi", ephemeral_storage: "10Ti" };
    /// ct5lp-hightpu-4t: 112 vCPUs, 192 GB.
    const TPU_VM: Self = Self { cpu: "112", memory: "170Gi", ephemeral_storage: "1Ti" };
}

impl NodeResources {
    fn with_defaults(
        &self,
        defaults: &Defaults,
        accelerator: &str,
        count: u32,
    ) -> BTreeMap<String, String> {
        // The kubelet's `--max-pods`.
        const PODS: u32 = 110;
        let or = |given: &Option<String>, default: &str| {
            given.clone().unwrap_or_else(|| default.to_owned())
        };
        let mut resources = BTreeMap::from([
            ("cpu".to_owned(), or(&self.cpu, defaults.cpu)),
            ("memory".to_owned(), or(&self.memory, defaults.memory)),
            (
                "ephemeral-storage".to_owned(),
                or(&self.ephemeral_storage, defaults.ephemeral_storage),
            ),
            ("pods".to_owned(), self.pods.unwrap_or(PODS).to_string()),
        ]);
        if count > 0 {
            resources.insert(accelerator.to_owned(), count.to_string());
        }
        resources
    }
}

fn describe(
    name: String,
    mut labels: BTreeMap<String, String>,
    resources: &BTreeMap<String, String>,
) -> NodeDescription {
    labels.insert(HOSTNAME.to_owned(), name.clone());
    labels.insert("kubernetes.io/os".to_owned(), "linux".to_owned());
    labels.entry("kubernetes.io/arch".to_owned()).or_insert_with(|| "amd64".to_owned());
    let path = domain_path(&labels);
    NodeDescription {
        name,
        labels,
        path,
        resources: resources.clone(),
        ..NodeDescription::default()
    }
}

fn gpu_labels(product: &str, count: u32) -> [(String, String); 2] {
    [
        ("nvidia.com/gpu.product".to_owned(), product.to_owned()),
        ("nvidia.com/gpu.count".to_owned(), count.to_string()),
    ]
}

fn check_size(factors: &[(&'static str, u32)]) -> Result<(), ShapeError> {
    if let Some((name, _)) = factors.iter().find(|(_, factor)| *factor == 0) {
        return Err(ShapeError::Zero(name));
    }
    let count = factors
        .iter()
        .fold(1_u64, |product, (_, factor)| product.saturating_mul(u64::from(*factor)));
    if count > NODES_MAX { Err(ShapeError::TooManyNodes(count)) } else { Ok(()) }
}

/// Returns the digits of the largest number, so that names sort as numbers do.
fn digits(largest: u32) -> usize {
    largest.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str, count: usize, last: &str) -> Vec<NodeDescription> {
        let shape: Shape = serde_yaml::from_str(yaml).unwrap();
        let nodes = shape.nodes(shape.prefix()).unwrap();
        assert_eq!(nodes.len(), count, "{yaml}");
        let node = nodes.last().unwrap();
        let path: Vec<&str> = node.path.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(format!("{} {}", node.name, path.join("/")), last, "{yaml}");
        nodes
    }

    #[test]
    fn shapes_have_the_sizes_of_their_reference_designs() {
        check("nodes: {count: 12, gpus: 8}", 12, "node-12 ");
        check("racks: {zones: 2, blocks: 2, racks: 3}", 48, "node-12-4 zone-2/block-4/rack-12");
        let dgx = check("h100Superpod: {scalableUnits: 4}", 128, "dgx-128 su-4/rack-32");
        assert_eq!(dgx[127].rails[7], "su-4-leaf-7");
        assert_eq!(dgx[0].resources["nvidia.com/gpu"], "8");
        check("nvl72: {racks: 9}", 162, "tray-9-18 block-2/00000000-0000-4000-8000-000000000009.1");
        check("tpuSlices: {slices: 2, topology: 4x4}", 8, "tpu-2-4 tpu-2");
        check("tpuSlices: {slices: 1, topology: 4x4x8}", 32, "tpu-1-32 tpu-1");
    }

    #[test]
    fn impossible_shapes_are_refused() {
        let error = |yaml: &str| {
            let shape: Shape = serde_yaml::from_str(yaml).unwrap();
            shape.nodes("n").unwrap_err().to_string()
        };
        assert_eq!(error("nodes: {count: 0}"), "`count` must be at least 1");
        assert_eq!(
            error("tpuSlices: {slices: 1, topology: 4by4}"),
            ShapeError::Topology.to_string()
        );
        assert_eq!(
            error("tpuSlices: {slices: 1, topology: 3x3}"),
            "a slice of 9 chips cannot be divided into VMs of 4"
        );
        assert!(error("racks: {racks: 100000, zones: 100000}").starts_with("40000000000 nodes"));
    }
}
