//! The table, and the attention list beneath it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::columns::{self, Fit};
use super::row::{FleetRow, RowKey};
use super::{Fleet, Pane, attention};
use crate::domain::{Kind, Scope};
use crate::screens::parts::{Counts, See, denied};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Panel, Piece, Table, draw};

/// Columns left of the sentence about a context that shows no instance, about.
const BEFORE_SENTENCE: usize = 45;

/// Lines that a sentence in the attention list takes at the most, where there is room.
const SENTENCE: usize = 6;

impl Fleet {
    /// The areas of the table and of the attention list, headings included.
    pub(super) fn layout(&self, see: &See<'_>, area: Rect) -> (Rect, Rect) {
        let none = Rect { height: 0, ..area };
        if see.zoomed {
            return match self.pane {
                Pane::Table => (area, none),
                Pane::Attention => (none, area),
            };
        }
        // The table takes the lines that it needs, with room for a hint beneath; attention stands below it and has as
        // many lines as its sentences need, up to a third of the screen where both cannot be shown in full.
        let rows = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let hint = u16::from(see.hint.is_some()) * 3;
        let shown = self.order.iter().filter_map(|key| self.rows.get(key));
        let is_long = |row: &&FleetRow| {
            matches!(row.key, RowKey::Context(_))
                && draw::width(&row.name) + BEFORE_SENTENCE > usize::from(area.width)
        };
        let long = shown.filter(is_long).count();
        let table = rows(self.order.len().max(1) + long).saturating_add(3 + hint);
        let wanted = match self.notices.len() > usize::from(area.height) {
            true => area.height,
            false => self.with_attention(see, 2, |table| rows(table.wanted(area.width))),
        };
        let list = wanted
            .saturating_add(1)
            .min(area.height / 3)
            .max(area.height.saturating_sub(table));
        let table = Rect {
            height: area.height - list,
            ..area
        };
        (table, draw::below(area, table.height))
    }

    pub(super) fn view_table(&self, see: &See<'_>, area: Rect, buf: &mut Buffer) -> Rect {
        if area.is_empty() {
            return area;
        }
        let focused = self.pane == Pane::Table && see.has_keyboard;
        let inner = Panel::inside(area);
        let old = |row: &FleetRow| columns::old_since(see, row).is_some();
        let contexts: Vec<&str> = see.world.shown_contexts().map(|c| c.id.as_str()).collect();
        let columns = columns::columns(Fit {
            longest: self.longest,
            shared: draw::shared_ends(contexts.iter().copied()),
            several_contexts: contexts.len() > 1,
            any_old: self.rows.values().any(old),
            narrow: area.width < columns::WIDE,
        });
        let row = |at: usize| {
            let row = self.order.get(at).and_then(|key| self.rows.get(key));
            row.map(|row| columns::cells(see, row)).unwrap_or_default()
        };
        let (column, descending) = self.sort;
        let empty = self.empty_words(see);
        Table::new(&columns, self.order.len(), &row)
            .selected(self.position())
            .focused(focused)
            .sorted(column, descending)
            .shifted(self.shift)
            .marking(see.filter.words())
            .wrapped(2)
            .when_empty(&empty)
            .render(&self.window, &see.look, inner, buf);
        Panel::new("Fleet")
            .focused(focused)
            .right(self.summary(see))
            .place(self.window.place(self.order.len(), see.sign(Glyph::Dash)))
            .render(&see.look, area, buf);
        if let Some(hint) = see.hint {
            // Under the last row, where there is room for it.
            let lines = u16::try_from(self.window.lines()).unwrap_or(u16::MAX);
            let at = draw::right_of(draw::below(inner, lines.saturating_add(2)), 1);
            let lines: Vec<Vec<Piece>> = draw::wrap(hint, usize::from(at.width))
                .into_iter()
                .map(|line| vec![Piece::muted(line)])
                .collect();
            draw::lines(&lines, &see.look, at, buf);
        }
        draw::below(inner, 1)
    }

