//! Stories that are told twice: on a lab, and on real control planes. What differs between the two is a defect of the lab.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::driver::ground::Ground;

/// Tells each story on both grounds.
macro_rules! told_twice {
    ($($story:ident,)*) => {
        mod on_a_lab {
            $(#[test]
            fn $story() {
                if let Some(ground) = super::Ground::lab() {
                    super::$story(&ground);
                }
            })*
        }
        mod on_real_control_planes {
            $(#[test]
            fn $story() {
                if let Some(ground) = super::Ground::rig() {
                    super::$story(&ground);
                }
            })*
        }
    };
}

told_twice![
    a_deleted_master_is_followed_by_another_while_the_api_server_hangs,
    a_process_that_dies_starts_again_in_its_place_and_one_that_stops_is_told_apart,
    an_update_and_a_change_of_size_are_told_until_they_are_done,
    without_an_operator_nobody_follows_a_deleted_master,
    a_master_on_a_lost_machine_is_stuck_until_the_machine_is_back,
    an_instance_with_volumes_is_seen_on_every_screen_and_by_every_command,
];

/// One instance in the report.
fn one(report: &Value) -> &Value {
    let instances = report["instances"].as_array().unwrap();
    assert_eq!(instances.len(), 1, "nothing is lost or doubled: {report:#}");
    &instances[0]
}

fn is_healthy(report: &Value, pods: usize) -> bool {
    let is = |instance: &Value| {
        instance["situation"] == "healthy"
            && instance["ready"] == pods
            && instance["nodes"].as_array().map(Vec::len) == Some(pods)
    };
    report["instances"]
        .as_array()
        .is_some_and(|all| all.iter().any(is))
}

fn a_deleted_master_is_followed_by_another_while_the_api_server_hangs(ground: &Ground) {
    let [infra, _] = ground.contexts();
    let console = ground.console(&[]);
    console.expect_row(&[infra, "op 2/2"]);
    ground.orders("shop", 3);
    console
        .expect_row(&["being made", "shop/orders"])
        .expect_row(&["healthy", "shop/orders", "orders-0", "3/3", "2 of 2"]);

    ground.kubectl(&["delete", "pod", "orders-0", "-n", "shop", "--wait=false"]);
    console.expect_row(&["shop/orders", "2/3"]);
    // In the middle of it the API server hangs: nothing is passed off as live.
    ground.freeze();
    console
        .expect_row(&[infra, "unreachable"])
        .expect_row(&["unreachable", "shop/orders"]);
    ground.thaw();
    console.expect_row(&["healthy", "shop/orders", "orders-1", "3/3", "2 of 2"]);
    let report = ground.report_until("shop/orders", "health", |report| is_healthy(report, 3));
    let orders = one(&report);
    assert_eq!(orders["master"], "orders-1");
    let endpoints = ground.kubectl(&[
        "get",
        "endpointslices",
        "-n",
        "shop",
        "-l",
        "kubernetes.io/service-name=orders",
        "-o",
        "jsonpath={.items[*].endpoints[*].targetRef.name}",
    ]);
    assert_eq!(endpoints.trim(), "orders-1");
    console.quit();
}

