//! Memory that has run out, by either measure.

use super::{MAIN, Scenario, Scene};
use crate::lab::engine::Fault;
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
