//! The Dragonfly object sets a label that the operator manages: from v1.6.0 the operator refuses the whole object, and only its
//! log says so; before, the label took the place of the one that Services and budgets select by (op#488).

use crate::checks::acceptance::ACCEPTED;
use crate::checks::waiting::version;
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::Version;

/// The check.
pub const CHECK: Check = Check {
    id: "labels-managed",
    area: Area::Instance,
    title: "Labels that are the operator's own",
    why: "From operator v1.6.0 an object with such a label is not reconciled: no change of it takes effect, and neither its status \
          nor an event says why. Before, the label took the place of the one that everything selects the pods by.",
    reads: "labels in spec.labels, spec.podMetadata, spec.ownedObjectsMetadata and spec.serviceSpec of the Dragonfly object",
    next: "Take these labels out of the Dragonfly object; the operator sets them by itself.\n\
           $ {kubectl} edit dragonfly {name}",
    situations: &[&MANAGED],
    needs: Check::NOTHING,
    run,
};

const MANAGED: Situation = Situation {
    id: "labels-managed",
    word: "label managed",
    rule: "spec of the Dragonfly object sets the label app, or app.kubernetes.io/name, instance, component, version, part-of or \
           managed-by",
    meaning: "The operator does nothing for this instance any more, or selects the wrong pods.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let held = instance.view.dragonfly;
    let managed = &held.value.managed_labels;
    if managed.is_empty() {
        return Answer::PASS;
    }
    let version = version(case);
    let name = &instance.view.id;
    let (severity, what) = match version >= Version(1, 6, 0) {
        true => (
            Severity::Critical,
            format!("operator {version} does not reconcile it for that"),
        ),
        false => (
            Severity::Warning,
            format!(
                "under operator {version} it takes the place of the operator's own, and v1.6.0 would not reconcile it"
            ),
        ),
    };
    let labels: Vec<&str> = managed.iter().map(String::as_str).collect();
    case.finding(
        &CHECK,
        &MANAGED,
        severity,
        format!("{name} sets {}: {what}", list(&labels)),
    )
    .resting_on(labels.join(", "), format!("Dragonfly {name}"), held.changed)
    .since(Since::Seen(held.changed))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;

    #[test]
    fn labels_of_the_operator_are_left_to_it() {
        table(
            &CHECK,
            &[
                ("none", &|_| {}, "pass"),
                (
                    "one",
                    &|f| dragonfly(f, |d| d.managed_labels = vec!["spec.labels app".to_owned()]),
                    "critical critical: shop/orders sets spec.labels app: operator v1.6.1 does not reconcile it for that",
                ),
            ],
        );
    }
}
