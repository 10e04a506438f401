//! Credential plugins, run by us: never on our terminal (see [`detach`]), with a deadline, and with what they complain
//! about kept.
//!
//! The kube client's own way would run a plugin three times per client, on the calling thread, without a deadline, and
//! with our standard input. Protocol: `client.authentication.k8s.io` v1 and v1beta1.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::config::{AuthInfo, Cluster, ExecAuthCluster, ExecConfig, ExecInteractiveMode};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::time::timeout;

use super::detach;
use super::fault::seconds;
use crate::domain::text::one_line;
use crate::domain::{Fault, FaultKind};

/// How long before its end a credential is renewed.
const AHEAD: SignedDuration = SignedDuration::from_secs(60);
/// Shortest life that a credential is given credit for, so that one that comes expired (clocks differ) does not make
/// the plugin run without pause.
const LEAST: SignedDuration = SignedDuration::from_secs(30);
/// Longest answer that is read from a plugin.
const LONGEST: u64 = 1 << 20;

/// What a plugin gave.
#[derive(Clone)]
pub struct Credential {
    token: Option<SecretString>,
    certificate: Option<(String, SecretString)>,
    /// When it is to be renewed; `None` when it says nothing of an end.
    pub renew_at: Option<Timestamp>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential(***, renew at {:?})", self.renew_at)
    }
}

impl Credential {
    /// The user of a kubeconfig with this credential in place of the plugin.
    pub fn put_into(self, user: &AuthInfo) -> AuthInfo {
        let mut user = user.clone();
        user.exec = None;
        user.token = self.token.or(user.token);
        if let Some((certificate, key)) = self.certificate {
            user.client_certificate = None;
            user.client_key = None;
            user.client_certificate_data = Some(base64(certificate.as_bytes()));
            use secrecy::ExposeSecret;
            let key = base64(key.expose_secret().as_bytes());
            user.client_key_data = Some(SecretString::from(key));
        }
        user
    }
}

/// Runs a plugin once. The caller sees to it that it runs once at a time per context.
///
/// Past the deadline, and when the future is dropped, the plugin is killed with its whole process group.
///
/// # Errors
/// Always of kind [`FaultKind::Unauthenticated`], or [`FaultKind::Unusable`] when the kubeconfig's entry is at fault.
pub async fn run(
    exec: &ExecConfig,
    cluster: &Cluster,
    deadline: Duration,
    now: Timestamp,
) -> Result<Credential, Fault> {
    let order = order(exec, cluster)?;
    let mut child = spawn(exec, &order)?;
    let group = Group(child.id());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let talk = async {
        tokio::join!(
            read_at_most(stdout, LONGEST),
            read_at_most(stderr, LONGEST),
            child.wait()
        )
    };
    let Ok((said, complained, ended)) = timeout(deadline, talk).await else {
        drop(group);
        return Err(Fault::new(
            FaultKind::Unauthenticated,
            format!(
                "credential plugin {}: no answer within {}",
                order.name,
                seconds(deadline)
            ),
        )
        .with_hint("it may be waiting for a login: log in in another terminal, then try again"));
    };
    group.leave();
    if let Some(error) = detach::not_started(&said) {
        return Err(not_started(exec, &order, &error));
    }
    let complaint = last_line(&complained);
    match ended {
        Ok(status) if status.success() => parse(&said, &order, now)
            .map_err(|why| failed(&order.name, &why, &complaint, &complained)),
        Ok(status) => {
            let why = status.code().map_or_else(
                || "ended by a signal".to_owned(),
                |code| format!("exit status {code}"),
            );
            Err(failed(&order.name, &why, &complaint, &complained))
        }
        Err(error) => Err(failed(
            &order.name,
            &error.to_string(),
            &complaint,
            &complained,
        )),
    }
}

/// What the plugin is told.
struct Order {
    name: String,
    command: String,
    api_version: String,
    instruction: String,
}

fn order(exec: &ExecConfig, cluster: &Cluster) -> Result<Order, Fault> {
    let unusable = |message: String| Fault::new(FaultKind::Unusable, message);
    let command = exec.command.clone().ok_or_else(|| {
        unusable("the kubeconfig's credential plugin names no command".to_owned())
    })?;
    let name = command
        .rsplit(std::path::MAIN_SEPARATOR)
        .next()
        .unwrap_or(&command)
        .to_owned();
    let api_version = exec.api_version.clone().unwrap_or_default();
    if !matches!(
        api_version.as_str(),
        "client.authentication.k8s.io/v1" | "client.authentication.k8s.io/v1beta1"
    ) {
        return Err(unusable(format!(
            "credential plugin {name}: apiVersion {api_version:?} is not spoken any more"
        ))
        .with_hint("have the kubeconfig entry written anew by a current version of the plugin"));
    }
    if exec.interactive_mode == Some(ExecInteractiveMode::Always) {
        return Err(Fault::new(
            FaultKind::Unauthenticated,
            format!("credential plugin {name}: insists on a terminal (interactiveMode: Always)"),
        )
        .with_hint(
            "darner gives plugins no terminal: use a plugin that can log in by itself, or a token",
        ));
    }
    let mut spec = json!({ "interactive": false });
    if exec.provide_cluster_info {
        let told = ExecAuthCluster::try_from(cluster)
            .ok()
            .and_then(|told| serde_json::to_value(told).ok())
            .ok_or_else(|| {
                unusable(format!(
                    "credential plugin {name}: wants the cluster's certificate authority, which cannot be read"
                ))
            })?;
        if let Some(spec) = spec.as_object_mut() {
            spec.insert("cluster".to_owned(), told);
        }
    }
    let instruction =
        json!({ "apiVersion": api_version, "kind": "ExecCredential", "spec": spec }).to_string();
    Ok(Order {
        name,
        command,
        api_version,
        instruction,
    })
}

