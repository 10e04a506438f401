//! `darner lab node` under a real API server: pods that are bound to its nodes live as with a real kubelet. There is no
//! controller and no scheduler; pods are bound by hand. All addresses are of 127.0.0.0/8, which are local everywhere.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::driver::{PATIENCE, Rig, binary};

/// A running `darner lab node` with two nodes.
struct Node {
    process: Child,
    folder: tempfile::TempDir,
}

impl Node {
    fn attach(rig: &Rig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Other runs on this machine have other numbers, and so other addresses; so has each test of this one.
        static TESTS: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id() * 2 + TESTS.fetch_add(1, Ordering::Relaxed);
        let (a, b) = (number / 100 % 100, number % 100);
        let mut command = Command::new(binary());
        command
            .args([
                "lab",
                "node",
                "--context",
                "rig",
                "--nodes",
                "2",
                "--haste",
                "10",
            ])
            .args(["--node-range", &format!("127.{}.{b}.0/24", 20 + a)])
            .args(["--pod-range", &format!("127.{}.{}.0/23", 130 + a, b * 2)])
            .args(["--service-range", "10.96.0.0/16", "--kubeconfig"])
            .arg(rig.kubeconfig())
            .arg("--control")
            .arg(folder.path().join("control"))
            .env("HOME", folder.path())
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut said = String::new();
        let out = process.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut said).unwrap();
        let node = Self { process, folder };
        assert!(said.starts_with("ready; nodes node-1, node-2"), "{said}");
        node
    }

    fn fault(&self, name: &str) -> String {
        let control: PathBuf = self.folder.path().join("control");
        let mut command = Command::new(binary());
        command
            .args(["lab", "fault", name, "--control"])
            .arg(control);
        let output = command.env("HOME", self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A pod as the operator's StatefulSet makes it, bound to a node.
fn pod(name: &str, finalizers: &[&str]) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "finalizers": finalizers},
        "spec": {"nodeName": "node-1", "terminationGracePeriodSeconds": 20, "containers": [{
            "name": "dragonfly", "image": "docker.dragonflydb.io/dragonflydb/dragonfly:v1.39.0",
            "args": ["--alsologtostderr", "--admin_port=9999", "--admin_nopass"],
            "readinessProbe": {"exec": {"command": ["/bin/sh", "/usr/local/bin/healthcheck.sh"]}, "initialDelaySeconds": 10},
            "resources": {"limits": {"memory": "1Gi", "cpu": "1"}},
        }]},
    })
}

fn make(rig: &Rig, object: &Value) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), object.to_string()).unwrap();
    rig.kubectl(&["create", "-f", file.path().to_str().unwrap()]);
}

fn get(rig: &Rig, name: &str) -> Value {
    let found = rig.kubectl(&["get", "pod", name, "--ignore-not-found", "-o", "json"]);
    serde_json::from_str(&found).unwrap_or_default()
}

fn until(rig: &Rig, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let pod = get(rig, name);
        if holds(&pod) {
            return pod;
        }
        assert!(Instant::now() < deadline, "{name} is never {what}: {pod:#}");
    }
}

fn ready(rig: &Rig, name: &str) -> String {
    let pod = until(rig, name, "ready", |pod| {
        pod["status"]["containerStatuses"][0]["ready"] == true
    });
    pod["status"]["podIP"].as_str().unwrap().to_owned()
}

/// What is answered at an address; `None` when nobody listens.
fn ask(address: &str, port: u16, words: &str, wanted: &str) -> Option<String> {
    let mut stream = TcpStream::connect((address, port)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(words.as_bytes()).unwrap();
    let mut said = String::new();
    let mut bytes = [0_u8; 4096];
    while !said.contains(wanted) {
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => break,
            Ok(count) => said.push_str(&String::from_utf8_lossy(&bytes[..count])),
        }
    }
    Some(said)
}

