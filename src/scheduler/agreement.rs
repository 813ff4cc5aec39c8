//! The fast scheduler says the same about every node as the plain one, whatever happened to the cluster before.

use super::reference::{Labels, Pod, Reference, Said};
use super::{
    ClusterEvent, Decision, Diagnosis, Explanation, Plugin, PluginSet, PodKey, PodLabels, PodView,
    Profile, Scheduler, Statement, Tie, Verdict,
};
use k8s_openapi::api::core::v1::{Node, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

const GROUP: &str = crate::api::keys::GROUP_KEY;
const ZONE: &str = "topology.kubernetes.io/zone";
const HOSTNAME: &str = "kubernetes.io/hostname";
const RACK: &str = "example.com/rack";

/// A pod as drawn: its object, and whether its exclusive terms are handed over beside its class.
#[derive(Clone, Debug)]
struct Drawn {
    namespace: &'static str,
    labels: Labels,
    spec: Value,
    group: Option<(&'static str, &'static str)>,
    zone: Option<&'static str>,
    owner: Option<&'static str>,
}

#[derive(Clone, Debug)]
enum Step {
    PutNode(usize, Value),
    RemoveNode(usize),
    AddPod(Drawn, usize),
    RemovePod(prop::sample::Index),
    Terminate(prop::sample::Index),
    /// Evicts one pod and places another, then takes both back.
    TryOut(prop::sample::Index, Drawn, usize),
}

fn node() -> impl Strategy<Value = Value> {
    let labels = (select(vec!["", "z1", "z2", "z3"]), select(vec!["", "r1", "r2", "r3"]));
    let sizes = (1u32..9, 1u32..9, 0u32..5, 1u32..7);
    let taint = select(vec!["", "", "", "NoSchedule", "PreferNoSchedule", "NoExecute"]);
    (labels, sizes, taint, prop::bool::weighted(0.1)).prop_map(
        |((zone, rack), (cpu, memory, gpus, pods), taint, cordoned)| {
            let mut labels = json!({});
            for (key, value) in [(ZONE, zone), (RACK, rack)] {
                if !value.is_empty() {
                    labels[key] = json!(value);
                }
            }
            let taints = if taint.is_empty() {
                json!([])
            } else {
                json!([{"key": "t", "value": "v", "effect": taint}])
            };
            json!({
                "metadata": {"labels": labels},
                "spec": {"taints": taints, "unschedulable": cordoned},
                "status": {"allocatable": {
                    "cpu": cpu.to_string(), "memory": format!("{memory}Gi"),
                    "nvidia.com/gpu": gpus.to_string(), "pods": pods.to_string(),
                }},
            })
        },
    )
}

fn selector() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(vec!["a", "b"]).prop_map(|app| json!({"matchLabels": {"app": app}})),
        Just(json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]})),
        Just(json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]})),
        Just(json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "c"]}]})),
        Just(json!({"matchExpressions": [
            {"key": GROUP, "operator": "Exists"}, {"key": GROUP, "operator": "NotIn", "values": ["g1"]}]})),
        Just(json!({})),
    ]
}

fn term() -> impl Strategy<Value = Value> {
    (selector(), select(vec![ZONE, HOSTNAME, RACK]), 0..5).prop_map(|(selector, key, scope)| {
        let mut term = json!({"labelSelector": selector, "topologyKey": key});
        match scope {
            0 => term["namespaces"] = json!(["n2"]),
            1 => term["namespaceSelector"] = json!({}),
            _ => {}
        }
        term
    })
}

fn weighted_term() -> impl Strategy<Value = Value> {
    // Small weights, so that one more or less shows.
    (1..6, term()).prop_map(|(weight, term)| json!({"weight": weight, "podAffinityTerm": term}))
}

fn pod_affinity() -> impl Strategy<Value = Value> {
    let required = prop::collection::vec(term(), 0..3);
    let preferred = prop::collection::vec(weighted_term(), 0..2);
    (required, preferred).prop_map(|(required, preferred)| {
        json!({
            "requiredDuringSchedulingIgnoredDuringExecution": required,
            "preferredDuringSchedulingIgnoredDuringExecution": preferred,
        })
    })
}

