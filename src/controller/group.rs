//! State of groups: which are ready and which run the revision in force.
//!
//! The rollout and the status read the same two bits of a group and take them from [`leaders`], so they cannot disagree.
//! Objects are found by the ordinal in their name without allocating, since a set may have thousands of groups.

use super::observed::{LeaderPodSeen, Observed, Phase, SetSeen};
use super::spec;

/// Ordinals above this are found by scanning instead of through a table, so that a stray name costs no memory.
const INDEXED_MAX: usize = 1 << 20;

/// What the controller knows of one group; a missing group is neither ready nor updated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GroupState {
    /// Leader running and ready, all workers available.
    pub(super) is_ready: bool,
    /// Leader and workers carry the key in force.
    pub(super) is_updated: bool,
}

impl GroupState {
    /// Returns whether the group is both ready and updated.
    pub(super) const fn is_done(self) -> bool {
        self.is_ready && self.is_updated
    }
}

/// Returns the state of a group; `workers` is `None` where the set has groups of one pod.
///
/// A leader that terminates counts as long as its condition says ready, and the owner of the worker StatefulSet is not
/// looked at (LWS v0.10 does neither: B21).
pub(super) fn state(
    leader: &LeaderPodSeen<'_>,
    workers: Option<&SetSeen<'_>>,
    key: &str,
) -> GroupState {
    GroupState {
        is_ready: leader.phase == Phase::Running
            && leader.is_ready
            && workers.is_none_or(are_workers_ready),
        is_updated: leader.key == key && workers.is_none_or(|set| set.key == key),
    }
}

/// A leader pod and what is known of its group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leader {
    /// The index label, read as an integer.
    pub(super) index: Option<i64>,
    /// State of the group; `None` where its worker StatefulSet is missing.
    pub(super) state: Option<GroupState>,
    /// Whether the index labels and the ordinals of the names of pod and StatefulSet agree.
    is_consistent: bool,
}

/// Returns each leader pod of `seen` with the state of its group, in the order of `seen`.
pub(super) fn leaders(seen: &Observed<'_>, key: &str) -> Vec<Leader> {
    let lws_name = spec::name(seen.lws);
    let sets = (spec::size(&seen.lws.spec.leader_worker_template) != 1)
        .then(|| WorkerSets::new(seen.worker_sets, lws_name));
    let look = |leader: &LeaderPodSeen<'_>| {
        let index = index_of(leader.group_index);
        let ordinal = ordinal_of(leader.name, lws_name);
        let is_named =
            ordinal.is_some() && index == ordinal.and_then(|ordinal| ordinal.try_into().ok());
        let Some(sets) = &sets else {
            return Leader {
                index,
                state: Some(state(leader, None, key)),
                is_consistent: is_named,
            };
        };
        match sets.named(leader.name, ordinal) {
            None => Leader { index, state: None, is_consistent: is_named },
            Some(set) => Leader {
                index,
                state: Some(state(leader, Some(set), key)),
                is_consistent: is_named
                    && (set.group_index == leader.group_index
                        || index_of(set.group_index) == index),
            },
        }
    };
    seen.leader_pods.iter().map(look).collect()
}

/// Returns the states of the groups `0..count` (LWS v0.10, `LC:getReadyAndUpdatedStates`).
///
/// A leader and its worker StatefulSet count only where the index label and the ordinal of the name agree.
pub(super) fn states(leaders: &[Leader], count: i32) -> Vec<GroupState> {
    let mut states = vec![GroupState::default(); usize::try_from(count).unwrap_or(0)];
    for leader in leaders {
        let index = leader.index.and_then(|index| usize::try_from(index).ok());
        let (Some(index), Some(state), true) = (index, leader.state, leader.is_consistent) else {
            continue;
        };
        if let Some(place) = states.get_mut(index) {
            *place = state;
        }
    }
    states
}

/// Worker StatefulSets of one set, found by name.
#[derive(Debug)]
struct WorkerSets<'a> {
    sets: &'a [SetSeen<'a>],
    /// One more than the place in `sets` of the StatefulSet with this ordinal; 0 where there is none.
    place_of: Vec<u32>,
}

impl<'a> WorkerSets<'a> {
    fn new(sets: &'a [SetSeen<'a>], lws_name: &str) -> Self {
        let mut place_of = vec![0; sets.len()];
        for (place, set) in (1..).zip(sets) {
            let Some(ordinal) =
                ordinal_of(set.name, lws_name).filter(|ordinal| *ordinal < INDEXED_MAX)
            else {
                continue;
            };
            if ordinal >= place_of.len() {
                place_of.resize(ordinal + 1, 0);
            }
            place_of[ordinal] = place;
        }
        Self { sets, place_of }
    }

    /// Returns the StatefulSet with a name and the ordinal that the name holds.
    fn named(&self, name: &str, ordinal: Option<usize>) -> Option<&'a SetSeen<'a>> {
        match ordinal {
            Some(ordinal) if ordinal < INDEXED_MAX => {
                let place = self.place_of.get(ordinal).copied().unwrap_or(0) as usize;
                self.sets.get(place.checked_sub(1)?)
            }
            _ => self.sets.iter().find(|set| set.name == name),
        }
    }
}

