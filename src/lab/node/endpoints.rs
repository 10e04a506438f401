//! Cluster addresses of Services: what listens there, and where a connection goes.
//!
//! For each port of a Service with a cluster address there is a listener while at least one endpoint is ready, and none
//! otherwise, so that a connection is refused. Each connection goes to one endpoint, in turn, and stays with it whatever
//! becomes of the EndpointSlices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::AbortHandle;

use super::notes::Notes;
use crate::lab::controllers::follow;
use crate::lab::json::{items, number, text};
use crate::lab::resources::{ENDPOINT_SLICES, SERVICES};
use crate::lab::store::Store;
use crate::lab::tasks::Tasks;

/// How long connecting to an endpoint may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Changes that come together are looked at together.
const GATHER: Duration = Duration::from_millis(5);
/// Until an address that could not be bound is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Where connections to an address and port go.
type Table = BTreeMap<(Ipv4Addr, u16), Vec<SocketAddr>>;

/// Forwards connections to cluster addresses until the task ends. `except` is left to another.
pub(super) async fn forward(store: Store, tasks: Tasks, except: Ipv4Addr, notes: Notes) {
    let plan = Plan::default();
    // Ends with this task: dropping a set of tasks ends them.
    let mut open: BTreeMap<(Ipv4Addr, u16), Open> = BTreeMap::new();
    loop {
        let mut changes = follow(&store, &[SERVICES, ENDPOINT_SLICES]);
        loop {
            let table = table(&store, except);
            let wanted: BTreeSet<_> = table.keys().copied().collect();
            *plan.table() = table;
            open.retain(|at, _| wanted.contains(at));
            let mut missed = false;
            for at in wanted {
                if open.contains_key(&at) {
                    continue;
                }
                match TcpListener::bind(at).await {
                    Ok(listener) => {
                        let serving = accept(listener, at, plan.clone(), tasks.clone());
                        open.insert(at, Open(tokio::spawn(serving).abort_handle()));
                    }
                    Err(error) => {
                        missed = true;
                        notes.say(format!(
                            "nothing can listen at the cluster address {}:{}: {error}",
                            at.0, at.1
                        ));
                    }
                }
            }
            tokio::select! {
                change = changes.next() => match change {
                    Some((_, Ok(_))) => {}
                    _ => break,
                },
                () = tokio::time::sleep(AGAIN), if missed => {}
            }
            tokio::time::sleep(GATHER).await;
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// A listener; it is closed when this is dropped.
struct Open(AbortHandle);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Clone, Default)]
struct Plan(Arc<Mutex<(Table, usize)>>);

impl Plan {
    fn table(&self) -> impl std::ops::DerefMut<Target = Table> + '_ {
        Locked(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The endpoint for the next connection.
    fn choose(&self, at: (Ipv4Addr, u16)) -> Option<SocketAddr> {
        let mut plan = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plan.1 = plan.1.wrapping_add(1);
        let turn = plan.1;
        let targets = plan.0.get(&at)?;
        targets.get(turn % targets.len().max(1)).copied()
    }
}

struct Locked<'a>(MutexGuard<'a, (Table, usize)>);

impl std::ops::Deref for Locked<'_> {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.0.0
    }
}

impl std::ops::DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Table {
        &mut self.0.0
    }
}

