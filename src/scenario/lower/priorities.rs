//! Priority classes and PodDisruptionBudgets among the manifests: nothing is applied for them, the scheduler knows them
//! from the start.

use super::Lowering;
use super::workloads::TEMPLATES;
use crate::backend::sim::setup::{Object, PriorityClass, SYSTEM_CLASSES};
use crate::scenario::decode::decode;
use crate::scenario::diagnostic::{Code, Diagnostic, suggestion};
use crate::scenario::manifest::name_of;
use crate::scenario::tree::Node;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::scheduling::v1::PriorityClass as Stated;
use std::sync::Arc;

impl Lowering<'_> {
    /// Takes in a priority class; the same class may stand in several manifests.
    pub(super) fn priority_class(&mut self, object: &Node) -> Option<Object> {
        let stated: Stated = match decode(&self.loaded.sources, object) {
            Ok(stated) => stated,
            Err(fault) => {
                self.problems.push(fault);
                return None;
            }
        };
        let class = PriorityClass {
            name: name_of(object).to_owned(),
            value: stated.value.unwrap_or(0),
            is_global_default: stated.global_default.unwrap_or(false),
            never_preempts: stated.preemption_policy.as_deref() == Some("Never"),
        };
        if self.priority_classes.iter().any(|other| other.name == class.name && *other != class) {
            let message = format!("there are two different priority classes `{}`", class.name);
            self.report_at(
                Diagnostic::error(Code::DuplicateName, message),
                object.place_of("metadata.name"),
            );
        } else if !self.priority_classes.contains(&class) {
            self.priority_classes.push(class);
        }
        None
    }

    /// Takes in a budget.
    pub(super) fn budget(&mut self, object: &Node) -> Option<Object> {
        let budget: PodDisruptionBudget = match decode(&self.loaded.sources, object) {
            Ok(budget) => budget,
            Err(fault) => {
                self.problems.push(fault);
                return None;
            }
        };
        let is_double = budget
            .spec
            .as_ref()
            .is_some_and(|spec| spec.min_available.is_some() && spec.max_unavailable.is_some());
        if is_double {
            let message = format!(
                "PodDisruptionBudget `{}` is refused: spec: Invalid value: minAvailable and maxUnavailable cannot be both set",
                name_of(object)
            );
            self.report_at(
                Diagnostic::error(Code::InvalidObject, message),
                object.place_of("spec"),
            );
            return None;
        }
        let budget = Arc::new(budget);
        if !self.budgets.contains(&budget) {
            self.budgets.push(budget);
        }
        None
    }

    /// Remembers which priority classes the pods of an object name.
    pub(super) fn note_priority_classes(&mut self, object: &Node) {
        for template in TEMPLATES {
            let class = object.value_at(template).and_then(|spec| spec.get("priorityClassName"));
            if let Some((node, name)) = class.and_then(|node| Some((node, node.as_str()?))) {
                self.classes_named.push((name.to_owned(), node.at));
            }
        }
    }

    /// Warns of classes that pods name and no manifest holds.
    pub(super) fn check_priority_classes(&mut self) {
        let known: Vec<String> = SYSTEM_CLASSES
            .iter()
            .map(|class| class.0.to_owned())
            .chain(self.priority_classes.iter().map(|class| class.name.clone()))
            .collect();
        for (name, at) in std::mem::take(&mut self.classes_named) {
            if name.is_empty() || known.contains(&name) {
                continue;
            }
            let message = format!(
                "priority class `{name}` is in no manifest of the scenario: its pods get the priority 0"
            );
            let mut warning = Diagnostic::warning(Code::NotSimulated, message);
            warning.help = suggestion(&name, known.iter().map(String::as_str))
                .or_else(|| Some("add its manifest to the workloads".to_owned()));
            self.report_at(warning, at);
        }
    }
}
