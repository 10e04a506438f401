//! The promises that a person feels, measured on the real binary in a pseudo-terminal, the clusters served by other
//! processes: first frame, first complete row, key to frame, event to cell, frames and processor time when idle, memory.
//!
//! `cargo bench` prints one line a figure; `cargo bench -- --quick` takes fewer samples. What is measured is the
//! console; what it looks at is the lab, a simulation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../tests/it/driver/mod.rs"]
#[allow(dead_code, unused_imports)]
mod driver;

use std::time::{Duration, Instant};

use driver::console::{Console, Opening};
use driver::lab::LabProcess;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let samples = if quick { 5 } else { 30 };
    println!(
        "darner {}, {} samples a figure unless said otherwise",
        env!("CARGO_PKG_VERSION"),
        samples
    );
    println!("machine: {}", machine());
    start_up(samples);
    idle_and_memory(if quick { 10 } else { 60 });
    many_contexts(if quick { 2 } else { 20 }, if quick { 10 } else { 200 });
}

/// First frame, and first complete row, from the start of the process.
fn start_up(samples: usize) {
    let lab = LabProcess::start("healthy");
    // The lab itself needs a moment until its operator has made everything.
    open(&lab).expect_row(&["healthy", "harbor/cache", "1 of 1"]);
    let mut frame = Vec::new();
    let mut row = Vec::new();
    for _ in 0..samples {
        let begun = Instant::now();
        let console = open(&lab);
        console.wait("a first frame", |screen| screen.contains("Fleet"));
        frame.push(begun.elapsed());
        console.expect_row(&["healthy", "harbor/cache", "1 of 1"]);
        row.push(begun.elapsed());
    }
    print("start to first frame", &mut frame);
    print("start to first complete row, engines asked", &mut row);
}

/// Two contexts of twenty instances of three pods: memory, frames and processor time while nothing happens.
fn idle_and_memory(seconds: u64) {
    let labs = [
        LabProcess::seeded("scale:17", 1),
        LabProcess::seeded("scale:17", 2),
    ];
    let (_folder, kubeconfig, names) = merged(&labs);
    let console = Opening::new(
        names
            .iter()
            .flat_map(|name| ["--context".to_owned(), name.clone()]),
    )
    .kubeconfig(&kubeconfig)
    .size(200, 60)
    .open();
    console.wait("forty instances", |screen| screen.contains("40 instances"));
    console.wait("nothing unknown", |screen| {
        !screen.contains("unknown") && !screen.contains("syncing")
    });
    let pid = console.pid();
    let first = resident(pid);
    let (frames, cpu, begun) = (frames(&console), processor(pid), Instant::now());
    while begun.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_millis(500));
    }
    let took = begun.elapsed().as_secs_f64();
    println!(
        "2 contexts x 20 instances x 3 pods: resident {:.1} MiB when complete, {:.1} MiB after {took:.0} s",
        first as f64 / 1024.0,
        resident(pid) as f64 / 1024.0
    );
    println!(
        "the same while nothing is pressed: {:.2} frames/s, {:.2} % of one core",
        (self::frames(&console) - frames) as f64 / took,
        (processor(pid) - cpu) / took * 100.0
    );
}

