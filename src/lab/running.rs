//! A running lab: how it is started, told what to do, and ended.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::TcpStream;

use super::cluster::{Cluster, Common};
use super::engine::{EngineRole, LabClock, Network};
use super::fault::{self, Fault};
use super::furnish::consumers::{Side, crowd};
use super::furnish::infra::SYSTEM;
use super::furnish::operator::Found;
use super::furnish::{Furnisher, instance, operator};
use super::kubeconfig::{self, Context};
use super::kubelet::Crash;
use super::kubelet::state::PodState;
use super::operator::{DEPLOYMENT, NAMESPACE};
use super::resources::NODES;
use super::scenario::{self, Arrangement, Scene, Unknown, Use, machines};
use super::seed::Seed;
use super::stage::{Lasting, Stage};
use super::tasks::Tasks;
use super::traffic::{Pace, follow_service};

/// How a lab is started.
#[derive(Clone, Debug, PartialEq)]
pub struct LabOptions {
    /// A name from [`SCENARIOS`](super::SCENARIOS).
    pub scenario: String,
    /// The same seed gives the same ids, names, addresses and load.
    pub seed: u64,
    /// Lab seconds per real second for everything that engines, pods and the operator wait for; 1.0 is real time.
    pub speed: f64,
}

impl Default for LabOptions {
    fn default() -> Self {
        Self {
            scenario: "healthy".into(),
            seed: 1,
            speed: 1.0,
        }
    }
}

