//! The API over real sockets: lists, watches, streams, rights and faults.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::*;
use crate::lab::clock::Clock;
use crate::lab::kubelet_api::{Exec, Later, Log, LogLine, Output};
use crate::lab::resources::{BUDGETS, CONFIG_MAPS, NAMESPACES, NODES, PODS};
use crate::lab::status::Status;

/// Longest wait for anything; only a defect reaches it.
const PATIENCE: Duration = Duration::from_secs(30);
const MAPS: &str = "/api/v1/namespaces/ns/configmaps";
const POD: &str = "/api/v1/namespaces/ns/pods/p";

/// A kubelet with one echoing port (7), a log that goes on for a line, and `cat`.
#[derive(Default)]
struct Echo {
    dialled: AtomicUsize,
}

impl Kubelet for Echo {
    fn logs<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a str,
        _: bool,
        follow: bool,
    ) -> Later<'a, Result<Log, Status>> {
        Box::pin(async move {
            let line = |second: i64| LogLine {
                at: jiff::Timestamp::from_second(second).unwrap(),
                text: format!("at {second}"),
            };
            let (sender, live) = mpsc::channel(1);
            sender.try_send(line(3)).unwrap();
            Ok(Log {
                past: vec![line(1), line(2)],
                live: follow.then_some(live),
            })
        })
    }

    fn exec(&self, exec: Exec) -> Later<'_, Result<mpsc::Receiver<Output>, Status>> {
        Box::pin(async move {
            let (sender, receiver) = mpsc::channel(4);
            tokio::spawn(async move {
                let mut stdin = exec.stdin.unwrap();
                while let Some(bytes) = stdin.recv().await {
                    sender.send(Output::Stdout(bytes)).await.unwrap();
                }
                sender.send(Output::Exit(3)).await.unwrap();
            });
            Ok(receiver)
        })
    }

    fn dial<'a>(&'a self, _: &'a str, _: &'a str, port: u16) -> Later<'a, io::Result<TcpStream>> {
        self.dialled.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            if port != 7 {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
            TcpStream::connect(address).await
        })
    }
}

struct Api {
    store: Store,
    server: Server,
    kubelet: Arc<Echo>,
}

impl Api {
    async fn start() -> Self {
        Self::with_bookmarks(BOOKMARKS).await
    }

    async fn with_bookmarks(bookmarks: Duration) -> Self {
        let store = Store::new(1, Clock::default()).with_history(50);
        for (what, namespace, object) in [
            (NAMESPACES, "", json!({"metadata": {"name": "ns"}})),
            (NODES, "", json!({"metadata": {"name": "n1"}})),
            (
                PODS,
                "ns",
                json!({"metadata": {"name": "p", "labels": {"app": "df"}}, "spec": {"nodeName": "n1",
                    "containers": [{"name": "c", "image": "i"}]}, "status": {"phase": "Running",
                    "conditions": [{"type": "Ready", "status": "True"}]}}),
            ),
        ] {
            store.create(what, namespace, object, "test").unwrap();
        }
        let kubelet = Arc::new(Echo::default());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::start_with(store.clone(), kubelet.clone(), any, bookmarks)
            .await
            .unwrap();
        Self {
            store,
            server,
            kubelet,
        }
    }

    fn map(&self, name: &str, tier: &str) -> u64 {
        let map = json!({"metadata": {"name": name, "labels": {"tier": tier}}});
        self.store
            .create(CONFIG_MAPS, "ns", map, "test")
            .unwrap()
            .revision
    }

    async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Result<Response<Incoming>, String> {
        let stream = TcpStream::connect(self.server.address())
            .await
            .map_err(|error| error.to_string())?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let body = if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "lab");
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        sender
            .send_request(request.body(Full::new(body)).unwrap())
            .await
            .map_err(|error| error.to_string())
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> (u16, Value) {
        let response = self.try_send(method, path, headers, body).await.unwrap();
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (
            code,
            serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into()),
        )
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, &[], Value::Null).await
    }

    async fn watch(&self, query: &str) -> Events {
        let response = self
            .try_send(
                "GET",
                &format!("{MAPS}?watch=true&{query}"),
                &[],
                Value::Null,
            )
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        Events {
            body: response.into_body(),
            text: Vec::new(),
        }
    }

    async fn socket(
        &self,
        path: &str,
        protocol: &str,
    ) -> tokio_tungstenite::WebSocketStream<TcpStream> {
        let stream = TcpStream::connect(self.server.address()).await.unwrap();
        let mut request = format!("ws://{}{path}", self.server.address())
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol.parse().unwrap());
        let (socket, answer) = tokio_tungstenite::client_async(request, stream)
            .await
            .unwrap();
        assert_eq!(answer.status(), 101);
        socket
    }
}

