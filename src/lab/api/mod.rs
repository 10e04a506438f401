//! The Kubernetes API of one lab cluster over HTTP/1.1, on a loopback port.
//!
//! Behaves as a kube-apiserver of the version in [`VERSION`] does for what clients of darner's kind ask: discovery, list,
//! watch, get, create, update, patches, server-side apply, delete, dry run, tables, access reviews, logs, exec and
//! port-forward. It never decides what a cluster does: it reads and writes the [`Store`] and calls the
//! [`Kubelet`](super::kubelet_api::Kubelet).
//!
//! Start reading at [`Server::start`], then `answer` in `desk.rs`, which sends each request to its file.

mod access;
mod apply;
mod call;
mod channels;
mod defaults;
mod desk;
mod discovery;
mod evict;
mod exec;
mod faults;
mod follow;
mod forward;
pub(in crate::lab) mod kubelet;
mod list;
mod logs;
mod openapi;
mod patch;
mod protobuf;
mod proxy;
mod reply;
mod scale;
mod schema;
mod scripted;
mod selector;
mod shape;
mod strategic;
mod tables;
mod validate;
mod write;

pub(in crate::lab) use patch::merge;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{DATE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use access::{Attempt, DEFAULT_USER, Right, Rights, User};
pub use faults::{Effect, Fault, Faults, Snare};

use super::kubelet_api::Kubelet;
use super::store::Store;

/// The version that `/version` tells.
pub const VERSION: &str = "v1.33.13";

/// How often an idle watch that asked for bookmarks gets one; a kube-apiserver does it about once a minute.
pub const BOOKMARKS: Duration = Duration::from_secs(60);

/// What requests are answered from.
pub(in crate::lab) struct Desk {
    store: Store,
    kubelet: Arc<dyn Kubelet>,
    rights: Rights,
    faults: Faults,
    bookmarks: Duration,
}

/// A running API server. Stops when dropped.
pub struct Server {
    address: SocketAddr,
    rights: Rights,
    faults: Faults,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Opens a loopback port and serves `store` there.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub async fn start(store: Store, kubelet: Arc<dyn Kubelet>) -> io::Result<Self> {
        Self::start_with(
            store,
            kubelet,
            SocketAddr::from(([127, 0, 0, 1], 0)),
            BOOKMARKS,
        )
        .await
    }

    /// [`Server::start`] on an address of choice, with bookmarks as often as `bookmarks`.
    ///
    /// # Errors
    /// When the address cannot be opened.
    pub async fn start_with(
        store: Store,
        kubelet: Arc<dyn Kubelet>,
        address: SocketAddr,
        bookmarks: Duration,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (rights, faults) = (Rights::default(), Faults::default());
        let desk = Desk {
            store,
            kubelet,
            rights: rights.clone(),
            faults: faults.clone(),
            bookmarks,
        };
        let stop = watch::Sender::new(false);
        tokio::spawn(serve(listener, Arc::new(desk), stop.subscribe()));
        Ok(Self {
            address,
            rights,
            faults,
            stop,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a kubeconfig calls `server`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Who may do what.
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// What is wrong with it.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Ends every connection and closes the port. Starting again on the same address is another server.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        // Upgraded connections have left the server's hands; this reaches them.
        self.faults.refuse(true);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Accepts until told to stop; closes the port and every connection while it is refusing.
async fn serve(listener: TcpListener, desk: Arc<Desk>, mut stop: watch::Receiver<bool>) {
    let Ok(address) = listener.local_addr() else {
        return;
    };
    let mut refusing = desk.faults.refusing();
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        if *stop.borrow() {
            return;
        }
        if *refusing.borrow_and_update() {
            listener = None;
            // Dropping the tasks drops their sockets.
            connections.shutdown().await;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).await.ok();
        }
        tokio::select! {
            _ = stop.changed() => return,
            _ = refusing.changed() => (),
            // The port may be taken for a moment by somebody else.
            () = tokio::time::sleep(Duration::from_millis(50)), if listener.is_none() && !*desk.faults.refusing().borrow() => (),
            Some(_) = connections.join_next(), if !connections.is_empty() => (),
            accepted = accept(listener.as_ref()), if listener.is_some() => {
                if let Ok(stream) = accepted {
                    connections.spawn(connection(stream, Arc::clone(&desk)));
                }
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        }
        None => std::future::pending().await,
    }
}

async fn connection(stream: TcpStream, desk: Arc<Desk>) {
    let faults = desk.faults.clone();
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move {
            let at = desk.store.clock().now();
            let mut response = desk::answer(desk, request).await;
            // By the server's own clock, which a scenario may have set wrong.
            let date = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            if let Ok(date) = HeaderValue::try_from(date) {
                response.headers_mut().insert(DATE, date);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        // A broken connection is the client's to notice.
        _ = serving => (),
        () = faults.until_refusing() => (),
    }
}

#[cfg(test)]
mod tests;
