//! A replica does not replicate: its link is down, it follows somebody else, or its master does not know it.
//!
//! A replica whose master restarted in place stops for good (`--break_replication_on_master_restart`), and the operator
//! does not repair it (operator issue 348). Its master still counts it, as `state=preparation` with lag 0, for as long as
//! anyone watched; labels and phase stay as they were. `ROLE` says `connecting` as for one that is still trying.

use super::replica_syncing::{cut_off_at, line};
use super::words::list;
use super::{Answer, Case, Check, Instance, Node, Severity, Shown, Since, Situation, State};
use crate::domain::Role;
use crate::domain::engine::LinkState;

/// The check.
pub const CHECK: Check = Check {
    id: "link-down",
    title: "Replica cut off",
    why: "A replica that does not replicate serves old values and loses everything newer if it is promoted.",
    reads: "INFO replication of master and replicas",
    next: "{kubectl} logs {pod} tells why it does not connect; {kubectl} exec {pod} -c dragonfly -- redis-cli -p 9999 \
           INFO replication shows its end of the link.",
    situations: &[&DOWN, &STOPPED],
    run,
};

const DOWN: Situation = Situation {
    id: "link-down",
    word: "cut off",
    class: State::Degraded,
    rule: "a replica does not replicate for more than 10 s",
    meaning: "It serves old values and cannot take over.",
    shown: Shown::By(&["replication-retrying"]),
    ..Situation::BASE
};

const STOPPED: Situation = Situation {
    id: "replication-stopped",
    word: "stopped",
    class: State::Degraded,
    rule: "a replica has stopped for good",
    meaning: "It will not come back by itself.",
    shown: Shown::By(&["replication-stopped"]),
    ..Situation::BASE
};

/// What to do about one that has stopped for good.
const FOR_GOOD: &str = "compare its keys with its master's first ({kubectl} exec {pod} -c dragonfly -- redis-cli -p 9999 \
    DBSIZE, on both); then {kubectl} delete pod {pod} makes it sync anew.";

