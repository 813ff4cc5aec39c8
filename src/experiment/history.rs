//! Random histories of a LeaderWorkerSet: faults first, then calm, after which every group must become ready or say why
//! it cannot.
//!
//! A history is a scenario and a manifest in YAML, made of a number alone: what fails here can be looked at and run by
//! anybody (`lwsim run history-7.yaml --check`). Makes and judges them; running is the business of others.

use crate::api::keys;
use crate::backend::record::{GroupPhase, Outcome, PodChange, Record, RunEnd, What};
use crate::engine::{Purpose, Stream, Streams};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

const HISTORY: Purpose = Purpose::named("history");
/// Things that happen in a history at most; an assumption, as all numbers here: small enough to be read by a person.
const STEPS_MAX: usize = 12;
const RACKS: usize = 4;
const RACK_KEY: &str = "cloud.provider.com/topology-rack";
/// Stands for the names of all nodes until their number is known.
const ALL_NODES: &str = "ALL-NODES";
const UNFAILING: &str = "writing to a string cannot fail";

/// A history as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Its number.
    pub number: u64,
    /// The scenario.
    pub scenario: String,
    /// The manifest.
    pub manifest: String,
    /// Whether every pod that it can ever want has a node.
    pub is_ample: bool,
    /// Nodes, of which each holds one pod; `None` where exclusive placement keeps some empty.
    pub nodes: Option<usize>,
    /// Whether the size of its groups changes: a group that was made with another size counts as not ready (B20 of LWS
    /// v0.10) and may eat the budget of the rollout that would cure it (B11).
    pub is_resized: bool,
}

/// Draws of one history and what they have come to.
struct Draws {
    stream: Stream,
    /// Most groups at a time, surge included, and most pods of a group.
    groups: usize,
    size: usize,
    images: usize,
    is_exclusive: bool,
    is_resized: bool,
}

impl Draws {
    fn below(&mut self, len: usize) -> usize {
        self.stream.index(len)
    }

    fn one_of<'t>(&mut self, items: &[&'t str]) -> &'t str {
        items[self.stream.index(items.len())]
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.stream.chance(probability)
    }
}

impl History {
    /// Returns the history with a number.
    pub fn new(number: u64) -> Self {
        let stream = Streams::new(number).stream(HISTORY, 0);
        let mut draws =
            Draws { stream, groups: 0, size: 0, images: 1, is_exclusive: false, is_resized: false };
        let manifest = manifest(&mut draws);
        let timeline = timeline(&mut draws, number);
        let is_ample = !draws.is_exclusive && draws.chance(0.7);
        // Each pod takes a whole node; two nodes more than all pods want may be away at a time.
        let wanted = draws.groups * draws.size;
        let nodes = if is_ample { wanted + 3 } else { 1 + draws.below(wanted.max(1)) };
        let per_rack = nodes.div_ceil(RACKS).max(1);
        let gate = draws.chance(0.5);
        let timeline = timeline.replace(ALL_NODES, &names(per_rack).join(", "));
        let scenario = format!(
            "about: History {number}, drawn at random.\n\
             featureGates: {{MaxUnavailableStatefulSet: {gate}}}\n\
             cluster: {{shape: {{racks: {{racks: {RACKS}, nodesPerRack: {per_rack}, gpus: 8}}}}}}\n\
             workloads:\n  - {{manifest: history-{number}-set.yaml, profile: quick}}\n\
             profiles:\n  quick:\n    about: Starts within seconds.\n    stages:\n\
             {:6}- {{name: pull, kind: pull, takes: {{uniform: {{min: 1s, max: 20s}}}}}}\n\
             {:6}- {{name: load, takes: {{uniform: {{min: 1s, max: 30s}}}}}}\n\
             timeline:\n{timeline}horizon: 24h\n",
            "", ""
        );
        let nodes = (!draws.is_exclusive).then_some(per_rack * RACKS);
        let is_resized = draws.is_resized;
        Self { number, scenario, manifest, is_ample, nodes, is_resized }
    }

