//! The story of a group.

use super::pod;
use super::story::Episode;
use crate::backend::record::{GroupPhase, PodChange, Record, What};
use std::sync::Arc;

/// Returns the episodes of all incarnations of a group.
pub(super) fn episodes(name: &str, records: &[Record]) -> Vec<Episode> {
    let mut episodes: Vec<Episode> = Vec::new();
    let mut members: Vec<&Arc<str>> = Vec::new();
    // The last change of a member at the present instant: what ended the phase before.
    let mut cause = None;
    for record in records {
        match &record.what {
            What::Pod { pod, incarnation, change } => {
                match change {
                    PodChange::Created { group, .. } if **group == *name => members.push(pod),
                    _ if !members.contains(&pod) => continue,
                    _ => {}
                }
                let words = pod::words(change, *incarnation);
                let done = words.split(';').next().expect("splitting gives at least one part");
                cause = Some((record.at, format!("`{pod}`: {done}")));
                if let (PodChange::Unschedulable(reason), Some(episode)) =
                    (change, episodes.last_mut())
                {
                    episode.because(format!("no node fits `{pod}`: {reason}"));
                }
                if matches!(change, PodChange::Gone) {
                    members.retain(|member| *member != pod);
                }
            }
            What::Group { group, revision, phase, .. } if **group == *name => {
                if let (Some((at, cause)), Some(episode)) = (cause.take(), episodes.last_mut())
                    && at == record.at
                {
                    episode.because(format!("until {cause}"));
                }
                let mut episode = Episode::new(record.at, words(*phase, revision));
                episode.is_last = *phase == GroupPhase::Gone;
                episodes.push(episode);
            }
            What::Event { regarding, reason, note, .. }
                if regarding.strip_prefix("Pod/") == Some(name) =>
            {
                if let Some(episode) =
                    episodes.last_mut().filter(|_| **reason != *"FailedScheduling")
                {
                    episode.because(format!("{reason}: {note}"));
                }
            }
            _ => {}
        }
    }
    episodes
}

fn words(phase: GroupPhase, revision: &str) -> String {
    match phase {
        GroupPhase::Waiting => {
            format!("waiting for a node for its first pod, revision `{revision}`")
        }
        GroupPhase::Scheduling => {
            "scheduling: some pods have a node, others wait for one or do not exist yet".into()
        }
        GroupPhase::Pulling => {
            "pulling: all pods have a node, at least one fetches its image".into()
        }
        GroupPhase::Loading => {
            "loading: all images are there, at least one pod is still starting".into()
        }
        GroupPhase::Ready => "ready".into(),
        GroupPhase::Broken => "broken: a pod is not ready any more".into(),
        GroupPhase::Terminating => "terminating: a pod is being deleted".into(),
        GroupPhase::Gone => "gone".into(),
    }
}

#[cfg(test)]
mod tests {
    use crate::experiment::explain::story::tests::{draw, records};

    #[test]
    fn a_groups_story_names_the_pod_that_ended_each_phase() {
        let records = records(&[
            (
                0,
                r#"{"pod": {"pod": "default/a-0", "incarnation": 1, "change": {"created": {"group": "default/a-0", "revision": "r1", "accelerators": 8}}}}"#,
            ),
            (
                0,
                r#"{"group": {"group": "default/a-0", "set": "default/a", "index": 0, "revision": "r1", "phase": "waiting"}}"#,
            ),
            (1, r#"{"pod": {"pod": "default/a-0", "incarnation": 1, "change": {"bound": "n1"}}}"#),
            (
                1,
                r#"{"group": {"group": "default/a-0", "set": "default/a", "index": 0, "revision": "r1", "phase": "scheduling"}}"#,
            ),
            (
                2,
                r#"{"pod": {"pod": "default/a-0-1", "incarnation": 1, "change": {"created": {"group": "default/a-0", "revision": "r1", "accelerators": 8}}}}"#,
            ),
            (
                3,
                r#"{"pod": {"pod": "default/a-0-1", "incarnation": 1, "change": {"unschedulable": "0/4 nodes are available"}}}"#,
            ),
            (
                4,
                r#"{"pod": {"pod": "default/other", "incarnation": 1, "change": {"unschedulable": "no"}}}"#,
            ),
            (
                9,
                r#"{"pod": {"pod": "default/a-0-1", "incarnation": 1, "change": {"bound": "n2"}}}"#,
            ),
            (
                9,
                r#"{"group": {"group": "default/a-0", "set": "default/a", "index": 0, "revision": "r1", "phase": "pulling"}}"#,
            ),
        ]);
        insta::assert_snapshot!(draw("a-0", &records, 12), @r"
        group default/a-0
        0 +1 waiting for a node for its first pod, revision `r1`
            until `default/a-0`: bound to `n1`
        1 +8 scheduling: some pods have a node, others wait for one or do not exist yet
            no node fits `default/a-0-1`: 0/4 nodes are available
            until `default/a-0-1`: bound to `n2`
        9 +3 pulling: all pods have a node, at least one fetches its image
        ");
    }
}
