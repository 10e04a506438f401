//! Simulated Dragonfly engines: one RESP server per pod, on two real loopback listeners.
//!
//! An engine behaves, in durations, states and error texts, as recordings of real servers (v1.39.0
//! and v1.40.1) show. It holds real keys, journals changes per shard, and replicates them to other
//! engines of the same [`Network`]. It imports nothing from the house, and the house nothing from it.
//!
//! Start reading at [`Engine`], then `node` (the process), `serve` (sockets), `dispatch` (commands),
//! `replication`, `link` and `takeover`.

mod clients;
mod clock;
mod config;
mod connection;
mod core;
mod crowd;
mod dispatch;
mod dump;
mod early;
mod exec;
mod faults;
mod figures;
mod hashes;
mod http;
mod journal;
mod keys;
mod keyspace;
mod link;
mod lists;
mod load;
mod log;
mod metrics;
mod network;
mod node;
mod persistence;
mod replication;
mod resp;
mod rng;
mod sections;
mod serve;
mod server;
mod sets;
mod snapshot;
mod spec;
mod stats;
mod strings;
mod table;
mod takeover;
#[cfg(test)]
mod tests;
mod tls;
mod value;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

pub use clock::LabClock;
pub use crowd::{Attendant, Manner};
pub use faults::{Absurd, Fault};
pub use load::Load;
pub use log::LogSlice;
pub use network::Network;
pub use snapshot::Snapshot;
pub use spec::{EngineSpec, Version};

use self::core::{Role, State};
use clients::Port;
use node::Node;

/// A running (or ended) simulated Dragonfly process. Clones are the same process; it lives until it
/// is stopped, killed, or taken over.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Node>);

/// What an engine is, for the lab's own use; everybody else asks it over its sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineRole {
    /// A master, with the number of replicas in stable sync.
    Master { online: usize },
    /// A replica of this host; in sync or not.
    Replica { master: String, in_sync: bool },
}

impl Engine {
    /// Starts a process: binds two loopback ports, takes the simulated address in the network (from
    /// a former process, if there was one), and loads what lies in its directory.
    ///
    /// A process that refuses to start (maxmemory below 256 MiB per thread) is returned as one that
    /// has exited with status 1 and says why in its log.
    ///
    /// # Errors
    /// When no loopback port can be bound, for example because the process is out of descriptors.
    pub async fn start(spec: EngineSpec, network: Network, clock: LabClock) -> io::Result<Self> {
        let (data, admin) = match (spec.listens, spec.at_address) {
            (true, true) => (
                Some(own_port(&spec, spec.data_port).await?),
                Some(own_port(&spec, spec.admin_port).await?),
            ),
            (true, false) => (Some(any_port().await?), Some(any_port().await?)),
            (false, _) => (None, None),
        };
        let node = Node::new(spec, network, clock, data.as_ref(), admin.as_ref())?;
        let engine = Self(Arc::clone(&node));
        if !node.announce() {
            return Ok(engine);
        }
        node.network.register(&node);
        node.load_at_start();
        for (listener, port) in [(data, Port::Data), (admin, Port::Admin)] {
            if let Some(listener) = listener {
                node.spawn(serve::accept(Arc::clone(&node), listener, port));
            }
        }
        persistence::watch_cron(&node, &mut node.core());
        Ok(engine)
    }

    /// The pod name.
    pub fn name(&self) -> &str {
        &self.0.spec.name
    }

    /// What it was started with.
    pub fn spec(&self) -> &EngineSpec {
        &self.0.spec
    }

    /// The real listener of the data port.
    pub fn data_addr(&self) -> SocketAddr {
        self.0.data_addr
    }

    /// The real listener of the admin port: RESP without a password, and HTTP.
    pub fn admin_addr(&self) -> SocketAddr {
        self.0.admin_addr
    }

