//! Replication over a network of engines.

use std::time::Duration;

use super::stage::{Stage, admin, data, field, in_sync, shows, until};
use crate::lab::engine::{Engine, EngineSpec, Fault, Load};

/// Waits until a replica holds what its master holds.
async fn same_data(one: &Engine, other: &Engine) {
    until(|| async {
        let (a, b) = (everything(one).await, everything(other).await);
        if a == b {
            Ok(())
        } else {
            Err(format!("{} and {} keys, or other values", a.len(), b.len()))
        }
    })
    .await;
}

async fn everything(engine: &Engine) -> Vec<(String, String)> {
    let mut wire = admin(engine).await;
    let keys = wire.text("KEYS *").await;
    let mut all = vec![];
    for key in keys.lines().skip(1).filter(|line| !line.starts_with('$')) {
        let kind = wire.text(&format!("TYPE {key}")).await;
        let value = match kind.as_str() {
            "+hash" => wire.text(&format!("HGETALL {key}")).await,
            "+list" => wire.text(&format!("LRANGE {key} 0 -1")).await,
            "+set" => wire.text(&format!("SMEMBERS {key}")).await,
            "+zset" => wire.text(&format!("ZRANGE {key} 0 -1 WITHSCORES")).await,
            _ => wire.text(&format!("GET {key}")).await,
        };
        let end = wire.text(&format!("EXPIRETIME {key}")).await;
        all.push((key.to_owned(), format!("{kind} {value} {end}")));
    }
    all.sort();
    all
}

async fn offsets(engine: &Engine) -> u64 {
    let reply = admin(engine).await.text("DFLY REPLICAOFFSET").await;
    reply
        .lines()
        .filter_map(|line| line.strip_prefix(':')?.parse::<u64>().ok())
        .sum()
}

#[tokio::test]
async fn every_kind_of_change_reaches_the_replicas() {
    let mut stage = Stage::new();
    let [master, replica, other] = stage.trio().await;
    let mut wire = data(&master).await;
    for command in [
        "SET a 1 EX 1000",
        "APPEND a 23",
        "INCRBY n 5",
        "MSET x 1 y 2 z 3",
        "DEL y",
        "EXPIRE x 500",
        "PERSIST x",
        "HSET h f 1 g 2",
        "HINCRBY h f 4",
        "HDEL h g",
        "RPUSH l a b c d",
        "LPOP l",
        "LREM l 1 c",
        "SADD s a b c d e",
        "SPOP s 2",
        "ZADD z2 1 a 2 b",
        "ZPOPMIN z2",
        "RENAME z zz",
        "SETRANGE a 1 Q",
        "GETDEL n",
        "BLPOP l 1",
        "MULTI",
        "SET m 1",
        "INCR m",
        "EXEC",
        "GETEX m EX 77",
        "DEBUG POPULATE 20 bulk 30",
        "SET bulk:3 other",
    ] {
        let reply = wire.text(command).await;
        assert!(!reply.starts_with('-'), "{command}: {reply}");
    }
    same_data(&master, &replica).await;
    same_data(&master, &other).await;
    let info = shows(&replica, &["slave_repl_offset:"]).await;
    assert_eq!(
        field(&info, "slave_repl_offset")
            .unwrap()
            .parse::<u64>()
            .unwrap(),
        offsets(&master).await
    );
    wire.text("FLUSHALL").await;
    wire.text("SET after 1").await;
    same_data(&master, &replica).await;
    assert_eq!(replica.keys(), 1);
}

#[tokio::test]
async fn a_full_sync_goes_through_its_states() {
    let mut stage = Stage::new();
    let (master, replica) = (stage.engine("a").await, stage.engine("b").await);
    master.fill("pop", 100_000, 50_000_000);
    replica.inject(Fault::FullSyncTakes(Some(Duration::from_secs(1))));
    assert_eq!(
        admin(&replica)
            .await
            .text("REPLICAOF 127.0.0.11 9999")
            .await,
        "+OK"
    );
    let info = shows(
        &master,
        &[
            "connected_slaves:1",
            "slave0:ip=127.0.0.12,port=6379,state=",
        ],
    )
    .await;
    assert!(
        info.contains("state=preparation,lag=0") || info.contains("state=full_sync,lag=0"),
        "{info}"
    );
    shows(&master, &["state=full_sync,lag=0"]).await;
    let info = shows(&replica, &["master_sync_in_progress:1"]).await;
    assert_eq!(field(&info, "loading"), Some("1"));
    assert_eq!(field(&info, "slave_repl_offset"), None);
    // Keys and memory grow.
    let mut seen = vec![];
    until(|| {
        let found = replica.keys();
        if seen.last() != Some(&found) {
            seen.push(found);
        }
        let done = found == 100_000;
        async move {
            if done {
                Ok(())
            } else {
                Err(format!("{found} keys"))
            }
        }
    })
    .await;
    assert!(seen.len() > 5 && seen.is_sorted(), "{seen:?}");
    in_sync(&replica).await;
    shows(&master, &["state=online,lag=0"]).await;
    let role = admin(&replica).await.text("ROLE").await;
    assert_eq!(role, "*4\n$5\nslave\n$10\n127.0.0.11\n$4\n9999\n$6\nonline");
}

