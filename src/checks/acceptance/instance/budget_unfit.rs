//! A PodDisruptionBudget is missing, there is one too many, or it allows nothing ever: a drain evicts too much, or hangs.
//!
//! The operator makes one by itself from v1.2.0, so that one's own beside it is the common mistake.

use crate::checks::acceptance::{ACCEPTED, knows, mend, unread, with_pods};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Finding, Severity, Since, Situation};
use crate::domain::Kind;
use crate::domain::object::Pdb;
use crate::domain::world::Held;

/// The check.
pub const CHECK: Check = Check {
    id: "budget-unfit",
    area: Area::Instance,
    title: "PodDisruptionBudget missing, double, or never to be met",
    why: "Without one a drain may evict every pod at once. With two on a pod, or one that allows nothing, the eviction is refused \
          and the drain hangs.",
    reads: "PodDisruptionBudgets of its namespace, labels of the pods",
    next: "See which there are.\n\
           $ {kubectl} get poddisruptionbudgets -o wide",
    situations: &[&NONE, &SEVERAL, &NEVER],
    needs: Check::NOTHING,
    run,
};

const NONE: Situation = Situation {
    id: "budget-missing",
    word: "no budget",
    rule: "two pods or more are wanted, and no PodDisruptionBudget selects one of them",
    meaning: "A drain may evict every pod at once.",
    ..ACCEPTED
};

const SEVERAL: Situation = Situation {
    id: "budget-double",
    word: "two budgets",
    rule: "more than one PodDisruptionBudget selects the same pod",
    meaning: "The API server refuses to evict a pod that has two, so that a drain of its machine hangs.",
    ..ACCEPTED
};

const NEVER: Situation = Situation {
    id: "budget-never-met",
    word: "no disruptions",
    rule: "the PodDisruptionBudget of the pods wants as many healthy as there are, so that it allows no disruption even while all are healthy",
    meaning: "A drain of a machine with one of its pods hangs for ever.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    // The operator makes none for a single pod, and is about to make one for what is new.
    if instance.wanted() < 2 {
        return Answer::NOT_APPLICABLE;
    }
    if instance.young_until.is_some() {
        return Answer::NOT_APPLICABLE.again(instance.young_until);
    }
    let namespace = &*instance.view.id.namespace;
    if !knows(case, Kind::Pdb, namespace) {
        return unread(case, &CHECK, Kind::Pdb, namespace);
    }
    let (mut none, mut several, mut one): (Vec<&str>, Vec<&str>, Vec<&Held<Pdb>>) =
        Default::default();
    let mut beside: Vec<&Held<Pdb>> = Vec::new();
    for node in instance.nodes.iter().filter(|node| !node.is_going()) {
        let labels = &node.view.pod.value.meta.labels;
        let selecting: Vec<&Held<Pdb>> = instance
            .view
            .pdbs
            .iter()
            .copied()
            .filter(|pdb| {
                pdb.value
                    .selector
                    .as_ref()
                    .is_some_and(|s| s.selects(labels))
            })
            .collect();
        match selecting.as_slice() {
            [] => none.push(node.name()),
            [only] => one.push(only),
            more => {
                several.push(node.name());
                beside.extend(more);
            }
        }
    }
    let name = &instance.view.id;
    if !several.is_empty() {
        let finding = case
            .finding(
                &CHECK,
                &SEVERAL,
                Severity::Warning,
                format!(
                    "{} select {}",
                    list(&names(&beside)),
                    list(&several)
                ),
            )
            .next(
                "Delete the one that is not the operator's: the operator makes one named after the instance, from v1.2.0, and \
                 spec.pdb of the Dragonfly object says what it is to hold, from v1.5.0.\n\
                 $ {kubectl} get poddisruptionbudgets -o wide",
            )
            .about(several.iter().copied());
        return resting_on(finding, &beside).into();
    }
    if !none.is_empty() {
        return case
            .finding(
                &CHECK,
                &NONE,
                Severity::Warning,
                format!("no PodDisruptionBudget selects {}", list(&none)),
            )
            .next(
                "The operator makes one by itself from v1.2.0: see why it did not, and which version it is.\n\
                 $ {kubectl} get events --field-selector involvedObject.name={name}",
            )
            .about(none.iter().copied())
            .mended_by(budget(name))
            .resting_on(
                "none of them selects it",
                format!("PodDisruptionBudgets of namespace {namespace}"),
                case.now,
            )
            .into();
    }
    let never = one.iter().find(|pdb| {
        let pdb = &pdb.value;
        pdb.allowed == 0 && pdb.expected > 0 && pdb.desired >= pdb.expected
    });
    match never {
        Some(pdb) => {
            let finding = case
                .finding(
                    &CHECK,
                    &NEVER,
                    Severity::Warning,
                    format!(
                        "PodDisruptionBudget {} allows no pod of {name} to be disrupted: it wants {} of {} healthy",
                        pdb.value.meta.name, pdb.value.desired, pdb.value.expected
                    ),
                )
                .next(
                    "Let it allow one: spec.pdb in the Dragonfly object, from operator v1.5.0; where the budget is somebody's own, that.",
                );
            // Somebody's own is theirs to change.
            let finding = match pdb.value.meta.name == name.name {
                true => finding.mended_by(allowing_one(name, &pdb.value)),
                false => finding,
            };
            resting_on(finding, &[*pdb]).into()
        }
        None if one.is_empty() => Answer::NOT_APPLICABLE,
        None => Answer::PASS,
    }
}

