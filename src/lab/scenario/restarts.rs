//! Processes that were started again, and that nobody has told yet what they are.

use super::{GITLAB, Scenario, Scene};
use crate::lab::stage::name;

pub(super) const REPLICA_RESTARTED: Scenario = Scenario {
    name: "replica-restarted",
    about: "the last replica of dragonfly-system/gitlab restarted in place, and the stalled operator leaves it as it is",
    shows: "label replica, `role:master` with no keys and no clients, restartCount 1: it waits to be made a replica. After a \
            minute it is not starting any more, but one master too many",
    follows: "replica-killed",
    play: |scene| Box::pin(restarted(scene)),
    ..Scenario::BASE
};

async fn restarted(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    stage.stall_operator(true);
    stage.restart(cast.last(), |_| true).await?;
    Ok(format!(
        "{} has restarted and waits to be made a replica",
        name(cast.last())
    ))
}
