//! The RESP path against a real server: a real `redis-server` behind a pod, reached through a port-forward of the lab's
//! API server. It is no Dragonfly, but its protocol is not one of our writing.

use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use darner::checks::{Finding, Judgement, State, Subject};
use darner::cli::args::Reach;
use darner::cli::fleet::{Fleet, choose};
use darner::cli::gather::Gathering;
use darner::domain::{ContextId, InstanceId, Master};
use darner::lab::api::Server;
use darner::lab::clock::Clock;
use darner::lab::kubelet_api::{Exec, Kubelet, Later, Log, Output};
use darner::lab::status::Status;
use darner::lab::store::Store;
use darner::observe::{Focus, inbox};
use darner::runtime::Supervisor;
use darner::settings::Settings;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use crate::driver::lab::request;
use crate::driver::{binary, requirement};

/// The ports of a pod lead to the same real server: that of its ordinal.
struct RealServer(Vec<u16>);

impl Kubelet for RealServer {
    fn logs<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        container: &'a str,
        previous: bool,
        follow: bool,
    ) -> Later<'a, Result<Log, Status>> {
        let _ = (namespace, pod, container, previous, follow);
        Box::pin(async { Err(Status::internal("no logs in this story")) })
    }

    fn exec(&self, _exec: Exec) -> Later<'_, Result<mpsc::Receiver<Output>, Status>> {
        Box::pin(async { Err(Status::internal("no exec in this story")) })
    }

    fn dial<'a>(
        &'a self,
        _namespace: &'a str,
        pod: &'a str,
        port: u16,
    ) -> Later<'a, io::Result<TcpStream>> {
        // Of what is in view the data port is tried too.
        assert!([9999, 6379].contains(&port), "the console asks port {port}");
        let ordinal = pod
            .rsplit_once('-')
            .and_then(|(_, n)| n.parse::<usize>().ok());
        let server = self.0[ordinal.unwrap()];
        Box::pin(TcpStream::connect(("127.0.0.1", server)))
    }
}

/// Its process, its port, and the folder that it may write to.
struct Redis(
    Child,
    u16,
    #[expect(dead_code, reason = "kept for as long as the process")] tempfile::TempDir,
);

impl Redis {
    fn start() -> Option<Self> {
        let program = requirement::program("redis", "redis-server")?;
        // The port is free now; should another take it in between, the server ends and the story fails loudly.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        Some(Self::at(&program, port, &[]))
    }

