//! Machine room: brings facts in.
//!
//! One task per context ([`follow`]) keeps the way to its API server open, lists and watches what the house wants to
//! know, asks the engines, and puts [`Fact`](crate::domain::Fact)s into the [`inbox`]. Nothing in here is spawned: a
//! context is one future, so ending the task ends everything it had open.
//!
//! Never: a decision, a drawing, a write to the cluster.
//!
//! Start with [`follow`], then [`inbox`].

mod backoff;
mod changes;
mod compare;
mod context;
mod data_ports;
mod heartbeat;
mod inbox;
mod lines;
mod on_demand;
mod page;
mod probe;
mod query;
mod roster;
mod standing;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use crate::connect::client::{Door, Patience};
use crate::connect::keyring::Keyring;
use crate::connect::kubeconfig::Entry;
use crate::domain::{ContextId, Fact, InstanceId, Needs};

pub use context::follow;
pub use inbox::{Inbox, Outlet, inbox};

/// What to follow in one context.
#[derive(Debug, Clone)]
pub struct ContextPlan {
    /// Which.
    pub id: ContextId,
    /// The way into it. Shared: whoever else acts in the context goes through the same door.
    pub door: Arc<Door>,
    /// Namespaces to be confined to; empty means the whole cluster.
    pub namespaces: Vec<Arc<str>>,
    /// How often, and how patiently.
    pub pace: Pace,
    /// Passwords of data ports.
    pub keyring: Arc<Keyring>,
    /// The certificate authority to verify data ports by.
    pub authority: Option<Arc<std::path::Path>>,
}

impl ContextPlan {
    /// The plan for an entry, over the whole cluster, at the usual pace.
    pub fn new(entry: Entry) -> Self {
        Self::paced(entry, Pace::default())
    }

    /// The same at another pace.
    pub fn paced(entry: Entry, pace: Pace) -> Self {
        let patience = Patience {
            connect: pace.connect_deadline,
            plugin: pace.plugin_deadline,
        };
        Self {
            id: entry.id.clone(),
            door: Arc::new(Door::new(entry, patience)),
            namespaces: Vec::new(),
            pace,
            keyring: Arc::default(),
            authority: None,
        }
    }

    /// The fact that opens the context in the world. Sent by whoever decides the order in which contexts are shown,
    /// before [`follow`] starts.
    pub fn opened(&self) -> Fact {
        Fact::Opened {
            context: self.id.clone(),
            namespaces: self.namespaces.clone(),
        }
    }
}

/// How often, and how patiently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between heartbeats.
    pub heartbeat: Duration,
    /// How long a heartbeat may take.
    pub heartbeat_deadline: Duration,
    /// How long any other single request may take.
    pub request_deadline: Duration,
    /// How long opening a connection may take, TLS included.
    pub connect_deadline: Duration,
    /// How long a credential plugin may take.
    pub plugin_deadline: Duration,
    /// Shortest wait before another try; it doubles from there.
    pub retry_least: Duration,
    /// Longest wait before another try.
    pub retry_most: Duration,
    /// How long a watch runs before it is asked for again, so that a silently dead one is noticed.
    pub watch: Duration,
    /// Between rounds of questions to an engine of the instance in view.
    pub probe_focused: Duration,
    /// Between rounds of questions to every other engine.
    pub probe_background: Duration,
    /// How long one question to an engine may take.
    pub probe_deadline: Duration,
    /// Engines of instances not in view that are asked at the same time.
    pub probes_in_flight: usize,
    /// Between two readings of what is read only while somebody needs it.
    pub on_demand: Duration,
    /// Whether a change of what was read so is noticed at once. Whoever looks only once has no use for it.
    pub follows: bool,
    /// How long what was read so is kept after nobody needs it.
    pub on_demand_kept: Duration,
    /// Between two tries at a data port of the instance in view, of an instance in trouble, or one that was found bad;
    /// `None` for no tries at all.
    pub data_port: Option<Duration>,
    /// Between two tries at any other data port.
    pub data_port_background: Duration,
    /// Engines are asked for their settings in their first round, rather than later: whoever looks only once sees them
    /// too.
    pub settings_first: bool,
    /// Whether commands may be run in pods where no port-forward is permitted.
    pub exec: bool,
    /// Between two commands run in a pod of the instance in view.
    pub exec_focused: Duration,
    /// Between two commands run in any other pod.
    pub exec_background: Duration,
}

impl Pace {
    /// How soon a missing right is asked for once more after so many refusals before this one; `None` when it is to be
    /// believed. An API server that has just started refuses for about a second what the user may do, because it has
    /// not read the roles yet (Kubernetes 1.33). At the usual pace: after 1 s, 2 s and 5 s.
    fn doubt(&self, refusals_before: u32) -> Option<Duration> {
        let times = match refusals_before {
            0 => 1,
            1 => 2,
            2 => 5,
            _ => return None,
        };
        Some(self.retry_least * times)
    }
}

impl Default for Pace {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self {
            heartbeat: s(5),
            heartbeat_deadline: s(3),
            request_deadline: s(10),
            connect_deadline: s(5),
            plugin_deadline: s(15),
            retry_least: s(1),
            retry_most: s(30),
            watch: s(60),
            probe_focused: s(2),
            probe_background: s(10),
            probe_deadline: s(2),
            probes_in_flight: 16,
            on_demand: s(60),
            follows: true,
            on_demand_kept: s(120),
            data_port: Some(s(10)),
            data_port_background: s(60),
            settings_first: false,
            exec: false,
            exec_focused: s(10),
            exec_background: s(25),
        }
    }
}

/// What the reader looks at, which decides what is asked more often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Focus {
    /// The instance in view.
    pub instance: Option<InstanceId>,
    /// Raised when the reader asks to try again now: a wait for the next try ends at once.
    pub nudges: u64,
    /// What is read and asked only while somebody needs it, of every context.
    pub needs: Arc<Needs>,
    /// The comparison that was asked for last.
    pub compare: Option<Wanted>,
}

/// A comparison that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of this instance.
    pub instance: InstanceId,
    /// Over this many keys.
    pub keys: usize,
    /// Another number than the request before it.
    pub number: u64,
}

impl Focus {
    /// Asks for a comparison.
    pub fn compare(&mut self, instance: InstanceId, keys: usize) {
        let number = self.compare.as_ref().map_or(0, |wanted| wanted.number) + 1;
        self.compare = Some(Wanted {
            instance,
            keys,
            number,
        });
    }
}

#[cfg(test)]
mod tests;
