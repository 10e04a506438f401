//! What a kubelet answers on its own port, as a real API server asks it: logs, port-forward over WebSocket, measurements,
//! its pods. The words and the ways are those that the lab's API server has for the same requests.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use super::access::User;
use super::call::{Call, Heads, Query, decode};
use super::reply::{self, Reply};
use super::{BOOKMARKS, Desk, Faults, Rights, forward, logs};
use crate::lab::kubelet_api::Kubelet;
use crate::lab::resources::PODS;
use crate::lab::status::Status;
use crate::lab::store::Store;

/// What a kubelet's port is answered from.
#[derive(Clone)]
pub(in crate::lab) struct Port(Arc<Desk>);

/// What a path of a kubelet means.
#[derive(Debug, PartialEq)]
enum Way {
    Healthy,
    Pods,
    Summary,
    /// Namespace, pod, container.
    Logs(String, String, String),
    /// Namespace and pod.
    Forward(String, String),
    Nowhere,
}

impl Port {
    pub(in crate::lab) fn new(store: Store, kubelet: Arc<dyn Kubelet>) -> Self {
        Self(Arc::new(Desk {
            store,
            kubelet,
            rights: Rights::default(),
            faults: Faults::default(),
            bookmarks: BOOKMARKS,
        }))
    }

    /// Answers on one connection to the kubelet of a machine, until it ends.
    pub(in crate::lab) async fn serve<S>(self, node: String, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(move |request| {
            let (port, node) = (self.clone(), node.clone());
            async move { Ok::<_, Infallible>(port.answer(&node, request).await) }
        });
        // A broken connection is the API server's to notice.
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await;
    }

    async fn answer(&self, node: &str, mut request: Request<Incoming>) -> Reply {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let reads = [Method::GET, Method::HEAD].contains(request.method());
        let answered = match way(request.uri().path()) {
            Way::Healthy => Ok(reply::text(200, "ok")),
            Way::Pods if reads => self.pods(node),
            Way::Summary => match self.0.kubelet.stats(node).await {
                Some(summary) => Ok(reply::json(200, &summary)),
                None => Err(Status::unavailable("the machine does not answer")),
            },
            Way::Logs(namespace, pod, container) if reads => {
                let query = format!("container={container}&{query}");
                let call = self.call(&request, &namespace, &pod, "log", &query);
                match call {
                    Ok(call) => logs::answer(&self.0, &call).await,
                    Err(status) => Err(status),
                }
            }
            Way::Forward(namespace, pod) => {
                let query = ports(&query);
                let call = self.call(&request, &namespace, &pod, "portforward", &query);
                match call {
                    Ok(call) => forward::answer(&self.0, call, &mut request).await,
                    Err(status) => Err(status),
                }
            }
            _ => Err(Status::no_such_resource()),
        };
        // A kubelet has plain sentences, which the API server hands on.
        answered.unwrap_or_else(|status| reply::text(status.code, status.message))
    }

    fn pods(&self, node: &str) -> Result<Reply, Status> {
        let listed = self.0.store.list(PODS, None)?;
        let here = listed.items.iter();
        let here = here.filter(|pod| pod.field("spec.nodeName") == Some(node));
        let items: Vec<Value> = here.map(|pod| pod.value()).collect();
        let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items});
        Ok(reply::json(200, &list))
    }

    fn call(
        &self,
        request: &Request<Incoming>,
        namespace: &str,
        pod: &str,
        subresource: &str,
        query: &str,
    ) -> Result<Call, Status> {
        let resource = self.0.store.resource(PODS);
        Ok(Call {
            user: User {
                name: "kube-apiserver".to_owned(),
                groups: Vec::new(),
            },
            verb: "get",
            resource: resource.ok_or_else(Status::no_such_resource)?,
            namespace: namespace.to_owned(),
            name: pod.to_owned(),
            subresource: subresource.to_owned(),
            rest: String::new(),
            query: Query::parse(query),
            heads: Heads::read(request.headers()),
        })
    }
}

fn way(path: &str) -> Way {
    let parts: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| decode(part, false))
        .collect();
    let words: Vec<&str> = parts.iter().map(String::as_str).collect();
    let own = |text: &str| text.to_owned();
    match words.as_slice() {
        ["healthz", ..] => Way::Healthy,
        ["pods"] => Way::Pods,
        ["stats", "summary"] => Way::Summary,
        ["containerLogs", namespace, pod, container] => {
            Way::Logs(own(namespace), own(pod), own(container))
        }
        ["portForward", namespace, pod] | ["portForward", namespace, pod, _] => {
            Way::Forward(own(namespace), own(pod))
        }
        _ => Way::Nowhere,
    }
}

/// An API server asks a kubelet for `port`, a client asks an API server for `ports`.
fn ports(query: &str) -> String {
    let query = Query::parse(query);
    let all: Vec<String> = ["port", "ports"]
        .iter()
        .flat_map(|key| query.all(key))
        .map(|ports| format!("ports={ports}"))
        .collect();
    all.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_kubelet_are_understood() {
        let own = |text: &str| text.to_owned();
        let table = [
            ("/healthz", Way::Healthy),
            ("/pods/", Way::Pods),
            ("/stats/summary", Way::Summary),
            (
                "/containerLogs/a/b/c",
                Way::Logs(own("a"), own("b"), own("c")),
            ),
            ("/portForward/a/b", Way::Forward(own("a"), own("b"))),
            ("/portForward/a/b/uid", Way::Forward(own("a"), own("b"))),
            ("/exec/a/b/c", Way::Nowhere),
        ];
        for (path, wanted) in table {
            assert_eq!(way(path), wanted, "{path}");
        }
        assert_eq!(ports("port=9999%2C6379"), "ports=9999,6379");
        assert_eq!(ports("port=1&port=2"), "ports=1&ports=2");
    }
}
