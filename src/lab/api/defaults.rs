//! What an API server fills in when a client leaves it out, for the kinds people create by hand.

use serde_json::{Value, json};

use crate::lab::resources::Resource;
use crate::lab::store::map;

/// Fills a new object in.
pub(super) fn fill(resource: &Resource, object: &mut Value) {
    match (resource.group.as_ref(), resource.plural.as_ref()) {
        ("", "pods") => {
            if let Some(spec) = object.get_mut("spec") {
                pod_spec(spec);
            }
            map(object).insert(
                "status".into(),
                json!({ "phase": "Pending", "qosClass": "BestEffort" }),
            );
        }
        ("apps", "deployments") => {
            let spec = map(object).entry("spec").or_insert_with(|| json!({}));
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
            let spec = map(object).entry("spec").or_insert_with(|| json!({}));
            set(spec, "replicas", json!(1));
            set(spec, "revisionHistoryLimit", json!(10));
            set(spec, "podManagementPolicy", json!("OrderedReady"));
            set(
                spec,
                "updateStrategy",
                json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } }),
            );
            template(spec);
        }
        ("apps", "replicasets") => {
            let spec = map(object).entry("spec").or_insert_with(|| json!({}));
            set(spec, "replicas", json!(1));
            template(spec);
        }
        ("", "services") => service(map(object).entry("spec").or_insert_with(|| json!({}))),
        ("", "secrets") => {
            set(object, "type", json!("Opaque"));
            fold_string_data(object);
        }
        ("", "persistentvolumeclaims") => {
            let spec = map(object).entry("spec").or_insert_with(|| json!({}));
            set(spec, "volumeMode", json!("Filesystem"));
            map(object).insert("status".into(), json!({ "phase": "Pending" }));
        }
        _ => (),
    }
}

/// Carries over what a client may leave out of an update and the server keeps.
pub(super) fn keep(resource: &Resource, live: &Value, new: &mut Value) {
    if resource.id() == crate::lab::resources::SERVICES {
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
    if resource.id() == crate::lab::resources::SECRETS {
        fold_string_data(new);
    }
}

fn set(value: &mut Value, key: &str, default: Value) {
    let entry = map(value).entry(key).or_insert(Value::Null);
    if entry.is_null() {
        *entry = default;
    }
}

fn template(spec: &mut Value) {
    if let Some(pod) = spec.pointer_mut("/template/spec") {
        pod_spec(pod);
    }
}

fn pod_spec(spec: &mut Value) {
    set(spec, "restartPolicy", json!("Always"));
    set(spec, "dnsPolicy", json!("ClusterFirst"));
    set(spec, "schedulerName", json!("default-scheduler"));
    set(spec, "terminationGracePeriodSeconds", json!(30));
    set(spec, "securityContext", json!({}));
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
            set(
                container,
                "imagePullPolicy",
                json!(if latest { "Always" } else { "IfNotPresent" }),
            );
            set(container, "resources", json!({}));
            set(
                container,
                "terminationMessagePath",
                json!("/dev/termination-log"),
            );
            set(container, "terminationMessagePolicy", json!("File"));
            for port in container
                .get_mut("ports")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                set(port, "protocol", json!("TCP"));
            }
        }
    }
}

fn service(spec: &mut Value) {
    set(spec, "type", json!("ClusterIP"));
    set(spec, "sessionAffinity", json!("None"));
    set(spec, "internalTrafficPolicy", json!("Cluster"));
    for port in spec
        .get_mut("ports")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        set(port, "protocol", json!("TCP"));
        let number = port.get("port").cloned().unwrap_or(Value::Null);
        set(port, "targetPort", number);
    }
}

/// `stringData` is written for people; what is stored is base64 under `data`.
fn fold_string_data(object: &mut Value) {
    let Some(Value::Object(texts)) = map(object).remove("stringData") else {
        return;
    };
    let data = map(object).entry("data").or_insert_with(|| json!({}));
    for (key, text) in texts {
        let encoded = base64(text.as_str().unwrap_or_default().as_bytes());
        map(data).insert(key, encoded.into());
    }
}

/// Standard base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |six: u32| {
        ALPHABET
            .get((six & 63) as usize)
            .copied()
            .map_or('=', char::from)
    };
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| chunk.get(at).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        out.push(letter(bits >> 18));
        out.push(letter(bits >> 12));
        out.push(if chunk.len() > 1 {
            letter(bits >> 6)
        } else {
            '='
        });
        out.push(if chunk.len() > 2 { letter(bits) } else { '=' });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::resources::{DEPLOYMENTS, SECRETS, built_in};

    #[test]
    fn texts_become_base64() {
        let table = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ];
        for (text, encoded) in table {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }

    #[test]
    fn what_is_left_out_is_filled_in_and_what_is_there_stays() {
        let kinds = built_in();
        let kind = |id| kinds.iter().find(|kind| kind.id() == id);
        let mut deployment = json!({"spec": {"replicas": 0, "template": {"spec": {"containers": [
            {"name": "c", "image": "registry:5000/x", "ports": [{"containerPort": 1}]}]}}}});
        if let Some(resource) = kind(DEPLOYMENTS) {
            fill(resource, &mut deployment);
        }
        assert_eq!(deployment.pointer("/spec/replicas"), Some(&json!(0)));
        let container = deployment.pointer("/spec/template/spec/containers/0");
        assert_eq!(
            container.and_then(|c| c.get("imagePullPolicy")),
            Some(&json!("Always"))
        );
        assert_eq!(
            container.and_then(|c| c.pointer("/ports/0/protocol")),
            Some(&json!("TCP"))
        );
        let mut secret = json!({"stringData": {"password": "foo"}});
        if let Some(resource) = kind(SECRETS) {
            fill(resource, &mut secret);
        }
        assert_eq!(
            secret,
            json!({"type": "Opaque", "data": {"password": "Zm9v"}})
        );
    }
}
