//! Strategic merge patch, for the built-in kinds: lists of named things are merged by name, and directives say what else
//! is meant.

use serde_json::{Map, Value};

use crate::lab::schema::{ListShape, list_shape};
use crate::lab::status::Status;

/// Merges `patch` into `target`.
///
/// # Errors
/// 400 for a directive that is not one.
pub(super) fn merge(target: &mut Value, patch: &Value) -> Result<(), Status> {
    merge_at(target, patch, &mut Vec::new())
}

fn merge_at<'v>(
    target: &mut Value,
    patch: &'v Value,
    path: &mut Vec<&'v str>,
) -> Result<(), Status> {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return Ok(());
    };
    match patch.get("$patch").and_then(Value::as_str) {
        None | Some("merge") => (),
        Some("replace") => {
            *target = Value::Object(without_directives(patch));
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some(other) => return Err(unknown(other)),
    }
    let map = crate::lab::store::map(target);
    if let Some(keep) = patch.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|key, _| keep.iter().any(|kept| kept.as_str() == Some(key)));
    }
    for (key, value) in patch {
        if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
            if let (Some(Value::Array(items)), Some(gone)) = (map.get_mut(list), value.as_array()) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        if key.starts_with('$') {
            continue;
        }
        if value.is_null() {
            map.remove(key);
            continue;
        }
        path.push(key);
        match value {
            Value::Array(items) => {
                let shape = list_shape(false, path);
                merge_list(
                    map.entry(key.clone()).or_insert(Value::Null),
                    items,
                    shape,
                    path,
                )?;
            }
            other => merge_at(map.entry(key.clone()).or_insert(Value::Null), other, path)?,
        }
        path.pop();
    }
    // An order may be given for lists that are not otherwise patched.
    for (key, order) in patch {
        let Some(list) = key.strip_prefix("$setElementOrder/") else {
            continue;
        };
        let (Some(Value::Array(items)), Some(order)) = (map.get_mut(list), order.as_array()) else {
            continue;
        };
        let mut at = path.clone();
        at.push(list);
        arrange(items, order, list_shape(false, &at));
    }
    Ok(())
}

