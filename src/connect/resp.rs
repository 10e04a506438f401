//! RESP to one engine over a stream: several questions at once, each with its own budget, and no answer ever taken for
//! another's.
//!
//! The library's connection has no deadline while it is set up, and a command that timed out stays in the queue before
//! all later ones, because replies come in order. So here every wait is bounded, and a connection on which one question
//! was late is given up. The library also believes whatever length a reply announces, so `frame` stands before it.
//!
//! Only questions are sent, by the list of [`ASKS`]. What changes an engine goes by [`Engine::order`], which wants a pass.

use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::stream::FuturesOrdered;
use futures::{StreamExt, poll};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, ProtocolVersion, RedisConnectionInfo, RedisError, Value,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::fault::seconds;
use super::forward::Tether;
use super::frame::{Breach, Guarded};
use super::latch::Pass;
use crate::domain::text::one_line;
use crate::domain::{Fault, FaultKind};
use crate::wire;

/// What is told of questions that were sent at once.
#[derive(Debug)]
pub enum Heard {
    /// A reply, with its place and the time since the reply before it.
    Reply(usize, Reply, Duration),
    /// All that has come has been told; the next reply is waited for.
    Pause,
}

/// Moves the bytes of a connection until it ends; `None` from then on. Dropped at once when it ends, for only then do
/// questions still waiting learn of it.
type Driver = Option<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// One connection to one engine.
pub struct Engine {
    connection: MultiplexedConnection,
    /// Runs only while the connection is used or waited on; nothing is spawned.
    driver: Driver,
    tether: Option<Tether>,
    /// Why the guard cut a reply off, if it did.
    breach: Breach,
}

/// A reply: a value, or an error that the engine itself returned.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Anything but an error.
    Value(Value),
    /// `-CODE text`, whole.
    Error(String),
}

/// How asking several questions ended.
#[derive(Debug)]
pub enum Ended {
    /// All were answered.
    Answered,
    /// The question at that place was not answered within its budget; nothing after it was answered either.
    Late(usize, Fault),
    /// The connection broke, or something that is not RESP came, before the question at that place was answered.
    Broken(usize, Fault),
}

/// Commands that change nothing, by their first words. `DFLY` and `CLIENT` have others.
const ASKS: &[&[&str]] = &[
    &["PING"],
    &["INFO"],
    &["ROLE"],
    &["TIME"],
    &["CLIENT", "LIST"],
    &["CONFIG", "GET"],
    &["DFLY", "REPLICAOFFSET"],
    &["SLOWLOG", "GET"],
    &["SLOWLOG", "LEN"],
    &["MEMORY", "STATS"],
    &["MEMORY", "USAGE"],
    &["MEMORY", "ARENA"],
    &["DBSIZE"],
    &["EXISTS"],
    &["RANDOMKEY"],
    &["SCAN"],
    &["DUMP"],
    &["TYPE"],
    &["TTL"],
    &["PTTL"],
    &["LASTSAVE"],
    &["LRANGE"],
    &["ZRANGE"],
    &["SMEMBERS"],
    &["HGETALL"],
];

/// Whether a command only asks.
fn only_asks<'w>(words: impl Iterator<Item = &'w [u8]> + Clone) -> bool {
    ASKS.iter().any(|asks| {
        let mut words = words.clone();
        asks.iter().all(|wanted| {
            words
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case(wanted.as_bytes()))
        })
    })
}

fn stopped() -> Fault {
    Fault::new(
        FaultKind::Refused,
        "nobody allowed this command: it was stopped before it was sent",
    )
}

impl Engine {
    /// Sends one command that may change the engine, and waits for its reply. The connection must be dropped after an error.
    ///
    /// # Errors
    /// Of kind [`FaultKind::Refused`] when the pass is for another command, and nothing was sent; else whatever kept the reply
    /// from coming: then it cannot be told whether the command was carried out.
    pub async fn order(
        &mut self,
        words: &[String],
        pass: &Pass,
        budget: Duration,
    ) -> Result<Reply, Fault> {
        if !pass.fits_command(words) {
            return Err(stopped());
        }
        let words = words.iter().map(|word| word.clone().into_bytes()).collect();
        let mut replies = self.send_all(&[words], budget).await?;
        replies.pop().ok_or_else(closed)
    }

