//! `crds: CreateReplace` of a HelmRelease that delivers the operator is taken for what renews its CRD, and is not: it governs
//! the folder `crds/` of a chart, and the operator's chart carries the CRD as a template (read of v1.1 to v1.6.1).

use crate::checks::acceptance::{ACCEPTED, delivery};
use crate::checks::flux;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation, Subject};
use crate::domain::Foreign;

/// The check.
pub const CHECK: Check = Check {
    id: "crds-policy-idle",
    area: Area::Gitops,
    title: "A policy for CRDs that does nothing",
    why: "Who relies on it sets `crds.install` to false, and the CRD stays as old as it was on the first day.",
    reads: "spec.install.crds and spec.upgrade.crds of the HelmReleases that the labels of the operator's Deployment lead to",
    next: "Take the policy out of Git, and leave the chart's own value `crds.install` true: the chart carries the CRD as a \
           template, so that each upgrade of the release renews it. `crds.keep` keeps it when the release goes.",
    situations: &[&IDLE],
    needs: delivery::needs,
    run,
};

const IDLE: Situation = Situation {
    id: "crds-policy-idle",
    word: "idle CRD policy",
    rule: "spec.install.crds or spec.upgrade.crds of a HelmRelease that delivers the operator is Create or CreateReplace",
    meaning: "The CRD is renewed by the chart's template or not at all, whatever this says.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    if !matches!(case.subject, Subject::Operator(_)) {
        return Answer::NOT_APPLICABLE;
    }
    let chain = match delivery::chain(case, &CHECK) {
        Ok(chain) => chain,
        Err(answer) => return *answer,
    };
    let owners: Vec<flux::Ref> = case
        .context
        .operators
        .iter()
        .flat_map(|held| flux::owners(&held.value.meta))
        .collect();
    let mut answer = Answer::NOT_APPLICABLE;
    for link in chain
        .links
        .iter()
        .filter(|link| link.who.what == Foreign::HelmRelease && owners.contains(&link.who))
    {
        let set: Vec<String> = ["install", "upgrade"]
            .into_iter()
            .filter_map(|of| {
                let policy = link
                    .object
                    .body
                    .pointer(&format!("/spec/{of}/crds"))?
                    .as_str()?;
                (policy != "Skip").then(|| format!("spec.{of}.crds {policy}"))
            })
            .collect();
        if set.is_empty() {
            answer = Answer::PASS;
            continue;
        }
        let words = link.who.words();
        return case
            .finding(
                &CHECK,
                &IDLE,
                Severity::Note,
                format!(
                    "{words} sets {}, which does not govern the CRD of the operator's chart",
                    set.join(" and ")
                ),
            )
            .resting_on(set.join(", "), words, link.at)
            .since(Since::Seen(link.at))
            .into();
    }
    answer
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::checks::acceptance::delivery::fixture::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::fixture::Fixture;

    #[test]
    fn a_policy_that_does_nothing_is_told() {
        let with = |spec: Value| {
            move |f: &mut Fixture| {
                delivered_by_release(f);
                read(
                    f,
                    Foreign::HelmRelease,
                    Ok(vec![release("True", "", spec.clone())]),
                );
            }
        };
        operator_table(
            &CHECK,
            &[
                ("none", &with(json!({})), "pass"),
                (
                    "none wanted",
                    &with(json!({"upgrade": {"crds": "Skip"}})),
                    "pass",
                ),
                (
                    "both",
                    &with(
                        json!({"install": {"crds": "Create"}, "upgrade": {"crds": "CreateReplace"}}),
                    ),
                    "note healthy: HelmRelease flux-system/op sets spec.install.crds Create and spec.upgrade.crds CreateReplace, which \
                     does not govern the CRD of the operator's chart",
                ),
                ("delivered by nobody", &|f| operator(f, 2, &[]), "n/a"),
            ],
        );
    }
}
