//! Which columns are shown at a width, and how wide each is.
//!
//! A column is never wider than the widest thing that it has shown, so what is left over stays at the right of the
//! table and rows are read without a gap. It never becomes narrower again while the table is open (see
//! [`crate::widgets::Window`]), and it has its least width from the start: no field jumps when its value changes.

/// At which edge a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Align {
    /// Text.
    #[default]
    Left,
    /// Numbers.
    Right,
}

/// What a text loses that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cut {
    /// Its end; a sentence (see [`Column::fill`]) after a whole word.
    #[default]
    End,
    /// Its middle: names of pods differ at both ends.
    Middle,
    /// What it shares with the other names: so many characters at the beginning and at the end.
    Shared(usize, usize),
}

/// Columns between two columns.
const GAP: u16 = 2;

/// Columns of a priority above this one are extras: they are shown only where nothing more important has to be cut for
/// them.
const EXTRA: u8 = 3;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in settings and sort commands.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// The columns that it takes at the least, whatever it shows.
    pub min: u16,
    /// The columns that it takes at the most, where what it shows needs them.
    pub most: u16,
    /// The widest thing that it shows, where that is known without looking at every row.
    pub holds: u16,
    /// At which edge its text stands.
    pub align: Align,
    /// The higher, the earlier it is left out; 0 is never left out. Of equals the last goes first.
    pub priority: u8,
    /// It holds sentences: it takes what they need of that which all others leave.
    pub fill: bool,
    /// Other columns leave before this one is cut to less than so many columns: it tells which row is which.
    pub firm: u16,
    /// It stays when columns are scrolled.
    pub pinned: bool,
    /// What a text loses that does not fit.
    pub cut: Cut,
}

impl Column {
    /// A column of text, as wide as its heading and never left out.
    pub fn new(id: &'static str, title: &'static str) -> Self {
        let wide = u16::try_from(title.chars().count()).unwrap_or(u16::MAX);
        Self {
            id,
            title,
            min: wide,
            most: wide,
            holds: 0,
            align: Align::Left,
            priority: 0,
            fill: false,
            firm: 0,
            pinned: false,
            cut: Cut::End,
        }
    }

    /// A column of figures, always so wide, left out at that priority.
    pub fn figure(id: &'static str, title: &'static str, wide: u16, priority: u8) -> Self {
        Self::new(id, title)
            .width(wide, wide)
            .right()
            .priority(priority)
    }

    /// Between so many columns and, where its contents need them, so many.
    #[must_use]
    pub fn width(mut self, min: u16, most: u16) -> Self {
        self.min = min;
        self.most = most.max(min);
        self
    }

    /// The widest thing that it shows is so wide.
    #[must_use]
    pub fn holds(mut self, columns: u16) -> Self {
        self.holds = columns;
        self
    }

    /// Left out at that priority.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// A column of numbers.
    #[must_use]
    pub fn right(mut self) -> Self {
        self.align = Align::Right;
        self
    }

    /// A column of sentences, which takes what they need of that which all others leave.
    #[must_use]
    pub fn fill(mut self) -> Self {
        self.fill = true;
        self
    }

    /// Other columns leave before this one is cut to less than so many columns.
    #[must_use]
    pub fn firm(mut self, columns: u16) -> Self {
        self.firm = columns;
        self
    }

    /// Stays when columns are scrolled: it tells which row is which.
    #[must_use]
    pub fn pinned(mut self) -> Self {
        self.pinned = true;
        self
    }

    /// Loses that rather than its end.
    #[must_use]
    pub fn cut(mut self, cut: Cut) -> Self {
        self.cut = cut;
        self
    }

    /// Loses its middle rather than its end.
    #[must_use]
    pub fn cut_middle(self) -> Self {
        self.cut(Cut::Middle)
    }

    /// It holds sentences, which are wrapped and cut between words; names are cut where [`Column::cut`] says.
    pub fn is_sentence(&self) -> bool {
        self.fill && self.cut == Cut::End
    }

    /// The columns that it wants when it has shown something so wide.
    fn wanted(&self, shown: u16) -> u16 {
        shown.max(self.holds).clamp(self.min, self.most)
    }
}

