//! What an engine, a pod or the operator answers in each scenario, as it was recorded: asked over sockets and the API.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::api::{DynamicObject, LogParams};
use kube::core::ApiResource;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::lab::kubelet_api::Kubelet;
use crate::lab::redis::{Client as Resp, Reply, field};

pub(super) type Seen = Result<(), String>;

/// How long a command may take that is not expected to hang.
const QUICK: Duration = Duration::from_millis(700);

/// Fails with what was seen in place of what was wanted.
pub(super) fn want(right: bool, seen: impl std::fmt::Debug) -> Seen {
    match right {
        true => Ok(()),
        false => Err(format!("{seen:?}")),
    }
}

/// One reply of a pod's engine, over a connection of its own; `None` when nothing comes.
pub(super) async fn asked(bench: &Bench, at: (&str, &str, u16), command: &[&str]) -> Option<Reply> {
    let (namespace, pod, port) = at;
    let machines = &bench.lab.0.stage.infra.machines;
    let stream = machines.engine(namespace, pod)?.dial(port).await.ok()?;
    Resp::new(stream, QUICK).call(command).await.ok()
}

pub(super) async fn admin(bench: &Bench, pod: &str, command: &[&str]) -> String {
    let reply = asked(bench, (SYSTEM, pod, 9999), command).await;
    spelled(reply)
}

pub(super) fn spelled(reply: Option<Reply>) -> String {
    match reply {
        None => "(nothing)".into(),
        Some(Reply::Error(text)) => format!("-{text}"),
        Some(Reply::Number(number)) => number.to_string(),
        Some(Reply::List(items)) => {
            let items = items.unwrap_or_default();
            let items: Vec<String> = items.into_iter().map(|one| spelled(Some(one))).collect();
            items.join(" ")
        }
        Some(reply) => reply.text(),
    }
}

pub(super) async fn info(bench: &Bench, pod: &str, section: &str) -> String {
    admin(bench, pod, &["INFO", section]).await
}

pub(super) async fn number(bench: &Bench, pod: &str, section: &str, key: &str) -> i64 {
    let info = info(bench, pod, section).await;
    field(&info, key).and_then(|n| n.parse().ok()).unwrap_or(-1)
}

/// Whether all of these are in a text and none of those.
pub(super) fn tells(text: &str, wanted: &[&str], unwanted: &[&str]) -> Seen {
    let missing = wanted.iter().find(|part| !text.contains(**part));
    let there = unwanted.iter().find(|part| text.contains(**part));
    match (missing, there) {
        (None, None) => Ok(()),
        (missing, there) => Err(format!(
            "missing {missing:?}, not wanted {there:?} in\n{text}"
        )),
    }
}

/// The line of a master about a replica.
pub(super) fn line_of(info: &str, ip: &str) -> String {
    let line = info
        .lines()
        .find(|line| line.contains(&format!("ip={ip},")));
    line.unwrap_or_default().trim().to_owned()
}

fn lag_of(line: &str) -> i64 {
    let lag = line.rsplit_once("lag=").map(|(_, lag)| lag.parse());
    lag.and_then(Result::ok).unwrap_or(-1)
}

pub(super) async fn phase(bench: &Bench, namespace: &str, name: &str) -> String {
    let kind = ApiResource {
        group: "dragonflydb.io".into(),
        version: "v1alpha1".into(),
        api_version: "dragonflydb.io/v1alpha1".into(),
        kind: "Dragonfly".into(),
        plural: "dragonflies".into(),
    };
    let api: Api<DynamicObject> = Api::namespaced_with(bench.infra.clone(), namespace, &kind);
    let df = api.get(name).await.unwrap();
    df.data["status"]["phase"].as_str().unwrap_or("").to_owned()
}

/// The logs of both operator pods.
pub(super) async fn operators_log(bench: &Bench) -> String {
    let api = Api::<Pod>::namespaced(bench.infra.clone(), NAMESPACE);
    let mut all = String::new();
    for pod in api.list(&ListParams::default()).await.unwrap().items {
        let params = LogParams {
            container: Some("manager".into()),
            ..LogParams::default()
        };
        all += &api.logs(&name(&pod), &params).await.unwrap_or_default();
    }
    all
}

pub(super) async fn pod(bench: &Bench, namespace: &str, name: &str) -> Pod {
    Api::<Pod>::namespaced(bench.infra.clone(), namespace)
        .get(name)
        .await
        .unwrap()
}

fn restarts(pod: &Pod) -> i32 {
    let status = pod.status.as_ref().unwrap();
    let containers = status.container_statuses.as_ref().unwrap();
    containers.iter().map(|one| one.restart_count).sum()
}

