//! A command run in a container of a pod, over the API server's WebSocket: what it printed, what it complained of, and
//! how it ended. Needs the right `pods/exec`; nothing is typed into it, and no shell is asked for.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::Resource;
use k8s_openapi::api::core::v1::Pod;
use kube::api::AttachParams;
use kube::{Api, Client};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use tokio_tungstenite::tungstenite::Message;

use super::fault::{self, Asked, Refusal, seconds};
use super::latch::Pass;
use crate::domain::text::one_line;
use crate::domain::{Fault, FaultKind};

/// The command that is run without a pass to ask an engine. The admin port asks for no password, so none is on a command line. With its output no
/// terminal, `redis-cli` prints the text of INFO as it is.
pub const INFO: &[&str] = &["redis-cli", "-p", "9999", "INFO", "ALL"];

/// The other command that is ever run without a pass: it lists a folder, in the form that `wire::files` reads.
pub const LISTING: &[&str] = &["ls", "-A", "--full-time"];

/// The command that lists a folder; `None` for what is no plain path of one.
pub fn listing(folder: &str) -> Option<[&str; 4]> {
    let [ls, all, time] = LISTING else {
        return None;
    };
    is_folder(folder).then_some([ls, all, time, folder])
}

/// Whether a text is a whole path that means one folder, to whatever reads it: no option, no climbing, no pattern.
pub(super) fn is_folder(path: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    path.starts_with('/')
        && path.len() <= 512
        && path.chars().all(is_plain)
        && !path.split('/').any(|part| part == "..")
}

/// Longest output that is read; `INFO ALL` is some 10 KiB.
const LONGEST: u64 = 1 << 20;
/// Longest complaint that is read.
const LONGEST_COMPLAINT: u64 = 4 << 10;

/// Runs a command and waits for its end; what it printed is returned only if it ended well.
///
/// # Errors
/// A [`Refusal`]: of kind [`FaultKind::Forbidden`] when the right `pods/exec` is missing, [`FaultKind::NotFound`] when the
/// image has no such program, [`FaultKind::Refused`] with the exit status and the last complaint when it failed.
pub async fn run(
    client: &Client,
    namespace: &str,
    pod: &str,
    container: &str,
    command: &[&str],
    deadline: Duration,
) -> Result<Vec<u8>, Refusal> {
    // The WebSocket is opened with GET, and from Kubernetes 1.35 on `create` is wanted as well.
    let asked = Asked {
        verb: "get,create",
        resource: "pods/exec",
        group: "",
        namespace: Some(namespace),
    };
    let program = command.first().copied().unwrap_or_default();
    let whole = async {
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let how = AttachParams::default()
            .container(container)
            .stdin(false)
            .stdout(true)
            .stderr(true);
        // Dropping the process ends the session; the command itself ends by itself.
        let mut process = pods
            .exec(pod, command.iter().copied(), &how)
            .await
            .map_err(|error| fault::of_kube(&error, &asked))?;
        let (out, complaint) = (process.stdout(), process.stderr());
        // Both at once: either may fill its buffer while the other is read.
        let (out, complaint) = tokio::join!(
            read_at_most(out, LONGEST),
            read_at_most(complaint, LONGEST_COMPLAINT)
        );
        let status = match process.take_status() {
            Some(status) => status.await,
            None => None,
        };
        ended(program, status, out, &complaint).map_err(Refusal::from)
    };
    match timeout(deadline, whole).await {
        Ok(ran) => ran,
        Err(_) => Err(Fault::new(
            FaultKind::Timeout,
            format!(
                "{program} in the pod: not done within {}",
                seconds(deadline)
            ),
        )
        .into()),
    }
}

