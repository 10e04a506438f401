//! `lab-apps`: the workloads that use the instances, and the Services by which a mesh would pair them.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::infra::SYSTEM;
use super::{Furnisher, days};
use crate::lab::kubelet::state::PodState;

/// A consumer: namespace, name, pods, host of its instance.
const CONSUMERS: &[(&str, &str, i64, &str)] = &[
    (
        "gitlab",
        "gitlab-webservice",
        3,
        "gitlab.dragonfly-system.svc",
    ),
    ("gitlab", "gitlab-sidekiq", 2, "gitlab.dragonfly-system.svc"),
    ("harbor", "harbor-core", 2, "cache.harbor.svc"),
    ("harbor", "harbor-jobservice", 1, "cache.harbor.svc"),
    ("shop", "orders-api", 3, "dragonfly.dragonfly-system.svc"),
    ("shop", "cart", 2, "dragonfly.dragonfly-system.svc"),
];

/// Services that exist in both clusters: namespace and name.
const GLOBAL: &[(&str, &str)] = &[
    (SYSTEM, "dragonfly"),
    (SYSTEM, "gitlab"),
    ("harbor", "cache"),
];

impl Furnisher<'_> {
    /// Namespaces of the consumers' cluster.
    pub(in crate::lab) const APPS: &'static [&'static str] = &[SYSTEM, "gitlab", "harbor", "shop"];

    /// Consumers and global Services.
    pub(in crate::lab) fn consumers(&mut self) -> Vec<(Value, PodState)> {
        let born = self.ago(days(58));
        for (namespace, name) in GLOBAL {
            let service = json!({
                "metadata": {"name": name, "namespace": namespace, "labels": {"app": name},
                    "annotations": {"service.cilium.io/global": "true"}},
                "spec": {
                    "ports": [{"name": "redis", "port": 6379}],
                    "selector": {"app": name, "app.kubernetes.io/name": "dragonfly", "role": "master"},
                },
            });
            // The backends are in the other cluster: here the slice is empty, as a mesh leaves it by default.
            self.service(service, &[], born, "kubectl");
        }
        let mut pods = Vec::new();
        for (number, (namespace, name, replicas, host)) in CONSUMERS.iter().enumerate() {
            let since = self.ago(days(3) + SignedDuration::from_hours(number as i64));
            let made = self.deployment(deployment(namespace, name, *replicas, host), born, since);
            let values: Vec<Value> = made.iter().map(|(pod, _)| pod.clone()).collect();
            let service = json!({
                "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
                "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}], "selector": {"app": name}},
            });
            self.service(service, &values, born, "kubectl");
            pods.extend(made);
        }
        pods
    }
}

fn deployment(namespace: &str, name: &str, replicas: i64, host: &str) -> Value {
    let mut pod = json!({"containers": [{
        "name": name,
        "image": format!("registry.lab.example/{namespace}/{name}:2026.11"),
        "env": [{"name": "REDIS_HOST", "value": host}, {"name": "REDIS_PORT", "value": "6379"}],
        "ports": [{"containerPort": 8080, "name": "http"}],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
    }]});
    crate::lab::defaults::pod_spec(&mut pod);
    json!({
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "progressDeadlineSeconds": 600,
            "replicas": replicas,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    })
}
