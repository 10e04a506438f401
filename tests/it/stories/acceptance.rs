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
        for namespace in [
            "dragonfly-operator-system",
            "dragonfly-system",
            "tenant-billing",
            "gitlab",
        ] {
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

    fn kubectl(&self, plane: &str, args: &[&str]) -> String {
        self.rig.kubectl(plane, args)
    }

    fn apply(&self, plane: &str, manifest: &str) {
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

    fn settings(&self, text: &str) {
        std::fs::write(self.home.path().join(".config/darner/settings.toml"), text).unwrap();
    }

    /// What `darner check` reports.
    fn check(&self) -> Value {
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
    fn check_until(
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
            let name = row["subject"]["name"].as_str().unwrap_or("-");
            let check = row["check"].as_str().unwrap();
            let sentence = row["finding"]["sentence"].as_str().unwrap_or_default();
            format!("{check} {name}: {sentence}")
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

/// What controllers that do not run here would have written: of Flux and of External Secrets.
fn settle_controllers(fleet: &Fleet) {
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
fn adopt_operator(fleet: &Fleet) {
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
fn take_up_release(fleet: &Fleet) {
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
const SCRAPER: &str = "apiVersion: v1
kind: Pod
metadata: {name: vmagent-0, namespace: monitoring, labels: {app.kubernetes.io/name: vmagent}}
spec: {containers: [{name: vmagent, image: 'registry.example/vmagent:1'}]}
---
apiVersion: v1
kind: Service
metadata: {name: vmagent, namespace: monitoring, labels: {app.kubernetes.io/name: vmagent}}
spec: {ports: [{name: http, port: 8429}], selector: {app.kubernetes.io/name: vmagent}}
";

/// Workloads in the apps cluster, and a connection of each to the instance's master, from the address of its pod.
fn consume(fleet: &Fleet, namespaces: &[&str]) {
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

fn until<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it never came");
    }
}

/// How soon a check turns after whatever it is about was changed.
const SOON: Duration = Duration::from_secs(5);

/// Something that is broken by kubectl, what finds it, and how it is put right.
struct Break {
    plane: &'static str,
    by: &'static [&'static str],
    found: &'static [&'static str],
    back: &'static [&'static str],
}

const fn on_infra(
    by: &'static [&'static str],
    found: &'static [&'static str],
    back: &'static [&'static str],
) -> Break {
    Break {
        plane: "infra",
        by,
        found,
        back,
    }
}

