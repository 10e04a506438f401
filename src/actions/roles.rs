//! Role labels are put right by what the engines say: the label is what the Service selects by, and the engine is what is so.
//!
//! Nothing is told to an engine, so no data is at stake. Where engines disagree about who is master, or none is one, it is not
//! for labels to decide.

use std::sync::Arc;
use std::time::Duration;

use super::{About, Action, Gate, Goal, Plan, Risk, Scene, Step, gates, leading, moves, no_choice};
use crate::checks::{Instance, Node, Word};
use crate::domain::engine::Role;

/// The action.
pub const ACTION: Action = Action {
    id: "roles",
    verb: "roles",
    title: "Put role labels right",
    doc: "labels each pod by what its engine says, so that the Service sends to the engine that is master",
    about: About::Instance,
    risk: Risk::Reversible,
    args: &[],
    reads: |scene| {
        scene
            .case()
            .as_ref()
            .map(leading::looks)
            .unwrap_or_default()
    },
    available,
    candidates: no_choice,
    preflight,
    plan,
};

fn available(scene: &Scene<'_>) -> Result<(), String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let master = acting(instance)?;
    match wrong(instance, master).is_empty() && scene.args.get("resume").is_none() {
        true => Err("every label says what its engine says".to_owned()),
        false => Ok(()),
    }
}

/// The one node whose engine acts as master.
fn acting<'c, 'a>(instance: &'c Instance<'a>) -> Result<&'c Node<'a>, String> {
    let masters = instance.masters();
    let name = match masters.as_slice() {
        [one] => one.name(),
        [] => {
            return Err(format!(
                "no engine of {} is known to be master: darner emergency-promote makes one, where no operator does",
                instance.view.id
            ));
        }
        some => {
            let names: Vec<&str> = some.iter().map(|node| node.name()).collect();
            return Err(format!(
                "the engines of {} act as master: darner split-brain settles which is",
                names.join(" and ")
            ));
        }
    };
    instance
        .node(name)
        .ok_or_else(|| format!("{name} is not there"))
}

/// What is wrong with the label or the note of a pod.
struct Wrong<'c, 'a> {
    node: &'c Node<'a>,
    role: Role,
    why: String,
}

/// Every pod whose label or note is not what the engines say. What follows nobody of the instance, and what is not heard, is
/// left as it is.
fn wrong<'c, 'a>(instance: &'c Instance<'a>, master: &Node<'_>) -> Vec<Wrong<'c, 'a>> {
    let ip = master.view.ip();
    let mut all: Vec<Wrong<'c, 'a>> = instance
        .nodes
        .iter()
        .filter(|node| !node.is_going())
        .filter_map(|node| {
            let role = match node.name() == master.name() {
                true => Role::Master,
                false => {
                    let follower = node.follower()?;
                    (ip == Some(follower.host.as_str())).then_some(Role::Replica)?
                }
            };
            let meta = &node.view.pod.value.meta;
            let label = meta.labels.get("role").map(String::as_str);
            let noted = meta.annotations.get(moves::MASTER_IP).map(String::as_str);
            let name = node.name();
            let why = match (label, noted) {
                (None, _) => format!(
                    "{name} has no role label, and its engine says role:{}",
                    role.word()
                ),
                (Some(label), _) if label != role.word() => format!(
                    "{name} is labelled {}, and its engine says role:{}",
                    crate::domain::text::one_line(label),
                    role.word()
                ),
                (_, Some(noted)) if Some(noted) != ip => {
                    format!(
                        "{name} is noted to follow {}",
                        crate::domain::text::one_line(noted)
                    )
                }
                _ => return None,
            };
            Some(Wrong { node, role, why })
        })
        .collect();
    // The Service is to lose a false master before it gets the true one.
    all.sort_by_key(|wrong| wrong.role == Role::Master);
    all
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let master = match acting(instance) {
        Ok(master) => master,
        Err(why) => return vec![Gate::block("one-engine", why)],
    };
    let wrong = wrong(instance, master);
    let told: Vec<&str> = wrong.iter().map(|wrong| wrong.why.as_str()).collect();
    let mut gates = vec![
        Gate::pass(
            "one-engine",
            format!("the engine of {} alone acts as master", master.name()),
        ),
        match told.as_slice() {
            [] => Gate::pass("wrong", "every label says what its engine says"),
            some => Gate::pass("wrong", some.join("; ")),
        },
    ];
    gates.push(contender(instance, master));
    gates.push(nobody_follows(instance, master));
    gates.push(left_alone(instance, master));
    gates.push(match leading::leads(scene, &case) {
        leading::Leads::Yes(why) => Gate::warn(
            "operator-leads",
            format!("{why}: the operator writes these labels too, and may be about to"),
        ),
        leading::Leads::No(why) | leading::Leads::Untold(why) => Gate::pass("operator-leads", why),
    });
    gates.push(gates::to_be_accepted(gates::no_rollout(&case, instance)));
    gates
}

