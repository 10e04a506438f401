//! A takeover (REPLTAKEOVER) that is under way, does not end, or left the old master behind.
//!
//! Measured on v1.39 and v1.40: a takeover takes 10 to 50 ms. While it is held up, by one client that does not read its
//! replies, the old master is locked: every client gets LOADING, yet its INFO looks like a normal master's and its admin
//! port answers everything; INFO replication of the *target* hangs until the end, its PING and ROLE do not. With a third node
//! frozen the target is promoted at once, and the old master stays up, locked, for the whole deadline. Facts 2 and 5.

use jiff::Timestamp;

use super::case::later;
use super::waiting::{Gate, waiting};
use super::words::{list, number};
use super::{
    Answer, Area, Case, Check, Finding, Instance, Node, Severity, Shown, Since, Situation, State,
    Verdict,
};
use crate::domain::data_port::Found;
use crate::domain::engine::Question;
use crate::domain::{FaultKind, NodeView, Role, text};

/// The check.
pub const CHECK: Check = Check {
    id: "takeover",
    area: Area::Replication,
    title: "Takeover under way",
    why: "While a takeover is held up nobody can write, every pod is Ready, and nothing in INFO of the old master shows it.",
    reads: "INFO replication, PING and ROLE of every node; the data port of the old master and, while a node leaves questions \
            open or the instance is in view, its CLIENT LIST",
    next: "Never send REPLTAKEOVER again: a second one ends the new master (v1.39).\n\
           See on the old master who does not read: it is in phase=send.\n\
           $ {redis-cli} CLIENT LIST\n\
           End that client's connection: the takeover goes on. Put its id in the place of ID.\n\
           $ {redis-cli} CLIENT KILL ID ID",
    situations: &[&IN_PROGRESS, &WEDGED, &OLD_MASTER_UP],
    needs: Check::NOTHING,
    run,
};

/// What the step begins with that names no client.
const BY_HAND: &str = "End that client's connection";

/// What to do where the old master is not known.
const NEXT_UNKNOWN: &str = "Never send REPLTAKEOVER again: a second one ends the new master (v1.39).\n\
    Look on the old master who does not read: it is in phase=send of its CLIENT LIST. CLIENT KILL ID of that client lets the takeover go on.";

const IN_PROGRESS: Situation = Situation {
    id: "takeover-in-progress",
    word: "takeover",
    class: State::Syncing,
    rule: "a replica answers PING, ROLE or what is asked after it, but lets INFO replication hang, or a master that is not loading is locked (its data \
           port says LOADING, or a replica's control connection is busy in its CLIENT LIST); for less than 60 s, in a \
           rollout for less than 10 s",
    meaning: "Clients get LOADING until it ends; then the target is master.",
    accounts_for: &["engine-silent", "rolling-update", "being-made"],
    shown: Shown::By(&["takeover-in-progress"]),
};

const WEDGED: Situation = Situation {
    id: "takeover-wedged",
    word: "takeover wedged",
    class: State::NoMaster,
    rule: "a takeover is under way for 60 s, or for 10 s in a rollout, whose takeover the operator lets wait for 10,000 s; for how \
           long is told by our own watching, or by a client of the old master that has not read its replies for 10 s or more",
    meaning: "Nobody can write: every client of the old master gets LOADING until the takeover ends, which may take hours.",
    accounts_for: &["engine-silent", "rollout-waiting", "rolling-update"],
    shown: Shown::By(&["takeover-wedged"]),
};

const OLD_MASTER_UP: Situation = Situation {
    id: "old-master-up",
    word: "old master up",
    class: State::Degraded,
    rule: "a node that another master took over from still says role:master, was asked since, and is locked (its data port \
           says LOADING, or a replica's control connection is busy in its CLIENT LIST), while the other is not",
    meaning: "Clients that stay connected to the old master get LOADING; new ones reach the new master, which takes writes.",
    accounts_for: &["role-missing", "role-coming", "engine-silent"],
    shown: Shown::By(&["takeover-old-master-up"]),
};

/// Seconds after which a takeover counts as wedged: a sensible deadline is 3 s.
const WEDGED_AFTER: i64 = 60;
/// The same in a rollout: the operator takes its unit for milliseconds (operator issue 582).
const WEDGED_IN_ROLLOUT: i64 = 10;
/// A client that has not read its replies for so long, seconds, will not: a takeover takes milliseconds.
const UNREAD: i64 = 10;
/// Seconds for which what shows a lock is believed.
const LOCK_BELIEVED: i64 = 30;

