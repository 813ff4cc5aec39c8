//! What must hold in every order of events, and how far `lwsim explore` looks.

use super::values::Duration;
use schemars::JsonSchema;
use serde::Deserialize;

/// What must hold in every order of events, and how far `lwsim explore` looks. `lwsim run --check` watches the same.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExploreSpec {
    /// What must hold all the time.
    pub always: Vec<AlwaysSpec>,
    /// What must never be.
    pub never: Vec<NeverSpec>,
    /// How far after the first due event another may lie to come before it. Default: 20ms, an assumption.
    pub window: Option<Duration>,
    /// How late a watch event may come. Default: 800ms, the first back-off of a client whose watch broke.
    pub late: Option<Duration>,
    /// How long the LWS manager is away after a crash. Default: 2s, an assumption.
    pub restart: Option<Duration>,
    /// Everything is as usual up to this time. Default: 0s.
    pub from: Option<Duration>,
}

/// Something that must hold all the time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum AlwaysSpec {
    /// Once this many groups are ready, never fewer are.
    GroupsReady(AtLeast),
    /// There are no more groups than this, surge and terminating ones included.
    GroupsAtMost(AtMost),
}

/// A lower bound for a set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AtLeast {
    /// The set: `name` or `namespace/name`.
    pub set: String,
    /// Groups.
    pub at_least: u32,
}

/// An upper bound for a set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AtMost {
    /// The set: `name` or `namespace/name`.
    pub set: String,
    /// Groups.
    pub at_most: u32,
}

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum NeverSpec {
    /// Pods of one group that are not being deleted are of two revisions.
    TwoRevisionsInOneGroup(OfSet),
    /// The run ends stuck.
    Stuck,
}

/// A set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfSet {
    /// The set: `name` or `namespace/name`.
    pub set: String,
}
