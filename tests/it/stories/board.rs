//! Knowing what is wrong and mending it: the board, the story's profile, a baseline, remedies, and a checkout before it is
//! merged.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::driver::console::Opening;
use crate::driver::{LabProcess, PATIENCE, binary};

fn run(lab: &LabProcess, args: &[&str]) -> Output {
    Command::new(binary())
        .args(args)
        .args(["--context", "lab-infra", "--context", "lab-apps"])
        .args(["--deadline", "50s"])
        .env("KUBECONFIG", lab.kubeconfig())
        .env("HOME", lab.folder())
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs it until it ends so: the lab needs a moment to come to its state.
fn until(lab: &LabProcess, args: &[&str], reached: impl Fn(&Output) -> bool) -> Output {
    let begun = std::time::Instant::now();
    loop {
        let output = run(lab, args);
        if reached(&output) {
            return output;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{}\n{}",
            out(&output),
            err(&output)
        );
    }
}

#[test]
fn the_board_shows_a_finding_with_its_evidence_and_what_mends_it() {
    let lab = LabProcess::start("healthy");
    let mut console = Opening::new(["--context", "lab-infra", "--context", "lab-apps"])
        .kubeconfig(&lab.kubeconfig())
        .size(160, 50)
        .open();
    console.expect_row(&["healthy", "dragonfly-system/gitlab", "2 of 2"]);
    console.press(&["9"]);
    console
        .expect("Checks by area")
        .expect_row(&["Pods and engines:", "pass"])
        .expect_row(&["note", "harbor/cache", "three are advised"]);
    console.press(&["/"]).paste("few-replicas");
    console.press(&["enter", "j"]);
    console
        .expect("few-replicas of harbor/cache")
        .expect("Dragonfly harbor/cache: spec.replicas is 2")
        .expect("- spec.replicas: 2")
        .expect("+ spec.replicas: 3");
    console.press(&["p"]);
    console
        .expect("Checks by the story's criteria")
        .expect("AC2 Instance: one master and replicas, with storage");
    // Nothing of it is an illness: only what counts stays.
    console.press(&["esc"]).expect("AC1 Operator installed");
    console.press(&["!"]);
    console.expect_row(&["warning", "harbor/cache"]);
    console.quit();
}

#[test]
fn what_is_accepted_is_told_with_its_reason_and_does_not_count() {
    let lab = LabProcess::start("healthy");
    let file = lab.folder().join("baseline.toml");
    let accept = |check: &str| {
        format!("[[accept]]\ncheck = \"{check}\"\nreason = \"agreed\"\nuntil = 2999-12-31\n\n")
    };
    let text = format!(
        "{}{}[[accept]]\ncheck = \"few-replicas\"\nsubject = \"harbor/cache\"\nreason = \"small\"\nuntil = 2001-01-01\n",
        accept("security-lax"),
        accept("several-masters"),
    );
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let args = ["check", "--area", "instance", "--fail-on", "note"];
    let args = [
        &args[..],
        &["--baseline", file, "--profile", "story", "-o", "json"],
    ]
    .concat();
    let output = until(&lab, &args, |output| {
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["complete"] == true
    });
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "the expired one counts");
    assert_eq!(report["profile"], "story");
    let rows = report["answers"].as_array().unwrap();
    let of = |check: &str, name: &str| {
        rows.iter()
            .find(|row| row["check"] == check && row["subject"]["name"] == name)
            .unwrap_or_else(|| panic!("{check} of {name}: {report:#}"))
    };
    let lax = of("security-lax", "gitlab");
    assert_eq!(lax["answer"], "accepted");
    assert_eq!(lax["accepted"]["reason"], "agreed");
    assert_eq!(lax["criterion"], "AC2");
    let few = of("few-replicas", "cache");
    assert_eq!(few["answer"], "finding");
    assert!(few["manifest"].as_str().unwrap().contains("replicas: 3"));
    let told = err(&output);
    assert!(
        told.contains("baseline.toml:11: few-replicas was accepted until 2001-01-01"),
        "{told}"
    );
    // Its area was not asked, so it is not said that nothing is found of it.
    assert!(!told.contains("several-masters"), "{told}");

    let broken = lab.folder().join("broken.toml");
    std::fs::write(&broken, "[[accept]\n").unwrap();
    let output = run(&lab, &["check", "--baseline", broken.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(64));
    assert!(err(&output).contains("broken.toml:1:"), "{}", err(&output));
}

#[test]
fn a_remedy_is_a_manifest_or_it_is_said_why_there_is_none() {
    let lab = LabProcess::start("healthy");
    let output = until(&lab, &["remedy", "few-replicas"], |output| {
        output.status.code() == Some(0)
    });
    let told = out(&output);
    for words in [
        "# harbor/cache in lab-infra (note, few-replicas)",
        "kind: Dragonfly\n",
        "  replicas: 3\n",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
    let many = run(&lab, &["remedy", "security-lax"]);
    assert_eq!(out(&many).matches("\n---\n").count(), 2, "{}", out(&many));
    let json = run(
        &lab,
        &["remedy", "few-replicas", "harbor/cache", "-o", "json"],
    );
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["version"], "darner.remedy/v1");
    assert_eq!(json["remedies"].as_array().unwrap().len(), 1);
    for (args, code, words) in [
        (
            &["remedy", "few-replicas", "gitlab"] as &[&str],
            1,
            "nothing of few-replicas is found now",
        ),
        (
            &["remedy", "few-replica"],
            64,
            "did you mean `few-replicas`?",
        ),
        (&["remedy", "few-replicas", "nobody"], 64, "called nobody"),
    ] {
        let output = run(&lab, args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(err(&output).contains(words), "{args:?}: {}", err(&output));
    }
}

fn judged(folder: &Path, args: &[&str]) -> Output {
    Command::new(binary())
        .args(["check", "--manifests"])
        .arg(folder)
        .args(args)
        .env("HOME", folder)
        .env_remove("KUBECONFIG")
        .output()
        .unwrap()
}

#[test]
fn a_checkout_is_judged_with_file_and_line_before_it_is_merged() {
    let folder = tempfile::tempdir().unwrap();
    let put = |file: &str, text: &str| {
        let file = folder.path().join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    const DRAGONFLY: &str = "apiVersion: dragonflydb.io/v1alpha1\nkind: Dragonfly\nmetadata:\n  name: orders\n  namespace: shop\n";
    put(
        "apps/db.yaml",
        &format!(
            "{DRAGONFLY}spec:\n  image: df:v1.39.0\n  replicas: 3\n  resources:\n    limits: {{memory: 1Gi}}\n  \
             podSecurityContext: {{runAsNonRoot: true, runAsUser: 999, fsGroup: 999}}\n  containerSecurityContext:\n    \
             readOnlyRootFilesystem: true\n    allowPrivilegeEscalation: false\n    capabilities: {{drop: [ALL]}}\n"
        ),
    );
    let well = judged(folder.path(), &[]);
    assert_eq!(well.status.code(), Some(0), "{}{}", out(&well), err(&well));

    put(
        "apps/db.yaml",
        &format!(
            "# the database\n---\n{DRAGONFLY}spec:\n  image: df:latest\n  replicas: 1\n  snapshot:\n    cron: ${{CRON}}\n"
        ),
    );
    put("clusters/broken.yaml", "a: 1\n---\nb: [1,\nc: }\n");
    put(".git/config.yaml", "c: [");
    let output = judged(folder.path(), &["-o", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["answers"].as_array().unwrap();
    for (check, line) in [
        ("image-floating", 9),
        ("few-replicas", 10),
        // As its pods would be.
        ("memory-limit-missing", 8),
        ("security-lax", 8),
        ("value-unfilled", 12),
    ] {
        let row = rows.iter().find(|row| row["check"] == check);
        let row = row.unwrap_or_else(|| panic!("{check}: {report:#}"));
        assert_eq!(row["place"]["file"], "apps/db.yaml", "{row:#}");
        assert_eq!(row["place"]["line"], line, "{row:#}");
    }
    assert!(
        rows.iter().all(|row| row["answer"] != "unknown"),
        "{report:#}"
    );
    let unanswered = report["unanswered"].as_array().unwrap();
    assert_eq!(unanswered.len(), 1, "{unanswered:?}");
    let broken = unanswered[0].as_str().unwrap();
    assert!(broken.starts_with("clusters/broken.yaml:3:4:"), "{broken}");
    let plain = out(&judged(folder.path(), &[]));
    assert!(
        plain.contains("apps/db.yaml:10: shop/orders in "),
        "{plain}"
    );
    let xml = out(&judged(folder.path(), &["-o", "junit"]));
    assert!(xml.contains("file=\"apps/db.yaml\" line=\"10\""), "{xml}");
    let none = judged(&folder.path().join("nowhere"), &[]);
    assert_eq!(none.status.code(), Some(64));
    let empty = tempfile::tempdir().unwrap();
    let nothing = judged(empty.path(), &[]);
    assert_eq!(nothing.status.code(), Some(2), "{}", out(&nothing));
    assert!(
        out(&nothing).contains("nothing was judged"),
        "{}",
        out(&nothing)
    );
    let elsewhere = judged(folder.path(), &["-n", "other"]);
    assert_eq!(elsewhere.status.code(), Some(2), "{}", out(&elsewhere));
    assert!(
        !out(&elsewhere).contains("shop/orders"),
        "{}",
        out(&elsewhere)
    );
    let settings = folder.path().join("none.toml");
    let lost = judged(folder.path(), &["--settings", settings.to_str().unwrap()]);
    assert_eq!(lost.status.code(), Some(64), "{}", err(&lost));
    assert!(err(&lost).contains("cannot be read"), "{}", err(&lost));
}
