//! Reads again what a plan relies on: objects by GET, engines by asking them. What was known before is not believed here.

use std::time::Duration;

use futures::future::join_all;
use kube::Client;
use serde_json::Value;

use super::lines::Lines;
use crate::actions::{Look, ObjectId, Resource};
use crate::connect::fault::Asked;
use crate::connect::{exec, request};
use crate::domain::object::{ContainerState, Object};
use crate::domain::text::plain;
use crate::domain::{Fact, Fault, InstanceId, Kind, NodeId, World};
use crate::wire;

/// How long each request may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What was read.
#[derive(Default)]
pub(super) struct Seen {
    /// Facts for the world.
    pub facts: Vec<Fact>,
    /// Objects one by one.
    pub objects: Vec<(ObjectId, Option<Value>)>,
    /// What could not be read, and why.
    pub faults: Vec<Fault>,
}

/// Reads all of it. `briefly`: of engines only the role.
pub(super) async fn look(
    client: &Client,
    lines: &Lines,
    world: &World,
    looks: &[Look],
    briefly: bool,
) -> Seen {
    let reads = looks.iter().map(|look| async move {
        match look {
            Look::Instance(id) => instance(client, lines, world, id, briefly).await,
            Look::Node(node) => node_alone(client, lines, node, briefly).await,
            Look::Object(id) => object(client, id).await,
            Look::Files(node, folder) => files(client, node, folder).await,
        }
    });
    let mut all = Seen::default();
    for seen in join_all(reads).await {
        all.facts.extend(seen.facts);
        all.objects.extend(seen.objects);
        all.faults.extend(seen.faults);
    }
    all
}

/// One object, as its API server gives it; of a kind that is served in another version, in that one.
pub(super) async fn get(client: &Client, id: &ObjectId) -> Result<Option<Value>, Fault> {
    for resource in id.resource.served() {
        let id = ObjectId {
            resource,
            ..id.clone()
        };
        if let Some(value) = get_in(client, &id).await? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// One object in that version of its kind.
async fn get_in(client: &Client, id: &ObjectId) -> Result<Option<Value>, Fault> {
    let asked = asked(id, "get");
    match request::fetch(client, &id.path(), &asked, PATIENCE).await {
        Ok(body) => serde_json::from_slice(&body)
            .map(|value| Some(clean(value)))
            .map_err(|error| {
                Fault::new(
                    crate::domain::FaultKind::Protocol,
                    format!("{id} cannot be understood"),
                )
                .with_detail(error.to_string())
            }),
        Err(refusal) if refusal.code == Some(404) => Ok(None),
        Err(refusal) => Err(refusal.fault),
    }
}

/// What is asked about an object, for sentences and rights.
pub(super) fn asked<'a>(id: &'a ObjectId, verb: &'a str) -> Asked<'a> {
    Asked {
        verb,
        resource: id.resource.plural,
        group: id.resource.group,
        namespace: id.resource.namespaced.then_some(&*id.namespace),
    }
}

/// Text in it is safe to draw from here on.
fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(plain(&text)),
        Value::Array(list) => Value::Array(list.into_iter().map(clean).collect()),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (plain(&key), clean(value)))
            .collect(),
        other => other,
    }
}

async fn object(client: &Client, id: &ObjectId) -> Seen {
    let mut seen = Seen::default();
    match get(client, id).await {
        Ok(found) => {
            // What the world follows is told to it too.
            if id.resource == Resource::DEPLOYMENT
                && let Some(value) = &found
                && value
                    .pointer("/spec/template/metadata/labels/control-plane")
                    .is_some()
                && let Ok(object) = wire::decode(Kind::OperatorDeployment, value)
            {
                seen.facts.push(Fact::Seen {
                    context: id.context.clone(),
                    object,
                });
            }
            seen.objects.push((id.clone(), found));
        }
        Err(fault) => seen.faults.push(fault),
    }
    seen
}

/// The files in a folder of an engine's container.
async fn files(client: &Client, node: &NodeId, folder: &str) -> Seen {
    let mut seen = Seen::default();
    let id = crate::actions::plan::folder(node, folder);
    let Some(command) = exec::listing(folder) else {
        seen.objects.push((id, None));
        return seen;
    };
    let (namespace, pod) = (&node.namespace, &node.pod);
    match exec::run(client, namespace, pod, "dragonfly", &command, PATIENCE).await {
        Ok(out) => {
            let files = wire::listed_files(&String::from_utf8_lossy(&out));
            let listed = serde_json::to_value(files).unwrap_or_default();
            seen.objects.push((id, Some(listed)));
        }
        Err(refusal) => {
            // What was listed before is not what is there now.
            seen.objects.push((id, None));
            seen.faults.push(refusal.fault);
        }
    }
    seen
}

/// A pod of an instance and its engine.
async fn node_alone(client: &Client, lines: &Lines, node: &NodeId, briefly: bool) -> Seen {
    let mut seen = Seen::default();
    let id = ObjectId::pod(node);
    match get(client, &id).await {
        Ok(Some(value)) => {
            if let Ok(object) = wire::decode(Kind::Pod, &value) {
                let uid = object.meta().uid.clone();
                let runs = runs(&object);
                seen.facts.push(Fact::Seen {
                    context: node.context.clone(),
                    object,
                });
                if runs {
                    seen.facts
                        .extend(lines.ask(client, node, &uid, briefly).await);
                }
            }
            seen.objects.push((id, Some(value)));
        }
        Ok(None) => {
            seen.facts.push(gone(node));
            seen.objects.push((id, None));
        }
        Err(fault) => seen.faults.push(fault),
    }
    seen
}

