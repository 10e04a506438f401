//! What a manifest would change: held against the object as it is known, place by place. Of an object that is not there
//! everything is new; of one that is not known nothing can be told.

use serde_json::{Map, Value, json};

use crate::domain::object::Dragonfly;
use crate::domain::world::{ContextWorld, Reading};
use crate::domain::{ContextId, Foreign, Kind, Scope, World};

/// One line of what changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What becomes of it.
    pub sort: Sort,
    /// The place and its value: `spec.replicas: 3`.
    pub text: String,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// It is so, and would be no more.
    Gone,
    /// It would be so.
    New,
    /// It is and stays so: what names the object.
    Same,
}

impl Change {
    fn of(sort: Sort, text: impl Into<String>) -> Self {
        Self {
            sort,
            text: text.into(),
        }
    }

    /// As a diff writes it.
    pub fn words(&self) -> String {
        let sign = match self.sort {
            Sort::Gone => '-',
            Sort::New => '+',
            Sort::Same => ' ',
        };
        format!("{sign} {}", self.text)
    }
}

/// What the manifest would change in that context; `None` where that cannot be told: it is no single object, or nothing is
/// known of that one.
pub fn changes(world: &World, context: &ContextId, manifest: &str) -> Option<Vec<Change>> {
    let wanted: Value = serde_saphyr::from_str(manifest).ok()?;
    let (kind, name) = (
        text(&wanted, &["kind"])?,
        text(&wanted, &["metadata", "name"])?,
    );
    let namespace = text(&wanted, &["metadata", "namespace"]).unwrap_or_default();
    let live = live(world.context(context)?, kind, namespace, name)?;
    let place = match namespace {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    };
    let mut changes = match live {
        Live::Absent => vec![Change::of(Sort::New, format!("{place} (is not there yet)"))],
        Live::There(_) => vec![Change::of(Sort::Same, place)],
    };
    let mut leaves = Vec::new();
    if let Value::Object(fields) = &wanted {
        let inner = fields
            .iter()
            .filter(|(key, _)| !["apiVersion", "kind", "metadata"].contains(&key.as_str()));
        for (key, value) in inner {
            walk(&mut vec![key.clone()], value, &mut leaves);
        }
    }
    for (path, value) in leaves {
        let place = path.join(".");
        let before = match &live {
            Live::Absent => None,
            Live::There(object) => match told(object, &path) {
                Told::Value(before) => Some(before),
                Told::Absent => None,
                Told::Unread => return None,
            },
        };
        if before == Some(value) {
            continue;
        }
        if let Some(before) = before {
            changes.push(Change::of(Sort::Gone, format!("{place}: {before}")));
        }
        changes.push(Change::of(Sort::New, format!("{place}: {value}")));
    }
    Some(changes)
}

enum Live {
    Absent,
    /// What is known of it; a place whose parent is `null` is not read.
    There(Value),
}

enum Told<'a> {
    Value(&'a Value),
    Absent,
    Unread,
}

/// What is known at a path. A mark stands where nothing is read.
fn told<'a>(object: &'a Value, path: &[String]) -> Told<'a> {
    let mut at = object;
    for key in path {
        match at {
            Value::Object(fields) => match fields.get(key) {
                Some(inner) => at = inner,
                None if fields.contains_key(UNREAD) => return Told::Unread,
                None => return Told::Absent,
            },
            _ => return Told::Absent,
        }
    }
    Told::Value(at)
}

/// The key that says that an object has more than is read of it.
const UNREAD: &str = "\u{0}unread";

fn walk<'v>(path: &mut Vec<String>, value: &'v Value, leaves: &mut Vec<(Vec<String>, &'v Value)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, inner) in fields {
                path.push(key.clone());
                walk(path, inner, leaves);
                path.pop();
            }
        }
        leaf => leaves.push((path.clone(), leaf)),
    }
}

fn text<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    let mut at = value;
    for key in path {
        at = at.get(key)?;
    }
    at.as_str()
}

/// The object as it is known; `None` where nothing is known of objects of that kind there.
fn live(context: &ContextWorld, kind: &str, namespace: &str, name: &str) -> Option<Live> {
    let has_listed = |kind: Kind| context.has_listed(kind) && context.is_live();
    match kind {
        "Dragonfly" => match context.dragonflies.get(namespace, name) {
            Some(held) => Some(Live::There(dragonfly(&held.value))),
            None => has_listed(Kind::Dragonfly).then_some(Live::Absent),
        },
        // Of these too little is kept to hold anything against it.
        "PodDisruptionBudget" => {
            let is_there = context.pdbs.get(namespace, name).is_some();
            (!is_there && has_listed(Kind::Pdb)).then_some(Live::Absent)
        }
        kind => foreign(context, kind, namespace, name),
    }
}

