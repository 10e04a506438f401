//! A settled instance: its resource, what the operator made of it, its pods, and engines in sync.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Furnisher;
use crate::lab::controllers::{
    SELECTED_NODE, bound_claim, budget_status, revision_of, set_claim, set_pod, set_status,
};
use crate::lab::engine::{Engine, EngineRole, Fault, Load};
use crate::lab::events::Recorder;
use crate::lab::json::{items, number, set, text};
use crate::lab::kubelet::state::PodState;
use crate::lab::operator::owned::{ADMIN_PORT, owned};
use crate::lab::operator::{MANAGER, MASTER_ANNOTATION, NAMESPACE};
use crate::lab::redis::ask;
use crate::lab::resources::{
    BUDGETS, CLAIMS, DRAGONFLIES, NETWORK_POLICIES, SECRETS, SERVICES, STATEFUL_SETS, VOLUMES,
};

/// An instance to be furnished.
pub(in crate::lab) struct Plan {
    pub(in crate::lab) namespace: String,
    pub(in crate::lab) name: String,
    pub(in crate::lab) spec: Value,
    /// Keys at rest, and their bytes.
    pub(in crate::lab) keys: u64,
    pub(in crate::lab) bytes: u64,
    /// How old the instance and its present pods are.
    pub(in crate::lab) born: SignedDuration,
    pub(in crate::lab) since: SignedDuration,
    /// Secrets that it refers to, where nobody else makes them.
    pub(in crate::lab) secrets: Vec<Value>,
}

/// Pods that are in the store and wait for their processes.
pub(in crate::lab) struct Standing {
    pub(in crate::lab) plan: Plan,
    pub(in crate::lab) pods: Vec<(Value, PodState)>,
}

impl Furnisher<'_> {
    /// Creates the objects of an instance whose first pod is the master.
    pub(in crate::lab) fn instance(&mut self, plan: Plan) -> Standing {
        let (born, since) = (self.ago(plan.born), self.ago(plan.since));
        self.namespace(&plan.namespace, born);
        for secret in &plan.secrets {
            self.put(SECRETS, secret.clone(), born, "kubectl");
        }
        let df = json!({
            "metadata": {"name": plan.name, "namespace": plan.namespace},
            "spec": plan.spec,
            "status": {"phase": "Ready"},
        });
        let df = self.put(DRAGONFLIES, df, born, "kubectl");
        let mut standing = Standing {
            plan,
            pods: Vec::new(),
        };
        // The plans of the lab contradict themselves nowhere; a test starts each of them.
        let Ok(wanted) = owned(&df, NAMESPACE) else {
            return standing;
        };
        for one in wanted.into_iter().filter(|one| !one.value.is_null()) {
            if one.what == STATEFUL_SETS {
                let mut set = one.value;
                let uid = self.births.uid(
                    self.cluster.seed,
                    "set",
                    &standing.plan.namespace,
                    &standing.plan.name,
                );
                self::set(&mut set, &["metadata", "uid"], uid.into());
                standing.pods = self.set_pods(&set, since, born);
                let pods: Vec<Value> = standing.pods.iter().map(|(pod, _)| pod.clone()).collect();
                let status = set_status(&set, &pods);
                self::set(&mut set, &["status"], status);
                self.put(STATEFUL_SETS, set, born, MANAGER);
            } else if one.what == SERVICES {
                let master: Vec<Value> = standing
                    .pods
                    .first()
                    .map(|(pod, _)| pod.clone())
                    .into_iter()
                    .collect();
                self.service(one.value, &master, born, MANAGER);
            } else if one.what == BUDGETS {
                let mut budget = one.value;
                set(&mut budget, &["metadata", "generation"], 1.into());
                let pods: Vec<Value> = standing.pods.iter().map(|(pod, _)| pod.clone()).collect();
                let status = budget_status(&budget, &pods, since);
                set(&mut budget, &["status"], status);
                self.put(BUDGETS, budget, born, MANAGER);
            } else if one.what == NETWORK_POLICIES {
                self.put(NETWORK_POLICIES, one.value, born, MANAGER);
            }
        }
        standing
    }

    fn set_pods(
        &mut self,
        set: &Value,
        since: Timestamp,
        born: Timestamp,
    ) -> Vec<(Value, PodState)> {
        let revision = revision_of(set);
        let mut pods = Vec::new();
        let mut master_ip = String::new();
        for ordinal in 0..number(set, "/spec/replicas").unwrap_or(0) {
            let node = self.machine();
            for template in items(set, "/spec/volumeClaimTemplates") {
                self.claim(set, template, ordinal, &node, born);
            }
            let mut pod = set_pod(set, ordinal, &revision, self.cluster.seed);
            let name = text(&pod, "/metadata/name").to_owned();
            let namespace = text(&pod, "/metadata/namespace").to_owned();
            let uid = self.births.uid(
                self.cluster.seed,
                "pod",
                &namespace,
                &format!("standing/{name}"),
            );
            self::set(&mut pod, &["metadata", "uid"], uid.into());
            let role = if ordinal == 0 { "master" } else { "replica" };
            self::set(&mut pod, &["metadata", "labels", "role"], role.into());
            if ordinal > 0 {
                self::set(
                    &mut pod,
                    &["metadata", "labels", "master-ip"],
                    master_ip.clone().into(),
                );
            }
            // The address of the master is known once its pod is.
            let address = match ordinal {
                0 => self.cluster.machines.address(&node),
                _ => master_ip.clone(),
            };
            self::set(
                &mut pod,
                &["metadata", "annotations", MASTER_ANNOTATION],
                address.clone().into(),
            );
            if ordinal == 0 {
                master_ip = address.clone();
                pods.push(self.pod_at(pod, &node, &address, since));
            } else {
                pods.push(self.pod(pod, &node, since));
            }
        }
        pods
    }

    fn claim(&mut self, set: &Value, template: &Value, ordinal: i64, node: &str, born: Timestamp) {
        let mut claim = set_claim(set, template, ordinal);
        let (namespace, name) = (
            text(set, "/metadata/namespace").to_owned(),
            text(&claim, "/metadata/name").to_owned(),
        );
        let uid = self
            .births
            .uid(self.cluster.seed, "claim", &namespace, &name);
        self::set(&mut claim, &["metadata", "uid"], uid.into());
        self::set(&mut claim, &["metadata", "namespace"], namespace.into());
        self::set(
            &mut claim,
            &["metadata", "annotations", SELECTED_NODE],
            node.into(),
        );
        let volume = bound_claim(&mut claim);
        self.put(VOLUMES, volume, born, "csi-provisioner");
        self.put(CLAIMS, claim, born, "kube-controller-manager");
    }

    /// Tells the latest events of an instance.
    pub(in crate::lab) fn history(&self, standing: &Standing, ago: SignedDuration) {
        let plan = &standing.plan;
        let Ok(df) = self
            .cluster
            .store
            .get(DRAGONFLIES, &plan.namespace, &plan.name)
        else {
            return;
        };
        let recorder = Recorder::new(&self.cluster.store, "dragonfly-operator", "");
        recorder.say(&crate::lab::events::Message {
            about: &df.value(),
            kind: "Normal",
            reason: "Replication",
            text: "Checked and configured replication",
            at: self.ago(ago),
            field: "",
            count: 4,
        });
    }
}

