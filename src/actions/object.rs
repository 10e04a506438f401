//! What a step changes: one object of one cluster, by the path under which its API server serves it.

use std::fmt;
use std::sync::Arc;

use crate::domain::{ContextId, Foreign, InstanceId, NodeId};

/// A kind of objects, as its API server serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Plural name, as rights spell it.
    pub plural: &'static str,
    /// Kind, as a manifest spells it.
    pub kind: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

const fn resource(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
) -> Resource {
    Resource {
        group,
        version,
        plural,
        kind,
        namespaced: true,
    }
}

impl Resource {
    /// Pods.
    pub const POD: Self = resource("", "v1", "pods", "Pod");
    /// Claims.
    pub const PVC: Self = resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim");
    /// Dragonfly objects.
    pub const DRAGONFLY: Self = resource("dragonflydb.io", "v1alpha1", "dragonflies", "Dragonfly");
    /// Deployments.
    pub const DEPLOYMENT: Self = resource("apps", "v1", "deployments", "Deployment");
    /// StatefulSets.
    pub const STATEFUL_SET: Self = resource("apps", "v1", "statefulsets", "StatefulSet");
    /// Leases.
    pub const LEASE: Self = resource("coordination.k8s.io", "v1", "leases", "Lease");
    /// Events.
    pub const EVENT: Self = resource("events.k8s.io", "v1", "events", "Event");
    /// StorageClasses.
    pub const STORAGE_CLASS: Self = Resource {
        namespaced: false,
        ..resource("storage.k8s.io", "v1", "storageclasses", "StorageClass")
    };
    /// A folder in a container: no object of an API server, and only ever read.
    pub const FOLDER: Self = resource("", "", "folders", "folder");
    /// Machines.
    pub const NODE: Self = Resource {
        namespaced: false,
        ..resource("", "v1", "nodes", "Node")
    };

    /// A kind of Flux, in the version that is preferred.
    pub fn of_flux(what: Foreign) -> Option<Self> {
        let doc = what.doc();
        Some(resource(
            doc.group,
            doc.versions.first()?,
            doc.resource,
            crate::checks::flux::kind(what),
        ))
    }

    /// Which kind of Flux it is of.
    pub fn flux(&self) -> Option<Foreign> {
        crate::checks::flux::KINDS
            .iter()
            .copied()
            .find(|what| what.doc().group == self.group && what.doc().resource == self.plural)
    }

    /// The same kind in every version that is understood, its own first: an API server may serve only another one.
    pub fn served(self) -> impl Iterator<Item = Self> {
        let others = self.flux().map_or(&[][..], |what| what.doc().versions);
        let others = others
            .iter()
            .filter(move |version| **version != self.version);
        std::iter::once(self).chain(others.map(move |version| Self { version, ..self }))
    }

    /// The kind of a manifest in small letters, as kubectl takes it: `statefulset`, `helmrelease`.
    pub fn singular(&self) -> String {
        self.kind.to_lowercase()
    }
}

/// One object of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// Where it lives.
    pub context: ContextId,
    /// Of which kind.
    pub resource: Resource,
    /// Its namespace; empty where it has none.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl ObjectId {
    /// An object in a namespace.
    pub fn new(
        context: &ContextId,
        resource: Resource,
        namespace: impl AsRef<str>,
        name: impl AsRef<str>,
    ) -> Self {
        Self {
            context: context.clone(),
            resource,
            namespace: Arc::from(namespace.as_ref()),
            name: Arc::from(name.as_ref()),
        }
    }

    /// The pod of a node.
    pub fn pod(node: &NodeId) -> Self {
        Self::new(&node.context, Resource::POD, &node.namespace, &node.pod)
    }

    /// It, in the version in which its API server gave it.
    pub fn as_read(&self, value: &serde_json::Value) -> Self {
        let given = value.get("apiVersion").and_then(serde_json::Value::as_str);
        let version = given.and_then(|given| given.rsplit('/').next());
        let resource = self
            .resource
            .served()
            .find(|one| Some(one.version) == version);
        Self {
            resource: resource.unwrap_or(self.resource),
            ..self.clone()
        }
    }

    /// The Dragonfly object of an instance.
    pub fn dragonfly(id: &InstanceId) -> Self {
        Self::new(&id.context, Resource::DRAGONFLY, &id.namespace, &id.name)
    }

    /// Where its API server serves objects of its kind: `/api/v1/namespaces/shop/pods`.
    pub fn collection(&self) -> String {
        let Resource {
            group,
            version,
            plural,
            namespaced,
            ..
        } = self.resource;
        let root = match group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        match namespaced {
            true => format!("{root}/namespaces/{}/{plural}", self.namespace),
            false => format!("{root}/{plural}"),
        }
    }

    /// Where its API server serves it: `/api/v1/namespaces/shop/pods/orders-0`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.name)
    }

    /// As kubectl is told of it: `pod/orders-0`, `dragonfly.dragonflydb.io/orders` where the kind alone might be another's.
    pub fn spelled(&self) -> String {
        let kind = self.resource.singular();
        match self.resource.group {
            "" | "apps" => format!("{kind}/{}", self.name),
            group => format!("{kind}.{group}/{}", self.name),
        }
    }
}

impl fmt::Display for ObjectId {
    /// `pod orders-0`, `Dragonfly orders`: the namespace is said once, by the sentence around it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.resource.plural {
            "pods" => write!(f, "pod {}", self.name),
            "nodes" => write!(f, "machine {}", self.name),
            _ => write!(f, "{} {}", self.resource.kind, self.name),
        }
    }
}
