//! Whom policies keep out, whom they let in, and where names lead, asked of a whole lab by the command that a pipeline runs.

use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::driver::{LabProcess, PATIENCE, binary};

/// Two who are to come in, one of them from the other cluster, and one who is not.
const SETTINGS: &str = r#"
[[consumer]]
name = "invoices"
context = "lab-infra"
namespace = "billing"
instance = "lab-infra/dragonfly-system/dragonfly"
host = "dragonfly.dragonfly-system.svc"
workload = "Deployment/invoice-worker"

[[consumer]]
name = "cart"
context = "lab-apps"
namespace = "shop"
instance = "lab-infra/dragonfly-system/dragonfly"
host = "dragonfly-global.dragonfly-system.svc"
workload = "Deployment/cart"

[[consumer]]
name = "stranger"
context = "lab-infra"
namespace = "default"
instance = "lab-infra/dragonfly-system/dragonfly"
expect = "denied"
"#;

fn check(lab: &LabProcess) -> Value {
    let output = Command::new(binary())
        .args(["check", "--context", "lab-infra", "--context", "lab-apps"])
        .args(["--deadline", "50s", "-o", "json"])
        .args(["--area", "policy", "--area", "exposure"])
        .env("KUBECONFIG", lab.kubeconfig())
        .env("HOME", lab.folder())
        .env_remove("XDG_CONFIG_HOME")
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// What is not as it should be about the consumers and the instance: the check and the name.
fn found(report: &Value) -> Vec<String> {
    let rows = report["answers"].as_array().unwrap();
    let mut found: Vec<String> = rows
        .iter()
        .filter(|row| row["answer"] == "finding")
        .map(|row| {
            let name = row["subject"]["name"].as_str().unwrap_or("-");
            format!("{} {name}", row["check"].as_str().unwrap())
        })
        .filter(|line| !line.ends_with(" gitlab") && !line.ends_with(" cache"))
        .collect();
    found.sort();
    found
}

/// Asks until that is what is found: the lab needs a moment to come to its state.
fn finds(lab: &LabProcess, wanted: &[&str]) -> Value {
    let begun = Instant::now();
    loop {
        let report = check(lab);
        if found(&report) == wanted {
            return report;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{:?} instead of {wanted:?}: {report:#}",
            found(&report)
        );
    }
}

fn sentence<'a>(report: &'a Value, check: &str, name: &str) -> &'a str {
    let rows = report["answers"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["check"] == check && row["subject"]["name"] == name);
    row.unwrap()["finding"]["sentence"].as_str().unwrap()
}

fn apply(lab: &LabProcess, name: &str, ingress: Value) {
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "dragonfly-system"},
        "spec": {"podSelector": {"matchLabels": {"app": "dragonfly"}}, "policyTypes": ["Ingress"], "ingress": ingress},
    });
    let path = "/apis/networking.k8s.io/v1/namespaces/dragonfly-system/networkpolicies";
    lab.api("POST", path, &policy.to_string());
}

/// Where the network enforces what the policies say, whoever they keep out is not among the clients any more.
#[test]
fn whom_enforced_policies_keep_out_is_not_connected() {
    let lab = LabProcess::start("policy-blocks");
    let folder = lab.folder().join(".config/darner");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("settings.toml"), SETTINGS).unwrap();
    let report = finds(
        &lab,
        &[
            "admin-port-blocked dragonfly",
            "consumer-blocked cart",
            "consumer-blocked invoices",
            "consumer-unconnected cart",
            "consumer-unconnected invoices",
            "host-unserved cart",
            "workload-elsewhere cart",
        ],
    );
    let blocked = sentence(&report, "admin-port-blocked", "dragonfly");
    assert!(blocked.contains("operator"), "{blocked}");
}

#[test]
fn policies_and_names_are_judged_for_each_consumer() {
    let lab = LabProcess::start("healthy");
    let folder = lab.folder().join(".config/darner");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("settings.toml"), SETTINGS).unwrap();

    // The operator's own policy admits the data port from its own namespace alone, and a global Service of another name is no
    // pair of the one that is there.
    let report = finds(
        &lab,
        &[
            "consumer-blocked cart",
            "consumer-blocked invoices",
            "host-unserved cart",
            "workload-elsewhere cart",
        ],
    );
    let blocked = sentence(&report, "consumer-blocked", "invoices");
    assert!(
        blocked
            .contains("ingress at lab-infra: NetworkPolicy dragonfly-system/dragonfly selects it"),
        "{blocked}"
    );
    let unserved = sentence(&report, "host-unserved", "cart");
    assert!(
        unserved.contains("pairs Services by identical name and namespace"),
        "{unserved}"
    );

    // A policy of one's own adds up with the operator's.
    let billing = json!([{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "billing"}}}],
        "ports": [{"port": 6379, "protocol": "TCP"}]}]);
    apply(&lab, "billing", billing);
    finds(
        &lab,
        &[
            "consumer-blocked cart",
            "host-unserved cart",
            "workload-elsewhere cart",
        ],
    );

    // And one that admits too much lets in who must not come.
    apply(&lab, "too-much", json!([{"ports": [{"port": "redis"}]}]));
    let report = finds(
        &lab,
        &[
            "consumer-let-in stranger",
            "host-unserved cart",
            "workload-elsewhere cart",
        ],
    );
    let let_in = sentence(&report, "consumer-let-in", "stranger");
    assert!(
        let_in.ends_with("admitted by ingress rule 1 of NetworkPolicy dragonfly-system/too-much"),
        "{let_in}"
    );
}
