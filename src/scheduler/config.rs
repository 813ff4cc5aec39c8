//! KubeSchedulerConfiguration: what a user's file says of profiles, plugins, weights and arguments.
//!
//! Types take the file as it is (`kubescheduler.config.k8s.io/v1`, kube-scheduler 1.36); [`Configuration::profiles`] merges
//! plugin sets over the defaults as the real one does and says what is wrong, with the path of each fault. Reading the text
//! is the caller's.

use super::framework::Plugin;
use super::registry::{DefaultSpreading, FitStrategy, Profile, ScoredResources};
use k8s_openapi::api::core::v1::{NodeAffinity, TopologySpreadConstraint};
use serde::Deserialize;
use std::sync::Arc;

/// Default plugins that the model has in one form or another: they filter, score or act.
const MODELLED: [&str; 14] = [
    "PrioritySort",
    "SchedulingGates",
    "NodeUnschedulable",
    "NodeName",
    "TaintToleration",
    "NodeAffinity",
    "NodePorts",
    "NodeResourcesFit",
    "PodTopologySpread",
    "InterPodAffinity",
    "DefaultPreemption",
    "NodeResourcesBalancedAllocation",
    "ImageLocality",
    "DefaultBinder",
];
/// Default plugins about what simulated pods do not have; naming them changes nothing.
const IDLE: [&str; 9] = [
    "VolumeRestrictions",
    "NodeVolumeLimits",
    "VolumeBinding",
    "VolumeZone",
    "DynamicResources",
    "NodeDeclaredFeatures",
    "GangScheduling",
    "TopologyPlacementGenerator",
    "PodGroupPodsCount",
];
const FILTERS: [Plugin; 8] = [
    Plugin::NodeUnschedulable,
    Plugin::NodeName,
    Plugin::TaintToleration,
    Plugin::NodeAffinity,
    Plugin::NodePorts,
    Plugin::NodeResourcesFit,
    Plugin::PodTopologySpread,
    Plugin::InterPodAffinity,
];
const SCORES: [Plugin; 7] = [
    Plugin::TaintToleration,
    Plugin::NodeAffinity,
    Plugin::NodeResourcesFit,
    Plugin::PodTopologySpread,
    Plugin::InterPodAffinity,
    Plugin::NodeResourcesBalancedAllocation,
    Plugin::ImageLocality,
];

/// Returns the names of all plugins that a file may name.
pub fn known_plugins() -> impl Iterator<Item = &'static str> + Clone {
    MODELLED.into_iter().chain(IDLE)
}

/// A fault of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path of the value, such as `profiles[0].plugins.score.enabled[1].name`.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
    /// Whether the value is a name that is not known.
    pub is_unknown_plugin: bool,
}

/// The file. Fields that change no decision are read and not kept.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Configuration {
    /// `kubescheduler.config.k8s.io/v1`.
    pub api_version: String,
    /// `KubeSchedulerConfiguration`.
    pub kind: String,
    /// `0` adapts to the number of nodes.
    pub percentage_of_nodes_to_score: Option<u32>,
    /// Seconds of the first back-off.
    pub pod_initial_backoff_seconds: Option<u64>,
    /// Seconds of the longest back-off.
    pub pod_max_backoff_seconds: Option<u64>,
    /// Requests per second and burst.
    pub client_connection: ClientConnection,
    /// Profiles.
    pub profiles: Vec<ProfileSpec>,
    /// Extenders.
    pub extenders: Vec<serde::de::IgnoredAny>,
    parallelism: serde::de::IgnoredAny,
    leader_election: serde::de::IgnoredAny,
    enable_profiling: serde::de::IgnoredAny,
    enable_contention_profiling: serde::de::IgnoredAny,
    health_bind_address: serde::de::IgnoredAny,
    metrics_bind_address: serde::de::IgnoredAny,
    delay_cache_until_active: serde::de::IgnoredAny,
}

/// `clientConnection`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClientConnection {
    /// Requests per second.
    pub qps: Option<f64>,
    /// Burst.
    pub burst: Option<u32>,
    kubeconfig: serde::de::IgnoredAny,
    accept_content_types: serde::de::IgnoredAny,
    content_type: serde::de::IgnoredAny,
}

