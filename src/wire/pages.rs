//! The two HTTP pages of the admin port: `/metrics` (Prometheus text exposition) and `/healthz`.

use super::Undecodable;
use super::figure::{port, rounded, short, version};
use super::info::REPLICAS;
use crate::domain::engine::*;

/// Decodes `/healthz` by its status.
///
/// # Errors
///
/// For any other status: servers before v1.38 have no such page.
pub fn healthz(status: u16) -> Result<Health, Undecodable> {
    match status {
        200 => Ok(Health::Active),
        503 => Ok(Health::Busy),
        other => Err(Undecodable::Refused {
            command: Question::Health.command(),
            text: format!("HTTP {other}"),
        }),
    }
}

/// Decodes the body of `/metrics`. Lines that are no samples, and families that are not read, are passed over.
///
/// # Errors
///
/// When there is no sample of a Dragonfly server in it.
pub fn metrics(body: &str) -> Result<Metrics, Undecodable> {
    let mut metrics = Metrics::default();
    let mut any = false;
    for line in body.lines() {
        let Some((family, labels, value)) = sample(line).and_then(|(name, labels, value)| {
            Some((name.strip_prefix("dragonfly_")?, labels, value))
        }) else {
            continue;
        };
        any = true;
        take(&mut metrics, family, labels, value);
    }
    if !any {
        return Err(Undecodable::Reply {
            command: Question::Metrics.command(),
            problem: "it has no dragonfly_ metric".to_owned(),
        });
    }
    Ok(metrics)
}

fn take(metrics: &mut Metrics, family: &str, labels: Labels<'_>, value: f64) {
    let m = metrics;
    let figure = rounded(value);
    match family {
        "version" => m.version = labels.get("version").and_then(|text| version(&text)),
        "master" => {
            m.role = match figure {
                Some(1) => Some(Role::Master),
                Some(0) => Some(Role::Replica),
                _ => None,
            }
        }
        "uptime_in_seconds" => m.uptime = figure,
        "connected_clients" => match labels.get("listener").as_deref() {
            Some("other") => m.other_clients = figure,
            _ => m.clients = figure,
        },
        "max_clients" => m.max_clients = figure,
        "blocked_clients" => m.blocked_clients = figure,
        "send_delay_seconds" => m.send_delay_ms = rounded(value * 1_000.0),
        "memory_used_bytes" => m.used = figure,
        "memory_used_peak_bytes" => m.peak = figure,
        "memory_max_bytes" => m.max = figure,
        "used_memory_rss_bytes" => m.rss = figure,
        "commands_processed_total" => add(&mut m.commands, figure),
        "oom_errors_total" => add(&mut m.oom_errors, figure),
        "keyspace_hits_total" if labels.is_empty() => m.hits = figure,
        "keyspace_misses_total" if labels.is_empty() => m.misses = figure,
        "expired_keys_total" => add(&mut m.expired, figure),
        "evicted_keys_total" => add(&mut m.evicted, figure),
        "net_input_bytes_total" => m.received = figure,
        "net_output_bytes_total" => m.sent = figure,
        "db_keys" => add(&mut m.keys, figure),
        "db_keys_expiring" => add(&mut m.expiring, figure),
        "connected_replica_lag_records" => {
            let ip = labels.get("replica_ip").and_then(|text| short(&text, 80));
            if let Some(ip) = ip.filter(|_| m.replicas.len() < REPLICAS) {
                m.replicas.push(MetricsReplica {
                    ip,
                    port: labels
                        .get("replica_port")
                        .and_then(|text| port(&text))
                        .unwrap_or(0),
                    state: LinkState::from_word(&labels.get("replica_state").unwrap_or_default()),
                    lag: figure,
                });
            }
        }
        "master_link_status" => m.link_up = figure.map(|n| n == 1),
        "master_last_io_seconds_ago" => m.last_io = figure,
        "master_sync_in_progress" => m.syncing = figure.map(|n| n == 1),
        "slave_repl_offset" => m.offset = figure,
        "replica_reconnect_count" => m.reconnects = figure,
        "replication_psync_count" => m.psyncs = figure,
        "backups_total" => m.saves = figure,
        "failed_backups_total" => m.failed_saves = figure,
        "restores_total" => m.loads = figure,
        "failed_restores_total" => m.failed_loads = figure,
        "listener_accept_error_total" => add(&mut m.turned_away, figure),
        "tx_queue_len" => m.queued_transactions = figure,
        _ => {}
    }
}

fn add(sum: &mut Option<u64>, figure: Option<u64>) {
    if let Some(figure) = figure {
        *sum = Some(sum.unwrap_or(0).saturating_add(figure));
    }
}

/// `name{label="value",...} number [time]`.
fn sample(line: &str) -> Option<(&str, Labels<'_>, f64)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let name_end = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
    let (name, rest) = line.split_at_checked(name_end)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => {
            let end = end_of_labels(inside)?;
            let (labels, rest) = inside.split_at_checked(end)?;
            (Labels(labels), rest.strip_prefix('}')?)
        }
        None => (Labels(""), rest),
    };
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some((name, labels, value))
}

/// Where the brace closes that is in no quotes.
fn end_of_labels(inside: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// What stands between the braces.
#[derive(Clone, Copy)]
struct Labels<'a>(&'a str);

impl Labels<'_> {
    fn is_empty(self) -> bool {
        self.0.trim().is_empty()
    }

    /// The value of a label, its escapes undone.
    fn get(self, wanted: &str) -> Option<String> {
        let mut rest = self.0;
        loop {
            let (name, after) = rest.split_once('=')?;
            let after = after.trim_start().strip_prefix('"')?;
            let (value, after) = quoted(after)?;
            if name.trim_matches([',', ' ']) == wanted {
                return Some(value);
            }
            rest = after;
        }
    }
}

/// The text up to the closing quote, and what comes after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            c => value.push(c),
        }
    }
    None
}
