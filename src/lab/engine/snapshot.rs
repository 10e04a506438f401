//! The data of an engine at one moment: what a volume keeps between two processes.

use std::collections::BTreeMap;
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
}

impl Snapshot {
    /// Keys in all databases.
    pub fn keys(&self) -> u64 {
        self.databases.values().map(Keyspace::len).sum()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({} keys, {:?})", self.keys(), self.file)
    }
}