    /// Speaks RESP2 over a stream, with no login: the admin port asks for none.
    ///
    /// # Errors
    /// When the library cannot set the connection up.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        tether: Option<Tether>,
        deadline: Duration,
    ) -> Result<Self, Fault> {
        let login = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP2)
            .set_skip_set_lib_name();
        // Our own budgets apply; the library's would leave a late reply in the queue.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (stream, breach) = Guarded::new(stream);
        let setup = MultiplexedConnection::new_with_config(&login, stream, config);
        match timeout(deadline, setup).await {
            Ok(Ok((connection, driver))) => Ok(Self {
                connection,
                driver: Some(Box::pin(driver)),
                tether,
                breach,
            }),
            Ok(Err(error)) => Err(of_redis(&error)),
            Err(_) => Err(Fault::new(
                FaultKind::Timeout,
                format!("no RESP connection within {}", seconds(deadline)),
            )),
        }
    }

    /// Sends all commands in one go and hands each reply over as it comes. Each has `budget` from the reply before it.
    ///
    /// After anything but [`Ended::Answered`] the connection must be dropped.
    pub async fn ask(
        &mut self,
        commands: &[&str],
        budget: Duration,
        mut heard: impl FnMut(Heard),
    ) -> Ended {
        let changes = |command: &&str| !only_asks(command.split(' ').map(str::as_bytes));
        if let Some(place) = commands.iter().position(changes) {
            return Ended::Broken(place, stopped());
        }
        let mut replies: FuturesOrdered<_> = commands
            .iter()
            .map(|command| {
                let mut connection = self.connection.clone();
                let command = packed(command);
                async move { connection.send_packed_command(&command).await }
            })
            .collect();
        for place in 0..commands.len() {
            let asked = Instant::now();
            let reply = {
                let next = async {
                    tokio::select! {
                        // A reply that has arrived counts, even if the connection closed right after it.
                        biased;
                        reply = replies.next() => reply,
                        () = drive(&mut self.driver) => replies.next().await,
                    }
                };
                let mut next = pin!(timeout(budget, next));
                match poll!(next.as_mut()) {
                    Poll::Ready(reply) => reply,
                    Poll::Pending => {
                        heard(Heard::Pause);
                        next.await
                    }
                }
            };
            match reply {
                Ok(Some(Ok(Value::ServerError(error)))) => {
                    let details = error.details().unwrap_or_default();
                    let reply = Reply::Error(format!("{} {details}", error.code()));
                    heard(Heard::Reply(place, reply, asked.elapsed()));
                }
                Ok(Some(Ok(value))) => {
                    heard(Heard::Reply(place, Reply::Value(value), asked.elapsed()));
                }
                Ok(Some(Err(error))) => match server_error(&error) {
                    Some(text) => heard(Heard::Reply(place, Reply::Error(text), asked.elapsed())),
                    None => return Ended::Broken(place, self.explain(&error).await),
                },
                Ok(None) => {
                    let fault = match self.breach.told() {
                        Some(why) => Fault::new(FaultKind::Protocol, why),
                        None => closed(),
                    };
                    return Ended::Broken(place, fault);
                }
                Err(_) => {
                    let command = commands.get(place).copied().unwrap_or_default();
                    let fault = Fault::new(
                        FaultKind::Timeout,
                        format!("{command}: no answer within {}", seconds(budget)),
                    );
                    return Ended::Late(place, fault);
                }
            }
        }
        Ended::Answered
    }

    /// Sends all commands in one go, word by word as they are, and collects the replies. Each has `budget` from the reply
    /// before it. What was sent is never part of a fault: words may be names of keys.
    ///
    /// # Errors
    /// When a reply is late or the connection breaks; the connection must be dropped then.
    pub async fn call_all(
        &mut self,
        commands: &[Vec<Vec<u8>>],
        budget: Duration,
    ) -> Result<Vec<Reply>, Fault> {
        let asks = |words: &Vec<Vec<u8>>| only_asks(words.iter().map(Vec::as_slice));
        match commands.iter().all(asks) {
            true => self.send_all(commands, budget).await,
            false => Err(stopped()),
        }
    }

    async fn send_all(
        &mut self,
        commands: &[Vec<Vec<u8>>],
        budget: Duration,
    ) -> Result<Vec<Reply>, Fault> {
        let mut replies: FuturesOrdered<_> = commands
            .iter()
            .map(|words| {
                let mut connection = self.connection.clone();
                let mut command = Cmd::new();
                for word in words {
                    command.arg(word);
                }
                async move { connection.send_packed_command(&command).await }
            })
            .collect();
        let mut heard = Vec::with_capacity(commands.len());
        while heard.len() < commands.len() {
            let next = async {
                tokio::select! {
                    biased;
                    reply = replies.next() => reply,
                    () = drive(&mut self.driver) => replies.next().await,
                }
            };
            match timeout(budget, next).await {
                Ok(Some(Ok(Value::ServerError(error)))) => {
                    let details = error.details().unwrap_or_default();
                    heard.push(Reply::Error(format!("{} {details}", error.code())));
                }
                Ok(Some(Ok(value))) => heard.push(Reply::Value(value)),
                Ok(Some(Err(error))) => match server_error(&error) {
                    Some(text) => heard.push(Reply::Error(text)),
                    None => return Err(self.explain(&error).await),
                },
                Ok(None) => return Err(closed()),
                Err(_) => {
                    return Err(Fault::new(
                        FaultKind::Timeout,
                        format!("no answer within {}", seconds(budget)),
                    ));
                }
            }
        }
        Ok(heard)
    }

    /// Waits until the other end closes the connection. Cancel-safe.
    pub async fn closed(&mut self) {
        drive(&mut self.driver).await;
    }

    /// What the kubelet complained of explains a closed stream better than its end does.
    async fn explain(&mut self, error: &RedisError) -> Fault {
        if let Some(why) = self.breach.told() {
            return Fault::new(FaultKind::Protocol, why).with_hint(
                "what listens on the admin port may be no Dragonfly: look at the pod's image",
            );
        }
        let fault = of_redis(error);
        if fault.kind == FaultKind::Protocol {
            return fault;
        }
        match &mut self.tether {
            Some(tether) => tether.complaint().await.unwrap_or(fault),
            None => fault,
        }
    }
}

