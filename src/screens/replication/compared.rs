//! The last comparison of the nodes' data, and its age: the only thing that tells silent divergence.

use crate::domain::comparison::Changed;
use crate::domain::{Compared, Comparison, InstanceView, text};
use crate::screens::parts::{Section, See};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// The pane.
pub(super) fn section<'a>(see: &'a See<'a>, view: &'a InstanceView<'a>) -> Section<'a> {
    let id = &view.id;
    let columns = vec![
        Column::new("node", "NODE").width(8, 40).cut_middle(),
        Column::new("verdict", "DATA").width(10, 26),
        Column::new("equal", "EQUAL").width(6, 8).right(),
        Column::new("different", "OTHER").width(5, 8).right(),
        Column::new("missing", "MISSING").width(7, 8).right(),
        Column::new("keys", "KEYS").width(6, 8).right().priority(1),
        Column::new("why", "NOTE").width(12, 60).fill().priority(1),
    ];
    let mut section = Section {
        columns,
        // What has changed since is told whole.
        lines: 3,
        empty: "never compared: i c compares 200 keys of the nodes; it alone tells whether they hold the same data".to_owned(),
        ..Section::of("compared", "Data compared", Vec::new())
    };
    let Some(known) = view.context.comparison(&id.namespace, &id.name) else {
        return section;
    };
    let age = see.age(known.at);
    let mut was = Vec::new();
    match &known.value {
        Err(fault) => section.empty = format!("could not be compared {age} ago: {}", fault.message),
        Ok(made) => {
            was = view.changed_since(made, known.at);
            let of_master = was.iter().any(|one| one.pod == made.master);
            let is_past = |node: &Compared| {
                of_master || !view.context.is_live() || was.iter().any(|one| one.pod == node.pod)
            };
            let mut rows = vec![(made.master.to_string(), sampled(made))];
            rows.extend(
                made.nodes
                    .iter()
                    .map(|node| (node.pod.to_string(), cells(see, node, is_past(node)))),
            );
            if let Some(text) = outdated(&was) {
                rows.insert(0, (String::new(), Row::new(vec![text]).spanning()));
            }
            let of = Section::of("compared", "", rows);
            section.len = of.len;
            section.name = of.name;
            section.row = of.row;
        }
    }
    section.right = match was.is_empty() {
        true => vec![Piece::muted(format!("{age} ago"))],
        false => vec![Piece::new(format!("as of {age} ago"), Tone::Stale)],
    };
    section
}

/// That it tells of the past, and what has changed since; nothing while nothing has.
fn outdated(was: &[Changed]) -> Option<Piece> {
    let what = Changed::words(was);
    (!was.is_empty()).then(|| {
        let text = format!("since then {what}; i c compares anew");
        Piece::new(text, Tone::Unknown)
    })
}

/// The node whose keys were sampled.
fn sampled(made: &Comparison) -> Row {
    let left_out = match made.too_large {
        0 => String::new(),
        n => format!(", {n} more too large to be read"),
    };
    let taken = match () {
        () if made.every => "all keys that it has".to_owned(),
        () if made.sampled + made.too_large < made.asked => {
            format!("keys taken at random from it, of {} asked for", made.asked)
        }
        () => "keys taken at random from it".to_owned(),
    };
    Row::new(vec![
        Piece::new(made.master.to_string(), Tone::Strong),
        Piece::muted("sampled"),
        Piece::text(made.sampled.to_string()),
        Piece::muted(""),
        Piece::muted(""),
        Piece::text(made.keys.map(text::count).unwrap_or_default()),
        Piece::muted(format!("{taken}{left_out}")),
    ])
}

fn cells(see: &See<'_>, node: &Compared, is_past: bool) -> Row {
    let ill = node.different + node.missing > 0;
    let (sign, word, tone) = match (&node.fault, ill) {
        (Some(_) | None, true) if is_past => (Glyph::Unknown, "was diverged", Tone::Unknown),
        (None, false) if is_past => (Glyph::Unknown, "was the same", Tone::Unknown),
        (_, true) => (Glyph::Broken, "diverged", Tone::Broken),
        (Some(_), false) => (Glyph::Unknown, "not to the end", Tone::Unknown),
        (None, false) => (Glyph::Healthy, "the same", Tone::Healthy),
    };
    let count = |n: usize, tone: Tone| match n {
        0 => Piece::muted("0"),
        n => Piece::new(n.to_string(), tone),
    };
    let why = match (&node.fault, node.names.as_slice()) {
        (Some(fault), _) => fault.message.clone(),
        (None, []) => String::new(),
        (None, names) => names.join(", "),
    };
    Row::new(vec![
        Piece::new(node.pod.to_string(), Tone::Strong),
        Piece::new(format!("{} {word}", see.sign(sign)), tone),
        Piece::text(node.equal.to_string()),
        count(node.different, Tone::Broken),
        count(node.missing, Tone::Broken),
        Piece::text(node.keys.map(text::count).unwrap_or_default()),
        Piece::muted(why),
    ])
    .stale(is_past)
}
