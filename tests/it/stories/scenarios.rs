//! Every scenario of the lab is told truthfully on the screen.

use crate::driver::LabProcess;
use crate::driver::console::Opening;

/// Opens the console over a lab in that situation and expects rows with these words.
fn told(scenario: &str, rows: &[&[&str]]) {
    let lab = LabProcess::start(scenario);
    let console = Opening::new(["--context", "lab-infra", "--context", "lab-apps"])
        .kubeconfig(&lab.kubeconfig())
        .size(160, 45)
        .open();
    for row in rows {
        console.expect_row(row);
    }
    console.quit();
}

#[test]
fn full_sync() {
    told(
        "full-sync",
        &[
            &["full sync", "dragonfly-system/dragonfly", "1 of 2"],
            &["full sync"],
        ],
    );
}

#[test]
fn no_master() {
    told(
        "no-master",
        &[
            &["no master", "dragonfly-system/gitlab"],
            &["healthy", "harbor/cache"],
        ],
    );
}

#[test]
fn two_masters() {
    told(
        "two-masters",
        &[
            &["several masters", "dragonfly-system/gitlab"],
            &["gitlab-0", "gitlab-2", "both act as master"],
        ],
    );
}

#[test]
fn operator_down() {
    told(
        "operator-down",
        &[
            &["healthy", "dragonfly-system/gitlab", "2 of 2"],
            &["no pod of the operator of lab-infra is ready"],
            &["lab-infra", "operator down", "op 0/2", "no leader"],
        ],
    );
}

#[test]
fn context_unreachable() {
    told(
        "context-unreachable",
        &[
            &["lab-apps", "unreachable"],
            &["healthy", "dragonfly-system/gitlab", "2 of 2"],
        ],
    );
}

#[test]
fn forbidden() {
    told(
        "forbidden",
        &[
            &["may not be asked", "dragonfly-system/gitlab"],
            &["pods/portforward"],
            &["lab-infra", "degraded"],
        ],
    );
}

#[test]
fn slow_api() {
    told(
        "slow-api",
        &[
            &["healthy", "dragonfly-system/gitlab", "2 of 2"],
            &["lab-infra", "1.5s"],
        ],
    );
}

#[test]
fn watch_expired() {
    let lab = LabProcess::start("watch-expired");
    let console = Opening::new(["--context", "lab-infra"])
        .kubeconfig(&lab.kubeconfig())
        .size(160, 45)
        .open();
    console.expect_row(&["healthy", "dragonfly-system/gitlab", "2 of 2"]);
    // What changes after versions have expired is followed all the same.
    console.wait("versions that expire", |_| {
        console.log().matches("lists again").count() > 1
    });
    let path = "/apis/dragonflydb.io/v1alpha1/namespaces/harbor/dragonflies/cache";
    for replicas in [3, 2] {
        lab.api(
            "PATCH",
            path,
            &format!(r#"{{"spec":{{"replicas":{replicas}}}}}"#),
        );
        let nodes = format!("{replicas}/{replicas}");
        console.expect_row(&["healthy", "harbor/cache", &nodes]);
    }
    console.quit();
}

#[test]
fn rights_in_namespaces_only() {
    let lab = LabProcess::start("forbidden-lists");
    let console = Opening::new([
        "--context",
        "lab-infra",
        "-n",
        "harbor",
        "-n",
        "dragonfly-system",
    ])
    .kubeconfig(&lab.kubeconfig())
    .size(160, 45)
    .open();
    console
        .expect_row(&["healthy", "harbor/cache", "1 of 1"])
        .expect_row(&["healthy", "dragonfly-system/gitlab", "2 of 2"])
        .expect_row(&["lab-infra", "degraded"]);
    console.quit();
}

/// The operator comes after the console has shown that there is neither instance nor CRD.
#[test]
fn crd_missing() {
    let lab = LabProcess::start("healthy");
    let console = Opening::new(["--context", "lab-apps"])
        .kubeconfig(&lab.kubeconfig())
        .size(160, 45)
        .open();
    console.expect_row(&["no CRD", "lab-apps", "there can be no instance"]);
    lab.fault("crd-missing");
    console
        .expect_row(&["no CRD", "lab-apps", "its operator is installed"])
        .expect_row(&[
            "operator lab-apps",
            "the CRD dragonflies.dragonflydb.io is not in",
        ]);
    lab.fault("heal");
    console.expect_row(&["no CRD", "lab-apps", "there can be no instance"]);
    console.quit();
}

#[test]
fn scale() {
    told("scale:30", &[&["33 instances"]]);
}
