//! The task that keeps a replica with its master: connect, sync, apply, retry.

use std::sync::Arc;
use std::time::Duration;

use super::core::{Progress, Role, State, scaled};
use super::dispatch::replay;
use super::keyspace::Weights;
use super::node::Node;
use super::replication::{Entry, Link, LinkPhase, Resume, Stage};
use super::snapshot::Databases;

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(500);
/// `--replication_acks_interval`
const ACKS: Duration = Duration::from_millis(1000);
/// `--replication_timeout`: how long what a master sends may stay untaken before it drops the replica.
const STUCK: Duration = Duration::from_millis(30_000);
/// How long changes gather before a replica takes them: what a kill of the master can lose.
const GATHER: Duration = Duration::from_millis(2);

/// Why a sync or a stable link ended.
enum Lost {
    /// The master's ports closed, or the link was cut.
    Gone,
    /// The backlog no longer reaches back; a full sync must follow.
    Stale,
}

/// Follows a master until replication stops for good; aborted when the role changes.
pub(super) async fn follow(
    node: Arc<Node>,
    master: Arc<Node>,
    entry: Entry,
    resume: Option<Resume>,
) {
    let mut next = Some((master, entry));
    let mut resume = resume;
    loop {
        let Some((master, entry)) = next.take() else {
            next = reconnect(&node).await;
            if next.is_none() {
                return;
            }
            continue;
        };
        let lost_by = run(&node, &master, &entry, resume.take()).await;
        drop(entry);
        match lost_by {
            Lost::Gone => {
                lost(&node);
                resume = remembered(&node);
            }
            Lost::Stale => refused(&node, &master),
        }
        node.clock.sleep(RETRY).await;
        node.thaw().await;
    }
}

/// Where this replica stands with its master, to ask for a partial sync later.
fn remembered(node: &Node) -> Option<Resume> {
    with_link(node, |link| {
        let applied = link.applied.clone()?;
        let replid = link.replid.clone();
        Some(Resume { replid, applied })
    })
    .flatten()
}

fn with_link<T>(node: &Node, change: impl FnOnce(&mut Link) -> T) -> Option<T> {
    match &mut node.core().role {
        Role::Replica(link) => Some(change(link)),
        Role::Master => None,
    }
}

/// Tries to connect until it works; `None` when replication stopped for good.
async fn reconnect(node: &Arc<Node>) -> Option<(Arc<Node>, Entry)> {
    loop {
        let (host, port, known) = with_link(node, |link| {
            (link.host.clone(), link.port, link.replid.clone())
        })?;
        match node.network.reach(node.spec.ip, &host, port) {
            None => {
                let mut core = node.core();
                let text = format!(
                    "Error connecting to {host}:{port} (phase: TCP_CONNECTING): system:111, reason: Connection refused"
                );
                core.log.warn(0, "replica.cc:257", &text);
                if let Role::Replica(link) = &mut core.role {
                    link.reconnects += 1;
                }
            }
            Some(master) => {
                if !master.thawed().await {
                    continue;
                }
                if master.core().state == State::Loading {
                    greet_in_vain(node);
                    node.clock.sleep(RETRY).await;
                    node.thaw().await;
                    continue;
                }
                let (theirs, ready, is_master) = {
                    let core = master.core();
                    (
                        core.replid.clone(),
                        core.state == State::Active,
                        matches!(core.role, Role::Master),
                    )
                };
                let other = theirs != known;
                if is_master && other && node.spec.break_replication_on_master_restart {
                    stop_for_good(node, &master, &known, &theirs).await;
                    return None;
                }
                if is_master && ready {
                    let now = node.now();
                    with_link(node, |link| {
                        link.replid = theirs;
                        link.up = true;
                        link.syncing = true;
                        link.heard = now;
                        link.phase = LinkPhase::FullSync;
                        if other {
                            link.applied = None;
                        }
                    });
                    let entry = Entry::register(&master, node);
                    return Some((master, entry));
                }
            }
        }
        node.clock.sleep(RETRY).await;
        node.thaw().await;
    }
}

