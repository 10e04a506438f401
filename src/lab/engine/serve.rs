//! Sockets: listeners, connections, and replies that need time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::clients::{Client, Phase, Port};
use super::core::State;
use super::dispatch::{Pending, Session, Step, dispatch};
use super::faults::Absurd;
use super::node::Node;
use super::resp::{Parsed, Reply, parse};
use super::{http, replication, server, takeover};

/// Replies gathered before they are sent, so that a client that does not read is noticed.
const FLUSH_AT: usize = 64 << 10;
/// What a broken engine sends in place of a reply.
const GARBAGE: &[u8] = b"\x00\x1f\x8b this is no RESP \xff\xfe\r\n";
/// The header of a string that is never sent.
const HUGE: &[u8] = b"$2147483648\r\n";
/// How many lists lie within each other.
const DEEP: usize = 10_000;
/// Between two bytes, in real time: it is the patience of a client that is tried.
const DRIP: Duration = Duration::from_secs(1);
/// Between two looks at whether those that nobody speaks to may go, in lab time.
const UNHEARD: Duration = Duration::from_millis(500);

/// Accepts connections until the process ends.
pub(super) async fn accept(node: Arc<Node>, listener: TcpListener, port: Port) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of descriptors, most likely: the next attempt may succeed.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        receive(&node, stream, peer, port);
    }
}

/// Takes a new connection, or closes it at once while the RSS guard is on.
pub(super) fn receive(node: &Arc<Node>, stream: TcpStream, peer: SocketAddr, port: Port) {
    let mut core = node.core();
    core.stats.connections += 1;
    if port == Port::Data && core.rss_guard() {
        let (memory, limit) = (core.memory(), core.config.number("maxmemory"));
        let limit = limit as f64 * core.config.ratio("rss_oom_deny_ratio");
        let text = format!(
            "Accepting connections stopped, used memory over limit: total_rss {} > memory_limit {limit:.0}",
            memory.rss
        );
        core.log.warn(0, "server_family.cc:1408", &text);
        return;
    }
    let deaf = port == Port::Data && core.faults.deaf;
    drop(core);
    if deaf {
        node.spawn(ignore(Arc::clone(node), stream));
        return;
    }
    // Small replies must not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let tls = node.tls.clone().filter(|_| port == Port::Data);
    let Some(config) = tls else {
        admit(node, stream, peer, port);
        return;
    };
    let worker = Arc::clone(node);
    node.spawn(async move {
        // Who speaks no TLS here is sent away with an alert.
        if let Ok(plain) = super::tls::accept(config, stream).await {
            admit(&worker, plain, peer, port);
        }
    });
}

/// Keeps a connection that nobody speaks to, as a kernel does whose process does not accept it; those that were kept so are
/// dropped when the fault is lifted.
async fn ignore(node: Arc<Node>, stream: TcpStream) {
    while node.core().faults.deaf {
        tokio::select! {
            () = node.clock.sleep(UNHEARD) => {}
            () = node.closed.cancelled() => break,
        }
    }
    drop(stream);
}

fn admit(node: &Arc<Node>, stream: TcpStream, peer: SocketAddr, port: Port) {
    let now = node.now();
    let id = {
        let mut core = node.core();
        let id = core.clients.next_id();
        let number = match port {
            Port::Data => node.spec.data_port,
            Port::Admin => node.spec.admin_port,
        };
        let tid = usize::try_from(id).unwrap_or(0) % core.threads;
        let own = stream.local_addr().ok();
        let own = own.filter(|own| own.ip() == node.spec.ip);
        let laddr = own.map_or_else(|| format!("127.0.0.1:{number}"), |own| own.to_string());
        core.clients
            .all
            .insert(id, Client::new(id, port, peer.to_string(), laddr, tid, now));
        id
    };
    let session = Session {
        id,
        port,
        authenticated: port == Port::Admin || node.core().config.text("requirepass").is_empty(),
        proto: Default::default(),
        db: 0,
        queue: None,
        watched: vec![],
        inbox: None,
    };
    let worker = Arc::clone(node);
    let task = tokio::spawn(async move {
        let mut wire = Wire {
            node: worker,
            stream,
            input: vec![],
            output: vec![],
        };
        // How a connection ends is of no interest: the client is gone either way.
        let _ = wire.converse(session).await;
        wire.node.core().clients.all.remove(&id);
    });
    if let Some(client) = node.core().clients.all.get_mut(&id) {
        client.task = Some(task.abort_handle());
    }
    if node.closed.is_cancelled() {
        task.abort();
    }
}

