//! A Flux object that delivers the operator or an instance is not ready: what stands in Git is not what runs.

use crate::checks::acceptance::{ACCEPTED, delivery};
use crate::checks::flux::{self, LONG, Link, Standing};
use crate::checks::{Answer, Area, Case, Check, Finding, Severity, Since, Situation};
use crate::domain::object::Condition;
use crate::domain::text;

/// The check.
pub const CHECK: Check = Check {
    id: "flux-not-ready",
    area: Area::Gitops,
    title: "Delivery not ready",
    why: "What is changed in Git does not arrive, and what is wrong there is found only when somebody needs it.",
    reads: "HelmReleases, Kustomizations and their sources that the labels of the operator's Deployment, the CRD or the Dragonfly \
            object lead to: their conditions, generations and revisions",
    next: "See what it says.\n\
           $ {cluster} get {object} -o yaml\n\
           Mend what it names in Git; it tries again by itself.",
    situations: &[
        &FAILING,
        &STALLED,
        &NOT_TAKEN_UP,
        &LASTING,
        &BEHIND,
        &ABSENT,
    ],
    needs: delivery::needs,
    run,
};

const FAILING: Situation = Situation {
    id: "flux-failing",
    word: "delivery fails",
    rule: "condition Ready of a Flux object that has its part in the delivery is False",
    meaning: "What stands in Git is not what runs.",
    ..ACCEPTED
};

const STALLED: Situation = Situation {
    id: "flux-stalled",
    word: "delivery stalled",
    rule: "condition Stalled of such an object is True: it does not try again until it is changed",
    meaning: "What stands in Git is not what runs, and will not be.",
    ..ACCEPTED
};

const NOT_TAKEN_UP: Situation = Situation {
    id: "flux-not-taken-up",
    word: "not taken up",
    rule: "status.observedGeneration of such an object is less than its generation for 60 s, and it is not reconciling",
    meaning: "Its controller does not run, or does not see it.",
    ..ACCEPTED
};

const LASTING: Situation = Situation {
    id: "flux-reconciling-long",
    word: "reconciles long",
    rule: "such an object is reconciling for more than ten minutes",
    meaning: "It waits for something that does not come.",
    ..ACCEPTED
};

const BEHIND: Situation = Situation {
    id: "flux-behind",
    word: "behind its source",
    rule: "the source of a Kustomization has had another revision for ten minutes than the Kustomization tried last",
    meaning: "What is newest in Git has not arrived.",
    ..ACCEPTED
};

const ABSENT: Situation = Situation {
    id: "flux-owner-absent",
    word: "owner absent",
    rule: "a label names a Flux object as the owner that is not in this cluster, though the cluster has such objects",
    meaning: "It is delivered from another cluster, or by nobody any more.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let chain = match delivery::chain(case, &CHECK) {
        Ok(chain) => chain,
        Err(answer) => return *answer,
    };
    let mut worst: Option<Finding> = None;
    let mut again = None;
    for link in &chain.links {
        let (finding, at) = of_link(case, link);
        again = again.into_iter().chain(at).min();
        let Some(finding) = finding.or_else(|| behind(case, &chain.links, link)) else {
            continue;
        };
        match &mut worst {
            // What fails first in the chain is at the far end of it: the last one says why the others wait.
            Some(worst) if worst.severity >= finding.severity => {
                worst.evidence.extend(finding.evidence);
            }
            _ => worst = Some(finding),
        }
    }
    if worst.is_none()
        && chain.links.is_empty()
        && let Some(absent) = chain.absent.first()
    {
        let sentence = format!(
            "{} is named as the owner of {}, and is not in {}",
            absent.words(),
            delivery::what(case),
            case.context.id
        );
        return case
            .finding(&CHECK, &ABSENT, Severity::Note, sentence)
            .next(format!(
                "See whether another cluster's Flux delivers it; else the label is left over.\n\
                 $ {{cluster}} get {}.{} -A",
                absent.what.doc().resource,
                absent.what.doc().group
            ))
            .resting_on("its labels name it", delivery::what(case), case.now)
            .into();
    }
    match worst {
        Some(finding) => Answer::from(finding).again(again),
        None => Answer::PASS.again(again),
    }
}