/// What shows that a master is locked by a takeover, where that was looked for: text, source and when.
pub(super) fn lock(node: &NodeView<'_>, now: Timestamp) -> Option<(String, String, Timestamp)> {
    let engine = node.engine?;
    let loads = engine
        .persistence
        .as_ref()
        .is_none_or(|known| known.value.loading);
    if loads
        || node
            .engine_role()
            .is_none_or(|role| role.value != Role::Master)
    {
        return None;
    }
    let fresh = |at: Timestamp| later(at, LOCK_BELIEVED) > now;
    let port = engine.data_port.as_ref().filter(|port| fresh(port.at));
    if let Some(port) = port.filter(|port| port.value.found == Found::Loading) {
        return Some((
            "its data port answers LOADING, though it does not load".to_owned(),
            format!("data port of {}", node.id.pod),
            port.at,
        ));
    }
    let list = engine
        .client_list
        .as_ref()
        .filter(|list| fresh(list.at) && engine.stands(Question::ClientList))?;
    list.value.takeover_hint().map(|_| {
        (
            "the control connection of one of its replicas is busy with a command".to_owned(),
            format!("CLIENT LIST of {}", node.id.pod),
            list.at,
        )
    })
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    if let Some(old) = instance.nodes.iter().find(|n| n.taken_over) {
        return old_master_up(case, instance, old).into();
    }
    let target = instance
        .nodes
        .iter()
        .find_map(|n| Some((n, hangs_since(n)?)));
    let locked = instance
        .masters()
        .into_iter()
        .find_map(|n| Some((n, lock(&n.view, case.now)?)));
    let seen = match (&target, &locked) {
        (Some((_, since)), _) => *since,
        (None, Some((_, (_, _, at)))) => *at,
        (None, None) => return Answer::PASS,
    };
    let old = locked
        .as_ref()
        .map(|(n, _)| *n)
        .or_else(|| instance.master());
    let told = told_since(case, target.as_ref().map(|(n, _)| *n), old).filter(|at| *at < seen);
    let (began, since) = match told {
        Some(at) => (at, case.exactly(at)),
        None => (seen, Since::Seen(seen)),
    };
    // We saw it begin where the target answered before.
    let watched = target
        .as_ref()
        .is_some_and(|(n, _)| n.view.engine.is_some_and(|e| e.replication.is_some()));
    let in_rollout = waiting(case)
        .iter()
        .any(|one| matches!(one.gate, Gate::Rollout(_)));
    let due = later(
        began,
        match in_rollout {
            true => WEDGED_IN_ROLLOUT,
            false => WEDGED_AFTER,
        },
    );
    let whom = match (&target, old) {
        (Some((target, _)), Some(old)) => format!("{} from {}", target.name(), old.name()),
        (Some((target, _)), None) => target.name().to_owned(),
        (None, Some(old)) => format!("a replica from {}", old.name()),
        (None, None) => "a replica".to_owned(),
    };
    let finding = match due <= case.now {
        true => case.finding(
            &CHECK,
            &WEDGED,
            Severity::Critical,
            format!("the takeover by {whom} does not end"),
        ),
        false => case.finding(
            &CHECK,
            &IN_PROGRESS,
            Severity::Warning,
            match told.is_some() || watched {
                true => format!("a takeover by {whom} is under way"),
                false => format!(
                    "a takeover by {whom} is under way; since when, before it was seen, cannot be told"
                ),
            },
        ),
    };
    // What holds it up is on the old master; the target knows nothing of it.
    let next = match old {
        Some(old) => steps_on(old),
        None => NEXT_UNKNOWN.to_owned(),
    };
    let about = target.iter().map(|(n, _)| *n).chain(old);
    let mut finding = finding
        .next(next)
        .about(about.map(Node::name))
        .since(since)
        .covering(
            // A rollout that waits for a takeover waits for all of its pods.
            instance.nodes.iter().map(Node::name),
        );
    if let Some((target, since)) = target {
        finding = finding.resting_on(
            "INFO replication hangs, as it does on the target of a takeover, and other questions are answered",
            format!("questions to {}", target.name()),
            since,
        );
    }
    if let Some((_, (text, source, at))) = &locked {
        finding = finding.resting_on(text.clone(), source.clone(), *at);
    }
    Answer::from(held_up(finding, old)).again((due > case.now).then_some(due))
}

/// Whether a takeover is under way or left its old master behind: what else stands still then waits for that.
pub(super) fn is_under_way(case: &Case<'_>) -> bool {
    !matches!(run(case).verdict, Verdict::Pass | Verdict::NotApplicable)
}

