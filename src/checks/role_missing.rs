//! A ready pod that the operator never gave a role (operator issues 508 and 537; also while the operator is down).

use super::turn::{its_turn, nobody};
use super::words::list;
use super::{
    Answer, Area, Case, Check, Finding, Node, Severity, Shown, Since, Situation, State, Word,
    case::later,
};
use crate::domain::Role;

/// The check.
pub const CHECK: Check = Check {
    id: "role-missing",
    area: Area::Operator,
    title: "Pod without a role",
    why: "A pod without a role label is no replica that could be promoted; the operator counts it as not configured.",
    reads: "role labels, pod conditions",
    next: "Look for {pod} in the operator's log.",
    situations: &[&MISSING, &COMING],
    needs: Check::NOTHING,
    run,
};

const MISSING: Situation = Situation {
    id: "role-missing",
    word: "no role",
    class: State::Degraded,
    rule: "a pod is ready for more than 60 s and has no role label, nor had one before our eyes within 60 s",
    meaning: "The operator has not configured it: it is not counted on in a failover.",
    shown: Shown::By(&["pod-unconfigured"]),
    ..Situation::BASE
};

const COMING: Situation = Situation {
    id: "role-coming",
    word: "no role yet",
    class: State::Syncing,
    rule: "a pod has no role label and is ready for less than 60 s, or lost its label before our eyes within 60 s",
    meaning: "It is not counted on in a failover until it has one.",
    shown: Shown::By(&["pod-unconfigured"]),
    ..Situation::BASE
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let mut again = None;
    let mut waiting: Vec<&Node<'_>> = Vec::new();
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
                waiting.push(node);
            }
            _ => found.push((node, ready_since)),
        }
    }
    if found.is_empty() {
        if waiting.is_empty() {
            return Answer::PASS;
        }
        let (has, roles) = if waiting.len() == 1 {
            ("has", "role")
        } else {
            ("have", "roles")
        };
        let names: Vec<&str> = waiting.iter().map(|node| node.name()).collect();
        let sentence = format!("{} {has} no {roles} yet", list(&names));
        let finding = case
            .finding(
                &CHECK,
                &COMING,
                Severity::Note,
                sentence + &unattended(case),
            )
            .next(next(case))
            .about(names);
        return Answer::from(with_labels(finding, &waiting)).again(again);
    }
    let names: Vec<&str> = found.iter().map(|(node, _)| node.name()).collect();
    let engines: Vec<String> = found
        .iter()
        .filter_map(|(node, _)| match node.word {
            Word::Says { role, .. } => Some(format!("{} {}", node.name(), runs_as(node, role))),
            Word::Silent { .. } => None,
        })
        .collect();
    let engines = match engines.is_empty() {
        true => String::new(),
        false => format!(". {}", list(&engines)),
    };
    let since = found
        .iter()
        // One that was made a replica may have had its role, and have lost it since: nothing tells when.
        .filter(|(node, _)| node.view.relabelled.is_none() && !node.says(Role::Replica))
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
            &MISSING,
            Severity::Warning,
            format!(
                "{} {ready} {no_role}{engines}{}",
                list(&names),
                unattended(case)
            ),
        )
        .next(next(case))
        .about(names)
        .since(since);
    let nodes: Vec<&Node<'_>> = found.iter().map(|(node, _)| *node).collect();
    Answer::from(with_labels(finding, &nodes)).again(again)
}

/// The operator alone gives roles: what to do about it.
fn next(case: &Case<'_>) -> String {
    its_turn(case, "why it gives no role")
}

/// Where nobody will give a role, that is said, as the end of a sentence.
fn unattended(case: &Case<'_>) -> String {
    nobody(case).map_or(String::new(), |(why, _)| {
        format!("; nobody gives roles now: {why}")
    })
}

fn with_labels(finding: Finding, nodes: &[&Node<'_>]) -> Finding {
    nodes.iter().fold(finding, |finding, node| {
        finding.resting_on(
            "no label role",
            format!("labels of pod {}", node.name()),
            node.view.pod.changed,
        )
    })
}

/// What its engine is, and whether it takes writes.
fn runs_as(node: &Node<'_>, role: Role) -> &'static str {
    match (role, node.view.is_endpoint) {
        (Role::Replica, _) => "runs as a replica and takes no writes",
        (Role::Master, true) => "runs as a master, and the Service sends writes to it",
        (Role::Master, false) => {
            "runs as a master and would take writes, but the Service sends nothing to it"
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::Verdict;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;
    use crate::domain::{Fact, Object};

    #[test]
    fn a_ready_pod_needs_a_role() {
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "one without, ready since 40 s of the 60 that are given",
                    instance("orders")
                        .node(master())
                        .node(replica().unlabelled()),
                    "note syncing: orders-1 has no role yet",
                ),
                (
                    "not ready yet",
                    instance("orders")
                        .node(master())
                        .node(replica().unlabelled().unready()),
                    "pass",
                ),
            ],
        );
        // In fixtures a pod became ready 40 s ago; a minute is given.
        let f = instance("orders")
            .node(master())
            .node(replica().unlabelled())
            .build();
        assert_eq!(answer_of(&CHECK, &f).again_at, Some(ago(-20)));
        let mut f = instance("orders")
            .node(master())
            .node(replica())
            .node(replica())
            .build();
        f.relabel("orders-1", None, ago(70));
        assert_eq!(
            line(&answer_of(&CHECK, &f)),
            "warning degraded: orders-1 is ready but has no role label. orders-1 runs as a replica and takes no writes"
        );
    }

    #[test]
    fn a_replica_may_have_had_the_role_that_it_lacks() {
        for (name, bare, wanted) in [
            (
                "never configured: for as long as it was ready",
                replica().unlabelled().engine_master(),
                Since::Exactly(ago(600)),
            ),
            (
                "made a replica: nothing tells",
                replica().unlabelled(),
                Since::Seen(now()),
            ),
        ] {
            let mut f = instance("orders").node(master()).node(bare).build();
            let context = f.world.context(&infra()).unwrap();
            let mut pod = (*context.pods.get("shop", "orders-1").unwrap().value).clone();
            for condition in &mut pod.conditions {
                condition.since = Some(ago(600));
            }
            let object = Object::Pod(std::sync::Arc::new(pod));
            let context = infra();
            f.tell(Fact::Seen { context, object }, ago(5));
            let Verdict::Finding(finding) = answer_of(&CHECK, &f).verdict else {
                panic!("{name}");
            };
            assert_eq!(finding.since, wanted, "{name}");
        }
    }
}
