//! Reading and setting fields of plain JSON objects, where a missing field is an ordinary case.

use serde_json::{Map, Value};

/// The string at a JSON pointer; empty when there is none.
pub(in crate::lab) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The whole number at a JSON pointer.
pub(in crate::lab) fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64)
}

/// Whether the value at a JSON pointer is `true`.
pub(in crate::lab) fn is_true(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool) == Some(true)
}

/// The items at a JSON pointer; none when there is no list.
pub(in crate::lab) fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// The entries of the map at a JSON pointer whose values are strings.
pub(in crate::lab) fn pairs<'a>(
    value: &'a Value,
    pointer: &str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    value
        .pointer(pointer)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

/// Puts `new` at a path of field names, making the objects on the way. Null removes the field.
pub(in crate::lab) fn set(value: &mut Value, path: &[&str], new: Value) {
    let Some((last, way)) = path.split_last() else {
        *value = new;
        return;
    };
    let mut at = value;
    for step in way {
        at = as_map(at).entry(*step).or_insert(Value::Null);
    }
    let map = as_map(at);
    if new.is_null() {
        map.remove(*last);
    } else {
        map.insert((*last).to_owned(), new);
    }
}

/// Adds the entries of `more` to the map at `path`; entries that are there already are replaced.
pub(in crate::lab) fn extend(value: &mut Value, path: &[&str], more: &Value) {
    let Some(more) = more.as_object() else { return };
    let mut at = value;
    for step in path {
        at = as_map(at).entry(*step).or_insert(Value::Null);
    }
    let map = as_map(at);
    for (key, value) in more {
        map.insert(key.clone(), value.clone());
    }
}

/// The list at a path of field names, made when it is missing.
pub(in crate::lab) fn list_at<'a>(value: &'a mut Value, path: &[&str]) -> &'a mut Vec<Value> {
    let mut at = value;
    for step in path {
        at = as_map(at).entry(*step).or_insert(Value::Null);
    }
    if !at.is_array() {
        *at = Value::Array(Vec::new());
    }
    match at {
        Value::Array(list) => list,
        // Just made one; nothing else can be here.
        other => list_at(other, &[]),
    }
}

fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        other => as_map(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_set_extended_and_removed_along_a_path() {
        let mut value = json!({"a": 1});
        set(&mut value, &["metadata", "labels", "role"], "master".into());
        extend(
            &mut value,
            &["metadata", "labels"],
            &json!({"role": "replica", "app": "x"}),
        );
        list_at(&mut value, &["spec", "args"]).push("--one".into());
        assert_eq!(text(&value, "/metadata/labels/role"), "replica");
        assert_eq!(items(&value, "/spec/args"), [json!("--one")]);
        set(&mut value, &["metadata", "labels", "role"], Value::Null);
        assert_eq!(
            pairs(&value, "/metadata/labels").collect::<Vec<_>>(),
            [("app", "x")]
        );
        assert_eq!(text(&value, "/nowhere"), "");
    }
}
