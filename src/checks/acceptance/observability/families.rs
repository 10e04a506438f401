//! Which families of metrics a Dragonfly server exposes, by its version: as recorded of v1.39.0 and v1.40.1, and as read in the
//! source of v1.17.0 and v1.34.1.

use crate::domain::Version;

/// What is told of a family for a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// The server exposes it.
    Exposed,
    /// It does not.
    Absent,
    /// That version was not read.
    Untold,
}

/// Whether a server of that version exposes a metric of that name; what does not begin with `dragonfly_` is not asked.
pub(super) fn exposes(metric: &str, version: Version) -> Known {
    let Some(name) = metric.strip_prefix("dragonfly_") else {
        return Known::Untold;
    };
    // A summary has these beside its quantiles.
    let name = match name {
        "pipeline_latency_seconds_sum" | "pipeline_latency_seconds_count" => {
            "pipeline_latency_seconds"
        }
        name => name,
    };
    let Version(major, minor, _) = version;
    if major != 1 {
        return Known::Untold;
    }
    let is_core = CORE.contains(&name) || name == "oom_errors_total";
    match minor {
        ..=17 if AFTER_17.contains(&name) || SINCE_35.contains(&name) => Known::Absent,
        ..=33 => Known::Untold,
        34 if SINCE_35.contains(&name) => Known::Absent,
        34..=38 if is_core => Known::Exposed,
        35..=38 if SINCE_35.contains(&name) => Known::Exposed,
        34..=38 => Known::Untold,
        39 if ONLY_39.contains(&name) => Known::Exposed,
        40 if ONLY_40.contains(&name) => Known::Exposed,
        39 | 40 if is_core || SINCE_35.contains(&name) || LATER.contains(&name) => Known::Exposed,
        39 | 40 => Known::Absent,
        _ => Known::Untold,
    }
}

/// A family that is shown only while there is something to show: that the store has no series of it proves nothing.
pub(super) fn is_shown_at_times(metric: &str) -> bool {
    matches!(
        metric.strip_prefix("dragonfly_"),
        Some("oom_errors_total" | "stream_accesses_total" | "connected_replica_lag_records")
    )
}

/// Labels of the server's own: what they hold depends on what happened to it.
pub(super) const OWN_LABELS: &[&str] = &[
    "access_type",
    "class",
    "cmd",
    "db",
    "event",
    "le",
    "lib",
    "listener",
    "quantile",
    "reason",
    "replica_ip",
    "replica_port",
    "replica_state",
    "status",
    "type",
    "ver",
    "version",
    "width",
];

/// Present from v1.34 to v1.40.
const CORE: &[&str] = &[
    "backups_total",
    "blocked_clients",
    "commands_duration_seconds",
    "commands_processed_total",
    "commands_total",
    "connected_clients",
    "connected_replica_lag_records",
    "connections_received_total",
    "db_capacity",
    "db_keys",
    "db_keys_expiring",
    "defrag_attempts",
    "defrag_invocations",
    "defrag_objects_moved",
    "evicted_keys_total",
    "expired_keys_total",
    "failed_backups_total",
    "failed_restores_total",
    "keyspace_hits_total",
    "keyspace_misses_total",
    "listener_accept_error_total",
    "master",
    "max_clients",
    "memory_by_class_bytes",
    "memory_max_bytes",
    "memory_used_bytes",
    "memory_used_peak_bytes",
    "net_input_bytes_total",
    "net_output_bytes_total",
    "replica_reconnect_count",
    "replication_psync_count",
    "restores_total",
    "send_delay_seconds",
    "swap_memory_bytes",
    "tx_queue_len",
    "type_used_memory",
    "uptime_in_seconds",
    "used_memory_rss_bytes",
    "version",
];

/// Of the core, what v1.17 did not have.
const AFTER_17: &[&str] = &[
    "backups_total",
    "commands_total",
    "max_clients",
    "memory_by_class_bytes",
    "oom_errors_total",
];

/// Later than v1.34: a replica's side of its link.
const SINCE_35: &[&str] = &[
    "master_last_io_seconds_ago",
    "master_link_status",
    "master_sync_in_progress",
    "slave_repl_offset",
];

