//! Groups as the start of their pods needs them: who belongs to one, who waits for whom at a stage, who has finished.
//!
//! Implements the meeting of a group: it begins when all pods of the group that run the stage are there and the leader's
//! name resolves, which it does from the moment the leader's sandbox has an address (the LWS headless Service publishes
//! addresses that are not ready). A member that leaves breaks a meeting; the others gather anew. What a meeting takes is not decided here.
//!
//! # Differs from the real thing
//! A worker that starts before the leader's name resolves waits; real start scripts may exit and be restarted instead.

use crate::backend::sim::kubelet::PodId;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// Pods of a group; most groups are small.
pub(in crate::backend::sim) type Pods = SmallVec<[PodId; 4]>;

/// All groups that have a pod on some node.
#[derive(Debug, Default)]
pub(in crate::backend::sim) struct Groups {
    groups: FxHashMap<u64, Group>,
}

#[derive(Debug, Default)]
struct Group {
    size: u32,
    leader: Option<PodId>,
    has_address: bool,
    /// In the order in which they were bound.
    members: Pods,
    /// Members that have done all their stages.
    finished: Pods,
    meetings: Vec<Meeting>,
}

/// Pods that wait for one another at a stage, or have begun it together. Dropped when it is over.
#[derive(Debug)]
struct Meeting {
    stage: u8,
    runners: u32,
    /// In the order of arrival.
    there: Pods,
    /// Members whose part still goes on; 0 while the meeting gathers.
    going: u32,
}

/// What became of a meeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backend::sim) struct Arrival {
    /// The stage.
    pub(in crate::backend::sim) stage: u8,
    /// Who is there.
    pub(in crate::backend::sim) there: Pods,
}

impl Groups {
    /// Adds a pod that was bound.
    pub(in crate::backend::sim) fn join(
        &mut self,
        group: u64,
        size: u32,
        pod: PodId,
        is_leader: bool,
    ) {
        let group = self.groups.entry(group).or_default();
        group.size = size;
        group.members.push(pod);
        if is_leader {
            group.leader = Some(pod);
            group.has_address = false;
        }
    }

    /// Removes a pod that is gone.
    pub(in crate::backend::sim) fn leave(&mut self, key: u64, pod: PodId) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        group.members.retain(|member| *member != pod);
        if group.leader == Some(pod) {
            group.leader = None;
            group.has_address = false;
        }
        if group.members.is_empty() {
            self.groups.remove(&key);
        }
    }

    /// Returns the other members of a group, in the order in which they were bound.
    pub(in crate::backend::sim) fn others(&self, group: u64, pod: PodId) -> Pods {
        let members = self.groups.get(&group).map(|group| &group.members);
        members.into_iter().flatten().copied().filter(|member| *member != pod).collect()
    }

    /// Returns the number of pods of a whole group.
    pub(in crate::backend::sim) fn size(&self, group: u64) -> u32 {
        self.groups.get(&group).map_or(0, |group| group.size)
    }

    /// Returns the leader of a group.
    pub(in crate::backend::sim) fn leader(&self, group: u64) -> Option<PodId> {
        self.groups.get(&group)?.leader
    }

    /// Notes whether the sandbox of a pod has an address; returns the meetings that begin if it is the leader's.
    pub(in crate::backend::sim) fn set_address(
        &mut self,
        group: u64,
        pod: PodId,
        has_address: bool,
    ) -> Vec<Arrival> {
        let leads = |group: &&mut Group| group.leader == Some(pod);
        let Some(group) = self.groups.get_mut(&group).filter(leads) else { return Vec::new() };
        group.has_address = has_address;
        group.meetings.iter_mut().filter_map(|meeting| meeting.begin(has_address)).collect()
    }

    /// Notes that a pod has reached a stage that waits for the group and is run by `runners` pods; returns the meeting if it begins.
    pub(in crate::backend::sim) fn arrive(
        &mut self,
        group: u64,
        pod: PodId,
        stage: u8,
        runners: u32,
    ) -> Option<Arrival> {
        let group = self.groups.get_mut(&group)?;
        let index =
            group.meetings.iter().position(|meeting| meeting.stage == stage).unwrap_or_else(|| {
                group.meetings.push(Meeting { stage, runners, there: Pods::new(), going: 0 });
                group.meetings.len() - 1
            });
        let meeting = &mut group.meetings[index];
        meeting.there.push(pod);
        meeting.begin(group.has_address)
    }

    /// Takes a pod out of all meetings and out of those who have finished; returns the meetings that it breaks, with who
    /// is left. A broken meeting gathers again.
    pub(in crate::backend::sim) fn withdraw(&mut self, group: u64, pod: PodId) -> Vec<Arrival> {
        let Some(group) = self.groups.get_mut(&group) else { return Vec::new() };
        group.finished.retain(|member| *member != pod);
        let mut broken = Vec::new();
        for meeting in &mut group.meetings {
            let before = meeting.there.len();
            meeting.there.retain(|member| *member != pod);
            if meeting.there.len() < before && meeting.going > 0 {
                meeting.going = 0;
                broken.push(Arrival { stage: meeting.stage, there: meeting.there.clone() });
            }
        }
        group.meetings.retain(|meeting| !meeting.there.is_empty());
        broken
    }

    /// Notes that one member's part in a meeting is over; returns whether all parts are.
    pub(in crate::backend::sim) fn part_done(&mut self, group: u64, stage: u8) -> bool {
        let meetings = self.groups.get_mut(&group).map(|group| &mut group.meetings);
        let Some(meeting) = meetings.into_iter().flatten().find(|meeting| meeting.stage == stage)
        else {
            return false;
        };
        meeting.going = meeting.going.saturating_sub(1);
        meeting.going == 0
    }

    /// Ends a meeting; returns who was there.
    pub(in crate::backend::sim) fn end(&mut self, group: u64, stage: u8) -> Pods {
        let Some(group) = self.groups.get_mut(&group) else { return Pods::new() };
        let index = group.meetings.iter().position(|meeting| meeting.stage == stage);
        index.map(|index| group.meetings.remove(index).there).unwrap_or_default()
    }

    /// Returns who has reached a stage that waits for the group and has not begun; `None` once it has.
    pub(in crate::backend::sim) fn gathering(
        &self,
        group: u64,
        stage: u8,
    ) -> Option<(&[PodId], bool)> {
        let group = self.groups.get(&group)?;
        let meeting =
            group.meetings.iter().find(|meeting| meeting.stage == stage && meeting.going == 0)?;
        Some((&meeting.there, group.has_address))
    }

    /// Notes that a pod has done all its stages; returns whether all pods of the group have.
    pub(in crate::backend::sim) fn finish(&mut self, group: u64, pod: PodId) -> bool {
        let Some(members) = self.groups.get_mut(&group) else { return false };
        if !members.finished.contains(&pod) {
            members.finished.push(pod);
        }
        self.has_finished(group)
    }

    /// Returns whether all pods of a group have done all their stages.
    pub(in crate::backend::sim) fn has_finished(&self, group: u64) -> bool {
        self.groups.get(&group).is_some_and(|group| group.finished.len() >= group.size as usize)
    }

    /// Returns the members that have not done all their stages, in the order in which they were bound, and how many pods
    /// of the group are not on a node yet.
    pub(in crate::backend::sim) fn unfinished(&self, group: u64) -> (Pods, u32) {
        let Some(group) = self.groups.get(&group) else { return (Pods::new(), 0) };
        let pods = group
            .members
            .iter()
            .copied()
            .filter(|member| !group.finished.contains(member))
            .collect();
        let members = u32::try_from(group.members.len()).expect("a group's size is 32 bits");
        (pods, group.size.saturating_sub(members))
    }
}

