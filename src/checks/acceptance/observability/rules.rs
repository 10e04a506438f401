//! All rules about Dragonfly and its operator: those of PrometheusRule and VMRule objects, and those that a store tells of.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::promql::{self, Reads, Selector};
use super::stores::{self, Stores};
use crate::checks::listed::{Untold, listed, want};
use crate::checks::{Answer, Case, Check};
use crate::domain::Expected;
use crate::domain::monitoring::Ask;
use crate::domain::want::{Foreign, ForeignObject, Want};
use crate::domain::world::ContextWorld;

/// How deep series are followed that rules record from other recorded ones.
const DEEP: usize = 4;

/// A rule that raises alerts.
#[derive(Debug, Clone)]
pub(in crate::checks) struct Rule {
    /// Its name.
    pub(in crate::checks) name: String,
    /// Where it stands: `PrometheusRule shop/cache`, `the metrics store vm/vmalert`.
    pub(in crate::checks) place: String,
    /// What it reads, recorded series resolved.
    pub(in crate::checks) reads: Reads,
    /// Its `runbook_url`.
    pub(in crate::checks) runbook: String,
    /// Its `severity`, empty without one.
    pub(in crate::checks) severity: String,
    /// A store evaluates it; `None` while none tells.
    pub(in crate::checks) is_loaded: Option<bool>,
    /// Why its last evaluation failed; empty while it does not.
    pub(in crate::checks) error: String,
    /// When it was read.
    pub(in crate::checks) at: Timestamp,
}

/// All rules that raise alerts.
#[derive(Debug)]
pub(in crate::checks) struct Rules {
    /// The rules.
    pub(in crate::checks) alerts: Vec<Rule>,
    /// Why there may be others; `None` where these are all.
    pub(in crate::checks) lacking: Option<Box<Answer>>,
}

/// The kinds that rules stand in.
pub(super) const KINDS: &[Foreign] = &[Foreign::PrometheusRule, Foreign::VmRule];

/// What must be read for [`rules`].
pub(in crate::checks) fn needs(context: &ContextWorld, expected: &Expected) -> Vec<Want> {
    let kinds = KINDS.iter().map(|kind| want(context, *kind, ""));
    let mut needs: Vec<Want> = kinds.chain(stores::needs(context, expected)).collect();
    let found = stores::stores(context, expected);
    needs.extend(stores::wants(&found.rules, &Ask::Rules));
    needs
}

/// A rule as it stands somewhere, before series that others record are looked up.
struct Written<'a> {
    name: &'a str,
    is_alert: bool,
    place: String,
    reads: Reads,
    runbook: String,
    severity: String,
    error: String,
    at: Timestamp,
    of_store: bool,
}

/// All rules, or the answer of a check that cannot do without them.
///
/// # Errors
/// Not applicable where nothing in the cluster could hold one; else unknown.
pub(in crate::checks) fn rules(
    case: &Case<'_>,
    check: &Check,
    found: &Stores<'_>,
) -> Result<Rules, Box<Answer>> {
    let mut written: Vec<Written<'_>> = Vec::new();
    let mut lacking: Option<Box<Answer>> = None;
    let mut is_served = false;
    for kind in KINDS {
        match listed(case.context, *kind, "") {
            Ok(all) => {
                is_served = true;
                for object in all.objects {
                    written.extend(of_object(*kind, object, all.at));
                }
            }
            Err(Untold::NotServed) => {}
            Err(why) => {
                is_served |= matches!(why, Untold::Failed(..));
                let answer = case.unlisted(check, &case.context.id, *kind, "", why);
                lacking.get_or_insert(Box::new(answer));
            }
        }
    }
    let heard = stores::rules(case, &found.rules);
    let place = match found.rules.as_slice() {
        [only] => format!("the metrics store {only}"),
        _ => "the metrics stores".to_owned(),
    };
    if let Some(at) = heard.at {
        // What a store evaluates is what counts: objects that cannot be read then add only where a rule stands.
        if heard.is_whole() && !heard.told.is_empty() {
            lacking = None;
        }
        for rule in &heard.told {
            written.push(Written {
                name: &rule.name,
                is_alert: rule.is_alert,
                place: place.clone(),
                reads: promql::reads(&rule.expression),
                runbook: rule
                    .annotations
                    .get("runbook_url")
                    .cloned()
                    .unwrap_or_default(),
                severity: rule.labels.get("severity").cloned().unwrap_or_default(),
                error: rule.error.clone(),
                at,
                of_store: true,
            });
        }
    }
    if written.is_empty() {
        if let Some(lacking) = lacking {
            return Err(lacking);
        }
        if !is_served && heard.at.is_none() {
            return Err(Box::new(match found.rules.is_empty() {
                true => Answer::NOT_APPLICABLE,
                false => stores::untold(case, check, found, Some(&heard)),
            }));
        }
    }
    // A store without a single rule about Dragonfly may be one that another evaluates rules for.
    let tells = heard.is_whole() && !heard.told.is_empty();
    Ok(Rules {
        alerts: joined(written, tells),
        lacking,
    })
}

