//! A pod is taken away from a machine that is lost: nobody there can end it, so its StatefulSet makes no other in its place.
//!
//! Taken away by force while its process lives, there are two pods of one name, and perhaps two masters over one volume. So
//! it is done only where the machine is gone by the word of its Node object, of that one's Lease, or of whoever fenced it, and
//! where the engine does not answer.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    About, Action, ArgDoc, Candidate, Does, Gate, Goal, Look, ObjectId, Plan, Resource, Risk,
    Scene, Step, moves,
};
use crate::checks::{Case, Instance, Node, Word};
use crate::domain::engine::Role;
use crate::domain::text;

/// The action.
pub const ACTION: Action = Action {
    id: "release-pod",
    verb: "release",
    title: "Release a lost machine's pod",
    doc: "takes a pod away from a machine that is gone or fenced, so that another is made in its place; refused without evidence that it is",
    about: About::Instance,
    risk: Risk::LosesData,
    args: &[
        ArgDoc {
            name: "pod",
            value: "POD",
            doc: "the pod on the lost machine",
            default: None,
            required: true,
        },
        ArgDoc {
            name: "by",
            value: "force-delete|out-of-service-taint",
            doc: "delete the pod alone by force, or taint its machine, which takes every pod and volume from it",
            default: Some(FORCE),
            required: false,
        },
    ],
    reads,
    available,
    candidates,
    preflight,
    plan,
};

const FORCE: &str = "force-delete";
const TAINT: &str = "out-of-service-taint";
/// The taint by which somebody vouches that a machine is shut down (Kubernetes v1.28).
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// How long a pod is kept on a machine that is not ready where it does not say so itself, seconds.
const KEPT: i64 = 300;
/// Where the kubelets keep their Leases.
const LEASES: &str = "kube-node-lease";

/// The pod that is to be taken away.
fn chosen<'c, 'a>(scene: &Scene<'_>, instance: &'c Instance<'a>) -> Option<&'c Node<'a>> {
    instance.node(scene.args.get("pod")?)
}

fn reads(scene: &Scene<'_>) -> Vec<Look> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    // Before one is chosen, what could be chosen is told by every machine.
    let nodes: Vec<&Node<'_>> = match chosen(scene, instance) {
        Some(node) => vec![node],
        None => instance.nodes.iter().collect(),
    };
    let mut looks: Vec<Look> = nodes
        .iter()
        .flat_map(|node| {
            let pod = Look::Object(ObjectId::pod(&node.view.id));
            let machine = node.view.pod.value.machine.as_deref();
            let of_machine = machine.into_iter().flat_map(|machine| {
                [
                    Look::Object(moves::machine_id(&case, machine)),
                    Look::Object(lease_id(&case, machine)),
                ]
            });
            [pod].into_iter().chain(of_machine).collect::<Vec<_>>()
        })
        .collect();
    looks.sort();
    looks.dedup();
    looks
}

fn lease_id(case: &Case<'_>, machine: &str) -> ObjectId {
    ObjectId::new(&case.context.id, Resource::LEASE, LEASES, machine)
}

fn available(scene: &Scene<'_>) -> Result<(), String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    match instance.nodes.iter().any(|node| dead(node).is_ok()) {
        true => Ok(()),
        false => Err("every pod answers: none is lost".to_owned()),
    }
}

/// The engine of a pod is not heard.
fn dead(node: &Node<'_>) -> Result<String, String> {
    let name = node.name();
    match (&node.word, node.runs()) {
        (Word::Says { .. }, true) => Err(format!(
            "{name}'s engine answers: its process lives, and another of its name would be a second one"
        )),
        _ => Ok(format!("{name}'s engine does not answer")),
    }
}

/// No replica hears from it either: what is out of our reach may live.
fn unheard(instance: &Instance<'_>, node: &Node<'_>) -> Result<(), String> {
    let hears = moves::hears(instance, node);
    match hears.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{} {} from {}: its process lives, out of our reach",
            hears.join(" and "),
            if hears.len() == 1 { "hears" } else { "hear" },
            node.name()
        )),
    }
}

