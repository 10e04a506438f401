//! A replica has stopped replicating until it is told again whom to follow.
//!
//! A replica whose master restarted in place stops (`--break_replication_on_master_restart`), and the operator does not
//! repair it (operator issue 348). Its master still counts it, as `state=preparation` with lag 0, for as long as anyone
//! watched; labels and phase stay as they were. `ROLE` says `connecting` as for one that is still trying.

use super::links::{Broken, Trouble, finding, first_look_until, links};
use super::{Answer, Area, Case, Check, Severity, Shown, Situation, State};

/// The check.
pub const CHECK: Check = Check {
    id: "replication-stopped",
    area: Area::Replication,
    title: "Replication stopped",
    why: "Nothing makes such a replica follow again but a new REPLICAOF, while its master goes on counting it; it may be \
          the last that holds what a restarted master lost.",
    reads: "CLIENT LIST of the replica (its link's repl-phase), INFO replication of master and replica",
    next: "Compare its keys with its master's first (in the console: ic): it may hold what the master has lost.\n\
           $ darner compare --context {context} {namespace}/{name}\n\
           Only then make it sync anew: a new pod takes its place.\n\
           $ {kubectl} delete pod {pod}",
    situations: &[&STOPPED, &JUST_NOW],
    needs: Check::NOTHING,
    run,
};

const STOPPED: Situation = Situation {
    id: "replication-stopped",
    word: "stopped",
    class: State::Critical,
    rule: "the link of a replica is down and its CLIENT LIST says repl-phase=disabled; or, where that is not told, it is \
           down or listed as preparation for more than 10 s while the replication ids differ or the master lists it as \
           preparation",
    meaning: "It will not come back by itself, and it may hold data that the restarted master lacks; making it follow \
              again empties it.",
    shown: Shown::By(&["replication-stopped"]),
    ..Situation::BASE
};

/// The operator may see to it yet.
const JUST_NOW: Situation = Situation {
    id: "replication-stopped-just-now",
    word: "stopped",
    class: State::Degraded,
    rule: "as replication-stopped, for less than 12 s, while the operator's Lease is renewed",
    meaning: "It does not connect again by itself. The operator may tell it anew whom to follow, which takes a few seconds and \
              replaces what it holds by what its master has.",
    shown: Shown::Not(
        "it lasts seconds: break a lab that is watched, with `darner lab fault stale-master`, and look at once",
    ),
    ..Situation::BASE
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let links = links(case, instance);
    let broken: Vec<&Broken<'_, '_>> = links
        .broken
        .iter()
        .filter(|b| b.trouble == Trouble::Stopped)
        .collect();
    if broken.is_empty() {
        return match links.replicas {
            0 => Answer::NOT_APPLICABLE,
            _ => Answer::PASS.again(links.again),
        };
    }
    let looks: Vec<_> = broken
        .iter()
        .map(|b| first_look_until(case, b.node))
        .collect();
    // One that the operator has had time to look at makes it what it is.
    let (situation, severity) = match looks.iter().all(Option::is_some) {
        true => (&JUST_NOW, Severity::Warning),
        false => (&STOPPED, Severity::Critical),
    };
    let again = looks.into_iter().flatten().min();
    let found = finding(case, instance, &CHECK, situation, severity, &broken);
    let found = match severity {
        Severity::Warning => found.next(
            "Give the operator a few seconds: it may make it follow anew.\n\
             If its master has come back with less, it holds what was lost, and loses it then: see how many keys it has.\n\
             $ {redis-cli} INFO keyspace",
        ),
        _ => found,
    };
    Answer::from(found).again([links.again, again].into_iter().flatten().min())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::checks::waiting::tests::operator;
    use crate::domain::engine::{ClientList, LinkPhase, LinkState, Probe, Upstream};
    use crate::domain::fixture::*;

    #[test]
    fn a_replica_whose_master_is_another_process_has_stopped() {
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "the master restarted in place: another history, and in preparation for ever",
                    instance("orders").node(master().replid("new")).node(
                        replica()
                            .cut_off(30)
                            .listed(Some(LinkState::Preparation))
                            .replid("old"),
                    ),
                    "critical critical: orders-1 has stopped replicating until it is told again whom to follow: its master \
                     orders-0 is not the one that it followed",
                ),
                (
                    "in preparation for a moment is syncing",
                    instance("orders")
                        .node(master())
                        .node(replica().listed(Some(LinkState::Preparation))),
                    "pass",
                ),
                (
                    "the link is down, and nothing says that it stopped",
                    instance("orders")
                        .node(master())
                        .node(replica().cut_off(30)),
                    "pass",
                ),
            ],
        );
    }

    #[test]
    fn one_that_has_stopped_is_not_connecting_and_a_working_operator_is_given_a_look() {
        let stopped = "replication-stopped";
        let lately = "replication-stopped-just-now";
        for (name, seconds, works, wanted) in [
            ("an operator at work, at once", 2, true, lately),
            ("an operator at work, still", 11, true, lately),
            ("an operator that had time", 12, true, stopped),
            ("nobody will see to it", 2, false, stopped),
        ] {
            let mut f = instance("orders")
                .node(master().replid("new"))
                .node(replica().cut_off(seconds).replid("old"))
                .build();
            operator(&mut f, "v1.6.1", works);
            if !works {
                f.tell(
                    crate::domain::Fact::Listed {
                        context: infra(),
                        kind: crate::domain::Kind::OperatorLease,
                        scope: crate::domain::Scope::Cluster,
                        objects: Vec::new(),
                    },
                    ago(1),
                );
            }
            let upstream = Upstream {
                addr: "10.0.0.1:9999".to_owned(),
                phase: LinkPhase::Stopped,
                age: None,
                idle: None,
            };
            let list = ClientList {
                upstream: Some(upstream),
                ..ClientList::default()
            };
            f.answers("orders-1", Probe::ClientList(list), ago(1));
            let judged = judgement(&f);
            let told: Vec<&str> = judged
                .findings
                .iter()
                .map(|found| found.situation.id)
                .filter(|id| id.starts_with("repl") || id.ends_with("sync"))
                .collect();
            assert_eq!(told, [wanted], "{name}");
        }
    }
}
