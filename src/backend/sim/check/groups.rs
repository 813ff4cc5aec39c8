//! Rules `oneRevision`, `leaderName`, `workersInTime`, `wholeGroups` and `deletionByPolicy`: what holds a group together.

use super::{Checks, Rule};
use crate::api::keys;
use crate::backend::sim::lws_shell::node_label;
use crate::backend::sim::object::{Kind, LwsRecord, NodeRecord, Object, PodRecord, SetRecord};
use crate::backend::sim::store::Change;
use crate::backend::sim::world::{Controller, Process, World, Write};
use crate::controller::{Action, SetBody};

/// The value of `startupPolicy` that makes workers wait.
const LEADER_READY: &str = "LeaderReady";
const RECREATE: [&str; 2] = ["RecreateGroupOnPodRestart", "RecreateGroupAfterStart"];

impl Checks {
    /// Looks at a changed pod or StatefulSet.
    pub(super) fn group_after(&mut self, world: &World<'_>, change: &Change) {
        match (&change.old, &change.new) {
            (None, Some(Object::Pod(pod))) => self.pod_created(world, pod),
            (Some(Object::Pod(_)), Some(Object::Pod(pod))) => {
                if pod.is_leader && pod.is_ready {
                    self.once_ready.insert(pod.meta.uid);
                }
                if pod.is_leader && pod.meta.deleting.is_some() && pod.meta.finalizers.foreground {
                    self.recreated.insert(pod.meta.uid);
                }
            }
            (Some(Object::Pod(pod)), None) => self.pod_gone(world, pod),
            (None, Some(Object::StatefulSet(set))) => self.set_created(world, set),
            _ => {}
        }
    }

    fn pod_created(&mut self, world: &World<'_>, pod: &PodRecord) {
        let Some(group) = &pod.group else { return };
        let object = (Kind::Pod, pod.meta.name);
        let Some(owner) = pod.meta.owner.filter(|owner| owner.kind == Kind::StatefulSet) else {
            return;
        };
        if pod.is_leader {
            let name = format!("{}-{}", world.store.names.text(group.lws), group.group_index);
            let is_named = **world.store.names.text(pod.meta.name) == *name;
            if !is_named || pod.ordinal.to_string() != *group.group_index {
                let text = format!(
                    "its ordinal is {}, its group index {}",
                    pod.ordinal, group.group_index
                );
                self.found(world, Rule::LeaderName, object, text);
            }
            return;
        }
        let set = world.store.get::<SetRecord>(owner.name);
        if let Some(set) = set.filter(|set| set.meta.uid == owner.uid)
            && *set.spec.revision != *group.revision
        {
            let text = format!(
                "it is of revision {}, its StatefulSet of {}",
                group.revision, set.spec.revision
            );
            self.found(world, Rule::OneRevision, object, text);
        }
    }

    fn set_created(&mut self, world: &World<'_>, set: &SetRecord) {
        let Some(owner) = set.meta.owner.filter(|owner| owner.kind == Kind::Pod) else { return };
        self.leader_of_set.insert(set.meta.uid, owner.uid);
        let leader = world.pod(owner.name).filter(|leader| leader.meta.uid == owner.uid);
        if let Some(group) = leader.and_then(|leader| leader.group.as_ref())
            && *group.revision != *set.spec.revision
        {
            let text = format!(
                "it is of revision {}, its leader of {}",
                set.spec.revision, group.revision
            );
            self.found(world, Rule::OneRevision, (Kind::StatefulSet, set.meta.name), text);
        }
    }

    fn pod_gone(&mut self, world: &World<'_>, pod: &PodRecord) {
        let uid = pod.meta.uid;
        self.once_ready.remove(&uid);
        if !self.recreated.remove(&uid) {
            return;
        }
        let is_of_it = |other: &PodRecord| {
            let owner = other.meta.owner;
            owner.is_some_and(|owner| self.leader_of_set.get(&owner.uid) == Some(&uid))
        };
        let left = world.store.list::<PodRecord>().into_iter().find(|other| is_of_it(other));
        if let Some(left) = left {
            let text = format!(
                "it went in the foreground before {}",
                world.store.names.text(left.meta.name)
            );
            self.found(world, Rule::WholeGroups, (Kind::Pod, pod.meta.name), text);
        }
    }

    /// Looks at the writes of a pass of the pod controller.
    pub(super) fn group_in(&mut self, world: &World<'_>, process: &Process) {
        let Some(lws) = process.lws.as_deref().filter(|_| process.controller == Controller::Pod)
        else {
            return;
        };
        self.read_by_pod.insert(process.key, (lws.meta.uid, lws.writes));
        for write in process.steps.iter().flatten() {
            match write {
                Write::Lws(Action::CreateWorkerSet(body)) => {
                    for text in self.too_early(world, process, lws, body) {
                        self.found(world, Rule::WorkersInTime, (Kind::Pod, process.key), text);
                    }
                }
                Write::Lws(Action::DeletePodForeground { name }) => {
                    if let Some(text) = unfounded(world, process, lws, name) {
                        self.found(world, Rule::DeletionByPolicy, (Kind::Pod, process.key), text);
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns why the workers of a leader must not be made yet, or not so many.
    fn too_early(
        &self,
        world: &World<'_>,
        process: &Process,
        lws: &LwsRecord,
        body: &SetBody,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        let Some(leader) = world.lws_cache.pods.get(&process.key) else { return wrong };
        if lws.lws.spec.startup_policy.as_deref() == Some(LEADER_READY)
            && !self.once_ready.contains(&leader.meta.uid)
        {
            wrong.push("its workers are made before it was ready once".to_owned());
        }
        let key = leader.group.as_ref().map(|group| &group.revision);
        let revisions = world.lws_cache.revisions.get(&lws.meta.name);
        let size =
            revisions.into_iter().flat_map(|revisions| revisions.values()).find_map(|revision| {
                (Some(&revision.key) == key).then_some(revision.template.size.unwrap_or(1))
            });
        if size != Some(body.replicas + 1) {
            wrong
                .push(format!("it gets {} workers, its revision has size {size:?}", body.replicas));
        }
        let annotations = lws.lws.metadata.annotations.as_ref();
        if let Some(topology) = annotations.and_then(|known| known.get(keys::EXCLUSIVE_TOPOLOGY)) {
            let node = leader.node.and_then(|node| world.store.get::<NodeRecord>(node));
            let has = node.and_then(|node| node_label(node, topology));
            let wants = body.template.node_selector.get(topology).map(String::as_str);
            if leader.node.is_none() || (node.is_some() && has != wants) {
                wrong.push(format!("its workers are sent to {wants:?}, it stands in {has:?}"));
            }
        }
        wrong
    }
}

/// Returns why a pass must not delete a leader.
fn unfounded(
    world: &World<'_>,
    process: &Process,
    lws: &LwsRecord,
    leader: &str,
) -> Option<String> {
    let policy = lws.lws.spec.leader_worker_template.restart_policy.as_deref();
    if policy.is_some_and(|policy| !RECREATE.contains(&policy)) {
        return Some(format!("leader {leader} is deleted under restart policy {policy:?}"));
    }
    let pod = world.lws_cache.pods.get(&process.key)?;
    let group = pod.group.as_ref()?;
    let own = format!("{}-{}", world.store.names.name(group.lws), group.group_index);
    (own != leader).then(|| format!("leader {leader} of another group is deleted"))
}