    /// Opens a connection to one of its ports, with or without standing listeners.
    ///
    /// # Errors
    /// `ConnectionRefused` when the process has closed its ports or has no such port.
    pub async fn dial(&self, port: u16) -> io::Result<TcpStream> {
        let port = match port {
            port if port == self.0.spec.data_port => Port::Data,
            port if port == self.0.spec.admin_port => Port::Admin,
            _ => return Err(io::ErrorKind::ConnectionRefused.into()),
        };
        if self.0.closed.is_cancelled() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let ours = TcpStream::connect(listener.local_addr()?).await?;
        let (theirs, peer) = loop {
            let (stream, peer) = listener.accept().await?;
            // Somebody else may have found the port in between.
            if peer == ours.local_addr()? {
                break (stream, peer);
            }
        };
        ours.set_nodelay(true)?;
        serve::receive(&self.0, theirs, peer, port);
        Ok(ours)
    }

    /// SIGTERM, as a pod delete sends it: both ports close at once, replicas are dropped without
    /// catch-up; the process lives on to save, then exits with status 0.
    pub fn stop_graceful(&self) {
        serve::shut_down(&self.0, true);
    }

    /// SIGKILL: everything ends at once, with status 137.
    pub fn kill(&self) {
        self.0.close();
        self.0.exit(137);
    }

    /// SIGSTOP and SIGCONT: sockets accept, nothing answers; its peers notice nothing.
    pub fn freeze(&self, frozen: bool) {
        self.0.freeze(frozen);
    }

    /// Whether it is stopped by [`Engine::freeze`].
    pub fn is_frozen(&self) -> bool {
        self.0.frozen()
    }

    /// Completes when it gets stopped: how a kubelet learns that its probes will fail.
    pub async fn froze(&self) {
        self.0.froze().await;
    }

    /// The exit status, once the process has ended.
    pub fn exit_code(&self) -> Option<i32> {
        self.0.exit_code()
    }

    /// Completes with the exit status when the process ends: 0 after SIGTERM or a finished takeover,
    /// 137 after SIGKILL, 134 after an abort, 1 when it refused to start.
    pub async fn exited(&self) -> i32 {
        self.0.exited().await
    }

    /// Log lines from a position on; 0 gives all that are kept.
    pub fn log(&self, from: u64) -> LogSlice {
        self.0.core().log.slice(from)
    }

    /// Whether a snapshot or a full sync is being loaded.
    pub fn is_loading(&self) -> bool {
        self.0.core().state == State::Loading
    }

    /// Its role, as it would say itself.
    pub fn role(&self) -> EngineRole {
        let core = self.0.core();
        match &core.role {
            Role::Master => EngineRole::Master {
                online: core
                    .followers
                    .iter()
                    .filter(|follower| follower.is_online())
                    .count(),
            },
            Role::Replica(link) => EngineRole::Replica {
                master: link.host.clone(),
                in_sync: link.up && link.phase == replication::LinkPhase::Stable,
            },
        }
    }

    /// Its own replication id.
    pub fn replid(&self) -> String {
        self.0.core().replid.clone()
    }

    /// Keys in all databases.
    pub fn keys(&self) -> u64 {
        self.0.core().key_count()
    }

    /// A copy of all keys as they are now.
    pub fn snapshot(&self) -> Snapshot {
        self.0.copy()
    }

    /// What the last successful save wrote, or what was loaded at start: what its volume holds.
    pub fn saved(&self) -> Option<Snapshot> {
        self.0.core().saves.kept.clone()
    }

    /// Removes a file of a snapshot from its directory, by its name there: what `rm` in the container does. The engine does
    /// not notice.
    pub fn remove_saved(&self, name: &str) {
        if let Some(kept) = &mut self.0.core().saves.kept {
            kept.removed.insert(name.to_owned());
        }
    }

    /// Adds `keys` keys of `bytes` in all under a prefix, without their cost in memory.
    pub fn fill(&self, prefix: &str, keys: u64, bytes: u64) {
        load::fill(&self.0, prefix, keys, bytes);
    }

    /// Lets a simulated client write, whenever this engine is a master; until the process ends.
    pub fn load(&self, load: Load) {
        self.0.spawn(load::run(Arc::clone(&self.0), load));
    }

    /// Writes `count` times at once, as the load would; how many were accepted.
    pub fn write_burst(&self, load: &Load, count: u64) -> u64 {
        let mut rng = rng::Rng::of(self.0.spec.seed, &load.name, count);
        load::write(&self.0, load, count, &mut rng)
    }