/// A profile.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProfileSpec {
    /// Pods choose a profile by this; `default-scheduler` where absent.
    pub scheduler_name: Option<String>,
    /// Overrides the file's.
    pub percentage_of_nodes_to_score: Option<u32>,
    /// Plugin sets.
    pub plugins: Plugins,
    /// Arguments.
    pub plugin_config: Vec<PluginConfig>,
}

/// Plugin sets by extension point.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Plugins {
    /// All points that a plugin has.
    pub multi_point: PluginList,
    /// Order of the queue.
    pub queue_sort: PluginList,
    /// Gates before the queue.
    pub pre_enqueue: PluginList,
    /// Before filters.
    pub pre_filter: PluginList,
    /// Filters.
    pub filter: PluginList,
    /// After all nodes were rejected.
    pub post_filter: PluginList,
    /// Before scores.
    pub pre_score: PluginList,
    /// Scores.
    pub score: PluginList,
    /// Reservations.
    pub reserve: PluginList,
    /// Gates before binding.
    pub permit: PluginList,
    /// Before binding.
    pub pre_bind: PluginList,
    /// Binding.
    pub bind: PluginList,
    /// After binding.
    pub post_bind: PluginList,
}

/// What is added to and taken from the defaults of a point.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PluginList {
    /// Plugins to add, or to weigh differently.
    pub enabled: Vec<PluginRef>,
    /// Plugins to leave out; `*` is all defaults.
    pub disabled: Vec<PluginRef>,
}

/// A plugin in a list.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PluginRef {
    /// Name.
    pub name: String,
    /// Weight of its score; 0 stands for 1.
    pub weight: Option<i64>,
}

/// Arguments of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PluginConfig {
    /// Name.
    pub name: String,
    /// Arguments of all plugins in one; each plugin reads its own.
    pub args: Arguments,
}

/// Arguments of all plugins.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Arguments {
    api_version: serde::de::IgnoredAny,
    kind: serde::de::IgnoredAny,
    /// `NodeResourcesFitArgs`.
    pub ignored_resources: Vec<String>,
    /// `NodeResourcesFitArgs`.
    pub ignored_resource_groups: Vec<String>,
    /// `NodeResourcesFitArgs`.
    pub scoring_strategy: Option<ScoringStrategy>,
    /// `NodeResourcesBalancedAllocationArgs`.
    pub resources: Option<Vec<ResourceWeight>>,
    /// `PodTopologySpreadArgs`.
    pub default_constraints: Vec<TopologySpreadConstraint>,
    /// `PodTopologySpreadArgs`: `System` or `List`.
    pub defaulting_type: Option<String>,
    /// `InterPodAffinityArgs`.
    pub hard_pod_affinity_weight: Option<i64>,
    /// `InterPodAffinityArgs`.
    pub ignore_preferred_terms_of_existing_pods: bool,
    /// `NodeAffinityArgs`.
    pub added_affinity: Option<NodeAffinity>,
    /// `DefaultPreemptionArgs`.
    pub min_candidate_nodes_percentage: Option<usize>,
    /// `DefaultPreemptionArgs`.
    pub min_candidate_nodes_absolute: Option<usize>,
    bind_timeout_seconds: serde::de::IgnoredAny,
    shape: serde::de::IgnoredAny,
    filter_timeout: serde::de::IgnoredAny,
}

/// How `NodeResourcesFit` scores.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ScoringStrategy {
    /// `LeastAllocated`, `MostAllocated` or `RequestedToCapacityRatio`.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// Resources with weights.
    pub resources: Option<Vec<ResourceWeight>>,
    /// Shape of `RequestedToCapacityRatio`.
    pub requested_to_capacity_ratio: Option<Ratio>,
}

/// A resource and its weight.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResourceWeight {
    /// Name.
    pub name: String,
    /// Weight, 1 to 100; 1 where absent.
    pub weight: Option<i64>,
}

/// `requestedToCapacityRatio`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ratio {
    /// Points of a broken line.
    pub shape: Vec<Point>,
}

/// A point of a shape.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Point {
    /// Percent, 0 to 100.
    pub utilization: i64,
    /// 0 to 10.
    pub score: i64,
}

impl PluginList {
    fn disables(&self, plugin: &str) -> bool {
        self.disabled.iter().any(|entry| entry.name == "*" || entry.name == plugin)
    }

    fn enabled(&self, plugin: &str) -> Option<&PluginRef> {
        self.enabled.iter().find(|entry| entry.name == plugin)
    }
}

