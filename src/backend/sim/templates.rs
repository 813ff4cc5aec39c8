//! Pod templates, prepared once and shared: what scheduler, kubelet and results read of them.
//!
//! Templates of equal content get equal hashes; pods of one template share one record.

use super::object::{GroupLabels, Names, Template};
use super::setup::Profile;
use crate::api::quantity::Quantity;
use crate::api::{accelerators, hash, keys, wire};
use crate::controller::SetBody;
use crate::engine::{Span, entity, entity2};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, PodTemplateSpec};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Grace period where the pod states none (Kubernetes API default).
const GRACE_DEFAULT_S: i64 = 30;
/// Probe period where the probe states none (Kubernetes API default).
const PROBE_PERIOD_DEFAULT_S: i32 = 10;

/// Templates that were met so far.
#[derive(Debug, Default)]
pub(super) struct Templates {
    /// By address of the user's template, which the entry keeps alive: its content hash.
    bases: FxHashMap<usize, (Arc<PodTemplateSpec>, u64)>,
    images: FxHashMap<Arc<str>, Arc<str>>,
    by_hash: FxHashMap<u64, Arc<Template>>,
}

impl Templates {
    /// Returns the template of a StatefulSet's body.
    pub(super) fn prepare(
        &mut self,
        body: &SetBody,
        profile: &Arc<Profile>,
        names: &mut Names,
    ) -> Arc<Template> {
        let template = &body.template;
        let base_hash = self.base_hash(&template.base);
        let own = template.base.metadata.as_ref();
        let labels = merged(own.and_then(|own| own.labels.as_ref()), &template.labels);
        let annotations =
            merged(own.and_then(|own| own.annotations.as_ref()), &template.annotations);
        let selector_hash = map_hash(&template.node_selector);
        let hash = entity2(
            entity2(base_hash, selector_hash),
            entity2(map_hash(&labels), map_hash(&annotations)),
        );
        let hash = entity2(hash, entity(&profile.name));
        if let Some(known) = self.by_hash.get(&hash) {
            return Arc::clone(known);
        }
        let spec = template.base.spec.clone().unwrap_or_default();
        let group = worker_group(&labels, &body.namespace, names);
        let prepared = Arc::new(Template {
            base: Arc::clone(&template.base),
            labels,
            annotations,
            node_selector: template.node_selector.clone(),
            base_hash,
            image: self.image(&spec),
            grace: grace(&spec),
            probe: probe(&spec),
            accelerators: accelerators(&spec),
            requests_tpus: requests_tpus(&spec),
            group,
            hash,
            profile: Arc::clone(profile),
        });
        // Worker sets of one group each have a template of their own: only templates without group are met again.
        if prepared.group.is_none() {
            self.by_hash.insert(hash, Arc::clone(&prepared));
        }
        prepared
    }

    /// Returns the template of a lone pod.
    pub(super) fn of_pod(
        &mut self,
        pod: &Pod,
        profile: &Arc<Profile>,
        names: &mut Names,
    ) -> Arc<Template> {
        let metadata = &pod.metadata;
        let labels = metadata.labels.clone().unwrap_or_default();
        let spec = pod.spec.clone().unwrap_or_default();
        let base = PodTemplateSpec { metadata: None, spec: Some(spec.clone()) };
        let base_hash = content_hash(&base);
        let hash = entity2(base_hash, entity2(map_hash(&labels), entity(&profile.name)));
        let namespace = metadata.namespace.as_deref().unwrap_or("default");
        Arc::new(Template {
            base: Arc::new(base),
            group: worker_group(&labels, namespace, names),
            labels,
            annotations: metadata.annotations.clone().unwrap_or_default(),
            node_selector: BTreeMap::new(),
            base_hash,
            image: self.image(&spec),
            grace: grace(&spec),
            probe: probe(&spec),
            accelerators: accelerators(&spec),
            requests_tpus: requests_tpus(&spec),
            hash,
            profile: Arc::clone(profile),
        })
    }

