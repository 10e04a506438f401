//! Engine replies to answers: RESP values to what was asked.

use std::time::Duration;

use jiff::Timestamp;

use super::figure::{number, port, short};
use super::{Undecodable, clients, info, lists, pages};
use crate::domain::engine::*;
use crate::domain::text;

/// A RESP reply, free of any client library's types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A null.
    Nil,
    /// A number.
    Number(i64),
    /// A simple or bulk string, by its bytes.
    Text(Vec<u8>),
    /// An error reply, with its code: `LOADING Dragonfly is loading the dataset in memory`.
    Error(String),
    /// An array.
    List(Vec<Reply>),
}

impl Reply {
    pub(super) fn text(&self) -> Option<std::borrow::Cow<'_, str>> {
        match self {
            Reply::Text(bytes) => Some(String::from_utf8_lossy(bytes)),
            Reply::Number(n) => Some(n.to_string().into()),
            Reply::Nil | Reply::Error(_) | Reply::List(_) => None,
        }
    }

    /// The number it is or spells; one that is negative is absent.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Reply::Number(n) => u64::try_from(*n).ok(),
            other => number(&other.text()?),
        }
    }

    /// What it is, for an error message.
    pub(super) fn sort(&self) -> &'static str {
        match self {
            Reply::Nil => "a null",
            Reply::Number(_) => "a number",
            Reply::Text(_) => "a text",
            Reply::Error(_) => "an error",
            Reply::List(_) => "a list",
        }
    }
}

/// Decodes the reply to a question, which took `took` to come.
///
/// `-LOADING` to PING is an answer: the engine lives and loads. (In TAKEN_OVER it is the other way round: PING answers
/// on the admin port as if all were well.)
///
/// # Errors
///
/// [`Undecodable::Refused`] for an error reply, [`Undecodable::Reply`] for what is not the reply to that question.
pub fn answer(question: Question, reply: &Reply, took: Duration) -> Result<Probe, Undecodable> {
    let command = question.command();
    if let Reply::Error(error) = reply {
        if question == Question::Ping && error.starts_with("LOADING") {
            return Ok(Probe::Ping {
                took,
                loading: true,
            });
        }
        return Err(Undecodable::Refused {
            command,
            text: text::one_line(error),
        });
    }
    match question {
        Question::Role => return role(reply).map(Probe::Role),
        Question::Offsets => return lists::offsets(reply).map(Probe::Offsets),
        Question::SlowLog => return lists::slow_log(reply).map(Probe::SlowLog),
        Question::MemoryStats => return lists::memory_stats(reply).map(Probe::MemoryStats),
        Question::Config => return lists::config(reply).map(Probe::Config),
        Question::Time => return time(reply).map(Probe::Time),
        Question::SlowLogLength => {
            return match reply.number() {
                Some(length) => Ok(Probe::SlowLogLength(length)),
                None => Err(unclear(question, format!("it is {}", reply.sort()))),
            };
        }
        _ => {}
    }
    let Some(text) = reply.text() else {
        return Err(unclear(question, format!("it is {}", reply.sort())));
    };
    Ok(match question {
        Question::Ping if text == "PONG" => Probe::Ping {
            took,
            loading: false,
        },
        Question::Replication => Probe::Replication(info::replication(&text)?),
        Question::Persistence => Probe::Persistence(info::persistence(&text)?),
        Question::Server => Probe::Server(info::server(&text)?),
        Question::Clients => Probe::Clients(info::clients(&text)?),
        Question::Memory => Probe::Memory(info::memory(&text)?),
        Question::Stats => Probe::Stats(info::stats(&text)?),
        Question::Keyspace => Probe::Keyspace(info::keyspace(&text)?),
        Question::Cpu => Probe::Cpu(info::cpu(&text)?),
        Question::Commands => Probe::Commands(info::commands(&text)?),
        Question::Errors => Probe::Errors(info::errors(&text)?),
        Question::Tiering => Probe::Tiering(info::tiering(&text)?),
        Question::ClientList => Probe::ClientList(clients::client_list(&text)?),
        Question::Metrics => Probe::Metrics(Box::new(pages::metrics(&text)?)),
        Question::Ping
        | Question::Role
        | Question::Offsets
        | Question::SlowLog
        | Question::SlowLogLength
        | Question::MemoryStats
        | Question::Config
        | Question::Time
        | Question::Health => {
            let said = short(&text, 60).unwrap_or_default();
            return Err(unclear(question, format!("'{said}'")));
        }
    })
}

/// Decodes the reply to `ROLE`: `["master", [[ip, port, state], ...]]` or `["slave", host, port, state]`. Ports come as
/// texts.
///
/// # Errors
///
/// When it is neither.
pub fn role(reply: &Reply) -> Result<RoleReply, Undecodable> {
    let broken = || {
        unclear(
            Question::Role,
            format!("it is {} of another shape", reply.sort()),
        )
    };
    let Reply::List(parts) = reply else {
        return Err(broken());
    };
    let mut parts = parts.iter();
    let word = parts.next().and_then(Reply::text).ok_or_else(broken)?;
    match &*word {
        "master" => {
            let replicas = match parts.next() {
                Some(Reply::List(lines)) => lines
                    .iter()
                    .take(info::REPLICAS)
                    .filter_map(replica)
                    .collect(),
                _ => Vec::new(),
            };
            Ok(RoleReply::Master { replicas })
        }
        "slave" | "replica" => {
            let (host, port, state) = link(&mut parts).ok_or_else(broken)?;
            Ok(RoleReply::Replica { host, port, state })
        }
        other => Err(unclear(
            Question::Role,
            format!("unknown role '{}'", short(other, 60).unwrap_or_default()),
        )),
    }
}

/// Decodes the reply to `TIME`: seconds of unix time, and microseconds beyond them.
fn time(reply: &Reply) -> Result<Timestamp, Undecodable> {
    let seconds = match reply {
        Reply::List(parts) => parts.first().and_then(Reply::number),
        _ => None,
    };
    seconds
        .and_then(|seconds| i64::try_from(seconds).ok())
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .ok_or_else(|| unclear(Question::Time, format!("it is {}", reply.sort())))
}

fn replica(line: &Reply) -> Option<(String, u16, LinkState)> {
    let Reply::List(parts) = line else {
        return None;
    };
    link(&mut parts.iter())
}

/// Host, port and state, in that order.
fn link<'a>(parts: &mut impl Iterator<Item = &'a Reply>) -> Option<(String, u16, LinkState)> {
    let host = short(&parts.next()?.text()?, 80)?;
    let port = port(&parts.next()?.text()?).unwrap_or(0);
    let state = LinkState::from_word(&parts.next()?.text()?);
    Some((host, port, state))
}

pub(super) fn unclear(question: Question, problem: String) -> Undecodable {
    Undecodable::Reply {
        command: question.command(),
        problem,
    }
}
