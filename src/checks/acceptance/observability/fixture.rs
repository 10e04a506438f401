//! What monitoring a fixture has, for the tables of these checks.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use serde_json::{Value, json};

use crate::checks::acceptance::fixture::{operator, read, read_in};
use crate::domain::fixture::{Fixture, ago, infra};
use crate::domain::monitoring::{Ask, Query, Store};
use crate::domain::want::{Fetched, Foreign, Want};
use crate::domain::{Fact, Fault, FaultKind, Scope};

/// No kind of monitoring is served, and no store is there.
pub(super) fn unmonitored(f: &mut Fixture) {
    let absent = || Err(Fault::new(FaultKind::NotFound, "not served"));
    for kind in super::scrapes::KINDS.iter().chain(super::rules::KINDS) {
        read(f, *kind, absent());
    }
    read(f, Foreign::MetricsService, Ok(vec![]));
}

/// The Prometheus operator's kinds are served, and have nothing; there is no store.
pub(super) fn bare(f: &mut Fixture) {
    unmonitored(f);
    for kind in [
        Foreign::PodMonitor,
        Foreign::ServiceMonitor,
        Foreign::PrometheusRule,
    ] {
        read(f, kind, Ok(vec![]));
    }
}

/// One scrape object of that kind with that spec, in the namespace of the fixture's instance.
pub(super) fn scrape(f: &mut Fixture, kind: Foreign, spec: &Value) {
    let object = json!({"metadata": {"name": "cache", "namespace": "shop"}, "spec": spec});
    read(f, kind, Ok(vec![object]));
}

/// A PrometheusRule with these rules: names and expressions.
pub(super) fn rules(f: &mut Fixture, rules: &[(&str, &str)]) {
    let rules: Vec<Value> = rules
        .iter()
        .map(|(name, expression)| match name.contains(':') {
            true => json!({"record": name, "expr": expression}),
            false => json!({"alert": name, "expr": expression, "annotations": {"runbook_url": "https://x"}}),
        })
        .collect();
    let object = json!({"metadata": {"name": "cache", "namespace": "shop"}, "spec": {"groups": [{"name": "g", "rules": rules}]}});
    read(f, Foreign::PrometheusRule, Ok(vec![object]));
}

/// There is a store, `vm/prometheus`.
pub(super) fn store(f: &mut Fixture) {
    let service = json!({"metadata": {"name": "prometheus", "namespace": "vm"}, "spec": {"ports": [{"port": 9090}]}});
    read(f, Foreign::MetricsService, Ok(vec![service]));
}

/// It answers a question so.
pub(super) fn answers(f: &mut Fixture, ask: Ask, body: Result<&Value, Fault>) {
    let answer = body.map(|data| {
        let body = json!({"status": "success", "data": data}).to_string();
        Fetched::Metrics(crate::wire::store_answer(&ask, body.as_bytes()).unwrap())
    });
    let store = Store {
        context: infra(),
        namespace: Arc::from("vm"),
        service: Arc::from("prometheus"),
        port: Arc::from("9090"),
        tls: false,
        path: Arc::from(""),
    };
    let want = Want::Metrics(Query { store, ask });
    f.tell(Fact::Fetched { want, answer }, ago(20));
}

/// It answers a question about series with those, each by its labels.
pub(super) fn series(f: &mut Fixture, expression: &str, found: &[Value]) {
    let found: Vec<Value> = found
        .iter()
        .map(|labels| json!({"metric": labels, "value": [1, "1"]}))
        .collect();
    let data = json!({"resultType": "vector", "result": found});
    answers(f, Ask::Vector(Arc::from(expression)), Ok(&data));
}

/// An operator with a Service at kube-rbac-proxy, and the accounts that are bound to its metrics-reader.
pub(super) fn observed_operator(f: &mut Fixture, bound: &[&str]) {
    operator(f, 1, &["m-1"]);
    let service = json!({
        "metadata": {"name": "metrics", "namespace": "operators", "labels": {"app": "dragonfly-operator"}},
        "spec": {"selector": {"app": "dragonfly-operator"}, "ports": [{"name": "https", "port": 8443}]},
    });
    let scope = Scope::Namespace(Arc::from("operators"));
    read_in(f, &infra(), Foreign::Service, scope, Ok(vec![service]));
    let role = |name: &str, urls: Value| json!({"metadata": {"name": name}, "rules": [{"nonResourceURLs": urls, "verbs": ["get"]}]});
    read(
        f,
        Foreign::ClusterRole,
        Ok(vec![
            role("everything", json!(["*"])),
            role("dragonfly-operator-metrics-reader", json!(["/metrics"])),
        ]),
    );
    let binding = |role: &str, account: &str| {
        json!({"metadata": {"name": format!("{role}-{account}")},
            "roleRef": {"kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "operators"}]})
    };
    let mut bindings = vec![binding("everything", "tiller")];
    bindings.extend(
        bound
            .iter()
            .map(|account| binding("dragonfly-operator-metrics-reader", account)),
    );
    read(f, Foreign::ClusterRoleBinding, Ok(bindings));
}
