//! No node acts as master.
//!
//! Said only when it is certain: every engine that runs says that it is a replica, or the Service sends nowhere while
//! no engine vouches for being master. A silent engine that may be the master is `engine-silent`'s matter.

use super::several_masters::{CHANGING, IT_PASSES};
use super::turn::its_turn;
use super::words::{are, list};
use super::{Answer, Area, Case, Check, Instance, Node, Severity, Shown, Since, Situation, State};
use crate::domain::Role;
use crate::domain::object::ContainerState;

/// The check.
pub const CHECK: Check = Check {
    id: "no-master",
    area: Area::Replication,
    title: "No master",
    why: "Without a master nobody can write, and the Service has nowhere to send clients.",
    reads: "INFO replication and ROLE of every node, role labels, endpoints of the master Service",
    next: "See who could be master: pods that are ready, and their roles.\n\
           $ {kubectl} get pods -l app={name} -L role\n\
           Look in the operator's log why it elects nobody.",
    situations: &[&NONE, &SCALED, &CHANGING],
    needs: Check::NOTHING,
    run,
};

const NONE: Situation = Situation {
    id: "no-master",
    word: "no master",
    class: State::NoMaster,
    rule: "no engine that runs is believed to be master, and either every one says replica or the Service has no endpoint; not within 60 s of the making of the instance",
    meaning: "Clients cannot write; whoever connects through the Service is refused.",
    accounts_for: &["link-down", "pods-missing"],
    shown: Shown::By(&["no-master"]),
};

const SCALED: Situation = Situation {
    id: "scaled-to-nothing",
    word: "scaled to 0",
    class: State::Degraded,
    rule: "no pods are wanted, and there are none or all are going",
    meaning: "Nobody is served, as wanted.",
    shown: Shown::By(&["scaled-to-zero"]),
    ..Situation::BASE
};

/// How it is brought back, and with what: its pods load what lies on their volumes.
const SCALE_UP: &str = "Bring it back, with spec.replicas above 0: its pods load the last snapshot, if it has any; else it comes back empty.\n\
    $ {kubectl} edit dragonfly {name}";

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    if instance.young_until.is_some() {
        // `being-made` speaks for it.
        return Answer::NOT_APPLICABLE.again(instance.young_until);
    }
    let id = &instance.view.id;
    if instance.view.wanted() == Some(0) && instance.nodes.iter().all(Node::is_going) {
        let pods = match instance.nodes.is_empty() {
            true => "it has no pods",
            false => "its last pods are going",
        };
        let sentence = format!("{id} is scaled to nothing: {pods}, as wanted");
        return case
            .finding(&CHECK, &SCALED, Severity::Note, sentence)
            .next(SCALE_UP)
            .into();
    }
    if !instance.masters().is_empty() {
        return Answer::PASS;
    }
    let nowhere = instance.endpoints.as_deref() == Some(&[]);
    let unheard: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|n| n.might_be_master())
        .collect();
    if !unheard.is_empty() && !nowhere {
        return Answer::NOT_APPLICABLE;
    }
    if let Some(until) = on_its_way(case, instance) {
        let sentence = format!("{id} is changing its master");
        let finding = case
            .finding(&CHECK, &CHANGING, Severity::Note, sentence)
            .next(IT_PASSES);
        return Answer::from(finding).again(Some(until));
    }
    let finding = case
        .finding(
            &CHECK,
            &NONE,
            Severity::Critical,
            sentence(instance, &unheard),
        )
        .next(next(case, instance))
        .since(since(case, instance))
        // It names every node, with what it does.
        .covering(instance.nodes.iter().map(Node::name));
    let mut finding = finding;
    for node in &instance.nodes {
        finding = finding.resting_on(
            word(node),
            format!("engine and pod of {}", node.name()),
            told_at(node),
        );
    }
    if instance.endpoints.is_some() {
        finding = finding.resting_on(
            instance.endpoints_words(),
            "EndpointSlices",
            instance.endpoints_at().unwrap_or(case.now),
        );
    }
    finding.into()
}

