//! OpenAPI, as little of it as clients need: which operations take `fieldValidation` and `dryRun`, and the schemas of
//! custom resources. `kubectl explain` of built-in kinds is not served.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::call::Heads;
use super::reply::{self, Reply};
use crate::lab::resources::Resource;
use crate::lab::status::Status;
use crate::lab::store::Store;

/// Answers `/openapi/...`.
pub(super) fn answer(store: &Store, below: &[&str], heads: &Heads) -> Reply {
    let resources = store.resources();
    match below {
        ["v2"] if !wants_json(&heads.accept) => {
            reply::failure(&Status::not_acceptable("application/json"))
        }
        ["v2"] => {
            let mut document = document(resources.iter().map(AsRef::as_ref));
            document.insert("swagger".into(), "2.0".into());
            let schemas = document.remove("schemas").unwrap_or_else(|| json!({}));
            document.insert("definitions".into(), schemas);
            reply::json(200, &Value::Object(document))
        }
        ["v3"] => {
            let versions: BTreeSet<String> =
                resources.iter().map(|resource| path_of(resource)).collect();
            let paths: Map<String, Value> = versions
                .into_iter()
                .map(|path| {
                    let url = format!(
                        "/openapi/v3/{path}?hash={:016X}",
                        fingerprint(&resources.len().to_string())
                    );
                    (path, json!({ "serverRelativeURL": url }))
                })
                .collect();
            reply::json(200, &json!({ "paths": paths }))
        }
        ["v3", rest @ ..] => {
            let wanted = rest.join("/");
            let of: Vec<&Resource> = resources
                .iter()
                .map(AsRef::as_ref)
                .filter(|resource| path_of(resource) == wanted)
                .collect();
            if of.is_empty() {
                return reply::failure(&Status::no_such_resource());
            }
            let mut document = document(of.into_iter());
            document.insert("openapi".into(), "3.0.0".into());
            let schemas = document.remove("schemas").unwrap_or_else(|| json!({}));
            document.insert("components".into(), json!({ "schemas": schemas }));
            reply::json(200, &Value::Object(document))
        }
        [] => reply::failure(&Status::no_such_resource()),
        _ => reply::failure(&Status::no_such_resource()),
    }
}

fn wants_json(accept: &str) -> bool {
    accept.is_empty()
        || accept.split(',').any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            matches!(range, "application/json" | "*/*" | "application/*")
        })
}

fn path_of(resource: &Resource) -> String {
    let root = if resource.group.is_empty() {
        "api"
    } else {
        "apis"
    };
    format!("{root}/{}", resource.api_version())
}

fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn document<'a>(resources: impl Iterator<Item = &'a Resource>) -> Map<String, Value> {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for resource in resources {
        let collection = if resource.namespaced {
            format!(
                "/{}/namespaces/{{namespace}}/{}",
                path_of(resource),
                resource.plural
            )
        } else {
            format!("/{}/{}", path_of(resource), resource.plural)
        };
        let kind =
            json!({ "group": resource.group, "version": resource.version, "kind": resource.kind });
        let operation = |action: &str, parameters: &[&str]| {
            let parameters: Vec<Value> = parameters
                .iter()
                .map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string", "uniqueItems": true } }))
                .collect();
            json!({
                "parameters": parameters,
                "responses": { "200": { "description": "OK" } },
                "x-kubernetes-action": action,
                "x-kubernetes-group-version-kind": kind,
            })
        };
        let writes = ["dryRun", "fieldManager", "fieldValidation"];
        let patches = ["dryRun", "fieldManager", "fieldValidation", "force"];
        paths.insert(
            collection.clone(),
            json!({ "get": operation("list", &["labelSelector", "fieldSelector", "limit", "continue", "watch"]),
                "post": operation("post", &writes) }),
        );
        paths.insert(
            format!("{collection}/{{name}}"),
            json!({ "get": operation("get", &[]), "put": operation("put", &writes),
                "patch": operation("patch", &patches), "delete": operation("delete", &["dryRun"]) }),
        );
        let mut schema = match &resource.schema {
            Some(Value::Object(schema)) => schema.clone(),
            _ => Map::from_iter([
                ("type".to_owned(), "object".into()),
                (
                    "x-kubernetes-preserve-unknown-fields".to_owned(),
                    true.into(),
                ),
            ]),
        };
        schema.insert("x-kubernetes-group-version-kind".into(), json!([kind]));
        schemas.insert(schema_name(resource), Value::Object(schema));
    }
    let info = json!({ "title": "Kubernetes", "version": super::VERSION });
    Map::from_iter([
        ("info".to_owned(), info),
        ("paths".to_owned(), Value::Object(paths)),
        ("schemas".to_owned(), Value::Object(schemas)),
    ])
}

/// `io.k8s.api.core.v1.Pod`, `io.dragonflydb.v1alpha1.Dragonfly`.
fn schema_name(resource: &Resource) -> String {
    let group = match resource.group.as_ref() {
        "" => "io.k8s.api.core".to_owned(),
        group if resource.custom() => group.split('.').rev().collect::<Vec<_>>().join("."),
        group => format!("io.k8s.api.{}", group.split('.').next().unwrap_or_default()),
    };
    format!("{group}.{}.{}", resource.version, resource.kind)
}
