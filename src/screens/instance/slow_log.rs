//! Commands that took long, of all nodes, slowest first. Of a command its name and its first argument are shown, which for
//! most is a key, and of secret ones not even that: values are never kept.

use crate::domain::consumers::{Consumers, host};
use crate::domain::engine::{Question, SlowEntry};
use crate::domain::{InstanceView, NodeView};
use crate::screens::parts::See;
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// A slow command, and where it ran.
pub(super) struct Slow<'a> {
    pub node: &'a NodeView<'a>,
    pub entry: &'a SlowEntry,
}

/// Every slow command that is known, slowest first.
pub(super) fn slowest<'a>(view: &'a InstanceView<'a>) -> Vec<Slow<'a>> {
    let mut all: Vec<Slow<'a>> = view
        .nodes
        .iter()
        .filter_map(|node| Some((node, node.engine?.slow_log.as_ref()?)))
        .flat_map(|(node, known)| {
            let entries = known.value.slowest.iter();
            entries.map(move |entry| Slow { node, entry })
        })
        .collect();
    all.sort_by_key(|slow| {
        (
            std::cmp::Reverse(slow.entry.micros),
            slow.node.id.pod.clone(),
        )
    });
    all
}

/// The name of a slow command, by which a selection is kept.
pub(super) fn name(slow: &Slow<'_>) -> String {
    let id = slow.entry.id.unwrap_or(0);
    format!("{} {id} {}", slow.node.id.pod, slow.entry.micros)
}

/// The columns, from left to right.
pub(super) fn columns() -> Vec<Column> {
    vec![
        Column::new("took", "TOOK").width(8, 8).right(),
        Column::new("command", "COMMAND").width(9, 20).pinned(),
        Column::new("key", "KEY").width(10, 48).fill(),
        Column::new("node", "NODE")
            .width(8, 32)
            .firm(14)
            .cut_middle()
            .priority(3),
        Column::new("ago", "AGE").width(6, 6).right().priority(2),
        Column::new("arguments", "ARGS")
            .width(5, 5)
            .right()
            .priority(4),
        Column::new("client", "BY")
            .width(12, 40)
            .firm(20)
            .priority(1),
        Column::new("name", "CALLED").width(8, 24).priority(5),
    ]
}

/// The cells of a slow command, in the order of [`columns`].
pub(super) fn cells(see: &See<'_>, consumers: &Consumers, slow: &Slow<'_>) -> Row {
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let entry = slow.entry;
    let at = entry
        .at
        .and_then(|at| jiff::Timestamp::from_second(at).ok())
        .map(|at| {
            slow.node
                .engine
                .map_or(at, |engine| engine.by_our_clock(at))
        });
    Row::new(vec![
        Piece::new(took(entry.micros), Tone::Strong),
        Piece::text(entry.command.clone()),
        entry.key.clone().map_or_else(dash, Piece::text),
        Piece::text(slow.node.id.pod.to_string()),
        at.map_or_else(dash, |at| Piece::muted(see.age(at))),
        Piece::muted(entry.arguments.to_string()),
        entry.client.as_deref().map_or_else(dash, |client| {
            Piece::text(consumers.whose(host(client)).words())
        }),
        entry.name.clone().map_or_else(dash, Piece::muted),
    ])
    .stale(slow.node.engine_on(Question::SlowLog).is_none())
}

/// `840 us`, `12.3 ms`, `4.2 s`.
pub(super) fn took(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

/// What is said when there is none.
pub(super) fn empty(view: &InstanceView<'_>) -> String {
    let asked = view
        .nodes
        .iter()
        .any(|node| node.engine.is_some_and(|engine| engine.slow_log.is_some()));
    match asked {
        true => "no command took long enough to be remembered",
        false => "no node has told its slow log yet",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::took;

    #[test]
    fn a_time_is_written_in_the_unit_that_suits_it() {
        for (micros, wanted) in [
            (0, "0 us"),
            (840, "840 us"),
            (1_250, "1.2 ms"),
            (12_345, "12 ms"),
            (4_280_000, "4.2 s"),
        ] {
            assert_eq!(took(micros), wanted);
        }
    }
}
