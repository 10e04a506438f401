//! INFO: sections, their order, and which keys exist in which version.

use std::fmt::{Display, Write as _};

use super::core::{Core, Role, State};
use super::early;
use super::faults::Absurd;
use super::figures::{general, human};
use super::node::Node;
use super::replication::{Follower, Stage};
use super::resp::Reply;
use super::spec::Version;
use super::value::KINDS;

/// Sections in the order of INFO ALL; those marked are also shown without an argument.
const SECTIONS: &[(&str, bool)] = &[
    ("SERVER", true),
    ("CLIENTS", true),
    ("MEMORY", true),
    ("STATS", true),
    ("TIERED", false),
    ("PERSISTENCE", false),
    ("TRANSACTION", false),
    ("REPLICATION", true),
    ("COMMANDSTATS", false),
    ("MODULES", true),
    ("ERRORSTATS", false),
    ("KEYSPACE", true),
    ("CPU", true),
    ("CLUSTER", true),
    ("LATENCYSTATS", true),
    ("ACL", false),
];

/// Whether these arguments of INFO include the replication section.
pub(super) fn tells_replication(args: &[Vec<u8>]) -> bool {
    chosen(args).contains(&"REPLICATION")
}

fn chosen(args: &[Vec<u8>]) -> Vec<&'static str> {
    let names = || SECTIONS.iter().map(|(name, _)| *name);
    if args.is_empty() {
        return SECTIONS
            .iter()
            .filter(|(_, shown)| *shown)
            .map(|(name, _)| *name)
            .collect();
    }
    let mut found = vec![];
    for arg in args {
        let word = String::from_utf8_lossy(arg).to_ascii_uppercase();
        match word.as_str() {
            "ALL" | "EVERYTHING" => found.extend(names()),
            "DEFAULT" => found.extend(chosen(&[])),
            _ => found.extend(names().filter(|name| *name == word)),
        }
    }
    found
}

/// The reply to INFO with these arguments.
pub(super) fn reply(node: &Node, core: &mut Core, args: &[Vec<u8>]) -> Reply {
    if core.version < early::UNTIL {
        return early::reply(node, core, args);
    }
    if args.len() > 1 && core.version < Version(1, 36, 0) {
        return Reply::err("syntax error");
    }
    let mut text = String::new();
    for name in chosen(args) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        section(node, core, name, &mut text);
    }
    match core.faults.absurd {
        Some(Absurd::OddInfo) => Reply::bulk(odd(&text)),
        _ => Reply::Verbatim(text),
    }
}

