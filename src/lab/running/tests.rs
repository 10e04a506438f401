#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

/// Serves a lab for trying clients by hand: `DARNER_LAB_SERVE=/tmp/kubeconfig cargo test --lib serve_by_hand -- --nocapture`,
/// with `DARNER_LAB_SCENARIO` if wanted. Without the variable there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_by_hand() {
    let Ok(path) = std::env::var("DARNER_LAB_SERVE") else {
        return;
    };
    let scenario = std::env::var("DARNER_LAB_SCENARIO").unwrap_or_else(|_| "healthy".into());
    let began = std::time::Instant::now();
    let lab = Lab::start(LabOptions {
        scenario,
        ..LabOptions::default()
    })
    .await
    .unwrap();
    std::fs::write(&path, lab.kubeconfig()).unwrap();
    let control = lab
        .serve_control(&std::path::Path::new(&path).with_extension("lab"))
        .await
        .unwrap();
    println!(
        "up after {:?}; {} {}",
        began.elapsed(),
        path,
        control.file().display()
    );
    lab.ended().await;
}
