//! Who is connected to one node: CLIENT LIST, grouped, because a thousand lines are no picture and no thing to keep.

/// `CLIENT LIST` of one node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientList {
    /// Lines in the list, the replica's link to its master not counted.
    pub total: u64,
    /// Clients in groups of the same address, name, library, port and phase, the largest group first; at most
    /// [`ClientList::GROUPS`]. Replicas' connections are in `downstream` instead.
    pub groups: Vec<ClientGroup>,
    /// Clients in groups that were not kept.
    pub others: u64,
    /// Clients waiting in BLPOP and its like (`flags` has `b`).
    pub blocked: u64,
    /// Subscribers (`flags` has `P`).
    pub subscribed: u64,
    /// Clients that hold up the server by not reading, longest first, then the largest buffers; at most
    /// [`ClientList::SLOW`]. A takeover waits for each of them.
    pub slow: Vec<SlowClient>,
    /// On a replica: its link to its master (`flags` has `M`). The only place that tells replication that has stopped for
    /// good from replication that is being retried.
    pub upstream: Option<Upstream>,
    /// On a master: the control connections of its replicas (`repl_ctrl_N`), by session; at most 64.
    pub downstream: Vec<Downstream>,
}

impl ClientList {
    /// How many groups are kept.
    pub const GROUPS: usize = 64;
    /// How many slow clients are kept.
    pub const SLOW: usize = 10;

    /// A replica's control connection is busy with a command: on a master, for longer than a moment, it is DFLY TAKEOVER.
    pub fn takeover_hint(&self) -> Option<&Downstream> {
        self.downstream.iter().find(|session| {
            session.phase == Phase::Processing && session.idle.is_some_and(|s| s > 0)
        })
    }
}

/// Clients of the same address, name, library, port and phase.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientGroup {
    /// Host of `addr`, without its port. Behind a mesh it can be a proxy's; 127.0.0.1 is a port-forward or a probe.
    pub ip: String,
    /// `name`, where the client gave itself one: the server fills in the id otherwise.
    pub name: Option<String>,
    /// `lib-name` and `lib-ver`: `jedis 5.1.0`.
    pub library: Option<String>,
    /// Port of `laddr`: 6379 for data, 9999 for admin.
    pub port: Option<u16>,
    /// What they are doing.
    pub phase: Phase,
    /// How many.
    pub count: u64,
    /// Of them, how many wait in BLPOP and its like.
    pub blocked: u64,
    /// Of them, how many are subscribed (`flags` has `P`).
    pub subscribed: u64,
    /// Longest `idle`, seconds.
    pub idle: Option<u64>,
    /// Longest `age`, seconds.
    pub oldest: Option<u64>,
    /// Shortest `age`, seconds: clients that reconnect all the time stay young.
    pub youngest: Option<u64>,
    /// Bytes of commands that wait (`pbuf`), all together.
    pub queued_bytes: u64,
    /// Commands that these connections have sent (`tot-cmds`), all together.
    pub commands: u64,
}

/// A client that does not read its replies, or has much waiting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlowClient {
    /// `id`, for CLIENT KILL ID.
    pub id: Option<u64>,
    /// `addr` with its port, for CLIENT KILL ADDR.
    pub addr: String,
    /// `name`, where the client gave itself one.
    pub name: Option<String>,
    /// What it is doing.
    pub phase: Phase,
    /// `send-wait-time`: how long a reply has waited to be read, seconds.
    pub send_wait: Option<u64>,
    /// `pipeline`: commands that wait.
    pub queued: Option<u64>,
    /// `pbuf`: their bytes.
    pub queued_bytes: Option<u64>,
    /// `idle`, seconds.
    pub idle: Option<u64>,
}

/// `phase` of a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Phase {
    /// The line has none: old servers, and a replica's link.
    #[default]
    Untold,
    /// `setup`.
    Setup,
    /// `readsock`: the server waits for the client.
    Reading,
    /// `process`: a command runs, or waits (a blocked client too).
    Processing,
    /// `send`: a reply waits for the client to read.
    Sending,
    /// `shutting_down`, `preclose`, `closing`.
    Closing,
    /// A word that no version known here says.
    Other(String),
}

impl Phase {
    /// The word shown.
    pub fn word(&self) -> &str {
        match self {
            Phase::Untold => "-",
            Phase::Setup => "setup",
            Phase::Reading => "reading",
            Phase::Processing => "processing",
            Phase::Sending => "sending",
            Phase::Closing => "closing",
            Phase::Other(word) => word,
        }
    }
}

/// A replica's link to its master, as its own CLIENT LIST tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The master's address with its port.
    pub addr: String,
    /// How replication stands.
    pub phase: LinkPhase,
    /// `age`, seconds: since replication was set up.
    pub age: Option<u64>,
    /// `idle`, seconds: since something last came from the master.
    pub idle: Option<u64>,
}

/// `repl-phase` (v1.39 and v1.40 measured; servers without it leave it out).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkPhase {
    /// `disabled`: replication has stopped for good; only REPLICAOF starts it again.
    Stopped,
    /// `tcp_connecting`: the master does not take the connection, and it is being tried again and again.
    Retrying,
    /// `full_sync_in_progress`.
    FullSync,
    /// `stable_sync`.
    StableSync,
    /// The line has none.
    Untold,
    /// A word that no version known here says.
    Other(String),
}

impl LinkPhase {
    /// The words shown.
    pub fn word(&self) -> &str {
        match self {
            LinkPhase::Stopped => "stopped for good",
            LinkPhase::Retrying => "retrying",
            LinkPhase::FullSync => "full sync",
            LinkPhase::StableSync => "stable sync",
            LinkPhase::Untold => "-",
            LinkPhase::Other(word) => word,
        }
    }
}

/// A replica's control connection at its master.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Downstream {
    /// The number in `repl_ctrl_N`: a session of one replica.
    pub session: u64,
    /// Host of `addr`.
    pub ip: String,
    /// What it is doing. `process` for longer than a moment: it has a command running, which in stable sync can only be a
    /// takeover.
    pub phase: Phase,
    /// `age`, seconds.
    pub age: Option<u64>,
    /// `idle`, seconds.
    pub idle: Option<u64>,
}
