//! What reading the replies of engines costs: the pure rooms alone, over recorded replies. `cargo bench --bench parse`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use darner::domain::engine::Question;
use darner::wire::{self, Reply};

fn recorded(path: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/engine");
    String::from_utf8(std::fs::read(folder.join(path)).unwrap()).unwrap()
}

/// Microseconds of one call: median and 99th percentile of many batches.
fn measured(what: &str, bytes: usize, act: &mut dyn FnMut()) {
    const BATCH: u32 = 20;
    for _ in 0..200 {
        act();
    }
    let mut took: Vec<f64> = (0..500)
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..BATCH {
                act();
            }
            begun.elapsed().as_secs_f64() * 1e6 / f64::from(BATCH)
        })
        .collect();
    took.sort_by(f64::total_cmp);
    println!(
        "{what} ({bytes} bytes): median {:.1} us, p99 {:.1} us",
        took[took.len() / 2],
        took[took.len() * 99 / 100]
    );
}

fn main() {
    for (what, path) in [
        ("INFO ALL of a master, v1.39", "healthy/a/info-all.txt"),
        (
            "INFO ALL of a master, v1.40",
            "healthy-v1.40/a/info-all.txt",
        ),
        (
            "INFO ALL of a replica with errors",
            "master-dead/b/info-all.txt",
        ),
    ] {
        let text = recorded(path);
        measured(what, text.len(), &mut || {
            black_box(wire::sections(black_box(&text)).unwrap());
        });
    }
    let replication = recorded("healthy/c/info-replication.txt");
    let reply = Reply::Text(replication.clone().into_bytes());
    measured(
        "INFO REPLICATION, as one answer",
        replication.len(),
        &mut || {
            black_box(
                wire::answer(Question::Replication, black_box(&reply), Duration::ZERO).unwrap(),
            );
        },
    );
    let page = recorded("healthy/a/metrics.http");
    measured("/metrics of a master", page.len(), &mut || {
        black_box(wire::metrics(black_box(&page)).unwrap());
    });
    let line = "id=65 addr=10.0.7.3:58058 laddr=10.0.0.1:6379 fd=18 name=65 tid=0 irqmatch=1 age=3 idle=0 tot-cmds=1337 \
                tot-net-in=47238 tot-read-calls=1338 tot-dispatches=0 db=0 phase=readsock lib-name=jedis lib-ver=5.1.0\n";
    let list: String = (0..1_000)
        .map(|n| line.replace("10.0.7.3", &format!("10.0.{}.{}", n % 4, n % 50)))
        .collect();
    measured("CLIENT LIST of 1,000 clients", list.len(), &mut || {
        black_box(wire::client_list(black_box(&list)).unwrap());
    });
}
