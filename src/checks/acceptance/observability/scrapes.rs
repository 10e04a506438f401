//! Objects that say what is scraped: PodMonitor and ServiceMonitor of the Prometheus operator, VMPodScrape and VMServiceScrape
//! of VictoriaMetrics'. The latter makes its own of the former, under the same names.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::checks::listed::{Untold, listed, want};
use crate::checks::{Answer, Case, Check};
use crate::domain::selector::{Operator, Requirement, Selector};
use crate::domain::want::{Foreign, ForeignObject, Want};
use crate::domain::world::ContextWorld;

/// The kinds, the ones that select pods first.
pub(super) const KINDS: &[Foreign] = &[
    Foreign::PodMonitor,
    Foreign::VmPodScrape,
    Foreign::ServiceMonitor,
    Foreign::VmServiceScrape,
];

/// One scrape object.
#[derive(Debug)]
pub(super) struct Scrape<'a> {
    pub(super) kind: Foreign,
    object: &'a ForeignObject,
    selector: Selector,
    pub(super) at: Timestamp,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Scrapes<'a> {
    pub(super) all: Vec<Scrape<'a>>,
    /// Which of the kinds the cluster serves.
    pub(super) served: Vec<Foreign>,
    /// Why there may be others; `None` where these are all.
    pub(super) lacking: Option<Box<Answer>>,
}

pub(super) fn needs(context: &ContextWorld) -> Vec<Want> {
    KINDS.iter().map(|kind| want(context, *kind, "")).collect()
}

/// All scrape objects of a context.
pub(super) fn scrapes<'a>(case: &Case<'a>, check: &Check) -> Scrapes<'a> {
    let mut found = Scrapes {
        all: Vec::new(),
        served: Vec::new(),
        lacking: None,
    };
    for kind in KINDS {
        match listed(case.context, *kind, "") {
            Ok(all) => {
                found.served.push(*kind);
                found
                    .all
                    .extend(all.objects.into_iter().map(|object| Scrape {
                        kind: *kind,
                        selector: selector(object.body.pointer("/spec/selector")),
                        object,
                        at: all.at,
                    }));
            }
            Err(Untold::NotServed) => {}
            Err(why) => {
                let answer = case.unlisted(check, &case.context.id, *kind, "", why);
                found.lacking.get_or_insert(Box::new(answer));
            }
        }
    }
    found
}

/// One place that a scrape object says to scrape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Endpoint<'a>(&'a Value);

impl<'a> Scrape<'a> {
    /// `PodMonitor shop/cache`.
    pub(super) fn words(&self) -> String {
        let word = match self.kind {
            Foreign::VmPodScrape => "VMPodScrape",
            Foreign::ServiceMonitor => "ServiceMonitor",
            Foreign::VmServiceScrape => "VMServiceScrape",
            _ => "PodMonitor",
        };
        format!(
            "{word} {}/{}",
            self.object.meta.namespace, self.object.meta.name
        )
    }

    /// It selects pods, rather than Services.
    pub(super) fn is_of_pods(&self) -> bool {
        matches!(self.kind, Foreign::PodMonitor | Foreign::VmPodScrape)
    }

    /// Whether it selects what has these labels in that namespace.
    pub(super) fn selects(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        let names = self.object.body.pointer("/spec/namespaceSelector");
        let is_any = names
            .and_then(|one| one.get("any"))
            .and_then(Value::as_bool)
            == Some(true);
        let named = names
            .and_then(|one| one.get("matchNames"))
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let is_there = match named {
            _ if is_any => true,
            [] => *self.object.meta.namespace == *namespace,
            names => names.iter().any(|name| name.as_str() == Some(namespace)),
        };
        is_there && self.selector.selects(labels)
    }

    /// What it says to scrape there.
    pub(super) fn endpoints(&self) -> Vec<Endpoint<'a>> {
        let path = match self.is_of_pods() {
            true => "/spec/podMetricsEndpoints",
            false => "/spec/endpoints",
        };
        let list = self.object.body.pointer(path).and_then(Value::as_array);
        list.into_iter().flatten().map(Endpoint).collect()
    }
}

impl<'a> Endpoint<'a> {
    /// The port by its name, empty without one.
    pub(super) fn port(self) -> &'a str {
        self.0
            .get("port")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The port of the pods, by name or number, where it is told beside the name; empty without one.
    pub(super) fn target(self) -> String {
        let target = self
            .0
            .get("targetPort")
            .or_else(|| self.0.get("portNumber"));
        match target {
            Some(Value::String(name)) => name.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        }
    }

    /// How it names the port, to a reader.
    pub(super) fn words(self) -> String {
        match (self.port(), self.target()) {
            ("", target) if target.is_empty() => "no port".to_owned(),
            ("", target) => format!("port {target}"),
            (port, _) => format!("port {port}"),
        }
    }

    pub(super) fn path(self) -> &'a str {
        self.0
            .get("path")
            .and_then(Value::as_str)
            .unwrap_or("/metrics")
    }

    pub(super) fn is_https(self) -> bool {
        let scheme = self.0.get("scheme").and_then(Value::as_str);
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
    }

    /// It sends a token.
    pub(super) fn has_token(self) -> bool {
        const FIELDS: &[&str] = &[
            "bearerTokenFile",
            "bearerTokenSecret",
            "authorization",
            "oauth2",
        ];
        FIELDS.iter().any(|field| self.0.get(field).is_some())
    }

    /// It says whose certificate to believe, or that any will do.
    pub(super) fn has_trust(self) -> bool {
        let tls = self.0.get("tlsConfig");
        tls.and_then(Value::as_object)
            .is_some_and(|tls| !tls.is_empty())
    }
}

/// A selector as Kubernetes' API writes it; an absent one selects everything.
fn selector(value: Option<&Value>) -> Selector {
    let labels = value
        .and_then(|one| one.get("matchLabels"))
        .and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    let expressions = value
        .and_then(|one| one.get("matchExpressions"))
        .and_then(Value::as_array);
    Selector {
        labels: labels
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
        expressions: expressions.into_iter().flatten().map(requirement).collect(),
    }
}

fn requirement(value: &Value) -> Requirement {
    let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
    let values = || {
        let values = value.get("values").and_then(Value::as_array);
        let values = values.into_iter().flatten().filter_map(Value::as_str);
        values.map(str::to_owned).collect()
    };
    let operator = match text("operator") {
        "In" => Operator::In(values()),
        "NotIn" => Operator::NotIn(values()),
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        other => Operator::Unknown(other.to_owned()),
    };
    Requirement {
        key: text("key").to_owned(),
        operator,
    }
}
