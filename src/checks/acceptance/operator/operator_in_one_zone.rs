//! All pods of the operator in one zone, though its machines stand in several: they are lost with it.

use std::collections::BTreeMap;

use crate::checks::acceptance::{ACCEPTED, operators, unread};
use crate::checks::crd_missing::followed;
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::{Foreign, Kind, Want};

/// The check.
pub const CHECK: Check = Check {
    id: "operator-in-one-zone",
    area: Area::Operator,
    title: "Operator in one zone",
    why: "A zone is lost as a whole, often with a master that nobody replaces then.",
    reads: "spec.nodeName of the operator's pods, label topology.kubernetes.io/zone of the machines",
    next: "Spread its pods: `manager.topologySpreadConstraints` of its chart, with topologyKey topology.kubernetes.io/zone \
           beside kubernetes.io/hostname.\n\
           See which machine stands where.\n\
           $ {cluster} get nodes -L topology.kubernetes.io/zone",
    situations: &[&TOGETHER],
    needs,
    run,
};

const TOGETHER: Situation = Situation {
    id: "operator-in-one-zone",
    word: "one zone",
    rule: "an operator has pods on two machines or more, machines of the cluster stand in several zones, and all of its pods in one",
    meaning: "Where that zone is lost, a lost master is not replaced until a pod has started elsewhere.",
    ..ACCEPTED
};

/// The label that names a machine's zone.
const ZONE: &str = "topology.kubernetes.io/zone";

fn needs(case: &Case<'_>) -> Vec<Want> {
    let several = operators(case, &CHECK).is_ok_and(|all| all.iter().any(|h| h.value.replicas > 1));
    match several {
        true => vec![case.want(Foreign::Node, "")],
        false => Vec::new(),
    }
}

fn run(case: &Case<'_>) -> Answer {
    match operators(case, &CHECK) {
        Ok(_) => {}
        Err(answer) => return *answer,
    }
    if !followed(case, Kind::OperatorPod) {
        return unread(case, &CHECK, Kind::OperatorPod, "");
    }
    let placed: Vec<_> = case
        .context
        .operator_pods
        .iter()
        .filter(|held| held.value.meta.deleting.is_none())
        .filter_map(|held| Some((held, held.value.machine.as_deref()?)))
        .collect();
    let mut machines: Vec<&str> = placed.iter().map(|(_, machine)| *machine).collect();
    machines.sort_unstable();
    machines.dedup();
    if machines.len() < 2 {
        // That is told by itself.
        return Answer::NOT_APPLICABLE;
    }
    let nodes = match case.listed(&CHECK, Foreign::Node, "") {
        Ok(nodes) => nodes,
        Err(answer) => return *answer,
    };
    let zones: BTreeMap<&str, &str> = nodes
        .objects
        .iter()
        .filter_map(|node| Some((&*node.meta.name, node.meta.labels.get(ZONE)?.as_str())))
        .collect();
    if zones
        .values()
        .all(|zone| Some(zone) == zones.values().next())
    {
        return Answer::NOT_APPLICABLE;
    }
    let own: Vec<&str> = machines
        .iter()
        .filter_map(|machine| zones.get(machine).copied())
        .collect();
    let Some(zone) = own.first() else {
        return Answer::NOT_APPLICABLE;
    };
    // A machine without a zone may stand anywhere.
    if own.len() < machines.len() || own.iter().any(|other| other != zone) {
        return Answer::PASS;
    }
    let mut finding = case
        .finding(
            &CHECK,
            &TOGETHER,
            Severity::Warning,
            format!(
                "all {} pods of the operator are in zone {zone}: on {}",
                placed.len(),
                list(&machines)
            ),
        )
        .since(Since::Seen(
            placed
                .iter()
                .map(|(held, _)| held.changed)
                .max()
                .unwrap_or(case.now),
        ));
    for machine in &machines {
        finding = finding.resting_on(
            format!("{ZONE} is {zone}"),
            format!("machine {machine}"),
            nodes.at,
        );
    }
    finding.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::fixture::Fixture;

    #[test]
    fn its_pods_are_wanted_in_several_zones() {
        let with = |machines: &'static [&'static str],
                    zones: &'static [(&'static str, Option<&'static str>)]| {
            move |f: &mut Fixture| {
                operator(f, 2, machines);
                let node = |(name, zone): &(&str, Option<&str>)| match zone {
                    Some(zone) => json!({"metadata": {"name": name, "labels": {ZONE: zone}}}),
                    None => json!({"metadata": {"name": name}}),
                };
                read(f, Foreign::Node, Ok(zones.iter().map(node).collect()));
            }
        };
        const TWO: &[(&str, Option<&str>)] =
            &[("m-1", Some("a")), ("m-2", Some("a")), ("m-3", Some("b"))];
        operator_table(
            &CHECK,
            &[
                ("apart", &with(&["m-1", "m-3"], TWO), "pass"),
                (
                    "together",
                    &with(&["m-1", "m-2"], TWO),
                    "warning healthy: all 2 pods of the operator are in zone a: on m-1 and m-2",
                ),
                (
                    "on one machine, which is told elsewhere",
                    &with(&["m-1", "m-1"], TWO),
                    "n/a",
                ),
                (
                    "one zone is all there is",
                    &with(&["m-1", "m-2"], &[("m-1", Some("a")), ("m-2", Some("a"))]),
                    "n/a",
                ),
                (
                    "no zones",
                    &with(&["m-1", "m-2"], &[("m-1", None), ("m-2", None)]),
                    "n/a",
                ),
                (
                    "a machine of which it is not said",
                    &with(
                        &["m-1", "m-2"],
                        &[("m-1", Some("a")), ("m-2", None), ("m-3", Some("b"))],
                    ),
                    "pass",
                ),
                (
                    "machines not read",
                    &|f| operator(f, 2, &["m-1", "m-2"]),
                    "note unknown: nothing is known of machines in infra: they have not been read yet",
                ),
            ],
        );
    }
}
