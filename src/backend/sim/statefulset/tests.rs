//! Tests of a sync: drawings, and sets at rest that a real control plane left.

use super::*;

/// A pod for each character, from the ordinal `start`: `O`/`o` current revision, ready or not, `N`/`n` update revision,
/// `W` current and ready but not yet available, `t`/`T` current and terminating, `F` failed, `x`/`X` some older revision, `.` missing.
fn pods(drawing: &str, start: i32) -> Vec<PodView<'static>> {
    let drawn = drawing.chars().zip(start..).filter(|(drawn, _)| *drawn != '.');
    drawn
        .map(|(drawn, ordinal)| PodView {
            ordinal,
            revision: match drawn {
                'N' | 'n' => "new",
                'X' | 'x' => "older",
                _ => "old",
            },
            phase: match drawn {
                'F' => Phase::Failed,
                'O' | 'N' | 'W' | 'T' | 'X' => Phase::Running,
                _ => Phase::Pending,
            },
            is_ready: matches!(drawn, 'O' | 'N' | 'W' | 'T' | 'X'),
            is_available: matches!(drawn, 'O' | 'N' | 'T' | 'X'),
            is_terminating: matches!(drawn, 't' | 'T'),
        })
        .collect()
}

#[derive(Clone)]
struct Case {
    replicas: i32,
    start: i32,
    first_pod: i32,
    partition: i32,
    gate: Option<IntOrString>,
    minor: u32,
    is_ordered: bool,
    is_on_delete: bool,
    is_deleting: bool,
    retention: Retention,
    claims: Option<Vec<ClaimView>>,
}

/// Four pods, Parallel, gate off.
fn parallel() -> Case {
    Case {
        replicas: 4,
        start: 0,
        first_pod: 0,
        partition: 0,
        gate: None,
        minor: 36,
        is_ordered: false,
        is_on_delete: false,
        is_deleting: false,
        retention: Retention::default(),
        claims: None,
    }
}

fn ordered() -> Case {
    Case { is_ordered: true, ..parallel() }
}

fn gate(max_unavailable: i32) -> Case {
    Case { gate: Some(IntOrString::Int(max_unavailable)), ..parallel() }
}

fn plan(case: &Case, drawing: &str) -> SyncPlan {
    let (old, new): (Arc<str>, Arc<str>) = ("old".into(), "new".into());
    let pods = pods(drawing, case.first_pod);
    let rules = Rules {
        replaces_broken_first: case.minor >= BROKEN_FIRST_SINCE,
        retention: case.retention,
        claims: case.claims.as_deref(),
    };
    sync_by(
        &rules,
        &SetView {
            replicas: case.replicas,
            start: case.start,
            partition: case.partition,
            max_unavailable: case.gate.as_ref(),
            is_ordered: case.is_ordered,
            is_on_delete: case.is_on_delete,
            is_deleting: case.is_deleting,
            min_ready: Span::from_secs(30),
            generation: 7,
            current_revision: &old,
            update_revision: &new,
            status: &SetStatus::default(),
            pods: &pods,
            has_gate: case.gate.is_some(),
        },
    )
}

/// Checks ordinals created (`'` marks the update revision, `|` ends a batch) and deleted.
fn check(case: &Case, drawing: &str, creates: &str, deletes: &[i32]) {
    let plan = plan(case, drawing);
    let pod =
        |pod: &Create| format!("{}{}", pod.ordinal, if pod.use_update_revision { "'" } else { "" });
    let batches: Vec<String> = plan
        .creates
        .iter()
        .map(|batch| batch.iter().map(pod).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        (batches.join("|").as_str(), plan.deletes.as_slice()),
        (creates, deletes),
        "{drawing}"
    );
}

#[test]
fn missing_pods_are_made_in_batches_that_double_over_all_ordinals() {
    check(&Case { replicas: 8, ..parallel() }, "", "0'|1' 2'|3' 4' 5' 6'|7'", &[]);
    check(&Case { replicas: 8, ..parallel() }, "NN..N.N", "2'|3' 5'|7'", &[]);
    let large = plan(&Case { replicas: 2000, ..parallel() }, "");
    let sizes: Vec<usize> = large.creates.iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 64, 128, 256, 500, 500, 489]);
}

#[test]
fn a_missing_pod_takes_the_update_revision_from_the_partition_on() {
    check(&Case { partition: 2, ..parallel() }, "", "0|1 2'|3'", &[]);
    check(&Case { partition: 9, ..parallel() }, "", "0|1 2|3", &[]);
    check(&Case { partition: 1, start: 5, first_pod: 5, ..parallel() }, "", "5|6' 7'|8'", &[]);
    check(&Case { partition: 9, is_on_delete: true, ..parallel() }, "OO", "2'|3'", &[]);
}

