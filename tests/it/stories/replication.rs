//! Looking at replication, at who uses an instance, and at what changed in it.

use crate::driver::console::Opening;
use crate::driver::{Console, LabProcess};

/// The console on an instance of a lab in that situation.
fn open(scenario: &str, instance: &str) -> (LabProcess, Console) {
    let lab = LabProcess::start(scenario);
    let console = Opening::new(["--context", "lab-infra", "--context", "lab-apps", instance])
        .kubeconfig(&lab.kubeconfig())
        .size(160, 50)
        .open();
    console.expect("─ Topology");
    (lab, console)
}

#[test]
fn the_links_of_a_healthy_instance_are_told_by_both_ends() {
    let (_lab, mut console) = open("healthy", "dragonfly-system/dragonfly");
    console.press(&["3"]);
    console
        .expect_row(&["dragonfly-1", "online", "stable sync", "dragonfly-0"])
        .expect_row(&["dragonfly-2", "online", "stable sync", "dragonfly-0"])
        .expect("2 of 2 in sync")
        .expect("one data set")
        .expect_row(&["dragonfly-0", "master", "wants a password"]);
    console.press(&["i", "c"]);
    console
        .expect_row(&["dragonfly-1", "the same"])
        .expect_row(&["dragonfly-2", "the same"]);
    console.quit();
}

#[test]
fn a_full_sync_shows_how_far_it_has_come() {
    let (_lab, mut console) = open("full-sync", "dragonfly-system/dragonfly");
    console.press(&["3"]);
    console
        .expect_row(&["dragonfly-2", "full sync"])
        .expect_row(&["% of the master's keys", "keys/s"]);
    console.quit();
}

#[test]
fn replication_that_stopped_for_good_is_named() {
    let (_lab, mut console) = open("replication-stopped", "dragonfly-system/dragonfly");
    console.press(&["3"]);
    console
        .expect_row(&["dragonfly-1", "stopped", "preparation", "stopped for good"])
        .expect("0 of 2 in sync");
    console.quit();
}

#[test]
fn a_frozen_master_says_nothing_though_its_replicas_call_the_link_stable() {
    let (_lab, mut console) = open("frozen-master", "dragonfly-system/dragonfly");
    console.press(&["3"]);
    console.expect_row(&[
        "dragonfly-1",
        "not told by the master",
        "nothing",
        "stable sync",
    ]);
    console.quit();
}

#[test]
fn consumers_of_the_other_cluster_are_named_and_a_slow_command_shows_no_value() {
    let (_lab, mut console) = open("healthy", "dragonfly-system/dragonfly");
    console.press(&["g", "u"]);
    console
        .expect_row(&["shop/orders-api", "lab-apps", "dragonfly-0", "9", "served"])
        .expect_row(&["billing/invoice-worker", "lab-infra", "dragonfly-0"]);
    console.press(&["l"]).expect("Slow log");
    console.press(&["l"]);
    console
        .expect_row(&[
            "dragonfly-0",
            "has sent much ahead",
            "billing/invoice-worker",
        ])
        .expect_row(&["dragonfly-0", "all buffers"]);
    console.quit();
}

#[test]
fn clients_of_the_wrong_master_are_told_that_they_are() {
    let (_lab, mut console) = open("split-brain", "dragonfly-system/gitlab");
    console.press(&["g", "u"]);
    console.expect_row(&["gitlab/gitlab-webservice", "on one of several masters"]);
    console.press(&["3"]);
    console.expect("2 data sets");
    console.quit();
}

#[test]
fn a_change_of_roles_is_in_the_history_on_both_screens() {
    let (_lab, mut console) = open("stale-master", "dragonfly-system/dragonfly");
    console.press(&["t"]);
    console
        .expect_row(&["exactly", "the operator says: Updated master instance"])
        .expect_row(&["exactly", "dragonfly-0", "its process started again"]);
    console.press(&["3", "t"]);
    console.expect_row(&["exactly", "the operator says: Updated master instance"]);
    console.quit();
}
