//! Series of a pod that the metrics store does not have, or that do not say which pod, namespace or role they are of.

use jiff::Timestamp;

use super::stores::{self, Heard, Stores};
use super::{manifests, scrapes};
use crate::checks::acceptance::{ACCEPTED, with_pods};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Instance, Node, Severity, Since, Situation};
use crate::domain::monitoring::{Ask, Series};
use crate::domain::want::Want;

/// The check.
pub const CHECK: Check = Check {
    id: "series-missing",
    area: Area::Observability,
    title: "Series missing from the metrics store",
    why: "Alerts about series that are not there never fire, and ones without the pod and its namespace do not say whom they are \
          about.",
    reads: "the series dragonfly_master and dragonfly_uptime_in_seconds in the metrics store, through the API server's proxy to \
            its Service (right: get services/proxy in its namespace)",
    next: "See whether the scraper reaches port 9999 of the pods: its targets tell why not. A NetworkPolicy of the operator, from \
           v1.5.0, lets no scraper through.\n\
           $ {kubectl} get networkpolicies",
    situations: &[&GONE, &UNLABELLED],
    needs,
    run,
};

const GONE: Situation = Situation {
    id: "series-missing",
    word: "no series",
    rule: "the metrics store has no series of a pod that has been running for some minutes, now or within the last five minutes",
    meaning: "Nothing is known of its past, and no alert about it can fire.",
    ..ACCEPTED
};

const UNLABELLED: Situation = Situation {
    id: "series-unlabelled",
    word: "labels missing",
    rule: "series of a pod lack the label namespace or pod, or tell no role: neither a label role nor dragonfly_master",
    meaning: "An alert does not say which pod it is about, or rules cannot tell masters from replicas.",
    ..ACCEPTED
};

/// One of each pod: which is master, and one that every version has.
const NOW: &str = "{__name__=~\"dragonfly_master|dragonfly_uptime_in_seconds\"}";
/// The same, with what has ended within six hours.
const LATELY: &str = "last_over_time(dragonfly_uptime_in_seconds[6h])";

/// What must be read to know the series of now.
pub(super) fn present(case: &Case<'_>) -> Vec<Want> {
    let expected = &case.limits.expected;
    let mut needs = stores::needs(case.context, expected);
    let found = stores::stores(case.context, expected);
    needs.extend(stores::wants(&found.series, &Ask::Vector(NOW.into())));
    needs
}

/// The series of now.
pub(super) fn heard<'a>(case: &Case<'a>, found: &Stores<'_>) -> Heard<'a, Series> {
    stores::vector(case, &found.series, NOW)
}

/// Some pod of it has series.
pub(super) fn has_any(case: &Case<'_>, instance: &Instance<'_>) -> bool {
    let found = stores::stores(case.context, &case.limits.expected);
    let heard = heard(case, &found);
    instance
        .nodes
        .iter()
        .any(|node| heard.told.iter().any(|series| is_of(series, node, case)))
}

fn needs(case: &Case<'_>) -> Vec<Want> {
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let mut needs = present(case);
    needs.extend(scrapes::needs(case.context));
    let found = stores::stores(case.context, &case.limits.expected);
    let heard = heard(case, &found);
    if heard.is_whole() && !lacking(case, instance, &heard).is_empty() {
        needs.extend(stores::wants(&found.series, &Ask::Vector(LATELY.into())));
    }
    needs
}

/// Whether a series is of a node: by its labels, or by the address that it was scraped at.
fn is_of(series: &Series, node: &Node<'_>, case: &Case<'_>) -> bool {
    let by_name = POD.iter().any(|label| series.label(label) == node.name());
    let id = case.instance.as_ref().map(|instance| &instance.view.id);
    let namespace = NAMESPACE
        .iter()
        .map(|label| series.label(label))
        .find(|value| !value.is_empty());
    let is_elsewhere = namespace
        .zip(id)
        .is_some_and(|(namespace, id)| *namespace != *id.namespace);
    let by_address = node.view.ip().is_some_and(|ip| {
        let at = series.label("instance");
        at == format!("{ip}:9999") || at == format!("[{ip}]:9999")
    });
    (by_name && !is_elsewhere) || by_address
}

const POD: &[&str] = &["pod", "kubernetes_pod_name", "pod_name", "exported_pod"];
const NAMESPACE: &[&str] = &["namespace", "kubernetes_namespace", "exported_namespace"];

