//! What one engine has said, answer by answer, each with its own age.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::history::Turn;
use crate::domain::data_port::DataPort;
use crate::domain::engine::*;
use crate::domain::fault::{Fault, FaultKind};

/// A value and when it was learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Known<T> {
    /// The value.
    pub value: T,
    /// When it was learned.
    pub at: Timestamp,
}

/// The last figures of one measure, oldest first, each with its time: for a small chart, and for a rate.
#[derive(Debug, Clone, Default)]
pub struct Series(VecDeque<(i64, u64)>);

impl Series {
    /// Seconds for which figures are kept.
    pub const SPAN: i64 = 300;
    /// How many figures are kept at the most: one every two seconds, as of an instance in view.
    pub const LENGTH: usize = 150;

    fn push(&mut self, figure: u64, at: Timestamp) {
        let at = at.as_millisecond();
        let oldest = at.saturating_sub(Self::SPAN * 1_000);
        let is_old = |kept: &(i64, u64)| kept.0 <= oldest;
        while self.0.len() >= Self::LENGTH || self.0.front().is_some_and(is_old) {
            self.0.pop_front();
        }
        self.0.push_back((at, figure));
    }

    /// Second of unix time and figure, oldest first.
    pub fn figures(&self) -> impl ExactSizeIterator<Item = (i64, u64)> + '_ {
        self.0
            .iter()
            .map(|(at, figure)| (at.div_euclid(1_000), *figure))
    }

    /// The last figure at or before that moment.
    pub fn before(&self, at: Timestamp) -> Option<u64> {
        let at = at.as_millisecond();
        let mut older = self.0.iter().rev().filter(|(when, _)| *when <= at);
        older.next().map(|(_, figure)| *figure)
    }

    /// The last figure.
    pub fn last(&self) -> Option<u64> {
        self.0.back().map(|(_, figure)| *figure)
    }

    /// By how much it grew in a second from each figure to the next, by the time of the later one; nothing where it fell, as
    /// a counter does that began anew.
    pub fn growth(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        let later = self.0.iter().skip(1);
        self.0.iter().zip(later).filter_map(|(was, is)| {
            let elapsed = u64::try_from(is.0.checked_sub(was.0)?).ok()?;
            let grown = is.1.checked_sub(was.1)?;
            let second = is.0.div_euclid(1_000);
            Some((second, grown.saturating_mul(1_000).checked_div(elapsed)?))
        })
    }

    /// By how much it grew in a second, over at most the last `seconds` and since it last fell: a full sync begins with
    /// throwing everything away, and what was there before says nothing of its pace.
    pub fn climb(&self, seconds: i64) -> Option<f64> {
        let (newest, to) = *self.0.back()?;
        let mut first = (newest, to);
        for (at, figure) in self.0.iter().rev() {
            if *figure > first.1 || newest.saturating_sub(*at) > seconds.saturating_mul(1_000) {
                break;
            }
            first = (*at, *figure);
        }
        let elapsed = newest.saturating_sub(first.0);
        (elapsed > 0).then(|| (to as f64 - first.1 as f64) * 1_000.0 / elapsed as f64)
    }

    /// By how much it changed in a second, over at most the last `seconds` before its newest figure; negative when it
    /// falls. `None` with fewer than two figures in that time.
    pub fn rate(&self, seconds: i64) -> Option<f64> {
        let (newest, to) = *self.0.back()?;
        let (oldest, from) = *self
            .0
            .iter()
            .find(|(at, _)| newest.saturating_sub(*at) <= seconds.saturating_mul(1_000))?;
        let elapsed = newest.saturating_sub(oldest);
        (elapsed > 0).then(|| (to as f64 - from as f64) * 1_000.0 / elapsed as f64)
    }
}

