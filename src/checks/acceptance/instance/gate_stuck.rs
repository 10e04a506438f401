//! The readiness gate of replication is on, and stays untrue for a node that replicates: op#503, the rights of the operator's
//! v1.5.0 chart lack `pods/status`, and that version never looks again.

use crate::checks::acceptance::{ACCEPTED, with_pods};
use crate::checks::waiting::version;
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Node, Severity, Since, Situation};
use crate::domain::Version;

/// The check.
pub const CHECK: Check = Check {
    id: "gate-stuck",
    area: Area::Instance,
    title: "Readiness gate of replication",
    why: "A pod whose gate stays untrue never becomes ready: the Service does not send to it, and budgets count it as away.",
    reads: "spec.enableReplicationReadinessGate, condition dragonflydb.io/replication-ready of the pods, INFO replication",
    next: "See whether the operator may write it: it needs patch and update of pods/status. With operator v1.5.0 the gate never \
           works: turn it off in the Dragonfly object (which rolls the pods), or upgrade to v1.6.0 or later.\n\
           $ {kubectl} get pods -l app={name} -o wide",
    situations: &[&STUCK, &BROKEN],
    needs: Check::NOTHING,
    run,
};

const STUCK: Situation = Situation {
    id: "gate-stuck",
    word: "gate stuck",
    rule: "the gate is on, an engine runs as master or replicates in stable sync, and its pod's condition \
           dragonflydb.io/replication-ready is not True",
    meaning: "Its pod is not ready though its engine is.",
    ..ACCEPTED
};

const BROKEN: Situation = Situation {
    id: "gate-broken",
    word: "gate broken",
    rule: "the gate is on, and the operator is v1.5.0, which never makes it true",
    meaning: "Pods that are made anew will not become ready.",
    ..ACCEPTED
};

/// The condition that the gate waits for.
const READY: &str = "dragonflydb.io/replication-ready";

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    let held = instance.view.dragonfly;
    if !held.value.readiness_gate {
        return Answer::NOT_APPLICABLE;
    }
    if instance.young_until.is_some() {
        return Answer::NOT_APPLICABLE.again(instance.young_until);
    }
    let name = &instance.view.id;
    let stuck: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|node| !node.is_going() && !node.is_starting() && serves(node))
        .filter(|node| {
            let condition = node.view.pod.value.condition(READY);
            condition.is_none_or(|condition| condition.status != "True")
        })
        .collect();
    if let Some(first) = stuck.first() {
        let names: Vec<&str> = stuck.iter().map(|node| node.name()).collect();
        let says = match first.view.pod.value.condition(READY) {
            None => "absent",
            Some(condition) => condition.status.as_str(),
        };
        let mut finding = case
            .finding(
                &CHECK,
                &STUCK,
                Severity::Warning,
                format!(
                    "condition {READY} of {} is {says}, though the engine serves",
                    list(&names)
                ),
            )
            .about(names.iter().copied());
        for node in &stuck {
            let condition = node.view.pod.value.condition(READY);
            finding = finding.resting_on(
                condition.map_or("absent".to_owned(), |c| {
                    format!("{} {}", c.status, c.reason).trim().to_owned()
                }),
                format!("condition {READY} of pod {}", node.name()),
                node.view.pod.changed,
            );
        }
        let since = stuck.iter().map(|node| node.view.pod.changed).max();
        return finding.since(Since::Seen(since.unwrap_or(case.now))).into();
    }
    if version(case) == Version(1, 5, 0) {
        return case
            .finding(
                &CHECK,
                &BROKEN,
                Severity::Warning,
                format!("{name} has the readiness gate on, which operator v1.5.0 never makes true"),
            )
            .resting_on(
                "spec.enableReplicationReadinessGate is true",
                format!("Dragonfly {name}"),
                held.changed,
            )
            .since(Since::Seen(held.changed))
            .into();
    }
    Answer::PASS
}

/// Its engine is a master, or replicates in stable sync.
fn serves(node: &Node<'_>) -> bool {
    let Some(known) = &node.replication else {
        return false;
    };
    match &known.value.side {
        crate::domain::engine::Side::Master { .. } => !node.loading,
        crate::domain::engine::Side::Replica(follower) => follower.link_up && !follower.syncing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::object::Condition;

    #[test]
    fn what_replicates_is_wanted_ready() {
        let with = |status: &'static str| {
            move |f: &mut _| {
                dragonfly(f, |d| d.readiness_gate = true);
                pods(f, |ordinal, pod| {
                    pod.conditions.push(Condition {
                        name: READY.to_owned(),
                        status: if ordinal == 1 { status } else { "True" }.to_owned(),
                        ..Condition::default()
                    });
                });
            }
        };
        table(
            &CHECK,
            &[
                ("off", &|_| {}, "n/a"),
                ("true", &with("True"), "pass"),
                (
                    "not",
                    &with("False"),
                    "warning healthy: condition dragonflydb.io/replication-ready of orders-1 is False, though the engine serves",
                ),
                (
                    "absent",
                    &|f| dragonfly(f, |d| d.readiness_gate = true),
                    "warning healthy: condition dragonflydb.io/replication-ready of orders-0, orders-1 and orders-2 is absent, though the engine serves",
                ),
            ],
        );
    }
}
