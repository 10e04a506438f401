//! Reading JSON without trust: every function answers "absent" rather than failing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::object::Condition;
use crate::domain::text;

/// The value at a path of field names.
pub fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |v, field| v.get(field))
}

/// A single line of text; an empty one is absent.
pub fn line(value: &Value, path: &[&str]) -> Option<String> {
    let text = text::one_line(at(value, path)?.as_str()?);
    (!text.is_empty()).then_some(text)
}

/// A single line of text, empty where absent.
pub fn line_or_empty(value: &Value, path: &[&str]) -> String {
    line(value, path).unwrap_or_default()
}

/// Text of several lines, empty where absent.
pub fn prose(value: &Value, path: &[&str]) -> String {
    at(value, path)
        .and_then(Value::as_str)
        .map(text::plain)
        .unwrap_or_default()
}

/// A whole number. `3.0` counts; a number in a string does not.
pub fn whole(value: &Value, path: &[&str]) -> Option<i64> {
    let number = at(value, path)?;
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        // Beyond 2^53 a float is not that whole number any more.
        (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as i64)
    })
}

/// A whole number, 0 where absent.
pub fn whole_or_zero(value: &Value, path: &[&str]) -> i64 {
    whole(value, path).unwrap_or(0)
}

/// A count, 0 where absent or negative.
pub fn count(value: &Value, path: &[&str]) -> u64 {
    whole(value, path)
        .and_then(|n| u64::try_from(n).ok())
        .unwrap_or(0)
}

/// True or false.
pub fn flag(value: &Value, path: &[&str]) -> Option<bool> {
    at(value, path)?.as_bool()
}

/// A moment: RFC 3339, with or without fractions of a second.
pub fn time(value: &Value, path: &[&str]) -> Option<Timestamp> {
    at(value, path)?.as_str()?.trim().parse().ok()
}

/// The elements of a list; none where absent.
pub fn list<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    at(value, path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The texts of a list; elements of another type are left out.
pub fn lines(value: &Value, path: &[&str]) -> Vec<String> {
    list(value, path)
        .iter()
        .filter_map(Value::as_str)
        .map(text::one_line)
        .collect()
}

/// The texts of a map; values of another type are left out.
pub fn map(value: &Value, path: &[&str]) -> BTreeMap<String, String> {
    at(value, path)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, v)| Some((text::one_line(key), text::one_line(v.as_str()?))))
        .collect()
}

/// A number or a text, as written: what Kubernetes calls IntOrString.
pub fn as_written(value: &Value, path: &[&str]) -> Option<String> {
    match at(value, path)? {
        Value::String(text) => Some(text::one_line(text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A quantity, in bytes.
pub fn bytes(value: &Value, path: &[&str]) -> Option<u64> {
    super::quantity::bytes(&as_written(value, path)?)
}

/// `status.conditions`.
pub fn conditions(value: &Value) -> Vec<Condition> {
    list(value, &["status", "conditions"])
        .iter()
        .filter_map(|condition| {
            Some(Condition {
                name: line(condition, &["type"])?,
                status: line_or_empty(condition, &["status"]),
                reason: line_or_empty(condition, &["reason"]),
                message: prose(condition, &["message"]),
                since: time(condition, &["lastTransitionTime"]),
            })
        })
        .collect()
}