/// What is known of one engine. Belongs to one pod uid.
#[derive(Debug, Clone)]
pub struct EngineRecord {
    /// The pod it is in.
    pub uid: Arc<str>,
    /// Round trip of the last PING, and whether it was answered with `-LOADING`.
    pub ping: Option<Known<(Duration, bool)>>,
    /// ROLE.
    pub role: Option<Known<RoleReply>>,
    /// INFO replication.
    pub replication: Option<Known<Replication>>,
    /// INFO persistence.
    pub persistence: Option<Known<Persistence>>,
    /// INFO server.
    pub server: Option<Known<Server>>,
    /// INFO clients.
    pub clients: Option<Known<Clients>>,
    /// INFO memory.
    pub memory: Option<Known<Memory>>,
    /// When INFO memory first told again that resident memory is not above the guard, after it was.
    pub guard_ended: Option<Timestamp>,
    /// INFO stats.
    pub stats: Option<Known<Stats>>,
    /// INFO keyspace.
    pub keyspace: Option<Known<Keyspace>>,
    /// CLIENT LIST, grouped. Asked of replicas, and of all nodes of an instance in view or in trouble.
    pub client_list: Option<Known<ClientList>>,
    /// DFLY REPLICAOFFSET. This and the following are asked of an instance in view only.
    pub offsets: Option<Known<Offsets>>,
    /// SLOWLOG GET: the slowest.
    pub slow_log: Option<Known<SlowLog>>,
    /// SLOWLOG LEN.
    pub slow_log_length: Option<Known<u64>>,
    /// MEMORY STATS.
    pub memory_stats: Option<Known<MemoryStats>>,
    /// CONFIG GET, without secrets.
    pub config: Option<Known<Config>>,
    /// How far its clock is ahead of ours, seconds; negative when it is behind. By TIME, which is asked now and then.
    pub clock: Option<Known<i64>>,
    /// INFO cpu.
    pub cpu: Option<Known<Cpu>>,
    /// INFO commandstats: the busiest.
    pub commands: Option<Known<Commands>>,
    /// INFO errorstats: the most frequent.
    pub errors: Option<Known<Errors>>,
    /// INFO tiered.
    pub tiering: Option<Known<Tiering>>,
    /// `/metrics`, where that is the way in.
    pub metrics: Option<Known<Box<Metrics>>>,
    /// `/healthz`, where that is the way in.
    pub health: Option<Known<Health>>,
    /// What a client finds at its data port; tried more often for an instance in view.
    pub data_port: Option<Known<DataPort>>,
    /// Each way in that was tried last, and how that ended (`None`: it answers), since when.
    pub ways: BTreeMap<Way, Known<Option<Fault>>>,
    /// The way by which each question was last answered.
    by: BTreeMap<Question, Way>,
    /// Questions that are not answered at present, why, and since when. Key `None`: no way to the engine at all.
    pub silent: BTreeMap<Option<Question>, (Fault, Timestamp)>,
    /// When it last answered anything.
    pub heard: Option<Timestamp>,
    /// When its engine role was seen to change; `None` when it has had its role since we look.
    pub role_changed: Option<Timestamp>,
    /// Since when the replication link is not in stable sync, as far as seen by us.
    pub unsynced_since: Option<Timestamp>,
    /// On a master: each listed replica's address with its link state, and since when we have seen that state.
    pub line_since: BTreeMap<String, (LinkState, Timestamp)>,
    /// Operations a second.
    pub ops: Series,
    /// Memory used, bytes.
    pub used: Series,
    /// Largest lag over the replicas of a master, records.
    pub lag: Series,
    /// Keys of all databases: during a full sync they tell how far it has come, and how fast.
    pub keys: Series,
    /// A replica's `slave_repl_offset`, records.
    pub offset: Series,
    /// A master's own journal, records: all shards of DFLY REPLICAOFFSET together. Asked of an instance in view only.
    pub journal: Series,
    /// On a master: the lag of each replica that it lists as online, by address, records.
    pub lags: BTreeMap<String, Series>,
}

impl EngineRecord {
    pub(super) fn new(uid: Arc<str>) -> Self {
        Self {
            uid,
            ping: None,
            role: None,
            replication: None,
            persistence: None,
            server: None,
            clients: None,
            memory: None,
            guard_ended: None,
            stats: None,
            keyspace: None,
            client_list: None,
            offsets: None,
            slow_log: None,
            slow_log_length: None,
            memory_stats: None,
            config: None,
            clock: None,
            cpu: None,
            commands: None,
            errors: None,
            tiering: None,
            metrics: None,
            health: None,
            data_port: None,
            ways: BTreeMap::new(),
            by: BTreeMap::new(),
            silent: BTreeMap::new(),
            heard: None,
            role_changed: None,
            unsynced_since: None,
            line_since: BTreeMap::new(),
            ops: Series::default(),
            used: Series::default(),
            lag: Series::default(),
            keys: Series::default(),
            offset: Series::default(),
            journal: Series::default(),
            lags: BTreeMap::new(),
        }
    }

