//! What one lab cluster holds: objects, their revisions and the recent history of their changes.
//!
//! [`Store`] behaves as etcd and the registry of an API server do together: every write gets the next revision of the
//! cluster, creation fills in `uid`, `creationTimestamp`, `resourceVersion` and (where the kind has one) `generation`, a
//! write that changes nothing is none, deletion honours grace, finalizers and owner references, and watches read a
//! bounded history, so that a slow or late watcher really meets `410 Expired`.
//!
//! Objects are kept as JSON text with a small index beside it: a parsed pod needs some ten times the memory, and lists
//! and watches only pass the text on.
//!
//! Simulated controllers write whole objects with [`Store::update`]; the separation of `spec` and `status` into
//! subresources is the HTTP front's affair.

mod change;
mod collect;
mod delete;
mod fields;
mod mirrored;
mod object;
mod write;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

pub use change::{Change, Happened, Watch};
pub use delete::{Delete, Deleted, Propagation};
pub use fields::{FieldSet, Owned};
pub(in crate::lab) use fields::{entries, item_step, leaves};
pub(in crate::lab) use mirrored::Settled;
pub use object::Object;
pub(in crate::lab) use object::{map, metadata, partial};
pub(in crate::lab) use write::check_name;
pub use write::{Expect, Writer};

use super::clock::Clock;
use super::resources::{self, DEFINITIONS, GroupResource, NAMESPACES, Resource};
use super::status::Status;

/// How many changes of one kind are kept for watches.
pub const HISTORY: usize = 2000;

/// The revision of an empty cluster: as if it had lived before, so that small numbers are forgotten ones.
const FIRST: u64 = 1000;

/// The objects of one cluster. Cloning shares them.
#[derive(Clone)]
pub struct Store {
    state: Arc<Mutex<State>>,
    clock: Clock,
}

/// Namespace (empty when cluster-scoped) and name.
type Key = (String, String);
type Id = (String, String);

struct State {
    tables: BTreeMap<Id, Table>,
    revision: u64,
    history: usize,
    /// Objects by the uid of an owner.
    dependents: BTreeMap<String, BTreeSet<(Id, Key)>>,
    random: Random,
    clock: Clock,
    /// Whether its objects live elsewhere.
    mirrored: bool,
}

struct Table {
    resource: Arc<Resource>,
    objects: BTreeMap<Key, Arc<Object>>,
    history: VecDeque<Arc<Change>>,
    /// Watches may start at this revision or later.
    floor: u64,
    latest: watch::Sender<u64>,
}

/// A list and the revision it was true at: watch from there.
#[derive(Clone, Debug)]
pub struct Listed {
    /// In order of namespace and name, as etcd sorts keys.
    pub items: Vec<Arc<Object>>,
    /// Revision of the cluster at the time.
    pub revision: u64,
}

impl Store {
    /// An empty cluster that serves the built-in kinds. The same seed gives the same uids and generated names.
    pub fn new(seed: u64, clock: Clock) -> Self {
        let mut state = State {
            tables: BTreeMap::new(),
            revision: FIRST,
            history: HISTORY,
            dependents: BTreeMap::new(),
            random: Random(seed),
            clock: clock.clone(),
            mirrored: false,
        };
        for resource in resources::built_in() {
            state.serve(resource);
        }
        Self {
            state: Arc::new(Mutex::new(state)),
            clock,
        }
    }

    /// Keeps `changes` changes of each kind instead of [`HISTORY`].
    pub fn with_history(self, changes: usize) -> Self {
        self.lock().history = changes.max(1);
        self
    }

    /// The time in this lab.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The lab's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The revision of the latest write.
    pub fn revision(&self) -> u64 {
        self.lock().revision
    }

    /// Every kind that is served at present.
    pub fn resources(&self) -> Vec<Arc<Resource>> {
        self.lock()
            .tables
            .values()
            .map(|table| Arc::clone(&table.resource))
            .collect()
    }

    /// One served kind.
    pub fn resource(&self, what: GroupResource<'_>) -> Option<Arc<Resource>> {
        self.lock()
            .tables
            .get(&id(what))
            .map(|table| Arc::clone(&table.resource))
    }

