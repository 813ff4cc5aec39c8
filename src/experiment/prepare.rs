//! From a loaded scenario to an experiment: variants are lowered and described.

use super::gates::Gate;
use super::result::{
    AxisSummary, CellSummary, Figure, NodeSummary, ScenarioSummary, SetSummary, TableSummary,
};
use super::run::{Experiment, Variant};
use crate::api::accelerators;
use crate::backend::sim::setup::{Action, Object, Setup, Workload};
use crate::scenario::{Axis, Code, Diagnostic, Loaded, Table, has_errors, lower, parse_gate};
use crate::topology::domain_path;
use k8s_openapi::api::core::v1::{Node, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::sync::Arc;

/// An experiment that can be run, and what its user should know of.
#[derive(Debug)]
pub struct Prepared {
    /// The experiment.
    pub experiment: Experiment<Setup>,
    /// Warnings, none twice.
    pub warnings: Vec<Diagnostic>,
}

/// Prepares the variants with these names, all if there is none; `settings` are the paths and values that the command line set,
/// which `loaded` holds already.
pub fn prepare(
    loaded: &Loaded,
    names: &[String],
    settings: &[(String, serde_json::Value)],
) -> Result<Prepared, Vec<Diagnostic>> {
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut variants = Vec::new();
    let is_chosen = |name: &&str| names.is_empty() || names.iter().any(|chosen| chosen == name);
    let unknown = names
        .iter()
        .map(String::as_str)
        .filter(|name| !loaded.variants().any(|known| known == *name));
    // A name that no variant has is lowered as well: that makes the diagnostic.
    for name in loaded.variants().filter(is_chosen).chain(unknown) {
        let (setup, problems) = match lower(loaded, name) {
            Ok(lowered) => (Some(lowered.setup), lowered.warnings),
            Err(problems) => (None, problems),
        };
        for problem in problems {
            if !found.contains(&problem) {
                found.push(problem);
            }
        }
        if let Some(setup) = setup {
            let overrides = loaded.overrides(name).iter().chain(settings).cloned().collect();
            let (nodes, sets) = (nodes(&setup), sets(&setup));
            variants.push(Variant {
                name: name.to_owned(),
                overrides,
                setup: Arc::new(setup),
                nodes,
                sets,
            });
        }
    }
    if has_errors(&found) {
        return Err(found);
    }
    let not_modelled = found
        .iter()
        .filter(|problem| matches!(problem.code, Code::NotSimulated | Code::Approximated));
    let not_modelled = not_modelled.map(|problem| problem.message.clone()).collect();
    let scenario = describe(loaded, variants.first().expect("a scenario has at least one variant"));
    let gates =
        loaded.scenario.gates.iter().map(|gate| parse_gate(gate).map_err(|problem| vec![problem]));
    let gates = gates.collect::<Result<Vec<Gate>, _>>()?;
    let (seeds, metrics) = (loaded.seeds(), loaded.scenario.metrics.clone());
    Ok(Prepared {
        experiment: Experiment {
            scenario,
            seeds,
            metrics,
            variants,
            table: loaded.table().map(table),
            gates,
            not_modelled,
        },
        warnings: found,
    })
}

fn describe(loaded: &Loaded, variant: &Variant<Setup>) -> ScenarioSummary {
    let kubernetes = variant.setup.kubernetes;
    ScenarioSummary {
        name: loaded.name.clone(),
        about: loaded.scenario.about.clone(),
        kubernetes: format!("1.{}.{}", kubernetes.minor, kubernetes.patch),
        text: loaded.text.as_ref().into(),
        horizon_s: Figure::seconds(variant.setup.horizon),
        seeds: u32::try_from(loaded.seeds().len()).expect("the number of seeds has 32 bits"),
        nodes: variant.nodes.clone(),
        sets: variant.sets.clone(),
    }
}

fn table(table: Table) -> TableSummary {
    let axes = |axes: Vec<Axis>| {
        axes.into_iter().map(|Axis { name, values }| AxisSummary { name, values }).collect()
    };
    let cells = table.cells.into_iter().map(|(metric, per)| CellSummary { metric, per });
    TableSummary {
        rows: axes(table.rows),
        columns: axes(table.columns),
        cells: cells.collect(),
        variants: table.variants,
    }
}

fn nodes(setup: &Setup) -> Vec<NodeSummary> {
    let summary = |node: &Arc<Node>| NodeSummary {
        name: node.metadata.name.clone().unwrap_or_default(),
        path: domain_path(
            node.metadata.labels.as_ref().unwrap_or(&std::collections::BTreeMap::new()),
        ),
        accelerators: accelerators::allocatable_on(node),
    };
    setup.nodes.iter().map(summary).collect()
}

fn sets(setup: &Setup) -> Vec<SetSummary> {
    let applied = setup.timeline.iter().flat_map(|entry| match &entry.action {
        Action::Apply(workloads) => workloads.as_slice(),
        _ => &[],
    });
    setup.workloads.iter().chain(applied).filter_map(set).collect()
}

fn set(workload: &Workload) -> Option<SetSummary> {
    // Negative numbers are refused by validation.
    let count = |number: Option<i32>| u32::try_from(number.unwrap_or(1)).unwrap_or(0);
    let (metadata, replicas, size, template): (&ObjectMeta, _, _, &PodTemplateSpec) =
        match &workload.object {
            Object::LeaderWorkerSet(lws) => {
                let template = &lws.spec.leader_worker_template;
                (
                    &lws.metadata,
                    count(lws.spec.replicas),
                    count(template.size),
                    &template.worker_template,
                )
            }
            Object::StatefulSet(set) => {
                (&set.metadata, count(set.spec.replicas), 1, &set.spec.template)
            }
            Object::Pod(_) | Object::Service(_) => return None,
        };
    let namespace = metadata.namespace.as_deref().unwrap_or("default");
    Some(SetSummary {
        name: format!("{namespace}/{}", metadata.name.as_deref().unwrap_or_default()),
        replicas,
        size,
        accelerators_per_pod: template.spec.as_ref().map_or(0, accelerators::asked_by),
        profile: workload.profile.name.as_ref().into(),
    })
}