/// INFO as no server should tell it: some keys missing, doubled, negative, beyond any number or no UTF-8, and lines that
/// are no pairs.
fn odd(text: &str) -> Vec<u8> {
    let mut out = vec![];
    for line in text.lines() {
        let key = line.split(':').next().unwrap_or_default();
        let told: &[u8] = match key {
            "uptime_in_seconds" | "maxmemory" | "loading" => continue,
            "used_memory" => b"used_memory:100000000000000000000",
            "used_memory_rss" => b"used_memory_rss:-4096",
            "connected_clients" => b"connected_clients:-7\r\nconnected_clients:12",
            "os" => b"os:Linux \xff\xfe\xc3\x28",
            "master_last_io_seconds_ago" => b"master_last_io_seconds_ago:-99999999999999999999",
            "slave_repl_offset" => b"slave_repl_offset:340282366920938463463374607431768211456",
            "db0" => b"db0:keys=,expires=-1,=,hits",
            "thread_count" => b"thread_count:\r\n:\r\nno pair at all\r\n\x00\x1b[31m:\x07",
            "redis_mode" => b"redis_mode:standalone\r\na_key_of_tomorrow:{\"a\":1}",
            _ => line.as_bytes(),
        };
        out.extend_from_slice(told);
        out.extend_from_slice(b"\r\n");
    }
    out
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

fn section(node: &Node, core: &mut Core, name: &'static str, text: &mut String) {
    let title = name.get(1..).unwrap_or_default().to_ascii_lowercase();
    let _ = write!(text, "# {}{title}\r\n", name.get(..1).unwrap_or_default());
    let mut lines = Lines(text);
    let out = &mut lines;
    core.purge(node.clock.unix_ms());
    match name {
        "SERVER" => server(node, core, out),
        "CLIENTS" => clients(core, out),
        "MEMORY" => memory(core, out),
        "STATS" => stats(node, core, out),
        "TIERED" => tiered(core, out),
        "PERSISTENCE" => persistence(node, core, out),
        "TRANSACTION" => transaction(core, out),
        "REPLICATION" => replication(node, core, out),
        "COMMANDSTATS" => command_stats(core, out),
        "MODULES" => modules(out),
        "ERRORSTATS" => core
            .stats
            .errors
            .iter()
            .for_each(|(kind, count)| out.put(kind, count)),
        "KEYSPACE" => keyspace(core, out),
        "CPU" => cpu(node, core, &mut |name, value| out.put(name, value)),
        "CLUSTER" => out.zeros(&[
            "cluster_enabled",
            "migration_errors_total",
            "total_migrated_keys",
        ]),
        "ACL" => acl(out),
        _ => {}
    }
}

fn server(node: &Node, core: &Core, out: &mut Lines) {
    let up = node.now().saturating_sub(core.started).as_secs();
    out.put("redis_version", "7.4.0");
    out.put("dragonfly_version", format_args!("df-{}", core.version));
    out.put("redis_mode", "standalone");
    out.put("arch_bits", 64);
    out.put("process_id", 1);
    out.put("os", "Linux 6.12.0 x86_64");
    out.put("thread_count", core.threads);
    out.put("multiplexing_api", "iouring");
    out.put("tcp_port", node.spec.data_port);
    out.put("uptime_in_seconds", up);
    out.put("uptime_in_days", up / 86_400);
    out.put("hz", 100);
    out.put("executable", "dragonfly");
    out.put("config_file", "");
}

/// Connections that replicas hold on a master.
fn replica_connections(core: &Core) -> usize {
    core.followers
        .iter()
        .map(|follower| 1 + follower.ids.1.len())
        .sum()
}

fn clients(core: &Core, out: &mut Lines) {
    let connected = core.clients.all.len() + replica_connections(core);
    let waiting: usize = core
        .clients
        .all
        .values()
        .map(|client| client.pipeline.0)
        .sum();
    out.put("connected_clients", connected);
    out.put("max_clients", core.config.text("maxclients"));
    out.put("client_read_buffer_bytes", connected * 256);
    out.put("blocked_clients", core.clients.blocked());
    out.put("pipeline_queue_length", waiting);
    out.zeros(&["send_delay_ms", "timeout_disconnects"]);
}

fn memory(core: &mut Core, out: &mut Lines) {
    let memory = core.memory();
    let connected = core.clients.all.len() + replica_connections(core);
    let limit = core.config.number("maxmemory");
    let fibers = 15 + connected;
    out.put("used_memory", memory.used);
    out.put("used_memory_human", human(memory.used));
    out.put("used_memory_peak", core.peak.0);
    out.put("used_memory_peak_human", human(core.peak.0));
    out.put("fibers_stack_vms", 478_000 + fibers * 40_944);
    out.put("fibers_count", fibers);
    out.put("used_memory_rss", memory.rss);
    out.put("used_memory_rss_human", human(memory.rss));
    out.put("used_memory_peak_rss", core.peak.1);
    out.put("maxmemory", limit);
    out.put("maxmemory_human", human(limit));
    out.put("used_memory_lua", 0);
    out.put("object_used_memory", memory.objects);
    for (kind, (bytes, count)) in KINDS
        .iter()
        .zip(memory.weights.by_kind.iter().zip(memory.weights.counts))
    {
        if count > 0 {
            out.put(&format!("type_used_memory_{kind}"), bytes);
        }
    }
    if memory.weights.long_keys > 0 {
        out.put("type_used_memory_key", memory.weights.long_key_bytes);
    }
    let backlog = core
        .journal
        .as_ref()
        .map(|journal| journal.size())
        .unwrap_or_default();
    out.put("table_used_memory", memory.table);
    out.put("prime_capacity", memory.capacity);
    out.put("num_entries", memory.keys);
    out.put(
        "inline_keys",
        memory.keys.saturating_sub(memory.weights.long_keys),
    );
    out.zeros(&[
        "small_string_bytes",
        "pipeline_cache_bytes",
        "dispatch_queue_bytes",
        "pipeline_queue_bytes",
        "dispatch_queue_subscriber_bytes",
        "dispatch_queue_peak_bytes",
    ]);
    out.put("client_read_buffer_peak_bytes", connected * 256);
    out.zeros(&[
        "tls_bytes",
        "snapshot_serialization_bytes",
        "commands_squashing_replies_bytes",
    ]);
    out.put("psync_buffer_size", backlog.0);
    out.put("psync_buffer_bytes", backlog.1);
    out.put(
        "cache_mode",
        if core.cache_mode { "cache" } else { "store" },
    );
    out.put(
        "maxmemory_policy",
        if core.cache_mode {
            "eviction"
        } else {
            "noeviction"
        },
    );
    if matches!(core.role, Role::Master) {
        let full = core
            .followers
            .iter()
            .any(|follower| follower.stage == Stage::FullSync);
        out.put("replication_streaming_buffer_bytes", 0);
        out.put(
            "replication_full_sync_buffer_bytes",
            if full { 41_760 } else { 0 },
        );
    }
}

fn stats(node: &Node, core: &mut Core, out: &mut Lines) {
    let ops = core.stats.ops_per_second(node.now());
    let new = core.version >= Version(1, 40, 0);
    let saves = core.saves.total;
    let stats = &core.stats;
    out.put("total_connections_received", stats.connections);
    out.zeros(&["total_handshakes_started", "total_handshakes_completed"]);
    out.put("total_commands_processed", stats.commands_total());
    out.put("instantaneous_ops_per_sec", ops);
    out.put("total_pipelined_commands", stats.pipelined);
    out.zeros(&["pipeline_throttle_total"]);
    if new {
        out.zeros(&[
            "batch_read_commands_total",
            "batch_write_commands_total",
            "batch_read_commands_bytes",
            "batch_write_commands_bytes",
            "rw_throttle_batches_total",
        ]);
    }
    out.zeros(&["pipelined_latency_usec"]);
    out.put("total_net_input_bytes", stats.net_in);
    out.zeros(&["connection_migrations", "connection_recv_provided_calls"]);
    out.put("total_net_output_bytes", stats.net_out);
    out.put("rdb_save_usec", 0);
    out.put("rdb_save_count", saves);
    out.zeros(&["big_value_preemptions", "compressed_blobs"]);
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
        "total_heartbeat_expired_keys",
        "total_heartbeat_expired_bytes",
        "total_heartbeat_expired_calls",
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
    out.put("keyspace_mutations", stats.mutations);
    out.put("total_reads_processed", stats.reads);
    out.put("total_writes_processed", stats.writes);
    out.zeros(&[
        "huffenc_attempt_total",
        "huffenc_success_total",
        "defrag_attempt_total",
        "defrag_realloc_total",
        "defrag_task_invocation_total",
    ]);
    if new {
        out.zeros(&["borrowed_strings_sent_total"]);
    }
    out.zeros(&[
        "blocked_on_interpreter",
        "lua_interpreter_cnt",
        "lua_blocked_total",
        "lua_interpreter_return",
        "lua_force_gc_calls",
        "lua_gc_freed_memory_total",
        "lua_gc_duration_total_sec",
        "total_journal_omits",
    ]);
}

fn tiered(core: &Core, out: &mut Lines) {
    out.zeros(&["tiered_entries", "tiered_entries_bytes"]);
    out.put("tiered_entries_bytes_human", "0B");
    out.zeros(&[
        "tiered_total_stashes",
        "tiered_total_fetches",
        "tiered_total_cancels",
        "tiered_total_deletes",
        "tiered_total_uploads",
    ]);
    if core.version >= Version(1, 40, 0) {
        out.zeros(&["tiered_total_defrags"]);
    }
    out.zeros(&[
        "tiered_total_stash_overflows",
        "tiered_heap_buf_allocations",
        "tiered_registered_buf_allocations",
        "tiered_allocated_bytes",
        "tiered_capacity_bytes",
        "tiered_pending_read_cnt",
        "tiered_pending_stash_cnt",
        "tiered_pending_stash_bytes",
        "tiered_small_bins_cnt",
        "tiered_small_bins_entries_cnt",
        "tiered_small_bins_filling_bytes",
        "tiered_cold_storage_bytes",
        "tiered_offloading_steps",
        "tiered_offloading_stashes",
    ]);
    out.put("tiered_ram_hits", core.stats.hits);
    out.zeros(&[
        "tiered_ram_cool_hits",
        "tiered_ram_misses",
        "tiered_clients_throttled",
        "tiered_total_clients_throttled",
    ]);
}

fn persistence(node: &Node, core: &Core, out: &mut Lines) {
    let saves = &core.saves;
    let running = saves.running.map(|running| {
        let spent = node.now().saturating_sub(running.since);
        let part = (spent.as_secs_f64() / running.takes.as_secs_f64().max(0.001)).min(1.0);
        (
            spent.as_secs(),
            (running.keys as f64 * part) as u64,
            running.keys,
        )
    });
    let (secs, done, total) = running.unwrap_or_default();
    // The figures appear when the shards have begun, a moment after the command.
    let shown = done > 0 && total > 0;
    let percent = if shown {
        done as f64 * 100.0 / total as f64
    } else {
        0.0
    };
    out.put("current_snapshot_perc", general(percent));
    out.put("current_save_keys_processed", if shown { done } else { 0 });
    out.put("current_save_keys_total", if shown { total } else { 0 });
    out.put("last_success_save", saves.last_success);
    out.put("last_saved_file", &saves.last_file);
    out.put("last_success_save_duration_sec", saves.last_success_took);
    out.put("loading", u8::from(core.state == State::Loading));
    out.put("saving", u8::from(running.is_some()));
    out.put("current_save_duration_sec", secs);
    for (kind, count) in &saves.kinds {
        out.put(&format!("rdb_{kind}"), count);
    }
    let changes = core.stats.mutations.saturating_sub(saves.mutations_saved);
    out.put("rdb_changes_since_last_success_save", changes);
    out.put("rdb_bgsave_in_progress", u8::from(saves.bgsave_flag));
    // Stays ok after a failed save too (v1.39, v1.40).
    out.put("rdb_last_bgsave_status", "ok");
    out.put("last_failed_save", saves.last_failed);
    out.put("last_error", &saves.last_error);
    out.put("last_failed_save_duration_sec", saves.last_failed_took);
}

fn transaction(core: &Core, out: &mut Lines) {
    let normal = core.stats.mutations;
    out.zeros(&["tx_shard_polls"]);
    out.put("tx_shard_optimistic_total", normal);
    out.zeros(&["tx_shard_ooo_total", "tx_global_total"]);
    out.put("tx_normal_total", normal);
    out.put("tx_inline_runs_total", normal);
    out.zeros(&["tx_schedule_cancel_total"]);
    let zeros = vec!["0"; core.threads.saturating_sub(1)].join(",");
    out.put("tx_with_freq", format_args!("{normal},{zeros}"));
    out.put("squash_with_freq", format_args!("0,{zeros}"));
    out.zeros(&[
        "tx_queue_len",
        "eval_io_coordination_total",
        "eval_shardlocal_coordination_total",
        "eval_squashed_flushes",
    ]);
}

/// `slave` from v1.18 on.
pub(super) fn replica_word(core: &Core) -> &'static str {
    if valkey_words(core) {
        "slave"
    } else {
        "replica"
    }
}

