//! What one engine says of itself, answer by answer: PING, ROLE, `INFO` by section, CLIENT LIST, SLOWLOG, CONFIG,
//! MEMORY, DFLY REPLICAOFFSET, and the two HTTP pages `/metrics` and `/healthz`.
//!
//! Field meanings as read in and measured on servers v1.17 to v1.40. Every field that some version leaves out, or that a
//! server may be silent about, is optional: absent is *unknown*, never zero. What is kept is bounded in number and length
//! whatever the server sends, and values of keys, passwords and arguments of commands are never kept.
//!
//! Start with [`Question`] and [`Probe`]; then `replication` for what matters most.

mod clients;
mod config;
mod figures;
mod memory;
mod metrics;
mod persistence;
mod replication;
mod slow_log;

use std::time::Duration;

use jiff::Timestamp;

use super::fault::Fault;

pub use clients::*;
pub use config::*;
pub use figures::*;
pub use memory::*;
pub use metrics::*;
pub use persistence::*;
pub use replication::*;
pub use slow_log::*;

/// Dragonfly's two roles, in its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Takes writes.
    Master,
    /// Follows a master. INFO spells it `slave` (v1.18+) or `replica`.
    Replica,
}

impl Role {
    /// The word shown.
    pub fn word(self) -> &'static str {
        match self {
            Role::Master => "master",
            Role::Replica => "replica",
        }
    }
}

/// The separate questions asked of an engine; each has its own budget, age and fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "each variant is the command, INFO section or page of its name"
)]
pub enum Question {
    Ping,
    Role,
    Replication,
    Persistence,
    Server,
    Clients,
    Memory,
    Stats,
    Keyspace,
    ClientList,
    Offsets,
    SlowLog,
    SlowLogLength,
    MemoryStats,
    Config,
    Time,
    Cpu,
    Commands,
    Errors,
    Tiering,
    Metrics,
    Health,
}

impl Question {
    /// Every question.
    pub const ALL: &[Question] = &[
        Question::Ping,
        Question::Role,
        Question::Replication,
        Question::Persistence,
        Question::Server,
        Question::Clients,
        Question::Memory,
        Question::Stats,
        Question::Keyspace,
        Question::ClientList,
        Question::Offsets,
        Question::SlowLog,
        Question::SlowLogLength,
        Question::MemoryStats,
        Question::Config,
        Question::Time,
        Question::Cpu,
        Question::Commands,
        Question::Errors,
        Question::Tiering,
        Question::Metrics,
        Question::Health,
    ];

    /// Asked of every engine, in every round. Cheap for the server, answered by every version.
    pub const STANDING: &[Question] = &[
        Question::Ping,
        Question::Role,
        Question::Replication,
        Question::Persistence,
        Question::Server,
        Question::Clients,
        Question::Memory,
        Question::Stats,
        Question::Keyspace,
    ];

    /// Asked of the engines of the instance in view only: they cost the server more, or tell what only a page about one
    /// instance shows. (CLIENT LIST is asked of replicas that are not in view too, more seldom: nothing else tells a
    /// replica that has stopped for good from one that retries.)
    pub const IN_VIEW: &[Question] = &[
        Question::ClientList,
        Question::Offsets,
        Question::SlowLog,
        Question::SlowLogLength,
        Question::MemoryStats,
        Question::Config,
        Question::Time,
        Question::Cpu,
        Question::Commands,
        Question::Errors,
        Question::Tiering,
    ];

    /// Asked of every engine now and then, every few minutes: what hardly ever changes and tells what nothing else does.
    /// (The schedule of snapshots that a node really has, its guard on resident memory, its clock.)
    pub const SELDOM: &[Question] = &[Question::Time, Question::Config];

    /// Asked over HTTP instead of RESP.
    pub const PAGES: &[Question] = &[Question::Metrics, Question::Health];

    /// One of [`Question::STANDING`]: that it is not answered is worth a word wherever the engine is shown.
    pub fn is_standing(self) -> bool {
        Self::STANDING.contains(&self)
    }

