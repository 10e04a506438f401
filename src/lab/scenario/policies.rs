//! Policies that keep out whom they should let in.

use super::versions::{changed, roll, without};
use super::{GITLAB, Scenario, Scene};
use crate::lab::json::text;
use crate::lab::resources::{DRAGONFLIES, NETWORK_POLICIES};

pub(super) const POLICY_BLOCKS: Scenario = Scenario {
    name: "policy-blocks",
    about: "the network enforces the operator's own policies: its Deployment has no POD_NAMESPACE, so they keep it out too",
    shows: "NetworkPolicy of each instance admits on 9999 only managers of its own namespace; operator log: dial tcp ...:9999: \
            i/o timeout; dragonfly-system/gitlab stays in RollingUpdate with no pod replaced; no client of another namespace or \
            cluster is in CLIENT LIST any more",
    follows: "",
    play: |scene| Box::pin(blocks(scene)),
    ..Scenario::BASE
};

async fn blocks(scene: Scene<'_>) -> Result<String, String> {
    let stage = scene.stage;
    let store = &stage.infra.store;
    changed(scene, |deployment| without(deployment, "POD_NAMESPACE")).await?;
    let written = || {
        let policy = store.get(NETWORK_POLICIES, GITLAB.0, GITLAB.1);
        let admits = "/spec/ingress/1/from/0";
        policy.is_ok_and(|policy| {
            let policy = policy.value();
            let manager = policy.pointer(admits);
            manager.is_some_and(|one| one.get("namespaceSelector").is_none())
        })
    };
    stage
        .wait("the operator has written its policies anew", written)
        .await?;
    stage.infra.machines.enforce_policies();
    roll(scene, GITLAB)?;
    let rolls = || {
        let df = store.get(DRAGONFLIES, GITLAB.0, GITLAB.1);
        df.is_ok_and(|df| text(&df.value(), "/status/phase") == "RollingUpdate")
    };
    stage.wait("the rollout begins", rolls).await?;
    Ok("policies keep the operator out of every 9999, and clients from elsewhere out of every instance".into())
}
