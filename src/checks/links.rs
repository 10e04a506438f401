//! How a replica's half of the replication link stands, told once for all checks that speak of links.
//!
//! `ROLE` says `connecting` of a replica that retries and of one that has stopped for good; `INFO` says `down` of both.
//! What tells them apart is the replica's own CLIENT LIST (`repl-phase`, measured on v1.39.0 and v1.40.1), else what its
//! master lists: `state=preparation,lag=0` for ever.

use jiff::Timestamp;

use super::case::later;
use super::leader::{Leader, leader};
use super::replica_syncing::{cut_off_at, line};
use super::words::list;
use super::{Answer, Case, Check, Finding, Instance, Node, Severity, Since, Situation};
use crate::domain::engine::{Follower, LinkPhase, LinkState, Question, Role, RoleReply};
use crate::domain::view::Oddity;
use crate::domain::{InstanceId, Version};

/// From this version on a replica tells its offset while its link is down, so that having none means something.
const TELLS_OFFSET: Version = Version(1, 37, 0);

/// What is wrong with a replica's link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It follows the pod of that name, of another instance.
    Stray(String, InstanceId),
    /// It holds a part of a data set: its full sync was cut off.
    HalfWay,
    /// It has stopped for good: only REPLICAOF makes it replicate again.
    Stopped,
    /// It follows something that is not the master.
    Elsewhere,
    /// Its link is down and it tries again and again.
    Retrying,
    /// Its link is down; whether it still tries is not told.
    CutOff,
    /// Its master, which answers, does not list it.
    Unlisted,
    /// Its master has cancelled its replication.
    Cancelled,
}

/// A replica with the trouble of its link.
pub(super) struct Broken<'i, 'a> {
    pub node: &'i Node<'a>,
    pub trouble: Trouble,
    pub sentence: String,
}

/// How long a working operator may take until it looks at a replica that has stopped, seconds: it looks when a pod changes,
/// and makes a replica of a master that restarted follow anew within these.
const FIRST_LOOK: i64 = 12;

/// Until when a working operator may have had no look yet at a replica that has stopped; `None` where none is at work, or
/// it has had time.
pub(super) fn first_look_until(case: &Case<'_>, node: &Node<'_>) -> Option<Timestamp> {
    let works = matches!(
        leader(case.context, case.limits, case.now),
        Leader::Fresh(..)
    );
    let since = node.view.engine?.unsynced_since?;
    works.then(|| case.still(since, FIRST_LOOK)).flatten()
}

/// What is wrong with the links of an instance's replicas, how many replicas there are, and when to look again.
pub(super) struct Links<'i, 'a> {
    pub broken: Vec<Broken<'i, 'a>>,
    pub replicas: usize,
    pub again: Option<Timestamp>,
}

/// Judges every link. A role change on its way is given time.
pub(super) fn links<'i, 'a>(case: &Case<'a>, instance: &'i Instance<'a>) -> Links<'i, 'a> {
    let mut links = Links {
        broken: Vec::new(),
        replicas: 0,
        again: None,
    };
    for node in &instance.nodes {
        if !node.says(Role::Replica) || node.is_going() {
            continue;
        }
        let Some(follower) = node.follower() else {
            continue;
        };
        links.replicas += 1;
        let settling = [Some(node), instance.master()]
            .into_iter()
            .flatten()
            .filter_map(|n| case.unsettled_until(n))
            .max();
        if settling.is_some() {
            links.again = links.again.max(settling);
            continue;
        }
        match judge(case, instance, node, follower) {
            Some((trouble, sentence)) => links.broken.push(Broken {
                node,
                trouble,
                sentence,
            }),
            None => {
                let until = cut_off_at(case, instance, node).filter(|at| *at > case.now);
                links.again = links.again.max(until);
            }
        }
    }
    links
}