/// What is wrong with one replica's link.
struct Broken {
    sentence: String,
    /// It has stopped for good: only a new REPLICAOF will make it replicate.
    for_good: bool,
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable().filter(|i| !i.masters().is_empty()) else {
        // Without a master every link is down; that is told elsewhere.
        return Answer::NOT_APPLICABLE;
    };
    let mut again = None;
    let mut broken: Vec<(&Node<'_>, Broken)> = Vec::new();
    let mut replicas = 0;
    for node in &instance.nodes {
        if !node.says(Role::Replica) || node.is_going() || node.follower().is_none() {
            continue;
        }
        replicas += 1;
        let settling = [Some(node), instance.master()]
            .into_iter()
            .flatten()
            .filter_map(|n| case.unsettled_until(n))
            .max();
        if settling.is_some() {
            again = again.max(settling);
            continue;
        }
        match judge(case, instance, node) {
            Some(found) => broken.push((node, found)),
            None => again = again.max(cut_off_at(case, instance, node).filter(|at| *at > case.now)),
        }
    }
    if broken.is_empty() {
        return match replicas {
            0 => Answer::NOT_APPLICABLE,
            _ => Answer::PASS.again(again),
        };
    }
    let for_good = broken.iter().any(|(_, b)| b.for_good);
    let told: Vec<&str> = broken.iter().map(|(_, b)| b.sentence.as_str()).collect();
    let since = broken
        .iter()
        .filter_map(|(n, _)| n.view.engine.and_then(|e| e.unsynced_since))
        .min()
        .unwrap_or(case.now);
    let (severity, meaning) = if for_good {
        (
            Severity::Critical,
            "It will not come back by itself, and it may hold data that the restarted master lacks; making it follow \
             again empties it.",
        )
    } else {
        (
            Severity::Warning,
            "It serves old values and cannot take over.",
        )
    };
    let mut finding = case
        .finding(
            &CHECK,
            if for_good { &STOPPED } else { &DOWN },
            severity,
            list(&told),
        )
        .meaning(meaning)
        .next(if for_good { FOR_GOOD } else { "" })
        .about(broken.iter().map(|(n, _)| n.name()))
        .since(Since::Seen(since));
    for (node, _) in &broken {
        if let (Some(f), Some(replication)) = (node.follower(), &node.replication) {
            finding = finding.resting_on(
                format!(
                    "master {}, link {}, last io {}, replication id {}",
                    f.host,
                    if f.link_up { "up" } else { "down" },
                    f.last_io
                        .map_or("never".to_owned(), |s| format!("{s}s before")),
                    node.replid().unwrap_or("none")
                ),
                format!("INFO replication of {}", node.name()),
                replication.at,
            );
        }
        if let Some((master, line)) = line(instance, node) {
            finding = finding.resting_on(
                format!(
                    "{} lists {} as {}; its replication id is {}",
                    master.name(),
                    node.name(),
                    line.state.word(),
                    master.replid().unwrap_or("none")
                ),
                format!("INFO replication of {}", master.name()),
                master.replication.as_ref().map_or(case.now, |k| k.at),
            );
        }
    }
    Answer::from(finding).again(again)
}

fn judge(case: &Case<'_>, instance: &Instance<'_>, node: &Node<'_>) -> Option<Broken> {
    let f = node.follower()?;
    let name = node.name();
    let master = instance.master();
    if let Some(master) = master
        && let Some(ip) = master.view.ip()
        && f.host != ip
    {
        let whom = instance
            .node_at(&f.host)
            .map_or_else(|| stranger(&f.host), |n| n.name().to_owned());
        return Some(Broken {
            sentence: format!("{name} follows {whom}, but the master is {}", master.name()),
            for_good: false,
        });
    }
    if f.syncing {
        return None;
    }
    let cut_off = cut_off_at(case, instance, node).is_some_and(|at| at <= case.now);
    let listed = line(instance, node).map(|(_, line)| &line.state);
    if cut_off {
        let for_good = listed == Some(&LinkState::Preparation)
            || master.is_some_and(|m| {
                !f.link_up
                    && m.replid().is_some()
                    && node.replid().is_some()
                    && m.replid() != node.replid()
            });
        let sentence = match (for_good, master) {
            (true, Some(m)) => format!(
                "{name} has stopped replicating for good: its master {} is not the one that it followed",
                m.name()
            ),
            (_, Some(m)) => format!("{name} is cut off from its master {}", m.name()),
            (_, None) => format!("{name} is cut off from {}", whom(instance, &f.host)),
        };
        return Some(Broken { sentence, for_good });
    }
    if !f.link_up {
        return None;
    }
    let master = master?;
    master.replication.as_ref()?;
    match listed {
        None => Some(Broken {
            sentence: format!("{} does not list {name} among its replicas", master.name()),
            for_good: false,
        }),
        Some(LinkState::Cancelled) => Some(Broken {
            sentence: format!("{} has cancelled the replication of {name}", master.name()),
            for_good: false,
        }),
        Some(_) => None,
    }
}

fn whom(instance: &Instance<'_>, host: &str) -> String {
    instance
        .node_at(host)
        .map_or_else(|| stranger(host), |n| n.name().to_owned())
}

/// An address that none of the instance's pods has, such as that of a pod that is gone.
fn stranger(host: &str) -> String {
    format!("{host} (none of its pods)")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;

    #[test]
    fn a_replica_that_does_not_replicate_is_found() {
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "the link is down",
                    instance("orders")
                        .node(master())
                        .node(replica().cut_off(30)),
                    "warning degraded: orders-1 is cut off from its master orders-0",
                ),
                (
                    "for a moment only",
                    instance("orders").node(master()).node(replica().cut_off(4)),
                    "pass",
                ),
                (
                    "the master restarted in place: another history, and in preparation for ever",
                    instance("orders").node(master().replid("new")).node(
                        replica()
                            .cut_off(30)
                            .listed(Some(LinkState::Preparation))
                            .replid("old"),
                    ),
                    "critical degraded: orders-1 has stopped replicating for good: its master orders-0 is not the one \
                     that it followed",
                ),
                (
                    "in preparation for a moment is syncing",
                    instance("orders")
                        .node(master())
                        .node(replica().listed(Some(LinkState::Preparation))),
                    "pass",
                ),
                (
                    "follows another",
                    instance("orders")
                        .node(master())
                        .node(replica())
                        .node(replica().follows("10.0.0.2")),
                    "warning degraded: orders-2 follows orders-1, but the master is orders-0",
                ),
                (
                    "follows nobody we know",
                    instance("orders")
                        .node(master())
                        .node(replica().follows("10.7.7.7")),
                    "warning degraded: orders-1 follows 10.7.7.7 (none of its pods), but the master is orders-0",
                ),
                (
                    "its master does not know it",
                    instance("orders")
                        .node(master())
                        .node(replica().listed(None)),
                    "warning degraded: orders-0 does not list orders-1 among its replicas",
                ),
                (
                    "cancelled",
                    instance("orders")
                        .node(master())
                        .node(replica().listed(Some(LinkState::Cancelled))),
                    "warning degraded: orders-0 has cancelled the replication of orders-1",
                ),
                (
                    "without a master every link is down",
                    instance("orders").node(replica().cut_off(30)),
                    "n/a",
                ),
                (
                    "full sync is told elsewhere",
                    instance("orders")
                        .node(master())
                        .node(replica().full_sync(60, 1)),
                    "pass",
                ),
            ],
        );
    }

    #[test]
    fn it_is_asked_again_when_a_short_break_grows_long() {
        let f = instance("orders")
            .node(master())
            .node(replica().cut_off(4))
            .build();
        assert_eq!(answer_of(&CHECK, &f).again_at, Some(ago(-6)));
    }
}
