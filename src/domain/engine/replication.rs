//! Replication as one node tells it: ROLE, `INFO replication` as master and as replica, and the journal offsets.

use super::Role;
use crate::domain::text;

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
            other => LinkState::Other(text::one_line(other)),
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
        /// `slaveN` lines, in the order of their numbers; at most 256.
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
    /// Journal records behind, maximum over shards. Meaningful only in `online`: old versions write huge false values
    /// outside it, v1.40 writes 0. `None` when the line has no such number.
    pub lag: Option<u64>,
}

/// A replica's half of `INFO replication`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
    /// `slave_priority`: 0 is never to be elected. The operator does not read it.
    pub priority: Option<u64>,
    /// `psync_attempts` (v1.32+): partial syncs tried.
    pub psync_attempts: Option<u64>,
    /// `psync_successes` (v1.32+): partial syncs that sufficed; the others became full syncs.
    pub psync_successes: Option<u64>,
}

impl Follower {
    /// Its own words call it in stable sync: link up, no sync in progress, an offset. Says nothing of a frozen master:
    /// that is told by the master not answering us.
    pub fn claims_sync(&self) -> bool {
        self.link_up && !self.syncing && self.offset.is_some()
    }

    /// It holds half of a data set: its full sync was cut off, so it has no offset and no sync in progress. Never to be
    /// elected.
    pub fn is_half_way(&self) -> bool {
        !self.syncing && !self.link_up && self.offset.is_none()
    }
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

/// `DFLY REPLICAOFFSET`: one journal sequence number per shard. All zero on a node that keeps no journal, as a replica
/// does; after a takeover or REPLICAOF NO ONE the new master's own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offsets {
    /// By shard; at most 1,024.
    pub shards: Vec<u64>,
}

impl Offsets {
    /// All shards together, comparable with a replica's `slave_repl_offset`.
    pub fn total(&self) -> u64 {
        self.shards
            .iter()
            .fold(0, |sum, shard| sum.saturating_add(*shard))
    }
}
