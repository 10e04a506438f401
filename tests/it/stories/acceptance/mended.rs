//! What `darner remedy` prints is taken by a real API server as it stands, and what it was printed for is gone then.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::stack::{Fleet, OPERATOR, found, hardened};
use crate::driver::binary;

/// Roll-outs of whole instances are waited for.
const PATIENCE: Duration = Duration::from_secs(180);

/// What is broken, and the finding whose remedy mends it there.
struct Broken {
    plane: &'static str,
    by: &'static [&'static str],
    check: &'static str,
}

const fn broken(plane: &'static str, check: &'static str, by: &'static [&'static str]) -> Broken {
    Broken { plane, by, check }
}

const SYSTEM: &str = "dragonfly-system";

const BROKEN: &[Broken] = &[
    broken(
        "infra",
        "operator-unprotected",
        &["-n", OPERATOR, "delete", "pdb", "dragonfly-operator"],
    ),
    broken(
        "infra",
        "operator-unscraped",
        &[
            "delete",
            "clusterrolebinding",
            "dragonfly-operator-metrics-reader",
        ],
    ),
    broken(
        "infra",
        "scraped-wrongly",
        &["-n", SYSTEM, "delete", "podmonitor", "dragonfly"],
    ),
    broken(
        "infra",
        "rules-missing",
        &["-n", SYSTEM, "delete", "prometheusrule", "--all"],
    ),
    broken(
        "infra",
        "scraper-blocked",
        &["-n", SYSTEM, "delete", "networkpolicy", "dragonfly-scraper"],
    ),
    broken(
        "infra",
        "consumer-blocked",
        &[
            "-n",
            SYSTEM,
            "delete",
            "ciliumnetworkpolicy",
            "dragonfly-consumers",
        ],
    ),
    broken(
        "apps",
        "host-unserved",
        &["-n", SYSTEM, "delete", "service", "dragonfly"],
    ),
    broken(
        "apps",
        "name-lookup-blocked",
        &[
            "-n",
            "gitlab",
            "patch",
            "ciliumnetworkpolicy",
            "to-dragonfly",
            "--type=json",
            "-p",
            r#"[{"op":"remove","path":"/spec/egress/0"}]"#,
        ],
    ),
];

/// Instances as nobody should have them.
const LOOSE: &str = r#"apiVersion: v1
kind: Namespace
metadata: {name: loose}
---
apiVersion: dragonflydb.io/v1alpha1
kind: Dragonfly
metadata: {name: bare, namespace: loose}
spec:
  replicas: 2
  image: docker.dragonflydb.io/dragonflydb/dragonfly:v1.40.1
  args: ["--maxmemory=512mb", "--proactor_threads=1"]
  resources: {requests: {cpu: 100m, memory: 100Mi}}
  pdb: {minAvailable: 2}
  networkPolicyEnabled: false
  snapshot:
    cron: "0 3 * * *"
    persistentVolumeClaimSpec:
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: 1Gi}}
---
apiVersion: dragonflydb.io/v1alpha1
kind: Dragonfly
metadata: {name: tight, namespace: loose}
spec:
  replicas: 2
  image: docker.dragonflydb.io/dragonflydb/dragonfly:v1.40.1
  args: ["--maxmemory=512mb", "--proactor_threads=1", "--proactor_threads=1"]
  resources: {requests: {cpu: 100m, memory: 512Mi}, limits: {memory: 512Mi}}
  networkPolicyEnabled: false
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: loose}
spec:
  podSelector: {matchLabels: {app: tight}}
  policyTypes: [Ingress]
  ingress: [{ports: [{port: 6379}]}]
"#;

/// What is found of them and has a manifest.
const OF_LOOSE: &[&str] = &[
    "admin-port-blocked",
    "arguments-fight",
    "budget-unfit",
    "database-open",
    "few-replicas",
    "memory-limit-missing",
    "memory-limit-tight",
    "scraped-wrongly",
    "scraper-blocked",
    "security-lax",
    "snapshots-pile-up",
];

