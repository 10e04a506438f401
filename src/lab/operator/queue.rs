//! A work queue as controllers have: each key once, later when asked, later and later after failures.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::lab::controllers::Key;

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing more to do until something changes.
    Done,
    /// Look again after this time.
    Again(Duration),
    /// It failed, with the text for the log; look again after a back-off.
    Failed(String),
}

/// The first back-off, doubled with every failure.
const FIRST: Duration = Duration::from_millis(5);
/// The longest.
const LONGEST: Duration = Duration::from_secs(60);

/// Keys that wait for their time.
#[derive(Debug, Default)]
pub(super) struct Queue {
    due: BTreeMap<Key, Instant>,
    failures: BTreeMap<Key, u32>,
}

impl Queue {
    /// Looks at a key as soon as possible.
    pub(super) fn add(&mut self, key: Key) {
        self.due.insert(key, Instant::now());
    }

    /// The next key, and when it is due.
    pub(super) fn next(&self) -> Option<(Key, Instant)> {
        let (key, at) = self.due.iter().min_by_key(|(_, at)| **at)?;
        Some((key.clone(), *at))
    }

    /// Takes a key out to work on it.
    pub(super) fn take(&mut self, key: &Key) {
        self.due.remove(key);
    }

    /// Notes what became of it; a change that came meanwhile goes first.
    pub(super) fn settle(
        &mut self,
        key: Key,
        outcome: &Outcome,
        mut scaled: impl FnMut(Duration) -> Duration,
    ) {
        let after = match outcome {
            Outcome::Done => {
                self.failures.remove(&key);
                return;
            }
            Outcome::Again(after) => {
                self.failures.remove(&key);
                *after
            }
            Outcome::Failed(_) => {
                let failures = self.failures.entry(key.clone()).or_insert(0);
                *failures += 1;
                let doubled = FIRST.saturating_mul(1 << (*failures - 1).min(20));
                doubled.min(LONGEST)
            }
        };
        self.due
            .entry(key)
            .or_insert_with(|| Instant::now() + scaled(after));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn failures_wait_longer_and_longer() {
        let key: Key = ("n".into(), "a".into());
        let mut queue = Queue::default();
        let mut waits = Vec::new();
        for _ in 0..16 {
            queue.take(&key);
            queue.settle(key.clone(), &Outcome::Failed(String::new()), |time| {
                waits.push(time);
                time
            });
        }
        assert_eq!(waits.first().unwrap(), &FIRST);
        assert!(waits.windows(2).all(|pair| pair.first() <= pair.last()));
        assert_eq!(waits.last().unwrap(), &LONGEST);
        queue.take(&key);
        queue.settle(key, &Outcome::Done, |time| time);
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn a_change_during_the_work_goes_before_any_wait() {
        let key: Key = ("n".into(), "a".into());
        let mut queue = Queue::default();
        queue.add(key.clone());
        queue.settle(key, &Outcome::Again(LONGEST), |time| time);
        assert!(queue.next().unwrap().1 <= Instant::now());
    }
}
