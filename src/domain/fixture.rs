//! Worlds for tests, as sentences: `instance("orders").node(master()).node(replica().lagging(40)).build()`.
//!
//! Everything goes through [`World::apply`], as in production. The instance lives in namespace `shop` of context
//! `infra`; its pods are `NAME-0`, `NAME-1` and so on at 10.0.0.1, 10.0.0.2 and so on; everything was listed ten minutes
//! before [`now`], engines answered one second before it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::engine::*;
use crate::domain::object::*;
use crate::domain::*;

/// The moment of judgement in tests.
pub fn now() -> Timestamp {
    "2026-01-02T12:00:00Z".parse().unwrap()
}

/// Seconds before [`now`].
pub fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

/// The context of fixtures.
pub fn infra() -> ContextId {
    ContextId::new("infra")
}

/// What an engine does when it is asked.
#[derive(Debug, Clone)]
enum Engine {
    Unasked,
    Silent(Option<Question>, FaultKind, &'static str),
    Master,
    Replica,
}

/// One node of a fixture.
#[derive(Debug, Clone)]
pub struct NodeSpec {
    label: Option<Role>,
    engine: Engine,
    ready: bool,
    endpoint: Option<bool>,
    age: i64,
    deleting: bool,
    phase: &'static str,
    state: ContainerState,
    conditions: Vec<Condition>,
    restarts: u64,
    last_end: Option<ContainerEnd>,
    heard: i64,
    link_up: bool,
    syncing: bool,
    offset: Option<u64>,
    line: Option<LinkState>,
    follows: Option<&'static str>,
    replid: &'static str,
    lag: u64,
    unsynced: i64,
    keys: u64,
    loading: bool,
    was: Option<Role>,
    role_since: Option<Timestamp>,
    machine: Option<&'static str>,
    then_silent: Option<(Option<Question>, FaultKind, &'static str, i64)>,
}

fn node(label: Option<Role>, engine: Engine) -> NodeSpec {
    NodeSpec {
        label,
        engine,
        ready: true,
        endpoint: None,
        age: 3_600,
        deleting: false,
        phase: "Running",
        state: ContainerState::Running {
            since: Some(ago(3_600)),
        },
        conditions: Vec::new(),
        restarts: 0,
        last_end: None,
        heard: 1,
        link_up: true,
        syncing: false,
        offset: Some(8_709),
        line: Some(LinkState::Online),
        follows: None,
        replid: "c1d276f4",
        lag: 0,
        unsynced: 0,
        keys: 1_000,
        loading: false,
        was: None,
        role_since: None,
        machine: None,
        then_silent: None,
    }
}

/// A node labelled master whose engine is one; the Service sends to it.
pub fn master() -> NodeSpec {
    node(Some(Role::Master), Engine::Master)
}

/// A node labelled replica in stable sync with the first master.
pub fn replica() -> NodeSpec {
    node(Some(Role::Replica), Engine::Replica)
}

/// A pod that is not running: no address, not ready, no engine.
pub fn pending() -> NodeSpec {
    NodeSpec {
        phase: "Pending",
        state: ContainerState::Waiting {
            reason: "ContainerCreating".to_owned(),
            message: String::new(),
        },
        ..node(None, Engine::Unasked).unready()
    }
}

impl NodeSpec {
    /// Without a role label.
    pub fn unlabelled(mut self) -> Self {
        self.label = None;
        self
    }

    /// Its engine says that it is a master.
    pub fn engine_master(mut self) -> Self {
        self.engine = Engine::Master;
        self
    }

    /// Its engine says that it is a replica.
    pub fn engine_replica(mut self) -> Self {
        self.engine = Engine::Replica;
        self
    }

    /// Its engine had that role ten minutes before.
    pub fn was(mut self, role: Role) -> Self {
        self.was = Some(role);
        self
    }

    /// Its engine was never asked.
    pub fn unasked(mut self) -> Self {
        self.engine = Engine::Unasked;
        self
    }

    /// No way to its engine could ever be opened.
    pub fn unreachable(mut self, kind: FaultKind, message: &'static str) -> Self {
        self.engine = Engine::Silent(None, kind, message);
        self
    }

    /// It answered once, and does not answer that question (or anything) any more since so many seconds.
    pub fn falls_silent(mut self, question: Option<Question>, seconds: i64) -> Self {
        self.then_silent = Some((question, FaultKind::Timeout, "timed out", seconds));
        self
    }