#[tokio::test]
async fn refused_masters_leave_the_node_as_it_was() {
    let mut stage = Stage::new();
    let [_, replica, _] = stage.trio().await;
    let loading = stage.engine("d").await;
    loading.inject(Fault::Loading(Duration::from_secs(60)));
    let mut wire = admin(&replica).await;
    for target in [
        "127.0.0.99 9999",
        "127.0.0.13 9999",
        "127.0.0.14 9999",
        "nohost.invalid 9999",
        "127.0.0.11 1234",
    ] {
        assert_eq!(
            wire.text(&format!("REPLICAOF {target}")).await,
            "-ERR replication cancelled",
            "{target}"
        );
    }
    let info = wire.text("INFO replication").await;
    assert_eq!(field(&info, "master_link_status"), Some("up"));
    assert_eq!(field(&info, "master_host"), Some("127.0.0.11"));
}

#[tokio::test]
async fn sent_again_to_the_same_master_it_costs_a_full_sync() {
    let mut stage = Stage::new();
    let [master, replica, _] = stage.trio().await;
    replica.inject(Fault::FullSyncTakes(Some(Duration::from_secs(30))));
    assert_eq!(
        admin(&replica)
            .await
            .text("REPLICAOF 127.0.0.11 9999")
            .await,
        "+OK"
    );
    shows(&replica, &["loading:1", "master_sync_in_progress:1"]).await;
    shows(&master, &["connected_slaves:2", "state=full_sync"]).await;
}

#[tokio::test]
async fn a_killed_master_is_missed_and_a_restarted_one_stops_its_replicas_for_good() {
    let mut stage = Stage::new();
    let [master, replica, other] = stage.trio().await;
    data(&master).await.text("SET k v").await;
    until(|| async {
        if replica.keys() == 1 {
            Ok(())
        } else {
            Err("not yet".into())
        }
    })
    .await;
    master.kill();
    let info = shows(&replica, &["master_link_status:down"]).await;
    assert!(field(&info, "slave_repl_offset").is_some());
    let list = admin(&replica).await.text("CLIENT LIST").await;
    assert!(
        list.contains("laddr=- fd=-1 ") && list.contains("flags=M repl-phase=tcp_connecting"),
        "{list}"
    );
    assert!(
        admin(&replica)
            .await
            .text("ROLE")
            .await
            .ends_with("connecting")
    );
    assert_eq!(
        admin(&replica).await.text("REPLTAKEOVER 5").await,
        "-ERR Full sync not done"
    );
    let spec = EngineSpec {
        restarts: 1,
        ..stage.spec("a")
    };
    let next = stage.start(spec).await;
    let both = ["connected_slaves:2", "state=preparation,lag=0"];
    let info = shows(&next, &both).await;
    assert_eq!(info.matches("state=preparation,lag=0").count(), 2);
    for engine in [&replica, &other] {
        until(|| async {
            let list = admin(engine).await.text("CLIENT LIST").await;
            if list.contains("repl-phase=disabled") {
                Ok(())
            } else {
                Err(list)
            }
        })
        .await;
        let info = shows(
            engine,
            &["master_link_status:down", "master_sync_in_progress:0"],
        )
        .await;
        assert_ne!(field(&info, "master_replid"), Some(next.replid().as_str()));
        assert_eq!(engine.keys(), 1);
    }
    let list = admin(&next).await.text("CLIENT LIST").await;
    assert!(
        list.contains("name=repl_ctrl_1 ") && !list.contains("repl_flow"),
        "{list}"
    );
    // The repair: promote one, point the others at it.
    assert_eq!(admin(&replica).await.text("REPLICAOF NO ONE").await, "+OK");
    shows(&next, &["connected_slaves:1"]).await;
    assert_eq!(
        admin(&other).await.text("REPLICAOF 127.0.0.12 9999").await,
        "+OK"
    );
    let info = shows(&other, &["master_link_status:up", "slave_repl_offset:"]).await;
    assert_eq!(field(&info, "psync_successes"), Some("1"));
    assert_eq!(
        admin(&next).await.text("REPLICAOF 127.0.0.12 9999").await,
        "+OK"
    );
    in_sync(&next).await;
    assert_eq!(next.keys(), 1);
}