/// Collects faults below a path.
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, path: String, message: impl Into<String>) {
        self.0.push(Fault { path, message: message.into(), is_unknown_plugin: false });
    }

    fn unless(&mut self, holds: bool, path: String, message: impl Into<String>) {
        if !holds {
            self.add(path, message);
        }
    }
}

impl Configuration {
    /// Returns the profiles, the default one where the file has none.
    ///
    /// # Errors
    /// All faults: wrong kind, names of plugins that are not known, numbers out of range, names that stand twice.
    pub fn profiles(&self, minor: u32) -> Result<Vec<Profile>, Vec<Fault>> {
        let mut faults = Faults(Vec::new());
        faults.unless(
            self.api_version == "kubescheduler.config.k8s.io/v1",
            "apiVersion".into(),
            format!("expected `kubescheduler.config.k8s.io/v1`, found `{}`", self.api_version),
        );
        faults.unless(
            self.kind == "KubeSchedulerConfiguration",
            "kind".into(),
            format!("expected `KubeSchedulerConfiguration`, found `{}`", self.kind),
        );
        let share = self.percentage_of_nodes_to_score.unwrap_or(0);
        faults.unless(
            share <= 100,
            "percentageOfNodesToScore".into(),
            format!("expected 0 to 100, found {share}"),
        );
        let mut profiles: Vec<Profile> = Vec::new();
        for (at, spec) in self.profiles.iter().enumerate() {
            let path = format!("profiles[{at}]");
            let profile = spec.profile(minor, share, &path, &mut faults);
            let is_double = profiles.iter().any(|other| other.name == profile.name);
            faults.unless(
                !is_double,
                format!("{path}.schedulerName"),
                format!("two profiles are called `{}`", profile.name),
            );
            profiles.push(profile);
        }
        if profiles.is_empty() {
            let default = Profile::default_of(minor);
            profiles.push(Profile { percentage_of_nodes_to_score: share, ..default });
        }
        if faults.0.is_empty() { Ok(profiles) } else { Err(faults.0) }
    }
}

impl ProfileSpec {
    fn profile(&self, minor: u32, share: u32, path: &str, faults: &mut Faults) -> Profile {
        let mut profile = Profile::default_of(minor);
        if let Some(name) = &self.scheduler_name {
            profile.name.clone_from(name);
        }
        profile.percentage_of_nodes_to_score = self.percentage_of_nodes_to_score.unwrap_or(share);
        self.plugins.check(&format!("{path}.plugins"), faults);
        self.plugins.merge_into(&mut profile);
        for (at, config) in self.plugin_config.iter().enumerate() {
            let path = format!("{path}.pluginConfig[{at}]");
            check_name(&config.name, format!("{path}.name"), faults);
            config.apply(&mut profile, &format!("{path}.args"), faults);
        }
        profile
    }
}

fn check_name(name: &str, path: String, faults: &mut Faults) {
    if !known_plugins().any(|known| known == name) {
        let message = format!("there is no plugin `{name}` here");
        faults.0.push(Fault { path, message, is_unknown_plugin: true });
    }
}

