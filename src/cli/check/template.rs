//! The pods that the operator would make of a Dragonfly object, as far as its own fields say: what is judged of pods in a cluster
//! is judged of these where there are only files.
//!
//! As operator v1.1 to v1.6 makes them: its own container `dragonfly` with both probes, `fsGroup: 999` unless the object says
//! otherwise, labels of the object below its own.

use serde_json::{Map, Value, json};

/// Most pods that are made; more say nothing more.
const MOST: i64 = 16;

/// The pods of an object, one for each of its replicas.
pub(super) fn pods(dragonfly: &Value) -> Vec<Value> {
    let at = |pointer: &str| dragonfly.pointer(pointer);
    let Some(name) = at("/metadata/name").and_then(Value::as_str) else {
        return Vec::new();
    };
    let mut container = json!({
        "name": "dragonfly",
        "image": at("/spec/image").cloned().unwrap_or_else(|| json!("")),
        "livenessProbe": {},
        "readinessProbe": {},
    });
    let mut spec = json!({});
    for (field, from) in [
        ("args", "/spec/args"),
        ("resources", "/spec/resources"),
        ("securityContext", "/spec/containerSecurityContext"),
    ] {
        if let (Some(value), Value::Object(container)) = (at(from), &mut container) {
            container.insert(field.to_owned(), value.clone());
        }
    }
    // As the API server does: what is limited and not asked for is asked for up to its limit.
    let limits = at("/spec/resources/limits").and_then(Value::as_object);
    for (name, limit) in limits.into_iter().flatten() {
        let resources = container
            .get_mut("resources")
            .and_then(Value::as_object_mut);
        let requests = resources.map(|all| all.entry("requests").or_insert_with(|| json!({})));
        if let Some(Value::Object(requests)) = requests {
            requests
                .entry(name.clone())
                .or_insert_with(|| limit.clone());
        }
    }
    let is_skipped = at("/spec/skipFSGroup") == Some(&Value::Bool(true));
    let context = match at("/spec/podSecurityContext") {
        Some(own) => own.clone(),
        None if is_skipped => json!({}),
        None => json!({"fsGroup": 999}),
    };
    let is_claimed = at("/spec/snapshot/persistentVolumeClaimSpec").is_some();
    if let Value::Object(spec) = &mut spec {
        spec.insert("containers".to_owned(), json!([container]));
        spec.insert("securityContext".to_owned(), context);
    }
    let replicas = at("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    (0..replicas.clamp(0, MOST))
        .map(|ordinal| {
            let mut spec = spec.clone();
            if let (true, Value::Object(spec)) = (is_claimed, &mut spec) {
                let claim = json!({"claimName": format!("df-{name}-{ordinal}")});
                let volume = json!([{"name": "df", "persistentVolumeClaim": claim}]);
                spec.insert("volumes".to_owned(), volume);
            }
            json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": format!("{name}-{ordinal}"),
                    "namespace": at("/metadata/namespace"),
                    "labels": labels(dragonfly, name, ordinal),
                },
                "spec": spec,
            })
        })
        .collect()
}

/// The labels of a pod: the object's own below those by which the operator finds it. One of them is to be master.
fn labels(dragonfly: &Value, name: &str, ordinal: i64) -> Map<String, Value> {
    let mut all = Map::new();
    for from in ["/spec/labels", "/spec/podMetadata/labels"] {
        let own = dragonfly.pointer(from).and_then(Value::as_object);
        all.extend(own.cloned().unwrap_or_default());
    }
    let role = if ordinal == 0 { "master" } else { "replica" };
    for (key, value) in [
        ("app", name),
        ("app.kubernetes.io/name", "dragonfly"),
        ("role", role),
    ] {
        all.insert(key.to_owned(), value.into());
    }
    all
}

/// The field of the object that such a finding about its pods comes of.
pub(super) fn field_of(check: &str) -> Option<&'static str> {
    Some(match check {
        "memory-limit-missing" | "memory-limit-tight" => "spec.resources.limits",
        "requests-low" => "spec.resources.requests",
        "security-lax" => "spec.containerSecurityContext",
        "image-floating" => "spec.image",
        "threads-starved" | "arguments-fight" => "spec.args",
        "pods-in-one-zone" | "pods-on-one-machine" => "spec.topologySpreadConstraints",
        _ => return None,
    })
}
