//! `pods/portforward` over WebSocket.
//!
//! Each port has two channels: data (even) and errors (odd). Both begin with two bytes, the port in little endian. One
//! request is one connection per port, as with a real kubelet; when all of them have ended the socket is closed.

use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use hyper::Request;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use super::Desk;
use super::call::Call;
use super::channels::{self, CLOSE, Socket, Upgrade, V4, V5, frame};
use super::faults::Snare;
use super::logs;
use super::reply::Reply;
use crate::lab::resources::PODS;
use crate::lab::status::Status;

/// Answers a port-forward. A real API server dials the kubelet before it agrees to the upgrade: a machine that does not
/// answer is a 500, and no forward is ever open.
pub(super) async fn answer(
    desk: &Arc<Desk>,
    call: Call,
    request: &mut Request<Incoming>,
) -> Result<Reply, Status> {
    let object = desk.store.get(PODS, &call.namespace, &call.name)?;
    let pod = object.value();
    logs::scheduled(desk, &pod, &call.name)?;
    let phase = pod
        .pointer("/status/phase")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if phase != "Running" {
        return Err(Status::internal(format!(
            "unable to upgrade connection: pod not running (phase {phase}) (\"{}_{}\")",
            call.name, call.namespace
        )));
    }
    desk.kubelet.reach(&call.namespace, &call.name).await?;
    // A kubelet knows version 4 only; version 5 is for clients that offer nothing else.
    let upgrade = Upgrade::agree(request, &[V4, V5])?;
    let ports = ports(&call)?;
    let (reply, protocol, pending) = upgrade.split();
    let desk = Arc::clone(desk);
    let uid = object.uid.clone();
    tokio::spawn(async move {
        if let Some(socket) = pending.open().await {
            let forward = Forward {
                desk,
                call,
                uid,
                tells_close: protocol == V5,
            };
            forward.run(socket, &ports).await;
        }
    });
    Ok(reply)
}

fn ports(call: &Call) -> Result<Vec<u16>, Status> {
    let texts: Vec<&str> = call
        .query
        .all("ports")
        .flat_map(|text| text.split(','))
        .collect();
    if texts.is_empty() {
        return Err(Status::bad_request("query parameter \"ports\" is required"));
    }
    texts
        .iter()
        .map(|text| match text.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(Status::bad_request(format!(
                "invalid port value \"{text}\""
            ))),
        })
        .collect()
}

struct Forward {
    desk: Arc<Desk>,
    call: Call,
    uid: String,
    tells_close: bool,
}

/// From the client to one port: bytes, or the end when the sender is dropped.
type Inbox = mpsc::Sender<Vec<u8>>;

