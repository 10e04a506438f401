//! The data of an instance's nodes held against each other, which is the only thing that tells silent divergence: link up,
//! lag 0, equal number of keys, and other data (measured on v1.40 after a SIGKILL).
//!
//! Values are never kept: each node's value of a key becomes a digest in memory at once, and digests are dropped with the
//! comparison.

use std::sync::Arc;

use super::fault::Fault;
use super::text::exact;

/// One comparison of an instance's nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// The pod whose keys were sampled: the one that calls itself master.
    pub master: Arc<str>,
    /// Keys that were asked for.
    pub asked: usize,
    /// Keys that were compared.
    pub sampled: usize,
    /// There are no others: every key of the database was taken.
    pub every: bool,
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
            (false, _) if self.nodes.is_empty() => "there was no other node to compare with",
            (false, _) if self.sampled == 0 => "there was no key to compare",
            (false, true) if self.every => {
                "its nodes hold the same data, as far as the keys of its master go"
            }
            (false, true) => "its nodes hold the same data, as far as was sampled",
            (false, false) => "not every node could be compared",
        }
    }

    /// Which keys were compared: `200 keys sampled on orders-0`, and why they are fewer than were asked for.
    pub fn sample_words(&self) -> String {
        let count = |n: usize| exact(n as u64);
        let (sampled, taken) = (count(self.sampled), self.sampled + self.too_large);
        let master = &self.master;
        let left_out = match self.too_large {
            0 => String::new(),
            n => format!(", {} left out as too large", count(n)),
        };
        match () {
            () if self.every => {
                let share = match self.too_large {
                    0 => format!("all {sampled}"),
                    _ => format!("{sampled} of all {}", count(taken)),
                };
                format!("{share} keys of database 0 on {master} compared{left_out}")
            }
            () if taken < self.asked => format!(
                "{sampled} keys sampled on {master}{left_out}; {} were asked for: RANDOMKEY names some again and again, or \
                 they were gone before they were read",
                count(self.asked)
            ),
            () => format!("{sampled} keys sampled on {master}{left_out}"),
        }
    }

    /// At least one node holds other data than the master.
    pub fn is_diverged(&self) -> bool {
        self.nodes.iter().any(|n| n.different + n.missing > 0)
    }

    /// There is a node beside the master, and every one was compared to the end.
    pub fn is_complete(&self) -> bool {
        !self.nodes.is_empty() && self.nodes.iter().all(|n| n.fault.is_none())
    }

    /// Whether a node has the master's data set; `None` where one of them did not tell.
    pub fn is_same_set(&self, node: &Compared) -> Option<bool> {
        Some(node.replid.as_ref()? == self.replid.as_ref()?)
    }
}

impl Compared {
    /// `orders-1: 196 of 200 keys equal, 3 different, 1 missing`.
    pub fn words(&self) -> String {
        let all = self.equal + self.different + self.missing;
        if let (0, Some(fault)) = (all, &self.fault) {
            return format!("{}: not compared: {}", self.pod, fault.message);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::FaultKind;

    #[test]
    fn which_keys_were_compared_is_said_and_why_they_are_few() {
        for (asked, sampled, too_large, every, wanted) in [
            (200, 200, 0, false, "200 keys sampled on orders-0"),
            (
                2_000,
                1_998,
                2,
                false,
                "1,998 keys sampled on orders-0, 2 left out as too large",
            ),
            (
                200,
                156,
                0,
                true,
                "all 156 keys of database 0 on orders-0 compared",
            ),
            (
                200,
                154,
                2,
                true,
                "154 of all 156 keys of database 0 on orders-0 compared, 2 left out as too large",
            ),
            (
                2_000,
                1_016,
                1,
                false,
                "1,016 keys sampled on orders-0, 1 left out as too large; 2,000 were asked for: RANDOMKEY names \
                 some again and again, or they were gone before they were read",
            ),
        ] {
            let made = Comparison {
                master: "orders-0".into(),
                asked,
                sampled,
                every,
                too_large,
                ..Comparison::default()
            };
            assert_eq!(made.sample_words(), wanted);
        }
    }

    #[test]
    fn the_same_data_is_said_only_of_nodes_that_were_compared() {
        let node = |different, fault: bool| Compared {
            pod: "orders-1".into(),
            different,
            fault: fault.then(|| Fault::new(FaultKind::Timeout, "late")),
            ..Compared::default()
        };
        for (sampled, every, nodes, wanted) in [
            (
                200,
                false,
                vec![],
                "there was no other node to compare with",
            ),
            (0, true, vec![node(0, false)], "there was no key to compare"),
            (
                200,
                false,
                vec![node(0, false)],
                "its nodes hold the same data, as far as was sampled",
            ),
            (
                156,
                true,
                vec![node(0, false)],
                "its nodes hold the same data, as far as the keys of its master go",
            ),
            (
                200,
                false,
                vec![node(0, true), node(0, false)],
                "not every node could be compared",
            ),
            (
                200,
                false,
                vec![node(0, true), node(1, false)],
                "its nodes hold different data",
            ),
        ] {
            let made = Comparison {
                sampled,
                every,
                nodes,
                ..Comparison::default()
            };
            assert_eq!(made.answer(), wanted);
        }
        assert_eq!(node(0, true).words(), "orders-1: not compared: late");
    }
}
