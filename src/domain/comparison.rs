//! The data of an instance's nodes held against each other, which is the only thing that tells silent divergence: link up,
//! lag 0, equal number of keys, and other data (measured on v1.40 after a SIGKILL).
//!
//! Values are never kept: each node's value of a key becomes a digest in memory at once, and digests are dropped with the
//! comparison.

use std::sync::Arc;

use jiff::Timestamp;

use super::fault::Fault;
use super::text::exact;
use super::view::{InstanceView, NodeView};
use super::world::{History, Turn};

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

/// What is another than it was when the nodes were compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The pod.
    pub pod: Arc<str>,
    /// What became of it: `is no longer master`.
    pub how: &'static str,
}

impl Changed {
    /// `orders-1 restarted, orders-2 is gone`.
    pub fn words(all: &[Changed]) -> String {
        let words: Vec<String> = all.iter().map(|c| format!("{} {}", c.pod, c.how)).collect();
        words.join(", ")
    }
}

impl InstanceView<'_> {
    /// What has changed since nodes were compared: the master, data sets, pods, processes. What came of it for such a node
    /// says nothing of the present, and nothing of any where it is the master. Empty while nothing is known to differ.
    pub fn changed_since(&self, made: &Comparison, at: Timestamp) -> Vec<Changed> {
        let mut changed: Vec<Changed> = Vec::new();
        let mut note = |pod: &Arc<str>, how| {
            let pod = pod.clone();
            changed.push(Changed { pod, how });
        };
        let mut masters = self.engine_masters().peekable();
        if masters.peek().is_some() && !masters.any(|master| master.id.pod == made.master) {
            note(&made.master, "is no longer master");
        }
        let sampled = std::iter::once((&made.master, &made.replid));
        let others = made.nodes.iter().map(|one| (&one.pod, &one.replid));
        let compared: Vec<(&Arc<str>, &Option<String>)> = sampled.chain(others).collect();
        let history = self.context.history(&self.id.namespace, &self.id.name);
        for (pod, then) in &compared {
            let Some(node) = self.nodes.iter().find(|node| node.id.pod == **pod) else {
                note(pod, "is gone");
                continue;
            };
            let moments = history.into_iter().flat_map(History::moments).rev();
            let turned: Vec<&Turn> = moments
                .take_while(|moment| moment.at > at)
                .filter(|moment| moment.pod == **pod)
                .map(|moment| &moment.turn)
                .collect();
            let is_another = match (then, replid(node)) {
                (Some(then), Some(now)) => then != now,
                _ => turned
                    .iter()
                    .any(|turn| matches!(turn, Turn::Replid { .. })),
            };
            match () {
                () if turned.contains(&&Turn::Gone) => note(pod, "is another pod"),
                () if turned.contains(&&Turn::Restarted) => note(pod, "restarted"),
                () if is_another => note(pod, "has another data set"),
                () => {}
            }
        }
        for node in &self.nodes {
            if !compared.iter().any(|(pod, _)| node.id.pod == **pod) {
                note(&node.id.pod, "was not among them");
            }
        }
        changed
    }
}

fn replid<'a>(node: &NodeView<'a>) -> Option<&'a str> {
    let told = node.engine?.replication.as_ref()?;
    told.value.replid.as_deref()
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
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::FaultKind;
    use crate::domain::fixture::*;

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

    #[test]
    fn what_came_of_it_holds_while_what_was_compared_is_there() {
        let id = |f: &Fixture| f.world.instances().next().unwrap();
        let made = |f: &Fixture| {
            let view = f.world.instance(&id(f)).unwrap();
            let of = |node: &NodeView<'_>| Compared {
                pod: node.id.pod.clone(),
                replid: replid(node).map(str::to_owned),
                ..Compared::default()
            };
            let mut nodes = view.nodes.iter().map(of);
            let master = nodes.next().unwrap();
            Comparison {
                master: master.pod,
                sampled: 200,
                nodes: nodes.collect(),
                replid: master.replid,
                ..Comparison::default()
            }
        };
        let f = healthy().build();
        let view = f.world.instance(&id(&f)).unwrap();
        let told = |made: &Comparison| Changed::words(&view.changed_since(made, now()));
        let same = made(&f);
        let last = same.nodes.last().unwrap().pod.clone();
        let first = same.nodes.first().unwrap().pod.clone();
        let changed = |change: &dyn Fn(&mut Comparison)| {
            let mut made = same.clone();
            change(&mut made);
            made
        };
        for (made, wanted) in [
            (same.clone(), String::new()),
            (
                changed(&|made| made.replid = Some("other".to_owned())),
                format!("{} has another data set", same.master),
            ),
            // Not told then, so not known to differ.
            (changed(&|made| made.replid = None), String::new()),
            (
                changed(&|made| {
                    made.nodes.pop();
                }),
                format!("{last} was not among them"),
            ),
            (
                changed(&|made| {
                    made.nodes.push(Compared {
                        pod: "old-9".into(),
                        ..Compared::default()
                    });
                }),
                "old-9 is gone".to_owned(),
            ),
            (
                changed(&|made| {
                    std::mem::swap(&mut made.nodes.first_mut().unwrap().pod, &mut made.master);
                }),
                format!("{first} is no longer master"),
            ),
        ] {
            assert_eq!(told(&made), wanted, "{made:?}");
        }
    }
}
