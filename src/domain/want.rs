//! What is read only while somebody needs it: objects of kinds that nobody watches, logs, the use of volumes.
//!
//! A screen that is shown (or a check that runs) names what it needs as [`Want`]s; the machine room reads it while it is
//! wanted: at most once a minute, or as soon as it is seen to change ([`Foreign::upkeep`]). What nobody wants any more is
//! forgotten after a while.

mod kinds;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fact::Scope;
use super::id::{ContextId, InstanceId};
use super::monitoring::{Query, Told};
use super::object::Meta;

/// Kinds that are listed while somebody needs them rather than followed at all times. Their objects are kept as trimmed JSON,
/// and read by whoever asked for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each variant is the kind of its name")]
pub enum Foreign {
    CiliumClusterwideNetworkPolicy,
    CiliumConfig,
    CiliumNetworkPolicy,
    ClusterRole,
    ClusterRoleBinding,
    ClusterSecretStore,
    Deployment,
    ExternalSecret,
    GitRepository,
    HelmRelease,
    HelmRepository,
    Kustomization,
    MetricsService,
    Namespace,
    NetworkPolicy,
    Node,
    OciRepository,
    Pod,
    PodDisruptionBudget,
    PodMonitor,
    PrometheusRule,
    Role,
    RoleBinding,
    Secret,
    SecretStore,
    Service,
    ServiceMonitor,
    StatefulSet,
    StorageClass,
    VmPodScrape,
    VmRule,
    VmServiceScrape,
}

/// What there is to know of such a kind before it is asked about.
#[derive(Debug, PartialEq, Eq)]
pub struct ForeignDoc {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Versions that are understood, the preferred one first: an API server may serve only a later one.
    pub versions: &'static [&'static str],
    /// Plural resource name.
    pub resource: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// What it is to a reader.
    pub words: &'static str,
    /// Paths of what is kept of an object, besides its metadata.
    pub kept: &'static [&'static [&'static str]],
    /// How it is read.
    pub reading: How,
}

/// How objects of a kind are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// All of a cluster (or of the namespaces that a context is confined to), and followed while they are wanted.
    Whole,
    /// The same, namespace by namespace: of these a cluster has many that nobody asks about.
    Near,
    /// There are many of them, so they are read page by page rather than from the server's cache, and of their metadata
    /// mostly only what names them and their owner is kept.
    Many,
    /// Only the one object of that namespace and name.
    Only(&'static str, &'static str),
    /// All of a cluster. Their status changes all the time, what is kept of them hardly ever.
    Slow,
    /// Namespace by namespace, and their metadata alone: what they hold never leaves the API server. They are never
    /// followed.
    Metadata,
}

/// How a list is kept up to date while it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// A watch tells when it has changed; then it is read again.
    Followed,
    /// It is read again every few seconds.
    Soon,
    /// It is read again now and then.
    Slow,
}

impl How {
    /// Whether all of a cluster are read at once.
    pub fn is_whole(self) -> bool {
        matches!(self, How::Whole | How::Many | How::Slow | How::Only(..))
    }
}

impl Foreign {
    /// Every kind.
    pub const ALL: &[Foreign] = &[
        Foreign::CiliumClusterwideNetworkPolicy,
        Foreign::CiliumConfig,
        Foreign::CiliumNetworkPolicy,
        Foreign::ClusterRole,
        Foreign::ClusterRoleBinding,
        Foreign::ClusterSecretStore,
        Foreign::Deployment,
        Foreign::ExternalSecret,
        Foreign::GitRepository,
        Foreign::HelmRelease,
        Foreign::HelmRepository,
        Foreign::Kustomization,
        Foreign::MetricsService,
        Foreign::Namespace,
        Foreign::NetworkPolicy,
        Foreign::Node,
        Foreign::OciRepository,
        Foreign::Pod,
        Foreign::PodDisruptionBudget,
        Foreign::PodMonitor,
        Foreign::PrometheusRule,
        Foreign::Role,
        Foreign::RoleBinding,
        Foreign::Secret,
        Foreign::SecretStore,
        Foreign::Service,
        Foreign::ServiceMonitor,
        Foreign::StatefulSet,
        Foreign::StorageClass,
        Foreign::VmPodScrape,
        Foreign::VmRule,
        Foreign::VmServiceScrape,
    ];

