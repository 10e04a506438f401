//! The engine's log as `kubectl logs` shows it: glog lines in a bounded ring.

use std::collections::VecDeque;
use std::time::Duration;

use super::clock::LabClock;

/// Lines kept; a retrying replica writes two a second, so this is a few minutes.
const KEPT: usize = 400;

/// Lines of an engine's log from a position on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSlice {
    /// Position to ask from next time.
    pub next: u64,
    /// Lab time since the clock's origin, and the line without its line end.
    pub lines: Vec<(Duration, String)>,
}

#[derive(Debug)]
pub(super) struct Log {
    clock: LabClock,
    lines: VecDeque<(Duration, String)>,
    /// Position of the line after the last one.
    next: u64,
}

impl Log {
    pub(super) fn new(clock: LabClock) -> Self {
        Self {
            clock,
            lines: VecDeque::new(),
            next: 0,
        }
    }

    /// `I1121 23:10:07.825724       1 dfly_main.cc:1096] text`
    pub(super) fn write(&mut self, level: char, thread: usize, place: &str, text: &str) {
        let at = self.clock.now();
        let stamp = self.clock.format(at, "%m%d %H:%M:%S.%6f");
        self.plain_at(
            at,
            format!("{level}{stamp} {:>7} {place}] {text}", thread + 1),
        );
    }

    pub(super) fn info(&mut self, thread: usize, place: &str, text: &str) {
        self.write('I', thread, place, text);
    }

    pub(super) fn warn(&mut self, thread: usize, place: &str, text: &str) {
        self.write('W', thread, place, text);
    }

    /// A line without the glog prefix, such as the banner.
    pub(super) fn plain(&mut self, text: &str) {
        self.plain_at(self.clock.now(), text.to_owned());
    }

    fn plain_at(&mut self, at: Duration, line: String) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back((at, line));
        self.next += 1;
    }

    /// Everything still kept from position `from` on.
    pub(super) fn slice(&self, from: u64) -> LogSlice {
        let first = self.next - self.lines.len() as u64;
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        LogSlice {
            next: self.next,
            lines: self.lines.iter().skip(skip).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_reads_like_glog() {
        let mut log = Log::new(LabClock::default());
        log.info(0, "dflycmd.cc:782", "Registered replica 10.0.0.2:6379");
        let slice = log.slice(0);
        let line = &slice.lines.first().unwrap().1;
        let (stamp, text) = line.split_once(']').unwrap();
        assert_eq!(text, " Registered replica 10.0.0.2:6379");
        assert!(
            stamp.starts_with('I') && stamp.ends_with(" dflycmd.cc:782"),
            "{stamp}"
        );
        assert_eq!(stamp.find('.'), Some(14), "{stamp}");
    }

    #[test]
    fn the_ring_forgets_the_oldest_and_slices_from_a_position() {
        let mut log = Log::new(LabClock::default());
        for n in 0..KEPT + 5 {
            log.plain(&n.to_string());
        }
        let all = log.slice(0);
        assert_eq!(all.lines.len(), KEPT);
        assert_eq!(all.lines.first().unwrap().1, "5");
        assert_eq!(log.slice(all.next - 1).lines.len(), 1);
        assert_eq!(log.slice(all.next).lines, vec![]);
    }
}
