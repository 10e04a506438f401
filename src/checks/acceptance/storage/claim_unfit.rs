//! A claim is not bound, is lost, or is of another size than the Dragonfly object, its StatefulSet or its volume say: see
//! [`crate::checks::stored`] for how the three come apart.

use crate::checks::acceptance::{ACCEPTED, knows, unread, with_pods};
use crate::checks::stored::{drift, places};
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::Kind;

/// The check.
pub const CHECK: Check = Check {
    id: "claim-unfit",
    area: Area::Storage,
    title: "Volume missing or of another size",
    why: "A claim template cannot be changed: up to operator v1.5 a changed size blocks every other change of the instance, from \
          v1.6.0 it is ignored.",
    reads: "spec.snapshot and spec.tiering of the Dragonfly object, claim templates of the StatefulSet, PVCs",
    next: "See the claims.\n\
           $ {kubectl} get persistentvolumeclaims -l app={name}",
    situations: &[&UNFIT, &LOST],
    needs: Check::NOTHING,
    run,
};

const UNFIT: Situation = Situation {
    id: "claim-unfit",
    word: "volume unfit",
    rule: "a claim that is wanted is absent, pending or being deleted, its size differs between Dragonfly object, template, PVC and \
           volume, or a claim is left that no pod uses",
    meaning: "Snapshots may find less room than was planned, or none.",
    ..ACCEPTED
};

const LOST: Situation = Situation {
    id: "claim-lost",
    word: "volume lost",
    rule: "a claim of the instance is in phase Lost",
    meaning: "What was on the volume is gone.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    let namespace = &*instance.view.id.namespace;
    let places: Vec<_> = places(&instance.view)
        .into_iter()
        .filter(|place| place.claim.is_some())
        .collect();
    if places.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    for (kind, is_shared) in [(Kind::Pvc, false), (Kind::ExistingPvc, true)] {
        let is_asked = places.iter().any(|place| place.is_shared == is_shared);
        if is_asked && !knows(case, kind, namespace) {
            return unread(case, &CHECK, kind, namespace);
        }
    }
    let unfit: Vec<_> = places
        .iter()
        .map(|place| (place, drift(case.context, place)))
        .filter(|(_, drift)| !drift.is_empty())
        .collect();
    let is_lost = |(place, _): &&(&crate::checks::stored::Place<'_>, Vec<String>)| {
        place.pvc.is_some_and(|held| held.value.phase == "Lost")
    };
    let lost = unfit.iter().find(is_lost);
    let Some((place, sentences)) = lost.or(unfit.first()) else {
        return Answer::PASS;
    };
    let claim = place.claim.as_deref().unwrap_or_default();
    let more = match unfit.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let (situation, severity) = match lost {
        Some(_) => (&LOST, Severity::Critical),
        None => (&UNFIT, Severity::Warning),
    };
    let sentence = sentences.first().map_or("", String::as_str);
    let mut finding = case.finding(
        &CHECK,
        situation,
        severity,
        format!("{claim}{more}: {sentence}"),
    );
    let since = unfit
        .iter()
        .filter_map(|(place, _)| Some(place.pvc?.changed))
        .max();
    for (place, sentences) in &unfit {
        for sentence in sentences {
            finding = finding.resting_on(
                sentence.clone(),
                format!("PVC {}", place.claim.as_deref().unwrap_or_default()),
                place
                    .pvc
                    .map_or(instance.view.dragonfly.changed, |held| held.changed),
            );
        }
    }
    let pods = unfit.iter().map(|(place, _)| place.pod.clone());
    finding
        .about(pods.filter(|pod| !pod.is_empty()))
        .since(Since::Seen(
            since.unwrap_or(instance.view.dragonfly.changed),
        ))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::Object;
    use crate::domain::fixture::Fixture;
    use crate::domain::object::{Pvc, Snapshot};
    use std::sync::Arc;

    const GIB: u64 = 1 << 30;

    /// Snapshots on claims of 2 GiB, the one of the second pod as it is changed.
    fn with(change: impl Fn(&mut Pvc) -> bool) -> impl Fn(&mut Fixture) {
        move |f| {
            dragonfly(f, |d| {
                d.snapshot = Some(Snapshot {
                    claim_size: Some(2 * GIB),
                    ..Snapshot::default()
                });
            });
            let claims = (0..3).filter_map(|ordinal| {
                let mut pvc = Pvc {
                    meta: meta(&format!("df-orders-{ordinal}")),
                    phase: "Bound".to_owned(),
                    requested: Some(2 * GIB),
                    capacity: Some(2 * GIB),
                    ..Pvc::default()
                };
                let stays = ordinal != 1 || change(&mut pvc);
                stays.then(|| Object::Pvc(Arc::new(pvc)))
            });
            listed(f, Kind::Pvc, claims.collect());
        }
    }

    #[test]
    fn claims_are_wanted_bound_and_of_one_size() {
        table(
            &CHECK,
            &[
                ("bound", &with(|_| true), "pass"),
                ("nothing is stored", &|_| {}, "n/a"),
                (
                    "pending",
                    &with(|pvc| {
                        pvc.phase = "Pending".to_owned();
                        pvc.capacity = None;
                        true
                    }),
                    "warning healthy: df-orders-1: the PVC is pending: no volume is bound to it yet",
                ),
                (
                    "lost",
                    &with(|pvc| {
                        pvc.phase = "Lost".to_owned();
                        true
                    }),
                    "critical critical: df-orders-1: the PVC has lost its volume: what was on it is gone",
                ),
                (
                    "smaller than it asks for",
                    &with(|pvc| {
                        pvc.capacity = Some(GIB);
                        true
                    }),
                    "warning healthy: df-orders-1: the PVC asks for 2.0 GiB, the volume has 1.0 GiB",
                ),
                (
                    "absent",
                    &with(|_| false),
                    "warning healthy: df-orders-1: PVC df-orders-1 is not there",
                ),
                (
                    "not read",
                    &|f| {
                        dragonfly(f, |d| {
                            d.snapshot = Some(Snapshot {
                                claim_size: Some(GIB),
                                ..Snapshot::default()
                            })
                        })
                    },
                    "note unknown: nothing is known of PVCs of namespace shop: they are not being followed",
                ),
            ],
        );
    }
}
