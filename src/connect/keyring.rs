//! Passwords of data ports: entered by the person or printed by a command of the settings. They are in memory only, wiped
//! when they are replaced and when darner ends, and never in a log, an argument, the environment or a file.

use std::collections::BTreeMap;
use std::fmt;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretString};
use tokio::process::Command;
use tokio::time::timeout;

use super::credential::{Group, read_at_most};
use super::fault::seconds;
use crate::domain::{Fault, FaultKind, InstanceId};

/// Longest password that is read of a command.
const LONGEST: u64 = 4 << 10;
/// How soon a command is run again whose password was not accepted, or that failed.
const AGAIN: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Default)]
pub struct Keyring {
    commands: Vec<(String, Vec<String>)>,
    held: Mutex<BTreeMap<InstanceId, Held>>,
    /// Commands run one at a time: one may ask for a passphrase.
    running: tokio::sync::Mutex<()>,
}

struct Held {
    password: Option<SecretString>,
    /// The server did not accept it.
    refused: bool,
    /// Printed by a command, rather than entered.
    printed: bool,
    /// Why the command gave none.
    fault: Option<Fault>,
    at: Instant,
}

/// What there is for an instance.
pub enum Given {
    /// A password.
    Password(SecretString),
    /// One that the server has already refused; it is not sent again.
    Refused,
    /// None.
    Nothing,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(***)")
    }
}

impl Keyring {
    /// With commands by the instance whose password they print: `NAMESPACE/NAME` or `CONTEXT/NAMESPACE/NAME`.
    pub fn new(commands: Vec<(String, Vec<String>)>) -> Self {
        Self {
            commands,
            ..Self::default()
        }
    }

    /// Takes a password that was entered; an empty one forgets what there was.
    pub fn enter(&self, instance: InstanceId, password: SecretString) {
        let mut held = self.held();
        if password.expose_secret().is_empty() {
            held.remove(&instance);
            return;
        }
        let entered = Held {
            password: Some(password),
            refused: false,
            printed: false,
            fault: None,
            at: Instant::now(),
        };
        held.insert(instance, entered);
    }

    /// The server did not accept what was given last.
    pub fn refused(&self, instance: &InstanceId) {
        if let Some(held) = self.held().get_mut(instance) {
            held.refused = true;
        }
    }

    /// What there is for an instance; runs its command if there is one and nothing was entered.
    ///
    /// # Errors
    /// When the command fails. It is not run again for a while.
    pub async fn password(
        &self,
        instance: &InstanceId,
        deadline: Duration,
    ) -> Result<Given, Fault> {
        // Whoever comes second finds what the first one's command printed.
        let _turn = self.running.lock().await;
        let known = self.known(instance);
        let Some(command) = self.command(instance) else {
            return known.unwrap_or(Ok(Given::Nothing));
        };
        if let Some(known) = known {
            return known;
        }
        let ran = run(command, deadline).await;
        let mut held = self.held();
        let (password, fault) = match ran {
            Ok(password) => (Some(password), None),
            Err(fault) => (None, Some(fault)),
        };
        let same = held.get(instance).is_some_and(|old| {
            old.refused
                && old.password.as_ref().map(|p| p.expose_secret())
                    == password.as_ref().map(|p| p.expose_secret())
        });
        let given = match (&password, &fault) {
            (Some(_), _) if same => Ok(Given::Refused),
            (Some(password), _) => Ok(Given::Password(password.clone())),
            (None, Some(fault)) => Err(fault.clone()),
            (None, None) => Ok(Given::Nothing),
        };
        let printed = Held {
            password,
            refused: same,
            printed: true,
            fault,
            at: Instant::now(),
        };
        held.insert(instance.clone(), printed);
        given
    }

    /// What is at hand for an instance, without running its command: what was entered, or what the command has printed
    /// already.
    ///
    /// # Errors
    /// When the command failed when it was last run.
    pub fn at_hand(&self, instance: &InstanceId) -> Result<Given, Fault> {
        match self.held().get(instance) {
            Some(Held { refused: true, .. }) => Ok(Given::Refused),
            Some(Held {
                password: Some(password),
                ..
            }) => Ok(Given::Password(password.clone())),
            Some(Held {
                fault: Some(fault), ..
            }) => Err(fault.clone()),
            _ => Ok(Given::Nothing),
        }
    }

    /// What can be said without running a command; `None` when one should be run.
    fn known(&self, instance: &InstanceId) -> Option<Result<Given, Fault>> {
        let all = self.held();
        let held = all.get(instance)?;
        let is_old = held.printed && held.at.elapsed() >= AGAIN;
        match (&held.password, &held.fault) {
            (Some(password), _) if !held.refused => Some(Ok(Given::Password(password.clone()))),
            _ if is_old => None,
            (_, Some(fault)) => Some(Err(fault.clone())),
            _ => Some(Ok(Given::Refused)),
        }
    }

