//! What the server serves: version, health, and discovery in its legacy and aggregated forms.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::VERSION;
use super::access::Served;
use super::call::{Heads, Media};
use super::reply::{self, Reply};
use crate::lab::resources::Resource;
use crate::lab::store::Store;

/// Answers a path that names no objects.
pub(super) fn answer(store: &Store, words: &[&str], heads: &Heads) -> Reply {
    let resources = store.resources();
    let aggregated = aggregated(&heads.accept);
    match words {
        ["version"] => reply::json(200, &version()),
        ["healthz" | "livez" | "readyz", ..] => reply::text(200, "ok"),
        [] => reply::json(200, &json!({ "paths": paths(&resources) })),
        ["api"] => match aggregated {
            Some(version) => group_list(&resources, version, true),
            None => reply::json(
                200,
                &json!({
                    "kind": "APIVersions",
                    "versions": ["v1"],
                    "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443" }],
                }),
            ),
        },
        ["apis"] => match aggregated {
            Some(version) => group_list(&resources, version, false),
            None => {
                let groups: Vec<Value> = groups(&resources)
                    .iter()
                    .map(|(name, of)| group(name, of))
                    .collect();
                reply::json(
                    200,
                    &json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }),
                )
            }
        },
        ["apis", name] => match groups(&resources).iter().find(|(group, _)| group == name) {
            Some((name, of)) => {
                let mut value = group(name, of);
                if let Some(map) = value.as_object_mut() {
                    map.insert("kind".into(), "APIGroup".into());
                    map.insert("apiVersion".into(), "v1".into());
                }
                reply::json(200, &value)
            }
            None => not_found(),
        },
        ["api", version] => resource_list(&resources, "", version),
        ["apis", group, version] => resource_list(&resources, group, version),
        _ => not_found(),
    }
}

/// What nobody serves is answered by the HTTP layer: no `Status`.
fn not_found() -> Reply {
    reply::text(404, "404 page not found\n")
}

/// What `/version` tells.
fn version() -> Value {
    let mut numbers = VERSION.trim_start_matches('v').split('.');
    let (major, minor) = (
        numbers.next().unwrap_or_default(),
        numbers.next().unwrap_or_default(),
    );
    let before = minor
        .parse::<u32>()
        .unwrap_or_default()
        .saturating_sub(1)
        .to_string();
    json!({
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": before,
        "gitVersion": VERSION,
        "gitCommit": "0000000000000000000000000000000000000000",
        "gitTreeState": "clean",
        "buildDate": "2026-10-14T12:00:00Z",
        "goVersion": "go1.26.8",
        "compiler": "gc",
        "platform": "linux/amd64",
    })
}

/// Groups in the order of their first kind, the core group left out.
fn groups(resources: &[Arc<Resource>]) -> Vec<(String, Vec<Arc<Resource>>)> {
    let mut by_name: BTreeMap<&str, Vec<Arc<Resource>>> = BTreeMap::new();
    for resource in resources
        .iter()
        .filter(|resource| !resource.group.is_empty())
    {
        by_name
            .entry(&resource.group)
            .or_default()
            .push(Arc::clone(resource));
    }
    let mut groups: Vec<(String, Vec<Arc<Resource>>)> = by_name
        .into_iter()
        .map(|(name, of)| (name.to_owned(), of))
        .collect();
    // An API server lists `apps` first and custom groups last; clients that search by short name take the first.
    groups.sort_by_key(|(name, of)| {
        (
            of.iter().any(|resource| resource.custom()),
            name != "apps",
            name.clone(),
        )
    });
    groups
}

fn version_of(resources: &[Arc<Resource>]) -> String {
    resources
        .first()
        .map(|resource| resource.version.to_string())
        .unwrap_or_default()
}

fn group(name: &str, resources: &[Arc<Resource>]) -> Value {
    let version = version_of(resources);
    let one = json!({ "groupVersion": format!("{name}/{version}"), "version": version });
    json!({ "name": name, "versions": [one], "preferredVersion": one })
}

fn paths(resources: &[Arc<Resource>]) -> Vec<String> {
    let mut paths: Vec<String> = [
        "/api",
        "/api/v1",
        "/apis",
        "/healthz",
        "/livez",
        "/openapi/v2",
        "/openapi/v3",
        "/readyz",
        "/version",
    ]
    .map(str::to_owned)
    .to_vec();
    for (name, of) in groups(resources) {
        paths.push(format!("/apis/{name}"));
        paths.push(format!("/apis/{name}/{}", version_of(&of)));
    }
    paths.sort();
    paths
}

