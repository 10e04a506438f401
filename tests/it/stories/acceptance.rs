//! Whether a whole fleet is as it should be, on real control planes: the stack of `docs/examples` passes everything, whatever is
//! broken in it is found by the one check that is meant for it, and a stack as common beliefs would have it fails on these.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::driver::rig::Rig;
use crate::driver::{FullRig, PATIENCE, binary};

fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Namespaces that the examples take as given, with who runs there.
const GIVEN: [&str; 4] = ["monitoring", "gitlab", "harbor", "shop"];

#[test]
fn the_examples_are_taken_by_a_real_api_server() {
    let Some(rig) = Rig::up(true) else { return };
    let foreign = tree("tests/cluster/objects/foreign.yaml");
    rig.kubectl(&["apply", "--server-side", "-f", foreign.to_str().unwrap()]);
    for folder in ["infra", "tenant", "apps"] {
        // A dry run makes no namespace, so those that are named have to be there.
        for namespace in ["dragonfly-operator-system", "dragonfly-system", "tenant-billing", "gitlab"] {
            rig.kubectl_if_it_works(&["create", "namespace", namespace]);
        }
        let folder = tree("docs/examples").join(folder);
        rig.kubectl_once_it_works(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "-f",
            folder.to_str().unwrap(),
        ]);
    }
}

/// The two planes, with everything on them that the examples need and do not bring.
struct Fleet {
    rig: FullRig,
    home: tempfile::TempDir,
}

impl Fleet {
    fn up() -> Option<Self> {
        let rig = FullRig::up(&["--haste", "10"])?;
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join(".config/darner")).unwrap();
        let fleet = Self { rig, home };
        let foreign = tree("tests/cluster/objects/foreign.yaml");
        for plane in ["infra", "apps"] {
            fleet.kubectl(plane, &["apply", "--server-side", "-f", foreign.to_str().unwrap()]);
            fleet.kubectl(plane, &["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]);
            fleet.apply(plane, &mesh(plane));
            for namespace in GIVEN {
                fleet.kubectl(plane, &["create", "namespace", namespace]);
            }
        }
        for (node, zone) in [("1", "a"), ("2", "b"), ("3", "c")] {
            let label = format!("topology.kubernetes.io/zone={zone}");
            fleet.kubectl("infra", &["label", "node", &format!("infra-node-{node}"), &label]);
        }
        Some(fleet)
    }

    fn kubectl(&self, plane: &str, args: &[&str]) -> String {
        self.rig.kubectl(plane, args)
    }

    fn apply(&self, plane: &str, manifest: &str) {
        let file = self.home.path().join("manifest.yaml");
        std::fs::write(&file, manifest).unwrap();
        self.kubectl(plane, &["apply", "--server-side", "--force-conflicts", "-f", file.to_str().unwrap()]);
    }

    fn settings(&self, text: &str) {
        std::fs::write(self.home.path().join(".config/darner/settings.toml"), text).unwrap();
    }

    /// What `darner check` reports.
    fn check(&self) -> Value {
        let output = Command::new(binary())
            .args(["check", "--context", "infra", "--context", "apps", "-o", "json", "--deadline", "50s"])
            .arg("--kubeconfig")
            .arg(self.rig.kubeconfig())
            .env("HOME", self.home.path())
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Asks until the report is so.
    fn check_until(&self, what: &str, patience: Duration, reached: impl Fn(&Value) -> bool) -> (Value, Duration) {
        let begun = Instant::now();
        loop {
            let report = self.check();
            if reached(&report) {
                return (report, begun.elapsed());
            }
            assert!(
                begun.elapsed() < patience,
                "{what} never; found {:#?}",
                answers(&report, "finding")
            );
        }
    }
}

/// What Cilium leaves of a mesh in a cluster: its settings, the names of its neighbours, its API server.
fn mesh(plane: &str) -> String {
    let other = if plane == "infra" { "apps" } else { "infra" };
    let id = if plane == "infra" { 1 } else { 2 };
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cilium-config, namespace: kube-system}}\ndata:\n  cluster-name: {plane}\n  \
         cluster-id: \"{id}\"\n  policy-default-local-cluster: \"true\"\n---\n\
         apiVersion: v1\nkind: Secret\nmetadata: {{name: cilium-clustermesh, namespace: kube-system}}\nstringData: {{{other}: \"\"}}\n"
    )
}

/// Every finding, or everything unknown: check and what it is about.
fn answers(report: &Value, answer: &str) -> BTreeSet<String> {
    let rows = report["answers"].as_array().unwrap();
    rows.iter()
        .filter(|row| row["answer"] == answer)
        .map(|row| {
            let subject = &row["subject"];
            let name = subject["name"].as_str().unwrap_or("-");
            format!("{} {name}: {}", row["check"].as_str().unwrap(), row["finding"]["sentence"].as_str().unwrap())
        })
        .collect()
}

/// The checks that found something.
fn found(report: &Value) -> BTreeSet<String> {
    let rows = report["answers"].as_array().unwrap();
    rows.iter()
        .filter(|row| row["answer"] == "finding")
        .map(|row| row["check"].as_str().unwrap().to_owned())
        .collect()
}
