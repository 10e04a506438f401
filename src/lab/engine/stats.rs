//! Counters, error counts, command times and the slow log.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Everything INFO stats, commandstats and errorstats count.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub(super) connections: u64,
    pub(super) commands_main: u64,
    pub(super) commands_other: u64,
    pub(super) pipelined: u64,
    pub(super) net_in: u64,
    pub(super) net_out: u64,
    pub(super) reads: u64,
    pub(super) writes: u64,
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) mutations: u64,
    pub(super) expired: u64,
    /// Refused because of maxmemory: while inserting, and before a command ran.
    pub(super) oom_insert: u64,
    pub(super) oom_command: u64,
    pub(super) restores: u64,
    pub(super) psyncs: u64,
    pub(super) commands: BTreeMap<&'static str, Calls>,
    pub(super) errors: BTreeMap<String, u64>,
    rate: Rate,
}

/// Calls of one command and the microseconds they took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calls {
    pub(super) calls: u64,
    pub(super) usec: u64,
}

#[derive(Debug, Default)]
struct Rate {
    second: u64,
    count: u64,
    before: u64,
}

impl Stats {
    pub(super) fn commands_total(&self) -> u64 {
        self.commands_main + self.commands_other
    }

    pub(super) fn oom_rejections(&self) -> u64 {
        self.oom_insert + self.oom_command
    }

    /// Counts `calls` runs of a command.
    pub(super) fn ran(&mut self, name: &'static str, calls: u64, usec: u64, now: Duration) {
        let entry = self.commands.entry(name).or_default();
        entry.calls += calls;
        entry.usec += usec;
        self.rate.advance(now);
        self.rate.count += calls;
    }

    /// Counts an error reply; the kinds the server groups get its names.
    pub(super) fn failed(&mut self, text: &str) {
        self.failed_times(text, 1);
    }

    /// Counts the same error reply so many times.
    pub(super) fn failed_times(&mut self, text: &str, times: u64) {
        let kind = match text {
            _ if text.starts_with("NOAUTH") => "no_auth".to_owned(),
            _ if text.starts_with("ERR ") => text.trim_start_matches("ERR ").to_owned(),
            _ => format!("-{text}"),
        };
        *self.errors.entry(kind).or_default() += times;
    }

    /// `instantaneous_ops_per_sec`: commands of the last whole second.
    pub(super) fn ops_per_second(&mut self, now: Duration) -> u64 {
        self.rate.advance(now);
        self.rate.before
    }
}

impl Rate {
    fn advance(&mut self, now: Duration) {
        let second = now.as_secs();
        if second > self.second {
            self.before = if second == self.second + 1 {
                self.count
            } else {
                0
            };
            self.count = 0;
            self.second = second;
        }
    }
}

/// One command slower than `slowlog_log_slower_than`.
#[derive(Clone, Debug)]
pub(super) struct Slow {
    pub(super) id: u64,
    pub(super) unix_s: i64,
    pub(super) usec: u64,
    pub(super) args: Vec<Vec<u8>>,
    pub(super) client: String,
    pub(super) name: String,
}

/// `SLOWLOG`: newest first, bounded per thread.
#[derive(Debug, Default)]
pub(super) struct SlowLog {
    next: u64,
    pub(super) entries: VecDeque<Slow>,
}

impl SlowLog {
    pub(super) fn add(&mut self, mut slow: Slow, limit: usize) {
        slow.id = self.next;
        self.next += 1;
        for arg in &mut slow.args {
            // The server shows 110 bytes and says how many it left out.
            let more = arg.len().saturating_sub(110);
            if more > 0 {
                arg.truncate(110);
                arg.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
            }
        }
        self.entries.push_front(slow);
        self.entries.truncate(limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_last_whole_second() {
        let mut stats = Stats::default();
        let at = |ms| Duration::from_millis(ms);
        (0..30).for_each(|_| stats.ran("set", 1, 2, at(5_100)));
        assert_eq!(stats.ops_per_second(at(5_900)), 0);
        assert_eq!(stats.ops_per_second(at(6_000)), 30);
        assert_eq!(stats.ops_per_second(at(7_000)), 0);
    }

    #[test]
    fn errors_are_counted_under_the_servers_names() {
        let mut stats = Stats::default();
        stats.failed("NOAUTH Authentication required.");
        stats.failed("LOADING Dragonfly is loading the dataset in memory");
        stats.failed("ERR replication cancelled");
        let kinds: Vec<_> = stats.errors.keys().map(String::as_str).collect();
        assert_eq!(
            kinds,
            [
                "-LOADING Dragonfly is loading the dataset in memory",
                "no_auth",
                "replication cancelled"
            ]
        );
    }
}
