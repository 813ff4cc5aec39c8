//! Groups as they are, for results: which pods each has, its phase, and how far rollouts have come.
//!
//! Reads the store's truth, not a cache. Measures only: whether the LWS controller thinks a group ready is the business of
//! `controller`. A pod that belongs to no LWS is a group of its own.

use super::object::NameId;
use super::setup::StageKind;
use crate::backend::record::{GroupPhase, RolloutChange};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of one pod.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// The pod.
    pub(super) pod: NameId,
    /// Whether it is bound.
    pub(super) is_bound: bool,
    /// What it is doing, once bound; `None` before its first stage.
    pub(super) stage: Option<StageKind>,
    /// Whether it is ready.
    pub(super) is_ready: bool,
    /// Whether it is being deleted.
    pub(super) is_deleting: bool,
}

/// A group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Name of the leader pod.
    pub(super) name: NameId,
    /// Index.
    pub(super) index: u32,
    /// Revision key of the leader.
    pub(super) revision: Arc<str>,
    /// Pods that make it whole.
    pub(super) size: u32,
    /// Pods that exist.
    pub(super) members: Vec<Member>,
    /// Phase that was told last.
    pub(super) phase: Option<GroupPhase>,
    was_ready: bool,
}

/// A set's groups and rollout.
#[derive(Clone, Debug, Default)]
pub(super) struct SetTrack {
    /// Groups by index.
    pub(super) groups: BTreeMap<u32, Group>,
    /// Groups wanted.
    pub(super) replicas: u32,
    /// Pods in a group.
    pub(super) size: u32,
    /// Groups below this keep the old revision.
    pub(super) partition: u32,
    /// Rollouts begun.
    pub(super) rollouts: u32,
    /// Whether a rollout is under way.
    pub(super) is_rolling: bool,
    /// `spec.replicas` and revision key of the leader StatefulSet, and the user write that it answers.
    pub(super) leader_set: Option<(u32, Arc<str>, u32)>,
    /// User writes so far.
    pub(super) writes: u32,
}

impl SetTrack {
    /// Returns how many of the wanted groups are ready.
    pub(super) fn ready(&self) -> u32 {
        count(
            self.groups
                .range(..self.replicas)
                .filter(|(_, group)| group.phase == Some(GroupPhase::Ready)),
        )
    }

    /// Returns how many of the wanted groups are ready on the newest revision.
    pub(super) fn updated(&self) -> u32 {
        let Some(key) = self.current_key() else { return 0 };
        count(self.groups.range(..self.replicas).filter(|(_, group)| is_updated(group, key)))
    }

    fn current_key(&self) -> Option<&Arc<str>> {
        self.leader_set
            .as_ref()
            .filter(|(_, _, writes)| *writes == self.writes)
            .map(|(_, key, _)| key)
    }

    /// Whether the rollout has reached its goal: every wanted group from the partition up is ready on the newest revision and
    /// no surge group is left.
    pub(super) fn is_rolled_out(&self) -> bool {
        let Some(key) = self.current_key() else { return false };
        let has_surge =
            self.leader_set.as_ref().is_some_and(|(replicas, _, _)| *replicas != self.replicas)
                || self.groups.range(self.replicas..).next().is_some();
        let from = self.partition.min(self.replicas);
        !has_surge
            && self
                .groups
                .range(from..self.replicas)
                .filter(|(_, group)| is_updated(group, key))
                .count()
                == (self.replicas - from) as usize
    }

    /// Begins a rollout; returns what to tell.
    pub(super) fn begin_rollout(&mut self) -> Vec<(u32, RolloutChange)> {
        let mut changes = self.end_rollout(RolloutChange::Superseded);
        self.rollouts += 1;
        self.is_rolling = true;
        changes.push((self.rollouts, RolloutChange::Started));
        changes
    }

    /// Ends the rollout that is under way, if any; returns what to tell.
    pub(super) fn end_rollout(&mut self, how: RolloutChange) -> Vec<(u32, RolloutChange)> {
        if std::mem::take(&mut self.is_rolling) { vec![(self.rollouts, how)] } else { Vec::new() }
    }
}

fn is_updated(group: &Group, key: &Arc<str>) -> bool {
    group.phase == Some(GroupPhase::Ready) && group.revision == *key
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).expect("fewer than 2^32 groups")
}

/// All groups of a run.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// By set (or StatefulSet, or lone pod).
    pub(super) sets: BTreeMap<NameId, SetTrack>,
    by_pod: FxHashMap<NameId, (NameId, u32)>,
    /// Moves with every change that a condition of the timeline may hang on.
    pub(super) version: u64,
}

/// Where a new pod belongs.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    /// The set.
    pub(super) set: NameId,
    /// Index of the group.
    pub(super) index: u32,
    /// Name of the leader pod.
    pub(super) group: NameId,
    /// Revision key.
    pub(super) revision: Arc<str>,
    /// Pods that make the group whole.
    pub(super) size: u32,
    /// Whether the pod is the leader.
    pub(super) is_leader: bool,
}