    /// Its engine answered so many seconds ago.
    pub fn heard(mut self, seconds: i64) -> Self {
        self.heard = seconds;
        self
    }

    /// Not ready by Kubernetes' word since 40 s.
    pub fn unready(mut self) -> Self {
        self.ready = false;
        self
    }

    /// Made and started so many seconds ago.
    pub fn young(mut self, seconds: i64) -> Self {
        self.age = seconds;
        if let ContainerState::Running { since } = &mut self.state {
            *since = Some(ago(seconds));
        }
        self
    }

    /// Being deleted.
    pub fn deleting(mut self) -> Self {
        self.deleting = true;
        self
    }

    /// Its container does not run, and its engine cannot be asked.
    pub fn waiting(mut self, reason: &str) -> Self {
        self.state = ContainerState::Waiting {
            reason: reason.to_owned(),
            message: String::new(),
        };
        self.engine = Engine::Unasked;
        self.unready()
    }

    /// Its container's run before this one ended so, 50 s ago.
    pub fn ended(mut self, reason: &str, exit: i64) -> Self {
        self.last_end = Some(ContainerEnd {
            reason: reason.to_owned(),
            exit,
            at: Some(ago(50)),
        });
        self.restarts += 1;
        self
    }

    /// No machine was found for it.
    pub fn unschedulable(mut self, message: &str) -> Self {
        self.conditions.push(Condition {
            name: "PodScheduled".to_owned(),
            status: "False".to_owned(),
            reason: "Unschedulable".to_owned(),
            message: message.to_owned(),
            since: Some(ago(300)),
        });
        self
    }

    /// Its master lists it so many records behind.
    pub fn lagging(mut self, records: u64) -> Self {
        self.lag = records;
        self
    }

    /// In full sync since so many seconds, with so many keys already.
    pub fn full_sync(mut self, seconds: i64, keys: u64) -> Self {
        self.syncing = true;
        self.loading = true;
        self.offset = None;
        self.line = Some(LinkState::FullSync);
        self.keys = keys;
        self.unsynced = seconds;
        self
    }

    /// Its link is down since so many seconds.
    pub fn cut_off(mut self, seconds: i64) -> Self {
        self.link_up = false;
        self.line = None;
        self.unsynced = seconds;
        self
    }

    /// Its master lists it in that state, or not at all.
    pub fn listed(mut self, state: Option<LinkState>) -> Self {
        self.line = state;
        self
    }

    /// It has applied so many records, or does not tell.
    pub fn offset(mut self, offset: Option<u64>) -> Self {
        self.offset = offset;
        self
    }

    /// It holds so many keys.
    pub fn keys(mut self, keys: u64) -> Self {
        self.keys = keys;
        self
    }

    /// It is on that machine.
    pub fn on(mut self, machine: &'static str) -> Self {
        self.machine = Some(machine);
        self
    }

    /// Of that replication history.
    pub fn replid(mut self, replid: &'static str) -> Self {
        self.replid = replid;
        self
    }

    /// It follows that address.
    pub fn follows(mut self, ip: &'static str) -> Self {
        self.follows = Some(ip);
        self
    }

    /// It is loading a snapshot.
    pub fn loading(mut self) -> Self {
        self.loading = true;
        self
    }

    /// The Service sends to it, or not, whatever its label says.
    pub fn endpoint(mut self, is: bool) -> Self {
        self.endpoint = Some(is);
        self
    }

    /// Its role label was written so many seconds ago.
    pub fn labelled_since(mut self, seconds: i64) -> Self {
        self.role_since = Some(ago(seconds));
        self
    }
}

/// An instance being described.
#[derive(Debug, Clone)]
pub struct InstanceSpec {
    name: String,
    wanted: Option<i64>,
    nodes: Vec<NodeSpec>,
    age: i64,
    service: bool,
    strangers: Vec<&'static str>,
    sources: Vec<(Kind, Access)>,
    link: Link,
}

/// An instance of that name.
pub fn instance(name: &str) -> InstanceSpec {
    InstanceSpec {
        name: name.to_owned(),
        wanted: None,
        nodes: Vec::new(),
        age: 86_400,
        service: true,
        strangers: Vec::new(),
        sources: Vec::new(),
        link: Link::Live {
            rtt: Duration::from_millis(12),
        },
    }
}

/// One master and two replicas in stable sync.
pub fn healthy() -> InstanceSpec {
    instance("orders")
        .node(master())
        .node(replica())
        .node(replica())
}

impl InstanceSpec {
    /// With one more node.
    pub fn node(mut self, node: NodeSpec) -> Self {
        self.nodes.push(node);
        self
    }

