//! Objects in the shape the client asked for: as they are, metadata only, or rows of a table; and events in both of
//! their API groups.

use serde_json::{Map, Value, json};

use super::Desk;
use super::call::{Call, Format};
use super::reply::{self, Reply};
use super::tables;
use crate::lab::resources::Resource;
use crate::lab::status::Status;
use crate::lab::store::{self, Object};

/// Answers with one object.
pub(super) fn one(desk: &Desk, call: &Call, code: u16, object: &Object) -> Result<Reply, Status> {
    let mut out = Vec::new();
    match Format::negotiate(&call.heads.accept)? {
        Format::Json => write_object(&call.resource, object, &mut out),
        Format::Partial => out.extend_from_slice(object.metadata_json()),
        Format::Table => {
            let table = table(desk, call, &object.revision.to_string(), &[object], true);
            out = table.to_string().into_bytes();
        }
    }
    Ok(reply::json_text(code, out))
}

/// Appends an object as JSON text.
pub(super) fn write_object(resource: &Resource, object: &Object, out: &mut Vec<u8>) {
    if resource.stored_as.is_some() {
        let mut value = newer_event(object.value());
        stamp(resource, &mut value);
        out.extend_from_slice(value.to_string().as_bytes());
    } else {
        object.write_json(out);
    }
}

/// Appends an object as an item of a list.
pub(super) fn write_item(resource: &Resource, object: &Object, out: &mut Vec<u8>) {
    if resource.stored_as.is_some() {
        let mut value = newer_event(object.value());
        if let Some(map) = value.as_object_mut() {
            map.remove("kind");
            map.remove("apiVersion");
        }
        out.extend_from_slice(value.to_string().as_bytes());
    } else {
        object.write_item(out);
    }
}

/// A table of objects. Column definitions are left out of all but the first table of a watch.
pub(super) fn table(
    desk: &Desk,
    call: &Call,
    revision: &str,
    objects: &[&Object],
    head: bool,
) -> Value {
    let now = desk.store.now();
    let include = call.query.get("includeObject");
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let value = object.value();
            let mut row = json!({ "cells": tables::cells(&call.resource, &value, now) });
            if let Some(map) = row.as_object_mut() {
                match include {
                    "None" => {
                        map.insert("object".into(), Value::Null);
                    }
                    "Object" => {
                        map.insert("object".into(), value);
                    }
                    _ => {
                        map.insert("object".into(), store::partial(&value));
                    }
                }
            }
            row
        })
        .collect();
    let columns = if head {
        tables::columns(&call.resource)
    } else {
        Value::Null
    };
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": { "resourceVersion": revision },
        "columnDefinitions": columns,
        "rows": rows,
    })
}

/// Writes the kind that was asked for onto an object.
pub(super) fn stamp(resource: &Resource, value: &mut Value) {
    if let Some(map) = value.as_object_mut() {
        map.insert("apiVersion".into(), resource.api_version().into());
        map.insert("kind".into(), resource.kind.as_ref().into());
    }
}

/// Names of the same thing in a core event and in `events.k8s.io/v1`.
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// A core event as `events.k8s.io/v1` shows it.
pub(super) fn newer_event(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        rename(map, |(core, newer)| (core, newer));
    }
    value
}

/// An `events.k8s.io/v1` event as the core event that is stored.
pub(super) fn core_event(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        rename(map, |(core, newer)| (newer, core));
    }
    value
}

fn rename(
    map: &mut Map<String, Value>,
    way: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str),
) {
    for pair in EVENT_FIELDS {
        let (from, to) = way(*pair);
        if let Some(value) = map.remove(from) {
            map.insert(to.into(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_change_their_shape_and_back() {
        let core = json!({"reason": "Killing", "message": "Stopping", "involvedObject": {"name": "p"}, "count": 2,
            "source": {"component": "kubelet"}, "lastTimestamp": "2026-11-21T10:00:00Z", "type": "Normal"});
        let newer = newer_event(core.clone());
        assert_eq!(newer.get("note"), Some(&json!("Stopping")));
        assert_eq!(newer.pointer("/regarding/name"), Some(&json!("p")));
        assert_eq!(newer.get("message"), None);
        assert_eq!(core_event(newer), core);
    }
}
