//! Rules `statusBehindTruth` and `conditions`: what statuses say.

use super::{Checks, Rule};
use crate::backend::sim::object::{Kind, LwsRecord, NameId, Object, PodRecord, SetRecord};
use crate::backend::sim::store::Change;
use crate::backend::sim::world::{Controller, Process, World};
use crate::controller::{AVAILABLE, PROGRESSING, Phase, UPDATE_IN_PROGRESS};

fn is_ready(pod: &PodRecord) -> bool {
    pod.is_ready && pod.phase == Phase::Running
}

fn leads(pod: &PodRecord) -> Option<NameId> {
    pod.group.as_ref().filter(|_| pod.is_leader).map(|group| group.lws)
}

fn set_of(pod: &PodRecord) -> Option<NameId> {
    pod.meta.owner.filter(|owner| owner.kind == Kind::StatefulSet).map(|owner| owner.name)
}

impl Checks {
    /// Notes what a pass reads.
    pub(super) fn status_read_by(&mut self, process: &Process) {
        match process.controller {
            Controller::Lws => self.leaders.read(process.key),
            Controller::StatefulSet => self.members.read(process.key),
            Controller::Pod => {}
        }
    }

    /// Counts pods and looks at written statuses.
    pub(super) fn status_after(&mut self, world: &World<'_>, change: &Change) {
        match (&change.old, &change.new) {
            (old, Some(Object::LeaderWorkerSet(new))) => {
                let was = match old {
                    Some(Object::LeaderWorkerSet(old)) => old.lws.status.as_ref(),
                    _ => None,
                };
                if was != new.lws.status.as_ref() {
                    self.lws_status(world, new);
                }
            }
            (Some(Object::StatefulSet(old)), Some(Object::StatefulSet(new)))
                if old.status != new.status =>
            {
                self.set_status(world, new);
            }
            _ => {}
        }
        if let Object::Pod(_) = change.any() {
            for (object, sign) in [(&change.old, -1), (&change.new, 1)] {
                if let Some(Object::Pod(pod)) = object {
                    let ready = sign * i32::from(is_ready(pod));
                    if let Some(lws) = leads(pod) {
                        self.leaders.count(lws, sign, ready);
                    }
                    if let Some(set) = set_of(pod) {
                        self.members.count(set, sign, sign * i32::from(pod.is_ready));
                    }
                }
            }
            self.leaders.make();
            self.members.make();
        }
    }

    fn lws_status(&mut self, world: &World<'_>, record: &LwsRecord) {
        let object = (Kind::LeaderWorkerSet, record.meta.name);
        let Some(status) = &record.lws.status else { return };
        let most = self.leaders.most(record.meta.name);
        let mut ahead = |what: &str, said: i64, truth: i64| {
            if said > truth {
                let text = format!("{what} is {said}, but the truth was {truth} at most");
                self.found(world, Rule::StatusBehindTruth, object, text);
            }
        };
        ahead("observedGeneration", status.observed_generation, record.meta.generation);
        ahead("readyReplicas", status.ready_replicas.into(), most.ready.into());
        ahead("updatedReplicas", status.updated_replicas.into(), most.pods.into());
        let is_true = |type_: &str| {
            status.conditions.iter().any(|known| known.type_ == type_ && known.status == "True")
        };
        let mut wrong = Vec::new();
        for other in [PROGRESSING, UPDATE_IN_PROGRESS] {
            if is_true(AVAILABLE) && is_true(other) {
                wrong.push(format!("{AVAILABLE} and {other} are both True"));
            }
        }
        if !status.conditions.is_empty()
            && ![AVAILABLE, PROGRESSING, UPDATE_IN_PROGRESS].into_iter().any(is_true)
        {
            wrong.push("no condition is True".to_owned());
        }
        for condition in &status.conditions {
            if condition.observed_generation != Some(status.observed_generation) {
                wrong.push(format!(
                    "condition {} speaks of generation {:?}, the status of {}",
                    condition.type_, condition.observed_generation, status.observed_generation
                ));
            }
        }
        for text in wrong {
            self.found(world, Rule::Conditions, object, text);
        }
    }

    fn set_status(&mut self, world: &World<'_>, record: &SetRecord) {
        let (status, object) = (&record.status, (Kind::StatefulSet, record.meta.name));
        let most = self.members.most(record.meta.name);
        for (what, said, truth) in [
            ("observedGeneration", status.observed_generation, record.meta.generation),
            ("replicas", status.replicas.into(), most.pods.into()),
            ("readyReplicas", status.ready.into(), most.ready.into()),
            ("availableReplicas", status.available.into(), most.ready.into()),
        ] {
            if said > truth {
                let text = format!("{what} is {said}, but the truth was {truth} at most");
                self.found(world, Rule::StatusBehindTruth, object, text);
            }
        }
    }
}
