//! JSON patch and JSON merge patch; strategic merge patch is in `strategic.rs`.

use serde_json::Value;

use super::strategic;
use crate::lab::resources::Resource;
use crate::lab::status::Status;

/// A patch that has been read.
#[derive(Debug, PartialEq)]
pub(super) enum Patch {
    /// RFC 6902.
    Json(Vec<Step>),
    /// RFC 7386.
    Merge(Value),
    /// Strategic merge.
    Strategic(Value),
}

/// One operation of a JSON patch.
#[derive(Debug, PartialEq)]
pub(super) struct Step {
    operation: String,
    path: Vec<String>,
    from: Vec<String>,
    value: Option<Value>,
}

impl Patch {
    /// Reads a body by its content type.
    ///
    /// # Errors
    /// 415 for a type that is not taken, 400 for a body that is not one.
    pub(super) fn read(
        content_type: &str,
        body: &[u8],
        resource: &Resource,
    ) -> Result<Self, Status> {
        let bad = |error: serde_json::Error| {
            Status::bad_request(format!("error decoding patch: {error}"))
        };
        let value = || serde_json::from_slice::<Value>(body).map_err(bad);
        match content_type {
            "application/json-patch+json" => {
                let value = value()?;
                let list = value.as_array().ok_or_else(|| {
                    Status::bad_request(
                        "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
                    )
                })?;
                if list.len() > 10_000 {
                    return Err(Status::bad_request(
                        "The allowed maximum operations in a JSON patch is 10000",
                    ));
                }
                list.iter()
                    .map(Step::read)
                    .collect::<Option<Vec<_>>>()
                    .map(Self::Json)
                    .ok_or_else(rejected)
            }
            "application/merge-patch+json" => Ok(Self::Merge(value()?)),
            "application/strategic-merge-patch+json" if !resource.custom() => {
                Ok(Self::Strategic(value()?))
            }
            _ if resource.custom() => Err(Status::unsupported_media_type(
                "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
            )),
            _ => Err(Status::unsupported_media_type(
                "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, \
                 application/apply-patch+yaml",
            )),
        }
    }

    /// The patched object.
    ///
    /// # Errors
    /// 422 when an operation cannot be carried out.
    pub(super) fn apply(&self, live: &Value) -> Result<Value, Status> {
        let mut value = live.clone();
        match self {
            Self::Json(steps) => {
                for step in steps {
                    step.run(&mut value).ok_or_else(rejected)?;
                }
            }
            Self::Merge(patch) => merge(&mut value, patch),
            Self::Strategic(patch) => strategic::merge(&mut value, patch)?,
        }
        Ok(value)
    }
}

/// What an API server says of a JSON patch that fails.
fn rejected() -> Status {
    Status {
        code: 422,
        reason: "Invalid",
        message: "the server rejected our request due to an error in our request".into(),
        details: serde_json::json!({}),
        metadata: Value::Null,
    }
}

/// RFC 7386.
pub(in crate::lab) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    let target = crate::lab::store::map(target);
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

impl Step {
    fn read(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let step = Self {
            operation: text("op")?.to_owned(),
            path: pointer(text("path")?)?,
            from: match text("from") {
                Some(from) => pointer(from)?,
                None => Vec::new(),
            },
            value: value.get("value").cloned(),
        };
        let complete = match step.operation.as_str() {
            "add" | "replace" | "test" => true,
            "remove" => true,
            "move" | "copy" => text("from").is_some(),
            _ => false,
        };
        complete.then_some(step)
    }

    fn run(&self, root: &mut Value) -> Option<()> {
        let value = || self.value.clone().unwrap_or(Value::Null);
        match self.operation.as_str() {
            "add" => add(root, &self.path, value()),
            "replace" => {
                *at_mut(root, &self.path)? = value();
                Some(())
            }
            "remove" => remove(root, &self.path).map(|_| ()),
            "test" => {
                let found = at(root, &self.path);
                // A missing value passes a test for null.
                (found.unwrap_or(&Value::Null) == &value()).then_some(())
            }
            "move" => {
                let value = remove(root, &self.from)?;
                add(root, &self.path, value)
            }
            "copy" => {
                let value = at(root, &self.from)?.clone();
                add(root, &self.path, value)
            }
            _ => None,
        }
    }
}

fn pointer(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let rest = text.strip_prefix('/')?;
    Some(
        rest.split('/')
            .map(|step| step.replace("~1", "/").replace("~0", "~"))
            .collect(),
    )
}

fn at<'v>(root: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(root, |value, step| match value {
        Value::Object(map) => map.get(step),
        Value::Array(list) => list.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

fn at_mut<'v>(root: &'v mut Value, path: &[String]) -> Option<&'v mut Value> {
    path.iter().try_fold(root, |value, step| match value {
        Value::Object(map) => map.get_mut(step),
        Value::Array(list) => list.get_mut(step.parse::<usize>().ok()?),
        _ => None,
    })
}

