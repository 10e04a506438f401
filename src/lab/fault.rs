//! What a scenario does to a running lab, and how everything is made well again.

use std::time::Duration;

use serde_json::Value;

use super::api::{Effect, Right, Server};
use super::cluster::Cluster;
use super::engine::{Engine, EngineRole, Fault};
use super::furnish::infra::SYSTEM;
use super::furnish::{instance, operator};
use super::json::{set, text};
use super::kubelet::Crash;
use super::operator::owned::ADMIN_PORT;
use super::operator::{DEPLOYMENT, MANAGER, NAMESPACE};
use super::redis::{Client, Reply};
use super::resources::PODS;
use super::scenario::Scene;
use super::tasks::Tasks;
use super::traffic::{Pace, stick_to};

/// How long the full sync of the scenario takes.
const FULL_SYNC: Duration = Duration::from_secs(240);
/// How often watch history is lost.
const EXPIRY: Duration = Duration::from_secs(6);
/// By how much a slow API server is late.
const DELAY: Duration = Duration::from_millis(1500);

/// The two clusters and what serves them: what faults act upon.
pub(in crate::lab) struct Stage {
    pub(in crate::lab) infra: Cluster,
    pub(in crate::lab) apps: Cluster,
    pub(in crate::lab) infra_api: Server,
    pub(in crate::lab) apps_api: Server,
    pub(in crate::lab) tasks: Tasks,
}

/// Whoever works only while a fault lasts.
pub(in crate::lab) type Lasting = Tasks;

impl Stage {
    /// Plays a scene; the answer says in one sentence what was done.
    ///
    /// # Errors
    /// Why the scene cannot be played as things are.
    pub(in crate::lab) async fn play(
        &self,
        scene: Scene,
        lasting: &Lasting,
    ) -> Result<String, String> {
        match scene {
            Scene::Healthy | Scene::Scale(_) => {
                Err("this scenario can only be chosen when a lab is started".into())
            }
            Scene::FullSync => self.full_sync().await,
            Scene::NoMaster => self.no_master(),
            Scene::TwoMasters => self.two_masters(lasting).await,
            Scene::OperatorDown => {
                self.infra.machines.crash(Crash {
                    namespace: NAMESPACE.into(),
                    pod: DEPLOYMENT.into(),
                    container: operator::CONTAINER.into(),
                    code: 1,
                    lines: operator::crash_lines(self.infra.store.now()),
                });
                Ok("the operator's managers crash from now on".into())
            }
            Scene::OperatorStalled => {
                self.infra.machines.stall_operator(true);
                Ok("the operator does no work from now on".into())
            }
            Scene::ContextUnreachable => {
                self.apps_api.faults().refuse(true);
                Ok("lab-apps refuses connections".into())
            }
            Scene::ContextHangs => {
                self.apps_api.faults().add(Effect::Hang);
                Ok("lab-apps answers nothing any more".into())
            }
            Scene::Forbidden => {
                for what in ["pods/portforward", "pods/exec"] {
                    self.infra_api.rights().deny(Right::on("", what, &[]));
                }
                self.infra_api.faults().drop_streams();
                Ok("port-forward and exec are forbidden in lab-infra".into())
            }
            Scene::ForbiddenLists => {
                let mut right = Right::in_namespace("");
                right.verbs = vec!["list".into(), "watch".into()];
                self.infra_api.rights().deny(right);
                self.infra_api.faults().drop_streams();
                Ok("lists across the cluster are forbidden in lab-infra".into())
            }
            Scene::SlowApi => {
                for server in [&self.infra_api, &self.apps_api] {
                    server.faults().add(Effect::Delay(DELAY));
                }
                Ok("both API servers answer 1.5 s later".into())
            }
            Scene::WatchExpired => {
                let stores = [self.infra.store.clone(), self.apps.store.clone()];
                lasting.spawn(async move {
                    loop {
                        stores.iter().for_each(super::store::Store::expire_history);
                        tokio::time::sleep(EXPIRY).await;
                    }
                });
                Ok("both clusters lose their watch history every 6 s".into())
            }
            Scene::Heal => Ok(self.heal(lasting).await),
        }
    }

    async fn full_sync(&self) -> Result<String, String> {
        let pods = self.pods("dragonfly");
        let (master, replica) = pair(&pods)?;
        let engine = self.engine(replica)?;
        engine.inject(Fault::FullSyncTakes(Some(FULL_SYNC)));
        // Sent again to a replica in sync, REPLICAOF costs a full sync.
        engine
            .replica_of(text(master, "/status/podIP"), ADMIN_PORT)
            .await?;
        Ok(format!(
            "{} takes a full sync",
            text(replica, "/metadata/name")
        ))
    }

