//! LeaderWorkerSet's decisions: `Observed` in, [`Plan`] out.
//!
//! Each rule of LWS lives here once and both backends call it. Never knows a clock, I/O or which backend called;
//! time comes in as a parameter. A plan that was carried out leads to a plan without writes (save the idempotent
//! apply of the leader StatefulSet, which upstream sends in every pass).

pub mod admission;
mod fixes;
mod group;
mod lws;
mod objects;
mod observed;
mod plan;
mod pod;
pub mod revision;
mod rollout;
mod spec;
mod status;

#[cfg(test)]
mod invariants;
#[cfg(test)]
mod model;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod traces;

pub use fixes::{Fix, Fixes, PodExtras, Recreations};
pub use lws::reconcile;
pub use objects::{Owner, ServiceBody, SetBody, TemplateBody, leader_set, worker_set};
pub use observed::{
    GroupPodSeen, LeaderPodSeen, LeaderSetSeen, NodeDomain, Observed, OwnerSeen, Phase,
    PodObserved, PodSeen, Revision, SetSeen,
};
pub use plan::{Action, EventNote, LeaderSetApply, NewRevision, Plan, Requeue};
pub use pod::reconcile_pod;
pub use status::{AVAILABLE, PROGRESSING, UPDATE_IN_PROGRESS};
