//! Whose data each node holds, how far it is, what a client finds at it.

use super::links::as_of;
use crate::domain::data_port::{DataPort, Found};
use crate::domain::engine::Question;
use crate::domain::timeline::short;
use crate::domain::{InstanceView, NodeView, Role, text};
use crate::screens::instance::topology;
use crate::screens::parts::{Section, See};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// Shards whose offsets are written out.
const SHARDS: usize = 16;

/// The pane.
pub(super) fn section<'a>(see: &'a See<'a>, view: &'a InstanceView<'a>) -> Section<'a> {
    let rows = view
        .nodes
        .iter()
        .map(|node| (node.id.pod.to_string(), cells(see, view, node)))
        .collect();
    let names = view.nodes.iter().map(|node| node.id.pod.chars().count());
    let keys = view.nodes.iter().filter_map(|node| keys(view, node));
    let keys = keys.map(|keys| keys.chars().count());
    let wide = |most: Option<usize>| u16::try_from(most.unwrap_or(0)).unwrap_or(u16::MAX);
    Section {
        right: data_sets(view),
        columns: columns(wide(names.max()), wide(keys.max())),
        empty: "no pod".to_owned(),
        ..Section::of("nodes", "Nodes and data sets", rows)
    }
}

fn columns(names: u16, keys: u16) -> Vec<Column> {
    let figure = |id, title, wide, most, priority| {
        Column::new(id, title)
            .width(wide, most)
            .right()
            .priority(priority)
    };
    vec![
        Column::new("node", "NODE")
            .width(8, 40)
            .holds(names)
            .firm(16)
            .cut_middle()
            .pinned(),
        Column::new("role", "ROLE").width(7, 18),
        Column::new("data", "DATA SET").width(8, 26),
        figure("offset", "OFFSET", 11, 20, 1),
        figure("grows", "GROWS", 7, 8, 2),
        // A number in full is not cut.
        figure("keys", "KEYS", keys.max(6), 8, 1),
        // `wants a password`.
        Column::new("port", "DATA PORT").width(16, 30).priority(1),
        Column::new("since", "ROLE SINCE").width(10, 16).priority(4),
        Column::new("psync", "PSYNCS").width(6, 14).priority(5),
        Column::new("shards", "JOURNAL BY SHARD")
            .width(16, 80)
            .priority(6),
    ]
}

/// The keys of a node. Of one data set they differ only by the moments at which nodes were asked; of several, a difference
/// is told though it be small.
fn keys(view: &InstanceView<'_>, node: &NodeView<'_>) -> Option<String> {
    let of = |node: &NodeView<'_>| Some(node.engine?.keyspace.as_ref()?.value.keys);
    let own = of(node)?;
    Some(match sets(view) {
        0 | 1 => text::count(own),
        _ => text::count_among(own, view.nodes.iter().filter_map(of)),
    })
}

/// How many data sets the nodes hold, by what they told last.
fn sets(view: &InstanceView<'_>) -> usize {
    let told = view.nodes.iter().filter_map(replid);
    told.collect::<std::collections::BTreeSet<&str>>().len()
}

fn data_sets(view: &InstanceView<'_>) -> Vec<Piece> {
    match sets(view) {
        0 => Vec::new(),
        1 => vec![Piece::muted("one data set")],
        n => vec![Piece::new(format!("{n} data sets"), Tone::Broken)],
    }
}

/// The `master_replid` that a node told last.
fn replid<'a>(node: &NodeView<'a>) -> Option<&'a str> {
    node.engine?.replication.as_ref()?.value.replid.as_deref()
}