/// A replica greets with PING, which a node that loads refuses: it learns nothing of that node, its id neither, and tries
/// again. That the greeting fails was recorded (`REPLICAOF` to a node that loads), the text in its form for other
/// refusals; the warning that follows it names a phase that was not recorded, and is left out.
fn greet_in_vain(node: &Node) {
    let mut core = node.core();
    let refusal =
        r#"Bad response to "PING": "-LOADING Dragonfly is loading the dataset in memory\r\n""#;
    core.log.write('E', 0, "replica.cc:360", refusal);
    if let Role::Replica(link) = &mut core.role {
        link.reconnects += 1;
    }
}

/// `--break_replication_on_master_restart`: the master keeps the entry as `preparation` for as long
/// as this replica's half-open connection lives.
async fn stop_for_good(node: &Arc<Node>, master: &Arc<Node>, known: &str, theirs: &str) {
    let entry = Entry::register(master, node);
    entry.with(|follower| follower.ids.1.clear());
    let now = node.now();
    {
        let mut core = node.core();
        let text = format!("Encountered different master repl id ({theirs} vs {known})");
        core.log.write('E', 0, "replica.cc:400", &text);
        if let Role::Replica(link) = &mut core.role {
            link.phase = LinkPhase::Disabled;
            link.heard = now;
            link.up = false;
            let at = format!("{}:{}", link.host, link.port);
            let text = format!("Error greeting {at} (phase: DISABLED): generic:74 Bad message");
            core.log.warn(0, "replica.cc:273", &text);
        }
    }
    // Waits until the role changes (this task is aborted then) or the master goes away.
    master.closed.cancelled().await;
    drop(entry);
}

/// One connection: sync, then apply until it is lost.
async fn run(node: &Arc<Node>, master: &Arc<Node>, entry: &Entry, resume: Option<Resume>) -> Lost {
    if let Some(resume) = resume {
        match continue_from(node, master, entry, &resume) {
            Some(true) => return stable(node, master, entry).await,
            Some(false) => return Lost::Stale,
            None => {}
        }
    }
    tokio::select! {
        result = full_sync(node, master, entry) => match result {
            Ok(()) => {}
            Err(lost) => return lost,
        },
        () = master.closed.cancelled() => return Lost::Gone,
        () = cut_off(node, master) => return Lost::Gone,
    }
    stable(node, master, entry).await
}

/// Completes when the link between the two is cut.
async fn cut_off(node: &Node, master: &Node) {
    loop {
        let changed = node.network.changed();
        tokio::pin!(changed);
        let network = &node.network;
        let (a, b) = (node.spec.ip, master.spec.ip);
        if network.is_cut(a, b) || network.is_silent(a, b) {
            return;
        }
        changed.await;
    }
}

/// Partial sync: `Some(true)` when it was possible, `Some(false)` when the master refused after it
/// had been asked, `None` when the two have no history in common.
fn continue_from(node: &Node, master: &Node, entry: &Entry, resume: &Resume) -> Option<bool> {
    let now = node.now();
    {
        let mut core = master.core();
        let related = core.replid == resume.replid || core.history.as_ref() == Some(&resume.replid);
        if !related {
            return None;
        }
        let stale = core
            .journal
            .as_ref()
            .map(|journal| journal.stale(&resume.applied));
        let matches = core.threads == resume.applied.len();
        match stale {
            Some(None) if matches => {
                core.stats.psyncs += 1;
                for (shard, lsn) in resume.applied.iter().enumerate() {
                    let text = format!("Starting partial sync from lsn: {lsn}");
                    core.log.info(shard, "streamer.cc:213", &text);
                }
                let text = format!(
                    "Transitioned into stable sync with replica {}:{}",
                    node.spec.ip, node.spec.data_port
                );
                core.log.info(0, "dflycmd.cc:438", &text);
            }
            Some(Some((lsn, current))) => {
                let text = format!(
                    "Partial sync requested from stale LSN={lsn} that the replication buffer doesn't contain this \
                     anymore (current_lsn={current}). Will perform a full sync of the data."
                );
                core.log.info(0, "dflycmd.cc:448", &text);
                let text = "If this happens often you can control the replication buffer's size with the \
                            --shard_repl_backlog_len option";
                core.log.info(0, "dflycmd.cc:451", text);
                return Some(false);
            }
            _ => return Some(false),
        }
    }
    entry.with(|follower| {
        follower.stage = Stage::Online;
        follower.acked = resume.applied.clone();
        follower.taken = resume.applied.clone();
    });
    let mut core = node.core();
    if let Role::Replica(link) = &mut core.role {
        link.phase = LinkPhase::Stable;
        link.up = true;
        link.syncing = false;
        link.since = now;
        link.applied = Some(resume.applied.clone());
        link.psyncs += 1;
        let at = format!("{}:{}", link.host, link.port);
        core.log.info(
            0,
            "replica.cc:667",
            &format!("Started partial sync with {at}"),
        );
        core.log
            .info(0, "replica.cc:703", "partial sync finished in 0 us");
        core.log
            .info(0, "replica.cc:818", "Transitioned into stable sync");
    }
    Some(true)
}

