//! Names of things. Every id carries its context: nothing in the house has a "current" one.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A kubeconfig context, by its name there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContextId(Arc<str>);

impl ContextId {
    /// The id of the context of that name.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(Arc::from(name.as_ref()))
    }

    /// The name as the kubeconfig spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One `Dragonfly` custom resource and all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId {
    /// Where it lives.
    pub context: ContextId,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl InstanceId {
    /// The instance `namespace/name` of a context.
    pub fn new(context: ContextId, namespace: impl AsRef<str>, name: impl AsRef<str>) -> Self {
        Self {
            context,
            namespace: Arc::from(namespace.as_ref()),
            name: Arc::from(name.as_ref()),
        }
    }
}

impl fmt::Display for InstanceId {
    /// `namespace/name`, as people address it; the context is shown beside it where several are open.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// One Dragonfly pod as an engine, addressed by its pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Where it lives.
    pub context: ContextId,
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// The pod's name.
    pub pod: Arc<str>,
}

impl NodeId {
    /// The node behind the pod `namespace/pod` of a context.
    pub fn new(context: ContextId, namespace: impl AsRef<str>, pod: impl AsRef<str>) -> Self {
        Self {
            context,
            namespace: Arc::from(namespace.as_ref()),
            pod: Arc::from(pod.as_ref()),
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.pod)
    }
}

/// The kinds that are watched. A kind here is one standing question to the API server, which is why the operator's
/// own pods are a kind apart from Dragonfly pods: they are asked for by another label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The CustomResourceDefinition `dragonflies.dragonflydb.io`.
    Crd,
    /// `dragonflydb.io/v1alpha1` Dragonfly.
    Dragonfly,
    /// Pods labelled `app.kubernetes.io/name=dragonfly`.
    Pod,
    /// StatefulSets the operator made.
    StatefulSet,
    /// Services the operator made.
    Service,
    /// EndpointSlices of those Services.
    EndpointSlice,
    /// Claims of Dragonfly pods.
    Pvc,
    /// Claims in namespaces that have an instance with a claim of its owner's choice (`existingPersistentVolumeClaimName`,
    /// operator v1.4.0 and later): they carry no label of the operator's.
    ExistingPvc,
    /// PodDisruptionBudgets in namespaces that have an instance.
    Pdb,
    /// NetworkPolicies in namespaces that have an instance.
    NetworkPolicy,
    /// Events in namespaces that have an instance.
    Event,
    /// The operator's Deployment.
    OperatorDeployment,
    /// The operator's pods.
    OperatorPod,
    /// The operator's leader Lease, `31079dea.dragonflydb.io`.
    OperatorLease,
}

impl Kind {
    /// Every kind, in the order in which they are shown.
    pub const ALL: &[Kind] = &[
        Kind::Crd,
        Kind::Dragonfly,
        Kind::Pod,
        Kind::StatefulSet,
        Kind::Service,
        Kind::EndpointSlice,
        Kind::Pvc,
        Kind::ExistingPvc,
        Kind::Pdb,
        Kind::NetworkPolicy,
        Kind::Event,
        Kind::OperatorDeployment,
        Kind::OperatorPod,
        Kind::OperatorLease,
    ];

    /// The plural resource name, as rights and `kubectl` spell it.
    pub fn resource(self) -> &'static str {
        match self {
            Kind::Crd => "customresourcedefinitions",
            Kind::Dragonfly => "dragonflies",
            Kind::Pod | Kind::OperatorPod => "pods",
            Kind::StatefulSet => "statefulsets",
            Kind::Service => "services",
            Kind::EndpointSlice => "endpointslices",
            Kind::Pvc | Kind::ExistingPvc => "persistentvolumeclaims",
            Kind::Pdb => "poddisruptionbudgets",
            Kind::NetworkPolicy => "networkpolicies",
            Kind::Event => "events",
            Kind::OperatorDeployment => "deployments",
            Kind::OperatorLease => "leases",
        }
    }

    /// The API group, empty for the core group.
    pub fn group(self) -> &'static str {
        match self {
            Kind::Crd => "apiextensions.k8s.io",
            Kind::Dragonfly => "dragonflydb.io",
            Kind::Pod
            | Kind::OperatorPod
            | Kind::Service
            | Kind::Pvc
            | Kind::ExistingPvc
            | Kind::Event => "",
            Kind::StatefulSet | Kind::OperatorDeployment => "apps",
            Kind::EndpointSlice => "discovery.k8s.io",
            Kind::Pdb => "policy",
            Kind::NetworkPolicy => "networking.k8s.io",
            Kind::OperatorLease => "coordination.k8s.io",
        }
    }

    /// What the kind is to a reader: "pods", "operator lease".
    pub fn words(self) -> &'static str {
        match self {
            Kind::Crd => "CRD",
            Kind::Dragonfly => "Dragonfly objects",
            Kind::Pod => "Dragonfly pods",
            Kind::StatefulSet => "StatefulSets",
            Kind::Service => "Services",
            Kind::EndpointSlice => "EndpointSlices",
            Kind::Pvc => "PVCs",
            Kind::ExistingPvc => "existing PVCs",
            Kind::Pdb => "PodDisruptionBudgets",
            Kind::NetworkPolicy => "NetworkPolicies",
            Kind::Event => "events",
            Kind::OperatorDeployment => "operator Deployment",
            Kind::OperatorPod => "operator pods",
            Kind::OperatorLease => "operator Lease",
        }
    }
}

/// One object of a watched kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// Where it lives.
    pub context: ContextId,
    /// Which standing question it answers.
    pub kind: Kind,
    /// Its namespace, empty for cluster-wide kinds.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}
