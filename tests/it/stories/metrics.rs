//! Metrics, rules and alerts, as a store behind a Service tells of them.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::driver::console::Opening;
use crate::driver::{LabProcess, PATIENCE, binary};

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const MONITORING: &str = "/apis/monitoring.coreos.com/v1/namespaces/dragonfly-system";
const SYSTEM: &str = "/api/v1/namespaces/dragonfly-system";

/// Small ones of our own: the names and versions of the Prometheus operator's kinds, and everything preserved.
fn serve_monitoring(lab: &LabProcess) {
    for (plural, singular, kind) in [
        ("podmonitors", "podmonitor", "PodMonitor"),
        ("servicemonitors", "servicemonitor", "ServiceMonitor"),
        ("prometheusrules", "prometheusrule", "PrometheusRule"),
    ] {
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.monitoring.coreos.com")},
            "spec": {
                "group": "monitoring.coreos.com", "scope": "Namespaced",
                "names": {"plural": plural, "singular": singular, "kind": kind, "listKind": format!("{kind}List")},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
            },
        });
        lab.api("POST", CRDS, &crd.to_string());
    }
}

fn put(lab: &LabProcess, plural: &str, kind: &str, name: &str, spec: &Value) {
    let object = json!({"apiVersion": "monitoring.coreos.com/v1", "kind": kind,
        "metadata": {"name": name, "namespace": "dragonfly-system"}, "spec": spec});
    lab.api(
        "POST",
        &format!("{MONITORING}/{plural}"),
        &object.to_string(),
    );
}

/// A store that answers so: path, part of the question, and the rest of an entry.
fn serve_store(lab: &LabProcess, entries: &[Value]) {
    let data: serde_json::Map<String, Value> = entries
        .iter()
        .enumerate()
        .map(|(at, entry)| (format!("{at:02}"), entry.to_string().into()))
        .collect();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "answers"}, "data": data});
    lab.api("POST", &format!("{SYSTEM}/configmaps"), &map.to_string());
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "prometheus-lab", "annotations": {"lab/answers": "answers"}},
        "spec": {"selector": {"app": "prometheus"}, "ports": [{"name": "web", "port": 9090}]}});
    lab.api("POST", &format!("{SYSTEM}/services"), &service.to_string());
}

fn vector(series: &[Value]) -> Value {
    let result: Vec<Value> = series
        .iter()
        .map(|labels| json!({"metric": labels, "value": [1.5, "1"]}))
        .collect();
    json!({"status": "success", "data": {"resultType": "vector", "result": result}})
}

fn check(lab: &LabProcess) -> Output {
    Command::new(binary())
        .args(["check", "--context", "lab-infra", "--area", "observability"])
        .args(["--deadline", "50s", "-o", "json"])
        .env("KUBECONFIG", lab.kubeconfig())
        .env("HOME", lab.folder())
        .output()
        .unwrap()
}

/// The sentence of that check about that subject; `pass`, or `n/a`.
fn answer(report: &Value, check: &str, name: &str) -> String {
    let rows = report["answers"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["check"] == check && row["subject"]["name"].as_str().unwrap_or("") == name);
    match row {
        None => "n/a".to_owned(),
        Some(row) if row["answer"] == "pass" => "pass".to_owned(),
        Some(row) => row["finding"]["sentence"].as_str().unwrap().to_owned(),
    }
}

fn report_until(lab: &LabProcess, reached: impl Fn(&Value) -> bool) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let output = check(lab);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        if reached(&report) {
            return report;
        }
        assert!(begun.elapsed() < PATIENCE, "{report:#}");
    }
}

#[test]
fn what_scrapes_the_wrong_port_and_rules_that_cannot_fire_are_found() {
    let lab = LabProcess::start("healthy");
    serve_monitoring(&lab);
    let on_the_service = json!({"selector": {"matchLabels": {"app": "dragonfly"}}, "endpoints": [{"port": "redis"}]});
    put(
        &lab,
        "servicemonitors",
        "ServiceMonitor",
        "story",
        &on_the_service,
    );
    let on_the_pods = json!({"selector": {"matchLabels": {"app": "gitlab"}}, "podMetricsEndpoints": [{"port": "admin"}]});
    put(&lab, "podmonitors", "PodMonitor", "gitlab", &on_the_pods);
    let rules = json!({"groups": [{"name": "g", "rules": [
        {"alert": "Keys", "expr": "dragonfly_keyspace_size{namespace=\"dragonfly-system\"} > 5"},
        {"alert": "NoMaster", "expr": "dragonfly_master{job=\"gone\"} == 0"},
    ]}]});
    put(&lab, "prometheusrules", "PrometheusRule", "story", &rules);
    let of_gitlab: Vec<Value> = (0..3)
        .map(|pod| json!({"__name__": "dragonfly_master", "namespace": "dragonfly-system", "pod": format!("gitlab-{pod}")}))
        .collect();
    let evaluated = json!({"status": "success", "data": {"groups": [{"name": "g", "rules": [
        {"name": "Keys", "query": "dragonfly_keyspace_size > 5", "type": "alerting"},
        {"name": "NoMaster", "query": "dragonfly_master == 0", "type": "alerting"}]}]}});
    serve_store(
        &lab,
        &[
            json!({"path": "query", "contains": "count(", "body": vector(&[json!({"asked": "dragonfly_master"})])}),
            json!({"path": "query", "contains": "__name__", "body": vector(&of_gitlab)}),
            json!({"path": "query", "body": vector(&[])}),
            json!({"path": "rules", "body": evaluated}),
        ],
    );
    let report = report_until(&lab, |report| {
        answer(report, "series-missing", "gitlab") == "pass"
    });
    for (check, name, wanted) in [
        (
            "scraped-wrongly",
            "dragonfly",
            "ServiceMonitor dragonfly-system/story scrapes port redis, where there are no metrics, the Service dragonfly has no port with metrics: its pods serve them on admin, 9999",
        ),
        ("scraped-wrongly", "gitlab", "pass"),
        (
            "scraped-wrongly",
            "cache",
            "no scrape object selects the pods of harbor/cache, and no metrics store has series of them",
        ),
        (
            "series-missing",
            "dragonfly",
            "the metrics store dragonfly-system/prometheus-lab has no series of dragonfly-0, dragonfly-1 and dragonfly-2",
        ),
        (
            "rules-dead",
            "gitlab",
            "2 rules can never fire: Keys and NoMaster",
        ),
        (
            "rules-missing",
            "cache",
            "no rule watches availability, the memory reserve, replication lag, the command rate and a change of roles of harbor/cache",
        ),
        (
            "runbook-missing",
            "",
            "the alerts Keys and NoMaster have no link to a runbook",
        ),
    ] {
        assert_eq!(answer(&report, check, name), wanted, "{check} {name}");
    }
    assert!(answer(&report, "operator-unscraped", "").contains("no scrape object leads to"));
    assert!(answer(&report, "operator-unwatched", "").contains("no rule watches the operator"));
}

