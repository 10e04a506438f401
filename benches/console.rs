//! The promises that a person feels, measured on the real binary in a pseudo-terminal, the clusters served by other
//! processes: first frame, first complete row, key to frame, event to cell, frames and processor time when idle, memory.
//!
//! `cargo bench --bench console` prints one line a figure; `-- --quick` takes fewer samples; `-- start`, `-- idle`, `-- fleet`
//! and `-- many` each measure a part; `-- idle --show` prints the lines that each idle frame changed. What is measured is the console; what it looks at is the lab, a simulation. The labs
//! run on the same cores: what they and the console take of them is printed beside the figure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../tests/it/driver/mod.rs"]
#[allow(dead_code, unused_imports)]
mod driver;
#[path = "measure.rs"]
mod measure;

use std::time::{Duration, Instant};

use driver::console::{Console, Opening};
use driver::lab::LabProcess;
use measure::{load, machine, processor, resident};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let quick = args.iter().any(|arg| arg == "--quick");
    let parts: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| *wanted == part);
    let samples = if quick { 5 } else { 30 };
    println!(
        "darner {}, {} samples a figure unless said otherwise",
        env!("CARGO_PKG_VERSION"),
        samples
    );
    println!("machine: {}, load {}", machine(), load());
    if wanted("start") {
        start_up(samples);
    }
    if wanted("idle") {
        let show = args.iter().any(|arg| arg == "--show");
        idle_and_memory(if quick { 10 } else { 60 }, show);
    }
    if wanted("fleet") {
        one_fleet(if quick { 10 } else { 60 });
    }
    if wanted("many") {
        many_contexts(if quick { 2 } else { 20 }, if quick { 10 } else { 200 });
    }
    println!("load at the end {}", load());
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
fn idle_and_memory(seconds: u64, show: bool) {
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
    let (seen, cpu, begun) = (console.bytes().len(), processor(pid), Instant::now());
    while begun.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_millis(500));
    }
    let took = begun.elapsed().as_secs_f64();
    println!(
        "2 contexts x 20 instances x 3 pods: resident {:.1} MiB when complete, {:.1} MiB after {took:.0} s",
        first,
        resident(pid)
    );
    let cpu = processor(pid) - cpu;
    let frames = frames(&console.bytes(), seen, (60, 200), show);
    println!(
        "the same while nothing is pressed: {:.2} frames/s in which a cell differed, {:.2} in which none did, {:.2} % of one core",
        frames.different as f64 / took,
        frames.equal as f64 / took,
        cpu / took * 100.0
    );
}

/// Two hundred nodes in one context, probed at the pace of the background, while nothing is pressed: what it costs.
fn one_fleet(seconds: u64) {
    const INSTANCES: usize = 67;
    // Three instances are there anyway; with `scale:N` there are N more of three pods each.
    let lab = [LabProcess::seeded(&format!("scale:{}", INSTANCES - 3), 1)];
    let (_folder, kubeconfig, names) = merged(&lab);
    let console = Opening::new(["--context".to_owned(), names[0].clone()])
        .kubeconfig(&kubeconfig)
        .size(200, 60)
        .open();
    let wanted = format!("{INSTANCES} instances");
    console.wait(&wanted, |screen| screen.contains(&wanted));
    console.wait("nothing unknown", |screen| {
        !screen.contains("unknown") && !screen.contains("syncing")
    });
    // The first round of all engines is over, and every connection open, when a round of ten seconds has passed.
    std::thread::sleep(Duration::from_secs(15));
    let shares = Shares::of(console.pid(), &lab);
    let (seen, begun) = (console.bytes().len(), Instant::now());
    std::thread::sleep(Duration::from_secs(seconds));
    let took = begun.elapsed().as_secs_f64();
    shares.print(&format!(
        "{INSTANCES} instances with {} nodes, each probed every 10 s",
        INSTANCES * 3 - 1
    ));
    let frames = frames(&console.bytes(), seen, (60, 200), false);
    println!(
        "the same: resident {:.1} MiB, {:.2} frames/s in which a cell differed, {:.2} in which none did",
        resident(console.pid()),
        frames.different as f64 / took,
        frames.equal as f64 / took
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
    let shares = Shares::of(console.pid(), &labs);
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
    shares.print("meanwhile");

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
        resident(console.pid())
    );
}

/// What the console and the labs take of the processor.
struct Shares {
    console: u32,
    labs: Vec<u32>,
    before: (f64, f64),
    begun: Instant,
}

impl Shares {
    fn of(console: u32, labs: &[LabProcess]) -> Self {
        let mut shares = Self {
            console,
            labs: labs.iter().map(LabProcess::pid).collect(),
            before: (0.0, 0.0),
            begun: Instant::now(),
        };
        shares.before = shares.now();
        shares
    }

    fn now(&self) -> (f64, f64) {
        let labs = self.labs.iter().map(|pid| processor(*pid)).sum();
        (processor(self.console), labs)
    }

    fn print(&self, when: &str) {
        let (console, labs) = self.now();
        let took = self.begun.elapsed().as_secs_f64();
        println!(
            "{when}: {:.1} % of one core for the console, {:.1} % for the labs, over {took:.1} s",
            (console - self.before.0) / took * 100.0,
            (labs - self.before.1) / took * 100.0
        );
    }
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

/// Frames, by whether the picture differed from the one before.
struct Frames {
    different: usize,
    equal: usize,
}

/// The frames among what was written after the first `from` bytes. Each is one synchronised update; what it changed is
/// told by a terminal of that many rows and columns.
fn frames(bytes: &[u8], from: usize, (rows, columns): (u16, u16), show: bool) -> Frames {
    const END: &[u8] = b"\x1b[?2026l";
    let mut terminal = vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0);
    let mut frames = Frames {
        different: 0,
        equal: 0,
    };
    let mut begin = 0;
    let mut before: Vec<u8> = Vec::new();
    let ends = bytes.windows(END.len()).enumerate();
    for (at, _) in ends.filter(|(_, window)| *window == END) {
        let end = at + END.len();
        terminal.process(&bytes[begin..end]);
        begin = end;
        // Text and styles of every cell; the cursor is hidden throughout.
        let picture: Vec<u8> = terminal.screen().contents_formatted().into();
        if end > from {
            if picture == before {
                frames.equal += 1;
            } else {
                frames.different += 1;
                if show {
                    print_difference(&before, terminal.screen(), (rows, columns));
                }
            }
        }
        before = picture;
    }
    frames
}

fn print_difference(before: &[u8], now: &vt100::Screen, (rows, columns): (u16, u16)) {
    let mut terminal = vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0);
    terminal.process(before);
    let was: Vec<String> = terminal.screen().rows(0, columns).collect();
    let is = now.rows(0, columns);
    for (was, is) in was.iter().zip(is).filter(|(was, is)| *was != is) {
        println!("- {was}\n+ {is}");
    }
    println!("--");
}
