//! Several kubeconfig files into one: read entry by entry where a file is broken, the first to define a name wins, and
//! contexts joined with the cluster and user that they name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kube::config::{AuthInfo, Cluster, Context, NamedAuthInfo, NamedCluster, NamedContext};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

use super::{Entry, Problem, Way};
use crate::domain::{ContextId, Fault, FaultKind};

/// Something defined in a file, and where.
struct Defined<T> {
    file: Arc<Path>,
    line: u64,
    what: T,
}

/// The merge of all files read so far.
#[derive(Default)]
pub(super) struct Merged {
    current: Option<Defined<String>>,
    clusters: BTreeMap<String, Defined<Result<Cluster, String>>>,
    users: BTreeMap<String, Defined<Result<AuthInfo, String>>>,
    contexts: Vec<(String, Defined<Result<Context, String>>)>,
}

/// A file whose entries are all as they should be.
#[derive(Deserialize)]
struct Typed {
    #[serde(default)]
    clusters: Option<Vec<Spanned<NamedCluster>>>,
    #[serde(default)]
    users: Option<Vec<Spanned<NamedAuthInfo>>>,
    #[serde(default)]
    contexts: Option<Vec<Spanned<NamedContext>>>,
    #[serde(default, rename = "current-context")]
    current: Option<Spanned<String>>,
}

/// The same with entries of any shape, so that a broken one can be left out.
#[derive(Deserialize)]
struct Loose {
    #[serde(default)]
    clusters: Option<Vec<Spanned<Value>>>,
    #[serde(default)]
    users: Option<Vec<Spanned<Value>>>,
    #[serde(default)]
    contexts: Option<Vec<Spanned<Value>>>,
    #[serde(default, rename = "current-context")]
    current: Option<Spanned<Value>>,
}

impl Merged {
    /// Takes a file in; what is broken in it is told and left out.
    pub(super) fn take(&mut self, file: &Path, bytes: &[u8], problems: &mut Vec<Problem>) {
        let path: Arc<Path> = Arc::from(file);
        let mut whole = |line, sentence| {
            problems.push(Problem {
                file: file.to_owned(),
                line,
                context: None,
                sentence,
            });
        };
        let Some(text) = decode_text(bytes) else {
            whole(None, "is neither UTF-8 nor UTF-16 text".to_owned());
            return;
        };
        if let Ok(documents) = parse::<Typed>(&text) {
            for document in documents {
                self.take_typed(&path, document);
            }
            return;
        }
        match parse::<Loose>(&text) {
            Ok(documents) => {
                for document in documents {
                    self.take_loose(&path, document, problems);
                }
            }
            Err(error) => {
                let (line, sentence) = say(&error);
                whole(line, sentence);
            }
        }
    }

    fn take_typed(&mut self, file: &Arc<Path>, document: Typed) {
        for cluster in document.clusters.into_iter().flatten() {
            let line = cluster.referenced.line();
            let NamedCluster { name, cluster, .. } = cluster.value;
            self.cluster(file, line, name, Ok(cluster.unwrap_or_default()));
        }
        for user in document.users.into_iter().flatten() {
            let line = user.referenced.line();
            let NamedAuthInfo {
                name, auth_info, ..
            } = user.value;
            self.user(file, line, name, Ok(auth_info.unwrap_or_default()));
        }
        for context in document.contexts.into_iter().flatten() {
            let line = context.referenced.line();
            let NamedContext { name, context, .. } = context.value;
            let context = context.ok_or_else(|| "says nothing but its name".to_owned());
            self.context(file, line, name, context);
        }
        if let Some(current) = document.current {
            self.current(file, current.referenced.line(), current.value);
        }
    }

    fn take_loose(&mut self, file: &Arc<Path>, document: Loose, problems: &mut Vec<Problem>) {
        let mut nameless = |line: u64, what: &str| {
            problems.push(Problem {
                file: file.to_path_buf(),
                line: Some(line),
                context: None,
                sentence: format!("{what} without a name was left out"),
            });
        };
        for item in document.clusters.into_iter().flatten() {
            let line = item.referenced.line();
            match named(&item.value) {
                Some(name) => self.cluster(file, line, name, inner(item.value, "cluster")),
                None => nameless(line, "a cluster"),
            }
        }
        for item in document.users.into_iter().flatten() {
            let line = item.referenced.line();
            match named(&item.value) {
                Some(name) => self.user(file, line, name, inner(item.value, "user")),
                None => nameless(line, "a user"),
            }
        }
        for item in document.contexts.into_iter().flatten() {
            let line = item.referenced.line();
            match named(&item.value) {
                Some(name) => self.context(file, line, name, inner(item.value, "context")),
                None => nameless(line, "a context"),
            }
        }
        if let Some(current) = document.current
            && let Some(name) = scalar(&current.value)
        {
            self.current(file, current.referenced.line(), name);
        }
    }