    /// So many pods wanted, instead of as many as there are.
    pub fn wanting(mut self, pods: i64) -> Self {
        self.wanted = Some(pods);
        self
    }

    /// Made so many seconds ago.
    pub fn young(mut self, seconds: i64) -> Self {
        self.age = seconds;
        self
    }

    /// Without its Service.
    pub fn without_service(mut self) -> Self {
        self.service = false;
        self
    }

    /// The Service sends to that address, which is none of its pods'.
    pub fn sends_to(mut self, ip: &'static str) -> Self {
        self.strangers.push(ip);
        self
    }

    /// That kind is not being followed, since a minute.
    pub fn source(mut self, kind: Kind, access: Access) -> Self {
        self.sources.push((kind, access));
        self
    }

    /// The way to its context is cut since so many seconds.
    pub fn unreachable(mut self) -> Self {
        self.link = Link::Unreachable {
            fault: Fault::new(FaultKind::Unreachable, "dial timeout"),
            retry_at: now(),
        };
        self
    }

    /// The name of its pod of that ordinal.
    fn pod_name(&self, ordinal: usize) -> String {
        format!("{}-{ordinal}", self.name)
    }

    /// The world in which it is so.
    pub fn build(self) -> Fixture {
        let id = InstanceId::new(infra(), "shop", &self.name);
        let mut f = Fixture {
            world: World::default(),
            id,
        };
        let start = ago(600);
        f.tell(
            Fact::Opened {
                context: infra(),
                namespaces: Vec::new(),
            },
            start,
        );
        f.tell(
            Fact::Linked {
                context: infra(),
                link: Link::Live {
                    rtt: Duration::from_millis(12),
                },
            },
            start,
        );
        self.list(&mut f, start);
        for (ordinal, node) in self.nodes.iter().enumerate() {
            self.ask(&mut f, ordinal, node);
        }
        for (kind, access) in &self.sources {
            f.tell(
                Fact::Watched {
                    context: infra(),
                    kind: *kind,
                    scope: Scope::Cluster,
                    access: access.clone(),
                },
                ago(60),
            );
        }
        f.tell(
            Fact::Linked {
                context: infra(),
                link: Link::Live {
                    rtt: Duration::from_millis(12),
                },
            },
            ago(38),
        );
        f.tell(
            Fact::Linked {
                context: infra(),
                link: self.link,
            },
            ago(30),
        );
        f
    }

    fn list(&self, f: &mut Fixture, at: Timestamp) {
        let app = [
            ("app".to_owned(), self.name.clone()),
            ("app.kubernetes.io/name".to_owned(), "dragonfly".to_owned()),
        ];
        let meta = |name: &str| Meta {
            namespace: Arc::from("shop"),
            name: Arc::from(name),
            uid: Arc::from(format!("uid-{name}").as_str()),
            created: Some(ago(self.age)),
            labels: app.clone().into_iter().collect(),
            ..Meta::default()
        };
        let wanted = self
            .wanted
            .unwrap_or_else(|| i64::try_from(self.nodes.len()).unwrap());
        let dragonfly = Dragonfly {
            meta: meta(&self.name),
            replicas: Some(wanted),
            service: self.name.clone(),
            phase: Some("Ready".to_owned()),
            ..Dragonfly::default()
        };
        let mut selector: std::collections::BTreeMap<_, _> = app.clone().into_iter().collect();
        selector.insert("role".to_owned(), "master".to_owned());
        let service = Service {
            meta: meta(&self.name),
            selector,
            kind: "ClusterIP".to_owned(),
            ..Service::default()
        };
        let mut endpoints: Vec<Endpoint> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| {
                node.endpoint
                    .unwrap_or(node.label == Some(Role::Master) && node.ready && !node.deleting)
            })
            .map(|(ordinal, _)| Endpoint {
                addresses: vec![ip(ordinal)],
                ready: true,
                serving: true,
                terminating: false,
                pod: Some(self.pod_name(ordinal)),
            })
            .collect();
        endpoints.extend(self.strangers.iter().map(|ip| Endpoint {
            addresses: vec![(*ip).to_owned()],
            ready: true,
            ..Endpoint::default()
        }));
        let slice = EndpointSlice {
            meta: meta(&format!("{}-x7k2p", self.name)),
            service: self.name.clone(),
            endpoints,
        };
        let pods = self
            .nodes
            .iter()
            .enumerate()
            .map(|(ordinal, node)| {
                let mut meta = meta(&self.pod_name(ordinal));
                meta.created = Some(ago(node.age));
                Object::Pod(Arc::new(pod(meta, ordinal, node)))
            })
            .collect();
        let services = if self.service {
            vec![Object::Service(Arc::new(service))]
        } else {
            Vec::new()
        };
        for (kind, objects) in [
            (
                Kind::Dragonfly,
                vec![Object::Dragonfly(Arc::new(dragonfly))],
            ),
            (Kind::Pod, pods),
            (Kind::Service, services),
            (
                Kind::EndpointSlice,
                vec![Object::EndpointSlice(Arc::new(slice))],
            ),
        ] {
            f.tell(
                Fact::Listed {
                    context: infra(),
                    kind,
                    scope: Scope::Cluster,
                    objects,
                },
                at,
            );
        }
    }

