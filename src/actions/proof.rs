//! Further goals: what one engine tells of itself, what lies in a folder of its container, what an object shows beside a field.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::goal::Progress;
use super::object::ObjectId;
use super::plan::folder;
use super::scene::Reading;
use crate::domain::engine::{Question, Role};
use crate::domain::{InstanceView, NodeId, NodeView, consumers, text};
use crate::wire::ListedFile;

/// What an engine tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tells {
    /// It has saved since: judged by `saving`, `last_saved_file`, `last_success_save`, `last_failed_save` and `last_error` of INFO
    /// persistence. Other fields stay as they were after a failure (v1.39, v1.40).
    Saved {
        /// `last_success_save` of before, where a file says that there was one.
        after: Option<i64>,
        /// `last_failed_save` of before.
        failed: Option<i64>,
    },
    /// Its `maxmemory` is this, bytes.
    MaxMemory(u64),
    /// Its `used_memory_rss` is below this, bytes.
    RssBelow(u64),
    /// Its `used_memory_rss` was read again, which was this, bytes: whether it has fallen is told, and nothing else wanted.
    RssAgain(u64),
    /// No client of another address than these is connected to its port for data.
    NoClients(Vec<String>),
}

impl Tells {
    pub(super) fn words(&self, pod: &str) -> String {
        match self {
            Tells::Saved { .. } => format!("{pod} tells of a new snapshot"),
            Tells::MaxMemory(bytes) => format!("maxmemory of {pod} is {}", text::bytes(*bytes)),
            Tells::RssBelow(bytes) => {
                format!(
                    "resident memory of {pod} is less than {}",
                    text::bytes(*bytes)
                )
            }
            Tells::RssAgain(_) => format!("resident memory of {pod} is read again"),
            Tells::NoClients(_) => format!("no client is connected to {pod} any more"),
        }
    }

    /// Why it never comes, once that is told.
    pub(super) fn lost(&self, node: &NodeView<'_>) -> Option<String> {
        let Tells::Saved { failed, .. } = self else {
            return None;
        };
        let told = &node
            .engine_on(Question::Persistence)?
            .persistence
            .as_ref()?
            .value;
        (told.last_failed > *failed && !told.saving).then(|| {
            let why = match told.last_error.as_str() {
                "" => "it tells no error",
                error => error,
            };
            format!(
                "the save of {} failed: {}",
                node.id.pod,
                text::one_line(why)
            )
        })
    }

    pub(super) fn judge(&self, node: &NodeView<'_>) -> Progress {
        let pod = &node.id.pod;
        let untold = |what: &str| Progress::Untold(format!("{pod} does not tell {what}"));
        match self {
            Tells::Saved { after, .. } => {
                let engine = node.engine_on(Question::Persistence);
                let Some(known) = engine.and_then(|engine| engine.persistence.as_ref()) else {
                    return untold("of its snapshots");
                };
                let told = &known.value;
                if let Some(why) = self.lost(node) {
                    return Progress::NotYet(why);
                }
                if told.saving {
                    let percent = told
                        .save_percent
                        .map_or(String::new(), |p| format!(", {p} %"));
                    return Progress::NotYet(format!("{pod} saves{percent}"));
                }
                match told.saved_at() > *after {
                    true => Progress::Holds(format!(
                        "{pod} saved to {}",
                        text::one_line(&told.last_file)
                    )),
                    false => Progress::NotYet(format!("{pod} tells of no newer snapshot")),
                }
            }
            Tells::MaxMemory(wanted) => {
                let engine = node.engine_on(Question::Memory);
                let Some(max) = engine.and_then(|e| e.memory.as_ref()?.value.max) else {
                    return untold("its maxmemory");
                };
                let told = format!("{pod} tells maxmemory {}", text::bytes(max));
                match max == *wanted {
                    true => Progress::Holds(told),
                    false => Progress::NotYet(told),
                }
            }
            Tells::RssBelow(was) | Tells::RssAgain(was) => {
                let engine = node.engine_on(Question::Memory);
                let Some(rss) = engine.and_then(|e| e.memory.as_ref()?.value.rss) else {
                    return untold("its resident memory");
                };
                let told = format!(
                    "resident memory of {pod} is {}, and was {}",
                    text::bytes(rss),
                    text::bytes(*was)
                );
                match (rss < *was, self) {
                    (true, _) => {
                        Progress::Holds(format!("{told}: {} less", text::bytes(was - rss)))
                    }
                    (false, Tells::RssAgain(_)) => {
                        Progress::Holds(format!("{told}: it has not fallen"))
                    }
                    (false, _) => Progress::NotYet(format!("{told}: it has not fallen")),
                }
            }
            Tells::NoClients(spare) => no_clients(node, spare),
        }
    }
}

