//! A process that is stopped: it answers nothing, and nothing else shows it. Its port takes connections for as long as the
//! kernel has room for them, which a port-forward does not tell: so that is not said.
//!
//! Measured on v1.39 and v1.40: replicas of a frozen master go on saying link up, last io 0 s, `online` for a minute; a
//! frozen replica stays `online` at its master, only its lag grows. So it takes both ends: the one that is mute, and the
//! other that shows that nothing comes from it any more. A node that is only slow still moves something, and is not frozen.

use jiff::Timestamp;

use super::case::later;
use super::replica_syncing::line;
use super::words::list;
use super::{
    Answer, Area, Case, Check, Instance, Node, Severity, Shown, Since, Situation, State, Word,
};
use crate::domain::engine::LinkState;
use crate::domain::{FaultKind, Role, text};

/// The check.
pub const CHECK: Check = Check {
    id: "frozen-node",
    area: Area::Instance,
    title: "Frozen node",
    why: "A frozen master looks well in its replicas' INFO for a minute and keeps its place in the Service, while clients \
          wait for answers that never come.",
    reads: "every question to every node, INFO replication of the node at the other end of the link (offset, lag)",
    next: "See why it stands: its events, and the machine that it is on.\n\
           $ {kubectl} describe pod {pod}\n\
           End it; a new pod syncs from the master.\n\
           $ {kubectl} delete pod {pod}",
    situations: &[&MASTER, &REPLICA],
    needs: Check::NOTHING,
    run,
};

const MASTER: Situation = Situation {
    id: "frozen-master",
    word: "frozen master",
    class: State::NoMaster,
    rule: "the node that was last master, or is labelled so, runs, a port-forward to it opens, and it has answered nothing for 10 s, \
           while a replica of it answers, calls the link up, and its offset has not moved for 5 s since",
    meaning: "Clients wait for answers that never come: nobody can write, nor read through the Service.",
    accounts_for: &["engine-silent", "no-master", "pods-missing"],
    shown: Shown::By(&["frozen-master"]),
};

const REPLICA: Situation = Situation {
    id: "frozen-replica",
    word: "frozen replica",
    class: State::Degraded,
    rule: "a replica runs, a port-forward to it opens, and it has answered nothing for 10 s, while its master lists it as online, more \
           than 2,000 journal records behind (440 to 1,450 are normal under load)",
    meaning: "Clients of the master are served; this replica serves nobody and cannot take over.",
    accounts_for: &["engine-silent", "lag-high", "pods-missing"],
    shown: Shown::By(&["frozen-replica"]),
};

/// What to do about a master: what it costs, too.
const ENDS_MASTER: &str = "See why it stands: its events, and the machine that it is on.\n\
    $ {kubectl} describe pod {pod}\n\
    End it: the operator makes a replica master, and writes that no replica has received are lost.\n\
    $ {kubectl} delete pod {pod}";
/// Seconds for which a node must be mute.
const MUTE: i64 = 10;
/// Seconds for which an offset must stand still.
const STILL: i64 = 5;
/// Records behind which a mute replica does not only answer late.
const BEHIND: u64 = 2_000;

/// A node that is frozen, and what the other end says.
struct Frozen<'i, 'a> {
    node: &'i Node<'a>,
    is_master: bool,
    since: Timestamp,
    other_end: (String, String, Timestamp),
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let mut again: Option<Timestamp> = None;
    let mut frozen: Vec<Frozen<'_, '_>> = Vec::new();
    for node in &instance.nodes {
        let Some(since) = mute_since(node) else {
            continue;
        };
        let due = later(since, MUTE);
        if due > case.now {
            again = Some(again.map_or(due, |at| at.min(due)));
            continue;
        }
        if let Some(other_end) = as_replica(instance, node) {
            frozen.push(Frozen {
                node,
                is_master: false,
                since,
                other_end,
            });
        } else if let Some(other_end) = as_master(instance, node, since) {
            frozen.push(Frozen {
                node,
                is_master: true,
                since,
                other_end,
            });
        }
    }
    let Some(since) = frozen.iter().map(|f| f.since).min() else {
        return Answer::PASS.again(again);
    };
    let (situation, severity) = match frozen.iter().any(|f| f.is_master) {
        true => (&MASTER, Severity::Critical),
        false => (&REPLICA, Severity::Warning),
    };
    let told: Vec<String> = frozen
        .iter()
        .map(|f| {
            let what = if f.is_master { "the master " } else { "" };
            format!(
                "{what}{} is frozen: its container runs, and nothing in it answers",
                f.node.name()
            )
        })
        .collect();
    let mut finding = case
        .finding(&CHECK, situation, severity, list(&told))
        .about(frozen.iter().map(|f| f.node.name()))
        .since(Since::Seen(since))
        .next(match situation.id == MASTER.id {
            true => ENDS_MASTER,
            false => "",
        });
    for one in frozen {
        if let Word::Silent {
            why: Some((_, fault)),
            ..
        } = &one.node.word
        {
            finding = finding.resting_on(
                fault.message.clone(),
                format!("every question to {}", one.node.name()),
                one.since,
            );
        }
        let (text, source, at) = one.other_end;
        finding = finding.resting_on(text, source, at);
    }
    Answer::from(finding).again(again)
}

