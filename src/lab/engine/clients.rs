//! Connections as CLIENT LIST shows them: real ones, and those that replication would hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use super::core::{Core, Role};
use super::node::Node;
use super::resp::Reply;
use super::spec::Version;

/// From here on CLIENT LIST of a replica has a line for its link, with `repl-phase` (recorded of v1.39.0 and v1.40.1; what
/// older servers tell was not recorded, so they tell nothing here).
const TELLS_PHASE: Version = Version(1, 39, 0);

/// Which listener a connection came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Port {
    Data,
    Admin,
}

/// What a connection is doing, as `phase=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Read,
    Process,
    /// Waiting for the client to read its replies, since when.
    Send(Duration),
}

/// One line of CLIENT LIST.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) port: Port,
    pub(super) addr: String,
    pub(super) laddr: String,
    pub(super) name: Option<String>,
    pub(super) tid: usize,
    pub(super) since: Duration,
    pub(super) active: Duration,
    pub(super) commands: u64,
    pub(super) net_in: u64,
    pub(super) reads: u64,
    pub(super) dispatches: u64,
    pub(super) db: u16,
    pub(super) phase: Phase,
    /// Commands read but not yet run, and their bytes.
    pub(super) pipeline: (usize, usize),
    pub(super) blocked: bool,
    pub(super) channels: BTreeSet<Vec<u8>>,
    pub(super) patterns: BTreeSet<Vec<u8>>,
    pub(super) monitor: bool,
    pub(super) lib: (String, String),
    /// Where pushed messages go, once the client may get any.
    pub(super) inbox: Option<UnboundedSender<Reply>>,
    /// Ends the connection's task.
    pub(super) task: Option<AbortHandle>,
}

impl Client {
    pub(super) fn new(
        id: u64,
        port: Port,
        addr: String,
        laddr: String,
        tid: usize,
        now: Duration,
    ) -> Self {
        Self {
            id,
            port,
            addr,
            laddr,
            name: None,
            tid,
            since: now,
            active: now,
            commands: 0,
            net_in: 0,
            reads: 0,
            dispatches: 0,
            db: 0,
            phase: Phase::Read,
            pipeline: (0, 0),
            blocked: false,
            channels: BTreeSet::new(),
            patterns: BTreeSet::new(),
            monitor: false,
            lib: Default::default(),
            inbox: None,
            task: None,
        }
    }

    /// The name, which is the id until somebody sets another.
    pub(super) fn shown_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.id.to_string())
    }

    pub(super) fn subscribed(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    fn flags(&self) -> String {
        let sending = matches!(self.phase, Phase::Send(_)) && self.pipeline.0 > 0;
        let marks = [
            ('a', sending),
            ('b', self.blocked),
            ('P', self.subscribed() > 0),
        ];
        marks
            .iter()
            .filter(|(_, on)| *on)
            .map(|(mark, _)| *mark)
            .collect()
    }

    fn line(&self, out: &mut String, now: Duration) {
        let age = now.saturating_sub(self.since).as_secs();
        let idle = now.saturating_sub(self.active).as_secs();
        let _ = write!(
            out,
            "id={} addr={} laddr={} fd={} name={} ",
            self.id,
            self.addr,
            self.laddr,
            11 + self.id % 200,
            self.shown_name()
        );
        if let Phase::Send(since) = self.phase {
            let _ = write!(
                out,
                "send-wait-time={} ",
                now.saturating_sub(since).as_secs()
            );
        }
        let _ = write!(out, "tid={} irqmatch=1 ", self.tid);
        if self.pipeline.0 > 0 {
            let _ = write!(
                out,
                "pipeline={} pbuf={} ",
                self.pipeline.0, self.pipeline.1
            );
        }
        let _ = write!(
            out,
            "age={age} idle={idle} tot-cmds={} tot-net-in={} tot-read-calls={} tot-dispatches={} db={} ",
            self.commands, self.net_in, self.reads, self.dispatches, self.db
        );
        let flags = self.flags();
        if !flags.is_empty() {
            let _ = write!(out, "flags={flags} ");
        }
        let phase = match self.phase {
            Phase::Read => "readsock",
            Phase::Process => "process",
            Phase::Send(_) => "send",
        };
        let _ = writeln!(
            out,
            "phase={phase} lib-name={} lib-ver={}",
            self.lib.0, self.lib.1
        );
    }
}

/// The connections of an engine.
#[derive(Debug, Default)]
pub(super) struct Clients {
    last_id: u64,
    pub(super) all: BTreeMap<u64, Client>,
}

impl Clients {
    /// A new id, as every connection and replication flow takes one.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The lines in the server's order: data port first, then by thread; `more` are the connections
    /// that replicas would hold.
    pub(super) fn list(&self, more: &[Client], now: Duration) -> String {
        let mut clients: Vec<_> = self.all.values().chain(more).collect();
        clients.sort_by_key(|client| (client.port, client.tid, client.id));
        let mut out = String::new();
        clients.iter().for_each(|client| client.line(&mut out, now));
        out
    }

    /// One client's line, as CLIENT INFO gives it.
    pub(super) fn line_of(&self, id: u64, now: Duration) -> String {
        let mut out = String::new();
        if let Some(client) = self.all.get(&id) {
            client.line(&mut out, now);
        }
        out
    }

