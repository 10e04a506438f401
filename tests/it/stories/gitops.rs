//! Who delivers the operator, and who keeps it from being delivered, asked of a whole lab by the command that a pipeline runs.

use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::driver::{LabProcess, PATIENCE, binary};

const RELEASES: &str = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/flux-system/helmreleases";
const OPERATOR: &str = "/apis/apps/v1/namespaces/dragonfly-operator-system/deployments/dragonfly-operator-controller-manager";

fn check(lab: &LabProcess) -> Value {
    let output = Command::new(binary())
        .args(["check", "--context", "lab-infra", "--deadline", "50s"])
        .args(["-o", "json", "--area", "gitops"])
        .env("KUBECONFIG", lab.kubeconfig())
        .env("HOME", lab.folder())
        .env_remove("XDG_CONFIG_HOME")
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// What was found: the checks with their sentences.
fn found(report: &Value) -> Vec<String> {
    let rows = report["answers"].as_array().unwrap();
    let mut found: Vec<String> = rows
        .iter()
        .filter(|row| row["answer"] == "finding")
        .map(|row| {
            let sentence = row["finding"]["sentence"].as_str().unwrap();
            format!("{}: {sentence}", row["check"].as_str().unwrap())
        })
        .collect();
    found.sort();
    found
}

fn finds(lab: &LabProcess, wanted: &[&str]) {
    let begun = Instant::now();
    loop {
        let report = check(lab);
        if found(&report) == wanted {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{:#?} instead of {wanted:#?}",
            found(&report)
        );
    }
}

#[test]
fn who_suspended_a_release_is_told_until_it_goes_on() {
    let lab = LabProcess::start("healthy");
    // Nobody delivers it, as far as anything says.
    finds(&lab, &[]);

    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "helmreleases.helm.toolkit.fluxcd.io"},
        "spec": {
            "group": "helm.toolkit.fluxcd.io", "scope": "Namespaced",
            "names": {"kind": "HelmRelease", "listKind": "HelmReleaseList", "plural": "helmreleases", "singular": "helmrelease"},
            "versions": [{"name": "v2", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    lab.api(
        "POST",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        &definition.to_string(),
    );
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}});
    lab.api("POST", "/api/v1/namespaces", &namespace.to_string());
    let release = json!({
        "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
        "metadata": {"name": "operator", "namespace": "flux-system"},
        "spec": {
            "interval": "1h", "driftDetection": {"mode": "enabled"},
            "install": {"remediation": {"retries": 3}}, "upgrade": {"remediation": {"retries": 3}},
        },
        "status": {"observedGeneration": 9, "conditions": [{"type": "Ready", "status": "True", "reason": "UpgradeSucceeded"}]},
    });
    lab.api("POST", RELEASES, &release.to_string());
    let owned = json!({"metadata": {"labels": {
        "helm.toolkit.fluxcd.io/name": "operator", "helm.toolkit.fluxcd.io/namespace": "flux-system"}}});
    lab.api("PATCH", OPERATOR, &owned.to_string());
    finds(&lab, &[]);

    let path = format!("{RELEASES}/operator?fieldManager=flux");
    lab.api("PATCH", &path, r#"{"spec":{"suspend":true}}"#);
    finds(
        &lab,
        &[
            "flux-suspended: HelmRelease flux-system/operator, which delivers the operator, is suspended by flux",
        ],
    );

    // It goes on, and fails.
    lab.api("PATCH", &path, r#"{"spec":{"suspend":false}}"#);
    finds(&lab, &[]);
    let failed = json!({"status": {"conditions": [
        {"type": "Ready", "status": "False", "reason": "UpgradeFailed", "message": "timed out"}]}});
    lab.api("PATCH", &path, &failed.to_string());
    finds(
        &lab,
        &[
            "flux-not-ready: HelmRelease flux-system/operator is not ready: UpgradeFailed: timed out",
        ],
    );
}
