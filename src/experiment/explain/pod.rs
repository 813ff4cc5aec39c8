//! The story of a pod.

use super::story::Episode;
use crate::backend::record::{NodeChange, PodChange, Record, What};
use crate::engine::Time;
use std::sync::Arc;

/// Returns the episodes of all incarnations of a pod.
pub(super) fn episodes(name: &str, records: &[Record]) -> Vec<Episode> {
    let mut episodes: Vec<Episode> = Vec::new();
    let mut group: Option<&str> = None;
    let mut node: Option<&Arc<str>> = None;
    for (index, record) in records.iter().enumerate() {
        match &record.what {
            What::Pod { pod, incarnation, change } if **pod == *name => {
                match change {
                    PodChange::Created { group: its, .. } => (group, node) = (Some(&**its), None),
                    PodChange::Bound(its) => node = Some(its),
                    _ => {}
                }
                if let PodChange::Unschedulable(reason) = change {
                    // The wait goes on: this says why.
                    if let Some(episode) = episodes.last_mut() {
                        episode.because(format!("no node fits: {reason}"));
                        continue;
                    }
                }
                let mut episode = Episode::new(record.at, words(change, *incarnation));
                episode.is_last = matches!(change, PodChange::Gone);
                if let (PodChange::Stage(stage), Some(group)) = (change, group) {
                    episode.why.extend(last_to_arrive(
                        name,
                        group,
                        stage,
                        record.at,
                        &records[index..],
                    ));
                }
                episodes.push(episode);
            }
            What::Node { node: changed, change } if Some(changed) == node => {
                episodes.push(Episode::new(
                    record.at,
                    format!("node `{changed}` {}", node_words(*change)),
                ));
            }
            What::Event { regarding, reason, note, .. }
                if regarding.strip_prefix("Pod/") == Some(name) =>
            {
                // The scheduler's verdicts are in the records of the pod already.
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

/// Returns what a change means, in words.
pub(super) fn words(change: &PodChange, incarnation: u32) -> String {
    match change {
        PodChange::Created { revision, accelerators, .. } => {
            let again = if incarnation > 1 {
                format!(" for the {incarnation}. time")
            } else {
                String::new()
            };
            format!(
                "created{again} with revision `{revision}` and {accelerators} accelerators; waits for a node"
            )
        }
        PodChange::Unschedulable(reason) => format!("no node fits: {reason}"),
        PodChange::Bound(node) => format!("bound to `{node}`; waits for the kubelet"),
        PodChange::Stage(stage) => format!("begins stage `{stage}`"),
        PodChange::Ready => "ready".into(),
        PodChange::Unready => "not ready any more".into(),
        PodChange::Restarted => "a container ended and is started anew".into(),
        PodChange::Failed => "failed".into(),
        PodChange::Deleting => "is being deleted; waits for its containers to stop".into(),
        PodChange::Gone => "gone".into(),
    }
}

fn node_words(change: NodeChange) -> &'static str {
    match change {
        NodeChange::Cordoned => "was cordoned",
        NodeChange::Uncordoned => "was uncordoned",
        NodeChange::Down => "stopped",
        NodeChange::Up => "runs again",
        NodeChange::NotReady => "was marked NotReady",
        NodeChange::Ready => "was marked Ready",
        NodeChange::Removed => "was removed",
    }
}

/// Returns which pod of the group came to this stage last while `name` was in it, if it was another.
fn last_to_arrive(
    name: &str,
    group: &str,
    stage: &str,
    from: Time,
    rest: &[Record],
) -> Option<String> {
    let mut members: Vec<&Arc<str>> = Vec::new();
    let mut last = None;
    for record in rest.iter().skip(1) {
        let What::Pod { pod, change, .. } = &record.what else { continue };
        match change {
            // The stage is over for this pod when it does something else.
            _ if **pod == *name => break,
            PodChange::Created { group: its, .. } if **its == *group => members.push(pod),
            PodChange::Stage(reached) if **reached == *stage && record.at > from => {
                let is_member = members.contains(&pod) || pod.starts_with(group);
                last = if is_member { Some((pod, record.at)) } else { last };
            }
            _ => {}
        }
    }
    last.map(|(pod, at)| format!("`{pod}` of the same group came to this stage at {at}"))
}

#[cfg(test)]
mod tests {
    use crate::experiment::explain::story::tests::{draw, records};

    #[test]
    fn a_pods_story_says_what_it_waited_for_and_why() {
        let records = records(&[
            (
                0,
                r#"{"pod": {"pod": "default/a-0-1", "incarnation": 1, "change": {"created": {"group": "default/a-0", "revision": "r1", "accelerators": 8}}}}"#,
            ),
            (
                1,
                r#"{"pod": {"pod": "default/a-0-1", "incarnation": 1, "change": {"unschedulable": "0/4 nodes are available"}}}"#,
            ),
            (
                1,
                r#"{"event": {"regarding": "Pod/default/a-0-1", "warning": true, "reason": "FailedScheduling", "note": "0/4 nodes are available"}}"#,
            ),
            (
                2,
                r#"{"pod": {"pod": "default/a-0-1", "incarnation": 1, "change": {"unschedulable": "0/4 nodes are available"}}}"#,
            ),
            (
                5,
                r#"{"pod": {"pod": "default/a-0-1", "incarnation": 1, "change": {"bound": "n3"}}}"#,
            ),
            (
                6,
                r#"{"pod": {"pod": "default/a-0-1", "incarnation": 1, "change": {"stage": "rendezvous"}}}"#,
            ),
            (
                7,
                r#"{"pod": {"pod": "default/b-0", "incarnation": 1, "change": {"stage": "rendezvous"}}}"#,
            ),
            (
                9,
                r#"{"pod": {"pod": "default/a-0", "incarnation": 1, "change": {"stage": "rendezvous"}}}"#,
            ),
            (10, r#"{"pod": {"pod": "default/a-0-1", "incarnation": 1, "change": "ready"}}"#),
            (20, r#"{"node": {"node": "n3", "change": "down"}}"#),
            (21, r#"{"node": {"node": "n4", "change": "down"}}"#),
            (30, r#"{"pod": {"pod": "default/a-0-1", "incarnation": 1, "change": "deleting"}}"#),
            (40, r#"{"pod": {"pod": "default/a-0-1", "incarnation": 1, "change": "gone"}}"#),
        ]);
        insta::assert_snapshot!(draw("a-0-1", &records, 50), @r"
        pod default/a-0-1
        0 +5 created with revision `r1` and 8 accelerators; waits for a node
            no node fits: 0/4 nodes are available
        5 +1 bound to `n3`; waits for the kubelet
        6 +4 begins stage `rendezvous`
            `default/a-0` of the same group came to this stage at 9.000s
        10 +10 ready
        20 +10 node `n3` stopped
        30 +10 is being deleted; waits for its containers to stop
        40  gone
        ");
    }
}
