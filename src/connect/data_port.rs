//! One try at a data port: connect, TLS where the Dragonfly object says so, AUTH where there is a password, and a command
//! that reads data. By hand rather than through the RESP library: it would keep copies of the password, and a few bytes
//! each way are all there is to it.

use std::path::Path;
use std::time::{Duration, Instant};

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::forward::Forward;
use super::tls;
use crate::domain::data_port::{Certificate, DataPort, Found, Stage};
use crate::domain::text::one_line;
use crate::domain::{Fault, FaultKind};

/// The data port that the operator gives every Dragonfly.
pub const PORT: u16 = 6379;
/// Asks for data without finding any. It is refused while loading and without a login, unlike PING.
const COMMAND: &[u8] = b"*2\r\n$6\r\nEXISTS\r\n$12\r\ndarner:probe\r\n";
/// Longest line of a reply that is read.
const LINE: usize = 512;

/// How to try.
#[derive(Debug)]
pub struct Manner<'a> {
    /// Speak TLS with a server of that name.
    pub tls: Option<&'a str>,
    /// The certificate authority to verify it by.
    pub authority: Option<&'a Path>,
    /// The password.
    pub password: Option<&'a SecretString>,
    /// For the whole try.
    pub deadline: Duration,
}

/// Tries a data port over an open port-forward.
pub async fn try_it(way: Forward, manner: &Manner<'_>) -> DataPort {
    let Forward { stream, mut tether } = way;
    let mut tried = over(stream, manner).await;
    if matches!(tried.found, Found::ClosedAtOnce)
        && let Some(fault) = tether.complaint().await
    {
        // The kubelet knows better why the stream ended: nothing listens there.
        tried.found = Found::Refused(fault);
        tried.stage = Stage::Connection;
    }
    tried
}

/// The same over any stream.
pub async fn over(stream: impl AsyncRead + AsyncWrite + Unpin, manner: &Manner<'_>) -> DataPort {
    let began = Instant::now();
    let mut tried = DataPort {
        found: Found::TimedOut,
        stage: Stage::Connection,
        took: Duration::ZERO,
        certificate: None,
        logged_in: false,
    };
    // Past the deadline the stage that was reached stays, and so does what the try began with: no answer in time.
    let _ = timeout(manner.deadline, talk(stream, manner, &mut tried)).await;
    tried.took = began.elapsed();
    tried
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    manner: &Manner<'_>,
    tried: &mut DataPort,
) {
    let Some(name) = manner.tls else {
        tried.stage = Stage::Command;
        return converse(stream, manner, tried).await;
    };
    tried.stage = Stage::Tls;
    let (shaken, shown): (_, Option<Certificate>) =
        tls::handshake(stream, name, manner.authority).await;
    tried.certificate = shown;
    match shaken {
        Ok(stream) => {
            tried.stage = Stage::Command;
            converse(stream, manner, tried).await;
        }
        Err(fault) => tried.found = Found::Refused(fault),
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    manner: &Manner<'_>,
    tried: &mut DataPort,
) {
    if let Some(password) = manner.password {
        tried.stage = Stage::Login;
        let login = login(password);
        match exchange(&mut stream, &login).await {
            Ok(reply) if reply.starts_with('+') => {
                tried.logged_in = true;
                tried.stage = Stage::Command;
            }
            // A server that wants none says so, and serves us without.
            Ok(reply)
                if reply.contains("without any password")
                    || reply.contains("no password is set") =>
            {
                tried.stage = Stage::Command;
            }
            Ok(reply) => return tried.found = judged(&reply),
            Err(found) => return tried.found = found,
        }
    }
    tried.found = match exchange(&mut stream, COMMAND).await {
        Ok(reply) => judged(&reply),
        Err(found) => found,
    };
}

/// `AUTH password`, in memory that is wiped when it is dropped.
fn login(password: &SecretString) -> Zeroizing<Vec<u8>> {
    let password = password.expose_secret().as_bytes();
    // Never grown, so that no copy is left behind.
    let mut command = Zeroizing::new(Vec::with_capacity(password.len() + 48));
    command.extend_from_slice(b"*2\r\n$4\r\nAUTH\r\n$");
    command.extend_from_slice(password.len().to_string().as_bytes());
    command.extend_from_slice(b"\r\n");
    command.extend_from_slice(password);
    command.extend_from_slice(b"\r\n");
    command
}

/// Sends a command and reads the first line of its reply.
async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    command: &[u8],
) -> Result<String, Found> {
    let sent = async {
        stream.write_all(command).await?;
        stream.flush().await
    };
    // A write to a port that was closed at once may or may not fail: reading tells.
    let _ = sent.await;
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await {
            Ok(b'\n') => break,
            Ok(byte) if line.len() < LINE => line.push(byte),
            Ok(_) => return Err(nonsense("")),
            Err(_) if line.is_empty() => return Err(Found::ClosedAtOnce),
            Err(_) => return Err(nonsense("the reply was cut short")),
        }
    }
    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
    match line.chars().next() {
        Some('+' | '-' | ':') => Ok(line),
        _ => Err(nonsense("")),
    }
}

