//! A screen of panes, one beneath the other: which has the keyboard, what is selected in each, which are shown where not
//! all can be. The first pane is always shown; of the others as many as there is room for, and the rest take turns.

use std::cell::Cell;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{See, moved};
use crate::msg::Command;
use crate::msg::command::{Motion, Side, Turn};
use crate::settings::Tone;
use crate::widgets::{Column, Panel, Piece, Row, Table, Window, draw};

/// Rows of a pane that is worth showing: its heading, the headings of its columns, and two lines.
const WORTH: u16 = 4;
/// Rows beyond which a pane is not given more before every other has what it needs.
const FAIR: u16 = 11;
/// Lines that are no more than the end of a sentence or two.
const FEW: u16 = 3;

/// Draws the inside of a pane, and the rows that it would like to have.
pub type Drawing<'a> = (u16, Box<dyn Fn(Rect, &mut Buffer) + 'a>);

/// What a pane shows now.
pub struct Section<'a> {
    /// Its title.
    pub title: String,
    /// The word for it among tabs.
    pub tab: &'static str,
    /// What stands at the right of its heading.
    pub right: Vec<Piece>,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Number of rows.
    pub len: usize,
    /// The name of a row, by which a selection is kept.
    pub name: Box<dyn Fn(usize) -> String + 'a>,
    /// A row, made when it is drawn.
    pub row: Box<dyn Fn(usize) -> Row + 'a>,
    /// What is said when there are none.
    pub empty: String,
    /// Without the headings of its columns.
    pub headless: bool,
    /// A sentence takes up to so many lines where there is room.
    pub lines: usize,
    /// With nothing chosen the last row is selected, and stays so as more come.
    pub follows: bool,
    /// It is drawn by this instead of rows, which it then has none of.
    pub drawn: Option<Drawing<'a>>,
    /// What is selected matters to other panes, so it is marked though another pane has the keyboard.
    pub leads: bool,
}

impl<'a> Section<'a> {
    /// A pane of rows that are made already, each with its name.
    pub fn of(tab: &'static str, title: impl Into<String>, rows: Vec<(String, Row)>) -> Self {
        let rows = std::rc::Rc::new(rows);
        let named = rows.clone();
        Self {
            title: title.into(),
            tab,
            right: Vec::new(),
            columns: Vec::new(),
            len: rows.len(),
            name: Box::new(move |at| {
                named
                    .get(at)
                    .map(|(name, _)| name.clone())
                    .unwrap_or_default()
            }),
            row: Box::new(move |at| rows.get(at).map(|(_, row)| row.clone()).unwrap_or_default()),
            empty: String::new(),
            headless: false,
            lines: 1,
            follows: false,
            drawn: None,
            leads: false,
        }
    }

    /// Every cell of a row with its heading: columns that have no room are told so.
    pub fn in_full(&self, see: &See<'_>, at: usize) -> String {
        row_in_full(see, &self.columns, &(self.row)(at))
    }

    /// Rows of the screen that it needs to show each of its rows.
    fn wants(&self) -> u16 {
        if let Some((rows, _)) = &self.drawn {
            return rows.saturating_add(1);
        }
        let headings = if self.headless { 1 } else { 2 };
        u16::try_from(self.len.max(1))
            .unwrap_or(u16::MAX)
            .saturating_add(headings)
    }

    /// Rows of the screen that it would take, were there no end of them: sentences want more than one line.
    fn wishes(&self, area: Rect) -> u16 {
        let wants = self.wants();
        if self.drawn.is_some() || self.lines == 1 || wants > area.height {
            return wants;
        }
        let row = |at: usize| (self.row)(at);
        let table = Table::new(&self.columns, self.len, &row).wrapped(self.lines);
        // At the edge a column may be kept for the sign that there are more.
        let lines = table.wanted(area.width.saturating_sub(1));
        let more = u16::try_from(lines.saturating_sub(self.len)).unwrap_or(u16::MAX);
        wants.saturating_add(more)
    }
}

