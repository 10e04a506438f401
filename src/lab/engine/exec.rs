//! What a data command works on, and the small tools all of them share.

use super::keyspace::{Entry, Keyspace};
use super::resp::{Args, Reply};
use super::rng::Rng;
use super::value::Value;

/// A reply, or an error reply that ends the command early.
pub(super) type Answer = Result<Reply, Reply>;

/// One run of a data command.
pub(super) struct Exec<'a> {
    pub(super) keys: &'a mut Keyspace,
    /// Milliseconds since 1970.
    pub(super) now: i64,
    pub(super) rng: &'a mut Rng,
    /// How many changes were made (`keyspace_mutations`); none means nothing is journaled.
    pub(super) changes: u64,
    /// What replicas must repeat, where that is not the command itself.
    pub(super) repeat: Vec<Args>,
    pub(super) hits: u64,
    pub(super) misses: u64,
}

/// `-WRONGTYPE ...`
pub(super) fn wrong_type() -> Reply {
    Reply::Error("WRONGTYPE Operation against a key holding the wrong kind of value".into())
}

pub(super) fn not_an_integer() -> Reply {
    Reply::err("value is not an integer or out of range")
}

pub(super) fn syntax() -> Reply {
    Reply::err("syntax error")
}

/// An argument, which the arity has promised; empty if it lied.
pub(super) fn arg(args: &[Vec<u8>], at: usize) -> &[u8] {
    args.get(at).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn integer(bytes: &[u8]) -> Result<i64, Reply> {
    let text = std::str::from_utf8(bytes).map_err(|_| not_an_integer())?;
    text.parse().map_err(|_| not_an_integer())
}

pub(super) fn float(bytes: &[u8]) -> Result<f64, Reply> {
    let fail = || Reply::err("value is not a valid float");
    let text = std::str::from_utf8(bytes).map_err(|_| fail())?;
    let value: f64 = text.parse().map_err(|_| fail())?;
    if value.is_nan() {
        Err(fail())
    } else {
        Ok(value)
    }
}

/// Whether an argument is this word, whatever its case.
pub(super) fn is(bytes: &[u8], word: &str) -> bool {
    bytes.eq_ignore_ascii_case(word.as_bytes())
}

/// A command made of text, for the journal.
pub(super) fn command(words: &[&[u8]]) -> Args {
    words.iter().map(|word| word.to_vec()).collect()
}

/// The items between two indexes that may count from the end, as LRANGE and ZRANGE take them.
pub(super) fn span(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let from_end = |at: i64| if at < 0 { (at + len).max(0) } else { at };
    let stop = if stop < 0 {
        stop + len
    } else {
        stop.min(len - 1)
    };
    let start = from_end(start);
    if stop < start {
        return (0, 0);
    }
    let size = |n: i64| usize::try_from(n).unwrap_or(0);
    (size(start), size(stop - start + 1))
}

impl Exec<'_> {
    /// The value under a key, counted as a hit or a miss.
    pub(super) fn read(&mut self, key: &[u8]) -> Option<&Value> {
        let found = self.keys.get(key).map(|entry| &entry.value);
        match found {
            Some(_) => self.hits += 1,
            None => self.misses += 1,
        }
        found
    }

    /// Stores a value and drops its end.
    pub(super) fn store(&mut self, key: &[u8], entry: Entry) {
        self.keys.put(key, entry);
        self.changes += 1;
    }

    pub(super) fn delete(&mut self, key: &[u8]) -> bool {
        let gone = self.keys.remove(key).is_some();
        self.changes += u64::from(gone);
        gone
    }

    /// A collection to change; `make` makes it where there is none. Call [`Exec::changed`] after.
    pub(super) fn open(&mut self, key: &[u8], make: fn() -> Value) -> &mut Value {
        self.keys.value_or(key, make)
    }

    /// A collection to shrink, if it exists.
    pub(super) fn existing(&mut self, key: &[u8]) -> Option<&mut Value> {
        self.keys.value_mut(key)
    }

    /// Closes a change of `count` elements.
    pub(super) fn changed(&mut self, key: &[u8], count: usize) {
        self.keys.settle(key);
        self.changes += u64::from(count > 0);
    }
}

/// Runs a command on an empty keyspace that `setup` filled: the ground of the table tests.
#[cfg(test)]
pub(super) fn run_all(lines: &[&str]) -> Vec<String> {
    let mut keys = Keyspace::default();
    let mut rng = Rng::of(1, "test", 0);
    let run = |line: &&str| {
        let args: Args = line
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect();
        let name = String::from_utf8_lossy(arg(&args, 0)).to_ascii_uppercase();
        let Some(super::table::Run::Data(run)) = super::table::find(&name).map(|c| c.run) else {
            return format!("no data command {name}");
        };
        let mut exec = Exec {
            keys: &mut keys,
            now: 1_000_000,
            rng: &mut rng,
            changes: 0,
            repeat: vec![],
            hits: 0,
            misses: 0,
        };
        let reply = run(&mut exec, args.get(1..).unwrap_or_default()).unwrap_or_else(|error| error);
        let mut wire = vec![];
        reply.encode(super::resp::Proto::Resp2, &mut wire);
        String::from_utf8_lossy(&wire)
            .trim_end()
            .replace("\r\n", " ")
    };
    lines.iter().map(run).collect()
}

/// Checks `(command, reply)` pairs, in order, on one keyspace.
#[cfg(test)]
pub(super) fn check(cases: &[(&str, &str)]) {
    let lines: Vec<_> = cases.iter().map(|(line, _)| *line).collect();
    for ((line, wanted), got) in cases.iter().zip(run_all(&lines)) {
        assert_eq!(&got, wanted, "{line}");
    }
}