    /// One object. `namespace` is empty for cluster-scoped kinds.
    ///
    /// # Errors
    /// 404.
    pub fn get(
        &self,
        what: GroupResource<'_>,
        namespace: &str,
        name: &str,
    ) -> Result<Arc<Object>, Status> {
        let state = self.lock();
        let table = state.table(what)?;
        let found = table.objects.get(&(namespace.to_owned(), name.to_owned()));
        found.cloned().ok_or_else(|| Status::not_found(what, name))
    }

    /// All objects of a kind, in one namespace or in all.
    ///
    /// # Errors
    /// 404 when the kind is not served.
    pub fn list(&self, what: GroupResource<'_>, namespace: Option<&str>) -> Result<Listed, Status> {
        let state = self.lock();
        let table = state.table(what)?;
        let items = match namespace {
            None => table.objects.values().cloned().collect(),
            Some(namespace) => table
                .objects
                .range((namespace.to_owned(), String::new())..)
                .take_while(|((of, _), _)| of == namespace)
                .map(|(_, object)| Arc::clone(object))
                .collect(),
        };
        Ok(Listed {
            items,
            revision: state.revision,
        })
    }

    /// [`Store::list`] as it was at an earlier revision, found by undoing the changes since.
    ///
    /// # Errors
    /// 410 when history does not reach back that far.
    pub fn list_at(
        &self,
        what: GroupResource<'_>,
        namespace: Option<&str>,
        revision: u64,
    ) -> Result<Listed, Status> {
        let state = self.lock();
        let table = state.table(what)?;
        if revision < table.floor {
            return Err(Status::expired(revision, table.floor));
        }
        let mut objects: BTreeMap<&Key, &Arc<Object>> = table.objects.iter().collect();
        let keys: Vec<(Key, Arc<Change>)> = table
            .history
            .iter()
            .rev()
            .take_while(|change| change.object.revision > revision)
            .map(|change| {
                (
                    (change.object.namespace.clone(), change.object.name.clone()),
                    Arc::clone(change),
                )
            })
            .collect();
        for (key, change) in &keys {
            match &change.before {
                Some(before) => objects.insert(key, before),
                None => objects.remove(key),
            };
        }
        let items = objects
            .into_iter()
            .filter(|((of, _), _)| namespace.is_none_or(|namespace| of == namespace))
            .map(|(_, object)| Arc::clone(object))
            .collect();
        Ok(Listed { items, revision })
    }

    /// The objects of a kind that carry all of `labels`; empty when the kind is not served.
    pub fn labelled(
        &self,
        what: GroupResource<'_>,
        namespace: Option<&str>,
        labels: &[(&str, &str)],
    ) -> Vec<Arc<Object>> {
        let mut items = self
            .list(what, namespace)
            .map(|listed| listed.items)
            .unwrap_or_default();
        items.retain(|object| {
            labels
                .iter()
                .all(|(key, value)| object.label(key) == Some(value))
        });
        items
    }

    /// Follows a kind from after revision `since` (`None`: from now on).
    ///
    /// # Errors
    /// 410 when history no longer reaches back to `since`, 404 when the kind is not served.
    pub fn watch(
        &self,
        what: GroupResource<'_>,
        namespace: Option<&str>,
        since: Option<u64>,
    ) -> Result<Watch, Status> {
        let state = self.lock();
        let table = state.table(what)?;
        let since = since.unwrap_or(state.revision);
        if since < table.floor {
            return Err(Status::expired(since, table.floor));
        }
        Ok(Watch::new(
            self.clone(),
            what,
            namespace,
            since,
            table.latest.subscribe(),
        ))
    }