/// Columns that a table takes in which nothing is cut, by what its columns are known to hold; with the column of the
/// marker.
pub fn natural_width(columns: &[Column]) -> u16 {
    let wide = columns.iter().map(|column| match column.fill {
        true => column.holds.max(column.min),
        false => column.wanted(0),
    });
    let count = u16::try_from(columns.len()).unwrap_or(u16::MAX);
    let gaps = count.saturating_sub(1).saturating_mul(GAP);
    wide.fold(gaps.saturating_add(1), u16::saturating_add)
}

/// Where a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Index of the column.
    pub column: usize,
    /// Columns from the left edge.
    pub x: u16,
    /// Its width.
    pub width: u16,
}

/// A column that is kept, with its index and the widest thing that it has shown.
#[derive(Debug, Clone, Copy)]
struct Kept<'a> {
    at: usize,
    column: &'a Column,
    shown: u16,
}

impl Kept<'_> {
    fn wanted(&self) -> u16 {
        self.column.wanted(self.shown)
    }
}

/// Chooses the columns that fit and gives each its place. `shown` is the widest thing that each has shown so far, as far
/// as that is known; `shift` columns of those that are not pinned are scrolled away at the left.
pub fn fit_columns(columns: &[Column], width: u16, shift: usize, shown: &[u16]) -> Vec<Placed> {
    let mut scrolled = 0;
    let mut kept: Vec<Kept<'_>> = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| {
            let away = !column.pinned && scrolled < shift;
            scrolled += usize::from(away);
            !away
        })
        .map(|(at, column)| Kept {
            at,
            column,
            shown: shown.get(at).copied().unwrap_or(0),
        })
        .collect();
    while needed(&kept) > u32::from(width) {
        let worst = kept
            .iter()
            .enumerate()
            .filter(|(_, kept)| kept.column.priority > 0)
            .max_by_key(|(i, kept)| (kept.column.priority, *i))
            .map(|(i, _)| i);
        match worst {
            Some(i) => kept.remove(i),
            // Only those that are never left out remain: the last ones are cut off by the edge.
            None => break,
        };
    }
    let widths = widths(&kept, width);
    let mut placed = Vec::with_capacity(kept.len());
    let mut x = 0_u16;
    for (kept, wanted) in kept.iter().zip(widths) {
        let room = width.saturating_sub(x);
        if room == 0 {
            break;
        }
        placed.push(Placed {
            column: kept.at,
            x,
            width: wanted.min(room),
        });
        x = x.saturating_add(wanted).saturating_add(GAP);
    }
    placed
}

