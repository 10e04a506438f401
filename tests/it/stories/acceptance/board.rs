//! The screen Checks before somebody who breaks one thing after the other: each row turns while the hand is still on the key.

use std::time::Instant;

use serde_json::Value;

use super::SOON;
use super::stack::{DEPLOYMENT, Fleet, OPERATOR, hardened};
use crate::driver::Console;
use crate::driver::console::Opening;

/// What somebody breaks, what the row of it says, and how it is put right.
struct Turn {
    by: &'static [&'static str],
    row: &'static [&'static str],
    back: &'static [&'static str],
}

const SYSTEM: &str = "dragonfly-system";
const EXAMPLES: &str = "docs/examples/infra";

/// Of each way in which something is read there is one.
const TURNS: &[Turn] = &[
    // Followed whenever it is wanted, by namespace.
    Turn {
        by: &["-n", OPERATOR, "delete", "pdb", "dragonfly-operator"],
        row: &[
            "warning",
            "no PodDisruptionBudget selects the pods of the operator",
        ],
        back: &["apply", "--server-side", "-f", "11-operator-budget.yaml"],
    },
    // Followed while it is judged: a cluster's roles,
    Turn {
        by: &["role"],
        row: &["warning", "lacks what"],
        back: &["role"],
    },
    // its classes of volumes,
    Turn {
        by: &[
            "patch",
            "storageclass",
            "standard",
            "-p",
            r#"{"allowVolumeExpansion":false}"#,
        ],
        row: &["note", "volumes of StorageClass standard cannot grow"],
        back: &[
            "patch",
            "storageclass",
            "standard",
            "-p",
            r#"{"allowVolumeExpansion":true}"#,
        ],
    },
    // its machines.
    Turn {
        by: &["zones"],
        row: &["the operator", "zone"],
        back: &["zones"],
    },
    // Kinds of other groups, of the whole cluster.
    Turn {
        by: &[
            "-n",
            SYSTEM,
            "patch",
            "ciliumnetworkpolicy",
            "dragonfly-consumers",
            "--type=json",
            "-p",
            r#"[{"op":"replace","path":"/spec/ingress/0/toPorts/0/ports/0/port","value":"6380"}]"#,
        ],
        row: &["critical", "gitlab"],
        back: &[
            "apply",
            "--server-side",
            "--force-conflicts",
            "-f",
            "30-network-policies.yaml",
        ],
    },
    Turn {
        by: &[
            "-n",
            SYSTEM,
            "patch",
            "podmonitor",
            "dragonfly",
            "--type=merge",
            "-p",
            r#"{"spec":{"selector":{"matchLabels":{"app":"dragonfly-old"}}}}"#,
        ],
        row: &["warning", "no scrape object selects the pods of"],
        back: &[
            "apply",
            "--server-side",
            "--force-conflicts",
            "-f",
            "40-scrape.yaml",
        ],
    },
    Turn {
        by: &[
            "-n",
            OPERATOR,
            "patch",
            "helmrelease",
            "dragonfly-operator",
            "--type=merge",
            "-p",
            r#"{"spec":{"suspend":true}}"#,
        ],
        row: &["warning", "is suspended"],
        back: &[
            "-n",
            OPERATOR,
            "patch",
            "helmrelease",
            "dragonfly-operator",
            "--type=merge",
            "-p",
            r#"{"spec":{"suspend":null}}"#,
        ],
    },
    // A kind that is followed at all times.
    Turn {
        by: &[
            "-n",
            OPERATOR,
            "patch",
            DEPLOYMENT,
            "--field-manager=helm-controller",
            "--type=merge",
            "-p",
            r#"{"spec":{"replicas":1}}"#,
        ],
        row: &["the operator", "has one replica"],
        back: &[
            "-n",
            OPERATOR,
            "patch",
            DEPLOYMENT,
            "--field-manager=helm-controller",
            "--type=merge",
            "-p",
            r#"{"spec":{"replicas":2}}"#,
        ],
    },
    // Secrets, whose metadata alone is read, again and again. It comes back with the same value, and pods that are older.
    Turn {
        by: &["-n", SYSTEM, "delete", "secret", "dragonfly-auth"],
        row: &["dragonfly-auth", "not there"],
        back: &["secret"],
    },
];

