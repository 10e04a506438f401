//! The door for other processes: a small HTTP endpoint, found through a file. It is on loopback; that of a node, which may
//! be in a network of its own, is a socket beside the file.
//!
//! `POST /fault/NAME`, `GET /state` and `POST /stop`, each with the key from the file in `x-lab-key`: web pages and other
//! users of the machine can reach the port, but not read the file. `GET /dial/ADDRESS/PORT`, upgraded to `tcp`, is a
//! connection into the pod network, for clients that no API server shall be able to hold up.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::json::{set, text};
use super::kubelet_api::Later;
use super::running::{Lab, LabError};
use super::tasks::Tasks;

const KEY: &str = "x-lab-key";
/// Where connections into the pod network are asked for.
const DIAL: &str = "/dial/";
/// How the address of a socket in the file system begins.
const SOCKET: &str = "unix:";
/// How long a running lab may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to say that it is there.
const GREETING: Duration = Duration::from_secs(3);

/// The open door; the file is removed when this is dropped.
#[derive(Debug)]
pub struct Control {
    address: String,
    file: PathBuf,
}

impl Control {
    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The file by which it is found.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Another lab may have put its own file there.
        let ours = read(&self.file).is_ok_and(|(address, _)| address == self.address);
        if ours {
            let _ = fs::remove_file(&self.file);
        }
        if let Some(socket) = self.address.strip_prefix(SOCKET) {
            let _ = fs::remove_file(socket);
        }
    }
}

/// Who stands behind a door.
pub(in crate::lab) trait Behind: Send + Sync + 'static {
    /// What it knows about itself.
    fn state(&self) -> Value;

    /// Lets a fault befall it; the answer is a sentence.
    ///
    /// # Errors
    /// When it is not known, or cannot be played as things are.
    fn fault<'a>(&'a self, name: &'a str) -> Later<'a, Result<String, LabError>>;

    /// A connection to a port of the pod at that address; where addresses of pods are real, nobody needs this door.
    ///
    /// # Errors
    /// As of a connection that fails.
    fn dial<'a>(&'a self, _: &'a str, _: u16) -> Later<'a, io::Result<TcpStream>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    /// Ends it.
    fn end(&self);
}

impl Behind for Lab {
    fn state(&self) -> Value {
        Self::state(self)
    }

    fn fault<'a>(&'a self, name: &'a str) -> Later<'a, Result<String, LabError>> {
        Box::pin(Self::fault(self, name))
    }

    fn dial<'a>(&'a self, address: &'a str, port: u16) -> Later<'a, io::Result<TcpStream>> {
        Box::pin(Self::dial(self, address, port))
    }

    fn end(&self) {
        self.shutdown();
    }
}

impl Lab {
    /// Opens the door and writes its address to `file`, readable by this user only. Who asks for the state is told where
    /// the lab's kubeconfig lies.
    ///
    /// # Errors
    /// When no port can be opened or the file cannot be written.
    pub async fn serve_control(
        &self,
        file: &Path,
        kubeconfig: Option<&Path>,
    ) -> Result<Control, LabError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(port)?;
        let address = listener.local_addr().map_err(port)?.to_string();
        let door = Door {
            behind: Arc::new(self.clone()),
            key: key(),
            kubeconfig: kubeconfig.map(|path| path.display().to_string()),
        };
        door.open(Listener::Port(listener), address, file, self.tasks())
    }
}

/// Opens a door at a socket beside `file`, which other networks of this machine reach too.
///
/// # Errors
/// When the socket or the file cannot be made.
pub(in crate::lab) fn open_beside(
    file: &Path,
    behind: Arc<dyn Behind>,
    tasks: &Tasks,
) -> Result<Control, LabError> {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let socket = file.with_extension("socket");
    // Left there by a process that was killed.
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).map_err(port)?;
    let door = Door {
        behind,
        key: key(),
        kubeconfig: None,
    };
    let address = format!("{SOCKET}{}", socket.display());
    door.open(Listener::Socket(listener), address, &file, tasks)
}

fn port(source: io::Error) -> LabError {
    LabError::Port {
        what: "its control endpoint",
        source,
    }
}

fn key() -> String {
    format!("{:016x}{:016x}", chance(), chance())
}

enum Listener {
    Port(TcpListener),
    Socket(UnixListener),
}

/// A connection, of either kind.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