/// One connection's socket and buffers; both are empty while it is idle.
struct Wire {
    node: Arc<Node>,
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Wire {
    async fn converse(&mut self, mut session: Session) -> io::Result<()> {
        loop {
            let pushed = self.listen(&mut session).await?;
            if let Some(reply) = pushed {
                reply.encode(session.proto, &mut self.output);
                self.flush(session.id).await?;
                continue;
            }
            self.node.thaw().await;
            match self.receive(session.id) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
            if http::asks(session.port, &self.input) {
                if !self.answer_http(session.id).await? {
                    return Ok(());
                }
                continue;
            }
            if !self.work(&mut session).await? {
                return Ok(());
            }
        }
    }

    /// Waits for bytes, or for a message to push.
    async fn listen(&mut self, session: &mut Session) -> io::Result<Option<Reply>> {
        match &mut session.inbox {
            None => self.stream.readable().await.map(|()| None),
            Some(inbox) => tokio::select! {
                ready = self.stream.readable() => ready.map(|()| None),
                message = inbox.recv() => Ok(message),
            },
        }
    }

    /// Takes what the socket has. The buffer lives on the stack, so an idle connection holds none.
    fn receive(&mut self, id: u64) -> io::Result<usize> {
        let mut chunk = [0_u8; 16 << 10];
        let count = self.stream.try_read(&mut chunk)?;
        self.input
            .extend_from_slice(chunk.get(..count).unwrap_or_default());
        let mut core = self.node.core();
        core.stats.net_in += count as u64;
        core.stats.reads += 1;
        if let Some(client) = core.clients.all.get_mut(&id) {
            client.net_in += count as u64;
            client.reads += 1;
        }
        Ok(count)
    }

    /// Runs every whole command that was read; false when the connection shall close.
    async fn work(&mut self, session: &mut Session) -> io::Result<bool> {
        let mut at = 0;
        loop {
            let rest = self.input.get(at..).unwrap_or_default();
            let args = match parse(rest) {
                Parsed::Incomplete => break,
                Parsed::Bad(text) => {
                    Reply::err(text).encode(session.proto, &mut self.output);
                    self.flush(session.id).await?;
                    return Ok(false);
                }
                Parsed::Command(args, used) => {
                    at += used;
                    args
                }
            };
            if args.is_empty() {
                continue;
            }
            self.pause(session).await;
            let step = dispatch(&self.node, session, args);
            let (reply, close) = match step {
                Step::Reply(reply) => (reply, false),
                Step::Close(reply) => (reply, true),
                Step::Wait(pending) => {
                    self.input.drain(..at);
                    at = 0;
                    self.flush(session.id).await?;
                    let Some(reply) = self.await_reply(session, pending).await? else {
                        return Ok(false);
                    };
                    if let Reply::Error(text) = &reply {
                        self.node.core().stats.failed(text);
                    }
                    (reply, false)
                }
            };
            reply.encode(session.proto, &mut self.output);
            if close {
                self.flush(session.id).await?;
                return Ok(false);
            }
            if self.output.len() > FLUSH_AT {
                self.note_waiting(session.id, at);
                self.flush(session.id).await?;
            }
        }
        self.input.drain(..at.min(self.input.len()));
        if self.input.is_empty() {
            self.input = vec![];
        }
        self.flush(session.id).await?;
        Ok(true)
    }

    /// CLIENT PAUSE and slow replies.
    async fn pause(&self, session: &Session) {
        let (slow, paused) = {
            let core = self.node.core();
            (core.faults.slow, core.paused)
        };
        if !slow.is_zero() {
            self.node.clock.sleep(slow).await;
        }
        if let Some(pause) = paused
            && session.port == Port::Data
            && !pause.writes_only
        {
            let left = pause.until.saturating_sub(self.node.now());
            self.node.clock.sleep(left).await;
        }
    }

    /// Notes how many commands still wait, for CLIENT LIST.
    fn note_waiting(&self, id: u64, from: usize) {
        let mut rest = self.input.get(from..).unwrap_or_default();
        let bytes = rest.len();
        let mut count = 0;
        while let Parsed::Command(_, used) = parse(rest) {
            count += 1;
            rest = rest.get(used..).unwrap_or_default();
        }
        if let Some(client) = self.node.core().clients.all.get_mut(&id) {
            client.pipeline = (count, bytes);
            client.dispatches += count as u64;
        }
    }

    /// Sends what was gathered; shows `phase=send` while the client does not take it.
    async fn flush(&mut self, id: u64) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let (garbage, absurd) = {
            let core = self.node.core();
            (core.faults.garbage, core.faults.absurd)
        };
        if garbage {
            self.output = GARBAGE.to_vec();
        }
        match absurd {
            Some(Absurd::Huge) => self.output = HUGE.to_vec(),
            Some(Absurd::Deep) => {
                self.output = [b"*1\r\n".repeat(DEEP), b":1\r\n".to_vec()].concat()
            }
            Some(Absurd::Drip) => return self.drip().await,
            Some(Absurd::OddInfo) | None => {}
        }
        let mut sent = 0;
        let mut waiting = false;
        while let Some(rest) = self.output.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.try_write(rest) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !waiting {
                        waiting = true;
                        self.show(id, Phase::Send(self.node.now()));
                    }
                    self.stream.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        let mut core = self.node.core();
        core.stats.net_out += sent as u64;
        core.stats.writes += 1;
        if let Some(client) = core.clients.all.get_mut(&id) {
            client.pipeline = (0, 0);
            client.phase = Phase::Read;
        }
        drop(core);
        self.output.clear();
        if self.output.capacity() > FLUSH_AT {
            self.output = vec![];
        }
        Ok(())
    }

