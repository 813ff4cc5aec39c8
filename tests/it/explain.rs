//! `lwsim explain` on a real run.

use crate::project::{outcome, scenario};

#[test]
fn sets_groups_and_pods_have_stories() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("results");
    let dir = dir.to_str().unwrap();
    let (code, _, errors) =
        outcome(&["run", scenario("quickstart.yaml").to_str().unwrap(), "--out", dir]);
    assert_eq!(code, 0, "{errors}");
    let summary: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(format!("{dir}/summary.json")).unwrap())
            .unwrap();
    let set = summary["scenario"]["sets"][0]["name"].as_str().unwrap().to_owned();
    let check = |object: &str, title: &str, words: &[&str]| {
        let (code, story, errors) = outcome(&["explain", dir, object]);
        assert_eq!((code, errors.as_str()), (0, ""), "{object}");
        assert!(story.starts_with(title), "{story}");
        for word in words {
            assert!(story.contains(word), "no `{word}` in the story of {object}:\n{story}");
        }
    };
    check(
        &set,
        &format!("set {set}"),
        &["rollout 1 began", "rollout 1 finished", "2 of 2 groups are ready"],
    );
    check(&format!("{set}-0"), &format!("group {set}-0"), &["waiting", "ready", "terminating"]);
    check(&format!("pod/{set}-0"), &format!("pod {set}-0"), &["bound to", "stage", "ready"]);
    check(
        &format!("{set}-0-1"),
        &format!("pod {set}-0-1"),
        &["created", "gone", "for the 2. time"],
    );

    let (code, story, _) = outcome(&["explain", dir, &format!("{set}-0"), "--at", "1ms"]);
    assert_eq!(code, 0);
    assert!(story.lines().count() <= 5, "only what went on then is told:\n{story}");

    let (code, output, errors) = outcome(&["explain", dir, &format!("{set}-00")]);
    assert_eq!((code, output.as_str()), (2, ""));
    assert!(errors.contains("did you mean") && errors.contains(&format!("{set}-0")), "{errors}");
}
