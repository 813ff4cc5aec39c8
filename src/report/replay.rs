//! The events of one run, read once and turned into what pictures need.
//!
//! Tracks of groups (phases with revisions), intervals in which a pod holds accelerators of a node, changes of nodes, step
//! curves of groups ready and wanted, and marks (what the timeline did, rollouts, warnings).
//!
//! As for metrics, groups count where a set was wanted; pods of other tenants are seen on the nodes only.

use super::curve::Curve;
use crate::backend::record::{GroupPhase, NodeChange, PodChange, Record, RolloutChange, What};
use crate::experiment::result::ResultError;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most marks that are kept of a kind; the rest is counted.
const MARKS_MAX: usize = 200;
const NS_PER_MS: u64 = 1_000_000;

/// What happened in a run.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// The last instant of the run.
    pub(super) end_ms: u64,
    /// Groups in the order of their set and index.
    pub(super) groups: Vec<GroupTrack>,
    /// Names of sets, in order of appearance.
    pub(super) sets: Vec<Arc<str>>,
    /// Revision keys, in order of appearance.
    pub(super) revisions: Vec<Arc<str>>,
    /// Groups that are ready.
    pub(super) ready: Curve,
    /// Groups that are wanted.
    pub(super) wanted: Curve,
    /// Nodes that events name, in order of appearance.
    pub(super) nodes: Vec<Arc<str>>,
    /// Who held what, in order of start.
    pub(super) holdings: Vec<Holding>,
    /// Changes of nodes, in order.
    pub(super) node_changes: Vec<(u64, usize, NodeChange)>,
    /// What a reader wants to see marked, in order.
    pub(super) marks: Vec<Mark>,
    /// Marks beyond the limit.
    pub(super) marks_left_out: usize,
}

/// The life of a group.
#[derive(Debug)]
pub(super) struct GroupTrack {
    /// Leader pod.
    pub(super) name: Arc<str>,
    /// Index into [`Replay::sets`].
    pub(super) set: usize,
    /// Index of the group in its set.
    pub(super) index: u32,
    /// Phases in order; each lasts until the next.
    pub(super) phases: Vec<PhaseStart>,
}

/// The start of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PhaseStart {
    /// When.
    pub(super) at_ms: u64,
    /// The phase.
    pub(super) phase: GroupPhase,
    /// Index into [`Replay::revisions`].
    pub(super) revision: usize,
}

/// A pod on a node.
#[derive(Debug)]
pub(super) struct Holding {
    /// Index into [`Replay::nodes`].
    pub(super) node: usize,
    /// When it was bound.
    pub(super) start_ms: u64,
    /// When it was gone or had failed; `None` if it is there at the end.
    pub(super) end_ms: Option<u64>,
    /// Accelerators held.
    pub(super) accelerators: u32,
    /// Its group's leader pod, or itself.
    pub(super) group: Arc<str>,
    /// The pod.
    pub(super) pod: Arc<str>,
}

/// Something worth a mark on a time axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// When.
    pub(super) at_ms: u64,
    /// What kind.
    pub(super) kind: MarkKind,
    /// In words.
    pub(super) text: String,
    /// How often in a row.
    pub(super) times: u32,
}

/// Kind of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MarkKind {
    /// The timeline did something.
    Action,
    /// A rollout began or ended.
    Rollout,
    /// A node changed.
    Node,
    /// A Kubernetes event of type Warning.
    Warning,
    /// A Kubernetes event of type Normal.
    Event,
}

#[derive(Default)]
struct Reading {
    replay: Replay,
    groups: IndexMap<Arc<str>, GroupTrack>,
    sets: IndexMap<Arc<str>, SetState>,
    revisions: IndexMap<Arc<str>, ()>,
    nodes: IndexMap<Arc<str>, ()>,
    /// Group, accelerators and open holding of each pod that exists.
    pods: BTreeMap<Arc<str>, (Arc<str>, u32, Option<usize>)>,
    marks: BTreeMap<MarkKind, usize>,
    ready: i64,
}

