//! The drawing: where the Service really sends traffic, which node acts as master, and how each replica hangs on it.

use jiff::Timestamp;

use crate::domain::engine::{LinkState, Question};
use crate::domain::object::{ContainerEnd, ContainerState};
use crate::domain::{FaultKind, InstanceView, Kind, Master, NodeView, Role, text};
use crate::screens::parts::{See, finding_tone};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Piece, draw};

/// Columns from which the Service stands beside the nodes instead of above them.
const WIDE: usize = 90;

/// Columns from which it is said what a global Service is.
const ROOMY: usize = 110;

/// How a replica hangs on its master.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::screens) struct LinkWords {
    /// `online`, `full sync`, `link down`.
    pub word: String,
    /// Its tone.
    pub tone: Tone,
    /// Nothing flows.
    pub is_cut: bool,
    /// Journal records behind, by the master's word; only meaningful online.
    pub lag: Option<u64>,
    /// Since when it is not in stable sync, as far as we have seen.
    pub since: Option<Timestamp>,
}

/// How a replica hangs on the node that it follows, by the word of both ends; `None` when it does not say that it is a
/// replica.
pub(in crate::screens) fn link(view: &InstanceView<'_>, node: &NodeView<'_>) -> Option<LinkWords> {
    let engine = node.engine?;
    let Some(follower) = engine.follower() else {
        // It says that it is a replica, and nothing yet of its link.
        let is_replica = engine.engine_role()?.value == Role::Replica;
        return is_replica.then(|| LinkWords {
            word: "link not told".to_owned(),
            tone: Tone::Unknown,
            is_cut: true,
            lag: None,
            since: None,
        });
    };
    let mut masters = view.engine_masters();
    let line = masters
        .clone()
        .filter(|master| master.engine_on(Question::Replication).is_some())
        .find_map(|master| view.line_for(master, node));
    let since = engine.unsynced_since;
    let of = |word: &str, tone, is_cut| LinkWords {
        word: word.to_owned(),
        tone,
        is_cut,
        lag: None,
        since,
    };
    if !engine.stands(Question::Replication) {
        // What it said last may have been true then.
        return Some(of("link not told", Tone::Unknown, true));
    }
    if !follower.link_up {
        return Some(of("link down", Tone::Broken, true));
    }
    let Some(leader) = leader(view, node) else {
        let host = &follower.host;
        return Some(of(&format!("follows {host}"), Tone::Degraded, true));
    };
    Some(match line {
        None if leader.engine_on(Question::Replication).is_none()
            || leader.engine_role().is_none() =>
        {
            of("not told by the master", Tone::Unknown, true)
        }
        None if masters.any(|master| master.engine_on(Question::Replication).is_none()) => {
            of("not told by the master", Tone::Unknown, true)
        }
        None => of("not listed by the master", Tone::Degraded, true),
        Some(line) => match &line.state {
            LinkState::Online if follower.syncing => of("syncing", Tone::Syncing, false),
            LinkState::Online => LinkWords {
                lag: line.lag,
                since: None,
                ..of("online", Tone::Healthy, false)
            },
            LinkState::FullSync => of("full sync", Tone::Syncing, false),
            LinkState::Cancelled => of("cancelled", Tone::Broken, true),
            state => of(state.word(), Tone::Degraded, false),
        },
    })
}

/// What the target of a takeover does, as it was judged: while it takes over it tells nothing of its link.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::screens) struct Takeover {
    /// `takes over from orders-0`.
    pub words: String,
    /// That of the finding: a takeover that hangs is worse than one.
    pub tone: Tone,
    /// Since when INFO replication is not answered.
    pub since: Option<Timestamp>,
}

/// Whether a node is the target of a takeover, by the judgement.
pub(in crate::screens) fn takeover(
    see: &See<'_>,
    view: &InstanceView<'_>,
    node: &NodeView<'_>,
) -> Option<Takeover> {
    let engine = node.engine?;
    if engine.engine_role()?.value != Role::Replica || engine.stands(Question::Replication) {
        return None;
    }
    let own = |name: &String| *name == *node.id.pod;
    let judged = see.board.instance(&view.id)?;
    let finding = judged
        .findings
        .iter()
        .find(|found| found.check == "takeover" && found.about.iter().any(own))?;
    let from = finding.about.iter().find(|name| !own(name));
    let since = engine.silent.get(&Some(Question::Replication));
    Some(Takeover {
        words: match from {
            Some(old) => format!("takes over from {old}"),
            None => "takes over".to_owned(),
        },
        tone: finding_tone(finding),
        since: since.map(|(_, since)| *since),
    })
}

