//! An operator before v1.6.0 deletes all replicas of a rollout at once (op#359, op#504): until they have synced again the master is
//! alone.

use crate::checks::acceptance::{ACCEPTED, operators};
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::Version;

/// The check.
pub const CHECK: Check = Check {
    id: "operator-rolls-at-once",
    area: Area::Operator,
    title: "Rollouts, one replica at a time",
    why: "Whatever changes the pods' template begins a rollout. Before v1.6.0 it deletes every replica at once.",
    reads: "version of the operator, by its image",
    next: "Before any change of a template (image, arguments, resources, labels), expect moments without a replica; or upgrade the \
           operator to v1.6.0 or later first. With an empty spec.image that upgrade is itself such a change.",
    situations: &[&ROLLS],
    needs: Check::NOTHING,
    run,
};

const ROLLS: Situation = Situation {
    id: "operator-rolls-at-once",
    word: "rolls at once",
    rule: "the operator is older than v1.6.0, and there is an instance of several pods",
    meaning: "In a rollout there is no replica to fail over to until one has synced anew.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let operators = match operators(case, &CHECK) {
        Ok(operators) => operators,
        Err(answer) => return *answer,
    };
    let dragonflies = case.context.dragonflies.iter();
    if !dragonflies
        .map(|held| held.value.replicas.unwrap_or(1))
        .any(|replicas| replicas > 1)
    {
        return Answer::NOT_APPLICABLE;
    }
    let mut known = false;
    for held in operators {
        let Some(version) = held.value.version().and_then(Version::parse) else {
            continue;
        };
        known = true;
        if version >= Version(1, 6, 0) {
            continue;
        }
        let meta = &held.value.meta;
        return case
            .finding(
                &CHECK,
                &ROLLS,
                Severity::Note,
                format!(
                    "operator {}/{} is {version}: a rollout deletes all replicas at once, from v1.6.0 one at a time",
                    meta.namespace, meta.name
                ),
            )
            .resting_on(
                format!("version {version}"),
                format!("image of Deployment {}/{}", meta.namespace, meta.name),
                held.changed,
            )
            .since(Since::Seen(held.changed))
            .into();
    }
    match known {
        true => Answer::PASS,
        false => crate::checks::acceptance::untold(
            case,
            &CHECK,
            "the operator's version is not known: the tag of its image is no version",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::object::Deployment;
    use crate::domain::{Kind, Object};
    use std::sync::Arc;

    #[test]
    fn one_at_a_time_is_wanted() {
        let with = |tag: &'static str| {
            move |f: &mut _| {
                let deployment = Deployment {
                    meta: meta("dragonfly-operator"),
                    replicas: 2,
                    images: vec![("manager".to_owned(), format!("operator:{tag}"))],
                    ..Deployment::default()
                };
                listed(
                    f,
                    Kind::OperatorDeployment,
                    vec![Object::OperatorDeployment(Arc::new(deployment))],
                );
            }
        };
        operator_table(
            &CHECK,
            &[
                ("new", &with("v1.6.0"), "pass"),
                (
                    "old",
                    &with("v1.5.0"),
                    "note healthy: operator shop/dragonfly-operator is v1.5.0: a rollout deletes all replicas at once, from v1.6.0 one at a time",
                ),
                (
                    "unknown",
                    &with("main"),
                    "note unknown: the operator's version is not known: the tag of its image is no version",
                ),
            ],
        );
    }
}
