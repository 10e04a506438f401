//! Programs that are connected without a socket: clients as CLIENT LIST shows them, and what they leave in the slow log.

use std::time::Duration;

use super::clients::{Client, Port};
use super::core::State;
use super::node::Node;
use super::stats::Slow;

/// A client of the data port that keeps its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendant {
    /// Address and port of the client: that of a pod.
    pub addr: String,
    /// What it has named itself; empty when it has not.
    pub name: String,
    /// Name and version of its library.
    pub lib: (String, String),
    /// For how long it has been connected, where the server is as old.
    pub age: Duration,
    /// What it does.
    pub manner: Manner,
}

/// What a client does with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Commands, now and then.
    Works,
    /// Waits in BRPOP for work.
    Waits,
    /// Listens to a channel.
    Listens,
    /// Has sent this many commands ahead, in so many bytes.
    Hurries(usize, usize),
}

/// Connects those who are not connected, if the server takes connections; `settled` clients have been there for long.
pub(super) fn attend(node: &Node, crowd: &[Attendant], settled: bool) {
    if node.frozen() || node.closed.is_cancelled() {
        return;
    }
    let now = node.now();
    let mut core = node.core();
    if core.state != State::Active {
        return;
    }
    let refused = core.rss_guard();
    for one in crowd {
        let known = core
            .clients
            .all
            .values()
            .find(|client| client.addr == one.addr);
        let id = match known {
            Some(client) => client.id,
            None if refused => continue,
            None => core.clients.next_id(),
        };
        if !core.clients.all.contains_key(&id) {
            let client = connected(node, one, id, core.threads, now, core.started, settled);
            core.clients.all.insert(id, client);
            core.stats.connections += 1;
        }
        if let Some(client) = core.clients.all.get_mut(&id) {
            client.blocked = one.manner == Manner::Waits;
        }
    }
}

/// Ends the connections of those who are connected.
pub(super) fn dismiss(node: &Node, crowd: &[Attendant]) {
    let mut core = node.core();
    core.clients
        .kill(|client| crowd.iter().any(|one| one.addr == client.addr));
}

fn connected(
    node: &Node,
    one: &Attendant,
    id: u64,
    threads: usize,
    now: Duration,
    started: Duration,
    settled: bool,
) -> Client {
    let laddr = format!("{}:{}", node.spec.ip, node.spec.data_port);
    let thread = usize::try_from(id).unwrap_or(0) % threads.max(1);
    let since = match settled {
        true => now.saturating_sub(one.age).max(started),
        false => now,
    };
    let mut client = Client::new(id, Port::Data, one.addr.clone(), laddr, thread, since);
    client.name = (!one.name.is_empty()).then(|| one.name.clone());
    client.lib = one.lib.clone();
    client.commands = 3;
    client.reads = 3;
    client.net_in = 131;
    match one.manner {
        Manner::Listens => {
            client.channels.insert(b"events".to_vec());
        }
        Manner::Hurries(commands, bytes) => {
            client.pipeline = (commands, bytes);
            client.dispatches = commands as u64;
        }
        Manner::Works | Manner::Waits => {}
    }
    client
}

/// A command that took long, `ago` in the past.
pub(super) fn slow(node: &Node, args: &[&str], usec: u64, ago: Duration, by: &Attendant) {
    let mut core = node.core();
    let limit = usize::try_from(core.config.number("slowlog_max_len")).unwrap_or(20) * core.threads;
    let ago = i64::try_from(ago.as_secs()).unwrap_or(0);
    let slow = Slow {
        id: 0,
        unix_s: node.clock.unix_s() - ago,
        usec,
        args: args.iter().map(|word| word.as_bytes().to_vec()).collect(),
        client: by.addr.clone(),
        name: by.name.clone(),
    };
    core.slowlog.add(slow, limit);
}
