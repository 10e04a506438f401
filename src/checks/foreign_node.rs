//! What answers for a pod is not the process in that pod: a way leads elsewhere. Nothing that it says is then known of the
//! pod, whatever it says.

use super::links::is_foreign;
use super::words::list;
use super::{Answer, Area, Case, Check, Severity, Shown, Situation, State};
use crate::domain::Role;
use crate::domain::view::{Oddity, Stranger};

/// The check.
pub const CHECK: Check = Check {
    id: "foreign-node",
    area: Area::Replication,
    title: "Another process answers",
    why: "Whatever is shown of such a node, and done to it, concerns another process than the one in the pod.",
    reads: "INFO replication of masters and replicas, addresses of all pods of Dragonfly in the context",
    next: "Send nothing to {pod} meanwhile.\n\
           See the pod's address.\n\
           $ {kubectl} get pod {pod} -o wide\n\
           Hold against it what answers in the pod itself.\n\
           $ {redis-cli} INFO replication",
    situations: &[&FOREIGN],
    needs: Check::NOTHING,
    run,
};

const FOREIGN: Situation = Situation {
    id: "foreign-node",
    word: "foreign node",
    class: State::Unknown,
    rule: "a node names a pod of another instance as its master while its own master lists its address as online; or two \
           nodes say role:master with the same replication id, which is of one process",
    meaning: "How the node in the pod stands is not known: another process answers in its place.",
    accounts_for: &["engine-silent"],
    shown: Shown::By(&["foreign-node"]),
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let strangers: Vec<Stranger> = instance
        .view
        .strangers()
        .into_iter()
        .filter(|one| {
            let Some(node) = instance.node(&one.node).filter(|n| n.replication.is_some()) else {
                return false;
            };
            match &one.oddity {
                Oddity::Follows(..) => is_foreign(instance, node),
                Oddity::Double(_) => node.says(Role::Master),
                Oddity::Lists(..) => false,
            }
        })
        .collect();
    if strangers.is_empty() {
        return Answer::PASS;
    }
    let told: Vec<String> = strangers
        .iter()
        .map(|one| match &one.oddity {
            Oddity::Follows(pod, id) => format!(
                "what answers for {} follows {pod}, a pod of {id}, while its own master lists it as online",
                one.node
            ),
            Oddity::Lists(..) | Oddity::Double(_) => one.words(),
        })
        .collect();
    let mut finding = case
        .finding(&CHECK, &FOREIGN, Severity::Warning, list(&told))
        .about(strangers.iter().map(|one| one.node.to_string()));
    for one in &strangers {
        finding = finding.resting_on(
            one.words(),
            format!("INFO replication of {}", one.node),
            one.at,
        );
        if let Some(node) = instance.node(&one.node) {
            for (text, source, at) in super::links::evidence(instance, node).into_iter().skip(1) {
                finding = finding.resting_on(text, source, at);
            }
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
    fn one_replication_id_is_of_one_process() {
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "two masters of two histories",
                    instance("orders")
                        .node(master().replid("one"))
                        .node(replica().engine_master().replid("other")),
                    "pass",
                ),
                (
                    "two masters of one",
                    instance("orders")
                        .node(master())
                        .node(replica().engine_master()),
                    "warning unknown: orders-1 and orders-0 both call themselves master with the same replid, as if they \
                     were one process",
                ),
                (
                    "a master that is gone is not where the pod is",
                    instance("orders")
                        .node(master())
                        .node(replica().follows("10.7.7.7")),
                    "pass",
                ),
            ],
        );
    }
}
