//! What a lab is started with when nothing is wrong, and how it becomes so again.

use super::{Scenario, Use};

pub(super) const HEALTHY: Scenario = Scenario {
    name: "healthy",
    about: "all instances configured, in sync and under light load",
    shows: "three instances, every link up, every replica `state=online` with a small lag",
    follows: "steady",
    when: Use::Start,
    ..Scenario::BASE
};

pub(super) const SCALE: Scenario = Scenario {
    name: "scale:N",
    about: "N more instances of three pods over several namespaces, for example scale:100",
    shows: "as healthy, with N more instances `team-NN/cache-NNN`",
    when: Use::Start,
    arrange: |all| all.many = all.count,
    ..Scenario::BASE
};

pub(super) const HEAL: Scenario = Scenario {
    name: "heal",
    about: "takes every fault away",
    shows: "as healthy, once the operator has done its part",
    when: Use::Running,
    play: |scene| Box::pin(async move { Ok(scene.stage.heal(scene.lasting).await) }),
    ..Scenario::BASE
};
