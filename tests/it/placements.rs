//! Scheduler traces of a real kube-scheduler 1.36.3: placements with every score, messages, and who is evicted.

use crate::project::{outcome, root};

/// Replays the traces of a folder, all of which must pass; returns false where there is none.
#[track_caller]
fn check(folder: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(root().join(folder)) else { return false };
    let traces = entries.count();
    let (code, output, errors) = outcome(&["conform", folder]);
    let last = output.lines().last().unwrap_or_default();
    assert_eq!((code, last), (0, &*format!("{traces} passed, 0 failed")), "{output}{errors}");
    true
}

#[test]
fn recorded_placements_are_reproduced() {
    assert!(check("tests/golden/kube-scheduler"), "the sample is there");
    if !check("../shared/golden/kube-scheduler") {
        eprintln!("skipped: ../shared/golden/kube-scheduler is not there");
    }
}

#[test]
fn recorded_evictions_are_reproduced() {
    assert!(check("tests/golden/preemption"), "the sample is there");
    if !check("../shared/golden/preemption") {
        eprintln!("skipped: ../shared/golden/preemption is not there");
    }
}

#[test]
fn another_score_or_victim_is_a_difference() {
    let change = |file: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains(from), "{file} holds {from}");
        let folder = tempfile::tempdir().unwrap();
        let changed = folder.path().join("changed.json");
        std::fs::write(&changed, text.replacen(from, to, 1)).unwrap();
        let (code, output, errors) = outcome(&["conform", changed.to_str().unwrap()]);
        assert_eq!(code, 1, "{output}{errors}");
        output
    };
    let output = change(
        "tests/golden/kube-scheduler/sched-003.json",
        "\"ImageLocality\":0",
        "\"ImageLocality\":1",
    );
    assert!(output.contains("/scores/"), "{output}");
    let output = change(
        "tests/golden/preemption/preempt-002.json",
        "\"victims\":[\"p004\"]",
        "\"victims\":[\"p003\"]",
    );
    assert!(output.contains("/victims"), "{output}");
}