    pub(super) fn on(&self, port: Port) -> usize {
        self.all
            .values()
            .filter(|client| client.port == port)
            .count()
    }

    pub(super) fn blocked(&self) -> usize {
        self.all.values().filter(|client| client.blocked).count()
    }

    /// A data client whose replies have been waiting for longer than `patience`.
    pub(super) fn stuck(&self, now: Duration, patience: Duration) -> Option<u64> {
        self.all.values().find_map(|client| match client.phase {
            Phase::Send(since)
                if client.port == Port::Data && now.saturating_sub(since) > patience =>
            {
                Some(client.id)
            }
            _ => None,
        })
    }

    /// Lets go of those that wait for an element and are no real connections, which let go by themselves.
    pub(super) fn release(&mut self) {
        let simulated = self.all.values_mut().filter(|client| client.task.is_none());
        simulated.for_each(|client| client.blocked = false);
    }

    /// Ends the connections that `doomed` picks; how many.
    pub(super) fn kill(&mut self, doomed: impl Fn(&Client) -> bool) -> usize {
        let ids: Vec<_> = self
            .all
            .values()
            .filter(|c| doomed(c))
            .map(|c| c.id)
            .collect();
        for id in &ids {
            if let Some(task) = self.all.remove(id).and_then(|client| client.task) {
                task.abort();
            }
        }
        ids.len()
    }
}

/// CLIENT LIST: real connections, those of replicas, and on a replica the one to its master.
pub(super) fn client_list(node: &Node, core: &Core) -> String {
    let now = node.now();
    let laddr = format!("{}:{}", node.spec.ip, node.spec.admin_port);
    let mut more = vec![];
    for follower in &core.followers {
        let age = now.saturating_sub(follower.since).as_secs();
        let (control, flows) = &follower.ids;
        for (n, id) in std::iter::once(control).chain(flows).enumerate() {
            let addr = format!("{}:{}", follower.ip, 40_000 + id % 20_000);
            let thread = usize::try_from(*id).unwrap_or(0) % core.threads;
            let mut client = Client::new(
                *id,
                Port::Admin,
                addr,
                laddr.clone(),
                thread,
                follower.since,
            );
            let kind = if n == 0 { "ctrl" } else { "flow" };
            client.name = Some(format!("repl_{kind}_{}", follower.sync));
            client.commands = if n == 0 { 9 } else { 1 + age };
            client.net_in = if n == 0 { 253 } else { 98 + age * 19 };
            client.reads = client.commands;
            client.active = if n == 0 { follower.since } else { now };
            more.push(client);
        }
    }
    let mut text = core.clients.list(&more, now);
    if let Role::Replica(link) = &core.role
        && core.version >= TELLS_PHASE
    {
        let age = now.saturating_sub(link.born).as_secs();
        let (laddr, fd) = match link.up {
            true => (
                format!("{}:{}", node.spec.ip, 40_000 + link.id % 20_000),
                14,
            ),
            false => ("-".to_owned(), -1),
        };
        let _ = writeln!(
            text,
            "id={} addr={}:{} laddr={laddr} fd={fd} name= tid={} irqmatch=0 age={age} idle={} tot-cmds={} \
             tot-net-in=0 tot-read-calls=0 tot-dispatches=0 db=0 flags=M repl-phase={} lib-name= lib-ver=",
            link.id,
            link.host,
            link.port,
            core.threads - 1,
            link.last_io(now),
            link.commands,
            link.phase.word(),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_recorded() {
        let second = Duration::from_secs;
        let mut clients = Clients::default();
        let mut add = |port, tid| {
            let id = clients.next_id();
            let client = Client::new(
                id,
                port,
                "127.0.0.1:58058".into(),
                "10.0.0.1:6379".into(),
                tid,
                second(1),
            );
            clients.all.insert(id, client);
            id
        };
        let (admin, data) = (add(Port::Admin, 0), add(Port::Data, 1));
        if let Some(client) = clients.all.get_mut(&data) {
            client.phase = Phase::Send(second(2));
            client.pipeline = (50, 14_000);
        }
        let list = clients.list(&[], second(7));
        let lines: Vec<_> = list.lines().collect();
        assert_eq!(
            lines,
            [
                "id=2 addr=127.0.0.1:58058 laddr=10.0.0.1:6379 fd=13 name=2 send-wait-time=5 tid=1 irqmatch=1 \
                 pipeline=50 pbuf=14000 age=6 idle=6 tot-cmds=0 tot-net-in=0 tot-read-calls=0 tot-dispatches=0 \
                 db=0 flags=a phase=send lib-name= lib-ver=",
                "id=1 addr=127.0.0.1:58058 laddr=10.0.0.1:6379 fd=12 name=1 tid=0 irqmatch=1 age=6 idle=6 \
                 tot-cmds=0 tot-net-in=0 tot-read-calls=0 tot-dispatches=0 db=0 phase=readsock lib-name= lib-ver=",
            ]
        );
        assert_eq!(clients.stuck(second(7), second(1)), Some(data));
        assert_eq!(clients.kill(|client| client.id == admin), 1);
        assert_eq!(clients.on(Port::Admin), 0);
    }
}
