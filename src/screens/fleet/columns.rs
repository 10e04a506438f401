//! The columns of the Fleet table, and the cells of a row.

use jiff::Timestamp;

use super::row::{FleetRow, master_cell};
use crate::checks::Since;
use crate::domain::{Figures, text};
use crate::screens::parts::{See, memory_words};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Cut, Piece, Row};

/// What the columns are fitted to besides the width of the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fit {
    /// The longest name of a context, of an instance with its namespace, and of an instance alone. Names do not change
    /// before one's eyes, so columns may follow them.
    pub longest: (u16, u16, u16),
    /// What the names of contexts share at both ends, in characters.
    pub shared: (usize, usize),
    /// More than one context is shown; the name of a single one is on the top line and not in every row.
    pub several_contexts: bool,
    /// How old figures are stands in a column only where some are.
    pub any_old: bool,
    /// The screen is narrower than [`WIDE`].
    pub narrow: bool,
}

/// Columns of a screen from which on names are cut less.
pub(super) const WIDE: u16 = 100;
/// Columns that names of contexts keep beside figures at the most.
const PLACE: u16 = 12;
/// Columns that a context and an instance have together beside everything up to SYNC, on a screen of 80.
const NAMES: u16 = 21;

/// Columns of what tells the longest name of a context from the others, with the signs for what is left out.
fn own_part(longest: u16, (before, after): (usize, usize)) -> u16 {
    let shared = u16::try_from(before + after).unwrap_or(u16::MAX);
    let signs = u16::from(before > 0) + u16::from(after > 0);
    longest.saturating_sub(shared).saturating_add(signs)
}

/// Every column, from left to right. Each can be sorted by.
///
/// What someone on call needs first stays longest: what is wrong with which instance since when and who is its master, then
/// nodes, replicas in sync, how far they are behind, memory. Before one of these leaves, a long word or name beside it is
/// cut; everything else is shown only where nothing has to be cut for it.
pub(super) fn columns(fit: Fit) -> Vec<Column> {
    // Names of instances longer than this are cut before a figure leaves for them, and those of contexts. On a screen of 80
    // columns both are cut further, so that nodes and replicas in sync are there.
    let (longest_context, longest_instance, master) = fit.longest;
    let (least, name, place) = match fit.narrow && fit.several_contexts {
        true => {
            let place = own_part(longest_context, fit.shared).clamp(7, PLACE);
            let name = match place {
                7..=9 => NAMES - place,
                _ => NAMES - 7,
            };
            (name, name, place)
        }
        // How old figures are takes room away from names, not from figures nor from the word for what is wrong.
        false if fit.any_old => {
            let place = own_part(longest_context, fit.shared).clamp(9, PLACE);
            (18, 18, place)
        }
        false => (20, 23, PLACE),
    };
    // A pod is called by its instance's name, a dash and a number; before it stands a sign where it is not certain.
    let master = master.saturating_add(4).clamp(11, 28);
    let as_of_first = if fit.any_old { 2 } else { 10 };
    let context = Column::new("context", "CONTEXT")
        .width(7, 32)
        .holds(longest_context)
        .cut(Cut::Shared(fit.shared.0, fit.shared.1));
    let context = match fit.several_contexts {
        true => context.firm(place).pinned(),
        false => context.priority(9),
    };
    let instance = Column::new("instance", "INSTANCE")
        .width(least, 64)
        .holds(longest_instance)
        .firm(name)
        .cut_middle()
        .pinned();
    let state = Column::new("state", "STATE").width(17, 19).pinned();
    vec![
        match fit.any_old && !fit.narrow {
            true => state.width(14, 19).firm(19),
            false => state,
        },
        Column::figure("since", "SINCE", 6, 1),
        context,
        instance,
        Column::new("master", "MASTER")
            .width(11, master)
            .holds(master)
            .cut_middle()
            .priority(1),
        Column::figure("nodes", "NODES", 5, 2),
        Column::figure("sync", "SYNC", 6, 2),
        // Journal records, the unit that the engine counts in.
        Column::figure("lag", "LAG rec", 7, 3),
        // What the engine uses, held against its limit; what is resident stands with each node.
        Column::figure("mem", "MEM USED", 13, 3),
        Column::figure("ops", "OPS/S", 6, 6),
        Column::figure("as-of", "AS OF", 6, as_of_first),
        Column::figure("keys", "KEYS", 6, 7),
        Column::new("version", "VERSION").width(8, 12).priority(8),
        Column::figure("restarts", "RESTARTS", 8, 9),
        Column::figure("age", "AGE", 6, 7),
    ]
}

