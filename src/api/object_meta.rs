//! Checks of object metadata, with the texts of apimachinery 0.36 (`ValidateObjectMeta`, names being DNS-1035 labels).
//!
//! # Differs from the real thing
//! Owner references and managed fields are not checked: nobody writes them into a scenario. Labels are reported in the
//! order of their keys; Go's order is random.

use super::validation::FieldError;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Longest DNS label, and longest name part of a label key and label value (RFC 1123).
const LABEL_LENGTH_MAX: usize = 63;
/// Longest DNS subdomain (RFC 1123).
const SUBDOMAIN_LENGTH_MAX: usize = 253;
/// Most bytes that all annotations of an object may take (apimachinery `TotalAnnotationSizeLimitB`).
const ANNOTATIONS_SIZE_MAX: usize = 256 * 1024;

const DNS_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
    alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
    validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const DNS_1123_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and \
    must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const DNS_1123_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' \
    or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const NAME_PART: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
    and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
    validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// Adds what is wrong with the metadata of a namespaced object whose name must be a DNS-1035 label.
///
/// A missing namespace is not reported: the API server fills in the one of the request.
pub(super) fn check(meta: &ObjectMeta, errors: &mut Vec<FieldError>) {
    if let Some(generate_name) = meta.generate_name.as_deref().filter(|name| !name.is_empty()) {
        // A trailing dash is fine: something follows it.
        let masked = generate_name
            .strip_suffix('-')
            .map_or(generate_name.to_owned(), |stem| format!("{stem}a"));
        report("metadata.generateName", generate_name, dns_1035_problems(&masked), errors);
    }
    match meta.name.as_deref().unwrap_or_default() {
        "" => {
            errors.push(FieldError::required("metadata.name", "name or generateName is required"));
        }
        name => report("metadata.name", name, dns_1035_problems(name), errors),
    }
    if let Some(namespace) = meta.namespace.as_deref().filter(|namespace| !namespace.is_empty()) {
        let mut problems = too_long(namespace, LABEL_LENGTH_MAX, "characters");
        if !is_dns_1123_label(namespace) {
            problems.push(DNS_1123_LABEL.to_owned());
        }
        report("metadata.namespace", namespace, problems, errors);
    }
    for (key, value) in meta.labels.iter().flatten() {
        report("metadata.labels", key, qualified_name_problems(key, "label key"), errors);
        report("metadata.labels", value, label_value_problems(value), errors);
    }
    for key in meta.annotations.iter().flatten().map(|(key, _)| key) {
        report(
            "metadata.annotations",
            key,
            qualified_name_problems(&key.to_lowercase(), "label key"),
            errors,
        );
    }
    let size: usize =
        meta.annotations.iter().flatten().map(|(key, value)| key.len() + value.len()).sum();
    if size > ANNOTATIONS_SIZE_MAX {
        errors.push(FieldError::too_long("metadata.annotations", ANNOTATIONS_SIZE_MAX));
    }
    for finalizer in meta.finalizers.iter().flatten() {
        report(
            "metadata.finalizers",
            finalizer,
            qualified_name_problems(finalizer, "label key"),
            errors,
        );
    }
}

fn report(path: &str, value: &str, problems: Vec<String>, errors: &mut Vec<FieldError>) {
    errors.extend(problems.into_iter().map(|problem| FieldError::invalid(path, value, problem)));
}

fn too_long(text: &str, length_max: usize, unit: &str) -> Vec<String> {
    if text.len() > length_max {
        vec![format!("must be no more than {length_max} {unit}")]
    } else {
        Vec::new()
    }
}

fn dns_1035_problems(name: &str) -> Vec<String> {
    let mut problems = too_long(name, LABEL_LENGTH_MAX, "characters");
    if !is_dns_1123_label(name) || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        problems.push(DNS_1035.to_owned());
    }
    problems
}

fn is_dns_1123_label(text: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (Some(first), Some(last)) = (text.bytes().next(), text.bytes().last()) else {
        return false;
    };
    is_alphanumeric(first)
        && is_alphanumeric(last)
        && text.bytes().all(|byte| is_alphanumeric(byte) || byte == b'-')
}

