//! The same console over a real API server. There are no engines behind these pods, and no kubelet: what only they could
//! tell must be *unknown*, and everything else must be followed truthfully.

use crate::driver::Rig;
use crate::driver::console::{Console, Opening};

fn open(rig: &Rig, context: &str) -> Console {
    Opening::new(["--context", context])
        .kubeconfig(&rig.kubeconfig())
        .size(160, 45)
        .open()
}

#[test]
fn objects_of_a_real_api_server_are_followed_through_edits_deletes_and_restarts() {
    let Some(rig) = Rig::up(true) else { return };
    rig.put(&[
        "operator",
        "dragonfly-system/dragonfly:3+pvc",
        "harbor/cache:2",
    ]);
    let mut console = open(&rig, "rig");
    console
        .expect_row(&[
            "not heard",
            "dragonfly-system/dragonfly",
            "dragonfly-0",
            "3/3",
        ])
        .expect_row(&["not heard", "harbor/cache", "cache-0", "2/2"])
        .expect_row(&["rig", "ms", "v1.6.1"]);

    // An edit, a role that moves, a new object, a deletion: each as kubectl makes it.
    rig.kubectl(&[
        "patch",
        "dragonfly",
        "cache",
        "-n",
        "harbor",
        "--type=merge",
        "-p",
        r#"{"spec":{"replicas":3}}"#,
    ]);
    console.expect_row(&["harbor/cache", "2/3"]);
    rig.kubectl(&[
        "label",
        "pod",
        "cache-0",
        "-n",
        "harbor",
        "role=replica",
        "--overwrite",
    ]);
    rig.kubectl(&[
        "label",
        "pod",
        "cache-1",
        "-n",
        "harbor",
        "role=master",
        "--overwrite",
    ]);
    console.expect_row(&["harbor/cache", "cache-1"]);
    rig.put(&["late/arrival:2"]);
    console.expect_row(&["late/arrival", "2/2"]);
    rig.kubectl(&["delete", "dragonfly", "arrival", "-n", "late"]);
    console.expect_gone("late/arrival");

    // The API server dies: nothing is passed off as live. It comes back: what changed meanwhile is there.
    rig.apiserver("kill");
    console
        .expect_row(&["rig", "unreachable"])
        .expect_row(&["unreachable", "harbor/cache"]);
    rig.apiserver("start");
    console.expect_row(&["rig", "ms"]);
    rig.kubectl(&[
        "patch",
        "dragonfly",
        "cache",
        "-n",
        "harbor",
        "--type=merge",
        "-p",
        r#"{"spec":{"replicas":2}}"#,
    ]);
    console.expect_row(&["harbor/cache", "2/2"]);

    // It hangs with its connections open: told within the heartbeat, and thawing is enough to go on.
    rig.apiserver("freeze");
    console.expect_row(&["rig", "unreachable"]);
    rig.apiserver("thaw");
    rig.kubectl(&["delete", "dragonfly", "cache", "-n", "harbor"]);
    console
        .expect_gone("harbor/cache")
        .expect_row(&["dragonfly-system/dragonfly"]);

    // Inside an instance everything that objects tell is there.
    console
        .press(&["enter"])
        .expect_all(&["dragonfly-0", "dragonfly-1", "dragonfly-2"]);
    console.quit();
}

#[test]
fn versions_forgotten_by_a_real_api_server_lose_nothing() {
    let Some(rig) = Rig::up(true) else { return };
    rig.put(&["harbor/cache:2"]);
    let console = open(&rig, "rig");
    console.expect_row(&["harbor/cache", "2/2"]);
    rig.apiserver("compact");
    rig.apiserver("restart");
    rig.kubectl(&[
        "patch",
        "dragonfly",
        "cache",
        "-n",
        "harbor",
        "--type=merge",
        "-p",
        r#"{"spec":{"replicas":5}}"#,
    ]);
    console.expect_row(&["harbor/cache", "2/5"]);
    console.quit();
}

#[test]
fn a_real_cluster_without_the_crd_is_told_and_its_arrival_is_noticed() {
    let Some(rig) = Rig::up(false) else { return };
    let console = open(&rig, "rig");
    console
        .expect_row(&["rig", "ms"])
        .wait("a word about the CRD", |screen| screen.contains("CRD"));
    let crd = std::process::Command::new(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/crd"),
    )
    .output()
    .unwrap();
    let path = String::from_utf8(crd.stdout).unwrap();
    rig.kubectl(&["create", "-f", path.trim()]);
    rig.kubectl_once_it_works(&["get", "dragonflies", "-A"]);
    rig.put(&["harbor/cache:2"]);
    console.expect_row(&["harbor/cache", "2/2"]);
    console.quit();
}

#[test]
fn rights_in_one_namespace_are_enough_for_it_and_the_rest_is_told() {
    let Some(rig) = Rig::up(true) else { return };
    rig.put(&["dragonfly-system/dragonfly:3", "harbor/cache:2"]);
    let console = Opening::new(["--context", "rig-limited", "-n", "dragonfly-system"])
        .kubeconfig(&rig.kubeconfig())
        .size(160, 45)
        .open();
    console.expect_row(&["dragonfly-system/dragonfly", "3/3"]);
    console.wait("what is missing", |screen| {
        screen.contains("degraded") && !screen.contains("harbor/cache")
    });
    console.quit();
}
