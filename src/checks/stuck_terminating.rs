//! A pod is Terminating and does not go: its machine is lost, and nobody there can end it, or its process does not end.
//! The StatefulSet makes no other in its place until it is gone (op#227, op#302).
//!
//! Machines are not among the standing questions, for reading them is a right that few have. The pod itself tells: what it
//! was evicted for, that it is not ready any more, how long its deletion was asked for, and whether its engine answers.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::case::later;
use super::words::{list, number};
use super::{
    Answer, Area, Case, Check, Instance, Node, Severity, Shown, Since, Situation, State, Subject,
    Word,
};
use crate::domain::object::Pod;
use crate::domain::world::{Held, Turn};
use crate::domain::{Role, text};

/// How long a pod may take to end when nothing says that its machine is lost, seconds: a large snapshot is saved within it.
const ENDING: i64 = 300;
/// Seconds past its grace period after which a pod whose engine is silent should be gone: its kubelet kills what runs when
/// the period is over.
const OVERDUE: i64 = 30;

/// The situation.
pub const STUCK: Situation = Situation {
    id: "stuck-terminating",
    word: "stuck terminating",
    class: State::Degraded,
    rule: "a pod's deletion was asked for, and either it was evicted from a machine that does not answer (condition \
           DisruptionTarget by the taint manager, or reason NodeLost) and its engine is not heard, or its engine is not heard and its grace period was over 30 s ago, or that \
           was 5 min ago",
    meaning: "The node is not replaced until its pod is gone; if it was the master, clients wait for another to be elected.",
    accounts_for: &["pods-missing", "engine-silent"],
    shown: Shown::By(&["lost-node"]),
};

/// The machine itself, said once for all instances that had pods on it.
pub const LOST: Situation = Situation {
    id: "machine-lost",
    word: "machine lost",
    class: State::Degraded,
    rule: "pods of instances were evicted from a machine that does not answer, and cannot end there",
    meaning: "What ran there is neither served nor replaced until the machine is back, or its Node object is deleted.",
    accounts_for: &[],
    shown: Shown::By(&["lost-node"]),
};

/// The check.
pub const CHECK: Check = Check {
    id: "stuck-terminating",
    area: Area::Instance,
    title: "Pod stuck Terminating",
    why: "A pod on a lost machine stays Terminating for ever, and its StatefulSet makes no other in its place.",
    reads: "deletion, conditions and reason of every pod, and whether its engine answers",
    next: "See whether its machine is gone.\n\
           $ {cluster} get nodes\n\
           If it is gone for good, delete its Node object: its pods go with it.\n\
           Only when its process is certainly dead, and its Node object must stay: take the pod away by force.\n\
           $ {kubectl} delete pod {pod} --force --grace-period=0",
    situations: &[&STUCK, &LOST],
    needs: Check::NOTHING,
    run,
};