fn nonsense(detail: &str) -> Found {
    Found::Refused(
        Fault::new(
            FaultKind::Protocol,
            "answered with something that is not RESP",
        )
        .with_detail(detail),
    )
}

fn judged(reply: &str) -> Found {
    let Some(error) = reply.strip_prefix('-') else {
        return Found::Usable;
    };
    let has = |word: &str| error.starts_with(word);
    if has("LOADING") {
        Found::Loading
    } else if has("NOAUTH") {
        Found::PasswordWanted
    } else if error.contains("WRONGPASS") || error.contains("invalid password") {
        Found::WrongPassword
    } else {
        Found::Refused(Fault::new(
            FaultKind::Refused,
            format!("the server answered {}", one_line(error)),
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::duplex;

    const SECRET: &str = "correct horse\r\n+OK";

    /// A server that answers the n-th command with the n-th text; `None` hangs. What it was sent is returned.
    async fn found(replies: &[Option<&str>], password: Option<&str>) -> (DataPort, String) {
        let (here, mut there) = duplex(4096);
        let password = password.map(SecretString::from);
        let manner = Manner {
            tls: None,
            authority: None,
            password: password.as_ref(),
            deadline: Duration::from_millis(300),
        };
        let server = async {
            let mut got = Vec::new();
            for reply in replies {
                let mut chunk = [0; 1024];
                let n = there.read(&mut chunk).await.unwrap();
                got.extend_from_slice(chunk.get(..n).unwrap());
                match reply {
                    Some(text) => there.write_all(text.as_bytes()).await.unwrap(),
                    None => std::future::pending().await,
                }
            }
            drop(there);
            String::from_utf8(got).unwrap()
        };
        let (tried, got) = tokio::join!(
            over(here, &manner),
            timeout(Duration::from_millis(400), server)
        );
        (tried, got.unwrap_or_default())
    }

    #[tokio::test]
    async fn what_a_client_would_find_is_told_with_the_stage() {
        let refused = |text: &str| Found::Refused(Fault::new(FaultKind::Refused, text));
        for (replies, password, wanted, stage) in [
            (vec![Some(":0\r\n")], None, Found::Usable, Stage::Command),
            (
                vec![Some("-NOAUTH Authentication required.\r\n")],
                None,
                Found::PasswordWanted,
                Stage::Command,
            ),
            (
                vec![Some("-LOADING Dragonfly is loading\r\n")],
                None,
                Found::Loading,
                Stage::Command,
            ),
            (vec![], None, Found::ClosedAtOnce, Stage::Command),
            (vec![None], None, Found::TimedOut, Stage::Command),
            (
                vec![Some("+OK\r\n"), Some(":0\r\n")],
                Some(SECRET),
                Found::Usable,
                Stage::Command,
            ),
            (
                vec![Some("-WRONGPASS invalid username-password pair\r\n")],
                Some(SECRET),
                Found::WrongPassword,
                Stage::Login,
            ),
            (
                vec![
                    Some("-ERR AUTH <password> called without any password configured\r\n"),
                    Some(":0\r\n"),
                ],
                Some(SECRET),
                Found::Usable,
                Stage::Command,
            ),
            (
                vec![Some("-LOADING x\r\n")],
                Some(SECRET),
                Found::Loading,
                Stage::Login,
            ),
            (vec![None], Some(SECRET), Found::TimedOut, Stage::Login),
            (
                vec![Some("-NOPERM no rights\r\n")],
                None,
                refused("the server answered NOPERM no rights"),
                Stage::Command,
            ),
        ] {
            let (tried, _) = found(&replies, password).await;
            assert_eq!((&tried.found, tried.stage), (&wanted, stage), "{replies:?}");
        }
        for nonsense in ["HTTP/1.1 400 Bad\r\n", ":0", &"x".repeat(2_000)] {
            let (tried, _) = found(&[Some(nonsense)], None).await;
            assert!(matches!(tried.found, Found::Refused(f) if f.kind == FaultKind::Protocol));
        }
    }

    #[tokio::test]
    async fn a_password_is_sent_as_one_word_and_shown_nowhere() {
        let (tried, got) = found(&[Some("+OK\r\n"), Some(":0\r\n")], Some(SECRET)).await;
        assert!(
            got.starts_with("*2\r\n$4\r\nAUTH\r\n$18\r\ncorrect horse\r\n+OK\r\n*2"),
            "{got}"
        );
        assert!(tried.logged_in);
        let password = SecretString::from(SECRET);
        let manner = Manner {
            tls: None,
            authority: None,
            password: Some(&password),
            deadline: Duration::ZERO,
        };
        for shown in [format!("{tried:?}"), tried.words(), format!("{manner:?}")] {
            assert!(!shown.contains("horse"), "{shown}");
        }
    }
}