/// The node that a replica follows, if it is one of the instance's.
pub(in crate::screens) fn leader<'v, 'a>(
    view: &'v InstanceView<'a>,
    node: &NodeView<'_>,
) -> Option<&'v NodeView<'a>> {
    let host = &node.engine?.follower()?.host;
    view.nodes.iter().find(|other| other.ip() == Some(host))
}

/// The drawing, as lines for that many columns.
pub(super) fn lines(see: &See<'_>, view: &InstanceView<'_>, columns: usize) -> Vec<Vec<Piece>> {
    let arrow = format!(
        " {}{}{} ",
        see.sign(Glyph::Horizontal),
        see.sign(Glyph::Horizontal),
        see.sign(Glyph::Right)
    );
    let endpoints = view.endpoints();
    let service = service_words(see, view, columns);
    let lead = draw::line_width(&service) + draw::width(&arrow);
    let roots: Vec<&NodeView<'_>> = view.engine_masters().collect();
    let is_wide = columns >= WIDE && lead <= columns / 2;
    let names = view.nodes.iter().map(|n| draw::width(&n.id.pod)).max();
    let names = names.unwrap_or(0);
    let mut lines: Vec<Vec<Piece>> = Vec::new();
    let hits: Vec<&&NodeView<'_>> = roots.iter().filter(|n| n.is_endpoint).collect();
    // Everything that the Service sends to and that is not a master is worth a line of its own.
    let astray: Vec<&String> = endpoints
        .iter()
        .filter(|name| !roots.iter().any(|n| *n.id.pod == ***name))
        .collect();
    if !is_wide || hits.is_empty() || !astray.is_empty() {
        let mut first = service.clone();
        first.push(Piece::muted(arrow.clone()));
        match endpoints.as_slice() {
            [] => first.push(Piece::new(no_endpoint(view), Tone::Broken)),
            names => {
                let tone = if astray.is_empty() {
                    Tone::Text
                } else {
                    Tone::Broken
                };
                first.push(Piece::new(names.join(", "), tone));
            }
        }
        if let [one] = astray.as_slice() {
            let what = view.nodes.iter().find(|n| *n.id.pod == ***one);
            first.push(Piece::new(astray_words(what), Tone::Broken));
        }
        lines.push(first);
    }
    let beside = is_wide && !hits.is_empty() && astray.is_empty();
    let indent = if beside { lead } else { 1 };
    let mut is_first = true;
    for root in &roots {
        let mut line = Vec::new();
        if beside && root.is_endpoint {
            if is_first {
                line.extend(service.iter().cloned());
                line.push(Piece::muted(arrow.clone()));
            } else {
                let blank = " ".repeat(lead.saturating_sub(draw::width(&arrow)));
                line.push(Piece::muted(format!("{blank}{arrow}")));
            }
            is_first = false;
        } else {
            line.push(Piece::text(" ".repeat(indent)));
        }
        line.extend(master_words(see, view, root));
        lines.push(line);
        let replicas: Vec<&NodeView<'_>> = view
            .nodes
            .iter()
            .filter(|n| leader(view, n).is_some_and(|l| l.id == root.id))
            .collect();
        for (i, replica) in replicas.iter().enumerate() {
            let is_last = i + 1 == replicas.len();
            lines.push(replica_line(see, view, replica, indent, is_last, names));
        }
    }
    for node in &view.nodes {
        let is_root = roots.iter().any(|root| root.id == node.id);
        let hangs = leader(view, node).is_some_and(|l| roots.iter().any(|root| root.id == l.id));
        if !is_root && !hangs {
            lines.push(loose_line(see, view, node, indent, names));
        }
    }
    if view.nodes.is_empty() {
        lines.push(vec![Piece::new(" no pod", Tone::Broken)]);
    }
    if view.stale_since(Kind::Pod).is_some() {
        for piece in lines.iter_mut().flatten() {
            piece.tone = Tone::Stale;
        }
    }
    lines
}

/// A word about how something stands, as it is said of what is not followed any more: `was online`.
pub(super) fn then(view: &InstanceView<'_>, word: String) -> String {
    match view.stale_since(Kind::Pod) {
        Some(_) => format!("was {word}"),
        None => word,
    }
}

