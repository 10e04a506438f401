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
<<<<<<< HEAD
        let inner = Inner {
            lines: Mutex::default(),
            live: broadcast::Sender::new(64),
        };
        Self {
            store: store.clone(),
            inner: Arc::new(inner),
        }
=======
        Self { store: store.clone(), lines: Arc::default() }
>>>>>>> lab-cluster
    }

    /// Appends a line.
    pub(in crate::lab) fn write(&self, text: impl Into<String>) {
<<<<<<< HEAD
        let line = LogLine {
            at: self.store.now(),
            text: text.into(),
        };
        let mut lines = self
            .inner
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
=======
        let line = LogLine { at: self.store.now(), text: text.into() };
        let mut lines = self.lines();
        if lines.kept.len() == KEPT {
            lines.kept.pop_front();
>>>>>>> lab-cluster
        }
        lines.kept.push_back(line);
        lines.next += 1;
    }

<<<<<<< HEAD
    /// What was written so far, and what will be: nothing falls between the two.
    pub(in crate::lab) fn follow(&self) -> (Vec<LogLine>, broadcast::Receiver<LogLine>) {
        let lines = self
            .inner
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        (lines.iter().cloned().collect(), self.inner.live.subscribe())
=======
    /// What is kept from a position on, and the position after it.
    pub(in crate::lab) fn slice(&self, from: u64) -> (Vec<LogLine>, u64) {
        let lines = self.lines();
        let first = lines.next - lines.kept.len() as u64;
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        (lines.kept.iter().skip(skip).cloned().collect(), lines.next)
>>>>>>> lab-cluster
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
