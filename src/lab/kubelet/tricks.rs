//! What scenarios do to machines: lost ones, patient and failing probes, slow loads and pulls, wrong backends, full volumes
//! and machines, nobody leading.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Machines, Shared, Word};
use crate::lab::controllers::{Key, claims_of};
use crate::lab::engine::Engine;
use crate::lab::json::text;
use crate::lab::resources::{CLAIMS, NODES, PODS};

/// How long a connection to a machine that is gone is tried.
const CONNECT: Duration = Duration::from_secs(10);

/// Bytes that a key takes in a snapshot.
pub(super) const KEY_ON_DISK: u64 = 1300;

/// What is in force.
#[derive(Default)]
pub(super) struct Tricks {
    /// Machines that answer nothing any more.
    lost: watch::Sender<BTreeSet<String>>,
    /// Whether no candidate can take or renew the operator's Lease.
    leaderless: watch::Sender<bool>,
    rest: Mutex<Rest>,
}

#[derive(Default)]
struct Rest {
    /// Pods whose probes pass whatever their containers do.
    spared: BTreeSet<Key>,
    /// How long the next starts of these pods load their snapshot.
    loads: BTreeMap<Key, Duration>,
    /// How long the image of the pods of this application (namespace and label `app`) takes to come.
    pulls: BTreeMap<Key, Duration>,
    /// Pods whose readiness probe fails.
    unready: BTreeSet<Key>,
    /// Pods in whose place another one answers.
    redirected: BTreeMap<Key, Key>,
    /// Machines have no memory left for pods that are not there yet.
    is_full: bool,
    /// How full a claim's volume is, where that is not what its files say: 0 to 1.
    filled: BTreeMap<Key, f64>,
    /// Lost machines that have no power either.
    dead: BTreeSet<String>,
}

impl Tricks {
    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_lost(&self, node: &str) -> bool {
        self.lost.borrow().contains(node)
    }

    /// Waits while a machine is lost.
    pub(super) async fn found(&self, node: &str) {
        let mut seen = self.lost.subscribe();
        // The sender lives as long as we do.
        let _ = seen.wait_for(|lost| !lost.contains(node)).await;
    }

    pub(super) fn is_spared(&self, namespace: &str, pod: &str) -> bool {
        self.rest().spared.contains(&key(namespace, pod))
    }

    pub(super) fn load_takes(&self, namespace: &str, pod: &str) -> Option<Duration> {
        self.rest().loads.get(&key(namespace, pod)).copied()
    }

    pub(super) fn pull_takes(&self, namespace: &str, app: &str) -> Option<Duration> {
        self.rest().pulls.get(&key(namespace, app)).copied()
    }

    pub(super) fn is_unready(&self, namespace: &str, pod: &str) -> bool {
        self.rest().unready.contains(&key(namespace, pod))
    }

    /// Whether no machine has memory left.
    pub(super) fn is_full(&self) -> bool {
        self.rest().is_full
    }

    /// The pod that answers in place of another.
    pub(super) fn answering(&self, namespace: &str, pod: &str) -> Option<Key> {
        self.rest().redirected.get(&key(namespace, pod)).cloned()
    }
}

fn key(namespace: &str, name: &str) -> Key {
    (namespace.to_owned(), name.to_owned())
}

impl Machines {
    /// Takes a machine off the network, or brings it back: its kubelet tells nothing and obeys nobody, its pods answer
    /// nobody. They go on when it comes back.
    pub(in crate::lab) fn lose(&self, node: &str, lost: bool) {
        let shared = &self.0;
        shared.tricks.lost.send_modify(|all| {
            if lost {
                all.insert(node.to_owned());
            } else {
                all.remove(node);
            }
        });
        let pods = shared.pods();
        let (there, elsewhere): (Vec<_>, Vec<_>) =
            pods.values().partition(|entry| entry.node == node);
        for engine in there.iter().filter_map(|entry| entry.engine()) {
            // Connections that are open already end nowhere either.
            engine.freeze(lost);
            for other in elsewhere.iter().filter_map(|entry| entry.engine()) {
                let (a, b) = (engine.spec().ip, other.spec().ip);
                match lost {
                    true => shared.network.cut(a, b),
                    false => shared.network.mend(a, b),
                }
            }
        }
        for entry in there {
            // What it missed meanwhile it sees now.
            let _ = entry.words.send(Word::Look);
        }
    }