    /// One on that port, with more arguments.
    fn at(program: &std::path::Path, port: u16, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new(program)
            .current_dir(folder.path())
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--repl-diskless-sync-delay",
                "0",
            ])
            .args(more)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let redis = Self(child, port, folder);
        let begun = std::time::Instant::now();
        while redis.command(&["PING"]).as_deref() != Some("+PONG") {
            assert!(
                begun.elapsed() < crate::driver::PATIENCE,
                "redis-server did not come up"
            );
        }
        redis
    }

    /// Stops its process, or lets it go on.
    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// The first line of its answer.
    fn command(&self, words: &[&str]) -> Option<String> {
        use std::io::{BufRead, BufReader, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.1)).ok()?;
        writeln!(stream, "{}\r", words.join(" ")).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_real_server_is_asked_through_a_port_forward_and_understood() {
    let Some(redis) = Redis::start() else { return };
    for key in ["a", "b", "c"] {
        assert_eq!(redis.command(&["SET", key, "1"]).as_deref(), Some("+OK"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let store = Store::new(1, Clock::default());
    let server = runtime
        .block_on(Server::start(store, Arc::new(RealServer(vec![redis.1]))))
        .unwrap();
    let url = server.url();
    objects(&url);
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = kubeconfig(folder.path(), &url);
    let output = Command::new(binary())
        .args(["status", "-o", "json"])
        .env("KUBECONFIG", &kubeconfig)
        .env("HOME", folder.path())
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect(&text);
    let instance = &report["instances"][0];
    assert_eq!(instance["keys"], 3, "{text}");
    assert_eq!(instance["master"], "store-0", "{text}");
    assert_eq!(instance["nodes"][0]["engine_role"], "master", "{text}");
    assert!(
        instance["memory_used"].as_u64().unwrap() > 100_000,
        "{text}"
    );
    assert!(instance["clients"].as_u64().unwrap() >= 1, "{text}");
    server.stop();
}

fn kubeconfig(folder: &std::path::Path, url: &str) -> std::path::PathBuf {
    let file = folder.join("kubeconfig");
    std::fs::write(
        &file,
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: real\nclusters: [{{name: c, cluster: {{server: '{url}'}}}}]\n\
             users: [{{name: u, user: {{token: t}}}}]\ncontexts: [{{name: real, context: {{cluster: c, user: u}}}}]\n"
        ),
    )
    .unwrap();
    file
}

/// A real master and a real replica: in sync, then each of them stopped and let go on, then the master restarted with
/// nothing. What is judged follows, and so does what it says of the data.
#[test]
fn a_real_master_and_its_replica_are_judged_as_they_are() {
    let Some(master) = Redis::start() else { return };
    let program = requirement::program("redis", "redis-server").unwrap();
    let port = Redis::start().unwrap().1;
    let replica_of = format!("127.0.0.1 {}", master.1);
    // As in a pod, the replica is known to its master by the pod's own address.
    let more = [
        "--replicaof",
        &replica_of,
        "--replica-announce-ip",
        "10.9.9.10",
    ];
    let replica = Redis::at(&program, port, &more);
    for key in 0..20 {
        let set = master.command(&["SET", &format!("key-{key}"), "1"]);
        assert_eq!(set.as_deref(), Some("+OK"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let store = Store::new(1, Clock::default());
    let ports = vec![master.1, replica.1];
    let server = runtime
        .block_on(Server::start(store, Arc::new(RealServer(ports))))
        .unwrap();
    let url = server.url();
    objects(&url);
    pair(&url);
    let folder = tempfile::tempdir().unwrap();
    let file = kubeconfig(folder.path(), &url);
    runtime.block_on(async {
        let mut watched = Watched::start(file);
        let healthy = |j: &Judgement| j.state == State::Healthy && j.master == one("store-0");
        watched.until("in sync", healthy).await;
        replica.signal("-STOP");
        let mute = |pod: &'static str| {
            move |j: &Judgement| {
                let told = |f: &Finding| {
                    let silent = ["engine-silent", "frozen-master", "frozen-replica"];
                    silent.contains(&f.situation.id) && f.about == [pod]
                };
                j.state != State::Healthy && j.findings.iter().any(told)
            }
        };
        watched
            .until("the replica is stopped", mute("store-1"))
            .await;
        replica.signal("-CONT");
        watched.until("the replica goes on", healthy).await;
        master.signal("-STOP");
        watched
            .until("the master is stopped", mute("store-0"))
            .await;
        master.signal("-CONT");
        watched.until("the master goes on", healthy).await;
        let (port, _) = (master.1, drop(master));
        let _master = Redis::at(&program, port, &[]);
        let empty = |j: &Judgement| {
            let told = |f: &Finding| f.situation.id == "empty-master" && f.about == ["store-0"];
            j.findings.iter().any(told)
        };
        watched
            .until("the master restarted with nothing", empty)
            .await;
        watched.stop().await;
    });
    server.stop();
}

fn one(pod: &str) -> Master {
    Master::One(pod.to_owned())
}

/// What watches the instance, as `darner status` does.
struct Watched {
    fleet: Fleet,
    supervisor: Supervisor,
    gathering: Gathering,
    _focus: watch::Sender<Focus>,
}

impl Watched {
    fn start(file: std::path::PathBuf) -> Self {
        let reach = Reach {
            contexts: vec!["real".to_owned()],
            kubeconfig: Some(file),
            ..Reach::default()
        };
        let fleet = choose(&reach, &Settings::default(), Vec::new()).unwrap();
        let (outlet, inbox) = inbox();
        let mut supervisor = Supervisor::default();
        let focus = Focus {
            instance: Some(store()),
            ..Focus::default()
        };
        let (focus, watching) = watch::channel(focus);
        fleet.start(&mut supervisor, &outlet, &watching);
        let gathering = Gathering::new(inbox, fleet.limits.clone(), fleet.confines.clone());
        Self {
            fleet,
            supervisor,
            gathering,
            _focus: focus,
        }
    }

    async fn until(&mut self, what: &str, is: impl Fn(&Judgement) -> bool) {
        let deadline = tokio::time::Instant::now() + crate::driver::PATIENCE;
        let subject = Subject::Instance(store());
        loop {
            let judged = self.gathering.board.subject(&subject);
            if judged.is_some_and(&is) {
                return;
            }
            let told = format!("{what}: {judged:#?}");
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let change = tokio::time::timeout(left, self.gathering.change());
            assert!(change.await.is_ok(), "{told}");
        }
    }

    async fn stop(mut self) {
        drop(self.fleet);
        self.supervisor.stop().await;
    }
}

fn store() -> InstanceId {
    InstanceId {
        context: ContextId::new("real"),
        namespace: Arc::from("real"),
        name: Arc::from("store"),
    }
}

/// The second pod, and the Service that sends to the first.
fn pair(url: &str) {
    let labels = r#"{"app":"store","app.kubernetes.io/name":"dragonfly","app.kubernetes.io/part-of":"dragonfly","role":"replica"}"#;
    for (path, body) in [
        (
            "/api/v1/namespaces/real/pods",
            format!(
                r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"store-1","namespace":"real","labels":{labels}}},
                   "spec":{{"nodeName":"machine","containers":[{{"name":"dragonfly","image":"redis:7"}}]}}}}"#
            ),
        ),
        (
            "/api/v1/namespaces/real/services",
            r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"store","namespace":"real","labels":{"app":"store",
               "app.kubernetes.io/name":"dragonfly","app.kubernetes.io/part-of":"dragonfly"}},
               "spec":{"selector":{"app":"store","role":"master"},"ports":[{"name":"redis","port":6379}]}}"#
                .to_owned(),
        ),
        (
            "/apis/discovery.k8s.io/v1/namespaces/real/endpointslices",
            r#"{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","addressType":"IPv4",
               "metadata":{"name":"store-x","namespace":"real","labels":{"kubernetes.io/service-name":"store","app":"store",
               "app.kubernetes.io/name":"dragonfly","app.kubernetes.io/part-of":"dragonfly"}},
               "endpoints":[{"addresses":["127.0.0.1"],"conditions":{"ready":true},"targetRef":{"kind":"Pod","name":"store-0","namespace":"real"}}]}"#
                .to_owned(),
        ),
    ] {
        request(url, "POST", path, &body);
    }
    request(
        url,
        "PATCH",
        "/apis/dragonflydb.io/v1alpha1/namespaces/real/dragonflies/store",
        r#"{"spec":{"replicas":2}}"#,
    );
    for (pod, ip) in [("store-0", "127.0.0.1"), ("store-1", "10.9.9.10")] {
        running(url, pod, ip);
    }
}

