//! How each section of INFO is put together from its fields.

use crate::domain::engine::*;
use crate::wire::figure::{flag, line, number, port, rounded, second, short, version};

/// Replicas that are kept of a master's list.
pub(in crate::wire) const REPLICAS: usize = 256;
/// Databases that are kept.
const DATABASES: usize = 64;
/// Modules that are kept.
const MODULES: usize = 16;
/// Error texts and commands that are looked at; past them only the sums grow.
const LOOKED_AT: usize = 1_000;

/// A section that takes its fields one by one.
pub(super) trait Section {
    /// Whether the field is one of this section.
    fn take(&mut self, key: &str, value: &str) -> bool;

    /// Called once after the last field.
    fn finish(&mut self) {}
}

/// A section in the making.
#[derive(Default)]
pub(super) struct Part<T> {
    section: T,
    told: bool,
}

impl<T: Section> Part<T> {
    pub(super) fn take(&mut self, key: &str, value: &str) -> bool {
        let mine = self.section.take(key, value);
        self.told |= mine;
        mine
    }

    pub(super) fn some(mut self) -> Option<T> {
        self.section.finish();
        self.told.then_some(self.section)
    }
}

impl Section for Server {
    fn take(&mut self, key: &str, value: &str) -> bool {
        match key {
            "dragonfly_version" => self.version = version(value),
            "uptime_in_seconds" => self.uptime = number(value),
            "thread_count" => self.threads = number(value),
            "process_id" => self.process = number(value),
            "tcp_port" => self.port = number(value),
            "redis_mode" => self.mode = short(value, 40),
            "multiplexing_api" => self.io = short(value, 40),
            "os" => self.os = short(value, 120),
            "redis_version" | "arch_bits" => {}
            _ => return false,
        }
        true
    }
}

impl Section for Clients {
    fn take(&mut self, key: &str, value: &str) -> bool {
        match key {
            "connected_clients" => self.connected = number(value),
            // Redis's own spelling is the second.
            "max_clients" | "maxclients" => self.max = number(value),
            "blocked_clients" => self.blocked = number(value),
            "client_read_buffer_bytes" => self.read_buffers = number(value),
            "pipeline_queue_length" => self.queued = number(value),
            "send_delay_ms" => self.send_delay_ms = number(value),
            "timeout_disconnects" => self.timeouts = number(value),
            _ => return false,
        }
        true
    }
}

impl Section for Memory {
    fn take(&mut self, key: &str, value: &str) -> bool {
        match key {
            "used_memory" => self.used = number(value),
            "used_memory_peak" => self.peak = number(value),
            "used_memory_rss" => self.rss = number(value),
            "used_memory_peak_rss" => self.peak_rss = number(value),
            "maxmemory" => self.max = number(value),
            "object_used_memory" => self.objects = number(value),
            "table_used_memory" => self.tables = number(value),
            "num_entries" => self.entries = number(value),
            "used_memory_lua" => self.lua = number(value),
            "client_read_buffer_peak_bytes" => self.client_buffers_peak = number(value),
            "dispatch_queue_bytes" => self.dispatch_queue = number(value),
            "dispatch_queue_peak_bytes" => self.dispatch_queue_peak = number(value),
            "dispatch_queue_subscriber_bytes" => self.subscriber_queue = number(value),
            "pipeline_queue_bytes" => self.pipeline_queue = number(value),
            "tls_bytes" => self.tls = number(value),
            "snapshot_serialization_bytes" => self.snapshot = number(value),
            "save_buffer_bytes" => self.save_buffer = number(value),
            "replication_streaming_buffer_bytes" => self.streaming = number(value),
            "replication_full_sync_buffer_bytes" => self.full_sync = number(value),
            "psync_buffer_bytes" => self.backlog = number(value),
            "psync_buffer_size" => self.backlog_records = number(value),
            "cache_mode" => {
                self.cache = match value {
                    "cache" => Some(true),
                    "store" => Some(false),
                    _ => None,
                }
            }
            "maxmemory_policy" => {
                self.evicts = match value {
                    "noeviction" => Some(false),
                    "" => None,
                    _ => Some(true),
                }
            }
            _ => return false,
        }
        true
    }
}