/// Starts the processes of an instance and brings its engines in sync.
pub(in crate::lab) async fn start(furnisher: &Furnisher<'_>, standing: &Standing) {
    for (pod, state) in &standing.pods {
        furnisher.adopt(pod, state.clone()).await;
    }
    let engine = |(pod, _): &(Value, PodState)| {
        let (namespace, name) = (
            text(pod, "/metadata/namespace"),
            text(pod, "/metadata/name"),
        );
        furnisher.cluster.machines.engine(namespace, name)
    };
    let engines: Vec<Engine> = standing.pods.iter().filter_map(engine).collect();
    let Some((master, replicas)) = engines.split_first() else {
        return;
    };
    let ip = master.spec().ip.to_string();
    // First the links, then the data: a full sync of nothing takes milliseconds.
    futures::future::join_all(
        replicas
            .iter()
            .map(|replica| replica.replica_of(&ip, ADMIN_PORT)),
    )
    .await;
    for replica in replicas {
        in_sync(replica).await;
    }
    if standing.plan.keys > 0 {
        master.fill("item", standing.plan.keys, standing.plan.bytes);
    }
    for engine in engines
        .iter()
        .filter(|one| !one.spec().snapshot_cron.is_empty())
    {
        // The schedule has kept its volume fresh: the last save was just now, and took no time of anybody's.
        engine.inject(Fault::SaveTakes(Some(Duration::ZERO)));
        // Should it fail, the engine tells so itself.
        let _ = ask(engine, ADMIN_PORT, &["SAVE"]).await;
        engine.inject(Fault::SaveTakes(None));
    }
    master.traffic(&load(&standing.plan.name), 40, 0, 1);
}

/// Waits until a replica is in sync, for a few seconds at most.
async fn in_sync(replica: &Engine) {
    for _ in 0..2000 {
        if matches!(replica.role(), EngineRole::Replica { in_sync: true, .. }) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// What the clients of an instance write; who they are is said where they are connected.
pub(in crate::lab) fn load(name: &str) -> Load {
    Load {
        name: format!("{name}-client"),
        addr: String::new(),
        per_second: 0,
        keys: 5000,
        value_len: 96,
    }
}
