//! The stage graph of a class of pods as bit sets: which stages a pod runs and which may begin.
//!
//! Pods with equal profile, image and probe share one class, so that a pod's own record is two words. Implements the rules
//! that a pod's stages are those of its place in the group, and that whatever is not a pull needs the container, which
//! starts when all pulls are done.

use super::{CacheKey, Keys};
use crate::backend::sim::kubelet::Probe;
use crate::backend::sim::setup::{Members, Profile, StageKind};
use std::sync::Arc;

/// Stages that a profile may have.
pub(in crate::backend::sim) const STAGES_MAX: usize = 64;

/// What pods of one class have in common.
#[derive(Debug)]
pub(in crate::backend::sim) struct Class {
    /// How they start and end.
    pub(in crate::backend::sim) profile: Arc<Profile>,
    /// Their readiness probe.
    pub(in crate::backend::sim) probe: Option<Probe>,
    /// Their image.
    pub(in crate::backend::sim) image: CacheKey,
    /// For each stage what its result is kept as.
    pub(in crate::backend::sim) keys: Box<[Option<CacheKey>]>,
    /// For each stage the stages that must be done first.
    after: Box<[u64]>,
    leader: u64,
    worker: u64,
    pulls: u64,
    /// Stages that wait for the group.
    meetings: u64,
}

/// All classes of a run.
#[derive(Debug, Default)]
pub(in crate::backend::sim) struct Classes {
    classes: Vec<Class>,
}

impl Class {
    fn new(
        profile: &Arc<Profile>,
        image: &Arc<str>,
        probe: Option<Probe>,
        keys: &mut Keys,
    ) -> Self {
        let stages = &profile.stages;
        assert!(
            stages.len() <= STAGES_MAX,
            "profile `{}` has {} stages, at most {STAGES_MAX} are possible",
            profile.name,
            stages.len()
        );
        let bits = |is_in: &dyn Fn(usize) -> bool| {
            (0..stages.len()).filter(|index| is_in(*index)).map(bit).sum::<u64>()
        };
        let pulls = bits(&|index| stages[index].kind == StageKind::Pull);
        let after = stages.iter().enumerate().map(|(index, stage)| {
            assert!(
                stage.after.iter().all(|before| *before < index),
                "stage `{}` comes before one that it needs",
                stage.name
            );
            let stated: u64 =
                stage.after.iter().map(|before| bit(*before)).fold(0, |all, one| all | one);
            // A pull cannot wait for something that runs in the container, which waits for it.
            if stage.kind == StageKind::Pull { stated & pulls } else { stated | pulls }
        });
        let keys_of = stages.iter().map(|stage| {
            let cache = stage.cache.as_ref()?;
            Some(match &cache.key {
                Some(key) => keys.result(key, cache.is_volatile),
                None => keys.image(image, cache.is_volatile),
            })
        });
        Self {
            after: after.collect(),
            keys: keys_of.collect(),
            image: keys.image(image, false),
            leader: bits(&|index| stages[index].by != Members::Workers),
            worker: bits(&|index| stages[index].by != Members::Leader),
            meetings: bits(&|index| stages[index].waits_for_group) & !pulls,
            pulls,
            profile: Arc::clone(profile),
            probe,
        }
    }

    /// Returns the stages that a pod runs.
    pub(in crate::backend::sim) fn runs(&self, is_leader: bool) -> u64 {
        if is_leader { self.leader } else { self.worker }
    }

    /// Returns the pulls among the stages that a pod runs.
    pub(in crate::backend::sim) fn pulls(&self, is_leader: bool) -> u64 {
        self.runs(is_leader) & self.pulls
    }

    /// Returns the stages that wait for the group.
    pub(in crate::backend::sim) fn meetings(&self) -> u64 {
        self.meetings
    }

    /// Returns whether a stage fetches an image.
    pub(in crate::backend::sim) fn is_pull(&self, stage: u8) -> bool {
        self.pulls & bit(stage.into()) != 0
    }

    /// Returns whether a stage waits for the group.
    pub(in crate::backend::sim) fn is_meeting(&self, stage: u8) -> bool {
        self.meetings & bit(stage.into()) != 0
    }