/// Nobody who is not heard is labelled master: that engine may be one too, and hold what this one does not.
fn contender(instance: &Instance<'_>, master: &Node<'_>) -> Gate {
    const ID: &str = "no-contender";
    let silent = instance.nodes.iter().find(|node| {
        node.name() != master.name()
            && node.view.label_role() == Some(Role::Master)
            && node.runs()
            && matches!(node.word, Word::Silent { .. })
    });
    match silent {
        None => Gate::pass(ID, "no pod that is silent is labelled master"),
        Some(node) => Gate::block(
            ID,
            format!(
                "{} is labelled master and does not answer: its engine may be a master too",
                node.name()
            ),
        ),
    }
}

/// The engine that is master is so to somebody. A replica whose process started anew calls itself master too, and is empty.
fn nobody_follows(instance: &Instance<'_>, master: &Node<'_>) -> Gate {
    const ID: &str = "nobody-follows";
    let name = master.name();
    let follows = |node: &&Node<'_>| {
        node.follower()
            .is_some_and(|follower| master.view.ip() == Some(follower.host.as_str()))
    };
    let followers = instance.nodes.iter().filter(follows).count();
    let elsewhere = instance
        .nodes
        .iter()
        .find(|node| node.follower().is_some() && !follows(node));
    match (followers, elsewhere) {
        (0, Some(node)) if master.view.label_role() != Some(Role::Master) => Gate::ask(
            ID,
            format!(
                "nobody follows {name}, and {} follows another address: {name}'s process may have started anew, with \
                 nothing or an old snapshot",
                node.name()
            ),
        ),
        (0, _) => Gate::pass(
            ID,
            format!("{name} has no replica, and no other node is one"),
        ),
        (some, _) => Gate::pass(ID, format!("{some} follow {name}")),
    }
}