impl Section for Stats {
    fn take(&mut self, key: &str, value: &str) -> bool {
        match key {
            "instantaneous_ops_per_sec" => self.ops = number(value),
            "total_commands_processed" => self.commands = number(value),
            "total_connections_received" => self.connections = number(value),
            "oom_rejections" => self.oom_rejections = number(value),
            "evicted_keys" => self.evicted = number(value),
            "expired_keys" => self.expired = number(value),
            "keyspace_hits" => self.hits = number(value),
            "keyspace_misses" => self.misses = number(value),
            "keyspace_mutations" => self.mutations = number(value),
            "total_net_input_bytes" => self.received = number(value),
            "total_net_output_bytes" => self.sent = number(value),
            "total_pipelined_commands" => self.pipelined = number(value),
            "pipeline_throttle_total" => self.throttled = number(value),
            "hard_evictions" => self.hard_evictions = number(value),
            "rdb_save_count" => self.saves = number(value),
            _ => return false,
        }
        true
    }
}

impl Section for Persistence {
    fn take(&mut self, key: &str, value: &str) -> bool {
        match key {
            "loading" => self.loading = flag(value),
            "saving" => self.saving = flag(value),
            // With a fraction.
            "current_snapshot_perc" => {
                self.save_percent = value.parse().ok().and_then(rounded).map(|n| n.min(100));
            }
            "current_save_keys_processed" => self.save_keys_done = number(value),
            "current_save_keys_total" => self.save_keys_total = number(value),
            "current_save_duration_sec" => self.saving_for = number(value),
            // Old servers say `last_save`, Redis `rdb_last_save_time`.
            "last_success_save" | "last_save" | "rdb_last_save_time" => {
                self.last_save = second(value);
            }
            "last_saved_file" | "last_save_file" => {
                self.last_file = line(value).unwrap_or_default()
            }
            "last_success_save_duration_sec" | "last_save_duration_sec" => {
                self.last_save_took = number(value);
            }
            "rdb_changes_since_last_success_save" | "rdb_changes_since_last_save" => {
                self.changes = number(value);
            }
            "last_failed_save" => self.last_failed = second(value).filter(|at| *at > 0),
            "last_error" => self.last_error = line(value).unwrap_or_default(),
            "last_failed_save_duration_sec" => self.last_failed_took = number(value),
            _ => return false,
        }
        true
    }
}

impl Section for Cpu {
    fn take(&mut self, key: &str, value: &str) -> bool {
        match key {
            "used_cpu_sys" => self.sys_ms = millis(value),
            "used_cpu_user" => self.user_ms = millis(value),
            "used_cpu_sys_main_thread" => self.main_sys_ms = millis(value),
            "used_cpu_user_main_thread" => self.main_user_ms = millis(value),
            _ => return false,
        }
        true
    }
}

/// Seconds with a fraction, to milliseconds. The server writes microseconds behind the point without leading zeros.
fn millis(value: &str) -> Option<u64> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let micros = number(fraction)?;
    let of_second = if fraction.len() == 6 {
        micros / 1_000
    } else {
        // Not padded, or rounded to six digits in all: which one cannot be told, and it is less than a second.
        0
    };
    Some(
        number(whole)?
            .saturating_mul(1_000)
            .saturating_add(of_second),
    )
}

impl Section for Tiering {
    fn take(&mut self, key: &str, value: &str) -> bool {
        match key {
            "tiered_entries" => self.entries = number(value),
            "tiered_entries_bytes" => self.bytes = number(value),
            "tiered_allocated_bytes" => self.allocated = number(value),
            "tiered_capacity_bytes" => self.capacity = number(value),
            "tiered_total_stashes" => self.stashes = number(value),
            "tiered_total_fetches" => self.fetches = number(value),
            "tiered_total_stash_overflows" => self.overflows = number(value),
            "tiered_total_clients_throttled" => self.throttled = number(value),
            _ => return false,
        }
        true
    }
}

