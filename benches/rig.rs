//! On real control planes, with 5,000 other pods and 201 of Dragonfly: from the start to the complete fleet, what is asked
//! and how many bytes that is, and what stays resident, for darner and, in the same run, for `kubectl`.
//!
//! `cargo bench --bench rig` (`-- --pods 500 --instances 10 --minutes 1` for less). API servers, etcd, controllers and
//! scheduler are the real programs; nodes and engines are the lab's, and so is the operator where the real one is not to be
//! had. Bytes are counted on the connections, TLS and port-forwards included; requests are those of the audit log.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../tests/it/driver/mod.rs"]
#[allow(dead_code, unused_imports)]
mod driver;
#[path = "measure.rs"]
mod measure;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use driver::FullRig;
use driver::console::Opening;
use measure::{load, processor, resident};

/// Kinds that the console reads, asked for by a person: one `kubectl get` each.
const KINDS: &[&str] = &[
    "dragonflies",
    "pods -l app.kubernetes.io/name=dragonfly",
    "services",
    "persistentvolumeclaims",
    "statefulsets",
    "endpointslices",
    "poddisruptionbudgets",
    "networkpolicies",
    "events",
    "deployments -n dragonfly-operator-system",
    "leases -n dragonfly-operator-system",
    "crd dragonflies.dragonflydb.io",
];
/// Pods of a machine of the rig, with room for those of the operator.
const PODS_A_NODE: usize = 230;
/// Longest wait for the whole fleet.
const PATIENCE: Duration = Duration::from_secs(900);