    /// Returns what is wrong with the end of the history, if anything is: rules that were broken are judged elsewhere.
    ///
    /// In the end every group is ready, or the run is stuck and says for each group that is not what it waits for. Where
    /// there is room for all, no pod waits for a node.
    pub fn judge(&self, end: &RunEnd, phases: &Phases) -> Vec<String> {
        let mut wrong = Vec::new();
        match end.outcome {
            Outcome::Settled if !end.waits.is_empty() => {
                wrong.push("it is settled and waits".to_owned());
            }
            Outcome::Settled => {
                wrong.extend(
                    phases.groups.iter().filter(|(_, phase)| **phase != GroupPhase::Ready).map(
                        |(group, phase)| format!("it is settled, and group {group} is {phase:?}"),
                    ),
                );
            }
            Outcome::Stuck if end.waits.is_empty() => {
                wrong.push("it is stuck and says not why".to_owned());
            }
            Outcome::Stuck => {
                for wait in end.waits.iter().flat_map(|chain| &chain.chain) {
                    let waits_for_node = wait.waits_for.starts_with("a node: 0/");
                    let pod = wait.object.strip_prefix("Pod/").unwrap_or_default();
                    let is_full = self.nodes.is_none_or(|nodes| phases.bound.len() >= nodes);
                    if waits_for_node && (phases.bound.contains(pod) || !is_full) {
                        wrong.push(format!(
                            "{} waits for a node, with {} pods on {:?} nodes",
                            wait.object,
                            phases.bound.len(),
                            self.nodes
                        ));
                    }
                }
                for chain in &end.waits {
                    let group: &str = &chain.group;
                    let is_ready = phases.groups.get(group) == Some(&GroupPhase::Ready);
                    if chain.chain.is_empty() || is_ready {
                        wrong.push(format!("group {group} is said to wait: {:?}", chain.chain));
                    }
                }
                let says = |cause: &str| {
                    let mut waits = end.waits.iter().flat_map(|chain| &chain.chain);
                    waits.any(|wait| wait.waits_for.contains(cause))
                };
                let is_short = !self.is_ample && says("a node: 0/");
                let is_held = self.is_resized && says("partition, which stands at");
                if !is_short && !is_held {
                    wrong.push(format!("it is stuck: {:?}", end.waits));
                }
            }
            Outcome::Horizon => wrong.push("it never comes to rest".to_owned()),
            Outcome::Error => wrong.push("it reached a limit".to_owned()),
        }
        wrong
    }
}

/// The phase of each group that exists, and which pods have a node.
#[derive(Clone, Debug, Default)]
pub struct Phases {
    groups: BTreeMap<Arc<str>, GroupPhase>,
    bound: BTreeSet<Arc<str>>,
}

impl Phases {
    /// Takes in the next record.
    pub fn observe(&mut self, record: &Record) {
        match &record.what {
            What::Group { group, phase: GroupPhase::Gone, .. } => {
                self.groups.remove(group);
            }
            What::Group { group, phase, .. } => {
                self.groups.insert(Arc::clone(group), *phase);
            }
            What::Pod { pod, change: PodChange::Bound(_), .. } => {
                self.bound.insert(Arc::clone(pod));
            }
            What::Pod { pod, change: PodChange::Gone, .. } => {
                self.bound.remove(pod);
            }
            _ => {}
        }
    }
}

/// Returns the names of the nodes of a cluster of racks.
fn names(per_rack: usize) -> Vec<String> {
    let width = per_rack.to_string().len();
    (1..=RACKS)
        .flat_map(|rack| (1..=per_rack).map(move |node| format!("node-{rack}-{node:0width$}")))
        .collect()
}

