//! Labels, Services and pods that are not as the operator would have them, while it is absent and mends nothing.

use std::sync::Arc;

use serde_json::Value;

use super::operators::absent;
use super::{GITLAB, Scenario, Scene};
use crate::lab::engine::EngineRole;
use crate::lab::json::set;
use crate::lab::operator::owned::ADMIN_PORT;
use crate::lab::resources::{PODS, SERVICES};
use crate::lab::stage::{ip, name};
use crate::lab::store::Delete;

/// Whoever writes by hand.
const PERSON: &str = "kubectl-edit";

/// Scales the operator to zero and waits until it is gone: it would mend at once what is done next.
async fn without_operator(scene: Scene<'_>) -> Result<(), String> {
    let stage = scene.stage;
    absent(scene)?;
    let gone = || stage.operator_pods() == 0;
    stage.wait("the operator's pods have ended", gone).await
}

pub(super) const POD_UNCONFIGURED: Scenario = Scenario {
    name: "pod-unconfigured",
    about: "a pod of dragonfly-system/gitlab was replaced while the operator is absent: nobody gives it a role",
    shows: "the last pod is young, Ready and without the label `role`; its engine is empty, says `role:master` and is \
            followed by nobody; the operator is scaled to zero",
    play: |scene| Box::pin(pod_unconfigured(scene)),
    ..Scenario::BASE
};

async fn pod_unconfigured(scene: Scene<'_>) -> Result<String, String> {
    let stage = scene.stage;
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    let pod = name(cast.last()).to_owned();
    let former = stage.engine(cast.last())?.replid();
    without_operator(scene).await?;
    let store = &stage.infra.store;
    let deleted = store.delete(PODS, GITLAB.0, &pod, &Delete::default());
    deleted.map_err(|status| status.to_string())?;
    let machines = &stage.infra.machines;
    stage
        .wait("its successor runs", || {
            let engine = machines.engine(GITLAB.0, &pod);
            let ready = store
                .get(PODS, GITLAB.0, &pod)
                .is_ok_and(|pod| crate::lab::pods::ready(&pod.value()));
            ready && engine.is_some_and(|engine| engine.replid() != former)
        })
        .await?;
    Ok(format!(
        "{pod} was replaced, and no operator is there to give it a role"
    ))
}

pub(super) const FAILOVER_BY_HAND: Scenario = Scenario {
    name: "failover-by-hand",
    about: "without an operator, somebody made the first replica of dragonfly-system/gitlab master and left the labels",
    shows: "all engines follow the new master, and the Service selects it by its pod name; the labels `role` still tell the \
            old roles; the operator is scaled to zero",
    play: |scene| Box::pin(failover_by_hand(scene)),
    ..Scenario::BASE
};

async fn failover_by_hand(scene: Scene<'_>) -> Result<String, String> {
    let stage = scene.stage;
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    let heir = cast.first();
    let (heir_name, heir_ip) = (name(heir).to_owned(), ip(heir).to_owned());
    without_operator(scene).await?;
    stage.tell(heir, &["REPLICAOF", "NO", "ONE"]).await?;
    select(scene, {
        let heir = heir_name.clone();
        move |selector| {
            set(selector, &["role"], Value::Null);
            set(
                selector,
                &["statefulset.kubernetes.io/pod-name"],
                heir.into(),
            );
        }
    })?;
    let all = cast.replicas.iter().chain([&cast.master]);
    let others: Vec<&Value> = all.filter(|pod| name(pod) != heir_name).collect();
    for pod in &others {
        stage.engine(pod)?.replica_of(&heir_ip, ADMIN_PORT).await?;
    }
    for pod in others {
        let engine = stage.engine(pod)?;
        let follows = || matches!(engine.role(), EngineRole::Replica { in_sync: true, .. });
        let what = format!("{} follows {heir_name}", name(pod));
        stage.wait(&what, follows).await?;
    }
    Ok(format!(
        "{heir_name} is master by hand, and the labels still say {}",
        name(&cast.master)
    ))
}

