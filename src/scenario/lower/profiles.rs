//! Runtime profiles: stages in topological order.
//!
//! The built-in profiles are a file of the same form as a scenario's `profiles`, so that a user can copy one.

use super::Lowering;
use crate::backend::sim::setup::{Members, Profile, Source, Stage, StageCache, StageKind, Work};
use crate::engine::Distribution;
use crate::scenario::diagnostic::{Code, Diagnostic};
use crate::scenario::schema::{
    CacheSpec, Duration, Hit, MembersSpec, ProfileChoice, ProfileSpec, SourceSpec, StageKindSpec,
    StageSpec, TransferSpec,
};
use petgraph::algo::{tarjan_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// Time from SIGTERM to exit where a profile states none: an assumption.
const STOP_S: f64 = 1.0;

static BUILTIN: LazyLock<BTreeMap<String, ProfileSpec>> = LazyLock::new(|| {
    serde_yaml::from_str(include_str!("../profiles.yaml"))
        .expect("the built-in profiles have the form of the schema")
});

/// Returns the built-in profiles by name.
pub fn builtin_profiles() -> &'static BTreeMap<String, ProfileSpec> {
    &BUILTIN
}

/// Profiles by name.
pub(super) type Profiles = BTreeMap<String, Option<Arc<Profile>>>;