    /// Sends what was gathered one byte a second; goes on at once when the fault is lifted.
    async fn drip(&mut self) -> io::Result<()> {
        use tokio::io::AsyncWriteExt;
        let output = std::mem::take(&mut self.output);
        for byte in output {
            self.stream.write_all(&[byte]).await?;
            if self.node.core().faults.absurd == Some(Absurd::Drip) {
                tokio::time::sleep(DRIP).await;
            }
        }
        Ok(())
    }

    fn show(&self, id: u64, phase: Phase) {
        if let Some(client) = self.node.core().clients.all.get_mut(&id) {
            client.phase = phase;
        }
    }

    /// Waits for a reply that needs time; `None` when the client went away meanwhile.
    async fn await_reply(
        &mut self,
        session: &mut Session,
        pending: Pending,
    ) -> io::Result<Option<Reply>> {
        let node = Arc::clone(&self.node);
        self.show(session.id, Phase::Process);
        let reply = match pending {
            Pending::Pop { keys, left, until } => {
                let reply = self.blocking_pop(session, &keys, left, until).await?;
                if let Some(client) = node.core().clients.all.get_mut(&session.id) {
                    client.blocked = false;
                }
                reply
            }
            Pending::Info(sections) => loop {
                let over = node.takeover_over.notified();
                tokio::pin!(over);
                over.as_mut().enable();
                {
                    let mut core = node.core();
                    if !core.taking_over {
                        break Some(super::sections::reply(&node, &mut core, &sections));
                    }
                }
                over.await;
            },
            Pending::ReplicaOf { host, port } => {
                Some(replication::replica_of(&node, host, port).await)
            }
            Pending::ReplicaOfNoOne => Some(replication::replica_of_no_one(&node).await),
            // Outlives its connection: a client that gives up does not stop a takeover.
            Pending::Takeover { seconds, save } => {
                let (done, reply) = tokio::sync::oneshot::channel();
                let worker = Arc::clone(&node);
                node.spawn(async move {
                    let _ = done.send(takeover::take_over(&worker, seconds, save).await);
                });
                reply.await.ok()
            }
            Pending::Save { background } => Some(save(&node, background).await),
            Pending::Shutdown { save } => {
                shut_down(&node, save);
                None
            }
        };
        self.show(session.id, Phase::Read);
        Ok(reply)
    }

    async fn blocking_pop(
        &mut self,
        session: &Session,
        keys: &[Vec<u8>],
        left: bool,
        until: Option<Duration>,
    ) -> io::Result<Option<Reply>> {
        let node = Arc::clone(&self.node);
        loop {
            let moved = node.lists_moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            {
                let mut core = node.core();
                // A takeover sends everybody away with nothing.
                if core.state == State::TakenOver {
                    return Ok(Some(Reply::NullArray));
                }
                match server::pop_now(&node, &mut core, session.db, keys, left) {
                    Ok(Some(reply)) | Err(reply) => return Ok(Some(reply)),
                    Ok(None) => {}
                }
            }
            let left_over = until.map(|until| until.saturating_sub(node.now()));
            tokio::select! {
                () = moved => {}
                () = node.clock.sleep(left_over.unwrap_or_default()), if until.is_some() => {
                    return Ok(Some(Reply::NullArray));
                }
                ready = self.stream.readable() => {
                    ready?;
                    match self.receive(session.id) {
                        Ok(0) => return Ok(None),
                        Ok(_) => {}
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }

    async fn answer_http(&mut self, id: u64) -> io::Result<bool> {
        while let Some((request, used)) = http::read(&self.input) {
            self.input.drain(..used);
            self.output = http::answer(&self.node, &request);
            self.flush(id).await?;
            if request.last {
                return Ok(false);
            }
        }
        Ok(self.input.len() < 32 << 10)
    }
}

async fn save(node: &Arc<Node>, background: bool) -> Reply {
    match node.begin_save(background) {
        Err(refusal) => refusal,
        Ok(running) if background => {
            let worker = Arc::clone(node);
            node.spawn(async move {
                worker.finish_save(running).await;
            });
            Reply::ok()
        }
        Ok(running) => node.finish_save(running).await,
    }
}

/// SHUTDOWN and SIGTERM: the ports close at once, the process ends after its last save.
pub(super) fn shut_down(node: &Arc<Node>, save: bool) {
    // Outside the tasks of the node, which end when its ports close.
    let node = Arc::clone(node);
    tokio::spawn(async move {
        // A stopped process takes no signal but SIGKILL.
        if !node.thawed().await {
            return;
        }
        let save = {
            let mut core = node.core();
            let loading = core.state == State::Loading;
            let text = "Exiting on signal Terminated";
            core.log.info(0, "accept_server.cc:60", text);
            save && !loading
        };
        node.close();
        node.last_save_and_exit(save, 0).await;
    });
}
