//! What one engine has said, answer by answer, each with its own age.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::engine::*;
use crate::domain::fault::Fault;

/// A value and when it was learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Known<T> {
    /// The value.
    pub value: T,
    /// When it was learned.
    pub at: Timestamp,
}

/// The last figures of one measure, oldest first, each with the second at which it was learned, for a small chart.
#[derive(Debug, Clone, Default)]
pub struct Series(VecDeque<(i64, u64)>);

impl Series {
    /// Seconds for which figures are kept.
    pub const SPAN: i64 = 300;
    /// How many figures are kept at the most: one every two seconds, as of an instance in view.
    const LENGTH: usize = 150;

    fn push(&mut self, figure: u64, at: Timestamp) {
        let at = at.as_second();
        let is_old = |kept: &(i64, u64)| kept.0 <= at.saturating_sub(Self::SPAN);
        while self.0.len() >= Self::LENGTH || self.0.front().is_some_and(is_old) {
            self.0.pop_front();
        }
        self.0.push_back((at, figure));
    }

    /// Second of unix time and figure, oldest first.
    pub fn figures(&self) -> impl ExactSizeIterator<Item = (i64, u64)> + '_ {
        self.0.iter().copied()
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
    /// INFO stats.
    pub stats: Option<Known<Stats>>,
    /// INFO keyspace.
    pub keyspace: Option<Known<Keyspace>>,
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
            stats: None,
            keyspace: None,
            silent: BTreeMap::new(),
            heard: None,
            role_changed: None,
            unsynced_since: None,
            line_since: BTreeMap::new(),
            ops: Series::default(),
            used: Series::default(),
            lag: Series::default(),
        }
    }

    /// The engine's own role: INFO replication, else ROLE, whichever was learned last.
    pub fn engine_role(&self) -> Option<Known<Role>> {
        let info = self.replication.as_ref().map(|k| Known {
            value: k.value.role(),
            at: k.at,
        });
        let role = self.role.as_ref().map(|k| Known {
            value: k.value.role(),
            at: k.at,
        });
        match (info, role) {
            (Some(a), Some(b)) => Some(if a.at >= b.at { a } else { b }),
            (a, b) => a.or(b),
        }
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
            match &self.role {
                Some(_) => silence(Some(Question::Role)).and(Some(info)),
                None => Some(info),
            }
        })
    }

    /// What it last answered to that question still stands: neither is the question unanswered since, nor the way to
    /// it lost. (Whether an answer is too old is a matter of limits, and so for `checks`.)
    pub fn stands(&self, question: Question) -> bool {
        !self.silent.contains_key(&None) && !self.silent.contains_key(&Some(question))
    }

    /// Its half of the replication link, if it says it is a replica.
    pub fn follower(&self) -> Option<&Follower> {
        match &self.replication.as_ref()?.value.side {
            Side::Replica(follower) => Some(follower),
            Side::Master { .. } => None,
        }
    }

    /// The first reason why something is not answered, and since when: no way at all before single questions.
    pub fn first_silence(&self) -> Option<(Option<Question>, &Fault, Timestamp)> {
        self.silent
            .iter()
            .next()
            .map(|(question, (fault, since))| (*question, fault, *since))
    }

    pub(super) fn answered(&mut self, probe: Probe, at: Timestamp) {
        let before = self.engine_role().map(|k| k.value);
        self.heard = Some(at);
        self.silent.remove(&None);
        self.silent.remove(&Some(probe.question()));
        match probe {
            Probe::Ping { took, loading } => {
                self.ping = Some(Known {
                    value: (took, loading),
                    at,
                })
            }
            Probe::Role(value) => self.role = Some(Known { value, at }),
            Probe::Replication(value) => {
                self.note_sync(&value, at);
                self.replication = Some(Known { value, at });
            }
            Probe::Persistence(value) => self.persistence = Some(Known { value, at }),
            Probe::Server(value) => self.server = Some(Known { value, at }),
            Probe::Clients(value) => self.clients = Some(Known { value, at }),
            Probe::Memory(value) => {
                value
                    .used
                    .into_iter()
                    .for_each(|used| self.used.push(used, at));
                self.memory = Some(Known { value, at });
            }
            Probe::Stats(value) => {
                value.ops.into_iter().for_each(|ops| self.ops.push(ops, at));
                self.stats = Some(Known { value, at });
            }
            Probe::Keyspace(value) => self.keyspace = Some(Known { value, at }),
        }
        let now = self.engine_role().map(|k| k.value);
        if before.is_some() && before != now {
            self.role_changed = Some(at);
        }
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
        }
        match &replication.side {
            Side::Replica(f) if !f.link_up || f.syncing || f.offset.is_none() => {
                self.unsynced_since.get_or_insert(at);
            }
            Side::Replica(_) => self.unsynced_since = None,
            Side::Master { replicas, .. } => {
                self.unsynced_since = None;
                let online = replicas.iter().filter(|r| r.state == LinkState::Online);
                self.lag.push(online.map(|r| r.lag).max().unwrap_or(0), at);
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
