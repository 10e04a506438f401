//! What the settings say about acting: where nothing is ever changed, which verbs are denied or want a phrase, and how long
//! an unlocked context stays so.

use std::time::Duration;

use super::{Action, Gate, Target};

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Nothing is ever changed anywhere, and who says so: `--read-only`, `read_only in the settings`.
    pub read_only: Option<String>,
    /// Contexts in which nothing is ever changed.
    pub closed: Vec<String>,
    /// Guardrails, in the order in which they are written; the first that fits counts.
    pub guardrails: Vec<Guardrail>,
    /// How long a context that was unlocked stays so.
    pub unlock: Duration,
    /// A role change younger than this must be acknowledged before the next is made, seconds.
    pub cooldown: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            read_only: None,
            closed: Vec::new(),
            guardrails: Vec::new(),
            unlock: Duration::from_secs(15 * 60),
            cooldown: 60,
        }
    }
}

/// What is denied, or wants a phrase to be typed. An empty field fits all; `*` in one stands for any text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guardrail {
    /// Which contexts.
    pub context: String,
    /// Which namespaces.
    pub namespace: String,
    /// Which actions, by id.
    pub verb: String,
    /// Never done.
    pub deny: bool,
    /// Typed beside what the risk asks for.
    pub phrase: String,
    /// Why, for whoever meets it.
    pub reason: String,
}

impl Guardrail {
    fn fits(&self, action: &Action, target: &Target) -> bool {
        let is = |pattern: &str, text: &str| pattern.is_empty() || fits(pattern, text);
        is(&self.context, target.context().as_str())
            && is(&self.namespace, target.namespace())
            && is(&self.verb, action.id)
    }
}

impl Rules {
    /// Why nothing is ever changed in a context, if so.
    pub fn closed(&self, context: &str) -> Option<String> {
        if let Some(by) = &self.read_only {
            return Some(format!("{by} keeps everything as it is"));
        }
        let is_closed = self.closed.iter().any(|closed| closed == context);
        is_closed.then(|| format!("the settings call {context} read_only"))
    }

    /// The guardrail that an action on a target meets.
    pub fn guardrail(&self, action: &Action, target: &Target) -> Option<&Guardrail> {
        self.guardrails
            .iter()
            .find(|rail| rail.fits(action, target))
    }

    /// The gates that the settings make.
    pub fn gates(&self, action: &Action, target: &Target) -> Vec<Gate> {
        let mut gates = Vec::new();
        if let Some(why) = self.closed(target.context().as_str()) {
            gates.push(Gate::block("read-only", why));
        }
        if let Some(rail) = self.guardrail(action, target) {
            let reason = match rail.reason.as_str() {
                "" => "no reason is written there",
                reason => reason,
            };
            gates.push(match rail.deny {
                true => Gate::block(
                    "guardrail",
                    format!("a guardrail of the settings denies {}: {reason}", action.id),
                ),
                false => Gate::pass(
                    "guardrail",
                    format!("a guardrail of the settings wants a phrase typed: {reason}"),
                ),
            });
        }
        gates
    }
}

/// Whether a text fits a pattern in which `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|tail| {
            tail.char_indices()
                .map(|(at, _)| at)
                .chain([tail.len()])
                .any(|at| tail.get(at..).is_some_and(|tail| fits(rest, tail)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, wanted) in [
            ("prod", "prod", true),
            ("prod", "prod-a", false),
            ("prod*", "prod-a", true),
            ("*-a", "prod-a", true),
            ("p*d*a", "prod-a", true),
            ("*", "", true),
            ("p*b", "prod-a", false),
        ] {
            assert_eq!(fits(pattern, text), wanted, "{pattern} {text}");
        }
    }
}
