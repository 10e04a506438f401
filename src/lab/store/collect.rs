//! Garbage collection: what follows the deletion of an owner, a finalizer or a namespace.
//!
//! In a real cluster controllers do this within fractions of a second; here it follows the write at once, each step with
//! a revision of its own.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::delete::Propagation;
use super::object;
use super::{Id, Key, State};
use crate::lab::resources::{DEFINITIONS, NAMESPACES};

/// The finalizer of a foreground deletion.
pub(super) const FOREGROUND: &str = "foregroundDeletion";

impl State {
    /// Removes a marked object once nothing holds it any more.
    pub(super) fn finish_deletion(&mut self, id: &Id, key: &Key) {
        let Some(object) = self
            .tables
            .get(id)
            .and_then(|table| table.objects.get(key))
            .cloned()
        else {
            return;
        };
        // What lives elsewhere is removed from there.
        if !object.deleting || self.mirrored {
            return;
        }
        let now = self.clock.now();
        if object
            .finalizers
            .iter()
            .any(|finalizer| finalizer == FOREGROUND)
            && !self.blocked(&object.uid)
        {
            let mut value = object.value();
            let left: Vec<String> = object
                .finalizers
                .iter()
                .filter(|f| *f != FOREGROUND)
                .cloned()
                .collect();
            let meta = object::metadata(&mut value);
            if left.is_empty() {
                meta.remove("finalizers");
            } else {
                meta.insert("finalizers".into(), left.into());
            }
            let revision = self.next_revision();
            object::set_revision(&mut value, revision);
            self.put(id, &value, revision);
            self.finish_deletion(id, key);
            return;
        }
        let is_namespace = id.0 == NAMESPACES.group && id.1 == NAMESPACES.plural;
        let grace = object
            .value()
            .pointer("/metadata/deletionGracePeriodSeconds")
            .and_then(Value::as_u64);
        let held = !object.finalizers.is_empty()
            || grace.unwrap_or(0) > 0
            || (is_namespace && self.namespace_has_content(&key.1));
        if !held {
            self.remove_and_collect(id, key, Propagation::Background, now);
        }
    }

    /// Removes an object and follows the references to and from it.
    pub(super) fn remove_and_collect(
        &mut self,
        id: &Id,
        key: &Key,
        propagation: Propagation,
        now: Timestamp,
    ) {
        if self.mirrored {
            self.remove(id, key);
            return;
        }
        if id.0 == DEFINITIONS.group && id.1 == DEFINITIONS.plural {
            self.delete_instances(key, now);
        }
        let Some(gone) = self.remove(id, key) else {
            return;
        };
        if propagation == Propagation::Background {
            self.delete_dependents(&gone.uid, Propagation::Background, now);
        }
        for owner in &gone.owners {
            self.finish_owner(owner);
        }
        let namespaces = super::id(NAMESPACES);
        if !gone.namespace.is_empty() {
            self.finish_deletion(&namespaces, &(String::new(), gone.namespace.clone()));
        }
    }

    /// Deletes what `owner` owns, unless another living owner holds it.
    pub(super) fn delete_dependents(
        &mut self,
        owner: &str,
        propagation: Propagation,
        now: Timestamp,
    ) {
        let dependents: Vec<(Id, Key)> = self
            .dependents
            .get(owner)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        for (id, key) in dependents {
            let Some(object) = self
                .tables
                .get(&id)
                .and_then(|table| table.objects.get(&key))
            else {
                continue;
            };
            let others = object.owners.clone();
            if others
                .iter()
                .any(|other| other != owner && self.lives(other))
            {
                self.forget_owner(&id, &key, owner);
                continue;
            }
            // A foreground deletion goes on as one only where there is something below to wait for.
            let leaf = self
                .dependents
                .get(&object.uid)
                .is_none_or(BTreeSet::is_empty);
            let how = if leaf {
                Propagation::Background
            } else {
                propagation
            };
            self.delete(&id, &key, None, how, now);
        }
    }

    /// Takes the reference to `owner` from everything it owns.
    pub(super) fn orphan(&mut self, owner: &str) {
        let dependents: Vec<(Id, Key)> = self
            .dependents
            .get(owner)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        for (id, key) in dependents {
            self.forget_owner(&id, &key, owner);
        }
    }

    fn forget_owner(&mut self, id: &Id, key: &Key, owner: &str) {
        let Some(object) = self.tables.get(id).and_then(|table| table.objects.get(key)) else {
            return;
        };
        let mut value = object.value();
        let meta = object::metadata(&mut value);
        if let Some(references) = meta
            .get_mut("ownerReferences")
            .and_then(Value::as_array_mut)
        {
            references
                .retain(|reference| reference.get("uid").and_then(Value::as_str) != Some(owner));
            if references.is_empty() {
                meta.remove("ownerReferences");
            }
        }
        let revision = self.next_revision();
        object::set_revision(&mut value, revision);
        self.put(id, &value, revision);
    }

    /// Whether a dependent with `blockOwnerDeletion` is left.
    fn blocked(&self, owner: &str) -> bool {
        self.dependents
            .get(owner)
            .into_iter()
            .flatten()
            .any(|(id, key)| {
                let object = self.tables.get(id).and_then(|table| table.objects.get(key));
                object.is_some_and(|object| {
                    let value = object.value();
                    let references = value
                        .pointer("/metadata/ownerReferences")
                        .and_then(Value::as_array);
                    references.into_iter().flatten().any(|reference| {
                        reference.get("uid").and_then(Value::as_str) == Some(owner)
                            && reference.get("blockOwnerDeletion").and_then(Value::as_bool)
                                == Some(true)
                    })
                })
            })
    }

    fn lives(&self, uid: &str) -> bool {
        self.tables.values().any(|table| {
            table
                .objects
                .values()
                .any(|object| object.uid == uid && !object.deleting)
        })
    }

    fn finish_owner(&mut self, uid: &str) {
        let found = self.tables.iter().find_map(|(id, table)| {
            let (key, _) = table
                .objects
                .iter()
                .find(|(_, object)| object.uid == uid && object.deleting)?;
            Some((id.clone(), key.clone()))
        });
        if let Some((id, key)) = found {
            self.finish_deletion(&id, &key);
        }
    }

    fn namespace_has_content(&self, namespace: &str) -> bool {
        self.tables
            .values()
            .any(|table| table.objects.keys().any(|(of, _)| of == namespace))
    }

    /// Deletes everything in a namespace.
    pub(super) fn empty_namespace(&mut self, namespace: &str, now: Timestamp) {
        let content: Vec<(Id, Key)> = self
            .tables
            .iter()
            .flat_map(|(id, table)| {
                table
                    .objects
                    .keys()
                    .map(move |key| (id.clone(), key.clone()))
            })
            .filter(|(_, (of, _))| of == namespace)
            .collect();
        for (id, key) in content {
            self.delete(&id, &key, None, Propagation::Background, now);
        }
    }

    /// Deletes the objects of a kind whose definition goes.
    fn delete_instances(&mut self, definition: &Key, now: Timestamp) {
        // A definition is named `PLURAL.GROUP`.
        let Some((plural, group)) = definition.1.split_once('.') else {
            return;
        };
        let id = (group.to_owned(), plural.to_owned());
        let keys: Vec<Key> = self
            .tables
            .get(&id)
            .map(|table| table.objects.keys().cloned().collect())
            .unwrap_or_default();
        for key in keys {
            self.delete(&id, &key, None, Propagation::Background, now);
        }
    }
}
