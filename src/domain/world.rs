//! All facts, indexed. One writer: [`World::apply`]. It stores and indexes; it has no opinion.

mod context_world;
mod engine_record;
mod history;
mod news;
mod on_demand;
mod shelf;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

pub use context_world::{ContextWorld, KnownComparison, Source};
pub use engine_record::{EngineRecord, Known, Series};
pub use history::{History, Moment, Turn};
pub use on_demand::{Found, Looked, OnDemand, Reading, Volume};
pub use shelf::{Held, Shelf};

use super::fact::{Access, Fact, Link};
use super::id::{ContextId, InstanceId, NodeId};
use super::view::InstanceView;
use super::want::Want;

/// Everything that was observed, by context.
#[derive(Debug, Default, Clone)]
pub struct World {
    contexts: BTreeMap<ContextId, ContextWorld>,
    order: Vec<ContextId>,
}

/// A clock that moved against ours by so much since it was last read was set, or is read for the first time, seconds.
const CLOCK_SET: u64 = 30;
/// Seconds by which what is told of a clock jumps though nobody touches it: it is told in whole ones, at both ends of a way
/// that takes a moment.
const CLOCK_JUMPS: u64 = 2;

/// What a fact may have changed, so that only that is judged again.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Touched {
    /// These instances.
    pub instances: BTreeSet<InstanceId>,
    /// The way to these contexts, or what may be read in them: all their instances too.
    pub links: BTreeSet<ContextId>,
    /// The operator or CRD of these contexts.
    pub operators: BTreeSet<ContextId>,
    /// What was read for these, or that it could not be: checks that need it are asked again.
    pub wants: BTreeSet<Want>,
    /// Something that is shown but never judged changed (a round-trip time).
    pub shown: bool,
    /// More than figures that move by themselves: it is to be shown at once. What is touched without it may wait for the
    /// next tick of the ages.
    pub news: bool,
}

impl Touched {
    /// Nothing at all changed, so nothing needs to be drawn.
    pub fn is_empty(&self) -> bool {
        !self.shown
            && self.instances.is_empty()
            && self.links.is_empty()
            && self.operators.is_empty()
    }

    /// Adds what another fact touched.
    pub fn merge(&mut self, other: Touched) {
        self.instances.extend(other.instances);
        self.links.extend(other.links);
        self.operators.extend(other.operators);
        self.wants.extend(other.wants);
        self.shown |= other.shown;
        self.news |= other.news;
    }
}

impl World {
    /// Contexts in the order in which they were opened.
    pub fn contexts(&self) -> impl Iterator<Item = &ContextWorld> {
        self.order.iter().filter_map(|id| self.contexts.get(id))
    }

    /// One context.
    pub fn context(&self, id: &ContextId) -> Option<&ContextWorld> {
        self.contexts.get(id)
    }

    /// The earlier context that shows the same cluster, if there is one: what it shows is not shown twice.
    pub fn twin(&self, id: &ContextId) -> Option<&ContextId> {
        let cluster = self.contexts.get(id)?.cluster.as_ref()?;
        self.order
            .iter()
            .take_while(|other| *other != id)
            .find(|other| {
                self.contexts
                    .get(*other)
                    .is_some_and(|c| c.cluster.as_ref() == Some(cluster))
            })
    }

    /// Contexts that are shown: each cluster once.
    pub fn shown_contexts(&self) -> impl Iterator<Item = &ContextWorld> {
        self.contexts()
            .filter(|context| self.twin(&context.id).is_none())
    }

