//! Who uses which instance: workloads of both clusters, and the connections their pods hold.

use std::time::Duration;

use serde_json::Value;

use crate::lab::cluster::Cluster;
use crate::lab::engine::{Attendant, Manner};
use crate::lab::json::text;
use crate::lab::resources::PODS;

/// One workload that uses an instance.
pub(in crate::lab) struct Consumer {
    /// Where it runs: `infra` or `apps`.
    pub(in crate::lab) cluster: Side,
    pub(in crate::lab) namespace: &'static str,
    pub(in crate::lab) name: &'static str,
    pub(in crate::lab) pods: i64,
    /// Namespace and name of the instance.
    pub(in crate::lab) instance: (&'static str, &'static str),
    /// What each pod does with its connections.
    connections: &'static [Manner],
    /// What its clients call themselves; empty when they do not.
    client: &'static str,
    lib: (&'static str, &'static str),
}

/// In which cluster a workload runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lab) enum Side {
    Infra,
    Apps,
}

const MAIN: (&str, &str) = ("dragonfly-system", "dragonfly");
const GITLAB: (&str, &str) = ("dragonfly-system", "gitlab");
const CACHE: (&str, &str) = ("harbor", "cache");

const REDIS_RB: (&str, &str) = ("redis-client", "0.25.1");
const GO_REDIS: (&str, &str) = ("go-redis(,go1.25.1)", "9.14.0");
const LETTUCE: (&str, &str) = ("Lettuce", "6.8.1.RELEASE");
const REDIS_PY: (&str, &str) = ("redis-py", "6.4.0");

use Manner::{Hurries, Listens, Waits, Works};

/// All of them.
pub(in crate::lab) const CONSUMERS: &[Consumer] = &[
    Consumer {
        cluster: Side::Apps,
        namespace: "gitlab",
        name: "gitlab-webservice",
        pods: 3,
        instance: GITLAB,
        connections: &[Works, Works, Listens],
        client: "gitlab-webservice",
        lib: REDIS_RB,
    },
    Consumer {
        cluster: Side::Apps,
        namespace: "gitlab",
        name: "gitlab-sidekiq",
        pods: 2,
        instance: GITLAB,
        connections: &[Works, Waits, Waits],
        client: "Sidekiq-server-PID-1",
        lib: REDIS_RB,
    },
    Consumer {
        cluster: Side::Apps,
        namespace: "harbor",
        name: "harbor-core",
        pods: 2,
        instance: CACHE,
        connections: &[Works, Works],
        client: "",
        lib: GO_REDIS,
    },
    Consumer {
        cluster: Side::Apps,
        namespace: "harbor",
        name: "harbor-jobservice",
        pods: 1,
        instance: CACHE,
        connections: &[Works, Waits],
        client: "jobservice",
        lib: GO_REDIS,
    },
    Consumer {
        cluster: Side::Apps,
        namespace: "shop",
        name: "orders-api",
        pods: 3,
        instance: MAIN,
        connections: &[Works, Works, Works],
        client: "orders-api",
        lib: LETTUCE,
    },
    Consumer {
        cluster: Side::Apps,
        namespace: "shop",
        name: "cart",
        pods: 2,
        instance: MAIN,
        connections: &[Works, Works],
        client: "cart",
        lib: REDIS_PY,
    },
    Consumer {
        cluster: Side::Infra,
        namespace: "gitlab",
        name: "gitlab-exporter",
        pods: 1,
        instance: GITLAB,
        connections: &[Works],
        client: "gitlab-exporter",
        lib: REDIS_RB,
    },
    Consumer {
        cluster: Side::Infra,
        namespace: "billing",
        name: "invoice-worker",
        pods: 2,
        instance: MAIN,
        connections: &[Waits, Hurries(480, 3_145_728)],
        client: "invoice-worker",
        lib: REDIS_PY,
    },
    Consumer {
        cluster: Side::Infra,
        namespace: "harbor",
        name: "harbor-registry",
        pods: 1,
        instance: CACHE,
        connections: &[Works, Listens],
        client: "",
        lib: GO_REDIS,
    },
];

impl Consumer {
    /// The host its clients connect to.
    pub(in crate::lab) fn host(&self) -> String {
        format!("{}.{}.svc", self.instance.1, self.instance.0)
    }
}

/// The connections that the pods of both clusters hold to an instance, the same for the same pods.
pub(in crate::lab) fn crowd(clusters: &[&Cluster], namespace: &str, app: &str) -> Vec<Attendant> {
    let mut all = Vec::new();
    let users = CONSUMERS
        .iter()
        .filter(|consumer| consumer.instance == (namespace, app));
    for consumer in users {
        for cluster in clusters {
            let labels = [("app", consumer.name)];
            let found = cluster
                .store
                .labelled(PODS, Some(consumer.namespace), &labels);
            for pod in found {
                connections(consumer, cluster, &pod.value(), &mut all);
            }
        }
    }
    all
}

fn connections(consumer: &Consumer, cluster: &Cluster, pod: &Value, all: &mut Vec<Attendant>) {
    let ip = text(pod, "/status/podIP");
    if ip.is_empty() {
        return;
    }
    let name = text(pod, "/metadata/name");
    for (at, manner) in consumer.connections.iter().enumerate() {
        let number = at.to_string();
        let port = 32_768 + cluster.seed.below(28_000, &["connection", name, &number]);
        let age = 600 + cluster.seed.below(200_000, &["age", name, &number]);
        all.push(Attendant {
            addr: format!("{ip}:{port}"),
            name: consumer.client.to_owned(),
            lib: (consumer.lib.0.to_owned(), consumer.lib.1.to_owned()),
            age: Duration::from_secs(age),
            manner: *manner,
        });
    }
}