/// Ids of all columns, from left to right.
pub(super) fn ids() -> Vec<&'static str> {
    columns(Fit::default())
        .iter()
        .map(|column| column.id)
        .collect()
}

/// A way of sorting that makes sense first: figures from the most, names from the first.
pub(super) fn descends_first(column: &str) -> bool {
    !matches!(
        column,
        "context" | "instance" | "master" | "version" | "sync" | "nodes" | "age"
    )
}

/// The cells of a row, in the order of [`columns`].
pub(super) fn cells(see: &See<'_>, row: &FleetRow) -> Row {
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let state = Piece::new(format!("{} {}", see.sign(row.sign), row.word), row.tone);
    let since = match row.since {
        None => Piece::default(),
        Some(since) => {
            let age = see.age(since.at());
            // Only our own watching vouches for it: it may be older.
            let text = match since {
                Since::Exactly(_) => age,
                Since::Seen(_) => format!(">{age}"),
            };
            Piece::muted(text)
        }
    };
    let context = Piece::muted(row.key.context().as_str());
    let Some(figures) = &row.figures else {
        // Why a context shows no instance, in a sentence over the columns of an instance.
        let why = Piece::muted(row.name.clone());
        return Row::new(vec![state, since, context, why]).spanning();
    };
    let name = Piece::new(row.name.clone(), Tone::Strong);
    let (master_tone, master) = master_cell(see, &figures.master);
    let number = |figure: Option<u64>| figure.map_or_else(dash, |n| Piece::text(text::count(n)));
    Row::new(vec![
        state,
        since,
        context,
        name,
        Piece::new(master, master_tone),
        nodes(figures),
        sync(figures),
        lag(see, figures).unwrap_or_else(dash),
        memory(figures).unwrap_or_else(dash),
        number(figures.ops),
        old_since(see, row).map_or_else(Piece::default, |at| Piece::new(see.age(at), Tone::Stale)),
        number(figures.keys),
        version(figures).unwrap_or_else(dash),
        restarts(row),
        row.created
            .map_or_else(dash, |at| Piece::muted(see.age(at))),
    ])
    .stale(row.is_stale)
}

fn nodes(figures: &Figures) -> Piece {
    let ready = i64::try_from(figures.ready).unwrap_or(i64::MAX);
    let tone = match figures.wanted {
        Some(wanted) if ready < wanted => Tone::Degraded,
        Some(_) => Tone::Text,
        None => Tone::Unknown,
    };
    Piece::new(figures.nodes_words(), tone)
}

fn sync(figures: &Figures) -> Piece {
    let tone = match figures.in_sync {
        None => Tone::Unknown,
        Some(in_sync) if in_sync < figures.replicas => Tone::Degraded,
        Some(_) => Tone::Text,
    };
    Piece::new(figures.sync_words(), tone)
}

fn lag(see: &See<'_>, figures: &Figures) -> Option<Piece> {
    let lag = figures.lag?;
    let tone = if lag > see.limits.lag {
        Tone::Degraded
    } else {
        Tone::Text
    };
    Some(Piece::new(text::count(lag), tone))
}

/// `61%  1.8 GiB`.
fn memory(figures: &Figures) -> Option<Piece> {
    /// Dragonfly refuses writes at its limit; before that it evicts or slows down.
    const NEARLY_FULL: u64 = 90;
    let percent = figures.used_percent();
    let text = memory_words(figures.used?, percent);
    Some(match percent {
        Some(percent) if percent >= NEARLY_FULL => Piece::new(text, Tone::Degraded),
        _ => Piece::text(text),
    })
}

/// When the figures of a row are from, where they are older than they should be.
pub(super) fn old_since(see: &See<'_>, row: &FleetRow) -> Option<Timestamp> {
    row.stale_since.or_else(|| {
        let at = row.figures.as_ref()?.as_of?;
        see.is_older(at, see.period()).then_some(at)
    })
}