    /// The engine's own role: INFO replication, ROLE, or `/metrics`, whichever was learned last.
    pub fn engine_role(&self) -> Option<Known<Role>> {
        let info = self.replication.as_ref().map(|k| (k.at, k.value.role()));
        let role = self.role.as_ref().map(|k| (k.at, k.value.role()));
        let metrics = self
            .metrics
            .as_ref()
            .and_then(|k| Some((k.at, k.value.role?)));
        // Of those learned at the same time the first counts.
        [metrics, role, info]
            .into_iter()
            .flatten()
            .max_by_key(|(at, _)| *at)
            .map(|(at, value)| Known { value, at })
    }

    /// It has told its role, and is not silent about it at present.
    pub fn speaks(&self) -> bool {
        self.engine_role().is_some() && self.role_silence().is_none()
    }

    /// Why its role cannot be asked at present: no way to it at all, or neither INFO replication nor ROLE is answered.
    pub fn role_silence(&self) -> Option<(Option<Question>, &Fault, Timestamp)> {
        let silence = |question: Option<Question>| {
            let (fault, since) = self.silent.get(&question)?;
            Some((question, fault, *since))
        };
        silence(None).or_else(|| {
            let info = silence(Some(Question::Replication))?;
            if self.metrics_tell_role() {
                return None;
            }
            match &self.role {
                Some(_) => silence(Some(Question::Role)).and(Some(info)),
                None => Some(info),
            }
        })
    }

    /// Its `/metrics` tell its role at present.
    fn metrics_tell_role(&self) -> bool {
        let told = self
            .metrics
            .as_ref()
            .is_some_and(|k| k.value.role.is_some());
        told && self.stands(Question::Metrics)
    }

    /// The way by which its answer to that question came, if it was ever answered.
    pub fn way_of(&self, question: Question) -> Option<Way> {
        self.by.get(&question).copied()
    }

    /// What it last answered to that question still stands: neither is the question unanswered since, nor the way to
    /// it lost. (Whether an answer is too old is a matter of limits, and so for `checks`.)
    pub fn stands(&self, question: Question) -> bool {
        !self.silent.contains_key(&None) && !self.silent.contains_key(&Some(question))
    }

    /// It loads: its own snapshot, or its master's data during a full sync. By the later of PING and INFO persistence.
    pub fn loads(&self) -> bool {
        let ping = self.ping.as_ref().map(|k| (k.at, k.value.1));
        let info = self.persistence.as_ref().map(|k| (k.at, k.value.loading));
        ping.max(info).is_some_and(|(_, loading)| loading)
    }

    /// A moment that it told by its own clock, by ours.
    pub fn by_our_clock(&self, theirs: Timestamp) -> Timestamp {
        let ahead = self.clock.as_ref().map_or(0, |known| known.value);
        // What is less may be the way of the answer.
        match ahead.abs() > 2 {
            true => {
                Timestamp::from_second(theirs.as_second().saturating_sub(ahead)).unwrap_or(theirs)
            }
            false => theirs,
        }
    }

    /// Its half of the replication link, if it says it is a replica.
    pub fn follower(&self) -> Option<&Follower> {
        match &self.replication.as_ref()?.value.side {
            Side::Replica(follower) => Some(follower),
            Side::Master { .. } => None,
        }
    }

    /// The first reason why something is not answered that every engine is asked for, and since when: no way at all
    /// before single questions.
    pub fn first_silence(&self) -> Option<(Option<Question>, &Fault, Timestamp)> {
        self.silent
            .iter()
            .find(|(question, _)| question.is_none_or(Question::is_standing))
            .map(|(question, (fault, since))| (*question, fault, *since))
    }

    /// Questions that hang: each was asked, drew nothing within its time, and cost its connection. INFO replication hangs
    /// on the target of a takeover that is held up.
    pub fn hung(&self) -> impl Iterator<Item = (Question, &Fault, Timestamp)> {
        self.silent.iter().filter_map(|(question, (fault, since))| {
            let hung = fault.kind == FaultKind::Timeout;
            hung.then_some(((*question)?, fault, *since))
        })
    }

    /// The way by which it answers at present.
    pub fn way(&self) -> Option<Way> {
        self.ways
            .iter()
            .find(|(_, known)| known.value.is_none())
            .map(|(way, _)| *way)
    }

