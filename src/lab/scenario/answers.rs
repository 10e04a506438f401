//! Answers that come from the wrong place, late, or are none that a client should believe.

use std::time::Duration;

use super::{CACHE, GITLAB, Scenario, Scene};
use crate::lab::engine::{Absurd, Fault};
use crate::lab::stage::name;

/// By how much the replies are late.
const LATE: Duration = Duration::from_secs(4);

pub(super) const FOREIGN_NODE: Scenario = Scenario {
    name: "foreign-node",
    about: "whoever asks for the last pod of dragonfly-system/gitlab reaches a replica of harbor/cache",
    shows: "its INFO names a `master_host` and `master_replid` of another instance, other keys, another `maxmemory`; its \
            own master lists it as online",
    follows: "",
    play: |scene| Box::pin(async move { foreign(scene) }),
    ..Scenario::BASE
};

fn foreign(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let (cast, other) = (
        stage.cast(GITLAB.0, GITLAB.1)?,
        stage.cast(CACHE.0, CACHE.1)?,
    );
    let (pod, instead) = (name(cast.last()), name(other.last()));
    let machines = &stage.infra.machines;
    machines.redirect((GITLAB.0, pod), (CACHE.0, instead));
    // An address that another pod has now has no connection of the former one.
    stage.infra_api.faults().drop_streams();
    Ok(format!("{instead} answers for {pod}"))
}

fn one(Scene { stage, .. }: Scene<'_>, fault: Fault, what: &str) -> Result<String, String> {
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    stage.engine(cast.last())?.inject(fault);
    Ok(format!("{} {what}", name(cast.last())))
}

fn absurd(scene: Scene<'_>, what: Absurd, said: &str) -> Result<String, String> {
    one(scene, Fault::Absurd(Some(what)), said)
}

pub(super) const SLOW_ENGINE: Scenario = Scenario {
    name: "slow-engine",
    about: "the last node of dragonfly-system/gitlab answers every command four seconds late",
    shows: "each reply right, 4 s late; HTTP on 9999 is not",
    play: |scene| {
        Box::pin(async move { one(scene, Fault::SlowReplies(LATE), "answers four seconds late") })
    },
    ..Scenario::BASE
};

pub(super) const BAD_RESP: Scenario = Scenario {
    name: "bad-resp",
    about: "the last node of dragonfly-system/gitlab answers with bytes that are no RESP",
    shows: "every reply is garbage, over HTTP too",
    play: |scene| Box::pin(async move { one(scene, Fault::Garbage(true), "answers garbage") }),
    ..Scenario::BASE
};

pub(super) const HUGE_RESP: Scenario = Scenario {
    name: "bad-resp-huge",
    about: "the last node of dragonfly-system/gitlab announces strings of 2 GiB and sends nothing",
    shows: "every reply is `$2147483648` and then silence",
    play: |scene| Box::pin(async move { absurd(scene, Absurd::Huge, "announces 2 GiB") }),
    ..Scenario::BASE
};

pub(super) const DEEP_RESP: Scenario = Scenario {
    name: "bad-resp-deep",
    about: "the last node of dragonfly-system/gitlab answers with ten thousand lists within each other",
    shows: "every reply is `*1` ten thousand times, then `:1`",
    play: |scene| Box::pin(async move { absurd(scene, Absurd::Deep, "nests its replies") }),
    ..Scenario::BASE
};

pub(super) const DRIPPING_RESP: Scenario = Scenario {
    name: "bad-resp-drip",
    about: "the last node of dragonfly-system/gitlab sends one byte a second",
    shows: "every reply is right and takes minutes",
    play: |scene| Box::pin(async move { absurd(scene, Absurd::Drip, "drips") }),
    ..Scenario::BASE
};

pub(super) const ODD_INFO: Scenario = Scenario {
    name: "bad-info",
    about: "the last node of dragonfly-system/gitlab tells absurd values in INFO; all its other answers are right",
    shows: "INFO with unknown, missing, doubled and negative values, 10^20 and more, lines that are no pairs, bytes that are no \
     UTF-8",
    play: |scene| Box::pin(async move { absurd(scene, Absurd::OddInfo, "tells absurd things") }),
    ..Scenario::BASE
};
