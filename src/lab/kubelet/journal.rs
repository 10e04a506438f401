//! What the simple processes of the lab (operator, consumers) have written to their log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::lab::kubelet_api::LogLine;
use crate::lab::store::Store;

/// Lines kept for each process.
const KEPT: usize = 2000;

/// A log that can be written and read. Cloning shares it.
#[derive(Clone)]
pub(in crate::lab) struct Journal {
    store: Store,
    lines: Arc<Mutex<Lines>>,
}

#[derive(Default)]
struct Lines {
    kept: VecDeque<LogLine>,
    /// Position of the line after the last.
    next: u64,
}

impl Journal {
    /// An empty log on the lab's clock.
    pub(in crate::lab) fn new(store: &Store) -> Self {
        Self {
            store: store.clone(),
            lines: Arc::default(),
        }
    }

    /// Appends a line.
    pub(in crate::lab) fn write(&self, text: impl Into<String>) {
        let line = LogLine {
            at: self.store.now(),
            text: text.into(),
        };
        let mut lines = self.lines();
        if lines.kept.len() == KEPT {
            lines.kept.pop_front();
        }
        lines.kept.push_back(line);
        lines.next += 1;
    }

    /// What is kept from a position on, and the position after it.
    pub(in crate::lab) fn slice(&self, from: u64) -> (Vec<LogLine>, u64) {
        let lines = self.lines();
        let first = lines.next - lines.kept.len() as u64;
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        (lines.kept.iter().skip(skip).cloned().collect(), lines.next)
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
