//! The simulated Dragonfly operator, v1.6.1: it acts through the same store as everybody else and speaks RESP to the
//! engines' admin ports, with the gates, timeouts and gaps of the real one. Of an image of an older version it does what that
//! one did in two respects: the order in which a replica is configured, and how many pods a rollout deletes at a time.
//!
//! Start reading at [`start`] (the process and its leadership), then `pods` (elections and replication) and `instances`
//! (objects and rollouts), both kept going by `work`. `election`, `rollout`, `lease` and `owned` are its decisions as
//! pure functions.

pub(in crate::lab) mod crd;
pub(in crate::lab) mod election;
mod instances;
pub(in crate::lab) mod lease;
pub(in crate::lab) mod owned;
mod pods;
mod queue;
mod rights;
pub(in crate::lab) mod rollout;
mod speak;
mod work;

use std::sync::Arc;

use serde_json::{Value, json};

use super::engine::Version;
use super::events::Recorder;
use super::json::{items, set, text};
use super::kubelet::Shared;
use super::kubelet::journal::Journal;
use super::kubelet::process::Simple;
use super::resources::{DRAGONFLIES, LEASES, PODS};
use super::seed::Seed;
use super::store::{Object, Store, Writer};
use lease::Act;

pub(in crate::lab) use pods::MASTER_ANNOTATION;

/// The operator's version: the tag of its image.
pub(in crate::lab) const VERSION: &str = "v1.6.1";
/// Its image.
pub(in crate::lab) const IMAGE: &str = "docker.dragonflydb.io/dragonflydb/operator";
/// Its namespace in the raw bundle.
pub(in crate::lab) const NAMESPACE: &str = "dragonfly-operator-system";
/// Its Deployment in the raw bundle.
pub(in crate::lab) const DEPLOYMENT: &str = "dragonfly-operator-controller-manager";
/// Its field manager: the name of its binary.
pub(in crate::lab) const MANAGER: &str = "manager";

/// Why a manager ends that led until now.
const LEASE_LOST: &str = "leader election lost";
/// Why one ends whose cluster does not serve the kind that it is there for.
const NO_CACHE: &str = "failed to wait for Dragonfly caches to sync: timed out waiting for cache to be synced for Kind *v1alpha1.Dragonfly";
/// The same of a kind that it may not list.
const NO_CONFIG_MAPS: &str = "failed to wait for Dragonfly caches to sync: timed out waiting for cache to be synced for Kind *v1.ConfigMap";
/// How long controller-runtime waits for that.
const CACHE_SYNC: std::time::Duration = std::time::Duration::from_secs(120);

/// It says what it waits for every 10 s, and looks as often as at its Lease, every 2 s.
const SAID_EACH: u32 = 5;

/// Whether a leading manager can fill its caches.
#[derive(Clone, Copy)]
enum Caches {
    Filled,
    /// It cannot, and could not since it began to lead; so often it has looked.
    Empty(std::time::Instant, u32),
}

/// What keeps a cache from being filled.
#[derive(Clone, Copy)]
enum Lack {
    /// The cluster does not serve `Dragonfly` objects.
    Kind,
    /// Nobody lets it list ConfigMaps.
    Right,
}

/// One running manager.
#[derive(Clone)]
pub(in crate::lab) struct Operator {
    shared: Arc<Shared>,
    store: Store,
    namespace: String,
    /// The machine of its pod.
    node: String,
    /// Its pod, as its connections come from it.
    pod: Arc<Value>,
    /// The version of its image: what it does by.
    version: Version,
    /// `POD_NAMESPACE`: whom the policies that it makes let in as the operator. Empty where that is not set.
    home: String,
    journal: Journal,
    events: Recorder,
}

/// How this process is known in the Lease.
pub(in crate::lab) fn identity(seed: Seed, pod: &str, uid: &str, restarts: u32) -> String {
    format!(
        "{pod}_{}",
        seed.uid(&["leader", uid, &restarts.to_string()])
    )
}