fn spawn(exec: &ExecConfig, order: &Order) -> Result<Child, Fault> {
    let mut command = detach::command(&order.command);
    command
        .args(exec.args.iter().flatten())
        .envs(exec.env.iter().flatten().filter_map(variable))
        .env("KUBERNETES_EXEC_INFO", &order.instruction)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
        .spawn()
        .map_err(|error| not_started(exec, order, &error))
}

fn not_started(exec: &ExecConfig, order: &Order, error: &io::Error) -> Fault {
    let missing = error.kind() == io::ErrorKind::NotFound;
    let why = match error.kind() {
        io::ErrorKind::NotFound => "is not installed".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be executed".to_owned(),
        _ => error.to_string(),
    };
    let hint = match &exec.install_hint {
        Some(hint) if missing => hint.clone(),
        _ => format!("{} must be found in PATH and be executable", order.command),
    };
    Fault::new(
        FaultKind::Unauthenticated,
        format!("credential plugin {} {why}", order.name),
    )
    .with_detail(error.to_string())
    .with_hint(hint)
}

fn variable(entry: &HashMap<String, String>) -> Option<(&String, &String)> {
    Some((entry.get("name")?, entry.get("value")?))
}

pub(super) async fn read_at_most(pipe: Option<impl AsyncRead + Unpin>, most: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(pipe) = pipe {
        // What could be read counts; why no more could is told by how the plugin ended.
        let _ = pipe.take(most).read_to_end(&mut out).await;
    }
    out
}

/// The process group of a plugin, which its session has alone: whatever it started and left running is in it, also after the plugin's own end.
/// Killed when dropped. The standard library can end only the plugin itself.
pub(super) struct Group(pub(super) Option<u32>);

impl Group {
    /// The plugin is done and closed its pipes: what it left running is meant to stay.
    pub(super) fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(id) = self.0 else { return };
        // Waited for, which takes milliseconds, so that it is done even where the drop is the program's end.
        let killed = std::process::Command::new("sh")
            .args(["-c", &format!("kill -9 -{id}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if let Err(error) = killed {
            tracing::warn!(group = id, %error, "the processes of a credential plugin could not be ended");
        }
    }
}

/// What comes back.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    kind: Option<String>,
    api_version: Option<String>,
    status: Option<AnswerStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerStatus {
    expiration_timestamp: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    token: Option<SecretString>,
    client_certificate_data: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    client_key_data: Option<SecretString>,
}

fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(SecretString::from))
}

fn parse(said: &[u8], order: &Order, now: Timestamp) -> Result<Credential, String> {
    // The parser's own message could quote what it read, which may be the token.
    let answer: Answer = serde_json::from_slice(said)
        .map_err(|_| "answered with something that is not an ExecCredential".to_owned())?;
    if answer.kind.as_deref() != Some("ExecCredential") {
        return Err("answered with something that is not an ExecCredential".to_owned());
    }
    if answer.api_version.as_deref() != Some(&order.api_version) {
        return Err(format!(
            "answered in apiVersion {:?} where {:?} was asked for",
            one_line(&answer.api_version.unwrap_or_default()),
            order.api_version
        ));
    }
    let Some(status) = answer.status else {
        return Err("gave neither a token nor a certificate".to_owned());
    };
    let token = status.token.filter(|token| {
        use secrecy::ExposeSecret;
        !token.expose_secret().is_empty()
    });
    let certificate = match (status.client_certificate_data, status.client_key_data) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err("gave a certificate without a key, or a key without one".to_owned()),
    };
    if token.is_none() && certificate.is_none() {
        return Err("gave neither a token nor a certificate".to_owned());
    }
    let ends: Option<Timestamp> = match status.expiration_timestamp {
        None => None,
        Some(text) => Some(
            text.parse()
                .map_err(|_| "gave an expirationTimestamp that is not a time".to_owned())?,
        ),
    };
    Ok(Credential {
        token,
        certificate,
        renew_at: ends.map(|ends| renew_at(ends, now)),
    })
}

/// A minute before the end; half-way for a credential so short-lived that the minute would be most of it.
fn renew_at(ends: Timestamp, now: Timestamp) -> Timestamp {
    let life = ends.duration_since(now);
    let wait = (life - AHEAD).max(life / 2).max(LEAST);
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

fn failed(name: &str, why: &str, complaint: &str, complained: &[u8]) -> Fault {
    let tail = if complaint.is_empty() {
        String::new()
    } else {
        format!(": {complaint}")
    };
    Fault::new(
        FaultKind::Unauthenticated,
        format!("credential plugin {name}: {why}{tail}"),
    )
    .with_detail(String::from_utf8_lossy(complained))
    .with_hint("log in in another terminal, then try again")
}

fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    one_line(last.unwrap_or_default())
}

/// Base64 with padding, which is how a kubeconfig holds PEM.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0u8; 3];
        for (slot, byte) in group.iter_mut().zip(chunk) {
            *slot = *byte;
        }
        let [a, b, c] = group.map(u32::from);
        let bits = a << 16 | b << 8 | c;
        for (i, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let sextet = (bits >> shift & 63) as usize;
            match ALPHABET.get(sextet) {
                Some(letter) if i <= chunk.len() => out.push(char::from(*letter)),
                _ => out.push('='),
            }
        }
    }
    out
}

#[cfg(all(test, unix))]
#[path = "tests/credential.rs"]
mod tests;
