//! Replays of step traces: one input or one action of a kubelet, then everything that follows from it, compared whole.
//!
//! The kubelets are in the replay's hands, as they were in the recorder's: deleted pods are finished first, then bound
//! ones made ready, in the order of their names. That choice is made from the replay's own state and must agree with the
//! trace. Node names are the recorded ones wherever they are feasible.

use super::diff::{State, apply, differences};
use super::trace::{Event, Instruction, Order, Step, Trace};
use super::view::{id, strip, view};
use super::{Difference, Verdict, cluster};
use crate::backend::record::{Record, What};
use crate::backend::sim::play::{Input, KubeletAction, Play, PodState, Refusal};
use crate::backend::sim::setup::{Propagation, Setup, Target};
use crate::engine::{Distribution, Span};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How long nothing must change before a step counts as over: longer than any back-off that matters within a step,
/// shorter than the five seconds after which the LWS controller looks again at a leader StatefulSet that is being deleted.
const QUIET: Span = Span::from_secs(2);
/// Longest part of a namespace that comes from a case's name.
const CASE_LENGTH_MAX: usize = 50;
/// Actions of kubelets after which settling is given up.
const ACTIONS_MAX: usize = 10_000;
/// Orders of simultaneous events that are tried for a step.
const ORDERS_MAX: u64 = 60;

/// Returns the cluster that step traces were recorded in: fast, and kubelets act only as they are told.
fn setup(has_max_unavailable: bool) -> Setup {
    let mut setup = cluster::setup(has_max_unavailable);
    let ms = |ms: f64| Distribution::Constant(ms / 1000.0);
    let params = &mut setup.params;
    params.kubelet.is_by_hand = true;
    // A step trace does not depend on speed. Fixed delays make objects of one batch come in the order of their names, and
    // as in the recorder's cluster writes take far longer than all else.
    params.api_write = ms(20.0);
    params.watch_delay = ms(1.0);
    params.reconcile = ms(2.0);
    params.statefulset_sync = ms(2.0);
    params.bind = ms(20.0);
    params.gc_delay = ms(10.0);
    setup
}

/// Returns the same cluster at an uneven pace, in which writes, watches and passes overtake each other.
fn uneven(has_max_unavailable: bool) -> Setup {
    let mut setup = setup(has_max_unavailable);
    let ms = |min: f64, max: f64| Distribution::Uniform { min: min / 1000.0, max: max / 1000.0 };
    let params = &mut setup.params;
    params.api_write = ms(1.0, 40.0);
    params.watch_delay = Distribution::LogNormal { median: 0.004, sigma: 1.2 };
    params.reconcile = ms(0.5, 6.0);
    params.statefulset_sync = ms(0.5, 6.0);
    params.bind = ms(1.0, 40.0);
    params.gc_delay = ms(1.0, 60.0);
    setup
}

/// Returns the namespace of a case.
fn namespace_of(case: &str) -> String {
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let case: String = case.to_lowercase().chars().map(plain).take(CASE_LENGTH_MAX).collect();
    format!("g-{case}")
}

/// Replays a trace.
///
/// Some steps hang on a race in the real control plane, and the trace shows one way in which it may end. Where a step
/// differs, it is played again with other orders of simultaneous events; that one of them ends as recorded is what is
/// asked of the simulator. `orders_steps` tells how many steps needed that.
pub(super) fn replay(trace: &Trace, has_max_unavailable: bool) -> Verdict {
    let paces = [setup(has_max_unavailable), uneven(has_max_unavailable)];
    let mut orders = BTreeMap::new();
    let mut found = attempt(trace, &paces, &orders);
    while let Some(step) = found.first().and_then(|difference| difference.step) {
        let first_step = |found: &[Difference]| {
            found.first().map_or(usize::MAX, |difference| difference.step.unwrap_or(usize::MAX))
        };
        let better = (1..=ORDERS_MAX).find_map(|seed| {
            let mut orders = orders.clone();
            orders.insert(step, seed);
            let found = attempt(trace, &paces, &orders);
            (first_step(&found) > step).then_some((orders, found))
        });
        match better {
            Some(better) => (orders, found) = better,
            None => break,
        }
    }
    let count = u32::try_from(orders.len()).unwrap_or(u32::MAX);
    Verdict {
        case: trace.case.clone(),
        kind: "step",
        differences: found,
        measures: vec![("orders_steps".to_owned(), count.into())],
    }
}