/// Starts the manager of an operator pod.
pub(in crate::lab) fn start(shared: Arc<Shared>, pod: &Value, restarts: u32, process: &Simple) {
    let store = shared.store().clone();
    let operator = Operator {
        events: Recorder::new(&store, "dragonfly-operator", ""),
        namespace: text(pod, "/metadata/namespace").to_owned(),
        node: text(pod, "/spec/nodeName").to_owned(),
        pod: Arc::new(pod.clone()),
        version: version(pod),
        home: home(pod),
        journal: process.journal.clone(),
        shared,
        store,
    };
    let (name, uid) = (text(pod, "/metadata/name"), text(pod, "/metadata/uid"));
    let me = identity(operator.shared.seed(), name, uid, restarts);
    let (tasks, exit) = (process.tasks().clone(), process.exit());
    process.tasks().spawn(async move {
        let ended = tasks.clone();
        let error = operator.lead(&me, &tasks).await;
        operator.say(
            "ERROR",
            "setup",
            "problem running manager",
            &json!({"error": error}),
        );
        exit.send_replace(Some(1));
        ended.end();
    });
}

/// The version of the manager that a pod runs; the newest that was read where its image tells none.
fn version(pod: &Value) -> Version {
    let tag = |image: &str| image.rsplit_once(':')?.1.parse().ok();
    let manager = items(pod, "/spec/containers")
        .iter()
        .find(|one| text(one, "/image").starts_with(IMAGE));
    manager
        .and_then(|one| tag(text(one, "/image")))
        .unwrap_or(Version(1, 6, 1))
}

/// The namespace that its environment tells a manager, by value or by the downward API.
fn home(pod: &Value) -> String {
    let environment = items(pod, "/spec/containers")
        .iter()
        .flat_map(|one| items(one, "/env"));
    environment
        .filter(|one| text(one, "/name") == "POD_NAMESPACE")
        .map(|one| match text(one, "/value") {
            "" => text(pod, "/metadata/namespace").to_owned(),
            value => value.to_owned(),
        })
        .next()
        .unwrap_or_default()
}