impl Meeting {
    fn begin(&mut self, has_address: bool) -> Option<Arrival> {
        let there = u32::try_from(self.there.len()).expect("a group's size is 32 bits");
        if self.going > 0 || there < self.runners || !has_address {
            return None;
        }
        self.going = there;
        Some(Arrival { stage: self.stage, there: self.there.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: u64 = 7;

    /// A group of three; pod 0 leads.
    fn group() -> Groups {
        let mut groups = Groups::default();
        for pod in 0..3 {
            groups.join(GROUP, 3, PodId(pod), pod == 0);
        }
        groups
    }

    fn arrival(stage: u8, pods: &[u64]) -> Arrival {
        Arrival { stage, there: pods.iter().copied().map(PodId).collect() }
    }

    #[test]
    fn a_meeting_begins_when_all_are_there_and_the_leader_has_an_address() {
        let mut groups = group();
        assert_eq!(groups.arrive(GROUP, PodId(1), 4, 2), None);
        assert_eq!(groups.arrive(GROUP, PodId(2), 4, 2), None, "no address yet");
        assert_eq!(groups.set_address(GROUP, PodId(0), true), [arrival(4, &[1, 2])]);
        assert_eq!(groups.end(GROUP, 4), arrival(4, &[1, 2]).there);
        assert_eq!(groups.arrive(GROUP, PodId(0), 5, 1), Some(arrival(5, &[0])));
    }

    #[test]
    fn a_member_that_leaves_breaks_the_meeting_and_the_others_gather_again() {
        let mut groups = group();
        groups.set_address(GROUP, PodId(0), true);
        for pod in [2, 1] {
            assert_eq!(groups.arrive(GROUP, PodId(pod), 0, 3), None);
        }
        assert!(groups.withdraw(GROUP, PodId(1)).is_empty(), "it has not begun");
        assert_eq!(groups.arrive(GROUP, PodId(0), 0, 3), None);
        assert_eq!(groups.gathering(GROUP, 0), Some(([PodId(2), PodId(0)].as_slice(), true)));
        assert_eq!(groups.arrive(GROUP, PodId(1), 0, 3), Some(arrival(0, &[2, 0, 1])));
        assert_eq!(groups.gathering(GROUP, 0), None);
        assert_eq!(groups.withdraw(GROUP, PodId(0)), [arrival(0, &[2, 1])]);
        assert_eq!(groups.arrive(GROUP, PodId(0), 0, 3), Some(arrival(0, &[2, 1, 0])));
        assert_eq!([0, 1, 2].map(|_| groups.part_done(GROUP, 0)), [false, false, true]);
    }

    #[test]
    fn a_group_has_finished_when_as_many_have_as_it_has_pods() {
        let mut groups = Groups::default();
        groups.join(GROUP, 2, PodId(0), true);
        assert!(!groups.finish(GROUP, PodId(0)));
        assert!(!groups.finish(GROUP, PodId(0)), "twice the same");
        assert_eq!(groups.unfinished(GROUP), (Pods::new(), 1));
        groups.join(GROUP, 2, PodId(1), false);
        assert_eq!(groups.unfinished(GROUP), (arrival(0, &[1]).there, 0));
        assert!(groups.finish(GROUP, PodId(1)));
        groups.withdraw(GROUP, PodId(1));
        assert!(!groups.has_finished(GROUP));
        for pod in [0, 1] {
            groups.leave(GROUP, PodId(pod));
        }
        assert!(groups.groups.is_empty());
    }
}
