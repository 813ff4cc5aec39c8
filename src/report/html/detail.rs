//! What the page knows of one run beyond its summary: tracks of groups, who held which node, marks.
//!
//! Sized to fit: a run that is too large loses first the groups beyond a number, then who holds which accelerator.

use crate::backend::record::{GroupPhase, NodeChange};
use crate::experiment::result::NodeSummary;
use crate::report::curve::Curve;
use crate::report::replay::{GroupTrack, Mark, MarkKind, Replay};
use serde::Serialize;
use std::sync::Arc;

/// Most rows of the Gantt chart; evenly chosen from all groups beyond.
const GROUPS_MAX: usize = 1_500;
/// Groups that are left when a run is too large.
const GROUPS_FEW: usize = 200;
/// Most intervals of occupancy before counts per node take their place.
const HOLDINGS_MAX: usize = 60_000;
/// Slices of time in which counts per node are kept.
const SLICES: u64 = 60;
const CURVE_STEPS_MAX: usize = 3_000;

/// A run in detail.
#[derive(Serialize)]
pub(super) struct Detail {
    sets: Vec<Arc<str>>,
    revisions: Vec<Arc<str>>,
    /// Names of nodes that are not in the table of nodes: those that joined later.
    nodes_more: Vec<Arc<str>>,
    /// Groups in the run; more than `groups` holds when some are left out.
    groups_total: usize,
    groups: Vec<GroupModel>,
    /// Flat pairs of instant and number.
    ready: Vec<i64>,
    wanted: Vec<i64>,
    occupancy: Occupancy,
    /// Instant, node, change.
    node_changes: Vec<(u64, usize, NodeChange)>,
    /// Instant, kind, text, times.
    marks: Vec<(u64, &'static str, String, u32)>,
    marks_left_out: usize,
}

/// Name, set, index and a flat list of instant, phase and revision.
type GroupModel = (Arc<str>, usize, u32, Vec<u64>);

/// Who holds accelerators, or at least how many are held.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Occupancy {
    /// In order of start: node, start after the start before, length (-1: until the end), accelerators, group, pod.
    Holdings(Vec<HoldingModel>),
    /// For each slice of time one digit (base 36) for each node.
    Counts { slice_ms: u64, used: Vec<String> },
}

type HoldingModel = (usize, u64, i64, u32, Owner, Pod);

/// A group by its place in `groups`, or a name.
#[derive(Serialize)]
#[serde(untagged)]
enum Owner {
    Group(usize),
    Name(Arc<str>),
}

/// A pod by its worker index (0 is the leader), or a name.
#[derive(Serialize)]
#[serde(untagged)]
enum Pod {
    Worker(u32),
    Name(Arc<str>),
}

/// Returns the fullest detail that takes at most `budget` bytes, with its size; `None` if none does.
pub(super) fn fitting(
    replay: &Replay,
    nodes: &[NodeSummary],
    budget: usize,
) -> Option<(Detail, usize)> {
    let whole = replay.holdings.len() <= HOLDINGS_MAX;
    [(GROUPS_MAX, whole), (GROUPS_FEW, whole), (GROUPS_FEW, false)].into_iter().find_map(
        |(groups_max, with_holders)| {
            let detail = detail(replay, nodes, groups_max, with_holders);
            let size = serde_json::to_string(&detail).expect("no value refuses to serialize").len();
            (size <= budget).then_some((detail, size))
        },
    )
}

fn detail(replay: &Replay, nodes: &[NodeSummary], groups_max: usize, with_holders: bool) -> Detail {
    let mut names: Vec<Arc<str>> = nodes.iter().map(|node| node.name.as_str().into()).collect();
    let known: std::collections::BTreeMap<&str, usize> =
        nodes.iter().enumerate().map(|(i, node)| (node.name.as_str(), i)).collect();
    let places: Vec<usize> = replay
        .nodes
        .iter()
        .map(|name| {
            known.get(&**name).copied().unwrap_or_else(|| {
                names.push(name.clone());
                names.len() - 1
            })
        })
        .collect();
    let tracks = chosen(&replay.groups, groups_max);
    let occupancy = if with_holders {
        Occupancy::Holdings(holdings(replay, &places, &tracks))
    } else {
        counts(replay, &places, names.len())
    };
    Detail {
        sets: replay.sets.clone(),
        revisions: replay.revisions.clone(),
        nodes_more: names.split_off(nodes.len()),
        groups_total: replay.groups.len(),
        groups: tracks.iter().map(|track| group_model(track)).collect(),
        ready: flat(&replay.ready),
        wanted: flat(&replay.wanted),
        occupancy,
        node_changes: replay
            .node_changes
            .iter()
            .map(|(at_ms, node, change)| (*at_ms, places[*node], *change))
            .collect(),
        marks: replay.marks.iter().map(mark_model).collect(),
        marks_left_out: replay.marks_left_out,
    }
}

