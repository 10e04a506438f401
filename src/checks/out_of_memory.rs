//! A node holds as much as `maxmemory` allows and may not evict: every command that adds data is refused.

use super::words::list;
use super::{Answer, Area, Case, Check, Node, Severity, Shown, Since, Situation, State, rss_guard};
use crate::domain::engine::{Memory, Question};
use crate::domain::text;

/// The situation.
pub const FULL: Situation = Situation {
    id: "out-of-memory",
    word: "out of memory",
    class: State::Degraded,
    rule: "used_memory of a node has reached its maxmemory and its maxmemory_policy is not eviction",
    meaning: "Writes are refused with -ERR Out of memory; reads and deletes work. The texts differ from Redis', so clients \
              may take it for another error.",
    accounts_for: &[],
    shown: Shown::By(&["oom"]),
};

/// The check.
pub const CHECK: Check = Check {
    id: "out-of-memory",
    area: Area::Instance,
    title: "Out of memory",
    why: "At maxmemory a node refuses writes while probes, links and reads look well.",
    reads: "INFO memory and INFO stats of every node",
    next: "Delete or expire keys.\n\
           Or raise maxmemory until the next start, above what is used now and below the memory limit of the pod: put the figure in the place of BYTES.\n\
           $ {redis-cli} CONFIG SET maxmemory BYTES",
    situations: &[&FULL],
    needs: Check::NOTHING,
    run,
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let full: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|node| {
            let told = node.told(case, Question::Memory, |engine| engine.memory.as_ref());
            // Where the guard on resident memory acts, writes are refused for that reason.
            told.is_some_and(|known| is_full(&known.value)) && !rss_guard::holds(case, node)
        })
        .collect();
    if full.is_empty() {
        return Answer::PASS;
    }
    let names: Vec<&str> = full.iter().map(|node| node.name()).collect();
    let serves = full.iter().any(|node| node.serves());
    let refuses = super::words::number(names.len(), "has", "have");
    let mut finding = case
        .finding(
            &CHECK,
            &FULL,
            match serves {
                true => Severity::Critical,
                false => Severity::Warning,
            },
            format!(
                "{} {refuses} reached maxmemory{}",
                list(&names),
                match serves {
                    true => " and refuses writes",
                    false => "",
                }
            ),
        )
        .next(next(
            full.first().copied(),
            instance.view.dragonfly.value.memory_limit,
        ))
        .about(names.iter().copied())
        .since(Since::Seen(case.now));
    if !serves {
        finding = finding.meaning(
            "It still takes what its master sends, and would refuse writes if it became master.",
        );
    }
    for node in full {
        let name = node.name();
        let Some(engine) = node.view.engine else {
            continue;
        };
        if let Some(known) = &engine.memory {
            let (used, max) = (known.value.used.unwrap_or(0), known.value.max.unwrap_or(0));
            finding = finding.resting_on(
                format!(
                    "{} used of maxmemory {}",
                    text::bytes(used),
                    text::bytes(max)
                ),
                format!("INFO memory of {name}"),
                known.at,
            );
        }
        let refused = engine.stats.as_ref().and_then(|known| {
            let count = known.value.oom_rejections.filter(|count| *count > 0)?;
            Some((count, known.at))
        });
        if let Some((count, at)) = refused {
            finding = finding.resting_on(
                format!(
                    "{} refused since its start",
                    text::counted(count, "command", "commands")
                ),
                format!("INFO stats of {name}"),
                at,
            );
        }
    }
    finding.into()
}

/// How room is made, with a figure where one can be told: a quarter more than now, if the pod's memory limit leaves room
/// above it for what is no data.
fn next(node: Option<&Node<'_>>, limit: Option<u64>) -> String {
    let steps = "See which databases hold how many keys, and how many of them expire.\n$ {redis-cli} INFO keyspace\n\
                 Delete keys, or let them expire: DEL works at the limit.";
    let max = node
        .and_then(|node| node.view.engine?.memory.as_ref()?.value.max)
        .unwrap_or(0);
    let more = max.saturating_add(max / 4);
    let (now, more_words) = (text::bytes(max), text::bytes(more));
    let raise = match limit {
        Some(limit) if limit / 10 * 9 >= more => format!(
            "Or raise maxmemory from {now} to {more_words} until the next start; the pod's memory limit is {}.\n$ {{redis-cli}} CONFIG \
             SET maxmemory {more}",
            text::bytes(limit)
        ),
        Some(limit) => format!(
            "Raising maxmemory, {now} now, needs a higher memory limit first: {} leaves no room above it. A changed limit \
             restarts the pods, one after the other.\n$ {{kubectl}} edit dragonfly {{name}}",
            text::bytes(limit)
        ),
        None => format!(
            "Or raise maxmemory, {now} now, until the next start. How much memory its machine has to spare is not known here: put a \
             figure above {now} in the place of BYTES.\n$ {{redis-cli}} CONFIG SET maxmemory BYTES"
        ),
    };
    format!("{steps}\n{raise}")
}

/// At its limit, and not allowed to evict.
fn is_full(memory: &Memory) -> bool {
    let (Some(used), Some(max)) = (memory.used, memory.max) else {
        return false;
    };
    max > 0 && used >= max && memory.evicts != Some(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::engine::Probe;
    use crate::domain::fixture::*;

    #[test]
    fn at_its_limit_a_node_refuses_writes_unless_it_evicts() {
        for (name, pod, used, max, evicts, wanted) in [
            ("below", "orders-0", 99, 100, None, "pass"),
            (
                "the master",
                "orders-0",
                100,
                100,
                Some(false),
                "critical critical: orders-0 has reached maxmemory and refuses writes",
            ),
            (
                "an old server that does not tell its policy",
                "orders-0",
                101,
                100,
                None,
                "critical critical: orders-0 has reached maxmemory and refuses writes",
            ),
            (
                "a replica",
                "orders-2",
                120,
                100,
                Some(false),
                "warning degraded: orders-2 has reached maxmemory",
            ),
            (
                "a cache that evicts",
                "orders-0",
                100,
                100,
                Some(true),
                "pass",
            ),
            ("no limit", "orders-0", 100, 0, None, "pass"),
        ] {
            let mut f = healthy().build();
            let memory = Memory {
                used: Some(used),
                max: Some(max),
                evicts,
                ..Memory::default()
            };
            f.answers(pod, Probe::Memory(memory), ago(1));
            assert_eq!(line(&answer_of(&CHECK, &f)), wanted, "{name}");
        }
    }
}
