//! The state of one engine, behind one lock that is never held over an await.

use std::time::Duration;

use super::clients::Clients;
use super::clock::LabClock;
use super::config::Config;
use super::faults::Faults;
use super::journal::Journal;
use super::keyspace::Weights;
use super::log::Log;
use super::persistence::Saves;
use super::replication::{Follower, Link};
use super::rng::{Rng, hash};
use super::snapshot::Databases;
use super::spec::{EngineSpec, Version};
use super::stats::{SlowLog, Stats};

/// The server's global state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Active,
    /// A snapshot is loaded at start, or a full sync is received.
    Loading,
    /// A replica is taking this master over.
    TakenOver,
    /// SIGTERM or a finished takeover: the ports are closed, the process still lives.
    ShuttingDown,
}

/// What this engine is in replication.
#[derive(Debug)]
pub(super) enum Role {
    Master,
    Replica(Link),
}

/// How far a load or a full sync has come, and what will be there in the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// 0 to 1.
    pub(super) done: f64,
    pub(super) keys: u64,
    pub(super) expiring: u64,
    pub(super) weights: Weights,
}

/// Memory figures as INFO and /metrics show them, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    pub(super) used: u64,
    pub(super) rss: u64,
    pub(super) objects: u64,
    pub(super) table: u64,
    pub(super) capacity: u64,
    pub(super) keys: u64,
    pub(super) expiring: u64,
    pub(super) weights: Weights,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) version: Version,
    pub(super) threads: usize,
    pub(super) cache_mode: bool,
    /// The password of the start, which stays valid after CONFIG SET requirepass.
    pub(super) started_password: Option<String>,
    pub(super) databases: Databases,
    pub(super) state: State,
    pub(super) role: Role,
    /// This process's own replication id.
    pub(super) replid: String,
    /// The id of the master this engine followed before it was promoted: who followed the same one
    /// may continue here by a partial sync.
    pub(super) history: Option<String>,
    pub(super) journal: Option<Journal>,
    pub(super) followers: Vec<Follower>,
    pub(super) last_sync: u32,
    /// A REPLTAKEOVER of ours waits for the master's answer: INFO replication hangs meanwhile.
    pub(super) taking_over: bool,
    /// The takeover that locks this master shall fail at once.
    pub(super) give_up_takeover: bool,
    /// The load that is under way shall end at once.
    pub(super) hurry: bool,
    pub(super) progress: Option<Progress>,
    /// What a full sync is bringing; a part of it stays if the sync breaks off.
    pub(super) incoming: Option<Databases>,
    pub(super) clients: Clients,
    pub(super) paused: Option<Pause>,
    pub(super) config: Config,
    pub(super) stats: Stats,
    pub(super) slowlog: SlowLog,
    pub(super) saves: Saves,
    pub(super) faults: Faults,
    pub(super) log: Log,
    pub(super) rng: Rng,
    pub(super) started: Duration,
    pub(super) peak: (u64, u64),
    /// When the limits were last weighed, and whether one was reached.
    pub(super) weighed: Option<(Duration, bool)>,
}

/// CLIENT PAUSE.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    pub(super) until: Duration,
    pub(super) writes_only: bool,
}

impl Core {
    pub(super) fn new(spec: &EngineSpec, clock: &LabClock) -> Self {
        let mut rng = Rng::of(spec.seed, &spec.name, u64::from(spec.restarts));
        let started = clock.now().saturating_sub(spec.age);
        let age = i64::try_from(spec.age.as_secs()).unwrap_or(0);
        Self {
            version: spec.version,
            threads: spec.threads.max(1),
            cache_mode: spec.cache_mode,
            started_password: spec.password.clone(),
            databases: Databases::from([(0, Default::default())]),
            state: State::Active,
            role: Role::Master,
            replid: rng.replid(),
            history: None,
            journal: None,
            followers: vec![],
            last_sync: 0,
            taking_over: false,
            give_up_takeover: false,
            hurry: false,
            progress: None,
            incoming: None,
            clients: Clients::default(),
            paused: None,
            config: Config::of(spec),
            stats: Stats::default(),
            slowlog: SlowLog::default(),
            saves: Saves::new(clock.unix_s() - age),
            faults: Faults::default(),
            log: Log::new(clock.clone()),
            rng,
            started,
            peak: (0, 0),
            weighed: None,
        }
    }

    /// The shard a key belongs to.
    pub(super) fn shard_of(&self, key: &[u8]) -> usize {
        usize::try_from(hash(key) % self.threads as u64).unwrap_or(0)
    }

