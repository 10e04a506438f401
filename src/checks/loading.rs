//! A node is loading its snapshot: Kubernetes calls it ready (the probe's PING gets an answer), clients get `-LOADING`.
//! A replica that loads because it is in full sync is `replica-syncing`'s matter.

use super::words::{are, list};
use super::{Answer, Case, Check, Node, Severity, Shown, Since, Situation, State};
use crate::domain::Role;

/// The check.
pub const CHECK: Check = Check {
    id: "loading",
    title: "Loading its snapshot",
    why: "While a node loads, it refuses every command of clients with LOADING, though its pod is Ready.",
    reads: "PING and INFO persistence of every node",
    next: "wait; {kubectl} logs {pod} tells how far it is.",
    situations: &[&MASTER, &REPLICA],
    run,
};

const MASTER: Situation = Situation {
    id: "loading",
    word: "loading",
    class: State::Degraded,
    rule: "a node to which clients are sent, or that says role:master and is not starting, answers PING with LOADING or INFO persistence with loading:1, and is in no full sync",
    meaning: "Clients are refused with LOADING until it is done.",
    shown: Shown::By(&["ready-while-loading"]),
    ..Situation::BASE
};

const REPLICA: Situation = Situation {
    id: "replica-loading",
    word: "loading",
    class: State::Syncing,
    rule: "any other node loads a snapshot",
    meaning: "It is no candidate for a failover until it is done.",
    shown: Shown::By(&["loading"]),
    ..Situation::BASE
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let loading: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|n| n.loading && !n.follower().is_some_and(|f| f.syncing))
        .collect();
    if loading.is_empty() {
        return Answer::PASS;
    }
    let names: Vec<&str> = loading.iter().map(|n| n.name()).collect();
    let master = loading
        .iter()
        .any(|n| n.view.is_endpoint || (n.says(Role::Master) && !n.is_starting()));
    let (severity, situation) = if master {
        (Severity::Critical, &MASTER)
    } else {
        (Severity::Note, &REPLICA)
    };
    let mut finding = case
        .finding(
            &CHECK,
            situation,
            severity,
            format!("{} {} loading a snapshot", list(&names), are(names.len())),
        )
        .about(names)
        .since(Since::Seen(case.now));
    for node in loading {
        if let Some(persistence) = node.view.engine.and_then(|e| e.persistence.as_ref()) {
            finding = finding.resting_on(
                format!("loading:{}", u8::from(persistence.value.loading)),
                format!("INFO persistence of {}", node.name()),
                persistence.at,
            );
        }
    }
    finding.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;

    #[test]
    fn a_loading_master_refuses_clients() {
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "the master",
                    instance("orders").node(master().loading()).node(replica()),
                    "critical degraded: orders-0 is loading a snapshot",
                ),
                (
                    "a replica",
                    instance("orders").node(master()).node(replica().loading()),
                    "note syncing: orders-1 is loading a snapshot",
                ),
                (
                    "full sync is told elsewhere",
                    instance("orders")
                        .node(master())
                        .node(replica().full_sync(30, 10)),
                    "pass",
                ),
                (
                    "a node that loads before the operator makes it a replica",
                    instance("orders")
                        .node(master())
                        .node(replica().unlabelled().engine_master().loading()),
                    "note syncing: orders-1 is loading a snapshot",
                ),
            ],
        );
    }
}