fn node_affinity() -> impl Strategy<Value = Value> {
    let expression = prop_oneof![
        Just(json!({"key": ZONE, "operator": "In", "values": ["z1", "z2"]})),
        Just(json!({"key": ZONE, "operator": "NotIn", "values": ["z1"]})),
        Just(json!({"key": RACK, "operator": "Exists"})),
    ];
    (prop::bool::ANY, expression.clone(), 1..100, expression).prop_map(
        |(is_required, required, weight, preferred)| {
            let preferred =
                json!([{"weight": weight, "preference": {"matchExpressions": [preferred]}}]);
            let mut affinity =
                json!({"preferredDuringSchedulingIgnoredDuringExecution": preferred});
            if is_required {
                affinity["requiredDuringSchedulingIgnoredDuringExecution"] =
                    json!({"nodeSelectorTerms": [{"matchExpressions": [required]}]});
            }
            affinity
        },
    )
}

fn constraint() -> impl Strategy<Value = Value> {
    let policies = (select(vec!["Honor", "Ignore"]), select(vec!["Honor", "Ignore"]));
    let when = select(vec!["DoNotSchedule", "ScheduleAnyway"]);
    (selector(), select(vec![ZONE, HOSTNAME, RACK]), when, 1..3, 1..4, policies).prop_map(
        |(selector, key, when, skew, domains, (affinity, taints))| {
            let mut constraint = json!({
                "labelSelector": selector, "topologyKey": key, "whenUnsatisfiable": when, "maxSkew": skew,
                "nodeAffinityPolicy": affinity, "nodeTaintsPolicy": taints,
            });
            if when == "DoNotSchedule" {
                constraint["minDomains"] = json!(domains);
            }
            constraint
        },
    )
}

fn rarely<T: std::fmt::Debug + Clone + 'static>(
    strategy: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.3, strategy)
}