/// Why a lab cannot do what it is told.
#[derive(Debug, Error)]
pub enum LabError {
    /// No scenario of that name.
    #[error("{0}")]
    Unknown(Unknown),
    /// A scenario in the wrong place.
    #[error("scenario '{name}' {why}")]
    NotNow {
        /// Its name.
        name: String,
        /// What it is for instead.
        why: &'static str,
    },
    /// A scenario that cannot be played as things are.
    #[error("scenario '{name}' cannot be played: {why}")]
    Impossible {
        /// Its name.
        name: String,
        /// The reason, and what to do.
        why: String,
    },
    /// No port.
    #[error("the lab cannot open a loopback port for {what}: {source}")]
    Port {
        /// For whom.
        what: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The file by which other processes find the lab.
    #[error("the lab cannot {verb} {path}: {source}")]
    File {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// Nobody answers at the address in that file.
    #[error("no lab is running ({0}); start one with `darner lab --serve`")]
    NotRunning(String),
    /// A node that cannot be attached to its API server.
    #[error("{0}")]
    Attach(String),
    /// A running lab said no.
    #[error("{0}")]
    Refused(String),
}

/// Two simulated clusters, running. Cloning shares them; they end by [`Lab::shutdown`].
#[derive(Clone)]
pub struct Lab(Arc<Inner>);

struct Inner {
    stage: Arc<Stage>,
    started: String,
    /// Names of the faults in force, and what lasts as long as they do.
    faults: Mutex<(Vec<String>, Lasting)>,
    /// One at a time: scenarios take steps.
    playing: tokio::sync::Mutex<()>,
}

impl Lab {
    /// Starts both clusters in the state of a scenario; they can be asked when this returns.
    ///
    /// # Errors
    /// When the scenario is unknown or no loopback port can be opened.
    pub async fn start(options: LabOptions) -> Result<Self, LabError> {
        let (wanted, count) = scenario::find(&options.scenario)
            .map_err(|unknown| LabError::Unknown(unknown.used(Use::Start)))?;
        if wanted.when == Use::Running {
            return Err(LabError::NotNow {
                name: options.scenario,
                why: "is for a lab that runs already",
            });
        }
        let common = Common {
            seed: Seed(options.seed),
            tasks: Tasks::default(),
            clock: LabClock::aged(options.speed, Duration::from_secs(400 * 86_400)),
            network: Network::default(),
            speed: if options.speed > 0.0 {
                options.speed
            } else {
                1.0
            },
        };
        let infra = Cluster::new("lab-infra", &common, 42);
        let apps = Cluster::new("lab-apps", &common, 52);
        furnish_infra(&infra, wanted.arrangement(count)).await;
        furnish_apps(&apps).await;
        infra.work();
        apps.work();
        for (namespace, name, writes, reads) in [
            (SYSTEM, "dragonfly", 60.0, 90.0),
            (SYSTEM, "gitlab", 35.0, 25.0),
            ("harbor", "cache", 12.0, 18.0),
        ] {
            let pace = Pace {
                writes: writes * common.speed,
                reads: reads * common.speed,
            };
            let clients = follow_service(
                infra.clone(),
                namespace.into(),
                name.into(),
                instance::load(name),
                crowd(&[&infra, &apps], namespace, name),
                pace,
            );
            common.tasks.spawn(clients);
        }
        let port = |what| move |source| LabError::Port { what, source };
        let infra_api = infra.open().await.map_err(port("the API of lab-infra"))?;
        let apps_api = apps.open().await.map_err(port("the API of lab-apps"))?;
        let stage = Stage {
            infra,
            apps,
            infra_api,
            apps_api,
            tasks: common.tasks.clone(),
            clock: common.clock.clone(),
            network: common.network.clone(),
            turns: AtomicU64::default(),
        };
        let lab = Self(Arc::new(Inner {
            stage: Arc::new(stage),
            started: options.scenario.clone(),
            faults: Mutex::new((Vec::new(), Lasting::new(&common.tasks))),
            playing: tokio::sync::Mutex::default(),
        }));
        if !wanted.is_plain() {
            lab.fault(&options.scenario).await?;
        }
        Ok(lab)
    }

    /// The kubeconfig with the contexts `lab-infra` (the current one) and `lab-apps`.
    pub fn kubeconfig(&self) -> String {
        kubeconfig::write(&self.contexts())
    }

    /// The contexts: names, URLs, users and tokens.
    pub fn contexts(&self) -> Vec<Context> {
        let stage = &self.0.stage;
        [
            (&stage.infra, &stage.infra_api),
            (&stage.apps, &stage.apps_api),
        ]
        .map(|(cluster, server)| Context {
            name: cluster.name.to_owned(),
            url: server.url(),
            user: cluster.user(),
            token: cluster.token(),
        })
        .to_vec()
    }

    /// Lets a scenario, or a fault of one machine or process of infra, befall the running lab; `heal` takes all of them
    /// away. The answer is a sentence.
    ///
    /// # Errors
    /// When the name is unknown, only for the start, or cannot be played as things are.
    pub async fn fault(&self, name: &str) -> Result<String, LabError> {
        if let Some(fault) = fault::read(name) {
            let _turn = self.0.playing.lock().await;
            return self.befall(name, fault);
        }
        let (wanted, _) = scenario::find(name)
            .map_err(|unknown| LabError::Unknown(unknown.used(Use::Running)))?;
        if wanted.when == Use::Start {
            return Err(LabError::NotNow {
                name: name.to_owned(),
                why: "can only be chosen when a lab is started",
            });
        }
        let _turn = self.0.playing.lock().await;
        // What ends by itself can be asked for again; anything else is either there or not.
        let again = self.faults().0.iter().any(|known| known == name);
        if again && !wanted.again() {
            return Ok(format!("{name} is in force already"));
        }
        let lasting = self.faults().1.clone();
        let scene = Scene {
            stage: &self.0.stage,
            lasting: &lasting,
        };
        let played = wanted.play(scene).await;
        let sentence = played.map_err(|why| LabError::Impossible {
            name: name.to_owned(),
            why,
        })?;
        let mut faults = self.faults();
        if wanted.heals() {
            *faults = (Vec::new(), Lasting::new(&self.0.stage.tasks));
        } else if !faults.0.iter().any(|known| known == name) {
            faults.0.push(name.to_owned());
        }
        Ok(sentence)
    }

    /// One machine or one process of infra, and what the controllers make of it.
    fn befall(&self, name: &str, fault: Fault<'_>) -> Result<String, LabError> {
        let stage = &self.0.stage;
        let known: Vec<String> = stage
            .infra
            .store
            .list(NODES, None)
            .map(|list| list.items.iter().map(|node| node.name.clone()).collect())
            .unwrap_or_default();
        let sentence = fault.befall(&stage.infra.machines, &known)?;
        let lasting = self.faults().1.clone();
        let noticed = match fault {
            Fault::Lost(node) | Fault::Dead(node) => machines::lose(stage, &lasting, node),
            Fault::Back(node) => machines::hear_again(&stage.infra.store, node),
            Fault::Freeze(..) | Fault::Thaw(..) | Fault::Kill(..) => Ok(()),
        };
        noticed.map_err(LabError::Refused)?;
        let known = &mut self.faults().0;
        known.retain(|other| !fault.ends(other));
        if fault.stays() && !known.iter().any(|other| other == name) {
            known.push(name.to_owned());
        }
        Ok(sentence)
    }

    /// What the lab knows about itself: the faults in force, the revision of each cluster, and every engine.
    pub fn state(&self) -> Value {
        let stage = &self.0.stage;
        let engines: Vec<Value> = stage
            .infra
            .machines
            .engines()
            .into_iter()
            .map(|((namespace, pod), engine)| {
                let (role, follows, in_sync) = match engine.role() {
                    EngineRole::Master { online } => ("master", String::new(), online > 0),
                    EngineRole::Replica { master, in_sync } => ("replica", master, in_sync),
                };
                json!({"namespace": namespace, "pod": pod, "ip": engine.spec().ip.to_string(), "role": role,
                    "follows": follows, "inSync": in_sync, "replid": engine.replid(), "keys": engine.keys(),
                    "loading": engine.is_loading()})
            })
            .collect();
        let faults = self.faults().0.clone();
        json!({
            "scenario": self.0.started,
            "faults": faults,
            "contexts": self.contexts().iter().zip([&stage.infra, &stage.apps]).map(|(context, cluster)| {
                json!({"name": context.name, "url": context.url, "revision": cluster.store.revision()})
            }).collect::<Vec<_>>(),
            "engines": engines,
        })
    }

    /// A connection to a port of the pod at that address of infra.
    pub(in crate::lab) async fn dial(&self, address: &str, port: u16) -> io::Result<TcpStream> {
        self.0.stage.infra.machines.dial_at(address, port).await
    }

    /// Ends both clusters: ports close, connections end.
    pub fn shutdown(&self) {
        let stage = &self.0.stage;
        stage.infra_api.stop();
        stage.apps_api.stop();
        for (_, engine) in stage.infra.machines.engines() {
            engine.kill();
        }
        stage.tasks.end();
    }

    /// Completes when the lab has been ended.
    pub async fn ended(&self) {
        self.0.stage.tasks.ended().await;
    }

    pub(in crate::lab) fn tasks(&self) -> &Tasks {
        &self.0.stage.tasks
    }

    fn faults(&self) -> std::sync::MutexGuard<'_, (Vec<String>, Lasting)> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn furnish_infra(infra: &Cluster, wanted: Arrangement) {
    let (more, found) = (wanted.many, wanted.operator);
    let mut furnisher = Furnisher::new(infra);
    // A machine takes 110 pods; some room is left for those that are made later.
    let machines = 3 + (more * 3).div_ceil(90);
    furnisher.ground("infra", machines, &[SYSTEM, "harbor"]);
    let operator_pods = furnisher.operator(found);
    let mut standing = furnisher.story();
    standing.extend(furnisher.many(more));
    let own = wanted
        .plans
        .into_iter()
        .map(|plan| furnisher.instance(plan));
    standing.extend(own.collect::<Vec<_>>());
    for one in standing.iter().take(3) {
        furnisher.history(one, jiff::SignedDuration::from_mins(23));
    }
    let born = furnisher.ago(jiff::SignedDuration::from_hours(24 * 58));
    let workloads = furnisher.workloads(Side::Infra, born);
    let furnisher = &furnisher;
    stream::iter(&standing)
        .for_each_concurrent(32, |one| instance::start(furnisher, one))
        .await;
    if found == Found::Crashing {
        infra.machines.crash(Crash {
            namespace: NAMESPACE.into(),
            pod: DEPLOYMENT.into(),
            container: operator::CONTAINER.into(),
            code: 1,
            lines: operator::crash_lines(infra.store.now()),
        });
    }
    adopt(furnisher, operator_pods).await;
    adopt(furnisher, workloads).await;
}

async fn furnish_apps(apps: &Cluster) {
    let mut furnisher = Furnisher::new(apps);
    furnisher.ground("apps", 2, Furnisher::APPS);
    let pods = furnisher.consumers();
    adopt(&furnisher, pods).await;
}

async fn adopt(furnisher: &Furnisher<'_>, pods: Vec<(Value, PodState)>) {
    for (pod, state) in pods {
        furnisher.adopt(&pod, state).await;
    }
}

#[cfg(test)]
mod tests;
