//! What the simple processes of the lab (operator, consumers) have written to their log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use crate::lab::kubelet_api::LogLine;
use crate::lab::store::Store;

/// Lines kept for each process.
const KEPT: usize = 2000;

/// A log that can be written, read and followed. Cloning shares it.
#[derive(Clone)]
pub(in crate::lab) struct Journal {
    store: Store,
    inner: Arc<Inner>,
}

struct Inner {
    lines: Mutex<VecDeque<LogLine>>,
    live: broadcast::Sender<LogLine>,
}

impl Journal {
    /// An empty log on the lab's clock.
    pub(in crate::lab) fn new(store: &Store) -> Self {
        let inner = Inner {
            lines: Mutex::default(),
            live: broadcast::Sender::new(64),
        };
        Self {
            store: store.clone(),
            inner: Arc::new(inner),
        }
    }

    /// Appends a line.
    pub(in crate::lab) fn write(&self, text: impl Into<String>) {
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
        }
        lines.push_back(line.clone());
        // Nobody may be following.
        let _ = self.inner.live.send(line);
    }

    /// What was written so far, and what will be: nothing falls between the two.
    pub(in crate::lab) fn follow(&self) -> (Vec<LogLine>, broadcast::Receiver<LogLine>) {
        let lines = self
            .inner
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        (lines.iter().cloned().collect(), self.inner.live.subscribe())
    }

    /// What was written so far.
    pub(in crate::lab) fn past(&self) -> Vec<LogLine> {
        self.follow().0
    }
}
