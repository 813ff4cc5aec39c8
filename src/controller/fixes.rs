//! Switches that repair known upstream bugs; without them everything is as upstream has it.
//!
//! Each switch is read where its rule stands: most in this layer, B9 by the simulated StatefulSet controller. The bugs, with
//! their symptoms and what a repair changes, are described in `docs/model/known-bugs.md`. Inputs that only a repaired rule
//! reads are kept apart in [`PodExtras`], so that one can see that upstream's rules do not depend on them.

use super::observed::PodSeen;
use crate::engine::Span;
use jiff::Timestamp;

/// A known upstream bug that can be repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fix {
    /// A worker that is replaced before the controller saw it go leaves its group as it is.
    B1,
    /// Exclusive placement holds against the groups of all sets of a namespace.
    B4,
    /// A restart while the group starts is held against it later, and the live size says when a group is whole.
    B5,
    /// A group with a pod on a lost node is not rebuilt until the Node object goes.
    B6,
    /// Groups are recreated without back-off.
    B7,
    /// A surge group that fits nowhere freezes the rollout.
    B8,
    /// The StatefulSet controller replaces groups one at a time, or not at all where old ones are broken.
    B9,
    /// A new version of the controller rolls all groups of unchanged sets.
    B10,
}

impl Fix {
    /// Every switch, in order.
    pub const ALL: [Self; 8] =
        [Self::B1, Self::B4, Self::B5, Self::B6, Self::B7, Self::B8, Self::B9, Self::B10];
}

/// A set of switches; empty by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixes(u16);

impl Fixes {
    /// Returns whether a bug is repaired.
    pub const fn has(self, fix: Fix) -> bool {
        self.0 >> fix as u16 & 1 == 1
    }
}

impl FromIterator<Fix> for Fixes {
    fn from_iter<I: IntoIterator<Item = Fix>>(fixes: I) -> Self {
        Self(fixes.into_iter().fold(0, |bits, fix| bits | 1 << fix as u16))
    }
}

/// What only repaired rules of the pod controller read.
#[derive(Clone, Copy, Debug, Default)]
pub struct PodExtras<'a> {
    /// The switches.
    pub fixes: Fixes,
    /// An earlier pod of the same name that the cache saw go since the last pass over this name, as it last was (B1).
    pub lost: Option<PodSeen<'a>>,
    /// Since when the pod's containers run (B5).
    pub started_at: Option<Timestamp>,
    /// The latest such instant of the other pods of the group (B5).
    pub others_started_at: Option<Timestamp>,
    /// Whether the pod is bound to a node that is unreachable or does not exist (B6).
    pub is_node_lost: bool,
    /// When and how often the group was recreated before (B7).
    pub recreations: Recreations,
    /// The instant of the pass (B7).
    pub now: Timestamp,
}

/// How often a group was recreated in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recreations {
    /// How often; 0 for a group that never was.
    pub count: u32,
    /// The last time.
    pub last: Timestamp,
}

/// First and longest back-off between recreations: those of a container of the kubelet, which users know.
const BACKOFF: (Span, Span) = (Span::from_secs(10), Span::from_secs(300));
/// A group that lived for this long starts anew with the first back-off, as a container does (kubelet).
const FORGIVEN_AFTER: Span = Span::from_secs(600);

impl Recreations {
    /// Returns the count after one more recreation.
    #[must_use]
    pub fn once_more(self, now: Timestamp) -> Self {
        let count = if since(self.last, now) > FORGIVEN_AFTER { 0 } else { self.count };
        Self { count: count.saturating_add(1), last: now }
    }

    /// Returns how long the next recreation has to wait.
    pub(super) fn wait(self, now: Timestamp) -> Span {
        let lived = since(self.last, now);
        if self.count == 0 || lived > FORGIVEN_AFTER {
            return Span::ZERO;
        }
        let doublings = (self.count - 1).min(20);
        let backoff = Span((BACKOFF.0.0 << doublings).min(BACKOFF.1.0));
        Span(backoff.0.saturating_sub(lived.0))
    }
}

fn since(then: Timestamp, now: Timestamp) -> Span {
    let nanoseconds = now.as_nanosecond().saturating_sub(then.as_nanosecond()).max(0);
    Span(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_switches_holds_what_was_put_in() {
        let fixes: Fixes = [Fix::B1, Fix::B10].into_iter().collect();
        let held: Vec<Fix> = Fix::ALL.into_iter().filter(|fix| fixes.has(*fix)).collect();
        assert_eq!(held, [Fix::B1, Fix::B10]);
        assert!(Fix::ALL.into_iter().all(|fix| !Fixes::default().has(fix)));
    }

    #[test]
    fn recreations_back_off_and_are_forgiven() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let mut recreations = Recreations::default();
        assert_eq!(recreations.wait(at(0)), Span::ZERO);
        for (second, wait) in [(0, 10), (10, 20), (30, 40), (70, 80), (150, 160), (310, 300)] {
            recreations = recreations.once_more(at(second));
            assert_eq!(recreations.wait(at(second)), Span::from_secs(wait), "at {second} s");
        }
        assert_eq!(recreations.wait(at(310 + 299)), Span::from_secs(1));
        assert_eq!(recreations.wait(at(310 + 601)), Span::ZERO);
        assert_eq!(recreations.once_more(at(310 + 601)).count, 1);
    }
}