/// The nodes without a series, of those that a scraper had time to find.
fn lacking<'c, 'a>(
    case: &Case<'a>,
    instance: &'c Instance<'a>,
    heard: &Heard<'_, Series>,
) -> Vec<&'c Node<'a>> {
    let nodes = instance.nodes.iter();
    nodes
        .filter(|node| node.runs() && !node.is_going() && node.young_until.is_none())
        .filter(|node| !heard.told.iter().any(|series| is_of(series, node, case)))
        .collect()
}

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    let found = stores::stores(case.context, &case.limits.expected);
    let scraped = scrapes::scrapes(case, &CHECK);
    if found.series.is_empty() && found.untold.is_none() && scraped.served.is_empty() {
        return scraped
            .lacking
            .map_or(Answer::NOT_APPLICABLE, |answer| *answer);
    }
    // Without anything that monitors, that Services cannot be listed hides nothing.
    if found.untold.is_some() && scraped.served.is_empty() && scraped.lacking.is_none() {
        return Answer::NOT_APPLICABLE;
    }
    let heard = heard(case, &found);
    let Some(at) = heard.at.filter(|_| heard.is_whole()) else {
        // One store that has them all is enough.
        let is_told = heard.at.is_some() || !heard.told.is_empty();
        if !is_told || !lacking(case, instance, &heard).is_empty() {
            return stores::untold(case, &CHECK, &found, Some(&heard));
        }
        return labelled(case, instance, &heard, case.now);
    };
    let lacking = lacking(case, instance, &heard);
    if lacking.is_empty() {
        return labelled(case, instance, &heard, at);
    }
    let names: Vec<&str> = lacking.iter().map(|node| node.name()).collect();
    let lately = stores::vector(case, &found.series, LATELY);
    let had: Vec<&str> = lacking
        .iter()
        .filter(|node| lately.told.iter().any(|series| is_of(series, node, case)))
        .map(|node| node.name())
        .collect();
    let stores: Vec<String> = found.series.iter().map(ToString::to_string).collect();
    let stale = match had.is_empty() {
        true => String::new(),
        false => format!("; {} had some within six hours", list(&had)),
    };
    let id = &instance.view.id;
    let finding = case
        .finding(
            &CHECK,
            &GONE,
            Severity::Warning,
            format!(
                "the metrics store {} has no series of {}{stale}",
                list(&stores),
                list(&names)
            ),
        )
        .about(names)
        .resting_on(
            format!("{} series of Dragonfly in all", heard.told.len()),
            format!("metrics store {}", list(&stores)),
            at,
        );
    match scraped.served.is_empty() || heard.told.iter().any(|s| is_of_instance(s, instance, case))
    {
        true => finding.into(),
        false => finding
            .mended_by(manifests::pod_scrape(
                &id.namespace,
                &id.name,
                &scraped.served,
            ))
            .into(),
    }
}

fn is_of_instance(series: &Series, instance: &Instance<'_>, case: &Case<'_>) -> bool {
    instance.nodes.iter().any(|node| is_of(series, node, case))
}

