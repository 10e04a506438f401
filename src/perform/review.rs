//! Who acts, and whether they may: reviews by the API server itself.

use futures::future::join_all;
use kube::Client;
use serde_json::{Value, json};

use super::look::PATIENCE;
use crate::actions::{Does, Gate, ObjectId, Plan, Target};
use crate::connect::fault::Asked;
use crate::connect::request;
use crate::domain::text::one_line;

/// Who acts: by the word of the API server, and of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The name by which the API server knows them; empty where it does not tell.
    pub user: String,
    /// The user of this machine.
    pub os_user: String,
    /// This machine.
    pub host: String,
}

impl Who {
    /// `jane@corp (jane on laptop)`.
    pub fn words(&self) -> String {
        let local = format!("{} on {}", self.os_user, self.host);
        match self.user.as_str() {
            "" => local,
            user => format!("{user} ({local})"),
        }
    }
}

/// The name by which the API server knows us; empty where it does not tell (before Kubernetes 1.28).
pub(super) async fn name(client: &Client) -> String {
    let asked = Asked {
        verb: "create",
        resource: "selfsubjectreviews",
        group: "authentication.k8s.io",
        namespace: None,
    };
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let body = body.to_string().into_bytes();
    let answer = request::ask(client, path, body, &asked, PATIENCE).await;
    let told = answer.ok().and_then(|body| {
        let value: Value = serde_json::from_slice(&body).ok()?;
        let name = value.pointer("/status/userInfo/username")?.as_str()?;
        Some(one_line(name))
    });
    told.unwrap_or_default()
}

/// A right that a step needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    part: &'static str,
    namespace: String,
    name: String,
}

fn right(verb: &'static str, object: &ObjectId, part: &'static str) -> Right {
    Right {
        verb,
        group: object.resource.group,
        resource: object.resource.plural,
        part,
        namespace: object.namespace.to_string(),
        name: object.name.to_string(),
    }
}

fn rights(plan: &Plan) -> Vec<Right> {
    let mut rights: Vec<Right> = plan
        .all_steps()
        .flat_map(|step| match &step.does {
            Does::Command { node, .. } | Does::DropClients { node, .. } => {
                let pod = ObjectId::pod(node);
                vec![
                    right("get", &pod, "portforward"),
                    right("create", &pod, "portforward"),
                ]
            }
            Does::Run { node, .. } => {
                let pod = ObjectId::pod(node);
                vec![right("get", &pod, "exec"), right("create", &pod, "exec")]
            }
            Does::Patch { object, part, .. } => vec![right("patch", object, part)],
            Does::Delete { object, .. } => vec![right("delete", object, "")],
            Does::Evict { object, .. } => vec![right("create", object, "eviction")],
            Does::Await(_) => Vec::new(),
        })
        .collect();
    rights.extend(lock_rights(&plan.target));
    rights.sort();
    rights.dedup();
    rights
}

fn lock_rights(target: &Target) -> Vec<Right> {
    let lease = super::lock::lease(target);
    ["create", "get", "patch", "delete"]
        .map(|verb| Right {
            // A name cannot restrict what is created.
            name: match verb {
                "create" => String::new(),
                _ => lease.name.to_string(),
            },
            ..right(verb, &lease, "")
        })
        .to_vec()
}

/// Whether every step may be done, by the word of the API server.
pub(super) async fn gate(client: &Client, plan: &Plan) -> Gate {
    const ID: &str = "rights";
    let rights = rights(plan);
    let asks = rights.iter().map(|right| allowed(client, right));
    let answers = join_all(asks).await;
    let mut lacks = Vec::new();
    let mut untold = Vec::new();
    for (right, answer) in rights.iter().zip(answers) {
        match answer {
            Ok(true) => {}
            Ok(false) => lacks.push(words(right)),
            Err(why) => untold.push(format!("{} ({why})", words(right))),
        }
    }
    lacks.dedup();
    match (lacks.is_empty(), untold.is_empty()) {
        (true, true) => Gate::pass(ID, format!("all {} rights are there", rights.len())),
        (false, _) => Gate::block(
            ID,
            format!("these rights are missing: {}", lacks.join(", ")),
        ),
        (true, false) => Gate::block(
            ID,
            format!(
                "whether there is the right to {} is not told",
                untold.join(", ")
            ),
        ),
    }
}

fn words(right: &Right) -> String {
    let part = match right.part {
        "" => String::new(),
        part => format!("/{part}"),
    };
    let place = match right.namespace.as_str() {
        "" => String::new(),
        namespace => format!(" in {namespace}"),
    };
    format!("{} {}{part}{place}", right.verb, right.resource)
}

async fn allowed(client: &Client, right: &Right) -> Result<bool, String> {
    let asked = Asked {
        verb: "create",
        resource: "selfsubjectaccessreviews",
        group: "authorization.k8s.io",
        namespace: None,
    };
    let mut attributes = json!({
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "subresource": right.part,
        "namespace": right.namespace,
        "name": right.name,
    });
    if let Some(map) = attributes.as_object_mut() {
        map.retain(|_, value| value.as_str() != Some(""));
    }
    let body = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let body = body.to_string().into_bytes();
    let answer = request::ask(client, path, body, &asked, PATIENCE).await;
    let body = answer.map_err(|refusal| refusal.fault.message)?;
    let value: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    Ok(value.pointer("/status/allowed") == Some(&Value::Bool(true)))
}