/// Whether the words are Redis's (`slave`, `online`): from v1.18 on.
pub(super) fn valkey_words(core: &Core) -> bool {
    core.version >= Version(1, 18, 0)
}

/// A replica's `state=` at its master.
pub(super) fn stage_word(core: &Core, follower: &Follower) -> &'static str {
    match follower.stage {
        Stage::Preparation => "preparation",
        Stage::FullSync => "full_sync",
        Stage::Online if valkey_words(core) => "online",
        Stage::Online => "stable_sync",
    }
}

fn replication(node: &Node, core: &Core, out: &mut Lines) {
    match &core.role {
        Role::Master => {
            let lsns = core
                .journal
                .as_ref()
                .map(|journal| journal.lsns())
                .unwrap_or_default();
            out.put("role", "master");
            out.put("connected_slaves", core.followers.len());
            for (n, follower) in core.followers.iter().enumerate() {
                let state = stage_word(core, follower);
                let (ip, port, lag) = (follower.ip, follower.port, follower.lag(&lsns));
                out.put(
                    &format!("slave{n}"),
                    format_args!("ip={ip},port={port},state={state},lag={lag}"),
                );
            }
            out.put("master_replid", &core.replid);
        }
        Role::Replica(link) => {
            out.put("role", replica_word(core));
            out.put("master_host", &link.host);
            out.put("master_port", link.port);
            out.put("master_link_status", if link.up { "up" } else { "down" });
            out.put("master_last_io_seconds_ago", link.last_io(node.now()));
            out.put("master_sync_in_progress", u8::from(link.syncing));
            out.put("master_replid", &link.replid);
            // v1.22 brought the key; shown with the link down only from v1.37 on.
            let visible =
                core.version >= Version(1, 22, 0) && (link.up || core.version >= Version(1, 37, 0));
            if let Some(offset) = link.offset().filter(|_| visible && !link.syncing) {
                out.put("slave_repl_offset", offset);
            }
            out.put("slave_priority", core.config.text("replica_priority"));
            out.put("slave_read_only", 1);
            if core.version >= Version(1, 32, 0) {
                out.put("psync_attempts", 0);
                out.put("psync_successes", link.psyncs);
            }
        }
    }
}

