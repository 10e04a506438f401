//! What an operator does beside a planned takeover, measured: the figures of `docs/operator-behaviour.md`.

use std::io::Write as _;

use crate::driver::ground::Ground;
use crate::driver::load::Load;
use crate::driver::promotion::{Hand, Way};

/// Where it is tried.
const WHERE: (&str, &str) = ("moves", "orders");

/// One way of them all is enough to know that the client and the hand work, and that nothing is lost.
#[test]
fn a_promotion_beside_the_operator_loses_nothing_and_is_not_undone() {
    let Some(ground) = Ground::lab() else { return };
    let mut stage = Stage::new(&ground);
    let told = stage.round(Way::Together);
    assert!(told.as_chosen && told.lost == 0, "{told:?}");
}

/// `DARNER_ROUNDS=20 cargo test --test it -- --ignored --nocapture measured`
#[test]
#[ignore = "takes half an hour; prints a table"]
fn ways_are_measured_on_a_lab() {
    if let Some(ground) = Ground::lab() {
        measure(&ground, "lab");
    }
}

#[test]
#[ignore = "takes half an hour; prints a table"]
fn ways_are_measured_on_real_control_planes() {
    if let Some(ground) = Ground::rig() {
        measure(&ground, "rig");
    }
}

struct Stage {
    hand: Hand,
    load: Load,
}

/// What one round came to.
#[derive(Debug)]
struct Told {
    as_chosen: bool,
    gap: f64,
    connection: f64,
    lost: usize,
    acknowledged: u64,
    takeover: f64,
    labelled: f64,
    whole: f64,
    elections: usize,
    meddled: usize,
    partial: bool,
    #[allow(dead_code, reason = "printed")]
    errors: std::collections::BTreeMap<String, u64>,
}

impl Stage {
    fn new(ground: &Ground) -> Self {
        let (namespace, name) = WHERE;
        ground.instance(namespace, name, 3);
        let hand = Hand::new(ground, namespace, name);
        hand.until_whole(3);
        Self {
            hand,
            load: Load::start(ground, namespace, name, 4, 400),
        }
    }

    fn round(&mut self, way: Way) -> Told {
        self.load.report();
        std::thread::sleep(std::time::Duration::from_millis(500));
        let promoted = self.hand.promote(way);
        let written = self.load.report();
        if std::env::var_os("DARNER_WHY").is_some() && promoted.master != promoted.target {
            print(&promoted.log);
        }
        let ms = |time: std::time::Duration| time.as_secs_f64() * 1000.0;
        Told {
            as_chosen: promoted.master == promoted.target,
            gap: written.gap_ms,
            connection: written.worst_connection_ms,
            lost: written.lost.len(),
            acknowledged: written.acknowledged,
            takeover: ms(promoted.takeover),
            labelled: ms(promoted.labelled),
            whole: ms(promoted.whole),
            elections: promoted.elections,
            meddled: promoted.meddled,
            partial: promoted.partial,
            errors: written.errors,
        }
    }
}

fn measure(ground: &Ground, name: &str) {
    let rounds: usize = std::env::var("DARNER_ROUNDS").map_or(20, |text| text.parse().unwrap());
    let wanted = std::env::var("DARNER_WAYS").unwrap_or_default();
    let mut stage = Stage::new(ground);
    for way in Way::ALL {
        let word = format!("{way:?}");
        if !wanted.is_empty() && !wanted.split(',').any(|one| one == word) {
            continue;
        }
        let mut all = Vec::new();
        for _ in 0..rounds {
            let told = stage.round(way);
            print(&format!("{name} {told:?}"));
            all.push(told);
        }
        let middle = |of: fn(&Told) -> f64| {
            let mut all: Vec<f64> = all.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            (all[all.len() / 2], all[all.len() - 1])
        };
        let count = |of: fn(&Told) -> bool| all.iter().filter(|told| of(told)).count();
        let sum = |of: fn(&Told) -> usize| all.iter().map(of).sum::<usize>();
        let (gap, worst) = middle(|told| told.gap);
        let (connection, worst_connection) = middle(|told| told.connection);
        let (takeover, _) = middle(|told| told.takeover);
        let (labelled, _) = middle(|told| told.labelled);
        let (whole, _) = middle(|told| told.whole);
        let acknowledged: u64 = all.iter().map(|told| told.acknowledged).sum();
        print(&format!(
            "{name} | {word} | {rounds} | chosen {} | lost {} of {acknowledged} | gap {gap:.0} / {worst:.0} ms | one connection \
             {connection:.0} / {worst_connection:.0} ms | elections {} | meddled {} | partial {} | takeover {takeover:.0} ms, \
             label {labelled:.0} ms, whole {:.1} s",
            count(|told| told.as_chosen),
            sum(|told| told.lost),
            sum(|told| told.elections),
            sum(|told| told.meddled),
            count(|told| told.partial),
            whole / 1000.0,
        ));
    }
}

/// At once, and past the test harness.
fn print(line: &str) {
    let mut out = std::io::stderr();
    let _ = writeln!(out, "{line}");
}
