//! The stack of `docs/examples` on real control planes, with all that it takes as given.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::driver::{FullRig, PATIENCE, binary};

/// Where the operator runs.
pub const OPERATOR: &str = "dragonfly-operator-system";
/// Its Deployment.
pub const DEPLOYMENT: &str = "deployment/dragonfly-operator-controller-manager";

/// A path of the tree.
pub fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Namespaces that the examples take as given, with who runs there.
const GIVEN: [&str; 4] = ["monitoring", "gitlab", "harbor", "shop"];

/// The stack of the examples, with consumers that are connected; `None` after saying that the test is skipped.
pub fn hardened() -> Option<Fleet> {
    let fleet = Fleet::up()?;
    for folder in ["infra", "tenant"] {
        let folder = tree("docs/examples").join(folder);
        fleet.kubectl(
            "infra",
            &[
                "apply",
                "--server-side",
                "--force-conflicts",
                "-f",
                folder.to_str().unwrap(),
            ],
        );
    }
    fleet.kubectl(
        "apps",
        &[
            "apply",
            "--server-side",
            "-f",
            tree("docs/examples/apps").to_str().unwrap(),
        ],
    );
    settle_controllers(&fleet);
    fleet.apply("infra", SCRAPER);
    let settings = std::fs::read_to_string(tree("docs/examples/settings.toml")).unwrap();
    // What is new is not judged in full at first.
    fleet.settings(&format!("limits.grace = \"5s\"\n{settings}"));
    fleet.check_until("all healthy", PATIENCE, |report| {
        let health = found(report);
        let is_there = answers(report, "pass").len() > 50;
        is_there
            && !health.iter().any(|id| {
                ["being-made", "no-master", "pods-missing", "replica-syncing"]
                    .contains(&id.as_str())
            })
    });
    consume(&fleet, &["gitlab", "harbor"]);
    Some(fleet)
}

/// The two planes, with everything on them that the examples need and do not bring.
pub struct Fleet {
    pub rig: FullRig,
    pub home: tempfile::TempDir,
}

impl Fleet {
    pub fn up() -> Option<Self> {
        let rig = FullRig::up(&["--haste", "10"])?;
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join(".config/darner")).unwrap();
        let fleet = Self { rig, home };
        let foreign = tree("tests/cluster/objects/foreign.yaml");
        for plane in ["infra", "apps"] {
            fleet.kubectl(
                plane,
                &["apply", "--server-side", "-f", foreign.to_str().unwrap()],
            );
            fleet.kubectl(
                plane,
                &[
                    "wait",
                    "--for=condition=Established",
                    "--timeout=60s",
                    "crd",
                    "--all",
                ],
            );
            fleet.apply(plane, &mesh(plane));
            for namespace in GIVEN {
                fleet.kubectl(plane, &["create", "namespace", namespace]);
            }
        }
        Some(fleet)
    }

    pub fn kubectl(&self, plane: &str, args: &[&str]) -> String {
        self.rig.kubectl(plane, args)
    }

    pub fn apply(&self, plane: &str, manifest: &str) {
        let file = self.home.path().join("manifest.yaml");
        std::fs::write(&file, manifest).unwrap();
        self.kubectl(
            plane,
            &[
                "apply",
                "--server-side",
                "--force-conflicts",
                "-f",
                file.to_str().unwrap(),
            ],
        );
    }

    pub fn settings(&self, text: &str) {
        std::fs::write(self.home.path().join(".config/darner/settings.toml"), text).unwrap();
    }

    /// What `darner check` reports.
    pub fn check(&self) -> Value {
        let output = Command::new(binary())
            .args([
                "check",
                "--context",
                "infra",
                "--context",
                "apps",
                "-o",
                "json",
                "--deadline",
                "50s",
            ])
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
    pub fn check_until(
        &self,
        what: &str,
        patience: Duration,
        reached: impl Fn(&Value) -> bool,
    ) -> (Value, Duration, String) {
        let begun = Instant::now();
        let mut way: Vec<String> = Vec::new();
        loop {
            let report = self.check();
            let took = begun.elapsed();
            if reached(&report) {
                return (report, took, way.join("\n"));
            }
            assert!(
                took < patience,
                "{what} never; found {:#?}",
                answers(&report, "finding")
            );
            let found = format!("{:#?}", answers(&report, "finding"));
            if way.last() != Some(&found) {
                way.push(found);
            }
        }
    }
}

/// What Cilium leaves of a mesh in a cluster: its settings, the names of its neighbours, its API server.
pub fn mesh(plane: &str) -> String {
    let other = if plane == "infra" { "apps" } else { "infra" };
    let id = if plane == "infra" { 1 } else { 2 };
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cilium-config, namespace: kube-system}}\ndata:\n  cluster-name: {plane}\n  \
         cluster-id: \"{id}\"\n  policy-default-local-cluster: \"true\"\n---\n\
         apiVersion: v1\nkind: Secret\nmetadata: {{name: cilium-clustermesh, namespace: kube-system}}\nstringData: {{{other}: \"\"}}\n"
    )
}

