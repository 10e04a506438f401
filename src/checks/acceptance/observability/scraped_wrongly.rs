//! Metrics that nobody scrapes, or at a port that has none. The common belief is that a ServiceMonitor on the instance's
//! Service does it: that Service exposes only the data port, 6379, and selects only the master, while `/metrics` is served on
//! the admin port, 9999 (operators up to v1.6.1).

use super::scrapes::{self, Endpoint, Scrape};
use super::series_missing;
use super::{manifests, stores};
use crate::checks::acceptance::{ACCEPTED, with_pods};
use crate::checks::{Answer, Area, Case, Check, Instance, Severity, Since, Situation};
use crate::domain::want::Want;

/// The check.
pub const CHECK: Check = Check {
    id: "scraped-wrongly",
    area: Area::Observability,
    title: "Metrics not scraped, or at the wrong port",
    why: "/metrics is served on the admin port, 9999, alone. The operator's Service exposes only 6379, so that a ServiceMonitor on \
          it finds no metrics, whatever many guides say.",
    reads: "PodMonitors, VMPodScrapes, ServiceMonitors and VMServiceScrapes, labels and ports of the pods and of the master \
            Service, series in the metrics store",
    next: "Scrape port admin of the pods: a PodMonitor, or a VMPodScrape.\n\
           $ {kubectl} get podmonitors,servicemonitors,vmpodscrapes,vmservicescrapes",
    situations: &[&NOBODY, &WRONG_PORT, &MASTER_ALONE],
    needs,
    run,
};

const NOBODY: Situation = Situation {
    id: "scraped-by-nobody",
    word: "not scraped",
    rule: "no scrape object selects its pods or a Service of theirs, and no metrics store has series of them",
    meaning: "Nothing is known of its past, and no alert about it can fire.",
    ..ACCEPTED
};

const WRONG_PORT: Situation = Situation {
    id: "scraped-at-the-wrong-port",
    word: "wrong port",
    rule: "a scrape object selects its pods or its Service, and names a port that serves no metrics",
    meaning: "The scraper is refused at every try, and no alert about its series can fire.",
    ..ACCEPTED
};

const MASTER_ALONE: Situation = Situation {
    id: "scraped-master-alone",
    word: "replicas unseen",
    rule: "its pods are scraped only through the master Service, which selects no replica",
    meaning: "Nothing is known of its replicas, and a series ends at every change of the master.",
    ..ACCEPTED
};

fn needs(case: &Case<'_>) -> Vec<Want> {
    if case.instance.is_none() {
        return Vec::new();
    }
    let mut needs = scrapes::needs(case.context);
    needs.extend(series_missing::present(case));
    needs
}

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    let found = scrapes::scrapes(case, &CHECK);
    if found.served.is_empty() {
        // Nobody installed what would tell a scraper; another way to be scraped shows in the store alone.
        return found
            .lacking
            .map_or(Answer::NOT_APPLICABLE, |answer| *answer);
    }
    if instance.nodes.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    let mut right = false;
    let mut of_master: Vec<&Scrape<'_>> = Vec::new();
    let mut wrong: Vec<(&Scrape<'_>, String)> = Vec::new();
    for scrape in &found.all {
        match hits(instance, scrape) {
            Hit::Nothing => {}
            Hit::Pods => right = true,
            Hit::Master => of_master.push(scrape),
            Hit::Wrong(why) => wrong.push((scrape, why)),
        }
    }
    let name = &instance.view.id;
    let mend = || manifests::pod_scrape(&name.namespace, &name.name, &found.served);
    if let Some((scrape, why)) = wrong.first() {
        let severity = match right {
            true => Severity::Note,
            false => Severity::Warning,
        };
        let finding = case
            .finding(
                &CHECK,
                &WRONG_PORT,
                severity,
                format!("{} scrapes {why}", scrape.words()),
            )
            .resting_on(why.clone(), scrape.words(), scrape.at)
            .since(Since::Seen(scrape.at));
        return match right {
            true => finding
                .next("Delete it: another scrape object has the right port.")
                .into(),
            false => finding.mended_by(mend()).into(),
        };
    }
    if right {
        return Answer::PASS;
    }
    if let Some(scrape) = of_master.first() {
        return case
            .finding(
                &CHECK,
                &MASTER_ALONE,
                Severity::Warning,
                format!(
                    "{} scrapes the master of {name} alone: the Service that it selects leads to no replica",
                    scrape.words()
                ),
            )
            .resting_on(
                "the Service selects role=master",
                scrape.words(),
                scrape.at,
            )
            .since(Since::Seen(scrape.at))
            .mended_by(mend())
            .into();
    }
    // Annotations of pods, a configuration of Prometheus' own: then the series are there.
    if series_missing::has_any(case, instance) {
        return Answer::PASS;
    }
    if let Some(lacking) = found.lacking {
        return *lacking;
    }
    let found_stores = stores::stores(case.context, &case.limits.expected);
    let series = series_missing::heard(case, &found_stores);
    let by_store = match series.is_whole() {
        true => ", and no metrics store has series of them",
        false => "",
    };
    case.finding(
        &CHECK,
        &NOBODY,
        Severity::Warning,
        format!("no scrape object selects the pods of {name}{by_store}"),
    )
    .resting_on(
        format!("none of {} selects them", found.all.len()),
        format!("scrape objects of {}", case.context.id),
        case.now,
    )
    .mended_by(mend())
    .into()
}

