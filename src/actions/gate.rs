//! Gates: one condition each that must hold before an action runs, with what shows it.

use serde::Serialize;

/// How a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stand {
    /// It holds.
    Pass,
    /// It does not, and is worth knowing.
    Warn,
    /// It does not, and must be accepted by its name.
    Ask,
    /// It does not, and nothing runs.
    Block,
}

impl Stand {
    /// The word shown.
    pub fn word(self) -> &'static str {
        match self {
            Stand::Pass => "pass",
            Stand::Warn => "warn",
            Stand::Ask => "to be accepted",
            Stand::Block => "blocked",
        }
    }
}

/// One condition, with what shows how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// Stable name, by which it is accepted.
    pub id: &'static str,
    /// How it stands.
    pub stand: Stand,
    /// What shows it, as a sentence.
    pub evidence: String,
    /// It may hold a moment later: looked at again before it counts.
    #[serde(skip)]
    pub passing: bool,
}

impl Gate {
    fn new(id: &'static str, stand: Stand, evidence: impl Into<String>) -> Self {
        Self {
            id,
            stand,
            evidence: evidence.into(),
            passing: false,
        }
    }

    /// It holds.
    pub fn pass(id: &'static str, evidence: impl Into<String>) -> Self {
        Self::new(id, Stand::Pass, evidence)
    }

    /// It does not, and is worth knowing.
    pub fn warn(id: &'static str, evidence: impl Into<String>) -> Self {
        Self::new(id, Stand::Warn, evidence)
    }

    /// It does not, and must be accepted by its name.
    pub fn ask(id: &'static str, evidence: impl Into<String>) -> Self {
        Self::new(id, Stand::Ask, evidence)
    }

    /// It does not, and nothing runs.
    pub fn block(id: &'static str, evidence: impl Into<String>) -> Self {
        Self::new(id, Stand::Block, evidence)
    }

    /// It holds or it blocks.
    pub fn of(id: &'static str, judged: Result<String, String>) -> Self {
        match judged {
            Ok(evidence) => Self::pass(id, evidence),
            Err(evidence) => Self::block(id, evidence),
        }
    }

    /// It may hold a moment later.
    pub fn passing(mut self) -> Self {
        self.passing = true;
        self
    }

    /// Whether it lets nothing run, given what was accepted.
    pub fn stops(&self, accepted: &std::collections::BTreeSet<String>) -> bool {
        match self.stand {
            Stand::Block => true,
            Stand::Ask => !accepted.contains(self.id),
            Stand::Pass | Stand::Warn => false,
        }
    }
}
