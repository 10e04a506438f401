//! What the tasks of one context know of each other: which namespaces have an instance, which pods have an engine to
//! ask, and whether the CRD is there. Kept from the facts on their way out; the world is not asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::standing;
use crate::domain::fact::Scope;
use crate::domain::object::{ContainerState, Dragonfly, Pod};
use crate::domain::{Fact, Kind, Object, Role};

type Key = (Arc<str>, Arc<str>);

/// A pod with an engine that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Uid of the pod.
    pub(super) uid: Arc<str>,
    /// Name of the instance that it belongs to.
    pub(super) instance: Arc<str>,
}

/// What is to be known of an instance before its objects are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Traits {
    /// Its data port speaks TLS.
    speaks_tls: bool,
    /// It stores on a claim that its owner chose.
    names_claim: bool,
}

/// What a pod's object tells of its part in its instance.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    instance: Arc<str>,
    /// The role that its label says.
    role: Option<Role>,
    ready: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Roster {
    instances: BTreeMap<Key, Traits>,
    targets: BTreeMap<Key, Target>,
    /// Every pod of an instance, whether its engine runs or not.
    pods: BTreeMap<Key, Standing>,
    /// How often a role label or the readiness of a pod changed, by instance.
    stirred: BTreeMap<Key, u64>,
    /// Nodes that left a standing question unanswered in their last round, or are silent.
    troubled: BTreeSet<Key>,
    /// Raised whenever the CRD comes, changes or goes.
    pub(super) crd_changes: u64,
}

impl Roster {
    /// Kinds that are asked about namespace by namespace, each with where.
    pub(super) fn questions(&self) -> BTreeSet<(Arc<str>, Kind)> {
        let mut questions = BTreeSet::new();
        for ((namespace, _), traits) in &self.instances {
            let named: &[Kind] = match traits.names_claim {
                true => standing::WHERE_NAMED,
                false => &[],
            };
            let kinds = standing::PER_NAMESPACE.iter().chain(named);
            questions.extend(kinds.map(|kind| (namespace.clone(), *kind)));
        }
        questions
    }

    /// The data port of that instance speaks TLS, by its Dragonfly object.
    pub(super) fn speaks_tls(&self, namespace: &Arc<str>, instance: &Arc<str>) -> bool {
        let key = (namespace.clone(), instance.clone());
        self.instances
            .get(&key)
            .is_some_and(|traits| traits.speaks_tls)
    }

    /// Pods to ask, by namespace and name.
    pub(super) fn targets(&self) -> &BTreeMap<Key, Target> {
        &self.targets
    }

    /// Pods of an instance whose engines do not run.
    pub(super) fn idle(&self, namespace: &str, instance: &str) -> Vec<Arc<str>> {
        let of_it = self.pods.iter().filter(|(key, pod)| {
            &*key.0 == namespace && &*pod.instance == instance && !self.targets.contains_key(*key)
        });
        of_it.map(|((_, name), _)| name.clone()).collect()
    }

    /// How often a role label or the readiness of a pod of that instance changed before our eyes. When it does, what its
    /// engines said before is old, however young it is.
    pub(super) fn stirred(&self, namespace: &Arc<str>, instance: &Arc<str>) -> u64 {
        let key = (namespace.clone(), instance.clone());
        self.stirred.get(&key).copied().unwrap_or(0)
    }

    /// An engine of that instance says another role than before: what the others said is old.
    pub(super) fn stir(&mut self, namespace: &Arc<str>, instance: &Arc<str>) {
        let key = (namespace.clone(), instance.clone());
        *self.stirred.entry(key).or_default() += 1;
    }

    /// Takes note whether a node is in trouble, by what its last round came to; tells whether that is news.
    pub(super) fn trouble(
        &mut self,
        namespace: &Arc<str>,
        pod: &Arc<str>,
        is_troubled: bool,
    ) -> bool {
        let key = (namespace.clone(), pod.clone());
        let targets = &self.targets;
        self.troubled.retain(|key| targets.contains_key(key));
        match is_troubled {
            true => self.troubled.insert(key),
            false => self.troubled.remove(&key),
        }
    }

    /// A node of that instance is in trouble: what is usually asked only of an instance in view may tell why.
    pub(super) fn is_troubled(&self, namespace: &Arc<str>, instance: &Arc<str>) -> bool {
        self.troubled.iter().any(|key| {
            let target = self.targets.get(key);
            key.0 == *namespace && target.is_some_and(|target| target.instance == *instance)
        })
    }

    /// The instances of which a node is in trouble, by namespace and name.
    pub(super) fn troubled_instances(&self) -> BTreeSet<Key> {
        self.troubled
            .iter()
            .filter_map(|key| Some((key.0.clone(), self.targets.get(key)?.instance.clone())))
            .collect()
    }

