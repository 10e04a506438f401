//! `maxmemory` leaves too little below the memory limit: buffers of a save or a full sync come on top of the data, and the
//! kernel kills the process (op#42, op#71, df#2739).

use crate::checks::acceptance::flags::{flags, size, value};
use crate::checks::acceptance::{ACCEPTED, mend, untold, with_pods};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Node, Severity, Since, Situation};
use crate::domain::engine::Question;
use crate::domain::text;

/// The check.
pub const CHECK: Check = Check {
    id: "memory-limit-tight",
    area: Area::Instance,
    title: "Memory limit close to maxmemory",
    why: "A full node has buffers of saves and full syncs on top of its data. Beyond its limit it is killed, and its memory is \
          lost with it.",
    reads: "resources of the pods, INFO memory or --maxmemory",
    next: "Raise spec.resources.limits.memory of the Dragonfly object, or lower --maxmemory in spec.args, until maxmemory is at \
           most 80 % of the limit, which is what the server takes by itself.",
    situations: &[&TIGHT, &BEYOND],
    needs: Check::NOTHING,
    run,
};

/// The most of its limit that a node's data may take, percent: what the server takes by itself without --maxmemory.
const MOST: u64 = 80;

const TIGHT: Situation = Situation {
    id: "memory-limit-tight",
    word: "limit tight",
    rule: "maxmemory of a node is more than 80 % of its memory limit",
    meaning: "It may be killed during a save or a full sync once it is full.",
    ..ACCEPTED
};

const BEYOND: Situation = Situation {
    id: "maxmemory-beyond-limit",
    word: "beyond its limit",
    rule: "maxmemory of a node is more than its memory limit",
    meaning: "It is killed before it is full, and its data with it.",
    ..ACCEPTED
};

