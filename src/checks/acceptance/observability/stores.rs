//! Where the metrics of a context are: the stores that the settings name, or else those that can be told by the names and
//! labels of their Services; and what they answered.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::checks::acceptance::UNTOLD;
use crate::checks::listed::{Untold, listed};
use crate::checks::{Answer, Case, Check, Severity, Since, steps};
use crate::domain::monitoring::{Ask, Query, Series, Store, StoreAlert, StoreRule, Told};
use crate::domain::want::{Foreign, ForeignObject, Want};
use crate::domain::world::ContextWorld;
use crate::domain::{Expected, Fault};

/// Stores that are asked at most, of those that were found.
const MOST: usize = 3;

/// The stores of a context.
#[derive(Debug, Default)]
pub(in crate::checks) struct Stores<'a> {
    /// What series are asked of.
    pub(in crate::checks) series: Vec<Store>,
    /// What rules and alerts are asked of.
    pub(in crate::checks) rules: Vec<Store>,
    /// Why they could not be looked for.
    pub(in crate::checks) untold: Option<Untold<'a>>,
}

/// What the stores of a context are found by, where the settings do not name them.
pub(in crate::checks) fn needs(context: &ContextWorld, expected: &Expected) -> Vec<Want> {
    let is_named = expected
        .stores
        .iter()
        .any(|address| address.context == context.id);
    match is_named {
        true => Vec::new(),
        false => vec![crate::checks::listed::want(
            context,
            Foreign::MetricsService,
            "",
        )],
    }
}

/// The stores of a context.
pub(in crate::checks) fn stores<'a>(context: &'a ContextWorld, expected: &Expected) -> Stores<'a> {
    let named: Vec<Store> = expected
        .stores
        .iter()
        .filter(|address| address.context == context.id)
        .map(|address| {
            let usual = Flavour::of(&address.service).unwrap_or(Flavour::Prometheus);
            Store {
                context: address.at.clone(),
                namespace: address.namespace.clone(),
                service: address.service.clone(),
                port: match &*address.port {
                    "" => Arc::from(usual.port()),
                    _ => address.port.clone(),
                },
                tls: matches!(&*address.port, "https" | "443" | "8443"),
                path: match &*address.path {
                    "" => Arc::from(usual.path()),
                    _ => address.path.clone(),
                },
            }
        })
        .collect();
    if !named.is_empty() {
        // One that only evaluates rules has no series, and one that has them may have rules.
        let (alone, series): (Vec<_>, Vec<_>) = named
            .into_iter()
            .partition(|store| Flavour::of(&store.service) == Some(Flavour::Alert));
        return Stores {
            rules: if alone.is_empty() {
                series.clone()
            } else {
                alone
            },
            series,
            untold: None,
        };
    }
    match listed(context, Foreign::MetricsService, "") {
        Ok(found) => found_by_themselves(context, &found.objects),
        Err(untold) => Stores {
            untold: Some(untold),
            ..Stores::default()
        },
    }
}

fn found_by_themselves<'a>(context: &ContextWorld, services: &[&ForeignObject]) -> Stores<'a> {
    let mut found: Vec<(Flavour, bool, String, Store)> = services
        .iter()
        .filter_map(|service| {
            let labels = &service.meta.labels;
            let label = labels.get("app.kubernetes.io/name").map(String::as_str);
            let flavour = Flavour::of(&service.meta.name)
                .or_else(|| Flavour::of(label.unwrap_or_default()))
                .or_else(|| Flavour::of(labels.get("app").map_or("", String::as_str)))?;
            let port = flavour.port_of(&service.body)?;
            let store = Store {
                context: context.id.clone(),
                namespace: service.meta.namespace.clone(),
                service: service.meta.name.clone(),
                tls: port == "https",
                port: Arc::from(port),
                path: Arc::from(flavour.path()),
            };
            let selector = service.body.pointer("/spec/selector");
            let selector = selector.map_or_else(String::new, Value::to_string);
            let is_headless = service
                .body
                .pointer("/spec/clusterIP")
                .and_then(Value::as_str)
                == Some("None");
            Some((flavour, is_headless, selector, store))
        })
        .collect();
    found.sort_by(|a, b| (a.0, a.1, &a.3).cmp(&(b.0, b.1, &b.3)));
    // Several Services of the same pods are one store.
    let mut seen: Vec<(Flavour, Arc<str>, String)> = Vec::new();
    found.retain(|(flavour, _, selector, store)| {
        let pods = (*flavour, store.namespace.clone(), selector.clone());
        let is_new = selector.len() <= 2 || !seen.contains(&pods);
        seen.push(pods);
        is_new
    });
    let of = |wanted: &[Flavour]| -> Vec<Store> {
        let some = found
            .iter()
            .filter(|(flavour, ..)| wanted.contains(flavour));
        some.take(MOST).map(|(.., store)| store.clone()).collect()
    };
    let series = of(&[
        Flavour::Select,
        Flavour::Single,
        Flavour::Thanos,
        Flavour::Prometheus,
    ]);
    let rules = of(&[Flavour::Alert, Flavour::Prometheus]);
    Stores {
        // A single VictoriaMetrics may pass questions about rules on to its vmalert.
        rules: if rules.is_empty() {
            series.clone()
        } else {
            rules
        },
        series,
        untold: None,
    }
}