fn a_process_that_dies_starts_again_in_its_place_and_one_that_stops_is_told_apart(ground: &Ground) {
    let console = ground.console(&[]);
    ground.orders("farm", 3);
    console.expect_row(&["healthy", "farm/orders", "orders-0", "3/3", "2 of 2"]);
    ground.fault("kill:farm:orders-0");
    console.expect_row(&["healthy", "farm/orders", "orders-1", "3/3", "2 of 2"]);
    for word in ["split brain", "several masters"] {
        assert!(!console.has_shown(word), "nothing of the kind: {word}");
    }
    let report = ground.report_until("farm/orders", "health", |report| is_healthy(report, 3));
    let restarts: Vec<&Value> = one(&report)["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| &node["restarts"])
        .collect();
    assert_eq!(restarts, [1, 0, 0], "in its place: {report:#}");

    // Its kubelet ends it after three failed probes; until then it is told for what it is.
    ground.fault("freeze:farm:orders-1");
    console.expect_row(&["frozen", "farm/orders"]).expect_row(&[
        "healthy",
        "farm/orders",
        "3/3",
        "2 of 2",
    ]);
    let report = ground.report_until("farm/orders", "health", |report| is_healthy(report, 3));
    assert_eq!(one(&report)["nodes"][1]["restarts"], 1);
    assert_ne!(one(&report)["master"], "orders-1");
    console.quit();
}

fn an_update_and_a_change_of_size_are_told_until_they_are_done(ground: &Ground) {
    let console = ground.console(&[]);
    ground.orders("mill", 3);
    console.expect_row(&["healthy", "mill/orders", "3/3", "2 of 2"]);
    let change = |spec: Value| {
        let patch = json!({ "spec": spec }).to_string();
        ground.kubectl(&[
            "patch",
            "dragonfly",
            "orders",
            "-n",
            "mill",
            "--type",
            "merge",
            "-p",
            &patch,
        ]);
    };
    change(json!({"image": "docker.dragonflydb.io/dragonflydb/dragonfly:v1.40.1"}));
    console.expect_row(&["rollout gate 4", "mill/orders"]);
    // In the middle of it the API server dies, and comes back.
    ground.kill();
    console.expect_row(&["unreachable", "mill/orders"]);
    ground.start();
    let report = ground.report_until("mill/orders", "the new version", |report| {
        is_healthy(report, 3) && report["instances"][0]["versions"] == json!(["v1.40.1"])
    });
    assert_eq!(one(&report)["ready"], 3);
    console.expect_row(&["healthy", "mill/orders", "3/3", "2 of 2"]);

    change(json!({"replicas": 5}));
    console
        .expect_row(&["pods starting", "mill/orders", "/5"])
        .expect_row(&["healthy", "mill/orders", "5/5", "4 of 4"]);
    change(json!({"replicas": 2}));
    console.expect_row(&["healthy", "mill/orders", "2/2", "1 of 1"]);
    console.quit();
}

fn without_an_operator_nobody_follows_a_deleted_master(ground: &Ground) {
    let [infra, _] = ground.contexts();
    let console = ground.console(&[]);
    ground.orders("quay", 3);
    console.expect_row(&["healthy", "quay/orders", "orders-0", "3/3", "2 of 2"]);
    let scale = |to: &str| {
        ground.kubectl(&[
            "scale",
            "deployment",
            "dragonfly-operator-controller-manager",
            "-n",
            "dragonfly-operator-system",
            &format!("--replicas={to}"),
        ]);
    };
    scale("0");
    console.expect_row(&[infra, "op 0/0"]);
    ground.kubectl(&["delete", "pod", "orders-0", "-n", "quay", "--wait=false"]);
    console.expect_row(&["no master", "quay/orders"]);
    let output = ground.darner(&["status", "quay/orders"]);
    assert_eq!(output.status.code(), Some(1), "somebody must look");
    scale("2");
    console
        .expect_row(&[infra, "op 2/2"])
        .expect_row(&["healthy", "quay/orders", "3/3", "2 of 2"]);
    console.quit();
}

fn a_master_on_a_lost_machine_is_stuck_until_the_machine_is_back(ground: &Ground) {
    let console = ground.console(&[]);
    ground.orders("dock", 3);
    console.expect_row(&["healthy", "dock/orders", "orders-0", "3/3", "2 of 2"]);
    let machine = ground.kubectl(&[
        "get",
        "pod",
        "orders-0",
        "-n",
        "dock",
        "-o",
        "jsonpath={.spec.nodeName}",
    ]);
    ground.fault(&format!("lost-node:{machine}"));
    ground.kubectl(&[
        "delete",
        "pod",
        "orders-0",
        "-n",
        "dock",
        "--wait=false",
        "--grace-period=5",
    ]);
    // Another is master, but the pod of the old one does not go, and so none takes its place.
    console.expect_row(&["stuck terminating", "dock/orders", "2/3"]);
    ground.fault(&format!("node-back:{machine}"));
    console.expect_row(&["healthy", "dock/orders", "3/3", "2 of 2"]);
    console.quit();
}

const WITH_VOLUMES: &str = r#"apiVersion: v1
kind: Namespace
metadata: {name: vault}
---
apiVersion: dragonflydb.io/v1alpha1
kind: Dragonfly
metadata: {name: orders, namespace: vault}
spec:
  replicas: 2
  image: docker.dragonflydb.io/dragonflydb/dragonfly:v1.39.0
  resources: {requests: {cpu: 100m, memory: 100Mi}, limits: {memory: 1Gi}}
  snapshot:
    cron: "0 3 * * *"
    persistentVolumeClaimSpec:
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: 1Gi}}
"#;