/// One kind and its subresources, as `APIResourceList` tells them.
fn resource_list(resources: &[Arc<Resource>], group: &str, version: &str) -> Reply {
    let of = resources
        .iter()
        .filter(|resource| resource.group == group && resource.version == version);
    let mut list = Vec::new();
    for resource in of {
        let mut entry = json!({
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": resource.verbs(),
        });
        if let Some(map) = entry.as_object_mut() {
            if !resource.short.is_empty() {
                map.insert("shortNames".into(), json!(resource.short));
            }
            if !resource.categories.is_empty() {
                map.insert("categories".into(), json!(resource.categories));
            }
        }
        list.push(entry);
        for (name, kind, verbs) in subresources(resource) {
            let mut entry = json!({
                "name": format!("{}/{name}", resource.plural),
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": kind.kind,
                "verbs": verbs,
            });
            if let (Some(map), Some((group, version))) = (entry.as_object_mut(), kind.elsewhere) {
                map.insert("group".into(), group.into());
                map.insert("version".into(), version.into());
            }
            list.push(entry);
        }
    }
    if list.is_empty() {
        return not_found();
    }
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    let mut body =
        json!({ "kind": "APIResourceList", "groupVersion": group_version, "resources": list });
    // The core list says no version of itself.
    if let (false, Some(map)) = (group.is_empty(), body.as_object_mut()) {
        map.insert("apiVersion".into(), "v1".into());
    }
    reply::json(200, &body)
}

struct SubKind<'a> {
    kind: &'a str,
    /// Group and version, when they are not the parent's.
    elsewhere: Option<(&'static str, &'static str)>,
}

/// Everything that is served, for reviews of rights.
pub(super) fn served(store: &Store) -> Vec<Served> {
    let mut all = Vec::new();
    for resource in store.resources() {
        let below = subresources(&resource)
            .into_iter()
            .map(|(name, _, verbs)| (name, verbs));
        for (subresource, verbs) in std::iter::once(("", resource.verbs())).chain(below) {
            all.push(Served {
                resource: Arc::clone(&resource),
                subresource,
                verbs,
            });
        }
    }
    all
}

fn subresources(resource: &Resource) -> Vec<(&'static str, SubKind<'_>, &'static [&'static str])> {
    let mut all = Vec::new();
    for (name, kind) in resource.subresources {
        let (elsewhere, verbs): (_, &'static [&'static str]) = match *name {
            "eviction" => (Some(("policy", "v1")), &["create"]),
            "log" => (None, &["get"]),
            "finalize" => (None, &["update"]),
            "proxy" => (None, &["create", "delete", "get", "patch", "update"]),
            _ => (None, &["create", "get"]),
        };
        all.push((*name, SubKind { kind, elsewhere }, verbs));
    }
    let writes: &'static [&'static str] = &["get", "patch", "update"];
    if resource.scale {
        all.push((
            "scale",
            SubKind {
                kind: "Scale",
                elsewhere: Some(("autoscaling", "v1")),
            },
            writes,
        ));
    }
    if resource.status {
        all.push((
            "status",
            SubKind {
                kind: &resource.kind,
                elsewhere: None,
            },
            writes,
        ));
    }
    all
}

/// The version of aggregated discovery that was asked for first, if it was.
fn aggregated(accept: &str) -> Option<&'static str> {
    accept.split(',').find_map(|range| {
        let media = Media::parse(range);
        if media.param("as") != Some("APIGroupDiscoveryList")
            || media.param("g") != Some("apidiscovery.k8s.io")
        {
            return None;
        }
        match media.param("v") {
            Some("v2") => Some("v2"),
            Some("v2beta1") => Some("v2beta1"),
            _ => None,
        }
    })
}

fn group_list(resources: &[Arc<Resource>], version: &'static str, core: bool) -> Reply {
    let groups = if core {
        let of: Vec<_> = resources
            .iter()
            .filter(|resource| resource.group.is_empty())
            .cloned()
            .collect();
        vec![(String::new(), of)]
    } else {
        groups(resources)
    };
    let items: Vec<Value> = groups
        .iter()
        .map(|(name, of)| {
            let resources: Vec<Value> = of.iter().map(|resource| discovered(resource)).collect();
            let mut metadata = json!({ "creationTimestamp": null });
            if let (false, Some(map)) = (name.is_empty(), metadata.as_object_mut()) {
                map.insert("name".into(), name.as_str().into());
            }
            json!({
                "metadata": metadata,
                "versions": [{ "version": version_of(of), "resources": resources, "freshness": "Current" }],
            })
        })
        .collect();
    let body = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {},
        "items": items,
    });
    let content_type = if version == "v2" {
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    } else {
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
    };
    reply::bytes(200, content_type, body.to_string())
}

fn discovered(resource: &Resource) -> Value {
    let kind = |group: &str, version: &str, kind: &str| json!({ "group": group, "version": version, "kind": kind });
    let scope = if resource.namespaced {
        "Namespaced"
    } else {
        "Cluster"
    };
    let below: Vec<Value> = subresources(resource)
        .iter()
        .map(|(name, of, verbs)| {
            let (group, version) = of.elsewhere.unwrap_or((&resource.group, &resource.version));
            json!({ "subresource": name, "responseKind": kind(group, version, of.kind), "verbs": verbs })
        })
        .collect();
    let mut value = json!({
        "resource": resource.plural,
        "responseKind": kind(&resource.group, &resource.version, &resource.kind),
        "scope": scope,
        "singularResource": resource.singular,
        "verbs": resource.verbs(),
    });
    if let Some(map) = value.as_object_mut() {
        if !resource.short.is_empty() {
            map.insert("shortNames".into(), json!(resource.short));
        }
        if !resource.categories.is_empty() {
            map.insert("categories".into(), json!(resource.categories));
        }
        if !below.is_empty() {
            map.insert("subresources".into(), below.into());
        }
    }
    value
}
