//! Trouble with the outside, as a fact: a broken context is a row state, never a pop-up.

use std::fmt;

use super::id::ContextId;

/// What sort of trouble, which decides how it is shown and what is offered next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// No connection: refused, no route, name not found, TLS failed.
    Unreachable,
    /// The server does not know who we are (401), or the credential plugin failed.
    Unauthenticated,
    /// The server knows who we are and says no (403).
    Forbidden,
    /// The thing, or the whole API, does not exist (404).
    NotFound,
    /// Somebody else changed it first (409).
    Conflict,
    /// No answer within the deadline.
    Timeout,
    /// An answer that is not what the protocol says: HTML, half a message, RESP garbage.
    Protocol,
    /// The other side answered and refused: 429, 5xx, an engine error reply.
    Refused,
    /// What we were given cannot be used: a kubeconfig, a settings file.
    Unusable,
}

impl FaultKind {
    /// A short word for people; JSON has its own, with dashes.
    pub fn word(self) -> &'static str {
        match self {
            FaultKind::Unreachable => "unreachable",
            FaultKind::Unauthenticated => "login needed",
            FaultKind::Forbidden => "forbidden",
            FaultKind::NotFound => "not found",
            FaultKind::Conflict => "conflict",
            FaultKind::Timeout => "timed out",
            FaultKind::Protocol => "protocol error",
            FaultKind::Refused => "refused",
            FaultKind::Unusable => "unusable",
        }
    }
}

/// One trouble: what happened (one line, no control characters), the raw cause, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What sort.
    pub kind: FaultKind,
    /// What happened, short enough for a row: `connection refused`.
    pub message: String,
    /// The whole chain of causes as the library told it; shown one key away, may be empty.
    pub detail: String,
    /// What the reader can do about it; may be empty. `{context}` stands for the context that it happened in, see
    /// [`Fault::in_full`].
    pub hint: String,
}

impl Fault {
    /// A fault without detail or hint.
    pub fn new(kind: FaultKind, message: impl AsRef<str>) -> Self {
        Self {
            kind,
            message: super::text::one_line(message.as_ref()),
            detail: String::new(),
            hint: String::new(),
        }
    }

    /// The same with the whole chain of causes.
    #[must_use]
    pub fn with_detail(mut self, detail: impl AsRef<str>) -> Self {
        self.detail = super::text::plain(detail.as_ref());
        self
    }

    /// The same with a next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl AsRef<str>) -> Self {
        self.hint = super::text::one_line(hint.as_ref());
        self
    }

    /// What the reader can do about it, ready to be copied; `None` when there is nothing.
    pub fn hint_in(&self, context: &ContextId) -> Option<String> {
        let context = super::text::shell_word(context.as_str());
        (!self.hint.is_empty()).then(|| self.hint.replace("{context}", &context))
    }

    /// What happened, with what can be done about it.
    pub fn in_full(&self, context: &ContextId) -> String {
        match self.hint_in(context) {
            None => self.message.clone(),
            Some(hint) => format!("{} ({hint})", self.message),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
