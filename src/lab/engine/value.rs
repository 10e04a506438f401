//! The kinds of values an engine holds, and what they weigh.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A value under a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(Vec<u8>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    List(VecDeque<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    Sorted(Sorted),
}

/// Kinds in the order INFO lists them.
pub(super) const KINDS: [&str; 5] = ["string", "list", "set", "zset", "hash"];

impl Value {
    /// The name TYPE gives.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Hash(_) => "hash",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Sorted(_) => "zset",
        }
    }

    /// A collection that lost its last element is a key that does not exist.
    pub(super) fn is_gone(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Hash(map) => map.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Set(items) => items.is_empty(),
            Self::Sorted(items) => items.is_empty(),
        }
    }

    /// Bytes of `object_used_memory`, by the rules seen in the recordings: values up to 16 bytes
    /// live in the table, longer ASCII is packed to seven bits and rounded to an allocator class.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Self::Text(text) => text_weight(text.len() as u64, text.is_ascii()),
            Self::Hash(map) => map.iter().map(|(f, v)| 24 + blob(f) + blob(v)).sum(),
            Self::List(items) => items.iter().map(|item| 3 + blob(item)).sum::<u64>() + 64,
            Self::Set(items) => items.iter().map(|item| 16 + blob(item)).sum(),
            Self::Sorted(items) => items.iter().map(|(member, _)| 24 + blob(member)).sum(),
        }
    }
}

fn blob(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

/// Weight of a string of `len` bytes outside the table.
pub(super) fn text_weight(len: u64, ascii: bool) -> u64 {
    match len {
        0..=16 => 0,
        _ if ascii => size_class((len * 7).div_ceil(8)),
        _ => size_class(len),
    }
}

/// The allocator's block size for `len` bytes: four classes per power of two.
fn size_class(len: u64) -> u64 {
    if len <= 64 {
        return len.next_multiple_of(16);
    }
    let step = (len.next_power_of_two() / 2).max(64) / 4;
    len.next_multiple_of(step)
}

/// A sorted set: members by score, then by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sorted {
    scores: BTreeMap<Vec<u8>, f64>,
    order: BTreeSet<(Score, Vec<u8>)>,
}

/// A score that orders totally (NaN is refused at the door).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Score(pub(super) f64);

impl Eq for Score {}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Sorted {
    /// Sets a score; the former one, if the member was there.
    pub(super) fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        // -0.0 and 0.0 are one score.
        let score = score + 0.0;
        let former = self.scores.insert(member.to_vec(), score);
        if let Some(former) = former {
            self.order.remove(&(Score(former), member.to_vec()));
        }
        self.order.insert((Score(score), member.to_vec()));
        former
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> bool {
        match self.scores.remove(member) {
            Some(score) => self.order.remove(&(Score(score), member.to_vec())),
            None => false,
        }
    }

    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.scores.get(member).copied()
    }

    pub(super) fn rank(&self, member: &[u8]) -> Option<usize> {
        self.order.iter().position(|(_, name)| name == member)
    }

    pub(super) fn len(&self) -> usize {
        self.scores.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// Members with their scores, lowest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], f64)> {
        self.order
            .iter()
            .map(|(score, name)| (name.as_slice(), score.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_follow_the_recordings() {
        // Three million values of 500 'x' made type_used_memory_string 1,344,000,000 or so.
        assert_eq!(text_weight(500, true), 448);
        assert_eq!(text_weight(16, true), 0);
        assert_eq!(size_class(65), 80);
        assert_eq!(size_class(257), 320);
        assert_eq!(size_class(512), 512);
    }

    #[test]
    fn a_sorted_set_keeps_its_order_when_scores_change() {
        let mut set = Sorted::default();
        for (member, score) in [("a", 3.0), ("b", 1.0), ("c", 2.0)] {
            assert_eq!(set.insert(member.as_bytes(), score), None);
        }
        assert_eq!(set.insert(b"a", 0.5), Some(3.0));
        let names: Vec<_> = set.iter().map(|(name, _)| name.to_vec()).collect();
        assert_eq!(names, vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]);
        assert_eq!(set.rank(b"c"), Some(2));
        assert!(set.remove(b"b") && !set.remove(b"b"));
        assert_eq!(set.len(), 2);
    }
}
