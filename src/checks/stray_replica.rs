//! A replica follows a master of another instance, or a master is followed by another instance's pod. Labels and annotations
//! name the right master, so the operator leaves it as it is.

use super::links::{Trouble, is_foreign, links};
use super::words::list;
use super::{Answer, Area, Case, Check, Severity, Shown, Situation, State};
use crate::domain::view::Oddity;

/// The check.
pub const CHECK: Check = Check {
    id: "stray-replica",
    area: Area::Replication,
    title: "Replica of another instance",
    why: "A replica that follows another instance's master holds that instance's data: promoted, it serves strangers' keys.",
    reads: "INFO replication of masters and replicas, addresses of all pods of Dragonfly in the context",
    next: "Do not promote {pod}.\n\
           Make the operator configure it anew: a new pod takes its place.\n\
           $ {kubectl} delete pod {pod}",
    situations: &[&STRAY, &FOLLOWED],
    needs: Check::NOTHING,
    run,
};

const STRAY: Situation = Situation {
    id: "stray-replica",
    word: "stray replica",
    class: State::Critical,
    rule: "a replica names the address of a pod of another instance as its master, and its own instance's master does not \
           list it as online",
    meaning: "It holds another instance's data: whoever reads from it reads strangers' keys, and it must not be promoted.",
    shown: Shown::By(&["stray-replica"]),
    ..Situation::BASE
};

const FOLLOWED: Situation = Situation {
    id: "stray-follower",
    word: "stray follower",
    class: State::Degraded,
    rule: "a master lists the address of a pod of another instance among its replicas",
    meaning: "Its data goes to a pod that is not its own; clients of this instance are served.",
    shown: Shown::By(&["stray-replica"]),
    ..Situation::BASE
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let links = links(case, instance);
    let strays: Vec<_> = links
        .broken
        .iter()
        .filter(|b| matches!(b.trouble, Trouble::Stray(..)))
        .collect();
    if !strays.is_empty() {
        let finding =
            super::links::finding(case, instance, &CHECK, &STRAY, Severity::Critical, &strays);
        return Answer::from(finding).again(links.again);
    }
    let believed = |pod: &str| {
        let node = instance.node(pod);
        node.filter(|n| n.replication.is_some() && !is_foreign(instance, n))
    };
    let followed: Vec<_> = instance
        .view
        .strangers()
        .into_iter()
        .filter(|one| matches!(one.oddity, Oddity::Lists(..)) && believed(&one.node).is_some())
        .collect();
    if followed.is_empty() {
        return Answer::PASS.again(links.again);
    }
    let told: Vec<String> = followed.iter().map(|one| one.words()).collect();
    let mut finding = case
        .finding(&CHECK, &FOLLOWED, Severity::Warning, list(&told))
        .about(followed.iter().map(|one| one.node.to_string()))
        .next("Look at the instance that the pod belongs to: that pod follows the wrong master.");
    for one in &followed {
        finding = finding.resting_on(
            one.words(),
            format!("INFO replication of {}", one.node),
            one.at,
        );
    }
    Answer::from(finding).again(links.again)
}