    /// Takes note of a pod's role label and readiness; tells whether they are others than before.
    fn stand(&mut self, pod: &Pod) -> bool {
        let Some(app) = pod.meta.labels.get("app") else {
            return false;
        };
        let (namespace, instance): (_, Arc<str>) =
            (pod.meta.namespace.clone(), Arc::from(app.as_str()));
        let standing = Standing {
            instance: instance.clone(),
            role: pod.label_role(),
            ready: pod.is_ready(),
        };
        let key = (namespace.clone(), pod.meta.name.clone());
        let before = self.pods.insert(key, standing.clone());
        let changed = before.is_some_and(|before| before != standing);
        if changed {
            *self.stirred.entry((namespace, instance)).or_default() += 1;
        }
        changed
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
                instances.retain(|(ns, _), _| !scope.covers(ns));
                instances.extend(objects.iter().filter_map(|object| match object {
                    Object::Dragonfly(dragonfly) => Some((key(object), traits(dragonfly))),
                    _ => None,
                }));
                replace(&mut self.instances, instances)
            }
            Fact::Listed {
                kind: Kind::Pod,
                scope,
                objects,
                ..
            } => {
                let there: BTreeSet<Key> = objects.iter().map(key).collect();
                self.pods
                    .retain(|key, _| !scope.covers(&key.0) || there.contains(key));
                let mut stirred = false;
                for object in objects {
                    if let Object::Pod(pod) = object {
                        stirred |= self.stand(pod);
                    }
                }
                let mut targets = self.targets.clone();
                targets.retain(|(ns, _), _| !scope.covers(ns));
                targets.extend(objects.iter().filter_map(|object| match object {
                    Object::Pod(pod) => Some((key(object), target(pod)?)),
                    _ => None,
                }));
                replace(&mut self.targets, targets) | stirred
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
                Object::Dragonfly(dragonfly) => {
                    let traits = traits(dragonfly);
                    self.instances.insert(key(object), traits) != Some(traits)
                }
                Object::Pod(pod) => {
                    let changed = match target(pod) {
                        Some(target) => {
                            let old = self.targets.insert(key(object), target.clone());
                            old != Some(target)
                        }
                        None => self.targets.remove(&key(object)).is_some(),
                    };
                    self.stand(pod) | changed
                }
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
                    Kind::Dragonfly => self.instances.remove(&key).is_some(),
                    Kind::Pod => {
                        self.pods.remove(&key);
                        self.targets.remove(&key).is_some()
                    }
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

fn traits(dragonfly: &Dragonfly) -> Traits {
    let snapshot = dragonfly.snapshot.as_ref();
    Traits {
        speaks_tls: dragonfly.tls,
        names_claim: snapshot.is_some_and(|snapshot| snapshot.existing_claim.is_some()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ContextId;
    use crate::domain::object::Snapshot;

    #[test]
    fn claims_are_asked_about_only_where_one_is_named() {
        let seen = |namespace: &str, claim: Option<&str>| {
            let mut dragonfly = Dragonfly::default();
            dragonfly.meta.namespace = Arc::from(namespace);
            dragonfly.meta.name = Arc::from("orders");
            dragonfly.snapshot = Some(Snapshot {
                existing_claim: claim.map(str::to_owned),
                ..Snapshot::default()
            });
            Fact::Seen {
                context: ContextId::new("c"),
                object: Object::Dragonfly(Arc::new(dragonfly)),
            }
        };
        let mut roster = Roster::default();
        let asked = |roster: &Roster| -> Vec<String> {
            let questions = roster.questions();
            let named = questions
                .iter()
                .filter(|(_, kind)| standing::WHERE_NAMED.contains(kind));
            named.map(|(namespace, _)| namespace.to_string()).collect()
        };
        for (namespace, claim, wanted) in [
            ("shop", None, vec![]),
            ("mine", Some("disk"), vec!["mine"]),
            ("shop", Some("disk"), vec!["mine", "shop"]),
            ("mine", None, vec!["shop"]),
        ] {
            roster.note(&seen(namespace, claim));
            assert_eq!(asked(&roster), wanted);
        }
        assert_eq!(
            roster.questions().len(),
            2 * standing::PER_NAMESPACE.len() + 1
        );
    }

    #[test]
    fn a_role_label_that_changes_stirs_its_instance_and_no_other() {
        let (namespace, instance): (Arc<str>, Arc<str>) = (Arc::from("ns"), Arc::from("orders"));
        let seen = |role: Option<&str>| {
            let mut pod = Pod::default();
            pod.meta.namespace = namespace.clone();
            pod.meta.name = Arc::from("orders-0");
            pod.meta.labels.insert("app".into(), "orders".into());
            if let Some(role) = role {
                pod.meta.labels.insert("role".into(), role.into());
            }
            Fact::Seen {
                context: ContextId::new("c"),
                object: Object::Pod(Arc::new(pod)),
            }
        };
        let mut roster = Roster::default();
        for (role, times) in [
            (Some("replica"), 0),
            (Some("replica"), 0),
            (Some("master"), 1),
            (None, 2),
            (Some("replica"), 3),
        ] {
            roster.note(&seen(role));
            assert_eq!(roster.stirred(&namespace, &instance), times, "{role:?}");
        }
        assert_eq!(roster.stirred(&namespace, &Arc::from("other")), 0);
    }
}
