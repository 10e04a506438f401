//! An engine whose process runs does not say how it stands.
//!
//! A frozen master is invisible in its replicas' INFO (link up, last io 0, for a minute and more), and a frozen replica
//! stays `online` at its master: only the question that is not answered shows it. So a node that is not heard makes its
//! instance *unknown*, whatever others say of it. A node that Kubernetes knows not to run is `pods-missing`'s matter.

use jiff::Timestamp;

use super::steps::of_fault;
use super::words::{bracketed, has, list, number};
use super::{
    Answer, Area, Case, Check, Finding, Instance, Node, Severity, Shown, Since, Situation, State,
    Word,
};
use crate::domain::engine::Question;
use crate::domain::fault::{Fault, FaultKind};

/// The check.
pub const CHECK: Check = Check {
    id: "engine-silent",
    area: Area::Instance,
    title: "Engine does not answer",
    why: "A link is healthy only while both of its ends answer us; a frozen node looks well from everywhere else.",
    reads: "PING, INFO replication and ROLE of every node, over port-forwards to port 9999",
    next: "See whether its process lives.\n\
           $ {kubectl} describe pod {pod}\n\
           See what it says of itself.\n\
           $ {kubectl} logs {pod} -c dragonfly --tail=100",
    situations: &[&SILENT, &FORBIDDEN, &UNASKED],
    needs: Check::NOTHING,
    run,
};

const SILENT: Situation = Situation {
    id: "engine-silent",
    word: "not heard",
    class: State::Unknown,
    rule: "a node whose container runs has not told its role for 30 s, or for 5 s after a question failed; or it tells its role but not INFO replication",
    meaning: "Whether it acts as master, and what it holds, is not known; others may still call it well.",
    shown: Shown::By(&["bad-resp-drip"]),
    ..Situation::BASE
};

const FORBIDDEN: Situation = Situation {
    id: "engines-forbidden",
    word: "may not be asked",
    class: State::Unknown,
    rule: "no way leads to any node because each is forbidden",
    meaning: "Only labels and endpoints are known: whether a node acts as master, and what it holds, is not.",
    shown: Shown::By(&["forbidden", "no-port-forward"]),
    ..Situation::BASE
};

const UNASKED: Situation = Situation {
    id: "engines-unasked",
    word: "not asked yet",
    class: State::Unknown,
    rule: "a node whose container runs has not been asked since it was first seen",
    meaning: "Whether it acts as master, and what it holds, is not known yet.",
    shown: Shown::By(&["healthy"]),
    ..Situation::BASE
};

/// A node that is not heard.
struct Unheard<'a> {
    node: &'a Node<'a>,
    /// What is not answered; `None` when nothing is.
    question: Option<Question>,
    fault: Option<&'a Fault>,
    since: Timestamp,
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let mut again: Option<Timestamp> = None;
    let mut unheard = Vec::new();
    for node in instance.nodes.iter().filter(|n| n.runs() && !n.is_going()) {
        if !node.view.pod.value.is_ready()
            && let Some(until) = node.young_until
        {
            // It is starting; that it is not ready is told elsewhere.
            again = soonest(again, until);
            continue;
        }
        match silence(node, case) {
            Some(silence) => unheard.push(silence),
            None => {
                if let Word::Says { until, .. } = node.word {
                    again = soonest(again, until);
                }
            }
        }
    }
    if unheard.is_empty() {
        return match instance.nodes.is_empty() {
            true => Answer::NOT_APPLICABLE,
            false => Answer::PASS.again(again),
        };
    }
    Answer::from(finding(case, instance, &unheard)).again(again)
}

fn soonest(one: Option<Timestamp>, other: Timestamp) -> Option<Timestamp> {
    Some(one.map_or(other, |one| one.min(other)))
}

fn silence<'a>(node: &'a Node<'a>, case: &Case<'_>) -> Option<Unheard<'a>> {
    match &node.word {
        Word::Silent { why, since, .. } => Some(Unheard {
            node,
            question: why.and_then(|(question, _)| question),
            fault: why.map(|(_, fault)| fault),
            since: since.unwrap_or(node.view.pod.first_seen),
        }),
        // Its role is known by ROLE alone: INFO replication hangs, as it does on the target of a takeover that is stuck.
        Word::Says { at, .. } => {
            if node.replication.is_some() {
                return None;
            }
            let engine = node.view.engine?;
            let silent = engine.silent.get(&Some(Question::Replication));
            let never_due = engine.replication.is_none()
                && silent.is_none()
                && case.still(*at, case.limits.patience).is_some();
            (!never_due).then(|| Unheard {
                node,
                question: Some(Question::Replication),
                fault: silent.map(|(fault, _)| fault),
                since: silent.map_or(*at, |(_, since)| *since),
            })
        }
    }
}

