//! REPLTAKEOVER that is under way, does not end, or has left the old master behind.

use std::sync::Arc;
use std::time::Duration;

use super::{GITLAB, Lasts, MAIN, Scenario, Scene};
use crate::lab::engine::{Engine, EngineRole, Fault};
use crate::lab::furnish::instance;
use crate::lab::operator::owned::ADMIN_PORT;
use crate::lab::redis::ask;
use crate::lab::resources::PODS;
use crate::lab::stage::{Cast, Stage, ip, name};
use crate::lab::store::Delete;

/// Seconds after which the client that holds the takeover up reads on.
const HELD: u64 = 90;
/// The deadline of that takeover, in seconds.
const DEADLINE: &str = "150";
/// The operator's deadline: it takes the unit for milliseconds.
const OPERATORS_DEADLINE: &str = "10000";

pub(super) const IN_PROGRESS: Scenario = Scenario {
    name: "takeover-in-progress",
    about: "dragonfly-system/gitlab is being handed over by hand for 90 s: a client that does not read holds it up",
    shows: "old master TAKEN_OVER: clients `-LOADING`, `/healthz` 503, INFO on 9999 still plain `role:master`; INFO \
            replication of the target hangs, its PING, ROLE and CLIENT LIST do not; then it is master",
    follows: "takeover-timeout-slow-reader",
    lasts: Lasts::Seconds(HELD),
    play: |scene| Box::pin(in_progress(scene)),
    ..Scenario::BASE
};

async fn in_progress(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    let (master, target) = (stage.engine(&cast.master)?, stage.engine(cast.first())?);
    // Whoever hands over by hand pauses the operator first.
    stage.stall_operator(true);
    begin(stage, lasting, &master, &target, DEADLINE).await?;
    let said = format!(
        "{} takes over from {}",
        name(cast.first()),
        name(&cast.master)
    );
    let stage = Arc::clone(stage);
    lasting.spawn(async move {
        stage.clock.sleep(Duration::from_secs(HELD)).await;
        master.inject(Fault::SlowReader(false));
        // Fails only when somebody else has ended one of the two: then the operator has work.
        let _ = finish(&stage, &cast, &target).await;
        stage.stall_operator(false);
    });
    Ok(said)
}

/// Sends REPLTAKEOVER to the target while a client of the master does not read, and waits until the master is locked.
async fn begin(
    stage: &Stage,
    lasting: &crate::lab::stage::Lasting,
    master: &Engine,
    target: &Engine,
    seconds: &'static str,
) -> Result<(), String> {
    master.inject(Fault::SlowReader(true));
    let caller = target.clone();
    lasting.spawn(async move {
        // The caller gives up after ten seconds; the takeover goes on.
        let _ = ask(&caller, ADMIN_PORT, &["REPLTAKEOVER", seconds]).await;
    });
    let what = "the old master is locked";
    stage.wait(what, || master.is_taken_over()).await
}

/// What the one who hands over does next: labels, the old master's pod, the other replicas.
async fn finish(stage: &Stage, cast: &Cast, target: &Engine) -> Result<(), String> {
    let promoted = || matches!(target.role(), EngineRole::Master { .. });
    stage.wait("the target is promoted", promoted).await?;
    let address = ip(cast.first());
    stage.label(cast.first(), Some("master"), address)?;
    let store = &stage.infra.store;
    let deleted = store.delete(
        PODS,
        &cast.namespace,
        name(&cast.master),
        &Delete::default(),
    );
    deleted.map_err(|status| status.to_string())?;
    for pod in cast.replicas.iter().skip(1) {
        stage.engine(pod)?.replica_of(address, ADMIN_PORT).await?;
        stage.label(pod, Some("replica"), address)?;
    }
    Ok(())
}

pub(super) const WEDGED: Scenario = Scenario {
    name: "takeover-wedged",
    about: "a rolling update of dragonfly-system/dragonfly hangs in REPLTAKEOVER 10000: for hours nobody can write",
    shows: "phase RollingUpdate, all pods Ready; clients `-LOADING`; INFO replication of the target times out; a client of \
            the old master with `phase=send`, `send-wait-time`, `pipeline`; the operator's log: i/o timeout",
    follows: "takeover-retried",
    play: |scene| Box::pin(wedged(scene)),
    ..Scenario::BASE
};

async fn wedged(scene: Scene<'_>) -> Result<String, String> {
    let Scene { stage, lasting } = scene;
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let (master, target) = (stage.engine(&cast.master)?, stage.engine(cast.first())?);
    let updated: Vec<&str> = cast.replicas.iter().map(name).collect();
    super::rollouts::begin(scene, MAIN, &updated).await?;
    begin(stage, lasting, &master, &target, OPERATORS_DEADLINE).await?;
    stage.stall_operator(false);
    Ok(format!(
        "{} cannot take over from {}, which is locked",
        name(cast.first()),
        name(&cast.master)
    ))
}

pub(super) const OLD_MASTER_UP: Scenario = Scenario {
    name: "takeover-old-master-up",
    about: "dragonfly-system/gitlab was handed over, but the old master stays up and locked: the third node is stopped",
    shows: "target labelled and `role:master`; old master without a label, still `role:master`, TAKEN_OVER, answers PING \
            and 9999; the third node answers nothing; operator stalled",
    follows: "takeover-timeout-stopped-other",
    play: |scene| Box::pin(old_master_up(scene)),
    ..Scenario::BASE
};

async fn old_master_up(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    if cast.replicas.len() < 2 {
        return Err("it takes a third node; heal the lab first".into());
    }
    let (master, target) = (stage.engine(&cast.master)?, stage.engine(cast.first())?);
    stage.stall_operator(true);
    stage.freeze(cast.last())?;
    // Records that the stopped node will not take.
    master.write_burst(&instance::load(GITLAB.1), 500);
    let call = ["REPLTAKEOVER", OPERATORS_DEADLINE];
    ask(&target, ADMIN_PORT, &call).await?;
    stage.label(cast.first(), Some("master"), ip(cast.first()))?;
    stage.label(&cast.master, None, ip(&cast.master))?;
    Ok(format!(
        "{} is master, {} stays up",
        name(cast.first()),
        name(&cast.master)
    ))
}