fn no_clients(node: &NodeView<'_>, spare: &[String]) -> Progress {
    let pod = &node.id.pod;
    let engine = node.engine_on(Question::ClientList);
    let Some(known) = engine.and_then(|engine| engine.client_list.as_ref()) else {
        return Progress::Untold(format!("{pod} does not tell its clients"));
    };
    let on_data = known
        .value
        .groups
        .iter()
        .filter(|group| droppable(&group.ip, group.port, spare));
    let (mut count, mut addresses) = (0, Vec::new());
    for group in on_data {
        count += group.count;
        addresses.push(group.ip.as_str());
    }
    addresses.sort_unstable();
    addresses.dedup();
    match (count, known.value.others) {
        (0, 0) => Progress::Holds(format!("no client is connected to {pod}")),
        (0, others) => Progress::Untold(format!("{others} clients of {pod} are not told apart")),
        (count, _) => {
            let some: Vec<&str> = addresses.iter().copied().take(5).collect();
            Progress::NotYet(format!(
                "{count} clients are connected to {pod}, of {}{}",
                some.join(", "),
                if addresses.len() > 5 {
                    " and others"
                } else {
                    ""
                }
            ))
        }
    }
}

/// Whether a connection is a client's that may be ended: to the port for data, from another machine, and of no spared address.
pub fn droppable(ip: &str, port: Option<u16>, spare: &[String]) -> bool {
    port.is_some_and(|port| port != consumers::ADMIN_PORT)
        && !consumers::is_local(ip)
        && !spare.iter().any(|one| one == ip)
}

/// What lies in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lies {
    /// None of these files.
    Without(Vec<String>),
    /// The file that INFO persistence names as the last one saved, written after that moment by the file system.
    Saved(Option<Timestamp>),
}

impl Lies {
    pub(super) fn wants_engine(&self) -> bool {
        matches!(self, Lies::Saved(_))
    }

    pub(super) fn words(&self, pod: &str, folder: &str) -> String {
        match self {
            Lies::Without(files) => match files.as_slice() {
                [one] => format!("{one} is not in {folder} of {pod}"),
                files => format!("none of {} files is in {folder} of {pod}", files.len()),
            },
            Lies::Saved(_) => format!("the new file is in {folder} of {pod}"),
        }
    }

    pub(super) fn judge(&self, reading: &Reading<'_>, node: &NodeId, path: &str) -> Progress {
        let pod = &node.pod;
        let Some(files) = files(reading, node, path) else {
            return Progress::Untold(format!("{path} of {pod} was not listed"));
        };
        match self {
            Lies::Without(gone) => {
                let left: Vec<&str> = files
                    .iter()
                    .map(|file| file.name.as_str())
                    .filter(|name| gone.iter().any(|one| one == name))
                    .collect();
                match left.as_slice() {
                    [] => Progress::Holds(format!(
                        "{path} of {pod} is listed without {}",
                        if gone.len() == 1 { "it" } else { "them" }
                    )),
                    [one, ..] => Progress::NotYet(format!("{one} is still in {path} of {pod}")),
                }
            }
            Lies::Saved(after) => {
                let instance = reading.world.instance_of_node(node);
                let view = instance.and_then(|id| reading.world.instance(&id));
                let nodes = view.map(|view| view.nodes).unwrap_or_default();
                let engine = nodes.iter().find(|n| n.id == *node).and_then(|n| n.engine);
                let Some(known) = engine.and_then(|engine| engine.persistence.as_ref()) else {
                    return Progress::Untold(format!("{pod} does not tell its last file"));
                };
                let name = base(&known.value.last_file);
                match files.iter().find(|file| file.name == name) {
                    Some(file) if file.written >= *after => {
                        Progress::Holds(format!("{name} is in {path} of {pod}"))
                    }
                    Some(_) => Progress::NotYet(format!("{name} is the one of before")),
                    None => Progress::NotYet(format!("{path} of {pod} has no file {name}")),
                }
            }
        }
    }
}

/// The name of a file without its folder.
pub fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The files of a folder, as they were listed; `None`: they were not.
pub fn files(reading: &Reading<'_>, node: &NodeId, path: &str) -> Option<Vec<ListedFile>> {
    let value = reading.object(&folder(node, path))??;
    serde_json::from_value(value.clone()).ok()
}

/// What an object shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shows {
    /// Its controller has handled the newest request to reconcile it, which is not that one, and it is ready.
    Reconciled(Option<String>),
    /// A claim's volume has at least so many bytes, by `status.capacity`.
    Grown(u64),
}

/// The annotation by which Flux is asked to reconcile (of Flux 2.0 to 2.7).
pub const REQUESTED: &str = "reconcile.fluxcd.io/requestedAt";

/// An annotation of an object.
pub fn annotation<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value
        .get("metadata")?
        .get("annotations")?
        .get(key)?
        .as_str()
}

