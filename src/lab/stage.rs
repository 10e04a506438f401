//! What scenarios act upon: both clusters, what serves them, and what lasts until everything is made well again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::api::Server;
use super::cluster::Cluster;
use super::engine::{Attendant, Engine, EngineRole, LabClock, Network};
use super::furnish::{consumers, infra::story_plans};
use super::json::{set, text};
use super::operator::owned::ADMIN_PORT;
use super::operator::{MANAGER, MASTER_ANNOTATION, NAMESPACE};
use super::redis::ask;
use super::resources::{DRAGONFLIES, PODS};
use super::store::Writer;
use super::tasks::Tasks;

/// How long a scenario waits for a state on its way, in lab time.
const PATIENCE: Duration = Duration::from_secs(60);

/// The two clusters and what serves them: what scenarios act upon.
pub(in crate::lab) struct Stage {
    pub(in crate::lab) infra: Cluster,
    pub(in crate::lab) apps: Cluster,
    pub(in crate::lab) infra_api: Server,
    pub(in crate::lab) apps_api: Server,
    pub(in crate::lab) tasks: Tasks,
    pub(in crate::lab) clock: LabClock,
    pub(in crate::lab) network: Network,
    /// How often [`Stage::turn`] was asked.
    pub(in crate::lab) turns: AtomicU64,
}

/// What takes back a change that no controller would mend.
type Undo = Box<dyn FnOnce() + Send>;

/// Whoever works only while a fault lasts, and what is to be taken back then. Cloning shares it.
#[derive(Clone)]
pub(in crate::lab) struct Lasting {
    tasks: Tasks,
    undo: Arc<Mutex<Vec<Undo>>>,
}

impl Lasting {
    pub(in crate::lab) fn new(tasks: &Tasks) -> Self {
        Self {
            tasks: tasks.part(),
            undo: Arc::default(),
        }
    }

    /// Runs a task until it is done or everything is made well.
    pub(in crate::lab) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// Takes something back when everything is made well; the last is taken back first.
    pub(in crate::lab) fn undo(&self, undo: impl FnOnce() + Send + 'static) {
        self.list().push(Box::new(undo));
    }

    /// Ends the tasks.
    pub(in crate::lab) fn stop(&self) {
        self.tasks.end();
    }