#[test]
fn ordered_sets_make_one_pod_once_its_predecessors_are_available() {
    check(&ordered(), "", "0'", &[]);
    check(&ordered(), "N", "1'", &[]);
    check(&ordered(), "n", "", &[]);
    check(&ordered(), "W", "", &[]);
    check(&ordered(), "T", "", &[]);
    check(&ordered(), "N.NN", "1'", &[]);
    check(&ordered(), "nF", "", &[]);
    check(&ordered(), "NF", "", &[1]);
}

#[test]
fn failed_pods_are_deleted_and_made_again_once_they_are_gone() {
    check(&parallel(), "NNFN", "", &[2]);
    check(&parallel(), "NN.N", "2'", &[]);
    check(&ordered(), "NFFN", "", &[1]);
    // It counts as the one pod that may be replaced, and is not deleted twice.
    check(&parallel(), "OOOF", "", &[3]);
    check(&gate(2), "OOOF", "", &[3]);
    check(&gate(3), "OOOF", "", &[3, 2]);
}

#[test]
fn pods_outside_the_wanted_ordinals_go_highest_first() {
    let two = Case { replicas: 2, ..parallel() };
    check(&two, "NNNN", "", &[3, 2]);
    check(&two, "NNnt", "", &[2]);
    check(&Case { replicas: 2, start: 2, ..parallel() }, "NNNN", "", &[1, 0]);
    check(&Case { replicas: 0, ..parallel() }, "NN", "", &[1, 0]);
}

#[test]
fn ordered_sets_scale_down_one_at_a_time_and_wait_for_broken_predecessors() {
    let two = Case { replicas: 2, ..ordered() };
    check(&two, "NNNN", "", &[3]);
    check(&two, "NNNt", "", &[]);
    check(&two, "NnNN", "", &[]);
    // The highest is broken: it goes if it is the first that is, else its predecessor must recover.
    check(&two, "NNNn", "", &[3]);
    check(&two, "NNnn", "", &[]);
    check(&two, "NNnN", "", &[3]);
}

#[test]
fn without_the_gate_pods_are_replaced_one_at_a_time() {
    for case in [parallel(), ordered()] {
        check(&case, "OOOO", "", &[3]);
        check(&case, "OOON", "", &[2]);
        check(&Case { partition: 3, ..case.clone() }, "OOON", "", &[]);
        check(&Case { is_on_delete: true, ..case }, "OOOO", "", &[]);
    }
    check(&parallel(), "OOOn", "", &[]);
    check(&parallel(), "OOOt", "", &[]);
    check(&parallel(), "OOO.", "3'", &[]);
    // A broken pod of an old revision does not stand in the way, one of the new revision does.
    check(&parallel(), "OOoN", "", &[2]);
    check(&parallel(), "oooo", "", &[3]);
    check(&parallel(), "OnOO", "", &[3]);
    check(&parallel(), "OnNN", "", &[]);
    check(&ordered(), "OOoN", "", &[]);
}

#[test]
fn scaling_and_replacing_happen_in_one_sync_of_a_parallel_set() {
    check(&parallel(), "OO.OO", "2'", &[4, 3]);
    check(&ordered(), "OOOOO", "", &[4]);
}

#[test]
fn with_the_gate_the_budget_counts_every_unavailable_pod() {
    check(&gate(2), "OOOO", "", &[3, 2]);
    check(&gate(2), "OOOn", "", &[2]);
    check(&gate(2), "OOnn", "", &[]);
    check(&gate(2), "oOOO", "", &[3]);
    check(&gate(2), "ooOO", "", &[]);
    check(&gate(2), "OOO.", "3'", &[2]);
    check(&Case { partition: 2, ..gate(4) }, "OOOO", "", &[3, 2]);
    check(&Case { partition: 2, ..gate(2) }, "noOO", "", &[]);
    check(&Case { gate: Some(IntOrString::Int(0)), ..parallel() }, "OOOO", "", &[3]);
    // A percentage of four, rounded down.
    check(
        &Case { gate: Some(IntOrString::String("74%".into())), ..parallel() },
        "OOOO",
        "",
        &[3, 2],
    );
    check(&Case { gate: Some(IntOrString::String("1%".into())), ..parallel() }, "OOOO", "", &[3]);
}

