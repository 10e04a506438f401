//! Why something is so, as data: the judgement, each finding with the facts that it rests on, and below them what is
//! known of every node, each fact with its source and age. The `x` overlay and `darner explain` render this and nothing
//! else, so that they cannot tell different stories.

use jiff::Timestamp;

use super::known::{self, Known};
use super::{ALL, Board, Evidence, Finding, Since, State, Subject};
use crate::domain::{Fault, InstanceId, Link, NodeId, World, text};

/// What an explanation is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Anything that is judged.
    Subject(Subject),
    /// One node of an instance: the findings that speak of it, and its facts alone.
    Node(NodeId),
}

impl Topic {
    /// The context that it lives in.
    pub fn context(&self) -> &crate::domain::ContextId {
        match self {
            Topic::Subject(subject) => subject.context(),
            Topic::Node(id) => &id.context,
        }
    }
}

/// Why something is so.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// About what.
    pub topic: Topic,
    /// What it is, for a heading: `shop/orders in lab-infra`.
    pub name: String,
    /// The state that it was judged to be in; `None` while it was not judged.
    pub state: Option<State>,
    /// The answer in one sentence.
    pub answer: String,
    /// Of a context: why its API server is not reached.
    pub way: Option<Way>,
    /// What is wrong or cannot be told, worst first.
    pub points: Vec<Point>,
    /// What is known, by what it is known of.
    pub known: Vec<Known>,
}

/// Why an API server is not reached, with the raw message that a row has no room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// What is wrong.
    pub fault: Fault,
    /// Since when.
    pub since: Timestamp,
}

/// One finding, with the facts that it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Id of the check.
    pub check: &'static str,
    /// The state that it puts its subject in.
    pub state: State,
    /// How bad, in a word.
    pub severity: &'static str,
    /// What is so.
    pub sentence: String,
    /// What it means for clients; may be empty.
    pub meaning: String,
    /// Since when.
    pub since: Since,
    /// The facts behind it.
    pub evidence: Vec<Evidence>,
    /// Why the check matters.
    pub why: &'static str,
}

impl Point {
    /// `since 3m04s ago`, or `seen for 12s` when only our own watching vouches for it.
    pub fn since_words(&self, now: Timestamp) -> String {
        match self.since {
            Since::Exactly(at) => format!("since {} ago", text::age(at, now)),
            Since::Seen(_) => self.since.words(now),
        }
    }
}

impl Evidence {
    /// The fact with its source and age, as every place writes it.
    pub fn words(&self, now: Timestamp) -> String {
        let age = text::age(self.at, now);
        format!("{} ({}, {age} ago)", self.text, self.source)
    }
}

/// Explains a topic by what is known and judged at present; the finding of the check `first` comes first.
pub fn explain(world: &World, board: &Board, topic: &Topic, first: Option<&str>) -> Explanation {
    let instance = match topic {
        Topic::Subject(Subject::Instance(id)) => Some(id.clone()),
        Topic::Node(node) => world.instance_of_node(node),
        Topic::Subject(_) => None,
    };
    let subject = match topic {
        Topic::Subject(subject) => Some(subject.clone()),
        Topic::Node(_) => instance.clone().map(Subject::Instance),
    };
    let judgement = subject.as_ref().and_then(|s| board.subject(s));
    let speaks_of_it = |finding: &&Finding| match topic {
        Topic::Subject(_) => true,
        Topic::Node(id) => {
            finding.about.is_empty() || finding.about.iter().any(|pod| **pod == *id.pod)
        }
    };
    let mut findings: Vec<&Finding> = judgement.map_or(Vec::new(), |j| {
        j.findings.iter().filter(speaks_of_it).collect()
    });
    findings.sort_by_key(|finding| Some(finding.check) != first);
    let state = judgement.map(|j| j.state);
    let known = match (&instance, topic) {
        (Some(id), Topic::Node(node)) => known::of_node(world, id, node),
        (Some(id), Topic::Subject(_)) => known::of_instance(world, id),
        (None, _) => Vec::new(),
    };
    Explanation {
        topic: topic.clone(),
        name: name(topic),
        answer: answer(topic, instance.as_ref(), state, &findings),
        state,
        way: way(world, topic),
        points: findings.into_iter().map(point).collect(),
        known,
    }
}

