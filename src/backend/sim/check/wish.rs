//! Rule `wish`: what a scenario wants to hold always or never.

use super::{Checks, Rule};
use crate::backend::record::{Outcome, RunEnd};
use crate::backend::sim::object::{Kind, NameId};
use crate::backend::sim::setup::Wish;
use crate::backend::sim::world::World;

impl Checks {
    /// Looks at the wishes after an event.
    pub(super) fn wishes(&mut self, world: &World<'_>) {
        let wishes = &world.setup.params.explore.wishes;
        if wishes.is_empty() {
            return;
        }
        self.armed.resize(wishes.len(), false);
        for (place, wish) in wishes.iter().enumerate() {
            if let Some((set, text)) = self.broken_by(world, place, wish) {
                self.found(world, Rule::Wish, (Kind::LeaderWorkerSet, set), text);
            }
        }
    }

    fn broken_by(
        &mut self,
        world: &World<'_>,
        place: usize,
        wish: &Wish,
    ) -> Option<(NameId, String)> {
        let find = |set: &str| world.store.names.find(set);
        match wish {
            Wish::GroupsReady { set, at_least } => {
                let name = find(set)?;
                let ready = world.groups.sets.get(&name)?.ready();
                let was_armed = std::mem::replace(&mut self.armed[place], ready >= *at_least);
                (was_armed && ready < *at_least)
                    .then(|| (name, format!("{ready} groups are ready, fewer than {at_least}")))
            }
            Wish::GroupsAtMost { set, at_most } => {
                let name = find(set)?;
                let groups = world.groups.sets.get(&name)?.groups.len();
                let is_more = groups > *at_most as usize;
                let was_more = std::mem::replace(&mut self.armed[place], is_more);
                (is_more && !was_more)
                    .then(|| (name, format!("there are {groups} groups, more than {at_most}")))
            }
            Wish::OneRevision { set } => {
                let name = find(set)?;
                let found = world.groups.sets.get(&name)?.groups.values().find_map(|group| {
                    let mut living = group
                        .members
                        .iter()
                        .filter_map(|member| world.pod(member.pod))
                        .filter(|pod| pod.meta.deleting.is_none())
                        .filter_map(|pod| pod.group.as_ref().map(|group| &group.revision));
                    let first = living.next()?;
                    let other = living.find(|revision| *revision != first)?;
                    let group = world.store.names.name(group.name);
                    Some((name, format!("group {group} has pods of revisions {first} and {other}")))
                });
                let was_broken = std::mem::replace(&mut self.armed[place], found.is_some());
                found.filter(|_| !was_broken)
            }
            Wish::NotStuck => None,
        }
    }

    /// Looks at the wishes that speak of the end of a run.
    pub(in crate::backend::sim) fn end_wishes(&mut self, world: &World<'_>, end: &RunEnd) {
        let is_wanted = world.setup.params.explore.wishes.contains(&Wish::NotStuck);
        if is_wanted && end.outcome == Outcome::Stuck {
            let chain = end.waits.first();
            let object = chain.map_or_else(|| "the run".to_owned(), |chain| chain.group.clone());
            let cause = chain.and_then(|chain| chain.chain.last());
            let text = cause.map_or_else(
                || "it is stuck".to_owned(),
                |wait| format!("it is stuck: {} waits for {}", wait.object, wait.waits_for),
            );
            self.violations.push(super::Violation {
                at: end.at,
                rule: Rule::Wish,
                object: format!("Group/{object}"),
                text,
            });
        }
    }
}