/// What a Service is of, by its name or a label of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Flavour {
    Select,
    Single,
    Thanos,
    Prometheus,
    Alert,
}

impl Flavour {
    fn of(name: &str) -> Option<Self> {
        const OTHERS: &[&str] = &[
            "operator",
            "alertmanager",
            "exporter",
            "pushgateway",
            "kube-state",
            "adapter",
            "vmagent",
            "vminsert",
            "vmstorage",
            "kubelet",
            "coredns",
            "kube-etcd",
            "kube-proxy",
            "kube-scheduler",
            "kube-controller",
            "grafana",
        ];
        let has = |word: &str| name.contains(word);
        match () {
            () if OTHERS.iter().any(|word| has(word)) && name != "prometheus-operated" => None,
            () if has("vmalert") || has("victoria-metrics-alert") => Some(Flavour::Alert),
            () if has("vmselect") => Some(Flavour::Select),
            () if has("vmsingle") || has("victoria-metrics") => Some(Flavour::Single),
            () if has("thanos-query") => Some(Flavour::Thanos),
            () if has("prometheus") => Some(Flavour::Prometheus),
            () => None,
        }
    }

    /// The usual port.
    fn port(self) -> &'static str {
        match self {
            Flavour::Select => "8481",
            Flavour::Single => "8428",
            Flavour::Thanos | Flavour::Prometheus => "9090",
            Flavour::Alert => "8080",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Flavour::Select => "/select/0/prometheus",
            _ => "",
        }
    }

    /// The port of a Service that it speaks at: the usual one, or one that is named for HTTP.
    fn port_of(self, body: &Value) -> Option<String> {
        const NAMES: &[&str] = &["http", "https", "web", "http-web", "http-query"];
        let ports = body.pointer("/spec/ports").and_then(Value::as_array)?;
        let number = |port: &Value| port.get("port").and_then(Value::as_u64);
        let usual = ports
            .iter()
            .filter_map(number)
            .find(|number| number.to_string() == self.port());
        if let Some(number) = usual {
            return Some(number.to_string());
        }
        let name = |port: &Value| port.get("name").and_then(Value::as_str).map(str::to_owned);
        let named = ports
            .iter()
            .find(|port| name(port).is_some_and(|name| NAMES.contains(&name.as_str())));
        match (named, ports.as_slice()) {
            (Some(named), _) => name(named),
            // A Service with one port, such as 80 to the store's own.
            (None, [only]) if number(only) == Some(80) => Some("80".to_owned()),
            _ => None,
        }
    }
}

/// What the stores answered to one question.
pub(in crate::checks) struct Heard<'a, T> {
    /// All that they told.
    pub(in crate::checks) told: Vec<&'a T>,
    /// When the first of them told it; `None` while none has.
    pub(in crate::checks) at: Option<Timestamp>,
    /// The store that could not be asked, and why, since when.
    pub(in crate::checks) silent: Option<(Store, &'a Fault, Timestamp)>,
    /// The answer was not whole.
    pub(in crate::checks) more: bool,
}

impl<T> Heard<'_, T> {
    /// Every store answered, in full.
    pub(in crate::checks) fn is_whole(&self) -> bool {
        self.at.is_some() && self.silent.is_none() && !self.more
    }
}

