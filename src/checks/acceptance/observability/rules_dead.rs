//! A rule that can never fire: no store evaluates it, its series do not exist for the server that runs, or its labels match none
//! that the store has. One real incident: every alert named metrics that the running version did not expose.

use std::collections::BTreeSet;

use super::cover::covers;
use super::families::{self, Known, OWN_LABELS};
use super::promql::Selector;
use super::rules::{self, Rule};
use super::stores::{self, Heard, Stores};
use crate::checks::acceptance::{ACCEPTED, operators, with_pods};
use crate::checks::pairs;
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Instance, Severity, Situation, Subject};
use crate::domain::Version;
use crate::domain::monitoring::{Ask, Series};
use crate::domain::want::Want;

/// The check.
pub const CHECK: Check = Check {
    id: "rules-dead",
    area: Area::Observability,
    title: "Rules that can never fire",
    why: "A rule whose series do not exist is never true: it looks like a watch, and is none.",
    reads: "PrometheusRules and VMRules, versions of the servers, the rules and series of the metrics store (right: get \
            services/proxy in its namespace)",
    next: "Write them anew on series that exist: see what a server exposes.\n\
           $ {kubectl} exec {name}-0 -c dragonfly -- sh -c 'echo -e \"GET /metrics HTTP/1.0\\r\\n\" | nc localhost 9999'",
    situations: &[&DEAD],
    needs,
    run,
};

const DEAD: Situation = Situation {
    id: "rules-dead",
    word: "dead rules",
    rule: "an alerting rule reads series that the running version does not expose, or that the metrics store does not have under those labels, or no store evaluates it",
    meaning: "What the rule is to tell is told to nobody.",
    ..ACCEPTED
};

/// Selectors that are asked about in one question.
const TOGETHER: usize = 12;
/// Selectors that are asked about at all.
const MOST: usize = 240;
/// The label that tells which selector a count is of.
const WHICH: &str = "asked";

fn needs(case: &Case<'_>) -> Vec<Want> {
    if !matches!(case.subject, Subject::Instance(_) | Subject::Operator(_)) {
        return Vec::new();
    }
    let mut needs = rules::needs(case.context, &case.limits.expected);
    let found = stores::stores(case.context, &case.limits.expected);
    if let Ok(rules) = rules::rules(case, &CHECK, &found) {
        needs.extend(counts(&rules.alerts, &found));
    }
    needs
}

/// What the stores are to count for these rules.
pub(in crate::checks) fn counts(rules: &[Rule], found: &Stores<'_>) -> Vec<Want> {
    let questions = questions(rules).into_iter();
    questions
        .flat_map(|question| stores::wants(&found.series, &Ask::Vector(question.into())))
        .collect()
}

/// What the store is to count: of each selector that a rule depends on, and of its metric alone, whether it has series.
fn asked(rules: &[Rule]) -> Vec<String> {
    let mut all: BTreeSet<String> = BTreeSet::new();
    for selector in rules.iter().flat_map(depended) {
        all.insert(selector.metric.clone());
        all.insert(selector.written());
    }
    all.into_iter().take(MOST).collect()
}

fn questions(rules: &[Rule]) -> Vec<String> {
    let asked = asked(rules);
    asked
        .chunks(TOGETHER)
        .map(|some| {
            let counts: Vec<String> = some
                .iter()
                .map(|written| {
                    let quoted = written.replace('\\', "\\\\").replace('"', "\\\"");
                    format!(
                        "label_replace(count({written}), \"{WHICH}\", \"{}\", \"\", \"\")",
                        quoted.replace('$', "$$")
                    )
                })
                .collect();
            counts.join(" or ")
        })
        .collect()
}

/// The selectors without whose series a rule is never true, less the labels that the server itself gives: what these hold
/// depends on what happened to it.
fn depended(rule: &Rule) -> Vec<Selector> {
    // With `or` one of them is enough, and what is absent is what these look for.
    if rule
        .reads
        .calls(&["or", "absent", "absent_over_time", "unless", "default"])
    {
        return Vec::new();
    }
    let selectors = rule.reads.selectors.iter();
    selectors
        .filter(|one| {
            !one.metric.is_empty()
                && !matches!(one.metric.as_str(), "ALERTS" | "ALERTS_FOR_STATE")
                && !families::is_shown_at_times(&one.metric)
        })
        .map(|one| Selector {
            metric: one.metric.clone(),
            matchers: one
                .matchers
                .iter()
                .filter(|matcher| !OWN_LABELS.contains(&matcher.label.as_str()))
                .cloned()
                .collect(),
        })
        .collect()
}

