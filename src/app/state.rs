//! All that is on the screen.

use std::cell::Cell;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::freeze::Picture;
use super::history::{History, Place};
use super::notices::Notices;
use super::over::Over;
use crate::checks::Board;
use crate::domain::{InstanceId, World};
use crate::screens::{self, Clock, Filter, Fresh, Screen, See};
use crate::settings::{GlyphSet, KeyPress, Keymap, Settings, Theme};

/// How long a prefix key waits before its continuations are shown.
pub(super) const HINT_AFTER: SignedDuration = SignedDuration::from_millis(300);

/// Everything that is shown, and what the reader is doing with it.
#[derive(Debug)]
pub struct State {
    pub(super) world: World,
    pub(super) board: Board,
    pub(super) settings: Settings,
    pub(super) theme: Theme,
    pub(super) keymap: Keymap,
    pub(super) glyphs: GlyphSet,
    /// Columns and rows of the terminal.
    pub(super) size: (u16, u16),
    /// Every screen, in the order of [`screens::ALL`].
    pub(super) desks: Vec<Desk>,
    pub(super) history: History,
    pub(super) zoomed: bool,
    /// Pop-ups, the topmost last.
    pub(super) over: Vec<Over>,
    pub(super) pending: Option<Pending>,
    pub(super) frozen: Option<Box<Picture>>,
    pub(super) notices: Notices,
    pub(super) mouse: bool,
    /// What to say about contexts that could be open and are not.
    pub(super) hint: Option<String>,
    /// What the machine room was last told to look at closely.
    pub(super) watched: Option<InstanceId>,
    /// What the window was last named.
    pub(super) titled: String,
    pub(super) dirty: bool,
    /// When the picture that was last drawn goes out of date by time alone.
    pub(super) clock: Clock,
}

/// A screen with what is set on it.
#[derive(Debug)]
pub(super) struct Desk {
    pub id: &'static str,
    pub screen: Box<dyn Screen>,
    pub filter: Filter,
    pub ill_only: bool,
    pub fresh: Fresh,
}

/// A key sequence that has begun.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub keys: Vec<KeyPress>,
    pub since: Timestamp,
}

impl State {
    /// The first picture: nothing is known yet. `problems` are what was wrong with the files that were read before,
    /// `hint` says which contexts could be open too.
    pub fn new(
        settings: Settings,
        theme: Theme,
        keymap: Keymap,
        glyphs: GlyphSet,
        problems: Vec<String>,
        hint: Option<String>,
        now: Timestamp,
    ) -> Self {
        let desks = screens::ALL
            .iter()
            .map(|doc| Desk {
                id: doc.id,
                screen: (doc.make)(),
                filter: Filter::default(),
                ill_only: false,
                fresh: Fresh::everything(),
            })
            .collect();
        let mut notices = Notices::default();
        for problem in problems {
            notices.problem(problem, now);
        }
        Self {
            world: World::default(),
            board: Board::default(),
            settings,
            theme,
            keymap,
            glyphs,
            size: (80, 24),
            desks,
            history: History::default(),
            zoomed: false,
            over: Vec::new(),
            pending: None,
            frozen: None,
            notices,
            mouse: false,
            hint,
            watched: None,
            titled: String::new(),
            dirty: true,
            clock: Clock::default(),
        }
    }

    /// All facts, for reports and tests. Read-only: facts go in through [`super::update()`].
    pub fn world(&self) -> &World {
        &self.world
    }

    /// All judgements.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The id of the screen that is shown.
    pub fn screen(&self) -> &'static str {
        self.history.here().screen
    }

    /// Something shown differs from what was last drawn.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// The same, and takes note that it is being drawn.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// When the screen next changes by time alone: an age reads differently, a judgement falls due, a hint appears, a
    /// notice goes. `None`: not before something happens. Asked after [`super::view()`] has drawn; a [`Msg::Tick`]
    /// is wanted at that time.
    ///
    /// [`Msg::Tick`]: crate::msg::Msg::Tick
    pub fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        let drawn = match self.frozen {
            // A frozen picture stands still; only the word FROZEN ages.
            Some(_) => self.clock.next(),
            None => self.clock.next(),
        };
        let hint = self.pending.as_ref().map(|p| p.since + HINT_AFTER);
        [drawn, hint, self.board.next_due(), self.notices.next_change(now)]
            .into_iter()
            .flatten()
            .min()
    }
}
