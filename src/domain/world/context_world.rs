//! The facts of one context, by kind.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::history::{History, Moment, Turn};
use super::{EngineRecord, Known, OnDemand, Shelf, Touched};
use crate::domain::comparison::Comparison;
use crate::domain::engine::Probe;
use crate::domain::fact::{Access, Link, Scope};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::id::{ContextId, InstanceId, Kind, NodeId};
use crate::domain::object::*;

/// A comparison of an instance's nodes that came to an end, or why there was none, and when.
pub type KnownComparison = Known<Result<Comparison, Fault>>;

/// One standing question and how it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// `None` until the first answer.
    pub access: Option<Access>,
    /// Since when it stands so.
    pub since: Timestamp,
    /// When a complete list last arrived; `None`: never, so nothing is known about absence.
    pub listed: Option<Timestamp>,
    /// It was told how the question stands beyond a list: its watch was accepted once, or something failed. A list alone does
    /// not show that the right to watch is there.
    pub settled: bool,
}

/// The facts of one context.
#[derive(Debug, Clone)]
pub struct ContextWorld {
    /// Its id.
    pub id: ContextId,
    /// Namespaces it is confined to; empty means the whole cluster.
    pub namespaces: Vec<Arc<str>>,
    /// The way to its API server.
    pub link: Link,
    /// Since when the link is of that sort.
    pub link_since: Timestamp,
    /// When it was opened.
    pub opened: Timestamp,
    /// When the API server last answered a heartbeat.
    pub heard: Option<Timestamp>,
    /// How far the API server's clock is ahead of ours, seconds; negative when it is behind. By the `Date` of its answers.
    pub clock: Option<Known<i64>>,
    /// Uid of `kube-system`, where readable.
    pub cluster: Option<String>,
    /// The right to read that uid is missing, since when.
    pub unidentified: Option<(Fault, Timestamp)>,
    /// Version of the API server.
    pub version: Option<String>,
    /// Standing questions.
    pub sources: BTreeMap<(Kind, Scope), Source>,
    /// Objects that could not be understood, and why.
    pub garbled: BTreeMap<(Kind, Arc<str>, Arc<str>), String>,
    /// The CRD.
    pub crds: Shelf<Crd>,
    /// Dragonfly objects.
    pub dragonflies: Shelf<Dragonfly>,
    /// Dragonfly pods, grouped by instance.
    pub pods: Shelf<Pod>,
    /// StatefulSets.
    pub stateful_sets: Shelf<StatefulSet>,
    /// Services.
    pub services: Shelf<Service>,
    /// EndpointSlices, grouped by Service.
    pub slices: Shelf<EndpointSlice>,
    /// Claims, grouped by instance.
    pub pvcs: Shelf<Pvc>,
    /// Claims in namespaces that have an instance with a claim of its owner's choice.
    pub existing_pvcs: Shelf<Pvc>,
    /// PodDisruptionBudgets.
    pub pdbs: Shelf<Pdb>,
    /// NetworkPolicies.
    pub policies: Shelf<NetworkPolicy>,
    /// Events.
    pub events: Shelf<Event>,
    /// The operator's Deployments (more than one install is a finding, not an impossibility).
    pub operators: Shelf<Deployment>,
    /// The operator's pods.
    pub operator_pods: Shelf<Pod>,
    /// The operator's Leases.
    pub leases: Shelf<Lease>,
    /// What was read because somebody needed it.
    pub on_demand: OnDemand,
    /// Boxed: a record is some kilobytes, and the table keeps free places for half as many again, and for twice as many
    /// when pods have come and gone.
    engines: HashMap<(Arc<str>, Arc<str>), Box<EngineRecord>>,
    /// When the `role` label of a pod was seen to change; nothing for one that has had its label since we look.
    relabelled: HashMap<(Arc<str>, Arc<str>), Timestamp>,
    /// The last comparison of each instance that was asked for, by namespace and name.
    comparisons: HashMap<(Arc<str>, Arc<str>), KnownComparison>,
    /// What changed in each instance while we looked, by namespace and name.
    histories: HashMap<(Arc<str>, Arc<str>), History>,
    /// When the `renewTime` of a Lease was seen to change, by our clock; nothing for one that was not renewed since we
    /// look.
    renewals: HashMap<(Arc<str>, Arc<str>), Timestamp>,
}

fn moved(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(at)
}