impl Section for Rest {
    fn take(&mut self, key: &str, value: &str) -> bool {
        match key {
            "tx_queue_len" => self.queued_transactions = number(value),
            "cluster_enabled" => self.cluster = Some(flag(value)),
            "acl_num_users" => self.users = number(value),
            "module" if self.modules.len() < MODULES => {
                self.modules
                    .extend(parts(value).find_map(|(key, value)| match key {
                        "name" => short(value, 60),
                        _ => None,
                    }));
            }
            _ => return false,
        }
        true
    }
}

impl Section for Commands {
    fn take(&mut self, key: &str, value: &str) -> bool {
        let Some(name) = key.strip_prefix("cmdstat_") else {
            return false;
        };
        let (mut calls, mut micros) = (0, 0);
        for (key, value) in parts(value) {
            match key {
                "calls" => calls = number(value).unwrap_or(0),
                "usec" => micros = number(value).unwrap_or(0),
                _ => {}
            }
        }
        self.calls = self.calls.saturating_add(calls);
        self.micros = self.micros.saturating_add(micros);
        if self.busiest.len() < LOOKED_AT {
            self.busiest
                .extend(short(name, 60).map(|name| CommandFigures {
                    name,
                    calls,
                    micros,
                }));
        }
        true
    }

    fn finish(&mut self) {
        self.busiest
            .sort_by(|a, b| (b.micros, b.calls, &a.name).cmp(&(a.micros, a.calls, &b.name)));
        self.busiest.truncate(Commands::KEPT);
        self.busiest.shrink_to_fit();
    }
}

/// `INFO errorstats` in the making.
#[derive(Default)]
pub(super) struct ErrorLines {
    /// The heading was there.
    pub(super) headed: bool,
    told: Vec<(String, u64)>,
    total: u64,
}

impl ErrorLines {
    pub(super) fn take(&mut self, text: &str) {
        let Some((text, count)) = text.rsplit_once(':') else {
            return;
        };
        let Some(count) = number(count) else {
            return;
        };
        self.total = self.total.saturating_add(count);
        if self.told.len() < LOOKED_AT {
            self.told.extend(short(text, 160).map(|text| (text, count)));
        }
    }

    pub(super) fn done(mut self) -> Result<Errors, String> {
        if !self.headed {
            return Err("it has no field of that section".to_owned());
        }
        self.told.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        self.told.truncate(Errors::KEPT);
        self.told.shrink_to_fit();
        Ok(Errors {
            frequent: self.told,
            total: self.total,
        })
    }
}

/// `INFO keyspace` in the making.
#[derive(Default)]
pub(super) struct KeyspaceLines {
    /// The heading was there, which is all that an empty server sends.
    pub(super) headed: bool,
    told: Vec<(u32, Database)>,
    keys: u64,
    expiring: Option<u64>,
    any: bool,
}

impl KeyspaceLines {
    pub(super) fn take(&mut self, key: &str, value: &str) -> bool {
        let Some(database) = key.strip_prefix("db").and_then(|n| n.parse::<u32>().ok()) else {
            return false;
        };
        let mut told = Database::default();
        for (key, value) in parts(value) {
            match key {
                "keys" => told.keys = number(value),
                "expires" => told.expiring = number(value),
                "hits" => told.hits = number(value),
                "misses" => told.misses = number(value),
                _ => {}
            }
        }
        self.any = true;
        self.keys = self.keys.saturating_add(told.keys.unwrap_or(0));
        if let Some(expiring) = told.expiring {
            self.expiring = Some(self.expiring.unwrap_or(0).saturating_add(expiring));
        }
        if self.told.len() < DATABASES {
            self.told.push((database, told));
        }
        true
    }