enum Hit {
    Nothing,
    /// The admin port of its pods.
    Pods,
    /// That of the master alone.
    Master,
    /// Something that serves no metrics, in words.
    Wrong(String),
}

fn hits(instance: &Instance<'_>, scrape: &Scrape<'_>) -> Hit {
    let namespace = &*instance.view.id.namespace;
    if scrape.is_of_pods() {
        let pods = instance.nodes.iter().map(|node| &node.view.pod.value);
        let selected = pods
            .into_iter()
            .any(|pod| scrape.selects(namespace, &pod.meta.labels));
        return match selected {
            false => Hit::Nothing,
            true => judge(&scrape.endpoints(), |endpoint| {
                is_admin(endpoint.port()) || is_admin(&endpoint.target())
            }),
        };
    }
    let Some(service) = instance.view.service else {
        return Hit::Nothing;
    };
    let service = &service.value;
    if !scrape.selects(namespace, &service.meta.labels) {
        return Hit::Nothing;
    }
    // A port of the Service by name; or, as the scraper finds it, one of the pods behind it.
    let leads = |endpoint: Endpoint<'_>| {
        let mut ports = service.ports.iter();
        ports.any(|(name, number)| *number == 9999 && name == endpoint.port())
            || is_admin(&endpoint.target())
    };
    match judge(&scrape.endpoints(), leads) {
        Hit::Pods => Hit::Master,
        Hit::Wrong(why) => Hit::Wrong(format!(
            "{why}, the Service {} has no port with metrics: its pods serve them on admin, 9999",
            service.meta.name
        )),
        other => other,
    }
}

fn is_admin(port: &str) -> bool {
    matches!(port, "admin" | "9999")
}