/// Who could be master, what is wrong with those that are down, and why nobody is elected.
fn next(case: &Case<'_>, instance: &Instance<'_>) -> String {
    let mut steps =
        "See who could be master: pods that are ready, and their roles.\n$ {kubectl} get pods -l app={name} -L role".to_owned();
    let down = instance.nodes.iter().find(|n| !n.runs());
    if let Some(down) = down {
        let name = down.name();
        steps.push_str(&match down.container().and_then(|c| c.last_end.as_ref()) {
            Some(_) => format!(
                "\nSee how the last run of {name} ended.\n$ {{kubectl}} logs {name} -c dragonfly --previous --tail=100"
            ),
            None => format!("\nSee why {name} does not run.\n$ {{kubectl}} describe pod {name}"),
        });
    }
    format!("{steps}\n{}", its_turn(case, "why it elects nobody"))
}

/// A node was just labelled master, and its engine was not asked since: the operator labels after it promotes.
fn on_its_way(case: &Case<'_>, instance: &Instance<'_>) -> Option<jiff::Timestamp> {
    instance
        .nodes
        .iter()
        .filter(|n| n.view.label_role() == Some(Role::Master) && !n.is_going() && n.runs())
        .filter_map(|n| case.unsettled_until(n))
        .max()
}

fn sentence(instance: &Instance<'_>, unheard: &[&Node<'_>]) -> String {
    let id = &instance.view.id;
    if instance.nodes.is_empty() {
        return format!("{id} has no pods, so no master");
    }
    let replicas: Vec<&str> = instance
        .nodes
        .iter()
        .filter(|n| n.says(Role::Replica))
        .map(Node::name)
        .collect();
    // It says that it is master, as every engine does that has just started; nobody has made it one.
    let new = |n: &&Node<'_>| n.says(Role::Master) && n.runs();
    let fresh: Vec<&str> = instance.nodes.iter().filter(new).map(Node::name).collect();
    let down: Vec<&str> = instance
        .nodes
        .iter()
        .filter(|n| !n.says(Role::Replica) && !n.might_be_master() && !new(n))
        .map(Node::name)
        .collect();
    let silent: Vec<&str> = unheard.iter().map(|n| n.name()).collect();
    let mut parts = Vec::new();
    if !replicas.is_empty() {
        let role = if replicas.len() == 1 {
            "a replica"
        } else {
            "replicas"
        };
        parts.push(format!(
            "{} {} {role}",
            list(&replicas),
            are(replicas.len())
        ));
    }
    if !fresh.is_empty() {
        let verb = if fresh.len() == 1 { "has" } else { "have" };
        parts.push(format!(
            "{} {verb} started and {verb} no role",
            list(&fresh)
        ));
    }
    if !down.is_empty() {
        parts.push(format!("{} {} not running", list(&down), are(down.len())));
    }
    if !silent.is_empty() {
        let verb = if silent.len() == 1 { "does" } else { "do" };
        parts.push(format!("{} {verb} not answer", list(&silent)));
    }
    let service = match instance.endpoints {
        Some(_) => format!("; {}", instance.endpoints_words()),
        None => String::new(),
    };
    format!("{id} has no master: {}{service}", parts.join(", "))
}

/// When what [`word`] says was last told: by the engine, else by its pod.
fn told_at(node: &Node<'_>) -> jiff::Timestamp {
    let told = node.replication.as_ref().map(|known| known.at);
    told.filter(|_| node.says(Role::Replica))
        .unwrap_or(node.view.pod.changed)
}

fn word(node: &Node<'_>) -> String {
    let label = match node.view.label_role() {
        Some(role) => format!("labelled {}", role.word()),
        None => "without a role label".to_owned(),
    };
    let engine = if node.says(Role::Replica) {
        "its engine says replica"
    } else if node.says(Role::Master) && node.runs() {
        "its engine says master, as each does that has just started"
    } else if node.runs() {
        "its engine does not answer"
    } else {
        "its container does not run"
    };
    format!("{} is {label}; {engine}", node.name())
}