    /// Why no port-forward leads to it, when one was tried and none does.
    pub fn no_port_forward(&self) -> Option<&Fault> {
        self.ways.get(&Way::PortForward)?.value.as_ref()
    }

    /// A replica's own account of its link, while it stands: the only place that tells stopped from retrying.
    pub fn upstream(&self) -> Option<Known<&Upstream>> {
        let known = self.client_list.as_ref()?;
        let value = known.value.upstream.as_ref()?;
        self.stands(Question::ClientList).then_some(Known {
            value,
            at: known.at,
        })
    }

    /// Takes an answer in, and tells what changed that a history should remember.
    pub(super) fn answered(&mut self, probe: Probe, at: Timestamp) -> Vec<Turn> {
        let before = self.engine_role().map(|k| k.value);
        let replid = self.replid().map(str::to_owned);
        let mut turns = Vec::new();
        self.heard = Some(at);
        self.silent.remove(&None);
        self.silent.remove(&Some(probe.question()));
        self.by
            .insert(probe.question(), self.way_for(probe.question()));
        match probe {
            Probe::Ping { took, loading } => keep(&mut self.ping, (took, loading), at),
            Probe::Role(value) => keep(&mut self.role, value, at),
            Probe::Replication(value) => {
                self.note_sync(&value, at);
                keep(&mut self.replication, value, at);
            }
            Probe::Persistence(value) => keep(&mut self.persistence, value, at),
            Probe::Server(value) => {
                turns.extend(self.restarted(&value, at).then_some(Turn::Restarted));
                keep(&mut self.server, value, at);
            }
            Probe::Clients(value) => keep(&mut self.clients, value, at),
            Probe::Memory(value) => {
                value
                    .used
                    .into_iter()
                    .for_each(|used| self.used.push(used, at));
                let held = self
                    .memory
                    .as_ref()
                    .is_some_and(|m| self.is_guarded(&m.value));
                if held && !self.is_guarded(&value) {
                    self.guard_ended = Some(at);
                }
                keep(&mut self.memory, value, at);
            }
            Probe::Stats(value) => {
                value.ops.into_iter().for_each(|ops| self.ops.push(ops, at));
                keep(&mut self.stats, value, at);
            }
            Probe::Keyspace(value) => {
                self.keys.push(value.keys, at);
                keep(&mut self.keyspace, value, at);
            }
            Probe::ClientList(value) => keep(&mut self.client_list, value, at),
            Probe::Offsets(value) => {
                // A replica keeps no journal: it tells zeros.
                if before == Some(Role::Master) {
                    self.journal.push(value.total(), at);
                }
                keep(&mut self.offsets, value, at);
            }
            Probe::SlowLog(value) => keep(&mut self.slow_log, value, at),
            Probe::SlowLogLength(value) => keep(&mut self.slow_log_length, value, at),
            Probe::MemoryStats(value) => keep(&mut self.memory_stats, value, at),
            Probe::Config(value) => keep(&mut self.config, value, at),
            Probe::Time(theirs) => {
                keep(&mut self.clock, theirs.duration_since(at).as_secs(), at);
            }
            Probe::Cpu(value) => keep(&mut self.cpu, value, at),
            Probe::Commands(value) => keep(&mut self.commands, value, at),
            Probe::Errors(value) => keep(&mut self.errors, value, at),
            Probe::Tiering(value) => keep(&mut self.tiering, value, at),
            Probe::Metrics(value) => keep(&mut self.metrics, value, at),
            Probe::Health(value) => keep(&mut self.health, value, at),
        }
        let now = self.engine_role().map(|k| k.value);
        if let (Some(from), Some(to)) = (before, now)
            && from != to
        {
            self.role_changed = Some(at);
            turns.push(Turn::Role { from, to });
        }
        if let (Some(from), Some(to)) = (replid, self.replid())
            && from != to
        {
            turns.push(Turn::Replid {
                from,
                to: to.to_owned(),
            });
        }
        turns
    }

    /// The way that an answer to that question must have come: the best that leads
    /// there at present.
    fn way_for(&self, question: Question) -> Way {
        let leads = |way: Way| {
            self.ways
                .get(&way)
                .is_some_and(|known| known.value.is_none())
        };
        if Question::PAGES.contains(&question) {
            return Way::PodProxy;
        }
        [Way::PortForward, Way::Exec, Way::PodProxy]
            .into_iter()
            .find(|way| leads(*way))
            .unwrap_or(Way::PortForward)
    }

