//! The master holds far less than was held before it restarted or took over: it came back empty, or with an old snapshot,
//! and every replica that follows it has taken that over (op#289, op#385).
//!
//! Told by what was seen: the keys before a restart, a replacement or a change of the master, and the keys that it told
//! first afterwards. What its clients delete later is theirs. Where nobody looked when it happened, a replica that still
//! holds more than its restarted master tells the same.

use jiff::Timestamp;

use super::case::later;
use super::words::list;
use super::{
    Answer, Area, Case, Check, Finding, Instance, Node, Severity, Shown, Since, Situation, State,
    Verdict,
};
use crate::domain::Role;
use crate::domain::engine::Question;
use crate::domain::object::ContainerState;
use crate::domain::text;
use crate::domain::world::{Moment, Turn};

/// For how long it is told, seconds: a day. Whoever has taken it for what it is by then needs no reminder.
const TOLD: i64 = 86_400;
/// How long before a node became master its predecessor was lost, at the most, seconds.
const HANDOVER: i64 = 600;
/// Fewer keys than this say nothing when they go.
const FEW: u64 = 10;
/// For how long after a restart that nobody saw it cannot be told whether the instance is well, seconds: whoever comes
/// because of the restart comes within it.
const UNTOLD: i64 = 600;

/// Next to nothing is left.
pub const EMPTY: Situation = Situation {
    id: "empty-master",
    word: "empty master",
    class: State::Critical,
    rule: "as stale-master, and the master has less than a hundredth of the keys",
    meaning: "Clients read nothing where data was, and write to an empty data set. Replicas that follow it lose what they hold.",
    accounts_for: &["schedule-lost"],
    shown: Shown::By(&["empty-master"]),
};

/// Much is lost.
pub const STALE: Situation = Situation {
    id: "stale-master",
    word: "stale master",
    class: State::Critical,
    rule: "within a day: the master's first count of keys after it restarted, was replaced or became master is less than half of \
           what it (or the master before it) had, at least 10, and it still has no more than half; or it has restarted and a \
           replica that does not follow it holds more than twice its keys",
    meaning: "Clients read old values or none, and write on top of that. Replicas that follow it have lost what it lost.",
    accounts_for: &["schedule-lost"],
    shown: Shown::By(&["stale-master"]),
};

/// It has restarted just now, and nobody saw what it held: whether data was lost cannot be told.
pub const JUST_NOW: Situation = Situation {
    id: "restart-untold",
    word: "restarted unseen",
    class: State::Unknown,
    rule: "as restart-unseen, but the master's container started less than 10 min ago, and no replica that does not follow it \
           tells what it holds",
    meaning: "Whether data was lost cannot be told. A master that restarts has its last snapshot at most: what was written after \
              it is lost on all nodes, and nothing else shows it. Whoever knows how many keys there should be can tell.",
    shown: Shown::Not(
        "nobody may have looked before: start the lab in it, with `darner lab --scenario stale-master`, or break a lab with \
         `darner lab fault stale-master` and ask `darner status` only then",
    ),
    ..Situation::BASE
};

/// It has restarted a while ago, and nobody saw what it held.
pub const UNSEEN: Situation = Situation {
    id: "restart-unseen",
    word: "healthy",
    class: State::Healthy,
    rule: "within a day: the container of the master has restarted in place while its pod was labelled master (as far as that \
           is known), its keys before that were not seen, no replica that does not follow it holds more than twice its keys, \
           and its container started 10 min ago or more, or a replica that does not follow it tells what it holds",
    meaning: "A master that restarts has its last snapshot at most: what was written after it is lost on all nodes, and nothing \
              else shows it. Whether much was lost, whoever knows how many keys there should be can tell.",
    shown: Shown::Not(
        "nobody may have looked before: start the lab in it, with `darner lab --scenario stale-master`; `darner lab fault \
         stale-master`, on a lab that is watched, raises `stale-master`",
    ),
    ..Situation::BASE
};