/// How sure it is that a machine is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lost {
    /// Nothing runs there any more.
    Surely(String),
    /// Nobody has heard of it for long; what runs there may run on.
    Unheard(String),
}

/// What tells that the machine of a pod is gone or fenced.
///
/// # Errors
/// What tells that it is not, or why that cannot be told, as a sentence.
fn lost(scene: &Scene<'_>, case: &Case<'_>, node: &Node<'_>) -> Result<Lost, String> {
    let name = node.name();
    let Some(machine) = node.view.pod.value.machine.as_deref() else {
        return Err(format!(
            "{name} is on no machine: there is nothing to release it from"
        ));
    };
    let shown = text::one_line(machine);
    let Some(read) = scene.reading.object(&moves::machine_id(case, machine)) else {
        return Err(format!(
            "machine {shown} could not be read, so that nothing tells that it is gone (the right to get nodes is needed)"
        ));
    };
    let Some(value) = read else {
        return Ok(Lost::Surely(format!(
            "there is no machine {shown} any more"
        )));
    };
    if taints(value).iter().any(is_out_of_service) {
        return Ok(Lost::Surely(format!(
            "machine {shown} was put out of service by its taint"
        )));
    }
    let kept = kept(scene, node);
    let (ready, since) = readiness(case, value);
    if ready != "True" && !ready.is_empty() {
        let ago = since.map(|since| case.now.as_second() - since.as_second());
        let evicted = node.is_going()
            && pod_evicted(node).is_some_and(|reason| reason == "DeletionByTaintManager");
        return match ago {
            Some(ago) if evicted => Ok(Lost::Unheard(format!(
                "machine {shown} is not ready ({}) since {}, and {name} was evicted from there after the time that it is kept",
                text::one_line(ready),
                text::age_of(ago)
            ))),
            Some(ago) if ago > kept => Ok(Lost::Unheard(format!(
                "machine {shown} is not ready ({}) since {}, longer than the {} that pods are kept there",
                text::one_line(ready),
                text::age_of(ago),
                text::age_of(kept)
            ))),
            Some(ago) => Err(format!(
                "machine {shown} is not ready since {} only: it counts as lost after {}",
                text::age_of(ago),
                text::age_of(kept)
            )),
            None => Err(format!(
                "since when machine {shown} is not ready is not told"
            )),
        };
    }
    match renewed(scene, case, machine) {
        Some(ago) if ago > kept => Ok(Lost::Unheard(format!(
            "the kubelet of machine {shown} has not renewed its Lease for {}",
            text::age_of(ago)
        ))),
        Some(ago) => Err(format!(
            "machine {shown} is ready, and its kubelet renewed its Lease {} ago: delete the pod as usual",
            text::age_of(ago)
        )),
        None => Err(format!("machine {shown} is ready: delete the pod as usual")),
    }
}

/// Why the control plane evicted a pod.
fn pod_evicted<'a>(node: &Node<'a>) -> Option<&'a str> {
    let condition = node.view.pod.value.condition("DisruptionTarget")?;
    (condition.status == "True").then_some(condition.reason.as_str())
}

fn taints(machine: &Value) -> Vec<Value> {
    let taints = machine.pointer("/spec/taints").and_then(Value::as_array);
    taints.cloned().unwrap_or_default()
}

fn is_out_of_service(taint: &Value) -> bool {
    taint.get("key").and_then(Value::as_str) == Some(OUT_OF_SERVICE)
}

/// Status of the condition Ready, and since when it is so.
fn readiness<'v>(case: &Case<'_>, machine: &'v Value) -> (&'v str, Option<Timestamp>) {
    let conditions = machine
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|one| one.get("type").and_then(Value::as_str) == Some("Ready"));
    let word = |name: &str| ready.and_then(|one| one.get(name)).and_then(Value::as_str);
    let since = word("lastTransitionTime").and_then(|at| at.parse::<Timestamp>().ok());
    (
        word("status").unwrap_or(""),
        since.map(|at| case.context.by_our_clock(at)),
    )
}

