//! Memory as one node tells it: `INFO memory`, MEMORY STATS and MEMORY ARENA.

/// `INFO memory`, bytes unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// `used_memory`.
    pub used: Option<u64>,
    /// `used_memory_peak`.
    pub peak: Option<u64>,
    /// `used_memory_rss`. Past 1.25 times `maxmemory` (`rss_oom_deny_ratio`) new clients are turned away.
    pub rss: Option<u64>,
    /// `used_memory_peak_rss`.
    pub peak_rss: Option<u64>,
    /// `maxmemory`. Below 256 MiB for each thread the server would not start, but takes it at run time.
    pub max: Option<u64>,
    /// `object_used_memory`: keys and values.
    pub objects: Option<u64>,
    /// `table_used_memory`: the hash tables.
    pub tables: Option<u64>,
    /// `num_entries`: keys.
    pub entries: Option<u64>,
    /// `used_memory_lua`.
    pub lua: Option<u64>,
    /// `client_read_buffer_bytes` of the clients section, or its peak here.
    pub client_buffers_peak: Option<u64>,
    /// `dispatch_queue_bytes`: commands that wait for their turn.
    pub dispatch_queue: Option<u64>,
    /// `dispatch_queue_peak_bytes`.
    pub dispatch_queue_peak: Option<u64>,
    /// `dispatch_queue_subscriber_bytes`: messages that subscribers have not read.
    pub subscriber_queue: Option<u64>,
    /// `pipeline_queue_bytes`.
    pub pipeline_queue: Option<u64>,
    /// `tls_bytes`.
    pub tls: Option<u64>,
    /// `snapshot_serialization_bytes`: buffers of a save in progress.
    pub snapshot: Option<u64>,
    /// `save_buffer_bytes`.
    pub save_buffer: Option<u64>,
    /// `replication_streaming_buffer_bytes`: what replicas have not read, on a master with replicas.
    pub streaming: Option<u64>,
    /// `replication_full_sync_buffer_bytes`: buffers of full syncs in progress, on a master with replicas.
    pub full_sync: Option<u64>,
    /// `psync_buffer_bytes`: the backlog kept for partial syncs.
    pub backlog: Option<u64>,
    /// `psync_buffer_size`: records in that backlog.
    pub backlog_records: Option<u64>,
    /// `cache_mode:cache`, against `store`.
    pub cache: Option<bool>,
    /// `maxmemory_policy`: `eviction` or `noeviction`.
    pub evicts: Option<bool>,
}

impl Memory {
    /// Used of the most, in percent; `None` where there is no limit.
    pub fn percent(&self) -> Option<u64> {
        percent(self.used?, self.max?)
    }

    /// Resident of the most, in percent; `None` where there is no limit.
    pub fn rss_percent(&self) -> Option<u64> {
        percent(self.rss?, self.max?)
    }
}

fn percent(part: u64, whole: u64) -> Option<u64> {
    (whole > 0)
        .then(|| u64::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(u64::MAX))
}

/// `MEMORY STATS`. v1.40 tells three figures, older servers other ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemoryStats {
    /// `connections.direct_bytes`: buffers of client connections.
    pub connections: Option<u64>,
    /// `replication.connections_count`.
    pub replication_connections: Option<u64>,
    /// `replication.direct_bytes`: buffers of replication connections.
    pub replication: Option<u64>,
}

/// The totals under `MEMORY ARENA`, bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arena {
    /// Asked from the operating system.
    pub reserved: u64,
    /// Backed by memory.
    pub committed: u64,
    /// In use. What is committed and not used is waste, which `MEMORY DECOMMIT` may give back.
    pub used: u64,
}
