//! What an API server refuses: labels that are none, pods without an image, changes of what cannot change. Custom
//! resources are held to their schema in `schema.rs`.

use serde_json::{Map, Value};

use crate::lab::resources::Resource;
use crate::lab::status::{Cause, Status};
use crate::lab::store::check_name;

/// Checks labels and annotations.
///
/// # Errors
/// 422.
pub(super) fn metadata(resource: &Resource, object: &Value) -> Result<(), Status> {
    let causes = label_causes(object);
    if causes.is_empty() {
        Ok(())
    } else {
        Err(Status::invalid(
            &resource.group,
            &resource.kind,
            name(object),
            &causes,
        ))
    }
}

fn label_causes(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let map = |key: &str| {
        object
            .pointer(&format!("/metadata/{key}"))
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    };
    for (key, value) in map("labels") {
        if !qualified(key) {
            causes.push(Cause::invalid(
                "metadata.labels",
                &key.as_str().into(),
                "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                 alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                 '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            ));
        }
        let text = value.as_str().unwrap_or_default();
        if text.len() > 63 {
            causes.push(Cause::invalid(
                "metadata.labels",
                value,
                "must be no more than 63 bytes",
            ));
        } else if !text.is_empty() && !name_like(text) {
            causes.push(Cause::invalid(
                "metadata.labels",
                value,
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
                 start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used \
                 for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
            ));
        }
    }
    for (key, _) in map("annotations").filter(|(key, _)| !qualified(&key.to_lowercase())) {
        causes.push(Cause::invalid(
            "metadata.annotations",
            &key.as_str().into(),
            "name part must be a qualified name",
        ));
    }
    causes
}

pub(super) fn name(object: &Value) -> &str {
    object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn name_like(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(edge)
        && text.ends_with(edge)
        && text.chars().all(|c| edge(c) || "-_.".contains(c))
}

/// `prefix/name` with a DNS prefix, or `name`.
fn qualified(key: &str) -> bool {
    let dns = |text: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        !text.is_empty() && text.len() <= 253 && text.chars().all(inner)
    };
    match key.split_once('/') {
        Some((prefix, name)) => dns(prefix) && name.len() <= 63 && name_like(name),
        None => key.len() <= 63 && name_like(key),
    }
}

/// Checks a new object: its metadata, and of pods what no pod can be without.
///
/// # Errors
/// 422 with everything that is wrong.
pub(super) fn creation(resource: &Resource, object: &Value) -> Result<(), Status> {
    let mut causes = Vec::new();
    if let Some(name) = object.pointer("/metadata/name").and_then(Value::as_str) {
        causes.extend(check_name(resource, name));
    }
    causes.extend(label_causes(object));
    let pod = match (resource.group.as_ref(), resource.plural.as_ref()) {
        ("", "pods") => Some("spec"),
        ("apps", "deployments" | "statefulsets" | "replicasets") => Some("spec.template.spec"),
        _ => None,
    };
    if let Some(path) = pod {
        causes.extend(pod_causes(object, path));
    }
    if causes.is_empty() {
        Ok(())
    } else {
        Err(Status::invalid(
            &resource.group,
            &resource.kind,
            name(object),
            &causes,
        ))
    }
}

fn pod_causes(object: &Value, path: &str) -> Vec<Cause> {
    let spec = object.pointer(&format!("/{}", path.replace('.', "/")));
    let containers = spec
        .and_then(|spec| spec.get("containers"))
        .and_then(Value::as_array);
    let missing = containers.is_none_or(Vec::is_empty);
    let mut causes = Vec::new();
    if missing {
        causes.push(Cause::required(&format!("{path}.containers"), ""));
    }
    for (at, container) in containers.into_iter().flatten().enumerate() {
        for key in ["name", "image"] {
            if container
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .is_empty()
            {
                causes.push(Cause::required(
                    &format!("{path}.containers[{at}].{key}"),
                    "",
                ));
            }
        }
    }
    causes
}

/// Fields of a pod spec that may change while it lives.
const POD: &[&str] = &[
    "activeDeadlineSeconds",
    "tolerations",
    "terminationGracePeriodSeconds",
];

/// Fields of a StatefulSet spec that may change.
const STATEFUL_SET: &[&str] = &[
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

/// Checks that an update changes only what may change.
///
/// # Errors
/// 422.
pub(super) fn change(resource: &Resource, live: &Value, new: &Value) -> Result<(), Status> {
    let spec = |value: &Value| {
        value
            .get("spec")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    };
    let (mut was, mut is) = (spec(live), spec(new));
    let forbid = |field: &str, why: &str| {
        let cause = Cause {
            reason: "FieldValueForbidden",
            message: format!("Forbidden: {why}"),
            field: field.to_owned(),
        };
        Err(Status::invalid(
            &resource.group,
            &resource.kind,
            name(live),
            &[cause],
        ))
    };
    let immutable = |field: &str, value: Option<&Value>| {
        let cause = Cause::invalid(field, value.unwrap_or(&Value::Null), "field is immutable");
        Err(Status::invalid(
            &resource.group,
            &resource.kind,
            name(live),
            &[cause],
        ))
    };
    match (resource.group.as_ref(), resource.plural.as_ref()) {
        ("", "pods") => {
            for spec in [&mut was, &mut is] {
                drop_keys(spec, POD);
                drop_images(spec);
            }
            if was != is {
                return forbid(
                    "spec",
                    "pod updates may not change fields other than `spec.containers[*].image`,\
                     `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
                     existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                     previously negative)",
                );
            }
        }
        ("apps", "statefulsets") => {
            drop_keys(&mut was, STATEFUL_SET);
            drop_keys(&mut is, STATEFUL_SET);
            if was != is {
                return forbid(
                    "spec",
                    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                     'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                     'minReadySeconds' are forbidden",
                );
            }
        }
        ("apps", "deployments" | "replicasets") if was.get("selector") != is.get("selector") => {
            return immutable("spec.selector", is.get("selector"));
        }
        ("", "services")
            if was.get("clusterIP") != is.get("clusterIP") && was.get("clusterIP").is_some() =>
        {
            return immutable("spec.clusterIP", is.get("clusterIP"));
        }
        ("", "persistentvolumeclaims") => {
            for spec in [&mut was, &mut is] {
                drop_keys(spec, &["resources", "volumeAttributesClassName"]);
            }
            // The volume is bound once; after that nothing but the size may change.
            if was != is && was.contains_key("volumeName") {
                return forbid(
                    "spec",
                    "spec is immutable after creation except resources.requests and volumeAttributesClassName for \
                     bound claims",
                );
            }
        }
        ("", "secrets") if live.get("type") != new.get("type") => {
            return immutable("type", new.get("type"));
        }
        _ => (),
    }
    Ok(())
}

fn drop_keys(map: &mut Map<String, Value>, keys: &[&str]) {
    map.retain(|key, _| !keys.contains(&key.as_str()));
}

fn drop_images(spec: &mut Map<String, Value>) {
    for list in ["containers", "initContainers"] {
        for container in spec
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(map) = container.as_object_mut() {
                map.remove("image");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::lab::resources::built_in;

    #[test]
    fn what_cannot_change_is_refused() {
        let kinds = built_in();
        let check = |plural: &str, live: Value, new: Value| {
            let kind = kinds.iter().find(|kind| kind.plural == plural).unwrap();
            let wrap = |spec: Value| json!({"metadata": {"name": "x"}, "spec": spec});
            change(kind, &wrap(live), &wrap(new)).is_ok()
        };
        let container =
            |image: &str, name: &str| json!({"containers": [{"name": name, "image": image}]});
        assert!(check("pods", container("i:1", "c"), container("i:2", "c")));
        assert!(!check("pods", container("i:1", "c"), container("i:1", "d")));
        assert!(check(
            "statefulsets",
            json!({"replicas": 1, "serviceName": "s"}),
            json!({"replicas": 2, "serviceName": "s"})
        ));
        assert!(!check(
            "statefulsets",
            json!({"serviceName": "s"}),
            json!({"serviceName": "t"})
        ));
        assert!(!check(
            "deployments",
            json!({"selector": {"a": 1}}),
            json!({"selector": {"a": 2}})
        ));
    }

    #[test]
    fn labels_are_checked() {
        let kinds = built_in();
        let kind = kinds.iter().find(|kind| kind.plural == "pods").unwrap();
        let table = [
            ("app", "x", true),
            ("a.b/c", "x_y", true),
            ("app", "", true),
            ("app", "-x", false),
            ("app", "a b", false),
            ("-app", "x", false),
            ("A_b/c", "x", false),
        ];
        for (key, value, good) in table {
            let labels: Map<String, Value> = [(key.to_owned(), value.into())].into_iter().collect();
            assert_eq!(
                metadata(kind, &json!({"metadata": {"labels": labels}})).is_ok(),
                good,
                "{key}={value}"
            );
        }
    }
}