/// One instance of one pod, as far as the console needs it.
fn objects(url: &str) {
    let labels = r#"{"app":"store","app.kubernetes.io/name":"dragonfly","app.kubernetes.io/part-of":"dragonfly","role":"master"}"#;
    for (path, body) in [
        // A port-forward is answered only for a pod that has a machine, as a real API server has it.
        (
            "/api/v1/nodes",
            r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"machine"}}"#.to_owned(),
        ),
        (
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"dragonflies.dragonflydb.io"},
               "spec":{"group":"dragonflydb.io","scope":"Namespaced","names":{"plural":"dragonflies","singular":"dragonfly","kind":"Dragonfly","listKind":"DragonflyList"},
               "versions":[{"name":"v1alpha1","served":true,"storage":true,"subresources":{"status":{}},
               "schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}"#
                .to_owned(),
        ),
        ("/api/v1/namespaces", r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"real"}}"#.to_owned()),
        (
            "/apis/dragonflydb.io/v1alpha1/namespaces/real/dragonflies",
            r#"{"apiVersion":"dragonflydb.io/v1alpha1","kind":"Dragonfly","metadata":{"name":"store","namespace":"real"},"spec":{"replicas":1}}"#
                .to_owned(),
        ),
        (
            "/api/v1/namespaces/real/pods",
            format!(
                r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"store-0","namespace":"real","labels":{labels}}},
                   "spec":{{"nodeName":"machine","containers":[{{"name":"dragonfly","image":"redis:7"}}]}}}}"#
            ),
        ),
    ] {
        request(url, "POST", path, &body);
    }
    running(url, "store-0", "10.9.9.9");
}

/// The pod runs and is ready, at that address.
fn running(url: &str, pod: &str, ip: &str) {
    request(
        url,
        "PATCH",
        &format!("/api/v1/namespaces/real/pods/{pod}/status"),
        &r#"{"status":{"phase":"Running","podIP":"@","startTime":"2026-01-01T00:00:00Z",
           "conditions":[{"type":"Ready","status":"True"}],
           "containerStatuses":[{"name":"dragonfly","image":"redis:7","ready":true,"restartCount":0,"state":{"running":{"startedAt":"2026-01-01T00:00:00Z"}}}]}}"#
            .replace("@", ip),
    );
}
