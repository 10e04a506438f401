//! What a HelmRelease made is changed by hand, and whether that is put back: by default nobody looks (`driftDetection` is off).

use crate::checks::acceptance::{ACCEPTED, delivery};
use crate::checks::flux::{self, Link};
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation, Subject};
use crate::domain::Foreign;
use crate::domain::object::{Deployment, Writer};
use crate::domain::world::Held;

/// The check.
pub const CHECK: Check = Check {
    id: "drift-unwatched",
    area: Area::Gitops,
    title: "Changes by hand that nobody puts back, or that will be",
    why: "Without drift detection a release is looked at when its chart or values change, and what somebody changed by hand \
          stays until then. With it, an operator that was scaled down for an hour comes back in the midst of it.",
    reads: "spec.driftDetection of the HelmReleases that the labels of the operator's Deployment lead to; who wrote spec.replicas \
            of the Deployment last, by its managed fields",
    next: "Let Flux put back what differs, in Git: spec.driftDetection.mode enabled, with ignore rules for what others own.\n\
           See what differs.\n\
           $ {cluster} get {object} -o yaml",
    situations: &[&UNWATCHED, &LEFT, &REVERTED],
    needs: delivery::needs,
    run,
};

const UNWATCHED: Situation = Situation {
    id: "drift-unwatched",
    word: "drift unwatched",
    rule: "spec.driftDetection.mode of a HelmRelease that delivers the operator is absent, disabled or warn",
    meaning: "What is changed by hand stays as it is until the release changes.",
    ..ACCEPTED
};

const LEFT: Situation = Situation {
    id: "operator-scaled-by-hand",
    word: "scaled by hand",
    rule: "spec.replicas of the operator's Deployment was last written by somebody else than who delivers it, and drift is not corrected",
    meaning: "It is not what stands in Git, and nobody puts it back.",
    ..ACCEPTED
};

const REVERTED: Situation = Situation {
    id: "operator-scaled-for-now",
    word: "scaled for now",
    rule: "spec.replicas of the operator's Deployment was last written by somebody else than who delivers it, and drift detection is enabled",
    meaning: "Flux puts it back within the release's interval: it does not stay as it was scaled.",
    ..ACCEPTED
};

/// Who may write the replicas of a Deployment that Flux delivers.
const DELIVERERS: &[&str] = &["helm-controller", "kustomize-controller", "helm"];

/// Who scaled it by hand. Who wrote its replicas when it was made did not: it may have been made by hand, and taken over by Flux.
fn scaled(held: &Held<Deployment>) -> Option<&Writer> {
    let writer = held.value.scaled_by.as_ref()?;
    let is_hand = !writer.manager.is_empty() && !DELIVERERS.contains(&writer.manager.as_str());
    let is_later = match (writer.at, held.value.meta.created) {
        (Some(at), Some(created)) => at > created,
        _ => true,
    };
    (is_hand && is_later).then_some(writer)
}