#[tokio::test]
async fn without_the_flag_a_restarted_master_empties_its_replicas() {
    let mut stage = Stage::new();
    let mut engines = vec![];
    for name in ["a", "b"] {
        let spec = EngineSpec {
            break_replication_on_master_restart: false,
            ..stage.spec(name)
        };
        engines.push(stage.start(spec).await);
    }
    data(&engines[0]).await.text("SET k v").await;
    assert_eq!(
        admin(&engines[1])
            .await
            .text("REPLICAOF 127.0.0.11 9999")
            .await,
        "+OK"
    );
    in_sync(&engines[1]).await;
    engines[0].kill();
    let next = stage
        .start(EngineSpec {
            restarts: 1,
            ..engines[0].spec().clone()
        })
        .await;
    let replid = format!("master_replid:{}", next.replid());
    shows(
        &engines[1],
        &["master_link_status:up", &replid, "slave_repl_offset:"],
    )
    .await;
    assert_eq!(engines[1].keys(), 0);
}

#[tokio::test]
async fn a_frozen_master_is_invisible_in_its_replica() {
    let mut stage = Stage::new();
    let [master, replica, _] = stage.trio().await;
    master.freeze(true);
    for _ in 0..20 {
        let info = admin(&replica).await.text("INFO replication").await;
        assert_eq!(field(&info, "master_link_status"), Some("up"));
        assert!(
            matches!(field(&info, "master_last_io_seconds_ago"), Some("0" | "1")),
            "{info}"
        );
        assert!(admin(&replica).await.text("ROLE").await.ends_with("online"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_frozen_replica_stays_online_with_a_growing_lag() {
    let mut stage = Stage::new();
    let [master, replica, other] = stage.trio().await;
    replica.freeze(true);
    let load = Load::default();
    assert_eq!(master.write_burst(&load, 30_000), 30_000);
    let lag = |info: &str, ip: &str| {
        let line = info
            .lines()
            .find(|line| line.contains(&format!("ip={ip},")))
            .unwrap()
            .to_owned();
        assert!(line.contains("state=online"), "{line}");
        line.split("lag=")
            .nth(1)
            .unwrap()
            .trim()
            .parse::<u64>()
            .unwrap()
    };
    until(|| async {
        let info = admin(&master).await.text("INFO replication").await;
        let (frozen, healthy) = (lag(&info, "127.0.0.12"), lag(&info, "127.0.0.13"));
        if frozen > 14_000 && healthy == 0 {
            Ok(())
        } else {
            Err(info)
        }
    })
    .await;
    // It catches up without a full sync, however far it was behind.
    replica.freeze(false);
    shows(
        &master,
        &["slave0:ip=127.0.0.12,port=6379,state=online,lag=0"],
    )
    .await;
    same_data(&master, &replica).await;
    same_data(&master, &other).await;
    assert!(
        !replica
            .log(0)
            .lines
            .iter()
            .filter(|(_, line)| line.contains("Started full sync"))
            .count()
            > 1
    );
}

#[tokio::test]
async fn a_replica_can_be_held_back() {
    let mut stage = Stage::new();
    let [master, replica, _] = stage.trio().await;
    replica.inject(Fault::HoldBack(true));
    master.write_burst(&Load::default(), 500);
    until(|| async {
        let info = admin(&master).await.text("INFO replication").await;
        let line = info
            .lines()
            .find(|line| line.contains("127.0.0.12"))
            .unwrap();
        let lag: u64 = line.split("lag=").nth(1).unwrap().trim().parse().unwrap();
        if lag > 200 { Ok(()) } else { Err(info) }
    })
    .await;
    assert_eq!(admin(&replica).await.text("PING").await, "+PONG");
    replica.heal();
    shows(
        &master,
        &["slave0:ip=127.0.0.12,port=6379,state=online,lag=0"],
    )
    .await;
}

#[tokio::test]
async fn a_cut_link_breaks_and_heals_by_a_partial_sync() {
    let mut stage = Stage::new();
    let [master, replica, _] = stage.trio().await;
    let (a, b) = (Stage::ip("a"), Stage::ip("b"));
    stage.network.cut(a, b);
    shows(&replica, &["master_link_status:down"]).await;
    shows(&master, &["connected_slaves:1"]).await;
    master.write_burst(&Load::default(), 100);
    stage.network.mend(a, b);
    let info = shows(&replica, &["master_link_status:up", "slave_repl_offset:"]).await;
    assert_eq!(field(&info, "psync_successes"), Some("1"));
    same_data(&master, &replica).await;
}

#[tokio::test]
async fn a_broken_full_sync_leaves_half_a_copy() {
    let mut stage = Stage::new();
    let (master, replica) = (stage.engine("a").await, stage.engine("b").await);
    master.fill("pop", 10_000, 5_000_000);
    replica.inject(Fault::FullSyncTakes(Some(Duration::from_secs(4))));
    assert_eq!(
        admin(&replica)
            .await
            .text("REPLICAOF 127.0.0.11 9999")
            .await,
        "+OK"
    );
    until(|| async {
        if replica.keys() > 500 {
            Ok(())
        } else {
            Err("nothing came yet".into())
        }
    })
    .await;
    master.kill();
    let info = shows(&replica, &["master_link_status:down", "loading:0"]).await;
    assert_eq!(field(&info, "slave_repl_offset"), None);
    assert!((1..10_000).contains(&replica.keys()), "{}", replica.keys());
}

#[tokio::test]
async fn promoting_the_one_that_is_behind_diverges_silently() {
    let mut stage = Stage::new();
    let [master, behind, ahead] = stage.trio().await;
    behind.inject(Fault::HoldBack(true));
    master.write_burst(
        &Load {
            name: "lost".into(),
            ..Load::default()
        },
        40,
    );
    until(|| async {
        if ahead.keys() > 20 {
            Ok(())
        } else {
            Err("not yet".into())
        }
    })
    .await;
    master.kill();
    shows(&ahead, &["master_link_status:down"]).await;
    assert_eq!(admin(&behind).await.text("REPLICAOF NO ONE").await, "+OK");
    behind.write_burst(
        &Load {
            name: "new".into(),
            ..Load::default()
        },
        400,
    );
    assert_eq!(
        admin(&ahead).await.text("REPLICAOF 127.0.0.12 9999").await,
        "+OK"
    );
    // Accepted as a partial sync: link up, no lag, same id, and yet other data.
    let info = shows(&ahead, &["master_link_status:up", "slave_repl_offset:"]).await;
    assert_eq!(field(&info, "psync_successes"), Some("1"));
    shows(&behind, &["state=online,lag=0"]).await;
    let mut one = admin(&behind).await;
    let mut two = admin(&ahead).await;
    let lost = "SCAN 0 MATCH lost:* COUNT 10000";
    assert_eq!(one.text(lost).await, "*2\n$1\n0\n*0");
    assert_ne!(two.text(lost).await, "*2\n$1\n0\n*0");
}

#[tokio::test]
async fn behind_a_promoted_node_a_full_sync_is_needed() {
    let mut stage = Stage::new();
    let [master, behind, ahead] = stage.trio().await;
    behind.inject(Fault::HoldBack(true));
    master.write_burst(&Load::default(), 100);
    until(|| async {
        if ahead.keys() > 50 {
            Ok(())
        } else {
            Err("not yet".into())
        }
    })
    .await;
    master.kill();
    shows(&ahead, &["master_link_status:down"]).await;
    behind.heal();
    assert_eq!(admin(&ahead).await.text("REPLICAOF NO ONE").await, "+OK");
    assert_eq!(
        admin(&behind).await.text("REPLICAOF 127.0.0.13 9999").await,
        "+OK"
    );
    let info = shows(
        &behind,
        &[
            "master_link_status:up",
            "master_sync_in_progress:0",
            "slave_repl_offset:",
        ],
    )
    .await;
    assert_eq!(field(&info, "psync_successes"), Some("0"));
    same_data(&ahead, &behind).await;
}
