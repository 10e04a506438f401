//! No engine that acts as master, or one too many.

use serde_json::Value;

use super::{GITLAB, Scenario, Scene};
use crate::lab::furnish::instance;
use crate::lab::json::set;
use crate::lab::kubelet::Crash;
use crate::lab::operator::MANAGER;
use crate::lab::resources::PODS;
use crate::lab::stage::name;
use crate::lab::traffic::{Pace, stick_to};

pub(super) const NO_MASTER: Scenario = Scenario {
    name: "no-master",
    about: "the master of dragonfly-system/gitlab crashes at each start and the operator stalled after taking its label",
    shows: "no pod labelled master, Service without endpoints, replicas link down and retrying",
    follows: "master-killed",
    play: |scene| Box::pin(async move { no_master(scene) }),
    ..Scenario::BASE
};

fn no_master(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    let master = name(&cast.master).to_owned();
    stage.stall_operator(true);
    stage.infra.machines.crash(Crash {
        namespace: GITLAB.0.into(),
        pod: master.clone(),
        container: "dragonfly".into(),
        code: 139,
        reason: None,
        lines: vec![
            "* For the available flags type dragonfly [--help | --helpfull]".into(),
            "*** SIGSEGV received at time=0 on cpu 1 ***".into(),
        ],
    });
    let store = &stage.infra.store;
    let unlabelled = store.update(PODS, GITLAB.0, &master, MANAGER, |pod| {
        set(pod, &["metadata", "labels", "role"], Value::Null);
    });
    unlabelled.map_err(|status| status.to_string())?;
    Ok(format!(
        "{master} crashes, has lost its label, and the operator is stalled"
    ))
}

pub(super) const TWO_MASTERS: Scenario = Scenario {
    name: "two-masters",
    about: "two engines of dragonfly-system/gitlab act as master, the Service sends to one, the operator is stalled",
    shows: "two `role:master` with different `master_replid`; one labelled master; a few clients stick to the other",
    follows: "replicaof-no-one",
    play: |scene| Box::pin(two_masters(scene)),
    ..Scenario::BASE
};

async fn two_masters(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    let engine = stage.engine(cast.last())?;
    stage.stall_operator(true);
    stage.tell(cast.last(), &["REPLICAOF", "NO", "ONE"]).await?;
    let mut crowd = stage.crowd(GITLAB.0, GITLAB.1);
    crowd.truncate(2);
    let pace = Pace {
        writes: 8.0,
        reads: 4.0,
    };
    lasting.spawn(stick_to(engine, instance::load(GITLAB.1), crowd, pace));
    Ok(format!(
        "{} and {} both act as master, and the operator is stalled",
        name(&cast.master),
        name(cast.last())
    ))
}
