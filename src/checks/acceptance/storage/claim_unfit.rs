//! A claim is not bound, is lost, or is of another size than the Dragonfly object, its StatefulSet or its volume say: see
//! [`crate::checks::stored`] for how the three come apart.

use crate::checks::acceptance::mend::quoted;
use crate::checks::acceptance::{ACCEPTED, knows, unread, with_pods};
use crate::checks::stored::{Place, drift, places};
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::text::{bytes, shell_word};
use crate::domain::{InstanceId, Kind};

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
    let all: Vec<&Place<'_>> = unfit.iter().map(|(place, _)| *place).collect();
    finding = finding.next(steps(&instance.view.id, &all));
    if let Some(manifest) = expanded(&instance.view.id, &all) {
        finding = finding.mended_by(manifest);
    }
    finding
        .about(pods.filter(|pod| !pod.is_empty()))
        .since(Since::Seen(
            since.unwrap_or(instance.view.dragonfly.changed),
        ))
        .into()
}

/// The size that a claim is to have, bytes: by the Dragonfly object, else by the template.
fn target(place: &Place<'_>) -> Option<u64> {
    place.wanted.or(place.template)
}

/// What the claim asks for, bytes.
fn asked(place: &Place<'_>) -> Option<u64> {
    place.pvc?.value.requested
}

/// Claims that ask for less than they are to have, each with that.
fn small<'p>(all: &[&'p Place<'p>]) -> Vec<(&'p str, u64)> {
    all.iter()
        .filter_map(|place| {
            let target =
                target(place).filter(|target| asked(place).is_some_and(|a| a < *target))?;
            Some((place.claim.as_deref()?, target))
        })
        .collect()
}

/// What to do about each, in the order in which it must be done: volumes first, then the template, which nobody can change.
fn steps(id: &InstanceId, all: &[&Place<'_>]) -> String {
    let mut lines: Vec<String> = Vec::new();
    let lost = all
        .iter()
        .find(|place| place.pvc.is_some_and(|held| held.value.phase == "Lost"));
    if let Some(place) = lost {
        let claim = shell_word(place.claim.as_deref().unwrap_or_default());
        lines.push(format!(
            "See what became of the volume. Where it does not come back, delete the claim and then its pod: both are made anew, and the \
             node syncs from its master. Never do so with the only node that has the data.\n\
             $ {{kubectl}} describe persistentvolumeclaim {claim}"
        ));
    }
    for (claim, target) in small(all) {
        lines.push(format!(
            "Expand {claim} to {}; its StorageClass must allow expansion, and no volume ever shrinks.\n\
             $ {{kubectl}} patch persistentvolumeclaim {} --type merge -p '{{\"spec\":{{\"resources\":{{\"requests\":{{\"storage\":\"{}\"}}}}}}}}'",
            bytes(target),
            shell_word(claim),
            quantity(target)
        ));
    }
    let large = all.iter().find_map(|place| {
        let asked = asked(place)?;
        let target = target(place).filter(|target| asked > *target)?;
        Some((place.claim.as_deref()?, asked, target))
    });
    if let Some((claim, asked, target)) = large {
        lines.push(format!(
            "{claim} asks for {} and cannot shrink to {}: put the larger size into the Dragonfly object.\n\
             $ {{kubectl}} get persistentvolumeclaims -l app={{name}}",
            bytes(asked),
            bytes(target)
        ));
    }
    let is_other = |place: &&&Place<'_>| {
        let differs = place.wanted.is_some() && place.template.is_some();
        differs && place.wanted != place.template || place.is_wanted != place.is_template
    };
    if all.iter().any(|place| is_other(&place)) {
        lines.push(format!(
            "Then delete the StatefulSet and leave its pods (orphan): the operator makes it anew at once, with the claims that the \
             Dragonfly object asks for, and takes the pods over. Nobody is disconnected by that.\n\
             $ {{kubectl}} delete statefulset {} --cascade=orphan\n\
             See that it is there again.\n\
             $ {{kubectl}} get statefulset {}",
            shell_word(&id.name),
            shell_word(&id.name)
        ));
    }
    let grows = all.iter().find(|place| {
        let pvc = place.pvc.map(|held| &held.value);
        pvc.is_some_and(|pvc| pvc.requested.zip(pvc.capacity).is_some_and(|(a, c)| c < a))
    });
    if let Some(place) = grows {
        lines.push(format!(
            "See what the volume waits for: a file system may grow only when its pod starts anew, replicas first.\n\
             $ {{kubectl}} describe persistentvolumeclaim {}",
            shell_word(place.claim.as_deref().unwrap_or_default())
        ));
    }
    if let Some(place) = all.iter().find(|place| place.pod.is_empty()) {
        let claim = shell_word(place.claim.as_deref().unwrap_or_default());
        lines.push(format!(
            "No pod uses {claim}: once nobody needs what is on it, delete it.\n\
             $ {{kubectl}} delete persistentvolumeclaim {claim}"
        ));
    }
    match lines.is_empty() {
        true => String::new(),
        false => lines.join("\n"),
    }
}

