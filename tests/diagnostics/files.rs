//! Files that are missing, empty, too large, no text or no YAML.

use super::{SOUND, refuse, refuse_in, refuse_with};
use std::fs;
use tempfile::TempDir;

#[test]
fn text_that_is_no_yaml_is_refused() {
    insta::assert_snapshot!(refuse("cluster: {shape: [\nabout: x\n"), @r"
    error[yaml-syntax]: this is not valid YAML: unclosed bracket '['
     --> scenario.yaml:1:18
      |
    1 | cluster: {shape: [
      |                  ^
    ");
    insta::assert_snapshot!(refuse("a: 1\n---\nb: 2\n"), @r"
    error[yaml-syntax]: a scenario is one YAML document, and here begins a second one
     --> scenario.yaml:3:1
      |
    3 | b: 2
      | ^^^^
    ");
}

#[test]
fn an_empty_file_is_refused() {
    insta::assert_snapshot!(refuse(""), @r"
    error[empty-file]: `scenario.yaml` is empty
    --> scenario.yaml
     = help: a scenario needs at least `cluster`
    ");
    insta::assert_snapshot!(refuse("# nothing but a comment\n"), @r"
    error[empty-file]: `scenario.yaml` is empty
    --> scenario.yaml
     = help: a scenario needs at least `cluster`
    ");
    insta::assert_snapshot!(refuse_with(SOUND.as_bytes(), &[("lws.yaml", "\n")], &[]), @r"
    error[empty-file]: `lws.yaml` holds no object
     --> scenario.yaml:3:16
      |
    3 |   - {manifest: lws.yaml}
      |                ^^^^^^^^
    ");
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    insta::assert_snapshot!(refuse_with(b"\x7fELF\x02\x01\x01\0\0\0", &[], &[]), @r"
    error[not-text]: `scenario.yaml` is not a text file: byte 7 is NUL
    --> scenario.yaml
    ");
    insta::assert_snapshot!(refuse_with(b"about: \xff\xfe\n", &[], &[]), @r"
    error[not-text]: `scenario.yaml` is not a text file: byte 7 is not UTF-8
    --> scenario.yaml
    ");
}

#[test]
fn a_file_of_100_mb_is_refused_unread() {
    let folder = TempDir::new().unwrap();
    let file = fs::File::create(folder.path().join("huge.yaml")).unwrap();
    file.set_len(100 << 20).unwrap();
    insta::assert_snapshot!(refuse_in(folder.path(), "huge.yaml", &[]), @r"
    error[file-too-large]: `huge.yaml` has 100 MiB and is not read: files of this kind have at most 16 MiB
    --> huge.yaml
    ");
}

#[test]
fn aliases_that_multiply_are_stopped() {
    let level = |level: usize| match level.checked_sub(1) {
        None => "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(),
        Some(below) => {
            format!("a{level}: &a{level} [{}]\n", vec![format!("*a{below}"); 10].join(", "))
        }
    };
    let bomb: String = (0..10).map(level).collect();
    insta::assert_snapshot!(refuse(&bomb), @r"
    error[yaml-budget]: this YAML grows too large
     --> scenario.yaml:6:10
      |
    6 | a5: &a5 [*a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4]
      |          ^
      |
      = help: aliases that repeat aliases multiply: write the values out, or repeat fewer of them
    ");
    insta::assert_snapshot!(refuse(&format!("about: {}{}\n", "[".repeat(200), "]".repeat(200))), @r"
    error[yaml-budget]: this YAML is nested too deeply
     --> scenario.yaml:1:107
      |
    1 | about: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[...
      |                                                                                                           ^
    ");
}

#[test]
fn a_directory_is_no_scenario_and_a_missing_file_neither() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    insta::assert_snapshot!(refuse_in(folder.path(), "folder", &[]), @r"
    error[not-a-file]: `folder` is a directory, not a file
    --> folder
    ");
    fs::write(folder.path().join("quickstart.yaml"), "").unwrap();
    insta::assert_snapshot!(refuse_in(folder.path(), "quikstart.yaml", &[]), @r"
    error[file-unreadable]: failed to read `quikstart.yaml`: there is no such file
    --> quikstart.yaml
     = help: did you mean `quickstart.yaml`?
    ");
}
