//! The columns that the server prints for each kind, as `kubectl get` shows them.
//!
//! Facts from `pkg/printers/internalversion/printers.go` of Kubernetes 1.32; custom resources print the columns of their
//! definition.

mod cells;
mod words;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::lab::resources::{Column, Resource};

/// Heading, type, format, priority (1 is shown only with `-o wide`).
type Head = (&'static str, &'static str, &'static str, i64);

const NAME: Head = ("Name", "string", "name", 0);
const AGE: Head = ("Age", "string", "", 0);

const fn text(name: &'static str) -> Head {
    (name, "string", "", 0)
}

const fn wide(name: &'static str) -> Head {
    (name, "string", "", 1)
}

const fn count(name: &'static str) -> Head {
    (name, "integer", "", 0)
}

fn heads(resource: &Resource) -> Vec<Head> {
    let made = ("Created At", "date", "", 0);
    match (resource.group.as_ref(), resource.plural.as_ref()) {
        ("", "pods") => vec![
            NAME,
            text("Ready"),
            text("Status"),
            text("Restarts"),
            AGE,
            wide("IP"),
            wide("Node"),
            wide("Nominated Node"),
            wide("Readiness Gates"),
        ],
        ("apps", "deployments") => vec![
            NAME,
            text("Ready"),
            text("Up-to-date"),
            text("Available"),
            AGE,
            wide("Containers"),
            wide("Images"),
            wide("Selector"),
        ],
        ("apps", "statefulsets") => {
            vec![NAME, text("Ready"), AGE, wide("Containers"), wide("Images")]
        }
        ("apps", "replicasets") => vec![
            NAME,
            count("Desired"),
            count("Current"),
            count("Ready"),
            AGE,
            wide("Containers"),
            wide("Images"),
            wide("Selector"),
        ],
        ("", "services") => vec![
            NAME,
            text("Type"),
            text("Cluster-IP"),
            text("External-IP"),
            text("Port(s)"),
            AGE,
            wide("Selector"),
        ],
        ("", "nodes") => vec![
            NAME,
            text("Status"),
            text("Roles"),
            AGE,
            text("Version"),
            wide("Internal-IP"),
            wide("External-IP"),
            wide("OS-Image"),
            wide("Kernel-Version"),
            wide("Container-Runtime"),
        ],
        ("", "namespaces") => vec![NAME, text("Status"), AGE],
        ("" | "events.k8s.io", "events") => vec![
            text("Last Seen"),
            text("Type"),
            text("Reason"),
            text("Object"),
            wide("Subobject"),
            wide("Source"),
            text("Message"),
            wide("First Seen"),
            ("Count", "string", "", 1),
            ("Name", "string", "name", 1),
        ],
        ("", "configmaps") => vec![NAME, text("Data"), AGE],
        ("", "secrets") => vec![NAME, text("Type"), text("Data"), AGE],
        ("", "serviceaccounts") => vec![NAME, text("Secrets"), AGE],
        ("", "persistentvolumeclaims") => vec![
            NAME,
            text("Status"),
            text("Volume"),
            text("Capacity"),
            text("Access Modes"),
            text("StorageClass"),
            text("VolumeAttributesClass"),
            AGE,
            wide("VolumeMode"),
        ],
        ("", "persistentvolumes") => vec![
            NAME,
            text("Capacity"),
            text("Access Modes"),
            text("Reclaim Policy"),
            text("Status"),
            text("Claim"),
            text("StorageClass"),
            text("VolumeAttributesClass"),
            text("Reason"),
            AGE,
            wide("VolumeMode"),
        ],
        ("policy", _) => vec![
            NAME,
            text("Min Available"),
            text("Max Unavailable"),
            count("Allowed Disruptions"),
            AGE,
        ],
        ("discovery.k8s.io", _) => vec![
            NAME,
            text("AddressType"),
            text("Ports"),
            text("Endpoints"),
            AGE,
        ],
        ("networking.k8s.io", _) => vec![NAME, text("Pod-Selector"), AGE],
        ("coordination.k8s.io", _) => vec![NAME, text("Holder"), AGE],
        ("storage.k8s.io", _) => vec![
            NAME,
            text("Provisioner"),
            text("ReclaimPolicy"),
            text("VolumeBindingMode"),
            text("AllowVolumeExpansion"),
            AGE,
        ],
        ("rbac.authorization.k8s.io", "roles" | "clusterroles") => vec![NAME, made],
        ("rbac.authorization.k8s.io", _) => {
            vec![
                NAME,
                text("Role"),
                AGE,
                wide("Users"),
                wide("Groups"),
                wide("ServiceAccounts"),
            ]
        }
        ("apiextensions.k8s.io", _) => vec![NAME, made],
        _ => vec![NAME, AGE],
    }
}

/// `columnDefinitions` of a kind.
pub(super) fn columns(resource: &Resource) -> Value {
    let column = |name: &str, r#type: &str, format: &str, description: &str, priority: i64| json!({ "name": name, "type": r#type, "format": format, "description": description, "priority": priority });
    let name = || {
        column(
            "Name",
            "string",
            "name",
            "Name must be unique within a namespace.",
            0,
        )
    };
    if resource.custom() {
        let own = printed(resource);
        let rest = own.iter().map(|own| {
            column(
                &own.name,
                &own.r#type,
                &own.format,
                &own.description,
                own.priority,
            )
        });
        return std::iter::once(name()).chain(rest).collect();
    }
    heads(resource)
        .into_iter()
        .map(|(head, r#type, format, priority)| column(head, r#type, format, "", priority))
        .collect()
}

/// The cells of one object, one for each of [`columns`].
pub(super) fn cells(resource: &Resource, object: &Value, now: Timestamp) -> Vec<Value> {
    if resource.custom() {
        let name = object
            .pointer("/metadata/name")
            .cloned()
            .unwrap_or(Value::Null);
        let rest = printed(resource)
            .into_iter()
            .map(|column| custom(object, &column, now));
        return std::iter::once(name).chain(rest).collect();
    }
    cells::of(resource, object, now)
}

/// The columns of a custom resource; a definition without any prints the age.
fn printed(resource: &Resource) -> Vec<Column> {
    if !resource.columns.is_empty() {
        return resource.columns.clone();
    }
    vec![Column {
        name: "Age".into(),
        r#type: "date".into(),
        format: String::new(),
        description: "CreationTimestamp is a timestamp representing the server time when this object was created."
            .into(),
        priority: 0,
        json_path: ".metadata.creationTimestamp".into(),
    }]
}

fn custom(object: &Value, column: &Column, now: Timestamp) -> Value {
    let Some(value) = walk(object, &column.json_path) else {
        return Value::Null;
    };
    match (column.r#type.as_str(), value) {
        ("date", Value::String(at)) => words::since(at, now).into(),
        ("integer" | "number", value) if value.is_number() => value.clone(),
        ("boolean", value) if value.is_boolean() => value.clone(),
        ("string", Value::String(text)) => text.clone().into(),
        ("string", value) => value.to_string().into(),
        _ => Value::Null,
    }
}

/// A plain JSON path: `.status.phase`, `.status.conditions[0].type`, `.status.conditions[?(@.type=="Ready")].status`.
fn walk<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    let mut at = object;
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (inside, after) = after.split_once(']')?;
            let list = at.as_array()?;
            at = if let Some(test) = inside
                .strip_prefix("?(@.")
                .and_then(|test| test.strip_suffix(')'))
            {
                let (key, value) = test.split_once("==")?;
                let value = value.trim().trim_matches(|c| c == '"' || c == '\'');
                list.iter()
                    .find(|item| item.get(key.trim()).and_then(Value::as_str) == Some(value))?
            } else {
                list.get(inside.parse::<usize>().ok()?)?
            };
            rest = after;
            continue;
        }
        let after = rest.strip_prefix('.').unwrap_or(rest);
        // A backslash keeps a dot inside a key, as in `.metadata.annotations.a\.b/c`.
        let mut end = 0;
        let mut escaped = false;
        let mut key = String::new();
        for c in after.chars() {
            if !escaped && (c == '.' || c == '[') {
                break;
            }
            end += c.len_utf8();
            if c == '\\' && !escaped {
                escaped = true;
                continue;
            }
            escaped = false;
            key.push(c);
        }
        if key.is_empty() {
            return None;
        }
        at = at.get(&key)?;
        rest = after.get(end..)?;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::lab::resources::built_in;

    fn row(plural: &str, object: &Value) -> Vec<String> {
        let kinds = built_in();
        let resource = kinds
            .iter()
            .find(|resource| resource.plural == plural)
            .unwrap();
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let cells = cells(resource, object, now);
        assert_eq!(cells.len(), heads(resource).len(), "{plural}");
        cells
            .iter()
            .map(|cell| {
                cell.as_str()
                    .map_or_else(|| cell.to_string(), str::to_owned)
            })
            .collect()
    }

    #[test]
    fn every_kind_fills_its_columns_even_when_the_object_is_empty() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        for resource in built_in().iter().filter(|resource| !resource.create_only) {
            for object in [
                json!({}),
                json!({"metadata": {"name": 5}, "spec": [], "status": "x"}),
            ] {
                assert_eq!(
                    cells(resource, &object, now).len(),
                    heads(resource).len(),
                    "{}",
                    resource.plural
                );
            }
        }
    }

    #[test]
    fn pods_read_as_kubectl_prints_them() {
        let pod = |status: Value| {
            json!({"metadata": {"name": "p", "creationTimestamp": "2026-11-21T11:55:00Z"},
                "spec": {"nodeName": "n1", "containers": [{"name": "a"}, {"name": "b"}]}, "status": status})
        };
        let running = |name: &str, ready: bool, restarts: u64| json!({"name": name, "ready": ready, "restartCount": restarts, "state": {"running": {}}});
        let table = [
            (
                pod(
                    json!({"phase": "Running", "podIP": "10.0.0.5", "containerStatuses": [running("a", true, 0), running("b", true, 0)]}),
                ),
                ["2/2", "Running", "0", "5m"],
            ),
            (
                pod(json!({"phase": "Pending"})),
                ["0/2", "Pending", "0", "5m"],
            ),
            (
                pod(
                    json!({"phase": "Running", "containerStatuses": [running("a", true, 1),
                {"name": "b", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                 "lastState": {"terminated": {"finishedAt": "2026-11-21T11:59:00Z"}}}]}),
                ),
                ["1/2", "CrashLoopBackOff", "4 (60s ago)", "5m"],
            ),
            (
                pod(json!({"phase": "Failed", "reason": "Evicted"})),
                ["0/2", "Evicted", "0", "5m"],
            ),
            (
                pod(json!({"phase": "Succeeded", "containerStatuses": [
                {"name": "a", "restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]})),
                ["0/2", "Completed", "0", "5m"],
            ),
            (
                pod(
                    json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]}),
                ),
                ["0/2", "SchedulingGated", "0", "5m"],
            ),
        ];
        for (pod, expected) in table {
            assert_eq!(row("pods", &pod)[1..5], expected, "{pod}");
        }
        let mut going =
            pod(json!({"phase": "Running", "containerStatuses": [running("a", true, 0)]}));
        going["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:20Z".into();
        assert_eq!(row("pods", &going)[2], "Terminating");
    }

    #[test]
    fn other_kinds_read_as_kubectl_prints_them() {
        let at = "2026-11-19T12:00:00Z";
        let table = [
            (
                "services",
                json!({"metadata": {"name": "s", "creationTimestamp": at}, "spec": {"type": "ClusterIP",
                "clusterIP": "None", "ports": [{"port": 6379, "protocol": "TCP"}, {"port": 9999}], "selector": {"app": "df"}}}),
                vec![
                    "s",
                    "ClusterIP",
                    "None",
                    "<none>",
                    "6379/TCP,9999/TCP",
                    "2d",
                    "app=df",
                ],
            ),
            (
                "statefulsets",
                json!({"metadata": {"name": "x", "creationTimestamp": at}, "spec": {"replicas": 3,
                "template": {"spec": {"containers": [{"name": "c", "image": "i:1"}]}}}, "status": {"readyReplicas": 2}}),
                vec!["x", "2/3", "2d", "c", "i:1"],
            ),
            (
                "nodes",
                json!({"metadata": {"name": "n", "creationTimestamp": at, "labels": {"node-role.kubernetes.io/control-plane": ""}},
                "spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "True"}],
                "nodeInfo": {"kubeletVersion": "v1.32.4", "osImage": "Talos", "kernelVersion": "6", "containerRuntimeVersion": "containerd://2"},
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}}),
                vec![
                    "n",
                    "Ready,SchedulingDisabled",
                    "control-plane",
                    "2d",
                    "v1.32.4",
                    "10.0.0.1",
                    "<none>",
                    "Talos",
                    "6",
                    "containerd://2",
                ],
            ),
            (
                "poddisruptionbudgets",
                json!({"metadata": {"name": "b", "creationTimestamp": at},
                "spec": {"maxUnavailable": 1}, "status": {"disruptionsAllowed": 0}}),
                vec!["b", "N/A", "1", "0", "2d"],
            ),
            (
                "persistentvolumeclaims",
                json!({"metadata": {"name": "c", "creationTimestamp": at},
                "spec": {"volumeName": "v", "storageClassName": "fast", "volumeMode": "Filesystem"},
                "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}}),
                vec![
                    "c",
                    "Bound",
                    "v",
                    "1Gi",
                    "RWO",
                    "fast",
                    "<unset>",
                    "2d",
                    "Filesystem",
                ],
            ),
            (
                "endpointslices",
                json!({"metadata": {"name": "e", "creationTimestamp": at}, "addressType": "IPv4",
                "ports": [{"port": 6379}], "endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"]}]}),
                vec!["e", "IPv4", "6379", "10.0.0.1,10.0.0.2", "2d"],
            ),
            (
                "leases",
                json!({"metadata": {"name": "l", "creationTimestamp": at}, "spec": {"holderIdentity": "h"}}),
                vec!["l", "h", "2d"],
            ),
        ];
        for (plural, object, expected) in table {
            assert_eq!(row(plural, &object), expected);
        }
        let event = json!({"metadata": {"name": "e"}, "type": "Normal", "reason": "Killing", "message": "Stopping container",
            "involvedObject": {"kind": "Pod", "name": "p"}, "lastTimestamp": "2026-11-21T11:59:30Z", "count": 3,
            "firstTimestamp": "2026-11-21T11:00:00Z", "source": {"component": "kubelet", "host": "n1"}});
        assert_eq!(
            row("events", &event),
            [
                "30s",
                "Normal",
                "Killing",
                "pod/p",
                "",
                "kubelet, n1",
                "Stopping container",
                "60m",
                "3",
                "e"
            ]
        );
    }

    #[test]
    fn custom_columns_follow_their_paths() {
        let object = json!({"metadata": {"annotations": {"a.b/c": "x"}}, "spec": {"replicas": 3}, "status": {"phase": "Ready",
            "conditions": [{"type": "A", "status": "True"}, {"type": "B", "status": "False"}]}});
        let table = [
            (".status.phase", Some(json!("Ready"))),
            (".spec.replicas", Some(json!(3))),
            (
                ".status.conditions[?(@.type==\"B\")].status",
                Some(json!("False")),
            ),
            (".status.conditions[0].type", Some(json!("A"))),
            (".metadata.annotations.a\\.b/c", Some(json!("x"))),
            (".status.none", None),
            (".status.conditions[9].type", None),
        ];
        for (path, expected) in table {
            assert_eq!(walk(&object, path).cloned(), expected, "{path}");
        }
    }
}
