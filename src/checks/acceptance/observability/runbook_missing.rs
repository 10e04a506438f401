//! An alert without a link to what to do about it.

use super::{rules, stores};
use crate::checks::acceptance::ACCEPTED;
use crate::checks::words::{has, list, number};
use crate::checks::{Answer, Area, Case, Check, Severity, Situation, Subject};
use crate::domain::monitoring::mentions_dragonfly;
use crate::domain::want::Want;

/// The check.
pub const CHECK: Check = Check {
    id: "runbook-missing",
    area: Area::Observability,
    title: "Alerts without a runbook",
    why: "Whoever is woken by an alert is to know at once what to do about it.",
    reads: "annotations of the alerting rules about Dragonfly in PrometheusRules and VMRules, or in the metrics store",
    next: "Give each the annotation runbook_url, with a link to a page of yours.",
    situations: &[&MISSING],
    needs,
    run,
};

const MISSING: Situation = Situation {
    id: "runbook-missing",
    word: "no runbook",
    rule: "an alerting rule about Dragonfly has no annotation runbook_url, or one that is no link",
    meaning: "Whoever is woken by it begins by searching.",
    ..ACCEPTED
};

fn is_asked(case: &Case<'_>) -> bool {
    matches!(case.subject, Subject::Context(_)) && !case.context.dragonflies.is_empty()
}

fn needs(case: &Case<'_>) -> Vec<Want> {
    match is_asked(case) {
        true => rules::needs(case.context, &case.limits.expected),
        false => Vec::new(),
    }
}

fn run(case: &Case<'_>) -> Answer {
    if !is_asked(case) {
        return Answer::NOT_APPLICABLE;
    }
    let found = stores::stores(case.context, &case.limits.expected);
    let rules = match rules::rules(case, &CHECK, &found) {
        Ok(rules) => rules,
        Err(answer) => return *answer,
    };
    let about: Vec<_> = rules
        .alerts
        .iter()
        .filter(|rule| {
            let selectors = rule.reads.selectors.iter();
            let mut texts = selectors.flat_map(|one| {
                let values = one.matchers.iter().map(|matcher| &matcher.value);
                values.chain([&one.metric])
            });
            mentions_dragonfly(&rule.name) || texts.any(|text| mentions_dragonfly(text))
        })
        .collect();
    let without: Vec<_> = about
        .iter()
        .filter(|rule| !rule.runbook.contains("://"))
        .collect();
    if without.is_empty() {
        return match (about.is_empty(), rules.lacking) {
            (_, Some(lacking)) => *lacking,
            (true, None) => Answer::NOT_APPLICABLE,
            (false, None) => Answer::PASS,
        };
    }
    let mut names: Vec<&str> = without.iter().map(|rule| rule.name.as_str()).collect();
    names.dedup();
    let mut finding = case.finding(
        &CHECK,
        &MISSING,
        Severity::Note,
        format!(
            "{} {} {} no link to a runbook",
            number(names.len(), "the alert", "the alerts"),
            list(&names),
            has(names.len())
        ),
    );
    for rule in without {
        let text = match rule.runbook.as_str() {
            "" => format!("{} has no annotation runbook_url", rule.name),
            other => format!("runbook_url of {} is {other}", rule.name),
        };
        finding = finding.resting_on(text, rule.place.clone(), rule.at);
    }
    finding.into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::*;
    use super::*;
    use crate::checks::acceptance::fixture::read;
    use crate::checks::fixture::{answer_about, line};
    use crate::domain::fixture::{healthy, infra};
    use crate::domain::want::Foreign;

    #[test]
    fn each_alert_about_dragonfly_is_to_lead_to_a_page() {
        let rule = |name: &str, expression: &str, link: &str| json!({"alert": name, "expr": expression, "annotations": {"runbook_url": link}});
        let down = "dragonfly_master == 0";
        for (name, rules, wanted) in [
            ("linked", vec![rule("Down", down, "https://wiki/x")], "pass"),
            (
                "not linked",
                vec![rule("Down", down, ""), rule("Up", down, "see wiki")],
                "note healthy: the alerts Down and Up have no link to a runbook",
            ),
            (
                "one about something else",
                vec![
                    rule("Disk", "kubelet_volume_stats_used_bytes > 1", ""),
                    rule("Down", down, "https://wiki/x"),
                ],
                "pass",
            ),
            ("none", Vec::<Value>::new(), "n/a"),
        ] {
            let mut f = healthy().build();
            bare(&mut f);
            let object = json!({"metadata": {"name": "r", "namespace": "shop"},
                "spec": {"groups": [{"name": "g", "rules": rules}]}});
            read(&mut f, Foreign::PrometheusRule, Ok(vec![object]));
            let answer = answer_about(&CHECK, &f, &Subject::Context(infra()));
            assert_eq!(line(&answer), wanted, "{name}");
        }
    }
}
