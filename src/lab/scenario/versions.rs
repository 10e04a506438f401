//! Operators of older versions, each doing what its version is known to get wrong.

use std::time::Duration;

use serde_json::{Value, json};

use super::{GITLAB, Scenario, Scene};
use crate::lab::clock;
use crate::lab::engine::EngineRole;
use crate::lab::furnish::instance::Plan;
use crate::lab::json::{items, set, text};
use crate::lab::operator::lease::LEASE;
use crate::lab::operator::{DEPLOYMENT, NAMESPACE};
use crate::lab::resources::{DEPLOYMENTS, DRAGONFLIES, LEASES, NAMESPACES, PODS};
use crate::lab::stage::{Stage, name};
use crate::lab::store::Delete;

/// Whoever changes the operator.
const PERSON: &str = "kubectl-edit";
/// The last version before that which mended both.
const OLD: &str = "v1.5.0";
/// An instance whose server refuses CONFIG while it loads, with saves left to the master.
const THUMBS: (&str, &str) = ("media", "thumbs");
/// How long an image takes to come to each machine.
const PULL: Duration = Duration::from_secs(45);

pub(super) const ROLLOUT_BLOCKED: Scenario = Scenario {
    name: "rollout-blocked",
    about: "an operator v1.5.0 rolls media/thumbs, which leaves saves to the master: its replica gets no role",
    shows: "phase RollingUpdate, the new replica Ready and in stable sync without the label `role`; operator log: failed to clear \
            snapshot cron schedule on replica, LOADING Dragonfly is loading the dataset in memory (server v1.29.0 takes no \
            CONFIG while it loads). On a lab that runs, media/thumbs is made first",
    follows: "",
    arrange: |all| all.plans.push(thumbs()),
    play: |scene| Box::pin(blocked(scene)),
    ..Scenario::BASE
};

