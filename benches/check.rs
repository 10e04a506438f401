//! The question "is the shared instance as it should be?", asked by `darner check` and, in the same run, by the page of kubectl
//! commands that a person runs for it, one after the other: on a lab and on real control planes.
//!
//! `cargo bench --bench check` (`-- --rounds 5`, `-- --lab` or `-- --rig` for one ground alone). On the rig API servers, etcd,
//! controllers and scheduler are the real programs; nodes and engines are the lab's. kubectl's commands only read; darner also
//! judges. Both ask the same clusters, in turns.
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

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use driver::ground::Ground;
use measure::{load, machine};

/// What a person asks of the infra cluster: arguments of kubectl, `{pod}` for each of the three pods.
const INFRA: &[&str] = &[
    "get deployments -A -l control-plane=controller-manager -o yaml",
    "get pods -A -l control-plane=controller-manager -o wide",
    "get poddisruptionbudgets -A -o yaml",
    "get leases -A -o yaml",
    "get crd dragonflies.dragonflydb.io -o yaml",
    "get clusterroles -o yaml",
    "get clusterrolebindings -o yaml",
    "get helmreleases -A -o yaml",
    "get ocirepositories -A -o yaml",
    "get kustomizations -A -o yaml",
    "get dragonfly -n dragonfly-system dragonfly -o yaml",
    "get statefulset -n dragonfly-system dragonfly -o yaml",
    "get pods -n dragonfly-system -l app=dragonfly -o yaml",
    "get pvc -n dragonfly-system -o yaml",
    "get storageclasses -o yaml",
    "get nodes --show-labels",
    "get services -n dragonfly-system -o yaml",
    "get endpointslices -n dragonfly-system -o yaml",
    "get networkpolicies -A -o yaml",
    "get ciliumnetworkpolicies -A -o yaml",
    "get namespaces --show-labels",
    "get podmonitors -A -o yaml",
    "get servicemonitors -A -o yaml",
    "get prometheusrules -A -o yaml",
    "get externalsecrets -n dragonfly-system -o yaml",
    "get secretstores -n dragonfly-system -o yaml",
    "get events -n dragonfly-system",
    "exec -n dragonfly-system {pod} -c dragonfly -- redis-cli -p 9999 INFO",
    "exec -n dragonfly-system {pod} -c dragonfly -- redis-cli -p 9999 ROLE",
    "exec -n dragonfly-system {pod} -c dragonfly -- redis-cli -p 9999 CONFIG GET snapshot_cron",
    "logs -n dragonfly-system {pod} -c dragonfly --tail=50",
];
/// And of the apps cluster.
const APPS: &[&str] = &[
    "get services -n dragonfly-system -o yaml",
    "get networkpolicies -A -o yaml",
    "get ciliumnetworkpolicies -A -o yaml",
    "get namespaces --show-labels",
    "get pods -n gitlab -o wide",
];

fn main() {
    let named = |name: &str| std::env::args().any(|arg| arg == name);
    let rounds = rounds();
    println!("{}, load {}", machine(), load());
    if !named("--rig")
        && let Some(lab) = Ground::lab()
    {
        compare("lab", &lab, rounds);
    }
    if !named("--lab")
        && let Some(rig) = Ground::rig()
    {
        rig.instance("dragonfly-system", "dragonfly", 3);
        compare("rig", &rig, rounds);
    }
}

fn rounds() -> usize {
    let mut args = std::env::args().skip_while(|arg| arg != "--rounds");
    args.nth(1).and_then(|n| n.parse().ok()).unwrap_or(5)
}

fn compare(what: &str, ground: &Ground, rounds: usize) {
    let foreign = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/objects/foreign.yaml");
    for context in ground.contexts() {
        let args = ["apply", "--server-side", "-f", foreign.to_str().unwrap()];
        let output = kubectl(ground, context, &args).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    ground.report_until("dragonfly-system/dragonfly", "healthy", |report| {
        report["instances"][0]["situation"] == "healthy"
    });
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut asked, mut failed) = (0, 0);
    for _ in 0..rounds {
        let begun = Instant::now();
        let [infra, apps] = ground.contexts();
        let output = ground.darner(&[
            "check",
            "--context",
            apps,
            "-o",
            "json",
            "--deadline",
            "60s",
        ]);
        ours.push(begun.elapsed().as_secs_f64());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["complete"], true, "{:#}", report["unanswered"]);
        let begun = Instant::now();
        (asked, failed) = (0, 0);
        let mut run = |context: &str, line: &str| {
            let args: Vec<&str> = line.split(' ').collect();
            let output = kubectl(ground, context, &args).output().unwrap();
            asked += 1;
            failed += usize::from(!output.status.success());
        };
        for line in INFRA {
            match line.contains("{pod}") {
                true => (0..3)
                    .for_each(|n| run(infra, &line.replace("{pod}", &format!("dragonfly-{n}")))),
                false => run(infra, line),
            }
        }
        APPS.iter().for_each(|line| run(apps, line));
        theirs.push(begun.elapsed().as_secs_f64());
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "{what}, median of {rounds}: darner check of both clusters {ours:.2} s; {asked} kubectl commands one after the other {theirs:.2} s ({failed} of them failed); {:.1} times as long (promise 4); load {}",
        theirs / ours,
        load()
    );
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn kubectl(ground: &Ground, context: &str, args: &[&str]) -> Command {
    let home: PathBuf = ground.kubeconfig().parent().unwrap().to_owned();
    let mut command = Command::new(ground.kubectl_program());
    command
        .arg("--kubeconfig")
        .arg(ground.kubeconfig())
        .args(["--context", context])
        .args(args)
        // Its cache of what a server serves must not be another one's.
        .env("HOME", home)
        .env_remove("KUBECONFIG")
        .stdin(Stdio::null());
    command
}
