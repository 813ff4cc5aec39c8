//! The timeline: when, what and to whom.

use super::Lowering;
use super::names::{Labels, Named, Names};
use crate::backend::sim::setup::{
    Action, Entry, NodeChoice, PodChoice, Propagation, Target, When, Workload,
};
use crate::engine::Span;
use crate::scenario::diagnostic::{Code, Diagnostic};
use crate::scenario::schema::{
    DeleteSpec, DomainSpec, Duration, EntrySpec, NodeSpec, PatchSpec, PodSpec, PropagationSpec,
    ScaleSpec, SetImageSpec, UpgradeSpec, WhenSpec,
};
use crate::scenario::tree::{Node, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Conditions that a set can have.
const CONDITIONS: [&str; 3] = ["Available", "Progressing", "UpdateInProgress"];
/// Makes the action for the nodes that were chosen.
type ToNodes = fn(NodeChoice) -> Action;

/// Fields of an entry that say when.
const TIMES: [&str; 3] = ["at", "after", "when"];

impl Lowering<'_> {
    /// Returns the entries in the order of the scenario; `None` if one of them is faulty.
    pub(super) fn timeline(
        &mut self,
        mut applied: BTreeMap<usize, Vec<Workload>>,
        names: &Names,
        labels: &Labels,
    ) -> Option<Vec<Entry>> {
        let scenario = self.scenario;
        let mut entries = Vec::with_capacity(scenario.timeline.len());
        for (index, spec) in scenario.timeline.iter().enumerate() {
            let path = format!("timeline[{index}]");
            let when = self.when(spec, names, &path);
            let workloads = applied.remove(&index);
            let action = self.action(spec, workloads, names, labels, &path);
            if let (Some((when, delay)), Some(action)) = (when, action) {
                entries.push(Entry { when, delay, action, text: self.text(&path) });
            }
        }
        (entries.len() == scenario.timeline.len()).then_some(entries)
    }

    fn when(&mut self, spec: &EntrySpec, names: &Names, path: &str) -> Option<(When, Span)> {
        let delay = spec.after.map_or(Span::ZERO, |Duration(span)| span);
        match (spec.at, &spec.when) {
            (Some(_), Some(_)) => {
                let message = "an entry has either `at` or `when`";
                self.report_key(
                    Diagnostic::error(Code::InvalidValue, message),
                    &format!("{path}.when"),
                );
                None
            }
            (Some(_), None) if spec.after.is_some() => {
                let message = "an entry has either `at` or `after`";
                self.report_key(
                    Diagnostic::error(Code::InvalidValue, message),
                    &format!("{path}.after"),
                );
                None
            }
            (Some(Duration(at)), None) => {
                if at > self.scenario.horizon.0 {
                    let message = "this is later than the horizon, so it never happens";
                    self.report(
                        Diagnostic::warning(Code::InvalidValue, message),
                        &format!("{path}.at"),
                    );
                }
                Some((When::At(at), Span::ZERO))
            }
            (None, Some(when)) => {
                Some((self.condition(when, names, &format!("{path}.when"))?, delay))
            }
            (None, None) if spec.after.is_some() => Some((When::AfterPrevious, delay)),
            (None, None) => {
                let diagnostic = Diagnostic::error(
                    Code::MissingField,
                    "this entry does not say when it happens",
                )
                .with_help(
                    "give `at: 10m`, `after: 5m` (after the entry before it) or `when: settled`",
                );
                self.report(diagnostic, path);
                None
            }
        }
    }

    fn condition(&mut self, when: &WhenSpec, names: &Names, path: &str) -> Option<When> {
        match when {
            WhenSpec::Settled => Some(When::Settled),
            WhenSpec::Ready(groups) => {
                let (set, _) = self.set(&groups.set, names, &format!("{path}.ready.set"))?;
                Some(When::Ready { set, groups: groups.groups })
            }
            WhenSpec::Updated(groups) => {
                let (set, _) = self.set(&groups.set, names, &format!("{path}.updated.set"))?;
                Some(When::Updated { set, groups: groups.groups })
            }
            WhenSpec::Condition(condition) => {
                let path = format!("{path}.condition");
                if !CONDITIONS.contains(&condition.type_.as_str()) {
                    let message = format!("a set has no condition `{}`", condition.type_);
                    let path = format!("{path}.type");
                    self.unknown_name(
                        Code::UnknownName,
                        &path,
                        message,
                        &condition.type_,
                        CONDITIONS,
                    );
                    return None;
                }
                let (set, _) = self.set(&condition.set, names, &format!("{path}.set"))?;
                Some(When::Condition { set, condition: condition.type_.as_str().into() })
            }
        }
    }

    fn action(
        &mut self,
        spec: &EntrySpec,
        workloads: Option<Vec<Workload>>,
        names: &Names,
        labels: &Labels,
        path: &str,
    ) -> Option<Action> {
        let name = self.only_action(path)?;
        let place = format!("{path}.{name}");
        let EntrySpec { patch, set_image, scale, delete, .. } = spec;
        let EntrySpec {
            cordon,
            uncordon,
            drain,
            node_down,
            node_up,
            node_remove,
            out_of_service,
            ..
        } = spec;
        if let Some(workloads) = workloads {
            return Some(Action::Apply(workloads));
        }
        if let Some(patch) = patch {
            return self.patch(patch, names, &place);
        }
        if let Some(SetImageSpec { set, image, container }) = set_image {
            let target = self.target(set, names, &format!("{place}.set"))?;
            return Some(Action::SetImage {
                target,
                container: container.clone(),
                image: image.clone(),
            });
        }
        if let Some(scale) = scale {
            return self.scale(scale, names, &place);
        }
        if let Some(delete) = delete {
            return self.delete(delete, names, &place);
        }
        if let Some(pod) = &spec.kill_container {
            return self.pod_choice(pod, names, &place).map(Action::KillContainer);
        }
        if let Some(pod) = &spec.kill_pod {
            return self.pod_choice(pod, names, &place).map(Action::KillPod);
        }
        if let Some(domain) = &spec.domain_down {
            return self.domain_down(domain, labels, &place);
        }
        if let Some(nodes) = node_down {
            let lasts = nodes.lasts.map(|Duration(span)| span);
            return Some(Action::NodeDown {
                nodes: self.node_choice(nodes, names, &place, true)?,
                lasts,
            });
        }
        if let Some(UpgradeSpec::PodTemplateLabel) = spec.upgrade_lws {
            return Some(Action::UpgradeLws);
        }
        let make: [(&Option<NodeSpec>, ToNodes); 6] = [
            (cordon, Action::Cordon),
            (uncordon, Action::Uncordon),
            (drain, Action::Drain),
            (node_up, Action::NodeUp),
            (node_remove, Action::NodeRemove),
            (out_of_service, Action::OutOfService),
        ];
        let (nodes, action) =
            make.into_iter().find_map(|(nodes, action)| Some((nodes.as_ref()?, action)))?;
        self.node_choice(nodes, names, &place, false).map(action)
    }

    /// Returns the name of the one action of an entry.
    fn only_action(&mut self, path: &str) -> Option<String> {
        let Some(Value::Map(entries)) = self.tree.value_at(path).map(|node| &node.value) else {
            return None;
        };
        let mut actions = entries.iter().filter(|(key, node)| {
            !TIMES.contains(&key.name.as_str()) && !matches!(node.value, Value::Null)
        });
        match (actions.next(), actions.next()) {
            (Some((first, _)), None) => Some(first.name.clone()),
            (Some((first, _)), Some((second, _))) => {
                let message = format!(
                    "an entry has one action, and this one has `{}` and `{}`",
                    first.name, second.name
                );
                let help = "write two entries; `after: 0s` makes the second follow at once";
                self.report_at(
                    Diagnostic::error(Code::InvalidValue, message).with_help(help),
                    second.at,
                );
                None
            }
            (None, _) => {
                let diagnostic = Diagnostic::error(
                    Code::MissingField,
                    "this entry does not say what happens",
                )
                .with_help(
                    "give one action, for example `setImage`, `scale`, `drain` or `nodeDown`",
                );
                self.report(diagnostic, path);
                None
            }
        }
    }

    fn patch(&mut self, spec: &PatchSpec, names: &Names, path: &str) -> Option<Action> {
        let target = self.target(&spec.set, names, &format!("{path}.set"))?;
        if !spec.merge.is_object() {
            self.error(
                Code::WrongType,
                &format!("{path}.merge"),
                "a merge patch is a mapping of fields",
            );
            return None;
        }
        if let Some(merge) = self.tree.value_at(&format!("{path}.merge")) {
            self.check_patch(&format!("{}/{}", target.namespace, target.name), merge);
        }
        Some(Action::Patch { target, merge: spec.merge.clone() })
    }

    fn scale(&mut self, spec: &ScaleSpec, names: &Names, path: &str) -> Option<Action> {
        let target = self.target(&spec.set, names, &format!("{path}.set"))?;
        if let Ok(replicas) = i32::try_from(spec.replicas) {
            return Some(Action::Scale { target, replicas });
        }
        let message = format!("{} groups are more than a set can have", spec.replicas);
        self.error(Code::InvalidValue, &format!("{path}.replicas"), message);
        None
    }

    fn delete(&mut self, spec: &DeleteSpec, names: &Names, path: &str) -> Option<Action> {
        let target = match (&spec.set, &spec.pod) {
            (Some(set), None) => self.target(set, names, &format!("{path}.set"))?,
            (None, Some(pod)) => {
                let full = self.pod(pod, names, &format!("{path}.pod"))?;
                let (namespace, name) = full.split_once('/')?;
                Target { kind: "Pod", namespace: namespace.into(), name: name.into() }
            }
            _ => {
                self.error(Code::InvalidValue, path, "give either `set` or `pod`");
                return None;
            }
        };
        let propagation = match spec.propagation {
            PropagationSpec::Background => Propagation::Background,
            PropagationSpec::Foreground => Propagation::Foreground,
            PropagationSpec::Orphan => Propagation::Orphan,
        };
        Some(Action::Delete { target, propagation })
    }

    fn domain_down(&mut self, spec: &DomainSpec, labels: &Labels, path: &str) -> Option<Action> {
        let Some(values) = labels.get(&spec.key) else {
            let message = format!("no node has the label `{}`", spec.key);
            let known = labels.keys().map(String::as_str);
            self.unknown_name(
                Code::UnknownLabel,
                &format!("{path}.key"),
                message,
                &spec.key,
                known,
            );
            return None;
        };
        if let Some(value) = &spec.value
            && !values.contains(value)
        {
            let message = format!("no node has the value `{value}` of label `{}`", spec.key);
            let known = values.iter().map(String::as_str);
            self.unknown_name(Code::UnknownLabel, &format!("{path}.value"), message, value, known);
            return None;
        }
        let nodes = NodeChoice::Domain {
            key: spec.key.as_str().into(),
            value: spec.value.as_deref().map(Arc::from),
        };
        Some(Action::NodeDown { nodes, lasts: spec.lasts.map(|Duration(span)| span) })
    }

    fn node_choice(
        &mut self,
        spec: &NodeSpec,
        names: &Names,
        path: &str,
        can_last: bool,
    ) -> Option<NodeChoice> {
        if spec.lasts.is_some() && !can_last {
            let message = "only `nodeDown` and `domainDown` can last for a time";
            self.report_key(Diagnostic::error(Code::InvalidValue, message), &format!("{path}.for"));
            return None;
        }
        let NodeSpec { node, nodes, random, of_pod, of_set, lasts: _ } = spec;
        let given =
            [node.is_some(), nodes.is_some(), random.is_some(), of_pod.is_some(), of_set.is_some()];
        if given.into_iter().filter(|given| *given).count() != 1 {
            let message = "give one of `node`, `nodes`, `random`, `ofPod`, `ofSet`";
            self.error(Code::InvalidValue, path, message);
            return None;
        }
        if let Some(pod) = of_pod {
            let pod = self.pod(pod, names, &format!("{path}.ofPod"))?;
            return Some(NodeChoice::Of(PodChoice::Named(pod.into())));
        }
        if let Some(set) = of_set {
            let (set, _) = self.set(set, names, &format!("{path}.ofSet"))?;
            return Some(NodeChoice::Of(PodChoice::RandomOf(set)));
        }
        if let Some(count) = random {
            return self.random_nodes(*count, names, &format!("{path}.random"));
        }
        if let Some(list) = nodes {
            if list.is_empty() {
                self.error(
                    Code::InvalidValue,
                    &format!("{path}.nodes"),
                    "the list of nodes is empty",
                );
                return None;
            }
            for (index, name) in list.iter().enumerate() {
                self.node(name, names, &format!("{path}.nodes[{index}]"))?;
            }
            return Some(NodeChoice::Named(list.iter().map(|name| name.as_str().into()).collect()));
        }
        let name = node.as_deref()?;
        if name == "random" {
            return Some(NodeChoice::Random(1));
        }
        self.node(name, names, &format!("{path}.node"))?;
        Some(NodeChoice::Named(vec![name.into()]))
    }

    fn random_nodes(&mut self, count: u32, names: &Names, path: &str) -> Option<NodeChoice> {
        let known = names.nodes.len();
        if count == 0 || usize::try_from(count).is_ok_and(|count| count > known) {
            let message = format!("expected 1 to {known} nodes, found {count}");
            self.error(Code::InvalidValue, path, message);
            return None;
        }
        Some(NodeChoice::Random(count))
    }

    fn pod_choice(&mut self, spec: &PodSpec, names: &Names, path: &str) -> Option<PodChoice> {
        match (&spec.pod, &spec.set) {
            (Some(pod), None) => {
                Some(PodChoice::Named(self.pod(pod, names, &format!("{path}.pod"))?.into()))
            }
            (None, Some(set)) => {
                Some(PodChoice::RandomOf(self.set(set, names, &format!("{path}.set"))?.0))
            }
            _ => {
                self.error(Code::InvalidValue, path, "give either `pod` or `set`");
                None
            }
        }
    }

    fn target(&mut self, name: &str, names: &Names, path: &str) -> Option<Target> {
        let (full, Named { kind }) = self.set(name, names, path)?;
        let (namespace, name) = full.split_once('/')?;
        Some(Target { kind, namespace: namespace.into(), name: name.into() })
    }

    /// Returns the full name of a set.
    pub(super) fn set(
        &mut self,
        name: &str,
        names: &Names,
        path: &str,
    ) -> Option<(Arc<str>, Named)> {
        match names.sets_called(name).as_slice() {
            [(full, set)] => Some(((*full).into(), *set)),
            [] => {
                let known = names
                    .sets
                    .keys()
                    .map(|full| full.split_once('/').map_or(full.as_str(), |(_, short)| short));
                self.unknown_name(
                    Code::UnknownName,
                    path,
                    format!("there is no set `{name}`"),
                    name,
                    known,
                );
                None
            }
            many => {
                let known: Vec<String> = many.iter().map(|(full, _)| format!("`{full}`")).collect();
                let diagnostic = Diagnostic::error(
                    Code::UnknownName,
                    format!("more than one set is called `{name}`"),
                )
                .with_help(format!("write one of {}", known.join(", ")));
                self.report(diagnostic, path);
                None
            }
        }
    }

    fn pod(&mut self, name: &str, names: &Names, path: &str) -> Option<String> {
        let full = names.pod_called(name);
        if full.is_none() {
            let diagnostic = Diagnostic::error(
                Code::UnknownName,
                format!("no pod can be called `{name}`"),
            )
            .with_help(
                "the leader of group 0 of set `vllm` is `vllm-0`, its first worker `vllm-0-1`",
            );
            self.report(diagnostic, path);
        }
        full
    }

    fn node(&mut self, name: &str, names: &Names, path: &str) -> Option<()> {
        if names.nodes.contains(name) {
            return Some(());
        }
        let known = names.nodes.iter().map(String::as_str);
        self.unknown_name(
            Code::UnknownName,
            path,
            format!("there is no node `{name}`"),
            name,
            known,
        );
        None
    }

    /// Returns an entry in the words of the scenario.
    fn text(&self, path: &str) -> String {
        let Some(Value::Map(entries)) = self.tree.value_at(path).map(|node| &node.value) else {
            return String::new();
        };
        let action = entries.iter().find(|(key, _)| !TIMES.contains(&key.name.as_str()));
        action.map_or_else(String::new, |(key, node)| format!("{} {}", key.name, flow(node)))
    }
}

/// Returns a value as YAML in one line.
fn flow(node: &Node) -> String {
    match &node.value {
        Value::Null => "~".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::UInt(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Value::Map(entries) => {
            let parts: Vec<String> =
                entries.iter().map(|(key, node)| format!("{}: {}", key.name, flow(node))).collect();
            format!("{{{}}}", parts.join(", "))
        }
    }
}
