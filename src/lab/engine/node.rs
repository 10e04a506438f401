//! One simulated process: its state, its signals, and how it ends.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::clock::LabClock;
use super::core::{Core, State};
use super::figures::human;
use super::network::Network;
use super::spec::{EngineSpec, Version};

/// A thread needs this much of maxmemory, or the process does not start.
const MEMORY_PER_THREAD: u64 = 256 << 20;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) spec: EngineSpec,
    pub(super) clock: LabClock,
    pub(super) network: Network,
    /// What the data port needs to speak TLS.
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    core: Mutex<Core>,
    /// The standing listeners; unspecified without them.
    pub(super) data_addr: SocketAddr,
    pub(super) admin_addr: SocketAddr,
    /// SIGSTOP: sockets accept, nothing answers.
    frozen: watch::Sender<bool>,
    is_frozen: AtomicBool,
    exit: watch::Sender<Option<i32>>,
    /// Cancelled when the ports close.
    pub(super) closed: CancellationToken,
    pub(super) journal_moved: Notify,
    pub(super) lists_moved: Notify,
    pub(super) takeover_over: Notify,
    /// Replication commands run one at a time.
    pub(super) replication: tokio::sync::Mutex<()>,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Node {
    pub(super) fn new(
        spec: EngineSpec,
        network: Network,
        clock: LabClock,
        data: Option<&TcpListener>,
        admin: Option<&TcpListener>,
    ) -> std::io::Result<Arc<Self>> {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let address =
            |listener: Option<&TcpListener>| listener.map_or(Ok(nowhere), TcpListener::local_addr);
        let core = Core::new(&spec, &clock);
        let tls = spec.tls.as_ref();
        Ok(Arc::new(Self {
            tls: tls.and_then(|(certificate, key)| super::tls::config(certificate, key)),
            core: Mutex::new(core),
            data_addr: address(data)?,
            admin_addr: address(admin)?,
            frozen: watch::Sender::new(false),
            is_frozen: AtomicBool::new(false),
            exit: watch::Sender::new(None),
            closed: CancellationToken::new(),
            journal_moved: Notify::new(),
            lists_moved: Notify::new(),
            takeover_over: Notify::new(),
            replication: tokio::sync::Mutex::new(()),
            tasks: Mutex::default(),
            spec,
            clock,
            network,
        }))
    }

    /// Writes the first log lines; false when the process refuses to start (it has exited then).
    pub(super) fn announce(&self) -> bool {
        let mut core = self.core();
        if let Some(error) = self.unknown_flag() {
            core.log.plain(&error);
            drop(core);
            return self.refuse();
        }
        let (threads, limit) = (core.threads, core.config.number("maxmemory"));
        core.log
            .plain("* For the available flags type dragonfly [--help | --helpfull]");
        core.log
            .plain("* Documentation can be found at: https://www.dragonflydb.io/docs");
        let version = format!("Starting dragonfly df-{}", self.spec.version);
        core.log.info(0, "dfly_main.cc:1096", &version);
        let limit_text = format!("Max memory limit is: {}", human(limit));
        core.log.info(0, "dfly_main.cc:1169", &limit_text);
        core.log.info(
            0,
            "proactor_pool.cc:149",
            &format!("Running {threads} io threads"),
        );
        if limit > 0 && limit < threads as u64 * MEMORY_PER_THREAD {
            let needed = human(threads as u64 * MEMORY_PER_THREAD);
            let text = format!("There are {threads} threads, so {needed} are required. Exiting...");
            core.log.write('E', 0, "dfly_main.cc:316", &text);
            drop(core);
            return self.refuse();
        }
        let (ip, data, admin) = (self.spec.ip, self.spec.data_port, self.spec.admin_port);
        core.log.info(
            0,
            "dfly_main.cc:434",
            &format!("Listening on admin socket {ip}:{admin}"),
        );
        for (port, thread) in [(admin, threads - 1), (data, 0)] {
            let text = format!(
                "sock[{}] AcceptServer - listening on {ip}:{port}",
                8 + thread
            );
            core.log.info(thread, "listener_interface.cc:102", &text);
        }
        true
    }

    /// What the flag library says before anything else runs.
    fn unknown_flag(&self) -> Option<String> {
        let spec = &self.spec;
        // The flag is known from v1.20.0 on; operators from v1.3.0 on always pass it.
        if spec.break_replication_on_master_restart && spec.version < Version(1, 20, 0) {
            let name = "break_replication_on_master_restart";
            return Some(format!("ERROR: Unknown command line flag '{name}'"));
        }
        let cron = &spec.snapshot_cron;
        let wrong = !super::config::is_cron(cron);
        wrong.then(|| {
            format!(
                "ERROR: Illegal value '{cron}' specified for flag 'snapshot_cron'; \
                 cron expression must have six fields"
            )
        })
    }

    fn refuse(&self) -> bool {
        self.closed.cancel();
        self.exit(1);
        false
    }

    /// The state, locked. Never hold it over an await, and never lock two engines at once.
    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Runs a task that dies with the process.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let handle = tokio::spawn(work).abort_handle();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(handle.clone());
        handle
    }

    pub(super) fn freeze(&self, frozen: bool) {
        self.is_frozen.store(frozen, Ordering::Release);
        self.frozen.send_replace(frozen);
        if !frozen {
            self.journal_moved.notify_waiters();
        }
    }

    pub(super) fn frozen(&self) -> bool {
        self.is_frozen.load(Ordering::Acquire)
    }

    pub(super) async fn froze(&self) {
        let mut seen = self.frozen.subscribe();
        // The sender lives as long as the node.
        let _ = seen.wait_for(|frozen| *frozen).await;
    }

    /// Waits while the process is stopped.
    pub(super) async fn thaw(&self) {
        if self.frozen() {
            let mut seen = self.frozen.subscribe();
            // The sender lives as long as the node: an error cannot happen while we wait.
            let _ = seen.wait_for(|frozen| !frozen).await;
        }
    }

    /// Waits until the process runs; false when its ports closed instead.
    pub(super) async fn thawed(&self) -> bool {
        tokio::select! {
            () = self.thaw() => !self.closed.is_cancelled(),
            () = self.closed.cancelled() => false,
        }
    }

    /// Closes both ports: listeners and connections go, replicas are dropped, nobody is told more.
    pub(super) fn close(&self) {
        let first = !self.closed.is_cancelled();
        // Before the connections go: one that is just being accepted must see it.
        self.closed.cancel();
        {
            let mut core = self.core();
            core.state = State::ShuttingDown;
            core.clients.kill(|_| true);
            let dropped: Vec<_> = core.followers.drain(..).map(|f| (f.ip, f.port)).collect();
            for (ip, port) in dropped {
                let text = format!("Disconnecting from replica {ip}:{port}");
                core.log.info(0, "dflycmd.cc:129", &text);
            }
            let last = core.threads - 1;
            let ports = [(self.spec.data_port, 0), (self.spec.admin_port, last)];
            for (port, thread) in ports.into_iter().filter(|_| first) {
                let text = format!("Listener stopped for port {port}");
                core.log.info(thread, "listener_interface.cc:230", &text);
            }
        }
        self.network.forget(self);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.drain(..).for_each(|task| task.abort());
    }

    /// The process ends with this exit status; a second call changes nothing.
    pub(super) fn exit(&self, code: i32) {
        self.exit.send_if_modified(|exit| {
            let first = exit.is_none();
            if first {
                *exit = Some(code);
            }
            first
        });
    }

    pub(super) fn exit_code(&self) -> Option<i32> {
        *self.exit.borrow()
    }

    pub(super) async fn exited(&self) -> i32 {
        let mut seen = self.exit.subscribe();
        match seen.wait_for(Option::is_some).await {
            Ok(code) => code.unwrap_or_default(),
            Err(_) => 0,
        }
    }
}
