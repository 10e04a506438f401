//! A replica in stable sync is far behind its master.

use super::replica_syncing::line;
use super::words::list;
use super::{Answer, Area, Case, Check, Node, Severity, Shown, Since, Situation, State};
use crate::domain::engine::LinkState;
use crate::domain::text;

/// The check.
pub const CHECK: Check = Check {
    id: "lag-high",
    area: Area::Replication,
    title: "Replica lagging",
    why: "What a replica has not received is lost if the master is. Lag counts journal records, not bytes or seconds; \
          440 to 1,450 are normal under load (measured on v1.39.0).",
    reads: "INFO replication of the master",
    next: "Do not fail over to {pod} meanwhile.\n\
           See its load.\n\
           $ {kubectl} top pod {pod} --containers\n\
           See how its machine is.\n\
           $ {kubectl} describe pod {pod}",
    situations: &[&HIGH],
    needs: Check::NOTHING,
    run,
};

const HIGH: Situation = Situation {
    id: "lag-high",
    word: "lagging",
    class: State::Degraded,
    rule: "the master lists a replica as online with a lag of more than 10,000 journal records",
    meaning: "That much would be lost with the master.",
    shown: Shown::By(&["lagging"]),
    ..Situation::BASE
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let Some(master) = instance.master().filter(|m| m.replication.is_some()) else {
        return Answer::NOT_APPLICABLE;
    };
    let behind: Vec<(&Node<'_>, u64)> = instance
        .nodes
        .iter()
        .filter_map(|node| {
            let (_, line) = line(instance, node)?;
            // Outside stable sync the figure means nothing (dragonfly issue 2923).
            let lag = line.lag.filter(|lag| *lag > case.limits.lag)?;
            (line.state == LinkState::Online).then_some((node, lag))
        })
        .collect();
    if behind.is_empty() {
        return Answer::PASS;
    }
    let told: Vec<String> = behind
        .iter()
        .map(|(node, lag)| {
            format!(
                "{} is {} behind",
                node.name(),
                text::counted(*lag, "record", "records")
            )
        })
        .collect();
    let finding = case
        .finding(
            &CHECK,
            &HIGH,
            Severity::Warning,
            format!("{} {}", list(&told), master.name()),
        )
        .meaning(format!(
            "That much would be lost with the master; the limit is {}.",
            text::counted(case.limits.lag, "record", "records")
        ))
        .about(behind.iter().map(|(n, _)| n.name()))
        .since(Since::Seen(case.now))
        .resting_on(
            list(&told),
            format!("INFO replication of {}", master.name()),
            master.replication.as_ref().map_or(case.now, |k| k.at),
        );
    finding.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;

    #[test]
    fn only_what_is_far_behind_counts() {
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "as under load",
                    instance("orders")
                        .node(master())
                        .node(replica().lagging(1_450)),
                    "pass",
                ),
                (
                    "at the limit",
                    instance("orders")
                        .node(master())
                        .node(replica().lagging(10_000)),
                    "pass",
                ),
                (
                    "beyond",
                    instance("orders")
                        .node(master())
                        .node(replica().lagging(40_000)),
                    "warning degraded: orders-1 is 40.0k records behind orders-0",
                ),
                (
                    "the figure means nothing outside stable sync",
                    instance("orders")
                        .node(master())
                        .node(replica().full_sync(30, 1).lagging(99_999)),
                    "pass",
                ),
                (
                    "no master",
                    instance("orders").node(replica().lagging(99_999)),
                    "n/a",
                ),
            ],
        );
    }
}
