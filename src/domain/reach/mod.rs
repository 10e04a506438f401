//! Who may talk to whom: NetworkPolicies of Kubernetes and of Cilium, simulated for one connection at a time.
//!
//! A connection is judged twice: where it leaves (egress, by the policies of the cluster of whoever opens it) and where it
//! arrives (ingress, by those of the other). Pods that no policy selects are open; once one selects them for a direction, only
//! what some rule admits passes; rules of all policies add up; a deny rule of Cilium wins over all of them. What is not
//! understood, or not known, makes an answer *unknown*, never a guess.
//!
//! Policies are compiled once, when they are read ([`Compiled`]), and asked often ([`reach`]). Never: reading, deciding what should be.
//!
//! Sources: the API of `networking.k8s.io/v1`, Cilium's policy language (v1.14 to v1.19), and what each does across a mesh:
//! Cilium up to v1.18 takes a peer for pods of every cluster of the mesh, from v1.19 for those of its own, unless
//! `policy-default-local-cluster` says otherwise.

mod block;
mod cilium;
mod fit;
mod judgement;
mod kubernetes;
mod picker;
mod rule;

#[cfg(test)]
mod tests;

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::id::ContextId;
use super::version::Version;

pub use judgement::{Compiled, Outcome, Policies, Reach, Side, reach};
pub use rule::{Kind, PolicyName, Protocol, Rule};

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// What it is.
    pub what: What,
    /// The context that it is in; empty for what is outside of all of them.
    pub context: ContextId,
    /// What Cilium calls its cluster; `None` where that is not known.
    pub cluster: Option<Arc<str>>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Labels of that namespace; `None` where they are not known.
    pub namespace_labels: Option<BTreeMap<String, String>>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its address, where one is known.
    pub address: Option<IpAddr>,
    /// Its named ports; `None` where they are not known.
    pub ports: Option<Vec<(String, u16)>>,
}

/// What an end of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A pod with a network of its own.
    Pod,
    /// A pod in the network of its machine: policies do not select it, and see it as its machine.
    Host,
    /// Something outside of the clusters.
    Outside,
}

impl End {
    /// A pod of that namespace with these labels; what else is known of it is put in by whoever knows.
    pub fn pod(
        context: &ContextId,
        namespace: &str,
        labels: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self {
            what: What::Pod,
            context: context.clone(),
            cluster: None,
            namespace: Arc::from(namespace),
            namespace_labels: None,
            labels: labels.into_iter().collect(),
            address: None,
            ports: None,
        }
    }

    /// Anything outside of the clusters, whatever its address.
    pub fn outside() -> Self {
        Self {
            what: What::Outside,
            ..Self::pod(&ContextId::new(""), "", [])
        }
    }
}

/// What is known of the network of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Whether Cilium makes it.
    pub cilium: Cilium,
}

/// Whether Cilium makes the network of a cluster, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cilium {
    /// It is not known, and why.
    Unknown(String),
    /// There are no settings of Cilium's in the cluster.
    Absent,
    /// It does.
    Present(CiliumSettings),
}

impl Default for Cilium {
    fn default() -> Self {
        Cilium::Unknown("its settings have not been read".to_owned())
    }
}

/// Settings of Cilium's that decide what policies mean (ConfigMap `cilium-config`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CiliumSettings {
    /// `cluster-name`.
    pub cluster: Option<Arc<str>>,
    /// `policy-default-local-cluster`.
    pub local_by_default: Option<bool>,
    /// `enable-policy`: `default`, `always`, `never`.
    pub enforcement: String,
    /// Its version, by the image of its operator.
    pub version: Option<Version>,
}

/// Which clusters a peer without a cluster of its own speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spans {
    /// All of the mesh.
    All(String),
    /// The policy's own, and why.
    Own(String),
    /// It is not known, and why.
    Unknown(String),
}

/// The first version of Cilium in which a peer is of the policy's own cluster unless it says otherwise.
pub const LOCAL_SINCE: Version = Version(1, 19, 0);

impl Network {
    /// Which clusters a peer speaks of that names none.
    pub fn spans(&self) -> Spans {
        let settings = match &self.cilium {
            Cilium::Unknown(why) => return Spans::Unknown(why.clone()),
            Cilium::Absent => {
                return Spans::Own(
                    "without Cilium a peer can only be a pod of the policy's own cluster"
                        .to_owned(),
                );
            }
            Cilium::Present(settings) => settings,
        };
        const KEY: &str = "policy-default-local-cluster";
        match (settings.local_by_default, settings.version) {
            (Some(true), _) => Spans::Own(format!(
                "{KEY} is true, so that a peer which names no cluster is of the policy's own only"
            )),
            (Some(false), _) => Spans::All(format!("{KEY} is false")),
            (None, Some(version)) if version < LOCAL_SINCE => Spans::All(format!(
                "Cilium {version} takes a peer for pods of every cluster of the mesh"
            )),
            (None, Some(version)) => Spans::Own(format!(
                "Cilium {version} takes a peer which names no cluster for pods of the policy's own only"
            )),
            (None, None) => Spans::Unknown(format!(
                "{KEY} is not set, and which version of Cilium runs is not known: up to v1.18 a peer is a pod of any cluster, from {LOCAL_SINCE} of its own only"
            )),
        }
    }

    /// Whether Cilium makes it, where that is known.
    pub fn is_cilium(&self) -> Option<bool> {
        match &self.cilium {
            Cilium::Unknown(_) => None,
            Cilium::Absent => Some(false),
            Cilium::Present(_) => Some(true),
        }
    }

    /// What Cilium calls the cluster; it says `default` where nobody named it.
    pub fn cluster(&self) -> Option<Arc<str>> {
        match &self.cilium {
            Cilium::Present(settings) => Some(
                settings
                    .cluster
                    .clone()
                    .unwrap_or_else(|| Arc::from("default")),
            ),
            Cilium::Unknown(_) | Cilium::Absent => None,
        }
    }
}
