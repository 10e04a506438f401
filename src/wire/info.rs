//! `INFO` text to facts, for servers v1.17 to v1.40.
//!
//! The text is lines of `key:value` under `# Section` headings, ended by CRLF (LF is taken too). Keys do not repeat
//! over sections, so the headings are not needed; unknown keys are passed over.

use std::collections::BTreeMap;

use super::Undecodable;
use crate::domain::engine::*;
use crate::domain::text;

/// `INFO replication`.
///
/// # Errors
///
/// When the text does not say `role:` with a role that is known.
pub fn replication(info: &str) -> Result<Replication, Undecodable> {
    let fields = fields(info);
    let side = match fields.get("role").copied() {
        Some("master") => Side::Master {
            connected: number(&fields, "connected_slaves").unwrap_or(0),
            replicas: replica_lines(&fields),
        },
        // v1.17, and later ones told not to be compatible, say `replica`.
        Some("slave" | "replica") => Side::Replica(Follower {
            host: field(&fields, "master_host"),
            port: number(&fields, "master_port").unwrap_or(0),
            link_up: fields.get("master_link_status") == Some(&"up"),
            last_io: number(&fields, "master_last_io_seconds_ago"),
            syncing: flag(&fields, "master_sync_in_progress"),
            offset: number(&fields, "slave_repl_offset"),
        }),
        Some(other) => {
            return Err(unclear(
                Question::Replication,
                format!("unknown role '{}'", text::one_line(other)),
            ));
        }
        None => {
            return Err(unclear(
                Question::Replication,
                "it names no role".to_owned(),
            ));
        }
    };
    Ok(Replication {
        replid: optional(&fields, "master_replid"),
        side,
    })
}