pub(super) const TWO_MASTER_LABELS: Scenario = Scenario {
    name: "two-master-labels",
    about: "without an operator, somebody labelled a replica of dragonfly-system/gitlab master beside the master",
    shows: "two pods labelled master and two endpoints; one engine says `role:master`, the other still follows it; the \
            operator is scaled to zero",
    play: |scene| Box::pin(two_master_labels(scene)),
    ..Scenario::BASE
};

async fn two_master_labels(scene: Scene<'_>) -> Result<String, String> {
    let Scene { stage, lasting } = scene;
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    let pod = cast.last().clone();
    without_operator(scene).await?;
    let store = &stage.infra.store;
    let labelled = store.update(PODS, GITLAB.0, name(&pod), PERSON, |pod| {
        set(pod, &["metadata", "labels", "role"], "master".into());
    });
    labelled.map_err(|status| status.to_string())?;
    let said = format!(
        "{} and {} are labelled master",
        name(&cast.master),
        name(&pod)
    );
    let (stage, master) = (Arc::clone(stage), ip(&cast.master).to_owned());
    lasting.undo(move || {
        // It may have been deleted meanwhile.
        let _ = stage.label(&pod, Some("replica"), &master);
    });
    Ok(said)
}

pub(super) const SERVICE_ELSEWHERE: Scenario = Scenario {
    name: "service-elsewhere",
    about: "without an operator, somebody let the Service of dragonfly-system/gitlab select the replicas",
    shows: "the Service's selector says `role: replica`; its endpoints are the replicas; engines and labels are as they \
            should be; the operator is scaled to zero",
    play: |scene| Box::pin(service_elsewhere(scene)),
    ..Scenario::BASE
};

async fn service_elsewhere(scene: Scene<'_>) -> Result<String, String> {
    without_operator(scene).await?;
    select(scene, |selector| set(selector, &["role"], "replica".into()))?;
    Ok(format!("the Service {} selects the replicas", GITLAB.1))
}

/// Edits the selector of the Service; the former one comes back when everything is made well.
fn select(
    Scene { stage, lasting }: Scene<'_>,
    change: impl FnOnce(&mut Value),
) -> Result<(), String> {
    let store = stage.infra.store.clone();
    let found = store.get(SERVICES, GITLAB.0, GITLAB.1);
    let before = found.map_err(|status| status.to_string())?.value();
    let mut selector = before
        .pointer("/spec/selector")
        .cloned()
        .unwrap_or_default();
    let former = selector.clone();
    change(&mut selector);
    let edited = store.update(SERVICES, GITLAB.0, GITLAB.1, PERSON, move |service| {
        set(service, &["spec", "selector"], selector);
    });
    edited.map_err(|status| status.to_string())?;
    lasting.undo(move || {
        // It may have been deleted meanwhile.
        let _ = store.update(SERVICES, GITLAB.0, GITLAB.1, PERSON, move |service| {
            set(service, &["spec", "selector"], former);
        });
    });
    Ok(())
}

pub(super) const SERVICE_DELETED: Scenario = Scenario {
    name: "service-deleted",
    about: "without an operator, somebody deleted the Service of dragonfly-system/gitlab",
    shows: "no Service `gitlab` and no EndpointSlice; engines and labels are as they should be; the operator is scaled to \
            zero and makes the Service again when it is back",
    play: |scene| Box::pin(service_deleted(scene)),
    ..Scenario::BASE
};

async fn service_deleted(scene: Scene<'_>) -> Result<String, String> {
    without_operator(scene).await?;
    let store = &scene.stage.infra.store;
    let deleted = store.delete(SERVICES, GITLAB.0, GITLAB.1, &Delete::default());
    deleted.map_err(|status| status.to_string())?;
    Ok(format!("the Service {} is deleted", GITLAB.1))
}