fn thumbs() -> Plan {
    Plan {
        namespace: THUMBS.0.into(),
        name: THUMBS.1.into(),
        spec: json!({
            "replicas": 2,
            "image": "docker.dragonflydb.io/dragonflydb/dragonfly:v1.29.0",
            "args": ["--maxmemory=600mb", "--proactor_threads=2"],
            "resources": {"requests": {"cpu": "100m", "memory": "768Mi"}, "limits": {"memory": "768Mi"}},
            "snapshot": {"cron": "0 3 * * *", "enableOnMasterOnly": true, "persistentVolumeClaimSpec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}},
        }),
        keys: 21_000,
        bytes: 300_000_000,
        born: jiff::SignedDuration::from_hours(24 * 33),
        since: jiff::SignedDuration::from_hours(24 * 5),
        secrets: vec![],
    }
}

async fn blocked(scene: Scene<'_>) -> Result<String, String> {
    let Scene { stage, lasting } = scene;
    let store = stage.infra.store.clone();
    if stage.cast(THUMBS.0, THUMBS.1).is_err() {
        let namespace = json!({"metadata": {"name": THUMBS.0}});
        // It may be there already.
        let _ = store.create(NAMESPACES, "", namespace, "kubectl");
        let df = json!({
            "metadata": {"name": THUMBS.1, "namespace": THUMBS.0},
            "spec": thumbs().spec,
        });
        let made = store.create(DRAGONFLIES, THUMBS.0, df, "kubectl");
        made.map_err(|status| status.to_string())?;
        let store = store.clone();
        lasting.undo(move || {
            // Somebody may have deleted it meanwhile.
            let _ = store.delete(DRAGONFLIES, THUMBS.0, THUMBS.1, &Delete::default());
        });
        let there = || stage.cast(THUMBS.0, THUMBS.1).is_ok();
        stage
            .wait("media/thumbs has a master and a replica", there)
            .await?;
        // A full sync of nothing is over before anybody asks.
        let master = stage.cast(THUMBS.0, THUMBS.1)?.master;
        let plan = thumbs();
        stage.engine(&master)?.fill("item", plan.keys, plan.bytes);
    }
    let pod = name(stage.cast(THUMBS.0, THUMBS.1)?.last()).to_owned();
    let former = uid(stage, THUMBS.0, &pod);
    changed(scene, |deployment| version(deployment, OLD)).await?;
    roll(scene, THUMBS)?;
    let stands = || {
        let Ok(found) = store.get(PODS, THUMBS.0, &pod) else {
            return false;
        };
        let engine = stage.infra.machines.engine(THUMBS.0, &pod);
        let role = engine.map(|engine| engine.role());
        uid(stage, THUMBS.0, &pod) != former
            && found.label("role").is_none()
            && matches!(role, Some(EngineRole::Replica { in_sync: true, .. }))
    };
    stage
        .wait(&format!("{pod} replicates without a role"), stands)
        .await?;
    Ok(format!("{pod} gets no role, and the rollout waits for it"))
}

pub(super) const REPLICAS_DELETED: Scenario = Scenario {
    name: "replicas-deleted",
    about: "an operator v1.5.0 rolls dragonfly-system/gitlab, and deletes both its replicas at once; images come slowly",
    shows: "phase RollingUpdate, both replicas terminating together, then one ContainerCreating and the other not there: nobody \
            to fail over to; two events Deleting replica within a moment",
    follows: "",
    play: |scene| Box::pin(deleted(scene)),
    ..Scenario::BASE
};

async fn deleted(scene: Scene<'_>) -> Result<String, String> {
    let Scene { stage, lasting } = scene;
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    let replicas: Vec<String> = cast.replicas.iter().map(|pod| name(pod).into()).collect();
    let former: Vec<String> = replicas
        .iter()
        .map(|pod| uid(stage, GITLAB.0, pod))
        .collect();
    changed(scene, |deployment| version(deployment, OLD)).await?;
    let machines = stage.infra.machines.clone();
    machines.pull_takes(GITLAB.0, GITLAB.1, PULL);
    lasting.undo(move || machines.pull_at_once());
    roll(scene, GITLAB)?;
    let going = || {
        let mut all = replicas.iter().zip(&former);
        all.all(|(pod, former)| {
            let found = stage.infra.store.get(PODS, GITLAB.0, pod);
            found.is_ok_and(|pod| pod.uid == *former && pod.deleting)
                || uid(stage, GITLAB.0, pod) != *former
        })
    };
    stage.wait("both replicas are asked to go", going).await?;
    Ok(format!("{} were deleted at once", replicas.join(" and ")))
}

/// The uid of a pod, empty where there is none.
fn uid(stage: &Stage, namespace: &str, pod: &str) -> String {
    let found = stage.infra.store.get(PODS, namespace, pod);
    found.map(|pod| pod.uid.clone()).unwrap_or_default()
}

/// Changes the template of an instance's pods, so that its operator begins a rollout.
pub(super) fn roll(scene: Scene<'_>, instance: (&str, &str)) -> Result<(), String> {
    let Scene { stage, lasting } = scene;
    let path = ["spec", "podMetadata", "annotations", "rolled-at"];
    let now = clock::seconds(stage.infra.store.now());
    let edited = stage.edit(instance, lasting, move |df| set(df, &path, now.into()));
    edited.map(|_| ())
}

/// Changes the operator's Deployment and waits until a manager of it leads; the former template comes back when everything is
/// made well.
pub(super) async fn changed(
    Scene { stage, lasting }: Scene<'_>,
    change: impl FnOnce(&mut Value),
) -> Result<(), String> {
    let store = stage.infra.store.clone();
    let found = store.get(DEPLOYMENTS, NAMESPACE, DEPLOYMENT);
    let before = found.map_err(|status| status.to_string())?.value();
    let former = managers(stage);
    let written = store.update(DEPLOYMENTS, NAMESPACE, DEPLOYMENT, PERSON, change);
    written.map_err(|status| status.to_string())?;
    let (back, template) = (store.clone(), before.pointer("/spec/template").cloned());
    lasting.undo(move || {
        // It may have been deleted meanwhile.
        let _ = back.update(DEPLOYMENTS, NAMESPACE, DEPLOYMENT, PERSON, move |one| {
            set(one, &["spec", "template"], template.unwrap_or_default());
        });
    });
    let gone = || !managers(stage).iter().any(|uid| former.contains(uid));
    stage.wait("the former managers have ended", gone).await?;
    // Nobody is to wait until the Lease of one that is gone has run out.
    let holder = |of: &Value| text(of, "/spec/holderIdentity").to_owned();
    let lease = || store.get(LEASES, NAMESPACE, LEASE).map(|one| one.value());
    let is_former = |of: &Value| {
        let pods = store.list(PODS, Some(NAMESPACE));
        let pods = pods.map(|listed| listed.items).unwrap_or_default();
        let holder = holder(of);
        let pod = holder.split('_').next().unwrap_or_default();
        !pods.iter().any(|one| one.name == pod)
    };
    if lease().is_ok_and(|lease| is_former(&lease)) {
        // Its holder may have released it meanwhile.
        let _ = store.delete(LEASES, NAMESPACE, LEASE, &Delete::now());
    }
    let led = || lease().is_ok_and(|lease| !is_former(&lease));
    stage
        .wait("a manager of the changed Deployment leads", led)
        .await
}

/// The uids of the operator's pods.
fn managers(stage: &Stage) -> Vec<String> {
    let labels = [("control-plane", "controller-manager")];
    let found = stage.infra.store.labelled(PODS, Some(NAMESPACE), &labels);
    found.iter().map(|pod| pod.uid.clone()).collect()
}

/// The containers of the manager in a Deployment, changed.
pub(super) fn in_manager(deployment: &mut Value, mut change: impl FnMut(&mut Value)) {
    let containers = deployment.pointer_mut("/spec/template/spec/containers");
    for container in containers
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if text(container, "/name") == "manager" {
            change(container);
        }
    }
}

fn version(deployment: &mut Value, tag: &str) {
    in_manager(deployment, |manager| {
        let image = text(manager, "/image");
        let bare = image.rsplit_once(':').map_or(image, |(bare, _)| bare);
        let image = format!("{bare}:{tag}");
        set(manager, &["image"], image.into());
    });
}

/// Takes a variable out of the manager's environment.
pub(super) fn without(deployment: &mut Value, variable: &str) {
    in_manager(deployment, |manager| {
        let kept: Vec<Value> = items(manager, "/env")
            .iter()
            .filter(|one| text(one, "/name") != variable)
            .cloned()
            .collect();
        set(manager, &["env"], kept.into());
    });
}