#[derive(Default)]
struct SetState {
    /// Groups wanted; `None` before the first word of it.
    wanted: Option<u32>,
    ready: i64,
}

impl Replay {
    /// Reads the records of a run that ended at `end_ms`.
    pub(super) fn read(
        records: impl Iterator<Item = Result<Record, ResultError>>,
        end_ms: u64,
    ) -> Result<Self, ResultError> {
        let mut reading = Reading::default();
        for record in records {
            let record = record?;
            let at_ms = record.at.0 / NS_PER_MS;
            reading.replay.end_ms = reading.replay.end_ms.max(at_ms);
            reading.record(at_ms, record.what);
        }
        reading.replay.end_ms = reading.replay.end_ms.max(end_ms);
        Ok(reading.finish())
    }
}

impl Reading {
    fn record(&mut self, at_ms: u64, what: What) {
        match what {
            What::Action(text) => self.mark(at_ms, MarkKind::Action, text),
            What::Wanted { set, replicas, size: _ } => {
                let state = self.sets.entry(set).or_default();
                if state.wanted.replace(replicas).is_none() && state.ready > 0 {
                    self.ready += state.ready;
                    self.replay.ready.set(at_ms, self.ready);
                }
                let wanted =
                    self.sets.values().filter_map(|state| state.wanted).map(i64::from).sum();
                self.replay.wanted.set(at_ms, wanted);
            }
            What::Rollout { set, number, change } => {
                let change = match change {
                    RolloutChange::Started => "started",
                    RolloutChange::Finished => "finished",
                    RolloutChange::Superseded => "was overtaken by the next change",
                };
                let text = format!("rollout {number} of {set} {change}");
                self.mark(at_ms, MarkKind::Rollout, text);
            }
            What::Group { group, set, index, revision, phase } => {
                self.group(at_ms, &group, set, index, revision, phase);
            }
            What::Pod { pod, incarnation: _, change } => self.pod(at_ms, pod, change),
            What::Node { node, change } => self.node(at_ms, node, change),
            What::Event { regarding, warning, reason, note } => {
                let kind = if warning { MarkKind::Warning } else { MarkKind::Event };
                self.mark(at_ms, kind, format!("{regarding}: {reason}: {note}"));
            }
            What::Status { .. } | What::LeaderSet { .. } => {}
        }
    }

    fn mark(&mut self, at_ms: u64, kind: MarkKind, text: String) {
        let marks = &mut self.replay.marks;
        let last = marks.iter_mut().rev().find(|mark| mark.kind == kind);
        if let Some(last) = last.filter(|last| last.text == text) {
            last.times += 1;
            return;
        }
        let count = self.marks.entry(kind).or_default();
        *count += 1;
        if *count > MARKS_MAX {
            self.replay.marks_left_out += 1;
        } else {
            marks.push(Mark { at_ms, kind, text, times: 1 });
        }
    }

    fn group(
        &mut self,
        at_ms: u64,
        name: &Arc<str>,
        set: Arc<str>,
        index: u32,
        revision: Arc<str>,
        phase: GroupPhase,
    ) {
        let set = self.sets.entry(set);
        let set_index = set.index();
        let state = set.or_default();
        let revision_index = self.revisions.insert_full(revision, ()).0;
        let track = self.groups.entry(name.clone()).or_insert_with(|| GroupTrack {
            name: name.clone(),
            set: set_index,
            index,
            phases: Vec::new(),
        });
        let was_ready = track.phases.last().is_some_and(|last| last.phase == GroupPhase::Ready);
        let start = PhaseStart { at_ms, phase, revision: revision_index };
        match track.phases.last_mut() {
            // A phase that lasts no time leaves no trace in a picture.
            Some(last) if last.at_ms == at_ms => *last = start,
            _ => track.phases.push(start),
        }
        let change = i64::from(phase == GroupPhase::Ready) - i64::from(was_ready);
        state.ready += change;
        if state.wanted.is_some() {
            self.ready += change;
            self.replay.ready.set(at_ms, self.ready);
        }
    }

