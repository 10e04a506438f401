//! What comes from the terminal: keys, pastes, the mouse, sizes.

use std::io;

use crossterm::event::{Event, EventStream};
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Events that wait to be taken; beyond, the terminal's own buffer holds them.
const WAITING: usize = 256;

/// The terminal's events, read by a task of their own.
///
/// Whoever asks the stream of crossterm itself wakes the thread that waits for the terminal, which the loop would do with
/// every fact that comes; a channel is asked for nothing.
pub(super) struct Keys {
    events: mpsc::Receiver<io::Result<Event>>,
    reading: JoinSet<()>,
}

impl Keys {
    /// Begins to read. Within a runtime.
    pub(super) fn read() -> Self {
        let (sender, events) = mpsc::channel(WAITING);
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            let mut stream = EventStream::new();
            while let Some(event) = stream.next().await {
                let lost = event.is_err();
                if sender.send(event).await.is_err() || lost {
                    break;
                }
            }
        });
        Self { events, reading }
    }

    /// The next event; none once the terminal is gone. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<io::Result<Event>> {
        self.events.recv().await
    }

    /// An event that has come already.
    pub(super) fn waiting(&mut self) -> Option<io::Result<Event>> {
        self.events.try_recv().ok()
    }

    /// Stops to read: what is typed from now on is somebody else's.
    pub(super) async fn stop(mut self) {
        self.reading.shutdown().await;
    }
}
