//! Where the panes of the Instance screen stand, by how much room there is.

use ratatui::layout::Rect;

use super::Pane;
use crate::widgets::draw;

/// Columns from which panes stand side by side.
const WIDE: u16 = 140;
/// Columns from which what happened stands beside who uses it.
const HALVES: u16 = 180;
/// Columns of the topology beside the charts: its lines are no longer.
const DRAWING: u16 = 110;
/// Columns of the storage pane beside the findings: its rows are no longer.
const ROWS: u16 = 96;
/// Rows that the lower panes are never denied.
const LOWER: u16 = 6;

/// The places of everything. An empty rectangle is not drawn.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Places {
    pub head: Rect,
    pub topology: Rect,
    panes: [Rect; Pane::ALL.len()],
    shared: Shared,
}

/// Which panes take turns in one place.
#[derive(Debug, Clone, Copy, Default)]
enum Shared {
    /// None.
    #[default]
    Nothing,
    /// All lower panes.
    Lower,
    /// All that stand at the bottom of a wide screen.
    Bottom,
    /// What happened, and beside it who uses it, at the bottom of a very wide screen.
    Halves,
}

impl Places {
    /// The place of a pane.
    pub fn of(&self, pane: Pane) -> Rect {
        self.panes.get(pane.index()).copied().unwrap_or_default()
    }

    /// The panes that take turns in the place of this one; none where it has its own.
    pub fn turns(&self, pane: Pane) -> &'static [Pane] {
        let groups: &[&[Pane]] = match self.shared {
            Shared::Nothing => &[],
            Shared::Lower => &[Pane::LOWER],
            Shared::Bottom => &[Pane::BOTTOM],
            Shared::Halves => &[Pane::HAPPENED, Pane::USED],
        };
        let found = groups.iter().find(|group| group.contains(&pane));
        found.copied().unwrap_or_default()
    }

    /// As many lower panes as there is room for, one beneath the other; the chosen one is always among them.
    fn stack(&mut self, area: Rect, wants: Wants, tab: Pane) {
        /// Rows from which a pane is worth showing beside others.
        const WORTH: u16 = 7;
        let all = Pane::LOWER.len();
        let room = usize::from(area.height / WORTH).clamp(1, all);
        let mut shown: Vec<Pane> = vec![tab];
        for pane in [
            Pane::Findings,
            Pane::Events,
            Pane::Charts,
            Pane::Storage,
            Pane::Clients,
            Pane::History,
            Pane::SlowLog,
            Pane::Buffers,
        ] {
            if shown.len() < room && !shown.contains(&pane) {
                shown.push(pane);
            }
        }
        if shown.len() < all {
            self.shared = Shared::Lower;
        }
        let mut rest = area;
        let mut left = u16::try_from(shown.len()).unwrap_or(1);
        // In the order of the tabs, so that a pane that comes in does not turn the others round.
        for pane in Pane::ALL.iter().filter(|pane| shown.contains(pane)) {
            let wanted = match pane {
                Pane::Findings => wants.findings.saturating_add(1),
                Pane::Storage => wants.storage.saturating_add(2),
                _ => u16::MAX,
            };
            left -= 1;
            let most = rest.height.saturating_sub(left * WORTH);
            let share = rest.height / (left + 1);
            let rows = if left == 0 {
                rest.height
            } else {
                wanted.max(3).min(most.max(share)).min(match pane {
                    Pane::Findings | Pane::Storage | Pane::Nodes => u16::MAX,
                    _ => share.max(WORTH),
                })
            };
            let (place, below) = split(rest, rows);
            self.put(*pane, place);
            rest = below;
        }
    }

    fn put(&mut self, pane: Pane, area: Rect) {
        if let Some(place) = self.panes.get_mut(pane.index()) {
            *place = area;
        }
    }
}

/// How many rows the contents would like to have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wants {
    pub head: u16,
    pub topology: u16,
    pub nodes: u16,
    pub findings: u16,
    pub storage: u16,
}