fn is_name_part(text: &str) -> bool {
    let (Some(first), Some(last)) = (text.bytes().next(), text.bytes().last()) else {
        return false;
    };
    first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn label_value_problems(value: &str) -> Vec<String> {
    let mut problems = too_long(value, LABEL_LENGTH_MAX, "bytes");
    if !value.is_empty() && !is_name_part(value) {
        problems.push(LABEL_VALUE.to_owned());
    }
    problems
}

fn qualified_name_problems(key: &str, what: &str) -> Vec<String> {
    let parts: Vec<&str> = key.split('/').collect();
    let (prefix, name) = match parts[..] {
        [name] => (None, name),
        [prefix, name] => (Some(prefix), name),
        _ => {
            return vec![format!(
                "a valid {what} {NAME_PART} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    let mut problems = Vec::new();
    match prefix {
        Some("") => problems.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => {
            let long = too_long(prefix, SUBDOMAIN_LENGTH_MAX, "characters");
            problems.extend(long.into_iter().map(|problem| format!("prefix part {problem}")));
            if !prefix.split('.').all(is_dns_1123_label) {
                problems.push(format!("prefix part {DNS_1123_SUBDOMAIN}"));
            }
        }
        None => {}
    }
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    }
    problems.extend(
        too_long(name, LABEL_LENGTH_MAX, "bytes")
            .into_iter()
            .map(|problem| format!("name part {problem}")),
    );
    if !is_name_part(name) {
        problems.push(format!("name part {NAME_PART}"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    // Expected texts made with k8s.io/apimachinery v0.36.3.
    fn check_texts(meta: Value, expected: &[&str]) {
        let mut errors = Vec::new();
        check(&serde_json::from_value(meta).unwrap(), &mut errors);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_name_must_be_a_dns_1035_label() {
        check_texts(json!({"name": "a-1"}), &[]);
        check_texts(
            json!({}),
            &["metadata.name: Required value: name or generateName is required"],
        );
        let rule = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
        let long = format!("1{}", "a".repeat(63));
        check_texts(
            json!({"name": long}),
            &[
                &format!(
                    "metadata.name: Invalid value: \"{long}\": must be no more than 63 characters"
                ),
                &format!("metadata.name: Invalid value: \"{long}\": {rule}"),
            ],
        );
        for name in ["A", "a-", "-a", "a.b", "é", "a_b"] {
            check_texts(
                json!({"name": name}),
                &[&format!("metadata.name: Invalid value: \"{name}\": {rule}")],
            );
        }
        check_texts(
            json!({"name": "a", "generateName": "1a-"}),
            &[&format!("metadata.generateName: Invalid value: \"1a-\": {rule}")],
        );
    }

    #[test]
    fn labels_and_annotations_are_checked_as_the_api_server_does() {
        let name_part = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
        let label = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
        check_texts(
            json!({"name": "a", "labels": {"x y": "1"}}),
            &[&format!("metadata.labels: Invalid value: \"x y\": name part {name_part}")],
        );
        check_texts(
            json!({"name": "a", "labels": {"a/b": "c d"}}),
            &[&format!("metadata.labels: Invalid value: \"c d\": {label}")],
        );
        check_texts(
            json!({"name": "a", "labels": {"a/b/c": "1"}}),
            &[&format!(
                "metadata.labels: Invalid value: \"a/b/c\": a valid label key {name_part} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )],
        );
        check_texts(
            json!({"name": "a", "labels": {"x/": ""}}),
            &[
                "metadata.labels: Invalid value: \"x/\": name part must be non-empty",
                &format!("metadata.labels: Invalid value: \"x/\": name part {name_part}"),
            ],
        );
        check_texts(
            json!({"name": "a", "labels": {"/x": ""}}),
            &["metadata.labels: Invalid value: \"/x\": prefix part must be non-empty"],
        );
        check_texts(
            json!({"name": "a", "labels": {"k": "a".repeat(64)}}),
            &[&format!(
                "metadata.labels: Invalid value: \"{}\": must be no more than 63 bytes",
                "a".repeat(64)
            )],
        );
        check_texts(json!({"name": "a", "annotations": {"Abc/Def": "anything at all"}}), &[]);
        check_texts(
            json!({"name": "a", "annotations": {"x y": ""}}),
            &[&format!("metadata.annotations: Invalid value: \"x y\": name part {name_part}")],
        );
    }
}