async fn accept(listener: TcpListener, at: (Ipv4Addr, u16), plan: Plan, tasks: Tasks) {
    loop {
        let Ok((mut client, peer)) = listener.accept().await else {
            // Out of descriptors, most likely: the next attempt may succeed.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let Some(target) = plan.choose(at) else {
            continue;
        };
        // Outlives the listener: established connections stay where they are.
        tasks.spawn(async move {
            let connecting = tokio::time::timeout(PATIENCE, connect(peer.ip(), target));
            if let Ok(Ok(mut server)) = connecting.await {
                let _ = client.set_nodelay(true);
                let _ = server.set_nodelay(true);
                // Either end going away ends the other.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

/// Connects in the name of the client, as a packet filter would, where its address is a local one.
async fn connect(client: IpAddr, target: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if socket.bind((client, 0).into()).is_ok() {
        return socket.connect(target).await;
    }
    TcpStream::connect(target).await
}

/// What the Services and their EndpointSlices say.
fn table(store: &Store, except: Ipv4Addr) -> Table {
    let all = |what| {
        let listed = store.list(what, None).map(|listed| listed.items);
        listed.unwrap_or_default()
    };
    let mut slices: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for slice in all(ENDPOINT_SLICES) {
        if let Some(service) = slice.label("kubernetes.io/service-name") {
            let key = (slice.namespace.clone(), service.to_owned());
            slices.entry(key).or_default().push(slice.value());
        }
    }
    let mut table = Table::new();
    for service in all(SERVICES) {
        let key = (service.namespace.clone(), service.name.clone());
        let slices = slices.get(&key).map(Vec::as_slice).unwrap_or_default();
        for (at, targets) in forwards(&service.value(), slices) {
            if at.0 != except && !targets.is_empty() {
                table.insert(at, targets);
            }
        }
    }
    table
}

/// The TCP ports of a Service at its cluster address, and the ready endpoints of each.
fn forwards(service: &Value, slices: &[Value]) -> Vec<((Ipv4Addr, u16), Vec<SocketAddr>)> {
    let Ok(address) = text(service, "/spec/clusterIP").parse::<Ipv4Addr>() else {
        // `None` of a headless one, or none yet.
        return Vec::new();
    };
    let ports = items(service, "/spec/ports").iter();
    ports
        .filter(|port| is_tcp(port))
        .filter_map(|port| {
            let number = u16::try_from(number(port, "/port")?).ok()?;
            let name = text(port, "/name");
            let targets = slices.iter().flat_map(|slice| ready(slice, name)).collect();
            Some(((address, number), targets))
        })
        .collect()
}

fn is_tcp(port: &Value) -> bool {
    matches!(text(port, "/protocol"), "" | "TCP")
}

/// The ready endpoints of a slice at its port of this name.
fn ready(slice: &Value, name: &str) -> Vec<SocketAddr> {
    let mut ports = items(slice, "/ports").iter();
    let port = ports.find(|port| is_tcp(port) && text(port, "/name") == name);
    let Some(port) = port
        .and_then(|port| number(port, "/port"))
        .and_then(|port| u16::try_from(port).ok())
    else {
        return Vec::new();
    };
    items(slice, "/endpoints")
        .iter()
        .filter(|endpoint| is_ready(endpoint))
        .flat_map(|endpoint| items(endpoint, "/addresses"))
        .filter_map(|address| Some(SocketAddr::new(address.as_str()?.parse().ok()?, port)))
        .collect()
}

/// A condition that is not there counts as ready.
pub(super) fn is_ready(endpoint: &Value) -> bool {
    endpoint
        .pointer("/conditions/ready")
        .and_then(Value::as_bool)
        != Some(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::lab::clock::Clock;
    use crate::lab::resources::NAMESPACES;
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn a_cluster_address_leads_to_the_ready_endpoints() {
        let service = |address: &str| {
            json!({"spec": {"clusterIP": address, "ports": [
                {"port": 6379, "protocol": "TCP", "targetPort": 6379},
                {"port": 53, "protocol": "UDP", "name": "dns"}]}})
        };
        let slice = |ready: [Value; 2]| {
            let [a, b] = ready;
            json!({"ports": [{"port": 6379, "protocol": "TCP", "name": ""}], "endpoints": [
                {"addresses": ["10.1.0.2"], "conditions": {"ready": a}},
                {"addresses": ["10.1.0.3"], "conditions": {"ready": b}}]})
        };
        let at = |text: &str| text.parse::<SocketAddr>().ok();
        let table = [
            (
                "both",
                "10.2.0.9",
                slice([true.into(), Value::Null]),
                vec!["10.1.0.2:6379", "10.1.0.3:6379"],
            ),
            (
                "one",
                "10.2.0.9",
                slice([false.into(), true.into()]),
                vec!["10.1.0.3:6379"],
            ),
            (
                "none",
                "10.2.0.9",
                slice([false.into(), false.into()]),
                vec![],
            ),
        ];
        for (what, address, slice, targets) in table {
            let told = forwards(&service(address), &[slice]);
            let wanted: Vec<SocketAddr> = targets.into_iter().filter_map(at).collect();
            assert_eq!(
                told,
                [((Ipv4Addr::new(10, 2, 0, 9), 6379), wanted)],
                "{what}"
            );
        }
        assert!(forwards(&service("None"), &[]).is_empty());
    }

    /// A server that says its name to whoever connects, and then what it hears.
    async fn echo(name: &'static str) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    stream.write_all(name.as_bytes()).await.unwrap();
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    async fn heard(stream: &mut TcpStream) -> String {
        let mut bytes = [0_u8; 16];
        let count = stream.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[tokio::test]
    async fn connections_follow_the_slices_and_stay_where_they_are() {
        let (a, b) = (echo("a").await, echo("b").await);
        // Nobody else listens there: it was free a moment ago, at an address of this process.
        let number = std::process::id();
        let own = Ipv4Addr::new(127, 250, u8::try_from(number % 250).unwrap(), 9);
        let free = TcpListener::bind((own, 0)).await.unwrap();
        let at = free.local_addr().unwrap();
        drop(free);
        let store = Store::new(1, Clock::default());
        let put = |what, namespace: &str, value| {
            store.create(what, namespace, value, "test").unwrap();
        };
        put(NAMESPACES, "", json!({"metadata": {"name": "shop"}}));
        let service = json!({"metadata": {"name": "cache"},
            "spec": {"clusterIP": own.to_string(), "ports": [{"port": at.port(), "protocol": "TCP"}]}});
        put(SERVICES, "shop", service);
        let slice = |to: SocketAddr, ready: bool| {
            json!({"ports": [{"port": to.port(), "protocol": "TCP"}],
                "endpoints": [{"addresses": [to.ip().to_string()], "conditions": {"ready": ready}}]})
        };
        let mut first = slice(a, true);
        first["metadata"] =
            json!({"name": "cache-1", "labels": {"kubernetes.io/service-name": "cache"}});
        put(ENDPOINT_SLICES, "shop", first);
        let point = |to: SocketAddr, ready: bool| {
            let new = slice(to, ready);
            let change = |slice: &mut Value| {
                for key in ["ports", "endpoints"] {
                    slice[key] = new[key].clone();
                }
            };
            store
                .update(ENDPOINT_SLICES, "shop", "cache-1", "test", change)
                .unwrap();
        };
        let tasks = Tasks::default();
        let dns = Ipv4Addr::UNSPECIFIED;
        tasks.spawn(forward(store.clone(), tasks.clone(), dns, Notes::default()));
        // Each state is waited for; only a defect makes the wait long.
        let reached = async |wanted: Option<&str>| {
            let since = std::time::Instant::now();
            loop {
                let found = match TcpStream::connect(at).await {
                    Ok(mut stream) => Some((heard(&mut stream).await, stream)),
                    Err(_) => None,
                };
                if found.as_ref().map(|(name, _)| name.as_str()) == wanted {
                    return found.map(|(_, stream)| stream);
                }
                assert!(
                    since.elapsed() < Duration::from_secs(20),
                    "never {wanted:?}"
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let mut old = reached(Some("a")).await.unwrap();
        point(b, true);
        reached(Some("b")).await;
        point(b, false);
        reached(None).await;
        old.write_all(b"still").await.unwrap();
        assert_eq!(heard(&mut old).await, "still");
        point(a, true);
        reached(Some("a")).await;
        tasks.end();
    }
}