fn judge(endpoints: &[Endpoint<'_>], is_right: impl Fn(Endpoint<'_>) -> bool) -> Hit {
    let odd = endpoints.iter().find(|one| !is_right(**one));
    let right: Vec<_> = endpoints.iter().filter(|one| is_right(**one)).collect();
    if let Some(elsewhere) = right.iter().find(|one| one.path() != "/metrics") {
        return Hit::Wrong(format!(
            "{} at the path {}, and metrics are at /metrics",
            elsewhere.words(),
            elsewhere.path()
        ));
    }
    match (right.is_empty(), odd) {
        (false, _) => Hit::Pods,
        (true, Some(odd)) => Hit::Wrong(format!("{}, where there are no metrics", odd.words())),
        (true, None) => Hit::Wrong("nothing: it names no endpoint".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::*;
    use super::*;
    use crate::checks::acceptance::fixture::{read, seen, table};
    use crate::domain::want::Foreign;
    use crate::domain::{Fault, FaultKind, Object};

    const NOBODY: &str = "warning healthy: no scrape object selects the pods of shop/orders";

    #[test]
    fn the_admin_port_of_the_pods_is_to_be_scraped() {
        let pods = |endpoint: Value| json!({"selector": {"matchLabels": {"app": "orders"}}, "podMetricsEndpoints": [endpoint]});
        let of = |kind: Foreign, spec: Value| {
            move |f: &mut _| {
                bare(f);
                scrape(f, kind, &spec);
            }
        };
        let service = |endpoint: Value| json!({"selector": {"matchLabels": {"app": "orders"}}, "endpoints": [endpoint]});
        let with_ports = |f: &mut crate::domain::fixture::Fixture| {
            let context = f.world.context(&crate::domain::fixture::infra());
            let held = context.and_then(|c| c.services.get("shop", "orders"));
            if let Some(mut service) = held.map(|held| (*held.value).clone()) {
                service.ports = vec![("redis".to_owned(), 6379)];
                seen(f, Object::Service(service.into()));
            }
        };
        table(
            &CHECK,
            &[
                (
                    "by name",
                    &of(Foreign::PodMonitor, pods(json!({"port": "admin"}))),
                    "pass",
                ),
                (
                    "by number",
                    &of(Foreign::VmPodScrape, pods(json!({"targetPort": 9999}))),
                    "pass",
                ),
                (
                    "the data port",
                    &of(Foreign::PodMonitor, pods(json!({"port": "redis"}))),
                    "warning healthy: PodMonitor shop/cache scrapes port redis, where there are no metrics",
                ),
                (
                    "another path",
                    &of(
                        Foreign::PodMonitor,
                        pods(json!({"port": "admin", "path": "/prom"})),
                    ),
                    "warning healthy: PodMonitor shop/cache scrapes port admin at the path /prom, and metrics are at /metrics",
                ),
                (
                    "the Service, as the story has it",
                    &|f| {
                        bare(f);
                        with_ports(f);
                        scrape(
                            f,
                            Foreign::ServiceMonitor,
                            &service(json!({"port": "redis"})),
                        );
                    },
                    "warning healthy: ServiceMonitor shop/cache scrapes port redis, where there are no metrics, the Service orders has no port with metrics: its pods serve them on admin, 9999",
                ),
                (
                    "the master alone",
                    &of(
                        Foreign::VmServiceScrape,
                        service(json!({"targetPort": "admin"})),
                    ),
                    "warning healthy: VMServiceScrape shop/cache scrapes the master of shop/orders alone: the Service that it selects leads to no replica",
                ),
                (
                    "right, and wrong besides",
                    &|f| {
                        bare(f);
                        scrape(f, Foreign::PodMonitor, &pods(json!({"port": "admin"})));
                        scrape(
                            f,
                            Foreign::ServiceMonitor,
                            &service(json!({"port": "redis"})),
                        );
                    },
                    "note healthy: ServiceMonitor shop/cache scrapes port redis, where there are no metrics, the Service orders has no port with metrics: its pods serve them on admin, 9999",
                ),
                (
                    "other pods",
                    &of(
                        Foreign::PodMonitor,
                        json!({"selector": {"matchLabels": {"app": "carts"}}, "podMetricsEndpoints": [{"port": "admin"}]}),
                    ),
                    NOBODY,
                ),
                (
                    "another namespace",
                    &of(
                        Foreign::PodMonitor,
                        json!({"namespaceSelector": {"matchNames": ["x"]}, "selector": {}, "podMetricsEndpoints": [{"port": "admin"}]}),
                    ),
                    NOBODY,
                ),
                (
                    "any namespace",
                    &of(
                        Foreign::PodMonitor,
                        json!({"namespaceSelector": {"any": true}, "selector": {"matchExpressions": [
                            {"key": "app.kubernetes.io/name", "operator": "In", "values": ["dragonfly"]}]},
                            "podMetricsEndpoints": [{"port": "admin"}]}),
                    ),
                    "pass",
                ),
                ("nothing", &bare, NOBODY),
                ("no such kinds", &unmonitored, "n/a"),
                (
                    "forbidden",
                    &|f| {
                        bare(f);
                        read(
                            f,
                            Foreign::PodMonitor,
                            Err(Fault::new(FaultKind::Forbidden, "may not list podmonitors")),
                        );
                    },
                    "note unknown: nothing is known of PodMonitors in infra: may not list podmonitors",
                ),
                (
                    "in another way, as the store shows",
                    &|f| {
                        bare(f);
                        store(f);
                        let label = json!({"pod": "orders-0", "namespace": "shop"});
                        series(
                            f,
                            "{__name__=~\"dragonfly_master|dragonfly_uptime_in_seconds\"}",
                            &[label],
                        );
                    },
                    "pass",
                ),
                (
                    "and no series",
                    &|f| {
                        bare(f);
                        store(f);
                        series(
                            f,
                            "{__name__=~\"dragonfly_master|dragonfly_uptime_in_seconds\"}",
                            &[],
                        );
                    },
                    "warning healthy: no scrape object selects the pods of shop/orders, and no metrics store has series of them",
                ),
            ],
        );
    }
}
