//! A node is loading its snapshot: Kubernetes calls it ready (the probe's PING gets an answer), clients get `-LOADING`.
//! A replica that loads because it is in full sync is `replica-syncing`'s matter.

use super::words::{are, list};
use super::{Answer, Case, Check, Node, Severity, Since, State};
use crate::domain::Role;

/// The check.
pub const CHECK: Check = Check {
    id: "loading",
    title: "Loading its snapshot",
    why: "While a node loads, it refuses every command of clients with LOADING, though its pod is Ready.",
    reads: "PING and INFO persistence of every node",
    next: "wait; {kubectl} logs {pod} tells how far it is.",
    run,
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
    let (severity, state, meaning) = if master {
        (
            Severity::Critical,
            State::Degraded,
            "Clients are refused with LOADING until it is done.",
        )
    } else {
        (
            Severity::Note,
            State::Syncing,
            "It is no candidate for a failover until it is done.",
        )
    };
    let mut finding = case
        .finding(
            &CHECK,
            severity,
            state,
            format!("{} {} loading a snapshot", list(&names), are(names.len())),
        )
        .meaning(meaning)
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
