//! The attention list: every finding about what is shown, worst first and then oldest.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::checks::{Finding, Since, Subject};
use crate::domain::{InstanceId, Kind};
use crate::screens::parts::{See, finding_sign, finding_tone};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row, draw};

/// What is kept of a finding: enough for its line, and to find it again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Notice {
    pub subject: Subject,
    /// What it is called here, see [`Namesakes::name`].
    pub name: String,
    pub check: &'static str,
    pub sign: Glyph,
    pub tone: Tone,
    pub sentence: String,
    pub since: Since,
}

impl Notice {
    /// The line of a finding.
    pub fn of(finding: &Finding, namesakes: &Namesakes<'_>) -> Self {
        Self {
            name: namesakes.name(&finding.subject),
            subject: finding.subject.clone(),
            check: finding.check,
            sign: finding_sign(finding),
            tone: finding_tone(finding),
            sentence: finding.sentence.clone(),
            since: finding.since,
        }
    }

    /// The same finding, whatever its words are by now.
    pub fn is(&self, subject: &Subject, check: &str) -> bool {
        self.subject == *subject && self.check == check
    }
}

/// Which instances share a name, so that none is taken for another.
#[derive(Debug, Default)]
pub(super) struct Namesakes<'a>(BTreeMap<&'a str, Vec<&'a InstanceId>>);

impl<'a> Namesakes<'a> {
    /// Among these.
    pub fn among(all: impl Iterator<Item = &'a InstanceId>) -> Self {
        let mut named: BTreeMap<&str, Vec<&InstanceId>> = BTreeMap::new();
        for id in all {
            named.entry(&id.name).or_default().push(id);
        }
        Self(named)
    }

    /// The name of what a finding is about: of an instance with its namespace where another of its context is called the
    /// same, and after its context where one of another context is.
    pub fn name(&self, subject: &Subject) -> String {
        let id = match subject {
            Subject::Context(id) => return id.to_string(),
            Subject::Operator(id) => return format!("operator {id}"),
            Subject::Instance(id) => id,
        };
        let same = self.0.get(&*id.name).map_or(&[] as &[_], Vec::as_slice);
        let mut name = id.name.to_string();
        let is_near =
            |other: &&&InstanceId| other.context == id.context && other.namespace != id.namespace;
        if same.iter().any(|other| is_near(&other)) {
            name = format!("{}/{name}", id.namespace);
        }
        if same.iter().any(|other| other.context != id.context) {
            name = format!("{} {name}", id.context);
        }
        name
    }
}

/// The columns of the list; they have no headings. The names of what is ill seldom change, so their column is as wide
/// as they need now: what was ill while everything was still connecting takes no room afterwards.
pub(super) fn columns(notices: &[Notice]) -> Vec<Column> {
    let names = notices.iter().map(|notice| draw::width(&notice.name));
    let wide = u16::try_from(names.max().unwrap_or(0)).unwrap_or(u16::MAX);
    let wide = wide.saturating_add(2).clamp(8, 34);
    vec![
        Column::new("subject", "")
            .width(wide.min(26), wide)
            .holds(wide)
            .cut_middle(),
        Column::new("sentence", "").width(20, 40).fill(),
        Column::new("since", "").width(14, 18).right().priority(2),
    ]
}

/// The cells of a line.
pub(super) fn cells(see: &See<'_>, notice: &Notice) -> Row {
    let tone = notice.tone;
    let name = &notice.name;
    let since = match notice.since {
        Since::Exactly(at) => format!("since {}", see.age(at)),
        Since::Seen(_) => see.since(notice.since),
    };
    Row::new(vec![
        Piece::new(format!("{} {name}", see.sign(notice.sign)), tone),
        Piece::text(notice.sentence.clone()),
        Piece::muted(since),
    ])
}

/// Findings with their evidence, as text for a ticket.
pub(crate) fn evidence_text(see: &See<'_>, subject: &Subject) -> String {
    let Some(judgement) = see.board.subject(subject) else {
        return String::new();
    };
    let mut text = match subject {
        Subject::Context(id) => format!("context {id}"),
        Subject::Operator(id) => format!("operator of context {id}"),
        Subject::Instance(id) => format!("{id} in context {}", id.context),
    };
    text.push_str(&format!(": {} at {}\n", judgement.word(), at(see.now)));
    for finding in &judgement.findings {
        text.push_str(&format!(
            "- {} ({}, check {}, {} {})\n",
            finding.sentence,
            finding.word(),
            finding.check,
            match finding.since {
                Since::Exactly(_) => "since",
                Since::Seen(_) => "seen since",
            },
            at(finding.since.at()),
        ));
        if !finding.meaning.is_empty() {
            text.push_str(&format!("  {}\n", finding.meaning));
        }
        for evidence in &finding.evidence {
            text.push_str(&format!(
                "  - {} ({}, {})\n",
                evidence.text,
                evidence.source,
                at(evidence.at)
            ));
        }
        for step in finding.next_step().lines() {
            text.push_str(&format!("  next: {step}\n"));
        }
    }
    text
}

fn at(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}

/// At least one context has told what is in it, so that no finding means something.
pub(super) fn is_known(see: &See<'_>) -> bool {
    let mut contexts = see.world.shown_contexts();
    contexts.any(|context| context.has_listed(Kind::Dragonfly) || context.has_listed(Kind::Crd))
}

/// The rule's words at the right of the list.
pub(super) fn summary(see: &See<'_>, all: usize) -> Vec<Piece> {
    match all {
        0 if !is_known(see) => vec![Piece::new(see.sign(Glyph::Unknown), Tone::Unknown)],
        0 => vec![Piece::new(
            format!("{} nothing", see.sign(Glyph::Healthy)),
            Tone::Healthy,
        )],
        1 => vec![Piece::muted("1 finding")],
        n => vec![Piece::muted(format!("{n} findings"))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ContextId;

    #[test]
    fn no_instance_is_taken_for_its_namesake() {
        let id = |context: &str, namespace: &str, name: &str| {
            InstanceId::new(ContextId::new(context), namespace, name)
        };
        let all = [
            id("eu", "shop", "orders"),
            id("us", "shop", "orders"),
            id("eu", "shop", "cart"),
            id("eu", "test", "cart"),
            id("eu", "shop", "web"),
            id("eu", "test", "web"),
            id("us", "shop", "web"),
            id("us", "shop", "queue"),
        ];
        let namesakes = Namesakes::among(all.iter());
        let told: Vec<String> = all
            .iter()
            .map(|id| namesakes.name(&Subject::Instance(id.clone())))
            .collect();
        assert_eq!(
            told,
            [
                "eu orders",
                "us orders",
                "shop/cart",
                "test/cart",
                "eu shop/web",
                "eu test/web",
                "us web",
                "queue"
            ]
        );
        let operator = Subject::Operator(ContextId::new("eu"));
        assert_eq!(namesakes.name(&operator), "operator eu");
    }
}