/// `maxmemory` of a node, bytes, and who says so.
fn most_of(case: &Case<'_>, node: &Node<'_>, limit: u64) -> Option<(u64, String)> {
    let told = node.told(case, Question::Memory, |engine| engine.memory.as_ref());
    if let Some(max) = told
        .and_then(|known| known.value.max)
        .filter(|max| *max > 0)
    {
        return Some((max, format!("INFO memory of {}", node.name())));
    }
    let args = flags(&node.container()?.args);
    let source = || format!("arguments of pod {}", node.name());
    match value(&args, "maxmemory").map(size) {
        Some(Some(max)) if max > 0 => Some((max, source())),
        // 0, as no argument at all: the server takes 80 % of its limit.
        Some(Some(_)) => Some((limit / 100 * MOST, source())),
        Some(None) | None => None,
    }
}

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    let limited: Vec<(&Node<'_>, u64)> = instance
        .nodes
        .iter()
        .filter_map(|node| Some((node, node.container()?.memory_limit.filter(|l| *l > 0)?)))
        .collect();
    if limited.is_empty() {
        // That there is no limit is told by itself.
        return Answer::NOT_APPLICABLE;
    }
    let mut unknown: Vec<&str> = Vec::new();
    let mut tight = Vec::new();
    for (node, limit) in limited {
        match most_of(case, node, limit) {
            None => unknown.push(node.name()),
            Some((max, source)) => {
                let percent = u128::from(max) * 100 / u128::from(limit);
                if percent > u128::from(MOST) {
                    tight.push((node, limit, max, source));
                }
            }
        }
    }
    let worst = tight
        .iter()
        .max_by_key(|(_, limit, max, _)| max.saturating_mul(100) / limit);
    let Some((_, limit, max, _)) = worst else {
        return match unknown.as_slice() {
            [] => Answer::PASS,
            some => untold(
                case,
                &CHECK,
                format!(
                    "maxmemory of {} is not known: not heard, and no --maxmemory among the arguments",
                    list(some)
                ),
            ),
        };
    };
    let names: Vec<&str> = tight.iter().map(|(node, ..)| node.name()).collect();
    let percent = u128::from(*max) * 100 / u128::from(*limit);
    let (situation, severity) = match max > limit {
        true => (&BEYOND, Severity::Critical),
        false => (&TIGHT, Severity::Warning),
    };
    let mut finding = case
        .finding(
            &CHECK,
            situation,
            severity,
            format!(
                "maxmemory {} of {} is {percent} % of the memory limit {}",
                text::bytes(*max),
                list(&names),
                text::bytes(*limit)
            ),
        )
        .about(names);
    let mib = (limit / 4 * 3) >> 20;
    let manifest = mend::arguments(
        &instance.view.id,
        &instance.view.dragonfly.value,
        &["Three quarters of the memory limit. Every pod starts anew for it."],
        |flags, at| flags.get(at).is_some_and(|flag| flag.name != "maxmemory"),
        &[format!("--maxmemory={mib}mb")],
    );
    if let Some(manifest) = manifest {
        finding = finding.mended_by(manifest);
    }
    for (node, limit, max, source) in &tight {
        let at = node.view.pod.changed;
        finding = finding
            .resting_on(
                format!("maxmemory is {}", text::bytes(*max)),
                source.clone(),
                at,
            )
            .resting_on(
                format!("resources.limits.memory is {}", text::bytes(*limit)),
                format!("pod {}", node.name()),
                at,
            );
    }
    // maxmemory can be set at any time, so only our own watching tells since when.
    let seen = tight.iter().map(|(node, ..)| node.view.pod.first_seen);
    finding
        .since(Since::Seen(seen.min().unwrap_or(case.now)))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::engine::{Memory, Probe};
    use crate::domain::fixture::{Fixture, ago};

    /// Limits of all pods in MiB, their arguments, and what the engine of the first one says of maxmemory.
    fn with(limit: Option<u64>, args: &'static [&'static str]) -> impl Fn(&mut Fixture) {
        move |f| {
            pods(f, |_, pod| {
                for container in &mut pod.containers {
                    container.memory_limit = limit.map(|mib| mib << 20);
                    container.args = args.iter().map(|a| (*a).to_owned()).collect();
                }
            });
        }
    }

    #[test]
    fn a_fifth_is_wanted_for_buffers() {
        // Engines of the fixture say maxmemory 1 GiB.
        let silent = |limit, args| {
            move |f: &mut Fixture| {
                for pod in ["orders-0", "orders-1", "orders-2"] {
                    f.answers(pod, Probe::Memory(Memory::default()), ago(1));
                }
                with(limit, args)(f);
            }
        };
        table(
            &CHECK,
            &[
                ("half", &with(Some(2048), &[]), "pass"),
                (
                    "what the server takes by itself",
                    &with(Some(1280), &[]),
                    "pass",
                ),
                (
                    "close",
                    &with(Some(1100), &[]),
                    "warning healthy: maxmemory 1.0 GiB of orders-0, orders-1 and orders-2 is 93 % of the memory limit 1.1 GiB",
                ),
                (
                    "beyond",
                    &with(Some(512), &[]),
                    "critical critical: maxmemory 1.0 GiB of orders-0, orders-1 and orders-2 is 200 % of the memory limit 512 MiB",
                ),
                ("no limit, which is told elsewhere", &with(None, &[]), "n/a"),
                (
                    "by the arguments",
                    &silent(Some(2048), &["--maxmemory=1gb"]),
                    "pass",
                ),
                (
                    "too close by the arguments",
                    &silent(Some(2048), &["--maxmemory", "1.9gb"]),
                    "warning healthy: maxmemory 1.9 GiB of orders-0, orders-1 and orders-2 is 94 % of the memory limit 2.0 GiB",
                ),
                (
                    "by default",
                    &silent(Some(2048), &["--maxmemory=0"]),
                    "pass",
                ),
                (
                    "nobody says",
                    &silent(Some(2048), &[]),
                    "note unknown: maxmemory of orders-0, orders-1 and orders-2 is not known: not heard, and no --maxmemory among the arguments",
                ),
            ],
        );
    }
}
