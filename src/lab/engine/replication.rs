//! Replication: what a master knows of its replicas, what a replica knows of its master, and
//! REPLICAOF.

use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::core::{Core, Role, State};
use super::journal::Journal;
use super::link;
use super::node::Node;
use super::resp::Reply;

/// A replica as its master lists it.
#[derive(Debug)]
pub(super) struct Follower {
    /// The number in `SYNC1`, `repl_ctrl_1`.
    pub(super) sync: u32,
    pub(super) ip: IpAddr,
    pub(super) port: u16,
    pub(super) stage: Stage,
    /// Journal position per shard that the replica has acknowledged, once a second.
    pub(super) acked: Vec<u64>,
    /// Position up to which records were handed out.
    pub(super) taken: Vec<u64>,
    pub(super) since: Duration,
    /// Ids of the control connection and of one flow per shard.
    pub(super) ids: (u64, Vec<u64>),
}

/// `state=` of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Preparation,
    FullSync,
    Online,
}

impl Follower {
    pub(super) fn is_online(&self) -> bool {
        self.stage == Stage::Online
    }

    /// Records behind, the most of all shards; only stable sync has a lag.
    pub(super) fn lag(&self, lsns: &[u64]) -> u64 {
        if !self.is_online() {
            return 0;
        }
        let behind = lsns
            .iter()
            .zip(&self.acked)
            .map(|(lsn, acked)| lsn.saturating_sub(*acked));
        behind.max().unwrap_or(0)
    }
}

/// How far a replica is with its master; the words CLIENT LIST uses in `repl-phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkPhase {
    TcpConnecting,
    FullSync,
    Stable,
    /// Stopped for good: the master came back with another id.
    Disabled,
}

impl LinkPhase {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::TcpConnecting => "tcp_connecting",
            Self::FullSync => "full_sync_in_progress",
            Self::Stable => "stable_sync",
            Self::Disabled => "disabled",
        }
    }
}

/// A replica's side of replication.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) phase: LinkPhase,
    /// TCP is connected.
    pub(super) up: bool,
    pub(super) syncing: bool,
    /// Last word from the master.
    pub(super) heard: Duration,
    /// When REPLICAOF was accepted.
    pub(super) born: Duration,
    /// When stable sync began.
    pub(super) since: Duration,
    /// The master's id, once it was greeted.
    pub(super) replid: String,
    /// Applied journal position per shard of the master; exists after a full or partial sync only.
    pub(super) applied: Option<Vec<u64>>,
    pub(super) psyncs: u64,
    pub(super) reconnects: u64,
    pub(super) commands: u64,
    pub(super) id: u64,
    pub(super) task: Option<AbortHandle>,
}

impl Link {
    /// Whole seconds since the master was last heard. In stable sync the master is heard all the
    /// time, even when its process is frozen: TCP stays up and nobody asks for more (recorded for
    /// 53 seconds).
    pub(super) fn last_io(&self, now: Duration) -> u64 {
        if self.up && self.phase == LinkPhase::Stable {
            return now.saturating_sub(self.since).as_millis() as u64 % 3000 / 2000;
        }
        now.saturating_sub(self.heard).as_secs()
    }

    /// `slave_repl_offset`
    pub(super) fn offset(&self) -> Option<u64> {
        self.applied.as_ref().map(|applied| applied.iter().sum())
    }

    /// The state ROLE shows.
    pub(super) fn role_state(&self, valkey_words: bool) -> &'static str {
        match self.phase {
            LinkPhase::TcpConnecting | LinkPhase::Disabled => "connecting",
            LinkPhase::FullSync => "full_sync",
            LinkPhase::Stable if valkey_words => "online",
            LinkPhase::Stable => "stable_sync",
        }
    }
}

/// A replica's entry in its master's list; dropping it takes the entry away.
#[derive(Debug)]
pub(super) struct Entry {
    master: Weak<Node>,
    pub(super) sync: u32,
}

impl Entry {
    /// Greets the master: it lists the replica as `preparation`.
    pub(super) fn register(master: &Arc<Node>, replica: &Node) -> Self {
        let now = master.now();
        let mut core = master.core();
        core.last_sync += 1;
        let sync = core.last_sync;
        let flows = core.threads;
        let ids = (
            core.clients.next_id(),
            (0..flows).map(|_| core.clients.next_id()).collect(),
        );
        let (ip, port) = (replica.spec.ip, replica.spec.data_port);
        core.followers.push(Follower {
            sync,
            ip,
            port,
            stage: Stage::Preparation,
            acked: vec![],
            taken: vec![],
            since: now,
            ids,
        });
        let text = format!("Registered replica {ip}:{port}");
        core.log.info(0, "dflycmd.cc:782", &text);
        Self {
            master: Arc::downgrade(master),
            sync,
        }
    }

    /// Changes the entry, unless the master has dropped it.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Follower) -> T) -> Option<T> {
        let master = self.master.upgrade()?;
        let mut core = master.core();
        core.followers
            .iter_mut()
            .find(|follower| follower.sync == self.sync)
            .map(change)
    }

    /// The master drops the replica, which need not notice.
    pub(super) fn drop_replica(&self) {
        let Some(master) = self.master.upgrade() else {
            return;
        };
        let mut core = master.core();
        let Some(at) = core
            .followers
            .iter()
            .position(|follower| follower.sync == self.sync)
        else {
            return;
        };
        let gone = core.followers.remove(at);
        let text = format!("Disconnecting from replica {}:{}", gone.ip, gone.port);
        core.log.info(0, "dflycmd.cc:129", &text);
        let cancelled = "Operation canceled: ExecutionState cancelled";
        core.log.warn(
            0,
            "execution_state.cc:93",
            &format!("ReportError: {cancelled}"),
        );
        core.log.info(
            0,
            "dflycmd.cc:772",
            &format!("Replication error: {cancelled}"),
        );
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.drop_replica();
    }
}

