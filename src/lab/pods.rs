//! Pods as objects: made from a template, and what others ask of them.

use serde_json::{Value, json};

use super::defaults;
use super::json::{extend, items, set, text};
use super::seed::Seed;

/// A new pod from a workload's template, as the API server stores it before a scheduler has seen it.
pub(in crate::lab) fn from_template(
    template: &Value,
    namespace: &str,
    name: &str,
    labels: &Value,
    owner: Value,
    seed: Seed,
) -> Value {
    let mut spec = template.get("spec").cloned().unwrap_or_else(|| json!({}));
    let token = seed.suffix(5, &["token", namespace, name]);
    defaults::admitted_pod_spec(&mut spec, &format!("kube-api-access-{token}"));
    let mut meta = json!({"name": name, "namespace": namespace, "ownerReferences": owner});
    for kind in ["labels", "annotations"] {
        if let Some(more) = template.pointer(&format!("/metadata/{kind}")) {
            extend(&mut meta, &[kind], more);
        }
    }
    extend(&mut meta, &["labels"], labels);
    let qos = defaults::qos_class(&spec);
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec,
        "status": {"phase": "Pending", "qosClass": qos},
    })
}

/// Whether a condition of the pod is `True`.
pub(in crate::lab) fn condition(pod: &Value, kind: &str) -> bool {
    items(pod, "/status/conditions")
        .iter()
        .any(|one| text(one, "/type") == kind && text(one, "/status") == "True")
}

/// Running and Ready, whether or not it is being deleted.
pub(in crate::lab) fn ready(pod: &Value) -> bool {
    text(pod, "/status/phase") == "Running" && condition(pod, "Ready")
}

/// Whether a deletion was asked for.
pub(in crate::lab) fn deleting(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_some()
}

/// The status of a container.
pub(in crate::lab) fn container_status<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    items(pod, "/status/containerStatuses")
        .iter()
        .find(|one| text(one, "/name") == name)
}

/// The selector of a Service or workload, as pairs; `None` when it selects nothing.
pub(in crate::lab) fn selector<'a>(
    object: &'a Value,
    pointer: &str,
) -> Option<Vec<(&'a str, &'a str)>> {
    let pairs: Vec<_> = super::json::pairs(object, pointer).collect();
    (!pairs.is_empty()).then_some(pairs)
}

/// Sets or replaces a condition, keeping its transition time while its status stays.
pub(in crate::lab) fn set_condition(status: &mut Value, mut condition: Value, now: &str) {
    let kind = text(&condition, "/type").to_owned();
    let list = super::json::list_at(status, &["conditions"]);
    let old = list.iter().position(|one| text(one, "/type") == kind);
    let since = old
        .and_then(|at| list.get(at))
        .filter(|old| text(old, "/status") == text(&condition, "/status"))
        .map(|old| text(old, "/lastTransitionTime").to_owned())
        .filter(|since| !since.is_empty())
        .unwrap_or_else(|| now.to_owned());
    set(&mut condition, &["lastTransitionTime"], since.into());
    match old.and_then(|at| list.get_mut(at)) {
        Some(place) => *place = condition,
        None => list.push(condition),
    }
}
