//! The lab's machines and engines, attached to a real API server.
//!
//! The kubelet and the operator of the lab work on a [`Store`]. Here that store is a [`mirror`] of what a real API server
//! holds, whose own controllers and scheduler decide; the lab's are off. Every address of the nodes, pods and services
//! must be a local one of the process (`ip route add local RANGE dev lo`), because engines, kubelets, cluster addresses
//! and cluster DNS listen at their own.
//!
//! Start reading at [`LabNode::start`], then [`mirror`] (what is read and written), `machines` (Nodes and Leases),
//! `kubelets` (their port), `endpoints` (cluster addresses), `names` (DNS), `volumes`, and `faults`. The kube client
//! appears in `server` only.

mod courier;
mod endpoints;
mod faults;
mod kubelets;
mod machines;
mod merge;
mod mirror;
mod names;
mod notes;
mod range;
mod server;
mod volumes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

pub use kubelets::Serving;
pub use range::Range;

use super::api::kubelet::Port;
use super::clock::Clock;
use super::control::{Behind, Control, open_beside};
use super::controllers::drive;
use super::engine::{EngineRole, LabClock, Network};
use super::furnish::operator;
use super::json::{set, text};
use super::kubelet::{Addresses, Attached, Ground, Machines};
use super::kubelet_api::Later;
use super::operator::{DEPLOYMENT, NAMESPACE};
use super::resources::{
    BUDGETS, CLAIMS, CONFIG_MAPS, DEFINITIONS, DRAGONFLIES, ENDPOINT_SLICES, EVENTS, GroupResource,
    LEASES, NAMESPACES, NETWORK_POLICIES, NODES, PODS, SECRETS, SERVICES, STATEFUL_SETS, VOLUMES,
};
use super::running::LabError;
use super::seed::Seed;
use super::store::Store;
use super::tasks::Tasks;
use machines::Heart;
use mirror::{Mirror, Source};
use notes::Notes;
use server::{Server, Trouble};

/// Changes of each kind that are kept for those in the lab who follow them.
const HISTORY: usize = 5_000;
/// The Service of cluster DNS has the address with this number, as everywhere.
const DNS: u64 = 10;
/// How long the API server may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(60);
/// What kubelets, forwarding, DNS and the provisioner read.
const READ: &[Source] = &[
    Source::all(NAMESPACES),
    Source::all(NODES),
    Source::all(SECRETS),
    Source::all(CLAIMS),
    Source::all(VOLUMES),
    Source::all(SERVICES),
    Source::all(ENDPOINT_SLICES),
    Source::all(PODS),
];
/// What the simulated operator reads beside that.
const READ_BY_OPERATOR: &[Source] = &[
    Source {
        what: DEFINITIONS,
        namespace: "",
        query: "?fieldSelector=metadata.name%3Ddragonflies.dragonflydb.io",
    },
    Source {
        what: LEASES,
        namespace: NAMESPACE,
        query: "",
    },
    Source::all(CONFIG_MAPS),
    Source::all(NETWORK_POLICIES),
    Source::all(BUDGETS),
    Source::all(STATEFUL_SETS),
    Source::all(DRAGONFLIES),
];
/// What kubelets and the provisioner write.
const WRITTEN: &[GroupResource<'static>] = &[PODS, CLAIMS, VOLUMES];
/// What the simulated operator writes beside that.
const WRITTEN_BY_OPERATOR: &[GroupResource<'static>] = &[
    LEASES,
    CONFIG_MAPS,
    NETWORK_POLICIES,
    BUDGETS,
    STATEFUL_SETS,
    DRAGONFLIES,
    SERVICES,
];
/// Objects that are written at the same time, and events.
const AT_ONCE: (usize, usize) = (24, 6);

/// How machines are attached.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// The kubeconfig of an administrator.
    pub kubeconfig: PathBuf,
    /// A context of it; its current one without.
    pub context: Option<String>,
    /// How many machines.
    pub nodes: u32,
    /// How their names begin; a number follows.
    pub prefix: String,
    /// Their addresses.
    pub node_range: Range,
    /// The addresses of pods, 256 for each machine.
    pub pod_range: Range,
    /// The addresses of Services, as the API server gives them out.
    pub service_range: Range,
    /// Whether the simulated operator stands in for the real one.
    pub operator: bool,
    /// The kubelets' certificate, and whom they believe.
    pub serving: Serving,
    /// The same seed gives the same load and ids of engines.
    pub seed: u64,
    /// By how much initial delays of probes and back-offs of crashed containers are shorter than they are written.
    pub haste: u32,
}

/// Machines and engines that belong to a real API server, at work. Cloning shares them; they end by
/// [`LabNode::shutdown`].
#[derive(Clone)]
pub struct LabNode(Arc<Inner>);