    fn ask(&self, f: &mut Fixture, ordinal: usize, node: &NodeSpec) {
        let pod = self.pod_name(ordinal);
        if let Some(was) = node.was {
            f.answers(
                &pod,
                Probe::Replication(match was {
                    Role::Master => bare_master(),
                    Role::Replica => self.replica_info(ordinal, node),
                }),
                ago(500),
            );
        }
        let replication = match &node.engine {
            Engine::Unasked => return,
            Engine::Silent(question, kind, message) => {
                f.silent(&pod, *question, Fault::new(*kind, message), ago(30));
                return;
            }
            Engine::Master => self.master_info(ordinal),
            Engine::Replica => self.replica_info(ordinal, node),
        };
        // What is so since a while was also seen before; the lines of a master are as old as the oldest of them.
        let unsynced = match node.engine {
            Engine::Master => self.nodes.iter().map(|n| n.unsynced).max().unwrap_or(0),
            _ => node.unsynced,
        };
        if unsynced > node.heard {
            f.answers(&pod, Probe::Replication(replication.clone()), ago(unsynced));
        }
        let at = ago(node.heard);
        f.answers(
            &pod,
            Probe::Ping {
                took: Duration::from_millis(2),
                loading: node.loading,
            },
            at,
        );
        f.answers(&pod, Probe::Replication(replication), at);
        for probe in [
            Probe::Persistence(Persistence {
                loading: node.loading,
                ..Persistence::default()
            }),
            Probe::Keyspace(Keyspace {
                keys: node.keys,
                ..Keyspace::default()
            }),
            Probe::Memory(Memory {
                used: Some(600 << 20),
                max: Some(1 << 30),
                ..Memory::default()
            }),
            Probe::Stats(Stats {
                ops: Some(1_200),
                ..Stats::default()
            }),
            Probe::Clients(Clients {
                connected: Some(7),
                ..Clients::default()
            }),
            Probe::Server(Server {
                version: Some("v1.39.0".to_owned()),
                ..Server::default()
            }),
        ] {
            f.answers(&pod, probe, at);
        }
        if let Some((question, kind, message, seconds)) = node.then_silent {
            f.silent(&pod, question, Fault::new(kind, message), ago(seconds));
        }
    }

    fn master_info(&self, own: usize) -> Replication {
        let followed: Vec<ReplicaLine> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(ordinal, node)| {
                *ordinal != own
                    && matches!(node.engine, Engine::Replica | Engine::Silent(..))
                    && self.follows(node) == ip(own)
            })
            .filter_map(|(ordinal, node)| {
                Some(ReplicaLine {
                    ip: ip(ordinal),
                    port: 6379,
                    state: node.line.clone()?,
                    lag: Some(node.lag),
                })
            })
            .collect();
        Replication {
            replid: Some(self.nodes[own].replid.to_owned()),
            side: Side::Master {
                connected: followed.len() as u64,
                replicas: followed,
            },
        }
    }

    /// The address that a node follows: as told, else the first engine master's, else the first labelled master's.
    fn follows(&self, node: &NodeSpec) -> String {
        let first = |is: &dyn Fn(&NodeSpec) -> bool| self.nodes.iter().position(is).map(ip);
        node.follows
            .map(str::to_owned)
            .or_else(|| first(&|n| matches!(n.engine, Engine::Master)))
            .or_else(|| first(&|n| n.label == Some(Role::Master)))
            .unwrap_or_else(|| "10.0.0.99".to_owned())
    }

