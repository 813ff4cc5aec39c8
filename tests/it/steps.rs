//! Step traces of a real control plane: a sample in the repository, and all that lie beside it.

use crate::project::{outcome, root};

/// Replays traces and asks that as many pass as given.
#[track_caller]
fn check(paths: &[&str], passed: usize) {
    let arguments: Vec<&str> = ["conform"].iter().chain(paths).copied().collect();
    let (code, output, errors) = outcome(&arguments);
    let last = output.lines().last().unwrap_or_default();
    assert_eq!((code, last), (0, &*format!("{passed} passed, 0 failed")), "{output}{errors}");
}

fn count(folder: &str) -> Option<usize> {
    Some(std::fs::read_dir(root().join(folder)).ok()?.count())
}

#[test]
fn a_sample_of_recorded_steps_is_replayed_exactly() {
    let folders = ["tests/golden/traces", "tests/golden/traces-gate-on"];
    let traces = folders.iter().map(|folder| count(folder).unwrap()).sum();
    assert!(traces >= 12, "the sample is there");
    check(&folders, traces);
}

#[test]
fn all_recorded_steps_are_replayed_exactly() {
    for folder in ["../shared/golden/lws", "../shared/golden/lws-gate-on"] {
        match count(folder) {
            Some(traces) => check(&[folder], traces),
            None => eprintln!("skipped: {folder} is not there"),
        }
    }
}

#[test]
fn a_changed_trace_fails_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(root().join("tests/golden/traces/create-2x3.json")).unwrap();
    let file = folder.path().join("changed.json");
    std::fs::write(
        &file,
        text.replace("\"/status/readyReplicas\": 1", "\"/status/readyReplicas\": 7"),
    )
    .unwrap();
    let (code, output, _) = outcome(&["conform", file.to_str().unwrap()]);
    assert_eq!(code, 1, "{output}");
    assert!(output.contains("FAIL create-2x3"), "{output}");
    assert!(output.contains("StatefulSet/s#1 /status/readyReplicas"), "{output}");
    assert!(output.ends_with("0 passed, 1 failed\n"), "{output}");
}

#[test]
fn what_is_no_trace_is_wrong_input() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("broken.json", "{"), ("other.json", "{\"a\": 1}")] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let (code, output, errors) = outcome(&["conform", file.to_str().unwrap()]);
        assert_eq!((code, output.as_str()), (2, ""), "{errors}");
        assert!(errors.contains(name), "{errors}");
    }
    let (code, _, errors) = outcome(&["conform", "no-such-file.json"]);
    assert_eq!(code, 2, "{errors}");
}
