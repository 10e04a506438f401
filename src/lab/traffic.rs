//! The clients of an instance: they write and read where its Service sends them, and nowhere when it sends them nowhere.

use std::time::Duration;

use super::cluster::Cluster;
use super::engine::{Attendant, Engine, Load, Manner};
use super::kubelet::Shared;
use super::operator::owned::DATA_PORT;
use super::resources::ENDPOINT_SLICES;

/// How often the clients of an instance act.
const TICK: Duration = Duration::from_millis(200);

/// What the clients of an instance do in a second, on average.
#[derive(Clone, Copy, Debug)]
pub(in crate::lab) struct Pace {
    pub(in crate::lab) writes: f64,
    pub(in crate::lab) reads: f64,
}

/// Commands that were slow before anybody looked: what, microseconds, seconds ago.
const SLOW: &[(&[&str], u64, u64)] = &[
    (&["KEYS", "session:*"], 214_350, 5_400),
    (&["HGETALL", "cart:totals:2026-11"], 31_870, 2_710),
    (&["SMEMBERS", "orders:open"], 18_442, 1_260),
    (
        &["ZRANGEBYSCORE", "queue:schedule", "-inf", "+inf"],
        45_907,
        240,
    ),
];
/// Rounds between two looks at whom the network lets through.
const LOOK_EVERY: u64 = 5;
/// Rounds between two commands that are slow.
const SLOW_EVERY: u64 = 450;

/// Follows a Service until the lab ends. Its clients have been connected for long when the lab begins.
pub(in crate::lab) async fn follow_service(
    cluster: Cluster,
    namespace: String,
    service: String,
    load: Load,
    crowd: Vec<Attendant>,
    pace: Pace,
) {
    let shared = cluster.machines.shared();
    let first = shared
        .endpoint(&namespace, &service)
        .and_then(|ip| cluster.machines.engine_at(&ip));
    if let Some(engine) = first {
        engine.attend(&crowd, true);
        for ((args, usec, ago), client) in SLOW.iter().zip(workers(&crowd)) {
            engine.slow(args, *usec, Duration::from_secs(*ago), client);
        }
    }
    let mut rounds = Rounds::new(load, crowd, pace);
    loop {
        let watch = cluster.store.watch(ENDPOINT_SLICES, Some(&namespace), None);
        let target = || {
            shared
                .endpoint(&namespace, &service)
                .and_then(|ip| cluster.machines.engine_at(&ip))
        };
        let mut engine = target();
        let Ok(mut watch) = watch else { return };
        loop {
            tokio::select! {
                changed = watch.next() => match changed {
                    Ok(_) => engine = target(),
                    Err(_) => break,
                },
                () = tokio::time::sleep(TICK) => {
                    if engine.as_ref().is_some_and(|engine| engine.exit_code().is_some()) {
                        engine = target();
                    }
                    if let Some(engine) = &engine {
                        rounds.heed(&shared, engine);
                        rounds.next(engine);
                    }
                }
            }
        }
    }
}

/// Clients that stay with one engine, whatever the Service says.
pub(in crate::lab) async fn stick_to(
    engine: Engine,
    load: Load,
    crowd: Vec<Attendant>,
    pace: Pace,
) {
    let mut rounds = Rounds::new(load, crowd, pace);
    while engine.exit_code().is_none() {
        tokio::time::sleep(TICK).await;
        rounds.next(&engine);
    }
}

/// Those of a crowd that send commands, over and over.
fn workers(crowd: &[Attendant]) -> impl Iterator<Item = &Attendant> {
    let works = |one: &&Attendant| one.manner == Manner::Works;
    crowd.iter().filter(works).cycle()
}

/// Portions of work, the same for the same seed.
struct Rounds {
    load: Load,
    crowd: Vec<Attendant>,
    /// Those whom the network keeps out.
    kept_out: Vec<Attendant>,
    pace: Pace,
    count: u64,
    owed: (f64, f64),
}

impl Rounds {
    fn new(load: Load, crowd: Vec<Attendant>, pace: Pace) -> Self {
        Self {
            load,
            crowd,
            kept_out: Vec::new(),
            pace,
            count: 0,
            owed: (0.0, 0.0),
        }
    }

    /// Parts those whom the network lets through from those whom it does not, whose connections end.
    fn heed(&mut self, network: &Shared, engine: &Engine) {
        let concerned = network.enforces_policies() || !self.kept_out.is_empty();
        if !concerned || !self.count.is_multiple_of(LOOK_EVERY) {
            return;
        }
        let mut all = std::mem::take(&mut self.crowd);
        all.append(&mut self.kept_out);
        let addresses: Vec<&str> = all.iter().map(|one| one.addr.as_str()).collect();
        let ip = engine.spec().ip.to_string();
        let verdicts = network.let_in(&addresses, &ip, DATA_PORT);
        for (one, is_let_in) in all.into_iter().zip(verdicts) {
            match is_let_in {
                true => self.crowd.push(one),
                false => self.kept_out.push(one),
            }
        }
        engine.dismiss(&self.kept_out);
    }

    fn next(&mut self, engine: &Engine) {
        if self.crowd.is_empty() && !self.kept_out.is_empty() {
            return;
        }
        self.count += 1;
        // A slow wave of about two minutes, so that charts have something to show.
        let wave = 1.0 + 0.4 * (self.count as f64 / 100.0).sin();
        let share = TICK.as_secs_f64() * wave;
        self.owed.0 += self.pace.writes * share;
        self.owed.1 += self.pace.reads * share;
        let (writes, reads) = (self.owed.0 as u64, self.owed.1 as u64);
        self.owed.0 -= writes as f64;
        self.owed.1 -= reads as f64;
        engine.attend(&self.crowd, false);
        // Each round is another client's.
        let turn = usize::try_from(self.count).unwrap_or(0) % self.crowd.len().max(1);
        if let Some(client) = workers(&self.crowd).nth(turn) {
            self.load.addr.clone_from(&client.addr);
            if self.count.is_multiple_of(SLOW_EVERY) {
                let key = format!("{}:*", self.load.name);
                let usec = 11_000 + self.count * 7919 % 60_000;
                engine.slow(&["KEYS", &key], usec, Duration::ZERO, client);
            }
        }
        engine.traffic(&self.load, writes, reads, self.count);
    }
}
