//! Every node saves by the schedule, or the field that leaves it to the master is set under an operator that gets it wrong:
//! op#498 blocks a rollout, op#393 leaves a new master without a schedule.

use crate::checks::acceptance::ACCEPTED;
use crate::checks::waiting::version;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::Version;

/// The check.
pub const CHECK: Check = Check {
    id: "saved-everywhere",
    area: Area::Storage,
    title: "Snapshots on the master only",
    why: "A replica's snapshot is the master's again: it costs memory, disk and time on every node at the same moment.",
    reads: "spec.snapshot of the Dragonfly object, the operator's version",
    next: "Set spec.snapshot.enableOnMasterOnly true in the Dragonfly object, with operator v1.6.0 or later. There is no server flag \
           for it: the operator clears snapshot_cron on replicas by CONFIG SET.",
    situations: &[&EVERYWHERE, &EARLY, &ABSENT],
    needs: Check::NOTHING,
    run,
};

const EVERYWHERE: Situation = Situation {
    id: "saved-everywhere",
    word: "all save",
    rule: "spec.snapshot.cron is set for several pods without enableOnMasterOnly",
    meaning: "All nodes save at the same moment, each a copy of the same data.",
    ..ACCEPTED
};

const EARLY: Situation = Situation {
    id: "master-only-early",
    word: "op too old",
    rule: "enableOnMasterOnly is set under an operator from v1.3.0 to v1.5.0",
    meaning: "A rollout may hang while a replica loads, and a new master may be left without a schedule.",
    ..ACCEPTED
};

const ABSENT: Situation = Situation {
    id: "master-only-unknown",
    word: "field unknown",
    rule: "enableOnMasterOnly is set under an operator before v1.3.0, which does not have it",
    meaning: "All nodes save at the same moment, as if it were not set.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let held = instance.view.dragonfly;
    let Some(snapshot) = held.value.snapshot.as_ref().filter(|s| s.cron.is_some()) else {
        return Answer::NOT_APPLICABLE;
    };
    if instance.wanted() < 2 {
        return Answer::NOT_APPLICABLE;
    }
    let version = version(case);
    let name = &instance.view.id;
    let (situation, severity, sentence) = match snapshot.master_only {
        false => (
            &EVERYWHERE,
            Severity::Note,
            format!("every node of {name} saves by the schedule, not the master alone"),
        ),
        true if version < Version(1, 3, 0) => (
            &ABSENT,
            Severity::Warning,
            format!(
                "{name} leaves saves to the master, and operator {version} does not know that field"
            ),
        ),
        true if version < Version(1, 6, 0) => (
            &EARLY,
            Severity::Warning,
            format!(
                "{name} leaves saves to the master, which operator {version} gets wrong: a rollout may hang while a replica loads, and a new master may lose the schedule"
            ),
        ),
        true => return Answer::PASS,
    };
    let said = match snapshot.master_only {
        true => "spec.snapshot.enableOnMasterOnly is true",
        false => "spec.snapshot.cron is set, enableOnMasterOnly is not",
    };
    case.finding(&CHECK, situation, severity, sentence)
        .resting_on(said, format!("Dragonfly {name}"), held.changed)
        .since(Since::Seen(held.changed))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::fixture::Fixture;
    use crate::domain::object::{Deployment, Snapshot};
    use crate::domain::{Kind, Object};
    use std::sync::Arc;

    #[test]
    fn the_master_alone_is_to_save() {
        let with = |master_only, operator: &'static str| {
            move |f: &mut Fixture| {
                dragonfly(f, |d| {
                    d.snapshot = Some(Snapshot {
                        cron: Some("0 * * * *".to_owned()),
                        master_only,
                        ..Snapshot::default()
                    });
                });
                let deployment = Deployment {
                    meta: meta("dragonfly-operator"),
                    images: vec![("manager".to_owned(), format!("operator:{operator}"))],
                    ..Deployment::default()
                };
                listed(
                    f,
                    Kind::OperatorDeployment,
                    vec![Object::OperatorDeployment(Arc::new(deployment))],
                );
            }
        };
        table(
            &CHECK,
            &[
                ("no schedule", &|_| {}, "n/a"),
                ("the master alone", &with(true, "v1.6.1"), "pass"),
                (
                    "all",
                    &with(false, "v1.6.1"),
                    "note healthy: every node of shop/orders saves by the schedule, not the master alone",
                ),
                (
                    "under an operator that gets it wrong",
                    &with(true, "v1.5.0"),
                    "warning healthy: shop/orders leaves saves to the master, which operator v1.5.0 gets wrong: a rollout may hang while a replica loads, and a new master may lose the schedule",
                ),
                (
                    "under one that does not know it",
                    &with(true, "v1.2.1"),
                    "warning healthy: shop/orders leaves saves to the master, and operator v1.2.1 does not know that field",
                ),
            ],
        );
    }
}
