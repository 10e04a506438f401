//! Shapes and texts compared with what real servers answered.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::recorded::folder;
use super::stage::{Stage, Wire, admin, data};
use crate::lab::engine::{Engine, Fault, Version};
use std::time::Duration;

pub const VERSIONS: [(&str, Version); 2] = [
    ("v1.39.0", Version(1, 39, 0)),
    ("v1.40.1", Version(1, 40, 1)),
];

/// Section titles and keys of an INFO text, in order; keys that depend on what was done are left out.
pub fn keys(info: &str) -> Vec<String> {
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

pub fn body(reply: &str) -> String {
    reply
        .split_once('\n')
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default()
}

pub fn text(folder: &Path, name: &str) -> String {
    let bytes = fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    String::from_utf8_lossy(&bytes).into_owned()
}

pub async fn ask(engine: &Engine, command: &str) -> String {
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

pub async fn http(engine: &Engine, path: &str) -> String {
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