    /// Takes everything back.
    pub(in crate::lab) fn take_back(&self) {
        let all = std::mem::take(&mut *self.list());
        all.into_iter().rev().for_each(|undo| undo());
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Undo>> {
        self.undo.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One instance of the lab, with its pods as they are labelled.
pub(in crate::lab) struct Cast {
    pub(in crate::lab) namespace: String,
    pub(in crate::lab) master: Value,
    /// In order of name.
    pub(in crate::lab) replicas: Vec<Value>,
}

impl Cast {
    /// The last labelled replica.
    pub(in crate::lab) fn last(&self) -> &Value {
        self.replicas.last().unwrap_or(&Value::Null)
    }

    /// The first labelled replica.
    pub(in crate::lab) fn first(&self) -> &Value {
        self.replicas.first().unwrap_or(&Value::Null)
    }
}

/// The name of an object.
pub(in crate::lab) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// The address of a pod.
pub(in crate::lab) fn ip(pod: &Value) -> &str {
    text(pod, "/status/podIP")
}

impl Stage {
    /// Another number each time, from 0: for what must differ whenever it is played again.
    pub(in crate::lab) fn turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    /// The pods of an instance by their labels.
    ///
    /// # Errors
    /// When it has not exactly one labelled master, or no labelled replica.
    pub(in crate::lab) fn cast(&self, namespace: &str, app: &str) -> Result<Cast, String> {
        let pods = self.pods(namespace, app);
        let labelled = |role: &str| -> Vec<Value> {
            let has = |pod: &&Value| text(pod, "/metadata/labels/role") == role;
            pods.iter().filter(has).cloned().collect()
        };
        let (masters, replicas) = (labelled("master"), labelled("replica"));
        match (masters.as_slice(), replicas.is_empty()) {
            ([master], false) => Ok(Cast {
                namespace: namespace.to_owned(),
                master: master.clone(),
                replicas,
            }),
            _ => Err(format!(
                "{namespace}/{app} has no single labelled master with labelled replicas; heal the lab and wait for them \
                 first"
            )),
        }
    }

    /// The pods of an instance, in order of name.
    pub(in crate::lab) fn pods(&self, namespace: &str, app: &str) -> Vec<Value> {
        let labels = [("app", app), ("app.kubernetes.io/part-of", "dragonfly")];
        let found = self.infra.store.labelled(PODS, Some(namespace), &labels);
        found.iter().map(|pod| pod.value()).collect()
    }

    /// How many pods the operator has, also such as are going.
    pub(in crate::lab) fn operator_pods(&self) -> usize {
        let labels = [("control-plane", "controller-manager")];
        let found = self.infra.store.labelled(PODS, Some(NAMESPACE), &labels);
        found.len()
    }

    /// The server that runs in a pod.
    ///
    /// # Errors
    /// When none does.
    pub(in crate::lab) fn engine(&self, pod: &Value) -> Result<Engine, String> {
        let engine = self
            .infra
            .machines
            .engine(text(pod, "/metadata/namespace"), name(pod));
        engine.ok_or_else(|| {
            format!(
                "no engine runs in pod {}; heal the lab and wait for it first",
                name(pod)
            )
        })
    }

    /// Asks the engine of a pod over its admin port.
    ///
    /// # Errors
    /// The text of its error.
    pub(in crate::lab) async fn tell(&self, pod: &Value, command: &[&str]) -> Result<(), String> {
        let engine = self.engine(pod)?;
        ask(&engine, ADMIN_PORT, command).await.map(|_| ())
    }

    /// The clients of an instance: connections of pods in both clusters.
    pub(in crate::lab) fn crowd(&self, namespace: &str, app: &str) -> Vec<Attendant> {
        consumers::crowd(&[&self.infra, &self.apps], namespace, app)
    }

    /// Stops the engine of a pod while its probes pass all the same, so that its kubelet leaves it alone.
    ///
    /// # Errors
    /// When no engine runs there.
    pub(in crate::lab) fn freeze(&self, pod: &Value) -> Result<(), String> {
        let machines = &self.infra.machines;
        machines.spare(text(pod, "/metadata/namespace"), name(pod));
        self.engine(pod)?.freeze(true);
        Ok(())
    }

    /// Writes the labels that the operator would write.
    ///
    /// # Errors
    /// The API's words.
    pub(in crate::lab) fn label(
        &self,
        pod: &Value,
        role: Option<&str>,
        master_ip: &str,
    ) -> Result<(), String> {
        let (namespace, name) = (text(pod, "/metadata/namespace"), name(pod));
        let role = role.map(str::to_owned);
        let address = master_ip.to_owned();
        let written = self
            .infra
            .store
            .update(PODS, namespace, name, MANAGER, move |pod| {
                let of = |value: Option<String>| value.map_or(Value::Null, Value::from);
                let replica = role.as_deref() == Some("replica");
                let follows = replica.then(|| address.clone());
                set(pod, &["metadata", "labels", "role"], of(role));
                set(pod, &["metadata", "labels", "master-ip"], of(follows));
                set(
                    pod,
                    &["metadata", "annotations", MASTER_ANNOTATION],
                    address.into(),
                );
            });
        written.map(|_| ()).map_err(|status| status.to_string())
    }

    /// Changes an instance's resource; what it said before comes back when everything is made well.
    ///
    /// # Errors
    /// The API's words.
    pub(in crate::lab) fn edit(
        &self,
        (namespace, app): (&str, &str),
        lasting: &Lasting,
        change: impl FnOnce(&mut Value),
    ) -> Result<Value, String> {
        let store = self.infra.store.clone();
        let object = store.get(DRAGONFLIES, namespace, app);
        let before = object.map_err(|status| status.to_string())?.value();
        let edited = store.update(DRAGONFLIES, namespace, app, "kubectl", change);
        let edited = edited.map_err(|status| status.to_string())?.value();
        let (namespace, app) = (namespace.to_owned(), app.to_owned());
        lasting.undo(move || {
            let spec = before.get("spec").cloned().unwrap_or_default();
            // Somebody may have deleted it meanwhile.
            let _ = store.update(DRAGONFLIES, &namespace, &app, "kubectl", move |df| {
                set(df, &["spec"], spec);
            });
        });
        Ok(edited)
    }

    /// Writes `status.phase`, as the operator would.
    ///
    /// # Errors
    /// The API's words.
    pub(in crate::lab) fn phase(
        &self,
        namespace: &str,
        app: &str,
        phase: &str,
    ) -> Result<(), String> {
        let writer = Writer {
            subresource: "status",
            ..Writer::from(MANAGER)
        };
        let phase = phase.to_owned();
        let store = &self.infra.store;
        let written = store.update(DRAGONFLIES, namespace, app, writer, move |df| {
            set(df, &["status", "phase"], phase.into());
        });
        written.map(|_| ()).map_err(|status| status.to_string())
    }

    /// Waits for a state on a scenario's way.
    ///
    /// # Errors
    /// What it waited for, when it does not come.
    pub(in crate::lab) async fn wait(
        &self,
        what: &str,
        mut there: impl FnMut() -> bool,
    ) -> Result<(), String> {
        let until = self.clock.now() + PATIENCE;
        while !there() {
            if self.clock.now() > until {
                return Err(format!(
                    "the lab waited in vain until {what}; heal it and try again"
                ));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Kills the container of a pod and waits until its successor runs, is ready, and `after` of it holds.
    ///
    /// # Errors
    /// When it does not come.
    pub(in crate::lab) async fn restart(
        &self,
        pod: &Value,
        mut after: impl FnMut(&Engine) -> bool,
    ) -> Result<Engine, String> {
        let (namespace, name) = (text(pod, "/metadata/namespace"), name(pod));
        let former = self.engine(pod)?;
        let replid = former.replid();
        former.kill();
        let machines = &self.infra.machines;
        let what = format!("{name} runs again");
        let ready = || {
            let pod = self.infra.store.get(PODS, namespace, name);
            pod.is_ok_and(|pod| super::pods::ready(&pod.value()))
        };
        self.wait(&what, || {
            let engine = machines.engine(namespace, name);
            let new =
                engine.filter(|engine| engine.exit_code().is_none() && engine.replid() != replid);
            new.is_some_and(|engine| after(&engine)) && ready()
        })
        .await?;
        self.engine(pod)
    }

    /// Lets the operator's workers stand still, or go on.
    pub(in crate::lab) fn stall_operator(&self, stalled: bool) {
        self.infra.machines.stall_operator(stalled);
    }

    /// Takes every fault away. What the operator would mend by itself is left to it; what it never looks at is mended
    /// here.
    pub(in crate::lab) async fn heal(&self, lasting: &Lasting) -> String {
        lasting.stop();
        for server in [&self.infra_api, &self.apps_api] {
            server.faults().clear();
            server.rights().reset();
        }
        let machines = &self.infra.machines;
        machines.mend_crashes();
        if machines.undo_tricks() {
            self.infra_api.faults().drop_streams();
        }
        self.network.mend_all();
        for (_, engine) in machines.engines() {
            engine.heal();
        }
        lasting.take_back();
        for plan in story_plans() {
            // A labelled master that is gone for the moment is the operator's to replace.
            if let Ok(cast) = self.cast(&plan.namespace, &plan.name) {
                self.settle(&cast, plan.keys, plan.bytes).await;
            }
        }
        self.stall_operator(false);
        "every fault is taken away".into()
    }

    /// Makes the engines what the labels say, and gives the data back that was lost.
    async fn settle(&self, cast: &Cast, keys: u64, bytes: u64) {
        let Ok(master) = self.engine(&cast.master) else {
            return;
        };
        if matches!(master.role(), EngineRole::Replica { .. }) {
            // A refusal leaves it to the operator.
            let _ = ask(&master, ADMIN_PORT, &["REPLICAOF", "NO", "ONE"]).await;
        }
        if matches!(master.role(), EngineRole::Master { .. }) {
            // Its load ends at once now that it is well; until it has, nobody can follow it. In vain leaves it to the
            // operator.
            let what = "the master has loaded its snapshot";
            let _ = self.wait(what, || !master.is_loading()).await;
        }
        if !master.is_loading() && master.keys() < keys {
            master.fill("item", keys, bytes);
        }
        let address = ip(&cast.master);
        for pod in &cast.replicas {
            let Ok(engine) = self.engine(pod) else {
                continue;
            };
            let well = match engine.role() {
                EngineRole::Replica { master, in_sync } => in_sync && master == address,
                EngineRole::Master { .. } => false,
            };
            if !well {
                // A refusal leaves it to the operator.
                let _ = engine.replica_of(address, ADMIN_PORT).await;
            }
        }
    }
}
