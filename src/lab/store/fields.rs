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
    /// Every field that `value` sets, as a server-side apply owns them: objects and lists that are merged belong to nobody.
    pub fn of(value: &Value, custom: bool) -> Self {
        let mut set = Self::default();
        walk(
            value,
            custom,
            &mut Vec::new(),
            &mut Vec::new(),
            &mut |path, _, part| {
                if part != Part::Node {
                    set.0.insert(path.to_vec());
                }
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

/// What an owned field is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) enum Part {
    /// A value without fields of its own.
    Whole,
    /// An object or list whose parts are owned one by one.
    Node,
    /// An item of such a list.
    Item,
}

/// Calls `visit` for every field that can be owned, with its value.
fn walk<'v>(
    value: &'v Value,
    custom: bool,
    names: &mut Vec<&'v str>,
    path: &mut Vec<String>,
    visit: &mut dyn FnMut(&[String], &Value, Part),
) {
    match value {
        Value::Object(map) => {
            if !path.is_empty() && (map.is_empty() || schema::is_atomic(custom, names)) {
                visit(path, value, Part::Whole);
                return;
            }
            if !path.is_empty() && !schema::is_always_there(custom, names) {
                visit(path, value, Part::Node);
            }
            fields(map, custom, names, path, visit);
        }
        Value::Array(items) => match schema::list_shape(custom, names) {
            ListShape::Atomic => visit(path, value, Part::Whole),
            _ if items.is_empty() => visit(path, value, Part::Whole),
            shape => {
                let keyed =
                    matches!(shape, ListShape::Keyed(_)) && !schema::is_atomic(custom, names);
                if !schema::is_always_there(custom, names) {
                    visit(path, value, Part::Node);
                }
                for item in items {
                    path.push(item_step(shape, item));
                    match item.as_object().filter(|_| keyed) {
                        Some(map) => {
                            visit(path, item, Part::Item);
                            fields(map, custom, names, path, visit);
                        }
                        None => visit(path, item, Part::Whole),
                    }
                    path.pop();
                }
            }
        },
        _ => visit(path, value, Part::Whole),
    }
}

fn fields<'v>(
    map: &'v Map<String, Value>,
    custom: bool,
    names: &mut Vec<&'v str>,
    path: &mut Vec<String>,
    visit: &mut dyn FnMut(&[String], &Value, Part),
) {
    for (key, below) in map {
        if names.is_empty() && (key == "apiVersion" || key == "kind") {
            continue;
        }
        if *names == ["metadata"] && UNOWNED.contains(&key.as_str()) {
            continue;
        }
        names.push(key);
        path.push(format!("f:{key}"));
        walk(below, custom, names, path, visit);
        path.pop();
        names.pop();
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
        &mut |path, at, part| {
            let own = if part == Part::Whole {
                at.clone()
            } else {
                Value::Null
            };
            all.insert(path.to_vec(), own);
        },
    );
    all
}

/// Notes a write: changed fields go to the writer and leave everybody else; what an apply sent is the writer's whole set.
/// Changes of `status` are noted apart, as those of the subresource they come from.
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
    let of_status =
        |path: &[String]| resource.status && path.first().is_some_and(|step| step == "f:status");
    let (status, main): (BTreeSet<_>, BTreeSet<_>) =
        changed.iter().cloned().partition(|path| of_status(path));
    let parts = match by.subresource {
        // What the server fills into the status of a new object belongs to nobody.
        "" if old.is_none() => vec![("", main), ("status", without_birth(status))],
        "" => vec![("", main), ("status", status)],
        other => vec![(other, changed.clone())],
    };
    for entry in &mut owned {
        let own = |part: &str| {
            entry.manager == by.manager
                && entry.applies == by.applied.is_some()
                && entry.subresource == part
        };
        let mine = parts
            .iter()
            .find(|(part, _)| own(part))
            .map(|(_, changed)| changed);
        entry.fields.0.retain(|path| {
            is.contains_key(path)
                && (!changed.contains(path) || mine.is_some_and(|mine| mine.contains(path)))
        });
    }
    for (subresource, changed) in parts {
        let applied = by.applied.filter(|_| subresource == by.subresource);
        if applied.is_none() && changed.is_empty() {
            continue;
        }
        note(
            &mut owned,
            Note {
                by,
                subresource,
                applied,
                changed,
                now,
                resource,
            },
        );
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

fn without_birth(mut status: BTreeSet<Vec<String>>) -> BTreeSet<Vec<String>> {
    status.retain(|path| {
        !matches!(
            path.get(1).map(String::as_str),
            Some("f:phase" | "f:qosClass")
        )
    });
    status
}

struct Note<'n> {
    by: Writer<'n>,
    subresource: &'n str,
    applied: Option<&'n FieldSet>,
    changed: BTreeSet<Vec<String>>,
    now: Timestamp,
    resource: &'n Resource,
}

/// Puts the writer's part into its entry, or into a new one.
fn note(owned: &mut Vec<Owned>, note: Note<'_>) {
    let mine = |entry: &Owned| {
        entry.manager == note.by.manager
            && entry.applies == note.by.applied.is_some()
            && entry.subresource == note.subresource
    };
    let before = owned
        .iter()
        .find(|entry| mine(entry))
        .map(|entry| entry.fields.clone())
        .unwrap_or_default();
    let after = match note.applied {
        Some(set) => set.clone(),
        None => FieldSet(before.0.union(&note.changed).cloned().collect()),
    };
    let news = before != after || !note.changed.is_empty();
    match owned.iter_mut().find(|entry| mine(entry)) {
        Some(entry) => {
            entry.fields = after;
            if news {
                entry.time = clock::seconds(note.now);
            }
        }
        None => owned.push(Owned {
            manager: note.by.manager.to_owned(),
            applies: note.by.applied.is_some(),
            subresource: note.subresource.to_owned(),
            api_version: note.resource.api_version(),
            time: clock::seconds(note.now),
            fields: after,
        }),
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
