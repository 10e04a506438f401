//! What a client finds at the data port (6379) of a node that is well by all that its admin port tells: nothing listens,
//! TLS fails, it hangs, or it lets nobody in.
//!
//! Every node is tried about once a minute; one of an instance that somebody looks at, or whose last try was bad, every
//! ten seconds. `-NOAUTH` proves that the port is reached and no more: without the password nobody can tell whether it is
//! usable, and that is no illness. Nor is it one of the port that our own password command fails.

use jiff::Timestamp;

use super::case::later;
use super::words::list;
use super::{
    Answer, Area, Case, Check, Node, Severity, Shown, Since, Situation, State, Word, rss_guard,
};
use crate::domain::data_port::{DataPort, Found};

/// A try is believed for this long, seconds: two and a half rounds in the background. A bad one is tried again after ten
/// seconds, so that what has passed is not believed for long.
const BELIEVED: i64 = 150;

/// The situation.
pub const UNUSABLE: Situation = Situation {
    id: "data-port-unusable",
    word: "port unusable",
    class: State::Degraded,
    rule: "within 150 s: the last try at port 6379 of a node that answers on its admin port was refused, closed at once, hung, \
           or failed at TLS (a wanted password is none of these, nor LOADING, nor a way that is not permitted). It is tried \
           about once a minute; in view, or after a bad try, every ten seconds",
    meaning: "Clients cannot use it, though its admin port answers and its pod is Ready.",
    accounts_for: &[],
    shown: Shown::By(&["data-port-hangs"]),
};

/// The check.
pub const CHECK: Check = Check {
    id: "data-port-unusable",
    area: Area::Exposure,
    title: "Data port not usable",
    why: "The admin port answers in every state; only the port that clients use tells whether they can.",
    reads: "tries at port 6379 of every node, as a client would: about once a minute, in view every ten seconds",
    next: "See what the server says of the connection.\n\
           $ {kubectl} logs {pod} -c dragonfly --tail=100\n\
           See its TLS and password settings.\n\
           $ {kubectl} get pod {pod} -o yaml",
    situations: &[&UNUSABLE],
    needs: Check::NOTHING,
    run,
};

