//! Keeps a store equal to what a real API server holds, in both directions.
//!
//! What the server has is listed and watched, and put into the store. What somebody in the lab writes into the store
//! differs from what the server said last: that difference is sent. What is equal needs no sending, so what comes back by
//! a watch ends there. Where the server has moved on meanwhile (409) the change is made again to what it has now; what it
//! refuses is dropped, and its own object stands again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use http::Method;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::merge::{difference, rebased, unborn};
use super::notes::Notes;
use super::server::{Heard, JSON, MERGE, Server, Trouble, heard, named, path};
use crate::lab::api::merge;
use crate::lab::controllers::{Key, key};
use crate::lab::json::{extend, set, text};
use crate::lab::resources::{EVENTS, GroupResource, LEASES, PODS, Resource};
use crate::lab::store::{Object, Settled, Store};

/// Until what was refused is as it was: so often at most the same is asked for again.
const REFUSED: Duration = Duration::from_secs(2);
/// How often one object is tried in a row, while the server moves on under it.
const TRIES: usize = 8;
/// Until what the server did not judge is sent again.
const AGAIN: Duration = Duration::from_millis(700);
/// Until a list or watch that broke is asked for again.
const PAUSE: Duration = Duration::from_millis(500);
/// Until a kind that is not served, or a list that is refused, is asked for again.
const LONG_PAUSE: Duration = Duration::from_secs(3);

/// What is followed on the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    /// The kind.
    pub(super) what: GroupResource<'static>,
    /// One namespace, or all where it is empty.
    pub(super) namespace: &'static str,
    /// A query that leaves out what nobody needs; begins with `?`.
    pub(super) query: &'static str,
}

impl Source {
    /// All objects of a kind.
    pub(super) const fn all(what: GroupResource<'static>) -> Self {
        Self {
            what,
            namespace: "",
            query: "",
        }
    }
}

