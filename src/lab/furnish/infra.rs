//! `lab-infra`: the operator and three instances, or many.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::instance::{Plan, Standing};
use super::{Furnisher, days};
use crate::lab::base64;
use crate::lab::controllers::{DEFAULT_CLASS, PROVISIONER};
use crate::lab::resources::{SECRETS, STORAGE_CLASSES};

/// Namespace of the shared instances.
pub(in crate::lab) const SYSTEM: &str = "dragonfly-system";
/// The password of `dragonfly-system/dragonfly`, in its Secret.
const PASSWORD: &str = "lab-password";

impl Furnisher<'_> {
    /// Namespaces, machines and storage.
    pub(in crate::lab) fn ground(&mut self, prefix: &str, machines: usize, namespaces: &[&str]) {
        let born = self.ago(days(214));
        for name in ["kube-system", "kube-public", "kube-node-lease", "default"] {
            self.namespace(name, born);
        }
        let later = self.ago(days(62));
        for name in namespaces {
            self.namespace(name, later);
        }
        self.machines(prefix, machines, born);
        let class = json!({
            "metadata": {"name": DEFAULT_CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": PROVISIONER, "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": true,
        });
        self.put(STORAGE_CLASSES, class, born, "kubectl");
    }

    /// The three instances of the story.
    pub(in crate::lab) fn story(&mut self) -> Vec<Standing> {
        let born = self.ago(days(62));
        let secret = json!({
            "metadata": {"name": "dragonfly-auth", "namespace": SYSTEM},
            "type": "Opaque",
            "data": {"password": base64::encode(PASSWORD.as_bytes())},
        });
        self.put(SECRETS, secret, born, "kubectl");
        story_plans()
            .into_iter()
            .map(|plan| self.instance(plan))
            .collect()
    }

    /// Lean instances of three pods, the last one smaller when `pods` is no multiple of three.
    pub(in crate::lab) fn many(&mut self, instances: usize) -> Vec<Standing> {
        let mut all = Vec::new();
        for number in 0..instances {
            let namespace = format!("team-{:02}", number / PER_NAMESPACE + 1);
            self.namespace(&namespace, self.ago(days(40)));
            all.push(self.instance(Plan {
                namespace,
                name: format!("cache-{:03}", number + 1),
                spec: json!({"replicas": 3, "args": ["--maxmemory=512mb", "--proactor_threads=2"],
                    "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}}}),
                keys: 1000 + (number as u64 % 7) * 350,
                bytes: 40_000_000 + (number as u64 % 11) * 9_000_000,
                born: days(30) + SignedDuration::from_mins(number as i64),
                since: days(6) + SignedDuration::from_secs(number as i64 * 7),
                secrets: vec![],
            }));
        }
        all
    }
}

/// Instances in one namespace of `scale:N`.
const PER_NAMESPACE: usize = 25;

/// What the three instances of the story are to be.
pub(in crate::lab) fn story_plans() -> Vec<Plan> {
    let global = json!({"annotations": {"service.cilium.io/global": "true"}});
    let spread = json!([{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "dragonfly"}}}]);
    let plan = |namespace: &str, name: &str, spec: Value, keys, bytes, since| Plan {
        namespace: namespace.into(),
        name: name.into(),
        spec,
        keys,
        bytes,
        born: days(61),
        since,
        secrets: vec![],
    };
    vec![
        plan(
            SYSTEM,
            "dragonfly",
            json!({
                "replicas": 3,
                "args": ["--maxmemory=2gb", "--proactor_threads=2"],
                "authentication": {"passwordFromSecret": {"name": "dragonfly-auth", "key": "password"}},
                "resources": {"requests": {"cpu": "500m", "memory": "3Gi"}, "limits": {"memory": "3Gi"}},
                "serviceSpec": global,
                "snapshot": {"cron": "*/30 * * * *", "persistentVolumeClaimSpec": {
                    "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}},
                "topologySpreadConstraints": spread,
            }),
            410_000,
            640_000_000,
            days(9),
        ),
        plan(
            SYSTEM,
            "gitlab",
            json!({
                "replicas": 3,
                "args": ["--maxmemory=3gb", "--proactor_threads=4"],
                "resources": {"requests": {"cpu": "1", "memory": "4Gi"}, "limits": {"memory": "4Gi"}},
                "serviceSpec": global,
                "topologySpreadConstraints": spread,
            }),
            900_000,
            1_700_000_000,
            days(4),
        ),
        plan(
            "harbor",
            "cache",
            json!({
                "replicas": 2,
                "args": ["--maxmemory=800mb", "--proactor_threads=2", "--cache_mode=true"],
                "resources": {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
                "serviceSpec": global,
            }),
            64_000,
            82_000_000,
            days(2),
        ),
    ]
}
