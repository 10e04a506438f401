//! What is shown by scenarios that few questions tell from a healthy lab.

use super::signatures::{
    Seen, admin, asked, info, line_of, loads_anew, number, phase, spelled, tells, want,
};
use super::*;

/// Whether the lab shows what a scenario describes; `None` for one that is looked at elsewhere.
pub(super) async fn shows(bench: &Bench, scenario: &str) -> Option<Seen> {
    Some(match scenario {
        "link-down" => link_down(bench).await,
        "follows-another" => {
            let info = info(bench, "gitlab-2", "replication").await;
            let wanted = ["master_host:192.0.2.17", "master_link_status:up"];
            tells(&info, &wanted, &["master_sync_in_progress:1"])
        }
        "replica-unlisted" => replica_unlisted(bench).await,
        "replica-restarted" => {
            let engine = bench.engine(SYSTEM, "gitlab-2");
            let info = info(bench, "gitlab-2", "replication").await;
            let seen = bench.seen(SYSTEM, "gitlab").await;
            tells(&info, &["role:master", "connected_slaves:0"], &[]).and(want(
                engine.spec().restarts == 1 && engine.keys() == 0 && seen.replicas.len() == 2,
                seen,
            ))
        }
        "master-moved" => {
            let seen = bench.seen(SYSTEM, "gitlab").await;
            let one = seen.masters.len() == 1 && seen.acting.len() == 1;
            want(
                one && seen.masters != seen.acting && seen.endpoints == seen.masters,
                seen,
            )
        }
        "loading-not-ready" => {
            let seen = bench.seen(SYSTEM, "dragonfly").await;
            let loading = number(bench, "dragonfly-0", "persistence", "loading").await;
            let kept = seen.masters == ["dragonfly-0"] && seen.acting == seen.masters;
            let out = seen.endpoints.is_empty() && seen.ready == 2;
            match want(loading == 1 && kept && out, (loading, seen)) {
                Ok(()) => loads_anew(bench).await,
                wrong => wrong,
            }
        }
        "data-port-hangs" => {
            let data = asked(bench, (SYSTEM, "gitlab-0", 6379), &["PING"]).await;
            let admin = admin(bench, "gitlab-0", &["PING"]).await;
            let other = asked(bench, (SYSTEM, "gitlab-1", 6379), &["PING"]).await;
            let told = (spelled(data), admin.as_str(), spelled(other));
            want(
                told == ("(nothing)".into(), "PONG", "PONG".into()),
                (&told, &admin),
            )
        }
        "schedule-lost" => {
            let get = ["CONFIG", "GET", "snapshot_cron"];
            let lost = admin(bench, "dragonfly-0", &get).await;
            let kept = admin(bench, "dragonfly-1", &get).await;
            let saved = number(bench, "dragonfly-0", "persistence", "last_success_save").await;
            let now = bench.lab.0.stage.infra.store.now().as_second();
            want(
                lost.trim() == "snapshot_cron" && kept.contains("*/30") && now - saved < 1200,
                (lost, kept, now - saved),
            )
        }
        "rolling-update" => {
            let phase = phase(bench, SYSTEM, "gitlab").await;
            want(phase == "RollingUpdate", phase)
        }
        "operator-stalled" => {
            let seen = bench.seen(SYSTEM, "gitlab").await;
            let bare = seen.replicas == ["gitlab-1"] && seen.ready == 3;
            want(bare && seen.in_sync == ["gitlab-1", "gitlab-2"], seen)
        }
        _ => return None,
    })
}

async fn link_down(bench: &Bench) -> Seen {
    let at = ("archive", "legacy-1", 9999);
    let info = spelled(asked(bench, at, &["INFO", "replication"]).await);
    let wanted = ["role:replica", "master_link_status:down"];
    tells(&info, &wanted, &["slave_repl_offset"])?;
    let clients = spelled(asked(bench, at, &["CLIENT", "LIST"]).await);
    tells(&clients, &[], &["repl-phase"])
}

async fn replica_unlisted(bench: &Bench) -> Seen {
    let ip = bench.engine(SYSTEM, "gitlab-2").spec().ip.to_string();
    let of_master = info(bench, "gitlab-0", "replication").await;
    let listed = line_of(&of_master, &ip);
    want(
        listed.is_empty() && of_master.contains("connected_slaves:1"),
        of_master,
    )?;
    let of_replica = info(bench, "gitlab-2", "replication").await;
    tells(
        &of_replica,
        &["master_link_status:up", "master_sync_in_progress:0"],
        &[],
    )
}
