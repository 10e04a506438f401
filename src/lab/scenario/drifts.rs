//! What somebody changed, or what came of a limit, that no role and no link tells: the instance is not as it should be.

use serde_json::{Value, json};

use super::operators::absent;
use super::{GITLAB, MAIN, Scenario, Scene};
use crate::lab::json::set;
use crate::lab::kubelet::Crash;
use crate::lab::operator::{DEPLOYMENT, MANAGER, NAMESPACE};
use crate::lab::resources::{DEPLOYMENTS, DRAGONFLIES, PODS};
use crate::lab::stage::name;
use crate::lab::store::Writer;

/// Whoever writes by hand.
const PERSON: &str = "kubectl-edit";
/// The condition by which the readiness gate of replication is passed.
const GATE: &str = "dragonflydb.io/replication-ready";

/// Changes the Dragonfly object of an instance, and puts back what stood there when all is made well.
fn edit(
    Scene { stage, lasting }: Scene<'_>,
    (namespace, instance): (&'static str, &'static str),
    path: &'static [&'static str],
    value: Value,
) -> Result<(), String> {
    let store = stage.infra.store.clone();
    let found = store.get(DRAGONFLIES, namespace, instance);
    let found = found.map_err(|status| status.to_string())?.value();
    let before = found
        .pointer(&format!("/{}", path.join("/")))
        .cloned()
        .unwrap_or(Value::Null);
    let written = store.update(DRAGONFLIES, namespace, instance, PERSON, |df| {
        set(df, path, value);
    });
    written.map_err(|status| status.to_string())?;
    lasting.undo(move || {
        // It may have been deleted meanwhile.
        let _ = store.update(DRAGONFLIES, namespace, instance, PERSON, move |df| {
            set(df, path, before);
        });
    });
    Ok(())
}

pub(super) const LABELS_MANAGED: Scenario = Scenario {
    name: "labels-managed",
    about: "somebody gave dragonfly-system/gitlab a label that the operator manages: it does nothing for it any more",
    shows: "spec.podMetadata.labels has `app`; nothing of the instance changes, its phase neither; operator log: failed to \
            generate dragonfly resources",
    play: |scene| Box::pin(async move { labels_managed(scene) }),
    ..Scenario::BASE
};

fn labels_managed(scene: Scene<'_>) -> Result<String, String> {
    edit(
        scene,
        GITLAB,
        &["spec", "podMetadata", "labels"],
        json!({"app": GITLAB.1}),
    )?;
    Ok("gitlab has a label of the operator's own".into())
}

pub(super) const CLAIMS_RESIZED: Scenario = Scenario {
    name: "claims-resized",
    about: "somebody wants larger volumes for dragonfly-system/dragonfly: its StatefulSet's templates stay as they are",
    shows: "spec.snapshot.persistentVolumeClaimSpec asks for 50Gi, the StatefulSet's claim template and the PVCs for what they did \
            before",
    play: |scene| Box::pin(async move { claims_resized(scene) }),
    ..Scenario::BASE
};

fn claims_resized(scene: Scene<'_>) -> Result<String, String> {
    edit(
        scene,
        MAIN,
        &[
            "spec",
            "snapshot",
            "persistentVolumeClaimSpec",
            "resources",
            "requests",
            "storage",
        ],
        "50Gi".into(),
    )?;
    Ok("dragonfly is to have volumes of 50 GiB".into())
}

pub(super) const SNAPSHOT_UNLOADABLE: Scenario = Scenario {
    name: "snapshot-unloadable",
    about: "the last replica of dragonfly-system/dragonfly cannot load its own snapshot, and ends at each start",
    shows: "CrashLoopBackOff, exit code 1 within seconds of each start, log: Could not load snapshot - its used memory is",
    play: |scene| Box::pin(snapshot_unloadable(scene)),
    ..Scenario::BASE
};

