//! Commands that took long, as one node remembers them.

/// `SLOWLOG GET`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlowLog {
    /// The slowest entries, slowest first; at most [`SlowLog::KEPT`].
    pub slowest: Vec<SlowEntry>,
    /// Entries in the reply.
    pub told: u64,
    /// When the newest one ran, unix seconds of the server's clock.
    pub newest: Option<i64>,
}

impl SlowLog {
    /// How many entries are kept.
    pub const KEPT: usize = 10;
}

/// One entry. Values and other arguments are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlowEntry {
    /// Its number in the log.
    pub id: Option<u64>,
    /// When it ran, unix seconds of the server's clock.
    pub at: Option<i64>,
    /// How long it took, microseconds.
    pub micros: u64,
    /// The command, upper case.
    pub command: String,
    /// Its first argument, which for most commands is a key; never kept for a command whose arguments can be secret.
    pub key: Option<String>,
    /// Arguments it had, the command not counted. The server shortens long lists.
    pub arguments: u64,
    /// Address of the client.
    pub client: Option<String>,
    /// Name of the client, where it gave itself one.
    pub name: Option<String>,
}
