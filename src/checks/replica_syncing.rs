//! A replica is on its way to stable sync: connecting, preparing, or in full or partial sync.

use super::case::later;
use super::links::evidence;
use super::loading::is_in_full_sync;
use super::turn::nobody;
use super::words::{are, list};
use super::{
    Answer, Area, Case, Check, Instance, Node, Severity, Shown, Since, Situation, State, Word,
};
use crate::domain::Role;
use crate::domain::engine::{Follower, LinkState, ReplicaLine};
use crate::domain::text;

/// The check.
pub const CHECK: Check = Check {
    id: "replica-syncing",
    area: Area::Replication,
    title: "Replica syncing",
    why: "A replica in full sync has thrown its data away and holds only part of the master's: it cannot take over.",
    reads: "INFO replication of master and replicas, INFO keyspace",
    next: "Wait. If it does not come to an end, its log tells why, or the memory of its master.\n\
           $ {kubectl} logs {pod} -c dragonfly --tail=100",
    situations: &[&FULL, &PARTIAL, &JOINING, &WAITING],
    needs: Check::NOTHING,
    run,
};

const FULL: Situation = Situation {
    id: "full-sync",
    word: "full sync",
    class: State::Syncing,
    rule: "a replica tells a sync in progress, or its master lists it as full_sync; how far it has come is its keys against \
           its master's, and the time that is left what the rest takes at the rate since the sync began, told after 10 s",
    meaning: "It has thrown its own data away and cannot take over until it is in stable sync; its clients get LOADING.",
    shown: Shown::By(&["full-sync"]),
    ..Situation::BASE
};

const PARTIAL: Situation = Situation {
    id: "partial-sync",
    word: "partial sync",
    class: State::Syncing,
    rule: "a replica tells a sync in progress while its master lists it as online; or its link is down for less than 10 s \
           and it still tells its offset, on a server that can go on from there",
    meaning: "It goes on where it was, which takes seconds; until then it cannot take over.",
    shown: Shown::By(&["partial-sync"]),
    ..Situation::BASE
};

const JOINING: Situation = Situation {
    id: "replica-joining",
    word: "joining",
    class: State::Syncing,
    rule: "the link of a replica is down, connecting, without an offset, or listed as preparation, for less than 10 s",
    meaning: "It cannot take over until it is in stable sync.",
    shown: Shown::By(&["link-down"]),
    ..Situation::BASE
};

const WAITING: Situation = Situation {
    id: "replica-waiting",
    word: "joining",
    class: State::Syncing,
    rule: "an engine that started less than 60 s ago, or loads, says role:master, while nobody calls it so, follows it or \
           sends to it",
    meaning: "It is empty or old until the operator makes it a replica, and cannot take over.",
    shown: Shown::By(&["replica-restarted"]),
    ..Situation::BASE
};

/// What a replica that is not in stable sync is doing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Doing {
    Waiting,
    Connecting,
    Preparing,
    Resuming,
    PartialSync,
    FullSync,
}