/// Returns the value of an index label, as Go's `strconv.Atoi` reads it.
fn index_of(label: &str) -> Option<i64> {
    match plain_number(label) {
        Some(index) => Some(index),
        None => label.parse().ok(),
    }
}

/// Returns the ordinal in `<prefix>-<ordinal>`, if `name` has that form and the ordinal is written without leading zeros.
fn ordinal_of(name: &str, prefix: &str) -> Option<usize> {
    let digits = name.strip_prefix(prefix)?.strip_prefix('-')?;
    if digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    plain_number(digits)?.try_into().ok()
}

/// Returns the number that up to 18 digits write; a set has thousands of them, which `str::parse` would be slow for.
fn plain_number(digits: &str) -> Option<i64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits.bytes().try_fold(0_i64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| number * 10 + i64::from(digit))
    })
}

fn are_workers_ready(set: &SetSeen<'_>) -> bool {
    set.replicas == set.available && set.is_on_one_revision
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;
    use serde_json::Value;

    #[test]
    fn workers_are_ready_and_groups_placed_as_upstream_does() {
        vectors::each("lws-utils.yaml", "statefulset_ready", |row: Value| {
            let set = SetSeen {
                name: "s-0",
                group_index: "0",
                key: "k",
                replicas: 3,
                available: i32::try_from(row["available"].as_i64().unwrap()).unwrap(),
                is_on_one_revision: row["current"] == row["update"],
            };
            assert_eq!(are_workers_ready(&set), row["want"] == true, "{row}");
        });
        vectors::each("lws-utils.yaml", "sort_by_index", |row: Value| {
            let items = row["items"].as_array().unwrap();
            let leaders: Vec<Leader> = items
                .iter()
                .map(|item| Leader {
                    index: item.as_i64(),
                    state: Some(GroupState { is_ready: true, is_updated: true }),
                    is_consistent: true,
                })
                .collect();
            let count = i32::try_from(row["length"].as_i64().unwrap()).unwrap();
            let placed = states(&leaders, count);
            let wanted = row["want"].as_array().unwrap();
            assert_eq!(placed.len(), wanted.len(), "{row}");
            for (place, (state, item)) in placed.iter().zip(wanted).enumerate() {
                // A gap is written as 0, which is an item only at place 0.
                let is_there = *item == place && items.contains(item);
                assert_eq!(state.is_done(), is_there, "{row} at {place}");
            }
        });
    }

    #[test]
    fn an_ordinal_is_what_follows_the_name_of_the_set() {
        let check = |name: &str, expected: Option<usize>| {
            assert_eq!(ordinal_of(name, "a-b"), expected, "{name}");
        };
        check("a-b-0", Some(0));
        check("a-b-17", Some(17));
        check("a-b-017", None);
        check("a-b-+1", None);
        check("a-b-", None);
        check("a-b", None);
        check("a-b-1-2", None);
        check("a-bc-1", None);
        check("a-b-99999999999999999999999999", None);
    }

    #[test]
    fn an_index_label_is_read_as_go_reads_it() {
        let check =
            |label: &str, expected: Option<i64>| assert_eq!(index_of(label), expected, "{label}");
        check("3", Some(3));
        check("+3", Some(3));
        check("03", Some(3));
        check("-3", Some(-3));
        check("", None);
        check("3x", None);
    }

    #[test]
    fn a_group_is_ready_when_its_leader_and_all_of_its_workers_are() {
        let leader = LeaderPodSeen {
            name: "s-0",
            group_index: "0",
            key: "k",
            phase: Phase::Running,
            is_ready: true,
            is_unschedulable: false,
        };
        let workers = SetSeen {
            name: "s-0",
            group_index: "0",
            key: "k",
            replicas: 2,
            available: 2,
            is_on_one_revision: true,
        };
        let check = |leader: LeaderPodSeen<'_>,
                     workers: Option<SetSeen<'_>>,
                     ready: bool,
                     updated: bool| {
            let expected = GroupState { is_ready: ready, is_updated: updated };
            assert_eq!(state(&leader, workers.as_ref(), "k"), expected, "{leader:?} {workers:?}");
        };
        check(leader, Some(workers), true, true);
        check(leader, None, true, true);
        check(LeaderPodSeen { phase: Phase::Pending, ..leader }, None, false, true);
        check(LeaderPodSeen { is_ready: false, ..leader }, None, false, true);
        check(LeaderPodSeen { key: "old", ..leader }, Some(workers), true, false);
        check(leader, Some(SetSeen { available: 1, ..workers }), false, true);
        check(leader, Some(SetSeen { is_on_one_revision: false, ..workers }), false, true);
        check(leader, Some(SetSeen { key: "old", ..workers }), true, false);
    }
}
