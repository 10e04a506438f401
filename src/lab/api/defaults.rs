//! What an API server fills in when a client leaves it out, for the kinds people create by hand.

use serde_json::{Value, json};

use crate::lab::base64;
use crate::lab::defaults;
use crate::lab::resources::{EVENTS, Resource, SECRETS, SERVICES};
use crate::lab::store::map;

/// Fills a new object in.
pub(super) fn fill(resource: &Resource, object: &mut Value, namespace: &str) {
    match (resource.group.as_ref(), resource.plural.as_ref()) {
        ("", "pods") => pod(object),
        ("apps", "deployments") => {
            let spec = spec(object);
            set(spec, "replicas", json!(1));
            set(spec, "revisionHistoryLimit", json!(10));
            set(spec, "progressDeadlineSeconds", json!(600));
            set(
                spec,
                "strategy",
                json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" } }),
            );
            template(spec);
        }
        ("apps", "statefulsets") => {
            let spec = spec(object);
            set(spec, "replicas", json!(1));
            set(spec, "revisionHistoryLimit", json!(10));
            set(spec, "podManagementPolicy", json!("OrderedReady"));
            set(
                spec,
                "updateStrategy",
                json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } }),
            );
            let kept = json!({ "whenDeleted": "Retain", "whenScaled": "Retain" });
            set(spec, "persistentVolumeClaimRetentionPolicy", kept);
            template(spec);
        }
        ("apps", "replicasets") => {
            let spec = spec(object);
            set(spec, "replicas", json!(1));
            template(spec);
        }
        ("", "services") => {
            let name = object
                .pointer("/metadata/name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            let spec = spec(object);
            defaults::service_spec(spec);
            address(spec, &format!("{namespace}/{name}"));
        }
        ("", "secrets") => {
            set(object, "type", json!("Opaque"));
            fold_string_data(object);
        }
        ("", "persistentvolumeclaims") => {
            set(spec(object), "volumeMode", json!("Filesystem"));
            map(object).insert("status".into(), json!({ "phase": "Pending" }));
        }
        ("" | "events.k8s.io", "events") => {
            let map = map(object);
            map.entry("eventTime").or_insert(Value::Null);
            for key in ["reportingComponent", "reportingInstance"] {
                map.entry(key).or_insert_with(|| "".into());
            }
        }
        _ => (),
    }
}

/// Carries over what a client may leave out of an update and the server keeps.
pub(super) fn keep(resource: &Resource, live: &Value, new: &mut Value) {
    if resource.id() == SERVICES {
        for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            let missing = new
                .pointer(&format!("/spec/{key}"))
                .is_none_or(|value| value == "" || value.is_null());
            if let (true, Some(was), Some(spec)) = (
                missing,
                live.pointer(&format!("/spec/{key}")),
                new.get_mut("spec"),
            ) {
                map(spec).insert(key.into(), was.clone());
            }
        }
    }
    if resource.id() == SECRETS {
        fold_string_data(new);
    }
    if resource.stored_as == Some(EVENTS) || resource.id() == EVENTS {
        map(new).entry("eventTime").or_insert(Value::Null);
    }
}

fn spec(object: &mut Value) -> &mut Value {
    map(object).entry("spec").or_insert_with(|| json!({}))
}

fn set(value: &mut Value, key: &str, default: Value) {
    let entry = map(value).entry(key).or_insert(Value::Null);
    if entry.is_null() {
        *entry = default;
    }
}

fn pod(object: &mut Value) {
    let spec = spec(object);
    pod_spec(spec);
    set(spec, "enableServiceLinks", json!(true));
    set(spec, "preemptionPolicy", json!("PreemptLowerPriority"));
    set(spec, "priority", json!(0));
    // Admission lets a pod survive a short absence of its node.
    let tolerations = map(spec).entry("tolerations").or_insert_with(|| json!([]));
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        if let Some(list) = tolerations.as_array_mut()
            && !list
                .iter()
                .any(|one| one.get("key").and_then(Value::as_str) == Some(key))
        {
            list.push(json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 }));
        }
    }
    let class = defaults::qos_class(spec);
    map(object).insert(
        "status".into(),
        json!({ "phase": "Pending", "qosClass": class }),
    );
}

