//! An operator that does not work, in each way it can fail to.

use jiff::SignedDuration;
use serde_json::Value;

use super::{GITLAB, Scenario, Scene};
use crate::lab::clock;
use crate::lab::furnish::operator::{self, Found};
use crate::lab::json::{items, number, set};
use crate::lab::kubelet::Crash;
use crate::lab::operator::lease::LEASE;
use crate::lab::operator::{DEPLOYMENT, MANAGER, NAMESPACE};
use crate::lab::resources::{CLUSTER_ROLES, DEPLOYMENTS, LEASES, PODS};
use crate::lab::stage::{ip, name};

/// What the operator may do in the whole cluster.
const ROLE: &str = "dragonfly-operator-manager-role";
/// How long nobody has led when it is first looked at.
const SILENT: SignedDuration = SignedDuration::from_mins(7);

pub(super) const DOWN: Scenario = Scenario {
    name: "operator-down",
    about: "both operator pods crash at each start; nobody renews the Lease",
    shows: "both pods CrashLoopBackOff with restarts, log `configmaps is forbidden` and `timed out waiting for cache to be \
            synced`; Lease renewed minutes ago",
    follows: "",
    arrange: |all| all.operator = Found::Crashing,
    play: |scene| Box::pin(async move { down(scene) }),
    ..Scenario::BASE
};

fn down(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    stage.infra.machines.crash(Crash {
        namespace: NAMESPACE.into(),
        pod: DEPLOYMENT.into(),
        container: operator::CONTAINER.into(),
        code: 1,
        reason: None,
        lines: operator::crash_lines(stage.infra.store.now()),
    });
    Ok("the operator's managers crash from now on".into())
}

pub(super) const STALLED: Scenario = Scenario {
    name: "operator-stalled",
    about: "the operator renews its Lease but does no work: a replica of dragonfly-system/gitlab without a role stays so",
    shows: "pods Ready, Lease fresh, no line in its log and no event any more; the last replica has no label `role`, which the \
            operator would set at once",
    follows: "",
    play: |scene| Box::pin(async move { stalled(scene) }),
    ..Scenario::BASE
};

fn stalled(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    stage.stall_operator(true);
    // Nothing tells that it does nothing while it has nothing to do.
    let left = match stage.cast(GITLAB.0, GITLAB.1) {
        Ok(cast) => {
            stage.label(cast.last(), None, ip(&cast.master))?;
            format!("{} has lost its role", name(cast.last()))
        }
        Err(_) => "gitlab needs it already".to_owned(),
    };
    Ok(format!("the operator does no work from now on; {left}"))
}

pub(super) const ABSENT: Scenario = Scenario {
    name: "operator-absent",
    about: "the operator's Deployment is scaled to zero; its Lease is what is left of it",
    shows: "`spec.replicas` 0 and no pods; Lease renewed minutes ago",
    follows: "",
    play: |scene| Box::pin(async move { absent(scene) }),
    ..Scenario::BASE
};

/// Scales the operator to zero, until everything is made well.
pub(super) fn absent(scene: Scene<'_>) -> Result<String, String> {
    let Scene { stage, lasting } = scene;
    let store = stage.infra.store.clone();
    let found = store.get(DEPLOYMENTS, NAMESPACE, DEPLOYMENT);
    let found = found.map_err(|status| status.to_string())?.value();
    let replicas = number(&found, "/spec/replicas").unwrap_or(2);
    let scale = move |deployment: &mut Value, to: i64| {
        set(deployment, &["spec", "replicas"], to.into());
    };
    let scaled = store.update(DEPLOYMENTS, NAMESPACE, DEPLOYMENT, "kubectl", |one| {
        scale(one, 0)
    });
    scaled.map_err(|status| status.to_string())?;
    // Whoever leads at this moment could renew once more.
    stage.infra.machines.leaderless(true);
    silence(scene, None)?;
    lasting.undo(move || {
        // It may have been deleted meanwhile.
        let _ = store.update(DEPLOYMENTS, NAMESPACE, DEPLOYMENT, "kubectl", move |one| {
            scale(one, replicas)
        });
    });
    Ok("the operator is scaled to zero".into())
}

