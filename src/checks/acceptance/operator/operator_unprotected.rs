//! No PodDisruptionBudget for the operator: a drain may take all of its pods at once. A value for one in the chart is a common
//! belief: no version of the chart up to v1.6.1 has a template for it.

use std::collections::BTreeMap;

use crate::checks::acceptance::{ACCEPTED, operators, unread};
use crate::checks::crd_missing::followed;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::object::Deployment;
use crate::domain::selector::Selector;
use crate::domain::want::ForeignObject;
use crate::domain::world::Held;
use crate::domain::{Foreign, Kind, Want};

/// The check.
pub const CHECK: Check = Check {
    id: "operator-unprotected",
    area: Area::Operator,
    title: "Operator without a PodDisruptionBudget",
    why: "Without one, draining machines may evict all of its pods at once, and with them whoever would replace a master that \
          is evicted next.",
    reads: "PodDisruptionBudgets of the operator's namespace, labels of its pods",
    next: "Apply one of your own: no version of the operator's chart up to v1.6.1 has a template or a value for it, so that \
           `pdb` among its values does nothing.\n\
           $ {cluster} -n {namespace} create poddisruptionbudget {deployment} --selector=control-plane=controller-manager --min-available=1",
    situations: &[&UNPROTECTED, &NEVER],
    needs,
    run,
};

const UNPROTECTED: Situation = Situation {
    id: "operator-unprotected",
    word: "no budget",
    rule: "an operator wants two pods or more, and no PodDisruptionBudget of its namespace selects them",
    meaning: "A drain may stop the operator altogether for as long as its pods take to start elsewhere.",
    ..ACCEPTED
};

const NEVER: Situation = Situation {
    id: "operator-never-drained",
    word: "never drained",
    rule: "a PodDisruptionBudget that selects pods of the operator wants all of them healthy",
    meaning: "A drain of its machines waits for ever.",
    ..ACCEPTED
};

/// Operators with two pods or more: a budget of a single pod would only keep its machine from being drained.
fn of_several<'a>(case: &Case<'a>) -> Result<Vec<&'a Held<Deployment>>, Box<Answer>> {
    let mut all = operators(case, &CHECK)?;
    all.retain(|held| held.value.replicas > 1);
    Ok(all)
}

fn needs(case: &Case<'_>) -> Vec<Want> {
    let all = of_several(case).unwrap_or_default();
    all.iter()
        .map(|held| case.want(Foreign::PodDisruptionBudget, &held.value.meta.namespace))
        .collect()
}

fn run(case: &Case<'_>) -> Answer {
    let several = match of_several(case) {
        Ok(several) => several,
        Err(answer) => return *answer,
    };
    if several.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    if !followed(case, Kind::OperatorPod) {
        return unread(case, &CHECK, Kind::OperatorPod, "");
    }
    for held in several {
        let meta = &held.value.meta;
        let namespace = &*meta.namespace;
        let budgets = match case.listed(&CHECK, Foreign::PodDisruptionBudget, namespace) {
            Ok(listed) => listed,
            Err(answer) => return *answer,
        };
        let pods: Vec<_> = case
            .context
            .operator_pods
            .iter()
            .filter(|pod| *pod.value.meta.namespace == *namespace)
            .map(|pod| &pod.value.meta.labels)
            .collect();
        if pods.is_empty() {
            continue;
        }
        let selecting = |budget: &&&ForeignObject| {
            let selector = budget.body.pointer("/spec/selector").map(Selector::of);
            selector.is_some_and(|s| pods.iter().any(|labels| s.selects(labels)))
        };
        let source = format!("PodDisruptionBudgets of namespace {namespace}");
        let Some(budget) = budgets.objects.iter().find(selecting) else {
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
                .next(
                    CHECK
                        .next
                        .replace("{namespace}", namespace)
                        .replace("{deployment}", &meta.name),
                )
                .resting_on(
                    format!("none of {} selects them", budgets.objects.len()),
                    source,
                    budgets.at,
                )
                .mended_by(manifest(namespace, &meta.name, &pods))
                .since(Since::Seen(held.changed))
                .into();
        };
        let figure = |key: &str| {
            let value = budget.body.pointer(&format!("/status/{key}"));
            value.and_then(serde_json::Value::as_i64).unwrap_or(0)
        };
        let (desired, expected) = (figure("desiredHealthy"), figure("expectedPods"));
        if expected > 0 && desired >= expected {
            let name = &budget.meta.name;
            return case
                .finding(
                    &CHECK,
                    &NEVER,
                    Severity::Warning,
                    format!(
                        "PodDisruptionBudget {namespace}/{name} lets no pod of the operator go: it wants {desired} of {expected} healthy"
                    ),
                )
                .next("Let it allow one: spec.minAvailable 1 with two pods.")
                .resting_on(
                    format!("{desired} of {expected} are wanted healthy"),
                    format!("PodDisruptionBudget {name}"),
                    budgets.at,
                )
                .mended_by(manifest(namespace, name, &pods))
                .since(Since::Seen(budgets.at))
                .into();
        }
    }
    Answer::PASS
}

