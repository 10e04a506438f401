//! Holds the data of an instance's nodes against each other, when somebody asks for it: keys sampled at random on the
//! master, a digest of each value on every node. Values are dropped as soon as they are digested; a key that differs is
//! read again twice, because it may have been written between two reads.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use redis::Value;
use tokio::time::sleep;

use super::Wanted;
use super::watch::Desk;
use crate::connect::forward;
use crate::connect::resp::{Engine, Reply};
use crate::domain::comparison::{Compared, Comparison};
use crate::domain::engine::{Question, Replication, Side};
use crate::domain::text::one_line;
use crate::domain::{Fact, Fault, FaultKind, NodeId, Probe};
use crate::wire;

/// The admin port that the operator gives every Dragonfly.
const ADMIN_PORT: u16 = 9999;
/// Values above this are not fetched, bytes in memory.
const LARGEST: i64 = 64 << 10;
/// Keys whose values are under way at once.
const BATCH: usize = 25;
/// Before a key that differs is read again: a write arrives within milliseconds, and acknowledgements each second.
const AGAIN: Duration = Duration::from_millis(300);

/// Serves what is asked for, for as long as it is polled.
pub(super) async fn serve(mut desk: Desk) {
    let mut focus = desk.focus.clone();
    let mut done = focus
        .borrow()
        .compare
        .as_ref()
        .map_or(0, |w| w.number.saturating_sub(1));
    loop {
        let wanted = focus.borrow_and_update().compare.clone();
        match wanted.filter(|w| w.number > done && w.instance.context == desk.context) {
            Some(wanted) => {
                done = wanted.number;
                let (client, _) = desk.client().await;
                let outcome = compare(&desk, &client, &wanted).await;
                desk.outlet.send(Fact::Compared {
                    instance: wanted.instance,
                    outcome,
                });
            }
            None => {
                if focus.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// One node with a connection of its own.
struct Node {
    pod: Arc<str>,
    engine: Engine,
    replication: Replication,
    keys: Option<u64>,
}

async fn compare(desk: &Desk, client: &kube::Client, wanted: &Wanted) -> Result<Comparison, Fault> {
    let instance = &wanted.instance;
    let (pods, idle): (Vec<Arc<str>>, Vec<Arc<str>>) = {
        let roster = desk.roster.borrow();
        let of_it = roster.targets().iter().filter(|((ns, _), target)| {
            *ns == instance.namespace && target.instance == instance.name
        });
        (
            of_it.map(|((_, pod), _)| pod.clone()).collect(),
            roster.idle(&instance.namespace, &instance.name),
        )
    };
    let opened = pods.iter().map(|pod| {
        let id = NodeId {
            context: desk.context.clone(),
            namespace: instance.namespace.clone(),
            pod: pod.clone(),
        };
        async move { (id.pod.clone(), open(desk, client, &id).await) }
    });
    let (mut masters, mut others) = (Vec::new(), Vec::new());
    // A node that is left out would be taken for one that is the same.
    let is_down = || Fault::new(FaultKind::NotFound, "its container does not run");
    let mut failed: Vec<Compared> = idle
        .into_iter()
        .map(|pod| Compared {
            pod,
            fault: Some(is_down()),
            ..Compared::default()
        })
        .collect();
    for (pod, opened) in join_all(opened).await {
        match opened {
            Ok(node) if matches!(node.replication.side, Side::Master { .. }) => masters.push(node),
            Ok(node) => others.push(node),
            Err(fault) => failed.push(Compared {
                pod,
                fault: Some(fault),
                ..Compared::default()
            }),
        }
    }
    if masters.is_empty() {
        let why = failed.first().and_then(|n| n.fault.clone());
        return Err(why.unwrap_or_else(|| {
            Fault::new(
                FaultKind::NotFound,
                format!("no node of {instance} calls itself master"),
            )
        }));
    }
    let mut master = masters.remove(0);
    // Another that calls itself master is held against the first: two data sets are what is looked for.
    others.extend(masters);
    let budget = desk.pace.request_deadline;
    let digests = RandomState::new();
    let mut sample = sample(&mut master, wanted.keys, &digests, budget).await?;
    let too_large = sample.drop_large(&mut master, budget).await?;
    let mut nodes = Vec::new();
    for node in others {
        nodes.push(hold(&mut master, node, &sample.keys, &digests, budget).await);
    }
    nodes.extend(failed);
    nodes.sort_by(|a, b| a.pod.cmp(&b.pod));
    Ok(Comparison {
        master: master.pod,
        asked: wanted.keys,
        sampled: sample.keys.len(),
        every: sample.every,
        too_large,
        nodes,
        keys: master.keys,
        replid: master.replication.replid,
    })
}

async fn open(desk: &Desk, client: &kube::Client, id: &NodeId) -> Result<Node, Fault> {
    let deadline = desk.pace.connect_deadline;
    let way = forward::forward(client, &id.namespace, &id.pod, ADMIN_PORT, deadline)
        .await
        .map_err(|refusal| refusal.fault)?;
    let mut engine = Engine::over(way.stream, Some(way.tether), deadline).await?;
    let first = [words(&["INFO", "REPLICATION"]), words(&["DBSIZE"])];
    let mut replies = engine
        .call_all(&first, desk.pace.probe_deadline)
        .await?
        .into_iter();
    let info = replies
        .next()
        .map(|reply| crate::connect::resp::plain(&reply));
    let told = info.map(|reply| wire::answer(Question::Replication, &reply, Duration::ZERO));
    let Some(Ok(Probe::Replication(replication))) = told else {
        return Err(Fault::new(
            FaultKind::Protocol,
            "INFO REPLICATION cannot be understood",
        ));
    };
    let keys = match replies.next() {
        Some(Reply::Value(Value::Int(keys))) => u64::try_from(keys).ok(),
        _ => None,
    };
    Ok(Node {
        pod: id.pod.clone(),
        engine,
        replication,
        keys,
    })
}

/// Names of keys of database 0, each once.
struct Sample {
    keys: Vec<Vec<u8>>,
    /// There are no others.
    every: bool,
}

/// Takes as many keys as are wanted, where there are as many.
async fn sample(
    master: &mut Node,
    wanted: usize,
    digests: &RandomState,
    budget: Duration,
) -> Result<Sample, Fault> {
    // RANDOMKEY may name a key again: of few keys most draws would be repetitions, and the last ones might never be drawn.
    let few = master
        .keys
        .is_some_and(|keys| keys <= 2 * u64::try_from(wanted).unwrap_or(u64::MAX));
    if few {
        walked(master, wanted, digests, budget).await
    } else {
        drawn(master, wanted, budget).await
    }
}

/// Walks through all keys, and leaves as many as are wanted, at random.
async fn walked(
    master: &mut Node,
    wanted: usize,
    digests: &RandomState,
    budget: Duration,
) -> Result<Sample, Fault> {
    let mut keys: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut cursor = b"0".to_vec();
    // More may be written meanwhile, but not without end.
    let most = wanted.saturating_mul(4);
    let all = loop {
        let command = on_key_with(&["SCAN"], &cursor, &["COUNT", "1000"]);
        let replies = master.engine.call_all(&[command], budget).await?;
        let (next, page) = match replies.into_iter().next() {
            Some(Reply::Value(Value::Array(parts))) => match <[Value; 2]>::try_from(parts) {
                Ok([Value::BulkString(next), Value::Array(page)]) => (next, page),
                _ => return Err(unread("SCAN")),
            },
            Some(Reply::Error(text)) => return Err(refused("SCAN", &text)),
            _ => return Err(unread("SCAN")),
        };
        keys.extend(page.into_iter().filter_map(|key| match key {
            Value::BulkString(key) => Some(key),
            _ => None,
        }));
        if next == b"0" || keys.len() > most {
            break next == b"0";
        }
        cursor = next;
    };
    let every = all && keys.len() <= wanted;
    let mut keys: Vec<_> = keys.into_iter().collect();
    // Their digests under a key of this comparison are in no order.
    keys.sort_by_cached_key(|key| digest(digests, key));
    keys.truncate(wanted);
    Ok(Sample { keys, every })
}

/// Draws keys at random.
async fn drawn(master: &mut Node, wanted: usize, budget: Duration) -> Result<Sample, Fault> {
    // Of twice as many keys as are wanted, each round finds at least half of what is missing. A lopsided server may name
    // the same ones for ever.
    const ROUNDS: usize = 20;
    let mut keys: BTreeSet<Vec<u8>> = BTreeSet::new();
    for _ in 0..ROUNDS {
        let missing = wanted.saturating_sub(keys.len());
        if missing == 0 {
            break;
        }
        let commands = vec![words(&["RANDOMKEY"]); missing];
        for reply in master.engine.call_all(&commands, budget).await? {
            match reply {
                Reply::Value(Value::BulkString(key)) => {
                    keys.insert(key);
                }
                Reply::Error(text) => return Err(refused("RANDOMKEY", &text)),
                Reply::Value(_) => {}
            }
        }
    }
    Ok(Sample {
        keys: keys.into_iter().collect(),
        every: false,
    })
}

impl Sample {
    /// Leaves out keys whose values are too large to be fetched; tells how many.
    async fn drop_large(&mut self, master: &mut Node, budget: Duration) -> Result<usize, Fault> {
        let before = self.keys.len();
        let (mut kept, mut gone) = (Vec::new(), 0);
        for batch in self.keys.chunks(BATCH) {
            let commands: Vec<_> = batch
                .iter()
                .map(|key| on_key(&["MEMORY", "USAGE"], key))
                .collect();
            let sizes = master.engine.call_all(&commands, budget).await?;
            for (key, size) in batch.iter().zip(sizes) {
                match size {
                    Reply::Value(Value::Int(bytes)) if bytes <= LARGEST => kept.push(key.clone()),
                    // It is gone meanwhile.
                    Reply::Value(Value::Nil) => gone += 1,
                    // What cannot be told to be small is not fetched.
                    _ => {}
                }
            }
        }
        self.keys = kept;
        Ok(before - self.keys.len() - gone)
    }
}

/// A value as far as it is kept: nothing, or a digest under this comparison's own random key.
type Digest = Option<u128>;

async fn hold(
    master: &mut Node,
    mut node: Node,
    keys: &[Vec<u8>],
    digests: &RandomState,
    budget: Duration,
) -> Compared {
    let mut compared = Compared {
        pod: node.pod.clone(),
        keys: node.keys,
        replid: node.replication.replid.clone(),
        offset: match &node.replication.side {
            Side::Replica(follower) => follower.offset,
            Side::Master { .. } => None,
        },
        ..Compared::default()
    };
    if let Err(fault) = held(master, &mut node, keys, digests, budget, &mut compared).await {
        compared.fault = Some(fault);
    }
    compared
}

async fn held(
    master: &mut Node,
    node: &mut Node,
    keys: &[Vec<u8>],
    digests: &RandomState,
    budget: Duration,
    compared: &mut Compared,
) -> Result<(), Fault> {
    let mut open: Vec<Vec<u8>> = Vec::new();
    for batch in keys.chunks(BATCH) {
        let ours = dumps(&mut master.engine, batch, digests, budget).await?;
        let theirs = dumps(&mut node.engine, batch, digests, budget).await?;
        for ((key, ours), theirs) in batch.iter().zip(ours).zip(theirs) {
            if ours == theirs {
                compared.equal += 1;
            } else {
                open.push(key.clone());
            }
        }
    }
    // The node first and the master after it, then the other way round: a write that is under way shows in one of them.
    for round in 0..2 {
        if open.is_empty() {
            break;
        }
        sleep(AGAIN).await;
        let mut still = Vec::new();
        for key in open {
            let (ours, theirs) = if round == 0 {
                let theirs = whole(&mut node.engine, &key, digests, budget).await?;
                (
                    whole(&mut master.engine, &key, digests, budget).await?,
                    theirs,
                )
            } else {
                let ours = whole(&mut master.engine, &key, digests, budget).await?;
                (ours, whole(&mut node.engine, &key, digests, budget).await?)
            };
            match (ours, theirs) {
                (ours, theirs) if ours == theirs => compared.equal += 1,
                // It is gone meanwhile: expired, evicted or deleted.
                (None, _) => {}
                (Some(_), theirs) if round == 1 => {
                    match theirs {
                        None => compared.missing += 1,
                        Some(_) => compared.different += 1,
                    }
                    if compared.names.len() < Comparison::NAMES {
                        compared
                            .names
                            .push(one_line(&String::from_utf8_lossy(&key)));
                    }
                }
                _ => still.push(key),
            }
        }
        open = still;
    }
    Ok(())
}

/// Digests of keys as DUMP gives them. The same bytes mean the same value; other bytes may still be the same value in
/// another order or encoding.
async fn dumps(
    engine: &mut Engine,
    keys: &[Vec<u8>],
    digests: &RandomState,
    budget: Duration,
) -> Result<Vec<Digest>, Fault> {
    let commands: Vec<_> = keys.iter().map(|key| on_key(&["DUMP"], key)).collect();
    let replies = engine.call_all(&commands, budget).await?;
    replies
        .into_iter()
        .map(|reply| match reply {
            Reply::Value(Value::BulkString(bytes)) => Ok(Some(digest(digests, &bytes))),
            Reply::Value(_) => Ok(None),
            Reply::Error(text) => Err(refused("DUMP", &text)),
        })
        .collect()
}

/// A digest of one value, free of the order in which a server happens to keep sets and hashes.
async fn whole(
    engine: &mut Engine,
    key: &[u8],
    digests: &RandomState,
    budget: Duration,
) -> Result<Digest, Fault> {
    let kind = engine.call_all(&[on_key(&["TYPE"], key)], budget).await?;
    let kind = match kind.into_iter().next() {
        Some(Reply::Value(Value::SimpleString(kind))) => kind,
        Some(Reply::Value(Value::BulkString(kind))) => String::from_utf8_lossy(&kind).into_owned(),
        _ => String::new(),
    };
    let (command, step, ordered): (Vec<Vec<u8>>, usize, bool) = match kind.as_str() {
        "none" => return Ok(None),
        "list" => (on_key_with(&["LRANGE"], key, &["0", "-1"]), 1, true),
        "zset" => (
            on_key_with(&["ZRANGE"], key, &["0", "-1", "WITHSCORES"]),
            2,
            true,
        ),
        "set" => (on_key(&["SMEMBERS"], key), 1, false),
        "hash" => (on_key(&["HGETALL"], key), 2, false),
        _ => (on_key(&["DUMP"], key), 1, true),
    };
    let name = command
        .first()
        .map(|word| String::from_utf8_lossy(word).into_owned());
    let reply = engine
        .call_all(&[command], budget)
        .await?
        .into_iter()
        .next();
    match reply {
        Some(Reply::Value(Value::Array(items) | Value::Set(items))) => {
            Ok(Some(of_items(digests, &kind, &items, step, ordered)))
        }
        Some(Reply::Value(Value::BulkString(bytes))) => Ok(Some(digest(digests, &bytes))),
        Some(Reply::Error(text)) => Err(refused(&name.unwrap_or_default(), &text)),
        _ => Ok(None),
    }
}

/// Of the elements of a collection, `step` values each; without an order they are added up, so that any order gives the
/// same.
fn of_items(
    digests: &RandomState,
    kind: &str,
    items: &[Value],
    step: usize,
    ordered: bool,
) -> u128 {
    let mut sum = digest(digests, kind.as_bytes());
    for (place, item) in items.chunks(step).enumerate() {
        let place = if ordered { place } else { 0 };
        // Debug of a value names its kind and length, so no two lists of values read alike.
        let one = digest(digests, format!("{place} {item:?}").as_bytes());
        sum = sum.wrapping_add(one);
    }
    sum
}

/// 128 bits of two differently salted hashes under a key that nobody else knows.
fn digest(digests: &RandomState, bytes: &[u8]) -> u128 {
    let high = digests.hash_one((0_u8, bytes));
    let low = digests.hash_one((1_u8, bytes));
    u128::from(high) << 64 | u128::from(low)
}

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn on_key(command: &[&str], key: &[u8]) -> Vec<Vec<u8>> {
    on_key_with(command, key, &[])
}

fn on_key_with(command: &[&str], key: &[u8], rest: &[&str]) -> Vec<Vec<u8>> {
    let mut all = words(command);
    all.push(key.to_vec());
    all.extend(words(rest));
    all
}

fn unread(command: &str) -> Fault {
    Fault::new(
        FaultKind::Protocol,
        format!("the answer to {command} cannot be understood"),
    )
}

fn refused(command: &str, text: &str) -> Fault {
    let code = text.split(' ').next().unwrap_or_default();
    // The text may name the key; its code does not.
    Fault::new(
        FaultKind::Refused,
        format!("{command} was refused: {}", one_line(code)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_free_of_the_order_of_sets_and_hashes_and_of_nothing_else() {
        let text = |s: &str| Value::BulkString(s.as_bytes().to_vec());
        let of = |kind: &str, items: &[&str], step, ordered| {
            let items: Vec<Value> = items.iter().map(|s| text(s)).collect();
            (kind.to_owned(), items, step, ordered)
        };
        let digests = RandomState::new();
        for (a, b, same) in [
            (
                of("set", &["a", "b"], 1, false),
                of("set", &["b", "a"], 1, false),
                true,
            ),
            (
                of("set", &["a", "b"], 1, false),
                of("set", &["a", "c"], 1, false),
                false,
            ),
            (
                of("hash", &["a", "1", "b", "2"], 2, false),
                of("hash", &["b", "2", "a", "1"], 2, false),
                true,
            ),
            (
                of("hash", &["a", "1", "b", "2"], 2, false),
                of("hash", &["a", "2", "b", "1"], 2, false),
                false,
            ),
            (
                of("list", &["a", "b"], 1, true),
                of("list", &["b", "a"], 1, true),
                false,
            ),
            (
                of("list", &["ab"], 1, true),
                of("list", &["a", "b"], 1, true),
                false,
            ),
            (
                of("set", &["a"], 1, false),
                of("list", &["a"], 1, true),
                false,
            ),
        ] {
            let made = |(kind, items, step, ordered): &(String, Vec<Value>, usize, bool)| {
                of_items(&digests, kind, items, *step, *ordered)
            };
            assert_eq!(made(&a) == made(&b), same, "{a:?} {b:?}");
        }
    }

    #[test]
    fn no_fault_carries_a_key() {
        let fault = refused("DUMP", "WRONGTYPE for customer:4711");
        assert_eq!(fault.message, "DUMP was refused: WRONGTYPE");
        assert_eq!(fault.detail, "");
    }
}
