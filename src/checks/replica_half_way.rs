//! A replica was left half-way: its full sync had thrown its own data away and was cut off before it ended (recorded when a
//! takeover came in between, v1.39.0). INFO shows it by what is absent: no link, no sync, no offset.

use super::links::{Trouble, answer};
use super::{Area, Case, Check, Severity, Shown, Situation, State};

/// The check.
pub const CHECK: Check = Check {
    id: "replica-half-way",
    area: Area::Replication,
    title: "Replica left half-way",
    why: "It looks like any replica, has a part of the keys, and must never become master: the rest would be lost.",
    reads: "INFO replication and INFO keyspace of the replica",
    next: "Never promote it: it holds a part of the data.\n\
           See whom it follows; once that master answers, a full sync begins anew by itself.\n\
           $ {redis-cli} INFO replication\n\
           If it does not, make it sync anew: a new pod takes its place.\n\
           $ {kubectl} delete pod {pod}",
    situations: &[&HALF_WAY],
    needs: Check::NOTHING,
    run: |case: &Case<'_>| {
        answer(case, &CHECK, &HALF_WAY, Severity::Critical, |trouble| {
            *trouble == Trouble::HalfWay
        })
    },
};

const HALF_WAY: Situation = Situation {
    id: "replica-half-way",
    word: "half-way",
    class: State::Critical,
    rule: "the link of a replica that is not empty is down for more than 10 s, no sync is in progress, and it tells no \
           offset, on a server from v1.37.0, which tells one while the link is down",
    meaning: "The other nodes serve clients; this one holds a part of the keys and must not be elected.",
    shown: Shown::By(&["replica-half-way"]),
    ..Situation::BASE
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;

    #[test]
    fn a_link_that_is_merely_down_keeps_its_offset() {
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "cut off with its offset",
                    instance("orders")
                        .node(master())
                        .node(replica().cut_off(30)),
                    "pass",
                ),
            ],
        );
    }
}
