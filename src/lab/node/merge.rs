//! What somebody has changed in an object, as a JSON merge patch; and the same change made to a newer object.

use serde_json::{Map, Value, json};

use crate::lab::json::text;

/// Metadata that only the server writes.
const SERVERS: &[&str] = &[
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// What makes `base` into `wanted`, but for what only the server writes; `None` when nothing does.
pub(super) fn difference(base: &Value, wanted: &Value) -> Option<Value> {
    let mut patch = between(base, wanted)?;
    let map = patch.as_object_mut()?;
    map.remove("apiVersion");
    map.remove("kind");
    let mut empty = false;
    if let Some(meta) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in SERVERS {
            meta.remove(*field);
        }
        empty = meta.is_empty();
    }
    if empty {
        map.remove("metadata");
    }
    (!map.is_empty()).then_some(patch)
}

/// The patch of RFC 7386 from one value to another; lists are whole.
fn between(base: &Value, wanted: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (base, wanted) else {
        return (base != wanted).then(|| wanted.clone());
    };
    let mut patch = Map::new();
    for (key, value) in new {
        let change = match old.get(key) {
            None => Some(value.clone()),
            Some(before) => between(before, value),
        };
        if let Some(change) = change {
            patch.insert(key.clone(), change);
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// The change from `base` to `wanted`, made to `newer`: fields that the change leaves alone are as they are there.
/// Conditions are told apart by their types, because several write them; any other list is whole.
pub(super) fn rebased(base: &Value, wanted: &Value, newer: &Value) -> Value {
    let mut result = newer.clone();
    carry(base, wanted, &mut result);
    if let (Some(to), Some(from)) = (
        result.get_mut("metadata").and_then(Value::as_object_mut),
        newer.get("metadata").and_then(Value::as_object),
    ) {
        for field in SERVERS {
            match from.get(*field) {
                Some(value) => to.insert((*field).to_owned(), value.clone()),
                None => to.remove(*field),
            };
        }
    }
    result
}

fn carry(base: &Value, wanted: &Value, into: &mut Value) {
    if base == wanted {
        return;
    }
    if let (Value::Object(old), Value::Object(new)) = (base, wanted)
        && let Value::Object(target) = &mut *into
    {
        for (key, value) in new {
            let before = old.get(key);
            if before == Some(value) {
                continue;
            }
            let slot = target.entry(key.clone()).or_insert(Value::Null);
            match before {
                _ if key == "conditions" => {
                    *slot = conditions(before.unwrap_or(&Value::Null), value, slot);
                }
                Some(before) => carry(before, value, slot),
                None if value.is_object() => carry(&json!({}), value, slot),
                None => *slot = value.clone(),
            }
        }
        for key in old.keys().filter(|key| !new.contains_key(*key)) {
            target.remove(key);
        }
        return;
    }
    *into = wanted.clone();
}

/// Conditions that were changed, among those of somebody else.
fn conditions(base: &Value, wanted: &Value, newer: &Value) -> Value {
    let all = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let of = |list: &[Value], kind: &str| {
        let found = list.iter().find(|one| text(one, "/type") == kind);
        found.cloned()
    };
    let (base, wanted, mut newer) = (all(base), all(wanted), all(newer));
    for condition in &wanted {
        let kind = text(condition, "/type");
        if of(&base, kind).as_ref() == Some(condition) {
            continue;
        }
        match newer.iter_mut().find(|one| text(one, "/type") == kind) {
            Some(slot) => *slot = condition.clone(),
            None => newer.push(condition.clone()),
        }
    }
    let dropped = |one: &Value| {
        let kind = text(one, "/type");
        of(&base, kind).is_some() && of(&wanted, kind).is_none()
    };
    newer.retain(|one| !dropped(one));
    Value::Array(newer)
}

/// A new object as it is sent: without what the server gives it.
pub(super) fn unborn(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in SERVERS {
            meta.remove(*field);
        }
    }
    object
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_difference_is_a_merge_patch_without_what_the_server_writes() {
        let table = [
            ("nothing", json!({"a": 1}), json!({"a": 1}), None),
            (
                "a field",
                json!({"spec": {"a": 1, "b": 2}}),
                json!({"spec": {"a": 1, "b": 3}}),
                Some(json!({"spec": {"b": 3}})),
            ),
            (
                "a field less",
                json!({"metadata": {"labels": {"role": "master", "app": "x"}}}),
                json!({"metadata": {"labels": {"app": "x"}}}),
                Some(json!({"metadata": {"labels": {"role": null}}})),
            ),
            (
                "a whole list",
                json!({"l": [1, 2]}),
                json!({"l": [1]}),
                Some(json!({"l": [1]})),
            ),
            (
                "only numbers of the server",
                json!({"metadata": {"resourceVersion": "1", "generation": 1}}),
                json!({"metadata": {"resourceVersion": "2", "generation": 2, "managedFields": []}}),
                None,
            ),
        ];
        for (what, base, wanted, patch) in table {
            assert_eq!(difference(&base, &wanted), patch, "{what}");
        }
    }

    #[test]
    fn a_change_is_made_again_to_what_others_have_changed_meanwhile() {
        let table = [
            (
                "labels of two",
                json!({"metadata": {"labels": {"a": "1"}}}),
                json!({"metadata": {"labels": {"a": "1", "role": "master"}}}),
                json!({"metadata": {"labels": {"a": "2", "b": "1"}, "resourceVersion": "9"}}),
                json!({"metadata": {"labels": {"a": "2", "b": "1", "role": "master"}, "resourceVersion": "9"}}),
            ),
            (
                "a gate that another opened",
                json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}),
                json!({"status": {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}}),
                json!({"status": {"conditions": [{"type": "Gate", "status": "True"}, {"type": "Ready", "status": "False"}]}}),
                json!({"status": {"conditions": [{"type": "Gate", "status": "True"}, {"type": "Ready", "status": "True"}],
                    "phase": "Running"}}),
            ),
            (
                "a status where there was none",
                json!({"metadata": {}}),
                json!({"metadata": {}, "status": {"phase": "Running"}}),
                json!({"metadata": {}, "status": {"qosClass": "Burstable"}}),
                json!({"metadata": {}, "status": {"phase": "Running", "qosClass": "Burstable"}}),
            ),
            (
                "a condition taken away",
                json!({"c": {"conditions": [{"type": "A"}, {"type": "B"}]}}),
                json!({"c": {"conditions": [{"type": "B"}]}}),
                json!({"c": {"conditions": [{"type": "A"}, {"type": "B"}, {"type": "C"}]}}),
                json!({"c": {"conditions": [{"type": "B"}, {"type": "C"}]}}),
            ),
            (
                "a deletion that was asked for meanwhile",
                json!({"metadata": {"uid": "u"}, "status": {}}),
                json!({"metadata": {"uid": "u"}, "status": {"phase": "Running"}}),
                json!({"metadata": {"uid": "u", "deletionTimestamp": "t"}, "status": {}}),
                json!({"metadata": {"uid": "u", "deletionTimestamp": "t"}, "status": {"phase": "Running"}}),
            ),
        ];
        for (what, base, wanted, newer, result) in table {
            assert_eq!(rebased(&base, &wanted, &newer), result, "{what}");
        }
    }

    #[test]
    fn a_new_object_is_sent_without_uid_and_version() {
        let object =
            json!({"metadata": {"name": "n", "uid": "u", "resourceVersion": "1"}, "spec": {}});
        assert_eq!(
            unborn(&object),
            json!({"metadata": {"name": "n"}, "spec": {}})
        );
    }
}
