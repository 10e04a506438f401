//! An engine answers, but late: it is no frozen one, though what asks it with a short patience takes it for that, the
//! operator's own questions and probes among them.

use std::time::Duration;

use super::words::list;
use super::{Answer, Area, Case, Check, Node, Severity, Shown, Since, Situation, State};
use crate::domain::engine::{Question, Way};
use crate::domain::fact::Link;

/// PING that takes longer than this is slow. It is answered in well under a millisecond; what is more is the way, and that
/// is told by the heartbeat of the API server.
const LATE: Duration = Duration::from_secs(1);

/// The situation.
pub const SLOW: Situation = Situation {
    id: "slow-engine",
    word: "answers late",
    class: State::Degraded,
    rule: "PING to a node's admin port takes more than 1 s beyond twice the round trip of the API server's heartbeat",
    meaning: "Clients wait as long for every command, and time out where they have less patience. The kubelet's probes give up \
              after 5 s, the operator after 10 s.",
    accounts_for: &["engine-silent"],
    shown: Shown::By(&["slow-engine"]),
};

/// The check.
pub const CHECK: Check = Check {
    id: "slow-engine",
    area: Area::Instance,
    title: "Engine answers late",
    why: "A node that is starved of CPU, swaps or runs a long script answers everything, too late for whoever waits.",
    reads: "round trip of PING to every node, and of the API server's heartbeat",
    next: "See long commands.\n\
           $ {redis-cli} SLOWLOG GET 10\n\
           See whether it is short of CPU.\n\
           $ {kubectl} top pod {pod} --containers",
    situations: &[&SLOW],
    needs: Check::NOTHING,
    run,
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let way = match case.context.link {
        Link::Live { rtt } => rtt,
        _ => Duration::ZERO,
    };
    let slow: Vec<(&Node<'_>, Duration, jiff::Timestamp)> = instance
        .nodes
        .iter()
        .filter(|node| {
            // A command run in the pod takes its own time.
            let engine = node.view.engine;
            engine.and_then(|e| e.way_of(Question::Ping)) != Some(Way::Exec)
        })
        .filter_map(|node| {
            let known = node.told(case, Question::Ping, |engine| engine.ping.as_ref())?;
            let (took, _) = known.value;
            (took > LATE + way * 2).then_some((node, took, known.at))
        })
        .collect();
    if slow.is_empty() {
        return Answer::PASS;
    }
    let told: Vec<String> = slow
        .iter()
        .map(|(node, took, _)| {
            format!(
                "{} answers PING only after {:.1} s",
                node.name(),
                took.as_secs_f64()
            )
        })
        .collect();
    let mut finding = case
        .finding(&CHECK, &SLOW, Severity::Warning, list(&told))
        .about(slow.iter().map(|(node, ..)| node.name()))
        .since(Since::Seen(case.now));
    for (node, took, at) in slow {
        finding = finding.resting_on(
            format!(
                "{:.1} s, while the API server's heartbeat takes {:.1} s",
                took.as_secs_f64(),
                way.as_secs_f64()
            ),
            format!("PING to {}", node.name()),
            at,
        );
    }
    finding.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::Fact;
    use crate::domain::engine::Probe;
    use crate::domain::fixture::*;

    #[test]
    fn a_late_answer_is_slow_unless_the_way_is() {
        for (name, took, rtt, wanted) in [
            ("quick", 2, 12, "pass"),
            (
                "late",
                4_000,
                12,
                "warning degraded: orders-1 answers PING only after 4.0 s",
            ),
            ("the way is long", 3_500, 1_500, "pass"),
            (
                "late beyond a long way",
                4_500,
                1_500,
                "warning degraded: orders-1 answers PING only after 4.5 s",
            ),
        ] {
            let mut f = healthy().build();
            let link = Link::Live {
                rtt: Duration::from_millis(rtt),
            };
            let context = infra();
            f.tell(Fact::Linked { context, link }, ago(3));
            let ping = Probe::Ping {
                took: Duration::from_millis(took),
                loading: false,
            };
            f.answers("orders-1", ping, ago(1));
            assert_eq!(line(&answer_of(&CHECK, &f)), wanted, "{name}");
        }
    }
}