/// Whether a node that does not answer last called itself master, and is judged to be that no more.
pub(in crate::screens) fn was_master(
    see: &See<'_>,
    view: &InstanceView<'_>,
    node: &NodeView<'_>,
) -> bool {
    let called = node.engine_role().map(|known| known.value) == Some(Role::Master);
    let is_named = |name: &str| name == &*node.id.pod;
    let heard = node.engine.and_then(|engine| engine.heard);
    let is_quiet = !node.speaks() || heard.is_some_and(|at| see.is_older(at, see.period()));
    called
        && is_quiet
        && match see.board.instance(&view.id).map(|judged| &judged.master) {
            Some(Master::None) => true,
            Some(Master::One(name) | Master::Labelled(name)) => !is_named(name),
            Some(Master::Contested(names)) => !names.iter().any(|name| is_named(name)),
            Some(Master::Unknown) | None => false,
        }
}

/// The drawing with a second line for what is longer than that many columns, under the words of its first.
pub(super) fn wrapped(lines: &[Vec<Piece>], columns: usize) -> Vec<Vec<Piece>> {
    let lines = lines.iter().flat_map(|line| {
        let text: String = line.iter().map(|piece| piece.text.as_str()).collect();
        let indent = draw::width(&text) - draw::width(text.trim_start());
        draw::wrap_pieces(line, columns, indent + 4)
    });
    lines.collect()
}

fn service_words(see: &See<'_>, view: &InstanceView<'_>, columns: usize) -> Vec<Piece> {
    let name = &view.dragonfly.value.service;
    let Some(service) = view.service else {
        let text = format!(" Service {name} (not there)");
        return vec![Piece::new(text, Tone::Unknown)];
    };
    let mut pieces = vec![
        Piece::muted(" Service "),
        Piece::new(name.clone(), Tone::Strong),
    ];
    if service.value.is_global() {
        // What that means, where it takes nothing from the nodes; else the explanation says it.
        let mesh = match columns >= ROOMY {
            true => " (Cilium ClusterMesh)",
            false => "",
        };
        let dot = see.sign(Glyph::Dot);
        pieces.push(Piece::muted(format!(" {dot} global{mesh}")));
    }
    pieces
}

fn no_endpoint(view: &InstanceView<'_>) -> String {
    match view.slices.as_slice() {
        [] => "nothing is known of its endpoints".to_owned(),
        _ => "nowhere: it has no ready endpoint".to_owned(),
    }
}

fn astray_words(node: Option<&NodeView<'_>>) -> String {
    let label = node.and_then(NodeView::label_role);
    match node.and_then(NodeView::engine_role).map(|k| k.value) {
        None if label.is_some() => {
            let word = label.map_or("", Role::word);
            format!(", which is labelled {word}")
        }
        Some(Role::Replica) => ", which says it is a replica".to_owned(),
        Some(Role::Master) => String::new(),
        None => ", whose engine does not answer".to_owned(),
    }
}

fn master_words(see: &See<'_>, view: &InstanceView<'_>, node: &NodeView<'_>) -> Vec<Piece> {
    let mut pieces = vec![
        Piece::new(node.id.pod.to_string(), Tone::Strong),
        Piece::text(" "),
        match was_master(see, view, node) {
            true => Piece::new("was master", Tone::Stale),
            false => Piece::new(then(view, "master".to_owned()), Tone::Master),
        },
    ];
    let sign = |glyph| see.sign(glyph);
    let judged = see.board.instance(&view.id);
    let contested = judged.is_some_and(|judged| match &judged.master {
        Master::Contested(names) => names.iter().any(|name| **name == *node.id.pod),
        _ => false,
    });
    if contested && node.speaks() {
        pieces.push(Piece::new(
            format!(" {} contested", sign(Glyph::Broken)),
            Tone::Broken,
        ));
    }
    if !node.is_endpoint && !view.endpoints_known() {
        pieces.push(Piece::new(
            format!(
                " {} whether the Service sends here is not known",
                sign(Glyph::Unknown)
            ),
            Tone::Unknown,
        ));
    } else if !node.is_endpoint {
        pieces.push(Piece::new(
            format!(" {} the Service does not send here", sign(Glyph::Cut)),
            Tone::Degraded,
        ));
    }
    if let Some(ops) = node
        .engine_on(Question::Stats)
        .and_then(|e| e.stats.as_ref()?.value.ops)
    {
        pieces.push(Piece::muted(format!("  {} ops/s", text::count(ops))));
    }
    pieces.extend(silence(see, node));
    pieces
}

