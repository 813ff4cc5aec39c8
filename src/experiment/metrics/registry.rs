//! The list of metrics: one entry each, in the order in which tables show them.

use super::tally::Tally;
use crate::experiment::result::{Better, Figure, MetricSummary};

/// A metric.
pub struct Metric {
    /// Name, the same in every output.
    pub name: &'static str,
    /// Unit, `""` where it is a bare count.
    pub unit: &'static str,
    /// Which direction is good; `None` where neither is.
    pub better: Option<Better>,
    /// One sentence, for the report.
    pub about: &'static str,
    /// Computes it; `None` where the run gives it no value.
    pub value: fn(&Tally) -> Option<Figure>,
}

/// Nanoseconds in an hour.
const NS_PER_HOUR: u128 = 3_600_000_000_000;

/// All metrics.
pub const METRICS: [Metric; 11] = [
    Metric {
        name: "groups_ready_min",
        unit: "groups",
        better: Some(Better::Higher),
        about: "Fewest groups ready at a time since all wanted groups were ready for the first time; 0 if they never were",
        value: |tally| Some(u64::from(tally.groups_ready_min.unwrap_or(0)).into()),
    },
    Metric {
        name: "groups_ready_mean",
        unit: "groups",
        better: Some(Better::Higher),
        about: "Groups ready, averaged over the time from start to end of the run",
        value: |tally| {
            (tally.end_ns > 0).then(|| Figure::ratio(tally.groups_ready_ns, tally.end_ns.into()))
        },
    },
    Metric {
        name: "time_to_all_ready_s",
        unit: "s",
        better: Some(Better::Lower),
        about: "From the apply of a set until all of its groups were ready for the first time, longest over sets; no value if one never was",
        value: |tally| tally.time_to_all_ready.map(Figure::seconds),
    },
    Metric {
        name: "rollout_duration_s",
        unit: "s",
        better: Some(Better::Lower),
        about: "From the write that changed the template until the rollout was finished, longest over rollouts that were not superseded; no value if one never finished",
        value: |tally| tally.rollout_duration.map(Figure::seconds),
    },
    Metric {
        name: "rollout_groups_ready_min",
        unit: "groups",
        better: Some(Better::Higher),
        about: "Fewest groups of the set ready while a rollout lasted, lowest over rollouts",
        value: |tally| tally.rollout_groups_ready_min.map(|groups| u64::from(groups).into()),
    },
    Metric {
        name: "rollout_surge_groups_max",
        unit: "groups",
        better: Some(Better::Lower),
        about: "Most groups of the set beyond the wanted number while a rollout lasted, highest over rollouts",
        value: |tally| tally.rollout_surge_groups_max.map(|groups| u64::from(groups).into()),
    },
    Metric {
        name: "gpu_hours_ready",
        unit: "GPU·h",
        better: Some(Better::Higher),
        about: "Accelerator time held by pods of groups that were ready",
        value: |tally| Some(Figure::ratio(tally.gpu_ready_ns, NS_PER_HOUR)),
    },
    Metric {
        name: "gpu_hours_idle_held",
        unit: "GPU·h",
        better: Some(Better::Lower),
        about: "Accelerator time held by bound pods of groups that were not ready: half-placed, starting, broken or terminating",
        value: |tally| Some(Figure::ratio(tally.gpu_idle_ns, NS_PER_HOUR)),
    },
    Metric {
        name: "pods_created",
        unit: "pods",
        better: Some(Better::Lower),
        about: "Pods created for the sets, every incarnation counted",
        value: |tally| Some(tally.pods_created.into()),
    },
    Metric {
        name: "pods_unschedulable_max",
        unit: "pods",
        better: Some(Better::Lower),
        about: "Most pods at a time that the scheduler had found no node for",
        value: |tally| Some(tally.pods_unschedulable_max.into()),
    },
    Metric {
        name: "events",
        unit: "",
        better: None,
        about: "Events that the engine handled",
        value: |tally| Some(tally.events.into()),
    },
];

impl Metric {
    /// Returns the metric as the summary describes it.
    pub fn summary(&self) -> MetricSummary {
        MetricSummary {
            name: self.name.into(),
            unit: self.unit.into(),
            better: self.better,
            about: self.about.into(),
        }
    }

    /// Returns the metric with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }
}
