//! Each link as its two ends tell it, side by side: a master that is frozen looks up in its replica's words, and a replica
//! that is frozen, or has stopped for good, is online or preparing in its master's. What an end does not tell, it does not
//! tell: the other's word is not taken for it.

use jiff::Timestamp;

use crate::domain::engine::{LinkPhase, LinkState, Question, ReplicaLine};
use crate::domain::world::{EngineRecord, Known};
use crate::domain::{FaultKind, InstanceView, NodeView, Role, figures, figures_under, text};
use crate::screens::instance::topology;
use crate::screens::parts::{Plain, Section, See};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// Columns of the table, for scrolling.
pub(super) const COLUMNS: usize = 9;

/// Seconds over which a rate is taken.
const LATELY: i64 = 30;

/// The pane.
pub(super) fn section<'a>(see: &'a See<'a>, view: &'a InstanceView<'a>) -> Section<'a> {
    let mut rows = Vec::new();
    for node in replicas(view) {
        let row = cells(see, view, node);
        let is_ill = ill(view, see.limits.lag).any(|other| other.id == node.id);
        if (see.ill_only && !is_ill) || !see.filter.shows(&Plain::of(&row)) {
            continue;
        }
        rows.push((node.id.pod.to_string(), row));
        if let Some(words) = progress(view, node) {
            let tree = see.sign(Glyph::LastBranch);
            let row = Row::new(vec![Piece::new(format!(" {tree} {words}"), Tone::Syncing)]);
            rows.push((format!("{} sync", node.id.pod), row.spanning()));
        }
    }
    let all = replicas(view).count();
    let names = replicas(view).map(|node| node.id.pod.chars().count()).max();
    let wide = u16::try_from(names.unwrap_or(0)).unwrap_or(u16::MAX);
    Section {
        right: vec![in_sync(see, view)],
        columns: columns(wide),
        empty: match (view.nodes.is_empty(), all) {
            (true, _) => "no pod".to_owned(),
            (_, 0) => "no node is a replica".to_owned(),
            _ => "nothing fits the filter".to_owned(),
        },
        ..Section::of("links", "Links, from both ends", rows)
    }
}

/// `1 of 2 in sync, 1 lagging`: the number that Fleet shows too.
fn in_sync(see: &See<'_>, view: &InstanceView<'_>) -> Piece {
    let figures = match see.board.instance(&view.id) {
        Some(judgement) => figures_under(view, judgement.master.clone()),
        None => figures(view),
    };
    let links = replicas(view).filter_map(|node| topology::link(view, node)?.lag);
    let lagging = links.filter(|lag| *lag > see.limits.lag).count();
    let mut words = format!("{} in sync", figures.sync_words());
    if lagging > 0 {
        words.push_str(&format!(", {lagging} lagging"));
    }
    Piece::new(
        words,
        match figures.in_sync {
            None => Tone::Unknown,
            Some(n) if n < figures.replicas || lagging > 0 => Tone::Degraded,
            Some(_) => Tone::Muted,
        },
    )
}

fn columns(names: u16) -> Vec<Column> {
    vec![
        Column::new("node", "REPLICA")
            .width(8, 40)
            .holds(names)
            .firm(16)
            .cut_middle()
            .pinned(),
        Column::new("link", "LINK").width(11, 26),
        Column::new("master", "MASTER SAYS").width(14, 34).firm(16),
        Column::new("replica", "REPLICA SAYS").width(14, 34).fill(),
        Column::new("lag", "LAG rec")
            .width(7, 8)
            .right()
            .priority(1),
        Column::new("io", "HEARD").width(5, 6).right().priority(2),
        Column::new("follows", "FOLLOWS")
            .width(9, 34)
            .cut_middle()
            .priority(3),
        Column::new("there", "MASTER AT")
            .width(11, 20)
            .right()
            .priority(4),
        Column::new("here", "REPLICA AT")
            .width(11, 20)
            .right()
            .priority(4),
    ]
}

/// Nodes that are, or should be, replicas: all that say so, and those that are labelled so; a node that has said nothing
/// unless it is labelled master.
pub(super) fn replicas<'v, 'a>(
    view: &'v InstanceView<'a>,
) -> impl Iterator<Item = &'v NodeView<'a>> {
    view.nodes.iter().filter(|node| {
        let label = node.label_role();
        match node.engine_role().map(|known| known.value) {
            Some(Role::Master) => label == Some(Role::Replica),
            Some(Role::Replica) => true,
            // Its label is all there is to go by.
            None => label != Some(Role::Master),
        }
    })
}

/// Replicas whose link is not well.
pub(super) fn ill<'v, 'a>(
    view: &'v InstanceView<'a>,
    lag: u64,
) -> impl Iterator<Item = &'v NodeView<'a>> {
    replicas(view).filter(move |node| verdict(view, node, lag).1 != Tone::Healthy)
}