impl Forward {
    async fn run(self, socket: Socket, ports: &[u16]) {
        let (mut out, mut incoming) = socket.split();
        let (to_client, mut frames) = mpsc::channel::<Message>(8);
        let mut inboxes: Vec<Option<Inbox>> = Vec::new();
        let mut links = JoinSet::new();
        for (at, port) in ports.iter().copied().enumerate() {
            let Ok(channel) = u8::try_from(at * 2) else {
                return;
            };
            let port_bytes = port.to_le_bytes();
            for channel in [channel, channel + 1] {
                if out.send(frame(channel, &port_bytes)).await.is_err() {
                    return;
                }
            }
            let (inbox, typed) = mpsc::channel(8);
            inboxes.push(Some(inbox));
            links.spawn(link(
                Arc::clone(&self.desk),
                self.call.clone(),
                self.uid.clone(),
                Link {
                    port,
                    channel,
                    tells_close: self.tells_close,
                },
                typed,
                to_client.clone(),
            ));
        }
        drop(to_client);
        let mut cuts = self.desk.faults.cuts();
        let faults = self.desk.faults.clone();
        let mut is_mute = false;
        loop {
            tokio::select! {
                _ = cuts.changed() => return,
                () = faults.until_refusing() => return,
                message = incoming.next() => match message {
                    Some(Ok(Message::Binary(bytes))) => {
                        self.desk.faults.wait_while_hanging(&self.call.user, Some(&self.call.attempt())).await;
                        let caught = faults.caught(&bytes);
                        let half = match caught {
                            Some(Snare::CutBefore) => bytes.len() / 2,
                            _ => bytes.len(),
                        };
                        deliver(bytes.get(..half).unwrap_or_default(), &mut inboxes, self.tells_close).await;
                        match caught {
                            Some(Snare::CutBefore | Snare::CutAfter) => {
                                // What was delivered is still on its way into the pod.
                                links.detach_all();
                                return;
                            }
                            Some(Snare::Swallow) => is_mute = true,
                            None => {}
                        }
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => (),
                },
                frame = frames.recv() => match frame {
                    Some(_) if is_mute => {}
                    Some(frame) => {
                        self.desk.faults.wait_while_hanging(&self.call.user, Some(&self.call.attempt())).await;
                        if out.send(frame).await.is_err() {
                            return;
                        }
                    }
                    None => {
                        // Every port has ended. The client may have closed already.
                        let _ = out.send(channels::ended()).await;
                        return;
                    }
                },
            }
        }
    }
}

/// Hands a frame of the client to its port.
async fn deliver(bytes: &[u8], inboxes: &mut [Option<Inbox>], tells_close: bool) {
    let (Some(channel), rest) = (bytes.first().copied(), bytes.get(1..).unwrap_or_default()) else {
        return;
    };
    if tells_close && channel == CLOSE {
        let closed = rest.first().map(|channel| usize::from(*channel) / 2);
        if let Some(inbox) = closed.and_then(|at| inboxes.get_mut(at)) {
            *inbox = None;
        }
        return;
    }
    if channel % 2 == 0
        && let Some(Some(inbox)) = inboxes.get(usize::from(channel) / 2)
    {
        // A port that has ended takes nothing more.
        let _ = inbox.send(rest.to_vec()).await;
    }
}

struct Link {
    port: u16,
    channel: u8,
    tells_close: bool,
}

/// One connection into the pod.
async fn link(
    desk: Arc<Desk>,
    call: Call,
    uid: String,
    link: Link,
    mut typed: mpsc::Receiver<Vec<u8>>,
    to_client: mpsc::Sender<Message>,
) {
    let stream = match desk
        .kubelet
        .dial(&call.namespace, &call.name, link.port)
        .await
    {
        Ok(stream) => stream,
        Err(error) => {
            let text = refused(&uid, link.port, &error);
            // Nobody is left to read it when the client has gone.
            let _ = to_client
                .send(frame(link.channel + 1, text.as_bytes()))
                .await;
            return;
        }
    };
    let (mut read, mut write) = stream.into_split();
    let writing = tokio::spawn(async move {
        while let Some(bytes) = typed.recv().await {
            if write.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // The other side may have closed first.
        let _ = write.shutdown().await;
    });
    let mut buffer = vec![0_u8; 16 * 1024];
    while let Ok(count) = read.read(&mut buffer).await {
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() || to_client.send(frame(link.channel, bytes)).await.is_err() {
            break;
        }
    }
    writing.abort();
    if link.tells_close {
        let _ = to_client.send(frame(CLOSE, &[link.channel])).await;
    }
}

/// As containerd and the kubelet word a connection that fails inside the pod.
fn refused(uid: &str, port: u16, error: &std::io::Error) -> String {
    let why = match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        std::io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
        _ => error.to_string(),
    };
    let sandbox: String = uid
        .chars()
        .filter(char::is_ascii_hexdigit)
        .cycle()
        .take(64)
        .collect();
    format!(
        "error forwarding port {port} to pod {sandbox}, uid : failed to execute portforward in network namespace \
         \"/var/run/netns/cni-{uid}\": failed to connect to localhost:{port} inside namespace \"{sandbox}\", IPv4: dial \
         tcp4 127.0.0.1:{port}: {why} IPv6 dial tcp6: address localhost: no suitable address found "
    )
}
