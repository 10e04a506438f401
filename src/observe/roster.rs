//! What the tasks of one context know of each other: which namespaces have an instance, which pods have an engine to
//! ask, and whether the CRD is there. Kept from the facts on their way out; the world is not asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::fact::Scope;
use crate::domain::object::{ContainerState, Pod};
use crate::domain::{Fact, Kind, Object};

type Key = (Arc<str>, Arc<str>);

/// A pod with an engine that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Uid of the pod.
    pub(super) uid: Arc<str>,
    /// Name of the instance that it belongs to.
    pub(super) instance: Arc<str>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Roster {
    instances: BTreeSet<Key>,
    targets: BTreeMap<Key, Target>,
    /// Raised whenever the CRD comes, changes or goes.
    pub(super) crd_changes: u64,
}

impl Roster {
    /// Namespaces that have an instance.
    pub(super) fn namespaces(&self) -> BTreeSet<Arc<str>> {
        self.instances.iter().map(|(ns, _)| ns.clone()).collect()
    }

    /// Pods to ask, by namespace and name.
    pub(super) fn targets(&self) -> &BTreeMap<Key, Target> {
        &self.targets
    }

    /// Takes a fact into account; tells whether anything changed.
    pub(super) fn note(&mut self, fact: &Fact) -> bool {
        match fact {
            Fact::Listed {
                kind: Kind::Dragonfly,
                scope,
                objects,
                ..
            } => {
                let mut instances = self.instances.clone();
                instances.retain(|(ns, _)| !scope.covers(ns));
                instances.extend(objects.iter().map(key));
                replace(&mut self.instances, instances)
            }
            Fact::Listed {
                kind: Kind::Pod,
                scope,
                objects,
                ..
            } => {
                let mut targets = self.targets.clone();
                targets.retain(|(ns, _), _| !scope.covers(ns));
                targets.extend(objects.iter().filter_map(|object| match object {
                    Object::Pod(pod) => Some((key(object), target(pod)?)),
                    _ => None,
                }));
                replace(&mut self.targets, targets)
            }
            Fact::Unwatched {
                kind: Kind::Pod,
                scope,
                ..
            } => self.forget_targets(scope),
            Fact::Listed {
                kind: Kind::Crd, ..
            } => {
                self.crd_changes += 1;
                true
            }
            Fact::Seen { object, .. } => match object {
                Object::Dragonfly(_) => self.instances.insert(key(object)),
                Object::Pod(pod) => match target(pod) {
                    Some(target) => {
                        let old = self.targets.insert(key(object), target.clone());
                        old != Some(target)
                    }
                    None => self.targets.remove(&key(object)).is_some(),
                },
                Object::Crd(_) => {
                    self.crd_changes += 1;
                    true
                }
                _ => false,
            },
            Fact::Gone {
                kind,
                namespace,
                name,
                ..
            } => {
                let key = (namespace.clone(), name.clone());
                match kind {
                    Kind::Dragonfly => self.instances.remove(&key),
                    Kind::Pod => self.targets.remove(&key).is_some(),
                    Kind::Crd => {
                        self.crd_changes += 1;
                        true
                    }
                    _ => false,
                }
            }
            _ => false,
        }
    }

    fn forget_targets(&mut self, scope: &Scope) -> bool {
        let before = self.targets.len();
        self.targets.retain(|(ns, _), _| !scope.covers(ns));
        self.targets.len() != before
    }
}

fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let changed = *old != new;
    *old = new;
    changed
}

fn key(object: &Object) -> Key {
    let meta = object.meta();
    (meta.namespace.clone(), meta.name.clone())
}

/// The engine in a pod, if it has one that can be asked: the operator's label names its instance, it has an address,
/// and its container runs. A pod that is being deleted is asked to its end.
fn target(pod: &Pod) -> Option<Target> {
    let instance = pod.meta.labels.get("app").filter(|app| !app.is_empty())?;
    pod.ip.as_ref()?;
    match pod.container("dragonfly")?.state {
        ContainerState::Running { .. } => Some(Target {
            uid: pod.meta.uid.clone(),
            instance: Arc::from(instance.as_str()),
        }),
        _ => None,
    }
}