/// When the labelled master's container ended, if that is why; else since we have seen it.
fn since(case: &Case<'_>, instance: &Instance<'_>) -> Since {
    instance
        .nodes
        .iter()
        .filter(|n| n.view.label_role() == Some(Role::Master) && !n.runs())
        .filter_map(|n| {
            let container = n.container()?;
            match &container.state {
                ContainerState::Ended(end) => end.at,
                _ => container.last_end.as_ref()?.at,
            }
        })
        .max()
        .map_or(Since::Seen(case.now), Since::Exactly)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;

    #[test]
    fn it_is_said_only_when_certain() {
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "all replicas, and the Service sends nowhere",
                    instance("orders").node(replica()).node(replica()),
                    "critical no-master: shop/orders has no master: orders-0 and orders-1 are replicas; the Service \
                     sends nowhere",
                ),
                (
                    "labelled master is a replica by its own word",
                    instance("orders")
                        .node(master().engine_replica())
                        .node(replica()),
                    "critical no-master: shop/orders has no master: orders-0 and orders-1 are replicas; the Service \
                     sends to orders-0",
                ),
                (
                    "the master's container does not run",
                    instance("orders")
                        .node(master().waiting("CrashLoopBackOff"))
                        .node(replica()),
                    "critical no-master: shop/orders has no master: orders-1 is a replica, orders-0 is not running; \
                     the Service sends nowhere",
                ),
                (
                    "no pods at all",
                    instance("orders").wanting(3),
                    "critical no-master: shop/orders has no pods, so no master",
                ),
                (
                    "scaled to nothing",
                    instance("orders").wanting(0),
                    "note degraded: shop/orders is scaled to nothing: it has no pods, as wanted",
                ),
                (
                    "scaled to nothing a moment ago",
                    instance("orders").wanting(0).node(master().deleting()),
                    "note degraded: shop/orders is scaled to nothing: its last pods are going, as wanted",
                ),
                (
                    "a silent master that traffic is sent to is not known to be lost",
                    instance("orders")
                        .node(master().falls_silent(None, 20).heard(40))
                        .node(replica()),
                    "n/a",
                ),
                (
                    "a silent master without an endpoint is lost to clients",
                    instance("orders")
                        .node(master().falls_silent(None, 20).heard(40).unready())
                        .node(replica()),
                    "critical no-master: shop/orders has no master: orders-1 is a replica, orders-0 does not answer; \
                     the Service sends nowhere",
                ),
                (
                    "nobody may be asked, but labels and endpoints show it",
                    instance("orders")
                        .node(replica().unreachable(crate::domain::FaultKind::Forbidden, "no"))
                        .node(replica().unreachable(crate::domain::FaultKind::Forbidden, "no")),
                    "critical no-master: shop/orders has no master: orders-0 and orders-1 do not answer; the Service \
                     sends nowhere",
                ),
                (
                    "a young instance is being made",
                    instance("orders").node(replica()).young(20),
                    "n/a",
                ),
            ],
        );
    }

    #[test]
    fn a_new_label_waits_for_the_engine_to_be_asked() {
        let mut f = instance("orders").node(replica()).node(replica()).build();
        f.send_to(&["orders-1"], ago(0));
        f.relabel("orders-1", Some(Role::Master), ago(0));
        let answer = answer_of(&CHECK, &f);
        assert_eq!(
            line(&answer),
            "note syncing: shop/orders is changing its master"
        );
        assert!(answer.again_at.unwrap() > now());
    }

    #[test]
    fn since_when_is_told_by_the_containers_end() {
        let f = instance("orders")
            .node(master().ended("OOMKilled", 137).waiting("CrashLoopBackOff"))
            .node(replica())
            .build();
        let Answer {
            verdict: super::super::Verdict::Finding(finding),
            ..
        } = answer_of(&CHECK, &f)
        else {
            panic!()
        };
        assert_eq!(finding.since, Since::Exactly(ago(50)));
    }
}