/// How long ago the kubelet of a machine renewed its Lease, seconds.
fn renewed(scene: &Scene<'_>, case: &Case<'_>, machine: &str) -> Option<i64> {
    let lease = scene.reading.object(&lease_id(case, machine)).flatten()?;
    let at = lease.pointer("/spec/renewTime")?.as_str()?;
    let at = case.context.by_our_clock(at.parse().ok()?);
    Some(case.now.as_second() - at.as_second())
}

/// How long the pod is kept on a machine that is not heard of, by its own tolerations, seconds.
fn kept(scene: &Scene<'_>, node: &Node<'_>) -> i64 {
    let pod = scene
        .reading
        .object(&ObjectId::pod(&node.view.id))
        .flatten();
    let tolerations = pod.and_then(|pod| pod.pointer("/spec/tolerations")?.as_array());
    tolerations
        .into_iter()
        .flatten()
        .filter(|one| {
            one.get("key").and_then(Value::as_str) == Some("node.kubernetes.io/unreachable")
        })
        .find_map(|one| one.get("tolerationSeconds")?.as_i64())
        .unwrap_or(KEPT)
}

fn candidates(scene: &Scene<'_>) -> Vec<Candidate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    instance
        .nodes
        .iter()
        .map(|node| Candidate {
            pod: node.name().to_owned(),
            figures: match node.view.pod.value.machine.as_deref() {
                Some(machine) => format!("on machine {}", text::one_line(machine)),
                None => "on no machine".to_owned(),
            },
            judged: dead(node),
        })
        .collect()
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let Some(pod) = scene.args.get("pod") else {
        return vec![Gate::block("chosen", "no pod is chosen")];
    };
    let Some(node) = instance.node(pod) else {
        return vec![Gate::block(
            "chosen",
            format!(
                "{} has no pod {}: it is gone already",
                scene.target,
                text::one_line(pod)
            ),
        )];
    };
    let mut gates = vec![
        match lost(scene, &case, node) {
            Ok(Lost::Surely(why)) => Gate::pass("machine-lost", why),
            Ok(Lost::Unheard(why)) => Gate::warn(
                "machine-lost",
                format!(
                    "{why}. That is no proof that nothing runs there: be certain that it is off, or cut off from its volumes and clients"
                ),
            ),
            Err(why) => Gate::block("machine-lost", why),
        },
        Gate::of(
            "dead",
            dead(node).and_then(|told| unheard(instance, node).map(|()| told)),
        ),
        holds_the_last(instance, node),
    ];
    if scene.args.get("by") == Some(TAINT) {
        gates.push(Gate::warn(
            "whole-machine",
            "every pod on that machine that does not tolerate it is deleted by force, not this one alone, and its volumes are detached",
        ));
    }
    gates
}

