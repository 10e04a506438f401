//! The nodes table: what the label says, what the engine says, and where the Service sends, side by side.

use super::topology;
use crate::domain::engine::{Question, Role};
use crate::domain::object::{Container, ContainerState, Pod};
use crate::domain::{FaultKind, InstanceView, Kind, NodeView, text};
use crate::screens::parts::{See, memory_words};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row, draw};

/// What is said of a node that acted as master when it was last heard, and does so no more.
const WAS_MASTER: &str = "was master";

/// The columns, from left to right. Names of pods do not change, so theirs is as wide as the longest.
pub(super) fn columns(view: &InstanceView<'_>) -> Vec<Column> {
    let names = view.nodes.iter().map(|n| draw::width(&n.id.pod));
    let name = u16::try_from(names.max().unwrap_or(0)).unwrap_or(u16::MAX);
    // The longest word, where it may be said.
    let silent = |node: &NodeView<'_>| !node.speaks() && node.engine_role().is_some();
    let engine = match view.nodes.iter().any(silent) {
        true => u16::try_from(WAS_MASTER.len()).unwrap_or(u16::MAX),
        false => 0,
    };
    let far = view.nodes.iter().any(has_far_rss);
    // A reason for not running is told whole where there is room.
    let pods = view.nodes.iter();
    let pods = pods.map(|node| draw::width(&pod_cell(&node.pod.value).text));
    vec![
        Column::new("node", "NODE")
            .width(8, 48)
            .holds(name)
            .firm(24)
            .cut_middle()
            .pinned(),
        Column::new("label", "LABEL").width(7, 7),
        Column::new("engine", "ENGINE").width(9, 10).holds(engine),
        Column::new("service", "SERVICE").width(7, 7),
        Column::new("pod", "POD")
            .width(9, 26)
            .holds(u16::try_from(pods.max().unwrap_or(0)).unwrap_or(u16::MAX))
            .priority(2),
        Column::new("link", "LINK").width(14, 26).fill().priority(1),
        // Journal records, the unit that the engine counts in.
        Column::figure("lag", "LAG rec", 7, 2),
        // What is used, held against `maxmemory`, and what is resident, which decides whether clients are taken.
        Column::figure("memory", "MEM USED", 13, 3),
        Column::figure("rss", "RSS", 8, if far { 2 } else { 6 }),
        Column::figure("ops", "OPS/S", 6, 4),
        Column::new("restarts", "RESTARTS")
            .width(8, 14)
            .right()
            .priority(5),
        Column::figure("age", "AGE", 6, 5),
        Column::new("offset", "OFFSET")
            .width(9, 14)
            .right()
            .priority(6),
        Column::figure("keys", "KEYS", 6, 7),
        Column::new("version", "VERSION").width(8, 12).priority(8),
        Column::new("machine", "MACHINE")
            .width(9, 48)
            .cut_middle()
            .priority(9),
    ]
}

/// The cells of a node, in the order of [`columns`].
pub(super) fn cells(see: &See<'_>, view: &InstanceView<'_>, node: &NodeView<'_>) -> Row {
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let pod = &node.pod.value;
    let engine = node.engine;
    let old = engine.is_some_and(|e| e.heard.is_some_and(|at| see.is_older(at, see.period())));
    // A figure that nobody vouches for any more is greyed.
    let figure = |text: Option<String>| match text {
        Some(text) if old || !node.speaks() => Piece::new(text, Tone::Stale),
        Some(text) => Piece::text(text),
        None => dash(),
    };
    let answer = |question, text: Option<String>| match text {
        Some(text) if node.engine_on(question).is_none() => Piece::new(text, Tone::Stale),
        text => figure(text),
    };
    let memory = engine.and_then(|e| {
        let memory = &e.memory.as_ref()?.value;
        let used = memory.used?;
        let percent = memory.max.filter(|max| *max > 0).and_then(|max| {
            // Rounded as the figures of the whole instance are.
            let percent = (u128::from(used) * 100 + u128::from(max) / 2) / u128::from(max);
            u64::try_from(percent).ok()
        });
        Some(memory_words(used, percent))
    });
    let rss = engine.and_then(|e| e.memory.as_ref()?.value.rss);
    let offset = engine.and_then(|e| e.follower()?.offset);
    let age = pod.meta.created.map(|at| see.age_in(view.context, at));
    Row::new(vec![
        Piece::new(node.id.pod.to_string(), Tone::Strong),
        label(see, node),
        engine_cell(see, view, node),
        service(see, view, node),
        pod_cell(pod),
        link(see, view, node),
        lag(see, view, node),
        answer(Question::Memory, memory),
        match (
            answer(Question::Memory, rss.map(text::bytes)),
            has_far_rss(node),
        ) {
            (told, true) if told.tone != Tone::Stale => Piece::new(told.text, Tone::Degraded),
            (told, _) => told,
        },
        answer(
            Question::Stats,
            engine.and_then(|e| Some(text::count(e.stats.as_ref()?.value.ops?))),
        ),
        restarts(see, view, pod),
        age.map_or_else(dash, Piece::muted),
        answer(Question::Replication, offset.map(|n| n.to_string())),
        answer(
            Question::Keyspace,
            engine.and_then(|e| Some(text::count(e.keyspace.as_ref()?.value.keys))),
        ),
        figure(engine.and_then(|e| e.server.as_ref()?.value.version.clone())),
        pod.machine.clone().map_or_else(dash, Piece::muted),
    ])
    .stale(view.node_stale_since(node).is_some())
}

