//! `pods/exec` and `pods/attach` over WebSocket.

use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use hyper::Request;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::Desk;
use super::call::Call;
use super::channels::{self, CLOSE, Socket, Upgrade, V4, V5, frame};
use super::logs;
use super::reply::Reply;
use crate::lab::kubelet_api::{Exec, Output};
use crate::lab::resources::PODS;
use crate::lab::status::Status;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
/// How long a client may take to close after the last word.
const FAREWELL: Duration = Duration::from_secs(2);

/// Answers an exec or attach.
pub(super) async fn answer(
    desk: &Arc<Desk>,
    call: Call,
    request: &mut Request<Incoming>,
) -> Result<Reply, Status> {
    let pod = desk.store.get(PODS, &call.namespace, &call.name)?.value();
    let container = logs::container(&pod, &call.name, call.query.get("container"))?;
    let phase = pod
        .pointer("/status/phase")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if matches!(phase, "Succeeded" | "Failed") {
        return Err(Status::bad_request(format!(
            "cannot exec into a container in a completed pod; current phase is {phase}"
        )));
    }
    logs::scheduled(desk, &pod, &call.name)?;
    let upgrade = Upgrade::agree(request, &[V5, V4])?;
    let (stdin, typed) = mpsc::channel(16);
    let wants_stdin = call.query.flag("stdin");
    let output = if call.subresource == "attach" {
        attach(desk, &call, &container).await?
    } else {
        let command: Vec<String> = call.query.all("command").map(str::to_owned).collect();
        if command.is_empty() {
            return Err(Status::bad_request(
                "you must specify at least one command for the container",
            ));
        }
        let exec = Exec {
            namespace: call.namespace.clone(),
            pod: call.name.clone(),
            container,
            command,
            tty: call.query.flag("tty"),
            stdin: wants_stdin.then_some(typed),
        };
        desk.kubelet.exec(exec).await?
    };
    let (reply, protocol, pending) = upgrade.split();
    let session = Session {
        desk: Arc::clone(desk),
        stdin: wants_stdin.then_some(stdin),
        output,
        tells_close: protocol == V5,
        call,
    };
    tokio::spawn(async move {
        if let Some(socket) = pending.open().await {
            session.run(socket).await;
        }
    });
    Ok(reply)
}

/// The output of a container's own process: its log from now on.
async fn attach(
    desk: &Arc<Desk>,
    call: &Call,
    container: &str,
) -> Result<mpsc::Receiver<Output>, Status> {
    let log = desk
        .kubelet
        .logs(&call.namespace, &call.name, container, false, true)
        .await?;
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        let Some(mut live) = log.live else { return };
        while let Some(line) = live.recv().await {
            if sender
                .send(Output::Stdout(format!("{}\n", line.text).into_bytes()))
                .await
                .is_err()
            {
                return;
            }
        }
        // The client may be gone; then there is nobody to tell.
        let _ = sender.send(Output::Exit(0)).await;
    });
    Ok(receiver)
}

struct Session {
    desk: Arc<Desk>,
    call: Call,
    stdin: Option<mpsc::Sender<Vec<u8>>>,
    output: mpsc::Receiver<Output>,
    tells_close: bool,
}

impl Session {
    async fn run(mut self, socket: Socket) {
        let (mut out, mut incoming) = socket.split();
        let mut cuts = self.desk.faults.cuts();
        let faults = self.desk.faults.clone();
        let wants = |name: &str| self.call.query.flag(name);
        let (stdout, stderr, tty) = (wants("stdout"), wants("stderr"), wants("tty"));
        // An empty frame tells the client that the connection stands.
        let first = if stdout { STDOUT } else { STDERR };
        if out.send(frame(first, b"")).await.is_err() {
            return;
        }
        let mut listening = true;
        loop {
            let piece = tokio::select! {
                _ = cuts.changed() => return,
                () = faults.until_refusing() => return,
                message = incoming.next(), if listening => {
                    match message {
                        Some(Ok(message)) => listening = self.typed(&message).await,
                        _ => return,
                    }
                    continue;
                }
                piece = self.output.recv() => piece,
            };
            self.desk
                .faults
                .wait_while_hanging(&self.call.user, Some(&self.call.attempt()))
                .await;
            let (frame, ended) = match piece {
                Some(Output::Stdout(bytes)) if stdout => (frame(STDOUT, &bytes), false),
                Some(Output::Stderr(bytes)) if tty && stdout => (frame(STDOUT, &bytes), false),
                Some(Output::Stderr(bytes)) if stderr => (frame(STDERR, &bytes), false),
                Some(Output::Stdout(_) | Output::Stderr(_)) => continue,
                Some(Output::Exit(code)) => {
                    (frame(ERROR, self.status(code).to_string().as_bytes()), true)
                }
                None => {
                    let lost = Status::internal(
                        "the container's runtime ended the command without an exit code",
                    );
                    (frame(ERROR, lost.value().to_string().as_bytes()), true)
                }
            };
            if out.send(frame).await.is_err() {
                return;
            }
            if ended {
                // The client may have closed already.
                let _ = out.send(channels::ended()).await;
                // It may still be typing for a command that has ended: cut off in the middle it would complain.
                let rest = async { while let Some(Ok(_)) = incoming.next().await {} };
                let _ = tokio::time::timeout(FAREWELL, rest).await;
                return;
            }
        }
    }

    /// Passes on what the client sent; false when it has closed.
    async fn typed(&mut self, message: &Message) -> bool {
        match message {
            Message::Binary(bytes) => {
                let (channel, rest) = (bytes.first().copied(), bytes.get(1..).unwrap_or_default());
                match (channel, rest) {
                    (Some(STDIN), rest) => {
                        if let Some(stdin) = &self.stdin {
                            // A command that reads no more is none of the client's business.
                            let _ = stdin.send(rest.to_vec()).await;
                        }
                    }
                    (Some(CLOSE), [STDIN]) if self.tells_close => self.stdin = None,
                    // Terminal sizes and anything unknown.
                    _ => (),
                }
                true
            }
            Message::Close(_) => false,
            _ => true,
        }
    }

    /// The last word on channel 3, as containerd's streaming server gives it.
    fn status(&self, code: i32) -> Value {
        if code == 0 {
            return json!({ "metadata": {}, "status": "Success" });
        }
        let command: Vec<&str> = self.call.query.all("command").collect();
        json!({
            "metadata": {},
            "status": "Failure",
            "message": format!(
                "command terminated with non-zero exit code: error executing command [{}], exit code {code}",
                command.join(" ")
            ),
            "reason": "NonZeroExitCode",
            "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
        })
    }
}
