//! REPLTAKEOVER: success, timeouts, and what a second call does.

use std::time::{Duration, Instant};

use super::stage::{Stage, Wire, admin, data, field, in_sync, shows, until};
use crate::lab::engine::{Engine, EngineRole, Fault, Load, Version};

#[tokio::test]
async fn a_takeover_loses_nothing_and_ends_the_old_master() {
    let mut stage = Stage::new();
    let [master, target, other] = stage.trio().await;
    let mut blocked = data(&master).await;
    blocked.send(&["BLPOP", "never", "0"]).await.unwrap();
    let mut subscriber = data(&master).await;
    subscriber.text("SUBSCRIBE news").await;
    shows(&master, &["blocked_clients:1"]).await;
    master.write_burst(&Load::default(), 5000);
    let began = Instant::now();
    assert_eq!(admin(&target).await.text("REPLTAKEOVER 15").await, "+OK");
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(target.role(), EngineRole::Master { online: 0 });
    assert_eq!(target.keys(), master.keys());
    assert_eq!(blocked.reply().await.as_deref(), Some("*-1"));
    assert_eq!(subscriber.reply().await, None);
    assert_eq!(master.exited().await, 0);
    assert!(Wire::open(master.data_addr()).await.is_none());
    assert!(
        master.saved().is_none(),
        "a finished takeover does not save"
    );
    shows(&other, &["master_link_status:down"]).await;
    // Pointed at the new master at once, the third node continues by a partial sync.
    assert_eq!(
        admin(&other).await.text("REPLICAOF 127.0.0.12 9999").await,
        "+OK"
    );
    let info = shows(&other, &["master_link_status:up", "slave_repl_offset:"]).await;
    assert_eq!(field(&info, "psync_successes"), Some("1"));
    assert_eq!(other.keys(), target.keys());
    assert_eq!(admin(&target).await.text("REPLTAKEOVER 15").await, "+OK");
}

#[tokio::test]
async fn a_slow_reader_holds_a_takeover_up_until_it_fails() {
    let mut stage = Stage::new();
    let [master, target, _] = stage.trio().await;
    let value = "x".repeat(3_000_000);
    let mut reader = data(&master).await;
    reader.send(&["SET", "big", &value]).await.unwrap();
    reader.reply().await.unwrap();
    for _ in 0..50 {
        reader.send(&["GET", "big"]).await.unwrap();
    }
    until(|| async {
        let list = admin(&master).await.text("CLIENT LIST").await;
        if list.contains("send-wait-time=1 ") {
            Ok(())
        } else {
            Err(list)
        }
    })
    .await;
    let began = Instant::now();
    let reply = admin(&target).await.text("REPLTAKEOVER 1").await;
    assert_eq!(reply, "-ERR Couldn't execute takeover: Bad message");
    assert!(began.elapsed() >= Duration::from_secs(1));
    // The master is active again at once, and replication goes on.
    assert_eq!(data(&master).await.text("SET after 1").await, "+OK");
    in_sync(&target).await;
    until(|| async {
        if target.keys() == master.keys() {
            Ok(())
        } else {
            Err("not yet".into())
        }
    })
    .await;
    let info = shows(&master, &["role:master", "connected_slaves:2"]).await;
    assert_eq!(info.matches("state=online").count(), 2);
    assert_eq!(master.exit_code(), None);
}

#[tokio::test]
async fn a_frozen_third_node_keeps_the_old_master_up() {
    let mut stage = Stage::new();
    let [master, target, other] = stage.trio().await;
    other.freeze(true);
    master.write_burst(&Load::default(), 100);
    let mut logged_in = data(&master).await;
    assert_eq!(admin(&target).await.text("REPLTAKEOVER 1").await, "+OK");
    assert_eq!(target.role(), EngineRole::Master { online: 0 });
    // Locked up, role:master, for the whole deadline.
    assert_eq!(master.exit_code(), None);
    assert!(
        admin(&master)
            .await
            .text("INFO replication")
            .await
            .contains("role:master")
    );
    assert!(logged_in.text("SET k v").await.starts_with("-LOADING"));
    assert_eq!(master.exited().await, 0);
}

