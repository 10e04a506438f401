//! Who answers requests to reconcile, where Flux's kinds are served: nothing is fetched or installed, but the request is
//! taken note of in the status, unless the object is suspended.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use serde_json::Value;

use super::{follow, keys};
use crate::lab::json::{is_true, number, set, text};
use crate::lab::resources::{DEFINITIONS, GroupResource};
use crate::lab::store::{Store, Writer};

/// The kinds that can be asked to reconcile.
const KINDS: &[GroupResource<'static>] = &[
    GroupResource::new("helm.toolkit.fluxcd.io", "helmreleases"),
    GroupResource::new("kustomize.toolkit.fluxcd.io", "kustomizations"),
    GroupResource::new("source.toolkit.fluxcd.io", "ocirepositories"),
    GroupResource::new("source.toolkit.fluxcd.io", "helmrepositories"),
    GroupResource::new("source.toolkit.fluxcd.io", "gitrepositories"),
];
/// Annotations, and where the status says which value of each was handled last.
const REQUESTS: &[(&str, &str)] = &[
    ("reconcile.fluxcd.io/requestedAt", "lastHandledReconcileAt"),
    ("reconcile.fluxcd.io/forceAt", "lastHandledForceAt"),
    ("reconcile.fluxcd.io/resetAt", "lastHandledResetAt"),
];
/// How long a reconciliation takes.
const TAKES: Duration = Duration::from_millis(300);

/// Works until its task is dropped; kinds may be installed and removed meanwhile.
pub(in crate::lab) async fn answer_requests(store: Store) {
    loop {
        let served = KINDS
            .chunks(1)
            .filter(|kind| kind.iter().all(|kind| store.resource(*kind).is_some()));
        let served: Vec<&'static [GroupResource<'static>]> = served.collect();
        let definitions = follow(&store, &[DEFINITIONS]);
        let objects = served.iter().map(|kind| follow(&store, kind));
        let mut changes = stream::select_all(objects.chain([definitions]));
        for kind in served.iter().copied().flatten() {
            handle_all(&store, *kind);
        }
        while let Some((what, Ok(_))) = changes.next().await {
            if what == DEFINITIONS {
                break;
            }
            tokio::time::sleep(TAKES).await;
            handle_all(&store, what);
        }
        drop(changes);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn handle_all(store: &Store, what: GroupResource<'_>) {
    let writes_status = store.resource(what).is_some_and(|kind| kind.status);
    let writer = Writer {
        subresource: if writes_status { "status" } else { "" },
        ..Writer::from("flux")
    };
    for (namespace, name) in keys(store, what) {
        let Ok(object) = store.get(what, &namespace, &name) else {
            continue;
        };
        let asked = handled(&object.value());
        if asked.is_empty() {
            continue;
        }
        // Somebody may have deleted it meanwhile.
        let _ = store.update(what, &namespace, &name, writer, |object| {
            for (field, value) in asked {
                set(object, &["status", field], value.into());
            }
            let seen = number(object, "/metadata/generation").unwrap_or(1);
            set(object, &["status", "observedGeneration"], seen.into());
        });
    }
}

/// What is asked of an object and not yet handled. Force and reset count only with the value of the request.
fn handled(object: &Value) -> Vec<(&'static str, String)> {
    if is_true(object, "/spec/suspend") {
        return Vec::new();
    }
    let annotation = |name: &str| {
        let all = object.pointer("/metadata/annotations");
        let found = all.and_then(|all| all.get(name)).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let requested = annotation(REQUESTS.first().map_or("", |(name, _)| name));
    if requested.is_empty() || text(object, "/status/lastHandledReconcileAt") == requested {
        return Vec::new();
    }
    REQUESTS
        .iter()
        .filter(|(name, _)| annotation(name) == requested)
        .map(|(_, field)| (*field, requested.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_is_handled_once_and_not_while_suspended() {
        let at = "reconcile.fluxcd.io/requestedAt";
        let force = "reconcile.fluxcd.io/forceAt";
        let table = [
            (json!({}), vec![]),
            (
                json!({"metadata": {"annotations": {at: "1"}}}),
                vec!["lastHandledReconcileAt"],
            ),
            (
                json!({"metadata": {"annotations": {at: "1", force: "1"}}}),
                vec!["lastHandledReconcileAt", "lastHandledForceAt"],
            ),
            (
                json!({"metadata": {"annotations": {at: "2", force: "1"}}}),
                vec!["lastHandledReconcileAt"],
            ),
            (
                json!({"metadata": {"annotations": {at: "1"}}, "status": {"lastHandledReconcileAt": "1"}}),
                vec![],
            ),
            (
                json!({"metadata": {"annotations": {at: "1"}}, "spec": {"suspend": true}}),
                vec![],
            ),
        ];
        for (object, wanted) in table {
            let fields: Vec<&str> = handled(&object).iter().map(|(field, _)| *field).collect();
            assert_eq!(fields, wanted, "{object}");
        }
    }
}
