//! One logical database: real keys, and bulk ranges that cost no memory until they are touched.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::rng::hash;
use super::value::{KINDS, Value, text_weight};

/// A value and when it ends, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) expires: Option<i64>,
}

impl From<Value> for Entry {
    fn from(value: Value) -> Self {
        Self {
            value,
            expires: None,
        }
    }
}

/// A hasher with no seed, so that a story repeats itself.
#[derive(Clone, Copy, Default)]
pub(super) struct Fixed(u64);

impl Hasher for Fixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = self.0.rotate_left(5) ^ hash(bytes);
    }
}

/// `count` keys named `prefix:0`, `prefix:1`, ... with values of `x`, as `DEBUG POPULATE` makes
/// them. They are real to every command: the first touch turns one into an ordinary key.
#[derive(Clone, Debug, PartialEq)]
struct Bulk {
    prefix: Vec<u8>,
    count: u64,
    value_len: usize,
    taken: BTreeSet<u64>,
}

impl Bulk {
    fn index_of(&self, key: &[u8]) -> Option<u64> {
        let digits = key
            .strip_prefix(self.prefix.as_slice())?
            .strip_prefix(b":")?;
        let text = std::str::from_utf8(digits).ok()?;
        let index: u64 = text.parse().ok()?;
        let exact = text == index.to_string() && index < self.count;
        (exact && !self.taken.contains(&index)).then_some(index)
    }

    fn key(&self, index: u64) -> Vec<u8> {
        let mut key = self.prefix.clone();
        key.extend_from_slice(format!(":{index}").as_bytes());
        key
    }

    fn left(&self) -> u64 {
        self.count - self.taken.len() as u64
    }
}

/// The keys of one logical database.
#[derive(Clone, Debug, Default)]
pub(super) struct Keyspace {
    map: HashMap<Box<[u8]>, Entry, BuildHasherDefault<Fixed>>,
    bulks: Vec<Bulk>,
    /// (when, key) of every key with an end.
    ends: BTreeSet<(i64, Box<[u8]>)>,
    /// Counts changes, so that weights are summed again only when needed.
    changes: u64,
    weighed: Option<(u64, Weights)>,
}

/// Bytes by kind, and how many keys live inside the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weights {
    pub(super) by_kind: [u64; KINDS.len()],
    pub(super) counts: [u64; KINDS.len()],
    /// Keys longer than 16 bytes.
    pub(super) long_keys: u64,
    pub(super) long_key_bytes: u64,
}

impl Weights {
    pub(super) fn objects(&self) -> u64 {
        self.by_kind.iter().sum::<u64>() + self.long_key_bytes
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.by_kind.iter_mut().zip(other.by_kind) {
            *mine += theirs;
        }
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        self.long_keys += other.long_keys;
        self.long_key_bytes += other.long_key_bytes;
    }

    /// The part that a load has brought so far.
    pub(super) fn scaled(&self, part: f64) -> Self {
        let of = |whole: u64| super::core::scaled(whole, part);
        Self {
            by_kind: self.by_kind.map(of),
            counts: self.counts.map(of),
            long_keys: of(self.long_keys),
            long_key_bytes: of(self.long_key_bytes),
        }
    }

    fn count(&mut self, kind: &str, keys: u64, value_bytes: u64, key_len: usize) {
        if let Some(at) = KINDS.iter().position(|name| *name == kind) {
            if let Some(bytes) = self.by_kind.get_mut(at) {
                *bytes += value_bytes * keys;
            }
            if let Some(count) = self.counts.get_mut(at) {
                *count += keys;
            }
        }
        if key_len > 16 {
            self.long_keys += keys;
            self.long_key_bytes += text_weight(key_len as u64, true) * keys;
        }
    }
}

impl Keyspace {
    pub(super) fn len(&self) -> u64 {
        self.map.len() as u64 + self.bulks.iter().map(Bulk::left).sum::<u64>()
    }

