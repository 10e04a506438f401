//! The replication journal: per shard, numbered, with a bounded backlog.

use std::collections::VecDeque;
use std::sync::Arc;

use super::resp::{Args, Parsed, Proto, Reply, parse};

/// `--shard_repl_backlog_len`: records a shard keeps for partial syncs.
pub(super) const BACKLOG: usize = 8192;
/// Records a shard keeps at most for an online replica that has stopped reading.
const HELD: usize = 262_144;

/// One change, as the command that repeats it.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Order over all shards, so that a replica applies changes as they happened.
    pub(super) order: u64,
    pub(super) db: u16,
    wire: Arc<[u8]>,
}

impl Record {
    /// The command and its arguments.
    pub(super) fn args(&self) -> Args {
        match parse(&self.wire) {
            Parsed::Command(args, _) => args,
            Parsed::Incomplete | Parsed::Bad(_) => Args::new(),
        }
    }
}

#[derive(Debug, Default)]
struct Shard {
    /// Number of the next record, which is also how many the shard has seen.
    lsn: u64,
    records: VecDeque<Record>,
    bytes: usize,
}

impl Shard {
    fn first(&self) -> u64 {
        self.lsn - self.records.len() as u64
    }
}

/// The journal of an engine that has, or had, replicas.
#[derive(Debug)]
pub(super) struct Journal {
    shards: Vec<Shard>,
    order: u64,
}

impl Journal {
    /// A journal whose shards start at the given numbers.
    pub(super) fn starting_at(lsns: &[u64]) -> Self {
        let shards = lsns.iter().map(|lsn| Shard {
            lsn: *lsn,
            ..Shard::default()
        });
        Self {
            shards: shards.collect(),
            order: 0,
        }
    }

    /// The number each shard will give next.
    pub(super) fn lsns(&self) -> Vec<u64> {
        self.shards.iter().map(|shard| shard.lsn).collect()
    }

    /// Appends a change. `needed` is the position each shard must keep for its online replicas.
    pub(super) fn record(&mut self, shard: usize, db: u16, args: &[Vec<u8>], needed: Option<u64>) {
        let mut wire = vec![];
        Reply::bulks(args).encode(Proto::Resp2, &mut wire);
        let Some(shard) = self.shards.get_mut(shard) else {
            return;
        };
        self.order += 1;
        shard.bytes += wire.len();
        shard.lsn += 1;
        shard.records.push_back(Record {
            order: self.order,
            db,
            wire: wire.into(),
        });
        while shard.records.len() > BACKLOG {
            let held = needed.is_some_and(|needed| needed <= shard.first());
            if held && shard.records.len() <= HELD {
                break;
            }
            if let Some(old) = shard.records.pop_front() {
                shard.bytes -= old.wire.len();
            }
        }
    }

    /// Whether a replica at these positions can continue without a full sync.
    pub(super) fn continues(&self, from: &[u64]) -> bool {
        from.len() == self.shards.len() && self.stale(from).is_none()
    }

    /// The first position that is no longer (or not yet) in the backlog, with the shard's present number.
    pub(super) fn stale(&self, from: &[u64]) -> Option<(u64, u64)> {
        let pairs = self.shards.iter().zip(from);
        pairs
            .filter(|(shard, at)| **at < shard.first() || **at > shard.lsn)
            .map(|(shard, at)| (*at, shard.lsn))
            .next()
    }

    /// Everything after the given positions, oldest first, at most `limit` records per shard;
    /// and the positions reached. `None` when the backlog no longer reaches back so far.
    pub(super) fn after(&self, from: &[u64], limit: usize) -> Option<(Vec<Record>, Vec<u64>)> {
        if !self.continues(from) {
            return None;
        }
        let mut found = vec![];
        let mut reached = vec![];
        for (shard, at) in self.shards.iter().zip(from) {
            let skip = usize::try_from(at - shard.first()).unwrap_or(usize::MAX);
            let before = found.len();
            found.extend(shard.records.iter().skip(skip).take(limit).cloned());
            reached.push(at + (found.len() - before) as u64);
        }
        found.sort_by_key(|record| record.order);
        Some((found, reached))
    }

    /// Records and bytes of the backlog (`psync_buffer_size`, `psync_buffer_bytes`).
    pub(super) fn size(&self) -> (usize, usize) {
        let count = self.shards.iter().map(|shard| shard.records.len());
        let bytes = self.shards.iter().map(|shard| shard.bytes);
        (count.sum(), bytes.sum())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn change(n: usize) -> Args {
        vec![b"SET".to_vec(), b"k".to_vec(), n.to_string().into_bytes()]
    }

    #[test]
    fn the_backlog_is_bounded_and_says_who_can_continue() {
        let mut journal = Journal::starting_at(&[100, 0]);
        (0..BACKLOG + 10).for_each(|n| journal.record(0, 0, &change(n), None));
        let lsn = 100 + BACKLOG as u64 + 10;
        assert_eq!(journal.lsns(), vec![lsn, 0]);
        assert!(journal.continues(&[110, 0]));
        assert!(journal.continues(&[lsn, 0]));
        assert_eq!(journal.stale(&[109, 0]), Some((109, lsn)));
        // A replica that is ahead of its new master cannot continue either.
        assert_eq!(journal.stale(&[lsn + 1, 0]), Some((lsn + 1, lsn)));
        assert!(!journal.continues(&[lsn]));
        assert_eq!(journal.size().0, BACKLOG);
    }

    #[test]
    fn an_online_replica_holds_the_backlog() {
        let mut journal = Journal::starting_at(&[0]);
        (0..BACKLOG * 2).for_each(|n| journal.record(0, 0, &change(n), Some(5)));
        assert!(journal.continues(&[5]));
        journal.record(0, 0, &change(0), Some(BACKLOG as u64 * 2));
        assert!(!journal.continues(&[5]));
    }

    #[test]
    fn changes_come_back_in_order_and_in_portions() {
        let mut journal = Journal::starting_at(&[0, 0]);
        (0..10).for_each(|n| journal.record(n % 2, 3, &change(n), None));
        let (records, reached) = journal.after(&[1, 0], 3).unwrap();
        assert_eq!(reached, vec![4, 3]);
        let values: Vec<_> = records.iter().map(|r| r.args().pop().unwrap()).collect();
        let wanted = [1, 2, 3, 4, 5, 6].map(|n| n.to_string().into_bytes());
        assert_eq!(values, wanted.to_vec());
        assert!(records.iter().all(|record| record.db == 3));
    }
}
