//! The names of the rules, and what a broken one looks like.

use crate::engine::Time;
use std::fmt;

/// A rule that every run keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// No node holds pods that ask for more than it has.
    NoOverAllocation,
    /// An object has one controller owner, which existed under that name and UID.
    OneOwner,
    /// Size and partition of the leader StatefulSet stay within `replicas`, `maxSurge` and `partition`.
    RolloutBounds,
    /// A pass that may take down one group at most leaves as many groups ready as `maxUnavailable` wants.
    Unavailable,
    /// The StatefulSet controller's rollout replaces no more pods at a time than it may, and none below the partition.
    OneByOne,
    /// A status counts nothing that was not true when its writer looked, and speaks of no generation to come.
    StatusBehindTruth,
    /// Conditions that exclude each other are not both True, and all speak of the generation of their status.
    Conditions,
    /// Leader, worker StatefulSet and workers of one incarnation of a group are of one revision.
    OneRevision,
    /// A leader pod's name, ordinal and group index agree.
    LeaderName,
    /// Workers are made when startup policy and exclusive placement allow it, as many as their revision wants.
    WorkersInTime,
    /// A group that is recreated is gone before its new leader exists, and none stays half restarted.
    WholeGroups,
    /// The controllers delete a leader only where a restart policy says so, and for a pod of its own group.
    DeletionByPolicy,
    /// At rest nothing is left of what was deleted.
    NothingLeftBehind,
    /// At rest another pass of any controller would do nothing.
    RestIsEmpty,
    /// At rest status, Service and revisions are those of the set.
    RestIsTrue,
    /// What the scenario's `explore` wants always or never.
    Wish,
}

impl Rule {
    /// All rules but the scenario's own, in the order in which the documentation lists them.
    pub const ALL: [Self; 15] = [
        Self::NoOverAllocation,
        Self::OneOwner,
        Self::RolloutBounds,
        Self::Unavailable,
        Self::OneByOne,
        Self::StatusBehindTruth,
        Self::Conditions,
        Self::OneRevision,
        Self::LeaderName,
        Self::WorkersInTime,
        Self::WholeGroups,
        Self::DeletionByPolicy,
        Self::NothingLeftBehind,
        Self::RestIsEmpty,
        Self::RestIsTrue,
    ];

    /// Returns the rule's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoOverAllocation => "noOverAllocation",
            Self::OneOwner => "oneOwner",
            Self::RolloutBounds => "rolloutBounds",
            Self::Unavailable => "unavailable",
            Self::OneByOne => "oneByOne",
            Self::StatusBehindTruth => "statusBehindTruth",
            Self::Conditions => "conditions",
            Self::OneRevision => "oneRevision",
            Self::LeaderName => "leaderName",
            Self::WorkersInTime => "workersInTime",
            Self::WholeGroups => "wholeGroups",
            Self::DeletionByPolicy => "deletionByPolicy",
            Self::NothingLeftBehind => "nothingLeftBehind",
            Self::RestIsEmpty => "restIsEmpty",
            Self::RestIsTrue => "restIsTrue",
            Self::Wish => "wish",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Time,
    /// Which rule.
    pub rule: Rule,
    /// The object, as `Kind/namespace/name`.
    pub object: String,
    /// What was found.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}: {}", self.at, self.object, self.rule, self.text)
    }
}