impl Listener {
    async fn accept(&self) -> io::Result<Box<dyn Wire>> {
        Ok(match self {
            Self::Port(listener) => Box::new(listener.accept().await?.0),
            Self::Socket(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

#[derive(Clone)]
struct Door {
    behind: Arc<dyn Behind>,
    key: String,
    kubeconfig: Option<String>,
}

impl Door {
    fn open(
        self,
        listener: Listener,
        address: String,
        file: &Path,
        tasks: &Tasks,
    ) -> Result<Control, LabError> {
        let found = json!({"address": address, "key": self.key, "pid": std::process::id()});
        write_private(file, &format!("{found}\n")).map_err(|source| LabError::File {
            verb: "write",
            path: file.display().to_string(),
            source,
        })?;
        let own = tasks.clone();
        tasks.spawn(async move {
            loop {
                let Ok(stream) = listener.accept().await else {
                    // Out of descriptors, most likely: the next attempt may succeed.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let door = self.clone();
                own.spawn(async move {
                    let service = service_fn(move |request| {
                        let door = door.clone();
                        async move {
                            Ok::<_, std::convert::Infallible>(answer(&door, request).await)
                        }
                    });
                    // A broken connection is the caller's to notice.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades()
                        .await;
                });
            }
        });
        Ok(Control {
            address,
            file: file.to_owned(),
        })
    }
}

async fn answer(door: &Door, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    let given = request
        .headers()
        .get(KEY)
        .and_then(|value| value.to_str().ok());
    if given != Some(door.key.as_str()) {
        return reply(
            StatusCode::FORBIDDEN,
            &json!({"error": "the key of this lab is missing or wrong"}),
        );
    }
    if let Some((address, port)) = dialled(&request) {
        return let_in(door, &mut request, &address, port).await;
    }
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/state") => {
            let mut state = door.behind.state();
            set(
                &mut state,
                &["kubeconfig"],
                door.kubeconfig.as_deref().into(),
            );
            reply(StatusCode::OK, &state)
        }
        (&Method::POST, "/stop") => {
            let behind = Arc::clone(&door.behind);
            // The answer shall still get out.
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                behind.end();
            });
            reply(StatusCode::OK, &json!({"done": "the lab ends"}))
        }
        (&Method::POST, path) => match path.strip_prefix("/fault/") {
            Some(name) => match door.behind.fault(name).await {
                Ok(sentence) => reply(StatusCode::OK, &json!({"done": sentence})),
                Err(error) => reply(
                    StatusCode::BAD_REQUEST,
                    &json!({"error": error.to_string()}),
                ),
            },
            None => reply(StatusCode::NOT_FOUND, &json!({"error": "no such path"})),
        },
        _ => reply(StatusCode::NOT_FOUND, &json!({"error": "no such path"})),
    }
}

/// The address and port of a request for a connection.
fn dialled(request: &Request<Incoming>) -> Option<(String, u16)> {
    let place = request.uri().path().strip_prefix(DIAL)?;
    let (address, port) = place.split_once('/')?;
    let asks = request.headers().contains_key(hyper::header::UPGRADE);
    asks.then_some(())?;
    Some((address.to_owned(), port.parse().ok()?))
}

/// Connects the caller with a port of a pod, if it takes connections.
async fn let_in(
    door: &Door,
    request: &mut Request<Incoming>,
    address: &str,
    port: u16,
) -> Response<Full<Bytes>> {
    let mut inside = match door.behind.dial(address, port).await {
        Ok(stream) => stream,
        Err(error) => {
            let why = json!({"error": error.to_string()});
            return reply(StatusCode::BAD_GATEWAY, &why);
        }
    };
    let outside = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Ok(outside) = outside.await {
            // Whoever ends it is told by the end.
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(outside), &mut inside).await;
        }
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let tcp = hyper::header::HeaderValue::from_static("tcp");
    let upgrade = hyper::header::HeaderValue::from_static("upgrade");
    response.headers_mut().insert(hyper::header::UPGRADE, tcp);
    response
        .headers_mut()
        .insert(hyper::header::CONNECTION, upgrade);
    response
}

/// A connection to a port of a pod of the lab that `file` names, over its pod network and past its API server.
///
/// # Errors
/// When no lab runs, or the pod takes no connection there (`ConnectionRefused`).
pub async fn dial(file: &Path, address: &str, port: u16) -> io::Result<TcpStream> {
    /// More than the answer has.
    const HEAD: usize = 4096;
    let (door, key) = read(file)?;
    let mut stream = TcpStream::connect(&door).await?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET {DIAL}{address}/{port} HTTP/1.1\r\nhost: lab\r\n{KEY}: {key}\r\nconnection: upgrade\r\nupgrade: tcp\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    // To the byte: what follows is the pod's.
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
        head.push(stream.read_u8().await?);
    }
    match String::from_utf8_lossy(&head).split_whitespace().nth(1) {
        Some("101") => Ok(stream),
        _ => Err(io::ErrorKind::ConnectionRefused.into()),
    }
}

fn reply(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{value}\n"))));
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, json);
    response
}

