//! The keymap: which keys mean which command, where, and when.
//!
//! ```toml
//! inherits = "default"
//!
//! [[bind]]
//! on = "g m"             # or a list of keys that mean the same
//! run = "go master"      # "none" takes the key away
//! when = "instance"      # words that must all hold, from the vocabulary
//! scope = "fleet"        # "global" where it is left out
//! desc = "Go to the master"
//! hint = "master"        # a word for the footer; without it the key is in the help only
//! ```
//!
//! A file's binding replaces whatever the files beneath it bind to that key in that scope. A scope looks at itself
//! first, then at its parents.

mod load;
mod resolve;

use super::key::KeyPress;
use super::problem::Problem;
use super::source::Source;

pub use resolve::{Bound, Continuation, Resolution};

/// The keymap used when none is chosen, which all others build on.
pub const DEFAULT: &str = "default";

/// The scope that every other one falls back to, unless it stands apart.
pub const GLOBAL: &str = "global";

/// What keymap files may speak of. Handed in, because settings do not know what a command does.
#[derive(Debug, Clone, Copy)]
pub struct Vocabulary<'a> {
    /// Commands.
    pub commands: &'a [KnownCommand],
    /// Scopes.
    pub scopes: &'a [KnownScope],
    /// Words for `when`.
    pub words: &'a [Word],
}

/// A command that can be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownCommand {
    /// Its name, in kebab case: `move-down`, `go`.
    pub name: &'static str,
    /// What follows the name.
    pub argument: Argument,
    /// What it does, for bindings that do not say.
    pub desc: &'static str,
}

/// What follows a command's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    None,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Any text.
    Text,
}

/// A part of the screen with keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownScope {
    /// Its name: `fleet`, `dialog`.
    pub name: &'static str,
    /// Where to look next for a key that it does not bind. Empty for one that stands apart, such as a text field.
    pub parents: &'static [&'static str],
}

/// A word of the context, for `when`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// The word: `instance`.
    pub name: &'static str,
    /// Why a key does nothing when the word does not hold: `no instance is selected`.
    pub otherwise: &'static str,
}

/// One line of a keymap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The presses, in order.
    pub sequence: Vec<KeyPress>,
    /// The command with its argument; `None` takes the key away.
    pub run: Option<String>,
    /// Words that must all hold.
    pub when: Vec<String>,
    /// Where.
    pub scope: String,
    /// What it does, in a few words.
    pub desc: String,
    /// A word for the footer.
    pub hint: Option<String>,
    /// The file that it comes from.
    pub file: String,
    /// Its line there.
    pub line: usize,
}

/// All bindings in force.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Keymap {
    name: String,
    bindings: Vec<Binding>,
    scopes: Vec<(String, Vec<String>)>,
    reasons: Vec<(String, String)>,
}

impl Keymap {
    /// Loads a keymap by name (from the reader's `files` first, else a shipped one) and lays the reader's `own` bindings
    /// over it.
    pub fn load(
        name: &str,
        files: &[Source],
        own: Option<&Source>,
        vocabulary: &Vocabulary<'_>,
    ) -> (Self, Vec<Problem>) {
        load::load(name, files, own, vocabulary)
    }

    /// The keymap's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every binding, in the order of the files.
    pub fn all(&self) -> &[Binding] {
        &self.bindings
    }

    /// Names that can be chosen: the reader's first, then the shipped ones.
    pub fn names(files: &[Source]) -> Vec<String> {
        super::shipped::names(files, super::shipped::KEYMAPS)
    }

    /// A scope and the scopes that it falls back to, nearest first.
    fn chain<'a>(&'a self, scope: &'a str) -> Vec<&'a str> {
        let mut chain = vec![scope];
        let mut at = 0;
        while let Some(here) = chain.get(at).copied() {
            let parents = self.scopes.iter().find(|(name, _)| name == here);
            for parent in parents.map_or(&[][..], |(_, parents)| parents) {
                if !chain.contains(&parent.as_str()) {
                    chain.push(parent);
                }
            }
            at += 1;
        }
        chain
    }

    /// Why a binding does nothing under these words; `None` when it works.
    fn hindrance(&self, binding: &Binding, context: &[&str]) -> Option<String> {
        let missing = binding
            .when
            .iter()
            .find(|word| !context.contains(&word.as_str()))?;
        let reason = self.reasons.iter().find(|(word, _)| word == missing);
        Some(reason.map_or_else(|| format!("needs `{missing}`"), |(_, why)| why.clone()))
    }
}

#[cfg(test)]
mod tests;