fn replica_line(
    see: &See<'_>,
    view: &InstanceView<'_>,
    node: &NodeView<'_>,
    indent: usize,
    is_last: bool,
    names: usize,
) -> Vec<Piece> {
    let link = link(view, node);
    let is_cut = link.as_ref().is_none_or(|link| link.is_cut);
    let branch = see.sign(if is_last {
        Glyph::LastBranch
    } else {
        Glyph::Branch
    });
    let line = see.sign(Glyph::Horizontal);
    let (end, tone) = match (is_cut, &link) {
        (true, Some(link)) => (see.sign(Glyph::Cut), link.tone),
        (_, None) => (see.sign(Glyph::Cut), Tone::Unknown),
        (false, Some(link)) => (see.sign(Glyph::Right), link.tone),
    };
    let pad = names.saturating_sub(draw::width(&node.id.pod));
    let mut pieces = vec![
        Piece::text(" ".repeat(indent)),
        Piece::new(format!("{branch}{line}"), Tone::Border),
        Piece::new(end, tone),
        Piece::text(format!(" {}{}", node.id.pod, " ".repeat(pad))),
        Piece::new(" replica  ", Tone::Replica),
    ];
    if let Some(takeover) = takeover(see, view, node) {
        pieces.extend(takeover_words(see, &takeover));
    } else if let Some(link) = link {
        pieces.push(Piece::new(then(view, link.word), link.tone));
        if let Some(lag) = link.lag {
            let tone = if lag > see.limits.lag {
                Tone::Degraded
            } else {
                Tone::Muted
            };
            pieces.push(Piece::new(
                format!("  lag {}", text::counted(lag, "record", "records")),
                tone,
            ));
        }
        if let Some(since) = link.since {
            pieces.push(Piece::muted(format!("  seen for {}", see.age(since))));
        }
    }
    pieces.extend(silence(see, node));
    pieces
}

/// A node that hangs on no master.
fn loose_line(
    see: &See<'_>,
    view: &InstanceView<'_>,
    node: &NodeView<'_>,
    indent: usize,
    names: usize,
) -> Vec<Piece> {
    let pad = names.saturating_sub(draw::width(&node.id.pod));
    let mut pieces = vec![
        Piece::text(" ".repeat(indent)),
        Piece::text(format!("{}{}", node.id.pod, " ".repeat(pad))),
    ];
    match (takeover(see, view, node), link(view, node)) {
        (Some(takeover), _) => {
            pieces.push(Piece::new(" replica  ", Tone::Replica));
            pieces.extend(takeover_words(see, &takeover));
        }
        (None, Some(link)) => {
            pieces.push(Piece::new(" replica  ", Tone::Replica));
            let word = match leader(view, node) {
                Some(leader) if !link.is_cut => {
                    format!("follows {}, which is no master", leader.id.pod)
                }
                _ => link.word,
            };
            pieces.push(Piece::new(word, link.tone));
            if let Some(since) = link.since {
                pieces.push(Piece::muted(format!("  seen for {}", see.age(since))));
            }
        }
        (None, None) if node.engine_role().is_none() => {
            // The label is all there is to go by; it is the operator's word, not the engine's.
            let text = match node.label_role() {
                Some(role) => format!(" labelled {}", role.word()),
                None => " without a role label".to_owned(),
            };
            pieces.push(Piece::new(text, Tone::Unknown));
        }
        (None, None) => {}
    }
    pieces.extend(silence(see, node));
    pieces
}

fn takeover_words(see: &See<'_>, takeover: &Takeover) -> Vec<Piece> {
    let mut pieces = vec![Piece::new(takeover.words.clone(), takeover.tone)];
    if let Some(since) = takeover.since {
        pieces.push(Piece::muted(format!("  seen for {}", see.age(since))));
    }
    pieces
}