#[tokio::test]
async fn a_busy_script_delays_a_takeover_beyond_its_deadline() {
    let mut stage = Stage::new();
    let [master, target, _] = stage.trio().await;
    master.inject(Fault::BusyScript(Duration::from_millis(2500)));
    let began = Instant::now();
    assert_eq!(admin(&target).await.text("REPLTAKEOVER 1").await, "+OK");
    assert!(
        began.elapsed() >= Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

async fn retried(version: Version) -> (Stage, [Engine; 3], Option<String>) {
    let mut stage = Stage::of(version);
    let trio = stage.trio().await;
    trio[0].inject(Fault::SlowReader(true));
    let mut first = admin(&trio[1]).await;
    first.send(&["REPLTAKEOVER", "10000"]).await.unwrap();
    until(|| async {
        let log = trio[0].log(0).lines;
        if log
            .iter()
            .any(|(_, line)| line.contains("Takeover initiated"))
        {
            Ok(())
        } else {
            Err(format!("{log:?}"))
        }
    })
    .await;
    // The client gives up, the command does not; a second one queues behind it.
    drop(first);
    let mut second = admin(&trio[1]).await;
    second.send(&["REPLTAKEOVER", "10000"]).await.unwrap();
    assert!(second.is_silent().await);
    trio[0].inject(Fault::SlowReader(false));
    let reply = second.reply().await;
    (stage, trio, reply)
}

#[tokio::test]
async fn a_second_call_takes_the_instance_down_before_v1_40() {
    let (_stage, [master, target, other], reply) = retried(Version(1, 39, 0)).await;
    assert_eq!(reply, None);
    assert_eq!(target.exited().await, 134);
    assert_eq!(master.exited().await, 0);
    assert!(
        target
            .log(0)
            .lines
            .iter()
            .any(|(_, line)| line.contains("Check failed: repl_ptr"))
    );
    shows(&other, &["role:slave", "master_link_status:down"]).await;
}

#[tokio::test]
async fn a_second_call_is_answered_from_v1_40_on() {
    let (_stage, [master, target, _], reply) = retried(Version(1, 40, 1)).await;
    assert_eq!(reply.as_deref(), Some("+OK"));
    assert_eq!(master.exited().await, 0);
    assert_eq!(target.exit_code(), None);
}

#[tokio::test]
async fn while_the_other_is_in_full_sync_it_is_left_half_loaded() {
    let mut stage = Stage::new();
    let [master, target, other] = stage.trio().await;
    master.fill("pop", 10_000, 5_000_000);
    other.inject(Fault::FullSyncTakes(Some(Duration::from_secs(20))));
    assert_eq!(
        admin(&other).await.text("REPLICAOF 127.0.0.11 9999").await,
        "+OK"
    );
    until(|| async {
        if other.keys() > 100 {
            Ok(())
        } else {
            Err("nothing came yet".into())
        }
    })
    .await;
    assert_eq!(admin(&target).await.text("REPLTAKEOVER 15").await, "+OK");
    assert_eq!(master.exited().await, 0);
    let info = shows(&other, &["master_link_status:down", "loading:0"]).await;
    assert_eq!(field(&info, "slave_repl_offset"), None);
    assert!(other.keys() < 10_000);
}

#[tokio::test]
async fn a_target_that_dies_half_way_unlocks_the_master() {
    let mut stage = Stage::new();
    let [master, target, _] = stage.trio().await;
    let mut wire = data(&master).await;
    master.inject(Fault::SlowReader(true));
    let mut call = admin(&target).await;
    call.send(&["REPLTAKEOVER", "600"]).await.unwrap();
    until(|| async {
        let log = master.log(0).lines;
        let begun = log
            .iter()
            .any(|(_, line)| line.contains("Takeover initiated"));
        if begun {
            Ok(())
        } else {
            Err(format!("{log:?}"))
        }
    })
    .await;
    assert!(wire.text("SET k v").await.starts_with("-LOADING"));
    target.kill();
    until(|| async {
        let mut wire = Wire::open(master.data_addr()).await.ok_or("refused")?;
        let reply = wire.text("AUTH secret").await;
        if reply == "+OK" { Ok(()) } else { Err(reply) }
    })
    .await;
    assert_eq!(wire.text("SET k v").await, "+OK");
    shows(&master, &["role:master", "connected_slaves:1"]).await;
}

#[tokio::test]
async fn with_save_the_old_master_leaves_a_snapshot() {
    let mut stage = Stage::new();
    let [master, target, _] = stage.trio().await;
    data(&master).await.text("SET k v").await;
    assert_eq!(
        admin(&target).await.text("REPLTAKEOVER 15 SAVE").await,
        "+OK"
    );
    assert_eq!(master.exited().await, 0);
    assert_eq!(master.saved().map(|saved| saved.keys()), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_under_load() {
    let mut stage = Stage::new();
    let [master, target, _] = stage.trio().await;
    let addr = master.data_addr();
    let writers: Vec<_> = (0..4)
        .map(|name| {
            tokio::spawn(async move {
                let mut wire = Wire::open(addr).await.unwrap();
                wire.text("AUTH secret").await;
                let mut acked = 0;
                while wire
                    .try_text(&format!("SET w{name}:{acked} {acked}"))
                    .await
                    .as_deref()
                    == Some("+OK")
                {
                    acked += 1;
                }
                acked
            })
        })
        .collect();
    until(|| async {
        let keys = master.keys();
        if keys > 2000 {
            Ok(())
        } else {
            Err(format!("{keys} keys"))
        }
    })
    .await;
    assert_eq!(admin(&target).await.text("REPLTAKEOVER 15").await, "+OK");
    let mut total = 0;
    for (name, writer) in writers.into_iter().enumerate() {
        let acked: u64 = writer.await.unwrap();
        total += acked;
        if acked > 0 {
            let last = acked - 1;
            let reply = admin(&target)
                .await
                .text(&format!("GET w{name}:{last}"))
                .await;
            assert!(
                reply.ends_with(&format!("\n{last}")),
                "w{name}: {reply}, {acked} acknowledged"
            );
        }
    }
    assert!(
        target.keys() >= total,
        "{} of {total} acknowledged writes",
        target.keys()
    );
}
