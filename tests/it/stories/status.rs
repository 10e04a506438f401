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

/// What a command without a screen says of an instance: the situation that leads, `healthy` when none does.
fn told_by(lab: &LabProcess, args: &[&str]) -> (String, Value) {
    let output = Command::new(binary())
        .args(args)
        .args(["--context", "lab-infra", "-o", "json"])
        .env("KUBECONFIG", lab.kubeconfig())
        .env("HOME", lab.folder())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let said = match args[0] {
        "explain" => report["subjects"][0]["findings"][0]["situation"].clone(),
        _ => {
            instance(&report, args.last().unwrap().rsplit('/').next().unwrap())["situation"].clone()
        }
    };
    (said.as_str().unwrap_or("healthy").to_owned(), report)
}

/// Data ports, takeovers and links that are down: what is asked only of an instance that one looks at is no secret of
/// `explain`.
#[test]
fn status_and_explain_tell_one_story() {
    for (scenario, name, wanted) in [
        (
            "data-port-hangs",
            "dragonfly-system/gitlab",
            "data-port-unusable",
        ),
        (
            "takeover-in-progress",
            "dragonfly-system/gitlab",
            "takeover-in-progress",
        ),
        (
            "takeover-wedged",
            "dragonfly-system/dragonfly",
            "takeover-wedged",
        ),
        (
            "takeover-old-master-up",
            "dragonfly-system/gitlab",
            "old-master-up",
        ),
        (
            "replication-stopped",
            "dragonfly-system/dragonfly",
            "replication-stopped",
        ),
    ] {
        let lab = LabProcess::start(scenario);
        let begun = std::time::Instant::now();
        // The whole fleet, that instance in view, and what stands behind it.
        let fleet = || {
            let output = status(&lab, &["-o", "json"]);
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            let short = name.rsplit('/').next().unwrap();
            instance(&report, short)["situation"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let explained = loop {
            let (said, _) = told_by(&lab, &["explain", name]);
            if said.starts_with(wanted) {
                break said;
            }
            assert!(
                begun.elapsed() < crate::driver::PATIENCE,
                "{scenario}: {said}"
            );
        };
        // Each is a process that looks once, and needs no second look to know what it is.
        for _ in 0..2 {
            let in_view = told_by(&lab, &["status", name]).0;
            let said = [fleet(), in_view];
            let one_story = said.iter().all(|told| *told == explained);
            assert!(one_story, "{scenario}: {said:?}, {explained}");
        }
        let wait = Command::new(binary())
            .args([
                "wait",
                name,
                "--for",
                "healthy",
                "--timeout",
                "8s",
                "--context",
                "lab-infra",
            ])
            .env("KUBECONFIG", lab.kubeconfig())
            .env("HOME", lab.folder())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&wait.stderr).into_owned();
        assert_eq!(wait.status.code(), Some(1), "{scenario}: {told}");
    }
}

/// Whoever opens darner right after a master has restarted in place did not see what it held: whether it is well cannot be
/// told.
#[test]
fn a_master_that_restarted_before_anybody_looked_is_not_called_healthy() {
    let lab = LabProcess::start("stale-master");
    let report = json_until(&lab, |r, _| {
        let findings = instance(r, "dragonfly")["findings"].as_array().unwrap();
        findings.iter().any(|f| f["situation"] == "restart-untold")
    });
    let main = instance(&report, "dragonfly");
    let noted = &main["findings"][0];
    assert_eq!(main["state"], "unknown");
    let sentence = noted["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("the master, has restarted in place and holds"),
        "{sentence}"
    );
    assert!(sentence.ends_with("what it held before was not seen"));
}
