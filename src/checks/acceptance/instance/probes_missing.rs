//! An engine's container has no liveness or no readiness probe: the operator gives it both, so something took them away; or its
//! probes are the operator's own, which say nothing of loading.

use crate::checks::acceptance::{ACCEPTED, with_pods};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Node, Severity, Since, Situation};

/// The check.
pub const CHECK: Check = Check {
    id: "probes-missing",
    area: Area::Instance,
    title: "Probes",
    why: "Without a liveness probe a process that hangs is never started again; without a readiness probe a pod counts as ready as \
          soon as it runs, and the operator counts on it.",
    reads: "livenessProbe and readinessProbe of the container dragonfly",
    next: "Look at spec.additionalContainers of the Dragonfly object: a container named dragonfly there takes the place of the \
           operator's own, probes included. The object has no field for a probe on /healthz, and no port 8080 is served: only \
           9999 answers /healthz, from server v1.38.0. Scripts of your own are given by spec.customReadinessProbeConfigMap and its \
           like, from operator v1.6.0.\n\
           $ {kubectl} get pods -l app={name} -o jsonpath='{.items[*].spec.containers[*].livenessProbe}'",
    situations: &[&MISSING],
    needs: Check::NOTHING,
    run,
};

const MISSING: Situation = Situation {
    id: "probes-missing",
    word: "no probes",
    rule: "the container dragonfly of a pod has no liveness or no readiness probe",
    meaning: "A process that hangs is not started again, or clients are sent to a pod before it can serve.",
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
        .filter(|node| !node.is_going())
        .collect();
    if nodes.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    let lacks = |node: &Node<'_>| {
        let probes = node.container().map(|container| container.probes)?;
        match (probes.liveness, probes.readiness) {
            (true, true) => None,
            (false, true) => Some("no liveness probe"),
            (true, false) => Some("no readiness probe"),
            (false, false) => Some("no probes"),
        }
    };
    let found: Vec<(&Node<'_>, &str)> = nodes
        .into_iter()
        .filter_map(|node| Some((node, lacks(node)?)))
        .collect();
    let Some((_, what)) = found.first() else {
        return Answer::PASS;
    };
    let names: Vec<&str> = found.iter().map(|(node, _)| node.name()).collect();
    let mut finding = case
        .finding(
            &CHECK,
            &MISSING,
            Severity::Warning,
            format!(
                "{} {} {what}",
                list(&names),
                crate::checks::words::has(names.len())
            ),
        )
        .about(names.iter().copied());
    for (node, what) in &found {
        finding = finding.resting_on(
            *what,
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
    use crate::domain::object::Probes;

    #[test]
    fn both_are_wanted() {
        let with = |liveness, readiness| {
            move |f: &mut _| {
                pods(f, |_, pod| {
                    for container in &mut pod.containers {
                        container.probes = Probes {
                            liveness,
                            readiness,
                            startup: false,
                        };
                    }
                });
            }
        };
        table(
            &CHECK,
            &[
                ("both", &with(true, true), "pass"),
                (
                    "none",
                    &with(false, false),
                    "warning healthy: orders-0, orders-1 and orders-2 have no probes",
                ),
                (
                    "one",
                    &with(true, false),
                    "warning healthy: orders-0, orders-1 and orders-2 have no readiness probe",
                ),
            ],
        );
    }
}