/// The check.
pub const CHECK: Check = Check {
    id: "stale-master",
    area: Area::Replication,
    title: "Master came back with less",
    why: "A master that restarts empty or with an old snapshot is green in everything else, and its replicas copy the loss.",
    reads: "keys of every node before and after restarts, replacements and role changes that we saw; keys of nodes that do not \
            follow the master; the last end of the master's container, INFO server",
    next: "Before anything else keep what is left: restart and delete nothing.\n\
           See how many keys each node holds.\n\
           $ {redis-cli} INFO keyspace\n\
           See what snapshots each pod has in /dragonfly/snapshots.\n\
           $ {kubectl} exec {pod} -c dragonfly -- ls -l /dragonfly/snapshots",
    situations: &[&EMPTY, &STALE, &JUST_NOW, &UNSEEN],
    needs: Check::NOTHING,
    run,
};

/// What was lost.
struct Loss {
    before: u64,
    after: u64,
    /// What happened, as a part of a sentence: `restarted`.
    how: String,
    since: Since,
    /// Where the count before is known from.
    source: String,
    at: Timestamp,
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let Some(master) = instance.master().filter(|node| !node.loading) else {
        return Answer::NOT_APPLICABLE;
    };
    let Some(keys) = keys(case, master) else {
        return Answer::NOT_APPLICABLE;
    };
    let seen = seen(case, instance, master);
    let Some(loss) = seen
        .into_iter()
        .chain(left_elsewhere(case, instance, master, keys))
        .find(|loss| {
            loss.before >= FEW && is_less(loss.after, loss.before) && is_less(keys, loss.before)
        })
    else {
        return unseen(case, instance, master, keys).unwrap_or(Answer::PASS);
    };
    let situation = match keys == 0 || keys < loss.before / 100 {
        true => &EMPTY,
        false => &STALE,
    };
    let name = master.name();
    let id = &instance.view.id;
    let mut finding = case
        .finding(
            &CHECK,
            situation,
            Severity::Critical,
            format!(
                "{name}, the master, {} and came back with {} where {} were before",
                loss.how,
                text::counted(loss.after, "key", "keys"),
                text::count(loss.before)
            ),
        )
        .about([name])
        .next(format!("{KEEP}\n{}", look(instance)))
        .since(loss.since)
        .resting_on(
            text::counted(loss.before, "key", "keys"),
            loss.source,
            loss.at,
        );
    finding = with_keys(finding, instance, master);
    let richer: Vec<&str> = instance
        .nodes
        .iter()
        .filter(|node| is_cut(node))
        .filter(|node| {
            let held = node.view.engine.and_then(|e| e.keyspace.as_ref());
            held.is_some_and(|known| is_less(keys, known.value.keys))
        })
        .map(Node::name)
        .collect();
    if let Some(rich) = richer.first() {
        finding = finding.next(format!(
            "{} still {} more, and loses it as soon as it follows {name}: keep it as it is, and let nobody restart it or fail \
             {id} over.\nMake a snapshot of it first.{}\nThen see that it is there.\n$ {{kubectl}} exec {rich} -c dragonfly -- ls -l \
             /dragonfly/snapshots",
            list(&richer),
            super::words::number(richer.len(), "holds", "hold"),
            super::steps::ask(rich, "BGSAVE"),
        ));
    }
    finding.into()
}

/// Whether the master is known to have come back with less.
pub(super) fn found(case: &Case<'_>) -> bool {
    match run(case).verdict {
        Verdict::Finding(finding) => [&EMPTY, &STALE].contains(&finding.situation),
        _ => false,
    }
}

/// What comes before everything else.
const KEEP: &str = "Before anything else keep what is left: restart and delete nothing.";

/// How to see what each node holds and has on its disk, a command for each node.
fn look(instance: &Instance<'_>) -> String {
    let nodes = || instance.nodes.iter().filter(|node| node.runs());
    let keys = nodes().map(|node| {
        let name = node.name();
        let ask = super::steps::ask(name, "INFO keyspace");
        format!("See how many keys {name} holds.{ask}")
    });
    let snapshots = nodes().map(|node| {
        let name = node.name();
        let pod = text::shell_word(name);
        format!(
            "See what snapshots {name} has.\n$ {{kubectl}} exec {pod} -c dragonfly -- ls -l /dragonfly/snapshots"
        )
    });
    keys.chain(snapshots).collect::<Vec<_>>().join("\n")
}