/// A condition of an object: its status, and what it says.
pub fn condition<'v>(value: &'v Value, name: &str) -> Option<(&'v str, String)> {
    let all = value.pointer("/status/conditions")?.as_array()?;
    let field = |one: &'v Value, key: &str| one.get(key).and_then(Value::as_str).unwrap_or("");
    let one = all.iter().find(|one| field(one, "type") == name)?;
    let said = [field(one, "reason"), field(one, "message")];
    let said: Vec<&str> = said.into_iter().filter(|text| !text.is_empty()).collect();
    Some((field(one, "status"), text::one_line(&said.join(": "))))
}

impl Shows {
    pub(super) fn words(&self, object: &ObjectId) -> String {
        match self {
            Shows::Reconciled(_) => format!("{object} is reconciled and ready"),
            Shows::Grown(bytes) => {
                format!(
                    "the volume of {object} has at least {}",
                    text::bytes(*bytes)
                )
            }
        }
    }

    pub(super) fn judge(&self, object: &ObjectId, value: &Value) -> Progress {
        match self {
            Shows::Reconciled(before) => reconciled(object, value, before.as_deref()),
            Shows::Grown(wanted) => grown(object, value, *wanted),
        }
    }
}

fn reconciled(object: &ObjectId, value: &Value, before: Option<&str>) -> Progress {
    let asked = annotation(value, REQUESTED);
    if asked.is_none() || asked == before {
        return Progress::NotYet(format!("{object} carries no new request"));
    }
    let handled = value
        .pointer("/status/lastHandledReconcileAt")
        .and_then(Value::as_str);
    if handled != asked {
        return Progress::NotYet(format!(
            "the controller of {object} has not taken the request up"
        ));
    }
    let number = |path: &str| value.pointer(path).and_then(Value::as_i64);
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return Progress::NotYet(format!(
            "the controller of {object} has not seen its last change"
        ));
    }
    match condition(value, "Ready") {
        Some(("True", said)) => Progress::Holds(format!("{object} is ready: {said}")),
        Some((_, said)) => Progress::NotYet(format!("{object} is not ready: {said}")),
        // A HelmRepository of OCI charts has nothing that could be ready.
        None => Progress::Holds(format!(
            "{object} took the request up, and has no Ready condition"
        )),
    }
}

fn grown(object: &ObjectId, value: &Value, wanted: u64) -> Progress {
    let size = value
        .pointer("/status/capacity/storage")
        .and_then(Value::as_str);
    let Some(size) = size.and_then(crate::wire::quantity::bytes) else {
        return Progress::Untold(format!("{object} does not tell its capacity"));
    };
    if size >= wanted {
        return Progress::Holds(format!(
            "status.capacity of {object} is {}",
            text::bytes(size)
        ));
    }
    let is_set = |name: &str| condition(value, name).filter(|(status, _)| *status == "True");
    let why = match is_set("FileSystemResizePending") {
        Some(_) => ": the volume has grown, and its file system grows when the pod starts anew (FileSystemResizePending)".to_owned(),
        None => ["ControllerResizeError", "NodeResizeError", "Resizing"]
            .into_iter()
            .find_map(|name| Some(format!(": {name}, {}", is_set(name)?.1)))
            .unwrap_or_default(),
    };
    Progress::NotYet(format!(
        "status.capacity of {object} is {}{why}",
        text::bytes(size)
    ))
}

/// One master by label, by engine and by the Service, whose pod is not that one.
pub(super) fn has_master(view: &InstanceView<'_>, old: &Arc<str>) -> Progress {
    let says = |node: &NodeView<'_>| {
        node.speaks()
            && node
                .engine_role()
                .is_some_and(|known| known.value == Role::Master)
    };
    let named = |is: &dyn Fn(&NodeView<'_>) -> bool| -> Vec<String> {
        let nodes = view.nodes.iter().filter(|node| is(node));
        nodes.map(|node| node.id.pod.to_string()).collect()
    };
    let labelled =
        named(&|node| node.label_role() == Some(Role::Master) && *node.pod.value.meta.uid != **old);
    let by_engine = named(&says);
    let endpoints = view.endpoints();
    match (
        labelled.as_slice(),
        by_engine.as_slice(),
        endpoints.as_slice(),
    ) {
        ([label], engines, [endpoint]) if label == endpoint && engines.contains(label) => {
            Progress::Holds(format!(
                "{label} is master by label and engine, and the Service sends to it"
            ))
        }
        ([], ..) => Progress::NotYet("no new pod is labelled master yet".to_owned()),
        (_, _, []) => Progress::NotYet("the Service sends nowhere yet".to_owned()),
        _ => Progress::NotYet(format!(
            "labelled master: {}; by engine: {}; the Service sends to {}",
            labelled.join(", "),
            by_engine.join(", "),
            endpoints.join(", ")
        )),
    }
}
