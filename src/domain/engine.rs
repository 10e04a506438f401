//! What an engine says of itself: the answers to PING, `INFO` by section, and `ROLE`.
//!
//! Field meanings as read in and measured on servers v1.17 to v1.40; every field that some version omits is optional.

use std::time::Duration;

use super::fault::Fault;

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
    reason = "each variant is the command or INFO section of its name"
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
    ];

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

/// The reply to `ROLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleReply {
    /// `["master", [[ip, port, state], ...]]`.
    Master {
        /// Replicas as the master lists them.
        replicas: Vec<(String, u16, LinkState)>,
    },
    /// `["slave" or "replica", host, port, state]`.
    Replica {
        /// The master's host.
        host: String,
        /// The master's port.
        port: u16,
        /// State of the link.
        state: LinkState,
    },
}

impl RoleReply {
    /// The role alone.
    pub fn role(&self) -> Role {
        match self {
            RoleReply::Master { .. } => Role::Master,
            RoleReply::Replica { .. } => Role::Replica,
        }
    }
}

/// State of a replication link, as INFO of the master and ROLE spell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// `connecting`: retrying, or stopped for good; ROLE does not tell which.
    Connecting,
    /// `preparation`.
    Preparation,
    /// `full_sync`.
    FullSync,
    /// `online` (`stable_sync` up to v1.17).
    Online,
    /// `cancelled`.
    Cancelled,
    /// A word that no version known here says.
    Other(String),
}

impl LinkState {
    /// From the word on the wire.
    pub fn from_word(word: &str) -> Self {
        match word {
            "connecting" | "connect" => LinkState::Connecting,
            "preparation" => LinkState::Preparation,
            "full_sync" => LinkState::FullSync,
            "online" | "stable_sync" => LinkState::Online,
            "cancelled" => LinkState::Cancelled,
            other => LinkState::Other(super::text::one_line(other)),
        }
    }

    /// The word shown.
    pub fn word(&self) -> &str {
        match self {
            LinkState::Connecting => "connecting",
            LinkState::Preparation => "preparation",
            LinkState::FullSync => "full sync",
            LinkState::Online => "online",
            LinkState::Cancelled => "cancelled",
            LinkState::Other(word) => word,
        }
    }
}

/// `INFO replication`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    /// `master_replid`: on a replica its master's, so equal on all healthy members.
    pub replid: Option<String>,
    /// The rest, by role.
    pub side: Side,
}

/// The two shapes of `INFO replication`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// `role:master`. A node in TAKEN_OVER and a node loading its own snapshot say so too.
    Master {
        /// `connected_slaves`. Counts a replica that has stopped replicating.
        connected: u64,
        /// `slaveN` lines.
        replicas: Vec<ReplicaLine>,
    },
    /// `role:slave`.
    Replica(Follower),
}

/// A `slaveN:` line of a master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaLine {
    /// As announced or seen; with a mesh it can be a proxy's.
    pub ip: String,
    /// The replica's main listening port, not the admin port.
    pub port: u16,
    /// State of its link.
    pub state: LinkState,
    /// Journal records behind, maximum over shards. Meaningful only in `online`.
    pub lag: u64,
}

/// A replica's half of `INFO replication`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    /// `master_host`.
    pub host: String,
    /// `master_port`, 9999 under the operator.
    pub port: u16,
    /// `master_link_status:up`. Means only that TCP is connected: it stays up for a minute over a frozen master.
    pub link_up: bool,
    /// `master_last_io_seconds_ago`; `None` for -1 or absent.
    pub last_io: Option<u64>,
    /// `master_sync_in_progress`.
    pub syncing: bool,
    /// `slave_repl_offset` (v1.22+), sum over shards; absent before the first full sync ended, and with the link down
    /// before v1.37.
    pub offset: Option<u64>,
}

impl Replication {
    /// The role alone.
    pub fn role(&self) -> Role {
        match self.side {
            Side::Master { .. } => Role::Master,
            Side::Replica(_) => Role::Replica,
        }
    }
}

/// `INFO persistence`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Persistence {
    /// `loading`: at start, and during a replica's full sync.
    pub loading: bool,
    /// `saving`. The only field that tells a save in progress.
    pub saving: bool,
    /// `last_success_save`, unix seconds; equals the process start while there was none.
    pub last_save: Option<i64>,
    /// `last_saved_file`; empty means never saved by this process.
    pub last_file: String,
    /// `last_failed_save`, unix seconds; `None` for 0.
    pub last_failed: Option<i64>,
    /// `last_error`; `rdb_last_bgsave_status` stays `ok` after a failure and is not read.
    pub last_error: String,
}

/// `INFO server`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Server {
    /// `dragonfly_version` without `df-`: `v1.39.0`.
    pub version: Option<String>,
    /// `uptime_in_seconds`.
    pub uptime: Option<u64>,
    /// `thread_count`.
    pub threads: Option<u64>,
}

/// `INFO clients`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clients {
    /// `connected_clients`, admin and replication connections included.
    pub connected: Option<u64>,
    /// `max_clients`.
    pub max: Option<u64>,
    /// `blocked_clients`.
    pub blocked: Option<u64>,
}

/// `INFO memory`, bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// `used_memory`.
    pub used: Option<u64>,
    /// `used_memory_peak`.
    pub peak: Option<u64>,
    /// `used_memory_rss`.
    pub rss: Option<u64>,
    /// `maxmemory`.
    pub max: Option<u64>,
}

/// `INFO stats`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// `instantaneous_ops_per_sec`.
    pub ops: Option<u64>,
    /// `total_commands_processed`.
    pub commands: Option<u64>,
    /// `oom_rejections`.
    pub oom_rejections: Option<u64>,
    /// `evicted_keys`.
    pub evicted: Option<u64>,
    /// `expired_keys`.
    pub expired: Option<u64>,
    /// `keyspace_hits`.
    pub hits: Option<u64>,
    /// `keyspace_misses`.
    pub misses: Option<u64>,
}

/// `INFO keyspace`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keyspace {
    /// Keys of all databases together.
    pub keys: u64,
}