/// What is wrong with one link, and when to ask again.
fn of_link(case: &Case<'_>, link: &Link<'_>) -> (Option<Finding>, Option<jiff::Timestamp>) {
    let words = link.who.words();
    let told = |situation, severity, why: String, of: Option<&Condition>| {
        let mut finding = case
            .finding(&CHECK, situation, severity, format!("{words} {why}"))
            .next(CHECK.next.replace("{object}", &link.who.argument()));
        let since = of.and_then(|condition| condition.since);
        finding = match of {
            Some(c) => finding.resting_on(
                format!("{} is {}: {}", c.name, c.status, reason(c)),
                words.clone(),
                link.at,
            ),
            None => finding.resting_on(why, words.clone(), link.at),
        };
        if let Some(tried) = flux::attempted(link.who.what, link.object) {
            let applied = flux::applied(link.who.what, link.object);
            let applied = applied.unwrap_or_else(|| "nothing".to_owned());
            finding = finding.resting_on(
                format!("it tried {tried}, and {applied} is applied"),
                words.clone(),
                link.at,
            );
        }
        Some(finding.since(since.map_or(Since::Seen(link.at), Since::Exactly)))
    };
    match flux::standing(link.who.what, link.object, case.now) {
        Standing::Ready | Standing::Suspended(_) => (None, None),
        Standing::Failing(c) => {
            let why = format!("is not ready: {}", reason(&c));
            (told(&FAILING, Severity::Warning, why, Some(&c)), None)
        }
        Standing::Stalled(c) => {
            let why = format!("has given up: {}", reason(&c));
            (told(&STALLED, Severity::Warning, why, Some(&c)), None)
        }
        Standing::NotTakenUp {
            generation,
            observed,
        } => {
            let why = format!(
                "was changed and its controller does not take it up: generation {generation}, observed {observed}"
            );
            (told(&NOT_TAKEN_UP, Severity::Warning, why, None), None)
        }
        Standing::Silent => {
            let created = link.object.meta.created.unwrap_or(link.at);
            match case.still(created, LONG) {
                Some(until) => (None, Some(until)),
                None => {
                    let why = "has no condition: no controller looks after it".to_owned();
                    (told(&NOT_TAKEN_UP, Severity::Warning, why, None), None)
                }
            }
        }
        Standing::Reconciling(c) => {
            let since = c.since.unwrap_or(link.at);
            match case.still(case.context.by_our_clock(since), LONG) {
                Some(until) => (None, Some(until)),
                None => {
                    let why = format!(
                        "is reconciling for {}: {}",
                        text::age(case.context.by_our_clock(since), case.now),
                        reason(&c)
                    );
                    (told(&LASTING, Severity::Warning, why, Some(&c)), None)
                }
            }
        }
    }
}

/// A Kustomization that has not tried what its source holds.
fn behind(case: &Case<'_>, all: &[Link<'_>], link: &Link<'_>) -> Option<Finding> {
    if link.who.what != crate::domain::Foreign::Kustomization
        || matches!(
            flux::standing(link.who.what, link.object, case.now),
            Standing::Suspended(_)
        )
    {
        return None;
    }
    let wanted = flux::sources(&link.who, link.object);
    let source = all.iter().find(|other| wanted.contains(&other.who))?;
    let text = |of: &Link<'_>, path: &str| {
        let value = of.object.body.pointer(path)?;
        value.as_str().map(str::to_owned)
    };
    let newest = text(source, "/status/artifact/revision")?;
    let tried = text(link, "/status/lastAttemptedRevision")?;
    let updated: jiff::Timestamp = text(source, "/status/artifact/lastUpdateTime")?
        .parse()
        .ok()?;
    let is_late = case
        .still(case.context.by_our_clock(updated), LONG)
        .is_none();
    (newest != tried && is_late).then(|| {
        let sentence = format!(
            "{} is behind its source: it tried {tried} last, and {} holds {newest}",
            link.who.words(),
            source.who.words()
        );
        case.finding(&CHECK, &BEHIND, Severity::Warning, sentence)
            .next(CHECK.next.replace("{object}", &link.who.argument()))
            .resting_on(format!("it tried {tried} last"), link.who.words(), link.at)
            .resting_on(format!("it holds {newest}"), source.who.words(), source.at)
            .since(Since::Exactly(updated))
    })
}

