//! A HelmRelease that does not try again: one failed upgrade of the operator, and its release stays failed until somebody
//! comes (Flux' default is no retry, and no rollback).

use serde_json::Value;

use crate::checks::acceptance::{ACCEPTED, delivery};
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::Foreign;

/// The check.
pub const CHECK: Check = Check {
    id: "release-gives-up",
    area: Area::Gitops,
    title: "Release without remediation",
    why: "Flux tries an install or upgrade once, and neither again nor back, unless spec.install.remediation and \
          spec.upgrade.remediation say so. A registry that is away for a minute leaves a release failed.",
    reads: "remediation, failure counts and history of the HelmReleases that the labels of the operator's Deployment, the CRD or \
            the Dragonfly object lead to",
    next: "Let it try again, in Git: spec.install.remediation.retries and spec.upgrade.remediation.retries, 3 as an example.\n\
           See what failed.\n\
           $ {cluster} get {object} -o yaml",
    situations: &[&ONCE, &FAILED],
    needs: delivery::needs,
    run,
};

const ONCE: Situation = Situation {
    id: "release-tried-once",
    word: "tried once",
    rule: "a HelmRelease has no retries for its install or its upgrade, in remediation or as a strategy",
    meaning: "A passing fault leaves the release failed until somebody comes.",
    ..ACCEPTED
};

const FAILED: Situation = Situation {
    id: "release-failures",
    word: "failures counted",
    rule: "a HelmRelease counts failed installs or upgrades of what it now wants",
    meaning: "It has been rolled back, or is about to give up.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let chain = match delivery::chain(case, &CHECK) {
        Ok(chain) => chain,
        Err(answer) => return *answer,
    };
    let mut answer = Answer::NOT_APPLICABLE;
    for link in chain
        .links
        .iter()
        .filter(|link| link.who.what == Foreign::HelmRelease)
    {
        let words = link.who.words();
        let figure = |path: &str| link.object.body.pointer(path).and_then(Value::as_i64);
        let next = CHECK.next.replace("{object}", &link.who.argument());
        let failures: Vec<String> = [
            ("install", "/status/installFailures"),
            ("upgrade", "/status/upgradeFailures"),
        ]
        .into_iter()
        .filter_map(|(what, path)| {
            let count = u64::try_from(figure(path)?)
                .ok()
                .filter(|count| *count > 0)?;
            let several = format!("{what}s");
            Some(format!(
                "{} failed",
                crate::checks::words::counted(count, what, &several)
            ))
        })
        .collect();
        if !failures.is_empty() {
            return case
                .finding(
                    &CHECK,
                    &FAILED,
                    Severity::Warning,
                    format!("of {words}, {}", failures.join(" and ")),
                )
                .next(next)
                .resting_on(failures.join(", "), words, link.at)
                .since(Since::Seen(link.at))
                .into();
        }
        let retried = |of: &str| {
            let retries = figure(&format!("/spec/{of}/remediation/retries"));
            let strategy = link
                .object
                .body
                .pointer(&format!("/spec/{of}/strategy/name"));
            retries.is_some_and(|n| n != 0)
                || strategy.and_then(Value::as_str) == Some("RetryOnFailure")
        };
        let once: Vec<&str> = ["install", "upgrade"]
            .into_iter()
            .filter(|of| !retried(of))
            .collect();
        if once.is_empty() {
            if answer == Answer::NOT_APPLICABLE {
                answer = Answer::PASS;
            }
            continue;
        }
        answer = case
            .finding(
                &CHECK,
                &ONCE,
                Severity::Note,
                format!(
                    "{words} tries an {} once and never again",
                    once.join(" or an ")
                ),
            )
            .next(next)
            .resting_on(
                format!("no retries for {}", once.join(" and ")),
                words,
                link.at,
            )
            .since(Since::Seen(link.at))
            .into();
    }
    answer
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use serde_json::json;

    use super::*;
    use crate::checks::acceptance::delivery::fixture::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::fixture::Fixture;

    #[test]
    fn retries_are_wanted() {
        let with = |spec: Value, failures: i64| {
            move |f: &mut Fixture| {
                delivered_by_release(f);
                let mut one = release("True", "", spec.clone());
                one["status"]["upgradeFailures"] = json!(failures);
                read(f, Foreign::HelmRelease, Ok(vec![one]));
            }
        };
        let both = json!({"install": {"remediation": {"retries": 3}}, "upgrade": {"remediation": {"retries": -1}}});
        operator_table(
            &CHECK,
            &[
                ("both", &with(both.clone(), 0), "pass"),
                (
                    "none",
                    &with(json!({}), 0),
                    "note healthy: HelmRelease flux-system/op tries an install or an upgrade once and never again",
                ),
                (
                    "one",
                    &with(json!({"install": {"remediation": {"retries": 3}}}), 0),
                    "note healthy: HelmRelease flux-system/op tries an upgrade once and never again",
                ),
                (
                    "a failure",
                    &with(both, 1),
                    "warning healthy: of HelmRelease flux-system/op, 1 upgrade failed",
                ),
                ("delivered by nobody", &|f| operator(f, 2, &[]), "n/a"),
            ],
        );
    }
}
