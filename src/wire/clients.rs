//! `CLIENT LIST` to groups of clients.
//!
//! One line a connection, words of `key=value` between spaces, in an order that differs by version. Everything is summed
//! up while it is read, so that a list of fifty thousand lines costs no more memory than one of fifty.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Undecodable;
use super::figure::{number, port, short};
use crate::domain::engine::*;

/// Groups that are told apart while reading; clients past them are counted as others.
const TOLD_APART: usize = 4_096;
/// Control connections of replicas that are kept.
const DOWNSTREAM: usize = 64;
/// Longest name, address or library kept, characters.
const WORD: usize = 80;
/// Bytes of waiting commands from which on a client counts as slow though nothing waits to be sent to it.
const MUCH_QUEUED: u64 = 1 << 20;

/// Decodes `CLIENT LIST`. An empty list is none: the one who asks is in it.
///
/// # Errors
///
/// When no line is one of that list.
pub fn client_list(text: &str) -> Result<ClientList, Undecodable> {
    let mut groups: BTreeMap<GroupKey, ClientGroup> = BTreeMap::new();
    let mut list = ClientList::default();
    let mut any = false;
    for line in text.lines() {
        let Some(row) = Row::of(line) else {
            continue;
        };
        any = true;
        if row.flags.contains('M') {
            list.upstream = Some(row.upstream());
            continue;
        }
        list.total += 1;
        if let Some(session) = row.session() {
            if list.downstream.len() < DOWNSTREAM {
                list.downstream.push(row.downstream(session));
            }
            continue;
        }
        if row.name.starts_with("repl_flow_") {
            continue;
        }
        let blocked = u64::from(row.flags.contains('b'));
        list.blocked += blocked;
        let subscribed = u64::from(row.flags.contains('P'));
        list.subscribed += subscribed;
        if row.is_slow() {
            list.slow.push(row.slow());
            if list.slow.len() >= 2 * ClientList::SLOW {
                keep_slowest(&mut list.slow);
            }
        }
        let key = row.key();
        if groups.len() >= TOLD_APART && !groups.contains_key(&key) {
            list.others += 1;
            continue;
        }
        let group = groups.entry(key).or_insert_with_key(GroupKey::group);
        group.count += 1;
        group.blocked += blocked;
        group.subscribed += subscribed;
        group.idle = group.idle.max(row.idle);
        group.oldest = group.oldest.max(row.age);
        group.youngest = [group.youngest, row.age].into_iter().flatten().min();
        group.queued_bytes = group
            .queued_bytes
            .saturating_add(row.queued_bytes.unwrap_or(0));
        group.commands = group.commands.saturating_add(row.commands.unwrap_or(0));
    }
    if !any {
        return Err(Undecodable::Reply {
            command: Question::ClientList.command(),
            problem: "it is no list of clients".to_owned(),
        });
    }
    keep_slowest(&mut list.slow);
    list.slow.shrink_to_fit();
    list.groups = groups.into_values().collect();
    list.groups
        .sort_by_key(|group| Reverse((group.count, group.queued_bytes)));
    if list.groups.len() > ClientList::GROUPS {
        let rest = list.groups.split_off(ClientList::GROUPS);
        list.others += rest.iter().map(|group| group.count).sum::<u64>();
    }
    list.groups.shrink_to_fit();
    Ok(list)
}

/// One connection of `CLIENT LIST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// `addr`, with its port.
    pub addr: String,
    /// Its host.
    pub ip: String,
    /// The port of the server that it came to; `None` where the version does not tell (before v1.15).
    pub port: Option<u16>,
    /// A replica's, or the one to the master.
    pub replicates: bool,
}

/// Every connection of a `CLIENT LIST`, one by one.
pub fn connections(text: &str) -> Vec<Connection> {
    let rows = text.lines().filter_map(Row::of);
    rows.filter(|row| !row.addr.is_empty() && row.addr.len() <= WORD)
        .map(|row| Connection {
            addr: row.addr.to_owned(),
            ip: host(row.addr),
            port: row.key().port,
            replicates: row.flags.contains('M') || row.name.starts_with("repl_"),
        })
        .collect()
}

fn keep_slowest(slow: &mut Vec<SlowClient>) {
    slow.sort_by_key(|client| Reverse((client.send_wait, client.queued_bytes, client.idle)));
    slow.truncate(ClientList::SLOW);
}

/// What clients of one group share.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct GroupKey {
    ip: String,
    name: Option<String>,
    library: Option<String>,
    port: Option<u16>,
    phase: Phase,
}

impl GroupKey {
    /// A group without clients.
    fn group(&self) -> ClientGroup {
        ClientGroup {
            ip: self.ip.clone(),
            name: self.name.clone(),
            library: self.library.clone(),
            port: self.port,
            phase: self.phase.clone(),
            ..ClientGroup::default()
        }
    }
}

/// One line, as far as it is read.
#[derive(Debug, Default)]
struct Row<'a> {
    id: &'a str,
    addr: &'a str,
    laddr: &'a str,
    name: &'a str,
    flags: &'a str,
    phase: &'a str,
    link: Option<&'a str>,
    library: &'a str,
    library_version: &'a str,
    age: Option<u64>,
    idle: Option<u64>,
    send_wait: Option<u64>,
    queued: Option<u64>,
    queued_bytes: Option<u64>,
    commands: Option<u64>,
}

