//! What an API server fills in when an object leaves a field out: the objects a client reads carry these.

use serde_json::{Value, json};

use super::json::{items, list_at, set, text};

/// Fills in what a stored pod template carries beyond what was sent.
pub(in crate::lab) fn pod_spec(spec: &mut Value) {
    fill(
        spec,
        &json!({
            "dnsPolicy": "ClusterFirst",
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "terminationGracePeriodSeconds": 30,
        }),
    );
    for list in ["containers", "initContainers"] {
        if spec.get(list).is_none() {
            continue;
        }
        for container in list_at(spec, &[list]) {
            fill(
                container,
                &json!({
                    "imagePullPolicy": "IfNotPresent",
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                }),
            );
            if container.get("ports").is_some() {
                for port in list_at(container, &["ports"]) {
                    fill(port, &json!({"protocol": "TCP"}));
                }
            }
            for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
                if let Some(probe) = container.get_mut(probe) {
                    fill(
                        probe,
                        &json!({"failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1,
                            "timeoutSeconds": 1}),
                    );
                }
            }
        }
    }
}

/// Fills in a Service's fields apart from its addresses.
pub(in crate::lab) fn service_spec(spec: &mut Value) {
    fill(
        spec,
        &json!({
            "type": "ClusterIP",
            "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
        }),
    );
    for port in list_at(spec, &["ports"]) {
        let number = port.get("port").cloned().unwrap_or(Value::Null);
        fill(port, &json!({"protocol": "TCP", "targetPort": number}));
    }
}

/// Fills in what the admission of a pod adds to its spec: the service account and its token, priority and
/// tolerations. `token` names the projected volume.
pub(in crate::lab) fn admitted_pod_spec(spec: &mut Value, token: &str) {
    pod_spec(spec);
    if text(spec, "/serviceAccountName").is_empty() {
        set(spec, &["serviceAccountName"], "default".into());
    }
    let account = text(spec, "/serviceAccountName").to_owned();
    fill(
        spec,
        &json!({
            "serviceAccount": account,
            "enableServiceLinks": true,
            "preemptionPolicy": "PreemptLowerPriority",
            "priority": 0,
        }),
    );
    let tolerations = list_at(spec, &["tolerations"]);
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        if !tolerations.iter().any(|one| text(one, "/key") == key) {
            tolerations.push(
                json!({"effect": "NoExecute", "key": key, "operator": "Exists",
                "tolerationSeconds": 300}),
            );
        }
    }
    list_at(spec, &["volumes"]).push(json!({
        "name": token,
        "projected": {
            "defaultMode": 420,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt"}},
                {"downwardAPI": {"items": [{"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                    "path": "namespace"}]}},
            ],
        },
    }));
    for container in list_at(spec, &["containers"]) {
        list_at(container, &["volumeMounts"]).push(json!({
            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": token, "readOnly": true}));
    }
}

/// `Guaranteed`, `Burstable` or `BestEffort`, from the containers' requests and limits.
pub(in crate::lab) fn qos_class(spec: &Value) -> &'static str {
    let containers = items(spec, "/containers");
    let empty = |pointer: &str, container: &Value| {
        container
            .pointer(pointer)
            .and_then(Value::as_object)
            .is_none_or(serde_json::Map::is_empty)
    };
    if containers
        .iter()
        .all(|c| empty("/resources/requests", c) && empty("/resources/limits", c))
    {
        return "BestEffort";
    }
    let guaranteed = containers.iter().all(|container| {
        ["cpu", "memory"].iter().all(|resource| {
            let limit = text(container, &format!("/resources/limits/{resource}"));
            let request = text(container, &format!("/resources/requests/{resource}"));
            !limit.is_empty() && (request.is_empty() || request == limit)
        })
    });
    if guaranteed {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

fn fill(value: &mut Value, defaults: &Value) {
    let (Some(map), Some(defaults)) = (value.as_object_mut(), defaults.as_object()) else {
        return;
    };
    for (key, default) in defaults {
        let entry = map.entry(key).or_insert(Value::Null);
        if entry.is_null() {
            *entry = default.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn classes_follow_requests_and_limits() {
        let of = |resources: Value| qos_class(&json!({"containers": [{"resources": resources}]}));
        let both = json!({"cpu": "1", "memory": "1Gi"});
        assert_eq!(of(json!({})), "BestEffort");
        assert_eq!(of(json!({"limits": both, "requests": both})), "Guaranteed");
        assert_eq!(of(json!({"limits": both})), "Guaranteed");
        assert_eq!(of(json!({"requests": both})), "Burstable");
    }

    #[test]
    fn what_was_sent_is_kept() {
        let mut spec = json!({"dnsPolicy": "None", "containers": [
            {"name": "a", "imagePullPolicy": "Always", "ports": [{"containerPort": 1}]}]});
        pod_spec(&mut spec);
        assert_eq!(spec["dnsPolicy"], "None");
        assert_eq!(spec["restartPolicy"], "Always");
        assert_eq!(spec["containers"][0]["imagePullPolicy"], "Always");
        assert_eq!(spec["containers"][0]["ports"][0]["protocol"], "TCP");
    }
}
