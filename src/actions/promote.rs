//! A planned promotion: the replica that was chosen becomes master, and nothing that was acknowledged is lost.
//!
//! The server does the hard part: `REPLTAKEOVER` locks the master, waits until the replica has every record, and makes it
//! master (measured on v1.39 and v1.40: 10 to 62 ms without writes, nothing lost in 16 runs). What is done around it is to
//! tell Kubernetes at once, and to keep the old master from coming back as one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::scene::one_master;
use super::{About, Action, ArgDoc, Candidate, Does, Gate, Goal, Look, Plan, Risk, Scene, Step};
use super::{gates, moves, pause};
use crate::checks::{Case, Node};
use crate::domain::engine::{Question, Role};
use crate::domain::text;

/// The action.
pub const ACTION: Action = Action {
    id: "promote",
    verb: "promote",
    title: "Promote a replica",
    doc: "makes the replica that you choose master, losing no acknowledged write: by REPLTAKEOVER, with labels, Service and the other replicas following at once",
    about: About::Instance,
    risk: Risk::Disruptive,
    args: &[
        ArgDoc {
            name: "to",
            value: "POD",
            doc: "the replica that becomes master",
            default: None,
            required: true,
        },
        ArgDoc {
            name: "takeover",
            value: "SECONDS",
            doc: "how long the server may hold writes back while the replica catches up",
            default: Some("3"),
            required: false,
        },
        ArgDoc {
            name: "operator",
            value: "keep|pause",
            doc: "leave the operator running, or scale it to nothing meanwhile",
            default: Some("keep"),
            required: false,
        },
    ],
    reads,
    available,
    candidates,
    preflight,
    plan,
};

/// Our client waits so much longer than the server may take.
const LONGER: Duration = Duration::from_secs(15);

fn available(scene: &Scene<'_>) -> Result<(), String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    if instance.nodes.len() < 2 {
        return Err("there is no replica to promote".to_owned());
    }
    match resumes(scene) {
        true => Ok(()),
        false => one_master(instance).map(|_| ()),
    }
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
            figures: moves::figures(&case, instance, node),
            judged: gates::fit(&case, instance, node),
        })
        .collect()
}

fn reads(scene: &Scene<'_>) -> Vec<Look> {
    let mut looks = Vec::new();
    let Some(case) = scene.case() else {
        return looks;
    };
    // Whether the machine is being drained.
    let machine = scene
        .args
        .get("to")
        .and_then(|pod| case.instance.as_ref()?.node(pod))
        .and_then(|node| node.view.pod.value.machine.clone());
    if let Some(machine) = machine {
        looks.push(Look::Object(moves::machine_id(&case, &machine)));
    }
    if pauses(scene) {
        looks.extend(pause::reads(&case));
    }
    looks
}

fn pauses(scene: &Scene<'_>) -> bool {
    scene.args.get("operator") == Some("pause")
}

/// The run that this one finishes: then the takeover may have happened already.
fn resumes(scene: &Scene<'_>) -> bool {
    scene.args.get("resume").is_some()
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let Some(to) = scene.args.get("to") else {
        return vec![Gate::block("chosen", "no replica is chosen")];
    };
    let Some(node) = instance.node(to) else {
        return vec![Gate::block(
            "chosen",
            format!("{} has no pod {}", scene.target, text::one_line(to)),
        )];
    };
    let mut gates = Vec::new();
    if resumes(scene) && node.says(Role::Master) {
        gates.push(Gate::pass(
            "taken-over",
            format!("{to}'s engine is master already: what is left is to tell Kubernetes and the other nodes"),
        ));
        gates.push(gates::operator_known(&case));
        return gates;
    }
    gates.push(gates::one_master_gate(instance));
    gates.push(Gate::of("candidate", gates::fit(&case, instance, node)));
    gates.push(gates::all_answer(instance));
    gates.push(gates::no_full_sync(instance));
    gates.push(gates::no_save(&case, instance));
    if let Ok((master, _)) = one_master(instance) {
        gates.push(gates::no_slow_client(&case, master));
        gates.push(versions(&case, node, master));
    }
    gates.push(gates::no_rollout(&case, instance));
    gates.push(gates::another_replica(&case, instance, to));
    gates.push(draining(scene, &case, node));
    gates.push(gates::operator_known(&case));
    gates.push(gates::cooled(scene, &case, instance));
    gates
}

/// The candidate runs no older server than the master: what the newer one wrote, it may not read.
fn versions(case: &Case<'_>, node: &Node<'_>, master: &Node<'_>) -> Gate {
    const ID: &str = "versions";
    let of = |node: &Node<'_>| {
        let known = node.told(case, Question::Server, |e| e.server.as_ref())?;
        crate::domain::Version::parse(known.value.version.as_deref()?)
    };
    match (of(node), of(master)) {
        (Some(own), Some(other)) if own < other => Gate::ask(
            ID,
            format!(
                "{} runs {own}, older than {}'s {other}",
                node.name(),
                master.name()
            ),
        ),
        (Some(own), Some(_)) => Gate::pass(ID, format!("{} runs {own}", node.name())),
        _ => Gate::warn(ID, "not every node has told its version"),
    }
}