/// Plays a trace; `orders` are the seeds of steps that are played at an uneven pace.
fn attempt(trace: &Trace, paces: &[Setup; 2], orders: &BTreeMap<usize, u64>) -> Vec<Difference> {
    let log = RefCell::new(Vec::new());
    let mut sink = |record: &Record| {
        if let What::Event { .. } = &record.what {
            log.borrow_mut().push(record.clone());
        }
    };
    let play = Play::new(&paces[0], 0, &mut sink);
    let mut replay = Replay::new(trace, play, &log, paces, orders);
    replay.advise();
    replay.pace();
    replay.run();
    replay.compare_full();
    replay.found
}

struct Replay<'a> {
    trace: &'a Trace,
    play: Play<'a>,
    log: &'a RefCell<Vec<Record>>,
    paces: &'a [Setup; 2],
    orders: &'a BTreeMap<usize, u64>,
    namespace: String,
    held: BTreeSet<String>,
    /// Number of the next step.
    next: usize,
    /// Whether the trace's steps play no part: only its inputs are played.
    is_free: bool,
    expected: State,
    got: State,
    /// Differences of the state after the step before: told once.
    known: BTreeSet<(String, String, String)>,
    found: Vec<Difference>,
}

impl<'a> Replay<'a> {
    fn new(
        trace: &'a Trace,
        play: Play<'a>,
        log: &'a RefCell<Vec<Record>>,
        paces: &'a [Setup; 2],
        orders: &'a BTreeMap<usize, u64>,
    ) -> Self {
        Self {
            trace,
            play,
            log,
            paces,
            orders,
            namespace: namespace_of(&trace.case),
            held: trace.hold.iter().cloned().collect(),
            next: 0,
            is_free: false,
            expected: State::new(),
            got: State::new(),
            known: BTreeSet::new(),
            found: Vec::new(),
        }
    }

    /// Tells the scheduler where each pod of the trace went.
    fn advise(&mut self) {
        for (object, change) in self.trace.steps.iter().flat_map(|step| &step.changes) {
            let node = change.get("/node").or_else(|| change.get("new")?.get("node"));
            let Some(node) = node.and_then(Value::as_str) else { continue };
            let pod = object.strip_prefix("Pod/").and_then(|pod| pod.rsplit_once('#'));
            if let Some((name, number)) = pod
                && let Ok(number) = number.parse()
            {
                self.play.advise(&self.namespace, name, number, node);
            }
        }
    }

    /// Sets the pace of the next step.
    fn pace(&mut self) {
        match self.orders.get(&self.next) {
            Some(seed) => self.play.repace(&self.paces[1], *seed),
            None => self.play.repace(&self.paces[0], 0),
        }
    }

    fn run(&mut self) {
        for instruction in &self.trace.input {
            self.carry_out(instruction);
        }
        let left = &self.trace.steps[self.next.min(self.trace.steps.len())..];
        if let Some(step) = left.first() {
            self.differs("trace", "/do", &step.action, &Value::Null);
        }
    }

    fn carry_out(&mut self, instruction: &Instruction) {
        match instruction {
            Instruction::Hold(names) => self.held = names.iter().cloned().collect(),
            Instruction::Settle(_) => self.let_kubelets_act(ACTIONS_MAX),
            Instruction::Run(actions) => self.let_kubelets_act(*actions),
            Instruction::Wait(seconds) => {
                self.play.wait(Span::from_secs_f64(*seconds));
                self.end_step(&json!({"wait": true}));
            }
            Instruction::Kubelet(actions) => {
                for (action, pod) in actions {
                    self.kubelet(action, pod);
                }
            }
            Instruction::Apply(objects) => self.apply(objects),
            Instruction::Patch { kind, name, merge } => {
                let Some(target) = self.target(kind.as_deref(), name) else { return };
                let action = json!({"patch": format!("{}/{name}", target.kind), "merge": merge});
                let result = self.play.act(&Input::Patch { target, merge });
                self.end_write(action, result);
            }
            Instruction::Scale { kind, name, replicas } => {
                let Some(target) = self.target(kind.as_deref(), name) else { return };
                let action = json!({"scale": name, "replicas": replicas});
                let result = self.play.act(&Input::Scale { target, replicas: *replicas });
                self.end_write(action, result);
            }
            Instruction::Delete { kind, name, propagation } => {
                let Some(target) = self.target(kind.as_deref(), name) else { return };
                let text = propagation.as_deref().unwrap_or("Background");
                let propagation = match text {
                    "Foreground" => Propagation::Foreground,
                    "Orphan" => Propagation::Orphan,
                    _ => Propagation::Background,
                };
                let action =
                    json!({"delete": format!("{}/{name}", target.kind), "propagation": text});
                let result = self.play.act(&Input::Delete { target, propagation });
                self.end_write(action, result);
            }
        }
    }