/// What is asked of every store.
pub(in crate::checks) fn wants(stores: &[Store], ask: &Ask) -> Vec<Want> {
    let query = |store: &Store| {
        Want::Metrics(Query {
            store: store.clone(),
            ask: ask.clone(),
        })
    };
    stores.iter().map(query).collect()
}

/// An instant vector, of every store.
pub(in crate::checks) fn vector<'a>(
    case: &Case<'a>,
    stores: &[Store],
    expression: &str,
) -> Heard<'a, Series> {
    heard(
        case,
        stores,
        &Ask::Vector(Arc::from(expression)),
        |told| match told {
            Told::Vector { series, more } => Some((series.as_slice(), *more)),
            Told::Rules(_) | Told::Alerts { .. } => None,
        },
    )
}

/// The rules of every store.
pub(in crate::checks) fn rules<'a>(case: &Case<'a>, stores: &[Store]) -> Heard<'a, StoreRule> {
    heard(case, stores, &Ask::Rules, |told| match told {
        Told::Rules(rules) => Some((rules.as_slice(), false)),
        Told::Vector { .. } | Told::Alerts { .. } => None,
    })
}

/// The alerts of every store.
pub(in crate::checks) fn alerts<'a>(case: &Case<'a>, stores: &[Store]) -> Heard<'a, StoreAlert> {
    heard(case, stores, &Ask::Alerts, |told| match told {
        Told::Alerts { alerts, more } => Some((alerts.as_slice(), *more)),
        Told::Vector { .. } | Told::Rules(_) => None,
    })
}

fn heard<'a, T>(
    case: &Case<'a>,
    stores: &[Store],
    ask: &Ask,
    of: impl Fn(&'a Told) -> Option<(&'a [T], bool)>,
) -> Heard<'a, T> {
    let mut heard = Heard {
        told: Vec::new(),
        at: None,
        silent: None,
        more: false,
    };
    let mut unread = false;
    for store in stores {
        let query = Query {
            store: store.clone(),
            ask: ask.clone(),
        };
        let Some(context) = case.world.context(&store.context).filter(|c| c.is_live()) else {
            unread = true;
            continue;
        };
        match context.on_demand.metrics(&query) {
            Ok(Some((told, at))) => {
                let Some((all, more)) = of(told) else {
                    continue;
                };
                heard.told.extend(all);
                heard.more |= more;
                heard.at = Some(heard.at.map_or(at, |first| first.min(at)));
            }
            Ok(None) => unread = true,
            Err((fault, since)) => heard.silent = Some((store.clone(), fault, since)),
        }
    }
    if unread {
        heard.at = None;
    }
    heard
}

