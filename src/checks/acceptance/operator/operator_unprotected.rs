//! No PodDisruptionBudget for the operator: a drain may take all of its pods at once. The story's chart value for one does
//! not exist: no version of the chart up to v1.6.1 has a template for it.

use super::super::knows;
use crate::checks::acceptance::{ACCEPTED, operators, unread};
use crate::checks::crd_missing::followed;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::Kind;

/// The check.
pub const CHECK: Check = Check {
    id: "operator-unprotected",
    area: Area::Operator,
    title: "Operator without a PodDisruptionBudget",
    why: "Without one, draining machines may evict all of its pods at once, and with them whoever would replace a master that \
          is evicted next.",
    reads: "PodDisruptionBudgets of the operator's namespace, labels of its pods",
    next: "Apply one of your own: no version of the operator's chart up to v1.6.1 has a template or a value for it.\n\
           $ {cluster} -n {namespace} create poddisruptionbudget dragonfly-operator --selector=control-plane=controller-manager --min-available=1",
    situations: &[&UNPROTECTED],
    needs: Check::NOTHING,
    run,
};

const UNPROTECTED: Situation = Situation {
    id: "operator-unprotected",
    word: "no budget",
    rule: "an operator wants two pods or more, and no PodDisruptionBudget of its namespace selects them",
    meaning: "A drain may stop the operator altogether for as long as its pods take to start elsewhere.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let operators = match operators(case, &CHECK) {
        Ok(operators) => operators,
        Err(answer) => return *answer,
    };
    // A budget of a single pod would only keep its machine from being drained.
    let several: Vec<_> = operators
        .into_iter()
        .filter(|held| held.value.replicas > 1)
        .collect();
    if several.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    if !followed(case, Kind::OperatorPod) {
        return unread(case, &CHECK, Kind::OperatorPod, "");
    }
    for held in several {
        let meta = &held.value.meta;
        let namespace = &*meta.namespace;
        if !knows(case, Kind::Pdb, namespace) {
            return unread(case, &CHECK, Kind::Pdb, namespace);
        }
        let pods = case.context.operator_pods.iter();
        let pods: Vec<_> = pods
            .filter(|pod| *pod.value.meta.namespace == *namespace)
            .collect();
        let budgets = || {
            let all = case.context.pdbs.iter();
            all.filter(|pdb| *pdb.value.meta.namespace == *namespace)
        };
        let selected = pods.iter().any(|pod| {
            budgets().any(|pdb| {
                let selector = pdb.value.selector.as_ref();
                selector.is_some_and(|s| s.selects(&pod.value.meta.labels))
            })
        });
        if selected || pods.is_empty() {
            continue;
        }
        return case
            .finding(
                &CHECK,
                &UNPROTECTED,
                Severity::Warning,
                format!(
                    "no PodDisruptionBudget selects the pods of the operator {namespace}/{}",
                    meta.name
                ),
            )
            .next(CHECK.next.replace("{namespace}", namespace))
            .resting_on(
                format!("none of {} selects them", budgets().count()),
                format!("PodDisruptionBudgets of namespace {namespace}"),
                case.now,
            )
            .since(Since::Seen(held.changed))
            .into();
    }
    Answer::PASS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::Scope;
    use std::sync::Arc;

    #[test]
    fn a_budget_that_selects_its_pods_is_wanted() {
        let scope = || Scope::Namespace(Arc::from("operators"));
        let with = |budgets: &'static [&'static str]| {
            move |f: &mut _| {
                operator(f, 2, &["m-1", "m-2"]);
                let budgets = budgets.iter().map(|app| budget_in("operators", app, 1));
                listed_in(f, Kind::Pdb, scope(), budgets.collect());
            }
        };
        const NONE: &str = "warning healthy: no PodDisruptionBudget selects the pods of the operator operators/dragonfly-operator";
        operator_table(
            &CHECK,
            &[
                ("one", &with(&["dragonfly-operator"]), "pass"),
                ("none", &with(&[]), NONE),
                ("another's", &with(&["other"]), NONE),
                (
                    "not read",
                    &|f| operator(f, 2, &["m-1", "m-2"]),
                    "note unknown: nothing is known of PodDisruptionBudgets of namespace operators: they are not being followed",
                ),
                ("a single pod", &|f| operator(f, 1, &["m-1"]), "n/a"),
            ],
        );
    }
}