fn an_instance_with_volumes_is_seen_on_every_screen_and_by_every_command(ground: &Ground) {
    let [infra, _] = ground.contexts();
    ground.apply(WITH_VOLUMES);
    let mut console = ground.console(&["vault/orders"]);
    console
        .expect_row(&["orders-0", "master"])
        .expect_row(&["orders-1", "replica"]);
    console.press(&["3"]);
    console
        .expect_row(&["orders-1", "online", "stable sync", "orders-0"])
        .expect("1 of 1 in sync")
        .expect("one data set");
    console.press(&["4"]);
    console
        .expect_row(&["vault/orders", "orders-0", "bound", "%"])
        .expect_row(&["vault/orders", "orders-1", "bound", "%"]);
    console.press(&["5"]);
    console
        .expect_row(&[infra, "2/2", "v1.6.1", "renewed"])
        .expect_row(&["rights", "all that v1.6.1 needs"]);
    console.quit();

    for (args, wanted) in [
        (&["wait", "vault/orders", "--for", "synced"][..], ""),
        (&["status", "vault/orders"], "healthy"),
        (&["explain", "vault/orders"], "healthy"),
        (&["explain", "orders-1"], "orders-1"),
    ] {
        let output = ground.darner(args);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
        assert!(said.contains(wanted), "{args:?}: {said}");
    }
    // There is nothing in it, which is not the same as being equal.
    let output = ground.darner(&["compare", "vault/orders"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("no key to compare"), "{said}");
}

/// Keys whose values are this cluster's own: names and numbers that are given out, addresses, times.
const OWN: &[&str] = &[
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "kubectl.kubernetes.io/last-applied-configuration",
    "containerID",
    "hostIP",
    "hostIPs",
    "podIP",
    "podIPs",
    "clusterIP",
    "clusterIPs",
    "addresses",
    "nodeName",
    "zone",
    "lastTransitionTime",
    "lastProbeTime",
    "startTime",
    "startedAt",
    "controller-revision-hash",
    "currentRevision",
    "updateRevision",
    "master-ip",
    "operator.dragonflydb.io/masterIP",
    "endpoints.kubernetes.io/last-change-trigger-time",
];

/// An object without what is its cluster's own.
fn common(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !OWN.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), common(value)))
            // Where nothing but its own is in it, it may as well not be there.
            .filter(|(key, value)| key != "annotations" || *value != json!({}))
            .collect(),
        Value::Array(items) => items.iter().map(common).collect(),
        // The volume of a pod's token has a random end.
        Value::String(text) if text.starts_with("kube-api-access-") => "kube-api-access".into(),
        other => other.clone(),
    }
}

/// What stands in a namespace once its instance is healthy with that master, by kind and name.
fn objects(ground: &Ground, namespace: &str, master: &str) -> BTreeMap<String, Value> {
    let instance = format!("{namespace}/orders");
    ground.report_until(&instance, "health", |report| {
        is_healthy(report, 3) && one(report)["master"] == master
    });
    let wait = [
        "wait",
        &instance,
        "--for",
        "phase=Ready",
        "--timeout",
        "60s",
    ];
    let waited = ground.darner(&wait);
    let said = String::from_utf8_lossy(&waited.stdout);
    assert_eq!(waited.status.code(), Some(0), "{said}");
    let kinds = "dragonflies,statefulsets,services,pods,poddisruptionbudgets,networkpolicies,endpointslices";
    let listed = ground.kubectl(&["get", kinds, "-n", namespace, "-o", "json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let items = listed["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| {
            let kind = item["kind"].as_str().unwrap();
            let mut object = common(item);
            // Its name has a random end, and changes that come together count once.
            if kind == "EndpointSlice" {
                object["metadata"]["name"] = Value::Null;
                object["metadata"]["generation"] = Value::Null;
            }
            let name = object["metadata"]["name"].as_str().unwrap_or("one");
            (format!("{kind} {name}"), object)
        })
        .collect()
}

#[test]
fn what_an_instance_comes_to_is_the_same_in_a_lab_as_on_real_control_planes() {
    let (Some(lab), Some(rig)) = (Ground::lab(), Ground::rig()) else {
        return;
    };
    let both = [&lab, &rig];
    both.iter().for_each(|ground| ground.orders("shop", 3));
    let [in_lab, on_rig] = both.map(|ground| objects(ground, "shop", "orders-0"));
    same(&in_lab, &on_rig);
    // And once more after a failover.
    for ground in both {
        ground.kubectl(&["delete", "pod", "orders-0", "-n", "shop", "--wait=false"]);
    }
    let [in_lab, on_rig] = both.map(|ground| objects(ground, "shop", "orders-1"));
    same(&in_lab, &on_rig);
}

fn same(in_lab: &BTreeMap<String, Value>, on_rig: &BTreeMap<String, Value>) {
    let names = |all: &BTreeMap<String, Value>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(in_lab), names(on_rig));
    let differences: Vec<String> = on_rig
        .iter()
        .filter_map(|(name, object)| difference(name, &in_lab[name], object))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The lines in which the two differ.
fn difference(name: &str, lab: &Value, rig: &Value) -> Option<String> {
    let lines = |value: &Value| -> Vec<String> {
        format!("{value:#}").lines().map(str::to_owned).collect()
    };
    let (in_lab, on_rig) = (lines(lab), lines(rig));
    let without = |all: &[String], other: &[String]| -> Vec<String> {
        let only = all.iter().filter(|line| !other.contains(line));
        only.cloned().collect()
    };
    (lab != rig).then(|| {
        format!(
            "{name}: only in the lab {:#?}, only on the rig {:#?}",
            without(&in_lab, &on_rig),
            without(&on_rig, &in_lab)
        )
    })
}
