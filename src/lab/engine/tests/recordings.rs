//! Shapes and texts compared with what real servers answered.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::recorded::{Exchange, exchanges, folder};
use super::stage::{Stage, Wire, admin, data, in_sync, shows, until};
use crate::lab::engine::{Engine, Fault, Version};
use std::time::Duration;

const VERSIONS: [(&str, Version); 2] = [
    ("v1.39.0", Version(1, 39, 0)),
    ("v1.40.1", Version(1, 40, 1)),
];

/// Section titles and keys of an INFO text, in order; keys that depend on what was done are left out.
fn keys(info: &str) -> Vec<String> {
    let depends = [
        "cmdstat_",
        "type_used_memory_",
        "rdb_string",
        "rdb_hash",
        "rdb_list",
    ];
    let mut errors = false;
    let mut found = vec![];
    for line in info.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(title) = line.strip_prefix("# ") {
            errors = title == "Errorstats";
            found.push(line.to_owned());
        } else if !errors && !depends.iter().any(|start| line.starts_with(start)) {
            found.push(line.split(':').next().unwrap().to_owned());
        }
    }
    found
}

/// Field names of a line of CLIENT LIST, without those that come and go.
fn fields(line: &str) -> Vec<String> {
    let optional = ["send-wait-time", "pipeline", "pbuf", "flags"];
    let names = line
        .split(' ')
        .map(|word| word.split('=').next().unwrap().to_owned());
    names
        .filter(|name| !optional.contains(&name.as_str()))
        .collect()
}

fn body(reply: &str) -> String {
    reply
        .split_once('\n')
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default()
}

fn text(folder: &Path, name: &str) -> String {
    let bytes = fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn ask(engine: &Engine, command: &str) -> String {
    admin(engine).await.text(command).await
}

async fn filled_trio(stage: &mut Stage) -> [Engine; 3] {
    let trio = stage.trio().await;
    let mut wire = data(&trio[0]).await;
    for command in [
        "SET k v",
        "HSET h f v",
        "LPUSH l a",
        "SADD s a",
        "ZADD z 1 a",
    ] {
        wire.text(command).await;
    }
    trio
}

#[tokio::test]
async fn info_has_the_recorded_sections_and_keys() {
    for (name, version) in VERSIONS {
        let Some(folder) = folder(name) else { return };
        let mut stage = Stage::of(version);
        let fresh = stage.engine("d").await;
        let recorded = text(&folder, "steady/fresh-server-info-all.txt");
        assert_eq!(
            keys(&body(&ask(&fresh, "INFO ALL").await)),
            keys(&recorded),
            "{name} fresh"
        );
        let [master, replica, _] = filled_trio(&mut stage).await;
        for (who, engine) in [("master", &master), ("replica", &replica)] {
            let mut files = vec![("info-all".to_owned(), "INFO ALL".to_owned())];
            files.push(("info-default".into(), "INFO".into()));
            files.push((
                "info-two-sections-replication-persistence".into(),
                "INFO replication persistence".into(),
            ));
            files.push(("info-unknown-section".into(), "INFO nosuchsection".into()));
            for section in [
                "server",
                "clients",
                "memory",
                "stats",
                "tiered",
                "persistence",
                "transaction",
                "replication",
                "commandstats",
                "modules",
                "errorstats",
                "keyspace",
                "cpu",
                "cluster",
                "latencystats",
                "acl",
                "search",
            ] {
                files.push((format!("info-{section}"), format!("INFO {section}")));
            }
            for (file, command) in files {
                let recorded = text(&folder, &format!("steady/{who}/{file}.txt"));
                let ours = body(&ask(engine, &command).await);
                assert_eq!(keys(&ours), keys(&recorded), "{name} {who} {command}");
            }
        }
    }
}

#[tokio::test]
async fn client_list_has_the_recorded_fields() {
    let Some(folder) = folder("v1.39.0") else {
        return;
    };
    let mut stage = Stage::new();
    let [master, replica, _] = filled_trio(&mut stage).await;
    let ours = body(&ask(&master, "CLIENT LIST").await);
    let recorded = text(&folder, "steady/master/client-list.txt");
    let names = |list: &str| {
        let lines = list.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| fields(line).join(" "))
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&ours), names(&recorded));
    for part in [
        "name=repl_ctrl_1 ",
        "name=repl_flow_1 ",
        "name=repl_ctrl_2 ",
        "name=repl_flow_2 ",
    ] {
        assert!(ours.contains(part) && recorded.contains(part), "{part}");
    }
    let of_master = |list: &str| {
        let line = list
            .lines()
            .find(|line| line.contains("flags=M"))
            .expect("a line about the master")
            .to_owned();
        (
            fields(&line),
            line.split("repl-phase=")
                .nth(1)
                .unwrap()
                .split(' ')
                .next()
                .unwrap()
                .to_owned(),
        )
    };
    let ours = of_master(&body(&ask(&replica, "CLIENT LIST").await));
    let recorded = of_master(&text(&folder, "steady/replica/client-list.txt"));
    assert_eq!(ours, recorded);
}

