//! Objects of kinds that are listed on demand: kept as JSON, trimmed to what is read of them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{hosts, meta, monitoring, read};
use crate::domain::object::Meta;
use crate::domain::text;
use crate::domain::want::{Foreign, ForeignObject, How};

/// Decodes an object of such a kind; `None` when it does not even say what it is called, or is not what is asked about.
pub fn foreign(what: Foreign, value: &Value) -> Option<ForeignObject> {
    let mut meta = meta::of(value)?;
    if what == Foreign::MetricsService && !monitoring::serves_metrics(value) {
        return None;
    }
    if matches!(what, Foreign::PrometheusRule | Foreign::VmRule) {
        let body = monitoring::rule_object(value);
        return Some(ForeignObject { meta, body });
    }
    let how = what.doc().reading;
    if how == How::Many && what != Foreign::MetricsService {
        meta = Meta {
            namespace: meta.namespace,
            name: meta.name,
            owner: meta.owner,
            ..Meta::default()
        };
    }
    if how == How::Metadata {
        let body = written(value);
        return Some(ForeignObject { meta, body });
    }
    let mut body = Value::Object(Map::new());
    for path in what.doc().kept {
        if let Some(found) = read::at(value, path) {
            put(&mut body, path, plain(found));
        }
    }
    if let (Some(told), Value::Object(fields)) = (hosts::of(what, value), &mut body) {
        fields.extend(told);
    }
    for (key, path) in derived(what) {
        if let Some(written) = last_writer(value, path) {
            put(&mut body, &[key], written);
        }
    }
    Some(ForeignObject { meta, body })
}

/// What is told of who wrote a field last: under which name it is kept, and which field, as managed fields spell its path.
fn derived(what: Foreign) -> &'static [(&'static str, &'static [&'static str])] {
    match what {
        Foreign::GitRepository
        | Foreign::HelmRelease
        | Foreign::HelmRepository
        | Foreign::Kustomization
        | Foreign::OciRepository => &[
            ("suspendedBy", &["f:spec", "f:suspend"]),
            ("specBy", &["f:spec"]),
        ],
        _ => &[],
    }
}

/// Who owns a field by the managed fields, and when that was last written: `manager` and `at`. The latest of several.
pub(super) fn last_writer(value: &Value, path: &[&str]) -> Option<Value> {
    let owns = |entry: &&Value| {
        let fields = entry.get("fieldsV1");
        fields.is_some_and(|fields| read::at(fields, path).is_some())
    };
    let entry = read::list(value, &["metadata", "managedFields"])
        .iter()
        .filter(owns)
        .max_by_key(|entry| read::time(entry, &["time"]))?;
    Some(serde_json::json!({
        "manager": read::line_or_empty(entry, &["manager"]),
        "at": read::time(entry, &["time"]).map(|at| at.to_string()),
    }))
}

/// What the metadata of an object tells of what it holds: `keys`, the names of what is under its `data`, and `changed`, when
/// that was last written, both by its managed fields. Values are not in there.
fn written(value: &Value) -> Value {
    let (mut keys, mut changed): (BTreeSet<String>, Option<Timestamp>) = Default::default();
    for entry in read::list(value, &["metadata", "managedFields"]) {
        for field in ["f:data", "f:stringData"] {
            let Some(Value::Object(held)) = read::at(entry, &["fieldsV1", field]) else {
                continue;
            };
            let names = held.keys().filter_map(|key| key.strip_prefix("f:"));
            keys.extend(names.map(text::one_line));
            changed = changed.max(read::time(entry, &["time"]));
        }
    }
    let changed = changed.or_else(|| read::time(value, &["metadata", "creationTimestamp"]));
    // An object from before managed fields were kept tells nothing of its keys, which is not to have none.
    let told = !read::list(value, &["metadata", "managedFields"]).is_empty();
    serde_json::json!({"keys": keys, "changed": changed.map(|at| at.to_string()), "told": told})
}

