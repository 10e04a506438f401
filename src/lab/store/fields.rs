//! `metadata.managedFields`: who wrote which field last, and when.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::object;
use super::write::Writer;
use crate::lab::clock;
use crate::lab::resources::Resource;
use crate::lab::schema::{self, ListShape};

/// Paths of fields in the spelling of `FieldsV1`: `f:spec`, `k:{"name":"dragonfly"}`, `v:"finalizer"`. A path stands for
/// the field itself, not for what lies below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet(pub BTreeSet<Vec<String>>);

/// One entry of `managedFields`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The field manager.
    pub manager: String,
    /// Whether it wrote by server-side apply.
    pub applies: bool,
    /// `status`, `scale`, or empty.
    pub subresource: String,
    /// `apiVersion` of the fields.
    pub api_version: String,
    /// Last change of the set.
    pub time: String,
    /// The fields.
    pub fields: FieldSet,
}

/// What the server itself fills in belongs to nobody.
const UNOWNED: &[&str] = &[
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "resourceVersion",
    "generation",
    "managedFields",
    "selfLink",
];

impl FieldSet {
    /// Every field that `value` sets.
    pub fn of(value: &Value, custom: bool) -> Self {
        let mut set = Self::default();
        walk(
            value,
            custom,
            &mut Vec::new(),
            &mut Vec::new(),
            &mut |path, _, _| {
                set.0.insert(path.to_vec());
            },
        );
        set
    }

    /// As `fieldsV1`.
    pub fn to_v1(&self) -> Value {
        let mut root = json!({});
        for path in &self.0 {
            plant(&mut root, path);
        }
        fold(&mut root);
        root
    }

    /// From `fieldsV1`.
    pub fn from_v1(value: &Value) -> Self {
        fn read(value: &Value, path: &mut Vec<String>, set: &mut FieldSet) {
            let Some(map) = value.as_object() else { return };
            if map.is_empty() && !path.is_empty() {
                set.0.insert(path.clone());
            }
            for (step, below) in map {
                if step == "." {
                    set.0.insert(path.clone());
                } else {
                    path.push(step.clone());
                    read(below, path, set);
                    path.pop();
                }
            }
        }
        let mut set = Self::default();
        read(value, &mut Vec::new(), &mut set);
        set
    }
}

/// Adds one path; its end is marked with a dot, which [`fold`] drops again from leaves.
fn plant(at: &mut Value, path: &[String]) {
    let map = object::map(at);
    match path {
        [] => {
            map.insert(".".into(), json!({}));
        }
        [step, rest @ ..] => plant(map.entry(step.clone()).or_insert_with(|| json!({})), rest),
    }
}

/// Turns `{"f:a": {".": {}}}` into `{"f:a": {}}`: the dot is written only beside other children.
fn fold(value: &mut Value) {
    let Some(map) = value.as_object_mut() else {
        return;
    };
    if map.len() == 1 && map.contains_key(".") {
        map.clear();
    }
    map.values_mut().for_each(fold);
}

/// Calls `visit` for every field that can be owned, with its value, and whether that value is owned as a whole (else its
/// children tell of it).
pub(in crate::lab) fn walk<'v>(
    value: &'v Value,
    custom: bool,
    names: &mut Vec<&'v str>,
    path: &mut Vec<String>,
    visit: &mut dyn FnMut(&[String], &Value, bool),
) {
    match value {
        Value::Object(map) => {
            if !path.is_empty() && (map.is_empty() || schema::is_map(names)) {
                visit(path, value, map.is_empty());
            }
            for (key, below) in map {
                if names.is_empty() && (key == "apiVersion" || key == "kind") {
                    continue;
                }
                if names.len() == 1
                    && names.first() == Some(&"metadata")
                    && UNOWNED.contains(&key.as_str())
                {
                    continue;
                }
                names.push(key);
                path.push(format!("f:{key}"));
                walk(below, custom, names, path, visit);
                path.pop();
                names.pop();
            }
        }
        Value::Array(items) => match schema::list_shape(custom, names) {
            ListShape::Atomic => visit(path, value, true),
            shape => {
                let keyed = matches!(shape, ListShape::Keyed(_));
                if keyed || items.is_empty() {
                    visit(path, value, items.is_empty());
                }
                for item in items {
                    path.push(item_step(shape, item));
                    visit(path, item, !keyed);
                    if keyed {
                        walk(item, custom, names, path, visit);
                    }
                    path.pop();
                }
            }
        },
        _ => visit(path, value, true),
    }
}

