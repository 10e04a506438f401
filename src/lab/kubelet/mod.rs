//! The machines of a lab cluster: scheduler, volume attachment and kubelet in one, with a worker per pod.
//!
//! Start reading at [`Machines`], then `worker` (the life of a pod). `flags`, `schedule` and `state` are its decisions as
//! pure functions; `process` is what runs in a container; `shell` answers `exec`.

mod answers;
mod disks;
pub(in crate::lab) mod flags;
pub(in crate::lab) mod journal;
pub(in crate::lab) mod process;
mod programs;
pub(in crate::lab) mod schedule;
mod shell;
pub(in crate::lab) mod state;
mod tricks;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use super::controllers::{Key, claims_of, follow, key};
use super::engine::{Engine, LabClock, Network, Snapshot};
use super::events::Recorder;
use super::json::{is_true, items, number, text};
use super::kubelet_api::LogLine;
use super::resources::{ENDPOINT_SLICES, NODES, PODS};
use super::seed::Seed;
use super::store::{Happened, Object, Store};
use super::tasks::Tasks;
use process::Process;
pub(in crate::lab) use schedule::Addresses;
use schedule::Placed;
use state::PodState;
use tricks::Tricks;
use worker::{Word, Worker};

/// By how much the lab's kubelet is quicker than a real one in starting pods: initial delays of probes and back-off.
pub(in crate::lab) const HASTE: u32 = 5;

/// What a cluster's machines are made with.
pub(in crate::lab) struct Ground {
    pub(in crate::lab) store: Store,
    pub(in crate::lab) seed: Seed,
    pub(in crate::lab) tasks: Tasks,
    pub(in crate::lab) clock: LabClock,
    pub(in crate::lab) network: Network,
    /// Lab seconds per real second.
    pub(in crate::lab) speed: f64,
    /// The addresses of pods.
    pub(in crate::lab) addresses: Addresses,
    /// Where the cluster is a real API server's, not the lab's.
    pub(in crate::lab) attached: Option<Attached>,
}

/// How machines differ that belong to a real API server: scheduler and controllers are at work there, and addresses are
/// real ones.
#[derive(Clone, Debug)]
pub(in crate::lab) struct Attached {
    /// The names of the machines; pods on others are not ours.
    pub(in crate::lab) machines: BTreeSet<String>,
    /// By how much they are quicker than real ones, in place of [`HASTE`].
    pub(in crate::lab) haste: u32,
    /// Whether the simulated operator runs in pods of its image.
    pub(in crate::lab) operator: bool,
}

/// All machines of a cluster. Cloning shares them.
#[derive(Clone)]
pub(in crate::lab) struct Machines(Arc<Shared>);

/// A crash that a scenario asks for: containers of these pods end soon after each start.
#[derive(Clone, Debug)]
pub(in crate::lab) struct Crash {
    pub(in crate::lab) namespace: String,
    /// First part of the pod's name.
    pub(in crate::lab) pod: String,
    pub(in crate::lab) container: String,
    pub(in crate::lab) code: i32,
    /// What it writes before it ends.
    pub(in crate::lab) lines: Vec<String>,
}

pub(in crate::lab) struct Shared {
    store: Store,
    seed: Seed,
    tasks: Tasks,
    clock: LabClock,
    network: Network,
    speed: f64,
    addresses: Addresses,
    events: Recorder,
    scheduler: Recorder,
    attacher: Recorder,
    pods: Mutex<BTreeMap<Key, Entry>>,
    /// What lies on each claim's volume.
    volumes: Mutex<BTreeMap<Key, Snapshot>>,
    crashes: Mutex<Vec<Crash>>,
    /// Whether the operator's workers stand still.
    stalled: watch::Sender<bool>,
    /// What else scenarios do to machines.
    tricks: Tricks,
    attached: Option<Attached>,
}

