//! Engines that load: their pods are Ready all the same where the default probe asks, which takes any reply for an answer.

use std::time::Duration;

use super::{Lasts, MAIN, Scenario, Scene};
use crate::lab::engine::Engine;
use crate::lab::kubelet::Machines;
use crate::lab::stage::name;

/// Seconds that a load takes.
const TAKES: u64 = 240;

pub(super) const LOADING: Scenario = Scenario {
    name: "loading",
    about: "the last replica of dragonfly-system/dragonfly restarted and loads its snapshot for four minutes",
    shows: "`loading:1`, keys growing, ROLE `master` while it loads, PING `-LOADING` on both ports, `/healthz` 503; \
            restartCount 1; then the operator makes it a replica again",
    follows: "loading",
    lasts: Lasts::Seconds(TAKES),
    play: |scene| Box::pin(loading(scene)),
    ..Scenario::BASE
};

async fn loading(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let pod = cast.last();
    let machines = &stage.infra.machines;
    machines.load_takes(MAIN.0, name(pod), Duration::from_secs(TAKES));
    stage.restart(pod, |_| true).await?;
    Ok(format!("{} loads its snapshot", name(pod)))
}

pub(super) const READY_WHILE_LOADING: Scenario = Scenario {
    name: "ready-while-loading",
    about: "the master of dragonfly-system/dragonfly restarted and loads for four minutes, its pod Ready, operator stalled",
    shows: "pod Ready and the Service's endpoint, `loading:1`, every client gets `-LOADING`, `/healthz` 503; its log tells \
            which file it loads; the links of the replicas are down, for PING is what they greet with; restartCount 1",
    follows: "loading",
    lasts: Lasts::Seconds(TAKES),
    play: |scene| Box::pin(ready_while_loading(scene)),
    ..Scenario::BASE
};

async fn ready_while_loading(scene: Scene<'_>) -> Result<String, String> {
    let master = restart_master(scene, |_, _| ()).await?;
    Ok(format!("{master} loads while its pod is Ready"))
}

pub(super) const LOADING_NOT_READY: Scenario = Scenario {
    name: "loading-not-ready",
    about: "the master of dragonfly-system/dragonfly restarted and loads for four minutes, its pod not Ready, operator stalled",
    shows: "`loading:1`, every client that is connected gets `-LOADING`, the links of the replicas are down, restartCount 1; \
            the readiness probe fails, as one of one's own does that asks for PONG (customReadinessProbeConfigMap), so \
            that the Service has no endpoint",
    follows: "loading",
    lasts: Lasts::Seconds(TAKES),
    play: |scene| Box::pin(not_ready(scene)),
    ..Scenario::BASE
};

async fn not_ready(scene: Scene<'_>) -> Result<String, String> {
    let unready = |machines: &Machines, master: &str| machines.unready(MAIN.0, master, true);
    let master = restart_master(scene, unready).await?;
    Ok(format!("{master} loads, and its pod is not ready"))
}

/// Ends the master's process after a save: only a process that starts loads what lies on its volume, and it knows neither
/// its former log nor its replicas.
async fn restart_master(
    Scene { stage, lasting }: Scene<'_>,
    then: fn(&Machines, &str),
) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let takes = Duration::from_secs(TAKES);
    // It would elect another one: a pod that loads does not count as ready in its eyes.
    stage.stall_operator(true);
    // What was written since its last snapshot would be gone, which is another story.
    stage.tell(&cast.master, &["SAVE"]).await?;
    let (clock, machines) = (stage.clock.clone(), stage.infra.machines.clone());
    let master = name(&cast.master).to_owned();
    machines.load_takes(MAIN.0, &master, takes);
    stage.restart(&cast.master, Engine::is_loading).await?;
    then(&machines, &master);
    let said = master.clone();
    lasting.spawn(async move {
        clock.sleep(takes + Duration::from_secs(2)).await;
        machines.unready(MAIN.0, &master, false);
        machines.stall_operator(false);
    });
    Ok(said)
}

pub(super) const LOAD_KILLED: Scenario = Scenario {
    name: "load-killed",
    about: "the last replica of dragonfly-system/dragonfly loads for minutes, and its liveness probe ends it each time before",
    shows: "`loading:1`, then CrashLoopBackOff, restartCount growing; events Unhealthy: Liveness probe failed: LOADING and Killing: \
            failed liveness probe, will be restarted. A probe of one's own that takes LOADING for a failure does so",
    follows: "loading",
    play: |scene| Box::pin(load_killed(scene)),
    ..Scenario::BASE
};

async fn load_killed(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    let pod = cast.last();
    // What it is to load: a process that is killed leaves what was saved last.
    stage.tell(pod, &["SAVE"]).await?;
    let machines = &stage.infra.machines;
    machines.load_takes(MAIN.0, name(pod), Duration::from_secs(TAKES));
    machines.impatient(MAIN.0, name(pod));
    stage.restart(pod, Engine::is_loading).await?;
    Ok(format!(
        "{} loads, and is ended before it is done",
        name(pod)
    ))
}