    fn cluster(
        &mut self,
        file: &Arc<Path>,
        line: u64,
        name: String,
        cluster: Result<Cluster, String>,
    ) {
        let what = cluster.map(|cluster| settle_cluster(cluster, file));
        self.clusters
            .entry(name)
            .or_insert_with(|| defined(file, line, what));
    }

    fn user(&mut self, file: &Arc<Path>, line: u64, name: String, user: Result<AuthInfo, String>) {
        let what = user.map(|user| settle_user(user, file));
        self.users
            .entry(name)
            .or_insert_with(|| defined(file, line, what));
    }

    fn context(
        &mut self,
        file: &Arc<Path>,
        line: u64,
        name: String,
        context: Result<Context, String>,
    ) {
        if !self.contexts.iter().any(|(known, _)| *known == name) {
            self.contexts.push((name, defined(file, line, context)));
        }
    }

    fn current(&mut self, file: &Arc<Path>, line: u64, name: String) {
        if self.current.is_none() && !name.is_empty() {
            self.current = Some(defined(file, line, name));
        }
    }

    /// Joins contexts with their clusters and users.
    pub(super) fn finish(
        self,
        files: &[PathBuf],
        problems: &mut Vec<Problem>,
    ) -> (Option<String>, Vec<Entry>) {
        let origin: Arc<[PathBuf]> = Arc::from(files);
        let Merged {
            current,
            clusters,
            users,
            contexts,
        } = self;
        let mut entries = Vec::new();
        for (name, context) in contexts {
            let joined = match &context.what {
                Ok(context) => join(context, &clusters, &users),
                Err(why) => Err(why.clone()),
            };
            let namespace = context.what.ok().and_then(|context| context.namespace);
            let way = joined.map_err(|why| {
                problems.push(Problem {
                    file: context.file.to_path_buf(),
                    line: Some(context.line),
                    context: Some(name.clone()),
                    sentence: format!("{why}; it cannot be opened"),
                });
                Fault::new(FaultKind::Unusable, format!("kubeconfig: {why}")).with_hint(format!(
                    "mend the context in {}, line {}",
                    context.file.display(),
                    context.line
                ))
            });
            entries.push(Entry {
                id: ContextId::new(&name),
                namespace: nonempty(namespace).map(Arc::from),
                way,
                origin: origin.clone(),
            });
        }
        let current = current.and_then(|current| {
            let known = |name: &str| entries.iter().any(|entry| entry.id.as_str() == name);
            if known(&current.what) {
                return Some(current.what);
            }
            problems.push(Problem {
                file: current.file.to_path_buf(),
                line: Some(current.line),
                context: None,
                sentence: format!(
                    "the current context is {:?}, which no file defines",
                    current.what
                ),
            });
            None
        });
        (current, entries)
    }
}

fn defined<T>(file: &Arc<Path>, line: u64, what: T) -> Defined<T> {
    Defined {
        file: file.clone(),
        line,
        what,
    }
}

fn join(
    context: &Context,
    clusters: &BTreeMap<String, Defined<Result<Cluster, String>>>,
    users: &BTreeMap<String, Defined<Result<AuthInfo, String>>>,
) -> Result<Way, String> {
    let at = |file: &Path, line: u64| format!("({}, line {line})", file.display());
    let cluster_name = &context.cluster;
    let cluster = match clusters.get(cluster_name) {
        None if cluster_name.is_empty() => Err("names no cluster".to_owned()),
        None => Err(format!(
            "names the cluster {cluster_name:?}, which no file defines"
        )),
        Some(Defined { file, line, what }) => match what {
            Err(why) => Err(format!(
                "names the cluster {cluster_name:?}, which is broken {}: {why}",
                at(file, *line)
            )),
            Ok(cluster) if cluster.server.is_none() => Err(format!(
                "names the cluster {cluster_name:?}, which has no server {}",
                at(file, *line)
            )),
            Ok(cluster) => Ok(cluster.clone()),
        },
    }?;
    let user = match nonempty(context.user.clone()) {
        None => AuthInfo::default(),
        Some(user_name) => match users.get(&user_name) {
            None => {
                return Err(format!(
                    "names the user {user_name:?}, which no file defines"
                ));
            }
            Some(Defined { file, line, what }) => what.clone().map_err(|why| {
                format!(
                    "names the user {user_name:?}, which is broken {}: {why}",
                    at(file, *line)
                )
            })?,
        },
    };
    Ok(Way::Kubeconfig {
        cluster: Box::new(cluster),
        user: Box::new(user),
    })
}