/// Runs a command that may change something, with the pass that its path is given; what it printed is returned only if it ended
/// well.
///
/// # Errors
/// As of [`run`]; of kind [`FaultKind::Refused`] without an answer's code when there is no pass.
pub async fn order(
    client: &Client,
    namespace: &str,
    pod: &str,
    container: &str,
    command: &[&str],
    pass: &(dyn Fn(&str) -> Result<Pass, Fault> + Sync),
    deadline: Duration,
) -> Result<Vec<u8>, Refusal> {
    let asked = Asked {
        verb: "get,create",
        resource: "pods/exec",
        group: "",
        namespace: Some(namespace),
    };
    let program = command.first().copied().unwrap_or_default();
    let pods =
        kube::core::Request::new(format!("/api/{}/namespaces/{namespace}/pods", Pod::VERSION));
    let how = AttachParams::default()
        .container(container)
        .stdin(false)
        .stdout(true)
        .stderr(true);
    let mut request = pods
        .exec(pod, command.iter().copied(), &how)
        .map_err(|error| {
            Fault::new(FaultKind::Unusable, "the request cannot be written")
                .with_detail(error.to_string())
        })?;
    let whole = request.uri().to_string();
    request.extensions_mut().insert(pass(&whole)?);
    let ran = async {
        let connection = client
            .connect(request)
            .await
            .map_err(|error| fault::of_kube(&error, &asked))?;
        let mut socket = connection.into_stream();
        let (mut out, mut complaint, mut status) = (Vec::new(), Vec::new(), None);
        while let Some(Ok(message)) = socket.next().await {
            let Message::Binary(bytes) = message else {
                continue;
            };
            let Some((channel, bytes)) = bytes.split_first() else {
                continue;
            };
            match *channel {
                OUT => out.extend_from_slice(within(bytes, LONGEST, out.len())),
                COMPLAINT => {
                    complaint.extend_from_slice(within(bytes, LONGEST_COMPLAINT, complaint.len()));
                }
                STATUS => {
                    status = serde_json::from_slice(bytes).ok();
                    break;
                }
                _ => {}
            }
        }
        ended(program, status, out, &complaint).map_err(Refusal::from)
    };
    match timeout(deadline, ran).await {
        Ok(ran) => ran,
        Err(_) => Err(Fault::new(
            FaultKind::Timeout,
            format!(
                "{program} in the pod: not done within {}",
                seconds(deadline)
            ),
        )
        .into()),
    }
}

/// Channels of the remote command protocol.
const OUT: u8 = 1;
const COMPLAINT: u8 = 2;
const STATUS: u8 = 3;

/// As many of these bytes as still have room.
fn within(bytes: &[u8], most: u64, taken: usize) -> &[u8] {
    let room = usize::try_from(most)
        .unwrap_or(usize::MAX)
        .saturating_sub(taken);
    bytes.get(..room.min(bytes.len())).unwrap_or_default()
}

async fn read_at_most(pipe: Option<impl AsyncRead + Unpin>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What could be read counts; why no more could is told by how the command ended.
        let _ = pipe.take(most).read_to_end(&mut bytes).await;
    }
    bytes
}

/// What came of it, by the last word of the kubelet on the command.
fn ended(
    program: &str,
    status: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Status>,
    out: Vec<u8>,
    complaint: &[u8],
) -> Result<Vec<u8>, Fault> {
    let Some(status) = status else {
        return Err(Fault::new(
            FaultKind::Unreachable,
            format!("the connection to {program} in the pod was closed before it ended"),
        ));
    };
    if status.status.as_deref() == Some("Success") {
        return Ok(out);
    }
    let said = status.message.unwrap_or_default();
    let exit = status
        .details
        .and_then(|details| details.causes)
        .into_iter()
        .flatten()
        .find(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .and_then(|cause| cause.message);
    let complaint = String::from_utf8_lossy(complaint);
    let last = complaint
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let missing =
        |text: &str| text.contains("executable file not found") || text.contains("no such file");
    if missing(&said) || missing(last) {
        return Err(
            Fault::new(FaultKind::NotFound, format!("the image has no {program}"))
                .with_detail(format!("{said}\n{complaint}")),
        );
    }
    let how = exit.map_or_else(String::new, |code| format!(" with status {code}"));
    let why = if last.is_empty() { &said } else { last };
    Err(Fault::new(
        FaultKind::Refused,
        format!("{program} in the pod ended{how}: {}", one_line(why)),
    )
    .with_detail(format!("{said}\n{complaint}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_end_of_a_command_is_told_with_its_status_and_complaint() {
        let failure = |code: &str| {
            json!({"status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated with exit code",
                "details": {"causes": [{"reason": "ExitCode", "message": code}]}})
        };
        for (name, status, complaint, wanted) in [
            (
                "well",
                Some(json!({"status": "Success"})),
                "a warning\n",
                Ok("out"),
            ),
            (
                "failed",
                Some(failure("1")),
                "Could not connect to Redis at 127.0.0.1:9999: Connection refused\n\n",
                Err(
                    "redis-cli in the pod ended with status 1: Could not connect to Redis at 127.0.0.1:9999: Connection refused",
                ),
            ),
            (
                "silent failure",
                Some(failure("137")),
                "",
                Err(
                    "redis-cli in the pod ended with status 137: command terminated with exit code",
                ),
            ),
            (
                "distroless",
                Some(
                    json!({"status": "Failure", "message": "exec: \"redis-cli\": executable file not found in $PATH"}),
                ),
                "",
                Err("the image has no redis-cli"),
            ),
            (
                "cut",
                None,
                "",
                Err("the connection to redis-cli in the pod was closed before it ended"),
            ),
        ] {
            let status = status.map(|status| serde_json::from_value(status).unwrap());
            let got = ended("redis-cli", status, b"out".to_vec(), complaint.as_bytes());
            let got = got
                .map(|out| String::from_utf8(out).unwrap())
                .map_err(|f| f.message);
            let wanted = wanted.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(got, wanted, "{name}");
        }
    }
}
