//! What an action looks at: the world, what was read for it beside, what it is about and how it was asked for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::object::ObjectId;
use super::rules::Rules;
use super::target::{Args, Target};
use crate::checks::{Case, Instance, Limits, Node, Subject};
use crate::domain::world::ContextWorld;
use crate::domain::{InstanceId, NodeId, World};

/// Objects as their API servers gave them; `None`: there is none.
pub type Objects = BTreeMap<ObjectId, Option<Value>>;

/// What was read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// All facts.
    pub world: &'a World,
    /// Objects that were read one by one.
    pub objects: &'a Objects,
    /// The moment of judgement.
    pub now: Timestamp,
}

impl<'a> Reading<'a> {
    /// An object as it was read; `None`: it was not read, `Some(None)`: there is none.
    pub fn object(&self, id: &ObjectId) -> Option<Option<&'a Value>> {
        self.objects.get(id).map(Option::as_ref)
    }
}

/// What an action looks at.
#[derive(Debug)]
pub struct Scene<'a> {
    /// What was read.
    pub reading: Reading<'a>,
    /// Bounds from the settings.
    pub limits: &'a Limits,
    /// What the settings say about acting.
    pub rules: &'a Rules,
    /// What it is about.
    pub target: &'a Target,
    /// How it was asked for.
    pub args: &'a Args,
    /// Gates that whoever asks has accepted, by id.
    pub accepted: &'a BTreeSet<String>,
    subject: Subject,
}

impl<'a> Scene<'a> {
    /// Of a target, as it was read.
    pub fn new(
        reading: Reading<'a>,
        limits: &'a Limits,
        rules: &'a Rules,
        target: &'a Target,
        args: &'a Args,
        accepted: &'a BTreeSet<String>,
    ) -> Self {
        let subject = match target {
            Target::Instance(id) => Subject::Instance(id.clone()),
            Target::Object(object) => Subject::Context(object.context.clone()),
        };
        Self {
            reading,
            limits,
            rules,
            target,
            args,
            accepted,
            subject,
        }
    }

    /// The instance, if it is about one.
    pub fn id(&self) -> Option<&'a InstanceId> {
        match self.target {
            Target::Instance(id) => Some(id),
            Target::Object(_) => None,
        }
    }

    /// A node of the instance by its pod.
    pub fn node(&self, pod: &str) -> NodeId {
        NodeId::new(self.target.context().clone(), self.target.namespace(), pod)
    }

    /// The context.
    pub fn context(&self) -> Option<&'a ContextWorld> {
        self.reading.world.context(self.target.context())
    }

    /// The subject as a check looks at it: with what is believed of it now.
    pub fn case(&self) -> Option<Case<'_>> {
        Case::of(
            self.reading.world,
            &self.subject,
            self.limits,
            self.reading.now,
        )
    }
}

/// The nodes of an instance by what they are: `(master, others)`, where exactly one acts as master by label and by engine and
/// both name the same.
///
/// # Errors
/// Why there is no such one, as a sentence.
pub fn one_master<'c, 'a>(
    instance: &'c Instance<'a>,
) -> Result<(&'c Node<'a>, Vec<&'c Node<'a>>), String> {
    let id = &instance.view.id;
    let masters = instance.masters();
    let master = match masters.as_slice() {
        [one] => *one,
        [] => return Err(format!("no node of {id} is known to act as master")),
        some => {
            let names: Vec<&str> = some.iter().map(|n| n.name()).collect();
            return Err(format!("{} of {id} act as master", names.join(" and ")));
        }
    };
    let labelled: Vec<&str> = instance
        .view
        .labelled_masters()
        .map(|node| &*node.id.pod)
        .collect();
    if labelled != [master.name()] {
        let told = match labelled.as_slice() {
            [] => "no pod is labelled master".to_owned(),
            some => format!("{} is labelled master", some.join(" and ")),
        };
        return Err(format!(
            "{told}, and the engine of {} is one",
            master.name()
        ));
    }
    let name = master.name();
    let others = instance.nodes.iter().filter(|n| n.name() != name).collect();
    Ok((instance.node(name).unwrap_or(master), others))
}