impl ContextWorld {
    pub(super) fn new(id: ContextId, namespaces: Vec<Arc<str>>, at: Timestamp) -> Self {
        Self {
            id,
            namespaces,
            link: Link::Connecting,
            link_since: at,
            opened: at,
            heard: None,
            clock: None,
            cluster: None,
            unidentified: None,
            version: None,
            sources: BTreeMap::new(),
            garbled: BTreeMap::new(),
            crds: Shelf::default(),
            dragonflies: Shelf::default(),
            pods: Shelf::grouped(|pod| pod.meta.labels.get("app").map(String::as_str)),
            stateful_sets: Shelf::default(),
            services: Shelf::grouped(|service| service.meta.labels.get("app").map(String::as_str)),
            slices: Shelf::grouped(|slice| Some(slice.service.as_str())),
            pvcs: Shelf::grouped(|pvc| pvc.meta.labels.get("app").map(String::as_str)),
            existing_pvcs: Shelf::default(),
            pdbs: Shelf::default(),
            policies: Shelf::default(),
            events: Shelf::default(),
            operators: Shelf::default(),
            operator_pods: Shelf::default(),
            leases: Shelf::default(),
            on_demand: OnDemand::default(),
            engines: HashMap::new(),
            relabelled: HashMap::new(),
            comparisons: HashMap::new(),
            histories: HashMap::new(),
            renewals: HashMap::new(),
        }
    }

    /// The heartbeat answers.
    pub fn is_live(&self) -> bool {
        matches!(self.link, Link::Live { .. })
    }

    /// A moment that the API server or its objects tell, by our clock: what it tells is off by as much as its clock is.
    /// Differences of less than a minute are left, for the clocks of its machines differ by as much among themselves.
    pub fn by_our_clock(&self, theirs: Timestamp) -> Timestamp {
        moved(theirs, -self.ahead())
    }

    /// A moment of our clock, as the API server would write it.
    pub fn by_its_clock(&self, ours: Timestamp) -> Timestamp {
        moved(ours, self.ahead())
    }

    fn ahead(&self) -> i64 {
        const SAME: i64 = 60;
        let ahead = self.clock.as_ref().map_or(0, |known| known.value);
        if ahead.abs() > SAME { ahead } else { 0 }
    }

    /// Since when it stands as it does: how long a live way has been live, or when one that is cut was last heard (when it
    /// was opened, if never). Every
    /// place that says how long a context has been out of reach takes it from here.
    pub fn stands_since(&self) -> Timestamp {
        match self.link {
            Link::Live { .. } => self.link_since,
            _ => self.heard.unwrap_or(self.opened),
        }
    }

    /// When what is shown of that kind in that namespace was last followed, if it is not followed now: the way to the
    /// cluster is cut, or the question fails since then. `None` while it is followed.
    pub fn stale_since(&self, kind: Kind, namespace: &str) -> Option<Timestamp> {
        if !self.is_live() {
            return Some(self.stands_since());
        }
        let source = self.source(kind, namespace)?;
        match source.access {
            Some(Access::Broken(_) | Access::Denied(_)) => Some(source.since),
            Some(Access::Live | Access::Absent) | None => None,
        }
    }

    /// A refused question about the whole cluster, in whose stead the same kind is asked for namespace by namespace: what
    /// it would tell is known as far as those namespaces go.
    pub fn is_superseded(&self, kind: Kind, scope: &Scope) -> bool {
        let key = (kind, scope.clone());
        *scope == Scope::Cluster
            && matches!(
                self.sources.get(&key).map(|source| &source.access),
                Some(Some(Access::Denied(_)))
            )
            && self
                .sources
                .keys()
                .any(|(k, scope)| *k == kind && matches!(scope, Scope::Namespace(_)))
    }

    /// The questions that answer for that kind: all but one that is superseded.
    pub fn sources_of(&self, kind: Kind) -> impl Iterator<Item = (&Scope, &Source)> {
        self.sources
            .iter()
            .filter(move |((k, scope), _)| *k == kind && !self.is_superseded(kind, scope))
            .map(|((_, scope), source)| (scope, source))
    }

    /// Kinds that are read in some namespaces only, because the whole cluster was refused, with the refused question.
    pub fn superseded_sources(&self) -> impl Iterator<Item = (Kind, &Source)> {
        self.sources
            .iter()
            .filter(|((kind, scope), _)| self.is_superseded(*kind, scope))
            .map(|((kind, _), source)| (*kind, source))
    }

