//! The same judgement over two whole control planes, whose controllers act by themselves.

use std::process::Command;

use serde_json::Value;

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
        states(report) == ["live", "live"] && context(report, "infra")["operator"]["wanted"] == 2
    });
    assert_eq!(
        context(&report, "infra")["cluster"],
        infra["cluster"],
        "the same objects as before"
    );
}
