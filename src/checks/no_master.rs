//! No node acts as master.
//!
//! Said only when it is certain: every engine that runs says that it is a replica, or the Service sends nowhere while
//! no engine vouches for being master. A silent engine that may be the master is `engine-silent`'s matter.

use super::words::{are, list};
use super::{Answer, Case, Check, Instance, Node, Severity, Since, State};
use crate::domain::Role;
use crate::domain::object::ContainerState;

/// The check.
pub const CHECK: Check = Check {
    id: "no-master",
    title: "No master",
    why: "Without a master nobody can write, and the Service has nowhere to send clients.",
    reads: "INFO replication and ROLE of every node, role labels, endpoints of the master Service",
    run,
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    if instance.young_until.is_some() {
        // `being-made` speaks for it.
        return Answer::NOT_APPLICABLE.again(instance.young_until);
    }
    if !instance.masters().is_empty() {
        return Answer::PASS;
    }
    let id = &instance.view.id;
    if instance.view.wanted() == Some(0) && instance.nodes.is_empty() {
        let sentence = format!("{id} is scaled to nothing: it has no pods, as wanted");
        return case
            .finding(&CHECK, Severity::Note, State::NoMaster, sentence)
            .into();
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
        let finding = case.finding(&CHECK, Severity::Note, State::Syncing, sentence);
        return Answer::from(finding).again(Some(until));
    }
    let finding = case
        .finding(
            &CHECK,
            Severity::Critical,
            State::NoMaster,
            sentence(instance, &unheard),
        )
        .meaning("Clients cannot write; whoever connects through the Service is refused.")
        .since(since(case, instance));
    let mut finding = finding;
    for node in &instance.nodes {
        finding = finding.resting_on(
            word(node),
            format!("engine and pod of {}", node.name()),
            case.now,
        );
    }
    if instance.endpoints.is_some() {
        finding = finding.resting_on(instance.endpoints_words(), "EndpointSlices", case.now);
    }
    finding.into()
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
    let down: Vec<&str> = instance
        .nodes
        .iter()
        .filter(|n| !n.says(Role::Replica) && !n.might_be_master())
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

fn word(node: &Node<'_>) -> String {
    let label = match node.view.label_role() {
        Some(role) => format!("labelled {}", role.word()),
        None => "without a role label".to_owned(),
    };
    let engine = if node.says(Role::Replica) {
        "its engine says replica"
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