/// Its role is not known because it may not be asked.
fn is_forbidden(engine: &EngineRecord) -> bool {
    let silence = engine.role_silence();
    silence.is_some_and(|(_, fault, _)| fault.kind == FaultKind::Forbidden)
}

/// Both ends taken together, in a word or a few; more than `lag` records behind is lagging.
fn verdict(view: &InstanceView<'_>, node: &NodeView<'_>, lag: u64) -> (String, Tone) {
    let told = |word: &str, tone| (word.to_owned(), tone);
    let Some(engine) = node.engine else {
        return told("not asked", Tone::Unknown);
    };
    if !node.speaks() {
        // Who may not ask hears nothing, which is not the engine's doing.
        return told(
            match is_forbidden(engine) {
                true => "not asked",
                false => "silent",
            },
            Tone::Unknown,
        );
    }
    match engine.upstream().map(|known| &known.value.phase) {
        Some(LinkPhase::Stopped) => return told("stopped", Tone::Broken),
        Some(LinkPhase::Retrying) => return told("retrying", Tone::Broken),
        _ => {}
    }
    match topology::link(view, node) {
        Some(link) if link.lag.is_some_and(|behind| behind > lag) => {
            told("lagging", Tone::Degraded)
        }
        Some(link) => (link.word, link.tone),
        None => told("calls itself master", Tone::Broken),
    }
}

fn cells(see: &See<'_>, view: &InstanceView<'_>, node: &NodeView<'_>) -> Row {
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let (word, tone) = match topology::takeover(see, view, node) {
        Some(takeover) => ("takes over".to_owned(), takeover.tone),
        None => verdict(view, node, see.limits.lag),
    };
    let sign = see.sign(match tone {
        Tone::Healthy => Glyph::Healthy,
        Tone::Syncing => Glyph::Syncing,
        Tone::Degraded => Glyph::Warning,
        Tone::Broken => Glyph::Broken,
        _ => Glyph::Unknown,
    });
    let other = other_end(view, node);
    let line = other.and_then(|master| view.line_for(master, node));
    let stands = |node: &NodeView<'_>| node.engine_on(Question::Replication).is_some();
    let lag = line
        .filter(|line| line.state == LinkState::Online)
        .filter(|_| other.is_some_and(stands))
        .and_then(|line| line.lag);
    let lag = match lag {
        Some(lag) if lag > see.limits.lag => Piece::new(text::count(lag), Tone::Degraded),
        Some(lag) => Piece::text(text::count(lag)),
        None => dash(),
    };
    let follower = node.engine.and_then(|engine| engine.follower());
    let is_told = stands(node);
    let figure = |text: String, holds: bool| match holds {
        true => Piece::text(text),
        false => Piece::new(text, Tone::Stale),
    };
    let io = follower
        .and_then(|f| f.last_io)
        .and_then(|s| i64::try_from(s).ok());
    let here = follower.and_then(|f| f.offset);
    let there = other.and_then(|master| {
        let offsets = &master.engine?.offsets.as_ref()?.value;
        (!offsets.shards.is_empty()).then(|| offsets.total())
    });
    let asked = other.and_then(|master| Some(master.engine?.offsets.as_ref()?.at));
    let there_stands = other.is_some_and(|m| m.engine_on(Question::Offsets).is_some());
    Row::new(vec![
        Piece::new(node.id.pod.to_string(), Tone::Strong),
        Piece::new(format!("{sign} {word}"), tone),
        match (other, follower) {
            (Some(master), _) => master_says(see, master, line),
            (None, Some(_)) => Piece::new("is none of ours", Tone::Unknown),
            (None, None) => Piece::new("no master is known", Tone::Unknown),
        },
        replica_says(see, node),
        lag,
        io.map_or_else(dash, |s| figure(text::age_of(s), is_told)),
        follows(view, node).map_or_else(dash, |(whom, tone)| Piece::new(whom, tone)),
        there.map_or_else(dash, |n| figure(as_of(see, n, asked), there_stands)),
        here.map_or_else(dash, |n| figure(n.to_string(), is_told)),
    ])
    .stale(view.node_stale_since(node).is_some())
}

/// The node at the other end: the one that it follows, else the one that would be its master.
fn other_end<'v, 'a>(view: &'v InstanceView<'a>, node: &NodeView<'a>) -> Option<&'v NodeView<'a>> {
    let follower = node.engine.and_then(|engine| engine.follower());
    match follower {
        Some(_) => topology::leader(view, node),
        None => view.engine_masters().find(|master| master.id != node.id),
    }
}

