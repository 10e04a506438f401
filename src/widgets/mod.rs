//! Things that draw given text: tables, panels, strips, charts, lists, a line to type in.
//!
//! Everything is drawn from [`Piece`]s, text with a meaning, through a [`Look`], which gives meanings colours and
//! signs. Every widget draws into any rectangle, however small, and never outside it.
//!
//! Never: knowing Kubernetes or Dragonfly, keeping state (save where the last frame was scrolled to, see [`Window`]),
//! naming a colour.
//!
//! Start with [`Piece`] and [`draw`], then [`table::Table`].

pub mod chart;
pub mod draw;
pub mod dump;
pub mod input;
pub mod panel;
pub mod popup;
pub mod strip;
pub mod table;
pub mod window;

use ratatui::style::Style;

use crate::settings::{Glyph, GlyphSet, Theme, Tone};

pub use chart::Chart;
pub use input::LineInput;
pub use panel::Panel;
pub use popup::Popup;
pub use strip::{Segment, Strip};
pub use table::{Align, Column, Cut, Row, Table};
pub use window::Window;

/// How meanings look: passed to everything that draws.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Colours and weights.
    pub theme: &'a Theme,
    /// Signs.
    pub glyphs: GlyphSet,
}

impl Look<'_> {
    /// The look of a tone.
    pub fn style(&self, tone: Tone) -> Style {
        self.theme.style(tone)
    }

    /// The sign of a meaning.
    pub fn glyph(&self, glyph: Glyph) -> &'static str {
        self.glyphs.get(glyph)
    }
}

/// Text with a meaning. Control characters in it are never drawn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// What it means.
    pub tone: Tone,
}

impl Piece {
    /// Text of a tone.
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
        }
    }

    /// Ordinary text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(text, Tone::Text)
    }

    /// Text that matters less.
    pub fn muted(text: impl Into<String>) -> Self {
        Self::new(text, Tone::Muted)
    }

    /// Columns that it takes.
    pub fn width(&self) -> usize {
        draw::width(&self.text)
    }
}

impl From<&str> for Piece {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Piece {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

#[cfg(test)]
mod tests;
