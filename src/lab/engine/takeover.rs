//! REPLTAKEOVER: a replica becomes master without losing an acknowledged write, and the old master
//! ends its process.

use std::sync::Arc;
use std::time::Duration;

use super::core::{Role, State};
use super::journal::Journal;
use super::link;
use super::node::Node;
use super::replication::{LinkPhase, loading, promote};
use super::resp::Reply;
use super::spec::Version;

/// How long the replica waits beyond the deadline for the master's answer (v1.36.0+).
const GRACE: Duration = Duration::from_secs(10);

/// The call, as it comes from a client. The reply arrives when the takeover is over.
/// With `save` the old master writes a snapshot before it ends.
pub(super) async fn take_over(node: &Arc<Node>, seconds: u64, save: bool) -> Reply {
    let queued = node.core().taking_over;
    let _turn = node.replication.lock().await;
    let (host, port) = {
        let mut core = node.core();
        if core.state == State::Loading {
            return loading();
        }
        let link = match &core.role {
            // A second call that waited for the first: fatal before v1.40.0 (recorded, exit status 134).
            Role::Master if queued && node.spec.version < Version(1, 40, 0) => {
                drop(core);
                return abort(node);
            }
            Role::Master => return Reply::ok(),
            Role::Replica(link) => link,
        };
        let (host, port) = (link.host.clone(), link.port);
        let stable = link.phase == LinkPhase::Stable && link.up;
        let positions = link.applied.clone().unwrap_or_default();
        let replid = link.replid.clone();
        for (shard, lsn) in positions.iter().enumerate() {
            let text = format!("Shard {shard} starts journal at: {lsn}");
            core.log.info(shard, "server_family.cc:4147", &text);
        }
        if !stable {
            let line = format!(" REPLTAKEOVER {seconds} failed with reason: Full sync not done");
            core.log.warn(0, "main_service.cc:1619", &line);
            core.journal = Some(Journal::starting_at(&positions)).filter(|_| !positions.is_empty());
            return Reply::err("Full sync not done");
        }
        if positions.len() == core.threads {
            core.journal = Some(Journal::starting_at(&positions));
            core.history = Some(replid);
        }
        core.taking_over = true;
        (host, port)
    };
    let master = node.network.reach(node.spec.ip, &host, port);
    let result = match &master {
        Some(master) => hand_over(node, master, seconds, save).await,
        None => Err("Input/output error"),
    };
    {
        let mut core = node.core();
        core.taking_over = false;
        if result.is_err() {
            core.history = None;
        }
    }
    node.takeover_over.notify_waiters();
    match result {
        Ok(()) => Reply::ok(),
        Err(why) => {
            let mut core = node.core();
            let text = format!(
                "Bad response to \"DFLY TAKEOVER {seconds} SYNC1\": \"-ERR Takeover failed!\\r\\n\""
            );
            core.log.write('E', 0, "replica.cc:867", &text);
            core.log.warn(
                0,
                "server_family.cc:4290",
                &format!("Takeover failed with error: generic:74 - {why}"),
            );
            let text = format!(
                " REPLTAKEOVER {seconds} failed with reason: Couldn't execute takeover: {why}"
            );
            core.log.warn(0, "main_service.cc:1619", &text);
            Reply::err(format!("Couldn't execute takeover: {why}"))
        }
    }
}