    /// Takes the power from a machine: to all others it is as lost, but what ran there has ended when it comes back.
    pub(in crate::lab) fn power_off(&self, node: &str) {
        self.0.tricks.rest().dead.insert(node.to_owned());
        self.lose(node, true);
    }

    /// Brings a lost machine back.
    pub(in crate::lab) fn bring_back(&self, node: &str) {
        if self.0.tricks.rest().dead.remove(node) {
            self.kill_all_on(node);
        }
        if self.is_lost(node) {
            self.lose(node, false);
        }
    }

    /// Whether a machine is off the network.
    pub(in crate::lab) fn is_lost(&self, node: &str) -> bool {
        self.0.tricks.is_lost(node)
    }

    /// Waits while a machine is off the network.
    pub(in crate::lab) async fn found(&self, node: &str) {
        self.0.tricks.found(node).await;
    }

    /// SIGKILL to whatever runs in a pod; whether anything did.
    pub(in crate::lab) fn kill(&self, namespace: &str, pod: &str) -> bool {
        let pods = self.0.pods();
        let running = pods.get(&key(namespace, pod)).map(|entry| &entry.running);
        running.is_some_and(|running| {
            running.values().for_each(|process| process.kill());
            !running.is_empty()
        })
    }

    /// SIGKILL to whatever runs on a machine.
    fn kill_all_on(&self, node: &str) {
        let pods = self.0.pods();
        let there = pods.values().filter(|entry| entry.node == node);
        for process in there.flat_map(|entry| entry.running.values()) {
            process.kill();
        }
    }

    /// Lets the probes of a pod pass whatever its containers do, so that a state that its kubelet would end lasts.
    pub(in crate::lab) fn spare(&self, namespace: &str, pod: &str) {
        self.0.tricks.rest().spared.insert(key(namespace, pod));
    }

    /// Lets the next starts of a pod's server load what lies on its volume for so long.
    pub(in crate::lab) fn load_takes(&self, namespace: &str, pod: &str, takes: Duration) {
        self.0
            .tricks
            .rest()
            .loads
            .insert(key(namespace, pod), takes);
    }

    /// Leaves no memory on any machine for pods that come from now on.
    pub(in crate::lab) fn fill_machines(&self) {
        self.0.tricks.rest().is_full = true;
    }

    /// Lets the image of the pods of an application take so long to come to a machine.
    pub(in crate::lab) fn pull_takes(&self, namespace: &str, app: &str, takes: Duration) {
        let key = key(namespace, app);
        self.0.tricks.rest().pulls.insert(key, takes);
    }

    /// Lets images come at once again.
    pub(in crate::lab) fn pull_at_once(&self) {
        self.0.tricks.rest().pulls.clear();
    }

    /// Lets the readiness probe of a pod fail, or pass again.
    pub(in crate::lab) fn unready(&self, namespace: &str, pod: &str, unready: bool) {
        let key = key(namespace, pod);
        match unready {
            true => self.0.tricks.rest().unready.insert(key.clone()),
            false => self.0.tricks.rest().unready.remove(&key),
        };
        self.look_again(&key);
    }

    fn look_again(&self, key: &Key) {
        if let Some(entry) = self.0.pods().get(key) {
            // A worker that has ended has nothing to look at.
            let _ = entry.words.send(Word::Look);
        }
    }

    /// Lets whoever asks for a pod through the API reach another one.
    pub(in crate::lab) fn redirect(&self, pod: (&str, &str), to: (&str, &str)) {
        let (pod, to) = (key(pod.0, pod.1), key(to.0, to.1));
        self.0.tricks.rest().redirected.insert(pod, to);
    }

