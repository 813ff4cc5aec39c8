//! Rules that hold in every run, watched while it runs: what `lwsim run --check` and all tests of whole runs look at.
//!
//! The rules are the invariants of LWS and Kubernetes as upstream keeps them (`docs/model/invariants.md` says where it does
//! not, and what is watched instead). Reads the store's truth, the passes of the controllers and the state at rest; changes
//! nothing, so that a run with checks tells the same records as one without.

mod budget;
mod capacity;
mod groups;
mod ledger;
mod owners;
mod rest;
mod rule;
mod status;
#[cfg(test)]
mod tests;
mod wish;

pub use rule::{Rule, Violation};

use super::object::{Kind, NameId, Object};
use super::store::Change;
use super::world::{Process, World};
use crate::api::Uid;
use capacity::Capacity;
use ledger::Ledger;
use std::collections::{BTreeMap, BTreeSet};

/// Violations that are kept: later ones say little that the first did not.
const VIOLATIONS_MAX: usize = 100;

/// What has been seen so far, for rules that span more than one change.
#[derive(Clone, Debug, Default)]
pub(super) struct Checks {
    capacity: Capacity,
    /// Leader pods of each LWS, against which the LWS controller's status is held.
    leaders: Ledger,
    /// Pods of each StatefulSet, against which the StatefulSet controller's status is held.
    members: Ledger,
    /// Leaders that were ready once.
    once_ready: BTreeSet<Uid>,
    /// Leaders that went into foreground deletion.
    recreated: BTreeSet<Uid>,
    /// The leader of each worker StatefulSet, by UID.
    leader_of_set: BTreeMap<Uid, Uid>,
    /// Objects whose owner let them go: they may outlive it.
    orphaned: BTreeSet<Uid>,
    /// The set, by UID and count of user writes, that the last pass of each pod has read.
    read_by_pod: BTreeMap<NameId, (Uid, u32)>,
    /// For each wish whether it may break (or, for what must never be, whether it has been told).
    armed: Vec<bool>,
    violations: Vec<Violation>,
}

impl Checks {
    /// Whether a rule was broken.
    pub(super) fn has_found(&self) -> bool {
        !self.violations.is_empty()
    }

    /// Returns what was found, in the order of time.
    pub(super) fn into_violations(self) -> Vec<Violation> {
        self.violations
    }

    fn found(&mut self, world: &World<'_>, rule: Rule, object: (Kind, NameId), text: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            let object = world.reference(object.0, object.1).to_string();
            self.violations.push(Violation { at: world.now, rule, object, text });
        }
    }

    fn change(&mut self, world: &World<'_>, change: &Change) {
        self.capacity_after(world, change);
        self.owner_after(world, change);
        self.status_after(world, change);
        self.group_after(world, change);
    }

    fn pass(&mut self, world: &World<'_>, process: &Process) {
        self.status_read_by(process);
        self.budget_in(world, process);
        self.group_in(world, process);
    }
}

impl World<'_> {
    /// Looks at a change of the store.
    pub(super) fn check_change(&mut self, change: &Change) {
        if let Some(mut checks) = self.checks.take() {
            checks.change(self, change);
            self.checks = Some(checks);
        }
    }

    /// Looks at what a pass is about to do.
    pub(super) fn check_pass(&mut self, process: &Process) {
        if let Some(mut checks) = self.checks.take() {
            checks.pass(self, process);
            self.checks = Some(checks);
        }
    }

    /// Looks at the state in which nothing is left to do.
    pub(super) fn check_rest(&mut self) {
        if let Some(mut checks) = self.checks.take() {
            checks.rest(self);
            self.checks = Some(checks);
        }
    }

    /// Looks at what the scenario wishes, after an event.
    pub(super) fn check_wishes(&mut self) {
        if let Some(mut checks) = self.checks.take() {
            checks.wishes(self);
            self.checks = Some(checks);
        }
    }

    /// Notes that the caches of the LWS manager were read anew from the store.
    pub(super) fn check_relist(&mut self) {
        if let Some(checks) = &mut self.checks {
            checks.leaders.relist();
        }
    }

    /// Notes that a cache has taken in a change of a pod.
    pub(super) fn check_delivery(&mut self, watcher: super::watch::Watcher, change: &Change) {
        if let (Some(checks), Object::Pod(_)) = (&mut self.checks, change.any()) {
            match watcher {
                super::watch::Watcher::Lws => checks.leaders.deliver(),
                super::watch::Watcher::StatefulSets => checks.members.deliver(),
                _ => {}
            }
        }
    }
}
