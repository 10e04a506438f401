//! Something that must be watched, and that no rule watches. A rule is known by what it reads, not by its name.

use super::cover::covers;
use super::purpose::{Purpose, share};
use super::{manifests, rules, stores};
use crate::checks::acceptance::{ACCEPTED, with_pods};
use crate::checks::listed::listed;
use crate::checks::words::{list, number};
use crate::checks::{Answer, Area, Case, Check, Instance, Severity, Situation};
use crate::domain::want::{Foreign, Want};

/// The check.
pub const CHECK: Check = Check {
    id: "rules-missing",
    area: Area::Observability,
    title: "Nothing alerts about it",
    why: "What no rule watches is found out by those who use the instance.",
    reads: "PrometheusRules and VMRules, or the rules that the metrics store tells of",
    next: "Add the rules that are missing. See which there are.\n\
           $ {cluster} get prometheusrules,vmrules --all-namespaces",
    situations: &[&MISSING, &LATE],
    needs,
    run,
};

const MISSING: Situation = Situation {
    id: "rules-missing",
    word: "no rules",
    rule: "no alerting rule about the instance reads what tells its availability, its memory reserve, the disk of its snapshots, its replication and lag, its command rate, or a change of roles",
    meaning: "Nobody is told when that goes wrong.",
    ..ACCEPTED
};

const LATE: Situation = Situation {
    id: "rule-of-memory-late",
    word: "late rule",
    rule: "every rule about the memory of the instance fires only above 80 %",
    meaning: "When it fires, hardly any memory is left to act in.",
    ..ACCEPTED
};

/// The share of memory at which somebody is to know.
const RESERVE: f64 = 0.8;

fn needs(case: &Case<'_>) -> Vec<Want> {
    match case.instance {
        Some(_) => rules::needs(case.context, &case.limits.expected),
        None => Vec::new(),
    }
}

/// What must be watched of it: replication where there is somebody to follow, disks where there are any.
fn wanted(instance: &Instance<'_>) -> impl Iterator<Item = Purpose> {
    let several = instance.wanted() > 1;
    let has_disk = !instance.view.pvcs.is_empty();
    Purpose::ALL
        .iter()
        .copied()
        .filter(move |purpose| match purpose {
            Purpose::Availability | Purpose::Memory | Purpose::Commands => true,
            Purpose::Disk => has_disk,
            Purpose::Replication | Purpose::Lag | Purpose::RoleChange => several,
        })
}

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    let found = stores::stores(case.context, &case.limits.expected);
    let rules = match rules::rules(case, &CHECK, &found) {
        Ok(rules) => rules,
        Err(answer) => return *answer,
    };
    let about: Vec<_> = rules
        .alerts
        .iter()
        .filter(|rule| covers(&rule.reads, instance))
        .collect();
    let missing: Vec<&str> = wanted(instance)
        .filter(|purpose| !about.iter().any(|rule| purpose.is_served_by(rule)))
        .map(Purpose::words)
        .collect();
    let memory = || {
        let rules = about
            .iter()
            .filter(|rule| Purpose::Memory.is_served_by(rule));
        rules.map(|rule| (rule, share(&rule.reads)))
    };
    let is_late = memory().next().is_some()
        && memory().all(|(_, share)| share.is_some_and(|share| share > RESERVE + 1e-9));
    if missing.is_empty() && !is_late {
        return Answer::PASS;
    }
    if let Some(lacking) = rules.lacking {
        return *lacking;
    }
    let id = &instance.view.id;
    let served: Vec<Foreign> = rules::KINDS
        .iter()
        .copied()
        .filter(|kind| listed(case.context, *kind, "").is_ok())
        .collect();
    let finding = match missing.as_slice() {
        [] => {
            let first =
                memory().min_by(|a, b| a.1.partial_cmp(&b.1).unwrap_or(std::cmp::Ordering::Equal));
            let (name, percent) = first
                .map(|(rule, share)| (rule.name.as_str(), share.unwrap_or_default() * 100.0))
                .unwrap_or_default();
            case.finding(
                &CHECK,
                &LATE,
                Severity::Note,
                format!(
                    "no rule tells of the memory of {id} before {percent:.0} %: {name} is the first, and 80 % leaves time to act"
                ),
            )
        }
        some => case.finding(
            &CHECK,
            &MISSING,
            Severity::Warning,
            format!("no rule watches {} of {id}", list(some)),
        ),
    };
    let evidence = format!(
        "{} {} about it, of {} about Dragonfly",
        about.len(),
        number(about.len(), "rule", "rules"),
        rules.alerts.len()
    );
    let finding = finding.resting_on(evidence, "rules that raise alerts", case.now);
    match served.is_empty() {
        // A store that is told its rules by files.
        true => finding.into(),
        false => finding
            .mended_by(manifests::rules(&id.namespace, &served))
            .into(),
    }
}
