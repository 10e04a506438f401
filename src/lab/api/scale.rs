//! The `scale` subresource.

use serde_json::{Value, json};

use super::Desk;
use super::call::Call;
use super::patch::Patch;
use super::reply::{self, Reply};
use super::write;
use crate::lab::status::{Cause, Status};
use crate::lab::store::{Expect, Writer};

/// Answers a request to `/scale`.
pub(super) fn answer(desk: &Desk, call: &Call, body: impl AsRef<[u8]>) -> Result<Reply, Status> {
    let live = desk.store.get(call.stored(), &call.namespace, &call.name)?;
    if call.verb == "get" {
        return Ok(reply::json(200, &scale(&live.value())));
    }
    let by = Writer {
        manager: call.manager(),
        subresource: "scale",
        applied: None,
        dry_run: call.dry_run()?,
    };
    let sent = match call.verb {
        "update" => None,
        "patch" => Some(Patch::read(
            &call.heads.content_type,
            body.as_ref(),
            &call.resource,
        )?),
        _ => return Err(Status::method_not_allowed()),
    };
    let whole = if sent.is_none() {
        write::parse(body.as_ref(), call)?
    } else {
        Value::Null
    };
    let expect = Expect {
        uid: None,
        revision: whole
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str)
            .filter(|revision| !revision.is_empty())
            .map(str::to_owned),
    };
    let object = desk.store.try_update(
        call.stored(),
        &call.namespace,
        &call.name,
        by,
        &expect,
        |live| {
            let before = scale(live);
            let after = match &sent {
                Some(patch) => patch.apply(&before)?,
                None => whole,
            };
            let is = |value: &Value| value.pointer("/metadata/resourceVersion").cloned();
            if sent.is_some() && is(&after) != is(&before) {
                return Err(Status::modified(call.resource.id(), &call.name));
            }
            let replicas = after
                .pointer("/spec/replicas")
                .cloned()
                .unwrap_or_else(|| json!(0));
            if replicas.as_i64().is_none_or(|replicas| replicas < 0) {
                let cause = Cause::invalid(
                    "spec.replicas",
                    &replicas,
                    "must be greater than or equal to 0",
                );
                return Err(Status::invalid(
                    "autoscaling",
                    "Scale",
                    &call.name,
                    &[cause],
                ));
            }
            if let Some(spec) = live.get_mut("spec").and_then(Value::as_object_mut) {
                spec.insert("replicas".into(), replicas);
            }
            Ok(())
        },
    )?;
    Ok(reply::json(200, &scale(&object.value())))
}

fn scale(object: &Value) -> Value {
    let at = |pointer: &str| object.pointer(pointer).cloned().unwrap_or(Value::Null);
    let labels: Vec<String> = object
        .pointer("/spec/selector/matchLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": at("/metadata/name"),
            "namespace": at("/metadata/namespace"),
            "uid": at("/metadata/uid"),
            "resourceVersion": at("/metadata/resourceVersion"),
            "creationTimestamp": at("/metadata/creationTimestamp"),
        },
        "spec": { "replicas": object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0) },
        "status": {
            "replicas": object.pointer("/status/replicas").and_then(Value::as_i64).unwrap_or(0),
            "selector": labels.join(","),
        },
    })
}