    /// Namespaces that are read in place of the whole cluster, sorted; none where nothing is superseded.
    pub fn namespaces_instead(&self) -> BTreeSet<&str> {
        self.superseded_sources()
            .flat_map(|(kind, _)| self.sources_of(kind))
            .filter_map(|(scope, _)| match scope {
                Scope::Namespace(namespace) => Some(&**namespace),
                Scope::Cluster => None,
            })
            .collect()
    }

    /// Every question that answers for that kind has been answered in full at least once.
    pub fn has_listed(&self, kind: Kind) -> bool {
        let mut sources = self.sources_of(kind).peekable();
        sources.peek().is_some() && sources.all(|(_, source)| source.listed.is_some())
    }

    /// The question that answers for that kind in that namespace, the narrowest first.
    pub fn source(&self, kind: Kind, namespace: &str) -> Option<&Source> {
        self.sources
            .get(&(kind, Scope::Namespace(Arc::from(namespace))))
            .or_else(|| self.sources.get(&(kind, Scope::Cluster)))
    }

    /// Questions that lack a right or an API, or fail, with how they stand; without those that are superseded.
    pub fn troubled_sources(&self) -> impl Iterator<Item = (Kind, &Scope, &Source)> {
        self.sources
            .iter()
            .filter(|((kind, scope), source)| {
                matches!(source.access, Some(Access::Denied(_) | Access::Broken(_)))
                    && !self.is_superseded(*kind, scope)
            })
            .map(|((kind, scope), source)| (*kind, scope, source))
    }

    /// Why engines may not be asked, when a way to one was forbidden: the right is the context's, not the pod's.
    pub fn engines_forbidden(&self) -> Option<&Fault> {
        let is_forbidden = |fault: &&Fault| fault.kind == FaultKind::Forbidden;
        self.engines.values().find_map(|engine| {
            let silence = engine.silent.get(&None).map(|(fault, _)| fault);
            silence
                .filter(is_forbidden)
                .or_else(|| engine.no_port_forward().filter(is_forbidden))
        })
    }

    /// What is known of an engine.
    pub fn engine(&self, namespace: &str, pod: &str) -> Option<&EngineRecord> {
        self.engines
            .get(&(Arc::from(namespace), Arc::from(pod)))
            .map(Box::as_ref)
    }

    /// When the `role` label of a pod was seen to change, by our clock.
    pub fn relabelled(&self, namespace: &str, pod: &str) -> Option<Timestamp> {
        self.relabelled
            .get(&(Arc::from(namespace), Arc::from(pod)))
            .copied()
    }

    /// The last comparison of an instance's nodes, if one was ever asked for.
    pub fn comparison(&self, namespace: &str, instance: &str) -> Option<&KnownComparison> {
        self.comparisons
            .get(&(Arc::from(namespace), Arc::from(instance)))
    }

    /// A comparison came to an end.
    pub(super) fn compared(&mut self, id: &InstanceId, known: KnownComparison) {
        if self.dragonflies.get(&id.namespace, &id.name).is_some() {
            self.comparisons
                .insert((id.namespace.clone(), id.name.clone()), known);
        }
    }

    /// What changed in an instance while we looked: roles, labels, restarts. Nothing for one in which nothing did.
    pub fn history(&self, namespace: &str, instance: &str) -> Option<&History> {
        self.histories
            .get(&(Arc::from(namespace), Arc::from(instance)))
    }

    /// Notes changes of a pod in the history of its instance, if it belongs to one that exists.
    fn note(&mut self, pod: &Pod, turns: impl IntoIterator<Item = Turn>, at: Timestamp) {
        let Some(app) = pod.meta.labels.get("app") else {
            return;
        };
        let namespace = &pod.meta.namespace;
        if self.dragonflies.get(namespace, app).is_none() {
            return;
        }
        let engine = self
            .engines
            .get(&(namespace.clone(), pod.meta.name.clone()))
            .filter(|engine| engine.uid == pod.meta.uid);
        // What a process that has just started tells is not what the one before it had, whichever answer came first.
        let started = engine
            .and_then(|engine| engine.server.as_ref())
            .and_then(|known| i64::try_from(known.value.uptime?).ok())
            .and_then(|uptime| at.checked_sub(SignedDuration::from_secs(uptime)).ok());
        let had = |engine: &EngineRecord, turn: &Turn| match (turn, started) {
            (Turn::Restarted, Some(started)) => engine.keys.before(started).or(engine.keys.last()),
            _ => engine.keys.last(),
        };
        let offset = engine.and_then(|engine| engine.offset.last());
        let role = engine
            .and_then(|engine| engine.engine_role())
            .map(|known| known.value);
        for turn in turns {
            let role = match &turn {
                Turn::Role { from, .. } => Some(*from),
                _ => role,
            };
            self.histories
                .entry((namespace.clone(), Arc::from(app.as_str())))
                .or_default()
                .note(Moment {
                    at,
                    pod: pod.meta.name.clone(),
                    uid: pod.meta.uid.clone(),
                    keys: engine.and_then(|engine| had(engine, &turn)),
                    turn,
                    offset,
                    role,
                    keys_after: None,
                });
        }
    }

