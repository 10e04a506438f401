//! All pods of an instance are in one zone, where the cluster has several: the loss of that zone is the loss of the instance.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::acceptance::{ACCEPTED, with_pods};
use crate::checks::words::{counted, list};
use crate::checks::{Answer, Area, Case, Check, Severity, Situation};
use crate::domain::Foreign;

/// The check.
pub const CHECK: Check = Check {
    id: "pods-in-one-zone",
    area: Area::Instance,
    title: "Pods in one zone",
    why: "A zone fails as a whole, and a volume is bound to one: pods in one zone are lost, or stay Pending, together.",
    reads: "label topology.kubernetes.io/zone of the machines that the pods are on",
    next: "Spread its pods over zones in the Dragonfly object: spec.topologySpreadConstraints with topologyKey \
           topology.kubernetes.io/zone and a labelSelector for app={name}. A pod whose volume is bound to a zone moves only with a \
           new claim.\n\
           See which zones there are.\n\
           $ {cluster} get nodes -L topology.kubernetes.io/zone",
    situations: &[&TOGETHER],
    needs: |case| match case.instance {
        Some(_) => vec![case.want(Foreign::Node, "")],
        None => Vec::new(),
    },
    run,
};

const TOGETHER: Situation = Situation {
    id: "pods-in-one-zone",
    word: "one zone",
    rule: "two pods of an instance or more are all in one zone, and machines of the cluster are in several",
    meaning: "The loss of that zone is the loss of the instance, with all that is not in a snapshot.",
    ..ACCEPTED
};

/// The label by which machines tell their zone.
pub(in crate::checks::acceptance) const ZONE: &str = "topology.kubernetes.io/zone";

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    let machines = match case.listed(&CHECK, Foreign::Node, "") {
        Ok(machines) => machines,
        Err(answer) => return *answer,
    };
    let zones: BTreeMap<&str, &str> = machines
        .objects
        .iter()
        .filter_map(|machine| Some((&*machine.meta.name, machine.meta.labels.get(ZONE)?.as_str())))
        .collect();
    let all: BTreeSet<&str> = zones.values().copied().collect();
    let mut placed: Vec<(&str, &str)> = Vec::new();
    for node in instance.nodes.iter().filter(|node| !node.is_going()) {
        let machine = node.view.pod.value.machine.as_deref();
        if let Some(zone) = machine.and_then(|machine| zones.get(machine)) {
            placed.push((node.name(), zone));
        }
    }
    // Where there is but one zone, nothing can be done about it.
    let (Some((_, zone)), [_, _, ..], true) = (placed.first(), placed.as_slice(), all.len() > 1)
    else {
        return Answer::NOT_APPLICABLE;
    };
    if placed.iter().any(|(_, other)| other != zone) {
        return Answer::PASS;
    }
    let names: Vec<&str> = placed.iter().map(|(name, _)| *name).collect();
    case.finding(
        &CHECK,
        &TOGETHER,
        Severity::Warning,
        format!(
            "{} are all in zone {zone}, of {}",
            list(&names),
            counted(all.len() as u64, "zone", "zones")
        ),
    )
    .about(names.iter().copied())
    .resting_on(
        format!("zones are {}", list(&all.into_iter().collect::<Vec<_>>())),
        format!("label {ZONE} of the machines"),
        machines.at,
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::{Fault, FaultKind};
    use serde_json::json;

    #[test]
    fn zones_are_used_where_there_are_several() {
        let with = |zones: [&'static str; 3], on: [&'static str; 3]| {
            move |f: &mut _| {
                let machine = |name: &str, zone: &str| json!({"metadata": {"name": name, "labels": {ZONE: zone}}});
                let machines = ["a", "b", "c"].iter().zip(zones);
                read(
                    f,
                    Foreign::Node,
                    Ok(machines.map(|(name, zone)| machine(name, zone)).collect()),
                );
                pods(f, |ordinal, pod| {
                    pod.machine = on.get(ordinal).map(|m| (*m).to_owned())
                });
            }
        };
        table(
            &CHECK,
            &[
                ("spread", &with(["1", "2", "3"], ["a", "b", "c"]), "pass"),
                (
                    "two of three",
                    &with(["1", "1", "3"], ["a", "b", "c"]),
                    "pass",
                ),
                (
                    "together",
                    &with(["1", "1", "3"], ["a", "b", "a"]),
                    "warning healthy: orders-0, orders-1 and orders-2 are all in zone 1, of 2 zones",
                ),
                ("one zone", &with(["1", "1", "1"], ["a", "b", "c"]), "n/a"),
                ("not placed", &with(["1", "2", "3"], ["x", "y", "z"]), "n/a"),
                (
                    "not read",
                    &|_| {},
                    "note unknown: nothing is known of machines in infra: they have not been read yet",
                ),
                (
                    "not permitted",
                    &|f| {
                        read(
                            f,
                            Foreign::Node,
                            Err(Fault::new(FaultKind::Forbidden, "may not list nodes")),
                        )
                    },
                    "note unknown: nothing is known of machines in infra: may not list nodes",
                ),
            ],
        );
    }
}
