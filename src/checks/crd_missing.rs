//! The CRD of `Dragonfly` objects is not installed, not established, or does not serve the version that is watched.
//!
//! A cluster without CRD and operator is a cluster that only consumes: nothing is wrong with it.

use jiff::Timestamp;

use super::case::is_followed;
use super::{
    Answer, Area, Case, Check, Finding, Limits, Severity, Shown, Situation, State, Subject,
};
use crate::domain::Kind;
use crate::domain::world::ContextWorld;

/// The check.
pub const CHECK: Check = Check {
    id: "crd-missing",
    area: Area::Operator,
    title: "CRD missing",
    why: "Without the CRD there are no Dragonfly objects, and the operator does not start.",
    next: "See what there is of it.\n\
           $ {kubectl} get crd dragonflies.dragonflydb.io -o yaml\n\
           See the operator's version: its image.\n\
           $ {kubectl} get deployments -A -l control-plane=controller-manager -o wide\n\
           Install the CRD of exactly that version, from the operator's manifests.",
    reads: "CustomResourceDefinition dragonflies.dragonflydb.io, the operator's Deployment",
    situations: &[&MISSING],
    needs: Check::NOTHING,
    run,
};

const MISSING: Situation = Situation {
    id: "crd-missing",
    word: "no CRD",
    class: State::Degraded,
    rule: "the CRD is listed as not there where an operator is or the settings expect one, is not established, or does not serve v1alpha1",
    meaning: "No instance can exist there, or none can be read.",
    shown: Shown::By(&["crd-missing"]),
    ..Situation::BASE
};

/// The version of the API that every operator from v1.1 to v1.6 uses.
const VERSION: &str = "v1alpha1";

fn run(case: &Case<'_>) -> Answer {
    let Subject::Operator(id) = case.subject else {
        return Answer::NOT_APPLICABLE;
    };
    let context = case.context;
    let Some(held) = context.crds.iter().next() else {
        if !followed(case, Kind::Crd) {
            return Answer::NOT_APPLICABLE;
        }
        if !has_operator(context) {
            if case.limits.operators.get(id) != Some(&true) {
                return Answer::NOT_APPLICABLE;
            }
            let sentence = format!(
                "{id}, whose role is infra in the settings, has not the CRD dragonflies.dragonflydb.io"
            );
            return case
                .finding(&CHECK, &MISSING, Severity::Warning, sentence)
                .meaning("No instance can exist there.")
                .into();
        }
        let sentence = format!(
            "the CRD dragonflies.dragonflydb.io is not in {id}: its operator is installed, but cannot work"
        );
        let mut finding = critical(case, sentence)
            .meaning(
                "No instance can exist there. The operator's pods run and look ready, but give up and restart two minutes after \
                 each start.",
            )
            .resting_on("it is not among them", "list of CustomResourceDefinitions", case.now);
        for held in context.operators.iter() {
            finding = finding.resting_on(
                "it is there",
                format!("Deployment {}", held.value.meta.name),
                held.changed,
            );
        }
        return finding.into();
    };
    let crd = &held.value;
    if !crd.established {
        return critical(case, format!("the CRD of {id} is not established"))
            .meaning("The API server does not serve Dragonfly objects yet.")
            .resting_on(
                "Established is not True",
                "conditions of the CRD",
                held.changed,
            )
            .into();
    }
    if !crd.served.iter().any(|v| v == VERSION) {
        return critical(
            case,
            format!(
                "the CRD of {id} does not serve {VERSION}, but {}",
                crd.served.join(", ")
            ),
        )
        .meaning("Instances there cannot be read by this program.")
        .resting_on(crd.served.join(", "), "versions of the CRD", held.changed)
        .into();
    }
    Answer::PASS
}

fn critical(case: &Case<'_>, sentence: String) -> Finding {
    case.finding(&CHECK, &MISSING, Severity::Critical, sentence)
}

fn has_operator(context: &ContextWorld) -> bool {
    !context.operators.is_empty() || !context.operator_pods.is_empty()
}

/// Every question that answers for that kind has been answered and is being followed; false when there is none.
pub(super) fn followed(case: &Case<'_>, kind: Kind) -> bool {
    is_all_followed(case.context, kind, case.limits, case.now)
}

/// The same, of a context at a moment.
pub(super) fn is_all_followed(
    context: &ContextWorld,
    kind: Kind,
    limits: &Limits,
    now: Timestamp,
) -> bool {
    let mut sources = context.sources_of(kind).peekable();
    sources.peek().is_some() && sources.all(|(_, source)| is_followed(source, limits, now))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;
    use std::sync::Arc;

    use crate::domain::object::{Crd, Deployment, Meta};
    use crate::domain::{Fact, Object, Scope};

    #[test]
    fn the_crd_is_held_against_the_operator() {
        let crd = |established, served: &[&str]| {
            Object::Crd(Arc::new(Crd {
                meta: Meta {
                    name: Arc::from("dragonflies.dragonflydb.io"),
                    ..Meta::default()
                },
                established,
                served: served.iter().map(|s| (*s).to_owned()).collect(),
                spec_fields: Vec::new(),
            }))
        };
        let operator = || {
            Object::OperatorDeployment(Arc::new(Deployment {
                meta: Meta {
                    name: Arc::from("operator"),
                    ..Meta::default()
                },
                replicas: 1,
                ready: 1,
                ..Deployment::default()
            }))
        };
        for (crds, operators, wanted) in [
            (vec![crd(true, &["v1alpha1"])], vec![operator()], "pass"),
            (vec![], vec![], "n/a"),
            (
                vec![],
                vec![operator()],
                "critical critical: the CRD dragonflies.dragonflydb.io is not in infra: its operator is installed, but cannot work",
            ),
            (
                vec![crd(false, &["v1alpha1"])],
                vec![],
                "critical critical: the CRD of infra is not established",
            ),
            (
                vec![crd(true, &["v2"])],
                vec![],
                "critical critical: the CRD of infra does not serve v1alpha1, but v2",
            ),
        ] {
            let mut f = healthy().build();
            for (kind, objects) in [(Kind::Crd, crds), (Kind::OperatorDeployment, operators)] {
                f.tell(
                    Fact::Listed {
                        context: infra(),
                        kind,
                        scope: Scope::Cluster,
                        objects,
                    },
                    ago(9),
                );
            }
            assert_eq!(
                line(&answer_about(&CHECK, &f, &Subject::Operator(infra()))),
                wanted
            );
        }
    }
}