const OPERATOR: &str = "dragonfly-operator-system";
const DEPLOYMENT: &str = "deployment/dragonfly-operator-controller-manager";
const BREAKS: &[Break] = &[
    on_infra(
        &["-n", OPERATOR, "delete", "pdb", "dragonfly-operator"],
        &["operator-unprotected"],
        &[
            "apply",
            "--server-side",
            "-f",
            "docs/examples/infra/11-operator-budget.yaml",
        ],
    ),
    on_infra(
        &[
            "delete",
            "clusterrolebinding",
            "dragonfly-operator-metrics-reader",
        ],
        &["operator-unscraped"],
        &[
            "apply",
            "--server-side",
            "--force-conflicts",
            "-f",
            "docs/examples/infra/12-operator-metrics.yaml",
        ],
    ),
    on_infra(
        &[
            "-n",
            OPERATOR,
            "patch",
            "helmrelease",
            "dragonfly-operator",
            "--type=merge",
            "-p",
            r#"{"spec":{"suspend":true}}"#,
        ],
        &["flux-suspended"],
        &[
            "-n",
            OPERATOR,
            "patch",
            "helmrelease",
            "dragonfly-operator",
            "--type=merge",
            "-p",
            r#"{"spec":{"suspend":null}}"#,
        ],
    ),
    on_infra(
        &[
            "-n",
            "dragonfly-system",
            "create",
            "pdb",
            "own",
            "--selector=app=dragonfly",
            "--min-available=2",
        ],
        &["budget-unfit"],
        &["-n", "dragonfly-system", "delete", "pdb", "own"],
    ),
    on_infra(
        &[
            "patch",
            "storageclass",
            "standard",
            "-p",
            r#"{"allowVolumeExpansion":false}"#,
        ],
        &["storage-class-unfit"],
        &[
            "patch",
            "storageclass",
            "standard",
            "-p",
            r#"{"allowVolumeExpansion":true}"#,
        ],
    ),
    on_infra(
        &[
            "-n",
            "dragonfly-system",
            "annotate",
            "dragonfly",
            "dragonfly",
            "team=${TEAM}",
        ],
        &["value-unfilled"],
        &[
            "-n",
            "dragonfly-system",
            "annotate",
            "dragonfly",
            "dragonfly",
            "team-",
        ],
    ),
    on_infra(
        &[
            "-n",
            "dragonfly-system",
            "delete",
            "networkpolicy",
            "dragonfly-scraper",
        ],
        &["scraper-blocked"],
        &[
            "apply",
            "--server-side",
            "-f",
            "docs/examples/infra/30-network-policies.yaml",
        ],
    ),
    on_infra(
        &[
            "-n",
            "dragonfly-system",
            "delete",
            "ciliumnetworkpolicy",
            "dragonfly-consumers",
        ],
        &["consumer-blocked"],
        &[
            "apply",
            "--server-side",
            "-f",
            "docs/examples/infra/30-network-policies.yaml",
        ],
    ),
    on_infra(
        &[
            "-n",
            "dragonfly-system",
            "delete",
            "podmonitor",
            "dragonfly",
        ],
        &["scraped-wrongly"],
        &[
            "apply",
            "--server-side",
            "-f",
            "docs/examples/infra/40-scrape.yaml",
        ],
    ),
    on_infra(
        &[
            "-n",
            "dragonfly-system",
            "patch",
            "secretstore",
            "vault",
            "--subresource=status",
            "--type=merge",
            "-p",
            r#"{"status":{"conditions":[{"type":"Ready","status":"False","reason":"InvalidProviderConfig","message":"no route"}]}}"#,
        ],
        &["external-secret-late"],
        &[
            "-n",
            "dragonfly-system",
            "patch",
            "secretstore",
            "vault",
            "--subresource=status",
            "--type=merge",
            "-p",
            r#"{"status":{"conditions":[{"type":"Ready","status":"True","reason":"Valid"}]}}"#,
        ],
    ),
    on_infra(
        &[
            "-n",
            OPERATOR,
            "patch",
            DEPLOYMENT,
            "--field-manager=helm-controller",
            "--type=merge",
            "-p",
            r#"{"spec":{"replicas":1}}"#,
        ],
        &["operator-alone"],
        &[
            "-n",
            OPERATOR,
            "patch",
            DEPLOYMENT,
            "--field-manager=helm-controller",
            "--type=merge",
            "-p",
            r#"{"spec":{"replicas":2}}"#,
        ],
    ),
    Break {
        plane: "apps",
        by: &[
            "-n",
            "dragonfly-system",
            "annotate",
            "service",
            "dragonfly",
            "service.cilium.io/global-",
        ],
        found: &["host-unserved"],
        back: &[
            "-n",
            "dragonfly-system",
            "annotate",
            "service",
            "dragonfly",
            "service.cilium.io/global=true",
        ],
    },
    Break {
        plane: "apps",
        by: &[
            "-n",
            "gitlab",
            "delete",
            "ciliumnetworkpolicy",
            "to-dragonfly",
        ],
        // Without it nothing denies: who is not selected may go everywhere.
        found: &[],
        back: &[
            "apply",
            "--server-side",
            "-f",
            "docs/examples/apps/20-consumer-egress.yaml",
        ],
    },
];

