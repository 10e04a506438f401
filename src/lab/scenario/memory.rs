//! Memory that has run out, by either measure; and processes that end for want of it.

use serde_json::json;

use super::{GITLAB, MAIN, Scenario, Scene};
use crate::lab::engine::Fault;
use crate::lab::json::{number, set};
use crate::lab::kubelet::Crash;
use crate::lab::resources::PODS;
use crate::lab::stage::name;

pub(super) const OOM: Scenario = Scenario {
    name: "oom",
    about: "the master of dragonfly-system/dragonfly has reached maxmemory: it refuses writes and serves reads",
    shows: "`used_memory` above `maxmemory`, `oom_rejections` growing, `-ERR Out of memory` for writes; replicas fine",
    follows: "oom",
    play: |scene| Box::pin(async move { full(scene, Fault::OutOfMemory(true), "refuses writes") }),
    ..Scenario::BASE
};

pub(super) const RSS_GUARD: Scenario = Scenario {
    name: "rss-guard",
    about: "the master of dragonfly-system/dragonfly refuses all new clients: its resident memory is over the guard",
    shows: "`used_memory_rss` above 1.25 x `maxmemory` with a small `used_memory`; 6379 accepts and closes, 9999 answers; \
            writes of connected clients get `-ERR Out of memory`; MEMORY DECOMMIT ends it",
    follows: "rss-guard",
    play: |scene| Box::pin(async move { full(scene, Fault::RssGuard(true), "refuses clients") }),
    ..Scenario::BASE
};

fn full(Scene { stage, .. }: Scene<'_>, fault: Fault, what: &str) -> Result<String, String> {
    let cast = stage.cast(MAIN.0, MAIN.1)?;
    stage.engine(&cast.master)?.inject(fault);
    Ok(format!("{} {what}", name(&cast.master)))
}

pub(super) const OOM_KILLED: Scenario = Scenario {
    name: "oom-killed",
    about: "the kernel kills the last replica of dragonfly-system/gitlab at its memory limit, again at each start",
    shows: "CrashLoopBackOff, last state OOMKilled with exit code 137, restartCount growing; the full sync that it starts with takes \
            more than its limit leaves; its log tells nothing of its end",
    follows: "",
    play: |scene| Box::pin(oom_killed(scene)),
    ..Scenario::BASE
};

async fn oom_killed(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    let pod = name(cast.last()).to_owned();
    stage.infra.machines.crash(Crash {
        namespace: GITLAB.0.into(),
        pod: pod.clone(),
        container: "dragonfly".into(),
        code: 137,
        reason: Some("OOMKilled"),
        lines: vec!["Started full sync with its master".into()],
    });
    Ok(format!("{pod} is killed for its memory from now on"))
}

pub(super) const THREADS_STARVED: Scenario = Scenario {
    name: "threads-starved",
    about: "somebody gave dragonfly-system/gitlab less memory than its four threads need: the first new pod ends at its start",
    shows: "`--maxmemory=512mb --proactor_threads=4`; CrashLoopBackOff, exit code 1, log: There are 4 threads, so 1.00GiB are \
            required. Exiting...; phase RollingUpdate, the other pods on the old revision",
    follows: "",
    play: |scene| Box::pin(threads_starved(scene)),
    ..Scenario::BASE
};

async fn threads_starved(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    let pod = name(cast.first());
    stage.edit(GITLAB, lasting, |df| {
        let args = json!(["--maxmemory=512mb", "--proactor_threads=4"]);
        set(df, &["spec", "args"], args);
    })?;
    let ends = || {
        let found = stage.infra.store.get(PODS, GITLAB.0, pod);
        let last = "/status/containerStatuses/0/lastState/terminated/exitCode";
        found.is_ok_and(|pod| number(&pod.value(), last) == Some(1))
    };
    stage
        .wait(&format!("{pod} has ended at its start"), ends)
        .await?;
    Ok(format!("{pod} has too little memory for its threads"))
}
