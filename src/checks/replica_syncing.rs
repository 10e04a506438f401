//! A replica is on its way to stable sync: connecting, preparing, or in full or partial sync.

use super::case::later;
use super::words::{are, list};
use super::{Answer, Case, Check, Instance, Node, Severity, Shown, Since, Situation, State};
use crate::domain::Role;
use crate::domain::engine::{LinkState, ReplicaLine};

/// The check.
pub const CHECK: Check = Check {
    id: "replica-syncing",
    title: "Replica syncing",
    why: "A replica in full sync has thrown its data away and holds only part of the master's: it cannot take over.",
    reads: "INFO replication of master and replicas, INFO keyspace",
    next: "wait; if it does not come to an end, {kubectl} logs {pod} and the memory of its master tell why.",
    situations: &[&SYNCING],
    run,
};

const SYNCING: Situation = Situation {
    id: "full-sync",
    word: "syncing",
    class: State::Syncing,
    rule: "a replica is on its way to stable sync",
    meaning: "It cannot take over until it is in stable sync.",
    shown: Shown::By(&["full-sync"]),
    ..Situation::BASE
};

/// What a replica that is not in stable sync is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doing {
    Waiting,
    Connecting,
    Preparing,
    FullSync,
}

impl Doing {
    fn words(self) -> &'static str {
        match self {
            Doing::Waiting => "waiting to be made a replica",
            Doing::Connecting => "connecting to its master",
            Doing::Preparing => "preparing to sync",
            Doing::FullSync => "in full sync",
        }
    }

    fn words_for_several(self) -> &'static str {
        match self {
            Doing::Waiting => "waiting to be made replicas",
            Doing::Connecting => "connecting to their master",
            Doing::Preparing | Doing::FullSync => self.words(),
        }
    }
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable().filter(|i| !i.masters().is_empty()) else {
        // Without a master there is nobody to sync with; that is told elsewhere.
        return Answer::NOT_APPLICABLE;
    };
    let mut again = None;
    let mut syncing: Vec<(&Node<'_>, Doing)> = Vec::new();
    let mut replicas = 0;
    for node in instance.nodes.iter().filter(|n| !n.is_going()) {
        if node.is_starting() {
            syncing.push((node, Doing::Waiting));
            again = again.max(node.young_until);
            continue;
        }
        if !node.says(Role::Replica) {
            continue;
        }
        replicas += 1;
        if let (Some(doing), until) = doing(case, instance, node) {
            syncing.push((node, doing));
            again = again.max(until);
        }
    }
    if syncing.is_empty() {
        return match replicas {
            0 => Answer::NOT_APPLICABLE,
            _ => Answer::PASS,
        };
    }
    let told: Vec<String> = syncing
        .iter()
        .map(|(node, doing)| {
            let progress = match doing {
                Doing::FullSync => progress(instance, node),
                Doing::Waiting | Doing::Connecting | Doing::Preparing => None,
            };
            (node, *doing, progress)
        })
        .map(|(node, doing, progress)| {
            let progress = progress.map_or(String::new(), |p| format!(" ({p} %)"));
            format!("{} is {}{progress}", node.name(), doing.words())
        })
        .collect();
    let sentence = match syncing.as_slice() {
        [(_, first), (_, second), ..]
            if first == second
                && *first != Doing::FullSync
                && syncing.iter().all(|(_, d)| d == first) =>
        {
            let names: Vec<&str> = syncing.iter().map(|(n, _)| n.name()).collect();
            format!(
                "{} {} {}",
                list(&names),
                are(names.len()),
                first.words_for_several()
            )
        }
        _ => list(&told),
    };
    let since = syncing
        .iter()
        .filter_map(|(n, _)| n.view.engine.and_then(|e| e.unsynced_since))
        .min()
        .unwrap_or(case.now);
    let severity = if syncing.iter().all(|(n, _)| n.is_starting()) {
        Severity::Note
    } else {
        Severity::Warning
    };
    let mut finding = case
        .finding(&CHECK, &SYNCING, severity, sentence)
        .meaning("It cannot take over until it is in stable sync.")
        .about(syncing.iter().map(|(n, _)| n.name()))
        .since(Since::Seen(since));
    for (node, _) in &syncing {
        if let Some(replication) = &node.replication
            && let Some(f) = node.follower()
        {
            finding = finding.resting_on(
                format!(
                    "link {}, sync in progress {}, offset {}",
                    if f.link_up { "up" } else { "down" },
                    if f.syncing { "yes" } else { "no" },
                    f.offset.map_or("none".to_owned(), |o| o.to_string())
                ),
                format!("INFO replication of {}", node.name()),
                replication.at,
            );
        }
        if let Some((master, line)) = line(instance, node) {
            finding = finding.resting_on(
                format!(
                    "{} lists {} as {}",
                    master.name(),
                    node.name(),
                    line.state.word()
                ),
                format!("INFO replication of {}", master.name()),
                master.replication.as_ref().map_or(case.now, |k| k.at),
            );
        }
    }
    Answer::from(finding).again(again)
}