fn cells(see: &See<'_>, view: &InstanceView<'_>, node: &NodeView<'_>) -> Row {
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let engine = node.engine;
    let is_master = node.engine_role().map(|k| k.value) == Some(Role::Master);
    let figure = |question, text: Option<String>| match text {
        None => dash(),
        Some(text) if node.engine_on(question).is_some() => Piece::text(text),
        Some(text) => Piece::new(text, Tone::Stale),
    };
    let (asked, offset, series) = match (is_master, engine) {
        (_, None) => (Question::Replication, None, None),
        (true, Some(engine)) => {
            let total = engine.offsets.as_ref().map(|known| known.value.total());
            (Question::Offsets, total, Some(&engine.journal))
        }
        (false, Some(engine)) => {
            let offset = engine.follower().and_then(|f| f.offset);
            (Question::Replication, offset, Some(&engine.offset))
        }
    };
    let told = engine
        .filter(|_| is_master)
        .and_then(|engine| Some(engine.offsets.as_ref()?.at));
    let grows = series
        // From one answer to the next, as the chart beneath draws it.
        .and_then(|series| series.growth().last())
        .map(|(_, rate)| format!("{}/s", text::count(rate)));
    let psync = engine.and_then(|e| {
        let follower = e.follower()?;
        let done = follower.psync_successes?;
        // Servers up to v1.40 count successes, and tries not at all.
        Some(
            match follower.psync_attempts.filter(|tried| *tried >= done) {
                Some(tried) if tried > 0 => format!("{done} of {tried}"),
                _ => done.to_string(),
            },
        )
    });
    let shards = engine.and_then(|engine| {
        let shards = &engine.offsets.as_ref()?.value.shards;
        // A replica keeps no journal: it tells zeros.
        shards.iter().any(|n| *n > 0).then(|| {
            let told: Vec<String> = shards.iter().take(SHARDS).map(u64::to_string).collect();
            let more = match shards.len().saturating_sub(SHARDS) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            format!("{}: {}{more}", shards.len(), told.join(" "))
        })
    });
    Row::new(vec![
        Piece::new(node.id.pod.to_string(), Tone::Strong),
        role(see, view, node),
        data_set(see, view, node),
        figure(asked, offset.map(|n| as_of(see, n, told))),
        figure(asked, grows),
        figure(Question::Keyspace, keys(view, node)),
        engine.and_then(|e| e.data_port.as_ref()).map_or_else(
            || Piece::muted("not tried"),
            |known| {
                let (word, tone) = port(&known.value);
                match see.is_older(known.at, TRIED) {
                    true => Piece::new(format!("{word}, {} ago", see.age(known.at)), Tone::Stale),
                    false => Piece::new(word, tone),
                }
            },
        ),
        since(see, view, node).map_or_else(dash, Piece::muted),
        psync.map_or_else(dash, Piece::text),
        figure(Question::Offsets, shards),
    ])
    .stale(view.node_stale_since(node).is_some())
}

/// What the engine says, and what the label says where that is another thing.
fn role(see: &See<'_>, view: &InstanceView<'_>, node: &NodeView<'_>) -> Piece {
    let Some(known) = node.engine_role() else {
        return Piece::new("not told", Tone::Unknown);
    };
    let word = known.value.word();
    if topology::was_master(see, view, node) {
        return Piece::new("was master", Tone::Stale);
    }
    if !node.speaks() {
        return Piece::new(format!("{word}{}", see.sign(Glyph::Unknown)), Tone::Stale);
    }
    match node.label_role() {
        Some(label) if label != known.value => {
            Piece::new(format!("{word}, label {}", label.word()), Tone::Broken)
        }
        None => Piece::new(format!("{word}, no label"), Tone::Degraded),
        Some(_) => Piece::new(
            word,
            match known.value {
                Role::Master => Tone::Master,
                Role::Replica => Tone::Replica,
            },
        ),
    }
}

/// The first letters of its data set's id, and whether that is another one than that of the node it follows.
fn data_set(see: &See<'_>, view: &InstanceView<'_>, node: &NodeView<'_>) -> Piece {
    let Some(own) = replid(node) else {
        return Piece::muted(see.sign(Glyph::Dash));
    };
    if node.engine_on(Question::Replication).is_none() {
        return Piece::new(short(own), Tone::Stale);
    }
    let leader = topology::leader(view, node).and_then(replid);
    let speaking = view.engine_masters().filter(|n| n.speaks());
    let others = speaking.filter(|n| n.id != node.id).filter_map(replid);
    let is_master = node.engine_role().map(|k| k.value) == Some(Role::Master);
    match leader {
        Some(leader) if leader != own => {
            Piece::new(format!("{} not the master's", short(own)), Tone::Broken)
        }
        None if is_master && others.into_iter().any(|other| other != own) => {
            Piece::new(format!("{} its own", short(own)), Tone::Broken)
        }
        _ => Piece::text(short(own)),
    }
}

/// `since 12s, seen`.
fn since(see: &See<'_>, view: &InstanceView<'_>, node: &NodeView<'_>) -> Option<String> {
    let engine = node.engine?;
    if let Some(at) = engine.role_changed {
        return Some(format!("{}, seen", see.age(at)));
    }
    let role = engine.engine_role()?.value;
    let labelled = node.pod.value.role_since?;
    (node.label_role() == Some(role))
        .then(|| format!("{}, label", see.age_in(view.context, labelled)))
}

/// A try of the data port that is older than this, in seconds, tells its age: clients may fare otherwise by now.
const TRIED: i64 = 15;

/// What a client finds, in a few words.
fn port(tried: &DataPort) -> (String, Tone) {
    let (word, tone) = match &tried.found {
        Found::Usable => {
            let millis = tried.took.as_millis();
            return (format!("usable {millis} ms"), Tone::Healthy);
        }
        Found::Loading => ("-LOADING", Tone::Broken),
        Found::PasswordWanted => ("wants a password", Tone::Unknown),
        Found::WrongPassword => ("refuses our password", Tone::Degraded),
        Found::ClosedAtOnce => ("closes at once", Tone::Broken),
        Found::Refused(_) => ("refused", Tone::Broken),
        Found::TimedOut => ("no answer", Tone::Broken),
        Found::NoWay(_) => ("no way", Tone::Unknown),
    };
    (word.to_owned(), tone)
}
