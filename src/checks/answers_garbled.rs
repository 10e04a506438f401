//! An engine answers, and what it answers is none of the protocol: the process lives, but nothing that it says can be
//! believed, or what listens there is no Dragonfly at all. That is not a frozen node, and mending it is another matter.

use super::words::{bracketed, list, number};
use super::{Answer, Area, Case, Check, Node, Severity, Shown, Since, Situation, State, Word};
use crate::domain::engine::Question;
use crate::domain::fault::{Fault, FaultKind};

/// The situation.
pub const GARBLED: Situation = Situation {
    id: "answers-garbled",
    word: "answers garbage",
    class: State::Unknown,
    rule: "the replies of a node whose container runs break the protocol, or INFO replication or ROLE cannot be understood, so \
           that its role is not known",
    meaning: "Whether it acts as master, and what it holds, is not known: what it answers cannot be understood. Clients that \
              speak to it get the same.",
    accounts_for: &["engine-silent"],
    shown: Shown::By(&["bad-resp", "bad-resp-huge", "bad-resp-deep"]),
};

/// The check.
pub const CHECK: Check = Check {
    id: "answers-garbled",
    area: Area::Instance,
    title: "Answers cannot be understood",
    why: "A port that answers nonsense is another process than Dragonfly, or a broken one; asking it again does not help.",
    reads: "replies of every node to PING, INFO replication and ROLE",
    next: "See which image runs there.\n\
           $ {kubectl} describe pod {pod}\n\
           See what it says of itself.\n\
           $ {kubectl} logs {pod} -c dragonfly --tail=100",
    situations: &[&GARBLED],
    needs: Check::NOTHING,
    run,
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let garbled: Vec<(&Node<'_>, &Fault, jiff::Timestamp)> = instance
        .nodes
        .iter()
        .filter(|n| n.runs() && !n.is_going())
        .filter_map(|node| {
            let (fault, since) = garbage(node)?;
            Some((node, fault, since))
        })
        .collect();
    let Some((_, first, _)) = garbled.first() else {
        return Answer::PASS;
    };
    let names: Vec<&str> = garbled.iter().map(|(node, ..)| node.name()).collect();
    let answers = number(names.len(), "answers what", "answer what");
    let since = garbled.iter().map(|(.., at)| *at).min().unwrap_or(case.now);
    let mut finding = case
        .finding(
            &CHECK,
            &GARBLED,
            Severity::Warning,
            format!(
                "{} {answers} cannot be understood{}",
                list(&names),
                bracketed(&first.message)
            ),
        )
        .about(names.iter().copied())
        .since(Since::Seen(since));
    for (node, fault, since) in &garbled {
        let said = match fault.detail.is_empty() {
            true => &fault.message,
            false => &fault.detail,
        };
        finding = finding.resting_on(said.clone(), format!("replies of {}", node.name()), *since);
    }
    finding.into()
}

/// Why what a node says of its role cannot be understood, and since when.
fn garbage<'a>(node: &Node<'a>) -> Option<(&'a Fault, jiff::Timestamp)> {
    if !matches!(node.word, Word::Silent { .. }) {
        return None;
    }
    let silent = &node.view.engine?.silent;
    [
        None,
        Some(Question::Ping),
        Some(Question::Replication),
        Some(Question::Role),
    ]
    .iter()
    .filter_map(|question| silent.get(question))
    .find(|(fault, _)| fault.kind == FaultKind::Protocol)
    .map(|(fault, since)| (fault, *since))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;

    #[test]
    fn nonsense_is_told_apart_from_silence() {
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "frozen",
                    instance("orders")
                        .node(master())
                        .node(replica().falls_silent(None, 8).heard(10)),
                    "pass",
                ),
                (
                    "no RESP",
                    instance("orders")
                        .node(master())
                        .node(replica().unreachable(FaultKind::Protocol, "answers with byte 0x00")),
                    "warning unknown: orders-1 answers what cannot be understood (answers with byte 0x00)",
                ),
            ],
        );
    }

    #[test]
    fn one_odd_reply_of_a_node_whose_role_is_known_is_none() {
        let mut f = healthy().build();
        let fault = Fault::new(
            FaultKind::Protocol,
            "the reply to ROLE cannot be understood",
        );
        f.silent("orders-1", Some(Question::Role), fault, ago(1));
        assert_eq!(line(&answer_of(&CHECK, &f)), "pass");
    }
}