/// With what every node holds now.
fn with_keys(mut finding: Finding, instance: &Instance<'_>, master: &Node<'_>) -> Finding {
    let name = master.name();
    for node in &instance.nodes {
        let Some(known) = node.view.engine.and_then(|e| e.keyspace.as_ref()) else {
            continue;
        };
        let follows = match node.name() == name {
            true => "now",
            false if is_cut(node) => "it does not follow the master",
            false => "it follows the master",
        };
        finding = finding.resting_on(
            format!(
                "{}; {follows}",
                text::counted(known.value.keys, "key", "keys")
            ),
            format!("INFO keyspace of {}", node.name()),
            known.at,
        );
    }
    finding
}

/// That the master has restarted, where what it held before that was not seen: whoever opens the console afterwards is told
/// at least that it is young.
fn unseen(
    case: &Case<'_>,
    instance: &Instance<'_>,
    master: &Node<'_>,
    keys: u64,
) -> Option<Answer> {
    let ended = master.container()?.last_end.as_ref()?;
    let at = case.context.by_our_clock(ended.at?);
    let name = master.name();
    // One that was made master later has its master's data since.
    let pod = &master.view.pod.value;
    let was_master = pod
        .role_since
        .is_none_or(|since| case.context.by_our_clock(since) <= at);
    let until = later(at, TOLD);
    if until <= case.now || !was_master || pod.label_role() != Some(Role::Master) {
        return None;
    }
    let id = &instance.view.id;
    let history = case.context.history(&id.namespace, &id.name);
    let seen = history.into_iter().flat_map(|history| history.moments());
    let was_seen = seen
        .filter(|moment| &*moment.pod == name && later(moment.at, HANDOVER) >= at)
        .any(|moment| matches!(moment.turn, Turn::Restarted) && moment.keys.is_some());
    if was_seen {
        return None;
    }
    let started = match &master.container()?.state {
        ContainerState::Running { since } => since.map(|since| case.context.by_our_clock(since)),
        _ => None,
    };
    let told_from = later(started.map_or(at, |started| started.max(at)), UNTOLD);
    // A node that did not follow it since still holds what it held: were that more, it would have been told.
    let is_told_by_others = instance
        .nodes
        .iter()
        .any(|node| node.name() != name && is_cut(node) && self::keys(case, node).is_some());
    let is_untold = told_from > case.now && !is_told_by_others;
    let (situation, severity, first) = match is_untold {
        true => (
            &JUST_NOW,
            Severity::Warning,
            "Ask whoever knows how many keys there should be; until then restart and delete nothing.",
        ),
        false => (
            &UNSEEN,
            Severity::Note,
            "Ask whoever knows how many keys there should be, if nobody has yet.",
        ),
    };
    let mut finding = case
        .finding(
            &CHECK,
            situation,
            severity,
            format!(
                "{name}, the master, has restarted in place and holds {}; what it held before was not seen",
                text::counted(keys, "key", "keys")
            ),
        )
        .about([name])
        .next(format!("{first}\n{}", look(instance)))
        .since(ended.at.map_or(Since::Seen(case.now), Since::Exactly))
        .resting_on(
            format!("its last run ended with {} (exit {})", ended.reason, ended.exit),
            format!("pod {name}"),
            master.view.pod.changed,
        );
    let server = master.told(case, Question::Server, |engine| engine.server.as_ref());
    if let Some((known, uptime)) = server.and_then(|known| Some((known, known.value.uptime?))) {
        let uptime = text::age_of(i64::try_from(uptime).unwrap_or(i64::MAX));
        finding = finding.resting_on(
            format!("its process is up for {uptime}"),
            format!("INFO server of {name}"),
            known.at,
        );
    }
    let finding = with_keys(finding, instance, master);
    let until = if is_untold { told_from } else { until };
    Some(Answer::from(finding).again(Some(until)))
}

