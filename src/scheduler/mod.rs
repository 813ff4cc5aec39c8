//! Where a pod goes: the default scheduler's filters and scores on a fast picture of the cluster, and explanations.
//!
//! Pure: cluster state and a pod in, a [`Decision`] with reasons out. The queue, back-off, binding and the clock are the
//! caller's, and randomness is handed in. Implements kube-scheduler 1.33 to 1.37 (`pkg/scheduler`), by default 1.36.
//!
//! A caller makes a [`PodClass`] per template ([`Cluster::class`]), a [`PodView`] per pod ([`Cluster::view`]), asks
//! [`Scheduler::schedule`], and places the pod with [`Cluster::add_pod`] or in a [`Statement`] that can be taken back.

#[cfg(test)]
mod agreement;
mod cluster;
pub mod config;
mod counts;
mod diagnosis;
mod explain;
mod framework;
mod hints;
mod incoming;
mod labels;
mod plugins;
mod pod;
mod preemption;
#[cfg(test)]
mod reference;
mod registry;
mod resources;
mod schedule;
mod statement;
mod symbols;
mod tally;
mod terms;

pub use cluster::{Cluster, Counted, NodeChange, NodeIndex, PlacedPod, TopologyId};
pub use diagnosis::Diagnosis;
pub use explain::{Explanation, NodeExplanation};
pub use framework::{
    Basis, Cycle, Filter, Plugin, PluginSet, PreFilter, PreScore, Reasons, SCORE_MAX, Score,
    Verdict,
};
pub use hints::ClusterEvent;
pub use labels::{Condition, Label, Labelled, PodLabels, Requirement, Scope, Selector};
pub use pod::{
    ClassId, Effect, HostPort, KeyedTerm, NodeTerm, PodClass, PodKey, PodView, Spread, Taint,
    Tolerated, Toleration,
};
pub use preemption::{Asked, Budget, Helplessness, Preemption, Sacrifice};
pub use registry::{DefaultSpreading, FitStrategy, Profile, ScoredResources};
pub use resources::{RESOURCES_MAX, Requests, ResourceId, Resources};
pub use schedule::{Decision, Scheduler, Tie, TieRule};
pub use statement::Statement;
pub use symbols::{Sym, Symbols};
pub use terms::{Candidate, ExtraTerms, Matcher, PodTerm, Scoped, Term, Wish};
