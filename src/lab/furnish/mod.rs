//! What stands in the clusters before anybody looks: objects as they are after days of quiet work, made at once.
//!
//! A scenario must be there within seconds, also with thousands of pods, so nothing here waits for controllers: each
//! object is created in the state they would bring it to, by the functions they use themselves.

pub(in crate::lab) mod apps;
pub(in crate::lab) mod consumers;
pub(in crate::lab) mod infra;
pub(in crate::lab) mod instance;
pub(in crate::lab) mod nodes;
pub(in crate::lab) mod operator;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::clock;
use super::cluster::Cluster;
use super::controllers::{
    Births, deployment_status, give_address, replica_set_of, replica_set_pod, replica_set_status,
    slice,
};
use super::json::{number, set, text};
use super::kubelet::state::PodState;
use super::resources::{
    DEPLOYMENTS, ENDPOINT_SLICES, GroupResource, NAMESPACES, NODES, PODS, REPLICA_SETS, SERVICES,
};
use super::store::{Object, Writer};

/// Puts objects into a cluster.
pub(in crate::lab) struct Furnisher<'a> {
    pub(in crate::lab) cluster: &'a Cluster,
    pub(in crate::lab) births: Births,
    now: Timestamp,
    /// Machines and their zones.
    zones: Vec<(String, String)>,
    placed: usize,
}

impl<'a> Furnisher<'a> {
    pub(in crate::lab) fn new(cluster: &'a Cluster) -> Self {
        Self {
            cluster,
            births: Births::default(),
            now: cluster.store.now(),
            zones: Vec::new(),
            placed: 0,
        }
    }

    /// A moment in the past.
    pub(in crate::lab) fn ago(&self, ago: SignedDuration) -> Timestamp {
        self.now.checked_sub(ago).unwrap_or(self.now)
    }

    /// Creates an object that is `born` old already. What goes wrong here is a defect of the lab: the object is missing
    /// then, and every test that looks for it fails.
    pub(in crate::lab) fn put(
        &mut self,
        what: GroupResource<'_>,
        mut value: Value,
        born: Timestamp,
        by: &str,
    ) -> Value {
        let namespace = text(&value, "/metadata/namespace").to_owned();
        let name = text(&value, "/metadata/name").to_owned();
        set(
            &mut value,
            &["metadata", "creationTimestamp"],
            clock::seconds(born).into(),
        );
        if text(&value, "/metadata/uid").is_empty() {
            let uid = self
                .births
                .uid(self.cluster.seed, what.plural, &namespace, &name);
            set(&mut value, &["metadata", "uid"], uid.into());
        }
        let created = self
            .cluster
            .store
            .create(what, &namespace, value.clone(), Writer::from(by));
        // What a reader of the result asks for is in it already; parsing the stored text again would double the work.
        created.map_or(Value::Null, |_| value)
    }

    /// A namespace.
    pub(in crate::lab) fn namespace(&mut self, name: &str, born: Timestamp) {
        if self.cluster.store.get(NAMESPACES, "", name).is_err() {
            let value = json!({"metadata": {"name": name}});
            self.put(NAMESPACES, value, born, "kubectl");
        }
    }

    /// Machines `PREFIX-1` and so on, over three zones.
    pub(in crate::lab) fn machines(&mut self, prefix: &str, count: usize, born: Timestamp) {
        for number in 1..=count {
            let node = nodes::node(prefix, number);
            let zone = text(&node, "/metadata/labels/topology.kubernetes.io~1zone").to_owned();
            self.zones
                .push((text(&node, "/metadata/name").to_owned(), zone));
            self.put(NODES, node, born, "kubelet");
        }
    }

    /// The next machine in turn.
    fn machine(&mut self) -> String {
        let at = self.placed.checked_rem(self.zones.len()).unwrap_or(0);
        self.placed += 1;
        self.zones
            .get(at)
            .map(|(name, _)| name.clone())
            .unwrap_or_default()
    }

    fn zone(&self, node: &str) -> String {
        let found = self.zones.iter().find(|(name, _)| name == node);
        found.map(|(_, zone)| zone.clone()).unwrap_or_default()
    }