    fn replid(&self) -> Option<&str> {
        self.replication.as_ref()?.value.replid.as_deref()
    }

    /// Its process is a younger one than was there before: it has not been up for as long as it was already, and for
    /// longer than answers may be late.
    /// Its guard on resident memory turns new clients away at such figures.
    fn is_guarded(&self, memory: &Memory) -> bool {
        let (Some(rss), Some(max)) = (memory.rss, memory.max) else {
            return false;
        };
        let ratio = self.guard_percent().unwrap_or(Self::GUARD);
        max > 0 && ratio > 0 && u128::from(rss) * 100 > u128::from(max) * u128::from(ratio)
    }

    /// Resident memory past this part of `maxmemory` turns clients away where the node has not told its own
    /// `rss_oom_deny_ratio`, percent (the server's default, v1.20 to v1.40).
    pub const GUARD: u64 = 125;

    /// Its own `rss_oom_deny_ratio`, percent; 0 where the guard is off. It is set at start or by hand and hardly ever
    /// changes, so an old answer is as good as a new one.
    pub fn guard_percent(&self) -> Option<u64> {
        let config = &self.config.as_ref()?.value;
        config.text("rss_oom_deny_ratio")?;
        Some(config.rss_deny_percent().unwrap_or(0))
    }

    fn restarted(&self, now: &Server, at: Timestamp) -> bool {
        const LATE: u64 = 5;
        let Some((known, was)) = self
            .server
            .as_ref()
            .and_then(|known| Some((known, known.value.uptime?)))
        else {
            return false;
        };
        let since = u64::try_from(at.duration_since(known.at).as_secs()).unwrap_or(0);
        now.uptime
            .is_some_and(|up| up.saturating_add(LATE) < was.saturating_add(since))
    }

    /// A way in was tried.
    pub(super) fn tried(&mut self, way: Way, fault: Option<Fault>, at: Timestamp) {
        let same = self.ways.get(&way).is_some_and(|known| {
            known.value.as_ref().map(|fault| fault.kind) == fault.as_ref().map(|fault| fault.kind)
        });
        let at = match self.ways.get(&way) {
            Some(known) if same => known.at,
            _ => at,
        };
        self.ways.insert(way, Known { value: fault, at });
    }

    pub(super) fn silent(&mut self, unanswered: Unanswered, at: Timestamp) {
        let since = self
            .silent
            .get(&unanswered.question)
            .map_or(at, |(_, since)| *since);
        self.silent
            .insert(unanswered.question, (unanswered.fault, since));
    }

    fn note_sync(&mut self, replication: &Replication, at: Timestamp) {
        if replication.role() == Role::Replica {
            self.line_since.clear();
            self.lags.clear();
        }
        if let Side::Replica(follower) = &replication.side {
            follower
                .offset
                .into_iter()
                .for_each(|offset| self.offset.push(offset, at));
        }
        match &replication.side {
            Side::Replica(f) if !f.claims_sync() => {
                self.unsynced_since.get_or_insert(at);
            }
            Side::Replica(_) => self.unsynced_since = None,
            Side::Master { replicas, .. } => {
                self.unsynced_since = None;
                let online = replicas.iter().filter(|r| r.state == LinkState::Online);
                self.lag
                    .push(online.filter_map(|r| r.lag).max().unwrap_or(0), at);
                self.lags
                    .retain(|ip, _| replicas.iter().any(|line| line.ip == *ip));
                for line in replicas.iter().filter(|r| r.state == LinkState::Online) {
                    if let Some(lag) = line.lag {
                        self.lags.entry(line.ip.clone()).or_default().push(lag, at);
                    }
                }
                self.line_since = replicas
                    .iter()
                    .map(|line| {
                        let since = match self.line_since.get(&line.ip) {
                            Some((state, since)) if *state == line.state => *since,
                            _ => at,
                        };
                        (line.ip.clone(), (line.state.clone(), since))
                    })
                    .collect();
            }
        }
    }
}

fn keep<T>(place: &mut Option<Known<T>>, value: T, at: Timestamp) {
    *place = Some(Known { value, at });
}
