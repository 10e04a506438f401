//! Facts: what was observed, in the past tense. Each names its context; the loop adds when it arrived.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::comparison::Comparison;
use super::data_port::DataPort;
use super::engine::{Probe, Unanswered, Way};
use super::fault::Fault;
use super::id::{ContextId, InstanceId, Kind, NodeId};
use super::log::LogLine;
use super::object::Object;
use super::want::{Fetched, LogId, Want};

/// How far a standing question reaches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The whole cluster.
    Cluster,
    /// One namespace.
    Namespace(Arc<str>),
}

impl Scope {
    /// Whether an object of that namespace falls under it.
    pub fn covers(&self, namespace: &str) -> bool {
        match self {
            Scope::Cluster => true,
            Scope::Namespace(ns) => &**ns == namespace,
        }
    }
}

/// How a context's API server is reached at the moment.
#[derive(Debug, Clone, PartialEq)]
pub enum Link {
    /// Being opened for the first time, or again.
    Connecting,
    /// The heartbeat answers.
    Live {
        /// Round trip of the last heartbeat.
        rtt: Duration,
    },
    /// The heartbeat fails.
    Unreachable {
        /// Why.
        fault: Fault,
        /// When the next try is due.
        retry_at: Timestamp,
    },
    /// The server or the credential plugin wants a login.
    LoginNeeded {
        /// Which plugin or server, and its last line.
        fault: Fault,
        /// When the next try is due.
        retry_at: Timestamp,
    },
    /// The kubeconfig's entry cannot be used at all; nothing will be tried until it changes.
    Unusable {
        /// Why.
        fault: Fault,
    },
}

impl Link {
    /// What is wrong with it, if anything is.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Link::Connecting | Link::Live { .. } => None,
            Link::Unreachable { fault, .. }
            | Link::LoginNeeded { fault, .. }
            | Link::Unusable { fault } => Some(fault),
        }
    }
}

/// How one standing question stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Access {
    /// The list was complete and the watch runs.
    Live,
    /// The right is missing: verb, resource and where.
    Denied(Fault),
    /// The API is not there (a CRD not installed).
    Absent,
    /// Trouble; what was listed before is kept and is growing old.
    Broken(Fault),
}

/// Something observed.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "most facts that wait are answers of engines: a box would cost an allocation each and save no memory"
)]
pub enum Fact {
    /// A context was opened, in the order in which they are shown.
    Opened {
        /// Which.
        context: ContextId,
        /// Namespaces it is confined to; empty means the whole cluster.
        namespaces: Vec<Arc<str>>,
    },
    /// The way to the API server changed, or a heartbeat came back.
    Linked {
        /// Which context.
        context: ContextId,
        /// How it stands.
        link: Link,
    },
    /// The cluster told who it is.
    Identified {
        /// Which context.
        context: ContextId,
        /// Uid of `kube-system`, if it could be read.
        cluster: Option<String>,
        /// The right to read that is missing.
        denied: Option<Fault>,
        /// `gitVersion` of the API server.
        version: Option<String>,
    },
    /// The API server dated an answer: how far its clock is from ours.
    Dated {
        /// Which context.
        context: ContextId,
        /// Seconds that its clock is ahead of ours; negative when it is behind. Told to the second.
        ahead: i64,
    },
    /// A complete list, from which the whole scope is replaced at once.
    Listed {
        /// Which context.
        context: ContextId,
        /// Which question.
        kind: Kind,
        /// Over what.
        scope: Scope,
        /// All of it.
        objects: Vec<Object>,
    },
    /// An object appeared or changed.
    Seen {
        /// Which context.
        context: ContextId,
        /// As it is now.
        object: Object,
    },
    /// An object is gone.
    Gone {
        /// Which context.
        context: ContextId,
        /// Which question it answered.
        kind: Kind,
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
    /// An object that could not be understood; kept by name so that it is never silently missing.
    Garbled {
        /// Which context.
        context: ContextId,
        /// Which question it answered.
        kind: Kind,
        /// Its namespace, as far as known.
        namespace: Arc<str>,
        /// Its name, as far as known.
        name: Arc<str>,
        /// What is wrong with it.
        problem: String,
    },
    /// How a standing question stands, changed.
    Watched {
        /// Which context.
        context: ContextId,
        /// Which question.
        kind: Kind,
        /// Over what.
        scope: Scope,
        /// How it stands.
        access: Access,
    },
    /// A standing question was given up (its namespace has no instance any more).
    Unwatched {
        /// Which context.
        context: ContextId,
        /// Which question.
        kind: Kind,
        /// Over what.
        scope: Scope,
    },
    /// An engine answered.
    Probed {
        /// Which.
        node: NodeId,
        /// Uid of the pod that was asked, so that a namesake's answer is never taken for it.
        uid: Arc<str>,
        /// What it said.
        probe: Probe,
    },
    /// An engine did not answer.
    Silent {
        /// Which.
        node: NodeId,
        /// Uid of the pod that was asked.
        uid: Arc<str>,
        /// What was asked, and why there is no answer.
        unanswered: Unanswered,
    },
    /// Something that was wanted was read, or could not be.
    Fetched {
        /// What was wanted.
        want: Want,
        /// What was read, or why it could not be.
        answer: Result<Fetched, Fault>,
    },
    /// Lines of a log that is followed, in their order.
    Logged {
        /// Which.
        log: LogId,
        /// The lines.
        lines: Vec<LogLine>,
    },
    /// Nobody has wanted it for a while: what was read is let go.
    Dropped {
        /// What was wanted.
        want: Want,
    },
    /// A way to an engine was tried. When all of them fail, what is not known of it is *unknown*, and this says why.
    Tried {
        /// Which.
        node: NodeId,
        /// Uid of the pod that was asked.
        uid: Arc<str>,
        /// By which way.
        way: Way,
        /// Why it does not lead there; `None` when it does.
        fault: Option<Fault>,
    },
    /// The data port of an engine was tried, as a client would.
    Knocked {
        /// Which.
        node: NodeId,
        /// Uid of the pod that was tried.
        uid: Arc<str>,
        /// What came of it.
        tried: Box<DataPort>,
    },
    /// The data of an instance's nodes were held against each other, because somebody asked for it.
    Compared {
        /// Which.
        instance: InstanceId,
        /// What came of it; a fault when there was no master to hold them against.
        outcome: Result<Comparison, Fault>,
    },
}

impl Fact {
    /// The context it is about.
    pub fn context(&self) -> &ContextId {
        match self {
            Fact::Opened { context, .. }
            | Fact::Linked { context, .. }
            | Fact::Identified { context, .. }
            | Fact::Dated { context, .. }
            | Fact::Listed { context, .. }
            | Fact::Seen { context, .. }
            | Fact::Gone { context, .. }
            | Fact::Garbled { context, .. }
            | Fact::Watched { context, .. }
            | Fact::Unwatched { context, .. } => context,
            Fact::Probed { node, .. }
            | Fact::Silent { node, .. }
            | Fact::Tried { node, .. }
            | Fact::Knocked { node, .. } => &node.context,
            Fact::Fetched { want, .. } | Fact::Dropped { want } => want.context(),
            Fact::Logged { log, .. } => &log.context,
            Fact::Compared { instance, .. } => &instance.context,
        }
    }
}
