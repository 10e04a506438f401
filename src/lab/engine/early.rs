//! INFO and the metrics of servers before v1.20: fewer sections, fewer keys, other names for the last save.
//!
//! Not recorded: read in the server's source of early 2024. What later versions brought is absent, which is the point.

use std::fmt::{Display, Write as _};

use super::core::{Core, Role, State};
use super::figures::human;
use super::node::Node;
use super::resp::Reply;
use super::sections;
use super::spec::Version;

/// Servers before this one are told here.
pub(super) const UNTIL: Version = Version(1, 20, 0);

/// Sections in their order; those marked are also shown without an argument.
const SECTIONS: &[(&str, bool)] = &[
    ("SERVER", true),
    ("CLIENTS", true),
    ("MEMORY", true),
    ("STATS", true),
    ("TIERED", false),
    ("PERSISTENCE", false),
    ("REPLICATION", true),
    ("COMMANDSTATS", false),
    ("SEARCH", false),
    ("ERRORSTATS", false),
    ("KEYSPACE", true),
    ("CPU", true),
    ("CLUSTER", true),
];

/// Families of `/metrics` that such a server has, of those that later ones have.
const FAMILIES: &[&str] = &[
    "version",
    "master",
    "uptime_in_seconds",
    "connected_clients",
    "client_read_buffer_bytes",
    "blocked_clients",
    "dispatch_queue_bytes",
    "pipeline_cmd_cache_bytes",
    "memory_used_bytes",
    "memory_used_peak_bytes",
    "memory_fiberstack_vms_bytes",
    "memory_max_bytes",
    "used_memory_rss_bytes",
    "swap_memory_bytes",
    "used_memory_lua",
    "type_used_memory",
    "connections_received_total",
    "commands_processed_total",
    "keyspace_hits_total",
    "keyspace_misses_total",
    "net_input_bytes_total",
    "net_output_bytes_total",
    "db_keys",
    "db_keys_expiring",
    "expired_keys_total",
    "evicted_keys_total",
    "connected_replica_lag_records",
    "replica_reconnect_count",
    "fiber_switch_total",
    "fiber_switch_delay_seconds_total",
    "fiber_longrun_total",
    "tx_queue_len",
];

/// Whether the metrics of a server of this version have this family.
pub(super) fn has_family(version: Version, name: &str) -> bool {
    version >= UNTIL || FAMILIES.contains(&name)
}

/// The reply to INFO, which takes one section at most.
pub(super) fn reply(node: &Node, core: &mut Core, args: &[Vec<u8>]) -> Reply {
    if args.len() > 1 {
        return Reply::err("syntax error");
    }
    let wanted = args
        .first()
        .map(|section| String::from_utf8_lossy(section).to_ascii_uppercase());
    let shown = |name: &str, shown: bool| match wanted.as_deref() {
        None | Some("DEFAULT") => shown,
        Some("ALL" | "EVERYTHING") => true,
        Some(wanted) => wanted == name,
    };
    core.purge(node.clock.unix_ms());
    let mut text = String::new();
    for (name, _) in SECTIONS
        .iter()
        .filter(|(name, always)| shown(name, *always))
    {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let (first, rest) = name.split_at_checked(1).unwrap_or((name, ""));
        let _ = write!(text, "# {first}{}\r\n", rest.to_ascii_lowercase());
        section(node, core, name, &mut Lines(&mut text));
    }
    Reply::Verbatim(text)
}

struct Lines<'a>(&'a mut String);

impl Lines<'_> {
    fn put(&mut self, name: &str, value: impl Display) {
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    fn zeros(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.put(name, 0));
    }
}

fn section(node: &Node, core: &mut Core, name: &str, out: &mut Lines) {
    match name {
        "SERVER" => server(node, core, out),
        "CLIENTS" => {
            let connected = core.clients.all.len();
            out.put("connected_clients", connected);
            out.put("client_read_buffer_bytes", connected * 256);
            out.put("blocked_clients", core.clients.blocked());
            out.put("dispatch_queue_entries", 0);
        }
        "MEMORY" => memory(core, out),
        "STATS" => stats(node, core, out),
        "TIERED" => out.zeros(&[
            "tiered_entries",
            "tiered_bytes",
            "tiered_reads",
            "tiered_writes",
            "tiered_reserved",
            "tiered_capacity",
            "tiered_aborted_write_total",
            "tiered_flush_skip_total",
        ]),
        "PERSISTENCE" => {
            let saves = &core.saves;
            out.put("last_save", saves.last_success);
            out.put("last_save_duration_sec", saves.last_success_took);
            out.put("last_save_file", &saves.last_file);
            out.put("loading", u8::from(core.state == State::Loading));
            for (kind, count) in &saves.kinds {
                out.put(&format!("rdb_{kind}"), count);
            }
            let changes = core.stats.mutations.saturating_sub(saves.mutations_saved);
            out.put("rdb_changes_since_last_save", changes);
        }
        "REPLICATION" => replication(node, core, out),
        "COMMANDSTATS" => {
            for (name, calls) in &core.stats.commands {
                let each = calls.usec as f64 / calls.calls.max(1) as f64;
                let (calls, usec) = (calls.calls, calls.usec);
                out.put(
                    &format!("cmdstat_{name}"),
                    format_args!("calls={calls},usec={usec},usec_per_call={each:.4}"),
                );
            }
        }
        "SEARCH" => out.zeros(&["search_memory", "search_num_indices", "search_num_entries"]),
        "ERRORSTATS" => core
            .stats
            .errors
            .iter()
            .for_each(|(kind, count)| out.put(kind, count)),
        "KEYSPACE" => {
            let whole = core.memory();
            out.put(
                "db0",
                format_args!("keys={},expires={},avg_ttl=-1", whole.keys, whole.expiring),
            );
        }
        "CPU" => sections::cpu(node, core, &mut |name, value| out.put(name, value)),
        "CLUSTER" => out.zeros(&["cluster_enabled"]),
        _ => {}
    }
}

