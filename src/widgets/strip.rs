//! One line of parts that leave in order of their priority when there is no room: the context strip and the footer.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Look, Piece, draw};
use crate::settings::{Bound, Glyph, Tone};

/// One part of a strip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// What it says.
    pub pieces: Vec<Piece>,
    /// The higher, the earlier it is left out; 0 is never left out, only cut. Of equals the last goes first.
    pub priority: u8,
    /// It stands at the right end.
    pub right: bool,
    /// It is one of several of a kind: where it is left out, it is counted in a `+2` behind those that are shown.
    pub counted: bool,
    /// Where it has no room in full, its words are cut to what room there is, down to so many columns.
    pub least: Option<usize>,
}

impl Segment {
    /// A part at the left that is never left out.
    pub fn new(pieces: Vec<Piece>) -> Self {
        Self {
            pieces,
            priority: 0,
            right: false,
            counted: false,
            least: None,
        }
    }

    /// The same, cut rather than left out, as long as so many columns of it are there.
    #[must_use]
    pub fn at_least(mut self, columns: usize) -> Self {
        self.least = Some(columns);
        self
    }

    /// The same, counted where it is left out.
    #[must_use]
    pub fn counted(mut self) -> Self {
        self.counted = true;
        self
    }

    /// The same, to be left out at that priority.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// The same at the right end.
    #[must_use]
    pub fn at_right(mut self) -> Self {
        self.right = true;
        self
    }

    fn width(&self) -> usize {
        draw::line_width(&self.pieces)
    }
}

/// `1-5` for digits that follow each other, the key that they begin with of sequences of letters (`i` of `ip` and `ic`),
/// else all of them: `g/G`.
fn range(keys: &[&str]) -> String {
    let begin = |key: &&str| {
        let mut letters = key.chars();
        let begin = letters.next().filter(|_| key.chars().count() == 2);
        begin.filter(|_| letters.all(char::is_alphabetic))
    };
    if let [first, _, ..] = keys
        && let Some(common) = begin(first)
        && keys.iter().all(|key| begin(key) == Some(common))
    {
        return common.to_string();
    }
    let digit = |key: &&str| key.parse::<u8>().ok().filter(|digit| *digit < 10);
    let digits: Option<Vec<u8>> = keys.iter().map(digit).collect();
    let follow = |digits: &Vec<u8>| {
        let next = digits.iter().skip(1);
        digits.iter().zip(next).all(|(a, b)| a + 1 == *b)
    };
    match (digits.filter(follow), keys) {
        (Some(_), [first, _, .., last]) => format!("{first}-{last}"),
        _ => keys.join("/"),
    }
}

/// One line of segments.
#[derive(Debug, Clone, Default)]
pub struct Strip {
    segments: Vec<Segment>,
    separator: Option<Glyph>,
}

impl Strip {
    /// Segments, two columns apart.
    pub fn new(segments: Vec<Segment>) -> Self {
        Self {
            segments,
            separator: None,
        }
    }

    /// With a sign between the segments at the left.
    #[must_use]
    pub fn separated(mut self, glyph: Glyph) -> Self {
        self.separator = Some(glyph);
        self
    }

    /// A footer: the keys that have a hint, in their order, each with its word, and those that follow each other with the
    /// same word in one; those that do nothing here are left out first, then the last ones.
    pub fn of_keys(bindings: &[Bound]) -> Self {
        let hinted = bindings.iter().filter_map(|bound| {
            let (key, hint) = (bound.keys.first()?, bound.hint.as_deref()?);
            Some((key.as_str(), hint, bound.disabled.is_none()))
        });
        let mut groups: Vec<(Vec<&str>, &str, bool)> = Vec::new();
        for (key, hint, works) in hinted {
            match groups.last_mut() {
                Some((keys, same, any)) if *same == hint => {
                    keys.push(key);
                    *any |= works;
                }
                _ => groups.push((vec![key], hint, works)),
            }
        }
        let segments = groups.into_iter().map(|(keys, hint, works)| {
            let (key_tone, tone, priority) = match works {
                true => (Tone::Key, Tone::Muted, 1),
                false => (Tone::Disabled, Tone::Disabled, 2),
            };
            let pieces = vec![
                Piece::new(range(&keys), key_tone),
                Piece::new(format!(" {hint}"), tone),
            ];
            Segment::new(pieces).priority(priority)
        });
        Self::new(segments.collect())
    }

