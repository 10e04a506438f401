//! The mesh between the clusters, as far as their objects tell: none of them tells whether it is connected.

use serde_json::Value;

use super::contexts;
use crate::checks::listed::listed;
use crate::checks::reach::{self, SYSTEM};
use crate::domain::reach::{Cilium, Spans};
use crate::domain::world::ContextWorld;
use crate::domain::{ContextId, Foreign};
use crate::screens::parts::{Section, See};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// One cluster of it.
#[derive(Debug)]
pub(super) struct MeshRow {
    context: ContextId,
    /// What Cilium calls it and which version runs, or why that is not known.
    cilium: Result<(String, Option<String>), String>,
    spans: Spans,
    /// Clusters that it is to be connected to; `None` where that is not known.
    remotes: Option<Vec<String>>,
    /// Ready pods of the server by which others learn of its Services.
    server: Option<u64>,
    is_stale: bool,
}

/// Every row.
pub(super) fn rows(see: &See<'_>) -> Vec<MeshRow> {
    contexts(see).into_iter().map(row).collect()
}

fn row(context: &ContextWorld) -> MeshRow {
    let network = reach::network(context);
    let cilium = match &network.cilium {
        Cilium::Unknown(why) => Err(why.clone()),
        Cilium::Absent => Err("no settings of Cilium's".to_owned()),
        Cilium::Present(settings) => {
            let name = settings.cluster.as_deref().unwrap_or("default").to_owned();
            Ok((name, settings.version.map(|version| version.to_string())))
        }
    };
    let remotes = listed(context, Foreign::Secret, SYSTEM)
        .ok()
        .and_then(|found| {
            let mut all = found.objects.into_iter();
            let secret = all.find(|one| &*one.meta.name == "cilium-clustermesh")?;
            let keys = secret.body.get("keys")?.as_array()?;
            let keys = keys.iter().filter_map(Value::as_str);
            // Beside a cluster's own key there are those of its certificates.
            Some(
                keys.filter(|key| !key.contains('.'))
                    .map(str::to_owned)
                    .collect(),
            )
        });
    let server = listed(context, Foreign::Deployment, SYSTEM)
        .ok()
        .and_then(|found| {
            let mut all = found.objects.into_iter();
            let server = all.find(|one| &*one.meta.name == "clustermesh-apiserver")?;
            Some(
                server
                    .body
                    .pointer("/status/readyReplicas")
                    .and_then(Value::as_u64)
                    .unwrap_or(0),
            )
        });
    MeshRow {
        context: context.id.clone(),
        cilium,
        spans: network.spans(),
        remotes,
        server,
        is_stale: !context.is_live(),
    }
}

/// The pane.
pub(super) fn section<'a>(see: &See<'_>, rows: &[MeshRow]) -> Section<'a> {
    let cells = rows
        .iter()
        .map(|row| (row.context.to_string(), cells(see, row)))
        .collect();
    Section {
        columns: vec![
            Column::new("context", "CONTEXT").width(7, 14),
            Column::new("cluster", "CLUSTER").width(8, 30),
            Column::new("cilium", "CILIUM").width(8, 10).priority(3),
            Column::new("remotes", "REMOTES").width(8, 30).priority(1),
            Column::new("server", "MESH SERVER")
                .width(11, 12)
                .priority(2),
            Column::new("connected", "CONNECTED").width(9, 16),
            Column::new("peers", "A PEER WITHOUT A CLUSTER IS")
                .width(12, 160)
                .fill()
                .priority(4),
        ],
        empty: "no cluster has an instance or a consumer of one".to_owned(),
        ..Section::of("mesh", "Mesh", cells)
    }
}

fn cells(see: &See<'_>, row: &MeshRow) -> Row {
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let (cluster, version) = match &row.cilium {
        Ok((name, version)) => (
            Piece::text(name.clone()),
            version.clone().map_or_else(dash, Piece::text),
        ),
        Err(why) => (Piece::new(why.clone(), Tone::Unknown), dash()),
    };
    let peers = match &row.spans {
        Spans::All(why) => Piece::text(format!("of any cluster: {why}")),
        Spans::Own(why) => Piece::text(format!("of its own: {why}")),
        Spans::Unknown(why) => Piece::new(format!("not known: {why}"), Tone::Unknown),
    };
    Row::new(vec![
        Piece::muted(row.context.to_string()),
        cluster,
        version,
        match row.remotes.as_deref() {
            None => dash(),
            Some([]) => Piece::muted("none told"),
            Some(some) => Piece::text(some.join(", ")),
        },
        match row.server {
            None => dash(),
            Some(0) => Piece::new(
                format!("{} none ready", see.sign(Glyph::Broken)),
                Tone::Broken,
            ),
            Some(ready) => Piece::text(format!("{ready} ready")),
        },
        // Only Cilium's agents know.
        Piece::new("no object says", Tone::Unknown),
        peers,
    ])
    .stale(row.is_stale)
}
