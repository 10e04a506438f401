//! Plain figures of one node: `INFO` server, clients, stats, keyspace, cpu, commandstats, errorstats, tiered and the
//! small sections.

/// `INFO server`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Server {
    /// `dragonfly_version` without `df-`: `v1.39.0`. A server that is no Dragonfly has none.
    pub version: Option<String>,
    /// `uptime_in_seconds`.
    pub uptime: Option<u64>,
    /// `thread_count`.
    pub threads: Option<u64>,
    /// `process_id`; 1 in most containers.
    pub process: Option<u64>,
    /// `tcp_port`.
    pub port: Option<u64>,
    /// `redis_mode`: `standalone`, `cluster`, `emulated`.
    pub mode: Option<String>,
    /// `multiplexing_api`: `iouring` or `epoll`.
    pub io: Option<String>,
    /// `os`.
    pub os: Option<String>,
}

/// `INFO clients`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clients {
    /// `connected_clients`, admin and replication connections included.
    pub connected: Option<u64>,
    /// `max_clients`.
    pub max: Option<u64>,
    /// `blocked_clients`: waiting in BLPOP and its like.
    pub blocked: Option<u64>,
    /// `client_read_buffer_bytes`.
    pub read_buffers: Option<u64>,
    /// `pipeline_queue_length`: commands that wait, of all clients.
    pub queued: Option<u64>,
    /// `send_delay_ms`: how long the slowest reader has held up a reply, milliseconds.
    pub send_delay_ms: Option<u64>,
    /// `timeout_disconnects`.
    pub timeouts: Option<u64>,
}

/// `INFO stats`. All but the rate are counters since the process started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// `instantaneous_ops_per_sec`.
    pub ops: Option<u64>,
    /// `total_commands_processed`.
    pub commands: Option<u64>,
    /// `total_connections_received`.
    pub connections: Option<u64>,
    /// `oom_rejections`: commands refused because memory ran out.
    pub oom_rejections: Option<u64>,
    /// `evicted_keys`.
    pub evicted: Option<u64>,
    /// `expired_keys`.
    pub expired: Option<u64>,
    /// `keyspace_hits`.
    pub hits: Option<u64>,
    /// `keyspace_misses`.
    pub misses: Option<u64>,
    /// `keyspace_mutations`.
    pub mutations: Option<u64>,
    /// `total_net_input_bytes`.
    pub received: Option<u64>,
    /// `total_net_output_bytes`.
    pub sent: Option<u64>,
    /// `total_pipelined_commands`.
    pub pipelined: Option<u64>,
    /// `pipeline_throttle_total`: how often a client was held back for sending too much at once.
    pub throttled: Option<u64>,
    /// `hard_evictions`.
    pub hard_evictions: Option<u64>,
    /// `rdb_save_count`.
    pub saves: Option<u64>,
}

/// `INFO keyspace`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keyspace {
    /// Keys of all databases together.
    pub keys: u64,
    /// Of them, keys with a time to live; `None` when no database tells.
    pub expiring: Option<u64>,
    /// Each database by its number, in order; at most 64.
    pub databases: Vec<(u32, Database)>,
}

/// One `dbN` line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Database {
    /// `keys`.
    pub keys: Option<u64>,
    /// `expires`: keys with a time to live.
    pub expiring: Option<u64>,
    /// `hits` (newer servers).
    pub hits: Option<u64>,
    /// `misses` (newer servers).
    pub misses: Option<u64>,
}

/// `INFO cpu`, milliseconds since the process started. The server does not pad its fractions with zeros, so up to a
/// second each is uncertain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cpu {
    /// `used_cpu_sys`.
    pub sys_ms: Option<u64>,
    /// `used_cpu_user`.
    pub user_ms: Option<u64>,
    /// `used_cpu_sys_main_thread`.
    pub main_sys_ms: Option<u64>,
    /// `used_cpu_user_main_thread`.
    pub main_user_ms: Option<u64>,
}

/// `INFO commandstats`: where the time went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commands {
    /// The commands that took most time, most first; at most [`Commands::KEPT`].
    pub busiest: Vec<CommandFigures>,
    /// Calls of all commands together.
    pub calls: u64,
    /// Time of all commands together, microseconds.
    pub micros: u64,
}

impl Commands {
    /// How many commands are kept.
    pub const KEPT: usize = 10;
}

/// One `cmdstat_` line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandFigures {
    /// The command, lower case: `set`, `acl whoami`.
    pub name: String,
    /// How often it was called.
    pub calls: u64,
    /// How long all calls took together, microseconds.
    pub micros: u64,
}

/// `INFO errorstats`: error replies by text. Texts of some versions carry no code.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Errors {
    /// The most frequent texts with their counts, most first; at most [`Errors::KEPT`].
    pub frequent: Vec<(String, u64)>,
    /// Error replies of all texts together.
    pub total: u64,
}

impl Errors {
    /// How many texts are kept.
    pub const KEPT: usize = 10;
}

/// `INFO tiered`: values kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tiering {
    /// `tiered_entries`.
    pub entries: Option<u64>,
    /// `tiered_entries_bytes`.
    pub bytes: Option<u64>,
    /// `tiered_allocated_bytes`: of the file.
    pub allocated: Option<u64>,
    /// `tiered_capacity_bytes`: of the file.
    pub capacity: Option<u64>,
    /// `tiered_total_stashes`: values written.
    pub stashes: Option<u64>,
    /// `tiered_total_fetches`: values read back.
    pub fetches: Option<u64>,
    /// `tiered_total_stash_overflows`: values that could not be written in time.
    pub overflows: Option<u64>,
    /// `tiered_total_clients_throttled` (newer servers).
    pub throttled: Option<u64>,
}

/// The rest of `INFO ALL`, as far as a check or a page has a use for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rest {
    /// `tx_queue_len`: transactions that wait. Stays high behind a script that does not end.
    pub queued_transactions: Option<u64>,
    /// `cluster_enabled`.
    pub cluster: Option<bool>,
    /// `acl_num_users`.
    pub users: Option<u64>,
    /// Names under `# Modules`; at most 16.
    pub modules: Vec<String>,
}
