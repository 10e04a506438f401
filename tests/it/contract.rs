//! The lab's API held to a real API server's: every recorded exchange of `tests/it/contract/` that can be repeated is
//! sent to a lab that holds the same objects, in the order of the recording, and must be answered alike.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use darner::lab::api::{Right, Server};
use darner::lab::clock::Clock;
use darner::lab::kubelet_api::NoKubelet;
use darner::lab::resources::{
    BUDGETS, DEFINITIONS, DRAGONFLIES, EVENTS, GroupResource, NAMESPACES, PODS,
};
use darner::lab::store::Store;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;

/// What is not compared, and why.
const APART: &[(&str, &str)] = &[
    ("version", "the lab says its own build"),
    ("discovery-apis", "the lab serves fewer groups"),
    ("discovery-core", "the lab serves fewer kinds"),
    ("discovery-aggregated-core", "the lab serves fewer kinds"),
    (
        "anonymous",
        "without credentials the lab takes one for its user: kubectl sends no token over plain HTTP",
    ),
    (
        "access-yes",
        "the reason names RBAC objects, which the lab does not ask",
    ),
    (
        "rules-review",
        "the rules are those of RBAC objects, which the lab does not ask",
    ),
    (
        "get-pod-managed",
        "who wrote which field is lost when objects are put here from recordings",
    ),
    (
        "list-events-v1",
        "the first event of the namespace is in no recording",
    ),
    ("list-version-future", "answered alike, but only after 3 s"),
    (
        "table-statefulsets",
        "no recording holds these objects whole",
    ),
    ("table-services", "no recording holds these objects whole"),
    (
        "table-endpointslices",
        "no recording holds these objects whole",
    ),
    ("table-pvcs", "no recording holds these objects whole"),
    ("table-pdbs", "no recording holds these objects whole"),
    (
        "table-networkpolicies",
        "no recording holds these objects whole",
    ),
    (
        "table-deployments",
        "no recording holds these objects whole",
    ),
    ("table-leases", "no recording holds these objects whole"),
    ("table-namespaces", "the lab holds fewer namespaces here"),
    (
        "table-events",
        "the first events of the namespace are in no recording",
    ),
    (
        "watch-changes",
        "needs changes meanwhile; see the tests of the API itself",
    ),
    (
        "watch-again",
        "needs changes before; see the tests of the API itself",
    ),
    (
        "watch-selector",
        "needs changes meanwhile; see the tests of the API itself",
    ),
    (
        "watch-from-0",
        "needs changes before; see the tests of the API itself",
    ),
    (
        "watch-no-version",
        "needs changes before; see the tests of the API itself",
    ),
    (
        "watch-dragonflies-bookmark",
        "whether a bookmark comes is chance",
    ),
    (
        "watch-initial-events",
        "the lab streams lists, as releases before and after this one do",
    ),
    (
        "watch-initial-events-bare",
        "the lab streams lists, as releases before and after this one do",
    ),
    (
        "watch-list",
        "the lab collects what was deleted in the foreground; the recording had no controller",
    ),
    (
        "watch-list-0",
        "the lab collects what was deleted in the foreground; the recording had no controller",
    ),
    (
        "watch-list-no-bookmarks",
        "the lab collects what was deleted in the foreground; the recording had no controller",
    ),
    ("watch-after-restart", "the lab is not restarted"),
    ("starting-forbidden", "the lab is not restarted"),
    ("starting-unavailable", "the lab is not restarted"),
    ("starting-initializing", "the lab is not restarted"),
];

fn recording(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/contract")
        .join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// The names of all exchanges, in the order in which they were recorded.
fn names() -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/record.d");
    let mut parts: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    parts.sort();
    let mut names = Vec::new();
    for part in parts {
        for line in std::fs::read_to_string(part).unwrap().lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("rec" | "watch") => names.push(words.next().unwrap().to_owned()),
                Some("meet") => names.push(words.nth(1).unwrap().to_owned()),
                _ => (),
            }
        }
    }
    names
}

