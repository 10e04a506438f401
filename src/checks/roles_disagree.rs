//! A pod's `role` label says one thing, its engine another.

use super::words::list;
use super::{Answer, Case, Check, Node, Severity, Since, State, Word};
use crate::domain::Role;

/// The check.
pub const CHECK: Check = Check {
    id: "roles-disagree",
    title: "Label and engine disagree",
    why: "The Service follows the label, the data follows the engine: clients end up at a node that is not what it is \
          called.",
    reads: "role labels, INFO replication and ROLE of every node",
    run,
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let contested = instance.masters().len() > 1;
    let mut again = None;
    let mut found: Vec<(&Node<'_>, Role, Role)> = Vec::new();
    let mut judged = false;
    for node in instance.nodes.iter().filter(|n| !n.is_going()) {
        let (Some(label), Word::Says { role, .. }) = (node.view.label_role(), &node.word) else {
            continue;
        };
        judged = true;
        if label == *role {
            continue;
        }
        if node.is_starting() {
            again = again.max(node.young_until);
        } else if let Some(until) = case.unsettled_until(node) {
            again = again.max(Some(until));
        } else if !(contested && *role == Role::Master) {
            // A second master is `several-masters`' finding already.
            found.push((node, label, *role));
        }
    }
    if found.is_empty() {
        return if judged {
            Answer::PASS.again(again)
        } else {
            Answer::NOT_APPLICABLE
        };
    }
    let told: Vec<String> = found
        .iter()
        .map(|(node, label, role)| {
            format!(
                "{} is labelled {}, but its engine says {}",
                node.name(),
                label.word(),
                role.word()
            )
        })
        .collect();
    let since = found
        .iter()
        .map(|(node, ..)| since(case, node))
        .min_by_key(|since| since.at())
        .unwrap_or(Since::Seen(case.now));
    let mut finding = case
        .finding(
            &CHECK,
            Severity::Critical,
            State::RolesDisagree,
            list(&told),
        )
        .meaning("Clients that the label leads there are served by a node in another role.")
        .about(found.iter().map(|(node, ..)| node.name()))
        .since(since);
    for (node, label, role) in &found {
        finding = finding.resting_on(
            format!("role={}", label.word()),
            format!("labels of pod {}", node.name()),
            node.view.pod.changed,
        );
        if let Word::Says { at, .. } = node.word {
            finding = finding.resting_on(
                format!("role:{}", role.word()),
                format!("INFO replication of {}", node.name()),
                at,
            );
        }
    }
    Answer::from(finding).again(again)
}

/// If the label was the last to change before our eyes, the cluster knows when; else only our watching tells.
fn since(case: &Case<'_>, node: &Node<'_>) -> Since {
    let turned = node.view.engine.and_then(|e| e.role_changed);
    match (node.view.relabelled, turned, node.view.pod.value.role_since) {
        (Some(label), turned, Some(written)) if turned.is_none_or(|t| t < label) => {
            Since::Exactly(written)
        }
        (_, Some(turned), _) => Since::Seen(turned),
        _ => Since::Seen(case.now),
    }
}