fn command_stats(core: &Core, out: &mut Lines) {
    for (name, calls) in &core.stats.commands {
        let each = general(calls.usec as f64 / calls.calls.max(1) as f64);
        let (calls, usec) = (calls.calls, calls.usec);
        out.put(
            &format!("cmdstat_{name}"),
            format_args!("calls={calls},usec={usec},usec_per_call={each}"),
        );
    }
}

fn modules(out: &mut Lines) {
    for (name, used, using) in [("ReJSON", "search", ""), ("search", "", "ReJSON")] {
        out.put(
            "module",
            format_args!(
                "name={name},ver=20000,api=1,filters=0,usedby=[{used}],using=[{using}],options=[handle-io-errors]"
            ),
        );
    }
}

fn keyspace(core: &mut Core, out: &mut Lines) {
    let (hits, misses) = (core.stats.hits, core.stats.misses);
    let ratio = if hits + misses == 0 {
        0.0
    } else {
        hits as f64 * 100.0 / (hits + misses) as f64
    };
    let first = core.progress.is_some().then(|| core.memory());
    for (db, keys) in &core.databases {
        let (count, expires) = match (&first, db) {
            (Some(memory), 0) => (memory.keys, memory.expiring),
            _ => (keys.len(), keys.expiring()),
        };
        let (hits, misses, ratio) = if *db == 0 {
            (hits, misses, ratio)
        } else {
            (0, 0, 0.0)
        };
        out.put(
            &format!("db{db}"),
            format_args!("keys={count},expires={expires},hits={hits},misses={misses},hit_ratio={ratio:.2},avg_ttl=-1"),
        );
    }
}

