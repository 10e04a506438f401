//! The Services that lead to instances, in every context that has one of the name: whether Cilium is told to join them, and where
//! each really sends.

use std::collections::BTreeSet;

use super::contexts;
use crate::checks::listed::{Untold, listed, want};
use crate::checks::reach::services::{Global, ServiceName, of_instance, selects};
use crate::domain::want::ForeignObject;
use crate::domain::world::ContextWorld;
use crate::domain::{ContextId, Foreign, InstanceId, Want};
use crate::screens::parts::{Section, See};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// A Service of a name in a context, or that there is none.
#[derive(Debug)]
pub(super) struct ServiceRow {
    context: ContextId,
    name: ServiceName,
    instance: InstanceId,
    standing: Standing,
    is_stale: bool,
}

#[derive(Debug)]
enum Standing {
    /// It is not there.
    Absent,
    /// It cannot be told.
    Unknown(String),
    There {
        global: Global,
        /// It selects pods of the instance.
        selects: bool,
        /// Ready endpoints of its own cluster; `None` where they are not followed.
        endpoints: Option<Vec<String>>,
    },
}

/// The names that lead to an instance: its own Service's, those of other Services that select it, and those that its consumers use.
fn names(see: &See<'_>, id: &InstanceId) -> Vec<ServiceName> {
    let mut names = Vec::new();
    let Some(view) = see.world.instance(id) else {
        return names;
    };
    let mut put = |name: ServiceName| {
        if !names.contains(&name) {
            names.push(name);
        }
    };
    put(of_instance(&view));
    if let Ok(found) = listed(view.context, Foreign::Service, &id.namespace) {
        for service in found.objects {
            if selects(service, &id.name) {
                put(ServiceName {
                    namespace: id.namespace.to_string(),
                    name: service.meta.name.to_string(),
                });
            }
        }
    }
    for wish in see.limits.expected.consumers_of(id) {
        if let Some(name) = ServiceName::of(&wish.host, &wish.id.namespace) {
            put(name);
        }
    }
    names
}

/// What must be read to tell them.
pub(super) fn wants(see: &See<'_>) -> BTreeSet<Want> {
    let contexts = contexts(see);
    let mut wants = BTreeSet::new();
    for id in see.world.instances() {
        for name in names(see, &id) {
            let live = contexts.iter().filter(|context| context.is_live());
            wants.extend(live.map(|context| want(context, Foreign::Service, &name.namespace)));
        }
    }
    wants
}

/// Every row.
pub(super) fn rows(see: &See<'_>) -> Vec<ServiceRow> {
    let contexts = contexts(see);
    let mut rows = Vec::new();
    for id in see.world.instances() {
        for name in names(see, &id) {
            for context in &contexts {
                rows.push(row(context, &id, &name));
            }
        }
    }
    rows
}

fn row(context: &ContextWorld, id: &InstanceId, name: &ServiceName) -> ServiceRow {
    let standing = match name.find(context) {
        Ok(None) => Standing::Absent,
        Ok(Some(service)) => there(context, id, name, service),
        Err(Untold::NotServed) => Standing::Absent,
        Err(Untold::Unread) => Standing::Unknown("being read".to_owned()),
        Err(Untold::NotReached) => Standing::Unknown("not reached".to_owned()),
        Err(Untold::Failed(fault, _)) => Standing::Unknown(fault.message.clone()),
    };
    ServiceRow {
        context: context.id.clone(),
        name: name.clone(),
        instance: id.clone(),
        standing,
        is_stale: !context.is_live(),
    }
}

fn there(
    context: &ContextWorld,
    id: &InstanceId,
    name: &ServiceName,
    service: &ForeignObject,
) -> Standing {
    let slices: Vec<_> = context.slices.group(&name.namespace, &name.name).collect();
    let ready = slices
        .iter()
        .flat_map(|held| &held.value.endpoints)
        .filter(|endpoint| endpoint.ready);
    let place = |endpoint: &crate::domain::object::Endpoint| {
        let address = endpoint.addresses.first().cloned().unwrap_or_default();
        endpoint.pod.clone().unwrap_or(address)
    };
    let endpoints: Vec<String> = ready.map(place).collect();
    Standing::There {
        global: Global::of(service),
        selects: selects(service, &id.name),
        endpoints: (!slices.is_empty()).then_some(endpoints),
    }
}

/// The pane.
pub(super) fn section<'a>(see: &See<'_>, rows: &[ServiceRow]) -> Section<'a> {
    let cells = rows
        .iter()
        .map(|row| {
            let name = format!("{} {} {}", row.context, row.name, row.instance);
            (name, cells(see, row))
        })
        .collect();
    Section {
        columns: vec![
            Column::new("context", "CONTEXT").width(7, 14),
            Column::new("service", "SERVICE")
                .width(12, 40)
                .firm(16)
                .cut_middle(),
            Column::new("instance", "INSTANCE")
                .width(12, 30)
                .cut_middle()
                .priority(3),
            Column::new("global", "GLOBAL").width(10, 14),
            Column::new("selects", "SELECTS IT")
                .width(10, 10)
                .priority(2),
            Column::new("endpoints", "SENDS TO").width(12, 120).fill(),
        ],
        empty: "there is no Service of an instance".to_owned(),
        ..Section::of("services", "Services", cells)
    }
}

fn cells(see: &See<'_>, row: &ServiceRow) -> Row {
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let is_home = row.context == row.instance.context;
    let (global, selects, endpoints) = match &row.standing {
        Standing::Absent => (
            Piece::muted("no such one"),
            dash(),
            Piece::muted("the name does not resolve there"),
        ),
        Standing::Unknown(why) => (
            Piece::new("?", Tone::Unknown),
            dash(),
            Piece::new(why.clone(), Tone::Unknown),
        ),
        Standing::There {
            global,
            selects,
            endpoints,
        } => {
            let word = match (global.is_global, global.is_shared) {
                (false, _) => Piece::muted("no"),
                (true, true) => {
                    Piece::new(format!("{} yes", see.sign(Glyph::Healthy)), Tone::Healthy)
                }
                (true, false) if is_home => Piece::new(
                    format!("{} not shared", see.sign(Glyph::Warning)),
                    Tone::Degraded,
                ),
                (true, false) => Piece::text("yes, unshared"),
            };
            let selects = match selects {
                true => Piece::text("yes"),
                false => Piece::new("no", Tone::Degraded),
            };
            let sends = match endpoints.as_deref() {
                Some([]) | None if !is_home && global.is_global => {
                    Piece::muted("no backends of its own: the mesh's, which no object here shows")
                }
                None => Piece::new("not followed", Tone::Unknown),
                Some([]) => Piece::new("nowhere", Tone::Degraded),
                Some(some) => Piece::text(some.join(", ")),
            };
            (word, selects, sends)
        }
    };
    Row::new(vec![
        Piece::muted(row.context.to_string()),
        Piece::text(row.name.to_string()),
        Piece::muted(row.instance.to_string()),
        global,
        selects,
        endpoints,
    ])
    .stale(row.is_stale)
}