/// The claims with the size that they are to have; `None` where none is too small.
fn expanded(id: &InstanceId, all: &[&Place<'_>]) -> Option<String> {
    let documents: Vec<String> = small(all)
        .into_iter()
        .map(|(claim, target)| {
            format!(
                "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: {}\n  namespace: {}\nspec:\n  resources:\n    requests:\n      storage: {}\n",
                quoted(claim),
                quoted(&id.namespace),
                quantity(target)
            )
        })
        .collect();
    if documents.is_empty() {
        return None;
    }
    Some(format!(
        "# Volumes grow to what is wanted; their StorageClass must allow it, and none ever shrinks.\n\
         # A template that says another size is made anew by the operator, once its StatefulSet is deleted with --cascade=orphan.\n\
         # kubectl --context {} apply --server-side --field-manager=darner-remedy -f -\n{}",
        id.context,
        documents.join("---\n")
    ))
}

/// A size as Kubernetes writes it: `2Gi`, or bytes where it is no whole number of those.
fn quantity(bytes: u64) -> String {
    [(1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")]
        .iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit))
        .map_or_else(
            || bytes.to_string(),
            |(unit, word)| format!("{}{word}", bytes / unit),
        )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
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

    #[test]
    fn what_is_too_small_grows_and_the_template_is_made_anew() {
        use crate::domain::object::StatefulSet;
        let mended = |change: &dyn Fn(&mut Fixture)| {
            let mut f = crate::domain::fixture::healthy().build();
            change(&mut f);
            let subject = crate::checks::Subject::Instance(f.id.clone());
            let answer = crate::checks::fixture::answer_about(&CHECK, &f, &subject);
            let crate::checks::Verdict::Finding(found) = answer.verdict else {
                panic!("{answer:?}");
            };
            let manifest = found.manifest.clone().unwrap_or_default();
            (found.next_step(), manifest)
        };
        // All claims of that size, and a template of that.
        let sized = |claims: u64, template: u64| {
            move |f: &mut Fixture| {
                with(|pvc| {
                    pvc.requested = Some(claims);
                    pvc.capacity = Some(claims);
                    true
                })(f);
                let set = StatefulSet {
                    meta: meta("orders"),
                    claim_templates: vec![("df".to_owned(), Some(template))],
                    ..StatefulSet::default()
                };
                let set = Object::StatefulSet(Arc::new(set));
                listed(f, Kind::StatefulSet, vec![set]);
            }
        };
        let (steps, manifest) = mended(&sized(GIB, GIB));
        for wanted in [
            "patch persistentvolumeclaim df-orders-1 --type merge -p '{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"2Gi\"}}}}'",
            "delete statefulset orders --cascade=orphan",
        ] {
            assert!(steps.contains(wanted), "{steps}");
        }
        let documents = crate::wire::documents(&manifest);
        let sizes: Vec<String> = documents
            .iter()
            .map(|one| {
                let value = one.value.as_ref().unwrap();
                let of = |at: &str| value.pointer(at).unwrap().as_str().unwrap().to_owned();
                format!(
                    "{} {}",
                    of("/metadata/name"),
                    of("/spec/resources/requests/storage")
                )
            })
            .collect();
        assert_eq!(
            sizes,
            ["df-orders-1 2Gi"],
            "the others are as they should be"
        );
        let (steps, manifest) = mended(&sized(4 * GIB, 2 * GIB));
        assert!(steps.contains("cannot shrink"), "{steps}");
        assert_eq!(manifest, "");
    }
}
