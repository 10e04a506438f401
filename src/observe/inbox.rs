//! Where facts wait for the loop: bounded, because a fact that is overtaken by a later one of the same object, question
//! or link takes its place instead of queueing behind it.
//!
//! Order is kept where it matters: for one object, for one engine, and between a list and the changes after it. An
//! object keeps the place of its oldest waiting fact, so that a pod is always known before its engine's answers come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::engine::{Question, Way};
use crate::domain::fact::Scope;
use crate::domain::log::LogTail;
use crate::domain::{ContextId, Fact, InstanceId, Kind, LogId, NodeId, Want};

/// Events that may wait at once. Past it the oldest waiting event is dropped: events are the only facts whose number
/// nothing bounds, and the only ones that nobody misses.
const EVENTS: usize = 2_000;

/// A new inbox and its first outlet.
pub fn inbox() -> (Outlet, Inbox) {
    let shared = Arc::new(Shared {
        queue: Mutex::new(Queue::default()),
        arrived: Notify::new(),
        outlets: AtomicUsize::new(1),
    });
    (
        Outlet {
            shared: shared.clone(),
        },
        Inbox { shared },
    )
}

/// Puts facts in. Cheap to clone; never waits.
#[derive(Debug)]
pub struct Outlet {
    shared: Arc<Shared>,
}

impl Outlet {
    /// Puts a fact in, in place of one that it overtakes.
    pub fn send(&self, fact: Fact) {
        self.put(fact);
        self.announce();
    }

    /// The same without waking whoever waits, for facts that come several at once; [`Outlet::announce`] must follow.
    pub fn put(&self, fact: Fact) {
        self.shared.lock().put(fact);
    }

    /// Wakes whoever waits for facts.
    pub fn announce(&self) {
        self.shared.arrived.notify_one();
    }
}

impl Clone for Outlet {
    fn clone(&self) -> Self {
        self.shared.outlets.fetch_add(1, Ordering::Relaxed);
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        if self.shared.outlets.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.arrived.notify_one();
        }
    }
}

/// Takes facts out.
#[derive(Debug)]
pub struct Inbox {
    shared: Arc<Shared>,
}

impl Inbox {
    /// Waits until there is a fact, then appends up to `limit` of them to `buf` and tells how many. 0 means that every
    /// outlet is gone and nothing waits. Cancel-safe: a fact is taken only when the call returns.
    pub async fn recv_many(&mut self, buf: &mut Vec<Fact>, limit: usize) -> usize {
        loop {
            let taken = self.shared.lock().take(buf, limit);
            if taken > 0 || self.shared.outlets.load(Ordering::Acquire) == 0 {
                return taken;
            }
            self.shared.arrived.notified().await;
        }
    }

    /// Waits until there is a fact, and takes none. Returns too when every outlet is gone.
    pub async fn arrived(&mut self) {
        while self.is_empty() && self.shared.outlets.load(Ordering::Acquire) > 0 {
            self.shared.arrived.notified().await;
        }
    }

    /// Appends up to `limit` of the facts that wait now to `buf` and tells how many, without waiting.
    pub fn take_waiting(&mut self, buf: &mut Vec<Fact>, limit: usize) -> usize {
        self.shared.lock().take(buf, limit)
    }

    /// How many facts wait.
    pub fn len(&self) -> usize {
        self.shared.lock().waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Notify,
    outlets: AtomicUsize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here can stop half-way with the queue in disorder.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What two facts must share for the later to overtake the earlier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Link(ContextId),
    Identity(ContextId),
    Date(ContextId),
    List(ContextId, Kind, Scope),
    Source(ContextId, Kind, Scope),
    Object(ContextId, Kind, Arc<str>, Arc<str>),
    Answer(NodeId, Option<Question>),
    Fetched(Want),
    Log(LogId),
    DataPort(NodeId),
    Comparison(InstanceId),
    Way(NodeId, Way),
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: BTreeMap<u64, Fact>,
    places: BTreeMap<Slot, u64>,
    events: BTreeSet<u64>,
}

impl Queue {
    fn put(&mut self, fact: Fact) {
        let fact = self.lengthen(fact);
        let Some(slot) = slot_of(&fact) else {
            self.next += 1;
            self.waiting.insert(self.next, fact);
            return;
        };
        let mut place = match &slot {
            // Objects and lists keep the place of what they overtake.
            Slot::Object(..) | Slot::List(..) => self.places.get(&slot).copied(),
            // All else goes to the end: an answer must not seem older than a silence before it.
            _ => None,
        };
        self.remove(&slot);
        if let Slot::List(context, kind, scope) = &slot {
            let superseded = self.supersede(context, *kind, scope);
            place = superseded.into_iter().chain(place).min();
        }
        let place = place.unwrap_or_else(|| {
            self.next += 1;
            self.next
        });
        if matches!(slot, Slot::Object(_, Kind::Event, ..)) {
            self.events.insert(place);
        }
        self.waiting.insert(place, fact);
        self.places.insert(slot, place);
        if self.events.len() > EVENTS
            && let Some(oldest) = self.events.first().copied()
        {
            self.forget(oldest);
        }
    }

