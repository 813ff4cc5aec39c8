//! What an object waited for, and why, in order: read from the records of one run.
//!
//! `subject` finds the object that a name means; `pod`, `group` and `set` each tell one kind's story as episodes. Nothing
//! here is computed by the model again: an explanation says only what the records say.

mod group;
mod pod;
mod set;
mod story;
mod subject;

pub use story::{Episode, Story, explain};
pub use subject::{Kind, Subject, SubjectError};
