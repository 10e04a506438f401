//! The CRD is not of the operator's version. What somebody writes into a field that it lacks, the API server drops in silence.
//!
//! A common belief is that `crds: CreateReplace` of a Flux HelmRelease renews it. It governs the folder `crds/` of a chart, and
//! the operator's chart carries its CRD as a template instead (values `crds.install`, `crds.keep`; read of v1.1 to v1.6.1): an
//! upgrade of the release renews it, unless `crds.install` is false.

use crate::checks::acceptance::{ACCEPTED, operators, unread, untold};
use crate::checks::crd_missing::followed;
use crate::checks::schema::{Schema, compare};
use crate::checks::words::{list, number};
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::{Kind, Version};

/// The check.
pub const CHECK: Check = Check {
    id: "crd-of-another-version",
    area: Area::Operator,
    title: "CRD of another version than the operator",
    why: "A field that the schema lacks is dropped without a word when it is written: a security context or a budget that \
          stands in Git never reaches a pod.",
    reads: "fields in the schema of CustomResourceDefinition dragonflies.dragonflydb.io, the version of the operator's image",
    next: "Upgrade the chart with `crds.install` true: it carries the CRD as a template, so that `crds: CreateReplace` of a \
           HelmRelease, which governs the folder crds/ of a chart, does nothing for it.\n\
           Without the chart, apply the CRD from the manifests of exactly the operator's version on the server's side: it is too \
           large for kubectl's annotation.\n\
           $ {cluster} apply --server-side -f crd.yaml",
    situations: &[&OLDER, &NEWER],
    needs: Check::NOTHING,
    run,
};

const OLDER: Situation = Situation {
    id: "crd-older",
    word: "CRD too old",
    rule: "the stored schema lacks a field of spec that the operator's version knows",
    meaning: "What is written into such a field is lost without a word.",
    ..ACCEPTED
};

const NEWER: Situation = Situation {
    id: "crd-newer",
    word: "CRD too new",
    rule: "the stored schema has a field of spec that came after the operator's version",
    meaning: "The operator ignores what is written into such a field.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let all = match operators(case, &CHECK) {
        Ok(all) => all,
        Err(answer) => return *answer,
    };
    if !followed(case, Kind::Crd) {
        return unread(case, &CHECK, Kind::Crd, "");
    }
    // That it is absent is told elsewhere.
    let Some(crd) = case.context.crds.iter().next() else {
        return Answer::NOT_APPLICABLE;
    };
    for held in all {
        let meta = &held.value.meta;
        let name = format!("{}/{}", meta.namespace, meta.name);
        let Some(version) = held.value.version().and_then(Version::parse) else {
            let sentence =
                format!("of which version the operator {name} is, its image does not tell");
            return untold(case, &CHECK, sentence);
        };
        let (situation, severity, fields, what) = match compare(&crd.value, version) {
            Schema::Fits => continue,
            Schema::Untold => {
                return untold(case, &CHECK, "the schema of the CRD names no field");
            }
            Schema::Older(lacks) => (&OLDER, Severity::Warning, lacks, "older"),
            Schema::Newer(more) => (&NEWER, Severity::Note, more, "newer"),
        };
        let does = match what {
            "older" => "lacks",
            _ => "has",
        };
        return case
            .finding(
                &CHECK,
                situation,
                severity,
                format!(
                    "the CRD is {what} than operator {version}: it {does} {} {}",
                    number(fields.len(), "spec field", "spec fields"),
                    list(&fields)
                ),
            )
            .resting_on(
                format!("it {does} {}", fields.join(", ")),
                "schema of the CRD",
                crd.changed,
            )
            .resting_on(
                format!("its image is of {version}"),
                format!("Deployment {}", meta.name),
                held.changed,
            )
            .since(Since::Seen(crd.changed.max(held.changed)))
            .into();
    }
    Answer::PASS
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::Object;
    use crate::domain::fixture::Fixture;
    use crate::domain::object::{Crd, Deployment};

    #[test]
    fn the_schema_is_wanted_to_be_the_operators() {
        let with = |tag: &'static str, fields: &'static [&'static str]| {
            move |f: &mut Fixture| {
                let deployment = Deployment {
                    meta: meta("op"),
                    replicas: 2,
                    images: vec![("manager".to_owned(), format!("operator:{tag}"))],
                    ..Deployment::default()
                };
                let crd = Crd {
                    meta: meta("dragonflies.dragonflydb.io"),
                    established: true,
                    spec_fields: fields.iter().map(|f| (*f).to_owned()).collect(),
                    ..Crd::default()
                };
                listed(
                    f,
                    Kind::OperatorDeployment,
                    vec![Object::OperatorDeployment(Arc::new(deployment))],
                );
                listed(f, Kind::Crd, vec![Object::Crd(Arc::new(crd))]);
            }
        };
        const FIRST: &[&str] = &[
            "aclFromSecret",
            "image",
            "memcachedPort",
            "nodeSelector",
            "priorityClassName",
            "skipFSGroup",
            "topologySpreadConstraints",
        ];
        operator_table(
            &CHECK,
            &[
                ("its own", &with("v1.1.2", FIRST), "pass"),
                (
                    "an older one",
                    &with("v1.1.9", FIRST),
                    "warning healthy: the CRD is older than operator v1.1.9: it lacks spec fields imagePullPolicy, imagePullSecrets \
                     and initContainers",
                ),
                (
                    "a newer one",
                    &with(
                        "v1.1.2",
                        &[
                            "aclFromSecret",
                            "memcachedPort",
                            "nodeSelector",
                            "priorityClassName",
                            "skipFSGroup",
                            "topologySpreadConstraints",
                            "pdb",
                        ],
                    ),
                    "note healthy: the CRD is newer than operator v1.1.2: it has spec field pdb",
                ),
                (
                    "without fields",
                    &with("v1.1.2", &[]),
                    "note unknown: the schema of the CRD names no field",
                ),
                (
                    "no version",
                    &with("latest", FIRST),
                    "note unknown: of which version the operator shop/op is, its image does not tell",
                ),
                (
                    "no CRD, which is told elsewhere",
                    &|f| {
                        operator(f, 2, &[]);
                        listed(f, Kind::Crd, Vec::new());
                    },
                    "n/a",
                ),
                (
                    "CRD not read",
                    &|f| operator(f, 2, &[]),
                    "note unknown: nothing is known of CRD: they are not being followed",
                ),
            ],
        );
    }
}