    /// A pod that has been running since `since`, on a machine of our choice; its processes start when it is adopted.
    pub(in crate::lab) fn pod(
        &mut self,
        pod: Value,
        node: &str,
        since: Timestamp,
    ) -> (Value, PodState) {
        let address = self.cluster.machines.address(node);
        self.pod_at(pod, node, &address, since)
    }

    /// [`Furnisher::pod`] at an address that was taken before.
    fn pod_at(
        &mut self,
        mut pod: Value,
        node: &str,
        address: &str,
        since: Timestamp,
    ) -> (Value, PodState) {
        set(&mut pod, &["spec", "nodeName"], node.into());
        let state = PodState::running(&pod, &nodes::address(node), address, since);
        let status = state.status(&pod, since, self.cluster.seed);
        set(&mut pod, &["status"], status);
        let object = self.put(PODS, pod, since, "kube-controller-manager");
        (object, state)
    }

    /// Adopts a pod: from here on its containers live.
    pub(in crate::lab) async fn adopt(&self, pod: &Value, state: PodState) {
        self.cluster.machines.adopt(pod, state).await;
    }

    /// A Service with its address and its slice over `pods`.
    pub(in crate::lab) fn service(
        &mut self,
        mut service: Value,
        pods: &[Value],
        born: Timestamp,
        by: &str,
    ) -> Value {
        give_address(&mut service, self.cluster.seed);
        let service = self.put(SERVICES, service, born, by);
        let mut slice = slice(&service, pods, self.cluster.seed, |node| self.zone(node));
        set(
            &mut slice,
            &[
                "metadata",
                "annotations",
                "endpoints.kubernetes.io/last-change-trigger-time",
            ],
            clock::seconds(born).into(),
        );
        self.put(ENDPOINT_SLICES, slice, born, "kube-controller-manager");
        service
    }

    /// A Deployment whose pods have been running since `since`.
    pub(in crate::lab) fn deployment(
        &mut self,
        mut deployment: Value,
        born: Timestamp,
        since: Timestamp,
    ) -> Vec<(Value, PodState)> {
        set(
            &mut deployment,
            &[
                "metadata",
                "annotations",
                "deployment.kubernetes.io/revision",
            ],
            "1".into(),
        );
        let deployment = self.put(DEPLOYMENTS, deployment, born, "kubectl");
        let replicas = number(&deployment, "/spec/replicas").unwrap_or(1);
        let mut pods = Vec::new();
        let replica_set = self.put(
            REPLICA_SETS,
            replica_set_of(&deployment, replicas),
            born,
            "kube-controller-manager",
        );
        for at in 0..u32::try_from(replicas).unwrap_or(0) {
            let pod = replica_set_pod(&replica_set, at, self.cluster.seed);
            let node = self.machine();
            pods.push(self.pod(pod, &node, since));
        }
        self.count(&deployment, &replica_set, &pods, since);
        pods
    }

    /// Writes the counts of a Deployment and its ReplicaSet over these pods.
    pub(in crate::lab) fn count(
        &self,
        deployment: &Value,
        replica_set: &Value,
        pods: &[(Value, PodState)],
        at: Timestamp,
    ) {
        let values: Vec<Value> = pods.iter().map(|(pod, _)| pod.clone()).collect();
        let status = replica_set_status(replica_set, &values);
        let replica_set = self.status(REPLICA_SETS, replica_set, status);
        let status = deployment_status(deployment, std::slice::from_ref(&replica_set), at);
        self.status(DEPLOYMENTS, deployment, status);
    }

    /// Writes a status.
    pub(in crate::lab) fn status(
        &self,
        what: GroupResource<'_>,
        object: &Value,
        status: Value,
    ) -> Value {
        let (namespace, name) = (
            text(object, "/metadata/namespace"),
            text(object, "/metadata/name"),
        );
        let by = Writer {
            subresource: "status",
            ..Writer::from("kube-controller-manager")
        };
        let written = self
            .cluster
            .store
            .update(what, namespace, name, by, |object| {
                set(object, &["status"], status);
            });
        written
            .map(|object: std::sync::Arc<Object>| object.value())
            .unwrap_or_default()
    }
}

/// Days, for ages.
pub(in crate::lab) fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}