fn ip_of(pod: &Pod) -> String {
    pod.status
        .as_ref()
        .unwrap()
        .pod_ip
        .clone()
        .unwrap_or_default()
}

/// Seconds since the operator's Lease was renewed, and who holds it.
async fn lease(bench: &Bench) -> (i64, String) {
    let leases = Api::<Lease>::namespaced(bench.infra.clone(), NAMESPACE);
    let spec = leases.get("31079dea.dragonflydb.io").await.unwrap().spec;
    let spec = spec.unwrap();
    let renewed = spec.renew_time.unwrap().0;
    let now = bench.lab.0.stage.infra.store.now();
    (
        now.duration_since(renewed).as_secs(),
        spec.holder_identity.unwrap_or_default(),
    )
}

pub(super) async fn get(bench: &Bench, path: &str) -> Result<String, String> {
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    let sent = bench.infra.request_text(request).await;
    sent.map_err(|error| error.to_string())
}

/// What a command says in the server's container of a pod.
async fn run(bench: &Bench, pod: &str, command: &[&str]) -> String {
    let pods = Api::<Pod>::namespaced(bench.infra.clone(), SYSTEM);
    let params = kube::api::AttachParams::default().container("dragonfly");
    let mut process = pods.exec(pod, command.to_vec(), &params).await.unwrap();
    let mut said = String::new();
    let mut out = process.stdout().unwrap();
    out.read_to_string(&mut said).await.unwrap();
    said
}

/// Whether `pods/portforward`, `pods/proxy` and `pods/exec` are open.
async fn ways(bench: &Bench) -> [bool; 3] {
    let pods = Api::<Pod>::namespaced(bench.infra.clone(), SYSTEM);
    let forward = pods.portforward("dragonfly-0", &[9999]).await.is_ok();
    let path = format!("/api/v1/namespaces/{SYSTEM}/pods/dragonfly-0:9999/proxy/metrics");
    let proxy = get(bench, &path).await;
    let params = kube::api::AttachParams::default().container("dragonfly");
    let command = ["redis-cli", "-p", "9999", "INFO", "replication"];
    let exec = match pods.exec("dragonfly-0", command, &params).await {
        Err(_) => false,
        Ok(mut process) => {
            let mut said = String::new();
            let mut out = process.stdout().unwrap();
            out.read_to_string(&mut said).await.unwrap();
            said.contains("role:master")
        }
    };
    [
        forward,
        proxy.is_ok_and(|text| text.contains("dragonfly_master 1")),
        exec,
    ]
}