struct Entry {
    uid: String,
    node: String,
    app: String,
    ip: String,
    words: mpsc::UnboundedSender<Word>,
    running: BTreeMap<String, Arc<Process>>,
    /// Logs of containers that ended last, while no other has been started.
    past: BTreeMap<String, Vec<LogLine>>,
    /// Logs of the containers before the running ones.
    before: BTreeMap<String, Vec<LogLine>>,
    gated: bool,
}

impl Entry {
    fn engine(&self) -> Option<Engine> {
        let mut running = self.running.values();
        running.find_map(|process| process.engine().cloned())
    }
}

impl Machines {
    pub(in crate::lab) fn new(ground: Ground) -> Self {
        let Ground {
            store,
            seed,
            tasks,
            clock,
            network,
            speed,
            addresses,
            attached,
        } = ground;
        Self(Arc::new(Shared {
            events: Recorder::new(&store, "kubelet", ""),
            scheduler: Recorder::new(&store, "default-scheduler", ""),
            attacher: Recorder::new(&store, "attachdetach-controller", ""),
            addresses,
            attached,
            pods: Mutex::default(),
            volumes: Mutex::default(),
            crashes: Mutex::default(),
            stalled: watch::Sender::new(false),
            tricks: Tricks::default(),
            store,
            seed,
            tasks,
            clock,
            network,
            speed,
        }))
    }

    /// Takes over a pod of the start, already in the store and assigned to a machine; its containers are as `state` says,
    /// and those that run are started now.
    pub(in crate::lab) async fn adopt(&self, pod: &Value, state: PodState) {
        let shared = &self.0;
        let (namespace, name) = (
            text(pod, "/metadata/namespace"),
            text(pod, "/metadata/name"),
        );
        let Ok(object) = shared.store.get(PODS, namespace, name) else {
            return;
        };
        let node = text(pod, "/spec/nodeName");
        let words = shared.enter(&object, pod, node, &state.ip);
        let mut running = BTreeMap::new();
        for container in items(pod, "/spec/containers") {
            let container_name = text(container, "/name");
            let Some(now) = state
                .containers
                .iter()
                .find(|one| one.name == container_name)
            else {
                continue;
            };
            let age = match now.now {
                state::Now::Running(since) => {
                    shared.store.now().duration_since(since).unsigned_abs()
                }
                _ => continue,
            };
            if let Ok(process) = shared
                .program(pod, container, &state.ip, now.restarts, age)
                .await
            {
                let process = Arc::new(process);
                shared.started(namespace, name, &object.uid, container_name, &process);
                running.insert(container_name.to_owned(), process);
            }
        }
        let mut worker = Worker::new(Arc::clone(shared), &object, words);
        worker.adopt(node, state, running);
        shared.tasks.spawn(worker.live());
    }

    /// An address for a pod that starts on this machine.
    pub(in crate::lab) fn address(&self, node: &str) -> String {
        self.0.addresses.take(node).to_string()
    }

    /// Follows pods until the lab ends.
    pub(in crate::lab) async fn run(self) {
        let shared = &self.0;
        loop {
            let mut changes = follow(&shared.store, &[PODS]);
            let listed = shared
                .store
                .list(PODS, None)
                .map(|listed| listed.items)
                .unwrap_or_default();
            let living: BTreeMap<Key, String> = listed
                .iter()
                .map(|pod| (key(pod), pod.uid.clone()))
                .collect();
            for (key, entry) in shared.pods().iter() {
                if living.get(key) != Some(&entry.uid) {
                    let _ = entry.words.send(Word::Gone);
                }
            }
            for pod in &listed {
                shared.see(pod);
            }
            while let Some((_, batch)) = changes.next().await {
                let Ok(batch) = batch else { break };
                for change in batch {
                    match change.happened {
                        Happened::Deleted => shared.gone(&change.object),
                        _ => shared.see(&change.object),
                    }
                }
            }
        }
    }

    /// The server that runs in a pod at present.
    pub(in crate::lab) fn engine(&self, namespace: &str, pod: &str) -> Option<Engine> {
        let pods = self.0.pods();
        pods.get(&(namespace.to_owned(), pod.to_owned()))?.engine()
    }