#[test]
fn since_1_37_broken_pods_of_an_old_revision_are_replaced_first_and_freely() {
    let newer = |max_unavailable| Case { minor: 37, ..gate(max_unavailable) };
    check(&newer(1), "OOOO", "", &[3]);
    check(&newer(1), "OOOo", "", &[3]);
    check(&newer(2), "ooOO", "", &[1, 0]);
    check(&newer(3), "ooOO", "", &[1, 0, 3]);
    check(&newer(1), "oooo", "", &[3, 2, 1, 0]);
    check(&newer(1), "OOOW", "", &[3]);
    check(&newer(1), "OOOT", "", &[]);
    check(&newer(1), "OOOn", "", &[]);
    check(&newer(3), "OOot", "", &[2, 1]);
    // Below the partition a broken pod uses the budget up and stays.
    check(&Case { partition: 2, ..newer(1) }, "OoOO", "", &[]);
    check(&Case { partition: 2, ..newer(1) }, "OOoO", "", &[2]);
    check(&Case { partition: 3, ..newer(2) }, "OoOo", "", &[3]);
    // Ordered sets wait, as before.
    check(&Case { is_ordered: true, ..newer(1) }, "OOOo", "", &[]);
}

#[test]
fn a_set_that_is_being_deleted_keeps_only_its_status() {
    let case = Case { is_deleting: true, replicas: 2, ..parallel() };
    check(&case, "O.OO", "", &[]);
    assert_eq!(plan(&case, "O.OO").status.replicas, 3);
}

/// Checks replicas, ready, available, current, updated, and whether the rollout is complete.
fn check_status(case: &Case, drawing: &str, expected: ([i32; 5], bool)) {
    let status = plan(case, drawing).status;
    assert_eq!((&*status.update_revision, status.observed_generation), ("new", 7));
    let counts = [
        status.replicas,
        status.ready,
        status.available,
        status.current_replicas,
        status.updated_replicas,
    ];
    assert_eq!((counts, &*status.current_revision == "new"), expected, "{drawing}");
}

#[test]
fn the_status_counts_the_pods_that_the_sync_began_with() {
    check_status(&parallel(), "", ([0, 0, 0, 0, 0], false));
    check_status(&parallel(), "oWn", ([3, 1, 0, 2, 1], false));
    check_status(&Case { partition: 4, ..parallel() }, "OOTt", ([4, 3, 3, 2, 0], false));
    // The pod that the rollout deletes is current no longer; one that is scaled away still is.
    check_status(&parallel(), "OOOO", ([4, 4, 4, 3, 0], false));
    check_status(&Case { partition: 4, ..parallel() }, "OOOOO", ([5, 5, 5, 5, 0], false));
    check_status(&parallel(), "nnnX", ([4, 1, 1, 0, 3], false));
}

#[test]
fn the_update_revision_becomes_current_when_every_wanted_pod_has_it_and_is_ready() {
    check_status(&parallel(), "NNNN", ([4, 4, 4, 4, 4], true));
    check_status(&parallel(), "NNN", ([3, 3, 3, 0, 3], false));
    check_status(&parallel(), "nNNN", ([4, 3, 3, 0, 4], false));
    check_status(&parallel(), "ONNN", ([4, 4, 4, 0, 3], false));
    check_status(&parallel(), "NNNNN", ([5, 5, 5, 0, 5], false));
    check_status(&Case { is_on_delete: true, ..parallel() }, "NNNN", ([4, 4, 4, 0, 4], false));
    check_status(&Case { replicas: 0, ..parallel() }, "", ([0, 0, 0, 0, 0], true));
}

#[test]
fn a_pod_that_is_ready_but_not_available_calls_for_another_sync() {
    let wait = |drawing| plan(&parallel(), drawing).requeue_after;
    assert_eq!(wait("NNNW"), Some(Span::from_secs(30)));
    assert_eq!(wait("NNNN"), None);
    assert_eq!(wait("NNNo"), None);
}

/// Checks claim steps: `+1` creates the claims of ordinal 1, `1=S` gives them to the set, `1=P` to the pod, `1=-` to nobody.
fn check_claims(retention: [bool; 2], drawing: &str, claims: &str, expected: (&str, &str)) {
    // A claim for each character, from ordinal 0: owner as above, `s` a stale one, `.` missing.
    let seen =
        claims.chars().zip(0..).filter(|(drawn, _)| *drawn != '.').map(|(drawn, ordinal)| {
            ClaimView {
                ordinal,
                is_incomplete: false,
                owner: match drawn {
                    'S' => ClaimOwner::Set,
                    'P' | 's' => ClaimOwner::Pod,
                    _ => ClaimOwner::Nobody,
                },
                is_stale: drawn == 's',
            }
        });
    let retention = Retention { goes_with_set: retention[0], goes_on_scale_down: retention[1] };
    let case = Case { replicas: 2, retention, claims: Some(seen.collect()), ..parallel() };
    let plan = plan(&case, drawing);
    let steps = plan.claims.iter().map(|step| match step {
        ClaimStep::Create { ordinal } => format!("+{ordinal}"),
        ClaimStep::Own { ordinal, owner: ClaimOwner::Nobody } => format!("{ordinal}=-"),
        ClaimStep::Own { ordinal, owner: ClaimOwner::Set } => format!("{ordinal}=S"),
        ClaimStep::Own { ordinal, owner: ClaimOwner::Pod } => format!("{ordinal}=P"),
    });
    let creates: Vec<String> =
        plan.creates.iter().flatten().map(|create| create.ordinal.to_string()).collect();
    let found = (steps.collect::<Vec<_>>().join(" "), creates.join(" "));
    assert_eq!((found.0.as_str(), found.1.as_str()), expected, "{drawing} {claims}");
}