/// Lays everything out. `turn` says which of some panes is shown where only one can be.
pub(super) fn places(
    area: Rect,
    wants: Wants,
    pane: Pane,
    turn: &dyn Fn(&[Pane]) -> Pane,
    zoomed: bool,
) -> Places {
    // The title, and what stands beneath it.
    let (head, rest) = split(area, wants.head.saturating_add(1));
    let mut places = Places {
        head,
        ..Places::default()
    };
    if zoomed {
        places.put(pane, rest);
        if pane != Pane::Nodes {
            places.shared = Shared::Lower;
        }
        return places;
    }
    // A pane's heading and its table's headings take rows of their own.
    let topology = wants.topology.saturating_add(1);
    let nodes = wants.nodes.saturating_add(2);
    let room = rest.height.saturating_sub(LOWER);
    if area.width < WIDE {
        let nodes = nodes
            .min(room.saturating_sub(topology).max(room / 2 + 1))
            .min(rest.height);
        let topology = match room.saturating_sub(nodes).min(topology) {
            // One line of a drawing tells nothing.
            0..3 => 0,
            rows => rows,
        };
        let (top, below) = split(rest, topology);
        let (middle, lower) = split(below, nodes);
        places.topology = top;
        places.put(Pane::Nodes, middle);
        places.stack(lower, wants, turn(Pane::LOWER));
        return places;
    }
    let nodes = nodes.min(room / 2 + 1).min(rest.height);
    let upper = topology
        .max((room / 4).clamp(6, 16))
        .min(room.saturating_sub(nodes));
    let (top, below) = split(rest, upper);
    let (left, right) = beside(top, topology_width(area.width));
    let (middle, lower) = split(below, nodes);
    let side = wants
        .findings
        .saturating_add(1)
        .max(wants.storage.saturating_add(2));
    // One free row parts them from the events.
    let side = side.saturating_add(1).max(6).min(lower.height / 2);
    let (side, bottom) = split(lower, side);
    let (findings, storage) = beside(side, findings_width(area.width));
    places.topology = left;
    for (pane, place) in [
        (Pane::Charts, right),
        (Pane::Nodes, middle),
        (Pane::Findings, findings),
        (Pane::Storage, storage),
    ] {
        places.put(pane, place);
    }
    if area.width < HALVES {
        places.shared = Shared::Bottom;
        places.put(turn(Pane::BOTTOM), bottom);
    } else {
        places.shared = Shared::Halves;
        let (left, right) = beside(bottom, area.width / 2 - 1);
        places.put(turn(Pane::HAPPENED), left);
        places.put(turn(Pane::USED), right);
    }
    places
}

/// The columns that the topology has on a screen so wide.
pub(super) fn topology_width(width: u16) -> u16 {
    if width < WIDE {
        return width;
    }
    DRAWING.min(percent(width, 60))
}

/// The columns that findings have on a screen so wide.
pub(super) fn findings_width(width: u16) -> u16 {
    if width < WIDE {
        return width;
    }
    width.saturating_sub(ROWS.min(percent(width, 50)).saturating_add(2))
}

fn split(area: Rect, rows: u16) -> (Rect, Rect) {
    let first = Rect {
        height: rows.min(area.height),
        ..area
    };
    (first, draw::below(area, rows))
}

/// Left and right, two columns apart, the left one so wide.
fn beside(area: Rect, width: u16) -> (Rect, Rect) {
    let left = Rect {
        width: width.min(area.width),
        ..area
    };
    (left, draw::right_of(area, width.saturating_add(2)))
}

/// So many per cent of that many columns.
fn percent(width: u16, percent: u32) -> u16 {
    u16::try_from(u32::from(width) * percent / 100).unwrap_or(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_stands_inside_and_nothing_overlaps() {
        for width in [50, 80, 139, 140, 200, 400] {
            for height in [0, 1, 3, 8, 12, 22, 58, 100] {
                for (topology, nodes) in [(0, 0), (4, 3), (12, 9), (200, 200)] {
                    for pane in Pane::ALL {
                        let area = Rect::new(3, 2, width, height);
                        let wants = Wants {
                            head: topology % 5,
                            topology,
                            nodes,
                            findings: 3,
                            storage: 5,
                        };
                        let turn = |of: &[Pane]| match of.contains(pane) {
                            true => *pane,
                            false => of.first().copied().unwrap_or_default(),
                        };
                        for zoomed in [false, true] {
                            let places = places(area, wants, *pane, &turn, zoomed);
                            let mut all = vec![places.head, places.topology];
                            all.extend(Pane::ALL.iter().map(|pane| places.of(*pane)));
                            all.retain(|place| !place.is_empty());
                            for (i, place) in all.iter().enumerate() {
                                assert_eq!(place.intersection(area), *place, "{area} {places:?}");
                                for other in all.iter().skip(i + 1) {
                                    assert!(!place.intersects(*other), "{area} {places:?}");
                                }
                            }
                            if height >= 20 {
                                assert!(!places.of(*pane).is_empty(), "{pane:?} {places:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}