fn manifest(draws: &mut Draws) -> String {
    let replicas = draws.below(5);
    let size = 1 + draws.below(3);
    let has_subgroups = size == 2 && draws.chance(0.3);
    draws.groups = replicas;
    draws.size = size;
    let mut annotations = Vec::new();
    if draws.chance(0.15) {
        draws.is_exclusive = true;
        annotations.push(format!("{}: {RACK_KEY}", keys::EXCLUSIVE_TOPOLOGY));
    } else if has_subgroups && draws.chance(0.3) {
        draws.is_exclusive = true;
        annotations.push(format!("{}: {RACK_KEY}", keys::SUBGROUP_EXCLUSIVE_TOPOLOGY));
    }
    let restart = draws.one_of(&[
        "RecreateGroupOnPodRestart",
        "RecreateGroupOnPodRestart",
        "RecreateGroupAfterStart",
        "None",
    ]);
    let startup = draws.one_of(&["LeaderCreated", "LeaderReady"]);
    let subdomain = draws.one_of(&["Shared", "Shared", "UniquePerReplica"]);
    let subgroups = if has_subgroups { "    subGroupPolicy: {subGroupSize: 1}\n" } else { "" };
    let leader = if draws.chance(0.3) {
        format!("    leaderTemplate: {}\n", template("leader:1"))
    } else {
        String::new()
    };
    format!(
        "apiVersion: leaderworkerset.x-k8s.io/v1\nkind: LeaderWorkerSet\n\
         metadata: {{name: s, annotations: {{{}}}}}\nspec:\n  replicas: {replicas}\n  startupPolicy: {startup}\n  \
         networkConfig: {{subdomainPolicy: {subdomain}}}\n  rolloutStrategy: {{type: RollingUpdate, rollingUpdateConfiguration: {}}}\n  \
         leaderWorkerTemplate:\n    size: {size}\n    restartPolicy: {restart}\n{subgroups}{leader}    workerTemplate: {}\n",
        annotations.join(", "),
        budget(draws),
        template("worker:1"),
    )
}

fn template(image: &str) -> String {
    format!(
        "{{spec: {{containers: [{{name: main, image: \"{image}\", resources: {{limits: {{nvidia.com/gpu: \"8\"}}}}}}]}}}}"
    )
}

/// Draws a budget that validation accepts: not both 0.
fn budget(draws: &mut Draws) -> String {
    let surge = draws.below(3);
    let unavailable = if surge == 0 { 1 + draws.below(2) } else { draws.below(3) };
    let partition = if draws.chance(0.2) { draws.below(4) } else { 0 };
    draws.groups = draws.groups.max(1);
    if draws.chance(0.15) {
        return format!("{{maxSurge: 50%, maxUnavailable: 34%, partition: {partition}}}");
    }
    format!("{{maxSurge: {surge}, maxUnavailable: {unavailable}, partition: {partition}}}")
}

fn timeline(draws: &mut Draws, number: u64) -> String {
    let mut text = String::new();
    let steps = 1 + draws.below(STEPS_MAX);
    let mut entry = |when: &str, what: &str| {
        writeln!(text, "  - {{{when}, {what}}}").expect(UNFAILING);
    };
    for _ in 0..steps {
        let when = match draws.below(5) {
            0 => "when: settled".to_owned(),
            1 => format!("after: {}ms", draws.below(200)),
            2 => format!("after: {}s", draws.below(10)),
            _ => format!("after: {}s", draws.below(120)),
        };
        let what = step(draws, number);
        entry(&when, &what);
    }
    // Calm: nothing is held back, some budget is left, every node is there.
    entry("after: 10m", &format!("uncordon: {{nodes: [{ALL_NODES}]}}"));
    entry(
        "after: 1s",
        "patch: {set: s, merge: {spec: {rolloutStrategy: {rollingUpdateConfiguration: {maxSurge: 0, maxUnavailable: 1, partition: 0}}}}}",
    );
    draws.groups += 2;
    text
}