fn judge(
    case: &Case<'_>,
    instance: &Instance<'_>,
    node: &Node<'_>,
    f: &Follower,
) -> Option<(Trouble, String)> {
    let name = node.name();
    if let Some((pod, id)) = stray(instance, node) {
        // Whom its own master lists as online is not this process: `foreign-node` speaks of it.
        if is_foreign(instance, node) {
            return None;
        }
        let sentence = format!("{name} follows {pod}, a pod of {id}");
        return Some((Trouble::Stray(pod, id), sentence));
    }
    if f.syncing {
        return None;
    }
    let master = instance.master();
    let cut_off = cut_off_at(case, instance, node).is_some_and(|at| at <= case.now);
    let phase = phase(node);
    let whom = || whom(instance, node, &f.host);
    if cut_off && holds_half(node, f) {
        let sentence = format!(
            "{name} holds a part of a data set: its full sync from {} was cut off",
            whom()
        );
        return Some((Trouble::HalfWay, sentence));
    }
    if instance.masters().is_empty() {
        // Without a master every link is down; that is told elsewhere.
        return None;
    }
    let its_master = master.map_or_else(whom, |m| m.name().to_owned());
    if !f.link_up && phase == Some(&LinkPhase::Stopped) {
        let sentence = match replaced(master, node) {
            true => format!(
                "{name} has stopped replicating until it is told again whom to follow: its master {its_master} is not the one that it followed"
            ),
            false => format!(
                "{name} has stopped replicating {its_master} until it is told again whom to follow"
            ),
        };
        return Some((Trouble::Stopped, sentence));
    }
    if let Some(master) = master
        && let Some(ip) = master.view.ip()
        && f.host != ip
    {
        // What it said before it could have been told of this master is not held against it.
        let turned = [
            master.view.engine.and_then(|e| e.role_changed),
            master.view.relabelled,
        ];
        let asked = node.replication.as_ref().map(|known| known.at);
        let told = turned.into_iter().flatten().max();
        if asked < told.map(|at| later(at, case.limits.settling)) {
            return None;
        }
        let sentence = format!(
            "{name} follows {}, but the master is {}",
            whom(),
            master.name()
        );
        return Some((Trouble::Elsewhere, sentence));
    }
    let listed = line(instance, node).map(|(_, line)| &line.state);
    if cut_off {
        let for_good = phase != Some(&LinkPhase::Retrying)
            && (listed == Some(&LinkState::Preparation) || !f.link_up && replaced(master, node));
        return Some(match (for_good, phase) {
            (true, _) => (
                Trouble::Stopped,
                format!(
                    "{name} has stopped replicating until it is told again whom to follow: its master {its_master} is not the one that it followed"
                ),
            ),
            (false, Some(LinkPhase::Retrying)) => (
                Trouble::Retrying,
                format!("{name} does not reach its master {its_master} and tries again and again"),
            ),
            (false, _) => (
                Trouble::CutOff,
                match master {
                    Some(_) => format!("{name} is cut off from its master {its_master}"),
                    None => format!("{name} is cut off from {its_master}"),
                },
            ),
        });
    }
    if !f.link_up {
        return None;
    }
    let master = master?;
    master.replication.as_ref()?;
    match listed {
        None => Some((
            Trouble::Unlisted,
            format!("{} does not list {name} among its replicas", master.name()),
        )),
        Some(LinkState::Cancelled) => Some((
            Trouble::Cancelled,
            format!("{} has cancelled the replication of {name}", master.name()),
        )),
        Some(_) => None,
    }
}

/// The pod of another instance that it follows.
fn stray(instance: &Instance<'_>, node: &Node<'_>) -> Option<(String, InstanceId)> {
    // Of nearly every replica the master is one of its own instance.
    let host = &node.follower()?.host;
    if instance.node_at(host).is_some() {
        return None;
    }
    let strangers = instance.view.strangers();
    strangers.into_iter().find_map(|one| match one.oddity {
        Oddity::Follows(pod, id) if *one.node == *node.name() => Some((pod, id)),
        _ => None,
    })
}

/// Its own master lists its address as online, though it says that it follows somebody else: whoever answered is another
/// process.
pub(super) fn is_foreign(instance: &Instance<'_>, node: &Node<'_>) -> bool {
    stray(instance, node).is_some()
        && node.view.ip().is_some_and(|ip| {
            line(instance, node)
                .is_some_and(|(_, line)| line.ip == ip && line.state == LinkState::Online)
        })
}

/// It follows a pod of another instance, whatever it does there: other checks speak of that.
pub(super) fn is_elsewhere(instance: &Instance<'_>, node: &Node<'_>) -> bool {
    stray(instance, node).is_some()
}

/// What its own CLIENT LIST says of its link, if it was asked since the link went down.
pub(super) fn phase<'a>(node: &Node<'a>) -> Option<&'a LinkPhase> {
    let engine = node.view.engine?;
    let upstream = engine.upstream()?;
    let since = engine.unsynced_since?;
    (upstream.at >= since).then_some(&upstream.value.phase)
}

