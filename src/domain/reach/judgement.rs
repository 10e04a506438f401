//! The judgement of a connection: on either side, by all policies that select that end.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fit::Fit;
use super::rule::{Direction, Policy, PolicyName, Protocol, Rule};
use super::{Cilium, End, Network, What, cilium, kubernetes};
use crate::domain::id::ContextId;
use crate::domain::want::{Foreign, ForeignObject};

/// The policies of a cluster, compiled.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    /// The network that is to enforce them.
    pub network: Network,
    /// What of them could not be read, so that nothing is certain.
    pub unread: Vec<String>,
    /// By namespace; the empty one is the whole cluster's. They are shared: compiled when they were read, asked ever after.
    parts: BTreeMap<Arc<str>, Vec<Arc<[Policy]>>>,
}

/// The objects of one kind of policy, compiled, by namespace: what is made once of what was read.
#[derive(Debug, Clone, Default)]
pub struct Compiled(BTreeMap<Arc<str>, Arc<[Policy]>>);

impl Compiled {
    /// Compiles objects of a kind; `None` for a kind that is no policy.
    pub fn of(what: Foreign, objects: &[ForeignObject]) -> Option<Self> {
        let mut all: BTreeMap<Arc<str>, Vec<Policy>> = BTreeMap::new();
        for object in objects {
            let (namespace, name) = (&object.meta.namespace, &object.meta.name);
            match what {
                Foreign::NetworkPolicy => {
                    let none = serde_json::Value::Null;
                    let spec = object.body.get("spec").unwrap_or(&none);
                    let compiled = kubernetes::compile(namespace, name, spec);
                    all.entry(namespace.clone()).or_default().push(compiled);
                }
                Foreign::CiliumNetworkPolicy => {
                    let compiled = cilium::compile(namespace, name, &object.body);
                    all.entry(namespace.clone()).or_default().extend(compiled);
                }
                Foreign::CiliumClusterwideNetworkPolicy => {
                    let whole: Arc<str> = Arc::from("");
                    let compiled = cilium::compile(&whole, name, &object.body);
                    all.entry(whole).or_default().extend(compiled);
                }
                _ => return None,
            }
        }
        let shared = all.into_iter();
        Some(Self(
            shared
                .map(|(namespace, all)| (namespace, all.into()))
                .collect(),
        ))
    }

    /// Whether objects of that kind are policies.
    pub fn is_of(what: Foreign) -> bool {
        matches!(
            what,
            Foreign::NetworkPolicy
                | Foreign::CiliumNetworkPolicy
                | Foreign::CiliumClusterwideNetworkPolicy
        )
    }
}

/// What came of a question about one side of a connection, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It passes.
    Allowed,
    /// It cannot be told.
    Unknown,
    /// It does not pass.
    Denied,
}

impl Outcome {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Allowed => "allowed",
            Outcome::Unknown => "unknown",
            Outcome::Denied => "denied",
        }
    }
}

/// What policies say to one side of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// Which side: `egress`, `ingress`.
    pub direction: &'static str,
    /// The context whose policies they are; empty for outside of the clusters, where there are none.
    pub context: ContextId,
    /// What comes of it.
    pub outcome: Outcome,
    /// Policies that close that end but for what they admit; none of them: it is open to all.
    pub closing: Vec<PolicyName>,
    /// Rules that decide: those that admit it, or those that deny it.
    pub by: Vec<Rule>,
    /// Rules that would admit it but for one thing, and which.
    pub near: Vec<(Rule, String)>,
    /// Why it cannot be told.
    pub unsure: Vec<String>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// How many policies and rules were looked at.
    pub looked: usize,
}

/// What policies say to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Where it leaves.
    pub egress: Side,
    /// Where it arrives.
    pub ingress: Side,
}

/// Whether `from` may open a connection to a port of `to`, by the policies of the cluster of either.
pub fn reach(
    from: (&End, &Policies),
    to: (&End, &Policies),
    port: u16,
    protocol: Protocol,
) -> Reach {
    let is_local = from.0.context == to.0.context;
    let port = (to.0, port, protocol);
    Reach {
        egress: from.1.side(EGRESS, from.0, to.0, is_local, port),
        ingress: to.1.side(INGRESS, to.0, from.0, is_local, port),
    }
}

impl Reach {
    /// What comes of it: a side that denies it decides.
    pub fn outcome(&self) -> Outcome {
        self.egress.outcome.max(self.ingress.outcome)
    }

