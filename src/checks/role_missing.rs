//! A ready pod that the operator never gave a role (operator issues 508 and 537; also while the operator is down).

use super::words::list;
use super::{Answer, Case, Check, Node, Severity, Since, State, Word, case::later};
use crate::domain::Role;

/// The check.
pub const CHECK: Check = Check {
    id: "role-missing",
    title: "Pod without a role",
    why: "A pod without a role label is no replica that could be promoted; the operator counts it as not configured.",
    reads: "role labels, pod conditions",
    run,
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let mut again = None;
    let mut found: Vec<(&Node<'_>, Option<jiff::Timestamp>)> = Vec::new();
    for node in &instance.nodes {
        if node.view.label_role().is_some() || !node.is_ready() {
            continue;
        }
        let ready_since = node.view.pod.value.condition("Ready").and_then(|c| c.since);
        let without_since = node.view.relabelled.or(ready_since);
        let from = without_since.unwrap_or(node.view.pod.first_seen);
        match case.still(from, case.limits.grace) {
            Some(until) if until <= later(case.now, case.limits.grace) => {
                again = again.max(Some(until));
            }
            _ => found.push((node, ready_since)),
        }
    }
    if found.is_empty() {
        return Answer::PASS.again(again);
    }
    let names: Vec<&str> = found.iter().map(|(node, _)| node.name()).collect();
    let engines: Vec<String> = found
        .iter()
        .filter_map(|(node, _)| match node.word {
            Word::Says { role, .. } => Some(format!("{} runs as {}", node.name(), article(role))),
            Word::Silent { .. } => None,
        })
        .collect();
    let engines = if engines.is_empty() {
        String::new()
    } else {
        format!("; {}", list(&engines))
    };
    let since = found
        .iter()
        .filter(|(node, _)| node.view.relabelled.is_none())
        .filter_map(|(_, since)| *since)
        .min()
        .map_or(Since::Seen(case.now), Since::Exactly);
    let (ready, no_role) = if names.len() == 1 {
        ("is ready but has", "no role label")
    } else {
        ("are ready but have", "no role labels")
    };
    let finding = case
        .finding(
            &CHECK,
            Severity::Warning,
            State::Degraded,
            format!("{} {ready} {no_role}{engines}", list(&names)),
        )
        .meaning("The operator has not configured it: it is not counted on in a failover.")
        .about(names)
        .since(since);
    Answer::from(finding).again(again)
}

fn article(role: Role) -> &'static str {
    match role {
        Role::Master => "a master",
        Role::Replica => "a replica",
    }
}
