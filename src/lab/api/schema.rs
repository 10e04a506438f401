//! Custom resources and the schema of their definition: defaults, unknown fields, types and bounds.

use serde_json::{Map, Value};

use super::validate::name;
use crate::lab::resources::Resource;
use crate::lab::status::{Cause, Status};

/// Brings a custom resource into the shape of its schema: fills defaults in, takes unknown fields out (or refuses them
/// when `how` is `Strict`), and checks types. Returns warnings. Built-in kinds pass as they are.
///
/// # Errors
/// 400 for unknown fields under `Strict`, 422 for values that do not fit.
pub(super) fn fitted(
    resource: &Resource,
    object: &mut Value,
    how: &str,
) -> Result<Vec<String>, Status> {
    let Some(Value::Object(schema)) = &resource.schema else {
        return Ok(Vec::new());
    };
    let mut seen = Seen::default();
    let properties = schema.get("properties").and_then(Value::as_object);
    let keeps_unknown =
        schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    let mut unknown_top = Vec::new();
    for (key, value) in object.as_object_mut().into_iter().flatten() {
        if matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
            continue;
        }
        match properties.and_then(|properties| properties.get(key)) {
            Some(below) => fit(value, below, key, &mut seen),
            None if keeps_unknown || properties.is_none() => (),
            None => {
                seen.unknown.push(key.clone());
                unknown_top.push(key.clone());
            }
        }
    }
    if let Some(map) = object.as_object_mut() {
        map.retain(|key, _| !unknown_top.contains(key));
    }
    let required = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    for key in required.filter(|key| object.get(*key).is_none()) {
        seen.causes.push(Cause::required(key, ""));
    }
    let texts: Vec<String> = seen
        .unknown
        .iter()
        .map(|field| format!("unknown field \"{field}\""))
        .collect();
    if how == "Strict" && !texts.is_empty() {
        return Err(Status::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: strict decoding error: {}",
            texts.join(", "),
            kind = resource.kind,
            version = resource.version,
        )));
    }
    if seen
        .causes
        .iter()
        .any(|cause| cause.reason == "FieldValueTypeInvalid")
    {
        // Rules in CEL are checked on objects of the right types only, and the server says so.
        seen.causes.push(Cause {
            reason: "FieldValueInvalid",
            message: "Invalid value: \"null\": some validation rules were not checked because the object was invalid; \
                      correct the existing errors to complete validation"
                .to_owned(),
            field: "<nil>".to_owned(),
        });
    }
    if !seen.causes.is_empty() {
        return Err(Status::invalid(
            &resource.group,
            &resource.kind,
            name(object),
            &seen.causes,
        ));
    }
    Ok(if how == "Ignore" { Vec::new() } else { texts })
}

#[derive(Default)]
struct Seen {
    unknown: Vec<String>,
    causes: Vec<Cause>,
}

fn fit(value: &mut Value, schema: &Value, path: &str, seen: &mut Seen) {
    let flag = |key: &str| schema.get(key) == Some(&Value::Bool(true));
    // The server names the type that it met, not the value.
    let wrong = |value: &Value, wanted: &str| {
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        Cause {
            reason: "FieldValueTypeInvalid",
            message: format!(
                "Invalid value: \"{is}\": {path} in body must be of type {wanted}: \"{is}\""
            ),
            field: path.to_owned(),
        }
    };
    if flag("x-kubernetes-int-or-string") {
        if !(value.is_string() || value.is_i64() || value.is_u64()) {
            seen.causes.push(wrong(value, "integer,string"));
        }
        return;
    }
    let wanted = schema
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let fits = match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => true,
    } || (value.is_null() && flag("nullable"));
    if !fits {
        seen.causes.push(wrong(value, wanted));
        return;
    }
    check_scalar(value, schema, path, seen);
    match value {
        Value::Object(map) => fit_object(map, schema, path, seen),
        Value::Array(items) => {
            if let Some(below) = schema.get("items") {
                for (at, item) in items.iter_mut().enumerate() {
                    fit(item, below, &format!("{path}[{at}]"), seen);
                }
            }
        }
        _ => (),
    }
}

fn fit_object(map: &mut Map<String, Value>, schema: &Value, path: &str, seen: &mut Seen) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let free = schema.get("additionalProperties");
    let keeps = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    for (key, below) in properties.into_iter().flatten() {
        if let (false, Some(default)) = (map.contains_key(key), below.get("default")) {
            map.insert(key.clone(), default.clone());
        }
    }
    let untyped = properties.is_none() && free.is_none() && schema.get("type").is_none();
    let mut gone = Vec::new();
    for (key, value) in map.iter_mut() {
        let at = format!("{path}.{key}");
        let below = properties.and_then(|properties| properties.get(key));
        match (below, free) {
            (Some(below), _) => {
                // A null where none is allowed is as if it were not there.
                if value.is_null() && below.get("nullable") != Some(&Value::Bool(true)) {
                    gone.push(key.clone());
                } else {
                    fit(value, below, &at, seen);
                }
            }
            (None, Some(Value::Object(_))) => fit(value, free.unwrap_or(&Value::Null), &at, seen),
            (None, Some(Value::Bool(true))) => (),
            (None, _) if keeps || untyped => (),
            (None, _) => {
                seen.unknown.push(at);
                gone.push(key.clone());
            }
        }
    }
    map.retain(|key, _| !gone.contains(key));
    let required = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    for key in required.filter(|key| !map.contains_key(*key)) {
        seen.causes
            .push(Cause::required(&format!("{path}.{key}"), ""));
    }
}