#[test]
fn a_store_that_is_no_store_is_unknown_and_delays_nothing_else() {
    for (name, entry, wanted) in [
        (
            "HTML",
            json!({"code": 200, "type": "text/html", "body": "<html>log in</html>"}),
            "the metrics store dragonfly-system/prometheus-lab answered with HTML (200)",
        ),
        (
            "an error of its own",
            json!({"code": 503, "body": {"status": "error", "errorType": "unavailable", "error": "starting"}}),
            "the metrics store dragonfly-system/prometheus-lab refused the question: unavailable: starting",
        ),
        (
            "huge",
            json!({"body": "0123456789abcdef", "times": 400_000}),
            "the metrics store dragonfly-system/prometheus-lab: the answer is longer than 4 MiB",
        ),
        (
            "nothing for minutes",
            json!({"body": "", "wait": 120_000}),
            "the metrics store dragonfly-system/prometheus-lab: no answer within",
        ),
    ] {
        let lab = LabProcess::start("healthy");
        serve_monitoring(&lab);
        serve_store(&lab, &[entry]);
        let report = report_until(&lab, |report| {
            answer(report, "series-missing", "gitlab") != "n/a"
        });
        let told = answer(&report, "series-missing", "gitlab");
        assert!(told.starts_with(wanted), "{name}: {told}");
        // What needs no store is judged all the same.
        assert!(
            answer(&report, "scraped-wrongly", "gitlab")
                .starts_with("no scrape object selects the pods of dragonfly-system/gitlab"),
            "{name}"
        );
    }
}

#[test]
fn alerts_that_fire_and_rules_that_cannot_are_on_a_screen_of_their_own() {
    let lab = LabProcess::start("healthy");
    serve_monitoring(&lab);
    let rules = json!({"groups": [{"name": "g", "rules": [
        {"alert": "Keys", "expr": "dragonfly_keyspace_size > 5", "labels": {"severity": "warning"}},
        {"alert": "NoMaster", "expr": "sum(dragonfly_master) == 0", "labels": {"severity": "critical"},
         "annotations": {"runbook_url": "https://wiki/no-master"}},
    ]}]});
    put(&lab, "prometheusrules", "PrometheusRule", "story", &rules);
    let alert = |name: &str, namespace: &str, state: &str| {
        json!({"labels": {"alertname": name, "severity": "critical", "namespace": namespace, "pod": "gitlab-0"},
            "annotations": {"runbook_url": "https://wiki/x"}, "state": state, "activeAt": "2026-01-01T00:00:00Z"})
    };
    let alerts = json!({"status": "success", "data": {"alerts": [
        alert("NodeDown", "nodes", "firing"),
        alert("NoMaster", "dragonfly-system", "firing"),
        alert("Lags", "dragonfly-system", "pending")]}});
    serve_store(
        &lab,
        &[
            json!({"path": "alerts", "body": alerts}),
            json!({"path": "query", "contains": "count(", "body": vector(&[json!({"asked": "dragonfly_master"})])}),
            json!({"path": "query", "body": vector(&[])}),
            json!({"path": "rules", "body": {"status": "success", "data": {"groups": []}}}),
        ],
    );
    let mut console = Opening::new(["--context", "lab-infra"])
        .kubeconfig(&lab.kubeconfig())
        .open();
    console.expect("gitlab");
    console.press(&["8"]);
    console.expect("2 firing, 1 pending, 2 about Dragonfly");
    console.expect_row(&[
        "firing",
        "critical",
        "NoMaster",
        "dragonfly-system/gitlab-0",
    ]);
    console.expect_row(&["pending", "Lags"]);
    console.expect_row(&["Keys", "warning", "never: v1.39.0 does not expose"]);
    console.expect_row(&["NoMaster", "critical", "yes"]);
    console.quit();
}