/// Puts a value at a path, making the objects on the way.
fn put(body: &mut Value, path: &[&str], value: Value) {
    let Value::Object(fields) = body else { return };
    match path {
        [] => {}
        [last] => {
            fields.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let inner = fields
                .entry(*first)
                .or_insert_with(|| Value::Object(Map::new()));
            put(inner, rest, value);
        }
    }
}

/// The same value with every text in it safe to draw.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text::one_line(text)),
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (text::one_line(key), plain(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_read_is_kept_and_it_is_safe_to_draw() {
        let class = json!({
            "metadata": {"name": "fast\u{1b}[2J", "managedFields": [{"manager": "x"}]},
            "provisioner": "csi.example\u{202e}", "allowVolumeExpansion": true, "parameters": {"secret": "s"},
        });
        let kept = foreign(Foreign::StorageClass, &class).unwrap();
        assert_eq!(&*kept.meta.name, "fast");
        assert_eq!(
            kept.body,
            json!({"provisioner": "csi.example", "allowVolumeExpansion": true})
        );
        assert_eq!(
            foreign(Foreign::StorageClass, &json!({"metadata": {}})),
            None
        );
        assert_eq!(foreign(Foreign::StorageClass, &json!(3)), None);
    }

    #[test]
    fn of_a_secret_only_the_names_of_its_keys_are_known() {
        let secret = json!({
            "metadata": {
                "name": "auth", "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [
                    {"manager": "external-secrets", "time": "2026-01-03T00:00:00Z",
                     "fieldsV1": {"f:data": {".": {}, "f:password": {}}, "f:type": {}}},
                    {"manager": "label", "time": "2026-01-05T00:00:00Z", "fieldsV1": {"f:metadata": {}}},
                ],
            },
            "data": {"password": "c2VjcmV0"},
        });
        let kept = foreign(Foreign::Secret, &secret).unwrap();
        assert_eq!(
            kept.body,
            json!({"keys": ["password"], "changed": "2026-01-03T00:00:00Z", "told": true})
        );
        let bare = json!({"metadata": {"name": "old", "creationTimestamp": "2026-01-01T00:00:00Z"}, "data": {"a": "b"}});
        let kept = foreign(Foreign::Secret, &bare).unwrap();
        assert_eq!(
            kept.body,
            json!({"keys": [], "changed": "2026-01-01T00:00:00Z", "told": false})
        );
    }

    #[test]
    fn who_suspended_a_release_is_told_by_its_managed_fields() {
        let release = json!({
            "metadata": {
                "name": "op", "namespace": "flux-system",
                "managedFields": [
                    {"manager": "kustomize-controller", "time": "2026-01-01T00:00:00Z",
                     "fieldsV1": {"f:spec": {"f:chartRef": {}}}},
                    {"manager": "flux", "time": "2026-01-04T00:00:00Z", "fieldsV1": {"f:spec": {"f:suspend": {}}}},
                    {"manager": "helm-controller", "time": "2026-01-05T00:00:00Z", "subresource": "status",
                     "fieldsV1": {"f:status": {}}},
                ],
            },
            "spec": {"suspend": true, "values": {"password": "s"}},
        });
        let kept = foreign(Foreign::HelmRelease, &release).unwrap();
        let by = json!({"manager": "flux", "at": "2026-01-04T00:00:00Z"});
        assert_eq!(kept.body.get("spec"), Some(&json!({"suspend": true})));
        assert_eq!(kept.body.get("suspendedBy"), Some(&by));
        assert_eq!(kept.body.get("specBy"), Some(&by));
        assert_eq!(last_writer(&json!({"metadata": {}}), &["f:spec"]), None);
    }

    #[test]
    fn what_is_deep_stays_where_it_was() {
        let mut body = json!({});
        put(&mut body, &["spec", "a", "b"], json!(1));
        put(&mut body, &["spec", "c"], json!(2));
        assert_eq!(body, json!({"spec": {"a": {"b": 1}, "c": 2}}));
    }
}