    /// Takes an engine's answer in; false when the pod of that uid is gone.
    pub(super) fn answered(
        &mut self,
        node: &NodeId,
        uid: &Arc<str>,
        probe: Probe,
        at: Timestamp,
    ) -> bool {
        let Some(engine) = self.engine_of(node, uid) else {
            return false;
        };
        let told_keys = match &probe {
            Probe::Keyspace(keyspace) if !engine.loads() => Some(keyspace.keys),
            _ => None,
        };
        let turns = engine.answered(probe, at);
        if !turns.is_empty()
            && let Some(pod) = self.pods.get(&node.namespace, &node.pod)
        {
            let pod = pod.value.clone();
            self.note(&pod, turns, at);
        }
        if let Some(keys) = told_keys
            && let Some(pod) = self.pods.get(&node.namespace, &node.pod)
            && let Some(app) = pod.value.meta.labels.get("app")
            && let Some(history) = self
                .histories
                .get_mut(&(node.namespace.clone(), Arc::from(app.as_str())))
        {
            history.told_keys(&node.pod, keys);
        }
        true
    }

    /// When the `renewTime` of a Lease was seen to change, by our clock: that it is renewed is known then, however wrong
    /// the clocks of the cluster are.
    pub fn renewal_seen(&self, namespace: &str, lease: &str) -> Option<Timestamp> {
        self.renewals
            .get(&(Arc::from(namespace), Arc::from(lease)))
            .copied()
    }

