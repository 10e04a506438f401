//! Acting: a promotion under a write load, on a lab and on real control planes; the lock, the ledger, and darner killed after
//! each single step.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::driver::ground::Ground;
use crate::driver::load::Load;
use crate::driver::promotion::Hand;
use crate::driver::{PATIENCE, binary};

const NAMESPACE: &str = "moves";
const NAME: &str = "orders";
const INSTANCE: &str = "moves/orders";

/// An instance of three pods, with a home of its own for the ledger.
struct Stage {
    ground: Ground,
    hand: Hand,
    home: tempfile::TempDir,
}

impl Stage {
    fn on(ground: Ground) -> Self {
        ground.instance(NAMESPACE, NAME, 3);
        let hand = Hand::new(&ground, NAMESPACE, NAME);
        hand.until_whole(3);
        Self {
            ground,
            hand,
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(args)
            .args(["--context", self.ground.contexts()[0], "--kubeconfig"])
            .arg(self.ground.kubeconfig())
            .env("HOME", self.home.path())
            .env_remove("XDG_STATE_HOME")
            .stdin(Stdio::null());
        command
    }

    fn darner(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn promote(&self, to: &str, more: &[&str]) -> Output {
        let mut args = vec![
            "promote", INSTANCE, "--to", to, "--yes", "--reason", "a story", "--accept", "cooldown",
        ];
        args.extend(more);
        self.darner(&args)
    }

    fn ledger(&self) -> Vec<Value> {
        lines(&self.home.path().join(".local/state/darner/ledger.jsonl"))
    }

    /// The pods with their role labels, and the one that the Service sends to.
    fn roles(&self) -> (BTreeMap<String, String>, Vec<String>) {
        let get = |path: &str| self.hand.try_ask("GET", path, "", &json!({})).unwrap();
        let pods = get(&format!(
            "/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3D{NAME}"
        ));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let roles = pods["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pod| {
                let meta = &pod["metadata"];
                (text(&meta["name"]), text(&meta["labels"]["role"]))
            })
            .collect();
        let slices = get(&format!(
            "/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{NAME}"
        ));
        let endpoints = slices["items"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|slice| slice["endpoints"].as_array().cloned().unwrap_or_default())
            .filter(|endpoint| endpoint["conditions"]["ready"] != json!(false))
            .map(|endpoint| text(&endpoint["targetRef"]["name"]))
            .collect();
        (roles, endpoints)
    }

    fn master(&self) -> String {
        let (roles, _) = self.roles();
        let masters: Vec<&String> = roles
            .iter()
            .filter(|(_, role)| *role == "master")
            .map(|(pod, _)| pod)
            .collect();
        assert_eq!(masters.len(), 1, "{roles:?}");
        masters[0].clone()
    }

    fn replica(&self) -> String {
        let master = self.master();
        let (roles, _) = self.roles();
        roles.into_keys().rfind(|pod| *pod != master).unwrap()
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn said(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// One promotion after the other under a write load: the chosen pod is master each time, nothing acknowledged is lost, and
/// label, engine, endpoint and `darner status` agree.
fn promotions(stage: &Stage, rounds: usize) {
    let mut load = Load::start(&stage.ground, NAMESPACE, NAME, 4, 400);
    let mut gaps = Vec::new();
    for round in 0..rounds {
        load.report();
        let chosen = stage.replica();
        let output = stage.promote(&chosen, &["-o", "json"]);
        assert_eq!(
            output.status.code(),
            Some(0),
            "round {round}: {}",
            said(&output)
        );
        let written = load.report();
        assert_eq!(written.lost, Vec::<String>::new(), "round {round}");
        assert!(written.acknowledged > 0, "round {round}");
        let begun = Instant::now();
        loop {
            let (roles, endpoints) = stage.roles();
            let masters = roles.iter().filter(|(_, role)| *role == "master");
            let masters: Vec<&String> = masters.map(|(pod, _)| pod).collect();
            let engine = stage.hand.say(&chosen, &["ROLE"]);
            let is_master = matches!(&engine, Some(Ok(told)) if told.contains("master"));
            let told = stage.darner(&["status", INSTANCE, "-o", "json"]);
            let report: Value = serde_json::from_slice(&told.stdout).unwrap_or_default();
            let status = report["instances"][0]["master"].clone();
            if masters == [&chosen]
                && endpoints == [chosen.clone()]
                && is_master
                && status.to_string().contains(&chosen)
            {
                break;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(5),
                "round {round}: {roles:?} {endpoints:?} {engine:?} {status}"
            );
        }
        gaps.push(written.gap_ms);
        stage.hand.until_whole(3);
    }
    gaps.sort_by(f64::total_cmp);
    println!(
        "{rounds} promotions: gap median {:.0} ms, worst {:.0} ms",
        gaps[gaps.len() / 2],
        gaps[gaps.len() - 1]
    );
}

fn rounds(otherwise: usize) -> usize {
    std::env::var("DARNER_ROUNDS").map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn a_promotion_on_a_lab_loses_nothing_and_everybody_agrees() {
    let Some(ground) = Ground::lab() else { return };
    let stage = Stage::on(ground);
    promotions(&stage, rounds(2));
    // Whoever comes later can follow what happened: in the ledger, and by kubectl.
    let ledger = stage.ledger();
    let whats: Vec<&str> = ledger
        .iter()
        .filter_map(|line| line["what"].as_str())
        .collect();
    assert_eq!(whats.first(), Some(&"intended"));
    assert_eq!(whats.last(), Some(&"ended"));
    let last = ledger.last().unwrap();
    assert_eq!(last["outcome"], "verified", "{last}");
    let events = stage.ground.kubectl(&["-n", NAMESPACE, "get", "events"]);
    assert!(events.contains("DarnerVerified"), "{events}");
}

#[test]
fn promotions_on_real_control_planes_lose_nothing_and_everybody_agrees() {
    let Some(ground) = Ground::rig() else { return };
    promotions(&Stage::on(ground), rounds(3));
}

/// Darner is killed as soon as its ledger says that a step was done, for each step in turn; the same command then finishes what
/// was begun.
fn killed_after_each_step(stage: &Stage) {
    let ledger = stage.home.path().join(".local/state/darner/ledger.jsonl");
    let mut load = Load::start(&stage.ground, NAMESPACE, NAME, 2, 100);
    for place in 0..6 {
        let chosen = stage.replica();
        let before = std::fs::read_to_string(&ledger).unwrap_or_default().len();
        let mut child = stage
            .command(&[
                "promote", INSTANCE, "--to", &chosen, "--yes", "--accept", "cooldown",
            ])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let done = format!("\"what\":\"step\",\"place\":{place},");
        loop {
            let text = std::fs::read_to_string(&ledger).unwrap_or_default();
            if text.get(before..).is_some_and(|new| new.contains(&done)) {
                break;
            }
            assert_eq!(
                child.try_wait().unwrap(),
                None,
                "it ended before step {place}"
            );
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was cut off is recognised, and finished by the same command.
        let begun = Instant::now();
        let output = loop {
            let output = stage.promote(&chosen, &[]);
            if output.status.success() || begun.elapsed() > PATIENCE {
                break output;
            }
        };
        let told = said(&output);
        assert!(output.status.success(), "killed after {place}: {told}");
        assert!(told.contains("unfinished:"), "killed after {place}: {told}");
        stage.hand.until_whole(3);
        assert_eq!(stage.master(), chosen, "killed after {place}");
        let lost = load.report().lost.len();
        println!(
            "killed after step {}: {lost} acknowledged writes lost",
            place + 1
        );
        // Before its label is taken the old master's process comes back with it, and is sent to until somebody acts.
        assert!(place < 3 || lost == 0, "killed after {place}: {lost} lost");
    }
}

#[test]
fn darner_killed_after_any_step_is_finished_by_the_same_command() {
    let Some(ground) = Ground::lab() else { return };
    killed_after_each_step(&Stage::on(ground));
}

#[test]
fn of_two_at_the_same_moment_one_is_told_who_the_other_is() {
    let Some(ground) = Ground::lab() else { return };
    let stage = Stage::on(ground);
    let chosen = stage.replica();
    let mut first = stage
        .command(&[
            "promote",
            INSTANCE,
            "--to",
            &chosen,
            "--yes",
            "--accept",
            "cooldown",
            "--by-step",
        ])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut said_first = BufReader::new(first.stderr.take().unwrap()).lines();
    assert!(said_first.any(|line| line.unwrap().contains("enter goes on")));
    let lease = stage.ground.kubectl(&[
        "-n",
        NAMESPACE,
        "get",
        "lease",
        "darner-orders",
        "-o",
        "yaml",
    ]);
    assert!(
        lease.contains("darner.dev/purpose: promote orders"),
        "{lease}"
    );
    let second = stage.promote(&chosen, &[]);
    let told = said(&second);
    assert_eq!(second.status.code(), Some(1), "{told}");
    assert!(
        told.contains("held by") && told.contains("promote orders"),
        "{told}"
    );
    // The first stops before its next step, when asked, and gives the lock back.
    let stopped = Command::new("kill")
        .args(["-s", "INT", &first.id().to_string()])
        .status()
        .unwrap();
    assert!(stopped.success());
    assert_eq!(first.wait().unwrap().code(), Some(1));
    let leases = stage.ground.kubectl(&["-n", NAMESPACE, "get", "leases"]);
    assert!(!leases.contains("darner-orders"), "{leases}");
}

#[test]
fn nothing_runs_read_only_or_without_a_ledger_or_unconfirmed() {
    let Some(ground) = Ground::lab() else { return };
    let stage = Stage::on(ground);
    let (master, chosen) = (stage.master(), stage.replica());
    for (more, code, words) in [
        (
            &["--yes", "--read-only"][..],
            1,
            "--read-only keeps everything as it is",
        ),
        (&[], 1, "nobody can confirm it here; --yes does"),
        (&["--dry-run"], 0, "nothing was changed"),
        (
            &["--dry-run", "-o", "kubectl"],
            0,
            "redis-cli -p 9999 REPLTAKEOVER 3",
        ),
    ] {
        let mut args = vec!["promote", INSTANCE, "--to", &chosen, "--accept", "cooldown"];
        args.extend(more);
        let output = stage.darner(&args);
        let told = said(&output);
        assert_eq!(output.status.code(), Some(code), "{more:?}: {told}");
        assert!(told.contains(words), "{more:?}: {told}");
    }
    assert_eq!(stage.ledger(), Vec::<Value>::new());
    // A file stands where the ledger's folder is to be.
    let folder: PathBuf = stage.home.path().join(".local/state");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
    std::fs::write(&folder, "").unwrap();
    let output = stage.promote(&chosen, &[]);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("without it nothing runs"), "{told}");
    assert_eq!(stage.master(), master);
}

#[test]
fn in_the_console_a_context_is_unlocked_by_its_name_and_a_promotion_is_typed_and_proven() {
    let Some(ground) = Ground::lab() else { return };
    let stage = Stage::on(ground);
    let chosen = stage.replica();
    let mut console = stage.ground.console(&[INSTANCE]);
    console.expect_all(&["LOCKED", &chosen, "healthy"]);
    console.press(&["P"]);
    console.expect("Promote a replica of moves/orders");
    console.press(&["enter"]);
    console.expect("is locked (unlocked)");
    console.press(&["esc"]);
    console.expect_gone("refused:");
    console.press(&["W"]);
    console.expect("Unlock lab-infra");
    console.paste("lab-apps");
    console.press(&["enter"]);
    console.expect("it stays locked");
    console.press(&["ctrl-u"]);
    console.paste("lab-infra");
    console.press(&["enter"]);
    console.expect("UNLOCKED lab-infra");
    console.press(&["P"]);
    console.expect("Promote a replica of moves/orders");
    console.press(&["enter"]);
    console.expect("type orders:");
    // The instance is new: that its roles were given just now is to be accepted by whoever confirms.
    console.expect("[ ] a role changed");
    console.press(&["tab", " "]);
    console.expect("[x] a role changed");
    console.press(&["tab"]);
    // Enter alone never confirms.
    console.paste("order");
    console.press(&["enter"]);
    console.expect("type orders to confirm");
    console.paste("s");
    console.press(&["enter"]);
    console.expect_all(&["verified", "done and proven"]);
    assert_ne!(stage.master(), "");
    // A key right behind esc would be taken for one with alt.
    console.press(&["esc"]);
    console.expect_gone("done and proven");
    console.quit();
}
