//! What is read only while somebody needs it: objects of kinds that nobody watches, logs, the use of volumes.
//!
//! A screen that is shown (or a check that runs) names what it needs as [`Want`]s; the machine room reads it while it is
//! wanted, at most once a minute, and tells it as facts. What nobody wants any more is forgotten after a while.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fact::Scope;
use super::id::ContextId;
use super::object::Meta;

/// Kinds that are listed now and then rather than watched. Their objects are kept as trimmed JSON, and read by whoever
/// asked for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each variant is the kind of its name")]
pub enum Foreign {
    ClusterRole,
    ClusterRoleBinding,
    Pod,
    Role,
    RoleBinding,
    StorageClass,
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
    /// There are many of them, so they are read page by page rather than from the server's cache, and of their metadata only
    /// what names them and their owner is kept.
    pub many: bool,
}

impl Foreign {
    /// Every kind.
    pub const ALL: &[Foreign] = &[
        Foreign::ClusterRole,
        Foreign::ClusterRoleBinding,
        Foreign::Pod,
        Foreign::Role,
        Foreign::RoleBinding,
        Foreign::StorageClass,
    ];

    /// What there is to know of it.
    pub fn doc(self) -> &'static ForeignDoc {
        const fn rbac(
            resource: &'static str,
            words: &'static str,
            namespaced: bool,
            kept: &'static [&'static [&'static str]],
        ) -> ForeignDoc {
            ForeignDoc {
                group: "rbac.authorization.k8s.io",
                versions: &["v1"],
                resource,
                namespaced,
                words,
                kept,
                many: false,
            }
        }
        const RULES: &[&[&str]] = &[&["rules"]];
        const BINDING: &[&[&str]] = &[&["roleRef"], &["subjects"]];
        const CLUSTER_ROLE: ForeignDoc = rbac("clusterroles", "ClusterRoles", false, RULES);
        const CLUSTER_BINDING: ForeignDoc =
            rbac("clusterrolebindings", "ClusterRoleBindings", false, BINDING);
        const ROLE: ForeignDoc = rbac("roles", "Roles", true, RULES);
        const BINDINGS: ForeignDoc = rbac("rolebindings", "RoleBindings", true, BINDING);
        const STORAGE_CLASS: ForeignDoc = ForeignDoc {
            group: "storage.k8s.io",
            versions: &["v1"],
            resource: "storageclasses",
            namespaced: false,
            words: "StorageClasses",
            kept: &[
                &["provisioner"],
                &["allowVolumeExpansion"],
                &["volumeBindingMode"],
                &["reclaimPolicy"],
            ],
            many: false,
        };
        // Whose a client's address is.
        const POD: ForeignDoc = ForeignDoc {
            group: "",
            versions: &["v1"],
            resource: "pods",
            namespaced: true,
            words: "pods",
            kept: &[
                &["status", "podIP"],
                &["status", "podIPs"],
                &["status", "phase"],
                &["spec", "nodeName"],
                &["spec", "hostNetwork"],
            ],
            many: true,
        };
        match self {
            Foreign::ClusterRole => &CLUSTER_ROLE,
            Foreign::ClusterRoleBinding => &CLUSTER_BINDING,
            Foreign::Pod => &POD,
            Foreign::Role => &ROLE,
            Foreign::RoleBinding => &BINDINGS,
            Foreign::StorageClass => &STORAGE_CLASS,
        }
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
}

impl Want {
    /// The context it is about.
    pub fn context(&self) -> &ContextId {
        match self {
            Want::Objects { context, .. } | Want::Volumes { context, .. } => context,
            Want::Log(log) => &log.context,
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
