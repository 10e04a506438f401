//! What runs in a container: a simulated server, or a simple process with a log.

use std::sync::Mutex;
use std::sync::PoisonError;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::journal::Journal;
use crate::lab::engine::{Engine, LabClock};
use crate::lab::kubelet_api::LogLine;
use crate::lab::store::Store;
use crate::lab::tasks::Tasks;

/// A started process.
pub(in crate::lab) enum Process {
    /// A Dragonfly server.
    Engine(Engine, LabClock),
    /// Anything else.
    Simple(Simple),
}

/// A process that writes a log and otherwise does what its tasks do.
pub(in crate::lab) struct Simple {
    /// Its log.
    pub(in crate::lab) journal: Journal,
    /// Its tasks; they end with it.
    tasks: Tasks,
    exit: watch::Sender<Option<i32>>,
    /// The exit status after SIGTERM.
    on_term: Mutex<i32>,
}

impl Simple {
    /// A process that has just been started.
    pub(in crate::lab) fn new(store: &Store, tasks: &Tasks) -> Self {
        Self {
            journal: Journal::new(store),
            tasks: tasks.part(),
            exit: watch::Sender::new(None),
            on_term: Mutex::new(0),
        }
    }

    /// The tasks that end with this process.
    pub(in crate::lab) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Where its end is announced; a task may send an exit status.
    pub(in crate::lab) fn exit(&self) -> watch::Sender<Option<i32>> {
        self.exit.clone()
    }

    /// Says with which status it leaves after SIGTERM.
    pub(in crate::lab) fn leaves_with(self, code: i32) -> Self {
        *self.on_term.lock().unwrap_or_else(PoisonError::into_inner) = code;
        self
    }

    fn end(&self, code: i32) {
        self.tasks.end();
        self.exit.send_if_modified(|exit| {
            let first = exit.is_none();
            *exit = exit.or(Some(code));
            first
        });
    }
}

impl Process {
    /// The server in it.
    pub(in crate::lab) fn engine(&self) -> Option<&Engine> {
        match self {
            Self::Engine(engine, _) => Some(engine),
            Self::Simple(_) => None,
        }
    }

    /// Completes with the exit status when it ends.
    pub(in crate::lab) async fn exited(&self) -> i32 {
        match self {
            Self::Engine(engine, _) => engine.exited().await,
            Self::Simple(simple) => {
                let mut seen = simple.exit.subscribe();
                match seen.wait_for(Option::is_some).await {
                    Ok(code) => code.unwrap_or_default(),
                    Err(_) => 0,
                }
            }
        }
    }

    /// Whether it has ended.
    pub(in crate::lab) fn has_ended(&self) -> bool {
        match self {
            Self::Engine(engine, _) => engine.exit_code().is_some(),
            Self::Simple(simple) => simple.exit.borrow().is_some(),
        }
    }

    /// SIGTERM.
    pub(in crate::lab) fn terminate(&self) {
        match self {
            Self::Engine(engine, _) => engine.stop_graceful(),
            Self::Simple(simple) => simple.end(
                *simple
                    .on_term
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            ),
        }
    }

    /// SIGKILL.
    pub(in crate::lab) fn kill(&self) {
        match self {
            Self::Engine(engine, _) => engine.kill(),
            Self::Simple(simple) => simple.end(137),
        }
    }

    /// Whether it is stopped (SIGSTOP): it answers no probe.
    pub(in crate::lab) fn frozen(&self) -> bool {
        self.engine().is_some_and(Engine::is_frozen)
    }

    /// Completes when it gets stopped.
    pub(in crate::lab) async fn froze(&self) {
        match self {
            Self::Engine(engine, _) => engine.froze().await,
            Self::Simple(_) => std::future::pending().await,
        }
    }

    /// Its log from a position on, and the position after it.
    pub(in crate::lab) fn lines(&self, from: u64) -> (Vec<LogLine>, u64) {
        match self {
            Self::Engine(engine, clock) => {
                let slice = engine.log(from);
                let lines = slice.lines.into_iter().map(|(at, text)| {
                    let at =
                        Timestamp::UNIX_EPOCH + SignedDuration::from_millis(clock.unix_ms_at(at));
                    LogLine { at, text }
                });
                (lines.collect(), slice.next)
            }
            Self::Simple(simple) => simple.journal.slice(from),
        }
    }
}