/// A budget for these pods: by the labels that tell the operator's pods, of those that all of them carry.
fn manifest(namespace: &str, name: &str, pods: &[&BTreeMap<String, String>]) -> String {
    const TELLING: &[&str] = &[
        "app.kubernetes.io/name",
        "app.kubernetes.io/instance",
        "control-plane",
        "app",
    ];
    let shared = |key: &&&str| {
        let value = pods.first().and_then(|labels| labels.get(**key));
        value.is_some() && pods.iter().all(|labels| labels.get(**key) == value)
    };
    let labels: Vec<String> = TELLING
        .iter()
        .filter(shared)
        .filter_map(|key| Some(format!("      {key}: {:?}", pods.first()?.get(*key)?)))
        .collect();
    format!(
        "# The operator's chart makes none, in any version up to v1.6.1: its values know no `pdb`.\n\
         apiVersion: policy/v1\n\
         kind: PodDisruptionBudget\n\
         metadata:\n  name: {name}\n  namespace: {namespace}\n\
         spec:\n  # One pod goes on leading while the others move.\n  minAvailable: 1\n  selector:\n    matchLabels:\n{}\n",
        labels.join("\n")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::checks::fixture::answer_about;
    use crate::checks::{Subject, Verdict};
    use crate::domain::fixture::{Fixture, healthy, infra};
    use crate::domain::{Fault, FaultKind, Scope};

    fn budgets(f: &mut Fixture, found: Result<Vec<serde_json::Value>, Fault>) {
        let scope = Scope::Namespace(Arc::from("operators"));
        read_in(f, &infra(), Foreign::PodDisruptionBudget, scope, found);
    }

    fn budget(app: &str, desired: i64) -> serde_json::Value {
        json!({
            "metadata": {"name": format!("of-{app}"), "namespace": "operators"},
            "spec": {"selector": {"matchLabels": {"app": app}}},
            "status": {"desiredHealthy": desired, "expectedPods": 2},
        })
    }

    #[test]
    fn a_budget_that_selects_its_pods_is_wanted() {
        let with = |all: &'static [(&'static str, i64)]| {
            move |f: &mut Fixture| {
                operator(f, 2, &["m-1", "m-2"]);
                let all = all.iter().map(|(app, desired)| budget(app, *desired));
                budgets(f, Ok(all.collect()));
            }
        };
        const NONE: &str = "warning healthy: no PodDisruptionBudget selects the pods of the operator operators/dragonfly-operator";
        operator_table(
            &CHECK,
            &[
                ("one", &with(&[("dragonfly-operator", 1)]), "pass"),
                ("none", &with(&[]), NONE),
                ("another's", &with(&[("other", 1)]), NONE),
                (
                    "one that is never met",
                    &with(&[("dragonfly-operator", 2)]),
                    "warning healthy: PodDisruptionBudget operators/of-dragonfly-operator lets no pod of the operator go: it wants 2 of 2 healthy",
                ),
                (
                    "not read",
                    &|f| operator(f, 2, &["m-1", "m-2"]),
                    "note unknown: nothing is known of PodDisruptionBudgets of namespace operators in infra: they have not been read yet",
                ),
                (
                    "refused",
                    &|f| {
                        operator(f, 2, &["m-1", "m-2"]);
                        let fault =
                            Fault::new(FaultKind::Forbidden, "may not list poddisruptionbudgets");
                        budgets(f, Err(fault));
                    },
                    "note unknown: nothing is known of PodDisruptionBudgets of namespace operators in infra: may not list poddisruptionbudgets",
                ),
                ("a single pod", &|f| operator(f, 1, &["m-1"]), "n/a"),
            ],
        );
    }

    #[test]
    fn it_is_mended_by_a_budget_for_those_pods() {
        let mut f = healthy().build();
        operator(&mut f, 2, &["m-1", "m-2"]);
        budgets(&mut f, Ok(Vec::new()));
        let subject = Subject::Operator(infra());
        let Verdict::Finding(found) = answer_about(&CHECK, &f, &subject).verdict else {
            unreachable!("it is a finding");
        };
        let manifest = found.manifest.unwrap();
        assert!(manifest.contains("minAvailable: 1"), "{manifest}");
        assert!(
            manifest.ends_with("    matchLabels:\n      app: \"dragonfly-operator\"\n"),
            "{manifest}"
        );
    }
}
