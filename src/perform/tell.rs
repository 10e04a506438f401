//! For colleagues: an Event about the target when a run begins and when it ends, so that kubectl shows who did what.

use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};

use super::look::{PATIENCE, asked, get};
use crate::actions::{ObjectId, Plan, Resource, Target};
use crate::connect::latch::{Change, Latch};
use crate::connect::request::{self, JSON, MERGE, Order};
use crate::msg::RunId;

/// The annotation that tells who last did what to a Dragonfly.
const LAST: &str = "darner.dev/last-run";
/// Longest note of an Event, bytes.
const LONGEST: usize = 1_000;

/// Writes an Event about the target of a plan. That it may not be written is no reason not to run: what came of it is told.
pub(super) async fn event(
    client: &Client,
    latch: &Latch,
    plan: &Plan,
    run: &RunId,
    reason: &str,
    warns: bool,
    note: &str,
) -> Result<(), String> {
    let target = match &plan.target {
        Target::Instance(id) => ObjectId::dragonfly(id),
        Target::Object(object) => object.clone(),
    };
    let regarded = get(client, &target).await.ok().flatten();
    let text = |path: &str| {
        let value = regarded.as_ref()?.pointer(path)?;
        value.as_str().map(str::to_owned)
    };
    let namespace = match target.namespace.as_ref() {
        "" => "default",
        namespace => namespace,
    };
    let now = Timestamp::now();
    let name = format!("{}.{:x}", target.name, now.as_nanosecond());
    let events = ObjectId::new(&target.context, Resource::EVENT, namespace, &name);
    let group = match target.resource.group {
        "" => target.resource.version.to_owned(),
        group => format!("{group}/{}", target.resource.version),
    };
    let note: String = note.chars().take(LONGEST).collect();
    let body = json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        "reportingController": "darner.dev/darner",
        "reportingInstance": short(run.as_str()),
        "action": crate::domain::text::capital(plan.action),
        "reason": reason,
        "regarding": {
            "apiVersion": group,
            "kind": target.resource.kind,
            "namespace": &*target.namespace,
            "name": &*target.name,
            "uid": text("/metadata/uid"),
            "resourceVersion": text("/metadata/resourceVersion"),
        },
        "note": note,
        "type": if warns { "Warning" } else { "Normal" },
    });
    let path = events.collection();
    let order = Order {
        method: http::Method::POST,
        path: &path,
        body: Some((body.to_string().into_bytes(), JSON)),
        asked: asked(&events, "create"),
    };
    let pass = latch.pass_to_end(Change::Request(http::Method::POST, path.clone()))?;
    let told = request::change(client, &order, &pass, PATIENCE).await;
    told.map(drop).map_err(|refusal| refusal.fault.message)
}

/// Notes on the Dragonfly who did what to it last. It is metadata: no operator acts on it.
pub(super) async fn annotate(
    client: &Client,
    latch: &Latch,
    target: &Target,
    words: &str,
) -> Result<(), String> {
    let Target::Instance(id) = target else {
        return Ok(());
    };
    let object = ObjectId::dragonfly(id);
    let path = object.path();
    let patch: Value = json!({"metadata": {"annotations": {LAST: words}}});
    let order = Order {
        method: http::Method::PATCH,
        path: &path,
        body: Some((patch.to_string().into_bytes(), MERGE)),
        asked: asked(&object, "patch"),
    };
    let pass = latch.pass_to_end(Change::Request(http::Method::PATCH, path.clone()))?;
    let told = request::change(client, &order, &pass, PATIENCE).await;
    told.map(drop).map_err(|refusal| refusal.fault.message)
}

/// What an Event takes as the name of an instance of its reporter, at the most.
fn short(run: &str) -> String {
    run.chars().take(128).collect()
}