/// Every node has series: whether they say whose they are.
fn labelled(
    case: &Case<'_>,
    instance: &Instance<'_>,
    heard: &Heard<'_, Series>,
    at: Timestamp,
) -> Answer {
    let (mut unnamed, mut roleless): (Vec<&str>, Vec<&str>) = Default::default();
    let mut missing: Vec<&str> = Vec::new();
    let mut told = false;
    for node in &instance.nodes {
        let of = || heard.told.iter().filter(|series| is_of(series, node, case));
        if of().next().is_none() {
            continue;
        }
        told = true;
        for label in ["namespace", "pod"] {
            if of().any(|series| series.label(label).is_empty()) {
                unnamed.push(node.name());
                missing.push(label);
            }
        }
        let has_role = of().any(|series| {
            series.label("__name__") == "dragonfly_master" || !series.label("role").is_empty()
        });
        if !has_role {
            roleless.push(node.name());
        }
    }
    if !told {
        return Answer::NOT_APPLICABLE;
    }
    missing.sort_unstable();
    missing.dedup();
    unnamed.dedup();
    let (sentence, about) = match (unnamed.is_empty(), roleless.is_empty()) {
        (true, true) => return Answer::PASS,
        (false, _) => (
            format!(
                "series of {} have no label {}",
                list(&unnamed),
                list(&missing)
            ),
            unnamed,
        ),
        (true, false) => (
            format!(
                "series of {} tell no role: neither dragonfly_master nor a label role",
                list(&roleless)
            ),
            roleless,
        ),
    };
    let id = &instance.view.id;
    let served = scrapes::scrapes(case, &CHECK).served;
    let finding = case
        .finding(&CHECK, &UNLABELLED, Severity::Warning, sentence)
        .next(
            "Let the scraper add them: a PodMonitor or a VMPodScrape does by itself, and podTargetLabels adds more, such as role.",
        )
        .about(about)
        .resting_on(
            format!("{} series of Dragonfly", heard.told.len()),
            "metrics store",
            at,
        )
        .since(Since::Seen(at));
    match served.is_empty() {
        true => finding.into(),
        false => finding
            .mended_by(manifests::pod_scrape(&id.namespace, &id.name, &served))
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::*;
    use super::*;
    use crate::checks::acceptance::fixture::{read, table};
    use crate::domain::fixture::ip;
    use crate::domain::want::Foreign;
    use crate::domain::{Fault, FaultKind};

    fn of(pod: usize, metric: &str) -> Value {
        json!({"__name__": metric, "namespace": "shop", "pod": format!("orders-{pod}")})
    }

    fn all() -> Vec<Value> {
        (0..3).map(|pod| of(pod, "dragonfly_master")).collect()
    }

    #[test]
    fn each_pod_is_to_have_series_that_say_whose_they_are() {
        let with = |found: Vec<Value>| {
            move |f: &mut _| {
                bare(f);
                store(f);
                series(f, NOW, &found);
            }
        };
        let fails = |kind: FaultKind, message: &'static str| {
            move |f: &mut _| {
                bare(f);
                store(f);
                answers(f, Ask::Vector(NOW.into()), Err(Fault::new(kind, message)));
            }
        };
        table(
            &CHECK,
            &[
                ("all", &with(all()), "pass"),
                (
                    "none of one",
                    &with(all().into_iter().skip(1).collect()),
                    "warning healthy: the metrics store vm/prometheus has no series of orders-0",
                ),
                (
                    "of a namesake elsewhere",
                    &with(
                        (0..3)
                            .map(|pod| json!({"__name__": "dragonfly_master", "namespace": "other", "pod": format!("orders-{pod}")}))
                            .collect(),
                    ),
                    "warning healthy: the metrics store vm/prometheus has no series of orders-0, orders-1 and orders-2",
                ),
                (
                    "ended lately",
                    &|f| {
                        bare(f);
                        store(f);
                        series(f, NOW, &all().split_off(1));
                        series(f, LATELY, &all());
                    },
                    "warning healthy: the metrics store vm/prometheus has no series of orders-0; orders-0 had some within six hours",
                ),
                (
                    "without their pods",
                    &with(
                        (0..3)
                            .map(|pod| json!({"__name__": "dragonfly_master", "instance": format!("{}:9999", ip(pod))}))
                            .collect(),
                    ),
                    "warning healthy: series of orders-0, orders-1 and orders-2 have no label namespace and pod",
                ),
                (
                    "without a role",
                    &with(
                        (0..3)
                            .map(|pod| of(pod, "dragonfly_uptime_in_seconds"))
                            .collect(),
                    ),
                    "warning healthy: series of orders-0, orders-1 and orders-2 tell no role: neither dragonfly_master nor a label role",
                ),
                (
                    "a missing right",
                    &fails(
                        FaultKind::Forbidden,
                        "may not read what Services serve (services/proxy) in namespace vm",
                    ),
                    "note unknown: may not read what Services serve (services/proxy) in namespace vm",
                ),
                (
                    "HTML",
                    &fails(
                        FaultKind::Protocol,
                        "the metrics store vm/prometheus answered with HTML (200)",
                    ),
                    "note unknown: the metrics store vm/prometheus answered with HTML (200)",
                ),
                (
                    "no answer yet",
                    &|f| {
                        bare(f);
                        store(f);
                    },
                    "note unknown: the metrics store vm/prometheus has not answered yet",
                ),
                (
                    "no store",
                    &bare,
                    "note unknown: no metrics store was found among the Services of infra",
                ),
                (
                    "Services may not be listed",
                    &|f| {
                        bare(f);
                        read(
                            f,
                            Foreign::MetricsService,
                            Err(Fault::new(FaultKind::Forbidden, "may not list services")),
                        );
                    },
                    "note unknown: nothing is known of Services of metrics stores in infra: may not list services",
                ),
                ("nothing that monitors", &unmonitored, "n/a"),
            ],
        );
    }
}