struct Inner {
    options: NodeOptions,
    store: Store,
    mirror: Mirror,
    machines: Machines,
    tasks: Tasks,
    names: Vec<String>,
}

impl LabNode {
    /// Attaches machines; they are registered and take pods when this returns.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses, a range is too small, or an address is no local one.
    pub async fn start(options: NodeOptions) -> Result<Self, LabError> {
        let planned = machines::plan(
            options.nodes,
            &options.prefix,
            options.node_range,
            options.pod_range,
        );
        let planned = planned.map_err(LabError::Attach)?;
        let acceptor = options.serving.acceptor().map_err(LabError::Attach)?;
        let server = Server::open(&options.kubeconfig, options.context.as_deref()).await;
        let server = server.map_err(LabError::Attach)?;
        let version = greeted(&server).await?;
        let (tasks, notes) = (Tasks::default(), Notes::default());
        let store = Store::new(options.seed, Clock::default())
            .with_history(HISTORY)
            .mirrored();
        let mirror = Mirror::new(store.clone(), server.clone(), notes.clone());
        let mut sources = READ.to_vec();
        if options.operator {
            sources.extend_from_slice(READ_BY_OPERATOR);
        }
        for source in &sources {
            tasks.spawn(mirror.clone().reflect(*source));
        }
        let listed = tokio::time::timeout(PATIENCE, mirror.listed(sources.len())).await;
        listed.map_err(|_| {
            tasks.end();
            LabError::Attach(
                "the API server did not list what a node needs in a minute; its last words are above"
                    .to_owned(),
            )
        })?;
        let names: Vec<String> = planned.iter().map(|one| one.name.clone()).collect();
        let node = Self(Arc::new(Inner {
            machines: machines_of(&options, &store, &names, &tasks),
            options,
            store,
            mirror,
            tasks,
            names,
        }));
        let begun = node.begin(server, planned, version, acceptor, notes).await;
        match begun {
            Ok(()) => Ok(node),
            Err(error) => {
                node.shutdown();
                Err(error)
            }
        }
    }

    async fn begin(
        &self,
        server: Server,
        planned: Vec<machines::Machine>,
        version: String,
        acceptor: tokio_rustls::TlsAcceptor,
        notes: Notes,
    ) -> Result<(), LabError> {
        let Inner {
            options,
            store,
            machines,
            tasks,
            ..
        } = &*self.0;
        let refused = |what: &'static str| {
            move |trouble: Trouble| LabError::Attach(format!("cannot make {what}: {trouble}"))
        };
        let classes = "/apis/storage.k8s.io/v1/storageclasses";
        let class = volumes::class();
        let there = server.list(classes).await;
        let (there, _) = there.map_err(refused("a StorageClass"))?;
        if !there.iter().any(server::is_default_class) {
            let made = server.ensure(classes, &class).await;
            made.map_err(refused("a StorageClass"))?;
        }
        if options.operator {
            install(&server).await.map_err(refused("the operator"))?;
        }
        self.carry();
        let port = Port::new(store.clone(), Arc::new(machines.clone()));
        for one in &planned {
            let place = (one.name.clone(), one.address);
            let (port, machines) = (port.clone(), machines.clone());
            let open = kubelets::serve(tasks, place, acceptor.clone(), port, machines).await;
            open.map_err(|error| {
                LabError::Attach(format!(
                    "the kubelet of {} cannot listen at {}:{}: {error}; every address of the ranges must be a local one \
                     (ip route add local {} dev lo), and no other node may be attached there",
                    one.name, one.address, kubelets::PORT, options.node_range
                ))
            })?;
        }
        let dns = options.service_range.nth(DNS);
        let dns = dns.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED);
        if let Err(error) = names::serve(store.clone(), tasks, (dns, 53).into()).await {
            notes.say(format!("cluster DNS cannot listen at {dns}:53: {error}"));
        }
        let heart = Heart {
            server,
            store: store.clone(),
            machines: machines.clone(),
            all: planned,
            version,
            notes: notes.clone(),
        };
        heart
            .register()
            .await
            .map_err(|trouble| LabError::Attach(format!("cannot register a node: {trouble}")))?;
        tasks.spawn(heart.beat());
        tasks.spawn(machines.clone().run());
        tasks.spawn(endpoints::forward(store.clone(), tasks.clone(), dns, notes));
        tasks.spawn(drive(store.clone(), volumes::Volumes::new(store.clone())));
        Ok(())
    }

    /// Sends what is written here to the server.
    fn carry(&self) {
        let (mirror, tasks) = (&self.0.mirror, &self.0.tasks);
        let objects = mpsc::unbounded_channel();
        let mut written = WRITTEN.to_vec();
        if self.0.options.operator {
            written.extend_from_slice(WRITTEN_BY_OPERATOR);
        }
        for what in written {
            tasks.spawn(mirror.clone().notice(what, objects.0.clone()));
        }
        tasks.spawn(courier::carry(mirror.clone(), objects, AT_ONCE.0));
        // Events are many, and must not keep a status waiting.
        let events = mpsc::unbounded_channel();
        tasks.spawn(mirror.clone().notice(EVENTS, events.0.clone()));
        tasks.spawn(courier::carry(mirror.clone(), events, AT_ONCE.1));
    }

    /// The names of the machines.
    pub fn names(&self) -> &[String] {
        &self.0.names
    }

    /// Opens the door for faults at a socket beside `file`.
    ///
    /// # Errors
    /// When the socket or the file cannot be made.
    pub fn serve_control(&self, file: &std::path::Path) -> Result<Control, LabError> {
        open_beside(file, Arc::new(self.clone()), &self.0.tasks)
    }

    /// What it knows about itself: machines, and every engine.
    pub fn state(&self) -> Value {
        let machines = &self.0.machines;
        let engines: Vec<Value> = machines
            .engines()
            .into_iter()
            .map(|((namespace, pod), engine)| {
                let (role, follows, in_sync) = match engine.role() {
                    EngineRole::Master { online } => ("master", String::new(), online > 0),
                    EngineRole::Replica { master, in_sync } => ("replica", master, in_sync),
                };
                json!({"namespace": namespace, "pod": pod, "ip": engine.spec().ip.to_string(), "role": role,
                    "follows": follows, "inSync": in_sync, "replid": engine.replid(), "keys": engine.keys(),
                    "loading": engine.is_loading(), "frozen": engine.is_frozen()})
            })
            .collect();
        let nodes: Vec<Value> = self
            .0
            .names
            .iter()
            .map(|name| json!({"name": name, "lost": machines.is_lost(name)}))
            .collect();
        json!({"scenario": "node", "faults": [], "nodes": nodes, "engines": engines,
            "objects": self.0.mirror.len()})
    }

    /// Ends everything: ports close, engines are killed. Nodes and pods stay with the API server, which finds out.
    pub fn shutdown(&self) {
        for (_, engine) in self.0.machines.engines() {
            engine.kill();
        }
        self.0.tasks.end();
    }

    /// Completes when it has been ended.
    pub async fn ended(&self) {
        self.0.tasks.ended().await;
    }
}