    fn no_master(&self) -> Result<String, String> {
        let pods = self.pods("gitlab");
        let (master, _) = pair(&pods)?;
        let name = text(master, "/metadata/name").to_owned();
        self.infra.machines.stall_operator(true);
        self.infra.machines.crash(Crash {
            namespace: SYSTEM.into(),
            pod: name.clone(),
            container: "dragonfly".into(),
            code: 139,
            lines: vec![
                "* For the available flags type dragonfly [--help | --helpfull]".into(),
                "*** SIGSEGV received at time=0 on cpu 1 ***".into(),
            ],
        });
        let unlabelled = self
            .infra
            .store
            .update(PODS, SYSTEM, &name, MANAGER, |pod| {
                set(pod, &["metadata", "labels", "role"], Value::Null);
            });
        unlabelled.map_err(|status| status.to_string())?;
        Ok(format!(
            "{name} crashes, has lost its label, and the operator is stalled"
        ))
    }

    async fn two_masters(&self, lasting: &Lasting) -> Result<String, String> {
        let pods = self.pods("gitlab");
        let (master, replica) = pair(&pods)?;
        let engine = self.engine(replica)?;
        self.infra.machines.stall_operator(true);
        ask(&engine, &["REPLICAOF", "NO", "ONE"]).await?;
        let load = super::engine::Load {
            name: "gitlab-stuck".into(),
            addr: "10.52.0.31:52044".into(),
            ..instance::load("gitlab")
        };
        lasting.spawn(stick_to(
            engine,
            load,
            Pace {
                writes: 8.0,
                reads: 4.0,
            },
        ));
        Ok(format!(
            "{} and {} both act as master, and the operator is stalled",
            text(master, "/metadata/name"),
            text(replica, "/metadata/name")
        ))
    }

    /// Takes every fault away. What the operator would mend by itself is left to it; what it never looks at is mended
    /// here.
    async fn heal(&self, lasting: &Lasting) -> String {
        lasting.end();
        for server in [&self.infra_api, &self.apps_api] {
            server.faults().clear();
            server.rights().reset();
        }
        let machines = &self.infra.machines;
        machines.mend_crashes();
        for (_, engine) in machines.engines() {
            engine.heal();
        }
        for app in ["dragonfly", "gitlab"] {
            let pods = self.pods(app);
            let Ok((master, _)) = pair(&pods) else {
                continue;
            };
            let ip = text(master, "/status/podIP");
            for pod in pods
                .iter()
                .filter(|pod| text(pod, "/metadata/labels/role") == "replica")
            {
                let Ok(engine) = self.engine(pod) else {
                    continue;
                };
                if !matches!(engine.role(), EngineRole::Replica { in_sync: true, .. }) {
                    // A refusal leaves it to the operator.
                    let _ = engine.replica_of(ip, ADMIN_PORT).await;
                }
            }
        }
        machines.stall_operator(false);
        "every fault is taken away".into()
    }

    /// The pods of a shared instance, in order of name.
    fn pods(&self, app: &str) -> Vec<Value> {
        let found = self
            .infra
            .store
            .labelled(PODS, Some(SYSTEM), &[("app", app)]);
        found.iter().map(|pod| pod.value()).collect()
    }

    fn engine(&self, pod: &Value) -> Result<Engine, String> {
        let name = text(pod, "/metadata/name");
        let engine = self
            .infra
            .machines
            .engine(text(pod, "/metadata/namespace"), name);
        engine.ok_or_else(|| {
            format!("no engine runs in pod {name}; heal the lab and wait for it first")
        })
    }
}

/// The labelled master and the last labelled replica.
fn pair(pods: &[Value]) -> Result<(&Value, &Value), String> {
    let labelled = |role: &str| {
        pods.iter()
            .rev()
            .find(|pod| text(pod, "/metadata/labels/role") == role)
    };
    match (labelled("master"), labelled("replica")) {
        (Some(master), Some(replica)) => Ok((master, replica)),
        _ => Err(
            "the instance has no labelled master and replica; heal the lab and wait for them first"
                .into(),
        ),
    }
}

async fn ask(engine: &Engine, command: &[&str]) -> Result<(), String> {
    let stream = engine
        .dial(ADMIN_PORT)
        .await
        .map_err(|error| error.to_string())?;
    match Client::new(stream, Duration::from_secs(10))
        .call(command)
        .await
    {
        Ok(Reply::Error(text)) => Err(text),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