    /// The side that decides: the one that denies it, then the one that cannot be told, then the one that says more.
    pub fn deciding(&self) -> &Side {
        match (&self.egress, &self.ingress) {
            (egress, ingress) if egress.outcome > ingress.outcome => egress,
            (egress, ingress) if ingress.outcome > egress.outcome => ingress,
            (egress, ingress) if ingress.closing.is_empty() => egress,
            (_, ingress) => ingress,
        }
    }
}

type Of = (&'static str, fn(&Policy) -> &Direction);
const EGRESS: Of = ("egress", |policy| &policy.egress);
const INGRESS: Of = ("ingress", |policy| &policy.ingress);

impl Policies {
    /// Policies of a cluster, compiled.
    pub fn new(network: Network) -> Self {
        Self {
            network,
            ..Self::default()
        }
    }

    /// The same and that object, which is of one of the three kinds; of another it says nothing.
    pub fn add(&mut self, what: Foreign, object: &ForeignObject) {
        if let Some(compiled) = Compiled::of(what, std::slice::from_ref(object)) {
            for (namespace, part) in compiled.0 {
                self.parts.entry(namespace).or_default().push(part);
            }
        }
    }

    /// The same and those of a namespace, shared with whoever asks too; the empty one for those of the whole cluster.
    pub fn share(&mut self, compiled: &Compiled, namespace: &str) {
        if let Some((namespace, part)) = compiled.0.get_key_value(namespace) {
            let parts = self.parts.entry(namespace.clone()).or_default();
            parts.push(part.clone());
        }
    }

    /// The same without the policies of that name.
    #[must_use]
    pub fn without(mut self, name: &PolicyName) -> Self {
        for part in self.parts.values_mut().flatten() {
            if part.iter().any(|policy| policy.name == *name) {
                let others = part.iter().filter(|policy| policy.name != *name);
                *part = others.cloned().collect();
            }
        }
        self
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.parts.values().flatten().map(|part| part.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Policies that close a pod to whatever they do not admit, in that direction: `ingress` or else `egress`.
    pub fn closing(&self, end: &End, ingress: bool) -> Vec<PolicyName> {
        let (_, of) = if ingress { INGRESS } else { EGRESS };
        let all = self.about(end);
        let closing =
            all.filter(|policy| of(policy).isolates && policy.subjects.fit(end) == Fit::Yes);
        names(closing.map(|policy| &policy.name))
    }

    fn about(&self, end: &End) -> impl Iterator<Item = &Policy> {
        let parts = [&*end.namespace, ""].into_iter();
        let parts = parts.filter_map(|namespace| self.parts.get(namespace));
        parts.flatten().flat_map(|part| part.iter())
    }

    fn side(
        &self,
        (direction, of): Of,
        end: &End,
        peer: &End,
        is_local: bool,
        port: (&End, u16, Protocol),
    ) -> Side {
        let mut side = Side {
            direction,
            context: end.context.clone(),
            outcome: Outcome::Allowed,
            closing: Vec::new(),
            by: Vec::new(),
            near: Vec::new(),
            unsure: Vec::new(),
            notes: Vec::new(),
            looked: 0,
        };
        match end.what {
            What::Pod => {}
            What::Host => {
                side.notes.push(
                    "a pod in the network of its machine is selected by no policy about pods"
                        .to_owned(),
                );
                return side;
            }
            What::Outside => return side,
        }
        if !self.unread.is_empty() {
            side.outcome = Outcome::Unknown;
            side.unsure.clone_from(&self.unread);
            return side;
        }
        let enforcement = match &self.network.cilium {
            Cilium::Present(settings) => settings.enforcement.as_str(),
            Cilium::Unknown(_) | Cilium::Absent => "default",
        };
        if enforcement == "never" {
            side.notes
                .push("Cilium enforces no policies there: enable-policy is never".to_owned());
            return side;
        }
        let mut tally = Tally {
            closed: enforcement == "always",
            ..Tally::default()
        };
        if tally.closed {
            side.notes
                .push("enable-policy is always: what no policy admits is denied".to_owned());
        }
        for policy in self.about(end) {
            side.looked += 1;
            let about = of(policy);
            let mut selected = policy.subjects.fit(end);
            if let Some(why) = &policy.unclear {
                selected = selected.and(Fit::Unsure(why.clone()));
            }
            let sure = match selected {
                Fit::No | Fit::Near(_) => continue,
                Fit::Unsure(why) => Some(format!("{}: {why}", policy.name)),
                Fit::Yes => None,
            };
            if let (Some(why), Some(_)) = (&sure, &policy.unclear) {
                tally.maybe_allowed.push(why.clone());
                tally.maybe_denied.push(why.clone());
            }
            if about.isolates {
                match &sure {
                    None => {
                        tally.closed = true;
                        side.closing.push(policy.name.clone());
                    }
                    Some(why) => tally.maybe_closed.push(why.clone()),
                }
            }
            let rules = about.deny.iter().map(|rule| (true, rule));
            for (denies, rule) in rules.chain(about.allow.iter().map(|rule| (false, rule))) {
                side.looked += 1;
                let name = || Rule {
                    policy: policy.name.clone(),
                    list: rule.list,
                    number: rule.number,
                };
                let fit = rule.fit(peer, is_local, &self.network, port);
                match (fit, &sure, denies) {
                    (Fit::No, ..) | (Fit::Near(_), _, true) => {}
                    (Fit::Near(why), _, false) => side.near.push((name(), why)),
                    (Fit::Yes, None, true) => tally.denied.push(name()),
                    (Fit::Yes, None, false) => {
                        if rule.looks_inside {
                            side.notes.push(format!(
                                "{} also looks into what is said: it is taken to admit the connection",
                                name()
                            ));
                        }
                        tally.allowed.push(name());
                    }
                    (Fit::Yes, Some(why), true) => tally.maybe_denied.push(why.clone()),
                    (Fit::Yes, Some(why), false) => tally.maybe_allowed.push(why.clone()),
                    (Fit::Unsure(why), _, true) => {
                        tally.maybe_denied.push(format!("{}: {why}", name()));
                    }
                    (Fit::Unsure(why), _, false) => {
                        tally.maybe_allowed.push(format!("{}: {why}", name()));
                    }
                }
            }
        }
        side.closing = names(side.closing.iter());
        tally.decide(side)
    }
}

fn names<'a>(all: impl Iterator<Item = &'a PolicyName>) -> Vec<PolicyName> {
    let mut names: Vec<PolicyName> = all.cloned().collect();
    names.sort();
    names.dedup();
    names
}

/// What all policies come to.
#[derive(Debug, Default)]
struct Tally {
    closed: bool,
    maybe_closed: Vec<String>,
    allowed: Vec<Rule>,
    maybe_allowed: Vec<String>,
    denied: Vec<Rule>,
    maybe_denied: Vec<String>,
}

impl Tally {
    fn decide(self, mut side: Side) -> Side {
        let admitted = !self.closed && self.maybe_closed.is_empty() || !self.allowed.is_empty();
        if !self.denied.is_empty() {
            side.outcome = Outcome::Denied;
            side.by = self.denied;
        } else if self.closed && self.allowed.is_empty() && self.maybe_allowed.is_empty() {
            side.outcome = Outcome::Denied;
        } else if !self.maybe_denied.is_empty() {
            side.outcome = Outcome::Unknown;
            side.unsure = self.maybe_denied;
        } else if admitted {
            side.outcome = Outcome::Allowed;
            side.by = self.allowed;
        } else {
            side.outcome = Outcome::Unknown;
            side.unsure = self.maybe_allowed;
            side.unsure.extend(self.maybe_closed);
        }
        side
    }
}

impl Side {
    /// What decides it, in a sentence without its end: `ingress at infra is closed by NetworkPolicy shop/a, and no rule admits
    /// it`.
    pub fn words(&self) -> String {
        let place = match self.context.as_str() {
            "" => self.direction.to_owned(),
            context => format!("{} at {context}", self.direction),
        };
        let list = |items: &[String]| match items {
            [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
            all => all.concat(),
        };
        let closing: Vec<String> = self.closing.iter().map(ToString::to_string).collect();
        let by: Vec<String> = self.by.iter().map(ToString::to_string).collect();
        match self.outcome {
            Outcome::Denied if by.is_empty() && closing.is_empty() => {
                format!("{place}: no policy admits it, and Cilium is to deny what none admits")
            }
            Outcome::Denied if by.is_empty() => format!(
                "{place}: {} select{} it, and no rule admits it",
                list(&closing),
                if closing.len() == 1 { "s" } else { "" }
            ),
            Outcome::Denied => format!("{place}: denied by {}", list(&by)),
            Outcome::Allowed if by.is_empty() => {
                format!("{place}: no policy selects it, so it is open")
            }
            Outcome::Allowed => format!("{place}: admitted by {}", list(&by)),
            Outcome::Unknown => format!("{place} cannot be told: {}", self.unsure.join("; ")),
        }
    }
}
