//! The operator's own trouble that no rule tells of: reconciliations that fail, and a leadership that was lost.

use super::rules::{self, Rule};
use super::{manifests, stores};
use crate::checks::acceptance::{ACCEPTED, operators};
use crate::checks::listed::listed;
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Situation, Subject};
use crate::domain::want::{Foreign, Want};

/// The check.
pub const CHECK: Check = Check {
    id: "operator-unwatched",
    area: Area::Observability,
    title: "Nothing alerts about the operator",
    why: "While the operator fails at every try, or none of its pods leads, the next master that is lost is replaced by nobody.",
    reads: "PrometheusRules and VMRules, or the rules that the metrics store tells of",
    next: "Add the rules that are missing. See which there are.\n\
           $ {cluster} get prometheusrules,vmrules --all-namespaces",
    situations: &[&UNWATCHED],
    needs,
    run,
};

const UNWATCHED: Situation = Situation {
    id: "operator-unwatched",
    word: "no rules",
    rule: "no alerting rule reads controller_runtime_reconcile_errors_total, or none reads leader_election_master_status, of the operator",
    meaning: "Nobody is told that no failover would happen.",
    ..ACCEPTED
};

fn needs(case: &Case<'_>) -> Vec<Want> {
    match case.subject {
        Subject::Operator(_) => rules::needs(case.context, &case.limits.expected),
        _ => Vec::new(),
    }
}

/// A rule about other controllers is none about this one.
fn watches(rule: &Rule, metric: &str, own: &[&str]) -> bool {
    rule.reads.selectors.iter().any(|one| {
        one.metric == metric
            && one.matchers.iter().all(|matcher| {
                let is_named = matches!(matcher.label.as_str(), "controller" | "name");
                !is_named || own.iter().any(|name| super::cover::matches(matcher, name))
            })
    })
}

fn run(case: &Case<'_>) -> Answer {
    let operators = match operators(case, &CHECK) {
        Ok(operators) => operators,
        Err(answer) => return *answer,
    };
    let found = stores::stores(case.context, &case.limits.expected);
    let rules = match rules::rules(case, &CHECK, &found) {
        Ok(rules) => rules,
        Err(answer) => return *answer,
    };
    // Its controllers, as controller-runtime calls them, and its Lease (operators up to v1.6.1).
    let wanted: [(&str, &str, &[&str]); 2] = [
        (
            "reconciliations that fail (controller_runtime_reconcile_errors_total)",
            "controller_runtime_reconcile_errors_total",
            &[
                "dragonfly",
                "Dragonfly",
                "DragonflyPodLifecycle",
                "dragonflypodlifecycle",
            ],
        ),
        (
            "a lost leadership (leader_election_master_status)",
            "leader_election_master_status",
            &["31079dea.dragonflydb.io"],
        ),
    ];
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|(_, metric, own)| !rules.alerts.iter().any(|rule| watches(rule, metric, own)))
        .map(|(words, ..)| *words)
        .collect();
    if missing.is_empty() {
        return Answer::PASS;
    }
    if let Some(lacking) = rules.lacking {
        return *lacking;
    }
    let served: Vec<Foreign> = rules::KINDS
        .iter()
        .copied()
        .filter(|kind| listed(case.context, *kind, "").is_ok())
        .collect();
    let finding = case
        .finding(
            &CHECK,
            &UNWATCHED,
            Severity::Warning,
            format!("no rule watches the operator for {}", list(&missing)),
        )
        .resting_on(
            format!("{} rules that raise alerts were read", rules.alerts.len()),
            "rules about Dragonfly and its operator",
            case.now,
        );
    match (served.is_empty(), operators.first()) {
        (false, Some(held)) => finding
            .mended_by(manifests::rules(&held.value.meta.namespace, &served))
            .into(),
        _ => finding.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::checks::acceptance::fixture::{operator, operator_table};

    #[test]
    fn failures_and_a_lost_leadership_are_to_be_told() {
        const ERRORS: (&str, &str) = (
            "E",
            "rate(controller_runtime_reconcile_errors_total{controller=~\"dragonfly.*\"}[5m]) > 0",
        );
        const LEADER: (&str, &str) = (
            "L",
            "leader_election_master_status{name=\"31079dea.dragonflydb.io\"} == 0",
        );
        let with = |some: &'static [(&'static str, &'static str)]| {
            move |f: &mut _| {
                operator(f, 1, &["m-1"]);
                bare(f);
                rules(f, some);
            }
        };
        operator_table(
            &CHECK,
            &[
                ("both", &with(&[ERRORS, LEADER]), "pass"),
                (
                    "one",
                    &with(&[ERRORS]),
                    "warning healthy: no rule watches the operator for a lost leadership (leader_election_master_status)",
                ),
                (
                    "of other controllers",
                    &with(&[
                        LEADER,
                        (
                            "E",
                            "controller_runtime_reconcile_errors_total{controller=\"certificate\"} > 0",
                        ),
                    ]),
                    "warning healthy: no rule watches the operator for reconciliations that fail (controller_runtime_reconcile_errors_total)",
                ),
                (
                    "nothing that monitors",
                    &|f| {
                        operator(f, 1, &["m-1"]);
                        unmonitored(f);
                    },
                    "n/a",
                ),
                (
                    "no operator",
                    &bare,
                    "note unknown: nothing is known of operator Deployment: they are not being followed",
                ),
            ],
        );
    }
}