fn main() {
    let pods = option("--pods", 5_000);
    let instances = option("--instances", 67);
    let minutes = option("--minutes", 10);
    let nodes = (pods + instances * 3).div_ceil(PODS_A_NODE).max(3) + 1;
    let Some(rig) = FullRig::up(&["--nodes", &nodes.to_string(), "--haste", "20"]) else {
        return;
    };
    fill(&rig, pods, instances, nodes);
    println!(
        "{pods} other pods, {} pods of {instances} instances on {nodes} nodes; load {}",
        instances * 3,
        load()
    );

    // The fleet, complete: every engine asked.
    let counter = Counter::before(&rig);
    let begun = Instant::now();
    let console = Opening::new(["--context", "infra"])
        .kubeconfig(&counter.kubeconfig)
        .size(200, 60)
        .open();
    let wanted = format!("{instances} instances");
    console.wait(&wanted, |screen| screen.contains(&wanted));
    let listed = begun.elapsed();
    console.wait("nothing unknown", |screen| {
        !screen.contains("unknown") && !screen.contains("syncing") && !screen.contains("not heard")
    });
    println!(
        "darner: every instance after {:.2} s, every engine asked after {:.2} s; {} so far; {:.1} MiB",
        listed.as_secs_f64(),
        begun.elapsed().as_secs_f64(),
        counter.told(),
        resident(console.pid())
    );
    let asked = requests(&rig, "darner/");
    println!("darner asked for: {}", words(&asked));

    // The same by kubectl, one command after the other, as JSON.
    let gets = Counter::before(&rig);
    let begun = Instant::now();
    for kind in KINDS {
        let mut args: Vec<&str> = vec!["get"];
        args.extend(kind.split(' '));
        if !kind.contains(" -n ") && !kind.starts_with("crd") {
            args.push("-A");
        }
        args.extend(["-o", "json"]);
        let output = kubectl(&rig, &gets.kubeconfig, &args).output().unwrap();
        assert!(
            output.status.success(),
            "{kind}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    println!(
        "kubectl get, {} commands one after the other: {:.2} s; {}; no engine asked",
        KINDS.len(),
        begun.elapsed().as_secs_f64(),
        gets.told()
    );

    // What many people leave running.
    let follow = Counter::before(&rig);
    let begun = Instant::now();
    let mut watching = Following::start(
        kubectl(&rig, &follow.kubeconfig, &["get", "pods", "-A", "-w"]),
        pods + instances * 3,
    );
    println!(
        "kubectl get pods -A -w: every pod after {:.2} s; {}; {:.1} MiB",
        begun.elapsed().as_secs_f64(),
        follow.told(),
        resident(watching.child.id())
    );

    // And then nothing is done for a while.
    let (one, other) = (counter.bytes(), follow.bytes());
    let cpu = [console.pid(), watching.child.id()].map(processor);
    std::thread::sleep(Duration::from_secs(60 * minutes as u64));
    let seconds = 60.0 * minutes as f64;
    for (name, pid, before, cpu, counter) in [
        ("darner", console.pid(), one, cpu[0], &counter),
        (
            "kubectl get pods -A -w",
            watching.child.id(),
            other,
            cpu[1],
            &follow,
        ),
    ] {
        println!(
            "{name} after {minutes} min: {:.1} MiB, {:.2} % of a core, {:.1} KiB/s",
            resident(pid),
            (processor(pid) - cpu) / seconds * 100.0,
            (counter.bytes() - before) as f64 / 1024.0 / seconds
        );
    }
    watching.child.kill().unwrap();
    watching.child.wait().unwrap();
    console.quit();
    println!("load at the end {}", load());
}

/// `--name N` of the command line.
fn option(name: &str, usual: usize) -> usize {
    let args: Vec<String> = std::env::args().collect();
    args.iter()
        .position(|arg| arg == name)
        .map_or(usual, |at| args[at + 1].parse().unwrap())
}

/// Makes the pods, on machines that they name, and the instances; returns when all are there.
fn fill(rig: &FullRig, pods: usize, instances: usize, nodes: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for part in 0..8 {
        let mut text =
            format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: crowd-{part}}}\n");
        for pod in (part..pods).step_by(8) {
            let node = pod % (nodes - 1) + 1;
            text.push_str(&format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: web-{pod}, namespace: crowd-{part}, labels: {{app: web, \
                 pod-template-hash: 5d8f6c7b9}}}}\nspec:\n  nodeName: infra-node-{node}\n  terminationGracePeriodSeconds: 1\n  \
                 containers: [{{name: web, image: registry.example/web:1.4.2, ports: [{{containerPort: 8080}}], env: [{{name: A, \
                 value: b}}], resources: {{requests: {{cpu: 1m, memory: 1Mi}}}}}}]\n"
            ));
        }
        let file = folder.path().join(format!("crowd-{part}.yaml"));
        std::fs::write(&file, text).unwrap();
        files.push(file);
    }
    let mut text = String::new();
    for part in 0..8 {
        text.push_str(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: team-{part}}}\n---\n"
        ));
    }
    for i in 0..instances {
        text.push_str(&format!(
            "apiVersion: dragonflydb.io/v1alpha1\nkind: Dragonfly\nmetadata: {{name: cache-{i}, namespace: team-{}}}\nspec: \
             {{replicas: 3, resources: {{requests: {{cpu: 1m, memory: 1Mi}}}}}}\n---\n",
            i % 8
        ));
    }
    let file = folder.path().join("instances.yaml");
    std::fs::write(&file, text).unwrap();
    files.push(file);

    let config = rig.kubeconfig();
    // Two at a time, each in its own process: one alone holds itself back.
    for some in files.chunks(3) {
        let children: Vec<Child> = some
            .iter()
            .map(|file| {
                kubectl(rig, &config, &["create", "-f", file.to_str().unwrap()])
                    .stdout(Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
    }
    let begun = Instant::now();
    loop {
        let running = rig
            .kubectl(
                "infra",
                &[
                    "get",
                    "pods",
                    "-A",
                    "--no-headers",
                    "--field-selector",
                    "status.phase=Running",
                ],
            )
            .lines()
            .filter(|line| !line.starts_with("dragonfly-operator"))
            .count();
        let healthy = rig
            .kubectl("infra", &["get", "dragonflies", "-A", "--no-headers"])
            .lines()
            .filter(|line| line.to_lowercase().contains("ready"))
            .count();
        if running == pods + instances * 3 && healthy == instances {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{running} pods run, {healthy} instances are ready"
        );
        std::thread::sleep(Duration::from_secs(3));
    }
}

fn kubectl(rig: &FullRig, kubeconfig: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(rig.assets().join("kubectl"));
    command
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(["--context", "infra"])
        .args(args)
        .stdin(Stdio::null());
    command
}

/// A command that prints and does not end.
struct Following {
    child: Child,
}

impl Following {
    /// Starts it, and waits for that many lines beside the heading.
    fn start(mut command: Command, lines: usize) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        for _ in 0..=lines {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "it ended");
        }
        // Whatever it prints later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Self { child }
    }
}

