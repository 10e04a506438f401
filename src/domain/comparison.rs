//! The data of an instance's nodes held against each other, which is the only thing that tells silent divergence: link up,
//! lag 0, equal number of keys, and other data (measured on v1.40 after a SIGKILL).
//!
//! Values are never kept: each node's value of a key becomes a digest in memory at once, and digests are dropped with the
//! comparison.

use std::sync::Arc;

use super::fault::Fault;

/// One comparison of an instance's nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The pod whose keys were sampled: the one that calls itself master.
    pub master: Arc<str>,
    /// Keys that were sampled.
    pub sampled: usize,
    /// Keys that were left out because their value is too large to be fetched.
    pub too_large: usize,
    /// Each other node.
    pub nodes: Vec<Compared>,
    /// `DBSIZE` of the master.
    pub keys: Option<u64>,
    /// `master_replid` of the master.
    pub replid: Option<String>,
}

/// One node held against the master.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared {
    /// The pod.
    pub pod: Arc<str>,
    /// Keys with the same value.
    pub equal: usize,
    /// Keys with another value, read again twice before they count.
    pub different: usize,
    /// Keys that it does not have.
    pub missing: usize,
    /// Names of a few keys that differ or are missing: kept in memory only, as names may tell much.
    pub names: Vec<String>,
    /// `DBSIZE`.
    pub keys: Option<u64>,
    /// `master_replid`.
    pub replid: Option<String>,
    /// `slave_repl_offset`.
    pub offset: Option<u64>,
    /// Why it could not be compared, or not to the end.
    pub fault: Option<Fault>,
}

impl Comparison {
    /// How many names of keys are kept of each node.
    pub const NAMES: usize = 5;

    /// What came of it, in a few words.
    pub fn answer(&self) -> &'static str {
        match (self.is_diverged(), self.is_complete()) {
            (true, _) => "its nodes hold different data",
            (false, _) if self.sampled == 0 => "there was no key to compare",
            (false, true) => "its nodes hold the same data, as far as was sampled",
            (false, false) => "not every node could be compared",
        }
    }

    /// At least one node holds other data than the master.
    pub fn is_diverged(&self) -> bool {
        self.nodes.iter().any(|n| n.different + n.missing > 0)
    }

    /// Every node was compared to the end.
    pub fn is_complete(&self) -> bool {
        self.nodes.iter().all(|n| n.fault.is_none())
    }
}

impl Compared {
    /// `orders-1: 196 of 200 keys equal, 3 different, 1 missing`.
    pub fn words(&self) -> String {
        let all = self.equal + self.different + self.missing;
        let mut words = format!(
            "{}: {} of {all} keys equal, {} different, {} missing",
            self.pod, self.equal, self.different, self.missing
        );
        if let Some(fault) = &self.fault {
            words.push_str(&format!("; not compared to the end: {}", fault.message));
        }
        words
    }
}
