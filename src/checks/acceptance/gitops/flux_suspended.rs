//! A Flux object that delivers the operator or an instance is suspended: since when nothing of Git arrives, and by whom.

use crate::checks::acceptance::{ACCEPTED, delivery};
use crate::checks::flux::{self, Standing};
use crate::checks::{Answer, Area, Case, Check, Finding, Severity, Since, Situation};

/// The check.
pub const CHECK: Check = Check {
    id: "flux-suspended",
    area: Area::Gitops,
    title: "Delivery suspended",
    why: "Suspending is how somebody keeps Flux from undoing a change by hand for an hour, and how it is forgotten for a year.",
    reads: "spec.suspend of the HelmReleases, Kustomizations and sources that the labels of the operator's Deployment, the CRD or \
            the Dragonfly object lead to; who wrote it, and when, by their managed fields",
    next: "Ask who suspended it whether the reason still stands; then let it go on.\n\
           $ {cluster} patch {object} --type=merge -p '{\"spec\":{\"suspend\":false}}'",
    situations: &[&SUSPENDED],
    needs: delivery::needs,
    run,
};

const SUSPENDED: Situation = Situation {
    id: "flux-suspended",
    word: "suspended",
    rule: "spec.suspend is true of a Flux object that has its part in the delivery",
    meaning: "What is changed in Git does not arrive, and what is changed by hand is not put back.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let chain = match delivery::chain(case, &CHECK) {
        Ok(chain) => chain,
        Err(answer) => return *answer,
    };
    if chain.links.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    let mut found: Option<Finding> = None;
    for link in &chain.links {
        let Standing::Suspended(writer) = flux::standing(link.who.what, link.object, case.now)
        else {
            continue;
        };
        let words = link.who.words();
        let by = flux::by_whom(writer.as_ref());
        let at = writer.and_then(|writer| writer.at);
        let told = match at {
            Some(at) => format!("spec.suspend is true, written {by} at {at}"),
            None => format!("spec.suspend is true, written {by}"),
        };
        let next = match &mut found {
            Some(first) => first.clone(),
            None => {
                let sentence = format!(
                    "{words}, which delivers {}, is suspended {by}",
                    delivery::what(case)
                );
                case.finding(&CHECK, &SUSPENDED, Severity::Warning, sentence)
                    .next(CHECK.next.replace("{object}", &link.who.argument()))
                    .since(at.map_or(Since::Seen(link.at), Since::Exactly))
            }
        };
        found = Some(next.resting_on(told, words, link.at));
    }
    found.map_or(Answer::PASS, Answer::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::panic)]
    use serde_json::json;

    use super::*;
    use crate::checks::acceptance::delivery::fixture::*;
    use crate::checks::acceptance::fixture::*;
    use crate::checks::fixture::answer_about;
    use crate::checks::{Subject, Verdict};
    use crate::domain::Foreign;
    use crate::domain::fixture::{Fixture, ago, healthy, infra};

    fn suspended(f: &mut Fixture, manager: &str) {
        delivered_by_release(f);
        let mut one = release("True", "", json!({"suspend": true}));
        one["metadata"]["managedFields"] = json!([{
            "manager": manager, "time": ago(7_200).to_string(), "fieldsV1": {"f:spec": {"f:suspend": {}}},
        }]);
        read(f, Foreign::HelmRelease, Ok(vec![one]));
    }

    #[test]
    fn by_whom_it_was_suspended_is_told() {
        operator_table(
            &CHECK,
            &[
                ("not", &delivered_by_release, "pass"),
                (
                    "by somebody",
                    &|f| suspended(f, "flux"),
                    "warning healthy: HelmRelease flux-system/op, which delivers the operator, is suspended by flux",
                ),
                (
                    "by Git",
                    &|f| suspended(f, "kustomize-controller"),
                    "warning healthy: HelmRelease flux-system/op, which delivers the operator, is suspended by what stands in Git \
                     (kustomize-controller)",
                ),
                ("delivered by nobody", &|f| operator(f, 2, &[]), "n/a"),
            ],
        );
    }

    #[test]
    fn and_since_when() {
        let mut f = healthy().build();
        suspended(&mut f, "flux");
        let answer = answer_about(&CHECK, &f, &Subject::Operator(infra()));
        let Verdict::Finding(found) = answer.verdict else {
            panic!("it is a finding");
        };
        assert_eq!(found.since, Since::Exactly(ago(7_200)));
        assert!(
            found.next_step().contains(
                "patch helmreleases.helm.toolkit.fluxcd.io/op -n flux-system --type=merge"
            ),
            "{}",
            found.next_step()
        );
    }
}
