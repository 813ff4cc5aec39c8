//! The end of the LWS manager between any two writes, and its start with empty caches.
//!
//! What it has planned and what it remembers is lost: passes, queues, back-off, the budget of its clients. Requests that are
//! under way are lost as well; a request that arrived just before is the same crash one step later. After the restart it
//! lists every kind anew, which brings a pass of every key.
//!
//! # Differs from the real thing
//! All caches are filled at the same instant. The real manager starts its controllers only once all caches are in step,
//! which comes to the same, but the lists of different kinds are of slightly different times.

use super::cache::LwsCache;
use super::client::Bucket;
use super::object::{Kind, NameId};
use super::queue::WorkQueue;
use super::store::Change;
use super::watch::Watcher;
use super::world::{Controller, Event, Events, World};
use crate::engine::Span;

impl World<'_> {
    /// Ends the LWS manager now and starts the next one after `restart`.
    pub(super) fn crash_lws(&mut self, restart: Span, events: &mut Events) {
        for slot in 0..self.processes.len() {
            let is_theirs = self.processes[slot]
                .as_ref()
                .is_some_and(|process| process.controller != Controller::StatefulSet);
            if is_theirs {
                let process = self.processes[slot].take().expect("looked at above");
                self.dead.insert(slot, process.pending);
            }
        }
        self.repairs.forget();
        self.lws_epoch += 1;
        self.queues[Controller::Lws as usize] = WorkQueue::new(1);
        self.queues[Controller::Pod as usize] = WorkQueue::new(1);
        self.futile.retain(|(controller, _)| *controller == Controller::StatefulSet);
        self.lws_clients = [Bucket::new(self.setup.params.lws_client); Kind::ALL.len()];
        self.lws_cache = LwsCache::default();
        self.is_lws_down = true;
        events.after(restart, Event::Restart(self.lws_epoch));
    }

    /// Starts the LWS manager again, unless it has crashed once more since.
    pub(super) fn restart_lws(&mut self, epoch: u32, events: &mut Events) {
        if epoch != self.lws_epoch {
            return;
        }
        self.is_lws_down = false;
        self.watches.forget(Watcher::Lws);
        self.check_relist();
        let names = u32::try_from(self.store.names.len()).expect("fewer than 2^32 names");
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::PersistentVolumeClaim) {
            for name in (0..names).map(NameId) {
                if let Some(object) = self.store.object(kind, name) {
                    self.deliver_lws(&Change { old: None, new: Some(object) }, events);
                }
            }
        }
    }

    /// Counts a write that a crashed manager had under way. Returns whether it was one.
    pub(super) fn is_dead_write(&mut self, slot: usize) -> bool {
        let Some(pending) = self.dead.get_mut(&slot) else { return false };
        *pending -= 1;
        if *pending == 0 {
            self.dead.remove(&slot);
            self.free.push(slot);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::explore::{Deviation, Schedule};
    use super::super::run::{Options, run_with};
    use super::super::trial::{Trial, set_image};
    use super::*;
    use crate::backend::record::{Outcome, Record, What};

    /// Revision, phase and readiness of every group at the end.
    fn groups(trial: &Trial, schedule: Option<Schedule>) -> (Outcome, Vec<String>, u64) {
        let mut groups = std::collections::BTreeMap::new();
        let mut sink = |record: &Record| {
            if let What::Group { group, revision, phase, .. } = &record.what {
                groups.insert(group.clone(), format!("{revision} {phase:?}"));
            }
        };
        let options = Options { check: true, schedule, ..Options::default() };
        let finished = run_with(&trial.setup, 1, &options, &mut sink);
        assert_eq!(finished.violations, [], "{options:?}");
        let groups = groups.into_iter().map(|(name, state)| format!("{name} {state}")).collect();
        (finished.end.outcome, groups, finished.end.events)
    }

    #[test]
    fn a_crash_at_any_step_leads_to_the_same_end() {
        let trial = Trial::new(4, "{replicas: 2, leaderWorkerTemplate: {size: 2}}")
            .then(set_image("img:2"));
        let (outcome, expected, steps) = groups(&trial, None);
        assert_eq!(outcome, Outcome::Settled);
        for step in (0..steps).step_by(7) {
            let crash = (step, Deviation::Crash(Span::from_millis(100)));
            let schedule = Schedule { window: Span::ZERO, deviations: vec![crash] };
            let (outcome, end, _) = groups(&trial, Some(schedule));
            assert_eq!((outcome, &end), (Outcome::Settled, &expected), "crash at step {step}");
        }
    }
}