/// See the module. `N` is the number of panes.
#[derive(Debug)]
pub struct Sheet<const N: usize> {
    pane: usize,
    /// The lower pane that is shown where only one can be.
    tab: usize,
    chosen: [Option<String>; N],
    windows: [Window; N],
    shifts: [usize; N],
    drawn: Cell<[Rect; N]>,
}

impl<const N: usize> Default for Sheet<N> {
    fn default() -> Self {
        Self {
            pane: 0,
            tab: 1,
            chosen: std::array::from_fn(|_| None),
            windows: std::array::from_fn(|_| Window::default()),
            shifts: [0; N],
            drawn: Cell::new([Rect::ZERO; N]),
        }
    }
}

impl<const N: usize> Sheet<N> {
    /// The pane that has the keyboard.
    pub fn pane(&self) -> usize {
        self.pane
    }

    /// Gives a pane the keyboard.
    pub fn focus(&mut self, pane: usize) {
        self.pane = pane.min(N.saturating_sub(1));
        if pane > 0 {
            self.tab = self.pane;
        }
    }

    /// Gives the next or the previous pane the keyboard.
    pub fn turn(&mut self, turn: Turn) {
        self.focus(match turn {
            Turn::Next => (self.pane + 1) % N,
            Turn::Previous => (self.pane + N - 1) % N,
        });
    }

    /// Scrolls columns of the first pane; in another, turns to the pane beside.
    pub fn scroll(&mut self, side: Side, columns: usize) {
        if self.pane == 0 {
            if let Some(shift) = self.shifts.get_mut(0) {
                *shift = match side {
                    Side::Left => shift.saturating_sub(1),
                    Side::Right => (*shift + 1).min(columns),
                };
            }
            return;
        }
        let to = match side {
            Side::Left => self.pane - 1,
            Side::Right => self.pane + 1,
        };
        if (1..N).contains(&to) {
            self.focus(to);
        }
    }

    /// Selects the row of that name in a pane; `None`: what is selected when nothing was chosen.
    pub fn choose(&mut self, pane: usize, name: Option<String>) {
        if let Some(chosen) = self.chosen.get_mut(pane) {
            *chosen = name;
        }
    }

    /// The selected row of a pane.
    pub fn at(&self, pane: usize, section: &Section<'_>) -> Option<usize> {
        let found = self.chosen.get(pane).and_then(Option::as_deref);
        let found = found.and_then(|name| (0..section.len).find(|at| (section.name)(*at) == name));
        let usual = if section.follows {
            section.len.checked_sub(1)
        } else {
            (section.len > 0).then_some(0)
        };
        found.or(usual)
    }

    /// The name of the selected row of a pane.
    pub fn name(&self, pane: usize, section: &Section<'_>) -> Option<String> {
        self.at(pane, section).map(|at| (section.name)(at))
    }

    /// Moves the selection of the pane that has the keyboard.
    pub fn move_by(&mut self, motion: Motion, section: &Section<'_>) {
        let Some(at) = self.at(self.pane, section) else {
            return;
        };
        let page = self.windows.get(self.pane).map_or(1, Window::page);
        let to = moved(at, motion, page, section.len);
        // At its end a pane that follows goes on following.
        let chosen = (!section.follows || to + 1 < section.len).then(|| (section.name)(to));
        self.choose(self.pane, chosen);
    }

