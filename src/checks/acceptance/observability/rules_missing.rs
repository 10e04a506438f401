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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::*;
    use super::super::manifests::PROMETHEUS_RULE;
    use super::*;
    use crate::checks::acceptance::fixture::{dragonfly, read, table};
    use crate::domain::monitoring::Ask;
    use crate::domain::{Fault, FaultKind};

    /// Everything that is wanted, by other names and expressions than our own.
    const ALL: &[(&str, &str)] = &[
        ("A", "up{job=\"shop/orders\", container=\"dragonfly\"} == 0"),
        (
            "B",
            "100 * dragonfly_memory_used_bytes / dragonfly_memory_max_bytes > 75",
        ),
        (
            "C",
            "sum by (app) (dragonfly_master{namespace=~\"shop|x\"}) == 0",
        ),
        ("D", "dragonfly_connected_replica_lag_records > 500"),
        ("E", "cache:rate:5m < 1"),
        ("cache:rate:5m", "sum(rate(dragonfly_commands_total[5m]))"),
        ("F", "resets(dragonfly_master[5m]) > 0"),
    ];

    #[test]
    fn everything_that_must_be_watched_is_to_have_a_rule() {
        let with = |rules_wanted: Vec<(&'static str, &'static str)>| {
            move |f: &mut _| {
                bare(f);
                rules(f, &rules_wanted);
            }
        };
        let but = |name: &'static str, instead: Option<&'static str>| {
            let mut all: Vec<_> = ALL.iter().copied().filter(|(n, _)| *n != name).collect();
            all.extend(instead.map(|expression| (name, expression)));
            with(all)
        };
        table(
            &CHECK,
            &[
                ("all", &with(ALL.to_vec()), "pass"),
                (
                    "none",
                    &bare,
                    "warning healthy: no rule watches availability, the memory reserve, replication, replication lag, the command rate and a change of roles of shop/orders",
                ),
                (
                    "none of one",
                    &but("D", None),
                    "warning healthy: no rule watches replication lag of shop/orders",
                ),
                (
                    "one of another namespace",
                    &but(
                        "D",
                        Some("dragonfly_connected_replica_lag_records{namespace=\"x\"} > 5"),
                    ),
                    "warning healthy: no rule watches replication lag of shop/orders",
                ),
                (
                    "one of another instance",
                    &but(
                        "D",
                        Some("dragonfly_connected_replica_lag_records{pod=~\"carts-.*\"} > 5"),
                    ),
                    "warning healthy: no rule watches replication lag of shop/orders",
                ),
                (
                    "memory too late",
                    &but(
                        "B",
                        Some("dragonfly_memory_used_bytes / dragonfly_memory_max_bytes > 0.95"),
                    ),
                    "note healthy: no rule tells of the memory of shop/orders before 95 %: B is the first, and 80 % leaves time to act",
                ),
                (
                    "a single pod has no replicas",
                    &|f| {
                        with(
                            ALL.iter()
                                .copied()
                                .filter(|(n, _)| !["C", "D", "F"].contains(n))
                                .collect(),
                        )(f);
                        dragonfly(f, |d| d.replicas = Some(1));
                    },
                    "pass",
                ),
                (
                    "forbidden",
                    &|f| {
                        bare(f);
                        read(
                            f,
                            Foreign::PrometheusRule,
                            Err(Fault::new(
                                FaultKind::Forbidden,
                                "may not list prometheusrules",
                            )),
                        );
                    },
                    "note unknown: nothing is known of PrometheusRules in infra: may not list prometheusrules",
                ),
                (
                    "rules by files of the store",
                    &|f| {
                        unmonitored(f);
                        store(f);
                        let rules: Vec<_> = ALL
                            .iter()
                            .map(|(name, expression)| {
                                json!({"name": name, "query": expression,
                                "type": if name.contains(':') { "recording" } else { "alerting" }})
                            })
                            .collect();
                        let groups = json!({"groups": [{"name": "g", "rules": rules}]});
                        answers(f, Ask::Rules, Ok(&groups));
                    },
                    "pass",
                ),
                ("nothing that monitors", &unmonitored, "n/a"),
            ],
        );
    }

    #[test]
    fn what_we_hand_out_is_enough() {
        let expressions: Vec<String> = expressions(PROMETHEUS_RULE);
        assert_eq!(expressions.len(), 11);
        let names: Vec<String> = (0..expressions.len()).map(|at| format!("R{at}")).collect();
        let ours = |f: &mut _| {
            bare(f);
            let all: Vec<(&str, &str)> = names
                .iter()
                .zip(&expressions)
                .map(|(name, expression)| (name.as_str(), expression.as_str()))
                .collect();
            rules(f, &all);
        };
        table(&CHECK, &[("ours", &ours, "pass")]);
    }

    /// The expressions of a rule object, as it writes them.
    fn expressions(yaml: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut inside = false;
        for line in yaml.lines() {
            if let Some(expression) = line.trim().strip_prefix("expr: ") {
                inside = expression == "|";
                found.push(expression.trim_start_matches('|').to_owned());
            } else if inside && line.starts_with("            ") {
                if let Some(last) = found.last_mut() {
                    last.push_str(line);
                }
            } else {
                inside = false;
            }
        }
        found
    }
}
