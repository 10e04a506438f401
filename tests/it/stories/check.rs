//! Everything asked once, by the command that a pipeline runs.

use std::process::{Command, Output};

use serde_json::Value;

use crate::driver::{LabProcess, PATIENCE, binary};

fn check(lab: &LabProcess, args: &[&str]) -> Output {
    let contexts = ["--context", "lab-infra", "--context", "lab-apps"];
    Command::new(binary())
        .arg("check")
        .args(contexts)
        .args(["--deadline", "50s"])
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
fn json_until(lab: &LabProcess, args: &[&str], reached: impl Fn(&Value, i32) -> bool) -> Value {
    let begun = std::time::Instant::now();
    let args = [args, &["-o", "json"]].concat();
    loop {
        let output = check(lab, &args);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["version"], "darner.check/v1");
        if reached(&report, output.status.code().unwrap()) {
            return report;
        }
        assert!(begun.elapsed() < PATIENCE, "{report:#}");
    }
}

/// What that check answers about that subject: `pass`, or the severity of what it found.
fn answer<'a>(report: &'a Value, check: &str, name: &str) -> &'a str {
    let rows = report["answers"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["check"] == check && row["subject"]["name"].as_str().unwrap_or("") == name);
    match row {
        None => "n/a",
        Some(row) if row["answer"] == "pass" => "pass",
        Some(row) => row["finding"]["severity"].as_str().unwrap(),
    }
}

fn found_health(report: &Value) -> bool {
    let rows = report["answers"].as_array().unwrap();
    rows.iter().any(|row| {
        let is_health = matches!(row["area"].as_str(), Some("replication" | "access"));
        is_health && row["answer"] != "pass"
    })
}

#[test]
fn a_healthy_fleet_is_well_but_not_all_that_it_should_be() {
    let lab = LabProcess::start("healthy");
    let report = json_until(&lab, &["--fail-on", "critical"], |r, code| {
        code == 0 && !found_health(r)
    });
    assert_eq!(report["verdict"], "well");
    for (check, name, wanted) in [
        ("no-master", "gitlab", "pass"),
        ("few-replicas", "gitlab", "pass"),
        ("few-replicas", "cache", "note"),
        ("budget-unfit", "dragonfly", "pass"),
        ("pods-on-one-machine", "gitlab", "pass"),
        ("image-floating", "gitlab", "note"),
        ("memory-limit-missing", "cache", "pass"),
        ("memory-limit-tight", "cache", "pass"),
        ("threads-starved", "gitlab", "pass"),
        ("arguments-fight", "dragonfly", "pass"),
        ("value-unfilled", "dragonfly", "pass"),
        ("security-lax", "dragonfly", "warning"),
        ("claim-unfit", "dragonfly", "pass"),
        ("claim-unfit", "gitlab", "n/a"),
        ("snapshots-pile-up", "dragonfly", "warning"),
        ("selector-too-wide", "cache", "pass"),
        ("operator-alone", "", "pass"),
        ("operator-unprotected", "", "warning"),
    ] {
        assert_eq!(
            answer(&report, check, name),
            wanted,
            "{check} of {name}: {report:#}"
        );
    }
    // The same facts, where warnings count.
    let output = check(&lab, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    for words in [
        "Storage and snapshots: ",
        "each save of dragonfly-system/dragonfly",
        "next: ",
    ] {
        assert!(text(&output).contains(words), "{words}\n{}", text(&output));
    }
    let output = check(&lab, &["-o", "markdown", "--area", "storage"]);
    assert!(text(&output).contains("| storage |"), "{}", text(&output));
    assert!(!text(&output).contains("| instance |"), "{}", text(&output));

    let storage = json_until(&lab, &["harbor/cache", "--area", "storage"], |_, code| {
        code == 0
    });
    let areas = storage["areas"].as_array().unwrap();
    assert_eq!(areas.len(), 1);
    for row in storage["answers"].as_array().unwrap() {
        assert_eq!(
            (&row["area"], &row["subject"]["name"]),
            (&"storage".into(), &"cache".into())
        );
    }

    let wrong = check(&lab, &["--area", "everything"]);
    assert_eq!(wrong.status.code(), Some(64));
    let wrong = check(&lab, &["nothing-of-that-name"]);
    assert_eq!(wrong.status.code(), Some(64));
}

#[test]
fn what_hurts_clients_is_1_whatever_counts_and_junit_says_so() {
    let lab = LabProcess::start("two-masters");
    json_until(&lab, &["--fail-on", "critical"], |r, code| {
        code == 1 && answer(r, "several-masters", "gitlab") == "critical"
    });
    let output = check(
        &lab,
        &[
            "gitlab",
            "--area",
            "replication",
            "-o",
            "junit",
            "--fail-on",
            "critical",
        ],
    );
    assert_eq!(output.status.code(), Some(1));
    let xml = text(&output);
    let elements = elements(&xml);
    let suites: Vec<_> = elements.iter().filter(|e| e.name == "testsuite").collect();
    assert_eq!(suites.len(), 1, "{xml}");
    assert_eq!(suites[0].attribute("name"), "replication");
    let cases = elements.iter().filter(|e| e.name == "testcase").count();
    assert_eq!(suites[0].attribute("tests"), cases.to_string());
    let failures: Vec<_> = elements.iter().filter(|e| e.name == "failure").collect();
    assert_eq!(suites[0].attribute("failures"), failures.len().to_string());
    assert!(
        failures
            .iter()
            .any(|f| f.attribute("message").contains("gitlab-0")),
        "{xml}"
    );
}

#[test]
fn what_cannot_be_judged_is_2() {
    let lab = LabProcess::start("context-unreachable");
    let report = json_until(&lab, &["--fail-on", "critical"], |_, code| code == 2);
    assert_eq!(report["verdict"], "unjudged");
    let of_apps = report["answers"].as_array().unwrap().iter();
    let passes =
        of_apps.filter(|row| row["subject"]["context"] == "lab-apps" && row["answer"] == "pass");
    assert_eq!(passes.count(), 0, "{report:#}");
}

/// An element of XML with its attributes as they are written.
#[derive(Debug)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("{self:?} has no {name}")).1
    }
}

