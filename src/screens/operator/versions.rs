//! The operator's version against the server version of every instance: what is known to go wrong between the two.

use crate::checks::pairs::{Pair, Standing, servers, standing};
use crate::domain::world::ContextWorld;
use crate::domain::{InstanceId, InstanceView, Version};
use crate::screens::parts::{Section, See, as_of};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// A cell of the matrix.
struct Cell {
    id: InstanceId,
    server: String,
    sign: Glyph,
    tone: Tone,
    verdict: &'static str,
    reference: &'static str,
    sentence: String,
    /// The instance before it of which the same was said already.
    same_as: Option<InstanceId>,
}

impl Cell {
    /// The name by which its selection is kept.
    fn name(&self) -> String {
        format!("{} {} {}", self.id, self.server, self.reference)
    }
}

/// What goes wrong in a row, in full.
pub(super) fn in_full(see: &See<'_>, context: &ContextWorld, at: usize) -> Option<String> {
    let cell = cells(see, context).into_iter().nth(at)?;
    let (id, server, verdict) = (cell.id, cell.server, cell.verdict);
    Some(format!("{id} on {server}: {verdict}, {}", cell.sentence))
}

/// The names of the rows that are shown, each with the instance that it is about.
pub(super) fn shown(see: &See<'_>, context: &ContextWorld) -> Vec<(String, InstanceId)> {
    let cells = cells(see, context).into_iter();
    cells.map(|cell| (cell.name(), cell.id)).collect()
}

fn tag(context: &ContextWorld) -> Option<&str> {
    let deployment = context.operators.iter().next();
    deployment.and_then(|held| held.value.version())
}

fn cells(see: &See<'_>, context: &ContextWorld) -> Vec<Cell> {
    let operator = tag(context).and_then(Version::parse);
    let mut cells: Vec<Cell> = Vec::new();
    for id in context.instances() {
        if let Some(view) = InstanceView::of(context, &id) {
            cells.extend(of_instance(&id, &view, operator));
        }
    }
    cells.retain(|cell| {
        let text = format!(
            "{} {} {} {}",
            cell.id, cell.server, cell.verdict, cell.sentence
        );
        !(see.ill_only && matches!(cell.tone, Tone::Healthy | Tone::Muted))
            && see.filter.words().all(|w| text.contains(w))
    });
    // What was said of one instance is not said again of the next: there is room for it once, and in full.
    let said: Vec<(InstanceId, &'static str, String)> = cells
        .iter()
        .map(|cell| (cell.id.clone(), cell.reference, cell.sentence.clone()))
        .collect();
    for (at, cell) in cells.iter_mut().enumerate() {
        let same = |(_, reference, sentence): &&(InstanceId, &str, String)| {
            !reference.is_empty() && *reference == cell.reference && *sentence == cell.sentence
        };
        let first = said.iter().take(at).find(same);
        cell.same_as = first.map(|(id, _, _)| id.clone());
    }
    cells
}

/// The pane.
pub(super) fn section<'a>(see: &'a See<'a>, context: &ContextWorld) -> Section<'a> {
    let tag = tag(context);
    let operator = tag.and_then(Version::parse);
    let cells = cells(see, context);
    let title = match (operator, tag) {
        (Some(version), _) => format!("Operator {version} with each server"),
        (None, Some(tag)) => format!("Operator of an unknown version ({tag}) with each server"),
        (None, None) => "Operator of an unknown version with each server".to_owned(),
    };
    let len = cells.len();
    let cells = std::rc::Rc::new(cells);
    let named = cells.clone();
    Section {
        right: as_of(see, context),
        columns: vec![
            Column::new("instance", "INSTANCE")
                .width(14, 27)
                .cut_middle(),
            Column::new("server", "SERVER").width(8, 16),
            Column::new("verdict", "VERDICT").width(13, 13),
            Column::new("reference", "SEE").width(10, 10).priority(1),
            Column::new("why", "WHAT GOES WRONG").width(20, 60).fill(),
        ],
        len,
        lines: super::SENTENCE,
        name: Box::new(move |at| named.get(at).map(Cell::name).unwrap_or_default()),
        row: Box::new(move |at| cells.get(at).map(|cell| row(see, cell)).unwrap_or_default()),
        empty: "no instance to be compared".to_owned(),
        ..Section::of("versions", title, Vec::new())
    }
}

fn of_instance(id: &InstanceId, view: &InstanceView<'_>, operator: Option<Version>) -> Vec<Cell> {
    let cell = |server: String, sign, tone, verdict, reference, sentence: String| Cell {
        id: id.clone(),
        server,
        sign,
        tone,
        verdict,
        reference,
        sentence,
        same_as: None,
    };
    let unknown = |server: String, why: String| {
        vec![cell(
            server,
            Glyph::Unknown,
            Tone::Unknown,
            "unknown",
            "",
            why,
        )]
    };
    let versions = match servers(view) {
        Ok(versions) => versions,
        Err(why) => return unknown("unknown".to_owned(), why),
    };
    let Some(operator) = operator else {
        let all: Vec<String> = versions.iter().map(|server| server.word.clone()).collect();
        let why = "the operator's image does not tell its version".to_owned();
        return unknown(all.join(" "), why);
    };
    let snapshot = view.dragonfly.value.snapshot.as_ref();
    let mut cells = Vec::new();
    for server in versions {
        let pair = Pair {
            operator,
            server: server.version,
            pods: view.wanted().unwrap_or(1),
            master_only: snapshot.is_some_and(|snapshot| snapshot.master_only),
        };
        // What nobody runs has done nothing wrong, nor right.
        let lead = match server.runs {
            true => "",
            false => "wanted, and no node runs it: ",
        };
        let wanted = !server.runs;
        let server = server.word;
        match standing(&pair) {
            Standing::Good if wanted => cells.push(cell(
                server,
                Glyph::Dot,
                Tone::Muted,
                "not run",
                "",
                format!("{lead}nothing is known to go wrong"),
            )),
            Standing::Good => cells.push(cell(
                server,
                Glyph::Healthy,
                Tone::Healthy,
                "ok",
                "",
                "nothing is known to go wrong".to_owned(),
            )),
            Standing::Untested(why) => cells.push(cell(
                server,
                Glyph::Unknown,
                Tone::Unknown,
                "untested",
                "",
                format!("{lead}{why}"),
            )),
            Standing::Faulty(known) => cells.extend(known.into_iter().map(|known| {
                let (sign, tone, verdict) = match known.fatal {
                    true => (Glyph::Broken, Tone::Broken, "will not run"),
                    false => (Glyph::Warning, Tone::Degraded, "known fault"),
                };
                let sentence = format!("{lead}{}", known.sentence);
                cell(
                    server.clone(),
                    sign,
                    tone,
                    verdict,
                    known.reference,
                    sentence,
                )
            })),
        }
    }
    cells
}

fn row(see: &See<'_>, cell: &Cell) -> Row {
    Row::new(vec![
        Piece::text(cell.id.to_string()),
        Piece::text(cell.server.clone()),
        Piece::new(
            format!("{} {}", see.sign(cell.sign), cell.verdict),
            cell.tone,
        ),
        Piece::text(cell.reference),
        Piece::muted(match &cell.same_as {
            Some(id) => format!("as with {id}"),
            None => cell.sentence.clone(),
        }),
    ])
}