impl<'a> Row<'a> {
    /// A line is one of the list when it has an address or an id.
    fn of(line: &'a str) -> Option<Self> {
        let mut row = Self::default();
        for (key, value) in line
            .split_ascii_whitespace()
            .filter_map(|w| w.split_once('='))
        {
            match key {
                "id" => row.id = value,
                "addr" => row.addr = value,
                "laddr" => row.laddr = value,
                "name" => row.name = value,
                "flags" => row.flags = value,
                "phase" => row.phase = value,
                "repl-phase" => row.link = Some(value),
                "lib-name" => row.library = value,
                "lib-ver" => row.library_version = value,
                "age" => row.age = number(value),
                "idle" => row.idle = number(value),
                "send-wait-time" => row.send_wait = number(value),
                "pipeline" => row.queued = number(value),
                "pbuf" => row.queued_bytes = number(value),
                "tot-cmds" => row.commands = number(value),
                _ => {}
            }
        }
        (!row.addr.is_empty() || number(row.id).is_some()).then_some(row)
    }

    /// The name that the client gave itself: the server fills in the id.
    fn given_name(&self) -> Option<String> {
        (self.name != self.id)
            .then(|| short(self.name, WORD))
            .flatten()
    }

    fn phase(&self) -> Phase {
        match self.phase {
            "" => Phase::Untold,
            "setup" => Phase::Setup,
            "readsock" => Phase::Reading,
            "process" => Phase::Processing,
            "send" => Phase::Sending,
            "shutting_down" | "preclose" | "closing" => Phase::Closing,
            other => Phase::Other(short(other, 20).unwrap_or_default()),
        }
    }

    fn library(&self) -> Option<String> {
        let name = short(self.library, WORD)?;
        Some(match short(self.library_version, 40) {
            Some(version) => format!("{name} {version}"),
            None => name,
        })
    }

    fn key(&self) -> GroupKey {
        GroupKey {
            ip: host(self.addr),
            name: self.given_name(),
            library: self.library(),
            port: self.laddr.rsplit_once(':').and_then(|(_, text)| port(text)),
            phase: self.phase(),
        }
    }

    fn is_slow(&self) -> bool {
        self.send_wait.is_some_and(|s| s > 0)
            || self.phase == "send"
            || self.queued_bytes.is_some_and(|bytes| bytes >= MUCH_QUEUED)
    }

    fn slow(&self) -> SlowClient {
        SlowClient {
            id: number(self.id),
            addr: short(self.addr, WORD).unwrap_or_default(),
            name: self.given_name(),
            phase: self.phase(),
            send_wait: self.send_wait,
            queued: self.queued,
            queued_bytes: self.queued_bytes,
            idle: self.idle,
        }
    }

    fn upstream(&self) -> Upstream {
        Upstream {
            addr: short(self.addr, WORD).unwrap_or_default(),
            phase: match self.link {
                None => LinkPhase::Untold,
                Some("disabled") => LinkPhase::Stopped,
                Some("tcp_connecting") => LinkPhase::Retrying,
                Some("full_sync_in_progress") => LinkPhase::FullSync,
                Some("stable_sync") => LinkPhase::StableSync,
                Some(other) => match short(other, 40) {
                    Some(word) => LinkPhase::Other(word),
                    None => LinkPhase::Untold,
                },
            },
            age: self.age,
            idle: self.idle,
        }
    }

    /// The number of `repl_ctrl_N`.
    fn session(&self) -> Option<u64> {
        number(self.name.strip_prefix("repl_ctrl_")?)
    }

    fn downstream(&self, session: u64) -> Downstream {
        Downstream {
            session,
            ip: host(self.addr),
            phase: self.phase(),
            age: self.age,
            idle: self.idle,
        }
    }
}

/// `10.0.0.1:5000` or `[::1]:5000`, without the port and the brackets.
fn host(addr: &str) -> String {
    let host = addr.rsplit_once(':').map_or(addr, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    short(host, WORD).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_told_one_by_one() {
        for (name, line, wanted) in [
            (
                "a client",
                "id=7 addr=10.4.0.9:41000 laddr=10.0.0.1:6379 fd=9 name=7 age=3 phase=readsock",
                Some(("10.4.0.9:41000", "10.4.0.9", Some(6379), false)),
            ),
            (
                "of another family",
                "id=7 addr=[fd00::9]:41000 laddr=[fd00::1]:9999 name=x",
                Some(("[fd00::9]:41000", "fd00::9", Some(9999), false)),
            ),
            (
                "a replica's",
                "id=8 addr=10.0.0.2:5000 laddr=10.0.0.1:9999 name=repl_flow_2",
                Some(("10.0.0.2:5000", "10.0.0.2", Some(9999), true)),
            ),
            (
                "to the master",
                "id=9 addr=10.0.0.1:9999 flags=M repl-phase=stable_sync",
                Some(("10.0.0.1:9999", "10.0.0.1", None, true)),
            ),
            ("without an address", "id=9 name=x", None),
            ("garbage", "\u{1f600}", None),
        ] {
            let all = connections(line);
            let got = all
                .first()
                .map(|one| (one.addr.as_str(), one.ip.as_str(), one.port, one.replicates));
            assert_eq!(got, wanted, "{name}");
        }
    }
}
