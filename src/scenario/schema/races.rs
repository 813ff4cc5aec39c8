//! Who is slow and who is first: knobs for outcomes that hang on luck.

use super::values::{DistributionSpec, Duration};
use schemars::JsonSchema;
use serde::Deserialize;

/// Who is slow and who is first. `lwsim run --orders N` tries many orders; these set one by hand. How long the garbage
/// collector takes is `control.gcDelay`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Races {
    /// From a write to its arrival in the caches of one component, where it differs from `control.watchDelay`.
    pub cache_lag: CacheLag,
    /// Who acts first of those that act at the same instant. Those that are not named follow, in the order in which they
    /// were woken. Default: nobody.
    pub order: Vec<ActorSpec>,
    /// Who gets capacity that several pods want within a window. Default: `byTiming`.
    pub freed_capacity: Option<FreedCapacitySpec>,
    /// How far apart pods may come and still contend, where `freedCapacity` is not `byTiming`; every binding comes later
    /// by as much. Default: 1s, an assumption.
    pub window: Option<Duration>,
}

/// Who gets capacity that several pods want within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FreedCapacitySpec {
    /// Whoever the scheduler happens to look at first: a waiting pod, unless it backs off.
    ByTiming,
    /// The group with the highest index: in a rollout the waiting surge group.
    HighestIndex,
    /// The group with the lowest index: in a rollout the group that was just deleted.
    LowestIndex,
}

/// Delays by component.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CacheLag {
    /// The LWS manager.
    pub lws: Option<DistributionSpec<Duration>>,
    /// The StatefulSet controller.
    pub stateful_sets: Option<DistributionSpec<Duration>>,
    /// The garbage collector.
    pub garbage_collector: Option<DistributionSpec<Duration>>,
    /// The scheduler.
    pub scheduler: Option<DistributionSpec<Duration>>,
    /// The kubelets.
    pub kubelets: Option<DistributionSpec<Duration>>,
}

/// A component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ActorSpec {
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