fn server(node: &Node, core: &Core, out: &mut Lines) {
    let up = node.now().saturating_sub(core.started).as_secs();
    out.put("redis_version", "6.2.11");
    out.put("dragonfly_version", format_args!("df-{}", core.version));
    out.put("redis_mode", "standalone");
    out.put("arch_bits", 64);
    out.put("multiplexing_api", "iouring");
    out.put("tcp_port", node.spec.data_port);
    out.put("thread_count", core.threads);
    out.put("uptime_in_seconds", up);
    out.put("uptime_in_days", up / 86_400);
}

fn memory(core: &mut Core, out: &mut Lines) {
    let memory = core.memory();
    let limit = core.config.number("maxmemory");
    out.put("used_memory", memory.used);
    out.put("used_memory_human", human(memory.used));
    out.put("used_memory_peak", core.peak.0);
    out.put("used_memory_rss", memory.rss);
    out.put("used_memory_rss_human", human(memory.rss));
    out.put("comitted_memory", memory.rss);
    out.put("maxmemory", limit);
    out.put("maxmemory_human", human(limit));
    out.put("object_used_memory", memory.objects);
    out.put("table_used_memory", memory.table);
    out.put("num_buckets", memory.capacity / 14);
    out.put("num_entries", memory.keys);
    out.put(
        "inline_keys",
        memory.keys.saturating_sub(memory.weights.long_keys),
    );
    out.zeros(&[
        "updateval_amount",
        "listpack_blobs",
        "listpack_bytes",
        "small_string_bytes",
        "pipeline_cache_bytes",
        "dispatch_queue_bytes",
        "dispatch_queue_peak_bytes",
        "client_read_buffer_peak_bytes",
    ]);
    let (mode, policy) = match core.cache_mode {
        true => ("cache", "eviction"),
        false => ("store", "noeviction"),
    };
    out.put("cache_mode", mode);
    out.put("maxmemory_policy", policy);
}

fn stats(node: &Node, core: &mut Core, out: &mut Lines) {
    let ops = core.stats.ops_per_second(node.now());
    let stats = &core.stats;
    out.put("total_connections_received", stats.connections);
    out.put("total_commands_processed", stats.commands_total());
    out.put("instantaneous_ops_per_sec", ops);
    out.put("total_pipelined_commands", stats.pipelined);
    out.put("total_net_input_bytes", stats.net_in);
    out.put("total_net_output_bytes", stats.net_out);
    for name in [
        "instantaneous_input_kbps",
        "instantaneous_output_kbps",
        "rejected_connections",
    ] {
        out.put(name, -1);
    }
    out.put("expired_keys", stats.expired);
    out.zeros(&[
        "evicted_keys",
        "hard_evictions",
        "garbage_checked",
        "garbage_collected",
        "bump_ups",
        "stash_unloaded",
    ]);
    out.put("oom_rejections", stats.oom_rejections());
    out.zeros(&["traverse_ttl_sec", "delete_ttl_sec"]);
    out.put("keyspace_hits", stats.hits);
    out.put("keyspace_misses", stats.misses);
    out.put("total_reads_processed", stats.reads);
    out.put("total_writes_processed", stats.writes);
    out.zeros(&[
        "defrag_attempt_total",
        "defrag_realloc_total",
        "defrag_task_invocation_total",
    ]);
}

fn replication(node: &Node, core: &Core, out: &mut Lines) {
    match &core.role {
        Role::Master => {
            let lsns = core.journal.as_ref().map(|journal| journal.lsns());
            let lsns = lsns.unwrap_or_default();
            out.put("role", "master");
            out.put("connected_slaves", core.followers.len());
            for (n, follower) in core.followers.iter().enumerate() {
                let (ip, port, lag) = (follower.ip, follower.port, follower.lag(&lsns));
                let state = sections::stage_word(core, follower);
                out.put(
                    &format!("slave{n}"),
                    format_args!("ip={ip},port={port},state={state},lag={lag}"),
                );
            }
            out.put("master_replid", &core.replid);
        }
        Role::Replica(link) => {
            out.put("role", sections::replica_word(core));
            out.put("master_host", &link.host);
            out.put("master_port", link.port);
            out.put("master_link_status", if link.up { "up" } else { "down" });
            out.put("master_last_io_seconds_ago", link.last_io(node.now()));
            out.put("master_sync_in_progress", u8::from(link.syncing));
            out.put("master_replid", &link.replid);
            // The key and the Redis words came together.
            if core.version >= Version(1, 18, 0) {
                out.put("slave_priority", core.config.text("replica_priority"));
                out.put("slave_read_only", 1);
            }
        }
    }
}