/// Whom it follows, and whether that is as it should be.
fn follows(view: &InstanceView<'_>, node: &NodeView<'_>) -> Option<(String, Tone)> {
    let follower = node.engine?.follower()?;
    if let Some(leader) = topology::leader(view, node) {
        let is_master = leader
            .engine_role()
            .is_some_and(|k| k.value == Role::Master);
        let tone = match is_master {
            true => Tone::Text,
            false => Tone::Degraded,
        };
        return Some((leader.id.pod.to_string(), tone));
    }
    let stranger = view.strangers().into_iter().find_map(|stranger| {
        let own = *stranger.node == *node.id.pod;
        match stranger.oddity {
            crate::domain::view::Oddity::Follows(pod, id) if own => Some(format!("{pod} of {id}")),
            _ => None,
        }
    });
    let whom = stranger.unwrap_or_else(|| format!("{}:{}", follower.host, follower.port));
    Some((whom, Tone::Broken))
}

/// `online 3m`; what it said last, where it does not answer any more.
fn master_says(see: &See<'_>, master: &NodeView<'_>, line: Option<&ReplicaLine>) -> Piece {
    let Some(engine) = master.engine else {
        return Piece::new("not asked", Tone::Unknown);
    };
    if !engine.stands(Question::Replication) {
        let since = engine
            .silent
            .get(&None)
            .or_else(|| engine.silent.get(&Some(Question::Replication)));
        let age = since.map_or(String::new(), |(_, since)| format!(" {}", see.age(*since)));
        let was = line.map_or(String::new(), |line| {
            format!(", said {}", line.state.word())
        });
        return Piece::new(format!("nothing{age}{was}"), Tone::Unknown);
    }
    let Some(line) = line else {
        return Piece::new("does not list it", Tone::Degraded);
    };
    let tone = match line.state {
        LinkState::Online => Tone::Healthy,
        LinkState::FullSync => Tone::Syncing,
        LinkState::Cancelled => Tone::Broken,
        _ => Tone::Degraded,
    };
    let since = engine.line_since.get(&line.ip).map(|(_, since)| *since);
    Piece::new(with_age(see, line.state.word(), since), tone)
}

/// `stable sync 1h02m`: its own account of the link, which alone tells stopped from retrying.
fn replica_says(see: &See<'_>, node: &NodeView<'_>) -> Piece {
    let Some(engine) = node.engine else {
        return Piece::new("not asked", Tone::Unknown);
    };
    if let Some((_, _, since)) = engine.role_silence() {
        let was = engine.follower().map_or("", |f| match f.link_up {
            true => ", said link up",
            false => ", said link down",
        });
        let word = match is_forbidden(engine) {
            true => "may not be asked".to_owned(),
            false => format!("nothing {}", see.age(since)),
        };
        return Piece::new(format!("{word}{was}"), Tone::Unknown);
    }
    if !engine.stands(Question::Replication) {
        let since = engine.silent.get(&Some(Question::Replication));
        let age = since.map_or(String::new(), |(_, at)| format!(" {}", see.age(*at)));
        return Piece::new(format!("nothing of its link{age}"), Tone::Unknown);
    }
    let Some(follower) = engine.follower() else {
        return match node.engine_role().map(|known| known.value) {
            Some(Role::Replica) => Piece::new("nothing of its link", Tone::Unknown),
            _ => Piece::new("that it is a master", Tone::Broken),
        };
    };
    let since = engine.unsynced_since;
    let phase: Option<Known<_>> = engine.upstream();
    match phase.map(|known| &known.value.phase) {
        Some(LinkPhase::Stopped) => {
            Piece::new(with_age(see, "stopped for good", since), Tone::Broken)
        }
        Some(LinkPhase::Retrying) => Piece::new(with_age(see, "retrying", since), Tone::Broken),
        _ if follower.syncing => Piece::new(with_age(see, "full sync", since), Tone::Syncing),
        _ if !follower.link_up => Piece::new(with_age(see, "link down", since), Tone::Broken),
        _ if follower.offset.is_none() => {
            Piece::new(with_age(see, "link up, no offset", since), Tone::Degraded)
        }
        Some(LinkPhase::StableSync) => Piece::new("stable sync", Tone::Healthy),
        _ => Piece::new("link up", Tone::Healthy),
    }
}

fn with_age(see: &See<'_>, word: &str, since: Option<Timestamp>) -> String {
    match since {
        Some(since) => format!("{word} {}", see.age(since)),
        None => word.to_owned(),
    }
}

/// `3304 (9s)`: a figure that moves, and how old it is, unless it is as young as those of every round. (The journal is asked
/// for more seldom than the rest.)
pub(super) fn as_of(see: &See<'_>, figure: u64, at: Option<Timestamp>) -> String {
    const YOUNG: i64 = 2;
    match at.filter(|at| see.is_older(*at, YOUNG)) {
        Some(at) => format!("{figure} ({})", see.age(at)),
        None => figure.to_string(),
    }
}

