//! Server-side apply: merging what one manager wants, without taking what others own.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::lab::schema::{ListShape, list_shape};
use crate::lab::status::{Cause, Status};
use crate::lab::store::{self, FieldSet, Owned, Writer};

/// The live object with `sent` merged in, and without what this manager applied before and sends no more.
///
/// # Errors
/// 409 with a cause for each field that another manager owns with another value, unless `force`.
pub(super) fn merge(
    live: &Value,
    sent: &Value,
    fields: &FieldSet,
    by: Writer<'_>,
    force: bool,
    custom: bool,
) -> Result<Value, Status> {
    let owned = store::entries(live);
    let mine = |entry: &&Owned| {
        entry.manager == by.manager && entry.applies && entry.subresource == by.subresource
    };
    if !force {
        let conflicts = conflicts(
            live,
            sent,
            fields,
            owned.iter().filter(|entry| !mine(entry)),
            custom,
        );
        if !conflicts.is_empty() {
            return Err(refuse(&conflicts));
        }
    }
    let mut merged = live.clone();
    merge_at(&mut merged, sent, custom, &mut Vec::new());
    if let Some(before) = owned.iter().find(mine) {
        let is = store::leaves(live, custom);
        let mut gone: Vec<&Vec<String>> = before
            .fields
            .0
            .difference(&fields.0)
            .filter(|path| {
                !owned
                    .iter()
                    .any(|entry| !mine(&entry) && entry.fields.0.contains(*path))
            })
            // A map or list that is owned part by part goes when it is empty, and no sooner.
            .filter(|path| {
                !(is.get(*path) == Some(&Value::Null)
                    && path.last().is_some_and(|step| step.starts_with("f:")))
            })
            .collect();
        // Items before their fields: without its key field an item would not be found any more.
        gone.sort_by_key(|path| path.len());
        for path in gone {
            remove(&mut merged, path);
        }
    }
    Ok(merged)
}

/// Whose, which field.
type Conflict = (Owned, Vec<String>);

