//! A store whose objects live elsewhere: what stands in it is put there by whoever keeps it equal to a real API server.
//!
//! In such a store nothing follows from a write. Numbers of versions are the server's, nobody collects garbage, and
//! nobody keeps a book of managers: all that is done where the objects live, and comes back from there.

use std::sync::Arc;

use serde_json::Value;

use super::object::Object;
use super::{Key, Store, id, object};
use crate::lab::resources::GroupResource;
use crate::lab::status::Status;

/// What becomes of an object, once somebody has looked at what stands in the store.
pub(in crate::lab) enum Settled {
    /// It stays as it is.
    Keep,
    /// It is this from now on.
    Put(Value),
    /// It is another object of that name: the old one goes first.
    Replace(Value),
    /// It is gone.
    Remove,
}

impl Store {
    /// Makes it a store of objects that live elsewhere.
    pub(in crate::lab) fn mirrored(self) -> Self {
        self.lock().mirrored = true;
        self
    }

    /// Looks at an object and decides what becomes of it, with nothing between. What stands there afterwards is given
    /// back. Do not use the store inside `decide`.
    ///
    /// # Errors
    /// 404 when the kind is not served.
    pub(in crate::lab) fn settle(
        &self,
        what: GroupResource<'_>,
        namespace: &str,
        name: &str,
        decide: impl FnOnce(Option<&Arc<Object>>) -> Settled,
    ) -> Result<Option<Arc<Object>>, Status> {
        let mut state = self.lock();
        let (id, key): (_, Key) = (id(what), (namespace.to_owned(), name.to_owned()));
        let there = state.table(what)?.objects.get(&key).cloned();
        let put = match decide(there.as_ref()) {
            Settled::Keep => return Ok(there),
            Settled::Remove => {
                state.remove(&id, &key);
                return Ok(None);
            }
            Settled::Put(value) => value,
            Settled::Replace(value) => {
                state.remove(&id, &key);
                value
            }
        };
        let revision = state.next_revision();
        Ok(state.put(&id, &put, revision))
    }

    /// An object of a kind that is served, without putting it anywhere.
    ///
    /// # Errors
    /// 404 when the kind is not served.
    pub(in crate::lab) fn shaped(
        &self,
        what: GroupResource<'_>,
        value: &Value,
    ) -> Result<Arc<Object>, Status> {
        let state = self.lock();
        let resource = &state.table(what)?.resource;
        Ok(Arc::new(Object::new(value, 0, resource)))
    }
}

impl super::State {
    /// Numbers the version of an object, unless another numbers it.
    pub(super) fn stamp(&self, value: &mut Value, revision: u64) {
        if !self.mirrored {
            object::set_revision(value, revision);
        }
    }
}
