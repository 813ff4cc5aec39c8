//! The story of a set.

use super::story::Episode;
use crate::backend::record::{GroupPhase, Record, RolloutChange, What};
use crate::engine::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Groups named in one line; with more, phases are only counted.
const NAMED_MAX: usize = 4;

#[derive(Default)]
struct State<'a> {
    wanted: u32,
    groups: BTreeMap<u32, (&'a Arc<str>, GroupPhase)>,
    episodes: Vec<Episode>,
}

/// Returns the episodes of a set: what its user and the controller did, and how many of its groups were ready.
pub(super) fn episodes(name: &str, records: &[Record]) -> Vec<Episode> {
    let mut state = State::default();
    let mut leader_set = None;
    for record in records {
        let at = record.at;
        match &record.what {
            What::Wanted { set, replicas, size } if **set == *name => {
                state.wanted = *replicas;
                state.tell(at, format!("{replicas} groups of {size} pods are wanted"));
            }
            What::Rollout { set, number, change } if **set == *name => {
                let change = match change {
                    RolloutChange::Started => "began",
                    RolloutChange::Finished => "finished",
                    RolloutChange::Superseded => "was superseded",
                };
                state.tell(at, format!("rollout {number} {change}"));
            }
            What::LeaderSet { set, replicas, partition } if **set == *name => {
                let next = (*replicas, *partition);
                if leader_set.replace(next) != Some(next) {
                    state.tell(
                        at,
                        format!("leader StatefulSet: {replicas} replicas, partition {partition}"),
                    );
                }
            }
            What::Group { group, set, index, phase, .. } if **set == *name => {
                let is_gone = *phase == GroupPhase::Gone;
                let before = if is_gone {
                    state.groups.remove(index)
                } else {
                    state.groups.insert(*index, (group, *phase))
                };
                let was_ready = before.is_some_and(|(_, phase)| phase == GroupPhase::Ready);
                if was_ready || *phase == GroupPhase::Ready {
                    let now =
                        if *phase == GroupPhase::Ready { "ready" } else { "not ready any more" };
                    state.tell(at, format!("group `{group}` is {now}"));
                }
            }
            What::Event { regarding, reason, note, .. }
                if regarding.ends_with(&format!("Set/{name}")) =>
            {
                if let Some(episode) = state.episodes.last_mut() {
                    episode.because(format!("{reason}: {note}"));
                }
            }
            _ => {}
        }
    }
    state.episodes
}

impl State<'_> {
    fn tell(&mut self, at: Time, what: String) {
        let mut episode = Episode::new(at, what);
        episode.why.push(self.waits());
        // Of the states that one instant goes through only the last is worth a line.
        if let Some(before) = self.episodes.last_mut()
            && before.from == at
        {
            before.why.retain(|why| !why.contains("groups are ready"));
        }
        self.episodes.push(episode);
    }

    fn waits(&self) -> String {
        let ready = self.groups.values().filter(|(_, phase)| *phase == GroupPhase::Ready).count();
        let mut others: BTreeMap<GroupPhase, Vec<&str>> = BTreeMap::new();
        for (group, phase) in self.groups.values().filter(|(_, phase)| *phase != GroupPhase::Ready)
        {
            others.entry(*phase).or_default().push(group);
        }
        let others = others.into_iter().map(|(phase, groups)| {
            let phase = format!("{phase:?}").to_lowercase();
            let names =
                if groups.len() > NAMED_MAX { groups.len().to_string() } else { groups.join(", ") };
            format!("; {phase}: {names}")
        });
        let others: String = others.collect();
        let missing = (self.wanted as usize).saturating_sub(self.groups.len());
        let missing = if missing > 0 { format!("; not created: {missing}") } else { String::new() };
        format!("{ready} of {} groups are ready{others}{missing}", self.wanted)
    }
}

#[cfg(test)]
mod tests {
    use crate::experiment::explain::story::tests::{draw, records};

    #[test]
    fn a_sets_story_counts_its_groups_at_every_turn() {
        let records = records(&[
            (0, r#"{"wanted": {"set": "default/a", "replicas": 2, "size": 2}}"#),
            (0, r#"{"leaderSet": {"set": "default/a", "replicas": 2, "partition": 0}}"#),
            (
                1,
                r#"{"group": {"group": "default/a-0", "set": "default/a", "index": 0, "revision": "r1", "phase": "waiting"}}"#,
            ),
            (
                1,
                r#"{"group": {"group": "default/a-1", "set": "default/a", "index": 1, "revision": "r1", "phase": "waiting"}}"#,
            ),
            (
                5,
                r#"{"group": {"group": "default/a-1", "set": "default/a", "index": 1, "revision": "r1", "phase": "ready"}}"#,
            ),
            (
                6,
                r#"{"group": {"group": "default/b-1", "set": "default/b", "index": 1, "revision": "r1", "phase": "ready"}}"#,
            ),
            (7, r#"{"rollout": {"set": "default/a", "number": 1, "change": "started"}}"#),
            (7, r#"{"leaderSet": {"set": "default/a", "replicas": 2, "partition": 1}}"#),
            (
                7,
                r#"{"event": {"regarding": "LeaderWorkerSet/default/a", "warning": false, "reason": "GroupsUpdating", "note": "Updating replicas 1 to 1"}}"#,
            ),
            (
                8,
                r#"{"group": {"group": "default/a-1", "set": "default/a", "index": 1, "revision": "r1", "phase": "terminating"}}"#,
            ),
        ]);
        insta::assert_snapshot!(draw("a", &records, 9), @r"
        set default/a
        0 +0 2 groups of 2 pods are wanted
        0 +5 leader StatefulSet: 2 replicas, partition 0
            0 of 2 groups are ready; not created: 2
        5 +2 group `default/a-1` is ready
            1 of 2 groups are ready; waiting: default/a-0
        7 +0 rollout 1 began
        7 +1 leader StatefulSet: 2 replicas, partition 1
            1 of 2 groups are ready; waiting: default/a-0
            GroupsUpdating: Updating replicas 1 to 1
        8 +1 group `default/a-1` is not ready any more
            0 of 2 groups are ready; waiting: default/a-0; terminating: default/a-1
        ");
    }
}
