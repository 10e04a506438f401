//! Cluster DNS: the addresses of Services, over UDP and TCP. It knows `NAME.NAMESPACE.svc.cluster.local`, for a Service
//! without a cluster address its ready endpoints, and `POD.NAME.NAMESPACE.svc.cluster.local` for those that have a
//! hostname. Anything else does not exist; nobody else is asked.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::endpoints::is_ready;
use crate::lab::json::{items, text};
use crate::lab::resources::{ENDPOINT_SLICES, SERVICES};
use crate::lab::store::Store;
use crate::lab::tasks::Tasks;

/// The domain of a cluster.
const DOMAIN: &str = "cluster.local";
/// Seconds for which an answer holds, as the cluster's own server says.
const LASTS: u32 = 5;
/// Answers over UDP are no longer; those that would be say so.
const LARGEST: usize = 512;
const A: u16 = 1;
const ANY: u16 = 255;
const INTERNET: u16 = 1;

/// Opens a port for datagrams and for connections, and answers there.
///
/// # Errors
/// When the port cannot be opened.
pub(super) async fn serve(store: Store, tasks: &Tasks, at: SocketAddr) -> io::Result<()> {
    let udp = UdpSocket::bind(at).await?;
    let tcp = TcpListener::bind(at).await?;
    let (known, own) = (store.clone(), tasks.clone());
    tasks.spawn(async move {
        let mut question = [0_u8; LARGEST];
        loop {
            // An earlier answer that could not be delivered comes back as an error here.
            let Ok((count, from)) = udp.recv_from(&mut question).await else {
                continue;
            };
            let question = question.get(..count).unwrap_or_default();
            if let Some(answer) = answer(&known, question, LARGEST) {
                let _ = udp.send_to(&answer, from).await;
            }
        }
    });
    tasks.spawn(async move {
        while let Ok((stream, _)) = tcp.accept().await {
            let store = store.clone();
            own.spawn(async move {
                // The client goes when it has what it wants.
                let _ = converse(&store, stream).await;
            });
        }
    });
    Ok(())
}

/// Over TCP each message has its length before it.
async fn converse(store: &Store, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut question = vec![0_u8; usize::from(length)];
        stream.read_exact(&mut question).await?;
        let Some(answer) = answer(store, &question, usize::from(u16::MAX)) else {
            return Ok(());
        };
        stream
            .write_u16(u16::try_from(answer.len()).unwrap_or(u16::MAX))
            .await?;
        stream.write_all(&answer).await?;
    }
}

/// What is asked for.
#[derive(Debug, PartialEq)]
struct Question {
    /// Lower case, without the last dot.
    name: String,
    kind: u16,
    class: u16,
    /// Where it ends in the message.
    end: usize,
}

fn read(message: &[u8]) -> Option<Question> {
    let word = |at: usize| {
        Some(u16::from_be_bytes([
            *message.get(at)?,
            *message.get(at + 1)?,
        ]))
    };
    // A query, and one question.
    if *message.get(2)? & 0x80 != 0 || word(4)? != 1 {
        return None;
    }
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        match length {
            0 => break,
            1..=63 => {
                labels.push(String::from_utf8_lossy(message.get(at..at + length)?).to_lowercase())
            }
            // A question has no name before it to point to.
            _ => return None,
        }
        at += length;
    }
    Some(Question {
        name: labels.join("."),
        kind: word(at)?,
        class: word(at + 2)?,
        end: at + 4,
    })
}

/// The answer to a message, no longer than `longest`; none to what is no question.
fn answer(store: &Store, message: &[u8], longest: usize) -> Option<Vec<u8>> {
    let question = read(message)?;
    let found = addresses(store, &question.name);
    let wanted = question.class == INTERNET && [A, ANY].contains(&question.kind);
    let all = match (&found, wanted) {
        (Some(all), true) => all.as_slice(),
        _ => &[],
    };
    // A name, a kind, a class, a time, a length, an address.
    let room = longest.saturating_sub(question.end) / 16;
    let (told, cut) = (all.get(..room).unwrap_or(all), all.len() > room);
    let mut out = message.get(..2)?.to_vec();
    let recursion = *message.get(2)? & 1;
    out.push(0x84 | recursion | if cut { 2 } else { 0 });
    out.push(if found.is_some() { 0 } else { 3 });
    out.extend([0, 1]);
    out.extend(u16::try_from(told.len()).ok()?.to_be_bytes());
    out.extend([0, 0, 0, 0]);
    out.extend(message.get(12..question.end)?);
    for address in told {
        // The name of the question, which is always at the same place.
        out.extend([0xc0, 12]);
        out.extend(A.to_be_bytes());
        out.extend(INTERNET.to_be_bytes());
        out.extend(LASTS.to_be_bytes());
        out.extend(4_u16.to_be_bytes());
        out.extend(address.octets());
    }
    Some(out)
}

/// The addresses of a name; `None` when there is no such name.
fn addresses(store: &Store, name: &str) -> Option<Vec<Ipv4Addr>> {
    let inner = name.strip_suffix(DOMAIN)?.strip_suffix(".svc.")?;
    let labels: Vec<&str> = inner.split('.').collect();
    let (host, service, namespace) = match labels.as_slice() {
        [service, namespace] => ("", *service, *namespace),
        [host, service, namespace] => (*host, *service, *namespace),
        _ => return None,
    };
    let object = store.get(SERVICES, namespace, service).ok()?.value();
    if host.is_empty()
        && let Ok(address) = text(&object, "/spec/clusterIP").parse()
    {
        return Some(vec![address]);
    }
    let label = [("kubernetes.io/service-name", service)];
    let slices = store.labelled(ENDPOINT_SLICES, Some(namespace), &label);
    let all = endpoints(slices.iter().map(|slice| slice.value()), host);
    // A host that no endpoint has is no name; a Service without endpoints is one.
    (host.is_empty() || !all.is_empty()).then_some(all)
}