fn version(figures: &Figures) -> Option<Piece> {
    match figures.versions.as_slice() {
        [] => None,
        [one] => Some(Piece::text(one.clone())),
        several => Some(Piece::new(
            format!("{} kinds", several.len()),
            Tone::Degraded,
        )),
    }
}

fn restarts(row: &FleetRow) -> Piece {
    match row.restarts {
        0 => Piece::muted("0"),
        n => Piece::text(n.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use crate::widgets::table::fit_columns;

    /// The columns that are shown, with the width of those that may be cut.
    fn shown(width: u16, contexts: &[&str], instance: &str, state: &str) -> String {
        aged(false, width, contexts, instance, state)
    }

    /// The same, where figures of some are old.
    fn aged(any_old: bool, width: u16, contexts: &[&str], instance: &str, state: &str) -> String {
        let wide = |text: &str| u16::try_from(text.chars().count()).unwrap_or(u16::MAX);
        let longest = contexts.iter().map(|name| wide(name)).max().unwrap_or(0);
        let name = instance.rsplit('/').next().unwrap_or_default();
        let columns = columns(Fit {
            longest: (longest, wide(instance), wide(name)),
            several_contexts: contexts.len() > 1,
            narrow: width < WIDE,
            any_old,
            ..Fit::default()
        });
        let mut held = vec![0; columns.len()];
        // Its sign stands before it.
        held[0] = wide(state) + 2;
        // The marker and the hint that columns were left out.
        let placed = fit_columns(&columns, width - 2, 0, &held);
        let names = placed.iter().map(|place| {
            let column = &columns[place.column];
            match column.min == column.most {
                true => column.id.to_owned(),
                false => format!("{}+{}", column.id, place.width),
            }
        });
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn long_words_are_cut_before_a_figure_leaves_and_triage_stays_longest() {
        const TWO: &[&str] = &["lab-infra", "lab-apps"];
        const LONG: &[&str] = &["gke_acme_europe-west1_prod", "gke_acme_us-east1_prod"];
        let system = "dragonfly-system/dragonfly";
        for (width, contexts, instance, state, wanted) in [
            (
                120,
                TWO,
                system,
                "healthy",
                "state+17 since context+9 instance+26 master+13 nodes sync lag mem",
            ),
            // A long word takes nothing away.
            (
                120,
                TWO,
                system,
                "service elsewhere",
                "state+19 since context+9 instance+26 master+11 nodes sync lag mem",
            ),
            // Nor do long names.
            (
                120,
                LONG,
                "payments-production/checkout-sessions",
                "takeover wedged",
                "state+17 since context+14 instance+23 master+11 nodes sync lag mem",
            ),
            (
                100,
                TWO,
                system,
                "split brain",
                "state+17 since context+9 instance+23 master+11 nodes sync lag",
            ),
            (
                80,
                TWO,
                system,
                "no master",
                "state+17 since context+9 instance+12 master+11 nodes sync",
            ),
            (
                80,
                LONG,
                "payments-production/checkout-sessions",
                "two master labels",
                "state+17 since context+15 instance+14 master+11 nodes",
            ),
            // The name of a single context is on the top line.
            (
                80,
                &["lab-infra"],
                system,
                "no master",
                "state+17 since instance+23 master+11 nodes sync",
            ),
            (
                60,
                &["lab-infra"],
                system,
                "no master",
                "state+17 since instance+26",
            ),
        ] {
            let told = shown(width, contexts, instance, state);
            assert_eq!(told, wanted, "{width} {contexts:?} {state}");
        }
    }

    #[test]
    fn how_old_figures_are_takes_no_figure_away() {
        let contexts = &["lab-infra", "lab-apps"];
        for (width, state, wanted) in [
            (
                120,
                "healthy",
                "state+14 since context+9 instance+23 master+11 nodes sync lag mem as-of",
            ),
            (
                120,
                "service elsewhere",
                "state+19 since context+9 instance+18 master+11 nodes sync lag mem as-of",
            ),
            (
                100,
                "service elsewhere",
                "state+19 since context+9 instance+22 master+11 nodes sync as-of",
            ),
        ] {
            let told = aged(true, width, contexts, "dragonfly-system/dragonfly", state);
            assert_eq!(told, wanted, "{width} {state}");
        }
    }
}