impl Plugins {
    fn points(&self) -> [(&'static str, &PluginList); 13] {
        [
            ("multiPoint", &self.multi_point),
            ("queueSort", &self.queue_sort),
            ("preEnqueue", &self.pre_enqueue),
            ("preFilter", &self.pre_filter),
            ("filter", &self.filter),
            ("postFilter", &self.post_filter),
            ("preScore", &self.pre_score),
            ("score", &self.score),
            ("reserve", &self.reserve),
            ("permit", &self.permit),
            ("preBind", &self.pre_bind),
            ("bind", &self.bind),
            ("postBind", &self.post_bind),
        ]
    }

    fn check(&self, path: &str, faults: &mut Faults) {
        for (point, list) in self.points() {
            for (at, entry) in list.enabled.iter().enumerate() {
                let path = format!("{path}.{point}.enabled[{at}]");
                check_name(&entry.name, format!("{path}.name"), faults);
                let weight = entry.weight.unwrap_or(0);
                faults.unless(
                    (0..=100).contains(&weight),
                    format!("{path}.weight"),
                    format!("expected 0 to 100, found {weight}"),
                );
            }
            for (at, entry) in list.disabled.iter().enumerate() {
                if entry.name != "*" {
                    let path = format!("{path}.{point}.disabled[{at}].name");
                    check_name(&entry.name, path, faults);
                }
            }
        }
    }

    /// Lists of a point win over those of `multiPoint`; what is enabled wins over what is disabled.
    fn merge_into(&self, profile: &mut Profile) {
        let multi = &self.multi_point;
        let is_on = |list: &PluginList, name: &str| {
            let by_default = !multi.disables(name) || multi.enabled(name).is_some();
            list.enabled(name).is_some() || (by_default && !list.disables(name))
        };
        for plugin in FILTERS {
            if !is_on(&self.filter, &plugin.to_string()) {
                profile.without_filters.insert(plugin);
            }
        }
        for plugin in SCORES {
            let name = plugin.to_string();
            let stated = self.score.enabled(&name).or_else(|| multi.enabled(&name));
            let weight = match stated {
                _ if !is_on(&self.score, &name) => 0,
                Some(entry) => entry.weight.filter(|weight| *weight > 0).unwrap_or(1),
                None => continue,
            };
            profile.weights.push((plugin, weight));
        }
        profile.has_preemption = is_on(&self.post_filter, "DefaultPreemption");
    }
}

impl PluginConfig {
    fn apply(&self, profile: &mut Profile, path: &str, faults: &mut Faults) {
        let args = &self.args;
        match self.name.as_str() {
            "NodeResourcesFit" => args.fit(profile, path, faults),
            "NodeResourcesBalancedAllocation" => {
                if let Some(resources) = &args.resources {
                    profile.balanced_resources =
                        weighted(resources, &format!("{path}.resources"), faults);
                }
            }
            "PodTopologySpread" => args.spreading(profile, path, faults),
            "InterPodAffinity" => {
                let weight = args.hard_pod_affinity_weight.unwrap_or(1);
                faults.unless(
                    (0..=100).contains(&weight),
                    format!("{path}.hardPodAffinityWeight"),
                    format!("expected 0 to 100, found {weight}"),
                );
                profile.hard_pod_affinity_weight = weight;
                profile.ignores_preferred_terms_of_existing_pods =
                    args.ignore_preferred_terms_of_existing_pods;
            }
            "NodeAffinity" => profile.added_affinity = args.added_affinity.clone().map(Arc::new),
            "DefaultPreemption" => {
                let percentage = args.min_candidate_nodes_percentage.unwrap_or(10);
                faults.unless(
                    percentage <= 100,
                    format!("{path}.minCandidateNodesPercentage"),
                    format!("expected 0 to 100, found {percentage}"),
                );
                profile.preemption_candidates =
                    (percentage, args.min_candidate_nodes_absolute.unwrap_or(100));
            }
            _ => {}
        }
    }
}

impl Arguments {
    fn fit(&self, profile: &mut Profile, path: &str, faults: &mut Faults) {
        profile.ignored_resources.clone_from(&self.ignored_resources);
        let groups = self.ignored_resource_groups.iter().map(|group| format!("{group}/"));
        profile.ignored_resources.extend(groups);
        let Some(strategy) = &self.scoring_strategy else { return };
        if let Some(resources) = &strategy.resources {
            let path = format!("{path}.scoringStrategy.resources");
            profile.fit_resources = weighted(resources, &path, faults);
        }
        profile.fit = match strategy.type_.as_deref() {
            None | Some("LeastAllocated") => FitStrategy::LeastAllocated,
            Some("MostAllocated") => FitStrategy::MostAllocated,
            Some("RequestedToCapacityRatio") => {
                let path = format!("{path}.scoringStrategy.requestedToCapacityRatio.shape");
                let ratio = strategy.requested_to_capacity_ratio.as_ref();
                let shape = ratio.map(|ratio| ratio.shape.as_slice()).unwrap_or_default();
                FitStrategy::RequestedToCapacityRatio(points(shape, &path, faults))
            }
            Some(other) => {
                let message = format!(
                    "expected `LeastAllocated`, `MostAllocated` or `RequestedToCapacityRatio`, found `{other}`"
                );
                faults.add(format!("{path}.scoringStrategy.type"), message);
                FitStrategy::default()
            }
        };
    }

