//! What an API server does not list: kinds that may not be read, fail, come garbled or are not installed.

use std::sync::Arc;

use serde_json::json;

use super::{CACHE, Scenario, Scene};
use crate::lab::api::{Effect, Fault, Right};
use crate::lab::furnish::operator::deployment;
use crate::lab::operator::{DEPLOYMENT, NAMESPACE};
use crate::lab::resources::{DEPLOYMENTS, NAMESPACES, SERVICE_ACCOUNTS};
use crate::lab::store::Delete;

/// Kinds that say more of an instance, but not whether it is well: group and plural.
const EXTRAS: &[(&str, &str)] = &[
    ("", "persistentvolumeclaims"),
    ("policy", "poddisruptionbudgets"),
    ("networking.k8s.io", "networkpolicies"),
];
/// What reads a kind as a whole.
const READ: &[&str] = &["list", "watch"];

pub(super) const FEWER_RIGHTS: Scenario = Scenario {
    name: "fewer-rights",
    about: "in lab-infra the user may not list claims, disruption budgets and network policies",
    shows: "403 for lists and watches of `persistentvolumeclaims`, `poddisruptionbudgets` and `networkpolicies`; all else \
            is answered",
    play: |scene| Box::pin(async move { fewer_rights(scene) }),
    ..Scenario::BASE
};

fn fewer_rights(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    for (group, resource) in EXTRAS {
        stage
            .infra_api
            .rights()
            .deny(Right::on(group, resource, READ));
    }
    stage.infra_api.faults().drop_streams();
    Ok("claims, disruption budgets and network policies may not be listed in lab-infra".into())
}

pub(super) const WATCH_BROKEN: Scenario = Scenario {
    name: "watch-broken",
    about: "lists and watches of EndpointSlices fail in lab-infra; all else is answered",
    shows: "500 `etcdserver: request timed out` for `endpointslices`, again and again",
    play: |scene| Box::pin(async move { watch_broken(scene) }),
    ..Scenario::BASE
};

fn watch_broken(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let faults = stage.infra_api.faults();
    faults.add(
        Fault::from(Effect::InternalError)
            .on("endpointslices")
            .verbs(READ),
    );
    faults.drop_streams();
    Ok("EndpointSlices of lab-infra cannot be followed".into())
}

pub(super) const NAMELESS_OBJECT: Scenario = Scenario {
    name: "nameless-object",
    about: "a gateway before lab-infra strips the name of the network policy in harbor",
    shows: "the list of `networkpolicies` in harbor has an item without `metadata.name`",
    play: |scene| Box::pin(async move { nameless(scene) }),
    ..Scenario::BASE
};

fn nameless(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let fault = Fault::from(Effect::Nameless)
        .on("networkpolicies")
        .within(CACHE.0)
        .verbs(&["list"]);
    stage.infra_api.faults().add(fault);
    // Whoever follows it already has it with its name: only a new list shows it as it comes now.
    let list_again = {
        let stage = Arc::clone(stage);
        move || {
            stage.infra.store.expire_history();
            stage.infra_api.faults().drop_streams();
        }
    };
    list_again();
    lasting.undo(list_again);
    Ok(format!(
        "the network policy in {} has lost its name",
        CACHE.0
    ))
}

pub(super) const CRD_MISSING: Scenario = Scenario {
    name: "crd-missing",
    about: "an operator was installed in lab-apps without its CRD",
    shows: "Deployment and pods of an operator, no `dragonflies.dragonflydb.io`; log: no matches for kind \"Dragonfly\"; \
            every two minutes the leading manager gives up and restarts",
    play: |scene| Box::pin(async move { crd_missing(scene) }),
    ..Scenario::BASE
};

fn crd_missing(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let store = stage.apps.store.clone();
    let home = json!({"metadata": {"name": NAMESPACE}});
    let account = json!({"metadata": {"name": DEPLOYMENT, "namespace": NAMESPACE}});
    for (what, namespace, value) in [
        (NAMESPACES, "", home),
        (SERVICE_ACCOUNTS, NAMESPACE, account),
        (DEPLOYMENTS, NAMESPACE, deployment()),
    ] {
        let made = store.create(what, namespace, value, "helm");
        made.map_err(|status| status.to_string())?;
    }
    lasting.undo(move || {
        // Somebody may have deleted it meanwhile.
        let _ = store.delete(NAMESPACES, "", NAMESPACE, &Delete::default());
    });
    Ok("lab-apps has an operator without its CRD".into())
}
