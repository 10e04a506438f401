//! Deletion: at once, or marked while grace, finalizers or dependents are left.

use std::sync::Arc;

use serde_json::Value;

use super::collect::FOREGROUND;
use super::object::{self, Object};
use super::write::{Expect, text};
use super::{Id, Key, State, Store, id};
use crate::lab::clock;
use crate::lab::resources::{GroupResource, NAMESPACES, PODS};
use crate::lab::status::Status;

/// What becomes of the objects that the deleted one owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Propagation {
    /// They are deleted afterwards.
    #[default]
    Background,
    /// They are deleted first; until then the owner stays, marked.
    Foreground,
    /// They stay, and forget their owner.
    Orphan,
}

/// How to delete.
#[derive(Clone, Debug, Default)]
pub struct Delete {
    /// Seconds of grace; `None` is the object's own (`terminationGracePeriodSeconds` of a pod, else 0).
    pub grace: Option<u64>,
    /// What becomes of dependents.
    pub propagation: Propagation,
    /// Refused with 409 unless the object is this one.
    pub expect: Expect,
    /// Check everything but delete nothing.
    pub dry_run: bool,
}

impl Delete {
    /// At once, without grace.
    pub fn now() -> Self {
        Self {
            grace: Some(0),
            ..Self::default()
        }
    }
}

/// What a deletion did.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// The object is gone; its last state.
    Gone(Arc<Object>),
    /// The object is marked and waits for its kubelet, finalizers or dependents.
    Marked(Arc<Object>),
}

impl Store {
    /// Deletes one object: marks it while grace, finalizers or dependents are left, else removes it and whatever it
    /// owns.
    ///
    /// # Errors
    /// 404, 409 when a precondition fails.
    pub fn delete(
        &self,
        what: GroupResource<'_>,
        namespace: &str,
        name: &str,
        how: &Delete,
    ) -> Result<Deleted, Status> {
        let now = self.now();
        let mut state = self.lock();
        let key: Key = (namespace.to_owned(), name.to_owned());
        let table = state.table(what)?;
        let before = table
            .objects
            .get(&key)
            .cloned()
            .ok_or_else(|| Status::not_found(what, name))?;
        how.expect.check_delete(&table.resource, name, &before)?;
        let mark = state.mark(&id(what), &before, how.grace, how.propagation, now);
        let gone = |before: Arc<Object>| {
            if what == PODS {
                ended(&before, now)
            } else {
                before
            }
        };
        if how.dry_run {
            return Ok(match mark {
                Some(value) => Deleted::Marked(Arc::new(Object::new(
                    &value,
                    before.revision,
                    before.resource(),
                ))),
                None => Deleted::Gone(gone(before)),
            });
        }
        let marked = state.delete(&id(what), &key, how.grace, how.propagation, now);
        Ok(match marked {
            Some(object) => Deleted::Marked(object),
            None => Deleted::Gone(gone(before)),
        })
    }
}

/// A pod that goes without grace is answered as if it had been given none.
fn ended(pod: &Object, now: jiff::Timestamp) -> Arc<Object> {
    let mut value = pod.value();
    let meta = object::metadata(&mut value);
    if text(meta, "deletionTimestamp").is_empty() {
        meta.insert("deletionTimestamp".into(), clock::seconds(now).into());
        if let Some(count) = meta.get("generation").and_then(Value::as_u64) {
            meta.insert("generation".into(), (count + 1).into());
        }
    }
    meta.insert("deletionGracePeriodSeconds".into(), 0.into());
    Arc::new(Object::new(&value, pod.revision, pod.resource()))
}

impl State {
    /// What an object looks like once its deletion has been asked for and something still holds it; `None` when nothing
    /// does and it can go at once.
    fn mark(
        &self,
        id: &Id,
        before: &Object,
        grace: Option<u64>,
        propagation: Propagation,
        now: jiff::Timestamp,
    ) -> Option<Value> {
        let mut value = before.value();
        let is = |what: GroupResource<'_>| id.0 == what.group && id.1 == what.plural;
        let grace = if is(PODS) {
            pod_grace(&value, grace)
        } else {
            0
        };
        let mut finalizers = before.finalizers.clone();
        if propagation == Propagation::Foreground
            && !finalizers.iter().any(|have| have == FOREGROUND)
        {
            finalizers.push(FOREGROUND.to_owned());
        }
        if grace == 0 && finalizers.is_empty() && !is(NAMESPACES) {
            return None;
        }
        let meta = object::metadata(&mut value);
        let first = text(meta, "deletionTimestamp").is_empty();
        let left = meta
            .get("deletionGracePeriodSeconds")
            .and_then(Value::as_u64);
        // A second deletion can shorten the grace, never lengthen it.
        if first || left.is_some_and(|left| grace < left) {
            let until = now
                .checked_add(jiff::SignedDuration::from_secs(grace.cast_signed()))
                .unwrap_or(now);
            meta.insert("deletionTimestamp".into(), clock::seconds(until).into());
            meta.insert("deletionGracePeriodSeconds".into(), grace.into());
        }
        // The registry counts the mark as a change of what is wanted.
        if let (true, Some(count)) = (first, meta.get("generation").and_then(Value::as_u64)) {
            meta.insert("generation".into(), (count + 1).into());
        }
        if !finalizers.is_empty() {
            meta.insert("finalizers".into(), finalizers.into());
        }
        if is(NAMESPACES)
            && let Some(status) = value.get_mut("status").and_then(Value::as_object_mut)
        {
            status.insert("phase".into(), "Terminating".into());
        }
        Some(value)
    }

    /// Deletes; the marked object, when something still held it.
    pub(super) fn delete(
        &mut self,
        id: &Id,
        key: &Key,
        grace: Option<u64>,
        propagation: Propagation,
        now: jiff::Timestamp,
    ) -> Option<Arc<Object>> {
        let before = self
            .tables
            .get(id)
            .and_then(|table| table.objects.get(key))
            .cloned()?;
        if propagation == Propagation::Orphan {
            self.orphan(&before.uid);
        }
        let Some(mut value) = self.mark(id, &before, grace, propagation, now) else {
            self.remove_and_collect(id, key, propagation, now);
            return None;
        };
        let mut marked = Some(Arc::clone(&before));
        if value != before.value() {
            let revision = self.next_revision();
            self.stamp(&mut value, revision);
            marked = self.put(id, &value, revision);
        }
        if propagation == Propagation::Foreground {
            self.delete_dependents(&before.uid, propagation, now);
        }
        if id.0 == NAMESPACES.group && id.1 == NAMESPACES.plural {
            self.empty_namespace(&key.1, now);
        }
        self.finish_deletion(id, key);
        marked
    }
}

/// A pod keeps its grace only where a kubelet will end it: scheduled and not finished.
fn pod_grace(pod: &Value, asked: Option<u64>) -> u64 {
    let scheduled = pod
        .pointer("/spec/nodeName")
        .and_then(Value::as_str)
        .is_some_and(|node| !node.is_empty());
    let phase = pod
        .pointer("/status/phase")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !scheduled || phase == "Succeeded" || phase == "Failed" {
        return 0;
    }
    let own = pod
        .pointer("/spec/terminationGracePeriodSeconds")
        .and_then(Value::as_u64);
    asked.or(own).unwrap_or(30)
}