/// Its full sync was cut off before it ended: no link, no sync and no offset, of a server that tells one in that state.
fn holds_half(node: &Node<'_>, f: &Follower) -> bool {
    let Some(engine) = node.view.engine else {
        return false;
    };
    let tells = engine
        .server
        .as_ref()
        .and_then(|server| Version::parse(server.value.version.as_deref()?))
        .is_none_or(|version| version >= TELLS_OFFSET);
    let is_empty = engine
        .keyspace
        .as_ref()
        .is_some_and(|keyspace| keyspace.value.keys == 0);
    f.is_half_way() && tells && !is_empty
}

/// The master's data set is not the one that the replica followed.
fn replaced(master: Option<&Node<'_>>, node: &Node<'_>) -> bool {
    master.is_some_and(|m| {
        m.replid().is_some() && node.replid().is_some() && m.replid() != node.replid()
    })
}

fn whom(instance: &Instance<'_>, node: &Node<'_>, host: &str) -> String {
    instance
        .node_at(host)
        .filter(|other| other.name() != node.name())
        // An address that none of the instance's other pods has, such as that of a pod that is gone.
        .map_or_else(
            || format!("{host} (none of its pods)"),
            |n| n.name().to_owned(),
        )
}

/// It has stopped: it does not connect again by itself, whatever its offset looks like.
pub(super) fn has_stopped(node: &Node<'_>) -> bool {
    node.follower().is_some_and(|link| !link.link_up) && phase(node) == Some(&LinkPhase::Stopped)
}

/// One finding about all replicas that are in such trouble.
pub(super) fn finding(
    case: &Case<'_>,
    instance: &Instance<'_>,
    check: &Check,
    situation: &'static Situation,
    severity: Severity,
    broken: &[&Broken<'_, '_>],
) -> Finding {
    let told: Vec<&str> = broken.iter().map(|b| b.sentence.as_str()).collect();
    let since = broken
        .iter()
        .filter_map(|b| b.node.view.engine.and_then(|e| e.unsynced_since))
        .min()
        .unwrap_or(case.now);
    let mut finding = case
        .finding(check, situation, severity, list(&told))
        .about(broken.iter().map(|b| b.node.name()))
        .since(Since::Seen(since));
    for one in broken {
        for (text, source, at) in evidence(instance, one.node) {
            finding = finding.resting_on(text, source, at);
        }
    }
    finding
}

/// What both ends of a link say of it.
pub(super) fn evidence(
    instance: &Instance<'_>,
    node: &Node<'_>,
) -> Vec<(String, String, Timestamp)> {
    let mut facts = Vec::new();
    let name = node.name();
    if let (Some(f), Some(replication)) = (node.follower(), &node.replication) {
        let text = format!(
            "master {}, link {}, sync in progress {}, last io {}, offset {}, replication id {}",
            f.host,
            if f.link_up { "up" } else { "down" },
            if f.syncing { "yes" } else { "no" },
            f.last_io
                .map_or("never".to_owned(), |s| format!("{s}s before")),
            f.offset.map_or("none".to_owned(), |o| o.to_string()),
            node.replid().unwrap_or("none")
        );
        let source = format!("INFO replication of {name}");
        facts.push((text, source, replication.at));
    }
    if let (None, Some(engine)) = (&node.replication, node.view.engine)
        && let Some(role) = &engine.role
        && let RoleReply::Replica { host, state, .. } = &role.value
    {
        let text = format!("master {host}, link {}", state.word());
        facts.push((text, format!("ROLE of {name}"), role.at));
    }
    if let Some(upstream) = node.view.engine.and_then(|e| e.upstream()) {
        let text = format!("its link to its master is {}", upstream.value.phase.word());
        let source = format!("{} of {name}", Question::ClientList.command());
        facts.push((text, source, upstream.at));
    }
    if let Some((master, line)) = line(instance, node)
        && let Some(replication) = &master.replication
    {
        let text = format!(
            "{} lists {name} as {}; its replication id is {}",
            master.name(),
            line.state.word(),
            master.replid().unwrap_or("none")
        );
        let source = format!("INFO replication of {}", master.name());
        facts.push((text, source, replication.at));
    }
    facts
}

/// The answer of a check that speaks of one sort of trouble.
pub(super) fn answer(
    case: &Case<'_>,
    check: &Check,
    situation: &'static Situation,
    severity: Severity,
    is: impl Fn(&Trouble) -> bool,
) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let links = links(case, instance);
    let broken: Vec<&Broken<'_, '_>> = links.broken.iter().filter(|b| is(&b.trouble)).collect();
    match (broken.as_slice(), links.replicas) {
        ([], 0) => Answer::NOT_APPLICABLE,
        ([], _) => Answer::PASS.again(links.again),
        (broken, _) => Answer::from(finding(case, instance, check, situation, severity, broken))
            .again(links.again),
    }
}