/// The part of the published definition that the recordings exercise.
fn definition() -> Value {
    let free = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let spec = json!({"type": "object", "properties": {
        "replicas": {"type": "integer", "format": "int32"},
        "imagePullPolicy": {"type": "string", "default": "Always"},
        "networkPolicyEnabled": {"type": "boolean", "default": true},
        "resources": free, "snapshot": free}});
    let column =
        |name: &str, kind: &str, path: &str| json!({"name": name, "type": kind, "jsonPath": path});
    json!({"metadata": {"name": "dragonflies.dragonflydb.io"}, "spec": {
        "group": "dragonflydb.io", "scope": "Namespaced",
        "names": {"kind": "Dragonfly", "listKind": "DragonflyList", "plural": "dragonflies", "singular": "dragonfly"},
        "versions": [{"name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
            "additionalPrinterColumns": [column("Phase", "string", ".status.phase"),
                column("Rolling Update", "boolean", ".status.isRollingUpdate"),
                column("Replicas", "integer", ".spec.replicas")],
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
                "spec": spec, "status": {"type": "object", "properties": {"phase": {"type": "string"}}}}}}}]}})
}

/// A lab with the objects of the recordings, and what has to be remembered between exchanges.
struct Lab {
    store: Store,
    server: Server,
    token: String,
    old_version: String,
    made_version: String,
}

impl Lab {
    async fn start() -> Self {
        let store = Store::new(1, Clock::default());
        for name in ["default", "kube-system", "dragonfly-system", "harbor"] {
            store
                .create(NAMESPACES, "", json!({"metadata": {"name": name}}), "rig")
                .unwrap();
        }
        store.create(DEFINITIONS, "", definition(), "rig").unwrap();
        let put = |what: GroupResource<'_>, from: &str| {
            let body = recording(from)["body"].clone();
            let listed =
                body["items"]
                    .as_array()
                    .cloned()
                    .unwrap_or_else(|| match body.as_array() {
                        Some(events) => {
                            events.iter().map(|event| event["object"].clone()).collect()
                        }
                        None => vec![body.clone()],
                    });
            for (at, mut object) in listed.into_iter().enumerate() {
                let Some(namespace) = object["metadata"]["namespace"].as_str().map(str::to_owned)
                else {
                    continue;
                };
                if what == EVENTS {
                    // Their names were evened out to one.
                    object["metadata"]["name"] = format!("cache.000000000000000{at}").into();
                }
                object["metadata"]["uid"] = Value::Null;
                store.create(what, &namespace, object, "rig").unwrap();
            }
        };
        put(PODS, "list-limit");
        put(PODS, "list-continue");
        put(PODS, "list-version-0");
        put(DRAGONFLIES, "get-dragonfly");
        put(DRAGONFLIES, "watch-name");
        put(EVENTS, "list-field-events");
        put(BUDGETS, "watch-list-0");
        let server = Server::start(store.clone(), Arc::new(NoKubelet))
            .await
            .unwrap();
        server.rights().add_token("admin", "rig-admin");
        server.rights().add_token("limited", "rig-limited");
        let admin = Right {
            users: vec!["rig-admin".into()],
            ..Right::default()
        };
        server.rights().grant_only(vec![admin]);
        Self {
            store,
            server,
            token: String::new(),
            old_version: String::new(),
            made_version: String::new(),
        }
    }

    /// What the recording did without writing it down.
    async fn quietly_before(&mut self, name: &str) {
        match name {
            "list-continue-expired" => {
                let (_, page) = self
                    .ask(
                        "GET",
                        "/api/v1/namespaces/dragonfly-system/pods?limit=1",
                        "admin",
                        &json!({}),
                        None,
                    )
                    .await;
                self.token = page["metadata"]["continue"].as_str().unwrap().to_owned();
                self.old_version = page["metadata"]["resourceVersion"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                self.store
                    .update(PODS, "harbor", "cache-0", "rig", |pod| {
                        pod["metadata"]["annotations"]["x"] = "y".into()
                    })
                    .unwrap();
                self.store.expire_history();
            }
            "patch-strategic" => {
                let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "spare-pod", "labels": {"app": "spare"}},
                    "spec": {"nodeName": "node-0", "containers": [{"name": "dragonfly", "image": "dragonfly:v1.39.0"}]}});
                let path = "/api/v1/namespaces/harbor/pods";
                let (code, answer) = self
                    .ask("POST", path, "admin", &json!({}), Some(&pod))
                    .await;
                assert_eq!(code, 201, "{answer}");
            }
            "evict-dry-run" | "evict-refused" => {
                let allowed = if name == "evict-refused" {
                    (0, 2)
                } else {
                    (1, 3)
                };
                self.store
                    .update(BUDGETS, "dragonfly-system", "dragonfly", "rig", |budget| {
                        budget["status"]["disruptionsAllowed"] = allowed.0.into();
                        budget["status"]["currentHealthy"] = allowed.1.into();
                    })
                    .unwrap();
            }
            _ => (),
        }
    }

    /// The recorded request, with this lab's ids where the recording's were evened out.
    fn request(&self, name: &str, request: &Value) -> (String, Option<Value>) {
        let path = request["path"].as_str().unwrap();
        let path = match name {
            "list-continue-garbage" => path.replace("TOKEN", "xyz"),
            "list-exact-expired" => path.replace(
                "resourceVersion=1001",
                &format!("resourceVersion={}", self.old_version),
            ),
            _ => path.replace("TOKEN", &self.token),
        };
        let mut body = request.get("body").cloned();
        if let Some(meta) = body
            .as_mut()
            .and_then(|body| body.pointer_mut("/metadata"))
            .filter(|_| request["method"] == "PUT")
        {
            let live = self.store.get(DRAGONFLIES, "harbor", "spare").unwrap();
            if name != "put-wrong-uid" {
                meta["uid"] = live.uid.clone().into();
            }
            match name {
                "put-conflict" => meta["resourceVersion"] = self.made_version.clone().into(),
                "put-no-version" => (),
                _ => meta["resourceVersion"] = live.revision.to_string().into(),
            }
        }
        if name == "delete-grace" {
            let uid = self
                .store
                .get(PODS, "harbor", "spare-pod")
                .unwrap()
                .uid
                .clone();
            body.as_mut().unwrap()["preconditions"]["uid"] = uid.into();
        }
        (path, body)
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &Value,
        body: Option<&Value>,
    ) -> hyper::Response<Incoming> {
        let stream = TcpStream::connect(self.server.address()).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path.replace(' ', "%20"))
            .header("host", "lab");
        request = request.header("authorization", format!("Bearer {token}"));
        for (name, value) in headers.as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap());
        }
        if body.is_some() && headers.get("content-type").is_none() {
            request = request.header("content-type", "application/json");
        }
        let bytes = match body {
            None => Bytes::new(),
            Some(Value::String(text)) => text.clone().into(),
            Some(value) => value.to_string().into(),
        };
        sender
            .send_request(request.body(Full::new(bytes)).unwrap())
            .await
            .unwrap()
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &Value,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let response = self.send(method, path, token, headers, body).await;
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (
            code,
            serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into()),
        )
    }

    /// As many events as were recorded, without waiting for the watch to end.
    async fn events(&self, path: &str, token: &str, headers: &Value, count: usize) -> (u16, Value) {
        let response = self.send("GET", path, token, headers, None).await;
        let code = response.status().as_u16();
        let (mut body, mut text) = (response.into_body(), Vec::new());
        while text.iter().filter(|byte| **byte == b'\n').count() < count {
            let frame = tokio::time::timeout(Duration::from_secs(30), body.frame())
                .await
                .unwrap();
            text.extend_from_slice(&frame.unwrap().unwrap().into_data().unwrap());
        }
        let lines = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        (
            code,
            lines
                .map(|line| serde_json::from_slice::<Value>(line).unwrap())
                .collect(),
        )
    }
}