#[tokio::test]
async fn metrics_have_the_recorded_families() {
    for (name, version) in VERSIONS {
        let Some(folder) = folder(name) else { return };
        let mut stage = Stage::of(version);
        let [master, replica, _] = filled_trio(&mut stage).await;
        for (who, engine) in [("master", &master), ("replica", &replica)] {
            let recorded = text(&folder, &format!("steady/{who}/metrics.http"));
            let ours = http(engine, "/metrics").await;
            let heads = |page: &str| {
                let lines = page
                    .lines()
                    .filter(|line| line.starts_with("# ") && !line.contains("stream_accesses"));
                lines.map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(heads(&ours), heads(&recorded), "{name} {who}");
            assert!(
                ours.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ")
            );
            let labels = |page: &str| {
                let lines = page
                    .lines()
                    .filter(|line| line.contains('{') && !depends_on_use(line));
                lines
                    .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
                    .collect::<BTreeSet<_>>()
            };
            let (ours, recorded) = (labels(&ours), labels(&recorded));
            let missing: Vec<_> = recorded.difference(&ours).collect();
            let extra: Vec<_> = ours.difference(&recorded).collect();
            assert!(
                missing.is_empty() && extra.is_empty(),
                "{name} {who}: missing {missing:?}, extra {extra:?}"
            );
        }
    }
}

fn depends_on_use(line: &str) -> bool {
    [
        "commands_total",
        "commands_duration",
        "connections_libs",
        "type_used_memory",
        "quantile",
        "stream_acc",
    ]
    .iter()
    .any(|part| line.contains(part))
}

async fn http(engine: &Engine, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(engine.admin_addr())
        .await
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    page
}

#[tokio::test]
async fn healthz_follows_the_state() {
    let Some(folder) = folder("v1.39.0") else {
        return;
    };
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    assert_eq!(
        http(&engine, "/healthz").await,
        text(&folder, "steady/master/healthz.http")
            .trim_end()
            .to_owned()
            + "\n"
    );
    engine.inject(Fault::Loading(Duration::from_secs(60)));
    let recorded = text(&folder, "fullsync/healthz-while-loading.http");
    assert_eq!(
        http(&engine, "/healthz").await.trim_end(),
        recorded.trim_end()
    );
    let mut old = Stage::of(Version(1, 37, 0));
    assert!(
        http(&old.engine("a").await, "/healthz")
            .await
            .starts_with("HTTP/1.1 404")
    );
}

#[tokio::test]
async fn config_lists_the_recorded_flags() {
    for (name, version) in VERSIONS {
        let Some(folder) = folder(name) else { return };
        let mut stage = Stage::of(version);
        let engine = stage.engine("a").await;
        let names = |reply: &str| {
            let lines = reply
                .lines()
                .skip(1)
                .filter(|line| !line.starts_with('$'))
                .collect::<Vec<_>>();
            lines
                .chunks(2)
                .map(|pair| pair[0].to_owned())
                .collect::<BTreeSet<_>>()
        };
        let recorded = text(&folder, "steady/master/config-get-all.resp");
        assert_eq!(
            names(&ask(&engine, "CONFIG GET *").await),
            names(&recorded),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_data_port_takes_http_for_commands() {
    let Some(folder) = folder("v1.39.0") else {
        return;
    };
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    let mut wire = Wire::open(engine.data_addr()).await.unwrap();
    wire.send_raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut lines = vec![];
    for _ in 0..3 {
        lines.push(wire.reply().await.unwrap());
    }
    let recorded = text(&folder, "steady/master/http-on-data-port.txt");
    assert_eq!(lines.join("\n"), recorded.trim().replace("\r\n", "\n"));
}

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