/// What is not touched though its label may be wrong.
fn left_alone(instance: &Instance<'_>, master: &Node<'_>) -> Gate {
    const ID: &str = "left-alone";
    let others = instance
        .nodes
        .iter()
        .filter(|node| node.name() != master.name() && !node.is_going());
    let told: Vec<String> = others
        .filter_map(|node| {
            let name = node.name();
            let label = node.view.label_role().map_or("without a role", Role::word);
            if matches!(node.word, Word::Silent { .. }) || !node.runs() {
                return Some(format!("{name} ({label}) does not answer"));
            }
            match node.follower() {
                Some(follower) if master.view.ip() == Some(follower.host.as_str()) => None,
                _ => Some(format!(
                    "{name} ({label}) does not follow {}: see darner repair",
                    master.name()
                )),
            }
        })
        .collect();
    match told.is_empty() {
        true => Gate::pass(ID, format!("every other node follows {}", master.name())),
        false => Gate::warn(ID, format!("not touched: {}", told.join("; "))),
    }
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let id = &instance.view.id;
    let master = acting(instance)?;
    let name = master.name();
    let ip = master
        .view
        .ip()
        .ok_or_else(|| format!("{name} has no address"))?;
    let wrong = wrong(instance, master);
    if wrong.is_empty() && scene.args.get("resume").is_none() {
        return Err(format!(
            "every label of {id} says what its engine says: there is nothing to do"
        ));
    }
    let steps: Vec<Step> = wrong
        .iter()
        .map(|wrong| {
            match wrong.role {
                Role::Master => moves::label_master(wrong.node, ip),
                Role::Replica => moves::label_replica(wrong.node, name, ip),
            }
            .leaves("labels of which some are put right, and others are not yet")
        })
        .collect();
    let mut goals = vec![
        Goal::EngineIs(master.view.id.clone(), moves::uid(master), Role::Master),
        Goal::LabelIs(
            master.view.id.clone(),
            moves::uid(master),
            Some(Role::Master),
        ),
        Goal::EndpointIs(id.clone(), Arc::from(name)),
    ];
    goals.extend(
        wrong
            .iter()
            .filter(|wrong| wrong.role == Role::Replica)
            .map(|wrong| {
                Goal::LabelIs(
                    wrong.node.view.id.clone(),
                    moves::uid(wrong.node),
                    Some(Role::Replica),
                )
            }),
    );
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!("label the pods of {id} by what their engines say, {name} master"),
        risk: ACTION.risk,
        before: moves::before(instance),
        steps,
        at_the_end: Vec::new(),
        goals,
        patience: Duration::from_secs(30),
        losses: "nothing: no engine is told anything".to_owned(),
        takes: "at once; new connections go to the labelled master within a second or two, open ones stay where they are"
            .to_owned(),
        back: "label the pods as they were before".to_owned(),
        owner: None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )]
    use super::*;
    use crate::actions::Objects;
    use crate::actions::told::{Told, told};
    use crate::domain::FaultKind;
    use crate::domain::fixture::*;

    fn said(spec: InstanceSpec) -> Told {
        told(&ACTION, &spec.build(), &[], &Objects::new())
    }

    #[test]
    fn labels_become_what_the_engines_say() {
        for (case, spec, wanted) in [
            (
                "all is right",
                healthy(),
                Err("every label of shop/orders says what its engine says: there is nothing to do"),
            ),
            (
                "a replica without a role",
                instance("orders")
                    .node(master())
                    .node(replica().unlabelled()),
                Ok(vec!["label orders-1 replica, following orders-0"]),
            ),
            (
                "moved by hand, the labels left",
                instance("orders")
                    .node(master().engine_replica())
                    .node(replica().engine_master())
                    .node(replica()),
                Ok(vec![
                    "label orders-0 replica, following orders-1",
                    "label orders-1 master",
                ]),
            ),
            (
                "two labels, one engine",
                instance("orders")
                    .node(master())
                    .node(master().engine_replica()),
                Ok(vec!["label orders-1 replica, following orders-0"]),
            ),
            (
                "the master without its label",
                instance("orders")
                    .node(master().unlabelled().endpoint(true))
                    .node(replica()),
                Ok(vec!["label orders-0 master"]),
            ),
            (
                "what follows elsewhere is not touched",
                instance("orders")
                    .node(master().unlabelled().endpoint(true))
                    .node(master().engine_replica().follows("10.9.9.9")),
                Ok(vec!["label orders-0 master"]),
            ),
            (
                "two engines",
                instance("orders")
                    .node(master())
                    .node(replica().engine_master())
                    .node(replica()),
                Err(
                    "the engines of orders-0 and orders-1 act as master: darner split-brain settles which is",
                ),
            ),
            (
                "no engine",
                instance("orders").node(replica()).node(replica()),
                Err(
                    "no engine of shop/orders is known to be master: darner emergency-promote makes one, where no operator does",
                ),
            ),
        ] {
            let told = said(spec);
            let steps = told.plan.clone().map(|_| told.steps());
            let wanted = wanted
                .map(|steps| steps.into_iter().map(str::to_owned).collect::<Vec<_>>())
                .map_err(str::to_owned);
            assert_eq!(steps, wanted, "{case}");
        }
    }

    #[test]
    fn an_engine_that_is_master_to_nobody_is_not_made_so_unasked() {
        let silent = master().unreachable(FaultKind::Timeout, "timed out");
        let told = said(
            instance("orders")
                .node(silent)
                .node(replica().engine_master()),
        );
        assert_eq!(
            told.gate("no-contender"),
            "block no-contender: orders-0 is labelled master and does not answer: its engine may be a master too"
        );
        let lone = instance("orders")
            .node(replica().engine_master().keys(5))
            .node(replica().cut_off(60).follows("10.0.0.99"));
        assert!(said(lone).gate("nobody-follows").starts_with("ask"));
    }
}
