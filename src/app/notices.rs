//! What was said to the reader: the newest for a moment on the status line, all of it in a list.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::reader;
use super::state::State;
use crate::settings::{Glyph, Tone};
use crate::widgets::{Piece, Window, draw};

/// How many are kept.
const KEPT: usize = 200;
/// How long a notice stays on the status line.
const SHOWN_FOR: SignedDuration = SignedDuration::from_secs(6);

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub at: Timestamp,
    pub text: String,
    pub is_problem: bool,
}

/// Everything that was said.
#[derive(Debug, Default)]
pub(super) struct Notices {
    said: VecDeque<Notice>,
    on_line: Option<Notice>,
    /// Problems that nobody has looked at yet.
    unread: usize,
}

impl Notices {
    /// Tells how something went.
    pub fn tell(&mut self, text: impl Into<String>, at: Timestamp) {
        self.say(text.into(), false, at);
    }

    /// Tells what is wrong.
    pub fn problem(&mut self, text: impl Into<String>, at: Timestamp) {
        self.unread += 1;
        self.say(text.into(), true, at);
    }

    /// Tells what is wrong with the files that were read: on the line all of it, or how much it is and the key that
    /// shows the rest.
    pub fn problems(&mut self, problems: Vec<String>, key: Option<&str>, at: Timestamp) {
        let all = problems.len();
        // The first problem is the first in the list, which has the newest first.
        for problem in problems.into_iter().rev() {
            self.problem(problem, at);
        }
        if let Some(notice) = self.on_line.as_mut().filter(|_| all > 1) {
            let how = key.map_or_else(String::new, |key| format!(" ({key} shows all)"));
            notice.text = format!("{all} problems{how}: {}", notice.text);
        }
    }

    fn say(&mut self, text: String, is_problem: bool, at: Timestamp) {
        let notice = Notice {
            at,
            text: crate::domain::text::one_line(&text),
            is_problem,
        };
        self.on_line = Some(notice.clone());
        self.said.push_front(notice);
        self.said.truncate(KEPT);
    }

    /// What stands on the status line.
    pub fn on_line(&self, now: Timestamp) -> Option<&Notice> {
        self.on_line
            .as_ref()
            .filter(|notice| now < notice.at + SHOWN_FOR)
    }

    /// Takes the status line's notice away; returns whether there was one.
    pub fn wipe(&mut self) -> bool {
        self.on_line.take().is_some()
    }

    /// Takes the status line's notice away when its time is up; returns whether it did.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        self.on_line(now).is_none() && self.wipe()
    }

    /// When the status line changes by itself.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.on_line.as_ref().map(|notice| notice.at + SHOWN_FOR)
    }

    /// Problems that nobody has looked at yet.
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// They have been looked at.
    pub fn read(&mut self) {
        self.unread = 0;
    }

    /// Everything, newest first.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &Notice> {
        self.said.iter()
    }
}

/// Draws the list of everything that was said.
pub(super) fn view(state: &State, window: &Window, now: Timestamp, area: Rect, buf: &mut Buffer) {
    let Some(desk) = state.desk() else { return };
    let see = state.see(desk, now);
    let mut lines: Vec<Vec<Piece>> = Vec::new();
    for notice in state.notices.all() {
        let (sign, tone) = match notice.is_problem {
            true => (see.sign(Glyph::Warning), Tone::Degraded),
            false => (see.sign(Glyph::Dot), Tone::Muted),
        };
        let age = format!("{:>7} ", see.age(notice.at));
        let room = usize::from(reader::columns(area)).saturating_sub(10);
        for (i, text) in draw::wrap(&notice.text, room).into_iter().enumerate() {
            let lead = match i {
                0 => vec![Piece::muted(age.clone()), Piece::new(sign, tone)],
                _ => vec![Piece::text(" ".repeat(9))],
            };
            lines.push(
                lead.into_iter()
                    .chain([Piece::text(format!(" {text}"))])
                    .collect(),
            );
        }
    }
    if lines.is_empty() {
        lines.push(vec![Piece::muted("Nothing was said yet.")]);
    }
    reader::view("Notices and problems", &lines, window, &see.look, area, buf);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn several_problems_at_once_are_counted_and_none_is_lost() {
        let now = Timestamp::from_second(1_000).unwrap();
        for (problems, key, wanted) in [
            (&["a: bad theme"][..], Some("gn"), "a: bad theme"),
            (
                &["a: bad theme", "b: bad key", "c: bad value"],
                Some("gn"),
                "3 problems (gn shows all): a: bad theme",
            ),
            (
                &["a: bad theme", "b: bad key"],
                None,
                "2 problems: a: bad theme",
            ),
        ] {
            let mut notices = Notices::default();
            notices.problems(problems.iter().map(|p| (*p).to_owned()).collect(), key, now);
            assert_eq!(notices.on_line(now).unwrap().text, wanted);
            assert_eq!(notices.unread(), problems.len());
            let all: Vec<&str> = notices.all().map(|notice| notice.text.as_str()).collect();
            assert_eq!(all, problems);
        }
    }

    #[test]
    fn a_notice_leaves_the_line_by_itself_and_stays_in_the_list() {
        let start = Timestamp::from_second(1_000).unwrap();
        let mut notices = Notices::default();
        assert!(notices.next_change().is_none());
        notices.tell("copied", start);
        notices.problem("settings.toml:3: no such key", start);
        assert_eq!(notices.unread(), 1);
        let end = notices.next_change().unwrap();
        assert!(notices.on_line(start).unwrap().is_problem);
        assert!(!notices.expire(start));
        assert!(notices.on_line(end).is_none());
        assert!(notices.expire(end));
        assert!(notices.next_change().is_none());
        assert_eq!(notices.all().len(), 2);
        notices.read();
        assert_eq!(notices.unread(), 0);
        for _ in 0..KEPT * 2 {
            notices.tell("again", start);
        }
        assert_eq!(notices.all().len(), KEPT);
    }
}