/// An object made in one of many contexts, until its row is on the screen; and a key, while that goes on.
fn many_contexts(contexts: usize, events: usize) {
    // 34 instances of three pods each, so that twenty contexts have some two thousand pods.
    let labs: Vec<LabProcess> = (1..=contexts)
        .map(|seed| LabProcess::seeded("scale:31", seed as u64))
        .collect();
    for lab in &labs {
        lab.api(
            "POST",
            "/api/v1/namespaces",
            r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"bench"}}"#,
        );
    }
    let (_folder, kubeconfig, names) = merged(&labs);
    let mut console = Opening::new(
        names
            .iter()
            .flat_map(|name| ["--context".to_owned(), name.clone()]),
    )
    .kubeconfig(&kubeconfig)
    .size(200, 60)
    .open();
    let wanted = format!("{} instances", contexts * 34);
    console.wait(&wanted, |screen| screen.contains(&wanted));
    console.press(&["/", "b", "e", "n", "c", "h", "-", "enter"]);
    console.wait("an empty table", |screen| {
        !screen.contains("dragonfly-system/gitlab")
    });

    let mut made = Vec::new();
    for i in 0..events {
        let lab = &labs[i % labs.len()];
        let name = format!("bench-{i}");
        // The clock starts when the API server has taken the object: what follows is ours.
        lab.api(
            "POST",
            "/apis/dragonflydb.io/v1alpha1/namespaces/bench/dragonflies",
            &dragonfly(&name),
        );
        let begun = Instant::now();
        console.wait(&name, |screen| screen.contains(&name));
        made.push(begun.elapsed());
        lab.api(
            "DELETE",
            &format!("/apis/dragonflydb.io/v1alpha1/namespaces/bench/dragonflies/{name}"),
            "",
        );
    }
    print(
        &format!(
            "object made to row on screen, {contexts} contexts, {} pods",
            contexts * 101
        ),
        &mut made,
    );

    let stop = std::sync::atomic::AtomicBool::new(false);
    let mut keys = Vec::new();
    let mut sent = 0;
    std::thread::scope(|scope| {
        let storm = scope.spawn(|| {
            let mut sent = 0_u64;
            let begun = Instant::now();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let lab = &labs[sent as usize % labs.len()];
                let patch = format!(r#"{{"metadata":{{"annotations":{{"bench":"{sent}"}}}}}}"#);
                lab.api(
                    "PATCH",
                    "/apis/dragonflydb.io/v1alpha1/namespaces/harbor/dragonflies/cache",
                    &patch,
                );
                sent += 1;
                // Paced to five hundred a second, as the promise says.
                let due = Duration::from_micros(2_000 * sent);
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
            }
            (sent, begun.elapsed())
        });
        for _ in 0..events {
            for (key, appears) in [("?", true), ("esc", false)] {
                let begun = Instant::now();
                console.press(&[key]);
                console.wait("the help", |screen| screen.contains("Keys") == appears);
                keys.push(begun.elapsed());
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let (count, took) = storm.join().unwrap();
        sent = (count as f64 / took.as_secs_f64()) as u64;
    });
    print(
        &format!("key to frame while {sent} events/s arrive"),
        &mut keys,
    );
    println!(
        "resident with {contexts} contexts, {} pods: {:.1} MiB",
        contexts * 101,
        resident(console.pid()) as f64 / 1024.0
    );
}

fn dragonfly(name: &str) -> String {
    format!(
        r#"{{"apiVersion":"dragonflydb.io/v1alpha1","kind":"Dragonfly","metadata":{{"name":"{name}","namespace":"bench"}},"spec":{{"replicas":0}}}}"#
    )
}

fn open(lab: &LabProcess) -> Console {
    Opening::new(["--context", "lab-infra", "--context", "lab-apps"])
        .kubeconfig(&lab.kubeconfig())
        .open()
}

/// One kubeconfig with the infra context of every lab, each under a name of its own.
fn merged(labs: &[LabProcess]) -> (tempfile::TempDir, std::path::PathBuf, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("apiVersion: v1\nkind: Config\nclusters:\n");
    for (i, lab) in labs.iter().enumerate() {
        text.push_str(&format!(
            "- name: c{i}\n  cluster: {{server: '{}'}}\n",
            lab.server()
        ));
    }
    text.push_str("users:\n- name: u\n  user: {}\ncontexts:\n");
    let names: Vec<String> = (0..labs.len()).map(|i| format!("ctx-{i:02}")).collect();
    for (i, name) in names.iter().enumerate() {
        text.push_str(&format!(
            "- name: {name}\n  context: {{cluster: c{i}, user: u}}\n"
        ));
    }
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, text).unwrap();
    (folder, path, names)
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |share: f64| {
        times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1_000.0
    };
    println!(
        "{what}: median {:.1} ms, p99 {:.1} ms, min {:.1}, max {:.1} (n={})",
        at(0.5),
        at(0.99),
        at(0.0),
        at(1.0),
        times.len()
    );
}

/// Frames so far: each is one synchronised update.
fn frames(console: &Console) -> usize {
    console
        .bytes()
        .windows(8)
        .filter(|window| window == b"\x1b[?2026l")
        .count()
}

/// Resident memory, KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time so far, seconds.
fn processor(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("unknown");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} x {}", cores, model.trim_start_matches([' ', '\t', ':']))
}