/// Since when it is under way, where we have not seen it begin, by our clock: a client of the old master has not read its
/// replies since then, or the target is labelled master since then already. (A client may have stopped to read before the
/// takeover began; then it holds it up from its first moment on. But none began before its target had its role.)
fn told_since(
    case: &Case<'_>,
    target: Option<&Node<'_>>,
    old: Option<&Node<'_>>,
) -> Option<Timestamp> {
    let list = old.and_then(|old| old.view.engine?.client_list.as_ref());
    let unread = list.and_then(|list| {
        let waits = list.value.slow.iter().filter_map(|client| client.send_wait);
        let longest = waits
            .filter_map(|seconds| i64::try_from(seconds).ok())
            .filter(|seconds| *seconds >= UNREAD)
            .max()?;
        Some(later(list.at, -longest))
    });
    let labelled = target.and_then(|node| {
        let since = node.view.pod.value.role_since?;
        Some((node.view.label_role()?, case.context.by_our_clock(since)))
    });
    match (unread, labelled) {
        (_, Some((Role::Master, since))) => Some(since),
        (Some(unread), Some((Role::Replica, since))) => Some(unread.max(since)),
        (unread, None) => unread,
        (None, Some((Role::Replica, _))) => None,
    }
}

/// The steps on the old master, with the clients by name that its CLIENT LIST tells.
fn steps_on(old: &Node<'_>) -> String {
    let list = old.view.engine.and_then(|e| e.client_list.as_ref());
    let slow = list.map_or(&[] as &[_], |list| &list.value.slow);
    let named: Vec<String> = slow
        .iter()
        .filter(|client| client.send_wait.is_some())
        .filter_map(|client| {
            Some(format!(
                "\nEnd the connection of {}, which does not read its replies: the takeover goes on.\n$ {{redis-cli}} CLIENT KILL ID {}",
                client.addr, client.id?
            ))
        })
        .collect();
    let text = match (named.as_slice(), CHECK.next.split_once(BY_HAND)) {
        ([_, ..], Some((before, _))) => format!("{}{}", before.trim_end(), named.concat()),
        _ => CHECK.next.to_owned(),
    };
    super::steps::on(&text, old.name())
}

/// Since when the target of a takeover lets INFO replication hang: everything else is answered. PING and ROLE go out before
/// it; where it was never answered, what came after it shows as well that the engine lives. (Where it was, one question
/// that hangs once is doubted until the next round.)
fn hangs_since(node: &Node<'_>) -> Option<Timestamp> {
    let engine = node.view.engine?;
    let (fault, since) = engine.silent.get(&Some(Question::Replication))?;
    let answered = [
        (Question::Ping, engine.ping.as_ref().map(|k| k.at)),
        (Question::Role, engine.role.as_ref().map(|k| k.at)),
        (
            Question::Persistence,
            engine.persistence.as_ref().map(|k| k.at),
        ),
        (Question::Server, engine.server.as_ref().map(|k| k.at)),
        (Question::Clients, engine.clients.as_ref().map(|k| k.at)),
        (Question::Memory, engine.memory.as_ref().map(|k| k.at)),
        (Question::Stats, engine.stats.as_ref().map(|k| k.at)),
        (Question::Keyspace, engine.keyspace.as_ref().map(|k| k.at)),
    ];
    let count = match engine.replication {
        Some(_) => 2,
        None => answered.len(),
    };
    let lives = answered
        .iter()
        .take(count)
        .any(|(question, at)| at.is_some_and(|at| at >= *since) && engine.stands(*question));
    let was_replica = engine
        .engine_role()
        .is_some_and(|role| role.value == Role::Replica);
    (fault.kind == FaultKind::Timeout && was_replica && node.runs() && !node.is_going() && lives)
        .then_some(*since)
}

/// With the clients that hold it up, where CLIENT LIST of the old master was asked.
fn held_up(mut finding: Finding, old: Option<&Node<'_>>) -> Finding {
    let Some((old, list)) = old.and_then(|old| Some((old, old.view.engine?.client_list.as_ref()?)))
    else {
        return finding;
    };
    for client in list.value.slow.iter().filter(|c| c.send_wait.is_some()) {
        let id = client.id.map_or("?".to_owned(), |id| id.to_string());
        finding = finding.resting_on(
            format!(
                "client {id} at {} has not read its replies for {}",
                client.addr,
                client
                    .send_wait
                    .and_then(|s| i64::try_from(s).ok())
                    .map_or("?".to_owned(), text::age_of)
            ),
            format!("CLIENT LIST of {}", old.name()),
            list.at,
        );
    }
    finding
}

