//! A schedule of snapshots that a server has lost.

use std::time::Duration;

use super::{MAIN, Scenario, Scene};
use crate::lab::engine::Fault;
use crate::lab::operator::owned::ADMIN_PORT;
use crate::lab::redis::ask;
use crate::lab::stage::name;

pub(super) const SCHEDULE_LOST: Scenario = Scenario {
    name: "schedule-lost",
    about: "the master of dragonfly-system/dragonfly has made a snapshot just now, and has lost its snapshot_cron since",
    shows: "CONFIG GET snapshot_cron empty on the master while the resource says every half an hour; `last_success_save` now. \
            When the second moment of the schedule has passed, its snapshot is stale too (see `snapshot-stale`)",
    follows: "",
    play: |scene| Box::pin(lost(scene)),
    ..Scenario::BASE
};

async fn lost(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let engine = stage.engine(&cast.master)?;
    let cron = engine.spec().snapshot_cron.clone();
    engine.inject(Fault::SaveTakes(Some(Duration::ZERO)));
    let saved = ask(&engine, ADMIN_PORT, &["SAVE"]).await;
    engine.inject(Fault::SaveTakes(None));
    saved?;
    ask(&engine, ADMIN_PORT, &["CONFIG", "SET", "snapshot_cron", ""]).await?;
    lasting.undo(move || {
        tokio::spawn(async move {
            // It may have ended meanwhile.
            let _ = ask(
                &engine,
                ADMIN_PORT,
                &["CONFIG", "SET", "snapshot_cron", &cron],
            )
            .await;
        });
    });
    Ok(format!("{} has no schedule any more", name(&cast.master)))
}
