//! Whether something fits, where it may also be that nobody can tell.

/// Whether a rule, or a part of one, fits a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fit {
    /// It does not.
    No,
    /// It does not, but for that alone: worth a word to whoever believes that it does.
    Near(String),
    /// It cannot be told, and why.
    Unsure(String),
    /// It does.
    Yes,
}

impl Fit {
    pub(super) fn of(holds: bool) -> Self {
        match holds {
            true => Fit::Yes,
            false => Fit::No,
        }
    }

    /// Whether one of both fits.
    pub(super) fn or(self, other: Self) -> Self {
        match self.rank() >= other.rank() {
            true => self,
            false => other,
        }
    }

    /// Whether both fit.
    pub(super) fn and(self, other: Self) -> Self {
        match self.rank() <= other.rank() {
            true => self,
            false => other,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Fit::No => 0,
            Fit::Near(_) => 1,
            Fit::Unsure(_) => 2,
            Fit::Yes => 3,
        }
    }
}