    pub(super) fn done(mut self) -> Result<Keyspace, String> {
        if !self.headed && !self.any {
            return Err("it is no INFO text of the keyspace".to_owned());
        }
        self.told.sort_by_key(|(database, _)| *database);
        Ok(Keyspace {
            keys: self.keys,
            expiring: self.expiring,
            databases: self.told,
        })
    }
}

/// `INFO replication` in the making: which half it is, is known only at its end.
#[derive(Default)]
pub(super) struct ReplicationLines {
    role: Option<Result<Role, String>>,
    replid: Option<String>,
    connected: Option<u64>,
    lines: Vec<(u32, ReplicaLine)>,
    follower: Follower,
}

impl ReplicationLines {
    pub(super) fn take(&mut self, key: &str, value: &str) -> bool {
        match key {
            "role" => {
                self.role = Some(match value {
                    "master" => Ok(Role::Master),
                    // v1.17, and later ones told not to be compatible, say `replica`.
                    "slave" | "replica" => Ok(Role::Replica),
                    other => Err(short(other, 60).unwrap_or_default()),
                });
            }
            "master_replid" => self.replid = short(value, 80),
            "connected_slaves" => self.connected = number(value),
            "master_host" => self.follower.host = line(value).unwrap_or_default(),
            "master_port" => self.follower.port = port(value).unwrap_or(0),
            "master_link_status" => self.follower.link_up = value == "up",
            "master_last_io_seconds_ago" => self.follower.last_io = number(value),
            "master_sync_in_progress" => self.follower.syncing = flag(value),
            "slave_repl_offset" => self.follower.offset = number(value),
            "slave_priority" => self.follower.priority = number(value),
            "psync_attempts" => self.follower.psync_attempts = number(value),
            "psync_successes" => self.follower.psync_successes = number(value),
            _ => return self.take_line(key, value),
        }
        true
    }

    /// `slave0:ip=10.0.0.2,port=6379,state=online,lag=0`.
    fn take_line(&mut self, key: &str, value: &str) -> bool {
        let Some(place) = key
            .strip_prefix("slave")
            .and_then(|n| n.parse::<u32>().ok())
        else {
            return false;
        };
        let mut told = ReplicaLine {
            ip: String::new(),
            port: 0,
            state: LinkState::from_word(""),
            lag: None,
        };
        for (key, value) in parts(value) {
            match key {
                "ip" => told.ip = short(value, 80).unwrap_or_default(),
                "port" => told.port = port(value).unwrap_or(0),
                "state" => told.state = LinkState::from_word(value),
                "lag" => told.lag = number(value),
                _ => {}
            }
        }
        if !told.ip.is_empty() && self.lines.len() < REPLICAS {
            self.lines.push((place, told));
        }
        true
    }

    pub(super) fn done(mut self) -> Result<Replication, String> {
        let role = match self.role {
            None => return Err("it names no role".to_owned()),
            Some(Err(other)) => return Err(format!("unknown role '{other}'")),
            Some(Ok(role)) => role,
        };
        let side = match role {
            Role::Replica => Side::Replica(self.follower),
            Role::Master => {
                // Stable, so that of a line that came twice the last stays after the first is dropped.
                self.lines.sort_by_key(|(place, _)| *place);
                self.lines.reverse();
                self.lines.dedup_by_key(|(place, _)| *place);
                self.lines.reverse();
                let replicas: Vec<ReplicaLine> =
                    self.lines.into_iter().map(|(_, line)| line).collect();
                Side::Master {
                    connected: self.connected.unwrap_or(replicas.len() as u64),
                    replicas,
                }
            }
        };
        Ok(Replication {
            replid: self.replid,
            side,
        })
    }
}

/// `a=1,b=2`.
fn parts(value: &str) -> impl Iterator<Item = (&str, &str)> {
    value
        .split(',')
        .filter_map(|part| part.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
}