/// How `FieldsV1` names an item of a set or keyed list.
pub(in crate::lab) fn item_step(shape: ListShape, item: &Value) -> String {
    match shape {
        ListShape::Keyed(keys) => {
            let mut named = Map::new();
            for key in keys {
                let value = match item.get(*key) {
                    Some(value) => value.clone(),
                    None if *key == "protocol" => "TCP".into(),
                    None => continue,
                };
                named.insert((*key).into(), value);
            }
            format!("k:{}", Value::Object(named))
        }
        _ => format!("v:{item}"),
    }
}

/// The entries of an object.
pub(in crate::lab) fn entries(value: &Value) -> Vec<Owned> {
    let list = value
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let text = |entry: &Value, key: &str| {
        entry
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    list.into_iter()
        .flatten()
        .map(|entry| Owned {
            manager: text(entry, "manager"),
            applies: text(entry, "operation") == "Apply",
            subresource: text(entry, "subresource"),
            api_version: text(entry, "apiVersion"),
            time: text(entry, "time"),
            fields: FieldSet::from_v1(entry.get("fieldsV1").unwrap_or(&Value::Null)),
        })
        .collect()
}

/// Every field of an object with its value; null stands for what is told by the fields below it.
pub(in crate::lab) fn leaves(value: &Value, custom: bool) -> BTreeMap<Vec<String>, Value> {
    let mut all = BTreeMap::new();
    walk(
        value,
        custom,
        &mut Vec::new(),
        &mut Vec::new(),
        &mut |path, at, whole| {
            let own = if whole { at.clone() } else { Value::Null };
            all.insert(path.to_vec(), own);
        },
    );
    all
}

/// Notes a write: changed fields go to the writer and leave everybody else; what an apply sent is the writer's whole set.
pub(super) fn record(
    value: &mut Value,
    old: Option<&Value>,
    by: Writer<'_>,
    resource: &Resource,
    now: Timestamp,
) {
    let custom = resource.custom();
    let (was, is) = (
        old.map(|old| leaves(old, custom)).unwrap_or_default(),
        leaves(value, custom),
    );
    let changed: BTreeSet<Vec<String>> = is
        .iter()
        .filter(|(path, at)| was.get(*path) != Some(at))
        .map(|(path, _)| path.clone())
        .collect();
    let mut owned = entries(value);
    let mine = |entry: &Owned| {
        entry.manager == by.manager
            && entry.applies == by.applied.is_some()
            && entry.subresource == by.subresource
    };
    for entry in &mut owned {
        let own = mine(entry);
        entry
            .fields
            .0
            .retain(|path| is.contains_key(path) && (own || !changed.contains(path)));
    }
    let before = owned
        .iter()
        .find(|entry| mine(entry))
        .map(|entry| entry.fields.clone())
        .unwrap_or_default();
    let after = match by.applied {
        Some(set) => set.clone(),
        None => FieldSet(before.0.union(&changed).cloned().collect()),
    };
    let news = before != after || !changed.is_empty();
    match owned.iter_mut().find(|entry| mine(entry)) {
        Some(entry) => {
            entry.fields = after;
            if news {
                entry.time = clock::seconds(now);
            }
        }
        None => owned.push(Owned {
            manager: by.manager.to_owned(),
            applies: by.applied.is_some(),
            subresource: by.subresource.to_owned(),
            api_version: resource.api_version(),
            time: clock::seconds(now),
            fields: after,
        }),
    }
    owned.retain(|entry| !entry.fields.0.is_empty());
    // Applies first, then by time: the order an API server keeps.
    owned.sort_by(|a, b| {
        b.applies
            .cmp(&a.applies)
            .then(a.time.cmp(&b.time))
            .then(a.manager.cmp(&b.manager))
    });
    let list: Vec<Value> = owned.iter().map(Owned::value).collect();
    let meta = object::metadata(value);
    if list.is_empty() {
        meta.remove("managedFields");
    } else {
        meta.insert("managedFields".into(), list.into());
    }
}

impl Owned {
    fn value(&self) -> Value {
        let mut entry = json!({
            "manager": self.manager,
            "operation": if self.applies { "Apply" } else { "Update" },
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.to_v1(),
        });
        if let (false, Some(map)) = (self.subresource.is_empty(), entry.as_object_mut()) {
            map.insert("subresource".into(), self.subresource.clone().into());
        }
        entry
    }
}
