//! What changed in an instance while we looked: roles, labels, restarts. Kept for the instance, so that it outlives the
//! pods it is about, and bounded.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::engine::Role;

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// The engine's own role, as it tells it.
    Role {
        /// Before.
        from: Role,
        /// From then on.
        to: Role,
    },
    /// The pod's `role` label; `None` where it has none.
    Label {
        /// Before.
        from: Option<Role>,
        /// From then on.
        to: Option<Role>,
    },
    /// `master_replid`: another data set is followed, or begun.
    Replid {
        /// Before.
        from: String,
        /// From then on.
        to: String,
    },
    /// The process in the same pod is a new one.
    Restarted,
    /// The pod is gone, or another took its name.
    Gone,
}

/// A change, where and when we saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// When we saw it, by our clock. It happened since the answer before.
    pub at: Timestamp,
    /// The pod.
    pub pod: Arc<str>,
    /// Its uid, so that namesakes are told apart.
    pub uid: Arc<str>,
    /// What changed.
    pub turn: Turn,
    /// The keys it had when last asked before, if ever.
    pub keys: Option<u64>,
    /// Its `slave_repl_offset` when last asked before, if it had one.
    pub offset: Option<u64>,
    /// Its engine's role before, if it ever told.
    pub role: Option<Role>,
    /// The keys that the pod of that name told first after it, once it did not load any more. What it tells later may be
    /// its clients' doing.
    pub keys_after: Option<u64>,
}

/// The changes of one instance, oldest first.
#[derive(Debug, Clone, Default)]
pub struct History(VecDeque<Moment>);

impl History {
    /// How many changes are kept.
    pub const LENGTH: usize = 64;

    pub(super) fn note(&mut self, moment: Moment) {
        if self.0.len() == Self::LENGTH {
            self.0.pop_front();
        }
        self.0.push_back(moment);
    }

    /// A pod told its keys, and does not load: what is kept of its changes that wait for it learns it.
    pub(super) fn told_keys(&mut self, pod: &str, keys: u64) {
        let waiting = self.0.iter_mut().rev().filter(|moment| &*moment.pod == pod);
        for moment in waiting.take_while(|moment| moment.keys_after.is_none()) {
            moment.keys_after = Some(keys);
        }
    }

    /// The changes, oldest first.
    pub fn moments(&self) -> impl DoubleEndedIterator<Item = &Moment> + ExactSizeIterator {
        self.0.iter()
    }

    /// The last change of that pod for which `is` holds.
    pub fn last_of(&self, pod: &str, is: impl Fn(&Turn) -> bool) -> Option<&Moment> {
        self.0
            .iter()
            .rev()
            .find(|moment| &*moment.pod == pod && is(&moment.turn))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn moment(pod: &str) -> Moment {
        Moment {
            at: Timestamp::UNIX_EPOCH,
            pod: Arc::from(pod),
            uid: Arc::from("u"),
            turn: Turn::Restarted,
            keys: None,
            offset: None,
            role: None,
            keys_after: None,
        }
    }

    #[test]
    fn the_first_keys_after_a_change_are_kept_and_later_ones_are_not() {
        let mut history = History::default();
        history.note(moment("a"));
        history.told_keys("b", 9);
        history.told_keys("a", 5);
        history.note(moment("a"));
        history.note(moment("b"));
        history.told_keys("a", 0);
        let after: Vec<Option<u64>> = history.moments().map(|m| m.keys_after).collect();
        assert_eq!(after, [Some(5), Some(0), None]);
    }
}
