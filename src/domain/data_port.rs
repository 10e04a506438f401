//! What a client finds at the data port (6379), as opposed to the admin port, which answers in every state and asks for
//! no password: whether a node is *usable* only this tells.

use std::time::Duration;

use jiff::Timestamp;

use super::fault::{Fault, FaultKind};

/// How far a try got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The way to the port.
    Connection,
    /// The TLS handshake.
    Tls,
    /// AUTH.
    Login,
    /// A command that reads data.
    Command,
}

impl Stage {
    /// The word shown.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Connection => "connection",
            Stage::Tls => "TLS",
            Stage::Login => "login",
            Stage::Command => "command",
        }
    }
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It answered a command that reads data.
    Usable,
    /// `-LOADING`: at start, in a full sync, or while it is being taken over.
    Loading,
    /// `-NOAUTH`: reachable; whether it is usable cannot be told without the password.
    PasswordWanted,
    /// `-WRONGPASS`: the password that we have is not (or no longer) the right one.
    WrongPassword,
    /// The server took the connection and closed it without a word, as it does while the memory that it really uses is far
    /// above `maxmemory` (`rss_oom_deny_ratio`).
    ClosedAtOnce,
    /// Nothing listens there, TLS failed, or the server answered with another error.
    Refused(Fault),
    /// No answer in time.
    TimedOut,
    /// There is no way for us to try: the right is missing, or the API server does not reach the pod.
    NoWay(Fault),
}

/// The certificate that the server showed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Certificate {
    /// Common name of its subject, else of nothing.
    pub subject: String,
    /// When it ends.
    pub not_after: Option<Timestamp>,
    /// It was verified against the certificate authority that the settings name.
    pub is_verified: bool,
}

/// One try at the data port of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataPort {
    /// What came of it.
    pub found: Found,
    /// How far it got.
    pub stage: Stage,
    /// Time from the open connection to the last reply; a port-forward's own way included.
    pub took: Duration,
    /// TLS was spoken, and this certificate shown.
    pub certificate: Option<Certificate>,
    /// A password was sent.
    pub logged_in: bool,
}

impl DataPort {
    /// No client can use it, whatever its password. That our own password command failed says nothing of the port.
    pub fn keeps_out(&self) -> bool {
        match &self.found {
            Found::Refused(fault) => {
                self.stage != Stage::Login || fault.kind != FaultKind::Unauthenticated
            }
            Found::TimedOut | Found::ClosedAtOnce => true,
            Found::Usable
            | Found::Loading
            | Found::PasswordWanted
            | Found::WrongPassword
            | Found::NoWay(_) => false,
        }
    }

    /// Anything at all came from the server itself.
    fn has_spoken(&self) -> bool {
        self.logged_in || self.certificate.is_some()
    }

    fn unanswered(&self) -> &'static str {
        match self.stage {
            Stage::Connection => "a connection",
            Stage::Tls => "the TLS handshake",
            Stage::Login => "the login",
            Stage::Command => "a command",
        }
    }

    /// What it means, in a sentence without its subject: `its data port is usable`.
    pub fn words(&self) -> String {
        let found = match &self.found {
            Found::Usable => "its data port is usable".to_owned(),
            Found::Loading => "its data port answers -LOADING to every command".to_owned(),
            Found::PasswordWanted => {
                "its data port is reachable and wants a password, so whether it is usable is not known".to_owned()
            }
            Found::WrongPassword => {
                "its data port is reachable and does not accept the password that we have".to_owned()
            }
            Found::ClosedAtOnce => {
                "its data port takes connections and closes them without a word, as the RSS guard does".to_owned()
            }
            Found::Refused(fault) => {
                format!("its data port fails at the {}: {}", self.stage.word(), fault.message)
            }
            // That a connection was taken can be told only by what came over it: through a port-forward it is the kubelet
            // that takes ours.
            Found::TimedOut if self.has_spoken() => format!(
                "its data port spoke, but gave no answer to {} within {}",
                self.unanswered(),
                seconds(self.took)
            ),
            Found::TimedOut => format!(
                "its data port gave no answer to {} through the port-forward within {}",
                self.unanswered(),
                seconds(self.took)
            ),
            Found::NoWay(fault) => format!("its data port cannot be tried: {}", fault.message),
        };
        match &self.certificate {
            None => found,
            Some(certificate) => format!("{found}; {}", certificate.words()),
        }
    }
}

impl Certificate {
    /// `TLS answered as secure.payments.svc until 2027-01-01, certificate not verified`.
    pub fn words(&self) -> String {
        let until = self.not_after.map_or(String::new(), |at| {
            format!(" until {}", at.strftime("%Y-%m-%d"))
        });
        let verified = if self.is_verified {
            "certificate verified"
        } else {
            "certificate not verified"
        };
        format!("TLS answered as {}{until}, {verified}", self.subject)
    }
}

/// `2 s`, `2.5 s`, `400 ms`.
fn seconds(span: Duration) -> String {
    match span.as_millis() {
        millis @ ..1000 => format!("{millis} ms"),
        millis => format!("{} s", (millis as f64 / 100.0).round() / 10.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_by_what_came_before_it() {
        let certificate = || Certificate {
            subject: "secure".into(),
            not_after: None,
            is_verified: true,
        };
        for (stage, certificate, logged_in, wanted) in [
            (
                Stage::Command,
                None,
                false,
                "its data port gave no answer to a command through the port-forward within 2 s",
            ),
            (
                Stage::Login,
                None,
                false,
                "its data port gave no answer to the login through the port-forward within 2 s",
            ),
            (
                Stage::Tls,
                None,
                false,
                "its data port gave no answer to the TLS handshake through the port-forward within 2 s",
            ),
            (
                Stage::Command,
                None,
                true,
                "its data port spoke, but gave no answer to a command within 2 s",
            ),
            (
                Stage::Login,
                Some(certificate()),
                false,
                "its data port spoke, but gave no answer to the login within 2 s; TLS answered as secure, certificate verified",
            ),
        ] {
            let tried = DataPort {
                found: Found::TimedOut,
                stage,
                took: Duration::from_millis(2_003),
                certificate,
                logged_in,
            };
            assert_eq!(tried.words(), wanted);
        }
    }
}
