//! A stored object: its JSON text, and what is asked of it often.

use std::fmt;

use hyper::body::Bytes;
use serde_json::{Map, Value};

/// One object at one revision. Never changes; a write makes another.
pub struct Object {
    /// Namespace, empty when cluster-scoped.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion` as a number.
    pub revision: u64,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// `metadata.finalizers`.
    pub finalizers: Vec<String>,
    /// Uids of `metadata.ownerReferences`.
    pub owners: Vec<String>,
    labels: Vec<(String, String)>,
    json: Bytes,
}

impl Object {
    pub(super) fn new(value: &Value, revision: u64) -> Self {
        let meta = value.get("metadata");
        let text = |key: &str| {
            meta.and_then(|m| m.get(key))
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let list = |key: &str| {
            meta.and_then(|m| m.get(key))
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
        };
        let labels = meta
            .and_then(|m| m.get("labels"))
            .and_then(Value::as_object);
        Self {
            namespace: text("namespace"),
            name: text("name"),
            uid: text("uid"),
            revision,
            deleting: meta.and_then(|m| m.get("deletionTimestamp")).is_some(),
            finalizers: list("finalizers")
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            owners: list("ownerReferences")
                .filter_map(|owner| owner.get("uid").and_then(Value::as_str))
                .map(str::to_owned)
                .collect(),
            labels: labels
                .map(|map| {
                    map.iter()
                        .map(|(key, value)| {
                            (key.clone(), value.as_str().unwrap_or_default().to_owned())
                        })
                        .collect()
                })
                .unwrap_or_default(),
            // A `Value` always serialises.
            json: serde_json::to_vec(value).unwrap_or_default().into(),
        }
    }

    /// The object, parsed afresh: keep it rather than asking twice.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.json).unwrap_or(Value::Null)
    }

    /// The object as JSON text.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// One label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    }

    /// All labels, sorted by key.
    pub fn labels(&self) -> &[(String, String)] {
        &self.labels
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.namespace, self.name, self.revision)
    }
}

/// The value as a map; anything else becomes an empty one first.
pub(in crate::lab) fn map(value: &mut Value) -> &mut Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => {
            *other = Value::Object(Map::new());
            map(other)
        }
    }
}

/// `metadata` as a map, made when it is missing.
pub(in crate::lab) fn metadata(value: &mut Value) -> &mut Map<String, Value> {
    map(map(value).entry("metadata").or_insert(Value::Null))
}

pub(super) fn set_revision(value: &mut Value, revision: u64) {
    metadata(value).insert("resourceVersion".into(), revision.to_string().into());
}
