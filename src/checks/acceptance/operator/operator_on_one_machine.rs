//! All pods of the operator on one machine: a second pod that is lost with the first one is none.

use crate::checks::acceptance::{ACCEPTED, operators, unread};
use crate::checks::crd_missing::followed;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::Kind;

/// The check.
pub const CHECK: Check = Check {
    id: "operator-on-one-machine",
    area: Area::Operator,
    title: "Operator on one machine",
    why: "Pods that share a machine are lost together, often with a master that nobody replaces then.",
    reads: "the operator's Deployment, spec.nodeName of its pods",
    next: "Spread its pods: `manager.topologySpreadConstraints` of its chart, with topologyKey kubernetes.io/hostname.",
    situations: &[&TOGETHER],
    needs: Check::NOTHING,
    run,
};

const TOGETHER: Situation = Situation {
    id: "operator-on-one-machine",
    word: "one machine",
    rule: "an operator has two pods or more, and all of them are on one machine",
    meaning: "Where that machine is lost, a lost master is not replaced until a pod has started elsewhere.",
    ..ACCEPTED
};

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
    let [(first, machine), others @ ..] = placed.as_slice() else {
        return Answer::NOT_APPLICABLE;
    };
    if others.is_empty() {
        // That there is only one is told by itself.
        return Answer::NOT_APPLICABLE;
    }
    if others.iter().any(|(_, other)| other != machine) {
        return Answer::PASS;
    }
    let mut finding = case
        .finding(
            &CHECK,
            &TOGETHER,
            Severity::Warning,
            format!(
                "all {} pods of the operator in {} are on machine {machine}",
                placed.len(),
                first.value.meta.namespace
            ),
        )
        .since(Since::Seen(first.changed));
    for (held, machine) in &placed {
        finding = finding.resting_on(
            format!("spec.nodeName is {machine}"),
            format!("pod {}", held.value.meta.name),
            held.changed,
        );
    }
    finding.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;

    #[test]
    fn its_pods_are_wanted_on_several_machines() {
        operator_table(
            &CHECK,
            &[
                ("apart", &|f| operator(f, 2, &["m-1", "m-2"]), "pass"),
                (
                    "two of three together",
                    &|f| operator(f, 3, &["m-1", "m-1", "m-2"]),
                    "pass",
                ),
                (
                    "together",
                    &|f| operator(f, 2, &["m-1", "m-1"]),
                    "warning healthy: all 2 pods of the operator in operators are on machine m-1",
                ),
                ("alone", &|f| operator(f, 1, &["m-1"]), "n/a"),
                ("none placed", &|f| operator(f, 2, &[]), "n/a"),
                (
                    "not read",
                    &|_| {},
                    "note unknown: nothing is known of operator Deployment: they are not being followed",
                ),
            ],
        );
    }
}
