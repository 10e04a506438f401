//! The `eviction` subresource of pods: a deletion that asks the disruption budgets first.

use serde_json::{Value, json};

use super::Desk;
use super::call::Call;
use super::reply::{self, Reply};
use super::write;
use crate::lab::clock;
use crate::lab::resources::{BUDGETS, PODS};
use crate::lab::status::Status;
use crate::lab::store::{Object, map};

/// Answers an eviction.
pub(super) fn answer(desk: &Desk, call: &Call, body: impl AsRef<[u8]>) -> Result<Reply, Status> {
    let eviction = write::parse(body.as_ref(), call)?;
    let named = eviction
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or(&call.name);
    if named != call.name {
        return Err(Status::bad_request(
            "name in URL does not match name in Eviction object",
        ));
    }
    let how = write::from_options(call, eviction.get("deleteOptions").unwrap_or(&Value::Null))?;
    let pod = desk.store.get(PODS, &call.namespace, &call.name)?;
    let value = pod.value();
    let phase = value
        .pointer("/status/phase")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let finished = matches!(phase, "Succeeded" | "Failed" | "Pending") || pod.deleting;
    if !finished {
        allow(desk, call, &pod, &value, how.dry_run)?;
    }
    if !how.dry_run {
        mark(desk, call)?;
    }
    desk.store.delete(PODS, &call.namespace, &call.name, &how)?;
    let success = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
    Ok(reply::json(201, &success))
}

/// Asks the budget that covers the pod, and takes one disruption from it.
fn allow(
    desk: &Desk,
    call: &Call,
    pod: &Object,
    value: &Value,
    dry_run: bool,
) -> Result<(), Status> {
    let budgets = desk.store.list(BUDGETS, Some(&call.namespace))?.items;
    let covers: Vec<_> = budgets
        .iter()
        .filter(|budget| {
            budget
                .value()
                .pointer("/spec/selector")
                .is_some_and(|selector| selects(selector, pod))
        })
        .collect();
    let budget = match covers.as_slice() {
        [] => return Ok(()),
        [budget] => budget,
        _ => {
            return Err(Status::internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
    };
    let now = clock::seconds(desk.store.now());
    let ready = condition(value, "Ready") == Some("True");
    let name = pod.name.clone();
    let by = crate::lab::store::Writer {
        dry_run,
        subresource: "status",
        ..call.manager().into()
    };
    desk.store.try_update(BUDGETS, &call.namespace, &budget.name, by, &Default::default(), |budget| {
        let number = |pointer: &str| budget.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
        let (healthy, desired) = (number("/status/currentHealthy"), number("/status/desiredHealthy"));
        let always = budget.pointer("/spec/unhealthyPodEvictionPolicy") == Some(&json!("AlwaysAllow"));
        if !ready && (always || healthy >= desired) {
            return Ok(());
        }
        let title = budget.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if number("/status/observedGeneration") < number("/metadata/generation") {
            return Err(violates(&format!("The disruption budget {title} is still being processed by the server."), 10));
        }
        let left = number("/status/disruptionsAllowed");
        if left <= 0 {
            return Err(violates(
                &format!("The disruption budget {title} needs {desired} healthy pods and has {healthy} currently"),
                0,
            ));
        }
        if let Some(status) = budget.get_mut("status").and_then(Value::as_object_mut) {
            status.insert("disruptionsAllowed".into(), (left - 1).into());
            map(status.entry("disruptedPods").or_insert_with(|| json!({}))).insert(name, now.into());
        }
        Ok(())
    })?;
    Ok(())
}

fn violates(why: &str, seconds: u64) -> Status {
    let mut status = Status::too_many_requests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        seconds,
    );
    let mut details = json!({ "causes": [{ "reason": "DisruptionBudget", "message": why }] });
    if seconds > 0 {
        map(&mut details).insert("retryAfterSeconds".into(), seconds.into());
    }
    status.details = details;
    status
}

/// Says on the pod why it goes, before it goes.
fn mark(desk: &Desk, call: &Call) -> Result<(), Status> {
    let now = clock::seconds(desk.store.now());
    let by = crate::lab::store::Writer {
        subresource: "status",
        ..call.manager().into()
    };
    desk.store.try_update(
        PODS,
        &call.namespace,
        &call.name,
        by,
        &Default::default(),
        |pod| {
            let status = map(map(pod).entry("status").or_insert_with(|| json!({})));
            let conditions = status.entry("conditions").or_insert_with(|| json!([]));
            if let Some(list) = conditions.as_array_mut() {
                list.retain(|one| one.get("type") != Some(&json!("DisruptionTarget")));
                list.push(json!({
                    "type": "DisruptionTarget",
                    "status": "True",
                    "reason": "EvictionByEvictionAPI",
                    "message": "Eviction API: evicting",
                    "lastProbeTime": null,
                    "lastTransitionTime": now,
                }));
            }
            Ok(())
        },
    )?;
    Ok(())
}

fn condition<'v>(pod: &'v Value, kind: &str) -> Option<&'v str> {
    let conditions = pod
        .pointer("/status/conditions")
        .and_then(Value::as_array)?;
    let found = conditions
        .iter()
        .find(|one| one.get("type").and_then(Value::as_str) == Some(kind))?;
    found.get("status").and_then(Value::as_str)
}

/// Whether a `LabelSelector` covers an object. An empty one covers everything.
pub(super) fn selects(selector: &Value, object: &Object) -> bool {
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let equal = labels
        .into_iter()
        .flatten()
        .all(|(key, value)| object.label(key) == value.as_str());
    let terms = selector.get("matchExpressions").and_then(Value::as_array);
    equal
        && terms.into_iter().flatten().all(|term| {
            let text = |key: &str| term.get(key).and_then(Value::as_str).unwrap_or_default();
            let label = object.label(text("key"));
            let listed = term
                .get("values")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .any(|value| value.as_str().is_some() && value.as_str() == label);
            match text("operator") {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => label.is_some(),
                "DoesNotExist" => label.is_none(),
                _ => false,
            }
        })
}