/// Recorded of v1.39 and v1.40 alike; since when is not known.
const LATER: &[&str] = &[
    "blocked_tasks",
    "cmd_squash_commands_total",
    "cmd_squash_hop_duration_seconds",
    "cmd_squash_hop_reply_seconds",
    "cmd_squash_hop_total",
    "connections_libs",
    "defrag_skipped_total",
    "fiber_longrun_seconds",
    "fiber_longrun_total",
    "fiber_switch_delay_seconds_total",
    "fiber_switch_total",
    "fibers_count",
    "freed_memory_lua",
    "huffman_tables_built",
    "interned_string_entries",
    "interned_string_entries_dedup_factor",
    "interned_string_hits_total",
    "interned_string_misses_total",
    "keyspace_mutations_total",
    "list_compressed_bytes",
    "list_compression_attempts",
    "list_reads",
    "lua_blocked_total",
    "lua_force_gc_calls",
    "lua_gc_duration_total_sec",
    "lua_gc_interpreter_return",
    "lua_interpreter_cnt",
    "net_input_recv_total",
    "net_read_yields_total",
    "pipeline_blocking_commands_total",
    "pipeline_commands_duration_seconds",
    "pipeline_commands_total",
    "pipeline_dispatch_calls_total",
    "pipeline_dispatch_commands_total",
    "pipeline_dispatch_flush_duration_seconds",
    "pipeline_latency_seconds",
    "pipeline_queue_length",
    "pipeline_queue_wait_duration_seconds",
    "pipeline_throttle_total",
    "reply_duration_seconds",
    "reply_total",
    "script_error_total",
    "stream_accesses_total",
    "tiered_bytes",
    "tiered_entries",
    "tiered_events",
    "tiered_hits",
    "tiered_list_events",
    "tiered_overload",
    "tls_handshakes_total",
    "transaction_widths_total",
];

/// Recorded of v1.39 alone.
const ONLY_39: &[&str] = &[
    "client_read_buffer_bytes",
    "cmd_squash_stats_ignored_total",
    "commands_squashing_replies_bytes",
    "dispatch_queue_bytes",
    "memory_fiberstack_vms_bytes",
    "pipeline_cmd_cache_bytes",
    "pipeline_dispatch_skip_flush_total",
    "pipeline_queue_bytes",
    "replication_full_sync_bytes",
    "replication_streaming_bytes",
    "snapshot_serialization_bytes",
    "tls_bytes",
    "used_memory_lua",
];

/// Recorded of v1.40 alone.
const ONLY_40: &[&str] = &[
    "connection_memory_bytes",
    "pipeline_dispatch_flush_total",
    "proactor_parse_total",
    "proactor_reads_total",
    "pubsub_backpressure_events_total",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_come_and_go_with_versions() {
        use Known::*;
        for (metric, minor, wanted) in [
            ("dragonfly_memory_used_bytes", 39, Exposed),
            ("dragonfly_memory_used_bytes", 34, Exposed),
            ("dragonfly_memory_used_bytes", 17, Untold),
            ("dragonfly_oom_errors_total", 40, Exposed),
            ("dragonfly_oom_errors_total", 17, Absent),
            ("dragonfly_commands_total", 17, Absent),
            ("dragonfly_master_link_status", 34, Absent),
            ("dragonfly_master_link_status", 36, Exposed),
            ("dragonfly_tls_bytes", 39, Exposed),
            ("dragonfly_tls_bytes", 40, Absent),
            ("dragonfly_tls_bytes", 36, Untold),
            ("dragonfly_proactor_reads_total", 39, Absent),
            ("dragonfly_pipeline_latency_seconds_count", 40, Exposed),
            ("dragonfly_keys_total", 40, Absent),
            ("dragonfly_keys_total", 36, Untold),
            ("dragonfly_keys_total", 41, Untold),
            ("up", 40, Untold),
        ] {
            assert_eq!(
                exposes(metric, Version(1, minor, 0)),
                wanted,
                "{metric} in v1.{minor}"
            );
        }
        assert_eq!(exposes("dragonfly_master", Version(2, 0, 0)), Untold);
    }

    #[test]
    fn a_family_is_in_one_list() {
        let all: Vec<&str> = [CORE, SINCE_35, LATER, ONLY_39, ONLY_40].concat();
        let mut unique = all.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), all.len());
    }
}
