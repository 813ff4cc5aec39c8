//! Same scenario and seed, same bytes. `.ci/run` compares debug and release builds as well.

use crate::project::{assert_same_files, files, lwsim, scenario};
use std::path::Path;

fn run(dir: &Path, jobs: &str) {
    let scenario = scenario("quickstart.yaml");
    let arguments = [
        "run",
        scenario.to_str().unwrap(),
        "--seeds",
        "3",
        "--jobs",
        jobs,
        "--out",
        dir.to_str().unwrap(),
    ];
    lwsim(arguments).assert().success();
}

#[test]
fn neither_a_second_run_nor_the_number_of_threads_changes_a_byte() {
    let root = tempfile::tempdir().unwrap();
    let dirs = ["one", "again", "four"].map(|name| root.path().join(name));
    for (dir, jobs) in dirs.iter().zip(["1", "1", "4"]) {
        run(dir, jobs);
    }
    assert_same_files(&dirs[0], &dirs[1]);
    assert_same_files(&dirs[0], &dirs[2]);
}

#[test]
fn a_report_made_again_from_the_result_files_is_the_same_report() {
    let root = tempfile::tempdir().unwrap();
    let (dir, kept) = (root.path().join("results"), root.path().join("kept"));
    run(&dir, "2");
    run(&kept, "2");
    std::fs::remove_file(dir.join("index.html")).unwrap();
    std::fs::remove_dir_all(dir.join("plots")).unwrap();
    lwsim(["report", dir.to_str().unwrap()]).assert().success();
    assert_same_files(&dir, &kept);
}

#[test]
fn no_result_file_holds_a_path_of_the_host() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("results");
    run(&dir, "2");
    let project = env!("CARGO_MANIFEST_DIR").as_bytes();
    let place = root.path().to_str().unwrap().as_bytes();
    for (name, bytes) in files(&dir) {
        for path in [project, place] {
            let holds = bytes.windows(path.len()).any(|window| window == path);
            assert!(!holds, "`{name}` holds `{}`", String::from_utf8_lossy(path));
        }
    }
}
