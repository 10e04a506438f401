//! The sides of an instance that has several masters: whether they are two data sets, and what each holds.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::words::{exact, list};
use super::{Instance, Node};
use crate::domain::text;

/// The masters are two data sets, not one node that only calls itself master: different replication ids, and keys,
/// endpoints or replicas on more than one side.
pub(super) fn is_split(instance: &Instance<'_>, engines: &[&Node<'_>]) -> bool {
    let ids: BTreeSet<&str> = engines.iter().filter_map(|n| n.replid()).collect();
    if ids.len() < 2 {
        return false;
    }
    let is_followed = |master: &Node<'_>| {
        let ip = master.view.ip();
        let mut nodes = instance.nodes.iter();
        nodes.any(|n| n.follower().is_some_and(|f| Some(f.host.as_str()) == ip))
    };
    // What has nothing, and gets nothing, is no data set yet: a replica that restarted, and that nobody made one again.
    let is_bare = |n: &Node<'_>| keys(n) == Some(0) && !n.view.is_endpoint && !is_followed(n);
    let keys: Vec<u64> = engines
        .iter()
        .filter(|n| !is_bare(n))
        .filter_map(|n| keys(n))
        .collect();
    let (least, most) = (keys.iter().min(), keys.iter().max());
    let apart = match (least, most) {
        (Some(least), Some(most)) => most - least > most / 100,
        _ => false,
    };
    let sent_to = engines.iter().filter(|n| n.view.is_endpoint).count();
    let followed = engines.iter().filter(|n| is_followed(n)).count();
    apart || sent_to > 1 || followed > 1
}

/// What each side has: `orders-0 has 52,000 keys and orders-1 none`, the one with most first.
pub(super) fn sides(engines: &[&Node<'_>]) -> String {
    let mut sides: Vec<(&str, Option<u64>)> = engines.iter().map(|n| (n.name(), keys(n))).collect();
    sides.sort_by_key(|(_, keys)| std::cmp::Reverse(*keys));
    let all: Vec<u64> = sides.iter().filter_map(|(_, keys)| *keys).collect();
    let told: Vec<String> = sides
        .iter()
        .map(|(name, keys)| match keys {
            Some(0) => format!("{name} has no keys"),
            Some(keys) => format!("{name} has {}", told_apart(*keys, &all)),
            None => format!("what {name} has is not known"),
        })
        .collect();
    list(&told)
}

/// A figure among others, rounded unless another one reads the same then.
fn told_apart(figure: u64, all: &[u64]) -> String {
    let rounded = text::count(figure);
    let is_like_another = all
        .iter()
        .any(|other| *other != figure && text::count(*other) == rounded);
    let noun = if figure == 1 { "key" } else { "keys" };
    match is_like_another {
        true => format!("{} {noun}", exact(figure)),
        false => format!("{rounded} {noun}"),
    }
}

/// How many keys it has, by its last answer.
pub(super) fn keys(node: &Node<'_>) -> Option<u64> {
    Some(node.view.engine?.keyspace.as_ref()?.value.keys)
}

/// Keys and journal offset of a side.
pub(super) fn amounts(node: &Node<'_>, all: &[u64]) -> Vec<(String, String, Timestamp)> {
    let mut facts = Vec::new();
    let Some(engine) = node.view.engine else {
        return facts;
    };
    if let Some(known) = &engine.keyspace {
        facts.push((
            told_apart(known.value.keys, all),
            format!("INFO keyspace of {}", node.name()),
            known.at,
        ));
    }
    if let Some(known) = &engine.offsets {
        facts.push((
            format!("journal offset {}", known.value.total()),
            format!("DFLY REPLICAOFFSET of {}", node.name()),
            known.at,
        ));
    }
    facts
}