fn merge_list<'v>(
    target: &mut Value,
    patch: &'v [Value],
    shape: ListShape,
    path: &mut Vec<&'v str>,
) -> Result<(), Status> {
    let directive = |item: &Value| {
        item.get("$patch")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let key = match shape {
        ListShape::Atomic => {
            *target = Value::Array(patch.to_vec());
            return Ok(());
        }
        ListShape::Set => {
            let mut items = target.as_array().cloned().unwrap_or_default();
            for item in patch {
                if !items.contains(item) {
                    items.push(item.clone());
                }
            }
            *target = Value::Array(items);
            return Ok(());
        }
        ListShape::Keyed(keys) => keys.first().copied().unwrap_or_default(),
    };
    if patch
        .iter()
        .any(|item| directive(item).as_deref() == Some("replace"))
    {
        let kept = patch
            .iter()
            .filter(|item| directive(item).is_none())
            .cloned()
            .collect();
        *target = Value::Array(kept);
        return Ok(());
    }
    let mut items = target.as_array().cloned().unwrap_or_default();
    for item in patch {
        let Some(name) = item.get(key) else {
            let at = path.join(".");
            return Err(Status::bad_request(format!(
                "map: {item} does not contain declared merge key: {key} (at {at})"
            )));
        };
        match directive(item).as_deref() {
            Some("delete") => items.retain(|have| have.get(key) != Some(name)),
            None | Some("merge") => match items.iter_mut().find(|have| have.get(key) == Some(name))
            {
                Some(have) => merge_at(have, item, path)?,
                None => {
                    let mut new = Value::Object(Map::new());
                    merge_at(&mut new, item, path)?;
                    items.push(new);
                }
            },
            Some(other) => return Err(unknown(other)),
        }
    }
    *target = Value::Array(items);
    Ok(())
}

/// Puts the named items into the given order; items that are not named keep their places.
fn arrange(items: &mut [Value], order: &[Value], shape: ListShape) {
    let name = |item: &Value| match shape {
        ListShape::Keyed(keys) => keys.first().and_then(|key| item.get(*key)).cloned(),
        _ => Some(item.clone()),
    };
    let place = |item: &Value| {
        order
            .iter()
            .position(|named| name(named) == name(item) && name(item).is_some())
    };
    let mut named: Vec<Value> = items
        .iter()
        .filter(|item| place(item).is_some())
        .cloned()
        .collect();
    named.sort_by_key(|item| place(item));
    let mut named = named.into_iter();
    for item in items.iter_mut().filter(|item| place(item).is_some()) {
        if let Some(next) = named.next() {
            *item = next;
        }
    }
}

fn without_directives(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter()
        .filter(|(key, _)| !key.starts_with('$'))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn unknown(directive: &str) -> Status {
    Status::bad_request(format!("Unknown patch type: {directive} in map"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn strategic_patches() {
        let pod = json!({"metadata": {"labels": {"a": "1"}, "finalizers": ["x", "y"]}, "spec": {
            "containers": [{"name": "c", "image": "i:1", "args": ["a"], "env": [{"name": "E", "value": "1"}]}, {"name": "d"}],
            "tolerations": [{"key": "k"}], "strategy": {"type": "R", "rollingUpdate": {"maxSurge": 1}}}});
        let spec = |containers: Value| {
            let mut pod = pod.clone();
            pod.pointer_mut("/spec").unwrap()["containers"] = containers;
            pod
        };
        let containers = |patch: Value| json!({"spec": {"containers": patch}});
        let first = json!({"name": "c", "image": "i:1", "args": ["a"], "env": [{"name": "E", "value": "1"}]});
        let with = |key: &str, value: Value| {
            let mut first = first.clone();
            crate::lab::store::map(&mut first).insert(key.into(), value);
            first
        };
        let table = [
            (
                containers(json!([{"name": "c", "image": "i:2"}])),
                spec(json!([with("image", json!("i:2")), {"name": "d"}])),
            ),
            (
                containers(json!([{"name": "c", "args": ["b"]}])),
                spec(json!([with("args", json!(["b"])), {"name": "d"}])),
            ),
            (
                containers(json!([{"name": "c", "env": [{"name": "F", "value": "2"}]}])),
                spec(
                    json!([with("env", json!([{"name": "E", "value": "1"}, {"name": "F", "value": "2"}])), {"name": "d"}]),
                ),
            ),
            (
                containers(json!([{"name": "d", "$patch": "delete"}])),
                spec(json!([first])),
            ),
            (
                containers(json!([{"name": "z"}, {"$patch": "replace"}])),
                spec(json!([{"name": "z"}])),
            ),
            (
                json!({"spec": {"$setElementOrder/containers": [{"name": "d"}, {"name": "c"}]}}),
                spec(json!([{"name": "d"}, first])),
            ),
        ];
        for (patch, expected) in table {
            let mut target = pod.clone();
            merge(&mut target, &patch).unwrap();
            assert_eq!(target, expected, "{patch}");
        }
        let pointed = [
            (
                json!({"metadata": {"labels": {"a": null, "b": "2"}}}),
                "/metadata/labels",
                json!({"b": "2"}),
            ),
            (
                json!({"metadata": {"labels": {"$patch": "replace", "n": "1"}}}),
                "/metadata/labels",
                json!({"n": "1"}),
            ),
            (
                json!({"metadata": {"finalizers": ["z"]}}),
                "/metadata/finalizers",
                json!(["x", "y", "z"]),
            ),
            (
                json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}}),
                "/metadata/finalizers",
                json!(["y"]),
            ),
            (
                json!({"spec": {"tolerations": [{"key": "n"}]}}),
                "/spec/tolerations",
                json!([{"key": "n"}]),
            ),
            (
                json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
                "/spec/strategy",
                json!({"type": "Recreate"}),
            ),
        ];
        for (patch, pointer, expected) in pointed {
            let mut target = pod.clone();
            merge(&mut target, &patch).unwrap();
            assert_eq!(target.pointer(pointer), Some(&expected), "{patch}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for patch in [
            json!({"spec": {"containers": [{"image": "x"}]}}),
            json!({"spec": {"$patch": "dance"}}),
        ] {
            assert_eq!(
                merge(&mut json!({"spec": {"containers": []}}), &patch)
                    .unwrap_err()
                    .code,
                400,
                "{patch}"
            );
        }
    }
}
