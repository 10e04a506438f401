//! A pod's `role` label says one thing, its engine another.

use super::several_masters::{CHANGING, IT_PASSES};
use super::turn::its_turn;
use super::words::{are, list, number};
use super::{Answer, Area, Case, Check, Node, Severity, Shown, Since, Situation, State, Word};
use crate::domain::Role;

/// The check.
pub const CHECK: Check = Check {
    id: "roles-disagree",
    area: Area::Replication,
    title: "Label and engine disagree",
    why: "The Service follows the label, the data follows the engine: clients end up at a node that is not what it is \
          called.",
    reads: "role labels, INFO replication and ROLE of every node",
    next: "See the labels.\n\
           $ {kubectl} get pods -l app={name} -L role\n\
           Look in the operator's log why it does not mend them.",
    situations: &[&DISAGREE, &CHANGING],
    needs: Check::NOTHING,
    run,
};

const DISAGREE: Situation = Situation {
    id: "roles-disagree",
    word: "roles disagree",
    class: State::RolesDisagree,
    rule: "the role label of a pod and the word of its engine differ for more than 5 s, and the engine was asked since; not on a node that is a second master",
    meaning: "Clients that the label leads there are served by a node in another role. An operator from v1.5.0 goes by the label: \
              at its next look it makes the node that is labelled master one.",
    shown: Shown::By(&["failover-by-hand"]),
    ..Situation::BASE
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let contested = instance.masters().len() > 1;
    let mut again = None;
    let mut found: Vec<(&Node<'_>, Role, Role)> = Vec::new();
    let mut changing: Vec<&str> = Vec::new();
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
            changing.push(node.name());
        } else if !(contested && *role == Role::Master) {
            // A second master is `several-masters`' finding already.
            found.push((node, label, *role));
        }
    }
    if found.is_empty() && !changing.is_empty() {
        let roles = number(changing.len(), "its role", "their roles");
        let sentence = format!(
            "{} {} changing {roles}",
            list(&changing),
            are(changing.len())
        );
        let finding = case
            .finding(&CHECK, &CHANGING, Severity::Note, sentence)
            .next(IT_PASSES)
            .about(changing);
        return Answer::from(finding).again(again);
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
        .finding(&CHECK, &DISAGREE, Severity::Critical, list(&told))
        .next(format!(
            "See the labels.\n$ {{kubectl}} get pods -l app={{name}} -L role\n{}",
            its_turn(case, "why it does not mend them")
        ))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;

    #[test]
    fn each_node_is_compared_with_itself() {
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "labelled master, engine replica",
                    instance("orders")
                        .node(master().engine_replica())
                        .node(replica().engine_master()),
                    "critical roles-disagree: orders-0 is labelled master, but its engine says replica and orders-1 is \
                     labelled replica, but its engine says master",
                ),
                (
                    "a second master is told by its own check",
                    instance("orders")
                        .node(master())
                        .node(replica().engine_master()),
                    "pass",
                ),
                (
                    "a pod that is going does not matter any more",
                    instance("orders")
                        .node(master())
                        .node(master().engine_replica().deleting()),
                    "pass",
                ),
                (
                    "nobody was asked",
                    instance("orders").node(master().unasked()),
                    "n/a",
                ),
                (
                    "no label is no disagreement",
                    instance("orders")
                        .node(master())
                        .node(replica().unlabelled()),
                    "pass",
                ),
            ],
        );
    }

    #[test]
    fn a_role_change_on_its_way_is_given_time() {
        let mut f = healthy().build();
        f.relabel("orders-1", Some(Role::Master), ago(3));
        let answer = answer_of(&CHECK, &f);
        assert_eq!(line(&answer), "note syncing: orders-1 is changing its role");
        assert_eq!(answer.again_at, Some(ago(-2)));

        let mut f = healthy().build();
        f.relabel("orders-1", Some(Role::Master), ago(20));
        let super::super::Verdict::Finding(finding) = answer_of(&CHECK, &f).verdict else {
            panic!()
        };
        assert_eq!(finding.since, Since::Exactly(ago(20)));
        assert_eq!(finding.about, ["orders-1"]);
    }

    #[test]
    fn an_engine_that_was_not_asked_since_the_label_changed_is_waited_for() {
        let mut f = instance("orders")
            .node(master())
            .node(replica().heard(9))
            .build();
        f.relabel("orders-1", Some(Role::Master), ago(7));
        let answer = answer_of(&CHECK, &f);
        assert_eq!(line(&answer), "note syncing: orders-1 is changing its role");
        // Its answer will not be believed any more 30 s after it came.
        assert_eq!(answer.again_at, Some(ago(-21)));
    }
}