fn run(case: &Case<'_>) -> Answer {
    if !matches!(case.subject, Subject::Operator(_)) {
        return Answer::NOT_APPLICABLE;
    }
    let chain = match delivery::chain(case, &CHECK) {
        Ok(chain) => chain,
        Err(answer) => return *answer,
    };
    let releases: Vec<&Link<'_>> = chain
        .links
        .iter()
        .filter(|link| link.who.what == Foreign::HelmRelease)
        .collect();
    let mut unwatched: Option<&Link<'_>> = None;
    for held in case.context.operators.iter() {
        let owners = flux::owners(&held.value.meta);
        let Some(release) = releases.iter().find(|link| owners.contains(&link.who)) else {
            continue;
        };
        let mode = flux::drift_mode(release.object);
        let is_corrected =
            mode == "enabled" && flux::flag(release.object, "/spec/suspend") != Some(true);
        if !is_corrected {
            unwatched = unwatched.or(Some(release));
        }
        let Some(writer) = scaled(held) else { continue };
        let meta = &held.value.meta;
        let interval = release
            .object
            .body
            .pointer("/spec/interval")
            .and_then(|i| i.as_str());
        let (situation, what) = match is_corrected {
            true => (
                &REVERTED,
                format!(
                    "puts that back{}",
                    interval.map_or(String::new(), |i| format!(" within {i}"))
                ),
            ),
            false => (&LEFT, "does not put that back".to_owned()),
        };
        return case
            .finding(
                &CHECK,
                situation,
                Severity::Warning,
                format!(
                    "the operator {}/{} was scaled to {} by {}, and {} {what}",
                    meta.namespace,
                    meta.name,
                    held.value.replicas,
                    writer.manager,
                    release.who.words()
                ),
            )
            .next(match is_corrected {
                true => format!(
                    "Change the replicas in Git, or suspend the release for as long as they are to differ.\n\
                     $ {{cluster}} patch {} --type=merge -p '{{\"spec\":{{\"suspend\":true}}}}'",
                    release.who.argument()
                ),
                false => format!(
                    "Put the replicas into Git, or back to what stands there: nobody else does.\n\
                     $ {{cluster}} get {} -o yaml",
                    release.who.argument()
                ),
            })
            .resting_on(
                format!("{} wrote spec.replicas last", writer.manager),
                format!("Deployment {}", meta.name),
                held.changed,
            )
            .resting_on(
                format!("spec.driftDetection.mode is {mode}"),
                release.who.words(),
                release.at,
            )
            .since(writer.at.map_or(Since::Seen(held.changed), Since::Exactly))
            .into();
    }
    match unwatched.filter(|link| flux::drift_mode(link.object) != "enabled") {
        Some(release) => case
            .finding(
                &CHECK,
                &UNWATCHED,
                Severity::Note,
                format!(
                    "{} does not put back what is changed by hand: drift detection is {}",
                    release.who.words(),
                    flux::drift_mode(release.object)
                ),
            )
            .next(CHECK.next.replace("{object}", &release.who.argument()))
            .resting_on(
                format!(
                    "spec.driftDetection.mode is {}",
                    flux::drift_mode(release.object)
                ),
                release.who.words(),
                release.at,
            )
            .since(Since::Seen(release.at))
            .into(),
        None if releases.is_empty() => Answer::NOT_APPLICABLE,
        None => Answer::PASS,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::acceptance::delivery::fixture::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::fixture::Fixture;

    #[test]
    fn drift_is_wanted_to_be_corrected() {
        let with = |mode: &'static str, by: &'static str, suspend: bool| {
            move |f: &mut Fixture| {
                delivered_by_release(f);
                operator_scaled_by(f, by);
                let spec = json!({"driftDetection": {"mode": mode}, "interval": "30m", "suspend": suspend});
                read(f, Foreign::HelmRelease, Ok(vec![release("True", "", spec)]));
            }
        };
        operator_table(
            &CHECK,
            &[
                (
                    "corrected",
                    &with("enabled", "helm-controller", false),
                    "pass",
                ),
                (
                    "only warned of",
                    &with("warn", "helm-controller", false),
                    "note healthy: HelmRelease flux-system/op does not put back what is changed by hand: drift detection is warn",
                ),
                (
                    "off by default",
                    &delivered_by_release,
                    "note healthy: HelmRelease flux-system/op does not put back what is changed by hand: drift detection is disabled",
                ),
                (
                    "scaled by hand",
                    &with("disabled", "kubectl", false),
                    "warning healthy: the operator operators/dragonfly-operator was scaled to 2 by kubectl, and HelmRelease \
                     flux-system/op does not put that back",
                ),
                (
                    "scaled by hand for now",
                    &with("enabled", "kubectl", false),
                    "warning healthy: the operator operators/dragonfly-operator was scaled to 2 by kubectl, and HelmRelease \
                     flux-system/op puts that back within 30m",
                ),
                (
                    "made by hand, and taken over",
                    &|f| {
                        with("enabled", "kubectl", false)(f);
                        made_when_scaled(f);
                    },
                    "pass",
                ),
                (
                    "nobody corrects while it is suspended",
                    &with("enabled", "kubectl", true),
                    "warning healthy: the operator operators/dragonfly-operator was scaled to 2 by kubectl, and HelmRelease \
                     flux-system/op does not put that back",
                ),
                ("delivered by nobody", &|f| operator(f, 2, &[]), "n/a"),
            ],
        );
    }
}
