//! What an action is about, and how it was asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::object::ObjectId;
use crate::domain::{ContextId, InstanceId};

/// What an action is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// An instance.
    Instance(InstanceId),
    /// One object that is not an instance: the operator's Deployment, a workload, something of Flux, a claim.
    Object(ObjectId),
}

impl Target {
    /// Where it lives.
    pub fn context(&self) -> &ContextId {
        match self {
            Target::Instance(id) => &id.context,
            Target::Object(object) => &object.context,
        }
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Arc<str> {
        match self {
            Target::Instance(id) => &id.namespace,
            Target::Object(object) => &object.namespace,
        }
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        match self {
            Target::Instance(id) => &id.name,
            Target::Object(object) => &object.name,
        }
    }

    /// The name of the Lease beside it by which runs exclude each other: `darner-orders`, and for what is no instance with its
    /// kind: `darner-deployment-operator`.
    pub fn lock(&self) -> String {
        match self {
            Target::Instance(id) => format!("darner-{}", id.name),
            Target::Object(object) => {
                format!("darner-{}-{}", object.resource.singular(), object.name)
            }
        }
    }

    /// The whole address, as it is typed where data may be lost: `infra/shop/orders`.
    pub fn address(&self) -> String {
        let (context, name) = (self.context(), self.name());
        match self.namespace() {
            namespace if namespace.is_empty() => format!("{context}/{name}"),
            namespace => format!("{context}/{namespace}/{name}"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Instance(id) => id.fmt(f),
            Target::Object(object) if object.namespace.is_empty() => object.fmt(f),
            Target::Object(object) => {
                write!(
                    f,
                    "{} {}/{}",
                    object.resource.kind, object.namespace, object.name
                )
            }
        }
    }
}

/// How an action was asked for, by the names of [`super::ArgDoc`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Args(BTreeMap<&'static str, String>);

impl Args {
    /// Sets one.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.insert(name, value.into());
    }

    /// The same, in passing.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether a switch is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value != "false")
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}
