//! The attention list: every finding about what is shown, worst first and then oldest.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::row::Aged;
use crate::checks::{Explanation, Finding, Since, State, Subject};
use crate::domain::{InstanceId, Kind, NodeId};
use crate::screens::parts::{Field, Measure, See, Sieved, finding_sign, finding_tone};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row, draw};

/// What is kept of a finding: enough for its line, and to find it again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Notice {
    pub subject: Subject,
    /// What it is called here, see [`Namesakes::name`].
    pub name: String,
    pub check: &'static str,
    /// The pod that it speaks of, the first of several.
    pub pod: Option<Arc<str>>,
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
            pod: finding.about.first().map(|pod| Arc::from(pod.as_str())),
            sign: finding_sign(finding),
            tone: finding_tone(finding),
            sentence: finding.sentence.clone(),
            since: finding.since,
        }
    }

    /// As the filter sees it, with the row of what it is about, where that has one.
    pub fn sieved<'a>(&'a self, row: Option<Aged<'a>>) -> impl Sieved + use<'a> {
        let own = row.as_ref().map_or("", |aged| aged.text());
        let text = format!("{} {} {} {own}", self.name, self.sentence, self.check);
        Words {
            text: text.to_lowercase(),
            notice: self,
            row,
        }
    }

    /// The same finding, whatever its words are by now.
    pub fn is(&self, subject: &Subject, check: &str) -> bool {
        self.subject == *subject && self.check == check
    }
}

struct Words<'a> {
    text: String,
    notice: &'a Notice,
    row: Option<Aged<'a>>,
}

impl Sieved for Words<'_> {
    fn text(&self) -> &str {
        &self.text
    }

    fn field(&self, field: Field) -> &str {
        match (&self.row, field) {
            (Some(row), field) => row.field(field),
            // A context whose instances have the rows.
            (None, Field::Context) => self.notice.subject.context().as_str(),
            // Everything that needs attention is ill, and called as its check is.
            (None, Field::State) => "ill",
            (None, _) => "",
        }
    }

    fn figure(&self, measure: Measure) -> Option<f64> {
        self.row.as_ref()?.figure(measure)
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
            Subject::Consumer(id) => return id.to_string(),
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
    let name = match subject {
        Subject::Context(id) => format!("context {id}"),
        Subject::Operator(id) => format!("operator of context {id}"),
        Subject::Instance(id) => format!("{id} in context {}", id.context),
        Subject::Consumer(id) => format!("consumer {id} in context {}", id.context),
    };
    written(see, &name, judgement.word(), &judgement.findings)
}

/// The findings that speak of one node with their evidence, as text for a ticket.
pub(crate) fn evidence_of_node(see: &See<'_>, node: &NodeId, told: &Explanation) -> String {
    let word = told.state.map_or("not judged yet", State::word);
    let name = format!("{node} in context {}, of an instance that is", node.context);
    written(see, &name, word, &told.findings)
}

fn written(see: &See<'_>, name: &str, word: &str, findings: &[Finding]) -> String {
    let mut text = format!("{name}: {word} at {}\n", at(see.now));
    for finding in findings {
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
pub(super) fn summary(see: &See<'_>, shown: usize, all: usize) -> Vec<Piece> {
    match all {
        0 if !is_known(see) => vec![Piece::new(see.sign(Glyph::Unknown), Tone::Unknown)],
        0 => vec![Piece::new(
            format!("{} nothing", see.sign(Glyph::Healthy)),
            Tone::Healthy,
        )],
        all if shown < all => vec![
            Piece::new(format!("the filter shows {shown}, "), Tone::Accent),
            Piece::muted(format!("{all} in all")),
        ],
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
