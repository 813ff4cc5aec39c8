//! What a pod on a node waits for, for chains of waits and explanations.

use super::{Kubelets, NodeId, PodId, State, Timer};
use crate::backend::sim::start::Pods;
use std::fmt;
use std::sync::Arc;

/// What a pod that is not ready waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backend::sim) enum Waiting {
    /// Its node is down.
    Node(NodeId),
    /// Its sandbox is being made.
    Sandbox,
    /// Another pod of its node pulls an image: the same one, or any where pulls go one at a time.
    Pull(PodId),
    /// These stages go on.
    Stages(Vec<Arc<str>>),
    /// Its group at a stage.
    Group {
        /// The stage.
        stage: Arc<str>,
        /// Members on nodes that have not reached the stage.
        missing: Pods,
        /// Pods of the group that are on no node.
        absent: u32,
        /// Whether the leader's address is missing.
        lacks_address: bool,
    },
    /// It leads, has done its stages, and the others have not.
    Members {
        /// Members on nodes that have not done all their stages.
        missing: Pods,
        /// Pods of the group that are on no node.
        absent: u32,
    },
    /// Its next readiness probe.
    Probe,
    /// Its container has exited and is started anew in a while.
    Restart,
    /// It is being stopped.
    Stop,
    /// It has failed: whoever owns it must replace it.
    Replacement,
}

impl Kubelets {
    /// Returns what a pod waits for; `None` if it is ready or not known.
    pub(in crate::backend::sim) fn waiting(&self, id: PodId) -> Option<Waiting> {
        let pod = self.pods.get(&id)?;
        Some(match pod.state {
            State::Down { .. } => Waiting::Node(pod.node),
            State::Sandbox => Waiting::Sandbox,
            State::Exited { .. } | State::BackOff => Waiting::Restart,
            State::Stopping(_) | State::Cleanup => Waiting::Stop,
            State::Failed => Waiting::Replacement,
            State::Pulling | State::Running if pod.is_ready => return None,
            State::Pulling | State::Running => self.waiting_at(id),
        })
    }

    fn waiting_at(&self, id: PodId) -> Waiting {
        let pod = &self.pods[&id];
        let class = self.classes.get(pod.class);
        if let Some(other) = self.nodes[pod.node.0 as usize].pulls.ahead_of(id) {
            return Waiting::Pull(other);
        }
        let going = |stage: &usize| (pod.begun & !pod.done) >> stage & 1 == 1;
        let going: Vec<usize> = (0..class.profile.stages.len()).filter(going).collect();
        let name = |stage: usize| Arc::clone(&class.profile.stages[stage].name);
        // Work that goes on comes before waiting: it is what holds the pod up first.
        let gathers = |stage: usize| {
            let number = u8::try_from(stage).expect("fewer than 64 stages");
            Some((
                number,
                self.groups
                    .gathering(pod.group, number)
                    .filter(|(there, _)| there.contains(&id))?,
            ))
        };
        let works: Vec<_> = going
            .iter()
            .filter(|stage| gathers(**stage).is_none())
            .map(|stage| name(*stage))
            .collect();
        if !works.is_empty() {
            return Waiting::Stages(works);
        }
        if let Some((stage, (there, has_address))) = going.first().and_then(|stage| gathers(*stage))
        {
            let runs = |member: &PodId| {
                let member = &self.pods[member];
                self.classes.get(member.class).runs(member.is_leader) >> stage & 1 == 1
            };
            let others = self.groups.others(pod.group, id);
            let missing: Pods =
                others.into_iter().filter(|other| runs(other) && !there.contains(other)).collect();
            let known =
                u32::try_from(there.len() + missing.len()).expect("a group's size is 32 bits");
            let absent = class.runners(stage, self.groups.size(pod.group)).saturating_sub(known);
            return Waiting::Group {
                stage: name(stage.into()),
                missing,
                absent,
                lacks_address: !has_address,
            };
        }
        if pod.timers.iter().any(|(timer, _)| *timer == Timer::Probe) || !self.waits_for_members(id)
        {
            return Waiting::Probe;
        }
        let (missing, absent) = self.groups.unfinished(pod.group);
        Waiting::Members { missing, absent }
    }
}

impl Waiting {
    /// Returns the pods that hold this one up, as far as they are on nodes.
    pub(in crate::backend::sim) fn pods(&self) -> &[PodId] {
        match self {
            Self::Pull(pod) => std::slice::from_ref(pod),
            Self::Group { missing, .. } | Self::Members { missing, .. } => missing,
            _ => &[],
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(_) => formatter.write_str("its node to be up again"),
            Self::Sandbox => formatter.write_str("its sandbox"),
            Self::Pull(_) => formatter.write_str("the image pull of another pod on its node"),
            Self::Stages(stages) => {
                let stages: Vec<String> = stages.iter().map(|stage| format!("`{stage}`")).collect();
                write!(formatter, "{} to be done", stages.join(" and "))
            }
            Self::Group { stage, missing, absent, lacks_address } => {
                let mut causes = missing_text(missing, *absent);
                if *lacks_address {
                    causes.push("the leader's address".to_owned());
                }
                write!(formatter, "{} at `{stage}`", causes.join(" and "))
            }
            Self::Members { missing, absent } => {
                write!(
                    formatter,
                    "{} to do all stages",
                    missing_text(missing, *absent).join(" and ")
                )
            }
            Self::Probe => formatter.write_str("its next readiness probe"),
            Self::Restart => formatter.write_str("its container to be started anew"),
            Self::Stop => formatter.write_str("its container to stop"),
            Self::Replacement => formatter.write_str("its replacement: it has failed"),
        }
    }
}

fn missing_text(missing: &Pods, absent: u32) -> Vec<String> {
    let pods = |count: usize| if count == 1 { "pod" } else { "pods" };
    let mut causes = Vec::new();
    if !missing.is_empty() {
        causes.push(format!("{} {} of its group", missing.len(), pods(missing.len())));
    }
    if absent > 0 {
        causes.push(format!("{absent} {} of its group that are on no node", pods(absent as usize)));
    }
    causes
}
