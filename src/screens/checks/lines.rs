//! The rows: a heading for each group with its counts, below it what was found or cannot be judged, one a row. What passes is
//! counted in the heading and named below it; where a filter asks for it, it has rows, one a check.

use std::collections::BTreeMap;

use crate::checks::{
    ACCEPTANCE, ALL, Area, Criterion, Kept, Standing, Subject, Tally, Topic, Verdict,
};
use crate::screens::parts::answers::{self, Answered};
use crate::screens::parts::{Field, Measure, Section, See, Sieved};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row, draw};

/// Columns that may be scrolled away.
pub(super) const COLUMNS: usize = 6;

/// What rows stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Grouping {
    /// The parts of the whole.
    #[default]
    Area,
    /// The story's acceptance criteria.
    Story,
}

impl Grouping {
    pub fn other(self) -> Self {
        match self {
            Grouping::Area => Grouping::Story,
            Grouping::Story => Grouping::Area,
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Grouping::Area => "by area",
            Grouping::Story => "by the story's criteria",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Grouping::Area => "answers stand by area",
            Grouping::Story => "answers stand by the acceptance criteria of the story",
        }
    }

    fn groups(self) -> Vec<Group> {
        match self {
            Grouping::Area => Area::ALL.iter().map(|area| Group::Area(*area)).collect(),
            Grouping::Story => Criterion::ALL.iter().map(|ac| Group::Story(*ac)).collect(),
        }
    }
}

/// Rows that stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Area(Area),
    Story(Criterion),
}

impl Group {
    fn has(self, area: Area) -> bool {
        match self {
            Group::Area(one) => one == area,
            Group::Story(one) => Criterion::of(area) == one,
        }
    }