fn check_scalar(value: &Value, schema: &Value, path: &str, seen: &mut Seen) {
    let mut bad = |why: String| {
        seen.causes.push(Cause::invalid(path, value, &why));
    };
    if let Some(options) = schema
        .get("enum")
        .and_then(Value::as_array)
        .filter(|options| !options.contains(value))
    {
        let options: Vec<String> = options.iter().map(Value::to_string).collect();
        seen.causes.push(Cause {
            reason: "FieldValueNotSupported",
            message: format!(
                "Unsupported value: {value}: supported values: {}",
                options.join(", ")
            ),
            field: path.to_owned(),
        });
        return;
    }
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    if let Some(is) = value.as_f64() {
        if let Some(least) = number("minimum").filter(|least| is < *least) {
            bad(format!(
                "{path} in body should be greater than or equal to {least}"
            ));
        } else if let Some(most) = number("maximum").filter(|most| is > *most) {
            bad(format!(
                "{path} in body should be less than or equal to {most}"
            ));
        }
    } else if let Some(text) = value.as_str() {
        let length = text.chars().count() as f64;
        if let Some(least) = number("minLength").filter(|least| length < *least) {
            bad(format!(
                "{path} in body should be at least {least} chars long"
            ));
        } else if let Some(most) = number("maxLength").filter(|most| length > *most) {
            bad(format!(
                "{path} in body should be at most {most} chars long"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::lab::resources::from_definition;

    fn dragonfly() -> Resource {
        let schema = json!({"type": "object", "properties": {
            "spec": {"type": "object", "required": ["image"], "properties": {
                "replicas": {"type": "integer", "minimum": 0, "default": 1},
                "image": {"type": "string", "minLength": 1},
                "args": {"type": "array", "items": {"type": "string"}},
                "policy": {"type": "string", "enum": ["A", "B"]},
                "limits": {"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": true}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}},
            "status": {"type": "object", "properties": {"phase": {"type": "string"}}}}});
        from_definition(&json!({"spec": {"group": "g.io", "scope": "Namespaced", "names": {"kind": "D", "plural": "ds"},
            "versions": [{"name": "v1", "served": true, "schema": {"openAPIV3Schema": schema}}]}}))
        .unwrap()
    }

    fn fit_spec(spec: Value, how: &str) -> Result<(Value, Vec<String>), Status> {
        let mut object = json!({"metadata": {"name": "d"}, "spec": spec});
        let warnings = fitted(&dragonfly(), &mut object, how)?;
        Ok((object.get("spec").cloned().unwrap(), warnings))
    }

    #[test]
    fn custom_resources_are_fitted_to_their_schema() {
        let (spec, warnings) = fit_spec(
            json!({"image": "i", "replcas": 2, "free": {"x": 1}, "policy": null}),
            "Warn",
        )
        .unwrap();
        assert_eq!(spec, json!({"image": "i", "replicas": 1, "free": {"x": 1}}));
        assert_eq!(warnings, ["unknown field \"spec.replcas\""]);
        let strict = fit_spec(json!({"image": "i", "replcas": 2}), "Strict").unwrap_err();
        assert_eq!(
            (strict.code, strict.message.as_str()),
            (
                400,
                "D in version \"v1\" cannot be handled as a D: strict decoding error: unknown field \"spec.replcas\""
            )
        );
    }

    #[test]
    fn custom_resources_that_do_not_fit_are_invalid() {
        let table = [
            (
                json!({"image": "i", "replicas": "two"}),
                "D.g.io \"d\" is invalid: [spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \
                 \"string\", <nil>: Invalid value: \"null\": some validation rules were not checked because the object was \
                 invalid; correct the existing errors to complete validation]",
            ),
            (
                json!({"image": "i", "replicas": -1}),
                "D.g.io \"d\" is invalid: spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0",
            ),
            (
                json!({"image": "i", "policy": "C"}),
                "D.g.io \"d\" is invalid: spec.policy: Unsupported value: \"C\": supported values: \"A\", \"B\"",
            ),
            (
                json!({}),
                "D.g.io \"d\" is invalid: spec.image: Required value",
            ),
            (
                json!({"image": "i", "args": ["a", 1]}),
                "D.g.io \"d\" is invalid: [spec.args[1]: Invalid value: \"integer\": spec.args[1] in body must be of type string: \
                 \"integer\", <nil>: Invalid value: \"null\": some validation rules were not checked because the object was \
                 invalid; correct the existing errors to complete validation]",
            ),
        ];
        for (spec, message) in table {
            assert_eq!(fit_spec(spec, "").unwrap_err().message, message);
        }
    }
}