/// Full sync: the replica flushes itself, shows what has come so far, and has everything in the end.
async fn full_sync(node: &Arc<Node>, master: &Arc<Node>, entry: &Entry) -> Result<(), Lost> {
    let began = node.now();
    let old = {
        let mut core = node.core();
        core.state = State::Loading;
        if let Role::Replica(link) = &mut core.role {
            link.applied = None;
            link.phase = LinkPhase::FullSync;
            link.heard = began;
        }
        let old = core.memory().used;
        core.flush();
        core.progress = Some(Progress {
            done: 0.0,
            keys: 0,
            expiring: 0,
            weights: Weights::default(),
        });
        old
    };
    // Flushing what was there takes about a second per 2.3 GB; then the master starts.
    let flush = Duration::from_millis(4) + Duration::from_secs_f64(old as f64 / 2.3e9);
    node.clock.sleep(flush).await;
    node.thaw().await;
    let (keys, expiring, weights, bytes, incoming) = {
        let mut core = master.core();
        core.start_journal();
        let memory = core.memory();
        let peer = format!("{}:{}", node.spec.ip, node.spec.data_port);
        core.log.info(
            0,
            "dflycmd.cc:383",
            &format!("Started sync with replica {peer}"),
        );
        (
            memory.keys,
            memory.expiring,
            memory.weights,
            memory.objects + memory.table,
            core.databases.clone(),
        )
    };
    entry.with(|follower| follower.stage = Stage::FullSync);
    let at = format!("{}:{}", master.spec.ip, master.spec.admin_port);
    let takes = {
        let mut core = node.core();
        core.log
            .info(0, "replica.cc:667", &format!("Started full sync with {at}"));
        core.incoming = Some(incoming);
        core.progress = Some(Progress {
            done: 0.0,
            keys,
            expiring,
            weights,
        });
        let rate = node.spec.full_sync_bytes_per_second.max(1);
        let by_size = Duration::from_secs_f64(0.005 + bytes as f64 / rate as f64);
        core.faults.full_sync_takes.unwrap_or(by_size)
    };
    receive(node, master, takes).await;
    install(node, master, entry, began).ok_or(Lost::Gone)
}

/// Moves the progress on while both ends run.
async fn receive(node: &Arc<Node>, master: &Arc<Node>, takes: Duration) {
    let mut spent = Duration::ZERO;
    while spent < takes {
        let step = (takes / 200)
            .clamp(Duration::from_millis(20), Duration::from_millis(250))
            .min(takes - spent);
        node.clock.sleep(step).await;
        node.thaw().await;
        master.thaw().await;
        spent += step;
        let part = spent.as_secs_f64() / takes.as_secs_f64();
        let mut core = node.core();
        if let Some(progress) = &mut core.progress {
            progress.done = part;
            let keys = scaled(progress.keys, part);
            core.stats.mutations = core.stats.mutations.max(keys);
        }
        // `heard` stays: master_last_io_seconds_ago counted up during a recorded full sync.
    }
}

