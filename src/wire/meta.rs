//! `metadata`, which every object has.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Undecodable, read};
use crate::domain::Kind;
use crate::domain::object::{Meta, Owner};

/// The whole former manifest, as `kubectl apply` keeps it: large, and never shown or judged.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Decodes `metadata`.
pub fn decode(kind: Kind, value: &Value) -> Result<Meta, Undecodable> {
    of(value).ok_or_else(|| {
        let namespace = read::line_or_empty(value, &["metadata", "namespace"]);
        Undecodable::Object {
            kind,
            namespace: Arc::from(namespace.as_str()),
            name: Arc::from(""),
            place: if namespace.is_empty() {
                "without a namespace".to_owned()
            } else {
                format!("of namespace {namespace}")
            },
            problem: if value.is_object() {
                "it has no metadata.name".to_owned()
            } else {
                "it is no JSON object".to_owned()
            },
        }
    })
}

/// `metadata` of any object; `None` when it does not say its name.
pub fn of(value: &Value) -> Option<Meta> {
    let name = read::line(value, &["metadata", "name"])?;
    let namespace = read::line_or_empty(value, &["metadata", "namespace"]);
    let mut annotations = read::map(value, &["metadata", "annotations"]);
    annotations.remove(LAST_APPLIED);
    Some(Meta {
        namespace: Arc::from(namespace.as_str()),
        name: Arc::from(name.as_str()),
        uid: Arc::from(read::line_or_empty(value, &["metadata", "uid"]).as_str()),
        revision: Arc::from(read::line_or_empty(value, &["metadata", "resourceVersion"]).as_str()),
        generation: read::whole_or_zero(value, &["metadata", "generation"]),
        created: read::time(value, &["metadata", "creationTimestamp"]),
        deleting: deleting(value),
        grace: grace(value),
        labels: read::map(value, &["metadata", "labels"]),
        annotations,
        owner: owner(value),
    })
}

/// `deletionTimestamp` is the moment by which the object should be gone; its deletion was asked for a grace period
/// earlier.
fn deleting(value: &Value) -> Option<Timestamp> {
    let due = read::time(value, &["metadata", "deletionTimestamp"])?;
    Some(
        due.checked_sub(SignedDuration::from_secs(grace(value)))
            .unwrap_or(due),
    )
}

/// Seconds that it was given to end: a day at most.
fn grace(value: &Value) -> i64 {
    read::whole_or_zero(value, &["metadata", "deletionGracePeriodSeconds"]).clamp(0, 86_400)
}

/// The controlling owner, else the first one.
fn owner(value: &Value) -> Option<Owner> {
    let owners = read::list(value, &["metadata", "ownerReferences"]);
    let owner = owners
        .iter()
        .find(|owner| read::flag(owner, &["controller"]) == Some(true))
        .or_else(|| owners.first())?;
    Some(Owner {
        kind: read::line_or_empty(owner, &["kind"]),
        name: read::line(owner, &["name"])?,
        uid: read::line_or_empty(owner, &["uid"]),
    })
}