/// One object.
pub(super) type Id = (GroupResource<'static>, Key);

/// What the server said last about an object.
#[derive(Clone)]
struct Held {
    object: Arc<Object>,
    version: u64,
    /// Its deletion was asked for and granted.
    going: bool,
}

/// How a state of an object came to be known.
#[derive(Clone, Copy, PartialEq)]
enum Word<'a> {
    /// By a list or a watch.
    Heard,
    /// As the answer to a change.
    Answered,
    /// As the answer to what was sent, which was this as a whole: what stands here by now may differ from it.
    Sent(&'a Value),
    /// Because what somebody here wanted was refused: it stands as it is.
    Instead,
}

/// The mirror. Cloning shares it.
#[derive(Clone)]
pub(super) struct Mirror(Arc<Inner>);

struct Inner {
    store: Store,
    server: Server,
    held: Mutex<HashMap<Id, Held>>,
    /// Objects of which something is being sent, with what was heard of them since: whether that is what was sent is told
    /// by the answer only.
    flights: Mutex<HashMap<Id, Option<Value>>>,
    notes: Notes,
    /// How many sources have been listed once.
    listed: watch::Sender<usize>,
}

/// What is to be done about an object.
#[derive(Debug, PartialEq)]
enum Step {
    Nothing,
    Create(Value),
    /// Remove it, with this many seconds of grace.
    Delete(u64),
    /// A patch to the object, or to what is below it.
    Patch(&'static str, Value),
}

impl Mirror {
    pub(super) fn new(store: Store, server: Server, notes: Notes) -> Self {
        Self(Arc::new(Inner {
            store,
            server,
            held: Mutex::default(),
            flights: Mutex::default(),
            notes,
            listed: watch::Sender::new(0),
        }))
    }

    /// Completes when so many sources have been listed once.
    pub(super) async fn listed(&self, sources: usize) {
        let mut seen = self.0.listed.subscribe();
        // The sender lives as long as we do.
        let _ = seen.wait_for(|count| *count >= sources).await;
    }

    /// How many objects of the server are known.
    pub(super) fn len(&self) -> usize {
        self.held().len()
    }

    // From the server.

    /// Follows one source until the task ends.
    pub(super) async fn reflect(self, source: Source) {
        let mut first = true;
        loop {
            let Some(resource) = self.0.store.resource(source.what) else {
                // Its definition is not there (yet).
                if std::mem::take(&mut first) {
                    self.0.listed.send_modify(|count| *count += 1);
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let list = format!(
                "{}{}",
                path(&resource, source.namespace, "", ""),
                source.query
            );
            let mut version = match self.0.server.list(&list).await {
                Ok((items, version)) => {
                    self.relist(source.what, items, &version, &resource);
                    version
                }
                Err(trouble) => {
                    self.0
                        .notes
                        .say(format!("cannot list {}: {trouble}", source.what));
                    let pause = if trouble.passes() { PAUSE } else { LONG_PAUSE };
                    tokio::time::sleep(pause).await;
                    continue;
                }
            };
            if std::mem::take(&mut first) {
                self.0.listed.send_modify(|count| *count += 1);
            }
            while self.follow(&source, &list, &resource, &mut version).await {}
        }
    }

    /// Follows one watch to its end; whether another can go on from there.
    async fn follow(
        &self,
        source: &Source,
        list: &str,
        resource: &Resource,
        version: &mut String,
    ) -> bool {
        let mut lines = match self.0.server.watch(list, version).await {
            Ok(lines) => lines,
            Err(trouble) => {
                self.0
                    .notes
                    .say(format!("cannot watch {}: {trouble}", source.what));
                tokio::time::sleep(PAUSE).await;
                return trouble.passes();
            }
        };
        while let Some(Ok(line)) = lines.next().await {
            match heard(&line) {
                Heard::Is(object) => {
                    *version = text(&object, "/metadata/resourceVersion").to_owned();
                    self.take(source.what, named(object, resource), Word::Heard);
                }
                Heard::Gone(object) => {
                    *version = text(&object, "/metadata/resourceVersion").to_owned();
                    self.gone(
                        source.what,
                        &key_of(&object),
                        text(&object, "/metadata/uid"),
                    );
                }
                Heard::UpTo(seen) => *version = seen,
                Heard::Expired | Heard::Broken => return false,
            }
        }
        // A server that ends watches at once shall not be asked all the time.
        tokio::time::sleep(Duration::from_millis(20)).await;
        true
    }

    /// A whole list: what is not in it is gone.
    fn relist(
        &self,
        what: GroupResource<'static>,
        items: Vec<Value>,
        version: &str,
        resource: &Resource,
    ) {
        let listed: HashMap<Key, String> = items
            .iter()
            .map(|item| (key_of(item), text(item, "/metadata/uid").to_owned()))
            .collect();
        let at = number(version);
        let missing: Vec<(Key, String)> = self
            .held()
            .iter()
            .filter(|((kind, key), held)| {
                *kind == what && held.version <= at && listed.get(key) != Some(&held.object.uid)
            })
            .map(|((_, key), held)| (key.clone(), held.object.uid.clone()))
            .collect();
        for (key, uid) in missing {
            self.gone(what, &key, &uid);
        }
        for item in items {
            self.take(what, named(item, resource), Word::Heard);
        }
    }

    /// Takes a state of the server over.
    fn take(&self, what: GroupResource<'static>, mut value: Value, word: Word<'_>) {
        // Nobody here asks who wrote what.
        set(&mut value, &["metadata", "managedFields"], Value::Null);
        let version = number(text(&value, "/metadata/resourceVersion"));
        let Ok(fresh) = self.0.store.shaped(what, &value) else {
            return;
        };
        let key = key_of(&value);
        if word == Word::Heard && self.is_under_way(what, &key, &value) {
            return;
        }
        let mut held = self.held();
        let before = held.get(&(what, key.clone())).cloned();
        if let Some(before) = before.as_ref().filter(|had| had.object.uid == fresh.uid) {
            let stale = before.version > version;
            if stale || (before.version == version && word == Word::Heard) {
                return;
            }
        }
        let mut plain = false;
        let stands = self
            .0
            .store
            .settle(what, &key.0, &key.1, |local| match (local, &before) {
                // Somebody here has removed it, and the server does not know that yet.
                (None, Some(had)) if had.object.uid == fresh.uid && word != Word::Instead => {
                    Settled::Keep
                }
                (Some(local), Some(had))
                    if had.object.uid == fresh.uid
                        && local.uid == fresh.uid
                        && !Arc::ptr_eq(local, &had.object)
                        && word != Word::Instead
                        && is_rebased(what) =>
                {
                    let base = match word {
                        Word::Sent(sent) => sent.clone(),
                        _ => had.object.value(),
                    };
                    Settled::Put(rebased(&base, &local.value(), &value))
                }
                (Some(local), None) => match word {
                    Word::Sent(sent) => Settled::Put(rebased(sent, &local.value(), &value)),
                    _ => {
                        plain = true;
                        Settled::Put(value)
                    }
                },
                (Some(local), _) if local.uid != fresh.uid => {
                    plain = true;
                    Settled::Replace(value)
                }
                _ => {
                    plain = true;
                    Settled::Put(value)
                }
            });
        let object = match stands {
            Ok(Some(stands)) if plain => stands,
            _ => fresh,
        };
        let going = before.is_some_and(|had| had.going && had.object.uid == object.uid);
        held.insert(
            (what, key),
            Held {
                object,
                version,
                going,
            },
        );
    }

    /// Keeps what was heard of an object of which something is being sent, for after the answer. Tells whether anything is.
    fn is_under_way(&self, what: GroupResource<'static>, key: &Key, value: &Value) -> bool {
        let at = |value: &Value| number(text(value, "/metadata/resourceVersion"));
        match self.flights().get_mut(&(what, key.clone())) {
            Some(heard) => {
                if heard.as_ref().is_none_or(|had| at(had) < at(value)) {
                    *heard = Some(value.clone());
                }
                true
            }
            None => false,
        }
    }

    /// Sends what differs about one object; an answer asks for another attempt after that time.
    pub(super) async fn push(&self, id: &Id) -> Option<Duration> {
        self.flights().insert(id.clone(), None);
        let again = self.send(id).await;
        let heard = self.flights().remove(id).flatten();
        if let Some(heard) = heard {
            self.take(id.0, heard, Word::Heard);
        }
        again
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Id, Option<Value>>> {
        self.0
            .flights
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What stands here is to the server what it has: it differs in what the server fills in by itself. It is left so, for
    /// whoever wrote it would only write it again.
    fn is_the_same(&self, what: GroupResource<'static>, key: &Key, local: &Arc<Object>) {
        if let Some(held) = self.held().get_mut(&(what, key.clone()))
            && held.object.uid == local.uid
        {
            held.object = Arc::clone(local);
        }
    }

    /// The server has removed an object.
    fn gone(&self, what: GroupResource<'static>, key: &Key, uid: &str) {
        // What was heard before that, and kept for after an answer, would bring it back.
        if let Some(heard) = self.flights().get_mut(&(what, key.clone())) {
            *heard = None;
        }
        let mut held = self.held();
        if let Entry::Occupied(known) = held.entry((what, key.clone()))
            && known.get().object.uid == uid
        {
            known.remove();
        }
        // A kind that is not served any more has no objects either.
        let _ = self
            .0
            .store
            .settle(what, &key.0, &key.1, |local| match local {
                Some(local) if local.uid == uid => Settled::Remove,
                _ => Settled::Keep,
            });
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Id, Held>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // To the server.

    /// Hands the objects of a kind that somebody here has changed to a courier, until the task ends.
    pub(super) async fn notice(self, what: GroupResource<'static>, out: mpsc::UnboundedSender<Id>) {
        loop {
            let Ok(mut watch) = self.0.store.watch(what, None, None) else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            // What was changed before, or while the history was too short.
            let all = self.0.store.list(what, None).map(|listed| listed.items);
            for object in all.unwrap_or_default() {
                if !self.is_as_told(what, &object) && out.send((what, key(&object))).is_err() {
                    return;
                }
            }
            while let Ok(changes) = watch.next().await {
                for change in changes {
                    if !self.is_as_told(what, &change.object)
                        && out.send((what, key(&change.object))).is_err()
                    {
                        return;
                    }
                }
            }
        }
    }

    fn is_as_told(&self, what: GroupResource<'static>, object: &Arc<Object>) -> bool {
        let held = self.held();
        let told = held.get(&(what, key(object)));
        told.is_some_and(|told| Arc::ptr_eq(&told.object, object))
    }

    async fn send(&self, (what, key): &Id) -> Option<Duration> {
        let resource = self.0.store.resource(*what)?;
        let (namespace, name) = (key.0.as_str(), key.1.as_str());
        for _ in 0..TRIES {
            let held = self.held().get(&(*what, key.clone())).cloned();
            let local = self.0.store.get(*what, namespace, name).ok();
            if *what == EVENTS && local.is_none() {
                // Nobody watches them: what is swept here the server forgets by itself.
                self.held().remove(&(*what, key.clone()));
                return None;
            }
            let step = plan(&resource, local.as_deref(), held.as_ref());
            let uid = held.as_ref().map(|held| held.object.uid.clone());
            let done = match step {
                Step::Nothing => return None,
                Step::Create(object) => self.create(*what, &resource, key, &object).await,
                Step::Delete(grace) => {
                    let uid = uid.unwrap_or_default();
                    self.delete(*what, &resource, key, &uid, grace).await
                }
                Step::Patch(below, mut patch) => {
                    let mut base = held
                        .as_ref()
                        .map_or(Value::Null, |held| held.object.value());
                    merge(&mut base, &patch);
                    let version = held.map(|held| held.version.to_string());
                    let expect = json!({"uid": uid, "resourceVersion": version});
                    extend(&mut patch, &["metadata"], &expect);
                    let path = path(&resource, namespace, name, below);
                    let sent = self
                        .0
                        .server
                        .call(Method::PATCH, &path, MERGE, Some(&patch));
                    sent.await.map(|now| {
                        let same =
                            Some(text(&now, "/metadata/resourceVersion")) == version.as_deref();
                        match local {
                            Some(local) if same => self.is_the_same(*what, key, &local),
                            _ => self.take(*what, now, Word::Sent(&base)),
                        }
                    })
                }
            };
            if let Err(trouble) = done
                && !self.mend(*what, &resource, key, &trouble).await
            {
                return Some(AGAIN);
            }
        }
        Some(AGAIN)
    }

    async fn create(
        &self,
        what: GroupResource<'static>,
        resource: &Resource,
        key: &Key,
        object: &Value,
    ) -> Result<(), Trouble> {
        let path = path(resource, &key.0, "", "");
        let sent = unborn(object);
        let made = self.0.server.call(Method::POST, &path, JSON, Some(&sent));
        let made = made.await?;
        self.take(what, made, Word::Sent(object));
        Ok(())
    }

    async fn delete(
        &self,
        what: GroupResource<'static>,
        resource: &Resource,
        key: &Key,
        uid: &str,
        grace: u64,
    ) -> Result<(), Trouble> {
        let path = path(resource, &key.0, &key.1, "");
        let mut options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid},
        });
        if what == PODS {
            set(&mut options, &["gracePeriodSeconds"], grace.into());
        }
        self.0
            .server
            .call(Method::DELETE, &path, JSON, Some(&options))
            .await?;
        // What was only marked here is still to be removed, by whoever ends it.
        // A pod that was given time stays until its kubelet, which has ended it by now, says so.
        let at_once = what != PODS || grace == 0;
        let removed = at_once && self.0.store.get(what, &key.0, &key.1).is_err();
        if let Some(held) = self.held().get_mut(&(what, key.clone()))
            && removed
        {
            held.going = true;
        }
        // A finalizer may hold it: then it stands here too, with the grace that it has now.
        match self.0.server.get(&path).await {
            Ok(now) if text(&now, "/metadata/uid") == uid => {
                self.take(what, now, Word::Answered);
            }
            Ok(_) | Err(Trouble::Refused { code: 404, .. }) => {}
            Err(trouble) => return Err(trouble),
        }
        Ok(())
    }

    /// What follows from a refusal; false when the same is to be tried later.
    async fn mend(
        &self,
        what: GroupResource<'static>,
        resource: &Resource,
        key: &Key,
        trouble: &Trouble,
    ) -> bool {
        let about = format!("{what} {}/{}", key.0, key.1);
        if trouble.passes() {
            self.0
                .notes
                .say(format!("{about} is not written yet: {trouble}"));
            return false;
        }
        let conflict = trouble.code() == 409;
        if !conflict && trouble.code() != 404 {
            self.0
                .notes
                .say(format!("the API server refuses {about}: {trouble}"));
            // Whoever wanted it may want it again at once.
            tokio::time::sleep(REFUSED).await;
        }
        let now = self.0.server.get(&path(resource, &key.0, &key.1, "")).await;
        match now {
            Ok(now) => {
                let word = match (conflict, self.held().contains_key(&(what, key.clone()))) {
                    (true, true) => Word::Answered,
                    _ => Word::Instead,
                };
                self.take(what, now, word);
                true
            }
            Err(Trouble::Refused { code: 404, .. }) => {
                self.forget(what, key);
                true
            }
            Err(_) => false,
        }
    }

    /// Neither the server nor anybody here has it any more.
    fn forget(&self, what: GroupResource<'static>, key: &Key) {
        self.held().remove(&(what, key.clone()));
        let _ = self
            .0
            .store
            .settle(what, &key.0, &key.1, |_| Settled::Remove);
    }
}

/// Whether a change is made again to what the server has meanwhile. Who holds a Lease must not be told over who took it.
fn is_rebased(what: GroupResource<'_>) -> bool {
    what != LEASES
}

/// What is to be done so that the server has what stands here.
fn plan(resource: &Resource, local: Option<&Object>, held: Option<&Held>) -> Step {
    let (local, held) = match (local, held) {
        (None, None) => return Step::Nothing,
        (None, Some(held)) if held.going => return Step::Nothing,
        (None, Some(_)) => return Step::Delete(0),
        (Some(local), None) => return Step::Create(local.value()),
        (Some(local), Some(held)) => (local, held),
    };
    if std::ptr::eq(local, Arc::as_ptr(&held.object)) {
        return Step::Nothing;
    }
    let (now, told) = (local.value(), held.object.value());
    let grace = |object: &Value| {
        object
            .pointer("/metadata/deletionGracePeriodSeconds")
            .and_then(Value::as_u64)
    };
    let sooner = grace(&now).unwrap_or(0) < grace(&told).unwrap_or(0);
    if local.deleting && (!held.object.deleting || sooner) {
        return Step::Delete(grace(&now).unwrap_or(0));
    }
    let Some(mut patch) = difference(&told, &now) else {
        return Step::Nothing;
    };
    if !resource.status {
        return Step::Patch("", patch);
    }
    let status = patch.as_object_mut().and_then(|map| map.remove("status"));
    match (patch.as_object().is_some_and(|map| !map.is_empty()), status) {
        (true, _) => Step::Patch("", patch),
        (false, Some(status)) => Step::Patch("status", json!({"status": status})),
        (false, None) => Step::Nothing,
    }
}

fn key_of(object: &Value) -> Key {
    (
        text(object, "/metadata/namespace").to_owned(),
        text(object, "/metadata/name").to_owned(),
    )
}

/// A version as a number: the server counts them up, and says which of two is newer.
fn number(version: &str) -> u64 {
    version.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests;