fn nonempty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// Empty texts are absent (written so by many tools), and relative paths start at the file's directory.
fn settle_cluster(mut cluster: Cluster, file: &Path) -> Cluster {
    cluster.server = nonempty(cluster.server);
    cluster.certificate_authority =
        nonempty(cluster.certificate_authority).map(|path| beside(file, path));
    cluster.certificate_authority_data = nonempty(cluster.certificate_authority_data);
    cluster.proxy_url = nonempty(cluster.proxy_url);
    cluster.tls_server_name = nonempty(cluster.tls_server_name);
    cluster
}

fn settle_user(mut user: AuthInfo, file: &Path) -> AuthInfo {
    use secrecy::ExposeSecret;
    let said = |secret: &secrecy::SecretString| !secret.expose_secret().is_empty();
    user.username = nonempty(user.username);
    user.token = user.token.filter(said);
    user.password = user.password.filter(said);
    user.token_file = nonempty(user.token_file).map(|path| beside(file, path));
    user.client_certificate = nonempty(user.client_certificate).map(|path| beside(file, path));
    user.client_certificate_data = nonempty(user.client_certificate_data);
    user.client_key = nonempty(user.client_key).map(|path| beside(file, path));
    user.client_key_data = user.client_key_data.filter(said);
    user.impersonate = nonempty(user.impersonate);
    user.impersonate_uid = nonempty(user.impersonate_uid);
    if let Some(exec) = &mut user.exec {
        // A bare command is looked for in PATH; only one with a directory is relative to the file.
        exec.command = nonempty(exec.command.take()).map(|command| {
            if command.contains(std::path::MAIN_SEPARATOR) {
                beside(file, command)
            } else {
                command
            }
        });
        exec.install_hint = nonempty(exec.install_hint.take());
    }
    user
}

fn beside(file: &Path, path: String) -> String {
    if Path::new(&path).is_absolute() {
        return path;
    }
    let directory = file.parent().unwrap_or(Path::new(""));
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    directory.join(&path).to_string_lossy().into_owned()
}

/// `name` of an entry of any shape.
fn named(item: &Value) -> Option<String> {
    item.get("name")
        .and_then(scalar)
        .filter(|name| !name.is_empty())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// The part of an entry under `key`. The error names the shape that was wrong, never the value.
fn inner<T: DeserializeOwned + Default>(mut item: Value, key: &str) -> Result<T, String> {
    let Some(part) = item.get_mut(key).map(Value::take) else {
        return Ok(T::default());
    };
    if part.is_null() {
        return Ok(T::default());
    }
    let Value::Object(fields) = part else {
        return Err(format!("its {key} is not a mapping"));
    };
    let odd = fields
        .iter()
        .find(|(field, value)| {
            let mut alone = serde_json::Map::new();
            alone.insert((*field).clone(), (*value).clone());
            // Fields that are required but not this one fail too: the whole decides whether it is a problem.
            serde_json::from_value::<T>(Value::Object(alone)).is_err()
        })
        .map(|(field, _)| field.clone());
    serde_json::from_value(Value::Object(fields)).map_err(|_| match odd {
        Some(field) => format!("its field {field:?} is not of the shape that kubeconfig wants"),
        None => "a field that kubeconfig requires is missing".to_owned(),
    })
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        // kubectl takes the last of several equal keys; refusing the file would hide its contexts.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    let documents: Vec<Option<T>> = serde_saphyr::from_multiple_with_options(text, options)?;
    Ok(documents.into_iter().flatten().collect())
}

/// Line and sentence for a file that cannot be parsed. Only the scanner's own words are repeated: other messages
/// can quote a value.
fn say(error: &serde_saphyr::Error) -> (Option<u64>, String) {
    let error = error.without_snippet();
    let place = error
        .location()
        .map(|at| (at.line(), at.column()))
        .filter(|(line, _)| *line > 0);
    let why = match error {
        serde_saphyr::Error::ExternalMessage { msg, .. } => format!("is not YAML: {msg}"),
        serde_saphyr::Error::Eof { .. } => "is not YAML: it ends too early".to_owned(),
        _ => "is not a kubeconfig: something here has another shape than it wants".to_owned(),
    };
    let sentence = match place {
        Some((_, column)) => format!("column {column}: {why}; none of its contexts can be used"),
        None => format!("{why}; none of its contexts can be used"),
    };
    (place.map(|(line, _)| line), sentence)
}

/// Text of a file in UTF-8 or, with a byte order mark, UTF-16 (as PowerShell writes it).
fn decode_text(bytes: &[u8]) -> Option<String> {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = rest.chunks_exact(2);
        let units = units.filter_map(|pair| pair.try_into().ok().map(unit));
        String::from_utf16(&units.collect::<Vec<_>>()).ok()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}