/// Reads a document without comments and sections, and holds it to be well formed: every element ends, in its order, and no
/// text has a bare `<`, `&` or quote where it must not.
fn elements(xml: &str) -> Vec<Element> {
    let mut rest = xml
        .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")
        .unwrap();
    let (mut all, mut open): (Vec<Element>, Vec<String>) = (Vec::new(), Vec::new());
    let is_escaped = |text: &str| {
        assert!(!text.contains(['<', '>']), "{text}");
        for after in text.split('&').skip(1) {
            let (name, _) = after
                .split_once(';')
                .unwrap_or_else(|| panic!("a bare & in {text}"));
            let is_number = name
                .strip_prefix('#')
                .is_some_and(|n| n.parse::<u32>().is_ok());
            assert!(
                is_number || ["amp", "lt", "gt", "quot", "apos"].contains(&name),
                "{name}"
            );
        }
    };
    while let Some((before, after)) = rest.split_once('<') {
        is_escaped(before);
        assert!(
            !open.is_empty() || before.trim().is_empty(),
            "text outside of all: {before}"
        );
        let (tag, behind) = after.split_once('>').unwrap();
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let (tag, is_empty) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let (name, mut written) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(!open.is_empty() || all.is_empty(), "more than one root");
        let mut attributes = Vec::new();
        while !written.trim().is_empty() {
            let (key, value) = written.split_once("=\"").unwrap();
            let (value, more) = value.split_once('"').unwrap();
            is_escaped(value);
            attributes.push((key.trim().to_owned(), value.to_owned()));
            written = more;
        }
        if !is_empty {
            open.push(name.to_owned());
        }
        all.push(Element {
            name: name.to_owned(),
            attributes,
        });
    }
    assert!(open.is_empty(), "{open:?} did not end");
    assert!(rest.trim().is_empty());
    all
}

/// What somebody changed, or what came of a limit: the scenario, and exactly which acceptance check turns, of what.
pub(super) const DRIFTS: &[(&str, &[(&str, &str)])] = &[
    ("labels-managed", &[("labels-managed", "gitlab")]),
    ("claims-resized", &[("claim-unfit", "dragonfly")]),
    ("snapshot-unloadable", &[("killed-for-memory", "dragonfly")]),
    (
        "operator-old",
        &[
            ("saved-everywhere", "dragonfly"),
            // What is known of that version with the server of each.
            ("versions-unfit", "cache"),
            ("versions-unfit", "dragonfly"),
            ("versions-unfit", "gitlab"),
        ],
    ),
    ("gate-stuck", &[("gate-stuck", "gitlab")]),
    ("oom-killed", &[("killed-for-memory", "gitlab")]),
    ("threads-starved", &[("threads-starved", "gitlab")]),
    ("operator-without-right", &[("operator-rights-missing", "")]),
    (
        "policy-blocks",
        &[
            ("admin-port-blocked", "cache"),
            ("admin-port-blocked", "dragonfly"),
            ("admin-port-blocked", "gitlab"),
        ],
    ),
];

/// The findings of acceptance, each with its sentence: which check, and of what.
fn accepted(report: &Value) -> std::collections::BTreeMap<(String, String), String> {
    let ids: Vec<&str> = darner::checks::ACCEPTANCE.iter().map(|c| c.id).collect();
    let rows = report["answers"].as_array().unwrap();
    rows.iter()
        .filter(|row| row["answer"] == "finding" && ids.contains(&row["check"].as_str().unwrap()))
        .map(|row| {
            let name = row["subject"]["name"].as_str().unwrap_or_default();
            let key = (row["check"].as_str().unwrap().to_owned(), name.to_owned());
            (key, row["finding"]["sentence"].as_str().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn each_drift_is_found_by_the_check_that_is_meant_for_it_and_by_no_other() {
    let healthy = LabProcess::start("healthy");
    let before = accepted(&json_until(&healthy, &[], |r, _| !found_health(r)));
    std::thread::scope(|scope| {
        for (scenario, wanted) in DRIFTS {
            let before = &before;
            scope.spawn(move || {
                let lab = LabProcess::start(scenario);
                let turned = |report: &Value| -> Vec<(String, String)> {
                    let now = accepted(report);
                    let new = now
                        .into_iter()
                        .filter(|(key, sentence)| before.get(key) != Some(sentence));
                    new.map(|(key, _)| key).collect()
                };
                let wanted: Vec<(String, String)> = wanted
                    .iter()
                    .map(|(check, name)| ((*check).to_owned(), (*name).to_owned()))
                    .collect();
                let report = json_until(&lab, &[], |report, _| {
                    wanted.iter().all(|one| turned(report).contains(one))
                });
                assert_eq!(
                    turned(&report),
                    wanted,
                    "{scenario}: {:#?}",
                    accepted(&report)
                );
            });
        }
    });
}
