//! The data of an engine at one moment: what a volume keeps between two processes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::keyspace::Keyspace;

/// Databases by number; database 0 always exists.
pub(super) type Databases = BTreeMap<u16, Keyspace>;

/// A copy of all keys, cheap to clone and to hand to the next start of the same pod.
#[derive(Clone)]
pub struct Snapshot {
    /// The file it was written to, as `last_saved_file` names it; empty for a copy in memory.
    pub file: String,
    pub(super) databases: Arc<Databases>,
    /// Those that lie beside it in the same directory, oldest first: the file of each, and how many keys it has. What is in
    /// them nobody asks for.
    pub older: Vec<(String, u64)>,
    /// Names of files of any of them that were removed by hand.
    pub removed: BTreeSet<String>,
}

impl Snapshot {
    /// Keys in all databases.
    pub fn keys(&self) -> u64 {
        self.databases.values().map(Keyspace::len).sum()
    }

    /// Whether the file that names the others of it is still there; without it nothing is found to load.
    pub(super) fn is_there(&self) -> bool {
        let name = self.file.rsplit('/').next().unwrap_or_default();
        !self.removed.contains(name)
    }

    /// What lies beside the next one that is written to `file`.
    pub(super) fn beside(&self, file: &str) -> Vec<(String, u64)> {
        let mut all = self.older.clone();
        if !self.file.is_empty() && self.file != file {
            all.push((self.file.clone(), self.keys()));
        }
        all
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({} keys, {:?})", self.keys(), self.file)
    }
}