/// What comes in answer to bytes sent to an engine's admin port, in a moment.
async fn raw(bench: &Bench, pod: &str, command: &[u8]) -> Vec<u8> {
    let engine = bench.engine(SYSTEM, pod);
    let mut stream = engine.dial(9999).await.unwrap();
    stream.write_all(command).await.unwrap();
    let mut seen = Vec::new();
    let read = async {
        let mut chunk = [0_u8; 4096];
        while let Ok(count) = stream.read(&mut chunk).await {
            if count == 0 {
                break;
            }
            seen.extend_from_slice(&chunk[..count]);
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(250), read).await;
    seen
}

/// Whether the lab shows what a scenario describes.
pub(super) async fn shows(bench: &Bench, scenario: &str) -> Seen {
    match scenario {
        "partial-sync" => {
            let psyncs = number(bench, "dragonfly-2", "replication", "psync_successes").await;
            want(psyncs > 0, psyncs)
        }
        "replication-retrying" => {
            let replica = info(bench, "dragonfly-2", "replication").await;
            tells(
                &replica,
                &["master_link_status:down", "slave_repl_offset:"],
                &[],
            )?;
            let clients = admin(bench, "dragonfly-2", &["CLIENT", "LIST"]).await;
            tells(&clients, &["flags=M repl-phase=tcp_connecting"], &[])?;
            let role = admin(bench, "dragonfly-2", &["ROLE"]).await;
            tells(&role, &["slave", "connecting"], &[])?;
            let master = info(bench, "dragonfly-0", "replication").await;
            tells(&master, &["connected_slaves:1"], &[])
        }
        "replication-stopped" => {
            let master = info(bench, "dragonfly-0", "replication").await;
            let both = ["connected_slaves:2", "slave1:"];
            tells(&master, &both, &["state=online"])?;
            want(
                master.matches("state=preparation,lag=0").count() == 2,
                &master,
            )?;
            stopped(bench, &["dragonfly-1", "dragonfly-2"], &master).await?;
            let phase = phase(bench, SYSTEM, "dragonfly").await;
            want(phase == "Ready", phase)?;
            let seen = bench.seen(SYSTEM, "dragonfly").await;
            want(seen.masters == ["dragonfly-0"] && seen.ready == 3, seen)
        }
        "empty-master" => {
            let keys = number(bench, "gitlab-0", "memory", "num_entries").await;
            want((0..20_000).contains(&keys), keys)?;
            let master = info(bench, "gitlab-0", "replication").await;
            stopped(bench, &["gitlab-1", "gitlab-2"], &master).await?;
            let kept = number(bench, "gitlab-1", "memory", "num_entries").await;
            want(kept > 800_000, kept)?;
            let young = restarts(&pod(bench, SYSTEM, "gitlab-0").await);
            want(young == 1, young)
        }
        "stale-master" => {
            for at in ["dragonfly-0", "dragonfly-1", "dragonfly-2"] {
                let keys = number(bench, at, "memory", "num_entries").await;
                want((50_000..250_000).contains(&keys), (at, keys))?;
            }
            let seen = bench.seen(SYSTEM, "dragonfly").await;
            want(seen.in_sync.len() == 2, &seen)?;
            let up = number(bench, "dragonfly-0", "server", "uptime_in_seconds").await;
            want((0..3600).contains(&up), up)?;
            let young = restarts(&pod(bench, SYSTEM, "dragonfly-0").await);
            want(young == 1, young)
        }
        "replica-half-way" => {
            let replica = info(bench, "dragonfly-2", "replication").await;
            let wanted = ["master_link_status:down", "master_sync_in_progress:0"];
            tells(&replica, &wanted, &["slave_repl_offset"])?;
            let loading = info(bench, "dragonfly-2", "persistence").await;
            tells(&loading, &["loading:0"], &[])?;
            let keys = number(bench, "dragonfly-2", "memory", "num_entries").await;
            want((1000..400_000).contains(&keys), keys)
        }
        "lagging" => {
            let master = info(bench, "dragonfly-0", "replication").await;
            let line = line_of(&master, &ip_of(&pod(bench, SYSTEM, "dragonfly-2").await));
            tells(&line, &["state=online"], &[])?;
            want(lag_of(&line) > 10_000, &line)?;
            let replica = info(bench, "dragonfly-2", "replication").await;
            tells(&replica, &["master_link_status:up"], &[])
        }
        "stray-replica" => {
            let (own, other) = (
                pod(bench, SYSTEM, "gitlab-2").await,
                ip_of(&pod(bench, SYSTEM, "dragonfly-0").await),
            );
            let replica = info(bench, "gitlab-2", "replication").await;
            tells(
                &replica,
                &[&format!("master_host:{other}"), "master_link_status:up"],
                &[],
            )?;
            let labels = own.metadata.labels.unwrap();
            let right = ip_of(&pod(bench, SYSTEM, "gitlab-0").await);
            want(labels["master-ip"] == right, &labels)?;
            let master = info(bench, "dragonfly-0", "replication").await;
            tells(&master, &["connected_slaves:3"], &[])
        }
        "frozen-master" => {
            for replica in ["dragonfly-1", "dragonfly-2"] {
                let told = info(bench, replica, "replication").await;
                tells(&told, &["master_link_status:up"], &[])?;
                let io = field(&told, "master_last_io_seconds_ago")
                    .unwrap_or("9")
                    .to_owned();
                want(["0", "1"].contains(&io.as_str()), io)?;
                let role = admin(bench, replica, &["ROLE"]).await;
                tells(&role, &["online"], &[])?;
            }
            for port in [6379, 9999] {
                let reply = asked(bench, (SYSTEM, "dragonfly-0", port), &["PING"]).await;
                want(reply.is_none(), reply)?;
            }
            let master = pod(bench, SYSTEM, "dragonfly-0").await;
            want(is_ready(&master), "the pod is not Ready")
        }
        "frozen-replica" => {
            let master = info(bench, "dragonfly-0", "replication").await;
            let replica = pod(bench, SYSTEM, "dragonfly-2").await;
            let line = line_of(&master, &ip_of(&replica));
            tells(&line, &["state=online"], &[])?;
            want(lag_of(&line) > 5000, &line)?;
            let silent = asked(bench, (SYSTEM, "dragonfly-2", 9999), &["PING"]).await;
            want(silent.is_none(), silent)?;
            want(is_ready(&replica), "the pod is not Ready")
        }
        "takeover-in-progress" => locked(bench, "gitlab-0", "gitlab-1").await,
        "takeover-wedged" => {
            locked(bench, "dragonfly-0", "dragonfly-1").await?;
            let clients = admin(bench, "dragonfly-0", &["CLIENT", "LIST"]).await;
            tells(
                &clients,
                &["send-wait-time=", "pipeline=50", "phase=send"],
                &[],
            )?;
            let phase = phase(bench, SYSTEM, "dragonfly").await;
            want(phase == "RollingUpdate", phase)?;
            tells(
                &operators_log(bench).await,
                &["rolling out new version", "i/o timeout"],
                &[],
            )
        }
        "takeover-old-master-up" => {
            let seen = bench.seen(SYSTEM, "gitlab").await;
            want(
                seen.masters == ["gitlab-1"] && seen.acting == ["gitlab-0", "gitlab-1"],
                &seen,
            )?;
            let refused = asked(bench, (SYSTEM, "gitlab-0", 6379), &["GET", "x"]).await;
            tells(&spelled(refused), &["-LOADING Dragonfly is loading"], &[])?;
            let old = info(bench, "gitlab-0", "replication").await;
            tells(&old, &["role:master"], &[])?;
            let silent = asked(bench, (SYSTEM, "gitlab-2", 9999), &["PING"]).await;
            want(silent.is_none(), silent)
        }
        "split-brain" => {
            let seen = bench.seen(SYSTEM, "gitlab").await;
            let both = ["gitlab-0", "gitlab-1"];
            want(
                seen.masters == both && seen.acting == both && seen.endpoints.len() == 2,
                &seen,
            )?;
            want(seen.in_sync == ["gitlab-2"], &seen)?;
            let mut told = Vec::new();
            for at in both {
                let info = info(bench, at, "replication").await;
                told.push((
                    field(&info, "master_replid").unwrap_or("").to_owned(),
                    admin(bench, at, &["DBSIZE"]).await,
                    field(&info, "connected_slaves").unwrap_or("").to_owned(),
                ));
            }
            want(
                told[0].0 != told[1].0
                    && told[0].1 != told[1].1
                    && told[0].2 == "0"
                    && told[1].2 == "1",
                told,
            )
        }
        "diverged" => diverged(bench).await,
        "loading" => {
            let told = info(bench, "dragonfly-2", "persistence").await;
            tells(&told, &["loading:1"], &[])?;
            let ping = admin(bench, "dragonfly-2", &["PING"]).await;
            tells(&ping, &["-LOADING"], &[])?;
            let role = info(bench, "dragonfly-2", "replication").await;
            tells(&role, &["role:master"], &[])?;
            let loads = pod(bench, SYSTEM, "dragonfly-2").await;
            want(is_ready(&loads) && restarts(&loads) == 1, loads.status)
        }
        "ready-while-loading" => {
            let seen = bench.seen(SYSTEM, "dragonfly").await;
            want(seen.ready == 3 && seen.endpoints == ["dragonfly-0"], &seen)?;
            let told = info(bench, "dragonfly-0", "persistence").await;
            tells(&told, &["loading:1"], &[])?;
            let path = format!("/api/v1/namespaces/{SYSTEM}/pods/dragonfly-0:9999/proxy/healthz");
            let health = get(bench, &path).await;
            want(health.is_err(), health)?;
            loads_anew(bench).await
        }
        "oom" => {
            let memory = info(bench, "dragonfly-0", "memory").await;
            let of = |key: &str| field(&memory, key).and_then(|n| n.parse::<u64>().ok());
            want(of("used_memory") > of("maxmemory"), &memory)?;
            let refused = number(bench, "dragonfly-0", "stats", "oom_rejections").await;
            want(refused > 0, refused)?;
            let set = admin(bench, "dragonfly-0", &["SET", "k", "v"]).await;
            tells(&set, &["-ERR Out of memory"], &[])
        }
        "rss-guard" => {
            let memory = info(bench, "dragonfly-0", "memory").await;
            let of = |key: &str| field(&memory, key).and_then(|n| n.parse::<f64>().ok());
            want(
                of("used_memory_rss") > of("maxmemory").map(|most| most * 1.25),
                &memory,
            )?;
            let data = asked(bench, (SYSTEM, "dragonfly-0", 6379), &["PING"]).await;
            want(data.is_none(), data)?;
            let ping = admin(bench, "dragonfly-0", &["PING"]).await;
            want(ping == "PONG", ping)
        }
        "saving" => {
            let told = info(bench, "dragonfly-0", "persistence").await;
            tells(&told, &["saving:1"], &["current_snapshot_perc:0\r"])?;
            let again = admin(bench, "dragonfly-0", &["SAVE"]).await;
            tells(&again, &["-ERR Operation now in progress: SAVING"], &[])
        }
        "save-failed" => failed_save(bench, "Input/output error").await,
        "disk-full" => {
            failed_save(bench, "No space left on device").await?;
            let machine = pod(bench, SYSTEM, "dragonfly-0")
                .await
                .spec
                .unwrap()
                .node_name;
            let path = format!("/api/v1/nodes/{}/proxy/stats/summary", machine.unwrap());
            let summary: Value = serde_json::from_str(&get(bench, &path).await?).unwrap();
            let volume = summary["pods"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|pod| pod["volume"].as_array().unwrap())
                .find(|volume| volume["pvcRef"]["name"] == "df-dragonfly-0")
                .cloned()
                .unwrap_or_default();
            want(
                volume["availableBytes"] == 0 && volume["usedBytes"] == volume["capacityBytes"],
                volume,
            )?;
            let df = run(bench, "dragonfly-0", &["df", "-h", "/dragonfly/snapshots"]).await;
            tells(
                &df,
                &["Use% Mounted on", " 100% /dragonfly/snapshots\n"],
                &[],
            )?;
            let ls = run(bench, "dragonfly-0", &["ls", "-l", "/dragonfly/snapshots"]).await;
            tells(&ls, &["total ", "-summary.dfs\n", "-0000.dfs\n"], &[])
        }
        "snapshot-stale" => {
            let cron = admin(bench, "dragonfly-0", &["CONFIG", "GET", "snapshot_cron"]).await;
            want(cron == "snapshot_cron ", cron)?;
            let saved = number(bench, "dragonfly-0", "persistence", "last_success_save").await;
            let ago = bench.lab.0.stage.clock.unix_s() - saved;
            want(ago > 9 * 3600, ago)
        }
        "rollout-stuck" => {
            let phase = phase(bench, SYSTEM, "gitlab").await;
            want(phase == "RollingUpdate", phase)?;
            let wanted = ["waiting for pod to finish startup", "\"pod\": \"gitlab-1\""];
            tells(&operators_log(bench).await, &wanted, &[])
        }
        "rollout-unstable" => {
            let phase = phase(bench, SYSTEM, "dragonfly").await;
            want(phase == "RollingUpdate", phase)?;
            let wanted = [
                "not all new replicas are in stable status yet",
                "dragonfly-1",
            ];
            tells(&operators_log(bench).await, &wanted, &[])?;
            let told = info(bench, "dragonfly-1", "replication").await;
            tells(&told, &["master_link_status:down"], &[])
        }
        "operator-absent" | "operator-not-leading" => {
            let (silent, holder) = lease(bench).await;
            want(silent > 300, (silent, &holder))?;
            let api = Api::<Pod>::namespaced(bench.infra.clone(), NAMESPACE);
            let pods = api.list(&ListParams::default()).await.unwrap().items;
            let ready = pods.iter().filter(|pod| is_ready(pod)).count();
            if scenario == "operator-absent" {
                return want(pods.is_empty(), ready);
            }
            want(ready == 2, ready)?;
            want(
                pods.iter().all(|pod| !holder.starts_with(&name(pod))),
                holder,
            )?;
            let wanted = ["error retrieving resource lock", "leases\\\" in API group"];
            let log = operators_log(bench)
                .await
                .replace("\"leases\"", "leases\\\"");
            tells(&log, &wanted[..1], &[])
        }
        "lost-node" => {
            let master = pod(bench, SYSTEM, "dragonfly-0").await;
            want(
                master.metadata.deletion_timestamp.is_some(),
                "it is not Terminating",
            )?;
            let machine = master.spec.unwrap().node_name.unwrap();
            let nodes = Api::<Node>::all(bench.infra.clone());
            let node = nodes.get(&machine).await.unwrap().status.unwrap();
            let ready = node.conditions.unwrap();
            let ready = ready.iter().find(|one| one.type_ == "Ready").unwrap();
            want(ready.status == "Unknown", ready)?;
            let seen = bench.seen(SYSTEM, "dragonfly").await;
            want(
                seen.masters.len() == 1 && seen.masters != ["dragonfly-0"],
                &seen,
            )?;
            want(seen.endpoints == seen.masters && seen.ready == 2, seen)?;
            // The API server has nobody to open a forward to.
            let pods = Api::<Pod>::namespaced(bench.infra.clone(), SYSTEM);
            let refused = pods.portforward("dragonfly-0", &[9999]).await.err();
            let refused = refused
                .map(|error| format!("{error:?}"))
                .unwrap_or_default();
            want(refused.contains("500"), refused)
        }
        "foreign-node" => {
            let machines = &bench.lab.0.stage.infra.machines;
            let stream = machines.dial(SYSTEM, "gitlab-2", 9999).await.unwrap();
            let told = Resp::new(stream, QUICK)
                .call(&["INFO", "replication"])
                .await;
            let told = spelled(told.ok());
            let other = ip_of(&pod(bench, "harbor", "cache-0").await);
            tells(&told, &[&format!("master_host:{other}")], &[])
        }
        "slow-engine" => {
            let began = Instant::now();
            let ping = admin(bench, "gitlab-2", &["PING"]).await;
            let took = began.elapsed();
            // Four seconds of lab time.
            want(
                ping == "PONG" && took > Duration::from_millis(190),
                (ping, took),
            )
        }
        "bad-resp" => {
            let seen = raw(bench, "gitlab-2", b"PING\r\n").await;
            want(seen.first() == Some(&0), seen)
        }
        "bad-resp-huge" => {
            let seen = raw(bench, "gitlab-2", b"PING\r\n").await;
            want(seen == b"$2147483648\r\n", seen)
        }
        "bad-resp-deep" => {
            let seen = raw(bench, "gitlab-2", b"PING\r\n").await;
            let deep = seen.windows(4).filter(|four| four == b"*1\r\n").count();
            want(deep == 10_000 && seen.ends_with(b":1\r\n"), deep)
        }
        "bad-resp-drip" => {
            let seen = raw(bench, "gitlab-2", b"PING\r\n").await;
            want(seen == b"+", seen)
        }
        "bad-info" => {
            let seen = raw(bench, "gitlab-2", b"INFO\r\n").await;
            let text = String::from_utf8_lossy(&seen).into_owned();
            let wanted = [
                ":100000000000000000000",
                ":-7",
                "\u{fffd}",
                "no pair at all",
                "role:slave",
            ];
            tells(&text, &wanted, &["uptime_in_seconds"])?;
            let ping = admin(bench, "gitlab-2", &["PING"]).await;
            want(ping == "PONG", ping)
        }
        "no-port-forward" => {
            let open = ways(bench).await;
            want(open == [false, true, true], open)
        }
        "only-exec" => {
            let open = ways(bench).await;
            want(open == [false, false, true], open)
        }
        "forbidden" => {
            let open = ways(bench).await;
            want(open == [false, false, false], open)
        }
        "clock-skew" => {
            let api = bench.lab.0.stage.infra.store.now();
            let ahead = api.duration_since(jiff::Timestamp::now()).as_secs();
            want((10_000..12_000).contains(&ahead), ahead)?;
            let time = admin(bench, "dragonfly-0", &["TIME"]).await;
            let time: i64 = time.split(' ').next().unwrap().parse().unwrap();
            let behind = jiff::Timestamp::now().as_second() - time;
            want((5000..8000).contains(&behind), behind)?;
            let (silent, _) = lease(bench).await;
            want(silent < 30, silent)
        }
        other => super::places::shows(bench, other).await,
    }
}

/// Replicas that have stopped for good, as the recordings show them.
async fn stopped(bench: &Bench, replicas: &[&str], master: &str) -> Seen {
    let replid = field(master, "master_replid").unwrap_or("").to_owned();
    for at in replicas {
        let told = info(bench, at, "replication").await;
        let wanted = [
            "role:slave",
            "master_link_status:down",
            "master_sync_in_progress:0",
        ];
        tells(&told, &wanted, &[&format!("master_replid:{replid}")])?;
        let clients = admin(bench, at, &["CLIENT", "LIST"]).await;
        tells(&clients, &["flags=M repl-phase=disabled"], &[])?;
        let role = admin(bench, at, &["ROLE"]).await;
        tells(&role, &["connecting"], &[])?;
    }
    Ok(())
}

/// A master that a takeover has locked, and its target.
async fn locked(bench: &Bench, master: &str, target: &str) -> Seen {
    let path = format!("/api/v1/namespaces/{SYSTEM}/pods/{master}:9999/proxy/healthz");
    let health = get(bench, &path).await;
    want(health.is_err(), health)?;
    let old = admin(bench, master, &["INFO", "replication"]).await;
    tells(&old, &["role:master"], &[])?;
    let data = asked(bench, (SYSTEM, master, 6379), &["GET", "x"]).await;
    tells(&spelled(data), &["-LOADING Dragonfly is loading"], &[])?;
    let hangs = asked(bench, (SYSTEM, target, 9999), &["INFO", "replication"]).await;
    want(hangs.is_none(), hangs)?;
    let ping = admin(bench, target, &["PING"]).await;
    want(ping == "PONG", ping)
}

async fn failed_save(bench: &Bench, error: &str) -> Seen {
    let told = info(bench, "dragonfly-0", "persistence").await;
    let of = |key: &str| field(&told, key).and_then(|n| n.parse::<i64>().ok());
    let wanted = [
        &format!("last_error:{error}"),
        "rdb_last_bgsave_status:ok",
        "rdb_bgsave_in_progress:1",
        "saving:0",
    ];
    tells(&told, &wanted, &[])?;
    want(of("last_failed_save") > of("last_success_save"), &told)
}

/// The master of the main instance loads as a process does that has just started: its log tells of this load only, and
/// none of its replicas has a link to it.
pub(super) async fn loads_anew(bench: &Bench) -> Result<(), String> {
    let engine = bench.engine(SYSTEM, "dragonfly-0");
    let log = engine.log(0).lines;
    let says = |words: &str| log.iter().any(|(_, line)| line.contains(words));
    want(says("] Loading /dragonfly/snapshots/"), &log)?;
    want(!says("Load finished"), &log)?;
    want(
        restarts(&pod(bench, SYSTEM, "dragonfly-0").await) == 1,
        "restarts",
    )?;
    want(
        matches!(engine.role(), EngineRole::Master { online: 0 }),
        engine.role(),
    )?;
    for replica in ["dragonfly-1", "dragonfly-2"] {
        let told = info(bench, replica, "replication").await;
        tells(&told, &["role:slave", "master_link_status:down"], &[])?;
        let lines = bench.engine(SYSTEM, replica).log(0).lines;
        let greeted = lines
            .iter()
            .any(|(_, line)| line.contains("Bad response to \"PING\": \"-LOADING"));
        want(greeted, lines)?;
    }
    Ok(())
}

/// All of INFO green and the number of keys equal, yet some keys are not the same.
async fn diverged(bench: &Bench) -> Seen {
    let at = |pod: &'static str| ("harbor", pod, 9999);
    let replica = spelled(asked(bench, at("cache-1"), &["INFO", "replication"]).await);
    tells(
        &replica,
        &["master_link_status:up", "master_sync_in_progress:0"],
        &[],
    )?;
    let master = spelled(asked(bench, at("cache-0"), &["INFO", "replication"]).await);
    let replid = format!(
        "master_replid:{}",
        field(&master, "master_replid").unwrap_or("?")
    );
    tells(&replica, &[&replid], &[])?;
    tells(&master, &["state=online,lag="], &[])?;
    let mut sizes = Vec::new();
    for pod in ["cache-0", "cache-1"] {
        sizes.push(spelled(asked(bench, at(pod), &["DBSIZE"]).await));
    }
    want(sizes[0] == sizes[1], &sizes)?;
    // Bulk keys come after those that were touched: the cursor of their range is asked for at once.
    let bulk = (1_u64 << 63).to_string();
    let page = asked(bench, at("cache-0"), &["SCAN", &bulk, "COUNT", "400"]).await;
    let Some(Reply::List(Some(page))) = page else {
        return Err("no page of keys".into());
    };
    let Some(Reply::List(Some(keys))) = page.into_iter().nth(1) else {
        return Err("no keys".into());
    };
    let mut differ = 0;
    for key in keys.iter().map(Reply::text) {
        let mut dumps = Vec::new();
        for pod in ["cache-0", "cache-1"] {
            dumps.push(asked(bench, at(pod), &["DUMP", &key]).await);
        }
        differ += usize::from(dumps[0] != dumps[1]);
    }
    want((1..60).contains(&differ), (differ, keys.len()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_old_speaks_its_own_language() {
    let bench = bench("old-server").await;
    eventually("legacy is in sync", || {
        bench.is_well("archive", "legacy", 2)
    })
    .await;
    let at = |pod: &'static str| ("archive", pod, 9999);
    let ask = |pod, section| {
        let bench = &bench;
        async move { spelled(asked(bench, at(pod), &["INFO", section]).await) }
    };
    let replica = ask("legacy-1", "replication").await;
    let unwanted = ["slave_repl_offset", "psync", "slave_priority"];
    tells(
        &replica,
        &["role:replica", "master_link_status:up"],
        &unwanted,
    )
    .unwrap();
    let master = ask("legacy-0", "replication").await;
    tells(
        &master,
        &["role:master", "state=stable_sync"],
        &["state=online"],
    )
    .unwrap();
    let saves = ask("legacy-0", "persistence").await;
    tells(
        &saves,
        &["last_save:", "loading:0"],
        &["last_success_save", "saving"],
    )
    .unwrap();
    let server = ask("legacy-0", "server").await;
    tells(&server, &["dragonfly_version:df-v1.17.0"], &[]).unwrap();
    let two = asked(&bench, at("legacy-0"), &["INFO", "server", "memory"]).await;
    assert_eq!(spelled(two), "-ERR syntax error");
    let role = spelled(asked(&bench, at("legacy-1"), &["ROLE"]).await);
    tells(&role, &["replica", "stable_sync"], &[]).unwrap();
    let path = "/api/v1/namespaces/archive/pods/legacy-0:9999/proxy";
    assert!(get(&bench, &format!("{path}/healthz")).await.is_err());
    let metrics = get(&bench, &format!("{path}/metrics")).await.unwrap();
    tells(
        &metrics,
        &["dragonfly_master 1"],
        &["backups_total", "max_clients"],
    )
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_port_with_tls_wants_a_password_behind_it() {
    let bench = bench("tls").await;
    bench.is_well("payments", "secure", 2).await.unwrap();
    // Plain RESP is answered by an alert and the end.
    let plain = asked(&bench, ("payments", "secure-0", 6379), &["PING"]).await;
    assert_eq!(plain, None);
    let open = asked(&bench, ("payments", "secure-0", 9999), &["PING"]).await;
    assert_eq!(spelled(open), "PONG");
    let stream = bench
        .engine("payments", "secure-0")
        .dial(6379)
        .await
        .unwrap();
    let said = tokio::task::spawn_blocking(move || over_tls(stream))
        .await
        .unwrap();
    tells(
        &said,
        &["-NOAUTH Authentication required.", "+OK", "+PONG"],
        &["WRONGPASS"],
    )
    .unwrap();
}

/// PING, AUTH and PING through TLS, trusting the certificate that the lab ships.
fn over_tls(stream: tokio::net::TcpStream) -> String {
    use std::io::{Read, Write};

    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    let mut stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    let pem = include_bytes!("../../scenario/secure.crt");
    roots
        .add(CertificateDer::from_pem_slice(pem).unwrap())
        .unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "secure.payments.svc".try_into().unwrap();
    let mut tls = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let mut wire = rustls::Stream::new(&mut tls, &mut stream);
    let mut said = String::new();
    for command in ["PING", "AUTH lab-password", "PING"] {
        wire.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut chunk = [0_u8; 256];
        let count = wire.read(&mut chunk).unwrap();
        said += &String::from_utf8_lossy(&chunk[..count]);
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_have_the_addresses_of_pods() {
    let bench = bench("healthy").await;
    let mut owners = std::collections::BTreeMap::new();
    for api in [&bench.infra, &bench.apps] {
        let pods = Api::<Pod>::all(api.clone());
        for pod in pods.list(&ListParams::default()).await.unwrap().items {
            let app = pod.metadata.labels.clone().unwrap_or_default();
            let app = app.get("app").cloned().unwrap_or_default();
            let owner = (pod.metadata.namespace.clone().unwrap_or_default(), app);
            owners.insert(ip_of(&pod), owner);
        }
    }
    eventually("clients are connected", || async {
        let list = admin(&bench, "gitlab-0", &["CLIENT", "LIST"]).await;
        let mut seen = std::collections::BTreeSet::new();
        for line in list.lines().filter(|line| line.contains(":6379 ")) {
            let address = line
                .split("addr=")
                .nth(1)
                .unwrap()
                .split(':')
                .next()
                .unwrap();
            match owners.get(address) {
                Some(owner) => seen.insert(owner.clone()),
                None => return Err(format!("nobody has the address in {line}")),
            };
        }
        let of = |namespace: &str, app: &str| (namespace.to_owned(), app.to_owned());
        let wanted = [
            of("gitlab", "gitlab-exporter"),
            of("gitlab", "gitlab-sidekiq"),
            of("gitlab", "gitlab-webservice"),
        ];
        want(seen == wanted.into(), seen)?;
        let names = [
            "name=gitlab-webservice ",
            "lib-name=redis-client",
            "flags=b ",
            "flags=P ",
        ];
        tells(&list, &names, &[])
    })
    .await;
    let blocked = number(&bench, "gitlab-0", "clients", "blocked_clients").await;
    assert_eq!(blocked, 4, "two pods of sidekiq wait twice each");
    let buffers = admin(&bench, "dragonfly-0", &["CLIENT", "LIST"]).await;
    tells(&buffers, &["pipeline=480 pbuf=3145728"], &[]).unwrap();
    let slow = admin(&bench, "dragonfly-0", &["SLOWLOG", "GET", "10"]).await;
    tells(&slow, &["KEYS session:*", "orders-api"], &[]).unwrap();
}