/// A door before the API server of infra that counts what passes; connections end with those behind it.
struct Counter {
    passed: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    kubeconfig: PathBuf,
    _folder: tempfile::TempDir,
}

impl Counter {
    fn before(rig: &FullRig) -> Self {
        let text = std::fs::read_to_string(rig.kubeconfig()).unwrap();
        // Infra's comes first.
        let server = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("server: https://"))
            .unwrap()
            .trim_matches('"')
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let door = listener.local_addr().unwrap().to_string();
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, text.replace(&server, &door)).unwrap();
        let (passed, connections) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (count, number) = (passed.clone(), connections.clone());
        std::thread::spawn(move || {
            for inside in listener.incoming().flatten() {
                let Ok(outside) = TcpStream::connect(&server) else {
                    continue;
                };
                number.fetch_add(1, Ordering::Relaxed);
                for stream in [&inside, &outside] {
                    stream.set_nodelay(true).unwrap();
                }
                pass(&inside, &outside, &count);
                pass(&outside, &inside, &count);
            }
        });
        Self {
            passed,
            connections,
            kubeconfig,
            _folder: folder,
        }
    }

    fn bytes(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    fn told(&self) -> String {
        format!(
            "{:.2} MiB over {} connections",
            self.bytes() as f64 / 1024.0 / 1024.0,
            self.connections.load(Ordering::Relaxed)
        )
    }
}

fn pass(from: &TcpStream, to: &TcpStream, count: &Arc<AtomicU64>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let count = count.clone();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read) = from.read(&mut buffer) {
            if read == 0 || to.write_all(&buffer[..read]).is_err() {
                break;
            }
            count.fetch_add(read as u64, Ordering::Relaxed);
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// What somebody whose user agent begins so has asked the API server of infra for, by its audit log.
fn requests(rig: &FullRig, agent: &str) -> BTreeMap<String, usize> {
    let log = std::fs::read_to_string(rig.audit_log("infra")).unwrap();
    let mut all = BTreeMap::new();
    let mut seen = BTreeSet::new();
    // The last line may be half written.
    for line in log
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n') && line.contains(agent))
    {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |path: &str| event.pointer(path).and_then(serde_json::Value::as_str);
        let is_ours = text("/userAgent").is_some_and(|name| name.starts_with(agent));
        // A request that goes on is told twice: when it begins, and when it ends.
        if !is_ours || !seen.insert(text("/auditID").unwrap_or_default().to_owned()) {
            continue;
        }
        let what = match (text("/objectRef/resource"), text("/objectRef/subresource")) {
            (Some(resource), Some(sub)) => format!("{resource}/{sub}"),
            (Some(resource), None) => resource.to_owned(),
            _ => text("/requestURI").unwrap_or_default().to_owned(),
        };
        let what = format!("{} {what}", text("/verb").unwrap_or_default());
        *all.entry(what).or_default() += 1;
    }
    all
}

fn words(asked: &BTreeMap<String, usize>) -> String {
    let total: usize = asked.values().sum();
    let each: Vec<String> = asked
        .iter()
        .map(|(what, times)| format!("{times} {what}"))
        .collect();
    format!("{total} requests ({})", each.join(", "))
}