/// What is kept of a Dragonfly object, where its own object has it.
fn dragonfly(object: &Dragonfly) -> Value {
    let mut spec = Map::new();
    spec.insert(UNREAD.to_owned(), Value::Null);
    if let Some(replicas) = object.replicas {
        spec.insert("replicas".to_owned(), json!(replicas));
    }
    if let Some(image) = &object.image {
        spec.insert("image".to_owned(), json!(image));
    }
    spec.insert("args".to_owned(), json!(object.args));
    json!({"spec": spec})
}

fn foreign(context: &ContextWorld, kind: &str, namespace: &str, name: &str) -> Option<Live> {
    let what = Foreign::ALL
        .iter()
        .find(|what| format!("{what:?}").eq_ignore_ascii_case(kind))?;
    let scopes = [Scope::Cluster, Scope::Namespace(namespace.into())];
    for scope in scopes {
        let Reading::Known { objects, .. } = context.on_demand.objects(&context.id, *what, &scope)
        else {
            continue;
        };
        let found = objects
            .iter()
            .find(|one| *one.meta.name == *name && *one.meta.namespace == *namespace);
        return Some(match found {
            None => Live::Absent,
            Some(object) => {
                let mut body = object.body.clone();
                // Paths that are not kept are not read.
                let is_whole = what.doc().kept.contains(&&["spec"][..]);
                if let (Some(Value::Object(spec)), false) = (body.get_mut("spec"), is_whole) {
                    spec.insert(UNREAD.to_owned(), Value::Null);
                }
                if let Value::Object(fields) = &mut body {
                    fields.insert(UNREAD.to_owned(), Value::Null);
                }
                Live::There(body)
            }
        });
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::checks::acceptance::fixture::{dragonfly as change, read};
    use crate::domain::fixture::{healthy, infra};

    fn told(world: &World, manifest: &str) -> Option<Vec<String>> {
        let all = changes(world, &infra(), manifest)?;
        Some(all.iter().map(Change::words).collect())
    }

    #[test]
    fn a_manifest_is_held_against_what_is_known() {
        let mut f = healthy().build();
        change(&mut f, |df| {
            df.replicas = Some(2);
            df.args = vec!["--a".to_owned()];
        });
        let of = |spec: &str| {
            format!(
                "# why\napiVersion: dragonflydb.io/v1alpha1\nkind: Dragonfly\n\
                 metadata: {{name: orders, namespace: shop}}\nspec: {spec}\n"
            )
        };
        const HEAD: &str = "  Dragonfly shop/orders";
        for (name, spec, wanted) in [
            (
                "a figure",
                "{replicas: 3}",
                Some(vec![HEAD, "- spec.replicas: 2", "+ spec.replicas: 3"]),
            ),
            ("as it is", "{replicas: 2}", Some(vec![HEAD])),
            (
                "a list",
                "{args: [\"--a\", \"--b\"]}",
                Some(vec![
                    HEAD,
                    "- spec.args: [\"--a\"]",
                    "+ spec.args: [\"--a\",\"--b\"]",
                ]),
            ),
            (
                "a field that is not kept",
                "{pdb: {maxUnavailable: 1}}",
                None,
            ),
        ] {
            let wanted: Option<Vec<String>> =
                wanted.map(|lines| lines.into_iter().map(str::to_owned).collect());
            assert_eq!(told(&f.world, &of(spec)), wanted, "{name}");
        }
        let policy =
            "kind: NetworkPolicy\nmetadata: {name: a, namespace: shop}\nspec: {x: {y: 1}}\n";
        assert_eq!(told(&f.world, policy), None, "not read");
        read(&mut f, Foreign::NetworkPolicy, Ok(vec![]));
        assert_eq!(
            told(&f.world, policy).unwrap(),
            ["+ NetworkPolicy shop/a (is not there yet)", "+ spec.x.y: 1"]
        );
        let there =
            json!({"metadata": {"name": "a", "namespace": "shop"}, "spec": {"x": {"y": 2}}});
        read(&mut f, Foreign::NetworkPolicy, Ok(vec![there]));
        assert_eq!(
            told(&f.world, policy).unwrap(),
            ["  NetworkPolicy shop/a", "- spec.x.y: 2", "+ spec.x.y: 1"]
        );
        assert_eq!(told(&f.world, "a: [b"), None);
    }
}