    /// The server that answers at an address.
    pub(in crate::lab) fn engine_at(&self, ip: &str) -> Option<Engine> {
        self.0.engine_at(ip)
    }

    /// All servers that run, by pod.
    pub(in crate::lab) fn engines(&self) -> Vec<(Key, Engine)> {
        let pods = self.0.pods();
        pods.iter()
            .filter_map(|(key, entry)| Some((key.clone(), entry.engine()?)))
            .collect()
    }

    /// A connection to a port of the pod at that address.
    ///
    /// # Errors
    /// As of a connection that fails.
    pub(in crate::lab) async fn dial_at(&self, address: &str, port: u16) -> io::Result<TcpStream> {
        self.0.dial_address(address, port).await
    }

    /// Makes containers crash from their next start on. Those that run are ended, unless they crash already.
    pub(in crate::lab) fn crash(&self, crash: Crash) {
        let same = |known: &Crash| {
            (&known.namespace, &known.pod, &known.container)
                == (&crash.namespace, &crash.pod, &crash.container)
        };
        if self.0.crashes().iter().any(same) {
            return;
        }
        let victims: Vec<Arc<Process>> = self
            .0
            .pods()
            .iter()
            .filter(|((namespace, name), _)| {
                *namespace == crash.namespace && name.starts_with(&crash.pod)
            })
            .filter_map(|(_, entry)| entry.running.get(&crash.container).cloned())
            .collect();
        self.0.crashes().push(crash);
        for process in victims {
            process.kill();
        }
    }

    /// Lets all containers start as they should, those that wait for it at once.
    pub(in crate::lab) fn mend_crashes(&self) {
        self.0.crashes().clear();
        for entry in self.0.pods().values() {
            let _ = entry.words.send(Word::Retry);
        }
    }

    /// Lets the operator's workers stand still, or go on.
    pub(in crate::lab) fn stall_operator(&self, stalled: bool) {
        self.0.stalled.send_replace(stalled);
    }

    /// What is asked about machines and pods by others in the lab.
    pub(in crate::lab) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.0)
    }
}