impl Lowering<'_> {
    /// Returns all profiles that a workload may name; one that is faulty is `None`, and reported.
    pub(super) fn profiles(&mut self) -> Profiles {
        let mut profiles = Profiles::new();
        for (name, spec) in builtin_profiles() {
            profiles.insert(name.clone(), self.profile(name, spec, "profiles"));
        }
        for (name, spec) in &self.scenario.profiles {
            profiles.insert(name.clone(), self.profile(name, spec, &format!("profiles.{name}")));
        }
        profiles
    }

    /// Returns the profile that a workload at a path chooses.
    pub(super) fn chosen_profile(
        &mut self,
        choice: &ProfileChoice,
        profiles: &Profiles,
        workload: &str,
    ) -> Option<Arc<Profile>> {
        let path = format!("{workload}.profile");
        match choice {
            ProfileChoice::Inline(spec) => self.profile("inline", spec, &path),
            ProfileChoice::Named(name) => {
                if let Some(profile) = profiles.get(name) {
                    return profile.clone();
                }
                let message = format!("there is no profile `{name}`");
                let known = profiles.keys().map(String::as_str);
                self.unknown_name(Code::UnknownName, &path, message, name, known);
                None
            }
        }
    }

    fn profile(&mut self, name: &str, spec: &ProfileSpec, path: &str) -> Option<Arc<Profile>> {
        let before = self.problems.len();
        let after = self.dependencies(&spec.stages, path)?;
        let order = self.order(&spec.stages, &after, path)?;
        let mut place = vec![0; order.len()];
        for (position, index) in order.iter().enumerate() {
            place[*index] = position;
        }
        let mut stages = Vec::with_capacity(order.len());
        for index in order {
            let stage = self.stage(&spec.stages[index], &format!("{path}.stages[{index}]"));
            let mut after: Vec<usize> = after[index].iter().map(|other| place[*other]).collect();
            after.sort_unstable();
            after.dedup();
            stages.extend(stage.map(|stage| Stage { after, ..stage }));
        }
        let stop = match &spec.stop {
            Some(stop) => self.distribution(stop, &format!("{path}.stop"))?,
            None => Distribution::Constant(STOP_S),
        };
        let peer_loss = match &spec.peer_loss {
            Some(peer_loss) => Some(self.distribution(peer_loss, &format!("{path}.peerLoss"))?),
            None => None,
        };
        (self.problems.len() == before)
            .then(|| Arc::new(Profile { name: name.into(), stages, stop, peer_loss }))
    }

    /// Returns for each stage the numbers of those that it waits for.
    fn dependencies(&mut self, stages: &[StageSpec], path: &str) -> Option<Vec<Vec<usize>>> {
        let before = self.problems.len();
        let mut after = Vec::with_capacity(stages.len());
        for (index, stage) in stages.iter().enumerate() {
            let path = format!("{path}.stages[{index}]");
            if stages[..index].iter().any(|other| other.name == stage.name) {
                let message = format!("two stages are called `{}`", stage.name);
                self.error(Code::DuplicateName, &format!("{path}.name"), message);
            }
            let Some(names) = &stage.after else {
                after.push(index.checked_sub(1).into_iter().collect());
                continue;
            };
            let mut numbers = Vec::new();
            for (place, name) in names.iter().enumerate() {
                if let Some(number) = stages.iter().position(|other| other.name == *name) {
                    numbers.push(number);
                    continue;
                }
                let known = stages.iter().map(|stage| stage.name.as_str());
                let message = format!("there is no stage `{name}`");
                let path = format!("{path}.after[{place}]");
                self.unknown_name(Code::UnknownName, &path, message, name, known);
            }
            after.push(numbers);
        }
        (self.problems.len() == before).then_some(after)
    }

    /// Returns the stages in an order in which each comes after those that it waits for.
    fn order(
        &mut self,
        stages: &[StageSpec],
        after: &[Vec<usize>],
        path: &str,
    ) -> Option<Vec<usize>> {
        let mut graph = DiGraph::<(), ()>::with_capacity(stages.len(), stages.len());
        let indices: Vec<NodeIndex> = stages.iter().map(|_| graph.add_node(())).collect();
        for (index, others) in after.iter().enumerate() {
            for other in others {
                graph.add_edge(indices[*other], indices[index], ());
            }
        }
        if let Ok(order) = toposort(&graph, None) {
            return Some(order.into_iter().map(NodeIndex::index).collect());
        }
        let mut circle: Vec<usize> = tarjan_scc(&graph)
            .into_iter()
            .find(|part| part.len() > 1 || graph.contains_edge(part[0], part[0]))
            .map(|part| part.into_iter().map(NodeIndex::index).collect())
            .unwrap_or_default();
        circle.sort_unstable();
        let names: Vec<String> =
            circle.iter().map(|index| format!("`{}`", stages[*index].name)).collect();
        let message = match names.as_slice() {
            [only] => format!("stage {only} waits for itself"),
            _ => format!("stages {} wait for each other in a circle", names.join(", ")),
        };
        let first = circle.first().copied().unwrap_or(0);
        let diagnostic = Diagnostic::error(Code::CyclicStages, message)
            .with_help("`after` names the stages that must have ended before");
        self.report(diagnostic, &format!("{path}.stages[{first}].after"));
        None
    }

    fn stage(&mut self, spec: &StageSpec, path: &str) -> Option<Stage> {
        let work = match (&spec.takes, &spec.transfer) {
            (Some(takes), None) => Work::Delay(self.distribution(takes, &format!("{path}.takes"))?),
            (None, Some(transfer)) => self.transfer(transfer, &format!("{path}.transfer"))?,
            (None, None) => {
                let message = format!("stage `{}` has neither `takes` nor `transfer`", spec.name);
                self.error(Code::MissingField, path, message);
                return None;
            }
            (Some(_), Some(_)) => {
                let message = format!(
                    "stage `{}` has both `takes` and `transfer`; one of them says what it does",
                    spec.name
                );
                self.error(Code::InvalidValue, &format!("{path}.transfer"), message);
                return None;
            }
        };
        if spec.group_timeout.is_some() && !spec.waits_for_group {
            let message = format!(
                "stage `{}` does not wait for its group, so that `groupTimeout` has no effect",
                spec.name
            );
            self.report_key(
                Diagnostic::error(Code::InvalidValue, message),
                &format!("{path}.groupTimeout"),
            );
            return None;
        }
        let cache = match &spec.cache {
            Some(cache) => Some(self.stage_cache(cache, &format!("{path}.cache"))?),
            None => None,
        };
        Some(Stage {
            name: spec.name.as_str().into(),
            after: Vec::new(),
            kind: match spec.kind {
                StageKindSpec::Pull => StageKind::Pull,
                StageKindSpec::Load => StageKind::Load,
            },
            by: match spec.by {
                MembersSpec::All => Members::All,
                MembersSpec::Leader => Members::Leader,
                MembersSpec::Workers => Members::Workers,
            },
            waits_for_group: spec.waits_for_group,
            group_timeout: spec.group_timeout.map(|Duration(span)| span),
            work,
            cache,
        })
    }

    fn stage_cache(&mut self, spec: &CacheSpec, path: &str) -> Option<StageCache> {
        let hit = match &spec.hit {
            Hit::Takes(takes) => {
                Work::Delay(self.distribution(takes, &format!("{path}.hit.takes"))?)
            }
            Hit::Transfer(transfer) => self.transfer(transfer, &format!("{path}.hit.transfer"))?,
        };
        let key = spec.key.as_deref().map(Arc::from);
        Some(StageCache { key, hit, is_volatile: spec.volatile })
    }

    fn transfer(&mut self, spec: &TransferSpec, path: &str) -> Option<Work> {
        let rate = self.distribution(&spec.rate, &format!("{path}.rate"))?;
        if let Distribution::Constant(rate) = rate
            && rate < 1.0
        {
            let message = "a transfer at a rate of 0 would never end";
            self.error(Code::InvalidValue, &format!("{path}.rate"), message);
        }
        let from = match spec.from {
            SourceSpec::Registry => Source::Registry,
            SourceSpec::ObjectStore => Source::ObjectStore,
            SourceSpec::Nfs => Source::Nfs,
            SourceSpec::NodeDisk => Source::NodeDisk,
        };
        Some(Work::Transfer { bytes: spec.size.0, from, rate })
    }
}
