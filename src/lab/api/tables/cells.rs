//! The cells of the built-in kinds.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::words::{NONE, UNKNOWN, access_modes, or_none, pairs, selector, since, three};
use crate::lab::resources::Resource;

/// One object, with short ways to its parts.
struct Row<'v> {
    object: &'v Value,
    now: Timestamp,
}

/// The cells of one object, in the order of the kind's columns.
pub(super) fn of(resource: &Resource, object: &Value, now: Timestamp) -> Vec<Value> {
    let row = Row { object, now };
    match (resource.group.as_ref(), resource.plural.as_ref()) {
        ("", "pods") => row.pod(),
        ("apps", "deployments") => row.deployment(),
        ("apps", "statefulsets") => row.stateful_set(),
        ("apps", "replicasets") => row.replica_set(),
        ("", "services") => row.service(),
        ("", "nodes") => row.node(),
        ("", "namespaces") => vec![row.name(), row.text("/status/phase").into(), row.age()],
        ("" | "events.k8s.io", "events") => row.event(),
        ("", "configmaps") => {
            let count = row.size("/data") + row.size("/binaryData");
            vec![row.name(), count.to_string().into(), row.age()]
        }
        ("", "secrets") => {
            vec![
                row.name(),
                row.text("/type").into(),
                row.size("/data").to_string().into(),
                row.age(),
            ]
        }
        ("", "serviceaccounts") => vec![
            row.name(),
            row.size("/secrets").to_string().into(),
            row.age(),
        ],
        ("", "persistentvolumeclaims") => row.claim(),
        ("", "persistentvolumes") => row.volume(),
        ("policy", _) => vec![
            row.name(),
            row.plain("/spec/minAvailable", "N/A").into(),
            row.plain("/spec/maxUnavailable", "N/A").into(),
            row.number("/status/disruptionsAllowed").into(),
            row.age(),
        ],
        ("discovery.k8s.io", _) => row.slice(),
        ("networking.k8s.io", _) => {
            vec![
                row.name(),
                selector(object.pointer("/spec/podSelector")).into(),
                row.age(),
            ]
        }
        ("coordination.k8s.io", _) => vec![
            row.name(),
            row.text("/spec/holderIdentity").into(),
            row.age(),
        ],
        ("storage.k8s.io", _) => row.storage_class(),
        ("rbac.authorization.k8s.io", "roles" | "clusterroles") | ("apiextensions.k8s.io", _) => {
            vec![row.name(), row.text("/metadata/creationTimestamp").into()]
        }
        ("rbac.authorization.k8s.io", _) => row.binding(),
        _ => vec![row.name(), row.age()],
    }
}