fn draining(scene: &Scene<'_>, case: &Case<'_>, node: &Node<'_>) -> Gate {
    const ID: &str = "machine";
    let Some(machine) = node.view.pod.value.machine.as_deref() else {
        return Gate::block(ID, format!("{} is on no machine", node.name()));
    };
    match scene.reading.object(&moves::machine_id(case, machine)) {
        Some(Some(value)) => {
            let drained = value.pointer("/spec/unschedulable") == Some(&Value::Bool(true));
            match drained {
                true => Gate::ask(
                    ID,
                    format!(
                        "machine {machine} is cordoned: {} may be moved soon",
                        node.name()
                    ),
                ),
                false => Gate::pass(ID, format!("machine {machine} is not cordoned")),
            }
        }
        Some(None) => Gate::block(ID, format!("there is no machine {machine}")),
        None => Gate::warn(ID, format!("machine {machine} could not be read")),
    }
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let id = &instance.view.id;
    let to = scene.args.get("to").ok_or("no replica is chosen")?;
    let node = instance
        .node(to)
        .ok_or_else(|| format!("{id} has no pod {to}"))?;
    let ip = node
        .view
        .ip()
        .ok_or_else(|| format!("{to} has no address"))?;
    let seconds: u64 = scene
        .args
        .get("takeover")
        .unwrap_or("3")
        .parse()
        .ok()
        .filter(|seconds| (1..=60).contains(seconds))
        .ok_or("a takeover is given 1 to 60 seconds")?;
    let done = resumes(scene) && node.says(Role::Master);
    let old: Vec<&Node<'_>> = match done {
        true => instance
            .nodes
            .iter()
            .filter(|n| {
                n.name() != to
                    && (n.says(Role::Master) || n.view.label_role() == Some(Role::Master))
            })
            .collect(),
        false => {
            let (master, _) = one_master(instance)?;
            vec![master]
        }
    };
    let is_old = |node: &Node<'_>| old.iter().any(|old| old.name() == node.name());
    let others: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|n| n.name() != to && !is_old(n) && n.view.ip().is_some() && !n.is_going())
        .collect();

    let (mut steps, mut at_the_end) = (Vec::new(), Vec::new());
    if pauses(scene) {
        pause::pause(scene, &case, &mut steps, &mut at_the_end)?;
    }
    if !done {
        steps.push(takeover(node, &old, seconds));
    }
    steps.extend(crown(node, ip, &old, &others, done));
    steps.extend(moves::schedules(instance, node, &others));

    let mut goals = vec![
        Goal::EngineIs(node.view.id.clone(), moves::uid(node), Role::Master),
        Goal::LabelIs(node.view.id.clone(), moves::uid(node), Some(Role::Master)),
        Goal::EndpointIs(id.clone(), Arc::from(to)),
    ];
    goals.extend(
        old.iter()
            .map(|old| Goal::StandsDown(old.view.id.clone(), moves::uid(old), id.clone())),
    );
    goals.extend(
        others
            .iter()
            .map(|other| Goal::Follows(id.clone(), other.view.id.pod.clone(), Arc::from(to))),
    );
    let names: Vec<&str> = old.iter().map(|node| node.name()).collect();
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: match done {
            true => format!("finish the promotion of {to} of {id}"),
            false => format!("promote {to} of {id} to master, in place of {}", names.join(", ")),
        },
        risk: Risk::Disruptive,
        before: moves::before(instance),
        steps,
        at_the_end,
        goals,
        patience: Duration::from_secs(60),
        losses: "no acknowledged write: the server holds writes back until the replica has every record. Connections to the old master are reset".to_owned(),
        takes: "tens of milliseconds without writes; clients reconnect".to_owned(),
        back: match names.as_slice() {
            [one] => format!("promote {one} once it follows {to} in stable sync"),
            _ => "promote another replica".to_owned(),
        },
        owner: None,
    })
}

fn takeover(node: &Node<'_>, old: &[&Node<'_>], seconds: u64) -> Step {
    let id = &node.view.id;
    let refuted = [node]
        .into_iter()
        .map(|node| Goal::EngineIs(node.view.id.clone(), moves::uid(node), Role::Replica))
        .chain(
            old.iter()
                .map(|old| Goal::EngineIs(old.view.id.clone(), moves::uid(old), Role::Master)),
        )
        .collect();
    Step::new(
        format!(
            "have {} take over, giving the server {seconds}s",
            node.name()
        ),
        Does::Command {
            node: id.clone(),
            uid: moves::uid(node),
            words: vec!["REPLTAKEOVER".to_owned(), seconds.to_string()],
            expects: Some(Role::Replica),
            reply: None,
            told_by: vec![Goal::EngineIs(id.clone(), moves::uid(node), Role::Master)],
            refuted_by: refuted,
        },
    )
    .once()
    .within(Duration::from_secs(seconds) + LONGER)
    .leaves(format!(
        "{} master by its engine, and the Service without one until its label says so",
        node.name()
    ))
}

/// None of it is held apart from the takeover: an old master that keeps its label would be sent to when its process comes back.
/// The new master is labelled first. Only then is the old one's label taken, its pod deleted, and the others follow: where both labels were written at once, the Service was seen without an endpoint for a second in one round of
/// fifteen (real controllers, simulated engines; `docs/operator-behaviour.md`).
fn crown(
    node: &Node<'_>,
    ip: &str,
    old: &[&Node<'_>],
    others: &[&Node<'_>],
    done: bool,
) -> Vec<Step> {
    let mut steps = vec![
        moves::label_master(node, ip)
            .behind()
            .leaves("the other nodes without a master, if the operator does not come"),
    ];
    for other in others {
        steps.push(moves::note(other, node.name(), ip).together().optional());
    }
    for (at, old) in old.iter().enumerate() {
        let unlabel = moves::unlabel(old);
        steps.push(match at {
            0 => unlabel.behind(),
            _ => unlabel.together(),
        });
        let comes = if done { "came back" } else { "would come back" };
        let words = format!(
            "delete pod {}, whose process {comes} as a master with an old data set",
            old.name()
        );
        steps.push(moves::delete(old, words, None).together());
    }
    for other in others {
        steps.push(moves::repoint(other, node.name(), ip).together());
    }
    steps
}