    fn pod(&mut self, at_ms: u64, pod: Arc<str>, change: PodChange) {
        match change {
            PodChange::Created { group, revision: _, accelerators } => {
                self.pods.insert(pod, (group, accelerators, None));
            }
            PodChange::Bound(node) => {
                let node = self.nodes.insert_full(node, ()).0;
                let (group, accelerators, open) =
                    self.pods.entry(pod.clone()).or_insert_with(|| (pod.clone(), 0, None));
                *open = Some(self.replay.holdings.len());
                self.replay.holdings.push(Holding {
                    node,
                    start_ms: at_ms,
                    end_ms: None,
                    accelerators: *accelerators,
                    group: group.clone(),
                    pod,
                });
            }
            // A failed pod's resources are free, though the pod is still there.
            PodChange::Failed | PodChange::Gone => {
                let open = match change {
                    PodChange::Gone => self.pods.remove(&pod).and_then(|pod| pod.2),
                    _ => self.pods.get_mut(&pod).and_then(|pod| pod.2.take()),
                };
                if let Some(open) = open {
                    self.replay.holdings[open].end_ms = Some(at_ms);
                }
            }
            PodChange::Unschedulable(_)
            | PodChange::Stage(_)
            | PodChange::Ready
            | PodChange::Unready
            | PodChange::Restarted
            | PodChange::Deleting => {}
        }
    }

    fn node(&mut self, at_ms: u64, node: Arc<str>, change: NodeChange) {
        let text = match change {
            NodeChange::Cordoned => "was cordoned",
            NodeChange::Uncordoned => "was uncordoned",
            NodeChange::Down => "went down",
            NodeChange::Up => "came up",
            NodeChange::NotReady => "became NotReady",
            NodeChange::Ready => "became Ready",
            NodeChange::Removed => "was removed",
        };
        self.mark(at_ms, MarkKind::Node, format!("node {node} {text}"));
        let node = self.nodes.insert_full(node, ()).0;
        self.replay.node_changes.push((at_ms, node, change));
    }

    fn finish(self) -> Replay {
        let mut groups: Vec<GroupTrack> = self.groups.into_values().collect();
        groups.retain(|group| self.sets[group.set].wanted.is_some());
        groups.sort_by(|a, b| (a.set, a.index, &a.name).cmp(&(b.set, b.index, &b.name)));
        Replay {
            groups,
            sets: self.sets.into_keys().collect(),
            revisions: self.revisions.into_keys().collect(),
            nodes: self.nodes.into_keys().collect(),
            ..self.replay
        }
    }
}

