//! Where the panes of the Instance screen stand, by how much room there is.

use ratatui::layout::Rect;

use super::Pane;
use crate::widgets::draw;

/// Columns from which panes stand side by side.
const WIDE: u16 = 140;
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
    pub nodes: Rect,
    pub findings: Rect,
    pub storage: Rect,
    pub events: Rect,
    pub charts: Rect,
    /// The lower panes share one place, and take turns in it.
    pub tabbed: bool,
}

impl Places {
    /// The place of a pane.
    pub fn of(&self, pane: Pane) -> Rect {
        match pane {
            Pane::Nodes => self.nodes,
            Pane::Findings => self.findings,
            Pane::Storage => self.storage,
            Pane::Events => self.events,
            Pane::Charts => self.charts,
        }
    }

    /// As many lower panes as there is room for, one beneath the other; the chosen one is always among them.
    fn stack(&mut self, area: Rect, wants: Wants, tab: Pane) {
        /// Rows from which a pane is worth showing beside others.
        const WORTH: u16 = 7;
        let room = usize::from(area.height / WORTH).clamp(1, 4);
        let mut shown: Vec<Pane> = vec![tab];
        for pane in [Pane::Findings, Pane::Events, Pane::Charts, Pane::Storage] {
            if shown.len() < room && !shown.contains(&pane) {
                shown.push(pane);
            }
        }
        self.tabbed = shown.len() < 4;
        let mut rest = area;
        let mut left = u16::try_from(shown.len()).unwrap_or(1);
        // In the order of the tabs, so that a pane that comes in does not turn the others round.
        for pane in Pane::ALL.iter().filter(|pane| shown.contains(pane)) {
            let wanted = match pane {
                Pane::Findings => wants.findings.saturating_add(1),
                Pane::Storage => wants.storage.saturating_add(2),
                Pane::Nodes | Pane::Events | Pane::Charts => u16::MAX,
            };
            left -= 1;
            let most = rest.height.saturating_sub(left * WORTH);
            let share = rest.height / (left + 1);
            let rows = if left == 0 {
                rest.height
            } else {
                wanted.max(3).min(most.max(share)).min(match pane {
                    Pane::Events | Pane::Charts => share.max(WORTH),
                    _ => u16::MAX,
                })
            };
            let (place, below) = split(rest, rows);
            self.put(*pane, place);
            rest = below;
        }
    }

    fn put(&mut self, pane: Pane, area: Rect) {
        match pane {
            Pane::Nodes => self.nodes = area,
            Pane::Findings => self.findings = area,
            Pane::Storage => self.storage = area,
            Pane::Events => self.events = area,
            Pane::Charts => self.charts = area,
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

/// Lays everything out. `tab` is the lower pane that is shown where only one can be.
pub(super) fn places(area: Rect, wants: Wants, pane: Pane, tab: Pane, zoomed: bool) -> Places {
    // The title, and what stands beneath it.
    let (head, rest) = split(area, wants.head.saturating_add(1));
    let mut places = Places {
        head,
        ..Places::default()
    };
    if zoomed {
        places.put(pane, rest);
        places.tabbed = pane != Pane::Nodes;
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
        places.nodes = middle;
        places.stack(lower, wants, tab);
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
    let (side, events) = split(lower, side);
    let (findings, storage) = beside(side, findings_width(area.width));
    places.topology = left;
    places.charts = right;
    places.nodes = middle;
    places.findings = findings;
    places.storage = storage;
    places.events = events;
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
                        let tab = if *pane == Pane::Nodes {
                            Pane::Events
                        } else {
                            *pane
                        };
                        for zoomed in [false, true] {
                            let places = places(area, wants, *pane, tab, zoomed);
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
