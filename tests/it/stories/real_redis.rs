//! The RESP path against a real server: a real `redis-server` behind a pod, reached through a port-forward of the lab's
//! API server. It is no Dragonfly, but its protocol is not one of our writing.

use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use darner::lab::api::Server;
use darner::lab::clock::Clock;
use darner::lab::kubelet_api::{Exec, Kubelet, Later, Log, Output};
use darner::lab::status::Status;
use darner::lab::store::Store;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::driver::lab::request;
use crate::driver::{binary, requirement};

/// Every pod's admin port leads to the same real server.
struct RealServer(u16);

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
        _pod: &'a str,
        port: u16,
    ) -> Later<'a, io::Result<TcpStream>> {
        assert_eq!(port, 9999, "the console asks the admin port");
        Box::pin(TcpStream::connect(("127.0.0.1", self.0)))
    }
}

struct Redis(Child, u16);

impl Redis {
    fn start() -> Option<Self> {
        let program = requirement::program("redis", "redis-server")?;
        // The port is free now; should another take it in between, the server ends and the story fails loudly.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new(program)
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let redis = Self(child, port);
        let begun = std::time::Instant::now();
        while redis.command(&["PING"]).as_deref() != Some("+PONG") {
            assert!(
                begun.elapsed() < crate::driver::PATIENCE,
                "redis-server did not come up"
            );
        }
        Some(redis)
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
        .block_on(Server::start(store, Arc::new(RealServer(redis.1))))
        .unwrap();
    let url = server.url();
    objects(&url);
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(
        &kubeconfig,
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: real\nclusters: [{{name: c, cluster: {{server: '{url}'}}}}]\n\
             users: [{{name: u, user: {{token: t}}}}]\ncontexts: [{{name: real, context: {{cluster: c, user: u}}}}]\n"
        ),
    )
    .unwrap();
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
    request(
        url,
        "PATCH",
        "/api/v1/namespaces/real/pods/store-0/status",
        r#"{"status":{"phase":"Running","podIP":"10.9.9.9","startTime":"2026-01-01T00:00:00Z",
           "conditions":[{"type":"Ready","status":"True"}],
           "containerStatuses":[{"name":"dragonfly","image":"redis:7","ready":true,"restartCount":0,"state":{"running":{"startedAt":"2026-01-01T00:00:00Z"}}}]}}"#,
    );
}
