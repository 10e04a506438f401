//! Recorded commands sent again, reply by reply.

use std::time::Duration;

use super::recorded::{Exchange, exchanges, folder};
use super::recordings::{VERSIONS, ask, body, http, keys, text};
use super::stage::{Stage, Wire, admin, data, in_sync, shows, until};
use crate::lab::engine::Fault;

/// How a reply is compared: bodies that carry numbers of the day by their shape, all else exactly.
fn shape(command: &str, reply: &str) -> String {
    let word = command.split(' ').next().unwrap_or_default();
    let second = command.split(' ').nth(1).unwrap_or_default();
    if reply.starts_with('-') {
        return reply.to_owned();
    }
    match (word, second) {
        ("INFO", _) => keys(&body(reply)).join("\n"),
        ("CLIENT", "LIST") => "a list".into(),
        ("DBSIZE" | "LASTSAVE", _) | ("SLOWLOG", "LEN") | ("DFLY" | "MEMORY", _) => {
            let digits = |line: &str| {
                if line.starts_with(':') {
                    ":N".to_owned()
                } else {
                    line.to_owned()
                }
            };
            reply.lines().map(digits).collect::<Vec<_>>().join("\n")
        }
        // The hash of a password is its own.
        ("ACL", "LIST") => reply
            .split('#')
            .next()
            .unwrap_or_default()
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned(),
        _ => reply.to_owned(),
    }
}

/// Replays recorded commands on open connections and compares each reply.
async fn replay(file: &str, exchanges: &[Exchange], wires: &mut [(&str, Wire)]) {
    for exchange in exchanges {
        let Exchange {
            via,
            command,
            reply,
        } = exchange;
        if command.starts_with("EVAL") || command.starts_with("DFLY FOO") {
            continue;
        }
        let Some((_, wire)) = wires.iter_mut().find(|(name, _)| name == via) else {
            continue;
        };
        let ours = wire.text(command).await;
        let ours = ours.trim_end_matches('\n');
        assert_eq!(
            shape(command, ours),
            shape(command, reply),
            "{file}: {command}"
        );
    }
}

#[tokio::test]
async fn logins_answer_as_recorded() {
    let Some(folder) = folder("v1.39.0") else {
        return;
    };
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    for (file, addr) in [
        ("auth/no-auth-data-port.resp.txt", engine.data_addr()),
        ("auth/wrong-password.resp.txt", engine.data_addr()),
        ("auth/admin-port-no-password.resp.txt", engine.admin_addr()),
    ] {
        let wire = Wire::open(addr).await.unwrap();
        replay(file, &exchanges(&text(&folder, file)), &mut [("", wire)]).await;
    }
}

#[tokio::test]
async fn replicas_refuse_writes_as_recorded() {
    let Some(folder) = folder("v1.39.0") else {
        return;
    };
    let mut stage = Stage::new();
    let [master, replica, _] = stage.trio().await;
    data(&master).await.text("SET st0:0 0").await;
    until(|| async {
        let got = admin(&replica).await.text("GET st0:0").await;
        if got == "$1\n0" { Ok(()) } else { Err(got) }
    })
    .await;
    for (file, addr) in [
        (
            "readonly/write-to-replica-admin-port.resp.txt",
            replica.admin_addr(),
        ),
        (
            "readonly/write-to-replica-data-port.resp.txt",
            replica.data_addr(),
        ),
    ] {
        let wire = Wire::open(addr).await.unwrap();
        replay(file, &exchanges(&text(&folder, file)), &mut [("", wire)]).await;
    }
}

#[tokio::test]
async fn wrong_words_answer_as_recorded() {
    for (name, version) in VERSIONS {
        let Some(folder) = folder(name) else { return };
        let mut stage = Stage::of(version);
        let engine = stage.engine("d").await;
        let file = "misc/errors.resp.txt";
        let mut recorded = exchanges(&text(&folder, file));
        // These have blanks inside an argument, which the file does not show.
        recorded.retain(|exchange| !exchange.command.starts_with("CONFIG SET snapshot_cron"));
        recorded.retain(|exchange| exchange.command != "CONFIG GET snapshot_cron");
        assert!(recorded.len() > 15);
        replay(file, &recorded, &mut [("", admin(&engine).await)]).await;
    }
}

#[tokio::test]
async fn a_replica_is_no_master_for_others() {
    let Some(folder) = folder("v1.39.0") else {
        return;
    };
    let mut stage = Stage::new();
    let [_, _, other] = stage.trio().await;
    let file = "misc/replica-of-replica.resp.txt";
    replay(
        file,
        &exchanges(&text(&folder, file)),
        &mut [("", admin(&other).await)],
    )
    .await;
}

#[tokio::test]
async fn loading_answers_as_recorded() {
    let Some(folder) = folder("v1.39.0") else {
        return;
    };
    let mut stage = Stage::new();
    let engine = stage.engine("d").await;
    engine.fill("load", 1000, 100_000);
    engine.inject(Fault::Loading(Duration::from_secs(60)));
    let recorded = exchanges(&text(&folder, "loading/commands.resp.txt"));
    // First the data port, then the admin port, as the file says.
    let second = recorded
        .iter()
        .rposition(|exchange| exchange.command == "PING")
        .unwrap();
    let cron = |exchange: &Exchange| exchange.command.starts_with("CONFIG SET snapshot_cron");
    for (part, wire) in [
        (
            &recorded[..second],
            Wire::open(engine.data_addr()).await.unwrap(),
        ),
        (&recorded[second..], admin(&engine).await),
    ] {
        let part: Vec<_> = part
            .iter()
            .filter(|exchange| !cron(exchange))
            .map(copy)
            .collect();
        assert!(part.len() > 7);
        replay("loading", &part, &mut [("", wire)]).await;
    }
    let mut wire = admin(&engine).await;
    wire.send(&["CONFIG", "SET", "snapshot_cron", "*/5 * * * *"])
        .await
        .unwrap();
    assert_eq!(wire.reply().await.unwrap(), "+OK");
}

