//! Manifests: read as the API server reads them, changed as the scenario says, checked as admission checks them.
//!
//! Changes are made to the tree of the manifest, so that an error in one of them points into the scenario.
//!
//! # Differs from the real thing
//! A Deployment runs as a StatefulSet with parallel pod management, and a warning says so.

use super::Lowering;
use super::names::Labels;
use super::profiles::Profiles;
use crate::api::lws::LeaderWorkerSet;
use crate::api::manifest::{self, Manifest};
use crate::api::quantity::Quantity as Amount;
use crate::api::{defaults, keys, validation};
use crate::backend::sim::setup::{Object, Profile, Workload};
use crate::scenario::decode::decode;
use crate::scenario::diagnostic::{Code, Diagnostic, suggestion};
use crate::scenario::manifest::{api_version_of, items, kind_of, name_of};
use crate::scenario::schema::WorkloadSpec;
use crate::scenario::tree::{At, Node, Value};
use k8s_openapi::api::apps::v1::{
    RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{Pod, Service};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where pod templates stand in the objects that have them.
pub(super) const TEMPLATES: [&str; 4] = [
    "spec.leaderWorkerTemplate.leaderTemplate.spec",
    "spec.leaderWorkerTemplate.workerTemplate.spec",
    "spec.template.spec",
    "spec",
];

/// Fields of a workload that only a LeaderWorkerSet has.
const LWS_FIELDS: [&str; 4] = ["size", "restartPolicy", "startupPolicy", "rollout"];

impl Lowering<'_> {
    /// Returns what is applied at the start.
    pub(super) fn workloads(&mut self, profiles: &Profiles, labels: &Labels) -> Vec<Workload> {
        let scenario = self.scenario;
        let mut workloads = Vec::new();
        let mut seen: BTreeMap<(String, String, String), At> = BTreeMap::new();
        for (index, spec) in scenario.workloads.iter().enumerate() {
            let path = format!("workloads[{index}]");
            if let Some(name) = &spec.name
                && scenario.workloads[..index].iter().any(|other| other.name.as_ref() == Some(name))
            {
                self.error(
                    Code::DuplicateName,
                    &format!("{path}.name"),
                    format!("two workloads are called `{name}`"),
                );
            }
            for (workload, at) in self.workload(spec, &path, profiles, labels) {
                let (kind, namespace, name) = super::names::identity(&workload.object);
                let key = (kind.to_owned(), namespace.clone(), name.clone());
                if seen.insert(key, at).is_some() {
                    let message =
                        format!("{kind} `{namespace}/{name}` is applied twice at the start");
                    let help =
                        "give one of them another `namespace`, or apply it later in the `timeline`";
                    self.report_at(
                        Diagnostic::error(Code::DuplicateName, message).with_help(help),
                        at,
                    );
                }
                workloads.push(workload);
            }
        }
        workloads
    }

    /// Returns what the entries of the timeline apply, by number of the entry.
    pub(super) fn applied(
        &mut self,
        profiles: &Profiles,
        labels: &Labels,
    ) -> BTreeMap<usize, Vec<Workload>> {
        let scenario = self.scenario;
        let mut applied = BTreeMap::new();
        for (index, entry) in scenario.timeline.iter().enumerate() {
            if let Some(spec) = &entry.apply {
                let workloads =
                    self.workload(spec, &format!("timeline[{index}].apply"), profiles, labels);
                applied
                    .insert(index, workloads.into_iter().map(|(workload, _)| workload).collect());
            }
        }
        applied
    }

    /// Returns the objects of one workload with the places of their names.
    fn workload(
        &mut self,
        spec: &WorkloadSpec,
        path: &str,
        profiles: &Profiles,
        labels: &Labels,
    ) -> Vec<(Workload, At)> {
        let profile = self.chosen_profile(&spec.profile, profiles, path);
        let loaded = self.loaded;
        let documents =
            loaded.files.documents.get(&spec.manifest).map(Vec::as_slice).unwrap_or_default();
        let objects = items(documents);
        self.check_changes_apply(spec, path, &objects);
        let mut workloads = Vec::new();
        for object in objects {
            let mut object = object.clone();
            self.change(&mut object, path);
            let Some(lowered) = self.object(&mut object) else { continue };
            self.check_labels(&object, labels);
            self.note_priority_classes(&object);
            let at = object.place_of("metadata.name");
            let (_, namespace, name) = super::names::identity(&lowered);
            if kind_of(&object) == keys::KIND {
                self.sets.insert(format!("{namespace}/{name}"), object);
            }
            // A faulty profile is reported once; the objects are still checked.
            if let Some(profile) = &profile {
                workloads.push((
                    Workload { object: lowered, profile: Arc::<Profile>::clone(profile) },
                    at,
                ));
            }
        }
        workloads
    }

    /// Reports fields of a workload that change nothing in its manifest.
    fn check_changes_apply(&mut self, spec: &WorkloadSpec, path: &str, objects: &[&Node]) {
        let has = |kinds: &[&str]| objects.iter().any(|object| kinds.contains(&kind_of(object)));
        if has(&["LeaderWorkerSet"]) {
            return;
        }
        let Some(workload) = self.tree.value_at(path) else { return };
        let mut idle: Vec<&str> =
            LWS_FIELDS.iter().copied().filter(|field| workload.get(field).is_some()).collect();
        if !has(&["StatefulSet", "Deployment"]) {
            let fields = ["replicas", "image", "annotations", "patch"];
            idle.extend(fields.iter().filter(|field| workload.get(field).is_some()));
        }
        for field in idle {
            let message = format!("`{}` holds no set that `{field}` could change", spec.manifest);
            self.report_key(
                Diagnostic::error(Code::InvalidValue, message),
                &format!("{path}.{field}"),
            );
        }
    }

    /// Applies what the workload at a path changes of its manifest.
    fn change(&self, object: &mut Node, path: &str) {
        let Some(workload) = self.tree.value_at(path) else { return };
        let value =
            |field: &str| workload.get(field).filter(|node| !matches!(node.value, Value::Null));
        if let Some(namespace) = value("namespace") {
            object.set(&["metadata", "namespace"], namespace.clone());
        }
        let kind = kind_of(object).to_owned();
        let is_lws = kind == "LeaderWorkerSet";
        if !is_lws && kind != "StatefulSet" && kind != "Deployment" {
            return;
        }
        if let Some(replicas) = value("replicas") {
            object.set(&["spec", "replicas"], replicas.clone());
        }
        if is_lws {
            for (field, target) in [
                ("size", &["spec", "leaderWorkerTemplate", "size"][..]),
                ("restartPolicy", &["spec", "leaderWorkerTemplate", "restartPolicy"]),
                ("startupPolicy", &["spec", "startupPolicy"]),
            ] {
                if let Some(node) = value(field) {
                    object.set(target, node.clone());
                }
            }
            if let Some(Value::Map(rollout)) = value("rollout").map(|node| &node.value) {
                for (key, node) in rollout {
                    let target =
                        ["spec", "rolloutStrategy", "rollingUpdateConfiguration", &key.name];
                    object.set(&target, node.clone());
                }
            }
        }
        if let Some(Value::Map(annotations)) = value("annotations").map(|node| &node.value) {
            for (key, node) in annotations {
                object.set(&["metadata", "annotations", &key.name], node.clone());
            }
        }
        if let Some(image) = value("image") {
            for template in TEMPLATES {
                set_images(object, template, image);
            }
        }
        if let Some(patch) = value("patch") {
            object.merge(patch);
        }
    }

    /// Returns an object in typed form, if it is simulated.
    fn object(&mut self, object: &mut Node) -> Option<Object> {
        let (kind, name) = (kind_of(object).to_owned(), name_of(object).to_owned());
        if kind.is_empty() {
            let message = "this is no Kubernetes object: it has no `kind`";
            self.report_at(Diagnostic::error(Code::InvalidObject, message), object.at);
            return None;
        }
        if matches!(
            kind.as_str(),
            "LeaderWorkerSet" | "StatefulSet" | "Deployment" | "Pod" | "Service"
        ) && name.is_empty()
        {
            let message = format!("this {kind} has no `metadata.name`");
            self.report_at(
                Diagnostic::error(Code::InvalidObject, message),
                object.place_of("metadata"),
            );
            return None;
        }
        match (kind.as_str(), api_version_of(object)) {
            ("LeaderWorkerSet", keys::API_VERSION) => self.leader_worker_set(object),
            ("StatefulSet", "apps/v1") => self.stateful_set(object),
            ("Deployment", "apps/v1") => {
                let message = format!(
                    "Deployment `{name}` runs as a StatefulSet with parallel pod management"
                );
                let help =
                    "names of pods, the order of updates and surge differ from a Deployment's";
                let at = object.place_of("kind");
                self.report_at(
                    Diagnostic::warning(Code::Approximated, message).with_help(help),
                    at,
                );
                as_stateful_set(object);
                self.stateful_set(object)
            }
            ("Pod", "v1") => {
                let Manifest::Pod(pod) = self.typed(object)? else { return None };
                self.check_resources(object);
                Some(Object::Pod(Arc::new(*pod)))
            }
            ("Service", "v1") => match self.typed(object)? {
                Manifest::Service(service) => Some(Object::Service(Arc::new(*service))),
                _ => None,
            },
            ("LeaderWorkerSet" | "StatefulSet" | "Deployment" | "Pod" | "Service", version) => {
                let message =
                    format!("{kind} `{name}` has the API version `{version}`, which is not served");
                let wanted = match kind.as_str() {
                    "LeaderWorkerSet" => keys::API_VERSION,
                    "StatefulSet" | "Deployment" => "apps/v1",
                    _ => "v1",
                };
                let diagnostic = Diagnostic::error(Code::InvalidObject, message)
                    .with_help(format!("write `apiVersion: {wanted}`"));
                self.report_at(diagnostic, object.place_of("apiVersion"));
                None
            }
            ("PriorityClass", "scheduling.k8s.io/v1") => self.priority_class(object),
            ("PodDisruptionBudget", "policy/v1") => self.budget(object),
            _ => {
                let message = format!("{kind} `{name}` is not simulated");
                self.report_at(
                    Diagnostic::warning(Code::NotSimulated, message),
                    object.place_of("kind"),
                );
                None
            }
        }
    }

    /// Returns an object in typed form, with warnings of the fields that its kind does not have.
    fn typed(&mut self, object: &Node) -> Option<Manifest> {
        let read = match manifest::object(&object.to_json()) {
            Ok(read) => read,
            Err(problem) => {
                self.report_type_fault(object, &problem);
                return None;
            }
        };
        for field in read.unknown_fields {
            let name = field.path.rsplit('.').next().unwrap_or_default();
            let mut warning = Diagnostic::warning(
                Code::UnknownField,
                format!("{} has no field `{name}` here", kind_of(object)),
            );
            warning.help = Some(match field.nearest {
                Some(near) => format!("did you mean `{near}`?"),
                None => "it is ignored here; `kubectl apply` would refuse it".to_owned(),
            });
            self.report_at(warning, object.place_of_key(&field.path));
        }
        if !read.missing_fields.is_empty() {
            self.refuse(object, &read.missing_fields);
            return None;
        }
        Some(read.manifest)
    }

    /// Reports a value of the wrong type: the same fault, met once more in the tree, knows its place.
    fn report_type_fault(&mut self, object: &Node, problem: &manifest::Problem) {
        let sources = &self.loaded.sources;
        let fault = match kind_of(object) {
            keys::KIND => decode::<LeaderWorkerSet>(sources, object).err(),
            "StatefulSet" => decode::<StatefulSet>(sources, object).err(),
            "Pod" => decode::<Pod>(sources, object).err(),
            "Service" => decode::<Service>(sources, object).err(),
            _ => None,
        };
        match fault {
            Some(fault) => self.problems.push(fault),
            None => self
                .report_at(Diagnostic::error(Code::InvalidObject, problem.to_string()), object.at),
        }
    }

    fn leader_worker_set(&mut self, object: &Node) -> Option<Object> {
        let Manifest::LeaderWorkerSet(mut lws) = self.typed(object)? else { return None };
        self.check_resources(object);
        lws.metadata.namespace.get_or_insert_with(|| "default".to_owned());
        lws.status = None;
        defaults::apply(&mut lws);
        let errors = validation::validate_create(&lws);
        if errors.is_empty() {
            return Some(Object::LeaderWorkerSet(Arc::new(*lws)));
        }
        self.refuse(object, &errors);
        None
    }

    /// Reports what is wrong with a merge patch on a set, given how the set stands when the patch comes.
    pub(super) fn check_patch(&mut self, set: &str, patch: &Node) {
        let Some(before) = self.sets.get(set).cloned() else { return };
        let mut after = before.clone();
        after.merge(patch);
        let (Some(old), Some(new)) = (Self::read_again(&before), self.typed(&after)) else {
            return;
        };
        if let (Manifest::LeaderWorkerSet(mut old), Manifest::LeaderWorkerSet(mut new)) = (old, new)
        {
            defaults::apply(&mut old);
            defaults::apply(&mut new);
            let errors = validation::validate_update(&new, &old);
            self.refuse(&after, &errors);
        }
        self.sets.insert(set.to_owned(), after);
    }

    /// Returns an object in typed form that was checked before.
    fn read_again(object: &Node) -> Option<Manifest> {
        manifest::object(&object.to_json()).ok().map(|read| read.manifest)
    }

    fn refuse(&mut self, object: &Node, errors: &[validation::FieldError]) {
        let name = name_of(object);
        for error in errors {
            let message = format!("LeaderWorkerSet `{name}` is refused: {error}");
            self.report_at(
                Diagnostic::error(Code::InvalidObject, message),
                object.place_of(&error.path),
            );
        }
    }

    fn stateful_set(&mut self, object: &Node) -> Option<Object> {
        let Manifest::StatefulSet(mut set) = self.typed(object)? else { return None };
        self.check_resources(object);
        let name = name_of(object).to_owned();
        set.metadata.namespace.get_or_insert_with(|| "default".to_owned());
        set.status = None;
        let spec = &mut set.spec;
        // Defaults of apps/v1 (k8s.io/kubernetes/pkg/apis/apps/v1/defaults.go, 1.33–1.37).
        let replicas = *spec.replicas.get_or_insert(1);
        spec.pod_management_policy.get_or_insert_with(|| "OrderedReady".to_owned());
        spec.revision_history_limit.get_or_insert(10);
        let strategy = spec.update_strategy.get_or_insert_with(StatefulSetUpdateStrategy::default);
        let kind = strategy.type_.get_or_insert_with(|| "RollingUpdate".to_owned());
        if kind == "RollingUpdate" {
            let rolling = strategy
                .rolling_update
                .get_or_insert_with(RollingUpdateStatefulSetStrategy::default);
            rolling.partition.get_or_insert(0);
        }
        if replicas < 0 {
            let message = format!(
                "StatefulSet `{name}` is refused: spec.replicas: Invalid value: {replicas}: must be greater than or equal to 0"
            );
            self.report_at(
                Diagnostic::error(Code::InvalidObject, message),
                object.place_of("spec.replicas"),
            );
            return None;
        }
        let wanted = spec.selector.match_labels.clone().unwrap_or_default();
        let labels = spec
            .template
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.labels.clone())
            .unwrap_or_default();
        if wanted.is_empty() || wanted.iter().any(|(key, value)| labels.get(key) != Some(value)) {
            let message = format!(
                "StatefulSet `{name}` is refused: spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`"
            );
            self.report_at(
                Diagnostic::error(Code::InvalidObject, message),
                object.place_of("spec.template.metadata.labels"),
            );
            return None;
        }
        Some(Object::StatefulSet(Arc::new(*set)))
    }

    /// Reports quantities of containers that are none, and requests above their limits.
    fn check_resources(&mut self, object: &Node) {
        for template in TEMPLATES {
            let Some(spec) = object.value_at(template) else { continue };
            let lists = ["containers", "initContainers"].iter().filter_map(|list| spec.get(list));
            let containers: Vec<&Node> = lists.flat_map(Node::items).collect();
            for container in containers {
                let Some(resources) = container.get("resources") else { continue };
                let requests = self.amounts(resources, "requests");
                let limits = self.amounts(resources, "limits");
                for (name, (request, at)) in &requests {
                    if limits.get(name).is_some_and(|(limit, _)| request > limit) {
                        let message = format!("the request of `{name}` is larger than its limit");
                        self.report_at(Diagnostic::error(Code::InvalidObject, message), *at);
                    }
                }
            }
        }
    }

    fn amounts<'n>(&mut self, resources: &'n Node, part: &str) -> BTreeMap<&'n str, (Amount, At)> {
        let mut amounts = BTreeMap::new();
        let Some(Value::Map(entries)) = resources.get(part).map(|node| &node.value) else {
            return amounts;
        };
        for (key, node) in entries {
            let text = match &node.value {
                Value::Text(text) => text.clone(),
                Value::Int(number) => number.to_string(),
                Value::Float(number) => number.to_string(),
                _ => continue,
            };
            let problem = match Amount::parse(&text) {
                Ok(amount) if amount.milli_ceil() < 0 => "it is negative".to_owned(),
                Ok(amount) => {
                    amounts.insert(key.name.as_str(), (amount, node.at));
                    continue;
                }
                Err(error) => error.to_string(),
            };
            let diagnostic = Diagnostic::error(
                Code::BadQuantity,
                format!("`{text}` is not a quantity of `{}`: {problem}", key.name),
            )
            .with_help("quantities look like `8`, `500m`, `900Gi`");
            self.report_at(diagnostic, node.at);
        }
        amounts
    }

    /// Warns of node labels that pods ask for and no node has.
    fn check_labels(&mut self, object: &Node, labels: &Labels) {
        for template in TEMPLATES {
            let selector = object.value_at(template).and_then(|spec| spec.get("nodeSelector"));
            let Some(Value::Map(entries)) = selector.map(|node| &node.value) else { continue };
            for (key, node) in entries {
                let values = labels.get(&key.name);
                match (values, node.as_str()) {
                    (None, _) => self.warn_of_label(&key.name, key.at, labels),
                    (Some(values), Some(value)) if !values.contains(value) => {
                        let mut warning = Diagnostic::warning(
                            Code::UnknownLabel,
                            format!(
                                "no node has the value `{value}` of label `{}`; pods that ask for it stay Pending",
                                key.name
                            ),
                        );
                        warning.help = suggestion(value, values.iter().map(String::as_str));
                        self.report_at(warning, node.at);
                    }
                    _ => {}
                }
            }
        }
        let annotations = object.get("metadata").and_then(|metadata| metadata.get("annotations"));
        for key in [keys::EXCLUSIVE_TOPOLOGY, keys::SUBGROUP_EXCLUSIVE_TOPOLOGY] {
            let Some(node) = annotations.and_then(|annotations| annotations.get(key)) else {
                continue;
            };
            if let Some(label) = node.as_str()
                && !labels.contains_key(label)
            {
                self.warn_of_label(label, node.at, labels);
            }
        }
    }

    fn warn_of_label(&mut self, key: &str, at: At, labels: &Labels) {
        let message = format!("no node has the label `{key}`; pods that ask for it stay Pending");
        let mut warning = Diagnostic::warning(Code::UnknownLabel, message);
        warning.help = suggestion(key, labels.keys().map(String::as_str));
        self.report_at(warning, at);
    }
}

/// Sets the image of all containers of a template.
fn set_images(object: &mut Node, template: &str, image: &Node) {
    let Some(spec) = object.value_at_mut(template) else { return };
    for list in ["containers", "initContainers"] {
        if let Some(Value::List(containers)) = spec.get_mut(list).map(|node| &mut node.value) {
            for container in containers {
                container.set(&["image"], image.clone());
            }
        }
    }
}

/// Turns a Deployment into a StatefulSet.
fn as_stateful_set(object: &mut Node) {
    let at = object.place_of("kind");
    let text = |text: &str| Node { at, value: Value::Text(text.to_owned()) };
    object.set(&["kind"], text("StatefulSet"));
    object.set(&["spec", "podManagementPolicy"], text("Parallel"));
    if let Some(Value::Map(entries)) = object.get_mut("spec").map(|node| &mut node.value) {
        entries.retain(|(key, _)| {
            !matches!(key.name.as_str(), "strategy" | "paused" | "progressDeadlineSeconds")
        });
    }
}