/// Less than half.
fn is_less(few: u64, many: u64) -> bool {
    few.saturating_mul(2) < many
}

fn keys(case: &Case<'_>, node: &Node<'_>) -> Option<u64> {
    let known = node.told(case, Question::Keyspace, |engine| engine.keyspace.as_ref())?;
    Some(known.value.keys)
}

/// Its link to its master is down, and no sync is under way: what it holds is its own.
fn is_cut(node: &Node<'_>) -> bool {
    node.follower()
        .is_some_and(|link| !link.link_up && !link.syncing)
        && !node.loading
}

/// What we saw: the last handover of the master's data that counts, newest first.
fn seen(case: &Case<'_>, instance: &Instance<'_>, master: &Node<'_>) -> Vec<Loss> {
    let id = &instance.view.id;
    let Some(history) = case.context.history(&id.namespace, &id.name) else {
        return Vec::new();
    };
    let name = master.name();
    let mut losses = Vec::new();
    for moment in history.moments().rev() {
        if later(moment.at, TOLD) <= case.now {
            break;
        }
        if &*moment.pod != name {
            continue;
        }
        match &moment.turn {
            // Whatever it held before, it has taken its master's data since.
            Turn::Role {
                to: Role::Replica, ..
            } => break,
            Turn::Role {
                to: Role::Master, ..
            } => {
                if let Some(loss) = promoted(history.moments(), moment) {
                    losses.push(loss);
                }
            }
            Turn::Restarted | Turn::Gone => {
                if let (Some(before), Some(after)) = (moment.keys, moment.keys_after) {
                    losses.push(Loss {
                        before,
                        after,
                        how: match moment.turn {
                            Turn::Restarted => "restarted".to_owned(),
                            _ => "was replaced by a new pod".to_owned(),
                        },
                        since: Since::Seen(moment.at),
                        source: format!("INFO keyspace of {name}, before that"),
                        at: moment.at,
                    });
                }
            }
            Turn::Label { .. } | Turn::Replid { .. } => {}
        }
    }
    losses
}

/// What a node that was promoted had, against the master before it.
fn promoted<'a>(all: impl Iterator<Item = &'a Moment>, promotion: &Moment) -> Option<Loss> {
    let after = promotion.keys?;
    let former = all
        .filter(|other| other.pod != promotion.pod && other.role == Some(Role::Master))
        .filter(|other| {
            let lost = matches!(
                other.turn,
                Turn::Gone
                    | Turn::Restarted
                    | Turn::Role {
                        to: Role::Replica,
                        ..
                    }
            );
            let near = later(other.at, HANDOVER) >= promotion.at
                && later(promotion.at, HANDOVER / 10) >= other.at;
            lost && near
        })
        .filter_map(|other| Some((other, other.keys?)))
        .max_by_key(|(_, keys)| *keys)?;
    let (other, before) = former;
    Some(Loss {
        before,
        after,
        how: format!("took over from {}", other.pod),
        since: Since::Seen(promotion.at),
        source: format!("INFO keyspace of {}, the master before it", other.pod),
        at: other.at,
    })
}