/// A reply without the client library's types.
pub fn plain(reply: &Reply) -> wire::Reply {
    match reply {
        Reply::Error(text) => wire::Reply::Error(text.clone()),
        Reply::Value(value) => plain_value(value),
    }
}

fn plain_value(value: &Value) -> wire::Reply {
    match value {
        Value::Int(number) => wire::Reply::Number(*number),
        Value::BulkString(bytes) => wire::Reply::Text(bytes.clone()),
        Value::SimpleString(text) => wire::Reply::Text(text.clone().into_bytes()),
        Value::Okay => wire::Reply::Text(b"OK".to_vec()),
        Value::VerbatimString { text, .. } => wire::Reply::Text(text.clone().into_bytes()),
        Value::Array(values) | Value::Set(values) => {
            wire::Reply::List(values.iter().map(plain_value).collect())
        }
        Value::ServerError(error) => wire::Reply::Error(format!(
            "{} {}",
            error.code(),
            error.details().unwrap_or_default()
        )),
        _ => wire::Reply::Nil,
    }
}

/// Ends when the connection does.
async fn drive(driver: &mut Driver) {
    if let Some(running) = driver {
        running.await;
        *driver = None;
    }
}

fn packed(command: &str) -> Cmd {
    let mut cmd = Cmd::new();
    for word in command.split(' ') {
        cmd.arg(word);
    }
    cmd
}

fn server_error(error: &RedisError) -> Option<String> {
    match error.kind() {
        ErrorKind::Server(_) | ErrorKind::Extension => {
            let code = error.code().unwrap_or("ERR");
            Some(format!("{code} {}", error.detail().unwrap_or_default()))
        }
        _ => None,
    }
}

fn of_redis(error: &RedisError) -> Fault {
    match error.kind() {
        ErrorKind::Parse => Fault::new(
            FaultKind::Protocol,
            "answered with something that is not RESP",
        )
        .with_detail(one_line(&error.to_string())),
        _ => closed().with_detail(error.to_string()),
    }
}

fn closed() -> Fault {
    Fault::new(
        FaultKind::Unreachable,
        "the connection to the engine was closed",
    )
}

#[cfg(test)]
#[path = "tests/resp.rs"]
mod tests;
