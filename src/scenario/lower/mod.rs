//! From a loaded scenario to the set-up of a run.
//!
//! Every problem that can be found is reported, not only the first. The order of everything in the result follows the
//! files, never a hash.

mod control;
mod distribution;
mod explore;
mod names;
mod nodes;
mod priorities;
mod profiles;
mod scheduler;
mod timeline;
mod workloads;

use super::diagnostic::{Code, Diagnostic, has_errors, suggestion};
use super::load::{Loaded, Variant};
use super::schema::{KubernetesVersion, Scenario};
use super::tree::{At, Node};
use crate::backend::sim::setup::{Kubernetes, Params, PriorityClass, Setup};
use crate::controller::{Fix, Fixes};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use names::Names;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use profiles::builtin_profiles;

/// The only gate whose effect is simulated.
const MAX_UNAVAILABLE_STATEFUL_SET: &str = "MaxUnavailableStatefulSet";
/// Events at most: more than an hour of computing, so that a run without end is an error and not a hang; an assumption.
const EVENTS_MAX: u64 = 200_000_000;

/// A variant, ready to run.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// What the run is made of.
    pub setup: Setup,
    /// What the user should know of: objects that are not simulated, labels that no node has.
    pub warnings: Vec<Diagnostic>,
}

/// Turns a variant of a scenario into the set-up of a run.
pub fn lower(loaded: &Loaded, variant: &str) -> Result<Lowered, Vec<Diagnostic>> {
    let Some(chosen) = loaded.variants.get(variant) else {
        let message = format!("scenario `{}` has no variant `{variant}`", loaded.name);
        let mut diagnostic = Diagnostic::error(Code::UnknownName, message).in_file("--variant");
        diagnostic.help = suggestion(variant, loaded.variants.keys().map(String::as_str));
        return Err(vec![diagnostic]);
    };
    let mut lowering = Lowering::new(loaded, chosen);
    let setup = lowering.setup();
    let problems = lowering.problems;
    match setup {
        Some(setup) if !has_errors(&problems) => Ok(Lowered { setup, warnings: problems }),
        _ => {
            assert!(has_errors(&problems), "a scenario that cannot be lowered says why");
            Err(problems)
        }
    }
}

/// The variant that is being lowered and what was found wrong.
struct Lowering<'a> {
    loaded: &'a Loaded,
    scenario: &'a Scenario,
    tree: &'a Node,
    problems: Vec<Diagnostic>,
    /// Manifests of sets by `namespace/name`, as the user's writes up to here leave them.
    sets: BTreeMap<String, Node>,
    priority_classes: Vec<PriorityClass>,
    budgets: Vec<Arc<PodDisruptionBudget>>,
    /// Priority classes that pods name, with the places.
    classes_named: Vec<(String, At)>,
}

impl<'a> Lowering<'a> {
    fn new(loaded: &'a Loaded, variant: &'a Variant) -> Self {
        let Variant { scenario, tree, .. } = variant;
        Self {
            loaded,
            scenario,
            tree,
            problems: Vec::new(),
            sets: BTreeMap::new(),
            priority_classes: Vec::new(),
            budgets: Vec::new(),
            classes_named: Vec::new(),
        }
    }
}