    /// Draws the strip into the first row.
    pub fn render(&self, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        let Some(row) = draw::rows(area).next() else {
            return;
        };
        let kept = self.kept(usize::from(row.width), look.glyph(Glyph::Ellipsis));
        let kept: Vec<&Segment> = kept.iter().map(|(_, segment)| segment.as_ref()).collect();
        let more = self.more(&kept);
        let (right, mut left): (Vec<_>, Vec<_>) = kept.into_iter().partition(|s| s.right);
        left.extend(more.as_ref());
        let mut room = row;
        let mut right_pieces: Vec<Piece> = Vec::new();
        for segment in right {
            if !right_pieces.is_empty() {
                right_pieces.push(Piece::text("  "));
            }
            right_pieces.extend(segment.pieces.iter().cloned());
        }
        let wide = u16::try_from(draw::line_width(&right_pieces)).unwrap_or(u16::MAX);
        if wide > 0 {
            let at = row.width.saturating_sub(wide);
            draw::line(&right_pieces, look, draw::right_of(row, at), buf);
            room.width = at.saturating_sub(1);
        }
        let mut pieces: Vec<Piece> = Vec::new();
        for segment in left {
            if !pieces.is_empty() {
                match self.separator {
                    Some(glyph) => {
                        let sign = format!("  {}  ", look.glyph(glyph));
                        pieces.push(Piece::new(sign, Tone::Border));
                    }
                    None => pieces.push(Piece::text("  ")),
                }
            }
            pieces.extend(segment.pieces.iter().cloned());
        }
        draw::line(&pieces, look, room, buf);
    }