fn run(case: &Case<'_>) -> Answer {
    if matches!(case.subject, Subject::Context(_)) {
        return machines(case);
    }
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let mut again = None;
    let mut stuck: Vec<(&Node<'_>, Option<String>)> = Vec::new();
    for node in instance.nodes.iter().filter(|n| n.is_going()) {
        if let Some(why) = why_lost(node) {
            stuck.push((node, Some(why)));
            continue;
        }
        let Some(asked) = asked(case, node) else {
            continue;
        };
        let killed = node.view.pod.value.meta.grace.saturating_add(OVERDUE);
        let most = match node.word {
            Word::Silent { .. } => killed,
            _ => killed.max(ENDING),
        };
        let due = later(asked, most);
        match due <= case.now {
            true => stuck.push((node, None)),
            false => again = [again, Some(due)].into_iter().flatten().min(),
        }
    }
    if stuck.is_empty() {
        return Answer::PASS.again(again);
    }
    let masterless = instance.masters().is_empty()
        && stuck
            .iter()
            .any(|(node, _)| node.view.label_role() == Some(Role::Master));
    let told: Vec<String> = stuck
        .iter()
        .map(|(node, why)| {
            let after = successor(case, instance, node);
            words(node, why.as_deref()) + &after.map_or(String::new(), |after| format!("; {after}"))
        })
        .collect();
    let since = stuck
        .iter()
        .filter_map(|(node, _)| asked(case, node))
        .min()
        .map_or(Since::Seen(case.now), |at| case.exactly(at));
    let mut finding = case
        .finding(
            &CHECK,
            &STUCK,
            match masterless {
                true => Severity::Critical,
                false => Severity::Warning,
            },
            list(&told),
        )
        .next(next(&stuck))
        .about(stuck.iter().map(|(node, _)| node.name()))
        .since(since);
    for (node, _) in &stuck {
        let pod = &node.view.pod;
        let name = node.name();
        for condition in ["DisruptionTarget", "Ready"] {
            if let Some(c) = pod.value.condition(condition) {
                let text = format!("{condition}={} {} {}", c.status, c.reason, c.message);
                finding = finding.resting_on(
                    text::one_line(&text),
                    format!("conditions of pod {name}"),
                    pod.changed,
                );
            }
        }
        if let Some(machine) = &pod.value.machine {
            finding = finding.resting_on(
                format!("it is on {machine}"),
                format!("pod {name}"),
                pod.changed,
            );
        }
        if let Word::Silent {
            why: Some((_, fault)),
            since,
            ..
        } = &node.word
        {
            finding = finding.resting_on(
                fault.message.clone(),
                format!("our own asking of {name}"),
                since.unwrap_or(case.now),
            );
        }
    }
    Answer::from(finding).again(again)
}

/// What to do, with the machine by name where it is lost.
fn next(stuck: &[(&Node<'_>, Option<String>)]) -> String {
    let lost = stuck.iter().find(|(_, why)| why.is_some());
    let machine = lost.and_then(|(node, _)| node.view.pod.value.machine.as_deref());
    let by_force = CHECK.next.split_once(BY_FORCE);
    match (machine, by_force) {
        (Some(machine), Some((_, tail))) => format!("{}\n{BY_FORCE}{tail}", of_machine(machine)),
        _ => String::new(),
    }
}

/// What the last step begins with.
const BY_FORCE: &str = "Only when";

/// What to do about a machine that is lost.
fn of_machine(machine: &str) -> String {
    let machine = text::shell_word(machine);
    format!(
        "See whether {machine} is gone.\n$ {{cluster}} get node {machine} -o wide\nIf it comes back, its pods end by \
         themselves.\nIf it is gone for good, delete its Node object: its pods go with it, and others are made. A pod \
         whose volume is bound to that machine or its zone is placed nowhere else, and stays Pending until there is a machine \
         again.\n$ {{cluster}} delete node {machine}"
    )
}

/// Machines that are lost, by the pods of instances that cannot end there.
fn machines(case: &Case<'_>) -> Answer {
    // Asked at every heartbeat: where nothing is being deleted, nobody is looked at.
    let is_going = |held: &Held<Pod>| held.value.meta.deleting.is_some();
    if !case.context.pods.iter().any(is_going) {
        return Answer::PASS;
    }
    let mut lost: BTreeMap<String, Vec<(String, Timestamp)>> = BTreeMap::new();
    let mut moved: Vec<(String, String, Timestamp)> = Vec::new();
    let mut since = case.now;
    for id in case.context.instances() {
        let subject = Subject::Instance(id);
        let Some(of_instance) = Case::of(case.world, &subject, case.limits, case.now) else {
            continue;
        };
        let Some(instance) = of_instance.judgeable() else {
            continue;
        };
        for node in instance.nodes.iter().filter(|n| n.is_going()) {
            let pod = &node.view.pod.value;
            let (Some(_), Some(machine)) = (why_lost(node), &pod.machine) else {
                continue;
            };
            since = since.min(asked(case, node).unwrap_or(case.now));
            let name = format!("{}/{}", pod.meta.namespace, pod.meta.name);
            if let Some(after) = successor(&of_instance, instance, node) {
                moved.push((name.clone(), after, node.view.pod.changed));
            }
            lost.entry(machine.clone())
                .or_default()
                .push((name, node.view.pod.changed));
        }
    }
    if lost.is_empty() {
        return Answer::PASS;
    }
    let told: Vec<String> = lost
        .iter()
        .map(|(machine, pods)| {
            let pods: Vec<&str> = pods.iter().map(|(name, _)| name.as_str()).collect();
            format!(
                "machine {machine} is lost: it does not answer, and {} {} evicted from it and cannot end{}",
                list(&pods),
                number(pods.len(), "was", "were"),
                masters(&moved, &pods)
            )
        })
        .collect();
    let steps: Vec<String> = lost.keys().map(|machine| of_machine(machine)).collect();
    let mut finding = case
        .finding(&CHECK, &LOST, Severity::Warning, told.join("; "))
        .next(steps.join("\n"))
        .about(lost.values().flatten().map(|(name, _)| name.clone()))
        .since(case.exactly(since));
    for (pod, after, changed) in &moved {
        finding = finding.resting_on(after.clone(), format!("instance of {pod}"), *changed);
    }
    for (machine, pods) in &lost {
        for (pod, changed) in pods {
            finding = finding.resting_on(
                format!(
                    "it is on {machine}, its deletion was asked for, and its engine is not heard"
                ),
                format!("pod {pod}"),
                *changed,
            );
        }
    }
    finding.into()
}

/// That the node was the master, where it is known, and who has taken over since, as a sentence without its end.
fn successor(case: &Case<'_>, instance: &Instance<'_>, node: &Node<'_>) -> Option<String> {
    if node.view.label_role().is_some() {
        return None;
    }
    let asked = asked(case, node)?;
    let id = &instance.view.id;
    let history = case.context.history(&id.namespace, &id.name);
    let was_master = history
        .and_then(|history| history.last_of(node.name(), |turn| matches!(turn, Turn::Label { .. })))
        .is_some_and(|moment| {
            let from_master = Turn::Label {
                from: Some(Role::Master),
                to: None,
            };
            moment.turn == from_master
        });
    // A pod loses its label when another is elected in its place.
    let new = instance.nodes.iter().find(|other| {
        let since = other.view.pod.value.role_since;
        let since = since.map(|at| case.context.by_our_clock(at));
        let took_over = since
            .or(other.view.relabelled)
            .is_some_and(|at| at >= asked);
        other.view.label_role() == Some(Role::Master) && took_over
    });
    match (was_master, new) {
        (true, Some(new)) => Some(format!(
            "it was the master, and {} has taken over",
            new.name()
        )),
        (true, None) => Some(WAS_MASTER.to_owned()),
        (false, Some(new)) => Some(format!("{} has become master since", new.name())),
        (false, None) => None,
    }
}

/// Of a master that nobody has taken over from.
const WAS_MASTER: &str = "it was the master";

/// In which of these pods' instances another node has become master since, as the end of a sentence.
fn masters(moved: &[(String, String, Timestamp)], pods: &[&str]) -> String {
    let of: Vec<&str> = moved
        .iter()
        .filter(|(pod, after, _)| after != WAS_MASTER && pods.contains(&pod.as_str()))
        .map(|(pod, ..)| pod.as_str())
        .collect();
    match of.is_empty() {
        true => String::new(),
        false => format!(
            "; in the {} of {} another node has become master since",
            number(of.len(), "instance", "instances"),
            list(&of)
        ),
    }
}

/// When its deletion was asked for, by our clock.
fn asked(case: &Case<'_>, node: &Node<'_>) -> Option<Timestamp> {
    let asked = node.view.pod.value.meta.deleting?;
    Some(case.context.by_our_clock(asked).min(case.now))
}

/// What tells that its machine is lost; `None` while its engine is heard, for then somebody there lives.
fn why_lost(node: &Node<'_>) -> Option<String> {
    if matches!(node.word, Word::Says { .. }) {
        return None;
    }
    let pod = &node.view.pod.value;
    if pod.reason == "NodeLost" {
        return Some("NodeLost".to_owned());
    }
    let evicted = pod
        .condition("DisruptionTarget")
        .filter(|c| c.status == "True" && c.reason == "DeletionByTaintManager")?;
    let unready = pod.condition("Ready").is_some_and(|c| c.status != "True");
    unready.then(|| evicted.reason.clone())
}

fn words(node: &Node<'_>, lost: Option<&str>) -> String {
    let name = node.name();
    let role = match node.view.label_role() {
        Some(Role::Master) => ", labelled master,",
        _ => "",
    };
    let machine = node
        .view
        .pod
        .value
        .machine
        .as_deref()
        .unwrap_or("its machine");
    match (lost, &node.word) {
        (Some(why), _) => format!(
            "{name}{role} is stuck Terminating: its machine {machine} is lost, and it was evicted from there ({why})"
        ),
        (None, Word::Silent { .. }) => format!(
            "{name}{role} is stuck Terminating: its engine on {machine} is not heard, and the {} s that it was given to end \
             are over",
            node.view.pod.value.meta.grace
        ),
        (None, _) => {
            format!("{name}{role} is stuck Terminating: its process on {machine} does not end")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;

    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;
    use crate::domain::object::{Condition, Pod};
    use crate::domain::{Fact, Object};

    /// A fixture in which that pod was changed.
    fn with(spec: InstanceSpec, pod: &str, change: impl FnOnce(&mut Pod)) -> Fixture {
        let mut f = spec.build();
        let context = f.world.context(&infra()).unwrap();
        let mut new = (*context.pods.get("shop", pod).unwrap().value).clone();
        change(&mut new);
        let object = Object::Pod(Arc::new(new));
        let context = infra();
        f.tell(Fact::Seen { context, object }, ago(2));
        f
    }

    fn evicted(pod: &mut Pod) {
        pod.machine = Some("worker-1".to_owned());
        pod.conditions.push(Condition {
            name: "DisruptionTarget".to_owned(),
            status: "True".to_owned(),
            reason: "DeletionByTaintManager".to_owned(),
            ..Condition::default()
        });
    }

    #[test]
    fn a_pod_that_does_not_go_is_told_with_what_is_known() {
        let gone = || master().unready().deleting();
        for (name, fixture, wanted) in [
            ("healthy", healthy().build(), "pass"),
            (
                "just deleted",
                instance("orders")
                    .node(master())
                    .node(replica().deleting())
                    .build(),
                "pass",
            ),
            (
                "its machine is lost, and no other master is there",
                with(
                    instance("orders")
                        .node(gone().falls_silent(None, 60).heard(70))
                        .node(replica()),
                    "orders-0",
                    evicted,
                ),
                "critical critical: orders-0, labelled master, is stuck Terminating: its machine worker-1 is lost, and it was evicted \
                 from there (DeletionByTaintManager)",
            ),
            (
                "its machine is lost, and another master was elected",
                with(
                    instance("orders")
                        .node(gone().unlabelled().unasked())
                        .node(master())
                        .node(replica()),
                    "orders-0",
                    evicted,
                ),
                "warning degraded: orders-0 is stuck Terminating: its machine worker-1 is lost, and it was evicted from there \
                 (DeletionByTaintManager)",
            ),
            (
                "evicted, but its engine is still heard",
                with(
                    instance("orders")
                        .node(master())
                        .node(replica().unready().deleting()),
                    "orders-1",
                    evicted,
                ),
                "pass",
            ),
            (
                "its process does not end",
                with(
                    instance("orders")
                        .node(master())
                        .node(replica().unready().deleting()),
                    "orders-1",
                    |pod| pod.meta.deleting = Some(ago(301)),
                ),
                "warning degraded: orders-1 is stuck Terminating: its process on its machine does not end",
            ),
            (
                "deleted by hand on a machine that nobody hears",
                with(
                    instance("orders").node(master()).node(
                        replica()
                            .unready()
                            .deleting()
                            .falls_silent(None, 60)
                            .heard(70),
                    ),
                    "orders-1",
                    |pod| (pod.meta.deleting, pod.meta.grace) = (Some(ago(60)), 30),
                ),
                "warning degraded: orders-1 is stuck Terminating: its engine on its machine is not heard, and the 30 s that it was \
                 given to end are over",
            ),
            (
                "the same, within its time",
                with(
                    instance("orders").node(master()).node(
                        replica()
                            .unready()
                            .deleting()
                            .falls_silent(None, 60)
                            .heard(70),
                    ),
                    "orders-1",
                    |pod| (pod.meta.deleting, pod.meta.grace) = (Some(ago(59)), 30),
                ),
                "pass",
            ),
        ] {
            assert_eq!(line(&answer_of(&CHECK, &fixture)), wanted, "{name}");
        }
    }

    #[test]
    fn it_is_looked_at_again_when_it_should_have_ended() {
        let f = instance("orders")
            .node(master())
            .node(replica().deleting())
            .build();
        assert_eq!(answer_of(&CHECK, &f).again_at, Some(ago(3 - ENDING)));
    }

    #[test]
    fn who_was_the_master_and_who_took_over_is_said_where_it_is_known() {
        let lost = "warning degraded: orders-0 is stuck Terminating: its machine worker-1 is lost, and it was evicted from there \
                    (DeletionByTaintManager)";
        for (name, since, seen_before, wanted) in [
            ("another was master long before", 9_000, false, ""),
            (
                "another became master since",
                5,
                false,
                "; orders-1 has become master since",
            ),
            (
                "and we saw that it was",
                5,
                true,
                "; it was the master, and orders-1 has taken over",
            ),
        ] {
            let gone = || match seen_before {
                true => master().unready().unasked(),
                false => replica().unlabelled().unready().unasked(),
            };
            let new = master().labelled_since(since);
            let mut f = instance("orders").node(gone()).node(new).build();
            if seen_before {
                f.relabel("orders-0", None, ago(5));
            }
            let context = f.world.context(&infra()).unwrap();
            let mut pod = (*context.pods.get("shop", "orders-0").unwrap().value).clone();
            pod.meta.deleting = Some(ago(30));
            evicted(&mut pod);
            let context = infra();
            let object = Object::Pod(Arc::new(pod));
            f.tell(Fact::Seen { context, object }, ago(2));
            assert_eq!(
                line(&answer_of(&CHECK, &f)),
                format!("{lost}{wanted}"),
                "{name}"
            );
        }
    }
}