fn add(root: &mut Value, path: &[String], value: Value) -> Option<()> {
    let Some((last, parent)) = path.split_last() else {
        *root = value;
        return Some(());
    };
    match at_mut(root, parent)? {
        Value::Object(map) => {
            map.insert(last.clone(), value);
        }
        Value::Array(list) if last == "-" => list.push(value),
        Value::Array(list) => {
            let at = last.parse::<usize>().ok().filter(|at| *at <= list.len())?;
            list.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(root: &mut Value, path: &[String]) -> Option<Value> {
    let (last, parent) = path.split_last()?;
    match at_mut(root, parent)? {
        Value::Object(map) => map.remove(last),
        Value::Array(list) => {
            let at = last.parse::<usize>().ok().filter(|at| *at < list.len())?;
            Some(list.remove(at))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::lab::resources::{PODS, built_in};

    fn pods() -> Resource {
        built_in()
            .into_iter()
            .find(|resource| resource.id() == PODS)
            .unwrap()
    }

    fn read(content_type: &str, patch: &Value) -> Result<Patch, Status> {
        Patch::read(content_type, patch.to_string().as_bytes(), &pods())
    }

    #[test]
    fn json_patches() {
        let live = json!({"a": {"b": [1, 2]}, "l": {"x/y": "z"}});
        let table = [
            (
                json!([{"op": "add", "path": "/a/b/-", "value": 3}]),
                Some(json!({"a": {"b": [1, 2, 3]}, "l": {"x/y": "z"}})),
            ),
            (
                json!([{"op": "add", "path": "/a/b/0", "value": 0}]),
                Some(json!({"a": {"b": [0, 1, 2]}, "l": {"x/y": "z"}})),
            ),
            (
                json!([{"op": "remove", "path": "/l/x~1y"}]),
                Some(json!({"a": {"b": [1, 2]}, "l": {}})),
            ),
            (
                json!([{"op": "replace", "path": "/a", "value": 1}]),
                Some(json!({"a": 1, "l": {"x/y": "z"}})),
            ),
            (
                json!([{"op": "move", "from": "/a/b", "path": "/m"}]),
                Some(json!({"a": {}, "l": {"x/y": "z"}, "m": [1, 2]})),
            ),
            (
                json!([{"op": "copy", "from": "/a/b/1", "path": "/m"}]),
                Some(json!({"a": {"b": [1, 2]}, "l": {"x/y": "z"}, "m": 2})),
            ),
            (
                json!([{"op": "test", "path": "/a/b/1", "value": 2}]),
                Some(live.clone()),
            ),
            (json!([{"op": "test", "path": "/a/b/1", "value": 9}]), None),
            (
                json!([{"op": "replace", "path": "/none", "value": 1}]),
                None,
            ),
            (json!([{"op": "remove", "path": "/none"}]), None),
            (json!([{"op": "add", "path": "/a/b/7", "value": 1}]), None),
        ];
        for (patch, expected) in table {
            let result = read("application/json-patch+json", &patch)
                .unwrap()
                .apply(&live);
            assert_eq!(result.clone().ok(), expected, "{patch}");
            if let Err(status) = result {
                assert_eq!((status.code, status.reason), (422, "Invalid"));
            }
        }
        assert_eq!(
            read("application/json-patch+json", &json!({}))
                .unwrap_err()
                .code,
            400
        );
        assert_eq!(
            read(
                "application/json-patch+json",
                &json!([{"op": "dance", "path": "/a"}])
            )
            .unwrap_err()
            .code,
            422
        );
    }

    #[test]
    fn merge_patches() {
        let live = json!({"a": {"b": 1, "c": [1, 2]}, "d": 1});
        let table = [
            (
                json!({"a": {"b": null}}),
                json!({"a": {"c": [1, 2]}, "d": 1}),
            ),
            (
                json!({"a": {"c": [3]}}),
                json!({"a": {"b": 1, "c": [3]}, "d": 1}),
            ),
            (
                json!({"d": {"e": 1}}),
                json!({"a": {"b": 1, "c": [1, 2]}, "d": {"e": 1}}),
            ),
            (
                json!({"n": {"x": null, "y": 1}}),
                json!({"a": {"b": 1, "c": [1, 2]}, "d": 1, "n": {"y": 1}}),
            ),
        ];
        for (patch, expected) in table {
            assert_eq!(
                read("application/merge-patch+json", &patch)
                    .unwrap()
                    .apply(&live)
                    .unwrap(),
                expected,
                "{patch}"
            );
        }
    }

    #[test]
    fn custom_kinds_take_no_strategic_patch() {
        let mut custom = pods();
        custom.schema = Some(json!({}));
        let error =
            Patch::read("application/strategic-merge-patch+json", b"{}", &custom).unwrap_err();
        assert_eq!(
            error.message,
            "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
        );
        assert_eq!(read("text/plain", &json!({})).unwrap_err().code, 415);
    }
}