fn reason(c: &Condition) -> String {
    match (c.reason.is_empty(), c.message.is_empty()) {
        (false, false) => format!("{}: {}", c.reason, c.message),
        (false, true) => c.reason.clone(),
        (true, false) => c.message.clone(),
        (true, true) => "it does not say why".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::acceptance::delivery::fixture::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::Foreign;
    use crate::domain::fixture::{Fixture, ago};

    #[test]
    fn every_link_of_a_delivery_is_wanted_ready() {
        let release = |ready: &'static str, message: &'static str| {
            move |f: &mut Fixture| {
                delivered_by_release(f);
                read(
                    f,
                    Foreign::HelmRelease,
                    Ok(vec![release(ready, message, json!({}))]),
                );
            }
        };
        operator_table(
            &CHECK,
            &[
                ("ready", &release("True", ""), "pass"),
                (
                    "failing",
                    &release("False", "upgrade failed"),
                    "warning healthy: HelmRelease flux-system/op is not ready: R: upgrade failed",
                ),
                (
                    "its source fails",
                    &|f| {
                        release("True", "")(f);
                        let broken = source("False", "no such tag");
                        read(f, Foreign::OciRepository, Ok(vec![broken]));
                    },
                    "warning healthy: OCIRepository flux-system/charts is not ready: R: no such tag",
                ),
                (
                    "suspended, which is told elsewhere",
                    &|f| {
                        delivered_by_release(f);
                        let spec = json!({"suspend": true});
                        read(
                            f,
                            Foreign::HelmRelease,
                            Ok(vec![super::tests::release_with(spec)]),
                        );
                    },
                    "pass",
                ),
                (
                    "reconciling for long",
                    &release("Unknown", "waiting for pods"),
                    "warning healthy: HelmRelease flux-system/op is reconciling for 1h00m: R: waiting for pods",
                ),
                (
                    "its owner is absent",
                    &|f| {
                        delivered_by_release(f);
                        read(f, Foreign::HelmRelease, Ok(Vec::new()));
                    },
                    "note healthy: HelmRelease flux-system/op is named as the owner of the operator, and is not in infra",
                ),
                ("delivered by nobody", &|f| operator(f, 2, &[]), "n/a"),
                (
                    "no Flux there",
                    &|f| {
                        delivered_by_release(f);
                        let fault = crate::domain::Fault::new(
                            crate::domain::FaultKind::NotFound,
                            "no such kind",
                        );
                        read(f, Foreign::HelmRelease, Err(fault));
                    },
                    "n/a",
                ),
                (
                    "not read",
                    &|f| {
                        operator_of_release(f);
                    },
                    "note unknown: nothing is known of HelmReleases of namespace flux-system in infra: they have not been read yet",
                ),
            ],
        );
    }

    pub(super) fn release_with(spec: serde_json::Value) -> serde_json::Value {
        release("True", "", spec)
    }

    #[test]
    fn a_kustomization_that_is_behind_its_source_is_told() {
        let with = |tried: &'static str, updated: i64| {
            move |f: &mut Fixture| {
                dragonfly(f, |d| {
                    for (key, value) in [("name", "apps"), ("namespace", "flux-system")] {
                        let key = format!("kustomize.toolkit.fluxcd.io/{key}");
                        d.meta.labels.insert(key, value.to_owned());
                    }
                });
                let kustomization = json!({
                    "metadata": {"name": "apps", "namespace": "flux-system", "generation": 1},
                    "spec": {"sourceRef": {"kind": "GitRepository", "name": "fleet"}},
                    "status": {"observedGeneration": 1, "conditions": conditions("True", ""),
                               "lastAppliedRevision": tried, "lastAttemptedRevision": tried},
                });
                let git = json!({
                    "metadata": {"name": "fleet", "namespace": "flux-system", "generation": 1},
                    "status": {"observedGeneration": 1, "conditions": conditions("True", ""),
                               "artifact": {"revision": "main@sha1:2", "lastUpdateTime": ago(updated).to_string()}},
                });
                read(f, Foreign::Kustomization, Ok(vec![kustomization]));
                read(f, Foreign::GitRepository, Ok(vec![git]));
            }
        };
        table(
            &CHECK,
            &[
                ("up to date", &with("main@sha1:2", 9_000), "pass"),
                ("on its way", &with("main@sha1:1", 60), "pass"),
                (
                    "behind",
                    &with("main@sha1:1", 9_000),
                    "warning healthy: Kustomization flux-system/apps is behind its source: it tried main@sha1:1 last, and \
                     GitRepository flux-system/fleet holds main@sha1:2",
                ),
            ],
        );
    }
}
