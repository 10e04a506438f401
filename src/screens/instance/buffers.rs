//! Where bytes wait: for each node how much of its memory is buffers, and the clients that hold up most of it: those that
//! do not read their replies (a takeover waits for each of them) and those that have sent much ahead.

use std::sync::Arc;

use crate::domain::consumers::{Consumers, host};
use crate::domain::engine::{Question, SlowClient};
use crate::domain::world::EngineRecord;
use crate::domain::{InstanceView, NodeView, text};
use crate::screens::parts::See;
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// The columns, from left to right.
pub(super) fn columns() -> Vec<Column> {
    vec![
        Column::new("node", "NODE")
            .width(8, 32)
            .cut_middle()
            .pinned(),
        Column::figure("bytes", "BYTES", 8, 0),
        Column::new("what", "WHAT WAITS").width(20, 60).fill(),
        Column::figure("unread", "UNREAD", 6, 2),
        Column::figure("queued", "QUEUED", 6, 3),
        Column::figure("idle", "IDLE", 6, 4),
        Column::new("phase", "PHASE").width(7, 12).priority(4),
        Column::new("client", "CLIENT")
            .width(12, 40)
            .firm(22)
            .priority(1),
        Column::new("name", "CALLED").width(8, 24).priority(5),
        Column::figure("id", "ID", 6, 6),
    ]
}

/// A row, its name and whether it is a client that hurts.
pub(super) struct Line {
    pub name: String,
    pub hurts: bool,
    pub row: Row,
}

/// Every row: clients that hold something up, worst first, then each node's buffers together.
pub(super) fn lines(see: &See<'_>, view: &InstanceView<'_>, consumers: &Consumers) -> Vec<Line> {
    let mut clients: Vec<(&NodeView<'_>, &SlowClient)> = view
        .nodes
        .iter()
        .filter_map(|node| Some((node, node.engine?.client_list.as_ref()?)))
        .flat_map(|(node, known)| known.value.slow.iter().map(move |client| (node, client)))
        .collect();
    clients.sort_by_key(|(_, client)| {
        std::cmp::Reverse((client.send_wait, client.queued_bytes, client.idle))
    });
    let mut lines: Vec<Line> = clients
        .into_iter()
        .map(|(node, client)| of_client(see, consumers, node, client))
        .collect();
    for node in &view.nodes {
        if let Some(line) = node.engine.and_then(|engine| of_node(see, node, engine)) {
            lines.push(line);
        }
    }
    lines
}

fn of_client(
    see: &See<'_>,
    consumers: &Consumers,
    node: &NodeView<'_>,
    client: &SlowClient,
) -> Line {
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let age = |seconds: Option<u64>| seconds.and_then(|s| i64::try_from(s).ok());
    let (what, tone) = match client.send_wait {
        Some(1..) => (
            "does not read its replies: it holds up a takeover",
            Tone::Broken,
        ),
        _ => ("has sent much ahead", Tone::Degraded),
    };
    let row = Row::new(vec![
        Piece::text(node.id.pod.to_string()),
        client
            .queued_bytes
            .map_or_else(dash, |bytes| Piece::text(text::bytes(bytes))),
        Piece::new(what, tone),
        age(client.send_wait).map_or_else(dash, |s| Piece::new(text::age_of(s), tone)),
        client
            .queued
            .map_or_else(dash, |n| Piece::text(text::count(n))),
        age(client.idle).map_or_else(dash, |s| Piece::muted(text::age_of(s))),
        Piece::muted(client.phase.word()),
        Piece::text(consumers.whose(host(&client.addr)).words()),
        client.name.clone().map_or_else(dash, Piece::muted),
        client
            .id
            .map_or_else(dash, |id| Piece::muted(id.to_string())),
    ])
    .stale(node.engine_on(Question::ClientList).is_none());
    Line {
        name: format!("{} {}", node.id.pod, client.addr),
        hurts: true,
        row,
    }
}

/// The buffers of a node together; `None` while it has told none.
fn of_node(see: &See<'_>, node: &NodeView<'_>, engine: &EngineRecord) -> Option<Line> {
    let memory = engine.memory.as_ref().map(|known| &known.value);
    let stats = engine.memory_stats.as_ref().map(|known| &known.value);
    let clients = engine.clients.as_ref().map(|known| &known.value);
    let parts: [(&str, Option<u64>); 8] = [
        (
            "clients",
            stats
                .and_then(|s| s.connections)
                .or(clients.and_then(|c| c.read_buffers)),
        ),
        (
            "queued commands",
            memory.and_then(|m| m.pipeline_queue.or(m.dispatch_queue)),
        ),
        ("subscribers", memory.and_then(|m| m.subscriber_queue)),
        (
            "replicas",
            memory
                .and_then(|m| m.streaming)
                .or(stats.and_then(|s| s.replication)),
        ),
        ("full syncs", memory.and_then(|m| m.full_sync)),
        ("backlog for partial syncs", memory.and_then(|m| m.backlog)),
        ("a save", memory.and_then(|m| m.snapshot.or(m.save_buffer))),
        ("TLS", memory.and_then(|m| m.tls)),
    ];
    if parts.iter().all(|(_, bytes)| bytes.is_none()) {
        return None;
    }
    let mut held: Vec<(&str, u64)> = parts
        .into_iter()
        .filter_map(|(name, bytes)| Some((name, bytes.filter(|bytes| *bytes > 0)?)))
        .collect();
    held.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let total = held
        .iter()
        .fold(0, |sum: u64, (_, b)| sum.saturating_add(*b));
    let words: Vec<String> = held
        .iter()
        .map(|(name, bytes)| format!("{name} {}", text::bytes(*bytes)))
        .collect();
    let words = match words.is_empty() {
        true => "no buffer holds anything".to_owned(),
        false => format!("all buffers: {}", words.join(", ")),
    };
    let pod: Arc<str> = node.id.pod.clone();
    Some(Line {
        name: format!("{pod} all buffers"),
        hurts: false,
        row: Row::new(vec![
            Piece::text(pod.to_string()),
            match total {
                0 => Piece::muted(see.sign(Glyph::Dash)),
                bytes => Piece::text(text::bytes(bytes)),
            },
            Piece::muted(words),
        ])
        .spanning()
        .stale(node.engine_on(Question::Memory).is_none()),
    })
}
