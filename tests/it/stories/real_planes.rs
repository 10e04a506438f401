//! The same judgement over two whole control planes, whose controllers act by themselves.

use std::process::Command;

use serde_json::Value;

use crate::driver::console::Opening;
use crate::driver::{FullRig, PATIENCE, binary};

/// Asks for both contexts until the report says so, and hands it over.
fn status_until(rig: &FullRig, what: &str, reached: impl Fn(&Value) -> bool) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let output = Command::new(binary())
            .args(["status", "--timeout", "10", "-o", "json"])
            .args(["--context", "infra", "--context", "apps"])
            .arg("--kubeconfig")
            .arg(rig.kubeconfig())
            .env("HOME", rig.kubeconfig().parent().unwrap())
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        if reached(&report) {
            return report;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} never: {report:#}");
    }
}

fn context<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["contexts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|context| context["name"] == name)
        .unwrap()
}

fn states(report: &Value) -> [&str; 2] {
    ["infra", "apps"].map(|name| context(report, name)["state"].as_str().unwrap())
}

#[test]
fn both_of_two_real_control_planes_are_live_and_the_death_of_one_is_told_of_that_one_only() {
    let Some(rig) = FullRig::up(&["--nodes", "0"]) else {
        return;
    };
    let report = status_until(&rig, "two live contexts", |report| {
        states(report) == ["live", "live"]
            // Its pods are of a controller that nobody here wrote; without nodes none becomes ready.
            && context(report, "infra")["operator"]["wanted"] == 2
            && ["infra", "apps"].iter().all(|name| context(report, name)["cluster"].is_string())
    });
    let [infra, apps] = ["infra", "apps"].map(|name| context(&report, name));
    assert_ne!(infra["cluster"], apps["cluster"], "two clusters, not one");
    assert_eq!(infra["crd_absent"], false);
    assert_eq!(infra["operator"]["ready"], 0);
    assert_eq!(infra["operator"]["version"], "v1.6.1");
    assert_eq!(apps["crd_absent"], true);

    rig.fault("apiserver", "kill", "apps");
    status_until(&rig, "a dead API server", |report| {
        states(report) == ["live", "unreachable"]
    });
    rig.fault("apiserver", "start", "apps");
    status_until(&rig, "both again", |report| {
        states(report) == ["live", "live"]
    });

    // Without its etcd an API server still answers, but knows nothing: nothing may then be called well.
    rig.fault("etcd", "kill", "infra");
    status_until(&rig, "a dead etcd", |report| {
        report["complete"] == false && report["verdict"] == "unjudged"
    });
    rig.fault("etcd", "start", "infra");
    let report = status_until(&rig, "both at last", |report| {
        states(report) == ["live", "live"]
            && context(report, "infra")["operator"]["wanted"] == 2
            && context(report, "infra")["cluster"].is_string()
    });
    assert_eq!(
        context(&report, "infra")["cluster"],
        infra["cluster"],
        "the same objects as before"
    );
}

/// Where a client inside comes who asks for `orders` by its name: the cluster's DNS gives the Service's address, and a
/// connection to that reaches the pod that is master now.
fn service_leads_to(rig: &FullRig, master: &str) {
    let told = |what: &str, path: &str| {
        let path = format!("jsonpath={{{path}}}");
        rig.kubectl("infra", &["get", what, "-n", "shop", "-o", &path])
    };
    let address: std::net::Ipv4Addr = told("service/orders", ".spec.clusterIP").parse().unwrap();
    assert_eq!(resolved(rig, "orders.shop.svc.cluster.local"), address);

    let pods = ["orders-0", "orders-1", "orders-2"];
    let begun = std::time::Instant::now();
    loop {
        // The connection ends with QUIT; a Service without an endpoint refuses it.
        let said = rig.inside(&format!(
            "exec 3<>/dev/tcp/{address}/6379 || exit 0
             printf 'PING\\r\\nINFO replication\\r\\nQUIT\\r\\n' >&3
             timeout 5 cat <&3 || true"
        ));
        let said = String::from_utf8_lossy(&said).into_owned();
        // A master names its replicas by their addresses, and not itself.
        let follows = |pod: &str| {
            let ip = told(&format!("pod/{pod}"), ".status.podIP");
            said.contains(&format!("ip={ip},"))
        };
        let there = said.starts_with("+PONG\r\n")
            && said.contains("role:master")
            && pods.iter().all(|pod| follows(pod) == (*pod != master));
        if there {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{address}:6379 never led to {master}, it said {said:?}"
        );
    }
}

/// The address of a name, asked of the DNS of `infra` as any pod there would: over UDP, at the tenth address of its
/// Services.
fn resolved(rig: &FullRig, name: &str) -> std::net::Ipv4Addr {
    // Number 7, recursion wanted, one question: address (1), internet (1).
    let mut question: Vec<u8> = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).unwrap());
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let bytes: String = question
        .iter()
        .map(|byte| format!("\\x{byte:02x}"))
        .collect();
    let answer = rig.inside(&format!(
        "exec 3<>/dev/udp/10.42.0.10/53
         printf '{bytes}' >&3
         timeout 5 dd bs=512 count=1 status=none <&3"
    ));
    assert_eq!(answer.get(..2), Some([0, 7].as_slice()), "{answer:?}");
    assert_eq!(
        answer.get(3).map(|flags| flags & 15),
        Some(0),
        "an error: {answer:?}"
    );
    assert_eq!(
        answer.get(6..8),
        Some([0, 1].as_slice()),
        "one answer: {answer:?}"
    );
    // The address is the last thing in it.
    let last = *answer.last_chunk::<4>().unwrap();
    std::net::Ipv4Addr::from(last)
}

/// Scheduler, StatefulSet and EndpointSlice controllers are the real ones; nodes and engines are the lab's, and so is the
/// operator where the real one cannot be had.
#[test]
fn where_a_service_leads_changes_with_a_failover_that_is_seen_as_it_happens() {
    const ORDERS: &str = r#"apiVersion: dragonflydb.io/v1alpha1
kind: Dragonfly
metadata: {name: orders, namespace: shop}
spec:
  replicas: 3
  image: docker.dragonflydb.io/dragonflydb/dragonfly:v1.39.0
  resources: {requests: {cpu: 100m, memory: 100Mi}, limits: {memory: 1Gi}}
"#;
    let Some(rig) = FullRig::up(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("orders.yaml");
    std::fs::write(&manifest, ORDERS).unwrap();
    rig.kubectl("infra", &["create", "namespace", "shop"]);
    rig.kubectl("infra", &["apply", "-f", manifest.to_str().unwrap()]);

    let console = Opening::new(["--context", "infra", "--context", "apps"])
        .kubeconfig(&rig.kubeconfig())
        .size(160, 45)
        .open();
    console
        .expect_row(&["infra", "op 2/2", "apps", "ms"])
        .expect_row(&["being made", "shop/orders"])
        .expect_row(&["healthy", "shop/orders", "orders-0", "3/3", "2 of 2"]);

    service_leads_to(&rig, "orders-0");

    rig.kubectl(
        "infra",
        &["delete", "pod", "orders-0", "-n", "shop", "--wait=false"],
    );
    console.expect_row(&["shop/orders", "2/3"]).expect_row(&[
        "healthy",
        "shop/orders",
        "orders-1",
        "3/3",
        "2 of 2",
    ]);
    service_leads_to(&rig, "orders-1");
    console.quit();
}
