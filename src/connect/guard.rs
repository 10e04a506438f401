//! The read-only guard: whatever is sent to an API server through a client of ours passes here, and what could change
//! anything is stopped before it leaves. No other room can get around it by mistake.
//!
//! Reads pass; and of what Kubernetes spells `create`, only questions about one's own rights and port-forwards, which
//! change nothing. Of what reaches into a pod, only the two pages of an admin port, one command that asks an engine, and one that lists a
//! folder, word by word.
//! What is sent as a dry run changes nothing either. Anything else needs a [`Pass`] for just this request, which a context's
//! latch gives out only while it is open.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Method, Request};
use kube::client::Body;
use thiserror::Error;
use tower::{BoxError, Layer, Service};

use super::exec::{INFO, LISTING, is_folder};
use super::latch::Pass;

/// A request that was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("nobody allowed this change: {method} {path} was stopped before it was sent")]
pub struct Stopped {
    method: String,
    path: String,
}

/// Puts the guard before a service.
#[derive(Debug, Clone, Copy)]
pub struct ReadOnly;

impl<S> Layer<S> for ReadOnly {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner }
    }
}

/// A service behind the guard.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let query = request.uri().query();
        let pass = request.extensions().get::<Pass>();
        let is_allowed = is_read(request.method(), path, query)
            || is_dry(request.method(), path, query, is_bare(request.body()))
            || pass.is_some_and(|pass| pass.fits(request.method(), request.uri()));
        if !is_allowed {
            let stopped = Stopped {
                method: request.method().to_string(),
                path: path.to_owned(),
            };
            let refused: Ready<Result<S::Response, BoxError>> = ready(Err(stopped.into()));
            return Box::pin(refused);
        }
        let answer = self.inner.call(request);
        Box::pin(async move { answer.await.map_err(Into::into) })
    }
}

/// Whether the API server is asked only to tell what a change would come to. A write that is proxied elsewhere is no dry run,
/// whatever it says. A deletion is one only without a body: options in it count instead of those of the query.
fn is_dry(method: &Method, path: &str, query: Option<&str>, bare: bool) -> bool {
    let is_change = matches!(
        *method,
        Method::POST | Method::PATCH | Method::PUT | Method::DELETE
    );
    let mut parts = path.split('/');
    let reaches_in = parts.any(|part| matches!(part, "proxy" | "exec" | "attach" | "portforward"));
    let dry = query
        .unwrap_or_default()
        .split('&')
        .any(|pair| pair == "dryRun=All");
    is_change && dry && !reaches_in && (bare || *method != Method::DELETE)
}

/// Nothing goes with it.
fn is_bare(body: &Body) -> bool {
    hyper::body::Body::size_hint(body).exact() == Some(0)
}

/// Whether a request can change nothing.
fn is_read(method: &Method, path: &str, query: Option<&str>) -> bool {
    const QUESTIONS: &[&str] = &[
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    ];
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let subresource = match parts.as_slice() {
        [.., "namespaces", _, "pods" | "services", _, subresource] => Some(*subresource),
        // `pods/NAME/proxy/...` goes on for as long as the other side's path.
        [.., "namespaces", _, "pods" | "services", _, "proxy", _] => Some("proxy"),
        _ => None,
    };
    let reaches_in = parts.contains(&"proxy")
        || matches!(subresource, Some("exec" | "attach" | "ephemeralcontainers"));
    match *method {
        // A WebSocket is opened with GET, whatever runs over it then.
        Method::GET if is_measurement(&parts) => true,
        Method::GET if subresource == Some("exec") => is_question(query.unwrap_or_default()),
        Method::GET if is_page(&parts) || is_metrics_query(&parts) => true,
        Method::GET | Method::HEAD | Method::OPTIONS => !reaches_in,
        Method::POST => subresource == Some("portforward") || QUESTIONS.contains(&path),
        _ => false,
    }
}

/// What a kubelet measured of its pods, through the API server's proxy to the machine.
fn is_measurement(parts: &[&str]) -> bool {
    matches!(
        parts,
        ["api", "v1", "nodes", _, "proxy", "stats", "summary"]
    )
}

