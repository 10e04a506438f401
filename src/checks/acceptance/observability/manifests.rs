//! Manifests that mend what is not observed.

use std::collections::BTreeSet;

use crate::domain::want::Foreign;

/// A PrometheusRule with everything that must be watched of Dragonfly and its operator: what the checks here ask for, and
/// what an example of a whole stack holds. VictoriaMetrics' operator makes a VMRule of it.
pub const PROMETHEUS_RULE: &str = include_str!("../../../../docs/examples/infra/41-rules.yaml");

/// The same in that namespace, as what the cluster serves: a PrometheusRule, or a VMRule where it knows no other.
pub(super) fn rules(namespace: &str, served: &[Foreign]) -> String {
    let text = PROMETHEUS_RULE.replace(
        "namespace: dragonfly-system",
        &format!("namespace: {namespace}"),
    );
    match served.contains(&Foreign::PrometheusRule) || !served.contains(&Foreign::VmRule) {
        true => text,
        false => text
            .replace(
                "apiVersion: monitoring.coreos.com/v1",
                "apiVersion: operator.victoriametrics.com/v1beta1",
            )
            .replace("kind: PrometheusRule", "kind: VMRule"),
    }
}

/// What scrapes the admin port of an instance's pods.
pub(super) fn pod_scrape(namespace: &str, name: &str, served: &[Foreign]) -> String {
    let (api, kind) = match served.contains(&Foreign::PodMonitor) {
        true => ("monitoring.coreos.com/v1", "PodMonitor"),
        false => ("operator.victoriametrics.com/v1beta1", "VMPodScrape"),
    };
    format!(
        "# /metrics is on the admin port, 9999, which no Service of the operator exposes: pods are scraped, not the Service.\n\
         # A NetworkPolicy must let the scraper reach 9999: the operator's own, from v1.5.0, does not.\n\
         apiVersion: {api}\n\
         kind: {kind}\n\
         metadata:\n  name: {name}\n  namespace: {namespace}\n\
         spec:\n  selector:\n    matchLabels:\n      app: {name}\n      app.kubernetes.io/name: dragonfly\n  \
         # The instance and the role become labels of every series.\n  podTargetLabels: [app, role]\n  \
         podMetricsEndpoints:\n    - port: admin\n      path: /metrics\n      interval: 30s\n"
    )
}

/// What scrapes the operator through its kube-rbac-proxy.
pub(super) fn operator_scrape(
    namespace: &str,
    port: &str,
    labels: &[(&str, &str)],
    served: &[Foreign],
) -> String {
    let (api, kind) = match served.contains(&Foreign::ServiceMonitor) {
        true => ("monitoring.coreos.com/v1", "ServiceMonitor"),
        false => ("operator.victoriametrics.com/v1beta1", "VMServiceScrape"),
    };
    let labels: String = labels
        .iter()
        .map(|(key, value)| format!("\n      {key}: {value}"))
        .collect();
    format!(
        "# The operator's metrics stand behind kube-rbac-proxy: TLS with a certificate of its own, and a token whose account may\n\
         # get /metrics.\n\
         apiVersion: {api}\n\
         kind: {kind}\n\
         metadata:\n  name: dragonfly-operator\n  namespace: {namespace}\n\
         spec:\n  selector:\n    matchLabels:{labels}\n  endpoints:\n    - port: {port}\n      scheme: https\n      \
         path: /metrics\n      bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token\n      \
         tlsConfig:\n        insecureSkipVerify: true\n"
    )
}

/// The binding that lets a scraper through kube-rbac-proxy.
pub(super) fn reader_binding(role: &str, namespaces: &BTreeSet<&str>) -> String {
    let subjects: String = namespaces
        .iter()
        .map(|namespace| {
            format!(
                "  - apiGroup: rbac.authorization.k8s.io\n    kind: Group\n    name: system:serviceaccounts:{namespace}\n"
            )
        })
        .collect();
    format!(
        "# Every account of the namespace in which there is a scraper. Narrower is the account of its pods alone:\n\
         # kind: ServiceAccount, with its name and namespace.\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: ClusterRoleBinding\n\
         metadata:\n  name: {role}-scrapers\n\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: {role}\n\
         subjects:\n{subjects}"
    )
}