    fn command(&self, instance: &InstanceId) -> Option<&[String]> {
        let whole = format!("{}/{instance}", instance.context);
        let short = instance.to_string();
        let named = |name: &str| self.commands.iter().find(|(wanted, _)| wanted == name);
        named(&whole)
            .or_else(|| named(&short))
            .map(|(_, command)| command.as_slice())
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<InstanceId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a command and takes the first line that it prints. What it complains of is not kept: it may quote the password.
async fn run(command: &[String], deadline: Duration) -> Result<SecretString, Fault> {
    let Some((program, args)) = command.split_first() else {
        return Err(Fault::new(
            FaultKind::Unusable,
            "a password command is empty",
        ));
    };
    let name = program.rsplit('/').next().unwrap_or(program);
    let failed = |why: &str| {
        Fault::new(
            FaultKind::Unauthenticated,
            format!("password command {name}: {why}"),
        )
        .with_hint("run it in another terminal; its first line must be the password")
    };
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => failed("is not installed"),
        std::io::ErrorKind::PermissionDenied => failed("may not be executed"),
        _ => failed(&error.to_string()),
    })?;
    let group = Group(child.id());
    let stdout = child.stdout.take();
    let talk = async { tokio::join!(read_at_most(stdout, LONGEST), child.wait()) };
    let Ok((mut said, ended)) = timeout(deadline, talk).await else {
        drop(group);
        return Err(failed(&format!("no answer within {}", seconds(deadline))));
    };
    group.leave();
    let line = said.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line));
    let password = line.map(|line| SecretString::from(line.to_owned()));
    said.zeroize();
    match (ended, password) {
        (Ok(status), _) if !status.success() => Err(failed(&status.code().map_or_else(
            || "ended by a signal".to_owned(),
            |code| format!("exit status {code}"),
        ))),
        (Err(error), _) => Err(failed(&error.to_string())),
        (Ok(_), Err(_)) => Err(failed("printed something that is not UTF-8")),
        (Ok(_), Ok(password)) if password.expose_secret().is_empty() => {
            Err(failed("printed nothing"))
        }
        (Ok(_), Ok(password)) => Ok(password),
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::ContextId;

    fn orders() -> InstanceId {
        InstanceId::new(ContextId::new("infra"), "shop", "orders")
    }

    fn ring(instance: &str, script: &str) -> Keyring {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        Keyring::new(vec![(instance.to_owned(), command)])
    }

    async fn given(ring: &Keyring) -> String {
        match ring.password(&orders(), Duration::from_secs(5)).await {
            Ok(Given::Password(password)) => password.expose_secret().to_owned(),
            Ok(Given::Refused) => "refused".to_owned(),
            Ok(Given::Nothing) => "nothing".to_owned(),
            Err(fault) => fault.message,
        }
    }

    #[tokio::test]
    async fn a_command_prints_the_password_or_it_is_said_why_not() {
        for (instance, script, wanted) in [
            ("shop/orders", "printf 'pw one\\r\\nsecond'", "pw one"),
            ("infra/shop/orders", "echo x", "x"),
            ("apps/shop/orders", "echo x", "nothing"),
            ("shop/other", "echo x", "nothing"),
            (
                "shop/orders",
                "echo secret; echo secret >&2; exit 3",
                "password command sh: exit status 3",
            ),
            (
                "shop/orders",
                "true",
                "password command sh: printed nothing",
            ),
        ] {
            assert_eq!(given(&ring(instance, script)).await, wanted, "{script}");
        }
        let slow = ring("shop/orders", "sleep 60");
        let fault = slow.password(&orders(), Duration::from_millis(50)).await;
        assert_eq!(
            fault.err().unwrap().message,
            "password command sh: no answer within 0.0 s"
        );
    }

    #[tokio::test]
    async fn what_is_at_hand_never_runs_a_command() {
        let at_hand = |ring: &Keyring| match ring.at_hand(&orders()) {
            Ok(Given::Password(password)) => password.expose_secret().to_owned(),
            Ok(Given::Refused) => "refused".to_owned(),
            Ok(Given::Nothing) => "nothing".to_owned(),
            Err(fault) => fault.message,
        };
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let ring = ring(
            "shop/orders",
            &format!("echo run >> '{}'; echo old", count.display()),
        );
        assert_eq!(at_hand(&ring), "nothing");
        assert!(!count.exists(), "the command was run");
        assert_eq!(given(&ring).await, "old");
        assert_eq!(at_hand(&ring), "old");
        ring.refused(&orders());
        assert_eq!(at_hand(&ring), "refused");
        ring.enter(orders(), SecretString::from("typed"));
        assert_eq!(at_hand(&ring), "typed");
        assert_eq!(std::fs::read_to_string(&count).unwrap().lines().count(), 1);
        let failing = self::ring("shop/orders", "exit 3");
        assert_eq!(at_hand(&failing), "nothing");
        let why = "password command sh: exit status 3";
        assert_eq!(given(&failing).await, why);
        assert_eq!(at_hand(&failing), why);
    }

    #[tokio::test]
    async fn what_was_refused_is_not_sent_again_and_an_entry_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let ring = ring(
            "shop/orders",
            &format!("echo run >> '{}'; echo old", count.display()),
        );
        assert_eq!(given(&ring).await, "old");
        assert_eq!(given(&ring).await, "old");
        ring.refused(&orders());
        assert_eq!(given(&ring).await, "refused");
        assert_eq!(std::fs::read_to_string(&count).unwrap().lines().count(), 1);
        ring.enter(orders(), SecretString::from("typed"));
        assert_eq!(given(&ring).await, "typed");
        ring.refused(&orders());
        assert_eq!(given(&ring).await, "refused");
        ring.enter(orders(), SecretString::from(""));
        assert_eq!(given(&ring).await, "old");
        assert_eq!(format!("{ring:?}"), "Keyring(***)");
    }
}