/// What a replica remembers of its former link, to continue with another master.
#[derive(Clone, Debug)]
pub(super) struct Resume {
    pub(super) replid: String,
    pub(super) applied: Vec<u64>,
}

/// `REPLICAOF NO ONE`, also for a master.
pub(super) async fn replica_of_no_one(node: &Arc<Node>) -> Reply {
    let _turn = node.replication.lock().await;
    let mut core = node.core();
    core.log.info(
        0,
        "server_family.cc:4185",
        "Initiate replication with: NO ONE",
    );
    if core.state == State::Loading && matches!(core.role, Role::Master) {
        return loading();
    }
    promote(&mut core);
    Reply::ok()
}

/// Makes a replica a master with its own id; its journal goes on from where it stood, so that those
/// who followed the same master can continue here if they ask early.
pub(super) fn promote(core: &mut Core) {
    let Role::Replica(link) = std::mem::replace(&mut core.role, Role::Master) else {
        return;
    };
    stop(&link);
    core.break_off_sync();
    if let Some(applied) = link.applied.filter(|applied| applied.len() == core.threads) {
        for (shard, lsn) in applied.iter().enumerate() {
            let text = format!("Shard {shard} starts journal at: {lsn}");
            core.log.info(shard, "server_family.cc:4147", &text);
        }
        // A takeover has started the journal already, a moment earlier.
        core.journal
            .get_or_insert_with(|| Journal::starting_at(&applied));
        core.history = Some(link.replid);
    } else {
        core.history = None;
    }
    core.log.warn(
        0,
        "execution_state.cc:93",
        "ReportError: Operation canceled: ExecutionState cancelled",
    );
}

fn stop(link: &Link) {
    if let Some(task) = &link.task {
        task.abort();
    }
}

/// The reply to most commands while LOADING or TAKEN_OVER.
pub(super) fn loading() -> Reply {
    Reply::Error("LOADING Dragonfly is loading the dataset in memory".into())
}

/// `REPLICAOF host port`: answers when the master has greeted; the sync goes on behind.
pub(super) async fn replica_of(node: &Arc<Node>, host: String, port: u16) -> Reply {
    let _turn = node.replication.lock().await;
    let cancelled = Reply::err("replication cancelled");
    let retrying = {
        let mut core = node.core();
        let text = format!("Initiate replication with: {host}:{port}");
        core.log.info(0, "server_family.cc:4185", &text);
        match &core.role {
            Role::Master if core.state == State::Loading => return loading(),
            Role::Replica(link) => link.phase == LinkPhase::TcpConnecting,
            Role::Master => false,
        }
    };
    let found = node.network.reach(node.spec.ip, &host, port);
    let Some(master) = found.filter(|master| !Arc::ptr_eq(master, node)) else {
        return cancelled;
    };
    if !greets(&master).await {
        return cancelled;
    }
    // A link that is between two attempts is joined first: up to half a second (recorded 0.04 to 0.5).
    let pause = node.core().rng.range(1, if retrying { 500 } else { 3 });
    node.clock.sleep(Duration::from_millis(pause)).await;
    begin(node, host, port, &master);
    Reply::ok()
}

/// Whether the peer accepts a replica: it must answer, be a master, and not be loading.
async fn greets(master: &Arc<Node>) -> bool {
    // master_connect_timeout_ms
    let patience = Duration::from_millis(20_000);
    let thawed = tokio::select! {
        thawed = master.thawed() => thawed,
        () = master.clock.sleep(patience) => false,
    };
    let mut core = master.core();
    if matches!(core.role, Role::Replica(_)) {
        core.stats
            .failed("ERR Replicating a replica is unsupported");
        return false;
    }
    thawed && core.state == State::Active
}

fn begin(node: &Arc<Node>, host: String, port: u16, master: &Arc<Node>) {
    let now = node.now();
    let theirs = master.core().replid.clone();
    let mut core = node.core();
    let mut resume = None;
    if let Role::Replica(link) = std::mem::replace(&mut core.role, Role::Master) {
        stop(&link);
        core.break_off_sync();
        // Sent again to the same master, REPLICAOF starts from nothing (recorded: a full sync).
        resume = link
            .applied
            .filter(|_| link.replid != theirs)
            .map(|applied| Resume {
                replid: link.replid,
                applied,
            });
    }
    core.journal = None;
    core.history = None;
    core.followers.clear();
    let id = core.clients.next_id();
    core.role = Role::Replica(Link {
        host,
        port,
        phase: LinkPhase::FullSync,
        up: true,
        syncing: true,
        heard: now,
        born: now,
        since: now,
        replid: theirs,
        applied: None,
        psyncs: 0,
        reconnects: 0,
        commands: 2,
        id,
        task: None,
    });
    drop(core);
    // The entry exists when REPLICAOF is answered: a sample right after it shows `preparation`.
    let entry = Entry::register(master, node);
    let task = node.spawn(link::follow(
        Arc::clone(node),
        Arc::clone(master),
        entry,
        resume,
    ));
    if let Role::Replica(link) = &mut node.core().role
        && link.id == id
    {
        link.task = Some(task);
    }
}