/// Columns that a set needs: the least of each, and all that a column wants which tells rows apart, or beside which a
/// lesser extra is shown.
fn needed(kept: &[Kept<'_>]) -> u32 {
    let last = kept
        .iter()
        .map(|kept| kept.column.priority)
        .max()
        .unwrap_or(0);
    let text: u32 = kept
        .iter()
        .map(|kept| {
            let priority = kept.column.priority;
            let wanted = kept.wanted();
            u32::from(match last > EXTRA && priority < last {
                true => wanted,
                false => kept.column.min.max(wanted.min(kept.column.firm)),
            })
        })
        .sum();
    text + gaps(kept)
}

/// Columns that a set needs at the least.
fn least(kept: &[Kept<'_>]) -> u32 {
    let text: u32 = kept.iter().map(|kept| u32::from(kept.column.min)).sum();
    text + gaps(kept)
}

fn gaps(kept: &[Kept<'_>]) -> u32 {
    u32::try_from(kept.len().saturating_sub(1)).unwrap_or(0) * u32::from(GAP)
}

/// Everybody's least, then what tells rows apart, then what each wants in the order of their priority, then to sentences
/// what they need.
fn widths(kept: &[Kept<'_>], width: u16) -> Vec<u16> {
    let mut widths: Vec<u16> = kept.iter().map(|kept| kept.column.min).collect();
    let spare = u32::from(width).saturating_sub(least(kept));
    let mut spare = u16::try_from(spare).unwrap_or(u16::MAX);
    let mut order: Vec<usize> = (0..kept.len()).collect();
    order.sort_by_key(|i| {
        let column = kept.get(*i).map(|kept| kept.column);
        column.map_or((true, u8::MAX), |column| {
            (column.firm == 0, column.priority)
        })
    });
    // Before one that tells rows apart gets all that it wants, each of them gets what it must have.
    let must = |kept: &Kept<'_>| kept.wanted().min(kept.column.firm);
    let wants = |kept: &Kept<'_>| kept.wanted();
    for goal in [&must as &dyn Fn(&Kept<'_>) -> u16, &wants] {
        for i in &order {
            if let (Some(kept), Some(wide)) = (kept.get(*i), widths.get_mut(*i)) {
                let more = goal(kept).saturating_sub(*wide).min(spare);
                *wide += more;
                spare -= more;
            }
        }
    }
    let mut sentences = kept.iter().filter(|kept| kept.column.fill).count();
    for (kept, wide) in kept.iter().zip(&mut widths) {
        if kept.column.fill && sentences > 0 {
            let share = spare / u16::try_from(sentences).unwrap_or(u16::MAX);
            let more = share.min(kept.shown.max(kept.column.holds).saturating_sub(*wide));
            *wide += more;
            spare -= more;
            sentences -= 1;
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    fn columns() -> Vec<Column> {
        vec![
            Column::new("state", "STATE").width(10, 16).pinned(),
            Column::new("context", "CONTEXT")
                .width(7, 9)
                .firm(9)
                .pinned(),
            Column::new("instance", "INSTANCE")
                .width(12, 24)
                .firm(24)
                .pinned(),
            Column::new("lag", "LAG").width(6, 6).priority(2).right(),
            Column::new("note", "NOTE").width(8, 12).priority(3).fill(),
            Column::new("disk", "DISK").width(5, 5).priority(8).right(),
        ]
    }

    fn at(width: u16, shift: usize, shown: &[u16]) -> String {
        let columns = columns();
        let placed = fit_columns(&columns, width, shift, shown);
        let names: Vec<String> = placed
            .iter()
            .map(|p| format!("{}@{}+{}", columns[p.column].id, p.x, p.width))
            .collect();
        names.join(" ")
    }

    #[test]
    fn columns_get_what_they_need_and_the_rest_stays_free() {
        for (width, shown, wanted) in [
            // What is empty takes its least, however much room there is.
            (
                300,
                [0; 6],
                "state@0+10 context@12+7 instance@21+12 lag@35+6 note@43+8 disk@53+5",
            ),
            (
                300,
                [12, 9, 20, 9, 60, 9],
                "state@0+12 context@14+9 instance@25+20 lag@47+6 note@55+60 disk@117+5",
            ),
            // A sentence is cut before anything leaves for it, and an extra leaves before it is cut much.
            (
                94,
                [12, 9, 20, 9, 60, 9],
                "state@0+12 context@14+9 instance@25+20 lag@47+6 note@55+32 disk@89+5",
            ),
            (
                73,
                [12, 9, 20, 9, 60, 9],
                "state@0+12 context@14+9 instance@25+20 lag@47+6 note@55+18",
            ),
            // Names stay whole before figures do.
            (
                60,
                [16, 9, 24, 9, 60, 9],
                "state@0+15 context@17+9 instance@28+24 lag@54+6",
            ),
            (
                50,
                [16, 9, 24, 9, 60, 9],
                "state@0+13 context@15+9 instance@26+24",
            ),
            // Where not even names have room, they share what there is.
            (
                40,
                [16, 9, 24, 9, 60, 9],
                "state@0+10 context@12+9 instance@23+17",
            ),
            (
                24,
                [16, 9, 24, 9, 60, 9],
                "state@0+10 context@12+7 instance@21+3",
            ),
            (3, [0; 6], "state@0+3"),
            (0, [0; 6], ""),
        ] {
            assert_eq!(at(width, 0, &shown), wanted, "{width}");
        }
    }

    #[test]
    fn what_tells_rows_apart_stays_when_columns_are_scrolled() {
        for (shift, wanted) in [
            (0, "state@0+10 context@12+9 instance@23+20 lag@45+6"),
            (1, "state@0+10 context@12+9 instance@23+20 note@45+11"),
            (2, "state@0+10 context@12+9 instance@23+20 disk@45+5"),
            (9, "state@0+10 context@12+9 instance@23+20"),
        ] {
            assert_eq!(at(56, shift, &[3, 9, 20, 0, 90, 0]), wanted, "{shift}");
        }
    }
}