/// The Dragonfly object with a budget that lets one pod go. Of the two ways to say so only one may be set: that which is.
fn allowing_one(id: &crate::domain::InstanceId, pdb: &Pdb) -> String {
    let line = match pdb.min_available {
        Some(_) => format!("  minAvailable: {}", pdb.expected.saturating_sub(1)),
        None => "  maxUnavailable: 1".to_owned(),
    };
    mend::dragonfly(
        id,
        &["One pod at a time may be disrupted (operator v1.5.0 and later)."],
        &["pdb:".to_owned(), line],
    )
}

/// What the operator makes from v1.2.0, by the same name, so that it takes it over rather than making a second one.
fn budget(id: &crate::domain::InstanceId) -> String {
    let (name, namespace) = (mend::quoted(&id.name), mend::quoted(&id.namespace));
    format!(
        "# One pod at a time may be disrupted. Named as the operator names its own (v1.2.0 and later).\n\
         # kubectl --context {} apply --server-side --field-manager=darner-remedy -f -\n\
         apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata:\n  name: {name}\n  namespace: {namespace}\n\
         spec:\n  maxUnavailable: 1\n  selector:\n    matchLabels:\n      app: {name}\n      \
         app.kubernetes.io/name: dragonfly\n",
        id.context
    )
}

