//! What watches a context: the alerts that its metrics stores tell of, and its rules, each with whether it can fire.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::cover::covers;
use super::rules::{self, Rule};
use super::rules_dead::{self, Counted};
use super::stores::{self, Stores};
use crate::checks::{Case, Limits, Subject, Verdict};
use crate::domain::monitoring::{Ask, StoreAlert};
use crate::domain::want::Want;
use crate::domain::{ContextId, World};

/// What watches a context.
#[derive(Debug, Default)]
pub struct Watch {
    /// Pending and firing alerts, those about Dragonfly first, firing ones before others.
    pub alerts: Vec<StoreAlert>,
    /// When the alerts were read; `None` while no store has told.
    pub read: Option<Timestamp>,
    /// Rules about Dragonfly and its operator.
    pub rules: Vec<WatchRule>,
    /// What could not be read, in sentences.
    pub troubles: Vec<String>,
    /// Where alerts and rules are read.
    pub stores: Vec<String>,
}

/// A rule, and what it is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchRule {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: String,
    /// Its `severity`, empty without one.
    pub severity: String,
    /// Its `runbook_url`, empty without one.
    pub runbook: String,
    /// Whether it can fire, as far as that is known.
    pub fires: Fires,
}

/// Whether a rule can fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fires {
    /// Its series exist.
    Can,
    /// It never does, for that reason.
    Never(String),
    /// It cannot be told whether its series exist: no metrics store has said so.
    Untold,
}

/// What must be read for it.
pub fn needs(
    world: &World,
    context: &ContextId,
    limits: &Limits,
    now: Timestamp,
) -> BTreeSet<Want> {
    let subject = Subject::Context(context.clone());
    let Some(case) = Case::of(world, &subject, limits, now) else {
        return BTreeSet::new();
    };
    let mut needs: BTreeSet<Want> = rules::needs(case.context, &limits.expected)
        .into_iter()
        .collect();
    let found = stores::stores(case.context, &limits.expected);
    needs.extend(stores::wants(&found.rules, &Ask::Alerts));
    if let Ok(rules) = rules::rules(&case, &rules_dead::CHECK, &found) {
        needs.extend(rules_dead::counts(&rules.alerts, &found));
    }
    needs.retain(|want| world.context(want.context()).is_some_and(|c| c.is_live()));
    needs
}

/// What watches a context.
pub fn watch(world: &World, context: &ContextId, limits: &Limits, now: Timestamp) -> Watch {
    let subject = Subject::Context(context.clone());
    let Some(case) = Case::of(world, &subject, limits, now) else {
        return Watch::default();
    };
    let found = stores::stores(case.context, &limits.expected);
    let heard = stores::alerts(&case, &found.rules);
    let mut alerts: Vec<StoreAlert> = heard.told.iter().map(|alert| (*alert).clone()).collect();
    alerts.sort_by_cached_key(|alert| {
        (
            !alert.is_about_dragonfly(),
            !alert.is_firing,
            rank(alert.severity()),
            alert.name.clone(),
        )
    });
    let mut troubles: Vec<String> = Vec::new();
    if !heard.is_whole() {
        troubles.extend(trouble(&stores::untold(
            &case,
            &rules_dead::CHECK,
            &found,
            Some(&heard),
        )));
    }
    let rules = match rules::rules(&case, &rules_dead::CHECK, &found) {
        Ok(rules) => {
            troubles.extend(rules.lacking.as_deref().and_then(trouble));
            judged(&case, &rules.alerts, &found, limits, now)
        }
        Err(answer) => {
            troubles.extend(trouble(&answer));
            Vec::new()
        }
    };
    troubles.dedup();
    Watch {
        alerts,
        read: heard.at,
        rules,
        troubles,
        stores: found.rules.iter().map(ToString::to_string).collect(),
    }
}

fn rank(severity: &str) -> u8 {
    match severity {
        "critical" | "page" => 0,
        "error" | "major" => 1,
        "warning" => 2,
        _ => 3,
    }
}

fn trouble(answer: &crate::checks::Answer) -> Option<String> {
    match &answer.verdict {
        Verdict::Unknown(finding) | Verdict::Finding(finding) => Some(finding.sentence.clone()),
        Verdict::Pass | Verdict::NotApplicable => None,
    }
}

/// Each rule, by the versions of the instances that it is about.
fn judged(
    case: &Case<'_>,
    rules: &[Rule],
    found: &Stores<'_>,
    limits: &Limits,
    now: Timestamp,
) -> Vec<WatchRule> {
    let counted: Option<Counted> = rules_dead::counted(case, rules, found).ok();
    let subjects: Vec<Subject> = case.context.instances().map(Subject::Instance).collect();
    let cases: Vec<Case<'_>> = subjects
        .iter()
        .filter_map(|subject| Case::of(case.world, subject, limits, now))
        .collect();
    let mut all: Vec<WatchRule> = rules
        .iter()
        .map(|rule| {
            let mut about = cases.iter().filter_map(|case| case.instance.as_ref());
            let of_an_instance = about.find_map(|instance| {
                let version = rules_dead::version_of(instance);
                version.filter(|_| covers(&rule.reads, instance))?;
                rules_dead::why_dead(rule, version, counted.as_ref())
            });
            let why = of_an_instance.or_else(|| rules_dead::why_dead(rule, None, counted.as_ref()));
            WatchRule {
                name: rule.name.clone(),
                place: rule.place.clone(),
                severity: rule.severity.clone(),
                runbook: rule.runbook.clone(),
                fires: match why {
                    Some(why) => Fires::Never(why),
                    None if counted.is_none() => Fires::Untold,
                    None => Fires::Can,
                },
            }
        })
        .collect();
    all.sort_by_cached_key(|rule| {
        (
            !matches!(rule.fires, Fires::Never(_)),
            rank(&rule.severity),
            rule.name.clone(),
        )
    });
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::{answers, bare, rules, store};
    use super::*;
    use crate::domain::fixture::{healthy, infra, now};

    #[test]
    fn alerts_about_dragonfly_come_first_and_dead_rules_say_why() {
        let mut f = healthy().build();
        bare(&mut f);
        store(&mut f);
        rules(
            &mut f,
            &[
                ("Link", "dragonfly_master == 0"),
                ("Gone", "dragonfly_gone > 0"),
            ],
        );
        let alert = |name: &str, state: &str, severity: &str| json!({"labels": {"alertname": name, "severity": severity}, "state": state});
        let all = json!({"alerts": [
            alert("NodeDown", "firing", "critical"), alert("DragonflySlow", "pending", "warning"),
            alert("DragonflyDown", "firing", "critical")]});
        answers(&mut f, Ask::Alerts, Ok(&all));
        let limits = Limits::default();
        let watch = watch(&f.world, &infra(), &limits, now());
        let names: Vec<&str> = watch
            .alerts
            .iter()
            .map(|alert| alert.name.as_str())
            .collect();
        assert_eq!(names, ["DragonflyDown", "DragonflySlow", "NodeDown"]);
        let told: Vec<(&str, &Fires)> = watch
            .rules
            .iter()
            .map(|rule| (rule.name.as_str(), &rule.fires))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "Gone",
                    &Fires::Never("v1.39.0 does not expose dragonfly_gone".to_owned())
                ),
                ("Link", &Fires::Untold)
            ]
        );
        assert!(needs(&f.world, &infra(), &limits, now()).len() > 4);
    }
}