#[test]
fn a_pod_that_is_bound_to_a_node_lives_as_with_a_real_kubelet() {
    let Some(rig) = Rig::up(false) else { return };
    let node = Node::attach(&rig);
    let nodes = rig.kubectl(&[
        "wait",
        "--for=condition=Ready",
        "node/node-1",
        "node/node-2",
    ]);
    assert_eq!(nodes.lines().count(), 2, "{nodes}");
    let lease = rig.kubectl(&[
        "-n",
        "kube-node-lease",
        "get",
        "lease",
        "node-1",
        "-o",
        "name",
    ]);
    assert_eq!(lease.trim(), "lease.coordination.k8s.io/node-1");

    // It runs, at its own address, and the API server reaches it through its kubelet.
    make(&rig, &pod("orders-0", &[]));
    let address = ready(&rig, "orders-0");
    let said = ask(&address, 6379, "PING\r\n", "\r\n");
    assert_eq!(said.as_deref(), Some("+PONG\r\n"));
    let health = ask(&address, 9999, "GET /healthz HTTP/1.0\r\n\r\n", "OK\n").unwrap();
    assert!(health.starts_with("HTTP/1.1 200 OK"), "{health}");
    let log = rig.kubectl(&["logs", "orders-0", "--tail=3"]);
    assert_eq!(log.lines().count(), 3, "{log}");
    let events = rig.kubectl(&["get", "events", "-o", "jsonpath={.items[*].reason}"]);
    assert!(events.contains("Started"), "{events}");

    // A process that is killed is started again in place, and what it said last can be read.
    assert!(node.fault("kill:default:orders-0").contains("killed"));
    let again = until(&rig, "orders-0", "restarted", |pod| {
        let container = &pod["status"]["containerStatuses"][0];
        container["restartCount"] == 1 && container["ready"] == true
    });
    assert_eq!(again["status"]["podIP"], address.as_str());
    let last = &again["status"]["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!(last["exitCode"], 137, "{last}");
    let previous = rig.kubectl(&["logs", "orders-0", "--previous"]);
    assert!(previous.contains("Starting dragonfly"), "{previous}");

    // An API server that was away changes nothing, and everything goes on when it is back.
    rig.apiserver("restart");
    assert!(ask(&address, 6379, "PING\r\n", "\r\n").is_some());
    rig.kubectl(&["delete", "pod", "orders-0", "--timeout=60s"]);
    assert_eq!(ask(&address, 6379, "PING\r\n", "\r\n"), None);
}

#[test]
fn a_finalizer_holds_the_object_and_not_the_process_and_force_needs_nobody() {
    let Some(rig) = Rig::up(false) else { return };
    let _node = Node::attach(&rig);
    make(&rig, &pod("held", &["lab.example/hold"]));
    let address = ready(&rig, "held");
    rig.kubectl(&["delete", "pod", "held", "--wait=false"]);
    let ended =
        |pod: &Value| !pod["status"]["containerStatuses"][0]["state"]["terminated"].is_null();
    let gone = |pod: &Value| pod["metadata"]["deletionGracePeriodSeconds"] == 0;
    until(&rig, "held", "ended and let go", |pod| {
        ended(pod) && gone(pod)
    });
    assert_eq!(ask(&address, 6379, "PING\r\n", "\r\n"), None);
    // Whoever writes it now does not bring it to life. The next pod is seen after it, so it has been looked at.
    rig.kubectl(&["label", "pod", "held", "seen=yes"]);
    make(&rig, &pod("next", &[]));
    let address = ready(&rig, "next");
    let held = get(&rig, "held");
    assert!(ended(&held) && gone(&held), "{held:#}");
    rig.kubectl(&[
        "patch",
        "pod",
        "held",
        "--type=merge",
        "-p",
        "{\"metadata\":{\"finalizers\":null}}",
    ]);
    until(&rig, "held", "gone", Value::is_null);
    // Removed by force: the object goes at once, and the process follows.
    rig.kubectl(&["delete", "pod", "next", "--force", "--grace-period=0"]);
    let deadline = Instant::now() + PATIENCE;
    while ask(&address, 6379, "PING\r\n", "\r\n").is_some() {
        assert!(
            Instant::now() < deadline,
            "the process of a pod that is gone never ends"
        );
    }
}