/// See [`is_far`].
fn has_far_rss(node: &NodeView<'_>) -> bool {
    let memory = node.engine.and_then(|engine| engine.memory.as_ref());
    let told = memory.and_then(|known| known.value.rss.zip(known.value.used));
    told.is_some_and(|(rss, used)| is_far(rss, used))
}

/// Whether resident memory is so far above what is used that it, and not what is used, decides whether clients are taken:
/// twice as much, and more than an engine that holds nothing takes.
fn is_far(rss: u64, used: u64) -> bool {
    const IDLE: u64 = 256 << 20;
    rss / 2 > used && rss - used > IDLE
}

/// Whether anything about a node is not as it should be.
pub(super) fn is_ill(see: &See<'_>, view: &InstanceView<'_>, node: &NodeView<'_>) -> bool {
    let engine = node.engine_role().map(|k| k.value);
    let unlinked = engine == Some(Role::Replica)
        && topology::link(view, node).is_none_or(|link| link.tone != Tone::Healthy);
    let lagging = topology::link(view, node)
        .and_then(|link| link.lag)
        .is_some_and(|lag| lag > see.limits.lag);
    !node.speaks()
        || engine != node.label_role()
        || node.is_endpoint != (engine == Some(Role::Master))
        || !node.pod.value.is_ready()
        || unlinked
        || lagging
}

fn role_tone(role: Role) -> Tone {
    match role {
        Role::Master => Tone::Master,
        Role::Replica => Tone::Replica,
    }
}

fn label(see: &See<'_>, node: &NodeView<'_>) -> Piece {
    let engine = node.engine_role().filter(|_| node.speaks());
    match node.label_role() {
        None => Piece::new(see.sign(Glyph::Dash), Tone::Unknown),
        Some(role) if engine.is_some_and(|k| k.value != role) => {
            Piece::new(role.word(), Tone::Broken)
        }
        Some(role) => Piece::new(role.word(), role_tone(role)),
    }
}

fn engine_cell(see: &See<'_>, view: &InstanceView<'_>, node: &NodeView<'_>) -> Piece {
    let Some(known) = node.engine_role() else {
        let silence = node.engine.and_then(|e| e.first_silence());
        let word = match silence {
            Some((_, fault, _)) if fault.kind == FaultKind::Forbidden => "not asked",
            Some(_) => "silent",
            None => "not asked",
        };
        return Piece::new(word, Tone::Unknown);
    };
    let role = known.value;
    if topology::was_master(see, view, node) {
        return Piece::new(WAS_MASTER, Tone::Stale);
    }
    if !node.speaks() || view.node_stale_since(node).is_some() {
        return Piece::new(
            format!("{}{}", role.word(), see.sign(Glyph::Unknown)),
            Tone::Stale,
        );
    }
    let tone = match node.label_role() {
        Some(label) if label != role => Tone::Broken,
        _ => role_tone(role),
    };
    Piece::new(role.word(), tone)
}