/// Returns at most `max` tracks, at equal distances.
fn chosen(tracks: &[GroupTrack], max: usize) -> Vec<&GroupTrack> {
    if tracks.len() <= max {
        return tracks.iter().collect();
    }
    (0..max).map(|i| &tracks[i * tracks.len() / max]).collect()
}

fn group_model(track: &GroupTrack) -> GroupModel {
    let phases = track
        .phases
        .iter()
        .flat_map(|start| [start.at_ms, phase_number(start.phase), start.revision as u64]);
    (track.name.clone(), track.set, track.index, phases.collect())
}

/// Returns the number by which the script knows a phase.
fn phase_number(phase: GroupPhase) -> u64 {
    match phase {
        GroupPhase::Waiting => 0,
        GroupPhase::Scheduling => 1,
        GroupPhase::Pulling => 2,
        GroupPhase::Loading => 3,
        GroupPhase::Ready => 4,
        GroupPhase::Broken => 5,
        GroupPhase::Terminating => 6,
        GroupPhase::Gone => 7,
    }
}

fn mark_model(mark: &Mark) -> (u64, &'static str, String, u32) {
    let kind = match mark.kind {
        MarkKind::Action => "action",
        MarkKind::Rollout => "rollout",
        MarkKind::Node => "node",
        MarkKind::Warning => "warning",
        MarkKind::Event => "event",
    };
    (mark.at_ms, kind, mark.text.clone(), mark.times)
}

fn flat(curve: &Curve) -> Vec<i64> {
    let thin = curve.thinned(CURVE_STEPS_MAX);
    thin.steps()
        .iter()
        .flat_map(|(at_ms, value)| [i64::try_from(*at_ms).unwrap_or(i64::MAX), *value])
        .collect()
}

fn holdings(replay: &Replay, places: &[usize], tracks: &[&GroupTrack]) -> Vec<HoldingModel> {
    let rows: std::collections::BTreeMap<&str, usize> =
        tracks.iter().enumerate().map(|(row, track)| (&*track.name, row)).collect();
    let mut before_ms = 0;
    let models = replay.holdings.iter().map(|holding| {
        let length = holding
            .end_ms
            .map_or(-1, |end_ms| i64::try_from(end_ms - holding.start_ms).unwrap_or(i64::MAX));
        let delta_ms = holding.start_ms - before_ms;
        before_ms = holding.start_ms;
        let group = rows
            .get(&*holding.group)
            .map_or_else(|| Owner::Name(holding.group.clone()), |row| Owner::Group(*row));
        let pod = worker(&holding.group, &holding.pod)
            .map_or_else(|| Pod::Name(holding.pod.clone()), Pod::Worker);
        (places[holding.node], delta_ms, length, holding.accelerators, group, pod)
    });
    models.collect()
}

/// Returns the worker index of a pod that is named after its group; 0 for the leader itself.
fn worker(group: &str, pod: &str) -> Option<u32> {
    let rest = pod.strip_prefix(group)?;
    if rest.is_empty() {
        return Some(0);
    }
    let index: u32 = rest.strip_prefix('-')?.parse().ok()?;
    (index > 0 && rest == format!("-{index}")).then_some(index)
}

