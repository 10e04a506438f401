//! Links between master and replica whose two ends tell different stories, or none.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::json;

use super::{GITLAB, Scenario, Scene, ways};
use crate::lab::engine::{Engine, EngineRole, EngineSpec};
use crate::lab::furnish::instance;
use crate::lab::operator::owned::ADMIN_PORT;
use crate::lab::resources::{DRAGONFLIES, NAMESPACES};
use crate::lab::stage::{Stage, name};
use crate::lab::store::Delete;

/// The instance on an old server.
const LEGACY: (&str, &str) = ("archive", "legacy");
/// A machine outside of the cluster.
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 17));
/// Keys of the server outside, and their bytes.
const THEIRS: (u64, u64) = (120_000, 150_000_000);
/// Records on the way when packets begin to be lost.
const ON_THE_WAY: u64 = 500;

pub(super) const LINK_DOWN: Scenario = Scenario {
    name: "link-down",
    about: "the replica of archive/legacy, whose server v1.17.0 tells little, cannot reach its master",
    shows: "`master_link_status:down`, no offset, CLIENT LIST without `repl-phase`, the master lists no replica: nothing tells \
            whether it tries again. On a lab that runs, archive/legacy is made first",
    follows: "master-killed",
    arrange: |all| all.plans.push(ways::legacy()),
    play: |scene| Box::pin(link_down(scene)),
    ..Scenario::BASE
};

async fn link_down(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    if stage.cast(LEGACY.0, LEGACY.1).is_err() {
        let store = stage.infra.store.clone();
        let namespace = json!({"metadata": {"name": LEGACY.0}});
        // It may be there already.
        let _ = store.create(NAMESPACES, "", namespace, "kubectl");
        let df = json!({
            "metadata": {"name": LEGACY.1, "namespace": LEGACY.0},
            "spec": ways::legacy().spec,
        });
        let made = store.create(DRAGONFLIES, LEGACY.0, df, "kubectl");
        made.map_err(|status| status.to_string())?;
        lasting.undo(move || {
            // Somebody may have deleted it meanwhile.
            let _ = store.delete(DRAGONFLIES, LEGACY.0, LEGACY.1, &Delete::default());
        });
        let there = || stage.cast(LEGACY.0, LEGACY.1).is_ok();
        stage
            .wait("archive/legacy has a master and a replica", there)
            .await?;
    }
    let cast = stage.cast(LEGACY.0, LEGACY.1)?;
    let (master, replica) = (stage.engine(&cast.master)?, stage.engine(cast.last())?);
    follows(stage, &replica, "it follows its master").await?;
    stage.network.cut(master.spec().ip, replica.spec().ip);
    let lost = || !in_sync(&replica);
    stage.wait("it has lost its master", lost).await?;
    Ok(format!("{} has lost its master", name(cast.last())))
}

fn in_sync(engine: &Engine) -> bool {
    matches!(engine.role(), EngineRole::Replica { in_sync: true, .. })
}

async fn follows(stage: &Stage, engine: &Engine, what: &str) -> Result<(), String> {
    stage.wait(what, || in_sync(engine)).await
}

pub(super) const FOLLOWS_ANOTHER: Scenario = Scenario {
    name: "follows-another",
    about: "the last replica of dragonfly-system/gitlab was told by hand to follow a server outside of the cluster",
    shows: "link up and in sync, but `master_host` is 192.0.2.17, of no pod, and `master_replid` another; label and annotation \
            still name the right master, so the operator leaves it",
    follows: "",
    play: |scene| Box::pin(follows_another(scene)),
    ..Scenario::BASE
};

/// Another replica of its instance is no choice: a server refuses to replicate a replica.
async fn follows_another(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    let replica = stage.engine(cast.last())?;
    let spec = EngineSpec {
        threads: replica.spec().threads,
        listens: false,
        seed: replica.spec().seed,
        ..EngineSpec::new("outside", OUTSIDE)
    };
    let started = Engine::start(spec, stage.network.clone(), stage.clock.clone()).await;
    let outside = started.map_err(|error| format!("the server outside: {error}"))?;
    outside.fill("session", THEIRS.0, THEIRS.1);
    lasting.undo(move || outside.kill());
    replica.replica_of(&OUTSIDE.to_string(), ADMIN_PORT).await?;
    follows(stage, &replica, "it has the other's data").await?;
    Ok(format!("{} follows {OUTSIDE}", name(cast.last())))
}

pub(super) const REPLICA_UNLISTED: Scenario = Scenario {
    name: "replica-unlisted",
    about: "all packets between the master of dragonfly-system/gitlab and its last replica are lost; after 30 s it drops it",
    shows: "for 30 s (`replication_timeout`) master `state=online` with a small `lag` that does not fall, then it lists the \
            replica no more, while the replica goes on saying link up, `master_last_io_seconds_ago` 0 or 1, ROLE `online`",
    follows: "",
    play: |scene| Box::pin(async move { unlisted(scene) }),
    ..Scenario::BASE
};

fn unlisted(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    let (master, replica) = (stage.engine(&cast.master)?, stage.engine(cast.last())?);
    stage.network.silence(master.spec().ip, replica.spec().ip);
    master.write_burst(&instance::load(GITLAB.1), ON_THE_WAY);
    Ok(format!(
        "packets between {} and {} are lost; in 30 s the one drops the other, which will not notice",
        name(&cast.master),
        name(cast.last())
    ))
}