/// Both sides, seen from the replica; the error is the reason the server gives.
async fn hand_over(
    node: &Arc<Node>,
    master: &Arc<Node>,
    seconds: u64,
    save: bool,
) -> Result<(), &'static str> {
    let deadline = Duration::from_secs(seconds);
    // A frozen master, or one that runs a script, takes the command when it wakes.
    tokio::select! {
        thawed = master.thawed() => if !thawed { return Err("Input/output error") },
        () = node.clock.sleep(deadline + GRACE) => return Err("Operation timed out"),
    }
    let pause = {
        let mut core = master.core();
        if core.state != State::Active {
            return Err("Bad message");
        }
        core.state = State::TakenOver;
        core.give_up_takeover = false;
        // Who waited in BLPOP has got nil; its next call is refused.
        core.clients.release();
        core.log.info(
            0,
            "dflycmd.cc:527",
            "Takeover initiated, locking down the database.",
        );
        core.rng.range(8, 25)
    };
    let lock = Lock(master);
    // Clients in BLPOP get their nil now.
    master.lists_moved.notify_waiters();
    if !quiet(master, deadline).await {
        if master.closed.is_cancelled() {
            return Err("Input/output error");
        }
        let mut core = master.core();
        let text = format!("Couldn't wait for commands to finish dispatching. {seconds}s");
        core.log.warn(0, "dflycmd.cc:541", &text);
        let text = format!(" DFLY TAKEOVER {seconds} SYNC1 failed with reason: Takeover failed!");
        core.log.warn(0, "main_service.cc:1619", &text);
        return Err("Bad message");
    }
    node.clock.sleep(Duration::from_millis(pause)).await;
    drain(node, master);
    {
        let mut core = node.core();
        core.log.info(
            0,
            "server_family.cc:4294",
            "Takeover successful, promoting this instance to master.",
        );
        core.taking_over = false;
        promote(&mut core);
        core.state = State::Active;
    }
    // Not among the tasks of the master: closing its ports must not end it.
    // The master stays locked until its ports close.
    std::mem::forget(lock);
    tokio::spawn(retire(Arc::clone(master), deadline, save));
    Ok(())
}

/// A master that is TAKEN_OVER; active again when the takeover ends in any way but success, as when
/// the replica dies half-way.
struct Lock<'a>(&'a Node);

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        let mut core = self.0.core();
        if core.state == State::TakenOver {
            core.state = State::Active;
        }
    }
}

/// Waits until no client of the data port holds up a command; false when the deadline passed.
async fn quiet(master: &Node, deadline: Duration) -> bool {
    let until = master.now() + deadline;
    loop {
        let now = master.now();
        let stuck = {
            let core = master.core();
            if core.give_up_takeover {
                return false;
            }
            core.clients.stuck(now, Duration::from_millis(3)).is_some()
        };
        if !stuck {
            return true;
        }
        if now >= until {
            return false;
        }
        master.clock.sleep(Duration::from_millis(5)).await;
        if master.closed.is_cancelled() {
            return false;
        }
    }
}

/// Takes everything the master still has, acknowledged or not.
fn drain(node: &Node, master: &Node) {
    while link::apply_rest(node, master) {}
}

/// The old master: waits for its other replicas, closes its ports and exits with status 0.
async fn retire(master: Arc<Node>, deadline: Duration, save: bool) {
    let until = master.now() + deadline;
    let lsns = master
        .core()
        .journal
        .as_ref()
        .map(Journal::lsns)
        .unwrap_or_default();
    while master.now() < until {
        let behind = {
            let core = master.core();
            core.followers
                .iter()
                .any(|follower| follower.is_online() && follower.taken != lsns)
        };
        if !behind {
            break;
        }
        master.clock.sleep(Duration::from_millis(2)).await;
        if master.closed.is_cancelled() {
            return;
        }
    }
    master.close();
    master.last_save_and_exit(save, 0).await;
}

fn abort(node: &Arc<Node>) -> Reply {
    {
        let mut core = node.core();
        core.log
            .write('F', 0, "server_family.cc:4278", "Check failed: repl_ptr ");
        core.log.plain("*** Check failure stack trace: ***");
        let text = format!(
            "*** SIGABRT received at time={} on cpu 1 ***",
            node.clock.unix_s()
        );
        core.log.plain(&text);
    }
    // Closing ends the task that runs this; it must finish first.
    let node = Arc::clone(node);
    tokio::spawn(async move {
        node.close();
        node.exit(134);
    });
    Reply::Many(vec![])
}
