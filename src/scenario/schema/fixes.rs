//! Known upstream bugs that a scenario may repair.
//!
//! What a repair does is the business of `controller`; the ids are those of `docs/model/known-bugs.md`.

use schemars::JsonSchema;
use serde::Deserialize;

/// A known upstream bug to repair; without it, everything is as upstream has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum FixSpec {
    /// Missed worker: a worker that is replaced before the controller saw it go takes its group along all the same.
    B1,
    /// Jealous sets: exclusive placement keeps groups of the same set apart, not those of other sets.
    B4,
    /// Long memory: a restart while the group starts is forgiven once all run, and the revision's size says when that is.
    B5,
    /// Lost node: pods that terminate on an unreachable node are deleted by force, so that their group is rebuilt elsewhere.
    B6,
    /// Recreation storm: recreations of one group back off from 10 s to 5 min.
    B7,
    /// Head of line: surge groups without room are given up, and the rollout goes on without them.
    B8,
    /// One at a time: the StatefulSet controller keeps `maxUnavailable`, and replaces broken old pods first, as Kubernetes 1.37 does.
    B9,
    /// Upgrade roll: what a later controller adds to templates waits for the user's next change.
    B10,
}

/// What a later version of the LWS controller does differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum UpgradeSpec {
    /// It adds a label to the pod template of leaders.
    PodTemplateLabel,
}
