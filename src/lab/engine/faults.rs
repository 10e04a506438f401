//! What a scenario can do to an engine while it runs.

use std::sync::Arc;
use std::time::Duration;

use super::core::{Role, State};
use super::load;
use super::node::Node;

/// A fault to inject; each stays until it is lifted by its opposite or by `Engine::heal`.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Every reply comes this much later; zero lifts it.
    SlowReplies(Duration),
    /// Replies are bytes that are no RESP.
    Garbage(bool),
    /// Replies are replaced by something no client should believe; `None` lifts it.
    Absurd(Option<Absurd>),
    /// AUTH fails whatever the password.
    RefuseAuth(bool),
    /// Memory counts as full: `used_memory` is at maxmemory and writes get `-ERR Out of memory`.
    OutOfMemory(bool),
    /// Resident memory counts as above the guard: new data connections are accepted and closed.
    RssGuard(bool),
    /// The data port takes new connections and never speaks to them; those that are open go on, and so does the admin port.
    DeafDataPort(bool),
    /// The engine answers -LOADING for this long, as if it loaded its snapshot again.
    Loading(Duration),
    /// SAVE and BGSAVE fail with this text (recorded: `No space left on device`); `None` lifts it.
    SaveFails(Option<String>),
    /// Saves take this long, in place of what their size says; `None` lifts it.
    SaveTakes(Option<Duration>),
    /// Full syncs to this engine take this long, in place of what their size says; `None` lifts it.
    FullSyncTakes(Option<Duration>),
    /// As a replica, stop applying what arrives: the lag grows with every write of the master.
    HoldBack(bool),
    /// A client on the data port has stopped reading its replies: it holds up takeovers.
    SlowReader(bool),
    /// A CPU-bound script runs for this long: nothing answers, then everything goes on.
    BusyScript(Duration),
}

/// What an engine sends in place of its replies. None of these was recorded from a real server: they are what a client
/// must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absurd {
    /// The header of a string of 2 GiB, and then nothing.
    Huge,
    /// Ten thousand lists within each other.
    Deep,
    /// The right reply, one byte a second.
    Drip,
    /// INFO with unknown, missing, doubled, negative and enormous values and bytes that are no UTF-8; all else is right.
    OddInfo,
}

/// The faults in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    pub(super) slow: Duration,
    pub(super) garbage: bool,
    pub(super) absurd: Option<Absurd>,
    pub(super) refuse_auth: bool,
    /// Bytes `used_memory` shows at least.
    pub(super) used: Option<u64>,
    /// Bytes `used_memory_rss` shows.
    pub(super) rss: Option<u64>,
    /// New connections to the data port are not spoken to.
    pub(super) deaf: bool,
    pub(super) save_error: Option<String>,
    pub(super) save_takes: Option<Duration>,
    pub(super) full_sync_takes: Option<Duration>,
    pub(super) hold_back: bool,
    /// Id of the client that does not read.
    pub(super) slow_reader: Option<u64>,
}

pub(super) fn inject(node: &Arc<Node>, fault: Fault) {
    let now = node.now();
    {
        let mut core = node.core();
        core.weighed = None;
        let limit = core.config.number("maxmemory");
        let guard = (limit as f64 * core.config.ratio("rss_oom_deny_ratio")) as u64;
        match fault.clone() {
            Fault::SlowReplies(span) => core.faults.slow = span,
            Fault::Garbage(on) => core.faults.garbage = on,
            Fault::Absurd(what) => core.faults.absurd = what,
            Fault::RefuseAuth(on) => core.faults.refuse_auth = on,
            Fault::OutOfMemory(on) => core.faults.used = on.then_some(limit + limit / 800),
            Fault::RssGuard(on) => core.faults.rss = on.then_some(guard + guard / 50),
            Fault::DeafDataPort(on) => core.faults.deaf = on,
            Fault::SaveFails(error) => core.faults.save_error = error,
            Fault::SaveTakes(span) => core.faults.save_takes = span,
            Fault::FullSyncTakes(span) => core.faults.full_sync_takes = span,
            Fault::HoldBack(on) => core.faults.hold_back = on,
            Fault::SlowReader(on) => load::slow_reader(node, &mut core, on, now),
            Fault::Loading(_) | Fault::BusyScript(_) => {}
        }
    }
    match fault {
        Fault::Loading(span) => node.load_again(span),
        Fault::BusyScript(span) => {
            node.freeze(true);
            let worker = Arc::clone(node);
            node.spawn(async move {
                worker.clock.sleep(span).await;
                worker.freeze(false);
            });
        }
        Fault::HoldBack(false) => node.network.nudge(),
        _ => {}
    }
}

pub(super) fn heal(node: &Arc<Node>) {
    {
        let mut core = node.core();
        load::slow_reader(node, &mut core, false, node.now());
        core.faults = Faults::default();
        core.weighed = None;
        // A takeover that was held up fails now, as when its deadline passes: succeeding long after everybody has
        // forgotten it would be one more fault.
        core.give_up_takeover = core.state == State::TakenOver;
        core.hurry = core.state == State::Loading && matches!(core.role, Role::Master);
    }
    node.freeze(false);
    node.network.nudge();
}
