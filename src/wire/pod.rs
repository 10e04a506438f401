//! Pods.

use jiff::Timestamp;
use serde_json::Value;

use super::read;
use crate::domain::object::{Container, ContainerEnd, ContainerState, Meta, Pod, Probes, Security};

/// Decodes a pod.
pub fn pod(meta: Meta, value: &Value) -> Pod {
    Pod {
        meta,
        phase: read::line_or_empty(value, &["status", "phase"]),
        reason: read::line_or_empty(value, &["status", "reason"]),
        message: read::prose(value, &["status", "message"]),
        ip: read::line(value, &["status", "podIP"]),
        machine: read::line(value, &["spec", "nodeName"]),
        started: read::time(value, &["status", "startTime"]),
        conditions: read::conditions(value),
        containers: containers(value),
        claims: read::list(value, &["spec", "volumes"])
            .iter()
            .filter_map(|volume| read::line(volume, &["persistentVolumeClaim", "claimName"]))
            .collect(),
        fs_group: read::whole(value, &["spec", "securityContext", "fsGroup"]),
        role_since: role_since(value),
    }
}

/// Containers in the order of the spec; one that only the status knows comes last.
fn containers(value: &Value) -> Vec<Container> {
    let statuses = read::list(value, &["status", "containerStatuses"]);
    let specs = read::list(value, &["spec", "containers"]);
    let mut containers: Vec<Container> = specs
        .iter()
        .filter_map(|spec| {
            let name = read::line(spec, &["name"])?;
            let status = statuses
                .iter()
                .find(|s| read::line(s, &["name"]).as_ref() == Some(&name));
            let image = read::line_or_empty(spec, &["image"]);
            Some(Container {
                args: read::lines(spec, &["args"]),
                memory_limit: read::bytes(spec, &["resources", "limits", "memory"]),
                memory_request: read::bytes(spec, &["resources", "requests", "memory"]),
                cpu_limit: read::line(spec, &["resources", "limits", "cpu"])
                    .and_then(|text| super::quantity::millis(&text)),
                probes: Probes {
                    liveness: read::at(spec, &["livenessProbe"]).is_some(),
                    readiness: read::at(spec, &["readinessProbe"]).is_some(),
                    startup: read::at(spec, &["startupProbe"]).is_some(),
                },
                security: security(spec, value),
                ..container(name, image, status)
            })
        })
        .collect();
    for status in statuses {
        if let Some(name) = read::line(status, &["name"])
            && !containers.iter().any(|c| c.name == name)
        {
            containers.push(container(
                name,
                read::line_or_empty(status, &["image"]),
                Some(status),
            ));
        }
    }
    containers
}

fn container(name: String, image: String, status: Option<&Value>) -> Container {
    let Some(status) = status else {
        return Container {
            name,
            image,
            ..Container::default()
        };
    };
    Container {
        name,
        image,
        ready: read::flag(status, &["ready"]).unwrap_or(false),
        restarts: read::count(status, &["restartCount"]),
        state: state(status),
        last_end: read::at(status, &["lastState", "terminated"])
            .filter(|end| end.is_object())
            .map(end),
        ..Container::default()
    }
}

/// What a container may do: what its own context says stands before what its pod's says.
fn security(spec: &Value, pod: &Value) -> Security {
    let own = |field: &str| read::at(spec, &["securityContext", field]);
    let either =
        |field: &str| own(field).or_else(|| read::at(pod, &["spec", "securityContext", field]));
    let flag = |value: Option<&Value>| value.and_then(Value::as_bool);
    Security {
        non_root: flag(either("runAsNonRoot")),
        user: either("runAsUser").and_then(Value::as_i64),
        read_only_root: flag(own("readOnlyRootFilesystem")),
        escalation: flag(own("allowPrivilegeEscalation")),
        privileged: flag(own("privileged")),
        dropped: read::lines(spec, &["securityContext", "capabilities", "drop"]),
        added: read::lines(spec, &["securityContext", "capabilities", "add"]),
    }
}

fn state(status: &Value) -> ContainerState {
    let is_in = |name: &str| read::at(status, &["state", name]).filter(|s| s.is_object());
    if let Some(running) = is_in("running") {
        ContainerState::Running {
            since: read::time(running, &["startedAt"]),
        }
    } else if let Some(ended) = is_in("terminated") {
        ContainerState::Ended(end(ended))
    } else if let Some(waiting) = is_in("waiting") {
        ContainerState::Waiting {
            reason: read::line_or_empty(waiting, &["reason"]),
            message: read::prose(waiting, &["message"]),
        }
    } else {
        ContainerState::Unreported
    }
}

fn end(ended: &Value) -> ContainerEnd {
    ContainerEnd {
        reason: read::line_or_empty(ended, &["reason"]),
        exit: read::whole_or_zero(ended, &["exitCode"]),
        at: read::time(ended, &["finishedAt"]),
    }
}

/// When the `role` label was last written: the latest `time` among the managed fields entries that own the label. A
/// manager that writes other fields later moves its time too, so this can be too young but never too old.
fn role_since(value: &Value) -> Option<Timestamp> {
    read::list(value, &["metadata", "managedFields"])
        .iter()
        .filter(|entry| {
            read::at(entry, &["fieldsV1", "f:metadata", "f:labels", "f:role"]).is_some()
        })
        .filter_map(|entry| read::time(entry, &["time"]))
        .max()
}
