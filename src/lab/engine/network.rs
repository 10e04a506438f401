//! The pod network of a lab: who answers at which simulated address, and which links are cut.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use super::node::Node;

/// Shared by all engines of a cluster; cheap to clone. Replication runs over it in memory, clients
/// over real sockets.
#[derive(Clone, Debug, Default)]
pub struct Network(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    wires: Mutex<Wires>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Wires {
    engines: BTreeMap<(IpAddr, u16), Weak<Node>>,
    cuts: BTreeSet<(IpAddr, IpAddr)>,
    silent: BTreeSet<(IpAddr, IpAddr)>,
}

fn pair(a: IpAddr, b: IpAddr) -> (IpAddr, IpAddr) {
    (a.min(b), a.max(b))
}

impl Network {
    fn wires(&self) -> MutexGuard<'_, Wires> {
        self.0.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the link between two addresses: replication over it breaks and cannot reconnect.
    pub fn cut(&self, a: IpAddr, b: IpAddr) {
        self.wires().cuts.insert(pair(a, b));
        self.0.changed.notify_waiters();
    }

    /// Loses every packet between two addresses without a word: connections that are open stay so until an end gives up,
    /// and no new one comes about.
    pub fn silence(&self, a: IpAddr, b: IpAddr) {
        self.wires().silent.insert(pair(a, b));
        self.0.changed.notify_waiters();
    }

    /// Whether packets between two addresses are lost without a word.
    pub fn is_silent(&self, a: IpAddr, b: IpAddr) -> bool {
        self.wires().silent.contains(&pair(a, b))
    }

    /// Mends a cut or silent link.
    pub fn mend(&self, a: IpAddr, b: IpAddr) {
        let mut wires = self.wires();
        wires.cuts.remove(&pair(a, b));
        wires.silent.remove(&pair(a, b));
        drop(wires);
        self.0.changed.notify_waiters();
    }

    /// Mends every link.
    pub fn mend_all(&self) {
        let mut wires = self.wires();
        wires.cuts.clear();
        wires.silent.clear();
        drop(wires);
        self.0.changed.notify_waiters();
    }

    /// Whether the link between two addresses is cut.
    pub fn is_cut(&self, a: IpAddr, b: IpAddr) -> bool {
        self.wires().cuts.contains(&pair(a, b))
    }

    /// Makes every waiting link look again.
    pub(super) fn nudge(&self) {
        self.0.changed.notify_waiters();
    }

    /// Completes when a link was cut or mended.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    pub(super) fn register(&self, node: &Arc<Node>) {
        let at = (node.spec.ip, node.spec.admin_port);
        self.wires().engines.insert(at, Arc::downgrade(node));
    }

    /// Forgets an engine, unless another process has taken its address.
    pub(super) fn forget(&self, node: &Node) {
        let at = (node.spec.ip, node.spec.admin_port);
        let mut wires = self.wires();
        let own = wires
            .engines
            .get(&at)
            .is_some_and(|weak| std::ptr::eq(weak.as_ptr(), node));
        if own {
            wires.engines.remove(&at);
        }
    }

    /// The engine that answers at `host:port` when asked from `from`.
    pub(super) fn reach(&self, from: IpAddr, host: &str, port: u16) -> Option<Arc<Node>> {
        let to: IpAddr = host.parse().ok()?;
        let wires = self.wires();
        if wires.cuts.contains(&pair(from, to)) || wires.silent.contains(&pair(from, to)) {
            return None;
        }
        wires
            .engines
            .get(&(to, port))?
            .upgrade()
            .filter(|node| !node.closed.is_cancelled())
    }
}