struct Events {
    body: Incoming,
    text: Vec<u8>,
}

impl Events {
    /// The next event; `None` at a proper end.
    async fn next(&mut self) -> Result<Option<Value>, String> {
        loop {
            if let Some(at) = self.text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.text.drain(..=at).collect();
                return Ok(Some(serde_json::from_slice(&line).unwrap()));
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame())
                .await
                .expect("an event or an end");
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => self.text.extend_from_slice(&frame.into_data().unwrap()),
                Some(Err(error)) => return Err(error.to_string()),
            }
        }
    }

    /// Type and name (of a bookmark the version) of the next event.
    async fn told(&mut self) -> (String, String) {
        let event = self.next().await.unwrap().expect("an event");
        let text = |pointer: &str| {
            event
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let name = match text("/object/metadata/name") {
            name if name.is_empty() => text("/object/metadata/resourceVersion"),
            name => name,
        };
        (text("/type"), name)
    }
}

fn told(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

#[tokio::test]
async fn chunks_are_of_one_moment() {
    let api = Api::start().await;
    for name in ["a", "b", "c", "d"] {
        api.map(name, "x");
    }
    let (_, first) = api.get(&format!("{MAPS}?limit=2")).await;
    assert_eq!(first["metadata"]["remainingItemCount"], 2);
    let token = first["metadata"]["continue"].as_str().unwrap();
    api.map("bb", "x");
    api.store
        .delete(CONFIG_MAPS, "ns", "c", &crate::lab::store::Delete::now())
        .unwrap();
    let (_, second) = api.get(&format!("{MAPS}?limit=2&continue={token}")).await;
    let names: Vec<&str> = second["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["c", "d"], "as when the list began");
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );

    api.store.expire_history();
    let (code, expired) = api.get(&format!("{MAPS}?limit=2&continue={token}")).await;
    assert_eq!((code, &expired["reason"]), (410, &json!("Expired")));
    let token = expired["metadata"]["continue"].as_str().unwrap();
    let (code, rest) = api.get(&format!("{MAPS}?limit=2&continue={token}")).await;
    assert_eq!(
        (code, rest["items"].as_array().unwrap().len()),
        (200, 2),
        "the present from the same place on"
    );
}

#[tokio::test]
async fn a_watch_is_told_what_its_selector_sees() {
    let api = Api::start().await;
    let from = api.map("a", "x");
    let mut watch = api
        .watch(&format!("resourceVersion={from}&labelSelector=tier%3Dx"))
        .await;
    let tier = |name: &str, tier: &str| {
        let tier = tier.to_owned();
        api.store
            .update(CONFIG_MAPS, "ns", name, "test", |map| {
                map["metadata"]["labels"]["tier"] = tier.into()
            })
            .unwrap()
    };
    api.map("b", "y");
    tier("a", "y");
    tier("b", "x");
    api.store
        .update(CONFIG_MAPS, "ns", "b", "test", |map| {
            map["data"] = json!({"k": "v"})
        })
        .unwrap();
    api.store
        .delete(CONFIG_MAPS, "ns", "b", &crate::lab::store::Delete::now())
        .unwrap();
    for expected in [
        told("DELETED", "a"),
        told("ADDED", "b"),
        told("MODIFIED", "b"),
        told("DELETED", "b"),
    ] {
        assert_eq!(watch.told().await, expected);
    }
}

#[tokio::test]
async fn a_streaming_list_ends_with_its_bookmark() {
    let api = Api::start().await;
    api.map("a", "x");
    let last = api.map("b", "x");
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = api.watch(query).await;
    assert_eq!(watch.told().await, told("ADDED", "a"));
    assert_eq!(watch.told().await, told("ADDED", "b"));
    let bookmark = watch.next().await.unwrap().unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(
        bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    assert_eq!(
        bookmark["object"]["metadata"]["resourceVersion"],
        last.to_string()
    );
    api.map("c", "x");
    assert_eq!(watch.told().await, told("ADDED", "c"));
}

#[tokio::test]
async fn bookmarks_follow_the_whole_cluster_and_a_watch_ends_in_time() {
    let api = Api::with_bookmarks(Duration::from_millis(50)).await;
    let from = api.map("a", "x");
    let mut watch = api
        .watch(&format!(
            "resourceVersion={from}&allowWatchBookmarks=true&timeoutSeconds=1"
        ))
        .await;
    let elsewhere = api
        .store
        .update(PODS, "ns", "p", "test", |pod| {
            pod["metadata"]["labels"] = json!({})
        })
        .unwrap();
    let mut bookmarks = Vec::new();
    while let Some(event) = watch.next().await.unwrap() {
        assert_eq!(event["type"], "BOOKMARK");
        bookmarks.push(
            event["object"]["metadata"]["resourceVersion"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    assert_eq!(bookmarks.last(), Some(&elsewhere.revision.to_string()));
}

#[tokio::test]
async fn what_is_forgotten_is_an_event_not_a_status() {
    let api = Api::start().await;
    let from = api.map("a", "x");
    let mut running = api.watch(&format!("resourceVersion={from}")).await;
    api.store.expire_history();
    for watch in [
        &mut running,
        &mut api.watch(&format!("resourceVersion={from}")).await,
    ] {
        let event = watch.next().await.unwrap().unwrap();
        assert_eq!(
            (&event["type"], &event["object"]["code"]),
            (&json!("ERROR"), &json!(410))
        );
        assert_eq!(watch.next().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_slow_watcher_is_overtaken_not_waited_for() {
    let api = Api::start().await;
    let from = api.map("a", "x");
    let mut slow = api.store.watch(CONFIG_MAPS, None, Some(from)).unwrap();
    for round in 0..60 {
        api.store
            .update(CONFIG_MAPS, "ns", "a", "test", |map| {
                map["data"] = json!({"n": round})
            })
            .unwrap();
    }
    assert_eq!(slow.drain().unwrap_err().code, 410);
}

#[tokio::test]
async fn rights_hold_for_requests_and_reviews() {
    let api = Api::start().await;
    api.server.rights().add_token("known", "ada");
    let bearer = |token: &str| format!("Bearer {token}");
    let (known, unknown) = (bearer("known"), bearer("unknown"));
    let (code, _) = api
        .send("GET", MAPS, &[("authorization", &unknown)], Value::Null)
        .await;
    assert_eq!(code, 401);
    api.server
        .rights()
        .grant_only(vec![Right::in_namespace("ns")]);
    let ada = [("authorization", known.as_str())];
    assert_eq!(api.send("GET", MAPS, &ada, Value::Null).await.0, 200);
    let (code, status) = api.send("GET", "/api/v1/pods", &ada, Value::Null).await;
    assert_eq!(code, 403);
    assert_eq!(
        status["message"],
        "pods is forbidden: User \"ada\" cannot list resource \"pods\" in API group \"\" at the cluster scope"
    );
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "list", "resource": "pods"}}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let (code, answer) = api.send("POST", path, &ada, review).await;
    assert_eq!((code, &answer["status"]["allowed"]), (201, &json!(false)));
}

#[tokio::test]
async fn faults_answer_instead() {
    let api = Api::start().await;
    let faults = api.server.faults();
    let table = [
        (Effect::Forbid, 403),
        (Effect::TooManyRequests { retry_after: 7 }, 429),
        (Effect::InternalError, 500),
        (Effect::Unavailable, 503),
        (Effect::Expired, 410),
        (Effect::BadGateway, 502),
    ];
    for (effect, code) in table {
        faults.add(Fault::from(effect).on("configmaps").times(1));
        let response = api.try_send("GET", MAPS, &[], Value::Null).await.unwrap();
        assert_eq!(response.status(), code, "{effect:?}");
        if let Effect::TooManyRequests { .. } = effect {
            assert_eq!(response.headers()["retry-after"], "7");
        }
        if effect == Effect::BadGateway {
            assert_eq!(response.headers()["content-type"], "text/html");
        }
        assert_eq!(api.get(MAPS).await.0, 200, "{effect:?} is used up");
    }
    faults.add(Fault::from(Effect::CloseHalfway).on("configmaps").times(1));
    let half = api.try_send("GET", MAPS, &[], Value::Null).await.unwrap();
    assert!(
        half.into_body().collect().await.is_err(),
        "the body ends early"
    );
}

#[tokio::test]
async fn a_server_that_hangs_goes_on_when_it_is_let() {
    let api = Api::start().await;
    let from = api.map("a", "x");
    let mut watch = api.watch(&format!("resourceVersion={from}")).await;
    let number = api.server.faults().add(Effect::Hang);
    api.map("b", "x");
    let (request, event) = (api.get(MAPS), watch.told());
    tokio::pin!(request, event);
    tokio::select! {
        biased;
        answer = &mut request => panic!("answered: {answer:?}"),
        event = &mut event => panic!("told: {event:?}"),
        () = tokio::time::sleep(Duration::from_millis(100)) => (),
    }
    api.server.faults().remove(number);
    assert_eq!(request.await.0, 200);
    assert_eq!(event.await, told("ADDED", "b"));
}

#[tokio::test]
async fn a_server_that_refuses_drops_everybody_and_comes_back_on_its_port() {
    let api = Api::start().await;
    let mut watch = api.watch("").await;
    let mut socket = api
        .socket(&format!("{POD}/portforward?ports=7"), "v4.channel.k8s.io")
        .await;
    api.server.faults().refuse(true);
    while let Ok(Some(_)) = watch.next().await {}
    while let Some(Ok(_)) = socket.next().await {}
    while api.try_send("GET", MAPS, &[], Value::Null).await.is_ok() {
        tokio::task::yield_now().await;
    }
    api.server.faults().refuse(false);
    while api.try_send("GET", MAPS, &[], Value::Null).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn streams_can_be_cut() {
    let api = Api::start().await;
    let mut watch = api
        .watch("sendInitialEvents=false&resourceVersionMatch=NotOlderThan")
        .await;
    api.server.faults().drop_streams();
    assert!(watch.next().await.is_err(), "cut in the middle, not ended");
}

#[tokio::test]
async fn logs_are_cut_to_what_was_asked_for() {
    let api = Api::start().await;
    let table = [
        ("", "at 1\nat 2\n"),
        ("tailLines=1", "at 2\n"),
        ("tailLines=0", ""),
        ("sinceTime=1970-01-01T00:00:02Z", "at 2\n"),
        (
            "timestamps=true&tailLines=1",
            "1970-01-01T00:00:02.000000000Z at 2\n",
        ),
        ("limitBytes=6", "at 1\na"),
        ("follow=true", "at 1\nat 2\nat 3\n"),
    ];
    for (query, expected) in table {
        let (code, text) = api.get(&format!("{POD}/log?{query}")).await;
        assert_eq!(
            (code, text.as_str().unwrap_or_default()),
            (200, expected),
            "{query}"
        );
    }
    let (code, status) = api.get(&format!("{POD}/log?container=x")).await;
    assert_eq!(
        (code, &status["message"]),
        (400, &json!("container x is not valid for pod p"))
    );
}

#[tokio::test]
async fn a_forwarded_port_carries_bytes_both_ways() {
    let api = Api::start().await;
    for protocol in ["v4.channel.k8s.io", "v5.channel.k8s.io"] {
        let mut socket = api
            .socket(&format!("{POD}/portforward?ports=7"), protocol)
            .await;
        let frame = async |socket: &mut tokio_tungstenite::WebSocketStream<TcpStream>| {
            tokio::time::timeout(PATIENCE, socket.next())
                .await
                .unwrap()
                .unwrap()
                .unwrap()
                .into_data()
                .to_vec()
        };
        assert_eq!(frame(&mut socket).await, [0, 7, 0]);
        assert_eq!(frame(&mut socket).await, [1, 7, 0]);
        socket
            .send(Message::Binary(b"\0hello".to_vec().into()))
            .await
            .unwrap();
        assert_eq!(frame(&mut socket).await, b"\0hello");
    }
    assert_eq!(api.kubelet.dialled.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_refused_port_is_told_on_its_error_channel() {
    let api = Api::start().await;
    let mut socket = api
        .socket(
            &format!("{POD}/portforward?ports=9999"),
            "v5.channel.k8s.io, v4.channel.k8s.io",
        )
        .await;
    let mut frames = Vec::new();
    while let Some(Ok(message)) = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap() {
        frames.push(message);
    }
    let [_, _, Message::Binary(error), Message::Close(_)] = frames.as_slice() else {
        panic!("{frames:?}")
    };
    let text = String::from_utf8_lossy(&error[1..]);
    assert_eq!(error[0], 1);
    assert!(
        text.starts_with("error forwarding port 9999 to pod "),
        "{text}"
    );
    assert!(text.contains("connection refused"), "{text}");
    assert!(socket.next().await.is_none());
}

#[tokio::test]
async fn exec_ends_with_its_exit_code() {
    let api = Api::start().await;
    let path = format!("{POD}/exec?command=cat&stdin=true&stdout=true&stderr=true");
    let mut socket = api.socket(&path, "v5.channel.k8s.io").await;
    socket
        .send(Message::Binary(b"\0typed".to_vec().into()))
        .await
        .unwrap();
    socket
        .send(Message::Binary(vec![255, 0].into()))
        .await
        .unwrap();
    let (mut out, mut status) = (Vec::new(), Value::Null);
    while let Some(Ok(message)) = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap() {
        match (message.is_binary(), message.into_data().as_ref()) {
            (true, [1, rest @ ..]) => out.extend_from_slice(rest),
            (true, [3, rest @ ..]) => status = serde_json::from_slice(rest).unwrap(),
            _ => (),
        }
    }
    assert_eq!(out, b"typed");
    assert_eq!(status["reason"], "NonZeroExitCode");
    assert_eq!(
        status["details"]["causes"][0],
        json!({"reason": "ExitCode", "message": "3"})
    );
}

#[tokio::test]
async fn evictions_ask_the_budget() {
    let api = Api::start().await;
    let budget = json!({"metadata": {"name": "b"}, "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "df"}}},
        "status": {"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "observedGeneration": 1}});
    api.store.create(BUDGETS, "ns", budget, "test").unwrap();
    let eviction =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}});
    let path = format!("{POD}/eviction");
    let (code, status) = api.send("POST", &path, &[], eviction.clone()).await;
    assert_eq!(code, 429);
    assert_eq!(
        status["details"]["causes"][0],
        json!({"reason": "DisruptionBudget", "message": "The disruption budget b needs 1 healthy pods and has 1 currently"})
    );
    api.store
        .update(BUDGETS, "ns", "b", "test", |budget| {
            budget["status"]["disruptionsAllowed"] = 1.into()
        })
        .unwrap();
    let (code, _) = api.send("POST", &path, &[], eviction).await;
    assert_eq!(code, 201);
    let pod = api.store.get(PODS, "ns", "p").unwrap();
    assert!(pod.deleting);
    assert_eq!(
        api.store.get(BUDGETS, "ns", "b").unwrap().value()["status"]["disruptionsAllowed"],
        0
    );
}

#[tokio::test]
async fn a_connection_can_be_asked_by_hand() {
    let api = Api::start().await;
    let mut stream = TcpStream::connect(api.server.address()).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("ok"),
        "{answer}"
    );
    let mut stream = TcpStream::connect(api.server.address()).await.unwrap();
    stream
        .write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01")
        .await
        .unwrap();
    let mut answer = Vec::new();
    // Whoever speaks TLS to it is turned away, and nobody else notices.
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(api.get(MAPS).await.0, 200);
}

#[tokio::test]
async fn answers_are_dated_by_the_servers_own_clock() {
    let api = Api::start().await;
    let mut dates = Vec::new();
    for ahead in [0, 3] {
        api.store
            .clock()
            .advance(jiff::SignedDuration::from_hours(ahead));
        let mut stream = TcpStream::connect(api.server.address()).await.unwrap();
        stream
            .write_all(b"GET /version HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let line = answer.lines().find_map(|line| line.strip_prefix("date: "));
        let format = "%a, %d %b %Y %H:%M:%S GMT";
        let at = jiff::civil::DateTime::strptime(format, line.unwrap()).unwrap();
        dates.push(at);
    }
    let [right, fast] = dates.as_slice() else {
        panic!("two answers");
    };
    let hours = (*fast - *right).total(jiff::Unit::Minute).unwrap();
    assert!((179.0..=182.0).contains(&hours), "{dates:?}");
}
