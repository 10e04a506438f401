//! What the cluster lets the manager do, by the roles in it. The lab's API server refuses its simulated operator nothing, for it
//! writes to the store itself: so it asks before it begins.

use serde_json::Value;

use crate::lab::json::{items, text};
use crate::lab::resources::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES};
use crate::lab::store::Store;

/// Whether the account of a manager's pod may list ConfigMaps in the whole cluster, which operator v1.6.0 and later cannot begin
/// without.
pub(super) fn may_list_config_maps(store: &Store, pod: &Value) -> bool {
    let (namespace, account) = (
        text(pod, "/metadata/namespace"),
        text(pod, "/spec/serviceAccountName"),
    );
    let bindings = store.list(CLUSTER_ROLE_BINDINGS, None);
    let bindings = bindings.map(|listed| listed.items).unwrap_or_default();
    bindings.iter().any(|binding| {
        let binding = binding.value();
        let is_its_own = items(&binding, "/subjects").iter().any(|subject| {
            text(subject, "/kind") == "ServiceAccount"
                && text(subject, "/name") == account
                && text(subject, "/namespace") == namespace
        });
        let role = || store.get(CLUSTER_ROLES, "", text(&binding, "/roleRef/name"));
        is_its_own && role().is_ok_and(|role| lists_config_maps(&role.value()))
    })
}

fn lists_config_maps(role: &Value) -> bool {
    let has = |rule: &Value, list: &str, wanted: &str| {
        let mut all = items(rule, list).iter().filter_map(Value::as_str);
        all.any(|one| one == wanted || one == "*")
    };
    items(role, "/rules").iter().any(|rule| {
        has(rule, "/apiGroups", "")
            && has(rule, "/resources", "configmaps")
            && has(rule, "/verbs", "list")
    })
}