fn template(spec: &mut Value) {
    if let Some(pod) = spec.pointer_mut("/template/spec") {
        pod_spec(pod);
    }
}

fn pod_spec(spec: &mut Value) {
    // An image without a version, or with the moving one, is pulled every time.
    for list in ["containers", "initContainers"] {
        for container in spec
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let latest = container
                .get("image")
                .and_then(Value::as_str)
                .is_some_and(|image| {
                    let name = image.rsplit('/').next().unwrap_or_default();
                    !image.contains('@') && (!name.contains(':') || name.ends_with(":latest"))
                });
            if latest {
                set(container, "imagePullPolicy", json!("Always"));
            }
        }
    }
    defaults::pod_spec(spec);
}

/// Gives a Service an address out of 10.96.0.0/16, always the same one for the same name.
fn address(spec: &mut Value, name: &str) {
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default();
    let has = spec
        .get("clusterIP")
        .and_then(Value::as_str)
        .is_some_and(|address| !address.is_empty());
    if kind != "ExternalName" && !has {
        let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        let address = format!("10.96.{}.{}", 1 + (hash >> 8) % 254, 1 + hash % 254);
        map(spec).insert("clusterIP".into(), address.into());
    }
    if let Some(address) = spec.get("clusterIP").cloned() {
        set(spec, "clusterIPs", json!([address]));
    }
}

/// `stringData` is written for people; what is stored is base64 under `data`.
fn fold_string_data(object: &mut Value) {
    let Some(Value::Object(texts)) = map(object).remove("stringData") else {
        return;
    };
    let data = map(object).entry("data").or_insert_with(|| json!({}));
    for (key, text) in texts {
        let encoded = base64::encode(text.as_str().unwrap_or_default().as_bytes());
        map(data).insert(key, encoded.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::resources::{DEPLOYMENTS, PODS, built_in};

    fn filled(what: crate::lab::resources::GroupResource<'_>, mut object: Value) -> Value {
        for resource in built_in().iter().filter(|resource| resource.id() == what) {
            fill(resource, &mut object, "ns");
        }
        object
    }

    #[test]
    fn what_is_left_out_is_filled_in_and_what_is_there_stays() {
        let containers =
            json!([{"name": "c", "image": "registry:5000/x", "ports": [{"containerPort": 1}]}]);
        let deployment =
            json!({"spec": {"replicas": 0, "template": {"spec": {"containers": containers}}}});
        let deployment = filled(DEPLOYMENTS, deployment);
        assert_eq!(deployment.pointer("/spec/replicas"), Some(&json!(0)));
        let container = |pointer: &str| {
            deployment.pointer(&format!("/spec/template/spec/containers/0/{pointer}"))
        };
        assert_eq!(container("imagePullPolicy"), Some(&json!("Always")));
        assert_eq!(container("ports/0/protocol"), Some(&json!("TCP")));
        let pod = filled(
            PODS,
            json!({"spec": {"priority": 5, "containers": [{"name": "c", "image": "i:1"}]}}),
        );
        assert_eq!(pod.pointer("/spec/priority"), Some(&json!(5)));
        assert_eq!(
            pod.pointer("/spec/containers/0/imagePullPolicy"),
            Some(&json!("IfNotPresent"))
        );
        assert_eq!(
            pod.pointer("/spec/tolerations/1/key"),
            Some(&json!("node.kubernetes.io/unreachable"))
        );
        assert_eq!(
            pod.pointer("/status"),
            Some(&json!({"phase": "Pending", "qosClass": "BestEffort"}))
        );
    }

    #[test]
    fn services_get_addresses_and_secrets_are_encoded() {
        let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 1}]}});
        let first = filled(SERVICES, service.clone());
        assert_eq!(first, filled(SERVICES, service));
        assert!(
            first
                .pointer("/spec/clusterIP")
                .and_then(Value::as_str)
                .is_some_and(|ip| ip.starts_with("10.96."))
        );
        let headless = filled(SERVICES, json!({"spec": {"clusterIP": "None"}}));
        assert_eq!(headless.pointer("/spec/clusterIPs/0"), Some(&json!("None")));
        let secret = filled(SECRETS, json!({"stringData": {"password": "foo"}}));
        assert_eq!(
            secret,
            json!({"type": "Opaque", "data": {"password": "Zm9v"}})
        );
    }
}
