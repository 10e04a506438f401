//! A client that writes through a Service and remembers what was acknowledged, in a process of its own: on the rig it runs
//! where the addresses of pods lead somewhere.
//!
//! It does what a node and a client library do together: new connections go to a ready endpoint of the Service's
//! EndpointSlices, which it watches; one that stands stays where it is; after any error (`-READONLY` and `-LOADING` too) a
//! connection is closed and, 10 ms later, made anew. A key is written once, and is acknowledged when `+OK` has been read.
#![allow(dead_code, reason = "not every binary that has the driver measures")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;
use super::ground::Ground;

/// What the process is told by the environment.
const ENVIRONMENT: &str = "DARNER_LOAD";
/// Pause of a client library before it connects again.
const PAUSE: Duration = Duration::from_millis(10);
/// How long a connection, or an answer, may take before the client gives it up.
const CLIENT_PATIENCE: Duration = Duration::from_secs(1);

/// What to write, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    kubeconfig: PathBuf,
    context: String,
    /// The door by which a lab's pod network is entered; without it addresses of pods are dialled.
    control: Option<PathBuf>,
    namespace: String,
    service: String,
    connections: usize,
    /// Writes a second, of all connections together.
    rate: u32,
}

/// What became of the writes since the last report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Written {
    /// Acknowledged.
    pub acknowledged: u64,
    /// Keys that were acknowledged and are not there, or hold something else, at the master that the Service leads to.
    pub lost: Vec<String>,
    /// Longest time without an acknowledgement on any connection, in milliseconds.
    pub gap_ms: f64,
    /// Longest time without one on the same connection, in milliseconds.
    pub worst_connection_ms: f64,
    /// What was answered instead of `+OK`, or why a connection failed, and how often.
    pub errors: BTreeMap<String, u64>,
}