    /// Moves the selection, the keyboard or the columns as a command says; finding goes to the next row of the first pane that
    /// is ill. Returns whether it was such a command.
    pub fn steer(
        &mut self,
        command: &Command,
        sections: &[Section<'_>],
        columns: usize,
        is_ill: impl Fn(usize) -> bool,
    ) -> bool {
        match command {
            Command::Move(motion) => {
                if let Some(section) = sections.get(self.pane) {
                    self.move_by(*motion, section);
                }
            }
            Command::Pane(turn) => self.turn(*turn),
            Command::Scroll(side) => self.scroll(*side, columns),
            Command::Find(turn) => {
                if let Some(first) = sections.first()
                    && let Some(at) = next_of(first.len, self.at(0, first), *turn, is_ill)
                {
                    self.focus(0);
                    self.choose(0, Some((first.name)(at)));
                }
            }
            _ => return false,
        }
        true
    }

    /// Selects what lies at a place of the terminal.
    pub fn click(&mut self, column: u16, row: u16, sections: &[Section<'_>]) {
        let drawn = self.drawn.get();
        let hit = drawn
            .iter()
            .position(|area| area.contains((column, row).into()));
        let Some((pane, section)) = hit.and_then(|pane| Some((pane, sections.get(pane)?))) else {
            return;
        };
        self.focus(pane);
        let top = drawn.get(pane).map_or(0, |area| area.y);
        let above = if section.headless { 1 } else { 2 };
        let line = usize::from(row - top).checked_sub(above);
        let window = self.windows.get(pane);
        if let Some(at) = line
            .and_then(|line| window?.row_at(line))
            .filter(|at| *at < section.len)
        {
            self.choose(pane, Some((section.name)(at)));
        }
    }

    /// Draws the panes.
    pub fn view(&self, see: &See<'_>, sections: &[Section<'_>], area: Rect, buf: &mut Buffer) {
        let wants: Vec<u16> = sections.iter().map(Section::wants).collect();
        let wishes: Vec<u16> = sections
            .iter()
            .map(|section| section.wishes(area))
            .collect();
        let places = self.places(area, &wants, &wishes, see.zoomed);
        self.drawn.set(places);
        let hidden = places.iter().filter(|area| area.is_empty()).count() > 0;
        for (pane, (section, area)) in sections.iter().zip(places).enumerate() {
            if area.is_empty() {
                continue;
            }
            let focused = self.pane == pane && see.has_keyboard;
            let mut panel = Panel::new(section.title.as_str()).focused(focused);
            let is_tab = pane == self.tab || see.zoomed;
            panel = panel.right(match hidden && is_tab && pane > 0 {
                true => tabs(sections, &places),
                false => section.right.clone(),
            });
            let inner = panel.render(&see.look, area, buf);
            if let Some((_, draw)) = &section.drawn {
                draw(inner, buf);
                continue;
            }
            let Some(window) = self.windows.get(pane) else {
                continue;
            };
            let row = |at: usize| (section.row)(at);
            let marked = self.pane == pane || section.leads;
            // A pane that follows is scrolled to its end, marked or not.
            let selected = self.at(pane, section).filter(|_| marked || section.follows);
            let table = Table::new(&section.columns, section.len, &row)
                .selected(selected)
                .focused(focused)
                .wrapped(section.lines)
                .shifted(self.shifts.get(pane).copied().unwrap_or(0))
                .when_empty(&section.empty);
            match section.headless {
                true => table.without_header(),
                false => table,
            }
            .render(window, &see.look, inner, buf);
        }
    }

    /// Where each pane stands; an empty rectangle is not shown. The lower pane that is looked at has its sentences in full
    /// before another pane is shown. What is left over when each pane that is shown has what it wants goes to their wishes.
    fn places(&self, area: Rect, wants: &[u16], wishes: &[u16], zoomed: bool) -> [Rect; N] {
        let mut places = [Rect::ZERO; N];
        let mut put = |pane: usize, area: Rect| {
            if let Some(place) = places.get_mut(pane) {
                *place = area;
            }
        };
        if zoomed {
            put(self.pane, area);
            return places;
        }
        let want = |pane: usize| wants.get(pane).copied().unwrap_or(0);
        let wish = |pane: usize| wishes.get(pane).copied().unwrap_or(0);
        let top = want(0).min(area.height.saturating_sub(WORTH).max(area.height / 3));
        let top = match N {
            0 | 1 => area.height,
            _ if area.height < WORTH * 2 => 0,
            // Two thirds at most, so that there is something beneath.
            _ => top.min(area.height - area.height / 3),
        };
        let first = Rect {
            height: top,
            ..area
        };
        put(0, first);
        let mut rest = draw::below(area, top);
        let need = |pane: usize| match pane == self.tab {
            true => want(pane).max(wish(pane)).clamp(WORTH, FAIR),
            false => want(pane).clamp(WORTH, FAIR),
        };
        let mut shown = vec![self.tab];
        let mut taken = need(self.tab);
        for pane in (1..N).filter(|pane| *pane != self.tab) {
            if taken.saturating_add(need(pane)) <= rest.height {
                taken += need(pane);
                shown.push(pane);
            }
        }
        shown.sort_unstable();
        let mut spare = rest.height.saturating_sub(taken);
        let last = shown.last().copied();
        for pane in shown {
            let more = match Some(pane) == last {
                true => rest.height,
                false => {
                    // A few lines that complete a sentence come before many of one more pane.
                    let missing = wish(pane).saturating_sub(need(pane));
                    let more = missing.min((spare / 2).max(missing.min(FEW))).min(spare);
                    spare -= more;
                    need(pane) + more
                }
            };
            let place = Rect {
                height: more.min(rest.height),
                ..rest
            };
            put(pane, place);
            rest = draw::below(rest, more);
        }
        places
    }
}

/// The next of so many rows that is wanted, or the one before, from that one on and round.
fn next_of(
    len: usize,
    at: Option<usize>,
    turn: Turn,
    is_wanted: impl Fn(usize) -> bool,
) -> Option<usize> {
    let at = at.unwrap_or(0);
    (1..=len)
        .map(|step| match turn {
            Turn::Next => (at + step) % len,
            Turn::Previous => (at + len - step) % len,
        })
        .find(|at| is_wanted(*at))
}

/// Every cell of a row with its heading, but for those that are empty.
pub fn row_in_full(see: &See<'_>, columns: &[Column], row: &Row) -> String {
    if row.spans {
        return row
            .cells
            .last()
            .map(|cell| cell.text.trim().to_owned())
            .unwrap_or_default();
    }
    let dash = see.sign(crate::settings::Glyph::Dash);
    let told: Vec<String> = columns
        .iter()
        .zip(&row.cells)
        .filter(|(_, cell)| cell.text != dash && !cell.text.is_empty())
        .map(|(column, cell)| format!("{} {}", column.title.to_lowercase(), cell.text))
        .collect();
    told.join(", ")
}

/// The lower panes by name, with how much is in each; those that are shown stand out.
fn tabs(sections: &[Section<'_>], places: &[Rect]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (section, place) in sections.iter().zip(places).skip(1) {
        if !pieces.is_empty() {
            pieces.push(Piece::muted("  "));
        }
        let tone = match place.is_empty() {
            true => Tone::Muted,
            false => Tone::Accent,
        };
        let count = match section.drawn {
            Some(_) => String::new(),
            None => format!(" {}", section.len),
        };
        pieces.push(Piece::new(format!("{}{count}", section.tab), tone));
    }
    pieces
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn panes_stand_inside_and_never_overlap_and_the_one_with_the_keyboard_is_shown() {
        for height in [0, 1, 4, 7, 8, 9, 14, 22, 38, 58, 100] {
            for wants in [[3, 3, 3, 3, 3], [4, 5, 4, 20, 400], [40, 40, 40, 40, 40]] {
                for pane in 0..5 {
                    for zoomed in [false, true] {
                        let mut sheet = Sheet::<5>::default();
                        sheet.focus(pane);
                        let area = Rect::new(2, 3, 80, height);
                        let places = sheet.places(area, &wants, &wants, zoomed);
                        for (i, place) in places.iter().enumerate() {
                            assert_eq!(place.intersection(area).area(), place.area(), "{places:?}");
                            for other in places.iter().skip(i + 1) {
                                assert!(!place.intersects(*other), "{places:?}");
                            }
                        }
                        if height >= 8 {
                            let shown = places.iter().filter(|place| !place.is_empty()).count();
                            assert!(!places.get(pane).unwrap().is_empty(), "{pane} {places:?}");
                            assert_eq!(shown == 1, zoomed, "{places:?}");
                            let used: u16 = places.iter().map(|place| place.height).sum();
                            assert_eq!(used, height, "no row is wasted: {places:?}");
                        }
                        if height == 58 && !zoomed && wants != [40; 5] {
                            assert!(places.iter().all(|place| !place.is_empty()), "{places:?}");
                        }
                    }
                }
            }
        }
    }
}
