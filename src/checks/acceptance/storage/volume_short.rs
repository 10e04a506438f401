//! A volume has less than 30 % free: a save writes a whole new file before it replaces the old one, so a volume that is half full
//! may be too small already.

use crate::checks::acceptance::{ACCEPTED, UNTOLD, with_pods};
use crate::checks::stored::{places, volumes};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation, steps};
use crate::domain::{Want, text};

/// The check.
pub const CHECK: Check = Check {
    id: "volume-short",
    area: Area::Storage,
    title: "Free space on volumes",
    why: "A save writes a new file beside the old one. Once there is no room for that, no save succeeds any more, and what a restart \
          loads grows old.",
    reads: "use of the volumes by the kubelet of their machine (right: get nodes/proxy), else by the metrics of the kubelets",
    next: "Remove snapshots that are not needed, or make the claim larger: spec.snapshot.persistentVolumeClaimSpec in the Dragonfly \
           object cannot do that by itself, the PVC is resized and the StatefulSet made anew.\n\
           See what lies there.\n\
           $ {kubectl} exec {pod} -c dragonfly -- df -h /dragonfly/snapshots",
    situations: &[&SHORT],
    needs: |case| needs(case),
    run,
};

const SHORT: Situation = Situation {
    id: "volume-short",
    word: "volume short",
    rule: "a volume of the instance has less than 30 % free (a warning), or less than 10 % (critical)",
    meaning: "The next saves may fail for want of room.",
    ..ACCEPTED
};

/// Free space that is wanted, percent.
const WANTED: u64 = 30;
/// Free space below which saves are about to fail, percent.
const LAST: u64 = 10;

fn needs(case: &Case<'_>) -> Vec<Want> {
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let machines = instance.view.nodes.iter().filter_map(|node| {
        let pod = &node.pod.value;
        (!pod.claims.is_empty())
            .then_some(pod.machine.as_deref())
            .flatten()
    });
    machines
        .map(|machine| volumes(&case.context.id, machine))
        .collect()
}

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    let places: Vec<_> = places(&instance.view)
        .into_iter()
        .filter(|place| place.node.is_some() && place.pvc.is_some())
        .collect();
    if places.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    let namespace = &*instance.view.id.namespace;
    let (mut short, mut untold) = (Vec::new(), Vec::new());
    for place in &places {
        let claim = place.claim.as_deref().unwrap_or_default();
        let told = case.context.on_demand.volume(namespace, claim);
        match told.and_then(|(volume, at)| {
            let (used, capacity) = (volume.now.used?, volume.now.capacity.filter(|c| *c > 0)?);
            let free = u64::try_from(
                u128::from(capacity.saturating_sub(used)) * 100 / u128::from(capacity),
            );
            Some((free.ok()?, capacity, at))
        }) {
            Some((free, capacity, at)) if free < WANTED => {
                short.push((place.pod.as_str(), claim, free, capacity, at));
            }
            Some(_) => {}
            None => untold.push(claim),
        }
    }
    short.sort_by_key(|(_, _, free, ..)| *free);
    let Some((_, first, free, ..)) = short.first() else {
        if untold.is_empty() {
            return Answer::PASS;
        }
        return unknown(case, &untold);
    };
    let more = match short.len() - 1 {
        0 => String::new(),
        more => format!(
            ", and {more} more {} short",
            crate::checks::words::are(more)
        ),
    };
    let severity = match *free < LAST {
        true => Severity::Critical,
        false => Severity::Warning,
    };
    let mut finding = case
        .finding(
            &CHECK,
            &SHORT,
            severity,
            format!("{first} has {free} % free, {WANTED} % are wanted{more}"),
        )
        .about(short.iter().map(|(pod, ..)| *pod));
    for (_, claim, free, capacity, at) in &short {
        finding = finding.resting_on(
            format!("{free} % of {} free", text::bytes(*capacity)),
            format!("volume of PVC {claim}, by its kubelet"),
            *at,
        );
    }
    finding.into()
}

/// The use of these volumes was not told.
fn unknown(case: &Case<'_>, untold: &[&str]) -> Answer {
    let fault = needs(case).into_iter().find_map(|want| {
        let looked = case.context.on_demand.get(&want)?;
        looked.fault.clone()
    });
    let why = fault
        .as_ref()
        .map_or("it has not been read yet", |(fault, _)| {
            fault.message.as_str()
        });
    let sentence = format!(
        "how full {} {} is not known: {why}",
        list(untold),
        crate::checks::words::are(untold.len())
    );
    let finding = case.finding(&CHECK, &UNTOLD, Severity::Note, sentence);
    match &fault {
        Some((fault, since)) => finding
            .next(steps::of_fault(fault))
            .resting_on(fault.message.clone(), "nodes/proxy stats/summary", *since)
            .since(Since::Seen(*since))
            .into(),
        None => finding.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::fixture::{Fixture, ago, infra};
    use crate::domain::object::{Pvc, Snapshot};
    use crate::domain::want::VolumeUse;
    use crate::domain::{Fact, Fault, FaultKind, Fetched, Kind, Object};
    use std::sync::Arc;

    fn claims(f: &mut Fixture) {
        dragonfly(f, |d| {
            d.snapshot = Some(Snapshot {
                claim_size: Some(1 << 30),
                ..Snapshot::default()
            });
        });
        pods(f, |ordinal, pod| {
            pod.machine = Some("m".to_owned());
            pod.claims = vec![format!("df-orders-{ordinal}")];
        });
        let claims = (0..3).map(|ordinal| {
            Object::Pvc(Arc::new(Pvc {
                meta: meta(&format!("df-orders-{ordinal}")),
                phase: "Bound".to_owned(),
                ..Pvc::default()
            }))
        });
        listed(f, Kind::Pvc, claims.collect());
    }

    #[test]
    fn a_third_is_wanted_free() {
        let told = |used: [u64; 3]| {
            move |f: &mut Fixture| {
                claims(f);
                let volumes = used.iter().enumerate().map(|(ordinal, used)| VolumeUse {
                    namespace: Arc::from("shop"),
                    claim: Arc::from(format!("df-orders-{ordinal}").as_str()),
                    used: Some(*used),
                    capacity: Some(100),
                    measured: None,
                });
                let answer = Ok(Fetched::Volumes(volumes.collect()));
                let want = volumes_of(f);
                f.tell(Fact::Fetched { want, answer }, ago(5));
            }
        };
        table(
            &CHECK,
            &[
                ("nothing is stored", &|_| {}, "n/a"),
                ("room", &told([10, 20, 70]), "pass"),
                (
                    "little",
                    &told([10, 80, 75]),
                    "warning healthy: df-orders-1 has 20 % free, 30 % are wanted, and 1 more is short",
                ),
                (
                    "full",
                    &told([10, 95, 0]),
                    "critical critical: df-orders-1 has 5 % free, 30 % are wanted",
                ),
                (
                    "not read",
                    &claims,
                    "note unknown: how full df-orders-0, df-orders-1 and df-orders-2 are is not known: it has not been read yet",
                ),
                (
                    "not permitted",
                    &|f| {
                        claims(f);
                        let answer =
                            Err(Fault::new(FaultKind::Forbidden, "may not get nodes/proxy"));
                        let want = volumes_of(f);
                        f.tell(Fact::Fetched { want, answer }, ago(5));
                    },
                    "note unknown: how full df-orders-0, df-orders-1 and df-orders-2 are is not known: may not get nodes/proxy",
                ),
            ],
        );
    }

    fn volumes_of(_: &Fixture) -> Want {
        volumes(&infra(), "m")
    }
}