fn names(budgets: &[&Held<Pdb>]) -> Vec<String> {
    let mut names: Vec<String> = budgets
        .iter()
        .map(|pdb| format!("PodDisruptionBudget {}", pdb.value.meta.name))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn resting_on(mut finding: Finding, budgets: &[&Held<Pdb>]) -> Finding {
    let mut told: Vec<&str> = Vec::new();
    for held in budgets {
        let pdb = &held.value;
        if told.contains(&&*pdb.meta.name) {
            continue;
        }
        told.push(&pdb.meta.name);
        finding = finding.resting_on(
            format!(
                "allows {} disruptions, {} of {} healthy, {} wanted",
                pdb.allowed, pdb.healthy, pdb.expected, pdb.desired
            ),
            format!("PodDisruptionBudget {}", pdb.meta.name),
            held.changed,
        );
    }
    let since = budgets.iter().map(|held| held.changed).max();
    match since {
        Some(at) => finding.since(Since::Seen(at)),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::object::Meta;
    use crate::domain::{Object, Scope};
    use std::sync::Arc;

    #[test]
    fn exactly_one_that_can_be_met_is_wanted() {
        let with = |budgets: &'static [(&'static str, i64)]| {
            move |f: &mut _| {
                let budgets = budgets
                    .iter()
                    .map(|(app, allowed)| budget_in("shop", app, *allowed));
                listed_in(
                    f,
                    Kind::Pdb,
                    Scope::Namespace(Arc::from("shop")),
                    budgets.collect(),
                );
            }
        };
        let unhealthy = |f: &mut _| {
            let Object::Pdb(mut pdb) = budget_in("shop", "orders", 1) else {
                return;
            };
            // One pod is away, so nothing is allowed for now.
            let one = Arc::make_mut(&mut pdb);
            (one.allowed, one.healthy) = (0, 2);
            listed_in(
                f,
                Kind::Pdb,
                Scope::Namespace(Arc::from("shop")),
                vec![Object::Pdb(pdb)],
            );
        };
        let of_one_pod = |f: &mut _| {
            pods(f, |ordinal, pod| {
                if ordinal == 2 {
                    pod.meta = Meta {
                        labels: [
                            ("app".to_owned(), "orders".to_owned()),
                            ("odd".to_owned(), "yes".to_owned()),
                        ]
                        .into(),
                        ..pod.meta.clone()
                    };
                }
            });
            let Object::Pdb(mut pdb) = budget_in("shop", "orders", 1) else {
                return;
            };
            Arc::make_mut(&mut pdb).selector = Some(crate::domain::selector::Selector {
                labels: [("odd".to_owned(), "yes".to_owned())].into(),
                expressions: Vec::new(),
            });
            listed_in(
                f,
                Kind::Pdb,
                Scope::Namespace(Arc::from("shop")),
                vec![Object::Pdb(pdb)],
            );
        };
        table(
            &CHECK,
            &[
                ("one", &with(&[("orders", 1)]), "pass"),
                (
                    "one, and another instance's",
                    &with(&[("orders", 1), ("carts", 1)]),
                    "pass",
                ),
                (
                    "none",
                    &with(&[]),
                    "warning healthy: no PodDisruptionBudget selects orders-0, orders-1 and orders-2",
                ),
                (
                    "one of one pod only",
                    &of_one_pod,
                    "warning healthy: no PodDisruptionBudget selects orders-0 and orders-1",
                ),
                (
                    "two",
                    &with(&[("orders", 1), ("orders", 2)]),
                    "warning healthy: PodDisruptionBudget of-orders-1 and PodDisruptionBudget of-orders-2 select orders-0, orders-1 and orders-2",
                ),
                (
                    "never met",
                    &with(&[("orders", 0)]),
                    "warning healthy: PodDisruptionBudget of-orders-0 allows no pod of shop/orders to be disrupted: it wants 3 of 3 healthy",
                ),
                ("not met for now", &unhealthy, "pass"),
                (
                    "not read",
                    &|_| {},
                    "note unknown: nothing is known of PodDisruptionBudgets of namespace shop: they are not being followed",
                ),
                (
                    "a single pod",
                    &|f| dragonfly(f, |d| d.replicas = Some(1)),
                    "n/a",
                ),
            ],
        );
    }

    #[test]
    fn it_is_mended_by_the_field_that_is_set() {
        let id = crate::domain::fixture::healthy().build().id;
        let pdb = |min: Option<&str>| Pdb {
            min_available: min.map(str::to_owned),
            expected: 3,
            ..Pdb::default()
        };
        for (set, line) in [
            (None, "    maxUnavailable: 1\n"),
            (Some("3"), "    minAvailable: 2\n"),
        ] {
            let manifest = allowing_one(&id, &pdb(set));
            assert!(manifest.ends_with(&format!("  pdb:\n{line}")), "{manifest}");
        }
    }
}
