//! One pod of the operator: while it moves to another machine, nobody replaces a master that is lost.

use crate::checks::acceptance::{ACCEPTED, operators};
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};

/// The check.
pub const CHECK: Check = Check {
    id: "operator-alone",
    area: Area::Operator,
    title: "Operator without a second pod",
    why: "A second pod takes over the Lease within seconds. A single one has to be started anew first, for as long as its \
          machine and its image take.",
    reads: "the operator's Deployment",
    next: "Set two replicas where the operator is installed from: `replicaCount` of its chart (1 by default), or spec.replicas \
           of the Deployment in a bundle.",
    situations: &[&ALONE],
    needs: Check::NOTHING,
    run,
};

const ALONE: Situation = Situation {
    id: "operator-alone",
    word: "operator alone",
    rule: "spec.replicas of an operator's Deployment is less than 2",
    meaning: "While its one pod is away, a lost master is not replaced.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let operators = match operators(case, &CHECK) {
        Ok(operators) => operators,
        Err(answer) => return *answer,
    };
    let Some(held) = operators.iter().find(|held| held.value.replicas < 2) else {
        return Answer::PASS;
    };
    let meta = &held.value.meta;
    case.finding(
        &CHECK,
        &ALONE,
        Severity::Warning,
        format!(
            "the operator {}/{} has one replica",
            meta.namespace, meta.name
        ),
    )
    .resting_on(
        format!("spec.replicas is {}", held.value.replicas),
        format!("Deployment {}", meta.name),
        held.changed,
    )
    .since(Since::Seen(held.changed))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::{Access, Fault, FaultKind, Kind};

    #[test]
    fn a_second_replica_is_wanted() {
        let with = |replicas| move |f: &mut _| operator(f, replicas, &[]);
        operator_table(
            &CHECK,
            &[
                ("two", &with(2), "pass"),
                (
                    "one",
                    &with(1),
                    "warning healthy: the operator operators/dragonfly-operator has one replica",
                ),
                ("scaled down, which is told elsewhere", &with(0), "n/a"),
                (
                    "absent, which is told elsewhere",
                    &|f| listed(f, Kind::OperatorDeployment, Vec::new()),
                    "n/a",
                ),
                (
                    "not read",
                    &|_| {},
                    "note unknown: nothing is known of operator Deployment: they are not being followed",
                ),
                (
                    "refused",
                    &|f| {
                        let fault = Fault::new(FaultKind::Forbidden, "deployments is forbidden");
                        watched(f, Kind::OperatorDeployment, Access::Denied(fault));
                    },
                    "note unknown: nothing is known of operator Deployment: deployments is forbidden",
                ),
            ],
        );
        table(&CHECK, &[("no operator", &with(1), "n/a")]);
    }
}
