//! The controllers of a lab cluster: what a real one runs in its controller manager, reduced to the kinds that the lab
//! holds. They live on store watches and never poll.
//!
//! Start reading at [`Controller`]; each file beside this one is one controller, with its decisions as pure functions.

mod budgets;
mod claims;
mod deployments;
mod endpoints;
mod flux;
mod lost_pods;
mod services;
mod stateful_sets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream, SelectAll};
use serde_json::{Value, json};
use tokio::time::Instant;

pub(in crate::lab) use budgets::{Budgets, status as budget_status};
pub(in crate::lab) use claims::{
    Claims, DEFAULT_CLASS, PROVISIONER, SELECTED_NODE, bound as bound_claim, claims_of,
};
pub(in crate::lab) use deployments::{
    Deployments, ReplicaSets, deployment_status, replica_set_of, replica_set_pod,
    replica_set_status,
};
pub(in crate::lab) use endpoints::{Endpoints, slice};
pub(in crate::lab) use flux::answer_requests;
pub(in crate::lab) use lost_pods::LostPods;
pub(in crate::lab) use services::{Services, give_address};
pub(in crate::lab) use stateful_sets::{
    StatefulSets, claim as set_claim, pod as set_pod, revision_of, status as set_status,
};

use super::resources::GroupResource;
use super::seed::Seed;
use super::status::Status;
use super::store::{Change, Object, Store};

/// Namespace and name.
pub(in crate::lab) type Key = (String, String);

/// Brings some kind of object towards what it asks for, one object at a time.
pub(in crate::lab) trait Controller: Send + 'static {
    /// The kinds whose changes matter.
    fn follows(&self) -> &'static [GroupResource<'static>];

    /// The objects to look at after a change of kind `what`.
    fn touched(&self, what: GroupResource<'static>, object: &Object) -> Vec<Key>;

    /// Every object there is, for the start and after a lost history.
    fn all(&self) -> Vec<Key>;

    /// Looks at one object and acts; an answer asks for another look after that time.
    fn settle(&mut self, key: &Key) -> Option<Duration>;
}

/// Runs a controller until its task is dropped.
pub(in crate::lab) async fn drive(store: Store, mut controller: impl Controller) {
    let mut later: BTreeMap<Key, Instant> = BTreeMap::new();
    loop {
        let mut changes = follow(&store, controller.follows());
        let mut due: BTreeSet<Key> = controller.all().into_iter().collect();
        loop {
            for key in std::mem::take(&mut due) {
                match controller.settle(&key) {
                    Some(again) => later.insert(key, Instant::now() + again),
                    None => later.remove(&key),
                };
                // A long list must not hold up sockets that share this thread.
                tokio::task::consume_budget().await;
            }
            let wake = later.values().min().copied();
            let wait = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                next = changes.next() => match next {
                    Some((what, Ok(batch))) => {
                        for change in &batch {
                            due.extend(controller.touched(what, &change.object));
                            if let Some(before) = &change.before {
                                due.extend(controller.touched(what, before));
                            }
                        }
                    }
                    // History is gone, or a kind is: look at everything again, as an informer lists again.
                    Some((_, Err(_))) | None => break,
                },
                () = wait => {
                    let now = Instant::now();
                    due.extend(later.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()));
                }
            }
        }
        drop(changes);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Batches of changes of one kind.
pub(in crate::lab) type Batch = (GroupResource<'static>, Result<Vec<Arc<Change>>, Status>);

/// Follows several kinds from now on. Each stream ends after its first error.
pub(in crate::lab) fn follow(
    store: &Store,
    kinds: &'static [GroupResource<'static>],
) -> SelectAll<BoxStream<'static, Batch>> {
    stream::select_all(kinds.iter().map(|what| {
        let watch = store.watch(*what, None, None);
        stream::unfold(Some(watch), move |state| async move {
            match state? {
                Err(status) => Some(((*what, Err(status)), None)),
                Ok(mut watch) => match watch.next().await {
                    Ok(batch) => Some(((*what, Ok(batch)), Some(Ok(watch)))),
                    Err(status) => Some(((*what, Err(status)), None)),
                },
            }
        })
        .boxed()
    }))
}

/// The keys of all objects of a kind.
pub(in crate::lab) fn keys(store: &Store, what: GroupResource<'_>) -> Vec<Key> {
    let listed = store.list(what, None);
    listed
        .map(|listed| listed.items.iter().map(|object| key(object)).collect())
        .unwrap_or_default()
}

/// Namespace and name of an object.
pub(in crate::lab) fn key(object: &Object) -> Key {
    (object.namespace.clone(), object.name.clone())
}

/// The objects of `what` in a namespace whose uid is among `uids`.
fn owners(store: &Store, what: GroupResource<'_>, object: &Object) -> Vec<Key> {
    if object.owners.is_empty() {
        return Vec::new();
    }
    let listed = store.list(what, Some(&object.namespace));
    let mut found = listed.map(|listed| listed.items).unwrap_or_default();
    found.retain(|owner| object.owners.contains(&owner.uid));
    found.iter().map(|owner| key(owner)).collect()
}

/// The objects of a kind that `uid` owns.
fn owned_by(
    store: &Store,
    what: GroupResource<'_>,
    namespace: &str,
    uid: &str,
) -> Vec<Arc<Object>> {
    let listed = store.list(what, Some(namespace));
    let mut found = listed.map(|listed| listed.items).unwrap_or_default();
    found.retain(|object| object.owners.iter().any(|owner| owner == uid));
    found
}

/// The reference a controller puts on what it makes.
pub(in crate::lab) fn controller_reference(
    api_version: &str,
    kind: &str,
    name: &str,
    uid: &str,
) -> Value {
    json!([{
        "apiVersion": api_version, "kind": kind, "name": name, "uid": uid,
        "blockOwnerDeletion": true, "controller": true,
    }])
}

/// Counts how often a name was made, so that each new object of a name has ids of its own.
#[derive(Debug, Default)]
pub(in crate::lab) struct Births(BTreeMap<Key, u32>);

impl Births {
    /// The uid of the next object of this kind and name.
    pub(in crate::lab) fn uid(
        &mut self,
        seed: Seed,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> String {
        let count = self
            .0
            .entry((namespace.to_owned(), name.to_owned()))
            .or_insert(0);
        *count += 1;
        seed.uid(&[kind, namespace, name, &count.to_string()])
    }
}
