//! A process that is stopped: its sockets accept, nothing answers, and the other end notices nothing.

use super::{MAIN, Scenario, Scene};
use crate::lab::furnish::instance;
use crate::lab::stage::name;
use crate::lab::traffic::{Pace, stick_to};

/// Records that a frozen replica is behind at once.
const BEHIND: u64 = 20_000;

pub(super) const FROZEN_MASTER: Scenario = Scenario {
    name: "frozen-master",
    about: "the master of dragonfly-system/dragonfly is stopped: it accepts connections and answers nothing",
    shows: "replicas link up, `master_last_io_seconds_ago` 0 or 1, ROLE `online`; no command to the master is answered; \
            its pod stays Ready",
    follows: "master-stopped",
    play: |scene| Box::pin(frozen_master(scene)),
    ..Scenario::BASE
};

async fn frozen_master(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    stage.freeze(&cast.master)?;
    Ok(format!("{} is stopped", name(&cast.master)))
}

pub(super) const FROZEN_REPLICA: Scenario = Scenario {
    name: "frozen-replica",
    about: "the last replica of dragonfly-system/dragonfly is stopped while its master takes many writes",
    shows: "master `state=online` for it, only its `lag` grows; no command to the replica is answered",
    follows: "replica-stopped",
    play: |scene| Box::pin(frozen_replica(scene)),
    ..Scenario::BASE
};

async fn frozen_replica(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let master = stage.engine(&cast.master)?;
    stage.freeze(cast.last())?;
    let load = instance::load(MAIN.1);
    master.write_burst(&load, BEHIND);
    let pace = Pace {
        writes: 200.0,
        reads: 0.0,
    };
    lasting.spawn(stick_to(master, load, stage.crowd(MAIN.0, MAIN.1), pace));
    Ok(format!("{} is stopped", name(cast.last())))
}
