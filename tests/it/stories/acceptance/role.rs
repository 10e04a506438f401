//! What is published as `docs/rbac/check.yaml`, before real API servers and their audit logs: beside *see* it is enough for all
//! that acceptance reads, by the command and on the screen, and each right in it is used.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use super::stack::{Fleet, hardened, tree};
use crate::driver::accounts::{Account, Accounts, Made, Requests, Role};
use crate::driver::console::Opening;
use crate::driver::{PATIENCE, binary};

#[test]
fn the_role_of_acceptance_is_enough_and_each_right_in_it_is_used() {
    let Some(fleet) = hardened() else { return };
    // A kind that the examples do without.
    let of_all = r#"{"spec":{"secretStoreRef":{"kind":"ClusterSecretStore","name":"vault"}}}"#;
    let patch = [
        "patch",
        "externalsecret",
        "billing-acl",
        "--type=merge",
        "-p",
        of_all,
    ];
    fleet.kubectl("infra", &[&["-n", "tenant-billing"][..], &patch].concat());

    let folder = tempfile::tempdir().unwrap();
    let planes = [
        (
            "infra",
            &["dragonfly-system", "tenant-billing", "kube-system"][..],
        ),
        ("apps", &["kube-system"]),
    ];
    let accounts: Vec<Accounts<'_>> = planes
        .iter()
        .map(|(plane, secrets)| {
            let own = folder.path().join(plane);
            std::fs::create_dir(&own).unwrap();
            account(&fleet, plane, secrets, &own)
        })
        .collect();
    let kubeconfig: Vec<String> = accounts
        .iter()
        .map(|accounts| accounts.kubeconfig("check").display().to_string())
        .collect();
    let kubeconfig = kubeconfig.join(":");

    let output = Command::new(binary())
        .args(["check", "--context", "infra", "--context", "apps"])
        .args(["-o", "json", "--deadline", "50s"])
        .env("HOME", fleet.home.path())
        .env("KUBECONFIG", &kubeconfig)
        .env_remove("XDG_CONFIG_HOME")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["complete"], true, "{report:#}");
    let told: Vec<Requests> = accounts.iter().map(told).collect();
    refused_nothing(&told);
    let published: BTreeSet<String> = rights(&fleet);
    let once: BTreeSet<&String> = published
        .iter()
        .filter(|right| !right.starts_with("watch "))
        .collect();
    let used = used(&told);
    let idle: Vec<_> = once
        .iter()
        .filter(|right| !used.contains(**right))
        .collect();
    assert!(idle.is_empty(), "the command needs none of {idle:?}");

    let settings = fleet.home.path().join(".config/darner/settings.toml");
    let mut console = Opening::new(["--context", "infra", "--context", "apps"])
        .env("KUBECONFIG", &kubeconfig)
        .file(
            ".config/darner/settings.toml",
            &std::fs::read_to_string(settings).unwrap(),
        )
        .size(190, 60)
        .open();
    console.press(&["9"]).expect("Checks by area");
    let begun = Instant::now();
    loop {
        let told: Vec<Requests> = accounts.iter().map(self::told).collect();
        let used = self::used(&told);
        let idle: Vec<_> = published.difference(&used).collect();
        if idle.is_empty() {
            refused_nothing(&told);
            break;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "the screen needs none of {idle:?}"
        );
    }
    console.quit();
}

/// An account with *see* and what is published for acceptance.
fn account<'a>(
    fleet: &'a Fleet,
    plane: &'static str,
    secrets: &[&str],
    folder: &std::path::Path,
) -> Accounts<'a> {
    for file in ["see", "volumes", "operator", "check"] {
        let file = tree(&format!("docs/rbac/{file}.yaml"));
        fleet.kubectl(plane, &["apply", "-f", file.to_str().unwrap()]);
    }
    let read = |name: &str, within: Option<&str>| Role::read(&fleet.rig, plane, name, within);
    let mut roles = vec![
        read("darner-see", None),
        read("darner-volumes", None),
        read("darner-check", None),
    ];
    roles.extend(
        secrets
            .iter()
            .map(|home| read("darner-secrets", Some(home))),
    );
    let account = Account {
        name: "check".to_owned(),
        roles: roles
            .into_iter()
            .map(|role| (role, Made::Already))
            .collect(),
    };
    Accounts::make(&fleet.rig, plane, folder, &[account])
}

/// Every right in what is published for acceptance, but for that to a store of metrics, which is not here.
fn rights(fleet: &Fleet) -> BTreeSet<String> {
    ["darner-check", "darner-secrets"]
        .into_iter()
        .flat_map(|name| Role::read(&fleet.rig, "infra", name, None).rights)
        .map(|right| right.to_string())
        .collect()
}

fn told(accounts: &Accounts<'_>) -> Requests {
    accounts.requests().remove("check").unwrap_or_default()
}

fn used(told: &[Requests]) -> BTreeSet<String> {
    told.iter().flat_map(Requests::rights).collect()
}

fn refused_nothing(told: &[Requests]) {
    for one in told {
        assert!(one.refused.is_empty(), "refused was {:?}", one.refused);
        assert!(one.writes.is_empty(), "{:?}", one.writes);
    }
}