fn conflicts<'o>(
    live: &Value,
    sent: &Value,
    fields: &FieldSet,
    others: impl Iterator<Item = &'o Owned>,
    custom: bool,
) -> Vec<Conflict> {
    let (is, wanted) = (store::leaves(live, custom), store::leaves(sent, custom));
    let differs: Vec<&Vec<String>> = wanted
        .iter()
        .filter(|(path, value)| {
            fields.0.contains(*path) && is.get(*path).is_some_and(|is| is != *value)
        })
        .map(|(path, _)| path)
        .collect();
    others
        .flat_map(|entry| {
            let owns = differs
                .iter()
                .filter(|path| entry.fields.0.contains(**path));
            owns.map(|path| (entry.clone(), (*path).clone()))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// 409 in the words of `structured-merge-diff` and the field manager.
fn refuse(conflicts: &[Conflict]) -> Status {
    let mut by_manager: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut causes = Vec::new();
    for (entry, path) in conflicts {
        let who = describe(entry);
        let field = spell(path);
        causes.push(Cause {
            reason: "FieldManagerConflict",
            message: format!("conflict with {who}"),
            field: field.clone(),
        });
        by_manager.entry(who).or_default().push(field);
    }
    let total = conflicts.len();
    let message = match by_manager.iter().next() {
        Some((who, fields)) if total == 1 => {
            format!(
                "Apply failed with 1 conflict: conflict with {who}: {}",
                fields.join(", ")
            )
        }
        _ => {
            let lists: Vec<String> = by_manager
                .iter()
                .map(|(who, fields)| format!("conflicts with {who}:\n- {}", fields.join("\n- ")))
                .collect();
            format!("Apply failed with {total} conflicts: {}", lists.join("\n"))
        }
    };
    Status::apply_conflict(message, &causes)
}

fn describe(entry: &Owned) -> String {
    let mut text = format!("\"{}\"", entry.manager);
    if !entry.subresource.is_empty() {
        text.push_str(&format!(" with subresource \"{}\"", entry.subresource));
    }
    if !entry.applies {
        text.push_str(&format!(" using {}", entry.api_version));
    }
    text
}

/// `.spec.template.spec.containers[name="dragonfly"].image`.
fn spell(path: &[String]) -> String {
    let mut text = String::new();
    for step in path {
        match step.split_once(':') {
            Some(("f", name)) => {
                text.push('.');
                text.push_str(name);
            }
            Some(("k", keys)) => {
                let keys: Value = serde_json::from_str(keys).unwrap_or(Value::Null);
                let pairs: Vec<String> = keys
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                text.push_str(&format!("[{}]", pairs.join(",")));
            }
            Some(("v", value)) => text.push_str(&format!("[={value}]")),
            _ => (),
        }
    }
    text
}

fn merge_at<'v>(target: &mut Value, sent: &'v Value, custom: bool, names: &mut Vec<&'v str>) {
    match sent {
        Value::Object(map) => {
            let target = store::map(target);
            for (key, value) in map {
                names.push(key);
                merge_at(
                    target.entry(key.clone()).or_insert(Value::Null),
                    value,
                    custom,
                    names,
                );
                names.pop();
            }
        }
        Value::Array(items) => {
            let shape = list_shape(custom, names);
            if shape == ListShape::Atomic || !target.is_array() {
                *target = sent.clone();
                return;
            }
            let Value::Array(have) = target else { return };
            for item in items {
                let step = store::item_step(shape, item);
                match have
                    .iter_mut()
                    .find(|have| store::item_step(shape, have) == step)
                {
                    Some(have) => merge_at(have, item, custom, names),
                    None => have.push(item.clone()),
                }
            }
        }
        other => *target = other.clone(),
    }
}

/// Takes away one field or item, and maps that became empty by it.
fn remove(value: &mut Value, path: &[String]) {
    let Some((step, rest)) = path.split_first() else {
        return;
    };
    match (step.split_once(':'), value) {
        (Some(("f", name)), Value::Object(map)) => {
            if rest.is_empty() {
                map.remove(name);
            } else if let Some(below) = map.get_mut(name) {
                remove(below, rest);
                let empty = match below {
                    Value::Object(map) => map.is_empty(),
                    Value::Array(items) => items.is_empty(),
                    _ => false,
                };
                if empty {
                    map.remove(name);
                }
            }
        }
        (Some(("k", keys)), Value::Array(items)) => {
            let keys: Value = serde_json::from_str(keys).unwrap_or(Value::Null);
            let keys = keys.as_object().cloned().unwrap_or_default();
            let matches = |item: &Value| {
                keys.iter().all(|(key, value)| match item.get(key) {
                    Some(have) => have == value,
                    None => key == "protocol" && value == "TCP",
                })
            };
            if rest.is_empty() {
                items.retain(|item| !matches(item));
            } else if let Some(item) = items.iter_mut().find(|item| matches(item)) {
                remove(item, rest);
            }
        }
        (Some(("v", text)), Value::Array(items)) => items.retain(|item| {
            let written = item.to_string();
            written != text
        }),
        _ => (),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::lab::clock::Clock;
    use crate::lab::resources::{DEPLOYMENTS, NAMESPACES};
    use crate::lab::store::{Expect, Store};

    struct Case {
        store: Store,
    }

    impl Case {
        fn new(live: Value) -> Self {
            let store = Store::new(1, Clock::default());
            store
                .create(NAMESPACES, "", json!({"metadata": {"name": "n"}}), "t")
                .unwrap();
            store.create(DEPLOYMENTS, "n", live, "creator").unwrap();
            Self { store }
        }

        fn apply(&self, manager: &str, sent: Value, force: bool) -> Result<Value, Status> {
            let fields = FieldSet::of(&sent, false);
            let by = Writer {
                applied: Some(&fields),
                ..Writer::from(manager)
            };
            let merged =
                self.store
                    .try_update(DEPLOYMENTS, "n", "d", by, &Expect::default(), |live| {
                        *live = merge(live, &sent, &fields, by, force, false)?;
                        Ok(())
                    })?;
            Ok(merged.value())
        }
    }

    #[test]
    fn what_another_manager_owns_is_a_conflict() {
        let case = Case::new(json!({"metadata": {"name": "d"}, "spec": {"replicas": 1}}));
        let sent = json!({"metadata": {"name": "d"}, "spec": {"replicas": 2}});
        let error = case.apply("me", sent.clone(), false).unwrap_err();
        assert_eq!(
            error.message,
            "Apply failed with 1 conflict: conflict with \"creator\" using apps/v1: .spec.replicas"
        );
        assert_eq!(
            error.details.pointer("/causes/0/reason"),
            Some(&json!("FieldManagerConflict"))
        );
        let forced = case.apply("me", sent, true).unwrap();
        assert_eq!(forced.pointer("/spec/replicas"), Some(&json!(2)));
        let owners = store::entries(&forced);
        assert_eq!(
            owners.len(),
            1,
            "the creator owns nothing any more: {owners:?}"
        );
    }

    #[test]
    fn the_same_value_is_shared_and_what_is_sent_no_more_goes() {
        let containers = json!([{"name": "c", "image": "i:1", "ports": [{"containerPort": 1}]}]);
        let live = json!({"metadata": {"name": "d"}, "spec": {"replicas": 1, "template": {"spec": {"containers": containers}}}});
        let case = Case::new(live);
        let mine = |extra: Value| {
            let mut sent =
                json!({"metadata": {"name": "d", "labels": {"a": "1"}}, "spec": {"replicas": 1}});
            super::super::patch::merge(&mut sent, &extra);
            sent
        };
        let env = json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "env": [{"name": "E", "value": "v"}]}]}}}});
        let applied = case.apply("me", mine(env), false).unwrap();
        let container = applied.pointer("/spec/template/spec/containers/0").unwrap();
        assert_eq!(
            container,
            &json!({"name": "c", "image": "i:1", "ports": [{"containerPort": 1}], "env": [{"name": "E", "value": "v"}]})
        );
        let less = json!({"metadata": {"name": "d"}, "spec": {"replicas": 1}});
        let applied = case.apply("me", less, false).unwrap();
        assert_eq!(applied.pointer("/metadata/labels"), None);
        let container = applied.pointer("/spec/template/spec/containers/0").unwrap();
        assert_eq!(
            container.pointer("/image"),
            Some(&json!("i:1")),
            "the creator's part stays"
        );
        assert_eq!(container.pointer("/env"), None);
    }

    #[test]
    fn a_map_stays_while_others_have_entries_in_it() {
        let case = Case::new(json!({"metadata": {"name": "d"}, "spec": {}}));
        let with = |manager: &str, key: &str| {
            let sent = json!({"metadata": {"name": "d", "annotations": {key: "x"}}});
            case.apply(manager, sent, false).unwrap()
        };
        with("other", "theirs");
        let mut live = with("me", "mine");
        // As after a migration from client-side apply: the map itself is in my set.
        for entry in live
            .pointer_mut("/metadata/managedFields")
            .and_then(Value::as_array_mut)
            .unwrap()
        {
            if entry.get("manager") == Some(&json!("me")) {
                let annotations = entry
                    .pointer_mut("/fieldsV1/f:metadata/f:annotations")
                    .unwrap();
                store::map(annotations).insert(".".into(), json!({}));
            }
        }
        let sent = json!({"metadata": {"name": "d"}});
        let fields = FieldSet::of(&sent, false);
        let by = Writer {
            applied: Some(&fields),
            ..Writer::from("me")
        };
        let merged = merge(&live, &sent, &fields, by, false, false).unwrap();
        assert_eq!(
            merged.pointer("/metadata/annotations"),
            Some(&json!({"theirs": "x"}))
        );
    }

    #[test]
    fn applying_the_same_again_changes_nothing() {
        let case = Case::new(json!({"metadata": {"name": "d"}, "spec": {}}));
        let sent = json!({"metadata": {"name": "d"}, "spec": {"replicas": 3}});
        let first = case.apply("me", sent.clone(), false).unwrap();
        let second = case.apply("me", sent, false).unwrap();
        assert_eq!(first, second);
    }
}
