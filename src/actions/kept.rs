//! Snapshots as they lie in a folder: one is several files, a summary and one for each thread, that are of no use apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::proof::base;
use crate::checks::{Case, Instance, Node};
use crate::domain::engine::Question;
use crate::wire::ListedFile;

/// Where the server saves to without another word (operator v1.1 to v1.6).
const FOLDER: &str = "/dragonfly/snapshots";

/// Where a node saves to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In a folder of its container.
    Folder(Arc<str>),
    /// Outside, by its address: `s3://bucket`.
    Bucket(String),
}

/// Where a node saves to, by the engine's `dir`, and where it has not told that, by the Dragonfly object.
pub(super) fn place(case: &Case<'_>, instance: &Instance<'_>, node: &Node<'_>) -> Place {
    let config = node.told(case, Question::Config, |e| e.config.as_ref());
    let told = config.and_then(|known| known.value.text("dir"));
    let snapshot = instance.view.dragonfly.value.snapshot.as_ref();
    let wanted = snapshot.and_then(|snapshot| snapshot.dir.as_deref());
    let dir = told
        .filter(|dir| !dir.is_empty())
        .or(wanted)
        .unwrap_or(FOLDER);
    match dir.contains("://") {
        true => Place::Bucket(dir.to_owned()),
        false => Place::Folder(Arc::from(match dir.trim_end_matches('/') {
            "" => "/",
            dir => dir,
        })),
    }
}

/// One snapshot with its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// What its files are called after: `dump-2026-11-21T03:00:05`.
    pub name: String,
    /// Its files.
    pub files: Vec<String>,
    /// Bytes of all of them.
    pub bytes: u64,
    /// When the last of them was written; `None` where that is not told.
    pub written: Option<Timestamp>,
}

/// The name of the snapshot that a file belongs to; `None` where it is none of a snapshot.
pub(super) fn name_of(file: &str) -> Option<&str> {
    let file = base(file);
    if let Some(rdb) = file.strip_suffix(".rdb") {
        return Some(rdb);
    }
    let (name, part) = file.strip_suffix(".dfs")?.rsplit_once('-')?;
    let is_thread = part.len() == 4 && part.chars().all(|c| c.is_ascii_digit());
    (part == "summary" || is_thread).then_some(name)
}

/// The snapshots among files, oldest first. Other files are none of ours.
pub(super) fn kept(files: &[ListedFile]) -> Vec<Kept> {
    let mut found: BTreeMap<&str, Kept> = BTreeMap::new();
    for file in files {
        let Some(name) = name_of(&file.name) else {
            continue;
        };
        let one = found.entry(name).or_insert_with(|| Kept {
            name: name.to_owned(),
            files: Vec::new(),
            bytes: 0,
            written: None,
        });
        one.files.push(file.name.clone());
        one.bytes = one.bytes.saturating_add(file.bytes);
        one.written = one.written.max(file.written);
    }
    let mut all: Vec<Kept> = found.into_values().collect();
    all.sort_by(|a, b| (a.written, &a.name).cmp(&(b.written, &b.name)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_snapshot_are_one() {
        for (file, wanted) in [
            (
                "dump-2026-11-21T03:00:05-summary.dfs",
                Some("dump-2026-11-21T03:00:05"),
            ),
            ("/data/dump-0003.dfs", Some("dump")),
            ("dump-2026.rdb", Some("dump-2026")),
            ("dump-12.dfs", None),
            ("summary.dfs", None),
            ("lost+found", None),
            ("backup.tgz", None),
        ] {
            assert_eq!(name_of(file), wanted, "{file}");
        }
    }
}