#[test]
fn the_row_of_whatever_is_broken_turns_within_five_seconds_and_turns_back() {
    let Some(fleet) = hardened() else { return };
    let settings = std::fs::read_to_string(fleet.home.path().join(".config/darner/settings.toml"));
    let mut console = Opening::new(["--context", "infra", "--context", "apps"])
        .kubeconfig(&fleet.rig.kubeconfig())
        .file(".config/darner/settings.toml", &settings.unwrap())
        .size(190, 60)
        .open();
    console.press(&["9"]);
    let well = |screen: &str| screen.contains(" 0 findings");
    for turn in TURNS {
        console.wait("nothing found", well);
        let begun = Instant::now();
        break_it(&fleet, turn.by);
        console.expect_row(turn.row);
        let took = begun.elapsed();
        assert!(took < SOON, "{:?} was shown after {took:?}", turn.by);
        let begun = Instant::now();
        put_right(&fleet, turn.back);
        gone(&console, turn.row);
        let took = begun.elapsed();
        assert!(took < SOON, "{:?} was shown after {took:?}", turn.back);
    }
    console.quit();
}

/// The zones of the operator's machines, and of the third one.
fn zones(fleet: &Fleet, zones: [&str; 3]) {
    let of = [
        "-n",
        OPERATOR,
        "get",
        "pods",
        "-o",
        "jsonpath={.items[*].spec.nodeName}",
    ];
    let of = fleet.kubectl("infra", &of);
    let all = fleet.kubectl(
        "infra",
        &["get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"],
    );
    let others = all.split(' ').filter(|name| !of.contains(*name));
    for (name, zone) in of.split(' ').chain(others).zip(zones) {
        let zone = format!("topology.kubernetes.io/zone={zone}");
        fleet.kubectl("infra", &["label", "node", name, "--overwrite", &zone]);
    }
}

/// The operator's role that is bound in the whole cluster, without its first rule or with all.
fn role(fleet: &Fleet, is_whole: bool) {
    let file = fleet.home.path().join("role.json");
    if is_whole {
        fleet.kubectl("infra", &["replace", "-f", file.to_str().unwrap()]);
        return;
    }
    let get = ["get", "clusterroles", "-o", "json"];
    let all: Value = serde_json::from_str(&fleet.kubectl("infra", &get)).unwrap();
    let roles = all["items"].as_array().unwrap();
    let manages = |role: &&Value| role["rules"].to_string().contains("dragonflies/finalizers");
    let mut role = roles.iter().find(manages).unwrap().clone();
    let meta = role["metadata"].as_object_mut().unwrap();
    meta.retain(|key, _| key == "name" || key == "labels");
    std::fs::write(&file, role.to_string()).unwrap();
    let name = role["metadata"]["name"].as_str().unwrap();
    let less = r#"[{"op":"remove","path":"/rules/0"}]"#;
    fleet.kubectl(
        "infra",
        &["patch", "clusterrole", name, "--type=json", "-p", less],
    );
}

fn break_it(fleet: &Fleet, by: &[&str]) {
    match by {
        ["zones"] => zones(fleet, ["zone-a", "zone-a", "zone-b"]),
        ["role"] => role(fleet, false),
        by => drop(fleet.kubectl("infra", by)),
    }
}

fn put_right(fleet: &Fleet, back: &[&str]) {
    match back {
        ["zones"] => zones(fleet, ["zone-a", "zone-b", "zone-c"]),
        ["role"] => role(fleet, true),
        ["secret"] => {
            let secret = [
                "create",
                "secret",
                "generic",
                "dragonfly-auth",
                "--from-literal=password=x",
            ];
            fleet.kubectl("infra", &[&["-n", SYSTEM][..], &secret].concat());
        }
        back => {
            let files: Vec<String> = back
                .iter()
                .map(|word| match word.ends_with(".yaml") {
                    true => super::stack::tree(EXAMPLES)
                        .join(word)
                        .display()
                        .to_string(),
                    false => (*word).to_owned(),
                })
                .collect();
            let words: Vec<&str> = files.iter().map(String::as_str).collect();
            fleet.kubectl("infra", &words);
            super::stack::take_up_release(fleet);
        }
    }
}

fn gone(console: &Console, words: &[&str]) {
    console.wait(&format!("the end of {words:?}"), |screen| {
        !screen
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word)))
    });
}