    /// Writes and reads at once for a client whose keys and values the salt chooses; how many writes
    /// were accepted.
    pub fn traffic(&self, load: &Load, writes: u64, reads: u64, salt: u64) -> u64 {
        let mut rng = rng::Rng::of(self.0.spec.seed, &load.name, salt);
        load::read(&self.0, load, reads, &mut rng);
        load::write(&self.0, load, writes, &mut rng)
    }

    /// Connects clients that are not connected yet, if it takes connections. `settled` ones are as old as they say.
    pub fn attend(&self, crowd: &[Attendant], settled: bool) {
        crowd::attend(&self.0, crowd, settled);
    }

    /// Notes a command that took long, `ago` in the past, in the slow log.
    pub fn slow(&self, args: &[&str], usec: u64, ago: Duration, by: &Attendant) {
        crowd::slow(&self.0, args, usec, ago, by);
    }

    /// Makes one in `every` of the keys it was filled with wrong, without a word in any figure: the silent divergence that
    /// a wrong promotion left behind. How many. Another turn makes others wrong.
    pub fn diverge(&self, every: u64, turn: u64) -> u64 {
        let mut core = self.0.core();
        core.databases.entry(0).or_default().diverge(every, turn)
    }

    /// Sets its last successful save back in time.
    pub fn saved_ago(&self, ago: Duration) {
        let at = self.0.clock.unix_s() - i64::try_from(ago.as_secs()).unwrap_or(0);
        let mut core = self.0.core();
        core.saves.last_success = at;
        let base = core.config.text("dbfilename");
        if let (Ok(moment), false) = (jiff::Timestamp::from_second(at), base.is_empty()) {
            let stamp = moment.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            let base = base.replace("{timestamp}", &stamp);
            core.saves.last_file = format!("{}/{base}-summary.dfs", self.0.spec.dir);
        }
    }

    /// How far a full sync or a load has come, 0 to 1; `None` when nothing is under way.
    pub fn progress(&self) -> Option<f64> {
        self.0.core().progress.map(|progress| progress.done)
    }

    /// Whether replication has stopped for good: the master came back with another id.
    pub fn has_stopped(&self) -> bool {
        match &self.0.core().role {
            Role::Replica(link) => link.phase == replication::LinkPhase::Disabled,
            Role::Master => false,
        }
    }

    /// Whether a takeover has locked it.
    pub fn is_taken_over(&self) -> bool {
        self.0.core().state == State::TakenOver
    }

    /// Leaves only a share of the keys in what it has saved: the snapshot of long ago that the next start will load.
    pub fn keep_older(&self, share: f64) {
        let mut core = self.0.core();
        if let Some(kept) = &mut core.saves.kept {
            let mut databases = kept.databases.as_ref().clone();
            databases.values_mut().for_each(|db| db.truncate(share));
            kept.databases = Arc::new(databases);
        }
    }

    /// Injects a fault.
    pub fn inject(&self, fault: Fault) {
        faults::inject(&self.0, fault);
    }

    /// Lifts every fault; a frozen process goes on.
    pub fn heal(&self) {
        faults::heal(&self.0);
    }

    /// Replicates from a peer, as the command does; the error is the reply's text.
    ///
    /// # Errors
    /// The server's error text, such as `ERR replication cancelled`.
    pub async fn replica_of(&self, host: &str, port: u16) -> Result<(), String> {
        match replication::replica_of(&self.0, host.to_owned(), port).await {
            resp::Reply::Error(text) => Err(text),
            _ => Ok(()),
        }
    }

    /// How long this process has lived.
    pub fn uptime(&self) -> Duration {
        let started = self.0.core().started;
        self.0.now().saturating_sub(started)
    }
}

async fn any_port() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// A port at the engine's own address. A process that ended a moment ago may still hold it.
async fn own_port(spec: &EngineSpec, port: u16) -> io::Result<TcpListener> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let since = std::time::Instant::now();
    loop {
        match TcpListener::bind((spec.ip, port)).await {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse && since.elapsed() < PATIENCE =>
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            bound => return bound,
        }
    }
}