/// One rule for what stands in several places under the same name: as an object first, as a store has it second.
fn joined(written: Vec<Written<'_>>, tells: bool) -> Vec<Rule> {
    let recorded: BTreeMap<&str, Vec<Selector>> = written
        .iter()
        .filter(|rule| !rule.is_alert)
        .map(|rule| (rule.name, rule.reads.selectors.clone()))
        .collect();
    let mut alerts: Vec<Rule> = Vec::new();
    for rule in written.iter().filter(|rule| rule.is_alert) {
        let mut reads = rule.reads.clone();
        resolve(&mut reads, &recorded);
        if rule.of_store {
            let twin = alerts.iter_mut().filter(|known| known.name == rule.name);
            let mut is_known = false;
            for known in twin {
                is_known = true;
                known.is_loaded = Some(true);
                known.error.clone_from(&rule.error);
            }
            if is_known {
                continue;
            }
        } else if alerts
            .iter()
            .any(|known| known.name == rule.name && known.reads == reads)
        {
            // VictoriaMetrics' operator makes a VMRule of each PrometheusRule.
            continue;
        }
        alerts.push(Rule {
            name: rule.name.to_owned(),
            place: rule.place.clone(),
            reads,
            runbook: rule.runbook.clone(),
            severity: rule.severity.clone(),
            is_loaded: (rule.of_store || tells).then_some(rule.of_store),
            error: rule.error.clone(),
            at: rule.at,
        });
    }
    alerts
}

/// Puts what recorded series are made of in their place.
fn resolve(reads: &mut Reads, recorded: &BTreeMap<&str, Vec<Selector>>) {
    for _ in 0..DEEP {
        let mut is_done = true;
        let mut next: Vec<Selector> = Vec::new();
        for selector in &reads.selectors {
            match recorded.get(selector.metric.as_str()) {
                Some(parts) if next.len() + parts.len() < 200 => {
                    is_done = false;
                    next.extend(parts.iter().cloned());
                }
                _ => next.push(selector.clone()),
            }
        }
        reads.selectors = next;
        if is_done {
            break;
        }
    }
}

fn of_object(kind: Foreign, object: &ForeignObject, at: Timestamp) -> Vec<Written<'_>> {
    let word = match kind {
        Foreign::VmRule => "VMRule",
        _ => "PrometheusRule",
    };
    let place = format!("{word} {}/{}", object.meta.namespace, object.meta.name);
    let groups = object
        .body
        .pointer("/spec/groups")
        .and_then(Value::as_array);
    let rules = groups
        .into_iter()
        .flatten()
        .filter_map(|group| group.get("rules").and_then(Value::as_array))
        .flatten();
    rules
        .filter_map(|rule| {
            let text = |path: &str| rule.pointer(path).and_then(Value::as_str);
            let (name, is_alert) = match (text("/alert"), text("/record")) {
                (Some(name), _) => (name, true),
                (None, Some(name)) => (name, false),
                (None, None) => return None,
            };
            Some(Written {
                name,
                is_alert,
                place: place.clone(),
                reads: promql::reads(text("/expr").unwrap_or_default()),
                runbook: text("/annotations/runbook_url")
                    .unwrap_or_default()
                    .to_owned(),
                severity: text("/labels/severity").unwrap_or_default().to_owned(),
                error: String::new(),
                at,
                of_store: false,
            })
        })
        .collect()
}