fn finding(case: &Case<'_>, instance: &Instance<'_>, unheard: &[Unheard<'_>]) -> Finding {
    let running = instance
        .nodes
        .iter()
        .filter(|n| n.runs() && !n.is_going())
        .count();
    let names: Vec<&str> = unheard.iter().map(|u| u.node.name()).collect();
    let same = unheard.windows(2).all(|pair| match pair {
        [a, b] => a.question == b.question && a.fault == b.fault,
        _ => true,
    });
    let forbidden = unheard
        .iter()
        .all(|u| u.fault.is_some_and(|f| f.kind == FaultKind::Forbidden));
    let unasked = unheard
        .iter()
        .all(|u| u.fault.is_none() && u.node.view.engine.is_none());
    let first = unheard.first();
    let reason = first
        .and_then(|u| u.fault)
        .map_or(String::new(), |f| bracketed(&f.message));
    let id = &instance.view.id;
    let by_page = unheard.iter().all(|u| {
        let engine = u.node.view.engine;
        engine.is_some_and(|e| e.metrics.is_some() && e.stands(Question::Metrics))
    });
    let sentence = if forbidden && by_page {
        format!(
            "whom {} {} is not known: only /metrics may be read{reason}",
            list(&names),
            number(names.len(), "follows", "follow")
        )
    } else if forbidden {
        format!("the engines of {id} may not be asked{reason}; only labels and endpoints are known")
    } else if unasked {
        format!("{} {} not been asked yet", list(&names), has(names.len()))
    } else if same && unheard.len() == running && running > 1 {
        format!("no engine of {id} answers{reason}")
    } else {
        let told: Vec<String> = unheard.iter().map(told).collect();
        list(&told)
    };
    let (situation, severity) = if forbidden {
        (&FORBIDDEN, Severity::Note)
    } else if unasked {
        (&UNASKED, Severity::Note)
    } else {
        (&SILENT, Severity::Warning)
    };
    let since = unheard.iter().map(|u| u.since).min().unwrap_or(case.now);
    let mut finding = case
        .finding(&CHECK, situation, severity, sentence)
        .next(match first.and_then(|u| u.fault).map(of_fault) {
            Some(hint) if forbidden || hint.is_empty() => hint,
            // What the pod itself tells is worth a look whatever the fault says.
            Some(hint) => format!("{hint}\n{}", CHECK.next),
            None => String::new(),
        })
        .about(names)
        .since(Since::Seen(since));
    for u in unheard {
        let what = u.question.map_or("port-forward", Question::command);
        if let Some(fault) = u.fault {
            let text = if fault.detail.is_empty() {
                &fault.message
            } else {
                &fault.detail
            };
            finding = finding.resting_on(
                text.clone(),
                format!("{what} to {}", u.node.name()),
                u.since,
            );
        }
        if let Word::Silent {
            last: Some(last), ..
        } = &u.node.word
        {
            finding = finding.resting_on(
                format!(
                    "{} last said that it is {}",
                    u.node.name(),
                    last.value.word()
                ),
                format!("INFO replication of {}", u.node.name()),
                last.at,
            );
        }
    }
    finding
}

fn told(u: &Unheard<'_>) -> String {
    let name = u.node.name();
    let reason = u.fault.map_or(String::new(), |f| bracketed(&f.message));
    let engine = u.node.view.engine;
    if engine.is_none() {
        return format!("{name} has not been asked yet");
    }
    let answers_ping = engine.is_some_and(|e| {
        e.ping.is_some()
            && !e.silent.contains_key(&Some(Question::Ping))
            && !e.silent.contains_key(&None)
    });
    match u.question {
        Some(question) if answers_ping => {
            format!(
                "{name} answers PING, but not {}{reason}",
                question.command()
            )
        }
        _ => format!("{name} does not answer{reason}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;

    #[test]
    fn every_node_that_runs_must_be_heard() {
        let no = "pods/portforward is forbidden";
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "never asked",
                    instance("orders").node(master()).node(replica().unasked()),
                    "note unknown: orders-1 has not been asked yet",
                ),
                (
                    "a frozen master",
                    instance("orders")
                        .node(master().falls_silent(None, 8).heard(10))
                        .node(replica()),
                    "warning unknown: orders-0 does not answer (timed out)",
                ),
                (
                    "one lost reply is no silence",
                    instance("orders")
                        .node(master().falls_silent(None, 1).heard(3))
                        .node(replica()),
                    "pass",
                ),
                (
                    "not heard for too long, whatever the reason",
                    instance("orders").node(master().heard(31)).node(replica()),
                    "warning unknown: orders-0 does not answer",
                ),
                (
                    "nobody may be asked",
                    instance("orders")
                        .node(master().unreachable(FaultKind::Forbidden, no))
                        .node(replica().unreachable(FaultKind::Forbidden, no)),
                    "note unknown: the engines of shop/orders may not be asked (pods/portforward is forbidden); only \
                     labels and endpoints are known",
                ),
                (
                    "all of them",
                    instance("orders")
                        .node(master().falls_silent(None, 8).heard(10))
                        .node(replica().falls_silent(None, 8).heard(10)),
                    "warning unknown: no engine of shop/orders answers (timed out)",
                ),
                (
                    "a container that does not run cannot answer",
                    instance("orders")
                        .node(master())
                        .node(replica().waiting("CrashLoopBackOff")),
                    "pass",
                ),
                (
                    "nor one that is starting",
                    instance("orders")
                        .node(master())
                        .node(replica().unasked().unready().young(12)),
                    "pass",
                ),
                (
                    "nor one that is going",
                    instance("orders")
                        .node(master())
                        .node(replica().unasked().deleting()),
                    "pass",
                ),
            ],
        );
    }

    #[test]
    fn a_stuck_takeover_answers_ping_but_not_replication() {
        let f = instance("orders")
            .node(master())
            .node(
                replica()
                    .heard(12)
                    .falls_silent(Some(Question::Replication), 10),
            )
            .build();
        assert_eq!(
            line(&answer_of(&CHECK, &f)),
            "warning unknown: orders-1 answers PING, but not INFO REPLICATION (timed out)"
        );
    }

    #[test]
    fn it_is_asked_again_when_the_oldest_answer_grows_too_old() {
        let f = instance("orders")
            .node(master().heard(12))
            .node(replica().heard(3))
            .build();
        assert_eq!(answer_of(&CHECK, &f).again_at, Some(ago(-18)));
    }
}
