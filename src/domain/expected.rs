//! What the fleet is to be, by its owner's word: who consumes which instance, how many pods that is to have, where the metrics
//! are. What is *expected* comes from the settings; nothing in a cluster says it.

use std::sync::Arc;

use super::id::{ContextId, InstanceId};

/// Everything that the settings expect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected {
    /// What instances are to be.
    pub instances: Vec<ExpectedInstance>,
    /// Who consumes them, and who must not.
    pub consumers: Vec<Consumer>,
    /// Where metrics are kept.
    pub stores: Vec<StoreAddress>,
}

impl Expected {
    /// What is expected of an instance.
    pub fn instance(&self, id: &InstanceId) -> Option<&ExpectedInstance> {
        self.instances.iter().find(|one| one.instance.is(id))
    }

    /// The consumers of an instance, those that must not reach it among them.
    pub fn consumers_of<'a>(
        &'a self,
        id: &'a InstanceId,
    ) -> impl Iterator<Item = &'a Consumer> + 'a {
        self.consumers.iter().filter(|one| one.instance.is(id))
    }

    /// The consumer of that id.
    pub fn consumer(&self, id: &ConsumerId) -> Option<&Consumer> {
        self.consumers.iter().find(|one| one.id == *id)
    }
}

/// An instance as the settings name it: `NAMESPACE/NAME`, or `CONTEXT/NAMESPACE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstanceName {
    /// The context; `None` for any that has it.
    pub context: Option<ContextId>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl InstanceName {
    /// From what was written. Names of contexts may hold slashes themselves.
    pub fn of(written: &str) -> Option<Self> {
        let (rest, name) = written.rsplit_once('/')?;
        let (context, namespace) = match rest.rsplit_once('/') {
            Some((context, namespace)) => (Some(context), namespace),
            None => (None, rest),
        };
        if name.is_empty() || namespace.is_empty() || context == Some("") {
            return None;
        }
        Some(Self {
            context: context.map(ContextId::new),
            namespace: Arc::from(namespace),
            name: Arc::from(name),
        })
    }

    /// Whether it means that instance.
    pub fn is(&self, id: &InstanceId) -> bool {
        self.namespace == id.namespace
            && self.name == id.name
            && self.context.as_ref().is_none_or(|one| *one == id.context)
    }
}

impl std::fmt::Display for InstanceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(context) = &self.context {
            write!(f, "{context}/")?;
        }
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What an instance is to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExpectedInstance {
    /// Which.
    pub instance: InstanceName,
    /// Pods that it is to have, the master included; `None` leaves it to the Dragonfly object.
    pub replicas: Option<u64>,
    /// Whose it is, where it serves one tenant alone; empty for one that is shared on purpose.
    pub tenant: String,
    /// It is shared by several tenants on purpose.
    pub shared: bool,
}

/// Names a consumer: a name of its own beside context and namespace, so that one workload may use two instances.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerId {
    /// The context that it runs in.
    pub context: ContextId,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name, as the settings call it.
    pub name: Arc<str>,
}

impl std::fmt::Display for ConsumerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A workload that uses an instance, or one that must not reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Which.
    pub id: ConsumerId,
    /// What it uses.
    pub instance: InstanceName,
    /// Host name by which it connects, such as `dragonfly.dragonfly-system.svc.cluster.local`; empty where it is not told.
    pub host: String,
    /// Port that it connects to; the data port, 6379, where it is not told.
    pub port: u16,
    /// Labels of its pods, for policies that select by them; empty for a pod without labels.
    pub labels: std::collections::BTreeMap<String, String>,
    /// `Deployment/NAME`, `StatefulSet/NAME` or `HelmRelease/NAME` in whose definition the host name is looked for; empty for
    /// none.
    pub workload: String,
    /// Whose workload it is; empty where that is not told.
    pub tenant: String,
    /// It must not reach the instance.
    pub denied: bool,
}

/// Where the metrics of a context are kept: a Service that speaks the query API of Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAddress {
    /// The context whose metrics they are.
    pub context: ContextId,
    /// The context that the store runs in; mostly the same.
    pub at: ContextId,
    /// Namespace of the Service.
    pub namespace: Arc<str>,
    /// Its name.
    pub service: Arc<str>,
    /// Its port, as name or number; empty for the usual one of what it is.
    pub port: Arc<str>,
    /// What comes before `/api/v1/query`, such as `/select/0/prometheus`; empty for nothing.
    pub path: Arc<str>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_instance_is_named_with_or_without_its_context() {
        let id = InstanceId::new(
            ContextId::new("arn:aws:eks:cluster/infra"),
            "shop",
            "orders",
        );
        for (written, wanted) in [
            ("shop/orders", Some(true)),
            ("arn:aws:eks:cluster/infra/shop/orders", Some(true)),
            ("apps/shop/orders", Some(false)),
            ("shop/carts", Some(false)),
            ("orders", None),
            ("/orders", None),
            ("shop/", None),
            ("/shop/orders", None),
        ] {
            let name = InstanceName::of(written);
            assert_eq!(name.as_ref().map(|name| name.is(&id)), wanted, "{written}");
            if let Some(name) = name {
                assert_eq!(name.to_string(), written);
            }
        }
    }
}
