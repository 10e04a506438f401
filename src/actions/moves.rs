//! Moves that several actions make: a pod's labels, a node's master, its schedule of snapshots; and what stands before them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::gates::ADMIN_PORT;
use super::{Does, Goal, ObjectId, Resource, Step};
use crate::checks::{Case, Instance, Node};
use crate::domain::engine::{LinkState, Question, Role};
use crate::domain::text;

/// The pod behind a node, and no other of its name.
pub(super) fn uid(node: &Node<'_>) -> Arc<str> {
    node.view.pod.value.meta.uid.clone()
}

/// What is there before: each pod with its role three ways, and its uid.
pub(super) fn before(instance: &Instance<'_>) -> Vec<String> {
    instance
        .nodes
        .iter()
        .map(|node| {
            let label = node.view.label_role().map_or("none", Role::word);
            let engine = match &node.word {
                crate::checks::Word::Says { role, .. } => role.word(),
                crate::checks::Word::Silent { .. } => "silent",
            };
            let endpoint = match node.view.is_endpoint {
                true => ", the Service sends to it",
                false => "",
            };
            format!(
                "{}: label {label}, engine {engine}{endpoint}, uid {}",
                node.name(),
                node.view.pod.value.meta.uid
            )
        })
        .collect()
}

/// `lag 12  offset 8,401  keys 1.2M  v1.40.0`.
pub(super) fn figures(case: &Case<'_>, instance: &Instance<'_>, node: &Node<'_>) -> String {
    let mut words = Vec::new();
    let line = instance
        .master()
        .and_then(|master| instance.view.line_for(&master.view, &node.view));
    // Outside of stable sync the figure says nothing.
    let online = line.filter(|line| line.state == LinkState::Online);
    if let Some(lag) = online.and_then(|line| line.lag) {
        words.push(format!("lag {}", text::exact(lag)));
    }
    if let Some(offset) = node.follower().and_then(|f| f.offset) {
        words.push(format!("offset {}", text::exact(offset)));
    }
    if let Some(keys) = node.told(case, Question::Keyspace, |e| e.keyspace.as_ref()) {
        words.push(format!("keys {}", text::exact(keys.value.keys)));
    }
    if let Some(server) = node.told(case, Question::Server, |e| e.server.as_ref()) {
        words.push(server.value.version.clone().unwrap_or_default());
    }
    words.join("  ")
}

/// The machine of that name.
pub(super) fn machine_id(case: &Case<'_>, machine: &str) -> ObjectId {
    ObjectId::new(&case.context.id, Resource::NODE, "", machine)
}

/// The annotation in which the operator keeps whom a node follows, since v1.4.0.
pub(super) const MASTER_IP: &str = "operator.dragonflydb.io/masterIP";

/// Replicas that have their link to a node up, and heard from it within the replication timeout of 30 s. A frozen process
/// keeps them so for a minute and longer (v1.39, v1.40), a dead one does not.
pub(super) fn hears<'c>(instance: &'c Instance<'_>, node: &Node<'_>) -> Vec<&'c str> {
    let ip = node.view.ip();
    let hears = |other: &&Node<'_>| {
        other.follower().is_some_and(|follower| {
            ip.is_some()
                && ip == Some(follower.host.as_str())
                && follower.link_up
                && follower.last_io.is_some_and(|seconds| seconds <= 30)
        })
    };
    instance
        .nodes
        .iter()
        .filter(hears)
        .map(Node::name)
        .collect()
}

/// Changes a pod, if it is still the same.
pub(super) fn patch(node: &Node<'_>, patch: Value) -> Does {
    Does::Patch {
        object: ObjectId::pod(&node.view.id),
        part: "",
        uid: Some(uid(node)),
        patch,
    }
}

/// Sends a command to a node, if it is still the same pod.
pub(super) fn command(node: &Node<'_>, words: &[&str]) -> Does {
    Does::Command {
        node: node.view.id.clone(),
        uid: uid(node),
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        expects: None,
        reply: None,
        told_by: Vec::new(),
        refuted_by: Vec::new(),
    }
}

/// The same command, with what tells that it was carried out although no answer came.
pub(super) fn told(does: Does, goals: Vec<Goal>) -> Does {
    match does {
        Does::Command {
            node,
            uid,
            words,
            expects,
            reply,
            refuted_by,
            ..
        } => Does::Command {
            node,
            uid,
            words,
            expects,
            reply,
            told_by: goals,
            refuted_by,
        },
        other => other,
    }
}