    /// Forgets all history: whoever watches from a revision of before now gets 410.
    pub fn expire_history(&self) {
        let mut state = self.lock();
        // One step ahead, so that even a watcher that has seen everything cannot resume.
        state.revision += 1;
        let revision = state.revision;
        for table in state.tables.values_mut() {
            table.history.clear();
            table.floor = revision;
            table.latest.send_replace(revision);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn serve(&mut self, resource: Resource) {
        let id = id(resource.id());
        let resource = Arc::new(resource);
        if let Some(table) = self.tables.get_mut(&id) {
            table.resource = resource;
            return;
        }
        let table = Table {
            resource,
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            floor: self.revision,
            latest: watch::Sender::new(self.revision),
        };
        self.tables.insert(id, table);
    }

    fn table(&self, what: GroupResource<'_>) -> Result<&Table, Status> {
        self.tables
            .get(&id(what))
            .ok_or_else(Status::no_such_resource)
    }

    fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    /// Puts a changed object in place and tells watchers.
    fn put(&mut self, id: &Id, value: &Value, revision: u64) -> Option<Arc<Object>> {
        let table = self.tables.get_mut(id)?;
        let object = Arc::new(Object::new(value, revision, &table.resource));
        let key = (object.namespace.clone(), object.name.clone());
        let before = table.objects.insert(key.clone(), Arc::clone(&object));
        for owner in before.iter().flat_map(|object| &object.owners) {
            if let Some(set) = self.dependents.get_mut(owner) {
                set.remove(&(id.clone(), key.clone()));
            }
        }
        for owner in &object.owners {
            self.dependents
                .entry(owner.clone())
                .or_default()
                .insert((id.clone(), key.clone()));
        }
        let happened = if before.is_some() {
            Happened::Modified
        } else {
            Happened::Added
        };
        table.record(
            Change {
                happened,
                object: Arc::clone(&object),
                before,
            },
            self.history,
        );
        if id.0 == DEFINITIONS.group
            && id.1 == DEFINITIONS.plural
            && let Some(resource) = resources::from_definition(value)
        {
            self.serve(resource);
        }
        Some(object)
    }

    /// Removes an object and tells watchers; the event carries the last state with the revision of the removal.
    fn remove(&mut self, id: &Id, key: &Key) -> Option<Arc<Object>> {
        let before = self.tables.get_mut(id)?.objects.remove(key)?;
        for owner in &before.owners {
            if let Some(set) = self.dependents.get_mut(owner) {
                set.remove(&(id.clone(), key.clone()));
            }
        }
        let revision = self.next_revision();
        let mut value = before.value();
        self.stamp(&mut value, revision);
        let object = Arc::new(Object::new(&value, revision, before.resource()));
        let history = self.history;
        self.tables.get_mut(id)?.record(
            Change {
                happened: Happened::Deleted,
                object: Arc::clone(&object),
                before: Some(before),
            },
            history,
        );
        if id.0 == DEFINITIONS.group
            && id.1 == DEFINITIONS.plural
            && let Some(resource) = resources::from_definition(&value)
        {
            self.tables.remove(&self::id(resource.id()));
        }
        Some(object)
    }

    fn namespace_exists(&self, namespace: &str) -> Option<&Arc<Object>> {
        self.tables
            .get(&id(NAMESPACES))?
            .objects
            .get(&(String::new(), namespace.to_owned()))
    }
}

impl Table {
    fn record(&mut self, change: Change, keep: usize) {
        let revision = change.object.revision;
        self.history.push_back(Arc::new(change));
        while self.history.len() > keep {
            if let Some(oldest) = self.history.pop_front() {
                self.floor = oldest.object.revision;
            }
        }
        self.latest.send_replace(revision);
    }
}

fn id(what: GroupResource<'_>) -> Id {
    (what.group.to_owned(), what.plural.to_owned())
}

/// splitmix64: enough for uids and generated names, and the same on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A version 4 UUID.
    fn uid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            (b >> 48) & 0x3fff | 0x8000,
            b & 0xffff_ffff_ffff
        )
    }

    /// Five characters as `generateName` appends: no vowels, so no words.
    fn suffix(&mut self) -> String {
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut bits = self.next();
        (0..5)
            .map(|_| {
                let at = (bits % ALPHABET.len() as u64) as usize;
                bits /= ALPHABET.len() as u64;
                ALPHABET.get(at).copied().map_or('x', char::from)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
