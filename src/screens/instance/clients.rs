//! Who uses each node, by workload, and which of them are hurt by how that node is.

use crate::domain::consumers::{Consumers, Group, Whose};
use crate::domain::data_port::Found;
use crate::domain::engine::Question;
use crate::domain::{InstanceView, NodeView, Role, text};
use crate::screens::parts::See;
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row, draw};

/// The columns, from left to right.
pub(super) fn columns(view: &InstanceView<'_>) -> Vec<Column> {
    let names = view.nodes.iter().map(|n| draw::width(&n.id.pod)).max();
    let wide = u16::try_from(names.unwrap_or(0)).unwrap_or(u16::MAX);
    vec![
        Column::new("workload", "WORKLOAD")
            .width(14, 48)
            .firm(20)
            .cut_middle()
            .pinned(),
        Column::new("context", "CONTEXT")
            .width(7, 24)
            .cut_middle()
            .priority(2),
        Column::new("node", "NODE")
            .width(8, 32)
            .holds(wide)
            .firm(16)
            .cut_middle(),
        Column::figure("clients", "CLIENTS", 7, 0),
        Column::figure("blocked", "WAITING", 7, 3),
        Column::new("hurt", "AS A CLIENT").width(11, 34).firm(25),
        Column::figure("subscribed", "LISTEN", 6, 4),
        Column::figure("queued", "QUEUED", 8, 4),
        Column::figure("idle", "IDLE", 6, 5),
        Column::figure("oldest", "OLDEST", 6, 6),
        Column::figure("youngest", "NEWEST", 6, 7),
        Column::figure("pods", "PODS", 4, 5),
        Column::new("name", "CALLED").width(8, 28).priority(6),
        Column::new("library", "LIBRARY").width(8, 32).priority(7),
    ]
}

/// The name of a group, by which a selection is kept.
pub(super) fn name(group: &Group) -> String {
    let port = if group.admin { "admin" } else { "data" };
    format!("{} {} {port}", group.whose.words(), group.node)
}

/// The cells of a group, in the order of [`columns`].
pub(super) fn cells(see: &See<'_>, view: &InstanceView<'_>, group: &Group) -> Row {
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let count = |n: u64| match n {
        0 => dash(),
        n => Piece::text(text::count(n)),
    };
    let age = |seconds: Option<u64>| {
        let seconds = seconds.and_then(|s| i64::try_from(s).ok());
        seconds.map_or_else(dash, |s| Piece::muted(text::age_of(s)))
    };
    let several = |names: &std::collections::BTreeSet<String>| {
        let mut names = names.iter();
        let first = names.next().cloned();
        match (first, names.count()) {
            (None, _) => dash(),
            (Some(one), 0) => Piece::muted(one),
            (Some(one), more) => Piece::muted(format!("{one} and {more} more")),
        }
    };
    let node = view.nodes.iter().find(|node| node.id.pod == group.node);
    let stale = node.is_none_or(|node| node.engine_on(Question::ClientList).is_none());
    let (word, tone) = hurt(view, group);
    let tone_of_name = match group.whose {
        Whose::Workload(_) => Tone::Strong,
        Whose::Nobody(_) | Whose::Several(_) => Tone::Unknown,
        Whose::Machine(..) | Whose::Local => Tone::Muted,
    };
    Row::new(vec![
        Piece::new(group.whose.words(), tone_of_name),
        group
            .whose
            .context()
            .map_or_else(dash, |context| Piece::muted(context.to_string())),
        Piece::text(group.node.to_string()),
        count(group.clients),
        count(group.blocked),
        Piece::new(word, tone),
        count(group.subscribed),
        match group.queued_bytes {
            0 => dash(),
            bytes => Piece::text(text::bytes(bytes)),
        },
        age(group.idle),
        age(group.oldest),
        age(group.youngest),
        match group.addresses {
            0 => dash(),
            n => Piece::muted(n.to_string()),
        },
        several(&group.names),
        several(&group.libraries),
    ])
    .stale(stale)
}