    /// Every instance that is shown.
    pub fn instances(&self) -> impl Iterator<Item = InstanceId> + '_ {
        self.shown_contexts().flat_map(ContextWorld::instances)
    }

    /// All that belongs to one instance; `None` when there is no such Dragonfly object.
    pub fn instance(&self, id: &InstanceId) -> Option<InstanceView<'_>> {
        InstanceView::of(self.contexts.get(&id.context)?, id)
    }

    /// The instance that a node belongs to.
    pub fn instance_of_node(&self, node: &NodeId) -> Option<InstanceId> {
        let context = self.contexts.get(&node.context)?;
        let pod = context.pods.get(&node.namespace, &node.pod)?;
        let app = pod.value.meta.labels.get("app")?;
        Some(context.instance_of(&node.namespace, app))
    }

    /// Takes one fact in, observed at `at`, and tells what it touched.
    pub fn apply(&mut self, fact: Fact, at: Timestamp) -> Touched {
        let mut touched = Touched {
            news: true,
            ..Touched::default()
        };
        if let Fact::Opened {
            context,
            namespaces,
        } = fact
        {
            if !self.contexts.contains_key(&context) {
                self.order.push(context.clone());
            }
            touched.links.insert(context.clone());
            self.contexts
                .insert(context.clone(), ContextWorld::new(context, namespaces, at));
            return touched;
        }
        let Some(context) = self.contexts.get_mut(fact.context()) else {
            return touched;
        };
        match fact {
            Fact::Opened { .. } => {}
            Fact::Linked { link, .. } => {
                if let Link::Live { .. } = link {
                    context.heard = Some(at);
                }
                if std::mem::discriminant(&link) != std::mem::discriminant(&context.link) {
                    context.link_since = at;
                    touched.links.insert(context.id.clone());
                } else if link.fault() != context.link.fault() {
                    // Unreachable as before, but for another reason than before.
                    touched.links.insert(context.id.clone());
                }
                touched.shown |= context.link != link;
                // Only how long the way is.
                touched.news = !touched.links.is_empty();
                context.link = link;
            }
            Fact::Identified {
                cluster,
                version,
                denied,
                ..
            } => {
                let before = context.unidentified.as_ref();
                let same = before.map(|(fault, _)| fault) == denied.as_ref();
                if !same {
                    context.unidentified = denied.map(|fault| (fault, at));
                    touched.links.insert(context.id.clone());
                }
                if context.cluster != cluster || context.version != version {
                    context.cluster = cluster;
                    context.version = version;
                    touched.links.insert(context.id.clone());
                }
            }
            Fact::Dated { ahead, .. } => {
                // It is told to the second, and jumps by one with every beat; only a clock that was set is news.
                let before = context.clock.as_ref().map_or(0, |known| known.value);
                if before.abs_diff(ahead) >= CLOCK_SET {
                    touched.links.insert(context.id.clone());
                }
                // What jumps to and fro by a second would move every age that is put to our clock.
                let value = match before.abs_diff(ahead) {
                    0..=CLOCK_JUMPS => before,
                    _ => ahead,
                };
                context.clock = Some(Known { value, at });
            }
            Fact::Listed {
                kind,
                scope,
                objects,
                ..
            } => {
                let new: BTreeSet<(Arc<str>, Arc<str>)> = objects
                    .iter()
                    .map(|o| (o.meta().namespace.clone(), o.meta().name.clone()))
                    .collect();
                context
                    .garbled
                    .retain(|(k, ns, _), _| *k != kind || !scope.covers(ns));
                for (namespace, name) in context.keys(kind, &scope) {
                    if !new.contains(&(namespace.clone(), name.clone()))
                        && let Some(gone) = context.remove(kind, &namespace, &name, at)
                    {
                        context.touch(&gone, &mut touched);
                    }
                }
                for object in objects {
                    context.touch_former(&object, &mut touched);
                    context.touch(&object, &mut touched);
                    context.put(object, at);
                }
                let source = context.sources.entry((kind, scope)).or_insert(Source {
                    access: None,
                    since: at,
                    listed: None,
                    settled: false,
                });
                if source.listed.is_none() || source.access != Some(Access::Live) {
                    source.since = at;
                    touched.links.insert(context.id.clone());
                }
                source.access = Some(Access::Live);
                source.listed = Some(at);
            }
            Fact::Seen { object, .. } => {
                let meta = object.meta();
                context
                    .garbled
                    .remove(&(object.kind(), meta.namespace.clone(), meta.name.clone()));
                context.touch_former(&object, &mut touched);
                context.touch(&object, &mut touched);
                touched.news = !context.is_renewal(&object);
                context.put(object, at);
            }
            Fact::Gone {
                kind,
                namespace,
                name,
                ..
            } => {
                context
                    .garbled
                    .remove(&(kind, namespace.clone(), name.clone()));
                if let Some(object) = context.remove(kind, &namespace, &name, at) {
                    context.touch(&object, &mut touched);
                }
            }
            Fact::Garbled {
                kind,
                namespace,
                name,
                problem,
                ..
            } => {
                context.garbled.insert((kind, namespace, name), problem);
                touched.links.insert(context.id.clone());
            }
            Fact::Watched {
                kind,
                scope,
                access,
                ..
            } => {
                let source = context.sources.entry((kind, scope)).or_insert(Source {
                    access: None,
                    since: at,
                    listed: None,
                    settled: false,
                });
                let same_sort = source.access.as_ref().is_some_and(|old| {
                    std::mem::discriminant(old) == std::mem::discriminant(&access)
                });
                if !same_sort {
                    source.since = at;
                    touched.links.insert(context.id.clone());
                }
                touched.shown |= source.access.as_ref() != Some(&access);
                source.access = Some(access);
                source.settled = true;
            }
            Fact::Unwatched { kind, scope, .. } => {
                for (namespace, name) in context.keys(kind, &scope) {
                    if let Some(gone) = context.remove(kind, &namespace, &name, at) {
                        context.touch(&gone, &mut touched);
                    }
                }
                context
                    .garbled
                    .retain(|(k, ns, _), _| *k != kind || !scope.covers(ns));
                if context.sources.remove(&(kind, scope)).is_some() {
                    touched.links.insert(context.id.clone());
                }
            }
            Fact::Probed { node, uid, probe } => {
                let before = context.engine(&node.namespace, &node.pod);
                touched.news = before.is_none_or(|engine| news::is_news(engine, &probe));
                let clock = |context: &ContextWorld| {
                    let engine = context.engine(&node.namespace, &node.pod)?;
                    engine.clock.as_ref().map(|known| known.value)
                };
                let told = clock(context);
                let answered = context.answered(&node, &uid, probe, at);
                // Clocks are judged of the context, which is not touched by each answer of each engine.
                let (before, after) = (told.unwrap_or(0), clock(context).unwrap_or(0));
                if before.abs_diff(after) >= CLOCK_SET {
                    touched.links.insert(context.id.clone());
                }
                if answered {
                    touched.instances.extend(self.instance_of_node(&node));
                }
            }
            Fact::Silent {
                node,
                uid,
                unanswered,
            } => {
                let before = context.engine(&node.namespace, &node.pod);
                touched.news = before.is_none_or(|e| news::is_new_silence(e, &unanswered));
                if let Some(engine) = context.engine_of(&node, &uid) {
                    engine.silent(unanswered, at);
                    touched.instances.extend(self.instance_of_node(&node));
                }
            }
            Fact::Fetched { want, answer } => {
                if context.on_demand.fetched(want.clone(), answer, at) {
                    touched.shown = true;
                    touched.wants.insert(want);
                }
            }
            Fact::Logged { log, lines } => {
                touched.shown |= !lines.is_empty();
                context.on_demand.logged(log, lines, at);
            }
            Fact::Dropped { want } => {
                if context.on_demand.drop(&want) {
                    touched.shown = true;
                    touched.wants.insert(want);
                }
            }
            Fact::Tried {
                node,
                uid,
                way,
                fault,
            } => {
                if let Some(engine) = context.engine_of(&node, &uid) {
                    engine.tried(way, fault, at);
                    touched.instances.extend(self.instance_of_node(&node));
                }
            }
            Fact::Knocked { node, uid, tried } => {
                let before = context.engine(&node.namespace, &node.pod);
                let before = before.and_then(|engine| engine.data_port.as_ref());
                // Every node is tried every minute, and mostly found as it was.
                touched.news = before.map_or(tried.keeps_out(), |before| {
                    before.value.found != tried.found
                });
                if let Some(engine) = context.engine_of(&node, &uid) {
                    engine.data_port = Some(Known { value: *tried, at });
                    touched.instances.extend(self.instance_of_node(&node));
                }
            }
            Fact::Compared { instance, outcome } => {
                context.compared(&instance, Known { value: outcome, at });
                touched.instances.insert(instance);
            }
        }
        touched.news &= !touched.is_empty();
        touched
    }
}

#[cfg(test)]
mod tests;
