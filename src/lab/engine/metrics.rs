//! `/metrics`: the families of the recordings, in their order.

use std::fmt::{Display, Write as _};
use std::sync::Arc;

use super::clients::Port;
use super::core::{Core, Memory, Role};
use super::figures::general;
use super::node::Node;
use super::replication::Link;
use super::sections::stage_word;
use super::spec::Version;
use super::value::KINDS;

/// When a family is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    Until39,
    Since40,
    Master,
    Master39,
    Replica,
    /// On replicas of v1.35 and later.
    Link,
    /// Like `Link`, and only with an offset to show.
    Offset,
    /// Once something was refused for want of memory.
    Refused,
}

/// Name without its prefix, help, type, when.
const FAMILIES: &[(&str, &str, &str, When)] = &[
    ("version", "", "gauge", When::Always),
    ("master", "1 if master 0 if replica", "gauge", When::Always),
    ("uptime_in_seconds", "", "counter", When::Always),
    (
        "max_clients",
        "Maximal number of clients",
        "gauge",
        When::Always,
    ),
    ("connected_clients", "", "gauge", When::Always),
    (
        "tls_handshakes_total",
        "Total TLS handshakes by status",
        "counter",
        When::Always,
    ),
    ("blocked_clients", "", "gauge", When::Always),
    ("pipeline_queue_length", "", "gauge", When::Always),
    ("send_delay_seconds", "", "gauge", When::Always),
    ("pipeline_throttle_total", "", "counter", When::Always),
    (
        "pubsub_backpressure_events_total",
        "Pub/Sub back-pressure and slow-subscriber protection events by type",
        "counter",
        When::Since40,
    ),
    ("pipeline_commands_total", "", "counter", When::Always),
    ("pipeline_dispatch_calls_total", "", "counter", When::Always),
    (
        "pipeline_dispatch_commands_total",
        "",
        "counter",
        When::Always,
    ),
    (
        "pipeline_dispatch_skip_flush_total",
        "",
        "counter",
        When::Until39,
    ),
    (
        "pipeline_dispatch_flush_total",
        "",
        "counter",
        When::Since40,
    ),
    (
        "pipeline_dispatch_flush_duration_seconds",
        "",
        "counter",
        When::Always,
    ),
    (
        "pipeline_commands_duration_seconds",
        "",
        "counter",
        When::Always,
    ),
    (
        "pipeline_queue_wait_duration_seconds",
        "",
        "counter",
        When::Always,
    ),
    (
        "pipeline_blocking_commands_total",
        "",
        "counter",
        When::Always,
    ),
    (
        "pipeline_latency_seconds",
        "Pipeline command latency distribution",
        "summary",
        When::Always,
    ),
    (
        "cmd_squash_stats_ignored_total",
        "",
        "counter",
        When::Until39,
    ),
    ("cmd_squash_hop_total", "", "counter", When::Always),
    ("cmd_squash_commands_total", "", "counter", When::Always),
    (
        "cmd_squash_hop_duration_seconds",
        "",
        "counter",
        When::Always,
    ),
    ("cmd_squash_hop_reply_seconds", "", "counter", When::Always),
    (
        "connections_libs",
        "Total number of connections by libname:ver",
        "gauge",
        When::Always,
    ),
    ("memory_used_bytes", "", "gauge", When::Always),
    ("memory_used_peak_bytes", "", "gauge", When::Always),
    (
        "connection_memory_bytes",
        "Approximate direct memory used by active non-replication-flow connections, excluding separately tracked read buffers and queues.",
        "gauge",
        When::Since40,
    ),
    ("fibers_count", "", "gauge", When::Always),
    ("blocked_tasks", "", "gauge", When::Always),
    ("memory_max_bytes", "", "gauge", When::Always),
    (
        "oom_errors_total",
        "Rejected requests due to out of memory errors",
        "counter",
        When::Refused,
    ),
    ("used_memory_rss_bytes", "", "gauge", When::Always),
    ("swap_memory_bytes", "", "gauge", When::Always),
    (
        "type_used_memory",
        "Memory used per type",
        "gauge",
        When::Always,
    ),
    ("connections_received_total", "", "counter", When::Always),
    ("commands_processed_total", "", "counter", When::Always),
    ("keyspace_hits_total", "", "counter", When::Always),
    ("keyspace_misses_total", "", "counter", When::Always),
    ("keyspace_mutations_total", "", "counter", When::Always),
    ("lua_interpreter_cnt", "", "gauge", When::Always),
    ("freed_memory_lua", "", "counter", When::Always),
    ("lua_blocked_total", "", "counter", When::Always),
    ("lua_gc_interpreter_return", "", "counter", When::Always),
    ("lua_force_gc_calls", "", "counter", When::Always),
    ("lua_gc_duration_total_sec", "", "counter", When::Always),
    ("backups_total", "", "counter", When::Always),
    ("failed_backups_total", "", "counter", When::Always),
    ("restores_total", "", "counter", When::Always),
    ("failed_restores_total", "", "counter", When::Always),
    ("net_input_recv_total", "", "counter", When::Always),
    ("net_read_yields_total", "", "counter", When::Always),
    (
        "proactor_reads_total",
        "V2 OnRecv reads that actually drained bytes",
        "counter",
        When::Since40,
    ),
    (
        "proactor_parse_total",
        "V2 OnRecv parses that enqueued at least one command",
        "counter",
        When::Since40,
    ),
    ("net_input_bytes_total", "", "counter", When::Always),
    ("net_output_bytes_total", "", "counter", When::Always),
    ("reply_duration_seconds", "", "counter", When::Always),
    ("reply_total", "", "counter", When::Always),
    ("script_error_total", "", "counter", When::Always),
    (
        "listener_accept_error_total",
        "Listener accept errors",
        "counter",
        When::Always,
    ),
    ("expired_keys_total", "", "counter", When::Always),
    ("evicted_keys_total", "", "counter", When::Always),
    (
        "memory_fiberstack_vms_bytes",
        "virtual memory size used by all the fibers",
        "gauge",
        When::Until39,
    ),
    (
        "commands_squashing_replies_bytes",
        "",
        "gauge",
        When::Until39,
    ),
    ("tls_bytes", "", "gauge", When::Until39),
    ("snapshot_serialization_bytes", "", "gauge", When::Until39),
    ("used_memory_lua", "", "gauge", When::Until39),
    ("client_read_buffer_bytes", "", "gauge", When::Until39),
    ("dispatch_queue_bytes", "", "gauge", When::Until39),
    ("pipeline_queue_bytes", "", "gauge", When::Until39),
    ("pipeline_cmd_cache_bytes", "", "gauge", When::Until39),
    (
        "interned_string_entries",
        "Number of unique interned strings",
        "gauge",
        When::Always,
    ),
    (
        "interned_string_hits_total",
        "Interned string pool hits",
        "counter",
        When::Always,
    ),
    (
        "interned_string_misses_total",
        "Interned string pool misses",
        "counter",
        When::Always,
    ),
    (
        "interned_string_entries_dedup_factor",
        "Deduplication achieved by interned strings",
        "gauge",
        When::Always,
    ),
    (
        "commands_total",
        "Total number of commands executed",
        "counter",
        When::Always,
    ),
    (
        "commands_duration_seconds",
        "Duration of commands in seconds",
        "counter",
        When::Always,
    ),
    (
        "replication_streaming_bytes",
        "Stable sync replication memory usage",
        "gauge",
        When::Master39,
    ),
    (
        "replication_full_sync_bytes",
        "Full sync memory usage",
        "gauge",
        When::Master39,
    ),
    (
        "replication_psync_count",
        "Pync count",
        "counter",
        When::Master,
    ),
    (
        "connected_replica_lag_records",
        "Lag in records of a connected replica.",
        "gauge",
        When::Master,
    ),
    (
        "replica_reconnect_count",
        "Number of replica reconnects",
        "counter",
        When::Replica,
    ),
    ("fiber_switch_total", "", "counter", When::Always),
    (
        "fiber_switch_delay_seconds_total",
        "",
        "counter",
        When::Always,
    ),
    ("fiber_longrun_total", "", "counter", When::Always),
    ("fiber_longrun_seconds", "", "counter", When::Always),
    ("tx_queue_len", "", "gauge", When::Always),
    (
        "transaction_widths_total",
        "Transaction counts by their widths",
        "counter",
        When::Always,
    ),
    (
        "db_keys",
        "Total number of keys by DB",
        "gauge",
        When::Always,
    ),
    (
        "db_keys_expiring",
        "Total number of expiring keys by DB",
        "gauge",
        When::Always,
    ),
    ("db_capacity", "Table capacity by DB", "gauge", When::Always),
    (
        "memory_by_class_bytes",
        "Memory metrics",
        "gauge",
        When::Always,
    ),
    (
        "defrag_invocations",
        "Defrag invocations",
        "counter",
        When::Always,
    ),
    (
        "defrag_attempts",
        "Objects examined",
        "counter",
        When::Always,
    ),
    (
        "defrag_objects_moved",
        "Objects moved",
        "counter",
        When::Always,
    ),
    (
        "defrag_skipped_total",
        "Defrag tasks skipped",
        "counter",
        When::Always,
    ),
    (
        "huffman_tables_built",
        "Huffman tables built",
        "counter",
        When::Always,
    ),
    ("list_reads", "List Reads Patterns", "counter", When::Always),
    (
        "list_compression_attempts",
        "List compression attempts",
        "counter",
        When::Always,
    ),
    (
        "list_compressed_bytes",
        "List compressed bytes",
        "gauge",
        When::Always,
    ),
    ("tiered_entries", "Tiered entries", "gauge", When::Always),
    ("tiered_bytes", "Tiered bytes", "gauge", When::Always),
    ("tiered_events", "Tiered events", "counter", When::Always),
    ("tiered_hits", "Tiered hits", "counter", When::Always),
    (
        "tiered_overload",
        "Potential problems due to overloading",
        "counter",
        When::Always,
    ),
    (
        "tiered_list_events",
        "Tiered List Events",
        "counter",
        When::Always,
    ),
    (
        "master_link_status",
        "1 if up 0 if down",
        "gauge",
        When::Link,
    ),
    (
        "master_last_io_seconds_ago",
        "Last Master IO Seconds Ago",
        "gauge",
        When::Link,
    ),
    (
        "master_sync_in_progress",
        "1 if true 0 if false",
        "gauge",
        When::Link,
    ),
    (
        "slave_repl_offset",
        "Slave Replication Offset",
        "gauge",
        When::Offset,
    ),
];

