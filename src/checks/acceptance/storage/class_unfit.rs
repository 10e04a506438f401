//! A claim's StorageClass is not there, or its volumes cannot grow: the first leaves a new claim pending, the second leaves a full
//! volume as it is.

use crate::checks::acceptance::{ACCEPTED, with_pods};
use crate::checks::stored::{Class, class, places};
use crate::checks::{Answer, Area, Case, Check, Severity, Situation};
use crate::domain::Foreign;

/// The check.
pub const CHECK: Check = Check {
    id: "storage-class-unfit",
    area: Area::Storage,
    title: "StorageClass",
    why: "A claim of a class that is not there is never bound. A volume that cannot grow has to be copied when it is full, node by \
          node.",
    reads: "spec.storageClassName of the claims, StorageClasses",
    next: "See the classes, and which of them allow expansion.\n\
           $ {cluster} get storageclasses",
    situations: &[&ABSENT, &RIGID],
    needs: |case| match case.instance {
        Some(_) => vec![case.want(Foreign::StorageClass, "")],
        None => Vec::new(),
    },
    run,
};

const ABSENT: Situation = Situation {
    id: "storage-class-absent",
    word: "class absent",
    rule: "a claim of the instance names a StorageClass that the cluster does not have",
    meaning: "Volumes that are there stay; a new pod's claim is never bound.",
    ..ACCEPTED
};

const RIGID: Situation = Situation {
    id: "storage-class-rigid",
    word: "cannot grow",
    rule: "the StorageClass of a claim lacks allowVolumeExpansion",
    meaning: "A volume that is full cannot be made larger in its place.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    let places = places(&instance.view);
    let named: Vec<(&str, &str, Class<'_>)> = places
        .iter()
        .filter_map(|place| {
            let held = place.pvc?;
            let name = held.value.class.as_deref()?;
            Some((
                place.claim.as_deref()?,
                name,
                class(case.context, &held.value),
            ))
        })
        .collect();
    if named.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    let classes = match case.listed(&CHECK, Foreign::StorageClass, "") {
        Ok(classes) => classes,
        Err(answer) => return *answer,
    };
    let absent = named.iter().find(|(_, _, class)| *class == Class::Absent);
    let rigid = named
        .iter()
        .find(|(_, _, class)| matches!(class, Class::There { expands: false, .. }));
    let (situation, severity, sentence) = match (absent, rigid) {
        (Some((claim, name, _)), _) => (
            &ABSENT,
            Severity::Warning,
            format!("there is no StorageClass {name}, which {claim} names"),
        ),
        (None, Some((claim, name, _))) => (
            &RIGID,
            Severity::Note,
            format!("volumes of StorageClass {name} cannot grow, and {claim} is one of them"),
        ),
        (None, None) => return Answer::PASS,
    };
    let names: Vec<&str> = classes
        .objects
        .iter()
        .map(|class| &*class.meta.name)
        .collect();
    case.finding(&CHECK, situation, severity, sentence)
        .resting_on(
            match names.is_empty() {
                true => "there are none".to_owned(),
                false => format!("there are {}", crate::checks::words::list(&names)),
            },
            "StorageClasses",
            classes.at,
        )
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::object::{Pvc, Snapshot};
    use crate::domain::{Kind, Object};
    use serde_json::json;
    use std::sync::Arc;

    #[test]
    fn a_class_that_can_grow_is_wanted() {
        let with = |expands: Option<bool>| {
            move |f: &mut _| {
                dragonfly(f, |d| {
                    d.snapshot = Some(Snapshot {
                        claim_size: Some(1 << 30),
                        ..Snapshot::default()
                    });
                });
                let claims = (0..3).map(|ordinal| {
                    Object::Pvc(Arc::new(Pvc {
                        meta: meta(&format!("df-orders-{ordinal}")),
                        phase: "Bound".to_owned(),
                        class: Some("fast".to_owned()),
                        ..Pvc::default()
                    }))
                });
                listed(f, Kind::Pvc, claims.collect());
                let class = expands.map(|expands| json!({"metadata": {"name": "fast"}, "allowVolumeExpansion": expands}));
                let other = json!({"metadata": {"name": "slow"}});
                read(
                    f,
                    Foreign::StorageClass,
                    Ok(class.into_iter().chain([other]).collect()),
                );
            }
        };
        table(
            &CHECK,
            &[
                ("nothing is stored", &|_| {}, "n/a"),
                ("grows", &with(Some(true)), "pass"),
                (
                    "does not",
                    &with(Some(false)),
                    "note healthy: volumes of StorageClass fast cannot grow, and df-orders-0 is one of them",
                ),
                (
                    "is not there",
                    &with(None),
                    "warning healthy: there is no StorageClass fast, which df-orders-0 names",
                ),
            ],
        );
    }
}