/// What differs at every recording, evened out; keys sorted, so that ids get their numbers in the same order.
fn even(value: &Value, ids: &mut BTreeMap<String, usize>, keep_managed: bool) -> Value {
    match value {
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, value) in map {
                if (key == "managedFields" && !keep_managed) || key == "storageVersionHash" {
                    continue;
                }
                let value = match (key.as_str(), value) {
                    ("resourceVersion", Value::String(_)) => "VERSION".into(),
                    ("continue", Value::String(token)) if !token.is_empty() => "TOKEN".into(),
                    ("serverAddress", _) => "ADDRESS".into(),
                    ("columnDefinitions", Value::Array(columns)) => columns
                        .iter()
                        .map(|column| {
                            let mut column = column.clone();
                            column.as_object_mut().unwrap().remove("description");
                            column
                        })
                        .collect(),
                    _ => even(value, ids, keep_managed),
                };
                out.insert(key.clone(), value);
            }
            Value::Object(out)
        }
        Value::Array(items) => items
            .iter()
            .map(|item| even(item, ids, keep_managed))
            .collect(),
        Value::String(text) => even_text(text, ids).into(),
        other => other.clone(),
    }
}

fn even_text(text: &str, ids: &mut BTreeMap<String, usize>) -> String {
    // The recording shows the difference of two Go structures here.
    let text = text.split("\n  core.PodSpec{").next().unwrap();
    let age = text.trim_end_matches(['s', 'm', 'h', 'd']);
    if text.len() > age.len()
        && !age.is_empty()
        && age.chars().all(|c| c.is_ascii_digit() || "mhd".contains(c))
    {
        return "AGE".into();
    }
    if text.starts_with("cache.000000000000000") || text.starts_with("made-") {
        return "MADE".into();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let time = rest
            .get(..20)
            .filter(|time| time.ends_with('Z') && time.starts_with("20") && time.contains('T'));
        let id = rest.get(..36).filter(|id| {
            id.char_indices().all(|(at, c)| {
                if [8, 13, 18, 23].contains(&at) {
                    c == '-'
                } else {
                    c.is_ascii_hexdigit()
                }
            })
        });
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let versioned = ["resource version: ", "current: ", "in record ("]
            .iter()
            .any(|before| out.ends_with(before))
            || (out.ends_with('(') && out.contains("too old resource version"));
        let (piece, length) = if time.is_some() {
            ("TIME".to_owned(), 20)
        } else if let Some(id) = id {
            let next = ids.len() + 1;
            (
                format!("ID-{}", ids.entry(id.to_owned()).or_insert(next)),
                36,
            )
        } else if versioned && number.len() > 1 {
            ("VERSION".to_owned(), number.len())
        } else {
            (c.to_string(), c.len_utf8())
        };
        out.push_str(&piece);
        rest = &rest[length..];
    }
    out
}

