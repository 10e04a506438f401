//! Which columns are shown at a width, and how wide each is. Widths depend on the area only, never on what the cells say
//! at the moment: no field jumps when its value changes.

/// At which edge a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Align {
    /// Text.
    #[default]
    Left,
    /// Numbers.
    Right,
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
    /// The fewest columns at which it is worth showing.
    pub min: u16,
    /// The columns that it needs to show everything; more is never given unless it fills.
    pub ideal: u16,
    /// At which edge its text stands.
    pub align: Align,
    /// The higher, the earlier it is left out; 0 is never left out. Of equals the last goes first.
    pub priority: u8,
    /// It takes what is left over.
    pub fill: bool,
    /// Text that does not fit loses its middle, not its end.
    pub cut_middle: bool,
}

impl Column {
    /// A column of text, as wide as its heading and never left out.
    pub fn new(id: &'static str, title: &'static str) -> Self {
        let wide = u16::try_from(title.chars().count()).unwrap_or(u16::MAX);
        Self {
            id,
            title,
            min: wide,
            ideal: wide,
            align: Align::Left,
            priority: 0,
            fill: false,
            cut_middle: false,
        }
    }

    /// Between so many columns and so many.
    #[must_use]
    pub fn width(mut self, min: u16, ideal: u16) -> Self {
        self.min = min;
        self.ideal = ideal.max(min);
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

    /// Takes what is left over.
    #[must_use]
    pub fn fill(mut self) -> Self {
        self.fill = true;
        self
    }

    /// Loses its middle rather than its end.
    #[must_use]
    pub fn cut_middle(mut self) -> Self {
        self.cut_middle = true;
        self
    }
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

/// Chooses the columns that fit and gives each its place. `shift` columns of those that may be left out are scrolled away
/// at the left.
pub fn fit_columns(columns: &[Column], width: u16, shift: usize) -> Vec<Placed> {
    let mut scrolled = 0;
    let mut kept: Vec<(usize, &Column)> = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| {
            let away = column.priority > 0 && scrolled < shift;
            scrolled += usize::from(away);
            !away
        })
        .collect();
    while needed(&kept) > u32::from(width) {
        let worst = kept
            .iter()
            .enumerate()
            .filter(|(_, (_, column))| column.priority > 0)
            .max_by_key(|(i, (_, column))| (column.priority, *i))
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
    for ((column, _), wanted) in kept.iter().zip(widths) {
        let room = width.saturating_sub(x);
        if room == 0 {
            break;
        }
        placed.push(Placed {
            column: *column,
            x,
            width: wanted.min(room),
        });
        x = x.saturating_add(wanted).saturating_add(GAP);
    }
    placed
}

/// Columns that a set needs: the least of each, and all that a column wants beside which a lesser extra is shown.
fn needed(kept: &[(usize, &Column)]) -> u32 {
    let last = kept
        .iter()
        .map(|(_, column)| column.priority)
        .max()
        .unwrap_or(0);
    let text: u32 = kept
        .iter()
        .map(|(_, column)| {
            let whole = last > EXTRA && column.priority < last;
            u32::from(if whole { column.ideal } else { column.min })
        })
        .sum();
    text + gaps(kept)
}

/// Columns that a set needs at the least.
fn least(kept: &[(usize, &Column)]) -> u32 {
    let text: u32 = kept.iter().map(|(_, column)| u32::from(column.min)).sum();
    text + gaps(kept)
}

fn gaps(kept: &[(usize, &Column)]) -> u32 {
    u32::try_from(kept.len().saturating_sub(1)).unwrap_or(0) * u32::from(GAP)
}

/// Everybody's least, then everybody's ideal in the order of their priority, then the rest to those that fill.
fn widths(kept: &[(usize, &Column)], width: u16) -> Vec<u16> {
    let mut widths: Vec<u16> = kept.iter().map(|(_, column)| column.min).collect();
    let spare = u32::from(width).saturating_sub(least(kept));
    let mut spare = u16::try_from(spare).unwrap_or(u16::MAX);
    let mut order: Vec<usize> = (0..kept.len()).collect();
    order.sort_by_key(|i| kept.get(*i).map_or(u8::MAX, |(_, column)| column.priority));
    for i in order {
        if let (Some((_, column)), Some(wide)) = (kept.get(i), widths.get_mut(i)) {
            let more = column.ideal.saturating_sub(*wide).min(spare);
            *wide += more;
            spare -= more;
        }
    }
    let mut fillers = kept.iter().filter(|(_, column)| column.fill).count();
    for ((_, column), wide) in kept.iter().zip(&mut widths) {
        if column.fill && fillers > 0 {
            let share = spare / u16::try_from(fillers).unwrap_or(u16::MAX);
            *wide += share;
            spare -= share;
            fillers -= 1;
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
            Column::new("state", "STATE").width(10, 16),
            Column::new("context", "CONTEXT").width(7, 9).priority(4),
            Column::new("instance", "INSTANCE").width(12, 24).fill(),
            Column::new("lag", "LAG").width(6, 6).priority(2).right(),
            Column::new("disk", "DISK").width(5, 5).priority(8).right(),
        ]
    }

    fn at(width: u16, shift: usize) -> String {
        let columns = columns();
        let placed = fit_columns(&columns, width, shift);
        let names: Vec<String> = placed
            .iter()
            .map(|p| format!("{}@{}+{}", columns[p.column].id, p.x, p.width))
            .collect();
        names.join(" ")
    }

    #[test]
    fn columns_leave_by_priority_and_share_what_is_left() {
        for (width, shift, wanted) in [
            (
                80,
                0,
                "state@0+16 context@18+9 instance@29+36 lag@67+6 disk@75+5",
            ),
            (67, 0, "state@0+16 context@18+9 instance@29+30 lag@61+6"),
            (66, 0, "state@0+16 context@18+9 instance@29+29 lag@60+6"),
            (59, 0, "state@0+16 context@18+7 instance@27+24 lag@53+6"),
            (58, 0, "state@0+16 instance@18+32 lag@52+6"),
            (40, 0, "state@0+16 instance@18+14 lag@34+6"),
            (24, 0, "state@0+10 instance@12+12"),
            (15, 0, "state@0+10 instance@12+3"),
            (11, 0, "state@0+10"),
            (3, 0, "state@0+3"),
            (0, 0, ""),
            (80, 2, "state@0+16 instance@18+55 disk@75+5"),
            (80, 9, "state@0+16 instance@18+62"),
        ] {
            assert_eq!(at(width, shift), wanted, "{width} shifted {shift}");
        }
    }
}