    /// Drops keys whose time has come, in all databases.
    pub(super) fn purge(&mut self, unix_ms: i64) {
        let gone: u64 = self
            .databases
            .values_mut()
            .map(|db| db.purge(unix_ms))
            .sum();
        self.stats.expired += gone;
    }

    /// Puts a change into the journal, if there is one.
    pub(super) fn journal_write(&mut self, db: u16, args: &[Vec<u8>]) {
        if self.journal.is_none() {
            return;
        }
        // A command about no key, such as FLUSHALL, travels with the first shard.
        let shard = args.get(1).map_or(0, |key| self.shard_of(key));
        let online = self
            .followers
            .iter()
            .filter(|follower| follower.is_online());
        let needed = online.filter_map(|f| f.taken.get(shard).copied()).min();
        if let Some(journal) = &mut self.journal {
            journal.record(shard, db, args, needed);
        }
    }

    /// Starts a journal at zero if none runs, as the first replica makes a master do.
    pub(super) fn start_journal(&mut self) -> Vec<u64> {
        let threads = self.threads;
        let journal = self
            .journal
            .get_or_insert_with(|| Journal::starting_at(&vec![0; threads]));
        journal.lsns()
    }

    /// Empties every database.
    pub(super) fn flush(&mut self) {
        self.databases.clear();
        self.databases.entry(0).or_default();
    }

    /// Leaves the LOADING of a sync that broke off, with the part that had come.
    pub(super) fn break_off_sync(&mut self) {
        let done = self.progress.take().map_or(0.0, |progress| progress.done);
        if let Some(mut incoming) = self.incoming.take() {
            incoming.values_mut().for_each(|db| db.truncate(done));
            self.databases = incoming;
        }
        if self.state == State::Loading {
            self.state = State::Active;
        }
    }

    /// Keys in all databases, as they stand or as far as a load has come.
    pub(super) fn key_count(&self) -> u64 {
        match &self.progress {
            Some(progress) => scaled(progress.keys, progress.done),
            None => self.databases.values().map(|db| db.len()).sum(),
        }
    }

    /// Memory figures by the model that fits the recordings: an empty server uses 565,392 bytes, the
    /// table 38.46 bytes per slot in steps of 840 slots, resident memory 21 MB and 1.5 % more.
    pub(super) fn memory(&mut self) -> Memory {
        let mut memory = Memory::default();
        let mut weights = Weights::default();
        match &self.progress {
            Some(progress) => {
                memory.keys = scaled(progress.keys, progress.done);
                memory.expiring = scaled(progress.expiring, progress.done);
                weights = progress.weights.scaled(progress.done);
            }
            None => {
                for db in self.databases.values_mut() {
                    memory.keys += db.len();
                    memory.expiring += db.expiring();
                    weights.add(&db.weights());
                }
            }
        }
        let fullest = (memory.keys as f64 / 0.883 / 840.0).ceil() as u64 * 840;
        memory.capacity = fullest.max(6720 * self.threads as u64);
        memory.table = memory.capacity * 516_864 / 13_440;
        memory.objects = weights.objects();
        memory.weights = weights;
        let backlog = self
            .journal
            .as_ref()
            .map_or(0, |journal| journal.size().1 as u64);
        memory.used = 48_528 + memory.table + memory.objects + backlog;
        memory.rss = self
            .faults
            .rss
            .unwrap_or(memory.used + memory.used / 66 + 21_270_384);
        if let Some(used) = self.faults.used {
            memory.used = memory.used.max(used);
            memory.rss = memory.rss.max(memory.used);
        }
        self.peak = (self.peak.0.max(memory.used), self.peak.1.max(memory.used));
        memory
    }

    /// Whether maxmemory or the RSS guard is reached, so that commands that grow data are refused.
    /// Weighing walks all keys, so it is done at most five times a second.
    pub(super) fn over_limit(&mut self, now: Duration) -> bool {
        if let Some((at, over)) = self.weighed
            && now.saturating_sub(at) < Duration::from_millis(200)
        {
            return over;
        }
        let limit = self.config.number("maxmemory");
        let over = limit > 0 && (self.memory().used > limit || self.rss_guard());
        self.weighed = Some((now, over));
        over
    }

    /// Whether resident memory is above `rss_oom_deny_ratio` x maxmemory: new data connections are
    /// then accepted and closed, writes refused.
    pub(super) fn rss_guard(&mut self) -> bool {
        let ratio = self.config.ratio("rss_oom_deny_ratio");
        let limit = self.config.number("maxmemory") as f64 * ratio;
        limit > 0.0 && self.memory().rss as f64 > limit
    }
}

pub(super) fn scaled(whole: u64, part: f64) -> u64 {
    (whole as f64 * part.clamp(0.0, 1.0)) as u64
}