/// Families whose labels never change and whose values the lab leaves at zero.
const ZEROS: &[(&str, &str, &[&str])] = &[
    ("tls_handshakes_total", "status", &["started", "completed"]),
    (
        "pubsub_backpressure_events_total",
        "event",
        &[
            "soft_limit",
            "hard_limit",
            "forced_disconnect",
            "messages_discarded",
        ],
    ),
    (
        "listener_accept_error_total",
        "reason",
        &["limit_reached", "tls_error"],
    ),
    (
        "defrag_skipped_total",
        "reason",
        &[
            "mem_under_threshold",
            "within_check_interval",
            "not_enough_fragmentation",
        ],
    ),
    ("list_reads", "type", &["total", "interior"]),
    ("list_compression_attempts", "type", &["total", "fail"]),
    ("list_compressed_bytes", "type", &["compressed", "raw"]),
    (
        "tiered_bytes",
        "type",
        &["used", "cold", "allocated", "capacity"],
    ),
    (
        "tiered_events",
        "type",
        &["stash", "fetch", "upload", "cancel", "delete"],
    ),
    (
        "tiered_overload",
        "type",
        &["client throttling", "stash overflows"],
    ),
    ("tiered_list_events", "type", &["offload", "onload"]),
];

/// The Prometheus text.
pub(super) fn text(node: &Arc<Node>) -> String {
    let mut core = node.core();
    core.purge(node.clock.unix_ms());
    let memory = core.memory();
    let mut page = Page {
        node,
        core: &core,
        memory,
        text: String::with_capacity(20_000),
    };
    for (name, help, kind, when) in FAMILIES {
        if page.shows(*when) && super::early::has_family(page.core.version, name) {
            let _ = writeln!(page.text, "# HELP dragonfly_{name} {help}");
            let _ = writeln!(page.text, "# TYPE dragonfly_{name} {kind}");
            page.family(name);
        }
    }
    page.text
}

