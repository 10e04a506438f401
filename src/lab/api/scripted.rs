//! Services behind which nothing runs in a lab, and that answer by a script: one whose annotation `lab/answers` names a ConfigMap
//! of its namespace. Each entry of that is JSON, and the first in the order of their keys that fits answers:
//!
//! `{"path": "api/v1/query", "contains": "dragonfly_master", "code": 200, "type": "text/html", "body": ..., "wait": 500, "times": 1}`
//!
//! `path` is how the path ends and `contains` a part of the parameter `query`; both may be missing. `body` is text or JSON,
//! sent `times` times over after `wait` milliseconds. What fits no entry is answered by 404, as a server does that has no such
//! page.

use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::Value;

use super::Desk;
use super::call::Call;
use super::reply::{self, Reply};
use crate::lab::resources::{CONFIG_MAPS, SERVICES};
use crate::lab::status::Status;

/// The annotation that names the script.
const ANNOTATION: &str = "lab/answers";

/// What the script of a Service says to a request; `None` for a Service without one.
pub(super) async fn answer(
    desk: &Desk,
    call: &Call,
    service: &str,
) -> Result<Option<Reply>, Status> {
    let found = desk.store.get(SERVICES, &call.namespace, service)?.value();
    let annotations = found.pointer("/metadata/annotations");
    let script = annotations
        .and_then(|all| all.get(ANNOTATION))
        .and_then(Value::as_str);
    let Some(script) = script else {
        return Ok(None);
    };
    let map = desk
        .store
        .get(CONFIG_MAPS, &call.namespace, script)?
        .value();
    let entries = map.pointer("/data").and_then(Value::as_object);
    let entries = entries.into_iter().flatten().filter_map(|(_, text)| {
        let entry: Value = serde_json::from_str(text.as_str()?).ok()?;
        Some(entry)
    });
    for entry in entries {
        if fits(&entry, &call.rest, call.query.get("query")) {
            return Ok(Some(told(&entry).await));
        }
    }
    Ok(Some(reply::text(404, "404 page not found")))
}

fn fits(entry: &Value, path: &str, query: &str) -> bool {
    let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
    path.ends_with(text("path")) && query.contains(text("contains"))
}

async fn told(entry: &Value) -> Reply {
    let number = |field: &str| entry.get(field).and_then(Value::as_u64);
    if let Some(wait) = number("wait") {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    let body = match entry.get("body") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let times = number("times").and_then(|times| usize::try_from(times).ok());
    let code = number("code").and_then(|code| u16::try_from(code).ok());
    let mut reply = reply::json_text(code.unwrap_or(200), body.repeat(times.unwrap_or(1)));
    let kind = entry.get("type").and_then(Value::as_str);
    if let Some(kind) = kind.and_then(|kind| HeaderValue::from_str(kind).ok()) {
        reply.headers_mut().insert(CONTENT_TYPE, kind);
    }
    reply
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_fits_by_path_and_query() {
        for (entry, wanted) in [
            (json!({}), true),
            (json!({"path": "query"}), true),
            (json!({"path": "api/v1/query", "contains": "up"}), true),
            (json!({"path": "rules"}), false),
            (json!({"contains": "down"}), false),
        ] {
            assert_eq!(
                fits(&entry, "select/0/api/v1/query", "up == 0"),
                wanted,
                "{entry}"
            );
        }
    }
}
