//! What a rule is for, told by what it reads: alerts have any name.

use super::promql::Reads;
use super::rules::Rule;

/// What must be watched of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::checks) enum Purpose {
    /// Its pods answer.
    Availability,
    /// Memory, before it is full: at 80 % at the latest.
    Memory,
    /// The volumes of its snapshots.
    Disk,
    /// Its replicas follow.
    Replication,
    /// How far they are behind.
    Lag,
    /// Commands per second.
    Commands,
    /// Another node became master.
    RoleChange,
}

impl Purpose {
    pub(in crate::checks) const ALL: &[Purpose] = &[
        Purpose::Availability,
        Purpose::Memory,
        Purpose::Disk,
        Purpose::Replication,
        Purpose::Lag,
        Purpose::Commands,
        Purpose::RoleChange,
    ];

    pub(in crate::checks) fn words(self) -> &'static str {
        match self {
            Purpose::Availability => "availability",
            Purpose::Memory => "the memory reserve",
            Purpose::Disk => "disk saturation",
            Purpose::Replication => "replication",
            Purpose::Lag => "replication lag",
            Purpose::Commands => "the command rate",
            Purpose::RoleChange => "a change of roles",
        }
    }

    /// Whether a rule that reads that is for it.
    pub(in crate::checks) fn is_of(self, reads: &Reads) -> bool {
        const CHANGES: &[&str] = &[
            "changes",
            "delta",
            "idelta",
            "increase",
            "resets",
            "offset",
            "rate",
            "irate",
            "deriv",
            "changes_prometheus",
            "increases_over_time",
            "decreases_over_time",
        ];
        match self {
            Purpose::Availability => {
                let is_up = reads
                    .selectors
                    .iter()
                    .any(|one| one.metric == "up" || is_of_pods(&one.metric));
                let is_absent = reads.calls(&["absent", "absent_over_time"])
                    && reads
                        .selectors
                        .iter()
                        .any(|one| one.metric.starts_with("dragonfly_"));
                is_up || is_absent || reads.reads(&["dragonfly_uptime_in_seconds"])
            }
            Purpose::Memory => {
                let used = [
                    "dragonfly_memory_used_bytes",
                    "dragonfly_used_memory_rss_bytes",
                    "dragonfly_memory_by_class_bytes",
                ];
                reads.reads(&used) && reads.reads(&["dragonfly_memory_max_bytes"])
            }
            Purpose::Disk => reads
                .selectors
                .iter()
                .any(|one| one.metric.starts_with("kubelet_volume_stats_")),
            Purpose::Replication => {
                let link = [
                    "dragonfly_master_link_status",
                    "dragonfly_master_last_io_seconds_ago",
                    "dragonfly_master_sync_in_progress",
                    "dragonfly_replica_reconnect_count",
                ];
                let counted = ["count", "absent", "sum"];
                reads.reads(&link)
                    || reads.reads(&["dragonfly_master"]) && !reads.calls(CHANGES)
                    || reads.reads(&["dragonfly_connected_replica_lag_records"])
                        && reads.calls(&counted)
            }
            Purpose::Lag => {
                let is_counted = reads.calls(&["count", "absent"]);
                reads.reads(&["dragonfly_connected_replica_lag_records"]) && !is_counted
                    || reads.reads(&["dragonfly_slave_repl_offset"])
            }
            Purpose::Commands => reads.reads(&[
                "dragonfly_commands_processed_total",
                "dragonfly_commands_total",
                "dragonfly_commands",
            ]),
            Purpose::RoleChange => reads.reads(&["dragonfly_master"]) && reads.calls(CHANGES),
        }
    }

    /// Whether that rule is for it.
    pub(in crate::checks) fn is_served_by(self, rule: &Rule) -> bool {
        self.is_of(&rule.reads)
    }
}

/// Series of kube-state-metrics about whether pods are ready.
fn is_of_pods(metric: &str) -> bool {
    matches!(
        metric,
        "kube_pod_status_ready"
            | "kube_pod_container_status_ready"
            | "kube_statefulset_status_replicas_ready"
            | "kube_statefulset_status_replicas_available"
    )
}

/// The share of memory, from 0 to 1, at which a rule about it fires; `None` where that cannot be told.
pub(in crate::checks) fn share(reads: &Reads) -> Option<f64> {
    let above = reads
        .bounds
        .iter()
        .filter(|(sign, _)| sign.starts_with('>'));
    let share = |bound: f64| match bound {
        bound if bound > 0.0 && bound <= 1.0 => Some(bound),
        bound if bound > 1.0 && bound <= 100.0 => Some(bound / 100.0),
        _ => None,
    };
    // `x > 0` beside it only keeps a division by nothing out.
    above
        .filter_map(|(_, bound)| share(*bound))
        .reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::super::promql::reads;
    use super::*;

    #[test]
    fn what_a_rule_is_for_is_told_by_what_it_reads() {
        for (expression, wanted) in [
            ("up{job=\"dragonfly\"} == 0", "availability"),
            ("absent(dragonfly_master == 1)", "availability, replication"),
            (
                "dragonfly_memory_used_bytes / dragonfly_memory_max_bytes > 0.8",
                "the memory reserve",
            ),
            ("dragonfly_memory_used_bytes > 1e9", ""),
            (
                "kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes < 0.3",
                "disk saturation",
            ),
            ("dragonfly_master_link_status == 0", "replication"),
            ("sum by (namespace) (dragonfly_master) != 1", "replication"),
            (
                "max(dragonfly_connected_replica_lag_records) > 10000",
                "replication lag",
            ),
            (
                "count(dragonfly_connected_replica_lag_records) < 2",
                "replication",
            ),
            (
                "rate(dragonfly_commands_processed_total[5m]) == 0",
                "the command rate",
            ),
            ("changes(dragonfly_master[10m]) > 0", "a change of roles"),
            ("rate(node_cpu_seconds_total[5m]) > 1", ""),
        ] {
            let reads = reads(expression);
            let words: Vec<&str> = Purpose::ALL
                .iter()
                .filter(|purpose| purpose.is_of(&reads))
                .map(|purpose| purpose.words())
                .collect();
            assert_eq!(words.join(", "), wanted, "{expression}");
        }
    }

    #[test]
    fn the_share_of_memory_at_which_a_rule_fires() {
        for (expression, wanted) in [
            ("a / b >= 0.8", Some(0.8)),
            ("100 * a / b > 95", Some(0.95)),
            ("a / b > 0.9 and b > 0", Some(0.9)),
            ("a > b * 0.8", None),
            ("b - a < 5", None),
        ] {
            assert_eq!(share(&reads(expression)), wanted, "{expression}");
        }
    }
}