/// The same command, sent only if the engine has that role just before.
pub(super) fn expecting(does: Does, role: Role) -> Does {
    match does {
        Does::Command {
            node,
            uid,
            words,
            reply,
            told_by,
            refuted_by,
            ..
        } => Does::Command {
            node,
            uid,
            words,
            expects: Some(role),
            reply,
            told_by,
            refuted_by,
        },
        other => other,
    }
}

/// Labels a pod master, and notes on it that it follows nobody else.
pub(super) fn label_master(node: &Node<'_>, ip: &str) -> Step {
    Step::new(
        format!("label {} master", node.name()),
        patch(
            node,
            json!({"metadata": {
                "labels": {"role": "master", "master-ip": null},
                "annotations": {MASTER_IP: ip},
            }}),
        ),
    )
}

/// Takes the role label of a pod, so that the Service sends nobody to it.
pub(super) fn unlabel(node: &Node<'_>) -> Step {
    Step::new(
        format!("take the role label of {}", node.name()),
        patch(node, json!({"metadata": {"labels": {"role": null}}})),
    )
}

/// Deletes a pod, if it is still the same.
pub(super) fn delete(node: &Node<'_>, words: String, grace: Option<u32>) -> Step {
    Step::new(
        words,
        Does::Delete {
            object: ObjectId::pod(&node.view.id),
            uid: uid(node),
            grace,
            orphans: false,
        },
    )
}

/// Notes on a pod whom it follows.
pub(super) fn note(other: &Node<'_>, master: &str, ip: &str) -> Step {
    Step::new(
        format!("note on {} that it follows {master}", other.name()),
        patch(
            other,
            json!({"metadata": {"labels": master_ip(other, ip), "annotations": {MASTER_IP: ip}}}),
        ),
    )
}

/// Labels a pod replica, and notes on it whom it follows.
pub(super) fn label_replica(other: &Node<'_>, master: &str, ip: &str) -> Step {
    let mut labels = master_ip(other, ip);
    labels.insert("role".to_owned(), json!("replica"));
    Step::new(
        format!("label {} replica, following {master}", other.name()),
        patch(
            other,
            json!({"metadata": {"labels": labels, "annotations": {MASTER_IP: ip}}}),
        ),
    )
}

/// The label of the master's address, only where it is kept: operators before v1.4.0 write it, later ones beside the
/// annotation.
fn master_ip(other: &Node<'_>, ip: &str) -> serde_json::Map<String, Value> {
    let mut labels = serde_json::Map::new();
    if other.view.pod.value.meta.labels.contains_key("master-ip") {
        labels.insert("master-ip".to_owned(), json!(ip));
    }
    labels
}

/// The schedule of snapshots goes with the master, where only the master saves.
pub(super) fn schedules(
    instance: &Instance<'_>,
    node: &Node<'_>,
    others: &[&Node<'_>],
) -> Vec<Step> {
    let snapshot = instance.view.dragonfly.value.snapshot.as_ref();
    let Some(cron) = snapshot
        .filter(|snapshot| snapshot.master_only)
        .and_then(|snapshot| snapshot.cron.as_deref())
    else {
        return Vec::new();
    };
    let set =
        |node: &Node<'_>, cron: &str| command(node, &["CONFIG", "SET", "snapshot_cron", cron]);
    let first = Step::new(
        format!("give {} the schedule of snapshots", node.name()),
        set(node, cron),
    )
    .optional();
    let rest = others.iter().map(|other| {
        Step::new(
            format!("take the schedule of snapshots from {}", other.name()),
            set(other, ""),
        )
        .optional()
    });
    [first].into_iter().chain(rest).collect()
}

/// Has a node follow another, unless it does already.
pub(super) fn repoint(other: &Node<'_>, to: &str, ip: &str) -> Step {
    let goal = Goal::PointsTo(other.view.id.clone(), uid(other), ip.to_owned());
    Step::new(
        format!("have {} follow {to}", other.name()),
        told(
            command(other, &["REPLICAOF", ip, &ADMIN_PORT.to_string()]),
            vec![goal.clone()],
        ),
    )
    .once()
    // Sent again to a node that follows already, it would cost a full sync.
    .unless(vec![goal])
    .within(Duration::from_secs(25))
    .leaves(format!(
        "{} without a master, until the operator points it there",
        other.name()
    ))
}
