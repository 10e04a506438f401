//! Kubeconfig by the usual rules, read so that one broken file or entry breaks nothing else.
//!
//! `--kubeconfig PATH` alone, else every file of the list in `KUBECONFIG`, else `~/.kube/config`, else the pod's own
//! service account. In a list the first file to define a name wins, as kubectl does it.

mod merge;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kube::config::{AuthInfo, Cluster};

use self::merge::Merged;
use crate::domain::{ContextId, Fault, text};

/// Name of the one context that a pod's service account gives.
pub const IN_CLUSTER: &str = "in-cluster";

/// What of the process's surroundings decides where kubeconfig comes from.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `KUBECONFIG`.
    pub kubeconfig: Option<OsString>,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// A pod's service account is mounted and `KUBERNETES_SERVICE_HOST` is set.
    pub in_cluster: bool,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
        Self {
            kubeconfig: std::env::var_os("KUBECONFIG"),
            home: std::env::home_dir(),
            in_cluster: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
                && Path::new(TOKEN).exists(),
        }
    }
}

/// Something wrong in a kubeconfig file. Shown; never fatal for what is not concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Line in it, from 1, where known.
    pub line: Option<u64>,
    /// The context that cannot be opened because of it, where it is one.
    pub context: Option<String>,
    /// What is wrong and what follows; never an excerpt of the file, which may hold credentials.
    pub sentence: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if let Some(context) = &self.context {
            write!(f, "context {context:?} ")?;
        }
        f.write_str(&self.sentence)
    }
}

/// All contexts that were found.
#[derive(Debug, Clone, Default)]
pub struct Kubeconfigs {
    searched: Vec<PathBuf>,
    current: Option<String>,
    entries: Vec<Entry>,
}

/// One context: where its API server is and how to log in there, or why that cannot be told.
#[derive(Clone)]
pub struct Entry {
    /// Its id, which is its name.
    pub id: ContextId,
    /// The namespace that the kubeconfig names for it.
    pub namespace: Option<Arc<str>>,
    /// The way out, or what is broken about the entry.
    pub way: Result<Way, Fault>,
    /// The files that it was merged from, to read it anew.
    origin: Arc<[PathBuf]>,
}

impl Entry {
    /// The entry as the files have it now: a login, or an editor, may have written to them. `None` when it is gone from
    /// them, or did not come from files.
    pub fn reread(&self) -> Option<Entry> {
        let files: Vec<PathBuf> = self.origin.to_vec();
        if files.is_empty() {
            return None;
        }
        let (found, _) = read_files(files, false);
        found.context(self.id.as_str()).ok().cloned()
    }

    /// Whether the other leads to the same server in the same way, whoever one is there.
    pub(super) fn leads_where(&self, other: &Entry) -> bool {
        match (&self.way, &other.way) {
            (Ok(Way::Kubeconfig { cluster: ours, .. }), Ok(Way::Kubeconfig { cluster, .. })) => {
                let told = |cluster: &Cluster| serde_json::to_value(cluster).ok();
                told(ours) == told(cluster)
            }
            (Ok(Way::InCluster), Ok(Way::InCluster)) => true,
            (Err(ours), Err(theirs)) => ours == theirs,
            _ => false,
        }
    }
}

/// What a client is made from.
#[derive(Clone)]
pub enum Way {
    /// From kubeconfig: relative paths are resolved against the file that holds them, empty texts are absent.
    Kubeconfig {
        /// Where the server is.
        cluster: Box<Cluster>,
        /// Who we are there.
        user: Box<AuthInfo>,
    },
    /// The service account of the pod that we run in.
    InCluster,
}

impl fmt::Debug for Entry {
    /// The name and nothing else: an entry holds credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({})", self.id)
    }
}

/// No context has that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The name asked for.
    pub name: String,
    /// The nearest name there is, when one is near.
    pub nearest: Option<String>,
    /// Every name there is.
    pub known: Vec<String>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no context is named {:?}", self.name)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest:?}?"),
            None if self.known.is_empty() => f.write_str("; the kubeconfig has none"),
            None => write!(f, "; there is {}", self.known.join(", ")),
        }
    }
}

impl Kubeconfigs {
    /// Names of all contexts, in the order of the files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.id.as_str())
    }

    /// The current context, if one is set and exists.
    pub fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// Whether there is no context at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The files that were looked for, existing or not, for the sentence that says so.
    pub fn searched(&self) -> &[PathBuf] {
        &self.searched
    }

    /// The context of that name.
    ///
    /// # Errors
    /// When there is none: [`Unknown`] names the nearest.
    pub fn context(&self, name: &str) -> Result<&Entry, Unknown> {
        self.entries
            .iter()
            .find(|entry| entry.id.as_str() == name)
            .ok_or_else(|| Unknown {
                name: name.to_owned(),
                nearest: text::nearest(name, self.names()).map(str::to_owned),
                known: self.names().map(str::to_owned).collect(),
            })
    }
}

/// Reads what the rules name. Whatever is broken is told and left out; the rest stands.
pub fn load(explicit: Option<&Path>, around: &Surroundings) -> (Kubeconfigs, Vec<Problem>) {
    let (files, must_exist) = files(explicit, around);
    let (mut found, problems) = read_files(files, must_exist);
    if found.entries.is_empty() && explicit.is_none() && around.in_cluster {
        found.current = Some(IN_CLUSTER.to_owned());
        found.entries.push(Entry {
            id: ContextId::new(IN_CLUSTER),
            namespace: None,
            way: Ok(Way::InCluster),
            origin: Arc::default(),
        });
    }
    (found, problems)
}

fn read_files(files: Vec<PathBuf>, must_exist: bool) -> (Kubeconfigs, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut merged = Merged::default();
    for file in &files {
        match std::fs::read(file) {
            Ok(bytes) => merged.take(file, &bytes, &mut problems),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => {}
            Err(error) => problems.push(Problem {
                file: file.clone(),
                line: None,
                context: None,
                sentence: format!("cannot be read: {}", plain_io(&error)),
            }),
        }
    }
    let (current, entries) = merged.finish(&files, &mut problems);
    let found = Kubeconfigs {
        searched: files,
        current,
        entries,
    };
    (found, problems)
}

/// The files to read, and whether a missing one is a problem. Missing files of a `KUBECONFIG` list are not, as with
/// kubectl.
fn files(explicit: Option<&Path>, around: &Surroundings) -> (Vec<PathBuf>, bool) {
    if let Some(path) = explicit {
        return (vec![path.to_owned()], true);
    }
    let listed: Vec<PathBuf> = around
        .kubeconfig
        .iter()
        .flat_map(std::env::split_paths)
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    if !listed.is_empty() {
        return (listed, false);
    }
    let home = around.home.iter();
    (home.map(|home| home.join(".kube/config")).collect(), false)
}

fn plain_io(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
#[path = "tests/kubeconfig.rs"]
mod tests;
