//! A stored object: its JSON text, and what is asked of it often.

use std::fmt;
use std::sync::{Arc, OnceLock};

use hyper::body::Bytes;
use serde_json::{Map, Value};

use crate::lab::resources::Resource;

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
    /// In the order of [`Resource::fields`].
    fields: Vec<String>,
    resource: Arc<Resource>,
    /// Without `kind` and `apiVersion`: items of a typed list do not carry them.
    bare: Bytes,
    metadata_only: OnceLock<Bytes>,
}

impl Object {
    pub(super) fn new(value: &Value, revision: u64, resource: &Arc<Resource>) -> Self {
        let meta = value.get("metadata").and_then(Value::as_object);
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
            deleting: meta.is_some_and(|m| m.contains_key("deletionTimestamp")),
            finalizers: list("finalizers")
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            owners: list("ownerReferences")
                .filter_map(|owner| owner.get("uid").and_then(Value::as_str))
                .map(str::to_owned)
                .collect(),
            labels: labels
                .into_iter()
                .flatten()
                .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            fields: resource
                .fields
                .iter()
                .map(|path| field(value, path))
                .collect(),
            resource: Arc::clone(resource),
            bare: bare(value),
            metadata_only: OnceLock::new(),
        }
    }

    /// The object, parsed afresh: keep it rather than asking twice.
    pub fn value(&self) -> Value {
        let mut value: Value = serde_json::from_slice(&self.bare).unwrap_or(Value::Null);
        let top = map(&mut value);
        top.insert("apiVersion".into(), self.resource.api_version().into());
        top.insert("kind".into(), self.resource.kind.as_ref().into());
        value
    }

    /// Appends the object as JSON text, `kind` and `apiVersion` first.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            format!(
                "{{\"kind\":\"{}\",\"apiVersion\":\"{}\"",
                self.resource.kind,
                self.resource.api_version()
            )
            .as_bytes(),
        );
        match self.bare.get(1..) {
            Some(rest) if rest.len() > 1 => {
                out.push(b',');
                out.extend_from_slice(rest);
            }
            _ => out.push(b'}'),
        }
    }

    /// The JSON text as an item of a list: without `kind` and `apiVersion` for built-in kinds, as a real server answers.
    pub fn write_item(&self, out: &mut Vec<u8>) {
        if self.resource.custom() {
            self.write_json(out)
        } else {
            out.extend_from_slice(&self.bare)
        }
    }

    /// A `PartialObjectMetadata` as JSON text, made once.
    pub fn metadata_json(&self) -> &Bytes {
        self.metadata_only
            .get_or_init(|| partial(&self.value()).to_string().into())
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

    /// The value of a selectable field, empty when it is not set; `None` when the kind cannot be selected by it.
    pub fn field(&self, path: &str) -> Option<&str> {
        match path {
            "metadata.name" => Some(&self.name),
            "metadata.namespace" => Some(&self.namespace),
            _ => {
                let at = self
                    .resource
                    .fields
                    .iter()
                    .position(|known| *known == path)?;
                self.fields.get(at).map(String::as_str)
            }
        }
    }

    /// The same object with another `resourceVersion`.
    pub(in crate::lab) fn at_revision(&self, revision: u64) -> Self {
        let mut value = self.value();
        set_revision(&mut value, revision);
        Self::new(&value, revision, &self.resource)
    }

    /// The kind.
    pub fn resource(&self) -> &Arc<Resource> {
        &self.resource
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}/{}@{}",
            self.resource.plural, self.namespace, self.name, self.revision
        )
    }
}

/// `metadata` under the kind `PartialObjectMetadata`.
pub(in crate::lab) fn partial(value: &Value) -> Value {
    serde_json::json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": value.get("metadata").cloned().unwrap_or(Value::Null),
    })
}

fn bare(value: &Value) -> Bytes {
    struct Bare<'a>(&'a Value);
    impl serde::Serialize for Bare<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let map = self.0.as_object().into_iter().flatten();
            serializer.collect_map(map.filter(|(key, _)| *key != "kind" && *key != "apiVersion"))
        }
    }
    // A `Value` always serialises.
    serde_json::to_vec(&Bare(value)).unwrap_or_default().into()
}

fn field(value: &Value, path: &str) -> String {
    let mut at = value;
    for step in path.split('.') {
        match at.get(step) {
            Some(below) => at = below,
            None => return String::new(),
        }
    }
    match at {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
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