fn pod() -> impl Strategy<Value = Drawn> {
    let requests = (0u32..3, 0u32..3, 0u32..3, prop::bool::weighted(0.1));
    let affinity = (rarely(node_affinity()), rarely(pod_affinity()), rarely(pod_affinity()));
    let rest = (
        rarely(prop::collection::vec(constraint(), 1..3)),
        prop::bool::weighted(0.3),
        rarely(select(vec!["a", "b"])),
        rarely(select(vec!["z1", "z2", "z9"])),
        rarely((select(vec!["g1", "g2", "g3"]), select(vec![RACK, HOSTNAME]))),
        prop::bool::ANY,
    );
    (select(vec!["n1", "n2"]), select(vec!["a", "b", "c"]), requests, affinity, rest).prop_map(
        |(namespace, app, (cpu, memory, gpus, has_port), (node, with, away), rest)| {
            let (spread, tolerates, owner, zone, group, carries_group) = rest;
            let mut requests = json!({});
            let amounts =
                [("cpu", cpu, ""), ("memory", memory, "Gi"), ("nvidia.com/gpu", gpus, "")];
            for (name, amount, unit) in amounts.into_iter().filter(|entry| entry.1 > 0) {
                requests[name] = json!(format!("{amount}{unit}"));
            }
            let mut container = json!({"name": "c", "resources": {"requests": requests}});
            if has_port {
                container["ports"] = json!([{"containerPort": 80, "hostPort": 80}]);
            }
            let mut spec = json!({"containers": [container], "affinity": {
                "nodeAffinity": node, "podAffinity": with, "podAntiAffinity": away,
            }});
            if let Some(spread) = spread {
                spec["topologySpreadConstraints"] = json!(spread);
            }
            if tolerates {
                spec["tolerations"] = json!([{"key": "t", "operator": "Exists"}]);
            }
            let mut labels: Labels = [("app".to_owned(), app.to_owned())].into();
            if let (Some((group, _)), true) = (group, carries_group) {
                labels.insert(GROUP.to_owned(), group.to_owned());
            }
            Drawn { namespace, labels, spec, group, zone, owner }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => (0..6usize, node()).prop_map(|(name, node)| Step::PutNode(name, node)),
        1 => (0..6usize).prop_map(Step::RemoveNode),
        8 => (pod(), 0..6usize).prop_map(|(pod, node)| Step::AddPod(pod, node)),
        2 => index().prop_map(Step::RemovePod),
        1 => index().prop_map(Step::Terminate),
        1 => (index(), pod(), 0..6usize).prop_map(|(gone, pod, node)| Step::TryOut(gone, pod, node)),
    ]
}

struct Both {
    fast: Scheduler,
    plain: Reference,
    placed: u64,
}

fn node_object(name: &str, drawn: &Value) -> Node {
    let mut object: Node = serde_json::from_value(drawn.clone()).unwrap();
    object.metadata.name = Some(name.to_owned());
    object.metadata.labels.get_or_insert_default().insert(HOSTNAME.to_owned(), name.to_owned());
    object
}

fn owner_selector(app: &str) -> LabelSelector {
    serde_json::from_value(json!({"matchLabels": {"app": app}})).unwrap()
}

impl Both {
    fn new() -> Self {
        Self {
            fast: Scheduler::new(Profile::default_of(36)),
            plain: Reference::default(),
            placed: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::PutNode(name, node) => {
                let name = format!("node-{name}");
                let object = node_object(&name, node);
                self.fast.cluster.add_node(&object);
                self.plain.nodes.insert(name, object);
            }
            Step::RemoveNode(name) => {
                let name = format!("node-{name}");
                if self.plain.nodes.remove(&name).is_some() {
                    let node = self.fast.cluster.node(&name).unwrap();
                    self.fast.cluster.remove_node(node);
                }
            }
            Step::AddPod(drawn, node) => {
                let name = format!("node-{node}");
                let Some(node) = self.fast.cluster.node(&name) else { return };
                let (view, mut pod) = self.build(drawn);
                pod.node = name;
                self.placed += 1;
                self.fast.cluster.add_pod(PodKey(self.placed), &view, node);
                self.plain.pods.insert(self.placed, pod);
            }
            Step::RemovePod(index) => {
                if let Some(key) = self.choose(index) {
                    self.plain.pods.remove(&key);
                    self.fast.cluster.remove_pod(PodKey(key)).unwrap();
                }
            }
            Step::Terminate(index) => {
                if let Some(key) = self.choose(index) {
                    self.plain.pods.get_mut(&key).unwrap().is_terminating = true;
                    self.fast.cluster.set_terminating(PodKey(key));
                }
            }
            Step::TryOut(index, drawn, node) => {
                let (Some(gone), Some(node)) =
                    (self.choose(index), self.fast.cluster.node(&format!("node-{node}")))
                else {
                    return;
                };
                // A node that is not there has no room to take its pods back to.
                if !self.plain.nodes.contains_key(&self.plain.pods[&gone].node) {
                    return;
                }
                let (view, _) = self.build(drawn);
                let mut statement = Statement::new();
                statement.forget(&mut self.fast.cluster, PodKey(gone));
                statement.assume(&mut self.fast.cluster, PodKey(u64::MAX), &view, node);
                statement.roll_back(&mut self.fast.cluster);
            }
        }
    }

    /// Does a step and returns whether the hints of its event would wake a pod that waits.
    fn step_and_hint(&mut self, step: &Step, waiting: &PodView, rejected_by: PluginSet) -> bool {
        let node = match step {
            Step::PutNode(name, _) | Step::RemoveNode(name) => {
                self.fast.cluster.node(&format!("node-{name}"))
            }
            _ => None,
        };
        let gone = match step {
            Step::RemovePod(index) | Step::Terminate(index) => {
                self.choose(index).and_then(|key| self.fast.cluster.pod(PodKey(key))).cloned()
            }
            _ => None,
        };
        let placed = self.placed;
        if let (Step::PutNode(name, object), Some(node)) = (step, node) {
            let object = node_object(&format!("node-{name}"), object);
            let change = self.fast.cluster.update_node(node, &object);
            self.step(step);
            return self.fast.would_wake(
                waiting,
                rejected_by,
                ClusterEvent::NodeChanged(node, change),
            );
        }
        self.step(step);
        let view;
        let event = match step {
            Step::PutNode(name, _) => {
                ClusterEvent::NodeAdded(self.fast.cluster.node(&format!("node-{name}")).unwrap())
            }
            // See the exception that the module of hints names.
            Step::RemoveNode(_) if rejected_by.contains(Plugin::InterPodAffinity) => return true,
            Step::RemoveNode(_) if node.is_some() => ClusterEvent::NodeRemoved,
            Step::AddPod(..) if self.placed > placed => {
                view = self.fast.cluster.pod(PodKey(self.placed)).unwrap().clone().into_view();
                ClusterEvent::PodAdded(&view)
            }
            _ => match gone {
                Some(gone) => {
                    view = gone.into_view();
                    ClusterEvent::PodRemoved(&view)
                }
                None => return false,
            },
        };
        self.fast.would_wake(waiting, rejected_by, event)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "actions are matched by reference")]
    fn choose(&self, index: &prop::sample::Index) -> Option<u64> {
        let keys: Vec<u64> = self.plain.pods.keys().copied().collect();
        (!keys.is_empty()).then(|| *index.get(&keys))
    }

    /// Returns a pod in both forms. The plain one has everything in its spec.
    fn build(&mut self, drawn: &Drawn) -> (PodView, Pod) {
        let cluster = &mut self.fast.cluster;
        let spec: PodSpec = serde_json::from_value(drawn.spec.clone()).unwrap();
        let class = cluster.class(drawn.namespace, &spec);
        let labels = drawn.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let labels = PodLabels::from_texts(&mut cluster.symbols, labels);
        let mut view = cluster.view(&class, labels);
        let owner_selector = drawn.owner.map(owner_selector);
        view.owner_selector = cluster.owner_selector(drawn.namespace, &owner_selector);
        let mut spec = drawn.spec.clone();
        if let Some((group, key)) = drawn.group {
            view.extra = Some(cluster.exclusive_terms(drawn.namespace, (GROUP, group), key, None));
            let affinity = json!({"topologyKey": key, "labelSelector": {"matchExpressions": [
                {"key": GROUP, "operator": "In", "values": [group]}]}});
            let away = json!({"topologyKey": key, "labelSelector": {"matchExpressions": [
                {"key": GROUP, "operator": "Exists"}, {"key": GROUP, "operator": "NotIn", "values": [group]}]}});
            for (kind, term) in [("podAffinity", affinity), ("podAntiAffinity", away)] {
                let entry = &mut spec["affinity"][kind];
                if entry.is_null() {
                    *entry = json!({});
                }
                let required = &mut entry["requiredDuringSchedulingIgnoredDuringExecution"];
                if required.is_null() {
                    *required = json!([]);
                }
                required.as_array_mut().unwrap().push(term);
            }
        }
        if let Some(zone) = drawn.zone {
            view.node_selector.push((super::Sym::ZONE, cluster.symbols.intern(zone)));
            spec["nodeSelector"] = json!({ZONE: zone});
        }
        let pod = Pod {
            namespace: drawn.namespace.to_owned(),
            labels: drawn.labels.clone(),
            spec: serde_json::from_value(spec).unwrap(),
            owner_selector,
            ..Pod::default()
        };
        (view, pod)
    }

    /// With few nodes all are looked at, so that a decision must be what the explanation, which keeps nothing, comes to.
    fn schedule_as_explained(&mut self, view: &PodView) {
        let explanation = self.fast.explain(view);
        let feasible = || explanation.nodes.iter().filter(|entry| entry.verdict == Verdict::Fits);
        match self.fast.schedule(view, Tie::First) {
            Decision::Placed { node, score, ties, feasible: found, .. } => {
                assert_eq!(found, feasible().count());
                assert!(feasible().any(|entry| entry.node == node));
                if found > 1 {
                    assert_eq!(Some(score), feasible().map(|entry| entry.total).max());
                    assert_eq!(ties, feasible().filter(|entry| entry.total == score).count());
                }
            }
            Decision::Unschedulable(diagnosis) => {
                assert_eq!(feasible().count(), 0);
                let mut told = Diagnosis::new(explanation.nodes.len(), 36, false);
                for entry in &explanation.nodes {
                    told.count(entry.rejected_by.unwrap(), entry.verdict, 1);
                }
                assert_eq!(diagnosis.message(&self.fast.cluster), told.message(&self.fast.cluster));
                assert_eq!(diagnosis.rejected_by, told.rejected_by);
            }
        }
    }

    fn said(&self, explanation: &Explanation, expected: &std::collections::BTreeMap<String, Said>) {
        let cluster = &self.fast.cluster;
        assert_eq!(explanation.nodes.len(), expected.len());
        for entry in &explanation.nodes {
            let reject = |reasons: super::Reasons, is_hopeless| {
                let mut reasons = reasons.texts(&cluster.resources);
                reasons.sort();
                Said::Rejected { reasons, is_hopeless }
            };
            let name = cluster.node_name(entry.node);
            let found = match entry.verdict {
                Verdict::Unschedulable(reasons) => reject(reasons, false),
                Verdict::Hopeless(reasons) => reject(reasons, true),
                Verdict::Fits => {
                    let Said::Fits(plain) = &expected[name] else {
                        panic!("{name} fits, but {:?}", expected[name])
                    };
                    // A score that is skipped counts zero.
                    let score = |plugin: &str| {
                        let entry = entry.scores.iter().find(|entry| entry.0.to_string() == plugin);
                        entry.map_or(0, |entry| entry.1)
                    };
                    assert_eq!(
                        entry.total,
                        plain.values().sum::<i64>(),
                        "{name}: {:?} {plain:?}",
                        entry.scores
                    );
                    Said::Fits(plain.keys().map(|plugin| (*plugin, score(plugin))).collect())
                }
            };
            assert_eq!(&found, &expected[name], "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn fast_and_plain_say_the_same(steps in prop::collection::vec(step(), 1..60), probes in prop::collection::vec(pod(), 1..4)) {
        let mut both = Both::new();
        // Half of the probes are known from the beginning: counters and caches of theirs live through all steps.
        let known: Vec<(PodView, Pod)> = probes.iter().step_by(2).map(|probe| both.build(probe)).collect();
        for step in &steps {
            both.step(step);
            for (view, _) in &known {
                both.schedule_as_explained(view);
            }
        }
        let fresh: Vec<(PodView, Pod)> = probes.iter().map(|probe| both.build(probe)).collect();
        for (view, pod) in known.iter().chain(&fresh) {
            both.schedule_as_explained(view);
            let expected = both.plain.explain(pod);
            let explanation = both.fast.explain(view);
            both.said(&explanation, &expected);
        }
    }

    #[test]
    fn a_pod_that_no_hint_wakes_fits_nowhere(before in prop::collection::vec(step(), 1..40), probe in pod(), events in prop::collection::vec(step(), 1..10)) {
        let mut both = Both::new();
        for step in &before {
            both.step(step);
        }
        let (view, _) = both.build(&probe);
        for step in &events {
            let Decision::Unschedulable(diagnosis) = both.fast.schedule(&view, Tie::First) else { break };
            let woken = both.step_and_hint(step, &view, diagnosis.rejected_by);
            let placed = matches!(both.fast.schedule(&view, Tie::First), Decision::Placed { .. });
            prop_assert!(woken || !placed, "{:?} placed the pod", step);
        }
    }
}