fn copy(exchange: &Exchange) -> Exchange {
    Exchange {
        via: exchange.via.clone(),
        command: exchange.command.clone(),
        reply: exchange.reply.clone(),
    }
}

#[tokio::test]
async fn a_full_sync_answers_as_recorded() {
    let Some(folder) = folder("v1.39.0") else {
        return;
    };
    let mut stage = Stage::new();
    let (master, replica, third) = (
        stage.engine("a").await,
        stage.engine("b").await,
        stage.engine("c").await,
    );
    master.fill("pop", 10_000, 5_000_000);
    replica.inject(Fault::FullSyncTakes(Some(Duration::from_secs(60))));
    assert_eq!(ask(&replica, "REPLICAOF 127.0.0.11 9999").await, "+OK");
    shows(&master, &["state=full_sync"]).await;
    let recorded = exchanges(&text(&folder, "fullsync/commands.txt"));
    let skip = |e: &Exchange| {
        e.command.starts_with("REPLICAOF 127.0.0.11")
            || e.command.starts_with("CONFIG")
            || e.via == "note"
    };
    let recorded: Vec<_> = recorded
        .iter()
        .filter(|exchange| !skip(exchange))
        .map(copy)
        .collect();
    assert!(recorded.len() > 15);
    let mut wires = [
        ("data", Wire::open(replica.data_addr()).await.unwrap()),
        (
            "data-noauth",
            Wire::open(replica.data_addr()).await.unwrap(),
        ),
        ("admin", admin(&replica).await),
        ("admin-of-third", admin(&third).await),
    ];
    replay("fullsync", &recorded, &mut wires).await;
    let info = body(&ask(&replica, "INFO ALL").await);
    assert_eq!(
        keys(&info),
        keys(&text(
            &folder,
            "fullsync/info-all-replica-during-full-sync.txt"
        ))
    );
    let list = ask(&replica, "CLIENT LIST").await;
    assert!(
        list.contains("flags=M repl-phase=full_sync_in_progress"),
        "{list}"
    );
}

#[tokio::test]
async fn full_memory_answers_as_recorded() {
    let Some(folder) = folder("v1.39.0") else {
        return;
    };
    let mut stage = Stage::new();
    let engine = stage.engine("d").await;
    let mut wire = data(&engine).await;
    for command in ["SET o1 x", "SET o2 x", "SET o3 x"] {
        wire.text(command).await;
    }
    engine.inject(Fault::OutOfMemory(true));
    let file = "oom/commands-at-maxmemory.resp.txt";
    let mut wires = [
        ("data", data(&engine).await),
        ("admin", admin(&engine).await),
    ];
    replay(file, &exchanges(&text(&folder, file)), &mut wires).await;
    let info = ask(&engine, "INFO memory").await;
    let number = |key: &str| {
        super::stage::field(&info, key)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert!(number("used_memory") > number("maxmemory"));
}

#[tokio::test]
async fn takeover_states_answer_as_recorded() {
    let Some(folder) = folder("v1.39.0") else {
        return;
    };
    let mut stage = Stage::new();
    let trio = [
        stage.engine("b").await,
        stage.engine("c").await,
        stage.engine("a").await,
    ];
    let [master, target, other] = &trio;
    for replica in [target, other] {
        assert_eq!(ask(replica, "REPLICAOF 127.0.0.12 9999").await, "+OK");
        in_sync(replica).await;
    }
    data(master).await.text("SET k v").await;
    until(|| async {
        let found = target.keys();
        if found == 1 {
            Ok(())
        } else {
            Err(format!("{found} keys"))
        }
    })
    .await;
    let mut logged_in = data(master).await;
    master.inject(Fault::SlowReader(true));
    let mut call = admin(target).await;
    call.send(&["REPLTAKEOVER", "600"]).await.unwrap();
    until(|| async {
        let state = http(master, "/healthz").await;
        if state.starts_with("HTTP/1.1 503") {
            Ok(())
        } else {
            Err(state)
        }
    })
    .await;
    for (who, engine) in [("master", master), ("target", target)] {
        for port in ["admin", "data"] {
            let addr = if port == "admin" {
                engine.admin_addr()
            } else {
                engine.data_addr()
            };
            let file = format!(
                "takeover-timeout-slow-reader/mid-takeover-commands-{who}-{port}-port.resp.txt"
            );
            let mut recorded = exchanges(&text(&folder, &file));
            // Replicas are named in another order there.
            recorded.retain(|exchange| exchange.command != "ROLE" || who == "target");
            let wire = Wire::open(addr).await.unwrap();
            replay(&file, &recorded, &mut [("", wire)]).await;
        }
    }
    assert_eq!(logged_in.text("PING").await, "+PONG");
    assert!(logged_in.text("GET k").await.starts_with("-LOADING"));
    // INFO replication of the target hangs, its PING does not.
    let mut hanging = admin(target).await;
    hanging.send(&["INFO", "replication"]).await.unwrap();
    assert!(hanging.is_silent().await);
    assert!(call.is_silent().await);
    // The reader goes away: the takeover succeeds.
    master.inject(Fault::SlowReader(false));
    assert_eq!(call.reply().await.unwrap(), "+OK");
    assert!(hanging.reply().await.unwrap().contains("role:master"));
    assert_eq!(master.exited().await, 0);
}
