//! Other ways to engines, data ports, comparing, waiting and explaining, headless against the lab.

use std::process::{Command, Output};

use serde_json::Value;

use crate::driver::console::Opening;
use crate::driver::{LabProcess, binary};

fn darner(lab: &LabProcess, settings: &str, args: &[&str]) -> Output {
    let file = lab.folder().join("settings.toml");
    std::fs::write(&file, settings).unwrap();
    Command::new(binary())
        .args(args)
        .args(["--context", "lab-infra", "--settings"])
        .arg(file)
        .env("KUBECONFIG", lab.kubeconfig())
        .env("HOME", lab.folder())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Asks until it is said so: the lab needs a moment to come to its state.
fn until(lab: &LabProcess, settings: &str, args: &[&str], words: &[&str]) -> String {
    let begun = std::time::Instant::now();
    loop {
        let output = darner(lab, settings, args);
        let told = said(&output);
        if words.iter().all(|word| told.contains(word)) {
            return told;
        }
        assert!(begun.elapsed() < crate::driver::PATIENCE, "{told}");
    }
}

#[test]
fn without_port_forwards_the_page_tells_what_it_can_and_the_rest_is_unknown() {
    let lab = LabProcess::start("no-port-forward");
    until(
        &lab,
        "",
        &["explain", "dragonfly-system/gitlab"],
        &[
            ": unknown",
            "it is known through pod proxy, which tells neither whom a replica follows nor its offset",
            "may not port-forward (pods/portforward) in namespace dragonfly-system",
            "keys",
        ],
    );
    let output = darner(&lab, "", &["explain", "dragonfly-system/gitlab"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    // Nothing was run in a pod: the settings do not say so.
    let exec = "[probe]\nexec = true\n";
    let wait = [
        "wait",
        "dragonfly-system/gitlab",
        "--for",
        "healthy",
        "--for",
        "synced",
        "--timeout",
        "60s",
    ];
    let output = darner(&lab, exec, &wait);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn where_only_exec_is_permitted_it_tells_everything_and_refused_everywhere_names_each_right() {
    let lab = LabProcess::start("only-exec");
    until(
        &lab,
        "[probe]\nexec = true\n",
        &["explain", "harbor/cache"],
        &["is healthy", "it is known through exec"],
    );
    lab.fault("forbidden");
    until(
        &lab,
        "[probe]\nexec = true\n",
        &["explain", "harbor/cache"],
        &[
            "may not port-forward (pods/portforward) in namespace harbor, nor read pages of pods (pods/proxy), nor run commands in pods (pods/exec)",
            ": unknown",
        ],
    );
}

#[test]
fn a_data_port_with_tls_is_reachable_without_the_password_and_usable_with_it() {
    const PASSWORD: &str = "lab-password";
    let lab = LabProcess::start("tls");
    let explain = ["explain", "payments/secure"];
    until(
        &lab,
        "",
        &explain,
        &[
            "its data port is reachable and wants a password, so whether it is usable is not known",
            "TLS answered as secure.payments.svc until",
            "certificate not verified",
        ],
    );
    let pass = lab.folder().join("pass");
    std::fs::write(&pass, format!("{PASSWORD}\nsecond line\n")).unwrap();
    let command = format!(
        "[[password]]\ninstance = 'payments/secure'\ncommand = ['cat', '{}']\n",
        pass.display()
    );
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lab/scenario/secure.crt");
    let verified = format!("ca-file = '{ca}'\n{command}");
    let told = until(
        &lab,
        &command,
        &explain,
        &["its data port is usable", "certificate not verified"],
    );
    assert!(!told.contains(PASSWORD));
    let told = until(
        &lab,
        &verified,
        &explain,
        &["its data port is usable", "certificate verified"],
    );
    assert!(!told.contains(PASSWORD));
    std::fs::write(&pass, "wrong-one\n").unwrap();
    let told = until(
        &lab,
        &command,
        &explain,
        &["does not accept the password that we have"],
    );
    assert!(!told.contains("wrong-one"), "{told}");
}

#[test]
fn a_password_that_is_typed_is_on_no_screen_and_in_no_log() {
    const PASSWORD: &str = "lab-password";
    let lab = LabProcess::start("tls");
    let mut console = Opening::new(["--context", "lab-infra"])
        .kubeconfig(&lab.kubeconfig())
        .env("DARNER_LOG", "trace")
        .open();
    console.expect_row(&["payments/secure", "1 of 1"]);
    console
        .press(&["/", "s", "e", "c", "u", "r", "e", "enter"])
        .expect_gone("harbor/cache");
    console
        .press(&["enter"])
        .expect_all(&["secure-0", "secure-1"]);
    console
        .press(&["i", "p"])
        .expect("Password of payments/secure");
    console.paste(PASSWORD).expect("************");
    console
        .press(&["enter"])
        .expect_gone("Password of payments/secure");
    console.press(&["x"]).press(&["G"]);
    console.expect("its data port is usable");
    for shown in [
        String::from_utf8_lossy(&console.bytes()).into_owned(),
        console.log(),
    ] {
        assert!(!shown.contains(PASSWORD));
    }
    for file in ["cmdline", "environ"] {
        let held = std::fs::read(format!("/proc/{}/{file}", console.pid())).unwrap();
        assert!(!String::from_utf8_lossy(&held).contains(PASSWORD), "{file}");
    }
    console.quit();
}

#[test]
fn comparing_tells_diverged_data_from_the_same() {
    let lab = LabProcess::start("healthy");
    let wait = [
        "wait",
        "harbor/cache",
        "--for",
        "synced",
        "--timeout",
        "60s",
    ];
    assert_eq!(darner(&lab, "", &wait).status.code(), Some(0));
    let compare = ["compare", "harbor/cache", "-o", "json"];
    let output = darner(&lab, "", &compare);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "well");
    assert!(report["sampled"].as_u64().unwrap() > 150, "{report:#}");
    assert_eq!(report["nodes"][0]["equal"], report["sampled"]);
    lab.fault("diverged");
    let output = darner(&lab, "", &compare);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let node = &report["nodes"][0];
    assert_eq!(report["verdict"], "findings");
    assert!(
        node["different"].as_u64().unwrap() + node["missing"].as_u64().unwrap() > 0,
        "{report:#}"
    );
    assert_eq!(node["fault"], Value::Null);
}

/// A node that was made wrong may be the one that all copy later, and be made wrong again then.
#[test]
fn diverged_data_is_told_also_after_other_faults_have_come_and_gone() {
    let lab = LabProcess::start("healthy");
    let well = || {
        let wait = [
            "wait",
            "harbor/cache",
            "--for",
            "healthy",
            "--timeout",
            "2m",
        ];
        let output = darner(&lab, "", &wait);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    };
    let compare = |keys: &str| {
        let output = darner(
            &lab,
            "",
            &["compare", "harbor/cache", "--keys", keys, "-o", "json"],
        );
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), report)
    };
    well();
    lab.fault("diverged");
    // The machine of its master goes: whoever was made wrong is master from now on.
    lab.fault("lost-node");
    // Healed before that, the one that is empty by then would be followed.
    let taken_over = [
        "wait",
        "harbor/cache",
        "--for",
        "master=cache-1",
        "--timeout",
        "1m",
    ];
    let output = darner(&lab, "", &taken_over);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    lab.fault("heal");
    well();
    let (code, report) = compare("200");
    assert_eq!(code, Some(0), "healed: {report:#}");
    assert!(report["keys"].as_u64().unwrap() > 60_000, "{report:#}");
    for keys in ["200", "2000"] {
        lab.fault("diverged");
        let (code, report) = compare(keys);
        assert_eq!(code, Some(1), "{report:#}");
        let taken = report["sampled"].as_u64().unwrap() + report["too_large"].as_u64().unwrap();
        assert!(taken + 5 >= keys.parse().unwrap(), "{report:#}");
        lab.fault("heal");
        well();
    }
}

#[test]
fn of_few_keys_all_are_compared() {
    let lab = LabProcess::start("empty-master");
    let begun = std::time::Instant::now();
    let report = loop {
        let output = darner(
            &lab,
            "",
            &["compare", "gitlab", "--keys", "5000", "-o", "json"],
        );
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        // Its clients write again, a key at a time.
        if report["sampled"].as_u64() > Some(0) {
            break report;
        }
        assert!(begun.elapsed() < crate::driver::PATIENCE, "{report:#}");
    };
    assert_eq!(report["every"], true, "{report:#}");
    assert_eq!(report["asked"], 5000, "{report:#}");
}

#[test]
fn waiting_ends_reached_or_with_the_reason() {
    let lab = LabProcess::start("healthy");
    let wait = |args: &[&str]| darner(&lab, "", &[&["wait"], args].concat());
    let healthy = wait(&[
        "gitlab",
        "--for",
        "healthy",
        "--for",
        "phase=ready",
        "--timeout",
        "60s",
        "-o",
        "json",
    ]);
    assert_eq!(healthy.status.code(), Some(0), "{}", said(&healthy));
    let report: Value = serde_json::from_slice(&healthy.stdout).unwrap();
    assert_eq!(report["version"], "darner.wait/v1");
    assert_eq!(report["outcome"], "reached");
    for (args, code, words) in [
        (
            vec!["gitlab", "--for", "master=gitlab-9", "--timeout", "8s"],
            1,
            "not yet master=gitlab-9: the master is gitlab-",
        ),
        (
            vec!["nosuch", "--for", "healthy", "--timeout", "60s"],
            64,
            "there is no instance and no pod nosuch; there are ",
        ),
        (
            vec!["gitlb", "--for", "phase=ready"],
            64,
            "there is no instance and no pod gitlb; did you mean gitlab?; `--for created` beside it",
        ),
        (
            vec!["gitlb", "--for", "created", "--timeout", "5s"],
            1,
            "not yet created: there is no instance and no pod gitlb; did you mean gitlab?",
        ),
        (
            vec!["gitlab", "--for", "created", "--timeout", "60s"],
            0,
            "; reached",
        ),
        (
            vec!["gitlab", "--for", "well"],
            64,
            "wait for created, healthy, synced, master=POD or phase=PHASE",
        ),
        (
            vec!["gitlab", "--for", "healthy", "--timeout", "soon"],
            64,
            "write a length of time",
        ),
        (vec!["gitlab"], 64, "--for"),
    ] {
        let output = wait(&args);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}: {}",
            said(&output)
        );
        assert!(said(&output).contains(words), "{args:?}: {}", said(&output));
    }
    lab.fault("forbidden");
    let output = wait(&["gitlab", "--for", "synced", "--timeout", "12s"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

#[test]
fn a_pod_that_answers_as_another_instances_node_is_named() {
    let lab = LabProcess::start("foreign-node");
    until(
        &lab,
        "",
        &["explain", "dragonfly-system/gitlab"],
        &["a pod of harbor/cache"],
    );
    let output = darner(&lab, "", &["explain", "context/lab-infra", "-o", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["subjects"][0]["kind"], "context");
    let output = darner(&lab, "", &["explain", "nosuch"]);
    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
}