struct Page<'a> {
    node: &'a Node,
    core: &'a Core,
    memory: Memory,
    text: String,
}

impl Page<'_> {
    fn shows(&self, when: When) -> bool {
        let master = matches!(self.core.role, Role::Master);
        let new = self.core.version >= Version(1, 40, 0);
        match when {
            When::Always => true,
            When::Until39 => !new,
            When::Since40 => new,
            When::Master => master,
            When::Master39 => master && !new,
            When::Replica => !master,
            When::Link => !master && self.core.version >= Version(1, 35, 0),
            When::Offset => {
                self.link().is_some_and(|link| link.offset().is_some()) && self.shows(When::Link)
            }
            When::Refused => self.core.stats.oom_rejections() > 0,
        }
    }

    fn put(&mut self, name: &str, value: impl Display) {
        let _ = writeln!(self.text, "dragonfly_{name} {value}");
    }

    fn labelled(&mut self, name: &str, label: &str, of: &str, value: impl Display) {
        let _ = writeln!(self.text, "dragonfly_{name}{{{label}=\"{of}\"}} {value}");
    }

    fn link(&self) -> Option<&Link> {
        match &self.core.role {
            Role::Replica(link) => Some(link),
            Role::Master => None,
        }
    }

    /// The samples of one family.
    fn family(&mut self, name: &str) {
        if let Some((_, label, values)) = ZEROS.iter().find(|(family, _, _)| *family == name) {
            values
                .iter()
                .for_each(|of| self.labelled(name, label, of, 0));
            return;
        }
        if !(self.server(name) || self.keys(name) || self.replication(name)) {
            self.put(name, 0);
        }
    }

    fn server(&mut self, name: &str) -> bool {
        let core = self.core;
        let stats = &core.stats;
        let memory = self.memory;
        match name {
            "version" => self.labelled(name, "version", &format!("df-{}", core.version), 1),
            "master" => self.put(name, u8::from(matches!(core.role, Role::Master))),
            "uptime_in_seconds" => {
                self.put(name, self.node.now().saturating_sub(core.started).as_secs())
            }
            "max_clients" => self.put(name, core.config.text("maxclients")),
            "connected_clients" => {
                let replicas: usize = core
                    .followers
                    .iter()
                    .map(|follower| 1 + follower.ids.1.len())
                    .sum();
                self.labelled(name, "listener", "main", core.clients.on(Port::Data));
                self.labelled(
                    name,
                    "listener",
                    "other",
                    core.clients.on(Port::Admin) + replicas,
                );
            }
            "blocked_clients" => self.put(name, core.clients.blocked()),
            "pipeline_latency_seconds" => {
                self.put("pipeline_latency_seconds_sum", 0);
                self.put("pipeline_latency_seconds_count", 0);
            }
            "connections_libs" => self.libraries(name),
            "memory_used_bytes" => self.put(name, memory.used),
            "memory_used_peak_bytes" => self.put(name, core.peak.0),
            "connection_memory_bytes" => self.put(name, core.clients.all.len() * 8_000),
            "fibers_count" => self.put(name, 15 + core.clients.all.len()),
            "memory_max_bytes" => self.put(name, core.config.number("maxmemory")),
            "oom_errors_total" => {
                for (kind, count) in [("insert", stats.oom_insert), ("cmd", stats.oom_command)] {
                    if count > 0 {
                        self.labelled(name, "type", kind, count);
                    }
                }
            }
            "used_memory_rss_bytes" => self.put(name, memory.rss),
            "connections_received_total" => self.put(name, stats.connections),
            "commands_processed_total" => {
                self.labelled(name, "listener", "main", stats.commands_main);
                self.labelled(name, "listener", "other", stats.commands_other);
            }
            "backups_total" => self.put(name, core.saves.total),
            "failed_backups_total" => self.put(name, core.saves.failed),
            "restores_total" => self.put(name, stats.restores),
            "net_input_recv_total" | "proactor_reads_total" => self.put(name, stats.reads),
            "proactor_parse_total" => self.put(name, stats.commands_total()),
            "net_input_bytes_total" => self.put(name, stats.net_in),
            "net_output_bytes_total" => self.put(name, stats.net_out),
            "reply_total" => self.put(name, stats.writes),
            "commands_total" => {
                for (command, calls) in &stats.commands {
                    self.labelled(name, "cmd", command, calls.calls);
                }
            }
            "commands_duration_seconds" => {
                for (command, calls) in &stats.commands {
                    self.labelled(name, "cmd", command, general(calls.usec as f64 / 1e6));
                }
            }
            "client_read_buffer_bytes" => self.put(name, core.clients.all.len() * 256),
            "tiered_hits" => {
                self.labelled(name, "type", "ram", stats.hits);
                self.labelled(name, "type", "cool", 0);
                self.labelled(name, "type", "disk", 0);
            }
            // Not one sample until the first key expired or was evicted.
            "expired_keys_total" if stats.expired > 0 => {
                self.labelled(name, "db", "db0", stats.expired)
            }
            "expired_keys_total" | "evicted_keys_total" => {}
            _ => return false,
        }
        true
    }

    fn libraries(&mut self, name: &str) {
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for client in self.core.clients.all.values() {
            *counts
                .entry(format!("{}:{}", client.lib.0, client.lib.1))
                .or_default() += 1;
        }
        for (library, count) in counts {
            self.labelled(name, "lib", &library, count);
        }
    }

    fn keys(&mut self, name: &str) -> bool {
        let core = self.core;
        let stats = &core.stats;
        let memory = self.memory;
        match name {
            "type_used_memory" => {
                let kinds = KINDS
                    .iter()
                    .zip(memory.weights.by_kind.iter().zip(memory.weights.counts));
                for (kind, (bytes, count)) in kinds {
                    if count > 0 {
                        self.labelled(name, "type", kind, bytes);
                    }
                }
                if memory.weights.long_keys > 0 {
                    self.labelled(name, "type", "key", memory.weights.long_key_bytes);
                }
            }
            "keyspace_hits_total" => self.put(name, stats.hits),
            "keyspace_misses_total" => self.put(name, stats.misses),
            "keyspace_mutations_total" => self.put(name, stats.mutations),
            "transaction_widths_total" => {
                for width in 1..=core.threads {
                    let count = if width == 1 { stats.mutations } else { 0 };
                    self.labelled(name, "width", &format!("w{width}"), count);
                }
                // The server repeats these two families here, per database.
                self.labelled("keyspace_hits_total", "db", "db0", stats.hits);
                self.labelled("keyspace_misses_total", "db", "db0", stats.misses);
            }
            "db_keys" | "db_keys_expiring" | "db_capacity" => {
                for (db, keys) in &core.databases {
                    let first = *db == 0;
                    let value = match name {
                        "db_keys" if first && core.progress.is_some() => memory.keys,
                        "db_keys" => keys.len(),
                        "db_keys_expiring" => keys.expiring(),
                        _ if first => memory.capacity,
                        _ => 0,
                    };
                    self.labelled(name, "db", &format!("db{db}"), value);
                }
            }
            "memory_by_class_bytes" => self.classes(name),
            _ => return false,
        }
        true
    }

    fn classes(&mut self, name: &str) {
        let master = matches!(self.core.role, Role::Master);
        let new = self.core.version >= Version(1, 40, 0);
        let memory = self.memory;
        let backlog = self
            .core
            .journal
            .as_ref()
            .map_or(0, |journal| journal.size().1 as u64);
        let connections = self.core.clients.all.len() as u64;
        let fibers = 478_000 + (15 + connections) * 40_944;
        let rows = [
            ("used_lua", 0, true),
            ("fiberstack_vms", fibers, true),
            ("tls", 0, true),
            ("commands_squashing_replies", 0, true),
            ("pipeline_cmd_cache", 0, true),
            ("pipeline_queue", 0, true),
            ("dispatch_queue", 0, true),
            ("client_read_buffer", connections * 256, true),
            ("connection", connections * 8_000, new),
            ("table_used", memory.table, true),
            ("object_used", memory.objects, true),
            ("conn_stored_commands", 0, true),
            ("search_used", 0, true),
            ("interned_string_pool", 0, true),
            ("interned_string_table", 18, true),
            ("repl_backlog_buffer", backlog, new),
            ("replication_streaming", 0, master),
            ("replication_full_sync", 0, master),
        ];
        for (class, bytes, _) in rows.iter().filter(|(_, _, shown)| *shown) {
            self.labelled(name, "class", class, bytes);
        }
    }

    fn replication(&mut self, name: &str) -> bool {
        let core = self.core;
        match name {
            "replication_psync_count" => self.put(name, core.stats.psyncs),
            "connected_replica_lag_records" => {
                let lsns = core
                    .journal
                    .as_ref()
                    .map(|journal| journal.lsns())
                    .unwrap_or_default();
                for follower in &core.followers {
                    let (ip, port) = (follower.ip, follower.port);
                    let (state, lag) = (stage_word(core, follower), follower.lag(&lsns));
                    let _ = writeln!(
                        self.text,
                        "dragonfly_{name}{{replica_ip=\"{ip}\", replica_port=\"{port}\", \
                         replica_state=\"{state}\"}} {lag}"
                    );
                }
            }
            "replica_reconnect_count" => {
                let count = self.link().map_or(0, |link| link.reconnects);
                self.put(name, count);
            }
            "master_link_status" => {
                let up = self.link().is_some_and(|link| link.up);
                self.put(name, u8::from(up));
            }
            "master_last_io_seconds_ago" => {
                let seconds = self.link().map_or(0, |link| link.last_io(self.node.now()));
                self.put(name, seconds);
            }
            "master_sync_in_progress" => {
                let syncing = self.link().is_some_and(|link| link.syncing);
                self.put(name, u8::from(syncing));
            }
            "slave_repl_offset" => {
                if let Some(offset) = self.link().and_then(Link::offset) {
                    self.put(name, offset);
                }
            }
            _ => return false,
        }
        true
    }
}