    /// Why there is no row.
    fn empty_words(&self, see: &See<'_>) -> String {
        if self.rows.is_empty() {
            return "no context is open yet".to_owned();
        }
        let filtered = !see.filter.is_empty();
        let ill = self.rows.values().filter(|row| row.is_ill()).count();
        match (see.ill_only, filtered, ill) {
            (true, _, 0) => "everything here is well (! shows it)".to_owned(),
            (true, true, hidden) => format!(
                "nothing that is not well matches the filter, {hidden} hidden (esc clears it, ! shows what is well too)"
            ),
            _ => "nothing matches the filter (esc clears it)".to_owned(),
        }
    }

    /// `3 instances, 1 ill, 1 unknown`, and what is left out.
    fn summary(&self, see: &See<'_>) -> Vec<Piece> {
        let instances = || {
            let rows = self.rows.values();
            rows.filter(|row| matches!(row.key, RowKey::Instance(_)))
        };
        let counts = Counts::of(instances().map(|row| row.rank));
        let all = counts.all;
        // Where instances may not be listed, none is known, which is not that there is none.
        let unread = see
            .world
            .shown_contexts()
            .filter(|c| {
                denied(c, Kind::Dragonfly).is_some()
                    || c.is_superseded(Kind::Dragonfly, &Scope::Cluster)
            })
            .count();
        let mut pieces = Vec::new();
        let written = see.filter.written();
        if !written.is_empty() || see.ill_only {
            let mut only = written.to_owned();
            if see.ill_only {
                only.insert_str(0, "not well ");
            }
            let only = only.trim_end();
            let shown = self.order.len();
            pieces.push(Piece::new(format!("{only} shows {shown}, "), Tone::Accent));
        }
        pieces.push(Piece::muted(match all {
            0 if unread > 0 => "no instance known".to_owned(),
            0 => "no instance".to_owned(),
            1 => "1 instance, ".to_owned(),
            all => format!("{all} instances, "),
        }));
        if all > 0 {
            pieces.push(Piece::new(counts.words(), counts.tone()));
        }
        if unread > 0 {
            let word = if unread == 1 { "context" } else { "contexts" };
            pieces.push(Piece::new(
                format!(", may not list all in {unread} {word}"),
                Tone::Unknown,
            ));
        }
        // What is not seen is not well.
        let dark = see.world.shown_contexts().filter(|c| !c.is_live()).count();
        if dark > 0 {
            let word = if dark == 1 { "context" } else { "contexts" };
            pieces.push(Piece::new(
                format!(", {dark} {word} not watched"),
                Tone::Degraded,
            ));
        }
        pieces
    }

    pub(super) fn view_attention(&self, see: &See<'_>, area: Rect, buf: &mut Buffer) -> Rect {
        if area.is_empty() {
            return area;
        }
        let focused = self.pane == Pane::Attention && see.has_keyboard;
        let inner = Panel::inside(area);
        let selected = (self.pane == Pane::Attention)
            .then(|| self.notice_position())
            .flatten();
        self.with_attention(see, SENTENCE, |table| {
            table.selected(selected).focused(focused).render(
                &self.attention,
                &see.look,
                inner,
                buf,
            );
        });
        let len = self.notices.len();
        Panel::new("Attention")
            .focused(focused)
            .right(attention::summary(see, len, self.noticed_of))
            .place(self.attention.place(len, see.sign(Glyph::Dash)))
            .render(&see.look, area, buf);
        inner
    }

    /// Does something with the table of what needs attention, whose sentences take up to so many lines.
    fn with_attention<T>(
        &self,
        see: &See<'_>,
        lines: usize,
        then: impl FnOnce(Table<'_>) -> T,
    ) -> T {
        let columns = attention::columns(&self.notices);
        let row = |at: usize| {
            let notice = self.notices.get(at);
            notice
                .map(|notice| attention::cells(see, notice))
                .unwrap_or_default()
        };
        let empty = match attention::is_known(see) {
            _ if self.noticed_of > 0 => {
                "nothing that needs attention matches the filter (esc clears it)"
            }
            true => "nothing needs attention",
            false => "nothing is known yet",
        };
        then(
            Table::new(&columns, self.notices.len(), &row)
                .without_header()
                .wrapped(lines)
                .when_empty(empty),
        )
    }
}
