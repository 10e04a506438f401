//! Objects of kinds that are listed on demand: kept as JSON, trimmed to what is read of them.

use serde_json::{Map, Value};

use super::{meta, read};
use crate::domain::object::Meta;
use crate::domain::text;
use crate::domain::want::{Foreign, ForeignObject};

/// Decodes an object of such a kind; `None` when it does not even say what it is called.
pub fn foreign(what: Foreign, value: &Value) -> Option<ForeignObject> {
    let mut meta = meta::of(value)?;
    if what.doc().many {
        meta = Meta {
            namespace: meta.namespace,
            name: meta.name,
            owner: meta.owner,
            ..Meta::default()
        };
    }
    let mut body = Value::Object(Map::new());
    for path in what.doc().kept {
        if let Some(found) = read::at(value, path) {
            put(&mut body, path, plain(found));
        }
    }
    Some(ForeignObject { meta, body })
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
    fn what_is_deep_stays_where_it_was() {
        let mut body = json!({});
        put(&mut body, &["spec", "a", "b"], json!(1));
        put(&mut body, &["spec", "c"], json!(2));
        assert_eq!(body, json!({"spec": {"a": {"b": 1}, "c": 2}}));
    }
}