/// `71 % of the master's keys, 12.3k keys/s, about 1m20s left`: how far a full sync has come. A master goes on taking
/// writes meanwhile, so it is about right and no more.
pub(super) fn progress(view: &InstanceView<'_>, node: &NodeView<'_>) -> Option<String> {
    let engine = node.engine_on(Question::Replication)?;
    if !engine.follower()?.syncing {
        return None;
    }
    let has = engine.keyspace.as_ref()?.value.keys;
    let rate = engine.keys.climb(LATELY);
    let wants = other_end(view, node)
        .and_then(|master| Some(master.engine?.keyspace.as_ref()?.value.keys))
        .filter(|keys| *keys > 0);
    let mut words = match wants {
        Some(wants) => {
            let percent = u128::from(has.min(wants)) * 100 / u128::from(wants);
            format!(
                "{percent} % of the master's keys ({} of {})",
                text::count(has),
                text::count(wants)
            )
        }
        None => format!("{} so far", text::counted(has, "key", "keys")),
    };
    if let Some(rate) = rate {
        let whole = rate.max(0.0).round() as u64;
        words.push_str(&format!(", {} keys/s", text::count(whole)));
        let left = wants
            .map(|wants| wants.saturating_sub(has))
            .filter(|n| *n > 0);
        if let Some(left) = left.filter(|_| rate >= 1.0) {
            let seconds = (left as f64 / rate).round() as i64;
            words.push_str(&format!(", about {} left", text::age_of(seconds)));
        }
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::engine::{ClientList, Keyspace, Probe, Upstream};
    use crate::domain::fixture::*;

    /// The verdict on the last node's link, with its tone.
    fn told(f: &Fixture) -> (String, Tone) {
        let view = f.world.instance(&f.id).unwrap();
        verdict(&view, view.nodes.last().unwrap(), 10_000)
    }

    #[test]
    fn a_link_is_judged_by_both_ends() {
        let with = |phase: Option<LinkPhase>, replica: NodeSpec| {
            let mut f = instance("orders").node(master()).node(replica).build();
            if let Some(phase) = phase {
                let list = ClientList {
                    upstream: Some(Upstream {
                        addr: "10.0.0.1:9999".to_owned(),
                        phase,
                        age: Some(40),
                        idle: Some(1),
                    }),
                    ..ClientList::default()
                };
                f.answers("orders-1", Probe::ClientList(list), ago(1));
            }
            told(&f)
        };
        for (phase, node, wanted) in [
            (
                Some(LinkPhase::StableSync),
                replica(),
                ("online", Tone::Healthy),
            ),
            (None, replica(), ("online", Tone::Healthy)),
            (
                Some(LinkPhase::Stopped),
                replica().cut_off(50),
                ("stopped", Tone::Broken),
            ),
            (
                Some(LinkPhase::Retrying),
                replica().cut_off(50),
                ("retrying", Tone::Broken),
            ),
            (None, replica().cut_off(50), ("link down", Tone::Broken)),
            (
                None,
                replica().heard(12).falls_silent(None, 9),
                ("silent", Tone::Unknown),
            ),
            (None, replica().unasked(), ("not asked", Tone::Unknown)),
            (
                None,
                replica().unreachable(FaultKind::Forbidden, "may not port-forward"),
                ("not asked", Tone::Unknown),
            ),
            (None, replica().lagging(10_001), ("lagging", Tone::Degraded)),
            (
                None,
                replica().engine_master(),
                ("calls itself master", Tone::Broken),
            ),
        ] {
            let (word, tone) = with(phase, node);
            assert_eq!((word.as_str(), tone), wanted);
        }
        // The master does not answer: the replica's word alone makes no link.
        let frozen = master().heard(12).falls_silent(None, 9);
        let f = instance("orders").node(frozen).node(replica()).build();
        assert_eq!(
            told(&f),
            ("not told by the master".to_owned(), Tone::Unknown)
        );
    }

    #[test]
    fn a_full_sync_tells_how_far_how_fast_and_how_long_yet() {
        let mut f = instance("orders")
            .node(master())
            .node(replica().full_sync(184, 500).heard(21))
            .build();
        let of = |f: &Fixture| {
            let view = f.world.instance(&f.id).unwrap();
            progress(&view, view.nodes.last().unwrap())
        };
        assert_eq!(of(&f).unwrap(), "50 % of the master's keys (500 of 1,000)");
        let keys = |keys| {
            Probe::Keyspace(Keyspace {
                keys,
                ..Keyspace::default()
            })
        };
        f.answers("orders-1", keys(700), ago(1));
        assert_eq!(
            of(&f).unwrap(),
            "70 % of the master's keys (700 of 1,000), 10 keys/s, about 30s left"
        );
        let f = healthy().build();
        assert_eq!(of(&f), None);
    }
}
