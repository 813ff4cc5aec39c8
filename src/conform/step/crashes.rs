//! The LWS manager ends between any two of its writes, and the end is the recorded one all the same.

use super::*;

/// What differs between the recorded end and that of a replay in which the manager ends after its `crash`-th write; and how
/// many writes it made.
fn end(trace: &Trace, crash: Option<u64>) -> (Vec<String>, u64) {
    let paces = [setup(false), setup(false)];
    let log = RefCell::new(Vec::new());
    let mut sink = |_: &Record| {};
    let play = Play::new(&paces[0], 0, &mut sink);
    let orders = BTreeMap::new();
    let mut replay = Replay::new(trace, play, &log, &paces, &orders);
    replay.is_free = true;
    replay.advise();
    if let Some(writes) = crash {
        replay.play.crash_after(writes);
    }
    replay.run();
    let mut recorded = State::new();
    for step in &trace.steps {
        apply(&mut recorded, &step.changes).unwrap();
    }
    let (recorded, got) = (by_content(recorded), by_content(std::mem::take(&mut replay.got)));
    let names: BTreeSet<&String> = recorded.keys().chain(got.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        if trace.unstable.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let side = |state: &State| {
            let mut view = state.get(name).cloned().unwrap_or_default();
            strip(&mut view);
            view
        };
        differences(&side(&recorded), &side(&got), "", &mut |path, expected, got| {
            found.push(format!("{name} {path}: {expected} became {got}"));
        });
    }
    (found, replay.play.lws_writes())
}

/// Names the revisions of LWS by their key and leaves their number out. A manager that ends before the leader StatefulSet is
/// there makes its revision once more, with the next number, as it does whenever it finds no leader StatefulSet (upstream
/// `getOrCreateRevisionIfNonExist`, and the trace `leader-sts-deleted`): same key, same data.
fn by_content(state: State) -> State {
    let mut named = State::new();
    for (name, mut view) in state {
        let key = view["labels"][crate::api::keys::REVISION].as_str().map(str::to_owned);
        match key.filter(|_| name.starts_with("ControllerRevision/") && !name.contains('@')) {
            Some(key) => {
                view.as_object_mut().unwrap().remove("revision");
                let name = format!("ControllerRevision of {key}");
                if let Some(other) = named.insert(name, view.clone()) {
                    assert_eq!(other, view, "one key, one content");
                }
            }
            None => drop(named.insert(name, view)),
        }
    }
    named
}

/// Ends the manager after each of its writes, one replay each.
#[track_caller]
fn check(case: &str) {
    let file = format!("{}/tests/golden/traces/{case}.json", env!("CARGO_MANIFEST_DIR"));
    let trace: Trace = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let (found, writes) = end(&trace, None);
    assert_eq!(found, Vec::<String>::new(), "{case} without a crash");
    assert!(writes > 0, "{case}: nothing is written");
    let mut bad = Vec::new();
    for write in 1..=writes {
        let (found, _) = end(&trace, Some(write));
        bad.extend(
            found.into_iter().map(|text| format!("after write {write} of {writes}: {text}")),
        );
    }
    assert_eq!(bad, Vec::<String>::new(), "{case}");
}

#[test]
fn create_2x3_ends_as_recorded() {
    check("create-2x3");
}

#[test]
fn create_0_scale_3_1_0_ends_as_recorded() {
    check("create-0-scale-3-1-0");
}

#[test]
fn delete_foreground_ends_as_recorded() {
    check("delete-foreground");
}

#[test]
fn delete_orphan_ends_as_recorded() {
    check("delete-orphan");
}

#[test]
fn exclusive_topology_full_ends_as_recorded() {
    check("exclusive-topology-full");
}

#[test]
fn recreategrouponpodrestart_worker_restart_ends_as_recorded() {
    check("recreategrouponpodrestart-worker-restart");
}

#[test]
fn rollout_r1_s0_u1_ends_as_recorded() {
    check("rollout-r1-s0-u1");
}

#[test]
fn subgroup_exclusive_ends_as_recorded() {
    check("subgroup-exclusive");
}

#[test]
fn tpu_subgroup_ends_as_recorded() {
    check("tpu-subgroup");
}

#[test]
fn volume_claims_ends_as_recorded() {
    check("volume-claims");
}

#[test]
fn revision_deleted_and_drift_ends_as_recorded() {
    check("revision-deleted-and-drift");
}

#[test]
fn leader_sts_deleted_ends_as_recorded() {
    check("leader-sts-deleted");
}

#[test]
fn rollout_r2_s50pct_u50pct_ends_as_recorded() {
    check("rollout-r2-s50pct-u50pct");
}

#[test]
fn rollout_r3_s4_u1_ends_as_recorded() {
    check("rollout-r3-s4-u1");
}

#[test]
fn rollout_size_1_ends_as_recorded() {
    check("rollout-size-1");
}

#[test]
fn startup_leader_ready_ends_as_recorded() {
    check("startup-leader-ready");
}

#[test]
fn service_deleted_ends_as_recorded() {
    check("service-deleted");
}

#[test]
fn network_unique_ends_as_recorded() {
    check("network-unique");
}