/// The answer of a check that lacks what the stores would tell.
pub(super) fn untold<T>(
    case: &Case<'_>,
    check: &Check,
    stores: &Stores<'_>,
    heard: Option<&Heard<'_, T>>,
) -> Answer {
    let context = &case.context.id;
    let unknown = |sentence: String| case.finding(check, &UNTOLD, Severity::Note, sentence);
    let named = "Name the store in the settings: [[metrics]] with context, and service as NAMESPACE/NAME:PORT.";
    if let Some(why) = stores.untold {
        let answer = case.unlisted(check, context, Foreign::MetricsService, "", why);
        let mut verdict = answer.verdict;
        if let crate::checks::Verdict::Unknown(finding) = &mut verdict {
            finding.next = format!("{}\n{named}", finding.next);
        }
        return verdict.into();
    }
    let Some(heard) = heard.filter(|_| !stores.series.is_empty()) else {
        return unknown(format!(
            "no metrics store was found among the Services of {context}"
        ))
        .next(named)
        .into();
    };
    match &heard.silent {
        Some((store, fault, since)) => unknown(fault.message.clone())
            .next(format!(
                "See for yourself.\n$ kubectl --context {} -n {} get service {} -o wide",
                store.context, store.namespace, store.service
            ))
            .next(steps::of_fault(fault))
            .resting_on(
                fault.message.clone(),
                format!("metrics store {store}"),
                *since,
            )
            .since(Since::Seen(*since))
            .into(),
        None if heard.more => {
            unknown("the metrics store has more series than are kept".to_owned()).into()
        }
        None => unknown(format!(
            "the metrics store {} has not answered yet",
            stores
                .series
                .first()
                .map(ToString::to_string)
                .unwrap_or_default()
        ))
        .into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::checks::acceptance::fixture::read;
    use crate::domain::ContextId;
    use crate::domain::expected::StoreAddress;
    use crate::domain::fixture::{healthy, infra};

    fn told(services: Vec<Value>, expected: &Expected) -> String {
        let mut f = healthy().build();
        read(&mut f, Foreign::MetricsService, Ok(services));
        let context = f.world.context(&infra()).unwrap();
        let found = stores(context, expected);
        let of = |all: &[Store]| {
            let all: Vec<String> = all
                .iter()
                .map(|s| format!("{s}:{}{}", s.port, s.path))
                .collect();
            all.join(" ")
        };
        format!("{} | {}", of(&found.series), of(&found.rules))
    }

    fn service(name: &str, label: &str, ports: Value, ip: &str) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "vm", "labels": {"app.kubernetes.io/name": label}},
            "spec": {"clusterIP": ip, "ports": ports, "selector": {"app": label}},
        })
    }

    #[test]
    fn stores_are_found_by_name_label_and_port() {
        let http = |number: u16| json!([{"name": "http", "port": number}]);
        let nobody = Expected::default();
        for (name, services, wanted) in [
            (
                "a single one and its vmalert",
                vec![
                    service("vmsingle-main", "vmsingle", http(8428), "10.0.0.1"),
                    service("vmalert-main", "vmalert", http(8080), "10.0.0.2"),
                ],
                "vm/vmsingle-main:8428 | vm/vmalert-main:8080",
            ),
            (
                "a cluster",
                vec![service("vmselect-main", "vmselect", http(8481), "None")],
                "vm/vmselect-main:8481/select/0/prometheus | vm/vmselect-main:8481/select/0/prometheus",
            ),
            (
                "Prometheus, and the headless Service of the same pods",
                vec![
                    service(
                        "prometheus-operated",
                        "prometheus",
                        json!([{"name": "web", "port": 9090}]),
                        "None",
                    ),
                    service(
                        "prometheus-k8s",
                        "prometheus",
                        json!([{"name": "web", "port": 9090}]),
                        "10.0.0.1",
                    ),
                ],
                "vm/prometheus-k8s:9090 | vm/prometheus-k8s:9090",
            ),
            (
                "by label, at port 80",
                vec![service(
                    "metrics",
                    "prometheus",
                    json!([{"port": 80}]),
                    "10.0.0.1",
                )],
                "vm/metrics:80 | vm/metrics:80",
            ),
            (
                "others of the same family",
                vec![
                    service(
                        "prometheus-operator",
                        "prometheus-operator",
                        http(8080),
                        "10.0.0.1",
                    ),
                    service(
                        "prometheus-node-exporter",
                        "prometheus-node-exporter",
                        http(9100),
                        "10.0.0.1",
                    ),
                    service("vm-victoria-metrics-operator", "", http(8080), "10.0.0.1"),
                    service(
                        "prometheus-x",
                        "prometheus",
                        json!([{"port": 7}]),
                        "10.0.0.1",
                    ),
                ],
                " | ",
            ),
        ] {
            assert_eq!(told(services, &nobody), wanted, "{name}");
        }
    }

    #[test]
    fn the_settings_have_the_last_word() {
        let address = |service: &str, port: &str| StoreAddress {
            context: infra(),
            at: ContextId::new("ops"),
            namespace: Arc::from("m"),
            service: Arc::from(service),
            port: Arc::from(port),
            path: Arc::from(""),
        };
        let http = json!([{"name": "http", "port": 8428}]);
        let found = || {
            vec![service(
                "vmsingle-main",
                "vmsingle",
                http.clone(),
                "10.0.0.1",
            )]
        };
        for (stores, wanted) in [
            (vec![address("store", "")], "m/store:9090 | m/store:9090"),
            (
                vec![address("vmselect", "")],
                "m/vmselect:8481/select/0/prometheus | m/vmselect:8481/select/0/prometheus",
            ),
            (
                vec![address("store", "1"), address("vmalert", "2")],
                "m/store:1 | m/vmalert:2",
            ),
        ] {
            let expected = Expected {
                stores,
                ..Expected::default()
            };
            assert_eq!(told(found(), &expected), wanted);
        }
    }
}
