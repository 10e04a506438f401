//! The two HTTP pages of the admin port, which are all that can be asked where port-forwards are not permitted.

use super::{LinkState, Role};

/// `/healthz` (v1.38+).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// 200: the server is ACTIVE.
    Active,
    /// 503: it is loading, in a full sync, being taken over, or shutting down; the page does not tell which.
    Busy,
}

/// `/metrics`, the families that tell the state. Counters are since the process started; `None` where the running
/// version has no such family.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metrics {
    /// `dragonfly_version{version}` without `df-`.
    pub version: Option<String>,
    /// `dragonfly_master`: 1 or 0.
    pub role: Option<Role>,
    /// `dragonfly_uptime_in_seconds`.
    pub uptime: Option<u64>,
    /// `dragonfly_connected_clients{listener="main"}`, or without a label in old versions.
    pub clients: Option<u64>,
    /// `dragonfly_connected_clients{listener="other"}`: admin and replication.
    pub other_clients: Option<u64>,
    /// `dragonfly_max_clients`.
    pub max_clients: Option<u64>,
    /// `dragonfly_blocked_clients`.
    pub blocked_clients: Option<u64>,
    /// `dragonfly_send_delay_seconds`, in milliseconds.
    pub send_delay_ms: Option<u64>,
    /// `dragonfly_memory_used_bytes`.
    pub used: Option<u64>,
    /// `dragonfly_memory_used_peak_bytes`.
    pub peak: Option<u64>,
    /// `dragonfly_memory_max_bytes`.
    pub max: Option<u64>,
    /// `dragonfly_used_memory_rss_bytes`.
    pub rss: Option<u64>,
    /// `dragonfly_commands_processed_total`, all listeners.
    pub commands: Option<u64>,
    /// `dragonfly_oom_errors_total`, all types. The family appears with the first error.
    pub oom_errors: Option<u64>,
    /// `dragonfly_keyspace_hits_total`, the sample without a database.
    pub hits: Option<u64>,
    /// `dragonfly_keyspace_misses_total`, the sample without a database.
    pub misses: Option<u64>,
    /// `dragonfly_expired_keys_total`, all databases.
    pub expired: Option<u64>,
    /// `dragonfly_evicted_keys_total`, all databases.
    pub evicted: Option<u64>,
    /// `dragonfly_net_input_bytes_total`.
    pub received: Option<u64>,
    /// `dragonfly_net_output_bytes_total`.
    pub sent: Option<u64>,
    /// `dragonfly_db_keys`, all databases. The family is absent on an empty server.
    pub keys: Option<u64>,
    /// `dragonfly_db_keys_expiring`, all databases.
    pub expiring: Option<u64>,
    /// `dragonfly_connected_replica_lag_records`, on a master: each replica; at most 256.
    pub replicas: Vec<MetricsReplica>,
    /// `dragonfly_master_link_status`, on a replica (after v1.34).
    pub link_up: Option<bool>,
    /// `dragonfly_master_last_io_seconds_ago`, on a replica (after v1.34).
    pub last_io: Option<u64>,
    /// `dragonfly_master_sync_in_progress`, on a replica (after v1.34).
    pub syncing: Option<bool>,
    /// `dragonfly_slave_repl_offset`, on a replica (after v1.34).
    pub offset: Option<u64>,
    /// `dragonfly_replica_reconnect_count`, on a replica. Grows while it retries, stands still when it has stopped.
    pub reconnects: Option<u64>,
    /// `dragonfly_replication_psync_count`: partial syncs.
    pub psyncs: Option<u64>,
    /// `dragonfly_backups_total`.
    pub saves: Option<u64>,
    /// `dragonfly_failed_backups_total`. Measured on v1.39: stays 0 after failed saves.
    pub failed_saves: Option<u64>,
    /// `dragonfly_restores_total`.
    pub loads: Option<u64>,
    /// `dragonfly_failed_restores_total`.
    pub failed_loads: Option<u64>,
    /// `dragonfly_listener_accept_error_total`, all reasons: clients turned away.
    pub turned_away: Option<u64>,
    /// `dragonfly_tx_queue_len`: transactions that wait.
    pub queued_transactions: Option<u64>,
}

/// One replica in a master's `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsReplica {
    /// `replica_ip`.
    pub ip: String,
    /// `replica_port`.
    pub port: u16,
    /// `replica_state`.
    pub state: LinkState,
    /// Journal records behind.
    pub lag: Option<u64>,
}