/// What clients at a node meet, in a few words: fine, or how they are hurt.
pub(super) fn hurt(view: &InstanceView<'_>, group: &Group) -> (String, Tone) {
    if group.admin {
        return ("admin port".to_owned(), Tone::Muted);
    }
    let told = |word: &str, tone| (word.to_owned(), tone);
    let Some(node) = view.nodes.iter().find(|node| node.id.pod == group.node) else {
        return told("its pod is gone", Tone::Unknown);
    };
    let Some(engine) = node.engine else {
        return told("not asked", Tone::Unknown);
    };
    if !node.speaks() {
        return told("unknown: it is silent", Tone::Unknown);
    }
    let loads = engine
        .persistence
        .as_ref()
        .is_some_and(|known| known.value.loading);
    let tried = engine.data_port.as_ref().map(|known| &known.value.found);
    match tried {
        _ if loads => return told("gets -LOADING", Tone::Broken),
        Some(Found::Loading) => return told("gets -LOADING", Tone::Broken),
        Some(Found::ClosedAtOnce) => return told("new ones are refused", Tone::Broken),
        Some(Found::TimedOut) => return told("gets no answer", Tone::Broken),
        Some(Found::Refused(_)) => return told("is refused", Tone::Broken),
        _ => {}
    }
    let role = node.engine_role().map(|known| known.value);
    let masters = view.engine_masters().filter(|n| n.speaks()).count();
    match role {
        Some(Role::Replica) => told("reads only, on a replica", Tone::Degraded),
        Some(Role::Master) if masters > 1 && !sends_to(view, node) => {
            told("on the wrong master", Tone::Broken)
        }
        Some(Role::Master) if masters > 1 => told("on one of several masters", Tone::Broken),
        Some(Role::Master) if !sends_to(view, node) => {
            told("where no Service sends", Tone::Degraded)
        }
        Some(Role::Master) => told("served", Tone::Healthy),
        None => told("unknown", Tone::Unknown),
    }
}

/// The Service sends to it, as far as is known.
fn sends_to(view: &InstanceView<'_>, node: &NodeView<'_>) -> bool {
    node.is_endpoint || view.slices.is_empty()
}

/// What could not be read, and so whose clients cannot be named: a row each.
pub(super) fn notes(view: &InstanceView<'_>, made: &Consumers) -> Vec<(String, Row)> {
    let mut rows = Vec::new();
    let mut add = |text: String| {
        let row = Row::new(vec![Piece::new(text.clone(), Tone::Unknown)]).spanning();
        rows.push((text, row));
    };
    for node in &view.nodes {
        let silence = node.engine.and_then(|engine| {
            let silent = &engine.silent;
            let why = silent
                .get(&None)
                .or(silent.get(&Some(Question::ClientList)));
            let untold = engine.client_list.is_none();
            why.map(|(fault, _)| fault).filter(|_| untold)
        });
        if let Some(fault) = silence {
            let pod = &node.id.pod;
            add(format!("clients of {pod} are not known: {}", fault.message));
        }
    }
    let reading: Vec<&str> = made
        .unread
        .iter()
        .filter(|(_, why)| why.is_none())
        .map(|(context, _)| context.as_str())
        .collect();
    if !reading.is_empty() {
        add(format!("pods of {} are being read", reading.join(", ")));
    }
    for (context, why) in &made.unread {
        if let Some(why) = why {
            add(format!("pods of {context} are not known: {why}"));
        }
    }
    for context in &made.cut {
        add(format!(
            "not all pods of {context} are known: it has too many"
        ));
    }
    if made.others > 0 {
        let others = text::count(made.others);
        add(format!(
            "{others} more clients, in groups too many to be kept"
        ));
    }
    rows
}

/// What is said when there is none.
pub(super) fn empty(view: &InstanceView<'_>) -> String {
    let told = |node: &&NodeView<'_>| node.engine.is_some_and(|e| e.client_list.is_some());
    match view.nodes.iter().any(|node| told(&node)) {
        true => "no node has a client",
        false => "no node has told its clients yet",
    }
    .to_owned()
}

/// How many there are, for the heading.
pub(super) fn summary(view: &InstanceView<'_>, made: &Consumers) -> Vec<Piece> {
    if made.groups.is_empty() {
        return Vec::new();
    }
    let plural = |n: u64, one: &str| match n {
        1 => format!("1 {one}"),
        n => format!("{} {one}s", text::count(n)),
    };
    let workloads = u64::try_from(made.workloads()).unwrap_or(u64::MAX);
    let mut pieces = vec![Piece::muted(format!(
        "{} of {}",
        plural(made.clients(), "client"),
        plural(workloads, "workload")
    ))];
    let is_hurt = |tone: Tone| matches!(tone, Tone::Broken | Tone::Degraded);
    let hurt_ones = made.groups.iter().filter(|g| is_hurt(hurt(view, g).1));
    let hurt: u64 = hurt_ones.map(|group| group.clients).sum();
    if hurt > 0 {
        let text = format!(", {} not served as they should be", text::count(hurt));
        pieces.push(Piece::new(text, Tone::Degraded));
    }
    pieces
}
