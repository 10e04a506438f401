//! The port that clients use, while the other one is well.

use super::{GITLAB, Scenario, Scene};
use crate::lab::engine::Fault;
use crate::lab::stage::name;

pub(super) const DATA_PORT_HANGS: Scenario = Scenario {
    name: "data-port-hangs",
    about: "the master of dragonfly-system/gitlab speaks to no new connection on 6379; everything on 9999 is well",
    shows: "6379 takes connections and answers nothing, clients that are connected go on; 9999 answers all, pod Ready, links \
            up",
    follows: "",
    play: |scene| Box::pin(async move { hangs(scene) }),
    ..Scenario::BASE
};

fn hangs(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    stage
        .engine(&cast.master)?
        .inject(Fault::DeafDataPort(true));
    Ok(format!("{} speaks to no new client", name(&cast.master)))
}
