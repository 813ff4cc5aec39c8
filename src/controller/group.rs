//! State of groups: which are ready and which run the revision in force.
//!
//! The rollout and the status read the same two bits of a group and take them from [`state`], so they cannot disagree.
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

/// Returns the states of the groups `0..count` (LWS v0.10, `LC:getReadyAndUpdatedStates`).
///
/// A leader and its worker StatefulSet count only where the index label and the ordinal of the name agree.
pub(super) fn states(
    seen: &Observed<'_>,
    sets: &WorkerSets<'_>,
    key: &str,
    count: i32,
) -> Vec<GroupState> {
    let count = usize::try_from(count).unwrap_or(0);
    let mut states = vec![GroupState::default(); count];
    let has_workers = spec::size(&seen.lws.spec.leader_worker_template) != 1;
    for leader in seen.leader_pods {
        let Some(index) = index_of(leader.group_index).filter(|index| *index < count) else {
            continue;
        };
        if ordinal_of(leader.name, sets.lws_name) != Some(index) {
            continue;
        }
        let workers = sets.at(index).filter(|set| index_of(set.group_index) == Some(index));
        if has_workers && workers.is_none() {
            continue;
        }
        states[index] = state(leader, workers.filter(|_| has_workers), key);
    }
    states
}

/// Worker StatefulSets of one set, found by name.
#[derive(Debug)]
pub(super) struct WorkerSets<'a> {
    lws_name: &'a str,
    sets: &'a [SetSeen<'a>],
    /// One more than the place in `sets` of the StatefulSet with this ordinal; 0 where there is none.
    place_of: Vec<u32>,
}

impl<'a> WorkerSets<'a> {
    /// Indexes the worker StatefulSets that `seen` holds.
    pub(super) fn new(seen: &Observed<'a>) -> Self {
        let lws_name = spec::name(seen.lws);
        let mut place_of = Vec::with_capacity(seen.worker_sets.len());
        for (place, set) in (1..).zip(seen.worker_sets) {
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
        Self { lws_name, sets: seen.worker_sets, place_of }
    }

    /// Returns the StatefulSet of the group with this index.
    fn at(&self, index: usize) -> Option<&'a SetSeen<'a>> {
        if index >= INDEXED_MAX {
            return self.sets.iter().find(|set| ordinal_of(set.name, self.lws_name) == Some(index));
        }
        let place = self.place_of.get(index).copied().unwrap_or(0) as usize;
        self.sets.get(place.checked_sub(1)?)
    }

    /// Returns the StatefulSet with this name.
    pub(super) fn named(&self, name: &str) -> Option<&'a SetSeen<'a>> {
        match ordinal_of(name, self.lws_name) {
            Some(ordinal) => self.at(ordinal),
            None => self.sets.iter().find(|set| set.name == name),
        }
    }
}

/// Returns the value of an index label, as Go's `strconv.Atoi` reads it; `None` if negative or no number.
pub(super) fn index_of(label: &str) -> Option<usize> {
    label.parse::<i64>().ok().and_then(|index| usize::try_from(index).ok())
}

/// Returns the ordinal in `<prefix>-<ordinal>`, if `name` has that form and the ordinal is written without leading zeros.
fn ordinal_of(name: &str, prefix: &str) -> Option<usize> {
    let digits = name.strip_prefix(prefix)?.strip_prefix('-')?;
    let is_canonical = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    if is_canonical { digits.parse().ok() } else { None }
}

fn are_workers_ready(set: &SetSeen<'_>) -> bool {
    set.replicas == set.available && set.is_on_one_revision
}

#[cfg(test)]
mod tests {
    use super::*;

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
            |label: &str, expected: Option<usize>| assert_eq!(index_of(label), expected, "{label}");
        check("3", Some(3));
        check("+3", Some(3));
        check("03", Some(3));
        check("-3", None);
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
