//! A forced failover: the master's pod is deleted, and the operator elects another. Which one, it decides.
//!
//! Measured on v1.39 and v1.40: a master that is told to end closes its ports at once and drops its replicas without letting
//! them catch up, so that acknowledged writes are lost even when it ends in peace (19 and 35 of them at 20 to 30 thousand
//! writes a second; up to 112 when it is killed), with holes, not the newest alone. A promotion loses none.

use std::time::Duration;

use super::{
    About, Action, ArgDoc, Gate, Goal, Look, Plan, Risk, Scene, Stand, Step, gates, leading, moves,
    no_choice,
};
use crate::checks::{Case, Instance, Node, Word};
use crate::domain::engine::{LinkState, Role};
use crate::domain::text;

/// The action.
pub const ACTION: Action = Action {
    id: "failover",
    verb: "failover",
    title: "Fail over by force",
    doc: "deletes the master's pod, so that the operator elects another: what no replica has yet is lost; promote loses nothing, where the master still answers",
    about: About::Instance,
    risk: Risk::LosesData,
    args: &[ArgDoc {
        name: "pod",
        value: "POD",
        doc: "only if this pod is the master",
        default: None,
        required: false,
    }],
    reads,
    available,
    candidates: no_choice,
    preflight,
    plan,
};

fn reads(scene: &Scene<'_>) -> Vec<Look> {
    scene
        .case()
        .as_ref()
        .map(leading::looks)
        .unwrap_or_default()
}

fn available(scene: &Scene<'_>) -> Result<(), String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    if resumes(scene) {
        return Ok(());
    }
    if instance.nodes.len() < 2 {
        return Err("there is no replica that could become master".to_owned());
    }
    labelled(instance).map(drop)
}

/// The run that this one finishes: the pod may be deleted already, and whoever is master since is not to lose its pod too.
fn resumes(scene: &Scene<'_>) -> bool {
    scene.args.get("resume").is_some()
}

/// The one pod that is labelled master, whether its engine answers or not.
fn labelled<'c, 'a>(instance: &'c Instance<'a>) -> Result<&'c Node<'a>, String> {
    let mut labelled = instance
        .nodes
        .iter()
        .filter(|node| node.view.label_role() == Some(Role::Master));
    match (labelled.next(), labelled.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => {
            Err("no pod is labelled master: there is nothing to fail over from".to_owned())
        }
        (Some(one), Some(other)) => Err(format!(
            "{} and {} are labelled master: darner split-brain settles which is",
            one.name(),
            other.name()
        )),
    }
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    if resumes(scene) {
        return vec![leading::must(scene, &case)];
    }
    let master = match labelled(instance) {
        Ok(master) => master,
        Err(why) => return vec![Gate::block("one-master", why)],
    };
    vec![
        the_master(scene, instance, master),
        in_sync(&case, instance, master),
        lost(&case, instance, master),
        leading::must(scene, &case),
        elects(&case),
        gates::to_be_accepted(gates::no_rollout(&case, instance)),
        gates::cooled(scene, &case, instance),
    ]
}

/// The pod that loses its place is the one that is meant, and the only one that acts as master.
fn the_master(scene: &Scene<'_>, instance: &Instance<'_>, master: &Node<'_>) -> Gate {
    const ID: &str = "one-master";
    let name = master.name();
    if let Some(meant) = scene.args.get("pod")
        && meant != name
    {
        return Gate::block(
            ID,
            format!("the master is {name}, and not {}", text::one_line(meant)),
        );
    }
    let other = instance
        .masters()
        .into_iter()
        .find(|node| node.name() != name);
    if let Some(other) = other {
        return Gate::block(
            ID,
            format!(
                "{name} is labelled master, and {}'s engine acts as one too: darner split-brain settles which is",
                other.name()
            ),
        );
    }
    match &master.word {
        Word::Says {
            role: Role::Replica,
            ..
        } => Gate::ask(
            ID,
            format!(
                "{name} is labelled master, and its engine says role:replica: see darner roles first"
            ),
        ),
        Word::Says { .. } => Gate::pass(
            ID,
            format!("{name} alone is labelled master, and its engine says role:master"),
        ),
        Word::Silent { .. } => Gate::pass(
            ID,
            format!("{name} alone is labelled master, and its engine does not answer"),
        ),
    }
}

