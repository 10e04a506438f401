//! Objects of one kind by namespace and name, with an optional second index.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::fact::Scope;
use crate::domain::object::{self, Meta};

type Key = (Arc<str>, Arc<str>);

/// An object and when it came to our notice.
#[derive(Debug, Clone)]
pub struct Held<T> {
    /// The object as it is now.
    pub value: Arc<T>,
    /// When an object of this uid was first seen by us.
    pub first_seen: Timestamp,
    /// When it last changed before our eyes; the same as `first_seen` until then.
    pub changed: Timestamp,
}

/// Objects of one kind.
#[derive(Debug, Clone)]
pub struct Shelf<T> {
    held: BTreeMap<Key, Held<T>>,
    group_of: Option<fn(&T) -> Option<&str>>,
    groups: BTreeMap<Key, BTreeSet<Arc<str>>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            held: BTreeMap::new(),
            group_of: None,
            groups: BTreeMap::new(),
        }
    }
}

impl<T: HasMeta + PartialEq> Shelf<T> {
    /// A shelf that can be asked for all objects of a group within a namespace.
    pub fn grouped(group_of: fn(&T) -> Option<&str>) -> Self {
        Self {
            held: BTreeMap::new(),
            group_of: Some(group_of),
            groups: BTreeMap::new(),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// All, by namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = &Held<T>> {
        self.held.values()
    }

    /// All of one namespace, by name.
    pub fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &Held<T>> + use<'_, T> {
        let namespace: Arc<str> = Arc::from(namespace);
        let from = (namespace.clone(), Arc::from(""));
        self.held
            .range(from..)
            .take_while(move |((ns, _), _)| *ns == namespace)
            .map(|(_, held)| held)
    }

    /// One.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Held<T>> {
        self.held.get(&(Arc::from(namespace), Arc::from(name)))
    }

    /// All of one group, by name.
    pub fn group(&self, namespace: &str, group: &str) -> impl Iterator<Item = &Held<T>> {
        let namespace: Arc<str> = Arc::from(namespace);
        let names = self.groups.get(&(namespace.clone(), Arc::from(group)));
        names
            .into_iter()
            .flatten()
            .filter_map(move |name| self.held.get(&(namespace.clone(), name.clone())))
    }

    /// Keys within a scope.
    pub fn keys(&self, scope: &Scope) -> Vec<Key> {
        self.held
            .keys()
            .filter(|(ns, _)| scope.covers(ns))
            .cloned()
            .collect()
    }

    /// Puts an object in place of the one of its name.
    pub fn put(&mut self, value: Arc<T>, at: Timestamp) {
        let meta = value.meta();
        let key = (meta.namespace.clone(), meta.name.clone());
        let (first_seen, changed) = match self.held.get(&key) {
            Some(old) if old.value.meta().uid == meta.uid => (
                old.first_seen,
                if *old.value == *value {
                    old.changed
                } else {
                    at
                },
            ),
            _ => (at, at),
        };
        self.unindex(&key);
        if let Some(group) = self.group_of.and_then(|of| of(&value)) {
            self.groups
                .entry((key.0.clone(), Arc::from(group)))
                .or_default()
                .insert(key.1.clone());
        }
        self.held.insert(
            key,
            Held {
                value,
                first_seen,
                changed,
            },
        );
    }

    /// Takes one away.
    pub fn remove(&mut self, namespace: &str, name: &str) -> Option<Arc<T>> {
        let key = (Arc::from(namespace), Arc::from(name));
        self.unindex(&key);
        self.held.remove(&key).map(|held| held.value)
    }

    fn unindex(&mut self, key: &Key) {
        let (Some(of), Some(old)) = (self.group_of, self.held.get(key)) else {
            return;
        };
        let Some(group) = of(&old.value) else { return };
        let group = (key.0.clone(), Arc::from(group));
        if let Some(names) = self.groups.get_mut(&group) {
            names.remove(&key.1);
            if names.is_empty() {
                self.groups.remove(&group);
            }
        }
    }
}

/// An object with metadata.
pub trait HasMeta {
    /// Its metadata.
    fn meta(&self) -> &Meta;
}

macro_rules! has_meta {
    ($($kind:ident),*) => {
        $(impl HasMeta for object::$kind {
            fn meta(&self) -> &Meta {
                &self.meta
            }
        })*
    };
}

has_meta!(
    Crd,
    Dragonfly,
    Pod,
    StatefulSet,
    Service,
    EndpointSlice,
    Pvc,
    Pdb,
    NetworkPolicy,
    Event,
    Deployment,
    Lease
);