    fn base_hash(&mut self, base: &Arc<PodTemplateSpec>) -> u64 {
        let address = Arc::as_ptr(base) as usize;
        self.bases.entry(address).or_insert_with(|| (Arc::clone(base), content_hash(base))).1
    }

    fn image(&mut self, spec: &PodSpec) -> Arc<str> {
        let image = spec
            .containers
            .first()
            .and_then(|container| container.image.as_deref())
            .unwrap_or_default();
        if let Some(known) = self.images.get(image) {
            return Arc::clone(known);
        }
        let image: Arc<str> = image.into();
        self.images.insert(Arc::clone(&image), Arc::clone(&image));
        image
    }
}

/// Hashes what the API server makes of a template: fields that it would fill in make no difference. Labels and annotations
/// are hashed apart.
fn content_hash(base: &PodTemplateSpec) -> u64 {
    let base = PodTemplateSpec { metadata: None, spec: base.spec.clone() };
    let mut value = serde_json::to_value(base).expect("a template is plain data");
    super::show::fill_template(&mut value);
    entity(&wire::to_go_json(&value))
}

fn map_hash(map: &BTreeMap<String, String>) -> u64 {
    map.iter().fold(0, |hash, (key, value)| entity2(hash, entity2(entity(key), entity(value))))
}

fn merged(
    own: Option<&BTreeMap<String, String>>,
    added: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut all = own.cloned().unwrap_or_default();
    all.extend(added.iter().map(|(key, value)| (key.clone(), value.clone())));
    all
}

/// Returns the LWS labels of a template that carries all of them, as a worker set's does.
fn worker_group(
    labels: &BTreeMap<String, String>,
    namespace: &str,
    names: &mut Names,
) -> Option<Arc<GroupLabels>> {
    let label = |key: &str| labels.get(key).map(|value| Arc::<str>::from(value.as_str()));
    Some(Arc::new(GroupLabels {
        lws: names.intern(namespace, labels.get(keys::NAME)?),
        group_index: label(keys::GROUP_INDEX)?,
        group_key: label(keys::GROUP_KEY)?,
        revision: label(keys::REVISION)?,
    }))
}

fn grace(spec: &PodSpec) -> Span {
    let seconds = spec.termination_grace_period_seconds.unwrap_or(GRACE_DEFAULT_S);
    Span::from_secs(u64::try_from(seconds).unwrap_or(0))
}

fn probe(spec: &PodSpec) -> Option<(Span, Span)> {
    let probe = spec.containers.iter().find_map(|container| container.readiness_probe.as_ref())?;
    let seconds = |value: i32| Span::from_secs(u64::try_from(value).unwrap_or(0));
    let initial = seconds(probe.initial_delay_seconds.unwrap_or(0));
    Some((initial, seconds(probe.period_seconds.unwrap_or(PROBE_PERIOD_DEFAULT_S).max(1))))
}

fn containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.containers.iter().chain(spec.init_containers.iter().flatten())
}

/// Returns what a container asks for of a resource: its limit, else its request.
fn asked(container: &Container, resource: &str) -> i64 {
    let resources = container.resources.as_ref();
    let limit = resources
        .and_then(|resources| resources.limits.as_ref())
        .and_then(|limits| limits.get(resource));
    let request = resources
        .and_then(|resources| resources.requests.as_ref())
        .and_then(|map| map.get(resource));
    limit
        .or(request)
        .and_then(|quantity| Quantity::parse(&quantity.0).ok())
        .map_or(0, |quantity| quantity.units_ceil())
}

fn accelerators(spec: &PodSpec) -> u32 {
    u32::try_from(accelerators::asked_by(spec)).unwrap_or(u32::MAX)
}

fn requests_tpus(spec: &PodSpec) -> bool {
    containers(spec).any(|container| asked(container, keys::TPU_RESOURCE) > 0)
}

/// Returns the hash part of a revision name.
pub(super) fn revision_text(template: &Template) -> String {
    hash::safe_encode(&hash::fnv1_32(&template.hash.to_le_bytes()).to_string())
}