    /// Keys that have an end.
    pub(super) fn expiring(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Drops what has ended at `now`; how many.
    pub(super) fn purge(&mut self, now: i64) -> u64 {
        let mut gone = 0;
        while let Some((_, key)) = self.ends.first().filter(|(end, _)| *end <= now).cloned() {
            self.remove(&key);
            gone += 1;
        }
        gone
    }

    /// Makes a bulk key an ordinary one.
    fn touch(&mut self, key: &[u8]) {
        if self.map.contains_key(key) {
            return;
        }
        let found = self
            .bulks
            .iter_mut()
            .find_map(|bulk| bulk.index_of(key).map(|index| (bulk, index)));
        if let Some((bulk, index)) = found {
            bulk.taken.insert(index);
            let value = Value::Text(vec![b'x'; bulk.value_len]);
            self.map.insert(key.into(), value.into());
        }
    }

    pub(super) fn get(&mut self, key: &[u8]) -> Option<&Entry> {
        self.touch(key);
        self.map.get(key)
    }

    /// The value, to be changed; the caller must call [`Keyspace::settle`] afterwards.
    pub(super) fn value_mut(&mut self, key: &[u8]) -> Option<&mut Value> {
        self.touch(key);
        self.changes += 1;
        self.map.get_mut(key).map(|entry| &mut entry.value)
    }

    /// The value, made by `make` where the key does not exist.
    pub(super) fn value_or(&mut self, key: &[u8], make: fn() -> Value) -> &mut Value {
        self.touch(key);
        self.changes += 1;
        let entry = self.map.entry(key.into()).or_insert_with(|| make().into());
        &mut entry.value
    }

    /// Removes the key if its collection became empty.
    pub(super) fn settle(&mut self, key: &[u8]) {
        if self.map.get(key).is_some_and(|entry| entry.value.is_gone()) {
            self.remove(key);
        }
    }

    pub(super) fn put(&mut self, key: &[u8], entry: Entry) {
        self.touch(key);
        self.changes += 1;
        let end = entry.expires;
        if let Some(former) = self.map.insert(key.into(), entry)
            && let Some(former_end) = former.expires
        {
            self.ends.remove(&(former_end, key.into()));
        }
        if let Some(end) = end {
            self.ends.insert((end, key.into()));
        }
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        self.touch(key);
        let entry = self.map.remove(key)?;
        self.changes += 1;
        if let Some(end) = entry.expires {
            self.ends.remove(&(end, key.into()));
        }
        Some(entry)
    }

    /// Gives the key another end, or none; false when there is no such key.
    pub(super) fn expire(&mut self, key: &[u8], end: Option<i64>) -> bool {
        self.touch(key);
        let Some(entry) = self.map.get_mut(key) else {
            return false;
        };
        if let Some(former) = entry.expires {
            self.ends.remove(&(former, key.into()));
        }
        entry.expires = end;
        if let Some(end) = end {
            self.ends.insert((end, key.into()));
        }
        true
    }

    /// Adds `count` bulk keys. A range of the same prefix is replaced.
    pub(super) fn populate(&mut self, prefix: &[u8], count: u64, value_len: usize) {
        self.changes += 1;
        self.bulks.retain(|bulk| bulk.prefix != prefix);
        let mut bulk = Bulk {
            prefix: prefix.to_vec(),
            count,
            value_len,
            taken: BTreeSet::new(),
        };
        let taken: Vec<u64> = self
            .map
            .keys()
            .filter_map(|key| bulk.index_of(key))
            .collect();
        bulk.taken.extend(taken);
        self.bulks.push(bulk);
    }

    /// Keys in a stable order from position `from` on, at most `count`, and the next position (0 at the end).
    pub(super) fn scan(&self, from: u64, count: usize) -> (u64, Vec<Vec<u8>>) {
        // Ordinary keys by hash, so that a key that stays is met exactly once whatever happens around it;
        // then the bulk ranges by index, marked by the highest bit.
        const BULK: u64 = 1 << 63;
        const RANGE: u32 = 44;
        let mut found = vec![];
        if from & BULK == 0 {
            let place = |key: &[u8]| hash(key) >> 1;
            let mut keys: Vec<_> = self.map.keys().map(|key| (place(key), key)).collect();
            keys.retain(|(at, _)| *at >= from);
            keys.sort_unstable();
            let mut last = None;
            for (at, key) in keys {
                if found.len() >= count && last != Some(at) {
                    return (at, found);
                }
                last = Some(at);
                found.push(key.to_vec());
            }
        }
        let start = from & !BULK;
        let (first, mut index) = if from & BULK == 0 {
            (0, 0)
        } else {
            (start >> RANGE, start & ((1 << RANGE) - 1))
        };
        for (range, bulk) in (0_u64..)
            .zip(&self.bulks)
            .skip(usize::try_from(first).unwrap_or(usize::MAX))
        {
            while index < bulk.count {
                if found.len() >= count {
                    return (BULK | (range << RANGE) | index, found);
                }
                if !bulk.taken.contains(&index) {
                    found.push(bulk.key(index));
                }
                index += 1;
            }
            index = 0;
        }
        (0, found)
    }

    /// Every key, in the order of [`Keyspace::scan`].
    pub(super) fn keys(&self, limit: usize) -> Vec<Vec<u8>> {
        self.scan(0, limit).1
    }

    /// What the keys weigh; summed again only after changes.
    pub(super) fn weights(&mut self) -> Weights {
        if let Some((at, weights)) = self.weighed
            && at == self.changes
        {
            return weights;
        }
        let mut weights = Weights::default();
        for (key, entry) in &self.map {
            weights.count(entry.value.kind(), 1, entry.value.weight(), key.len());
        }
        for bulk in &self.bulks {
            let key_len = bulk.prefix.len() + 1 + bulk.count.max(1).ilog10() as usize;
            let value = text_weight(bulk.value_len as u64, true);
            weights.count("string", bulk.left(), value, key_len);
        }
        self.weighed = Some((self.changes, weights));
        weights
    }

    /// The key at a place of [`Keyspace::scan`]'s order, but ordinary keys by the order of the table: each place below
    /// [`Keyspace::len`] has one key, and each key one place.
    pub(super) fn nth(&self, place: u64) -> Option<Vec<u8>> {
        let ordinary = self.map.len() as u64;
        if place < ordinary {
            let place = usize::try_from(place).ok()?;
            return self.map.keys().nth(place).map(|key| key.to_vec());
        }
        let mut left = place - ordinary;
        for bulk in &self.bulks {
            if left < bulk.left() {
                let mut index = left;
                for taken in &bulk.taken {
                    if *taken > index {
                        break;
                    }
                    index += 1;
                }
                return Some(bulk.key(index));
            }
            left -= bulk.left();
        }
        None
    }

    /// Makes one bulk key in `every` wrong without changing how many there are: a third are missing and others are there
    /// in their place, the rest hold an older value. How many. Each turn takes other keys and other values, because the
    /// node that was wrong may be the one that all copy since.
    pub(super) fn diverge(&mut self, every: u64, turn: u64) -> u64 {
        let every = every.max(1);
        let first = (every / 2 + turn) % every;
        let wrong: Vec<(Vec<u8>, Vec<u8>)> = self
            .bulks
            .iter()
            .flat_map(|bulk| {
                let indexes = (first..bulk.count).step_by(usize::try_from(every).unwrap_or(1));
                let count = bulk.count;
                indexes.map(move |index| (bulk.key(index), bulk.key(count + index)))
            })
            .collect();
        for (at, (key, other)) in wrong.iter().enumerate() {
            let older = || Value::Text(format!("older {turn}").into_bytes()).into();
            match at % 3 {
                0 if self.remove(key).is_some() => self.put(other, older()),
                0 => {
                    // An earlier turn has taken it away.
                    self.remove(other);
                    self.put(key, older());
                }
                _ => self.put(key, older()),
            }
        }
        wrong.len() as u64
    }

    /// What a full sync that broke off at `fraction` (0 to 1) leaves: always the same keys for the same fraction.
    pub(super) fn truncate(&mut self, fraction: f64) {
        let limit = (fraction.clamp(0.0, 1.0) * u64::MAX as f64) as u64;
        self.map.retain(|key, _| hash(key) < limit);
        let map = &self.map;
        self.ends.retain(|(_, key)| map.contains_key(key));
        for bulk in &mut self.bulks {
            bulk.count = (bulk.count as f64 * fraction.clamp(0.0, 1.0)) as u64;
            let count = bulk.count;
            bulk.taken.retain(|index| *index < count);
        }
        self.changes += 1;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(value: &str) -> Entry {
        Value::Text(value.into()).into()
    }

    #[test]
    fn bulk_keys_are_real_keys() {
        let mut keys = Keyspace::default();
        keys.populate(b"pop", 1000, 500);
        assert_eq!(keys.len(), 1000);
        assert_eq!(keys.get(b"pop:7").unwrap().value.weight(), 448);
        assert_eq!(keys.get(b"pop:1000"), None);
        assert_eq!(keys.get(b"pop:007"), None);
        keys.put(b"pop:8", text("short"));
        assert!(keys.remove(b"pop:9").is_some());
        assert_eq!(keys.remove(b"pop:9"), None);
        assert_eq!(keys.len(), 999);
        assert_eq!(keys.weights().by_kind.first(), Some(&(998 * 448)));
        let all: BTreeSet<_> = keys.keys(usize::MAX).into_iter().collect();
        assert_eq!(all.len(), 999);
    }

    #[test]
    fn a_scan_meets_every_key_once() {
        let mut keys = Keyspace::default();
        for n in 0..50 {
            keys.put(format!("k{n}").as_bytes(), text("v"));
        }
        keys.populate(b"a", 30, 5);
        keys.populate(b"b", 3, 5);
        let (mut at, mut met) = (0, vec![]);
        loop {
            let (next, found) = keys.scan(at, 7);
            met.extend(found);
            if next == 0 {
                break;
            }
            at = next;
        }
        let distinct: BTreeSet<_> = met.iter().cloned().collect();
        assert_eq!((met.len(), distinct.len()), (83, 83));
    }

    #[test]
    fn each_place_has_one_key() {
        let mut keys = Keyspace::default();
        keys.populate(b"a", 30, 5);
        keys.populate(b"b", 3, 5);
        for n in 0..20 {
            keys.put(format!("k{n}").as_bytes(), text("v"));
        }
        for taken in ["a:0", "a:1", "a:7", "a:29", "b:1"] {
            keys.put(taken.as_bytes(), text("v"));
        }
        keys.remove(b"a:3");
        let met: BTreeSet<_> = (0..keys.len()).filter_map(|at| keys.nth(at)).collect();
        let all: BTreeSet<_> = keys.keys(usize::MAX).into_iter().collect();
        assert_eq!((met.len(), keys.len()), (52, 52));
        assert_eq!(met, all);
        assert_eq!(keys.nth(52), None);
    }

    #[test]
    fn a_copy_that_is_made_wrong_differs_even_from_one_that_was_made_wrong_before() {
        let mut master = Keyspace::default();
        master.populate(b"item", 160, 5);
        for turn in 0..20 {
            let mut copy = master.clone();
            assert_eq!(copy.diverge(16, turn), 10, "turn {turn}");
            assert_eq!(copy.len(), master.len(), "turn {turn}");
            let all = master.keys(usize::MAX);
            let wrong = all.iter().filter(|key| copy.get(key) != master.get(key));
            assert_eq!(wrong.count(), 10, "turn {turn}");
            // All copy the wrong one from now on.
            master = copy;
        }
    }

    #[test]
    fn ends_are_kept_and_honoured() {
        let mut keys = Keyspace::default();
        keys.put(
            b"a",
            Entry {
                value: Value::Text(b"1".to_vec()),
                expires: Some(100),
            },
        );
        keys.put(b"b", text("2"));
        assert!(keys.expire(b"b", Some(200)));
        assert!(!keys.expire(b"c", Some(200)));
        assert_eq!(keys.purge(99), 0);
        assert_eq!(keys.purge(100), 1);
        assert_eq!((keys.len(), keys.expiring()), (1, 1));
        keys.put(b"b", text("3"));
        assert_eq!((keys.purge(500), keys.len()), (0, 1));
    }

    #[test]
    fn a_broken_copy_keeps_a_part() {
        let mut keys = Keyspace::default();
        keys.populate(b"a", 1000, 5);
        (0..1000).for_each(|n| keys.put(format!("k{n}").as_bytes(), text("v")));
        keys.truncate(0.25);
        assert!((400..600).contains(&keys.len()), "{}", keys.len());
    }
}