impl Groups {
    /// Adds a pod.
    pub(super) fn add(&mut self, pod: NameId, to: Membership) {
        self.by_pod.insert(pod, (to.set, to.index));
        let groups = &mut self.sets.entry(to.set).or_default().groups;
        let group = groups.entry(to.index).or_insert_with(|| Group {
            name: to.group,
            index: to.index,
            revision: Arc::clone(&to.revision),
            size: to.size,
            members: Vec::new(),
            phase: None,
            was_ready: false,
        });
        if to.is_leader {
            group.revision = to.revision;
            group.size = to.size;
            group.was_ready = false;
        }
        group.members.push(Member {
            pod,
            is_bound: false,
            stage: None,
            is_ready: false,
            is_deleting: false,
        });
    }

    /// Changes what is known of a pod.
    pub(super) fn update(&mut self, pod: NameId, change: impl FnOnce(&mut Member)) {
        if let Some(member) =
            self.group_of_mut(pod).and_then(|group| group.members.iter_mut().find(|m| m.pod == pod))
        {
            change(member);
        }
    }

    fn group_of_mut(&mut self, pod: NameId) -> Option<&mut Group> {
        let (set, index) = self.by_pod.get(&pod)?;
        self.sets.get_mut(set)?.groups.get_mut(index)
    }

    /// Returns the set and index of a pod's group.
    pub(super) fn place_of(&self, pod: NameId) -> Option<(NameId, u32)> {
        self.by_pod.get(&pod).copied()
    }

    /// Returns the group of a pod.
    pub(super) fn group_of(&self, pod: NameId) -> Option<&Group> {
        let (set, index) = self.by_pod.get(&pod)?;
        self.sets.get(set)?.groups.get(index)
    }

    /// Removes a pod.
    pub(super) fn remove(&mut self, pod: NameId) {
        if let Some(group) = self.group_of_mut(pod) {
            group.members.retain(|member| member.pod != pod);
        }
    }

    /// Computes the phase of a pod's group anew and returns the group if it has changed.
    pub(super) fn refresh(&mut self, pod: NameId) -> Option<Group> {
        let (set, index) = *self.by_pod.get(&pod)?;
        let track = self.sets.get_mut(&set)?;
        let group = track.groups.get_mut(&index)?;
        let phase = phase_of(group);
        if group.phase == Some(phase) {
            return None;
        }
        self.version += 1;
        group.phase = Some(phase);
        group.was_ready =
            phase == GroupPhase::Ready || (group.was_ready && phase != GroupPhase::Gone);
        let told = Group { members: Vec::new(), ..group.clone() };
        if phase == GroupPhase::Gone {
            track.groups.remove(&index);
            self.by_pod.remove(&pod);
        }
        Some(told)
    }
}

fn phase_of(group: &Group) -> GroupPhase {
    let members = &group.members;
    if members.is_empty() {
        GroupPhase::Gone
    } else if members.iter().any(|member| member.is_deleting) || is_losing_workers(group) {
        GroupPhase::Terminating
    } else if members.len() < group.size as usize || members.iter().any(|member| !member.is_bound) {
        if group.was_ready {
            GroupPhase::Broken
        } else if members.iter().any(|member| member.is_bound) {
            GroupPhase::Scheduling
        } else {
            GroupPhase::Waiting
        }
    } else if members.iter().all(|member| member.is_ready) {
        GroupPhase::Ready
    } else if group.was_ready {
        GroupPhase::Broken
    } else if members.iter().any(|member| !member.is_ready && member.stage != Some(StageKind::Load))
    {
        GroupPhase::Pulling
    } else {
        GroupPhase::Loading
    }
}

/// Whether the leader is gone and what is left are workers that the garbage collector has not come to yet.
fn is_losing_workers(group: &Group) -> bool {
    group.phase == Some(GroupPhase::Terminating)
        && !group.members.iter().any(|member| member.pod == group.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(drawing: char) -> Member {
        Member {
            pod: NameId(0),
            is_bound: drawing != 'w',
            stage: match drawing {
                'l' | 'r' => Some(StageKind::Load),
                'p' => Some(StageKind::Pull),
                _ => None,
            },
            is_ready: drawing == 'r',
            is_deleting: drawing == 'd',
        }
    }

    /// `w` waits for a node, `p` pulls, `l` loads, `r` ready, `d` being deleted.
    fn check(size: u32, members: &str, was_ready: bool, expected: GroupPhase) {
        let group = Group {
            name: NameId(0),
            index: 0,
            revision: "a".into(),
            size,
            members: members.chars().map(member).collect(),
            phase: None,
            was_ready,
        };
        assert_eq!(phase_of(&group), expected, "{members}");
    }

    #[test]
    fn a_group_is_as_far_as_its_slowest_pod() {
        check(2, "w", false, GroupPhase::Waiting);
        check(2, "wl", false, GroupPhase::Scheduling);
        check(2, "l", false, GroupPhase::Scheduling);
        check(2, "pl", false, GroupPhase::Pulling);
        check(2, "rl", false, GroupPhase::Loading);
        check(2, "rr", false, GroupPhase::Ready);
        check(2, "rl", true, GroupPhase::Broken);
        check(2, "rd", true, GroupPhase::Terminating);
        check(2, "", true, GroupPhase::Gone);
    }
}
