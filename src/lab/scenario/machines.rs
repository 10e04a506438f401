//! A machine that is gone, with what ran on it.

use serde_json::{Value, json};

use super::{MAIN, Scenario, Scene};
use crate::lab::clock;
use crate::lab::furnish::nodes::HEALTH;
use crate::lab::json::{items, set, text};
use crate::lab::pods;
use crate::lab::resources::{NODES, PODS};
use crate::lab::stage::{Lasting, Stage, name};
use crate::lab::store::{Delete, Store, Writer};

/// Who notices.
const CONTROLLER: &str = "kube-controller-manager";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

pub(super) const LOST_NODE: Scenario = Scenario {
    name: "lost-node",
    about: "the machine of the master of dragonfly-system/dragonfly is gone; its pods stay Terminating",
    shows: "node Ready Unknown and tainted; its pods Terminating and not Ready for as long as one looks, nothing in them \
            answers; the operator has elected another master where one was there",
    follows: "",
    play: |scene| Box::pin(async move { lost_node(scene) }),
    ..Scenario::BASE
};

fn lost_node(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let machine = text(&cast.master, "/spec/nodeName").to_owned();
    stage.infra.machines.lose(&machine, true);
    lose(stage, lasting, &machine)?;
    Ok(format!(
        "{machine} is gone, and {} with it",
        name(&cast.master)
    ))
}

/// What the controllers make of a machine that nobody hears of: Unknown and tainted, its pods evicted. It is as it was
/// when the lab is healed.
///
/// # Errors
/// The API's words.
pub(in crate::lab) fn lose(stage: &Stage, lasting: &Lasting, machine: &str) -> Result<(), String> {
    let store = stage.infra.store.clone();
    let now = clock::seconds(store.now());
    let taint = |effect: &str| json!({"key": UNREACHABLE, "effect": effect, "timeAdded": now});
    write(&store, machine, |node| {
        set(
            node,
            &["spec", "taints"],
            json!([taint("NoSchedule"), taint("NoExecute")]),
        );
    })?;
    write_conditions(&store, machine, |_| {
        (
            "Unknown",
            "NodeStatusUnknown",
            "Kubelet stopped posting node status.",
        )
    })?;
    let listed = store
        .list(PODS, None)
        .map_err(|status| status.to_string())?;
    for pod in listed.items {
        let value = pod.value();
        if text(&value, "/spec/nodeName") == machine {
            forsake(&store, &pod.namespace, name(&value), &now);
        }
    }
    let (stage, of) = (stage.infra.store.clone(), machine.to_owned());
    lasting.undo(move || {
        // It may have been removed meanwhile.
        let _ = hear_again(&stage, &of);
    });
    Ok(())
}

/// What the kubelet and the controllers make of a machine that is heard of again.
///
/// # Errors
/// The API's words.
pub(in crate::lab) fn hear_again(store: &Store, machine: &str) -> Result<(), String> {
    write(store, machine, |node| {
        set(node, &["spec", "taints"], Value::Null);
    })?;
    write_conditions(store, machine, |condition| {
        let health = HEALTH.iter().find(|(kind, ..)| *kind == condition);
        health.map_or(("False", "", ""), |(_, is, reason, message)| {
            (is, reason, message)
        })
    })
}

/// What the node lifecycle controller makes of a pod there: not Ready, evicted, and so Terminating.
fn forsake(store: &Store, namespace: &str, pod: &str, now: &str) {
    let writer = Writer {
        subresource: "status",
        ..Writer::from(CONTROLLER)
    };
    // A pod that is gone by itself needs none of it.
    let _ = store.update(PODS, namespace, pod, writer, |pod| {
        let mut status = pod.get("status").cloned().unwrap_or_default();
        pods::set_condition(&mut status, json!({"type": "Ready", "status": "False"}), now);
        let evicted = json!({"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint"});
        pods::set_condition(&mut status, evicted, now);
        set(pod, &["status"], status);
    });
    let _ = store.delete(PODS, namespace, pod, &Delete::default());
}

fn write(store: &Store, node: &str, change: impl FnOnce(&mut Value)) -> Result<(), String> {
    let written = store.update(NODES, "", node, CONTROLLER, change);
    written.map(|_| ()).map_err(|status| status.to_string())
}

/// Writes every condition of a machine anew: status, reason and message by its type.
fn write_conditions(
    store: &Store,
    machine: &str,
    anew: impl Fn(&str) -> (&'static str, &'static str, &'static str),
) -> Result<(), String> {
    let now = clock::seconds(store.now());
    let writer = Writer {
        subresource: "status",
        ..Writer::from(CONTROLLER)
    };
    let written = store.update(NODES, "", machine, writer, |node| {
        let mut status = node.get("status").cloned().unwrap_or_default();
        for condition in items(node, "/status/conditions") {
            let kind = text(condition, "/type");
            let (is, reason, message) = anew(kind);
            let condition = json!({"type": kind, "status": is, "reason": reason, "message": message,
                "lastHeartbeatTime": condition.get("lastHeartbeatTime")});
            pods::set_condition(&mut status, condition, &now);
        }
        set(node, &["status"], status);
    });
    written.map(|_| ()).map_err(|status| status.to_string())
}
