//! The same facts and judgement without a screen.

use std::process::{Command, Output};

use serde_json::Value;

use crate::driver::{LabProcess, binary};

fn status(lab: &LabProcess, args: &[&str]) -> Output {
    Command::new(binary())
        .arg("status")
        .args([
            "--context",
            "lab-infra",
            "--context",
            "lab-apps",
            "--timeout",
            "50",
        ])
        .args(args)
        .env("KUBECONFIG", lab.kubeconfig())
        .env("HOME", lab.folder())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Asks until the report says so: the lab needs a moment to come to its state.
fn json_until(lab: &LabProcess, reached: impl Fn(&Value, i32) -> bool) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let output = status(lab, &["-o", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        if reached(&report, output.status.code().unwrap()) {
            return report;
        }
        assert!(begun.elapsed() < crate::driver::PATIENCE, "{report:#}");
    }
}

fn instance<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["instances"]
        .as_array()
        .unwrap()
        .iter()
        .find(|i| i["name"] == name)
        .unwrap()
}

#[test]
fn a_healthy_fleet_is_0_in_every_output() {
    let lab = LabProcess::start("healthy");
    let report = json_until(&lab, |_, code| code == 0);
    assert_eq!(report["version"], "darner.status/v1");
    assert_eq!(report["verdict"], "well");
    let gitlab = instance(&report, "gitlab");
    assert_eq!(gitlab["state"], "healthy");
    assert_eq!(gitlab["situation"], "healthy");
    assert_eq!(gitlab["nodes"].as_array().unwrap().len(), 3);
    let masters = gitlab["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|n| n["engine_role"] == "master")
        .count();
    assert_eq!(masters, 1);
    for (output, words) in [
        ("table", "STATE"),
        ("wide", "SERVICE"),
        ("yaml", "version: darner.status/v1"),
        ("markdown", "| STATE |"),
    ] {
        let output = status(&lab, &["-o", output]);
        assert!(text(&output).contains(words), "{}", text(&output));
        assert!(text(&output).contains("harbor"), "{}", text(&output));
    }
}

#[test]
fn findings_are_1_and_name_what_is_so() {
    let lab = LabProcess::start("two-masters");
    let report = json_until(&lab, |r, code| {
        code == 1 && instance(r, "gitlab")["state"] == "several-masters"
    });
    let gitlab = instance(&report, "gitlab");
    assert_eq!(gitlab["situation"], "several-masters");
    assert_eq!(gitlab["state_words"], "several masters");
    let findings = gitlab["findings"].as_array().unwrap();
    let worst = &findings[0];
    assert_eq!(worst["check"], "several-masters");
    assert_eq!(worst["situation"], "several-masters");
    assert!(!worst["evidence"].as_array().unwrap().is_empty());
    assert!(worst["sentence"].as_str().unwrap().contains("gitlab-0"));
}

#[test]
fn what_cannot_be_judged_is_2() {
    let lab = LabProcess::start("context-unreachable");
    let report = json_until(&lab, |r, code| {
        code == 2 && instance(r, "gitlab")["state"] == "healthy"
    });
    assert_eq!(report["verdict"], "unjudged");
    let apps = report["contexts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["name"] == "lab-apps")
        .unwrap();
    assert_eq!(apps["state"], "unreachable");
}

#[test]
fn an_instance_is_addressed_by_name_and_the_nearest_name_is_suggested() {
    let lab = LabProcess::start("healthy");
    let output = status(&lab, &["cache"]);
    assert!(
        text(&output).contains("harbor/cache") && !text(&output).contains("gitlab"),
        "{}",
        text(&output)
    );
    // A node is named by its pod.
    let output = status(&lab, &["cache-1"]);
    assert!(
        text(&output).contains("harbor/cache") && !text(&output).contains("gitlab"),
        "{}",
        text(&output)
    );
    for (args, told) in [
        (&["harbor/cahce"][..], "did you mean harbor/cache?"),
        (&["gitlab-9"], "did you mean gitlab-0?"),
        // So is a namespace that does not exist.
        (
            &["-n", "harbour"],
            "there is no namespace harbour; did you mean harbor?",
        ),
    ] {
        let output = status(&lab, args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{args:?}: {said}");
        assert!(said.contains(told), "{args:?}: {said}");
    }
    // One that exists and holds no instance leaves nothing to be judged.
    let output = status(&lab, &["-n", "default"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("no Dragonfly instance is in namespace default"),
        "{said}"
    );
}

#[test]
fn rights_in_some_namespaces_are_enough_for_a_verdict_on_what_is_there() {
    let lab = LabProcess::start("forbidden-lists");
    let begun = std::time::Instant::now();
    let report: Value = loop {
        let output = Command::new(binary())
            .args(["status", "--context", "lab-infra", "-n", "harbor"])
            .args(["-o", "json"])
            .env("KUBECONFIG", lab.kubeconfig())
            .env("HOME", lab.folder())
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        if output.status.code() == Some(0) {
            break report;
        }
        assert!(begun.elapsed() < crate::driver::PATIENCE, "{report:#}");
    };
    assert_eq!(report["verdict"], "well");
    assert_eq!(instance(&report, "cache")["state"], "healthy");
    // What may not be read is stated, and what is read in its namespace instead is not called missing.
    let context = &report["contexts"][0];
    assert_eq!(context["state"], "degraded");
    let reasons = context["reasons"].to_string();
    assert!(reasons.contains("customresourcedefinitions"), "{reasons}");
    assert!(!reasons.contains("deployments"), "{reasons}");
}
