//! Rules `rolloutBounds`, `unavailable` and `oneByOne`: how far a rollout may go, as upstream keeps it.
//!
//! Looks at what a pass is about to write against what it has read; that the cache may lag is no excuse, since both come
//! from the same pass. The number of ready groups is upheld by upstream only where a pass may take down one group at
//! most: with more the controller miscounts unready groups inside its window (bug B9 of `spec/lws-controllers.md` in LWS
//! v0.10), and a shrinking surge takes ready groups from the top (B10). Those are upstream's behaviour and not watched.

use super::{Checks, Rule};
use crate::api::keys;
use crate::api::lws::LeaderWorkerSet;
use crate::api::names::{Round, scaled};
use crate::backend::sim::object::{Kind, NameId, SetRecord};
use crate::backend::sim::set_shell::SetWrite;
use crate::backend::sim::world::{Controller, Process, World, Write};
use crate::controller::{Action, LeaderSetApply, Phase};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// A set's strategy in groups.
#[derive(Clone, Copy, Debug)]
struct Strategy {
    replicas: i32,
    surge: i32,
    unavailable: i32,
    held: i32,
}

impl Strategy {
    fn of(lws: &LeaderWorkerSet) -> Option<Self> {
        let replicas = lws.spec.replicas.unwrap_or(1);
        let strategy = lws.spec.rollout_strategy.as_ref();
        let rolling = strategy.and_then(|strategy| strategy.rolling_update_configuration.as_ref());
        let number = |value: Option<&IntOrString>, default, round| {
            value.map_or(Some(default), |value| scaled(value, replicas, round))
        };
        Some(Self {
            replicas,
            surge: number(rolling.and_then(|rolling| rolling.max_surge.as_ref()), 0, Round::Up)?
                .min(replicas),
            unavailable: number(
                rolling.and_then(|rolling| rolling.max_unavailable.as_ref()),
                1,
                Round::Down,
            )?,
            held: rolling.and_then(|rolling| rolling.partition).unwrap_or(0),
        })
    }
}

impl Checks {
    /// Looks at the writes of a pass.
    pub(super) fn budget_in(&mut self, world: &World<'_>, process: &Process) {
        match process.controller {
            Controller::Lws => {
                let applies = process.steps.iter().flatten().filter_map(|write| match write {
                    Write::Lws(Action::ApplyLeaderSet(apply)) => Some(apply),
                    _ => None,
                });
                for apply in applies {
                    self.apply_in(world, process, apply);
                }
            }
            Controller::StatefulSet => self.deletes_in(world, process),
            Controller::Pod => {}
        }
    }

    fn apply_in(&mut self, world: &World<'_>, process: &Process, apply: &LeaderSetApply) {
        let Some(lws) = process.lws.as_deref() else { return };
        let Some(strategy) = Strategy::of(&lws.lws) else { return };
        let seen = world.lws_cache.stateful_sets.get(&process.key);
        for text in out_of_bounds(strategy, apply, seen.map(AsRef::as_ref)) {
            self.found(world, Rule::RolloutBounds, (Kind::LeaderWorkerSet, process.key), text);
        }
        let is_recorded =
            world.lws_cache.revisions.get(&process.key).is_some_and(|revisions| {
                revisions.values().any(|revision| revision.key == apply.key)
            }) || process.steps.iter().flatten().any(|write| {
                matches!(write, Write::Lws(Action::CreateRevision(new)) if new.key == apply.key)
            });
        if !is_recorded {
            let text = format!("it goes on to key {}, of which there is no revision", apply.key);
            self.found(world, Rule::RolloutBounds, (Kind::LeaderWorkerSet, process.key), text);
        }
        if let Some(seen) = seen
            && let Some(text) = too_few_left(world, strategy, apply, seen, process.key)
        {
            self.found(world, Rule::Unavailable, (Kind::LeaderWorkerSet, process.key), text);
        }
    }