#[test]
fn what_a_remedy_prints_is_applied_and_mends() {
    let Some(fleet) = hardened() else { return };
    let well = |report: &Value| found(report).is_empty();
    fleet.check_until("nothing found", PATIENCE, well);
    for one in BROKEN {
        fleet.kubectl(one.plane, one.by);
    }
    let wanted: BTreeSet<&str> = BROKEN.iter().map(|one| one.check).collect();
    fleet.check_until("all of it found", PATIENCE, |report| {
        let found = found(report);
        wanted.iter().all(|check| found.contains(*check))
    });
    for one in BROKEN {
        let printed = remedy(&fleet, one.check, None);
        apply(&fleet, one.plane, &printed, one.check);
    }
    fleet.check_until("all of it mended", PATIENCE, well);

    fleet.apply("infra", LOOSE);
    let (report, ..) = fleet.check_until("what is loose", PATIENCE, |report| {
        let mended = with_manifest(report);
        OF_LOOSE.iter().all(|check| mended.contains(*check))
    });
    for row in report["answers"].as_array().unwrap() {
        let (Some(manifest), Some(check)) = (row["manifest"].as_str(), row["check"].as_str())
        else {
            continue;
        };
        let output = kubectl(
            &fleet,
            "infra",
            &[
                "--dry-run=server",
                "--field-manager=darner-remedy",
                "--force-conflicts",
            ],
            manifest,
        );
        assert_taken(&output, check, manifest);
    }
    // One after the other: an instance is rolled for some of them.
    for check in OF_LOOSE {
        for name in ["loose/bare", "loose/tight"] {
            // Peers come before the operator: what mends the one shows the other.
            for _ in 0..2 {
                let printed = remedy(&fleet, check, Some(name));
                if !printed.is_empty() {
                    apply(&fleet, "infra", &printed, check);
                }
            }
        }
    }
    fleet.check_until("the loose ones mended", PATIENCE, |report| {
        let mended = with_manifest(report);
        OF_LOOSE.iter().all(|check| !mended.contains(*check))
    });
}

/// The checks that found something which a manifest mends.
fn with_manifest(report: &Value) -> BTreeSet<String> {
    let rows = report["answers"].as_array().unwrap();
    rows.iter()
        .filter(|row| row["answer"] == "finding" && row["manifest"].is_string())
        .map(|row| row["check"].as_str().unwrap().to_owned())
        .collect()
}

/// What `darner remedy` prints; nothing where nothing is found.
fn remedy(fleet: &Fleet, check: &str, about: Option<&str>) -> String {
    let output = Command::new(binary())
        .args(["remedy", check])
        .args(about)
        .args(["--context", "infra", "--context", "apps"])
        .args(["--deadline", "50s"])
        .arg("--kubeconfig")
        .arg(fleet.rig.kubeconfig())
        .env("HOME", fleet.home.path())
        .env_remove("XDG_CONFIG_HOME")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    match (output.status.code(), about) {
        (Some(0), _) => String::from_utf8(output.stdout).unwrap(),
        (Some(1), Some(_)) => String::new(),
        (code, _) => panic!("remedy {check} ended with {code:?}: {told}"),
    }
}

/// As the remedy says it is to be applied.
fn apply(fleet: &Fleet, plane: &str, printed: &str, check: &str) {
    let manager = "--field-manager=darner-remedy";
    let mut more = Vec::new();
    if printed.contains(manager) {
        // Whoever wrote the object before is told by a conflict; here nobody minds.
        more.extend([manager, "--force-conflicts"]);
    }
    let output = kubectl(fleet, plane, &more, printed);
    assert_taken(&output, check, printed);
}

fn kubectl(fleet: &Fleet, plane: &str, more: &[&str], manifest: &str) -> Output {
    let mut child = Command::new(fleet.rig.assets().join("kubectl"))
        .arg("--kubeconfig")
        .arg(fleet.rig.kubeconfig())
        .args(["--context", plane, "apply", "--server-side"])
        .args(more)
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(manifest.as_bytes()).unwrap();
    drop(pipe);
    child.wait_with_output().unwrap()
}

fn assert_taken(output: &Output, check: &str, manifest: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{check}: {told}\n{manifest}");
}
