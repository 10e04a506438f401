//! Pods of an instance share a machine: its loss takes more than one node of them.

use std::collections::BTreeMap;

use crate::checks::acceptance::{ACCEPTED, with_pods};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};

/// The check.
pub const CHECK: Check = Check {
    id: "pods-on-one-machine",
    area: Area::Instance,
    title: "Pods on one machine",
    why: "Pods that share a machine are lost together: with the last one, so is the data.",
    reads: "spec.nodeName of the pods",
    next: "Spread its pods in the Dragonfly object: spec.topologySpreadConstraints with topologyKey kubernetes.io/hostname and a \
           labelSelector for app={name}; whenUnsatisfiable DoNotSchedule makes it sure.\n\
           See where they are.\n\
           $ {kubectl} get pods -l app={name} -o wide",
    situations: &[&TOGETHER],
    needs: Check::NOTHING,
    run,
};

const TOGETHER: Situation = Situation {
    id: "pods-on-one-machine",
    word: "one machine",
    rule: "two pods of an instance or more are on one machine: a warning if all are, else advice",
    meaning: "The loss of that machine takes several nodes at once.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    let mut machines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let staying = instance.nodes.iter().filter(|node| !node.is_going());
    for node in staying {
        if let Some(machine) = node.view.pod.value.machine.as_deref() {
            machines.entry(machine).or_default().push(node.name());
        }
    }
    let placed: usize = machines.values().map(Vec::len).sum();
    if placed < 2 {
        return Answer::NOT_APPLICABLE;
    }
    let Some((machine, pods)) = machines
        .iter()
        .max_by_key(|(_, pods)| pods.len())
        .filter(|(_, pods)| pods.len() > 1)
    else {
        return Answer::PASS;
    };
    let severity = match pods.len() == placed {
        true => Severity::Warning,
        false => Severity::Note,
    };
    let mut finding = case
        .finding(
            &CHECK,
            &TOGETHER,
            severity,
            format!("{} are on the same machine {machine}", list(pods)),
        )
        .about(pods.iter().copied());
    if severity == Severity::Warning {
        finding = finding.meaning("The loss of that machine is the loss of the instance, with all that is not in a snapshot.");
    }
    let mut since = None;
    for node in instance
        .nodes
        .iter()
        .filter(|node| pods.contains(&node.name()))
    {
        let pod = node.view.pod;
        // A pod stays where it was put: together since the later of them was made.
        since = since.max(pod.value.meta.created);
        finding = finding.resting_on(
            format!("spec.nodeName is {machine}"),
            format!("pod {}", node.name()),
            pod.changed,
        );
    }
    match since {
        Some(at) => finding.since(Since::Exactly(at)).into(),
        None => finding.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::{Access, Fault, FaultKind, Kind};

    #[test]
    fn pods_are_wanted_apart() {
        let on = |machines: [&'static str; 3]| {
            move |f: &mut _| {
                pods(f, |ordinal, pod| {
                    pod.machine = machines.get(ordinal).map(|m| (*m).to_owned());
                });
            }
        };
        table(
            &CHECK,
            &[
                ("apart", &on(["a", "b", "c"]), "pass"),
                (
                    "two together",
                    &on(["a", "b", "b"]),
                    "note healthy: orders-1 and orders-2 are on the same machine b",
                ),
                (
                    "all together",
                    &on(["a", "a", "a"]),
                    "warning healthy: orders-0, orders-1 and orders-2 are on the same machine a",
                ),
                ("not placed", &|_| {}, "n/a"),
                (
                    "pods are not followed",
                    &|f| {
                        let fault = Fault::new(FaultKind::Forbidden, "pods is forbidden");
                        watched(f, Kind::Pod, Access::Denied(fault));
                    },
                    "note unknown: nothing is known of Dragonfly pods of namespace shop: pods is forbidden",
                ),
            ],
        );
    }
}
