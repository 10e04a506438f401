//! The README's picture comes from the program. `DARNER_PICTURE=1 cargo test picture` takes it anew.

use crate::driver::LabProcess;
use crate::driver::console::Opening;

#[test]
fn the_picture_of_the_readme_is_taken_from_the_program() {
    let lab = LabProcess::start("two-masters");
    let console = Opening::new(["--context", "lab-infra", "--context", "lab-apps"])
        .kubeconfig(&lab.kubeconfig())
        .size(132, 24)
        .open();
    console
        .expect_row(&["several masters", "dragonfly-system/gitlab"])
        .expect_row(&["healthy", "dragonfly-system/dragonfly", "2 of 2"])
        .expect_row(&["healthy", "harbor/cache", "1 of 1"])
        .expect_row(&["✖", "gitlab", "both act as master"]);
    // Not the first moment, in which there is no rate and no age yet.
    console.wait("answers that have become figures", |screen| {
        let row = |name: &str| {
            screen
                .lines()
                .find(|line| line.contains(name))
                .unwrap_or("")
        };
        let moves = |name| row(name).split_whitespace().all(|word| word != "0");
        !screen.contains("asked yet")
            && !screen.contains(">0s")
            && moves("harbor/cache")
            && moves("dragonfly-system/dragonfly")
    });
    let svg = console.picture();
    assert!(svg.contains("dragonfly-system/gitlab") && svg.ends_with("</svg>\n"));
    if std::env::var_os("DARNER_PICTURE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fleet.svg"), svg).unwrap();
    }
    console.quit();
}
