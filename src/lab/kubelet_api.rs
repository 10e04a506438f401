//! What stands behind a pod, as the API server needs it: the lab's kubelet implements this.
//!
//! A real API server dials the kubelet of the pod's node for logs, exec and port-forward. Here it calls this trait.
//! Deletion needs no hook: a kubelet watches pods, sees `metadata.deletionTimestamp`, stops its containers and then
//! deletes the object with a grace period of 0, as a real one does.

use std::future::Future;
use std::io;
use std::pin::Pin;

use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::status::Status;

/// A future that can be returned from a trait object.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One line of a container's log, without the line end.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// When it was written, by the lab's clock.
    pub at: Timestamp,
    /// The text.
    pub text: String,
}

/// A container's log. The API server applies `tailLines`, `sinceSeconds`, `timestamps` and `limitBytes` itself.
#[derive(Debug, Default)]
pub struct Log {
    /// What has been written so far, oldest first.
    pub past: Vec<LogLine>,
    /// What will be written, when it was asked for (`follow`); closes when the container ends.
    pub live: Option<mpsc::Receiver<LogLine>>,
}

/// A command to run in a container.
#[derive(Debug)]
pub struct Exec {
    /// Namespace of the pod.
    pub namespace: String,
    /// Pod name.
    pub pod: String,
    /// Container; always filled in (the API server knows the default).
    pub container: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Whether a terminal was asked for: stderr then travels on stdout.
    pub tty: bool,
    /// What the client types; `None` when stdin was not asked for; closes at end of input.
    pub stdin: Option<mpsc::Receiver<Vec<u8>>>,
}

/// What comes out of a running command.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Bytes on stdout.
    Stdout(Vec<u8>),
    /// Bytes on stderr.
    Stderr(Vec<u8>),
    /// The end, with its exit code; nothing follows.
    Exit(i32),
}

/// The way to what a pod runs. Names are those of existing, scheduled pods: the API server checks that first.
pub trait Kubelet: Send + Sync + 'static {
    /// The log of a container, of the one before it when `previous`.
    ///
    /// # Errors
    /// A [`Status`] as the kubelet words it, for example a 400 that the container is waiting to start.
    fn logs<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        container: &'a str,
        previous: bool,
        follow: bool,
    ) -> Later<'a, Result<Log, Status>>;

    /// Runs a command; output arrives on the channel, which ends with [`Output::Exit`].
    ///
    /// # Errors
    /// A [`Status`], for example a 500 that the container is not running.
    fn exec(&self, exec: Exec) -> Later<'_, Result<mpsc::Receiver<Output>, Status>>;

    /// Opens a connection to the kubelet of a pod's machine, as an API server does before it agrees to anything.
    ///
    /// # Errors
    /// A 500 when nobody answers there, after the time that takes.
    fn reach<'a>(&'a self, namespace: &'a str, pod: &'a str) -> Later<'a, Result<(), Status>> {
        let _ = (namespace, pod);
        Box::pin(async { Ok(()) })
    }

    /// Opens a TCP connection to a port inside the pod, for port-forward and proxy.
    ///
    /// # Errors
    /// As a connect would fail inside the pod: `ConnectionRefused` when nothing listens, `TimedOut`, ...
    fn dial<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        port: u16,
    ) -> Later<'a, io::Result<TcpStream>>;

    /// `stats/summary` of a node; `None` when this kubelet does not measure.
    fn stats<'a>(&'a self, node: &'a str) -> Later<'a, Option<Value>> {
        let _ = node;
        Box::pin(async { None })
    }
}

/// A cluster whose nodes do not answer: every call fails as it does when the API server cannot reach a kubelet.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKubelet;

impl NoKubelet {
    fn refused() -> Status {
        Status::internal(
            "error dialing backend: dial tcp 10.0.0.1:10250: connect: connection refused",
        )
    }
}

impl Kubelet for NoKubelet {
    fn logs<'a>(
        &'a self,
        _namespace: &'a str,
        _pod: &'a str,
        _container: &'a str,
        _previous: bool,
        _follow: bool,
    ) -> Later<'a, Result<Log, Status>> {
        Box::pin(async { Err(Self::refused()) })
    }

    fn exec(&self, _exec: Exec) -> Later<'_, Result<mpsc::Receiver<Output>, Status>> {
        Box::pin(async { Err(Self::refused()) })
    }

    fn dial<'a>(
        &'a self,
        _namespace: &'a str,
        _pod: &'a str,
        _port: u16,
    ) -> Later<'a, io::Result<TcpStream>> {
        Box::pin(async { Err(io::Error::from(io::ErrorKind::ConnectionRefused)) })
    }
}
