//! `lab-apps`: the workloads that use the instances, and the Services by which a mesh would pair them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::consumers::{CONSUMERS, Side};
use super::infra::SYSTEM;
use super::{Furnisher, days};
use crate::lab::kubelet::state::PodState;

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
        self.workloads(Side::Apps, born)
    }

    /// The workloads of one cluster that use instances, each with its Service.
    pub(in crate::lab) fn workloads(
        &mut self,
        side: Side,
        born: Timestamp,
    ) -> Vec<(Value, PodState)> {
        let mut pods = Vec::new();
        let ours = CONSUMERS.iter().filter(|one| one.cluster == side);
        for (number, consumer) in ours.enumerate() {
            let (namespace, name) = (consumer.namespace, consumer.name);
            self.namespace(namespace, born);
            let since = self.ago(days(3) + SignedDuration::from_hours(number as i64));
            let wanted = deployment(namespace, name, consumer.pods, &consumer.host());
            let made = self.deployment(wanted, born, since);
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
