//! A number for a state of the world, equal for states that differ in clock readings alone.
//!
//! Exploration prunes with it: a state that was reached before is not gone on from. It holds what is in the store, what is
//! under way to the caches, what the controllers have queued and planned, and which events are pending in which order. It
//! leaves out resource versions, UIDs, time stamps, and how far off pending events are.

use super::kubelet::KubeletEvent;
use super::node_life::NodeLifeEvent;
use super::object::{Object, RevisionContent};
use super::schedule::SchedulingEvent;
use super::store::Change;
use super::world::{Event, Events, World};
use crate::engine::{Span, Time, entity, entity2};

impl World<'_> {
    /// Returns the number of the present state.
    pub(super) fn fingerprint(&self, events: &mut Events) -> u64 {
        let mut state = entity2(self.store_print, u64::from(self.lws_epoch));
        for (stream, change) in self.watches.pending() {
            let print = change.new.as_ref().map_or(0, |object| self.object_print(object));
            let name = self.store.names.hash(change.any().meta().name);
            state = entity2(state, entity2(stream as u64, entity2(name, print)));
        }
        for queue in &self.queues {
            for name in queue.ready() {
                state = entity2(state, self.store.names.hash(name));
            }
            state = entity2(state, 1);
        }
        for process in self.processes.iter().flatten() {
            let writes = process.in_flight.iter().flatten().count() + process.steps.len();
            let key = entity2(self.store.names.hash(process.key), writes as u64);
            let is_dirty = self.queues[process.controller as usize].is_dirty(process.key);
            state = entity2(state, entity2(key, u64::from(is_dirty)));
        }
        for ticket in events.due(Span(u64::MAX / 2), Time::MAX) {
            let event = events.peek(ticket).expect("a due event is pending");
            state = entity2(state, self.event_print(event));
        }
        entity2(state, self.timeline.happened())
    }

    /// Takes a change of the store into its number.
    pub(super) fn print_change(&mut self, change: &Change) {
        for object in [&change.old, &change.new].into_iter().flatten() {
            // Exclusive or: what was taken in twice is out again, in whatever order.
            self.store_print ^= self.object_print(object);
        }
    }

    fn object_print(&self, object: &Object) -> u64 {
        let names = &self.store.names;
        let meta = object.meta();
        let owner = meta.owner.map_or(0, |owner| names.hash(owner.name));
        let state = match object {
            Object::LeaderWorkerSet(record) => {
                let conditions = record.lws.status.iter().flat_map(|status| &status.conditions);
                let conditions: Vec<_> =
                    conditions.map(|known| (&known.type_, &known.status)).collect();
                let counts = record.lws.status.as_ref().map(|status| {
                    (status.replicas, status.ready_replicas, status.updated_replicas)
                });
                format!("{} {counts:?} {conditions:?}", record.writes)
            }
            Object::StatefulSet(record) => {
                let body = &record.spec.body;
                format!(
                    "{} {} {:?} {} {:?}",
                    meta.generation,
                    body.replicas,
                    body.rolling_update,
                    record.spec.revision,
                    record.status
                )
            }
            Object::Pod(pod) => format!(
                "{} {} {:?} {:?} {} {} {} {}",
                pod.incarnation,
                pod.set_revision,
                pod.node.map(|node| names.hash(node)),
                pod.phase,
                pod.is_ready,
                pod.restarts,
                pod.is_unschedulable,
                pod.is_confirmed
            ),
            Object::Service(_) | Object::PersistentVolumeClaim(_) => String::new(),
            Object::ControllerRevision(record) => match &record.content {
                RevisionContent::Lws(_, revision) => format!("{} {}", record.number, revision.key),
                RevisionContent::Set(template, _) => format!("{} {}", record.number, template.hash),
            },
            Object::Node(record) => format!("{} {:?}", record.is_ready, record.node.spec),
        };
        let life = format!("{:?} {:?} {state}", meta.deleting.is_some(), meta.finalizers);
        let name = entity2(names.hash(meta.name), object.kind() as u64);
        entity2(entity2(name, owner), entity(&life))
    }

    fn event_print(&self, event: &Event) -> u64 {
        let name = |name| self.store.names.hash(name);
        match event {
            Event::Deliver(stream) => entity2(1, stream.index() as u64),
            Event::Pass(controller, key, _) => entity2(2, entity2(name(*key), *controller as u64)),
            Event::Write(slot, index) => {
                let key = self.processes[*slot].as_ref().map_or(0, |process| name(process.key));
                entity2(3, entity2(key, *index as u64))
            }
            Event::Due(controller, key) => entity2(4, entity2(name(*key), *controller as u64)),
            Event::Collect(kind, key, _) => entity2(5, entity2(name(*key), *kind as u64)),
            Event::Kubelet(KubeletEvent::Pod(pod, timer, _)) => {
                let pod = self.pod_name(*pod).map_or(0, name);
                entity2(6, entity2(pod, entity(&format!("{timer:?}"))))
            }
            Event::Kubelet(KubeletEvent::Meeting(group, stage, _)) => {
                entity2(7, entity2(*group, u64::from(*stage)))
            }
            Event::Kubelet(KubeletEvent::Transfer(_)) => 8,
            Event::NodeLife(NodeLifeEvent::Evict(pod, _)) => {
                entity2(9, self.pod_name(*pod).map_or(0, name))
            }
            Event::NodeLife(_) => 10,
            Event::Scheduling(SchedulingEvent::Bind { pod, node, .. }) => {
                entity2(11, entity2(name(*pod), name(*node)))
            }
            Event::Scheduling(SchedulingEvent::Evict { victim, .. }) => entity2(12, name(*victim)),
            Event::Scheduling(SchedulingEvent::Free) => 13,
            Event::Timeline(index) => entity2(14, *index as u64),
            Event::NodeBack(node) => entity2(15, name(*node)),
            Event::Restart(epoch) => entity2(16, u64::from(*epoch)),
            Event::Scheduling(SchedulingEvent::Contest) => 17,
        }
    }
}
