//! From presses to a command, and from a place to the keys that work there.

use super::{Binding, Keymap};
use crate::settings::key::{self, KeyPress};

/// What some presses mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// A command, with its argument.
    Command(String),
    /// The beginning of longer sequences: what can follow.
    Prefix(Vec<Continuation>),
    /// A command that cannot be given here and now, and why.
    Disabled(String),
    /// Nothing.
    None,
}

/// What can follow the presses so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation {
    /// The next press.
    pub key: KeyPress,
    /// What it does; of a further prefix, what its first continuation does.
    pub desc: String,
    /// Why it does nothing here and now.
    pub disabled: Option<String>,
}

/// A command and the keys that give it, in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The keys as they are shown, most usual first: `["j", "down"]`, `["gg", "home"]`.
    pub keys: Vec<String>,
    /// The command with its argument.
    pub run: String,
    /// What it does.
    pub desc: String,
    /// A word for the footer.
    pub hint: Option<String>,
    /// The scope that binds it.
    pub scope: String,
    /// Why it does nothing here and now.
    pub disabled: Option<String>,
}

impl Keymap {
    /// What the presses mean in a scope, under the words that hold.
    ///
    /// The nearest scope that knows the presses decides. Within it the first binding whose words all hold is taken;
    /// when none does, the reason of the first is given rather than a key of a farther scope, because a key that does
    /// something else for the moment is a trap.
    pub fn resolve(&self, keys: &[KeyPress], scope: &str, context: &[&str]) -> Resolution {
        if keys.is_empty() {
            return Resolution::None;
        }
        let chain = self.chain(scope);
        for here in &chain {
            let mut known = self
                .in_scope(here)
                .filter(|b| b.sequence == keys)
                .peekable();
            if known.peek().is_some() {
                return self.decide(known, context);
            }
            if self.in_scope(here).any(|b| extends(b, keys)) {
                let next = self.continuations(keys, &chain, context);
                if !next.is_empty() {
                    return Resolution::Prefix(next);
                }
            }
        }
        Resolution::None
    }

    /// The bindings that work in a scope, nearest scope first and in the order of the files, with the reason of those
    /// that do nothing under these words. Keys that a nearer scope has taken are left out.
    pub fn bindings(&self, scope: &str, context: &[&str]) -> Vec<Bound> {
        let mut out: Vec<Bound> = Vec::new();
        let mut taken: Vec<&[KeyPress]> = Vec::new();
        for here in self.chain(scope) {
            let before = taken.len();
            for binding in self.in_scope(here) {
                let nearer = taken.get(..before).unwrap_or_default();
                let hidden = nearer
                    .iter()
                    .any(|keys| *keys == binding.sequence || overlap(keys, &binding.sequence));
                taken.push(&binding.sequence);
                if !hidden {
                    self.add(binding, context, &mut out);
                }
            }
        }
        out
    }

    /// The keys that give a command in a scope, as they are shown; empty when it has none there.
    pub fn keys_for(&self, run: &str, scope: &str) -> Vec<String> {
        self.bindings(scope, &[])
            .into_iter()
            .filter(|bound| bound.run == run)
            .flat_map(|bound| bound.keys)
            .collect()
    }

    fn in_scope<'a>(&'a self, scope: &'a str) -> impl Iterator<Item = &'a Binding> {
        self.bindings.iter().filter(move |b| b.scope == scope)
    }

    fn decide<'a>(&self, known: impl Iterator<Item = &'a Binding>, context: &[&str]) -> Resolution {
        let mut reason = None;
        for binding in known {
            let Some(run) = &binding.run else {
                return Resolution::None;
            };
            match self.hindrance(binding, context) {
                None => return Resolution::Command(run.clone()),
                Some(why) => reason = reason.or(Some(why)),
            }
        }
        reason.map_or(Resolution::None, Resolution::Disabled)
    }

    fn continuations(
        &self,
        keys: &[KeyPress],
        chain: &[&str],
        context: &[&str],
    ) -> Vec<Continuation> {
        let mut out: Vec<Continuation> = Vec::new();
        let mut away: Vec<&[KeyPress]> = Vec::new();
        for binding in chain.iter().flat_map(|here| self.in_scope(here)) {
            if binding.run.is_none() {
                away.push(&binding.sequence);
            }
            if !extends(binding, keys) || away.contains(&binding.sequence.as_slice()) {
                continue;
            }
            let Some(key) = binding.sequence.get(keys.len()).copied() else {
                continue;
            };
            let disabled = self.hindrance(binding, context);
            match out.iter_mut().find(|c| c.key == key) {
                // Of two bindings of one key, the one that works is the one to show.
                Some(known) if known.disabled.is_some() && disabled.is_none() => {
                    known.desc.clone_from(&binding.desc);
                    known.disabled = None;
                }
                Some(_) => {}
                None => out.push(Continuation {
                    key,
                    desc: binding.desc.clone(),
                    disabled,
                }),
            }
        }
        out
    }

    fn add(&self, binding: &Binding, context: &[&str], out: &mut Vec<Bound>) {
        let Some(run) = &binding.run else {
            return;
        };
        let shown = key::shown(&binding.sequence);
        let disabled = self.hindrance(binding, context);
        let same = out.iter_mut().find(|bound| {
            bound.run == *run && bound.scope == binding.scope && bound.desc == binding.desc
        });
        match same {
            Some(bound) => {
                if !bound.keys.contains(&shown) {
                    bound.keys.push(shown);
                }
                if disabled.is_none() {
                    bound.disabled = None;
                }
            }
            None => out.push(Bound {
                keys: vec![shown],
                run: run.clone(),
                desc: binding.desc.clone(),
                hint: binding.hint.clone(),
                scope: binding.scope.clone(),
                disabled,
            }),
        }
    }
}

/// The binding gives a command whose presses begin with these and go on.
fn extends(binding: &Binding, keys: &[KeyPress]) -> bool {
    binding.run.is_some()
        && binding.sequence.len() > keys.len()
        && binding.sequence.starts_with(keys)
}

/// One of two different sequences begins with the other.
pub(super) fn overlap(a: &[KeyPress], b: &[KeyPress]) -> bool {
    a.len() != b.len() && (a.starts_with(b) || b.starts_with(a))
}
