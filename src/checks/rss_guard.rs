//! A node turns new clients away because the memory that it really uses is far above `maxmemory`, however little its
//! data takes: the process runs, probes pass, nothing restarts, and nobody gets in.

use jiff::Timestamp;

use super::words::list;
use super::{Answer, Area, Case, Check, Node, Severity, Shown, Since, Situation, State};
use crate::domain::data_port::Found;
use crate::domain::engine::Question;
use crate::domain::text;
use crate::domain::world::EngineRecord;

/// The situation.
pub const REFUSES: Situation = Situation {
    id: "rss-guard",
    word: "refuses clients",
    class: State::Degraded,
    rule: "used_memory_rss of a node is above rss_oom_deny_ratio (1.25 unless the node tells another) x maxmemory",
    meaning: "New clients are let in and closed at once without a word; those that are connected read, but their writes get \
              -ERR Out of memory. Kubernetes calls the pod ready.",
    accounts_for: &["out-of-memory", "data-port-unusable"],
    shown: Shown::By(&["rss-guard"]),
};

/// The check.
pub const CHECK: Check = Check {
    id: "rss-guard",
    area: Area::Instance,
    title: "Memory guard turns clients away",
    why: "The guard on resident memory closes every new connection while all else looks well; it has lasted for days unseen.",
    reads: "INFO memory of every node, CONFIG GET rss_oom_deny_ratio, the try at port 6379 of an instance in view",
    next: "Give unused pages back.\n\
           $ {redis-cli} MEMORY DECOMMIT\n\
           If that is not enough, raise maxmemory and the memory limit of the pod with it, in the Dragonfly object.\n\
           $ {kubectl} edit dragonfly {name}",
    situations: &[&REFUSES],
    needs: Check::NOTHING,
    run,
};

/// A node over its guard.
struct Over<'a, 'b> {
    node: &'b Node<'a>,
    rss: u64,
    max: u64,
    ratio: u64,
    at: Timestamp,
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let over: Vec<Over<'_, '_>> = instance
        .nodes
        .iter()
        .filter_map(|node| guard(case, node))
        .collect();
    if over.is_empty() {
        return Answer::PASS;
    }
    let told: Vec<String> = over
        .iter()
        .map(|one| {
            format!(
                "{} ({} resident, {} % of maxmemory {})",
                one.node.name(),
                text::bytes(one.rss),
                u128::from(one.rss) * 100 / u128::from(one.max),
                text::bytes(one.max)
            )
        })
        .collect();
    let serves = over.iter().any(|one| one.node.serves());
    let turns = super::words::number(over.len(), "turns", "turn");
    let mut finding = case
        .finding(
            &CHECK,
            &REFUSES,
            match serves {
                true => Severity::Critical,
                false => Severity::Warning,
            },
            format!("{} {turns} new clients away", list(&told)),
        )
        .about(over.iter().map(|one| one.node.name()))
        .since(Since::Seen(case.now));
    if !serves {
        finding = finding
            .meaning("It would turn every client away as soon as it became master; Kubernetes calls it ready.");
    }
    for one in over {
        let name = one.node.name();
        finding = finding
            .resting_on(
                format!(
                    "used_memory_rss is {}, maxmemory {}",
                    text::bytes(one.rss),
                    text::bytes(one.max)
                ),
                format!("INFO memory of {name}"),
                one.at,
            )
            .resting_on(
                format!("the guard stands at {} % of maxmemory", one.ratio),
                match ratio(one.node) {
                    Some(_) => format!("CONFIG GET of {name}"),
                    None => "the server's default, for the node has not told its own".to_owned(),
                },
                one.node
                    .view
                    .engine
                    .and_then(|engine| engine.config.as_ref())
                    .map_or(one.at, |known| known.at),
            );
        let knocked = one.node.view.engine.and_then(|e| e.data_port.as_ref());
        if let Some(known) = knocked.filter(|known| known.value.found == Found::ClosedAtOnce) {
            finding = finding.resting_on(
                known.value.words(),
                format!("a try at port 6379 of {name}"),
                known.at,
            );
        }
    }
    finding.into()
}

/// Whether a node is over its guard.
fn guard<'a, 'b>(case: &Case<'_>, node: &'b Node<'a>) -> Option<Over<'a, 'b>> {
    let known = node.told(case, Question::Memory, |engine| engine.memory.as_ref())?;
    let (rss, max) = (known.value.rss?, known.value.max?);
    let ratio = ratio(node).unwrap_or(EngineRecord::GUARD);
    let over = max > 0 && ratio > 0 && u128::from(rss) * 100 > u128::from(max) * u128::from(ratio);
    over.then_some(Over {
        node,
        rss,
        max,
        ratio,
        at: known.at,
    })
}

/// Its own ratio, percent; 0 where the guard is off.
fn ratio(node: &Node<'_>) -> Option<u64> {
    node.view.engine?.guard_percent()
}

/// Whether the guard is what turns clients away there.
pub(super) fn holds(case: &Case<'_>, node: &Node<'_>) -> bool {
    guard(case, node).is_some()
}

/// Whether the guard is what turned clients away there at that moment, as far as is known: it holds, or has been seen to be
/// gone only later.
pub(super) fn held(case: &Case<'_>, node: &Node<'_>, then: Timestamp) -> bool {
    let ended = node.view.engine.and_then(|engine| engine.guard_ended);
    holds(case, node) || ended.is_some_and(|ended| then <= ended)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::engine::{Config, Memory, Probe};
    use crate::domain::fixture::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn resident_memory_past_the_guard_turns_clients_away() {
        for (name, pod, rss, max, ratio, wanted) in [
            ("well below", "orders-0", GIB, GIB, None, "pass"),
            ("just at it", "orders-0", GIB * 5 / 4, GIB, None, "pass"),
            (
                "past it",
                "orders-0",
                GIB * 5 / 4 + 1,
                GIB,
                None,
                "critical critical: orders-0 (1.3 GiB resident, 125 % of maxmemory 1.0 GiB) turns new clients away",
            ),
            (
                "a replica",
                "orders-1",
                2 * GIB,
                GIB,
                None,
                "warning degraded: orders-1 (2.0 GiB resident, 200 % of maxmemory 1.0 GiB) turns new clients away",
            ),
            (
                "its own guard is higher",
                "orders-0",
                2 * GIB,
                GIB,
                Some("3"),
                "pass",
            ),
            (
                "its own guard is off",
                "orders-0",
                9 * GIB,
                GIB,
                Some("0"),
                "pass",
            ),
            ("no limit at all", "orders-0", 9 * GIB, 0, None, "pass"),
        ] {
            let mut f = healthy().build();
            let memory = Memory {
                used: Some(GIB / 8),
                rss: Some(rss),
                max: Some(max),
                ..Memory::default()
            };
            f.answers(pod, Probe::Memory(memory), ago(1));
            if let Some(ratio) = ratio {
                let flags = [("rss_oom_deny_ratio".to_owned(), ratio.to_owned())];
                let config = Config {
                    flags: flags.into(),
                    ..Config::default()
                };
                f.answers(pod, Probe::Config(config), ago(300));
            }
            assert_eq!(line(&answer_of(&CHECK, &f)), wanted, "{name}");
        }
    }
}