/// A running client.
pub struct Load {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Load {
    /// Starts one that writes through that Service of infra, and waits for its first acknowledgement.
    pub fn start(
        ground: &Ground,
        namespace: &str,
        service: &str,
        connections: usize,
        rate: u32,
    ) -> Self {
        let program = std::env::current_exe().unwrap();
        // What a test binary needs to run that one function; a bench asks `client` first.
        let args = [
            "--exact",
            "driver::load::in_a_process_of_its_own",
            "--ignored",
            "--nocapture",
        ];
        let mut target = Target {
            kubeconfig: ground.kubeconfig(),
            context: ground.contexts()[0].to_owned(),
            control: None,
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            connections,
            rate,
        };
        let mut command = match ground {
            Ground::Lab { lab, .. } => {
                target.control = Some(lab.control());
                let mut command = Command::new(&program);
                command.args(args);
                command
            }
            Ground::Rig(rig) => {
                target.kubeconfig = rig.kubeconfig_inside();
                rig.inside_command(&program, &args)
            }
        };
        command
            .env(ENVIRONMENT, serde_json::to_string(&target).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut load = Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        load.line("ready");
        load
    }

    /// What became of everything since the last report; all that was acknowledged in that time has been read back.
    pub fn report(&mut self) -> Written {
        let input = self.input.as_mut().unwrap();
        input.write_all(b"report\n").unwrap();
        input.flush().unwrap();
        serde_json::from_str(&self.line("report ")).unwrap()
    }

    /// What follows that word on the first line that begins with it.
    fn line(&mut self, word: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.output.read_line(&mut line).unwrap();
            assert!(read > 0, "the load ended before it said '{word}'");
            // A test harness prints before it on the same line.
            if let Some((_, rest)) = line.split_once(&format!("load: {word}")) {
                return rest.trim().to_owned();
            }
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It ends with its input.
        self.input = None;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3) {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process itself, when a test binary is started for it.
#[test]
#[ignore = "is the client that other tests start"]
fn in_a_process_of_its_own() {
    client();
}

/// Runs as the client if this process was started for that, until its input ends; else returns `false` at once.
pub fn client() -> bool {
    let Ok(told) = std::env::var(ENVIRONMENT) else {
        return false;
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let target: Target = serde_json::from_str(&told).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let memory = Arc::new(Memory::default());
    let service = Arc::new(Service {
        control: target.control.clone(),
        ready: Mutex::default(),
        turns: AtomicUsize::default(),
    });
    runtime.spawn(follow(target.clone(), service.clone()));
    for number in 0..target.connections {
        let (target, service, memory) = (target.clone(), service.clone(), memory.clone());
        runtime.spawn(async move { write(number, &target, &service, &memory).await });
    }
    let begun = Instant::now();
    while memory.acks.lock().unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
        let errors = memory.errors.lock().unwrap();
        assert!(
            begun.elapsed() < PATIENCE / 4,
            "nothing was accepted: {errors:?}"
        );
    }
    say("ready");
    let mut from = Period {
        begun: Instant::now(),
        first: 0,
    };
    for line in io::stdin().lines() {
        if line.unwrap() == "report" {
            let written = runtime.block_on(memory.report(&mut from, target.connections, &service));
            say(&format!(
                "report {}",
                serde_json::to_string(&written).unwrap()
            ));
        }
    }
    std::process::exit(0);
}

fn say(line: &str) {
    let mut out = io::stdout();
    writeln!(out, "load: {line}").unwrap();
    out.flush().unwrap();
}

/// What was acknowledged, in order of time, and what went wrong.
#[derive(Default)]
struct Memory {
    acks: Mutex<Vec<Ack>>,
    errors: Mutex<BTreeMap<String, u64>>,
    /// Nobody writes while it is read back: then what is missing is lost, not late.
    resting: AtomicBool,
}

#[derive(Clone, Copy)]
struct Ack {
    connection: usize,
    number: u64,
    at: Instant,
}

impl Ack {
    fn key(self) -> String {
        format!("load:{}:{}", self.connection, self.number)
    }
}

/// Since when, and from which acknowledgement on.
struct Period {
    begun: Instant,
    first: usize,
}

impl Memory {
    fn failed(&self, why: &str) {
        *self
            .errors
            .lock()
            .unwrap()
            .entry(why.to_owned())
            .or_default() += 1;
    }

    async fn report(&self, from: &mut Period, connections: usize, service: &Service) -> Written {
        let now = Instant::now();
        let acks: Vec<Ack> = {
            let mut all = self.acks.lock().unwrap();
            all[from.first..].sort_by_key(|ack| ack.at);
            all[from.first..].to_vec()
        };
        let errors = std::mem::take(&mut *self.errors.lock().unwrap());
        let longest = |of: Option<usize>| {
            let mut last = from.begun;
            let mut longest = Duration::ZERO;
            let own = acks
                .iter()
                .filter(|ack| of.is_none_or(|of| ack.connection == of));
            for at in own.map(|ack| ack.at).chain([now]) {
                longest = longest.max(at.saturating_duration_since(last));
                last = at;
            }
            longest.as_secs_f64() * 1000.0
        };
        let worst = (0..connections)
            .map(|one| longest(Some(one)))
            .fold(0.0, f64::max);
        let gap_ms = longest(None);
        self.resting.store(true, Ordering::Relaxed);
        let lost = missing(&acks, service).await;
        self.resting.store(false, Ordering::Relaxed);
        from.first += acks.len();
        from.begun = Instant::now();
        Written {
            acknowledged: acks.len() as u64,
            lost,
            gap_ms,
            worst_connection_ms: worst,
            errors,
        }
    }
}

/// Keys that are not as they were acknowledged, read from the master that the Service leads to.
async fn missing(acks: &[Ack], service: &Service) -> Vec<String> {
    let begun = Instant::now();
    let mut left: BTreeSet<usize> = (0..acks.len()).collect();
    let mut lost = Vec::new();
    while !left.is_empty() {
        assert!(
            begun.elapsed() < PATIENCE,
            "what was written cannot be read"
        );
        let Ok(mut wire) = service.connect().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        if !matches!(wire.call(&["ROLE"]).await, Ok(role) if role.contains("master")) {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        for at in left.clone() {
            let key = acks[at].key();
            match wire.call(&["GET", &key]).await {
                Ok(reply) if !reply.starts_with('-') => {
                    left.remove(&at);
                    if reply != acks[at].number.to_string() {
                        lost.push(key);
                    }
                }
                _ => break,
            }
        }
    }
    lost
}

/// One connection after the other, one write after the other.
async fn write(connection: usize, target: &Target, service: &Service, memory: &Memory) {
    let each = Duration::from_secs_f64(target.connections as f64 / f64::from(target.rate));
    let mut number = 0;
    loop {
        let mut wire = match service.connect().await {
            Ok(wire) => wire,
            Err(why) => {
                memory.failed(&why.to_string());
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let mut due = Instant::now();
        loop {
            while memory.resting.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            number += 1;
            let ack = Ack {
                connection,
                number,
                at: Instant::now(),
            };
            let reply = timeout(
                CLIENT_PATIENCE,
                wire.call(&["SET", &ack.key(), &number.to_string()]),
            )
            .await;
            match reply {
                Ok(Ok(reply)) if reply == "+OK" => {
                    let at = Instant::now();
                    memory.acks.lock().unwrap().push(Ack { at, ..ack });
                }
                Ok(Ok(reply)) => {
                    memory.failed(&reply);
                    break;
                }
                Ok(Err(error)) => {
                    memory.failed(&error.to_string());
                    break;
                }
                Err(_) => {
                    memory.failed("no answer");
                    break;
                }
            }
            due = (due + each).max(Instant::now() - each);
            tokio::time::sleep_until(due.into()).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Where new connections go.
struct Service {
    control: Option<PathBuf>,
    /// Ready endpoints, by slice.
    ready: Mutex<BTreeMap<String, Vec<String>>>,
    /// Several endpoints take turns.
    turns: AtomicUsize,
}

impl Service {
    async fn connect(&self) -> io::Result<Wire<TcpStream>> {
        let first = {
            let ready = self.ready.lock().unwrap();
            let all: Vec<&String> = ready.values().flatten().collect();
            let turn = self.turns.fetch_add(1, Ordering::Relaxed);
            all.get(turn % all.len().max(1)).map(|one| (*one).clone())
        };
        // As kube-proxy has it for a Service without endpoints.
        let address = first.ok_or_else(|| io::Error::other("no endpoint"))?;
        let opened = async {
            match &self.control {
                None => TcpStream::connect((address.as_str(), 6379)).await,
                Some(control) => darner::lab::dial(control, &address, 6379).await,
            }
        };
        let stream = timeout(CLIENT_PATIENCE, opened).await;
        let stream = stream.map_err(|_| io::Error::other("no connection"))??;
        stream.set_nodelay(true)?;
        Ok(Wire::new(stream))
    }

    fn put(&self, slice: &EndpointSlice) {
        let name = slice.metadata.name.clone().unwrap_or_default();
        let ready = slice.endpoints.iter().filter(|one| {
            let conditions = one.conditions.as_ref();
            conditions
                .and_then(|conditions| conditions.ready)
                .unwrap_or(true)
        });
        let addresses = ready.flat_map(|one| one.addresses.clone()).collect();
        self.ready.lock().unwrap().insert(name, addresses);
    }
}

/// Keeps the endpoints of the Service up to date.
async fn follow(target: Target, service: Arc<Service>) {
    let config = kube::config::Kubeconfig::read_from(&target.kubeconfig).unwrap();
    let options = kube::config::KubeConfigOptions {
        context: Some(target.context.clone()),
        ..Default::default()
    };
    let config = kube::Config::from_custom_kubeconfig(config, &options)
        .await
        .unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let slices: Api<EndpointSlice> = Api::namespaced(client, &target.namespace);
    let label = format!("kubernetes.io/service-name={}", target.service);
    loop {
        let Ok(list) = slices.list(&ListParams::default().labels(&label)).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        service.ready.lock().unwrap().clear();
        list.items.iter().for_each(|slice| service.put(slice));
        let version = list.metadata.resource_version.unwrap_or_default();
        let Ok(changes) = slices
            .watch(&WatchParams::default().labels(&label), &version)
            .await
        else {
            continue;
        };
        let mut changes = changes.boxed();
        while let Ok(Some(change)) = changes.try_next().await {
            match change {
                WatchEvent::Added(slice) | WatchEvent::Modified(slice) => service.put(&slice),
                WatchEvent::Deleted(slice) => {
                    let name = slice.metadata.name.unwrap_or_default();
                    service.ready.lock().unwrap().remove(&name);
                }
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(_) => break,
            }
        }
    }
}

/// RESP over any stream, one command after the other.
pub struct Wire<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Over that stream.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends a command. Answers are `+OK`, `-ERR ...`, `:1`, the text of a string, and of a list all its parts in lines.
    pub async fn call(&mut self, args: &[&str]) -> io::Result<String> {
        let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            bytes.extend_from_slice(format!("${}\r\n{arg}\r\n", arg.len()).as_bytes());
        }
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await?;
        self.reply().await
    }

    async fn reply(&mut self) -> io::Result<String> {
        let mut parts = 1;
        let mut said = Vec::new();
        while parts > 0 {
            parts -= 1;
            let line = self.line().await?;
            let count = || line[1..].parse::<i64>().unwrap_or(-1);
            match line.as_bytes().first() {
                Some(b'$') => {
                    let Ok(length) = usize::try_from(count()) else {
                        said.push("(nil)".to_owned());
                        continue;
                    };
                    while self.buffer.len() < length + 2 {
                        self.more().await?;
                    }
                    let text: Vec<u8> = self.buffer.drain(..length + 2).take(length).collect();
                    said.push(String::from_utf8_lossy(&text).into_owned());
                }
                Some(b'*') => parts += count().max(0),
                _ => said.push(line),
            }
        }
        Ok(said.join("\n"))
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece).await? {
            0 => Err(io::Error::other("the connection ended")),
            read => {
                self.buffer.extend_from_slice(&piece[..read]);
                Ok(())
            }
        }
    }
}