/// CPU seconds by a simple model: a little per second of life, a little per command. The server
/// does not pad the fraction with zeros, so neither does this.
pub(super) fn cpu(node: &Node, core: &Core, put: &mut dyn FnMut(&str, &str)) {
    let life = node.now().saturating_sub(core.started).as_micros() as u64;
    let work = core.stats.commands_total() + core.stats.mutations;
    let (system, user) = (
        10_057 + life / 500 + work * 2,
        3_358 + life / 400 + work * 4,
    );
    let time = |micros: u64| format!("{}.{}", micros / 1_000_000, micros % 1_000_000);
    put("used_cpu_sys", &time(system));
    put("used_cpu_user", &time(user));
    put("used_cpu_sys_children", "0.0");
    put("used_cpu_user_children", "0.0");
    put("used_cpu_sys_main_thread", &time(system / 2));
    put("used_cpu_user_main_thread", &time(user / 2));
}

fn acl(out: &mut Lines) {
    for name in ["acl_num_users", "acl_num_passwords", "acl_num_cat_changes"] {
        out.put(name, 1);
    }
    out.zeros(&[
        "acl_num_cmd_changes",
        "acl_num_key_globs",
        "acl_key_globs_bytes",
        "acl_num_pubsub_globs",
        "acl_pubsub_globs_bytes",
    ]);
    out.put("acl_total_bytes", 420);
}
