//! A small API server for these tests alone, on a real socket, that can misbehave below HTTP: close half-way, never
//! answer, answer HTML. What it serves is a script, not a model of Kubernetes; the lab is that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// What speaks behind a port-forward: gets one end of a stream.
pub type Pod = Arc<dyn Fn(DuplexStream) -> BoxFuture<'static, ()> + Send + Sync>;

/// What to do with a request.
#[derive(Clone)]
pub enum Act {
    /// A whole answer.
    Answer(u16, String),
    /// A whole answer with a header more.
    With(u16, &'static str, &'static str),
    /// The beginning of a chunked answer with these lines, then nothing.
    Hold(Vec<Value>),
    /// The same, then the orderly end.
    End(Vec<Value>),
    /// The same, then the connection closes in the middle of a chunk.
    Cut(Vec<Value>),
    /// Bytes, then the connection closes.
    Raw(&'static str),
    /// Nothing, ever.
    Silence,
    /// A port-forward to it.
    Forward(Pod),
    /// A port-forward to a port where nothing listens.
    Refuse(&'static str),
    /// A command run in a pod: what it prints, what it complains of, its exit status.
    Run(&'static str, &'static str, u8),
}

impl Act {
    pub fn json(value: Value) -> Self {
        Act::Answer(200, value.to_string())
    }

    pub fn status(code: u16, message: &str) -> Self {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message});
        Act::Answer(code, status.to_string())
    }
}

type Script = dyn Fn(&Asked) -> Act + Send + Sync;

/// A request as the script sees it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    /// How often this was asked before: the same path, selector and `watch`.
    pub before: usize,
    /// When it came.
    pub at: Instant,
}

impl Asked {
    pub fn is_watch(&self) -> bool {
        self.query.get("watch").is_some_and(|w| w == "true")
    }
}

#[derive(Default)]
struct State {
    log: Vec<Asked>,
    script: Option<Arc<Script>>,
}

/// The server; everything of it ends with it.
pub struct Api {
    pub url: String,
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
    _task: JoinSet<()>,
}

impl Api {
    pub async fn start(script: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, script)
    }

    pub fn on(
        listener: TcpListener,
        script: impl Fn(&Asked) -> Act + Send + Sync + 'static,
    ) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            script: Some(Arc::new(script)),
            ..State::default()
        }));
        let changed = watch::Sender::new(0);
        let mut task = JoinSet::new();
        task.spawn(accept(listener, state.clone(), changed.clone()));
        Self {
            url,
            state,
            changed,
            _task: task,
        }
    }

    /// Another script from here on; answers that are held stay held.
    pub fn play(&self, script: impl Fn(&Asked) -> Act + Send + Sync + 'static) {
        self.state.lock().unwrap().script = Some(Arc::new(script));
    }

    /// Requests so far.
    pub fn log(&self) -> Vec<Asked> {
        self.state.lock().unwrap().log.clone()
    }

    /// Waits until a request is there that fits.
    pub async fn wait_for(&self, fits: impl Fn(&Asked) -> bool) -> Asked {
        let mut changed = self.changed.subscribe();
        let find = async {
            loop {
                if let Some(found) = self.log().into_iter().find(|asked| fits(asked)) {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), find)
            .await
            .expect("the request never came")
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>, changed: watch::Sender<u64>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, state.clone(), changed.clone()));
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>, changed: watch::Sender<u64>) {
    let mut buffer = Vec::new();
    while let Some(mut asked) = request(&mut stream, &mut buffer).await {
        let script = {
            let mut state = state.lock().unwrap();
            asked.before = state
                .log
                .iter()
                .filter(|old| {
                    let selector = |a: &Asked| a.query.get("labelSelector").cloned();
                    old.path == asked.path
                        && old.is_watch() == asked.is_watch()
                        && selector(old) == selector(&asked)
                })
                .count();
            state.log.push(asked.clone());
            state.script.clone().unwrap()
        };
        changed.send_modify(|n| *n += 1);
        let played = match script(&asked) {
            Act::Forward(pod) => return forward(stream, &asked, Ok(pod)).await,
            Act::Refuse(text) => return forward(stream, &asked, Err(text)).await,
            Act::Run(out, complaint, exit) => {
                return run(stream, &asked, out, complaint, exit).await;
            }
            played => played,
        };
        if !act(&mut stream, played).await {
            return;
        }
    }
}

