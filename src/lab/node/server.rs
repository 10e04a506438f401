//! The real API server, over HTTP.

use std::io;
use std::path::Path;
use std::time::Duration;

use futures::{AsyncBufReadExt, Stream};
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{Method, Request};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use tower::Layer;
use tower::util::MapErr;

use crate::lab::json::{is_true, set, text};
use crate::lab::resources::Resource;

/// How long an answer may take; a server that is stopped gives none.
const PATIENCE: Duration = Duration::from_secs(15);
/// Who asks, for the audit log.
const AGENT: &str = concat!("darner-lab-node/", env!("CARGO_PKG_VERSION"));
/// A patch of RFC 7386.
pub(super) const MERGE: &str = "application/merge-patch+json";
/// Anything else that is sent.
pub(super) const JSON: &str = "application/json";

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Trouble {
    /// The server says no.
    Refused {
        /// HTTP status code.
        code: u16,
        /// Its words.
        message: String,
    },
    /// There is no answer.
    Unreached(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { code, message } => write!(f, "{message} ({code})"),
            Self::Unreached(why) => write!(f, "the API server does not answer: {why}"),
        }
    }
}

impl Trouble {
    /// The status code; 0 without an answer.
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::Refused { code, .. } => *code,
            Self::Unreached(_) => 0,
        }
    }

    /// Whether the same request may do later: nobody has judged it. A server that has just been started does not know
    /// the rights of people yet, so a right that is missing may be there in a moment.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Unreached(_) => true,
            Self::Refused { code: 403, message } => message.contains(" cannot "),
            Self::Refused { code, .. } => matches!(code, 429 | 500..),
        }
    }
}

impl From<kube::Error> for Trouble {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused {
                code: status.code,
                message: status.message,
            },
            other => Self::Unreached(other.to_string()),
        }
    }
}

/// A client whose connections send at once, as those of Go do. The library's own hold a request's body back until its head
/// is acknowledged, which takes the other side up to 40 ms: whatever is played here would be slower than the original.
fn prompt(config: &Config) -> Result<Client, kube::Error> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(config.connect_timeout);
    let https = config.rustls_https_connector_with_connector(http)?;
    let pool = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    let service = MapErr::new(
        pool.build::<_, kube::client::Body>(https),
        tower::BoxError::from,
    );
    let namespace = config.default_namespace.clone();
    let base = config.base_uri_layer();
    Ok(match config.auth_layer()? {
        Some(auth) => Client::new(base.layer(auth.layer(service)), namespace),
        None => Client::new(base.layer(service), namespace),
    })
}

/// A way to the API server of one context.
#[derive(Clone)]
pub(super) struct Server(Client);

impl Server {
    /// Reads a kubeconfig; nothing is asked yet. Without a context its current one is taken.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the file.
    pub(super) async fn open(file: &Path, context: Option<&str>) -> Result<Self, String> {
        let of = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let kubeconfig = Kubeconfig::read_from(file).map_err(|error| of(&error))?;
        let options = KubeConfigOptions {
            context: context.map(str::to_owned),
            ..KubeConfigOptions::default()
        };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config.map_err(|error| of(&error))?;
        // What is to be tried again is decided here, by what it is.
        config.default_retry = false;
        config.connect_timeout = Some(Duration::from_secs(5));
        Ok(Self(prompt(&config).map_err(|error| of(&error))?))
    }

    /// Asks; the answer is an object.
    ///
    /// # Errors
    /// When the server refuses or does not answer.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Option<&Value>,
    ) -> Result<Value, Trouble> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, JSON)
            .header(CONTENT_TYPE, kind)
            .body(body.into_bytes())
            .map_err(|error| Trouble::Unreached(error.to_string()))?;
        let answer = tokio::time::timeout(PATIENCE, self.0.request_text(request)).await;
        let answer = answer.map_err(|_| Trouble::Unreached("no answer in 15 s".into()))??;
        serde_json::from_str(&answer).map_err(|error| Trouble::Unreached(error.to_string()))
    }

    /// Reads an object.
    ///
    /// # Errors
    /// As [`Server::call`].
    pub(super) async fn get(&self, path: &str) -> Result<Value, Trouble> {
        self.call(Method::GET, path, JSON, None).await
    }

    /// Makes an object, unless there is one of that name; whether it was made.
    ///
    /// # Errors
    /// As [`Server::call`].
    pub(super) async fn ensure(&self, path: &str, object: &Value) -> Result<bool, Trouble> {
        match self.call(Method::POST, path, JSON, Some(object)).await {
            Ok(_) => Ok(true),
            Err(trouble) if trouble.code() == 409 => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// Reads a whole list, page by page; the version that it was true at comes with it.
    ///
    /// # Errors
    /// As [`Server::call`]; 410 when it took too long.
    pub(super) async fn list(&self, path: &str) -> Result<(Vec<Value>, String), Trouble> {
        let mut all = Vec::new();
        let mut next = String::new();
        let join = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = format!("{path}{join}limit=500{next}");
            let mut answer = self.get(&page).await?;
            if let Some(Value::Array(items)) = answer.get_mut("items").map(Value::take) {
                all.extend(items);
            }
            let version = text(&answer, "/metadata/resourceVersion").to_owned();
            match text(&answer, "/metadata/continue") {
                "" => return Ok((all, version)),
                token => next = format!("&continue={}", encoded(token)),
            }
        }
    }

    /// Follows a list from a version on: a line of JSON each.
    ///
    /// # Errors
    /// As [`Server::call`].
    pub(super) async fn watch(
        &self,
        path: &str,
        version: &str,
    ) -> Result<impl Stream<Item = io::Result<String>> + use<>, Trouble> {
        let join = if path.contains('?') { '&' } else { '?' };
        let path = format!(
            "{path}{join}watch=true&allowWatchBookmarks=true&timeoutSeconds=290&resourceVersion={version}"
        );
        let request = Request::get(path)
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, JSON)
            .body(Vec::new())
            .map_err(|error| Trouble::Unreached(error.to_string()))?;
        let answer = tokio::time::timeout(PATIENCE, self.0.request_stream(request)).await;
        let answer = answer.map_err(|_| Trouble::Unreached("no answer in 15 s".into()))??;
        Ok(Box::pin(answer).lines())
    }
}