async fn snapshot_unloadable(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let pod = name(cast.last()).to_owned();
    stage.infra.machines.crash(Crash {
        namespace: MAIN.0.into(),
        pod: pod.clone(),
        container: "dragonfly".into(),
        code: 1,
        reason: None,
        lines: vec![
            "Could not load snapshot - its used memory is 1082130432 but the limit is 1073741824"
                .into(),
        ],
    });
    Ok(format!("{pod} cannot load its snapshot"))
}

pub(super) const OPERATOR_OLD: Scenario = Scenario {
    name: "operator-old",
    about: "the operator's image is v1.5.0, and is not to be had: what it would get wrong can be told before it runs",
    shows: "the Deployment's manager has the tag v1.5.0 and no pods; saves are left to the master in dragonfly-system/dragonfly",
    play: |scene| Box::pin(async move { operator_old(scene) }),
    ..Scenario::BASE
};

fn operator_old(scene: Scene<'_>) -> Result<String, String> {
    let store = scene.stage.infra.store.clone();
    let found = store.get(DEPLOYMENTS, NAMESPACE, DEPLOYMENT);
    let before = found.map_err(|status| status.to_string())?.value();
    let image = |deployment: &mut Value, tag: &str| {
        let containers = deployment.pointer_mut("/spec/template/spec/containers");
        for container in containers
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if container.get("name").and_then(Value::as_str) == Some("manager") {
                let bare = container
                    .get("image")
                    .and_then(Value::as_str)
                    .and_then(|image| image.rsplit_once(':'))
                    .map_or(String::new(), |(bare, _)| bare.to_owned());
                set(container, &["image"], format!("{bare}:{tag}").into());
            }
        }
    };
    let tag = before
        .pointer("/spec/template/spec/containers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|container| container.get("name").and_then(Value::as_str) == Some("manager"))
        .and_then(|container| container.get("image")?.as_str()?.rsplit_once(':'))
        .map_or("v1.6.1".to_owned(), |(_, tag)| tag.to_owned());
    absent(scene)?;
    let written = store.update(DEPLOYMENTS, NAMESPACE, DEPLOYMENT, PERSON, |deployment| {
        image(deployment, "v1.5.0");
    });
    written.map_err(|status| status.to_string())?;
    scene.lasting.undo(move || {
        let _ = store.update(
            DEPLOYMENTS,
            NAMESPACE,
            DEPLOYMENT,
            PERSON,
            move |deployment| {
                image(deployment, &tag);
            },
        );
    });
    edit(
        scene,
        MAIN,
        &["spec", "snapshot", "enableOnMasterOnly"],
        true.into(),
    )?;
    Ok("the operator is v1.5.0 by its image, and scaled to zero".into())
}

pub(super) const GATE_STUCK: Scenario = Scenario {
    name: "gate-stuck",
    about: "the readiness gate of the last pod of dragonfly-system/gitlab stays untrue, though its engine replicates",
    shows: "spec.enableReplicationReadinessGate; condition dragonflydb.io/replication-ready False on one pod whose engine is in \
            stable sync; the operator is stalled",
    play: |scene| Box::pin(gate_stuck(scene)),
    ..Scenario::BASE
};

async fn gate_stuck(scene: Scene<'_>) -> Result<String, String> {
    let stage = scene.stage;
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    let pod = name(cast.last()).to_owned();
    stage.stall_operator(true);
    edit(
        scene,
        GITLAB,
        &["spec", "enableReplicationReadinessGate"],
        true.into(),
    )?;
    let store = &stage.infra.store;
    let by = Writer {
        subresource: "status",
        ..Writer::from(MANAGER)
    };
    for one in cast.replicas.iter().chain([&cast.master]) {
        let status = if name(one) == pod { "False" } else { "True" };
        let written = store.update(PODS, GITLAB.0, name(one), by, |value| {
            let conditions = value.pointer_mut("/status/conditions");
            if let Some(conditions) = conditions.and_then(Value::as_array_mut) {
                conditions.retain(|one| one.get("type").and_then(Value::as_str) != Some(GATE));
                conditions.push(json!({"type": GATE, "status": status}));
            }
        });
        written.map_err(|status| status.to_string())?;
    }
    Ok(format!("the readiness gate of {pod} stays untrue"))
}