/// Every finding, or everything unknown: check and what it is about.
pub fn answers(report: &Value, answer: &str) -> BTreeSet<String> {
    let rows = report["answers"].as_array().unwrap();
    rows.iter()
        .filter(|row| row["answer"] == answer)
        .map(|row| {
            let name = row["subject"]["name"].as_str().unwrap_or("-");
            let check = row["check"].as_str().unwrap();
            let sentence = row["finding"]["sentence"].as_str().unwrap_or_default();
            format!("{check} {name}: {sentence}")
        })
        .collect()
}

/// The checks that found something.
pub fn found(report: &Value) -> BTreeSet<String> {
    let rows = report["answers"].as_array().unwrap();
    rows.iter()
        .filter(|row| row["answer"] == "finding")
        .map(|row| row["check"].as_str().unwrap().to_owned())
        .collect()
}

/// What controllers that do not run here would have written: of Flux and of External Secrets.
pub fn settle_controllers(fleet: &Fleet) {
    let ready = |reason: &str| {
        format!(
            r#"{{"type":"Ready","status":"True","reason":"{reason}","message":"","lastTransitionTime":"2026-01-01T00:00:00Z","observedGeneration":1}}"#
        )
    };
    let system = "dragonfly-operator-system";
    let mut statuses = vec![
        (system, "ocirepository/dragonfly-operator", ready("Succeeded"), r#","artifact":{"revision":"v1.6.1@sha256:00"}"#.to_owned()),
        (
            system,
            "helmrelease/dragonfly-operator",
            ready("UpgradeSucceeded"),
            r#","history":[{"chartVersion":"v1.6.1","appVersion":"v1.6.1","status":"deployed"}],"lastAttemptedRevision":"v1.6.1""#.to_owned(),
        ),
    ];
    for namespace in ["dragonfly-system", "tenant-billing"] {
        statuses.push((
            namespace,
            "secretstore/vault",
            ready("Valid"),
            String::new(),
        ));
    }
    let now = jiff::Timestamp::now();
    for (namespace, name, key) in [
        ("dragonfly-system", "dragonfly-auth", "password"),
        ("tenant-billing", "billing-auth", "password"),
        ("tenant-billing", "billing-acl", "users.acl"),
    ] {
        let literal = format!("--from-literal={key}=USER default ON nopass ~* +@ALL");
        fleet.kubectl(
            "infra",
            &[
                "-n", namespace, "create", "secret", "generic", name, &literal,
            ],
        );
        let refreshed = format!(r#","refreshTime":"{now}","binding":{{"name":"{name}"}}"#);
        let object = format!("externalsecret/{name}");
        statuses.push((
            namespace,
            Box::leak(object.into_boxed_str()),
            ready("SecretSynced"),
            refreshed,
        ));
    }
    for (namespace, object, condition, more) in statuses {
        let patch =
            format!(r#"{{"status":{{"observedGeneration":1,"conditions":[{condition}]{more}}}}}"#);
        let args = [
            "-n",
            namespace,
            "patch",
            object,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ];
        fleet.kubectl("infra", &args);
    }
    adopt_operator(fleet);
}

/// The operator's Deployment as Flux marks and writes it: what kubectl wrote before it is the release's now.
pub fn adopt_operator(fleet: &Fleet) {
    let marks = [
        "helm.toolkit.fluxcd.io/name=dragonfly-operator",
        "helm.toolkit.fluxcd.io/namespace=dragonfly-operator-system",
    ];
    let label = ["-n", OPERATOR, "label", DEPLOYMENT];
    fleet.kubectl("infra", &[&label[..], &marks[..]].concat());
    for replicas in ["3", "2"] {
        let patch = format!(r#"{{"spec":{{"replicas":{replicas}}}}}"#);
        let by = [
            "--field-manager=helm-controller",
            "--type=merge",
            "-p",
            &patch,
        ];
        fleet.kubectl(
            "infra",
            &[&["-n", OPERATOR, "patch", DEPLOYMENT][..], &by[..]].concat(),
        );
    }
}

/// Its controller has seen the HelmRelease as it is now.
pub fn take_up_release(fleet: &Fleet) {
    let release = ["-n", OPERATOR, "get", "helmrelease", "dragonfly-operator"];
    let generation = fleet.kubectl(
        "infra",
        &[&release[..], &["-o", "jsonpath={.metadata.generation}"]].concat(),
    );
    let patch = format!(r#"{{"status":{{"observedGeneration":{generation}}}}}"#);
    let by = ["--subresource=status", "--type=merge", "-p", &patch];
    fleet.kubectl(
        "infra",
        &[
            &["-n", OPERATOR, "patch", "helmrelease", "dragonfly-operator"][..],
            &by[..],
        ]
        .concat(),
    );
}

/// Who scrapes.
pub const SCRAPER: &str = "apiVersion: v1
kind: Pod
metadata: {name: vmagent-0, namespace: monitoring, labels: {app.kubernetes.io/name: vmagent}}
spec: {containers: [{name: vmagent, image: 'registry.example/vmagent:1'}]}
---
apiVersion: v1
kind: Service
metadata: {name: vmagent, namespace: monitoring, labels: {app.kubernetes.io/name: vmagent}}
spec: {ports: [{name: http, port: 8429}], selector: {app.kubernetes.io/name: vmagent}}
";

/// A metrics store, as far as it is asked: a pod, its Service, and a program at the pod's address, which the real API server's
/// proxy dials. It has a series of every pod that runs a Dragonfly now, as its scraper would have labelled it, and of whatever a
/// rule is counted by: what rules can fire on is proved elsewhere, by recorded pages.
pub fn store_metrics(fleet: &Fleet) {
    fleet.apply("infra", STORE);
    let get = ["-n", "monitoring", "get", "pod", "vmsingle-0", "-o"];
    let get = [&get[..], &["jsonpath={.status.podIP}"]].concat();
    let ip = until(|| Some(fleet.kubectl("infra", &get)).filter(|ip| !ip.is_empty()));
    let pods = [
        "get",
        "pods",
        "-A",
        "-l",
        "app.kubernetes.io/name=dragonfly",
        "-o",
        "json",
    ];
    let pods: Value = serde_json::from_str(&fleet.kubectl("infra", &pods)).unwrap();
    let series: Vec<Value> = pods["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pod| {
            let (meta, labels) = (&pod["metadata"], &pod["metadata"]["labels"]);
            let metric = serde_json::json!({
                "__name__": "dragonfly_uptime_in_seconds", "namespace": meta["namespace"], "pod": meta["name"],
                "app": labels["app"], "role": labels["role"],
            });
            serde_json::json!({"metric": metric, "value": [1.5, "1"]})
        })
        .collect();
    let home = fleet.home.path();
    let now = home.join("series.json");
    std::fs::write(&now, Value::from(series).to_string()).unwrap();
    let program = home.join("store");
    std::fs::write(&program, ANSWERS.replace("SERIES", now.to_str().unwrap())).unwrap();
    fleet.rig.inside(&format!(
        "setsid socat TCP-LISTEN:8428,bind={ip},fork,reuseaddr EXEC:'bash {}' >/dev/null 2>&1 </dev/null &",
        program.display()
    ));
}

const STORE: &str = "apiVersion: v1
kind: Pod
metadata: {name: vmsingle-0, namespace: monitoring, labels: {app.kubernetes.io/name: vmsingle}}
spec: {containers: [{name: vmsingle, image: 'registry.example/victoria-metrics:1'}]}
---
apiVersion: v1
kind: Service
metadata: {name: vmsingle, namespace: monitoring, labels: {app.kubernetes.io/name: vmsingle}}
spec: {ports: [{name: http, port: 8428}], selector: {app.kubernetes.io/name: vmsingle}}
";

/// One request of the query API, answered on standard output.
const ANSWERS: &str = r#"read -r _ path _
while read -r line && [ "${line%$'\r'}" ]; do :; done
query=${path#*query=}
query=$(printf '%b' "${query//%/\\x}")
case $path in
  */api/v1/query*label_replace*)
    result=$(grep -oP '"asked", "\K(\\.|[^"\\])*' <<<"$query" | sed 's/\$\$/$/g; s/.*/{"metric":{"asked":"&"},"value":[1.5,"1"]}/' | paste -sd,)
    body='{"status":"success","data":{"resultType":"vector","result":['$result']}}' ;;
  */api/v1/query*) body='{"status":"success","data":{"resultType":"vector","result":'$(cat SERIES)'}}' ;;
  *) body='{"status":"error","errorType":"not_found","error":"no such page"}' ;;
esac
printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' "${#body}" "$body"
"#;

/// Workloads in the apps cluster, and a connection of each to the instance's master, from the address of its pod.
pub fn consume(fleet: &Fleet, namespaces: &[&str]) {
    for namespace in namespaces {
        fleet.apply(
            "apps",
            &format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: {namespace}, labels: {{app: web}}}}\nspec:\n  \
                 containers: [{{name: web, image: registry.example/web:1}}]\n"
            ),
        );
        let ip = [
            "-n",
            namespace,
            "get",
            "pod",
            "web",
            "-o",
            "jsonpath={.status.podIP}",
        ];
        let from = until(|| Some(fleet.kubectl("apps", &ip)).filter(|ip| !ip.is_empty()));
        let master = [
            "-n",
            "dragonfly-system",
            "get",
            "pods",
            "-l",
            "app=dragonfly,role=master",
            "-o",
            "jsonpath={.items[0].status.podIP}",
        ];
        let to = fleet.kubectl("infra", &master);
        fleet.rig.inside(&format!(
            "setsid socat -T 100000 TCP:{to}:6379,bind={from} SYSTEM:'sleep 100000' >/dev/null 2>&1 </dev/null &"
        ));
    }
}

pub fn until<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it never came");
    }
}