/// What may stand in a query: the tokens of lists are base64.
fn encoded(token: &str) -> String {
    let mut out = String::with_capacity(token.len());
    for byte in token.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Where objects of a kind are, all of them or one with what is below it.
pub(super) fn path(resource: &Resource, namespace: &str, name: &str, below: &str) -> String {
    let mut path = match resource.group.as_ref() {
        "" => format!("/api/{}", resource.version),
        group => format!("/apis/{group}/{}", resource.version),
    };
    if resource.namespaced && !namespace.is_empty() {
        path.push_str("/namespaces/");
        path.push_str(namespace);
    }
    path.push('/');
    path.push_str(&resource.plural);
    for step in [name, below].into_iter().filter(|step| !step.is_empty()) {
        path.push('/');
        path.push_str(step);
    }
    path
}

/// Gives an item of a list the kind that it does not name itself.
pub(super) fn named(mut object: Value, resource: &Resource) -> Value {
    set(&mut object, &["apiVersion"], resource.api_version().into());
    set(&mut object, &["kind"], resource.kind.as_ref().into());
    object
}

/// What an event of a watch says.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// An object as it is now.
    Is(Value),
    /// The last state of one that is gone.
    Gone(Value),
    /// Everything up to this version has been told.
    UpTo(String),
    /// The watch must begin with a list again.
    Expired,
    /// Something else that ends it.
    Broken,
}

/// Reads one line of a watch.
pub(super) fn heard(line: &str) -> Heard {
    let Ok(mut event) = serde_json::from_str::<Value>(line) else {
        return Heard::Broken;
    };
    let object = event.get_mut("object").map(Value::take).unwrap_or_default();
    match text(&event, "/type") {
        "ADDED" | "MODIFIED" => Heard::Is(object),
        "DELETED" => Heard::Gone(object),
        "BOOKMARK" => Heard::UpTo(text(&object, "/metadata/resourceVersion").to_owned()),
        "ERROR" if object.get("code").and_then(Value::as_u64) == Some(410) => Heard::Expired,
        _ => Heard::Broken,
    }
}

/// Whether a storage class is the one of claims that name none.
pub(super) fn is_default_class(class: &Value) -> bool {
    let annotation = "/metadata/annotations/storageclass.kubernetes.io~1is-default-class";
    text(class, annotation) == "true" || is_true(class, annotation)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lab::resources::{NODES, PODS, STATEFUL_SETS, built_in};
    use serde_json::json;

    #[test]
    fn paths_are_those_of_the_api() {
        let of = |what| {
            let mut all = built_in().into_iter();
            all.find(|resource| resource.id() == what).unwrap()
        };
        assert_eq!(path(&of(PODS), "", "", ""), "/api/v1/pods");
        assert_eq!(
            path(&of(PODS), "a", "b", "status"),
            "/api/v1/namespaces/a/pods/b/status"
        );
        assert_eq!(path(&of(NODES), "", "n", ""), "/api/v1/nodes/n");
        assert_eq!(
            path(&of(STATEFUL_SETS), "a", "s", ""),
            "/apis/apps/v1/namespaces/a/statefulsets/s"
        );
        assert_eq!(encoded("a+/="), "a%2B%2F%3D");
    }

    #[test]
    fn what_nobody_has_judged_passes() {
        let refused = |code, message: &str| Trouble::Refused {
            code,
            message: message.to_owned(),
        };
        let right = "pods \"a\" is forbidden: User \"n\" cannot patch resource \"pods/status\"";
        let ending = "events \"a\" is forbidden: unable to create new content because it is being terminated";
        let table = [
            (Trouble::Unreached("timeout".into()), true),
            (refused(429, ""), true),
            (refused(503, ""), true),
            (refused(403, right), true),
            (refused(403, ending), false),
            (refused(409, ""), false),
            (refused(422, ""), false),
        ];
        for (trouble, passes) in table {
            assert_eq!(trouble.passes(), passes, "{trouble}");
        }
    }

    #[test]
    fn lines_of_a_watch_are_understood() {
        let pod = json!({"metadata": {"name": "p", "resourceVersion": "7"}});
        let line = |kind: &str, object: &Value| json!({"type": kind, "object": object}).to_string();
        let table = [
            (line("ADDED", &pod), Heard::Is(pod.clone())),
            (line("MODIFIED", &pod), Heard::Is(pod.clone())),
            (line("DELETED", &pod), Heard::Gone(pod.clone())),
            (line("BOOKMARK", &pod), Heard::UpTo("7".into())),
            (line("ERROR", &json!({"code": 410})), Heard::Expired),
            (line("ERROR", &json!({"code": 500})), Heard::Broken),
            ("{\"type\":".into(), Heard::Broken),
        ];
        for (line, wanted) in table {
            assert_eq!(heard(&line), wanted, "{line}");
        }
    }
}
