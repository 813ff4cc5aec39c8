//! Replays recorded timed traces through a simulated run with default latencies.
//!
//! The traces in `tests/golden/timed` were recorded from Kubernetes 1.36.3 and LWS 060ab4d; where more of them lie beside the repository, those are
//! replayed as well.

use lwsim::conform::timed::replay;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn traces(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

fn check(dir: &Path) -> usize {
    let files = traces(dir);
    for file in &files {
        let trace: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let verdict = replay(&trace);
        assert!(verdict.passes(), "{}: {:#?}", verdict.case, verdict.differences);
    }
    files.len()
}

#[test]
fn timed_traces_are_predicted() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/timed");
    assert!(check(&dir) >= 3, "there are traces");
}

#[test]
fn all_timed_traces_at_hand_are_predicted() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/golden/timed");
    if check(&dir) == 0 {
        eprintln!("skipped: no traces in {}", dir.display());
    }
}