impl Row<'_> {
    fn text(&self, pointer: &str) -> String {
        self.object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    fn number(&self, pointer: &str) -> i64 {
        self.object
            .pointer(pointer)
            .and_then(Value::as_i64)
            .unwrap_or(0)
    }

    /// A number or text as it is written, or something else.
    fn plain(&self, pointer: &str, missing: &str) -> String {
        match self.object.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => missing.to_owned(),
            Some(other) => other.to_string(),
        }
    }

    fn list(&self, pointer: &str) -> impl Iterator<Item = &Value> {
        self.object
            .pointer(pointer)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    }

    fn size(&self, pointer: &str) -> usize {
        match self.object.pointer(pointer) {
            Some(Value::Object(map)) => map.len(),
            Some(Value::Array(list)) => list.len(),
            _ => 0,
        }
    }

    fn name(&self) -> Value {
        self.text("/metadata/name").into()
    }

    fn age(&self) -> Value {
        since(&self.text("/metadata/creationTimestamp"), self.now).into()
    }

    fn condition(&self, wanted: &str) -> Option<&Value> {
        self.list("/status/conditions")
            .find(|one| of_text(one, "type") == wanted)
    }

    /// Names and images of the containers under a pod spec.
    fn containers(&self, spec: &str) -> [Value; 2] {
        let each = |key: &str| {
            let all: Vec<&str> = self
                .list(&format!("{spec}/containers"))
                .map(|one| of_text(one, key))
                .collect();
            Value::from(all.join(","))
        };
        [each("name"), each("image")]
    }

    fn pod(&self) -> Vec<Value> {
        let statuses: Vec<&Value> = self.list("/status/containerStatuses").collect();
        let ready = statuses.iter().filter(|one| {
            one.get("ready") == Some(&json!(true)) && one.pointer("/state/running").is_some()
        });
        let total = self.size("/spec/containers");
        let gates = self.list("/spec/readinessGates").count();
        let passed = self
            .list("/spec/readinessGates")
            .filter(|gate| {
                self.condition(of_text(gate, "conditionType"))
                    .is_some_and(|one| of_text(one, "status") == "True")
            })
            .count();
        vec![
            self.name(),
            format!("{}/{total}", ready.count()).into(),
            self.pod_status().into(),
            self.pod_restarts(&statuses).into(),
            self.age(),
            or_none(self.text("/status/podIP")).into(),
            or_none(self.text("/spec/nodeName")).into(),
            or_none(self.text("/status/nominatedNodeName")).into(),
            if gates == 0 {
                NONE.into()
            } else {
                format!("{passed}/{gates}").into()
            },
        ]
    }

    fn pod_status(&self) -> String {
        let mut reason = self.text("/status/phase");
        let own = self.text("/status/reason");
        if !own.is_empty() {
            reason.clone_from(&own);
        }
        if self
            .condition("PodScheduled")
            .is_some_and(|one| of_text(one, "reason") == "SchedulingGated")
        {
            reason = "SchedulingGated".into();
        }
        let count = self.size("/spec/initContainers");
        let mut starting = false;
        for (at, one) in self.list("/status/initContainerStatuses").enumerate() {
            let ended = one.pointer("/state/terminated");
            if ended.is_some_and(|ended| ended.get("exitCode") == Some(&json!(0))) {
                continue;
            }
            starting = true;
            reason = match (
                ended,
                one.pointer("/state/waiting/reason").and_then(Value::as_str),
            ) {
                (Some(ended), _) => format!("Init:{}", how_ended(ended)),
                (None, Some(why)) if !why.is_empty() && why != "PodInitializing" => {
                    format!("Init:{why}")
                }
                _ => format!("Init:{at}/{count}"),
            };
            break;
        }
        if !starting {
            let mut runs = false;
            let statuses: Vec<&Value> = self.list("/status/containerStatuses").collect();
            for one in statuses.iter().rev() {
                let waiting = one
                    .pointer("/state/waiting/reason")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                if !waiting.is_empty() {
                    reason = waiting.to_owned();
                } else if let Some(ended) = one.pointer("/state/terminated") {
                    reason = how_ended(ended);
                } else if one.get("ready") == Some(&json!(true))
                    && one.pointer("/state/running").is_some()
                {
                    runs = true;
                }
            }
            if reason == "Completed" && runs {
                let ready = self
                    .condition("Ready")
                    .is_some_and(|one| of_text(one, "status") == "True");
                reason = if ready {
                    "Running".into()
                } else {
                    "NotReady".into()
                };
            }
        }
        if self.object.pointer("/metadata/deletionTimestamp").is_some() {
            reason = match (own.as_str(), reason.as_str()) {
                ("NodeLost", _) => "Unknown".into(),
                (_, "Succeeded" | "Failed" | "Completed" | "Error") => reason,
                _ => "Terminating".into(),
            };
        }
        reason
    }

    fn pod_restarts(&self, statuses: &[&Value]) -> String {
        let count: i64 = statuses
            .iter()
            .filter_map(|one| one.get("restartCount").and_then(Value::as_i64))
            .sum();
        let last = statuses
            .iter()
            .filter_map(|one| {
                one.pointer("/lastState/terminated/finishedAt")
                    .and_then(Value::as_str)
            })
            .max();
        match last {
            Some(last) if count > 0 => format!("{count} ({} ago)", since(last, self.now)),
            _ => count.to_string(),
        }
    }

    fn deployment(&self) -> Vec<Value> {
        let [names, images] = self.containers("/spec/template/spec");
        vec![
            self.name(),
            format!(
                "{}/{}",
                self.number("/status/readyReplicas"),
                self.number("/spec/replicas")
            )
            .into(),
            self.number("/status/updatedReplicas").into(),
            self.number("/status/availableReplicas").into(),
            self.age(),
            names,
            images,
            selector(self.object.pointer("/spec/selector")).into(),
        ]
    }

    fn stateful_set(&self) -> Vec<Value> {
        let [names, images] = self.containers("/spec/template/spec");
        let ready = format!(
            "{}/{}",
            self.number("/status/readyReplicas"),
            self.number("/spec/replicas")
        );
        vec![self.name(), ready.into(), self.age(), names, images]
    }

    fn replica_set(&self) -> Vec<Value> {
        let [names, images] = self.containers("/spec/template/spec");
        vec![
            self.name(),
            self.number("/spec/replicas").into(),
            self.number("/status/replicas").into(),
            self.number("/status/readyReplicas").into(),
            self.age(),
            names,
            images,
            selector(self.object.pointer("/spec/selector")).into(),
        ]
    }

    fn service(&self) -> Vec<Value> {
        let kind = self.text("/spec/type");
        let kind = if kind.is_empty() {
            "ClusterIP".to_owned()
        } else {
            kind
        };
        let ports: Vec<String> = self
            .list("/spec/ports")
            .map(|port| {
                let number = port.get("port").and_then(Value::as_i64).unwrap_or(0);
                let protocol = match of_text(port, "protocol") {
                    "" => "TCP",
                    protocol => protocol,
                };
                match port.get("nodePort").and_then(Value::as_i64) {
                    Some(node) if node > 0 => format!("{number}:{node}/{protocol}"),
                    _ => format!("{number}/{protocol}"),
                }
            })
            .collect();
        let ingress: Vec<&str> = self
            .list("/status/loadBalancer/ingress")
            .map(|one| {
                if of_text(one, "ip").is_empty() {
                    of_text(one, "hostname")
                } else {
                    of_text(one, "ip")
                }
            })
            .collect();
        let external: Vec<&str> = self
            .list("/spec/externalIPs")
            .filter_map(Value::as_str)
            .collect();
        let external = match kind.as_str() {
            "ExternalName" => self.text("/spec/externalName"),
            "LoadBalancer" if ingress.is_empty() && external.is_empty() => "<pending>".into(),
            "LoadBalancer" => ingress
                .into_iter()
                .chain(external)
                .collect::<Vec<_>>()
                .join(","),
            _ => or_none(external.join(",")),
        };
        vec![
            self.name(),
            kind.into(),
            or_none(self.text("/spec/clusterIP")).into(),
            external.into(),
            or_none(ports.join(",")).into(),
            self.age(),
            pairs(self.object.pointer("/spec/selector")).into(),
        ]
    }

    fn node(&self) -> Vec<Value> {
        let mut status = match self.condition("Ready") {
            Some(ready) if of_text(ready, "status") == "True" => vec!["Ready"],
            Some(_) => vec!["NotReady"],
            None => vec!["Unknown"],
        };
        if self.object.pointer("/spec/unschedulable") == Some(&json!(true)) {
            status.push("SchedulingDisabled");
        }
        let labels = self
            .object
            .pointer("/metadata/labels")
            .and_then(Value::as_object);
        let roles: Vec<&str> = labels
            .into_iter()
            .flatten()
            .filter_map(
                |(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
                    Some(role) => Some(role),
                    None if key == "kubernetes.io/role" => value.as_str(),
                    None => None,
                },
            )
            .filter(|role| !role.is_empty())
            .collect();
        let address = |kind: &str| {
            let found = self
                .list("/status/addresses")
                .find(|one| of_text(one, "type") == kind);
            or_none(
                found
                    .map(|one| of_text(one, "address").to_owned())
                    .unwrap_or_default(),
            )
        };
        let system = |key: &str| {
            let text = self.text(&format!("/status/nodeInfo/{key}"));
            if text.is_empty() {
                UNKNOWN.to_owned()
            } else {
                text
            }
        };
        vec![
            self.name(),
            status.join(",").into(),
            or_none(roles.join(",")).into(),
            self.age(),
            self.text("/status/nodeInfo/kubeletVersion").into(),
            address("InternalIP").into(),
            address("ExternalIP").into(),
            system("osImage").into(),
            system("kernelVersion").into(),
            system("containerRuntimeVersion").into(),
        ]
    }

    fn event(&self) -> Vec<Value> {
        let time = |pointers: &[&str]| {
            let found = pointers
                .iter()
                .map(|pointer| self.text(pointer))
                .find(|text| !text.is_empty());
            found.map_or_else(|| UNKNOWN.to_owned(), |at| since(&at, self.now))
        };
        let mut last = time(&[
            "/series/lastObservedTime",
            "/lastTimestamp",
            "/eventTime",
            "/firstTimestamp",
        ]);
        let series = self.number("/series/count");
        if series > 0 && self.text("/lastTimestamp").is_empty() {
            last = format!("{last} (x{series} over {})", time(&["/eventTime"]));
        }
        let mut object = format!(
            "{}/{}",
            self.text("/involvedObject/kind").to_lowercase(),
            self.text("/involvedObject/name")
        );
        if object == "/" {
            object.clear();
        }
        let component = match self.text("/source/component") {
            component if component.is_empty() => self.text("/reportingComponent"),
            component => component,
        };
        let host = match self.text("/source/host") {
            host if host.is_empty() => self.text("/reportingInstance"),
            host => host,
        };
        let source = if host.is_empty() {
            component
        } else {
            format!("{component}, {host}")
        };
        let count = if series > 0 {
            series
        } else {
            self.number("/count").max(1)
        };
        vec![
            last.into(),
            self.text("/type").into(),
            self.text("/reason").into(),
            object.into(),
            self.text("/involvedObject/fieldPath").into(),
            source.into(),
            self.text("/message").trim().into(),
            time(&["/firstTimestamp", "/eventTime"]).into(),
            count.into(),
            self.name(),
        ]
    }

    fn claim(&self) -> Vec<Value> {
        let mut phase = self.text("/status/phase");
        if self.object.pointer("/metadata/deletionTimestamp").is_some() {
            phase = "Terminating".into();
        }
        let bound = !self.text("/spec/volumeName").is_empty();
        let (capacity, modes) = if bound {
            (
                self.text("/status/capacity/storage"),
                access_modes(self.object.pointer("/status/accessModes")),
            )
        } else {
            (String::new(), String::new())
        };
        let attributes = self.text("/spec/volumeAttributesClassName");
        vec![
            self.name(),
            phase.into(),
            self.text("/spec/volumeName").into(),
            capacity.into(),
            modes.into(),
            self.text("/spec/storageClassName").into(),
            if attributes.is_empty() {
                "<unset>".into()
            } else {
                attributes.into()
            },
            self.age(),
            self.plain("/spec/volumeMode", "<unset>").into(),
        ]
    }

    fn volume(&self) -> Vec<Value> {
        let mut phase = self.text("/status/phase");
        if self.object.pointer("/metadata/deletionTimestamp").is_some() {
            phase = "Terminating".into();
        }
        let (namespace, name) = (
            self.text("/spec/claimRef/namespace"),
            self.text("/spec/claimRef/name"),
        );
        let claim = if name.is_empty() {
            String::new()
        } else {
            format!("{namespace}/{name}")
        };
        let attributes = self.text("/spec/volumeAttributesClassName");
        vec![
            self.name(),
            self.text("/spec/capacity/storage").into(),
            access_modes(self.object.pointer("/spec/accessModes")).into(),
            self.text("/spec/persistentVolumeReclaimPolicy").into(),
            phase.into(),
            claim.into(),
            self.text("/spec/storageClassName").into(),
            if attributes.is_empty() {
                "<unset>".into()
            } else {
                attributes.into()
            },
            self.text("/status/reason").into(),
            self.age(),
            self.plain("/spec/volumeMode", "<unset>").into(),
        ]
    }

    fn slice(&self) -> Vec<Value> {
        let unset = |all: Vec<String>| {
            if all.is_empty() {
                "<unset>".to_owned()
            } else {
                three(&all)
            }
        };
        let ports = self
            .list("/ports")
            .map(|port| {
                port.get("port")
                    .and_then(Value::as_i64)
                    .map_or("*".to_owned(), |number| number.to_string())
            })
            .collect();
        let endpoints = self
            .list("/endpoints")
            .flat_map(|one| {
                one.get("addresses")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
            })
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        vec![
            self.name(),
            self.text("/addressType").into(),
            unset(ports).into(),
            unset(endpoints).into(),
            self.age(),
        ]
    }

    fn storage_class(&self) -> Vec<Value> {
        let mut name = self.text("/metadata/name");
        let default = self
            .object
            .pointer("/metadata/annotations/storageclass.kubernetes.io~1is-default-class");
        if default == Some(&json!("true")) {
            name.push_str(" (default)");
        }
        let or = |pointer: &str, missing: &str| self.plain(pointer, missing);
        vec![
            name.into(),
            self.text("/provisioner").into(),
            or("/reclaimPolicy", "Delete").into(),
            or("/volumeBindingMode", "Immediate").into(),
            or("/allowVolumeExpansion", "false").into(),
            self.age(),
        ]
    }

    fn binding(&self) -> Vec<Value> {
        let subjects = |kind: &str| {
            let all: Vec<String> = self
                .list("/subjects")
                .filter(|one| of_text(one, "kind") == kind)
                .map(|one| match of_text(one, "namespace") {
                    "" => of_text(one, "name").to_owned(),
                    namespace => format!("{namespace}/{}", of_text(one, "name")),
                })
                .collect();
            Value::from(all.join(", "))
        };
        vec![
            self.name(),
            format!(
                "{}/{}",
                self.text("/roleRef/kind"),
                self.text("/roleRef/name")
            )
            .into(),
            self.age(),
            subjects("User"),
            subjects("Group"),
            subjects("ServiceAccount"),
        ]
    }
}

fn of_text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// `Completed`, `OOMKilled`, `ExitCode:1`, `Signal:9`.
fn how_ended(ended: &Value) -> String {
    let reason = of_text(ended, "reason");
    if !reason.is_empty() {
        return reason.to_owned();
    }
    match ended.get("signal").and_then(Value::as_i64) {
        Some(signal) if signal != 0 => format!("Signal:{signal}"),
        _ => format!(
            "ExitCode:{}",
            ended.get("exitCode").and_then(Value::as_i64).unwrap_or(0)
        ),
    }
}