impl Operator {
    /// Campaigns for the Lease and works while holding it. Returns why it ends: the Lease is lost, or a cache cannot be
    /// filled.
    async fn lead(&self, me: &str, tasks: &super::tasks::Tasks) -> &'static str {
        self.say("INFO", "setup", "starting manager", &json!({}));
        let line = format!(
            "attempting to acquire leader lease {}/{}...",
            self.namespace,
            lease::LEASE
        );
        self.journal.write(format!(
            "{} {line}",
            self.klog('I', "leaderelection.go:257]")
        ));
        let duration = std::time::Duration::from_secs(lease::DURATION.unsigned_abs());
        let patience =
            jiff::SignedDuration::try_from(self.shared.scaled(duration)).unwrap_or_default();
        let mut leading = false;
        let mut caches = Caches::Filled;
        // Patience is counted by a clock that nobody moves.
        let mut seen = (String::new(), std::time::Instant::now());
        loop {
            if self.shared.is_cut_off(&self.node) {
                if leading {
                    return LEASE_LOST;
                }
                self.refused_lease();
                tokio::time::sleep(self.shared.scaled(lease::RETRY)).await;
                continue;
            }
            let now = self.store.now();
            let found = self
                .store
                .get(LEASES, &self.namespace, lease::LEASE)
                .ok()
                .map(|lease| lease.value());
            let renewed = found
                .as_ref()
                .map(|lease| text(lease, "/spec/renewTime").to_owned())
                .unwrap_or_default();
            if seen.0 != renewed {
                seen = (renewed, std::time::Instant::now());
            }
            let silent = jiff::SignedDuration::try_from(seen.1.elapsed()).unwrap_or_default();
            let since = now.checked_sub(silent).unwrap_or(now);
            let act = lease::act(found.as_ref(), me, since, now, patience);
            let won = match act {
                Act::Wait => false,
                Act::Create => {
                    let lease = lease::new(&self.namespace, me, now);
                    self.store
                        .create(LEASES, &self.namespace, lease, MANAGER)
                        .is_ok()
                }
                Act::Renew | Act::Take => self
                    .store
                    .update(LEASES, &self.namespace, lease::LEASE, MANAGER, |lease| {
                        lease::hold(lease, me, now)
                    })
                    .is_ok(),
            };
            match (leading, won) {
                (false, true) => {
                    leading = true;
                    let line = format!(
                        "successfully acquired lease {}/{}",
                        self.namespace,
                        lease::LEASE
                    );
                    self.journal.write(format!(
                        "{} {line}",
                        self.klog('I', "leaderelection.go:271]")
                    ));
                    let name = me.split('_').next().unwrap_or(me);
                    // Who finds itself holding the Lease has been at work before the lab was looked at.
                    let warm = act == Act::Renew;
                    if !warm {
                        self.became_leader(name, me);
                    }
                    match self.lacks() {
                        None => self.work(tasks, warm),
                        Some(_) => caches = Caches::Empty(std::time::Instant::now(), 0),
                    }
                }
                (true, false) => return LEASE_LOST,
                _ => {}
            }
            if let Caches::Empty(since, looks) = caches {
                match self.lacks() {
                    None => {
                        caches = Caches::Filled;
                        self.work(tasks, false);
                    }
                    Some(lack) if since.elapsed() > self.shared.scaled(CACHE_SYNC) => {
                        let error = match lack {
                            Lack::Kind => NO_CACHE,
                            Lack::Right => NO_CONFIG_MAPS,
                        };
                        let fields = json!({"controller": "Dragonfly", "error": error});
                        self.say("ERROR", "", "Could not wait for Cache to sync", &fields);
                        return error;
                    }
                    Some(lack) => {
                        caches = Caches::Empty(since, looks + 1);
                        if looks.is_multiple_of(SAID_EACH) {
                            match lack {
                                Lack::Kind => self.misses_its_kind(),
                                Lack::Right => self.misses_its_right(),
                            }
                        }
                    }
                }
            }
            tokio::time::sleep(self.shared.scaled(lease::RETRY)).await;
        }
    }

    /// What keeps its caches from being filled.
    fn lacks(&self) -> Option<Lack> {
        if self.store.resource(DRAGONFLIES).is_none() {
            return Some(Lack::Kind);
        }
        // Whose rights are kept elsewhere is refused there.
        let may = self.shared.is_attached() || rights::may_list_config_maps(&self.store, &self.pod);
        (!may).then_some(Lack::Right)
    }

    /// Starts the controllers.
    fn work(&self, tasks: &super::tasks::Tasks, warm: bool) {
        tasks.spawn(work::keep(instances::Instances(self.clone()), warm));
        tasks.spawn(work::keep(pods::Pods(self.clone()), warm));
    }

    /// What controller-runtime says while the definition of a kind that it is to watch is not installed.
    fn misses_its_kind(&self) {
        let error = "no matches for kind \"Dragonfly\" in version \"dragonflydb.io/v1alpha1\"";
        self.say(
            "ERROR",
            "controller-runtime.source.Kind",
            "if kind is a CRD, it should be installed before calling Start",
            &json!({"kind": "Dragonfly.dragonflydb.io", "error": error}),
        );
    }

    /// What client-go says each time it may not list what a cache is to hold.
    fn misses_its_right(&self) {
        let account = text(&self.pod, "/spec/serviceAccountName");
        self.journal.write(format!(
            "{} \"Unhandled Error\" err=\"failed to watch *v1.ConfigMap: failed to list *v1.ConfigMap: configmaps is forbidden: \
             User \\\"system:serviceaccount:{}:{account}\\\" cannot list resource \\\"configmaps\\\" in API group \\\"\\\" at the \
             cluster scope\"",
            self.klog('E', "reflector.go:166]"),
            self.namespace
        ));
    }

    /// What client-go says each time it may not read the Lease.
    fn refused_lease(&self) {
        let (namespace, lease) = (&self.namespace, lease::LEASE);
        self.journal.write(format!(
            "{} error retrieving resource lock {namespace}/{lease}: leases.coordination.k8s.io \"{lease}\" is forbidden: \
             User \"system:serviceaccount:{namespace}:{DEPLOYMENT}\" cannot get resource \"leases\" in API group \
             \"coordination.k8s.io\" in the namespace \"{namespace}\"",
            self.klog('E', "leaderelection.go:429]")
        ));
    }

    fn became_leader(&self, pod: &str, me: &str) {
        if let Ok(lease) = self.store.get(LEASES, &self.namespace, lease::LEASE) {
            let recorder = Recorder::new(&self.store, me, "");
            recorder.normal(
                &lease.value(),
                "LeaderElection",
                &format!("{me} became leader"),
            );
        }
        let fields = json!({"controller": "Dragonfly", "worker count": 1, "pod": pod});
        self.say("INFO", "", "Starting workers", &fields);
    }

    /// A line as zap's console encoder writes it.
    fn say(&self, level: &str, logger: &str, message: &str, fields: &Value) {
        let stamp = super::clock::seconds(self.store.now());
        let logger = if logger.is_empty() {
            String::new()
        } else {
            format!("{logger}\t")
        };
        let fields = match fields.as_object() {
            Some(map) if !map.is_empty() => format!("\t{}", spaced(fields)),
            _ => String::new(),
        };
        self.journal
            .write(format!("{stamp}\t{level}\t{logger}{message}{fields}"));
    }

    fn klog(&self, level: char, place: &str) -> String {
        let stamp = self.store.now().strftime("%m%d %H:%M:%S.%6f");
        format!("{level}{stamp}       1 {place}")
    }

    /// A line of one controller about one object.
    fn note(&self, controller: &str, namespace: &str, name: &str, message: &str) {
        self.note_of(controller, namespace, name, message, &json!({}));
    }

    /// A line of one controller about one object, with more to tell.
    fn note_of(&self, controller: &str, namespace: &str, name: &str, message: &str, more: &Value) {
        let mut all = fields(controller, namespace, name);
        super::json::extend(&mut all, &[], more);
        self.say("INFO", "", message, &all);
    }

    /// An error of one controller about one object.
    fn failed(&self, controller: &str, namespace: &str, name: &str, error: &str) {
        let mut all = fields(controller, namespace, name);
        set(&mut all, &["error"], error.into());
        self.say("ERROR", "", "Reconciler error", &all);
    }

    /// The instance, unless it is gone or going.
    fn instance(&self, namespace: &str, name: &str) -> Option<Value> {
        let object = self.store.get(DRAGONFLIES, namespace, name).ok()?;
        (!object.deleting).then(|| object.value())
    }

    /// Writes `status.phase`.
    fn set_phase(&self, df: &Value, phase: &str) -> Result<(), String> {
        let (namespace, name) = (text(df, "/metadata/namespace"), text(df, "/metadata/name"));
        let more = json!({"status": {"phase": phase, "isRollingUpdate": false}});
        self.note_of("Dragonfly", namespace, name, "updating status", &more);
        let writer = Writer {
            manager: MANAGER,
            subresource: "status",
            applied: None,
            dry_run: false,
        };
        let written = self
            .store
            .update(DRAGONFLIES, namespace, name, writer, |df| {
                set(df, &["status", "phase"], phase.into());
            });
        written
            .map(|_| ())
            .map_err(|status| format!("failed to update the dragonfly object: {status}"))
    }

    /// The pods of an instance, in order of ordinal.
    fn pods_of(&self, df: &Value) -> Vec<Value> {
        let (namespace, name) = (text(df, "/metadata/namespace"), text(df, "/metadata/name"));
        let labels = [("app", name), ("app.kubernetes.io/part-of", "dragonfly")];
        let found: Vec<Arc<Object>> = self.store.labelled(PODS, Some(namespace), &labels);
        let mut pods: Vec<Value> = found.iter().map(|pod| pod.value()).collect();
        pods.sort_by_key(ordinal);
        pods
    }
}

/// The ordinal of a StatefulSet's pod.
fn ordinal(pod: &Value) -> u32 {
    let name = text(pod, "/metadata/name");
    name.rsplit_once('-')
        .and_then(|(_, ordinal)| ordinal.parse().ok())
        .unwrap_or(u32::MAX)
}

/// What controller-runtime adds to each line: the controller, its kind, and the object.
fn fields(controller: &str, namespace: &str, name: &str) -> Value {
    let (group, kind) = match controller {
        "Dragonfly" => ("dragonflydb.io", "Dragonfly"),
        _ => ("", "Pod"),
    };
    json!({"controller": controller, "controllerGroup": group, "controllerKind": kind,
        kind: {"name": name, "namespace": namespace}, "namespace": namespace, "name": name})
}

/// JSON with a space after colons and commas, as zap prints its fields.
fn spaced(fields: &Value) -> String {
    let pairs: Vec<String> = fields
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("\"{key}\": {value}"))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}