impl Behind for LabNode {
    fn state(&self) -> Value {
        Self::state(self)
    }

    fn fault<'a>(&'a self, name: &'a str) -> Later<'a, Result<String, LabError>> {
        Box::pin(async move { self.play(name) })
    }

    fn end(&self) {
        self.shutdown();
    }
}

/// Waits until the API server answers; its version.
async fn greeted(server: &Server) -> Result<String, LabError> {
    let since = std::time::Instant::now();
    loop {
        match server.get("/version").await {
            Ok(version) => return Ok(text(&version, "/gitVersion").to_owned()),
            Err(trouble) if !trouble.passes() || since.elapsed() > PATIENCE => {
                return Err(LabError::Attach(trouble.to_string()));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    }
}

fn machines_of(options: &NodeOptions, store: &Store, names: &[String], tasks: &Tasks) -> Machines {
    let first = options.pod_range.nth(0);
    let first = first.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED);
    let addresses = Addresses::from(first, names.to_vec());
    // Pods that are there already keep theirs until they are gone.
    let pods = store.list(PODS, None).map(|listed| listed.items);
    for pod in pods.unwrap_or_default() {
        addresses.is_taken(text(&pod.value(), "/status/podIP"));
    }
    Machines::new(Ground {
        store: store.clone(),
        seed: Seed(options.seed),
        tasks: tasks.clone(),
        clock: LabClock::new(1.0),
        network: Network::default(),
        speed: 1.0,
        addresses,
        attached: Some(Attached {
            machines: names.iter().cloned().collect(),
            haste: options.haste,
            operator: options.operator,
        }),
    })
}

/// The Deployment of the operator, with what it needs to be admitted; whatever is there already stays.
async fn install(server: &Server) -> Result<(), Trouble> {
    let mut deployment = operator::deployment();
    set(&mut deployment, &["apiVersion"], "apps/v1".into());
    set(&mut deployment, &["kind"], "Deployment".into());
    let named = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
    let within = format!("/api/v1/namespaces/{NAMESPACE}");
    let all = [
        (
            "/api/v1/namespaces".to_owned(),
            named("Namespace", NAMESPACE),
        ),
        (
            format!("{within}/serviceaccounts"),
            named("ServiceAccount", DEPLOYMENT),
        ),
        (
            format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments"),
            deployment,
        ),
    ];
    for (path, object) in all {
        server.ensure(&path, &object).await?;
    }
    Ok(())
}