/// What the stores count of all that rules depend on.
pub(in crate::checks) struct Counted {
    there: BTreeSet<String>,
    asked: BTreeSet<String>,
}

/// What the stores count.
///
/// # Errors
/// The answer while they have not told all of it; `None` where there is no store to ask.
pub(in crate::checks) fn counted(
    case: &Case<'_>,
    rules: &[Rule],
    found: &Stores<'_>,
) -> Result<Counted, Option<Box<Answer>>> {
    let mut counted = Counted {
        there: BTreeSet::new(),
        asked: asked(rules).into_iter().collect(),
    };
    if found.series.is_empty() {
        return Err(None);
    }
    for question in questions(rules) {
        let heard: Heard<'_, Series> = stores::vector(case, &found.series, &question);
        if !heard.is_whole() {
            return Err(Some(Box::new(stores::untold(
                case,
                &CHECK,
                found,
                Some(&heard),
            ))));
        }
        let some = heard
            .told
            .iter()
            .map(|series| series.label(WHICH).to_owned());
        counted.there.extend(some);
    }
    Ok(counted)
}

/// Why a rule can never fire, in words; `None` where it can, as far as that is known.
pub(in crate::checks) fn why_dead(
    rule: &Rule,
    version: Option<Version>,
    counted: Option<&Counted>,
) -> Option<String> {
    if !rule.error.is_empty() {
        return Some(format!("its last evaluation failed: {}", rule.error));
    }
    if rule.is_loaded == Some(false) {
        return Some("no metrics store evaluates it".to_owned());
    }
    if let Some(version) = version {
        let is_exposed = |one: &&Selector| families::exposes(&one.metric, version) != Known::Absent;
        let selectors = || {
            let all = rule.reads.selectors.iter();
            all.filter(|one| one.metric.starts_with("dragonfly_"))
        };
        let either = rule.reads.calls(&["or"]) && selectors().any(|one| is_exposed(&one));
        if let Some(absent) = selectors().find(|one| !is_exposed(one)).filter(|_| !either) {
            return Some(format!("{version} does not expose {}", absent.metric));
        }
    }
    let counted = counted?;
    for one in depended(rule) {
        let written = one.written();
        if !counted.asked.contains(&written) || counted.there.contains(&written) {
            continue;
        }
        return Some(match counted.there.contains(&one.metric) {
            true => format!("no series of {} has the labels of {written}", one.metric),
            false => format!("the metrics store has no series {}", one.metric),
        });
    }
    None
}

/// The version of the servers of an instance, where they are of one.
pub(in crate::checks) fn version_of(instance: &Instance<'_>) -> Option<Version> {
    let all = pairs::servers(&instance.view).unwrap_or_default();
    let any_runs = all.iter().any(|server| server.runs);
    let mut versions = all.iter().filter(|server| server.runs || !any_runs);
    match (versions.next(), versions.next()) {
        (Some(only), None) => Some(only.version),
        _ => None,
    }
}

/// It is about the operator alone.
fn is_of_operator(rule: &Rule) -> bool {
    let mut selectors = rule.reads.selectors.iter().peekable();
    selectors.peek().is_some()
        && selectors.all(|one| {
            ["controller_runtime_", "leader_election_", "workqueue_"]
                .iter()
                .any(|prefix| one.metric.starts_with(prefix))
        })
}

