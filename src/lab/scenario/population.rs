//! Instances that have not all their pods: they are being made, are wanted without any, or find no machine for one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{CACHE, Lasts, Scenario, Scene};
use crate::lab::furnish::infra::story_plans;
use crate::lab::json::set;
use crate::lab::resources::{DRAGONFLIES, NAMESPACES, PODS};
use crate::lab::stage::name;
use crate::lab::store::Delete;

/// The new instance.
const NEW: (&str, &str) = ("shop", "cart");
/// Its pods.
const PODS_OF_NEW: usize = 2;
/// How long the image of each of them is pulled: together less than the minute that an instance may be in the making.
const PULL: Duration = Duration::from_secs(18);

pub(super) const NEW_INSTANCE: Scenario = Scenario {
    name: "new-instance",
    about: "somebody applies a new instance, shop/cart; the images of its two pods are pulled slowly",
    shows: "a Dragonfly object of now; one pod after the other is Pending with `ContainerCreating` and event `Pulling`; then \
            a master is elected; complete within a minute, and gone once the lab is healed",
    lasts: Lasts::Seconds(60),
    play: |scene| Box::pin(async move { new_instance(scene) }),
    ..Scenario::BASE
};

fn new_instance(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let (namespace, app) = NEW;
    let store = stage.infra.store.clone();
    if store.get(NAMESPACES, "", namespace).is_ok() {
        return Err(format!(
            "namespace {namespace} is there already; heal the lab and wait until it is gone"
        ));
    }
    stage.infra.machines.pull_takes(namespace, app, PULL);
    let home = json!({"metadata": {"name": namespace}});
    let instance = json!({
        "metadata": {"name": app, "namespace": namespace},
        "spec": {"replicas": PODS_OF_NEW, "args": ["--maxmemory=600mb", "--proactor_threads=2"],
            "resources": {"requests": {"cpu": "100m", "memory": "768Mi"}}},
    });
    for (what, namespace, value) in [(NAMESPACES, "", home), (DRAGONFLIES, namespace, instance)] {
        let made = store.create(what, namespace, value, "kubectl");
        made.map_err(|status| status.to_string())?;
    }
    lasting.undo(move || {
        // Somebody may have deleted it meanwhile.
        let _ = store.delete(NAMESPACES, "", namespace, &Delete::default());
    });
    Ok(format!("{namespace}/{app} is being made"))
}

pub(super) const SCALED_TO_ZERO: Scenario = Scenario {
    name: "scaled-to-zero",
    about: "somebody scaled harbor/cache to zero",
    shows: "`spec.replicas` 0, no pods, Service without endpoints, phase Ready",
    play: |scene| Box::pin(async move { scaled_to_zero(scene) }),
    ..Scenario::BASE
};

fn scaled_to_zero(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    stage.edit(CACHE, lasting, |df| {
        set(df, &["spec", "replicas"], 0.into())
    })?;
    let again = Arc::clone(stage);
    lasting.undo(move || {
        let tasks = again.tasks.clone();
        // What it held is gone with its pods, and clients fill a cache again.
        tasks.spawn(async move {
            let elected = || again.cast(CACHE.0, CACHE.1).is_ok();
            // Whoever deletes it meanwhile needs no data.
            let _ = again.wait("a master is elected", elected).await;
            let mut plans = story_plans().into_iter();
            let plan = plans.find(|plan| (&*plan.namespace, &*plan.name) == CACHE);
            let cast = again.cast(CACHE.0, CACHE.1).ok();
            let master = cast.and_then(|cast| again.engine(&cast.master).ok());
            if let (Some(plan), Some(master)) = (plan, master) {
                master.fill("item", plan.keys, plan.bytes);
            }
        });
    });
    Ok(format!("{}/{} is scaled to zero", CACHE.0, CACHE.1))
}

pub(super) const NO_ROOM: Scenario = Scenario {
    name: "no-room",
    about: "the last pod of harbor/cache was evicted, and no machine has memory left for its successor",
    shows: "pod Pending, PodScheduled False: `3 Insufficient memory`, event FailedScheduling; the master goes on",
    play: |scene| Box::pin(async move { no_room(scene) }),
    ..Scenario::BASE
};

fn no_room(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(CACHE.0, CACHE.1)?;
    let pod = name(cast.last());
    stage.infra.machines.fill_machines();
    let evicted = stage
        .infra
        .store
        .delete(PODS, CACHE.0, pod, &Delete::default());
    evicted.map_err(|status| status.to_string())?;
    Ok(format!("{pod} finds no machine"))
}