fn endpoints(slices: impl Iterator<Item = Value>, host: &str) -> Vec<Ipv4Addr> {
    let mut all = Vec::new();
    for slice in slices {
        for endpoint in items(&slice, "/endpoints") {
            let named = host.is_empty() || text(endpoint, "/hostname") == host;
            if named && is_ready(endpoint) {
                let addresses = items(endpoint, "/addresses").iter();
                all.extend(addresses.filter_map(|one| one.as_str()?.parse::<Ipv4Addr>().ok()));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::lab::clock::Clock;
    use crate::lab::resources::NAMESPACES;
    use serde_json::json;

    fn store() -> Store {
        let store = Store::new(1, Clock::default());
        let put = |what, namespace: &str, value| {
            store.create(what, namespace, value, "test").unwrap();
        };
        put(NAMESPACES, "", json!({"metadata": {"name": "shop"}}));
        for (name, address) in [("cache", "10.2.0.9"), ("peers", "None"), ("nobody", "None")] {
            let service = json!({"metadata": {"name": name}, "spec": {"clusterIP": address}});
            put(SERVICES, "shop", service);
        }
        let slice = json!({"metadata": {"name": "peers-x", "labels": {"kubernetes.io/service-name": "peers"}},
            "endpoints": [
                {"addresses": ["10.1.0.2"], "hostname": "peers-0", "conditions": {"ready": true}},
                {"addresses": ["10.1.0.3"], "hostname": "peers-1", "conditions": {"ready": true}},
                {"addresses": ["10.1.0.4"], "hostname": "peers-2", "conditions": {"ready": false}}]});
        put(ENDPOINT_SLICES, "shop", slice);
        store
    }

    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut out = vec![7, 8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            out.push(u8::try_from(label.len()).unwrap());
            out.extend(label.as_bytes());
        }
        out.push(0);
        out.extend(kind.to_be_bytes());
        out.extend(INTERNET.to_be_bytes());
        out
    }

    #[test]
    fn services_have_addresses_and_nothing_else_exists() {
        let store = store();
        let (cluster, there, not) = ("svc.cluster.local", 0, 3);
        let table: Vec<(String, u16, u8, Vec<[u8; 4]>)> = vec![
            (
                format!("cache.shop.{cluster}"),
                A,
                there,
                vec![[10, 2, 0, 9]],
            ),
            (
                format!("CACHE.Shop.{cluster}"),
                A,
                there,
                vec![[10, 2, 0, 9]],
            ),
            (format!("cache.shop.{cluster}"), 28, there, vec![]),
            (
                format!("peers.shop.{cluster}"),
                A,
                there,
                vec![[10, 1, 0, 2], [10, 1, 0, 3]],
            ),
            (
                format!("peers-1.peers.shop.{cluster}"),
                A,
                there,
                vec![[10, 1, 0, 3]],
            ),
            (format!("peers-2.peers.shop.{cluster}"), A, not, vec![]),
            (format!("nobody.shop.{cluster}"), A, there, vec![]),
            (format!("cache.other.{cluster}"), A, not, vec![]),
            ("cache.shop".into(), A, not, vec![]),
            ("example.com".into(), A, not, vec![]),
        ];
        for (name, kind, code, wanted) in table {
            let told = answer(&store, &question(&name, kind), LARGEST).unwrap();
            assert_eq!(told[..2], [7, 8], "{name}");
            assert_eq!(told[3] & 15, code, "{name} {kind}");
            assert_eq!(usize::from(told[7]), wanted.len(), "{name} {kind}");
            let end = read(&question(&name, kind)).unwrap().end;
            let told: Vec<&[u8]> = told[end..].chunks(16).map(|one| &one[12..]).collect();
            assert_eq!(
                told,
                wanted.iter().map(|one| &one[..]).collect::<Vec<_>>(),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_no_question_gets_no_answer() {
        let store = store();
        let whole = question("cache.shop.svc.cluster.local", A);
        for end in 0..whole.len() {
            assert_eq!(answer(&store, &whole[..end], LARGEST), None, "{end}");
        }
        let mut reply = whole;
        reply[2] |= 0x80;
        assert_eq!(answer(&store, &reply, LARGEST), None);
    }

    #[tokio::test]
    async fn answers_come_by_datagram_and_by_connection() {
        let tasks = Tasks::default();
        // A port that is free for both.
        let at = loop {
            let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let at = free.local_addr().unwrap();
            drop(free);
            if serve(store(), &tasks, at).await.is_ok() {
                break at;
            }
        };
        let asked = question("cache.shop.svc.cluster.local", A);
        let wanted = answer(&store(), &asked, LARGEST).unwrap();
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        socket.send_to(&asked, at).await.unwrap();
        let mut told = [0_u8; LARGEST];
        let (count, _) = socket.recv_from(&mut told).await.unwrap();
        assert_eq!(told[..count], wanted);
        let mut stream = TcpStream::connect(at).await.unwrap();
        for _ in 0..2 {
            stream
                .write_u16(u16::try_from(asked.len()).unwrap())
                .await
                .unwrap();
            stream.write_all(&asked).await.unwrap();
            let mut told = vec![0_u8; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut told).await.unwrap();
            assert_eq!(told, wanted);
        }
        tasks.end();
    }
}