    /// Ids of its instances, by namespace and name.
    pub fn instances(&self) -> impl Iterator<Item = InstanceId> + '_ {
        self.dragonflies.iter().map(|held| {
            let meta = &held.value.meta;
            InstanceId {
                context: self.id.clone(),
                namespace: meta.namespace.clone(),
                name: meta.name.clone(),
            }
        })
    }

    pub(super) fn instance_of(&self, namespace: &Arc<str>, name: &str) -> InstanceId {
        InstanceId {
            context: self.id.clone(),
            namespace: namespace.clone(),
            name: Arc::from(name),
        }
    }

    /// The instance in that namespace to which an object name belongs: `NAME`, `NAME-<ordinal>`, `df-NAME-<ordinal>`.
    fn instance_by_object_name(&self, namespace: &Arc<str>, object: &str) -> Option<InstanceId> {
        let bare = object
            .strip_prefix("df-")
            .or_else(|| object.strip_prefix("tiering-"))
            .unwrap_or(object);
        let stem = bare.rsplit_once('-').map_or(bare, |(stem, _)| stem);
        [object, bare, stem]
            .into_iter()
            .find(|name| self.dragonflies.get(namespace, name).is_some())
            .map(|name| self.instance_of(namespace, name))
    }

    pub(super) fn touch(&self, object: &Object, touched: &mut Touched) {
        let meta = object.meta();
        let ns = &meta.namespace;
        match object {
            Object::Dragonfly(_) => {
                touched.instances.insert(self.instance_of(ns, &meta.name));
            }
            Object::Pod(_)
            | Object::StatefulSet(_)
            | Object::Service(_)
            | Object::EndpointSlice(_)
            | Object::Pvc(_) => match meta.labels.get("app") {
                Some(app) => {
                    touched.instances.insert(self.instance_of(ns, app));
                }
                None => touched
                    .instances
                    .extend(self.instance_by_object_name(ns, &meta.name)),
            },
            Object::Pdb(_) | Object::NetworkPolicy(_) | Object::ExistingPvc(_) => {
                // A policy may select any instance of its namespace, and any of them may have chosen the claim.
                touched
                    .instances
                    .extend(self.instances().filter(|id| id.namespace == *ns));
            }
            Object::Event(event) => {
                touched
                    .instances
                    .extend(self.instance_by_object_name(ns, &event.about_name));
                touched.shown = true;
            }
            Object::Crd(_)
            | Object::OperatorDeployment(_)
            | Object::OperatorPod(_)
            | Object::OperatorLease(_) => {
                touched.operators.insert(self.id.clone());
            }
        }
    }

    /// An operator's Lease that was renewed by who holds it already: every few seconds, and nothing else is told by it.
    pub(super) fn is_renewal(&self, object: &Object) -> bool {
        let Object::OperatorLease(lease) = object else {
            return false;
        };
        let before = self.leases.get(&lease.meta.namespace, &lease.meta.name);
        before.is_some_and(|before| before.value.holder == lease.holder)
    }

    /// An object whose `app` label changed also touches the instance that it belonged to.
    pub(super) fn touch_former(&self, object: &Object, touched: &mut Touched) {
        let meta = object.meta();
        let (ns, name) = (&*meta.namespace, &*meta.name);
        let former = match object {
            Object::Pod(_) => self.pods.get(ns, name).map(|h| &h.value.meta),
            Object::StatefulSet(_) => self.stateful_sets.get(ns, name).map(|h| &h.value.meta),
            Object::Service(_) => self.services.get(ns, name).map(|h| &h.value.meta),
            Object::EndpointSlice(_) => self.slices.get(ns, name).map(|h| &h.value.meta),
            Object::Pvc(_) => self.pvcs.get(ns, name).map(|h| &h.value.meta),
            _ => None,
        };
        if let Some(app) = former.and_then(|meta| meta.labels.get("app"))
            && meta.labels.get("app") != Some(app)
        {
            touched
                .instances
                .insert(self.instance_of(&meta.namespace, app));
        }
    }

    pub(super) fn put(&mut self, object: Object, at: Timestamp) {
        match object {
            Object::Crd(o) => self.crds.put(o, at),
            Object::Dragonfly(o) => self.dragonflies.put(o, at),
            Object::Pod(o) => {
                let key = (o.meta.namespace.clone(), o.meta.name.clone());
                if let Some(old) = self.pods.get(&key.0, &key.1).map(|held| held.value.clone()) {
                    let (from, to) = (old.label_role(), o.label_role());
                    if old.meta.uid != o.meta.uid {
                        self.note(&old, [Turn::Gone], at);
                    } else if from != to {
                        self.note(&o, [Turn::Label { from, to }], at);
                    }
                }
                if self
                    .engines
                    .get(&key)
                    .is_some_and(|engine| engine.uid != o.meta.uid)
                {
                    // Another pod of the same name: nothing its predecessor said is true of it.
                    self.engines.remove(&key);
                }
                match self.pods.get(&key.0, &key.1) {
                    Some(old) if old.value.meta.uid == o.meta.uid => {
                        if old.value.label_role() != o.label_role() {
                            self.relabelled.insert(key, at);
                        }
                    }
                    _ => {
                        self.relabelled.remove(&key);
                    }
                }
                self.pods.put(o, at);
            }
            Object::StatefulSet(o) => self.stateful_sets.put(o, at),
            Object::Service(o) => self.services.put(o, at),
            Object::EndpointSlice(o) => self.slices.put(o, at),
            Object::Pvc(o) => self.pvcs.put(o, at),
            Object::ExistingPvc(o) => self.existing_pvcs.put(o, at),
            Object::Pdb(o) => self.pdbs.put(o, at),
            Object::NetworkPolicy(o) => self.policies.put(o, at),
            Object::Event(o) => {
                self.events.put(o, at);
                self.forget_old_events();
            }
            Object::OperatorDeployment(o) => self.operators.put(o, at),
            Object::OperatorPod(o) => self.operator_pods.put(o, at),
            Object::OperatorLease(o) => {
                let key = (o.meta.namespace.clone(), o.meta.name.clone());
                match self.leases.get(&key.0, &key.1) {
                    Some(old) if old.value.meta.uid == o.meta.uid => {
                        if old.value.renewed != o.renewed {
                            self.renewals.insert(key, at);
                        }
                    }
                    _ => {
                        self.renewals.remove(&key);
                    }
                }
                self.leases.put(o, at);
            }
        }
    }

    pub(super) fn remove(
        &mut self,
        kind: Kind,
        namespace: &str,
        name: &str,
        at: Timestamp,
    ) -> Option<Object> {
        match kind {
            Kind::Crd => self.crds.remove(namespace, name).map(Object::Crd),
            Kind::Dragonfly => {
                let key = (Arc::from(namespace), Arc::from(name));
                self.comparisons.remove(&key);
                self.histories.remove(&key);
                self.dragonflies
                    .remove(namespace, name)
                    .map(Object::Dragonfly)
            }
            Kind::Pod => {
                let key = (Arc::from(namespace), Arc::from(name));
                if let Some(pod) = self
                    .pods
                    .get(namespace, name)
                    .map(|held| held.value.clone())
                {
                    self.note(&pod, [Turn::Gone], at);
                }
                self.engines.remove(&key);
                self.relabelled.remove(&key);
                self.pods.remove(namespace, name).map(Object::Pod)
            }
            Kind::StatefulSet => self
                .stateful_sets
                .remove(namespace, name)
                .map(Object::StatefulSet),
            Kind::Service => self.services.remove(namespace, name).map(Object::Service),
            Kind::EndpointSlice => self
                .slices
                .remove(namespace, name)
                .map(Object::EndpointSlice),
            Kind::Pvc => self.pvcs.remove(namespace, name).map(Object::Pvc),
            Kind::ExistingPvc => self
                .existing_pvcs
                .remove(namespace, name)
                .map(Object::ExistingPvc),
            Kind::Pdb => self.pdbs.remove(namespace, name).map(Object::Pdb),
            Kind::NetworkPolicy => self
                .policies
                .remove(namespace, name)
                .map(Object::NetworkPolicy),
            Kind::Event => self.events.remove(namespace, name).map(Object::Event),
            Kind::OperatorDeployment => self
                .operators
                .remove(namespace, name)
                .map(Object::OperatorDeployment),
            Kind::OperatorPod => self
                .operator_pods
                .remove(namespace, name)
                .map(Object::OperatorPod),
            Kind::OperatorLease => {
                let key = (Arc::from(namespace), Arc::from(name));
                self.renewals.remove(&key);
                self.leases
                    .remove(namespace, name)
                    .map(Object::OperatorLease)
            }
        }
    }

    pub(super) fn keys(&self, kind: Kind, scope: &Scope) -> Vec<(Arc<str>, Arc<str>)> {
        match kind {
            Kind::Crd => self.crds.keys(scope),
            Kind::Dragonfly => self.dragonflies.keys(scope),
            Kind::Pod => self.pods.keys(scope),
            Kind::StatefulSet => self.stateful_sets.keys(scope),
            Kind::Service => self.services.keys(scope),
            Kind::EndpointSlice => self.slices.keys(scope),
            Kind::Pvc => self.pvcs.keys(scope),
            Kind::ExistingPvc => self.existing_pvcs.keys(scope),
            Kind::Pdb => self.pdbs.keys(scope),
            Kind::NetworkPolicy => self.policies.keys(scope),
            Kind::Event => self.events.keys(scope),
            Kind::OperatorDeployment => self.operators.keys(scope),
            Kind::OperatorPod => self.operator_pods.keys(scope),
            Kind::OperatorLease => self.leases.keys(scope),
        }
    }

    /// Events are noise after an hour; a bound keeps a chatty namespace from growing without end.
    fn forget_old_events(&mut self) {
        const MOST: usize = 1_200;
        const KEPT: usize = 1_000;
        if self.events.len() <= MOST {
            return;
        }
        let mut by_age: Vec<_> = self
            .events
            .iter()
            .map(|held| {
                (
                    held.value.at,
                    held.value.meta.namespace.clone(),
                    held.value.meta.name.clone(),
                )
            })
            .collect();
        by_age.sort();
        for (_, namespace, name) in by_age.into_iter().take(MOST - KEPT) {
            self.events.remove(&namespace, &name);
        }
    }

    /// The record of the engine in the pod of that uid; `None` when that pod is gone, so late answers are dropped.
    pub(super) fn engine_of(&mut self, node: &NodeId, uid: &Arc<str>) -> Option<&mut EngineRecord> {
        let pod = self.pods.get(&node.namespace, &node.pod)?;
        if pod.value.meta.uid != *uid {
            return None;
        }
        let key = (node.namespace.clone(), node.pod.clone());
        Some(
            self.engines
                .entry(key)
                .or_insert_with(|| Box::new(EngineRecord::new(uid.clone()))),
        )
    }
}