#[test]
fn claims_are_made_before_their_pods_and_kept_for_the_next() {
    const RETAIN: [bool; 2] = [false, false];
    check_claims(RETAIN, "", "", ("+0 +1", "0 1"));
    check_claims(RETAIN, "N.", "--", ("", "1"));
    check_claims(RETAIN, "nN", "..", ("+0", "")); // A claim that was deleted while its pod waits.
    check_claims(RETAIN, "NN", "SP", ("0=- 1=-", "")); // The policy was changed.
    check_claims(RETAIN, "NNN", "---", ("", ""));
}

#[test]
fn claims_go_with_the_set_or_with_the_pod_that_is_scaled_away() {
    check_claims([true, false], "", "", ("+0 0=S +1 1=S", "0 1"));
    check_claims([true, false], "NNN", "SSS", ("", ""));
    check_claims([false, true], "NNN", "---", ("2=P", ""));
    check_claims([true, true], "NNN", "SSS", ("2=P", ""));
    check_claims([true, true], "NN", "SP", ("1=S", "")); // Scaled down and up again before the pod had gone.
}

#[test]
fn a_pod_waits_until_the_claims_of_its_predecessor_are_gone() {
    check_claims([false, true], "N", "-s", ("", ""));
    check_claims([false, true], "N", "-.", ("+1", "1"));
    check_claims([true, false], "N", "Ss", ("1=S", "1"));
}

/// One row of `golden-sets.txt`.
fn check_at_rest(row: &str) {
    let columns: Vec<Vec<&str>> =
        row.split('|').map(|column| column.split_whitespace().collect()).collect();
    let [set, drawn, revisions, counts, _] = columns.as_slice() else { panic!("columns of {row}") };
    let number = |text: &str| text.parse::<i32>().unwrap();
    let is_taken = drawn.last() == Some(&"taken");
    let drawn = &drawn[..drawn.len() - usize::from(is_taken)];
    let pods: Vec<PodView<'_>> = drawn
        .iter()
        .map(|pod| {
            let at = pod.find(|letter: char| letter.is_ascii_alphabetic()).unwrap();
            let (revision, flags) = (&pod[at..=at], &pod[at + 1..]);
            let is_ready = revision.chars().all(char::is_uppercase);
            PodView {
                ordinal: number(&pod[..at]),
                revision: if is_ready {
                    ["a", "b", "c"]["ABC".find(revision).unwrap()]
                } else {
                    revision
                },
                phase: if flags.contains('!') {
                    Phase::Failed
                } else if is_ready || flags.contains('~') {
                    Phase::Running
                } else {
                    Phase::Pending
                },
                is_ready,
                is_available: is_ready,
                is_terminating: flags.contains('-'),
            }
        })
        .collect();
    let (current, update): (Arc<str>, Arc<str>) =
        (revisions[0][..1].into(), revisions[0][1..].into());
    let counts: Vec<i32> = counts.iter().map(|count| number(count)).collect();
    let status = SetStatus {
        replicas: counts[0],
        ready: counts[1],
        available: counts[2],
        current_replicas: counts[3],
        updated_replicas: counts[4],
        current_revision: Arc::clone(&current),
        update_revision: Arc::clone(&update),
        observed_generation: 1,
    };
    let max_unavailable = IntOrString::Int(number(set[4]));
    let plan = sync(&SetView {
        replicas: number(set[1]),
        start: number(set[2]),
        partition: number(set[3]),
        max_unavailable: Some(&max_unavailable),
        is_ordered: false,
        is_on_delete: false,
        is_deleting: set[5] == "del",
        min_ready: Span::ZERO,
        generation: 1,
        current_revision: &current,
        update_revision: &update,
        status: &status,
        pods: &pods,
        has_gate: set[0] == "gate",
    });
    assert_eq!(plan.status, status, "{row}");
    assert_eq!(
        (plan.deletes.as_slice(), plan.creates.is_empty()),
        ([].as_slice(), !is_taken),
        "{row}"
    );
}

#[test]
fn sets_that_a_real_control_plane_left_at_rest_are_at_rest() {
    let rows = include_str!("../../../../tests/vectors/golden-sets.txt")
        .lines()
        .filter(|row| !row.starts_with('#'));
    assert!(rows.map(check_at_rest).count() > 400);
}