/// Returns phase letters of a group's track, for tests: `W`aiting, `S`cheduling, `P`ulling, `L`oading, `R`eady, `B`roken,
/// `T`erminating, `G`one, each with its instant.
#[cfg(test)]
fn drawing(track: &GroupTrack) -> String {
    let phases = track.phases.iter().map(|start| {
        let letter = format!("{:?}", start.phase).remove(0);
        format!("{letter}{}/{}", start.at_ms, start.revision)
    });
    phases.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Time;

    fn replay(records: Vec<(u64, What)>) -> Replay {
        let records = records
            .into_iter()
            .map(|(at_ms, what)| Ok(Record { at: Time(at_ms * NS_PER_MS), what }));
        Replay::read(records, 0).unwrap()
    }

    fn group(name: &str, index: u32, revision: &str, phase: GroupPhase) -> What {
        What::Group {
            group: name.into(),
            set: "default/s".into(),
            index,
            revision: revision.into(),
            phase,
        }
    }

    fn pod(pod: &str, change: PodChange) -> What {
        What::Pod { pod: pod.into(), incarnation: 1, change }
    }

    #[test]
    fn groups_become_tracks_and_a_curve_of_ready_groups() {
        use GroupPhase::{Gone, Loading, Ready, Terminating, Waiting};
        let replay = replay(vec![
            (0, What::Wanted { set: "default/s".into(), replicas: 2, size: 1 }),
            (0, group("default/s-1", 1, "a", Waiting)),
            (0, group("default/s-0", 0, "a", Waiting)),
            (5, group("default/s-0", 0, "a", Loading)),
            (9, group("default/s-0", 0, "a", Ready)),
            (20, group("default/s-0", 0, "a", Terminating)),
            (30, group("default/s-0", 0, "a", Gone)),
            (30, group("default/s-0", 0, "b", Waiting)),
            (40, group("default/s-0", 0, "b", Ready)),
        ]);
        assert_eq!(drawing(&replay.groups[0]), "W0/0 L5/0 R9/0 T20/0 W30/1 R40/1");
        assert_eq!(drawing(&replay.groups[1]), "W0/0");
        assert_eq!(replay.ready.steps(), [(0, 0), (9, 1), (20, 0), (40, 1)]);
        assert_eq!(replay.end_ms, 40);
    }

    #[test]
    fn groups_of_other_tenants_do_not_count() {
        let wanted = What::Wanted { set: "default/s".into(), replicas: 1, size: 1 };
        let replay = |records| replay(records).ready.steps().to_vec();
        let ready = || group("default/s-0", 0, "a", GroupPhase::Ready);
        assert_eq!(replay(vec![(5, ready())]), []);
        assert_eq!(replay(vec![(5, ready()), (7, wanted)]), [(7, 1)]);
    }

    #[test]
    fn pods_hold_accelerators_from_binding_until_they_are_gone_or_failed() {
        let created = |accelerators| PodChange::Created {
            group: "default/s-0".into(),
            revision: "a".into(),
            accelerators,
        };
        let replay = replay(vec![
            (1, pod("default/s-0", created(8))),
            (2, pod("default/s-0", PodChange::Bound("n1".into()))),
            (2, pod("default/s-0-1", created(4))),
            (3, pod("default/s-0-1", PodChange::Bound("n2".into()))),
            (7, pod("default/s-0", PodChange::Failed)),
            (8, pod("default/s-0", PodChange::Gone)),
            (9, pod("default/s-0", created(8))),
            (10, pod("default/s-0", PodChange::Bound("n2".into()))),
        ]);
        let holdings: Vec<_> = replay
            .holdings
            .iter()
            .map(|h| (&*replay.nodes[h.node], h.start_ms, h.end_ms, h.accelerators))
            .collect();
        assert_eq!(holdings, [("n1", 2, Some(7), 8), ("n2", 3, None, 4), ("n2", 10, None, 8)]);
    }

    #[test]
    fn wanted_groups_are_summed_over_sets() {
        let wanted = |set: &str, replicas| What::Wanted { set: set.into(), replicas, size: 2 };
        let replay = replay(vec![(0, wanted("a", 2)), (0, wanted("b", 3)), (9, wanted("a", 0))]);
        assert_eq!(replay.wanted.steps(), [(0, 5), (9, 3)]);
    }

    #[test]
    fn repeated_warnings_are_one_mark_and_too_many_are_counted() {
        let event = |note: String| What::Event {
            regarding: "Pod/default/p".into(),
            warning: true,
            reason: "FailedScheduling".into(),
            note,
        };
        let mut records = vec![(0, event("same".into())), (1, event("same".into()))];
        records.extend((0..300).map(|i| (2, event(format!("note {i}")))));
        let replay = replay(records);
        assert_eq!((replay.marks[0].times, replay.marks.len()), (2, MARKS_MAX));
        assert_eq!(replay.marks_left_out, 301 - MARKS_MAX);
    }
}
