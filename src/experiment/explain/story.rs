//! Stories: episodes in order, each with what went on and why.

use super::subject::{Kind, Subject, SubjectError};
use super::{group, pod, set};
use crate::backend::record::Record;
use crate::engine::{Span, Time};

/// What happened to an object, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// The object.
    pub subject: Subject,
    /// Episodes in order; each but the last lasts until the next begins.
    pub episodes: Vec<Episode>,
    /// When the records end.
    pub end: Time,
}

/// A stretch of an object's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    /// When it began.
    pub from: Time,
    /// What began then, and what is waited for.
    pub what: String,
    /// Why, one reason each.
    pub why: Vec<String>,
    /// Whether the object is gone with this: no time passes after it.
    pub is_last: bool,
}

/// Returns the story of the object that `text` means in a run that ended at `end`.
pub fn explain(text: &str, records: &[Record], end: Time) -> Result<Story, SubjectError> {
    let subject = Subject::find(text, records)?;
    let episodes = match subject.kind {
        Kind::Set => set::episodes(&subject.name, records),
        Kind::Group => group::episodes(&subject.name, records),
        Kind::Pod => pod::episodes(&subject.name, records),
    };
    Ok(Story { subject, episodes, end })
}

impl Story {
    /// Returns how long an episode lasted; `None` where it has no length.
    pub fn lasted(&self, episode: usize) -> Option<Span> {
        let this = &self.episodes[episode];
        let until = self.episodes.get(episode + 1).map_or(self.end, |next| next.from);
        (!this.is_last).then(|| until.since(this.from))
    }

    /// Leaves only what went on at `at`: the last episode that had begun by then.
    #[must_use]
    pub fn at(mut self, at: Time) -> Self {
        let begun = self.episodes.iter().take_while(|episode| episode.from <= at).count();
        let until = self.episodes.get(begun).map_or(self.end, |next| next.from);
        self.episodes.truncate(begun);
        self.episodes.drain(..begun.saturating_sub(1));
        self.end = until;
        self
    }
}

impl Episode {
    /// Returns an episode without reasons yet.
    pub(super) fn new(from: Time, what: impl Into<String>) -> Self {
        Self { from, what: what.into(), why: Vec::new(), is_last: false }
    }

    /// Adds a reason unless it was given already.
    pub(super) fn because(&mut self, reason: String) {
        if !self.why.contains(&reason) {
            self.why.push(reason);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns a story as a drawing: one line for each episode and reason.
    pub(crate) fn draw(text: &str, records: &[Record], end_s: u64) -> String {
        let story = explain(text, records, Time::ZERO + Span::from_secs(end_s)).unwrap();
        let mut lines = vec![story.subject.to_string()];
        for (index, episode) in story.episodes.iter().enumerate() {
            let lasted = story
                .lasted(index)
                .map_or(String::new(), |span| format!("+{}", span.as_secs_f64()));
            lines.push(format!("{} {lasted} {}", episode.from.as_secs_f64(), episode.what));
            lines.extend(episode.why.iter().map(|why| format!("    {why}")));
        }
        lines.join("\n")
    }

    /// Reads records from JSON lines with seconds in place of nanoseconds.
    pub(crate) fn records(lines: &[(u64, &str)]) -> Vec<Record> {
        let record = |(second, what): &(u64, &str)| Record {
            at: Time::ZERO + Span::from_secs(*second),
            what: serde_json::from_str(what).unwrap(),
        };
        lines.iter().map(record).collect()
    }

    fn names() -> Vec<Record> {
        records(&[
            (0, r#"{"wanted": {"set": "default/a", "replicas": 1, "size": 1}}"#),
            (1, r#"{"pod": {"pod": "default/a-0", "incarnation": 1, "change": {"bound": "n"}}}"#),
            (
                2,
                r#"{"group": {"group": "default/a-0", "set": "default/a", "index": 0, "revision": "r", "phase": "ready"}}"#,
            ),
            (3, r#"{"wanted": {"set": "other/a", "replicas": 1, "size": 1}}"#),
        ])
    }

    #[test]
    fn a_name_means_the_widest_object_unless_a_kind_is_given() {
        let check = |text: &str, expected: &str| {
            let found = Subject::find(text, &names()).map(|subject| subject.to_string());
            assert_eq!(found.unwrap_or_else(|error| format!("{error:?}")), expected);
        };
        check("default/a", "set default/a");
        check("a-0", "group default/a-0");
        check("pod/a-0", "pod default/a-0");
        check("pod/default/a-0", "pod default/a-0");
        check("a", r#"Ambiguous(["default/a", "other/a"])"#);
        check("b", r#"Unknown(["default/a", "other/a", "default/a-0"])"#);
        check("set/a-0", r#"Unknown(["default/a", "other/a", "default/a-0"])"#);
    }

    #[test]
    fn at_a_time_only_what_then_went_on_is_left() {
        let story = explain("pod/a-0", &names(), Time::ZERO + Span::from_secs(9)).unwrap();
        assert_eq!(story.clone().at(Time::ZERO).episodes.len(), 0);
        let then = story.at(Time::ZERO + Span::from_secs(5));
        assert_eq!(then.lasted(0), Some(Span::from_secs(8)));
    }
}
