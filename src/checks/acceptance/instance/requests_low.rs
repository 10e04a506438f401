//! A pod asks for less memory than its engine may fill, or its engine starts more threads than it may use cores: the first is
//! evicted when its machine is short, the second waits for itself.

use crate::checks::acceptance::flags::{flags, size, value};
use crate::checks::acceptance::{ACCEPTED, with_pods};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Node, Severity, Since, Situation};
use crate::domain::text;

/// The check.
pub const CHECK: Check = Check {
    id: "requests-low",
    area: Area::Instance,
    title: "Requests against what the engine uses",
    why: "A machine that is short of memory evicts first whoever uses more than it asked for. A thread that has no core waits while \
          its keys are asked for.",
    reads: "requests and limits of the container dragonfly, maxmemory and thread_count by the engine, else by its arguments",
    next: "Set spec.resources of the Dragonfly object: requests.memory to limits.memory, and --proactor_threads in spec.args to the \
           whole cores of limits.cpu.",
    situations: &[&MEMORY, &THREADS],
    needs: Check::NOTHING,
    run,
};

const MEMORY: Situation = Situation {
    id: "memory-request-low",
    word: "request low",
    rule: "requests.memory of the container is absent, or below maxmemory",
    meaning: "Where its machine runs short of memory, the pod is evicted before others.",
    ..ACCEPTED
};

const THREADS: Situation = Situation {
    id: "threads-beyond-cores",
    word: "threads > cores",
    rule: "the engine has more threads than limits.cpu of its container has cores",
    meaning: "Its threads take turns, and each of them holds up the keys that are its own.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    let nodes: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|node| !node.is_going() && node.container().is_some())
        .collect();
    if nodes.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    let mut low: Vec<(&Node<'_>, String)> = Vec::new();
    let mut crowded: Vec<(&Node<'_>, String)> = Vec::new();
    for node in nodes {
        let Some(container) = node.container() else {
            continue;
        };
        let args = flags(&container.args);
        let memory = node.view.engine.and_then(|engine| engine.memory.as_ref());
        let most = memory
            .and_then(|known| known.value.max)
            .filter(|max| *max > 0)
            .or_else(|| {
                value(&args, "maxmemory")
                    .and_then(size)
                    .filter(|max| *max > 0)
            });
        match (container.memory_request, most) {
            (None, _) => low.push((node, "asks for no memory".to_owned())),
            (Some(request), Some(most)) if request < most => low.push((
                node,
                format!(
                    "asks for {} and may fill {}",
                    text::bytes(request),
                    text::bytes(most)
                ),
            )),
            _ => {}
        }
        let server = node.view.engine.and_then(|engine| engine.server.as_ref());
        let threads = server
            .and_then(|known| known.value.threads)
            .or_else(|| value(&args, "proactor_threads")?.parse().ok());
        if let (Some(cores), Some(threads)) = (container.cpu_limit, threads)
            && threads > 0
            && cores < threads.saturating_mul(1_000)
        {
            crowded.push((
                node,
                format!(
                    "has {} and a limit of {} cores",
                    text::counted(threads, "thread", "threads"),
                    cores as f64 / 1_000.0
                ),
            ));
        }
    }
    let (situation, found) = match (low.is_empty(), crowded.is_empty()) {
        (true, true) => return Answer::PASS,
        (false, _) => (&MEMORY, low),
        (true, false) => (&THREADS, crowded),
    };
    let names: Vec<&str> = found.iter().map(|(node, _)| node.name()).collect();
    let first = found.first().map_or("", |(_, words)| words.as_str());
    let sentence = match names.as_slice() {
        [one] => format!("{one} {first}"),
        several => format!("of {} each {first}", list(several)),
    };
    let mut finding = case
        .finding(&CHECK, situation, Severity::Note, sentence)
        .about(names.iter().copied());
    for (node, words) in &found {
        finding = finding.resting_on(
            words.clone(),
            format!("container dragonfly of pod {}", node.name()),
            node.view.pod.changed,
        );
    }
    let seen = found.iter().map(|(node, _)| node.view.pod.first_seen).min();
    finding.since(Since::Seen(seen.unwrap_or(case.now))).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::fixture::Fixture;

    #[test]
    fn what_is_used_is_to_be_asked_for() {
        // Engines of the fixture say maxmemory 1 GiB.
        let with = |request: Option<u64>, millis: Option<u64>, args: &'static [&'static str]| {
            move |f: &mut Fixture| {
                pods(f, |_, pod| {
                    for container in &mut pod.containers {
                        container.memory_request = request.map(|mib| mib << 20);
                        container.cpu_limit = millis;
                        container.args = args.iter().map(|a| (*a).to_owned()).collect();
                    }
                });
            }
        };
        table(
            &CHECK,
            &[
                ("enough", &with(Some(2048), None, &[]), "pass"),
                (
                    "none",
                    &with(None, None, &[]),
                    "note healthy: of orders-0, orders-1 and orders-2 each asks for no memory",
                ),
                (
                    "too little",
                    &with(Some(512), None, &[]),
                    "note healthy: of orders-0, orders-1 and orders-2 each asks for 512 MiB and may fill 1.0 GiB",
                ),
                (
                    "more threads than cores",
                    &with(Some(2048), Some(500), &["--proactor_threads=2"]),
                    "note healthy: of orders-0, orders-1 and orders-2 each has 2 threads and a limit of 0.5 cores",
                ),
                (
                    "a core each",
                    &with(Some(2048), Some(2_000), &["--proactor_threads=2"]),
                    "pass",
                ),
            ],
        );
    }
}