fn name(topic: &Topic) -> String {
    match topic {
        Topic::Subject(Subject::Context(id)) => format!("context {id}"),
        Topic::Subject(Subject::Operator(id)) => format!("operator of {id}"),
        Topic::Subject(Subject::Instance(id)) => format!("{id} in {}", id.context),
        Topic::Node(id) => format!("{id} in {}", id.context),
    }
}

fn answer(
    topic: &Topic,
    instance: Option<&InstanceId>,
    state: Option<State>,
    findings: &[&Finding],
) -> String {
    let name = name(topic);
    let Some(state) = state else {
        return format!("{name} was not judged yet.");
    };
    match (topic, instance) {
        (Topic::Node(_), Some(id)) if findings.is_empty() => {
            format!("Nothing is wrong with {name}; {id} is {}.", state.word())
        }
        (Topic::Node(_), Some(id)) => {
            format!("{name} is a node of {id}, which is {}.", state.word())
        }
        (Topic::Subject(Subject::Instance(_)), _) if state == State::Healthy => {
            format!("{name} is healthy: {}.", state.meaning())
        }
        (Topic::Subject(Subject::Instance(_)), _) => {
            format!("{name} is {}: {}.", state.word(), state.meaning())
        }
        _ if findings.is_empty() => {
            "Nothing is wrong here: every check that applies is passed.".to_owned()
        }
        _ => format!("Of {name} there is this to say:"),
    }
}

fn way(world: &World, topic: &Topic) -> Option<Way> {
    let Topic::Subject(Subject::Context(id)) = topic else {
        return None;
    };
    let context = world.context(id)?;
    match &context.link {
        Link::Unreachable { fault, .. }
        | Link::LoginNeeded { fault, .. }
        | Link::Unusable { fault } => Some(Way {
            fault: fault.clone(),
            since: context.link_since,
        }),
        Link::Connecting | Link::Live { .. } => None,
    }
}

fn point(finding: &Finding) -> Point {
    Point {
        check: finding.check,
        state: finding.state,
        severity: match finding.state {
            State::Unknown => "unknown",
            _ => finding.severity.word(),
        },
        sentence: finding.sentence.clone(),
        meaning: finding.meaning.clone(),
        since: finding.since,
        evidence: finding.evidence.clone(),
        why: ALL
            .iter()
            .find(|check| check.id == finding.check)
            .map_or("", |check| check.why),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::Limits;
    use crate::domain::fixture::*;
    use crate::domain::world::Touched;

    fn words(topic: &Topic, f: &Fixture) -> Vec<String> {
        let mut board = Board::default();
        let mut touched = Touched::default();
        touched
            .links
            .extend(f.world.contexts().map(|c| c.id.clone()));
        board.update(&f.world, &touched, &Limits::default(), now());
        let told = explain(&f.world, &board, topic, None);
        let mut lines = vec![told.answer];
        lines.extend(told.points.iter().map(|p| format!("! {}", p.sentence)));
        for known in told.known {
            lines.push(format!("# {}", known.of));
            lines.extend(known.facts.iter().map(|fact| fact.words(now())));
        }
        lines
    }

    #[test]
    fn a_healthy_instance_is_explained_by_the_facts_that_make_it_so() {
        let f = healthy().build();
        let id = f.world.instances().next().unwrap();
        let lines = words(&Topic::Subject(Subject::Instance(id.clone())), &f);
        insta::assert_snapshot!(lines.join("\n"));
        // A node is explained by its own facts alone.
        let view = f.world.instance(&id).unwrap();
        let node = view.nodes.first().unwrap().id.clone();
        let lines = words(&Topic::Node(node.clone()), &f);
        assert!(
            lines.first().unwrap().starts_with("Nothing is wrong with"),
            "{lines:?}"
        );
        let heads: Vec<_> = lines.iter().filter(|l| l.starts_with("# ")).collect();
        assert_eq!(heads, [&format!("# {}", node.pod)]);
    }
}