fn run(case: &Case<'_>) -> Answer {
    let found = stores::stores(case.context, &case.limits.expected);
    // An instance, or the operator where there is none.
    let instance = match case.subject {
        Subject::Operator(_) => match operators(case, &CHECK) {
            Ok(_) => None,
            Err(answer) => return *answer,
        },
        _ => match with_pods(case, &CHECK) {
            Ok(instance) => Some(instance),
            Err(answer) => return *answer,
        },
    };
    let version = instance.and_then(version_of);
    let is_about = |rule: &Rule| match instance {
        Some(instance) => !is_of_operator(rule) && covers(&rule.reads, instance),
        None => is_of_operator(rule),
    };
    let rules = match rules::rules(case, &CHECK, &found) {
        Ok(rules) => rules,
        Err(answer) => return *answer,
    };
    let about: Vec<&Rule> = rules.alerts.iter().filter(|rule| is_about(rule)).collect();
    if about.is_empty() {
        return rules
            .lacking
            .map_or(Answer::NOT_APPLICABLE, |lacking| *lacking);
    }
    let counted = counted(case, &rules.alerts, &found);
    let dead: Vec<(&Rule, String)> = about
        .iter()
        .filter_map(|rule| {
            let why = why_dead(rule, version, counted.as_ref().ok())?;
            Some((*rule, why))
        })
        .collect();
    if dead.is_empty() {
        return match counted {
            // What the version exposes was asked of those rules at least.
            Err(Some(unknown)) => *unknown,
            _ => rules.lacking.map_or(Answer::PASS, |lacking| *lacking),
        };
    }
    let sentence = match dead.as_slice() {
        [(only, why)] => format!("the rule {} can never fire: {why}", only.name),
        some => {
            let names: Vec<&str> = some.iter().map(|(rule, _)| rule.name.as_str()).collect();
            format!("{} rules can never fire: {}", some.len(), list(&names))
        }
    };
    let mut finding = case.finding(&CHECK, &DEAD, Severity::Warning, sentence);
    for (rule, why) in &dead {
        finding = finding.resting_on(format!("{}: {why}", rule.name), rule.place.clone(), rule.at);
    }
    finding.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::*;
    use super::*;
    use crate::checks::acceptance::fixture::{operator, operator_table, table};
    use crate::domain::engine::{Probe, Server};
    use crate::domain::fixture::ago;
    use crate::domain::{Fault, FaultKind};

    fn runs(f: &mut crate::domain::fixture::Fixture, version: &str) {
        for pod in ["orders-0", "orders-1", "orders-2"] {
            let server = Server {
                version: Some(version.to_owned()),
                uptime: Some(600),
                ..Server::default()
            };
            f.answers(pod, Probe::Server(server), ago(1));
        }
    }

    fn count(f: &mut crate::domain::fixture::Fixture, rules: &[(&str, &str)], there: &[&str]) {
        let rules: Vec<Rule> = {
            let subject = Subject::Instance(f.id.clone());
            let limits = crate::checks::Limits::default();
            let now = crate::domain::fixture::now();
            let Some(case) = Case::of(&f.world, &subject, &limits, now) else {
                return;
            };
            assert!(!rules.is_empty());
            let found = stores::stores(case.context, &limits.expected);
            match rules::rules(&case, &CHECK, &found) {
                Ok(rules) => rules.alerts,
                Err(_) => return,
            }
        };
        let there: Vec<_> = there.iter().map(|one| json!({ WHICH: one })).collect();
        for question in questions(&rules) {
            series(f, &question, &there);
        }
    }

    #[test]
    fn rules_whose_series_do_not_exist_are_found() {
        let with = |version: &'static str, some: &'static [(&'static str, &'static str)]| {
            move |f: &mut _| {
                bare(f);
                runs(f, version);
                rules(f, some);
            }
        };
        const LINK: &[(&str, &str)] = &[("Link", "dragonfly_master_link_status == 0")];
        const SHOP: &[(&str, &str)] = &[("Shop", "dragonfly_master{namespace=\"shop\"} == 0")];
        const JOB: &[(&str, &str)] = &[(
            "Job",
            "dragonfly_connected_clients{job=\"df\", listener=\"main\"} > 9",
        )];
        let stored = |some: &'static [(&'static str, &'static str)],
                      there: &'static [&'static str]| {
            move |f: &mut _| {
                bare(f);
                store(f);
                rules(f, some);
                let groups = json!({"groups": [{"name": "g", "rules": some.iter().map(|(name, expression)|
                    json!({"name": name, "query": expression, "type": "alerting"})).collect::<Vec<_>>()}]});
                answers(f, Ask::Rules, Ok(&groups));
                count(f, some, there);
            }
        };
        table(
            &CHECK,
            &[
                ("exposed", &with("v1.39.0", LINK), "pass"),
                (
                    "not by that version",
                    &with("v1.34.1", LINK),
                    "warning healthy: the rule Link can never fire: v1.34.1 does not expose dragonfly_master_link_status",
                ),
                (
                    "a version that was not read",
                    &with("v1.55.0", LINK),
                    "pass",
                ),
                (
                    "two of them",
                    &with(
                        "v1.39.0",
                        &[("A", "dragonfly_up == 0"), ("B", "dragonfly_down > 0")],
                    ),
                    "warning healthy: 2 rules can never fire: A and B",
                ),
                (
                    "either of two",
                    &with(
                        "v1.39.0",
                        &[("A", "dragonfly_keys > 1 or sum(dragonfly_db_keys) > 1")],
                    ),
                    "pass",
                ),
                (
                    "in the store",
                    &stored(
                        SHOP,
                        &["dragonfly_master", "dragonfly_master{namespace=\"shop\"}"],
                    ),
                    "pass",
                ),
                (
                    "not in the store",
                    &stored(SHOP, &[]),
                    "warning healthy: the rule Shop can never fire: the metrics store has no series dragonfly_master",
                ),
                (
                    "by other labels; the server's own say nothing",
                    &stored(JOB, &["dragonfly_connected_clients"]),
                    "warning healthy: the rule Job can never fire: no series of dragonfly_connected_clients has the labels of dragonfly_connected_clients{job=\"df\"}",
                ),
                (
                    "what is absent is looked for",
                    &stored(&[("Gone", "absent(dragonfly_master{job=\"x\"})")], &[]),
                    "pass",
                ),
                (
                    "evaluated by nobody",
                    &|f| {
                        bare(f);
                        store(f);
                        rules(f, SHOP);
                        let groups = json!({"groups": [{"name": "g", "rules": [
                            {"name": "Other", "query": "dragonfly_master == 1", "type": "alerting"}]}]});
                        answers(f, Ask::Rules, Ok(&groups));
                    },
                    "warning healthy: the rule Shop can never fire: no metrics store evaluates it",
                ),
                (
                    "fails",
                    &|f| {
                        bare(f);
                        store(f);
                        rules(f, SHOP);
                        let groups = json!({"groups": [{"name": "g", "rules": [
                            {"name": "Shop", "query": "dragonfly_master == 0", "type": "alerting", "lastError": "many-to-many"}]}]});
                        answers(f, Ask::Rules, Ok(&groups));
                    },
                    "warning healthy: the rule Shop can never fire: its last evaluation failed: many-to-many",
                ),
                (
                    "the store is slow",
                    &|f| {
                        bare(f);
                        store(f);
                        rules(f, SHOP);
                        answers(f, Ask::Rules, Ok(&json!({"groups": []})));
                        let late = "the metrics store vm/prometheus: no answer within 4 s";
                        let question = "label_replace(count(dragonfly_master), \"asked\", \"dragonfly_master\", \"\", \"\") or label_replace(count(dragonfly_master{namespace=\"shop\"}), \"asked\", \"dragonfly_master{namespace=\\\"shop\\\"}\", \"\", \"\")";
                        answers(
                            f,
                            Ask::Vector(question.into()),
                            Err(Fault::new(FaultKind::Timeout, late)),
                        );
                    },
                    "note unknown: the metrics store vm/prometheus: no answer within 4 s",
                ),
                ("no rules", &bare, "n/a"),
                ("nothing that monitors", &unmonitored, "n/a"),
            ],
        );
        operator_table(
            &CHECK,
            &[
                (
                    "the operator's own rules are asked about with it",
                    &|f| {
                        operator(f, 1, &["m-1"]);
                        stored(
                            &[(
                                "Errors",
                                "rate(controller_runtime_reconcile_errors_total[5m]) > 0",
                            )],
                            &[],
                        )(f);
                    },
                    "warning healthy: the rule Errors can never fire: the metrics store has no series controller_runtime_reconcile_errors_total",
                ),
                (
                    "and others are not",
                    &|f| {
                        operator(f, 1, &["m-1"]);
                        stored(SHOP, &[])(f);
                    },
                    "n/a",
                ),
            ],
        );
    }
}
