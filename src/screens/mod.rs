//! One file per screen: rows from the world, commands to intents.
//!
//! A screen keeps what is selected (by id, never by row) and what it has computed from the world; it is told when the
//! world changed ([`Screen::refresh`]) and draws what it has ([`Screen::view`]). What it wants done outside of itself
//! it says as an [`Intent`].
//!
//! Never: writing the world, IO, a clock (time is in [`See`]).
//!
//! Start with [`Screen`], then `fleet.rs`. To add a screen: write the file, add one line to [`ALL`].

pub mod alerts;
pub mod checks;
pub mod fleet;
pub mod gitops;
pub mod instance;
pub mod network;
pub mod operator;
pub mod parts;
pub mod replication;
pub mod storage;

use std::collections::BTreeSet;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::checks::Topic;
use crate::domain::{InstanceId, Touched, Want};
use crate::msg::Command;
pub use parts::{Clock, Filter, See};

/// Every screen, in the order in which they are listed.
pub const ALL: &[&ScreenDoc] = &[
    &fleet::SCREEN,
    &instance::SCREEN,
    &replication::SCREEN,
    &storage::SCREEN,
    &operator::SCREEN,
    &gitops::SCREEN,
    &network::SCREEN,
    &alerts::SCREEN,
    &checks::SCREEN,
];

/// What there is to know about a screen without opening it.
#[derive(Debug)]
pub struct ScreenDoc {
    /// Its name in `go NAME` and its scope in keymaps.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it shows, as a phrase.
    pub doc: &'static str,
    /// It is about one instance, so there must be one.
    pub about_instance: bool,
    /// Makes it.
    pub make: fn() -> Box<dyn Screen>,
}

/// A screen.
pub trait Screen: std::fmt::Debug {
    /// Takes over what is new in the world, the filter or the size. Returns whether anything shown differs.
    fn refresh(&mut self, see: &See<'_>, fresh: &Fresh) -> bool;

    /// Carries out a command, or leaves it alone. What must happen elsewhere is returned.
    fn on(&mut self, command: &Command, see: &See<'_>) -> Vec<Intent>;

    /// Words that hold here and now, for the `when` of key bindings.
    fn words(&self, see: &See<'_>) -> Vec<&'static str>;

    /// The instance that the screen is about or that is selected on it.
    fn selected(&self) -> Option<InstanceId>;

    /// The node that is selected, by its pod.
    fn selected_pod(&self, _see: &See<'_>) -> Option<String> {
        None
    }

    /// What must be read for it beside the standing questions, while it is shown.
    fn wants(&self, _see: &See<'_>) -> BTreeSet<Want> {
        BTreeSet::new()
    }

    /// Whether it shows the answers of all checks ([`See::standing`]). From the moment such a screen is first shown they are
    /// kept, and what they need is read, for the rest of the session.
    fn judges(&self) -> bool {
        false
    }

    /// Turns to another instance; screens that are not about one ignore it.
    fn turn_to(&mut self, _instance: &InstanceId) {}

    /// Selects a node of the instance, by its pod; screens without nodes ignore it.
    fn select_node(&mut self, _pod: &str) {}

    /// Selects what lies at a column and row of the terminal.
    fn click(&mut self, column: u16, row: u16, see: &See<'_>) -> Vec<Intent>;

    /// Draws it. `refresh` was called before with the same size.
    fn view(&self, see: &See<'_>, area: Rect, buf: &mut Buffer);
}

/// What is new since a screen last looked.
#[derive(Debug, Default, Clone)]
pub struct Fresh {
    /// Facts touched this.
    pub touched: Touched,
    /// Some judgement changed.
    pub judged: bool,
    /// The filter or ill-only changed, or the screen was opened: what is shown of what is known may differ.
    pub sieved: bool,
    /// Look at everything again: it is another world.
    pub everything: bool,
}

impl Fresh {
    /// Most touched instances that are told apart: more than a large fleet has.
    const INSTANCES: usize = 2_000;

    /// Look at everything.
    pub fn everything() -> Self {
        Self {
            everything: true,
            ..Self::default()
        }
    }

    /// Takes in what a batch of facts touched. A screen that is not shown for a day hears of more instances than there
    /// are, under names that nobody has any more: past a bound it looks at everything instead.
    pub fn hear(&mut self, touched: &Touched, judged: bool) {
        self.judged |= judged;
        if !self.everything {
            self.touched.merge(touched.clone());
            self.everything = self.touched.instances.len() > Self::INSTANCES;
        }
        if self.everything {
            self.touched = Touched::default();
        }
    }

    /// Nothing is new.
    pub fn is_empty(&self) -> bool {
        !self.everything && !self.sieved && !self.judged && self.touched.is_empty()
    }
}

/// What a screen wants done outside of itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    /// Show an instance, with the node of this pod selected.
    Show(InstanceId, Option<Arc<str>>),
    /// Explain the findings about a topic, that of this check first.
    Explain(Topic, Option<&'static str>),
    /// Hand text to the clipboard: what it is, and the text.
    Copy(Arc<str>, String),
    /// Tell the reader, on the status line.
    Tell(String),
}

/// Holds a screen's place while the screen itself acts. Shows nothing and does nothing.
#[derive(Debug)]
pub(crate) struct Blank;

impl Screen for Blank {
    fn refresh(&mut self, _: &See<'_>, _: &Fresh) -> bool {
        false
    }

    fn on(&mut self, _: &Command, _: &See<'_>) -> Vec<Intent> {
        Vec::new()
    }

    fn words(&self, _: &See<'_>) -> Vec<&'static str> {
        Vec::new()
    }

    fn selected(&self) -> Option<InstanceId> {
        None
    }

    fn click(&mut self, _: u16, _: u16, _: &See<'_>) -> Vec<Intent> {
        Vec::new()
    }

    fn view(&self, _: &See<'_>, _: Rect, _: &mut Buffer) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ContextId;

    #[test]
    fn a_screen_that_nobody_opens_keeps_no_names_without_end() {
        let touched = |n: usize| Touched {
            instances: [InstanceId::new(ContextId::new("a"), "b", format!("c-{n}"))].into(),
            ..Touched::default()
        };
        let mut fresh = Fresh::default();
        fresh.hear(&touched(0), true);
        assert!(fresh.judged && !fresh.everything);
        assert_eq!(fresh.touched, touched(0));
        for n in 0..=Fresh::INSTANCES {
            fresh.hear(&touched(n), false);
        }
        // Nothing is overlooked by it, and nothing more is kept.
        assert!(fresh.everything && !fresh.is_empty());
        fresh.hear(&touched(7), false);
        assert_eq!(fresh.touched, Touched::default());
    }
}
