//! A replica that is not in stable sync with its master, or not with the right one.

use std::time::Duration;

use super::{GITLAB, Lasts, MAIN, Scenario, Scene};
use crate::lab::engine::{EngineRole, Fault};
use crate::lab::furnish::instance;
use crate::lab::operator::owned::ADMIN_PORT;
use crate::lab::stage::{ip, name};

/// Seconds that the full sync takes.
const FULL_SYNC_TAKES: u64 = 240;
/// For how long a flapping link is down, and then up.
const FLAP: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(20));
/// Records that a replica is behind at once when it begins to lag.
const BEHIND: u64 = 30_000;

pub(super) const FULL_SYNC: Scenario = Scenario {
    name: "full-sync",
    about: "the last replica of dragonfly-system/dragonfly takes a full sync for about four minutes",
    shows: "master `state=full_sync`; replica `loading:1`, `master_sync_in_progress:1`, PING `-LOADING`, keys growing, \
            `repl-phase=full_sync_in_progress`",
    follows: "fullsync",
    lasts: Lasts::Seconds(FULL_SYNC_TAKES),
    play: |scene| Box::pin(full_sync(scene)),
    ..Scenario::BASE
};

async fn full_sync(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let engine = stage.engine(cast.last())?;
    let takes = Duration::from_secs(FULL_SYNC_TAKES);
    engine.inject(Fault::FullSyncTakes(Some(takes)));
    // Sent again to a replica in sync, REPLICAOF costs a full sync.
    engine.replica_of(ip(&cast.master), ADMIN_PORT).await?;
    Ok(format!("{} takes a full sync", name(cast.last())))
}

pub(super) const PARTIAL_SYNC: Scenario = Scenario {
    name: "partial-sync",
    about: "the link of the last replica of dragonfly-system/dragonfly drops every 24 s and comes back by a partial sync",
    shows: "link down for 4 s, then up without a full sync: `psync_successes` grows on the replica, \
            `replication_psync_count` on the master",
    follows: "replicaof-no-one",
    play: |scene| Box::pin(partial_sync(scene)),
    ..Scenario::BASE
};

async fn partial_sync(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let (master, replica) = (stage.engine(&cast.master)?, stage.engine(cast.last())?);
    let (clock, network) = (stage.clock.clone(), stage.network.clone());
    let (a, b) = (master.spec().ip, replica.spec().ip);
    lasting.spawn(async move {
        loop {
            network.cut(a, b);
            clock.sleep(FLAP.0).await;
            network.mend(a, b);
            clock.sleep(FLAP.1).await;
        }
    });
    Ok(format!("the link of {} flaps", name(cast.last())))
}

pub(super) const REPLICATION_RETRYING: Scenario = Scenario {
    name: "replication-retrying",
    about: "the last replica of dragonfly-system/dragonfly cannot reach its master and tries again and again",
    shows: "replica link down, `repl-phase=tcp_connecting`, ROLE `connecting`, offset still shown; master counts one \
            replica less",
    follows: "master-killed",
    play: |scene| Box::pin(retrying(scene)),
    ..Scenario::BASE
};

async fn retrying(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let (master, replica) = (stage.engine(&cast.master)?, stage.engine(cast.last())?);
    stage.network.cut(master.spec().ip, replica.spec().ip);
    let what = format!("{} has lost its master", name(cast.last()));
    stage.wait(&what, || !in_sync(&replica)).await?;
    Ok(format!("{} tries to reach its master", name(cast.last())))
}

fn in_sync(engine: &crate::lab::engine::Engine) -> bool {
    matches!(engine.role(), EngineRole::Replica { in_sync: true, .. })
}

pub(super) const REPLICATION_STOPPED: Scenario = Scenario {
    name: "replication-stopped",
    about: "the master of dragonfly-system/dragonfly restarted in place; its replicas have stopped replicating for good",
    shows: "master counts both replicas as `state=preparation,lag=0`; replicas link down, ROLE `connecting`, CLIENT LIST \
            `flags=M` `repl-phase=disabled`, another `master_replid` than the master's; phase Ready, labels fine",
    follows: "master-restarted-in-place",
    play: |scene| Box::pin(stopped(scene)),
    ..Scenario::BASE
};

