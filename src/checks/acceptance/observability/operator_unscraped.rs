//! Metrics of the operator that nobody can read: no Service or scrape object leads to them, or kube-rbac-proxy, which stands
//! before them, lets no scraper through.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::manifests;
use super::scrapes::{self, Endpoint};
use crate::checks::acceptance::{ACCEPTED, operators, unread};
use crate::checks::crd_missing::followed;
use crate::checks::reach::scrapers;
use crate::checks::{Answer, Area, Case, Check, Finding, Severity, Since, Situation, Subject};
use crate::domain::Kind;
use crate::domain::object::Deployment;
use crate::domain::want::{Foreign, ForeignObject, Want};
use crate::domain::world::Held;

/// The check.
pub const CHECK: Check = Check {
    id: "operator-unscraped",
    area: Area::Observability,
    title: "Operator's metrics not scraped",
    why: "Reconciliations that fail and a lost leadership show in the operator's metrics alone. They stand behind kube-rbac-proxy, \
          on 8443: over TLS, and only for an account that may get /metrics.",
    reads: "Services of the operator's namespace, ServiceMonitors, VMServiceScrapes, PodMonitors and VMPodScrapes, ClusterRoles \
            and ClusterRoleBindings",
    next: "Scrape its Service with a token, over https. See what there is.\n\
           $ {cluster} get servicemonitors,podmonitors,vmservicescrapes,vmpodscrapes --all-namespaces",
    situations: &[&UNSCRAPED, &TOKENLESS, &UNBOUND],
    needs,
    run,
};

const UNSCRAPED: Situation = Situation {
    id: "operator-unscraped",
    word: "not scraped",
    rule: "no scrape object selects a Service of the operator with a port of metrics, or its pods",
    meaning: "Nothing is known of what the operator fails at.",
    ..ACCEPTED
};

const TOKENLESS: Situation = Situation {
    id: "operator-scraped-in-vain",
    word: "no token",
    rule: "the operator's metrics are scraped at kube-rbac-proxy's port without https, without a token, or without saying whose certificate to believe",
    meaning: "kube-rbac-proxy refuses the scraper at every try.",
    ..ACCEPTED
};

const UNBOUND: Situation = Situation {
    id: "operator-reader-unbound",
    word: "no reader",
    rule: "no account but the operator's own is bound to a ClusterRole that may get /metrics, such as the operator's metrics-reader",
    meaning: "kube-rbac-proxy refuses every scraper.",
    ..ACCEPTED
};

fn needs(case: &Case<'_>) -> Vec<Want> {
    let Ok(operators) = operators(case, &CHECK) else {
        return Vec::new();
    };
    let mut needs = scrapes::needs(case.context);
    // Whose accounts are to be bound.
    needs.extend(scrapers::needs(case.context));
    for held in operators {
        needs.push(case.want(Foreign::Service, &held.value.meta.namespace));
    }
    needs.push(case.want(Foreign::ClusterRole, ""));
    needs.push(case.want(Foreign::ClusterRoleBinding, ""));
    needs
}

fn run(case: &Case<'_>) -> Answer {
    let Subject::Operator(_) = case.subject else {
        return Answer::NOT_APPLICABLE;
    };
    let operators = match operators(case, &CHECK) {
        Ok(operators) => operators,
        Err(answer) => return *answer,
    };
    let found = scrapes::scrapes(case, &CHECK);
    if found.served.is_empty() {
        return found
            .lacking
            .map_or(Answer::NOT_APPLICABLE, |answer| *answer);
    }
    if !followed(case, Kind::OperatorPod) {
        return unread(case, &CHECK, Kind::OperatorPod, "");
    }
    for held in operators {
        match of_operator(case, held, &found) {
            Ok(answer) if answer == Answer::PASS => {}
            Ok(answer) => return answer,
            Err(answer) => return *answer,
        }
    }
    Answer::PASS
}

/// A port of metrics: its name and number.
struct Port<'a> {
    name: &'a str,
    number: u64,
}

impl Port<'_> {
    /// kube-rbac-proxy's.
    fn is_guarded(&self) -> bool {
        self.name == "https" || matches!(self.number, 8443 | 443)
    }
}