/// Some replica can take the master's place.
fn in_sync(case: &Case<'_>, instance: &Instance<'_>, master: &Node<'_>) -> Gate {
    const ID: &str = "replica-in-sync";
    let others = || {
        instance
            .nodes
            .iter()
            .filter(|node| node.name() != master.name())
    };
    if let Some(told) = others().find_map(|node| gates::fit(case, instance, node).ok()) {
        return Gate::pass(ID, told);
    }
    let whole: Vec<&str> = others()
        .filter(|node| holds_a_whole_set(node).is_ok())
        .map(Node::name)
        .collect();
    match whole.as_slice() {
        [] => Gate::ask(
            ID,
            format!(
                "no replica holds a whole data set: {}",
                others()
                    .filter_map(|node| holds_a_whole_set(node).err())
                    .collect::<Vec<_>>()
                    .join("; ")
            ),
        ),
        some => Gate::ask(
            ID,
            format!(
                "no replica is seen in stable sync by both ends; {} {} a whole data set, how far behind cannot be told",
                some.join(" and "),
                if some.len() == 1 { "holds" } else { "hold" }
            ),
        ),
    }
}

/// A replica that answers, and finished a full sync some time.
fn holds_a_whole_set(node: &Node<'_>) -> Result<(), String> {
    let name = node.name();
    if !node.is_ready() {
        return Err(format!("{name} is not ready"));
    }
    let Some(follower) = node.follower() else {
        return Err(format!("{name}'s engine is not known to be a replica"));
    };
    match (node.loading || follower.syncing, follower.offset) {
        (true, _) => Err(format!("{name} loads or is in a full sync")),
        (false, None) => Err(format!("{name} has no offset")),
        (false, Some(_)) => Ok(()),
    }
}

/// What may be lost, in records of lag.
fn lost(case: &Case<'_>, instance: &Instance<'_>, master: &Node<'_>) -> Gate {
    const ID: &str = "may-be-lost";
    let behind: Vec<String> = instance
        .nodes
        .iter()
        .filter(|node| node.name() != master.name())
        .map(|node| {
            let line = instance.view.line_for(&master.view, &node.view);
            // Outside of stable sync the figure says nothing: v1.40 writes 0 there, older servers anything.
            let lag = line
                .filter(|line| line.state == LinkState::Online)
                .and_then(|line| line.lag);
            match lag {
                Some(lag) => format!("{} is {} behind", node.name(), text::records(lag)),
                None => format!("how far {} is behind is not told", node.name()),
            }
        })
        .collect();
    let heard = matches!(master.word, Word::Says { .. });
    match (heard, behind.is_empty()) {
        (true, false) => Gate::warn(
            ID,
            format!(
                "{}, by what was acknowledged up to a second ago; that, and what is written until {}'s ports close, may be lost{}",
                behind.join(", "),
                master.name(),
                match gates::one_master_gate(instance).stand {
                    Stand::Pass
                        if instance
                            .nodes
                            .iter()
                            .any(|n| gates::fit(case, instance, n).is_ok()) =>
                        ". darner promote loses nothing",
                    _ => "",
                }
            ),
        ),
        _ => Gate::warn(
            ID,
            format!(
                "how far the replicas are behind {} cannot be told",
                master.name()
            ),
        ),
    }
}