    fn spreading(&self, profile: &mut Profile, path: &str, faults: &mut Faults) {
        match self.defaulting_type.as_deref() {
            None | Some("System") => faults.unless(
                self.default_constraints.is_empty(),
                format!("{path}.defaultConstraints"),
                "must be empty unless `defaultingType` is `List`",
            ),
            Some("List") => {
                profile.default_spreading =
                    DefaultSpreading::List(self.default_constraints.clone());
            }
            Some(other) => faults.add(
                format!("{path}.defaultingType"),
                format!("expected `System` or `List`, found `{other}`"),
            ),
        }
        for (at, constraint) in self.default_constraints.iter().enumerate() {
            let path = format!("{path}.defaultConstraints[{at}]");
            faults.unless(
                constraint.label_selector.is_none(),
                format!("{path}.labelSelector"),
                "constraint must not define a selector, as they deduced for each pod",
            );
            faults.unless(
                constraint.max_skew > 0,
                format!("{path}.maxSkew"),
                "not in the range (0, +Inf]",
            );
        }
    }
}

fn weighted(resources: &[ResourceWeight], path: &str, faults: &mut Faults) -> ScoredResources {
    let weight = |(at, entry): (usize, &ResourceWeight)| {
        let weight = entry.weight.filter(|weight| *weight != 0).unwrap_or(1);
        faults.unless(
            (1..=100).contains(&weight),
            format!("{path}[{at}].weight"),
            format!("expected 1 to 100, found {weight}"),
        );
        (entry.name.clone(), weight)
    };
    ScoredResources(resources.iter().enumerate().map(weight).collect())
}

fn points(shape: &[Point], path: &str, faults: &mut Faults) -> Vec<(i64, i64)> {
    faults.unless(!shape.is_empty(), path.to_owned(), "at least one point must be specified");
    for (at, point) in shape.iter().enumerate() {
        faults.unless(
            (0..=100).contains(&point.utilization),
            format!("{path}[{at}].utilization"),
            format!("expected 0 to 100, found {}", point.utilization),
        );
        faults.unless(
            (0..=10).contains(&point.score),
            format!("{path}[{at}].score"),
            format!("expected 0 to 10, found {}", point.score),
        );
        let is_rising = at == 0 || shape[at - 1].utilization < point.utilization;
        faults.unless(
            is_rising,
            format!("{path}[{at}].utilization"),
            "utilization values must be sorted in increasing order",
        );
    }
    shape.iter().map(|point| (point.utilization, point.score)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(text: &str) -> Result<Vec<Profile>, Vec<String>> {
        let text = format!(
            "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n{text}"
        );
        let configuration: Configuration = serde_yaml::from_str(&text).unwrap();
        let told = |fault: Fault| format!("{}: {}", fault.path, fault.message);
        configuration.profiles(36).map_err(|faults| faults.into_iter().map(told).collect())
    }

    /// Draws weights, filters that are out, and whether there is preemption, of a profile with these plugins.
    fn drawn(plugins: &str) -> String {
        let profiles = profiles(&format!("profiles: [{{plugins: {plugins}}}]")).unwrap();
        let weights: Vec<String> =
            SCORES.iter().map(|plugin| profiles[0].weight(*plugin).to_string()).collect();
        let out: Vec<String> = FILTERS
            .iter()
            .filter(|plugin| profiles[0].without_filters.contains(**plugin))
            .map(ToString::to_string)
            .collect();
        let preemption = if profiles[0].has_preemption { "" } else { " no preemption" };
        format!("{} [{}]{preemption}", weights.join(" "), out.join(" "))
    }

    #[test]
    fn plugin_sets_are_merged_over_the_defaults() {
        let check =
            |plugins: &str, expected: &str| assert_eq!(drawn(plugins), expected, "{plugins}");
        check("{}", "3 2 1 2 2 1 1 []");
        check("{score: {disabled: [{name: PodTopologySpread}]}}", "3 2 1 0 2 1 1 []");
        check("{score: {disabled: [{name: '*'}]}}", "0 0 0 0 0 0 0 []");
        check(
            "{score: {disabled: [{name: '*'}], enabled: [{name: NodeResourcesFit, weight: 5}]}}",
            "0 0 5 0 0 0 0 []",
        );
        // A default that is listed anew without a weight weighs 1, whatever it weighed.
        check("{score: {enabled: [{name: TaintToleration}]}}", "1 2 1 2 2 1 1 []");
        check("{multiPoint: {enabled: [{name: NodeAffinity, weight: 7}]}}", "3 7 1 2 2 1 1 []");
        // A point's own list wins over multiPoint.
        check(
            "{multiPoint: {enabled: [{name: NodeAffinity, weight: 7}]}, score: {enabled: [{name: NodeAffinity, weight: 9}]}}",
            "3 9 1 2 2 1 1 []",
        );
        check(
            "{multiPoint: {disabled: [{name: InterPodAffinity}]}}",
            "3 2 1 2 0 1 1 [InterPodAffinity]",
        );
        check(
            "{multiPoint: {disabled: [{name: InterPodAffinity}]}, filter: {enabled: [{name: InterPodAffinity}]}}",
            "3 2 1 2 0 1 1 []",
        );
        check("{filter: {disabled: [{name: NodePorts}]}}", "3 2 1 2 2 1 1 [NodePorts]");
        check("{postFilter: {disabled: [{name: '*'}]}}", "3 2 1 2 2 1 1 [] no preemption");
    }

    #[test]
    fn arguments_reach_their_plugins() {
        let all = profiles(
            "percentageOfNodesToScore: 30
profiles:
- schedulerName: packing
  percentageOfNodesToScore: 70
  pluginConfig:
  - name: NodeResourcesFit
    args:
      apiVersion: kubescheduler.config.k8s.io/v1
      kind: NodeResourcesFitArgs
      ignoredResources: [example.com/a]
      ignoredResourceGroups: [example.org]
      scoringStrategy:
        type: RequestedToCapacityRatio
        resources: [{name: nvidia.com/gpu, weight: 3}, {name: cpu}]
        requestedToCapacityRatio: {shape: [{utilization: 0, score: 0}, {utilization: 100, score: 10}]}
  - {name: InterPodAffinity, args: {hardPodAffinityWeight: 0, ignorePreferredTermsOfExistingPods: true}}
  - {name: DefaultPreemption, args: {minCandidateNodesPercentage: 5, minCandidateNodesAbsolute: 7}}
  - name: PodTopologySpread
    args:
      defaultingType: List
      defaultConstraints: [{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: DoNotSchedule}]
- {}",
        )
        .unwrap();
        let packing = &all[0];
        assert_eq!((all[0].name.as_str(), all[1].name.as_str()), ("packing", "default-scheduler"));
        assert_eq!(
            (all[0].percentage_of_nodes_to_score, all[1].percentage_of_nodes_to_score),
            (70, 30)
        );
        assert_eq!(packing.fit, FitStrategy::RequestedToCapacityRatio(vec![(0, 0), (100, 10)]));
        assert_eq!(packing.fit_resources.0, [("nvidia.com/gpu".into(), 3), ("cpu".into(), 1)]);
        assert_eq!(packing.ignored_resources, ["example.com/a", "example.org/"]);
        assert_eq!(packing.hard_pod_affinity_weight, 0);
        assert!(packing.ignores_preferred_terms_of_existing_pods);
        assert_eq!(packing.preemption_candidates, (5, 7));
        assert!(
            matches!(&packing.default_spreading, DefaultSpreading::List(list) if list.len() == 1)
        );
        assert_eq!(all[1], Profile { percentage_of_nodes_to_score: 30, ..Profile::default_of(36) });
    }

    #[test]
    fn faults_name_their_places() {
        let found = profiles(
            "percentageOfNodesToScore: 101
profiles:
- plugins: {score: {enabled: [{name: NodeResourceFit}, {name: ImageLocality, weight: 101}], disabled: [{name: '*'}]}}
  pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: [{utilization: 50, score: 11}, {utilization: 50, score: 1}]}}}
  - {name: PodTopologySpread, args: {defaultConstraints: [{maxSkew: 0, topologyKey: a, whenUnsatisfiable: ScheduleAnyway}]}}
- {}",
        )
        .unwrap_err();
        insta::assert_snapshot!(found.join("\n"), @r#"
        percentageOfNodesToScore: expected 0 to 100, found 101
        profiles[0].plugins.score.enabled[0].name: there is no plugin `NodeResourceFit` here
        profiles[0].plugins.score.enabled[1].weight: expected 0 to 100, found 101
        profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio.shape[0].score: expected 0 to 10, found 11
        profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio.shape[1].utilization: utilization values must be sorted in increasing order
        profiles[0].pluginConfig[1].args.defaultConstraints: must be empty unless `defaultingType` is `List`
        profiles[0].pluginConfig[1].args.defaultConstraints[0].maxSkew: not in the range (0, +Inf]
        profiles[1].schedulerName: two profiles are called `default-scheduler`
        "#);
    }
}
