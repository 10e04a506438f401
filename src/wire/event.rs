//! Events, in the older spelling (core/v1) and the newer one (events.k8s.io/v1). The API server serves either for the
//! same event, so each field is looked for in both.

use jiff::Timestamp;
use serde_json::Value;

use super::read;
use crate::domain::object::{Event, Meta};

/// Decodes an event.
pub fn event(meta: Meta, value: &Value) -> Event {
    let about = ["involvedObject", "regarding"]
        .into_iter()
        .filter_map(|field| value.get(field))
        .find(|about| about.is_object())
        .unwrap_or(&Value::Null);
    let single = time(value, &[&["eventTime"]]);
    let first = time(value, &[&["firstTimestamp"], &["deprecatedFirstTimestamp"]]);
    let last = time(value, &[&["lastTimestamp"], &["deprecatedLastTimestamp"]]);
    let series = time(value, &[&["series", "lastObservedTime"]]);
    let count = [
        &["series", "count"] as &[&str],
        &["count"],
        &["deprecatedCount"],
    ]
    .into_iter()
    .map(|path| read::count(value, path))
    .max()
    .unwrap_or(0);
    Event {
        about_kind: read::line_or_empty(about, &["kind"]),
        about_name: read::line_or_empty(about, &["name"]),
        about_uid: read::line_or_empty(about, &["uid"]),
        warning: read::line(value, &["type"]).is_some_and(|t| t == "Warning"),
        reason: read::line_or_empty(value, &["reason"]),
        note: prose(value, &[&["message"], &["note"]]),
        count: count.max(1),
        at: [series, last, single]
            .into_iter()
            .flatten()
            .max()
            .or(first)
            .or(meta.created),
        first: [first, single].into_iter().flatten().min().or(meta.created),
        source: source(value),
        meta,
    }
}

fn time(value: &Value, paths: &[&[&str]]) -> Option<Timestamp> {
    paths.iter().find_map(|path| read::time(value, path))
}

fn prose(value: &Value, paths: &[&[&str]]) -> String {
    paths
        .iter()
        .map(|path| read::prose(value, path))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

fn source(value: &Value) -> String {
    [
        &["reportingComponent"] as &[&str],
        &["reportingController"],
        &["source", "component"],
        &["deprecatedSource", "component"],
    ]
    .into_iter()
    .find_map(|path| read::line(value, path))
    .unwrap_or_default()
}