/// The ports of metrics of a Service.
fn ports(service: &ForeignObject) -> Vec<Port<'_>> {
    let ports = service
        .body
        .pointer("/spec/ports")
        .and_then(Value::as_array);
    let ports = ports.into_iter().flatten().map(|port| Port {
        name: port.get("name").and_then(Value::as_str).unwrap_or_default(),
        number: port.get("port").and_then(Value::as_u64).unwrap_or_default(),
    });
    ports
        .filter(|port| port.is_guarded() || port.name.contains("metrics") || port.number == 8080)
        .collect()
}

fn of_operator(
    case: &Case<'_>,
    held: &Held<Deployment>,
    found: &scrapes::Scrapes<'_>,
) -> Result<Answer, Box<Answer>> {
    let namespace = &*held.value.meta.namespace;
    let services = case.listed(&CHECK, Foreign::Service, namespace)?;
    let pods = case.context.operator_pods.iter();
    let labels: Vec<&BTreeMap<String, String>> = pods
        .map(|pod| &pod.value.meta)
        .filter(|meta| *meta.namespace == *namespace)
        .map(|meta| &meta.labels)
        .collect();
    let own: Vec<(&ForeignObject, Vec<Port<'_>>)> = services
        .objects
        .iter()
        .filter(|service| leads_to(service, &labels))
        .map(|service| (*service, ports(service)))
        .filter(|(_, ports)| !ports.is_empty())
        .collect();
    // Each way in that a scrape object knows, and whether kube-rbac-proxy stands before it.
    let mut ways: Vec<(&scrapes::Scrape<'_>, Endpoint<'_>, bool)> = Vec::new();
    for scrape in &found.all {
        if scrape.is_of_pods() {
            if !labels
                .iter()
                .any(|labels| scrape.selects(namespace, labels))
            {
                continue;
            }
            for endpoint in scrape.endpoints() {
                let named = [endpoint.port().to_owned(), endpoint.target()];
                let is = |names: &[&str]| named.iter().any(|one| names.contains(&one.as_str()));
                if is(&["https", "8443"]) {
                    ways.push((scrape, endpoint, true));
                } else if is(&["metrics", "8080", "http-metrics"]) {
                    ways.push((scrape, endpoint, false));
                }
            }
            continue;
        }
        for (service, ports) in &own {
            if !scrape.selects(namespace, &service.meta.labels) {
                continue;
            }
            for endpoint in scrape.endpoints() {
                let target = endpoint.target();
                let port = ports.iter().find(|port| {
                    port.name == endpoint.port() && !port.name.is_empty()
                        || target == port.number.to_string()
                        || !target.is_empty() && target == port.name
                });
                if let Some(port) = port {
                    ways.push((scrape, endpoint, port.is_guarded()));
                }
            }
        }
    }
    let name = format!("{namespace}/{}", held.value.meta.name);
    if ways.is_empty() {
        if let Some(lacking) = &found.lacking {
            return Err(lacking.clone());
        }
        return Ok(unscraped(case, &name, namespace, &own, found).into());
    }
    if ways.iter().any(|(_, _, is_guarded)| !is_guarded) {
        return Ok(Answer::PASS);
    }
    let lacks = |endpoint: &Endpoint<'_>| -> Vec<&'static str> {
        [
            (endpoint.is_https(), "scheme https"),
            (endpoint.has_token(), "a token"),
            (endpoint.has_trust(), "a tlsConfig"),
        ]
        .into_iter()
        .filter_map(|(has, what)| (!has).then_some(what))
        .collect()
    };
    if let Some((scrape, endpoint, _)) = ways.first()
        && ways
            .iter()
            .all(|(_, endpoint, _)| !lacks(endpoint).is_empty())
    {
        let what = lacks(endpoint).join(" and ");
        let finding = case
            .finding(
                &CHECK,
                &TOKENLESS,
                Severity::Warning,
                format!(
                    "{} scrapes the operator {name} through kube-rbac-proxy without {what}",
                    scrape.words()
                ),
            )
            .resting_on(endpoint.words(), scrape.words(), scrape.at)
            .since(Since::Seen(scrape.at));
        return Ok(mended(finding, namespace, &own, found).into());
    }
    bound(case, held, &name)
}

fn unscraped(
    case: &Case<'_>,
    name: &str,
    namespace: &str,
    own: &[(&ForeignObject, Vec<Port<'_>>)],
    found: &scrapes::Scrapes<'_>,
) -> Finding {
    let service = match own.first() {
        Some((service, _)) => format!("its Service {} is selected by none", service.meta.name),
        None => format!("and no Service of {namespace} has a port for them"),
    };
    let finding = case
        .finding(
            &CHECK,
            &UNSCRAPED,
            Severity::Warning,
            format!("no scrape object leads to the metrics of the operator {name}: {service}"),
        )
        .resting_on(
            format!("none of {} does", found.all.len()),
            format!("scrape objects of {}", case.context.id),
            case.now,
        );
    mended(finding, namespace, own, found)
}

fn mended(
    finding: Finding,
    namespace: &str,
    own: &[(&ForeignObject, Vec<Port<'_>>)],
    found: &scrapes::Scrapes<'_>,
) -> Finding {
    let guarded = own.iter().find_map(|(service, ports)| {
        let port = ports
            .iter()
            .find(|port| port.is_guarded() && !port.name.is_empty())?;
        Some((service, port.name))
    });
    let Some((service, port)) = guarded else {
        return finding;
    };
    let labels: Vec<(&str, &str)> = service
        .meta
        .labels
        .iter()
        // Labels of a release change with it.
        .filter(|(key, _)| !key.contains("version") && !key.contains("chart"))
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    match labels.is_empty() {
        true => finding,
        false => finding.mended_by(manifests::operator_scrape(
            namespace,
            port,
            &labels,
            &found.served,
        )),
    }
}

/// Whether somebody is let through: an account other than the operator's own that is bound to a role for `/metrics`.
fn bound(case: &Case<'_>, held: &Held<Deployment>, name: &str) -> Result<Answer, Box<Answer>> {
    let roles = case.listed(&CHECK, Foreign::ClusterRole, "")?;
    let bindings = case.listed(&CHECK, Foreign::ClusterRoleBinding, "")?;
    let readers: Vec<&str> = roles
        .objects
        .iter()
        .filter(|role| gets_metrics(role))
        .map(|role| &*role.meta.name)
        .collect();
    let own = held.value.service_account.as_deref().unwrap_or("default");
    let is_other = |subject: &Value| {
        let text = |field: &str| {
            subject
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        match text("kind") {
            "ServiceAccount" => {
                text("name") != own || text("namespace") != &*held.value.meta.namespace
            }
            "Group" => text("name").starts_with("system:serviceaccounts"),
            _ => false,
        }
    };
    let is_bound = bindings.objects.iter().any(|binding| {
        let role = binding
            .body
            .pointer("/roleRef/name")
            .and_then(Value::as_str);
        let subjects = binding.body.pointer("/subjects").and_then(Value::as_array);
        role.is_some_and(|role| readers.contains(&role))
            && subjects.into_iter().flatten().any(is_other)
    });
    if is_bound {
        return Ok(Answer::PASS);
    }
    let reader = readers
        .iter()
        .find(|role| role.ends_with("metrics-reader"))
        .or(readers.first());
    let sentence = match reader {
        Some(role) => format!(
            "no scraper is bound to the ClusterRole {role}: kube-rbac-proxy of the operator {name} lets none through"
        ),
        None => format!(
            "no ClusterRole may get /metrics: kube-rbac-proxy of the operator {name} lets no scraper through"
        ),
    };
    let finding = case
        .finding(&CHECK, &UNBOUND, Severity::Warning, sentence)
        .next(
            "Bind the account of your scraper, Prometheus' or vmagent's, to the operator's metrics-reader.\n\
             $ {cluster} get clusterrolebindings -o wide",
        )
        .resting_on(
            format!("none of {} does", bindings.objects.len()),
            "ClusterRoleBindings",
            bindings.at,
        )
        .since(Since::Seen(bindings.at));
    let all = scrapers::found(case.context).unwrap_or_default();
    let namespaces: BTreeSet<&str> = all.iter().map(|one| &*one.end.namespace).collect();
    Ok(match reader {
        Some(role) if !namespaces.is_empty() => finding
            .mended_by(manifests::reader_binding(role, &namespaces))
            .into(),
        Some(role) => finding
            .next(format!(
                "Bind the account of your scraper, Prometheus' or vmagent's, to the operator's metrics-reader.\n\
                 $ {{cluster}} create clusterrolebinding {role}-scrapers --clusterrole={role} --serviceaccount=NAMESPACE:ACCOUNT"
            ))
            .into(),
        None => finding.into(),
    })
}

/// A role made for reading metrics; one that may get everything is for other things.
fn gets_metrics(role: &ForeignObject) -> bool {
    let rules = role.body.pointer("/rules").and_then(Value::as_array);
    let has = |rule: &Value, field: &str, wanted: &[&str]| {
        let list = rule.get(field).and_then(Value::as_array);
        let mut list = list.into_iter().flatten().filter_map(Value::as_str);
        list.any(|one| wanted.contains(&one))
    };
    rules.into_iter().flatten().any(|rule| {
        has(rule, "nonResourceURLs", &["/metrics", "/metrics*"])
            && has(rule, "verbs", &["get", "*"])
    })
}

/// Whether a Service selects pods with such labels.
fn leads_to(service: &ForeignObject, pods: &[&BTreeMap<String, String>]) -> bool {
    let selector = service
        .body
        .pointer("/spec/selector")
        .and_then(Value::as_object);
    let Some(selector) = selector.filter(|selector| !selector.is_empty()) else {
        return false;
    };
    pods.iter().any(|labels| {
        selector
            .iter()
            .all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use serde_json::json;

    use super::super::fixture::*;
    use super::*;
    use crate::checks::acceptance::fixture::{operator_table, read};
    use crate::domain::{Fault, FaultKind};

    #[test]
    fn a_scraper_is_to_get_through_kube_rbac_proxy() {
        let endpoint = |fields: Value| {
            let mut endpoint = json!({"port": "https", "scheme": "https", "bearerTokenFile": "/t", "tlsConfig": {"insecureSkipVerify": true}});
            for (key, value) in fields.as_object().into_iter().flatten() {
                endpoint[key] = value.clone();
            }
            endpoint
        };
        let with = |bound: &'static [&'static str], endpoint: Value| {
            move |f: &mut _| {
                bare(f);
                observed_operator(f, bound);
                let spec = json!({"namespaceSelector": {"any": true},
                    "selector": {"matchLabels": {"app": "dragonfly-operator"}}, "endpoints": [endpoint]});
                scrape(f, Foreign::ServiceMonitor, &spec);
            }
        };
        operator_table(
            &CHECK,
            &[
                (
                    "let through",
                    &with(&["scraper"], endpoint(json!({}))),
                    "pass",
                ),
                (
                    "not bound",
                    &with(&[], endpoint(json!({}))),
                    "warning healthy: no scraper is bound to the ClusterRole dragonfly-operator-metrics-reader: kube-rbac-proxy of the operator operators/dragonfly-operator lets none through",
                ),
                (
                    "only the operator itself is bound",
                    &with(&["default"], endpoint(json!({}))),
                    "warning healthy: no scraper is bound to the ClusterRole dragonfly-operator-metrics-reader: kube-rbac-proxy of the operator operators/dragonfly-operator lets none through",
                ),
                (
                    "without a token",
                    &with(
                        &["scraper"],
                        json!({"port": "https", "tlsConfig": {"insecureSkipVerify": true}}),
                    ),
                    "warning healthy: ServiceMonitor shop/cache scrapes the operator operators/dragonfly-operator through kube-rbac-proxy without scheme https and a token",
                ),
                (
                    "at another port",
                    &with(&["scraper"], endpoint(json!({"port": "health"}))),
                    "warning healthy: no scrape object leads to the metrics of the operator operators/dragonfly-operator: its Service metrics is selected by none",
                ),
                (
                    "by nobody",
                    &|f| {
                        bare(f);
                        observed_operator(f, &["scraper"]);
                    },
                    "warning healthy: no scrape object leads to the metrics of the operator operators/dragonfly-operator: its Service metrics is selected by none",
                ),
                (
                    "ClusterRoles may not be read",
                    &|f| {
                        with(&["scraper"], endpoint(json!({})))(f);
                        read(
                            f,
                            Foreign::ClusterRole,
                            Err(Fault::new(
                                FaultKind::Forbidden,
                                "may not list clusterroles",
                            )),
                        );
                    },
                    "note unknown: nothing is known of ClusterRoles in infra: may not list clusterroles",
                ),
                (
                    "nothing that monitors",
                    &|f| {
                        unmonitored(f);
                        observed_operator(f, &[]);
                    },
                    "n/a",
                ),
            ],
        );
    }
}