    fn apply(&mut self, objects: &Value) {
        let objects = objects.as_array().map_or(std::slice::from_ref(objects), Vec::as_slice);
        let mut names = Vec::new();
        let mut refused = Vec::new();
        for object in objects {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            names.push(format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"])));
            let mut object = object.clone();
            object["metadata"]["namespace"] = json!(self.namespace);
            if let Err(refusal) = self.play.act(&Input::Apply(&object)) {
                refused.push(refusal_text(&refusal));
            }
        }
        let mut action = json!({"apply": names});
        if !refused.is_empty() {
            action["refused"] = refused.into();
        }
        self.end_step(&action);
    }

    fn end_write(&mut self, mut action: Value, result: Result<(), Refusal>) {
        if let Err(refusal) = result {
            action["refused"] = refusal_text(&refusal);
        }
        self.end_step(&action);
    }

    fn target(&mut self, kind: Option<&str>, name: &str) -> Option<Target> {
        const KINDS: [&str; 6] = [
            "LeaderWorkerSet",
            "StatefulSet",
            "Pod",
            "Service",
            "ControllerRevision",
            "PersistentVolumeClaim",
        ];
        let kind = kind.unwrap_or(KINDS[0]);
        let Some(known) = KINDS.into_iter().find(|known| *known == kind) else {
            self.differs("trace", "/input", &json!(kind), &json!(KINDS));
            return None;
        };
        Some(Target {
            kind: known,
            namespace: Arc::from(self.namespace.as_str()),
            name: Arc::from(name),
        })
    }

    /// Lets kubelets act one after another. Where the trace goes on with another action, the trace is followed.
    fn let_kubelets_act(&mut self, actions_max: usize) {
        for _ in 0..actions_max {
            let own = self.next_action();
            let step = self.trace.steps.get(self.next).filter(|_| !self.is_free);
            let recorded = step.and_then(|step| {
                let text = |field: &str| step.action[field].as_str().map(str::to_owned);
                Some((text("kubelet")?, text("pod")?))
            });
            match (own, recorded) {
                (None, None) => return,
                (own, Some(recorded)) if own.as_ref() != Some(&recorded) => {
                    // `end_step` tells of it.
                    if own.is_none() {
                        return;
                    }
                    self.kubelet_as(&recorded.0, &recorded.1, own);
                }
                (Some((action, pod)), _) => self.kubelet(&action, &pod),
                (None, Some(_)) => return,
            }
            if !self.is_free && self.next > self.trace.steps.len() {
                return;
            }
        }
    }

    /// Returns what a kubelet does next.
    fn next_action(&self) -> Option<(String, String)> {
        let pods = self.play.pods(&self.namespace);
        let first = |wanted: &dyn Fn(&PodState) -> bool| {
            let pods = pods.iter().filter(|pod| wanted(pod));
            pods.min_by_key(|pod| sort_key(&pod.name, self.trace.order)).map(|pod| pod.name.clone())
        };
        let finish = first(&|pod| pod.awaits_finish).map(|pod| ("finish".to_owned(), pod));
        finish.or_else(|| {
            let start = first(&|pod| pod.awaits_start && !self.held.contains(&pod.name));
            start.map(|pod| ("ready".to_owned(), pod))
        })
    }

    fn kubelet(&mut self, action: &str, pod: &str) {
        self.kubelet_as(action, pod, None);
    }

    /// Acts as a kubelet; `own` is what the replay would have done of its own accord, where that is something else.
    fn kubelet_as(&mut self, action: &str, pod: &str, own: Option<(String, String)>) {
        let act = match action {
            "ready" => KubeletAction::Ready,
            "finish" => KubeletAction::Finish,
            "restart" => KubeletAction::Restart,
            "unready" => KubeletAction::Unready,
            "fail" => KubeletAction::Fail,
            _ => return self.differs("trace", "/input", &json!(action), &Value::Null),
        };
        let namespace = self.namespace.clone();
        let result = self.play.act(&Input::Kubelet { action: act, namespace: &namespace, pod });
        let (action, pod) = own.unwrap_or_else(|| (action.to_owned(), pod.to_owned()));
        let mut action = json!({"kubelet": action, "pod": pod});
        if let Err(refusal) = result {
            action["refused"] = refusal_text(&refusal);
        }
        self.end_step(&action);
    }

    /// Lets everything follow from an action and compares.
    fn end_step(&mut self, action: &Value) {
        self.play.idle(QUIET);
        self.got.clear();
        let objects = self.play.objects();
        for shown in &objects {
            self.got.insert(id(shown), view(shown, &self.play));
        }
        let events = std::mem::take(&mut *self.log.borrow_mut());
        let bad_advice = self.play.take_bad_advice();
        if self.is_free {
            self.next += 1;
            return;
        }
        let Some(step) = self.trace.steps.get(self.next) else {
            self.differs("trace", "/do", &Value::Null, action);
            self.next += 1;
            return;
        };
        differences(&step.action.clone(), action, "/do", &mut |path, expected, got| {
            self.found.push(Difference {
                step: Some(self.next),
                action: step.action.to_string(),
                object: "trace".to_owned(),
                path: path.to_owned(),
                expected: expected.clone(),
                got: got.clone(),
            });
        });
        for advice in bad_advice {
            let pod = format!("Pod/{}", advice.pod);
            let why = format!("rejected by {}", advice.plugin);
            self.differs(&pod, "/node", &json!(advice.node), &json!(why));
        }
        if let Err(problem) = apply(&mut self.expected, &step.changes) {
            self.differs("trace", "/changes", &json!(problem), &Value::Null);
        }
        self.compare_states();
        self.compare_events(step, &events);
        self.next += 1;
        self.pace();
    }

    fn compare_states(&mut self) {
        let mut now = BTreeSet::new();
        let names: BTreeSet<&String> = self.expected.keys().chain(self.got.keys()).collect();
        let mut news = Vec::new();
        for name in names {
            if self.trace.unstable.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            let side = |state: &State| {
                let mut view = state.get(name).cloned().unwrap_or_default();
                strip(&mut view);
                view
            };
            differences(&side(&self.expected), &side(&self.got), "", &mut |path, expected, got| {
                let values = format!("{expected} {got}");
                let key = (name.clone(), path.to_owned(), values);
                if !self.known.contains(&key) {
                    news.push((name.clone(), path.to_owned(), expected.clone(), got.clone()));
                }
                now.insert(key);
            });
        }
        self.known = now;
        for (object, path, expected, got) in news {
            self.differs(&object, &path, &expected, &got);
        }
    }

    /// Compares the LWS controller's own events as a set.
    fn compare_events(&mut self, step: &Step, records: &[Record]) {
        let recorded: BTreeSet<[String; 4]> = step
            .events
            .iter()
            .map(|event| [&event.0, &event.1, &event.2, &event.5].map(Clone::clone))
            .filter(|event| event[2].starts_with("LeaderWorkerSet/"))
            .collect();
        let own: BTreeSet<[String; 4]> = records
            .iter()
            .filter_map(|record| match &record.what {
                What::Event { regarding, warning, reason, note } => {
                    let type_ = if *warning { "Warning" } else { "Normal" };
                    let regarding = regarding.replacen(&format!("/{}/", self.namespace), "/", 1);
                    Some([type_.to_owned(), reason.to_string(), regarding, note.clone()])
                }
                _ => None,
            })
            .filter(|event| event[2].starts_with("LeaderWorkerSet/"))
            .collect();
        // Events that differ only in their note and come at one resource version of the object are one series, which keeps
        // the first note; its later writes come when the recorder of events sees fit.
        let is_repeat = |row: &Event| row.6.as_i64().is_some_and(|count| count > 1);
        let series: BTreeSet<[&str; 3]> = step
            .events
            .iter()
            .filter(|row| is_repeat(row))
            .map(|row| [&*row.0, &row.1, &row.2])
            .collect();
        let told: BTreeSet<&str> =
            step.events.iter().filter(|row| !is_repeat(row)).map(|row| &*row.5).collect();
        for event in recorded.symmetric_difference(&own) {
            let here = json!(event);
            let is_in_series = series.contains(&[&*event[0], &event[1], &event[2]]);
            let (expected, got) = if recorded.contains(event) {
                if is_in_series && !told.contains(&*event[3]) {
                    continue;
                }
                (here, Value::Null)
            } else if is_in_series {
                continue;
            } else {
                (Value::Null, here)
            };
            self.differs("events", "", &expected, &got);
        }
    }

    /// Compares whole objects as they were when they were new.
    fn compare_full(&mut self) {
        if self.trace.full.is_empty() {
            return;
        }
        let mut names = BTreeMap::new();
        for (object, full) in &self.trace.full {
            if let Some((set, name)) = object
                .strip_prefix("ControllerRevision/")
                .and_then(|rest| rest.rsplit_once('#'))
                .and_then(|(set, _)| Some((set, full["metadata"]["name"].as_str()?)))
            {
                names.insert(name.to_owned(), set.to_owned());
            }
        }
        let mut own_names = BTreeMap::new();
        let mut own = BTreeMap::new();
        for shown in self.play.born() {
            let id = id(&shown);
            if let Some((set, at)) = &shown.revision_of {
                own_names.insert(shown.name.clone(), format!("{set}@{at}"));
            }
            own.insert(id, shown.object);
        }
        let mut uids = BTreeMap::new();
        for (object, full) in &self.trace.full {
            let mut got = own.remove(object).unwrap_or_default();
            let mut full = full.clone();
            equate(&mut full, &mut got, &mut uids);
            neutral(&mut full, &names);
            neutral(&mut got, &own_names);
            let mut news = Vec::new();
            differences(&full, &got, "", &mut |path, expected, got| {
                news.push((path.to_owned(), expected.clone(), got.clone()));
            });
            for (path, expected, got) in news {
                self.differs(&format!("full {object}"), &path, &expected, &got);
            }
        }
    }

    fn differs(&mut self, object: &str, path: &str, expected: &Value, got: &Value) {
        let step = self.trace.steps.get(self.next);
        self.found.push(Difference {
            step: step.map(|_| self.next),
            action: step.map_or_else(String::new, |step| step.action.to_string()),
            object: object.to_owned(),
            path: path.to_owned(),
            expected: expected.clone(),
            got: got.clone(),
        });
    }
}

fn refusal_text(refusal: &Refusal) -> Value {
    json!([refusal.status, refusal.reason, refusal.message])
}

/// Returns by what pods are ordered: the parts of the name, numbers as numbers.
fn sort_key(name: &str, order: Order) -> Vec<(String, i64)> {
    name.split('-')
        .map(|part| match part.parse::<i64>() {
            Ok(number) if order == Order::Reverse => (String::new(), -number),
            Ok(number) => (String::new(), number),
            Err(_) => (part.to_owned(), 0),
        })
        .collect()
}

/// Puts the recorded UIDs of owners in place of the simulated ones, one for one.
fn equate(full: &mut Value, got: &mut Value, uids: &mut BTreeMap<String, String>) {
    let owners = full["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let recorded: Vec<Value> = owners.map(|owner| owner["uid"].clone()).collect();
    let Some(own) = got.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut)
    else {
        return;
    };
    for (owner, recorded) in own.iter_mut().zip(recorded) {
        let (Some(uid), Some(recorded)) = (owner["uid"].as_str(), recorded.as_str()) else {
            continue;
        };
        let known = uids.entry(uid.to_owned()).or_insert_with(|| recorded.to_owned());
        owner["uid"] = json!(known);
    }
}

/// Takes away what traces leave out of whole objects, and gives revisions of StatefulSets their neutral names.
fn neutral(object: &mut Value, names: &BTreeMap<String, String>) {
    strip(object);
    let Some(fields) = object.as_object_mut() else { return };
    fields.remove("status");
    let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for field in ["uid", "namespace"] {
        metadata.remove(field);
    }
    let rename = |text: &mut Value| {
        if let Some(name) = text.as_str().and_then(|text| names.get(text)) {
            *text = json!(name);
        }
    };
    if let Some(name) = metadata.get_mut("name") {
        rename(name);
    }
    if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
        labels.remove("controller.kubernetes.io/hash");
        if let Some(label) = labels.get_mut("controller-revision-hash") {
            rename(label);
        }
    }
}

#[cfg(test)]
mod crashes;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_come_in_the_order_of_numbers() {
        let check = |order, expected: [&str; 5]| {
            let mut names = ["s-10", "s-2-1", "s-2", "s-0-11", "s-0-2"];
            names.sort_by_key(|name| sort_key(name, order));
            assert_eq!(names, expected);
        };
        check(Order::Name, ["s-0-2", "s-0-11", "s-2", "s-2-1", "s-10"]);
        check(Order::Reverse, ["s-10", "s-2", "s-2-1", "s-0-11", "s-0-2"]);
    }

    #[test]
    fn namespaces_follow_from_names_of_cases() {
        assert_eq!(namespace_of("Rollout_r4"), "g-rollout-r4");
        assert_eq!(namespace_of(&"x".repeat(60)).len(), 52);
    }
}
