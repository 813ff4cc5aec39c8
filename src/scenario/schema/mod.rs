//! What a scenario file may say.
//!
//! Plain types with units and defaults in their documentation, from which the JSON Schema is made. Every struct refuses
//! unknown fields and every enum is externally tagged, so that errors keep their places. What the fields mean for a run
//! is the business of `lower`.

mod cluster;
mod control;
mod explore;
mod fixes;
mod grid;
mod races;
mod timeline;
mod values;
mod workload;

pub use cluster::{Cluster, NodeGroup};
pub use control::{ClientSpec, Control, KubeletSpec, NodeLifeSpec};
pub use explore::{AlwaysSpec, AtLeast, AtMost, ExploreSpec, NeverSpec, OfSet};
pub use fixes::{FixSpec, UpgradeSpec};
pub use grid::{AxisSpec, CellSpec, TableSpec};
pub use races::{ActorSpec, CacheLag, FreedCapacitySpec, Races};
pub use timeline::{
    ConditionSpec, DeleteSpec, DomainSpec, EntrySpec, GroupsSpec, NodeSpec, PatchSpec, PodSpec,
    PropagationSpec, ScaleSpec, SetImageSpec, WhenSpec,
};
pub use values::{DistributionSpec, Duration, EmpiricalSpec, Form, Magnitude, Size, Weighted};
pub use workload::{
    CacheSpec, Hit, MembersSpec, ProfileChoice, ProfileSpec, RolloutSpec, SourceSpec,
    StageKindSpec, StageSpec, TransferSpec, WorkloadSpec,
};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A scenario: a cluster, what runs on it, and what happens to it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "lwsim scenario")]
pub struct Scenario {
    /// What the scenario is about, in a sentence or two.
    #[serde(default)]
    pub about: String,
    /// Version of Kubernetes, `1.33` to `1.37`, with or without a patch version; without one, the newest known patch.
    /// Default: `1.36`.
    #[serde(default)]
    pub kubernetes: KubernetesVersion,
    /// Feature gates that differ from the version's defaults. Simulated: `MaxUnavailableStatefulSet`.
    #[serde(default)]
    pub feature_gates: BTreeMap<String, bool>,
    /// Known upstream bugs that are repaired, by id; see `docs/model/known-bugs.md`. Default: none, as upstream is.
    #[serde(default)]
    pub fixes: Vec<FixSpec>,
    /// The nodes.
    pub cluster: Cluster,
    /// What is applied at the start, in this order.
    #[serde(default)]
    pub workloads: Vec<WorkloadSpec>,
    /// What happens later.
    #[serde(default)]
    pub timeline: Vec<EntrySpec>,
    /// Ways in which the scenario is run: for each name, values by path, for example
    /// `surge: {workloads.vllm.rollout: {maxSurge: 2, maxUnavailable: 0}}`. Default: one variant `base` without changes.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, serde_json::Value>>")]
    pub variants: IndexMap<String, VariantSpec>,
    /// Axes of a grid of variants: for each its values by name, and what each value sets, as in a variant. All combinations
    /// are run beside the variants; a combination is named by its values, joined by dots. Default: none.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, BTreeMap<String, serde_json::Value>>>")]
    pub grid: IndexMap<String, AxisSpec>,
    /// The table that shows the grid, in place of what the terminal tells of each variant. Default: none.
    pub table: Option<TableSpec>,
    /// How many seeds to run each variant with (1, 2, 3, …), or the seeds themselves. Default: 1.
    #[serde(default)]
    pub seeds: Seeds,
    /// End of a run at the latest, in virtual time. Default: `24h`.
    #[serde(default = "horizon")]
    pub horizon: Duration,
    /// Metrics to show. Default: all.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// Conditions on metrics over all seeds of a variant, for example `p95(rollout_duration_s) < 2h`. A gate that is
    /// missed makes the exit code 1.
    #[serde(default)]
    pub gates: Vec<String>,
    /// Delays and limits of the control plane, the nodes and shared links.
    #[serde(default)]
    pub control: Control,
    /// What must hold in every order of events, for `lwsim explore` and `lwsim run --check`.
    #[serde(default)]
    pub explore: ExploreSpec,
    /// Who is slow and who is first among the components of the control plane.
    #[serde(default)]
    pub races: Races,
    /// Runtime profiles, for workloads to name: how pods start and end.
    #[serde(default)]
    pub profiles: BTreeMap<String, ProfileSpec>,
}

/// Values by path.
pub type VariantSpec = IndexMap<String, serde_json::Value>;

fn horizon() -> Duration {
    // Longer than any start-up or rollout in the scenarios that come with lwsim: an assumption.
    Duration(crate::engine::Span::from_secs(24 * 3600))
}

/// A version such as `1.36` or `1.35.2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesVersion {
    /// Minor version.
    pub minor: u32,
    /// Patch version, if given.
    pub patch: Option<u32>,
}

impl Default for KubernetesVersion {
    fn default() -> Self {
        Self { minor: 36, patch: None }
    }
}

/// How many seeds, or which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Seeds {
    /// This many, counted from 1.
    Count(u32),
    /// These.
    List(Vec<u64>),
}

impl Default for Seeds {
    fn default() -> Self {
        Self::Count(1)
    }
}

impl Seeds {
    /// Returns the seeds in order.
    pub fn to_vec(&self) -> Vec<u64> {
        match self {
            Self::Count(count) => (1..=u64::from(*count)).collect(),
            Self::List(seeds) => seeds.clone(),
        }
    }
}
