//! What a screen may look at while it draws or decides: the world, the judgements, the settings, and the time.

use std::cell::Cell;

use jiff::Timestamp;

use super::Filter;
use super::runs::Runs;
use crate::checks::{Board, Limits, Since, Standing};
use crate::domain::world::ContextWorld;
use crate::domain::{World, text};
use crate::settings::{Glyph, Settings};
use crate::widgets::Look;

/// A view of everything that a screen may read. Nothing can be changed through it.
#[derive(Debug, Clone, Copy)]
pub struct See<'a> {
    /// All facts.
    pub world: &'a World,
    /// All judgements.
    pub board: &'a Board,
    /// Every answer of every check, while a screen that shows them was opened in this session; else none.
    pub standing: &'a Standing,
    /// What the reader chose.
    pub settings: &'a Settings,
    /// Bounds that turn a figure into a finding.
    pub limits: &'a Limits,
    /// Colours and signs.
    pub look: Look<'a>,
    /// The filter of this screen.
    pub filter: &'a Filter,
    /// Only what is ill is shown.
    pub ill_only: bool,
    /// The pane that has the keyboard has the whole screen.
    pub zoomed: bool,
    /// No pop-up lies over the screen, so its selection is where keys go.
    pub has_keyboard: bool,
    /// What to say about contexts that could be open and are not.
    pub hint: Option<&'a str>,
    /// The time that is shown: now, or when the picture was frozen.
    pub now: Timestamp,
    /// Notes when what was written goes out of date.
    pub clock: &'a Clock,
    /// What runs have told.
    pub runs: &'a Runs,
}

impl<'a> See<'a> {
    /// `Checks` as a title; while a filter or *ill only* is on, with how much of all it leaves: `Checks: 3 of 60 shown, filter: web`.
    pub fn title_of(&self, title: &str, shown: usize, all: usize) -> String {
        let written = self.filter.written().trim();
        let mut by = Vec::new();
        if !written.is_empty() {
            by.push(format!("filter: {written}"));
        }
        if self.ill_only {
            by.push("! only what is ill".to_owned());
        }
        match by.is_empty() {
            true => title.to_owned(),
            false => format!("{title}: {shown} of {all} shown, {}", by.join(", ")),
        }
    }

    /// How long ago that was.
    pub fn age(&self, at: Timestamp) -> String {
        self.clock.note_age(at, self.now);
        text::age(at, self.now)
    }

    /// How long ago something was that a cluster tells by its own clock: the making of an object, an event, the end of a
    /// container.
    pub fn age_in(&self, context: &ContextWorld, theirs: Timestamp) -> String {
        self.age(context.by_our_clock(theirs))
    }

    /// How long it will be until then: `4s`; `None` when it has come.
    pub fn until(&self, at: Timestamp) -> Option<String> {
        let left = at.as_second().saturating_sub(self.now.as_second());
        (left > 0).then(|| {
            self.clock.note(self.now.as_second().saturating_add(1));
            text::age_of(left)
        })
    }

    /// `3m04s`, or `seen for 12s` when only our own watching vouches for it.
    pub fn since(&self, since: Since) -> String {
        self.clock.note_age(since.at(), self.now);
        since.words(self.now)
    }

    /// Whether something learned then is older than `seconds`; if not, the picture changes when it will be.
    pub fn is_older(&self, at: Timestamp, seconds: i64) -> bool {
        let old = self.now.as_second().saturating_sub(at.as_second()) > seconds;
        if !old {
            self.clock
                .note(at.as_second().saturating_add(seconds).saturating_add(1));
        }
        old
    }

    /// Seconds after which an engine's answer counts as old: two rounds of asking and the time an answer may take.
    pub fn period(&self) -> i64 {
        let probe = &self.settings.probe;
        let longest = probe.others * 2 + probe.deadline;
        i64::try_from(longest.as_secs()).unwrap_or(i64::MAX)
    }

    /// A sign.
    pub fn sign(&self, glyph: Glyph) -> &'static str {
        self.look.glyph(glyph)
    }
}

/// When the picture goes out of date by time alone. Everything that writes an age notes it here, so that the loop
/// can sleep until a cell would differ.
#[derive(Debug, Default)]
pub struct Clock(Cell<Option<i64>>);

impl Clock {
    /// The first moment at which something written reads differently.
    pub fn next(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.0.get()?).ok()
    }

    /// Forgets all notes, before a new picture is drawn.
    pub fn clear(&self) {
        self.0.set(None);
    }

    /// Notes a moment, in seconds of unix time.
    pub fn note(&self, second: i64) {
        self.0
            .set(Some(self.0.get().map_or(second, |first| first.min(second))));
    }

    fn note_age(&self, at: Timestamp, now: Timestamp) {
        let at = at.as_second();
        let age = now.as_second().saturating_sub(at).max(0);
        // The steps in which `text::age_of` writes ages.
        let step = match age {
            0..600 => 1,
            600..86_400 => 60,
            _ => 86_400,
        };
        let next = (age / step).saturating_add(1).saturating_mul(step);
        self.note(
            at.saturating_add(next)
                .max(now.as_second().saturating_add(1)),
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_clock_knows_when_an_age_reads_differently() {
        let start = 1_000_000;
        for age in [
            0, 1, 59, 60, 599, 600, 659, 3_599, 3_600, 86_399, 86_400, 200_000,
        ] {
            let clock = Clock::default();
            let at = Timestamp::from_second(start).unwrap();
            let now = Timestamp::from_second(start + age).unwrap();
            clock.note_age(at, now);
            let next = clock.next().unwrap();
            let before = Timestamp::from_second(next.as_second() - 1).unwrap();
            assert_eq!(text::age(at, now), text::age(at, before), "{age}");
            assert_ne!(text::age(at, now), text::age(at, next), "{age}");
        }
        // A time ahead of ours (clocks differ) never asks for a moment that is past.
        let clock = Clock::default();
        let at = Timestamp::from_second(start + 50).unwrap();
        let now = Timestamp::from_second(start).unwrap();
        clock.note_age(at, now);
        assert!(clock.next().unwrap() > now);
    }
}