fn gone(node: &NodeId) -> Fact {
    Fact::Gone {
        context: node.context.clone(),
        kind: Kind::Pod,
        namespace: node.namespace.clone(),
        name: node.pod.clone(),
    }
}

fn runs(object: &Object) -> bool {
    let Object::Pod(pod) = object else {
        return false;
    };
    let container = pod.container("dragonfly").map(|c| &c.state);
    pod.ip.is_some() && matches!(container, Some(ContainerState::Running { .. }))
}

/// An instance with all that its gates and goals are judged by.
async fn instance(
    client: &Client,
    lines: &Lines,
    world: &World,
    id: &InstanceId,
    briefly: bool,
) -> Seen {
    let mut seen = Seen::default();
    let dragonfly = ObjectId::dragonfly(id);
    let set = ObjectId::new(&id.context, Resource::STATEFUL_SET, &id.namespace, &id.name);
    let view = world.instance(id);
    let service = view
        .as_ref()
        .map_or(id.name.to_string(), |v| v.dragonfly.value.service.clone());
    let core = |plural: &str, group: &str| {
        let ns = &id.namespace;
        match group {
            "" => format!("/api/v1/namespaces/{ns}/{plural}"),
            group => format!("/apis/{group}/v1/namespaces/{ns}/{plural}"),
        }
    };
    let pods = format!(
        "{}?labelSelector=app%3D{}%2Capp.kubernetes.io%2Fname%3Ddragonfly",
        core("pods", ""),
        id.name
    );
    let slices = format!(
        "{}?labelSelector=kubernetes.io%2Fservice-name%3D{service}",
        core("endpointslices", "discovery.k8s.io")
    );
    let service = format!("{}/{service}", core("services", ""));
    let (dragonfly, set, service, slices, pods) = tokio::join!(
        get(client, &dragonfly),
        get(client, &set),
        list(client, &service, id, "services", ""),
        list(client, &slices, id, "endpointslices", "discovery.k8s.io"),
        list(client, &pods, id, "pods", ""),
    );
    let mut take = |kind: Kind, read: Result<Vec<Value>, Fault>| -> Option<Vec<Object>> {
        match read {
            Ok(values) => Some(
                values
                    .iter()
                    .filter_map(|value| wire::decode(kind, value).ok())
                    .collect(),
            ),
            Err(fault) => {
                seen.faults.push(fault);
                None
            }
        }
    };
    let one = |read: Result<Option<Value>, Fault>| read.map(|v| v.into_iter().collect());
    let mut objects = Vec::new();
    for (kind, read) in [
        (Kind::Dragonfly, one(dragonfly)),
        (Kind::StatefulSet, one(set)),
        (Kind::Service, service),
        (Kind::EndpointSlice, slices),
    ] {
        objects.extend(take(kind, read).unwrap_or_default());
    }
    if let Some(pods) = take(Kind::Pod, pods) {
        let is_there = |name: &str| pods.iter().any(|pod| *pod.meta().name == *name);
        let nodes = view.iter().flat_map(|view| &view.nodes);
        let lost = nodes.filter(|node| !is_there(&node.id.pod));
        seen.facts.extend(lost.map(|node| gone(&node.id)));
        let asks = pods.iter().filter(|pod| runs(pod)).map(|pod| {
            let meta = pod.meta();
            let node = NodeId {
                context: id.context.clone(),
                namespace: meta.namespace.clone(),
                pod: meta.name.clone(),
            };
            async move { lines.ask(client, &node, &meta.uid, briefly).await }
        });
        let said = join_all(asks).await;
        objects.extend(pods);
        let facts = objects.drain(..).map(|object| Fact::Seen {
            context: id.context.clone(),
            object,
        });
        seen.facts.extend(facts);
        seen.facts.extend(said.into_iter().flatten());
    } else {
        let facts = objects.drain(..).map(|object| Fact::Seen {
            context: id.context.clone(),
            object,
        });
        seen.facts.extend(facts);
    }
    seen
}

/// The items of a list, or the one object that came instead.
async fn list(
    client: &Client,
    path: &str,
    id: &InstanceId,
    resource: &str,
    group: &str,
) -> Result<Vec<Value>, Fault> {
    let asked = Asked {
        verb: "list",
        resource,
        group,
        namespace: Some(&id.namespace),
    };
    let body = match request::fetch(client, path, &asked, PATIENCE).await {
        Ok(body) => body,
        Err(refusal) if refusal.code == Some(404) => return Ok(Vec::new()),
        Err(refusal) => return Err(refusal.fault),
    };
    let mut value: Value = serde_json::from_slice(&body).map_err(|error| {
        Fault::new(
            crate::domain::FaultKind::Protocol,
            format!("the {resource} cannot be understood"),
        )
        .with_detail(error.to_string())
    })?;
    Ok(match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => vec![value],
    })
}