/// Takes the master's data and journal position in one moment.
fn install(node: &Arc<Node>, master: &Arc<Node>, entry: &Entry, began: Duration) -> Option<()> {
    let now = node.now();
    let (databases, lsns): (Databases, Vec<u64>) = {
        let mut core = master.core();
        let lsns = core.start_journal();
        let sync = entry.sync;
        let follower = core
            .followers
            .iter_mut()
            .find(|follower| follower.sync == sync)?;
        follower.stage = Stage::Online;
        follower.acked = lsns.clone();
        follower.taken = lsns.clone();
        let peer = format!("{}:{}", follower.ip, follower.port);
        core.log.info(
            0,
            "dflycmd.cc:438",
            &format!("Transitioned into stable sync with replica {peer}"),
        );
        (core.databases.clone(), lsns)
    };
    let mut core = node.core();
    core.databases = databases;
    core.journal = None;
    core.progress = None;
    core.incoming = None;
    core.state = State::Active;
    let took = now.saturating_sub(began).as_secs_f64();
    for thread in 0..core.threads {
        let rss = super::figures::human(core.memory().rss);
        let text = format!("Read RDB_OPCODE_FULLSYNC_END rss={rss}");
        core.log.info(thread, "rdb_load.cc:2273", &text);
    }
    let text = if took < 1.0 {
        format!("{:.0} ms", took * 1e3)
    } else {
        format!("{took:.2} s")
    };
    core.log.info(
        0,
        "replica.cc:703",
        &format!("full sync finished in {text}"),
    );
    core.log
        .info(0, "replica.cc:818", "Transitioned into stable sync");
    if let Role::Replica(link) = &mut core.role {
        link.phase = LinkPhase::Stable;
        link.syncing = false;
        link.up = true;
        link.since = now;
        link.heard = now;
        link.applied = Some(lsns);
    }
    Some(())
}

/// Stable sync: takes changes as they come and acknowledges them once a second.
async fn stable(node: &Arc<Node>, master: &Arc<Node>, entry: &Entry) -> Lost {
    let mut acked = node.now();
    loop {
        let moved = master.journal_moved.notified();
        tokio::pin!(moved);
        moved.as_mut().enable();
        if master.closed.is_cancelled() || node.network.is_cut(node.spec.ip, master.spec.ip) {
            return Lost::Gone;
        }
        if node.network.is_silent(node.spec.ip, master.spec.ip) {
            if !unheard(node, master, entry).await {
                return Lost::Gone;
            }
            continue;
        }
        if !node.frozen() && !master.frozen() && !node.core().faults.hold_back {
            match apply(node, master, entry, 4096) {
                None => return Lost::Stale,
                Some(true) => {
                    // More may wait already: let others work, then go on.
                    node.clock.sleep(GATHER).await;
                    let now = node.now();
                    if now.saturating_sub(acked) >= ACKS {
                        acknowledge(node, entry);
                        acked = now;
                    }
                    continue;
                }
                Some(false) => {}
            }
        }
        let idle = !owes(node, entry);
        let left = ACKS.saturating_sub(node.now().saturating_sub(acked));
        tokio::select! {
            () = &mut moved => {}
            () = master.closed.cancelled() => return Lost::Gone,
            () = node.network.changed() => {}
            () = node.clock.sleep(left), if !idle => {
                if !node.frozen() {
                    acknowledge(node, entry);
                }
                acked = node.now();
            }
        }
        node.clock.sleep(GATHER).await;
        if node.frozen() {
            tokio::select! {
                () = node.thaw() => {}
                () = master.closed.cancelled() => return Lost::Gone,
            }
        }
    }
}

/// Packets between the two are lost: the replica, which only waits for what comes, calls its link up all the time, while the
/// master drops it when what it sends is not taken. Ends with the loss; whether the connection is still there then.
///
/// Nobody recorded it. That a replica notices nothing was recorded of a master that is stopped (for 53 s); that the master
/// drops one that takes nothing is what `--replication_timeout` says.
async fn unheard(node: &Arc<Node>, master: &Arc<Node>, entry: &Entry) -> bool {
    let began = node.now();
    while node.network.is_silent(node.spec.ip, master.spec.ip) {
        let stuck = node.now().saturating_sub(began) >= STUCK;
        if stuck && entry.with(|_| ()).is_some() && untaken(master, entry) {
            entry.drop_replica();
        }
        tokio::select! {
            () = node.network.changed() => {}
            () = node.clock.sleep(ACKS) => {}
        }
    }
    !master.closed.is_cancelled() && entry.with(|_| ()).is_some()
}