fn old_master_up(case: &Case<'_>, instance: &Instance<'_>, old: &Node<'_>) -> Finding {
    let new = instance
        .master()
        .map_or("another node".to_owned(), |n| n.name().to_owned());
    let since = instance
        .master()
        .and_then(|n| n.view.engine?.role_changed)
        .map_or(Since::Seen(case.now), Since::Seen);
    // It waits for every replica to take its last records.
    let silent: Vec<&str> = instance
        .nodes
        .iter()
        .filter(|n| n.might_be_master())
        .map(Node::name)
        .collect();
    let waits = match silent.as_slice() {
        [] => String::new(),
        names => format!(
            ", for {} {} not answer",
            list(names),
            number(names.len(), "does", "do")
        ),
    };
    let finding = case
        .finding(
            &CHECK,
            &OLD_MASTER_UP,
            Severity::Warning,
            format!(
                "{new} has taken over from {}, which is still up and locked{waits}",
                old.name()
            ),
        )
        .about([old.name()])
        .covering(silent.iter().copied())
        .since(since)
        .next(
            "The takeover's deadline ends it, once every node answers; until then look for a node that does not.\n\
             End it at once: the new master has all of its data.\n\
             $ {kubectl} delete pod {pod}",
        );
    match lock(&old.view, case.now) {
        Some((text, source, at)) => finding.resting_on(text, source, at),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::checks::fixture::*;
    use crate::checks::waiting::tests::rolled;
    use crate::domain::data_port::{DataPort, Stage};
    use crate::domain::engine::{ClientList, Persistence, Probe, SlowClient};
    use crate::domain::fixture::*;
    use crate::domain::{Fact, NodeId};

    /// The last old pod of a rollout is locked for a moment, as a command sees it that has just begun to look; one of its
    /// clients has not read for so long.
    fn locked(spec: InstanceSpec, phase: &str, unread: Option<u64>) -> Fixture {
        let mut f = rolled(spec, &["old", "new"], phase);
        let persistence = Probe::Persistence(Persistence::default());
        f.answers("orders-0", persistence, ago(1));
        let tried = DataPort {
            found: Found::Loading,
            stage: Stage::Command,
            took: Duration::from_millis(3),
            certificate: None,
            logged_in: false,
        };
        let fact = Fact::Knocked {
            node: NodeId::new(infra(), "shop", "orders-0"),
            uid: Arc::from("uid-orders-0"),
            tried: Box::new(tried),
        };
        f.tell(fact, ago(1));
        let slow = SlowClient {
            id: Some(27),
            send_wait: unread,
            ..SlowClient::default()
        };
        let list = ClientList {
            slow: vec![slow],
            ..ClientList::default()
        };
        f.answers("orders-0", Probe::ClientList(list), ago(1));
        f
    }

    #[test]
    fn how_long_it_is_under_way_is_told_by_what_does_not_read() {
        let pair = |since| {
            instance("orders")
                .node(master())
                .node(replica().labelled_since(since))
        };
        let unknown = "warning syncing: a takeover by a replica from orders-0 is under way; since when, before it was seen, cannot \
                       be told";
        let under_way = "warning syncing: a takeover by a replica from orders-0 is under way";
        let wedged = "critical no-master: the takeover by a replica from orders-0 does not end";
        for (name, phase, unread, wanted) in [
            ("nothing tells", "RollingUpdate", None, unknown),
            ("for a moment", "RollingUpdate", Some(5), unknown),
            ("for long, in a rollout", "RollingUpdate", Some(31), wedged),
            ("within its bound", "Ready", Some(31), under_way),
            ("past its bound", "Ready", Some(61), wedged),
        ] {
            let f = locked(pair(3_000), phase, unread);
            assert_eq!(line(&answer_of(&CHECK, &f)), wanted, "{name}");
        }
    }

    #[test]
    fn a_takeover_accounts_for_the_rollout_that_waits_for_it() {
        let pair = || instance("orders").node(master()).node(replica());
        for (name, unread) in [("from its first second", None), ("wedged", Some(900))] {
            let judged = judgement(&locked(pair(), "RollingUpdate", unread));
            let told: Vec<&str> = judged.findings.iter().map(|found| found.check).collect();
            assert_eq!(told, ["takeover"], "{name}");
        }
    }
}