    /// How it is kept up to date while it is wanted. What hardly ever changes, and what changes all the time, is followed only
    /// while it is `judged` before somebody's eyes: it would be one more right to be granted, and one more watch.
    pub fn upkeep(self, judged: bool) -> Upkeep {
        let is_steady = matches!(
            self,
            Foreign::ClusterRole
                | Foreign::ClusterRoleBinding
                | Foreign::Role
                | Foreign::RoleBinding
                | Foreign::StorageClass
        );
        match self.doc().reading {
            How::Metadata if judged => Upkeep::Soon,
            How::Metadata => Upkeep::Slow,
            How::Whole | How::Near | How::Only(..) if !is_steady => Upkeep::Followed,
            _ if judged => Upkeep::Followed,
            _ => Upkeep::Slow,
        }
    }

    /// What there is to know of it.
    pub fn doc(self) -> &'static ForeignDoc {
        kinds::doc(self)
    }
}

/// An object of such a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignObject {
    /// Its metadata.
    pub meta: Meta,
    /// What is kept of it, in its own structure; every text in it is safe to draw.
    pub body: Value,
}

impl ForeignObject {
    /// Whether nothing of what is kept differs, but for its revision.
    pub fn reads_as(&self, other: &Self) -> bool {
        let revision = other.meta.revision.clone();
        self.body == other.body
            && Meta {
                revision,
                ..self.meta.clone()
            } == other.meta
    }
}

/// All that somebody needs beside the standing questions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// What is read.
    pub wants: BTreeSet<Want>,
    /// Instances each of whose nodes is asked for its clients (CLIENT LIST), which is otherwise asked of one in view or in
    /// trouble. Its answers are the engines' own facts.
    pub clients: BTreeSet<InstanceId>,
    /// A screen that judges is shown: what is read is to be a few seconds old at most.
    pub judged: bool,
}

/// Something that is read while somebody needs it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Want {
    /// All objects of a kind.
    Objects {
        /// Where.
        context: ContextId,
        /// Which kind.
        what: Foreign,
        /// Over what.
        scope: Scope,
    },
    /// How full the volumes of the pods on a machine are, by its kubelet's word (right: `get nodes/proxy`).
    Volumes {
        /// Where.
        context: ContextId,
        /// The machine.
        machine: Arc<str>,
    },
    /// A container's log, followed.
    Log(LogId),
    /// An answer of a metrics store, through the API server's proxy to its Service.
    Metrics(Query),
}

impl Want {
    /// The context it is about.
    pub fn context(&self) -> &ContextId {
        match self {
            Want::Objects { context, .. } | Want::Volumes { context, .. } => context,
            Want::Log(log) => &log.context,
            Want::Metrics(query) => &query.store.context,
        }
    }
}

impl Want {
    /// What it is, to a reader: `StorageClasses of infra`.
    pub fn words(&self) -> String {
        match self {
            Want::Objects {
                context,
                what,
                scope,
            } => match scope {
                Scope::Cluster => format!("{} of {context}", what.doc().words),
                Scope::Namespace(namespace) => {
                    format!("{} in {namespace} of {context}", what.doc().words)
                }
            },
            Want::Volumes { context, machine } => {
                format!("the use of volumes on {machine} of {context}")
            }
            Want::Log(log) => format!(
                "the log of {}/{} in {}",
                log.namespace, log.pod, log.context
            ),
            Want::Metrics(query) => query.words(),
        }
    }
}

/// A container's log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// Where.
    pub context: ContextId,
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// The pod.
    pub pod: Arc<str>,
    /// The container.
    pub container: Arc<str>,
}

/// What was read for a want.
#[derive(Debug, Clone, PartialEq)]
pub enum Fetched {
    /// All objects of a kind, in place of those read before.
    Objects {
        /// The objects.
        objects: Arc<[ForeignObject]>,
        /// There are more than are kept.
        more: bool,
    },
    /// The volumes of a machine's pods.
    Volumes(Vec<VolumeUse>),
    /// The log is open; its lines come by themselves.
    Log,
    /// What a metrics store answered.
    Metrics(Told),
}

/// How full a pod's volume is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumeUse {
    /// The claim's namespace.
    pub namespace: Arc<str>,
    /// The claim's name.
    pub claim: Arc<str>,
    /// Bytes in use.
    pub used: Option<u64>,
    /// Bytes of the file system.
    pub capacity: Option<u64>,
    /// When the kubelet measured it, by its clock.
    pub measured: Option<Timestamp>,
}
