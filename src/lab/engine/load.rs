//! Write load and fills: clients that are not there, writing what a seed says.

use std::sync::Arc;
use std::time::Duration;

use super::clients::{Client, Phase, Port};
use super::core::{Core, Role, State};
use super::dispatch::with_keys;
use super::exec::{Exec, command};
use super::node::Node;
use super::rng::Rng;
use super::{keys, strings};

/// A stream of SETs from one simulated client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Client name, and first part of every key: `NAME:17`.
    pub name: String,
    /// Address of the simulated client, as CLIENT LIST shows it; empty when it shows none.
    pub addr: String,
    /// Writes per lab second.
    pub per_second: u32,
    /// Distinct keys that are written over and over.
    pub keys: u64,
    /// Length of each value in bytes.
    pub value_len: usize,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            name: "orders-api".into(),
            addr: "10.1.0.20:41000".into(),
            per_second: 50,
            keys: 1000,
            value_len: 64,
        }
    }
}

/// How often a load writes its portion.
const TICK: Duration = Duration::from_millis(50);

/// Writes while this engine is a master that accepts writes; waits while it is not.
pub(super) async fn run(node: Arc<Node>, load: Load) {
    let mut rng = Rng::of(node.spec.seed, &load.name, 77);
    let mut due = 0.0;
    let mut last = node.now();
    loop {
        node.clock.sleep(TICK).await;
        node.thaw().await;
        let now = node.now();
        // After a stop the clients go on at their pace; they do not catch up.
        let span = now.saturating_sub(last).min(TICK * 4);
        last = now;
        due += span.as_secs_f64() * f64::from(load.per_second);
        let count = due as u64;
        due -= count as f64;
        write(&node, &load, count, &mut rng);
    }
}

/// Writes `count` times at once; how many were accepted.
pub(super) fn write(node: &Node, load: &Load, count: u64, rng: &mut Rng) -> u64 {
    let now = node.now();
    let mut core = node.core();
    let writable = core.state == State::Active && matches!(core.role, Role::Master);
    if !writable || count == 0 || node.frozen() {
        return 0;
    }
    if core.over_limit(now) {
        core.stats.oom_command += count;
        core.stats.failed_times("ERR Out of memory", count);
        return 0;
    }
    note_client(node, &mut core, load, count, now);
    for _ in 0..count {
        let key = format!("{}:{}", load.name, rng.range(0, load.keys.max(1)));
        let value = value(rng.next(), load.value_len);
        let args = command(&[b"SET", key.as_bytes(), &value]);
        let _ = with_keys(node, &mut core, 0, &args, strings::set);
    }
    core.stats.commands_main += count;
    core.stats.net_in += count * (load.value_len as u64 + 48);
    core.stats.net_out += count * 5;
    core.stats.ran("set", count, count * 6, now);
    count
}

/// Reads `count` times at once, while the engine answers data commands.
pub(super) fn read(node: &Node, load: &Load, count: u64, rng: &mut Rng) {
    let now = node.now();
    let mut core = node.core();
    if core.state != State::Active || count == 0 || node.frozen() {
        return;
    }
    note_client(node, &mut core, load, count, now);
    for _ in 0..count {
        let key = format!("{}:{}", load.name, rng.range(0, load.keys.max(1)));
        let args = command(&[b"GET", key.as_bytes()]);
        let _ = with_keys(node, &mut core, 0, &args, strings::get);
    }
    core.stats.commands_main += count;
    core.stats.net_in += count * 30;
    core.stats.net_out += count * (load.value_len as u64 + 6);
    core.stats.ran("get", count, count * 3, now);
}

fn note_client(node: &Node, core: &mut Core, load: &Load, count: u64, now: Duration) {
    // Work that was done by somebody who has left.
    if load.addr.is_empty() {
        return;
    }
    let known = core
        .clients
        .all
        .values()
        .find(|client| client.addr == load.addr)
        .map(|client| client.id);
    let id = known.unwrap_or_else(|| {
        let id = core.clients.next_id();
        let tid = usize::try_from(id).unwrap_or(0) % core.threads;
        let mut client = Client::new(id, Port::Data, load.addr.clone(), laddr(node), tid, now);
        client.name = Some(load.name.clone());
        core.clients.all.insert(id, client);
        core.stats.connections += 1;
        id
    });
    if let Some(client) = core.clients.all.get_mut(&id) {
        client.commands += count;
        client.reads += count;
        client.net_in += count * 48;
        client.active = now;
    }
}

/// The data port as a simulated client has dialled it.
fn laddr(node: &Node) -> String {
    format!("{}:{}", node.spec.ip, node.spec.data_port)
}

/// A value of digits and letters that differs by its number.
fn value(seed: u64, len: usize) -> Vec<u8> {
    let digits = format!("{seed:016x}");
    digits.bytes().cycle().take(len).collect()
}

/// Adds `count` bulk keys of `bytes` in all.
pub(super) fn fill(node: &Node, prefix: &str, count: u64, bytes: u64) {
    let size = usize::try_from(bytes / count.max(1)).unwrap_or(0);
    let args = command(&[
        b"POPULATE",
        count.to_string().as_bytes(),
        prefix.as_bytes(),
        size.to_string().as_bytes(),
    ]);
    let mut core = node.core();
    let act = |exec: &mut Exec, args: &[Vec<u8>]| keys::populate(exec, args);
    let _ = with_keys(node, &mut core, 0, &args, act);
    core.stats.mutations += count;
}

/// The client of `Fault::SlowReader`: fifty replies wait for it, and it reads none.
pub(super) fn slow_reader(node: &Node, core: &mut Core, on: bool, now: Duration) {
    if let Some(id) = core.faults.slow_reader.take() {
        core.clients.kill(|client| client.id == id);
    }
    if on {
        let id = core.clients.next_id();
        // One more connection of a program that is connected already, if there is one.
        let known =
            core.clients.all.values().find(|client| {
                client.port == Port::Data && client.task.is_none() && !client.blocked
            });
        let (addr, name) = match known {
            Some(client) => {
                let host = client.addr.rsplit_once(':').map_or("", |(host, _)| host);
                (format!("{host}:56640"), client.name.clone())
            }
            None => ("10.1.0.99:56640".to_owned(), None),
        };
        let mut client = Client::new(id, Port::Data, addr, laddr(node), 0, now);
        client.name = name;
        // It has been waiting for a while already.
        client.phase = Phase::Send(now.saturating_sub(Duration::from_secs(1)));
        client.pipeline = (50, 14_000);
        client.commands = 1;
        client.dispatches = 51;
        client.net_in = 463;
        client.reads = 4;
        core.clients.all.insert(id, client);
        core.faults.slow_reader = Some(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_length_and_differ() {
        assert_eq!(value(1, 40).len(), 40);
        assert_ne!(value(1, 40), value(2, 40));
    }
}
