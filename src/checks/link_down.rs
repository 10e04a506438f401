//! A replica's link is down, or it is not the master's that it should be: it still tries, follows somebody else, or is not
//! known to its master. (One that has stopped for good, or was left half-way, is told apart: see `links`.)

use super::links::{Trouble, finding, links};
use super::{Answer, Area, Case, Check, Severity, Shown, Situation, State};

/// The check.
pub const CHECK: Check = Check {
    id: "link-down",
    area: Area::Replication,
    title: "Replica cut off",
    why: "A replica that does not replicate serves old values and loses everything newer if it is promoted.",
    reads: "INFO replication of master and replicas, CLIENT LIST of the replica",
    next: "See why it does not connect.\n\
           $ {kubectl} logs {pod} -c dragonfly --tail=100\n\
           See its end of the link.\n\
           $ {redis-cli} INFO replication",
    situations: &[&RETRYING, &CUT_OFF, &ELSEWHERE, &UNLISTED],
    needs: Check::NOTHING,
    run,
};

/// What all that do not replicate mean.
const MEANING: &str = "It serves old values and cannot take over.";

const RETRYING: Situation = Situation {
    id: "replication-retrying",
    word: "retrying",
    class: State::Degraded,
    rule: "the link of a replica is down for more than 10 s, and its CLIENT LIST says repl-phase=tcp_connecting",
    meaning: MEANING,
    shown: Shown::By(&["replication-retrying"]),
    ..Situation::BASE
};

const CUT_OFF: Situation = Situation {
    id: "link-down",
    word: "cut off",
    class: State::Degraded,
    rule: "the link of a replica is down for more than 10 s, and neither CLIENT LIST nor its master tells whether it still \
           tries",
    meaning: MEANING,
    shown: Shown::By(&["link-down"]),
    ..Situation::BASE
};

const ELSEWHERE: Situation = Situation {
    id: "follows-another",
    word: "follows another",
    class: State::Degraded,
    rule: "a replica names another master than the one node that acts as master, for more than 5 s after labels and roles \
           last changed, and was asked after that",
    meaning: "It serves what another has, not what its master takes, and must not take over.",
    shown: Shown::By(&["follows-another"]),
    ..Situation::BASE
};

const UNLISTED: Situation = Situation {
    id: "replica-unlisted",
    word: "not listed",
    class: State::Degraded,
    rule: "a replica calls its link up, but its master does not list it, or lists it as cancelled",
    meaning: MEANING,
    shown: Shown::By(&["replica-unlisted"]),
    ..Situation::BASE
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable().filter(|i| !i.masters().is_empty()) else {
        // Without a master every link is down; that is told elsewhere.
        return Answer::NOT_APPLICABLE;
    };
    let links = links(case, instance);
    let situation_of = |trouble: &Trouble| match trouble {
        Trouble::Elsewhere => Some(&ELSEWHERE),
        Trouble::CutOff => Some(&CUT_OFF),
        Trouble::Retrying => Some(&RETRYING),
        Trouble::Unlisted | Trouble::Cancelled => Some(&UNLISTED),
        Trouble::Stray(..) | Trouble::HalfWay | Trouble::Stopped => None,
    };
    let broken: Vec<_> = links
        .broken
        .iter()
        .filter(|b| situation_of(&b.trouble).is_some())
        .collect();
    let Some(situation) = broken.iter().find_map(|b| situation_of(&b.trouble)) else {
        return match links.replicas {
            0 => Answer::NOT_APPLICABLE,
            _ => Answer::PASS.again(links.again),
        };
    };
    let next = match situation.id {
        // It connects well: its log has nothing to tell.
        id if id == ELSEWHERE.id => {
            "Do not promote {pod}.\n\
             Make the operator configure it anew: a new pod takes its place.\n\
             $ {kubectl} delete pod {pod}"
        }
        id if id == UNLISTED.id => {
            "Do not promote {pod}.\n\
             See why its master dropped it, in the master's log.\n\
             $ {kubectl} logs {master} -c dragonfly --tail=100\n\
             Make it sync anew: a new pod takes its place.\n\
             $ {kubectl} delete pod {pod}"
        }
        _ => "",
    };
    let finding = finding(
        case,
        instance,
        &CHECK,
        situation,
        Severity::Warning,
        &broken,
    );
    let master = instance.master().map_or("MASTER", |n| n.name());
    Answer::from(finding.next(next.replace("{master}", master))).again(links.again)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::Role;
    use crate::domain::engine::LinkState;
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
                    "follows another, as it said when there had just come this master",
                    instance("orders")
                        .node(master().was(Role::Replica).heard(12))
                        .node(replica().follows("10.7.7.7").heard(8)),
                    "pass",
                ),
                (
                    "follows another still, asked since",
                    instance("orders")
                        .node(master().was(Role::Replica).heard(12))
                        .node(replica().follows("10.7.7.7").heard(6)),
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
