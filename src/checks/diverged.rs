//! Nodes hold other data than their master although everything in INFO is green.
//!
//! Measured on v1.40 after a SIGKILL: link up, lag 0, the same replication id, equal number of keys, and up to 120 keys with
//! other values. Only comparing keys tells, so it is known only since somebody asked for a comparison (`ic`, `darner
//! compare`), and until another one finds them equal or a data set is replaced.

use super::words::list;
use super::{Answer, Area, Case, Check, Severity, Shown, Since, Situation, State};
use crate::domain::comparison::{Changed, Compared};

/// The check.
pub const CHECK: Check = Check {
    id: "diverged",
    area: Area::Replication,
    title: "Nodes hold different data",
    why: "Whoever reads from such a replica reads other values, and its promotion would lose what it lacks; no figure of \
          any server shows it.",
    reads: "the last comparison of sampled keys that was asked for, replication ids",
    next: "Make {pod} sync anew from its master, one node after the other: a new pod takes its place.\n\
           $ {kubectl} delete pod {pod}\n\
           Compare again once it is in stable sync (in the console: ic).\n\
           $ darner compare --context {context} {namespace}/{name}",
    situations: &[&DIVERGED],
    needs: Check::NOTHING,
    run,
};

const DIVERGED: Situation = Situation {
    id: "diverged",
    word: "diverged",
    class: State::Critical,
    rule: "the last comparison that was asked for found sampled keys of a node missing or with other values than its \
           master's, and neither was restarted, replaced, or given another data set or role since",
    meaning: "Reads from those nodes give other values than the master's, and a failover to one would lose data.",
    shown: Shown::By(&["diverged"]),
    ..Situation::BASE
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let id = &instance.view.id;
    let Some(known) = case.context.comparison(&id.namespace, &id.name) else {
        return Answer::NOT_APPLICABLE;
    };
    let Ok(comparison) = &known.value else {
        return Answer::NOT_APPLICABLE;
    };
    let changed = instance.view.changed_since(comparison, known.at);
    let apart: Vec<&Compared> = comparison
        .nodes
        .iter()
        .filter(|node| node.different + node.missing > 0)
        .filter(|node| {
            let is_of = |one: &Changed| one.pod == node.pod || one.pod == comparison.master;
            !changed.iter().any(is_of)
        })
        .collect();
    if apart.is_empty() {
        return Answer::PASS;
    }
    let told: Vec<String> = apart
        .iter()
        .map(|node| {
            let all = node.equal + node.different + node.missing;
            format!(
                "{} of {all} sampled keys of {} are not those of {}",
                node.different + node.missing,
                node.pod,
                comparison.master
            )
        })
        .collect();
    let mut finding = case
        .finding(&CHECK, &DIVERGED, Severity::Critical, list(&told))
        .about(apart.iter().map(|node| node.pod.to_string()))
        .since(Since::Seen(known.at));
    for node in apart {
        finding = finding.resting_on(
            node.words(),
            format!("comparison with {}", comparison.master),
            known.at,
        );
    }
    finding.into()
}