/// Plays one answer; tells whether the connection stays.
async fn act(stream: &mut TcpStream, act: Act) -> bool {
    const CHUNKED: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunked = |lines: Vec<Value>| {
        let mut out = CHUNKED.to_owned();
        for line in lines {
            let line = format!("{line}\n");
            out.push_str(&format!("{:x}\r\n{line}\r\n", line.len()));
        }
        out
    };
    let whole = |code: u16, header: &str, body: &str| {
        format!(
            "HTTP/1.1 {code} X\r\n{header}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let (bytes, stays) = match act {
        Act::Answer(code, body) => (whole(code, "", &body), true),
        Act::With(code, name, value) => (whole(code, &format!("{name}: {value}\r\n"), ""), true),
        Act::End(lines) => (chunked(lines) + "0\r\n\r\n", true),
        Act::Cut(lines) => (chunked(lines) + "ff\r\n{\"type\":\"ADD", false),
        Act::Raw(text) => (text.to_owned(), false),
        Act::Hold(lines) => {
            let _ = stream.write_all(chunked(lines).as_bytes()).await;
            gone(stream).await;
            return false;
        }
        Act::Silence | Act::Forward(_) | Act::Refuse(_) | Act::Run(..) => {
            gone(stream).await;
            return false;
        }
    };
    stream.write_all(bytes.as_bytes()).await.is_ok() && stays
}

/// Carries bytes between a port-forward's WebSocket and what is behind it, as the kubelet does: v4 channels, each begun by
/// a frame that names the port.
async fn forward(mut stream: TcpStream, asked: &Asked, pod: Result<Pod, &'static str>) {
    let accept = derive_accept_key(asked.headers["sec-websocket-key"].as_bytes());
    let port: u16 = asked.query["ports"].parse().unwrap();
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\nsec-websocket-protocol: v4.channel.k8s.io\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    for channel in [0, 1] {
        let frame = [&[channel], port.to_le_bytes().as_slice()].concat();
        socket.send(Message::binary(frame)).await.unwrap();
    }
    let pod = match pod {
        Ok(pod) => pod,
        Err(text) => {
            let _ = socket
                .send(Message::binary([&[1], text.as_bytes()].concat()))
                .await;
            let _ = socket.close(None).await;
            return;
        }
    };
    let (here, there) = tokio::io::duplex(1 << 16);
    let bridge = async {
        let (mut read, mut write) = tokio::io::split(here);
        let mut chunk = [0; 4096];
        loop {
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Binary(bytes))) if bytes[0] == 0 => {
                        if write.write_all(&bytes[1..]).await.is_err() {
                            break;
                        }
                    }
                    Some(Ok(_)) => {}
                    _ => return,
                },
                read = read.read(&mut chunk) => match read {
                    Ok(n) if n > 0 => {
                        let frame = [&[0], &chunk[..n]].concat();
                        if socket.send(Message::binary(frame)).await.is_err() {
                            return;
                        }
                    }
                    _ => break,
                },
            }
        }
        let _ = socket.close(None).await;
    };
    tokio::join!(bridge, pod(there));
}

/// What a command in a pod gives, as the kubelet sends it: output on channel 1, complaints on 2, its end on 3.
async fn run(mut stream: TcpStream, asked: &Asked, out: &str, complaint: &str, exit: u8) {
    let accept = derive_accept_key(asked.headers["sec-websocket-key"].as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\nsec-websocket-protocol: v4.channel.k8s.io\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    let end = match exit {
        0 => json!({"metadata": {}, "status": "Success"}),
        code => json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with exit code {code}"),
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]}}),
    };
    for (channel, text) in [(1_u8, out), (2, complaint), (3, end.to_string().as_str())] {
        let frame = [&[channel], text.as_bytes()].concat();
        let _ = socket.send(Message::binary(frame)).await;
    }
    let _ = socket.close(None).await;
}

/// Waits until the other end closes.
async fn gone(stream: &mut TcpStream) {
    let mut rest = [0; 64];
    while matches!(stream.read(&mut rest).await, Ok(n) if n > 0) {}
}

async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Asked> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8(buffer.drain(..end + 4).collect()).unwrap();
            let mut lines = head.lines();
            let target = lines.next()?.split(' ').nth(1)?.to_owned();
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            let pair = |(k, v): (&str, &str)| (k.to_owned(), v.to_owned());
            return Some(Asked {
                path: path.to_owned(),
                query: query
                    .split('&')
                    .filter_map(|p| p.split_once('=').map(pair))
                    .collect(),
                headers: lines
                    .filter_map(|l| {
                        l.split_once(": ")
                            .map(|(k, v)| pair((&k.to_lowercase(), v)))
                    })
                    .collect(),
                before: 0,
                at: Instant::now(),
            });
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(n) if n > 0 => buffer.extend_from_slice(&chunk[..n]),
            _ => return None,
        }
    }
}

/// A list as the API server sends one.
pub fn list(revision: &str, items: Vec<Value>) -> Act {
    Act::json(
        json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": revision}, "items": items}),
    )
}

/// An event of a watch.
pub fn event(sort: &str, object: Value) -> Value {
    json!({"type": sort, "object": object})
}

/// A Dragonfly object.
pub fn dragonfly(namespace: &str, name: &str, revision: &str) -> Value {
    json!({
        "apiVersion": "dragonflydb.io/v1alpha1", "kind": "Dragonfly",
        "metadata": {"namespace": namespace, "name": name, "uid": format!("uid-{namespace}-{name}"), "resourceVersion": revision},
        "spec": {"replicas": 2},
    })
}

/// Answers everything as an empty, healthy cluster would; watches are held.
pub fn empty(asked: &Asked) -> Act {
    match asked.path.as_str() {
        "/version" => Act::json(json!({"gitVersion": "v1.33.1"})),
        "/api/v1/namespaces/kube-system" => Act::json(json!({"metadata": {"uid": "cluster-uid"}})),
        _ if asked.is_watch() => Act::Hold(vec![]),
        _ => list("1", vec![]),
    }
}

/// A Dragonfly pod that runs.
pub fn pod(namespace: &str, instance: &str, ordinal: usize, uid: &str) -> Value {
    json!({
        "metadata": {
            "namespace": namespace, "name": format!("{instance}-{ordinal}"), "uid": uid, "resourceVersion": "1",
            "labels": {"app": instance, "app.kubernetes.io/name": "dragonfly"},
        },
        "spec": {"containers": [{"name": "dragonfly", "image": "d:v1"}]},
        "status": {
            "phase": "Running", "podIP": "10.0.0.1",
            "containerStatuses": [{"name": "dragonfly", "ready": true, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}],
        },
    })
}
