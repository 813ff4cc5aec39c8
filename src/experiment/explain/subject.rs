//! The object that a name means.

use crate::backend::record::{Record, What};
use std::collections::BTreeSet;
use std::fmt;

/// Kind of an object that has a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A set.
    Set,
    /// A group, named like its leader pod.
    Group,
    /// A pod.
    Pod,
}

/// An object of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Its kind.
    pub kind: Kind,
    /// `namespace/name`.
    pub name: String,
}

/// A name that means no object, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectError {
    /// No object of the run has it; these are there.
    Unknown(Vec<String>),
    /// Several have it.
    Ambiguous(Vec<String>),
}

impl Kind {
    /// Returns the kind as it is written before a name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Group => "group",
            Self::Pod => "pod",
        }
    }

    fn named(text: &str) -> Option<Self> {
        [Self::Set, Self::Group, Self::Pod].into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind.as_str(), self.name)
    }
}

impl Subject {
    /// Returns the object that `text` means: `[kind/][namespace/]name`.
    ///
    /// Without kind a name means a set before a group and a group before a pod: a group and its leader share one name.
    pub fn find(text: &str, records: &[Record]) -> Result<Self, SubjectError> {
        let known = subjects(records);
        let (kind, name) = match text.split_once('/') {
            Some((first, rest)) if Kind::named(first).is_some() => (Kind::named(first), rest),
            _ => (None, text),
        };
        let is_meant = |subject: &&Self| {
            let bare = subject.name.split_once('/').map_or(subject.name.as_str(), |(_, bare)| bare);
            kind.is_none_or(|kind| kind == subject.kind) && (subject.name == name || bare == name)
        };
        let mut meant: Vec<&Self> = known.iter().filter(is_meant).collect();
        let Some(first) = meant.first().map(|first| first.kind) else {
            // A group and its leader share one name.
            let group = |pod: &Self| Self { kind: Kind::Group, name: pod.name.clone() };
            let others = known
                .iter()
                .filter(|subject| subject.kind != Kind::Pod || !known.contains(&group(subject)));
            return Err(SubjectError::Unknown(
                others.map(|subject| subject.name.clone()).collect(),
            ));
        };
        meant.retain(|subject| subject.kind == first);
        match meant[..] {
            [subject] => Ok(subject.clone()),
            _ => Err(SubjectError::Ambiguous(
                meant.iter().map(|subject| subject.name.clone()).collect(),
            )),
        }
    }
}

fn subjects(records: &[Record]) -> BTreeSet<Subject> {
    let mut subjects = BTreeSet::new();
    let mut add = |kind, name: &str| {
        subjects.insert(Subject { kind, name: name.into() });
    };
    for record in records {
        match &record.what {
            What::Wanted { set, .. } => add(Kind::Set, set),
            What::Group { group, .. } => add(Kind::Group, group),
            What::Pod { pod, .. } => add(Kind::Pod, pod),
            What::Action(_)
            | What::Rollout { .. }
            | What::Status { .. }
            | What::LeaderSet { .. }
            | What::Node { .. }
            | What::Event { .. } => {}
        }
    }
    subjects
}