async fn stopped(scene: Scene<'_>) -> Result<String, String> {
    let cast = scene.stage.cast(MAIN.0, MAIN.1)?;
    restart_in_place(scene, &cast).await?;
    Ok(format!(
        "{} has restarted in place and its replicas have stopped",
        name(&cast.master)
    ))
}

/// Restarts a master's container while the operator looks away, and waits until its replicas have noticed.
pub(super) async fn restart_in_place(
    Scene { stage, .. }: Scene<'_>,
    cast: &crate::lab::stage::Cast,
) -> Result<(), String> {
    // The operator would elect another if it saw the master not ready; afterwards it sees nothing wrong.
    stage.stall_operator(true);
    stage
        .restart(&cast.master, |engine| !engine.is_loading())
        .await?;
    for pod in &cast.replicas {
        let engine = stage.engine(pod)?;
        let what = format!("{} has stopped replicating", name(pod));
        stage.wait(&what, || engine.has_stopped()).await?;
    }
    stage.stall_operator(false);
    Ok(())
}

pub(super) const REPLICA_HALF_WAY: Scenario = Scenario {
    name: "replica-half-way",
    about: "the last replica of dragonfly-system/dragonfly lost its master in the middle of a full sync",
    shows: "replica with a part of the keys, link down, `master_sync_in_progress:0`, no `slave_repl_offset`, `loading:0`: \
            it must never be elected",
    follows: "takeover-15-while-other-in-full-sync",
    play: |scene| Box::pin(half_way(scene)),
    ..Scenario::BASE
};

async fn half_way(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let (master, replica) = (stage.engine(&cast.master)?, stage.engine(cast.last())?);
    replica.inject(Fault::FullSyncTakes(Some(Duration::from_secs(8))));
    replica.replica_of(ip(&cast.master), ADMIN_PORT).await?;
    let enough = || replica.progress().is_some_and(|done| done > 0.4);
    let what = format!("{} has a part of the keys", name(cast.last()));
    stage.wait(&what, enough).await?;
    stage.network.cut(master.spec().ip, replica.spec().ip);
    stage
        .wait("the full sync breaks off", || replica.progress().is_none())
        .await?;
    replica.inject(Fault::FullSyncTakes(None));
    Ok(format!("{} has half of the data", name(cast.last())))
}

pub(super) const LAGGING: Scenario = Scenario {
    name: "lagging",
    about: "the last replica of dragonfly-system/dragonfly falls behind by more than 10,000 records",
    shows: "both ends answer, link up, master `state=online` with a `lag` that grows",
    follows: "replica-stopped",
    play: |scene| Box::pin(lagging(scene)),
    ..Scenario::BASE
};

async fn lagging(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let (master, replica) = (stage.engine(&cast.master)?, stage.engine(cast.last())?);
    replica.inject(Fault::HoldBack(true));
    master.write_burst(&instance::load(MAIN.1), BEHIND);
    Ok(format!("{} falls behind", name(cast.last())))
}

pub(super) const STRAY_REPLICA: Scenario = Scenario {
    name: "stray-replica",
    about: "the last replica of dragonfly-system/gitlab follows the master of dragonfly-system/dragonfly",
    shows: "`master_host` is another instance's master, label and annotation still name the right one, so the operator \
            leaves it; the other master counts a replica too many",
    follows: "",
    play: |scene| Box::pin(stray(scene)),
    ..Scenario::BASE
};

async fn stray(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let (other, cast) = (stage.cast(MAIN.0, MAIN.1)?, stage.cast(GITLAB.0, GITLAB.1)?);
    let replica = stage.engine(cast.last())?;
    replica.replica_of(ip(&other.master), ADMIN_PORT).await?;
    stage
        .wait("it has the other's data", || in_sync(&replica))
        .await?;
    Ok(format!(
        "{} follows {}",
        name(cast.last()),
        name(&other.master)
    ))
}