    /// Fills the volume of a claim to a share of its size.
    pub(in crate::lab) fn fill_volume(&self, namespace: &str, claim: &str, share: f64) {
        self.0
            .tricks
            .rest()
            .filled
            .insert(key(namespace, claim), share);
    }

    /// Whether candidates for the operator's Lease are refused.
    pub(in crate::lab) fn leaderless(&self, leaderless: bool) {
        self.0.tricks.leaderless.send_replace(leaderless);
    }

    /// Ends all of it. Tells whether pods are reached as others than before.
    pub(in crate::lab) fn undo_tricks(&self) -> bool {
        let lost: Vec<String> = self.0.tricks.lost.borrow().iter().cloned().collect();
        for node in lost {
            self.bring_back(&node);
        }
        let rest = std::mem::take(&mut *self.0.tricks.rest());
        self.leaderless(false);
        if rest.is_full {
            // The scheduler tries again what waits.
            for entry in self.0.pods().values() {
                let _ = entry.words.send(Word::Look);
            }
        }
        rest.unready.iter().for_each(|pod| self.look_again(pod));
        !rest.redirected.is_empty()
    }

    /// What a kubelet measures of the pods on its machine: their volumes.
    pub(super) fn summary(&self, node: &str) -> Option<Value> {
        let shared = &self.0;
        shared.store.get(NODES, "", node).ok()?;
        if shared.tricks.is_lost(node) {
            return None;
        }
        let there: Vec<(Key, Option<Engine>)> = shared
            .pods()
            .iter()
            .filter(|(_, entry)| entry.node == node)
            .map(|(key, entry)| (key.clone(), entry.engine()))
            .collect();
        let pods: Vec<Value> = there
            .iter()
            .filter_map(|((namespace, name), engine)| {
                let pod = shared.store.get(PODS, namespace, name).ok()?.value();
                let volumes: Vec<Value> = claims_of(&pod)
                    .iter()
                    .map(|claim| shared.volume(namespace, claim, engine.as_ref()))
                    .collect();
                Some(json!({
                    "podRef": {"name": name, "namespace": namespace, "uid": text(&pod, "/metadata/uid")},
                    "volume": volumes,
                }))
            })
            .collect();
        Some(json!({"node": {"nodeName": node}, "pods": pods}))
    }
}

impl Shared {
    /// Whether an operator on this machine cannot reach its Lease: nobody may, or the machine is lost.
    pub(in crate::lab) fn is_cut_off(&self, node: &str) -> bool {
        *self.tricks.leaderless.borrow() || self.tricks.is_lost(node)
    }

    /// The error of a connection that nobody answers, after the time that takes.
    pub(super) async fn nobody_answers(&self) -> io::Error {
        tokio::time::sleep(self.scaled(CONNECT)).await;
        io::Error::new(io::ErrorKind::TimedOut, "i/o timeout")
    }

    /// One volume: what its server has written there, or as full as a scenario says.
    pub(super) fn volume(&self, namespace: &str, claim: &str, engine: Option<&Engine>) -> Value {
        let size = self
            .store
            .get(CLAIMS, namespace, claim)
            .ok()
            .and_then(|claim| super::flags::bytes(text(&claim.value(), "/status/capacity/storage")))
            .unwrap_or(10 << 30);
        // A file system keeps some of its room for itself.
        let capacity = size / 100 * 97;
        let filled = self
            .tricks
            .rest()
            .filled
            .get(&key(namespace, claim))
            .copied();
        let saved = engine.map_or(0, |engine| {
            let newest = engine.keys().saturating_mul(KEY_ON_DISK);
            newest.saturating_add(super::disks::older_bytes(engine))
        });
        let used = match filled {
            Some(share) => (capacity as f64 * share.clamp(0.0, 1.0)) as u64,
            None => (saved + (24 << 20)).min(capacity),
        };
        json!({
            "name": claim.split('-').next().unwrap_or("df"),
            "pvcRef": {"name": claim, "namespace": namespace},
            "capacityBytes": capacity, "usedBytes": used, "availableBytes": capacity - used,
            "inodes": 655_360, "inodesUsed": 41, "inodesFree": 655_319,
        })
    }
}
