//! The door for other processes: a small HTTP endpoint on loopback, found through a file.
//!
//! `POST /fault/NAME`, `GET /state` and `POST /stop`, each with the key from the file in `x-lab-key`: web pages and other
//! users of the machine can reach the port, but not read the file.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::json::text;
use super::running::{Lab, LabError};

const KEY: &str = "x-lab-key";
/// How long a running lab may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The open door; the file is removed when this is dropped.
#[derive(Debug)]
pub struct Control {
    address: SocketAddr,
    file: PathBuf,
}

impl Control {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file by which it is found.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Another lab may have put its own file there.
        let ours = read(&self.file).is_ok_and(|(address, _)| address == self.address.to_string());
        if ours {
            let _ = fs::remove_file(&self.file);
        }
    }
}

impl Lab {
    /// Opens the door and writes its address to `file`, readable by this user only.
    ///
    /// # Errors
    /// When no port can be opened or the file cannot be written.
    pub async fn serve_control(&self, file: &Path) -> Result<Control, LabError> {
        let port = |source| LabError::Port {
            what: "its control endpoint",
            source,
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(port)?;
        let address = listener.local_addr().map_err(port)?;
        let key = format!("{:016x}{:016x}", chance(), chance());
        let found = json!({"address": address.to_string(), "key": key, "pid": std::process::id()});
        write_private(file, &format!("{found}\n")).map_err(|source| LabError::File {
            verb: "write",
            path: file.display().to_string(),
            source,
        })?;
        let (lab, tasks) = (self.clone(), self.tasks().clone());
        self.tasks().spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // Out of descriptors, most likely: the next attempt may succeed.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let (lab, key) = (lab.clone(), key.clone());
                tasks.spawn(async move {
                    let service = service_fn(move |request| {
                        let (lab, key) = (lab.clone(), key.clone());
                        async move {
                            Ok::<_, std::convert::Infallible>(answer(&lab, &key, &request).await)
                        }
                    });
                    // A broken connection is the caller's to notice.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
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

async fn answer(lab: &Lab, key: &str, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let given = request
        .headers()
        .get(KEY)
        .and_then(|value| value.to_str().ok());
    if given != Some(key) {
        return reply(
            StatusCode::FORBIDDEN,
            &json!({"error": "the key of this lab is missing or wrong"}),
        );
    }
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/state") => reply(StatusCode::OK, &lab.state()),
        (&Method::POST, "/stop") => {
            let lab = lab.clone();
            // The answer shall still get out.
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                lab.shutdown();
            });
            reply(StatusCode::OK, &json!({"done": "the lab ends"}))
        }
        (&Method::POST, path) => match path.strip_prefix("/fault/") {
            Some(name) => match lab.fault(name).await {
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
        .all(|c| c.is_ascii_alphanumeric() || "-:_".contains(c))
    {
        let unknown = super::scenario::find(name).err();
        return Err(unknown.map_or_else(
            || LabError::Refused(format!("'{name}' is no name")),
            LabError::Unknown,
        ));
    }
    let value = call(file, "POST", &format!("/fault/{name}")).await?;
    Ok(text(&value, "/done").to_owned())
}

/// Asks the lab that `file` names for its state.
///
/// # Errors
/// When no lab runs.
pub async fn read_state(file: &Path) -> Result<Value, LabError> {
    call(file, "GET", "/state").await
}

/// Ends the lab that `file` names.
///
/// # Errors
/// When no lab runs.
pub async fn send_stop(file: &Path) -> Result<(), LabError> {
    call(file, "POST", "/stop").await.map(|_| ())
}

async fn call(file: &Path, method: &str, path: &str) -> Result<Value, LabError> {
    let (address, key) = read(file).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => LabError::NotRunning(format!("there is no {}", file.display())),
        _ => LabError::File {
            verb: "read",
            path: file.display().to_string(),
            source,
        },
    })?;
    let silent =
        |error: io::Error| LabError::NotRunning(format!("nobody answers at {address}: {error}"));
    let exchange = async {
        let mut stream = TcpStream::connect(&address).await?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\n{KEY}: {key}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, exchange)
        .await
        .map_err(|_| silent(io::ErrorKind::TimedOut.into()))?;
    let answer = answer.map_err(silent)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let value: Value = serde_json::from_str(body.trim()).unwrap_or(Value::Null);
    match head.split_whitespace().nth(1) {
        Some("200") => Ok(value),
        Some(_) if !text(&value, "/error").is_empty() => {
            Err(LabError::Refused(text(&value, "/error").to_owned()))
        }
        _ => Err(LabError::NotRunning(format!(
            "what answers at {address} is no lab"
        ))),
    }
}

fn read(file: &Path) -> io::Result<(String, String)> {
    let found: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    Ok((
        text(&found, "/address").to_owned(),
        text(&found, "/key").to_owned(),
    ))
}

/// Writes a file that only this user can read.
fn write_private(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
        // The mode counts only for a new file.
        let _ = fs::remove_file(file);
    }
    io::Write::write_all(&mut options.open(file)?, text.as_bytes())
}

/// A number nobody can guess: the standard library's hasher is keyed by the system's random source.
fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}
