//! The only words that rooms exchange: messages in, commands between, effects out, outcomes back.
//!
//! A [`Msg`] is something that happened and reaches `app::update` together with the time at which it did. A
//! [`Command`] is what a key, the palette or a click means. An [`Effect`] is what the machine room is asked to do,
//! as plain data: it can be printed, compared and replayed.
//!
//! Never: behaviour, IO, a clock.
//!
//! Start with [`Msg`], then [`command::COMMANDS`].

pub mod command;
pub mod run;
pub mod secret;

use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::{ContextId, Fact, InstanceId, Needs};
pub use crate::settings::KeyPress;
pub use command::{COMMANDS, Command, CommandDoc, TextCommandDoc, WITH_TEXT};
pub use run::{News, Order, RunId, Word};
pub use secret::Secret;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    /// A key was pressed (or repeated; releases are not told).
    Key(KeyPress),
    /// Text was pasted, in one piece.
    Paste(String),
    /// The mouse did something; only told while it is turned on.
    Mouse(Mouse),
    /// The terminal has this many columns and rows now.
    Resize(u16, u16),
    /// Facts arrived, in this order.
    Facts(Vec<Fact>),
    /// Time passed: what `app::next_wake` asked for has come.
    Tick,
    /// The terminal window has the keyboard again.
    FocusGained,
    /// The terminal window lost the keyboard.
    FocusLost,
    /// An effect came to an end.
    Outcome(Outcome),
    /// A run told something.
    Run(RunId, Box<News>),
    /// What the ledger remembers.
    Remembered(Vec<run::Past>),
    /// Something about the set-up is wrong: a settings file, a keymap, a log that cannot be written.
    Problem(String),
    /// The process was told to end.
    Signal(Signal),
}

impl Msg {
    /// The word for a log line: no payload, so it never carries anything from a cluster.
    pub fn word(&self) -> &'static str {
        match self {
            Msg::Key(_) => "key",
            Msg::Paste(_) => "paste",
            Msg::Mouse(_) => "mouse",
            Msg::Resize(..) => "resize",
            Msg::Facts(_) => "facts",
            Msg::Tick => "tick",
            Msg::FocusGained => "focus gained",
            Msg::FocusLost => "focus lost",
            Msg::Outcome(_) => "outcome",
            Msg::Run(..) => "run",
            Msg::Remembered(_) => "remembered",
            Msg::Problem(_) => "problem",
            Msg::Signal(_) => "signal",
        }
    }

    /// Whether a person waits for the answer: such a message is drawn at once, facts may wait for a frame.
    pub fn is_urgent(&self) -> bool {
        !matches!(self, Msg::Facts(_) | Msg::Tick)
    }
}

/// What the mouse did, at a column and row of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mouse {
    /// The left button went down.
    Click {
        /// Column from the left, from 0.
        column: u16,
        /// Row from the top, from 0.
        row: u16,
    },
    /// The wheel turned one notch towards the reader.
    WheelDown,
    /// The wheel turned one notch away.
    WheelUp,
}

/// A wish of the operating system that the process end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT from outside.
    Terminate,
    /// SIGHUP: the terminal is gone.
    Hangup,
}

/// How an effect ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The terminal was handed the text for its clipboard. Whether it took it cannot be known (OSC 52 has no answer).
    Copied {
        /// What was copied, in a few words.
        what: Arc<str>,
    },
    /// The process was stopped and is in the foreground again; the screen is drawn anew.
    Resumed,
    /// An effect could not be carried out.
    Failed {
        /// What was asked for, in a few words.
        what: Arc<str>,
        /// Why it failed.
        why: String,
    },
}

/// What the machine room is asked to do. Plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// This instance is in view, so its engines are asked more often; `None`: no single instance is.
    Watch(Option<InstanceId>),
    /// Read this, and only this, of what is read on demand: what the screen that is shown needs beside the standing
    /// questions, and what the answers do that are kept.
    Want(Needs),
    /// Keep the password of an instance's data port for as long as darner runs, and try the port at once. An empty one
    /// forgets what was kept.
    Password {
        /// Whose.
        instance: InstanceId,
        /// The password.
        password: Secret,
    },
    /// Hold the data of an instance's nodes against each other, once.
    Compare(InstanceId),
    /// Hand the text to the terminal's clipboard.
    Copy {
        /// What it is, in a few words.
        what: Arc<str>,
        /// The text itself.
        text: String,
    },
    /// Name the terminal window.
    SetTitle(String),
    /// Turn reports of the mouse on or off.
    Mouse(bool),
    /// Ring the bell: something critical was found while the window had not the keyboard.
    Bell,
    /// Clear the terminal and draw everything anew.
    Redraw,
    /// Every wait for a next try ends now.
    Retry,
    /// Restore the terminal and stop, as ctrl-z does; come back with [`Outcome::Resumed`].
    Suspend,
    /// Restore the terminal and end.
    Quit,
    /// Allow changes in a context until then.
    Unlock(ContextId, Timestamp),
    /// Allow none any more.
    Lock(ContextId),
    /// Begin a run: it plans, and waits for a word.
    Begin(Box<Order>),
    /// Tell a run something.
    Say(RunId, Box<Word>),
}