/// What nodes that do not follow a master which has restarted still hold; where we did not see it happen.
fn left_elsewhere(
    case: &Case<'_>,
    instance: &Instance<'_>,
    master: &Node<'_>,
    after: u64,
) -> Option<Loss> {
    let container = master.container()?;
    let ended = container.last_end.as_ref()?;
    let (node, before, at) = instance
        .nodes
        .iter()
        .filter(|node| node.name() != master.name() && is_cut(node))
        .filter_map(|node| {
            let known = node.told(case, Question::Keyspace, |engine| engine.keyspace.as_ref())?;
            Some((node, known.value.keys, known.at))
        })
        .max_by_key(|(_, keys, _)| *keys)?;
    Some(Loss {
        before,
        after,
        how: "has restarted".to_owned(),
        since: ended.at.map_or(Since::Seen(case.now), Since::Exactly),
        source: format!("INFO keyspace of {}, which does not follow it", node.name()),
        at,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::engine::{Keyspace, Persistence, Probe, Server};
    use crate::domain::fixture::*;

    fn holds(f: &mut Fixture, pod: &str, keys: u64, seconds: i64) {
        let keyspace = Keyspace {
            keys,
            ..Keyspace::default()
        };
        f.answers(pod, Probe::Keyspace(keyspace), ago(seconds));
    }

    fn up(f: &mut Fixture, pod: &str, uptime: u64, seconds: i64) {
        let server = Server {
            uptime: Some(uptime),
            ..Server::default()
        };
        f.answers(pod, Probe::Server(server), ago(seconds));
    }

    /// A healthy instance whose master restarted 60 s ago with so many keys, and has so many now.
    fn restarted(before: u64, after: u64, now: u64) -> Fixture {
        let mut f = healthy().build();
        up(&mut f, "orders-0", 9_000, 100);
        holds(&mut f, "orders-0", before, 100);
        up(&mut f, "orders-0", 2, 60);
        holds(&mut f, "orders-0", after, 60);
        holds(&mut f, "orders-0", now, 1);
        f
    }

    #[test]
    fn a_master_that_comes_back_with_less_is_told_and_what_clients_delete_is_not() {
        let empty = "critical critical: orders-0, the master, restarted and came back with 0 keys where 1,000 were before";
        let stale = "critical critical: orders-0, the master, restarted and came back with 400 keys where 1,000 were before";
        for (name, f, wanted) in [
            ("healthy", healthy().build(), "pass"),
            (
                "restarted with everything",
                restarted(1_000, 998, 1_001),
                "pass",
            ),
            ("empty", restarted(1_000, 0, 3), empty),
            ("stale", restarted(1_000, 400, 410), stale),
            (
                "restarted well, then flushed by a client",
                restarted(1_000, 1_000, 0),
                "pass",
            ),
            ("filled again", restarted(1_000, 0, 800), "pass"),
            ("next to nothing was there", restarted(9, 0, 0), "pass"),
        ] {
            assert_eq!(line(&answer_of(&CHECK, &f)), wanted, "{name}");
        }
        let mut f = healthy().build();
        up(&mut f, "orders-0", 9_000, 100);
        holds(&mut f, "orders-0", 1_000, 100);
        up(&mut f, "orders-0", 9_099, 1);
        holds(&mut f, "orders-0", 0, 1);
        assert_eq!(line(&answer_of(&CHECK, &f)), "pass", "flushed, no restart");
    }

    #[test]
    fn what_a_loading_master_holds_is_no_loss() {
        let mut f = healthy().build();
        up(&mut f, "orders-0", 9_000, 100);
        holds(&mut f, "orders-0", 1_000, 100);
        let loads = |loading| {
            Probe::Persistence(Persistence {
                loading,
                ..Persistence::default()
            })
        };
        f.answers("orders-0", loads(true), ago(60));
        up(&mut f, "orders-0", 2, 60);
        holds(&mut f, "orders-0", 10, 60);
        f.answers("orders-0", loads(false), ago(5));
        holds(&mut f, "orders-0", 990, 5);
        assert_eq!(line(&answer_of(&CHECK, &f)), "pass");
    }

    #[test]
    fn a_replica_that_still_holds_more_than_its_restarted_master_tells_it_too() {
        let mut f = instance("orders")
            .node(master().ended("OOMKilled", 137))
            .node(replica().cut_off(40))
            .node(replica())
            .build();
        holds(&mut f, "orders-0", 0, 1);
        holds(&mut f, "orders-2", 0, 1);
        let Answer { verdict, .. } = answer_of(&CHECK, &f);
        let super::super::Verdict::Finding(finding) = verdict else {
            panic!("{verdict:?}")
        };
        assert_eq!(
            finding.sentence,
            "orders-0, the master, has restarted and came back with 0 keys where 1,000 were before"
        );
        assert_eq!(finding.situation.id, "empty-master");
        assert_eq!(finding.since, Since::Exactly(ago(50)));
        assert!(
            finding.next.starts_with("orders-1 still holds more"),
            "{}",
            finding.next
        );
    }

    #[test]
    fn a_node_that_takes_over_with_less_is_told() {
        let mut f = instance("orders")
            .node(replica())
            .node(master().was(Role::Replica))
            .build();
        // The promoted node had 1,000 keys when it became master; the old one had many more.
        f = {
            holds(&mut f, "orders-0", 5_000, 1);
            f
        };
        assert_eq!(line(&answer_of(&CHECK, &f)), "pass", "nobody saw it fall");
    }

    #[test]
    fn a_restart_that_nobody_saw_is_noted_with_what_is_held_now() {
        let told = "warning unknown: orders-0, the master, has restarted in place and holds 40 keys; what it held before was not seen";
        let young = || master().ended("Error", 1);
        let empty = || young().labelled_since(9_000);
        let promoted = || young().labelled_since(20);
        for (name, node, wanted) in [
            ("restarted as master", empty(), told),
            ("since when it is labelled is not known", young(), told),
            ("made master after it restarted", promoted(), "pass"),
            ("never restarted", master(), "pass"),
        ] {
            let mut f = instance("orders").node(node).node(replica()).build();
            holds(&mut f, "orders-0", 40, 1);
            holds(&mut f, "orders-1", 40, 1);
            assert_eq!(line(&answer_of(&CHECK, &f)), wanted, "{name}");
        }
        // The same before our eyes, with everything that it had.
        let mut f = instance("orders").node(empty()).node(replica()).build();
        up(&mut f, "orders-0", 9_000, 52);
        holds(&mut f, "orders-0", 41, 52);
        up(&mut f, "orders-0", 2, 48);
        holds(&mut f, "orders-0", 40, 48);
        holds(&mut f, "orders-0", 40, 1);
        assert_eq!(line(&answer_of(&CHECK, &f)), "pass");
    }

    #[test]
    fn whether_data_was_lost_cannot_be_told_for_ten_minutes_and_no_text_calls_that_healthy() {
        for (seconds, situation, state) in [
            (20, "restart-untold", State::Unknown),
            (599, "restart-untold", State::Unknown),
            (600, "restart-unseen", State::Healthy),
            (80_000, "restart-unseen", State::Healthy),
        ] {
            let mut f = instance("orders")
                .node(master().ended("Error", 137).labelled_since(90_000))
                .node(replica())
                .build();
            let context = f.world.context(&infra()).unwrap();
            let mut pod = (*context.pods.get("shop", "orders-0").unwrap().value).clone();
            for container in &mut pod.containers {
                let since = Some(ago(seconds));
                container.state = ContainerState::Running { since };
                if let Some(end) = &mut container.last_end {
                    end.at = Some(ago(seconds + 2));
                }
            }
            let object = crate::domain::Object::Pod(std::sync::Arc::new(pod));
            let context = infra();
            f.tell(crate::domain::Fact::Seen { context, object }, ago(5));
            holds(&mut f, "orders-0", 40, 1);
            let Answer { verdict, again_at } = answer_of(&CHECK, &f);
            let finding = match verdict {
                super::super::Verdict::Finding(finding)
                | super::super::Verdict::Unknown(finding) => finding,
                other => panic!("{seconds}: {other:?}"),
            };
            assert_eq!((finding.situation.id, finding.state), (situation, state));
            assert!(again_at.is_some_and(|at| at > now()), "{seconds}");
            let next = finding.next_step();
            assert_eq!(
                next.contains("delete nothing"),
                state == State::Unknown,
                "{next}"
            );
            // One command for each node.
            for pod in ["orders-0", "orders-1"] {
                let command = format!("exec {pod} -c dragonfly -- redis-cli -p 9999 INFO keyspace");
                assert!(next.contains(&command), "{next}");
            }
        }
    }
}
