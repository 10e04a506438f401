//! Looking at the operator and at where data is stored.

use crate::driver::LabProcess;
use crate::driver::console::Opening;

fn open(scenario: &str) -> (LabProcess, crate::driver::Console) {
    let lab = LabProcess::start(scenario);
    let console = Opening::new(["--context", "lab-infra", "--context", "lab-apps"])
        .kubeconfig(&lab.kubeconfig())
        .size(160, 50)
        .open();
    (lab, console)
}

#[test]
fn the_operator_at_work_shows_who_leads_its_rights_and_its_log() {
    let (_lab, mut console) = open("healthy");
    console.expect_row(&["healthy", "dragonfly-system/gitlab", "2 of 2"]);
    console.press(&["5"]);
    console
        .expect_row(&["lab-infra", "2/2", "v1.6.1", "renewed"])
        .expect_row(&["dragonfly-system/gitlab", "nothing"])
        .expect_row(&["rights", "all that v1.6.1 needs"])
        .expect_row(&["CRD", "of the operator's version"])
        .expect("successfully acquired lease");
    console.quit();
}

#[test]
fn without_an_operator_nobody_leads_and_what_instances_wait_for_is_said() {
    let (_lab, mut console) = open("operator-down");
    console.expect_row(&["dragonfly-system/gitlab"]);
    console.press(&["5"]);
    console
        .expect_row(&["lab-infra", "0/2", "nobody", "not renewed"])
        .expect_row(&["dragonfly-system/gitlab", "operator", "a pod of it"])
        .expect("CrashLoopBackOff");
    console.quit();
}

#[test]
fn storage_shows_how_full_every_volume_is_and_goes_to_the_instance() {
    let (_lab, mut console) = open("healthy");
    console.expect_row(&["healthy", "dragonfly-system/gitlab", "2 of 2"]);
    console.press(&["4"]);
    console
        .expect_row(&["dragonfly-system/dragonfly", "dragonfly-0", "bound", "%"])
        .expect("measured by its kubelet")
        .expect("which lets volumes grow");
    console.press(&["enter"]).expect("Topology");
    console.quit();
}