impl Doing {
    fn words(self) -> &'static str {
        match self {
            Doing::Waiting => "waiting to be made a replica",
            Doing::Connecting => "connecting to its master",
            Doing::Preparing => "preparing to sync",
            Doing::Resuming => "connecting again, to go on where it was",
            Doing::PartialSync => "in partial sync",
            Doing::FullSync => "in full sync",
        }
    }

    fn words_for_several(self) -> &'static str {
        match self {
            Doing::Waiting => "waiting to be made replicas",
            Doing::Connecting => "connecting to their master",
            Doing::Resuming => "connecting again, to go on where they were",
            Doing::Preparing | Doing::PartialSync | Doing::FullSync => self.words(),
        }
    }

    fn situation(self) -> &'static Situation {
        match self {
            Doing::Waiting => &WAITING,
            Doing::Connecting | Doing::Preparing => &JOINING,
            Doing::Resuming | Doing::PartialSync => &PARTIAL,
            Doing::FullSync => &FULL,
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
                Doing::FullSync => progress(instance, node).map(|p| p.words()),
                _ => None,
            };
            let progress = progress.map_or(String::new(), |p| format!(" ({p})"));
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
    let leading = syncing.iter().map(|(_, doing)| *doing).max();
    let situation = leading.map_or(&JOINING, Doing::situation);
    let mut finding = case
        .finding(&CHECK, situation, severity, sentence)
        .about(syncing.iter().map(|(n, _)| n.name()))
        .since(Since::Seen(since));
    if leading == Some(Doing::Waiting)
        && let Some((why, steps)) = nobody(case)
    {
        finding = finding.next(format!("Nobody makes it a replica: {why}.\n{steps}"));
    }
    // The one that has come least far is the one to wait for.
    let least = syncing
        .iter()
        .filter(|(_, doing)| *doing == Doing::FullSync)
        .filter_map(|(node, _)| Some(progress(instance, node)?.percent))
        .min();
    if let Some(percent) = least {
        finding = finding.called(format!("{} {percent}%", FULL.word));
    }
    for (node, _) in &syncing {
        for (text, source, at) in evidence(instance, node) {
            finding = finding.resting_on(text, source, at);
        }
        if let (true, Word::Says { at, .. }) = (node.is_starting(), &node.word) {
            finding = finding.resting_on(
                "role:master, followed by nobody",
                format!("INFO replication of {}", node.name()),
                *at,
            );
        }
        if let Some(keyspace) = node.view.engine.and_then(|e| e.keyspace.as_ref())
            && node.says(Role::Replica)
        {
            finding = finding.resting_on(
                text::counted(keyspace.value.keys, "key", "keys"),
                format!("INFO keyspace of {}", node.name()),
                keyspace.at,
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
        // Where INFO replication is not told, ROLE may be.
        let by_role = node.replication.is_none() && is_in_full_sync(node);
        return (by_role.then_some(Doing::FullSync), None);
    };
    let state = line(instance, node).map(|(_, line)| &line.state);
    if super::links::is_elsewhere(instance, node) {
        return (None, None);
    }
    if f.syncing && f.offset.is_none() && state == Some(&LinkState::Online) {
        return (Some(Doing::PartialSync), None);
    }
    if f.syncing || (f.link_up && state == Some(&LinkState::FullSync)) {
        return (Some(Doing::FullSync), None);
    }
    let until = cut_off_at(case, instance, node);
    // One that has stopped is not on its way, however short it is down.
    if until.is_some_and(|at| at <= case.now) || super::links::has_stopped(node) {
        return (None, None);
    }
    if !f.link_up && f.offset.is_some() && f.psync_successes.is_some() {
        (Some(Doing::Resuming), until)
    } else if !f.link_up {
        (Some(Doing::Connecting), until)
    } else if lacks_offset(f, state) || state == Some(&LinkState::Preparation) {
        (Some(Doing::Preparing), until)
    } else if state == Some(&LinkState::Connecting) {
        (Some(Doing::Connecting), until)
    } else {
        (None, None)
    }
}

/// It tells no offset where it should have one. Servers before v1.22 tell none at all: there its master's word counts.
fn lacks_offset(f: &Follower, state: Option<&LinkState>) -> bool {
    f.offset.is_none() && state != Some(&LinkState::Online)
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
    let state = line(instance, node).map(|(_, line)| &line.state);
    let down = (!f.link_up || lacks_offset(f, state))
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

/// How far a full sync has come.
struct Progress {
    /// Keys that the replica has, in percent of its master's.
    percent: u64,
    /// Keys a second since the sync began, and seconds that the rest takes at that rate; `None` until that is honest.
    pace: Option<(u64, i64)>,
}

impl Progress {
    fn words(&self) -> String {
        match self.pace {
            None => format!("{} %", self.percent),
            Some((rate, left)) => format!(
                "{} %, {} a second, about {} left",
                self.percent,
                text::counted(rate, "key", "keys"),
                text::age_of(left)
            ),
        }
    }
}

/// The replica's keys against its master's.
fn progress(instance: &Instance<'_>, node: &Node<'_>) -> Option<Progress> {
    let keys = |n: &Node<'_>| Some(n.view.engine?.keyspace.as_ref()?.value.keys);
    let (has, wants) = (keys(node)?, keys(instance.master()?)?);
    let percent =
        (wants > 0).then(|| (u128::from(has.min(wants)) * 100 / u128::from(wants)) as u64)?;
    Some(Progress {
        percent,
        pace: pace(node, wants),
    })
}

/// The rate since the sync began, and what is left at that rate. Keys that fell since were the old data being thrown away,
/// so that nothing is told before they grow; and a rate of a few seconds says nothing of minutes.
fn pace(node: &Node<'_>, wants: u64) -> Option<(u64, i64)> {
    /// Seconds from which on a rate is told.
    const ENOUGH: i64 = 10;
    let engine = node.view.engine?;
    let since = engine.unsynced_since?.as_second();
    let figures = || engine.keys.figures().filter(|(at, _)| *at > since);
    // It may have waited before it began.
    let least = figures().map(|(_, keys)| keys).min()?;
    let (from, first) = figures().filter(|(_, keys)| *keys == least).last()?;
    let (to, last) = figures().last()?;
    let took = to - from;
    let grown = last.checked_sub(first).filter(|grown| *grown > 0)?;
    let rate = grown / u64::try_from(took).ok().filter(|took| *took > 0)?;
    let rest = wants.saturating_sub(last);
    (took >= ENOUGH && rate > 0 && rest > 0)
        .then(|| Some((rate, i64::try_from((rest + rate / 2) / rate).ok()?)))
        .flatten()
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