/// Since when a node that runs answers nothing, though a port-forward to it opens. A way that cannot be opened tells nothing of the
/// process behind it.
fn mute_since(node: &Node<'_>) -> Option<Timestamp> {
    let engine = node.view.engine?;
    let (fault, since) = engine.silent.get(&None)?;
    let is_mute = fault.kind == FaultKind::Timeout
        && engine.no_port_forward().is_none()
        && matches!(node.word, Word::Silent { .. });
    (is_mute && node.runs() && !node.is_going()).then_some(*since)
}

/// What its master says of a mute replica: online, and far behind.
fn as_replica(instance: &Instance<'_>, node: &Node<'_>) -> Option<(String, String, Timestamp)> {
    let (master, line) = line(instance, node)?;
    let lag = line.lag.filter(|lag| *lag > BEHIND)?;
    (line.state == LinkState::Online).then(|| {
        (
            format!(
                "{} lists {} as online, {} behind",
                master.name(),
                node.name(),
                text::counted(lag, "record", "records")
            ),
            format!("INFO replication of {}", master.name()),
            master.replication.as_ref().map_or(Timestamp::MIN, |k| k.at),
        )
    })
}

/// What a replica of a mute master says: link up, and nothing comes.
fn as_master(
    instance: &Instance<'_>,
    node: &Node<'_>,
    since: Timestamp,
) -> Option<(String, String, Timestamp)> {
    let was_master = match &node.word {
        Word::Silent {
            last: Some(last), ..
        } => last.value == Role::Master,
        _ => node.view.label_role() == Some(Role::Master),
    };
    if !was_master || !instance.masters().is_empty() {
        return None;
    }
    let ip = node.view.ip()?;
    let followers: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|n| n.follower().is_some_and(|f| f.host == ip && f.link_up))
        .collect();
    // One that still receives something shows that the master is only slow.
    let mut still = None;
    for follower in followers {
        let engine = follower.view.engine?;
        let mut figures = engine
            .offset
            .figures()
            .filter(|(at, _)| *at > since.as_second());
        let Some((from, offset)) = figures.next() else {
            continue;
        };
        let mut to = from;
        for (at, figure) in figures {
            if figure != offset {
                return None;
            }
            to = at;
        }
        if to - from >= STILL {
            still = Some((follower, offset, to - from));
        }
    }
    let (follower, offset, seconds) = still?;
    Some((
        format!(
            "{} calls the link up, but its offset stands at {offset} for {}",
            follower.name(),
            text::age_of(seconds)
        ),
        format!("INFO replication of {}", follower.name()),
        follower.replication.as_ref().map_or(since, |k| k.at),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::{self, answer_of};
    use crate::domain::engine::{Follower, Probe, Replication, Side};
    use crate::domain::fixture::*;

    /// A master that is mute for so long; what its replica's offset was, by how long ago.
    fn told(mute: i64, offsets: &[(i64, u64)], link_up: bool) -> String {
        let mut f = instance("orders")
            .node(master().heard(40).falls_silent(None, mute))
            .node(replica().heard(40))
            .build();
        for (seconds, offset) in offsets {
            let follower = Follower {
                host: ip(0),
                port: 9_999,
                link_up,
                last_io: Some(0),
                offset: Some(*offset),
                ..Follower::default()
            };
            let replication = Replication {
                replid: Some("c1d276f4".to_owned()),
                side: Side::Replica(follower),
            };
            f.answers("orders-1", Probe::Replication(replication), ago(*seconds));
        }
        fixture::line(&answer_of(&CHECK, &f))
    }

    #[test]
    fn a_master_is_frozen_only_when_its_replica_vouches_for_it() {
        let frozen = "critical no-master: the master orders-0 is frozen: its container runs, and nothing in it answers";
        for (case, mute, offsets, link_up, wanted) in [
            (
                "nothing moves",
                15,
                &[(12_i64, 70_u64), (6, 70), (1, 70)][..],
                true,
                frozen,
            ),
            (
                "mute for a moment",
                8,
                &[(7, 70), (1, 70)][..],
                true,
                "pass",
            ),
            (
                "its replica still receives something: it is slow",
                15,
                &[(12, 70), (6, 71), (1, 72)][..],
                true,
                "pass",
            ),
            (
                "its replica was heard once since",
                15,
                &[(1, 70)][..],
                true,
                "pass",
            ),
            (
                "the link is down: it is gone, or the way to it is",
                15,
                &[(12, 70), (6, 70), (1, 70)][..],
                false,
                "pass",
            ),
        ] {
            assert_eq!(told(mute, offsets, link_up), wanted, "{case}");
        }
    }

    #[test]
    fn a_replica_is_frozen_only_when_it_falls_behind() {
        for (case, lag, wanted) in [
            (
                "far behind",
                2_001,
                "warning degraded: orders-1 is frozen: its container runs, and nothing in it answers",
            ),
            ("as under load", 1_450, "pass"),
        ] {
            let f = instance("orders")
                .node(master())
                .node(replica().lagging(lag).heard(40).falls_silent(None, 15))
                .build();
            assert_eq!(fixture::line(&answer_of(&CHECK, &f)), wanted, "{case}");
        }
    }
}