    /// Returns how many pods of a group of `size` run a stage.
    pub(in crate::backend::sim) fn runners(&self, stage: u8, size: u32) -> u32 {
        match self.profile.stages[usize::from(stage)].by {
            Members::All => size,
            Members::Leader => 1,
            Members::Workers => size.saturating_sub(1),
        }
    }

    /// Returns the first stage of a pod that has not begun and may.
    pub(in crate::backend::sim) fn next_stage(
        &self,
        is_leader: bool,
        begun: u64,
        done: u64,
    ) -> Option<u8> {
        let runs = self.runs(is_leader);
        let mut left = runs & !begun;
        while left != 0 {
            let stage = left.trailing_zeros();
            // Stages that others run do not hold up this pod.
            if self.after[stage as usize] & runs & !done == 0 {
                return Some(u8::try_from(stage).expect("a bit of 64"));
            }
            left &= left - 1;
        }
        None
    }
}

impl Classes {
    /// Returns the number of the class with these properties.
    pub(in crate::backend::sim) fn intern(
        &mut self,
        profile: &Arc<Profile>,
        image: &Arc<str>,
        probe: Option<Probe>,
        keys: &mut Keys,
    ) -> u32 {
        let image_key = keys.image(image, false);
        let is_same = |class: &Class| {
            Arc::ptr_eq(&class.profile, profile) && class.image == image_key && class.probe == probe
        };
        // Newest first: a run has a class for each template revision, and pods are of the latest ones.
        let index = self.classes.iter().rposition(is_same).unwrap_or_else(|| {
            self.classes.push(Class::new(profile, image, probe, keys));
            self.classes.len() - 1
        });
        u32::try_from(index).expect("fewer than 2^32 classes")
    }

    /// Returns a class.
    pub(in crate::backend::sim) fn get(&self, class: u32) -> &Class {
        &self.classes[class as usize]
    }
}

fn bit(stage: usize) -> u64 {
    1 << stage
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::sim::setup::{Stage, Work};
    use crate::engine::Distribution;

    fn stage(name: &str, kind: StageKind, by: Members, after: &[usize]) -> Stage {
        Stage {
            name: name.into(),
            after: after.to_vec(),
            kind,
            by,
            waits_for_group: false,
            group_timeout: None,
            work: Work::Delay(Distribution::Constant(1.0)),
            cache: None,
        }
    }

    /// Plays the graph in rounds in which all stages that may begin do so and end together.
    fn check(is_leader: bool, expected: &str) {
        let stages = vec![
            stage("fetch", StageKind::Load, Members::All, &[]),
            stage("pull", StageKind::Pull, Members::All, &[0]),
            stage("head", StageKind::Load, Members::Leader, &[]),
            stage("join", StageKind::Load, Members::Workers, &[2]),
            stage("warm", StageKind::Load, Members::All, &[0, 3]),
        ];
        let profile = Arc::new(Profile {
            name: "p".into(),
            stages,
            stop: Distribution::Constant(0.0),
            peer_loss: None,
        });
        let class = Class::new(&profile, &"image".into(), None, &mut Keys::default());
        let (mut begun, mut done, mut log) = (0, 0, String::new());
        while done != class.runs(is_leader) {
            while let Some(next) = class.next_stage(is_leader, begun, done) {
                begun |= bit(next.into());
                log += &profile.stages[usize::from(next)].name;
                log += " ";
            }
            assert_ne!(begun, done, "no stage may begin after {log}");
            log += "| ";
            done = begun;
        }
        assert_eq!(log, expected);
    }

    #[test]
    fn stages_begin_when_what_they_need_is_done_and_others_stages_hold_nobody_up() {
        check(true, "pull | fetch head | warm | ");
        check(false, "pull | fetch join | warm | ");
    }

    #[test]
    fn equal_pods_share_a_class() {
        let profile = Arc::new(Profile {
            name: "p".into(),
            stages: Vec::new(),
            stop: Distribution::Constant(0.0),
            peer_loss: None,
        });
        let (mut keys, mut classes) = (Keys::default(), Classes::default());
        let first = classes.intern(&profile, &"a".into(), None, &mut keys);
        let second = classes.intern(&profile, &"b".into(), None, &mut keys);
        assert_ne!(first, second);
        assert_eq!(classes.intern(&profile, &"a".into(), None, &mut keys), first);
    }
}