    fn deletes_in(&mut self, world: &World<'_>, process: &Process) {
        let Some(set) = world.set_cache.sets.get(&process.key) else { return };
        let body = &set.spec.body;
        let partition = body.rolling_update.map_or(0, |(partition, _)| partition);
        let (start, pods) = (body.start.unwrap_or(0), world.set_cache.pods.get(&set.meta.uid));
        let mut replaced = 0;
        for write in process.steps.iter().flatten() {
            let Write::Set(SetWrite::DeletePod { uid, .. }) = write else { continue };
            let pod = pods.and_then(|pods| pods.values().find(|pod| pod.meta.uid == *uid));
            let Some(pod) = pod else { continue };
            let is_beyond = pod.ordinal < start || pod.ordinal >= start + body.replicas;
            if is_beyond || matches!(pod.phase, Phase::Failed | Phase::Succeeded) {
                continue;
            }
            // Since 1.37 broken pods cost nothing of the budget (`statefulset`).
            let is_free = world.setup.kubernetes.minor >= 37 && !pod.is_ready;
            replaced += i32::from(!is_free);
            if pod.ordinal < partition {
                let text = format!("a rollout with partition {partition} replaces it");
                self.found(world, Rule::OneByOne, (Kind::Pod, pod.meta.name), text);
            }
        }
        let most = match &set.spec.max_unavailable {
            None => 1,
            Some(value) => scaled(value, body.replicas, Round::Up).unwrap_or(1).max(1),
        };
        if replaced > most {
            let text = format!("a rollout replaces {replaced} pods at once where {most} may go");
            self.found(world, Rule::OneByOne, (Kind::StatefulSet, process.key), text);
        }
    }
}

/// Returns what is wrong with size and partition of an apply (invariants 1, 2, 3 and 16).
fn out_of_bounds(
    strategy: Strategy,
    apply: &LeaderSetApply,
    seen: Option<&SetRecord>,
) -> Vec<String> {
    let Strategy { replicas, surge, held, .. } = strategy;
    let mut wrong = Vec::new();
    let mut must = |holds: bool, text: String| {
        if !holds {
            wrong.push(text);
        }
    };
    must(
        apply.partition >= held,
        format!("partition {} is below the set's {held}", apply.partition),
    );
    must(
        (0..=replicas.saturating_add(surge)).contains(&apply.replicas),
        format!("{} leaders are more than {replicas} and a surge of {surge}", apply.replicas),
    );
    let Some(seen) = seen else { return wrong };
    let body = &seen.spec.body;
    let was = body.rolling_update.map_or(0, |(partition, _)| partition);
    must(
        body.replicas >= replicas || apply.replicas == replicas,
        format!("{} leaders, while groups below {replicas} are missing", apply.replicas),
    );
    if *seen.spec.revision == *apply.key {
        must(
            apply.partition <= was.max(held),
            format!("partition rises from {was} to {} within a revision", apply.partition),
        );
        let exposed = |partition: i32, count: i32| partition.min(count)..count.min(replicas);
        let (then, now) = (exposed(was, body.replicas), exposed(apply.partition, apply.replicas));
        must(
            held > was || then.is_empty() || (now.start <= then.start && now.end >= then.end),
            format!("groups {then:?} were exposed, now {now:?}"),
        );
    }
    wrong
}

/// Returns what is wrong where a pass lowers the partition by a budget of one (invariant 14).
fn too_few_left(
    world: &World<'_>,
    strategy: Strategy,
    apply: &LeaderSetApply,
    seen: &SetRecord,
    key: NameId,
) -> Option<String> {
    let body = &seen.spec.body;
    let was = body.rolling_update.map_or(0, |(partition, _)| partition);
    let budget = strategy.unavailable + (body.replicas - strategy.replicas);
    let is_scaled = body.annotations.get(keys::REPLICAS) != Some(&strategy.replicas.to_string());
    if apply.partition >= was || *seen.spec.revision != *apply.key || is_scaled || budget > 1 {
        return None;
    }
    // Below the partition of the user nothing is exposed, and a pass that only follows it decides nothing.
    let size = world.lws_cache.sets.get(&key)?.lws.spec.leader_worker_template.size.unwrap_or(1);
    let (leaders, sets) =
        (world.lws_cache.leaders.get(&key)?, world.lws_cache.worker_sets.get(&key));
    let (mut ready, mut lost) = (0, 0);
    for (name, row) in leaders {
        let Ok(index) = row.group_index.parse::<i32>() else { continue };
        let workers = sets.and_then(|sets| sets.get(name));
        let are_workers_ready = size == 1
            || workers.is_some_and(|set| set.replicas == set.available && set.is_on_one_revision);
        if index >= body.replicas
            || !(row.phase == Phase::Running && row.is_ready && are_workers_ready)
        {
            continue;
        }
        ready += 1;
        let is_updated = *row.revision == *apply.key
            && (size == 1 || workers.is_some_and(|set| *set.revision == *apply.key));
        if index >= apply.partition && index < was && !is_updated {
            lost += 1;
        }
    }
    let wanted = strategy.replicas - strategy.unavailable;
    (lost > 0 && ready - lost < wanted).then(|| {
        format!(
            "partition {was} to {} takes {lost} of {ready} ready groups, where {wanted} should stay",
            apply.partition
        )
    })
}
