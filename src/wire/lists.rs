//! Replies that are lists: SLOWLOG GET, CONFIG GET, MEMORY STATS, DFLY REPLICAOFFSET; and the text of MEMORY ARENA.

use std::cmp::Reverse;

use super::Undecodable;
use super::figure::{number, second, short};
use super::reply::{Reply, unclear};
use crate::domain::engine::*;

/// Flags that are kept.
const FLAGS: usize = 256;
/// Shards that are kept.
const SHARDS: usize = 1_024;
/// Flags whose values are never kept. Any with such a word in its name is one of them too.
const SECRET_WORDS: &[&str] = &["pass", "auth", "secret", "token", "key_id", "access_key"];
/// Commands of whose arguments none is kept: they can be passwords, scripts or texts.
const CLOSED: &[&str] = &[
    "ACL",
    "AUTH",
    "CONFIG",
    "EVAL",
    "EVALSHA",
    "EVAL_RO",
    "EVALSHA_RO",
    "FCALL",
    "FCALL_RO",
    "FUNCTION",
    "HELLO",
    "MIGRATE",
    "SCRIPT",
    "ECHO",
    "PING",
    "PUBLISH",
    "SPUBLISH",
    "REPLCONF",
    "DEBUG",
];

/// Decodes `SLOWLOG GET`: entries of id, unix second, microseconds, arguments, client address, client name. Old entries
/// and old servers lack the last two.
///
/// # Errors
///
/// When it is no list.
pub fn slow_log(reply: &Reply) -> Result<SlowLog, Undecodable> {
    let entries = list(Question::SlowLog, reply)?;
    let mut log = SlowLog {
        told: entries.len() as u64,
        ..SlowLog::default()
    };
    for entry in entries.iter().filter_map(slow_entry) {
        log.newest = log.newest.max(entry.at);
        log.slowest.push(entry);
        if log.slowest.len() >= 4 * SlowLog::KEPT {
            keep_slowest(&mut log.slowest);
        }
    }
    keep_slowest(&mut log.slowest);
    log.slowest.shrink_to_fit();
    Ok(log)
}

fn keep_slowest(slowest: &mut Vec<SlowEntry>) {
    slowest.sort_by_key(|entry| Reverse((entry.micros, entry.at, entry.id)));
    slowest.truncate(SlowLog::KEPT);
}

fn slow_entry(entry: &Reply) -> Option<SlowEntry> {
    let Reply::List(parts) = entry else {
        return None;
    };
    let mut parts = parts.iter();
    let mut next = || parts.next();
    let id = next().and_then(Reply::number);
    let at = next().and_then(Reply::text).and_then(|text| second(&text));
    let micros = next().and_then(Reply::number)?;
    let arguments = match next() {
        Some(Reply::List(arguments)) => arguments.as_slice(),
        _ => &[],
    };
    let client = next()
        .and_then(Reply::text)
        .and_then(|text| short(&text, 80));
    let name = next()
        .and_then(Reply::text)
        .and_then(|text| short(&text, 80));
    let mut arguments = arguments.iter();
    let command = arguments
        .next()
        .and_then(Reply::text)
        .and_then(|text| short(&text, 40))
        .unwrap_or_default()
        .to_uppercase();
    let count = arguments.len() as u64;
    let is_open = !CLOSED.contains(&command.as_str());
    let key = arguments
        .next()
        .filter(|_| is_open)
        .and_then(Reply::text)
        .and_then(|text| short(&text, 80));
    Some(SlowEntry {
        id,
        at,
        micros,
        command,
        key,
        arguments: count,
        client,
        // The server fills in the id where a client has no name; ids are numbers, and a name of digits is none.
        name: name.filter(|name| number(name).is_none()),
    })
}

/// Decodes `CONFIG GET`: names and values in turn. Secret values are dropped here; that they are set is kept.
///
/// # Errors
///
/// When it is no list.
pub fn config(reply: &Reply) -> Result<Config, Undecodable> {
    let mut config = Config::default();
    for (name, value) in pairs(list(Question::Config, reply)?).take(FLAGS) {
        let Some(name) = name.text().and_then(|name| short(&name, 80)) else {
            continue;
        };
        let Some(value) = value.text() else {
            continue;
        };
        if is_secret(&name) {
            if !value.is_empty() {
                config.secrets.push(name);
            }
            continue;
        }
        config
            .flags
            .insert(name, short(&value, 200).unwrap_or_default());
    }
    Ok(config)
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // Names of files and users are no secrets.
    !name.ends_with("_file") && SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Decodes `MEMORY STATS`: names and numbers in turn.
///
/// # Errors
///
/// When it is no list.
pub fn memory_stats(reply: &Reply) -> Result<MemoryStats, Undecodable> {
    let mut stats = MemoryStats::default();
    for (name, value) in pairs(list(Question::MemoryStats, reply)?) {
        let Some(name) = name.text() else {
            continue;
        };
        match &*name {
            "connections.direct_bytes" => stats.connections = value.number(),
            "replication.connections_count" => stats.replication_connections = value.number(),
            "replication.direct_bytes" => stats.replication = value.number(),
            _ => {}
        }
    }
    Ok(stats)
}

/// Decodes `DFLY REPLICAOFFSET`: a number for each shard.
///
/// # Errors
///
/// When it is no list of numbers.
pub fn offsets(reply: &Reply) -> Result<Offsets, Undecodable> {
    let shards: Option<Vec<u64>> = list(Question::Offsets, reply)?
        .iter()
        .take(SHARDS)
        .map(Reply::number)
        .collect();
    match shards {
        Some(shards) => Ok(Offsets { shards }),
        None => Err(unclear(
            Question::Offsets,
            "one of its parts is no number".to_owned(),
        )),
    }
}

/// Decodes the last line of `MEMORY ARENA`: `total reserved: 751071376, committed: 750075664, used: 749897928 ...`.
///
/// # Errors
///
/// When there is no such line.
pub fn arena(text: &str) -> Result<Arena, Undecodable> {
    let figures = text.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once("total reserved:")?;
        let (reserved, rest) = rest.split_once(", committed:")?;
        let (committed, rest) = rest.split_once(", used:")?;
        Some(Arena {
            reserved: number(reserved)?,
            committed: number(committed)?,
            used: number(rest.split_ascii_whitespace().next()?)?,
        })
    });
    figures.ok_or_else(|| Undecodable::Reply {
        command: "MEMORY ARENA",
        problem: "it has no totals".to_owned(),
    })
}

fn list(question: Question, reply: &Reply) -> Result<&[Reply], Undecodable> {
    match reply {
        Reply::List(parts) => Ok(parts),
        other => Err(unclear(question, format!("it is {}", other.sort()))),
    }
}

fn pairs(parts: &[Reply]) -> impl Iterator<Item = (&Reply, &Reply)> {
    parts.chunks_exact(2).filter_map(|pair| match pair {
        [name, value] => Some((name, value)),
        _ => None,
    })
}
