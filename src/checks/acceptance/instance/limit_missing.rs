//! A node without a memory limit: it takes what its machine has, and the machine then chooses what to kill.

use crate::checks::acceptance::{ACCEPTED, mend, with_pods};
use crate::checks::words::{has, list};
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};

/// The check.
pub const CHECK: Check = Check {
    id: "memory-limit-missing",
    area: Area::Instance,
    title: "No memory limit",
    why: "Without a limit the server takes 80 % of its machine's memory for its own, whatever else runs there.",
    reads: "resources of the container dragonfly in each pod",
    next: "Set spec.resources.limits.memory in the Dragonfly object, and the same as request.",
    situations: &[&MISSING],
    needs: Check::NOTHING,
    run,
};

const MISSING: Situation = Situation {
    id: "memory-limit-missing",
    word: "no memory limit",
    rule: "the container of an engine has no resources.limits.memory",
    meaning: "Where its machine runs short of memory, pods are killed, and it is not said which.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    if instance.nodes.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    let without: Vec<_> = instance
        .nodes
        .iter()
        .filter(|node| node.container().is_some_and(|c| c.memory_limit.is_none()))
        .collect();
    let Some(first) = without.first() else {
        return Answer::PASS;
    };
    let names: Vec<&str> = without.iter().map(|node| node.name()).collect();
    let mut finding = case
        .finding(
            &CHECK,
            &MISSING,
            Severity::Warning,
            format!("{} {} no memory limit", list(&names), has(names.len())),
        )
        .about(names);
    if let Some(at) = first.view.pod.value.meta.created {
        finding = finding.since(Since::Exactly(at));
    }
    // Only the engine's own bound says how much it is to be.
    let most = without.iter().filter_map(|node| {
        let memory = node.view.engine?.memory.as_ref()?;
        memory.value.max.filter(|max| *max > 0)
    });
    if let Some(most) = most.max() {
        let mib = (most / 3 * 4).div_ceil(1 << 20);
        finding = finding.mended_by(mend::dragonfly(
            &instance.view.id,
            &[
                "A third more than maxmemory, which leaves room for a save and a full sync.",
                "Every pod starts anew for it.",
            ],
            &[
                "resources:".to_owned(),
                "  limits:".to_owned(),
                format!("    memory: {mib}Mi"),
            ],
        ));
    }
    for node in &without {
        let source = format!("pod {}", node.name());
        finding = finding.resting_on(
            "resources.limits.memory is absent",
            source,
            node.view.pod.changed,
        );
    }
    finding.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;

    #[test]
    fn each_pod_wants_one() {
        let limited = |which: fn(usize) -> bool| {
            move |f: &mut _| {
                pods(f, |ordinal, pod| {
                    for container in pod.containers.iter_mut().filter(|_| which(ordinal)) {
                        container.memory_limit = Some(1 << 30);
                    }
                });
            }
        };
        table(
            &CHECK,
            &[
                ("all", &limited(|_| true), "pass"),
                (
                    "one has none",
                    &limited(|n| n != 2),
                    "warning healthy: orders-2 has no memory limit",
                ),
                (
                    "none",
                    &|_| {},
                    "warning healthy: orders-0, orders-1 and orders-2 have no memory limit",
                ),
            ],
        );
    }
}