/// One of the two pages of a Dragonfly's admin port, through the API server's proxy to the pod.
fn is_page(parts: &[&str]) -> bool {
    let [
        "api",
        "v1",
        "namespaces",
        _,
        "pods",
        pod,
        "proxy",
        "metrics" | "healthz",
    ] = parts
    else {
        return false;
    };
    pod.ends_with(":9999")
}

/// A question to a metrics store behind a Service: one of the paths that only tell. Others of that API delete series, and
/// some stores take that by GET.
fn is_metrics_query(parts: &[&str]) -> bool {
    let [
        "api",
        "v1",
        "namespaces",
        _,
        "services",
        _,
        "proxy",
        prefix @ ..,
        "api",
        "v1",
        "query" | "rules" | "alerts",
    ] = parts
    else {
        return false;
    };
    // Nothing that a server in between could read as another path.
    prefix.len() <= 8 && prefix.iter().all(|part| is_plain(part))
}

fn is_plain(part: &str) -> bool {
    !matches!(part, "." | "..")
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte))
}

/// A run of one of the two commands that only ask, with nothing typed into it.
fn is_question(query: &str) -> bool {
    let pairs = || query.split('&').filter_map(|pair| pair.split_once('='));
    let command: Vec<&str> = pairs()
        .filter(|(key, _)| *key == "command")
        .map(|(_, word)| word)
        .collect();
    let typed = pairs().any(|(key, value)| matches!(key, "stdin" | "tty") && value != "false");
    let lists = match command.as_slice() {
        [words @ .., folder] => {
            // Of what a path is written with here, the slash alone is escaped in a query.
            words == LISTING && is_folder(&folder.replace("%2F", "/"))
        }
        [] => false,
    };
    (command == INFO || lists) && !typed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_what_changes_nothing_passes() {
        for (method, path, wanted) in [
            ("GET", "/version", true),
            ("GET", "/api/v1/pods", true),
            ("GET", "/api/v1/namespaces/shop/pods/a/log", true),
            ("GET", "/api/v1/namespaces/shop/pods/a/portforward", true),
            ("POST", "/api/v1/namespaces/shop/pods/a/portforward", true),
            ("GET", "/api/v1/namespaces/shop/pods/a/exec", false),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/a/exec?command=redis-cli&command=-p&command=9999&command=INFO&command=ALL&stdout=true",
                true,
            ),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/a/exec?command=redis-cli&command=-p&command=9999&command=FLUSHALL",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/a/exec?command=redis-cli&command=-p&command=9999&command=INFO&command=ALL&stdin=true",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/a/exec?command=sh",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/a/exec?command=ls&command=-A&command=--full-time&command=%2Fdragonfly%2Fsnapshots&stdout=true",
                true,
            ),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/a/exec?command=ls&command=-A&command=--full-time",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/a/exec?command=ls&command=-A&command=--full-time&command=%2Fa&command=%2Fb",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/a/exec?command=ls&command=-A&command=--full-time&command=-R",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/a/exec?command=ls&command=-A&command=--full-time&command=%2Fa%2F..%2Fb",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/a/exec?command=ls&command=-A&command=--full-time&command=%2Fa%3Brm",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/a/exec?command=ls&command=-A&command=--full-time&command=%2Fa&tty=true",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/a/exec?command=rm&command=-A&command=--full-time&command=%2Fa",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/a:9999/proxy/metrics",
                true,
            ),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/a:9999/proxy/healthz",
                true,
            ),
            (
                "POST",
                "/api/v1/namespaces/shop/pods/a:9999/proxy/metrics",
                false,
            ),
            ("GET", "/api/v1/namespaces/shop/pods/a:9999/proxy/", false),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/a:8080/proxy/metrics",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/shop/services/a:9999/proxy/metrics",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/vm/services/vmsingle:8428/proxy/api/v1/query?query=up",
                true,
            ),
            (
                "GET",
                "/api/v1/namespaces/vm/services/http:vmselect:8481/proxy/select/0/prometheus/api/v1/rules",
                true,
            ),
            (
                "GET",
                "/api/v1/namespaces/vm/services/vmsingle:8428/proxy/api/v1/alerts",
                true,
            ),
            (
                "POST",
                "/api/v1/namespaces/vm/services/vmsingle:8428/proxy/api/v1/query",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/vm/services/vmsingle:8428/proxy/api/v1/admin/tsdb/delete_series",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/vm/services/vmsingle:8428/proxy/a/../api/v1/query",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/vm/services/vmsingle:8428/proxy/%2e%2e/api/v1/query",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/vm/services/vmsingle:8428/proxy/-/reload",
                false,
            ),
            (
                "GET",
                "/api/v1/namespaces/vm/pods/vmsingle-0:8428/proxy/api/v1/query",
                false,
            ),
            ("GET", "/api/v1/nodes/a:9999/proxy/metrics", false),
            ("POST", "/api/v1/namespaces/shop/pods/a/exec", false),
            ("GET", "/api/v1/namespaces/shop/pods/a/attach", false),
            ("GET", "/api/v1/namespaces/shop/pods/a/proxy/x/y", false),
            ("GET", "/api/v1/nodes/m/proxy/stats/summary", true),
            ("POST", "/api/v1/nodes/m/proxy/stats/summary", false),
            ("GET", "/api/v1/nodes/m/proxy/run/shop/a/dragonfly", false),
            ("GET", "/api/v1/nodes/m/proxy/stats/summary/x", false),
            (
                "POST",
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                true,
            ),
            ("POST", "/api/v1/namespaces/shop/pods", false),
            ("POST", "/api/v1/namespaces/shop/pods/a/eviction", false),
            ("PATCH", "/api/v1/namespaces/shop/pods/a", false),
            ("PUT", "/api/v1/namespaces/shop/pods/a", false),
            ("DELETE", "/api/v1/namespaces/shop/pods/a", false),
            ("DELETE", "/api/v1/namespaces/shop/pods/portforward", false),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let (bare, query) = match path.split_once('?') {
                Some((bare, query)) => (bare, Some(query)),
                None => (path, None),
            };
            assert_eq!(is_read(&method, bare, query), wanted, "{method} {path}");
        }
    }

    #[test]
    fn a_dry_run_passes_and_nothing_that_only_says_so() {
        for (method, path, query, wanted) in [
            (
                "DELETE",
                "/api/v1/namespaces/a/pods/b",
                Some("dryRun=All"),
                true,
            ),
            (
                "PATCH",
                "/api/v1/namespaces/a/pods/b",
                Some("x=y&dryRun=All"),
                true,
            ),
            (
                "POST",
                "/api/v1/namespaces/a/pods/b/eviction",
                Some("dryRun=All"),
                true,
            ),
            (
                "DELETE",
                "/api/v1/namespaces/a/pods/b",
                Some("dryRun=Al"),
                false,
            ),
            ("DELETE", "/api/v1/namespaces/a/pods/b", None, false),
            (
                "POST",
                "/api/v1/namespaces/a/services/b/proxy/x",
                Some("dryRun=All"),
                false,
            ),
            (
                "POST",
                "/api/v1/namespaces/a/pods/b/exec",
                Some("dryRun=All"),
                false,
            ),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(
                is_dry(&method, path, query, true),
                wanted,
                "{method} {path} {query:?}"
            );
            // What an API server would take for the deletion itself.
            let with_body = wanted && method != Method::DELETE;
            assert_eq!(
                is_dry(&method, path, query, false),
                with_body,
                "{method} {path}"
            );
        }
    }

    #[tokio::test]
    async fn a_stopped_request_never_reaches_the_server() {
        let inner = Counting::default();
        let sent = inner.sent.clone();
        let mut guarded = ReadOnly.layer(inner);
        for (method, wanted) in [("GET", Ok(())), ("DELETE", Err(()))] {
            let request = Request::builder()
                .method(method)
                .uri("/api/v1/namespaces/shop/pods/a")
                .body(Body::empty())
                .unwrap();
            let answer = guarded.call(request).await;
            if let Err(error) = &answer {
                assert_eq!(
                    error.to_string(),
                    "nobody allowed this change: DELETE /api/v1/namespaces/shop/pods/a was stopped before it was sent"
                );
            }
            assert_eq!(answer.map_err(drop), wanted);
        }
        assert_eq!(sent.load(std::sync::atomic::Ordering::Relaxed), 1);
    }

    #[derive(Default)]
    struct Counting {
        sent: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    }

    impl Service<Request<Body>> for Counting {
        type Response = ();
        type Error = BoxError;
        type Future = Ready<Result<(), BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            self.sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            ready(Ok(()))
        }
    }
}
