//! The failure modes that need an older operator, a limit, a probe, a policy or a right: what each of them leaves to be seen.

use serde_json::json;

use super::signatures::{Seen, asked, get, operators_log, phase, pod, spelled, tells, want};
use super::*;

/// What one of them shows; `None` for any other scenario.
pub(super) async fn shows(bench: &Bench, scenario: &str) -> Option<Seen> {
    Some(match scenario {
        "rollout-blocked" => rollout_blocked(bench).await,
        "replicas-deleted" => replicas_deleted(bench).await,
        "oom-killed" => {
            let pod = pod(bench, SYSTEM, "gitlab-2").await;
            let status = format!("{:?}", pod.status);
            tells(
                &status,
                &["exit_code: 137", "OOMKilled", "CrashLoopBackOff"],
                &[],
            )
        }
        "threads-starved" => {
            let seen = bench.seen(SYSTEM, "gitlab").await;
            let phase = phase(bench, SYSTEM, "gitlab").await;
            let kept = seen.masters == ["gitlab-0"] && seen.ready == 2;
            let status = format!("{:?}", pod(bench, SYSTEM, "gitlab-1").await.status);
            let wanted = ["CrashLoopBackOff", "exit_code: 1,"];
            want(kept && phase == "RollingUpdate", (seen, phase)).and(tells(
                &status,
                &wanted,
                &["OOMKilled"],
            ))
        }
        "load-killed" => {
            let path = format!("/api/v1/namespaces/{SYSTEM}/events");
            let events = get(bench, &path).await.unwrap_or_default();
            let restarts = pod(bench, SYSTEM, "dragonfly-2").await.status;
            let restarts = restarts.and_then(|status| status.container_statuses);
            let restarts = restarts.map_or(0, |all| all.iter().map(|one| one.restart_count).sum());
            let wanted = [
                "Liveness probe failed: LOADING",
                "failed liveness probe, will be restarted",
            ];
            want(restarts > 2, restarts).and(tells(&events, &wanted, &[]))
        }
        "policy-blocks" => policy_blocks(bench).await,
        "operator-without-right" => {
            let role =
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/dragonfly-operator-manager-role";
            let role = get(bench, role).await.unwrap_or_default();
            let log = operators_log(bench).await;
            let refused = "cannot list resource \\\"configmaps\\\"";
            // Once by the scenario, and again when no cache was filled in two minutes.
            let pods = Api::<Pod>::namespaced(bench.infra.clone(), NAMESPACE);
            let pods = pods.list(&ListParams::default()).await.unwrap().items;
            let restarts: Vec<i32> = pods.iter().map(manager_restarts).collect();
            tells(&role, &["statefulsets"], &["configmaps"])
                .and(tells(&log, &[refused], &[]))
                .and(want(restarts.iter().any(|times| *times > 1), restarts))
        }
        _ => return None,
    })
}

fn manager_restarts(pod: &Pod) -> i32 {
    let status = pod
        .status
        .as_ref()
        .and_then(|one| one.container_statuses.as_ref());
    let manager = status.and_then(|all| all.iter().find(|one| one.name == "manager"));
    manager.map_or(0, |one| one.restart_count)
}

async fn rollout_blocked(bench: &Bench) -> Seen {
    let (namespace, name) = ("media", "thumbs");
    let told = asked(
        bench,
        (namespace, "thumbs-1", 9999),
        &["INFO", "REPLICATION"],
    )
    .await;
    tells(
        &spelled(told),
        &["role:slave", "master_link_status:up"],
        &[],
    )?;
    let seen = bench.seen(namespace, name).await;
    want(seen.replicas.is_empty() && seen.ready == 2, seen)?;
    let phase = phase(bench, namespace, name).await;
    want(phase == "RollingUpdate", phase)?;
    let wanted = [
        "failed to clear snapshot cron schedule on replica: LOADING Dragonfly is loading",
        "waiting for pod to be assigned a role",
    ];
    tells(&operators_log(bench).await, &wanted, &[])
}

async fn replicas_deleted(bench: &Bench) -> Seen {
    let seen = bench.seen(SYSTEM, "gitlab").await;
    let alone = seen.masters == ["gitlab-0"] && seen.in_sync.is_empty();
    want(alone && seen.ready == 1, seen)?;
    let log = operators_log(bench).await;
    let both: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("deleting replica"))
        .collect();
    let named = |pod: &str| {
        both.iter()
            .any(|line| line.contains(&json!(pod).to_string()))
    };
    want(named("gitlab-1") && named("gitlab-2"), both.clone())
}

async fn policy_blocks(bench: &Bench) -> Seen {
    let path = format!("/apis/networking.k8s.io/v1/namespaces/{SYSTEM}/networkpolicies/gitlab");
    tells(
        &get(bench, &path).await?,
        &["controller-manager"],
        &["namespaceSelector"],
    )?;
    let seen = bench.seen(SYSTEM, "gitlab").await;
    let whole = seen.ready == 3 && seen.in_sync.len() == 2;
    want(whole, seen)?;
    let phase = phase(bench, SYSTEM, "gitlab").await;
    want(phase == "RollingUpdate", phase)?;
    tells(&operators_log(bench).await, &[":9999: i/o timeout"], &[])?;
    // Whoever comes from elsewhere is kept out; whoever is of the same namespace is not.
    let list = ["CLIENT", "LIST"];
    let far = spelled(asked(bench, (SYSTEM, "gitlab-0", 9999), &list).await);
    tells(&far, &[], &["gitlab-webservice", "gitlab-exporter"])?;
    let near = asked(bench, ("harbor", "cache-0", 9999), &list).await;
    tells(&spelled(near), &["lib-name=go-redis"], &["jobservice"])
}