/// Whom the operator elects: told, not chosen.
fn elects(case: &Case<'_>) -> Gate {
    let mut operators = case.context.operators.iter();
    let version = operators.next().and_then(|held| held.value.version());
    let who = leading::elects(version);
    let version = version.unwrap_or("of an unknown version");
    let words = format!("the operator, {version}, elects {who}");
    match version.starts_with("v1.6") {
        true => Gate::pass("elects", words),
        false => Gate::warn("elects", words),
    }
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let id = &instance.view.id;
    let meant = scene.args.get("pod");
    let mut plan = Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!("see what came of the failover of {id}, and delete no pod again"),
        risk: ACTION.risk,
        before: moves::before(instance),
        steps: Vec::new(),
        at_the_end: Vec::new(),
        goals: vec![Goal::MasterIsNot(id.clone(), meant.map(std::sync::Arc::from))],
        patience: Duration::from_secs(120),
        losses: "acknowledged writes that no replica has yet, and such as come in until the master's ports close".to_owned(),
        takes: "no write is taken until the operator has elected another: about a second where the kubelet answers; clients reconnect".to_owned(),
        back: "what is lost stays lost; the old pod comes back as a replica, and can be promoted again".to_owned(),
        owner: None,
    };
    if resumes(scene) {
        return Ok(plan);
    }
    let master = labelled(instance)?;
    let name = master.name();
    let delete: Step = moves::delete(master, format!("delete pod {name}"), None).leaves(format!(
        "{id} without a master, until the operator elects one"
    ));
    plan.sentence = format!("fail {id} over by deleting its master's pod {name}");
    plan.steps = vec![delete];
    plan.goals = vec![
        Goal::MasterIsNot(id.clone(), Some(std::sync::Arc::from(name))),
        Goal::StandsDown(master.view.id.clone(), moves::uid(master), id.clone()),
    ];
    Ok(plan)
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
    use crate::actions::told::{operator, told};
    use crate::actions::{Objects, Progress, Reading};
    use crate::domain::FaultKind;
    use crate::domain::fixture::*;

    #[test]
    fn it_is_offered_where_one_pod_is_labelled_master_and_another_could_be() {
        for (case, spec, wanted) in [
            ("healthy", healthy(), ""),
            (
                "alone",
                instance("orders").node(master()),
                "there is no replica that could become master",
            ),
            (
                "no label",
                instance("orders")
                    .node(master().unlabelled())
                    .node(replica()),
                "no pod is labelled master: there is nothing to fail over from",
            ),
            (
                "two labels",
                instance("orders").node(master()).node(master()),
                "orders-0 and orders-1 are labelled master: darner split-brain settles which is",
            ),
        ] {
            assert_eq!(
                told(&ACTION, &spec.build(), &[], &Objects::new()).unavailable,
                wanted,
                "{case}"
            );
        }
    }

    #[test]
    fn gates_say_what_may_be_lost_and_who_would_elect() {
        let silent = || master().unreachable(FaultKind::Timeout, "timed out");
        for (case, spec, gate, wanted) in [
            (
                "a replica in sync",
                healthy(),
                "replica-in-sync",
                "pass replica-in-sync: orders-1 is in stable sync by both ends, 0 records behind, offset 8,709",
            ),
            (
                "what it lags is told",
                instance("orders")
                    .node(master())
                    .node(replica().lagging(40)),
                "may-be-lost",
                "warn may-be-lost: orders-1 is 40 records behind, by what was acknowledged up to a second ago; that, and what is \
                 written until orders-0's ports close, may be lost. darner promote loses nothing",
            ),
            (
                "what is not in stable sync lags by nothing that is told",
                instance("orders")
                    .node(master())
                    .node(replica().cut_off(60).listed(Some(LinkState::Preparation))),
                "may-be-lost",
                "warn may-be-lost: how far orders-1 is behind is not told, by what was acknowledged up to a second ago; that, and what \
                 is written until orders-0's ports close, may be lost",
            ),
            (
                "none in sync",
                instance("orders")
                    .node(master())
                    .node(replica().full_sync(20, 7)),
                "replica-in-sync",
                "ask replica-in-sync: no replica holds a whole data set: orders-1 loads or is in a full sync",
            ),
            (
                "half of a data set",
                instance("orders")
                    .node(master())
                    .node(replica().cut_off(20).offset(None)),
                "replica-in-sync",
                "ask replica-in-sync: no replica holds a whole data set: orders-1 has no offset",
            ),
            (
                "a master that is not heard",
                instance("orders").node(silent()).node(replica()),
                "replica-in-sync",
                "ask replica-in-sync: no replica is seen in stable sync by both ends; orders-1 holds a whole data set, how far \
                 behind cannot be told",
            ),
            (
                "a master that is not heard",
                instance("orders").node(silent()).node(replica()),
                "one-master",
                "pass one-master: orders-0 alone is labelled master, and its engine does not answer",
            ),
            (
                "another engine acts as master",
                instance("orders")
                    .node(master())
                    .node(replica().engine_master())
                    .node(replica()),
                "one-master",
                "block one-master: orders-0 is labelled master, and orders-1's engine acts as one too: darner split-brain \
                 settles which is",
            ),
        ] {
            let mut f = spec.build();
            let objects = operator(&mut f, "v1.6.1", 2, 1);
            assert_eq!(
                told(&ACTION, &f, &[], &objects).gate(gate),
                wanted,
                "{case}"
            );
        }
    }

    #[test]
    fn nobody_is_deleted_where_nobody_elects() {
        for (case, version, pods, renewed, gate, wanted) in [
            (
                "leads",
                "v1.6.1",
                2,
                1,
                "operator-leads",
                "pass operator-leads: op-1 leads: it renews its Lease",
            ),
            (
                "elects the best",
                "v1.6.1",
                2,
                1,
                "elects",
                "pass elects: the operator, v1.6.1, elects the ready replica with the highest offset, and of equal ones that of the lowest number",
            ),
            (
                "elects the lowest",
                "v1.5.0",
                2,
                1,
                "elects",
                "warn elects: the operator, v1.5.0, elects the ready pod of the lowest number, however far behind it is",
            ),
            (
                "scaled to nothing",
                "v1.6.1",
                0,
                1,
                "operator-leads",
                "block operator-leads: the operator of infra has no pod: nobody would elect another master; where this one is \
                 dead, darner emergency-promote makes one by hand, and where it answers, darner promote moves it",
            ),
            (
                "nobody renews",
                "v1.6.1",
                2,
                300,
                "operator-leads",
                "block operator-leads: op-1 renewed the operator's Lease 5m00s ago, and it lasts 15s: nobody would elect another \
                 master; where this one is dead, darner emergency-promote makes one by hand, and where it answers, darner promote \
                 moves it",
            ),
        ] {
            let mut f = healthy().build();
            let objects = operator(&mut f, version, pods, renewed);
            assert_eq!(
                told(&ACTION, &f, &[], &objects).gate(gate),
                wanted,
                "{case}"
            );
        }
        let untold = told(&ACTION, &healthy().build(), &[], &Objects::new());
        assert!(
            untold.gate("operator-leads").starts_with("ask"),
            "what cannot be told is not passed over"
        );
    }

    #[test]
    fn the_pod_is_deleted_once_and_never_that_of_whoever_came_after() {
        let f = healthy().build();
        let none = Objects::new();
        let first = told(&ACTION, &f, &[], &none);
        assert_eq!(first.steps(), ["delete pod orders-0"]);
        assert_eq!(
            first.goals(),
            [
                "another node than orders-0 is master",
                "orders-0 is no master any more"
            ]
        );
        let again = told(&ACTION, &f, &[("resume", "run-1")], &none);
        assert_eq!(again.steps(), Vec::<String>::new());
        let other = told(&ACTION, &f, &[("pod", "orders-2")], &none);
        assert_eq!(
            other.gate("one-master"),
            "block one-master: the master is orders-0, and not orders-2"
        );
    }

    #[test]
    fn another_master_is_one_by_label_engine_and_service() {
        let none = Objects::new();
        for (case, spec, wanted) in [
            ("the same", healthy(), "orders-0 is labelled master"),
            (
                "by all three",
                instance("orders").node(replica()).node(master()),
                "orders-1 is master, by its label, its engine and the Service",
            ),
            (
                "not by its engine",
                instance("orders")
                    .node(replica())
                    .node(master().engine_replica()),
                "orders-1's engine says role:replica",
            ),
            (
                "not by the Service",
                instance("orders")
                    .node(replica().endpoint(true))
                    .node(master().endpoint(false)),
                "the Service sends to orders-0",
            ),
            (
                "nobody",
                instance("orders").node(replica()),
                "no pod is labelled master",
            ),
        ] {
            let f = spec.build();
            let reading = Reading {
                world: &f.world,
                objects: &none,
                now: now(),
            };
            let progress = Goal::MasterIsNot(f.id.clone(), Some("orders-0".into())).judge(&reading);
            assert_eq!(progress.words(), wanted, "{case}");
            assert_eq!(progress.holds(), case == "by all three", "{case}");
            assert!(!matches!(progress, Progress::Untold(_)), "{case}");
        }
    }
}