/// Whether the master has sent what the replica never acknowledged.
fn untaken(master: &Node, entry: &Entry) -> bool {
    let lsns = master.core().start_journal();
    entry.with(|follower| follower.lag(&lsns) > 0) == Some(true)
}

/// Whether applied changes were not acknowledged yet.
fn owes(node: &Node, entry: &Entry) -> bool {
    let applied = with_link(node, |link| link.applied.clone()).flatten();
    let acked = entry.with(|follower| follower.acked.clone());
    applied != acked
}

fn acknowledge(node: &Node, entry: &Entry) {
    if let Some(applied) = with_link(node, |link| link.applied.clone()).flatten() {
        entry.with(|follower| follower.acked = applied);
    }
}

/// Takes and applies up to `limit` records per shard; whether there were any, `None` when the master
/// no longer has them.
fn apply(node: &Node, master: &Node, entry: &Entry, limit: usize) -> Option<bool> {
    take(node, master, Some(entry.sync), limit)
}

fn take(node: &Node, master: &Node, sync: Option<u32>, limit: usize) -> Option<bool> {
    let from = with_link(node, |link| link.applied.clone()).flatten()?;
    let (records, reached) = {
        let mut core = master.core();
        let found = core.journal.as_ref()?.after(&from, limit)?;
        let follower = core
            .followers
            .iter_mut()
            .find(|follower| Some(follower.sync) == sync);
        if let Some(follower) = follower {
            follower.taken = found.1.clone();
        }
        found
    };
    if records.is_empty() {
        return Some(false);
    }
    let unix_ms = node.clock.unix_ms();
    let mut core = node.core();
    if !matches!(&core.role, Role::Replica(link) if link.applied.as_ref() == Some(&from)) {
        // Another hand was quicker (a takeover drains what the link also takes): look again.
        return Some(true);
    }
    for record in &records {
        replay(&mut core, record.db, &record.args(), unix_ms);
    }
    if let Role::Replica(link) = &mut core.role {
        link.applied = Some(reached);
        link.commands += records.len() as u64;
    }
    Some(true)
}

/// Takes what is left when the master hands over; whether there was anything.
pub(super) fn apply_rest(node: &Node, master: &Node) -> bool {
    take(node, master, None, usize::MAX) == Some(true)
}

/// The connection broke: shows it, and keeps what a broken full sync has brought.
fn lost(node: &Node) {
    let now = node.now();
    let mut core = node.core();
    core.break_off_sync();
    let Role::Replica(link) = &mut core.role else {
        return;
    };
    let was = if link.phase == LinkPhase::Stable {
        "stable sync"
    } else {
        "syncing"
    };
    link.phase = LinkPhase::TcpConnecting;
    link.up = false;
    link.syncing = false;
    link.heard = now;
    let at = format!("{}:{}", link.host, link.port);
    core.log.warn(
        0,
        "execution_state.cc:93",
        "ReportError: Input/output error",
    );
    if was == "stable sync" {
        let text =
            format!("Replication error in phase STABLE_SYNC with {at}, error: Input/output error");
        core.log.warn(0, "replica.cc:806", &text);
        core.log.info(0, "replica.cc:843", "Exit stable sync");
    }
    let text =
        format!("Error {was} with {at} (phase: TCP_CONNECTING): generic:5 Input/output error");
    core.log.warn(0, "replica.cc:311", &text);
}

/// The master refused the partial sync that was asked for.
fn refused(node: &Node, master: &Node) {
    let now = node.now();
    let at = format!("{}:{}", master.spec.ip, master.spec.admin_port);
    let mut core = node.core();
    let why = "State not recoverable: Won't do a partial sync: some flows must fully resync";
    core.log
        .warn(0, "execution_state.cc:93", &format!("ReportError: {why}"));
    let text =
        format!("Error syncing with {at} (phase: INITIAL_SYNC): generic:131 State not recoverable");
    core.log.warn(0, "replica.cc:291", &text);
    if let Role::Replica(link) = &mut core.role {
        link.up = false;
        link.syncing = false;
        link.heard = now;
        link.applied = None;
        link.phase = LinkPhase::TcpConnecting;
    }
}