    /// As it is sent.
    pub fn command(self) -> &'static str {
        match self {
            Question::Ping => "PING",
            Question::Role => "ROLE",
            Question::Replication => "INFO REPLICATION",
            Question::Persistence => "INFO PERSISTENCE",
            Question::Server => "INFO SERVER",
            Question::Clients => "INFO CLIENTS",
            Question::Memory => "INFO MEMORY",
            Question::Stats => "INFO STATS",
            Question::Keyspace => "INFO KEYSPACE",
            Question::ClientList => "CLIENT LIST",
            Question::Offsets => "DFLY REPLICAOFFSET",
            Question::SlowLog => "SLOWLOG GET 128",
            Question::SlowLogLength => "SLOWLOG LEN",
            Question::MemoryStats => "MEMORY STATS",
            Question::Config => "CONFIG GET *",
            Question::Time => "TIME",
            Question::Cpu => "INFO CPU",
            Question::Commands => "INFO COMMANDSTATS",
            Question::Errors => "INFO ERRORSTATS",
            Question::Tiering => "INFO TIERED",
            Question::Metrics => "GET /metrics",
            Question::Health => "GET /healthz",
        }
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant answers the question of its name")]
pub enum Probe {
    /// `+PONG`, or `-LOADING`, which is an answer too.
    Ping {
        took: Duration,
        loading: bool,
    },
    Role(RoleReply),
    Replication(Replication),
    Persistence(Persistence),
    Server(Server),
    Clients(Clients),
    Memory(Memory),
    Stats(Stats),
    Keyspace(Keyspace),
    ClientList(ClientList),
    Offsets(Offsets),
    SlowLog(SlowLog),
    SlowLogLength(u64),
    MemoryStats(MemoryStats),
    Config(Config),
    /// By its own clock.
    Time(Timestamp),
    Cpu(Cpu),
    Commands(Commands),
    Errors(Errors),
    Tiering(Tiering),
    Metrics(Box<Metrics>),
    Health(Health),
}

impl Probe {
    /// The question it answers.
    pub fn question(&self) -> Question {
        match self {
            Probe::Ping { .. } => Question::Ping,
            Probe::Role(_) => Question::Role,
            Probe::Replication(_) => Question::Replication,
            Probe::Persistence(_) => Question::Persistence,
            Probe::Server(_) => Question::Server,
            Probe::Clients(_) => Question::Clients,
            Probe::Memory(_) => Question::Memory,
            Probe::Stats(_) => Question::Stats,
            Probe::Keyspace(_) => Question::Keyspace,
            Probe::ClientList(_) => Question::ClientList,
            Probe::Offsets(_) => Question::Offsets,
            Probe::SlowLog(_) => Question::SlowLog,
            Probe::SlowLogLength(_) => Question::SlowLogLength,
            Probe::MemoryStats(_) => Question::MemoryStats,
            Probe::Config(_) => Question::Config,
            Probe::Time(_) => Question::Time,
            Probe::Cpu(_) => Question::Cpu,
            Probe::Commands(_) => Question::Commands,
            Probe::Errors(_) => Question::Errors,
            Probe::Tiering(_) => Question::Tiering,
            Probe::Metrics(_) => Question::Metrics,
            Probe::Health(_) => Question::Health,
        }
    }
}

/// A way by which an engine can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// A port-forward to the admin port: everything can be asked. Needs `pods/portforward`.
    PortForward,
    /// The API server's proxy to the pod: `/metrics` and `/healthz` only. Needs `pods/proxy`.
    PodProxy,
    /// A command run in the pod's container. Needs `pods/exec`, and a shell or client in the image.
    Exec,
}

impl Way {
    /// The way shown.
    pub fn word(self) -> &'static str {
        match self {
            Way::PortForward => "port-forward",
            Way::PodProxy => "pod proxy",
            Way::Exec => "exec",
        }
    }
}

/// A question that got no usable answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Unanswered {
    /// What was asked; `None` when no way to the engine could be opened at all.
    pub question: Option<Question>,
    /// Why there is no answer.
    pub fault: Fault,
}
