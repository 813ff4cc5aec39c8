//! What the API server fills into pod specs and pod templates (Kubernetes 1.36.3, `pkg/apis/core/v1/defaults.go`,
//! `pkg/apis/core/v1/zz_generated.defaults.go`, and admission of priorities and tolerations).

use serde_json::{Map, Value, json};

/// Seconds that a pod stays on a node that is not ready or unreachable (`DefaultTolerationSeconds`).
const TOLERATION_S: u64 = 300;
/// File mode of projected files (`0644`).
const FILE_MODE: u64 = 420;
/// Lifetime of projected tokens.
const TOKEN_S: u64 = 3600;

/// Fills in the spec of a pod template.
pub(super) fn template(template: &mut Value) {
    if template["metadata"].is_null() {
        template["metadata"] = json!({});
    }
    spec(&mut template["spec"]);
}

/// Fills in the spec of a pod, and does what admission does to every pod.
pub(super) fn pod(spec: &mut Value) {
    self::spec(spec);
    fill(spec, "enableServiceLinks", true);
    fill(spec, "priority", 0);
    fill(spec, "preemptionPolicy", "PreemptLowerPriority");
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            request_limits(&mut container["resources"]);
        }
    }
    tolerate(spec);
}

fn fill(object: &mut Value, field: &str, value: impl Into<Value>) {
    if object[field].is_null() {
        object[field] = value.into();
    }
}

fn fields(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.as_object_mut()
}

fn spec(spec: &mut Value) {
    fill(spec, "restartPolicy", "Always");
    fill(spec, "dnsPolicy", "ClusterFirst");
    fill(spec, "schedulerName", "default-scheduler");
    fill(spec, "terminationGracePeriodSeconds", 30);
    fill(spec, "securityContext", json!({}));
    if spec["serviceAccountName"].is_string() {
        spec["serviceAccount"] = spec["serviceAccountName"].clone();
    }
    let is_on_host = spec["hostNetwork"] == true;
    for list in ["initContainers", "containers"] {
        for entry in spec[list].as_array_mut().into_iter().flatten() {
            container(entry, is_on_host);
        }
    }
    for volume in spec["volumes"].as_array_mut().into_iter().flatten() {
        self::volume(volume);
    }
    if let Some(fields) = fields(spec) {
        fields.retain(|_, field| !field.is_null());
    }
}

fn container(container: &mut Value, is_on_host: bool) {
    let image = container["image"].as_str().unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    let is_latest =
        !image.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    fill(container, "imagePullPolicy", if is_latest { "Always" } else { "IfNotPresent" });
    fill(container, "resources", json!({}));
    fill(container, "terminationMessagePath", "/dev/termination-log");
    fill(container, "terminationMessagePolicy", "File");
    for port in container["ports"].as_array_mut().into_iter().flatten() {
        fill(port, "protocol", "TCP");
        if is_on_host {
            let number = port["containerPort"].clone();
            fill(port, "hostPort", number);
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container[probe].is_object() {
            self::probe(&mut container[probe]);
        }
    }
    for hook in ["postStart", "preStop"] {
        if container["lifecycle"][hook].is_object() {
            http(&mut container["lifecycle"][hook]["httpGet"]);
        }
    }
    for variable in container["env"].as_array_mut().into_iter().flatten() {
        if variable["valueFrom"]["fieldRef"].is_object() {
            fill(&mut variable["valueFrom"]["fieldRef"], "apiVersion", "v1");
        }
        if variable["valueFrom"]["resourceFieldRef"].is_object() {
            fill(&mut variable["valueFrom"]["resourceFieldRef"], "divisor", "0");
        }
    }
    if let Some(fields) = fields(container) {
        fields.retain(|_, field| !field.is_null());
    }
}

fn probe(probe: &mut Value) {
    fill(probe, "timeoutSeconds", 1);
    fill(probe, "periodSeconds", 10);
    fill(probe, "successThreshold", 1);
    fill(probe, "failureThreshold", 3);
    http(&mut probe["httpGet"]);
    if probe["grpc"].is_object() {
        fill(&mut probe["grpc"], "service", "");
    }
    if let Some(fields) = fields(probe) {
        fields.retain(|_, field| !field.is_null());
    }
}

fn http(action: &mut Value) {
    if action.is_object() {
        fill(action, "path", "/");
        fill(action, "scheme", "HTTP");
    }
}

fn volume(volume: &mut Value) {
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if volume[source].is_object() {
            fill(&mut volume[source], "defaultMode", FILE_MODE);
        }
    }
    if volume["hostPath"].is_object() {
        fill(&mut volume["hostPath"], "type", "");
    }
    if let Some(sources) = volume.pointer_mut("/projected/sources").and_then(Value::as_array_mut) {
        for source in sources {
            if source["serviceAccountToken"].is_object() {
                fill(&mut source["serviceAccountToken"], "expirationSeconds", TOKEN_S);
            }
        }
    }
    let has_source = volume.as_object().is_some_and(|fields| {
        fields.iter().any(|(key, source)| key != "name" && !source.is_null())
    });
    if !has_source {
        volume["emptyDir"] = json!({});
    }
    if let Some(fields) = fields(volume) {
        fields.retain(|_, field| !field.is_null());
    }
}

/// Limits are requests where no request is stated.
fn request_limits(resources: &mut Value) {
    let Some(limits) = resources["limits"].as_object().cloned() else { return };
    for (resource, limit) in limits {
        fill(&mut resources["requests"], &resource, limit);
    }
}

fn tolerate(spec: &mut Value) {
    let mut tolerations = spec["tolerations"].as_array().cloned().unwrap_or_default();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let is_stated = tolerations.iter().any(|toleration| {
            let has = |field: &str, value: &str| {
                toleration[field].as_str().is_none_or(|stated| stated.is_empty() || stated == value)
            };
            has("key", key) && has("effect", "NoExecute")
        });
        if !is_stated {
            tolerations.push(json!({
                "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_S,
            }));
        }
    }
    spec["tolerations"] = Value::Array(tolerations);
}