/// `slave0:ip=10.0.0.2,port=6379,state=online,lag=0`, in the order of their numbers.
fn replica_lines(fields: &BTreeMap<&str, &str>) -> Vec<ReplicaLine> {
    let mut lines: Vec<(u32, ReplicaLine)> = fields
        .iter()
        .filter_map(|(key, value)| {
            let number: u32 = key.strip_prefix("slave")?.parse().ok()?;
            let parts = parts(value);
            Some((
                number,
                ReplicaLine {
                    ip: text::one_line(parts.get("ip")?),
                    port: parts.get("port").and_then(|p| p.parse().ok()).unwrap_or(0),
                    state: LinkState::from_word(parts.get("state").copied().unwrap_or("")),
                    lag: parts.get("lag").and_then(|l| l.parse().ok()).unwrap_or(0),
                },
            ))
        })
        .collect();
    lines.sort_by_key(|(number, _)| *number);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// `INFO persistence`.
///
/// # Errors
///
/// When the text is no INFO at all.
pub fn persistence(info: &str) -> Result<Persistence, Undecodable> {
    let fields = fields_of(Question::Persistence, info)?;
    Ok(Persistence {
        loading: flag(&fields, "loading"),
        saving: flag(&fields, "saving"),
        last_save: number(&fields, "last_success_save"),
        last_file: field(&fields, "last_saved_file"),
        last_failed: number(&fields, "last_failed_save").filter(|at| *at > 0),
        last_error: field(&fields, "last_error"),
    })
}

/// `INFO server`.
///
/// # Errors
///
/// When the text is no INFO at all.
pub fn server(info: &str) -> Result<Server, Undecodable> {
    let fields = fields_of(Question::Server, info)?;
    Ok(Server {
        version: fields
            .get("dragonfly_version")
            .and_then(|version| version_of(version)),
        uptime: number(&fields, "uptime_in_seconds"),
        threads: number(&fields, "thread_count"),
    })
}

/// `df-v1.39.0`, or `df-v1.39.0-<hash>` in some builds, to `v1.39.0`.
fn version_of(text: &str) -> Option<String> {
    let bare = text.trim().strip_prefix("df-").unwrap_or(text.trim());
    let version = match bare.rsplit_once('-') {
        Some((version, hash)) if hash.len() >= 7 && hash.chars().all(|c| c.is_ascii_hexdigit()) => {
            version
        }
        _ => bare,
    };
    let version = text::one_line(version);
    (!version.is_empty()).then_some(version)
}

/// `INFO clients`.
///
/// # Errors
///
/// When the text is no INFO at all.
pub fn clients(info: &str) -> Result<Clients, Undecodable> {
    let fields = fields_of(Question::Clients, info)?;
    Ok(Clients {
        connected: number(&fields, "connected_clients"),
        max: number(&fields, "max_clients"),
        blocked: number(&fields, "blocked_clients"),
    })
}

/// `INFO memory`.
///
/// # Errors
///
/// When the text is no INFO at all.
pub fn memory(info: &str) -> Result<Memory, Undecodable> {
    let fields = fields_of(Question::Memory, info)?;
    Ok(Memory {
        used: number(&fields, "used_memory"),
        peak: number(&fields, "used_memory_peak"),
        rss: number(&fields, "used_memory_rss"),
        max: number(&fields, "maxmemory"),
    })
}

/// `INFO stats`.
///
/// # Errors
///
/// When the text is no INFO at all.
pub fn stats(info: &str) -> Result<Stats, Undecodable> {
    let fields = fields_of(Question::Stats, info)?;
    Ok(Stats {
        ops: number(&fields, "instantaneous_ops_per_sec"),
        commands: number(&fields, "total_commands_processed"),
        oom_rejections: number(&fields, "oom_rejections"),
        evicted: number(&fields, "evicted_keys"),
        expired: number(&fields, "expired_keys"),
        hits: number(&fields, "keyspace_hits"),
        misses: number(&fields, "keyspace_misses"),
    })
}

/// `INFO keyspace`: `db0:keys=3,expires=0,...`, summed over all databases. An empty server lists none.
///
/// # Errors
///
/// When the text has neither a heading nor a field.
pub fn keyspace(info: &str) -> Result<Keyspace, Undecodable> {
    let fields = fields(info);
    if fields.is_empty() && !info.lines().any(|line| line.starts_with("# ")) {
        return Err(unclear(Question::Keyspace, "it is no INFO text".to_owned()));
    }
    let keys = fields
        .iter()
        .filter(|(key, _)| {
            key.strip_prefix("db")
                .is_some_and(|number| number.parse::<u32>().is_ok())
        })
        .filter_map(|(_, value)| parts(value).get("keys")?.parse::<u64>().ok())
        .fold(0, u64::saturating_add);
    Ok(Keyspace { keys })
}

fn unclear(question: Question, problem: String) -> Undecodable {
    Undecodable::Reply {
        command: question.command(),
        problem,
    }
}

fn fields_of(question: Question, info: &str) -> Result<BTreeMap<&str, &str>, Undecodable> {
    let fields = fields(info);
    if fields.is_empty() {
        return Err(unclear(question, "it is no INFO text".to_owned()));
    }
    Ok(fields)
}

/// Keys and values. A key is one word: a line of HTML is none.
fn fields(info: &str) -> BTreeMap<&str, &str> {
    info.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| {
            !key.is_empty()
                && key
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        })
        .map(|(key, value)| (key, value.trim()))
        .collect()
}

/// `a=1,b=2`.
fn parts(value: &str) -> BTreeMap<&str, &str> {
    value
        .split(',')
        .filter_map(|part| part.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect()
}

/// A number; -1, which the server writes for "not known", and other nonsense are absent.
fn number<T: std::str::FromStr>(fields: &BTreeMap<&str, &str>, key: &str) -> Option<T> {
    let text = fields.get(key)?;
    if text.starts_with('-') {
        return None;
    }
    text.parse().ok()
}

fn flag(fields: &BTreeMap<&str, &str>, key: &str) -> bool {
    fields.get(key) == Some(&"1")
}

fn field(fields: &BTreeMap<&str, &str>, key: &str) -> String {
    fields
        .get(key)
        .map(|v| text::one_line(v))
        .unwrap_or_default()
}

fn optional(fields: &BTreeMap<&str, &str>, key: &str) -> Option<String> {
    Some(field(fields, key)).filter(|text| !text.is_empty())
}