fn counts(replay: &Replay, places: &[usize], nodes: usize) -> Occupancy {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let slice_ms = replay.end_ms / SLICES + 1;
    let mut changes: Vec<(u64, usize, i64)> = Vec::with_capacity(replay.holdings.len() * 2);
    for holding in &replay.holdings {
        let node = places[holding.node];
        changes.push((holding.start_ms, node, i64::from(holding.accelerators)));
        if let Some(end_ms) = holding.end_ms {
            changes.push((end_ms, node, -i64::from(holding.accelerators)));
        }
    }
    changes.sort_unstable();
    let mut changes = changes.into_iter().peekable();
    let mut used = vec![0i64; nodes];
    let slices = (0..=SLICES).map(|slice| {
        while let Some((_, node, delta)) = changes.next_if(|change| change.0 <= slice * slice_ms) {
            used[node] += delta;
        }
        let digit = |used: &i64| char::from(DIGITS[usize::try_from(*used).unwrap_or(0).min(35)]);
        used.iter().map(digit).collect()
    });
    Occupancy::Counts { slice_ms, used: slices.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::record::{PodChange, Record, What};
    use crate::engine::Time;

    /// Returns a run of groups of one pod with two accelerators each, on ten nodes in turn; pod `i` is bound at second `i`,
    /// and the first is gone after 30 s.
    fn replay(groups: u32) -> (Replay, Vec<NodeSummary>) {
        let second = |s: u32, what| Ok(Record { at: Time(u64::from(s) * 1_000_000_000), what });
        let pod =
            |i: u32, change| What::Pod { pod: format!("d/s-{i}").into(), incarnation: 1, change };
        let wanted = What::Wanted { set: "d/s".into(), replicas: groups, size: 1 };
        let mut records = vec![second(0, wanted)];
        for i in 0..groups {
            let group: Arc<str> = format!("d/s-{i}").into();
            records.push(second(
                i,
                What::Group {
                    group: group.clone(),
                    set: "d/s".into(),
                    index: i,
                    revision: "a".into(),
                    phase: GroupPhase::Ready,
                },
            ));
            let revision = "a".into();
            records
                .push(second(i, pod(i, PodChange::Created { group, revision, accelerators: 2 })));
            records.push(second(i, pod(i, PodChange::Bound(format!("n{}", i % 10).into()))));
        }
        records.push(second(groups + 30, pod(0, PodChange::Gone)));
        let nodes = (0..groups.min(10)).map(|i| NodeSummary {
            name: format!("n{i}"),
            path: Vec::new(),
            accelerators: 8,
        });
        (Replay::read(records.into_iter(), 0).unwrap(), nodes.collect())
    }

    #[test]
    fn a_run_that_is_too_large_loses_groups_and_then_who_holds_what() {
        let (replay, nodes) = replay(600);
        let mut budget = usize::MAX;
        let mut steps = Vec::new();
        while let Some((detail, size)) = fitting(&replay, &nodes, budget) {
            steps.push((detail.groups.len(), matches!(detail.occupancy, Occupancy::Holdings(_))));
            budget = size - 1;
        }
        assert_eq!(steps, [(600, true), (200, true), (200, false)]);
    }

    #[test]
    fn counts_follow_bindings_and_ends() {
        let (replay, nodes) = replay(3);
        let Occupancy::Counts { slice_ms, used } = detail(&replay, &nodes, 9, false).occupancy
        else {
            panic!("counts were asked for");
        };
        assert_eq!(slice_ms, 551);
        let at = |ms: u64| used[usize::try_from(ms / slice_ms).unwrap()].as_str();
        assert_eq!([at(0), at(1_700), at(20_000), at(33_060)], ["200", "220", "222", "022"]);
    }

    #[test]
    fn holdings_name_groups_and_workers_by_number() {
        let (replay, nodes) = replay(2);
        let detail = serde_json::to_value(detail(&replay, &nodes, 9, true)).unwrap();
        let expected = serde_json::json!([[0, 0, 32_000, 2, 0, 0], [1, 1_000, -1, 2, 1, 0]]);
        assert_eq!(detail["occupancy"]["holdings"], expected);
        assert_eq!(detail["groups"][1], serde_json::json!(["d/s-1", 0, 1, [1_000, 4, 0]]));
    }

    #[test]
    fn pods_are_known_by_their_worker_index() {
        for (group, pod, expected) in [
            ("d/s-0", "d/s-0", Some(0)),
            ("d/s-0", "d/s-0-12", Some(12)),
            ("d/s-0", "d/s-0-0", None),
            ("d/s-0", "d/s-0-01", None),
            ("d/s-0", "d/other", None),
        ] {
            assert_eq!(worker(group, pod), expected, "{pod} of {group}");
        }
    }
}