    fn title(self) -> String {
        match self {
            Group::Area(area) => area.title().to_owned(),
            Group::Story(one) => format!("{} {}", one.word(), one.title()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Group::Area(area) => area.word(),
            Group::Story(one) => one.word(),
        }
    }
}

/// A row, by what it is about: what it says is looked up when it is drawn.
#[derive(Debug, Clone)]
pub(super) enum Line {
    Heading(Group, Tally),
    Answer(Subject, &'static str),
    /// What cannot be told for one and the same reason: of whom, and by which checks.
    Untold(Vec<(Subject, &'static str)>),
    /// So many subjects pass that check.
    Passes(&'static str, usize),
}

impl Line {
    pub fn name(&self) -> String {
        match self {
            Line::Heading(group, _) => format!("group {}", group.name()),
            Line::Answer(subject, check) => {
                format!("{check} {}", Topic::from(subject.clone()).name())
            }
            Line::Untold(all) => match all.first() {
                Some((subject, check)) => {
                    format!("untold {check} {}", Topic::from(subject.clone()).name())
                }
                None => String::new(),
            },
            Line::Passes(check, _) => format!("passes {check}"),
        }
    }

    /// How many answers it stands for.
    pub fn answers(&self) -> usize {
        match self {
            Line::Heading(..) => 0,
            Line::Answer(..) => 1,
            Line::Untold(all) => all.len(),
            Line::Passes(_, count) => *count,
        }
    }

    pub fn answered<'a>(&self, standing: &'a Standing) -> Option<Answered<'a>> {
        let Line::Answer(subject, check) = self else {
            return None;
        };
        let (subject, kept) = standing.entry(subject, check)?;
        Some(Answered { subject, kept })
    }

    pub fn is_ill(&self, standing: &Standing) -> bool {
        self.answered(standing).is_some_and(|one| one.kept.is_ill())
    }

    pub fn row(&self, see: &See<'_>) -> Row {
        match self {
            Line::Heading(group, tally) => {
                let tone = match (tally.finding, tally.unknown) {
                    (1.., _) => Tone::Degraded,
                    (0, 1..) => Tone::Unknown,
                    (0, 0) => Tone::Strong,
                };
                let text = format!("{}: {}", group.title(), counts(tally));
                Row::new(vec![Piece::new(text, tone)]).spanning()
            }
            Line::Answer(..) => match self.answered(see.standing) {
                Some(one) => answers::row(see, &one),
                None => Row::new(vec![Piece::muted("is not asked any more")]).spanning(),
            },
            Line::Untold(all) => {
                let first = all.first();
                let known = first.and_then(|(subject, check)| see.standing.entry(subject, check));
                let Some((subject, kept)) = known else {
                    return Row::new(vec![Piece::muted("is not asked any more")]).spanning();
                };
                let mut row = answers::row(see, &Answered { subject, kept });
                let about = row.cells.len().saturating_sub(5);
                if let Some([subjects, checks]) = row.cells.get_mut(about..about + 2) {
                    let mut who: Vec<&Subject> = all.iter().map(|(subject, _)| subject).collect();
                    who.sort();
                    who.dedup();
                    if who.len() > 1 {
                        *subjects = Piece::text(format!("{} subjects", who.len()));
                    }
                    let mut ids: Vec<&str> = all.iter().map(|(_, check)| *check).collect();
                    ids.sort_unstable();
                    ids.dedup();
                    if ids.len() > 1 {
                        *checks = Piece::muted(format!("{} checks", ids.len()));
                    }
                }
                row
            }
            Line::Passes(check, count) => {
                let sign = see.sign(Glyph::Healthy);
                let mut cells = vec![Piece::new(format!("{sign} pass"), Tone::Healthy)];
                if see.world.contexts().count() > 1 {
                    cells.push(Piece::text(""));
                }
                let title = titled(check).0;
                cells.extend([
                    Piece::muted(match count {
                        1 => "1 subject".to_owned(),
                        n => format!("{n} subjects"),
                    }),
                    Piece::muted(*check),
                    Piece::muted(title),
                    Piece::text(""),
                    Piece::text(""),
                ]);
                Row::new(cells)
            }
        }
    }

    /// What is told below of a row that is no single answer.
    pub fn told<'a>(&self, see: &See<'_>, width: u16) -> Section<'a> {
        let (title, lines) = match self {
            Line::Heading(group, tally) => {
                let areas = Area::ALL.iter().filter(|area| group.has(**area));
                let areas: Vec<String> = areas.map(|area| area.word().to_owned()).collect();
                let mut told = vec![
                    format!("{}; {} do not apply", tally.words(), tally.not_applicable),
                    format!("Areas: {}", areas.join(", ")),
                ];
                let mut passing: BTreeMap<&str, usize> = BTreeMap::new();
                let all = see.standing.answers();
                for (_, kept) in all.filter(|(_, kept)| group.has(kept.check.area) && passes(kept))
                {
                    *passing.entry(kept.check.title).or_default() += 1;
                }
                told.extend(passing.iter().map(|(title, count)| match count {
                    1 => format!("{} {title}", see.sign(Glyph::Healthy)),
                    n => format!("{} {title}: {n} of them", see.sign(Glyph::Healthy)),
                }));
                (group.title(), told)
            }
            Line::Passes(check, _) => {
                let (title, why, reads) = titled(check);
                let who: Vec<String> = see
                    .standing
                    .answers()
                    .filter(|(_, kept)| kept.check.id == *check && passes(kept))
                    .map(|(subject, _)| Topic::from(subject.clone()).name())
                    .take(50)
                    .collect();
                let told = vec![
                    format!("{title}: passes for {}", who.join("; ")),
                    format!("Why: {why}"),
                    format!("Reads: {reads}"),
                ];
                ((*check).to_owned(), told)
            }
            Line::Untold(all) => {
                let first = all.first();
                let why =
                    first.and_then(|(subject, check)| see.standing.of(subject, check)?.finding());
                let mut told: Vec<String> = Vec::new();
                if let Some(why) = why {
                    told.push(format!("{} {}", see.sign(Glyph::Unknown), why.sentence));
                    told.extend(
                        why.steps()
                            .iter()
                            .map(|step| format!("Next: {}", step.words())),
                    );
                }
                told.push("For that reason is not known:".to_owned());
                let mut by: BTreeMap<&str, Vec<String>> = BTreeMap::new();
                for (subject, check) in all {
                    let name = Topic::from(subject.clone()).name();
                    by.entry(check).or_default().push(name);
                }
                told.extend(by.iter().map(|(check, who)| {
                    let title = titled(check).0;
                    format!(
                        "{} {title} ({check}): {}",
                        see.sign(Glyph::Dot),
                        who.join("; ")
                    )
                }));
                ("Not known for one reason".to_owned(), told)
            }
            Line::Answer(..) => (String::new(), Vec::new()),
        };
        let room = usize::from(width.saturating_sub(4)).max(20);
        let rows = lines
            .iter()
            .flat_map(|line| draw::wrap(line, room))
            .enumerate()
            .map(|(at, line)| (at.to_string(), Row::new(vec![Piece::text(line)])))
            .collect();
        Section {
            columns: vec![Column::new("text", "").width(20, 220).fill()],
            headless: true,
            ..Section::of("evidence", title, rows)
        }
    }
}

/// Title, why and what it reads, of the check of that id.
fn titled(id: &str) -> (&'static str, &'static str, &'static str) {
    let found = ALL.iter().chain(ACCEPTANCE).find(|check| check.id == id);
    found.map_or(("", "", ""), |check| (check.title, check.why, check.reads))
}

fn passes(kept: &Kept) -> bool {
    matches!(kept.verdict, Verdict::Pass)
}

/// All rows, in their order.
pub(super) fn lines(see: &See<'_>, grouping: Grouping) -> Vec<Line> {
    let tallies = see.standing.tallies();
    let is_sieved = see.ill_only || !see.filter.written().is_empty();
    let mut by_area: BTreeMap<Area, Vec<Answered<'_>>> = BTreeMap::new();
    let mut passing: BTreeMap<(Area, usize), usize> = BTreeMap::new();
    for (subject, kept) in see.standing.answers() {
        let one = Answered { subject, kept };
        // What flaps is told though it passes at this moment.
        if passes(kept) && !kept.is_flapping(see.now) {
            if !see.ill_only && is_sieved && see.filter.shows(&Words::of(&one)) {
                let place = ALL.iter().chain(ACCEPTANCE);
                let place = place.take_while(|check| check.id != kept.check.id).count();
                *passing.entry((kept.check.area, place)).or_default() += 1;
            }
        } else if (!see.ill_only || kept.is_ill()) && see.filter.shows(&Words::of(&one)) {
            by_area.entry(kept.check.area).or_default().push(one);
        }
    }
    let mut lines = Vec::new();
    for group in grouping.groups() {
        let mut tally = Tally::default();
        for (area, one) in &tallies {
            if group.has(*area) {
                tally.add(*one);
            }
        }
        let mut told: Vec<Answered<'_>> = by_area
            .iter()
            .filter(|(area, _)| group.has(**area))
            .flat_map(|(_, told)| told.iter().copied())
            .collect();
        told.sort_by_key(|one| (one.kept.rank(), std::cmp::Reverse(one.kept.since.at())));
        let passed: Vec<Line> = passing
            .iter()
            .filter(|((area, _), _)| group.has(*area))
            .filter_map(|((_, place), count)| {
                let check = ALL.iter().chain(ACCEPTANCE).nth(*place)?;
                Some(Line::Passes(check.id, *count))
            })
            .collect();
        if told.is_empty() && passed.is_empty() && is_sieved {
            continue;
        }
        lines.push(Line::Heading(group, tally));
        lines.extend(folded(&told));
        lines.extend(passed);
    }
    lines
}

/// A row an answer, but one for all that cannot be told for the same reason: where a source is refused, all that read it say so.
fn folded(told: &[Answered<'_>]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for one in told {
        let answer = (one.subject.clone(), one.kept.check.id);
        let reason = match &one.kept.verdict {
            Verdict::Unknown(why) => Some(why.sentence.as_str()),
            _ => None,
        };
        let known = reason.and_then(|reason| reasons.get(reason).copied());
        match known.and_then(|at| lines.get_mut(at)) {
            Some(Line::Untold(all)) => all.push(answer),
            Some(line) => {
                if let Line::Answer(subject, check) = line {
                    *line = Line::Untold(vec![(subject.clone(), *check), answer]);
                }
            }
            None => {
                if let Some(reason) = reason {
                    reasons.insert(reason, lines.len());
                }
                lines.push(Line::Answer(answer.0, answer.1));
            }
        }
    }
    lines
}

/// How many answers there are in all.
pub(super) fn all(see: &See<'_>) -> usize {
    see.standing.answers().count()
}

/// `12 pass, 3 findings, 1 unknown` of everything.
pub(super) fn summary(see: &See<'_>) -> Vec<Piece> {
    let mut sum = Tally::default();
    for (_, one) in see.standing.tallies() {
        sum.add(one);
    }
    let flapping = see.standing.answers();
    let flapping = flapping
        .filter(|(_, kept)| kept.is_flapping(see.now))
        .count();
    let mut pieces = vec![Piece::muted(counts(&sum))];
    if flapping > 0 {
        pieces.push(Piece::new(
            format!(", {} {flapping} flapping", see.sign(Glyph::Syncing)),
            Tone::Degraded,
        ));
    }
    pieces
}

fn counts(tally: &Tally) -> String {
    format!("{}, {} n/a", tally.words(), tally.not_applicable)
}

pub(super) fn empty(see: &See<'_>) -> String {
    match (see.standing.is_kept(), see.world.contexts().next()) {
        (_, None) => see.hint.unwrap_or("no context is open").to_owned(),
        (true, _) => "nothing fits the filter".to_owned(),
        (false, _) => "the checks have not been asked yet".to_owned(),
    }
}

/// An answer as the filter sees it.
struct Words {
    text: String,
    state: &'static str,
    context: String,
    namespace: String,
    name: String,
}

impl Words {
    fn of(one: &Answered<'_>) -> Self {
        let (namespace, name) = match one.subject {
            Subject::Instance(id) => (id.namespace.to_string(), id.name.to_string()),
            Subject::Consumer(id) => (id.namespace.to_string(), id.name.to_string()),
            Subject::Context(_) | Subject::Operator(_) => Default::default(),
        };
        let finding = one.kept.finding();
        let text = format!(
            "{} {} {} {} {} {} {}",
            answers::word(one.kept),
            one.kept.check.id,
            one.kept.check.area.word(),
            Criterion::of(one.kept.check.area).word(),
            one.kept.check.title,
            Topic::from(one.subject.clone()).name(),
            finding.map_or("", |found| &found.sentence),
        );
        Self {
            text: text.to_lowercase(),
            state: match finding {
                Some(found) if one.kept.is_ill() && !found.state.is_ill() => "degraded",
                Some(found) => found.state.word(),
                None => "healthy",
            },
            context: one.subject.context().to_string(),
            namespace,
            name,
        }
    }
}

impl Sieved for Words {
    fn text(&self) -> &str {
        &self.text
    }

    fn field(&self, field: Field) -> &str {
        match field {
            Field::State => self.state,
            Field::Context => &self.context,
            Field::Namespace => &self.namespace,
            Field::Name => &self.name,
            Field::Master | Field::Version => "",
        }
    }

    fn figure(&self, _: Measure) -> Option<f64> {
        None
    }
}
