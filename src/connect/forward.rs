//! A port-forward: the API server's WebSocket to one port of one pod, as a stream.
//!
//! One forward is one connection in the pod. It enters the pod's own network namespace, so no NetworkPolicy stands in
//! its way, and the API server needs only the right `pods/portforward`.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{Sink, Stream};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use k8s_openapi::Resource;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::fault::{self, Asked, Refusal};
use crate::domain::text::one_line;
use crate::domain::{Fault, FaultKind};

/// Bytes read from a WebSocket at a time. The library takes 128 KiB for each connection, and there are hundreds; an
/// engine's answers to all questions are some 6 KiB.
const READ: usize = 4 << 10;
/// Bytes sent in one message.
const CHUNK: usize = 4 << 10;
/// Of one port there are two channels: bytes, and the kubelet's complaint.
const CHANNEL_BYTES: u8 = 0;
const CHANNEL_COMPLAINT: u8 = 1;

/// An open forward. The stream goes to whoever speaks over it; the tether must be kept as long.
pub struct Forward {
    /// Bytes to and from the port.
    pub stream: PortStream,
    /// Knows why it ended.
    pub tether: Tether,
}

/// Knows what the other end complained of. The forward ends when this and the stream are dropped.
pub struct Tether(Arc<Mutex<Socket>>);

impl Tether {
    /// What the kubelet said about the port when the stream ended early, such as that nothing listens there.
    pub async fn complaint(&mut self) -> Option<Fault> {
        // It arrives with the end of the stream, if at all.
        const SOON: Duration = Duration::from_millis(200);
        let complains = std::future::poll_fn(|cx| {
            let mut socket = lock(&self.0);
            loop {
                if let Some(said) = socket.complaint.take() {
                    return Poll::Ready(Some(said));
                }
                match ready!(socket.poll_message(cx)) {
                    Ok(true) => {}
                    Ok(false) | Err(_) => return Poll::Ready(None),
                }
            }
        });
        let said = timeout(SOON, complains).await.ok()??;
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
    let pods =
        kube::core::Request::new(format!("/api/{}/namespaces/{namespace}/pods", Pod::VERSION));
    let request = pods.portforward(pod, &[port]).map_err(|error| {
        Fault::new(FaultKind::Unusable, "the request cannot be written")
            .with_detail(error.to_string())
    })?;
    let opened = timeout(deadline, client.connect(request)).await;
    let connection = match opened {
        Ok(Ok(connection)) => connection,
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
    // Nothing has been read from it yet, so nothing is lost with its large buffer.
    let way = connection.into_stream().into_inner();
    let config = WebSocketConfig::default().read_buffer_size(READ);
    let socket = WebSocketStream::from_raw_socket(way, Role::Client, Some(config)).await;
    let socket = Arc::new(Mutex::new(Socket {
        socket,
        port,
        began: [false; 2],
        bytes: Bytes::new(),
        complaint: None,
    }));
    Ok(Forward {
        stream: PortStream(socket.clone()),
        tether: Tether(socket),
    })
}

/// Bytes to and from a port of a pod. Nothing runs beside it: whoever reads and writes moves the messages.
pub struct PortStream(Arc<Mutex<Socket>>);

/// The WebSocket, and what has been read from it.
struct Socket {
    socket: WebSocketStream<TokioIo<Upgraded>>,
    port: u16,
    /// Which channels have told their port, which each does first.
    began: [bool; 2],
    /// Bytes that nobody has taken yet.
    bytes: Bytes,
    complaint: Option<String>,
}

fn lock(socket: &Mutex<Socket>) -> MutexGuard<'_, Socket> {
    socket.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Socket {
    /// Takes one message in. `false`: there will be none any more.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let message = match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
            Some(Ok(Message::Binary(message))) => message,
            Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(false)),
            Some(Ok(_)) => return Poll::Ready(Ok(true)),
            Some(Err(error)) => return Poll::Ready(ended(error).map(|()| false)),
        };
        Poll::Ready(self.take(message).map(|()| true))
    }

    fn take(&mut self, mut message: Bytes) -> io::Result<()> {
        let odd = |what: String| Err(io::Error::other(format!("port-forward: {what}")));
        let Some(channel) = message.first().copied() else {
            return Ok(());
        };
        let said = message.split_off(1);
        let Some(began) = self.began.get_mut(usize::from(channel)) else {
            return odd(format!("a message on channel {channel}"));
        };
        if !std::mem::replace(began, true) {
            return match <[u8; 2]>::try_from(&*said).map(u16::from_le_bytes) {
                Ok(port) if port == self.port => Ok(()),
                Ok(port) => odd(format!("leads to port {port}")),
                Err(_) => odd("does not tell its port".to_owned()),
            };
        }
        match channel {
            CHANNEL_BYTES => self.bytes = said,
            CHANNEL_COMPLAINT if !said.is_empty() => {
                let said = String::from_utf8_lossy(&said).into_owned();
                self.complaint.get_or_insert(said);
            }
            _ => {}
        }
        Ok(())
    }
}

/// A connection that is closed, in whatever way, has ended; all else is trouble.
fn ended(error: Error) -> io::Result<()> {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_) => Ok(()),
        Error::Io(error) => Err(error),
        other => Err(io::Error::other(other)),
    }
}

impl AsyncRead for PortStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut socket = lock(&self.0);
        while socket.bytes.is_empty() {
            if !ready!(socket.poll_message(cx))? {
                return Poll::Ready(Ok(()));
            }
        }
        let taken = socket.bytes.len().min(buf.remaining());
        buf.put_slice(&socket.bytes.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PortStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut socket = lock(&self.0);
        ready!(Pin::new(&mut socket.socket).poll_ready(cx)).map_err(io::Error::other)?;
        let chunk = buf.get(..CHUNK).unwrap_or(buf);
        let mut message = Vec::with_capacity(chunk.len() + 1);
        message.push(CHANNEL_BYTES);
        message.extend_from_slice(chunk);
        Pin::new(&mut socket.socket)
            .start_send(Message::binary(message))
            .map_err(io::Error::other)?;
        Poll::Ready(Ok(chunk.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = lock(&self.0);
        Pin::new(&mut socket.socket)
            .poll_flush(cx)
            .map_err(io::Error::other)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = lock(&self.0);
        Pin::new(&mut socket.socket)
            .poll_close(cx)
            .map_err(io::Error::other)
    }
}
