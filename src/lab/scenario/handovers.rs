//! A master that somebody moves by hand, in a wrong order that passes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{GITLAB, Scenario, Scene};
use crate::lab::operator::owned::ADMIN_PORT;
use crate::lab::stage::{Stage, ip, name};

/// From the labels to the engines.
const BETWEEN: Duration = Duration::from_secs(4);
/// Until the next move: those who follow take a full sync first.
const REST: Duration = Duration::from_secs(40);

pub(super) const MASTER_MOVED: Scenario = Scenario {
    name: "master-moved",
    about: "somebody moves the master of dragonfly-system/gitlab by hand, there and back again, the labels before the engines",
    shows: "for 4 s the label and the Service name a replica while the engines are as before; then they follow, and the others \
            take a full sync; again 40 s later, the other way round. The operator is stalled",
    follows: "replicaof-no-one",
    play: |scene| Box::pin(async move { moved(scene) }),
    ..Scenario::BASE
};

fn moved(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let cast = stage.cast(GITLAB.0, GITLAB.1)?;
    // Whoever moves a master by hand pauses the operator first.
    stage.stall_operator(true);
    let (mut old, mut new) = (cast.master.clone(), cast.first().clone());
    let others: Vec<Value> = cast.replicas.iter().skip(1).cloned().collect();
    let said = format!("{} is made master in place of {}", name(&new), name(&old));
    let stage = Arc::clone(stage);
    lasting.spawn(async move {
        // A refusal ends it: somebody else has changed the instance meanwhile.
        while hand_over(&stage, &old, &new, &others).await.is_ok() {
            stage.clock.sleep(REST).await;
            std::mem::swap(&mut old, &mut new);
        }
    });
    Ok(said)
}

async fn hand_over(
    stage: &Stage,
    old: &Value,
    new: &Value,
    others: &[Value],
) -> Result<(), String> {
    let address = ip(new);
    stage.label(old, Some("replica"), address)?;
    stage.label(new, Some("master"), address)?;
    stage.clock.sleep(BETWEEN).await;
    stage.tell(new, &["REPLICAOF", "NO", "ONE"]).await?;
    for pod in std::iter::once(old).chain(others) {
        stage.engine(pod)?.replica_of(address, ADMIN_PORT).await?;
        stage.label(pod, Some("replica"), address)?;
    }
    Ok(())
}