fn service(see: &See<'_>, view: &InstanceView<'_>, node: &NodeView<'_>) -> Piece {
    if view.stale_since(Kind::EndpointSlice).is_some() && node.is_endpoint {
        return Piece::new("sent", Tone::Stale);
    }
    let role = node.engine_role().filter(|_| node.speaks());
    let is_master = role.map(|k| k.value == Role::Master);
    match (node.is_endpoint, is_master) {
        (true, Some(true)) => Piece::new("sends", Tone::Healthy),
        (true, Some(false)) => Piece::new("sends", Tone::Broken),
        (true, None) => Piece::new("sends", Tone::Unknown),
        // Endpoints that were never listed say nothing of it.
        (false, _) if !view.endpoints_known() => {
            Piece::new(see.sign(Glyph::Unknown), Tone::Unknown)
        }
        (false, Some(true)) => Piece::new("no", Tone::Degraded),
        (false, _) => Piece::muted(see.sign(Glyph::Dash)),
    }
}

/// What the pod is doing, as far as it is not simply running.
fn pod_cell(pod: &Pod) -> Piece {
    if pod.meta.deleting.is_some() {
        return Piece::new("terminating", Tone::Syncing);
    }
    let waiting = pod.containers.iter().find_map(waiting_reason);
    if let Some(reason) = waiting {
        return Piece::new(reason, Tone::Broken);
    }
    match (pod.is_ready(), pod.phase.as_str()) {
        (true, _) => Piece::new("ready", Tone::Healthy),
        (false, "Running") => Piece::new("not ready", Tone::Degraded),
        (false, "") => Piece::new("unknown", Tone::Unknown),
        (false, "Pending") => Piece::new("pending", Tone::Syncing),
        (false, phase) => {
            let reason = if pod.reason.is_empty() {
                phase
            } else {
                &pod.reason
            };
            Piece::new(reason.to_lowercase(), Tone::Broken)
        }
    }
}

fn waiting_reason(container: &Container) -> Option<String> {
    match &container.state {
        ContainerState::Waiting { reason, .. }
            if !matches!(
                reason.as_str(),
                "" | "ContainerCreating" | "PodInitializing"
            ) =>
        {
            Some(reason.clone())
        }
        _ => None,
    }
}

fn link(see: &See<'_>, view: &InstanceView<'_>, node: &NodeView<'_>) -> Piece {
    if let Some(stands) = topology::container(node) {
        // Why stands beside it.
        return Piece::new("not running", stands.tone);
    }
    let silence = node.engine.and_then(|e| e.role_silence());
    if let Some((_, fault, _)) = silence.filter(|(_, f, _)| f.kind == FaultKind::Forbidden) {
        return Piece::new(format!("no right: {}", fault.message), Tone::Unknown);
    }
    if let Some((_, fault, since)) = silence {
        let heard = node.engine.and_then(|e| e.heard);
        let last = heard.map_or_else(
            || "never answered".to_owned(),
            |at| format!("as of {} ago", see.age(at)),
        );
        let text = format!("silent {}: {}, {last}", see.age(since), fault.message);
        return Piece::new(text, Tone::Unknown);
    }
    if let Some(takeover) = topology::takeover(see, view, node) {
        return Piece::new(takeover.words, takeover.tone);
    }
    let Some(link) = topology::link(view, node) else {
        return Piece::muted(see.sign(Glyph::Dash));
    };
    let text = match link.since {
        Some(since) => format!("{} {}", link.word, see.age(since)),
        None => link.word,
    };
    Piece::new(topology::then(view, text), link.tone)
}

fn lag(see: &See<'_>, view: &InstanceView<'_>, node: &NodeView<'_>) -> Piece {
    match topology::link(view, node).and_then(|link| link.lag) {
        Some(lag) if lag > see.limits.lag => Piece::new(text::count(lag), Tone::Degraded),
        Some(lag) => Piece::text(text::count(lag)),
        None => Piece::muted(see.sign(Glyph::Dash)),
    }
}

/// `2 OOMKilled`: how often, and how it last ended.
fn restarts(see: &See<'_>, view: &InstanceView<'_>, pod: &Pod) -> Piece {
    let count = pod.restarts();
    if count == 0 {
        return Piece::muted("0");
    }
    let end = pod.containers.iter().find_map(|c| c.last_end.as_ref());
    let text = match end.and_then(|end| end.at) {
        Some(at) => format!("{count}, {} ago", see.age_in(view.context, at)),
        None => count.to_string(),
    };
    let is_oom = end.is_some_and(|end| end.reason == "OOMKilled");
    Piece::new(text, if is_oom { Tone::Degraded } else { Tone::Text })
}