pub(super) const WITHOUT_RIGHT: Scenario = Scenario {
    name: "operator-without-right",
    about: "the operator's role has no rule for ConfigMaps, as the chart of v1.6.0: it leads, does nothing, and ends",
    shows: "ClusterRole dragonfly-operator-manager-role without configmaps; both managers started again; log `configmaps is \
            forbidden` and, two minutes after each start, `timed out waiting for cache to be synced`; Lease renewed meanwhile",
    follows: "",
    play: |scene| Box::pin(async move { without_right(scene) }),
    ..Scenario::BASE
};

fn without_right(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let store = stage.infra.store.clone();
    let found = store.get(CLUSTER_ROLES, "", ROLE);
    let before = found.map_err(|status| status.to_string())?.value();
    let rules = before.pointer("/rules").cloned().unwrap_or_default();
    let less: Vec<Value> = items(&before, "/rules")
        .iter()
        .map(without_config_maps)
        .collect();
    let written = store.update(CLUSTER_ROLES, "", ROLE, "helm", |role| {
        set(role, &["rules"], less.into());
    });
    written.map_err(|status| status.to_string())?;
    lasting.undo(move || {
        // It may have been deleted meanwhile.
        let _ = store.update(CLUSTER_ROLES, "", ROLE, "helm", move |role| {
            set(role, &["rules"], rules);
        });
    });
    // What a manager has in its cache it keeps; one that starts cannot fill it.
    let managers = stage.infra.store.labelled(
        PODS,
        Some(NAMESPACE),
        &[("control-plane", "controller-manager")],
    );
    for pod in managers {
        stage.infra.machines.kill(NAMESPACE, &pod.name);
    }
    Ok("the operator may not list ConfigMaps, and starts anew".into())
}

/// A rule without ConfigMaps among what it is for.
fn without_config_maps(rule: &Value) -> Value {
    let mut rule = rule.clone();
    let kept: Vec<Value> = items(&rule, "/resources")
        .iter()
        .filter(|one| one.as_str() != Some("configmaps"))
        .cloned()
        .collect();
    set(&mut rule, &["resources"], kept.into());
    rule
}

pub(super) const NOT_LEADING: Scenario = Scenario {
    name: "operator-not-leading",
    about: "the operator's pods run, but none can take the Lease: its holder is a pod that is gone",
    shows: "pods Running and Ready, Lease renewed minutes ago by a pod that does not exist; log: error retrieving resource \
            lock, leases is forbidden; no reconcile",
    follows: "",
    play: |scene| Box::pin(async move { not_leading(scene) }),
    ..Scenario::BASE
};

fn not_leading(scene: Scene<'_>) -> Result<String, String> {
    scene.stage.infra.machines.leaderless(true);
    let gone = format!("{DEPLOYMENT}-6c9fd7b5d8-k2xqz_4b1f0c52-77a0-4c9e-9a55-0d3b4f6a1e27");
    silence(scene, Some(gone))?;
    Ok("nobody can take the operator's Lease".into())
}

/// Makes the Lease look as nobody had renewed it for minutes, perhaps since another held it.
fn silence(Scene { stage, .. }: Scene<'_>, holder: Option<String>) -> Result<(), String> {
    let store = &stage.infra.store;
    let now = store.now();
    let renewed = clock::micros(now.checked_sub(SILENT).unwrap_or(now));
    let written = store.update(LEASES, NAMESPACE, LEASE, MANAGER, move |lease| {
        // Nobody renews a Lease before it was taken: whoever holds it took it then at the latest.
        if crate::lab::json::text(lease, "/spec/acquireTime") > renewed.as_str() {
            set(lease, &["spec", "acquireTime"], renewed.clone().into());
        }
        set(lease, &["spec", "renewTime"], renewed.into());
        if let Some(holder) = holder {
            set(lease, &["spec", "holderIdentity"], holder.into());
        }
    });
    written.map(|_| ()).map_err(|status| status.to_string())
}