impl Shared {
    fn pods(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn crashes(&self) -> MutexGuard<'_, Vec<Crash>> {
        self.crashes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store of the cluster.
    pub(in crate::lab) fn store(&self) -> &Store {
        &self.store
    }

    /// The lab's seed.
    pub(in crate::lab) fn seed(&self) -> Seed {
        self.seed
    }

    /// By how much containers are quicker than with a real kubelet.
    fn haste(&self) -> u32 {
        self.attached
            .as_ref()
            .map_or(HASTE, |attached| attached.haste.max(1))
    }

    /// Whether the cluster is a real API server's.
    pub(in crate::lab) fn is_attached(&self) -> bool {
        self.attached.is_some()
    }

    /// Whether a pod is on one of these machines; in the lab's own clusters every pod is, or will be.
    fn is_ours(&self, pod: &Object) -> bool {
        self.attached.as_ref().is_none_or(|attached| {
            pod.field("spec.nodeName")
                .is_some_and(|node| attached.machines.contains(node))
        })
    }

    /// A span of lab time in real time.
    pub(in crate::lab) fn scaled(&self, time: Duration) -> Duration {
        time.div_f64(self.speed)
    }

    /// Waits while the operator is stalled.
    pub(in crate::lab) async fn unstalled(&self) {
        let mut seen = self.stalled.subscribe();
        // The sender lives as long as we do.
        let _ = seen.wait_for(|stalled| !stalled).await;
    }

    fn enter(
        &self,
        object: &Object,
        pod: &Value,
        node: &str,
        ip: &str,
    ) -> mpsc::UnboundedReceiver<Word> {
        let (words, inbox) = mpsc::unbounded_channel();
        let entry = Entry {
            uid: object.uid.clone(),
            node: node.to_owned(),
            app: schedule::application(pod).to_owned(),
            ip: ip.to_owned(),
            words,
            running: BTreeMap::new(),
            past: BTreeMap::new(),
            before: BTreeMap::new(),
            gated: !items(pod, "/spec/readinessGates").is_empty(),
        };
        if let Some(old) = self.pods().insert(key(object), entry) {
            let _ = old.words.send(Word::Gone);
        }
        inbox
    }

    /// A pod was added or changed.
    fn see(self: &Arc<Self>, object: &Object) {
        if !self.is_ours(object) {
            return;
        }
        let known = self
            .pods()
            .get(&key(object))
            .map(|entry| (entry.uid == object.uid, entry.gated));
        match known {
            Some((true, gated)) => {
                let word = match object.deleting {
                    true => {
                        let pod = object.value();
                        let grace =
                            number(&pod, "/metadata/deletionGracePeriodSeconds").unwrap_or(0);
                        Word::Stop(grace.unsigned_abs())
                    }
                    false if gated => Word::Look,
                    false => return,
                };
                if let Some(entry) = self.pods().get(&key(object)) {
                    let _ = entry.words.send(word);
                }
            }
            _ => {
                let pod = object.value();
                if is_over(&pod, self.attached.is_some()) {
                    return;
                }
                let inbox = self.enter(object, &pod, text(&pod, "/spec/nodeName"), "");
                self.tasks
                    .spawn(Worker::new(Arc::clone(self), object, inbox).live());
            }
        }
    }

    fn gone(&self, object: &Object) {
        if let Some(entry) = self
            .pods()
            .get(&key(object))
            .filter(|entry| entry.uid == object.uid)
        {
            let _ = entry.words.send(Word::Gone);
        }
    }

    fn with_entry(&self, namespace: &str, name: &str, uid: &str, change: impl FnOnce(&mut Entry)) {
        let mut pods = self.pods();
        let entry = pods.get_mut(&(namespace.to_owned(), name.to_owned()));
        if let Some(entry) = entry.filter(|entry| entry.uid == uid) {
            change(entry);
        }
    }

    fn forget(&self, namespace: &str, name: &str, uid: &str) {
        let mut pods = self.pods();
        let key = (namespace.to_owned(), name.to_owned());
        if pods.get(&key).is_some_and(|entry| entry.uid == uid) {
            pods.remove(&key);
        }
    }

    fn placed_on(&self, namespace: &str, name: &str, uid: &str, node: &str) {
        self.with_entry(namespace, name, uid, |entry| entry.node = node.to_owned());
    }

    fn addressed(&self, namespace: &str, name: &str, uid: &str, ip: &str) {
        self.with_entry(namespace, name, uid, |entry| entry.ip = ip.to_owned());
    }

    fn started(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        container: &str,
        process: &Arc<Process>,
    ) {
        self.with_entry(namespace, name, uid, |entry| {
            if let Some(past) = entry.past.remove(container) {
                entry.before.insert(container.to_owned(), past);
            }
            entry
                .running
                .insert(container.to_owned(), Arc::clone(process));
        });
    }

    /// A process has ended: its log is kept, and what it has saved stays on its volume.
    fn ended(&self, namespace: &str, name: &str, uid: &str, container: &str) {
        let mut saved = None;
        self.with_entry(namespace, name, uid, |entry| {
            if let Some(process) = entry.running.remove(container) {
                entry.past.insert(container.to_owned(), process.lines(0).0);
                saved = process.engine().and_then(Engine::saved);
            }
        });
        let Some(saved) = saved else { return };
        let Ok(pod) = self.store.get(PODS, namespace, name) else {
            return;
        };
        if let Some(claim) = claims_of(&pod.value())
            .into_iter()
            .find(|claim| claim.starts_with("df-"))
        {
            let mut volumes = self.volumes.lock().unwrap_or_else(PoisonError::into_inner);
            volumes.insert((namespace.to_owned(), claim), saved);
        }
    }

    fn placed(&self) -> Vec<Placed> {
        let placed = |entry: &Entry| Placed {
            node: entry.node.clone(),
            app: entry.app.clone(),
        };
        self.pods()
            .values()
            .filter(|entry| !entry.node.is_empty())
            .map(placed)
            .collect()
    }

    /// The address of a machine.
    fn host(&self, node: &str) -> String {
        let node = self
            .store
            .get(NODES, "", node)
            .map(|node| node.value())
            .unwrap_or_default();
        let address = items(&node, "/status/addresses")
            .iter()
            .find(|one| text(one, "/type") == "InternalIP");
        address
            .map(|one| text(one, "/address").to_owned())
            .unwrap_or_default()
    }

    fn engine_at(&self, ip: &str) -> Option<Engine> {
        let pods = self.pods();
        let entry = pods
            .values()
            .find(|entry| entry.ip == ip && !entry.running.is_empty())?;
        entry.engine()
    }

    /// Connects to a port at a pod's address, as a peer in the cluster does.
    pub(in crate::lab) async fn dial_address(&self, ip: &str, port: u16) -> io::Result<TcpStream> {
        if self.attached.is_some() {
            if self.tricks.is_lost(&self.node_at(ip)) {
                return Err(self.nobody_answers().await);
            }
            return TcpStream::connect((ip, port)).await;
        }
        let engine = self.engine_at(ip).ok_or(io::ErrorKind::ConnectionRefused)?;
        if self.tricks.is_lost(&self.node_at(ip)) {
            return Err(self.nobody_answers().await);
        }
        engine.dial(port).await
    }

    /// The machine of the pod at an address.
    fn node_at(&self, ip: &str) -> String {
        let pods = self.pods();
        let found = pods.values().find(|entry| entry.ip == ip);
        found.map(|entry| entry.node.clone()).unwrap_or_default()
    }

    /// The first ready address of a Service.
    pub(in crate::lab) fn endpoint(&self, namespace: &str, service: &str) -> Option<String> {
        let slices = self.store.labelled(
            ENDPOINT_SLICES,
            Some(namespace),
            &[("kubernetes.io/service-name", service)],
        );
        slices.iter().find_map(|slice| {
            let slice = slice.value();
            let ready = items(&slice, "/endpoints")
                .iter()
                .find(|one| is_true(one, "/conditions/ready"))?;
            Some(text(ready, "/addresses/0").to_owned())
        })
    }

    fn process(&self, namespace: &str, pod: &str, container: &str) -> Option<Arc<Process>> {
        let pods = self.pods();
        pods.get(&(namespace.to_owned(), pod.to_owned()))?
            .running
            .get(container)
            .cloned()
    }
}

/// Whether a pod that nobody looks after needs nobody any more: its containers have ended, and a finalizer or nobody at all
/// holds the object. A real API server keeps what has finished; in the lab's own clusters nothing does.
fn is_over(pod: &Value, attached: bool) -> bool {
    let going = pod.pointer("/metadata/deletionTimestamp").is_some();
    let let_go = going && number(pod, "/metadata/deletionGracePeriodSeconds") == Some(0);
    let finished = ["Succeeded", "Failed"].contains(&text(pod, "/status/phase"));
    let_go || (attached && finished && !going)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_has_ended_is_not_started_again() {
        let going =
            |grace: u32| json!({"deletionTimestamp": "t", "deletionGracePeriodSeconds": grace});
        let table = [
            ("a new one", json!({}), false, false),
            (
                "one that a finalizer holds",
                json!({"metadata": going(0)}),
                true,
                true,
            ),
            (
                "one that is going",
                json!({"metadata": going(30)}),
                false,
                false,
            ),
            (
                "a finished one",
                json!({"status": {"phase": "Failed"}}),
                false,
                true,
            ),
            (
                "a finished one that nobody has let go",
                json!({"metadata": going(30), "status": {"phase": "Failed"}}),
                false,
                false,
            ),
            (
                "a running one",
                json!({"status": {"phase": "Running"}}),
                false,
                false,
            ),
        ];
        for (what, pod, in_lab, attached) in table {
            assert_eq!(is_over(&pod, false), in_lab, "{what}, lab");
            assert_eq!(is_over(&pod, true), attached, "{what}, attached");
        }
    }
}