/// What a replica is doing, if it is not in stable sync nor cut off (`link-down`), and until when that may last before
/// it counts as cut off.
fn doing(
    case: &Case<'_>,
    instance: &Instance<'_>,
    node: &Node<'_>,
) -> (Option<Doing>, Option<jiff::Timestamp>) {
    let Some(f) = node.follower() else {
        return (None, None);
    };
    let state = line(instance, node).map(|(_, line)| &line.state);
    if f.syncing || (f.link_up && state == Some(&LinkState::FullSync)) {
        return (Some(Doing::FullSync), None);
    }
    let until = cut_off_at(case, instance, node);
    if until.is_some_and(|at| at <= case.now) {
        return (None, None);
    }
    if !f.link_up {
        (Some(Doing::Connecting), until)
    } else if f.offset.is_none() || state == Some(&LinkState::Preparation) {
        (Some(Doing::Preparing), until)
    } else if state == Some(&LinkState::Connecting) {
        (Some(Doing::Connecting), until)
    } else {
        (None, None)
    }
}

/// When a replica whose link is down or in preparation counts as cut off; `None` while it does not apply.
pub(super) fn cut_off_at(
    case: &Case<'_>,
    instance: &Instance<'_>,
    node: &Node<'_>,
) -> Option<jiff::Timestamp> {
    let f = node.follower()?;
    if f.syncing {
        return None;
    }
    let down = (!f.link_up || f.offset.is_none())
        .then(|| node.view.engine.and_then(|e| e.unsynced_since))
        .flatten();
    let preparing = line(instance, node).and_then(|(master, line)| {
        let (state, since) = master.view.engine?.line_since.get(&line.ip)?;
        (*state == LinkState::Preparation).then_some(*since)
    });
    [down, preparing]
        .into_iter()
        .flatten()
        .min()
        .map(|since| later(since, case.limits.preparation))
}

/// What the one believed master lists about a node.
pub(super) fn line<'a, 'i>(
    instance: &'i Instance<'a>,
    node: &Node<'a>,
) -> Option<(&'i Node<'a>, &'a ReplicaLine)> {
    let master = instance.master()?;
    master.replication.as_ref()?;
    Some((master, instance.view.line_for(&master.view, &node.view)?))
}

/// Keys that a node in full sync already has, in percent of its master's.
fn progress(instance: &Instance<'_>, node: &Node<'_>) -> Option<u64> {
    let keys = |n: &Node<'_>| Some(n.view.engine?.keyspace.as_ref()?.value.keys);
    let (has, wants) = (keys(node)?, keys(instance.master()?)?);
    (wants > 0).then(|| (u128::from(has.min(wants)) * 100 / u128::from(wants)) as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;

    #[test]
    fn what_a_replica_is_doing_is_told() {
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                ("alone", instance("orders").node(master()), "n/a"),
                (
                    "full sync",
                    instance("dragonfly")
                        .node(master())
                        .node(replica())
                        .node(replica().full_sync(184, 710)),
                    "warning syncing: dragonfly-2 is in full sync (71 %)",
                ),
                (
                    "two at once",
                    instance("orders")
                        .node(master())
                        .node(replica().full_sync(4, 710))
                        .node(replica().full_sync(4, 20)),
                    "warning syncing: orders-1 is in full sync (71 %) and orders-2 is in full sync (2 %)",
                ),
                (
                    "preparing",
                    instance("orders")
                        .node(master())
                        .node(replica().listed(Some(LinkState::Preparation))),
                    "warning syncing: orders-1 is preparing to sync",
                ),
                (
                    "both connecting",
                    instance("orders")
                        .node(master())
                        .node(replica().cut_off(3))
                        .node(replica().cut_off(3)),
                    "warning syncing: orders-1 and orders-2 are connecting to their master",
                ),
                (
                    "cut off is told elsewhere",
                    instance("orders")
                        .node(master())
                        .node(replica().cut_off(30)),
                    "pass",
                ),
                (
                    "started, and not made a replica yet",
                    instance("orders")
                        .node(master())
                        .node(replica().unlabelled().engine_master().young(10)),
                    "note syncing: orders-1 is waiting to be made a replica",
                ),
                (
                    "without a master it does not matter",
                    instance("orders")
                        .node(replica().cut_off(3))
                        .node(replica()),
                    "n/a",
                ),
            ],
        );
    }

    #[test]
    fn since_when_we_saw_it_out_of_sync() {
        let f = instance("orders")
            .node(master())
            .node(replica().full_sync(184, 710))
            .build();
        let super::super::Verdict::Finding(finding) = answer_of(&CHECK, &f).verdict else {
            panic!()
        };
        assert_eq!(finding.since, Since::Seen(ago(184)));
    }
}
