//! What the reader may choose: settings, keymap and theme as typed data, parsed, merged, validated and explained.
//!
//! Everything arrives as text that somebody else has read. A mistake in it is a [`Problem`] with its line, and
//! everything beside the mistake still applies: a bad file never stops the console.
//!
//! Never: reading files, the environment or a clock; drawing; knowing what a command does (the names of commands,
//! scopes and context words are handed in as a [`keymap::Vocabulary`]).
//!
//! Start with [`preferences::KEYS`], then [`keymap::Keymap`] and [`theme::Theme`].

pub mod colour;
pub mod glyphs;
pub mod key;
pub mod keymap;
pub mod preferences;
pub mod problem;
pub mod reference;
pub mod shipped;
pub mod source;
pub mod theme;
pub mod tone;

pub use colour::ColourDepth;
pub use glyphs::{Glyph, GlyphSet};
pub use key::{Key, KeyPress};
pub use keymap::{
    Argument, Binding, Bound, Continuation, Keymap, KnownCommand, KnownScope, Resolution,
    Vocabulary, Word,
};
pub use preferences::{Member, PasswordCommand, Settings};
pub use problem::Problem;
pub use source::Source;
pub use theme::Theme;
pub use tone::Tone;
