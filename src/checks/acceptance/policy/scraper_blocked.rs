//! Whoever scrapes metrics does not reach port 9999 of an instance. The operator's own policy (v1.5.0 and later) never admits it.

use crate::checks::acceptance::ACCEPTED;
use crate::checks::acceptance::passages::{Admitted, Way, manifest, resting};
use crate::checks::acceptance::untold;
use crate::checks::reach::scrapers::{self, Scraper};
use crate::checks::reach::{self, ADMIN, Passage};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Situation};
use crate::domain::Want;
use crate::domain::reach::{End, Outcome, Protocol, Reach, Side};

/// The check.
pub const CHECK: Check = Check {
    id: "scraper-blocked",
    area: Area::Policy,
    title: "Scraper kept from port 9999",
    why: "Metrics are served on port 9999 alone, which no Service of the operator's exposes. The policy that the operator makes from \
          v1.5.0 on admits itself and peers there, and never a scraper.",
    reads: "NetworkPolicies, CiliumNetworkPolicies and CiliumClusterwideNetworkPolicies of the instance's namespace and of the scraper's; \
            Services of the cluster that are a vmagent's or a Prometheus'",
    next: "Add a policy that admits 9999 from the scraper's pods.",
    situations: &[&BLOCKED],
    needs,
    run,
};

const BLOCKED: Situation = Situation {
    id: "scraper-blocked",
    word: "scraper blocked",
    rule: "the pods of a vmagent or a Prometheus of the cluster are denied port 9999 of the nodes of an instance, by simulation",
    meaning: "There are no metrics of it: no rule about it can fire, but for one about series that are absent.",
    ..ACCEPTED
};

fn needs(case: &Case<'_>) -> Vec<Want> {
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let mut needs = reach::needs(case.context, &instance.view.id.namespace);
    needs.extend(scrapers::needs(case.context));
    for scraper in scrapers::found(case.context).unwrap_or_default() {
        needs.extend(reach::needs(case.context, &scraper.end.namespace));
    }
    needs
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let id = &instance.view.id;
    let all = match scrapers::found(case.context) {
        Ok(all) => all,
        Err(why) => {
            let sentence = format!("who scrapes {id} is not known: {why}");
            return untold(case, &CHECK, sentence);
        }
    };
    if all.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    let to = reach::database(&instance.view);
    let mut unsure = None;
    let mut barred: Vec<(&Scraper, Reach)> = Vec::new();
    for scraper in &all {
        let from = (case.context, scraper.end.clone());
        let found = Passage::new(from, (case.context, to.clone())).reach(ADMIN, Protocol::Tcp);
        match found.outcome() {
            Outcome::Allowed => {}
            Outcome::Unknown => {
                unsure.get_or_insert_with(|| (&scraper.name, found.deciding().words()));
            }
            Outcome::Denied => barred.push((scraper, found)),
        }
    }
    if barred.is_empty() {
        return match unsure {
            Some((name, why)) => untold(
                case,
                &CHECK,
                format!("whether {name} scrapes {id} on port {ADMIN} cannot be told: {why}"),
            ),
            None => Answer::PASS,
        };
    }
    // Together those that the same rule, or none, keeps out.
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for (scraper, found) in &barred {
        let reason = found.deciding().words();
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(&scraper.name),
            None => reasons.push((reason, vec![&scraper.name])),
        }
    }
    let clauses: Vec<String> = reasons
        .iter()
        .map(|(reason, names)| {
            format!(
                "{} cannot scrape {id} on port {ADMIN}: {reason}",
                list(names)
            )
        })
        .collect();
    let mut finding = case.finding(&CHECK, &BLOCKED, Severity::Warning, clauses.join("; "));
    for (_, found) in &barred {
        finding = resting(case, finding, found);
    }
    match mends(&id.name, &to, &barred) {
        Some(manifest) => finding.mended_by(manifest).into(),
        None => finding
            .next("Change the rule that denies it: no other rule can admit what one denies.")
            .into(),
    }
}

/// The policies that admit them all: one at the instance, and one where each of them may not open the connection. `None` where
/// only rules that deny stand in the way.
fn mends(name: &str, to: &End, barred: &[(&Scraper, Reach)]) -> Option<String> {
    let closes = |side: &Side| side.outcome == Outcome::Denied && side.by.is_empty();
    let admitted = |end| Admitted {
        end,
        why: "metrics are served there".to_owned(),
        port: ADMIN,
    };
    let coming: Vec<Admitted<'_>> = barred
        .iter()
        .filter(|(_, found)| closes(&found.ingress))
        .map(|(scraper, _)| admitted(&scraper.end))
        .collect();
    let mut documents = Vec::new();
    let called = format!("{name}-metrics");
    if !coming.is_empty() {
        documents.push(manifest(&called, to, Way::Ingress, &coming));
    }
    let going = barred.iter().filter(|(_, found)| closes(&found.egress));
    for (at, (scraper, _)) in going.enumerate() {
        let called = match at {
            0 => called.clone(),
            at => format!("{called}-{}", at + 1),
        };
        documents.push(manifest(
            &called,
            &scraper.end,
            Way::Egress,
            &[admitted(to)],
        ));
    }
    (!documents.is_empty()).then(|| documents.join("---\n"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::Foreign;
    use crate::domain::fixture::Fixture;
    use serde_json::{Value, json};

    #[test]
    fn whoever_scrapes_must_reach_port_9999() {
        let agent = json!({"metadata": {"name": "vmagent-main", "namespace": "metrics"},
            "spec": {"selector": {"app.kubernetes.io/name": "vmagent"}, "ports": [{"port": 8429}]}});
        let with = |ingress: Value| {
            let agent = agent.clone();
            let policy = json!({"metadata": {"name": "a", "namespace": "shop"}, "spec": {"podSelector": {}, "ingress": ingress}});
            move |f: &mut Fixture| {
                read(f, Foreign::Service, Ok(vec![agent.clone()]));
                read(f, Foreign::NetworkPolicy, Ok(vec![policy.clone()]));
            }
        };
        let from = |labels: Value, port: u16| {
            json!([{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "metrics"}},
                "podSelector": {"matchLabels": labels}}], "ports": [{"port": port}]}])
        };
        const BLOCKED: &str = "warning healthy: metrics/vmagent-main cannot scrape shop/orders on port 9999: ingress at infra: NetworkPolicy shop/a selects it, and no rule admits it";
        instance_table(
            &CHECK,
            &[
                (
                    "nobody scrapes",
                    &|f| read(f, Foreign::Service, Ok(vec![])),
                    "n/a",
                ),
                (
                    "not read",
                    &|_| {},
                    "note unknown: who scrapes shop/orders is not known: Services of infra have not been read yet",
                ),
                ("admitted", &with(from(json!({}), 9999)), "pass"),
                ("6379 alone", &with(from(json!({}), 6379)), BLOCKED),
                (
                    "another pod",
                    &with(from(json!({"app": "grafana"}), 9999)),
                    BLOCKED,
                ),
                ("closed", &with(json!([])), BLOCKED),
                (
                    "two of them",
                    &|f| {
                        with(json!([]))(f);
                        let mut other = agent.clone();
                        other["metadata"]["name"] = json!("vmagent-other");
                        other["spec"]["selector"] = json!({"app": "vmagent"});
                        read(f, Foreign::Service, Ok(vec![agent.clone(), other]));
                    },
                    "warning healthy: metrics/vmagent-main and metrics/vmagent-other cannot scrape shop/orders on port 9999: ingress at infra: \
                     NetworkPolicy shop/a selects it, and no rule admits it",
                ),
            ],
        );
    }
}