    fn replica_info(&self, _own: usize, node: &NodeSpec) -> Replication {
        Replication {
            replid: Some(node.replid.to_owned()),
            side: Side::Replica(Follower {
                host: self.follows(node),
                port: 9_999,
                link_up: node.link_up,
                last_io: Some(0),
                syncing: node.syncing,
                offset: node.offset,
                ..Follower::default()
            }),
        }
    }
}

/// The address of the pod of that ordinal.
pub fn ip(ordinal: usize) -> String {
    format!("10.0.0.{}", ordinal + 1)
}

/// INFO replication of a master without replicas.
pub fn bare_master() -> Replication {
    Replication {
        replid: Some("c1d276f4".to_owned()),
        side: Side::Master {
            connected: 0,
            replicas: Vec::new(),
        },
    }
}

fn pod(mut meta: Meta, ordinal: usize, node: &NodeSpec) -> Pod {
    if let Some(role) = node.label {
        meta.labels
            .insert("role".to_owned(), role.word().to_owned());
    }
    meta.deleting = node.deleting.then(|| ago(3));
    let mut conditions = node.conditions.clone();
    conditions.push(Condition {
        name: "Ready".to_owned(),
        status: if node.ready { "True" } else { "False" }.to_owned(),
        reason: if node.ready { "" } else { "ContainersNotReady" }.to_owned(),
        message: String::new(),
        since: Some(ago(node.age.min(40))),
    });
    Pod {
        meta,
        phase: node.phase.to_owned(),
        ip: (node.phase == "Running").then(|| ip(ordinal)),
        conditions,
        containers: vec![Container {
            name: "dragonfly".to_owned(),
            image: "dragonfly:v1.39.0".to_owned(),
            ready: node.ready,
            restarts: node.restarts,
            state: node.state.clone(),
            last_end: node.last_end.clone(),
            ..Container::default()
        }],
        role_since: node.role_since,
        machine: node.machine.map(str::to_owned),
        ..Pod::default()
    }
}

/// A world with one instance.
#[derive(Debug)]
pub struct Fixture {
    /// The world.
    pub world: World,
    /// The instance.
    pub id: InstanceId,
}

impl Fixture {
    /// Takes one more fact in.
    pub fn tell(&mut self, fact: Fact, at: Timestamp) -> Touched {
        self.world.apply(fact, at)
    }

    /// An engine answers.
    pub fn answers(&mut self, pod: &str, probe: Probe, at: Timestamp) -> Touched {
        let uid = Arc::from(format!("uid-{pod}").as_str());
        let node = NodeId::new(infra(), "shop", pod);
        self.tell(Fact::Probed { node, uid, probe }, at)
    }

    /// An engine does not answer.
    pub fn silent(
        &mut self,
        pod: &str,
        question: Option<Question>,
        fault: Fault,
        at: Timestamp,
    ) -> Touched {
        let uid = Arc::from(format!("uid-{pod}").as_str());
        let node = NodeId::new(infra(), "shop", pod);
        let unanswered = Unanswered { question, fault };
        self.tell(
            Fact::Silent {
                node,
                uid,
                unanswered,
            },
            at,
        )
    }

    /// A pod's role label is written.
    pub fn relabel(&mut self, pod: &str, role: Option<Role>, at: Timestamp) -> Touched {
        let context = self.world.context(&infra()).unwrap();
        let mut new = (*context.pods.get("shop", pod).unwrap().value).clone();
        match role {
            Some(role) => new
                .meta
                .labels
                .insert("role".to_owned(), role.word().to_owned()),
            None => new.meta.labels.remove("role"),
        };
        new.role_since = Some(at);
        self.tell(
            Fact::Seen {
                context: infra(),
                object: Object::Pod(Arc::new(new)),
            },
            at,
        )
    }

    /// The Service's endpoints become these pods.
    pub fn send_to(&mut self, pods: &[&str], at: Timestamp) -> Touched {
        let context = self.world.context(&infra()).unwrap();
        let held = context.slices.iter().next().unwrap();
        let mut new = (*held.value).clone();
        new.endpoints = pods
            .iter()
            .map(|pod| Endpoint {
                ready: true,
                pod: Some((*pod).to_owned()),
                ..Endpoint::default()
            })
            .collect();
        self.tell(
            Fact::Seen {
                context: infra(),
                object: Object::EndpointSlice(Arc::new(new)),
            },
            at,
        )
    }
}
