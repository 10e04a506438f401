//! Saves that last, fail, or do not happen.

use std::time::Duration;

use super::{Lasts, MAIN, Scenario, Scene};
use crate::lab::engine::Fault;
use crate::lab::operator::owned::ADMIN_PORT;
use crate::lab::redis::ask;
use crate::lab::stage::name;

/// Seconds that the long save takes.
const SAVING_TAKES: u64 = 180;
/// How old the last snapshot is where nobody makes any; its schedule is every half an hour.
const STALE: Duration = Duration::from_secs(9 * 3600 + 20 * 60);

pub(super) const SAVING: Scenario = Scenario {
    name: "saving",
    about: "the master of dragonfly-system/dragonfly writes a snapshot for three minutes",
    shows: "`saving:1`, `current_snapshot_perc` and `current_save_keys_processed` growing; another save gets \
            `-ERR Operation now in progress: SAVING - can not save database`",
    follows: "persistence",
    lasts: Lasts::Seconds(SAVING_TAKES),
    play: |scene| Box::pin(saving(scene)),
    ..Scenario::BASE
};

async fn saving(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let engine = stage.engine(&cast.master)?;
    let takes = Duration::from_secs(SAVING_TAKES);
    engine.inject(Fault::SaveTakes(Some(takes)));
    let begun = ask(&engine, ADMIN_PORT, &["BGSAVE"]).await;
    // The save that runs knows how long it takes; the next one takes its usual time.
    engine.inject(Fault::SaveTakes(None));
    begun?;
    Ok(format!("{} saves", name(&cast.master)))
}

pub(super) const SAVE_FAILED: Scenario = Scenario {
    name: "save-failed",
    about: "saves of the master of dragonfly-system/dragonfly fail with an input/output error",
    shows: "`last_failed_save` newer than `last_success_save`, `last_error:Input/output error`, while \
            `rdb_last_bgsave_status` stays ok and `rdb_bgsave_in_progress` 1",
    follows: "persistence",
    play: |scene| Box::pin(failing(scene, "Input/output error", None)),
    ..Scenario::BASE
};

pub(super) const DISK_FULL: Scenario = Scenario {
    name: "disk-full",
    about: "the volume of the master of dragonfly-system/dragonfly is full and its saves fail",
    shows: "`last_error:No space left on device`, `last_failed_save` newer than `last_success_save`; the claim's volume \
            at 100 % in the kubelet's summary",
    follows: "persistence",
    play: |scene| Box::pin(failing(scene, "No space left on device", Some(1.0))),
    ..Scenario::BASE
};

async fn failing(
    Scene { stage, .. }: Scene<'_>,
    error: &str,
    filled: Option<f64>,
) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let engine = stage.engine(&cast.master)?;
    if let Some(share) = filled {
        let claim = format!("df-{}", name(&cast.master));
        stage.infra.machines.fill_volume(MAIN.0, &claim, share);
    }
    // The last good one was made half an hour ago, as its schedule says.
    engine.saved_ago(Duration::from_secs(31 * 60));
    engine.inject(Fault::SaveFails(Some(error.to_owned())));
    ask(&engine, ADMIN_PORT, &["BGSAVE"]).await?;
    Ok(format!("saves of {} fail: {error}", name(&cast.master)))
}

pub(super) const SNAPSHOT_STALE: Scenario = Scenario {
    name: "snapshot-stale",
    about: "the master of dragonfly-system/dragonfly has lost its snapshot_cron; its last snapshot is nine hours old",
    shows: "CONFIG GET snapshot_cron empty on the master while the resource says every half an hour; \
            `last_success_save` nine hours ago, `last_error` empty",
    follows: "",
    play: |scene| Box::pin(stale(scene)),
    ..Scenario::BASE
};

async fn stale(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let engine = stage.engine(&cast.master)?;
    let cron = engine.spec().snapshot_cron.clone();
    ask(&engine, ADMIN_PORT, &["CONFIG", "SET", "snapshot_cron", ""]).await?;
    engine.saved_ago(STALE);
    lasting.undo(move || {
        tokio::spawn(async move {
            let set = ["CONFIG", "SET", "snapshot_cron", &cron];
            for command in [&set[..], &["SAVE"]] {
                // It may have ended meanwhile.
                let _ = ask(&engine, ADMIN_PORT, command).await;
            }
        });
    });
    Ok(format!("{} makes no snapshots", name(&cast.master)))
}