/// Draws one thing that happens.
fn step(draws: &mut Draws, number: u64) -> String {
    let patch = |merge: String| format!("patch: {{set: s, merge: {{{merge}}}}}");
    match draws.below(20) {
        0..=3 => {
            draws.images += 1;
            // Now and then back to an older image, which is a rollback.
            let image =
                if draws.chance(0.3) { 1 + draws.below(draws.images) } else { draws.images };
            format!("setImage: {{set: s, image: \"worker:{image}\"}}")
        }
        4..=6 => {
            let replicas = draws.below(6);
            draws.groups = draws.groups.max(replicas);
            format!("scale: {{set: s, replicas: {replicas}}}")
        }
        7 => {
            let size = 1 + draws.below(3);
            draws.size = draws.size.max(size);
            draws.is_resized = true;
            patch(format!("spec: {{leaderWorkerTemplate: {{size: {size}}}}}"))
        }
        8 => {
            let budget = budget(draws);
            patch(format!("spec: {{rolloutStrategy: {{rollingUpdateConfiguration: {budget}}}}}"))
        }
        9 => {
            let policy = draws.one_of(&["LeaderCreated", "LeaderReady"]);
            patch(format!("spec: {{startupPolicy: {policy}}}"))
        }
        10 => {
            let policy =
                draws.one_of(&["RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None"]);
            patch(format!("spec: {{leaderWorkerTemplate: {{restartPolicy: {policy}}}}}"))
        }
        11 => {
            let label = draws.below(3);
            patch(format!("metadata: {{labels: {{mine: \"{label}\"}}}}"))
        }
        12 => {
            let policy = draws.one_of(&["Shared", "UniquePerReplica"]);
            patch(format!("spec: {{networkConfig: {{subdomainPolicy: {policy}}}}}"))
        }
        13 | 14 => "killContainer: {set: s}".to_owned(),
        15 | 16 => "killPod: {set: s}".to_owned(),
        17 => {
            let seconds = 5 + draws.below(600);
            format!("nodeDown: {{ofSet: s, for: {seconds}s}}")
        }
        18 => draws.one_of(&["cordon: {random: 1}", "drain: {ofSet: s}"]).to_owned(),
        _ if draws.chance(0.5) => {
            let propagation = draws.one_of(&["background", "foreground"]);
            format!("delete: {{set: s, propagation: {propagation}}}")
        }
        _ => format!("apply: {{manifest: history-{number}-set.yaml, profile: quick}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::record::{Wait, WaitChain};
    use crate::engine::Time;

    #[test]
    fn a_number_is_one_history_and_histories_differ() {
        assert_eq!(History::new(7), History::new(7));
        let scenarios: BTreeSet<String> =
            (0..100).map(|number| History::new(number).scenario).collect();
        assert_eq!(scenarios.len(), 100);
        let ample = (0..100).filter(|number| History::new(*number).is_ample).count();
        assert!((30..80).contains(&ample), "{ample}");
    }

    fn check(outcome: Outcome, waits_for: &[&str], group: Option<GroupPhase>, expected: usize) {
        let waits = waits_for
            .iter()
            .map(|text| WaitChain {
                group: "default/s-0".into(),
                chain: vec![Wait { object: "Pod/default/s-0".into(), waits_for: (*text).into() }],
            })
            .collect();
        let end = RunEnd { outcome, at: Time::ZERO, events: 1, waits, not_modelled: vec![] };
        let mut phases = Phases::default();
        if let Some(phase) = group {
            let (group, set, revision) = ("default/s-0".into(), "default/s".into(), "r".into());
            let what = What::Group { group, set, index: 0, revision, phase };
            phases.observe(&Record { at: Time::ZERO, what });
        }
        let history = History { is_ample: false, nodes: Some(0), ..History::new(1) };
        assert_eq!(history.judge(&end, &phases).len(), expected, "{end:?}");
    }

    #[test]
    fn a_history_ends_in_ready_groups_or_in_a_reason() {
        let room = "a node: 0/4 nodes are available: 4 Insufficient nvidia.com/gpu.";
        check(Outcome::Settled, &[], None, 0);
        check(Outcome::Settled, &[], Some(GroupPhase::Ready), 0);
        check(Outcome::Settled, &[], Some(GroupPhase::Loading), 1);
        check(Outcome::Settled, &[], Some(GroupPhase::Gone), 0);
        check(Outcome::Stuck, &[], None, 1);
        check(Outcome::Stuck, &[room], Some(GroupPhase::Waiting), 0);
        check(Outcome::Stuck, &[room], Some(GroupPhase::Ready), 1);
        check(Outcome::Stuck, &["its deletion to end"], Some(GroupPhase::Terminating), 1);
        check(Outcome::Horizon, &[room], None, 1);
        let waits = vec![WaitChain {
            group: "default/s-0".into(),
            chain: vec![Wait { object: "Pod/default/s-0".into(), waits_for: room.into() }],
        }];
        let end = RunEnd {
            outcome: Outcome::Stuck,
            at: Time::ZERO,
            events: 1,
            waits,
            not_modelled: vec![],
        };
        let history = History { is_ample: false, nodes: Some(4), ..History::new(1) };
        let wrong = history.judge(&end, &Phases::default());
        assert_eq!(wrong.len(), 1, "four nodes are free: {wrong:?}");
    }
}