/// Steps for one that takes connections and does not answer.
const HANGS: &str = "See whether it answers within its own pod: then what lies between hangs (a network policy, a mesh's proxy), \
    not the server.\n\
    $ {kubectl} exec {pod} -c dragonfly -- timeout 5 redis-cli -p 6379 PING\n\
    See who is connected, and who waits or does not read (phase=send).\n\
    $ {redis-cli} CLIENT LIST\n\
    See what the server says of it.\n\
    $ {kubectl} logs {pod} -c dragonfly --tail=100";

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let mut again: Option<Timestamp> = None;
    let mut tried = false;
    let mut bad: Vec<(&Node<'_>, &DataPort, Timestamp)> = Vec::new();
    for node in instance.nodes.iter().filter(|n| n.runs() && !n.is_going()) {
        let Some(known) = node.view.engine.and_then(|e| e.data_port.as_ref()) else {
            continue;
        };
        let until = later(known.at, BELIEVED);
        // One that is not heard at all, or that loads, is told elsewhere.
        let heard = matches!(node.word, Word::Says { .. });
        if until <= case.now || !heard || node.loading {
            continue;
        }
        tried = true;
        if known.value.keeps_out() && !rss_guard::held(case, node, known.at) {
            again = Some(again.map_or(until, |again| again.min(until)));
            bad.push((node, &known.value, known.at));
        }
    }
    if bad.is_empty() {
        return match tried {
            true => Answer::PASS,
            false => Answer::NOT_APPLICABLE,
        };
    }
    let serves = bad.iter().any(|(node, ..)| node.serves());
    let told: Vec<String> = bad
        .iter()
        .map(|(node, tried, _)| format!("{}: {}", node.name(), tried.words()))
        .collect();
    let mut finding = case
        .finding(
            &CHECK,
            &UNUSABLE,
            match serves {
                true => Severity::Critical,
                false => Severity::Warning,
            },
            list(&told),
        )
        .about(bad.iter().map(|(node, ..)| node.name()))
        .since(Since::Seen(case.now));
    for (node, tried, at) in &bad {
        finding = finding.resting_on(
            match &tried.found {
                Found::ClosedAtOnce => format!("{}, at the {}", tried.words(), tried.stage.word()),
                _ => tried.words(),
            },
            format!("a try at port 6379 of {}", node.name()),
            *at,
        );
        let hint = match &tried.found {
            Found::Refused(fault) => super::steps::of_fault(fault),
            Found::TimedOut => super::steps::on(HANGS, node.name()),
            _ => String::new(),
        };
        finding = finding.next(hint);
    }
    Answer::from(finding).again(again)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::data_port::Stage;
    use crate::domain::fixture::*;
    use crate::domain::{Fact, Fault, FaultKind, NodeId};

    fn knocked(f: &mut Fixture, pod: &str, found: Found, stage: Stage, seconds: i64) {
        let tried = DataPort {
            found,
            stage,
            took: Duration::from_millis(3),
            certificate: None,
            logged_in: false,
        };
        let fact = Fact::Knocked {
            node: NodeId::new(infra(), "shop", pod),
            uid: Arc::from(format!("uid-{pod}").as_str()),
            tried: Box::new(tried),
        };
        f.tell(fact, ago(seconds));
    }

    #[test]
    fn only_what_no_client_can_use_is_a_finding() {
        let refused = || Found::Refused(Fault::new(FaultKind::Refused, "connection refused"));
        let tls = || Found::Refused(Fault::new(FaultKind::Protocol, "bad certificate"));
        for (name, pod, found, stage, seconds, wanted) in [
            (
                "usable",
                "orders-0",
                Found::Usable,
                Stage::Command,
                3,
                "pass",
            ),
            (
                "wants a password",
                "orders-0",
                Found::PasswordWanted,
                Stage::Command,
                3,
                "pass",
            ),
            (
                "has another password",
                "orders-0",
                Found::WrongPassword,
                Stage::Login,
                3,
                "pass",
            ),
            (
                "loading is told elsewhere",
                "orders-0",
                Found::Loading,
                Stage::Command,
                3,
                "pass",
            ),
            (
                "may not be tried",
                "orders-0",
                Found::NoWay(Fault::new(FaultKind::Forbidden, "no")),
                Stage::Connection,
                3,
                "pass",
            ),
            (
                "nothing listens",
                "orders-0",
                refused(),
                Stage::Connection,
                3,
                "critical critical: orders-0: its data port fails at the connection: connection refused",
            ),
            (
                "TLS fails, on a replica",
                "orders-2",
                tls(),
                Stage::Tls,
                3,
                "warning degraded: orders-2: its data port fails at the TLS: bad certificate",
            ),
            (
                "hangs",
                "orders-0",
                Found::TimedOut,
                Stage::Command,
                3,
                "critical critical: orders-0: its data port gave no answer to a command through the port-forward within 3 ms",
            ),
            (
                "our own password command fails",
                "orders-0",
                Found::Refused(Fault::new(
                    FaultKind::Unauthenticated,
                    "password command sh: exit status 3",
                )),
                Stage::Login,
                3,
                "pass",
            ),
            (
                "tried two rounds ago, and nobody has looked since",
                "orders-0",
                refused(),
                Stage::Connection,
                120,
                "critical critical: orders-0: its data port fails at the connection: connection refused",
            ),
            (
                "tried long ago",
                "orders-0",
                refused(),
                Stage::Connection,
                151,
                "n/a",
            ),
        ] {
            let mut f = healthy().build();
            knocked(&mut f, pod, found, stage, seconds);
            assert_eq!(line(&answer_of(&CHECK, &f)), wanted, "{name}");
        }
    }

    #[test]
    fn a_node_that_is_not_heard_is_told_elsewhere() {
        let mut f = instance("orders")
            .node(master().falls_silent(None, 8).heard(10))
            .node(replica())
            .build();
        knocked(&mut f, "orders-0", Found::TimedOut, Stage::Command, 2);
        assert_eq!(line(&answer_of(&CHECK, &f)), "n/a");
    }

    #[test]
    fn one_that_hangs_is_asked_within_its_pod() {
        let mut f = healthy().build();
        knocked(&mut f, "orders-1", Found::TimedOut, Stage::Command, 2);
        let super::super::Verdict::Finding(finding) = answer_of(&CHECK, &f).verdict else {
            panic!("no finding");
        };
        let next = finding.next_step();
        for wanted in [
            "exec orders-1 -c dragonfly -- timeout 5 redis-cli -p 6379 PING",
            "CLIENT LIST",
        ] {
            assert!(next.contains(wanted), "{next}");
        }
        assert!(!next.contains("TLS"), "{next}");
    }

    #[test]
    fn a_try_from_before_the_guard_was_gone_is_no_finding() {
        use crate::domain::engine::{Memory, Probe};
        const GIB: u64 = 1 << 30;
        for (name, seconds, wanted) in [
            ("before the guard was gone", 20, "pass"),
            (
                "after it was gone",
                5,
                "critical critical: orders-0: its data port takes connections and closes them without a word, as the RSS guard does",
            ),
        ] {
            let mut f = healthy().build();
            for (rss, at) in [(3 * GIB, 40), (3 * GIB, 25), (GIB, 10), (GIB, 1)] {
                let memory = Memory {
                    rss: Some(rss),
                    max: Some(2 * GIB),
                    ..Memory::default()
                };
                f.answers("orders-0", Probe::Memory(memory), ago(at));
            }
            knocked(
                &mut f,
                "orders-0",
                Found::ClosedAtOnce,
                Stage::Command,
                seconds,
            );
            assert_eq!(line(&answer_of(&CHECK, &f)), wanted, "{name}");
        }
    }
}