/// Somebody else holds the data: what the lost pod alone had is not to be had again without its volume.
fn holds_the_last(instance: &Instance<'_>, node: &Node<'_>) -> Gate {
    const ID: &str = "another-copy";
    let others = || {
        instance
            .nodes
            .iter()
            .filter(|other| other.name() != node.name())
    };
    let acting = others().find(|other| {
        other.says(Role::Master) && other.runs() && other.view.label_role() == Some(Role::Master)
    });
    if let Some(master) = acting {
        return Gate::pass(ID, format!("{} is master, and answers", master.name()));
    }
    let whole = others().find(|other| other.follower().is_some_and(|f| f.offset.is_some()));
    match whole {
        Some(other) => Gate::warn(
            ID,
            format!(
                "no other node is master; {} holds a whole data set",
                other.name()
            ),
        ),
        None => Gate::ask(
            ID,
            format!(
                "no other node that answers holds a whole data set: what {} has may be the last of it",
                node.name()
            ),
        ),
    }
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let id = &instance.view.id;
    let pod = scene.args.get("pod").ok_or("no pod is chosen")?;
    let node = instance
        .node(pod)
        .ok_or_else(|| format!("{id} has no pod {pod}: it is gone already"))?;
    let machine = node.view.pod.value.machine.as_deref();
    let on = machine.map_or("no machine".to_owned(), text::one_line);
    let (step, back, takes) = match scene.args.get("by").unwrap_or(FORCE) {
        FORCE => (
            moves::delete(node, format!("delete pod {pod} by force"), Some(0)).leaves(format!(
                "whatever still runs on {on}, which Kubernetes knows nothing of any more"
            )),
            format!("none: when {on} comes back, its kubelet ends what still runs there"),
            "at once; a volume stays attached to the lost machine for another 6 min, and so long the new pod waits".to_owned(),
        ),
        TAINT => (
            taint(scene, &case, node)?,
            format!(
                "when {on} is back: kubectl --context {} taint node {on} {OUT_OF_SERVICE}-",
                text::shell_word(case.context.id.as_str())
            ),
            "within a minute; volumes are detached at once".to_owned(),
        ),
        other => {
            return Err(format!(
                "--by is {FORCE} or {TAINT}, and not {}",
                text::one_line(other)
            ));
        }
    };
    let mut goals = vec![Goal::Gone(ObjectId::pod(&node.view.id), moves::uid(node))];
    // The pod may be the one that the Service sent to: then another is to be master, by other sources than the pod's.
    if node.view.label_role() == Some(Role::Master) && instance.nodes.len() > 1 {
        goals.push(Goal::MasterIsNot(id.clone(), Some(Arc::from(pod))));
    } else {
        goals.push(Goal::NotEndpoint(id.clone(), Arc::from(pod)));
    }
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!("release {pod} of {id} from machine {on}"),
        risk: ACTION.risk,
        before: moves::before(instance),
        steps: vec![step],
        at_the_end: Vec::new(),
        goals,
        patience: Duration::from_secs(120),
        losses: format!(
            "what {pod} alone has; and if its process does run on, there are two of its name, perhaps two masters over one volume"
        ),
        takes,
        back,
        owner: None,
    })
}

/// Puts the machine of a pod out of service. Its other taints stay: a merge patch replaces the list, so all of it is written,
/// and only if nothing of the machine was changed since it was read.
fn taint(scene: &Scene<'_>, case: &Case<'_>, node: &Node<'_>) -> Result<Step, String> {
    let machine = node
        .view
        .pod
        .value
        .machine
        .as_deref()
        .ok_or_else(|| format!("{} is on no machine", node.name()))?;
    let id = moves::machine_id(case, machine);
    let shown = text::one_line(machine);
    let value =
        scene.reading.object(&id).flatten().ok_or_else(|| {
            format!("there is no machine {shown} to taint, or it could not be read")
        })?;
    let text_at = |path: &str| value.pointer(path).and_then(Value::as_str);
    let mut taints = taints(value);
    if taints.iter().any(is_out_of_service) {
        return Err(format!(
            "machine {shown} is out of service already: its pods are taken away by that"
        ));
    }
    taints.push(json!({"key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute"}));
    let mut patch = json!({"spec": {"taints": taints}});
    if let (Some(revision), Some(patch)) =
        (text_at("/metadata/resourceVersion"), patch.as_object_mut())
    {
        patch.insert("metadata".to_owned(), json!({"resourceVersion": revision}));
    }
    let does = Does::Patch {
        object: id,
        part: "",
        uid: text_at("/metadata/uid").map(Arc::from),
        patch,
    };
    // A race is lost for good: the list that was read is not the one that is there.
    Ok(Step::new(
        format!("put machine {shown} out of service, for every pod on it"),
        does,
    )
    .once()
    .leaves(format!(
        "machine {shown} out of service until the taint is taken from it"
    )))
}

#[cfg(test)]
mod tests;