/// Paths at which two values differ.
fn differences(real: &Value, lab: &Value, at: &str, found: &mut Vec<String>) {
    match (real, lab) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let (x, y) = (a.get(key), b.get(key));
                match (x, y) {
                    (Some(x), Some(y)) => differences(x, y, &format!("{at}/{key}"), found),
                    _ => found.push(format!("{at}/{key}: real {x:?}, lab {y:?}")),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (x, y)) in a.iter().zip(b).enumerate() {
                differences(x, y, &format!("{at}/{index}"), found);
            }
        }
        (a, b) if a == b => (),
        (a, b) => found.push(format!("{at}: real {a}, lab {b}")),
    }
}

#[tokio::test]
async fn the_lab_answers_as_a_recorded_api_server() {
    let apart: BTreeMap<&str, &str> = APART.iter().copied().collect();
    let mut lab = Lab::start().await;
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for name in names()
        .iter()
        .filter(|name| !apart.contains_key(name.as_str()))
    {
        let exchange = recording(name);
        lab.quietly_before(name).await;
        let (path, body) = lab.request(name, &exchange["request"]);
        let token = match exchange["user"].as_str().unwrap() {
            "rig-admin" => "admin",
            "rig-limited" => "limited",
            _ => "wrong",
        };
        let headers = exchange["request"]
            .get("headers")
            .cloned()
            .unwrap_or_else(|| json!({}));
        let method = exchange["request"]["method"].as_str().unwrap();
        let (code, answer) = match exchange["body"].as_array() {
            Some(events) => lab.events(&path, token, &headers, events.len()).await,
            None => lab.ask(method, &path, token, &headers, body.as_ref()).await,
        };
        match name.as_str() {
            "list-limit" => lab.token = answer["metadata"]["continue"].as_str().unwrap().to_owned(),
            "create-dragonfly" => {
                lab.made_version = answer["metadata"]["resourceVersion"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            }
            _ => (),
        }
        let keep = exchange["body"]
            .pointer("/metadata/managedFields")
            .is_some();
        let even = |value: &Value| even(value, &mut BTreeMap::new(), keep);
        let mut found = Vec::new();
        if exchange["status"] != code {
            found.push(format!("status: real {}, lab {code}", exchange["status"]));
        }
        // A watch in which nothing happened was recorded as an empty text.
        differences(&even(&exchange["body"]), &even(&answer), "", &mut found);
        compared += 1;
        if !found.is_empty() {
            wrong.push(format!(
                "{name} ({}):\n    {}",
                exchange["about"].as_str().unwrap(),
                found.join("\n    ")
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {compared} exchanges differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(compared > 100, "the recordings are found: {compared}");
}

#[test]
fn every_exchange_is_compared_or_set_apart_with_a_reason() {
    let names: BTreeSet<String> = names().into_iter().collect();
    for (name, _) in APART {
        assert!(names.contains(*name), "{name} is not recorded any more");
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/contract");
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        if let Some(name) = file.strip_suffix(".json") {
            assert!(
                names.contains(name),
                "{name} is in no part of tests/cluster/record.d"
            );
        }
    }
}
