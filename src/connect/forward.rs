//! A port-forward: the API server's WebSocket to one port of one pod, as a stream.
//!
//! One forward is one connection in the pod. It enters the pod's own network namespace, so no NetworkPolicy stands in
//! its way, and the API server needs only the right `pods/portforward`.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Portforwarder;
use kube::{Api, Client};
use tokio::io::DuplexStream;
use tokio::time::timeout;

use super::fault::{self, Asked, Refusal};
use crate::domain::text::one_line;
use crate::domain::{Fault, FaultKind};

/// An open forward. The stream goes to whoever speaks over it; the tether must be kept as long.
pub struct Forward {
    /// Bytes to and from the port.
    pub stream: DuplexStream,
    /// Keeps the forward open.
    pub tether: Tether,
}

/// Holds a forward open, ends it when dropped, and knows what the other end complained of.
pub struct Tether {
    forwarder: Portforwarder,
    complaint: Option<BoxFuture<'static, Option<String>>>,
}

impl Drop for Tether {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

impl Tether {
    /// What the kubelet said about the port when the stream ended early, such as that nothing listens there.
    pub async fn complaint(&mut self) -> Option<Fault> {
        // It arrives with the end of the stream, if at all.
        const SOON: Duration = Duration::from_millis(200);
        let said = timeout(SOON, self.complaint.take()?).await.ok()??;
        let low = said.to_lowercase();
        let fault = if low.contains("connection refused") {
            Fault::new(
                FaultKind::Unreachable,
                "nothing listens on the port in the pod",
            )
        } else {
            Fault::new(
                FaultKind::Refused,
                format!("the port-forward ended: {}", one_line(&said)),
            )
        };
        Some(fault.with_detail(&said))
    }
}

/// Opens a forward.
///
/// # Errors
/// A [`Refusal`]: of kind [`FaultKind::Forbidden`] when the right `pods/portforward` is missing.
pub async fn forward(
    client: &Client,
    namespace: &str,
    pod: &str,
    port: u16,
    deadline: Duration,
) -> Result<Forward, Refusal> {
    // The WebSocket is opened with GET, and from Kubernetes 1.35 on `create` is wanted as well.
    let asked = Asked {
        verb: "get,create",
        resource: "pods/portforward",
        group: "",
        namespace: Some(namespace),
    };
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let opened = timeout(deadline, pods.portforward(pod, &[port])).await;
    let mut forwarder = match opened {
        Ok(Ok(forwarder)) => forwarder,
        Ok(Err(error)) => return Err(fault::of_kube(&error, &asked)),
        Err(_) => {
            return Err(Fault::new(
                FaultKind::Timeout,
                format!("no port-forward within {}", fault::seconds(deadline)),
            )
            .with_hint("the API server may not reach the pod's kubelet")
            .into());
        }
    };
    let stream = forwarder.take_stream(port);
    let complaint = forwarder.take_error(port).map(FutureExt::boxed);
    let tether = Tether {
        forwarder,
        complaint,
    };
    match stream {
        Some(stream) => Ok(Forward { stream, tether }),
        None => Err(Fault::new(FaultKind::Protocol, "the port-forward has no stream").into()),
    }
}
