//! Changes, and following them.

use std::sync::Arc;

use tokio::sync::watch;

use super::object::Object;
use super::{Store, id};
use crate::lab::resources::GroupResource;
use crate::lab::status::Status;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// Created.
    Added,
    /// Written.
    Modified,
    /// Removed.
    Deleted,
}

/// One change of one object. Shared by all watchers.
#[derive(Debug)]
pub struct Change {
    /// What happened.
    pub happened: Happened,
    /// The object after it; of a removal the last state, with the revision of the removal.
    pub object: Arc<Object>,
    /// The object before it; `None` for [`Happened::Added`].
    pub before: Option<Arc<Object>>,
}

/// Follows one kind. Holds no queue: it reads the shared history, and when it reads too late it gets 410.
pub struct Watch {
    store: Store,
    group: String,
    plural: String,
    namespace: Option<String>,
    seen: u64,
    latest: watch::Receiver<u64>,
}

impl Watch {
    pub(super) fn new(
        store: Store,
        what: GroupResource<'_>,
        namespace: Option<&str>,
        seen: u64,
        latest: watch::Receiver<u64>,
    ) -> Self {
        let (group, plural) = id(what);
        Self {
            store,
            group,
            plural,
            namespace: namespace.map(str::to_owned),
            seen,
            latest,
        }
    }

    /// Everything up to this revision has been returned.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// What has happened since the last call; empty when nothing has.
    ///
    /// # Errors
    /// 410 when the history no longer reaches back; 404 when the kind is gone.
    pub fn drain(&mut self) -> Result<Vec<Arc<Change>>, Status> {
        self.latest.borrow_and_update();
        let state = self.store.lock();
        let table = state.table(GroupResource::new(&self.group, &self.plural))?;
        if self.seen < table.floor {
            return Err(Status::expired(self.seen, table.floor));
        }
        let start = table
            .history
            .partition_point(|change| change.object.revision <= self.seen);
        let changes = table
            .history
            .range(start..)
            .filter(|change| {
                self.namespace
                    .as_ref()
                    .is_none_or(|of| *of == change.object.namespace)
            })
            .cloned()
            .collect();
        self.seen = self.seen.max(state.revision);
        Ok(changes)
    }

    /// Waits until something happened and returns it; never empty.
    ///
    /// # Errors
    /// As [`Watch::drain`].
    pub async fn next(&mut self) -> Result<Vec<Arc<Change>>, Status> {
        loop {
            let changes = self.drain()?;
            if !changes.is_empty() {
                return Ok(changes);
            }
            if self.latest.changed().await.is_err() {
                return Err(Status::no_such_resource());
            }
        }
    }
}
