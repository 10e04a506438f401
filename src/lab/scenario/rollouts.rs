//! Rolling updates that wait, each at another gate.

use serde_json::Value;

use super::{GITLAB, MAIN, Scenario, Scene};
use crate::lab::json::{items, set, text};
use crate::lab::operator::owned::owned;
use crate::lab::operator::{MANAGER, NAMESPACE};
use crate::lab::resources::{PODS, STATEFUL_SETS};
use crate::lab::stage::name;

/// A tag that no registry has.
const NO_IMAGE: &str = "docker.dragonflydb.io/dragonflydb/dragonfly:v1.40.1-nosuch";
const HASH: &str = "controller-revision-hash";

pub(super) const STUCK: Scenario = Scenario {
    name: "rollout-stuck",
    about: "a rolling update of dragonfly-system/gitlab waits for its first pod, whose image cannot be pulled",
    shows: "phase RollingUpdate, one pod ImagePullBackOff on the new revision, the others on the old one; the operator's \
            log: waiting for pod to finish startup",
    follows: "",
    play: |scene| Box::pin(stuck(scene)),
    ..Scenario::BASE
};

async fn stuck(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    stage.edit(GITLAB, lasting, |df| {
        set(df, &["spec", "image"], NO_IMAGE.into())
    })?;
    let first = name(cast.first());
    let waits = || {
        let pod = stage.infra.store.get(PODS, GITLAB.0, first);
        pod.is_ok_and(|pod| {
            let pod = pod.value();
            let containers = items(&pod, "/status/containerStatuses");
            containers
                .iter()
                .any(|one| text(one, "/state/waiting/reason").contains("Image"))
        })
    };
    stage
        .wait(&format!("{first} waits for its image"), waits)
        .await?;
    Ok(format!("the image of {first} cannot be pulled"))
}

pub(super) const UNSTABLE: Scenario = Scenario {
    name: "rollout-unstable",
    about: "a rolling update of dragonfly-system/dragonfly waits for its updated replica, which cannot reach the master",
    shows: "phase RollingUpdate, one replica on the new revision with its link down; the operator's log: not all new \
            replicas are in stable status yet",
    follows: "master-killed",
    play: |scene| Box::pin(unstable(scene)),
    ..Scenario::BASE
};

async fn unstable(scene: Scene<'_>) -> Result<String, String> {
    let stage = scene.stage;
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let first = name(cast.first());
    begin(scene, MAIN, &[first]).await?;
    let (master, replica) = (stage.engine(&cast.master)?, stage.engine(cast.first())?);
    stage.network.cut(master.spec().ip, replica.spec().ip);
    let down = || {
        use crate::lab::engine::EngineRole::Replica;
        matches!(replica.role(), Replica { in_sync: false, .. })
    };
    stage
        .wait(&format!("{first} has lost its master"), down)
        .await?;
    stage.stall_operator(false);
    Ok(format!("{first} is updated and not stable"))
}

/// Leaves an instance in the middle of a rolling update: its template has changed, `updated` pods are of the new revision,
/// the phase says so, and the operator stands still until it is told to go on.
pub(super) async fn begin(
    Scene { stage, lasting }: Scene<'_>,
    (namespace, app): (&str, &str),
    updated: &[&str],
) -> Result<(), String> {
    stage.stall_operator(true);
    let path = ["spec", "podMetadata", "annotations", "rolled-at"];
    let now = crate::lab::clock::seconds(stage.infra.store.now());
    let df = stage.edit((namespace, app), lasting, move |df| {
        set(df, &path, now.into());
    })?;
    let store = stage.infra.store.clone();
    let before = store
        .get(STATEFUL_SETS, namespace, app)
        .map_err(|status| status.to_string())?;
    let old = text(&before.value(), "/status/updateRevision").to_owned();
    let wanted = owned(&df, NAMESPACE)?;
    let template = wanted
        .into_iter()
        .find(|one| one.what == STATEFUL_SETS)
        .and_then(|one| one.value.pointer("/spec/template").cloned())
        .unwrap_or_default();
    let written = store.update(STATEFUL_SETS, namespace, app, MANAGER, move |have| {
        set(have, &["spec", "template"], template);
    });
    written.map_err(|status| status.to_string())?;
    let revision = || {
        let set = store.get(STATEFUL_SETS, namespace, app);
        set.map(|set| text(&set.value(), "/status/updateRevision").to_owned())
            .unwrap_or_default()
    };
    let counted = || revision() != old;
    stage.wait("the set has a new revision", counted).await?;
    let new = revision();
    for name in updated {
        mark(&store, namespace, name, new.clone())?;
        let (store, namespace, name, old) = (
            store.clone(),
            namespace.to_owned(),
            (*name).to_owned(),
            old.clone(),
        );
        lasting.undo(move || {
            // It may have been replaced meanwhile, by one that is right.
            let _ = mark(&store, &namespace, &name, old);
        });
    }
    stage.phase(namespace, app, "RollingUpdate")?;
    let (stage, namespace, app) = (
        std::sync::Arc::clone(stage),
        namespace.to_owned(),
        app.to_owned(),
    );
    lasting.undo(move || {
        let _ = stage.phase(&namespace, &app, "Ready");
    });
    Ok(())
}

fn mark(
    store: &crate::lab::store::Store,
    namespace: &str,
    pod: &str,
    revision: String,
) -> Result<(), String> {
    let written = store.update(
        PODS,
        namespace,
        pod,
        "kube-controller-manager",
        |pod: &mut Value| set(pod, &["metadata", "labels", HASH], revision.into()),
    );
    written.map(|_| ()).map_err(|status| status.to_string())
}