impl Lowering<'_> {
    fn setup(&mut self) -> Option<Setup> {
        let fixes = self.fixes();
        let kubernetes = self.kubernetes(fixes);
        let (mut params, events_max) = self.params();
        let scheduler = self.scheduler(kubernetes.minor, &mut params);
        let nodes = self.nodes();
        let profiles = self.profiles();
        let labels = names::labels_of(&nodes);
        let existing = self.existing_pods(&nodes);
        let workloads = self.workloads(&profiles, &labels);
        let applied = self.applied(&profiles, &labels);
        let names = Names::new(workloads.iter().chain(applied.values().flatten()), &nodes);
        let explore = self.explore(&names);
        let timeline = self.timeline(applied, &names, &labels);
        let workloads = existing.into_iter().chain(workloads).collect();
        self.check_priority_classes();
        Some(Setup {
            kubernetes,
            nodes,
            workloads,
            timeline: timeline?,
            priority_classes: std::mem::take(&mut self.priority_classes),
            budgets: std::mem::take(&mut self.budgets),
            fixes,
            scheduler,
            params: Params { explore, ..params? },
            horizon: self.scenario.horizon.0,
            events_max,
        })
    }

    fn kubernetes(&mut self, fixes: Fixes) -> Kubernetes {
        let KubernetesVersion { minor, patch } = self.scenario.kubernetes;
        // Without a patch version the newest is meant. Only 1.35 changed in between: 1.35.4 turned the gate off again.
        let patch = patch.unwrap_or(if minor == 35 { 4 } else { 0 });
        let by_version = minor == 37 || (minor == 35 && patch <= 3);
        for gate in self.scenario.feature_gates.keys() {
            if gate != MAX_UNAVAILABLE_STATEFUL_SET {
                let mut warning = Diagnostic::warning(
                    Code::NotSimulated,
                    format!("feature gate `{gate}` has no effect in the simulator"),
                );
                warning.help = suggestion(gate, [MAX_UNAVAILABLE_STATEFUL_SET]);
                self.report_key(warning, &format!("featureGates.{gate}"));
            }
        }
        let chosen = self.scenario.feature_gates.get(MAX_UNAVAILABLE_STATEFUL_SET).copied();
        let is_on = fixes.has(Fix::B9) || chosen.unwrap_or(by_version);
        Kubernetes { minor, patch, max_unavailable_stateful_set: is_on }
    }

    /// Reports a problem at the value with this path.
    fn report(&mut self, diagnostic: Diagnostic, path: &str) {
        self.report_at(diagnostic, self.tree.place_of(path));
    }

    /// Reports a problem at the key with this path.
    fn report_key(&mut self, diagnostic: Diagnostic, path: &str) {
        self.report_at(diagnostic, self.tree.place_of_key(path));
    }

    fn report_at(&mut self, diagnostic: Diagnostic, at: At) {
        let placed = self.loaded.sources.place(diagnostic, at);
        if !self.problems.contains(&placed) {
            self.problems.push(placed);
        }
    }

    /// Reports an error at the value with this path.
    fn error(&mut self, code: Code, path: &str, message: impl Into<String>) {
        self.report(Diagnostic::error(code, message), path);
    }

    /// Reports that a name is not known, with the nearest that is.
    fn unknown_name<'n>(
        &mut self,
        code: Code,
        path: &str,
        message: String,
        name: &str,
        known: impl IntoIterator<Item = &'n str> + Clone,
    ) {
        let mut diagnostic = Diagnostic::error(code, message);
        diagnostic.help = suggestion(name, known);
        self.report(diagnostic, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::load;
    use std::path::Path;

    #[test]
    fn the_quickstart_is_two_groups_on_four_nodes_and_one_rollout() {
        let loaded = load(Path::new("scenarios/quickstart.yaml"), &[]).unwrap();
        let lowered = lower(&loaded, "base").unwrap();
        assert_eq!(lowered.warnings, []);
        let setup = lowered.setup;
        assert_eq!((setup.nodes.len(), setup.workloads.len(), setup.timeline.len()), (4, 2, 1));
        assert_eq!(setup.timeline[0].text, "setImage {set: vllm, image: vllm/vllm-openai:v0.9.0}");
        assert_eq!(setup.workloads[0].profile.stages.len(), 8);
        assert_eq!(setup.workloads[0].profile.stages[7].after, [6]);
    }

    #[test]
    fn settings_win_over_the_file_and_reach_into_workloads_by_the_name_of_a_set() {
        let set = |path: &str, value: &str| (path.to_owned(), value.to_owned());
        let settings = [
            set("workloads.vllm.replicas", "3"),
            set("kubernetes", "1.35.2"),
            set("horizon", "1h"),
        ];
        let loaded = load(Path::new("scenarios/quickstart.yaml"), &settings).unwrap();
        let setup = lower(&loaded, "base").unwrap().setup;
        assert!(setup.kubernetes.max_unavailable_stateful_set);
        assert_eq!(setup.horizon, crate::engine::Span::from_secs(3600));
        let crate::backend::sim::setup::Object::LeaderWorkerSet(lws) = &setup.workloads[0].object
        else {
            panic!("the first object of the manifest is the set")
        };
        assert_eq!(lws.spec.replicas, Some(3));
    }

    #[test]
    fn built_in_profiles_are_sound() {
        let loaded = load(Path::new("scenarios/quickstart.yaml"), &[]).unwrap();
        let chosen = &loaded.variants["base"];
        let mut lowering = Lowering::new(&loaded, chosen);
        let profiles = lowering.profiles();
        assert_eq!(lowering.problems, []);
        assert!(profiles.len() >= 8 && profiles.values().all(Option::is_some));
        assert!(builtin_profiles().values().all(|profile| !profile.about.is_empty()));
    }

    #[test]
    fn every_scenario_that_comes_with_lwsim_lowers_without_a_warning() {
        let mut files: Vec<_> =
            std::fs::read_dir("scenarios").unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        files.sort();
        assert!(files.len() >= 8);
        for file in files {
            let loaded = load(&file, &[])
                .unwrap_or_else(|problems| panic!("{}: {problems:#?}", file.display()));
            assert!(!loaded.scenario.about.is_empty(), "{}", file.display());
            for variant in loaded.variants() {
                let lowered = lower(&loaded, variant).unwrap_or_else(|problems| {
                    panic!("{} {variant}: {problems:#?}", file.display())
                });
                assert_eq!(lowered.warnings, [], "{} {variant}", file.display());
            }
        }
    }
}