    /// The segments for which there is room, with their places. What had to go for another one comes back where there is
    /// room for it once more has gone.
    fn kept(&self, columns: usize, ellipsis: &str) -> Vec<(usize, Cow<'_, Segment>)> {
        let mut kept: Vec<(usize, Cow<'_, Segment>)> = self
            .segments
            .iter()
            .map(Cow::Borrowed)
            .enumerate()
            .filter(|(_, s)| s.width() > 0)
            .collect();
        let mut left_out = Vec::new();
        while self.width_with_more(&kept) > columns {
            let worst = kept
                .iter()
                .enumerate()
                .filter(|(_, (_, s))| s.priority > 0)
                .max_by_key(|(_, (place, s))| (s.priority, *place))
                .map(|(at, _)| at);
            match worst {
                Some(at) => left_out.push(kept.remove(at)),
                None => break,
            };
        }
        left_out.sort_by_key(|(place, segment)| (segment.priority, *place));
        // Of those that are counted, what is well is not shown where what is not has no room.
        let mut missing: Option<u8> = None;
        for (place, segment) in left_out {
            if segment.counted && missing.is_some_and(|other| other < segment.priority) {
                continue;
            }
            let at = kept.partition_point(|(other, _)| *other < place);
            kept.insert(at, (place, segment.clone()));
            let over = self.width_with_more(&kept).saturating_sub(columns);
            if over == 0 {
                continue;
            }
            kept.remove(at);
            if segment.counted {
                missing.get_or_insert(segment.priority);
            }
            let room = segment.width().saturating_sub(over);
            if let Some(least) = segment.least
                && let [only] = segment.pieces.as_slice()
                && room >= least.max(1)
            {
                let text = draw::fit_words(&only.text, room, ellipsis).into_owned();
                let pieces = vec![Piece::new(text, only.tone)];
                let cut = Segment {
                    pieces,
                    ..segment.as_ref().clone()
                };
                kept.insert(at, (place, Cow::Owned(cut)));
            }
        }
        kept
    }

    fn width_with_more(&self, kept: &[(usize, Cow<'_, Segment>)]) -> usize {
        let kept: Vec<&Segment> = kept.iter().map(|(_, segment)| segment.as_ref()).collect();
        let more = self.more(&kept);
        let all: Vec<&Segment> = kept.iter().copied().chain(more.as_ref()).collect();
        self.width(&all)
    }

    /// How many of those that are counted are left out; nothing where all are there.
    fn more(&self, kept: &[&Segment]) -> Option<Segment> {
        let counted = |segment: &&Segment| segment.counted && segment.width() > 0;
        let all = self.segments.iter().filter(counted).count();
        let shown = kept.iter().copied().filter(counted).count();
        let hidden = all - shown;
        (hidden > 0).then(|| Segment::new(vec![Piece::muted(format!("+{hidden}"))]))
    }

    fn width(&self, segments: &[&Segment]) -> usize {
        let gap = if self.separator.is_some() { 5 } else { 2 };
        let side = |right: bool, gap: usize| {
            let count = segments.iter().filter(|s| s.right == right).count();
            let text: usize = segments
                .iter()
                .filter(|s| s.right == right)
                .map(|s| s.width())
                .sum();
            (text + gap * count.saturating_sub(1), count)
        };
        let (left, right) = (side(false, gap), side(true, 2));
        left.0 + right.0 + usize::from(left.1 > 0 && right.1 > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::GlyphSet;
    use crate::widgets::dump;

    fn drawn(width: u16) -> String {
        let strip = Strip::new(vec![
            Segment::new(vec![Piece::new("infra", Tone::Strong), "●".into()]),
            Segment::new(vec!["op 2/2".into()]).priority(2),
            Segment::new(vec!["apps".into()]).priority(1),
            Segment::new(vec![Piece::new("LOCKED", Tone::Locked)]).at_right(),
        ])
        .separated(Glyph::Vertical);
        let said = dump::drawn(width, 1, GlyphSet::Unicode, |look, area, buf| {
            strip.render(look, area, buf);
        });
        said.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn what_went_for_another_part_comes_back_where_that_has_gone() {
        let strip = Strip::new(vec![
            Segment::new(vec!["infra".into()]),
            Segment::new(vec!["op 2/2".into()]).priority(6),
            Segment::new(vec!["apps unreachable".into()]).priority(1),
            Segment::new(vec!["(no answer from its API server)".into()])
                .priority(5)
                .at_least(12),
        ]);
        for (width, wanted) in [
            (
                80,
                "infra  op 2/2  apps unreachable  (no answer from its API server)",
            ),
            (
                56,
                "infra  apps unreachable  (no answer from its API server)",
            ),
            (55, "infra  apps unreachable  (no answer from its API…"),
            (38, "infra  apps unreachable  (no answer…"),
            (36, "infra  op 2/2  apps unreachable"),
            (30, "infra  apps unreachable"),
        ] {
            let said = dump::drawn(width, 1, GlyphSet::Unicode, |look, area, buf| {
                strip.render(look, area, buf);
            });
            assert_eq!(said.lines().next(), Some(wanted), "{width}");
        }
    }

    #[test]
    fn parts_leave_by_priority_and_the_rest_is_cut() {
        for (width, wanted) in [
            (34, "infra●  │  op 2/2  │  apps  LOCKED"),
            (33, "infra●  │  op 2/2  │  apps LOCKED"),
            (32, "infra●  │  apps           LOCKED"),
            (21, "infra●         LOCKED"),
            (12, "infr… LOCKED"),
            (6, "LOCKED"),
            (3, "LO…"),
        ] {
            assert_eq!(drawn(width), wanted, "{width}");
        }
    }

    #[test]
    fn those_that_are_counted_never_leave_unsaid() {
        let one = |name: &str, priority| {
            Segment::new(vec![Piece::text(name)])
                .priority(priority)
                .counted()
        };
        let strip = Strip::new(vec![
            Segment::new(vec!["darner".into()]),
            one("infra", 3),
            one("apps", 3),
            one("edge down", 1),
            Segment::new(vec!["READ-ONLY".into()]).at_right(),
        ]);
        for (width, wanted) in [
            (43, "darner  infra  apps  edge down    READ-ONLY"),
            (41, "darner  infra  apps  edge down  READ-ONLY"),
            (40, "darner  infra  apps  edge down READ-ONLY"),
            (39, "darner  infra  edge down  +1  READ-ONLY"),
            (37, "darner  apps  edge down  +1 READ-ONLY"),
            (36, "darner  edge down  +2      READ-ONLY"),
            (31, "darner  edge down  +2 READ-ONLY"),
            (30, "darner  +3           READ-ONLY"),
        ] {
            let said = dump::drawn(width, 1, GlyphSet::Unicode, |look, area, buf| {
                strip.render(look, area, buf);
            });
            assert_eq!(said.lines().next(), Some(wanted), "{width}");
        }
    }

    #[test]
    fn keys_that_share_a_hint_are_told_in_one() {
        for (keys, wanted) in [
            (&["1", "2", "3", "4", "5"][..], "1-5"),
            (&["1", "2"], "1/2"),
            (&["1", "3", "4"], "1/3/4"),
            (&["f2", "f3", "f4"], "f2/f3/f4"),
            (&["x"], "x"),
        ] {
            assert_eq!(range(keys), wanted);
        }
        let bound = |key: &str, hint: &str, disabled: Option<&str>| Bound {
            keys: vec![key.to_owned()],
            run: "x".into(),
            desc: "X".into(),
            hint: Some(hint.to_owned()),
            scope: "global".into(),
            disabled: disabled.map(str::to_owned),
        };
        let strip = Strip::of_keys(&[
            bound("q", "back", None),
            bound("1", "screens", None),
            bound("2", "screens", Some("no instance is selected")),
            bound("3", "screens", None),
        ]);
        let said = dump::drawn(30, 1, GlyphSet::Unicode, |look, area, buf| {
            strip.render(look, area, buf);
        });
        assert_eq!(said, "q back  1-3 screens\n\nkmmmmm  kkkmmmmmmmm\n");
    }

    #[test]
    fn a_footer_shows_hints_and_drops_what_does_nothing_first() {
        let bound = |key: &str, hint: Option<&str>, disabled: Option<&str>| Bound {
            keys: vec![key.to_owned()],
            run: "x".into(),
            desc: "X".into(),
            hint: hint.map(str::to_owned),
            scope: "global".into(),
            disabled: disabled.map(str::to_owned),
        };
        let strip = Strip::of_keys(&[
            bound("enter", Some("open"), Some("nothing is selected")),
            bound("/", Some("filter"), None),
            bound("j", None, None),
            bound("?", Some("help"), None),
        ]);
        for (width, wanted) in [
            (
                40,
                "enter open  / filter  ? help\n\nnnnnnnnnnn  kmmmmmmm  kmmmmm\n",
            ),
            (20, "/ filter  ? help\n\nkmmmmmmm  kmmmmm\n"),
            (10, "/ filter\n\nkmmmmmmm\n"),
        ] {
            let said = dump::drawn(width, 1, GlyphSet::Unicode, |look, area, buf| {
                strip.render(look, area, buf);
            });
            assert_eq!(said, wanted, "{width}");
        }
    }
}