#[test]
fn the_hardened_stack_passes_and_whatever_breaks_is_found_by_its_own_check() {
    let Some(fleet) = Fleet::up() else { return };
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
    let (well, ..) = fleet.check_until("nothing found", PATIENCE, |report| {
        let has_grown = answers(report, "pass").contains("budget-unfit dragonfly: ");
        has_grown && answers(report, "finding").is_empty()
    });
    // There is no metrics store here.
    let unknown: BTreeSet<String> = answers(&well, "unknown")
        .iter()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        unknown.iter().map(String::as_str).collect::<Vec<_>>(),
        ["series-missing"],
        "{:#?}",
        answers(&well, "unknown")
    );
    for one in BREAKS {
        let by: Vec<String> = one.by.iter().map(|arg| (*arg).to_owned()).collect();
        fleet.kubectl(one.plane, one.by);
        let wanted: BTreeSet<String> = one.found.iter().map(|id| (*id).to_owned()).collect();
        let (_, took, way) = fleet.check_until(&format!("{by:?}"), PATIENCE, |report| {
            found(report) == wanted
        });
        assert!(
            took < SOON,
            "{by:?} was found after {took:?}; on the way:\n{way}"
        );
        fleet.kubectl(one.plane, one.back);
        take_up_release(&fleet);
        fleet.check_until("well again", PATIENCE, |report| {
            answers(report, "finding").is_empty()
        });
    }
}

/// What a stack of common beliefs is found to be, by the number of the belief in its manifest.
const BELIEFS: &[(&str, &str)] = &[
    ("1", "versions-unfit"),
    ("2", "operator-unprotected"),
    ("3", "budget-unfit"),
    ("4", "crds-policy-idle"),
    ("6", "host-unserved"),
    ("7", "scraped-wrongly"),
    ("8", "scraper-blocked"),
    ("9", "consumer-blocked"),
    ("10", "saved-everywhere"),
    ("11", "security-lax"),
];
/// What follows from the first of them, the server that does not start, and what is said of any operator of that version.
const CONSEQUENCES: &[&str] = &[
    "no-master",
    "pods-missing",
    "operator-rolls-at-once",
    "crd-of-another-version",
    // The rules are meant for servers that expose more than v1.17.0 does.
    "rules-dead",
];

#[test]
fn a_stack_of_common_beliefs_fails_on_precisely_these() {
    let Some(fleet) = Fleet::up() else { return };
    let story = tree("tests/fixtures/story");
    let examples = tree("docs/examples/infra");
    fleet.kubectl(
        "infra",
        &[
            "apply",
            "--server-side",
            "-f",
            story.join("infra.yaml").to_str().unwrap(),
        ],
    );
    // What it has right.
    for file in ["12-operator-metrics.yaml", "41-rules.yaml"] {
        let file = examples.join(file);
        fleet.kubectl(
            "infra",
            &[
                "apply",
                "--server-side",
                "--force-conflicts",
                "-f",
                file.to_str().unwrap(),
            ],
        );
    }
    fleet.apply("infra", SCRAPER);
    let secret = [
        "-n",
        "dragonfly-system",
        "create",
        "secret",
        "generic",
        "dragonfly-auth",
        "--from-literal=password=x",
    ];
    fleet.kubectl("infra", &secret);
    let image = "manager=docker.dragonflydb.io/dragonflydb/operator:v1.3.0";
    fleet.kubectl(
        "infra",
        &["-n", OPERATOR, "set", "image", DEPLOYMENT, image],
    );
    adopt_operator(&fleet);
    let settings = std::fs::read_to_string(story.join("settings.toml")).unwrap();
    fleet.settings(&settings);
    let wanted: BTreeSet<&str> = BELIEFS.iter().map(|(_, id)| *id).collect();
    let (report, ..) = fleet.check_until("every belief found", PATIENCE, |report| {
        let found = found(report);
        found.contains("pods-missing") && wanted.iter().all(|id| found.contains(*id))
    });
    let more: Vec<String> = found(&report)
        .into_iter()
        .filter(|id| !wanted.contains(id.as_str()) && !CONSEQUENCES.contains(&id.as_str()))
        .collect();
    assert!(
        more.is_empty(),
        "{more:?}: {:#?}",
        answers(&report, "finding")
    );
}
