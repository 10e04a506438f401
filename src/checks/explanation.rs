//! Why something is so, as data: the judgement, each finding with the facts that it rests on, and below them what is
//! known of every node, each fact with its source and age. The `x` overlay and `darner explain` render this and nothing
//! else, so that they cannot tell different stories.

use jiff::Timestamp;

use super::known::{self, Known};
use super::{ACCEPTANCE, ALL, Board, Evidence, Finding, Judgement, Since, State, Subject};
use crate::domain::{InstanceId, NodeId, World, text};

/// What an explanation is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Anything that is judged.
    Subject(Subject),
    /// One node of an instance: the findings that speak of it, and its facts alone.
    Node(NodeId),
}

impl From<Subject> for Topic {
    fn from(subject: Subject) -> Self {
        Topic::Subject(subject)
    }
}

impl Topic {
    /// One node of an instance, by its pod.
    pub fn node(instance: &InstanceId, pod: &str) -> Self {
        Topic::Node(NodeId {
            context: instance.context.clone(),
            namespace: instance.namespace.clone(),
            pod: pod.into(),
        })
    }

    /// What it is called in a heading: `shop/orders in lab-infra`.
    pub fn name(&self) -> String {
        match self {
            Topic::Subject(Subject::Context(id)) => format!("context {id}"),
            Topic::Subject(Subject::Operator(id)) => format!("operator of {id}"),
            Topic::Subject(Subject::Instance(id)) => format!("{id} in {}", id.context),
            Topic::Subject(Subject::Consumer(id)) => format!("consumer {id} in {}", id.context),
            Topic::Node(id) => format!("{id} in {}", id.context),
        }
    }

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
    /// What is wrong or cannot be told, worst first.
    pub findings: Vec<Finding>,
    /// What is known, by what it is known of.
    pub known: Vec<Known>,
}

impl Finding {
    /// `for 3m04s`, or `seen for 12s` when only our own watching vouches for it.
    pub fn since_words(&self, now: Timestamp) -> String {
        match self.since {
            Since::Exactly(at) => format!("for {}", text::age(at, now)),
            Since::Seen(_) => self.since.words(now),
        }
    }

    /// Why its check matters.
    pub fn why(&self) -> &'static str {
        let mut all = ALL.iter().chain(ACCEPTANCE);
        let check = all.find(|check| check.id == self.check);
        check.map_or("", |check| check.why)
    }
}

impl Evidence {
    /// The fact with its source and age, as every place writes it.
    pub fn words(&self, now: Timestamp) -> String {
        let age = text::age(self.at, now);
        format!("{}: {}, {age} ago", self.source, self.text)
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
    if let Topic::Subject(Subject::Context(id)) = topic {
        // What is wrong with its operator is wrong with it; that it is cut off is told once.
        let operator = board.subject(&Subject::Operator(id.clone()));
        let own: Vec<&str> = findings.iter().map(|finding| finding.check).collect();
        let others = operator.map_or(&[] as &[Finding], |j| &j.findings);
        findings.extend(others.iter().filter(|f| !own.contains(&f.check)));
    }
    findings.sort_by_key(|finding| Some(finding.check) != first);
    let state = judgement.map(|j| j.state);
    let known = match (&instance, topic) {
        (Some(id), Topic::Node(node)) => known::of_node(world, id, node),
        (Some(id), Topic::Subject(_)) => known::of_instance(world, id),
        (None, _) => Vec::new(),
    };
    Explanation {
        topic: topic.clone(),
        name: topic.name(),
        answer: answer(
            topic,
            instance.as_ref(),
            state,
            judgement.and_then(Judgement::leading),
            &findings,
        ),
        state,
        findings: findings.into_iter().cloned().collect(),
        known,
    }
}

fn answer(
    topic: &Topic,
    instance: Option<&InstanceId>,
    state: Option<State>,
    leading: Option<&Finding>,
    findings: &[&Finding],
) -> String {
    let name = topic.name();
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
            let (word, meaning) = match leading {
                Some(finding) => (finding.short.as_str(), finding.meaning.as_str()),
                None => (state.word(), state.meaning()),
            };
            let class = match word == state.word() {
                true => word.to_owned(),
                false => format!("{} ({word})", state.word()),
            };
            let end = if meaning.ends_with('.') { "" } else { "." };
            format!("{name}: {class}. {meaning}{end}")
        }
        _ if findings.is_empty() => {
            "Nothing is wrong here: every check that applies is passed.".to_owned()
        }
        _ => format!("Of {name} there is this to say:"),
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
        lines.extend(told.findings.iter().map(|p| format!("! {}", p.sentence)));
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
        let pod = &node.pod;
        let changes = format!("# the changes in {pod}, newest first");
        assert_eq!(heads, [&format!("# {pod}"), &changes]);
    }
}