/// Tells the lab that `file` names to play a fault; its sentence is returned.
///
/// # Errors
/// When no lab runs, or it refuses.
pub async fn send_fault(file: &Path, name: &str) -> Result<String, LabError> {
    // What is no name would only end in a wrong path.
    if !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-:_.".contains(c))
    {
        let unknown = super::scenario::find(name).err();
        let unknown = unknown.map(|unknown| unknown.used(super::scenario::Use::Running));
        return Err(unknown.map_or_else(
            || LabError::Refused(format!("'{name}' is no name")),
            LabError::Unknown,
        ));
    }
    let value = call(file, "POST", &format!("/fault/{name}"), PATIENCE).await?;
    Ok(text(&value, "/done").to_owned())
}

/// Asks the lab that `file` names for its state.
///
/// # Errors
/// When no lab runs.
pub async fn read_state(file: &Path) -> Result<Value, LabError> {
    Ok(call(file, "GET", "/state", PATIENCE).await?)
}

/// Ends the lab that `file` names.
///
/// # Errors
/// When no lab runs.
pub async fn send_stop(file: &Path) -> Result<(), LabError> {
    call(file, "POST", "/stop", PATIENCE).await?;
    Ok(())
}

/// Who stands behind a file by which a lab is found.
#[derive(Clone, Debug, PartialEq)]
pub enum Knock {
    /// A lab, with its state.
    Answers(Value),
    /// Something that does not answer in time, or cannot be asked: it may be a lab that is stopped.
    Silent,
    /// Nobody: the lab has ended without removing its file, and somebody else may have its port.
    Gone,
}

/// Asks whether the lab that `file` names still runs.
pub async fn knock(file: &Path) -> Knock {
    match call(file, "GET", "/state", GREETING).await {
        Ok(state) => Knock::Answers(state),
        Err(Trouble::Refused(..) | Trouble::NoFile(_) | Trouble::Stranger(_)) => Knock::Gone,
        Err(Trouble::File(_, error)) if error.kind() == io::ErrorKind::InvalidData => Knock::Gone,
        Err(Trouble::Network(_, error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Knock::Gone
        }
        Err(Trouble::File(..) | Trouble::Network(..)) => Knock::Silent,
    }
}

/// Why a call came to nothing.
enum Trouble {
    /// There is no such file.
    NoFile(PathBuf),
    /// The file cannot be read.
    File(PathBuf, io::Error),
    /// Nobody answers at this address.
    Network(String, io::Error),
    /// What answers at this address is no lab.
    Stranger(String),
    /// The lab says no.
    Refused(String),
}

impl From<Trouble> for LabError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::NoFile(file) => Self::NotRunning(format!("there is no {}", file.display())),
            Trouble::File(file, source) => Self::File {
                verb: "read",
                path: file.display().to_string(),
                source,
            },
            Trouble::Network(address, error) => {
                Self::NotRunning(format!("nobody answers at {address}: {error}"))
            }
            Trouble::Stranger(address) => {
                Self::NotRunning(format!("what answers at {address} is no lab"))
            }
            Trouble::Refused(why) => Self::Refused(why),
        }
    }
}

async fn call(file: &Path, method: &str, path: &str, patience: Duration) -> Result<Value, Trouble> {
    let (address, key) = read(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Trouble::NoFile(file.to_owned()),
        _ => Trouble::File(file.to_owned(), error),
    })?;
    let exchange = async {
        let mut stream: Box<dyn Wire> = match address.strip_prefix(SOCKET) {
            Some(socket) => Box::new(UnixStream::connect(socket).await?),
            None => Box::new(TcpStream::connect(&address).await?),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: lab\r\n{KEY}: {key}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(patience, exchange)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|error| Trouble::Network(address.clone(), error))?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let value: Value = serde_json::from_str(body.trim()).unwrap_or(Value::Null);
    match head.split_whitespace().nth(1) {
        Some("200") if value.is_object() => Ok(value),
        Some(_) if !text(&value, "/error").is_empty() => {
            Err(Trouble::Refused(text(&value, "/error").to_owned()))
        }
        _ => Err(Trouble::Stranger(address)),
    }
}

fn read(file: &Path) -> io::Result<(String, String)> {
    // What is no JSON is `InvalidData`.
    let found: Value = serde_json::from_slice(&fs::read(file)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok((
        text(&found, "/address").to_owned(),
        text(&found, "/key").to_owned(),
    ))
}

/// Writes a file that only this user can read. It appears with all its text or not at all.
fn write_private(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = file.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    // Left there by a lab of the same number that was killed in the middle of this.
    let _ = fs::remove_file(&new);
    io::Write::write_all(&mut options.open(&new)?, text.as_bytes())?;
    fs::rename(&new, file)
}

/// A number nobody can guess: the standard library's hasher is keyed by the system's random source.
fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}
