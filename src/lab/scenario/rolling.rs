//! A rolling update that goes on, slowly enough to be watched.

use std::time::Duration;

use super::{GITLAB, Lasts, Scenario, Scene};
use crate::lab::json::{set, text};
use crate::lab::resources::DRAGONFLIES;

/// How long the image takes to come to each machine.
const PULL: Duration = Duration::from_secs(45);
/// Seconds that the rollout takes: three pulls, and between them what the operator waits for.
const TAKES: u64 = 180;
/// What it is updated to, and back when that is what it runs.
const VERSIONS: [&str; 2] = [
    "docker.dragonflydb.io/dragonflydb/dragonfly:v1.40.1",
    "docker.dragonflydb.io/dragonflydb/dragonfly:v1.39.0",
];
/// Between two looks at whether it is over.
const LOOKS: Duration = Duration::from_secs(1);

pub(super) const ROLLING_UPDATE: Scenario = Scenario {
    name: "rolling-update",
    about: "dragonfly-system/gitlab is updated to v1.40.1, one pod after the other; each pulls its image for 45 s",
    shows: "phase RollingUpdate, one pod ContainerCreating on the new revision, event Pulling; then its full sync and the next \
            replica; then a takeover, and the old master is replaced",
    follows: "",
    lasts: Lasts::Seconds(TAKES),
    play: |scene| Box::pin(rolling(scene)),
    ..Scenario::BASE
};

async fn rolling(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let (namespace, app) = GITLAB;
    let read = |path: &'static str| {
        let store = stage.infra.store.clone();
        move || {
            let df = store.get(DRAGONFLIES, namespace, app);
            df.map(|df| text(&df.value(), path).to_owned())
                .unwrap_or_default()
        }
    };
    let (phase, image) = (read("/status/phase"), read("/spec/image")());
    if phase() != "Ready" {
        return Err("gitlab is not at rest; heal the lab and wait for it first".into());
    }
    let machines = stage.infra.machines.clone();
    machines.pull_takes(namespace, app, PULL);
    let to = VERSIONS
        .into_iter()
        .find(|to| *to != image)
        .unwrap_or_default();
    stage.edit(GITLAB, lasting, |df| set(df, &["spec", "image"], to.into()))?;
    stage
        .wait("the rollout begins", || phase() == "RollingUpdate")
        .await?;
    let clock = stage.clock.clone();
    lasting.spawn(async move {
        while phase() == "RollingUpdate" {
            clock.sleep(LOOKS).await;
        }
        machines.pull_at_once();
    });
    let tag = to.rsplit(':').next().unwrap_or_default();
    Ok(format!("{app} is updated to {tag}, slowly"))
}