/// What its container does instead of running: `CrashLoopBackOff (Error, exit 139)`. That nothing answers is a mere
/// consequence of it.
pub(super) fn container(node: &NodeView<'_>) -> Option<Piece> {
    let container = node.pod.value.container("dragonfly")?;
    let ended = |end: &ContainerEnd| format!(" ({}, exit {})", end.reason, end.exit);
    let (word, is_starting) = match &container.state {
        ContainerState::Waiting { reason, .. } => match reason.as_str() {
            "" => ("waits".to_owned(), true),
            "ContainerCreating" | "PodInitializing" => (reason.clone(), true),
            _ => (reason.clone(), false),
        },
        ContainerState::Ended(end) => (format!("ended{}", ended(end)), false),
        ContainerState::Running { .. } | ContainerState::Unreported => return None,
    };
    let last = container.last_end.as_ref();
    let last = last.map_or(String::new(), ended);
    let tone = match is_starting {
        true => Tone::Syncing,
        false => Tone::Broken,
    };
    Some(Piece::new(format!("  not running: {word}{last}"), tone))
}

/// Why an engine does not answer, and how old its last word is.
pub(super) fn silence(see: &See<'_>, node: &NodeView<'_>) -> Vec<Piece> {
    if let Some(stands) = container(node) {
        return vec![stands];
    }
    let Some(engine) = node.engine else {
        return Vec::new();
    };
    let heard = engine.heard.map(|at| see.age(at));
    if let Some((_, fault, since)) = engine.role_silence() {
        let mut text = match fault.kind {
            FaultKind::Forbidden => format!("  not asked: {}", fault.message),
            _ => format!("  silent {}: {}", see.age(since), fault.message),
        };
        if let Some(age) = heard {
            text.push_str(&format!(", as of {age} ago"));
        }
        return vec![Piece::new(text, Tone::Unknown)];
    }
    match (engine.heard, heard) {
        (Some(at), Some(age)) if see.is_older(at, see.period()) => {
            vec![Piece::new(format!("  as of {age} ago"), Tone::Stale)]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::fixture::*;

    #[test]
    fn a_container_that_does_not_run_is_told_before_the_silence_it_causes() {
        let refused = (
            FaultKind::Unreachable,
            "nothing listens on the port in the pod",
        );
        for (node, wanted) in [
            (master(), None),
            (master().unreachable(refused.0, refused.1), None),
            (
                pending().waiting("ImagePullBackOff"),
                Some("  not running: ImagePullBackOff"),
            ),
            (
                master()
                    .ended("Error", 139)
                    .waiting("CrashLoopBackOff")
                    .unreachable(refused.0, refused.1),
                Some("  not running: CrashLoopBackOff (Error, exit 139)"),
            ),
            // It came back.
            (master().ended("OOMKilled", 137), None),
        ] {
            let f = instance("orders").node(node).build();
            let view = f.world.instance(&f.id).unwrap();
            let told = container(view.nodes.first().unwrap()).map(|piece| piece.text);
            assert_eq!(told.as_deref(), wanted);
        }
    }

    #[test]
    fn a_link_is_online_only_by_answers_that_stand() {
        let of = |master, replica| {
            let f = instance("orders").node(master).node(replica).build();
            let view = f.world.instance(&f.id).unwrap();
            let link = link(&view, view.nodes.last().unwrap()).unwrap();
            (link.word, link.tone, link.lag)
        };
        let mute = |node: NodeSpec, question| node.heard(12).falls_silent(question, 9);
        let info = Some(Question::Replication);
        let told = |word: &str, tone, lag| (word.to_owned(), tone, lag);
        for (master, replica, wanted) in [
            (
                master(),
                replica().lagging(7),
                told("online", Tone::Healthy, Some(7)),
            ),
            (
                master(),
                mute(replica(), info),
                told("link not told", Tone::Unknown, None),
            ),
            (
                master(),
                mute(replica(), None),
                told("link not told", Tone::Unknown, None),
            ),
            (
                mute(master(), info),
                replica(),
                told("not told by the master", Tone::Unknown, None),
            ),
            (
                mute(master(), None),
                replica(),
                told("not told by the master", Tone::Unknown, None),
            ),
            (
                mute(master(), Some(Question::Stats)),
                replica().lagging(7),
                told("online", Tone::Healthy, Some(7)),
            ),
            (
                master().unreachable(crate::domain::FaultKind::Timeout, "no answer"),
                replica().follows("10.0.0.1"),
                told("not told by the master", Tone::Unknown, None),
            ),
            (
                master(),
                replica().listed(None),
                told("not listed by the master", Tone::Degraded, None),
            ),
        ] {
            assert_eq!(of(master, replica), wanted);
        }
    }
}
