//! Looking at the fleet and into an instance.

use crate::driver::console::Opening;
use crate::driver::{Console, LabProcess};

fn open(lab: &LabProcess) -> Console {
    Opening::new(["--context", "lab-infra", "--context", "lab-apps"])
        .kubeconfig(&lab.kubeconfig())
        .open()
}

#[test]
fn the_fleet_shows_every_instance_of_every_context_live() {
    let lab = LabProcess::start("healthy");
    let console = open(&lab);
    console
        .expect_row(&[
            "healthy",
            "dragonfly-system/dragonfly",
            "dragonfly-",
            "3/3",
            "2 of 2",
        ])
        .expect_row(&["healthy", "dragonfly-system/gitlab", "3/3", "2 of 2"])
        .expect_row(&["healthy", "harbor/cache", "2/2", "1 of 1"])
        .expect_row(&["lab-infra", "lab-apps", "ms"]);
    console.quit();
}

#[test]
fn an_instance_opens_and_esc_goes_back() {
    let lab = LabProcess::start("healthy");
    let mut console = open(&lab);
    console.expect_row(&["harbor/cache", "1 of 1"]);
    console
        .press(&["/", "h", "a", "r", "b", "o", "r", "enter"])
        .expect_gone("dragonfly-system/gitlab");
    console
        .press(&["enter"])
        .expect_all(&["cache-0", "cache-1"])
        .expect_row(&["cache-0", "master"]);
    console
        .press(&["esc"])
        .expect_gone("Topology")
        .expect_row(&["harbor/cache", "healthy"]);
    console.quit();
}

#[test]
fn the_console_opens_at_a_node_that_is_named() {
    let lab = LabProcess::start("healthy");
    let console = Opening::new([
        "--context",
        "lab-infra",
        "--context",
        "lab-apps",
        "gitlab-1",
    ])
    .kubeconfig(&lab.kubeconfig())
    .open();
    console
        .expect_row(&["lab-infra", "dragonfly-system/gitlab"])
        .expect_all(&["Topology", "gitlab-0", "gitlab-1", "gitlab-2"]);
    console.quit();
}

#[test]
fn the_filter_is_cleared_by_esc_and_quitting_is_asked_at_the_root() {
    let lab = LabProcess::start("healthy");
    let mut console = open(&lab);
    console.expect_row(&["harbor/cache", "1 of 1"]);
    console
        .press(&["/", "z", "z", "z"])
        .expect_gone("harbor/cache");
    console.press(&["esc"]).expect("harbor/cache");
    console.press(&["q"]).wait("a question", |screen| {
        screen.to_lowercase().contains("quit")
    });
    console.press(&["esc"]).expect("harbor/cache");
    console.press(&["q"]).wait("a question", |screen| {
        screen.to_lowercase().contains("quit")
    });
    console.press(&["y"]);
    assert!(console.ended().success());
    assert!(console.terminal_is_restored());
}

#[test]
fn help_shows_the_keys_in_force_and_the_palette_finds_an_instance() {
    let lab = LabProcess::start("healthy");
    let mut console = open(&lab);
    console.expect_row(&["harbor/cache", "1 of 1"]);
    console.press(&["?"]).expect_row(&[":", "Palette"]);
    console.press(&["esc"]).expect_gone("Keys that work here");
    console.press(&[":"]);
    console
        .press(&["g", "i", "t", "l", "a", "b"])
        .expect_row(&["gitlab"]);
    console
        .press(&["enter"])
        .expect_all(&["gitlab-0", "gitlab-1", "gitlab-2"]);
    console.quit();
}

#[test]
fn a_fault_is_told_and_healing_is_told_too() {
    let lab = LabProcess::start("healthy");
    let console = open(&lab);
    console.expect_row(&["healthy", "dragonfly-system/gitlab", "2 of 2"]);
    lab.fault("two-masters");
    console.expect_row(&["several masters", "dragonfly-system/gitlab"]);
    lab.fault("heal");
    console.expect_row(&["healthy", "dragonfly-system/gitlab", "2 of 2"]);
    console.quit();
}

#[test]
fn a_cluster_that_dies_becomes_a_row_state_and_its_rows_are_no_longer_live() {
    let mut lab = LabProcess::start("healthy");
    let mut console = open(&lab);
    console.expect_row(&["healthy", "dragonfly-system/gitlab", "2 of 2"]);
    lab.kill();
    console
        // How much of its name has room depends on the figures beside it.
        .expect_row(&["unreachable", "gitlab"])
        .expect("unreachable");
    // Keys are answered as before.
    console.press(&["?"]).expect("Keys that work here");
    console
        .press(&["esc"])
        .expect_gone("Keys that work here")
        .expect_row(&["unreachable", "gitlab"]);
    console.quit();
}

#[test]
fn a_cluster_that_is_made_anew_is_found_where_the_kubeconfig_has_it_now() {
    let mut lab = LabProcess::start("healthy");
    let file = lab.folder().join("mine");
    std::fs::copy(lab.kubeconfig(), &file).unwrap();
    let console = Opening::new(["--context", "lab-infra"])
        .kubeconfig(&file)
        .open();
    console.expect_row(&["healthy", "dragonfly-system/gitlab", "2 of 2"]);
    lab.kill();
    console.expect_row(&["unreachable", "gitlab"]);
    let next = LabProcess::seeded("two-masters", 2);
    std::fs::copy(next.kubeconfig(), &file).unwrap();
    console.expect_row(&["several masters", "dragonfly-system/gitlab"]);
    console.quit();
}

#[test]
fn two_consoles_look_at_the_same_lab() {
    let lab = LabProcess::start("healthy");
    let one = open(&lab);
    let other = open(&lab);
    one.expect_row(&["healthy", "dragonfly-system/gitlab", "2 of 2"]);
    other.expect_row(&["healthy", "dragonfly-system/gitlab", "2 of 2"]);
    one.quit();
    other.quit();
}

#[test]
fn two_contexts_of_one_cluster_are_shown_once_and_named() {
    let lab = LabProcess::start("healthy");
    let text = std::fs::read_to_string(lab.kubeconfig()).unwrap();
    // The second name for the same cluster, as a colleague's kubeconfig would bring it.
    let twin = lab.folder().join("twin");
    std::fs::write(
        &twin,
        text.replace("name: lab-infra", "name: again")
            .replace("name: lab-apps", "name: other"),
    )
    .unwrap();
    let both = format!("{}:{}", lab.kubeconfig().display(), twin.display());
    let console = Opening::new(["--context", "lab-infra", "--context", "again"])
        .env("KUBECONFIG", both)
        .open();
    console
        .expect_row(&["healthy", "dragonfly-system/gitlab", "2 of 2"])
        .expect("same cluster");
    console.wait("one row of gitlab", |screen| {
        screen.matches("dragonfly-system/gitlab").count() == 1
    });
    console.quit();
}
