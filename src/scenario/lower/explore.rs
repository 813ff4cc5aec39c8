//! What must hold in every order of events.

use super::Lowering;
use super::names::Names;
use crate::backend::sim::setup::{Explore, Wish};
use crate::scenario::schema::{AlwaysSpec, Duration, NeverSpec};

impl Lowering<'_> {
    /// Returns what exploration looks for, and how far.
    pub(super) fn explore(&mut self, names: &Names) -> Explore {
        let spec = &self.scenario.explore;
        let mut explore = Explore::default();
        for (value, field) in [
            (spec.window, &mut explore.window),
            (spec.late, &mut explore.late),
            (spec.restart, &mut explore.restart),
            (spec.from, &mut explore.from),
        ] {
            if let Some(Duration(span)) = value {
                *field = span;
            }
        }
        for (index, always) in spec.always.iter().enumerate() {
            let wish = match always {
                AlwaysSpec::GroupsReady(bound) => {
                    let path = format!("explore.always[{index}].groupsReady.set");
                    self.set(&bound.set, names, &path)
                        .map(|(set, _)| Wish::GroupsReady { set, at_least: bound.at_least })
                }
                AlwaysSpec::GroupsAtMost(bound) => {
                    let path = format!("explore.always[{index}].groupsAtMost.set");
                    self.set(&bound.set, names, &path)
                        .map(|(set, _)| Wish::GroupsAtMost { set, at_most: bound.at_most })
                }
            };
            explore.wishes.extend(wish);
        }
        for (index, never) in spec.never.iter().enumerate() {
            let wish = match never {
                NeverSpec::TwoRevisionsInOneGroup(of) => {
                    let path = format!("explore.never[{index}].twoRevisionsInOneGroup.set");
                    self.set(&of.set, names, &path).map(|(set, _)| Wish::OneRevision { set })
                }
                NeverSpec::Stuck => Some(Wish::NotStuck),
            };
            explore.wishes.extend(wish);
        }
        explore
    }
}