    /// Lines of a log are not overtaken by later ones: these are added to them, up to what is kept of a log anyway.
    fn lengthen(&mut self, fact: Fact) -> Fact {
        match fact {
            Fact::Logged { log, lines } => {
                let place = self.places.get(&Slot::Log(log.clone()));
                let waiting = place.and_then(|place| self.waiting.get_mut(place));
                let mut all = match waiting {
                    Some(Fact::Logged { lines, .. }) => std::mem::take(lines),
                    _ => Vec::new(),
                };
                all.extend(lines);
                all.drain(..all.len().saturating_sub(LogTail::LENGTH));
                Fact::Logged { log, lines: all }
            }
            Fact::Dropped {
                want: Want::Log(log),
            } => {
                self.remove(&Slot::Log(log.clone()));
                Fact::Dropped {
                    want: Want::Log(log),
                }
            }
            other => other,
        }
    }

    /// Removes what a complete list, or the end of a watch, makes void. Tells the earliest place that became free.
    fn supersede(&mut self, context: &ContextId, kind: Kind, scope: &Scope) -> Option<u64> {
        let none: Arc<str> = Arc::from("");
        let from = Slot::Object(context.clone(), kind, none.clone(), none);
        let mut void: Vec<Slot> = self
            .places
            .range(from..)
            .take_while(
                |(slot, _)| matches!(slot, Slot::Object(c, k, ..) if c == context && *k == kind),
            )
            .filter(|(slot, _)| matches!(slot, Slot::Object(_, _, ns, _) if scope.covers(ns)))
            .map(|(slot, _)| slot.clone())
            .collect();
        void.push(Slot::Source(context.clone(), kind, scope.clone()));
        void.iter().filter_map(|slot| self.remove(slot)).min()
    }

    fn remove(&mut self, slot: &Slot) -> Option<u64> {
        let place = self.places.remove(slot)?;
        self.waiting.remove(&place);
        self.events.remove(&place);
        Some(place)
    }

    fn forget(&mut self, place: u64) {
        self.events.remove(&place);
        if let Some(slot) = self.waiting.remove(&place).as_ref().and_then(slot_of) {
            self.places.remove(&slot);
        }
    }

    fn take(&mut self, buf: &mut Vec<Fact>, limit: usize) -> usize {
        let mut taken = 0;
        while taken < limit {
            let Some((place, fact)) = self.waiting.pop_first() else {
                break;
            };
            self.events.remove(&place);
            if let Some(slot) = slot_of(&fact) {
                self.places.remove(&slot);
            }
            buf.push(fact);
            taken += 1;
        }
        taken
    }
}

fn slot_of(fact: &Fact) -> Option<Slot> {
    let object = |context: &ContextId, kind: Kind, namespace: &Arc<str>, name: &Arc<str>| {
        Slot::Object(context.clone(), kind, namespace.clone(), name.clone())
    };
    Some(match fact {
        Fact::Opened { .. } => return None,
        Fact::Linked { context, .. } => Slot::Link(context.clone()),
        Fact::Identified { context, .. } => Slot::Identity(context.clone()),
        Fact::Dated { context, .. } => Slot::Date(context.clone()),
        Fact::Listed {
            context,
            kind,
            scope,
            ..
        }
        | Fact::Unwatched {
            context,
            kind,
            scope,
        } => Slot::List(context.clone(), *kind, scope.clone()),
        Fact::Seen {
            context,
            object: seen,
        } => {
            let meta = seen.meta();
            object(context, seen.kind(), &meta.namespace, &meta.name)
        }
        Fact::Gone {
            context,
            kind,
            namespace,
            name,
        }
        | Fact::Garbled {
            context,
            kind,
            namespace,
            name,
            ..
        } => object(context, *kind, namespace, name),
        Fact::Watched {
            context,
            kind,
            scope,
            ..
        } => Slot::Source(context.clone(), *kind, scope.clone()),
        Fact::Tried { node, way, .. } => Slot::Way(node.clone(), *way),
        Fact::Knocked { node, .. } => Slot::DataPort(node.clone()),
        Fact::Compared { instance, .. } => Slot::Comparison(instance.clone()),
        Fact::Probed { node, probe, .. } => Slot::Answer(node.clone(), Some(probe.question())),
        Fact::Silent {
            node, unanswered, ..
        } => Slot::Answer(node.clone(), unanswered.question),
        Fact::Fetched { want, .. } | Fact::Dropped { want } => Slot::Fetched(want.clone()),
        Fact::Logged { log, .. } => Slot::Log(log.clone()),
    })
}

#[cfg(test)]
#[path = "tests/inbox.rs"]
mod tests;
